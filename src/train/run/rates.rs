//! The learning-rate finder's numbers (Smith 2017): a rate that grows from step to step, the loss smoothed, and
//! the rates that two named rules suggest.
//!
//! The formulas are those of `PyTorch` Lightning's `lr_find` and fastai's.

use serde::{Deserialize, Serialize};

use crate::words;

/// How a learning rate is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateSearch {
    /// Of the first step.
    pub min: f64,

    /// Of the last step.
    pub max: f64,
    pub steps: usize,
}

impl Default for RateSearch {
    fn default() -> Self {
        Self { min: 1e-7, max: 1.0, steps: 100 }
    }
}

/// By how much of the smoothed loss each step counts: 1 - 0.98, as in Lightning and fastai.
const KEPT: f64 = 0.98;

/// The search ends where the smoothed loss is so many times its lowest: Lightning's `early_stop_threshold`.
const EXPLODED: f64 = 4.0;

/// Steps that the rules leave out at both ends, as Lightning does: the average is still finding its height.
const SKIPPED_FIRST: usize = 10;
const SKIPPED_LAST: usize = 1;

/// The fewest steps that say anything after those.
const FEWEST: usize = SKIPPED_FIRST + SKIPPED_LAST + 5;

impl RateSearch {
    /// Why it cannot be done, in a sentence. `None`: it can.
    pub fn problem(&self) -> Option<String> {
        let Self { min, max, steps } = *self;
        if !(min > 0.0 && min < max && max <= 100.0) {
            return Some(format!(
                "the rates must grow from above 0 to at most 100, and these are {} to {}",
                words::number(min),
                words::number(max)
            ));
        }
        let most = 10_000;
        if !(FEWEST..=most).contains(&steps) {
            return Some(format!(
                "the steps must be between {FEWEST} and {most}, and there are {steps}"
            ));
        }
        None
    }

    /// The rate of a step, from 0 on: each is the same factor times the one before.
    pub fn rate(&self, step: usize) -> f64 {
        let Self { min, max, steps } = *self;
        let share = step as f64 / steps.saturating_sub(1).max(1) as f64;
        min * (max / min).powf(share)
    }
}

/// A step of the search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatePoint {
    pub learning_rate: f64,
    pub loss: f64,

    /// The mean of the losses so far, the older the less.
    pub smoothed: f64,
}

/// What was found, step by step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RateTrace {
    pub points: Vec<RatePoint>,
    average: f64,

    /// Why it ended before its last step.
    pub ended: Option<RateEnd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateEnd {
    /// The loss was four times its lowest.
    Exploded,

    /// The loss was no number.
    NotFinite,

    /// Somebody stopped it.
    Stopped,
}

/// A rate that a rule names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    pub learning_rate: f64,

    /// Which point of the trace it was read from.
    pub point: usize,
}

/// By what a rate is suggested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Steepest,
    TenthOfMinimum,
}

impl Rule {
    /// As plots and tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steepest => "steepest descent",
            Self::TenthOfMinimum => "minimum / 10",
        }
    }
}

impl RateTrace {
    /// Takes in a step. False: the search is over.
    pub fn add(&mut self, learning_rate: f64, loss: f64) -> bool {
        if !loss.is_finite() {
            self.ended = Some(RateEnd::NotFinite);
            return false;
        }
        self.average = KEPT * self.average + (1.0 - KEPT) * loss;
        let count = self.points.len() + 1;
        let smoothed = self.average / (1.0 - KEPT.powf(count as f64));
        self.points.push(RatePoint { learning_rate, loss, smoothed });
        let lowest = self.points.iter().map(|point| point.smoothed).fold(f64::INFINITY, f64::min);
        if count > 1 && smoothed > EXPLODED * lowest {
            self.ended = Some(RateEnd::Exploded);
            return false;
        }
        true
    }

