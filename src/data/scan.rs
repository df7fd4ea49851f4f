//! Reads a file of verdicts from its first to its last line: on all cores, block by block, so that a
//! million verdicts take neither long nor much memory. What is kept of each is a [`Kept`].

use std::fs::File;
use std::io::{self, BufRead as _, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::data::glance::{Glance, hash};
use crate::data::kept::Kept;
use crate::data::line::{Line, is_other_row, parse, text_of};
use crate::data::replay::Replay;
use crate::jobs::Progress;

/// How much of a file was read, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanning {
    pub done: u64,
    pub total: u64,
}

/// A line that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    pub problem: String,
}

/// What is in a file.
#[derive(Default)]
pub struct Scanned {
    pub replay: Replay,
    pub bad_lines: Vec<BadLine>,

    /// The first line of a file that holds data of another kind, such as training pairs. `None`: the file
    /// has a verdict, or nothing but what may be left of some.
    pub other: Option<BadLine>,

    /// Where a last line begins that was cut short, and the line.
    pub cut_short: Option<(usize, Vec<u8>)>,

    /// The number of the last line, and whether there was one of ours.
    line: usize,
    has_ours: bool,
}

/// So much of a file is told at once, and twice as much is in memory.
const BLOCK: u64 = 2 << 20;

/// Progress is said so many times at most: each time the window is drawn anew, on the same cores.
const TOLD: u64 = 20;

/// Reads a file; one that is not there is empty. `None`: whoever wanted it has lost interest.
///
/// While the lines of a block are told apart, those of the block before are put into their order and
/// the block after is read.
pub fn scan(path: &Path, progress: &dyn Progress<Scanning>) -> io::Result<Option<Scanned>> {
    let Some(mut blocks) = Blocks::open(path)? else { return Ok(Some(Scanned::default())) };
    let path = Arc::new(path.to_owned());
    let mut found = Scanned::default();
    let (mut before, mut emitted) = (None, 0);
    let mut next = blocks.next()?;
    while let Some(block) = next {
        if progress.check().is_err() {
            return Ok(None);
        }
        let (done, total) = (block.start, blocks.total);
        if done * TOLD / total.max(1) > emitted {
            emitted = done * TOLD / total.max(1);
            progress.emit(Scanning { done, total });
        }
        if before.is_none() {
            found.replay = Replay::begin(block.lines_of_all(total));
        }
        let (told, read) = rayon::join(
            || block.told(&path),
            || {
                if let Some((block, told)) = before.take() {
                    found.take_in(&block, told);
                    blocks.spare = block.bytes;
                }
                blocks.next()
            },
        );
        before = Some((block, told));
        next = read?;
    }
    if let Some((block, told)) = before {
        found.take_in(&block, told);
    }
    found.replay.end();
    found.other = found.other.filter(|_| !found.has_ours);
    Ok(Some(found))
}

/// A file as blocks of whole lines.
struct Blocks {
    file: File,
    total: u64,

    /// Where the next one begins, and what was read of it with the one before.
    start: u64,
    rest: Vec<u8>,
    is_end: bool,

    /// A block that is needed no more: fresh memory has to be cleared.
    spare: Vec<u8>,
}

struct Block {
    /// Where it begins in the file.
    start: u64,
    bytes: Vec<u8>,
}

impl Blocks {
    /// `None`: there is no file.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(err),
        };
        let total = file.metadata()?.len();
        let (rest, spare) = (Vec::new(), Vec::new());
        Ok(Some(Self { file, total, start: 0, rest, is_end: false, spare }))
    }

    /// The next one; the last one may end without the end of a line.
    fn next(&mut self) -> io::Result<Option<Block>> {
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        bytes.append(&mut self.rest);
        while !self.is_end {
            self.is_end = (&self.file).take(BLOCK).read_to_end(&mut bytes)? == 0;
            if let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') {
                self.rest.extend_from_slice(&bytes[last + 1..]);
                bytes.truncate(last + 1);
                break;
            }
        }
        let start = self.start;
        self.start += bytes.len() as u64;
        Ok((!bytes.is_empty()).then_some(Block { start, bytes }))
    }
}

impl Block {
    /// The places of its lines, each with what ends it.
    fn lines(&self) -> Vec<Range<usize>> {
        let (mut lines, mut start) = (Vec::new(), 0);
        while let Some(mut rest) = self.bytes.get(start..).filter(|rest| !rest.is_empty()) {
            // Looks for the end of a line many bytes at a time, which `split_inclusive` does not, and
            // took a fifth of all. Reading what is in memory does not fail.
            let end = start + rest.skip_until(b'\n').unwrap_or(rest.len());
            lines.push(start..end);
            start = end;
        }
        lines
    }

    /// How many lines the whole file has, by this block, its first: a little more than it lets expect.
    fn lines_of_all(&self, total: u64) -> usize {
        let share = total as f64 / self.bytes.len().max(1) as f64;
        let expected = self.lines().len() as f64 * share * 1.02;
        expected.min(total as f64 / 200.0) as usize // none is shorter than this
    }

    /// What its lines are.
    fn told(&self, path: &Arc<PathBuf>) -> Vec<Told> {
        self.lines().into_par_iter().map(|line| Told::of(self, line, path)).collect()
    }
}

/// What a line is.
enum Told {
    Blank,

    /// A verdict, and the hash of the id of the one that it replaces.
    Verdict(Kept, Option<u64>),
    Undo(String),
    Redo(String),

    /// What is wrong, and where it is in its block.
    Bad(String, Range<usize>),
}

