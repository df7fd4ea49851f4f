//! The reference folders, and how numbers are compared.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, IndexOp as _, Tensor};
use serde_json::Value;

pub struct Reference {
    pub folder: PathBuf,
    tensors: HashMap<String, Tensor>,
    pub said: Value,
}

impl Reference {
    pub fn open(name: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoders");
        let folder = root.join(name);
        let path = folder.join("expected.safetensors");
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        let said = std::fs::read(folder.join("expected.json")).unwrap();
        Self { folder, tensors, said: serde_json::from_slice(&said).unwrap() }
    }

    /// A tensor, or a part of it.
    pub fn values(&self, name: &str, at: &[usize]) -> Vec<f32> {
        let mut part = self.tensors[name].to_dtype(DType::F32).unwrap();
        for index in at {
            part = part.i(*index).unwrap();
        }
        part.flatten_all().unwrap().to_vec1().unwrap()
    }

    pub fn ids(&self, name: &str, at: &[usize]) -> Vec<u32> {
        self.values(name, at).into_iter().map(|id| id as u32).collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    pub fn size(&self, name: &str, dimension: usize) -> usize {
        self.tensors[name].dims()[dimension]
    }

    /// The texts of a row.
    pub fn texts(&self, row: usize) -> (String, Option<String>) {
        let row = &self.said["rows"][row];
        (row["text"].as_str().unwrap().to_owned(), row["pair"].as_str().map(str::to_owned))
    }

    pub fn row_ids(&self, row: usize) -> Vec<u32> {
        let ids = self.said["rows"][row]["input_ids"].as_array().unwrap();
        ids.iter().map(|id| id.as_u64().unwrap() as u32).collect()
    }
}

#[track_caller]
pub fn assert_close(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (at, (one, other)) in ours.iter().zip(theirs).enumerate() {
        assert!(
            (one - other).abs() <= 1e-4,
            "{what}: value {at} is {one}, and {other} was expected"
        );
    }
}

/// As far as the first token that ends an answer, without it.
pub fn until(ids: &[u32], end: u32) -> Vec<u32> {
    ids.iter().copied().take_while(|id| *id != end).collect()
}
