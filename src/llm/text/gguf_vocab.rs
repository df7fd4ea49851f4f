//! A tokenizer from what a GGUF file says about it.
//!
//! Two kinds: byte-level BPE (`gpt2`), with the splitting rules that `tokenizer.ggml.pre` names, and
//! SentencePiece BPE (`llama`, also Gemma's), whose merges are read off the scores. The rules are
//! those of the models' own `tokenizer.json` files. A name that is not in the table is an error: a
//! wrong guess gives plausible ids and bad answers.

use serde_json::{Value, json};
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
};

use super::bpe::{AnyModel, AnyTokenizer, Bpe, Joined, Tokens};
use crate::llm::files::gguf::GgufFile;

/// Why a GGUF file's vocabulary cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VocabError {
    #[error("the metadata has no {0}")]
    Missing(&'static str),

    #[error("{0:?} is not a kind of tokenizer that is known; gpt2 and llama are")]
    Model(String),

    #[error(
        "how {0:?} splits text into words is not known; put the model's tokenizer.json beside the file"
    )]
    Pre(String),

    #[error("merge {index} is {merge:?}, which is not two tokens that make a third")]
    Merge { index: usize, merge: String },

    #[error("{key} has {found} entries for {expected} tokens")]
    Length { key: &'static str, found: usize, expected: usize },

    #[error("{key} is {id}, but there are only {tokens} tokens")]
    Id { key: &'static str, id: u32, tokens: usize },

    #[error("the vocabulary is inconsistent")]
    Inconsistent(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The `tokenizer.ggml.*` metadata of a GGUF file.
#[derive(Clone, Debug, Default)]
pub struct GgufVocab {
    /// `gpt2` or `llama`.
    pub model: String,

    /// The name of the splitting rules, for `gpt2`.
    pub pre: Option<String>,
    pub tokens: Vec<String>,

    /// For `llama`: the higher, the earlier a token is merged.
    pub scores: Option<Vec<f32>>,

    /// 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
    pub token_types: Option<Vec<i32>>,

    /// For `gpt2`: `Ġ t`, the first one first.
    pub merges: Option<Vec<String>>,
    pub bos: Option<u32>,
    pub eos: Option<u32>,
    pub unknown: Option<u32>,
    pub add_bos: Option<bool>,
    pub add_eos: Option<bool>,
    pub add_space_prefix: Option<bool>,
}

impl GgufVocab {
    pub fn read(file: &GgufFile) -> Result<Self, VocabError> {
        let model = file.str("tokenizer.ggml.model");
        let tokens = file.strings("tokenizer.ggml.tokens");
        Ok(Self {
            model: model.ok_or(VocabError::Missing("tokenizer.ggml.model"))?.to_owned(),
            pre: file.str("tokenizer.ggml.pre").map(str::to_owned),
            tokens: tokens.ok_or(VocabError::Missing("tokenizer.ggml.tokens"))?.to_vec(),
            scores: file.f32s("tokenizer.ggml.scores"),
            token_types: file.i32s("tokenizer.ggml.token_type"),
            merges: file.strings("tokenizer.ggml.merges").map(<[String]>::to_vec),
            bos: file.u32("tokenizer.ggml.bos_token_id"),
            eos: file.u32("tokenizer.ggml.eos_token_id"),
            unknown: file.u32("tokenizer.ggml.unknown_token_id"),
            add_bos: file.bool("tokenizer.ggml.add_bos_token"),
            add_eos: file.bool("tokenizer.ggml.add_eos_token"),
            add_space_prefix: file.bool("tokenizer.ggml.add_space_prefix"),
        })
    }

    /// Every list as long as the vocabulary, every id inside it.
    fn check(&self) -> Result<(), VocabError> {
        let expected = self.tokens.len();
        let lists = [
            ("tokenizer.ggml.scores", self.scores.as_ref().map(Vec::len)),
            ("tokenizer.ggml.token_type", self.token_types.as_ref().map(Vec::len)),
        ];
        for (key, length) in lists {
            if let Some(found) = length.filter(|found| *found != expected) {
                return Err(VocabError::Length { key, found, expected });
            }
        }
        let ids = [
            ("tokenizer.ggml.bos_token_id", self.bos),
            ("tokenizer.ggml.eos_token_id", self.eos),
            ("tokenizer.ggml.unknown_token_id", self.unknown),
        ];
        for (key, id) in ids {
            if let Some(id) = id.filter(|id| *id as usize >= expected) {
                return Err(VocabError::Id { key, id, tokens: expected });
            }
        }
        Ok(())
    }

    fn token_type(&self, id: usize) -> i32 {
        self.token_types.as_ref().map_or(NORMAL, |types| types[id])
    }

    fn content(&self, id: u32) -> &str {
        &self.tokens[id as usize]
    }
}

const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

/// Builds the tokenizer that `vocab` describes.
pub(crate) fn build(vocab: &GgufVocab) -> Result<AnyTokenizer, VocabError> {
    vocab.check()?;
    let mut tokenizer = match vocab.model.as_str() {
        "gpt2" => byte_level(vocab)?,
        "llama" => sentence_piece(vocab)?,
        other => return Err(VocabError::Model(other.to_owned())),
    };

    let mut added = Vec::new();
    for (id, content) in vocab.tokens.iter().enumerate() {
        let token_type = vocab.token_type(id);
        if matches!(token_type, UNKNOWN | CONTROL | USER_DEFINED) && !content.is_empty() {
            let special = token_type != USER_DEFINED;
            added.push(AddedToken::from(content.as_str(), special).normalized(false));
        }
    }
    tokenizer.add_tokens(added).map_err(VocabError::Inconsistent)?;
    Ok(tokenizer)
}

/// GPT-2's kind: text is split into words by rules, each word is UTF-8 bytes merged in pairs.
fn byte_level(vocab: &GgufVocab) -> Result<AnyTokenizer, VocabError> {
    let rules = Rules::named(vocab.pre.as_deref().unwrap_or("default"))?;
    let merges = vocab.merges.as_ref().ok_or(VocabError::Missing("tokenizer.ggml.merges"))?;
    let tokens = tokens(vocab);
    let merges = merges.iter().enumerate().map(|(index, merge)| {
        let ids = listed_merge(&tokens, merge);
        ids.ok_or_else(|| VocabError::Merge { index, merge: merge.clone() })
    });
    let merges: Vec<_> = merges.collect::<Result<_, _>>()?;
    let model = Bpe::new(tokens, merges.into_iter()).ignoring_merges(rules.ignore_merges);

    let mut tokenizer = AnyTokenizer::new(AnyModel::Bpe(model));
    if rules.nfc {
        let normalizer: NormalizerWrapper = part(json!({ "type": "NFC" }))?;
        tokenizer.with_normalizer(Some(normalizer)).map_err(VocabError::Inconsistent)?;
    }
    let pre_tokenizer: PreTokenizerWrapper = part(rules.pre_tokenizer())?;
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer));
    let decoder: DecoderWrapper = part(byte_level_step(true))?;
    tokenizer.with_decoder(Some(decoder));
    frame(&mut tokenizer, vocab, vocab.add_bos.unwrap_or(rules.add_bos))?;
    Ok(tokenizer)
}

/// SentencePiece's kind: no words, spaces are `▁`, a character that is not in the vocabulary
/// becomes its bytes.
fn sentence_piece(vocab: &GgufVocab) -> Result<AnyTokenizer, VocabError> {
    let scores = vocab.scores.as_ref().ok_or(VocabError::Missing("tokenizer.ggml.scores"))?;
    let tokens = tokens(vocab);
    let merges = merges_from_scores(vocab, &tokens, scores);
    let model = Bpe::new(tokens, merges.into_iter()).falling_back(vocab.unknown);
    let mut tokenizer = AnyTokenizer::new(AnyModel::Bpe(model));

    let add_space = vocab.add_space_prefix.unwrap_or(true);
    let bar = json!({ "type": "Replace", "pattern": { "String": " " }, "content": "▁" });
    let normalizer = if add_space {
        let prepend = json!({ "type": "Prepend", "prepend": "▁" });
        json!({ "type": "Sequence", "normalizers": [prepend, bar] })
    } else {
        bar
    };
    let normalizer: NormalizerWrapper = part(normalizer)?;
    tokenizer.with_normalizer(Some(normalizer)).map_err(VocabError::Inconsistent)?;

    let mut decoders = vec![
        json!({ "type": "Replace", "pattern": { "String": "▁" }, "content": " " }),
        json!({ "type": "ByteFallback" }),
        json!({ "type": "Fuse" }),
    ];
    if add_space {
        decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    let decoder: DecoderWrapper = part(json!({ "type": "Sequence", "decoders": decoders }))?;
    tokenizer.with_decoder(Some(decoder));
    frame(&mut tokenizer, vocab, vocab.add_bos.unwrap_or(true))?;
    Ok(tokenizer)
}

fn tokens(vocab: &GgufVocab) -> Tokens {
    Tokens::new(vocab.tokens.iter().map(String::as_str))
}

/// `Ġ t` is `Ġ` and `t`, which become `Ġt`. The first character may itself be a space.
fn listed_merge(tokens: &Tokens, merge: &str) -> Option<Joined> {
    let (at, _) = merge.char_indices().skip(1).find(|(_, character)| *character == ' ')?;
    let (left, right) = (&merge[..at], &merge[at + 1..]);
    Some((tokens.id(left)?, tokens.id(right)?, tokens.id(&[left, right].concat())?))
}

/// Tokens above this, in bytes, are no words but damage, and trying all their parts would take
/// for ever.
const LONGEST_MERGED: usize = 1024;

/// Every way to put a normal token together from two others, the best score first; ties as in
/// transformers: the longer left part, then the longer right part, first.
fn merges_from_scores(vocab: &GgufVocab, tokens: &Tokens, scores: &[f32]) -> Vec<Joined> {
    let is_normal = |id: u32| vocab.token_type(id as usize) == NORMAL;
    let part = |part: &str| tokens.id(part).filter(|id| is_normal(*id));

    // Score, characters of both parts, ids.
    let mut candidates: Vec<(f32, [u16; 2], Joined)> = Vec::new();
    for id in (0..vocab.tokens.len() as u32).filter(|id| is_normal(*id)) {
        let token = vocab.content(id);
        if token.len() > LONGEST_MERGED {
            continue;
        }
        let length = token.chars().count() as u16;
        for (count, (at, _)) in (0_u16..).zip(token.char_indices()).skip(1) {
            let (left, right) = token.split_at(at);
            if let (Some(left), Some(right), Some(whole)) =
                (part(left), part(right), tokens.id(token))
            {
                let lengths = [count, length - count];
                candidates.push((scores[id as usize], lengths, (left, right, whole)));
            }
        }
    }
    // With 0.0 added, minus zero is zero.
    candidates.sort_by(|a, b| (b.0 + 0.0).total_cmp(&(a.0 + 0.0)).then(b.1.cmp(&a.1)));
    candidates.into_iter().map(|(.., ids)| ids).collect()
}

/// What is put around a text that asks for special tokens.
fn frame(tokenizer: &mut AnyTokenizer, vocab: &GgufVocab, add_bos: bool) -> Result<(), VocabError> {
    let bos = vocab.bos.filter(|_| add_bos);
    let eos = vocab.eos.filter(|_| vocab.add_eos.unwrap_or(false));
    if bos.is_none() && eos.is_none() {
        return Ok(());
    }
    let special = |id: u32, kind: u32| json!({ "SpecialToken": { "id": vocab.content(id), "type_id": kind } });
    let sequence = |name: &str, kind: u32| {
        let text = json!({ "Sequence": { "id": name, "type_id": kind } });
        let parts = [bos.map(|id| special(id, kind)), Some(text), eos.map(|id| special(id, kind))];
        parts.into_iter().flatten().collect::<Vec<Value>>()
    };
    let mut special_tokens = serde_json::Map::new();
    for id in [bos, eos].into_iter().flatten() {
        let content = vocab.content(id);
        let entry = json!({ "id": content, "ids": [id], "tokens": [content] });
        special_tokens.insert(content.to_owned(), entry);
    }
    let pair = [sequence("A", 0), sequence("B", 1)].concat();
    let processor: PostProcessorWrapper = part(json!({
        "type": "TemplateProcessing",
        "single": sequence("A", 0),
        "pair": pair,
        "special_tokens": special_tokens,
    }))?;
    tokenizer.with_post_processor(Some(processor));
    Ok(())
}

/// A part of a tokenizer as `tokenizer.json` would write it.
fn part<T: serde::de::DeserializeOwned>(json: Value) -> Result<T, VocabError> {
    serde_json::from_value(json).map_err(|err| VocabError::Inconsistent(err.into()))
}

/// How text is prepared for byte-level BPE.
struct Rules {
    split: Split,

    /// Compose characters first: `e` and an accent become `é`.
    nfc: bool,

    /// A word that is in the vocabulary is one token, whatever the merges say.
    ignore_merges: bool,

    /// Whether a text begins with the BOS token where the file does not say.
    add_bos: bool,
}

enum Split {
    /// GPT-2's own rule.
    Gpt2,

    /// Every digit for itself, then GPT-2's rule.
    DigitsThenGpt2,

    /// A regular expression of the model's own.
    Regex(&'static str),
}

/// Words as `cl100k` splits them, digits in groups of up to three.
const CL100K: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// As [`CL100K`], but every digit for itself.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Mistral's: words are also split where a capital follows a small letter.
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

impl Rules {
    /// The table of llama.cpp's names that we know the exact rules of.
    fn named(pre: &str) -> Result<Self, VocabError> {
        let plain = |split| Self { split, nfc: false, ignore_merges: false, add_bos: false };
        Ok(match pre {
            "default" | "gpt-2" | "gpt2" | "phi-2" | "jina-es" | "jina-de" | "roberta-bpe"
            | "mpt" => plain(Split::Gpt2),
            "olmo" => Self { nfc: true, ..plain(Split::Gpt2) },
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" => {
                plain(Split::DigitsThenGpt2)
            }
            "llama3" | "llama-v3" | "llama-bpe" | "falcon3" => {
                Self { ignore_merges: true, add_bos: true, ..plain(Split::Regex(CL100K)) }
            }
            "smaug-bpe" | "dbrx" => plain(Split::Regex(CL100K)),
            "qwen2" | "deepseek-r1-qwen" => Self { nfc: true, ..plain(Split::Regex(QWEN2)) },
            "stablelm2" => plain(Split::Regex(QWEN2)),
            "tekken" => Self { ignore_merges: true, add_bos: true, ..plain(Split::Regex(TEKKEN)) },
            other => return Err(VocabError::Pre(other.to_owned())),
        })
    }

    fn pre_tokenizer(&self) -> Value {
        let steps = match self.split {
            Split::Gpt2 => return byte_level_step(true),
            Split::DigitsThenGpt2 => {
                [json!({ "type": "Digits", "individual_digits": true }), byte_level_step(true)]
            }
            Split::Regex(regex) => [
                json!({ "type": "Split", "pattern": { "Regex": regex }, "behavior": "Isolated", "invert": false }),
                byte_level_step(false),
            ],
        };
        json!({ "type": "Sequence", "pretokenizers": steps })
    }
}

fn byte_level_step(use_regex: bool) -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex })
}
