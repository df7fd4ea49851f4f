//! What a fetch says while it runs.

/// What a fetch says while it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum FetchEvent {
    /// A source is being tried: `the Hugging Face Hub`, `pip`.
    Trying { source: String },

    /// A source could not serve, and why, in one line. The next one is tried.
    Failed { source: String, reason: String },

    /// Bytes so far and in all (`None`: not known), over all files; `file` is the one that comes.
    Bytes { file: String, done: u64, total: Option<u64> },

    /// The hash is being checked.
    Verifying { file: String },

    /// Another copy of the program is fetching it: it is waited for, and its result used.
    Elsewhere { file: String },
}
