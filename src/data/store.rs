//! The project's verdicts, `pairs.jsonl`: a line appended and flushed for each, a line to take
//! one back, and nothing ever rewritten.
//!
//! Work that cannot be written stays in memory and can be saved somewhere else.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::data::pair::Verdict;
use crate::data::record::VerdictRecord;
use crate::data::replay::{Replay, Replayed};
use crate::files;

/// Why a verdict is not on the disk. The store still has it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error(
        "{} holds something other than this program's verdicts (line {line}: {problem}), and verdicts would be \
         written into it; rename it, or open another folder as the project",
        path.display()
    )]
    NoVerdicts { path: PathBuf, line: usize, problem: String },

    #[error("{} could not be written; the verdicts stay in memory ({unsaved} not saved)", path.display())]
    Write { path: PathBuf, unsaved: usize, source: io::Error },

    #[error("no project is open; the verdicts stay in memory ({unsaved} not saved)")]
    NoPlace { unsaved: usize },

    #[error(
        "another window has {} open, and writes its own verdicts to it; the verdicts of this window \
         stay in memory ({unsaved} not saved)", path.display()
    )]
    OtherWindow { path: PathBuf, unsaved: usize },
}

/// A line that takes a verdict back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tombstone {
    /// The id of the verdict that no longer counts.
    undo: String,
    created_at: String,
}

/// A line that puts back what was taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Return {
    /// The id of the verdict that counts again.
    redo: String,
    created_at: String,
}

/// A line of the file. A tombstone has the key `undo`, a return `redo`, and a verdict neither.
enum Line {
    Undo(Tombstone),
    Redo(Return),
    Verdict(Box<VerdictRecord>),
}

/// A line that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    pub problem: String,
}

/// What was found when the file was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Verdicts that count, after what was taken back.
    pub verdict_count: usize,

    /// The number of bytes of a last line that was cut short, and the file it was moved to.
    /// `None` for the file: it could not be moved, and stays where it is.
    pub cut_short: Option<(usize, Option<PathBuf>)>,

    /// Lines that are no verdicts. They are left in the file.
    pub bad_lines: Vec<BadLine>,
}

impl Recovered {
    /// Whether every line was read.
    pub fn is_clean(&self) -> bool {
        self.cut_short.is_none() && self.bad_lines.is_empty()
    }

    /// What to tell a person, in sentences; empty if every line was read.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if let Some((byte_count, moved_to)) = &self.cut_short {
            let place = match moved_to {
                Some(path) => format!("was moved to {}", path.display()),
                None => "could not be moved aside and was passed over".to_owned(),
            };
            sentences.push(format!(
                "The last line of pairs.jsonl was cut short ({byte_count} bytes, one verdict) and \
                 {place}"
            ));
        }
        for BadLine { line, problem } in self.bad_lines.iter().take(5) {
            sentences.push(format!("Line {line} of pairs.jsonl was passed over: {problem}"));
        }
        if self.bad_lines.len() > 5 {
            sentences.push(format!("So were {} more lines", self.bad_lines.len() - 5));
        }
        if !sentences.is_empty() {
            sentences.push(match self.verdict_count {
                1 => "1 verdict was recovered".to_owned(),
                count => format!("{count} verdicts were recovered"),
            });
        }
        sentences
    }
}

/// How many verdicts of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerdictCounts {
    pub left: usize,
    pub right: usize,
    pub tie: usize,
    pub both_bad: usize,
    pub skipped: usize,

    /// Of those without a better answer: how many have one that the person wrote.
    pub written: usize,
}

