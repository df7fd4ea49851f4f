//! The answers to the fixed prompt of a run, to be leafed through.

use crate::train::record::samples::Sample;

/// Answers in the order of their steps, and the one in front. While the latest is in front, a new
/// one takes its place there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampleBook {
    samples: Vec<Sample>,
    place: usize,
}

impl SampleBook {
    pub fn of(samples: Vec<Sample>) -> Self {
        let place = samples.len().saturating_sub(1);
        Self { samples, place }
    }

    pub fn push(&mut self, sample: Sample) {
        let follows = self.place + 1 >= self.samples.len();
        // A resumed run answers again what came after its checkpoint.
        self.samples.retain(|known| known.step < sample.step);
        self.samples.push(sample);
        let last = self.samples.len() - 1;
        self.place = if follows { last } else { self.place.min(last) };
    }

    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// The one in front.
    pub fn shown(&self) -> Option<&Sample> {
        self.samples.get(self.place)
    }

    /// The place of the one in front, from 0.
    pub fn place_mut(&mut self) -> &mut usize {
        &mut self.place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(step: usize) -> Sample {
        Sample { step, prompt: String::new(), answer: format!("after {step}") }
    }

    #[test]
    fn the_latest_stays_in_front_until_somebody_goes_back() {
        let mut book = SampleBook::default();
        for step in [0, 10, 20] {
            book.push(sample(step));
        }
        assert_eq!(book.shown(), Some(&sample(20)));
        *book.place_mut() = 1;
        book.push(sample(30));
        assert_eq!((book.shown(), book.len()), (Some(&sample(10)), 4));
        book.push(sample(20)); // resumed from step 10
        assert_eq!((book.shown(), book.len()), (Some(&sample(10)), 3));
        assert_eq!(SampleBook::of(vec![sample(0), sample(5)]).shown(), Some(&sample(5)));
    }
}
