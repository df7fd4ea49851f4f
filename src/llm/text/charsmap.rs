//! SentencePiece's table of replacements (NFKC and the like): a trie in Darts' double array, and what its
//! entries become.

/// The table, as SentencePiece's files have it.
#[derive(Clone, Debug)]
pub(super) struct Charsmap {
    units: Vec<u32>,

    /// Texts, each with a zero byte behind it.
    texts: String,
}

impl Charsmap {
    /// `None`: it is damaged, or empty.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk::<4>()?;
        let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
        let (trie, texts) = rest.split_at_checked(size)?;
        let units = trie
            .chunks_exact(4)
            .map(|unit| u32::from_le_bytes([unit[0], unit[1], unit[2], unit[3]]));
        let texts = std::str::from_utf8(texts).ok()?.to_owned();
        Some(Self { units: units.collect(), texts })
    }

    /// What the longest known beginning of a text becomes, and how many bytes it is.
    pub fn longest(&self, text: &str) -> Option<(&str, usize)> {
        let root = *self.units.first()?;
        let mut node = offset(root);
        let mut found = None;
        for (at, byte) in text.bytes().enumerate() {
            node ^= u32::from(byte);
            let Some(unit) = self.units.get(node as usize) else { break };
            if unit & LABEL != u32::from(byte) {
                break;
            }
            node ^= offset(*unit);
            if unit & HAS_VALUE != 0 {
                let value = self.units.get(node as usize)? & VALUE;
                found = Some((value, at + 1));
            }
        }
        let (value, length) = found?;
        let rest = self.texts.get(value as usize..)?;
        let end = rest.find('\0').unwrap_or(rest.len());
        text.is_char_boundary(length).then_some((&rest[..end], length))
    }
}

/// The parts of a unit of the double array.
const HAS_VALUE: u32 = 1 << 8;
const VALUE: u32 = (1 << 31) - 1;
const LABEL: u32 = (1 << 31) | 0xFF;

fn offset(unit: u32) -> u32 {
    (unit >> 10) << ((unit & (1 << 9)) >> 6)
}
