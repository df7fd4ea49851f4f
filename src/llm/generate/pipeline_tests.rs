//! The pipeline against transformers' processors, step by step, and its speed.

use serde::Deserialize;

use super::super::sampling::{ChainOrder, distribution};
use super::*;

/// Scores that look like a language model's: few likely tokens, a long tail.
fn many_scores(count: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut uniform = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 + 1.0) / (16_777_218.0)
    };
    (0..count).map(|_| -3.0 * (-uniform().ln()).ln() + 2.0 * uniform()).collect()
}

#[test]
fn every_step_leaves_what_transformers_leaves_in_either_order() {
    #[derive(Deserialize)]
    struct Expected {
        step: String,
        count: usize,
        mass: f64,
        entropy: f64,
        probs: Vec<f32>,
    }
    #[derive(Deserialize)]
    struct Case {
        params: SamplingParams,
        history: Vec<u32>,
        logits: Vec<f32>,
        left: Vec<Expected>,
    }
    // tests/reference/text/pipeline.json, by make_pipeline.py: transformers 5.23.
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../tests/reference/text/pipeline.json")).unwrap();
    assert!(cases.iter().any(|case| case.params.order == ChainOrder::LlamaCpp));
    for Case { params, history, logits, left } in cases {
        let shown: Vec<u32> = (0..logits.len() as u32).collect();
        let before = Before::of(logits.clone().into(), 5).unwrap();
        let got = before.run(&history, &params, &shown).unwrap();
        assert_eq!(got.left.len(), left.len(), "{params:?}");
        for (got, expected) in got.left.iter().zip(&left) {
            let step = got.step.map_or_else(
                || "model".to_owned(),
                |step| serde_json::to_value(step).unwrap().as_str().unwrap().to_owned(),
            );
            assert_eq!(step, expected.step);
            let what = format!("{step} of {params:?}");
            assert_eq!(got.count, expected.count, "{what}");
            assert!((got.mass - expected.mass).abs() < 1e-6, "{what}: mass {}", got.mass);
            assert!((got.entropy - expected.entropy).abs() < 1e-5, "{what}: {}", got.entropy);
            for (id, probability) in expected.probs.iter().enumerate() {
                assert!((got.probabilities[id] - probability).abs() < 1e-6, "{what}, token {id}");
            }
        }
        // What is drawn from is what the last step leaves.
        let drawn = distribution(&logits, &history, &params).unwrap();
        let last = got.left.last().unwrap();
        for (id, probability) in drawn.after.iter().enumerate() {
            assert!((last.probabilities[id] - probability).abs() < 1e-7);
        }
        for (id, removed) in got.removed_by.iter().enumerate() {
            assert_eq!(removed.map(|(_, stage)| stage), drawn.removed_by[id]);
        }
    }
}

#[test]
fn top_p_before_the_temperature_keeps_other_tokens_than_after_it() {
    let logits = [3.0, 2.0, 1.0, 0.0, -1.0];
    let hot = SamplingParams {
        temperature: 2.0,
        top_k: 0,
        top_p: 0.8,
        repetition_penalty: 1.0,
        ..SamplingParams::default()
    };
    let kept = |order| {
        let params = SamplingParams { order, ..hot.clone() };
        distribution(&logits, &[], &params).unwrap().kept_count()
    };
    assert_eq!((kept(ChainOrder::Transformers), kept(ChainOrder::LlamaCpp)), (3, 2));
}

#[test]
fn llama_cpp_forgets_what_stands_64_tokens_back() {
    let mut history = vec![1; 65];
    history[0] = 0;
    let params = SamplingParams {
        repetition_penalty: 2.0,
        order: ChainOrder::LlamaCpp,
        ..SamplingParams::default()
    };
    assert!(!params.penalised(&history).contains(&0));
    let params = SamplingParams { order: ChainOrder::Transformers, ..params };
    assert!(params.penalised(&history).contains(&0));
}

#[test]
fn an_even_distribution_has_its_logarithm_as_entropy() {
    let before = Before::of(vec![0.5; 8].into(), 3).unwrap();
    assert!((before.entropy - 3.0).abs() < 1e-9);
    assert_eq!(before.likeliest, [0, 1, 2]);
    let ruled_out = Before::of(vec![0.5, f32::NEG_INFINITY, 0.5].into(), 3).unwrap();
    assert!((ruled_out.entropy - 1.0).abs() < 1e-9);
}

#[test]
#[ignore = "measures time: cargo test --release --lib within_a_frame -- --ignored --nocapture, on a quiet machine"]
fn a_slider_over_a_quarter_of_a_million_tokens_moves_within_a_frame() {
    let before = Before::of(many_scores(262_144).into(), 30).unwrap();
    let history: Vec<u32> = (0..500).collect();
    let off = SamplingParams { top_k: 0, top_p: 1.0, ..SamplingParams::default() };
    let cases = [
        SamplingParams::default(),
        SamplingParams { temperature: 1.5, top_p: 0.95, ..off.clone() },
        SamplingParams { temperature: 1.5, min_p: 1e-4, typical_p: 0.9, ..off.clone() },
        SamplingParams { order: ChainOrder::LlamaCpp, top_p: 0.99, ..off },
    ];
    for params in cases {
        let best = (0..5).map(|_| {
            let start = std::time::Instant::now();
            let got = before.run(&history, &params, &before.likeliest).unwrap();
            assert!(got.left.len() > 1);
            start.elapsed().as_secs_f64() * 1e3
        });
        let best = best.fold(f64::INFINITY, f64::min);
        println!("{best:.2} ms for {params:?}");
        assert!(best < 8.0, "{best:.1} ms");
    }
}
