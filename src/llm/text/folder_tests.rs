//! Folders as people bring them against transformers' `AutoTokenizer`.

use std::path::Path;

use serde_json::{Value, json};

use crate::files;
use crate::llm::files::gguf::GgufFile;
use crate::llm::text::tokenizer::Tokenizer;

/// Some of the folders that `make_tokenizer_folders.py` writes, one of each kind.
#[test]
fn a_folder_is_read_as_autotokenizer_reads_it() {
    are_read_alike(include_str!("../../../tests/reference/text/tokenizer_folders.json"), 11);
}

fn are_read_alike(rows: &str, least: usize) {
    let rows: Vec<Value> = serde_json::from_str(rows).unwrap();
    assert!(rows.len() >= least);
    for row in rows {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in row["files"].as_object().unwrap() {
            let bytes = match content {
                Value::String(text) => text.clone().into_bytes(),
                json => match json.get("hex") {
                    Some(digits) => from_hex(digits.as_str().unwrap()),
                    None => json.to_string().into_bytes(),
                },
            };
            files::write_atomic(&folder.path().join(name), &bytes).unwrap();
        }
        let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
        let problems = differences(&tokenizer, &row);
        assert_eq!(problems, [""; 0], "{} {}", row["class"], row["done"]);
    }
}

/// The same of `make_encoder_tokenizers.py`: DeBERTa-v3, ALBERT, `CamemBERT`.
#[test]
fn an_encoders_folder_is_read_as_autotokenizer_reads_it() {
    are_read_alike(include_str!("../../../tests/reference/text/tokenizer_encoders.json"), 4);
}

// BigBird, mBART, NLLB and Pegasus.
#[test]
fn a_translators_folder_is_read_as_autotokenizer_reads_it() {
    are_read_alike(include_str!("../../../tests/reference/text/tokenizer_languages.json"), 5);
}

/// Marian and M2M100, of `make_numbered.py`.
#[test]
fn a_folder_with_numbers_of_its_own_is_read_as_autotokenizer_reads_it() {
    are_read_alike(include_str!("../../../tests/reference/text/tokenizer_numbered.json"), 6);
}

/// Rows of `make_ranked_texts.py`.
fn are_encoded_alike(rows: &str) -> [usize; 2] {
    let rows: Vec<Value> = serde_json::from_str(rows).unwrap();
    let mut counts = [0, 0];
    for row in rows {
        let folder = tempfile::tempdir().unwrap();
        let name = if row["tekken.json"].is_object() { "tekken.json" } else { "tiktoken.model" };
        let content = row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
        files::write_atomic(&folder.path().join(name), content.as_bytes()).unwrap();
        let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
        let texts: Vec<(String, Vec<u32>)> = serde_json::from_value(row["texts"].clone()).unwrap();
        for (text, ids) in texts {
            counts[0] += 1;
            let found = tokenizer.encode(&text, false).unwrap();
            if found != ids {
                println!("{name} {text:?}: {found:?} and not {ids:?}");
                counts[1] += 1;
            }
        }
        let decodes: Vec<(Vec<u32>, String)> =
            serde_json::from_value(row["decodes"].clone()).unwrap();
        for (ids, text) in decodes {
            counts[0] += 1;
            let found = tokenizer.decode(&ids, false);
            if found != text {
                println!("{name} {ids:?}: {found:?} and not {text:?}");
                counts[1] += 1;
            }
        }
    }
    counts
}

#[test]
fn a_ranked_file_encodes_as_mistral_common_and_tiktoken_do() {
    let rows = include_str!("../../../tests/reference/text/ranked_texts.json");
    let [count, different] = are_encoded_alike(rows);
    assert!(count >= 100 && different == 0, "{different} of {count}");
}

#[test]
#[ignore = "needs TUNING_FORK_RANKED_TEXTS, written by make_ranked_texts.py"]
fn every_ranked_file_encodes_as_mistral_common_and_tiktoken_do() {
    let path = std::env::var_os("TUNING_FORK_RANKED_TEXTS").expect("names a file");
    let [count, different] = are_encoded_alike(&std::fs::read_to_string(path).unwrap());
    println!("{different} of {count}");
    assert_eq!(different, 0);
}

