//! What the engine reports, as bars on stderr. In a pipe indicatif draws nothing.

use std::cell::RefCell;

use indicatif::{ProgressBar, ProgressStyle};

use crate::hub::starter::FetchEvent;
use crate::jobs::{Cancelled, Progress};
use crate::llm::LoadEvent;
use crate::llm::merge::Merged;

/// One bar that changes its words and its scale as the work goes on.
pub struct Bar {
    bar: ProgressBar,
    template: RefCell<String>,
}

const COUNTED: &str = "{msg} [{bar:30}] {pos} of {len} · {eta} left";
const IN_BYTES: &str = "{msg} [{bar:30}] {bytes} of {total_bytes} · {bytes_per_sec} · {eta} left";
const UNKNOWN: &str = "{msg} {pos}";

impl Bar {
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        Self { bar, template: RefCell::new(String::new()) }
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
        self.bar.suspend(|| super::out::note(text));
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, template: &str, what: &str, done: u64, total: Option<u64>) {
        if *self.template.borrow() != template {
            template.clone_into(&mut self.template.borrow_mut());
            let style = ProgressStyle::with_template(template).expect("the templates are ours");
            self.bar.set_style(style.progress_chars("=> "));
            self.bar.reset();
        }
        if self.bar.message() != what {
            self.bar.set_message(what.to_owned());
        }
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
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
            FetchEvent::Verifying { file } => self.bar.set_message(format!("Checking {file}")),
        }
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
