//! `sweep.json`: the runs of a sweep and how each stands, in a file that survives a crash.
//!
//! What a run has done is in its own folder, which is believed more than the list.

use std::collections::{BTreeMap, btree_map};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::error::Error;
use super::expand::Planned;
use crate::data::table::folder;
use crate::files;
use crate::files::Lock;
use crate::train::config::{TrainConfig, run_file};
use crate::train::record::runs;
use crate::train::record::runs::RunState;
use crate::train::record::{LOCK_FILE, RECORD_FILE};

pub const QUEUE_FILE: &str = "sweep.json";
const HELD_FILE: &str = ".sweep.lock";

/// The runs of a sweep, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    pub program_version: String,

    /// The SHA-256 of each file that is trained on: it must not change between two runs.
    pub data_sha256: BTreeMap<PathBuf, String>,
    pub runs: Vec<Entry>,
}

/// A run of the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its folder, from the folder of the queue.
    pub folder: PathBuf,
    pub label: String,
    pub configuration: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation: Option<String>,
    pub values: Map<String, Value>,
    pub seed: u64,
    pub state: State,

    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// Counted before it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_parameters: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_secs: Option<f64>,

    /// Its run file.
    pub settings: String,
}

/// How a run of the queue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Waiting,
    Running,
    Done,

    /// What it learned is kept, and it continues from there.
    Stopped,
    Failed,
}

impl State {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// Whether there is something left to do.
    pub fn is_left(self) -> bool {
        matches!(self, Self::Waiting | Self::Running | Self::Stopped)
    }
}

impl Entry {
    pub fn of(planned: &Planned, folder: PathBuf) -> Self {
        Self {
            folder,
            label: planned.label.clone(),
            configuration: planned.configuration,
            variation: planned.variation.clone(),
            values: planned.values.clone(),
            seed: planned.seed,
            state: State::Waiting,
            message: None,
            trained_parameters: None,
            peak_memory_bytes: None,
            estimated_secs: None,
            settings: run_file::text(&from_anywhere(&planned.config)),
        }
    }

    /// Its settings.
    pub fn config(&self) -> Result<TrainConfig, Error> {
        run_file::parse(&self.settings).map_err(|(line, problem)| {
            Error::Definition(format!("{}: line {line} of its settings: {problem}", self.label))
        })
    }

    /// Whether there is something left to do.
    pub fn is_left(&self) -> bool {
        self.state.is_left()
    }

    /// Whether it is the run that is planned.
    pub fn is(&self, planned: &Planned) -> bool {
        self.config().is_ok_and(|config| config == from_anywhere(&planned.config))
    }

    pub fn run_dir(&self, folder: &Path) -> PathBuf {
        let mut found = folder.to_owned();
        for part in self.folder.components() {
            match part {
                Component::ParentDir if found.file_name().is_some() => {
                    found.pop();
                }
                part => found.push(part),
            }
        }
        found
    }
}

/// A queue that nobody else works on.
#[derive(Debug)]
pub struct Held {
    pub folder: PathBuf,
    pub queue: Queue,
    _lock: Lock,
}

impl Queue {
    /// A new one. `folder_of`: where the folder of each run is, from that of the queue.
    pub fn new(
        planned: &[Planned],
        folder_of: impl Fn(usize, &Planned) -> PathBuf,
    ) -> Result<Self, Error> {
        let entry = |(number, run): (usize, &Planned)| Entry::of(run, folder_of(number, run));
        let runs: Vec<Entry> = planned.iter().enumerate().map(entry).collect();
        let mut data_sha256 = BTreeMap::new();
        for run in planned {
            for source in run.config.sources(&run.config.data) {
                let data = absolute(source.path);
                if let btree_map::Entry::Vacant(place) = data_sha256.entry(data) {
                    let hash = hash(place.key())?;
                    place.insert(hash);
                }
            }
        }
        Ok(Self { program_version: env!("CARGO_PKG_VERSION").to_owned(), data_sha256, runs })
    }

