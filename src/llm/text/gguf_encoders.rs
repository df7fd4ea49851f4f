//! The tokenizers of encoders and encoder-decoders as GGUF files have them: `WordPiece` (`bert`), whose
//! words begin with `▁` in the file and whose other pieces have no `##`, and SentencePiece's Unigram (`t5`).

use serde_json::{Value, json};
use tokenizers::{DecoderWrapper, NormalizerWrapper, PreTokenizerWrapper};

use super::base64::base64;
use super::bpe::AnyTokenizer;
use super::classes::Class;
use super::frame::{Second, template};
use super::gguf_vocab::{BYTE, CONTROL, GgufVocab, VocabError, part};
use super::model_file::{Kind, ModelParts, Vocabulary};

/// What llama.cpp writes before a word.
const BAR: char = '▁';

/// The same vocabulary with its tokens as `vocab.txt` has them: `▁word` is `word`, `piece` is `##piece`.
pub(super) fn without_bars(vocab: &GgufVocab) -> GgufVocab {
    let tokens = vocab.tokens.iter().enumerate().map(|(id, token)| match token.strip_prefix(BAR) {
        _ if vocab.token_type(id) == CONTROL => token.clone(),
        Some(word) => word.to_owned(),
        None => format!("##{token}"),
    });
    GgufVocab { tokens: tokens.collect(), ..vocab.clone() }
}

/// `BERT`'s kind; its tokens are [`without_bars`].
pub(super) fn word_piece(vocab: &GgufVocab) -> Result<AnyTokenizer, VocabError> {
    let ids: Vec<(String, u32)> = vocab.tokens.iter().cloned().zip(0..).collect();
    let unknown = vocab.unknown_id().or_else(|| id_of(vocab, "[UNK]"));
    let unknown = unknown.ok_or(VocabError::Missing("tokenizer.ggml.unknown_token_id"))?;
    let model = ModelParts {
        kind: Some(Kind::WordPiece),
        vocab: Vocabulary::Ids(ids),
        unk_token: Some(vocab.content(unknown).to_owned()),
        ..ModelParts::default()
    };
    // Older files do not say it, and a vocabulary of small letters has no capital in it.
    let is_word =
        |(id, token): (usize, &String)| vocab.token_type(id) != CONTROL && !token.starts_with('[');
    let has_capitals = vocab
        .tokens
        .iter()
        .enumerate()
        .filter(|(id, token)| is_word((*id, token)))
        .any(|(_, token)| token.chars().any(char::is_uppercase));
    let lowercase = vocab.lowercase.unwrap_or(!has_capitals);
    let settings = json!({ "do_lower_case": lowercase, "strip_accents": vocab.strip_accents });
    let mut tokenizer = with_parts(model, Class::Bert.parts(&settings, None))?;
    let [begin, end] = [vocab.class.or(vocab.bos), vocab.separator.or(vocab.eos)];
    frame(
        &mut tokenizer,
        vocab,
        [begin.or_else(|| id_of(vocab, "[CLS]")), end.or_else(|| id_of(vocab, "[SEP]"))],
        Second::AfterEnd,
    )?;
    Ok(tokenizer)
}

/// SentencePiece's Unigram, as T5 and XLM-RoBERTa have it.
pub(super) fn unigram(vocab: &GgufVocab) -> Result<AnyTokenizer, VocabError> {
    let scores = vocab.scores.as_ref().ok_or(VocabError::Missing("tokenizer.ggml.scores"))?;
    let pairs = vocab.tokens.iter().cloned().zip(scores.iter().map(|score| f64::from(*score)));
    let byte_fallback = (0..vocab.tokens.len()).any(|id| vocab.token_type(id) == BYTE);
    let model = ModelParts {
        kind: Some(Kind::Unigram),
        vocab: Vocabulary::Scores(pairs.collect()),
        unk_id: vocab.unknown_id().map(|id| id as usize),
        byte_fallback,
        ..ModelParts::default()
    };
    let charsmap = vocab.charsmap.as_deref().filter(|map| !map.is_empty());
    let charsmap =
        charsmap.map(|map| json!({ "type": "Precompiled", "precompiled_charsmap": base64(map) }));
    let settings = json!({ "add_prefix_space": vocab.add_space_prefix });
    // Both are made in the same way but for what they put before a text.
    let class = if vocab.is_encoder { Class::XlmRoberta } else { Class::T5 };
    let mut tokenizer = with_parts(model, class.parts(&settings, charsmap))?;
    let begin = vocab.bos.filter(|_| vocab.add_bos.unwrap_or(vocab.is_encoder));
    let end = vocab.eos_id().filter(|_| vocab.add_eos.unwrap_or(true));
    let second = if vocab.is_encoder { Second::AfterTwoEnds } else { Second::Own };
    frame(&mut tokenizer, vocab, [begin, end], second)?;
    Ok(tokenizer)
}

/// `RoBERTa`'s `<s> text </s>` around byte-level BPE.
pub(super) fn frame_encoder(
    tokenizer: &mut AnyTokenizer,
    vocab: &GgufVocab,
) -> Result<(), VocabError> {
    let [begin, end] = [vocab.bos.or(vocab.class), vocab.eos.or(vocab.separator)];
    frame(tokenizer, vocab, [begin, end], Second::AfterTwoEnds)
}

fn id_of(vocab: &GgufVocab, token: &str) -> Option<u32> {
    vocab.tokens.iter().position(|known| known == token).map(|id| id as u32)
}

fn frame(
    tokenizer: &mut AnyTokenizer,
    vocab: &GgufVocab,
    ids: [Option<u32>; 2],
    second: Second,
) -> Result<(), VocabError> {
    let there = |id: u32| vocab.tokens.get(id as usize).map(String::as_str);
    let [begin, end] = ids.map(|id| id.and_then(there));
    if begin.is_none() && end.is_none() {
        return Ok(());
    }
    let processor = template(tokenizer, begin, end, second).map_err(VocabError::Inconsistent)?;
    tokenizer.with_post_processor(Some(processor));
    Ok(())
}

fn with_parts(model: ModelParts, parts: [Value; 3]) -> Result<AnyTokenizer, VocabError> {
    let mut tokenizer = AnyTokenizer::new(model.build().map_err(VocabError::Inconsistent)?);
    let [normalizer, pre_tokenizer, decoder] = parts;
    if !normalizer.is_null() {
        let normalizer: NormalizerWrapper = part(normalizer)?;
        tokenizer.with_normalizer(Some(normalizer)).map_err(VocabError::Inconsistent)?;
    }
    let pre_tokenizer: PreTokenizerWrapper = part(pre_tokenizer)?;
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer));
    let decoder: DecoderWrapper = part(decoder)?;
    tokenizer.with_decoder(Some(decoder));
    Ok(tokenizer)
}
