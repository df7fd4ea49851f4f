//! A study on the disk: `studies/<name>/` of the project.
//!
//! `study.toml` says what it is, `items.jsonl` has the texts, `codes/` a log for each coder,
//! `settled.jsonl` what was settled where they disagree, `suggestions.jsonl` what a model suggests.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::design::{Study, StudyError};
use super::item::Item;
use super::log::{CoderLog, Known, Use, Verdict};
use super::log_line;
use super::plan::{self, Slot};
use super::value::Value;
use crate::files;
use crate::files::flush::{Flush, Unflushed};

pub const STUDY: &str = "study.toml";
pub const ITEMS: &str = "items.jsonl";
pub const SUGGESTIONS: &str = "suggestions.jsonl";
const CODES: &str = "codes";
const SETTLED: &str = "settled.jsonl";
const ORIGINS: &str = "origins.jsonl";
const LOCK: &str = ".lock";

/// Whose name stands over what was settled.
pub const SETTLED_BY: &str = "settled";

/// What a model says of an item, by variable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    pub item: String,
    pub values: BTreeMap<String, Value>,
}

/// Which models gave an item's two answers. It stays at home: a package for a colleague is blind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub item: String,
    pub models: [Option<String>; 2],
}

/// An open study.
#[derive(Debug)]
pub struct Folder {
    pub path: PathBuf,
    pub study: Study,
    pub items: Vec<Item>,
    pub logs: Vec<CoderLog>,

    /// Where coders disagree: what was settled, with the reason.
    pub settled: CoderLog,
    pub suggestions: HashMap<usize, BTreeMap<String, Value>>,

    /// Of pairs, the models behind the answers, where they are known here.
    pub origins: HashMap<usize, [Option<String>; 2]>,

    /// What could not be read, as sentences.
    pub found: Vec<String>,
    index: HashMap<String, usize>,
    hash: String,

    /// Held while codes may be written.
    lock: Option<files::Lock>,

    /// When the lines of every log are flushed.
    flush: Flush,
}

/// Where a project keeps its studies.
pub fn studies_dir(project: &Path) -> PathBuf {
    project.join("studies")
}

/// The folders in it that are studies, by name.
pub fn list(project: &Path) -> Vec<PathBuf> {
    // Without the folder there is none yet.
    let Ok(entries) = std::fs::read_dir(studies_dir(project)) else { return Vec::new() };
    let folders = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut found: Vec<PathBuf> = folders.filter(|folder| folder.join(STUDY).is_file()).collect();
    found.sort();
    found
}

/// What is known of a study without reading its codes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub name: String,
    pub items: usize,
    pub coders: Vec<String>,
}

/// Looks at a study: its settings, and the first line of each log.
pub fn look(path: &Path) -> Result<Look, StudyError> {
    let study = Study::read(&path.join(STUDY))?;
    let mut coders = Vec::new();
    let entries = std::fs::read_dir(path.join(CODES)).into_iter().flatten();
    for file in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        let Ok(open) = File::open(&file) else { continue };
        let mut line = String::new();
        let read = BufReader::new(open).read_line(&mut line);
        if let (Ok(_), Some(coder)) = (read, log_line::coder_of(&line)) {
            coders.push(coder);
        }
    }
    coders.sort();
    Ok(Look { name: called(study.name, path), items: study.items, coders })
}

