//! Every number that a run reports, in one table: its log, curves, plots, exported figures and
//! tables, the best checkpoint, and what the command line says of a step follow from it.

use std::collections::BTreeMap;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// What there is to say of a metric.
#[derive(Clone, Copy, Debug)]
pub struct MetricFacts {
    /// As TRL's log and our `metrics.jsonl` name it; of an evaluation with `eval_` before it.
    pub key: &'static str,

    /// As a person calls it.
    pub title: &'static str,
    pub explanation: &'static str,
    pub written: Written,

    /// Which way is better. `None`: the best checkpoint cannot be told by it.
    pub better: Option<Better>,

    /// Whether runs are laid over each other by it.
    pub compared: Compared,

    /// When the command line says it, and with how many decimals.
    pub said: Said,
    pub decimals: usize,

    /// What it is before the first step whatever the data, where a result is held against that.
    pub at_start: Option<&'static str>,
}

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Plain,

    /// A share of 1, as per cent.
    Percent,

    /// `5e-5`.
    Scientific,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Lower,
    Higher,
}

impl Better {
    /// Whether a value is better than another one.
    pub fn is_better(self, value: f64, than: f64) -> bool {
        match self {
            Self::Lower => value < than,
            Self::Higher => value > than,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    No,
    OnOneAxis,

    /// It measures something else for each objective: an axis for each.
    ByObjective,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Never,
    OfSteps,
    OfEvaluations,
    OfBoth,
}

/// What most metrics are like.
const PLAIN: MetricFacts = MetricFacts {
    key: "",
    title: "",
    explanation: "",
    written: Written::Plain,
    better: None,
    compared: Compared::No,
    said: Said::Never,
    decimals: 3,
    at_start: None,
};

/// A metric is a row, and nothing else is to be kept in step with the rows.
macro_rules! table {
    ($($name:ident $facts:tt)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $($name,)*
        }

        impl Metric {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub fn facts(self) -> &'static MetricFacts {
                match self {
                    $(Self::$name => const { &MetricFacts $facts },)*
                }
            }
        }
    };
}

