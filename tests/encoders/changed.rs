//! Settings and tensors that few models have, in folders that are changed so: the same numbers as transformers
//! (`tests/reference/make_changed.py`), or a refusal with its reason.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde_json::{Value, json};
use tuning_fork_engine::encoder::learn::{Learner, Learns, Top};
use tuning_fork_engine::encoder::{Classifier, EncoderModel, Scores, Tokens};
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::Bias;
use tuning_fork_engine::seq2seq::Seq2Seq;
use tuning_fork_engine::train::config::LoraConfig;

use crate::support::{Reference, assert_close};

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference").join(name)
}

/// A copy of a folder in which a file of JSON has other settings.
fn changed(name: &str, file: &str, settings: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(reference(name)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let path = folder.path().join(file);
    let mut json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (key, value) in settings.as_object().unwrap() {
        json[key] = value.clone();
    }
    files::write_atomic(&path, json.to_string().as_bytes()).unwrap();
    folder
}

fn as_class(name: &str, class: &str) -> tempfile::TempDir {
    changed(name, "config.json", &json!({ "architectures": [class] }))
}

fn scores(folder: &Path, ids: &[u32]) -> Scores {
    let model = EncoderModel::load_without_tokenizer(folder).unwrap();
    model.look(Tokens::plain(ids), &mut |_, _| {}).unwrap()
}

/// The first scores of what an encoder-decoder writes.
fn written(folder: &Path, [ids, answer]: [&[u32]; 2]) -> Vec<f32> {
    let model = Seq2Seq::load_without_tokenizer(folder).unwrap();
    let memory = model.read(Tokens::plain(ids), &mut |_| {}).unwrap();
    let pass = model.follow(&memory, answer, 0..0, &mut |_| {}).unwrap();
    pass.logits[..4].to_vec()
}

const MODERNBERT: &str = "encoders/trained/model_train_modernbert_lora";

#[test]
fn a_head_for_something_else_is_no_classifier_though_its_tensors_are_called_so() {
    let said = |name: &str, class: &str| {
        Classifier::load(as_class(name, class).path(), &Quiet).err().unwrap().to_string()
    };
    for (name, class, does) in [
        ("encoders/cls_bert_nli", "BertForMultipleChoice", "continuations"),
        ("encoders/cls_distilbert", "DistilBertForMultipleChoice", "continuations"),
        (MODERNBERT, "ModernBertForTokenClassification", "each token"),
        (MODERNBERT, "ModernBertForQuestionAnswering", "question"),
        ("encoders/cls_llama", "LlamaForTokenClassification", "each token"),
    ] {
        let said = said(name, class);
        assert!(said.contains(does) && said.contains("not computed here"), "{class}: {said}");
    }
    let folder = as_class(MODERNBERT, "ModernBertForTokenClassification");
    assert_eq!(scores(folder.path(), &[2, 5, 3]), Scores::Nothing);
}

#[test]
fn a_classifier_of_modernbert_guesses_no_words_with_its_dense_layer() {
    let model = EncoderModel::load(&reference(MODERNBERT)).unwrap();
    assert!(!model.can_fill() && model.labels().is_some());
    assert!(EncoderModel::load(&reference("encoders/mlm_modernbert")).unwrap().can_fill());
}

#[test]
fn electra_that_tells_replaced_words_is_not_said_to_lack_a_head_for_masked_ones() {
    let folder = as_class("encoders/trained/model_train_electra_lora", "ElectraForPreTraining");
    let model = EncoderModel::load(folder.path()).unwrap();
    assert_eq!((model.missing_head(), model.can_fill()), (None, false));
    let said = model.check_masked_head().unwrap_err().to_string();
    assert!(said.contains("were replaced"), "{said}");
}

#[test]
fn a_tokenizer_that_names_no_token_types_gives_none() {
    let names = json!({ "model_input_names": ["input_ids", "attention_mask"] });
    let folder = changed("encoders/cls_bert_nli", "tokenizer_config.json", &names);
    let classifier = Classifier::load(folder.path(), &Quiet).unwrap();
    let texts = Reference::open("cls_bert_nli").texts(0);
    let verdict = classifier.classify(&[texts], &Quiet).unwrap().remove(0);
    assert_close(&verdict.scores, &[-0.515_503, 0.308_121, 0.433_865], "without token types");
}

#[test]
fn deberta_whose_distances_meet_nothing_is_computed_without_them() {
    let settings = json!({ "pos_att_type": [] });
    let name = "encoders/trained/model_train_deberta_lora";
    let folder = changed(name, "config.json", &settings);
    let Scores::Labels(found) = scores(folder.path(), &[5, 17, 40, 22, 1]) else { panic!() };
    assert_close(&found, &[-0.232_271, -0.433_522], "no pos_att_type");
}

#[test]
fn nomic_bert_guesses_words_by_the_names_that_transformers_saves() {
    let folder = reference("encoder/nomic_masked");
    let told = std::fs::read(folder.join("scores.json")).unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    let ids: Vec<u32> = serde_json::from_value(told["ids"].clone()).unwrap();
    let expected: Vec<f32> = serde_json::from_value(told["scores"].clone()).unwrap();
    let Scores::Words(found) = scores(&folder, &ids) else { panic!("it has a masked head") };
    assert_close(&found, &expected, "nomic-bert");
}

#[test]
fn t5_takes_the_activation_that_stands_by_itself() {
    let settings = json!({ "dense_act_fn": "gelu_new" });
    let folder = changed("encoders/s2s_t5", "config.json", &settings);
    let found = written(folder.path(), [&[5, 17, 40, 22, 1], &[0, 7]]);
    assert_close(&found, &[0.170_698, -10.214_862, -1.272_858, 0.276_251], "dense_act_fn");
}

#[test]
fn t5_says_which_setting_of_its_distances_cannot_be() {
    let settings = json!({ "relative_attention_max_distance": 16 });
    let folder = changed("encoders/s2s_t5", "config.json", &settings);
    let said = Seq2Seq::load_without_tokenizer(folder.path()).err().unwrap().to_string();
    assert!(said.contains("relative_attention_max_distance = 16"), "{said}");
}

/// Without ties the bias of the matrix is a tensor of its own, and the one that counts.
#[test]
fn the_bias_of_a_masked_head_keeps_the_name_by_which_transformers_finds_it() {
    let folder = changed("encoders/mlm_bert", "config.json", &json!({}));
    let names = |folder: &Path| {
        let learner = Learner::load(folder, Top::Words, &Learns::Everything, 0).unwrap();
        let weights = learner.weights();
        let names = weights.trained().into_iter().map(|id| weights.name(id).to_owned());
        names
            .filter(|name| name.ends_with("decoder.bias") || name.ends_with("predictions.bias"))
            .collect::<Vec<String>>()
    };
    assert_eq!(names(folder.path()), ["cls.predictions.bias"]);
    let folder =
        changed("encoders/mlm_bert", "config.json", &json!({ "tie_word_embeddings": false }));
    let path = folder.path().join("model.safetensors");
    let mut tensors: HashMap<String, Tensor> =
        candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    for (name, other) in [
        ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"),
        ("cls.predictions.bias", "cls.predictions.decoder.bias"),
    ] {
        let own = (&tensors[name] * 0.5).unwrap();
        tensors.insert(other.to_owned(), own);
    }
    candle_core::safetensors::save(&tensors, &path).unwrap();
    assert_eq!(names(folder.path()), ["cls.predictions.decoder.bias"]);
}

#[test]
fn biases_beside_lora_are_refused_and_not_left_out_in_silence() {
    let lora = LoraConfig {
        target_modules: vec!["query".to_owned()],
        bias: Bias::All,
        ..LoraConfig::default()
    };
    let folder = reference("encoders/mlm_bert");
    let learns = Learns::Lora(lora.spec());
    let said = Learner::load(&folder, Top::Words, &learns, 0).err().unwrap().to_string();
    assert!(said.contains("leave bias"), "{said}");
}

#[test]
fn halves_with_words_of_their_own_read_by_them() {
    const SHARED: &str = "model.shared.weight";
    let folder = changed("seq2seq/bart", "config.json", &json!({}));
    let path = folder.path().join("model.safetensors");
    let mut tensors: HashMap<String, Tensor> =
        candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    let mut of_encoder = |factor: f64| {
        let own = (&tensors[SHARED] * factor).unwrap();
        tensors.insert("model.encoder.embed_tokens.weight".to_owned(), own);
        candle_core::safetensors::save(&tensors, &path).unwrap();
        written(folder.path(), [&[3, 9, 11, 2], &[2, 7]])
    };
    let expected = [-0.172_263, 1.515_142, 0.118_288, 0.848_743];
    assert_close(&of_encoder(0.5), &expected, "the encoder's own");
    // The same twice is one.
    let twice = of_encoder(1.0);
    assert_eq!(twice, written(&reference("seq2seq/bart"), [&[3, 9, 11, 2], &[2, 7]]));
}
