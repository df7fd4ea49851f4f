//! An adapter as PEFT's folder: the stable subset that every version of PEFT reads.

use std::collections::HashMap;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::peft_folder::{CONFIG, WEIGHTS};
use super::peft_tensors::PREFIX;
use super::score_head;
use super::soft;
use crate::files;
use crate::llm::adapter::lora::{Adapter, Dora, HEAD, LoraPair};
use crate::llm::adapter::modules::peft_name;
use crate::llm::adapter::score_head::{SCORE_HEAD, ScoreHead};
use crate::llm::card::{AdapterCard, ModelIdentity};
use crate::llm::error::Error;
use crate::llm::net::ops::with_f32;

impl Adapter {
    /// Writes a PEFT folder, each file whole or not at all, the weights last. `base` is the model
    /// that the adapter belongs to. Returns the card of what was written.
    pub fn save(&self, folder: &Path, base: &ModelIdentity) -> Result<AdapterCard, Error> {
        if !self.laid.is_empty() {
            let problem = format!(
                "{}: it is not written again here; its own folder can be copied as it is",
                self.config.not_trained()
            );
            return Err(Error::adapter(&self.path, problem));
        }
        let mut parts = Vec::new();
        let bytes =
            |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let pairs = self.pairs.iter().map(|(module, pair)| (peft_name(module, self.decoder), pair));
        let beside = self.beside.iter().map(|(module, pair)| (module.clone(), pair));
        for (module, LoraPair { a, b, dora, .. }) in pairs.chain(beside) {
            let of_table = module == peft_name(self.embedding, self.decoder);
            let names = if of_table {
                ["lora_embedding_A", "lora_embedding_B"]
            } else {
                ["lora_A.weight", "lora_B.weight"]
            };
            for (part, var) in names.into_iter().zip([a, b]) {
                let bytes = with_f32(var.as_tensor(), |values| Ok(bytes(values)))?;
                parts.push((format!("{PREFIX}{module}.{part}"), var.dims().to_vec(), bytes));
            }
            if let Some(Dora { magnitude, .. }) = dora {
                let name = format!("{PREFIX}{module}.lora_magnitude_vector");
                let bytes = with_f32(magnitude.as_tensor(), |values| Ok(bytes(values)))?;
                parts.push((name, vec![magnitude.elem_count()], bytes));
            }
        }
        for (module, bias) in &self.biases {
            let layer = if self.pairs.contains_key(module) { ".base_layer" } else { "" };
            let name = format!("{PREFIX}{}{layer}.bias", peft_name(module, self.decoder));
            let bytes = with_f32(bias.as_tensor(), |values| Ok(bytes(values)))?;
            parts.push((name, vec![bias.elem_count()], bytes));
        }
        let tables = [(HEAD, &self.tables.head), (self.embedding, &self.tables.embedding)];
        for (module, table) in tables {
            if let Some(table) = table {
                let name = format!("{PREFIX}{}.weight", peft_name(module, self.decoder));
                parts.push((name, vec![table.rows(), table.cols()], bytes(&table.dequantize())));
            }
        }
        if let Some(ScoreHead { weight, .. }) = &self.score {
            let bytes = with_f32(weight.as_tensor(), |values| Ok(bytes(values)))?;
            parts.push((format!("{PREFIX}{SCORE_HEAD}.weight"), weight.dims().to_vec(), bytes));
        }
        if let Some(soft) = &self.soft {
            parts.push(soft::part(soft)?);
        }
        let views = parts.iter().map(|(name, shape, bytes)| {
            TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name, view))
        });
        let unwritable =
            |err: safetensors::SafeTensorError| Error::adapter(folder, err.to_string());
        let views = views.collect::<Result<Vec<_>, _>>().map_err(unwritable)?;
        let header = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let weights = safetensors::serialize(views, Some(header)).map_err(unwritable)?;
        let mut config = serde_json::to_string_pretty(&self.config.to_json(base))
            .map_err(|err| Error::adapter(folder, err.to_string()))?;
        config.push('\n');
        let facts = self.score.as_ref().map(|head| serde_json::to_vec_pretty(&head.facts));
        let facts = facts.transpose().map_err(|err| Error::adapter(folder, err.to_string()))?;
        let facts = facts.iter().map(|bytes| (score_head::FILE, bytes.as_slice()));
        let others = [(CONFIG, config.as_bytes()), (WEIGHTS, &weights)];
        for (name, bytes) in facts.chain(others) {
            let path = folder.join(name);
            files::write_atomic(&path, bytes)
                .map_err(|source| Error::Write { path: path.clone(), source })?;
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sha256 = files::sha256_of_bytes(&weights);
        Ok(AdapterCard { name, path: folder.to_owned(), sha256, ..self.card() })
    }
}
