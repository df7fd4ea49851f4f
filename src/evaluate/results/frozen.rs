//! Which configuration was frozen before the test part of a table was opened.
//!
//! `test-part.jsonl` lies beside the evaluations and is only ever added to: what was opened too early
//! stays known.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::evaluation::Evaluation;
use super::folder::{Folder, FolderError};
use crate::evaluate::task::Task;
use crate::evaluate::task::split::Part;
use crate::files;

/// The log, in the folder that holds the evaluations.
pub const LOG: &str = "test-part.jsonl";

/// Something that happened to the test part of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub event: Event,

    /// RFC 3339, UTC.
    pub at: String,

    /// Which rows: the table's hash, the share and the seed of the split.
    pub data_sha256: String,
    pub test: f64,
    pub seed: u64,

    /// What decides the answers, as a hash.
    pub configuration: String,

    /// The folder of the evaluation.
    pub evaluation: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Frozen,
    Opened,
}

/// How an evaluation stands to the test part of its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is kept for the end.
    Whole,

    /// Of the development part; whether its configuration is the frozen one.
    Development { frozen: bool },

    /// Of the test part, with the configuration that was frozen before: when.
    Frozen { at: String },

    /// Of the test part, with another configuration than the frozen one.
    Another,

    /// The test part was opened before a configuration was frozen.
    TooEarly,
}

#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    #[error(transparent)]
    Folder(#[from] FolderError),

    #[error("{} could not be read: {problem}", path.display())]
    Read { path: PathBuf, problem: String },

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error(
        "its task keeps no rows for the end: give it a [split] with `test`, the share of rows that \
         are, and try prompts with the others"
    )]
    NoSplit,

    #[error("it is about the test part already: freeze the one of the development part")]
    IsTest,

    #[error(
        "the test part of this table was opened on {day}: a configuration can only be frozen before \
         that"
    )]
    TooLate { day: String },
}

/// What decides the answers of an evaluation, as a short hash: model, adapter, weights, codebook,
/// prompt and settings, whatever rows it was asked about.
pub fn configuration(evaluation: &Evaluation) -> String {
    let mut deciding = Task {
        // What it is called, and where things lie, decide nothing; the hashes below say what they are.
        name: String::new(),
        model: String::new(),
        remote_model: None,
        adapter: None,
        encoder: None,
        data: PathBuf::new(),
        id: None,
        rows: 0,
        split: None,
        prompt: None,
        ..evaluation.task.clone()
    };
    if let Some(code) = &mut deciding.code {
        // Nor does what people said.
        code.codebook.clear();
        code.human.clear();
        code.inclusion = None;
        code.by = None;
    }
    if let Some(perplexity) = &mut deciding.perplexity {
        perplexity.by = None;
    }
    if let Some(survey) = &mut deciding.survey {
        for path in [&mut survey.personas, &mut survey.marginals].into_iter().flatten() {
            path.clear();
        }
    }
    let mut all = vec![serde_json::json!([
        deciding,
        evaluation.model.sha256,
        evaluation.adapter_sha256,
        evaluation.weights,
        evaluation.codebook_sha256,
        evaluation.prompt,
    ])];
    // Of a model behind a server there is no hash.
    if evaluation.model.server.is_some() {
        all.push(serde_json::json!([evaluation.model, evaluation.way]));
    }
    if let Some(encoder) = &evaluation.encoder {
        all.push(serde_json::json!([encoder.model.sha256, encoder.settings_sha256]));
    }
    let all: Vec<String> = all.iter().map(serde_json::Value::to_string).collect();
    let mut hash = files::sha256_of_bytes(all.concat().as_bytes());
    hash.truncate(12);
    hash
}

/// Where an evaluation's folder lies among the others.
pub fn beside(folder: &Path) -> &Path {
    folder.parent().unwrap_or_else(|| Path::new(""))
}

