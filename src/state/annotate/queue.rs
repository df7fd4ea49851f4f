//! Which prompt is in front, and which comes next.

use std::collections::HashMap;

use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use super::AnnotateState;
use super::draft::Draft;
use super::item::Item;
use super::marks::Marks;
use super::ranking::Ranking;
use crate::data::glance::hash;

impl AnnotateState {
    /// Finds the prompts that have a verdict, and goes to the first that has none.
    pub(super) fn match_prompts(&mut self) {
        let count = self.prompts.len();
        let mut places: HashMap<u64, Vec<u32>> = HashMap::new();
        for (at, prompt) in (0..).zip(&self.prompts) {
            places.entry(hash(prompt.words().trim())).or_default().push(at);
        }
        let given: Vec<Option<u64>> =
            self.given.iter().map(|given| Some(given.as_ref()?.hash())).collect();
        let mut taken = vec![false; count];
        self.history.match_queue(count, |kept, replaced| {
            let position = replaced.or_else(|| {
                let is_free = |at: &usize| {
                    !taken[*at] && given[*at].is_none_or(|given| given == kept.glance.answers)
                };
                let same = places.get(&kept.glance.prompt)?;
                same.iter().map(|at| *at as usize).find(is_free)
            })?;
            taken[position] = true;
            Some(position)
        });
        self.marks = Marks::of(count, self.history.marks());
        self.position = 0;
        self.advance();
    }

    /// Goes to the next prompt without a verdict: to one that tells the most, where that is known,
    /// else at or after the position, then before it.
    pub(super) fn advance(&mut self) {
        let count = self.prompts.len();
        let start = self.position.min(count);
        let open = |at: &usize| self.marks.at(*at).is_none();
        let telling = self.preferred.iter().find_map(|models| {
            let is_of = |at: &usize| {
                open(at) && self.given[*at].as_ref().is_some_and(|given| given.is_between(models))
            };
            (0..count).find(is_of)
        });
        let next = telling.or_else(|| (start..count).chain(0..start).find(open));
        self.show(next.unwrap_or(count));
    }

    /// Puts a prompt up that has no verdict, or none any more.
    pub(super) fn show(&mut self, position: usize) {
        self.position = position;
        self.attempt = 0;
        self.item = Item::default();
        self.differences = None;
        self.draft = Draft::default();
        self.revising = None;
        let (_, left_lane) = self.draw();
        if let (Some(prompt), Some(Some(given))) =
            (self.prompts.get(position), self.given.get(position))
        {
            self.item = given.item(prompt, left_lane, self.shown_at);
        }
        self.ranking = Ranking::default();
        if let Some(group) = self.group() {
            let mut random = ChaCha20Rng::seed_from_u64(self.seed);
            random.set_stream(((group.first as u64) << 20) | 0xf_ffff);
            self.ranking = Ranking::of(group.answers.len(), &mut random);
        }
    }
}
