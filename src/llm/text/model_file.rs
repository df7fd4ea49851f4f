//! A `tokenizer.json`, taken apart: its model's tokens and merges, and its other parts as they
//! stand.
//!
//! The `tokenizers` crate reads the whole model into a tree of values first, which takes several
//! hundred megabytes for Gemma's 262,144 tokens. Here tokens and merges are read one by one.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use tokenizers::ModelWrapper;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::models::unigram::Unigram;
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::models::wordpiece::WordPiece;

use super::bpe::{AnyModel, Bpe, Joined};
use super::tokens::Tokens;

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// What a `tokenizer.json` has.
#[derive(Debug, Deserialize)]
pub(super) struct TokenizerFile {
    version: Option<String>,
    pub padding: Option<Value>,
    #[serde(default)]
    pub added_tokens: Vec<Value>,
    pub normalizer: Option<Value>,
    pub pre_tokenizer: Option<Value>,
    pub post_processor: Option<Value>,
    pub decoder: Option<Value>,
    pub model: ModelParts,
}

impl TokenizerFile {
    pub fn read(bytes: &[u8]) -> Result<Self, Problem> {
        let file: Self = serde_json::from_slice(bytes)?;
        match file.version.as_deref() {
            None | Some("1.0") => Ok(file),
            Some(other) => {
                Err(format!("it is of version {other:?}; version \"1.0\" is known here").into())
            }
        }
    }

    /// A model without anything around it.
    pub fn of_model(model: ModelParts) -> Self {
        Self {
            version: None,
            padding: None,
            added_tokens: Vec::new(),
            normalizer: None,
            pre_tokenizer: None,
            post_processor: None,
            decoder: None,
            model,
        }
    }
}

/// What a model is made of. A file that does not name its kind is known by what it has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ModelParts {
    #[serde(rename = "type")]
    pub kind: Option<Kind>,
    pub vocab: Vocabulary,
    pub merges: Option<Vec<Pair>>,
    pub unk_token: Option<String>,
    pub unk_id: Option<usize>,
    pub dropout: Option<f32>,
    pub continuing_subword_prefix: Option<String>,
    pub end_of_word_suffix: Option<String>,
    pub fuse_unk: bool,
    pub byte_fallback: bool,
    pub ignore_merges: bool,
    pub max_input_chars_per_word: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Kind {
    #[serde(rename = "BPE")]
    Bpe,
    WordPiece,
    WordLevel,
    Unigram,
}

/// Tokens with their ids, or in the order of their ids with a score each.
#[derive(Clone, Debug)]
pub(super) enum Vocabulary {
    Ids(Vec<(String, u32)>),
    Scores(Vec<(String, f64)>),
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self::Ids(Vec::new())
    }
}

/// Two tokens that become one: `["Ġ", "t"]`, in older files `"Ġ t"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair(pub String, pub String);

