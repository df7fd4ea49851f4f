//! The tokenizer against transformers, and its two sources against each other.

use super::*;
use crate::llm::text::decode::StreamDecoder;

const TINY: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/models/llama/tokenizer.json");

const STRINGS: &[&str] = &[
    "",
    " ",
    "  \n\n\t ",
    "Once upon a time, the small village",
    "naïve café — 你好，世界 🙂👩‍🔬",
    "don't we'll I'VE 2026-11-21 1,234,567.89",
    "def f(a, b):\n    return a+b\r\n",
    "<|im_start|>user\nHi<|im_end|>\n<|endoftext|>",
    "<|im_start|<|im_end|>|>",
    "A\u{301}\u{a0}ﬁ½ＡＢＣ العربية हिन्दी русский",
    "\0\u{7f}\u{ad}",
];

/// The GGUF metadata that a `tokenizer.json` of the byte-level kind amounts to.
fn as_gguf(path: &str, pre: &str) -> GgufVocab {
    let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let vocab = json["model"]["vocab"].as_object().unwrap();
    let mut tokens = vec![String::new(); vocab.len()];
    for (token, id) in vocab {
        tokens[id.as_u64().unwrap() as usize].clone_from(token);
    }
    let mut token_types = vec![1; tokens.len()];
    for added in json["added_tokens"].as_array().unwrap() {
        let special = added["special"].as_bool().unwrap();
        token_types[added["id"].as_u64().unwrap() as usize] = if special { 3 } else { 4 };
    }
    let merges = json["model"]["merges"].as_array().unwrap().iter();
    let merges =
        merges.map(|pair| format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    GgufVocab {
        model: "gpt2".into(),
        pre: Some(pre.into()),
        tokens,
        token_types: Some(token_types),
        merges: Some(merges.collect()),
        bos: Some(1),
        eos: Some(2),
        ..GgufVocab::default()
    }
}

/// A SentencePiece vocabulary in the manner of Llama 2: three special tokens, all bytes, pieces.
fn sentence_piece(pieces: &[(&str, f32)]) -> GgufVocab {
    let mut vocab = GgufVocab {
        model: "llama".into(),
        bos: Some(1),
        eos: Some(2),
        unknown: Some(0),
        ..GgufVocab::default()
    };
    let bytes = (0..=255).map(|byte| (format!("<0x{byte:02X}>"), 0.0, 6));
    let specials = [("<unk>", 2), ("<s>", 3), ("</s>", 3)];
    let specials = specials.map(|(token, kind)| (token.to_owned(), 0.0, kind));
    let pieces = pieces.iter().map(|(piece, score)| ((*piece).to_owned(), *score, 1));
    let (mut scores, mut types) = (Vec::new(), Vec::new());
    for (token, score, kind) in specials.into_iter().chain(bytes).chain(pieces) {
        vocab.tokens.push(token);
        scores.push(score);
        types.push(kind);
    }
    vocab.scores = Some(scores);
    vocab.token_types = Some(types);
    vocab
}

fn llama2_like() -> Tokenizer {
    let vocab = sentence_piece(&[
        ("▁t", -1.0),
        ("▁the", -3.0),
        ("he", -2.0),
        ("▁", -10.0),
        ("t", -11.0),
        ("h", -12.0),
        ("e", -13.0),
        ("é", -14.0),
    ]);
    Tokenizer::from_gguf_vocab(&vocab).unwrap()
}

/// transformers' tokenizer of the same tokens and merges: spaces become `▁` and are merged like letters,
/// also across words; what is no token becomes its bytes.
#[test]
fn gemma_4_merges_what_its_list_says() {
    let mut vocab =
        sentence_piece(&["▁", "a", "b", "ab", "▁a", "▁ab", "b▁"].map(|token| (token, 0.0)));
    vocab.model = "gemma4".to_owned();
    vocab.scores = None;
    vocab.merges = Some(["a b", "▁ ab", "b ▁", "▁ a"].map(str::to_owned).to_vec());
    let tokenizer = Tokenizer::from_gguf_vocab(&vocab).unwrap();
    let pieces = |text: &str| -> Vec<String> {
        let ids = tokenizer.encode(text, false).unwrap();
        ids.iter().map(|id| vocab.tokens[*id as usize].clone()).collect()
    };
    assert_eq!(pieces("ab ab"), ["ab", "▁ab"]);
    assert_eq!(pieces("b a\n"), ["b▁", "a", "<0x0A>"]);
    let ids = tokenizer.encode("ab é", false).unwrap();
    assert_eq!(tokenizer.decode(&ids, true), "ab é");
}

fn streamed(tokenizer: &Tokenizer, ids: &[u32], skip_special: bool) -> Vec<String> {
    let mut stream = StreamDecoder::new(tokenizer, skip_special);
    let mut pieces: Vec<String> = ids.iter().map(|id| stream.push(*id)).collect();
    pieces.push(stream.finish());
    pieces
}

#[test]
fn a_gguf_vocabulary_and_a_tokenizer_json_give_the_same_ids() {
    let from_json = Tokenizer::from_file(Path::new(TINY)).unwrap();
    let from_gguf = Tokenizer::from_gguf_vocab(&as_gguf(TINY, "gpt-2")).unwrap();
    for text in STRINGS {
        let ids = from_json.encode(text, false).unwrap();
        assert_eq!(ids, from_gguf.encode(text, false).unwrap(), "{text:?}");
        assert_eq!(from_json.decode(&ids, false), from_gguf.decode(&ids, false));
    }
    assert_eq!(from_gguf.vocab_size(), 384);
    assert_eq!((from_json.bos(), from_json.eos()), (Some(1), Some(2)));
    assert_eq!((from_gguf.bos(), from_gguf.eos()), (Some(1), Some(2)));
}

#[test]
fn decoding_is_what_the_tokenizers_crate_decodes() {
    let tokenizer = Tokenizer::from_file(Path::new(TINY)).unwrap();
    for id in 0..384 {
        assert_eq!(tokenizer.decode(&[id], false), tokenizer.inner.decode(&[id], false).unwrap());
    }
    // Ids in an order that no text has: broken characters everywhere.
    let ids: Vec<u32> = (0..2000_u32).map(|index| index * 7919 % 384).collect();
    for skip in [false, true] {
        assert_eq!(tokenizer.decode(&ids, skip), tokenizer.inner.decode(&ids, skip).unwrap());
    }
}

#[test]
fn streaming_shows_no_half_character_and_loses_nothing() {
    let tokenizer = Tokenizer::from_file(Path::new(TINY)).unwrap();
    for text in STRINGS {
        let ids = tokenizer.encode(text, false).unwrap();
        let pieces = streamed(&tokenizer, &ids, false);
        assert_eq!(pieces.concat(), *text);
        assert!(pieces.iter().all(|piece| !piece.contains('\u{fffd}')), "{pieces:?}");
    }
    let ids: Vec<u32> = (0..2000_u32).map(|index| index * 7919 % 384).collect();
    assert_eq!(streamed(&tokenizer, &ids, true).concat(), tokenizer.decode(&ids, true));
}

#[test]
fn a_character_in_three_tokens_appears_with_the_third() {
    let tokenizer = llama2_like();
    let byte = |byte: u8| 3 + u32::from(byte);
    let ids = [byte(0xE4), byte(0xBD), byte(0xA0), byte(b'!')];
    assert_eq!(streamed(&tokenizer, &ids, false), ["", "", "你", "!", ""]);
    // tokenizers' ByteFallback: U+FFFD for each byte that became no character.
    assert_eq!(streamed(&tokenizer, &ids[..2], false), ["", "", "\u{fffd}\u{fffd}"]);
}

#[test]
fn sentence_piece_merges_by_score_and_falls_back_to_bytes() {
    let tokenizer = llama2_like();
    let ids = |text: &str| -> Vec<String> {
        let ids = tokenizer.encode(text, false).unwrap();
        ids.iter().map(|id| tokenizer.token(*id).unwrap()).collect()
    };
    // ▁ t h e: "▁t" (-1) is merged before "he" (-2), and both become "▁the" (-3).
    assert_eq!(ids("the"), ["▁the"]);
    assert_eq!(ids("thé"), ["▁t", "h", "é"]);
    assert_eq!(ids("ü"), ["▁", "<0xC3>", "<0xBC>"]);
    assert_eq!(tokenizer.encode("the", true).unwrap()[0], 1);
    for text in ["the the", " the", "ü é", ""] {
        let ids = tokenizer.encode(text, false).unwrap();
        assert_eq!(tokenizer.decode(&ids, false), text);
        assert_eq!(streamed(&tokenizer, &ids, false).concat(), text);
    }
}

#[test]
fn a_continuation_keeps_its_leading_space() {
    let tokenizer = llama2_like();
    let the = tokenizer.id_of("▁the").unwrap();
    assert_eq!(StreamDecoder::new(&tokenizer, true).push(the), "the");
    assert_eq!(StreamDecoder::continuing(&tokenizer, &[the], true).push(the), " the");
    assert_eq!(tokenizer.token_text(the), " the");
}

#[test]
fn a_token_is_shown_as_text_and_half_a_character_as_bytes() {
    let tokenizer = Tokenizer::from_file(Path::new(TINY)).unwrap();
    let text = |token: &str| tokenizer.token_text(tokenizer.id_of(token).unwrap());
    assert_eq!(text("<|im_end|>"), "<|im_end|>");
    assert_eq!(text("Ã©"), "é");
    assert_eq!(text("ĠA"), " A");
    assert_eq!(text("ä½ł"), "你");
    assert_eq!(text("½ł"), "<0xBD><0xA0>");
    assert_eq!(tokenizer.token_text(99_999), "<id 99999>");
}

#[test]
fn a_pre_tokenizer_that_is_not_known_is_an_error_that_names_it() {
    let err = Tokenizer::from_gguf_vocab(&as_gguf(TINY, "kimi-k2")).unwrap_err();
    assert!(err.to_string().contains("\"kimi-k2\""), "{err}");
}

#[test]
fn every_known_pre_tokenizer_builds_and_loses_no_text() {
    for pre in ["default", "smollm", "refact", "llama-bpe", "qwen2", "dbrx", "tekken"] {
        let tokenizer = Tokenizer::from_gguf_vocab(&as_gguf(TINY, pre)).unwrap();
        for text in STRINGS.iter().filter(|text| !text.contains('\u{301}')) {
            let ids = tokenizer.encode(text, false).unwrap();
            assert_eq!(tokenizer.decode(&ids, false), *text, "{pre}");
        }
    }
}

#[test]
fn a_damaged_vocabulary_is_an_error_and_not_a_panic() {
    let good = as_gguf(TINY, "gpt-2");
    let spoil = |change: fn(&mut GgufVocab)| {
        let mut vocab = good.clone();
        change(&mut vocab);
        Tokenizer::from_gguf_vocab(&vocab).unwrap_err().to_string()
    };
    spoil(|vocab| vocab.merges = None);
    spoil(|vocab| vocab.merges = Some(vec!["Ġ".into()]));
    spoil(|vocab| vocab.merges = Some(vec!["no such".into()]));
    spoil(|vocab| vocab.token_types = Some(vec![1]));
    spoil(|vocab| vocab.tokens.clear());
    spoil(|vocab| vocab.model = "t5".into());
    spoil(|vocab| vocab.model = "llama".into());
}

// llama.cpp: "bad special token: … using default id".
#[test]
fn a_special_id_beyond_the_vocabulary_is_left_out_and_said() {
    let mut vocab = as_gguf(TINY, "gpt-2");
    assert_eq!(vocab.warnings(), [""; 0]);
    (vocab.bos, vocab.add_bos) = (Some(99_999), Some(true));
    let tokenizer = Tokenizer::from_gguf_vocab(&vocab).unwrap();
    assert_eq!(tokenizer.bos(), None);
    assert_eq!(tokenizer.encode("a", true).unwrap(), tokenizer.encode("a", false).unwrap());
    let [warning] = vocab.warnings().try_into().unwrap();
    assert!(warning.contains("bos_token_id is 99999") && warning.contains("384"), "{warning}");

    let mut vocab = sentence_piece(&[("a", -1.0)]);
    vocab.eos = Some(99_999);
    assert_eq!(Tokenizer::from_gguf_vocab(&vocab).unwrap().eos(), Some(2), "SentencePiece's usual");
}

#[test]
fn a_file_that_does_not_say_how_text_is_split_is_said() {
    let mut vocab = as_gguf(TINY, "default");
    assert_eq!(vocab.warnings(), [""; 0]);
    vocab.pre = None;
    let [warning] = vocab.warnings().try_into().unwrap();
    assert!(warning.contains("tokenizer.ggml.pre"), "{warning}");
    Tokenizer::from_gguf_vocab(&vocab).unwrap();
}

// The ids of the model's own tokenizer.json, whose markers have `rstrip`.
#[test]
fn phi3s_markers_take_the_line_break_after_them() {
    let mut vocab = sentence_piece(&[("▁", -1.0), ("H", -2.0), ("i", -3.0)]);
    for marker in ["<|user|>", "<|end|>", "<|assistant|>", "<|endoftext|>"] {
        vocab.tokens.push(marker.to_owned());
        vocab.scores.as_mut().unwrap().push(0.0);
        vocab.token_types.as_mut().unwrap().push(3);
    }
    let ids = |vocab: &GgufVocab| {
        let tokenizer = Tokenizer::from_gguf_vocab(vocab).unwrap();
        let ids = tokenizer.encode("<|user|>\nHi<|end|>\n<|endoftext|>\n", false).unwrap();
        ids.iter().map(|id| tokenizer.token_text(*id)).collect::<Vec<_>>().concat()
    };
    assert_eq!(ids(&vocab), "<|user|> \nHi<|end|> \n<|endoftext|> \n");
    vocab.markers_strip = true;
    assert_eq!(ids(&vocab), "<|user|> Hi<|end|><|endoftext|> \n");

    // llama.cpp takes what C's `isspace` takes, byte by byte, and no ideographic space.
    let tokenizer = Tokenizer::from_gguf_vocab(&vocab).unwrap();
    let text = "<|user|>\n \u{3000}Hi<|end|>\n";
    let placed = tokenizer.encode_with_places(text, false).unwrap();
    let tokens = placed.iter().map(|(id, _)| tokenizer.token(*id).unwrap());
    let expected = ["<|user|>", "▁", "<0xE3>", "<0x80>", "<0x80>", "H", "i", "<|end|>"];
    assert_eq!(tokens.collect::<Vec<_>>(), expected);
    assert_eq!(placed[5].1, Some(11..12));
    let ids: Vec<u32> = placed.iter().map(|(id, _)| *id).collect();
    assert_eq!(tokenizer.encode(text, false).unwrap(), ids);
}

// T03 of the inputs from the wild: tokenizers 0.23.3, decoder Replace, ByteFallback, Fuse, Strip.
#[test]
fn a_wrong_byte_spoils_the_bytes_beside_it() {
    let tokenizer = llama2_like();
    let byte = |byte: u8| 3 + u32::from(byte);
    let e = tokenizer.id_of("e").unwrap();
    let ids = [byte(b'A'), byte(0xC3), e, byte(0xE4), byte(0xBD)];
    assert_eq!(tokenizer.decode(&ids, false), "\u{fffd}\u{fffd}e\u{fffd}\u{fffd}");
    let inner = tokenizer.inner.decode(&ids, false).unwrap();
    assert_eq!(tokenizer.decode(&ids, false), inner);
    // All sequences of a few tokens, as the crate decodes them.
    let some = [byte(b' '), byte(0xC3), byte(0xA9), e, 1, tokenizer.id_of("▁the").unwrap()];
    for number in 0..6_usize.pow(5) {
        let ids: Vec<u32> = (0..5).map(|place| some[number / 6_usize.pow(place) % 6]).collect();
        for skip in [false, true] {
            let expected = tokenizer.inner.decode(&ids, skip).unwrap();
            assert_eq!(tokenizer.decode(&ids, skip), expected, "{ids:?}");
        }
    }
}

#[test]
fn a_continuation_is_what_comes_after_the_text_before_it() {
    let tokenizer = llama2_like();
    let the = tokenizer.id_of("▁the").unwrap();
    assert_eq!(tokenizer.decode_after(&[the], &[the], true), " the");
    // Nothing visible comes before: the space is the one that every text begins with.
    assert_eq!(tokenizer.decode_after(&[1], &[the], true), "the");
    assert_eq!(StreamDecoder::continuing(&tokenizer, &[1], true).push(the), "the");
}

/// The ids of `tests/reference/text/tokenizer_*.json`, which transformers computed.
fn reproduces(tokenizer: &Tokenizer, reference: &str) {
    let cases: Vec<Value> = serde_json::from_str(reference).unwrap();
    assert_eq!(cases.len(), 30);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        assert_eq!(tokenizer.encode(text, false).unwrap(), ids, "{text:?}");
        assert_eq!(tokenizer.decode(&ids, false), text);
        assert_eq!(streamed(tokenizer, &ids, false).concat(), text);
    }
}

