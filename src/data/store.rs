//! The project's verdicts, `pairs.jsonl`: a line appended and flushed for each, a line to take
//! one back, and nothing ever rewritten.
//!
//! Work that cannot be written stays in memory and can be saved somewhere else.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::pair::Verdict;
use crate::data::record::VerdictRecord;
use crate::files;

/// Why a verdict is not on the disk. The store still has it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error(
        "{} holds something else than this program's verdicts (line {line}: {problem}), and verdicts would be \
         written into it; rename it, or open another folder as the project",
        path.display()
    )]
    NoVerdicts { path: PathBuf, line: usize, problem: String },

    #[error("{} could not be written; the verdicts stay in memory ({unsaved} not saved)", path.display())]
    Write { path: PathBuf, unsaved: usize, source: io::Error },

    #[error("no project is open; the verdicts stay in memory ({unsaved} not saved)")]
    NoPlace { unsaved: usize },
}

/// A line that takes a verdict back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tombstone {
    /// The id of the verdict that no longer counts.
    undo: String,
    created_at: String,
}

/// A line of the file. A tombstone has the key `undo`, and a verdict has not.
enum Line {
    Undo(Tombstone),
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
}

impl VerdictCounts {
    pub fn of<'a>(records: impl IntoIterator<Item = &'a VerdictRecord>) -> Self {
        let mut counts = Self::default();
        for record in records {
            *match record.verdict {
                Verdict::Left => &mut counts.left,
                Verdict::Right => &mut counts.right,
                Verdict::Tie => &mut counts.tie,
                Verdict::BothBad => &mut counts.both_bad,
                Verdict::Skip => &mut counts.skipped,
            } += 1;
        }
        counts
    }

    /// Verdicts that say which answer is better: the pairs to train on.
    pub fn pairs(&self) -> usize {
        self.left + self.right
    }

    pub fn all(&self) -> usize {
        self.pairs() + self.tie + self.both_bad + self.skipped
    }

    /// How often the left answer was the better one, 0 to 1; far from a half says that the side
    /// decided. `None` without pairs.
    pub fn left_share(&self) -> Option<f64> {
        (self.pairs() > 0).then(|| self.left as f64 / self.pairs() as f64)
    }
}

/// The verdicts of a project, in memory and on the disk.
#[derive(Clone, Debug, Default)]
pub struct PairStore {
    /// `None`: no project is open, and the verdicts wait for one.
    path: Option<PathBuf>,

    /// Those that count, in the order they were made.
    records: Vec<VerdictRecord>,

