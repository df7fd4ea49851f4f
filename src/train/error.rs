//! Why a training run could not be started, resumed or finished.

use std::io;
use std::path::PathBuf;

use super::config::ConfigProblem;
use super::config::run_file::RunFileError;
use super::rows::RowsError;
use crate::encoder;
use crate::llm;
use crate::words::gigabytes;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the settings cannot be used: {}", sentences(.0))]
    Config(Vec<ConfigProblem>),

    #[error(transparent)]
    RunFile(RunFileError),

    #[error("the training data could not be read")]
    Data(#[source] RowsError),

    #[error("{} has no rows", .0.display())]
    NoRows(PathBuf),

    #[error("nothing is left of {rows} rows: {why}")]
    NothingLeft { rows: usize, why: String },

    #[error("line {line} could not be put through the model's tokenizer and chat template")]
    Tokenize { line: usize, source: Box<dyn std::error::Error + Send + Sync> },

    #[error(
        "line {line} is a conversation, and the model has no chat template; rows with plain text \
         work"
    )]
    NoChatTemplate { line: usize },

    #[error(
        "assistant_only_loss needs a chat template that marks what the assistant writes, with \
         {{% generation %}} and {{% endgeneration %}}, and the model's does not. Put one that does into its \
         folder as chat_template.jinja; or switch assistant_only_loss off and take rows of prompt and \
         completion"
    )]
    NoGenerationTags,

    #[error(
        "line {line} is plain text, and assistant_only_loss is for dialogues: give it as messages, or switch \
         assistant_only_loss off"
    )]
    NotADialogue { line: usize },

    #[error(
        "line {line} has nothing that the chat template marks as an assistant's, and assistant_only_loss \
         learns nothing else: leave it out, or give it an assistant's turn"
    )]
    NoAssistant { line: usize },

    #[error("the model could not be run")]
    Model(#[from] llm::error::Error),

    #[error(transparent)]
    Encoder(#[from] encoder::Error),

    #[error("the adapter {} cannot be continued", path.display())]
    Adapter { path: PathBuf, source: llm::error::Error },

    #[error(
        "nothing of this model would learn: with method = \"bias\" its biases do, and it has none; take \
         method = \"lora\" or \"full\""
    )]
    NothingLearns,

    #[error("a computation failed")]
    Tensor(#[from] candle_core::Error),

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} already holds a run; resume it or choose another folder", .0.display())]
    Occupied(PathBuf),

    #[error("{} is being written to by another run", .0.display())]
    Busy(PathBuf),

    #[error("{} holds no checkpoint to resume from", .0.display())]
    NoCheckpoint(PathBuf),

    #[error("the checkpoint {} is damaged: {problem}", path.display())]
    Checkpoint { path: PathBuf, problem: String },

    #[error("the run was started with another model: {started_with}, and this is {loaded}")]
    OtherModel { started_with: String, loaded: String },

    #[error(
        "the {what} of step {step} is not a number, so the run was ended; the adapter of step \
         {kept_step} is kept. A tenth of the learning rate usually helps"
    )]
    NotFinite { what: &'static str, step: usize, kept_step: usize },

    #[error(
        "the run needs {} of memory, and {} are free here. {}",
        gigabytes(*needed), gigabytes(*free), what_else(changes)
    )]
    Memory { needed: u64, free: u64, changes: Vec<String> },

    #[error(
        "there was no memory left for {} more, so the run was ended; what was saved last is kept",
        gigabytes(*bytes)
    )]
    OutOfMemory { bytes: u64 },

    #[error("no gradient reaches {}: this is a bug in the model code", .names.join(", "))]
    NoGradient { names: Vec<String> },

    #[error(
        "{} was stopped in the middle of round {round}, and the answers of that round are no longer in it; start \
         a new run with adapter = \"{}\"",
        run_dir.display(), run_dir.display()
    )]
    NoRound { round: usize, run_dir: PathBuf },

    #[error("an answer could not be judged")]
    Judge(#[source] Box<crate::encoder::Error>),

    #[error(
        "the KL of step {step} is {kl:.1} nats a token, more than max_kl ({most}), so the run was ended; the \
         adapter of step {kept_step} is kept. Tighten the leash (a larger beta), or lower the learning rate"
    )]
    KlExploded { kl: f64, most: f64, step: usize, kept_step: usize },

    #[error("the adapter has no score head to read: begin it with objective = \"reward\"")]
    NoScoreHead,

    #[error("stopped before the first step")]
    Cancelled,
}

/// What could be done about too little memory.
fn what_else(changes: &[String]) -> String {
    if changes.is_empty() {
        return "Close other programs, or take a smaller model".to_owned();
    }
    format!("Close other programs, or change a setting: with {}", changes.join("; with "))
}

fn sentences(problems: &[ConfigProblem]) -> String {
    let sentences: Vec<String> =
        problems.iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect();
    sentences.join("; ")
}