impl VerdictCounts {
    pub fn of<'a>(records: impl IntoIterator<Item = &'a VerdictRecord>) -> Self {
        let mut counts = Self::default();
        records.into_iter().for_each(|record| counts.put_in(record));
        counts
    }

    pub fn put_in(&mut self, record: &VerdictRecord) {
        *self.of_verdict(record.verdict) += 1;
        self.written += usize::from(Self::is_written(record));
    }

    /// One that was put in before.
    pub fn take_out(&mut self, record: &VerdictRecord) {
        let count = self.of_verdict(record.verdict);
        *count = count.saturating_sub(1);
        self.written = self.written.saturating_sub(usize::from(Self::is_written(record)));
    }

    fn of_verdict(&mut self, verdict: Verdict) -> &mut usize {
        match verdict {
            Verdict::Left => &mut self.left,
            Verdict::Right => &mut self.right,
            Verdict::Tie => &mut self.tie,
            Verdict::BothBad => &mut self.both_bad,
            Verdict::Skip => &mut self.skipped,
        }
    }

    fn is_written(record: &VerdictRecord) -> bool {
        !record.verdict.is_preference() && record.remarks.written.is_some()
    }

    /// Verdicts that say which answer is better: the pairs to train on.
    pub fn pairs(&self) -> usize {
        self.decided() + self.written
    }

    /// Verdicts for one of the two answers that were shown.
    fn decided(&self) -> usize {
        self.left + self.right
    }

    pub fn all(&self) -> usize {
        self.decided() + self.tie + self.both_bad + self.skipped
    }

    /// How often the left answer was the better one, 0 to 1; far from a half says that the side
    /// decided. `None` without pairs.
    pub fn left_share(&self) -> Option<f64> {
        (self.decided() > 0).then(|| self.left as f64 / self.decided() as f64)
    }
}

/// The verdicts of a project, in memory and on the disk.
#[derive(Clone, Debug, Default)]
pub struct PairStore {
    /// `None`: no project is open, and the verdicts wait for one.
    path: Option<PathBuf>,

    /// Those that count, in the order they were made.
    records: Vec<VerdictRecord>,

    /// For each of them, the how manyth verdict of the file it is.
    numbers: Vec<usize>,

    /// Those whose place another one has taken.
    replaced: Vec<(usize, VerdictRecord)>,

    /// Those that were taken back and can be put back, the latest last.
    undone: Vec<(usize, VerdictRecord)>,

    /// Of those that count: a frame has no time to count a million.
    counts: VerdictCounts,

    /// Verdicts of the file, whether they count or not.
    count: usize,

    /// Lines that could not be written, oldest first.
    unsaved: Vec<String>,

    /// Whether other windows are kept from writing to the file, and what keeps them.
    is_shared: bool,
    lock: Option<Arc<files::Lock>>,
}

/// A store that was opened, and what came with it.
#[derive(Debug)]
pub struct Opened {
    pub store: PairStore,
    pub recovered: Recovered,

    /// Whether what had waited for a project could be written.
    pub carried_over: Result<(), StoreError>,
}

impl PairStore {
    /// Reads `path` as [`Self::open`] does, and writes what `before` could not write there.
    pub fn open_after(path: &Path, before: &Self) -> Result<Opened, StoreError> {
        // Before it is read: nobody writes to it in between.
        let held = match &before.lock {
            Some(lock) if before.path.as_deref() == Some(path) => Ok(Some(Arc::clone(lock))),
            _ => hold(path),
        };
        // Where no lock can be made, nothing can be written either, and that says why.
        let is_shared = held.is_ok();
        let (mut store, recovered) = Self::open_with(path, held.ok().flatten())?;
        store.is_shared = is_shared;
        store.unsaved.clone_from(&before.unsaved);
        store.take_in_unsaved();
        let carried_over = store.write_unsaved().map(drop);
        Ok(Opened { store, recovered, carried_over })
    }

    /// Reads `path`; a file that is not there is an empty store. A last line that was cut short
    /// (the program was killed in the middle of a write) is moved to `<path>.damaged`; other
    /// lines that are no verdicts are left where they are and passed over. A file without a single
    /// verdict is somebody's own: it is refused, and nothing is done to it.
    pub fn open(path: &Path) -> Result<(Self, Recovered), StoreError> {
        Self::open_with(path, None)
    }

