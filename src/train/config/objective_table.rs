//! The objectives' facts, a row each: see [`super::objective`].

use super::metric::Metric;
use super::objective_facts::{
    Head, LOSS_TYPES, Lines, ObjectiveFacts, Plot, Reference, Sequences, Setting,
};
use crate::data::forms::Want;

pub(super) const DPO: ObjectiveFacts = ObjectiveFacts {
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
    head: Head::Tokens,
    reference: Reference::Measured,
    losses: &LOSS_TYPES,
    settings: &[
        Setting::Beta,
        Setting::Losses,
        Setting::LossWeights,
        Setting::Shuffle,
        Setting::LabelSmoothing,
        Setting::Divergence,
        Setting::LdAlpha,
        Setting::UseWeighting,
        Setting::DisableDropout,
        Setting::TruncationMode,
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
        Metric::NeutralPerplexity,
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
        FORGETTING,
        LEARNING_RATE,
        GRADIENT_NORM,
        SPEED,
    ],
};

pub(super) const SFT: ObjectiveFacts = ObjectiveFacts {
    name: "SFT",
    key: "sft",
    explanation: "Supervised fine-tuning: imitate the chosen answers; the rejected ones are not \
                  used",
    aim: "Imitate answers: of pairs, the chosen ones",
    before_the_first_step: None,
    columns: Want::Answers,
    sequences: Sequences::One,
    head: Head::Tokens,
    reference: Reference::None,
    losses: &["nll", "dft"],
    settings: &[
        Setting::TokenLoss,
        Setting::CompletionOnlyLoss,
        Setting::AssistantOnlyLoss,
        Setting::TruncationMode,
        Setting::Packing,
        Setting::Shuffle,
    ],
    learning_rate: 2e-5,
    suggested_learning_rate: 2e-4,
    metrics: &[
        Metric::Loss,
        Metric::GradNorm,
        Metric::LearningRate,
        Metric::Entropy,
        Metric::MeanTokenAccuracy,
        Metric::NeutralPerplexity,
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
        FORGETTING,
        LEARNING_RATE,
        GRADIENT_NORM,
        SPEED,
    ],
};

pub(super) const KTO: ObjectiveFacts = ObjectiveFacts {
    name: "KTO",
    key: "kto",
    explanation: "Kahneman-Tversky Optimization: make answers that are labelled good more likely \
                  than they were, and bad ones less. No pairs are needed",
    aim: "Learn from good and bad answers",
    before_the_first_step: Some(
        "every answer is scored once by the model as it is now: the reference that the run is \
         held to",
    ),
    columns: Want::Labelled,
    sequences: Sequences::AnswerAndMismatched,
    head: Head::Tokens,
    reference: Reference::Measured,
    losses: &["kto", "apo_zero_unpaired"],
    settings: &[Setting::Beta, Setting::Losses, Setting::LabelWeights, Setting::DisableDropout],
    learning_rate: 1e-6,
    suggested_learning_rate: 1e-4,
    metrics: &[
        Metric::Loss,
        Metric::GradNorm,
        Metric::LearningRate,
        Metric::Kl,
        Metric::Entropy,
        Metric::RewardsChosen,
        Metric::RewardsRejected,
        Metric::RewardsMargins,
        Metric::LogpsChosen,
        Metric::LogpsRejected,
        Metric::LogitsChosen,
        Metric::LogitsRejected,
        Metric::NeutralPerplexity,
    ],
    plots: &[
        Plot {
            title: "Loss",
            explanation: "What the run makes smaller; held-out answers are not trained on",
            in_figure: Some("Loss"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::Loss))
        },
        Plot {
            title: "Rewards",
            explanation: "beta times how much likelier the good (chosen) and the bad (rejected) \
                          answers have become than under the model that the run began with, in nats",
            across: Some((0.0, "as at the start")),
            in_figure: Some("Rewards"),
            ..Plot::of(Lines::ChosenAndRejected(Metric::RewardsChosen, Metric::RewardsRejected))
        },
        Plot {
            title: "Reward margin",
            explanation: "The mean reward of the good answers less that of the bad ones",
            across: Some((0.0, "zero")),
            in_figure: Some("Reward margin"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::RewardsMargins))
        },
        Plot {
            title: "KL",
            explanation: "How much likelier answers to other prompts have become: what the rewards \
                          are measured from, never below zero",
            in_view: Some((0.0, 0.0)),
            in_figure: Some("KL"),
            ..Plot::of(Lines::Alone(Metric::Kl))
        },
        LOG_PROBABILITIES,
        FORGETTING,
        LEARNING_RATE,
        GRADIENT_NORM,
        SPEED,
    ],
};

