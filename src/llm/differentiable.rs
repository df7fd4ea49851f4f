//! The pass with gradients: whole batches of sequences, candle's graph, an adapter that learns.
//! The same weights as `infer.rs`, and the same row arithmetic.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, D, Layout, Result, Shape, Tensor, Var};

use super::attention::attention;
use super::config::{Config, RopeTable};
use super::lora::Adapter;
use super::ops;
use super::transformer::{Layer, Mlp, Qkv, Transformer};

/// A batch whose intermediate results would take more than this keeps only what goes into each
/// layer, and computes the layer again on the way back: a third more time, a tenth of the memory.
const KEEP_UP_TO: usize = 2 << 30;

/// What a batch keeps for the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Everything,
    LayerInputs,
}

impl Keep {
    fn for_batch(config: &Config, tokens: usize) -> Self {
        // Rows of each width that one layer's operations leave behind; counted, not measured.
        let a_token = 8 * config.width
            + 3 * config.query_width()
            + 3 * config.kv_width()
            + 3 * config.mlp_width;
        let bytes = tokens * config.layer_count() * a_token * size_of::<f32>();
        if bytes > KEEP_UP_TO { Self::LayerInputs } else { Self::Everything }
    }
}

impl Transformer {
    /// ids (batch, time) -> hidden states after the final norm, (batch, time, width). `keep` is
    /// chosen by the batch's size where it is not given.
    pub fn forward(
        &self,
        config: &Config,
        ids: &Tensor,
        adapter: Option<&Adapter>,
        keep: Option<Keep>,
    ) -> Result<Tensor> {
        let (batch, time) = ids.dims2()?;
        let mut embedded = Vec::with_capacity(batch * time * config.width);
        for row in ids.to_vec2::<u32>()? {
            embedded.extend(self.embed(config, &row, 0)?);
        }
        let mut hidden = Tensor::from_vec(embedded, (batch, time, config.width), ids.device())?;
        let tables: Vec<Arc<RopeTable>> =
            config.ropes.iter().map(|rope| Arc::new(rope.table(0, time))).collect();
        let keep = keep.unwrap_or_else(|| Keep::for_batch(config, batch * time));
        for layer in &self.layers {
            let table = layer.rope.map(|rope| &tables[rope]);
            hidden = match (keep, adapter) {
                (Keep::LayerInputs, Some(adapter)) => {
                    checkpointed(layer, config, &hidden, adapter, table)?
                }
                _ => layer.forward(config, &hidden, adapter, table)?,
            };
        }
        self.final_norm.forward(&hidden)
    }

    /// Hidden rows (n, width) -> scores (n, vocabulary), with the final soft-cap.
    pub fn score_forward(&self, config: &Config, hidden: &Tensor) -> Result<Tensor> {
        let scores = ops::frozen_linear(hidden, &self.head)?;
        match config.final_softcap {
            Some(cap) => (scores / f64::from(cap))?.tanh()? * f64::from(cap),
            None => Ok(scores),
        }
    }
}

impl Layer {
    /// (batch, time, width) -> the same
    fn forward(
        &self,
        config: &Config,
        hidden: &Tensor,
        adapter: Option<&Adapter>,
        table: Option<&Arc<RopeTable>>,
    ) -> Result<Tensor> {
        let mut attended = self.attend_forward(config, hidden, adapter, table)?;
        if let Some(norm) = &self.post_attention_norm {
            attended = norm.forward(&attended)?;
        }
        let hidden = (hidden + attended)?;
        let mut fed = self.feed_forward(config, &hidden, adapter)?;
        if let Some(norm) = &self.post_mlp_norm {
            fed = norm.forward(&fed)?;
        }
        hidden + fed
    }

    fn attend_forward(
        &self,
        config: &Config,
        hidden: &Tensor,
        adapter: Option<&Adapter>,
        table: Option<&Arc<RopeTable>>,
    ) -> Result<Tensor> {
        let (batch, time, width) = hidden.dims3()?;
        let x = match &self.attention_norm {
            Some(norm) => norm.forward(hidden)?,
            None => hidden.clone(),
        };
        let x = x.reshape((batch * time, width))?;
        let (q_width, kv_width) = (config.query_width(), config.kv_width());
        let (q, k, v) = match &self.qkv {
            Qkv::Separate { q, k, v } => {
                (q.forward(&x, adapter)?, k.forward(&x, adapter)?, v.forward(&x, adapter)?)
            }
            Qkv::Fused(qkv) => {
                let all = qkv.forward(&x, adapter)?;
                (
                    all.narrow(1, 0, q_width)?,
                    all.narrow(1, q_width, kv_width)?,
                    all.narrow(1, q_width + kv_width, kv_width)?,
                )
            }
        };
        let mut q = q.contiguous()?.reshape((batch, time, q_width))?;
        let mut k = k.contiguous()?.reshape((batch, time, kv_width))?;
        let v = v.contiguous()?.reshape((batch, time, kv_width))?;
        if let Some(norm) = &self.q_norm {
            q = norm.forward(&q)?;
        }
        if let Some(norm) = &self.k_norm {
            k = norm.forward(&k)?;
        }
        if let Some(table) = table {
            q = ops::rope(&q, config.head_dim, table)?;
            k = ops::rope(&k, config.head_dim, table)?;
        }
        let out = attention(self.attention, &q, &k, &v)?;
        let out = self.output.forward(&out.reshape((batch * time, q_width))?, adapter)?;
        out.reshape((batch, time, width))
    }

