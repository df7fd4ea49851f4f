//! The Models panel: what is on the disk, what is being fetched or loaded.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::remote::RemoteState;
use super::serving::ServingState;
use crate::encoder;
use crate::hub::cache::local::{LocalModel, Place};
use crate::hub::fetch::event::FetchEvent;
use crate::hub::fetch::queue::Order;
use crate::llm::card::{ModelFacts, Purpose};
use crate::llm::config::CacheNumbers;

/// What people call the starter model.
pub const STARTER_NAME: &str = "SmolLM2-135M-Instruct";

/// The context that "memory needed" reckons with, in tokens.
pub const USUAL_CONTEXT: usize = 2048;

#[derive(Clone, Debug, Default)]
pub struct ModelsState {
    /// In the order in which they are shown.
    pub found: Vec<FoundModel>,
    pub scanning: bool,

    /// The starter model is being downloaded.
    pub fetch: Option<FetchView>,
    pub load: Option<LoadView>,

    /// The model whose removal waits for a yes.
    pub confirm_remove: Option<PathBuf>,
    pub memory: Memory,

    /// What the cache of answers keeps. `None`: as exact as the weights are.
    pub answer_cache: Option<CacheNumbers>,

    /// Multiplications that this computer does in a second, in training. `None`: not measured yet.
    pub pace: Option<f64>,

    /// The model in memory as a server for other programs.
    pub serving: ServingState,

    /// A model behind a server.
    pub remote: RemoteState,

    /// What `main` of each repository was when the Hub was last asked.
    heads: BTreeMap<String, String>,
    pub checking_updates: bool,
}

impl ModelsState {
    /// What is on the disk now.
    pub fn set_found(&mut self, found: Vec<FoundModel>) {
        self.found = found;
        self.mark_updates();
    }

    /// What the Hub says that the `main` of each repository is.
    pub fn set_heads(&mut self, heads: BTreeMap<String, String>) {
        self.heads = heads;
        self.mark_updates();
    }

    /// Compares every model with every other one: not for each frame.
    fn mark_updates(&mut self) {
        let marks: Vec<bool> =
            self.found.iter().map(|found| self.newer_than(&found.local).is_some()).collect();
        for (found, has_update) in self.found.iter_mut().zip(marks) {
            found.has_update = has_update;
        }
    }

    /// The commit of a version that is newer than this one, and is not here yet.
    fn newer_than(&self, local: &LocalModel) -> Option<&str> {
        let Place::HubCache { repo, .. } = &local.place else { return None };
        let head = self.heads.get(repo)?;
        let is_here = |found: &FoundModel| {
            let Place::HubCache { repo: other, commit } = &found.local.place else { return false };
            // Of several GGUF files of a repository each has its own update.
            other == repo && commit == head && found.local.name == local.name
        };
        (!self.found.iter().any(is_here)).then_some(head.as_str())
    }

    /// How many models have a newer version.
    pub fn updates(&self) -> usize {
        self.found.iter().filter(|found| found.has_update).count()
    }

    /// Whether the starter model is among the found ones.
    pub fn has_starter(&self) -> bool {
        self.found.iter().any(|found| found.local.name.contains(STARTER_NAME))
    }
}

/// A model on the disk with what its headers say, or why they could not be read.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundModel {
    pub local: LocalModel,
    pub facts: Result<ModelFacts, String>,

    /// What deleting it would free, in bytes. `None`: it is not ours to delete.
    pub frees: Option<u64>,

    /// Whether the Hub has a newer version, as of the last time that it was asked.
    pub has_update: bool,

    /// Days since it was last loaded here. `None`: never, as far as is remembered.
    pub unused_days: Option<u64>,
}

impl FoundModel {
    /// What fetches its newest version: of a transformers folder what is needed, of a GGUF file
    /// that file.
    pub fn update_order(&self) -> Option<Order> {
        let Place::HubCache { repo, commit } = &self.local.place else { return None };
        let parts: Vec<String> =
            self.local.path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let at = parts.iter().rposition(|part| part == commit)?;
        let inside = parts[at + 1..].join("/");
        let order = Order::model(repo);
        Some(if inside.is_empty() { order } else { order.with_files(vec![inside]) })
    }

