//! A squashfs 4.0 image with gzip, as `appimage.sh` makes it, read from a file at an offset: its
//! folders, its files and its links. Anything else of the format is refused.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;

use flate2::read::ZlibDecoder;

/// `hsqs`, as a number.
const MAGIC: u32 = 0x7371_7368;
const GZIP: u16 = 1;

/// What describes the files lies in blocks of this many bytes.
const METADATA: usize = 8192;

/// In place of a fragment's number, where a file has none.
const NO_FRAGMENT: u32 = u32::MAX;

/// A name has 256 bytes at most, a target of a link not many more; what says otherwise is damaged.
const LONGEST_TEXT: usize = 4096;

pub struct Image {
    file: File,
    offset: u64,
    block_size: u64,
    pub root: Place,
    inodes: u64,
    folders: u64,
    fragments: u64,
}

/// A place in what describes the files: the start of a block, and a byte in what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    block: u64,
    byte: usize,
}

#[derive(Debug)]
pub enum Node {
    Folder(Vec<Entry>),
    File(Content),
    Link(String),
}

#[derive(Debug)]
pub struct Entry {
    pub name: String,
    pub place: Place,
}

/// Where the bytes of a file are.
#[derive(Debug)]
pub struct Content {
    pub size: u64,
    pub is_program: bool,
    pub pieces: Vec<Piece>,
}

/// Bytes of a file that lie together, from byte `at` of it on.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    pub at: u64,
    length: usize,
    stored: Stored,
}

#[derive(Clone, Copy, Debug)]
enum Stored {
    Zeros,
    Block {
        start: u64,
        word: u32,
    },

    /// From a byte of a block on that several files share.
    Fragment {
        index: u32,
        byte: usize,
    },
}

impl Image {
    pub fn open(file: File, offset: u64) -> io::Result<Self> {
        let mut head = [0; 96];
        file.read_exact_at(&mut head, offset)?;
        let number = |at: usize, width: usize| {
            let bytes = &head[at..at + width];
            bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
        };
        let [magic, compression, major, minor] =
            [(0, 4), (20, 2), (28, 2), (30, 2)].map(|(at, width)| number(at, width));
        if magic != u64::from(MAGIC) || compression != u64::from(GZIP) || (major, minor) != (4, 0) {
            return Err(damaged("it is no squashfs 4.0 with gzip"));
        }
        let root = place_of(number(32, 8));
        let block_size = number(12, 4);
        if !(4096..=1 << 20).contains(&block_size) {
            return Err(damaged("its blocks have a size that the format does not have"));
        }
        let [inodes, folders, fragments] = [64, 72, 80].map(|at| number(at, 8));
        Ok(Self { file, offset, block_size, root, inodes, folders, fragments })
    }

    pub fn node(&self, place: Place) -> io::Result<Node> {
        let mut reader = Metadata::at(self, self.inodes, place)?;
        let [kind, permissions, _user, _group] = reader.u16s()?;
        let [_time, _number] = reader.u32s()?;
        match kind {
            1 => {
                let [block, _links] = reader.u32s()?;
                let [size, byte] = reader.u16s()?;
                self.folder(block, byte, size.into())
            }
            8 => {
                let [_links, size, block, _parent] = reader.u32s()?;
                let [_indexes, byte] = reader.u16s()?;
                self.folder(block, byte, size)
            }
            2 => {
                let [start, fragment, byte, size] = reader.u32s()?;
                let place = (start.into(), size.into());
                self.content(&mut reader, place, (fragment, byte), permissions)
            }
            9 => {
                let [start, size, _sparse] = reader.u64s()?;
                let [_links, fragment, byte, _attributes] = reader.u32s()?;
                self.content(&mut reader, (start, size), (fragment, byte), permissions)
            }
            3 | 10 => {
                let [_links, length] = reader.u32s()?;
                Ok(Node::Link(reader.text(length as usize)?))
            }
            _ => Err(damaged("it has something that is no file, folder or link")),
        }
    }

