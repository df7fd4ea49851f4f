//! What the engine reports, as bars on stderr. In a pipe indicatif draws nothing.

use std::cell::RefCell;
use std::collections::BTreeSet;

use indicatif::{ProgressBar, ProgressStyle};

use crate::data::table::Reading;
use crate::encoder::{Classified, Embedded, Scored};
use crate::explore::subject::Looked;
use crate::explore::vectors::worked::Worked;
use crate::hub::cache::keep::Verifying;
use crate::hub::fetch::event::FetchEvent;
use crate::hub::fetch::queue::{FileState, ItemState, QueueEvent};
use crate::jobs::{Cancelled, Progress};
use crate::llm::LoadEvent;
use crate::llm::adapter_files::parts::Merged;

/// One bar that changes its words and its scale during the work.
pub struct Bar {
    drawn: ProgressBar,
    template: RefCell<String>,

    /// Notes that were left: each is left once.
    noted: RefCell<BTreeSet<String>>,
}

const COUNTED: &str = "{msg} [{bar:30}] {pos} of {len} · {eta} left";
const IN_BYTES: &str = "{msg} [{bar:30}] {bytes} of {total_bytes} · {bytes_per_sec} · {eta} left";
const UNKNOWN: &str = "{msg} {pos}";

impl Bar {
    pub fn new() -> Self {
        let drawn = ProgressBar::new(0);
        Self { drawn, template: RefCell::default(), noted: RefCell::default() }
    }

    /// `done` of `total` of something countable.
    pub fn count(&self, what: &str, done: u64, total: u64) {
        self.show(COUNTED, what, done, Some(total));
    }

    /// `done` of `total` bytes.
    pub fn bytes(&self, what: &str, done: u64, total: Option<u64>) {
        self.show(if total.is_some() { IN_BYTES } else { UNKNOWN }, what, done, total);
    }

    /// Leaves a line above the bar.
    pub fn note(&self, text: &str) {
        self.drawn.suspend(|| super::out::note(text));
    }

    fn note_once(&self, text: String) {
        if !self.noted.borrow().contains(&text) {
            self.note(&text);
            self.noted.borrow_mut().insert(text);
        }
    }

    fn note_elsewhere(&self, file: &str) {
        self.note_once(format!("Another program is fetching {file}: waiting for it to be done"));
    }

    pub fn clear(&self) {
        self.drawn.finish_and_clear();
    }

    fn show(&self, template: &str, what: &str, done: u64, total: Option<u64>) {
        if *self.template.borrow() != template {
            template.clone_into(&mut self.template.borrow_mut());
            let style = ProgressStyle::with_template(template).expect("the templates are ours");
            self.drawn.set_style(style.progress_chars("=> "));
            self.drawn.reset();
        }
        if self.drawn.message() != what {
            self.drawn.set_message(what.to_owned());
        }
        if let Some(total) = total {
            self.drawn.set_length(total);
        }
        self.drawn.set_position(done);
    }
}

impl Progress<FetchEvent> for Bar {
    fn emit(&self, event: FetchEvent) {
        match event {
            FetchEvent::Trying { source } => self.note(&format!("Trying {source}")),
            FetchEvent::Failed { source, reason } => {
                self.note(&format!("{source} could not serve: {reason}"));
            }
            FetchEvent::Bytes { file, done, total } => self.bytes(&file, done, total),
            FetchEvent::Verifying { file } => self.drawn.set_message(format!("Checking {file}")),
            FetchEvent::Elsewhere { file } => self.note_elsewhere(&file),
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

impl Progress<Reading> for Bar {
    fn emit(&self, event: Reading) {
        let Reading { rows, done, total } = event;
        // Bytes, where nobody knows how many rows there will be.
        if rows == done {
            self.count("Reading", done, total);
        } else {
            self.bytes("Reading", done, Some(total));
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

impl Progress<QueueEvent> for Bar {
    fn emit(&self, event: QueueEvent) {
        // What became of an item is in the queue when it is over.
        let QueueEvent::Changed(items) = event else { return };
        for item in &items {
            let repo = &item.order.repo;
            match &item.state {
                ItemState::WaitingForNetwork { reason, secs } => {
                    self.note_once(format!("{reason}; trying again in {secs} s"));
                }
                ItemState::Fetching => {
                    self.bytes(repo, item.done_bytes(), item.total_bytes());
                }
                _ => self.drawn.set_message(repo.clone()),
            }
            for file in &item.files {
                let path = &file.remote.path;
                match &file.state {
                    FileState::Elsewhere => self.note_elsewhere(path),
                    FileState::Retrying { reason, .. } => {
                        self.note_once(format!("{reason}; trying again"));
                    }
                    _ => {}
                }
            }
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

impl Progress<Verifying> for Bar {
    fn emit(&self, Verifying { file, done, total }: Verifying) {
        self.bytes(&file, done, Some(total));
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

impl Progress<Embedded> for Bar {
    fn emit(&self, Embedded { done, total }: Embedded) {
        self.count("Computing", done as u64, total as u64);
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

impl Progress<Classified> for Bar {
    fn emit(&self, Classified { done, total }: Classified) {
        self.count("Classifying", done as u64, total as u64);
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

impl Progress<Scored> for Bar {
    fn emit(&self, Scored { done, total }: Scored) {
        self.count("Masking", done as u64, total as u64);
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

impl Progress<Looked> for Bar {
    fn emit(&self, Looked { done, total }: Looked) {
        self.count("Looking", done as u64, total as u64);
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

impl Progress<Worked> for Bar {
    fn emit(&self, Worked { stage, done, total }: Worked) {
        self.count(stage.words(), done as u64, total as u64);
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

impl Progress<LoadEvent> for Bar {
    fn emit(&self, event: LoadEvent) {
        match event {
            LoadEvent::Tensors { done, total } => {
                self.count("Loading", done as u64, total as u64);
            }
            LoadEvent::Hashing { done, total } => self.bytes("Checking", done, Some(total)),
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

impl Progress<Merged> for Bar {
    fn emit(&self, Merged { done, total }: Merged) {
        self.count("Writing tensors", done as u64, total as u64);
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}
