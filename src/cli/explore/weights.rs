//! What `explore attention` and `explore cross-attention` have in common: which layer is looked at, and
//! the weights of its heads as a file.

use std::path::PathBuf;

use clap::Args;

use super::rows::InputArgs;
use crate::cli::load::ModelArgs;
use crate::cli::tensor_file::TensorFile;

#[derive(Debug, Args)]
pub struct WeightsArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub input: InputArgs,

    /// Only this layer, counted from 0; of an encoder-decoder, a layer of its decoder
    #[arg(long)]
    pub layer: Option<usize>,

    /// Write the weights as safetensors: `attention.LAYER` (of an encoder-decoder `cross_attention.LAYER`)
    /// of shape (heads, tokens that look, tokens that are looked at); of several rows,
    /// `ROW.attention.LAYER`, counted from 0
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// One JSON object a row, with what each head looks at
    #[arg(long)]
    pub json: bool,
}

impl WeightsArgs {
    /// The file for the weights, if one is asked for. `shapes`: (heads, tokens, tokens) of each row, whose
    /// layers are appended one after the other.
    pub fn file(
        &self,
        name: &str,
        shapes: &[[usize; 3]],
        layers: &[usize],
    ) -> anyhow::Result<Option<TensorFile>> {
        let Some(path) = &self.out else { return Ok(None) };
        let mut tensors = Vec::new();
        for (row, shape) in shapes.iter().enumerate() {
            let row = if shapes.len() > 1 { format!("{row}.") } else { String::new() };
            let names = layers.iter().map(|layer| format!("{row}{name}.{layer}"));
            tensors.extend(names.map(|name| (name, shape.to_vec())));
        }
        TensorFile::create(path, &tensors).map(Some)
    }
}
