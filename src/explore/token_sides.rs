//! One text under several tokenizers, and one sentence in several languages under each: what is short for
//! one of them is long for another, and costs more.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::tokens;
use super::tokens::TokenView;
use crate::llm::Tokenizer;

/// A text under one tokenizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenizerSide {
    /// Of the model that it is from.
    pub name: String,
    pub vocab_size: usize,
    pub view: TokenView,
    pub languages: Vec<LanguageCost>,
}

/// A sentence that is there in every language, under one tokenizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LanguageCost {
    pub language: String,

    /// Without what is put around a text.
    pub tokens: usize,

    /// Between white space: `None` where the language writes none.
    pub tokens_a_word: Option<f64>,
    pub tokens_a_character: f64,

    /// Times as many tokens as in English: so much more is paid for, and so much less fits into the context.
    pub beside_english: f64,
}

/// The first sentence of the Universal Declaration of Human Rights, a language a line; English first.
const LANGUAGES: &str = include_str!("languages.tsv");

/// The languages, each with the sentence.
pub fn languages() -> impl Iterator<Item = (&'static str, &'static str)> {
    LANGUAGES.lines().filter_map(|line| line.split_once('\t'))
}

/// A text under a tokenizer. `add_special`: as for [`tokens::of_text`].
pub fn side(
    name: &str,
    tokenizer: &Tokenizer,
    text: &str,
    add_special: bool,
) -> Result<TokenizerSide, Error> {
    Ok(TokenizerSide {
        name: name.to_owned(),
        vocab_size: tokenizer.vocab_size(),
        view: tokens::of_text(tokenizer, text, add_special)?,
        languages: by_language(tokenizer)?,
    })
}

/// The sentence in every language.
pub fn by_language(tokenizer: &Tokenizer) -> Result<Vec<LanguageCost>, Error> {
    let mut in_english = None;
    let cost = |(language, sentence): (&str, &str)| {
        let tokens = tokenizer.encode(sentence, false)?.len();
        let english = *in_english.get_or_insert(tokens);
        let words = sentence.split_whitespace().count();
        let characters = sentence.chars().count();
        Ok(LanguageCost {
            language: language.to_owned(),
            tokens,
            tokens_a_word: (words > 2).then(|| tokens as f64 / words as f64),
            tokens_a_character: tokens as f64 / characters.max(1) as f64,
            beside_english: tokens as f64 / english.max(1) as f64,
        })
    };
    languages().map(cost).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::llm;
    use crate::llm::card::ModelSource;

    #[test]
    fn every_language_has_its_sentence_and_english_is_the_measure() {
        let names: Vec<&str> = languages().map(|(language, _)| language).collect();
        assert_eq!((names.len(), names[0]), (16, "English"));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample_data/tiny_model");
        let (tokenizer, _) = llm::load_text(&ModelSource::at(&folder)).unwrap();
        let costs = by_language(&tokenizer).unwrap();
        assert_eq!(costs[0].beside_english, 1.0);
        for (cost, (language, sentence)) in costs.iter().zip(languages()) {
            let ids = tokenizer.encode(sentence, false).unwrap();
            assert_eq!((cost.language.as_str(), cost.tokens), (language, ids.len()));
        }
        // No white space between its words: a rate a word would say nothing.
        let chinese = costs.iter().find(|cost| cost.language == "Chinese").unwrap();
        assert_eq!(chinese.tokens_a_word, None);
        assert!(chinese.tokens_a_character > costs[0].tokens_a_character);
    }
}
