//! A coder's verdicts: a file to which a line is added for each, also for what is taken back and put
//! back. Nothing is ever rewritten, so what an item was coded as before is kept.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::design::StudyError;
use super::item::Item;
use super::log_line::{Line, Name, Suggested, Values, line};
use super::moment::Moment;
use super::value::Value;
use super::variable::{FIRST, SECOND, Variables};
use crate::files;
use crate::files::flush::Flush;

/// What a coder said of an item, all its variables at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// The item, by its place in the study.
    pub item: usize,

    /// 1; 2 for an item that was shown once more.
    pub pass: u8,

    /// By the variable's place in the codebook. One that is not there was not answered. Verdicts that
    /// say the same share it: of a million, few differ.
    pub values: Arc<[(u16, Value)]>,

    /// RFC 3339 in UTC.
    pub at: Moment,

    /// From when the item was shown.
    pub seconds: f32,

    /// To be talked about.
    pub flagged: bool,

    /// Of two answers, the one that stood on the left: 0 is the first.
    pub left: Option<u8>,
    pub reason: Option<Box<str>>,

    /// The version of the guideline that was valid.
    pub guideline: Arc<str>,
    pub suggestion: Option<Box<Suggested>>,
}

impl Verdict {
    pub fn value(&self, variable: usize) -> Option<&Value> {
        let at = u16::try_from(variable).ok()?;
        self.values.iter().find(|(place, _)| *place == at).map(|(_, value)| value)
    }
}

/// What lines are read against: the ids of the items and the names of the variables.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    pub items: &'a [Item],
    pub index: &'a HashMap<String, usize>,
    pub variables: &'a Variables,
}

/// Whether what was cut off at the end of a file is moved aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is only looked at: somebody else may be writing to it.
    Read,
    Write,
}

/// A coder's verdicts, in memory and on the disk.
#[derive(Clone, Debug, Default)]
pub struct CoderLog {
    pub coder: String,
    path: PathBuf,
    study: String,

    /// Every verdict that was ever given, in order; its number is its place and one more.
    verdicts: Vec<Verdict>,

    /// For each verdict, the one that it replaced: its number, or 0.
    replaced: Vec<u32>,

    /// By item and pass: the number of the verdict that counts, or 0.
    current: Vec<[u32; 2]>,

    /// The numbers of what can be taken back and put back, the latest last.
    done: Vec<u32>,
    undone: Vec<u32>,

    /// Lines that could not be written yet, oldest first.
    unsaved: Vec<String>,
    has_header: bool,

    /// When lines are flushed.
    pub(super) flush: Flush,

    /// What verdicts have said before, to be shared; see [`MOST_SHARED`].
    shared: Vec<Arc<[(u16, Value)]>>,
}

/// So many different things that were said are kept to be shared. Those of a codebook are fewer; free
/// texts and numbers are looked for among them in vain, which must not take long.
const MOST_SHARED: usize = 64;

/// What was found in a file beside verdicts, as sentences.
pub type Found = Vec<String>;

impl CoderLog {
    /// The log of a coder who has not begun. Nothing is written before the first verdict.
    pub fn new(coder: &str, path: &Path, study: &str, items: usize) -> Self {
        Self {
            coder: coder.to_owned(),
            path: path.to_owned(),
            study: study.to_owned(),
            current: vec![[0; 2]; items],
            ..Self::default()
        }
    }

