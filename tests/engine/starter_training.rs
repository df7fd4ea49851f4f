//! Training the real model. It is too large for the repository, and a run takes minutes: set
//! `TUNING_FORK_STARTER` to the path of `SmolLM2-135M-Instruct.Q4_1.gguf`, then
//! `cargo test --release --test engine starter_training -- --ignored --nocapture`.

use std::path::{Path, PathBuf};

use tuning_fork_engine::eval::comparison;
use tuning_fork_engine::jobs::{Cancelled, Progress, Quiet};
use tuning_fork_engine::llm::{Adapter, Weights};
use tuning_fork_engine::train;
use tuning_fork_engine::train::StartRequest;
use tuning_fork_engine::train::config::metric::Metric;
use tuning_fork_engine::train::config::{Objective, TrainConfig};
use tuning_fork_engine::train::record::metrics::TrainEvent;

use crate::support::load;

struct Print;

impl Progress<TrainEvent> for Print {
    fn emit(&self, event: TrainEvent) {
        match event {
            TrainEvent::Step(step) => {
                let of = |metric| step.values.get(metric).unwrap_or(f64::NAN);
                println!(
                    "step {} loss {:.4} margin {:.3} accuracy {:.2} norm {:.2} {:.2} s",
                    step.step,
                    step.loss(),
                    of(Metric::RewardsMargins),
                    of(Metric::RewardsAccuracies),
                    of(Metric::GradNorm),
                    step.step_secs
                );
            }
            TrainEvent::Preparing { .. } | TrainEvent::Saved { .. } => {}
            other => println!("{other:?}"),
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

#[test]
#[ignore = "needs the starter model and minutes"]
fn sixty_pairs_teach_the_starter_model_to_prefer_held_out_answers() {
    let path = std::env::var_os("TUNING_FORK_STARTER").expect("TUNING_FORK_STARTER is set");
    let model = load(Path::new(&path), Weights::F32);
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample_data/pairs.jsonl");
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<f64>().ok());
    let mut config = TrainConfig { data, ..TrainConfig::suggested(Objective::Dpo) };
    config.learning_rate = number("TUNING_FORK_LR").unwrap_or(config.learning_rate);
    config.max_steps = number("TUNING_FORK_STEPS").map_or(config.max_steps, |n| Some(n as usize));
    config.seed = number("TUNING_FORK_SEED").map_or(config.seed, |n| n as u64);
    let folder = tempfile::tempdir().unwrap();
    let run_dir = PathBuf::from(folder.path()).join("run");
    let request = StartRequest { config: config.clone(), run_dir: run_dir.clone(), cache: None };
    let summary = train::start(&model, &request, &Print).unwrap();
    println!("peak memory: {}", peak_memory());
    let evaluation = summary.evaluation.unwrap();
    assert!(evaluation.values.get(Metric::RewardsAccuracies).unwrap() >= 0.9, "{evaluation:?}");

    // Loaded back, the adapter is what it was: the inference path agrees with the training path.
    let adapter = Adapter::load(&run_dir, &model).unwrap();
    let found = comparison::compare(&model, &adapter, &config, &config.data, &Quiet).unwrap();
    println!("held-out pairs: {:?}, {:?}", found.accuracy, found.margin);
    assert!(found.accuracy.unwrap().value >= 0.9);
}

/// What the process took at most, as Linux says it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("unknown").to_owned()
}
