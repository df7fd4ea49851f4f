//! The objectives: what each of them is called, wants, reports and shows.
//!
//! Everything else asks here, but for three matches that do not compile without a new one: its loss and where that begins
//! (`train::objective::choose`), and what its curves mean in words (`state::train::reading`).

use serde::{Deserialize, Serialize};

use super::metric::Metric;
use crate::data::forms::Want;

/// What a run optimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Direct Preference Optimization (Rafailov et al. 2023).
    #[default]
    Dpo,

    /// Supervised fine-tuning on the completions.
    Sft,
}

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

    /// Whether a run is held to the model that it began with.
    pub reference: Reference,

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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// Every row is measured before the first step.
    Measured,
    None,
}

/// A setting that belongs to some objectives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    Beta,

    /// `loss_type` and `loss_weights`.
    Losses,
    LabelSmoothing,

    /// `f_divergence_type` and `f_alpha_divergence_coef`.
    Divergence,
    LdAlpha,
    UseWeighting,
    DisableDropout,
    CompletionOnlyLoss,
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
}

impl Lines {
    /// What is drawn first.
    pub fn first(self) -> Metric {
        match self {
            Self::TrainedAndHeldOut(metric)
            | Self::ChosenAndRejected(metric, _)
            | Self::Alone(metric) => metric,
        }
    }
}

impl Objective {
    /// In the order in which they are offered.
    pub const ALL: [Self; Self::count()] = {
        let mut all = [Self::Dpo; Self::count()];
        let mut place = 0;
        while let Some(next) = all[place].next() {
            place += 1;
            all[place] = next;
        }
        all
    };

    const fn next(self) -> Option<Self> {
        match self {
            Self::Dpo => Some(Self::Sft),
            Self::Sft => None,
        }
    }

    const fn count() -> usize {
        let mut count = 1;
        let mut last = Self::Dpo;
        while let Some(next) = last.next() {
            count += 1;
            last = next;
        }
        count
    }

    pub fn facts(self) -> &'static ObjectiveFacts {
        match self {
            Self::Dpo => &DPO,
            Self::Sft => &SFT,
        }
    }

    /// Whether a setting that not every objective has is one of its own.
    pub fn has(self, setting: Setting) -> bool {
        self.facts().settings.contains(&setting)
    }

    /// What tells its best checkpoint, under transformers' names.
    pub fn best_model_metrics(self) -> Vec<String> {
        let told_by = self.facts().metrics.iter().filter(|metric| metric.facts().better.is_some());
        told_by.map(|metric| metric.evaluated()).collect()
    }
}

const DPO: ObjectiveFacts = ObjectiveFacts {
    name: "DPO",
    key: "dpo",
    explanation: "Direct Preference Optimization: make the chosen answer more likely relative to \
                  the rejected one",
    aim: "Prefer the chosen answer",
    before_the_first_step: Some(
        "every answer is scored once by the model as it is now: the reference that the run is \
         held to",
    ),
    columns: Want::Pairs,
    sequences: Sequences::ChosenAndRejected,
    reference: Reference::Measured,
    settings: &[
        Setting::Beta,
        Setting::Losses,
        Setting::LabelSmoothing,
        Setting::Divergence,
        Setting::LdAlpha,
        Setting::UseWeighting,
        Setting::DisableDropout,
    ],
    learning_rate: 1e-6,
    // Ten times what TRL's documentation suggests for LoRA, which is meant for billions of weights.
    // Measured on SmolLM2-135M-Instruct and the 60 sample pairs (12 held out): accuracy there 0.92
    // after 10 steps and 1.00 after 20, loss 0.39.
    suggested_learning_rate: 1e-4,
    metrics: &[
        Metric::Loss,
        Metric::GradNorm,
        Metric::LearningRate,
        Metric::Entropy,
        Metric::MeanTokenAccuracy,
        Metric::RewardsChosen,
        Metric::RewardsRejected,
        Metric::RewardsAccuracies,
        Metric::RewardsMargins,
        Metric::LogpsChosen,
        Metric::LogpsRejected,
        Metric::LogitsChosen,
        Metric::LogitsRejected,
    ],
    plots: &[
        Plot {
            title: "Loss",
            explanation: "What the run makes smaller; held-out pairs are not trained on",
            of_coin_toss: Some(
                "What the run makes smaller. 0.693 is a coin toss between chosen and rejected; \
                 held-out pairs are not trained on",
            ),
            in_figure: Some("Loss"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::Loss))
        },
        Plot {
            title: "Reward margin",
            explanation: "The reward of the chosen answer less that of the rejected one: how far \
                          they have been moved apart",
            across: Some((0.0, "zero")),
            in_figure: Some("Reward margin"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::RewardsMargins))
        },
        Plot {
            title: "Rewards",
            explanation: "beta times how much likelier the answer has become than under the model \
                          that the run began with, in nats",
            across: Some((0.0, "as at the start")),
            in_figure: Some("Rewards"),
            ..Plot::of(Lines::ChosenAndRejected(Metric::RewardsChosen, Metric::RewardsRejected))
        },
        Plot {
            title: "Accuracy",
            explanation: "Share of the pairs whose chosen answer has the higher reward",
            across: Some((0.5, "coin toss")),
            in_view: Some((0.0, 1.0)),
            in_figure: Some("Reward accuracy"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::RewardsAccuracies))
        },
        Plot {
            title: "Log-probabilities",
            explanation: "How likely the model finds the whole answers, in nats: sums over their \
                          tokens, so long answers are lower",
            in_figure: Some("Log-probability of the answers"),
            ..Plot::of(Lines::ChosenAndRejected(Metric::LogpsChosen, Metric::LogpsRejected))
        },
        LEARNING_RATE,
        GRADIENT_NORM,
        SPEED,
    ],
};

