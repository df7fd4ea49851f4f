//! An encoder-decoder that learns to answer: with LoRA in both halves, as PEFT's `SEQ_2_SEQ_LM` has it, or
//! with every weight.

use std::path::Path;

use super::checkpoint::{self, Counted};
use super::optim::Optimizer;
use super::student::{Memory, Moment, Read, Slopes, Student};
use crate::encoder;
use crate::encoder::Encoded;
use crate::encoder::learn::{Grads, Learns, Masks, PairLearner};
use crate::jobs;
use crate::llm::Tokenizer;
use crate::llm::card::ModelIdentity;
use crate::train::config::{LoraConfig, Objective, TrainConfig};
use crate::train::error::Error;

pub(super) struct PairStudent {
    pub learner: PairLearner,
    grads: Grads,
    optimizer: Optimizer,
    config: TrainConfig,
}

impl PairStudent {
    pub fn open(folder: &Path, learns: &Learns, config: &TrainConfig) -> Result<Self, Error> {
        let learner = PairLearner::load(folder, &usual(learns), config.seed)?;
        let (grads, optimizer) = (learner.no_grads(), Optimizer::new(learner.weights()));
        Ok(Self { learner, grads, optimizer, config: config.clone() })
    }
}

/// Layers that nobody named are those of decoders: the family's own are meant then.
fn usual(learns: &Learns) -> Learns {
    let Learns::Lora(spec) = learns else { return learns.clone() };
    let suggested = TrainConfig::suggested(Objective::Sft).lora.target_modules;
    let unnamed = [LoraConfig::default().target_modules, suggested];
    let mut spec = spec.clone();
    if unnamed.contains(&spec.target_modules) {
        spec.target_modules.clear();
    }
    Learns::Lora(spec)
}

impl Student for PairStudent {
    fn tokenizer(&self) -> &Tokenizer {
        self.learner.tokenizer()
    }

    fn longest(&self) -> Option<usize> {
        self.learner.longest()
    }

    fn vocabulary(&self) -> usize {
        self.learner.vocabulary()
    }

    fn encode(
        &self,
        text: &str,
        _second: Option<&str>,
        most: usize,
    ) -> Result<Encoded, encoder::Error> {
        let (ids, is_cut) = self.learner.encode(text, most)?;
        Ok(Encoded { ids, kinds: None, is_cut })
    }

    fn check(&self, ids: &[u32]) -> Result<(), encoder::Error> {
        self.learner.check(ids)
    }

    fn made(&self) -> &[String] {
        &[]
    }

    fn without_dropout(&mut self) {
        self.learner.without_dropout();
    }

    fn memory(&self, tokens: u64) -> Memory {
        let (weights, learned) = self.learner.bytes();
        Memory { weights, learning: 3 * learned, kept: tokens * self.learner.bytes_a_token() }
    }

    fn is_adapter(&self) -> bool {
        self.learner.is_adapter()
    }

    fn scores(&self, read: &Read<'_>) -> Result<Vec<f32>, Error> {
        Ok(self.learner.scores(&read.texts, &read.answers))
    }

    fn learn(
        &mut self,
        read: &Read<'_>,
        moment: Option<Moment>,
        slopes: Slopes<'_>,
    ) -> Result<(), Error> {
        let masks = moment.map(|at| Masks::new(self.config.seed, at.step, at.batch));
        self.learner.learn((&read.texts, &read.answers), masks, slopes, &mut self.grads);
        Ok(())
    }

    fn forget(&mut self) {
        self.grads = self.learner.no_grads();
    }

    fn clip(&mut self, most: f64) -> f64 {
        self.grads.clip(most)
    }

    fn step(&mut self, rate: f64) -> Result<(), Error> {
        let Self { learner, grads, optimizer, config } = self;
        jobs::in_pool(|| optimizer.step(learner.weights_mut(), grads, rate, config));
        Ok(())
    }

    fn write_checkpoint(&mut self, run_dir: &Path, counted: Counted) -> Result<(), Error> {
        checkpoint::write(run_dir, self.learner.weights(), (&self.optimizer, counted))
    }

    fn read_checkpoint(&mut self, run_dir: &Path) -> Result<Counted, Error> {
        let (counted, optimizer) = checkpoint::read(run_dir, self.learner.weights_mut())?;
        self.optimizer = optimizer;
        Ok(counted)
    }

    fn save(&self, to: &Path, base: &ModelIdentity) -> Result<(), Error> {
        Ok(self.learner.save(to, base)?)
    }

    fn restore(&mut self, folder: &Path) -> Result<(), Error> {
        Ok(self.learner.restore(folder)?)
    }
}