/// What a study is called: by its folder, where nobody has given it a name.
pub fn called(name: String, path: &Path) -> String {
    if !name.trim().is_empty() {
        return name;
    }
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A folder of a project that is free for a study of this name.
pub fn new_folder(project: &Path, name: &str) -> PathBuf {
    let name = file_name(name, "study");
    let free = |name: &str| studies_dir(project).join(name);
    if !free(&name).exists() {
        return free(&name);
    }
    let numbered = (2..).map(|number| free(&format!("{name}-{number}")));
    numbered.into_iter().find(|path| !path.exists()).expect("there are more numbers than folders")
}

/// `Tone of reports` is `tone-of-reports`.
fn file_name(name: &str, otherwise: &str) -> String {
    let mut file = String::new();
    for letter in name.trim().chars().take(60) {
        if letter.is_alphanumeric() {
            file.extend(letter.to_lowercase());
        } else if !file.is_empty() && !file.ends_with('-') {
            file.push('-');
        }
    }
    let file = file.trim_end_matches('-');
    if file.is_empty() { otherwise.to_owned() } else { file.to_owned() }
}

/// Writes a new study. Its folder must not be there yet.
pub fn create(path: &Path, mut study: Study, items: &[Item]) -> Result<Folder, StudyError> {
    let unusable = |problem| StudyError::Unusable { path: path.to_owned(), problem };
    if let Some(problem) = study.problem() {
        return Err(unusable(problem));
    }
    let of_pairs = study.codebook.better().is_some();
    if let Some(item) = items.iter().find(|item| item.answers.is_some() != of_pairs) {
        return Err(unusable(if of_pairs {
            format!("it asks which answer is better, and the item “{}” has no two answers", item.id)
        } else {
            format!("no question asks which of the two answers of “{}” is better", item.id)
        }));
    }
    if path.join(STUDY).exists() {
        return Err(unusable("there is a study already; choose another name".to_owned()));
    }
    let bytes = items_bytes(items);
    study.items = items.len();
    study.items_sha256 = files::sha256_of_bytes(&bytes);
    let write = |name: &str, bytes: &[u8]| {
        let path = path.join(name);
        files::write_atomic(&path, bytes).map_err(|source| StudyError::Write { path, source })
    };
    write(ITEMS, &bytes)?;
    // Last: only a folder with this file is a study.
    write(STUDY, study.to_toml().as_bytes())?;
    Folder::open(path, Use::Write)
}

/// Items as their file has them.
pub fn items_bytes(items: &[Item]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for item in items {
        serde_json::to_writer(&mut bytes, item).expect("texts and numbers are valid JSON");
        bytes.push(b'\n');
    }
    bytes
}

impl Folder {
    /// Reads a study with the codes of all its coders.
    pub fn open(path: &Path, usage: Use) -> Result<Self, StudyError> {
        let path = match path.file_name() {
            Some(name) if name == STUDY => path.parent().unwrap_or(path),
            _ => path,
        };
        let study = Study::read(&path.join(STUDY))?;
        let lock = match usage {
            Use::Read => None,
            Use::Write => {
                let place = path.join(LOCK);
                let held = files::lock(&place)
                    .map_err(|source| StudyError::Write { path: place.clone(), source })?;
                Some(held.ok_or_else(|| StudyError::Busy { path: path.to_owned() })?)
            }
        };
        let items = read_items(&path.join(ITEMS), &study)?;
        let index: HashMap<String, usize> =
            items.iter().map(|item| item.id.clone()).zip(0..).collect();
        if index.len() != items.len() {
            return Err(StudyError::Unusable {
                path: path.to_owned(),
                problem: "two of its items have the same id".to_owned(),
            });
        }
        let hash = study.hash();
        let mut opened = Self {
            path: path.to_owned(),
            settled: CoderLog::new(SETTLED_BY, &path.join(SETTLED), &hash, items.len()),
            study,
            items,
            logs: Vec::new(),
            suggestions: HashMap::new(),
            origins: HashMap::new(),
            found: Vec::new(),
            index,
            hash,
            lock,
            flush: Flush::AtOnce,
        };
        opened.read_logs(usage)?;
        opened.read_suggestions()?;
        opened.read_origins()?;
        Ok(opened)
    }

    fn read_logs(&mut self, usage: Use) -> Result<(), StudyError> {
        let codes = self.path.join(CODES);
        let mut files: Vec<PathBuf> = std::fs::read_dir(&codes)
            .map(|entries| {
                entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect()
            })
            .unwrap_or_default();
        files.retain(|file| file.extension().is_some_and(|ending| ending == "jsonl"));
        files.sort();
        // A million verdicts of ten coders are seconds of work.
        let (known, hash) = (self.known(), self.hash.as_str());
        let open = |file: &PathBuf| CoderLog::open(file, known, hash, usage);
        let read: Vec<_> = files.par_iter().map(open).collect::<Result<_, _>>()?;
        for (log, found) in read {
            self.logs.push(log);
            self.found.extend(found);
        }
        self.logs.sort_by(|a, b| a.coder.cmp(&b.coder));
        let settled = self.path.join(SETTLED);
        if settled.exists() {
            let (log, found) = CoderLog::open(&settled, self.known(), &self.hash, usage)?;
            self.settled = log;
            self.found.extend(found);
        }
        self.hand_on_flush();
        Ok(())
    }

    /// From now on the files of its logs are put on this list for each line, and flushed by whoever takes
    /// them from there.
    pub fn flush_beside(&mut self, unflushed: &Unflushed) {
        self.flush = Flush::Beside(unflushed.clone());
        self.hand_on_flush();
    }

    fn hand_on_flush(&mut self) {
        for log in self.logs.iter_mut().chain([&mut self.settled]) {
            log.flush = self.flush.clone();
        }
    }

    /// Reads the codes again, after files were added.
    pub fn read_again(&mut self) -> Result<(), StudyError> {
        let usage = if self.is_writable() { Use::Write } else { Use::Read };
        self.logs.clear();
        self.read_logs(usage)
    }

    fn read_suggestions(&mut self) -> Result<(), StudyError> {
        let path = self.path.join(SUGGESTIONS);
        if !path.exists() {
            return Ok(());
        }
        let rows = files::read_jsonl::<Suggestion>(&path)
            .map_err(|err| StudyError::Unusable { path: path.clone(), problem: err.to_string() })?;
        self.keep_suggestions(rows.into_iter().map(|row| row.value).collect());
        Ok(())
    }

    fn read_origins(&mut self) -> Result<(), StudyError> {
        let path = self.path.join(ORIGINS);
        if !path.exists() {
            return Ok(());
        }
        let rows = files::read_jsonl::<Origin>(&path)
            .map_err(|err| StudyError::Unusable { path: path.clone(), problem: err.to_string() })?;
        for row in rows {
            if let Some(item) = self.index.get(&row.value.item) {
                self.origins.insert(*item, row.value.models);
            }
        }
        Ok(())
    }

    /// Keeps which models gave the answers.
    pub fn set_origins(&mut self, origins: &[Origin]) -> Result<(), StudyError> {
        let mut bytes = Vec::new();
        let known = origins.iter().filter(|origin| self.index.contains_key(&origin.item));
        for origin in known.filter(|origin| origin.models.iter().any(Option::is_some)) {
            serde_json::to_writer(&mut bytes, origin).expect("texts are valid JSON");
            bytes.push(b'\n');
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let path = self.path.join(ORIGINS);
        files::write_atomic(&path, &bytes).map_err(|source| StudyError::Write { path, source })?;
        self.read_origins()
    }

    /// Whether it asks which of two answers is better.
    pub fn is_of_pairs(&self) -> bool {
        self.study.codebook.better().is_some()
    }

    /// Keeps what a model says of the items.
    pub fn set_suggestions(&mut self, suggestions: Vec<Suggestion>) -> Result<(), StudyError> {
        Self::write_suggestions(&self.path, &suggestions)?;
        self.keep_suggestions(suggestions);
        Ok(())
    }

    /// In memory, in place of those that were there.
    pub fn keep_suggestions(&mut self, suggestions: Vec<Suggestion>) {
        self.suggestions.clear();
        for Suggestion { item, values } in suggestions {
            if let Some(place) = self.index.get(&item) {
                self.suggestions.insert(*place, values);
            }
        }
    }

    /// In the folder of a study, in place of those that were there.
    pub fn write_suggestions(folder: &Path, suggestions: &[Suggestion]) -> Result<(), StudyError> {
        let mut bytes = Vec::new();
        for suggestion in suggestions {
            serde_json::to_writer(&mut bytes, suggestion).expect("texts are valid JSON");
            bytes.push(b'\n');
        }
        let path = folder.join(SUGGESTIONS);
        files::write_atomic(&path, &bytes).map_err(|source| StudyError::Write { path, source })
    }

    /// Writes `study.toml` anew: the guideline has grown, or when suggestions are shown has changed.
    pub fn save_study(&mut self) -> Result<(), StudyError> {
        let path = self.path.join(STUDY);
        if self.study.hash() != self.hash {
            return Err(StudyError::Unusable {
                path,
                problem: "its labels and its order stay as they were when it began: codes that \
                          were made before would be of something else. Make a new study"
                    .to_owned(),
            });
        }
        files::write_atomic(&path, self.study.to_toml().as_bytes())
            .map_err(|source| StudyError::Write { path, source })
    }

    /// What lines of a log may name.
    pub fn known(&self) -> Known<'_> {
        Known { items: &self.items, index: &self.index, variables: &self.study.codebook }
    }

    pub fn hash(&self) -> &str {
        &self.hash
    }

    pub fn item_named(&self, id: &str) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// Whether codes can be written: nobody else has it open.
    pub fn is_writable(&self) -> bool {
        self.lock.is_some()
    }

    pub fn coder(&self, name: &str) -> Option<&CoderLog> {
        self.logs.iter().find(|log| log.coder == name)
    }

    /// The order in which a coder sees the items.
    pub fn plan(&self, coder: &str) -> Vec<Slot> {
        let Study { order, again, seed, .. } = self.study;
        plan::plan(&self.items, order, again, seed, coder)
    }

    /// A coder's name as it is written in their log. Whoever writes it with other capitals today is the same
    /// person: as another one they would begin at the first text again.
    pub fn spelled(&self, coder: &str) -> String {
        let coder = coder.trim();
        let in_small = coder.to_lowercase();
        let is_same = |log: &&CoderLog| log.coder.to_lowercase() == in_small;
        let known = self.coder(coder).or_else(|| self.logs.iter().find(is_same));
        known.map_or(coder, |log| &log.coder).to_owned()
    }

    /// The place of a coder's log among [`Self::logs`]; a new coder gets one.
    pub fn join(&mut self, coder: &str) -> Result<usize, StudyError> {
        let coder = coder.trim();
        if coder.is_empty() || coder == SETTLED_BY {
            return Err(StudyError::Foreign(
                "a coder needs a name or a number of their own: write one".to_owned(),
            ));
        }
        if let Some(at) = self.logs.iter().position(|log| log.coder == coder) {
            return Ok(at);
        }
        let path = self.log_path(coder);
        let mut new = CoderLog::new(coder, &path, &self.hash, self.items.len());
        new.flush = self.flush.clone();
        self.logs.push(new);
        Ok(self.logs.len() - 1)
    }

    /// Where the codes of a new coder go. Two names that make the same file name get two files.
    pub fn log_path(&self, coder: &str) -> PathBuf {
        let name = file_name(coder, "coder");
        let codes = self.path.join(CODES);
        let is_free =
            |path: &PathBuf| !path.exists() && self.logs.iter().all(|log| log.path() != path);
        let numbered = (2..).map(|number| codes.join(format!("{name}-{number}.jsonl")));
        let mut paths = std::iter::once(codes.join(format!("{name}.jsonl"))).chain(numbered);
        paths.find(is_free).expect("there are more numbers than files")
    }

    /// Which answer stands on the left at each slot of the coder's plan. Empty: the items have no two.
    pub fn sides(&self, plan: &[Slot], coder: &str) -> Vec<u8> {
        if !self.is_of_pairs() {
            return Vec::new();
        }
        plan::sides(&self.items, plan, self.study.seed, coder)
    }

    /// Adds a coder's verdict and writes it.
    pub fn append(&mut self, log: usize, verdict: Verdict) -> Result<(), StudyError> {
        let Self { logs, items, index, study, .. } = self;
        logs[log].append(verdict, Known { items, index, variables: &study.codebook })
    }

    /// The same of many at once.
    pub fn append_all(&mut self, log: usize, verdicts: Vec<Verdict>) -> Result<(), StudyError> {
        let Self { logs, items, index, study, .. } = self;
        logs[log].append_all(verdicts, Known { items, index, variables: &study.codebook })
    }

    /// Settles what an item is, where coders disagree.
    pub fn settle(&mut self, verdict: Verdict) -> Result<(), StudyError> {
        let Self { settled, items, index, study, .. } = self;
        settled.append(verdict, Known { items, index, variables: &study.codebook })
    }
}

/// Reads the items and makes sure that they are those that the study began with.
fn read_items(path: &Path, study: &Study) -> Result<Vec<Item>, StudyError> {
    let read = |source| StudyError::Read { path: path.to_owned(), source };
    let sha256 = files::sha256_of_file(path, |_| Ok(())).map_err(read)?;
    if sha256 != study.items_sha256 {
        return Err(StudyError::Unusable {
            path: path.to_owned(),
            problem:
                "the items were changed after the study began. Put the file back as it was, or \
                      make a new study of the changed items"
                    .to_owned(),
        });
    }
    let mut items = Vec::with_capacity(study.items);
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(read)?);
    let mut buffer = Vec::new();
    while reader.read_until(b'\n', &mut buffer).map_err(read)? > 0 {
        let item = serde_json::from_slice(&buffer).map_err(|err| StudyError::Line {
            path: path.to_owned(),
            line: items.len() + 1,
            problem: files::without_position(&err),
        })?;
        items.push(item);
        buffer.clear();
    }
    Ok(items)
}

#[cfg(test)]
#[path = "folder_tests.rs"]
pub mod tests;
