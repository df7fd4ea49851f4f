//! Reads a decoder's parts, as its [`Config`] describes them, from whatever holds its tensors.

use std::sync::Arc;

use tuning_fork_kernels::QMatrix;

use super::attention::AttentionShape;
use super::feed::Feed;
use super::linear::{Linear, Norm};
use super::mlp::{Mlp, MlpInputs};
use super::ops::RowNorm;
use super::rows::Stripes;
use super::transformer::{Adds, Layer, LoadEvent, Qkv, Transformer};
use crate::jobs::Progress;
use crate::llm::config::names::Names;
use crate::llm::config::{
    Activation, Config, MlpKind, NormKind, NormPlacement, QkNorm, QkvLayout, Xielu,
};
use crate::llm::error::Error;
use crate::llm::files::weights::{MatrixRequest, SCORE, TensorSource, Weights};

/// Reads all weights of a decoder.
pub(crate) fn load(
    config: &Config,
    source: &dyn TensorSource,
    keep: Weights,
    progress: &dyn Progress<LoadEvent>,
) -> Result<Transformer, Error> {
    Loader::new(config, source, keep).load(progress)
}

/// Whether the files have what turns hidden states into scores: a head of its own, or an embedding that
/// the configuration makes one. Models that make vectors are mostly saved without.
pub(crate) fn has_head(config: &Config, source: &dyn TensorSource) -> bool {
    let head = config.naming.names(config.norm_placement).head;
    config.tied_head || !source.lacks(&format!("{head}.weight"))
}

pub(super) struct Loader<'a> {
    pub config: &'a Config,
    pub names: Names,
    pub source: &'a dyn TensorSource,
    pub keep: Weights,
}

impl<'a> Loader<'a> {
    fn new(config: &'a Config, source: &'a dyn TensorSource, keep: Weights) -> Self {
        let names = config.naming.names(config.norm_placement);
        Self { config, names, source, keep }
    }

    fn load(&self, progress: &dyn Progress<LoadEvent>) -> Result<Transformer, Error> {
        let Self { config, names, .. } = self;
        let total = config.layer_count();
        let width = config.embedding_width.unwrap_or(config.width);
        let tables = self.table_names();
        let embedding = self.table(tables[0], config.vocab_size, width)?;
        let positions = match config.learned_positions {
            Some(skipped) => {
                let rows = skipped + config.context_length;
                Some(self.table(names.positions, rows, config.width)?)
            }
            None => None,
        };
        let embedding_norm = if config.embedding_norm {
            Some(self.norm(names.embedding_norm, config.width)?)
        } else {
            None
        };
        let projections = match config.embedding_width {
            Some(width) => Some([
                self.matrix(names.project_in, config.width, width)?,
                self.matrix(names.project_out, width, config.width)?,
            ]),
            None => None,
        };
        let per_layer = match config.per_layer_width {
            Some(length) => Some(self.per_layer_tables(length)?),
            None => None,
        };
        let streams = match config.altup {
            Some(altup) => Some(self.streams(altup)?),
            None => None,
        };
        let mut layers = Vec::with_capacity(total);
        for index in 0..total {
            progress.check()?;
            layers.push(Arc::new(self.layer(index)?));
            progress.emit(LoadEvent::Tensors { done: index + 1, total });
        }
        let head = if tables[0] == tables[1] {
            embedding.clone()
        } else {
            self.table(tables[1], config.vocab_size, width)?
        };
        let has_head = has_head(config, self.source) && !self.gives_labels();
        let head_bias = if config.head_bias && has_head {
            Some(self.source.vector(&format!("{}.bias", names.head), config.vocab_size)?)
        } else {
            None
        };
        let final_norm = match config.norm_placement {
            NormPlacement::AfterSum => None,
            _ => Some(self.norm(names.final_norm, config.width)?),
        };
        Ok(Transformer {
            embedding,
            positions,
            embedding_norm,
            projections,
            per_layer,
            streams,
            layers,
            final_norm,
            head,
            head_bias,
        })
    }

    /// The modules that hold the embedding and the head, which are one where the head is tied.
    ///
    /// transformers ties by what it finds: a tied pair of which the file has only one half is that
    /// half twice, and a pair with different values is not tied, whatever the configuration says.
    fn table_names(&self) -> [&'static str; 2] {
        let Names { embedding, head, .. } = self.names;
        if self.gives_labels() || !has_head(self.config, self.source) {
            // Labels have a head elsewhere (`encoder::ScoreHead`), vectors none: this one is not asked.
            return [embedding, embedding];
        }
        if !self.config.tied_head {
            return [embedding, head];
        }
        let name = |module: &str| format!("{module}.weight");
        match self.source.same(&name(embedding), &name(head)) {
            [false, true, _] => [head, head],
            [true, true, false] => [embedding, head],
            _ => [embedding, embedding],
        }
    }

