//! Per-layer embeddings (Gemma 3n and 4): each token has a short vector for each layer, which the layer adds
//! through a gate.

use candle_core::Result;
use tuning_fork_kernels::QMatrix;

use super::buffers::Buffer;
use super::linear::{Linear, Norm};
use super::rows;
use super::rows::Stripes;
use crate::llm::adapter::lora::Adapter;
use crate::llm::config::Activation;

/// What the vectors of all layers come from.
#[derive(Clone)]
pub(crate) struct PerLayerTables {
    /// (vocabulary, layers · length); tokens beyond it have the first one's vectors.
    pub table: QMatrix,

    /// (layers · length, width)
    pub projection: QMatrix,

    /// Of one layer's vector.
    pub norm: Norm,
    pub layers: usize,
}

/// How a layer adds its vectors.
#[derive(Clone)]
pub(crate) struct PerLayer {
    pub gate: Linear,
    pub projection: Linear,
    pub norm: Norm,
    pub activation: Activation,
}

/// The vectors of some tokens: (tokens, layers · length).
pub(crate) struct PerLayerInputs {
    values: Buffer,
    layers: usize,
    tokens: usize,
}

impl PerLayerTables {
    /// `embedded`: (tokens, width), scaled.
    pub fn inputs(&self, ids: &[u32], embedded: &[f32]) -> PerLayerInputs {
        let (total, width) = (self.projection.rows(), self.projection.cols());
        let mut projected = Buffer::any(ids.len() * total);
        self.projection.matmul(embedded, ids.len(), &mut projected);
        rows::scale(&mut projected, Some((width as f32).powf(-0.5)));
        let mut values = self.norm.run(&projected);
        let length = (total / self.layers) as f32;
        let mut own = vec![0.0; total];
        for (id, row) in ids.iter().zip(values.chunks_exact_mut(total)) {
            let place = Some(*id as usize).filter(|place| *place < self.table.rows());
            self.table.dequantize_row(place.unwrap_or(0), &mut own);
            rows::add_scaled(row, length.sqrt(), &own);
        }
        rows::scale(&mut values, Some(std::f32::consts::FRAC_1_SQRT_2));
        PerLayerInputs { values, layers: self.layers, tokens: ids.len() }
    }
}

impl PerLayerInputs {
    /// As many zeros, for what is put there.
    pub fn nothing(&self) -> Self {
        Self { values: Buffer::zeroed(self.values.len()), layers: self.layers, tokens: self.tokens }
    }

    /// Puts those of one layer there, (tokens, length).
    pub fn put(&mut self, layer: usize, own: &[f32]) {
        let length = own.len() / self.tokens;
        Stripes::one(length * self.layers, layer * length, length).put(own, &mut self.values);
    }

    pub fn floats(&self) -> usize {
        self.values.len()
    }

    pub fn into_values(self) -> Buffer {
        self.values
    }

    /// Those of one layer, (tokens, length).
    pub fn of(&self, layer: usize, tokens: usize) -> Buffer {
        let step = self.values.len() / tokens;
        let length = step / self.layers;
        Stripes::one(step, layer * length, length).take(&self.values)
    }
}

impl PerLayer {
    /// What is added to `hidden`, (tokens, width); `inputs`: (tokens, length).
    pub fn run(&self, hidden: &[f32], inputs: &[f32], adapter: Option<&Adapter>) -> Result<Buffer> {
        let tokens = inputs.len() / self.gate.weight.rows();
        let mut gate = self.gate.run(hidden, tokens, adapter)?;
        rows::gated(self.activation, &mut gate, inputs);
        Ok(self.norm.run(&self.projection.run(&gate, tokens, adapter)?))
    }
}
