//! A small part of a model, to be timed: what the whole would take is counted from that.

use std::sync::Arc;

use tuning_fork_kernels::{Bytes, QMatrix};

use crate::llm::config::Config;
use crate::llm::error::Error;
use crate::llm::files::quantize::quantize;
use crate::llm::files::weights::Weights;
use crate::llm::model::Model;
use crate::llm::net::transformer::Transformer;

impl Model {
    /// This model's first layers under the first tokens of its vocabulary, with the weights kept
    /// as `weights` says. It computes nonsense, in the time that the same layers take of a whole
    /// model. Weights are shared where they stay as they are.
    pub fn part(&self, layers: usize, tokens: usize, weights: Weights) -> Result<Self, Error> {
        let layers = layers.min(self.config.layer_count());
        let tokens = tokens.min(self.config.vocab_size);
        let kinds = self.config.layers[..layers].to_vec();
        let config = Config { layers: kinds, vocab_size: tokens, ..self.config.clone() };
        let whole = self.transformer()?;
        let kept = |matrix: &QMatrix| kept_as(weights, matrix);
        let mut few = Vec::with_capacity(layers);
        for layer in &whole.layers[..layers] {
            let mut layer = layer.as_ref().clone();
            for linear in layer.linears_mut() {
                linear.weight = kept(&linear.weight);
            }
            few.push(Arc::new(layer));
        }
        let transformer = Transformer {
            embedding: kept(&whole.embedding.first_rows(tokens)),
            positions: whole.positions.clone(),
            embedding_norm: whole.embedding_norm.clone(),
            projections: whole.projections.clone(),
            per_layer: whole.per_layer.clone(),
            streams: whole.streams.clone(),
            layers: few,
            final_norm: whole.final_norm.clone(),
            head: kept(&whole.head.first_rows(tokens)),
            head_bias: whole.head_bias.as_ref().map(|bias| bias[..tokens].to_vec()),
        };
        Ok(Self {
            card: self.card.clone(),
            config,
            decoder: Box::new(transformer),
            chat: None,
            stop_ids: Vec::new(),
            start_id: None,
            asked: Vec::new(),
            unused: Vec::new(),
            kept: weights,
            lacks_head: self.lacks_head,
            padding_id: self.padding_id,
            answer_cache: self.answer_cache,
            watched: self.watched.clone(),
        })
    }
}

fn kept_as(weights: Weights, matrix: &QMatrix) -> QMatrix {
    let (rows, cols) = (matrix.rows(), matrix.cols());
    let kind = weights.kind(matrix.kind(), cols);
    if kind == matrix.kind() {
        return matrix.clone();
    }
    let kept = QMatrix::new(kind, rows, cols, Bytes::from(quantize(matrix, kind)));
    kept.expect("quantised rows have the length of their type")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Quiet;
    use crate::llm::card::ModelSource;
    use crate::llm::model::{LoadOptions, Positions};

    #[test]
    fn a_part_runs_the_first_layers_as_the_whole_does() {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample_data/tiny_model");
        let source = ModelSource::at(&folder);
        let load = |weights| {
            Model::load(&source, &LoadOptions { weights, ..LoadOptions::default() }, &Quiet)
                .unwrap()
        };
        let model = load(Weights::AsStored);
        let whole = load(Weights::F32);
        let scores = |model: &Model| {
            let mut cache = model.new_cache();
            let logits = model.logits(&[5, 6, 7], &mut cache, None, Positions::Last).unwrap();
            logits.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let layers = model.config().layer_count();
        let part = model.part(layers, 40, Weights::F32).unwrap();
        let found = scores(&part);
        assert_eq!((found.len(), part.linear_layers()), (40, whole.linear_layers()));
        for (found, expected) in found.iter().zip(scores(&whole)) {
            assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
        }
        let first = model.part(1, 40, Weights::AsStored).unwrap();
        assert_eq!(first.linear_layers().len() * layers, whole.linear_layers().len());
    }
}
