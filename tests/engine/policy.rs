//! GRPO and RLOO against TRL 1.16.0 (`tests/reference/policy`): advantages of given rewards, and the losses and
//! gradients of given answers.

use std::collections::{BTreeMap, HashMap};

use candle_core::Tensor;
use serde_json::Value;
use tuning_fork_engine::llm::backward::gradients::Gradients;
use tuning_fork_engine::llm::{Adapter, Weights};
use tuning_fork_engine::train::objective::logprobs;
use tuning_fork_engine::train::objective::policy::advantages::{
    Advantage, Aggregation, ScaleRewards, Scored, advantages,
};
use tuning_fork_engine::train::objective::policy::losses::{
    Answer, GRPO_LOSSES, Level, LossType, Outcome, Settings, Share, loss,
};
use tuning_fork_engine::train::objective::tokens::{self, Reading};
use tuning_fork_engine::train::rows::sequence::Sequence;

use crate::support::{load, reference, tensors, values};

const GROUP: usize = 4;
const READING: Reading = Reading { temperature: 1.0, learns_entropy: false };

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|one| one.as_f64().unwrap_or(f64::NAN)).collect()
}

/// `policy.json`.
fn facts() -> Value {
    serde_json::from_str(&std::fs::read_to_string(reference("policy/policy.json")).unwrap())
        .unwrap()
}

/// The rows of a tensor, where a mask is 1.
fn rows(batch: &HashMap<String, Tensor>, name: &str, mask: &str) -> Vec<Vec<f64>> {
    let of = |name: &str| {
        let tensor = batch[name].to_dtype(candle_core::DType::F64).unwrap();
        tensor.to_vec2::<f64>().unwrap()
    };
    let kept = |(row, mask): (Vec<f64>, Vec<f64>)| {
        row.into_iter().zip(mask).filter(|(_, mask)| *mask == 1.0).map(|(value, _)| value).collect()
    };
    of(name).into_iter().zip(of(mask)).map(kept).collect()
}

