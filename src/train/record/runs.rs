//! The runs of a project: what is in `runs/`, how each one stands, and which can be resumed.

use std::io;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::folder;
use super::history;
use super::metrics::{EvalMetrics, StepMetrics};
use super::notes::RunNotes;
use super::run_record::{RunRecord, RunStatus};
use crate::files;
use crate::train::config::run_file;
use crate::train::config::{Objective, TrainConfig};
use crate::train::error::Error;

/// How a run stands, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// A process holds it.
    Running,
    Finished,

    /// Somebody pressed Stop.
    Stopped,

    /// It says that it runs, and no process holds it: a crash, a kill, a power cut.
    Interrupted,
    Failed,
}

/// A run of the project.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEntry {
    /// The name of its folder.
    pub id: String,
    pub run_dir: PathBuf,
    pub state: RunState,
    pub config: TrainConfig,
    pub record: RunRecord,
    pub last_step: Option<StepMetrics>,
    pub evaluation: Option<EvalMetrics>,
    pub notes: RunNotes,

    /// An adapter is there to be tried.
    pub has_adapter: bool,

    /// The run changed the model itself, or made it, and that model is there.
    pub has_model: bool,

    /// There is a checkpoint, and steps that were planned and not taken.
    pub resumable_from: Option<usize>,
}

/// What a project's `runs/` holds.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The newest first.
    pub runs: Vec<RunEntry>,

    /// Folders that are no runs, or runs whose files are damaged, and why.
    pub unreadable: Vec<(PathBuf, String)>,
}

/// The folder of a project's runs.
pub fn runs_dir(project: &Path) -> PathBuf {
    project.join("runs")
}

/// Every run of a project. Reads small files only; never fails as a whole.
pub fn list(project: &Path) -> Listing {
    let mut listing = Listing::default();
    let Ok(entries) = std::fs::read_dir(runs_dir(project)) else { return listing };
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    folders.sort();
    for folder in folders.into_iter().rev() {
        match entry(&folder) {
            Ok(run) => listing.runs.push(run),
            Err(err) => listing.unreadable.push((folder, err.to_string())),
        }
    }
    // RFC 3339 in UTC sorts as time does; the sort is stable, so ids decide ties.
    listing.runs.sort_by(|one, other| other.record.started.cmp(&one.record.started));
    listing
}

/// One run.
pub fn entry(run_dir: &Path) -> Result<RunEntry, Error> {
    let record = RunRecord::read(run_dir)?;
    let config = run_file::read(&run_dir.join(folder::CONFIG_FILE)).map_err(Error::RunFile)?;
    let state = match record.status {
        RunStatus::Running if files::is_locked(&run_dir.join(folder::LOCK_FILE)) => {
            RunState::Running
        }
        RunStatus::Running => RunState::Interrupted,
        RunStatus::Finished => RunState::Finished,
        RunStatus::Stopped => RunState::Stopped,
        RunStatus::Failed => RunState::Failed,
    };
    let (last_step, evaluation) = history::latest(run_dir, record.held_out_rows > 0);
    let has_checkpoint = run_dir.join(folder::CHECKPOINT_FILE).is_file();
    let can_be_resumed = has_checkpoint
        && matches!(state, RunState::Stopped | RunState::Interrupted)
        && record.steps_done < record.steps_planned;
    // A classifier's lies in the run's folder itself.
    let model = if config.objective.reads_texts() {
        run_dir.to_owned()
    } else {
        run_dir.join(folder::MODEL_FOLDER)
    };
    Ok(RunEntry {
        id: run_dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        run_dir: run_dir.to_owned(),
        state,
        config,
        last_step,
        evaluation,
        notes: RunNotes::read(run_dir),
        has_adapter: run_dir.join("adapter_model.safetensors").is_file(),
        has_model: model.join("model.safetensors").is_file(),
        resumable_from: can_be_resumed.then_some(record.steps_done),
        record,
    })
}

/// A name that no run of the project has: `2026-11-21-1432-dpo`, with `-2` where it is taken.
pub fn new_run_id(project: &Path, objective: Objective, now: OffsetDateTime) -> String {
    new_id(project, objective.facts().key, now)
}

/// The folder of a new run that another program did: `runs/2026-11-21-1432-imported`.
pub fn new_imported_dir(project: &Path, now: OffsetDateTime) -> PathBuf {
    runs_dir(project).join(new_id(project, "imported", now))
}

fn new_id(project: &Path, kind: &str, now: OffsetDateTime) -> String {
    let (year, month, day) = (now.year(), u8::from(now.month()), now.day());
    let (hour, minute) = (now.hour(), now.minute());
    let id = format!("{year:04}-{month:02}-{day:02}-{hour:02}{minute:02}-{kind}");
    let folder = runs_dir(project);
    let numbered = (2..).map(|number| format!("{id}-{number}"));
    std::iter::once(id.clone())
        .chain(numbered)
        .find(|id| !folder.join(id).exists())
        .expect("there are more numbers than folders")
}

