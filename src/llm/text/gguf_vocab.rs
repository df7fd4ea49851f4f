//! A tokenizer from what a GGUF file says about it.
//!
//! Three kinds: byte-level BPE (`gpt2`), with the splitting rules that `tokenizer.ggml.pre` names;
//! SentencePiece BPE (`llama`, also Gemma's), whose merges are read off the scores; and Gemma 4's, which
//! is SentencePiece's way with listed merges. What a file leaves out is as llama.cpp has it.

use serde_json::{Value, json};
use tokenizers::{AddedToken, DecoderWrapper, NormalizerWrapper, PreTokenizerWrapper};

use super::bpe::{AnyModel, AnyTokenizer, Bpe, Joined};
use super::classes::{sentence_piece_decoder, space_to_bar};
use super::frame::{Second, template};
use super::gguf_ends;
use super::gguf_rules::{self, Rules};
use super::tokens::Tokens;
use crate::llm::files::gguf::GgufFile;

/// Why a GGUF file's vocabulary cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VocabError {
    #[error("the metadata has no {0}")]
    Missing(&'static str),

    #[error(
        "{0:?} is not a kind of tokenizer that is known; gpt2, llama and gemma4 are. Put the model's \
         tokenizer.json beside the file"
    )]
    Model(String),

    #[error(
        "how {0:?} splits text into words is not known; put the model's tokenizer.json beside the file"
    )]
    Pre(String),

    #[error("merge {index} is {merge:?}, which is not two tokens that make a third")]
    Merge { index: usize, merge: String },

    #[error("{key} has {found} entries for {expected} tokens")]
    Length { key: &'static str, found: usize, expected: usize },

    #[error("the vocabulary is inconsistent")]
    Inconsistent(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The `tokenizer.ggml.*` metadata of a GGUF file.
#[derive(Clone, Debug, Default)]
pub struct GgufVocab {
    /// `gpt2`, `llama` or `gemma4`.
    pub model: String,

    /// The name of the splitting rules, for `gpt2`.
    pub pre: Option<String>,
    pub tokens: Vec<String>,

    /// For `llama`: the higher, the earlier a token is merged.
    pub scores: Option<Vec<f32>>,

    /// 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
    pub token_types: Option<Vec<i32>>,

    /// For `gpt2` and `gemma4`: `Ġ t`, the first one first.
    pub merges: Option<Vec<String>>,
    pub bos: Option<u32>,
    pub eos: Option<u32>,
    pub unknown: Option<u32>,
    pub padding: Option<u32>,
    pub separator: Option<u32>,
    pub class: Option<u32>,
    pub mask: Option<u32>,
    pub add_bos: Option<bool>,
    pub add_eos: Option<bool>,
    pub add_space_prefix: Option<bool>,

    /// Markers take the spaces and line breaks after them, as Phi-3's do.
    pub markers_strip: bool,
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
            padding: file.u32("tokenizer.ggml.padding_token_id"),
            separator: file.u32("tokenizer.ggml.seperator_token_id"), // llama.cpp's spelling
            class: file.u32("tokenizer.ggml.cls_token_id"),
            mask: file.u32("tokenizer.ggml.mask_token_id"),
            add_bos: file.bool("tokenizer.ggml.add_bos_token"),
            add_eos: file.bool("tokenizer.ggml.add_eos_token"),
            add_space_prefix: file.bool("tokenizer.ggml.add_space_prefix"),
            markers_strip: is_phi3(
                file.str("general.architecture").unwrap_or_default(),
                model.unwrap_or_default(),
                file.str("general.name").unwrap_or_default(),
            ),
        })
    }

    /// What a person should know about the file: it says too little, or it contradicts itself.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.model == "gpt2" && self.pre.is_none() {
            warnings.push(
                "the file does not say how its tokenizer splits text into words \
                 (tokenizer.ggml.pre); llama.cpp's default is taken, and answers may be worse: \
                 a newer conversion of the model says it"
                    .to_owned(),
            );
        }
        let ids = [
            ("bos_token_id", self.bos, self.bos_id()),
            ("eos_token_id", self.eos, self.eos_id()),
            ("unknown_token_id", self.unknown, self.unknown_id()),
        ];
        for (key, told, taken) in ids {
            let Some(told) = told.filter(|told| Some(*told) != taken) else { continue };
            let tokens = self.tokens.len();
            let instead = taken.map_or_else(|| "none".to_owned(), |id| id.to_string());
            warnings.push(format!(
                "tokenizer.ggml.{key} is {told}, but there are only {tokens} tokens; {instead} is \
                 taken, as llama.cpp does"
            ));
        }
        warnings
    }

    /// An id of the vocabulary, or SentencePiece's usual one where the file has none.
    fn id_or(&self, told: Option<u32>, usual: u32) -> Option<u32> {
        let is_there = |id: &u32| (*id as usize) < self.tokens.len();
        let usual = Some(usual).filter(|_| self.model == "llama");
        told.filter(is_there).or_else(|| usual.filter(is_there))
    }

    pub fn bos_id(&self) -> Option<u32> {
        self.id_or(self.bos, 1)
    }

    pub fn eos_id(&self) -> Option<u32> {
        self.id_or(self.eos, 2)
    }

    pub fn unknown_id(&self) -> Option<u32> {
        self.id_or(self.unknown, 0)
    }

    /// Every list is at least as long as the vocabulary.
    fn check(&self) -> Result<(), VocabError> {
        let expected = self.tokens.len();
        let lists = [
            ("tokenizer.ggml.scores", self.scores.as_ref().map(Vec::len)),
            ("tokenizer.ggml.token_type", self.token_types.as_ref().map(Vec::len)),
        ];
        for (key, length) in lists {
            if let Some(found) = length.filter(|found| *found < expected) {
                return Err(VocabError::Length { key, found, expected });
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

/// Phi-3's markers take the white space after them. The file does not say so; llama.cpp knows it
/// by the model's name.
fn is_phi3(architecture: &str, model: &str, name: &str) -> bool {
    let name: String = name.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    name.contains("phi3") || (architecture == "phi3" && model == "llama")
}

/// Builds the tokenizer that `vocab` describes.
pub(crate) fn build(vocab: &GgufVocab) -> Result<AnyTokenizer, VocabError> {
    vocab.check()?;
    let mut tokenizer = match vocab.model.as_str() {
        "gpt2" => byte_level(vocab)?,
        "llama" => {
            let scores =
                vocab.scores.as_ref().ok_or(VocabError::Missing("tokenizer.ggml.scores"))?;
            let tokens = tokens(vocab);
            let merges = merges_from_scores(vocab, &tokens, scores);
            sentence_piece(vocab, tokens, merges, true)?
        }
        "gemma4" => {
            let tokens = tokens(vocab);
            let merges = listed_merges(vocab, &tokens)?;
            sentence_piece(vocab, tokens, merges, false)?
        }
        other => return Err(VocabError::Model(other.to_owned())),
    };

    let mut added = Vec::new();
    for (id, content) in vocab.tokens.iter().enumerate() {
        let token_type = vocab.token_type(id);
        // llama.cpp too takes what is named as an end for one, whatever its type.
        let is_special = matches!(token_type, UNKNOWN | CONTROL) || gguf_ends::is_named(content);
        if (is_special || token_type == USER_DEFINED) && !content.is_empty() {
            let strips = vocab.markers_strip
                && !["<unk>", "<s>", "<|endoftext|>"].contains(&content.as_str());
            let token = AddedToken::from(content.as_str(), is_special);
            added.push(token.normalized(false).rstrip(strips));
        }
    }
    if vocab.markers_strip && tokenizer.token_to_id("</s>").is_some() {
        added.push(AddedToken::from("</s>", true).normalized(false).rstrip(true));
    }
    tokenizer.add_tokens(added).map_err(VocabError::Inconsistent)?;
    Ok(tokenizer)
}

/// GPT-2's kind: text is split into words by rules, each word is UTF-8 bytes merged in pairs.
fn byte_level(vocab: &GgufVocab) -> Result<AnyTokenizer, VocabError> {
    let pre = vocab.pre.as_deref().unwrap_or("default");
    let rules = Rules::named(pre).ok_or_else(|| VocabError::Pre(pre.to_owned()))?;
    let tokens = tokens(vocab);
    let merges = listed_merges(vocab, &tokens)?;
    let model = Bpe::new(tokens, merges.into_iter()).ignoring_merges(rules.ignore_merges);

    let mut tokenizer = AnyTokenizer::new(AnyModel::Bpe(model));
    if rules.nfc {
        let normalizer: NormalizerWrapper = part(json!({ "type": "NFC" }))?;
        tokenizer.with_normalizer(Some(normalizer)).map_err(VocabError::Inconsistent)?;
    }
    let pre_tokenizer: PreTokenizerWrapper = part(rules.pre_tokenizer())?;
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer));
    let decoder: DecoderWrapper = part(gguf_rules::byte_level_step(true))?;
    tokenizer.with_decoder(Some(decoder));
    frame(&mut tokenizer, vocab, vocab.add_bos.unwrap_or(rules.add_bos))?;
    Ok(tokenizer)
}

/// SentencePiece's kind: no words, spaces are `▁`, a character that is not in the vocabulary
/// becomes its bytes.
fn sentence_piece(
    vocab: &GgufVocab,
    tokens: Tokens,
    merges: Vec<Joined>,
    adds_space: bool,
) -> Result<AnyTokenizer, VocabError> {
    let model = Bpe::new(tokens, merges.into_iter()).falling_back();
    let model = model.with_unknown(vocab.unknown_id(), true);
    let mut tokenizer = AnyTokenizer::new(AnyModel::Bpe(model));

    let add_space = vocab.add_space_prefix.unwrap_or(adds_space);
    let bar = space_to_bar();
    let normalizer = if add_space {
        let prepend = json!({ "type": "Prepend", "prepend": "▁" });
        json!({ "type": "Sequence", "normalizers": [prepend, bar] })
    } else {
        bar
    };
    let normalizer: NormalizerWrapper = part(normalizer)?;
    tokenizer.with_normalizer(Some(normalizer)).map_err(VocabError::Inconsistent)?;

    let decoder: DecoderWrapper = part(sentence_piece_decoder(add_space))?;
    tokenizer.with_decoder(Some(decoder));
    frame(&mut tokenizer, vocab, vocab.add_bos.unwrap_or(true))?;
    Ok(tokenizer)
}

fn tokens(vocab: &GgufVocab) -> Tokens {
    Tokens::new(vocab.tokens.iter().map(String::as_str))
}

fn listed_merges(vocab: &GgufVocab, tokens: &Tokens) -> Result<Vec<Joined>, VocabError> {
    let merges = vocab.merges.as_ref().ok_or(VocabError::Missing("tokenizer.ggml.merges"))?;
    let merges = merges.iter().enumerate().map(|(index, merge)| {
        let ids = listed_merge(tokens, merge);
        ids.ok_or_else(|| VocabError::Merge { index, merge: merge.clone() })
    });
    merges.collect()
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
    let bos = vocab.bos_id().filter(|_| add_bos);
    let eos = vocab.eos_id().filter(|_| vocab.add_eos.unwrap_or(false));
    if bos.is_none() && eos.is_none() {
        return Ok(());
    }
    let [begin, end] = [bos, eos].map(|id| id.map(|id| vocab.content(id)));
    let processor =
        template(tokenizer, begin, end, Second::Own).map_err(VocabError::Inconsistent)?;
    tokenizer.with_post_processor(Some(processor));
    Ok(())
}

/// A part of a tokenizer as `tokenizer.json` would write it.
fn part<T: serde::de::DeserializeOwned>(json: Value) -> Result<T, VocabError> {
    serde_json::from_value(json).map_err(|err| VocabError::Inconsistent(err.into()))
}
