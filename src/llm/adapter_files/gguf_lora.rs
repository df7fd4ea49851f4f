//! An adapter as a GGUF file, for llama.cpp (`--lora`). Layout: GGUF version 3, and what
//! llama.cpp's `convert_lora_to_gguf.py` writes. Reading one: see `gguf_lora_read.rs`.

use std::path::Path;

use candle_core::Result as TensorResult;

use super::soft;
use crate::files;
use crate::llm::adapter::lora::{Adapter, LoraPair};
use crate::llm::adapter::low_rank::LowRank;
use crate::llm::config::Config;
use crate::llm::error::Error;
use crate::llm::files::gguf_tensors;
use crate::llm::net::ops::with_f32;

/// Tensor data begin at a multiple of this, and so does each tensor (`general.alignment`).
const ALIGNMENT: usize = 32;

/// GGUF's numbers for the types of values and tensors that are written here.
const FLOAT32: u32 = 6;
const STRING: u32 = 8;
const TENSOR_F32: u32 = 0;

/// A tensor as it goes into the file: `dims` as ggml counts them, the innermost first.
struct Part {
    name: String,
    dims: [usize; 2],
    values: Vec<f32>,
}

/// Writes `adapter`, which belongs to a model with `config`, as one file, whole or not at all.
///
/// llama.cpp scales every layer by `alpha / rank`. Where ours are scaled otherwise (rsLoRA,
/// `alpha_pattern`), the difference goes into B. What a start took out of a layer becomes further
/// ranks. `DoRA` cannot be said in such a file.
pub fn write(adapter: &Adapter, config: &Config, path: &Path) -> Result<(), Error> {
    soft::check_none(adapter, "llama.cpp's files of adapters cannot hold it")?;
    let architecture = architecture(config);
    // 0 would mean to llama.cpp that B is scaled already.
    let alpha = Some(adapter.config().lora_alpha).filter(|alpha| *alpha != 0.0).unwrap_or(1.0);
    if adapter.tables.embedding.is_some() || adapter.tables.head.is_some() {
        let problem = "modules_to_save: llama.cpp's files cannot hold whole tables; export it as a \
                       merged model";
        return Err(Error::adapter(adapter.path(), problem));
    }
    if adapter.score.is_some() {
        let problem = "modules_to_save: llama.cpp's files of adapters cannot hold its score head; use the \
                       PEFT folder as it is";
        return Err(Error::adapter(adapter.path(), problem));
    }
    if !adapter.laid.is_empty() {
        let problem = format!(
            "{}: llama.cpp's files of adapters hold LoRA of layers, and nothing else; export it as a merged model",
            adapter.config().not_trained()
        );
        return Err(Error::adapter(adapter.path(), problem));
    }
    if !adapter.biases.is_empty() {
        let problem = "it has trained biases, which llama.cpp's files of adapters cannot hold; export it as a \
                       merged model";
        return Err(Error::adapter(adapter.path(), problem));
    }
    if adapter.pairs.contains_key(adapter.embedding) {
        let problem = "embed_tokens is among its target_modules: llama.cpp's files of adapters change layers \
                       only; export it as a merged model";
        return Err(Error::adapter(adapter.path(), problem));
    }
    let mut parts = Vec::with_capacity(2 * adapter.pairs.len());
    for (module, LoraPair { a, b, scale, taken, dora }) in &adapter.pairs {
        if dora.is_some() {
            let problem =
                "use_dora = true: llama.cpp's files cannot say it; export it as a merged model";
            return Err(Error::adapter(adapter.path(), problem));
        }
        let name = gguf_tensors::gguf_name(&format!("{module}.weight"), Some(architecture));
        let name = name.ok_or_else(|| {
            let problem = format!(
                "llama.cpp has no name for {module}, or holds it in another order: export a merged model"
            );
            Error::adapter(adapter.path(), problem)
        })?;
        let (own_rank, inputs) = a.dims2()?;
        let outputs = b.dims()[0];
        let rank = own_rank + taken.as_ref().map_or(0, |taken| taken.rank);
        let extra = rank as f64 / alpha;
        let (mut a, mut b) = (values(a)?, scaled(&values(b)?, scale * extra));
        if let Some(taken) = taken {
            a.extend(&taken.a);
            b = beside(&b, own_rank, &LowRank { b: scaled(&taken.b, -extra), ..taken.clone() });
        }
        if let Some(heads) = interleaved_heads(config, architecture, module) {
            b = interleave(&b, heads, rank);
        }
        let part = |ending, dims, values| Part { name: format!("{name}.{ending}"), dims, values };
        parts.push(part("lora_a", [inputs, rank], a));
        parts.push(part("lora_b", [rank, outputs], b));
    }
    let file = encode(architecture, alpha as f32, &parts);
    files::write_atomic(path, &file)
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn values(tensor: &candle_core::Tensor) -> TensorResult<Vec<f32>> {
    with_f32(tensor, |values| Ok(values.to_vec()))
}

fn scaled(values: &[f32], by: f64) -> Vec<f32> {
    values.iter().map(|value| (f64::from(*value) * by) as f32).collect()
}

/// Rows of `rank` values, each with a row of another factor's B behind it.
fn beside(b: &[f32], rank: usize, other: &LowRank) -> Vec<f32> {
    let rows = b.chunks_exact(rank).zip(other.b.chunks_exact(other.rank));
    rows.flat_map(|(one, other)| one.iter().chain(other)).copied().collect()
}

/// llama.cpp's name for the family.
pub(super) fn architecture(config: &Config) -> &str {
    gguf_tensors::gguf_architecture(&config.architecture).unwrap_or(&config.architecture)
}

/// The heads whose rows llama.cpp has in another order: pairs that turn together lie side by side.
pub(super) fn interleaved_heads(
    config: &Config,
    architecture: &str,
    module: &str,
) -> Option<usize> {
    if !gguf_tensors::has_interleaved_heads(architecture) {
        return None;
    }
    match module.rsplit('.').next()? {
        "q_proj" => Some(config.heads),
        "k_proj" => Some(config.kv_heads),
        _ => None,
    }
}

/// Rows of `columns` values, reordered within each head from (half, pair) to (pair, half).
fn interleave(rows: &[f32], heads: usize, columns: usize) -> Vec<f32> {
    let count = rows.len() / columns;
    let head_dim = count / heads;
    let from = |row: usize| {
        let (head, at) = (row / head_dim, row % head_dim);
        head * head_dim + (at % 2) * (head_dim / 2) + at / 2
    };
    (0..count).flat_map(|row| rows[from(row) * columns..][..columns].iter().copied()).collect()
}

fn encode(architecture: &str, alpha: f32, parts: &[Part]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(b"GGUF");
    file.extend(3_u32.to_le_bytes());
    file.extend((parts.len() as u64).to_le_bytes());
    let strings = [
        ("general.type", "adapter"),
        ("general.architecture", architecture),
        ("adapter.type", "lora"),
    ];
    file.extend((strings.len() as u64 + 1).to_le_bytes());
    for (key, value) in strings {
        put_text(&mut file, key);
        file.extend(STRING.to_le_bytes());
        put_text(&mut file, value);
    }
    put_text(&mut file, "adapter.lora.alpha");
    file.extend(FLOAT32.to_le_bytes());
    file.extend(alpha.to_le_bytes());
    let mut offset = 0_usize;
    for Part { name, dims, values } in parts {
        put_text(&mut file, name);
        file.extend((dims.len() as u32).to_le_bytes());
        for dim in dims {
            file.extend((*dim as u64).to_le_bytes());
        }
        file.extend(TENSOR_F32.to_le_bytes());
        file.extend((offset as u64).to_le_bytes());
        offset = (offset + size_of_val(values.as_slice())).next_multiple_of(ALIGNMENT);
    }
    for Part { values, .. } in parts {
        file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
        file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    file
}

fn put_text(file: &mut Vec<u8>, text: &str) {
    file.extend((text.len() as u64).to_le_bytes());
    file.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_that_turn_together_come_to_lie_side_by_side() {
        // two heads of four rows, one column: rows 0 and 2 turn together, and 1 and 3
        let rows: Vec<f32> = (0..8).map(|row| row as f32).collect();
        assert_eq!(interleave(&rows, 2, 1), [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
        let two_columns: Vec<f32> = (0..8).map(|value| value as f32).collect();
        assert_eq!(interleave(&two_columns, 1, 2), [0.0, 1.0, 4.0, 5.0, 2.0, 3.0, 6.0, 7.0]);
    }
}
