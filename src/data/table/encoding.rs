//! How a text is encoded: found from its bytes, said, and decoded to UTF-8.

use std::io::{self, Read};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    Decoder, DecoderResult, EUC_JP, MACINTOSH, SHIFT_JIS, UTF_16BE, UTF_16LE, WINDOWS_1252,
};

use super::letters::{DosReader, dos, is_better};

/// As much of a text is looked at before its form is known, in bytes.
pub(super) const HEAD: usize = 1 << 18;

/// A guess is not made better by more than this, in bytes.
const MOST_GUESSED_FROM: usize = 1 << 22;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,

    /// With a byte order mark before it, as Excel and Notepad write it.
    MarkedUtf8,
    Utf16LittleEndian,
    Utf16BigEndian,

    /// One of the many from before Unicode, guessed from the bytes.
    Guessed(&'static encoding_rs::Encoding),

    /// Code page 850, which is none of the web's.
    Dos,
}

impl Encoding {
    /// As an editor calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::MarkedUtf8 => "UTF-8 with a byte order mark",
            Self::Utf16LittleEndian | Self::Utf16BigEndian => "UTF-16",
            Self::Guessed(encoding) if encoding == WINDOWS_1252 => "Windows-1252",
            Self::Guessed(encoding) if encoding == MACINTOSH => "Mac Roman",
            Self::Guessed(encoding) => encoding.name(),
            Self::Dos => "DOS's code page 850",
        }
    }
}

/// What a look at a whole text found.
pub(super) struct Scan {
    pub encoding: Encoding,

    /// How it begins, decoded.
    pub head: String,
}

/// Why a text has no encoding that could be used.
#[derive(Debug)]
pub(super) enum Unreadable {
    Io(io::Error),

    /// Most of it is UTF-8, and at this place it is not: the line, and the byte.
    Broken {
        line: u64,
        byte: u8,
    },

    /// Zeros where no text has any.
    Binary,

