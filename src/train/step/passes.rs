//! How rows are cut into what is run at once, and a pass that only measures.

use crate::jobs;
use crate::llm::adapter::lora::Adapter;
use crate::llm::model::Model;
use crate::train::config::TrainConfig;
use crate::train::error::Error;
use crate::train::objective::logprobs;
use crate::train::objective::logprobs::{Asked, CompletionStats};
use crate::train::objective::scores;
use crate::train::rows::batch::Example;
use crate::train::rows::sequence::Sequence;

/// Cuts a micro-batch into equal parts whose trees have at most `pass_rows` rows, or are of one
/// example.
pub(crate) fn passes<'a>(
    examples: &[Example],
    batch: &'a [usize],
    pass_rows: usize,
) -> Vec<&'a [usize]> {
    let rows = |part: &[usize]| {
        let sequences = part.iter().flat_map(|index| examples[*index].sequences());
        logprobs::tree(&sequences.collect::<Vec<_>>()).len()
    };
    let mut size = batch.len().max(1);
    while size > 1 && batch.chunks(size).any(|part| rows(part) > pass_rows) {
        // The next larger number of parts.
        size = batch.len().div_ceil(batch.len().div_ceil(size) + 1).min(size - 1);
    }
    batch.chunks(size).collect()
}

/// What is measured at once: more gains nothing, and Stop waits for a pass.
pub(super) const MEASURED_ROWS: usize = 768;
const MEASURED_EXAMPLES: usize = 8;

pub(crate) fn measured_passes<'a>(
    examples: &'a [Example],
    rows: &'a [usize],
) -> impl Iterator<Item = &'a [usize]> {
    rows.chunks(MEASURED_EXAMPLES).flat_map(|rows| passes(examples, rows, MEASURED_ROWS))
}

/// Of each member: the numbers of its sequences.
pub(super) fn measured(
    model: &Model,
    adapter: &Adapter,
    config: &TrainConfig,
    examples: &[Example],
    members: &[usize],
) -> Result<Vec<Vec<CompletionStats>>, Error> {
    let members = members.iter().map(|index| &examples[*index]);
    let asked = Asked::of(config, members.clone());
    let sequences: Vec<&Sequence> = members.clone().flat_map(Example::sequences).collect();
    let run = || scores::measure(model, adapter, config, &sequences, &asked);
    let stats = jobs::in_pool(run)?;
    let outputs = scores::outputs(config, adapter);
    let mut stats = stats.into_iter();
    Ok(members.map(|example| of_row(example, outputs, &mut stats)).collect())
}

/// The numbers of a row's sequences, which come next: so many of each.
pub(super) fn of_row(
    example: &Example,
    outputs: usize,
    stats: &mut impl Iterator<Item = CompletionStats>,
) -> Vec<CompletionStats> {
    stats.take(outputs * example.sequences().count()).collect()
}