/// Deletes a run with its adapter. The caller has asked before.
pub fn delete(project: &Path, id: &str) -> Result<(), Error> {
    let run_dir = runs_dir(project).join(id);
    let problem = |source| Error::Write { path: run_dir.clone(), source };
    let is_name = Path::new(id).file_name().is_some_and(|name| name == id);
    if !is_name || !run_dir.is_dir() {
        return Err(problem(io::Error::new(io::ErrorKind::NotFound, "there is no such run")));
    }
    if files::is_locked(&run_dir.join(folder::LOCK_FILE)) {
        return Err(Error::Busy(run_dir));
    }
    std::fs::remove_dir_all(&run_dir).map_err(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::card::ModelIdentity;

    fn a_run(project: &Path, id: &str, status: RunStatus, steps_done: usize) -> PathBuf {
        let run_dir = runs_dir(project).join(id);
        let record = RunRecord {
            status,
            message: None,
            best: None,
            steps_done,
            steps_planned: 10,
            program_version: "0.1.0".to_owned(),
            model: ModelIdentity::default(),
            data: PathBuf::from("pairs.jsonl"),
            data_sha256: String::new(),
            train_rows: 8,
            held_out_rows: 2,
            sources: Vec::new(),
            landmarks: None,
            started: format!("2026-11-21T14:32:{steps_done:02}Z"),
            finished: None,
        };
        record.write(&run_dir).unwrap();
        run_file::write(&run_dir.join(folder::CONFIG_FILE), &TrainConfig::default()).unwrap();
        files::write_atomic(&run_dir.join(folder::CHECKPOINT_FILE), b"").unwrap();
        run_dir
    }

    #[test]
    fn a_run_that_nobody_holds_was_interrupted_and_can_be_resumed() {
        let project = tempfile::tempdir().unwrap();
        let run_dir = a_run(project.path(), "one", RunStatus::Running, 4);
        let held = files::lock(&run_dir.join(folder::LOCK_FILE)).unwrap();
        assert_eq!(entry(&run_dir).unwrap().state, RunState::Running);
        assert_eq!(entry(&run_dir).unwrap().resumable_from, None);
        assert!(matches!(delete(project.path(), "one"), Err(Error::Busy(_))));
        drop(held); // what the system does when the process is killed
        let run = entry(&run_dir).unwrap();
        assert_eq!((run.state, run.resumable_from), (RunState::Interrupted, Some(4)));
        assert!(!run.has_adapter && !run.has_model);
    }

    #[test]
    fn a_run_without_an_adapter_has_the_model_that_it_made() {
        let project = tempfile::tempdir().unwrap();
        let run_dir = a_run(project.path(), "born", RunStatus::Finished, 10);
        let model = run_dir.join(folder::MODEL_FOLDER).join("model.safetensors");
        files::write_atomic(&model, b"").unwrap();
        let run = entry(&run_dir).unwrap();
        assert!(run.has_model && !run.has_adapter);
    }

    #[test]
    fn runs_are_listed_newest_first_and_damaged_ones_apart() {
        let project = tempfile::tempdir().unwrap();
        assert!(list(project.path()).runs.is_empty()); // no folder yet
        a_run(project.path(), "b", RunStatus::Finished, 10);
        a_run(project.path(), "a", RunStatus::Stopped, 3);
        let damaged = runs_dir(project.path()).join("c");
        files::write_atomic(&damaged.join(folder::RECORD_FILE), b"{").unwrap();
        let Listing { runs, unreadable } = list(project.path());
        let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
        assert_eq!(ids, ["b", "a"]);
        assert_eq!(runs[0].resumable_from, None); // nothing is left to do
        assert_eq!(unreadable[0].0, damaged);
    }

    #[test]
    fn a_new_run_has_a_name_of_its_own() {
        let project = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::from_unix_timestamp(1_795_271_520).unwrap();
        let first = new_run_id(project.path(), Objective::Dpo, now);
        assert_eq!(first, "2026-11-21-1432-dpo");
        a_run(project.path(), &first, RunStatus::Finished, 1);
        assert_eq!(new_run_id(project.path(), Objective::Dpo, now), "2026-11-21-1432-dpo-2");
    }

    #[test]
    fn only_a_run_can_be_deleted() {
        let project = tempfile::tempdir().unwrap();
        let run_dir = a_run(project.path(), "one", RunStatus::Finished, 1);
        for id in ["", "..", "../runs", "none", "one/.."] {
            assert!(delete(project.path(), id).is_err(), "{id}");
        }
        assert!(run_dir.is_dir());
        delete(project.path(), "one").unwrap();
        assert!(!run_dir.exists());
    }
}