    /// `lock`: held from now on.
    fn open_with(
        path: &Path,
        lock: Option<Arc<files::Lock>>,
    ) -> Result<(Self, Recovered), StoreError> {
        // Where a window has it, a last line without an end is being written.
        let is_own = lock.is_some() || !files::is_locked(&lock_path(path));
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(StoreError::Read { path: path.to_owned(), source }),
        };
        let mut recovered = Recovered::default();
        let mut store = Self { path: Some(path.to_owned()), lock, ..Self::default() };
        if let Some(BadLine { line, problem }) = of_somebody_else(&bytes) {
            return Err(StoreError::NoVerdicts { path: path.to_owned(), line, problem });
        }
        let (mut start, mut replay) = (0, Replay::default());
        for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let whole = line.ends_with(b"\n");
            match parse(line) {
                Ok(None) => {}
                Ok(Some(Line::Verdict(record))) => replay.add(*record),
                Ok(Some(Line::Undo(tombstone))) => replay.take_back(&tombstone.undo),
                Ok(Some(Line::Redo(back))) => replay.put_back(&back.redo),
                Err(_) if !whole => {
                    let moved = is_own.then(|| files::move_aside(path, &bytes[..start], line));
                    let moved_to = moved.and_then(Result::ok);
                    recovered.cut_short = Some((line.len(), moved_to));
                }
                Err(problem) => recovered.bad_lines.push(BadLine { line: index + 1, problem }),
            }
            start += line.len();
        }
        let Replayed { counting, replaced, undone, count } = replay.end();
        (store.numbers, store.records) = counting.into_iter().unzip();
        store.counts = VerdictCounts::of(&store.records);
        recovered.verdict_count = store.records.len();
        Ok((Self { replaced, undone, count, ..store }, recovered))
    }

    fn take_in(&mut self, line: Line) {
        match line {
            Line::Verdict(record) => self.add(*record),
            Line::Undo(tombstone) => {
                self.take_back(&tombstone.undo);
            }
            Line::Redo(back) => {
                self.put_back(&back.redo);
            }
        }
    }

    /// A verdict that was just made: what was taken back before stays so.
    fn add(&mut self, record: VerdictRecord) {
        self.undone.clear();
        self.count += 1;
        self.count_in(self.count, record);
    }

    /// Lets a verdict count, in place of the one that it replaces.
    fn count_in(&mut self, number: usize, record: VerdictRecord) {
        if let Some(old) = &record.remarks.replaces
            && let Some(at) = self.records.iter().rposition(|known| known.id == *old)
        {
            let old = (self.numbers.remove(at), self.records.remove(at));
            self.counts.take_out(&old.1);
            self.replaced.push(old);
        }
        self.insert(number, record);
    }

    /// In the order in which they were made.
    fn insert(&mut self, number: usize, record: VerdictRecord) {
        self.counts.put_in(&record);
        let at = self.numbers.partition_point(|known| *known <= number);
        self.numbers.insert(at, number);
        self.records.insert(at, record);
    }

    fn take_back(&mut self, id: &str) -> Option<VerdictRecord> {
        let at = self.records.iter().rposition(|record| record.id == id)?;
        let (number, record) = (self.numbers.remove(at), self.records.remove(at));
        self.counts.take_out(&record);
        if let Some(old) = &record.remarks.replaces
            && let Some(at) = self.replaced.iter().rposition(|(_, known)| known.id == *old)
        {
            let (number, old) = self.replaced.remove(at);
            self.insert(number, old);
        }
        self.undone.push((number, record.clone()));
        Some(record)
    }

    fn put_back(&mut self, id: &str) -> bool {
        let Some(at) = self.undone.iter().rposition(|(_, record)| record.id == id) else {
            return false;
        };
        let (number, record) = self.undone.remove(at);
        self.count_in(number, record);
        true
    }

    /// What is not written yet counts, too.
    fn take_in_unsaved(&mut self) {
        let waiting = std::mem::take(&mut self.unsaved);
        for line in waiting.iter().filter_map(|line| parse(line.as_bytes()).ok()?) {
            self.take_in(line);
        }
        self.unsaved = waiting;
    }

    /// `None`: no project is open.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The verdicts that count, in the order they were made.
    pub fn records(&self) -> &[VerdictRecord] {
        &self.records
    }

    /// Every verdict that was not taken back, in the order they were made, also those whose place
    /// another one has taken.
    pub fn history(&self) -> Vec<VerdictRecord> {
        self.with(&self.replaced).into_iter().cloned().collect()
    }

    /// Those that count and these others, in the order they were made.
    fn with<'a>(
        &'a self,
        others: impl IntoIterator<Item = &'a (usize, VerdictRecord)>,
    ) -> Vec<&'a VerdictRecord> {
        let own = self.numbers.iter().copied().zip(&self.records);
        let others = others.into_iter().map(|(number, record)| (*number, record));
        let mut all: Vec<_> = own.chain(others).collect();
        all.sort_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, record)| record).collect()
    }

    /// What was taken back and can be put back, the latest last.
    pub fn undone(&self) -> Vec<VerdictRecord> {
        self.undone.iter().map(|(_, record)| record.clone()).collect()
    }

    /// Whether another window writes to the file of this one.
    pub fn is_elsewhere(&self) -> bool {
        self.is_shared && self.lock.is_none()
    }

    pub fn counts(&self) -> VerdictCounts {
        self.counts
    }

    /// How many lines wait for a place to be written to.
    pub fn unsaved_count(&self) -> usize {
        self.unsaved.len()
    }

    /// Adds a verdict and flushes it to the disk. After an error it is in memory all the same,
    /// and written with the next one that can be.
    pub fn append(&mut self, record: VerdictRecord) -> Result<(), StoreError> {
        let line = serde_json::to_string(&record);
        self.add(record);
        self.write(line)
    }

    /// Takes a verdict back: a line that says so is appended, the verdict's own line stays.
    /// `Ok(None)`: there is no verdict with this id that counts.
    pub fn undo(
        &mut self,
        id: &str,
        created_at: &str,
    ) -> Result<Option<VerdictRecord>, StoreError> {
        let Some(record) = self.take_back(id) else { return Ok(None) };
        let tombstone = Tombstone { undo: id.to_owned(), created_at: created_at.to_owned() };
        self.write(serde_json::to_string(&tombstone))?;
        Ok(Some(record))
    }

    /// Puts back a verdict that was taken back, with a line that says so. `Ok(false)`: there is none.
    pub fn redo(&mut self, id: &str, created_at: &str) -> Result<bool, StoreError> {
        if !self.put_back(id) {
            return Ok(false);
        }
        let back = Return { redo: id.to_owned(), created_at: created_at.to_owned() };
        self.write(serde_json::to_string(&back))?;
        Ok(true)
    }

    /// Tries to take the file over from a window that has had it. True: done, and what that one wrote
    /// counts here, too.
    pub fn take_over(&mut self) -> Result<bool, StoreError> {
        let Some(path) = self.path.clone().filter(|_| self.is_elsewhere()) else {
            return Ok(false);
        };
        let Some(lock) = hold(&path).ok().flatten() else { return Ok(false) };
        let (fresh, _) = Self::open_with(&path, Some(lock))?;
        let unsaved = std::mem::take(&mut self.unsaved);
        *self = Self { unsaved, is_shared: true, ..fresh };
        self.take_in_unsaved();
        Ok(true)
    }

    /// Tries again to write what could not be written; says how many lines that were.
    pub fn write_unsaved(&mut self) -> Result<usize, StoreError> {
        if self.is_elsewhere() && !self.unsaved.is_empty() && !self.take_over()? {
            let path = self.path.clone().unwrap_or_default();
            return Err(StoreError::OtherWindow { path, unsaved: self.unsaved.len() });
        }
        let mut written = 0;
        while let Some(line) = self.unsaved.first() {
            let unsaved = self.unsaved.len();
            let Some(path) = &self.path else { return Err(StoreError::NoPlace { unsaved }) };
            files::append_line(path, line).map_err(|source| StoreError::Write {
                path: path.clone(),
                unsaved,
                source,
            })?;
            self.unsaved.remove(0);
            written += 1;
        }
        Ok(written)
    }

    /// Writes every verdict to another file, also what can be put back, whole or not at all. The next
    /// verdict is appended to that one.
    pub fn save_to(&mut self, path: &Path) -> Result<(), StoreError> {
        let write_error = |source| StoreError::Write {
            path: path.to_owned(),
            unsaved: self.unsaved.len(),
            source,
        };
        let mut text = String::new();
        let made = self.with(self.replaced.iter().chain(&self.undone));
        let lines = made.into_iter().map(serde_json::to_string);
        // When they were taken back is not known any more.
        let taken_back = self.undone.iter().map(|(_, record)| {
            let (undo, created_at) = (record.id.clone(), record.created_at.clone());
            serde_json::to_string(&Tombstone { undo, created_at })
        });
        for line in lines.chain(taken_back) {
            text.push_str(&line.map_err(|err| write_error(err.into()))?);
            text.push('\n');
        }
        files::write_atomic(path, text.as_bytes()).map_err(write_error)?;
        self.path = Some(path.to_owned());
        (self.lock, self.is_shared) = (None, false);
        self.unsaved.clear();
        Ok(())
    }

    fn write(&mut self, line: serde_json::Result<String>) -> Result<(), StoreError> {
        let line = line.map_err(|err| StoreError::Write {
            path: self.path.clone().unwrap_or_default(),
            unsaved: self.unsaved.len() + 1,
            source: err.into(),
        })?;
        self.unsaved.push(line);
        self.write_unsaved().map(|_| ())
    }
}

