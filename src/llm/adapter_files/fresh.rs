//! A new adapter for a model.

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor, Var};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::llm::adapter::lora::{Adapter, LoraPair, Tables};
use crate::llm::adapter::peft_config::PeftConfig;
use crate::llm::adapter::spec::{LinearInfo, LoraSpec, last_parts, scale, stray, targets};
use crate::llm::error::Error;
use crate::llm::model::Model;

impl Adapter {
    /// A new adapter that changes nothing yet: A is drawn from `seed` as PEFT draws it (uniform
    /// within ±1/√inputs, which is `kaiming_uniform(a=√5)`), B is zero.
    pub fn init(model: &Model, spec: &LoraSpec, seed: u64) -> Result<Self, Error> {
        let layers = model.linear_layers();
        check_targets(&layers, &spec.target_modules)?;
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
            let b = Tensor::zeros((layer.outputs, spec.r), DType::F32, &Device::Cpu)?;
            let pair = LoraPair::plain(Var::from_tensor(&a)?, Var::from_tensor(&b)?, scale);
            pairs.insert(layer.name.clone(), pair);
        }
        let (naming, decoder) = (model.config().naming, model.config().peft_decoder());
        let config = PeftConfig::from_spec(spec, &layers, naming, decoder);
        Ok(Self {
            pairs,
            tables: Tables::default(),
            beside: BTreeMap::new(),
            config,
            decoder,
            path: PathBuf::new(),
            sha256: String::new(),
        })
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
