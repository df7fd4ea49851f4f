//! The decoder's parts, put together from a [`Config`] and a file of weights. How they are run:
//! `infer.rs` (fast, no graph) and `differentiable.rs` (with gradients).

use std::sync::Arc;

use super::attention::AttentionShape;
use super::linear::{Linear, Norm};
use super::ops::RowNorm;
use crate::jobs::Progress;
use crate::llm::adapter::lora::LinearInfo;
use crate::llm::config::{Config, MlpKind, Naming, NormKind, NormPlacement, QkNorm};
use crate::llm::error::Error;
use crate::llm::files::weights::{MatrixRequest, TensorSource, Weights};
use crate::llm::kernels::QMatrix;

/// All weights of a decoder.
pub(crate) struct Transformer {
    /// (vocabulary, width)
    pub embedding: QMatrix,

    /// (positions, width), where they are learned.
    pub positions: Option<QMatrix>,
    /// Shared with the graph of a batch that computes layers again.
    pub layers: Vec<Arc<Layer>>,
    pub final_norm: Norm,

    /// (vocabulary, width); the embedding itself where it is tied.
    pub head: QMatrix,
}

#[derive(Clone)]
pub(crate) struct Layer {
    pub attention_norm: Option<Norm>,
    pub qkv: Qkv,
    pub q_norm: Option<Norm>,
    pub k_norm: Option<Norm>,
    pub output: Linear,
    pub post_attention_norm: Option<Norm>,
    pub mlp_norm: Option<Norm>,
    pub mlp: Mlp,
    pub down: Linear,
    pub post_mlp_norm: Option<Norm>,
    pub attention: AttentionShape,
    pub rope: Option<usize>,
}

impl Layer {
    /// In the order in which they run.
    pub fn linears(&self) -> Vec<&Linear> {
        let mut linears = match &self.qkv {
            Qkv::Separate { q, k, v } => vec![q, k, v],
            Qkv::Fused(qkv) => vec![qkv],
        };
        linears.push(&self.output);
        match &self.mlp {
            Mlp::Gated { gate, up } => linears.extend([gate, up]),
            Mlp::GatedFused(up) | Mlp::Plain(up) => linears.push(up),
        }
        linears.push(&self.down);
        linears
    }

    /// As [`Self::linears`].
    pub fn linears_mut(&mut self) -> Vec<&mut Linear> {
        let mut linears = match &mut self.qkv {
            Qkv::Separate { q, k, v } => vec![q, k, v],
            Qkv::Fused(qkv) => vec![qkv],
        };
        linears.push(&mut self.output);
        match &mut self.mlp {
            Mlp::Gated { gate, up } => linears.extend([gate, up]),
            Mlp::GatedFused(up) | Mlp::Plain(up) => linears.push(up),
        }
        linears.push(&mut self.down);
        linears
    }
}

/// Queries, keys and values.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "one a layer, and most are the large one")]
pub(crate) enum Qkv {
    Separate { q: Linear, k: Linear, v: Linear },
    Fused(Linear),
}

/// The feed-forward part before its last matrix.
#[derive(Clone)]
pub(crate) enum Mlp {
    Gated { gate: Linear, up: Linear },
    GatedFused(Linear),
    Plain(Linear),
}

/// What a load reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadEvent {
    /// The file is being read for its SHA-256: `done` of `total` bytes.
    Hashing { done: u64, total: u64 },

    /// `done` of `total` layers are there.
    Tensors { done: usize, total: usize },
}

impl Transformer {
    pub fn load(
        config: &Config,
        source: &dyn TensorSource,
        keep: Weights,
        progress: &dyn Progress<LoadEvent>,
    ) -> Result<Self, Error> {
        let loader = Loader { config, source, keep };
        let total = config.layer_count();
        let names = loader.table_names();
        let embedding = loader.table(names[0], config.vocab_size)?;
        let positions = if config.learned_positions {
            Some(loader.table("transformer.wpe", config.context_length)?)
        } else {
            None
        };
        let mut layers = Vec::with_capacity(total);
        for index in 0..total {
            progress.check()?;
            layers.push(Arc::new(loader.layer(index)?));
            progress.emit(LoadEvent::Tensors { done: index + 1, total });
        }
        let head = if names[0] == names[1] {
            embedding.clone()
        } else {
            loader.table(names[1], config.vocab_size)?
        };
        let final_norm = match config.naming {
            Naming::Llama => loader.norm("model.norm", config.width)?,
            Naming::Gpt2 => loader.norm("transformer.ln_f", config.width)?,
        };
        Ok(Self { embedding, positions, layers, final_norm, head })
    }

