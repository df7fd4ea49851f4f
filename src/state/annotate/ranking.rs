//! More than two answers to a prompt, put into an order: every pair of them follows from it.

use std::ops::Range;

use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha20Rng;

use crate::data::forms::candidates::Candidate;
use crate::data::pair::Verdict;

/// The answers to one prompt, whose pairs stand in the queue from `first` on.
#[derive(Clone, Debug)]
pub struct Group {
    pub first: usize,
    pub answers: Vec<Candidate>,
}

impl Group {
    /// How many pairs of them there are.
    pub fn pairs(&self) -> usize {
        self.answers.len() * (self.answers.len() - 1) / 2
    }

    /// The places of its pairs in the queue.
    pub fn places(&self) -> Range<usize> {
        self.first..self.first + self.pairs()
    }

    /// Which two answers are compared at each place of the queue, in its order.
    pub fn compared(&self) -> impl Iterator<Item = (usize, usize)> {
        let count = self.answers.len();
        (0..count).flat_map(move |one| (one + 1..count).map(move |other| (one, other)))
    }
}

/// The order so far.
#[derive(Clone, Debug, Default)]
pub struct Ranking {
    /// The answers as they stand on the screen, drawn at random.
    pub shown: Vec<usize>,

    /// The best first: an answer by its place on the screen, and whether it is as good as the one
    /// before it.
    order: Vec<(usize, bool)>,
}

impl Ranking {
    pub fn of(count: usize, random: &mut ChaCha20Rng) -> Self {
        let mut shown: Vec<usize> = (0..count).collect();
        shown.shuffle(random);
        Self { shown, order: Vec::new() }
    }

    /// The next best answer, by its place on the screen.
    pub fn press(&mut self, place: usize) {
        if place < self.shown.len() && self.order.iter().all(|(known, _)| *known != place) {
            self.order.push((place, false));
        }
    }

    /// The last one is as good as the one before it, or no longer.
    pub fn tie(&mut self) {
        if self.order.len() > 1
            && let Some((_, tied)) = self.order.last_mut()
        {
            *tied = !*tied;
        }
    }

    pub fn back(&mut self) {
        self.order.pop();
    }

    /// The best first: places on the screen, and whether each is as good as the one before it.
    pub fn order(&self) -> &[(usize, bool)] {
        &self.order
    }

    /// Takes an answer out of the order. Who was as good as it stays in its place.
    pub fn take_out(&mut self, place: usize) {
        let Some(at) = self.order.iter().position(|(known, _)| *known == place) else { return };
        let (_, tied) = self.order.remove(at);
        if let Some((_, next_tied)) = self.order.get_mut(at) {
            *next_tied &= tied;
        }
    }

    /// Puts an answer before the one that is at this place of the order, or at its end; of equal ones,
    /// those behind it are no longer as good as those before it.
    pub fn put_before(&mut self, place: usize, at: usize) {
        if place >= self.shown.len() {
            return;
        }
        let own = self.order.iter().position(|(known, _)| *known == place);
        self.take_out(place);
        let at = match own {
            Some(own) if own < at => at - 1,
            _ => at,
        };
        let at = at.min(self.order.len());
        if let Some((_, tied)) = self.order.get_mut(at) {
            *tied = false;
        }
        self.order.insert(at, (place, false));
    }

    /// Makes an answer as good as another one that has its place.
    pub fn put_beside(&mut self, place: usize, other: usize) {
        if place == other || place >= self.shown.len() || !self.has(other) {
            return;
        }
        self.take_out(place);
        if let Some(at) = self.order.iter().position(|(known, _)| *known == other) {
            self.order.insert(at + 1, (place, true));
        }
    }

    fn has(&self, place: usize) -> bool {
        self.order.iter().any(|(known, _)| *known == place)
    }

    pub fn is_begun(&self) -> bool {
        !self.order.is_empty()
    }

    /// Whether every answer has its rank: the last one that is left is the worst.
    pub fn is_complete(&self) -> bool {
        self.order.len() + 1 >= self.shown.len()
    }

