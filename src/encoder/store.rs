//! The tensors of a folder or of a GGUF file as layers, by transformers' names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tuning_fork_kernels::{Bytes, GgmlType, QMatrix};

use super::gguf;
use crate::llm;
use crate::llm::adapter_files::replaced::{Base, Widened, replaced};
use crate::llm::files::gguf::GgufFile;
use crate::llm::files::gguf_stored::as_stored;
use crate::llm::files::raw_tensor::RawTensor;
use crate::llm::files::safetensors_files::SafetensorsFiles;
use crate::llm::net::linear::{Linear, Norm};
use crate::llm::net::ops::RowNorm;

/// What a norm is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NormKind {
    /// `LayerNorm`, with or without a bias.
    Layer {
        has_bias: bool,
    },
    Rms,
}

/// The safetensors files of a folder, or a GGUF file.
pub(crate) struct Store {
    folder: PathBuf,
    files: Files,
    names: BTreeSet<String>,

    /// What stands before the names of the body: `bert.`, or nothing where a model was saved
    /// without its head.
    prefix: &'static str,

    /// What an adapter puts in place of the files' own, by the names that those have.
    replaced: BTreeMap<String, RawTensor>,
}

enum Files {
    Folder(SafetensorsFiles),

    /// With its own names by transformers'.
    Gguf(Arc<GgufFile>, BTreeMap<String, String>),
}

impl Store {
    /// `folder`: one, or the path of a GGUF file.
    pub fn open(folder: &Path) -> Result<Self, llm::Error> {
        let (names, files) = if gguf::is_gguf(folder) {
            let file = Arc::new(GgufFile::open(folder)?);
            let names = gguf::names(&file);
            (names.keys().cloned().collect(), Files::Gguf(file, names))
        } else {
            let files = SafetensorsFiles::open(folder)?;
            (files.names().cloned().collect(), Files::Folder(files))
        };
        let replaced = BTreeMap::new();
        Ok(Self { folder: folder.to_owned(), files, names, prefix: "", replaced })
    }

    fn raw(&self, name: &str) -> Result<RawTensor, llm::Error> {
        if let Some(replaced) = self.replaced.get(name) {
            return Ok(replaced.clone());
        }
        match &self.files {
            Files::Folder(files) => files.find(name),
            Files::Gguf(file, names) => {
                as_stored(file, names.get(name).map_or(name, String::as_str))
            }
        }
    }