table! {
    Loss {
        key: "loss",
        title: "Loss",
        explanation: "What the run makes smaller",
        better: Some(Better::Lower),
        compared: Compared::ByObjective,
        said: Said::OfBoth,
        decimals: 4,
        ..PLAIN
    }
    GradNorm {
        key: "grad_norm",
        title: "Gradient norm",
        explanation: "Joint length of all gradients before they are clipped",
        compared: Compared::OnOneAxis,
        ..PLAIN
    }
    LearningRate {
        key: "learning_rate",
        title: "Learning rate",
        explanation: "How far each step goes, as the schedule says",
        written: Written::Scientific,
        ..PLAIN
    }
    Entropy {
        key: "entropy",
        title: "Entropy",
        explanation: "Of the next-token distribution on the answers' tokens, in nats",
        ..PLAIN
    }
    MeanTokenAccuracy {
        key: "mean_token_accuracy",
        title: "Token accuracy",
        explanation: "Share of the (chosen) answers' tokens that the model would have picked itself",
        written: Written::Percent,
        compared: Compared::OnOneAxis,
        ..PLAIN
    }
    RewardsChosen {
        key: "rewards/chosen",
        title: "Reward of chosen",
        explanation: "beta times how much likelier the answer has become than under the reference",
        ..PLAIN
    }
    RewardsRejected {
        key: "rewards/rejected",
        title: "Reward of rejected",
        explanation: "beta times how much likelier the answer has become than under the reference",
        ..PLAIN
    }
    RewardsAccuracies {
        key: "rewards/accuracies",
        title: "Reward accuracy",
        explanation: "Share of the pairs whose chosen answer has the higher reward",
        written: Written::Percent,
        better: Some(Better::Higher),
        compared: Compared::OnOneAxis,
        said: Said::OfEvaluations,
        decimals: 2,
        at_start: Some("all tied"),
    }
    RewardsMargins {
        key: "rewards/margins",
        title: "Reward margin",
        explanation: "The reward of the chosen answer less that of the rejected one",
        better: Some(Better::Higher),
        compared: Compared::OnOneAxis,
        said: Said::OfSteps,
        at_start: Some("0.000"),
        ..PLAIN
    }
    LogpsChosen {
        key: "logps/chosen",
        title: "Log-probability of chosen",
        explanation: "In nats, summed over the answer",
        compared: Compared::OnOneAxis,
        ..PLAIN
    }
    LogpsRejected {
        key: "logps/rejected",
        title: "Log-probability of rejected",
        explanation: "In nats, summed over the answer",
        compared: Compared::OnOneAxis,
        ..PLAIN
    }
    LogitsChosen {
        key: "logits/chosen",
        title: "Mean logit of chosen",
        explanation: "Over the vocabulary and the answer's tokens",
        ..PLAIN
    }
    LogitsRejected {
        key: "logits/rejected",
        title: "Mean logit of rejected",
        explanation: "Over the vocabulary and the answer's tokens",
        ..PLAIN
    }
    Margin {
        key: "margin",
        title: "Margin",
        explanation: "The score of the chosen answer less that of the rejected one",
        better: Some(Better::Higher),
        compared: Compared::OnOneAxis,
        said: Said::OfSteps,
        ..PLAIN
    }
    MeanReward {
        key: "mean_reward",
        title: "Mean score",
        explanation: "Of all answers, chosen and rejected",
        ..PLAIN
    }
    MinReward {
        key: "min_reward",
        title: "Lowest score",
        explanation: "Of all answers, chosen and rejected",
        ..PLAIN
    }
    MaxReward {
        key: "max_reward",
        title: "Highest score",
        explanation: "Of all answers, chosen and rejected",
        ..PLAIN
    }
    Reward {
        key: "reward",
        title: "Reward",
        explanation: "The mean of the answers' rewards: the weighted sum of all rules",
        better: Some(Better::Higher),
        compared: Compared::OnOneAxis,
        said: Said::OfBoth,
        ..PLAIN
    }
    RewardStd {
        key: "reward_std",
        title: "Spread of the rewards",
        explanation: "Standard deviation of the rewards of all answers of the round",
        ..PLAIN
    }
    FracRewardZeroStd {
        key: "frac_reward_zero_std",
        title: "Prompts without a difference",
        explanation: "Share of the answers whose group all got the same reward: nothing is learned from those",
        written: Written::Percent,
        ..PLAIN
    }
    CompletionsMeanLength {
        key: "completions/mean_length",
        title: "Length",
        explanation: "Mean number of tokens of the answers",
        compared: Compared::OnOneAxis,
        said: Said::OfSteps,
        decimals: 1,
        ..PLAIN
    }
    CompletionsMinLength {
        key: "completions/min_length",
        title: "Shortest answer",
        explanation: "In tokens",
        ..PLAIN
    }
    CompletionsMaxLength {
        key: "completions/max_length",
        title: "Longest answer",
        explanation: "In tokens",
        ..PLAIN
    }
    CompletionsClippedRatio {
        key: "completions/clipped_ratio",
        title: "Cut answers",
        explanation: "Share of the answers that did not end within max_completion_length",
        written: Written::Percent,
        ..PLAIN
    }
    CompletionsMeanTerminatedLength {
        key: "completions/mean_terminated_length",
        title: "Length of ended answers",
        explanation: "Mean number of tokens of the answers that the model ended itself",
        ..PLAIN
    }
    CompletionsMinTerminatedLength {
        key: "completions/min_terminated_length",
        title: "Shortest ended answer",
        explanation: "In tokens",
        ..PLAIN
    }
    CompletionsMaxTerminatedLength {
        key: "completions/max_terminated_length",
        title: "Longest ended answer",
        explanation: "In tokens",
        ..PLAIN
    }
    ClipRatioLowMean {
        key: "clip_ratio/low_mean",
        title: "Clipped below",
        explanation: "Share of the ratios that are held at 1 - epsilon",
        written: Written::Percent,
        ..PLAIN
    }
    ClipRatioLowMin {
        key: "clip_ratio/low_min",
        title: "Clipped below, least",
        explanation: "The least share of any answer",
        written: Written::Percent,
        ..PLAIN
    }
    ClipRatioHighMean {
        key: "clip_ratio/high_mean",
        title: "Clipped above",
        explanation: "Share of the ratios that are held at 1 + epsilon_high",
        written: Written::Percent,
        ..PLAIN
    }
    ClipRatioHighMax {
        key: "clip_ratio/high_max",
        title: "Clipped above, most",
        explanation: "The largest share of any answer",
        written: Written::Percent,
        ..PLAIN
    }
    ClipRatioRegionMean {
        key: "clip_ratio/region_mean",
        title: "Clip share",
        explanation: "Share of the ratios that are held at one end or the other",
        written: Written::Percent,
        ..PLAIN
    }
    CispoClipRatio {
        key: "cispo_clip_ratio",
        title: "Clip share (CISPO)",
        explanation: "Share of the ratios that are held at epsilon_high",
        written: Written::Percent,
        ..PLAIN
    }
    NeutralPerplexity {
        key: "neutral_perplexity",
        title: "Perplexity on neutral text",
        explanation: "How many tokens the model hesitates between, on average, in paragraphs that have nothing to \
                      do with the rows: it rises where something is forgotten",
        said: Said::OfEvaluations,
        decimals: 2,
        ..PLAIN
    }
    Beta {
        key: "beta",
        title: "KL leash (beta)",
        explanation: "How strongly the model is held to the one that the run began with",
        ..PLAIN
    }
    Kl {
        key: "kl",
        title: "KL",
        explanation: "How far the model has gone from the one that the run began with, in nats a token (KTO: \
                      how much likelier answers to other prompts have become)",
        compared: Compared::OnOneAxis,
        ..PLAIN
    }
    NllLoss {
        key: "nll_loss",
        title: "Surprise at chosen",
        explanation: "Mean surprise at each token of the chosen answers (ORPO: of the prompts, \
                      too), in nats",
        compared: Compared::OnOneAxis,
        ..PLAIN
    }
    LogOddsRatio {
        key: "log_odds_ratio",
        title: "Log odds ratio",
        explanation: "ln σ of the log odds of chosen: what ORPO makes larger",
        ..PLAIN
    }
    LogOddsChosen {
        key: "log_odds_chosen",
        title: "Log odds of chosen",
        explanation: "ln of the odds of the chosen answer over those of the rejected one",
        ..PLAIN
    }
    Accuracy {
        key: "accuracy",
        title: "Accuracy",
        explanation: "Share of what is told right: texts with their labels, hidden words, pairs whose better answer has the higher score",
        written: Written::Percent,
        better: Some(Better::Higher),
        compared: Compared::OnOneAxis,
        said: Said::OfBoth,
        decimals: 2,
        ..PLAIN
    }
    MacroF1 {
        key: "macro_f1",
        title: "Macro F1",
        explanation: "The mean of the F1 of all labels: rare ones count as much as frequent ones",
        better: Some(Better::Higher),
        compared: Compared::OnOneAxis,
        said: Said::OfEvaluations,
        ..PLAIN
    }
    MeanAbsoluteError {
        key: "mean_absolute_error",
        title: "Mean absolute error",
        explanation: "How far the numbers are from the right ones in the mean",
        better: Some(Better::Lower),
        compared: Compared::OnOneAxis,
        said: Said::OfEvaluations,
        ..PLAIN
    }
    Correlation {
        key: "pearson",
        title: "Correlation",
        explanation: "Pearson's r of the numbers with the right ones",
        better: Some(Better::Higher),
        compared: Compared::OnOneAxis,
        said: Said::OfEvaluations,
        ..PLAIN
    }
    // Follows from the others, so no file has it.
    TokensPerSec {
        key: "tokens_per_sec",
        title: "Tokens per second",
        explanation: "Tokens of prompts and answers that were trained on, over the time of the step",
        ..PLAIN
    }
}

