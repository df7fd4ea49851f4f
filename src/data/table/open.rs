//! What lies in a file: unpacked, and told apart by its first bytes.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::encoding::{self, Encoding};

/// What lies around a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Gzip,
    Zstandard,
}

impl Packing {
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstandard => "Zstandard",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Zstandard => "zst",
        }
    }
}

/// What the first bytes say.
pub(super) enum Kind {
    Text,
    Parquet,

    /// A zip archive: a workbook, or something else.
    Zip,

    /// What programs from before 2007 write.
    OldOffice,

    /// What it is instead, and what to do about it.
    Other(&'static str),
}

/// As much of a binary file is unpacked, in bytes: it needs room on the disk.
const MOST_UNPACKED: u64 = 4_000_000_000;

/// Packed in something packed in something.
const DEEPEST: usize = 3;

/// Where a stream of the file stands, in bytes of the file.
pub(super) type Position = Rc<Cell<u64>>;

/// What a file is packed with, and what lies in it.
pub(super) fn look(path: &Path) -> io::Result<(Vec<Packing>, Kind)> {
    let mut packing = Vec::new();
    loop {
        let mut head = Vec::new();
        stream(path, &packing, &Position::default())?.take(32).read_to_end(&mut head)?;
        let found = match head.as_slice() {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            // A frame, or something to leave out before one.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Packing::Zstandard
            }
            _ => return Ok((packing, kind(&head))),
        };
        packing.push(found);
        if packing.len() > DEEPEST {
            return Err(io::Error::other("it is packed more than three times; unpack it first"));
        }
    }
}

fn kind(head: &[u8]) -> Kind {
    match head {
        [b'P', b'A', b'R', b'1', ..] => Kind::Parquet,
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Kind::Zip,
        [0xd0, 0xcf, 0x11, 0xe0, ..] => Kind::OldOffice,
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => {
            Kind::Other("it is packed with bzip2, which is not read here; unpack it first")
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            Kind::Other("it is packed with xz, which is not read here; unpack it first")
        }
        [b'7', b'z', 0xbc, 0xaf, ..] => Kind::Other("it is a 7-Zip archive; unpack it first"),
        [b'%', b'P', b'D', b'F', ..] => {
            Kind::Other("it is a PDF document; a table or a text file is needed")
        }
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] => Kind::Other("it is a picture"),
        [b'G', b'G', b'U', b'F', ..] => Kind::Other("it is a model (GGUF), not a table"),
        [b'S', b'Q', b'L', b'i', b't', b'e', ..] => {
            Kind::Other("it is an SQLite database; export the table as CSV")
        }
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] | [0xff, 0xff, 0xff, 0xff, ..] => Kind::Other(
            "it is an Arrow file, as `datasets` keeps its tables. In Python: \
             datasets.Dataset.from_file(…).to_parquet(…) makes one that is read here",
        ),
        [0x80, 2..=5, ..] => Kind::Other(
            "it is a Python pickle, which could run any program when it is read. In Python: \
             pandas.read_pickle(…).to_parquet(…) makes a file that is read here",
        ),
        [b'{', b'\\', b'r', b't', b'f', ..] => {
            Kind::Other("it is a document of a word processor (RTF); save it as plain text")
        }
        _ => Kind::Text,
    }
}

/// The file's name ends so, without what it is packed in, in lower case: `csv` for `A.CSV.gz`.
pub(super) fn ending(path: &Path, packing: &[Packing]) -> String {
    let mut name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    for packing in packing {
        if let Some(inner) = name.strip_suffix(&format!(".{}", packing.ending())) {
            name = inner.to_owned();
        }
    }
    name.rsplit_once('.').map(|(_, ending)| ending.to_owned()).unwrap_or_default()
}

/// The bytes of a file, unpacked.
pub(super) fn stream(
    path: &Path,
    packing: &[Packing],
    position: &Position,
) -> io::Result<Box<dyn Read>> {
    let counted = Counted { file: File::open(path)?, position: Rc::clone(position) };
    let mut stream: Box<dyn Read> = Box::new(BufReader::with_capacity(1 << 16, counted));
    for packing in packing {
        stream = match packing {
            Packing::Gzip => Box::new(BufReader::new(MultiGzDecoder::new(stream))),
            Packing::Zstandard => Box::new(BufReader::new(Frames::new(BufReader::new(stream)))),
        };
    }
    Ok(stream)
}

/// The text of a file as UTF-8.
pub(super) fn text(
    path: &Path,
    packing: &[Packing],
    encoding: Encoding,
    position: &Position,
) -> io::Result<Box<dyn Read>> {
    Ok(encoding::decode(stream(path, packing, position)?, encoding))
}

/// A file to go back and forth in: itself, or a temporary one with what was packed in it.
pub(super) fn seekable(
    path: &Path,
    packing: &[Packing],
    go_on: &mut dyn FnMut() -> bool,
) -> io::Result<Option<File>> {
    if packing.is_empty() {
        return File::open(path).map(Some);
    }
    let mut unpacked = tempfile::tempfile()?;
    let mut stream = stream(path, packing, &Position::default())?;
    let mut len = 0;
    loop {
        let count = io::copy(&mut (&mut stream).take(1 << 22), &mut unpacked)?;
        len += count;
        if count == 0 {
            break;
        }
        if len > MOST_UNPACKED {
            return Err(io::Error::other("unpacked it would take more than 4 GB"));
        }
        if !go_on() {
            return Ok(None);
        }
    }
    unpacked.seek(SeekFrom::Start(0))?;
    Ok(Some(unpacked))
}

struct Counted {
    file: File,
    position: Position,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        self.position.set(self.position.get() + count as u64);
        Ok(count)
    }
}

/// A file of Zstandard is frames, one after the other, and now and then one to leave out.
pub(super) struct Frames<R> {
    input: R,
    decoder: FrameDecoder,
    inside: bool,
}

impl<R: BufRead> Frames<R> {
    /// A frame may ask for this much of what came before it, in bytes: pandas, and zstd without
    /// `--long` or `--ultra`, ask for 8 MB at most.
    const MOST_WINDOW: u64 = 32 << 20;

    pub fn new(input: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(Self::MOST_WINDOW);
        Self { input, decoder, inside: false }
    }

    /// Whether there is another frame, which is then begun.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.input.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.input) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut (&mut self.input).take(u64::from(length)), &mut io::sink())?;
                }
                Err(error) => return Err(damaged(&error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.inside {
                if !self.begin()? {
                    return Ok(0);
                }
                self.inside = true;
            }
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(into);
            }
            if self.decoder.is_finished() {
                self.inside = false;
                continue;
            }
            let one = BlockDecodingStrategy::UptoBlocks(1);
            self.decoder.decode_blocks(&mut self.input, one).map_err(|error| damaged(&error))?;
        }
    }
}

fn damaged(error: &dyn std::error::Error) -> io::Error {
    let problem = format!("what it is packed with (Zstandard) is damaged or cut off: {error}");
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