    /// A text up to this line, and nothing but zeros behind it.
    Padded {
        line: u64,
    },
    Utf32,
    Stopped,
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Looks at all of a text. `go_on` is asked now and then whether to.
pub(super) fn scan(
    mut input: impl Read,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Scan, Unreadable> {
    let mut head = Vec::new();
    (&mut input).take(HEAD as u64).read_to_end(&mut head)?;
    let wide = match head.as_slice() {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Err(Unreadable::Utf32),
        [0xff, 0xfe, ..] => Some(Encoding::Utf16LittleEndian),
        [0xfe, 0xff, ..] => Some(Encoding::Utf16BigEndian),
        _ => unmarked_utf16(&head),
    };
    if let Some(encoding) = wide {
        return Ok(Scan { encoding, head: decoded(&head, encoding) });
    }
    let zeros = head.iter().filter(|byte| **byte == 0).count();
    if zeros > 0 {
        let written = head.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let text = std::str::from_utf8(&head[..written]).ok().filter(|text| !text.is_empty());
        match text {
            Some(text) if !text.contains('\0') => {
                return Err(Unreadable::Padded { line: text.lines().count() as u64 });
            }
            // One here and there is a slip of whatever wrote the text.
            Some(_) if zeros <= 1 + head.len() / 64 => {}
            _ => return Err(Unreadable::Binary),
        }
    }
    let mut utf8 = Utf8Check::default();
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let mut fed = 0;
    let mut chunk = head.clone();
    loop {
        utf8.look_at(&chunk);
        if fed < MOST_GUESSED_FROM && utf8.first_bad.is_some() {
            detector.feed(&chunk, false);
            fed += chunk.len();
        }
        if !go_on() {
            return Err(Unreadable::Stopped);
        }
        chunk.resize(HEAD, 0);
        let count = read_some(&mut input, &mut chunk)?;
        chunk.truncate(count);
        if count == 0 {
            break;
        }
    }
    utf8.end();
    let encoding = match utf8.first_bad {
        None if head.starts_with(b"\xef\xbb\xbf") => Encoding::MarkedUtf8,
        None => Encoding::Utf8,
        // What is mostly UTF-8 was damaged, or put together from two files.
        Some((line, byte)) if utf8.good > utf8.bad => {
            return Err(Unreadable::Broken { line, byte });
        }
        Some(_) => {
            detector.feed(&[], true);
            match japanese(&head) {
                Some(found) => Encoding::Guessed(found),
                None => of_old_systems(&head, detector.guess(None, Utf8Detection::Deny)),
            }
        }
    };
    Ok(Scan { encoding, head: decoded(&head, encoding) })
}

/// What the detector does not know: a text of an old Mac or of DOS, where its own guess makes no words.
fn of_old_systems(head: &[u8], guess: &'static encoding_rs::Encoding) -> Encoding {
    let read = |encoding: &'static encoding_rs::Encoding| {
        encoding.decode_without_bom_handling(head).0.into_owned()
    };
    if !guess.is_single_byte() {
        return Encoding::Guessed(guess);
    }
    let guessed = read(guess);
    if is_better(&guessed, &read(MACINTOSH)) {
        Encoding::Guessed(MACINTOSH)
    } else if is_better(&guessed, &dos(head)) {
        Encoding::Dos
    } else {
        Encoding::Guessed(guess)
    }
}

/// Japanese is told by its syllables, of which a few are enough; the detector takes some lines of it
/// for Cyrillic.
fn japanese(head: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let is_kana = |letter: &char| matches!(letter, '\u{3041}'..='\u{30ff}');
    [SHIFT_JIS, EUC_JP].into_iter().find(|encoding| {
        let (text, _, has_errors) = encoding.decode(head);
        let letters = text.chars().filter(|letter| !letter.is_ascii()).count();
        // Half a character at the end of what is looked at.
        let is_whole =
            !has_errors || text.matches('\u{fffd}').count() == usize::from(head.len() == HEAD);
        is_whole && text.chars().filter(is_kana).count() * 3 > letters
    })
}

fn read_some(input: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// The words of languages with our letters have a zero in every second byte.
fn unmarked_utf16(head: &[u8]) -> Option<Encoding> {
    let pairs = &head[..head.len().min(4096)];
    if pairs.len() < 4 {
        return None;
    }
    let zeros = |offset: usize| {
        let bytes = pairs.iter().skip(offset).step_by(2);
        let (zeros, all) =
            bytes.fold((0, 0), |(zeros, all), byte| (zeros + usize::from(*byte == 0), all + 1));
        (zeros, all)
    };
    let ((even, half), (odd, _)) = (zeros(0), zeros(1));
    if odd * 2 > half && even == 0 {
        Some(Encoding::Utf16LittleEndian)
    } else if even * 2 > half && odd == 0 {
        Some(Encoding::Utf16BigEndian)
    } else {
        None
    }
}

/// Counts what is UTF-8 and what is not, chunk by chunk.
#[derive(Default)]
struct Utf8Check {
    /// The beginning of a character that goes on in the next chunk.
    open: Vec<u8>,

    /// Characters of more than one byte.
    good: u64,
    bad: u64,
    line: u64,
    first_bad: Option<(u64, u8)>,
}

impl Utf8Check {
    fn look_at(&mut self, chunk: &[u8]) {
        let joined;
        let mut bytes = if self.open.is_empty() {
            chunk
        } else {
            joined = [std::mem::take(&mut self.open).as_slice(), chunk].concat();
            &joined
        };
        loop {
            let (good, error) = match std::str::from_utf8(bytes) {
                Ok(text) => (text.as_bytes(), None),
                Err(error) => (&bytes[..error.valid_up_to()], Some(error)),
            };
            self.line += good.iter().filter(|byte| **byte == b'\n').count() as u64;
            if !good.is_ascii() {
                self.good += good.iter().filter(|byte| **byte >= 0xc0).count() as u64;
            }
            let Some(error) = error else { return };
            let rest = &bytes[error.valid_up_to()..];
            let Some(len) = error.error_len() else {
                self.open = rest.to_vec();
                return;
            };
            self.note(rest[0]);
            bytes = &rest[len..];
        }
    }

    fn end(&mut self) {
        if let Some(byte) = self.open.first().copied() {
            self.note(byte);
        }
    }

    fn note(&mut self, byte: u8) {
        self.bad += 1;
        self.first_bad.get_or_insert((self.line + 1, byte));
    }
}

fn decoded(bytes: &[u8], encoding: Encoding) -> String {
    let encoding = match encoding {
        Encoding::Utf8 | Encoding::MarkedUtf8 => encoding_rs::UTF_8,
        Encoding::Utf16LittleEndian => UTF_16LE,
        Encoding::Utf16BigEndian => UTF_16BE,
        Encoding::Guessed(encoding) => {
            return encoding.decode_without_bom_handling(bytes).0.into_owned();
        }
        Encoding::Dos => return dos(bytes),
    };
    encoding.decode_with_bom_removal(bytes).0.into_owned()
}

/// A text as UTF-8, without a mark.
pub(super) fn decode<'a>(mut input: impl Read + 'a, encoding: Encoding) -> Box<dyn Read + 'a> {
    let decoder = match encoding {
        Encoding::Utf8 => return Box::new(input),
        Encoding::MarkedUtf8 => {
            let mut mark = [0; 3];
            return match input.read_exact(&mut mark) {
                Ok(()) => Box::new(input),
                Err(error) => Box::new(Failing(Some(error))),
            };
        }
        Encoding::Utf16LittleEndian => UTF_16LE.new_decoder_with_bom_removal(),
        Encoding::Utf16BigEndian => UTF_16BE.new_decoder_with_bom_removal(),
        Encoding::Guessed(encoding) => encoding.new_decoder_without_bom_handling(),
        Encoding::Dos => return Box::new(DosReader::new(input)),
    };
    Box::new(Decoding {
        input,
        decoder,
        name: encoding.name(),
        raw: Vec::new(),
        raw_at: 0,
        text: Vec::new(),
        text_at: 0,
        line: 1,
        ended: false,
    })
}

struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _into: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

struct Decoding<R> {
    input: R,
    decoder: Decoder,
    name: &'static str,
    raw: Vec<u8>,
    raw_at: usize,
    text: Vec<u8>,
    text_at: usize,
    line: u64,
    ended: bool,
}

impl<R: Read> Decoding<R> {
    fn decode_some(&mut self) -> io::Result<()> {
        const CHUNK: usize = 1 << 15;

        if self.raw_at == self.raw.len() {
            self.raw.resize(CHUNK, 0);
            let count = read_some(&mut self.input, &mut self.raw)?;
            self.raw.truncate(count);
            self.raw_at = 0;
        }
        let last = self.raw.is_empty();
        self.text.resize(3 * CHUNK, 0);
        let raw = &self.raw[self.raw_at..];
        let (result, read, written) =
            self.decoder.decode_to_utf8_without_replacement(raw, &mut self.text, last);
        self.raw_at += read;
        self.text.truncate(written);
        self.text_at = 0;
        self.line += self.text.iter().filter(|byte| **byte == b'\n').count() as u64;
        match result {
            DecoderResult::Malformed(..) => {
                let problem = format!(
                    "line {} is not {}, as the rest of the file is: it was damaged or cut off there",
                    self.line, self.name
                );
                Err(io::Error::new(io::ErrorKind::InvalidData, problem))
            }
            DecoderResult::InputEmpty => {
                self.ended = last;
                Ok(())
            }
            DecoderResult::OutputFull => Ok(()),
        }
    }
}

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.text_at == self.text.len() {
            if self.ended {
                return Ok(0);
            }
            self.decode_some()?;
        }
        let count = into.len().min(self.text.len() - self.text_at);
        into[..count].copy_from_slice(&self.text[self.text_at..self.text_at + count]);
        self.text_at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Result<(Encoding, String), Unreadable> {
        let scan = scan(bytes, &mut || true)?;
        let mut text = String::new();
        decode(bytes, scan.encoding).read_to_string(&mut text)?;
        assert!(text.starts_with(scan.head.trim_start_matches('\u{feff}')));
        Ok((scan.encoding, text))
    }

    fn wide(text: &str, mark: bool, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[test]
    fn what_editors_write_is_found_and_decoded() {
        let text = "Größe, naïve, “quoted” – 12 €\nNächste Zeile";
        let (western, ..) = WINDOWS_1252.encode(text);
        for (bytes, name, reason) in [
            (text.as_bytes().to_vec(), "UTF-8", "plain"),
            (
                ["\u{feff}".as_bytes(), text.as_bytes()].concat(),
                "UTF-8 with a byte order mark",
                "Excel",
            ),
            (wide(text, true, u16::to_le_bytes), "UTF-16", "Notepad"),
            (wide(text, true, u16::to_be_bytes), "UTF-16", "the other way round"),
            (wide(text, false, u16::to_le_bytes), "UTF-16", "without a mark"),
            (wide(text, false, u16::to_be_bytes), "UTF-16", "neither"),
            (western.into_owned(), "Windows-1252", "Excel's CSV"),
        ] {
            let (encoding, decoded) = found(&bytes).unwrap();
            assert_eq!((encoding.name(), decoded.as_str()), (name, text), "{reason}");
        }
    }

    #[test]
    fn a_few_lines_of_japanese_are_enough() {
        let text = "text,label\n今日はとても良い天気ですね,良い\n";
        for encoding in [SHIFT_JIS, EUC_JP] {
            let (bytes, ..) = encoding.encode(text);
            let (found, decoded) = found(&bytes).unwrap();
            assert_eq!((found.name(), decoded.as_str()), (encoding.name(), text));
        }
        // A line of German is none, whatever its bytes could be.
        let (bytes, ..) = WINDOWS_1252.encode("Größe,Übung\nÄpfel,Öl\n");
        assert_eq!(found(&bytes).unwrap().0.name(), "Windows-1252");
    }

    /// Excel for Mac's "CSV (Macintosh)", Excel's "CSV (MS-DOS)"; the bytes are Python's (`mac_roman`, cp850).
    #[test]
    fn letters_of_old_macs_and_of_dos_are_told_from_those_of_windows() {
        let text = "Größe;Straße\nschön;Übung für Äpfel\n";
        let mac = b"Gr\x9a\xa7e;Stra\xa7e\nsch\x9an;\x86bung f\x9fr \x80pfel\n".as_slice();
        let dos = b"Gr\x94\xe1e;Stra\xe1e\nsch\x94n;\x9abung f\x81r \x8epfel\n".as_slice();
        let french = b"l\xd5\x8et\x8e, \x88 No\x91l, \x8d\x88 et l\x88\n".as_slice();
        for (bytes, name, text) in [
            (mac, "Mac Roman", text),
            (dos, "DOS's code page 850", text),
            (french, "Mac Roman", "l’été, à Noël, çà et là\n"),
        ] {
            let (encoding, decoded) = found(bytes).unwrap();
            assert_eq!((encoding.name(), decoded.as_str()), (name, text));
        }
        let (bytes, ..) = WINDOWS_1252.encode("l’été “naïf” – 5 €, ça va, Ça va\n");
        assert_eq!(found(&bytes).unwrap().0.name(), "Windows-1252");
    }

    #[test]
    fn a_bad_byte_in_utf8_is_named_with_its_line() {
        let text = "Größe\nnaïve\nÄpfel \u{00e4}\n".as_bytes();
        let bytes = [text, b"caf\xe9\n", text].concat();
        match found(&bytes) {
            Err(Unreadable::Broken { line: 4, byte: 0xe9 }) => {}
            other => panic!("{other:?}"),
        }
        assert!(matches!(found(b"a\0\xff\x01b\0\0\0\0c"), Err(Unreadable::Binary)));
        assert!(matches!(found(b"a,b\n1,2\n\0\0\0\0"), Err(Unreadable::Padded { line: 2 })));
        assert_eq!(found(b"a,b\n1,x\0y\n").unwrap().1, "a,b\n1,x\0y\n");
        assert!(matches!(found(b"\xff\xfe\0\0a\0\0\0"), Err(Unreadable::Utf32)));
        // Half a character at the end of UTF-16.
        let cut = &wide("Größe", true, u16::to_le_bytes)[..9];
        let Err(Unreadable::Io(error)) = found(cut) else { panic!("it is cut") };
        assert!(error.to_string().contains("line 1 is not UTF-16"), "{error}");
    }
}
