//! What a tokenizer puts around a text that asks for special tokens.

use serde_json::{Map, Value, json};
use tokenizers::PostProcessorWrapper;

use super::bpe::AnyTokenizer;
use super::folder_files::Problem;

/// What stands between two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Second {
    /// Each text has its own tokens around it.
    Own,

    /// `[CLS] a [SEP] b [SEP]`: the second one begins with nothing.
    AfterEnd,

    /// `<s> a </s></s> b </s>`, all of one part.
    AfterTwoEnds,
}

/// Puts tokens around a text, and around two of them.
pub(super) fn template<'t>(
    inner: &AnyTokenizer,
    begin: Option<&'t str>,
    end: Option<&'t str>,
    second: Second,
) -> Result<PostProcessorWrapper, Problem> {
    let placed = |content: Option<&'t str>| {
        let id = |content: &'t str| {
            let id = inner.token_to_id(content);
            let id = id.ok_or_else(|| format!("the special token {content:?} is not a token"));
            id.map(|id| (content, id))
        };
        content.map(id).transpose()
    };
    placed_template(placed(begin)?, placed(end)?, second)
}

/// As [`template`], of tokens with their ids.
pub(super) fn placed_template(
    begin: Option<(&str, u32)>,
    end: Option<(&str, u32)>,
    second: Second,
) -> Result<PostProcessorWrapper, Problem> {
    let mut special_tokens = Map::new();
    for (content, id) in [begin, end].into_iter().flatten() {
        let entry = json!({ "id": content, "ids": [id], "tokens": [content] });
        special_tokens.insert(content.to_owned(), entry);
    }
    let special =
        |content: &str, kind: u32| json!({ "SpecialToken": { "id": content, "type_id": kind } });
    let [begin, end] = [begin, end].map(|token| token.map(|(content, _)| content));
    let framed = |name: &str, kind: u32, begin: Option<&str>| {
        let text = json!({ "Sequence": { "id": name, "type_id": kind } });
        let begin = begin.map(|content| special(content, kind));
        let end = end.map(|content| special(content, kind));
        [begin, Some(text), end].into_iter().flatten().collect::<Vec<Value>>()
    };
    let first = framed("A", 0, begin);
    let other = match second {
        Second::Own => framed("B", 1, begin),
        Second::AfterEnd => framed("B", 1, None),
        Second::AfterTwoEnds => framed("B", 0, end),
    };
    let pair = [first.clone(), other].concat();
    let processor = serde_json::from_value(json!({
        "type": "TemplateProcessing",
        "single": first,
        "pair": pair,
        "special_tokens": special_tokens,
    }));
    Ok(processor?)
}

/// Puts these tokens before and behind a text, and once around two of them.
pub(super) fn around(
    before: &[(&str, u32)],
    behind: &[(&str, u32)],
) -> Result<PostProcessorWrapper, Problem> {
    let entry = |(content, id): &(&str, u32)| {
        ((*content).to_owned(), json!({ "id": content, "ids": [id], "tokens": [content] }))
    };
    let special = |all: &[(&str, u32)]| -> Vec<Value> {
        let piece =
            |(content, _): &(&str, u32)| json!({ "SpecialToken": { "id": content, "type_id": 0 } });
        all.iter().map(piece).collect()
    };
    let texts = |names: &[&str]| {
        let texts = names.iter().map(|name| json!({ "Sequence": { "id": name, "type_id": 0 } }));
        [special(before), texts.collect(), special(behind)].concat()
    };
    let special_tokens: Map<String, Value> = before.iter().chain(behind).map(entry).collect();
    Ok(serde_json::from_value(json!({
        "type": "TemplateProcessing",
        "single": texts(&["A"]),
        "pair": texts(&["A", "B"]),
        "special_tokens": special_tokens,
    }))?)
}

/// The `tokenizers` crate would end the program over a token that is put around a text and not described.
pub(super) fn check_frame(processor: &Value) -> Result<(), Problem> {
    for inner in processor["processors"].as_array().into_iter().flatten() {
        check_frame(inner)?;
    }
    if processor["type"] != "TemplateProcessing" {
        return Ok(());
    }
    let described = &processor["special_tokens"];
    let of_piece = |piece: &Value| piece["SpecialToken"]["id"].as_str().map(str::to_owned);
    // `[CLS] $A:0 [SEP]`, as a person may write it.
    let of_word = |word: &str| {
        let is_number =
            |kind: &str| !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_digit());
        let id =
            word.rsplit_once(':').filter(|(_, kind)| is_number(kind)).map_or(word, |(id, _)| id);
        (!id.starts_with('$')).then(|| id.to_owned())
    };
    let put = ["single", "pair"].iter().flat_map(|key| match &processor[*key] {
        Value::Array(pieces) => pieces.iter().filter_map(of_piece).collect::<Vec<String>>(),
        Value::String(words) => words.split(' ').filter_map(of_word).collect(),
        _ => Vec::new(),
    });
    match put.into_iter().find(|id| described.get(id).is_none()) {
        None => Ok(()),
        Some(id) => Err(format!(
            "its post_processor puts {id} around a text, and its special_tokens do not say which token \
             that is"
        )
        .into()),
    }
}
