//! A pass that is timed: a prompt that is read, an answer that is written.

use std::time::Instant;

use anyhow::Context as _;

use crate::llm::{Adapter, Model, Positions};

/// Seconds for a prompt of `length` tokens. Which tokens they are makes no difference.
pub(super) fn read_prompt(
    model: &Model,
    adapter: Option<&Adapter>,
    length: usize,
) -> anyhow::Result<f64> {
    let mut cache = model.new_answer_cache();
    let started = Instant::now();
    model.logits(&prompt_ids(model, length), &mut cache, adapter, Positions::Last)?;
    Ok(started.elapsed().as_secs_f64())
}

/// Tokens a second, greedily, after a prompt of `after` tokens.
pub(super) fn write_answer(
    model: &Model,
    adapter: Option<&Adapter>,
    after: usize,
    count: usize,
) -> anyhow::Result<f64> {
    let context = model.config().context_length;
    anyhow::ensure!(
        after > 0 && after + count <= context,
        "{after} tokens to read and {count} to write do not fit the model's context of {context}: \
         --after and --tokens"
    );
    let mut cache = model.new_answer_cache();
    let mut logits =
        model.logits(&prompt_ids(model, after), &mut cache, adapter, Positions::Last)?;
    let started = Instant::now();
    for _ in 0..count {
        let scores = logits.flatten_all()?.to_vec1::<f32>()?;
        let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let id = scores.iter().position(|score| *score == best);
        let id = id.context("the model gave no scores")? as u32;
        logits = model.logits(&[id], &mut cache, adapter, Positions::Last)?;
    }
    Ok(count as f64 / started.elapsed().as_secs_f64())
}

fn prompt_ids(model: &Model, length: usize) -> Vec<u32> {
    let vocab_size = model.config().vocab_size as u32;
    (0..length as u32).map(|at| (at * 37 + 11) % vocab_size).collect()
}
