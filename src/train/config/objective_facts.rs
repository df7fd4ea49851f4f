//! What is known of an objective beside its arithmetic, as types: see [`super::objective`].

use super::metric::Metric;
use crate::data::forms::Want;

/// Everything about an objective but its arithmetic.
#[derive(Clone, Copy, Debug)]
pub struct ObjectiveFacts {
    /// `DPO`
    pub name: &'static str,

    /// In run files and in the names of folders: `dpo`.
    pub key: &'static str,

    /// Its name written out, and what it does.
    pub explanation: &'static str,

    /// The same in four words.
    pub aim: &'static str,

    /// What there is to wait for before the first step, after the model is loaded.
    pub before_the_first_step: Option<&'static str>,

    /// The columns that it learns from.
    pub columns: Want,

    /// The sequences of a row that are run through the model.
    pub sequences: Sequences,

    /// What is read of a sequence.
    pub head: Head,

    /// Whether a run is held to the model that it began with.
    pub reference: Reference,

    /// Its losses by TRL's names, the usual one first. Empty: it has one loss, without a name.
    pub losses: &'static [&'static str],

    /// The settings that not every objective has.
    pub settings: &'static [Setting],

    /// TRL's default.
    pub learning_rate: f64,

    /// One that a small model learns something visible with in some tens of steps.
    pub suggested_learning_rate: f64,

    /// What it reports of each step.
    pub metrics: &'static [Metric],

    /// In their order; the loss comes first.
    pub plots: &'static [Plot],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequences {
    /// Prompt and answer, or a text.
    One,

    /// The prompt with each of two answers.
    ChosenAndRejected,

    /// Prompt and answer, and the prompt with the answer of another row.
    AnswerAndMismatched,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// The probabilities of its tokens.
    Tokens,

    /// The scores of its last token, by a head that is trained with the adapter.
    Score,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// Every row is measured before the first step.
    Measured,

    /// The answers of each round are measured where beta is above 0.
    EachRound,
    None,
}

/// A setting that belongs to some objectives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    Beta,

    /// `loss_type`, one of the objective's own.
    Losses,

    /// `loss_type`, of single tokens.
    TokenLoss,

    /// Several losses, with `loss_weights`.
    LossWeights,
    LabelSmoothing,

    /// `f_divergence_type` and `f_alpha_divergence_coef`.
    Divergence,
    LdAlpha,
    UseWeighting,
    DisableDropout,
    CompletionOnlyLoss,
    AssistantOnlyLoss,
    TruncationMode,

    /// `stride`, and the shape of a model that is born: a text is read in windows.
    Windows,
    Packing,
    Shuffle,

    /// `desirable_weight` and `undesirable_weight`.
    LabelWeights,

    /// `cpo_alpha`, `simpo_gamma` and `alpha`.
    Cpo,

    /// `class_weights`, `soft_labels` and `problem_type`.
    Classes,

    /// `test_share`, and the columns `split` and `group`.
    TestPart,

    /// `mlm_probability`.
    Masking,

    /// `center_rewards_coefficient`.
    CenterRewards,

    /// `[policy]` and `[[rewards]]`.
    Policy,
}

/// A plot over the steps.
#[derive(Clone, Copy, Debug)]
pub struct Plot {
    pub title: &'static str,
    pub explanation: &'static str,

    /// In place of the explanation where the loss begins at that of a coin toss.
    pub of_coin_toss: Option<&'static str>,
    pub lines: Lines,

    /// A line across it: where, and what it is.
    pub across: Option<(f64, &'static str)>,

    /// Values that are always in view.
    pub in_view: Option<(f64, f64)>,

    /// Its title in an exported figure. `None`: it is not in there.
    pub in_figure: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Of the steps, and where it was measured, of the held-out rows.
    TrainedAndHeldOut(Metric),
    ChosenAndRejected(Metric, Metric),

    /// Of the steps alone.
    Alone(Metric),

    /// Of the evaluations alone; no plot where they do not have it.
    Evaluated(Metric),
}

impl Lines {
    /// What is drawn first.
    pub fn first(self) -> Metric {
        match self {
            Self::TrainedAndHeldOut(metric)
            | Self::ChosenAndRejected(metric, _)
            | Self::Alone(metric)
            | Self::Evaluated(metric) => metric,
        }
    }
}

/// The DPO losses that this version knows, under TRL's names.
pub const LOSS_TYPES: [&str; 15] = [
    "sigmoid",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sigmoid_norm",
    "sft",
];