impl Metric {
    /// By its key, as a step's or as an evaluation's.
    pub fn by_key(key: &str) -> Option<Self> {
        let key = key.strip_prefix(EVALUATED).unwrap_or(key);
        Self::ALL.iter().copied().find(|metric| metric.facts().key == key)
    }

    /// Its key as an evaluation has it.
    pub fn evaluated(self) -> String {
        format!("{EVALUATED}{}", self.facts().key)
    }
}

/// What transformers writes before the name of a metric on held-out rows.
const EVALUATED: &str = "eval_";

/// What was found, a number for each metric that there is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values([Option<f64>; Metric::ALL.len()]);

impl Default for Values {
    fn default() -> Self {
        Self([None; Metric::ALL.len()])
    }
}

impl<const N: usize> From<[(Metric, f64); N]> for Values {
    fn from(values: [(Metric, f64); N]) -> Self {
        let mut all = Self::default();
        for (metric, value) in values {
            all.set(metric, value);
        }
        all
    }
}

impl Values {
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.0[metric as usize]
    }

    pub fn set(&mut self, metric: Metric, value: f64) {
        self.0[metric as usize] = Some(value);
    }

    /// With those of `other` in place of its own.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for (metric, value) in other.iter() {
            self.set(metric, value);
        }
        self
    }

    pub fn iter(&self) -> impl Iterator<Item = (Metric, f64)> {
        Metric::ALL.iter().filter_map(|metric| Some((*metric, self.get(*metric)?)))
    }

    /// As it is drawn.
    pub fn drawn(&self, metric: Metric) -> Option<f64> {
        // A tie is not a win in TRL's count. Before the adapter has changed anything all pairs tie,
        // and 0 % would read as "all wrong".
        let is_zero = |metric| self.get(metric) == Some(0.0);
        let all_tie = is_zero(Metric::RewardsMargins) && is_zero(Metric::RewardsAccuracies);
        self.get(metric).filter(|_| !(all_tie && metric == Metric::RewardsAccuracies))
    }

    fn write<S: Serializer>(&self, to: S, prefix: &str) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for (metric, value) in self.iter() {
            map.serialize_entry(&format!("{prefix}{}", metric.facts().key), &value)?;
        }
        map.end()
    }

    /// Keys that are not in the table are of a later version; what is no number is none.
    fn read<'de, D: Deserializer<'de>>(from: D, prefix: &str) -> Result<Self, D::Error> {
        let found = BTreeMap::<String, Value>::deserialize(from)?;
        let mut all = Self::default();
        for metric in Metric::ALL {
            let value = found.get(&format!("{prefix}{}", metric.facts().key));
            if let Some(value) = value.and_then(Value::as_f64) {
                all.set(*metric, value);
            }
        }
        Ok(all)
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.write(to, "")
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::read(from, "")
    }
}

