//! What was said of each prompt of the queue, and of how many something was said: a frame has no time to
//! count a hundred thousand.

use super::item::Mark;

#[derive(Clone, Debug, Default)]
pub struct Marks {
    all: Vec<Option<Mark>>,
    said: usize,
}

impl Marks {
    /// Of a queue of so many prompts.
    pub fn of(count: usize, marks: impl Iterator<Item = (usize, Mark)>) -> Self {
        let mut all = Self { all: vec![None; count], said: 0 };
        marks.for_each(|(position, mark)| all.set(position, Some(mark)));
        all
    }

    /// Prompts of which something was said.
    pub fn said(&self) -> usize {
        self.said
    }

    pub fn at(&self, position: usize) -> Option<Mark> {
        *self.all.get(position)?
    }

    pub fn set(&mut self, position: usize, mark: Option<Mark>) {
        let Some(known) = self.all.get_mut(position) else { return };
        self.said = self.said + usize::from(mark.is_some()) - usize::from(known.is_some());
        *known = mark;
    }

    /// Whether nothing was said of any of these.
    pub fn are_open(&self, positions: std::ops::Range<usize>) -> bool {
        self.all[positions].iter().all(Option::is_none)
    }
}