#[test]
fn a_frame_with_a_token_that_is_not_described_is_an_error_and_not_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let single = json!([{ "SpecialToken": { "id": "<bos>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }]);
    let template =
        json!({ "type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": {} });
    let file = json!({
        "added_tokens": [],
        "post_processor": { "type": "Sequence", "processors": [template] },
        "model": { "type": "BPE", "vocab": { "a": 0 }, "merges": [] },
    });
    files::write_atomic(&folder.path().join("tokenizer.json"), file.to_string().as_bytes())
        .unwrap();
    let err = Tokenizer::from_folder(folder.path()).unwrap_err();
    let cause = std::error::Error::source(&err).unwrap().to_string();
    assert!(cause.contains("puts <bos> around a text"), "{cause}");
}

fn from_hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.map(byte).collect()
}

#[test]
fn a_folder_without_a_readable_tokenizer_says_what_is_missing() {
    let problem = |names: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in names {
            files::write_atomic(&folder.path().join(name), text.as_bytes()).unwrap();
        }
        let err = Tokenizer::from_folder(folder.path()).unwrap_err();
        let cause = std::error::Error::source(&err).unwrap().to_string();
        (err.to_string(), cause)
    };
    let (what, why) = problem(&[]);
    assert!(what.contains("tokenizer.json could not be read as a tokenizer"), "{what}");
    assert!(why.starts_with("there is none, and no tokenizer.model in its place. Fetch"), "{why}");

    let llama = ("config.json", r#"{"model_type":"llama"}"#);
    let (_, why) = problem(&[llama, ("vocab.json", "{}"), ("merges.txt", "")]);
    assert!(why.contains("vocab.json and merges.txt alone cannot be read"), "{why}");

    let japanese = r#"{"tokenizer_class":"BertJapaneseTokenizer","word_tokenizer_type":"mecab"}"#;
    let (_, why) = problem(&[("tokenizer_config.json", japanese), ("vocab.txt", "a\n")]);
    assert!(why.contains("names BertJapaneseTokenizer, which transformers has in Python"), "{why}");

    let gpt2 = ("config.json", r#"{"model_type":"gpt2"}"#);
    let (_, why) = problem(&[gpt2, ("vocab.json", "{}")]);
    assert!(why.contains("no vocab.json with merges.txt"), "{why}");
    let merges =
        [gpt2, ("vocab.json", r#"{"a":0,"b":1}"#), ("merges.txt", "#version: 0.2\na b c\n")];
    let (what, why) = problem(&merges);
    assert!(what.contains("merges.txt"), "{what}");
    assert_eq!(why, "line 2 is \"a b c\": two tokens were expected");

    let (what, why) = problem(&[("tokenizer.model", "IQ== 0\nIg== one\n")]);
    assert!(what.contains("tokenizer.model"), "{what}");
    assert!(why.contains("line 2"), "{why}");
    let (_, why) = problem(&[("qwen.tiktoken", "IQ== 0\n")]);
    assert!(why.contains("code of the model's own"), "{why}");
    let (what, _) = problem(&[("tokenizer_config.json", "{")]);
    assert!(what.contains("tokenizer_config.json"), "{what}");
}

/// transformers 5.23: BERT's class has an id for each of the two even where a file says that there is none.
#[test]
fn a_bert_tokenizer_without_a_name_for_its_end_has_the_end() {
    for none in ["sep_token", "cls_token"] {
        let folder = tempfile::tempdir().unwrap();
        let settings = json!({ "tokenizer_class": "BertTokenizer", none: null }).to_string();
        let vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n";
        for (name, text) in [("vocab.txt", vocab), ("tokenizer_config.json", &settings)] {
            files::write_atomic(&folder.path().join(name), text.as_bytes()).unwrap();
        }
        let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
        assert_eq!(tokenizer.encode("a b", true).unwrap(), [2, 5, 6, 3], "without {none}");
        let (pair, kinds, _) = tokenizer.encode_pair("a", Some("b"), None).unwrap();
        assert_eq!((pair, kinds), (vec![2, 5, 3, 6, 3], vec![0, 0, 0, 1, 1]), "without {none}");
    }
}

/// Every folder that `make_tokenizer_folders.py` wrote, with all its texts. Prints what differs.
#[test]
#[ignore = "needs TUNING_FORK_TOKENIZER_FOLDERS, written by make_tokenizer_folders.py"]
fn every_folder_is_read_as_autotokenizer() {
    let folders = std::env::var_os("TUNING_FORK_TOKENIZER_FOLDERS").expect("names a folder");
    let folders = Path::new(&folders);
    let lines = std::fs::read_to_string(folders.join("expected.jsonl")).unwrap();
    let (mut same, mut refused, mut wrong, mut lenient) = (0, 0, 0, 0);
    for line in lines.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let name = row["folder"].as_str().unwrap();
        let read = Tokenizer::from_folder(&folders.join(name));
        if row.get("error").is_some() {
            refused += 1;
            lenient += usize::from(read.is_ok());
            continue;
        }
        let problems = match read {
            Ok(tokenizer) => differences(&tokenizer, &row),
            Err(err) => vec![format!("{err:?}")],
        };
        if problems.is_empty() {
            same += 1;
            continue;
        }
        wrong += 1;
        println!("{name} {} {}: {} differ", row["class"], row["done"], problems.len());
        for problem in problems.iter().take(3) {
            println!("    {problem}");
        }
    }
    println!(
        "{same} the same, {wrong} not; of {refused} refused by transformers {lenient} are read"
    );
    assert_eq!(wrong, 0);
}

fn differences(tokenizer: &Tokenizer, row: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut compare = |what: &str, found: Value, expected: &Value| {
        if found != *expected {
            problems.push(format!("{what}: {found} and not {expected}"));
        }
    };
    compare("bos", json!(tokenizer.bos()), &row["bos"]);
    compare("eos", json!(tokenizer.eos()), &row["eos"]);
    let sorted: std::collections::BTreeMap<String, String> =
        serde_json::from_value(row["names"].clone()).unwrap();
    compare("names", json!(tokenizer.named_tokens()), &json!(sorted));
    for case in row["texts"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let ids = tokenizer.encode(text, true).unwrap();
        let plain = tokenizer.encode(text, false).unwrap();
        compare(&format!("{text:?} with special tokens"), json!(ids), &case["ids"]);
        compare(&format!("{text:?}"), json!(plain), &case["plain"]);
        let plain: Vec<u32> = serde_json::from_value(case["plain"].clone()).unwrap();
        let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        compare(&format!("{plain:?}"), json!(tokenizer.decode(&plain, false)), &case["decoded"]);
        compare(&format!("{ids:?}"), json!(tokenizer.decode(&ids, true)), &case["skipped"]);
    }
    for case in row["decodes"].as_array().unwrap() {
        let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        compare(&format!("{ids:?}"), json!(tokenizer.decode(&ids, false)), &case["text"]);
        compare(&format!("{ids:?}"), json!(tokenizer.decode(&ids, true)), &case["skipped"]);
    }
    problems
}

/// Every GGUF file that `make_gguf_vocabularies.py` wrote, against llama.cpp's ids.
#[test]
#[ignore = "needs TUNING_FORK_GGUF_VOCABULARIES, written by make_gguf_vocabularies.py"]
fn every_gguf_vocabulary_is_llama_cpps() {
    let files = std::env::var_os("TUNING_FORK_GGUF_VOCABULARIES").expect("names a folder");
    let files = Path::new(&files);
    let lines = std::fs::read_to_string(files.join("expected.jsonl")).unwrap();
    let (mut same, mut wrong) = (0, 0);
    for line in lines.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let file = GgufFile::open(&files.join(row["file"].as_str().unwrap())).unwrap();
        let tokenizer = Tokenizer::from_gguf(&file).unwrap();
        let mut problems = Vec::new();
        for case in row["texts"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            for (special, key) in [(true, "ids"), (false, "plain")] {
                let ids = json!(tokenizer.encode(text, special).unwrap());
                if ids != case[key] {
                    problems.push(format!("{text:?} {special}: {ids} and not {}", case[key]));
                }
            }
        }
        if problems.is_empty() {
            same += 1;
            continue;
        }
        wrong += 1;
        println!("{} {}: {} differ", row["file"], row["about"], problems.len());
        for problem in problems.iter().take(3) {
            println!("    {problem}");
        }
    }
    println!("{same} the same, {wrong} not");
    assert_eq!(wrong, 0);
}

// transformers' `_patch_mistral_regex`: for more than 100,000 tokens only.
#[test]
fn mistrals_rule_is_put_right_where_a_folder_asks_for_it() {
    let mut vocab: serde_json::Map<String, Value> =
        (0..100_100).map(|id| (format!("t{id}"), json!(id))).collect();
    for (place, token) in ["a", "B", "c", "Bc"].into_iter().enumerate() {
        vocab.insert(token.to_owned(), json!(100_100 + place));
    }
    let tokenizer = json!({
        "added_tokens": [],
        "pre_tokenizer": { "type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": false },
        "model": { "type": "BPE", "vocab": vocab, "merges": [["B", "c"]], "ignore_merges": false },
    });
    let ids = |settings: Value, config: Value| {
        let folder = tempfile::tempdir().unwrap();
        let all = [
            ("tokenizer.json", &tokenizer),
            ("tokenizer_config.json", &settings),
            ("config.json", &config),
        ];
        for (name, json) in all {
            files::write_atomic(&folder.path().join(name), json.to_string().as_bytes()).unwrap();
        }
        Tokenizer::from_folder(folder.path()).unwrap().encode("aBc\u{2581}", false).unwrap()
    };
    let old = json!({"model_type": "mistral", "transformers_version": "4.57.1"});
    let new = json!({"model_type": "mistral", "transformers_version": "5.2.0"});
    let mended = json!({"fix_mistral_regex": true});
    assert_eq!(ids(json!({}), old.clone()), [100_100, 100_103]);
    assert_eq!(ids(mended.clone(), old).len(), 2, "ByteLevel in the place of Metaspace");
    assert_eq!(ids(mended, new), [100_100, 100_103]);
}