/// Values under the names of an evaluation: `eval_loss`.
pub mod evaluated {
    use super::{Deserializer, EVALUATED, Serializer, Values};

    pub fn serialize<S: Serializer>(values: &Values, to: S) -> Result<S::Ok, S::Error> {
        values.write(to, EVALUATED)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Values, D::Error> {
        Values::read(from, EVALUATED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_name_of_its_own_and_is_found_by_it() {
        for metric in Metric::ALL {
            let facts = metric.facts();
            assert_eq!(Metric::by_key(facts.key), Some(*metric));
            assert_eq!(Metric::by_key(&metric.evaluated()), Some(*metric));
            assert!(!facts.title.is_empty() && !facts.explanation.is_empty(), "{metric:?}");
        }
        assert_eq!(Metric::by_key("bleu"), None);
    }

    #[test]
    fn values_come_back_under_trls_names() {
        let values = Values::from([(Metric::RewardsMargins, 0.5), (Metric::Loss, 1.0 / 3.0)]);
        let text = serde_json::to_string(&values).unwrap();
        assert_eq!(text, r#"{"loss":0.3333333333333333,"rewards/margins":0.5}"#);
        assert_eq!(serde_json::from_str::<Values>(&text).unwrap(), values);
        let odd = r#"{"loss": null, "rewards/margins": 2, "of a later version": "x"}"#;
        let found: Values = serde_json::from_str(odd).unwrap();
        assert_eq!(found, Values::from([(Metric::RewardsMargins, 2.0)]));
    }

    #[test]
    fn accuracy_begins_where_not_all_pairs_tie() {
        let of = |margin, accuracy| {
            let values = [(Metric::RewardsMargins, margin), (Metric::RewardsAccuracies, accuracy)];
            Values::from(values).drawn(Metric::RewardsAccuracies)
        };
        assert_eq!((of(0.0, 0.0), of(0.5, 0.0), of(0.5, 1.0)), (None, Some(0.0), Some(1.0)));
    }
}
