//! LoRA adapters (Hu et al. 2021): y = W x + scale · B (A x), with W frozen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor, Var};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use tokenizers::utils::SysRegex;

use crate::llm::adapter_files::peft::PeftConfig;
use crate::llm::card::AdapterCard;
use crate::llm::error::Error;
use crate::llm::model::Model;

/// What an adapter is to be, under PEFT's names.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraSpec {
    pub r: usize,
    pub lora_alpha: f64,
    pub lora_dropout: f64,
    pub use_rslora: bool,

    /// Last parts of module paths (`q_proj`), whole paths, `all-linear`, or a regular expression for
    /// whole paths.
    pub target_modules: Vec<String>,
}

/// The two factors of one layer's change, and by how much it counts.
pub struct LoraPair {
    /// (rank, inputs)
    pub a: Var,

    /// (outputs, rank)
    pub b: Var,
    pub scale: f64,
}

/// A linear layer that LoRA can target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinearInfo {
    /// `model.layers.0.self_attn.q_proj`
    pub name: String,
    pub outputs: usize,
    pub inputs: usize,
}

/// A set of changes to a model's linear layers, by module path. Works on weights of any type.
pub struct Adapter {
    pub(crate) pairs: BTreeMap<String, LoraPair>,
    pub(crate) config: PeftConfig,
    pub(crate) path: PathBuf,
    pub(crate) sha256: String,
}

impl Adapter {
    /// A new adapter that changes nothing yet: A is drawn from `seed` as PEFT draws it (uniform
    /// within ±1/√inputs, which is `kaiming_uniform(a=√5)`), B is zero.
    pub fn init(model: &Model, spec: &LoraSpec, seed: u64) -> Result<Self, Error> {
        let layers = model.linear_layers();
        let is_stray = |name: &String| {
            let target = Target::of(name);
            !layers.iter().any(|layer| target.is(&layer.name))
        };
        if let Some(stray) = spec.target_modules.iter().find(|name| is_stray(name)) {
            return Err(Error::NoSuchModule { name: stray.clone(), known: last_parts(&layers) });
        }
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let scale = scale(spec.lora_alpha, spec.r, spec.use_rslora);
        let mut pairs = BTreeMap::new();
        let mut targets = targets(&layers, &spec.target_modules);
        targets.sort_by(|one, other| one.name.cmp(&other.name));
        for layer in targets {
            let bound = (layer.inputs as f32).sqrt().recip();
            let values: Vec<f32> = (0..spec.r * layer.inputs)
                .map(|_| {
                    let unit = (rng.next_u32() >> 8) as f32 / (1 << 24) as f32; // 24 bits, [0, 1)
                    bound * (2.0 * unit - 1.0)
                })
                .collect();
            let a = Tensor::from_vec(values, (spec.r, layer.inputs), &Device::Cpu)?;
            let b = Tensor::zeros((layer.outputs, spec.r), candle_core::DType::F32, &Device::Cpu)?;
            let pair = LoraPair { a: Var::from_tensor(&a)?, b: Var::from_tensor(&b)?, scale };
            pairs.insert(layer.name.clone(), pair);
        }
        if pairs.is_empty() {
            let known = last_parts(&layers);
            return Err(Error::NoSuchModule { name: "target_modules".to_owned(), known });
        }
        let config = PeftConfig::from_spec(spec, &layers, model.config().naming);
        Ok(Self { pairs, config, path: PathBuf::new(), sha256: String::new() })
    }

    /// A copy that later steps on this one do not change: the reference of a run that continues.
    pub fn snapshot(&self) -> Result<Self, Error> {
        let copy = |var: &Var| Var::from_tensor(&var.as_tensor().detach().copy()?);
        let mut pairs = BTreeMap::new();
        for (name, LoraPair { a, b, scale }) in &self.pairs {
            pairs.insert(name.clone(), LoraPair { a: copy(a)?, b: copy(b)?, scale: *scale });
        }
        Ok(Self {
            pairs,
            config: self.config.clone(),
            path: self.path.clone(),
            sha256: self.sha256.clone(),
        })
    }