pub(super) const ORPO: ObjectiveFacts = ObjectiveFacts {
    name: "ORPO",
    key: "orpo",
    explanation: "Odds Ratio Preference Optimization: imitate the chosen answers and make them \
                  likelier than the rejected ones at the same time, without a reference model",
    aim: "Imitate chosen answers, avoid rejected ones",
    before_the_first_step: None,
    columns: Want::Pairs,
    sequences: Sequences::ChosenAndRejected,
    head: Head::Tokens,
    reference: Reference::None,
    losses: &[],
    settings: &[Setting::Beta, Setting::Shuffle, Setting::DisableDropout],
    learning_rate: 1e-6,
    suggested_learning_rate: 1e-4,
    metrics: &[
        Metric::Loss,
        Metric::GradNorm,
        Metric::LearningRate,
        Metric::NllLoss,
        Metric::LogOddsRatio,
        Metric::LogOddsChosen,
        Metric::RewardsChosen,
        Metric::RewardsRejected,
        Metric::RewardsAccuracies,
        Metric::RewardsMargins,
        Metric::LogpsChosen,
        Metric::LogpsRejected,
        Metric::NeutralPerplexity,
    ],
    plots: &[
        PAIR_LOSS,
        Plot {
            title: "Surprise at chosen",
            explanation: "The mean surprise at each token of the prompts and chosen answers, in \
                          nats: the part of the loss that imitates",
            in_figure: Some("NLL of chosen"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::NllLoss))
        },
        Plot {
            title: "Log odds ratio",
            explanation: "How much better the odds of the chosen answers are than those of the \
                          rejected ones, as a logarithm. Above zero, chosen leads",
            across: Some((0.0, "equal odds")),
            in_figure: Some("Log odds of chosen"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::LogOddsChosen))
        },
        PAIR_ACCURACY,
        LOG_PROBABILITIES_A_TOKEN,
        FORGETTING,
        LEARNING_RATE,
        GRADIENT_NORM,
        SPEED,
    ],
};

pub(super) const CPO: ObjectiveFacts = ObjectiveFacts {
    name: "CPO",
    key: "cpo",
    explanation: "Contrastive Preference Optimization: as DPO without a reference model, and the \
                  chosen answers are imitated beside it. loss_type = simpo with cpo_alpha = 0 is \
                  SimPO",
    aim: "Prefer chosen, without a reference",
    before_the_first_step: None,
    columns: Want::Pairs,
    sequences: Sequences::ChosenAndRejected,
    head: Head::Tokens,
    reference: Reference::None,
    losses: &["sigmoid", "hinge", "ipo", "simpo", "alphapo"],
    settings: &[
        Setting::Beta,
        Setting::Losses,
        Setting::LabelSmoothing,
        Setting::Cpo,
        Setting::Shuffle,
        Setting::DisableDropout,
    ],
    learning_rate: 1e-6,
    suggested_learning_rate: 1e-4,
    metrics: &[
        Metric::Loss,
        Metric::GradNorm,
        Metric::LearningRate,
        Metric::NllLoss,
        Metric::RewardsChosen,
        Metric::RewardsRejected,
        Metric::RewardsAccuracies,
        Metric::RewardsMargins,
        Metric::LogpsChosen,
        Metric::LogpsRejected,
        Metric::NeutralPerplexity,
    ],
    plots: &[
        PAIR_LOSS,
        Plot {
            title: "Reward margin",
            explanation: "beta times the difference between the log-probabilities of the chosen \
                          and of the rejected answer; simpo and ipo take means over the tokens",
            across: Some((0.0, "equally likely")),
            in_figure: Some("Reward margin"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::RewardsMargins))
        },
        PAIR_ACCURACY,
        Plot {
            title: "Surprise at chosen",
            explanation: "The mean surprise at each token of the chosen answers, in nats: the part \
                          of the loss that imitates, times cpo_alpha. Zero without cpo_alpha",
            in_figure: Some("NLL of chosen"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::NllLoss))
        },
        Plot {
            title: "Log-probabilities",
            explanation: "How likely the model finds the answers, in nats: sums over their tokens; \
                          means for simpo and ipo",
            in_figure: Some("Log-probability of the answers"),
            ..Plot::of(Lines::ChosenAndRejected(Metric::LogpsChosen, Metric::LogpsRejected))
        },
        FORGETTING,
        LEARNING_RATE,
        GRADIENT_NORM,
        SPEED,
    ],
};

