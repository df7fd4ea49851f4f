//! The folder that keeps the answers of an evaluation.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::answered::Answered;
use super::evaluation::{Evaluation, differences};
use crate::files;

pub const EVALUATION: &str = "evaluation.json";
pub const RESULTS: &str = "results.jsonl";
pub const TABLE: &str = "results.csv";

/// Of an exam, what Kaggle's competitions take: the id of a row and its three likeliest letters.
pub const SUBMISSION: &str = "submission.csv";

/// What is wrong with the folder of an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} is no evaluation: {problem}", path.display())]
    NotOne { path: PathBuf, problem: String },

    #[error(
        "{} holds an evaluation already: resume it, or choose another folder",
        path.display()
    )]
    Taken { path: PathBuf },

    #[error(
        "{} was begun with {differences}; with what is asked now its answers would not belong \
         together. Choose another folder",
        path.display()
    )]
    Another { path: PathBuf, differences: String },

    #[error("line {line} of {}: {problem}", path.display())]
    Line { path: PathBuf, line: usize, problem: String },
}

/// The folder of one evaluation.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A new folder for `evaluation`, or, to resume, one that was begun with the same.
    /// Returns the answers that are there.
    pub fn begin(
        path: &Path,
        evaluation: &Evaluation,
        resume: bool,
    ) -> Result<(Self, BTreeMap<u64, Answered>), FolderError> {
        let folder = Self { path: path.to_owned() };
        let about = path.join(EVALUATION);
        if !about.exists() {
            let text = serde_json::to_string_pretty(evaluation).expect("strings are valid JSON");
            files::write_atomic(&about, text.as_bytes())
                .map_err(|source| FolderError::Write { path: about, source })?;
            return Ok((folder, BTreeMap::new()));
        }
        if !resume {
            return Err(FolderError::Taken { path: path.to_owned() });
        }
        let (begun, answered) = Self::read(path)?;
        let differences = differences(&begun, evaluation);
        if differences.is_empty() {
            Ok((folder, answered))
        } else {
            let differences = differences.join(", ");
            Err(FolderError::Another { path: path.to_owned(), differences })
        }
    }

    /// What was asked.
    pub fn evaluation(path: &Path) -> Result<Evaluation, FolderError> {
        let about = path.join(EVALUATION);
        let text = std::fs::read_to_string(&about)
            .map_err(|source| FolderError::Read { path: about.clone(), source })?;
        serde_json::from_str(&text).map_err(|err| FolderError::NotOne {
            path: about,
            problem: files::without_position(&err),
        })
    }

    /// What was asked, and the answers by row.
    pub fn read(path: &Path) -> Result<(Evaluation, BTreeMap<u64, Answered>), FolderError> {
        let evaluation = Self::evaluation(path)?;
        let results = path.join(RESULTS);
        let text = files::read_if_there(&results)
            .map_err(|source| FolderError::Read { path: results.clone(), source })?
            .unwrap_or_default();
        let mut answered = BTreeMap::new();
        let lines = text.lines().count();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match serde_json::from_str::<Answered>(line) {
                Ok(row) => {
                    answered.insert(row.row, row.to_twelve_digits());
                }
                // Cut off by a crash; the row is asked again.
                Err(err) if err.is_eof() || index + 1 == lines => {}
                Err(err) => {
                    return Err(FolderError::Line {
                        path: results,
                        line: index + 1,
                        problem: files::without_position(&err),
                    });
                }
            }
        }
        Ok((evaluation, answered))
    }

    /// Keeps an answer, on the disk before this returns.
    pub fn append(&self, answered: &Answered) -> Result<(), FolderError> {
        let path = self.path.join(RESULTS);
        files::append_json(&path, answered).map_err(|source| FolderError::Write { path, source })
    }

    /// Writes all answers in the order of the rows, so that an interrupted evaluation and one that
    /// was not leave the same file, and the tables with the answers.
    pub fn finish(
        &self,
        answered: &BTreeMap<u64, Answered>,
        tables: &[(&str, Vec<u8>)],
    ) -> Result<(), FolderError> {
        self.write(RESULTS, &lines(answered))?;
        tables.iter().try_for_each(|(name, bytes)| self.write(name, bytes))
    }

    /// Writes what is known of an evaluation that is done, and its answers, after people's labels were added.
    pub fn keep(
        path: &Path,
        evaluation: &Evaluation,
        answered: &BTreeMap<u64, Answered>,
    ) -> Result<(), FolderError> {
        let folder = Self { path: path.to_owned() };
        let text = serde_json::to_string_pretty(evaluation).expect("strings are valid JSON");
        // The names of the coders first: an answer with fewer labels than coders is read as well.
        folder.write(EVALUATION, text.as_bytes())?;
        folder.write(RESULTS, &lines(answered))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let path = self.path.join(name);
        files::write_atomic(&path, bytes).map_err(|source| FolderError::Write { path, source })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Answers as their file has them.
fn lines(answered: &BTreeMap<u64, Answered>) -> Vec<u8> {
    let mut lines = Vec::new();
    for row in answered.values() {
        serde_json::to_writer(&mut lines, row).expect("an answer is valid JSON");
        lines.push(b'\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::card::ModelIdentity;

    fn evaluation() -> Evaluation {
        Evaluation {
            model: ModelIdentity { name: "m".to_owned(), ..ModelIdentity::default() },
            data_sha256: "d".to_owned(),
            prompt: "p".to_owned(),
            rows: 2,
            weights: "as stored".to_owned(),
            program: "0".to_owned(),
            started: "2026-11-28T00:00:00Z".to_owned(),
            ..Evaluation::default()
        }
    }

    #[test]
    fn an_evaluation_is_resumed_with_the_same_settings_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e");
        let (kept, none) = Folder::begin(&path, &evaluation(), false).unwrap();
        assert!(none.is_empty());
        kept.append(&Answered::refused(2, None, "empty".to_owned())).unwrap();
        let taken = Folder::begin(&path, &evaluation(), false).unwrap_err();
        assert!(taken.to_string().contains("resume it"), "{taken}");
        let mut later = evaluation();
        later.started = "2026-11-29T00:00:00Z".to_owned();
        let (_, answered) = Folder::begin(&path, &later, true).unwrap();
        assert_eq!(answered.keys().collect::<Vec<_>>(), [&2]);
        later.prompt = "q".to_owned();
        later.task.seed = 3;
        let said = Folder::begin(&path, &later, true).unwrap_err().to_string();
        assert!(said.contains("another prompt, other settings"), "{said}");
    }

    #[test]
    fn a_line_that_a_crash_cut_off_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, _) = Folder::begin(folder.path(), &evaluation(), false).unwrap();
        kept.append(&Answered::refused(1, None, "empty".to_owned())).unwrap();
        let results = folder.path().join(RESULTS);
        let mut text = std::fs::read_to_string(&results).unwrap();
        text.push_str("{\"row\":2,\"ans");
        files::write_atomic(&results, text.as_bytes()).unwrap();
        let (_, answered) = Folder::read(folder.path()).unwrap();
        assert_eq!(answered.len(), 1);
        // The next line does not melt into it.
        kept.append(&Answered::refused(2, None, "empty".to_owned())).unwrap();
        assert_eq!(Folder::read(folder.path()).unwrap().1.len(), 2);
    }
}
