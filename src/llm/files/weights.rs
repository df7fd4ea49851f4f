//! Where a model's tensors are: a GGUF file, or one or more safetensors files. Both are asked by
//! transformers' names, and answer with bytes in ggml's types and torch's row order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use super::gguf::{GgufFile, TensorType};
use super::mapped::Mapped;
use super::mxfp4;
use super::quantize::quantize;
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

    /// The bytes are MXFP4's, and these are their scales: [`RawTensor::unpacked`] makes `kind` of
    /// them.
    scales: Option<Bytes>,
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
            Self::Safetensors(files) => files.tensors.keys().cloned().collect(),
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

/// The safetensors files of a folder, mapped.
pub(crate) struct SafetensorsFiles {
    folder: PathBuf,
    files: Vec<(PathBuf, Mapped)>,
    tensors: BTreeMap<String, Place>,
}

struct Place {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    range: std::ops::Range<usize>,
}

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

impl SafetensorsFiles {
    /// The files that a folder's weights are in, in the order of their names.
    pub fn paths(folder: &Path) -> Result<Vec<PathBuf>, Error> {
        let index = folder.join(INDEX);
        if !index.is_file() {
            let single = folder.join(SINGLE);
            if !single.is_file() {
                let problem = format!("it has neither {SINGLE} nor {INDEX}");
                return Err(Error::not_a_model(folder, problem));
            }
            return Ok(vec![single]);
        }
        let text = std::fs::read_to_string(&index).map_err(|source| Error::read(&index, source))?;
        let json: Value = serde_json::from_str(&text)
            .map_err(|err| Error::not_a_model(&index, format!("it is not JSON: {err}")))?;
        let Some(map) = json.get("weight_map").and_then(Value::as_object) else {
            return Err(Error::not_a_model(&index, "it has no weight_map"));
        };
        let mut names: Vec<&str> = map.values().filter_map(Value::as_str).collect();
        names.sort_unstable();
        names.dedup();
        if let Some(stray) = names.iter().find(|name| name.contains(['/', '\\'])) {
            let problem = format!("{stray} is not the name of a file beside it");
            return Err(Error::not_a_model(&index, problem));
        }
        Ok(names.into_iter().map(|name| folder.join(name)).collect())
    }

    pub fn open(folder: &Path) -> Result<Self, Error> {
        let mut files = Vec::new();
        let mut tensors = BTreeMap::new();
        for path in Self::paths(folder)? {
            let map = Mapped::open(&path).map_err(|source| Error::read(&path, source))?;
            // Checks every length against the file's.
            let (header_len, header) = SafeTensors::read_metadata(&map).map_err(|err| {
                Error::not_a_model(&path, format!("it is cut short or damaged: {err}"))
            })?;
            let data_start = 8 + header_len;
            for name in header.offset_keys() {
                let Some(info) = header.info(&name) else { continue };
                let (start, end) = info.data_offsets;
                let place = Place {
                    file: files.len(),
                    dtype: info.dtype,
                    shape: info.shape.clone(),
                    range: data_start + start..data_start + end,
                };
                tensors.insert(name, place);
            }
            files.push((path, map));
        }
        Ok(Self { folder: folder.to_owned(), files, tensors })
    }

    /// Type, number of elements and bytes of every tensor, for a model's facts.
    pub fn summary(&self) -> impl Iterator<Item = (Dtype, u64, u64)> {
        self.tensors.values().map(|place| {
            let elements = place.shape.iter().map(|dim| *dim as u64).product();
            (place.dtype, elements, place.range.len() as u64)
        })
    }

    /// A tensor by transformers' name, under the name that the file has for it. Some files were
    /// saved from the decoder without its head, and lack the first word; in a model that also
    /// looks at pictures the decoder is a part, called by one of two names.
    fn place(&self, name: &str) -> Option<(&String, &Place)> {
        let inner = name.split_once('.').map_or(name, |(_, inner)| inner);
        let own = [name.to_owned(), inner.to_owned(), format!("language_model.{name}")];
        let newer = name.strip_prefix("model.").map(|rest| format!("model.language_model.{rest}"));
        own.iter().chain(&newer).find_map(|name| self.tensors.get_key_value(name))
    }

    /// Whether a tensor is there as MXFP4's blocks.
    fn is_mxfp4(&self, name: &str) -> bool {
        self.place(&format!("{name}_blocks")).is_some()
    }

    /// A tensor (experts, rows, columns) that is stored as blocks and scales.
    fn find_mxfp4(&self, name: &str) -> Result<RawTensor, Error> {
        let bytes_of = |ending: &str| {
            let name = format!("{name}{ending}");
            let Some((stored_name, place)) = self.place(&name) else {
                return Err(Error::MissingTensors { path: self.folder.clone(), names: vec![name] });
            };
            let (path, map) = &self.files[place.file];
            if place.dtype != Dtype::U8 {
                let types = format!("{:?} ({name})", place.dtype);
                return Err(Error::TensorTypes { path: path.clone(), types });
            }
            let bytes = Bytes::from_map(map.share()).slice(place.range.clone());
            let bytes = bytes.map_err(|err| Error::not_a_model(path, err.to_string()))?;
            Ok((stored_name, path, place.shape.clone(), bytes))
        };
        let (stored_name, path, mut shape, bytes) = bytes_of("_blocks")?;
        let (scales_name, _, scales_shape, scales) = bytes_of("_scales")?;
        let refuse = |name: &str, found: &[usize], expected: Vec<usize>| {
            let (name, found) = (name.to_owned(), found.to_vec());
            Err(Error::Shape { path: path.clone(), name, found, expected })
        };
        if shape.len() != 4 || shape[3] != mxfp4::BLOCK {
            let expected = [&scales_shape[..], &[mxfp4::BLOCK]].concat();
            return refuse(stored_name, &shape, expected);
        }
        shape.pop();
        if shape != scales_shape {
            return refuse(scales_name, &scales_shape, shape);
        }
        shape[2] *= 2 * mxfp4::BLOCK;
        let (name, path, kind) = (stored_name.clone(), path.clone(), GgmlType::Q5_0);
        Ok(RawTensor { name, path, kind, shape, bytes, scales: Some(scales) })
    }

    fn find(&self, name: &str) -> Result<RawTensor, Error> {
        let Some((stored_name, place)) = self.place(name) else {
            if self.is_mxfp4(name) {
                return self.find_mxfp4(name);
            }
            let names = vec![name.to_owned()];
            return Err(Error::MissingTensors { path: self.folder.clone(), names });
        };
        let (path, map) = &self.files[place.file];
        let kind = match place.dtype {
            Dtype::F32 => GgmlType::F32,
            Dtype::F16 => GgmlType::F16,
            Dtype::BF16 => GgmlType::BF16,
            other => {
                let types = format!("{other:?} ({name})");
                return Err(Error::TensorTypes { path: path.clone(), types });
            }
        };
        let bytes = Bytes::from_map(map.share())
            .slice(place.range.clone())
            .map_err(|err| Error::not_a_model(path, err.to_string()))?;
        let shape = place.shape.clone();
        let (name, path) = (stored_name.clone(), path.clone());
        Ok(RawTensor { name, path, kind, shape, bytes, scales: None })
    }
}
