//! Dropout whose mask is a function of what it is for, not of what was drawn before: computing a
//! layer again, resuming a run or packing its rows otherwise gives the same mask.

use crate::llm::net::rows::each_row;
use crate::llm::net::tree::TokenTree;

/// Dropout on the input of every adapter's A, as PEFT has it.
#[derive(Clone, Debug)]
pub struct Dropout {
    /// The share of values that become 0; the others grow by 1 / (1 - share).
    share: f64,

    /// A key for each row: a hash of the tokens up to it, of the run's seed and of its step.
    rows: Vec<u64>,
}

impl Dropout {
    /// `share` is at least 0 and below 1. Another `seed` gives another mask.
    pub fn new(share: f64, seed: u64, tree: &TokenTree) -> Self {
        let mut rows = vec![0; tree.len()];
        for segment in tree.segments() {
            let before = segment.prefix.last().map(|row| rows[*row as usize]);
            let ids = &tree.ids()[segment.first_row..segment.first_row + segment.len];
            let mut key = before.unwrap_or_else(|| mix(seed));
            for (row, id) in rows[segment.first_row..].iter_mut().zip(ids) {
                key = mix(key ^ u64::from(*id));
                *row = key;
            }
        }
        Self { share, rows }
    }

    /// Multiplies `x`, (rows, width), by the mask of a module.
    pub fn apply(&self, module: &str, x: &mut [f32], width: usize) {
        let module = module.bytes().fold(0, |key, byte| mix(key ^ u64::from(byte)));
        // A value stays where 32 random bits are at least this.
        let threshold = (self.share * 2.0_f64.powi(32)) as u64;
        let keep = (1.0 / (1.0 - self.share)) as f32;
        each_row(x, width, |index, row| {
            let key = mix(self.rows[index] ^ module);
            for (pair, values) in row.chunks_mut(2).enumerate() {
                let bits = mix(key.wrapping_add(pair as u64));
                for (value, bits) in values.iter_mut().zip([bits & 0xffff_ffff, bits >> 32]) {
                    *value *= if bits < threshold { 0.0 } else { keep };
                }
            }
        });
    }
}

/// `SplitMix64`'s finaliser (Steele, Lea and Flood 2014) after its increment.
pub fn mix(key: u64) -> u64 {
    let key = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ (key >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(sequences: &[&[u32]], seed: u64, module: &str) -> Vec<f32> {
        let tree = TokenTree::new(sequences.iter().copied());
        let mut x = vec![1.0; tree.len() * 1001];
        Dropout::new(0.2, seed, &tree).apply(module, &mut x, 1001);
        x
    }

    #[test]
    fn a_fifth_is_dropped_and_the_mean_stays() {
        let x = masked(&[&[1, 2, 3, 4]], 7, "q_proj");
        let dropped = x.iter().filter(|value| **value == 0.0).count() as f64 / x.len() as f64;
        assert!((dropped - 0.2).abs() < 0.02, "{dropped}");
        assert!(x.iter().all(|value| *value == 0.0 || *value == 1.25));
    }

    #[test]
    fn the_mask_belongs_to_row_module_and_seed_and_not_to_the_packing() {
        let alone = masked(&[&[1, 2, 3]], 7, "q_proj");
        let packed = masked(&[&[5, 6], &[1, 2], &[1, 2, 3]], 7, "q_proj");
        assert_eq!(alone, packed[2 * 1001..]);
        assert_ne!(alone[..1001], alone[1001..2002]);
        assert_ne!(alone, masked(&[&[1, 2, 3]], 8, "q_proj"));
        assert_ne!(alone, masked(&[&[1, 2, 3]], 7, "k_proj"));
    }
}
