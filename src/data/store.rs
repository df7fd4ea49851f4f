//! The project's verdicts, `pairs.jsonl`: a line appended for each, a line to take
//! one back, and nothing ever rewritten.
//!
//! Work that cannot be written stays in memory and can be saved somewhere else.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data::counts::VerdictCounts;
use crate::data::glance::hash;
use crate::data::kept::{Given, Kept, ReadError, Reader, Records};
use crate::data::line::{Line, Return, Tombstone, parse};
use crate::data::record::VerdictRecord;
use crate::data::replay::Replay;
use crate::data::scan::{BadLine, Scanned, Scanning, scan};
use crate::files;
use crate::files::flush::{Flush, Unflushed};
use crate::jobs::{Progress, Quiet};

/// Why a verdict is not on the disk. The store still has it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} was not read to its end, since that was stopped", path.display())]
    Stopped { path: PathBuf },

    #[error(
        "{} holds something other than this program's verdicts (line {line}: {problem}), and verdicts would be \
         written into it; rename it, or open another folder as the project",
        path.display()
    )]
    NoVerdicts { path: PathBuf, line: usize, problem: String },

    #[error("{} could not be written; the verdicts stay in memory ({unsaved} not saved)", path.display())]
    Write { path: PathBuf, unsaved: usize, source: io::Error },

    #[error(transparent)]
    Again(#[from] ReadError),

    #[error("no project is open; the verdicts stay in memory ({unsaved} not saved)")]
    NoPlace { unsaved: usize },

    #[error(
        "another window has {} open, and writes its own verdicts to it; the verdicts of this window \
         stay in memory ({unsaved} not saved)", path.display()
    )]
    OtherWindow { path: PathBuf, unsaved: usize },
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

/// The verdicts of a project, in memory and on the disk.
#[derive(Clone, Debug, Default)]
pub struct PairStore {
    /// `None`: no project is open, and the verdicts wait for one.
    path: Option<PathBuf>,

    /// Every verdict of the file, and which of them count.
    replay: Replay,

    /// Lines that could not be written, oldest first.
    unsaved: Vec<String>,

    /// Whether other windows are kept from writing to the file, and what keeps them.
    is_shared: bool,
    lock: Option<Arc<files::Lock>>,

    /// When lines are flushed.
    flush: Flush,
}

/// The file that a store keeps other windows from, if there is one: whoever opens it anew has it at once.
#[derive(Clone, Debug, Default)]
pub struct Holding(Option<(PathBuf, Arc<files::Lock>)>);

impl PairStore {
    /// Reads `path` as [`Self::open`] does, and keeps other windows from writing to it. What `before`
    /// could not write is not in it yet: see [`Self::carry_over`].
    ///
    /// Of a million verdicts that takes seconds.
    pub fn open_to_write(
        path: &Path,
        before: &Holding,
        progress: &dyn Progress<Scanning>,
    ) -> Result<(Self, Recovered), StoreError> {
        // Before it is read: nobody writes to it in between.
        let held = match &before.0 {
            Some((held, lock)) if held == path => Ok(Some(Arc::clone(lock))),
            _ => hold(path),
        };
        // Where no lock can be made, nothing can be written either, and that says why.
        let is_shared = held.is_ok();
        let (store, recovered) = Self::open_with(path, held.ok().flatten(), progress)?;
        Ok((Self { is_shared, ..store }, recovered))
    }

    /// From now on its file is put on this list for each line, and flushed by whoever takes it from there.
    pub fn flush_beside(&mut self, unflushed: &Unflushed) {
        self.flush = Flush::Beside(unflushed.clone());
    }

    /// What it keeps other windows from.
    pub fn holding(&self) -> Holding {
        Holding(self.path.clone().zip(self.lock.clone()))
    }

    /// Writes what another store could not write. Where this cannot either, it has it in memory.
    pub fn carry_over(&mut self, before: &Self) -> Result<(), StoreError> {
        self.unsaved.clone_from(&before.unsaved);
        self.take_in_unsaved();
        self.write_unsaved().map(drop)
    }

    /// Reads `path`; a file that is not there is an empty store. A last line that was cut short
    /// (the program was killed in the middle of a write) is moved to `<path>.damaged`; other
    /// lines that are no verdicts are left where they are and passed over. A file without a single
    /// verdict is somebody's own: it is refused, and nothing is done to it.
    pub fn open(path: &Path) -> Result<(Self, Recovered), StoreError> {
        Self::open_with(path, None, &Quiet)
    }

    /// `lock`: held from now on.
    fn open_with(
        path: &Path,
        lock: Option<Arc<files::Lock>>,
        progress: &dyn Progress<Scanning>,
    ) -> Result<(Self, Recovered), StoreError> {
        // Where a window has it, a last line without an end is being written.
        let is_own = lock.is_some() || !files::is_locked(&lock_path(path));
        let mut recovered = Recovered::default();
        let scanned = scan(path, progress)
            .map_err(|source| StoreError::Read { path: path.to_owned(), source })?;
        let Some(Scanned { replay, bad_lines, other, cut_short, .. }) = scanned else {
            return Err(StoreError::Stopped { path: path.to_owned() });
        };
        let store = Self { path: Some(path.to_owned()), replay, lock, ..Self::default() };
        recovered.bad_lines = bad_lines;
        recovered.verdict_count = store.counts().all();
        if let Some(BadLine { line, problem }) = other {
            return Err(StoreError::NoVerdicts { path: path.to_owned(), line, problem });
        }
        if let Some((start, line)) = cut_short {
            let move_aside = || {
                let bytes = std::fs::read(path)?;
                files::move_aside(path, &bytes[..start.min(bytes.len())], &line)
            };
            let moved_to = is_own.then(move_aside).and_then(Result::ok);
            recovered.cut_short = Some((line.len(), moved_to));
        }
        Ok((store, recovered))
    }

