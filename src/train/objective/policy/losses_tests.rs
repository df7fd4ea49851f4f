//! The losses of GRPO and RLOO: right values, and slopes held to finite differences.

use serde_json::Value;

use super::*;

/// Two answers, off policy, one masked.
fn answers() -> Vec<Answer> {
    let of = |logps: &[f64], advantage: f64, is_masked| Answer {
        entropies: logps.iter().map(|logp| 0.3 - 0.5 * logp).collect(),
        old: Some(
            logps.iter().enumerate().map(|(at, logp)| logp + 0.11 * at as f64 - 0.2).collect(),
        ),
        reference: logps
            .iter()
            .enumerate()
            .map(|(at, logp)| logp - 0.3 + 0.17 * at as f64)
            .collect(),
        logps: logps.to_vec(),
        advantage,
        is_masked,
    };
    vec![
        of(&[-0.5, -1.25, -2.0, -0.1], 0.8, false),
        of(&[-0.75, -0.3], -1.1, false),
        of(&[-1.0, -2.0, -0.4], 0.5, true),
    ]
}

#[test]
fn every_slope_is_that_of_its_loss() {
    let share = Share { batches: 2, tokens: 9.0 };
    let kinds = GRPO_LOSSES.map(|(_, kind)| kind).into_iter().chain([LossType::Rloo]);
    for loss_type in kinds {
        for level in [Level::Token, Level::Sequence] {
            for (delta, top_entropy_quantile, entropy_coef) in
                [(None, 1.0, 0.0), (Some(1.3), 0.6, 0.05)]
            {
                let settings = Settings {
                    loss_type,
                    level,
                    delta,
                    top_entropy_quantile,
                    entropy_coef,
                    beta: 0.3,
                    epsilon_high: if loss_type == LossType::Cispo { 3.0 } else { 0.25 },
                    max_completion_length: 5,
                    ..Settings::default()
                };
                let found = loss(&answers(), &settings, share);
                for answer in 0..3 {
                    for token in 0..answers()[answer].logps.len() {
                        let at = |change: f64| {
                            let mut changed = answers();
                            changed[answer].logps[token] += change;
                            loss(&changed, &settings, share).loss
                        };
                        // CISPO holds its ratio fixed: its slope is no difference of losses.
                        if loss_type != LossType::Cispo {
                            let slope = (at(1e-6) - at(-1e-6)) / 2e-6;
                            let own = found.by_logps[answer][token];
                            assert!((own - slope).abs() < 1e-7, "{settings:?}: {own}, {slope}");
                        }
                    }
                }
                assert!(found.by_logps[2].iter().all(|slope| *slope == 0.0), "{loss_type:?}");
            }
        }
    }
}

