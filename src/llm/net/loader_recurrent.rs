//! Reads recurrent layers.

use super::loader::{Extra, Loader};
use super::recurrent::{Beside, Conv, DeltaInputs, DeltaNet, Mamba2, Recurrent, ShortConv};
use super::rows::Stripes;
use crate::llm::config::{BesideAttention, MambaDims, MambaNorm, RecurrentConfig};
use crate::llm::error::Error;

impl Loader<'_> {
    pub(super) fn recurrent(
        &self,
        index: usize,
        kind: RecurrentConfig,
    ) -> Result<Recurrent, Error> {
        let (width, eps) = (self.config.width, self.config.norm_eps);
        let path = |part: &str| self.path(index, &format!("{}.{part}", self.names.recurrent));
        let linear = |part: &str, outputs, bias| {
            self.linear(path(part), outputs, width, Extra { bias, heads: None })
        };
        match kind {
            RecurrentConfig::Mamba2(dims) => Ok(Recurrent::Mamba2(self.mamba2(index, dims)?)),
            RecurrentConfig::ShortConv { kernel, bias } => Ok(Recurrent::ShortConv(ShortConv {
                inputs: linear("in_proj", 3 * width, bias)?,
                conv: self.conv(&path("conv"), width, kernel, bias)?,
            })),
            RecurrentConfig::DeltaNet {
                kernel,
                key_heads,
                value_heads,
                key_dim,
                value_dim,
                by_head,
            } => {
                let (keys, values) = (key_heads * key_dim, value_heads * value_dim);
                let inputs = if by_head {
                    DeltaInputs::ByHead {
                        qkvz: linear("in_proj_qkvz", 2 * keys + 2 * values, false)?,
                        ba: linear("in_proj_ba", 2 * value_heads, false)?,
                        parts: Stripes::of([keys, keys, values, values], key_heads),
                        small: Stripes::of([value_heads; 2], key_heads),
                    }
                } else {
                    DeltaInputs::Separate {
                        all: [
                            linear("in_proj_qkv", 2 * keys + values, false)?,
                            linear("in_proj_z", values, false)?,
                            linear("in_proj_b", value_heads, false)?,
                            linear("in_proj_a", value_heads, false)?,
                        ],
                    }
                };
                let vector = |part: &str, len| self.source.vector(&path(part), len);
                let mut decay = vector("A_log", value_heads)?;
                decay.iter_mut().for_each(|log| *log = log.exp());
                Ok(Recurrent::DeltaNet(DeltaNet {
                    inputs,
                    conv: self.conv(&path("conv1d"), 2 * keys + values, kernel, false)?,
                    decay,
                    decay_bias: vector("dt_bias", value_heads)?,
                    norm: vector("norm.weight", value_dim)?,
                    norm_eps: eps,
                    activation: self.config.activation,
                    key_heads,
                    value_heads,
                    key_dim,
                    value_dim,
                }))
            }
        }
    }

    /// The recurrent layer beside attention.
    pub(super) fn beside_attention(
        &self,
        index: usize,
        kind: RecurrentConfig,
        scales: BesideAttention,
    ) -> Result<Beside, Error> {
        let width = self.config.width;
        Ok(Beside {
            recurrent: self.recurrent(index, kind)?,
            output: self.linear(
                self.path(index, self.names.recurrent_output),
                width,
                kind.output_width(width),
                Extra { bias: kind.has_output_bias(), heads: None },
            )?,
            scales,
        })
    }

    fn mamba2(&self, index: usize, dims: MambaDims) -> Result<Mamba2, Error> {
        let MambaDims { kernel, heads, head_dim, state, groups, conv_bias, bias, .. } = dims;
        let path = |part: &str| self.path(index, &format!("{}.{part}", self.names.recurrent));
        let inner = heads * head_dim;
        let seen = inner + 2 * groups * state;
        let extra = Extra { bias, heads: None };
        let vector = |part: &str, len| self.source.vector(&path(part), len);
        let mut decay = vector("A_log", heads)?;
        decay.iter_mut().for_each(|log| *log = log.exp());
        Ok(Mamba2 {
            inputs: self.linear(path("in_proj"), inner + seen + heads, self.config.width, extra)?,
            conv: self.conv(&path("conv1d"), seen, kernel, conv_bias)?,
            decay,
            step_bias: vector("dt_bias", heads)?,
            skip: vector("D", heads)?,
            norm: match dims.norm {
                MambaNorm::None => Vec::new(),
                MambaNorm::BeforeGate | MambaNorm::AfterGate => vector("norm.weight", inner)?,
            },
            norm_at: dims.norm,
            norm_eps: self.config.norm_eps,
            activation: self.config.activation,
            steps: dims.steps,
            scales: dims.scales,
            heads,
            head_dim,
            state,
            groups,
        })
    }

    fn conv(
        &self,
        module: &str,
        channels: usize,
        kernel: usize,
        bias: bool,
    ) -> Result<Conv, Error> {
        let weight = self.source.values(&format!("{module}.weight"), &[channels, 1, kernel])?;
        let bias = if bias {
            Some(self.source.vector(&format!("{module}.bias"), channels)?)
        } else {
            None
        };
        Ok(Conv { weight, bias, kernel })
    }
}
