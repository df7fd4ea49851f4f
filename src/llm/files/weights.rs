//! Where a model's tensors are: a GGUF file, or one or more safetensors files. Both are asked by
//! transformers' names, and answer with bytes in ggml's types and torch's row order.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use tuning_fork_kernels::{Bytes, GgmlType, QMatrix};

use super::gguf::GgufFile;
use super::gguf_tensors::{self, has_interleaved_heads};
use super::quantize::quantize;
use super::raw_tensor::{ExpertPart, RawTensor};
use super::safetensors_files::SafetensorsFiles;
use crate::jobs;
use crate::llm::error::Error;

/// The head of a decoder that gives labels, by transformers' name.
pub(crate) const SCORE: &str = "score.weight";

/// How weights are kept once loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weights {
    /// As the file has them: a quantised model stays small.
    #[default]
    AsStored,

    /// Widened to f32: for training, and for comparing with references.
    F32,

    /// Rounded to bfloat16: half of f32.
    Bf16,

    /// In blocks of 32 at 8 bits: a quarter of f32, as good as the original.
    Q8_0,

    /// In blocks of 32 at 4 bits: an eighth of f32. The embedding and the head stay at 8 bits.
    Q4_0,
}

impl Weights {
    pub const ALL: [Self; 5] = [Self::AsStored, Self::F32, Self::Bf16, Self::Q8_0, Self::Q4_0];

    /// How the embedding, the head and learned positions are kept: errors there show most.
    pub(crate) fn of_tables(self) -> Self {
        if self == Self::Q4_0 { Self::Q8_0 } else { self }
    }

    /// The type in which a matrix with rows of `cols` is kept. Rows that are no whole blocks stay
    /// as they are.
    pub(crate) fn kind(self, stored: GgmlType, cols: usize) -> GgmlType {
        let blocks = |kind: GgmlType| {
            if cols.is_multiple_of(kind.block_len()) { kind } else { stored }
        };
        match self {
            Self::AsStored => stored,
            Self::F32 => GgmlType::F32,
            Self::Bf16 => GgmlType::BF16,
            Self::Q8_0 => blocks(GgmlType::Q8_0),
            Self::Q4_0 => blocks(GgmlType::Q4_0),
        }
    }
}

/// Where a decoder's tensors come from, by transformers' names.
pub(crate) trait TensorSource {
    /// A matrix (outputs, inputs).
    fn matrix(&self, request: &MatrixRequest<'_>) -> Result<QMatrix, Error>;

    /// All values of a tensor as f32.
    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error>;

    /// A vector as f32.
    fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, Error> {
        self.values(name, &[len])
    }

    /// llama.cpp's converter reorders the rows of q and k of some architectures for its
    /// interleaved rope.
    fn interleaves_heads(&self) -> bool;

    /// Whether there is a tensor of this name.
    fn has(&self, name: &str) -> bool;

    /// Whether it is known not to be there: what only writes down what it is asked for lacks nothing.
    fn lacks(&self, name: &str) -> bool {
        !self.has(name)
    }

    /// Whether the one is there, whether the other is, and whether both hold the same.
    fn same(&self, one: &str, other: &str) -> [bool; 3];
}

/// Tensors by transformers' names.
pub(crate) enum WeightSource {
    Gguf(Arc<GgufFile>),
    Safetensors(SafetensorsFiles),
}

impl WeightSource {
    pub fn find(&self, name: &str) -> Result<RawTensor, Error> {
        match self {
            Self::Gguf(file) => gguf_tensors::find(file, name),
            Self::Safetensors(files) => files.find(name),
        }
    }

    /// What a tensor is called, its type and its shape; its bytes may be in another order.
    pub fn look(&self, name: &str) -> Result<RawTensor, Error> {
        match self {
            Self::Gguf(file) => gguf_tensors::look(file, name),
            Self::Safetensors(files) => files.find(name),
        }
    }

    /// Only Hugging Face's GPT-2 and gpt-oss store (in, out); GGUF has it the usual way round.
    pub fn is_transposed(&self, request: &MatrixRequest<'_>) -> bool {
        match self {
            Self::Gguf(_) => false,
            // As MXFP4 the same tensor is the usual way round.
            Self::Safetensors(files) => request.transposed && !files.is_mxfp4(request.name),
        }
    }

