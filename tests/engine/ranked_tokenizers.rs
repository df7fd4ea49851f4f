//! Mistral's `tekken.json` and files of tiktoken against transformers' `AutoTokenizer`
//! (`tests/reference/make_ranked_tokenizers.py`).

use std::collections::BTreeMap;

use serde_json::Value;
use tuning_fork_engine::files;
use tuning_fork_engine::llm::Tokenizer;

use crate::support::reference;

fn bytes(content: &Value) -> Vec<u8> {
    match (content.as_str(), content.get("hex").and_then(Value::as_str)) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(digits)) => {
            let pairs = digits.as_bytes().as_chunks::<2>().0.iter();
            let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            pairs.map(|pair: &[u8; 2]| byte(pair)).collect()
        }
        (None, None) => content.to_string().into_bytes(),
    }
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn tokens_with_ranks_are_read_as_autotokenizer_reads_them() {
    let rows = std::fs::read_to_string(reference("text/tokenizer_ranked.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
    assert_eq!(rows.len(), 10);
    for row in rows {
        let name = row["folder"].as_str().unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (file, content) in row["files"].as_object().unwrap() {
            files::write_atomic(&folder.path().join(file), &bytes(content)).unwrap();
        }
        let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
        let id = |key: &str| row[key].as_u64().map(|id| id as u32);
        assert_eq!((tokenizer.bos(), tokenizer.eos()), (id("bos"), id("eos")), "{name}");
        let names: BTreeMap<String, String> = serde_json::from_value(row["names"].clone()).unwrap();
        assert_eq!(tokenizer.named_tokens(), &names, "{name}");
        for case in row["texts"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let plain = tokenizer.encode(text, false).unwrap();
            assert_eq!(
                tokenizer.encode(text, true).unwrap(),
                ids(&case["ids"]),
                "{name}: {text:?}"
            );
            assert_eq!(plain, ids(&case["plain"]), "{name}: {text:?}");
            assert_eq!(tokenizer.decode(&plain, false), case["decoded"], "{name}: {text:?}");
        }
        for case in row["decodes"].as_array().unwrap() {
            assert_eq!(tokenizer.decode(&ids(&case["ids"]), false), case["text"], "{name}");
            assert_eq!(tokenizer.decode(&ids(&case["ids"]), true), case["skipped"], "{name}");
        }
    }
}
