//! Attention: what each position of a layer looks at, head by head.

use std::ops::ControlFlow;

use rayon::prelude::*;
use serde::Serialize;

use super::error::Error;
use super::subject::{Looked, Subject, check_memory};
use crate::jobs::Progress;
use crate::llm::config::Config;

/// What a layer attends to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttentionView {
    /// Counted from 0.
    pub layer: usize,
    pub heads: usize,

    /// How many tokens the text has.
    pub time: usize,

    /// (heads, time, time): in row i of a head the share of each position up to i, which sum to 1.
    /// Not written as JSON: `tuning-fork explore attention --out` writes it as safetensors.
    #[serde(skip)]
    pub weights: Vec<f32>,

    /// One for each head.
    pub scores: Vec<HeadScores>,
}

/// What a head mostly does, as means over positions: 0 never, 1 always.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HeadScores {
    /// The share that goes to the token before, from the second position on. `None`: there is no
    /// second position.
    pub previous: Option<f64>,

    /// The share that goes to earlier tokens of the same id, at positions that have such. `None`:
    /// no token comes twice.
    pub same: Option<f64>,

    /// The share that goes to the first token (the attention sink), from the second position on.
    pub first: Option<f64>,
}

impl HeadScores {
    /// `weights`: (time, time), of the tokens of `ids`.
    pub fn of(weights: &[f32], ids: &[u32]) -> Self {
        let time = ids.len();
        let (mut previous, mut first, mut same, mut repeated) = (0.0, 0.0, 0.0, 0);
        for at in 1..time {
            let row = &weights[at * time..][..at];
            previous += f64::from(row[at - 1]);
            first += f64::from(row[0]);
            let earlier = row.iter().zip(ids).filter(|(_, id)| **id == ids[at]);
            let (mut count, mut share) = (0, 0.0);
            for (weight, _) in earlier {
                count += 1;
                share += f64::from(*weight);
            }
            if count > 0 {
                repeated += 1;
                same += share;
            }
        }
        let mean = |sum: f64, count: usize| (count > 0).then(|| sum / count as f64);
        let later = time.saturating_sub(1);
        Self {
            previous: mean(previous, later),
            same: mean(same, repeated),
            first: mean(first, later),
        }
    }
}

impl AttentionView {
    /// One head, (time, time).
    pub fn head(&self, head: usize) -> &[f32] {
        let size = self.time * self.time;
        &self.weights[head * size..][..size]
    }

    /// One head without the first position, the rest of each row made to sum to 1: the attention
    /// sink taken out. A row that has nothing else is 0.
    pub fn head_without_first(&self, head: usize) -> Vec<f32> {
        let mut weights = self.head(head).to_vec();
        for row in weights.chunks_exact_mut(self.time) {
            row[0] = 0.0;
            let sum: f32 = row.iter().sum();
            if sum > 0.0 {
                row.iter_mut().for_each(|weight| *weight /= sum);
            }
        }
        weights
    }
}

/// The layers that have attention; the others carry a state from token to token.
pub fn layers_with_attention(subject: Subject<'_>) -> Vec<usize> {
    let layers = subject.model.config().layers.iter().enumerate();
    layers.filter(|(_, layer)| !layer.recurrent).map(|(index, _)| index).collect()
}

/// The attention of one layer; as [`attention_of`].
pub fn attention(
    subject: Subject<'_>,
    ids: &[u32],
    layer: usize,
    progress: &dyn Progress<Looked>,
) -> Result<AttentionView, Error> {
    let mut found = None;
    attention_of::<Error>(subject, ids, &[layer], progress, &mut |view| {
        found = Some(view);
        Ok(())
    })?;
    found.ok_or(Error::NoAttention)
}

/// The attention of layers.
///
/// They are shown one after the other in the order in which they run: only one is in memory. A layer that has none is refused, see [`layers_with_attention`]. Slow:
/// reports layers, and looks for Stop at each.
pub fn attention_of<E: From<Error>>(
    subject: Subject<'_>,
    ids: &[u32],
    layers: &[usize],
    progress: &dyn Progress<Looked>,
    on_layer: &mut dyn FnMut(AttentionView) -> Result<(), E>,
) -> Result<(), E> {
    subject.check(ids)?;
    let Subject { model, adapter } = subject;
    let (heads, time) = (model.config().heads, ids.len());
    check_memory("attention", time, memory_needed(model.config(), time))?;
    let mut failure = None;
    let mut done = 0;
    let mut look = |layer: usize, weights: Vec<f32>| -> Result<(), E> {
        progress.check().map_err(Error::Cancelled)?;
        let rows = weights.par_chunks_exact(time * time);
        let scores = rows.map(|weights| HeadScores::of(weights, ids)).collect();
        on_layer(AttentionView { layer, heads, time, weights, scores })?;
        done += 1;
        progress.emit(Looked { done, total: layers.len() });
        Ok(())
    };
    let ran = model.attention_of_layers(ids, adapter, layers, &mut |layer, weights| match look(
        layer, weights,
    ) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    });
    ran.map_err(Error::Model)?;
    failure.map_or(Ok(()), Err)
}

/// What looking at a layer of `time` tokens takes in memory: its weights, and what goes through the
/// layers, here of all positions together.
pub fn memory_needed(config: &Config, time: usize) -> u64 {
    let passing = 8 * config.width + 3 * config.mlp_width;
    (size_of::<f32>() * (config.heads * time * time + passing * time)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_known_by_what_they_look_at() {
        // Ids 5 6 5: position 2 has seen its token at position 0.
        let weights = [1.0, 0.0, 0.0, 0.25, 0.75, 0.0, 0.5, 0.125, 0.375];
        let found = HeadScores::of(&weights, &[5, 6, 5]);
        assert_eq!(found.previous, Some(f64::midpoint(0.25, 0.125)));
        assert_eq!(found.same, Some(0.5));
        assert_eq!(found.first, Some(f64::midpoint(0.25, 0.5)));
        let alone = HeadScores::of(&[1.0], &[5]);
        assert_eq!((alone.previous, alone.same, alone.first), (None, None, None));
    }

    #[test]
    fn without_the_sink_rows_sum_to_one() {
        let weights = vec![1.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.5, 0.125, 0.375];
        let view = AttentionView { layer: 0, heads: 1, time: 3, weights, scores: Vec::new() };
        assert_eq!(view.head_without_first(0), [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.25, 0.75]);
    }
}
