//! Losses that a text has for whoever only counts its tokens: steps to get under.

use serde::{Deserialize, Serialize};

use crate::llm::text::born::Entropies;

/// In nats a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Landmarks {
    /// Nothing is known: ln of the vocabulary's size.
    pub uniform: f64,

    /// How frequent each token is.
    pub unigram: f64,

    /// Which token follows which.
    pub bigram: f64,
}

impl From<Entropies> for Landmarks {
    fn from(Entropies { uniform, unigram, bigram }: Entropies) -> Self {
        Self { uniform, unigram, bigram }
    }
}

impl Landmarks {
    /// Each with what it is called beside a curve.
    pub fn lines(&self) -> [(f64, &'static str); 3] {
        let Self { uniform, unigram, bigram } = *self;
        [(uniform, "knows nothing"), (unigram, "token frequencies"), (bigram, "pairs of tokens")]
    }
}