    /// Where the smoothed loss falls the fastest over the logarithm of the rate: Lightning's suggestion.
    /// `None`: it never falls, or there are too few steps.
    pub fn steepest(&self) -> Option<Suggestion> {
        let range = self.inner()?;
        let losses: Vec<f64> = range.clone().map(|at| self.points[at].smoothed).collect();
        let slopes = gradient(&losses);
        let (place, slope) = lowest(&slopes)?;
        let point = range.start + place;
        (slope < 0.0).then(|| Suggestion { learning_rate: self.points[point].learning_rate, point })
    }

    /// A tenth of the rate at the lowest smoothed loss: fastai's `minimum`. `None`: the loss never falls.
    pub fn tenth_of_minimum(&self) -> Option<Suggestion> {
        let losses: Vec<f64> = self.points.iter().map(|point| point.smoothed).collect();
        let (point, _) = lowest(&losses)?;
        (point > 0 && self.inner().is_some())
            .then(|| Suggestion { learning_rate: self.points[point].learning_rate / 10.0, point })
    }

    /// The rates that the rules suggest.
    pub fn suggestions(&self) -> Vec<(Rule, f64)> {
        let found =
            [(Rule::Steepest, self.steepest()), (Rule::TenthOfMinimum, self.tenth_of_minimum())];
        let found = found.into_iter();
        found.filter_map(|(rule, found)| Some((rule, found?.learning_rate))).collect()
    }

    /// The points of a plot, over the logarithm to the base 10 of the rate. What explodes is left out: it would
    /// make a line of everything before it.
    pub fn drawn(&self, value: fn(&RatePoint) -> f64) -> Vec<(f64, f64)> {
        let first = self.points.first().map_or(1.0, |point| point.smoothed);
        let most = first.abs() * 2.0 + 1.0;
        let points = self.points.iter().map(|point| (point.learning_rate.log10(), value(point)));
        points.filter(|point| point.1 <= most).collect()
    }

    /// A row for each step.
    pub fn csv(&self) -> String {
        let mut text = "step,learning_rate,loss,smoothed_loss\n".to_owned();
        for (place, RatePoint { learning_rate, loss, smoothed }) in self.points.iter().enumerate() {
            text.push_str(&format!("{},{learning_rate},{loss},{smoothed}\n", place + 1));
        }
        text
    }

    /// What the search says, in a sentence.
    pub fn sentence(&self) -> String {
        let last = self.points.last().map_or(0.0, |point| point.learning_rate);
        let last = words::about(last);
        let end = match self.ended {
            Some(RateEnd::Exploded) => format!(
                "The search ended at {last}, where the loss had become four times its lowest"
            ),
            Some(RateEnd::NotFinite) => {
                format!("The search ended after {last}, where the loss was no longer a number")
            }
            Some(RateEnd::Stopped) => format!("The search was stopped at {last}"),
            None => format!("The search went up to {last}"),
        };
        let fewest = FEWEST;
        match (self.steepest(), self.inner()) {
            (Some(found), _) => {
                let rate = words::about(found.learning_rate);
                format!("{end}. The loss falls the fastest at {rate}")
            }
            (None, Some(_)) => format!(
                "{end}. The loss never falls, so no rate is suggested: take more steps, or look at the data"
            ),
            (None, None) => format!(
                "{end}. Fewer than {fewest} steps say too little to suggest a rate: begin at a lower one"
            ),
        }
    }

    /// The points that the rules look at.
    fn inner(&self) -> Option<std::ops::Range<usize>> {
        let count = self.points.len();
        (count >= FEWEST).then(|| SKIPPED_FIRST..count - SKIPPED_LAST)
    }
}

/// numpy's `gradient` for points at equal distances.
fn gradient(values: &[f64]) -> Vec<f64> {
    let last = values.len() - 1;
    let slope = |at: usize| match at {
        0 => values[1] - values[0],
        at if at == last => values[last] - values[last - 1],
        at => (values[at + 1] - values[at - 1]) / 2.0,
    };
    (0..values.len()).map(slope).collect()
}

