//! Which words are hidden from a masked model, as transformers' `DataCollatorForLanguageModeling`
//! draws them: of those that are to be guessed, 80 % become the mask, 10 % another word, 10 % stay.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::llm::Tokenizer;

/// What is drawn with.
pub struct Masking {
    mask: u32,
    vocabulary: u32,
    share: f64,
}

/// A text with words hidden.
#[derive(Clone, Debug, PartialEq)]
pub struct Hidden {
    pub ids: Vec<u32>,

    /// Places that are to be guessed, and the right words there.
    pub places: Vec<usize>,
    pub words: Vec<u32>,
}

impl Masking {
    /// `None`: the tokenizer has no token that masks a word.
    pub fn new(tokenizer: &Tokenizer, vocabulary: usize, share: f64) -> Option<Self> {
        let name = tokenizer.named_tokens().get("mask_token")?;
        let mask = tokenizer.special_id(name)?;
        Some(Self { mask, vocabulary: vocabulary as u32, share })
    }

    /// `seed` decides alone: another one for each time that a text is seen.
    pub fn hide(&self, ids: &[u32], tokenizer: &Tokenizer, seed: u64) -> Hidden {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        // 24 bits, [0, 1)
        let mut unit = || f64::from(rng.next_u32() >> 8) / f64::from(1 << 24);
        let mut hidden = Hidden { ids: ids.to_vec(), places: Vec::new(), words: Vec::new() };
        let open: Vec<usize> =
            (0..ids.len()).filter(|at| !tokenizer.is_special(ids[*at])).collect();
        for at in &open {
            if unit() < self.share {
                hidden.places.push(*at);
            }
        }
        if hidden.places.is_empty() && !open.is_empty() {
            // A batch in which nothing is to be guessed has no loss.
            hidden.places.push(open[(unit() * open.len() as f64) as usize]);
        }
        for at in &hidden.places {
            hidden.words.push(ids[*at]);
            let draw = unit();
            if draw < 0.8 {
                hidden.ids[*at] = self.mask;
            } else if draw < 0.9 {
                hidden.ids[*at] = (unit() * f64::from(self.vocabulary)) as u32;
            }
        }
        hidden
    }
}
