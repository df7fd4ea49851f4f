//! The passes of a run, counted: how its batches are cut, and what the largest takes.

use crate::llm::Keep;
use crate::llm::cost::pass_cost::{PassCost, PassShape};
use crate::train::config::TrainConfig;
use crate::train::config::objective::Head;
use crate::train::objective::logprobs;
use crate::train::objective::logprobs::PassSize;
use crate::train::rows::batch::Example;
use crate::train::rows::plan::Plan;
use crate::train::rows::sequence::Sequence;
use crate::train::step::passes::passes;

/// What decides what a pass takes, of a run's model and settings.
#[derive(Clone, Copy, Debug)]
pub struct PassPlan<'a> {
    pub shape: PassShape<'a>,
    pub config: &'a TrainConfig,
}

/// The most that any pass of a run takes, of each kind by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Largest {
    pub cost: PassCost,

    /// Tokens of one pass that are predicted.
    pub predictions: usize,

    /// Tokens of the longest sequence.
    pub longest: usize,
}

impl PassPlan<'_> {
    /// The passes of a micro-batch: what each takes, forwards and back.
    pub fn of_batch(&self, examples: &[Example], batch: &[usize]) -> Vec<Largest> {
        let size = PassSize::of(self.shape.config);
        let passes = passes(examples, batch, size.rows());
        let passes = passes.into_iter().map(|members| {
            let sequences = Self::sequences(examples, members);
            let keep = size.keep(&logprobs::tree(&sequences));
            self.of_sequences(&sequences, keep)
        });
        passes.collect()
    }

    /// A pass over some examples.
    pub fn of_members(&self, examples: &[Example], members: &[usize], keep: Keep) -> Largest {
        self.of_sequences(&Self::sequences(examples, members), keep)
    }

    fn of_sequences(&self, sequences: &[&Sequence], keep: Keep) -> Largest {
        let tree = logprobs::tree(sequences);
        let predictions = match self.config.objective.facts().head {
            Head::Tokens => sequences.iter().map(|sequence| sequence.target_count()).sum(),
            // A few rows of numbers: nothing beside the vocabulary's.
            Head::Score => 0,
        };
        let tree = match self.config.virtual_tokens() {
            0 => tree, // most runs: no copy
            count => tree.after(&vec![0; count]),
        };
        let cost = self.shape.cost(&tree, predictions, keep);
        let longest = sequences.iter().map(|sequence| sequence.ids.len()).max().unwrap_or(0);
        Largest { cost, predictions, longest }
    }

    fn sequences<'a>(examples: &'a [Example], members: &[usize]) -> Vec<&'a Sequence> {
        members.iter().flat_map(|index| examples[*index].sequences()).collect()
    }

    /// The most that a pass of the run takes. `train` are the examples that are trained on.
    pub fn largest(&self, examples: &[Example], train: &[usize], plan: &Plan) -> Largest {
        let mut largest = Largest::default();
        for step in counted(plan.steps) {
            for batch in plan.batches_of(step, train) {
                for pass in self.of_batch(examples, &batch) {
                    largest = largest.joined(&pass);
                }
            }
        }
        largest
    }
}

impl Largest {
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let (one, two) = (&self.cost, &other.cost);
        Self {
            cost: PassCost {
                rows: one.rows.max(two.rows),
                kept_bytes: one.kept_bytes.max(two.kept_bytes),
                work_bytes: one.work_bytes.max(two.work_bytes),
                forward_macs: one.forward_macs.max(two.forward_macs),
                backward_macs: one.backward_macs.max(two.backward_macs),
                head_macs: one.head_macs.max(two.head_macs),
            },
            predictions: self.predictions.max(other.predictions),
            longest: self.longest.max(other.longest),
        }
    }
}

/// Steps of a run that are counted: all of a short one, and evenly chosen ones of a long one, so
/// that an estimate takes no longer than a blink.
pub(super) fn counted(steps: usize) -> impl Iterator<Item = usize> {
    const MOST: usize = 256;
    steps_of(steps, MOST)
}

fn steps_of(steps: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = steps.min(most);
    (0..count).map(move |index| index * steps / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_is_counted_from_its_beginning_to_its_end() {
        assert_eq!(steps_of(3, 256).collect::<Vec<_>>(), [0, 1, 2]);
        let some: Vec<usize> = steps_of(1000, 4).collect();
        assert_eq!(some, [0, 250, 500, 750]);
        assert_eq!(steps_of(0, 4).count(), 0);
    }
}