    /// Whether it is for something else than writing, such as vectors or labels, and can be run.
    pub fn is_for_other(&self) -> bool {
        let is_other =
            |facts: &ModelFacts| facts.purpose != Purpose::Generate && facts.unsupported.is_none();
        self.facts.as_ref().is_ok_and(is_other)
    }

    /// What it is for, of one that can be loaded and does not continue a text.
    pub fn note(&self) -> Option<&'static str> {
        let facts = self.facts.as_ref().ok()?;
        encoder::about(facts.purpose).filter(|_| self.obstacle().is_none())
    }

    /// Why it cannot be loaded into the Playground, if so.
    pub fn obstacle(&self) -> Option<&str> {
        match &self.facts {
            Ok(facts) => {
                let problem = facts.unsupported.as_ref().map(|why| why.sentence.as_str());
                problem.or_else(|| encoder::obstacle(facts.purpose))
            }
            Err(reason) => Some(reason),
        }
    }
}

/// This machine's memory, in bytes. Zero: not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    pub available: u64,
}

/// Whether a model goes into the free memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Fits,

    /// More than four fifths of what is free.
    Tight,
    TooLarge,

    /// The free memory is not known.
    Unknown,
}

impl Memory {
    pub fn fit(self, needed: u64) -> Fit {
        if self.available == 0 {
            Fit::Unknown
        } else if needed > self.available {
            Fit::TooLarge
        } else if needed > self.available / 5 * 4 {
            Fit::Tight
        } else {
            Fit::Fits
        }
    }
}

/// Weights and the KV cache of [`USUAL_CONTEXT`] tokens (or of the whole context, where that is
/// shorter), in bytes.
pub fn memory_needed(facts: &ModelFacts, cache: Option<CacheNumbers>) -> u64 {
    let tokens = USUAL_CONTEXT.min(facts.context_length) as u64;
    let of = |numbers: CacheNumbers| facts.cache_bytes_as[numbers as usize];
    facts.memory_bytes + cache.map_or(facts.cache_bytes_per_token, of) * tokens
}

/// A fetch under way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchView {
    /// The source that is being tried.
    pub trying: Option<String>,

    /// Sources that could not serve, and why in one line.
    pub failed: Vec<(String, String)>,
    pub file: Option<String>,
    pub done: u64,
    pub total: Option<u64>,
    pub verifying: bool,

    /// Another copy of the program is fetching it: it is waited for.
    pub elsewhere: bool,

    /// Smoothed. Zero until known.
    pub bytes_per_sec: f64,
    pub measured: Option<(f64, u64)>,
}

impl FetchView {
    /// `now_secs`: any clock that only goes forward.
    pub fn on_event(&mut self, event: FetchEvent, now_secs: f64) {
        match event {
            FetchEvent::Trying { source } => {
                let failed = std::mem::take(&mut self.failed);
                *self = Self { trying: Some(source), failed, ..Self::default() };
            }
            FetchEvent::Failed { source, reason } => {
                self.trying = None;
                self.failed.push((source, reason));
            }
            FetchEvent::Bytes { file, done, total } => {
                if self.file.as_ref() != Some(&file) {
                    self.file = Some(file);
                    self.measured = None;
                    self.bytes_per_sec = 0.0;
                }
                self.verifying = false;
                self.elsewhere = false;
                self.done = done;
                self.total = total;
                self.measure(now_secs);
            }
            FetchEvent::Verifying { file } => {
                self.file = Some(file);
                self.verifying = true;
                self.elsewhere = false;
            }
            FetchEvent::Elsewhere { file } => {
                self.file = Some(file);
                self.elsewhere = true;
            }
        }
    }

    fn measure(&mut self, now_secs: f64) {
        let Some((then_secs, then_done)) = self.measured else {
            self.measured = Some((now_secs, self.done));
            return;
        };
        let elapsed = now_secs - then_secs;
        // Shorter spans say more about the network's buffers than about its speed.
        if elapsed < 0.25 {
            return;
        }
        let speed = self.done.saturating_sub(then_done) as f64 / elapsed;
        let known = self.bytes_per_sec > 0.0;
        self.bytes_per_sec = if known { 0.7 * self.bytes_per_sec + 0.3 * speed } else { speed };
        self.measured = Some((now_secs, self.done));
    }