/// The real vocabularies are in large files that do not belong in the repository.
fn gguf_named_by(variable: &str) -> Option<Tokenizer> {
    let Some(path) = std::env::var_os(variable) else {
        println!("skipped: {variable} does not name a GGUF file");
        return None;
    };
    let file = GgufFile::open(Path::new(&path)).unwrap();
    Some(Tokenizer::from_gguf(&file).unwrap())
}

#[test]
fn smollm2_from_its_gguf_file_gives_transformers_ids() {
    let Some(tokenizer) = gguf_named_by("TUNING_FORK_STARTER") else { return };
    reproduces(&tokenizer, include_str!("../../../tests/reference/text/tokenizer_smollm2.json"));
    assert_eq!(tokenizer.vocab_size(), 49_152);
    assert_eq!(tokenizer.encode("Hi", true).unwrap(), tokenizer.encode("Hi", false).unwrap());
}

#[test]
fn gemma3_from_its_gguf_file_gives_transformers_ids() {
    let Some(tokenizer) = gguf_named_by("TUNING_FORK_GEMMA3") else { return };
    reproduces(&tokenizer, include_str!("../../../tests/reference/text/tokenizer_gemma3.json"));
    assert_eq!(tokenizer.encode("Hi", true).unwrap()[0], 2);
}

