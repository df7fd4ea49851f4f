//! What a run reports: a line a step and a line an evaluation in `metrics.jsonl`, TRL's metrics under
//! TRL's names. Which there are: see `config::metric`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::confusion::{Confusion, Tested};
use super::landmarks::Landmarks;
use super::round::Round;
use super::samples::Sample;
use crate::train::config::metric::{Metric, MetricFacts, Said, Values, evaluated};

/// The metrics of one optimizer step, averaged over its micro-batches as TRL does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepMetrics {
    /// From 1.
    pub step: usize,
    pub epoch: f64,

    /// Tokens seen since the start of the run.
    pub num_tokens: u64,
    #[serde(flatten)]
    pub values: Values,

    /// Of GRPO and RLOO: what each reward gave, `rewards/length/mean`.
    #[serde(flatten)]
    pub named: Named,

    /// Wall time of this step, in seconds.
    pub step_secs: f64,
}

/// Metrics whose names the run file gives: `rewards/length/mean`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Named(BTreeMap<String, f64>);

impl Named {
    /// What is no number is left out.
    pub fn of(values: impl Iterator<Item = (String, f64)>) -> Self {
        Self(values.filter(|(_, value)| value.is_finite()).collect())
    }

    pub fn get(&self, key: &str) -> Option<f64> {
        self.0.get(key).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let all = BTreeMap::<String, Value>::deserialize(from)?;
        let is_named = |key: &String| {
            key.starts_with("rewards/") && (key.ends_with("/mean") || key.ends_with("/std"))
        };
        let named = all.into_iter().filter(|(key, _)| is_named(key));
        Ok(Self(named.filter_map(|(key, value)| Some((key, value.as_f64()?))).collect()))
    }
}

/// Metrics on the held-out pairs, as TRL has them where all of those are one batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvalMetrics {
    /// After this many steps.
    pub step: usize,
    pub pair_count: usize,
    #[serde(flatten, with = "evaluated")]
    pub values: Values,

    /// The same of the rows of each file, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceMetrics>,
}

/// Metrics on the held-out rows of one of a run's files, which are one batch here too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceMetrics {
    pub name: String,
    pub pair_count: usize,
    #[serde(flatten, with = "evaluated")]
    pub values: Values,
}

impl StepMetrics {
    /// A number that every step has.
    pub fn loss(&self) -> f64 {
        self.values.get(Metric::Loss).unwrap_or(f64::NAN)
    }

    /// `loss 0.6931 · 3.4 s a step · reward margin 0.050`
    pub fn words(&self) -> String {
        let mut parts = said(&self.values, Said::OfSteps);
        parts.insert(parts.len().min(1), format!("{:.1} s a step", self.step_secs));
        parts.join(" · ")
    }
}

impl EvalMetrics {
    /// A number that every evaluation has.
    pub fn loss(&self) -> f64 {
        self.values.get(Metric::Loss).unwrap_or(f64::NAN)
    }

    /// `after step 10: loss 0.5123, reward accuracy 0.92 on 12 held-out rows`
    pub fn words(&self) -> String {
        let parts = said(&self.values, Said::OfEvaluations).join(", ");
        let step = self.step;
        let mut words = match self.pair_count {
            0 => format!("after step {step}: {parts}"),
            rows => format!("after step {step}: {parts} on {rows} held-out rows"),
        };
        for SourceMetrics { name, pair_count, values } in &self.sources {
            let parts = said(values, Said::OfEvaluations).join(", ");
            words.push_str(&format!("; {name}: {parts} on {pair_count}"));
        }
        words
    }
}

/// The metrics that the command line says of a step or of an evaluation.
fn said(values: &Values, when: Said) -> Vec<String> {
    let said = values.iter().filter(|(metric, _)| {
        let said = metric.facts().said;
        said == when || said == Said::OfBoth
    });
    let parts = said.map(|(metric, value)| {
        let MetricFacts { title, decimals, .. } = *metric.facts();
        format!("{} {value:.decimals$}", title.to_lowercase())
    });
    parts.collect()
}

/// The best evaluation so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    pub step: usize,

    /// Of `metric_for_best_model`.
    pub value: f64,
}

/// What a run says while it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainEvent {
    /// Before the first step: `what` is a sentence (`Reference log-probabilities`), with its count.
    Preparing {
        what: String,
        done: usize,
        total: usize,

        /// What is counted, in the plural: `rows`, `tokens`, `MB`.
        unit: &'static str,

        /// How long the rest of it takes, as far as that can be told.
        secs_left: Option<f64>,
    },

    /// How many steps there will be, and how many pairs (rows) are trained on and held out.
    Planned {
        steps: usize,
        train_rows: usize,
        held_out_rows: usize,
    },

    /// Of pretraining: the losses of whoever only counts the tokens of the text.
    Landmarks(Landmarks),

    /// Something that the person should know and that does not stop the run.
    Warning(String),

    /// Something that is good to know.
    Noted(String),
    Step(StepMetrics),
    Evaluated(EvalMetrics),

    /// The answers of a round of GRPO or RLOO, with their rewards and advantages.
    Answered(Box<Round>),
    /// Which labels the held-out texts were given at the last evaluation.
    Confused(Confusion),

    /// The test part was opened, after the last step.
    Tested(Tested),

    /// The fixed prompt was answered by the model as it is now.
    Sampled(Sample),

    /// Something between two steps is done.
    Aside {
        what: Aside,
        secs: f64,
    },

    /// What is needed to resume after this step is on the disk.
    Saved {
        step: usize,
    },
}