    pub fn fraction(&self) -> Option<f32> {
        let total = self.total.filter(|total| *total > 0)?;
        Some((self.done as f64 / total as f64).clamp(0.0, 1.0) as f32)
    }

    /// Seconds, where speed and size are known.
    pub fn time_left(&self) -> Option<f64> {
        let left = self.total?.checked_sub(self.done)?;
        (self.bytes_per_sec > 0.0).then(|| left as f64 / self.bytes_per_sec)
    }
}

/// A load under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadView {
    pub name: String,

    /// `Reading weights`, `Checking the file's hash`.
    pub what: String,
    pub done: u64,
    pub total: u64,
}

impl LoadView {
    pub fn fraction(&self) -> Option<f32> {
        (self.total > 0).then(|| (self.done as f64 / self.total as f64).clamp(0.0, 1.0) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(done: u64) -> FetchEvent {
        FetchEvent::Bytes { file: "model.gguf".to_owned(), done, total: Some(1000) }
    }

    #[test]
    fn a_newer_version_is_offered_until_it_is_here() {
        let found = |path: &str, commit: &str| FoundModel {
            local: LocalModel {
                name: "small".to_owned(),
                path: PathBuf::from(path),
                place: Place::HubCache { repo: "ada/small".to_owned(), commit: commit.to_owned() },
                file_bytes: 1,
            },
            facts: Err("not read".to_owned()),
            frees: None,
            has_update: false,
            unused_days: None,
        };
        let old = found("hub/snapshots/1/small.gguf", "1");
        let mut models = ModelsState::default();
        models.set_found(vec![old.clone()]);
        assert_eq!(models.updates(), 0, "the Hub was not asked");
        models.set_heads(BTreeMap::from([("ada/small".to_owned(), "2".to_owned())]));
        assert_eq!((models.updates(), models.newer_than(&old.local)), (1, Some("2")));
        let order = Order::model("ada/small").with_files(vec!["small.gguf".to_owned()]);
        assert_eq!(old.update_order(), Some(order));
        models.set_found(vec![old, found("hub/snapshots/2/small.gguf", "2")]);
        assert_eq!(models.updates(), 0);
        let folder = found("hub/snapshots/1", "1");
        assert_eq!(folder.update_order(), Some(Order::model("ada/small")));
    }

    #[test]
    fn a_fetch_says_how_fast_it_is_and_how_long_it_takes() {
        let mut fetch = FetchView::default();
        fetch.on_event(FetchEvent::Trying { source: "pip".to_owned() }, 0.0);
        fetch.on_event(bytes(0), 0.0);
        assert_eq!(fetch.time_left(), None, "nothing is known yet");
        fetch.on_event(bytes(100), 1.0);
        assert_eq!(fetch.bytes_per_sec, 100.0);
        assert_eq!(fetch.time_left(), Some(9.0));
        assert_eq!(fetch.fraction(), Some(0.1));
    }

    #[test]
    fn a_fetch_says_that_it_waits_for_another_program() {
        let mut fetch = FetchView::default();
        fetch.on_event(FetchEvent::Elsewhere { file: "model.gguf".to_owned() }, 0.0);
        assert!(fetch.elsewhere);
        fetch.on_event(bytes(10), 1.0);
        assert!(!fetch.elsewhere, "its turn has come");
    }

    #[test]
    fn a_failed_source_stays_listed_while_the_next_one_is_tried() {
        let mut fetch = FetchView::default();
        let hub = "the Hugging Face Hub".to_owned();
        fetch.on_event(FetchEvent::Trying { source: hub.clone() }, 0.0);
        fetch.on_event(FetchEvent::Failed { source: hub, reason: "no answer".to_owned() }, 1.0);
        fetch.on_event(FetchEvent::Trying { source: "pip".to_owned() }, 1.0);
        assert_eq!(fetch.failed.len(), 1);
        assert_eq!(fetch.trying.as_deref(), Some("pip"));
    }

    #[test]
    fn a_verdict_on_memory_is_about_what_is_free() {
        let memory = Memory { total: 8_000, available: 1_000 };
        assert_eq!(memory.fit(500), Fit::Fits);
        assert_eq!(memory.fit(900), Fit::Tight);
        assert_eq!(memory.fit(1_001), Fit::TooLarge);
        assert_eq!(Memory::default().fit(1), Fit::Unknown);
    }
}
