//! The safetensors files of a transformers folder: which of them hold the model, and where in them a
//! tensor lies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use tuning_fork_kernels::{Bytes, GgmlType};

use super::mapped::Mapped;
use super::mxfp4;
use super::packed::{self, Floats, Groups, Kind, Method, Order, Packed, Whole};
use super::raw_tensor::RawTensor;
use crate::files;
use crate::llm::error::Error;

/// The safetensors files of a folder, mapped.
pub(crate) struct SafetensorsFiles {
    folder: PathBuf,
    files: Vec<(PathBuf, Mapped)>,
    tensors: BTreeMap<String, Place>,

    /// How its weights are packed, where they are and it is known here.
    method: Option<Method>,
}

struct Place {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    range: std::ops::Range<usize>,
}

const CONFIG: &str = "config.json";
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// What transformers 5 calls modules in memory, where its files keep their old names: it also reads
/// files that were saved by the new ones.
const RENAMED: &[(&str, &str)] = &[
    (".block_sparse_moe.gate.", ".mlp.gate."),
    (".block_sparse_moe.gate.", ".mlp.router."),
    (".block_sparse_moe.input_linear.weight", ".block_sparse_moe.experts.gate_up_proj"),
    (".block_sparse_moe.output_linear.weight", ".block_sparse_moe.experts.down_proj"),
    (".block_sparse_moe.router.layer.", ".block_sparse_moe.router."),
    (".mlp.moe_statics.", ".mlp.gate.moe_statics."),
    (".self_attn.gate_proj.", ".self_attn.g_proj."),
    ("embed_out.", "lm_head."),
];

impl SafetensorsFiles {
    /// The files that a folder's weights are in, in the order of their names, as transformers chooses
    /// them: what `config.json` names, else `model.safetensors`, else the shards of its index. Where
    /// a folder was saved twice, an index may lie there that is of the other time.
    pub fn paths(folder: &Path) -> Result<Vec<PathBuf>, Error> {
        if let Some(name) = named_in_config(folder) {
            let path = folder.join(&name);
            if name.contains(['/', '\\']) || !path.is_file() {
                let problem =
                    format!("transformers_weights is {name}, and no such file is beside it");
                return Err(Error::not_a_model(&folder.join(CONFIG), problem));
            }
            return if name.ends_with(".index.json") { shards(&path) } else { Ok(vec![path]) };
        }
        let (single, index) = (folder.join(SINGLE), folder.join(INDEX));
        if single.is_file() {
            return Ok(vec![single]);
        }
        if index.is_file() {
            return shards(&index);
        }
        Err(Error::not_a_model(folder, nothing_to_load(folder)))
    }

    pub fn open(folder: &Path) -> Result<Self, Error> {
        let mut files = Vec::new();
        let mut tensors = BTreeMap::new();
        for path in Self::paths(folder)? {
            let map = Mapped::open(&path).map_err(|source| Error::read(&path, source))?;
            // Checks every length against the file's.
            let (header_len, header) = SafeTensors::read_metadata(&map)
                .map_err(|err| Error::not_a_model(&path, damaged(&path, &map, &err)))?;
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
        Ok(Self { folder: folder.to_owned(), files, tensors, method: method_of(folder) })
    }

    /// Whether another library has packed a folder's weights in a way that is unpacked here: files with changed
    /// weights cannot be written as they were.
    pub fn are_packed(folder: &Path) -> bool {
        method_of(folder).is_some()
    }

    /// The name that the files have for a tensor of transformers.
    pub fn stored_name(&self, name: &str) -> Option<&str> {
        self.place(name).map(|(stored, _)| stored.as_str())
    }

    /// The `config.json` beside the files, where it can be read.
    pub fn config(&self) -> Option<Value> {
        config(&self.folder)
    }

    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.tensors.keys()
    }

    /// Type, number of elements and bytes of every tensor, for a model's facts. Of packed weights the
    /// elements are the weights, and what lies beside them is none.
    pub fn summary(&self) -> impl Iterator<Item = (String, u64, u64)> {
        self.tensors.iter().map(|(name, place)| {
            let elements: u64 = place.shape.iter().map(|dim| *dim as u64).product();
            let bytes = place.range.len() as u64;
            let whole = match self.method {
                Some(Method::Gptq { bits, .. }) => Some((format!("GPTQ, {bits} bits"), bits)),
                Some(Method::Awq { .. }) => Some(("AWQ, 4 bits".to_owned(), 4)),
                Some(Method::Fp8 { .. }) | None => None,
            };
            match whole {
                Some((label, bits)) if name.ends_with(".qweight") => {
                    (label, elements * 32 / u64::from(bits), bytes)
                }
                Some(_) if name.ends_with(".qzeros") || name.ends_with(".g_idx") => {
                    (format!("{:?}", place.dtype), 0, bytes)
                }
                _ => (format!("{:?}", place.dtype), elements, bytes),
            }
        })
    }

