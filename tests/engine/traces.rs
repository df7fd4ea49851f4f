//! Whole training runs, step by step, against TRL's (`tests/reference/traces`, made by TRL 1.16.0,
//! PEFT 0.21.2, transformers 5.23.0 and torch 2.15.0 on the CPU in f32).

use std::f64::consts::LN_2;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use serde::Deserialize;
use serde_json::Value;
use tuning_fork::jobs::{Quiet, Recorder};
use tuning_fork::llm::{Model, Weights};
use tuning_fork::train::TrainRequest;
use tuning_fork::train::config::{LoraConfig, Objective, SchedulerType, TrainConfig};
use tuning_fork::train::metrics::{StepMetrics, TrainEvent};
use tuning_fork::train::plan::Plan;
use tuning_fork::train::step::StepInput;
use tuning_fork::train::{evaluate, setup, step};

use crate::support::{assert_close, distance, load, reference, tensors, values};

/// `run.json` of a trace.
#[derive(Deserialize)]
struct Trace {
    model: String,
    kind: Objective,
    batch: usize,
    accum: usize,
    steps: usize,
    lr: f64,
    beta: f64,
    r: usize,
    alpha: f64,
    targets: Vec<String>,
    sched: SchedulerType,
    warmup: usize,
    wd: f64,
    clip: f64,
    max_length: usize,
    extra: Extra,
}

#[derive(Deserialize)]
struct Extra {
    loss_type: Option<Vec<String>>,
}

fn config(folder: &Path) -> (String, TrainConfig) {
    let text = std::fs::read_to_string(folder.join("run.json")).unwrap();
    let trace: Trace = serde_json::from_str(&text).unwrap();
    let defaults = TrainConfig::default();
    let config = TrainConfig {
        model: trace.model.clone(),
        adapter: Some(folder.join("adapter_init")),
        objective: trace.kind,
        data: folder.join("data.jsonl"),
        shuffle: false,
        per_device_train_batch_size: trace.batch,
        gradient_accumulation_steps: trace.accum,
        max_steps: Some(trace.steps),
        learning_rate: trace.lr,
        lr_scheduler_type: trace.sched,
        warmup_steps: trace.warmup,
        weight_decay: trace.wd,
        max_grad_norm: trace.clip,
        beta: trace.beta,
        loss_type: trace.extra.loss_type.unwrap_or(defaults.loss_type),
        max_length: trace.max_length,
        lora: LoraConfig {
            r: trace.r,
            lora_alpha: trace.alpha,
            target_modules: trace.targets,
            ..LoraConfig::default()
        },
        ..TrainConfig::default()
    };
    (trace.model, config)
}

fn replay(name: &str) {
    let folder = reference(&format!("traces/{name}"));
    let (model, config) = config(&folder);
    let model = load(&reference(&format!("models/{model}")), Weights::F32);
    first_gradients(&model, &config, &folder);
    let run_dir = tempfile::tempdir().unwrap();
    let steps = run(&model, &config, run_dir.path());
    metrics(&steps, &folder.join("log.json"));
    adapters(run_dir.path(), &folder.join("adapter_final"));
}

fn run(model: &Model, config: &TrainConfig, run_dir: &Path) -> Vec<StepMetrics> {
    let (config, run_dir) = (config.clone(), PathBuf::from(run_dir));
    let request = TrainRequest { config, run_dir, resume: false, cache: None };
    let progress = Recorder::default();
    tuning_fork::train::run(model, &request, &progress).unwrap();
    let events = progress.into_events().into_iter();
    events
        .filter_map(|event| match event {
            TrainEvent::Step(metrics) => Some(metrics),
            _ => None,
        })
        .collect()
}

/// Each step's metrics, under TRL's names, within the tolerances of the reference's README.
fn metrics(steps: &[StepMetrics], log: &Path) {
    let log: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(log).unwrap()).unwrap();
    assert_eq!(steps.len(), log.len());
    for (step, expected) in steps.iter().zip(&log) {
        let found = serde_json::to_value(step).unwrap();
        for (key, expected) in expected.as_object().unwrap() {
            let expected = expected.as_f64().unwrap();
            let value = found[key].as_f64().unwrap_or_else(|| panic!("{key} is not reported"));
            let tolerance = match key.as_str() {
                "loss" => 2e-4 * expected.abs().max(1.0), // IPO's loss is about 25
                "grad_norm" => 5e-3 * expected,
                "logps/chosen" | "logps/rejected" | "rewards/chosen" | "rewards/rejected"
                | "rewards/margins" => 2e-3,
                "entropy" | "logits/chosen" | "logits/rejected" => 2e-4,
                "mean_token_accuracy" => 1e-6,
                "learning_rate" | "epoch" => 1e-12,
                _ => 0.0, // counts and shares
            };
            let off = (value - expected).abs();
            assert!(off <= tolerance, "step {}: {key} is {value}, not {expected}", step.step);
        }
    }
}

fn adapters(found: &Path, expected: &Path) {
    let file = "adapter_model.safetensors";
    let (found, expected) = (tensors(&found.join(file)), tensors(&expected.join(file)));
    assert_eq!(found.len(), expected.len());
    for (name, expected) in &expected {
        assert_close(&found[name], expected, 2e-4, name);
    }
}

