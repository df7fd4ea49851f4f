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
    use rand::SeedableRng as _;

    use super::*;

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
