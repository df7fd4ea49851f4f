//! What is known of GRPO and RLOO: see [`super::objective`].

use super::metric::Metric;
use super::objective_facts::{Head, Lines, ObjectiveFacts, Plot, Reference, Sequences, Setting};
use super::objective_table::{FORGETTING, GRADIENT_NORM, LEARNING_RATE, SPEED};
use crate::data::forms::Want;

const METRICS: &[Metric] = &[
    Metric::Loss,
    Metric::GradNorm,
    Metric::LearningRate,
    Metric::Reward,
    Metric::RewardStd,
    Metric::FracRewardZeroStd,
    Metric::Kl,
    Metric::Beta,
    Metric::Entropy,
    Metric::CompletionsMeanLength,
    Metric::CompletionsMinLength,
    Metric::CompletionsMaxLength,
    Metric::CompletionsClippedRatio,
    Metric::CompletionsMeanTerminatedLength,
    Metric::CompletionsMinTerminatedLength,
    Metric::CompletionsMaxTerminatedLength,
    Metric::ClipRatioLowMean,
    Metric::ClipRatioLowMin,
    Metric::ClipRatioHighMean,
    Metric::ClipRatioHighMax,
    Metric::ClipRatioRegionMean,
    Metric::CispoClipRatio,
    Metric::NeutralPerplexity,
];

const PLOTS: &[Plot] = &[
    Plot {
        title: "Loss",
        explanation: "Minus the advantage, as the policy's ratios weigh it. It stays near zero whether the run \
                      goes well or not: the reward tells",
        across: Some((0.0, "zero")),
        in_figure: Some("Loss"),
        ..Plot::of(Lines::Alone(Metric::Loss))
    },
    Plot {
        title: "Reward",
        explanation: "The mean reward of the answers that were sampled: what the run makes larger; held-out \
                      prompts are answered too, and not learned from",
        in_figure: Some("Reward"),
        ..Plot::of(Lines::TrainedAndHeldOut(Metric::Reward))
    },
    Plot {
        title: "KL",
        explanation: "How far the model has gone from the one that the run began with, in nats a token. The \
                      leash (beta) holds it back; without a leash it is not measured",
        in_view: Some((0.0, 0.0)),
        in_figure: Some("KL"),
        ..Plot::of(Lines::Alone(Metric::Kl))
    },
    Plot {
        title: "Length",
        explanation: "Mean number of tokens of an answer. Where it climbs to the limit, look at the answers: \
                      the reward may be paid for length alone",
        in_view: Some((0.0, 0.0)),
        in_figure: Some("Length of answers"),
        ..Plot::of(Lines::Alone(Metric::CompletionsMeanLength))
    },
    Plot {
        title: "Entropy",
        explanation: "How undecided the model is at a token, in nats. Where it falls to zero, all answers are \
                      the same and nothing more is learned",
        in_view: Some((0.0, 0.0)),
        in_figure: Some("Entropy"),
        ..Plot::of(Lines::Alone(Metric::Entropy))
    },
    Plot {
        title: "Prompts without a difference",
        explanation: "Share of the answers whose group all got the same reward: nothing is learned from those",
        in_view: Some((0.0, 1.0)),
        ..Plot::of(Lines::Alone(Metric::FracRewardZeroStd))
    },
    Plot {
        title: "Clip share",
        explanation: "Share of the ratios that the loss holds at 1 - epsilon or 1 + epsilon_high. Zero where \
                      the answers of a round are learned from once",
        in_view: Some((0.0, 0.0)),
        ..Plot::of(Lines::Alone(Metric::ClipRatioRegionMean))
    },
    FORGETTING,
    LEARNING_RATE,
    GRADIENT_NORM,
    SPEED,
];

pub(super) const GRPO: ObjectiveFacts = ObjectiveFacts {
    name: "GRPO",
    key: "grpo",
    explanation: "Group Relative Policy Optimization: the model answers each prompt several times, rules \
                  reward the answers, and those that are better than the others become likelier",
    aim: "Earn rewards for own answers",
    before_the_first_step: None,
    columns: Want::Prompts,
    sequences: Sequences::One,
    head: Head::Tokens,
    reference: Reference::EachRound,
    losses: &["dapo", "grpo", "bnpo", "dr_grpo", "luspo", "cispo", "sapo"],
    settings: &[Setting::Beta, Setting::Losses, Setting::Shuffle, Setting::Policy],
    learning_rate: 1e-6,
    suggested_learning_rate: 2e-4,
    metrics: METRICS,
    plots: PLOTS,
};

pub(super) const RLOO: ObjectiveFacts = ObjectiveFacts {
    name: "RLOO",
    key: "rloo",
    explanation: "REINFORCE Leave-One-Out: as GRPO, but an answer is held against the mean of the others \
                  alone, and the KL is taken off its reward",
    losses: &[],
    settings: &[Setting::Beta, Setting::Shuffle, Setting::Policy],
    ..GRPO
};