    /// A tensor by transformers' name, under the name that the file has for it. Some files were
    /// saved from the decoder without its head, and lack the first word; in a model that also
    /// looks at pictures the decoder is a part, called by one of two names.
    fn place(&self, name: &str) -> Option<(&String, &Place)> {
        let inner = name.split_once('.').map_or(name, |(_, inner)| inner);
        let own = [name.to_owned(), inner.to_owned(), format!("language_model.{name}")];
        let newer = name.strip_prefix("model.").map(|rest| format!("model.language_model.{rest}"));
        let found = own.iter().chain(&newer).find_map(|name| self.tensors.get_key_value(name));
        found.or_else(|| {
            let others = RENAMED.iter().filter(|(from, _)| name.contains(from));
            others.map(|(from, to)| name.replace(from, to)).find_map(|name| self.place(&name))
        })
    }

    /// Whether a tensor is there as MXFP4's blocks.
    pub fn is_mxfp4(&self, name: &str) -> bool {
        self.place(&format!("{name}_blocks")).is_some()
    }

    /// A tensor (experts, rows, columns) that is stored as blocks and scales.
    pub fn find_mxfp4(&self, name: &str) -> Result<RawTensor, Error> {
        let bytes_of = |ending: &str| {
            let name = format!("{name}{ending}");
            let Some((stored_name, place)) = self.place(&name) else {
                return Err(Error::MissingTensors { path: self.folder.clone(), names: vec![name] });
            };
            let path = &self.files[place.file].0;
            if place.dtype != Dtype::U8 {
                let types = format!("{:?} ({name})", place.dtype);
                return Err(Error::TensorTypes { path: path.clone(), types });
            }
            Ok((stored_name, path, place.shape.clone(), self.bytes_at(place)?))
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
        let (name, path) = (stored_name.clone(), path.clone());
        let raw = RawTensor::new(name, path, GgmlType::MXFP4, shape, bytes);
        Ok(RawTensor { scales: Some(scales), ..raw })
    }

    pub fn find(&self, name: &str) -> Result<RawTensor, Error> {
        let Some((stored_name, place)) = self.place(name) else {
            if self.is_mxfp4(name) {
                return self.find_mxfp4(name);
            }
            if let Some(whole) = self.find_whole(name) {
                return whole;
            }
            let names = vec![name.to_owned()];
            return Err(Error::MissingTensors { path: self.folder.clone(), names });
        };
        let path = &self.files[place.file].0;
        let kind = match place.dtype {
            Dtype::F32 => GgmlType::F32,
            Dtype::F16 => GgmlType::F16,
            Dtype::BF16 => GgmlType::BF16,
            Dtype::F8_E4M3 => return self.find_fp8(stored_name, place),
            Dtype::F64 => {
                let (name, path) = (stored_name.clone(), path.clone());
                let narrow = narrowed(&self.bytes_at(place)?);
                return Ok(RawTensor::new(name, path, GgmlType::F32, place.shape.clone(), narrow));
            }
            other => {
                let types = format!("{other:?} ({name})");
                return Err(Error::TensorTypes { path: path.clone(), types });
            }
        };
        let (bytes, shape) = (self.bytes_at(place)?, place.shape.clone());
        let (name, path) = (stored_name.clone(), path.clone());
        Ok(RawTensor::new(name, path, kind, shape, bytes))
    }

    fn bytes_at(&self, place: &Place) -> Result<Bytes, Error> {
        let (path, map) = &self.files[place.file];
        let bytes = Bytes::from_map(map.share()).slice(place.range.clone());
        bytes.map_err(|err| Error::not_a_model(path, err.to_string()))
    }

    /// The bytes of a tensor of this type and shape.
    fn bytes_of(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<Bytes, Error> {
        let (place, bytes) = self.stored(name)?;
        let path = self.files[place.file].0.clone();
        if place.dtype != dtype {
            let types = format!("{:?} ({name})", place.dtype);
            return Err(Error::TensorTypes { path, types });
        }
        if place.shape != shape {
            let (name, found, expected) = (name.to_owned(), place.shape.clone(), shape.to_vec());
            return Err(Error::Shape { path, name, found, expected });
        }
        Ok(bytes)
    }

    fn stored(&self, name: &str) -> Result<(&Place, Bytes), Error> {
        let Some(place) = self.tensors.get(name) else {
            let names = vec![name.to_owned()];
            return Err(Error::MissingTensors { path: self.folder.clone(), names });
        };
        Ok((place, self.bytes_at(place)?))
    }

    fn floats(&self, name: &str) -> Result<(Floats, &[usize]), Error> {
        let (place, bytes) = self.stored(name)?;
        let kind = match place.dtype {
            Dtype::F32 => Kind::F32,
            Dtype::F16 => Kind::F16,
            Dtype::BF16 => Kind::Bf16,
            Dtype::U8 | Dtype::F8_E8M0 => Kind::Exponent,
            other => {
                let types = format!("{other:?} ({name})");
                return Err(Error::TensorTypes { path: self.files[place.file].0.clone(), types });
            }
        };
        Ok((Floats { bytes, kind }, &place.shape))
    }

    /// A matrix of FP8 with the scales beside it.
    fn find_fp8(&self, name: &str, place: &Place) -> Result<RawTensor, Error> {
        let path = self.files[place.file].0.clone();
        let refuse = |problem: String| Err(Error::not_a_model(&path, problem));
        let endings = ["_scale_inv", "_scale"].map(|ending| format!("{name}{ending}"));
        let Some(scale_name) = endings.iter().find(|name| self.tensors.contains_key(*name)) else {
            let names = vec![endings[0].clone()];
            return Err(Error::MissingTensors { path: self.folder.clone(), names });
        };
        let (scales, found) = self.floats(scale_name)?;
        let (&[rows, cols], grid) = (&place.shape[..], found) else {
            return refuse(format!(
                "the tensor {name} has FP8 numbers in the shape {:?}; a matrix was expected",
                place.shape
            ));
        };
        let grid = match *grid {
            [] => [1, 1],
            [count] => [count, 1],
            [rows, cols] => [rows, cols],
            _ => [0, 0],
        };
        let of_config = match self.method {
            Some(Method::Fp8 { block }) => block,
            _ => None,
        };
        let fits = |block: &[usize; 2]| [rows.div_ceil(block[0]), cols.div_ceil(block[1])] == grid;
        let divided = || {
            let fits = grid.iter().all(|count| *count > 0)
                && rows.is_multiple_of(grid[0])
                && cols.is_multiple_of(grid[1]);
            fits.then(|| [rows / grid[0], cols / grid[1]]).filter(|block| !block.contains(&0))
        };
        let Some(block) = of_config.filter(fits).or_else(divided) else {
            return refuse(format!(
                "the tensor {scale_name} has the shape {found:?}, which is no grid over the {rows} × {cols} \
                 numbers of {name}"
            ));
        };
        let bytes = self.bytes_of(name, Dtype::F8_E4M3, &place.shape)?;
        let packed = Packed::Fp8 { scales, grid, block };
        let (kind, shape) = (packed.kind(cols), place.shape.clone());
        let raw = RawTensor::new(name.to_owned(), path, kind, shape, bytes);
        Ok(RawTensor { packed: Some(packed), ..raw })
    }

    /// A matrix of whole numbers, by GPTQ or AWQ. `None`: it is not there as such.
    fn find_whole(&self, name: &str) -> Option<Result<RawTensor, Error>> {
        let (order, bits, group, adds_one) = match self.method? {
            Method::Gptq { bits, group, adds_one } => (Order::Inputs, bits, group, adds_one),
            Method::Awq { group } => (Order::OutputsInterleaved, 4, group, false),
            Method::Fp8 { .. } => return None,
        };
        let module = name.strip_suffix(".weight")?;
        let (stored_name, place) = self.place(&format!("{module}.qweight"))?;
        Some(self.whole((stored_name, place), (order, bits), group, adds_one))
    }

    fn whole(
        &self,
        (name, place): (&String, &Place),
        (order, bits): (Order, u32),
        group: Option<usize>,
        adds_one: bool,
    ) -> Result<RawTensor, Error> {
        let path = self.files[place.file].0.clone();
        let refuse = |problem: String| Err(Error::not_a_model(&path, problem));
        let per_word = (32 / bits) as usize;
        let &[rows, cols] = &place.shape[..] else {
            return refuse(format!("the tensor {name} has the shape {:?}", place.shape));
        };
        let [outputs, inputs] = match order {
            Order::Inputs => [cols, rows * per_word],
            Order::OutputsInterleaved => [cols * per_word, rows],
        };
        let run = group.unwrap_or(inputs).max(1);
        let groups = inputs.div_ceil(run);
        if inputs == 0 || !outputs.is_multiple_of(per_word) {
            return refuse(format!("the tensor {name} is of {outputs} × {inputs} weights"));
        }
        let bytes = self.bytes_of(name, Dtype::I32, &place.shape)?;
        let module = name.strip_suffix("qweight").unwrap_or(name);
        let beside = |ending: &str| format!("{module}{ending}");
        let zeros = self.bytes_of(&beside("qzeros"), Dtype::I32, &[groups, outputs / per_word])?;
        let (scales, shape) = self.floats(&beside("scales"))?;
        if shape != [groups, outputs] || scales.kind == Kind::Exponent {
            let (found, expected) = (shape.to_vec(), vec![groups, outputs]);
            return Err(Error::Shape { path, name: beside("scales"), found, expected });
        }
        let listed = if order == Order::Inputs && self.tensors.contains_key(&beside("g_idx")) {
            let of_inputs = self.bytes_of(&beside("g_idx"), Dtype::I32, &[inputs])?;
            let of_inputs = of_inputs.as_slice().as_chunks::<4>().0.iter();
            let of_inputs: Vec<u32> = of_inputs.map(|group| u32::from_le_bytes(*group)).collect();
            if let Some(group) = of_inputs.iter().find(|group| **group as usize >= groups) {
                return refuse(format!(
                    "the tensor {} names the group {group}, of {groups}",
                    beside("g_idx")
                ));
            }
            Groups::listed(of_inputs, run)
        } else {
            Groups::Runs(run)
        };
        let whole = Whole { order, bits, zeros, adds_one, scales, groups: listed };
        let packed = Packed::Whole(whole);
        let (kind, shape) = (packed.kind(inputs), vec![outputs, inputs]);
        let raw = RawTensor::new(name.clone(), path, kind, shape, bytes);
        Ok(RawTensor { packed: Some(packed), ..raw })
    }
}

/// Numbers of 64 bits as f32: no network is more exact than that.
fn narrowed(doubles: &Bytes) -> Bytes {
    let doubles = doubles.as_slice().as_chunks::<8>().0.iter();
    let narrow = doubles.flat_map(|double| (f64::from_le_bytes(*double) as f32).to_le_bytes());
    Bytes::from(narrow.collect::<Vec<u8>>())
}

/// `transformers_weights` of `config.json`: the file to read in place of the usual ones.
fn named_in_config(folder: &Path) -> Option<String> {
    Some(config(folder)?.get("transformers_weights")?.as_str()?.to_owned())
}

fn method_of(folder: &Path) -> Option<Method> {
    let config = config(folder)?;
    packed::method(packed::quantization(&config)?).ok()
}

fn config(folder: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(folder.join(CONFIG)).ok()?; // who reads it first says why not
    files::json_of_python(text.as_bytes()).ok()
}

/// The files that an index names.
fn shards(index: &Path) -> Result<Vec<PathBuf>, Error> {
    let text = std::fs::read_to_string(index).map_err(|source| Error::read(index, source))?;
    let json: Value = serde_json::from_str(&text)
        .map_err(|err| Error::not_a_model(index, files::mistake_in_json(text.as_bytes(), &err)))?;
    let Some(map) = json.get("weight_map").and_then(Value::as_object) else {
        return Err(Error::not_a_model(index, "it has no weight_map"));
    };
    let mut names: Vec<&str> = map.values().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Err(Error::not_a_model(index, "its weight_map names no file"));
    }
    if let Some(stray) = names.iter().find(|name| name.contains(['/', '\\'])) {
        let problem = format!("{stray} is not the name of a file beside it");
        return Err(Error::not_a_model(index, problem));
    }
    let folder = index.parent().unwrap_or_else(|| Path::new("."));
    let missing: Vec<&str> =
        names.iter().filter(|name| !folder.join(name).is_file()).copied().collect();
    if !missing.is_empty() {
        let problem = format!(
            "it names {} files, and these are not beside it: {}; copy or fetch them again",
            names.len(),
            missing.join(", ")
        );
        return Err(Error::not_a_model(index, problem));
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// What a folder without safetensors is, and what to do.
fn nothing_to_load(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    #[expect(clippy::case_sensitive_file_extension_comparisons, reason = "transformers' own names")]
    let pickle = names.iter().find(|name| {
        name.starts_with("pytorch_model")
            && (name.ends_with(".bin") || name.ends_with(".bin.index.json"))
    });
    if let Some(pickle) = pickle {
        return format!(
            "its weights are {pickle}, a pickle, which can run code and is not loaded; convert the \
             folder in Python: AutoModelForCausalLM.from_pretrained(\"…\").save_pretrained(\"…\") \
             writes {SINGLE}"
        );
    }
    let others: Vec<&str> =
        names.iter().filter(|name| name.ends_with(".safetensors")).map(String::as_str).collect();
    if others.is_empty() {
        return format!("it has neither {SINGLE} nor {INDEX}");
    }
    format!(
        "it has neither {SINGLE} nor {INDEX}, which transformers reads; there is {}: where that is the \
         whole model, rename it to {SINGLE}",
        others.join(", ")
    )
}

/// What is wrong with a file whose header does not fit it.
fn damaged(path: &Path, bytes: &[u8], err: &safetensors::SafeTensorError) -> String {
    if bytes.starts_with(b"version https://git-lfs") {
        return "it is a pointer of Git LFS, not the weights: fetch them with git lfs pull, or fetch \
                the model from the Hub"
            .to_owned();
    }
    let beside =
        path.file_name().is_some_and(|name| name == SINGLE) && path.with_file_name(INDEX).is_file();
    let more = if beside {
        format!("; {INDEX} beside it may be whole: it is read where {SINGLE} is not there")
    } else {
        "; fetch or save it again".to_owned()
    };
    format!("it is cut short or damaged: {err}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::write_atomic;

    /// A file with one tensor of one number.
    fn weights(value: f32) -> Vec<u8> {
        let header = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(value.to_le_bytes());
        bytes
    }

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            write_atomic(&folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn value(folder: &Path) -> Result<f32, String> {
        let files = SafetensorsFiles::open(folder).map_err(|err| err.to_string())?;
        let raw = files.find("a").map_err(|err| err.to_string())?;
        Ok(f32::from_le_bytes(raw.bytes.as_slice().try_into().unwrap()))
    }

    const BOTH: &[u8] = br#"{"weight_map":{"a":"model-00001-of-00001.safetensors"}}"#;

    /// `_get_resolved_checkpoint_files` of transformers 5.23.
    #[test]
    fn the_file_is_read_that_transformers_reads() {
        let (one, two) = (weights(1.0), weights(2.0));
        let shard = "model-00001-of-00001.safetensors";
        let both = folder(&[(SINGLE, &one), (INDEX, BOTH), (shard, &two)]);
        assert_eq!(value(both.path()), Ok(1.0), "the single file comes before the index");
        let stale = folder(&[(SINGLE, &one), (INDEX, BOTH)]);
        assert_eq!(value(stale.path()), Ok(1.0), "an index of files that are gone");
        let sharded = folder(&[(INDEX, BOTH), (shard, &two)]);
        assert_eq!(value(sharded.path()), Ok(2.0));
        let pickled = folder(&[(SINGLE, &one), ("pytorch_model.bin", b"P")]);
        assert_eq!(value(pickled.path()), Ok(1.0));
        let config = br#"{"transformers_weights":"other.safetensors"}"#;
        let named = folder(&[(CONFIG, config), (SINGLE, &one), ("other.safetensors", &two)]);
        assert_eq!(value(named.path()), Ok(2.0));
    }

    #[test]
    fn what_cannot_be_loaded_is_said_with_what_to_do() {
        let one = weights(1.0);
        let cut = &one[..one.len() - 2];
        for (files, said) in [
            (vec![("pytorch_model.bin", b"P".as_slice())], "a pickle"),
            (vec![("pytorch_model.bin.index.json", b"{}".as_slice())], "save_pretrained"),
            (vec![(INDEX, BOTH)], "these are not beside it: model-00001-of-00001.safetensors"),
            (vec![(SINGLE, cut)], "cut short"),
            (vec![(SINGLE, cut), (INDEX, BOTH)], "is read where model.safetensors is not there"),
            (vec![(SINGLE, b"".as_slice())], "cut short"),
            (
                vec![(SINGLE, b"version https://git-lfs.github.com/spec/v1\n".as_slice())],
                "git lfs pull",
            ),
            (vec![("consolidated.safetensors", one.as_slice())], "rename it to model.safetensors"),
            (vec![], "neither"),
        ] {
            let folder = folder(&files);
            let error = value(folder.path()).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
