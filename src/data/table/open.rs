//! What lies in a file: unpacked, and told apart by its first bytes.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use bzip2::read::MultiBzDecoder;
use flate2::Crc;
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use zip::{CompressionMethod, ZipArchive};

use super::encoding::{self, Encoding, Scan, Unreadable};

/// What lies around a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Gzip,
    Zstandard,
    Bzip2,
    Xz,

    /// The only file of an archive: where its bytes are in it, and what their sum is to be.
    Zip {
        start: u64,
        packed: u64,
        is_deflated: bool,
        crc: u32,
    },
}

impl Packing {
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstandard => "Zstandard",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zip { .. } => "zip",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Zstandard => "zst",
            Self::Bzip2 => "bz2",
            Self::Xz => "xz",
            Self::Zip { .. } => "zip",
        }
    }
}

/// What the first bytes say.
pub(super) enum Kind {
    Text,
    Parquet,
    Pdf,

    /// A zip archive: a workbook, or something else.
    Zip,

    /// What programs from before 2007 write.
    OldOffice,

    /// What it is instead, and what to do about it.
    Other(&'static str),
}

/// As much of a binary file is unpacked, in bytes: it needs room on the disk.
const MOST_UNPACKED: u64 = 4_000_000_000;

/// What xz may ask for to unpack, in kilobytes: `xz -9` asks for 65 MB.
const MOST_XZ_KB: u32 = 70_000;

/// Packed in something packed in something.
const DEEPEST: usize = 3;

/// Where a stream of the file stands, in bytes of the file.
pub(super) type Position = Rc<Cell<u64>>;

/// What a file is packed with, and what lies in it.
pub(super) fn look(path: &Path) -> io::Result<(Vec<Packing>, Kind)> {
    let mut packing = Vec::new();
    loop {
        let mut head = Vec::new();
        stream(path, &packing, &Position::default())?.take(512).read_to_end(&mut head)?;
        let found = match head.as_slice() {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            // A frame, or something to leave out before one.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Packing::Zstandard
            }
            [b'B', b'Z', b'h', b'1'..=b'9', ..] if is_bzip2(&head) => Packing::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Packing::Xz,
            [b'P', b'K', 3, 4, ..] if packing.is_empty() => match only_file(path) {
                Some((_, only)) => only,
                None => return Ok((packing, Kind::Zip)),
            },
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
        [0x04, 0x22, 0x4d, 0x18, ..] => Kind::Other(
            "it is packed with LZ4, which is not read here. Unpack it first: lz4 -d FILE",
        ),
        [0x1f, 0x9d, ..] => Kind::Other(
            "it is packed with compress, which is not read here. Unpack it first: uncompress FILE",
        ),
        [b'L', b'Z', b'I', b'P', 0 | 1, ..] => Kind::Other(
            "it is packed with lzip, which is not read here. Unpack it first: lzip -d FILE",
        ),
        [b'7', b'z', 0xbc, 0xaf, ..] => {
            Kind::Other("it is a 7-Zip archive. Unpack it first: 7z x FILE")
        }
        [b'%', b'P', b'D', b'F', ..] => Kind::Pdf,
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
        [b'$', b'F', b'L', b'2' | b'3', ..] => Kind::Other(
            "it is a data file of SPSS (.sav), which is not read here. Save it as CSV in SPSS, or in \
             R: write.csv(haven::read_sav(…)); in Python: pandas.read_spss(…).to_csv(…)",
        ),
        [b'<', b's', b't', b'a', b't', b'a', b'_', b'd', b't', b'a', b'>', ..]
        | [0x71..=0x73, 1 | 2, 1, 0, ..] => Kind::Other(
            "it is a data file of Stata (.dta), which is not read here. In Stata: export delimited; \
             in R: write.csv(haven::read_dta(…)); in Python: pandas.read_stata(…).to_csv(…)",
        ),
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xc2, 0xea, 0x81, 0x60, ..] => Kind::Other(
            "it is a data file of SAS, which is not read here. In R: \
             write.csv(haven::read_sas(…)); in Python: pandas.read_sas(…).to_csv(…)",
        ),
        [b'R', b'D', b'X' | b'A', b'1'..=b'5', b'\n', ..]
        | [b'X' | b'A' | b'B', b'\n', 0, 0, 0, 1..=5, ..] => Kind::Other(
            "it is a data file of R (.rds or .RData), which is not read here. In R: \
             write.csv(table, \"table.csv\", row.names = FALSE)",
        ),
        [0x89, b'H', b'D', b'F', ..] => {
            Kind::Other("it is an HDF5 file, which is not read here; export the table as CSV")
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Kind::Other(
            "it is an array of NumPy, which has no names of columns; save a table as CSV",
        ),
        [b'O', b'b', b'j', 1, ..] => Kind::Other(
            "it is an Avro file, which is not read here; write the table as Parquet or CSV",
        ),
        [b'R', b'a', b'r', b'!', ..] => {
            Kind::Other("it is a RAR archive. Unpack it first: unrar x FILE")
        }
        head if head.get(257..262) == Some(b"ustar") => Kind::Other(
            "it is a tar archive, which may hold many files. Unpack it (tar xf FILE) and open one",
        ),
        head if head.starts_with(b"version https://git-lfs") => Kind::Other(
            "it only says where the file lies (Git LFS), and is not the file. Fetch that: git lfs \
             pull",
        ),
        [b'{', b'\\', b'r', b't', b'f', ..] => {
            Kind::Other("it is a document of a word processor (RTF); save it as plain text")
        }
        _ => Kind::Text,
    }
}

/// A block, or the end, follows the first four bytes: no text begins so. Of a file that is cut off, as much of
/// it as there is.
fn is_bzip2(head: &[u8]) -> bool {
    let rest = &head[4..head.len().min(10)];
    [[0x31, 0x41, 0x59, 0x26, 0x53, 0x59], [0x17, 0x72, 0x45, 0x38, 0x50, 0x90]]
        .iter()
        .any(|begin| begin.starts_with(rest))
}

/// The only file of an archive, by name: not what macOS puts beside it, no workbook, no document,
/// and nothing that has to be unpacked otherwise.
fn only_file(path: &Path) -> Option<(String, Packing)> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path).ok()?)).ok()?;
    let mut found = None;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).ok()?;
        let name = entry.name().ok()?.into_owned();
        let is_hidden = name.rsplit('/').next().is_some_and(|name| name.starts_with('.'));
        if entry.is_dir() || is_hidden || name.starts_with("__MACOSX/") {
            continue;
        }
        let is_deflated = match entry.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            _ => return None,
        };
        let is_part = name.starts_with("word/") || name.starts_with("xl/") || name == "content.xml";
        if found.is_some() || is_part || entry.encrypted() {
            return None;
        }
        let (packed, crc) = (entry.compressed_size(), entry.crc32());
        found = Some((name, Packing::Zip { start: entry.data_start()?, packed, is_deflated, crc }));
    }
    found
}