    /// Finds which prefix the body's names have, by one tensor that every body has.
    #[must_use]
    pub fn with_prefix(mut self, prefixes: &[&'static str], tensor: &str) -> Self {
        let found = prefixes.iter().find(|prefix| self.has(&format!("{prefix}{tensor}")));
        self.prefix = found.or_else(|| prefixes.first()).copied().unwrap_or_default();
        self
    }

    /// What is read from now on is as an adapter (its folder) makes it.
    pub fn with_adapter(mut self, adapter: &Path) -> Result<Self, llm::Error> {
        for (name, Widened { shape, values }) in replaced(adapter, &self)? {
            let name = self.called(&name).unwrap_or(name);
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
            let (path, kind) = (adapter.to_owned(), GgmlType::F32);
            let raw = RawTensor::new(name.clone(), path, kind, shape, Bytes::from(bytes));
            self.names.insert(name.clone());
            self.replaced.insert(name, raw);
        }
        Ok(self)
    }

    /// Whether an adapter has changed it.
    pub fn is_replaced(&self, name: &str) -> bool {
        self.replaced.contains_key(name)
    }

    /// A tensor that PEFT names, as the files call it: those of a body that was saved without its head lack what
    /// stands before the names, and so do the adapters that such a body got.
    fn called(&self, name: &str) -> Option<String> {
        let inner = name.split_once('.').map_or(name, |(_, inner)| inner);
        let names = [name.to_owned(), format!("{}{name}", self.prefix), inner.to_owned()];
        names.into_iter().find(|name| self.has(name))
    }

    /// A name of the body as the files have it.
    pub fn body(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    fn find(&self, name: &str) -> Result<RawTensor, llm::Error> {
        if !self.has(name) {
            let (path, names) = (self.folder.clone(), vec![name.to_owned()]);
            return Err(llm::Error::MissingTensors { path, names });
        }
        let mut raw = self.raw(name)?;
        raw.unpack_whole(false);
        raw.refuse_broken_numbers()?;
        Ok(raw)
    }

    /// A matrix (rows, cols): of an embedding, or of a layer.
    pub fn matrix(&self, name: &str, rows: usize, cols: usize) -> Result<QMatrix, llm::Error> {
        let raw = self.find(name)?;
        raw.expect_shape(&[rows, cols])?;
        raw.matrix(rows, cols)
    }

    /// Whether two tensors are the same, bit by bit.
    pub fn is_same(&self, one: &str, other: &str) -> bool {
        if !self.has(one) || !self.has(other) {
            return false;
        }
        let (Ok(one), Ok(other)) = (self.raw(one), self.raw(other)) else { return false };
        one.kind == other.kind
            && one.shape == other.shape
            && one.bytes.as_slice() == other.bytes.as_slice()
    }

    pub fn shape(&self, name: &str) -> Result<Vec<usize>, llm::Error> {
        Ok(self.find(name)?.shape)
    }

    /// How many rows a matrix has.
    pub fn row_count(&self, name: &str) -> Option<usize> {
        self.raw(name).ok().filter(|_| self.has(name))?.shape.first().copied()
    }

    pub fn values(&self, name: &str, len: usize) -> Result<Vec<f32>, llm::Error> {
        let raw = self.find(name)?;
        // BART's bias of the head is a matrix of one row.
        if raw.shape != [1, len] {
            raw.expect_values(&[len])?;
        }
        Ok(raw.matrix(1, len)?.dequantize())
    }

    pub fn linear(
        &self,
        name: &str,
        [outputs, inputs]: [usize; 2],
        has_bias: bool,
    ) -> Result<Linear, llm::Error> {
        let weight = self.matrix(&format!("{name}.weight"), outputs, inputs)?;
        let bias = format!("{name}.bias");
        let bias = if has_bias { Some(self.values(&bias, outputs)?) } else { None };
        Ok(Linear { name: name.to_owned(), weight, bias })
    }

    /// Layers that the file holds as one, their rows one after the other.
    pub fn fused<const N: usize>(
        &self,
        name: &str,
        outputs: [usize; N],
        inputs: usize,
        has_bias: bool,
    ) -> Result<[Linear; N], llm::Error> {
        let all = self.find(&format!("{name}.weight"))?;
        let total: usize = outputs.iter().sum();
        all.expect_shape(&[total, inputs])?;
        let bias = format!("{name}.bias");
        let bias = if has_bias { Some(self.values(&bias, total)?) } else { None };
        let row_len = all.bytes.len() / total.max(1);
        let mut first = 0;
        let mut parts = Vec::with_capacity(N);
        for count in outputs {
            let bytes = all.bytes.slice(first * row_len..(first + count) * row_len);
            let weight = bytes.and_then(|bytes| QMatrix::new(all.kind, count, inputs, bytes));
            let weight =
                weight.map_err(|err| llm::Error::not_a_model(&self.folder, err.to_string()))?;
            let bias = bias.as_ref().map(|bias| bias[first..first + count].to_vec());
            parts.push(Linear { name: name.to_owned(), weight, bias });
            first += count;
        }
        let parts: Result<[Linear; N], _> = parts.try_into();
        Ok(parts.unwrap_or_else(|_| unreachable!("one part for each number of outputs")))
    }

    /// Older files call the two vectors of a `LayerNorm` gamma and beta.
    pub fn norm(
        &self,
        name: &str,
        width: usize,
        eps: f64,
        kind: NormKind,
    ) -> Result<Norm, llm::Error> {
        let older = format!("{name}.gamma");
        let weight = format!("{name}.weight");
        let is_older = !self.has(&weight) && self.has(&older);
        let weight = self.values(if is_older { &older } else { &weight }, width)?;
        let (weight, eps) = (weight.into(), eps as f32);
        let has_bias = matches!(kind, NormKind::Layer { has_bias: true });
        let row = match kind {
            NormKind::Rms => RowNorm::Rms { weight, eps },
            NormKind::Layer { has_bias } => {
                let bias = format!("{name}.{}", if is_older { "beta" } else { "bias" });
                let bias = if has_bias { self.values(&bias, width)? } else { vec![0.0; width] };
                RowNorm::Layer { weight, bias: bias.into(), eps }
            }
        };
        Ok(Norm { name: name.to_owned(), row, has_bias })
    }

    /// Whether a norm is there, under either name.
    pub fn has_norm(&self, name: &str) -> bool {
        self.has(&format!("{name}.weight")) || self.has(&format!("{name}.gamma"))
    }
}

impl Base for Store {
    fn tensor(&self, name: &str) -> Result<Option<Widened>, llm::Error> {
        let Some(name) = self.called(name) else { return Ok(None) };
        let raw = self.find(&name)?;
        let shape = raw.shape.clone();
        let (rows, cols) = match *shape.as_slice() {
            [rows, cols] => (rows, cols),
            _ => (1, shape.iter().product()),
        };
        Ok(Some(Widened { shape, values: raw.matrix(rows, cols)?.dequantize() }))
    }
}
