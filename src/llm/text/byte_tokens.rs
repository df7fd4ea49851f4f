//! `ByT5`'s tokenizer, which has no file: a token is a byte. Written as a `tokenizer.json` would say it.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::folder_files::{FolderError, read_json};
use super::model_file::TokenizerFile;

/// Padding, the end of a text and what is unknown stand before the bytes.
const SPECIAL: [(&str, &str); 3] =
    [("pad_token", "<pad>"), ("eos_token", "</s>"), ("unk_token", "<unk>")];

/// `None`: the folder names another tokenizer.
pub(super) fn file(folder: &Path) -> Result<Option<TokenizerFile>, FolderError> {
    let path = folder.join("tokenizer_config.json");
    let settings = read_json(&path)?;
    let class = settings["tokenizer_class"].as_str().unwrap_or_default();
    if class.strip_suffix("Fast").unwrap_or(class) != "ByT5Tokenizer" {
        return Ok(None);
    }
    let written = written(&settings).to_string();
    let file = TokenizerFile::read(written.as_bytes());
    file.map(Some).map_err(|source| FolderError { path, source })
}

fn written(settings: &Value) -> Value {
    let mut vocabulary = Map::new();
    let mut added = Vec::new();
    for (id, (name, token)) in SPECIAL.into_iter().enumerate() {
        let told = &settings[name];
        let token = told.as_str().or_else(|| told["content"].as_str()).unwrap_or(token);
        vocabulary.insert(token.to_owned(), json!(id));
        added.push(token_of(id, token, true));
    }
    let first = vocabulary.len();
    for byte in 0..=u8::MAX {
        vocabulary.insert(letter(byte).to_string(), json!(first + usize::from(byte)));
    }
    let extra = settings["extra_ids"].as_u64().unwrap_or(125);
    for number in 0..extra.min(1 << 20) as usize {
        let (id, token) = (first + 256 + number, format!("<extra_id_{number}>"));
        vocabulary.insert(token.clone(), json!(id));
        added.push(token_of(id, &token, false));
    }
    let end = added[1]["content"].clone();
    let special = json!({ "SpecialToken": { "id": end, "type_id": 0 } });
    let text = |id: &str| json!({ "Sequence": { "id": id, "type_id": 0 } });
    let byte_level = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false,
    });
    json!({
        "version": "1.0",
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": byte_level,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [text("A"), special],
            "pair": [text("A"), special, text("B"), special],
            "special_tokens": {
                end.as_str().unwrap_or_default(): { "id": end, "ids": [1], "tokens": [end] },
            },
        },
        "decoder": byte_level,
        "model": { "type": "BPE", "vocab": vocabulary, "merges": [] },
    })
}

fn token_of(id: usize, content: &str, strips: bool) -> Value {
    json!({
        "id": id,
        "content": content,
        "single_word": false,
        "lstrip": strips,
        "rstrip": strips,
        "normalized": false,
        "special": true,
    })
}

/// How byte-level tokenizers write a byte as a character that can be seen: printable ones as
/// themselves, the others from U+0100 on.
pub(super) fn letter(byte: u8) -> char {
    let is_shown = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if is_shown(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|byte| !is_shown(*byte)).count() as u32;
    char::from_u32(256 + before).unwrap_or(char::REPLACEMENT_CHARACTER)
}