    /// As the file and the folders of its runs say; nothing is changed.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(QUEUE_FILE);
        let text = files::read_if_there(&path)
            .map_err(|source| Error::Read { path: path.clone(), source })?
            .ok_or_else(|| Error::NoSweep(folder.to_owned()))?;
        let mut queue: Self = serde_json::from_str(&text).map_err(|err| {
            let problem = files::mistake_in_json(text.as_bytes(), &err);
            Error::Damaged { path, problem }
        })?;
        queue.runs.iter_mut().for_each(|run| settle(folder, run));
        Ok(queue)
    }

    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(QUEUE_FILE);
        let mut text = serde_json::to_string_pretty(self).expect("a queue has only plain values");
        text.push('\n');
        files::write_atomic(&path, text.as_bytes()).map_err(|source| Error::Write { path, source })
    }

    pub fn count(&self, state: State) -> usize {
        self.runs.iter().filter(|run| run.state == state).count()
    }

    /// Runs that are to be done or to be continued.
    pub fn left(&self) -> usize {
        self.runs.iter().filter(|run| run.is_left()).count()
    }

    /// Why no more runs can be done on the same rows. `Ok`: they can.
    pub fn check_data(&self) -> Result<(), Error> {
        for (data, known) in &self.data_sha256 {
            if hash(data)? != *known {
                return Err(Error::OtherData(data.clone()));
            }
        }
        Ok(())
    }
}

impl Held {
    /// Takes a folder for a new queue.
    pub fn create(folder: &Path, queue: Queue) -> Result<Self, Error> {
        let lock = take(folder)?;
        if folder.join(QUEUE_FILE).exists() {
            return Err(Error::Occupied(folder.to_owned()));
        }
        queue.write(folder)?;
        Ok(Self { folder: folder.to_owned(), queue, _lock: lock })
    }

    /// Takes one that is there.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        if !folder.join(QUEUE_FILE).exists() {
            return Err(Error::NoSweep(folder.to_owned()));
        }
        let lock = take(folder)?;
        Ok(Self { folder: folder.to_owned(), queue: Queue::read(folder)?, _lock: lock })
    }

    pub fn write(&self) -> Result<(), Error> {
        self.queue.write(&self.folder)
    }
}

/// The sweeps of a project.
pub fn sweeps_dir(project: &Path) -> PathBuf {
    project.join("sweeps")
}

/// The sweeps of a project that can be read, the newest first.
pub fn list(project: &Path) -> Vec<(PathBuf, Queue)> {
    let Ok(entries) = std::fs::read_dir(sweeps_dir(project)) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    let read = |folder: PathBuf| Some((folder.clone(), Queue::read(&folder).ok()?));
    folders.into_iter().rev().filter_map(read).collect()
}

/// The folder of a new sweep: `sweeps/2026-11-21-1432`, with `-2` where it is taken.
pub fn new_dir(project: &Path, now: OffsetDateTime) -> PathBuf {
    let (year, month, day) = (now.year(), u8::from(now.month()), now.day());
    let name = format!("{year:04}-{month:02}-{day:02}-{:02}{:02}", now.hour(), now.minute());
    let folder = sweeps_dir(project);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.clone())
        .chain(numbered)
        .map(|name| folder.join(name))
        .find(|folder| !folder.exists())
        .expect("there are more numbers than folders")
}

/// Whether somebody works on the sweep of a folder now.
pub fn is_held(folder: &Path) -> bool {
    files::is_locked(&folder.join(HELD_FILE))
}

/// The same settings with paths that can be opened from anywhere: a sweep may be continued from another folder.
fn from_anywhere(config: &TrainConfig) -> TrainConfig {
    TrainConfig {
        data: absolute(&config.data),
        adapter: config.adapter.as_deref().map(absolute),
        model: absolute(Path::new(&config.model)).to_string_lossy().into_owned(),
        ..config.clone().with_mix_at(absolute)
    }
}

