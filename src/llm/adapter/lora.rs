//! LoRA adapters (Hu et al. 2021): y = W x + scale · B (A x), with W frozen.
//!
//! Two things may come with it. A start that took a part out of W (`PiSSA`, `OLoRA`): W - T stands
//! in place of W. And `DoRA`: each output has a length of its own, m / ‖W + scale · B A‖.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Var;
use tuning_fork_kernels::QMatrix;

use super::laid::{Laid, LaidMixture};
use super::learned::{Learned, Part, Slot};
use super::low_rank::LowRank;
use super::modules::peft_name;
use super::peft_config::PeftConfig;
use super::score_head::{SCORE_HEAD, ScoreHead};
use super::soft::SoftPrompt;
use super::spec::is_path_or_end;
pub use super::spec::{INITS, Init, LinearInfo, LoraSpec, targets};
use crate::llm::card::AdapterCard;
use crate::llm::error::Error;

/// The two factors of one layer's change, and by how much it counts.
pub struct LoraPair {
    /// (rank, inputs)
    pub a: Var,

    /// (outputs, rank)
    pub b: Var,
    pub scale: f64,

    /// What the adapter's start took out of the layer's weight.
    pub taken: Option<LowRank>,
    pub dora: Option<Dora>,
}

/// The lengths of a layer's outputs.
pub struct Dora {
    /// m: one number an output.
    pub magnitude: Var,

    /// ‖W - T + scale · B A‖ of each output, as A and B stand.
    pub lengths: Vec<f32>,

    /// m over that: what each output is multiplied by before its bias.
    pub factors: Vec<f32>,
}

/// A model's embedding and head, where an adapter brings its own: (vocabulary, width).
#[derive(Clone, Default)]
pub struct Tables {
    pub embedding: Option<QMatrix>,
    pub head: Option<QMatrix>,
}

/// The module path of a model's head, as LoRA may change it.
pub(crate) const HEAD: &str = "lm_head";

impl LoraPair {
    /// Only A, B and their scale.
    pub fn plain(a: Var, b: Var, scale: f64) -> Self {
        Self { a, b, scale, taken: None, dora: None }
    }

    fn snapshot(&self) -> Result<Self, Error> {
        let Self { a, b, scale, taken, dora } = self;
        let of_dora = |dora: &Dora| -> Result<Dora, Error> {
            let Dora { magnitude, lengths, factors } = dora;
            let (lengths, factors) = (lengths.clone(), factors.clone());
            Ok(Dora { magnitude: copied(magnitude)?, lengths, factors })
        };
        let dora = dora.as_ref().map(of_dora).transpose()?;
        Ok(Self { a: copied(a)?, b: copied(b)?, scale: *scale, taken: taken.clone(), dora })
    }
}

fn copied(var: &Var) -> Result<Var, Error> {
    Ok(Var::from_tensor(&var.as_tensor().detach().copy()?)?)
}

/// A set of changes to a model's linear layers, by module path. Works on weights of any type.
pub struct Adapter {
    pub(crate) pairs: BTreeMap<String, LoraPair>,

    /// Whole tables that stand in place of the model's (`modules_to_save`).
    pub(crate) tables: Tables,

    /// A score head that is trained whole: the model gives labels, or one reward.
    pub(crate) score: Option<ScoreHead>,
    /// Biases that stand in place of the model's, by module path (`bias` = `lora_only` or `all`).
    pub(crate) biases: BTreeMap<String, Var>,

    /// What is worked in as it was read.
    pub(crate) laid: Laid,

    /// Virtual tokens before every text: then it has nothing else.
    pub(crate) soft: Option<SoftPrompt>,

    /// The module path of the model's embedding.
    pub(crate) embedding: &'static str,

    /// Changes of the parts that look at pictures, by PEFT's module paths. They are kept for whoever
    /// merges or saves the adapter; a text passes by them.
    pub(crate) beside: BTreeMap<String, LoraPair>,
    pub(crate) config: PeftConfig,

