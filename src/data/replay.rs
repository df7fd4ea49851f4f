//! The lines of a file of verdicts, taken in one after the other: which verdicts count in the end.
//!
//! In time that grows with the number of lines alone, also where most verdicts take the place of earlier
//! ones.

use std::collections::HashMap;

use crate::data::record::VerdictRecord;

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

#[derive(Default)]
pub struct Replay {
    /// A verdict's number is its place and one more.
    all: Vec<VerdictRecord>,
    fates: Vec<Fate>,

    /// The places of the verdicts with an id; with ids as they should be, one.
    places: HashMap<String, Vec<u32>>,

    /// The places of those that can be put back, the latest last.
    undone: Vec<usize>,
}

/// What a file holds, each with its number.
#[derive(Default)]
pub struct Replayed {
    pub counting: Vec<(usize, VerdictRecord)>,
    pub replaced: Vec<(usize, VerdictRecord)>,

    /// The latest last.
    pub undone: Vec<(usize, VerdictRecord)>,
    pub count: usize,
}

impl Replay {
    /// A verdict that was made: what was taken back before stays so.
    pub fn add(&mut self, record: VerdictRecord) {
        for place in self.undone.drain(..) {
            self.fates[place] = Fate::Gone;
        }
        let place = self.all.len();
        self.places.entry(record.id.clone()).or_default().push(place as u32);
        self.all.push(record);
        self.fates.push(Fate::Counts);
        self.replace(place, Fate::Counts, Fate::Replaced);
    }

    /// The latest verdict with this id that has this fate.
    fn latest(&self, id: &str, fate: Fate) -> Option<usize> {
        let mut places = self.places.get(id)?.iter().rev().map(|place| *place as usize);
        places.find(|place| self.fates[*place] == fate)
    }

    /// Gives what the verdict at `place` replaces another fate.
    fn replace(&mut self, place: usize, from: Fate, to: Fate) {
        let Some(old) = self.all[place].remarks.replaces.as_deref() else { return };
        let old = self.latest(old, from).filter(|old| *old != place);
        if let Some(old) = old {
            self.fates[old] = to;
        }
    }

    pub fn take_back(&mut self, id: &str) {
        let Some(place) = self.latest(id, Fate::Counts) else { return };
        self.fates[place] = Fate::Undone;
        self.undone.push(place);
        self.replace(place, Fate::Replaced, Fate::Counts);
    }

    pub fn put_back(&mut self, id: &str) {
        // Nearly always the last one.
        let Some(at) = self.undone.iter().rposition(|place| self.all[*place].id == id) else {
            return;
        };
        let place = self.undone.remove(at);
        self.fates[place] = Fate::Counts;
        self.replace(place, Fate::Counts, Fate::Replaced);
    }

    pub fn end(self) -> Replayed {
        let Self { all, fates, undone, .. } = self;
        let mut found = Replayed { count: all.len(), ..Replayed::default() };
        let mut can_come_back: HashMap<usize, VerdictRecord> = HashMap::new();
        for (place, (record, fate)) in all.into_iter().zip(fates).enumerate() {
            match fate {
                Fate::Counts => found.counting.push((place + 1, record)),
                Fate::Replaced => found.replaced.push((place + 1, record)),
                Fate::Undone => _ = can_come_back.insert(place, record),
                Fate::Gone => {}
            }
        }
        let of = |place| Some((place + 1, can_come_back.remove(&place)?));
        found.undone = undone.into_iter().filter_map(of).collect();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::pair::Verdict;
    use crate::examples::record;

    fn replacing(id: &str, old: &str) -> VerdictRecord {
        let mut new = record(id, "p", Verdict::Right);
        new.remarks.replaces = Some(old.to_owned());
        new
    }

    fn ids(list: &[(usize, VerdictRecord)]) -> Vec<&str> {
        list.iter().map(|(_, record)| record.id.as_str()).collect()
    }

    #[test]
    fn what_was_replaced_counts_again_once_its_successor_is_taken_back() {
        let mut replay = Replay::default();
        replay.add(record("1", "p", Verdict::Left));
        replay.add(replacing("2", "1"));
        replay.add(replacing("3", "2"));
        replay.take_back("3");
        replay.take_back("2");
        replay.put_back("2");
        let found = replay.end();
        assert_eq!((ids(&found.counting), ids(&found.replaced)), (vec!["2"], vec!["1"]));
        assert_eq!((ids(&found.undone), found.count), (vec!["3"], 3));
        assert_eq!(found.counting[0].0, 2);
    }

    #[test]
    fn what_was_taken_back_before_another_verdict_is_gone() {
        let mut replay = Replay::default();
        replay.add(record("1", "p", Verdict::Left));
        replay.take_back("1");
        replay.add(record("2", "q", Verdict::Left));
        replay.put_back("1");
        let found = replay.end();
        assert_eq!((ids(&found.counting), found.undone.len()), (vec!["2"], 0));
    }
}