/// A path that is there, from the root on. What is no path, as `starter`, stays.
fn absolute(path: &Path) -> PathBuf {
    if !path.exists() {
        return path.to_owned();
    }
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn take(folder: &Path) -> Result<Lock, Error> {
    files::lock(&folder.join(HELD_FILE))
        .map_err(|source| Error::Write { path: folder.to_owned(), source })?
        .ok_or_else(|| Error::Busy(folder.to_owned()))
}

fn hash(data: &Path) -> Result<String, Error> {
    folder::sha256(data).map_err(|source| Error::Read { path: data.to_owned(), source })
}

/// What the folder of a run says counts: the list is written less often.
fn settle(folder: &Path, run: &mut Entry) {
    if run.state == State::Failed {
        return;
    }
    let run_dir = run.run_dir(folder);
    let found = run_dir.join(RECORD_FILE).is_file().then(|| runs::entry(&run_dir).ok()).flatten();
    run.state = match found.as_ref().map(|found| found.state) {
        Some(RunState::Finished) => State::Done,
        Some(RunState::Running) => State::Running,
        Some(RunState::Failed) => State::Failed,
        Some(RunState::Stopped | RunState::Interrupted) => State::Stopped,
        None if files::is_locked(&run_dir.join(LOCK_FILE)) => State::Running,
        None => State::Waiting,
    };
    if run.state == State::Failed {
        run.message = found.and_then(|found| found.record.message).or_else(|| run.message.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::definition::{Definition, Seeds};
    use crate::sweep::expand::expand;

    fn planned(folder: &Path) -> Vec<Planned> {
        let data = folder.join("pairs.jsonl");
        files::write_atomic(&data, b"{}\n").unwrap();
        let config = TrainConfig { model: "m".to_owned(), data, ..TrainConfig::default() };
        expand(&Definition { seeds: Seeds::Count(3), ..Definition::of(&config) }).unwrap()
    }

    #[test]
    fn a_queue_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let planned = planned(folder.path());
        let queue = Queue::new(&planned, |number, run| run.folder(number)).unwrap();
        assert_eq!(queue.runs[1].config().unwrap(), planned[1].config);
        let sweep = folder.path().join("sweep");
        let held = Held::create(&sweep, queue.clone()).unwrap();
        assert!(is_held(&sweep));
        assert!(matches!(Held::open(&sweep), Err(Error::Busy(_))));
        drop(held);
        assert!(!is_held(&sweep));
        assert_eq!(Held::open(&sweep).unwrap().queue, queue);
        assert!(matches!(Held::create(&sweep, queue), Err(Error::Occupied(_))));
    }

    #[test]
    fn a_run_is_what_was_planned_however_its_paths_are_written() {
        let data = PathBuf::from("Cargo.toml"); // tests run beside it
        let config = TrainConfig { model: "m".to_owned(), data, ..TrainConfig::default() };
        let definition = Definition { seeds: Seeds::Count(2), ..Definition::of(&config) };
        let planned = expand(&definition).unwrap();
        let entry = Entry::of(&planned[0], PathBuf::from("run"));
        assert!(entry.config().unwrap().data.is_absolute());
        assert!(entry.is(&planned[0]));
        assert!(!entry.is(&planned[1]), "another seed");
    }

    #[test]
    fn data_that_has_changed_is_told_from_what_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let planned = planned(folder.path());
        let queue = Queue::new(&planned, |number, run| run.folder(number)).unwrap();
        queue.check_data().unwrap();
        files::write_atomic(&folder.path().join("pairs.jsonl"), b"{\"a\":1}\n").unwrap();
        assert!(matches!(queue.check_data(), Err(Error::OtherData(_))));
    }

    #[test]
    fn a_folder_of_data_is_hashed_with_all_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("texts");
        files::write_atomic(&data.join("one.txt"), b"one").unwrap();
        files::write_atomic(&data.join("more/two.txt"), b"two").unwrap();
        let config =
            TrainConfig { model: "m".to_owned(), data: data.clone(), ..TrainConfig::default() };
        let definition = Definition { seeds: Seeds::Count(2), ..Definition::of(&config) };
        let queue = Queue::new(&expand(&definition).unwrap(), |number, run| run.folder(number));
        let queue = queue.unwrap();
        assert_eq!(queue.data_sha256.len(), 1);
        queue.check_data().unwrap();
        files::write_atomic(&data.join("more/two.txt"), b"two!").unwrap();
        assert!(matches!(queue.check_data(), Err(Error::OtherData(_))));
    }

    #[test]
    fn a_list_that_is_damaged_or_not_there_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let said = Queue::read(folder.path()).unwrap_err().to_string();
        assert!(said.contains("holds no sweep to continue"), "{said}");
        files::write_atomic(&folder.path().join(QUEUE_FILE), b"{\"runs\": [").unwrap();
        let said = Queue::read(folder.path()).unwrap_err().to_string();
        assert!(said.contains("is damaged: it ends in the middle"), "{said}");
    }
}
