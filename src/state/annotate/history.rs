//! The verdicts in the order in which they were given, and those that were taken back.

use std::sync::Arc;

use super::item::Mark;
use crate::data::counts::VerdictCounts;
use crate::data::glance::hash;
use crate::data::kept::{Given, Kept, KeptList, ReadError};
use crate::data::record::VerdictRecord;

#[derive(Clone, Debug, Default)]
pub struct History {
    list: KeptList,

    /// Oldest first, with those whose place a later one has taken.
    done: Vec<Made>,

    /// Taken back, the latest last.
    undone: Vec<Made>,

    /// Of those that count.
    counts: VerdictCounts,

    /// By the place in the list.
    tallies: Vec<Tally>,

    /// By the place in the queue, the latest verdict on it: its place among those that were given and one
    /// more; 0: none.
    latest: Vec<u32>,

    /// Verdicts ever made, so that no id comes twice.
    pub made_count: usize,
}

/// A verdict: its place in the list, and its prompt's place in the queue, if it is in the queue.
#[derive(Clone, Copy, Debug)]
struct Made {
    at: u32,
    position: u32,

    /// The verdict on the same prompt that was the latest before, as [`History::latest`] has it.
    before: u32,
}

/// No place of the queue.
const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    is_given: bool,

    /// How many of those that were given take its place.
    replaced: u16,
}

/// A verdict that was taken back or put back, and its prompt's place in the queue.
#[derive(Clone, Debug)]
pub struct Moved {
    pub record: Arc<VerdictRecord>,
    pub position: Option<usize>,
}

impl History {
    pub fn set(&mut self, given: Given) {
        let Given { list, done, undone } = given;
        let made_count = self.made_count.max(done.len() + undone.len());
        let tallies = vec![Tally::default(); list.len()];
        *self = Self { list, tallies, made_count, ..Self::default() };
        let made = |at| Made { at, position: NOWHERE, before: 0 };
        self.done.reserve_exact(done.len());
        done.into_iter().for_each(|at| self.add(made(at)));
        self.undone = undone.into_iter().map(made).collect();
    }

    pub fn counts(&self) -> VerdictCounts {
        self.counts
    }

    fn kept(&self, made: Made) -> &Kept {
        self.list.get(made.at as usize)
    }

    /// One more that was given. Counted as it comes: a frame has no time to count a million.
    fn add(&mut self, mut made: Made) {
        let Kept { glance, replaces, .. } = *self.kept(made);
        let tally = &mut self.tallies[made.at as usize];
        tally.is_given = true;
        if tally.replaced == 0 {
            self.counts.put_in(glance.verdict, glance.is_written);
        }
        if let Some(old) = (replaces as usize).checked_sub(1) {
            let tally = &mut self.tallies[old];
            tally.replaced = tally.replaced.saturating_add(1);
            if tally.is_given && tally.replaced == 1 {
                let old = self.list.get(old).glance;
                self.counts.take_out(old.verdict, old.is_written);
            }
        }
        if let Some(latest) = self.latest.get_mut(made.position as usize) {
            made.before = std::mem::replace(latest, self.done.len() as u32 + 1);
        }
        self.done.push(made);
    }

    /// The last one is no longer given.
    fn drop_last(&mut self) -> Option<Made> {
        let made = self.done.pop()?;
        let Kept { glance, replaces, .. } = *self.kept(made);
        if let Some(old) = (replaces as usize).checked_sub(1) {
            let tally = &mut self.tallies[old];
            tally.replaced = tally.replaced.saturating_sub(1);
            if tally.is_given && tally.replaced == 0 {
                let old = self.list.get(old).glance;
                self.counts.put_in(old.verdict, old.is_written);
            }
        }
        let tally = &mut self.tallies[made.at as usize];
        tally.is_given = false;
        if tally.replaced == 0 {
            self.counts.take_out(glance.verdict, glance.is_written);
        }
        if let Some(latest) = self.latest.get_mut(made.position as usize) {
            *latest = made.before;
        }
        Some(made)
    }

    /// Says of each verdict, those that were taken back last, where in a queue of so many prompts it
    /// belongs: `place` gets the verdict, and the place of the one that it replaces.
    pub fn match_queue(
        &mut self,
        prompts: usize,
        mut place: impl FnMut(&Kept, Option<usize>) -> Option<usize>,
    ) {
        let Self { list, done, undone, latest, .. } = self;
        let mut known = vec![NOWHERE; list.len()];
        *latest = vec![0; prompts];
        let is_given = std::iter::repeat_n(true, done.len()).chain(std::iter::repeat(false));
        for ((number, made), is_given) in (1..).zip(done.iter_mut().chain(undone)).zip(is_given) {
            let kept = list.get(made.at as usize);
            let replaced = (kept.replaces as usize).checked_sub(1);
            let replaced = replaced.map(|old| known[old]).filter(|old| *old != NOWHERE);
            let position = place(kept, replaced.map(|old| old as usize));
            made.position = position.map_or(NOWHERE, |position| position as u32);
            made.before = 0;
            known[made.at as usize] = made.position;
            if let Some(latest) = latest.get_mut(made.position as usize).filter(|_| is_given) {
                made.before = std::mem::replace(latest, number);
            }
        }
    }

    /// What was said of each place of the queue that has a verdict.
    pub fn marks(&self) -> impl Iterator<Item = (usize, Mark)> {
        (0..self.latest.len()).filter_map(|position| Some((position, self.mark_at(position)?)))
    }

    fn latest_at(&self, position: usize) -> Option<&Kept> {
        let number = *self.latest.get(position)? as usize;
        Some(self.kept(self.done[number.checked_sub(1)?]))
    }

