//! Which prompt is in front, and which comes next.

use std::collections::HashMap;

use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use super::AnnotateState;
use super::draft::Draft;
use super::item::{Item, Mark};
use super::ranking::Ranking;

impl AnnotateState {
    /// Finds the prompts that have a verdict, and goes to the first that has none.
    pub(super) fn match_prompts(&mut self) {
        self.marks = vec![None; self.prompts.len()];
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, prompt) in self.prompts.iter().enumerate() {
            places.entry(prompt.words().trim().to_owned()).or_default().push(at);
        }
        let mut taken = vec![false; self.prompts.len()];
        let mut known: HashMap<String, usize> = HashMap::new();
        for made in self.history.all_mut() {
            let replaced = made.record.remarks.replaces.as_ref();
            let before = replaced.and_then(|id| known.get(id).copied());
            made.position = before.or_else(|| {
                let same = places.get(made.record.prompt.words().trim())?;
                let is_free = |at: &&usize| {
                    let given = self.given[**at].as_ref();
                    !taken[**at] && given.is_none_or(|given| given.is_of(&made.record))
                };
                same.iter().find(is_free).copied()
            });
            if let Some(position) = made.position {
                taken[position] = true;
                known.insert(made.record.id.clone(), position);
            }
        }
        for made in self.history.done() {
            if let Some(position) = made.position {
                self.marks[position] = Some(Mark::of(&made.record));
            }
        }
        self.position = 0;
        self.advance();
    }

    /// Goes to the next prompt without a verdict: to one that tells the most, where that is known,
    /// else at or after the position, then before it.
    pub(super) fn advance(&mut self) {
        let count = self.prompts.len();
        let start = self.position.min(count);
        let open = |at: &usize| self.marks[*at].is_none();
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
