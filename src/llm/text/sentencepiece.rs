//! What SentencePiece's model files amount to as models of the `tokenizers` crate. How they are read:
//! `sentencepiece_file.rs`.

use serde_json::{Value, json};

use super::base64::base64;
use super::model_file::{Kind, ModelParts, Pair, Vocabulary};
use super::sentencepiece_file::{Piece, SentencePiece};

impl SentencePiece {
    /// The tokens as a model of that kind has them. SentencePiece's merges are not in the file: a
    /// token is made of any two others, the tokens with the lowest ids first.
    pub fn model(&self, kind: Kind) -> ModelParts {
        if kind == Kind::Unigram {
            let scores = self.pieces.iter();
            let scores = scores.map(|piece| (piece.text.clone(), f64::from(piece.score)));
            let vocab = Vocabulary::Scores(scores.collect());
            return ModelParts { kind: Some(kind), vocab, ..ModelParts::default() };
        }
        let ids = self.pieces.iter().map(|piece| piece.text.clone()).zip(0..).collect();
        let merges = Some(self.merges());
        ModelParts {
            kind: Some(kind),
            vocab: Vocabulary::Ids(ids),
            merges,
            ..ModelParts::default()
        }
    }

    fn merges(&self) -> Vec<Pair> {
        /// Longer tokens, in bytes, are damage, and trying all their parts would take for ever.
        const LONGEST: usize = 1024;

        let known: std::collections::HashSet<&str> =
            self.pieces.iter().map(|piece| piece.text.as_str()).collect();
        let mut merges = Vec::new();
        for Piece { text, .. } in self.pieces.iter().filter(|piece| piece.text.len() <= LONGEST) {
            for (at, _) in text.char_indices().skip(1) {
                let (left, right) = text.split_at(at);
                if known.contains(left) && known.contains(right) {
                    merges.push(Pair(left.to_owned(), right.to_owned()));
                }
            }
        }
        merges
    }

    /// The normalizer that the file's table of replacements amounts to.
    pub fn charsmap(&self) -> Option<Value> {
        self.charsmap_bytes()
            .map(|map| json!({ "type": "Precompiled", "precompiled_charsmap": base64(map) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    #[test]
    fn a_token_is_made_of_any_two_others() {
        let piece = |text: &str| message(1, &message(1, text.as_bytes()));
        let file: Vec<u8> = ["<unk>", "a", "b", "ab", "aba"].into_iter().flat_map(piece).collect();
        let model = SentencePiece::read(&file).unwrap();
        let pairs = [("a", "b"), ("ab", "a")];
        let pairs = pairs.map(|(left, right)| Pair(left.to_owned(), right.to_owned()));
        assert_eq!(model.merges(), pairs);
        assert_eq!(model.unk_id(), Some(0));
    }

    #[test]
    fn damage_is_an_error_and_not_a_panic() {
        let piece = message(1, &message(1, b"a"));
        assert!(SentencePiece::read(&piece).is_ok());
        for length in 1..piece.len() {
            SentencePiece::read(&piece[..length]).unwrap_err();
        }
        SentencePiece::read(b"").unwrap_err();
        SentencePiece::read(&[0xFF; 40]).unwrap_err();
    }
}