    fn add(&mut self, record: VerdictRecord) {
        let replaces = record.remarks.replaces.as_deref().map(hash);
        self.replay.add(Kept::in_memory(Arc::new(record)), replaces);
    }

    /// What is not written yet counts, too.
    fn take_in_unsaved(&mut self) {
        let waiting = std::mem::take(&mut self.unsaved);
        for line in waiting.iter().filter_map(|line| parse(line.as_bytes()).ok()?) {
            match line {
                Line::Verdict(record) => self.add(*record),
                Line::Undo(tombstone) => _ = self.replay.take_back(&tombstone.undo),
                Line::Redo(back) => _ = self.replay.put_back(&back.redo),
            }
        }
        self.unsaved = waiting;
    }

    /// `None`: no project is open.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The verdicts that count, in the order they were made.
    pub fn records(&self) -> Records {
        self.replay.counting()
    }

    /// Every verdict that was not taken back, in the order they were made, also those whose place
    /// another one has taken.
    pub fn history(&self) -> Records {
        self.replay.history()
    }

    /// What was taken back and can be put back, the latest last.
    pub fn undone(&self) -> Records {
        self.replay.undone()
    }

    /// All that was given, for whoever steps through it.
    pub fn given(&self) -> Given {
        self.replay.given()
    }

    /// Whether another window writes to the file of this one.
    pub fn is_elsewhere(&self) -> bool {
        self.is_shared && self.lock.is_none()
    }

    pub fn counts(&self) -> VerdictCounts {
        self.replay.counts()
    }

    /// How many lines wait for a place to be written to.
    pub fn unsaved_count(&self) -> usize {
        self.unsaved.len()
    }

    /// Adds a verdict and writes it to the disk. After an error it is in memory all the same,
    /// and written with the next one that can be.
    pub fn append(&mut self, record: VerdictRecord) -> Result<(), StoreError> {
        let line = serde_json::to_string(&record);
        self.add(record);
        self.write(line)
    }

    /// Takes a verdict back: a line that says so is appended, the verdict's own line stays.
    /// `Ok(false)`: there is no verdict with this id that counts.
    pub fn undo(&mut self, id: &str, created_at: &str) -> Result<bool, StoreError> {
        if !self.replay.take_back(id) {
            return Ok(false);
        }
        let tombstone = Tombstone { undo: id.to_owned(), created_at: created_at.to_owned() };
        self.write(serde_json::to_string(&tombstone))?;
        Ok(true)
    }

    /// Puts back a verdict that was taken back, with a line that says so. `Ok(false)`: there is none.
    pub fn redo(&mut self, id: &str, created_at: &str) -> Result<bool, StoreError> {
        if !self.replay.put_back(id) {
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
        let (fresh, _) = Self::open_with(&path, Some(lock), &Quiet)?;
        let unsaved = std::mem::take(&mut self.unsaved);
        *self = Self { unsaved, is_shared: true, flush: self.flush.clone(), ..fresh };
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
            let appended =
                check_place(path).and_then(|()| files::append_line_for(path, line, &self.flush));
            appended.map_err(|source| StoreError::Write { path: path.clone(), unsaved, source })?;
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
        let (made, undone) = (self.replay.all(), self.replay.undone());
        let mut unread = None;
        let written = files::write_in_pieces(path, |to| {
            let mut reader = Reader::default();
            for kept in &made.0 {
                match reader.line(kept) {
                    Ok(line) => writeln!(to, "{line}")?,
                    Err(err) => {
                        let said = io::Error::other(err.to_string());
                        unread = Some(err);
                        return Err(said);
                    }
                }
            }
            // When they were taken back is not known any more.
            for kept in &undone.0 {
                let record = reader.record(kept).map_err(io::Error::other)?;
                let (undo, created_at) = (record.id.clone(), record.created_at.clone());
                writeln!(to, "{}", serde_json::to_string(&Tombstone { undo, created_at })?)?;
            }
            Ok(())
        });
        if let Some(err) = unread {
            return Err(err.into());
        }
        written.map_err(write_error)?;
        // What is read again from now on is read there: the old file may have had this name.
        let (fresh, _) = Self::open_with(path, None, &Quiet)?;
        *self = Self { flush: self.flush.clone(), ..fresh };
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

/// A project that was moved while it is open is not begun anew at its old place.
fn check_place(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) else {
        return Ok(());
    };
    if folder.is_dir() {
        Ok(())
    } else {
        let help = "Put it back where it was, or save the verdicts elsewhere";
        Err(files::folders::not_there(folder, help))
    }
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

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "store_properties.rs"]
mod properties;