const SFT: ObjectiveFacts = ObjectiveFacts {
    name: "SFT",
    key: "sft",
    explanation: "Supervised fine-tuning: imitate the chosen answers; the rejected ones are not \
                  used",
    aim: "Imitate the chosen answers",
    before_the_first_step: None,
    columns: Want::Answers,
    sequences: Sequences::One,
    reference: Reference::None,
    settings: &[Setting::CompletionOnlyLoss],
    learning_rate: 2e-5,
    suggested_learning_rate: 2e-4,
    metrics: &[
        Metric::Loss,
        Metric::GradNorm,
        Metric::LearningRate,
        Metric::Entropy,
        Metric::MeanTokenAccuracy,
    ],
    plots: &[
        Plot {
            title: "Loss",
            explanation: "What the run makes smaller: the mean surprise at each token of the \
                          chosen answers, in nats; held-out answers are not trained on",
            in_figure: Some("Loss"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::Loss))
        },
        Plot {
            title: "Token accuracy",
            explanation: "Share of the answers' tokens that the model would have picked itself",
            in_view: Some((0.0, 1.0)),
            in_figure: Some("Token accuracy"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::MeanTokenAccuracy))
        },
        LEARNING_RATE,
        GRADIENT_NORM,
        SPEED,
    ],
};

const LEARNING_RATE: Plot = Plot {
    title: "Learning rate",
    explanation: "How far each step goes, as the schedule says",
    in_view: Some((0.0, 0.0)),
    ..Plot::of(Lines::Alone(Metric::LearningRate))
};

const GRADIENT_NORM: Plot = Plot {
    title: "Gradient norm",
    explanation: "Joint length of all gradients before they are clipped. Spikes are odd pairs; a \
                  steady climb is a learning rate that is too high",
    in_view: Some((0.0, 0.0)),
    in_figure: Some("Gradient norm"),
    ..Plot::of(Lines::Alone(Metric::GradNorm))
};

const SPEED: Plot = Plot {
    title: "Tokens per second",
    explanation: "Tokens of prompts and answers that were trained on, over the time of the step",
    in_view: Some((0.0, 0.0)),
    ..Plot::of(Lines::Alone(Metric::TokensPerSec))
};

impl Plot {
    const fn of(lines: Lines) -> Self {
        Self {
            title: "",
            explanation: "",
            of_coin_toss: None,
            lines,
            across: None,
            in_view: None,
            in_figure: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objective_is_written_by_its_key_and_begins_with_its_loss() {
        for objective in Objective::ALL {
            let facts = objective.facts();
            assert_eq!(serde_json::to_value(objective).unwrap(), facts.key);
            assert_eq!(facts.metrics.first(), Some(&Metric::Loss));
            assert_eq!(facts.plots.first().map(|plot| plot.lines.first()), Some(Metric::Loss));
        }
    }

    #[test]
    fn what_is_drawn_is_reported() {
        for objective in Objective::ALL {
            let ObjectiveFacts { metrics, plots, .. } = objective.facts();
            for plot in *plots {
                let metric = plot.lines.first();
                // How fast it goes follows from the others.
                assert!(metrics.contains(&metric) || metric == Metric::TokensPerSec, "{metric:?}");
                assert!(!plot.title.is_empty() && !plot.explanation.is_empty(), "{metric:?}");
            }
        }
    }

    #[test]
    fn the_best_checkpoint_is_told_by_what_is_better_one_way() {
        let dpo = Objective::Dpo.best_model_metrics();
        assert_eq!(dpo, ["eval_loss", "eval_rewards/accuracies", "eval_rewards/margins"]);
        assert_eq!(Objective::Sft.best_model_metrics(), ["eval_loss"]);
    }
}
