//! What is said of the two answers in front before the verdict is given.

use std::collections::BTreeMap;

use crate::data::judging::Criterion;
use crate::data::pair::Verdict;
use crate::data::remarks::{From, Rating, Remarks, Strength, Which, Written};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// The side that was called better, while it is asked by how much.
    pub side: Option<Verdict>,
    pub strength: Option<Strength>,
    pub ratings: BTreeMap<String, Rating>,

    /// The criterion whose answer the next key is.
    pub focus: Option<Focus>,
    pub reason: String,
    pub flagged: bool,
    pub written: Option<Written>,

    /// Which of its fields is open.
    pub open: Option<Field>,
}

/// A criterion that waits for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Focus {
    pub criterion: usize,

    /// The points of the left answer, once they are given.
    pub left: Option<u8>,
}

/// What can be typed beside a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Reason,
    Written,
}

impl Draft {
    /// What was said with a verdict.
    pub fn of(remarks: &Remarks) -> Self {
        Self {
            strength: remarks.strength,
            ratings: remarks.criteria.clone(),
            reason: remarks.reason.clone(),
            flagged: remarks.flagged,
            written: remarks.written.clone(),
            ..Self::default()
        }
    }

    /// For the record of a verdict that takes the place of `replaces`.
    pub fn into_remarks(self, verdict: Verdict, replaces: Option<String>) -> Remarks {
        Remarks {
            strength: self.strength.filter(|_| verdict.is_preference()),
            criteria: self.ratings,
            reason: self.reason.trim().to_owned(),
            flagged: self.flagged,
            written: self.written.filter(|written| !written.text.trim().is_empty()),
            replaces,
        }
    }

    /// Has a criterion wait for its answer, or no longer.
    pub fn ask(&mut self, criterion: usize) {
        let waits = self.focus.is_some_and(|focus| focus.criterion == criterion);
        self.focus = (!waits).then_some(Focus { criterion, left: None });
    }

    /// A digit for the criterion in focus. False: it means nothing there.
    ///
    /// Which is better: 1 the left, 2 the right, 3 neither. Points: first of the left answer, then of
    /// the right one.
    pub fn digit(&mut self, digit: u8, criteria: &[Criterion]) -> bool {
        let Some(focus) = self.focus else { return false };
        let Some(criterion) = criteria.get(focus.criterion) else { return false };
        let name = criterion.name.trim().to_owned();
        let rating = match (criterion.points, digit, focus.left) {
            (None, 1, _) => Rating::Which(Which::Left),
            (None, 2, _) => Rating::Which(Which::Right),
            (None, 3, _) => Rating::Which(Which::Equal),
            (Some(most), 1.., None) if digit <= most => {
                self.focus = Some(Focus { left: Some(digit), ..focus });
                return true;
            }
            (Some(most), 1.., Some(left)) if digit <= most => Rating::Points { left, right: digit },
            _ => return false,
        };
        self.ratings.insert(name, rating);
        self.focus = None;
        true
    }

    /// Begins an answer of the person's own with one of the two, or with nothing.
    pub fn write_from(&mut self, from: From, text: &str) {
        self.written = Some(Written { text: text.to_owned(), from });
        self.open = Some(Field::Written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_criterion_takes_the_keys_of_its_own_scale() {
        let criterion = |name: &str, points| Criterion { name: name.to_owned(), points };
        let criteria = [criterion("correct", None), criterion("polite", Some(5))];
        let mut draft = Draft::default();
        assert!(!draft.digit(1, &criteria), "no criterion is asked: it is a verdict");
        draft.ask(0);
        assert!(!draft.digit(4, &criteria));
        assert!(draft.digit(3, &criteria));
        draft.ask(1);
        assert!(draft.digit(4, &criteria) && !draft.digit(6, &criteria));
        assert!(draft.digit(2, &criteria));
        assert_eq!(draft.focus, None);
        let said = draft.into_remarks(Verdict::Tie, None).criteria;
        assert_eq!(said["correct"], Rating::Which(Which::Equal));
        assert_eq!(said["polite"], Rating::Points { left: 4, right: 2 });
    }

    #[test]
    fn only_a_better_answer_is_better_by_something() {
        let draft = Draft { strength: Some(Strength::Much), ..Draft::default() };
        assert_eq!(draft.clone().into_remarks(Verdict::Tie, None).strength, None);
        let remarks = draft.into_remarks(Verdict::Right, Some("4".to_owned()));
        assert_eq!(remarks.strength, Some(Strength::Much));
        assert_eq!(Draft::of(&remarks).strength, Some(Strength::Much));
    }
}
