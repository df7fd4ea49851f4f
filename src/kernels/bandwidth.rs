//! How fast memory is read: what a product with one row of activations cannot be faster than.

use rayon::prelude::*;

/// Words that a thread reads at a time: 512 KB, much longer than the way from one piece to the next.
const PIECE: usize = 1 << 16;

/// Reads every word once, on all threads of the pool. The result depends on all of them, so that none
/// is left out.
pub fn read_all(words: &[u64]) -> u64 {
    let sums = words.par_chunks(PIECE).map(|piece| piece.iter().fold(0, |sum, word| sum ^ word));
    sums.reduce(|| 0, |one, other| one ^ other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read() {
        let mut words = vec![0; 3 * PIECE + 17];
        for at in [0, PIECE - 1, PIECE, 3 * PIECE + 16] {
            words[at] = 1 << (at % 64);
            assert_eq!(read_all(&words), 1 << (at % 64), "{at}");
            words[at] = 0;
        }
    }
}