    /// Every linear layer but the head, in the order in which they run.
    pub fn linears(&self) -> impl Iterator<Item = &Linear> {
        self.layers.iter().flat_map(|layer| layer.linears())
    }

    /// Whether most layers keep packed integers.
    pub fn is_packed(&self) -> bool {
        let packed =
            self.layers.iter().filter(|layer| !layer.down.weight.kind().is_dense()).count();
        2 * packed > self.layers.len()
    }

    pub fn linear_infos(&self) -> Vec<LinearInfo> {
        let infos = self.linears().map(|linear| LinearInfo {
            name: linear.name.clone(),
            outputs: linear.weight.rows(),
            inputs: linear.weight.cols(),
        });
        infos.collect()
    }
}

struct Loader<'a> {
    config: &'a Config,
    source: &'a dyn TensorSource,
    keep: Weights,
}

const HEAD: &str = "lm_head";

impl Loader<'_> {
    /// The modules that hold the embedding and the head, which are one where the head is tied.
    ///
    /// transformers ties by what it finds: a tied pair of which the file has only one half is that
    /// half twice, and a pair with different values is not tied, whatever the configuration says.
    fn table_names(&self) -> [&'static str; 2] {
        let embedding = match self.config.naming {
            Naming::Llama => "model.embed_tokens",
            Naming::Gpt2 => "transformer.wte",
        };
        if !self.config.tied_head {
            return [embedding, HEAD];
        }
        let name = |module: &str| format!("{module}.weight");
        match self.source.same(&name(embedding), &name(HEAD)) {
            [false, true, _] => [HEAD, HEAD],
            [true, true, false] => [embedding, HEAD],
            _ => [embedding, embedding],
        }
    }

    /// A module's path, by its names in the two namings.
    fn path(&self, layer: usize, llama: &str, gpt2: &str) -> String {
        match self.config.naming {
            Naming::Llama => format!("model.layers.{layer}.{llama}"),
            Naming::Gpt2 => format!("transformer.h.{layer}.{gpt2}"),
        }
    }

    /// A table of rows of the model's width.
    fn table(&self, module: &str, rows: usize) -> Result<QMatrix, Error> {
        self.source.matrix(&MatrixRequest {
            name: &format!("{module}.weight"),
            outputs: rows,
            inputs: self.config.width,
            transposed: false,
            heads: None,
            keep: self.keep.of_tables(),
        })
    }

    fn linear(
        &self,
        name: String,
        outputs: usize,
        inputs: usize,
        extra: Extra,
    ) -> Result<Linear, Error> {
        let heads = extra.heads.filter(|_| self.source.interleaves_heads());
        let weight = self.source.matrix(&MatrixRequest {
            name: &format!("{name}.weight"),
            outputs,
            inputs,
            transposed: self.config.naming == Naming::Gpt2,
            heads,
            keep: self.keep,
        })?;
        let bias = if extra.bias {
            let stored = self.source.vector(&format!("{name}.bias"), outputs)?;
            Some(match heads {
                Some(heads) => separate_heads(&stored, heads),
                None => stored,
            })
        } else {
            None
        };
        Ok(Linear { name, weight, bias })
    }

    fn norm(&self, module: &str, width: usize) -> Result<Norm, Error> {
        let eps = self.config.norm_eps;
        let mut weight = self.source.vector(&format!("{module}.weight"), width)?;
        Ok(Norm(match self.config.norm {
            NormKind::Rms => RowNorm::Rms { weight: weight.into(), eps },
            NormKind::RmsPlusOne => {
                for weight in &mut weight {
                    *weight += 1.0;
                }
                RowNorm::Rms { weight: weight.into(), eps }
            }
            NormKind::Layer => {
                let bias: Arc<[f32]> = self.source.vector(&format!("{module}.bias"), width)?.into();
                RowNorm::Layer { weight: weight.into(), bias, eps }
            }
        }))
    }

    fn layer(&self, index: usize) -> Result<Layer, Error> {
        let config = self.config;
        let path = |llama, gpt2| self.path(index, llama, gpt2);
        let norm = |llama, gpt2| self.norm(&path(llama, gpt2), config.width).map(Some);
        let (attention_norm, post_attention_norm, mlp_norm, post_mlp_norm) =
            match config.norm_placement {
                NormPlacement::Before => (
                    norm("input_layernorm", "ln_1")?,
                    None,
                    norm("post_attention_layernorm", "ln_2")?,
                    None,
                ),
                NormPlacement::After => (
                    None,
                    norm("post_attention_layernorm", "")?,
                    None,
                    norm("post_feedforward_layernorm", "")?,
                ),
                NormPlacement::Around => (
                    norm("input_layernorm", "")?,
                    norm("post_attention_layernorm", "")?,
                    norm("pre_feedforward_layernorm", "")?,
                    norm("post_feedforward_layernorm", "")?,
                ),
            };
        let (q_width, kv_width) = (config.query_width(), config.kv_width());
        let plain = |bias| Extra { bias, heads: None };
        let qkv = if config.fused_qkv {
            let name = path("self_attn.qkv_proj", "attn.c_attn");
            let outputs = q_width + 2 * kv_width;
            Qkv::Fused(self.linear(name, outputs, config.width, plain(config.qkv_bias))?)
        } else {
            let linear = |name, outputs, heads| {
                let extra = Extra { bias: config.qkv_bias, heads };
                self.linear(path(name, ""), outputs, config.width, extra)
            };
            Qkv::Separate {
                q: linear("self_attn.q_proj", q_width, Some(config.heads))?,
                k: linear("self_attn.k_proj", kv_width, Some(config.kv_heads))?,
                v: linear("self_attn.v_proj", kv_width, None)?,
            }
        };
        let (q_norm, k_norm) = match config.qk_norm {
            QkNorm::None => (None, None),
            QkNorm::PerHead | QkNorm::Whole => {
                let whole = config.qk_norm == QkNorm::Whole;
                let width = |all| if whole { all } else { config.head_dim };
                let q = self.norm(&path("self_attn.q_norm", ""), width(q_width))?;
                let k = self.norm(&path("self_attn.k_norm", ""), width(kv_width))?;
                (Some(q), Some(k))
            }
        };
        let wide = |llama, gpt2, outputs| {
            self.linear(path(llama, gpt2), outputs, config.width, plain(config.mlp_bias))
        };
        let mlp = match config.mlp {
            MlpKind::Gated => Mlp::Gated {
                gate: wide("mlp.gate_proj", "", config.mlp_width)?,
                up: wide("mlp.up_proj", "", config.mlp_width)?,
            },
            MlpKind::GatedFused => {
                Mlp::GatedFused(wide("mlp.gate_up_proj", "", 2 * config.mlp_width)?)
            }
            MlpKind::Plain => Mlp::Plain(wide("mlp.up_proj", "mlp.c_fc", config.mlp_width)?),
        };
        let down = path("mlp.down_proj", "mlp.c_proj");
        let output = path("self_attn.o_proj", "attn.c_proj");
        let kind = config.layers[index];
        Ok(Layer {
            attention_norm,
            qkv,
            q_norm,
            k_norm,
            output: self.linear(output, config.width, q_width, plain(config.output_bias))?,
            post_attention_norm,
            mlp_norm,
            mlp,
            down: self.linear(down, config.width, config.mlp_width, plain(config.mlp_bias))?,
            post_mlp_norm,
            attention: AttentionShape::of(config, &kind),
            rope: kind.rope,
        })
    }
}

/// What a linear layer has besides its shape.
#[derive(Clone, Copy)]
struct Extra {
    bias: bool,

    /// Set for q and k, whose rows llama.cpp may have reordered.
    heads: Option<usize>,
}

/// The bias that goes with reordered rows.
fn separate_heads(stored: &[f32], heads: usize) -> Vec<f32> {
    let head_dim = stored.len() / heads;
    let from = |row: usize| {
        let (head, at) = (row / head_dim, row % head_dim);
        let (half, pair) = (at / (head_dim / 2), at % (head_dim / 2));
        head * head_dim + 2 * pair + half
    };
    (0..stored.len()).map(|row| stored[from(row)]).collect()
}
