//! What stands on top of an encoder's body: the guess at masked words, and the choice of a label.

use std::ops::Range;

use tuning_fork_kernels::QMatrix;

use super::description::{DenseNames, MaskedNames, Reads, SequenceNames};
use super::network::Network;
use super::stack::activate;
use super::store::{NormKind, Store};
use crate::llm;
use crate::llm::config::Activation;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::linear::{Linear, Norm};
use crate::llm::net::rows;

/// A dense layer with what follows it.
struct Dense {
    linear: Linear,
    activation: Activation,
    norm: Option<Norm>,
}

impl Dense {
    fn run(&self, x: &[f32]) -> candle_core::Result<Buffer> {
        let count = x.len() / self.linear.weight.cols();
        let mut out = self.linear.run(x, count, None)?;
        activate(self.activation, &mut out);
        Ok(match &self.norm {
            Some(norm) => norm.run(&out),
            None => out,
        })
    }
}

/// From hidden states to a score for each word of the vocabulary.
pub(crate) struct MaskedHead {
    dense: Dense,
    decoder: QMatrix,
    bias: Option<Vec<f32>>,
}

impl MaskedHead {
    /// `None`: the files have no such head.
    pub fn load(
        names: &[MaskedNames],
        network: &Network,
        store: &Store,
        is_tied: bool,
    ) -> Result<Option<Self>, llm::Error> {
        let is_there = |names: &&MaskedNames| {
            store.has(&format!("{}.weight", names.dense))
                && store.has_norm(names.norm)
                && (is_tied || names.is_always_tied || store.has(names.decoder))
        };
        let Some(names) = names.iter().find(is_there) else { return Ok(None) };
        let it = &network.description;
        let linear =
            store.linear(names.dense, [it.embedding_width, it.width], names.has_dense_bias)?;
        let norm_kind = match it.norm {
            NormKind::Rms => NormKind::Layer { has_bias: true },
            layer @ NormKind::Layer { .. } => layer,
        };
        let norm = store.norm(names.norm, it.embedding_width, names.eps, norm_kind)?;
        let decoder = if store.has(names.decoder) {
            store.matrix(names.decoder, it.vocabulary, it.embedding_width)?
        } else {
            network.words().clone()
        };
        let bias = names.biases.iter().find(|name| store.has(name));
        let bias = bias.map(|name| store.values(name, it.vocabulary)).transpose()?;
        let activation = names.activation;
        Ok(Some(Self { dense: Dense { linear, activation, norm: Some(norm) }, decoder, bias }))
    }

    /// Hidden rows to scores, (rows, vocabulary).
    pub fn run(&self, hidden: &[f32]) -> candle_core::Result<Vec<f32>> {
        let dense = self.dense.run(hidden)?;
        let count = dense.len() / self.decoder.cols();
        let mut scores = vec![0.0; count * self.decoder.rows()];
        self.decoder.matmul(&dense, count, &mut scores);
        if let Some(bias) = &self.bias {
            for row in scores.chunks_exact_mut(bias.len()) {
                rows::add_scaled(row, 1.0, bias);
            }
        }
        Ok(scores)
    }
}

/// From the hidden states of a text to a score for each label.
pub(crate) struct SequenceHead {
    reads: Reads,
    dense: Option<Dense>,
    out: Linear,
}

impl SequenceHead {
    /// `None`: the files have no such head.
    pub fn load(
        names: SequenceNames,
        network: &Network,
        store: &Store,
    ) -> Result<Option<Self>, llm::Error> {
        let Some(labels) = store.row_count(&format!("{}.weight", names.out)) else {
            return Ok(None);
        };
        let it = &network.description;
        let whole = |dense: DenseNames| {
            if dense.is_of_body { store.body(dense.name) } else { dense.name.to_owned() }
        };
        if let Some(dense) = names.dense
            && !store.has(&format!("{}.weight", whole(dense)))
        {
            return Ok(None);
        }
        let dense = names.dense.map(|names| {
            let linear = store.linear(&whole(names), [it.width; 2], names.has_bias)?;
            let norm = names.norm.map(|norm| store.norm(norm, it.width, it.eps, it.norm));
            let norm = norm.transpose()?;
            Ok::<_, llm::Error>(Dense { linear, activation: names.activation, norm })
        });
        let dense = dense.transpose()?;
        let out = store.linear(names.out, [labels, it.width], names.has_out_bias)?;
        Ok(Some(Self { reads: names.reads, dense, out }))
    }

    pub fn label_count(&self) -> usize {
        self.out.weight.rows()
    }

    /// The scores of each text, (texts, labels).
    pub fn run(
        &self,
        hidden: &[f32],
        spans: &[Range<usize>],
        visible: &[Option<&[bool]>],
    ) -> candle_core::Result<Vec<f32>> {
        let width = self.out.weight.cols();
        let mut read = Vec::with_capacity(spans.len() * width);
        for (span, visible) in spans.iter().zip(visible) {
            let states = &hidden[span.start * width..span.end * width];
            match self.reads {
                Reads::First => read.extend_from_slice(&states[..width]),
                Reads::Mean => read.extend(mean(states, width, *visible)),
            }
        }
        let dense = match &self.dense {
            Some(dense) => dense.run(&read)?.to_vec(),
            None => read,
        };
        Ok(self.out.run(&dense, spans.len(), None)?.to_vec())
    }
}

/// The mean of the rows that may be seen.
fn mean(states: &[f32], width: usize, visible: Option<&[bool]>) -> Vec<f32> {
    let mut sums = vec![0.0_f64; width];
    let mut count = 0;
    for (at, row) in states.chunks_exact(width).enumerate() {
        if visible.is_none_or(|visible| visible[at]) {
            count += 1;
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
    }
    sums.into_iter().map(|sum| (sum / f64::from(count.max(1))) as f32).collect()
}