/// The file's name ends so, without what it is packed in, in lower case: `csv` for `A.CSV.gz`.
pub(super) fn ending(path: &Path, packing: &[Packing]) -> String {
    let outer = || path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_archive = matches!(packing.first(), Some(Packing::Zip { .. }));
    let inner = if is_archive { only_file(path) } else { None };
    let mut name = inner.map_or_else(outer, |(inner, _)| inner.to_lowercase());
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
    let mut file = File::open(path)?;
    if let Some(Packing::Zip { start, .. }) = packing.first() {
        file.seek(SeekFrom::Start(*start))?;
    }
    let counted = Counted { file, position: Rc::clone(position) };
    let mut stream: Box<dyn Read> = Box::new(BufReader::with_capacity(1 << 16, counted));
    for packing in packing {
        stream = match packing {
            Packing::Zip { packed, is_deflated, crc, .. } => {
                let bytes = BufReader::new(stream.take(*packed));
                let bytes: Box<dyn Read> = if *is_deflated {
                    Box::new(DeflateDecoder::new(bytes))
                } else {
                    Box::new(bytes)
                };
                Box::new(BufReader::new(Summed { bytes, sum: Crc::new(), expected: *crc }))
            }
            Packing::Gzip => Box::new(BufReader::new(MultiGzDecoder::new(stream))),
            Packing::Bzip2 => Box::new(BufReader::new(Named {
                bytes: MultiBzDecoder::new(stream),
                packed_with: "bzip2",
            })),
            Packing::Xz => {
                let bytes = XzReader::new_mem_limit(stream, true, MOST_XZ_KB);
                Box::new(BufReader::new(Named { bytes, packed_with: "xz" }))
            }
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

/// A text as a whole, without a mark. Of what takes more than a quarter of a gigabyte, that much.
pub(super) fn whole(path: &Path) -> Result<String, Unreadable> {
    const MOST_BYTES: u64 = 1 << 28;

    let position = Position::default();
    let Scan { encoding, .. } = encoding::scan(stream(path, &[], &position)?, &mut || true)?;
    let mut all = String::new();
    text(path, &[], encoding, &position)?.take(MOST_BYTES).read_to_string(&mut all)?;
    if let Some(bare) = all.strip_prefix('\u{feff}') {
        return Ok(bare.to_owned());
    }
    Ok(all)
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

/// Bytes that are unpacked; an error says with what they were packed.
struct Named<R> {
    bytes: R,
    packed_with: &'static str,
}

impl<R: Read> Read for Named<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(into).map_err(|error| {
            let packed_with = self.packed_with;
            let problem = match error.kind() {
                io::ErrorKind::OutOfMemory => format!(
                    "it is packed with {packed_with} so that unpacking takes more memory than is given to \
                     it here; unpack it first: {packed_with} -d FILE"
                ),
                _ => format!("what it is packed with ({packed_with}) is damaged or cut off: {error}"),
            };
            io::Error::new(io::ErrorKind::InvalidData, problem)
        })
    }
}

/// Bytes whose sum is known: an archive has it, and who unpacks it looks.
struct Summed {
    bytes: Box<dyn Read>,
    sum: Crc,
    expected: u32,
}

impl Read for Summed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(into)?;
        self.sum.update(&into[..count]);
        if count == 0 && !into.is_empty() && self.sum.sum() != self.expected {
            let problem =
                "the file in the archive (zip) is damaged: its sum is not what it should be";
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
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