    /// What PEFT puts before the decoder's own paths, where the model has other parts too.
    pub(crate) decoder: Option<&'static str>,
    pub(crate) path: PathBuf,
    pub(crate) sha256: String,
}

impl Adapter {
    /// A copy that later steps on this one do not change: the reference of a run that continues.
    pub fn snapshot(&self) -> Result<Self, Error> {
        let copies = |pairs: &BTreeMap<String, LoraPair>| {
            let copies = pairs.iter().map(|(name, pair)| Ok((name.clone(), pair.snapshot()?)));
            copies.collect::<Result<BTreeMap<_, _>, Error>>()
        };
        Ok(Self {
            pairs: copies(&self.pairs)?,
            tables: self.tables.clone(),
            score: self.score.as_ref().map(ScoreHead::snapshot).transpose()?,
            biases: self
                .biases
                .iter()
                .map(|(name, bias)| Ok((name.clone(), copied(bias)?)))
                .collect::<Result<_, Error>>()?,
            laid: self.laid.clone(),
            soft: self.soft.as_ref().map(SoftPrompt::snapshot).transpose()?,
            embedding: self.embedding,
            beside: copies(&self.beside)?,
            config: self.config.clone(),
            decoder: self.decoder,
            path: self.path.clone(),
            sha256: self.sha256.clone(),
        })
    }

    /// Everything that can be trained but whole tables, by names that are PEFT's tensor names but for what
    /// PEFT puts between a model with pictures and its decoder.
    pub fn vars(&self) -> Vec<(String, Var)> {
        let vars = self.tensors().map(|(learned, var)| (learned.name, var.clone()));
        vars.collect()
    }

    /// All tensors that learn, in the order of [`Self::slots`].
    pub fn learned(&self) -> Vec<Learned> {
        let mut learned: Vec<Learned> = self.tensors().map(|(learned, _)| learned).collect();
        let Tables { embedding, head } = &self.tables;
        for (module, table) in [(self.embedding, embedding), (HEAD, head)] {
            if let Some(table) = table {
                let name = format!("base_model.model.{module}.weight");
                let shape = vec![table.rows(), table.cols()];
                learned.push(Learned::new(name, module, Part::Weight, shape));
            }
        }
        learned
    }

