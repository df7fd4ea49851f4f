//! Adapters of PEFT over encoders, classifiers and encoder-decoders, worked into their weights: the numbers that PEFT
//! computes (`tests/reference/make_encoder_adapters.py`).

use std::path::{Path, PathBuf};

use serde_json::Value;
use tuning_fork_engine::encoder::learn::{Learner, Learns, Top};
use tuning_fork_engine::encoder::{Classifier, EncoderModel, Scores, Tokens};
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::seq2seq::Seq2Seq;

use crate::support::assert_close;

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference").join(name)
}

fn ids(case: &Value, key: &str) -> Vec<u32> {
    case[key].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// What a model with an adapter makes of ids: a row of numbers for each of them, or the scores of labels.
fn computed(name: &str, case: &Value) -> Vec<Vec<f32>> {
    let folder = reference(&format!("encoders/{}", case["model"].as_str().unwrap()));
    let adapter = reference(&format!("encoder_adapters/{name}"));
    let (ids, written) = (ids(case, "ids"), ids(case, "written"));
    if case["model"].as_str().unwrap().starts_with("s2s") {
        let base = Seq2Seq::load_without_tokenizer(&folder).unwrap();
        let (model, card) = base.laid_over(&adapter).unwrap();
        assert!(card.parameter_count > 0);
        let memory = model.read(Tokens::plain(&ids), &mut |_| {}).unwrap();
        let pass = model.follow(&memory, &written, 0..0, &mut |_| {}).unwrap();
        return pass.logits.chunks_exact(model.vocabulary()).map(<[f32]>::to_vec).collect();
    }
    let model = EncoderModel::open(&folder, Some(&adapter)).unwrap();
    let mut last = Vec::new();
    let scores = model.look(Tokens::plain(&ids), &mut |_, layer| last = layer.to_vec()).unwrap();
    match scores {
        _ if case["is_body"] == true => {
            last.chunks_exact(model.width()).map(<[f32]>::to_vec).collect()
        }
        Scores::Labels(scores) => vec![scores],
        Scores::Words(scores) => {
            scores.chunks_exact(model.vocabulary()).map(<[f32]>::to_vec).collect()
        }
        Scores::Nothing => panic!("{name}: no scores"),
    }
}

#[test]
fn adapters_of_every_method_compute_what_peft_computes() {
    let text = std::fs::read(reference("encoder_adapters/expected.json")).unwrap();
    let cases: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(cases.as_object().unwrap().len(), 15);
    for (name, case) in cases.as_object().unwrap() {
        let expected = case["values"].as_array().unwrap();
        let found = computed(name, case);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
            let expected = expected.as_array().unwrap().iter();
            let expected: Vec<f32> = expected.map(|x| x.as_f64().unwrap() as f32).collect();
            assert_close(&found[..expected.len()], &expected, &format!("{name}, row {row}"));
        }
    }
}

/// The scores of labels are the same by text as by ids, and training does not go on from such adapters.
#[test]
fn an_adapter_that_is_worked_in_gives_labels_and_does_not_learn_on() {
    let folder = reference("encoders/cls_bert_nli");
    let adapter = reference("encoder_adapters/dora_bert");
    let classifier = Classifier::load_adapted(&folder, &adapter, &Quiet).unwrap();
    let verdict = classifier.classify(&[("the cat".to_owned(), None)], &Quiet).unwrap();
    let model = EncoderModel::load_with(&folder, Some(&adapter)).unwrap();
    let ids = model.tokenizer().unwrap().encode("the cat", true).unwrap();
    let Scores::Labels(scores) = model.look(Tokens::plain(&ids), &mut |_, _| {}).unwrap() else {
        panic!("no labels")
    };
    assert_close(&verdict[0].scores, &scores, "by text and by ids");
    for (name, what) in
        [("dora_bert", "DoRA"), ("bias_all_roberta", "(bias)"), ("ia3_distilbert", "IA3")]
    {
        let adapter = reference(&format!("encoder_adapters/{name}"));
        let learns = Learns::Adapter(adapter);
        let labels = classifier.labels().clone();
        let said = Learner::load(&folder, Top::Labels(labels), &learns, 0).err().unwrap();
        let said = said.to_string();
        assert!(said.contains(what) && said.contains("does not learn on"), "{said}");
    }
}

#[test]
fn what_would_be_other_numbers_is_refused_by_name() {
    let refused = |name: &str, change: &dyn Fn(&mut Value), model: &str| {
        let folder = tempfile::tempdir().unwrap();
        let from = reference(&format!("encoder_adapters/{name}"));
        let weights = "adapter_model.safetensors";
        std::fs::copy(from.join(weights), folder.path().join(weights)).unwrap();
        let text = std::fs::read(from.join("adapter_config.json")).unwrap();
        let mut config: Value = serde_json::from_slice(&text).unwrap();
        change(&mut config);
        let to = folder.path().join("adapter_config.json");
        files::write_atomic(&to, config.to_string().as_bytes()).unwrap();
        let model = reference(&format!("encoders/{model}"));
        EncoderModel::open(&model, Some(folder.path())).err().unwrap().to_string()
    };
    let nothing = |_: &mut Value| {};
    let said = refused("dora_bert", &nothing, "cls_distilbert");
    assert!(said.contains("of another model"), "{said}");
    let said = refused("dora_bert", &|config| config["use_dora"] = false.into(), "cls_bert_nli");
    assert!(said.contains("lora_magnitude_vector"), "{said}");
    let said = refused(
        "bias_all_roberta",
        &|config| config["bias"] = "none".into(),
        "cls_roberta_multilabel",
    );
    assert!(said.contains("bias = none"), "{said}");
    let said = refused(
        "lora_bias_distilbert",
        &|config| config["lora_bias"] = false.into(),
        "cls_distilbert",
    );
    assert!(said.contains("lora_bias = false"), "{said}");
    let said = refused(
        "tokens_mpnet",
        &|config| config["trainable_token_indices"] = Value::Null,
        "cls_mpnet_regression",
    );
    assert!(said.contains("trainable_token_indices"), "{said}");
}
