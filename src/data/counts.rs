//! How many verdicts of each kind.

use crate::data::pair::Verdict;
use crate::data::record::VerdictRecord;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerdictCounts {
    pub left: usize,
    pub right: usize,
    pub tie: usize,
    pub both_bad: usize,
    pub skipped: usize,

    /// Of those without a better answer: how many have one that the person wrote.
    pub written: usize,
}

impl VerdictCounts {
    pub fn of<'a>(records: impl IntoIterator<Item = &'a VerdictRecord>) -> Self {
        let mut counts = Self::default();
        for record in records {
            counts.put_in(record.verdict, record.remarks.written.is_some());
        }
        counts
    }

    /// `is_written`: with an answer of the person's own.
    pub fn put_in(&mut self, verdict: Verdict, is_written: bool) {
        *self.of_verdict(verdict) += 1;
        self.written += usize::from(is_written && !verdict.is_preference());
    }

    /// One that was put in before.
    pub fn take_out(&mut self, verdict: Verdict, is_written: bool) {
        let count = self.of_verdict(verdict);
        *count = count.saturating_sub(1);
        let written = usize::from(is_written && !verdict.is_preference());
        self.written = self.written.saturating_sub(written);
    }

    fn of_verdict(&mut self, verdict: Verdict) -> &mut usize {
        match verdict {
            Verdict::Left => &mut self.left,
            Verdict::Right => &mut self.right,
            Verdict::Tie => &mut self.tie,
            Verdict::BothBad => &mut self.both_bad,
            Verdict::Skip => &mut self.skipped,
        }
    }

    /// Verdicts that say which answer is better: the pairs to train on.
    pub fn pairs(&self) -> usize {
        self.decided() + self.written
    }

    /// Verdicts for one of the two answers that were shown.
    fn decided(&self) -> usize {
        self.left + self.right
    }

    pub fn all(&self) -> usize {
        self.decided() + self.tie + self.both_bad + self.skipped
    }

    /// How often the left answer was the better one, 0 to 1; far from a half says that the side
    /// decided. `None` without pairs.
    pub fn left_share(&self) -> Option<f64> {
        (self.decided() > 0).then(|| self.left as f64 / self.decided() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::record;

    #[test]
    fn the_left_share_counts_decided_verdicts_only() {
        let records = [
            record("1", "a", Verdict::Left),
            record("2", "b", Verdict::Left),
            record("3", "c", Verdict::Right),
            record("4", "d", Verdict::Tie),
        ];
        let counts = VerdictCounts::of(&records);
        assert_eq!(counts.left_share(), Some(2.0 / 3.0));
        assert_eq!((counts.pairs(), counts.all()), (3, 4));
        assert_eq!(VerdictCounts::default().left_share(), None);
    }
}
