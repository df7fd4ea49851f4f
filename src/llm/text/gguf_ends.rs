//! Which tokens of a GGUF file end an answer.
//!
//! The file names one or two of them; the others are known by how they are written, as llama.cpp
//! knows them.

use crate::llm::files::gguf::GgufFile;

/// Tokens that end an answer wherever they are found.
const NAMED: [&str; 22] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
];

/// Tokens that separate files and repositories when a model completes code: the first of each list
/// that the vocabulary has ends an answer, unless the file itself names one.
const SEPARATORS: [(&str, &[&str]); 3] = [
    ("fim_pad_token_id", &["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"]),
    ("fim_rep_token_id", &["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"]),
    ("fim_sep_token_id", &["<|file_sep|>"]),
];

/// Whether a token ends an answer by how it is written.
pub(super) fn is_named(token: &str) -> bool {
    NAMED.contains(&token)
}

/// The tokens that end an answer.
pub(crate) fn stop_ids(file: &GgufFile) -> Vec<u32> {
    let tokens = file.strings("tokenizer.ggml.tokens").unwrap_or_default();
    let is_sentence_piece = file.str("tokenizer.ggml.model") == Some("llama");
    let is_token = |id: &u32| (*id as usize) < tokens.len();
    let told = |key: &str| {
        // SentencePiece's usual `</s>`.
        let usual = Some(2).filter(|_| is_sentence_piece && key == "eos_token_id");
        file.u32(&format!("tokenizer.ggml.{key}")).filter(is_token).or(usual)
    };
    ends(tokens, told)
}

/// `told`: the ids that the file gives under a name.
fn ends(tokens: &[String], told: impl Fn(&str) -> Option<u32>) -> Vec<u32> {
    let id = |token: &str| tokens.iter().position(|known| known == token).map(|id| id as u32);
    let told = |key: &str| told(key).filter(|id| (*id as usize) < tokens.len());
    let by_key = ["eos_token_id", "eot_token_id", "eom_token_id"].into_iter().filter_map(told);
    let mut ids: Vec<u32> = by_key.chain(NAMED.into_iter().filter_map(id)).collect();
    for (key, spellings) in SEPARATORS {
        ids.extend(told(key).or_else(|| spellings.iter().find_map(|token| id(token))));
    }

    let has = |ids: &[u32], token: &str| id(token).is_some_and(|id| ids.contains(&id));
    let is_called = has(&ids, "<|call|>") || has(&ids, "<|calls|>");
    // There, `<|end|>` ends a part of an answer.
    if is_called && (has(&ids, "<|return|>") || has(&ids, "<|flush|>")) {
        ids.retain(|found| Some(*found) != id("<|end|>"));
    }
    // Gemma 4's `</s>` is a tag of the text.
    if has(&ids, "<|tool_response>") {
        ids.retain(|found| Some(*found) != id("</s>"));
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends_of(tokens: &[&str], eos: Option<u32>) -> Vec<String> {
        let tokens: Vec<String> = tokens.iter().map(|&token| token.to_owned()).collect();
        let told = |key: &str| eos.filter(|_| key == "eos_token_id");
        ends(&tokens, told).iter().map(|id| tokens[*id as usize].clone()).collect()
    }

    // llama.cpp's list: special_eog_ids in src/llama-vocab.cpp.
    #[test]
    fn ends_are_known_by_how_they_are_written() {
        let granite = ["a", "<|x|>", "<|end_of_text|>"];
        assert_eq!(ends_of(&granite, Some(1)), ["<|x|>", "<|end_of_text|>"]);
        assert_eq!(ends_of(&["a", "</s>", "[EOT]"], None), ["</s>", "[EOT]"]);
        assert_eq!(ends_of(&["a"], Some(7)), [""; 0], "an id that is no token");
        let coder = ["<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<|fim_prefix|>"];
        assert_eq!(ends_of(&coder, None), ["<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"]);
    }

    #[test]
    fn where_calls_end_an_answer_end_does_not() {
        let harmony = ["<|end|>", "<|return|>", "<|call|>"];
        assert_eq!(ends_of(&harmony, None), ["<|return|>", "<|call|>"]);
        assert_eq!(ends_of(&["<|end|>", "<|user|>"], None), ["<|end|>"]);
        assert_eq!(ends_of(&["</s>", "<|tool_response>"], None), ["<|tool_response>"]);
    }
}
