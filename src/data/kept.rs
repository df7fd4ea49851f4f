//! A verdict that was given: at hand what lists and counts need of it, the whole of it where it is, in the
//! file or in memory.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use crate::data::glance::Glance;
use crate::data::line::{self, Line};
use crate::data::record::VerdictRecord;

/// Why a verdict cannot be read again.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error(
        "{} was changed by something else since it was opened, and the verdict is not where it was; open \
         the project again", path.display()
    )]
    Changed { path: PathBuf },
}

#[derive(Clone, Debug)]
pub struct Kept {
    pub glance: Glance,

    /// The verdict that it took the place of: its place in the list and one more; 0: none.
    pub replaces: u32,
    whole: Whole,
}

#[derive(Clone, Debug)]
enum Whole {
    Memory(Arc<VerdictRecord>),

    /// A line of a file: where it begins, and its bytes.
    File {
        path: Arc<PathBuf>,
        at: u64,
        bytes: u32,
    },
}

impl Kept {
    pub fn in_memory(record: Arc<VerdictRecord>) -> Self {
        Self { glance: Glance::of(&record), replaces: 0, whole: Whole::Memory(record) }
    }

    pub fn in_file(glance: Glance, path: &Arc<PathBuf>, at: u64, bytes: u32) -> Self {
        let whole = Whole::File { path: Arc::clone(path), at, bytes };
        Self { glance, replaces: 0, whole }
    }

    /// The whole of it.
    pub fn record(&self) -> Result<Arc<VerdictRecord>, ReadError> {
        Reader::default().record(self)
    }
}

/// Reads verdicts one after the other, with the file kept open.
#[derive(Default)]
pub struct Reader {
    open: Option<(Arc<PathBuf>, BufReader<File>, u64)>,
    line: Vec<u8>,
}

impl Reader {
    pub fn record(&mut self, kept: &Kept) -> Result<Arc<VerdictRecord>, ReadError> {
        let (path, at, bytes) = match &kept.whole {
            Whole::Memory(record) => return Ok(Arc::clone(record)),
            Whole::File { path, at, bytes } => (path, *at, *bytes),
        };
        self.read_line(path, at, bytes)?;
        match line::parse(&self.line) {
            Ok(Some(Line::Verdict(record))) if Glance::of(&record) == kept.glance => {
                Ok(Arc::new(*record))
            }
            _ => Err(ReadError::Changed { path: path.to_path_buf() }),
        }
    }

    /// Its line, without what ends it.
    pub fn line(&mut self, kept: &Kept) -> Result<String, ReadError> {
        match &kept.whole {
            Whole::Memory(record) => {
                Ok(serde_json::to_string(record).expect("a verdict is valid JSON"))
            }
            Whole::File { path, .. } => {
                self.record(kept)?;
                match line::text_of(&self.line) {
                    Ok(text) => Ok(text.to_owned()),
                    Err(_) => Err(ReadError::Changed { path: path.to_path_buf() }),
                }
            }
        }
    }

    fn read_line(&mut self, path: &Arc<PathBuf>, at: u64, bytes: u32) -> Result<(), ReadError> {
        let mut read = || -> io::Result<()> {
            let is_open = self.open.as_ref().is_some_and(|(open, ..)| Arc::ptr_eq(open, path));
            if !is_open {
                self.open = Some((Arc::clone(path), BufReader::new(File::open(&**path)?), 0));
            }
            let Some((_, file, place)) = &mut self.open else { return Ok(()) };
            match i64::try_from(at).ok().zip(i64::try_from(*place).ok()) {
                // What the buffer has is not read again.
                Some((at, place)) => file.seek_relative(at - place)?,
                None => _ = file.seek(SeekFrom::Start(at))?,
            }
            self.line.resize(bytes as usize, 0);
            file.read_exact(&mut self.line)?;
            *place = at + u64::from(bytes);
            Ok(())
        };
        let done = read();
        done.map_err(|source| {
            self.open = None; // its place is not known any more
            match source.kind() {
                io::ErrorKind::UnexpectedEof => ReadError::Changed { path: path.to_path_buf() },
                _ => ReadError::Read { path: path.to_path_buf(), source },
            }
        })
    }
}

/// Every verdict of a file, whether it counts or not, and those that were given since. Whoever holds a
/// copy shares what was read.
#[derive(Clone, Debug, Default)]
pub struct KeptList {
    read: Arc<Vec<Kept>>,
    since: Vec<Kept>,
}

impl KeptList {
    /// Of about so many that are to come.
    pub fn with_capacity(count: usize) -> Self {
        Self { since: Vec::with_capacity(count), ..Self::default() }
    }

    /// What was pushed so far is shared by whoever gets a copy.
    pub fn share(&mut self) {
        if self.read.is_empty() {
            self.since.shrink_to_fit();
            self.read = Arc::new(std::mem::take(&mut self.since));
        }
    }

    pub fn len(&self) -> usize {
        self.read.len() + self.since.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, place: usize) -> &Kept {
        match place.checked_sub(self.read.len()) {
            None => &self.read[place],
            Some(since) => &self.since[since],
        }
    }

    pub fn push(&mut self, kept: Kept) {
        self.since.push(kept);
    }
}

/// What was given: the places, in the list, of the verdicts that stand, oldest first, with those whose
/// place a later one has taken; and of those that can be put back, the latest last.
#[derive(Clone, Debug, Default)]
pub struct Given {
    pub list: KeptList,
    pub done: Vec<u32>,
    pub undone: Vec<u32>,
}

/// Verdicts to be read, here or on another thread.
#[derive(Clone, Debug, Default)]
pub struct Records(pub Vec<Kept>);

impl Records {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One after the other.
    pub fn each(&self, with: &mut dyn FnMut(&VerdictRecord)) -> Result<(), ReadError> {
        let mut reader = Reader::default();
        for kept in &self.0 {
            with(reader.record(kept)?.as_ref());
        }
        Ok(())
    }

    /// All at once.
    pub fn read(&self) -> Result<Vec<VerdictRecord>, ReadError> {
        let mut records = Vec::with_capacity(self.len());
        let mut reader = Reader::default();
        for kept in &self.0 {
            records.push(Arc::unwrap_or_clone(reader.record(kept)?));
        }
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_verdicts_fit_into_sixty_four_megabytes() {
        assert_eq!(size_of::<Kept>(), 64);
    }
}