/// The crate panics on these, and Python with it.
#[test]
fn parts_that_contradict_each_other_end_in_words() {
    let written = |changes: Value| {
        let mut json = serde_json::json!({
            "added_tokens": [],
            "model": { "type": "WordLevel", "vocab": { "a": 0, " ": 1, "?": 2 }, "unk_token": "?" },
        });
        for (key, value) in changes.as_object().unwrap() {
            json[key] = value.clone();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        crate::files::write_atomic(&path, json.to_string().as_bytes()).unwrap();
        Tokenizer::from_folder(folder.path()).unwrap()
    };
    let stripped = serde_json::json!({ "type": "Strip", "content": " ", "start": 0, "stop": 3 });
    let tokenizer = written(serde_json::json!({ "decoder": stripped }));
    assert_eq!(tokenizer.decode(&[0, 1], false), "a  ", "its tokens, one after the other");
    let tokenizer =
        written(serde_json::json!({ "decoder": { "type": "BPEDecoder", "suffix": "" } }));
    assert_eq!(tokenizer.decode(&[], false), "");
    let no_length = serde_json::json!({ "type": "FixedLength", "length": 0 });
    let tokenizer = written(serde_json::json!({ "pre_tokenizer": no_length }));
    // Whatever it makes of them, the program goes on.
    if let Err(err) = tokenizer.encode("aa", false) {
        let source = std::error::Error::source(&err).map(ToString::to_string);
        assert!(source.is_some_and(|source| source.contains("contradict")));
    }
}
