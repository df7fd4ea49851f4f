//! Classification heads of encoders, and score heads of decoders.

use tuning_fork_engine::encoder::{Classifier, EncoderModel, Problem};
use tuning_fork_engine::jobs::Quiet;

use crate::support::{Reference, assert_close};

#[test]
fn labels_and_probabilities_are_those_of_transformers() {
    for (name, problem) in [
        ("cls_bert_nli", Problem::OneLabel),
        ("cls_distilbert", Problem::OneLabel),
        ("cls_roberta_multilabel", Problem::ManyLabels),
        ("cls_mpnet_regression", Problem::Regression),
        ("cls_llama", Problem::OneLabel),
        ("cls_qwen3", Problem::OneLabel),
        ("cls_llama_reward", Problem::Regression),
    ] {
        let reference = Reference::open(name);
        let classifier = Classifier::load(&reference.folder, &Quiet).unwrap();
        assert_eq!(classifier.labels().problem, problem, "{name}");
        let texts: Vec<_> =
            (0..reference.size("logits", 0)).map(|row| reference.texts(row)).collect();
        let verdicts = classifier.classify(&texts, &Quiet).unwrap();
        for (row, verdict) in verdicts.iter().enumerate() {
            let what = format!("{name}, row {row}");
            assert_eq!(verdict.token_count, reference.row_ids(row).len(), "{what}");
            assert_close(&verdict.scores, &reference.values("logits", &[row]), &what);
            assert_close(&verdict.probabilities, &reference.values("probs", &[row]), &what);
        }
    }
}

#[test]
fn a_head_that_is_promised_and_missing_is_said_and_vectors_are_offered() {
    let reference = Reference::open("mlm_bert");
    let folder = tempfile::tempdir().unwrap();
    for name in ["tokenizer.json", "tokenizer_config.json", "model.safetensors"] {
        std::fs::copy(reference.folder.join(name), folder.path().join(name)).unwrap();
    }
    let config = std::fs::read_to_string(reference.folder.join("config.json")).unwrap();
    let config = config.replace("BertForMaskedLM", "BertForSequenceClassification");
    tuning_fork_engine::files::write_atomic(&folder.path().join("config.json"), config.as_bytes())
        .unwrap();
    let said = Classifier::load(folder.path(), &Quiet).err().unwrap().to_string();
    assert!(said.contains("promises a head") && said.contains("vectors"), "{said}");
    let model = EncoderModel::load(folder.path()).unwrap();
    assert!(model.missing_head().is_some() && model.can_fill());
}

#[test]
fn a_text_that_is_too_long_is_cut_and_a_pair_loses_from_its_longer_text() {
    let reference = Reference::open("cls_bert_nli");
    let classifier = Classifier::load(&reference.folder, &Quiet).unwrap();
    let long = "the ".repeat(200);
    let texts = [(long.clone(), Some("it".to_owned())), (long, None)];
    for verdict in classifier.classify(&texts, &Quiet).unwrap() {
        assert!(verdict.is_cut);
        assert_eq!(verdict.token_count, 64); // model_max_length
    }
}
