//! Reads mixtures of experts, whether a file has their matrices one by one or all in one tensor.

use super::experts::{Expert, Experts, SharedExpert};
use super::feed::Beside;
use super::linear::Norm;
use super::loader::{Extra, Loader};
use super::mlp::{Mlp, MlpInputs};
use super::ops::RowNorm;
use crate::llm::config::{ExpertsConfig, Naming, Packing, SharedExpertConfig};
use crate::llm::error::Error;
use crate::llm::files::raw_tensor::ExpertPart;
use crate::llm::files::weights::{MatrixRequest, Weights};

impl Loader<'_> {
    pub(super) fn experts(&self, index: usize, rule: &ExpertsConfig) -> Result<Experts, Error> {
        let (config, names) = (self.config, &self.names);
        let path = |module: &str| self.path(index, module);
        let router = path(names.router);
        let vector = |name: &str| self.source.vector(name, rule.count);
        Ok(Experts {
            activation: config.activation,
            router: self.source.matrix(&MatrixRequest {
                name: &format!("{router}.weight"),
                outputs: rule.count,
                inputs: config.width,
                transposed: false,
                heads: None,
                expert: None,
                // Small, and a wrong choice shows.
                keep: if self.keep == Weights::F32 { self.keep } else { Weights::AsStored },
            })?,
            router_bias: if rule.router_bias {
                Some(vector(&format!("{router}.bias"))?)
            } else {
                None
            },
            correction: if rule.correction {
                let (name, count) = (path(names.correction), rule.count);
                Some(match config.naming {
                    Naming::Ernie => self.source.values(&name, &[1, count])?,
                    _ => vector(&name)?,
                })
            } else {
                None
            },
            router_norm: if rule.beside_mlp {
                let root = (config.width as f32).powf(-0.5);
                let mut weight = self.source.vector(&path(names.router_scale), config.width)?;
                weight.iter_mut().for_each(|weight| *weight *= root);
                let row = RowNorm::Rms { weight: weight.into(), eps: config.norm_eps };
                Some(Norm { name: router.clone(), row, has_bias: false })
            } else {
                None
            },
            expert_scales: if rule.beside_mlp {
                Some(vector(&path(names.expert_scales))?)
            } else {
                None
            },
            experts: self.each_expert(index, rule)?,
            shared: match rule.shared {
                Some(shared) => Some(self.shared_expert(index, shared)?),
                None => None,
            },
            rule: rule.clone(),
            name: router,
        })
    }

    /// Experts beside the layer's MLP.
    pub(super) fn beside(&self, index: usize, rule: &ExpertsConfig) -> Result<Beside, Error> {
        let norm = |name| self.norm(&self.path(index, name), self.config.width);
        let [after_mlp, before_experts, after_experts] = self.names.beside_norms;
        Ok(Beside {
            mlp: self.mlp(index)?,
            after_mlp: norm(after_mlp)?,
            before_experts: norm(before_experts)?,
            experts: self.experts(index, rule)?,
            after_experts: norm(after_experts)?,
        })
    }

    fn each_expert(&self, index: usize, rule: &ExpertsConfig) -> Result<Vec<Expert>, Error> {
        let (config, names) = (self.config, &self.names);
        let ExpertsConfig { count, width, packing, .. } = *rule;
        let [gate_up, down] = names.packed_experts.map(|name| self.path(index, name));
        let packed = self.source.has(&gate_up);
        let in_turn = packing == Packing::InTurn;
        let matrix = |name: &str, outputs, inputs, expert: Option<ExpertPart>| {
            self.source.matrix(&MatrixRequest {
                name,
                outputs,
                inputs,
                transposed: in_turn && expert.is_some(),
                heads: None,
                expert,
                keep: self.keep,
            })
        };
        // Gate and up in one, of which up is the second.
        let half = |expert: usize, second: usize| {
            let (first, step) = if in_turn { (second, 2) } else { (second * width, 1) };
            Some(ExpertPart { experts: count, index: expert, rows: 2 * width, first, step })
        };
        let biases = if rule.bias {
            Some([
                self.all_biases(&format!("{gate_up}_bias"), count, 2 * width)?,
                self.all_biases(&format!("{down}_bias"), count, config.width)?,
            ])
        } else {
            None
        };
        let mut experts = Vec::with_capacity(count);
        for expert in 0..count {
            let [gate, up, last] = if packed {
                let rows = config.width;
                let whole = ExpertPart { experts: count, index: expert, rows, first: 0, step: 1 };
                [
                    matrix(&gate_up, width, config.width, half(expert, 0))?,
                    matrix(&gate_up, width, config.width, half(expert, 1))?,
                    matrix(&down, config.width, width, Some(whole))?,
                ]
            } else {
                let name = |part: &str| {
                    self.path(index, &format!("{}.{expert}.{part}.weight", names.experts))
                };
                let [gate, up, down] = names.expert_parts.map(name);
                [
                    matrix(&gate, width, config.width, None)?,
                    matrix(&up, width, config.width, None)?,
                    matrix(&down, config.width, width, None)?,
                ]
            };
            let biases = biases.as_ref().map(|[gate_up, last]| {
                let both = gate_up.get(expert * 2 * width..(expert + 1) * 2 * width);
                let both = both.unwrap_or_default(); // a survey reads none
                let rows = expert * config.width..(expert + 1) * config.width;
                let last = last.get(rows).unwrap_or_default().to_vec();
                if in_turn {
                    [
                        both.iter().step_by(2).copied().collect(),
                        both.iter().skip(1).step_by(2).copied().collect(),
                        last,
                    ]
                } else {
                    let (gate, up) = both.split_at(both.len() / 2);
                    [gate.to_vec(), up.to_vec(), last]
                }
            });
            experts.push(Expert { gate, up, down: last, biases });
        }
        Ok(experts)
    }

    /// The biases of all experts, (experts, outputs).
    fn all_biases(&self, name: &str, experts: usize, outputs: usize) -> Result<Vec<f32>, Error> {
        let stored = self.source.matrix(&MatrixRequest {
            name,
            outputs: experts,
            inputs: outputs,
            transposed: false,
            heads: None,
            expert: None,
            keep: Weights::F32,
        })?;
        Ok(stored.dequantize())
    }

    fn shared_expert(
        &self,
        index: usize,
        shared: SharedExpertConfig,
    ) -> Result<SharedExpert, Error> {
        let (config, names) = (self.config, &self.names);
        if shared.is_mlp {
            return Ok(SharedExpert { mlp: self.mlp(index)?, gate: None });
        }
        let plain = Extra { bias: config.mlp_bias, heads: None };
        let linear = |part: &str, outputs, inputs| {
            let name = self.path(index, &format!("{}.{part}", names.shared_expert));
            self.linear(name, outputs, inputs, plain)
        };
        let [gate, up, down] = ["gate_proj", "up_proj", "down_proj"];
        let inputs = MlpInputs::Gated {
            gate: linear(gate, shared.width, config.width)?,
            up: linear(up, shared.width, config.width)?,
        };
        let down = linear(down, config.width, shared.width)?;
        let gate = if shared.gated {
            let plain = Extra { bias: false, heads: None };
            Some(self.linear(self.path(index, names.shared_gate), 1, config.width, plain)?)
        } else {
            None
        };
        let activation = config.activation;
        let mlp = Mlp { inputs, activation, down, scales: None, sparsity: None };
        Ok(SharedExpert { mlp, gate })
    }
}
