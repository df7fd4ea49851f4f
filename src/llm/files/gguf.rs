//! GGUF files, versions 2 and 3: what they say about themselves and where their tensors lie.
//!
//! Own code, because a workbench must show a file that it cannot run: tensor types that we have no
//! kernel for are kept by number. No length in the file is trusted before it was held against the
//! file's size, so a damaged file is an error and neither a panic nor a gigabyte of memory.
//! Layout: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use tuning_fork_kernels::Bytes;

use super::gguf_parts;
pub use super::gguf_value::{GgufArray, GgufValue, TensorType};
use super::mapped::Mapped;

/// Why a GGUF file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} is not a GGUF file: it does not begin with the letters GGUF", path.display())]
    NotGguf { path: PathBuf },

    #[error("{} is GGUF version {version}; versions 2 and 3 are supported", path.display())]
    Version { path: PathBuf, version: u32 },

    #[error("{} is a big-endian GGUF file; only little-endian ones are supported", path.display())]
    BigEndian { path: PathBuf },

    #[error(
        "{} is cut short or damaged: {what} at byte {at} needs {needed} bytes, the file has {left} left",
        path.display()
    )]
    Truncated { path: PathBuf, what: String, at: u64, needed: u64, left: u64 },

    #[error("{} is damaged: {problem}", path.display())]
    Damaged { path: PathBuf, problem: String },

    /// Of a model in several files.
    #[error("{} is one of several files of a model: {problem}", path.display())]
    Part { path: PathBuf, problem: String },
}

/// Where a tensor lies and what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct GgufTensor {
    pub name: String,

    /// As numpy and torch order it, rows first; the file has it the other way round.
    pub shape: Vec<usize>,
    pub kind: TensorType,
    pub element_count: u64,

    /// Which of the model's files it is in.
    pub(super) part: usize,

    /// Its bytes in that file. `None`: we do not know how large this type is.
    pub(super) bytes: Option<Range<usize>>,
}

impl GgufTensor {
    pub fn byte_len(&self) -> Option<usize> {
        self.bytes.as_ref().map(ExactSizeIterator::len)
    }

    pub fn byte_range(&self) -> Option<Range<usize>> {
        self.bytes.clone()
    }
}

/// An opened GGUF file: its metadata in memory, its tensors mapped. A model in several files is one of
/// these: its metadata are those of the first, its tensors those of all.
pub struct GgufFile {
    path: PathBuf,

    /// Of each file, the first one first.
    maps: Vec<Mapped>,
    version: u32,
    metadata: BTreeMap<String, GgufValue>,
    tensors: BTreeMap<String, GgufTensor>,
}

