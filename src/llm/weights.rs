//! Where a model's tensors are: a GGUF file, or one or more safetensors files. Both are asked by
//! transformers' names, and answer with bytes in ggml's types and torch's row order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use super::error::Error;
use super::gguf::{GgufFile, TensorType};
use super::kernels::{Bytes, GgmlType, QMatrix};
use super::linear::Weight;
use super::mapped::Mapped;

/// A tensor as it is stored.
pub(crate) struct RawTensor {
    pub name: String,
    pub path: PathBuf,
    pub kind: GgmlType,

    /// Rows first; a vector has one number.
    pub shape: Vec<usize>,
    pub bytes: Bytes,
}

/// How linear weights are kept once loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weights {
    /// As the file has them: a quantised model stays small.
    #[default]
    AsStored,

    /// Widened to f32: for training, and for comparing with references.
    F32,
}

/// Tensors by transformers' names.
pub(crate) enum WeightSource {
    Gguf(Arc<GgufFile>),
    Safetensors(SafetensorsFiles),
}

impl WeightSource {
    fn find(&self, name: &str) -> Result<RawTensor, Error> {
        match self {
            Self::Gguf(file) => find_in_gguf(file, name),
            Self::Safetensors(files) => files.find(name),
        }
    }

    /// A vector as f32.
    pub fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, Error> {
        let raw = self.find(name)?;
        raw.expect_shape(&[len])?;
        let values = raw.matrix(1, len)?.dequantize();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Error::NotFinite { path: raw.path, name: raw.name });
        }
        Ok(values)
    }

    /// A matrix (outputs, inputs). Where a GGUF file has the rows of its heads interleaved, `heads` says how many there are.
    pub fn matrix(&self, request: &MatrixRequest<'_>) -> Result<Weight, Error> {
        let MatrixRequest { name, outputs, inputs, transposed, heads, keep } = *request;
        let mut raw = self.find(name)?;
        // Only Hugging Face's GPT-2 stores (in, out); GGUF has it the usual way round.
        if transposed && matches!(self, Self::Safetensors(_)) {
            raw.expect_shape(&[inputs, outputs])?;
            raw.transpose()?;
        }
        raw.expect_shape(&[outputs, inputs])?;
        if let Some(heads) = heads {
            raw.separate_heads(heads);
        }
        raw.refuse_broken_floats()?;
        let matrix = raw.matrix(outputs, inputs)?;
        match keep {
            Weights::AsStored => Ok(Weight::Stored(matrix)),
            Weights::F32 => {
                let values = matrix.dequantize();
                if values.par_iter().any(|value| !value.is_finite()) {
                    return Err(Error::NotFinite { path: raw.path, name: raw.name });
                }
                Ok(Weight::Dense(Tensor::from_vec(values, (outputs, inputs), &Device::Cpu)?))
            }
        }
    }

    /// llama.cpp's converter reorders the rows of q and k of these architectures for its
    /// interleaved rope.
    pub fn interleaves_heads(&self) -> bool {
        match self {
            Self::Gguf(file) => file.str("general.architecture").is_some_and(has_interleaved_heads),
            Self::Safetensors(_) => false,
        }
    }
}

/// Which matrix, and how it is to be.
#[derive(Clone, Copy)]
pub(crate) struct MatrixRequest<'a> {
    pub name: &'a str,
    pub outputs: usize,
    pub inputs: usize,
    pub transposed: bool,
    pub heads: Option<usize>,
    pub keep: Weights,
}

impl RawTensor {
    fn expect_shape(&self, expected: &[usize]) -> Result<(), Error> {
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

    /// Infinities and NaNs of the dense types, which one look at the exponent finds.
    fn refuse_broken_floats(&self) -> Result<(), Error> {
        let bytes = self.bytes.as_slice();
        let broken = match self.kind {
            GgmlType::F32 => {
                let (values, _) = bytes.as_chunks::<4>();
                values.par_iter().any(|raw| !f32::from_le_bytes(*raw).is_finite())
            }
            GgmlType::F16 => {
                let (values, _) = bytes.as_chunks::<2>();
                values.par_iter().any(|raw| u16::from_le_bytes(*raw) & 0x7c00 == 0x7c00)
            }
            GgmlType::BF16 => {
                let (values, _) = bytes.as_chunks::<2>();
                values.par_iter().any(|raw| u16::from_le_bytes(*raw) & 0x7f80 == 0x7f80)
            }
            _ => false, // a broken scale shows as NaN in what it is multiplied with
        };
        if broken {
            return Err(Error::NotFinite { path: self.path.clone(), name: self.name.clone() });
        }
        Ok(())
    }
}

fn find_in_gguf(file: &GgufFile, name: &str) -> Result<RawTensor, Error> {
    let missing = || Error::MissingTensor { path: file.path().to_owned(), name: name.to_owned() };
    let architecture = file.str("general.architecture");
    let stored_name = gguf_name(name, architecture).ok_or_else(missing)?;
    let tensor = file.tensor(&stored_name).ok_or_else(missing)?;
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
pub(super) fn has_interleaved_heads(architecture: &str) -> bool {
    matches!(architecture, "llama" | "smollm3")
}

/// llama.cpp's name of a tensor of transformers. `None`: it has none.
pub(super) fn gguf_name(name: &str, architecture: Option<&str>) -> Option<String> {
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

    /// Some files were saved from the decoder without its head, and lack the first word.
    fn place(&self, name: &str) -> Option<&Place> {
        self.tensors.get(name).or_else(|| self.tensors.get(name.split_once('.')?.1))
    }

    fn find(&self, name: &str) -> Result<RawTensor, Error> {
        let Some(place) = self.place(name) else {
            return Err(Error::MissingTensor { path: self.folder.clone(), name: name.to_owned() });
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
        Ok(RawTensor { name: name.to_owned(), path: path.clone(), kind, shape, bytes })
    }
}
