//! The verdicts in the order in which they were given, and those that were taken back.

use std::collections::HashSet;

use super::item::Made;
use crate::data::record::VerdictRecord;
use crate::data::store::VerdictCounts;

#[derive(Clone, Debug, Default)]
pub struct History {
    /// Oldest first, with those whose place a later one has taken.
    done: Vec<Made>,

    /// Taken back, the latest last.
    undone: Vec<Made>,

    /// Of those that count.
    counts: VerdictCounts,

    /// Verdicts ever made, so that no id comes twice.
    pub made_count: usize,
}

impl History {
    pub fn set(&mut self, done: Vec<VerdictRecord>, undone: Vec<VerdictRecord>) {
        self.made_count = self.made_count.max(done.len() + undone.len());
        let made = |record| Made { record, position: None };
        self.done = done.into_iter().map(made).collect();
        self.undone = undone.into_iter().map(made).collect();
        self.count();
    }

    pub fn counts(&self) -> VerdictCounts {
        self.counts
    }

    fn count(&mut self) {
        let replaced: HashSet<&str> =
            self.done.iter().filter_map(|made| made.record.remarks.replaces.as_deref()).collect();
        let counting = self.done.iter().map(|made| &made.record);
        self.counts =
            VerdictCounts::of(counting.filter(|record| !replaced.contains(record.id.as_str())));
    }

    /// All of them, to say where in the queue they belong.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Made> {
        self.done.iter_mut().chain(&mut self.undone)
    }

    pub fn done(&self) -> &[Made] {
        &self.done
    }

    /// The verdict that counts for a place of the queue.
    pub fn at(&self, position: usize) -> Option<&VerdictRecord> {
        let found = self.done.iter().rev().find(|made| made.position == Some(position));
        found.map(|made| &made.record)
    }

    pub fn can_undo(&self) -> bool {
        !self.done.is_empty()
    }

    pub fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }

    pub fn push(&mut self, made: Vec<Made>) {
        self.undone.clear();
        self.done.extend(made);
        self.count();
    }

    /// Takes the last verdict back, or the last ranking with all its pairs; the latest first.
    pub fn undo(&mut self) -> Vec<Made> {
        let back = pop_last(&mut self.done);
        self.undone.extend(back.iter().cloned());
        self.count();
        back
    }

    /// Puts back what was taken back last.
    pub fn redo(&mut self) -> Vec<Made> {
        let back = pop_last(&mut self.undone);
        self.done.extend(back.iter().cloned());
        self.count();
        back
    }
}

/// The last one, and those before it that belong to the same ranking.
fn pop_last(from: &mut Vec<Made>) -> Vec<Made> {
    let Some(last) = from.pop() else { return Vec::new() };
    let ranking = last.record.more.get("ranking").cloned();
    let mut popped = vec![last];
    while ranking.is_some()
        && let Some(made) = from.pop_if(|made| made.record.more.get("ranking") == ranking.as_ref())
    {
        popped.push(made);
    }
    popped
}
