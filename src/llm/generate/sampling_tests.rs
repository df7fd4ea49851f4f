//! The chain against transformers, its ties and edges, and its speed.

use super::*;
use crate::llm::generate::chain::as_written;

/// Everything off.
fn off() -> SamplingParams {
    SamplingParams {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        repetition_penalty: 1.0,
        ..SamplingParams::default()
    }
}

fn kept(distribution: &Distribution) -> Vec<u32> {
    let ids = 0..distribution.after.len() as u32;
    ids.filter(|id| distribution.after[*id as usize] > 0.0).collect()
}

/// Scores that look like a language model's: few likely tokens, a long tail.
fn many_scores(count: usize) -> Vec<f32> {
    let mut random = ChaCha20Rng::seed_from_u64(1);
    let mut uniform = || (random.next_u32() as f32 + 1.0) / (u32::MAX as f32 + 2.0);
    (0..count).map(|_| -3.0 * (-uniform().ln()).ln() + 2.0 * uniform()).collect()
}

#[test]
fn the_chain_is_transformers() {
    #[derive(Deserialize)]
    struct Case {
        params: SamplingParams,
        history: Vec<u32>,
        logits: Vec<f32>,
        probs: Vec<f32>,
    }
    // tests/reference/text/sampling.json: transformers' processors, one after the other.
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../tests/reference/text/sampling.json")).unwrap();
    assert!(cases.len() > 15);
    for (index, case) in cases.iter().enumerate() {
        let got = distribution(&case.logits, &case.history, &case.params).unwrap();
        for (id, expected) in case.probs.iter().enumerate() {
            let what = format!("case {index}, token {id}, {:?}", case.params);
            assert_eq!(got.after[id] > 0.0, *expected > 0.0, "{what}");
            assert!((got.after[id] - expected).abs() < 1e-5, "{what}");
            assert_eq!(got.removed_by[id].is_some(), *expected == 0.0, "{what}");
        }
    }
}

#[test]
fn with_everything_off_nothing_changes() {
    let got = distribution(&[1.0, 2.0, 3.0], &[0, 1], &off()).unwrap();
    assert_eq!(got.before, got.after);
    assert_eq!(got.removed_by, [None; 3]);
    assert!((got.before[2] - 0.665_241).abs() < 1e-6);
}

#[test]
fn ties_with_the_kth_token_stay() {
    let params = SamplingParams { top_k: 2, ..off() };
    let got = distribution(&[1.0, 3.0, 2.0, 2.0, 0.0], &[], &params).unwrap();
    assert_eq!(kept(&got), [1, 2, 3]);
    assert_eq!(got.removed_by[0], Some(Stage::TopK));
}

#[test]
fn top_p_takes_the_smaller_id_of_two_equal_tokens_first() {
    // A quarter each; 1 - p = 0.5 lets two go.
    let params = SamplingParams { top_p: 0.5, ..off() };
    assert_eq!(kept(&distribution(&[0.0; 4], &[], &params).unwrap()), [2, 3]);
}

#[test]
fn top_p_0_keeps_the_likeliest_token() {
    let params = SamplingParams { top_p: 0.0, ..off() };
    assert_eq!(kept(&distribution(&[0.0, 5.0, 1.0], &[], &params).unwrap()), [1]);
}

#[test]
fn the_penalty_counts_a_token_once_and_pushes_both_signs_down() {
    let params = SamplingParams { repetition_penalty: 2.0, ..off() };
    let got = distribution(&[4.0, -1.0, 0.0], &[0, 0, 1, 77], &params).unwrap();
    let expected = softmax(&[2.0, -2.0, 0.0]);
    assert_eq!(got.after, expected);
}

#[test]
fn a_run_of_tokens_does_not_come_twice() {
    let params = SamplingParams { no_repeat_ngram_size: 2, ..off() };
    // After 1 came 2 and 3 before.
    let got = distribution(&[0.0; 5], &[1, 2, 1, 3, 1], &params).unwrap();
    assert_eq!(kept(&got), [0, 1, 4]);
    assert_eq!(got.removed_by[2], Some(Stage::NoRepeatNgram));
    let all =
        distribution(&[0.0; 2], &[0, 1], &SamplingParams { no_repeat_ngram_size: 1, ..off() });
    assert_eq!(all, Err(SamplingError::NothingLeft));
}

#[test]
fn greedy_takes_the_first_of_the_likeliest_after_the_penalty() {
    let params = SamplingParams { greedy: true, repetition_penalty: 2.0, top_k: 1, ..off() };
    let got = distribution(&[1.0, 4.0, 3.0, 3.0], &[1], &params).unwrap();
    assert_eq!(kept(&got), [2]);
    assert_eq!(got.after[2], 1.0);
    assert_eq!(got.removed_by[1], Some(Stage::Greedy));
    let cold = SamplingParams { greedy: false, temperature: 0.0, ..params };
    assert_eq!(distribution(&[1.0, 4.0, 3.0, 3.0], &[1], &cold).unwrap(), got);
}

#[test]
fn a_tiny_temperature_is_greedy_and_not_a_broken_number() {
    let params = SamplingParams { temperature: 1e-40, ..off() };
    let got = distribution(&[1.0, 4.0, 3.0], &[], &params).unwrap();
    assert_eq!(got.after, [0.0, 1.0, 0.0]);
}

