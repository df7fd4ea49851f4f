//! Masked language models: hidden states of all layers, logits, guesses, vectors.

use tuning_fork_engine::encoder::{Encoder, EncoderModel, Pooling, Scores, Tokens, fill};
use tuning_fork_engine::jobs::Quiet;

use crate::support::{Reference, assert_close};

const MASKED: [&str; 5] =
    ["mlm_bert", "mlm_distilbert", "mlm_roberta", "mlm_mpnet", "mlm_modernbert"];

#[test]
fn hidden_states_and_logits_are_those_of_transformers() {
    for name in MASKED {
        let reference = Reference::open(name);
        let model = EncoderModel::load_without_tokenizer(&reference.folder).unwrap();
        for row in 0..reference.size("input_ids", 0) {
            let ids = reference.ids("input_ids", &[row]);
            let visible: Vec<bool> =
                reference.ids("attention_mask", &[row]).iter().map(|seen| *seen == 1).collect();
            let kinds =
                reference.has("token_type_ids").then(|| reference.ids("token_type_ids", &[row]));
            let text =
                Tokens { ids: &ids, kinds: kinds.as_deref(), visible: Some(visible.as_slice()) };
            let mut layers: Vec<Vec<f32>> = Vec::new();
            let scores = model.look(text, &mut |_, states| layers.push(states.to_vec())).unwrap();
            assert_eq!(layers.len(), reference.size("hidden", 0), "{name}");
            // What stands at padding is whatever transformers leaves there.
            let count = visible.iter().filter(|seen| **seen).count();
            for (layer, states) in layers.iter().enumerate() {
                let expected = reference.values("hidden", &[layer, row]);
                let len = count * model.width();
                let what = format!("{name}, layer {layer}, row {row}");
                assert_close(&states[..len], &expected[..len], &what);
            }
            let Scores::Words(scores) = scores else { panic!("{name} has a masked head") };
            let len = count * model.vocabulary();
            let expected = reference.values("logits", &[row]);
            assert_close(&scores[..len], &expected[..len], &format!("{name}, row {row}"));
        }
    }
}

#[test]
fn guesses_at_masked_words_are_those_of_transformers() {
    for name in MASKED {
        let reference = Reference::open(name);
        let model = EncoderModel::load(&reference.folder).unwrap();
        for mask in 0..reference.size("mask_positions", 0) {
            let place = reference.ids("mask_positions", &[mask]);
            let (text, second) = reference.texts(place[0] as usize);
            if second.is_some() {
                continue;
            }
            let filled = fill(&model, &text, 10).unwrap();
            assert_eq!(filled.ids, reference.row_ids(place[0] as usize), "{name}");
            let guesses = filled.guesses.iter().find(|guess| guess.position == place[1] as usize);
            let top = &guesses.unwrap().top;
            let ids: Vec<u32> = top.iter().map(|guess| guess.id).collect();
            assert_eq!(ids, reference.ids("top_ids", &[mask]), "{name}");
            let logprobs: Vec<f32> = top.iter().map(|guess| guess.logprob as f32).collect();
            assert_close(&logprobs, &reference.values("top_logprobs", &[mask]), name);
        }
    }
}

#[test]
fn vectors_of_every_family_are_those_of_transformers_whatever_is_beside_them() {
    for name in MASKED {
        let reference = Reference::open(name);
        let rows: Vec<usize> = (0..reference.size("mean", 0))
            .filter(|row| reference.texts(*row).1.is_none())
            .collect();
        let texts: Vec<String> = rows.iter().map(|row| reference.texts(*row).0).collect();
        for (pooling, expected) in [(Pooling::Mean, "mean"), (Pooling::Cls, "cls")] {
            let encoder = Encoder::load(&reference.folder).unwrap().pooled(pooling);
            let together = encoder.embed(&texts, &Quiet).unwrap();
            for ((row, text), found) in rows.iter().zip(&texts).zip(&together) {
                let what = format!("{name}, {expected}, row {row}");
                assert_close(&found.values, &reference.values(expected, &[*row]), &what);
                let alone = encoder.embed(std::slice::from_ref(text), &Quiet).unwrap();
                assert_close(&found.values, &alone[0].values, &what);
            }
        }
    }
}

#[test]
fn a_text_without_a_mask_and_a_model_without_a_head_are_said() {
    let masked = EncoderModel::load(&Reference::open("mlm_roberta").folder).unwrap();
    let said = fill(&masked, "no mask", 3).unwrap_err().to_string();
    assert!(said.contains("<mask>"), "{said}");
    let classifier = EncoderModel::load(&Reference::open("cls_bert_nli").folder).unwrap();
    let said = fill(&classifier, "[MASK]", 3).unwrap_err().to_string();
    assert!(said.contains("tuning-fork classify"), "{said}");
}