    /// Where they are kept, in the order of [`Self::learned`].
    pub fn slots(&mut self) -> Vec<Slot<'_>> {
        let mut slots: Vec<Slot<'_>> =
            self.tensors().map(|(_, var)| Slot::Shared(var.clone())).collect();
        let Tables { embedding, head } = &mut self.tables;
        for table in [embedding, head].into_iter().flatten() {
            if table.f32_mut().is_none() {
                *table = table.own_floats();
            }
            slots.push(Slot::Own(table.f32_mut().unwrap_or_default()));
        }
        slots
    }

    fn tensors(&self) -> impl Iterator<Item = (Learned, &Var)> {
        let of_pairs = self.pairs.iter().flat_map(|(module, LoraPair { a, b, dora, .. })| {
            let is_table = module == self.embedding;
            let name = |part: &str| {
                let kind = if is_table { "embedding_" } else { "" };
                let end = if is_table { "" } else { ".weight" };
                format!("base_model.model.{module}.lora_{kind}{part}{end}")
            };
            let of = |name: String, part, var: &Var| {
                Learned::new(name, module, part, var.dims().to_vec())
            };
            let mut found = vec![(of(name("A"), Part::A, a), a), (of(name("B"), Part::B, b), b)];
            if let Some(Dora { magnitude, .. }) = dora {
                let name = format!("base_model.model.{module}.lora_magnitude_vector");
                found.push((of(name, Part::Magnitude, magnitude), magnitude));
            }
            found
        });
        let biases = self.biases.iter().map(|(module, bias)| {
            let layer = if self.pairs.contains_key(module) { ".base_layer" } else { "" };
            let name = format!("base_model.model.{module}{layer}.bias");
            (Learned::new(name, module, Part::Bias, bias.dims().to_vec()), bias)
        });
        let score = self.score.iter().map(|ScoreHead { weight, .. }| {
            let name = format!("base_model.model.{SCORE_HEAD}.weight");
            let shape = weight.dims().to_vec();
            (Learned::new(name, SCORE_HEAD, Part::Weight, shape), weight)
        });
        let soft = self.soft.iter().map(|soft| (soft.learned(), &soft.values));
        of_pairs.chain(biases).chain(score).chain(soft)
    }

    /// Fails, by its name, where the adapter has something that is read and not trained.
    pub fn check_trainable(&self) -> Result<(), Error> {
        if !self.laid.is_empty() {
            let problem = format!(
                "{}: such an adapter is run, scored and compared, and not trained further here",
                self.config.not_trained()
            );
            return Err(Error::adapter(&self.path, problem));
        }
        let Tables { embedding, head } = &self.tables;
        let is_meant = |module: &str| {
            let names = &self.config.modules_to_save;
            let module = peft_name(module, self.decoder);
            names.iter().any(|name| is_path_or_end(&module, name))
        };
        for (module, table) in [(self.embedding, embedding), (HEAD, head)] {
            if table.is_some() && !is_meant(module) {
                let problem = format!(
                    "it brings its own {module}, because the vocabulary was changed or single tokens were \
                     trained (trainable_token_indices): such an adapter is run and scored, and not trained \
                     further; export it as a merged model and train on that"
                );
                return Err(Error::adapter(&self.path, problem));
            }
        }
        let dora = |module: &str| self.pairs.get(module).is_some_and(|pair| pair.dora.is_some());
        if dora(self.embedding) || dora(HEAD) {
            let problem = "DoRA on the embedding or the head is not trained here; leave embed_tokens and \
                           lm_head out of target_modules, or DoRA";
            return Err(Error::adapter(&self.path, problem));
        }
        Ok(())
    }

    pub fn soft(&self) -> Option<&SoftPrompt> {
        self.soft.as_ref()
    }

    /// Tokens that stand before every text and are none of it: so much less has room after them.
    pub fn virtual_tokens(&self) -> usize {
        self.soft.as_ref().map_or(0, SoftPrompt::tokens)
    }

    pub fn score_head(&self) -> Option<&ScoreHead> {
        self.score.as_ref()
    }

    /// Whether scores are computed otherwise, beside what the hidden states are.
    pub fn changes_head(&self) -> bool {
        self.tables.head.is_some() || self.pairs.contains_key(HEAD)
    }

    /// What decides beside A and B how much an adapter counts: by how much each layer is scaled, and what
    /// its start took out. For whoever keeps what was computed with it.
    pub fn strength(&self) -> String {
        let scales = self.pairs.values().map(|pair| format!("{} ", pair.scale));
        let start = self.config.start;
        scales.chain([format!("{start:?}\n")]).collect()
    }

    pub fn pair(&self, module: &str) -> Option<&LoraPair> {
        self.pairs.get(module)
    }

    /// What is laid over the mixture with this router.
    pub(crate) fn mixture(&self, router: &str) -> Option<&LaidMixture> {
        self.laid.mixtures.get(router)
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

    /// What a person should know of how it was read, a sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.config.warnings
    }

    pub fn card(&self) -> AdapterCard {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let count = |var: &Var| var.elem_count() as u64;
        let pairs = self.pairs.values();
        let lengths =
            |pair: &LoraPair| pair.dora.as_ref().map_or(0, |dora| dora.magnitude.elem_count());
        let values = pairs.map(|pair| count(&pair.a) + count(&pair.b) + lengths(pair) as u64);
        AdapterCard {
            name,
            path: self.path.clone(),
            sha256: self.sha256.clone(),
            rank: self.config.r,
            alpha: self.config.lora_alpha,
            target_modules: self.config.target_modules.names(),
            parameter_count: values.sum::<u64>()
                + self.laid.numbers
                + self.score.as_ref().map_or(0, |head| count(&head.weight))
                + self.soft.as_ref().map_or(0, |soft| count(&soft.values)),
        }
    }
}
