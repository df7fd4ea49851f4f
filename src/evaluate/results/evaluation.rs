//! What was asked of which model, as `evaluation.json` has it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::server_way::ServerWay;
use crate::encoder::EncoderIdentity;
use crate::evaluate::task::Task;
use crate::evaluate::task::code::Code;
use crate::evaluate::task::scale::LabelScale;
use crate::evaluate::task::survey::Survey;
use crate::llm::card::ModelIdentity;

/// Everything that decides the answers, and when they were made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub task: Task,
    pub model: ModelIdentity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter_sha256: Option<String>,

    /// What chose the passages for questions about documents; without it, BM25 did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderIdentity>,
    pub data_sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codebook_sha256: Option<String>,

    /// Of the table that examples are from, where they are from another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples_sha256: Option<String>,

    /// The prompt with its names in braces.
    pub prompt: String,

    /// What an answer may be, where that is the same in every row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,

    /// Whether a row can have several of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub several: bool,

    /// Where these labels stand on a scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<LabelScale>,

    /// The columns with what people said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coders: Vec<String>,
    pub rows: usize,

    /// Of a model behind a server, how its answers were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<ServerWay>,

    /// Whether the model reads with one half and writes with the other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub encoder_decoder: bool,

    /// How the weights were kept in memory.
    pub weights: String,
    pub program: String,

    /// What it ran on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,

    /// RFC 3339, UTC.
    pub started: String,

    /// When the task's threshold was set, where that was after the answers were there. RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold_set: Option<String>,
}

/// What was different when an evaluation was begun, a few words each.
pub fn differences(begun: &Evaluation, now: &Evaluation) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |is_same: bool, words: String| {
        if !is_same {
            found.push(words);
        }
    };
    compare(begun.model.is_same(&now.model), format!("another model ({})", begun.model.words()));
    compare(begun.way == now.way, "a server that could do other things".to_owned());
    compare(begun.adapter_sha256 == now.adapter_sha256, "another adapter".to_owned());
    let is_same = match (&begun.encoder, &now.encoder) {
        (Some(begun), Some(now)) => begun.is_same(now),
        (begun, now) => begun.is_none() && now.is_none(),
    };
    let encoder = match &begun.encoder {
        Some(encoder) => format!("another encoder ({})", encoder.name()),
        None => "no encoder".to_owned(),
    };
    compare(is_same, encoder);
    compare(begun.weights == now.weights, format!("its weights kept {}", begun.weights));
    compare(begun.data_sha256 == now.data_sha256, "other data".to_owned());
    let beside =
        if begun.task.survey.is_some() { "other people or marginals" } else { "another codebook" };
    compare(begun.codebook_sha256 == now.codebook_sha256, beside.to_owned());
    compare(begun.examples_sha256 == now.examples_sha256, "other examples".to_owned());
    compare(begun.prompt == now.prompt, "another prompt".to_owned());
    let settings = |task: &Task| {
        let Task {
            split,
            examples,
            orders,
            seed,
            answer,
            score,
            id,
            code,
            exam,
            judge,
            rate,
            extract,
            write,
            survey,
            ask,
            perplexity,
            ..
        } = task.clone();
        // Where codebook, people and marginals lie does not matter; what is in them was compared above.
        let nowhere = |path: Option<PathBuf>| path.map(|_| PathBuf::new());
        let survey = survey.map(|survey| {
            let (personas, marginals) = (nowhere(survey.personas), nowhere(survey.marginals));
            Survey { personas, marginals, ..survey }
        });
        let code = code.map(|code| {
            let Code { text, codebook: _, human, threshold, inclusion, by, regression } = code;
            (text, human, threshold, inclusion, by, regression.map(|it| it.on))
        });
        let split = (split, examples.map(|examples| examples.count));
        let options = (code, exam, judge, rate);
        let texts = (extract, write, survey, ask, perplexity);
        (split, orders, (seed, answer, score, id), options, texts)
    };
    compare(settings(&begun.task) == settings(&now.task), "other settings".to_owned());
    found
}
