//! A safetensors file, written a tensor at a time: what it holds need not be in memory twice.

use std::io::{self, Write};
use std::path::Path;

use safetensors::Dtype;
use serde_json::{Map, Value, json};

use crate::files;

/// What a file says of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
}

impl Entry {
    fn byte_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

/// Writes a file whole or not at all. `bytes` hands over each tensor's, by its place, in pieces if it likes.
pub fn write(
    path: &Path,
    metadata: Map<String, Value>,
    entries: &[Entry],
    bytes: &mut dyn FnMut(usize, &mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), Value::Object(metadata));
    let mut offset = 0;
    for entry in entries {
        let end = offset + entry.byte_len();
        let dtype = match entry.dtype {
            Dtype::F32 => json!("F32"),
            Dtype::F16 => json!("F16"),
            Dtype::BF16 => json!("BF16"),
            other => json!(format!("{other:?}")),
        };
        let said = json!({ "dtype": dtype, "shape": entry.shape, "data_offsets": [offset, end] });
        header.insert(entry.name.clone(), said);
        offset = end;
    }
    let mut header = Value::Object(header).to_string();
    // Tensor data begin at a multiple of 8.
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    files::write_in_pieces(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        for (index, entry) in entries.iter().enumerate() {
            let mut counted = Counted { file: &mut *file, count: 0 };
            bytes(index, &mut counted)?;
            if counted.count != entry.byte_len() {
                let (found, name) = (counted.count, &entry.name);
                let expected = entry.byte_len();
                let problem = format!("{name} was {found} bytes long, and {expected} were said");
                return Err(io::Error::other(problem));
            }
        }
        Ok(())
    })
}

/// Writes numbers as they lie in a file, some at a time.
pub fn write_floats(values: &[f32], file: &mut dyn Write) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(1 << 16);
    for chunk in values.chunks(1 << 14) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
        file.write_all(&bytes)?;
    }
    Ok(())
}

struct Counted<'a> {
    file: &'a mut dyn Write,
    count: usize,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.count += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
