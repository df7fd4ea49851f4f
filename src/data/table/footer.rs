//! What the footer of a Parquet file says of its columns, looked at before the decoder takes it at
//! its word: it makes room for as many columns as a group declares, and goes down as deep as groups
//! lie in each other.
//!
//! A footer is a struct in Thrift's compact protocol: numbers of seven bits a byte, and before each
//! field a byte with its type and how far its number is from the one before.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

/// Groups in groups, and lists in structs: no table of people's goes down so far.
const DEEPEST: usize = 64;

/// Whether a file's columns cannot be those that it declares. A footer that cannot be read is left
/// to the decoder, which says why.
pub fn promises_too_much(mut file: &File) -> io::Result<bool> {
    /// The footer's length, and `PAR1`.
    const TAIL: u64 = 8;

    let len = file.metadata()?.len();
    let mut tail = [0; TAIL as usize];
    if len < TAIL {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(len - TAIL))?;
    file.read_exact(&mut tail)?;
    let [a, b, c, d, ..] = tail;
    let footer_len = u64::from(u32::from_le_bytes([a, b, c, d]));
    let Some(start) = (len - TAIL).checked_sub(footer_len) else { return Ok(false) };
    let mut footer = vec![0; footer_len as usize]; // not longer than the file
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut footer)?;
    Ok(columns_fit(&footer) == Some(false))
}

/// Whether each group has as many columns as it declares. `None`: it cannot be read.
fn columns_fit(footer: &[u8]) -> Option<bool> {
    /// The schema's number in the footer.
    const SCHEMA: i16 = 2;

    let mut bytes = Bytes(footer);
    let mut field = 0;
    loop {
        let kind = bytes.field(&mut field)?;
        if field == SCHEMA {
            break;
        }
        bytes.skip(kind, 0)?;
    }
    let (count, _) = bytes.list()?;
    // Groups that are open, each with how many columns of it have not come yet.
    let mut open: Vec<u64> = Vec::new();
    let mut left = count;
    for index in 0..count {
        let children = bytes.children()?;
        if let Some(missing) = open.last_mut() {
            *missing -= 1;
        } else if index > 0 {
            return Some(false); // after the end of the outermost group
        }
        left -= 1;
        if children > 0 {
            open.push(children);
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        // What is open needs columns that are still to come, none of them twice.
        let needed = open.iter().try_fold(0_u64, |sum, missing| sum.checked_add(*missing));
        if open.len() > DEEPEST || needed.is_none_or(|needed| needed > left) {
            return Some(false);
        }
    }
    Some(true)
}

/// What has not been read yet. Everything is `None` at its end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn leave_out(&mut self, count: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A number that may be negative: 0, -1, 1, -2 are 0, 1, 2, 3.
    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        let half = i64::try_from(number >> 1).ok()?;
        Some(if number & 1 == 0 { half } else { -half - 1 })
    }

    /// The type of the next field, and in `id` its number. `None`: it was the last one.
    fn field(&mut self, id: &mut i16) -> Option<u8> {
        let byte = self.byte()?;
        if byte == 0 {
            return None;
        }
        *id = match i16::from(byte >> 4) {
            0 => i16::try_from(self.signed()?).ok()?,
            further => id.checked_add(further)?,
        };
        Some(byte & 0x0f)
    }

    /// How many values a list has, and of which type.
    fn list(&mut self) -> Option<(u64, u8)> {
        let byte = self.byte()?;
        let count = match byte >> 4 {
            15 => self.number()?,
            few => u64::from(few),
        };
        Some((count, byte & 0x0f))
    }

    /// How many columns a column of the schema holds; what else is said of it is left out.
    fn children(&mut self) -> Option<u64> {
        /// Its number in the struct.
        const CHILDREN: i16 = 5;

        let (mut field, mut children) = (0, 0);
        while self.0.first()? != &0 {
            let kind = self.field(&mut field)?;
            if field == CHILDREN {
                children = u64::try_from(self.signed()?).ok()?;
            } else {
                self.skip(kind, 0)?;
            }
        }
        self.byte()?;
        Some(children)
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match kind {
            1 | 2 => Some(()), // true and false are their types
            3 => self.leave_out(1),
            4..=6 => self.number().map(drop),
            7 => self.leave_out(8),
            8 => {
                let len = self.number()?;
                self.leave_out(len)
            }
            9 | 10 => {
                let (count, kind) = self.list()?;
                (0..count).try_for_each(|_| self.skip_item(kind, depth + 1))
            }
            11 => {
                let count = self.number()?;
                let kinds = if count == 0 { 0 } else { self.byte()? };
                (0..count).try_for_each(|_| {
                    self.skip_item(kinds >> 4, depth + 1)?;
                    self.skip_item(kinds & 0x0f, depth + 1)
                })
            }
            12 => {
                let mut field = 0;
                while self.0.first()? != &0 {
                    let kind = self.field(&mut field)?;
                    self.skip(kind, depth + 1)?;
                }
                self.leave_out(1)
            }
            _ => None,
        }
    }

    /// In a list, true and false take a byte.
    fn skip_item(&mut self, kind: u8, depth: usize) -> Option<()> {
        if matches!(kind, 1 | 2) { self.leave_out(1) } else { self.skip(kind, depth) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number from 0 to 63, or one of five bytes.
    fn signed(number: u32) -> Vec<u8> {
        let mut number = u64::from(number) << 1;
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    /// A footer with a version and these columns, each with how many it holds.
    fn footer(columns: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0x15, 2]; // field 1, an i32: version 1
        bytes.extend([0x19, 0xfc]); // field 2, a list of structs
        assert!(columns.len() < 128);
        bytes.push(columns.len() as u8);
        for children in columns {
            bytes.extend([0x48, 1, b'a']); // field 4, a name
            if *children > 0 {
                bytes.push(0x15); // field 5
                bytes.extend(signed(*children));
            }
            bytes.push(0);
        }
        bytes.push(0);
        bytes
    }

    #[test]
    fn columns_that_are_not_there_are_found() {
        let cases: [(&[u32], bool, &str); 8] = [
            (&[2, 0, 0], true, "a flat table"),
            (&[2, 1, 0, 0], true, "a group in it"),
            (&[0], true, "no columns"),
            (&[3, 0, 0], false, "one is missing"),
            (&[1, 0, 0], false, "one too many"),
            (&[i32::MAX as u32, 0, 0], false, "room for two milliards of them"),
            (&[2, i32::MAX as u32, 0], false, "the same in a group"),
            (&[1; 100], false, "each in the one before, and the last empty-handed"),
        ];
        for (columns, expected, reason) in cases {
            assert_eq!(columns_fit(&footer(columns)), Some(expected), "{reason}");
        }
        let mut deep = vec![1; 100];
        deep.push(0);
        assert_eq!(columns_fit(&footer(&deep)), Some(false), "too deep for a stack");
    }

    #[test]
    fn a_footer_that_ends_too_early_is_left_to_the_decoder() {
        let whole = footer(&[2, 0, 0]);
        for len in 0..whole.len() - 2 {
            assert_eq!(columns_fit(&whole[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn what_pyarrow_writes_keeps_its_promise() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in ["pairs", "zstd"] {
            let path = folder.join(format!("../../tests/reference/parquet/{name}.parquet"));
            let bytes = std::fs::read(&path).unwrap();
            let (rest, tail) = bytes.split_at(bytes.len() - 8);
            let len = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]) as usize;
            assert_eq!(columns_fit(&rest[rest.len() - len..]), Some(true), "{name}");
            assert!(!promises_too_much(&File::open(&path).unwrap()).unwrap(), "{name}");
        }
    }
}
