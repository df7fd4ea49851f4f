//! The verdicts in the order in which they were given, and those that were taken back.

use std::collections::HashMap;

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

    /// By its id, the place of each among those that were given.
    places: HashMap<String, usize>,

    /// By id, how many of those that were given take its place.
    replaced: HashMap<String, usize>,

    /// Verdicts ever made, so that no id comes twice.
    pub made_count: usize,
}

impl History {
    pub fn set(&mut self, done: Vec<VerdictRecord>, undone: Vec<VerdictRecord>) {
        let made_count = self.made_count.max(done.len() + undone.len());
        let made = |record| Made { record, position: None };
        *self = Self { made_count, ..Self::default() };
        done.into_iter().for_each(|record| self.add(made(record)));
        self.undone = undone.into_iter().map(made).collect();
    }

    pub fn counts(&self) -> VerdictCounts {
        self.counts
    }

    /// One more that was given. Counted as it comes: a frame has no time to count a million.
    fn add(&mut self, made: Made) {
        let record = &made.record;
        if !self.replaced.contains_key(&record.id) {
            self.counts.put_in(record);
        }
        if let Some(old) = &record.remarks.replaces {
            let times = self.replaced.entry(old.clone()).or_default();
            *times += 1;
            if let (1, Some(place)) = (*times, self.places.get(old)) {
                self.counts.take_out(&self.done[*place].record);
            }
        }
        self.places.insert(record.id.clone(), self.done.len());
        self.done.push(made);
    }

    /// The last one is no longer given.
    fn drop_last(&mut self) -> Option<Made> {
        let made = self.done.pop()?;
        let record = &made.record;
        self.places.remove(&record.id);
        if let Some(old) = &record.remarks.replaces
            && let Some(times) = self.replaced.get_mut(old)
        {
            *times -= 1;
            if *times == 0 {
                self.replaced.remove(old);
                if let Some(place) = self.places.get(old) {
                    self.counts.put_in(&self.done[*place].record);
                }
            }
        }
        if !self.replaced.contains_key(&record.id) {
            self.counts.take_out(record);
        }
        Some(made)
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

    /// The verdict with this id.
    pub fn with_id(&self, id: &str) -> Option<&Made> {
        self.done.get(*self.places.get(id)?)
    }

    pub fn push(&mut self, made: Vec<Made>) {
        self.undone.clear();
        made.into_iter().for_each(|made| self.add(made));
    }

    /// Takes the last verdict back, or the last ranking with all its pairs; the latest first.
    pub fn undo(&mut self) -> Vec<Made> {
        let Some(last) = self.drop_last() else { return Vec::new() };
        let ranking = ranking_of(&last).cloned();
        let mut back = vec![last];
        while ranking.is_some()
            && self.done.last().is_some_and(|made| ranking_of(made) == ranking.as_ref())
        {
            back.extend(self.drop_last());
        }
        self.undone.extend(back.iter().cloned());
        back
    }

    /// Puts back what was taken back last.
    pub fn redo(&mut self) -> Vec<Made> {
        let back = pop_last(&mut self.undone);
        back.iter().for_each(|made| self.add(made.clone()));
        back
    }
}

/// Which order of several answers it belongs to.
fn ranking_of(made: &Made) -> Option<&serde_json::Value> {
    made.record.more.get("ranking")
}

/// The last one, and those before it that belong to the same ranking.
fn pop_last(from: &mut Vec<Made>) -> Vec<Made> {
    let Some(last) = from.pop() else { return Vec::new() };
    let ranking = ranking_of(&last).cloned();
    let mut popped = vec![last];
    while ranking.is_some()
        && let Some(made) = from.pop_if(|made| ranking_of(made) == ranking.as_ref())
    {
        popped.push(made);
    }
    popped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::pair::Verdict;
    use crate::examples::record;

    /// What counts, counted anew.
    fn counted(history: &History) -> VerdictCounts {
        let replaced: std::collections::HashSet<&str> = history
            .done
            .iter()
            .filter_map(|made| made.record.remarks.replaces.as_deref())
            .collect();
        let records = history.done.iter().map(|made| &made.record);
        VerdictCounts::of(records.filter(|record| !replaced.contains(record.id.as_str())))
    }

    #[test]
    fn counts_follow_every_step_of_the_history() {
        let mut history = History::default();
        let verdicts = [Verdict::Left, Verdict::Right, Verdict::Tie, Verdict::Skip];
        for step in 0..60_usize {
            let mut new = record(&step.to_string(), "p", verdicts[step % 4]);
            // Every third one changes an earlier one, some of them twice.
            new.remarks.replaces = (step % 3 == 2).then(|| (step / 3).to_string());
            history.push(vec![Made { record: new, position: Some(step) }]);
            for _ in 0..step % 4 {
                history.undo();
                assert_eq!(history.counts(), counted(&history), "undo at {step}");
            }
            for _ in 0..step % 3 {
                history.redo();
                assert_eq!(history.counts(), counted(&history), "redo at {step}");
            }
            assert_eq!(history.counts(), counted(&history), "step {step}");
        }
        assert!(history.counts().all() > 5);
    }
}
