//! A tokenizer that is made from a text: its characters, bytes, or pairs that are joined (BPE). Written as
//! `tokenizer.json`, which transformers reads too.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{
    DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerBuilder,
};

/// What a token is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// A character of the text. One that is not in it cannot be said later.
    #[default]
    Characters,

    /// A byte: every text can be said, in long sequences.
    Bytes,

    /// Pieces of words, joined from bytes by how often they stand together.
    Bpe,
}

/// Every kind by its name in a run file.
pub const TOKEN_KINDS: [(&str, TokenKind); 3] =
    [("characters", TokenKind::Characters), ("bytes", TokenKind::Bytes), ("bpe", TokenKind::Bpe)];

/// What ends a text, and what opens and closes a turn of a chat later.
pub const END_OF_TEXT: &str = "<|endoftext|>";
pub const TURN_TOKENS: [&str; 2] = ["<|im_start|>", "<|im_end|>"];
const UNKNOWN: &str = "<|unknown|>";

/// A tokenizer's files, and the size of its vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub struct Born {
    pub tokenizer_json: String,
    pub tokenizer_config: String,
    pub vocab_size: usize,

    /// The token that ends a text.
    pub end_of_text: u32,
}

/// `vocab_size` counts for BPE alone, with the tokens of [`END_OF_TEXT`] and [`TURN_TOKENS`].
pub fn tokenizer(
    kind: TokenKind,
    text: &str,
    (vocab_size, context): (usize, usize),
) -> Result<Born, String> {
    let specials: Vec<&str> = [END_OF_TEXT].into_iter().chain(TURN_TOKENS).collect();
    let (json, vocab_size) = match kind {
        TokenKind::Characters => {
            let found: BTreeSet<char> = text.chars().collect();
            let mut tokens: Vec<String> = found.into_iter().map(String::from).collect();
            tokens.extend(specials.iter().map(|token| (*token).to_owned()));
            tokens.push(UNKNOWN.to_owned());
            let special: Vec<&str> = specials.iter().copied().chain([UNKNOWN]).collect();
            (of_characters(&tokens, &special), tokens.len())
        }
        TokenKind::Bytes => {
            let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
            alphabet.sort_unstable();
            let mut tokens: Vec<String> = alphabet.into_iter().map(String::from).collect();
            tokens.extend(specials.iter().map(|token| (*token).to_owned()));
            (of_bytes(&tokens, &specials), tokens.len())
        }
        TokenKind::Bpe => joined(text, vocab_size, &specials)?,
    };
    let is_characters = kind == TokenKind::Characters;
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": is_characters.then_some(UNKNOWN),
        "additional_special_tokens": TURN_TOKENS,
        "model_max_length": context,
        "clean_up_tokenization_spaces": false,
        "chat_template": CHAT,
    });
    let id = id_of(&json, END_OF_TEXT).ok_or("the tokenizer has no token that ends a text")?;
    Ok(Born {
        tokenizer_json: pretty(&json),
        tokenizer_config: pretty(&config),
        vocab_size,
        end_of_text: id,
    })
}

/// `ChatML`: what a model that is born here is taught to chat in, if it is.
const CHAT: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + \
                    message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}\
                    {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// `tokenizer.json` of characters, each with the number of its place. `special`: those among them that no
/// text is split into.
pub fn of_characters(tokens: &[String], special: &[&str]) -> Value {
    let unknown = special.contains(&UNKNOWN).then_some(UNKNOWN);
    file(tokens, special, unknown, &Value::Null, &json!({ "type": "Fuse" }))
}

fn of_bytes(tokens: &[String], special: &[&str]) -> Value {
    let level = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false,
    });
    file(tokens, special, None, &level, &level)
}

/// A BPE without merges: every character of a text is one token.
fn file(
    tokens: &[String],
    special: &[&str],
    unknown: Option<&str>,
    pre_tokenizer: &Value,
    decoder: &Value,
) -> Value {
    let vocab: Map<String, Value> =
        tokens.iter().zip(0..).map(|(token, id)| (token.clone(), json!(id))).collect();
    let added = tokens.iter().zip(0..).filter(|(token, _)| special.contains(&token.as_str()));
    let added: Vec<Value> = added
        .map(|(token, id)| {
            json!({
                "id": id, "content": token, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true,
            })
        })
        .collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": null,
        "decoder": decoder,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": unknown,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": vocab,
            "merges": [],
        },
    })
}

