//! What is wrong with a prompt, a chain, or what they are filled with, in a sentence.

use std::io;
use std::path::PathBuf;

use super::calculator::CalculatorError;
use crate::data::table::ImportError;
use crate::encoder;
use crate::jobs::Cancelled;
use crate::llm;

#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    #[error("line {line}: {what}")]
    Toml { line: usize, what: String },

    #[error(
        "the file was written by a newer version of Tuning Fork: it says format = {found}, and this \
         version reads format = {known}. Get the newer version, or take out what is new and set \
         format = {known}"
    )]
    Newer { found: u32, known: u32 },

    /// A prompt that contradicts itself.
    #[error("{0}")]
    Unusable(String),

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("{}", no_such_prompt(.name, .meant.as_deref(), .known))]
    NoSuchPrompt { name: String, meant: Option<String>, known: String },

    #[error(
        "there is a prompt \"{name}\" in the project already: give this one another name, or remove \
         that file"
    )]
    NameTaken { name: String },

    #[error(
        "the prompt names {{{name}}}, and nothing is set for it. Give it a value: --set {name}=…, or \
         the field \"{name}\" in the window"
    )]
    NoValue { name: String },

    #[error("the table of examples could not be read")]
    Table(#[from] ImportError),

    #[error(
        "the table {table} has no column \"{column}\"{}; it has {known}. Correct the name in the \
         prompt's [examples]",
        suggested(.meant.as_deref())
    )]
    NoColumn { table: String, column: String, meant: Option<String>, known: String },

    #[error(
        "the table {table} has {rows} rows: there is no row {row}. Choose rows from 1 to {rows}"
    )]
    NoRow { table: String, row: usize, rows: usize },

    #[error(
        "the table {table} has {rows} rows to choose from, and {wanted} examples are wanted: ask for \
         {rows} or fewer"
    )]
    TooFewRows { table: String, rows: usize, wanted: usize },

    #[error(
        "{wanted} examples do not fit: with them the prompt has {tokens} tokens, and {room} of the \
         context's {context} are free for it beside {new} new tokens. {}",
        how_many_fit(*.fits)
    )]
    ExamplesDoNotFit {
        wanted: usize,
        tokens: usize,
        room: usize,
        context: usize,
        new: usize,
        fits: Option<usize>,
    },

    #[error(
        "step {step}: its prompt does not fit into the model's context. Shorten it, or let earlier \
         steps write fewer new tokens"
    )]
    StepDoesNotFit { step: usize, source: llm::Error },

    #[error("step {step}: the calculation failed: {source}")]
    Calculation { step: usize, source: CalculatorError },

    #[error(
        "step {step}: the model wrote no line that the calculator can work out, such as \
         `answer = 3 * 12`"
    )]
    NothingToCalculate { step: usize },

    #[error(
        "step {step}: after {turns} turns the model had not given a final answer. Allow more turns \
         (`turns` in the chain's file), or ask a stronger model"
    )]
    TooManyTurns { step: usize, turns: usize },

    #[error("the folder of texts {} could not be read", path.display())]
    Texts { path: PathBuf, source: ImportError },

    #[error(
        "the chain searches in the folder of texts \"{name}\", and there is no such folder in the \
         project: make it and put .txt, .md, .docx or .pdf files into it, or choose another with \
         --texts"
    )]
    NoTexts { name: String },

    #[error("there is no preset \"{name}\"; there are {known}")]
    NoPreset { name: String, known: String },

    #[error("there is a preset \"{name}\" already: give this one another name")]
    PresetTaken { name: String },

    #[error("the examples are chosen by an encoder, and it could not be used")]
    Encoder(#[from] encoder::Error),

    #[error(transparent)]
    Model(#[from] llm::Error),

    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl PromptError {
    /// Whether somebody stopped it.
    pub fn is_stop(&self) -> bool {
        matches!(self, Self::Cancelled(_) | Self::Model(llm::Error::Cancelled(_)))
    }
}

fn no_such_prompt(name: &str, meant: Option<&str>, known: &str) -> String {
    format!("there is no prompt \"{name}\"{}. There are: {known}", suggested(meant))
}

/// ` (did you mean "…"?)`, where something is near.
pub fn suggested(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!(" (did you mean \"{meant}\"?)"))
}

fn how_many_fit(fits: Option<usize>) -> String {
    match fits {
        None => "It does not fit without examples either: shorten it, or allow fewer new tokens"
            .to_owned(),
        Some(0) => {
            "None of them fits: shorten the prompt, or use a model with a longer context".to_owned()
        }
        Some(1) => "1 of them fits: ask for 1".to_owned(),
        Some(count) => format!("{count} of them fit: ask for {count} or fewer"),
    }
}

/// `"one", "two"`.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("\"{name}\"")).collect();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}
