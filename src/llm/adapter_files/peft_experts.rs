//! LoRA of a mixture's experts and router. PEFT lays it over whole parameters (`target_parameters`): the
//! experts of a layer are one, and A and B are those of all experts in one. Before transformers 5 each expert
//! had layers of its own, and such files are read too.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;

use super::peft_tensors::Found;
use crate::llm::adapter::laid::{LaidExpert, LaidMixture};
use crate::llm::adapter::low_rank::LowRank;
use crate::llm::adapter::modules::present_name;
use crate::llm::adapter::peft_config::{PeftConfig, Start};
use crate::llm::adapter::spec::scale;
use crate::llm::config::Packing;
use crate::llm::error::Error;
use crate::llm::model::Model;
use crate::llm::net::experts::Experts;
use crate::llm::net::ops::with_f32;

/// What an adapter changes of a model's mixtures, as it is found.
pub(super) struct Mixtures<'a> {
    config: PeftConfig,
    model: &'a Model,
    found: BTreeMap<String, LaidMixture>,
    numbers: u64,

    /// For error messages.
    path: &'a Path,
}

/// What of a mixture a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Router,

    /// All experts, and how many of PEFT's wrappers lie around this one.
    Stacked {
        depth: usize,
    },

    /// The gate, up or down matrix of one expert.
    One {
        expert: usize,
        part: usize,
    },
}

/// The parameters of the experts in the order in which transformers' classes have them. PEFT wraps them in
/// that order, so that the first lies innermost.
const STACKED: [&str; 2] = ["gate_up_proj", "down_proj"];

/// PEFT's names for what it has wrapped.
const WRAPPED: &str = ".base_layer";

impl<'a> Mixtures<'a> {
    pub fn new(config: &PeftConfig, model: &'a Model, path: &'a Path) -> Self {
        Self { config: config.clone(), model, found: BTreeMap::new(), numbers: 0, path }
    }

    /// How many numbers the file has for them.
    pub fn numbers(&self) -> u64 {
        self.numbers
    }

    /// All that was taken, by the routers' module paths.
    pub fn laid(self) -> Result<BTreeMap<String, LaidMixture>, Error> {
        let Self { config, found, path, .. } = self;
        if !found.is_empty() && (config.use_dora || config.start != Start::Plain) {
            let problem = "it changes experts or routers, with DoRA or a start that changes their weights: PEFT \
                           has neither for them";
            return Err(Error::adapter(path, problem));
        }
        Ok(found)
    }

    /// Takes a module of a mixture. `false`: it is none.
    pub fn take(&mut self, found: &Found, module: &str) -> Result<bool, Error> {
        let model = self.model;
        let layer = module.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.'));
        let layer = layer.and_then(|(number, rest)| Some((number.parse::<usize>().ok()?, rest)));
        let Some((layer, rest)) = layer else { return Ok(false) };
        let Some(experts) = model.transformer()?.mixture(layer) else { return Ok(false) };
        let Some(place) = place(rest, &experts.name) else { return Ok(false) };
        self.check_plain(found)?;
        let (a, b) = found.both(self.path)?;
        let theirs = present_name(found.written.trim_end_matches(WRAPPED));
        match place {
            Place::Router => {
                let by_parameter = format!("{theirs}.weight");
                let key = if self.config.takes_parameter(&by_parameter) {
                    &by_parameter
                } else {
                    &theirs
                };
                self.check_meant(&theirs, found)?;
                let sizes = [experts.router.rows(), experts.router.cols()];
                let low = self.low((a, b), key, sizes, found)?;
                self.mixture(experts).router = Some(low);
            }
            Place::One { expert, part } => {
                self.check_meant(&theirs, found)?;
                let Some(own) = experts.experts.get(expert) else {
                    let problem = format!(
                        "{} is of expert {expert}, and the model has {}",
                        found.written,
                        experts.experts.len()
                    );
                    return Err(Error::adapter(self.path, problem));
                };
                let matrix = [&own.gate, &own.up, &own.down][part];
                let low = self.low((a, b), &theirs, [matrix.rows(), matrix.cols()], found)?;
                let laid = &mut self.mixture(experts).experts[expert];
                *[&mut laid.gate, &mut laid.up, &mut laid.down][part] = Some(low);
            }
            Place::Stacked { depth } => self.stacked((a, b), &theirs, depth, (experts, found))?,
        }
        self.numbers += (a.elem_count() + b.elem_count()) as u64;
        Ok(true)
    }

    fn mixture(&mut self, experts: &Experts) -> &mut LaidMixture {
        let laid = self.found.entry(experts.name.clone()).or_default();
        laid.experts.resize_with(experts.experts.len(), LaidExpert::default);
        laid
    }

    /// Fails where there is more than A and B.
    fn check_plain(&self, found: &Found) -> Result<(), Error> {
        let of_method = found.of_method.keys().next().copied();
        let is_biased = self.config.lora_bias || found.b_bias.is_some();
        let of_b = is_biased.then_some("lora_B.bias (lora_bias)");
        let Some(part) = of_method.or(of_b).or_else(|| found.bias.as_ref().map(|_| "bias")) else {
            return Ok(());
        };
        let problem = format!(
            "{} has {part}: of experts and routers only LoRA's A and B are computed; merge it in PEFT \
             (merge_and_unload) and open the merged folder",
            found.written
        );
        Err(Error::adapter(self.path, problem))
    }