    /// The rank of the answer at a place of the screen, from 1; equal ones share theirs.
    pub fn rank(&self, place: usize) -> Option<usize> {
        let at = self.order.iter().position(|(known, _)| *known == place);
        match at {
            Some(at) => Some(1 + (1..=at).filter(|at| !self.order[*at].1).count()),
            None if self.is_complete() && self.is_begun() => {
                Some(2 + (1..self.order.len()).filter(|at| !self.order[*at].1).count())
            }
            None => None,
        }
    }

    /// What the order says of two answers, the first of which is on the left.
    pub fn verdict(&self, left: usize, right: usize) -> Option<Verdict> {
        let rank = |answer: usize| self.rank(self.shown.iter().position(|shown| *shown == answer)?);
        Some(match rank(left)?.cmp(&rank(right)?) {
            std::cmp::Ordering::Less => Verdict::Left,
            std::cmp::Ordering::Greater => Verdict::Right,
            std::cmp::Ordering::Equal => Verdict::Tie,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;

    use super::*;

    fn ranks(ranking: &Ranking) -> Vec<Option<usize>> {
        (0..ranking.shown.len()).map(|place| ranking.rank(place)).collect()
    }

    #[test]
    fn answers_that_are_dragged_are_where_they_were_dropped() {
        let mut ranking = Ranking::of(4, &mut ChaCha20Rng::seed_from_u64(3));
        ranking.put_before(2, 0);
        ranking.put_before(1, 1); // behind the first
        ranking.put_before(3, 0); // before the first
        assert_eq!(ranks(&ranking), [Some(4), Some(3), Some(2), Some(1)]);
        ranking.put_beside(0, 3);
        assert_eq!(ranks(&ranking), [Some(1), Some(3), Some(2), Some(1)]);
        // Down to the end, counted as the list stood when it was taken.
        ranking.put_before(3, 4);
        assert_eq!(ranks(&ranking), [Some(1), Some(3), Some(2), Some(4)]);
        ranking.put_beside(2, 0);
        ranking.put_beside(1, 0);
        assert_eq!(ranks(&ranking), [Some(1), Some(1), Some(1), Some(2)]);
        // Between two that are as good: they no longer are.
        ranking.put_before(3, 1);
        assert_eq!(ranks(&ranking), [Some(1), Some(3), Some(3), Some(2)]);
        ranking.take_out(0);
        assert_eq!(ranks(&ranking), [Some(3), Some(2), Some(2), Some(1)]);
    }

    proptest! {
        #[test]
        fn whatever_is_dragged_each_answer_has_one_place(
            moves in prop::collection::vec((0usize..3, 0usize..6, 0usize..7), 0..40),
        ) {
            let mut ranking = Ranking::of(5, &mut ChaCha20Rng::seed_from_u64(1));
            for (kind, place, at) in moves {
                match kind {
                    0 => ranking.put_before(place, at),
                    1 => ranking.put_beside(place, at),
                    _ => ranking.take_out(place),
                }
                let mut known: Vec<usize> = ranking.order.iter().map(|(place, _)| *place).collect();
                let count = known.len();
                known.sort_unstable();
                known.dedup();
                prop_assert_eq!(known.len(), count);
                prop_assert!(known.iter().all(|place| *place < 5));
                prop_assert!(ranking.order.first().is_none_or(|(_, tied)| !tied));
            }
        }
    }

    #[test]
    fn an_order_says_which_of_any_two_is_better() {
        let mut ranking = Ranking::of(4, &mut ChaCha20Rng::seed_from_u64(3));
        let answer = ranking.shown.clone();
        for place in [2, 0, 2, 3] {
            ranking.press(place); // the second time it means nothing
        }
        ranking.tie();
        assert!(ranking.is_complete());
        let ranks: Vec<_> = (0..4).map(|place| ranking.rank(place)).collect();
        assert_eq!(ranks, [Some(2), Some(3), Some(1), Some(2)]);
        assert_eq!(ranking.verdict(answer[2], answer[1]), Some(Verdict::Left));
        assert_eq!(ranking.verdict(answer[1], answer[2]), Some(Verdict::Right));
        assert_eq!(ranking.verdict(answer[0], answer[3]), Some(Verdict::Tie));
        ranking.back();
        assert!(!ranking.is_complete());
        assert_eq!(ranking.verdict(answer[0], answer[3]), None);
    }
}