/// `tests/reference/policy/losses.json`: what TRL 1.16.0's `GRPOTrainer._compute_loss` makes of the same
/// numbers (`make_policy_losses.py`).
#[test]
fn every_setting_gives_the_loss_the_slopes_and_the_metrics_of_trl() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/policy/losses.json");
    let found: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|one| one.as_f64().unwrap()).collect()
    };
    let rows = |value: &Value| -> Vec<Vec<f64>> {
        value.as_array().unwrap().iter().map(numbers).collect()
    };
    let of = |name: &str| rows(&found[name]);
    let (logps, old, held, entropies) = (of("logps"), of("old"), of("reference"), of("entropies"));
    let advantages = numbers(&found["advantages"]);
    for case in found["cases"].as_array().unwrap() {
        let told = &case["settings"];
        let number = |key: &str| told[key].as_f64();
        let kind = told["loss_type"].as_str().unwrap();
        let epsilon = number("epsilon").unwrap_or(0.2);
        let settings = Settings {
            loss_type: GRPO_LOSSES.iter().find(|(name, _)| *name == kind).unwrap().1,
            level: if told["importance_sampling_level"] == "sequence" {
                Level::Sequence
            } else {
                Level::Token
            },
            epsilon,
            epsilon_high: number("epsilon_high").unwrap_or(epsilon),
            delta: number("delta"),
            beta: number("beta").unwrap_or(0.0),
            use_bias_correction_kl: told["use_bias_correction_kl"] != false,
            top_entropy_quantile: number("top_entropy_quantile").unwrap_or(1.0),
            entropy_coef: number("entropy_coef").unwrap_or(0.0),
            max_completion_length: 7,
            sapo_temperatures: [
                number("sapo_temperature_pos").unwrap_or(1.0),
                number("sapo_temperature_neg").unwrap_or(1.05),
            ],
        };
        let cut: Vec<f64> = told.get("truncated").map(numbers).unwrap_or_default();
        let answers: Vec<Answer> = (0..logps.len())
            .map(|row| Answer {
                logps: logps[row].clone(),
                entropies: entropies[row].clone(),
                old: Some(old[row].clone()),
                reference: held[row].clone(),
                advantage: advantages[row],
                is_masked: cut.contains(&(row as f64)),
            })
            .collect();
        let known = answers.iter().filter(|answer| !answer.is_masked);
        let tokens = known.map(|answer| answer.logps.len()).sum::<usize>() as f64;
        let own = loss(&answers, &settings, Share { batches: 1, tokens });
        let close = |own: f64, expected: f64, what: &str| {
            assert!((own - expected).abs() < 2e-6, "{told}: {what} {own}, not {expected}");
        };
        close(own.loss, case["loss"].as_f64().unwrap(), "the loss");
        let slopes = own.by_logps.iter().flatten();
        for (own, expected) in slopes.zip(rows(&case["by_logps"]).iter().flatten()) {
            close(*own, *expected, "a slope");
        }
        let expected = rows(&case["by_entropies"]);
        let slopes = own.by_entropies.iter().flatten();
        for (own, expected) in slopes.zip(expected.iter().flatten()) {
            close(*own, *expected, "a slope by entropy");
        }
        let metrics = own.metrics;
        for (name, own) in [
            ("kl", metrics.kl),
            ("entropy", Some(metrics.entropy)),
            ("clip_ratio/low_mean", metrics.clip_low_mean),
            ("clip_ratio/high_mean", metrics.clip_high_mean),
            ("clip_ratio/region_mean", metrics.clip_region_mean),
            ("clip_ratio/low_min", metrics.clip_low_min),
            ("clip_ratio/high_max", metrics.clip_high_max),
            ("cispo_clip_ratio", metrics.cispo_clip_ratio),
        ] {
            let expected = case["metrics"].get(name).and_then(Value::as_f64);
            assert_eq!(own.is_some(), expected.is_some(), "{told}: {name}");
            if let (Some(own), Some(expected)) = (own, expected) {
                close(own, expected, name);
            }
        }
    }
}

#[test]
fn the_parts_of_a_micro_batch_add_up_to_it() {
    let share = Share { batches: 1, tokens: 6.0 };
    for (_, loss_type) in GRPO_LOSSES {
        let settings = Settings { loss_type, beta: 0.1, entropy_coef: 0.1, ..Settings::default() };
        let answers = answers();
        let whole = loss(&answers, &settings, share);
        let known = Whole::known(&[4, 2, 0], &settings).unwrap();
        let mut sum = 0.0;
        for (place, one) in answers.chunks(1).enumerate() {
            let found = part(one, &settings, share, &known);
            sum += found.loss;
            assert_eq!(found.by_logps[0], whole.by_logps[place]);
            assert_eq!(found.by_entropies[0], whole.by_entropies[place]);
        }
        assert!((sum - whole.loss).abs() < 1e-12);
    }
}

#[test]
fn on_policy_the_slope_is_there_although_the_value_is_the_advantage() {
    let answer = Answer {
        logps: vec![-1.0, -2.0],
        entropies: vec![1.0, 1.0],
        advantage: 0.5,
        ..Answer::default()
    };
    let share = Share { batches: 1, tokens: 2.0 };
    let found = loss(&[answer], &Settings::default(), share);
    assert_eq!((found.loss, found.by_logps), (-0.5, vec![vec![-0.25, -0.25]]));
}
