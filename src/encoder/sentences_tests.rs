//! Vectors of texts against those of sentence-transformers.

use super::*;
use crate::encoder::Classifier;
use crate::jobs::Quiet;

#[derive(serde::Deserialize)]
struct Expected {
    text: String,
    #[serde(default)]
    prompt: Option<String>,
    tokens: usize,
    vector: Vec<f32>,
}

/// The vectors of the texts in the folder's `vectors.json`, held against those there.
fn as_expected(encoder: &Encoder, folder: &Path, tolerance: f32) -> Vec<Embedding> {
    let expected = std::fs::read(folder.join("vectors.json")).unwrap();
    let expected: Vec<Expected> = serde_json::from_slice(&expected).unwrap();
    let texts: Vec<String> = expected.iter().map(|row| row.text.clone()).collect();
    let found = encoder.embed(&texts, &Quiet).unwrap();
    for (row, found) in expected.iter().zip(&found) {
        let Expected { text, tokens, vector, .. } = row;
        let folder = folder.display();
        assert_eq!(found.token_count, *tokens, "{folder}: {text:?}");
        assert_eq!(found.values.len(), vector.len(), "{folder}: {text:?}");
        for (ours, theirs) in found.values.iter().zip(vector) {
            assert!((ours - theirs).abs() <= tolerance, "{folder}: {text:?}: {ours} {theirs}");
        }
    }
    found
}

/// From `tests/reference/make_encoders.py`: transformers' vectors of the same folders.
#[test]
fn vectors_are_those_of_transformers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoder");
    for (name, card) in [
        ("mean", (Some(12), Pooling::Mean, true)),
        ("cls", (Some(20), Pooling::Cls, false)),
        ("plain", (Some(24), Pooling::Mean, false)),
        // nomic-bert as transformers saves it, under its makers' settings, and with its class's names.
        ("nomic", (Some(24), Pooling::Mean, true)),
        ("nomic_published", (Some(24), Pooling::Mean, true)),
        ("nomic_class", (Some(24), Pooling::Mean, true)),
    ] {
        let folder = root.join(name);
        let encoder = Encoder::load(&folder).unwrap();
        let EncoderCard { width, most_tokens, pooling, is_normalized } = encoder.card();
        let card = (card.0, Poolings::one(card.1), card.2);
        assert_eq!((width, (most_tokens, pooling, is_normalized)), (16, card));
        let found = as_expected(&encoder, &folder, 1e-5);
        assert!(found.last().unwrap().is_cut && !found[0].is_cut);
    }
}

/// From `tests/reference/make_modules.py`: what torch computes of several poolings, Dense, `LayerNorm` and
/// Normalize, of a network in a folder of its own, and of a decoder that sees in both directions.
#[test]
fn what_follows_the_network_is_done_as_the_folder_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoder");
    for (name, width, most) in [("modules", 10, 12), ("both_ways", 16, 30)] {
        let folder = root.join(name);
        let encoder = Encoder::load(&folder).unwrap();
        let card = encoder.card();
        assert_eq!((card.width, card.most_tokens), (width, Some(most)), "{name}");
        assert!(card.is_normalized, "{name}");
        as_expected(&encoder, &folder, 2e-5);
    }
}

/// Of a folder of `make_bodies.py`: its texts after each of its prompts, or its pairs.
fn as_sentence_transformers(folder: &Path) {
    #[derive(serde::Deserialize)]
    struct Judged {
        pair: (String, String),
        score: f32,
        probability: f32,
    }

    let name = folder.display();
    if let Ok(rows) = std::fs::read(folder.join("scores.json")) {
        let rows: Vec<Judged> = serde_json::from_slice(&rows).unwrap();
        let model = Classifier::load(folder, &Quiet).unwrap();
        let pairs: Vec<_> =
            rows.iter().map(|row| (row.pair.0.clone(), Some(row.pair.1.clone()))).collect();
        let found = model.classify(&pairs, &Quiet).unwrap();
        for (row, found) in rows.iter().zip(found) {
            let scores = (found.scores[0], found.probabilities[0]);
            let off = (scores.0 - row.score).abs().max((scores.1 - row.probability).abs());
            assert!(off <= 2e-5, "{name}: {:?}: {scores:?} {}", row.pair, row.score);
        }
        return;
    }
    let rows = std::fs::read(folder.join("vectors.json")).unwrap();
    let rows: Vec<Expected> = serde_json::from_slice(&rows).unwrap();
    let encoder = Encoder::load(folder).unwrap();
    for Expected { text, prompt, tokens, vector } in rows {
        let prompt = prompt.as_deref().or_else(|| encoder.default_prompt()).unwrap_or_default();
        let texts = std::slice::from_ref(&text);
        let found = encoder.embed_after(prompt, texts, &Quiet).unwrap().remove(0);
        assert_eq!(found.token_count, tokens, "{name}: {prompt:?} {text:?}");
        let off = found.values.iter().zip(&vector).map(|(a, b)| (a - b).abs());
        let off = off.fold(0.0, f32::max);
        assert!(off <= 1e-5, "{name}: {prompt:?} {text:?}: {off}");
    }
}

