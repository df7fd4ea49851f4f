//! What is said of a judge: how often it decides, whether it follows the place or the length of an answer,
//! and whether people decide the same.

use serde::Serialize;

use super::figure::{WithInterval, with_interval};
use crate::evaluate::results::answered::Answered;

/// What a verdict is called where the two orders disagree.
const TIE: usize = 2;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JudgeScores {
    pub items: usize,

    /// Verdicts that are no tie.
    pub decided: usize,

    /// The mean probability of the answer that was shown first; without an effect of the place 0.5.
    pub first_place: WithInterval,

    /// Of the verdicts for one of two answers of different length, the share for the longer one.
    pub longer: WithInterval,

    /// The same of people's verdicts about the same rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longer_by_people: Option<WithInterval>,

    /// Of the rows about which both decide, the share in which they decide the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<WithInterval>,

    /// How many these are.
    pub both_decided: usize,
}

impl JudgeScores {
    pub fn of(rows: &[&Answered]) -> Self {
        let verdict = |index: Option<usize>| index.filter(|index| *index < TIE);
        let decided: Vec<(usize, &Answered)> =
            rows.iter().filter_map(|row| Some((verdict(row.index)?, *row))).collect();
        let both: Vec<(usize, usize, &Answered)> = decided
            .iter()
            .filter_map(|(model, row)| {
                Some((*model, verdict(row.human.first().copied().flatten())?, *row))
            })
            .collect();
        let places: Vec<f64> =
            rows.iter().filter_map(|row| row.by_place.first().copied()).collect();
        let has_people = rows.iter().any(|row| row.human.iter().any(Option::is_some));
        let same = both.iter().filter(|(model, person, _)| model == person).count();
        Self {
            items: rows.len(),
            decided: decided.len(),
            first_place: WithInterval::mean(&places),
            longer: longer(decided.iter().copied()),
            longer_by_people: has_people
                .then(|| longer(both.iter().map(|(_, person, row)| (*person, *row)))),
            agreement: has_people.then(|| WithInterval::share(same, both.len())),
            both_decided: both.len(),
        }
    }

    /// For a report, and for a methods section.
    pub fn sentence(&self) -> String {
        let ties = self.items - self.decided;
        let mut said = format!(
            "In {ties} of {} rows the two orders led to different verdicts, which counts as a tie; the answer that \
             was shown first got a mean probability of {}. Of the verdicts for one of two answers of different \
             length, the share for the longer one is {}",
            self.items,
            with_interval(&self.first_place),
            with_interval(&self.longer)
        );
        if let Some(longer) = &self.longer_by_people {
            said.push_str(&format!(
                " (of people's verdicts about the same rows {})",
                with_interval(longer)
            ));
        }
        said.push('.');
        if let Some(agreement) = &self.agreement {
            said.push_str(&format!(
                " Of the {} rows about which both decide, model and people prefer the same answer in a share of {}.",
                self.both_decided,
                with_interval(agreement)
            ));
        }
        said
    }
}

/// Of verdicts about answers of different length, the share for the longer one.
fn longer<'a>(verdicts: impl Iterator<Item = (usize, &'a Answered)>) -> WithInterval {
    let (mut longer, mut all) = (0, 0);
    for (verdict, row) in verdicts {
        if let [first, second] = row.lengths[..]
            && first != second
        {
            all += 1;
            longer += usize::from((verdict == 0) == (first > second));
        }
    }
    WithInterval::share(longer, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(index: usize, human: usize, lengths: [usize; 2], first: f64) -> Answered {
        Answered {
            index: Some(index),
            human: vec![Some(human)],
            lengths: lengths.to_vec(),
            by_place: vec![first, 1.0 - first],
            row: 1,
            ..Answered::default()
        }
    }

    #[test]
    fn ties_are_no_mistakes_and_the_pull_of_length_is_counted() {
        let rows = [
            row(0, 0, [10, 5], 0.5),
            row(1, 0, [5, 9], 0.6),
            row(TIE, 1, [5, 9], 0.9),
            row(0, TIE, [3, 3], 0.5),
            row(1, 1, [8, 2], 0.5),
        ];
        let found = JudgeScores::of(&rows.iter().collect::<Vec<_>>());
        let value = |found: &WithInterval| found.value.value.unwrap();
        assert_eq!((found.items, found.decided, found.both_decided), (5, 4, 3));
        assert!((value(&found.first_place) - 0.6).abs() < 1e-12);
        assert!(
            (value(&found.longer) - 2.0 / 3.0).abs() < 1e-12,
            "the one of equal length is no case"
        );
        assert!((value(found.longer_by_people.as_ref().unwrap()) - 1.0 / 3.0).abs() < 1e-12);
        assert!((value(found.agreement.as_ref().unwrap()) - 2.0 / 3.0).abs() < 1e-12);
        assert!(found.sentence().starts_with("In 1 of 5 rows"), "{}", found.sentence());
    }
}
