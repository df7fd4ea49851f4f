//! Texts against references: ROUGE, BLEU, chrF, TER, exact match.

pub mod bleu;
pub mod chrf;
pub mod porter;
pub mod rouge;
pub mod squad;
pub mod ter;
pub mod words;
