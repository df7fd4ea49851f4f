//! Encoder-decoders: hidden states, logits, cross-attention, greedy answers, beams, the chain.

use tuning_fork_engine::encoder::Tokens;
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::generate::sampling::{SamplingParams, distribution};
use tuning_fork_engine::seq2seq::{BeamSettings, EarlyStopping, Seq2Seq, WriteRequest};

use crate::support::{Reference, assert_close, until};

const PAIRS: [&str; 2] = ["s2s_t5", "s2s_flan"];

const END: u32 = 1;

fn greedy() -> SamplingParams {
    SamplingParams { greedy: true, repetition_penalty: 1.0, ..SamplingParams::default() }
}

#[test]
fn hidden_states_logits_and_cross_attention_are_those_of_transformers() {
    for name in PAIRS {
        let reference = Reference::open(name);
        let model = Seq2Seq::load_without_tokenizer(&reference.folder).unwrap();
        for row in 0..reference.size("input_ids", 0) {
            let ids = reference.ids("input_ids", &[row]);
            let visible: Vec<bool> =
                reference.ids("attention_mask", &[row]).iter().map(|seen| *seen == 1).collect();
            let count = visible.iter().filter(|seen| **seen).count();
            let text = Tokens { ids: &ids, kinds: None, visible: Some(visible.as_slice()) };
            let mut layers: Vec<Vec<f32>> = Vec::new();
            let memory = model.read(text, &mut |states| layers.push(states.to_vec())).unwrap();
            for (layer, states) in layers.iter().enumerate() {
                let expected = reference.values("encoder_hidden", &[layer, row]);
                let len = count * model.width();
                assert_close(&states[..len], &expected[..len], &format!("{name}, layer {layer}"));
            }
            let written = reference.ids("decoder_input_ids", &[row]);
            let last = model.layers()[1] - 1;
            let pass = model.follow(&memory, &written, last..last + 1, &mut |_| {}).unwrap();
            assert_close(&pass.logits, &reference.values("logits", &[row]), name);
            let expected = reference.values("cross_attention", &[row]);
            assert_close(&pass.cross_attention[0], &expected, name);
        }
    }
}

#[test]
fn greedy_answers_and_beams_are_those_of_transformers() {
    for name in PAIRS {
        let reference = Reference::open(name);
        let model = Seq2Seq::load(&reference.folder).unwrap();
        for row in 0..reference.size("input_ids", 0) {
            let (ids, is_cut) = model.encode(&reference.texts(row).0).unwrap();
            assert_eq!((&ids, is_cut), (&reference.row_ids(row), false));
            let request = WriteRequest { sampling: greedy(), max_new_tokens: 16, seed: 0 };
            let written = model.write(&ids, &request, &Quiet).unwrap();
            let expected = reference.ids("greedy", &[row]);
            assert_eq!(written.ids, until(&expected[1..], END), "{name}, row {row}");
            let settings = BeamSettings {
                beams: 4,
                length_penalty: 1.0,
                early_stopping: EarlyStopping::Heuristic,
                max_new_tokens: 16,
                sampling: greedy(),
            };
            let memory = model.read(Tokens::plain(&ids), &mut |_| {}).unwrap();
            let beams = model.search(&memory, &settings, &Quiet).unwrap();
            assert_eq!(beams.len(), 4);
            for (at, beam) in beams.iter().enumerate() {
                let expected = reference.ids("beams", &[row, at]);
                let what = format!("{name}, row {row}, beam {at}");
                assert_eq!(until(&beam.ids, END), until(&expected[1..], END), "{what}");
                assert_close(&[beam.score], &reference.values("beam_scores", &[row, at]), &what);
            }
        }
    }
}

#[test]
fn the_sampling_chain_sees_what_the_decoder_has_written() {
    for name in PAIRS {
        let reference = Reference::open(name);
        let model = Seq2Seq::load_without_tokenizer(&reference.folder).unwrap();
        let chain = &reference.said["chain"];
        let number = |key: &str| chain[key].as_f64().unwrap();
        let params = SamplingParams {
            greedy: false,
            temperature: number("temperature") as f32,
            top_k: number("top_k") as usize,
            top_p: number("top_p") as f32,
            repetition_penalty: number("repetition_penalty") as f32,
            no_repeat_ngram_size: number("no_repeat_ngram_size") as usize,
            ..SamplingParams::default()
        };
        let memory = model.read(Tokens::plain(&reference.row_ids(0)), &mut |_| {}).unwrap();
        for (count, prefix) in [
            (1, vec![reference.ids("decoder_input_ids", &[0])[0]]),
            (5, reference.ids("chain_prefix_5", &[])),
        ] {
            let pass = model.follow(&memory, &prefix, 0..0, &mut |_| {}).unwrap();
            let logits = &pass.logits[pass.logits.len() - model.vocabulary()..];
            assert_close(logits, &reference.values(&format!("chain_logits_{count}"), &[]), name);
            let found = distribution(logits, &prefix, &params).unwrap();
            // Scores as probabilities: what the chain dropped is minus infinity there.
            let scores = reference.values(&format!("chain_scores_{count}"), &[]);
            let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let raised: Vec<f32> = scores.iter().map(|score| (score - most).exp()).collect();
            let sum: f32 = raised.iter().sum();
            let shares: Vec<f32> = raised.iter().map(|value| value / sum).collect();
            let kept = |values: &[f32]| values.iter().map(|value| *value > 0.0).collect::<Vec<_>>();
            assert_eq!(kept(&found.after), kept(&shares), "{name}, {count}");
            assert_close(&found.after, &shares, name);
        }
    }
}