/// The first line of a file that holds data of another kind, such as training pairs. `None`: the file has a
/// verdict, or nothing but what may be left of some.
fn of_somebody_else(bytes: &[u8]) -> Option<BadLine> {
    let mut first = None;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match parse(line) {
            Ok(Some(_)) => return None,
            Err(problem) if first.is_none() && is_other_row(line) => {
                first = Some(BadLine { line: index + 1, problem });
            }
            Ok(None) | Err(_) => {}
        }
    }
    first
}

/// Whether a line is a whole row with nothing of a verdict in it.
fn is_other_row(line: &[u8]) -> bool {
    let row = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line);
    row.is_ok_and(|row| {
        !row.is_empty()
            && !["version", "id", "verdict", "undo"].iter().any(|key| row.contains_key(*key))
    })
}

/// Beside the verdicts: held by the window that writes them.
fn lock_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.lock"))
}

/// `None`: another window has it.
fn hold(path: &Path) -> io::Result<Option<Arc<files::Lock>>> {
    Ok(files::lock(&lock_path(path))?.map(Arc::new))
}

/// A line of the file; `None` for a blank one. The error says what is wrong with it.
fn parse(line: &[u8]) -> Result<Option<Line>, String> {
    let text = std::str::from_utf8(line)
        .map_err(|err| format!("it is not text (byte {} is not UTF-8)", err.valid_up_to() + 1))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Ok(None);
    }
    // In two steps, since "no variant matched" would not say what is missing.
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|err| format!("it is not JSON ({err})"))?;
    let line = if value.get("undo").is_some() {
        serde_json::from_value(value).map(Line::Undo)
    } else if value.get("redo").is_some() {
        serde_json::from_value(value).map(Line::Redo)
    } else {
        serde_json::from_value(value).map(Line::Verdict)
    };
    line.map(Some).map_err(|err| format!("it is not a verdict ({err})"))
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "store_properties.rs"]
mod properties;
