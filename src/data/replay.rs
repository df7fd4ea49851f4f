//! Which verdicts of a file count: given, taken back, put back, replaced, in the order of its lines.
//!
//! In time that grows with the number of lines alone, also where most verdicts take the place of earlier
//! ones.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::data::counts::VerdictCounts;
use crate::data::glance::hash;
use crate::data::kept::{Given, Kept, KeptList, Records};

/// What has become of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Counts,

    /// Another one has its place.
    Replaced,

    /// Taken back, and can be put back.
    Undone,

    /// Taken back before another one was made.
    Gone,
}

/// All verdicts of a file and what has become of them.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    list: KeptList,
    fates: Vec<Fate>,

    /// The places of those that can be put back, the latest last.
    undone: Vec<u32>,

    /// Of those that count: a frame has no time to count a million.
    counts: VerdictCounts,

    /// While a file is read; afterwards what is looked for is nearly always among the last.
    index: Option<Index>,
}

/// By id, the place of the latest verdict that has it; and for each verdict the one before it with the
/// same id: with ids as they should be, none.
#[derive(Clone, Debug, Default)]
struct Index {
    places: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    earlier: Vec<Option<u32>>,
}

/// What is a hash already is not hashed again.
#[derive(Clone, Copy, Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Replay {
    /// A file is going to be read, of about so many lines.
    pub fn begin(lines: usize) -> Self {
        let mut index = Index { places: HashMap::default(), earlier: Vec::with_capacity(lines) };
        index.places.reserve(lines);
        let list = KeptList::with_capacity(lines);
        Self { list, index: Some(index), ..Self::default() }
    }

    /// It was read.
    pub fn end(&mut self) {
        self.index = None;
        self.list.share();
        self.fates.shrink_to_fit();
    }

    /// A verdict that was made: what was taken back before stays so. `replaces`: the hash of the id of the
    /// verdict whose place it takes.
    pub fn add(&mut self, mut kept: Kept, replaces: Option<u64>) {
        for place in std::mem::take(&mut self.undone) {
            self.fates[place as usize] = Fate::Gone;
        }
        let old = replaces.and_then(|id| self.latest(id));
        if let Some(old) = old {
            self.set(old, Fate::Replaced);
        }
        kept.replaces = old.map_or(0, |old| old as u32 + 1);
        let place = self.list.len() as u32;
        if let Some(Index { places, earlier }) = &mut self.index {
            earlier.push(places.insert(kept.glance.id, place));
        }
        self.counts.put_in(kept.glance.verdict, kept.glance.is_written);
        self.fates.push(Fate::Counts);
        self.list.push(kept);
    }

    /// The latest verdict with this id that counts.
    fn latest(&self, id: u64) -> Option<usize> {
        let counts = |place: &usize| self.fates[*place] == Fate::Counts;
        let Some(Index { places, earlier }) = &self.index else {
            let is_it = |place: &usize| counts(place) && self.list.get(*place).glance.id == id;
            return (0..self.list.len()).rev().find(is_it);
        };
        let mut place = places.get(&id).map(|place| *place as usize);
        while let Some(at) = place.filter(|at| !counts(at)) {
            place = earlier[at].map(|place| place as usize);
        }
        place
    }

    fn set(&mut self, place: usize, fate: Fate) {
        let glance = self.list.get(place).glance;
        let before = std::mem::replace(&mut self.fates[place], fate);
        match (before == Fate::Counts, fate == Fate::Counts) {
            (true, false) => self.counts.take_out(glance.verdict, glance.is_written),
            (false, true) => self.counts.put_in(glance.verdict, glance.is_written),
            _ => {}
        }
    }

    /// Gives what the verdict at `place` replaces another fate.
    fn set_replaced(&mut self, place: usize, from: Fate, to: Fate) {
        let old = (self.list.get(place).replaces as usize).checked_sub(1);
        if let Some(old) = old.filter(|old| self.fates[*old] == from) {
            self.set(old, to);
        }
    }

    /// False: no verdict with this id counts.
    pub fn take_back(&mut self, id: &str) -> bool {
        let Some(place) = self.latest(hash(id)) else { return false };
        self.set(place, Fate::Undone);
        self.undone.push(place as u32);
        self.set_replaced(place, Fate::Replaced, Fate::Counts);
        true
    }

    /// False: there is none that could be put back.
    pub fn put_back(&mut self, id: &str) -> bool {
        let id = hash(id);
        // Nearly always the last one.
        let is_it = |place: &u32| self.list.get(*place as usize).glance.id == id;
        let Some(at) = self.undone.iter().rposition(is_it) else { return false };
        let place = self.undone.remove(at) as usize;
        self.set(place, Fate::Counts);
        self.set_replaced(place, Fate::Counts, Fate::Replaced);
        true
    }

    pub fn counts(&self) -> VerdictCounts {
        self.counts
    }

    /// Those that have one of these fates, in the order in which they were made.
    fn with(&self, fates: &[Fate]) -> impl Iterator<Item = usize> {
        (0..self.list.len()).filter(move |place| fates.contains(&self.fates[*place]))
    }

    fn records(&self, places: impl Iterator<Item = usize>) -> Records {
        Records(places.map(|place| self.list.get(place).clone()).collect())
    }

    /// The verdicts that count.
    pub fn counting(&self) -> Records {
        self.records(self.with(&[Fate::Counts]))
    }

    /// Also those whose place another one has taken.
    pub fn history(&self) -> Records {
        self.records(self.with(&[Fate::Counts, Fate::Replaced]))
    }

    /// Also those that can be put back.
    pub fn all(&self) -> Records {
        self.records(self.with(&[Fate::Counts, Fate::Replaced, Fate::Undone]))
    }

    /// What was taken back and can be put back, the latest last.
    pub fn undone(&self) -> Records {
        self.records(self.undone.iter().map(|place| *place as usize))
    }

    pub fn given(&self) -> Given {
        let done = self.with(&[Fate::Counts, Fate::Replaced]).map(|place| place as u32);
        Given { list: self.list.clone(), done: done.collect(), undone: self.undone.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::pair::Verdict;
    use crate::examples::record;

    fn kept(id: &str) -> Kept {
        Kept::in_memory(Arc::new(record(id, "p", Verdict::Left)))
    }

    fn ids(records: &Records) -> Vec<String> {
        records.read().unwrap().into_iter().map(|record| record.id).collect()
    }

    /// While a file is read, and afterwards.
    fn both(with: impl Fn(Replay)) {
        with(Replay::begin(4));
        with(Replay::default());
    }

    #[test]
    fn what_was_replaced_counts_again_once_its_successor_is_taken_back() {
        both(|mut replay| {
            replay.add(kept("1"), None);
            replay.add(kept("2"), Some(hash("1")));
            replay.add(kept("3"), Some(hash("2")));
            assert_eq!((replay.counts().left, ids(&replay.counting())), (1, vec!["3".to_owned()]));
            assert!(replay.take_back("3") && replay.take_back("2") && replay.put_back("2"));
            assert!(!replay.put_back("2") && !replay.take_back("3"));
            assert_eq!(
                (ids(&replay.counting()), ids(&replay.history())),
                (vec!["2".to_owned()], vec!["1".to_owned(), "2".to_owned()])
            );
            assert_eq!((ids(&replay.undone()), replay.counts().left), (vec!["3".to_owned()], 1));
            let given = replay.given();
            assert_eq!((given.done, given.undone), (vec![0, 1], vec![2]));
        });
    }

    #[test]
    fn what_was_taken_back_before_another_verdict_is_gone() {
        both(|mut replay| {
            replay.add(kept("1"), None);
            replay.take_back("1");
            replay.add(kept("2"), None);
            assert!(!replay.put_back("1"));
            assert_eq!((ids(&replay.counting()), replay.undone().len()), (vec!["2".to_owned()], 0));
            assert_eq!(replay.all().len(), 1);
        });
    }

    #[test]
    fn of_two_verdicts_with_one_id_the_latest_that_counts_is_meant() {
        both(|mut replay| {
            replay.add(kept("1"), None);
            replay.add(kept("1"), None);
            replay.add(kept("2"), Some(hash("1")));
            assert!(replay.take_back("1"), "the first is left");
            assert_eq!(ids(&replay.counting()), ["2"]);
            assert!(!replay.take_back("1"));
        });
    }
}