impl Pair {
    /// `Ġ t`, as a line of `merges.txt` and older files write it.
    pub fn of_line(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(' ')?;
        let is_pair = !left.is_empty() && !right.is_empty() && !right.contains(' ');
        is_pair.then(|| Self(left.to_owned(), right.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Pair;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a merge, such as [\"a\", \"b\"] or \"a b\"")
            }

            fn visit_str<E: serde::de::Error>(self, line: &str) -> Result<Pair, E> {
                let wrong = || E::custom(format!("the merge {line:?} is not two tokens"));
                Pair::of_line(line).ok_or_else(wrong)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pair, A::Error> {
                let wrong = || A::Error::custom("a merge is not two tokens");
                let left: String = list.next_element()?.ok_or_else(wrong)?;
                let right: String = list.next_element()?.ok_or_else(wrong)?;
                match list.next_element::<String>()? {
                    None => Ok(Pair(left, right)),
                    Some(_) => Err(wrong()),
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Vocabulary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tokens with their ids, or with their scores")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
                let mut ids = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    ids.push(entry);
                }
                Ok(Vocabulary::Ids(ids))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vocabulary, A::Error> {
                let mut scores = Vec::new();
                while let Some(entry) = list.next_element()? {
                    scores.push(entry);
                }
                Ok(Vocabulary::Scores(scores))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Vocabulary {
    /// Every token with its id.
    fn into_ids(self) -> Vec<(String, u32)> {
        match self {
            Self::Ids(ids) => ids,
            Self::Scores(scores) => scores.into_iter().map(|(token, _)| token).zip(0..).collect(),
        }
    }

    /// The tokens in the order of their ids, if those are 0, 1, 2 … without a gap.
    fn dense(&self) -> Option<Tokens> {
        let Self::Ids(ids) = self else { return None };
        let mut tokens: Vec<Option<&str>> = vec![None; ids.len()];
        for (token, id) in ids {
            let place = tokens.get_mut(*id as usize)?;
            if place.replace(token).is_some() {
                return None;
            }
        }
        let tokens: Option<Vec<&str>> = tokens.into_iter().collect();
        let tokens = Tokens::new(tokens?.into_iter());
        // A token that is there twice would have two ids.
        (tokens.distinct() == ids.len()).then_some(tokens)
    }
}

impl ModelParts {
    pub fn kind(&self) -> Kind {
        self.kind.unwrap_or_else(|| match &self.vocab {
            Vocabulary::Scores(_) => Kind::Unigram,
            Vocabulary::Ids(_) if self.merges.is_some() => Kind::Bpe,
            Vocabulary::Ids(_) if self.continuing_subword_prefix.is_some() => Kind::WordPiece,
            Vocabulary::Ids(_) => Kind::WordLevel,
        })
    }

    pub fn build(self) -> Result<AnyModel, Problem> {
        let unknown = |parts: &Self| -> Result<String, Problem> {
            let missing = "the model names no token for what it does not know (unk_token)";
            parts.unk_token.clone().ok_or_else(|| missing.into())
        };
        let model = match self.kind() {
            Kind::Bpe => return self.bpe(),
            Kind::WordPiece => {
                let unknown = unknown(&self)?;
                let prefix = self.continuing_subword_prefix.unwrap_or_else(|| "##".to_owned());
                let builder = WordPiece::builder()
                    .unk_token(unknown)
                    .continuing_subword_prefix(prefix)
                    .max_input_chars_per_word(self.max_input_chars_per_word.unwrap_or(100));
                let vocab: Vocab = self.vocab.into_ids().into_iter().collect();
                ModelWrapper::WordPiece(builder.vocab(vocab).build()?)
            }
            Kind::WordLevel => {
                let builder = WordLevel::builder().unk_token(unknown(&self)?);
                let vocab: Vocab = self.vocab.into_ids().into_iter().collect();
                ModelWrapper::WordLevel(builder.vocab(vocab).build()?)
            }
            Kind::Unigram => {
                let Vocabulary::Scores(scores) = self.vocab else {
                    return Err("a Unigram model has no scores for its tokens".into());
                };
                let model = Unigram::from(scores, self.unk_id, self.byte_fallback)?;
                ModelWrapper::Unigram(model)
            }
        };
        Ok(AnyModel::Other(model))
    }

    fn bpe(self) -> Result<AnyModel, Problem> {
        let is_empty = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
        let is_plain = is_empty(&self.continuing_subword_prefix)
            && is_empty(&self.end_of_word_suffix)
            && self.dropout.is_none_or(|dropout| dropout == 0.0);
        if is_plain && let Some(tokens) = self.vocab.dense() {
            let unknown = self.unk_token.as_deref().map(|token| tokens.id(token));
            if unknown != Some(None) {
                return self.small(tokens, unknown.flatten());
            }
        }
        let merges = self.merges.unwrap_or_default().into_iter();
        let merges = merges.map(|Pair(left, right)| (left, right)).collect();
        let vocab: Vocab = self.vocab.into_ids().into_iter().collect();
        let mut builder = BPE::builder()
            .vocab_and_merges(vocab, merges)
            .fuse_unk(self.fuse_unk)
            .byte_fallback(self.byte_fallback)
            .ignore_merges(self.ignore_merges);
        if let Some(token) = self.unk_token {
            builder = builder.unk_token(token);
        }
        if let Some(prefix) = self.continuing_subword_prefix {
            builder = builder.continuing_subword_prefix(prefix);
        }
        if let Some(suffix) = self.end_of_word_suffix {
            builder = builder.end_of_word_suffix(suffix);
        }
        Ok(AnyModel::Other(ModelWrapper::BPE(builder.build()?)))
    }

    fn small(self, tokens: Tokens, unknown: Option<u32>) -> Result<AnyModel, Problem> {
        drop(self.vocab);
        let joined = |Pair(left, right): &Pair| -> Option<Joined> {
            let whole = tokens.id(&[left.as_str(), right.as_str()].concat())?;
            Some((tokens.id(left)?, tokens.id(right)?, whole))
        };
        let mut merges = Vec::new();
        for pair in self.merges.as_deref().unwrap_or_default() {
            merges.push(joined(pair).ok_or_else(|| {
                let Pair(left, right) = pair;
                format!("the merge of {left:?} and {right:?} is not of tokens in the vocabulary")
            })?);
        }
        let mut model = Bpe::new(tokens, merges.into_iter()).ignoring_merges(self.ignore_merges);
        if self.byte_fallback {
            model = model.falling_back();
        }
        Ok(AnyModel::Bpe(model.with_unknown(unknown, self.fuse_unk)))
    }
}

#[cfg(test)]
mod tests {
    use tokenizers::Model as _;

    use super::*;

    fn model(json: &str) -> Result<AnyModel, String> {
        let parts: ModelParts = serde_json::from_str(json).map_err(|err| err.to_string())?;
        parts.build().map_err(|err| err.to_string())
    }

    fn ids(model: &AnyModel, text: &str) -> Vec<u32> {
        model.tokenize(text).unwrap().into_iter().map(|token| token.id).collect()
    }

    #[test]
    fn both_ways_to_write_a_merge_are_read() {
        let old = r#"{"vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}"#;
        let new = r#"{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]}"#;
        for json in [old, new] {
            assert_eq!(ids(&model(json).unwrap(), "aba"), [2, 0]);
        }
        let wrong = model(r#"{"vocab":{"a":0},"merges":["a b c"]}"#).unwrap_err();
        assert!(wrong.contains("\"a b c\" is not two tokens"), "{wrong}");
        let missing = model(r#"{"vocab":{"a":0,"b":1},"merges":["a b"]}"#).unwrap_err();
        assert!(missing.contains("not of tokens in the vocabulary"), "{missing}");
    }

    #[test]
    fn a_vocabulary_with_a_gap_is_read_by_the_crate() {
        let gap = r#"{"type":"BPE","vocab":{"a":0,"b":1,"ab":5},"merges":["a b"]}"#;
        let gap = model(gap).unwrap();
        assert!(matches!(gap, AnyModel::Other(_)));
        assert_eq!(ids(&gap, "aba"), [5, 0]);
    }

    /// The ids are Python's (tokenizers 0.23.3).
    #[test]
    fn a_vocabulary_may_mark_what_goes_on_inside_a_word() {
        let json = r###"{"type":"BPE","vocab":{"a":0,"##b":1,"##a":2,"ab":3,"##ba":4,"b":5},
            "merges":[["a","##b"],["##b","##a"]],"continuing_subword_prefix":"##","unk_token":"b"}"###;
        let model = model(json).unwrap();
        assert_eq!(ids(&model, "ab"), [3]);
        assert_eq!(ids(&model, "aba"), [3, 2]);
        assert_eq!(ids(&model, "bba"), [5, 4]);
    }

    #[test]
    fn unknown_characters_are_one_token_each_unless_they_are_fused() {
        for (fuse, expected) in [("false", vec![0, 2, 2]), ("true", vec![0, 2])] {
            let json = format!(
                r#"{{"type":"BPE","vocab":{{"a":0,"b":1,"?":2}},"merges":[],"unk_token":"?","fuse_unk":{fuse}}}"#
            );
            assert_eq!(ids(&model(&json).unwrap(), "axy"), expected);
        }
    }
}
