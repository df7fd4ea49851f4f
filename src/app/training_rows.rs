//! The rows of a run before they are a file of its own: a file that the person chose, or pairs.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::Workbench;
use crate::data::kept::Records;
use crate::data::pair::PreferencePair;
use crate::data::samples;
use crate::data::table;
use crate::files;
use crate::jobs::Quiet;
use crate::state::command::ProjectCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::train::form::DataSource;
use crate::train::config::run_file;
use crate::train::config::run_file::RunFileError;
use crate::train::config::{Objective, TrainConfig};
use crate::train::record::{DATA_FILE, RECORD_FILE};
use crate::train::rows::text;

/// Why a run file was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveRunError {
    #[error("its data could not be copied")]
    Rows(#[source] io::Error),
    #[error(transparent)]
    File(#[from] RunFileError),
}

/// What the Train panel's form has chosen.
#[derive(Clone, Debug)]
pub enum TrainingRows {
    File(PathBuf),
    Pairs(Vec<PreferencePair>),

    /// The verdicts of the project; those without a better answer are no rows.
    Verdicts(Records),

    /// One text, for pretraining.
    Text(&'static str),
    TextFile(PathBuf),
    /// JSON Lines that the program carries.
    Carried(&'static str),
}

impl TrainingRows {
    /// Puts them into a file of their own.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        files::write_atomic(path, &self.bytes()?)
    }

    /// The file that a run in `run_dir` reads and copies into that folder: the person's own, or
    /// one in the place of that copy. The error is also that of a folder that cannot be written.
    pub fn for_run(&self, run_dir: &Path) -> io::Result<PathBuf> {
        match self {
            Self::File(path) | Self::TextFile(path) => {
                let folder = run_dir.parent().unwrap_or(run_dir);
                files::folders::make(folder)?;
                files::check_writable(folder)?;
                Ok(path.clone())
            }
            Self::Pairs(_) | Self::Verdicts(_) | Self::Text(_) | Self::Carried(_) => {
                let path = run_dir.join(DATA_FILE);
                if let Err(error) = self.write(&path) {
                    // Else what has not begun would be a run that cannot be read. One with files stays.
                    std::fs::remove_dir(run_dir).ok();
                    return Err(error);
                }
                Ok(path)
            }
        }
    }

    /// Writes a run file, and beside it the rows that it names.
    pub fn write_with(
        &self,
        run_file: &Path,
        config: TrainConfig,
    ) -> Result<PathBuf, SaveRunError> {
        let data = self.write_beside(run_file).map_err(SaveRunError::Rows)?;
        let data = data.file_name().map(PathBuf::from).unwrap_or_default();
        run_file::write(run_file, &TrainConfig { data, ..config })?;
        Ok(run_file.to_owned())
    }

    /// Puts them into a file beside `path`, named after it, and returns that file. One that is
    /// there with other rows stays as it is: another number is taken.
    pub fn write_beside(&self, path: &Path) -> io::Result<PathBuf> {
        let bytes = self.bytes()?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut number = 1;
        loop {
            let which = if number == 1 { String::new() } else { format!("-{number}") };
            let file = path.with_file_name(format!("{stem}{which}.{DATA_FILE}"));
            if !file.exists() {
                files::write_atomic(&file, &bytes)?;
                return Ok(file);
            }
            if std::fs::read(&file)? == bytes {
                return Ok(file);
            }
            number += 1;
        }
    }

    fn bytes(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::File(file) => table::json_lines(file, &Quiet).map_err(|err| {
                let of_disk = err.source().and_then(|source| source.downcast_ref::<io::Error>());
                io::Error::new(of_disk.map_or(io::ErrorKind::Other, io::Error::kind), err)
            }),
            Self::Text(text) => Ok(format!("{}\n", json!({ "text": text })).into_bytes()),
            Self::TextFile(path) => text::json_lines(path).map_err(io::Error::other),
            Self::Carried(text) => Ok(text.as_bytes().to_vec()),
            Self::Pairs(pairs) => {
                let mut bytes = Vec::new();
                pairs.iter().try_for_each(|pair| add_line(&mut bytes, pair))?;
                Ok(bytes)
            }
            Self::Verdicts(records) => {
                let (mut bytes, mut added) = (Vec::new(), Ok(()));
                let read = records.each(&mut |record| {
                    if let (Some(pair), Ok(())) = (record.own_pair(), &added) {
                        added = add_line(&mut bytes, &pair);
                    }
                });
                read.map_err(io::Error::other)?;
                added.map(|()| bytes)
            }
        }
    }

    /// Calls `work` with their file: pairs are in one for as long as that takes.
    pub fn as_file<R>(&self, work: impl FnOnce(&Path) -> R) -> io::Result<R> {
        if let Self::File(path) | Self::TextFile(path) = self {
            return Ok(work(path));
        }
        let folder: TempDir = tempfile::tempdir()?;
        let path = folder.path().join(DATA_FILE);
        self.write(&path)?;
        Ok(work(&path))
    }
}

fn add_line(bytes: &mut Vec<u8>, pair: &PreferencePair) -> io::Result<()> {
    serde_json::to_writer(&mut *bytes, pair)?;
    bytes.push(b'\n');
    Ok(())
}

impl Workbench {
    /// The rows that a run of the form would train on.
    pub(super) fn training_rows(&self) -> Result<TrainingRows, Notice> {
        let train = &self.state.train;
        let is_text = train.form.objective == Objective::Pretrain;
        Ok(match train.source {
            DataSource::ProjectPairs => TrainingRows::Verdicts(self.store.records()),
            DataSource::Sample if is_text => TrainingRows::Text(samples::STORIES_TXT),
            DataSource::Sample if train.form.objective.reads_texts() => {
                TrainingRows::Carried(samples::HEADLINES_JSONL)
            }
            DataSource::Sample => TrainingRows::Pairs(samples::pairs()),
            DataSource::File => {
                let Some(file) = &train.file else {
                    let summary = "Choose a file with training data";
                    return Err(Notice::problem(PanelId::Train, summary));
                };
                let path = file.path.clone();
                if is_text { TrainingRows::TextFile(path) } else { TrainingRows::File(path) }
            }
        })
    }

    /// The same; what stands in the way becomes a notice.
    pub(super) fn training_rows_or_notice(&mut self) -> Option<TrainingRows> {
        self.training_rows().map_err(|notice| self.state.notices.push(notice)).ok()
    }
}

/// Takes back the rows that were put into the folder of a run which was refused: one that has begun
/// has its record there, and keeps everything.
pub(super) fn take_back(run_dir: &Path) {
    if run_dir.join(RECORD_FILE).exists() {
        return;
    }
    // What cannot be removed stays: why the run was refused matters more.
    files::remove_if_there(&run_dir.join(DATA_FILE)).ok();
    std::fs::remove_dir(run_dir).ok();
}

pub(super) fn not_copied(err: &io::Error) -> Notice {
    Notice::error(PanelId::Train, "The training data could not be copied", err)
        .hint("Open a project on a disk that has free space and can be written to")
        .remedy("Open a project…", ProjectCommand::Choose)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_beside_a_run_file_replace_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let run_file = folder.path().join("first.toml");
        let theirs = folder.path().join("first.data.jsonl");
        files::write_atomic(&theirs, b"theirs").unwrap();
        let rows = TrainingRows::Pairs(samples::pairs());
        let written = rows.write_beside(&run_file).unwrap();
        assert_eq!(written, folder.path().join("first-2.data.jsonl"));
        assert_eq!(rows.write_beside(&run_file).unwrap(), written, "the same rows once");
        assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "theirs");
    }

    #[test]
    fn pairs_are_a_file_for_as_long_as_it_is_needed() {
        let pairs = samples::pairs();
        let rows = TrainingRows::Pairs(pairs.clone());
        let look = |path: &Path| {
            let text = std::fs::read_to_string(path).unwrap();
            (path.to_owned(), text.lines().count())
        };
        let (path, count) = rows.as_file(look).unwrap();
        assert_eq!(count, pairs.len());
        assert!(!path.exists());

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        rows.write(&path).unwrap();
        let rows = TrainingRows::File(path.clone());
        assert_eq!(rows.as_file(look).unwrap(), (path.clone(), pairs.len()));
        assert!(path.exists());
        let err = TrainingRows::File(folder.path().join("none")).write(&path).unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_refused_run_leaves_no_folder_and_one_that_began_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let pairs = TrainingRows::Pairs(samples::pairs());
        let [refused, begun] = ["1", "2"].map(|id| folder.path().join(id));
        for run_dir in [&refused, &begun] {
            pairs.for_run(run_dir).unwrap();
        }
        files::write_atomic(&begun.join(RECORD_FILE), b"{}").unwrap();
        for run_dir in [&refused, &begun] {
            take_back(run_dir);
        }
        assert!(!refused.exists());
        assert!(begun.join(DATA_FILE).exists());
    }

    #[test]
    fn a_run_copies_the_persons_file_itself() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join("theirs.jsonl");
        let pairs = TrainingRows::Pairs(samples::pairs());
        pairs.write(&theirs).unwrap();
        let run_dir = folder.path().join("runs/1");
        let rows = TrainingRows::File(theirs.clone());
        assert_eq!(rows.for_run(&run_dir).unwrap(), theirs);
        assert!(!run_dir.exists(), "the run makes its folder");
        assert_eq!(pairs.for_run(&run_dir).unwrap(), run_dir.join(DATA_FILE));

        let no_folder = theirs.join("runs/1");
        for rows in [rows, pairs] {
            rows.for_run(&no_folder).unwrap_err();
        }
    }
}
