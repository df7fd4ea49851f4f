//! Where a model's tensors are: a GGUF file, or one or more safetensors files. Both are asked by
//! transformers' names, and answer with bytes in ggml's types and torch's row order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::gguf::{GgufFile, TensorType};
use super::mxfp4;
use super::quantize::quantize;
pub(crate) use super::safetensors_files::SafetensorsFiles;
use crate::jobs;
use crate::llm::error::Error;
use crate::llm::kernels::{Bytes, GgmlType, QMatrix};

/// A tensor as it is stored.
pub(crate) struct RawTensor {
    pub name: String,
    pub path: PathBuf,
    pub kind: GgmlType,

    /// Rows first; a vector has one number.
    pub shape: Vec<usize>,
    pub bytes: Bytes,

    /// The bytes are MXFP4's, and these are their scales: `unpacked` makes `kind` of
    /// them.
    pub scales: Option<Bytes>,
}

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
            Self::Gguf(file) => find_in_gguf(file, name),
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
    /// is left out: tables that it computes itself, and the parts that look at pictures.
    pub fn unused(&self, used: &BTreeSet<String>) -> Vec<String> {
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
        let known = |name: &String| {
            let inner = name.strip_prefix("model.").unwrap_or(name);
            COMPUTED.iter().any(|ending| name.ends_with(ending))
                || name.starts_with("rope_factors_")
                || PICTURES.iter().any(|part| inner.starts_with(part))
        };
        let names: Vec<String> = match self {
            Self::Gguf(file) => file.tensors().map(|tensor| tensor.name.clone()).collect(),
            Self::Safetensors(files) => files.names().cloned().collect(),
        };
        // MXFP4's scales are used with their blocks.
        let is_scales = |name: &String| {
            name.strip_suffix("_scales")
                .is_some_and(|name| used.contains(&format!("{name}_blocks")))
        };
        let unused = |name: &String| !used.contains(name) && !known(name) && !is_scales(name);
        names.into_iter().filter(unused).collect()
    }

    /// The request's matrix, checked. Works through all its weights on the threads of whoever asks.
    fn read_matrix(&self, request: &MatrixRequest<'_>) -> Result<QMatrix, Error> {
        let MatrixRequest { name, outputs, inputs, heads, keep, .. } = *request;
        let mut raw = self.find(name)?;
        let stored = raw.bytes.clone();
        let transposed = self.is_transposed(request);
        raw.expect_shape(&request.stored_shape(transposed))?;
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
        raw.unpack()?;
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

impl TensorSource for WeightSource {
    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let raw = self.find(name)?;
        raw.expect_values(shape)?;
        raw.refuse_broken_numbers()?;
        Ok(raw.matrix(1, shape.iter().product())?.dequantize())
    }

    fn matrix(&self, request: &MatrixRequest<'_>) -> Result<QMatrix, Error> {
        jobs::in_pool(|| self.read_matrix(request))
    }

    fn has(&self, name: &str) -> bool {
        self.find(name).is_ok()
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

/// Where a matrix is in a tensor of all experts: (experts, rows, inputs), or (experts, inputs, rows)
/// where it is stored transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExpertPart {
    pub experts: usize,
    pub index: usize,

    /// Rows of an expert, and which of them: from `first` on every `step`-th.
    pub rows: usize,
    pub first: usize,
    pub step: usize,
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

impl RawTensor {
    pub fn expect_shape(&self, expected: &[usize]) -> Result<(), Error> {
        if self.shape == expected {
            return Ok(());
        }
        Err(Error::Shape {
            path: self.path.clone(),
            name: self.name.clone(),
            found: self.shape.clone(),
            expected: expected.to_vec(),
        })
    }

    /// A single number may have no dimension at all.
    pub fn expect_values(&self, expected: &[usize]) -> Result<(), Error> {
        if expected == [1] && self.shape.is_empty() {
            return Ok(());
        }
        self.expect_shape(expected)
    }

    fn matrix(&self, rows: usize, cols: usize) -> Result<QMatrix, Error> {
        QMatrix::new(self.kind, rows, cols, self.bytes.clone()).map_err(|err| {
            Error::not_a_model(&self.path, format!("the tensor {} is damaged: {err}", self.name))
        })
    }

    /// Undoes llama.cpp's order of q and k: row (head, pair, half) back to (head, half, pair).
    /// A row is a whole number of blocks, so this is exact for every type.
    fn separate_heads(&mut self, heads: usize) {
        let rows = self.shape[0];
        let (head_dim, bytes) = (rows / heads, self.bytes.as_slice());
        let row_len = bytes.len() / rows;
        let mut out = Vec::with_capacity(bytes.len());
        for row in 0..rows {
            let (head, at) = (row / head_dim, row % head_dim);
            let (half, pair) = (at / (head_dim / 2), at % (head_dim / 2));
            let from = (head * head_dim + 2 * pair + half) * row_len;
            out.extend_from_slice(&bytes[from..from + row_len]);
        }
        self.bytes = Bytes::from(out);
    }

    /// One expert's matrix of a tensor of them.
    fn take_expert(&mut self, index: usize) -> Result<(), Error> {
        let experts = self.shape.remove(0);
        self.each(|raw, bytes| {
            let len = bytes.as_slice().len() / experts;
            raw.slice(bytes, index * len..(index + 1) * len)
        })
    }

    /// Some of the rows.
    fn take_rows(&mut self, part: ExpertPart, count: usize) -> Result<(), Error> {
        let ExpertPart { rows, first, step, .. } = part;
        self.shape[0] = count;
        self.each(|raw, bytes| {
            let len = bytes.as_slice().len() / rows;
            if step == 1 {
                return raw.slice(bytes, first * len..(first + count) * len);
            }
            let stored = bytes.as_slice().chunks_exact(len).skip(first).step_by(step);
            Ok(Bytes::from(stored.take(count).flatten().copied().collect::<Vec<u8>>()))
        })
    }

    /// Changes the bytes, and the scales where they lie apart.
    fn each(
        &mut self,
        change: impl Fn(&Self, &Bytes) -> Result<Bytes, Error>,
    ) -> Result<(), Error> {
        self.bytes = change(self, &self.bytes)?;
        if let Some(scales) = &self.scales {
            self.scales = Some(change(self, scales)?);
        }
        Ok(())
    }

    /// Makes of MXFP4 what it is kept as.
    fn unpack(&mut self) -> Result<(), Error> {
        if let Some(scales) = self.scales.take() {
            let (bytes, scales) = (self.bytes.as_slice(), scales.as_slice());
            self.bytes = mxfp4::as_q5_0(bytes, scales, &self.name, &self.path)?;
        }
        Ok(())
    }

    fn slice(&self, bytes: &Bytes, range: std::ops::Range<usize>) -> Result<Bytes, Error> {
        let part = bytes.clone().slice(range);
        part.map_err(|err| Error::not_a_model(&self.path, err.to_string()))
    }

    fn transpose(&mut self) -> Result<(), Error> {
        let [rows, cols] = self.shape[..] else { return Ok(()) };
        let width = self.kind.block_bytes();
        if self.kind.block_len() != 1 {
            let problem = format!("the tensor {} cannot be transposed", self.name);
            return Err(Error::not_a_model(&self.path, problem));
        }
        let bytes = self.bytes.as_slice();
        let mut out = Vec::with_capacity(bytes.len());
        for col in 0..cols {
            for row in 0..rows {
                let from = (row * cols + col) * width;
                out.extend_from_slice(&bytes[from..from + width]);
            }
        }
        self.bytes = Bytes::from(out);
        self.shape = vec![cols, rows];
        Ok(())
    }

    /// Infinities and NaNs: in dense types by one look at the exponent, in quantised ones in the
    /// scales of the blocks, since the rest are whole numbers.
    pub fn refuse_broken_numbers(&self) -> Result<(), Error> {
        let bytes = self.bytes.as_slice();
        let broken_f16 = |raw: [u8; 2]| u16::from_le_bytes(raw) & 0x7c00 == 0x7c00;
        let broken = match self.kind {
            GgmlType::F32 => {
                let (values, _) = bytes.as_chunks::<4>();
                values.par_iter().any(|raw| !f32::from_le_bytes(*raw).is_finite())
            }
            GgmlType::F16 => {
                let (values, _) = bytes.as_chunks::<2>();
                values.par_iter().any(|raw| broken_f16(*raw))
            }
            GgmlType::BF16 => {
                let (values, _) = bytes.as_chunks::<2>();
                values.par_iter().any(|raw| u16::from_le_bytes(*raw) & 0x7f80 == 0x7f80)
            }
            kind => {
                let scales: &[usize] = match kind {
                    GgmlType::Q4_1 | GgmlType::Q5_1 | GgmlType::Q4K | GgmlType::Q5K => &[0, 2],
                    GgmlType::Q2K => &[80, 82],
                    GgmlType::Q3K => &[108],
                    GgmlType::Q6K => &[208],
                    _ => &[0],
                };
                let blocks = bytes.par_chunks_exact(kind.block_bytes()).with_min_len(1 << 12);
                blocks.any(|block| scales.iter().any(|at| broken_f16([block[*at], block[*at + 1]])))
            }
        };
        if broken {
            return Err(Error::NotFinite { path: self.path.clone(), name: self.name.clone() });
        }
        Ok(())
    }
}

fn find_in_gguf(file: &GgufFile, name: &str) -> Result<RawTensor, Error> {
    let missing = |name: &str| Error::MissingTensors {
        path: file.path().to_owned(),
        names: vec![name.to_owned()],
    };
    let architecture = file.str("general.architecture");
    let stored_name = gguf_name(name, architecture).ok_or_else(|| missing(name))?;
    let tensor = file.tensor(&stored_name).ok_or_else(|| missing(&stored_name))?;
    let unsupported = || Error::TensorTypes {
        path: file.path().to_owned(),
        types: unsupported_types(file).join(", "),
    };
    let kind = GgmlType::from_id(tensor.kind.0).ok_or_else(unsupported)?;
    let range = tensor.byte_range().ok_or_else(unsupported)?;
    let bytes = Bytes::from_map(file.map().share())
        .slice(range)
        .map_err(|err| Error::not_a_model(file.path(), err.to_string()))?;
    Ok(RawTensor {
        name: stored_name,
        path: file.path().to_owned(),
        kind,
        shape: tensor.shape.clone(),
        bytes,
        scales: None,
    })
}

/// The types in a GGUF file that we have no kernel for, each with how many tensors have it.
pub(crate) fn unsupported_types(file: &GgufFile) -> Vec<String> {
    let mut counts: BTreeMap<TensorType, usize> = BTreeMap::new();
    for tensor in file.tensors() {
        if GgmlType::from_id(tensor.kind.0).is_none() {
            *counts.entry(tensor.kind).or_default() += 1;
        }
    }
    counts.iter().map(|(kind, count)| format!("{} ({count} tensors)", kind.name())).collect()
}

/// Whether llama.cpp's converter reorders the rows of q and k for its interleaved rope.
pub(crate) fn has_interleaved_heads(architecture: &str) -> bool {
    matches!(architecture, "llama" | "smollm3")
}

/// llama.cpp's name of a tensor of transformers. `None`: it has none.
pub(crate) fn gguf_name(name: &str, architecture: Option<&str>) -> Option<String> {
    let (module, ending) = name.rsplit_once('.')?;
    let whole = match module {
        "model.embed_tokens" | "transformer.wte" => Some("token_embd"),
        "transformer.wpe" => Some("position_embd"),
        "model.norm" | "transformer.ln_f" => Some("output_norm"),
        "lm_head" => Some("output"),
        _ => None,
    };
    if let Some(whole) = whole {
        return Some(format!("{whole}.{ending}"));
    }
    let rest =
        module.strip_prefix("model.layers.").or_else(|| module.strip_prefix("transformer.h."))?;
    let (layer, part) = rest.split_once('.')?;
    let part = match part {
        "input_layernorm" | "ln_1" => "attn_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.qkv_proj" | "attn.c_attn" => "attn_qkv",
        "self_attn.o_proj" | "attn.c_proj" => "attn_output",
        "self_attn.q_norm" => "attn_q_norm",
        "self_attn.k_norm" => "attn_k_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" | "mlp.gate_up_proj" | "mlp.c_fc" => "ffn_up",
        "mlp.down_proj" | "mlp.c_proj" => "ffn_down",
        "pre_feedforward_layernorm" | "ln_2" => "ffn_norm",
        "post_feedforward_layernorm" => "post_ffw_norm",
        // Despite its name, in most families the norm before the MLP.
        "post_attention_layernorm" => match architecture {
            Some("gemma2" | "gemma3" | "olmo2") => "post_attention_norm",
            _ => "ffn_norm",
        },
        _ => return None,
    };
    Some(format!("blk.{layer}.{part}.{ending}"))
}