/// All that happened to the test parts of the tables of these evaluations, in order.
pub fn entries(evaluations: &Path) -> Result<Vec<Entry>, FreezeError> {
    let path = evaluations.join(LOG);
    let text = files::read_if_there(&path)
        .map_err(|err| FreezeError::Read { path: path.clone(), problem: err.to_string() })?
        .unwrap_or_default();
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        match serde_json::from_str(line) {
            Ok(entry) => found.push(entry),
            // A last line that a crash cut off says nothing yet.
            Err(_) if lines.peek().is_none() => {}
            Err(err) => {
                let problem = format!("line {}: {}", index + 1, files::without_position(&err));
                return Err(FreezeError::Read { path, problem });
            }
        }
    }
    Ok(found)
}

fn append(
    event: Event,
    evaluation: &Evaluation,
    folder: &Path,
    at: &str,
) -> Result<(), FreezeError> {
    let Some(split) = evaluation.task.split else { return Ok(()) };
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy();
    let entry = Entry {
        event,
        at: at.to_owned(),
        data_sha256: evaluation.data_sha256.clone(),
        test: split.test,
        seed: split.seed,
        configuration: configuration(evaluation),
        evaluation: name.into_owned(),
    };
    let path = beside(folder).join(LOG);
    files::append_json(&path, &entry).map_err(|source| FreezeError::Write { path, source })
}

/// Writes down that the test part is opened, where this evaluation is about it and that is not
/// written down yet.
pub fn note_opening(folder: &Path, evaluation: &Evaluation, at: &str) -> Result<(), FreezeError> {
    if evaluation.task.split.is_none_or(|split| split.part == Part::Development) {
        return Ok(());
    }
    let own = configuration(evaluation);
    let known = entries(beside(folder))?.iter().any(|entry| {
        entry.event == Event::Opened && is_about(entry, evaluation) && entry.configuration == own
    });
    if known { Ok(()) } else { append(Event::Opened, evaluation, folder, at) }
}

fn is_about(entry: &Entry, evaluation: &Evaluation) -> bool {
    evaluation.task.split.is_some_and(|split| {
        entry.data_sha256 == evaluation.data_sha256
            && entry.test == split.test
            && entry.seed == split.seed
    })
}

/// Freezes the configuration of an evaluation of the development part: from now on the test part may
/// be opened with it. Returns its hash.
pub fn freeze(folder: &Path, at: &str) -> Result<String, FreezeError> {
    let evaluation = Folder::evaluation(folder)?;
    match evaluation.task.split {
        None => return Err(FreezeError::NoSplit),
        Some(split) if split.part == Part::Test => return Err(FreezeError::IsTest),
        Some(_) => {}
    }
    let opened = entries(beside(folder))?;
    let opened =
        opened.iter().find(|entry| entry.event == Event::Opened && is_about(entry, &evaluation));
    if let Some(opened) = opened {
        let day = opened.at.get(..10).unwrap_or(&opened.at).to_owned();
        return Err(FreezeError::TooLate { day });
    }
    append(Event::Frozen, &evaluation, folder, at)?;
    Ok(configuration(&evaluation))
}

/// How an evaluation stands to the test part, by what the log says.
pub fn standing(evaluation: &Evaluation, log: &[Entry]) -> Standing {
    let Some(split) = evaluation.task.split else { return Standing::Whole };
    let about: Vec<&Entry> = log.iter().filter(|entry| is_about(entry, evaluation)).collect();
    let opened = about.iter().position(|entry| entry.event == Event::Opened);
    let before = &about[..opened.unwrap_or(about.len())];
    // The last word before the test part was opened.
    let frozen = before.iter().rev().find(|entry| entry.event == Event::Frozen);
    let own = configuration(evaluation);
    match (split.part, frozen) {
        (Part::Development, frozen) => {
            Standing::Development { frozen: frozen.is_some_and(|it| it.configuration == own) }
        }
        (Part::Test, None) => Standing::TooEarly,
        (Part::Test, Some(frozen)) if frozen.configuration == own => {
            Standing::Frozen { at: frozen.at.clone() }
        }
        (Part::Test, Some(_)) => Standing::Another,
    }
}

