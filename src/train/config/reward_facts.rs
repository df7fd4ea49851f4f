//! What is known of reward models: see [`super::objective`].

use super::metric::Metric;
use super::objective_facts::{Head, Lines, ObjectiveFacts, Plot, Reference, Sequences, Setting};
use super::objective_table::{GRADIENT_NORM, LEARNING_RATE, SPEED};
use crate::data::forms::Want;

pub(super) const REWARD: ObjectiveFacts = ObjectiveFacts {
    name: "Reward model",
    key: "reward",
    explanation: "Reward model (Bradley-Terry): a score head on the last token learns to give the \
                  chosen answer of a pair a higher score than the rejected one. GRPO and RLOO can \
                  learn from its scores",
    aim: "Score answers as people would",
    before_the_first_step: None,
    columns: Want::Pairs,
    sequences: Sequences::ChosenAndRejected,
    head: Head::Score,
    reference: Reference::None,
    losses: &[],
    settings: &[Setting::Shuffle, Setting::CenterRewards, Setting::DisableDropout],
    learning_rate: 1e-4,
    suggested_learning_rate: 2e-4,
    metrics: &[
        Metric::Loss,
        Metric::GradNorm,
        Metric::LearningRate,
        Metric::Accuracy,
        Metric::Margin,
        Metric::MeanReward,
        Metric::MinReward,
        Metric::MaxReward,
    ],
    plots: &[
        Plot {
            title: "Loss",
            explanation: "What the run makes smaller. 0.693 is a coin toss between chosen and rejected; \
                          held-out pairs are not trained on",
            in_figure: Some("Loss"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::Loss))
        },
        Plot {
            title: "Accuracy",
            explanation: "Share of the pairs whose chosen answer has the higher score",
            across: Some((0.5, "coin toss")),
            in_view: Some((0.0, 1.0)),
            in_figure: Some("Accuracy"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::Accuracy))
        },
        Plot {
            title: "Margin",
            explanation: "The score of the chosen answer less that of the rejected one",
            across: Some((0.0, "zero")),
            in_figure: Some("Margin"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::Margin))
        },
        Plot {
            title: "Mean score",
            explanation: "Of chosen and rejected answers together. It may drift, as only differences are \
                          learned; center_rewards_coefficient holds it near zero",
            across: Some((0.0, "zero")),
            in_figure: Some("Mean score"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::MeanReward))
        },
        LEARNING_RATE,
        GRADIENT_NORM,
        SPEED,
    ],
};