#[test]
fn broken_scores_are_an_error_that_says_where() {
    let error = |logits: &[f32]| distribution(logits, &[], &off()).unwrap_err();
    assert!(matches!(error(&[0.0, f32::NAN]), SamplingError::NotFinite { id: 1, .. }));
    assert!(matches!(error(&[f32::INFINITY]), SamplingError::NotFinite { id: 0, .. }));
    assert_eq!(error(&[f32::NEG_INFINITY]), SamplingError::Empty);
    assert_eq!(error(&[]), SamplingError::Empty);
    let params = SamplingParams { temperature: f32::NAN, ..off() };
    assert!(matches!(distribution(&[0.0], &[], &params), Err(SamplingError::Setting { .. })));
}

#[test]
fn a_token_that_the_model_rules_out_is_never_kept() {
    let params = SamplingParams { top_p: 0.9, min_p: 0.1, typical_p: 0.9, top_k: 3, ..off() };
    let got = distribution(&[1.0, f32::NEG_INFINITY, 1.0], &[], &params).unwrap();
    assert_eq!(got.after[1], 0.0);
}

#[test]
fn selecting_by_mass_keeps_what_sorting_keeps() {
    let scores = many_scores(5_000);
    for top_p in [0.05, 0.3, 0.9, 0.999] {
        let params = SamplingParams { top_p, temperature: 0.8, ..off() };
        let got = distribution(&scores, &[], &params).unwrap();
        let scaled: Vec<f32> = scores.iter().map(|score| score / 0.8).collect();
        let probabilities = softmax(&scaled);
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scaled[*a].total_cmp(&scaled[*b]));
        let mut sum = 0.0;
        for id in order {
            sum += f64::from(probabilities[id]);
            let stays = sum as f32 > (1.0 - as_written(top_p)) as f32;
            assert_eq!(got.after[id] > 0.0, stays, "top-p {top_p}, token {id}");
        }
    }
}

#[test]
fn the_likeliest_tokens_come_first_with_what_happened_to_them() {
    let params = SamplingParams { top_k: 2, ..off() };
    let got = distribution(&[0.0, 3.0, 1.0, 3.0], &[], &params).unwrap();
    let top = got.top(3);
    assert_eq!(top.iter().map(|candidate| candidate.id).collect::<Vec<_>>(), [1, 3, 2]);
    assert_eq!(top[0].after, 0.5);
    assert_eq!(top[2].removed_by, Some(Stage::TopK));
    assert_eq!(got.top(99).len(), 4);
    assert_eq!(got.kept_count(), 2);
}

#[test]
fn the_same_seed_draws_the_same_tokens_and_in_the_right_shares() {
    let got = distribution(&[0.0, 1.0, f32::NEG_INFINITY, 2.0], &[], &off()).unwrap();
    let draw = |seed| -> Vec<u32> {
        let mut sampler = Sampler::new(seed);
        (0..20_000).map(|_| sampler.pick(&got)).collect()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    let drawn = draw(7);
    for id in 0..4 {
        let share = drawn.iter().filter(|drawn| **drawn == id).count() as f32 / 20_000.0;
        assert!((share - got.after[id as usize]).abs() < 0.015, "token {id}: {share}");
    }
    let logits = [0.0, 1.0, f32::NEG_INFINITY, 2.0];
    let mut sampler = Sampler::new(7);
    let again: Vec<u32> = (0..100).map(|_| sampler.next(&logits, &[], &off()).unwrap()).collect();
    assert_eq!(again, drawn[..100]);
    // The stream is fixed by ChaCha20's definition: a change here changes every answer.
    assert_eq!(drawn[..12], PINNED);
}

const PINNED: [u32; 12] = [0, 3, 3, 1, 1, 3, 3, 3, 3, 3, 3, 3];

#[test]
fn log_probabilities_are_those_of_the_softmax() {
    let logits = [1.0, 2.0, 3.0];
    assert!((logprob(&logits, 0) - -2.407_606).abs() < 1e-6);
    assert!((logprob(&logits, 2) - -0.407_606).abs() < 1e-6);
    assert_eq!(logprob(&logits, 9), f32::NEG_INFINITY);
}

#[test]
#[ignore = "measures time: cargo test --release --lib fast_enough -- --ignored --nocapture, on a quiet machine"]
fn the_chain_is_fast_enough_to_follow_a_slider() {
    let scores = many_scores(49_152);
    let history: Vec<u32> = (0..500).collect();
    let cases = [
        SamplingParams::default(),
        SamplingParams { top_k: 0, temperature: 1.5, ..SamplingParams::default() },
        SamplingParams { top_k: 0, min_p: 0.001, typical_p: 0.9, ..SamplingParams::default() },
    ];
    for params in cases {
        let best = (0..5).map(|_| {
            let start = std::time::Instant::now();
            let got = distribution(&scores, &history, &params).unwrap();
            assert_eq!(got.top(15).len(), 15);
            start.elapsed().as_secs_f64() * 1e3
        });
        let best = best.fold(f64::INFINITY, f64::min);
        println!("{best:.2} ms for {params:?}");
        assert!(best < 5.0, "{best:.1} ms");
    }
}
