//! The facts of the objectives that learn from texts with labels, and from texts alone: see
//! [`super::objective`].

use super::metric::Metric;
use super::objective_facts::{Head, Lines, ObjectiveFacts, Plot, Reference, Sequences, Setting};
use super::objective_table::{GRADIENT_NORM, LEARNING_RATE, SPEED};
use crate::data::forms::Want;

/// transformers' `TrainingArguments`.
const USUAL_RATE: f64 = 5e-5;

const TEXT_LOSS: Plot = Plot {
    title: "Loss",
    explanation: "What the run makes smaller; held-out texts are not trained on",
    in_figure: Some("Loss"),
    ..Plot::of(Lines::TrainedAndHeldOut(Metric::Loss))
};

pub(super) const CLASSIFY: ObjectiveFacts = ObjectiveFacts {
    name: "Classify",
    key: "classify",
    explanation: "A classifier: learn to give each text its label (one of several, or any number of \
                  them) with a head on top of an encoder or a decoder",
    aim: "Give texts their labels",
    before_the_first_step: None,
    columns: Want::Answers,
    sequences: Sequences::One,
    head: Head::Tokens,
    reference: Reference::None,
    losses: &[],
    settings: &[Setting::Shuffle, Setting::Classes, Setting::TestPart, Setting::DisableDropout],
    learning_rate: USUAL_RATE,
    suggested_learning_rate: 5e-4,
    metrics: &[
        Metric::Loss,
        Metric::GradNorm,
        Metric::LearningRate,
        Metric::Accuracy,
        Metric::MacroF1,
    ],
    plots: &[
        TEXT_LOSS,
        Plot {
            title: "Macro F1",
            explanation: "The mean of the F1 of all labels: rare ones count as much as frequent ones",
            in_view: Some((0.0, 1.0)),
            in_figure: Some("Macro F1"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::MacroF1))
        },
        Plot {
            title: "Accuracy",
            explanation: "Share of the texts whose likeliest label is the right one",
            in_view: Some((0.0, 1.0)),
            in_figure: Some("Accuracy"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::Accuracy))
        },
        LEARNING_RATE,
        GRADIENT_NORM,
        SPEED,
    ],
};

pub(super) const REGRESS: ObjectiveFacts = ObjectiveFacts {
    name: "Regress",
    key: "regress",
    explanation: "A number for each text (a rating, a score), learned with a head on top of an \
                  encoder or a decoder: the loss is the mean squared error",
    aim: "Give texts their numbers",
    before_the_first_step: None,
    columns: Want::Answers,
    sequences: Sequences::One,
    head: Head::Tokens,
    reference: Reference::None,
    losses: &[],
    settings: &[Setting::Shuffle, Setting::TestPart, Setting::DisableDropout],
    learning_rate: USUAL_RATE,
    suggested_learning_rate: 5e-4,
    metrics: &[
        Metric::Loss,
        Metric::GradNorm,
        Metric::LearningRate,
        Metric::MeanAbsoluteError,
        Metric::Correlation,
    ],
    plots: &[
        TEXT_LOSS,
        Plot {
            title: "Correlation",
            explanation: "Pearson's r of the numbers that the model gives with the right ones",
            in_view: Some((0.0, 1.0)),
            in_figure: Some("Correlation"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::Correlation))
        },
        Plot {
            title: "Mean absolute error",
            explanation: "How far the numbers are from the right ones in the mean",
            in_view: Some((0.0, 0.0)),
            in_figure: Some("Mean absolute error"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::MeanAbsoluteError))
        },
        LEARNING_RATE,
        GRADIENT_NORM,
        SPEED,
    ],
};

pub(super) const MLM: ObjectiveFacts = ObjectiveFacts {
    name: "MLM",
    key: "mlm",
    explanation: "Masked language modelling: an encoder learns to guess words that are hidden in \
                  your texts, as in its pretraining. Labels are not needed",
    aim: "Guess hidden words",
    before_the_first_step: None,
    columns: Want::Answers,
    sequences: Sequences::One,
    head: Head::Tokens,
    reference: Reference::None,
    losses: &[],
    settings: &[Setting::Shuffle, Setting::Masking, Setting::DisableDropout],
    learning_rate: USUAL_RATE,
    suggested_learning_rate: 2e-4,
    metrics: &[Metric::Loss, Metric::GradNorm, Metric::LearningRate, Metric::Accuracy],
    plots: &[
        TEXT_LOSS,
        Plot {
            title: "Accuracy",
            explanation: "Share of the hidden words that are the model's first guess",
            in_view: Some((0.0, 1.0)),
            in_figure: Some("Accuracy"),
            ..Plot::of(Lines::TrainedAndHeldOut(Metric::Accuracy))
        },
        LEARNING_RATE,
        GRADIENT_NORM,
        SPEED,
    ],
};