    fn folder(&self, block: u32, byte: u16, size: u32) -> io::Result<Node> {
        let place = Place { block: block.into(), byte: byte.into() };
        // An empty one has a size of 3, for itself and its parent, which are not stored.
        let mut left = size.saturating_sub(3) as usize;
        let mut entries = Vec::new();
        if left == 0 {
            return Ok(Node::Folder(entries));
        }
        let mut reader = Metadata::at(self, self.folders, place)?;
        while left > 0 {
            let [count, block, _number] = reader.u32s()?;
            left = left.checked_sub(12).ok_or_else(|| damaged("a folder ends in its middle"))?;
            for _ in 0..=count {
                let [byte, _number, _kind, length] = reader.u16s()?;
                let length = usize::from(length) + 1;
                let name = reader.text(length)?;
                if name.contains('/') || name == ".." || name == "." {
                    return Err(damaged("a name in it leads out of its folder"));
                }
                left = left
                    .checked_sub(8 + length)
                    .ok_or_else(|| damaged("a folder ends in its middle"))?;
                let place = Place { block: block.into(), byte: byte.into() };
                entries.push(Entry { name, place });
            }
        }
        Ok(Node::Folder(entries))
    }

    fn content(
        &self,
        reader: &mut Metadata<'_>,
        (start, size): (u64, u64),
        (fragment, byte): (u32, u32),
        permissions: u16,
    ) -> io::Result<Node> {
        let has_fragment = fragment != NO_FRAGMENT;
        let whole = size / self.block_size;
        let rest = size % self.block_size;
        let count = if has_fragment || rest == 0 { whole } else { whole + 1 };
        let mut pieces = Vec::new();
        let mut start = start;
        for index in 0..count {
            let [word] = reader.u32s()?;
            let at = index * self.block_size;
            let length = self.block_size.min(size - at) as usize;
            let stored = if word == 0 { Stored::Zeros } else { Stored::Block { start, word } };
            pieces.push(Piece { at, length, stored });
            start = start.saturating_add((word & 0x00ff_ffff).into());
        }
        if has_fragment && rest > 0 {
            let stored = Stored::Fragment { index: fragment, byte: byte as usize };
            pieces.push(Piece { at: whole * self.block_size, length: rest as usize, stored });
        }
        Ok(Node::File(Content { size, is_program: permissions & 0o111 != 0, pieces }))
    }

    /// The node at a path such as `usr/bin/tuning-fork`; a link is followed, within the image.
    pub fn find(&self, path: &str) -> io::Result<Node> {
        let mut path = path.to_owned();
        // As many links as Linux follows.
        for _ in 0..40 {
            let mut place = self.root;
            for part in path.split('/').filter(|part| !part.is_empty()) {
                let Node::Folder(entries) = self.node(place)? else { return Err(missing(&path)) };
                let entry = entries.into_iter().find(|entry| entry.name == part);
                place = entry.ok_or_else(|| missing(&path))?.place;
            }
            match self.node(place)? {
                // Only the links that appimage.sh makes, which lie in the outermost folder.
                Node::Link(target) => path = target,
                node => return Ok(node),
            }
        }
        Err(damaged("a link in it leads back to itself"))
    }

    pub fn read(&self, piece: &Piece) -> io::Result<Vec<u8>> {
        let bytes = match piece.stored {
            Stored::Zeros => vec![0; piece.length],
            Stored::Block { start, word } => self.block(start, word)?,
            Stored::Fragment { index, byte } => {
                // 512 entries of 16 bytes fill a block; the table names the blocks.
                let mut place = [0; 8];
                let table = self.offset.saturating_add(self.fragments);
                let table = table.saturating_add(u64::from(index / 512) * 8);
                self.file.read_exact_at(&mut place, table)?;
                let place =
                    Place { block: u64::from_le_bytes(place), byte: index as usize % 512 * 16 };
                let mut reader = Metadata::at(self, 0, place)?;
                let [start] = reader.u64s()?;
                let [word] = reader.u32s()?;
                let block = self.block(start, word)?;
                let end = byte.saturating_add(piece.length).min(block.len());
                block.get(byte..end).unwrap_or_default().to_vec()
            }
        };
        if bytes.len() == piece.length {
            Ok(bytes)
        } else {
            Err(damaged("a file in it is cut off"))
        }
    }