    /// Reads a log. A last line that was cut short (the program was killed in the middle of a write)
    /// is moved to `<path>.damaged`; other lines that are none of ours are passed over and named.
    pub fn open(
        path: &Path,
        known: Known<'_>,
        study: &str,
        usage: Use,
    ) -> Result<(Self, Found), StudyError> {
        let read = |source| StudyError::Read { path: path.to_owned(), source };
        let mut log = Self::new("", path, study, known.items.len());
        let mut found = Found::new();
        let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(read)?);
        let (mut buffer, mut number, mut start) = (Vec::new(), 0, 0);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut bad = 0;
        loop {
            buffer.clear();
            if reader.read_until(b'\n', &mut buffer).map_err(read)? == 0 {
                break;
            }
            number += 1;
            let whole = buffer.ends_with(b"\n");
            match log.take_line(&buffer, known) {
                Ok(()) => {}
                Err(StudyLine::Foreign(said)) => return Err(StudyError::Foreign(said)),
                Err(StudyLine::Bad(_)) if !whole => {
                    let bytes = std::fs::read(path).map_err(read)?;
                    let place = match usage {
                        Use::Read => "was passed over".to_owned(),
                        Use::Write => files::move_aside(path, &bytes[..start], &buffer)
                            .map_or_else(
                                |_| "could not be moved aside and was passed over".to_owned(),
                                |moved| format!("was moved to {}", moved.display()),
                            ),
                    };
                    found.push(format!(
                        "The last line of {name} was cut short ({} bytes, one verdict) and {place}",
                        buffer.len()
                    ));
                }
                Err(StudyLine::Bad(problem)) => {
                    bad += 1;
                    if bad <= 5 {
                        found.push(format!("Line {number} of {name} was passed over: {problem}"));
                    }
                }
            }
            start += buffer.len();
        }
        if bad > 5 {
            found.push(format!("So were {} more lines of {name}", bad - 5));
        }
        if log.coder.is_empty() {
            // Only its first line says whose it is; without that, its name does.
            log.coder = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        }
        log.verdicts.shrink_to_fit();
        log.replaced.shrink_to_fit();
        log.done.shrink_to_fit();
        Ok((log, found))
    }

    fn take_line(&mut self, line: &[u8], known: Known<'_>) -> Result<(), StudyLine> {
        let text = std::str::from_utf8(line).map_err(|err| {
            StudyLine::Bad(format!("byte {} is not UTF-8", err.valid_up_to() + 1))
        })?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Ok(());
        }
        let line: Line<'_> = serde_json::from_str(text)
            .map_err(|err| StudyLine::Bad(format!("it is no verdict ({err})")))?;
        if let Some(Name(coder)) = line.coder {
            if let Some(Name(study)) = line.study
                && study != self.study
            {
                return Err(StudyLine::Foreign(format!(
                    "the codes of {coder} are of another study, or of another version of this one: \
                     its codebook or its items were changed after they were made"
                )));
            }
            self.coder = coder.into_owned();
            self.has_header = true;
            return Ok(());
        }
        if let Some(number) = line.undo {
            return if self.take_back(number) {
                Ok(())
            } else {
                Err(StudyLine::Bad(format!("verdict {number} cannot be taken back")))
            };
        }
        if let Some(number) = line.redo {
            return if self.put_back(number) {
                Ok(())
            } else {
                Err(StudyLine::Bad(format!("verdict {number} cannot be put back")))
            };
        }
        let Some(Name(id)) = line.item else {
            return Err(StudyLine::Bad("it is neither a verdict nor takes one back".to_owned()));
        };
        let Some(item) = known.index.get(id.as_ref()) else {
            return Err(StudyLine::Bad(format!("the study has no item “{id}”")));
        };
        let pass = line.pass.unwrap_or(1);
        if !(1..=2).contains(&pass) {
            return Err(StudyLine::Bad(format!(
                "an item is shown once or twice, not {pass} times"
            )));
        }
        let written = line.values.map(|values| values.0).unwrap_or_default();
        let mut values = Vec::with_capacity(written.len());
        for (name, value) in written {
            let Some((place, _)) = known.variables.named(&name) else {
                return Err(StudyLine::Bad(format!("the study has no variable “{name}”")));
            };
            values.push((place as u16, value));
        }
        // The number is where it stands; one that says another is from a file that was put together
        // by hand, and what takes it back could not be told.
        if line.n.is_some_and(|number| number != self.verdicts.len() + 1) {
            return Err(StudyLine::Bad(format!(
                "it is verdict number {}, and {} is expected here",
                line.n.unwrap_or_default(),
                self.verdicts.len() + 1
            )));
        }
        let version = line.guideline.map(|Name(version)| version).unwrap_or_default();
        let guideline = match self.verdicts.last() {
            Some(last) if *last.guideline == *version => Arc::clone(&last.guideline),
            _ => Arc::from(version.as_ref()),
        };
        let values = self.share(values);
        self.add(Verdict {
            item: *item,
            pass,
            values,
            at: line.at.map_or_else(Moment::default, |Name(at)| at.as_ref().into()),
            seconds: line.seconds.unwrap_or_default(),
            flagged: line.flagged.unwrap_or_default(),
            left: line.left.and_then(|Name(left)| match left.as_ref() {
                FIRST => Some(0),
                SECOND => Some(1),
                _ => None,
            }),
            reason: line.reason.map(|Name(reason)| reason.into()),
            guideline,
            suggestion: line.suggestion.map(Box::new),
        });
        Ok(())
    }

    /// The same values, in memory once where they were said before.
    fn share(&mut self, values: Vec<(u16, Value)>) -> Arc<[(u16, Value)]> {
        if let Some(known) = self.shared.iter().find(|known| known[..] == values[..]) {
            return Arc::clone(known);
        }
        let values: Arc<[_]> = values.into();
        if self.shared.len() < MOST_SHARED {
            self.shared.push(Arc::clone(&values));
        }
        values
    }

    fn add(&mut self, verdict: Verdict) {
        let number = self.verdicts.len() as u32 + 1;
        let current = &mut self.current[verdict.item][usize::from(verdict.pass - 1)];
        self.replaced.push(*current);
        *current = number;
        self.verdicts.push(verdict);
        self.done.push(number);
        self.undone.clear();
    }

    fn current_of(&mut self, number: u32) -> &mut u32 {
        let Verdict { item, pass, .. } = &self.verdicts[number as usize - 1];
        &mut self.current[*item][usize::from(*pass - 1)]
    }

    fn take_back(&mut self, number: usize) -> bool {
        let Some(last) = self.done.last().copied().filter(|last| *last as usize == number) else {
            return false;
        };
        self.done.pop();
        self.undone.push(last);
        let before = self.replaced[number - 1];
        *self.current_of(last) = before;
        true
    }

    fn put_back(&mut self, number: usize) -> bool {
        let Some(last) = self.undone.last().copied().filter(|last| *last as usize == number) else {
            return false;
        };
        self.undone.pop();
        self.done.push(last);
        *self.current_of(last) = last;
        true
    }

    /// The verdict that counts.
    pub fn verdict(&self, item: usize, pass: u8) -> Option<&Verdict> {
        let number = *self.current.get(item)?.get(usize::from(pass.checked_sub(1)?))?;
        self.verdicts.get((number as usize).checked_sub(1)?)
    }

    /// The verdicts that count: by item, and the second pass of an item behind its first.
    pub fn counting(&self) -> impl Iterator<Item = &Verdict> {
        self.current
            .iter()
            .flatten()
            .filter_map(|number| self.verdicts.get((*number as usize).checked_sub(1)?))
    }

    /// Every verdict that was ever given, also those that were replaced or taken back.
    pub fn history(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// How many verdicts an item has had on this pass that no longer count.
    pub fn earlier(&self, item: usize, pass: u8) -> usize {
        let given = self.verdicts.iter().filter(|other| other.item == item && other.pass == pass);
        given.count().saturating_sub(usize::from(self.verdict(item, pass).is_some()))
    }

    pub fn can_undo(&self) -> bool {
        !self.done.is_empty()
    }

    pub fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }

    /// Lines that wait for a place to be written to.
    pub fn unsaved_count(&self) -> usize {
        self.unsaved.len()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a verdict and writes it to the disk. After an error it is in memory all the same, and
    /// written with the next one that can be.
    pub fn append(&mut self, verdict: Verdict, known: Known<'_>) -> Result<(), StudyError> {
        let line = Self::line_of(&verdict, self.verdicts.len() + 1, known);
        self.add(verdict);
        self.unsaved.push(line);
        self.make_whole(known);
        self.write_unsaved()
    }

    /// The same of many at once, with one wait for the disk.
    pub fn append_all(
        &mut self,
        verdicts: Vec<Verdict>,
        known: Known<'_>,
    ) -> Result<(), StudyError> {
        for verdict in verdicts {
            let line = Self::line_of(&verdict, self.verdicts.len() + 1, known);
            self.add(verdict);
            self.unsaved.push(line);
        }
        self.make_whole(known);
        self.write_unsaved()
    }

    /// Where another program has deleted the file, all of it waits to be written anew.
    fn make_whole(&mut self, known: Known<'_>) {
        if !self.is_lost() {
            return;
        }
        let undo = |number: usize| line(&Line { undo: Some(number), ..Line::default() });
        self.unsaved.clear();
        for (verdict, number) in self.verdicts.iter().zip(1..) {
            self.unsaved.push(Self::line_of(verdict, number, known));
            // What was taken back for good: when that was is not known any more.
            if [&self.done, &self.undone].iter().all(|known| !known.contains(&(number as u32))) {
                self.unsaved.push(undo(number));
            }
        }
        self.unsaved.extend(self.undone.iter().map(|number| undo(*number as usize)));
        self.has_header = false;
    }

    /// Whether the file was begun, and is gone from a folder that is still there.
    fn is_lost(&self) -> bool {
        self.has_header && !self.path.exists() && self.path.parent().is_some_and(Path::is_dir)
    }

    /// A study that was moved while it is open is not begun anew at its old place.
    fn check_place(&self) -> io::Result<()> {
        // The folder of the logs is made for the first of them; the study's own is there.
        let folder = self.path.ancestors().nth(if self.has_header { 1 } else { 2 });
        let is_gone = folder.is_some_and(|folder| folder != Path::new("") && !folder.is_dir());
        match folder {
            Some(folder) if is_gone => {
                Err(files::folders::not_there(folder, "Put it back where it was"))
            }
            _ if self.is_lost() => {
                let words = "another program has moved or deleted the file. All of it is written \
                             anew with the next verdict";
                Err(io::Error::new(io::ErrorKind::NotFound, words))
            }
            _ => Ok(()),
        }
    }

    /// Takes the latest verdict back and says which item it was about: a line that says so is added.
    pub fn undo(&mut self, at: &str) -> Result<Option<(usize, u8)>, StudyError> {
        let Some(number) = self.done.last().map(|number| *number as usize) else { return Ok(None) };
        self.take_back(number);
        let Verdict { item, pass, .. } = self.verdicts[number - 1];
        self.write(line(&Line { undo: Some(number), at: Some(at.into()), ..Line::default() }))?;
        Ok(Some((item, pass)))
    }

    /// Puts the verdict back that was last taken back.
    pub fn redo(&mut self, at: &str) -> Result<Option<(usize, u8)>, StudyError> {
        let Some(number) = self.undone.last().map(|number| *number as usize) else {
            return Ok(None);
        };
        self.put_back(number);
        let Verdict { item, pass, .. } = self.verdicts[number - 1];
        self.write(line(&Line { redo: Some(number), at: Some(at.into()), ..Line::default() }))?;
        Ok(Some((item, pass)))
    }

    /// Tries again to write what could not be written.
    pub fn write_unsaved(&mut self) -> Result<(), StudyError> {
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let mut text = self.unsaved.join("\n");
        if !self.has_header {
            text = format!("{}\n{text}", self.header());
        }
        self.check_place()
            .and_then(|()| files::append_line_for(&self.path, &text, &self.flush))
            .map_err(|source| StudyError::Write { path: self.path.clone(), source })?;
        self.unsaved.clear();
        self.has_header = true;
        Ok(())
    }

    fn write(&mut self, line: String) -> Result<(), StudyError> {
        self.unsaved.push(line);
        self.write_unsaved()
    }

    fn header(&self) -> String {
        Self::header_of(&self.coder, &self.study)
    }

    /// The first line of a coder's log of the study with this hash.
    pub fn header_of(coder: &str, study: &str) -> String {
        line(&Line { coder: Some(coder.into()), study: Some(study.into()), ..Line::default() })
    }

    fn line_of(verdict: &Verdict, number: usize, known: Known<'_>) -> String {
        let Verdict {
            item,
            pass,
            values,
            at,
            seconds,
            flagged,
            left,
            reason,
            guideline,
            suggestion,
        } = verdict;
        let at = at.to_string();
        let named = values.iter().map(|(place, value)| {
            let name = known.variables.variables[usize::from(*place)].name.as_str();
            (Cow::Borrowed(name), value.clone())
        });
        line(&Line {
            n: Some(number),
            item: Some(known.items[*item].id.as_str().into()),
            pass: (*pass != 1).then_some(*pass),
            values: Some(Values(named.collect())),
            at: (!at.is_empty()).then(|| at.as_str().into()),
            seconds: (*seconds != 0.0).then_some((*seconds * 1000.0).round() / 1000.0),
            flagged: flagged.then_some(true),
            left: left.map(|left| if left == 0 { FIRST } else { SECOND }.into()),
            inclusion: known.items[*item].inclusion,
            reason: reason.as_deref().map(Into::into),
            guideline: (!guideline.is_empty()).then(|| guideline.as_ref().into()),
            suggestion: suggestion.as_deref().cloned(),
            ..Line::default()
        })
    }
}

/// Why a line was not taken.
enum StudyLine {
    Bad(String),

    /// The whole file belongs to something else.
    Foreign(String),
}

/// The bytes of a log, as they are on the disk; empty for a coder who has not begun.
pub fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
