//! What a run of a prompt or a chain did, kept as a whole: enough to read it, and to do it again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::PromptError;
use super::examples::Chosen;
use super::filled::{Filled, Values};
use super::material::{Manner, Material, Mode};
use super::tools::ToolUse;
use crate::files;
use crate::llm::card::ModelIdentity;
use crate::llm::generate::StopReason;

/// The folder of the project that runs are kept in: beside the prompts.
pub const FOLDER: &str = "prompts/answers";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `tuning-fork 0.1.0`.
    pub program: String,
    pub name: String,

    /// RFC 3339 in UTC.
    pub started_at: String,
    pub model: ModelIdentity,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    pub values: Values,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub examples: Option<Chosen>,
    pub ended: Ended,

    /// Of the last step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    pub steps: Vec<StepRecord>,

    /// The prompt or the chain as it was.
    pub prompt: Material,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It has not, or nobody could say so.
    Running,
    Complete,
    Stopped,
    Failed(String),
}

/// What a step asked, and what came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// From 1.
    pub number: usize,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    pub mode: Mode,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub system: String,
    pub prompt: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub begin: String,
    pub settings: Manner,

    /// More than one where tools were used.
    pub turns: Vec<Turn>,

    /// What later steps get: without reasoning, and of a step with tools the final answer.
    pub answer: String,

    /// What the calculator worked out of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,

    /// Each line that was worked out, with its value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<ToolUse>,
}

/// What the model wrote at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// All that it saw, with special tokens.
    pub seen: String,
    pub prompt_tokens: usize,
    pub seed: u64,
    pub written: String,
    pub tokens: usize,
    pub stop: StopReason,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<ToolUse>,
}

impl StepRecord {
    pub fn new(number: usize, name: &str, filled: &Filled, settings: &Manner) -> Self {
        let Filled { mode, system, prompt, begin } = filled.clone();
        let (settings, name) = (settings.clone(), name.to_owned());
        let (turns, lines) = (Vec::new(), Vec::new());
        let answer = String::new();
        Self {
            number,
            name,
            mode,
            system,
            prompt,
            begin,
            settings,
            turns,
            answer,
            result: None,
            lines,
        }
    }
}

impl Record {
    /// Written whole, after each step.
    pub fn write(&self, path: &Path) -> Result<(), PromptError> {
        write_json(path, self)
    }
}

/// Texts and numbers as JSON that people can read, whole or not at all.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), PromptError> {
    let mut text = serde_json::to_string_pretty(value).expect("texts and numbers are JSON");
    text.push('\n');
    files::write_atomic(path, text.as_bytes())
        .map_err(|source| PromptError::Write { path: path.to_owned(), source })
}

/// A file of a run that is not there yet: `prompts/answers/<name>-<number>.json`.
pub fn new_path(project: &Path, name: &str) -> PathBuf {
    let folder = project.join(FOLDER);
    let mut paths = (1..).map(|number: usize| folder.join(format!("{name}-{number}.json")));
    paths.find(|path| !path.exists()).expect("there is no end of numbers")
}