#[test]
fn advantages_are_those_of_trl() {
    let facts = facts();
    let batch = tensors(&reference("policy/batch.safetensors"));
    let of = |name: &str| rows(&batch, name, "completion_mask");
    let (new, held) = (of("per_token_logps"), of("ref_per_token_logps"));
    let kl: Vec<f64> = new
        .iter()
        .zip(&held)
        .map(|(new, held)| new.iter().zip(held).map(|(new, held)| new - held).sum())
        .collect();
    let each: Vec<Vec<Option<f64>>> = facts["rewards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row.as_array().unwrap().iter().map(Value::as_f64).collect())
        .collect();
    for (name, case) in facts["advantages"].as_object().unwrap() {
        let settings = &case["settings"];
        let weights = settings.get("reward_weights").map_or_else(|| vec![1.0, 1.0], numbers);
        let kind = if case["algorithm"] == "rloo" {
            Advantage::Rloo {
                clip: settings.get("reward_clip_range").map(|clip| {
                    let clip = numbers(clip);
                    [clip[0], clip[1]]
                }),
                normalize: settings["normalize_advantages"] == true,
                beta: settings["beta"].as_f64().unwrap_or(0.0),
            }
        } else {
            Advantage::Grpo {
                scale: match settings["scale_rewards"].as_str() {
                    Some("batch") => ScaleRewards::Batch,
                    Some("none") => ScaleRewards::None,
                    _ => ScaleRewards::Group,
                },
                aggregation: match settings["multi_objective_aggregation"].as_str() {
                    Some("normalize_then_sum") => Aggregation::NormalizeThenSum,
                    _ => Aggregation::SumThenNormalize,
                },
            }
        };
        let scored = Scored { each: &each, weights: &weights, group: GROUP, kl: &kl };
        let found = advantages(&kind, &scored);
        for (found, expected) in found.advantages.iter().zip(numbers(&case["advantages"])) {
            assert!((found - expected).abs() < 1e-5, "{name}: {found}, not {expected}");
        }
        let metrics = &case["metrics"];
        let close = |found: f64, key: &str| {
            let expected = metrics[key].as_f64().unwrap();
            assert!((found - expected).abs() < 1e-5, "{name}: {key} is {found}, not {expected}");
        };
        close(found.reward, "reward");
        close(found.reward_std, "reward_std");
        close(found.frac_reward_zero_std, "frac_reward_zero_std");
        for (place, function) in ["first", "second"].into_iter().enumerate() {
            close(found.each[place].0, &format!("rewards/{function}/mean"));
            close(found.each[place].1, &format!("rewards/{function}/std"));
        }
    }
}

/// What TRL's configuration says otherwise than its defaults.
fn settings(case: &Value) -> Settings {
    let told = &case["settings"];
    let number = |key: &str| told[key].as_f64();
    let epsilon = number("epsilon").unwrap_or(0.2);
    let is_rloo = case["algorithm"] == "rloo";
    let named = |name: &str| GRPO_LOSSES.iter().find(|(known, _)| *known == name).unwrap().1;
    Settings {
        loss_type: if is_rloo {
            LossType::Rloo
        } else {
            named(told["loss_type"].as_str().unwrap_or("dapo"))
        },
        level: match told["importance_sampling_level"].as_str() {
            Some("sequence") => Level::Sequence,
            _ => Level::Token,
        },
        epsilon,
        epsilon_high: number("epsilon_high").unwrap_or(epsilon),
        delta: number("delta"),
        // RLOO's is in its advantages.
        beta: if is_rloo { 0.0 } else { number("beta").unwrap_or(0.0) },
        use_bias_correction_kl: told["use_bias_correction_kl"] != false,
        max_completion_length: 16,
        ..Settings::default()
    }
}

#[test]
fn losses_and_gradients_are_those_of_trl() {
    let facts = facts();
    let batch = tensors(&reference("policy/batch.safetensors"));
    let model = load(&reference("models/llama"), Weights::F32);
    let adapter = Adapter::load(&reference("policy/adapter_init"), &model).unwrap();
    let prompts = rows(&batch, "prompt_ids", "prompt_mask");
    let completions = rows(&batch, "completion_ids", "completion_mask");
    let sequence = |(prompt, completion): (&Vec<f64>, &Vec<f64>)| {
        let ids = prompt.iter().chain(completion).map(|id| *id as u32).collect();
        Sequence::new(ids, prompt.len())
    };
    let sequences: Vec<Sequence> = prompts.iter().zip(&completions).map(sequence).collect();
    let sequences: Vec<&Sequence> = sequences.iter().collect();
    let tree = logprobs::tree(&sequences);
    let scored = || tokens::score((&model, &adapter), (&tree, &sequences), READING, None).unwrap();

    let of = |name: &str| rows(&batch, name, "completion_mask");
    let found = scored().tokens;
    let held = tokens::measure((&model, None), &sequences, READING).unwrap();
    for (name, found, part) in [
        ("per_token_logps", &found, 0),
        ("entropies", &found, 1),
        ("ref_per_token_logps", &held, 0),
    ] {
        for (found, expected) in found.iter().flatten().zip(of(name).iter().flatten()) {
            let found = [found.logp, found.entropy][part];
            assert!((found - expected).abs() < 2e-4, "{name}: {found}, not {expected}");
        }
    }

    let old = of("old_per_token_logps");
    let expected = tensors(&reference("policy/grads.safetensors"));
    for (name, case) in facts["losses"].as_object().unwrap() {
        let advantages = &facts["advantages"][case["advantages"].as_str().unwrap()]["advantages"];
        let advantages = numbers(advantages);
        let answers: Vec<Answer> = (0..sequences.len())
            .map(|index| Answer {
                logps: found[index].iter().map(|token| token.logp).collect(),
                entropies: found[index].iter().map(|token| token.entropy).collect(),
                old: (case["on_policy"] == false).then(|| old[index].clone()),
                reference: held[index].iter().map(|token| token.logp).collect(),
                advantage: advantages[index],
                is_masked: false,
            })
            .collect();
        let batches =
            case["settings"]["gradient_accumulation_steps"].as_u64().unwrap_or(1) as usize;
        let tokens = answers.iter().map(|answer| answer.logps.len()).sum::<usize>() as f64;
        let share = Share { batches, tokens };
        let outcomes: Vec<Outcome> = answers
            .chunks(answers.len() / batches)
            .map(|part| loss(part, &settings(case), share))
            .collect();
        let losses: Vec<f64> = outcomes.iter().map(|outcome| outcome.loss).collect();
        for (found, expected) in losses.iter().zip(numbers(&case["losses"])) {
            assert!((found - expected).abs() < 5e-5, "{name}: {found}, not {expected}");
        }
        metrics(name, &outcomes, &case["metrics"]);

        let mut gradients = Gradients::none(&adapter);
        let by_logps: Vec<Vec<f64>> =
            outcomes.into_iter().flat_map(|outcome| outcome.by_logps).collect();
        scored().backward(&by_logps, &[], &mut gradients).unwrap();
        for (index, (tensor, _)) in adapter.vars().iter().enumerate() {
            let expected = values(&expected[&format!("{name}/{tensor}")]);
            let largest = expected.iter().fold(0.0_f32, |max, value| max.max(value.abs()));
            for (found, expected) in gradients.get(index).unwrap().iter().zip(&expected) {
                let off = (found - expected).abs();
                assert!(off <= 2e-4 * largest, "{name}: {tensor} is off by {off} of {largest}");
            }
        }
    }
}

fn metrics(name: &str, outcomes: &[Outcome], expected: &Value) {
    for (place, outcome) in outcomes.iter().enumerate() {
        let found = &outcome.metrics;
        let found: BTreeMap<&str, Option<f64>> = [
            ("kl", found.kl),
            ("entropy", Some(found.entropy)),
            ("clip_ratio/low_mean", found.clip_low_mean),
            ("clip_ratio/high_mean", found.clip_high_mean),
            ("clip_ratio/region_mean", found.clip_region_mean),
            ("clip_ratio/low_min", found.clip_low_min),
            ("clip_ratio/high_max", found.clip_high_max),
        ]
        .into();
        for (key, expected) in expected.as_object().unwrap() {
            let (found, expected) = (found[key.as_str()].unwrap(), numbers(expected)[place]);
            assert!((found - expected).abs() < 1e-4, "{name}: {key} is {found}, not {expected}");
        }
    }
}
