//! Token ids, and which of them are learned: what TRL keeps as `input_ids` and `labels`.

use std::ops::Range;

/// A prompt and its completion as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    pub ids: Vec<u32>,

    /// The first id that belongs to the completion.
    pub completion_start: usize,

    /// Places behind that one of which nothing is learned all the same, in their order: what a user says
    /// between two answers. Mostly none.
    unlearned: Vec<u32>,
}

impl Sequence {
    /// Everything from `completion_start` on is learned.
    pub fn new(ids: Vec<u32>, completion_start: usize) -> Self {
        Self { ids, completion_start, unlearned: Vec::new() }
    }

    /// A text of which everything is learned.
    pub fn whole(ids: Vec<u32>) -> Self {
        Self::new(ids, 0)
    }

    /// Learned is where the mask, one an id, is true: the first such id begins the completion.
    pub fn masked(ids: Vec<u32>, learned: &[bool]) -> Self {
        let completion_start = learned.iter().position(|is| *is).unwrap_or(ids.len());
        let behind = learned.iter().enumerate().skip(completion_start);
        let unlearned = behind.filter(|(_, is)| !**is).map(|(place, _)| place as u32).collect();
        Self { ids, completion_start, unlearned }
    }

    /// The same, of which nothing before this place is learned.
    #[must_use]
    pub fn learned_from(self, completion_start: usize) -> Self {
        if !self.has_gaps() {
            let start = self.completion_start.max(completion_start).min(self.ids.len());
            return Self::new(self.ids, start);
        }
        let mut learned = self.mask();
        learned.iter_mut().take(completion_start).for_each(|is| *is = false);
        Self::masked(self.ids, &learned)
    }

    /// Whether the id at this place is learned, or would be if anything predicted it.
    pub fn is_learned(&self, place: usize) -> bool {
        place >= self.completion_start && self.unlearned.binary_search(&(place as u32)).is_err()
    }

    /// Of each id, whether it is learned.
    pub fn mask(&self) -> Vec<bool> {
        (0..self.ids.len()).map(|place| self.is_learned(place)).collect()
    }

    /// Whether a user speaks between two answers.
    pub fn has_gaps(&self) -> bool {
        !self.unlearned.is_empty()
    }

    /// The places of the ids that are predicted and learned from: the completion, without the very first
    /// id of the sequence, which nothing predicts.
    pub fn targets(&self) -> impl Iterator<Item = usize> {
        (self.completion_start.max(1)..self.ids.len()).filter(|place| self.is_learned(*place))
    }

    /// How many targets there are.
    pub fn target_count(&self) -> usize {
        let first = self.completion_start.max(1).min(self.ids.len());
        let unlearned = self.unlearned.iter().filter(|place| **place as usize >= first);
        self.ids.len() - first - unlearned.count()
    }

    /// Tokens of the completion, as the length-normalised losses count them.
    pub fn completion_tokens(&self) -> usize {
        self.ids.len() - self.completion_start.min(self.ids.len()) - self.unlearned.len()
    }

    /// Some of its ids. A part of a prompt is still none of a completion.
    #[must_use]
    pub fn part(&self, places: Range<usize>) -> Self {
        let places = places.start.min(self.ids.len())..places.end.min(self.ids.len());
        let ids = self.ids[places.clone()].to_vec();
        if !self.has_gaps() {
            let start = self.completion_start.saturating_sub(places.start).min(ids.len());
            return Self::new(ids, start);
        }
        let learned: Vec<bool> = places.map(|place| self.is_learned(place)).collect();
        Self::masked(ids, &learned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(sequence: &Sequence) -> Vec<u32> {
        let targets: Vec<u32> = sequence.targets().map(|place| sequence.ids[place]).collect();
        assert_eq!(targets.len(), sequence.target_count());
        targets
    }

    #[test]
    fn the_first_token_of_a_sequence_is_never_a_target() {
        let sequence = |ids: &[u32], start| Sequence::new(ids.to_vec(), start);
        assert_eq!(targets(&sequence(&[5, 6, 7], 1)), [6, 7]);
        assert_eq!(targets(&sequence(&[5, 6, 7], 0)), [6, 7]);
        assert!(targets(&sequence(&[5, 6, 7], 3)).is_empty());
        assert!(targets(&sequence(&[5, 6], 4)).is_empty()); // cut inside the prompt
        assert_eq!(sequence(&[5, 6, 7], 0).completion_tokens(), 3);
    }

    #[test]
    fn what_a_user_says_between_two_answers_is_no_target() {
        let mask = [false, true, true, false, false, true];
        let sequence = Sequence::masked(vec![1, 2, 3, 4, 5, 6], &mask);
        assert_eq!(sequence.completion_start, 1);
        assert_eq!(sequence.mask(), mask);
        assert_eq!((targets(&sequence), sequence.completion_tokens()), (vec![2, 3, 6], 3));
        let end = sequence.part(2..6);
        assert_eq!((targets(&end), end.completion_tokens()), (vec![6], 2)); // nothing predicts its first
        assert_eq!(end.mask(), [true, false, false, true]);
        let end = sequence.part(3..9);
        assert_eq!((end.ids.as_slice(), end.mask()), (&[4, 5, 6][..], vec![false, false, true]));
        assert!(!end.has_gaps());
        let start = sequence.part(0..4);
        assert_eq!((start.ids.as_slice(), targets(&start)), (&[1, 2, 3, 4][..], vec![2, 3]));
        let none = Sequence::masked(vec![1, 2], &[false, false]);
        assert_eq!((none.completion_tokens(), none.target_count()), (0, 0));
    }

    #[test]
    fn a_prompt_that_loses_its_start_ends_where_it_did() {
        let sequence = Sequence::new(vec![1, 2, 3, 4, 5], 3);
        assert_eq!(sequence.part(2..5), Sequence::new(vec![3, 4, 5], 1));
        assert_eq!(sequence.part(4..5), Sequence::new(vec![5], 0));
        assert_eq!(sequence.part(0..2).target_count(), 0);
    }
}
