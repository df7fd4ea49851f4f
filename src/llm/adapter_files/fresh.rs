//! A new adapter for a model.

use std::collections::BTreeMap;
use std::f32::consts::TAU;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, Var};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::jobs;
use crate::llm::adapter::laid::Laid;
use crate::llm::adapter::lora::{Adapter, Dora, HEAD, LoraPair, Tables};
use crate::llm::adapter::modules::peft_name;
use crate::llm::adapter::peft_config::PeftConfig;
use crate::llm::adapter::peft_mixtures::beyond;
use crate::llm::adapter::spec::{
    Bias, Init, LinearInfo, LoraSpec, is_path_or_end, last_parts, scale, stray,
};
use crate::llm::adapter::start::balanced;
use crate::llm::error::Error;
use crate::llm::model::Model;

impl Adapter {
    /// One that has nothing: for a run in which the model's own weights learn.
    pub fn empty(model: &Model) -> Self {
        let config = model.config();
        Self {
            pairs: BTreeMap::new(),
            tables: Tables::default(),
            score: None,
            biases: BTreeMap::new(),
            laid: Laid::default(),
            soft: None,
            embedding: config.embedding_module(),
            beside: BTreeMap::new(),
            config: PeftConfig::of_pairs(Vec::new(), 1.0, config),
            decoder: config.peft_decoder(),
            path: PathBuf::new(),
            sha256: String::new(),
        }
    }

    /// A new adapter that changes nothing yet: A is drawn from `seed` as PEFT draws it (uniform
    /// within ±1/√inputs, which is `kaiming_uniform(a=√5)`), B is zero.
    pub fn init(model: &Model, spec: &LoraSpec, seed: u64) -> Result<Self, Error> {
        model.transformer()?;
        let (layers, refused): (Vec<_>, Vec<_>) = model
            .adaptable_layers()
            .into_iter()
            .partition(|layer| model.config().takes_lora(&layer.name));
        check_not_refused((&layers, &refused), &spec.target_modules)?;
        check_targets(&layers, &spec.target_modules).map_err(|err| of_mixture(err, model))?;
        let (naming, decoder) = (model.config().naming, model.config().peft_decoder());
        let mut config = PeftConfig::from_spec(spec, &layers, naming, decoder);
        if naming.is_transposed() && spec.init == Init::Olora {
            let problem = "init_lora_weights is olora, which PEFT cannot begin on layers as GPT-2 has them: it could \
                           not read the adapter. Take pissa or true";
            return Err(Error::adapter(Path::new("lora"), problem));
        }
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut pairs = BTreeMap::new();
        let mut targets = spec.targets(&layers);
        if targets.is_empty() {
            let name = format!("layers_to_transform = {:?}", spec.layers_to_transform);
            return Err(Error::NoSuchModule { name, known: last_parts(&layers) });
        }
        targets.sort_by(|one, other| one.name.cmp(&other.name));
        for layer in targets {
            let (rank, alpha) = config.rank_and_alpha(&peft_name(&layer.name, decoder));
            let is_embedding = layer.name == model.config().embedding_module();
            check_table(spec, &layer.name, model)?;
            let bound = (layer.inputs as f32).sqrt().recip();
            let values: Vec<f32> = (0..rank * layer.inputs)
                .map(|_| match spec.init {
                    Init::Gaussian => normal(&mut rng) / rank as f32,
                    Init::Usual | Init::Pissa | Init::Olora => bound * (2.0 * unit(&mut rng) - 1.0),
                })
                .collect();
            let a = Tensor::from_vec(values, (rank, layer.inputs), &Device::Cpu)?;
            let b = Tensor::zeros((layer.outputs, rank), DType::F32, &Device::Cpu)?;
            // PEFT draws an embedding's B, and A is zero.
            let (a, b) = if is_embedding {
                let values = (0..rank * layer.outputs).map(|_| normal(&mut rng)).collect();
                let b = Tensor::from_vec(values, (layer.outputs, rank), &Device::Cpu)?;
                (a.zeros_like()?, b)
            } else {
                (a, b)
            };
            let scale = scale(alpha, rank, spec.use_rslora);
            let mut pair = LoraPair::plain(Var::from_tensor(&a)?, Var::from_tensor(&b)?, scale);
            if spec.use_dora {
                let magnitude = Tensor::ones(layer.outputs, DType::F32, &Device::Cpu)?;
                let magnitude = Var::from_tensor(&magnitude)?;
                pair.dora = Some(Dora { magnitude, lengths: Vec::new(), factors: Vec::new() });
            }
            pairs.insert(layer.name.clone(), pair);
        }
        let paths: Vec<String> = pairs.keys().map(|module| peft_name(module, decoder)).collect();
        let spared = config.spare_experts(&model.config().architecture, &paths, spec);
        spared.map_err(|setting| {
            let problem = format!(
                "{setting} cannot be set for gate_proj, up_proj and down_proj of this mixture: PEFT takes these names \
                 for its experts, and has no {setting} where layers are named otherwise. Take them out of \
                 target_modules, or leave {setting} out"
            );
            Error::adapter(Path::new("lora"), problem)
        })?;
        let mut adapter = Self {
            pairs,
            tables: Tables::default(),
            score: None,
            biases: BTreeMap::new(),
            laid: Laid::default(),
            soft: None,
            embedding: model.config().embedding_module(),
            beside: BTreeMap::new(),
            config,
            decoder,
            path: PathBuf::new(),
            sha256: String::new(),
        };
        adapter.bring_own(model, spec)?;
        jobs::in_pool(|| adapter.meet_weights(model))?;
        adapter.begin(spec.init)?;
        if spec.use_dora {
            // As the layers are: each factor is 1.
            jobs::in_pool(|| adapter.measure_lengths(model))?;
            for pair in adapter.pairs.values() {
                let Some(Dora { magnitude, lengths, .. }) = &pair.dora else { continue };
                magnitude.set(&Tensor::from_slice(lengths, lengths.len(), &Device::Cpu)?)?;
            }
            jobs::in_pool(|| adapter.measure_lengths(model))?;
        }
        Ok(adapter)
    }