    /// Lines that could not be written, oldest first.
    unsaved: Vec<String>,
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
        let (mut store, recovered) = Self::open(path)?;
        let waiting = before.unsaved.iter().filter_map(|line| parse(line.as_bytes()).ok()?);
        waiting.for_each(|line| store.take_in(line));
        store.unsaved.clone_from(&before.unsaved);
        let carried_over = store.write_unsaved().map(drop);
        Ok(Opened { store, recovered, carried_over })
    }

    /// Reads `path`; a file that is not there is an empty store. A last line that was cut short
    /// (the program was killed in the middle of a write) is moved to `<path>.damaged`; other
    /// lines that are no verdicts are left where they are and passed over. A file without a single
    /// verdict is somebody's own: it is refused, and nothing is done to it.
    pub fn open(path: &Path) -> Result<(Self, Recovered), StoreError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(StoreError::Read { path: path.to_owned(), source }),
        };
        let mut recovered = Recovered::default();
        let mut store = Self { path: Some(path.to_owned()), ..Self::default() };
        if let Some(BadLine { line, problem }) = of_somebody_else(&bytes) {
            return Err(StoreError::NoVerdicts { path: path.to_owned(), line, problem });
        }
        let mut start = 0;
        for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let whole = line.ends_with(b"\n");
            match parse(line) {
                Ok(None) => {}
                Ok(Some(line)) => store.take_in(line),
                Err(_) if !whole => {
                    let moved_to = files::move_aside(path, &bytes[..start], line).ok();
                    recovered.cut_short = Some((line.len(), moved_to));
                }
                Err(problem) => recovered.bad_lines.push(BadLine { line: index + 1, problem }),
            }
            start += line.len();
        }
        recovered.verdict_count = store.records.len();
        Ok((store, recovered))
    }

    fn take_in(&mut self, line: Line) {
        match line {
            Line::Verdict(record) => self.records.push(*record),
            Line::Undo(tombstone) => {
                if let Some(at) = self.records.iter().rposition(|r| r.id == tombstone.undo) {
                    self.records.remove(at);
                }
            }
        }
    }

    /// `None`: no project is open.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The verdicts that count, in the order they were made.
    pub fn records(&self) -> &[VerdictRecord] {
        &self.records
    }

    pub fn counts(&self) -> VerdictCounts {
        VerdictCounts::of(&self.records)
    }

    /// How many lines wait for a place to be written to.
    pub fn unsaved_count(&self) -> usize {
        self.unsaved.len()
    }

    /// Adds a verdict and flushes it to the disk. After an error it is in memory all the same,
    /// and written with the next one that can be.
    pub fn append(&mut self, record: VerdictRecord) -> Result<(), StoreError> {
        let line = serde_json::to_string(&record);
        self.records.push(record);
        self.write(line)
    }

    /// Takes a verdict back: a line that says so is appended, the verdict's own line stays.
    /// `Ok(None)`: there is no verdict with this id that counts.
    pub fn undo(
        &mut self,
        id: &str,
        created_at: &str,
    ) -> Result<Option<VerdictRecord>, StoreError> {
        let Some(at) = self.records.iter().rposition(|record| record.id == id) else {
            return Ok(None);
        };
        let record = self.records.remove(at);
        let tombstone = Tombstone { undo: id.to_owned(), created_at: created_at.to_owned() };
        self.write(serde_json::to_string(&tombstone))?;
        Ok(Some(record))
    }

    /// Tries again to write what could not be written; says how many lines that were.
    pub fn write_unsaved(&mut self) -> Result<usize, StoreError> {
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

    /// Writes every verdict that counts to another file, whole or not at all. The next verdict is
    /// appended to that one.
    pub fn save_to(&mut self, path: &Path) -> Result<(), StoreError> {
        let write_error = |source| StoreError::Write {
            path: path.to_owned(),
            unsaved: self.unsaved.len(),
            source,
        };
        let mut text = String::new();
        for record in &self.records {
            let line = serde_json::to_string(record).map_err(|err| write_error(err.into()))?;
            text.push_str(&line);
            text.push('\n');
        }
        files::write_atomic(path, text.as_bytes()).map_err(write_error)?;
        self.path = Some(path.to_owned());
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

/// The first line of a file that holds data of another kind, such as training pairs. `None`: the file is
/// empty, has a verdict, or begins with one that was cut short.
fn of_somebody_else(bytes: &[u8]) -> Option<BadLine> {
    let mut first = None;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match parse(line) {
            Ok(Some(_)) => return None,
            Err(problem) if first.is_none() => {
                let whole = line.ends_with(b"\n")
                    || serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok();
                first = whole.then_some(BadLine { line: index + 1, problem });
            }
            Ok(None) | Err(_) => {}
        }
    }
    first
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
    } else {
        serde_json::from_value(value).map(Line::Verdict)
    };
    line.map(Some).map_err(|err| format!("it is not a verdict ({err})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::record::tests::record;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        (folder, path)
    }

    fn ids(store: &PairStore) -> Vec<&str> {
        store.records().iter().map(|record| record.id.as_str()).collect()
    }

    const LATER: &str = "2026-11-21T20:40:00.000Z";

    #[test]
    fn a_verdict_is_on_the_disk_before_the_next_one_is_asked_for() {
        let (_folder, path) = folder();
        let (mut store, recovered) = PairStore::open(&path).unwrap();
        assert_eq!(recovered, Recovered::default());
        store.append(record("1", "a", Verdict::Left)).unwrap();
        store.append(record("2", "b", Verdict::Tie)).unwrap();
        let (again, recovered) = PairStore::open(&path).unwrap();
        assert_eq!(again.records(), store.records());
        assert!(recovered.is_clean() && recovered.verdict_count == 2);
        assert_eq!(again.counts().pairs(), 1); // a tie is not a pair
    }

    #[test]
    fn undo_adds_a_line_and_rewrites_nothing() {
        let (_folder, path) = folder();
        let (mut store, _) = PairStore::open(&path).unwrap();
        store.append(record("1", "a", Verdict::Left)).unwrap();
        store.append(record("2", "b", Verdict::Right)).unwrap();
        let before = std::fs::read_to_string(&path).unwrap();
        let taken_back = store.undo("2", LATER).unwrap();
        assert_eq!(taken_back.map(|record| record.id).as_deref(), Some("2"));
        assert_eq!(store.undo("2", LATER).unwrap(), None); // only once
        let after = std::fs::read_to_string(&path).unwrap();
        let added = after.strip_prefix(&before).unwrap();
        assert_eq!(added, format!("{{\"undo\":\"2\",\"created_at\":\"{LATER}\"}}\n"));
        assert_eq!(ids(&PairStore::open(&path).unwrap().0), ["1"]);
    }

    #[test]
    fn a_kill_at_any_byte_of_a_write_loses_at_most_that_verdict() {
        let (_folder, path) = folder();
        let (mut store, _) = PairStore::open(&path).unwrap();
        store.append(record("1", "a", Verdict::Left)).unwrap();
        let first = std::fs::read(&path).unwrap();
        store.append(record("2", "Qualität?", Verdict::Right)).unwrap();
        let both = std::fs::read(&path).unwrap();
        let damaged = path.with_extension("jsonl.damaged");
        // Every seventh byte, and each of the last ones; every single one takes seconds.
        let all = first.len()..=both.len();
        for length in all.clone().step_by(7).chain(all.skip(both.len() - first.len() - 3)) {
            std::fs::remove_file(&damaged).ok();
            files::write_atomic(&path, &both[..length]).unwrap();
            let (mut store, recovered) = PairStore::open(&path).unwrap();
            // All but the line feed is a whole verdict.
            let whole = length + 1 >= both.len();
            let expected: &[&str] = if whole { &["1", "2"] } else { &["1"] };
            assert_eq!(ids(&store), expected, "killed after {length} bytes");
            let torn = length - first.len();
            if torn > 0 && !whole {
                assert_eq!(recovered.cut_short, Some((torn, Some(damaged.clone()))));
                assert_eq!(std::fs::read(&path).unwrap(), first);
                assert!(recovered.sentences()[0].contains("was cut short"));
            } else {
                assert!(recovered.is_clean());
            }
            store.append(record("3", "c", Verdict::Left)).unwrap();
            let (again, recovered) = PairStore::open(&path).unwrap();
            assert_eq!(again.records(), store.records());
            assert!(recovered.is_clean());
        }
    }

    #[test]
    fn a_bad_line_in_the_middle_is_named_and_kept() {
        let (_folder, path) = folder();
        let (mut store, _) = PairStore::open(&path).unwrap();
        store.append(record("1", "a", Verdict::Left)).unwrap();
        files::append_line(&path, "{\"prompt\": ").unwrap();
        files::append_line(&path, "{\"id\": \"x\"}").unwrap();
        store.append(record("2", "b", Verdict::Right)).unwrap();
        let before = std::fs::read(&path).unwrap();
        let (again, recovered) = PairStore::open(&path).unwrap();
        assert_eq!(ids(&again), ["1", "2"]);
        let lines: Vec<usize> = recovered.bad_lines.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [2, 3]);
        assert!(recovered.bad_lines[1].problem.contains("version"), "{recovered:?}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_file_of_training_pairs_is_not_taken_for_verdicts_and_stays_as_it_is() {
        let (_folder, path) = folder();
        let pair = r#"{"prompt": "Hi", "chosen": "Hello", "rejected": "Go"}"#;
        for text in [format!("{pair}\n{pair}\n"), format!("{pair}\n{pair}"), pair.to_owned()] {
            files::write_atomic(&path, text.as_bytes()).unwrap();
            let told = PairStore::open(&path).unwrap_err().to_string();
            assert!(told.contains("(line 1: ") && told.contains("rename it"), "{told}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            assert!(!path.with_extension("jsonl.damaged").exists());
        }
    }

    #[test]
    fn what_cannot_be_written_stays_and_can_be_saved_elsewhere() {
        let (folder, _) = folder();
        // A folder in the file's place: no permissions needed, fails for root too.
        let path = folder.path().join("taken");
        let (mut store, _) = PairStore::open(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        for (id, prompt) in [("1", "a"), ("2", "b")] {
            let err = store.append(record(id, prompt, Verdict::Left)).unwrap_err();
            assert!(err.to_string().contains("stay in memory"));
        }
        assert!(store.undo("1", LATER).is_err());
        assert_eq!((ids(&store), store.unsaved_count()), (vec!["2"], 3));

        let elsewhere = folder.path().join("elsewhere.jsonl");
        store.save_to(&elsewhere).unwrap();
        store.append(record("3", "c", Verdict::Tie)).unwrap();
        assert_eq!(store.unsaved_count(), 0);
        assert_eq!(ids(&PairStore::open(&elsewhere).unwrap().0), ["2", "3"]);
    }

    #[test]
    fn what_waited_is_written_in_order_once_it_can_be() {
        let (folder, _) = folder();
        let path = folder.path().join("taken");
        let (mut store, _) = PairStore::open(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        store.append(record("1", "a", Verdict::Left)).unwrap_err();
        std::fs::remove_dir(&path).unwrap();
        store.append(record("2", "b", Verdict::Right)).unwrap();
        assert_eq!(ids(&PairStore::open(&path).unwrap().0), ["1", "2"]);
    }

    #[test]
    fn the_left_share_counts_decided_verdicts_only() {
        let records = [
            record("1", "a", Verdict::Left),
            record("2", "b", Verdict::Left),
            record("3", "c", Verdict::Right),
            record("4", "d", Verdict::Tie),
        ];
        let counts = VerdictCounts::of(&records);
        assert_eq!(counts.left_share(), Some(2.0 / 3.0));
        assert_eq!((counts.pairs(), counts.all()), (3, 4));
        assert_eq!(VerdictCounts::default().left_share(), None);
    }
}

#[cfg(test)]
#[path = "store_properties.rs"]
mod properties;