    /// Tensors that are there and not among the `used`. What is known to be of no use to a decoder
    /// is left out: tables that it computes itself, the parts that look at pictures, layers that guess
    /// further tokens, and keys and values of the layers that see others' (`keyless`).
    pub fn unused(&self, used: &BTreeSet<String>, keyless: &[usize]) -> Vec<String> {
        const COMPUTED: [&str; 6] = [
            ".rotary_emb.inv_freq",
            ".attn.bias",
            ".attn.masked_bias",
            ".attention.bias",
            ".attention.masked_bias",
            "rope_freqs.weight",
        ];
        const PICTURES: [&str; 9] = [
            "vision_tower.",
            "multi_modal_projector.",
            "embed_vision.",
            "audio_tower.",
            "embed_audio.",
            "visual.",
            "mtp.",
            "v.",
            "mm.",
        ];
        const KEYS: [&str; 8] = [
            "self_attn.k_proj.weight",
            "self_attn.v_proj.weight",
            "self_attn.k_norm.weight",
            "self_attn.v_norm.weight",
            "attn_k.weight",
            "attn_v.weight",
            "attn_k_norm.weight",
            "attn_v_norm.weight",
        ];
        const BESIDE: [&str; 8] = [
            ".qzeros",
            ".scales",
            ".g_idx",
            ".weight_scale_inv",
            ".weight_scale",
            ".input_scale",
            ".activation_scale",
            ".input_scale_ub",
        ];
        let known = |name: &String| {
            let inner = name.strip_prefix("model.").unwrap_or(name);
            name == SCORE
                || COMPUTED.iter().any(|ending| name.ends_with(ending))
                || name.starts_with("rope_factors_")
                || PICTURES.iter().any(|part| inner.starts_with(part))
        };
        let (names, decoder_layers): (Vec<&String>, _) = match self {
            Self::Gguf(file) => {
                (file.tensors().map(|tensor| &tensor.name).collect(), decoder_layers(file))
            }
            Self::Safetensors(files) => {
                (files.names().collect(), files.config().as_ref().and_then(layers_by_config))
            }
        };
        // Whether a layer is none of the decoder's, or has something that it does not use.
        let is_idle = |name: &str| {
            let Some((layer, part)) = layer_of(name) else { return false };
            decoder_layers.is_some_and(|count| layer >= count)
                || (KEYS.contains(&part) && keyless.contains(&layer))
        };
        // MXFP4's scales are used with their blocks, and what lies beside packed numbers with those.
        let is_scales = |name: &String| {
            let of_blocks = name.strip_suffix("_scales").map(|name| format!("{name}_blocks"));
            let beside = BESIDE.iter().find_map(|ending| name.strip_suffix(ending));
            of_blocks.is_some_and(|name| used.contains(&name))
                || beside.is_some_and(|module| {
                    ["weight", "qweight"]
                        .iter()
                        .any(|own| used.contains(&format!("{module}.{own}")))
                })
        };
        let unused = |name: &&String| {
            !used.contains(*name) && !known(name) && !is_scales(name) && !is_idle(name)
        };
        names.into_iter().filter(unused).cloned().collect()
    }