    /// Whether the files hold a classifier: a head over one token in the place of the one that writes.
    fn gives_labels(&self) -> bool {
        self.source.has(SCORE) && !self.source.has(&format!("{}.weight", self.names.head))
    }

    /// A module of a layer by its whole path.
    pub fn path(&self, layer: usize, module: &str) -> String {
        format!("{}.{layer}.{module}", self.names.layers)
    }

    /// A table of rows.
    pub fn table(&self, module: &str, rows: usize, width: usize) -> Result<QMatrix, Error> {
        self.source.matrix(&MatrixRequest {
            name: &format!("{module}.weight"),
            outputs: rows,
            inputs: width,
            transposed: false,
            heads: None,
            expert: None,
            keep: self.keep.of_tables(),
        })
    }

    pub fn matrix(&self, module: &str, outputs: usize, inputs: usize) -> Result<QMatrix, Error> {
        self.source.matrix(&MatrixRequest {
            name: &format!("{module}.weight"),
            outputs,
            inputs,
            transposed: false,
            heads: None,
            expert: None,
            keep: self.keep,
        })
    }

    pub fn linear(
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
            transposed: self.config.naming.is_transposed(),
            heads,
            expert: None,
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

    pub fn norm(&self, module: &str, width: usize) -> Result<Norm, Error> {
        let eps = self.config.norm_eps;
        if self.config.norm == NormKind::Unit {
            return Ok(Norm::unit(width, eps));
        }
        if self.config.norm == NormKind::UnitLayer {
            let (weight, bias) = (vec![1.0; width].into(), vec![0.0; width].into());
            let row = RowNorm::Layer { weight, bias, eps };
            return Ok(Norm { name: String::new(), row, has_bias: false });
        }
        let mut weight = self.source.vector(&format!("{module}.weight"), width)?;
        let row = match self.config.norm {
            NormKind::Rms | NormKind::Unit => RowNorm::Rms { weight: weight.into(), eps },
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
            NormKind::LayerWithoutBias | NormKind::UnitLayer => {
                let bias = vec![0.0; width].into();
                RowNorm::Layer { weight: weight.into(), bias, eps }
            }
        };
        Ok(Norm { name: module.to_owned(), row, has_bias: self.config.norm == NormKind::Layer })
    }

    /// A norm of queries or keys: (heads, `head_dim`).
    fn head_norm(
        &self,
        module: &str,
        shape: &AttentionShape,
        heads: usize,
    ) -> Result<Option<Norm>, Error> {
        let (head_dim, eps) = (shape.head_dim, self.config.norm_eps);
        Ok(Some(match self.config.qk_norm {
            QkNorm::None => return Ok(None),
            QkNorm::PerHead | QkNorm::PerHeadTurned => self.norm(module, head_dim)?,
            QkNorm::Whole => self.norm(module, heads * head_dim)?,
            QkNorm::EachHeadAtOnce => {
                let name = format!("{module}.weight");
                let weights = self.source.values(&name, &[heads, head_dim])?.into();
                let row = RowNorm::LayerOfHeads { weights, head_dim, eps };
                Norm { name: module.to_owned(), row, has_bias: false }
            }
            QkNorm::EachHead => {
                let mut weights = Vec::with_capacity(heads * head_dim);
                for head in 0..heads {
                    let name = format!("{module}.norms.{head}.weight");
                    weights.extend(self.source.vector(&name, head_dim)?);
                }
                let row = RowNorm::LayerOfHeads { weights: weights.into(), head_dim, eps };
                Norm { name: format!("{module}.norms"), row, has_bias: false }
            }
        }))
    }

    fn layer(&self, index: usize) -> Result<Layer, Error> {
        let (config, names) = (self.config, &self.names);
        let path = |module: &str| self.path(index, module);
        let norm = |module: &str| self.norm(&path(module), config.width).map(Some);
        let (mut attention_norm, mut post_attention_norm) = (None, None);
        let (mut mlp_norm, mut post_mlp_norm) = (None, None);
        if !matches!(config.norm_placement, NormPlacement::After | NormPlacement::AfterSum) {
            attention_norm = norm(names.attention_norm)?;
        }
        match config.norm_placement {
            NormPlacement::Before | NormPlacement::BeforeAdding | NormPlacement::Parallel => {
                mlp_norm = norm(names.mlp_norm)?;
            }
            NormPlacement::ParallelShared => mlp_norm.clone_from(&attention_norm),
            NormPlacement::After | NormPlacement::AfterSum => {
                post_attention_norm = norm(names.post_attention_norm)?;
                post_mlp_norm = norm(names.post_mlp_norm)?;
            }
            NormPlacement::Around => {
                post_attention_norm = norm(names.post_attention_norm)?;
                mlp_norm = norm(names.mlp_norm)?;
                post_mlp_norm = norm(names.post_mlp_norm)?;
            }
        }
        let plain = |bias| Extra { bias, heads: None };
        let kind = config.layers[index];
        let shape = AttentionShape::of(config, &kind);
        let recurrent = config.recurrent.filter(|_| kind.recurrent);
        let (output_width, output_bias) = match recurrent {
            Some(recurrent) => (recurrent.output_width(config.width), recurrent.has_output_bias()),
            None if config.latent.is_some() => (config.attended_width(), config.output_bias),
            None => (shape.query_width(), config.output_bias),
        };
        Ok(Layer {
            attention_norm,
            qkv: self.qkv(index)?,
            q_norm: if kind.recurrent {
                None
            } else {
                self.head_norm(&path(names.q_norm), &shape, shape.heads)?
            },
            k_norm: if kind.keys_of.is_some() || kind.recurrent {
                None
            } else {
                self.head_norm(&path(names.k_norm), &shape, shape.kv_heads)?
            },
            v_norm: if config.value_norm {
                Some(Norm::unit(shape.head_dim, config.norm_eps))
            } else {
                None
            },
            keys_of: kind.keys_of,
            norms_turned: config.qk_norm == QkNorm::PerHeadTurned,
            head_gate: if config.head_gate && !kind.recurrent {
                let gate = path(names.head_gate);
                Some(self.linear(gate, config.heads, config.width, plain(false))?)
            } else {
                None
            },
            beside: match (config.beside_attention, config.recurrent) {
                (Some(scales), Some(recurrent)) => {
                    Some(Box::new(self.beside_attention(index, recurrent, scales)?))
                }
                _ => None,
            },
            sinks: if config.sinks {
                self.source.vector(&path(names.sinks), config.heads)?
            } else {
                Vec::new()
            },
            output: self.linear(
                path(if kind.recurrent { names.recurrent_output } else { names.output }),
                config.width,
                output_width,
                plain(output_bias),
            )?,
            post_attention_norm,
            mlp_norm,
            feed: match &config.experts {
                Some(rule) if rule.beside_mlp => Feed::Beside(Box::new(self.beside(index, rule)?)),
                Some(rule) if kind.experts => Feed::Experts(Box::new(self.experts(index, rule)?)),
                _ => Feed::Mlp(self.mlp(index)?),
            },
            post_mlp_norm,
            attention: shape,
            rope: kind.rope,
            adds: match config.norm_placement {
                NormPlacement::Parallel | NormPlacement::ParallelShared => Adds::Together,
                NormPlacement::AfterSum => Adds::InTurnNormed,
                NormPlacement::BeforeAdding => Adds::ToNormed,
                NormPlacement::Before | NormPlacement::After | NormPlacement::Around => {
                    Adds::InTurn
                }
            },
            residual_scale: config.residual_scale,
            clip_qkv: config.clip_qkv,
            per_layer: match config.per_layer_width {
                Some(length) => Some(self.per_layer(index, length)?),
                None => None,
            },
            altup: match config.altup {
                Some(altup) => Some(Box::new(self.altup(index, altup)?)),
                None => None,
            },
            scalar: if config.layer_scalars {
                self.source.vector(&path("layer_scalar"), 1)?.first().copied()
            } else {
                None
            },
        })
    }

    fn qkv(&self, index: usize) -> Result<Qkv, Error> {
        let (config, names) = (self.config, &self.names);
        if let (true, Some(kind)) = (config.layers[index].recurrent, config.recurrent) {
            return Ok(Qkv::Recurrent(Box::new(self.recurrent(index, kind)?)));
        }
        if let Some(dims) = config.latent {
            return Ok(Qkv::Latent(Box::new(self.latent(index, dims)?)));
        }
        let kind = &config.layers[index];
        let shape = AttentionShape::of(config, kind);
        let (q_width, kv_width) = (shape.query_width(), shape.kv_width());
        let linear = |module: &str, outputs, heads| {
            let extra = Extra { bias: config.qkv_bias, heads };
            self.linear(self.path(index, module), outputs, config.width, extra)
        };
        if kind.keys_of.is_some() {
            return Ok(Qkv::Queries(linear(names.q, q_width, Some(config.heads))?));
        }
        if config.attention_gate {
            return Ok(Qkv::Gated {
                q: linear(names.q, 2 * q_width, None)?,
                k: linear(names.k, kv_width, None)?,
                v: linear(names.v, kv_width, None)?,
                parts: Stripes::of([q_width; 2], config.heads),
            });
        }
        if kind.values_are_keys {
            let q = linear(names.q, q_width, Some(config.heads))?;
            return Ok(Qkv::KeysAsValues {
                q,
                k: linear(names.k, kv_width, Some(shape.kv_heads))?,
            });
        }
        let groups = match config.qkv {
            QkvLayout::Separate => {
                return Ok(Qkv::Separate {
                    q: linear(names.q, q_width, Some(config.heads))?,
                    k: linear(names.k, kv_width, Some(shape.kv_heads))?,
                    v: linear(names.v, kv_width, None)?,
                });
            }
            QkvLayout::Fused => 1,
            QkvLayout::FusedByHead => config.kv_heads,
            QkvLayout::FusedInFours => {
                let all = linear(names.qkv, q_width + 2 * kv_width, None)?;
                let [q, v, k] = Stripes::of([q_width, kv_width, kv_width], 4);
                return Ok(Qkv::Fused { all, parts: [q, k, v] });
            }
        };
        let parts = Stripes::of([q_width, kv_width, kv_width], groups);
        Ok(Qkv::Fused { all: linear(names.qkv, q_width + 2 * kv_width, None)?, parts })
    }

    pub fn mlp(&self, index: usize) -> Result<Mlp, Error> {
        let (config, names) = (self.config, &self.names);
        let mlp_width = config.layers[index].own_mlp_width.unwrap_or(config.mlp_width);
        let path = |module: &str| self.path(index, module);
        let plain = Extra { bias: config.mlp_bias, heads: None };
        let wide = |module, outputs| self.linear(path(module), outputs, config.width, plain);
        let inputs = match config.mlp {
            MlpKind::Gated => MlpInputs::Gated {
                gate: wide(names.gate, mlp_width)?,
                up: wide(names.up, mlp_width)?,
            },
            MlpKind::GatedFused => MlpInputs::GatedFused(wide(names.gate_up, 2 * mlp_width)?),
            MlpKind::Plain => MlpInputs::Plain(wide(names.up, mlp_width)?),
        };
        let activation = match config.activation {
            Activation::Xielu(_) => Activation::Xielu(self.xielu(&path("mlp.act_fn"))?),
            other => other,
        };
        let down = self.linear(path(names.down), config.width, mlp_width, plain)?;
        let sparsity = config.layers[index].sparsity;
        Ok(Mlp { inputs, activation, down, scales: config.mlp_scales, sparsity })
    }

    /// The activation's numbers, as transformers makes them from the stored ones.
    fn xielu(&self, module: &str) -> Result<Xielu, Error> {
        let stored = |name: &str| {
            let values = self.source.vector(&format!("{module}.{name}"), 1)?;
            Ok::<_, Error>(values.first().copied().unwrap_or_default()) // a survey reads none
        };
        let softplus = |x: f32| x.max(0.0) + (-x.abs()).exp().ln_1p();
        let (beta, eps) = (stored("beta")?, stored("eps")?);
        Ok(Xielu {
            positive: softplus(stored("alpha_p")?),
            negative: beta + softplus(stored("alpha_n")?),
            beta,
            eps,
        })
    }
}

/// What a linear layer has besides its shape.
#[derive(Clone, Copy)]
pub(super) struct Extra {
    pub bias: bool,

    /// Set for q and k, whose rows llama.cpp may have reordered.
    pub heads: Option<usize>,
}

/// The bias that goes with reordered rows.
fn separate_heads(stored: &[f32], heads: usize) -> Vec<f32> {
    let head_dim = stored.len() / heads;
    if head_dim < 2 {
        return stored.to_vec();
    }
    let from = |row: usize| {
        let (head, at) = (row / head_dim, row % head_dim);
        let (half, pair) = (at / (head_dim / 2), at % (head_dim / 2));
        head * head_dim + 2 * pair + half
    };
    (0..stored.len()).map(|row| stored[from(row)]).collect()
}