    /// Everything that can be trained, by PEFT's tensor names, sorted.
    pub fn vars(&self) -> Vec<(String, Var)> {
        let mut vars = Vec::with_capacity(2 * self.pairs.len());
        for (module, LoraPair { a, b, .. }) in &self.pairs {
            vars.push((format!("base_model.model.{module}.lora_A.weight"), a.clone()));
            vars.push((format!("base_model.model.{module}.lora_B.weight"), b.clone()));
        }
        vars
    }

    pub fn pair(&self, module: &str) -> Option<&LoraPair> {
        self.pairs.get(module)
    }

    /// Of all its layers together.
    pub fn rank_sum(&self) -> usize {
        self.pairs.values().map(|pair| pair.a.dims()[0]).sum()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn config(&self) -> &PeftConfig {
        &self.config
    }

    pub fn card(&self) -> AdapterCard {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let count = |var: &Var| var.elem_count() as u64;
        AdapterCard {
            name,
            path: self.path.clone(),
            sha256: self.sha256.clone(),
            rank: self.config.r,
            alpha: self.config.lora_alpha,
            target_modules: self.config.target_modules.names(),
            parameter_count: self.pairs.values().map(|pair| count(&pair.a) + count(&pair.b)).sum(),
        }
    }
}

/// By how much B A counts.
pub(crate) fn scale(alpha: f64, rank: usize, use_rslora: bool) -> f64 {
    let rank = rank as f64;
    alpha / if use_rslora { rank.sqrt() } else { rank }
}

/// In `target_modules`: every linear layer but the head.
const ALL: &str = "all-linear";

/// Which of a model's linear layers are meant by a list of names.
pub fn targets<'a>(layers: &'a [LinearInfo], target_modules: &[String]) -> Vec<&'a LinearInfo> {
    let wanted: Vec<Target<'_>> = target_modules.iter().map(|name| Target::of(name)).collect();
    let named = |layer: &LinearInfo| wanted.iter().any(|target| target.is(&layer.name));
    layers.iter().filter(|layer| named(layer)).collect()
}

/// What an entry of `target_modules` means, by PEFT's rules.
enum Target<'a> {
    All,

    /// A whole path, or its last parts.
    Path(&'a str),

    /// Of whole paths. `None`: it is none, and no layer is meant.
    Pattern(Option<SysRegex>),
}

impl<'a> Target<'a> {
    fn of(name: &'a str) -> Self {
        if name == ALL {
            Self::All
        } else if is_pattern(name) {
            Self::Pattern(SysRegex::new(&format!(r"\A(?:{name})\z")).ok())
        } else {
            Self::Path(name)
        }
    }

    fn is(&self, module: &str) -> bool {
        match self {
            Self::All => true,
            Self::Path(path) => {
                module == *path || module.strip_suffix(path).is_some_and(|rest| rest.ends_with('.'))
            }
            Self::Pattern(regex) => {
                regex.as_ref().is_some_and(|regex| regex.find_iter(module).next().is_some())
            }
        }
    }
}

/// Whether an entry of `target_modules` is more than the path of a module.
pub(crate) fn is_pattern(name: &str) -> bool {
    !name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '.' | '_' | '-'))
}

/// `down_proj, gate_proj, …`: what targets are usually called by.
pub(crate) fn last_parts(layers: &[LinearInfo]) -> String {
    let mut names: Vec<&str> =
        layers.iter().filter_map(|layer| layer.name.rsplit('.').next()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_named_by_their_ends_by_their_paths_or_by_a_pattern() {
        let names = ["h.0.attn.q_proj", "h.0.mlp.down_proj", "h.1.attn.q_proj", "h.1.attn.xq_proj"];
        let layers = names.map(|name| LinearInfo { name: name.to_owned(), outputs: 2, inputs: 2 });
        let found = |wanted: &str| {
            let wanted = wanted.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let places = targets(&layers, &wanted).into_iter();
            let of = |name: &str| names.iter().position(|known| *known == name).unwrap();
            places.map(|layer| of(&layer.name)).collect::<Vec<_>>()
        };
        assert_eq!(found("q_proj"), [0, 2]);
        assert_eq!(found("0.attn.q_proj down_proj"), [0, 1]);
        assert_eq!(found("all-linear"), [0, 1, 2, 3]);
        assert_eq!(found(r".*\.1\..*_proj"), [2, 3]);
        assert!(found("1.*").is_empty(), "a pattern is for the whole path");
        assert!(found("[(").is_empty(), "no pattern at all");
    }
}