/// The gradients of the first step, before clipping.
fn first_gradients(model: &Model, config: &TrainConfig, folder: &Path) {
    let adapter = setup::adapter(model, config, &Quiet).unwrap();
    let vars = adapter.vars();
    let found = setup::examples(model, config, &config.data, &Quiet).unwrap();
    let examples = found.examples;
    let reference = evaluate::reference(model, &adapter, &examples, &Quiet).unwrap();
    let input = StepInput {
        model,
        adapter: &adapter,
        vars: &vars,
        config,
        step: 0,
        examples: &examples,
        reference: &reference,
    };
    let batches = Plan::new(config, examples.len()).batches(0);
    let outcome = step::run(&input, &batches, &|| Ok(())).unwrap();
    let expected = tensors(&folder.join("grads.safetensors"));
    assert_eq!(vars.len(), expected.len());
    for (index, (name, var)) in vars.iter().enumerate() {
        let gradient = outcome.gradients.get(index).unwrap().to_vec();
        let gradient = Tensor::from_vec(gradient, var.shape(), var.device()).unwrap();
        let largest =
            values(&expected[name]).iter().fold(0.0_f32, |max, value| max.max(value.abs()));
        let off = distance(&gradient, &expected[name]) / largest;
        assert!(off <= 1e-4, "{name}: off by {off} of its largest value");
    }
}

#[test]
fn dpo_sigmoid_is_that_of_trl() {
    replay("dpo_sigmoid");
}

#[test]
fn dpo_on_plain_text_is_that_of_trl() {
    replay("dpo_plain_text");
}

#[test]
fn dpo_ipo_is_that_of_trl() {
    replay("dpo_ipo");
}

#[test]
fn dpo_with_accumulation_clipping_and_warm_up_is_that_of_trl() {
    replay("dpo_accum_cosine");
}

#[test]
fn dpo_on_qwen3_is_that_of_trl() {
    replay("dpo_qwen3");
}

/// Losses, their weights, and TRL's losses and gradient norms of three steps.
type LossCase<'a> = (&'a [&'a str], &'a [f64], [f64; 3], [f64; 3]);

/// TRL 1.16.0's `DPOTrainer` on the rows and the adapter of `dpo_sigmoid`, with an accumulation of
/// 2, a constant rate of 1e-3, β 0.1 and ε 0.1.
#[test]
fn every_loss_and_their_weighted_sum_is_that_of_trl() {
    let cases: &[LossCase<'_>] = &[
        (&["hinge"], &[], [1.0, 1.0057772, 0.8306757], [2.0905163, 2.0987813, 2.0870922]),
        (&["exo_pair"], &[], [0.5108256, 0.5141954, 0.4225051], [1.1483337, 1.1664113, 1.0290517]),
        (&["nca_pair"], &[], [1.3862944, 1.3880365, 1.3464036], [0.5226291, 0.5484699, 0.4708540]),
        (&["robust"], &[], [LN_2, 0.6969541, 0.5916901], [1.3065727, 1.3259664, 1.1987157]),
        (&["bco_pair"], &[], [1.3862944, 1.3894517, 1.3056740], [1.0452582, 1.0621908, 0.9462822]),
        (&["sppo_hard"], &[], [50.0, 50.7926521, 36.1576538], [209.05165, 221.17920, 154.82503]),
        (&["apo_zero"], &[], [1.0, 1.0014440, 0.9578298], [0.5226291, 0.5242720, 0.5157259]),
        (&["apo_down"], &[], [1.0, 0.9899710, 0.9310889], [0.8022124, 0.4559345, 0.7711644]),
        (&["discopop"], &[], [0.8465736, 0.8484467, 0.8098347], [1.6395171, 1.0212137, 1.0434427]),
        (&["sigmoid_norm"], &[], [LN_2, 0.6931025, 0.6904001], [0.0328422, 0.0415249, 0.0333573]),
        (&["sft"], &[], [6.2582750, 6.1930428, 6.1830850], [0.8581064, 0.7772136, 0.8537316]),
        (
            &["sigmoid", "bco_pair", "sft"],
            &[0.8, 0.2, 1.0],
            [7.0900517, 7.0354347, 6.9765167],
            [1.3316319, 1.6667162, 1.2940044],
        ),
    ];
    let folder = reference("traces/dpo_sigmoid");
    let (model, config) = config(&folder);
    let model = load(&reference(&format!("models/{model}")), Weights::F32);
    for (losses, weights, expected, norms) in cases {
        let config = TrainConfig {
            loss_type: losses.iter().map(|&name| name.to_owned()).collect(),
            loss_weights: weights.to_vec(),
            label_smoothing: 0.1,
            gradient_accumulation_steps: 2,
            lr_scheduler_type: SchedulerType::Constant,
            max_steps: Some(3),
            ..config.clone()
        };
        let run_dir = tempfile::tempdir().unwrap();
        let steps = run(&model, &config, run_dir.path());
        for (step, (loss, norm)) in steps.iter().zip(expected.iter().zip(norms)) {
            let off = (step.loss - loss).abs();
            assert!(off <= 2e-4 * loss.max(1.0), "{losses:?}: loss {}, not {loss}", step.loss);
            let off = (step.grad_norm - norm).abs();
            assert!(off <= 5e-3 * norm, "{losses:?}: norm {}, not {norm}", step.grad_norm);
        }
    }
}

#[test]
fn supervised_fine_tuning_is_that_of_trl() {
    replay("sft");
}