    /// The biases and tables that learn beside it, as the model has them.
    fn bring_own(&mut self, model: &Model, spec: &LoraSpec) -> Result<(), Error> {
        let transformer = model.transformer()?;
        for linear in transformer.linears() {
            let learns = match spec.bias {
                Bias::None => false,
                Bias::LoraOnly => self.pairs.contains_key(&linear.name),
                Bias::All => true,
            };
            if let (true, Some(bias)) = (learns, &linear.bias) {
                let bias = Tensor::from_slice(bias, bias.len(), &Device::Cpu)?;
                self.biases.insert(linear.name.clone(), Var::from_tensor(&bias)?);
            }
        }
        let embedding = model.config().embedding_module();
        for name in &spec.modules_to_save {
            if is_path_or_end(HEAD, name) {
                if transformer.head_bias.is_some() {
                    let problem = format!(
                        "{name} is among modules_to_save, and the head of this model has a bias, which PEFT would train \
                         and save with it and this program does not. Take {name} out"
                    );
                    return Err(Error::adapter(&self.path, problem));
                }
                self.tables.head = Some(transformer.head.own_floats());
            } else if is_path_or_end(embedding, name) {
                self.tables.embedding = Some(transformer.embedding.own_floats());
            } else {
                let known = format!("{embedding}, {HEAD}");
                return Err(Error::NoSuchModule { name: name.clone(), known });
            }
            if self.pairs.keys().any(|module| is_path_or_end(module, name)) {
                let problem = format!("{name} cannot be among target_modules and modules_to_save");
                return Err(Error::adapter(&self.path, problem));
            }
        }
        Ok(())
    }

