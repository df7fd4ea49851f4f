//! What a tokenizer puts around a text that asks for special tokens.

use serde_json::{Map, Value, json};
use tokenizers::PostProcessorWrapper;

use super::bpe::AnyTokenizer;
use super::folder_files::Problem;

/// Puts tokens around a text, and around each of two.
pub(super) fn template(
    inner: &AnyTokenizer,
    begin: Option<&str>,
    end: Option<&str>,
) -> Result<PostProcessorWrapper, Problem> {
    let mut special_tokens = Map::new();
    for content in [begin, end].into_iter().flatten() {
        let id = inner.token_to_id(content);
        let id = id.ok_or_else(|| format!("the special token {content:?} is not a token"))?;
        let entry = json!({ "id": content, "ids": [id], "tokens": [content] });
        special_tokens.insert(content.to_owned(), entry);
    }
    let special =
        |content: &str, kind: u32| json!({ "SpecialToken": { "id": content, "type_id": kind } });
    let sequence = |name: &str, kind: u32| {
        let text = json!({ "Sequence": { "id": name, "type_id": kind } });
        let begin = begin.map(|content| special(content, kind));
        let end = end.map(|content| special(content, kind));
        [begin, Some(text), end].into_iter().flatten().collect::<Vec<Value>>()
    };
    let pair = [sequence("A", 0), sequence("B", 1)].concat();
    let processor = serde_json::from_value(json!({
        "type": "TemplateProcessing",
        "single": sequence("A", 0),
        "pair": pair,
        "special_tokens": special_tokens,
    }));
    Ok(processor?)
}
