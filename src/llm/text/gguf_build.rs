//! A tokenizer from what a GGUF file says about it.
//!
//! Three kinds of decoders: byte-level BPE (`gpt2`), with the splitting rules that `tokenizer.ggml.pre`
//! names; SentencePiece BPE (`llama`, also Gemma's), whose merges are read off the scores; and Gemma 4's,
//! which is SentencePiece's way with listed merges. Those of encoders: `gguf_encoders.rs`.

use serde_json::json;
use tokenizers::{AddedToken, DecoderWrapper, NormalizerWrapper, PreTokenizerWrapper};

use super::bpe::{AnyModel, AnyTokenizer, Bpe, Joined};
use super::classes::{sentence_piece_decoder, space_to_bar};
use super::frame::{Second, template};
use super::gguf_encoders;
use super::gguf_ends;
use super::gguf_rules::{self, Rules};
use super::gguf_vocab::{CONTROL, GgufVocab, NORMAL, UNKNOWN, USER_DEFINED, VocabError, part};
use super::tokens::Tokens;

/// Builds the tokenizer that `vocab` describes.
pub(crate) fn build(vocab: &GgufVocab) -> Result<AnyTokenizer, VocabError> {
    vocab.check()?;
    let restored;
    let vocab = if vocab.model == "bert" {
        restored = gguf_encoders::without_bars(vocab);
        &restored
    } else {
        vocab
    };
    let mut tokenizer = match vocab.model.as_str() {
        "bert" => gguf_encoders::word_piece(vocab)?,
        "t5" => gguf_encoders::unigram(vocab)?,
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
    if vocab.is_encoder {
        gguf_encoders::frame_encoder(&mut tokenizer, vocab)?;
    } else {
        frame(&mut tokenizer, vocab, vocab.add_bos.unwrap_or(rules.add_bos))?;
    }
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