/// From `tests/reference/make_bodies.py` and `make_word_tables.py`.
#[test]
fn vectors_and_scores_are_those_of_sentence_transformers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoder");
    for name in [
        "body_qwen3",
        "body_mistral",
        "body_is_causal",
        "body_message",
        "cut_left",
        "word_table",
        "reranker_qwen3",
        "reranker_one",
    ] {
        as_sentence_transformers(&root.join(name));
    }
}

/// `BODIES`: a folder of `make_bodies.py OUT COUNT SEED`.
#[test]
#[ignore = "needs folders that are made for it"]
fn random_bodies_are_those_of_sentence_transformers() {
    let root = std::env::var_os("BODIES").expect("BODIES names a folder");
    let (mut count, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(root).unwrap().flatten() {
        let folder = entry.path();
        let ran = std::panic::catch_unwind(|| as_sentence_transformers(&folder));
        count += 1;
        wrong.extend(ran.is_err().then_some(folder));
    }
    assert!(count > 0 && wrong.is_empty(), "{} of {count}: {wrong:?}", wrong.len());
}

#[test]
fn a_body_without_a_head_is_not_asked_to_write_and_makes_maps() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoder/body_qwen3");
    let source = ModelSource::Folder(folder.clone());
    let model = Model::load(&source, &LoadOptions::default(), &Quiet).unwrap();
    let said = model.check_writes().expect_err("it is refused").to_string();
    assert!(said.contains("no lm_head.weight") && said.contains("tuning-fork embed"), "{said}");
    let facts = crate::encoder::inspect(&source).unwrap();
    assert_eq!((facts.purpose, facts.unsupported), (llm::card::Purpose::Encode, None));
    assert!(facts.makes_vectors && facts.warnings.is_empty(), "{:?}", facts.warnings);
    let said = Classifier::load(&folder, &Quiet).err().expect("it is refused").to_string();
    assert!(said.contains("score.weight") && said.contains("tuning-fork embed"), "{said}");
    let judge = folder.with_file_name("reranker_qwen3");
    let facts = crate::encoder::inspect(&ModelSource::Folder(judge)).unwrap();
    assert!(facts.purpose == llm::card::Purpose::Generate && !facts.makes_vectors);
}

#[test]
fn a_module_that_does_not_fit_the_one_before_it_is_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoder");
    let encoder = Encoder::load(&root.join("modules")).unwrap().pooled(Pooling::Cls);
    let said = encoder.embed(&["a".to_owned()], &Quiet).unwrap_err().to_string();
    assert!(said.contains("2_Dense") && said.contains("32 values"), "{said}");
}

#[test]
fn a_decoder_that_sees_in_both_directions_is_not_asked_to_write() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoder/both_ways");
    let source = ModelSource::Folder(folder.clone());
    let model = Model::load(&source, &LoadOptions::default(), &Quiet).unwrap();
    let which = llm::Positions::Last;
    let scores = model.logits(&[2, 5, 3], &mut model.new_cache(), None, which);
    let said = scores.expect_err("it is refused").to_string();
    assert!(said.contains("both directions") && said.contains("embed"), "{said}");
    assert!(model.check_trainable().is_err());
    let facts = crate::encoder::inspect(&source).unwrap();
    assert_eq!(facts.purpose, llm::card::Purpose::Encode);
}

#[test]
fn weights_of_other_sizes_are_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoder/plain");
    let folder = tempfile::tempdir().unwrap();
    for name in ["tokenizer.json", "model.safetensors"] {
        std::fs::copy(root.join(name), folder.path().join(name)).unwrap();
    }
    let config = std::fs::read_to_string(root.join("config.json")).unwrap();
    let wider = config.replace("\"hidden_size\": 16", "\"hidden_size\": 32");
    let path = folder.path().join("config.json");
    crate::files::write_atomic(&path, wider.as_bytes()).unwrap();
    let said = Encoder::load(folder.path()).err().expect("it is refused").to_string();
    assert!(said.contains("not those that its configuration asks for"), "{said}");
}

#[test]
fn a_cosine_says_how_alike_two_vectors_point() {
    assert_eq!(cosine(&[3.0, 4.0], &[6.0, 8.0]), 1.0);
    assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), 0.0);
    assert_eq!(cosine(&[1.0, 0.0], &[-2.0, 0.0]), -1.0);
    assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), 0.0);
}