    fn feed_forward(
        &self,
        config: &Config,
        hidden: &Tensor,
        adapter: Option<&Adapter>,
    ) -> Result<Tensor> {
        let (batch, time, width) = hidden.dims3()?;
        let x = match &self.mlp_norm {
            Some(norm) => norm.forward(hidden)?,
            None => hidden.clone(),
        };
        let x = x.reshape((batch * time, width))?;
        let inner = match &self.mlp {
            Mlp::Gated { gate, up } => {
                let (gate, up) = (gate.forward(&x, adapter)?, up.forward(&x, adapter)?);
                ops::gated(config.activation, &gate, &up)?
            }
            Mlp::GatedFused(gate_up) => {
                let both = gate_up.forward(&x, adapter)?;
                let gate = both.narrow(D::Minus1, 0, config.mlp_width)?;
                let up = both.narrow(D::Minus1, config.mlp_width, config.mlp_width)?;
                ops::gated(config.activation, &gate, &up)?
            }
            Mlp::Plain(up) => ops::activate(config.activation, &up.forward(&x, adapter)?)?,
        };
        self.down.forward(&inner, adapter)?.reshape((batch, time, width))
    }
}

/// Runs a layer and keeps nothing of it but its input.
///
/// candle hands a custom operation's gradient to at most three arguments, and a layer has many
/// adapter tensors. They are joined into one argument, whose gradient candle then takes apart.
fn checkpointed(
    layer: &Arc<Layer>,
    config: &Config,
    hidden: &Tensor,
    adapter: &Adapter,
    table: Option<&Arc<RopeTable>>,
) -> Result<Tensor> {
    let adapter = adapter.part(layer.linears().into_iter().map(|linear| linear.name.as_str()));
    let out = layer.forward(config, &hidden.detach(), Some(&adapter), table)?.detach();
    let vars = adapter.vars();
    if vars.is_empty() && !hidden.track_op() {
        return Ok(out);
    }
    let joined = if vars.is_empty() {
        Tensor::zeros(1, out.dtype(), out.device())?
    } else {
        let flat = vars.iter().map(|(_, var)| var.as_tensor().flatten_all());
        Tensor::cat(&flat.collect::<Result<Vec<_>>>()?, 0)?
    };
    hidden.apply_op2(
        &joined,
        Checkpoint {
            layer: Arc::clone(layer),
            config: config.clone(),
            adapter,
            table: table.map(Arc::clone),
            out,
        },
    )
}

struct Checkpoint {
    layer: Arc<Layer>,
    config: Config,
    adapter: Adapter,
    table: Option<Arc<RopeTable>>,
    out: Tensor,
}

impl CustomOp2 for Checkpoint {
    fn name(&self) -> &'static str {
        "checkpointed-layer"
    }

    fn cpu_fwd(
        &self,
        _hidden: &CpuStorage,
        _hidden_layout: &Layout,
        _joined: &CpuStorage,
        _joined_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let out = ops::with_f32(&self.out, |values| Ok(values.to_vec()))?;
        Ok((CpuStorage::F32(out), self.out.shape().clone()))
    }

    fn bwd(
        &self,
        hidden: &Tensor,
        _joined: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let input = Var::from_tensor(&hidden.detach())?;
        let out = self.layer.forward(
            &self.config,
            input.as_tensor(),
            Some(&self.adapter),
            self.table.as_ref(),
        )?;
        let gradients = (out * grad.detach())?.sum_all()?.backward()?;
        let mut parts = Vec::new();
        for (name, var) in self.adapter.vars() {
            let Some(gradient) = gradients.get(&var) else {
                candle_core::bail!("{name} got no gradient")
            };
            parts.push(gradient.flatten_all()?);
        }
        let joined = if parts.is_empty() { None } else { Some(Tensor::cat(&parts, 0)?) };
        Ok((gradients.get(&input).cloned(), joined))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use candle_core::Device;

    use super::*;
    use crate::jobs::Quiet;
    use crate::llm::card::ModelSource;
    use crate::llm::lora::LoraSpec;
    use crate::llm::model::{LoadOptions, Model};
    use crate::llm::weights::Weights;

    #[test]
    fn a_layer_computed_twice_gives_the_gradients_of_one_kept() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/models/llama");
        let options = LoadOptions { weights: Weights::F32 };
        let model = Model::load(&ModelSource::Folder(folder), &options, &Quiet).unwrap();
        let spec = LoraSpec {
            r: 2,
            lora_alpha: 4.0,
            lora_dropout: 0.0,
            use_rslora: false,
            target_modules: vec!["q_proj".to_owned(), "down_proj".to_owned()],
        };
        let adapter = Adapter::init(&model, &spec, 3).unwrap();
        for (_, var) in adapter.vars() {
            let values = (0..var.elem_count()).map(|at| (at % 7) as f32 / 40.0 - 0.06);
            let values = Tensor::from_iter(values, &Device::Cpu).unwrap();
            var.set(&values.reshape(var.shape()).unwrap()).unwrap();
        }
        let ids = Tensor::new(&[[5u32, 17, 200, 3, 44], [9, 9, 301, 8, 2]], &Device::Cpu).unwrap();
        let run = |keep| {
            let hidden =
                model.transformer().forward(model.config(), &ids, Some(&adapter), Some(keep));
            let hidden = hidden.unwrap();
            let gradients = hidden.sqr().unwrap().mean_all().unwrap().backward().unwrap();
            let of =
                |var: &Var| gradients.get(var).unwrap().flatten_all().unwrap().to_vec1::<f32>();
            let all = adapter.vars().iter().map(|(_, var)| of(var).unwrap()).collect::<Vec<_>>();
            (hidden.flatten_all().unwrap().to_vec1::<f32>().unwrap(), all)
        };
        assert_eq!(run(Keep::Everything), run(Keep::LayerInputs));
    }
}