impl TrainEvent {
    /// `done` of `total` things of about the same size, which were begun at `since`. `unit`: what they are called.
    pub fn preparing(
        what: &str,
        (done, total): (usize, usize),
        unit: &'static str,
        since: Instant,
    ) -> Self {
        let secs = since.elapsed().as_secs_f64();
        let left = || secs / done as f64 * total.saturating_sub(done) as f64;
        let secs_left = (done > 0 && secs > 1.0).then(left);
        Self::Preparing { what: what.to_owned(), done, total, unit, secs_left }
    }
}

/// What takes time between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aside {
    Evaluation,

    /// The answers of a round, at the beginning of a step.
    Rollout,
    Sample,
    Save,
}

/// How a run ended. A stopped run is a good end: its adapter is there.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    pub run_dir: PathBuf,

    /// The PEFT folder.
    pub adapter_dir: PathBuf,

    /// The transformers folder, where the model's own weights have learned: there is no adapter then.
    pub model_dir: Option<PathBuf>,
    pub steps_done: usize,
    pub steps_planned: usize,
    pub last_step: Option<StepMetrics>,
    pub evaluation: Option<EvalMetrics>,

    /// Its best evaluation.
    pub best: Option<Best>,

    /// Why it ended before its last step by itself.
    pub stopped_early: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_has_trls_names() {
        let values = Values::from([(Metric::Loss, 0.25), (Metric::RewardsMargins, 1.5)]);
        let named = Named::default();
        let step =
            StepMetrics { step: 3, epoch: 0.5, num_tokens: 120, values, named, step_secs: 2.0 };
        let line = serde_json::to_string(&step).unwrap();
        let expected = r#"{"step":3,"epoch":0.5,"num_tokens":120,"loss":0.25,"rewards/margins":1.5,"step_secs":2.0}"#;
        assert_eq!(line, expected);
        assert_eq!(serde_json::from_str::<StepMetrics>(&line).unwrap(), step);
        let evaluation = EvalMetrics { step: 3, pair_count: 12, values, ..EvalMetrics::default() };
        let line = serde_json::to_string(&evaluation).unwrap();
        let expected = r#"{"step":3,"pair_count":12,"eval_loss":0.25,"eval_rewards/margins":1.5}"#;
        assert_eq!(line, expected);
        assert_eq!(serde_json::from_str::<EvalMetrics>(&line).unwrap(), evaluation);
        let of_one = SourceMetrics {
            name: "neutral".to_owned(),
            pair_count: 2,
            values: [(Metric::Loss, 3.5)].into(),
        };
        let mixed = EvalMetrics { sources: vec![of_one], ..evaluation };
        let again = serde_json::to_string(&mixed).unwrap();
        let end = r#""sources":[{"name":"neutral","pair_count":2,"eval_loss":3.5}]}"#;
        assert!(again.ends_with(end), "{again}");
        assert_eq!(serde_json::from_str::<EvalMetrics>(&again).unwrap(), mixed);
        assert!(serde_json::from_str::<StepMetrics>(&line).is_err(), "an evaluation is no step");
    }

    #[test]
    fn what_the_command_line_says_follows_from_the_table() {
        let values = Values::from([
            (Metric::Loss, 0.69312),
            (Metric::GradNorm, 2.0),
            (Metric::RewardsMargins, 0.05),
            (Metric::RewardsAccuracies, 11.0 / 12.0),
        ]);
        let step = StepMetrics { step: 10, values, step_secs: 3.42, ..StepMetrics::default() };
        assert_eq!(step.words(), "loss 0.6931 · 3.4 s a step · reward margin 0.050");
        let evaluation = EvalMetrics { step: 10, pair_count: 12, values, ..EvalMetrics::default() };
        let expected = "after step 10: loss 0.6931, reward accuracy 0.92 on 12 held-out rows";
        assert_eq!(evaluation.words(), expected);
        let values = [(Metric::Loss, 3.5)].into();
        let of_one = SourceMetrics { name: "neutral".to_owned(), pair_count: 2, values };
        let mixed = EvalMetrics { sources: vec![of_one], ..evaluation };
        assert_eq!(mixed.words(), format!("{expected}; neutral: loss 3.5000 on 2"));
    }
}