/// The lowest value and its place, the first of several.
fn lowest(values: &[f64]) -> Option<(usize, f64)> {
    let values = values.iter().copied().enumerate();
    values.reduce(|best, one| if one.1 < best.1 { one } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loss that falls, is lowest at 0.1, and then rises.
    const LOSSES: [f64; 40] = [
        1.9993, 1.999, 1.9986, 1.9979, 1.9969, 1.9955, 1.9934, 1.9903, 1.9858, 1.9792, 1.9697,
        1.956, 1.9365, 1.909, 1.8709, 1.8194, 1.7522, 1.6681, 1.5684, 1.4575, 1.3425, 1.2316,
        1.1319, 1.0478, 0.9806, 0.9291, 0.891, 0.8635, 0.844, 0.8303, 0.8208, 0.8142, 0.8097,
        0.8244, 0.9643, 1.2469, 1.6719, 2.2393, 2.9489, 3.8007,
    ];

    fn trace(losses: &[f64]) -> RateTrace {
        let search = RateSearch { min: 1e-6, max: 1.0, steps: 40 };
        let mut trace = RateTrace::default();
        for (step, loss) in losses.iter().enumerate() {
            if !trace.add(search.rate(step), *loss) {
                break;
            }
        }
        trace
    }

    #[test]
    fn rates_and_suggestions_are_those_of_lightning_and_fastai() {
        // numpy 2: average of 0.98 with its bias taken out, np.gradient over [10:-1], argmin; argmin / 10
        let found = trace(&LOSSES);
        assert_eq!((found.points.len(), found.ended), (40, None));
        assert!((found.points[5].smoothed - 1.9978227258746588).abs() < 1e-12);
        assert!((found.points[39].smoothed - 1.571089081944369).abs() < 1e-12);
        let steepest = found.steepest().unwrap();
        assert_eq!(steepest.point, 23);
        assert!((steepest.learning_rate - 0.0034551072945922198).abs() < 1e-15);
        let minimum = found.tenth_of_minimum().unwrap();
        assert_eq!(minimum.point, 35);
        assert!((minimum.learning_rate - 0.024244620170823294).abs() < 1e-14);
    }

    #[test]
    fn the_search_ends_where_the_loss_explodes_or_is_no_number() {
        let mut losses = LOSSES[..20].to_vec();
        losses.extend([1e3; 20]);
        let exploded = trace(&losses);
        assert_eq!((exploded.points.len(), exploded.ended), (21, Some(RateEnd::Exploded)));
        assert!(exploded.sentence().contains("four times its lowest"), "{}", exploded.sentence());
        losses[20] = f64::NAN;
        let gone = trace(&losses);
        assert_eq!((gone.points.len(), gone.ended), (20, Some(RateEnd::NotFinite)));
        assert!(gone.steepest().is_some());
    }

    #[test]
    fn a_loss_that_never_falls_suggests_nothing() {
        let rising: Vec<f64> = (0..40).map(|step| 1.0 + f64::from(step) * 0.01).collect();
        let found = trace(&rising);
        assert_eq!((found.steepest(), found.tenth_of_minimum()), (None, None));
        assert!(found.sentence().contains("never falls"));
        let few = trace(&LOSSES[..8]);
        assert_eq!(few.steepest(), None);
        assert!(few.sentence().contains("Fewer than 16 steps"), "{}", few.sentence());
    }

    #[test]
    fn a_search_that_cannot_be_done_says_why() {
        assert_eq!(RateSearch::default().problem(), None);
        let search = |min, max, steps| RateSearch { min, max, steps }.problem().unwrap();
        assert!(search(0.0, 1.0, 100).contains("from above 0"));
        assert!(search(1.0, 0.1, 100).contains("must grow"));
        assert!(search(f64::NAN, 0.1, 100).contains("must grow"));
        assert!(search(1e-7, 1.0, 5).contains("between 16 and 10000"));
    }
}
