//! Reads what a position has beside its hidden state: vectors for each layer, and further states.

use super::altup::{AltUp, Laurel, Streams};
use super::loader::{Extra, Loader};
use super::per_layer::{PerLayer, PerLayerTables};
use crate::llm::config::AltUpConfig;
use crate::llm::error::Error;

impl Loader<'_> {
    /// The tables of vectors for each layer.
    pub(super) fn per_layer_tables(&self, length: usize) -> Result<PerLayerTables, Error> {
        let (config, layers) = (self.config, self.config.layer_count());
        let total = layers * length;
        let tokens = config.per_layer_tokens.unwrap_or(config.vocab_size);
        Ok(PerLayerTables {
            table: self.table("model.embed_tokens_per_layer", tokens, total)?,
            projection: self.matrix("model.per_layer_model_projection", total, config.width)?,
            norm: self.norm("model.per_layer_projection_norm", length)?,
            layers,
        })
    }

    pub(super) fn per_layer(&self, index: usize, length: usize) -> Result<PerLayer, Error> {
        let (config, plain) = (self.config, Extra { bias: false, heads: None });
        let path = |module: &str| self.path(index, module);
        Ok(PerLayer {
            gate: self.linear(path("per_layer_input_gate"), length, config.width, plain)?,
            projection: self.linear(path("per_layer_projection"), config.width, length, plain)?,
            norm: self.norm(&path("post_per_layer_input_norm"), config.width)?,
            activation: config.activation,
        })
    }

    /// What spreads the embedding over several states, and merges them.
    pub(super) fn streams(&self, altup: AltUpConfig) -> Result<Streams, Error> {
        let width = self.config.width;
        let each = |part: &str| {
            let matrix = |state: usize| self.matrix(&format!("model.{part}.{state}"), width, width);
            (0..altup.states - 1).map(matrix).collect::<Result<Vec<_>, _>>()
        };
        Ok(Streams {
            spread: each("altup_projections")?,
            merge: each("altup_unembed_projections")?,
            active: altup.active,
        })
    }

    pub(super) fn altup(&self, index: usize, altup: AltUpConfig) -> Result<AltUp, Error> {
        let AltUpConfig { states, active, scaled, laurel_rank } = altup;
        let (width, plain) = (self.config.width, Extra { bias: false, heads: None });
        let path = |module: &str| self.path(index, module);
        let linear =
            |module: &str, outputs, inputs| self.linear(path(module), outputs, inputs, plain);
        Ok(AltUp {
            active,
            router_norm: self.norm(&path("altup.router_norm"), width)?,
            router: linear("altup.modality_router", states, width)?,
            prediction: linear("altup.prediction_coefs", states * states, states)?,
            correction: linear("altup.correction_coefs", states, states)?,
            scale: if scaled {
                Some(self.source.vector(&path("altup.correct_output_scale"), width)?)
            } else {
                None
            },
            laurel: Laurel {
                low: linear("laurel.linear_left", laurel_rank, width)?,
                high: linear("laurel.linear_right", width, laurel_rank)?,
                norm: self.norm(&path("laurel.post_laurel_norm"), width)?,
            },
        })
    }
}
