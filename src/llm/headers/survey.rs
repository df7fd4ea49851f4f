//! A load without its weights: which tensors it would take, whether they are there, and what they
//! would take in memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use tuning_fork_kernels::{Bytes, QMatrix};

use crate::jobs::Quiet;
use crate::llm::config::Config;
use crate::llm::error::Error;
use crate::llm::files::raw_tensor::RawTensor;
use crate::llm::files::weights::{MatrixRequest, TensorSource, WeightSource, Weights};
use crate::llm::net::loader;

/// A tensor that a model computes with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorNeed {
    /// transformers' name: `model.layers.0.self_attn.q_proj.weight`. The matrices of the experts may be
    /// parts of one tensor, and then have its name.
    pub name: String,

    /// A matrix is (outputs, inputs).
    pub shape: Vec<usize>,

    /// The type that its weights have in memory: `Q4_K`.
    pub kind: &'static str,

    /// What it takes in memory.
    pub bytes: u64,

    /// A linear layer: each token is multiplied by all of it. The embedding is none, of which a token
    /// takes one row, unless it is the head too.
    pub is_matrix: bool,
}

/// What a load would take.
pub(crate) struct Needs {
    /// What the weights will take in memory.
    pub bytes: u64,

    /// The tensors that are needed, by the names that the files have for them.
    pub used: BTreeSet<String>,

    /// The tensors in the order in which a load asks for them.
    pub tensors: Vec<TensorNeed>,
}

/// Walks through a load. Fails with every tensor that is missing, or with the first that has
/// another shape or a type that cannot be computed with.
pub(crate) fn survey(
    config: &Config,
    source: &WeightSource,
    keep: Weights,
) -> Result<Needs, Error> {
    let survey = Survey {
        source,
        bytes: Cell::new(0),
        used: RefCell::default(),
        missing: RefCell::default(),
        tensors: RefCell::default(),
    };
    loader::load(config, &survey, keep, &Quiet)?;
    let Survey { bytes, used, missing, tensors, .. } = survey;
    match missing.into_inner() {
        None => {
            let (bytes, used) = (bytes.into_inner(), used.into_inner());
            Ok(Needs { bytes, used, tensors: tensors.into_inner() })
        }
        Some(Error::MissingTensors { path, names }) => {
            if let Some(before) = put_before(source, &names) {
                let problem = format!(
                    "its tensors have {before} before their names, as {}, which torch or another program \
                     put there; transformers would start all of them with random numbers. Take it out of \
                     the names and save the file again",
                    if before.starts_with("_orig_mod") {
                        "torch.compile leaves it"
                    } else if before.starts_with("module") {
                        "DistributedDataParallel leaves it"
                    } else {
                        "a wrapped model has it"
                    }
                );
                return Err(Error::not_a_model(&path, problem));
            }
            Err(Error::MissingTensors { path, names })
        }
        Some(error) => Err(error),
    }
}

/// What stands before the names of all these tensors in the file. `None`: they are not there under such
/// names.
fn put_before(source: &WeightSource, names: &[String]) -> Option<String> {
    let WeightSource::Safetensors(files) = source else { return None };
    let first = names.first()?;
    let longer = files.names().find(|name| name.ends_with(&format!(".{first}")))?;
    let before = longer.strip_suffix(first.as_str())?.to_owned();
    let is_there = |name: &&String| {
        files.stored_name(&format!("{before}{name}")).is_some() || name.contains(' ')
    };
    names.iter().all(|name| is_there(&name)).then_some(before)
}

/// Answers with empty weights, and writes down what it was asked for.
struct Survey<'a> {
    source: &'a WeightSource,
    bytes: Cell<u64>,
    used: RefCell<BTreeSet<String>>,
    missing: RefCell<Option<Error>>,
    tensors: RefCell<Vec<TensorNeed>>,
}

impl Survey<'_> {
    /// `None`: it is missing, which is written down.
    fn find(&self, name: &str) -> Result<Option<RawTensor>, Error> {
        match self.source.look(name) {
            Ok(raw) => {
                let mut used = self.used.borrow_mut();
                used.insert(raw.name.clone());
                used.extend(raw.beside.iter().cloned());
                Ok(Some(raw))
            }
            Err(Error::MissingTensors { path, names: more }) => {
                let mut missing = self.missing.borrow_mut();
                match &mut *missing {
                    Some(Error::MissingTensors { names, .. }) => names.extend(more),
                    _ => *missing = Some(Error::MissingTensors { path, names: more }),
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn count(&self, tensor: TensorNeed) {
        self.bytes.set(self.bytes.get() + tensor.bytes);
        self.tensors.borrow_mut().push(tensor);
    }
}

impl TensorSource for Survey<'_> {
    fn matrix(&self, request: &MatrixRequest<'_>) -> Result<QMatrix, Error> {
        let MatrixRequest { name, outputs, inputs, keep, .. } = *request;
        if let Some(raw) = self.find(name)? {
            raw.expect_shape(&request.stored_shape(self.source.is_transposed(request)))?;
            let kind = keep.kind(raw.kind, inputs);
            self.count(TensorNeed {
                name: name.to_owned(),
                shape: vec![outputs, inputs],
                kind: kind.name(),
                bytes: (outputs * inputs / kind.block_len() * kind.block_bytes()) as u64,
                is_matrix: true,
            });
        }
        let nothing =
            QMatrix::new(tuning_fork_kernels::GgmlType::F32, 0, inputs, Bytes::from(vec![]));
        nothing.map_err(|err| {
            Error::not_a_model(std::path::Path::new(name), err.to_string()) // 0 bytes are 0 rows
        })
    }

    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let Some(raw) = self.find(name)? else { return Ok(Vec::new()) };
        raw.expect_values(shape)?;
        self.count(TensorNeed {
            name: name.to_owned(),
            shape: shape.to_vec(),
            kind: tuning_fork_kernels::GgmlType::F32.name(),
            bytes: (shape.iter().product::<usize>() * size_of::<f32>()) as u64,
            is_matrix: false,
        });
        Ok(Vec::new())
    }

    fn has(&self, name: &str) -> bool {
        self.source.has(name)
    }

    /// The order of rows changes no size.
    fn interleaves_heads(&self) -> bool {
        false
    }

    fn same(&self, one: &str, other: &str) -> [bool; 3] {
        self.source.same(one, other)
    }
}