fn joined(text: &str, vocab_size: usize, special: &[&str]) -> Result<(Value, usize), String> {
    let words = |err: tokenizers::Error| format!("the tokenizer could not be made: {err}");
    let tokens = special.iter().map(|token| tokenizers::AddedToken::from(*token, true));
    let mut trainer = BpeTrainerBuilder::new()
        .vocab_size(vocab_size)
        .min_frequency(2)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(tokens.collect())
        .build();
    let level = ByteLevel::new(false, true, true);
    let mut tokenizer = TokenizerBuilder::<
        BPE,
        NormalizerWrapper,
        PreTokenizerWrapper,
        PostProcessorWrapper,
        DecoderWrapper,
    >::new()
    .with_model(BPE::default())
    .with_pre_tokenizer(Some(PreTokenizerWrapper::ByteLevel(level)))
    .with_decoder(Some(DecoderWrapper::ByteLevel(level)))
    .build()
    .map_err(words)?;
    tokenizer.train(&mut trainer, text.lines().map(|line| format!("{line}\n"))).map_err(words)?;
    let size = tokenizer.get_vocab_size(true);
    let json = tokenizer.to_string(false).map_err(words)?;
    let json = serde_json::from_str(&json).map_err(|err| words(Box::new(err)))?;
    Ok((json, size))
}

fn id_of(json: &Value, token: &str) -> Option<u32> {
    json["model"]["vocab"][token].as_u64().and_then(|id| u32::try_from(id).ok())
}

fn pretty(json: &Value) -> String {
    let mut text = serde_json::to_string_pretty(json).expect("plain values are JSON");
    text.push('\n');
    text
}

/// How surprising a text is to whoever knows nothing but how often its tokens stand there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Entropies {
    /// ln of the vocabulary's size: nothing is known.
    pub uniform: f64,

    /// How frequent each token is.
    pub unigram: f64,

    /// Which token follows which, counted in the same text.
    pub bigram: f64,
}

impl Entropies {
    /// Of ids out of a vocabulary of this size, in nats a token.
    pub fn of(ids: &[u32], vocab_size: usize) -> Self {
        let mut singles: BTreeMap<u32, usize> = BTreeMap::new();
        let mut pairs: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        let mut firsts: BTreeMap<u32, usize> = BTreeMap::new();
        for id in ids {
            *singles.entry(*id).or_default() += 1;
        }
        for pair in ids.windows(2) {
            *pairs.entry((pair[0], pair[1])).or_default() += 1;
            *firsts.entry(pair[0]).or_default() += 1;
        }
        let share = |count: usize, all: usize| count as f64 / all.max(1) as f64;
        let unigram = singles.values().map(|count| {
            let p = share(*count, ids.len());
            -p * p.ln()
        });
        let all = ids.len().saturating_sub(1);
        let bigram = pairs
            .iter()
            .map(|((first, _), count)| -share(*count, all) * share(*count, firsts[first]).ln());
        Self {
            uniform: (vocab_size.max(1) as f64).ln(),
            unigram: unigram.sum::<f64>().max(0.0),
            bigram: bigram.sum::<f64>().max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_tokens_in_their_order() {
        let born = tokenizer(TokenKind::Characters, "cab a", (0, 64)).unwrap();
        let json: Value = serde_json::from_str(&born.tokenizer_json).unwrap();
        let id = |token: &str| id_of(&json, token);
        assert_eq!([" ", "a", "b", "c"].map(id), [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!((born.vocab_size, born.end_of_text), (8, 4));
    }

    #[test]
    fn joined_pairs_fill_the_vocabulary_they_are_given() {
        let text =
            "seven quick wizards brew the cat's potion while dogs jump over hats\n".repeat(20);
        let born = tokenizer(TokenKind::Bpe, &text, (280, 64)).unwrap();
        assert_eq!(born.vocab_size, 280);
        assert_eq!(born, tokenizer(TokenKind::Bpe, &text, (280, 64)).unwrap());
        assert_eq!(tokenizer(TokenKind::Bytes, &text, (0, 64)).unwrap().vocab_size, 259);
    }

    #[test]
    fn entropies_are_those_of_counts() {
        // a b a b a: a follows b always, and b follows a always
        let found = Entropies::of(&[0, 1, 0, 1, 0], 8);
        assert!((found.uniform - 8.0_f64.ln()).abs() < 1e-12);
        let expected = -(0.6 * 0.6_f64.ln() + 0.4 * 0.4_f64.ln());
        assert!((found.unigram - expected).abs() < 1e-12);
        assert!(found.bigram.abs() < 1e-12);
    }
}