    /// A and B of a start that was taken out of the layers.
    fn begin(&self, init: Init) -> Result<(), Error> {
        for LoraPair { a, b, scale, taken, .. } in self.pairs.values() {
            let Some(taken) = taken else { continue };
            let divided = |values: &[f32]| -> Vec<f32> {
                values.iter().map(|value| (f64::from(*value) / scale) as f32).collect()
            };
            let (first, second) = match init {
                Init::Pissa => balanced(taken, *scale),
                // Q has unit columns; R carries the rest.
                _ => (divided(&taken.a), taken.b.clone()),
            };
            if taken.rank != a.dims()[0] {
                let problem = format!("r is more than the layers have: {} is the most", taken.rank);
                return Err(Error::adapter(&self.path, problem));
            }
            a.set(&Tensor::from_vec(first, a.shape(), &Device::Cpu)?)?;
            b.set(&Tensor::from_vec(second, b.shape(), &Device::Cpu)?)?;
        }
        Ok(())
    }
}

/// 24 bits, [0, 1)
fn unit(rng: &mut ChaCha20Rng) -> f32 {
    (rng.next_u32() >> 8) as f32 / (1 << 24) as f32
}

/// Box and Muller's
pub(super) fn normal(rng: &mut ChaCha20Rng) -> f32 {
    let (radius, angle) = (1.0 - unit(rng), TAU * unit(rng));
    (-2.0 * radius.ln()).sqrt() * angle.cos()
}

/// Fails where LoRA on the embedding or the head goes with nothing that is computed there.
fn check_table(spec: &LoraSpec, module: &str, model: &Model) -> Result<(), Error> {
    if module != HEAD && module != model.config().embedding_module() {
        return Ok(());
    }
    let takes_out = matches!(spec.init, Init::Pissa | Init::Olora);
    if !spec.use_dora && !takes_out && spec.lora_dropout == 0.0 {
        return Ok(());
    }
    let problem = format!(
        "{module} is among target_modules, where LoRA is begun plainly: use_dora must be false, lora_dropout \
         0, and init_lora_weights true or gaussian"
    );
    Err(Error::adapter(Path::new("lora"), problem))
}

/// Fails where an entry of `target_modules` means only layers that PEFT refuses to adapt.
fn check_not_refused(
    (layers, refused): (&[LinearInfo], &[LinearInfo]),
    target_modules: &[String],
) -> Result<(), Error> {
    let Some(name) = stray(layers, target_modules) else { return Ok(()) };
    if stray(refused, std::slice::from_ref(name)).is_some() {
        return Ok(()); // it means nothing at all
    }
    let why = if name.ends_with("correction_coefs") {
        "transformers reads this matrix past its adapter in training: it would learn nothing there"
    } else {
        "PEFT refuses LoRA on the last matrix of this model's Mamba layers: it could not read the adapter"
    };
    let problem = format!("{name} is among target_modules, and {why}. Take {name} out");
    Err(Error::adapter(Path::new("lora"), problem))
}

/// Says of a mixture why a name that other models have is none of its layers.
fn of_mixture(err: Error, model: &Model) -> Error {
    match err {
        Error::NoSuchModule { name, known } if model.config().experts.is_some() => {
            let meant = beyond(&model.config().architecture, std::slice::from_ref(&name));
            let known = format!(
                "{known}. This model is a mixture of experts: its routers and experts get no LoRA here{}",
                if meant.experts || meant.router { ", as they would in PEFT 0.21" } else { "" }
            );
            Error::NoSuchModule { name, known }
        }
        err => err,
    }
}

/// Fails where an entry of `target_modules` means none of a model's layers, or there is no entry.
pub fn check_targets(layers: &[LinearInfo], target_modules: &[String]) -> Result<(), Error> {
    let name = match stray(layers, target_modules) {
        Some(stray) => stray.clone(),
        None if target_modules.is_empty() => "target_modules".to_owned(),
        None => return Ok(()),
    };
    Err(Error::NoSuchModule { name, known: last_parts(layers) })
}