impl std::fmt::Debug for GgufFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GgufFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl GgufFile {
    /// Reads the headers and maps the rest. `path`: of several files the first one's.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let mut file = Self::open_one(path)?;
        let Some(count) = file.u64("split.count").filter(|count| *count > 1) else {
            return Ok(file);
        };
        let refuse = |problem| GgufError::Part { path: path.to_owned(), problem };
        let own = file.u64("split.no").unwrap_or(0);
        let others = gguf_parts::others(path, own, count).map_err(refuse)?;
        for (part, path) in (1..).zip(others) {
            file.take_in(part, Self::open_one(&path)?)?;
        }
        let (found, told) = (file.tensors.len() as u64, file.u64("split.tensors.count"));
        match told.filter(|told| *told != found) {
            None => Ok(file),
            Some(told) => Err(refuse(format!(
                "together they have {found} tensors, and {told} were expected: they are of several \
                 downloads; fetch them again"
            ))),
        }
    }

    fn open_one(path: &Path) -> Result<Self, GgufError> {
        let map = Mapped::open(path)
            .map_err(|source| GgufError::Read { path: path.to_owned(), source })?;
        let (version, metadata, tensors) = {
            let budget = (map.len() as u64).saturating_add(SPARE);
            let mut reader = Reader { path, bytes: &map, at: 0, budget };
            read_headers(&mut reader)?
        };
        Ok(Self { path: path.to_owned(), maps: vec![map], version, metadata, tensors })
    }

    /// Adds the tensors of another of the model's files.
    fn take_in(&mut self, part: usize, other: Self) -> Result<(), GgufError> {
        let is_of_another = || {
            let count = |file: &Self| file.u64("split.count");
            (count(&other) != count(self)).then(|| "it is of another model".to_owned())
        };
        let problem = gguf_parts::problem_of(part, other.u64("split.no")).or_else(is_of_another);
        if let Some(problem) = problem {
            return Err(GgufError::Part { path: other.path, problem });
        }
        for (name, tensor) in other.tensors {
            if self.tensors.contains_key(&name) {
                let problem = format!("its tensor {name} is in another of them too");
                return Err(GgufError::Part { path: other.path, problem });
            }
            self.tensors.insert(name, GgufTensor { part, ..tensor });
        }
        self.maps.extend(other.maps);
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn version(&self) -> u32 {
        self.version
    }

    pub fn file_len(&self) -> u64 {
        self.maps.iter().map(|map| map.len() as u64).sum()
    }

    pub fn metadata(&self) -> &BTreeMap<String, GgufValue> {
        &self.metadata
    }

    /// Every tensor, in the order of their names.
    pub fn tensors(&self) -> impl Iterator<Item = &GgufTensor> {
        self.tensors.values()
    }

    pub fn tensor(&self, name: &str) -> Option<&GgufTensor> {
        self.tensors.get(name)
    }

    /// A tensor's bytes as stored. `None`: there is no such tensor, or its type is unknown.
    pub fn tensor_bytes(&self, name: &str) -> Option<&[u8]> {
        let tensor = self.tensors.get(name)?;
        self.maps[tensor.part].get(tensor.bytes.clone()?)
    }

    /// Lets go of the pages that only hold metadata, of which this has its own copy.
    pub fn forget_headers(&self) {
        for (part, map) in self.maps.iter().enumerate() {
            let tensors = self.tensors.values().filter(|tensor| tensor.part == part);
            let starts = tensors.filter_map(|tensor| Some(tensor.bytes.clone()?.start));
            if let Some(first) = starts.min()
                && let Ok(headers) = Bytes::from_map(map.share()).slice(0..first)
            {
                headers.forget();
            }
        }
    }

    /// The map that [`GgufTensor::byte_range`] counts in.
    pub fn map_of(&self, tensor: &GgufTensor) -> &Mapped {
        &self.maps[tensor.part]
    }

    pub fn str(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key)? {
            GgufValue::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.metadata.get(key)? {
            GgufValue::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// A whole number that is not negative, however wide it is stored.
    pub fn u64(&self, key: &str) -> Option<u64> {
        match self.metadata.get(key)? {
            GgufValue::Unsigned(value) => Some(*value),
            GgufValue::Signed(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// A whole number of the file's architecture: `block_count` is `llama.block_count` in a Llama's file.
    pub fn of_architecture(&self, name: &str) -> Option<u64> {
        let architecture = self.str("general.architecture").unwrap_or_default();
        self.u64(&format!("{architecture}.{name}"))
    }

    pub fn u32(&self, key: &str) -> Option<u32> {
        u32::try_from(self.u64(key)?).ok()
    }

    pub fn f32(&self, key: &str) -> Option<f32> {
        match self.metadata.get(key)? {
            GgufValue::Float(value) => Some(*value as f32),
            GgufValue::Unsigned(value) => Some(*value as f32),
            GgufValue::Signed(value) => Some(*value as f32),
            _ => None,
        }
    }

    pub fn array(&self, key: &str) -> Option<&GgufArray> {
        match self.metadata.get(key)? {
            GgufValue::Array(array) => Some(array),
            _ => None,
        }
    }

    pub fn strings(&self, key: &str) -> Option<&[String]> {
        match self.array(key)? {
            GgufArray::String(values) => Some(values),
            _ => None,
        }
    }

    pub fn f32s(&self, key: &str) -> Option<Vec<f32>> {
        match self.array(key)? {
            GgufArray::Float(values) => Some(values.iter().map(|value| *value as f32).collect()),
            _ => None,
        }
    }

    /// An array of whole numbers. `None` also where one does not fit.
    pub fn i32s(&self, key: &str) -> Option<Vec<i32>> {
        match self.array(key)? {
            GgufArray::Signed(values) => {
                values.iter().map(|value| i32::try_from(*value).ok()).collect()
            }
            GgufArray::Unsigned(values) => {
                values.iter().map(|value| i32::try_from(*value).ok()).collect()
            }
            _ => None,
        }
    }

    /// An array of bytes, however it is stored.
    pub fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        match self.array(key)? {
            GgufArray::Unsigned(values) => values.iter().map(|it| u8::try_from(*it).ok()).collect(),
            GgufArray::Signed(values) => {
                let byte = |it: &i64| i8::try_from(*it).ok().map(i8::cast_unsigned);
                values.iter().map(byte).collect()
            }
            _ => None,
        }
    }

    pub fn bools(&self, key: &str) -> Option<&[bool]> {
        match self.array(key)? {
            GgufArray::Bool(values) => Some(values),
            _ => None,
        }
    }
}

type Headers = (u32, BTreeMap<String, GgufValue>, BTreeMap<String, GgufTensor>);

/// Where tensor data begins is rounded up to this, unless the file says otherwise.
const DEFAULT_ALIGNMENT: u64 = 32;

fn read_headers(reader: &mut Reader<'_>) -> Result<Headers, GgufError> {
    if reader.bytes.len() < 4 || &reader.bytes[..4] != b"GGUF" {
        return Err(GgufError::NotGguf { path: reader.path.to_owned() });
    }
    reader.at = 4;
    let version = reader.u32("the version")?;
    if version.swap_bytes() == 2 || version.swap_bytes() == 3 {
        return Err(GgufError::BigEndian { path: reader.path.to_owned() });
    }
    if !(2..=3).contains(&version) {
        return Err(GgufError::Version { path: reader.path.to_owned(), version });
    }
    let tensor_count = reader.u64("the number of tensors")?;
    let value_count = reader.u64("the number of metadata values")?;
    // A value takes at least 13 bytes (key length, type, one byte), a tensor at least 24.
    reader.expect_room("the metadata", value_count, 13)?;
    reader.expect_room("the tensor list", tensor_count, 24)?;
    reader.spend("the metadata", value_count, 2 * size_of::<(String, GgufValue)>())?;
    reader.spend("the tensor list", tensor_count, 4 * size_of::<GgufTensor>())?;

    let mut metadata = BTreeMap::new();
    for _ in 0..value_count {
        let key = reader.string("a metadata key")?;
        let kind = reader.u32(&key)?;
        let value = reader.value(&key, kind)?;
        metadata.insert(key, value);
    }
    let mut entries = Vec::new();
    for _ in 0..tensor_count {
        entries.push(read_tensor_entry(reader)?);
    }
    let alignment = match metadata.get("general.alignment") {
        Some(GgufValue::Unsigned(value)) if value.is_power_of_two() => *value,
        Some(_) => return Err(reader.damaged("general.alignment is not a power of two")),
        None => DEFAULT_ALIGNMENT,
    };
    let Some(data_start) = (reader.at as u64).checked_next_multiple_of(alignment) else {
        return Err(reader.damaged(format!("general.alignment is {alignment}")));
    };
    let mut tensors = BTreeMap::new();
    for (mut tensor, offset) in entries {
        tensor.bytes = locate(reader, &tensor, data_start, offset)?;
        let name = tensor.name.clone();
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(reader.damaged(format!("there are two tensors called {name}")));
        }
    }
    Ok((version, metadata, tensors))
}

/// A tensor without its place, and its offset from where the tensor data begins.
fn read_tensor_entry(reader: &mut Reader<'_>) -> Result<(GgufTensor, u64), GgufError> {
    let name = reader.string("a tensor's name")?;
    let rank = reader.u32(&name)?;
    if rank > 8 {
        return Err(reader.damaged(format!("{name} has {rank} dimensions")));
    }
    let mut shape = Vec::new();
    let mut element_count: u64 = 1;
    for _ in 0..rank {
        let dim = reader.u64(&name)?;
        element_count = element_count.checked_mul(dim).ok_or_else(|| {
            reader.damaged(format!("{name} has more weights than can be counted"))
        })?;
        shape.push(dim as usize);
    }
    shape.reverse();
    let kind = TensorType(reader.u32(&name)?);
    let offset = reader.u64(&name)?;
    Ok((GgufTensor { name, shape, kind, element_count, part: 0, bytes: None }, offset))
}

fn locate(
    reader: &Reader<'_>,
    tensor: &GgufTensor,
    data_start: u64,
    offset: u64,
) -> Result<Option<Range<usize>>, GgufError> {
    if tensor.kind.entry().is_none() {
        return Ok(None);
    }
    let row = tensor.shape.last().copied().unwrap_or(1) as u64;
    let name = &tensor.name;
    let kind = tensor.kind.name();
    let Some(len) = tensor.kind.byte_len(tensor.element_count, row) else {
        return Err(reader.damaged(format!(
            "{name} is {kind}, but its rows of {row} weights are not whole blocks of that type"
        )));
    };
    let total = reader.bytes.len() as u64;
    let start = data_start.checked_add(offset);
    let end = start.and_then(|start| start.checked_add(len));
    match (start, end) {
        (Some(start), Some(end)) if end <= total => Ok(Some(start as usize..end as usize)),
        _ => Err(GgufError::Truncated {
            path: reader.path.to_owned(),
            what: format!("tensor {name}"),
            at: start.unwrap_or(u64::MAX),
            needed: len,
            left: total.saturating_sub(start.unwrap_or(u64::MAX)),
        }),
    }
}

struct Reader<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,

    /// What the headers may still take in memory. A number that takes a byte in the file takes
    /// eight here, so being shorter than the file is not enough.
    budget: u64,
}

/// What the headers may take in memory beyond the file's own size.
const SPARE: u64 = 32 << 20;

/// The most arrays that may lie in each other. Files have one; a damaged one could have thousands.
const MAX_DEPTH: usize = 4;

impl<'a> Reader<'a> {
    fn damaged(&self, problem: impl Into<String>) -> GgufError {
        GgufError::Damaged { path: self.path.to_owned(), problem: problem.into() }
    }

    fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    /// Fails unless `count` things of at least `size` bytes can still follow.
    fn expect_room(&self, what: &str, count: u64, size: u64) -> Result<(), GgufError> {
        let needed = count.saturating_mul(size);
        if needed <= self.left() {
            return Ok(());
        }
        Err(GgufError::Truncated {
            path: self.path.to_owned(),
            what: what.to_owned(),
            at: self.at as u64,
            needed,
            left: self.left(),
        })
    }

    /// Fails where `count` things of `size` bytes are more than a file of this size is given.
    fn spend(&mut self, what: &str, count: u64, size: usize) -> Result<(), GgufError> {
        let cost = count.saturating_mul(size as u64);
        match self.budget.checked_sub(cost) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => Err(self.damaged(format!(
                "{what} would take {cost} bytes of memory, more than headers of such a file need"
            ))),
        }
    }

    fn take(&mut self, what: &str, len: u64) -> Result<&'a [u8], GgufError> {
        self.expect_room(what, len, 1)?;
        let taken = &self.bytes[self.at..self.at + len as usize];
        self.at += len as usize;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self, what: &str) -> Result<[u8; N], GgufError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(what, N as u64)?);
        Ok(out)
    }

    fn u32(&mut self, what: &str) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.fixed(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.fixed(what)?))
    }

    /// Bytes that are not UTF-8 become replacement characters: a name must not make a file
    /// unreadable.
    fn string(&mut self, what: &str) -> Result<String, GgufError> {
        let len = self.u64(what)?;
        // Each byte that is not UTF-8 becomes three.
        self.spend(what, len, 1)?;
        Ok(String::from_utf8_lossy(self.take(what, len)?).into_owned())
    }

    fn value(&mut self, key: &str, kind: u32) -> Result<GgufValue, GgufError> {
        if kind == 9 {
            return Ok(GgufValue::Array(self.array(key, 0)?));
        }
        if kind == 8 {
            return Ok(GgufValue::String(self.string(key)?));
        }
        let Some(width) = scalar_width(kind) else {
            return Err(self.damaged(format!("{key} has the unknown value type {kind}")));
        };
        let raw = self.take(key, width)?;
        Ok(match kind {
            1 | 3 | 5 | 11 => GgufValue::Signed(signed(raw)),
            6 | 12 => GgufValue::Float(float(raw)),
            7 => GgufValue::Bool(raw[0] != 0),
            _ => GgufValue::Unsigned(unsigned(raw)),
        })
    }

    fn array(&mut self, key: &str, depth: usize) -> Result<GgufArray, GgufError> {
        let kind = self.u32(key)?;
        let count = self.u64(key)?;
        if kind == 8 {
            self.expect_room(key, count, 8)?;
            self.spend(key, count, size_of::<String>())?;
            let mut strings = Vec::with_capacity(count as usize);
            for _ in 0..count {
                strings.push(self.string(key)?);
            }
            return Ok(GgufArray::String(strings));
        }
        if kind == 9 {
            if depth >= MAX_DEPTH {
                return Err(self.damaged(format!("{key} has arrays in arrays in arrays")));
            }
            self.expect_room(key, count, 12)?;
            self.spend(key, count, size_of::<GgufArray>())?;
            let mut arrays = Vec::new();
            for _ in 0..count {
                arrays.push(self.array(key, depth + 1)?);
            }
            return Ok(GgufArray::Array(arrays));
        }
        let Some(width) = scalar_width(kind) else {
            return Err(self.damaged(format!("{key} is an array of the unknown type {kind}")));
        };
        self.expect_room(key, count, width)?;
        self.spend(key, count, size_of::<u64>())?;
        let values = self.take(key, count * width)?.chunks_exact(width as usize);
        Ok(match kind {
            1 | 3 | 5 | 11 => GgufArray::Signed(values.map(signed).collect()),
            6 | 12 => GgufArray::Float(values.map(float).collect()),
            7 => GgufArray::Bool(values.map(|raw| raw[0] != 0).collect()),
            _ => GgufArray::Unsigned(values.map(unsigned).collect()),
        })
    }
}

/// Bytes of a number or bool of this value type.
fn scalar_width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

fn unsigned(raw: &[u8]) -> u64 {
    raw.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn signed(raw: &[u8]) -> i64 {
    let unused = 64 - 8 * raw.len() as u32;
    (unsigned(raw) << unused).cast_signed() >> unused
}

fn float(raw: &[u8]) -> f64 {
    match raw.len() {
        4 => f64::from(f32::from_bits(unsigned(raw) as u32)),
        _ => f64::from_bits(unsigned(raw)),
    }
}

#[cfg(test)]
#[path = "gguf_tests.rs"]
mod tests;
