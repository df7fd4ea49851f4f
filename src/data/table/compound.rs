//! What Office wrote before 2007, looked at before its decoder takes it at its word: a file system
//! in a file, whose chains of sectors may lead back into themselves.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use super::biff;

/// A workbook from then has 65,536 rows a sheet at most.
const LARGEST: u64 = 256 << 20;

/// Cells may take so much memory, in bytes, and so many times the file beside that: they are many for what is in
/// the file only where most of them are empty.
const SPARE: u64 = 48 << 20;
const MOST_TIMES: u64 = 512;

/// What the decoder needs for a cell, in bytes.
const CELL: u64 = 40;

/// What would have the decoder run without end, or ask for more memory than there is: it takes a file at its
/// word. A header that cannot be read is left to it, which says why.
#[expect(clippy::verbose_file_reads, reason = "the file is open, and is read again after it")]
pub(super) fn fault(mut file: &File) -> io::Result<Option<String>> {
    if file.metadata()?.len() > LARGEST {
        return Ok(Some("it is larger than such a workbook can be".to_owned()));
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    file.seek(SeekFrom::Start(0))?;
    let Some(tables) = tables(&bytes) else { return Ok(None) };
    if !tables.iter().all(|table| ends(table)) {
        return Ok(Some("its parts lead back into themselves".to_owned()));
    }
    let most = SPARE + MOST_TIMES * bytes.len() as u64;
    let needed = workbooks(&bytes, &tables).iter().map(|stream| biff::cells(stream)).max();
    Ok(needed.filter(|needed| needed.saturating_mul(CELL) > most).map(|needed| {
        let megabytes = needed.saturating_mul(CELL) >> 20;
        format!("its cells lie so far apart that they would take {megabytes} MB")
    }))
}

/// The streams that have sheets.
fn workbooks(bytes: &[u8], [all, small]: &[Vec<u32>; 2]) -> Vec<Vec<u8>> {
    const MINI: usize = 64;

    let size = if bytes.get(30) == Some(&12) { 4096 } else { 512 };
    let chain =
        |start: u32, table: &[u32], place: &dyn Fn(usize) -> usize, from: &[u8], size: usize| {
            let (mut id, mut stream) = (start, Vec::new());
            for _ in 0..=table.len() {
                let at = place(id as usize);
                let Some(part) = from.get(at..from.len().min(at.saturating_add(size))) else {
                    break;
                };
                stream.extend(part);
                let Some(next) = table.get(id as usize) else { break };
                id = *next;
            }
            stream
        };
    let sector = |id: usize| id.saturating_add(1).saturating_mul(size);
    let of_file = |start: u32| chain(start, all, &sector, bytes, size);
    let Some(start) = number(bytes, 48) else { return Vec::new() };
    let folder = of_file(start);
    let entries: Vec<&[u8]> = folder.chunks_exact(128).collect();
    let minis = entries.first().and_then(|root| number(root, 116)).map(of_file).unwrap_or_default();
    let named = entries.into_iter().filter(|entry| {
        let name: Vec<u8> =
            entry[..64].iter().step_by(2).copied().take_while(|letter| *letter != 0).collect();
        name.eq_ignore_ascii_case(b"workbook") || name.eq_ignore_ascii_case(b"book")
    });
    let streams = named.filter_map(|entry| {
        let (start, length) = (number(entry, 116)?, number(entry, 120)?);
        Some(if length < 4096 {
            chain(start, small, &|id| id.saturating_mul(MINI), &minis, MINI)
        } else {
            of_file(start)
        })
    });
    streams.collect()
}

/// For each sector the one that follows it: of the file, and of its small streams.
fn tables(bytes: &[u8]) -> Option<[Vec<u32>; 2]> {
    const MOST_NUMBER: u32 = 0xffff_fffa;

    let size = match bytes.get(30..32)? {
        [9, 0] => 512,
        [12, 0] => 4096,
        _ => return None,
    };
    let number = |at: usize| number(bytes, at);
    let sector = |id: u32| {
        let start = (id as usize).checked_add(1)?.checked_mul(size)?;
        let end = start.checked_add(size)?.min(bytes.len());
        let numbers = bytes.get(start..end)?.chunks_exact(4);
        Some(numbers.map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]])))
    };
    // Where the table of sectors itself lies: 109 in the header, and the others in a chain.
    let mut parts: Vec<u32> = (0..109).map_while(|index| number(76 + 4 * index)).collect();
    let mut next = number(68)?;
    for _ in 0..bytes.len() / size {
        if next >= MOST_NUMBER {
            break;
        }
        let Some(more) = sector(next) else { break };
        parts.extend(more);
        next = parts.pop()?;
    }
    let parts = parts.into_iter().filter(|id| *id < MOST_NUMBER);
    let all: Vec<u32> = parts.filter_map(&sector).flatten().take(bytes.len()).collect();
    let mut small = Vec::new();
    let mut id = number(60)?;
    for _ in 0..all.len() {
        let Some(part) = sector(id) else { break };
        small.extend(part);
        id = all.get(id as usize).copied().unwrap_or(u32::MAX);
    }
    Some([all, small])
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

/// Whether nobody who follows a table comes to a place a second time.
fn ends(table: &[u32]) -> bool {
    const NEW: u32 = 0;

    // The walk in which a place was come to, from 1.
    let mut walks = vec![NEW; table.len()];
    for start in 0..table.len() {
        let walk = start as u32 + 1;
        let mut at = start;
        while let Some(seen) = walks.get_mut(at) {
            if *seen == walk {
                return false;
            }
            if *seen != NEW {
                break;
            }
            *seen = walk;
            at = table[at] as usize;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_that_leads_back_is_found() {
        const END: u32 = 0xffff_fffe;
        for (table, expected, reason) in [
            (vec![1, 2, END], true, "a chain"),
            (vec![2, 2, END], true, "two that come together"),
            (vec![0], false, "a sector that follows itself"),
            (vec![1, 2, 0], false, "a ring"),
            (vec![1, 2, 1], false, "a tail that leads into a ring"),
            (vec![u32::MAX, 9, END], true, "free, and beyond the end"),
            (vec![], true, "nothing"),
        ] {
            assert_eq!(ends(&table), expected, "{reason}");
        }
    }
}