    /// Fails where PEFT would read the adapter without this module.
    fn check_meant(&self, theirs: &str, found: &Found) -> Result<(), Error> {
        let Some(key) = self.config.left_out_by(theirs) else { return Ok(()) };
        let problem = format!(
            "{} has tensors, and {key} leaves it out: PEFT would read the adapter without them",
            found.written
        );
        Err(Error::adapter(self.path, problem))
    }

    /// A pair of one matrix.
    fn low(
        &self,
        (a, b): (&Tensor, &Tensor),
        key: &str,
        [outputs, inputs]: [usize; 2],
        found: &Found,
    ) -> Result<LowRank, Error> {
        let (rank, alpha) = self.config.rank_and_alpha(key);
        self.check_shapes((a, b), ([rank, inputs], [outputs, rank]), found)?;
        let by = scale(alpha, rank, self.config.use_rslora) as f32;
        let a = with_f32(a, |a| Ok(a.to_vec()))?;
        let b = with_f32(b, |b| Ok(b.iter().map(|value| by * value).collect()))?;
        Ok(LowRank { a, b, rank })
    }

    /// The pairs of all experts in one: the rows of A are expert after expert, the columns of B rank after
    /// rank.
    fn stacked(
        &mut self,
        (a, b): (&Tensor, &Tensor),
        theirs: &str,
        depth: usize,
        (experts, found): (&Experts, &Found),
    ) -> Result<(), Error> {
        let meant: Vec<&str> = STACKED
            .into_iter()
            .filter(|name| self.config.takes_parameter(&format!("{theirs}.{name}")))
            .collect();
        let which = meant.len().checked_sub(depth + 1).and_then(|place| meant.get(place));
        let Some(which) = which else {
            let problem = format!(
                "{} has tensors, and target_parameters does not name so many of its parameters ({})",
                found.written,
                STACKED.join(", ")
            );
            return Err(Error::adapter(self.path, problem));
        };
        let Some(first) = experts.experts.first() else { return Ok(()) };
        let (count, inner, width) = (experts.experts.len(), first.gate.rows(), first.gate.cols());
        let is_down = *which == STACKED[1];
        let [outputs, inputs] = if is_down { [width, inner] } else { [2 * inner, width] };
        let (rank, alpha) = self.config.rank_and_alpha(&format!("{theirs}.{which}"));
        let all = rank.saturating_mul(count);
        self.check_shapes((a, b), ([all, inputs], [outputs, all]), found)?;
        let by = scale(alpha, rank, self.config.use_rslora) as f32;
        let in_turn = experts.rule.packing == Packing::InTurn;
        let (a, b) = (with_f32(a, |a| Ok(a.to_vec()))?, with_f32(b, |b| Ok(b.to_vec()))?);
        let laid = self.mixture(experts);
        for (expert, laid) in laid.experts.iter_mut().enumerate() {
            let own = &a[expert * rank * inputs..(expert + 1) * rank * inputs];
            let of = |rows: &mut dyn Iterator<Item = usize>| LowRank {
                a: own.to_vec(),
                b: rows
                    .flat_map(|row| (0..rank).map(move |place| row * all + place * count + expert))
                    .map(|at| by * b[at])
                    .collect(),
                rank,
            };
            if is_down {
                laid.down = Some(of(&mut (0..outputs)));
            } else if in_turn {
                laid.gate = Some(of(&mut (0..outputs).step_by(2)));
                laid.up = Some(of(&mut (1..outputs).step_by(2)));
            } else {
                laid.gate = Some(of(&mut (0..inner)));
                laid.up = Some(of(&mut (inner..outputs)));
            }
        }
        Ok(())
    }

    fn check_shapes(
        &self,
        (a, b): (&Tensor, &Tensor),
        (of_a, of_b): ([usize; 2], [usize; 2]),
        found: &Found,
    ) -> Result<(), Error> {
        if a.dims() == of_a && b.dims() == of_b && of_a[0] > 0 {
            return Ok(());
        }
        Err(found.of_another_shape((a, b), (of_a, of_b), self.path))
    }
}

/// What of a mixture a path inside a layer is. `router`: the module path of the router.
fn place(path: &str, router: &str) -> Option<Place> {
    let bare = path.trim_end_matches(WRAPPED);
    let depth = (path.len() - bare.len()) / WRAPPED.len();
    let mut ends = bare.rsplit('.');
    let last = ends.next()?;
    if last == "experts" {
        return Some(Place::Stacked { depth });
    }
    if depth > 0 {
        return None;
    }
    let part = match last {
        "gate_proj" | "w1" => 0,
        "up_proj" | "w3" => 1,
        "down_proj" | "w2" => 2,
        _ => {
            let is_router =
                last == "gate" || last == "router" || router.rsplit('.').next() == Some(last);
            return is_router.then_some(Place::Router);
        }
    };
    let expert = ends.next()?.parse().ok()?;
    (ends.next()? == "experts").then_some(Place::One { expert, part })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_of_a_mixture_a_path_is() {
        let of = |path: &str| place(path, "model.layers.0.mlp.gate");
        assert_eq!(of("mlp.experts"), Some(Place::Stacked { depth: 0 }));
        assert_eq!(of("mlp.experts.base_layer"), Some(Place::Stacked { depth: 1 }));
        assert_eq!(of("mlp.gate"), Some(Place::Router));
        assert_eq!(of("mlp.experts.12.up_proj"), Some(Place::One { expert: 12, part: 1 }));
        assert_eq!(of("block_sparse_moe.experts.3.w2"), Some(Place::One { expert: 3, part: 2 }));
        assert_eq!(of("self_attn.q_proj"), None);
        assert_eq!(of("mlp.shared_expert.up_proj"), None);
        assert_eq!(of("mlp.shared_expert_gate"), None);
    }
}