    fn block(&self, start: u64, word: u32) -> io::Result<Vec<u8>> {
        let is_packed = word & (1 << 24) == 0;
        let length = u64::from(word & 0x00ff_ffff);
        if length > self.block_size {
            return Err(damaged("a block in it is larger than blocks are"));
        }
        self.bytes(start, length as usize, is_packed, self.block_size as usize)
    }

    fn bytes(
        &self,
        start: u64,
        length: usize,
        is_packed: bool,
        most: usize,
    ) -> io::Result<Vec<u8>> {
        let mut stored = vec![0; length];
        self.file.read_exact_at(&mut stored, self.offset.saturating_add(start))?;
        if !is_packed {
            return Ok(stored);
        }
        let mut unpacked = Vec::with_capacity(most);
        ZlibDecoder::new(stored.as_slice()).take(most as u64).read_to_end(&mut unpacked)?;
        Ok(unpacked)
    }
}

/// Reads what describes the files, from one block into the next.
struct Metadata<'a> {
    image: &'a Image,
    next: u64,
    bytes: Vec<u8>,
    at: usize,
}

impl<'a> Metadata<'a> {
    fn at(image: &'a Image, table: u64, place: Place) -> io::Result<Self> {
        let start = table.checked_add(place.block).ok_or_else(|| damaged("a place is outside"))?;
        let mut reader = Self { image, next: start, bytes: Vec::new(), at: 0 };
        reader.go_on()?;
        reader.at = place.byte;
        Ok(reader)
    }

    fn go_on(&mut self) -> io::Result<()> {
        let mut head = [0; 2];
        self.image.file.read_exact_at(&mut head, self.image.offset.saturating_add(self.next))?;
        let head = u16::from_le_bytes(head);
        let length = usize::from(head & 0x7fff);
        self.bytes =
            self.image.bytes(self.next.saturating_add(2), length, head & 0x8000 == 0, METADATA)?;
        if self.bytes.is_empty() {
            return Err(damaged("a list of files in it is empty"));
        }
        self.next = self.next.saturating_add(2 + length as u64);
        self.at = 0;
        Ok(())
    }

    fn take(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        for byte in bytes {
            if self.at >= self.bytes.len() {
                self.go_on()?;
            }
            *byte = self.bytes[self.at];
            self.at += 1;
        }
        Ok(())
    }

    fn u16s<const COUNT: usize>(&mut self) -> io::Result<[u16; COUNT]> {
        let mut numbers = [0; COUNT];
        for number in &mut numbers {
            let mut bytes = [0; 2];
            self.take(&mut bytes)?;
            *number = u16::from_le_bytes(bytes);
        }
        Ok(numbers)
    }

    fn u32s<const COUNT: usize>(&mut self) -> io::Result<[u32; COUNT]> {
        let mut numbers = [0; COUNT];
        for number in &mut numbers {
            let mut bytes = [0; 4];
            self.take(&mut bytes)?;
            *number = u32::from_le_bytes(bytes);
        }
        Ok(numbers)
    }

    fn u64s<const COUNT: usize>(&mut self) -> io::Result<[u64; COUNT]> {
        let mut numbers = [0; COUNT];
        for number in &mut numbers {
            let mut bytes = [0; 8];
            self.take(&mut bytes)?;
            *number = u64::from_le_bytes(bytes);
        }
        Ok(numbers)
    }

    fn text(&mut self, length: usize) -> io::Result<String> {
        if length > LONGEST_TEXT {
            return Err(damaged("a name in it is longer than names are"));
        }
        let mut bytes = vec![0; length];
        self.take(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_not_text| damaged("a name in it is no text"))
    }
}

/// A reference to an inode: where its block begins, and the byte in it.
fn place_of(reference: u64) -> Place {
    Place { block: reference >> 16, byte: (reference & 0xffff) as usize }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("This AppImage is damaged: {what}. Download it again"),
    )
}

fn missing(path: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("This AppImage is damaged: it has no {path}. Download it again"),
    )
}

#[cfg(test)]
#[path = "squashfs_tests.rs"]
mod tests;