impl Standing {
    /// For the report and the methods section; `tried`: configurations that were tried with the
    /// development part.
    pub fn sentence(&self, tried: usize) -> Option<String> {
        let configurations = match tried {
            1 => "One configuration was tried".to_owned(),
            _ => format!("{tried} configurations were tried"),
        };
        match self {
            Self::Whole => None,
            Self::Development { .. } => Some(format!(
                "{configurations} with the development part; these numbers are of that part, and the \
                 rows that are kept for the end say how good one is."
            )),
            Self::Frozen { at } => Some(format!(
                "{configurations} with the development part; this one was frozen on {} before the \
                 test part was opened.",
                at.get(..10).unwrap_or(at)
            )),
            Self::Another => Some(format!(
                "{configurations} with the development part. Another configuration than this one was \
                 frozen before the test part was opened: these numbers are not those of the frozen one."
            )),
            Self::TooEarly => Some(
                "The test part was opened before a configuration was frozen: these numbers may be \
                 better than those for new rows."
                    .to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::task::split::Split;

    fn evaluation(part: Part, prompt: &str) -> Evaluation {
        Evaluation {
            task: Task { split: Some(Split { test: 0.5, seed: 1, part }), ..Task::default() },
            data_sha256: "d".to_owned(),
            prompt: prompt.to_owned(),
            rows: 2,
            weights: "as stored".to_owned(),
            program: "0".to_owned(),
            started: "2026-11-28T00:00:00Z".to_owned(),
            ..Evaluation::default()
        }
    }

    fn begin(root: &Path, name: &str, evaluation: &Evaluation) -> PathBuf {
        let folder = root.join(name);
        Folder::begin(&folder, evaluation, false).unwrap();
        note_opening(&folder, evaluation, "2026-11-28T12:00:00Z").unwrap();
        folder
    }

    #[test]
    fn the_frozen_configuration_may_open_the_test_part_and_another_is_said_to_be_another() {
        let root = tempfile::tempdir().unwrap();
        let first = evaluation(Part::Development, "first");
        let tried = begin(root.path(), "first", &first);
        assert_eq!(
            standing(&first, &entries(root.path()).unwrap()),
            Standing::Development { frozen: false }
        );
        freeze(&tried, "2026-11-28T11:00:00Z").unwrap();
        let test = evaluation(Part::Test, "first");
        begin(root.path(), "test", &test);
        let log = entries(root.path()).unwrap();
        assert_eq!(standing(&first, &log), Standing::Development { frozen: true });
        let at = "2026-11-28T11:00:00Z".to_owned();
        assert_eq!(standing(&test, &log), Standing::Frozen { at });
        assert_eq!(standing(&evaluation(Part::Test, "second"), &log), Standing::Another);
        let late = freeze(&tried, "2026-11-29T00:00:00Z").unwrap_err();
        assert!(late.to_string().contains("opened on 2026-11-28"), "{late}");
    }

    #[test]
    fn a_test_part_that_was_opened_too_early_stays_so() {
        let root = tempfile::tempdir().unwrap();
        let test = evaluation(Part::Test, "first");
        begin(root.path(), "test", &test);
        assert_eq!(standing(&test, &entries(root.path()).unwrap()), Standing::TooEarly);
        let tried = begin(root.path(), "first", &evaluation(Part::Development, "first"));
        assert!(freeze(&tried, "2026-11-29T00:00:00Z").is_err());
        assert_eq!(standing(&test, &entries(root.path()).unwrap()), Standing::TooEarly);
    }

    #[test]
    fn the_rows_and_the_coders_are_no_part_of_a_configuration() {
        let one = evaluation(Part::Development, "p");
        let mut other = evaluation(Part::Test, "p");
        other.task.rows = 5;
        "else".clone_into(&mut other.task.name);
        assert_eq!(configuration(&one), configuration(&other));
        other.task.orders = 2;
        assert_ne!(configuration(&one), configuration(&other));
        assert_ne!(configuration(&one), configuration(&evaluation(Part::Development, "q")));
    }
}