impl Told {
    /// Of the line at `place` of a block.
    fn of(block: &Block, place: Range<usize>, path: &Arc<PathBuf>) -> Self {
        let line = &block.bytes[place.clone()];
        let at = block.start + place.start as u64;
        let kept = |glance| Kept::in_file(glance, path, at, line.len() as u32);
        if let Some((glance, replaces)) = text_of(line).ok().and_then(Glance::of_line) {
            return Self::Verdict(kept(glance), replaces);
        }
        match parse(line) {
            Ok(None) => Self::Blank,
            Ok(Some(Line::Verdict(record))) => {
                let replaces = record.remarks.replaces.as_deref().map(hash);
                Self::Verdict(kept(Glance::of(&record)), replaces)
            }
            Ok(Some(Line::Undo(tombstone))) => Self::Undo(tombstone.undo),
            Ok(Some(Line::Redo(back))) => Self::Redo(back.redo),
            Err(problem) => Self::Bad(problem, place),
        }
    }
}

impl Scanned {
    /// Puts the lines of a block behind those before it.
    fn take_in(&mut self, block: &Block, told: Vec<Told>) {
        for told in told {
            self.line += 1;
            self.has_ours |= !matches!(told, Told::Blank | Told::Bad(..));
            match told {
                Told::Blank => {}
                Told::Verdict(kept, replaces) => self.replay.add(kept, replaces),
                Told::Undo(id) => _ = self.replay.take_back(&id),
                Told::Redo(id) => _ = self.replay.put_back(&id),
                Told::Bad(problem, place) => self.pass_over(block, place, problem),
            }
        }
    }

    /// A line that is none of ours.
    fn pass_over(&mut self, block: &Block, place: Range<usize>, problem: String) {
        let (at, line) = (block.start as usize + place.start, &block.bytes[place]);
        let bad = BadLine { line: self.line, problem };
        if self.other.is_none() && !self.has_ours && is_other_row(line) {
            self.other = Some(bad.clone());
        }
        if line.ends_with(b"\n") {
            self.bad_lines.push(bad);
        } else {
            self.cut_short = Some((at, line.to_vec()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;
    use crate::data::pair::Verdict;
    use crate::examples::record;
    use crate::files;
    use crate::jobs::{Cancelled, Quiet};

    /// A file of so many verdicts, with whatever else stands at some of its lines.
    fn file(count: usize, other: &[(usize, &str)]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        files::write_in_pieces(&path, |to| {
            for number in 0..count {
                if let Some((_, text)) = other.iter().find(|(line, _)| *line == number) {
                    writeln!(to, "{text}")?;
                }
                let record = record(&number.to_string(), "why", Verdict::ALL[number % 5]);
                writeln!(to, "{}", serde_json::to_string(&record)?)?;
            }
            Ok(())
        })
        .unwrap();
        (folder, path)
    }

    fn scanned(path: &Path) -> Scanned {
        scan(path, &Quiet).unwrap().expect("nobody has stopped it")
    }

    #[test]
    fn lines_that_lie_across_blocks_are_whole() {
        let long = format!("{{\"prompt\": \"{}\"}}", "x".repeat(5 << 20)); // more than two blocks
        let undo = r#"{"undo": "1", "created_at": "now"}"#;
        let (_folder, path) = file(12_000, &[(20, ""), (4000, &long), (5000, undo)]);
        assert!(std::fs::metadata(&path).unwrap().len() > 4 * BLOCK);
        let found = scanned(&path);
        assert_eq!(found.replay.counts().all(), 11_999);
        let bad: Vec<usize> = found.bad_lines.iter().map(|bad| bad.line).collect();
        assert_eq!((bad, found.line), (vec![4002], 12_003));
        // Each is where it says.
        let records = found.replay.counting().read().unwrap();
        let ids: Vec<usize> = records.iter().map(|record| record.id.parse().unwrap()).collect();
        assert!(ids.into_iter().eq((0..12_000).filter(|id| *id != 1)));
    }

    #[test]
    fn a_last_line_without_an_end_is_told_with_its_place() {
        let (_folder, path) = file(3000, &[]);
        let whole = std::fs::read(&path).unwrap();
        files::write_atomic(&path, &whole[..whole.len() - 9]).unwrap();
        let found = scanned(&path);
        let (at, line) = found.cut_short.expect("it was cut short");
        assert_eq!(found.replay.counts().all(), 2999);
        assert_eq!([&whole[..at], &line].concat(), whole[..whole.len() - 9]);
        assert_eq!(scanned(&path.with_extension("nowhere")).line, 0);
    }

    /// Hears how far it is, and has it stopped after so many blocks.
    struct Patience {
        blocks: Cell<usize>,
        heard: RefCell<Vec<Scanning>>,
    }

    impl Progress<Scanning> for Patience {
        fn emit(&self, event: Scanning) {
            self.heard.borrow_mut().push(event);
        }

        fn check(&self) -> Result<(), Cancelled> {
            self.blocks.set(self.blocks.get().checked_sub(1).ok_or(Cancelled)?);
            Ok(())
        }
    }

    #[test]
    fn it_says_how_far_it_is_and_can_be_stopped() {
        let (_folder, path) = file(20_000, &[]);
        let total = std::fs::metadata(&path).unwrap().len();
        let scan = |blocks| {
            let patience = Patience { blocks: Cell::new(blocks), heard: RefCell::default() };
            let found = scan(&path, &patience).unwrap();
            (found.map(|found| found.line), patience.heard.into_inner())
        };
        let (found, heard) = scan(1000);
        assert_eq!(found, Some(20_000));
        assert!(heard.len() > 1 && heard.len() <= 20, "{heard:?}");
        assert!(heard.is_sorted_by(|one, next| one.done < next.done));
        assert!(heard.iter().all(|at| at.total == total && at.done < total));
        assert_eq!(scan(2).0, None);
    }
}