const PAIR_LOSS: Plot = Plot {
    title: "Loss",
    explanation: "What the run makes smaller; held-out pairs are not trained on",
    in_figure: Some("Loss"),
    ..Plot::of(Lines::TrainedAndHeldOut(Metric::Loss))
};

const PAIR_ACCURACY: Plot = Plot {
    title: "Accuracy",
    explanation: "Share of the pairs whose chosen answer the model finds likelier",
    across: Some((0.5, "coin toss")),
    in_view: Some((0.0, 1.0)),
    in_figure: Some("Reward accuracy"),
    ..Plot::of(Lines::TrainedAndHeldOut(Metric::RewardsAccuracies))
};

const LOG_PROBABILITIES: Plot = Plot {
    title: "Log-probabilities",
    explanation: "How likely the model finds the whole answers, in nats: sums over their tokens, \
                  so long answers are lower",
    in_figure: Some("Log-probability of the answers"),
    ..Plot::of(Lines::ChosenAndRejected(Metric::LogpsChosen, Metric::LogpsRejected))
};

const LOG_PROBABILITIES_A_TOKEN: Plot = Plot {
    title: "Log-probabilities",
    explanation: "How likely the model finds a token of the answers, in nats: means over their \
                  tokens",
    in_figure: Some("Log-probability of the answers"),
    ..Plot::of(Lines::ChosenAndRejected(Metric::LogpsChosen, Metric::LogpsRejected))
};

pub(super) const FORGETTING: Plot = Plot {
    title: "Perplexity on neutral text",
    explanation: "In paragraphs that have nothing to do with the rows, from before the first step on: where it \
                  rises, the model forgets what it knew",
    in_figure: Some("Perplexity on neutral text"),
    ..Plot::of(Lines::Evaluated(Metric::NeutralPerplexity))
};

pub(super) const LEARNING_RATE: Plot = Plot {
    title: "Learning rate",
    explanation: "How far each step goes, as the schedule says",
    in_view: Some((0.0, 0.0)),
    ..Plot::of(Lines::Alone(Metric::LearningRate))
};

pub(super) const GRADIENT_NORM: Plot = Plot {
    title: "Gradient norm",
    explanation: "Joint length of all gradients before they are clipped. Spikes are odd pairs; a \
                  steady climb is a learning rate that is too high",
    in_view: Some((0.0, 0.0)),
    in_figure: Some("Gradient norm"),
    ..Plot::of(Lines::Alone(Metric::GradNorm))
};

pub(super) const SPEED: Plot = Plot {
    title: "Tokens per second",
    explanation: "Tokens of prompts and answers that were trained on, over the time of the step",
    in_view: Some((0.0, 0.0)),
    ..Plot::of(Lines::Alone(Metric::TokensPerSec))
};

impl Plot {
    pub(super) const fn of(lines: Lines) -> Self {
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
