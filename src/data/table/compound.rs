//! What Office wrote before 2007, looked at before its decoder takes it at its word: a file system
//! in a file, whose chains of sectors may lead back into themselves.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

/// A workbook from then has 65,536 rows a sheet at most.
const LARGEST: u64 = 256 << 20;

/// Whether every chain of sectors comes to an end. A header that cannot be read is left to the
/// decoder, which says why.
#[expect(clippy::verbose_file_reads, reason = "the file is open, and is read again after it")]
pub(super) fn chains_end(mut file: &File) -> io::Result<bool> {
    if file.metadata()?.len() > LARGEST {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(tables(&bytes).is_none_or(|tables| tables.iter().all(|table| ends(table))))
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
