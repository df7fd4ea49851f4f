//! The ways in which a server misbehaves.

/// What goes wrong with one answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    None,

    /// The connection ends after so many bytes of the body.
    CutAfter(usize),

    /// Nothing more comes after so many bytes, and the connection stays open.
    StallAfter(usize),

    /// The first byte that is sent is not what it was.
    WrongByte,

    /// More bytes are announced and sent than the file has.
    TooLong,

    /// Fewer bytes are announced and sent.
    TooShort,

    /// A thousand more bytes are announced than are sent.
    LengthTooLarge,

    /// A whole file, although a range was asked for.
    IgnoreRange,

    /// A range, but not the one that was asked for.
    WrongRange,

    /// The right range of a file of another size.
    WrongTotal,

    /// A range that does not say which.
    NoContentRange,

    /// The first half of the range that was asked for.
    HalfRange,

    /// A range, although none was asked for.
    UnaskedRange,

    /// Ranges are refused (416).
    RangeRefused,

    /// The tag of the sending host is another one than before.
    NewBodyEtag,
    NoBodyEtag,
    WeakBodyEtag,

    /// No length is announced.
    NoLength,

    /// In pieces, without an announced length, and the connection ends after so many bytes.
    Chunked(usize),

    /// It says that the body is compressed in this way.
    Encoded(&'static str),

    /// The Hub says that the file has another content now.
    NewHubEtag,

    /// The Hub serves it from another commit.
    NewCommit,

    /// A mirror: neither commit nor hash are said.
    NoHubHeaders,

    /// Status and header lines.
    Status(u16, &'static str),

    /// A proxy's page.
    Html,

    /// This body, as JSON.
    Json(&'static str),

    /// A listing without end.
    EndlessListing,
    RedirectLoop,
    RedirectTo(&'static str),
    RedirectNowhere,

    /// Some more hops than usual, relative and absolute.
    ManyHops,

    /// Some bytes at a time, with pauses.
    Drip,

    /// Not HTTP.
    Garbage,

    /// The connection ends before the answer begins.
    HangUp,

    /// No answer comes, and the connection stays open.
    Silence,

    /// More header lines than anybody needs.
    HugeHeader,
}
