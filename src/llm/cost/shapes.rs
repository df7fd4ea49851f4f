//! What a decoder consists of, from its configuration alone: what it would take is known before
//! any of it is here.

use std::cell::{Cell, RefCell};

use tuning_fork_kernels::{Bytes, GgmlType, QMatrix};

use crate::jobs::Quiet;
use crate::llm::adapter::spec::LinearInfo;
use crate::llm::config::Config;
use crate::llm::error::Error;
use crate::llm::files::weights::{MatrixRequest, TensorSource, Weights};
use crate::llm::net::loader;

/// The matrices of a decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shapes {
    /// Every linear layer but the head, in the order in which they run.
    pub linears: Vec<LinearInfo>,

    /// Embedding, learned positions and head; a tied head is the embedding.
    pub tables: Vec<LinearInfo>,

    /// Routers and experts, and what else no adapter can be on.
    pub others: Vec<LinearInfo>,

    /// Values of norms and biases, which are kept in f32 whatever the matrices are.
    pub vector_values: usize,
}

impl Shapes {
    /// Walks through a load that reads nothing.
    pub fn of(config: &Config) -> Self {
        let asked = Asked::default();
        let loaded = loader::load(config, &asked, Weights::AsStored, &Quiet);
        let transformer = loaded.expect("nothing is read, so nothing is missing");
        let Asked { matrices, vector_values } = asked;
        let linears: Vec<&str> = transformer.linears().map(|linear| linear.name.as_str()).collect();
        let (linears, rest): (Vec<_>, Vec<_>) = matrices
            .into_inner()
            .into_iter()
            .partition(|matrix: &LinearInfo| linears.contains(&matrix.name.as_str()));
        let names = config.naming.names(config.norm_placement);
        let tables = [names.embedding, names.positions, names.head];
        let (tables, others) =
            rest.into_iter().partition(|matrix| tables.contains(&matrix.name.as_str()));
        Self { linears, tables, others, vector_values: vector_values.get() }
    }

    pub fn parameter_count(&self) -> u64 {
        let matrices = self.linears.iter().chain(&self.tables).chain(&self.others);
        matrices.map(|matrix| (matrix.outputs * matrix.inputs) as u64).sum::<u64>()
            + self.vector_values as u64
    }

    /// Bytes of the weights in memory, where the file has its matrices in `stored`. A quantised
    /// file that mixes types takes a little more or less.
    pub fn weight_bytes(&self, keep: Weights, stored: GgmlType) -> u64 {
        let bytes = |matrix: &LinearInfo, keep: Weights| {
            let kind = keep.kind(stored, matrix.inputs);
            (matrix.outputs * matrix.inputs / kind.block_len() * kind.block_bytes()) as u64
        };
        let linears = self.linears.iter().chain(&self.others);
        let linears: u64 = linears.map(|matrix| bytes(matrix, keep)).sum();
        let tables: u64 = self.tables.iter().map(|matrix| bytes(matrix, keep.of_tables())).sum();
        linears + tables + (self.vector_values * size_of::<f32>()) as u64
    }
}

/// Answers with empty weights, and writes down what it was asked for.
#[derive(Default)]
struct Asked {
    matrices: RefCell<Vec<LinearInfo>>,
    vector_values: Cell<usize>,
}

impl TensorSource for Asked {
    fn matrix(&self, request: &MatrixRequest<'_>) -> Result<QMatrix, Error> {
        let MatrixRequest { name, outputs, inputs, .. } = *request;
        let name = name.strip_suffix(".weight").unwrap_or(name).to_owned();
        self.matrices.borrow_mut().push(LinearInfo { name, outputs, inputs });
        let nothing = QMatrix::new(GgmlType::F32, 0, inputs, Bytes::from(vec![]));
        Ok(nothing.expect("no bytes are no rows"))
    }

    fn values(&self, _name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let len: usize = shape.iter().product();
        self.vector_values.set(self.vector_values.get() + len);
        Ok(Vec::new())
    }

    fn has(&self, _name: &str) -> bool {
        false
    }

    fn lacks(&self, _name: &str) -> bool {
        false
    }

    fn interleaves_heads(&self) -> bool {
        false
    }

    /// A tied pair is stored once.
    fn same(&self, _one: &str, _other: &str) -> [bool; 3] {
        [true, false, false]
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::llm::config_from_json;

    #[test]
    fn a_configuration_alone_tells_what_there_is() {
        // HuggingFaceTB/SmolLM2-135M-Instruct, 134,515,008 parameters by its model card
        let config = json!({
            "model_type": "llama", "vocab_size": 49152, "hidden_size": 576,
            "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
            "num_key_value_heads": 3, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
            "rope_theta": 100_000, "hidden_act": "silu", "tie_word_embeddings": true,
        });
        let config = config_from_json(&config, Path::new("config.json")).unwrap();
        let shapes = Shapes::of(&config);
        assert_eq!(shapes.parameter_count(), 134_515_008);
        assert_eq!((shapes.linears.len(), shapes.tables.len()), (210, 1));
        let first = LinearInfo {
            name: "model.layers.0.self_attn.q_proj".to_owned(),
            outputs: 576,
            inputs: 576,
        };
        assert_eq!(shapes.linears[0], first);
        let values = 134_515_008;
        assert_eq!(shapes.weight_bytes(Weights::F32, GgmlType::BF16), 4 * values);
        let norms = 4 * shapes.vector_values as u64;
        let bf16 = shapes.weight_bytes(Weights::AsStored, GgmlType::BF16);
        assert_eq!(bf16, 2 * (values - norms / 4) + norms);
        // 20 bytes for 32 weights
        let q4_1 = shapes.weight_bytes(Weights::AsStored, GgmlType::Q4_1);
        assert_eq!(q4_1, (values - norms / 4) / 32 * 20 + norms);
    }

    #[test]
    fn a_head_of_its_own_is_a_table() {
        let config = json!({
            "model_type": "qwen3", "vocab_size": 320, "hidden_size": 64, "head_dim": 16,
            "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "max_position_embeddings": 128, "rms_norm_eps": 1e-6,
            "rope_theta": 10_000, "hidden_act": "silu", "tie_word_embeddings": false,
        });
        let config = config_from_json(&config, Path::new("config.json")).unwrap();
        let shapes = Shapes::of(&config);
        let tables: Vec<&str> = shapes.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(tables, ["model.embed_tokens", "lm_head"]);
        // Two layers of four attention matrices and three others
        assert_eq!(shapes.linears.len(), 14);
        // Norms: two a layer and the last, and those of queries and keys
        assert_eq!(shapes.vector_values, 2 * (2 * 64 + 2 * 16) + 64);
    }
}
