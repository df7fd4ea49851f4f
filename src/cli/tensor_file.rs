//! A safetensors file that is written front to back, since what goes into it would not fit in memory
//! beside a model.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use crate::files;

/// Tensors of f32 under their names, in the order in which they are appended. The file is there once
/// it is whole.
pub struct TensorFile {
    path: PathBuf,
    file: BufWriter<tempfile::NamedTempFile>,
}

impl TensorFile {
    /// Begins a file of these tensors: names and shapes.
    pub fn create(path: &Path, tensors: &[(String, Vec<usize>)]) -> anyhow::Result<Self> {
        let mut header = serde_json::Map::new();
        let mut offset = 0;
        for (name, shape) in tensors {
            let end = offset + shape.iter().product::<usize>() * size_of::<f32>();
            let tensor = json!({ "dtype": "F32", "shape": shape, "data_offsets": [offset, end] });
            header.insert(name.clone(), tensor);
            offset = end;
        }
        let mut header = serde_json::to_string(&header)?;
        // Readers map the data as f32, so it has to begin at a multiple of 8.
        header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        let file = files::folders::make(folder)
            .and_then(|()| tempfile::Builder::new().prefix(".writing-").tempfile_in(folder))
            .with_context(|| format!("{} could not be written", path.display()))?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// The next values, of a tensor or of a part of it.
    pub fn append(&mut self, values: &[f32]) -> anyhow::Result<()> {
        for value in values {
            self.file.write_all(&value.to_le_bytes())?;
        }
        Ok(())
    }

    pub fn finish(self) -> anyhow::Result<()> {
        let file = self.file.into_inner().map_err(|error| error.into_error())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // A temporary file is private; what it becomes is a document like any other.
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.persist(&self.path)
            .with_context(|| format!("{} could not be written", self.path.display()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_written_as_safetensors_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/logits.safetensors");
        let tensors = [("logits.0".to_owned(), vec![2, 3]), ("logits.1".to_owned(), vec![1, 3])];
        let mut file = TensorFile::create(&path, &tensors).unwrap();
        file.append(&[0.0, 1.0, 2.0]).unwrap();
        file.append(&[3.0, 4.0, 5.0, 6.0, 7.0, 8.5]).unwrap();
        file.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.tensor("logits.0").unwrap().shape(), [2, 3]);
        let second = tensors.tensor("logits.1").unwrap();
        assert_eq!(second.data()[8..], 8.5_f32.to_le_bytes());
    }
}