    /// The request's matrix, checked. Works through all its weights on the threads of whoever asks.
    fn read_matrix(&self, request: &MatrixRequest<'_>) -> Result<QMatrix, Error> {
        let MatrixRequest { name, outputs, inputs, heads, keep, .. } = *request;
        let mut raw = self.find(name)?;
        let stored = raw.bytes.clone();
        let transposed = self.is_transposed(request);
        raw.expect_shape(&request.stored_shape(transposed))?;
        raw.unpack_whole(keep != Weights::AsStored);
        if let Some(part) = request.expert {
            raw.take_expert(part.index)?;
        }
        if transposed {
            raw.transpose()?;
        }
        if let Some(part) = request.expert {
            raw.take_rows(part, outputs)?;
        }
        if let Some(heads) = heads {
            raw.separate_heads(heads);
        }
        raw.unpack();
        raw.refuse_broken_numbers()?;
        let matrix = raw.matrix(outputs, inputs)?;
        let kind = keep.kind(raw.kind, inputs);
        let kept = if kind == raw.kind {
            matrix
        } else {
            let bytes = Bytes::from(quantize(&matrix, kind));
            let kept = RawTensor { kind, bytes, ..raw };
            // Rounding to fewer bits cannot break what was whole, but f16 scales have a largest
            // value.
            kept.refuse_broken_numbers()?;
            kept.matrix(outputs, inputs)?
        };
        if !kept.is_of(&stored) {
            stored.forget(); // what is kept is a copy
        }
        Ok(kept)
    }
}

/// How many layers make up the decoder, where further ones follow, which some files have to guess several
/// tokens at once.
fn decoder_layers(file: &GgufFile) -> Option<usize> {
    let ahead = file.of_architecture("nextn_predict_layers").filter(|ahead| *ahead > 0)?;
    let count = file.of_architecture("block_count").unwrap_or(0).saturating_sub(ahead);
    usize::try_from(count).ok()
}

/// The same by `config.json`.
fn layers_by_config(config: &Value) -> Option<usize> {
    let text = config.get("text_config").filter(|text| text.is_object()).unwrap_or(config);
    let number = |key: &str| text.get(key).and_then(Value::as_u64);
    let ahead = ["num_nextn_predict_layers", "num_mtp_layers"].iter().find_map(|key| number(key));
    ahead.filter(|ahead| *ahead > 0)?;
    number("num_hidden_layers").and_then(|count| usize::try_from(count).ok())
}

/// `model.layers.3.mlp.up_proj.weight` -> (3, `mlp.up_proj.weight`)
fn layer_of(name: &str) -> Option<(usize, &str)> {
    let rest = name.strip_prefix("blk.").or_else(|| Some(name.split_once("layers.")?.1))?;
    let (layer, part) = rest.split_once('.')?;
    Some((layer.parse().ok()?, part))
}

impl TensorSource for WeightSource {
    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let mut raw = self.find(name)?;
        raw.unpack_whole(true);
        raw.expect_values(shape)?;
        raw.unpack();
        raw.refuse_broken_numbers()?;
        Ok(raw.matrix(1, shape.iter().product())?.dequantize())
    }

    fn matrix(&self, request: &MatrixRequest<'_>) -> Result<QMatrix, Error> {
        jobs::in_pool(|| self.read_matrix(request))
    }

    fn has(&self, name: &str) -> bool {
        self.look(name).is_ok()
    }

    fn interleaves_heads(&self) -> bool {
        match self {
            Self::Gguf(file) => file.str("general.architecture").is_some_and(has_interleaved_heads),
            Self::Safetensors(_) => false,
        }
    }

    fn same(&self, one: &str, other: &str) -> [bool; 3] {
        match (self.find(one), self.find(other)) {
            (Ok(one), Ok(other)) => {
                let same = one.kind == other.kind
                    && one.shape == other.shape
                    && one.bytes.as_slice() == other.bytes.as_slice();
                [true, true, same]
            }
            (one, other) => [one.is_ok(), other.is_ok(), false],
        }
    }
}

/// Which matrix, and how it is to be.
#[derive(Clone, Copy)]
pub(crate) struct MatrixRequest<'a> {
    pub name: &'a str,
    pub outputs: usize,
    pub inputs: usize,

    /// Hugging Face stores it (inputs, outputs).
    pub transposed: bool,

    /// Where a GGUF file has the rows of its heads interleaved: how many heads there are.
    pub heads: Option<usize>,

    /// The tensor holds the matrices of all experts, and this is a part of one.
    pub expert: Option<ExpertPart>,
    pub keep: Weights,
}

impl MatrixRequest<'_> {
    /// The shape that the file is to have it in.
    pub fn stored_shape(&self, transposed: bool) -> Vec<usize> {
        match (self.expert, transposed) {
            (None, false) => vec![self.outputs, self.inputs],
            (None, true) => vec![self.inputs, self.outputs],
            (Some(part), false) => vec![part.experts, part.rows, self.inputs],
            (Some(part), true) => vec![part.experts, self.inputs, part.rows],
        }
    }
}
