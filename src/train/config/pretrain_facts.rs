//! The facts of pretraining: see [`super::objective`].

use super::metric::Metric;
use super::objective_facts::{Head, Lines, ObjectiveFacts, Plot, Reference, Sequences, Setting};
use super::objective_table::{GRADIENT_NORM, LEARNING_RATE, SPEED};
use crate::data::forms::Want;

pub(super) const PRETRAIN: ObjectiveFacts = ObjectiveFacts {
    name: "Pretrain",
    key: "pretrain",
    explanation: "Pretraining: learn to predict the next token of a text, from nothing or on top of a \
                  model that is there",
    aim: "Learn to continue a text",
    before_the_first_step: None,
    columns: Want::Answers,
    sequences: Sequences::One,
    head: Head::Tokens,
    reference: Reference::None,
    losses: &[],
    settings: &[Setting::Shuffle, Setting::Windows],
    // transformers' `TrainingArguments`
    learning_rate: 5e-5,
    suggested_learning_rate: 3e-3,
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
            explanation: "The mean surprise at each token, in nats. The lines are the losses of models that \
                          know nothing, how frequent each token is, and which token follows which",
            in_figure: Some("Loss"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::Loss))
        },
        Plot {
            title: "Token accuracy",
            explanation: "Share of the tokens that the model would have picked itself",
            in_view: Some((0.0, 1.0)),
            in_figure: Some("Token accuracy"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::MeanTokenAccuracy))
        },
        LEARNING_RATE,
        GRADIENT_NORM,
        SPEED,
    ],
};
