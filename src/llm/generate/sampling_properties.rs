//! The sampling chain on any scores and any settings.

use proptest::prelude::*;

use super::*;

fn params() -> impl Strategy<Value = SamplingParams> {
    (
        any::<bool>(),
        prop_oneof![Just(0.0_f32), 0.05_f32..3.0],
        0_usize..12,
        prop_oneof![Just(1.0_f32), 0.01_f32..1.0],
        prop_oneof![Just(0.0_f32), 0.0_f32..0.9],
        prop_oneof![Just(1.0_f32), 0.05_f32..1.0],
        0.5_f32..2.0,
        0_usize..4,
        prop_oneof![Just(ChainOrder::Transformers), Just(ChainOrder::LlamaCpp)],
    )
        .prop_map(
            |(
                greedy,
                temperature,
                top_k,
                top_p,
                min_p,
                typical_p,
                repetition_penalty,
                no_repeat_ngram_size,
                order,
            )| SamplingParams {
                greedy,
                temperature,
                top_k,
                top_p,
                min_p,
                typical_p,
                repetition_penalty,
                no_repeat_ngram_size,
                order,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_is_left_is_a_distribution_and_only_that_is_drawn(
        params in params(),
        logits in prop::collection::vec(-30.0_f32..30.0, 1..40),
        history in prop::collection::vec(0_u32..40, 0..12),
        seed in any::<u64>(),
    ) {
        let history: Vec<u32> = history.into_iter().filter(|id| (*id as usize) < logits.len()).collect();
        let Ok(found) = distribution(&logits, &history, &params) else {
            // Only a ban of repeated runs can forbid everything.
            prop_assert!(params.no_repeat_ngram_size > 0);
            return Ok(());
        };
        let sum: f32 = found.after.iter().sum();
        prop_assert!((sum - 1.0).abs() < 1e-4, "{sum}");
        prop_assert!(found.after.iter().all(|p| p.is_finite() && *p >= 0.0));
        prop_assert!(found.kept_count() >= 1);
        // What the chain removed is never drawn, and the same seed draws the same.
        let drawn = Sampler::new(seed).pick(&found);
        prop_assert!(found.after[drawn as usize] > 0.0);
        prop_assert_eq!(Sampler::new(seed).pick(&found), drawn);
    }
}