    /// What was said of a place of the queue.
    pub fn mark_at(&self, position: usize) -> Option<Mark> {
        let glance = self.latest_at(position)?.glance;
        Some(Mark { verdict: glance.verdict, flagged: glance.flagged })
    }

    /// The verdict that counts for a place of the queue.
    pub fn at(&self, position: usize) -> Result<Option<Arc<VerdictRecord>>, ReadError> {
        self.latest_at(position).map(Kept::record).transpose()
    }

    pub fn can_undo(&self) -> bool {
        !self.done.is_empty()
    }

    pub fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }

    /// Verdicts that were just made, with their places in the queue.
    pub fn push(&mut self, made: Vec<(VerdictRecord, Option<usize>)>) {
        self.undone.clear();
        for (record, position) in made {
            let replaces = record.remarks.replaces.as_deref().map(hash);
            let mut kept = Kept::in_memory(Arc::new(record));
            let old = replaces.and_then(|id| self.place_of(id, position));
            kept.replaces = old.map_or(0, |old| old + 1);
            let at = self.list.len() as u32;
            self.list.push(kept);
            self.tallies.push(Tally::default());
            let position = position.map_or(NOWHERE, |position| position as u32);
            self.add(Made { at, position, before: 0 });
        }
    }

    /// The place, in the list, of the latest verdict with this id: nearly always the one on the same
    /// prompt.
    fn place_of(&self, id: u64, position: Option<usize>) -> Option<u32> {
        let number = position.and_then(|position| self.latest.get(position)).copied();
        let same = number.and_then(|number| self.done.get((number as usize).checked_sub(1)?));
        let is_it = |made: &&Made| self.kept(**made).glance.id == id;
        same.filter(is_it).or_else(|| self.done.iter().rev().find(is_it)).map(|made| made.at)
    }

    /// The last one, and those before it that belong to the same ranking, the latest first.
    fn last_of(&self, list: &[Made]) -> Vec<Made> {
        let ranking = |made: &Made| self.kept(*made).glance.ranking;
        let Some(last) = list.last() else { return Vec::new() };
        let of_one = if ranking(last) == 0 {
            1
        } else {
            list.iter().rev().take_while(|made| ranking(made) == ranking(last)).count()
        };
        list.iter().rev().take(of_one).copied().collect()
    }

    fn moved(&self, list: &[Made]) -> Result<Vec<Moved>, ReadError> {
        let moved = |made: &Made| {
            let position = (made.position != NOWHERE).then_some(made.position as usize);
            Ok(Moved { record: self.kept(*made).record()?, position })
        };
        list.iter().map(moved).collect()
    }

    /// Takes the last verdict back, or the last ranking with all its pairs; the latest first.
    pub fn undo(&mut self) -> Result<Vec<Moved>, ReadError> {
        let back = self.last_of(&self.done);
        // Read before anything is changed.
        let moved = self.moved(&back)?;
        for _ in &back {
            let made = self.drop_last();
            self.undone.extend(made);
        }
        Ok(moved)
    }

    /// Puts back what was taken back last.
    pub fn redo(&mut self) -> Result<Vec<Moved>, ReadError> {
        let back = self.last_of(&self.undone);
        let moved = self.moved(&back)?;
        self.undone.truncate(self.undone.len() - back.len());
        back.into_iter().for_each(|made| self.add(made));
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::pair::Verdict;
    use crate::examples::record;

    /// What counts, counted anew.
    fn counted(history: &History) -> VerdictCounts {
        let records = history.moved(&history.done).unwrap();
        let replaced: std::collections::HashSet<&str> =
            records.iter().filter_map(|made| made.record.remarks.replaces.as_deref()).collect();
        let records = records.iter().map(|made| &*made.record);
        VerdictCounts::of(records.filter(|record| !replaced.contains(record.id.as_str())))
    }

    /// The latest verdict on a prompt, looked for.
    fn latest(history: &History, position: usize) -> Option<String> {
        let records = history.moved(&history.done).unwrap();
        let found = records.iter().rev().find(|made| made.position == Some(position));
        found.map(|made| made.record.id.clone())
    }

    /// Beside the 64 of [`Kept`], which the store shares: a million verdicts take 80 MB.
    #[test]
    fn a_verdict_takes_sixteen_bytes_in_the_history() {
        assert_eq!(size_of::<Made>() + size_of::<Tally>(), 16);
    }

    #[test]
    fn counts_and_what_counts_for_a_prompt_follow_every_step_of_the_history() {
        let mut history = History { latest: vec![0; 60], ..History::default() };
        let verdicts = [Verdict::Left, Verdict::Right, Verdict::Tie, Verdict::Skip];
        let check = |history: &History, what: String| {
            assert_eq!(history.counts(), counted(history), "{what}");
            for position in 0..60 {
                let at = history.at(position).unwrap().map(|record| record.id.clone());
                assert_eq!(at, latest(history, position), "{what}, prompt {position}");
            }
        };
        for step in 0..60_usize {
            let mut new = record(&step.to_string(), "p", verdicts[step % 4]);
            // Every third one changes an earlier one, some of them twice.
            new.remarks.replaces = (step % 3 == 2).then(|| (step / 3).to_string());
            let position = if step % 3 == 2 { step / 3 } else { step };
            history.push(vec![(new, Some(position))]);
            for _ in 0..step % 4 {
                history.undo().unwrap();
                check(&history, format!("undo at {step}"));
            }
            for _ in 0..step % 3 {
                history.redo().unwrap();
                check(&history, format!("redo at {step}"));
            }
            check(&history, format!("step {step}"));
        }
        assert!(history.counts().all() > 5);
    }
}
