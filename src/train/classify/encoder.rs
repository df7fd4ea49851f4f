//! An encoder that learns labels, numbers or hidden words: with the pass of [`crate::encoder::learn`].

use std::path::Path;

use super::checkpoint::{self, Counted};
use super::optim::Optimizer;
use super::student::{Memory, Moment, Read, Slopes, Student};
use crate::encoder;
use crate::encoder::Encoded;
use crate::encoder::learn::{Grads, Learner, Learns, Masks, Top};
use crate::jobs;
use crate::llm::Tokenizer;
use crate::llm::card::ModelIdentity;
use crate::train::config::TrainConfig;
use crate::train::error::Error;

pub(super) struct EncoderStudent {
    learner: Learner,
    grads: Grads,
    optimizer: Optimizer,
    config: TrainConfig,
}

impl EncoderStudent {
    pub fn open(
        folder: &Path,
        top: Top,
        learns: &Learns,
        config: &TrainConfig,
    ) -> Result<Self, Error> {
        let learner = Learner::load(folder, top, learns, config.seed)?;
        let (grads, optimizer) = (learner.no_grads(), Optimizer::new(learner.weights()));
        Ok(Self { learner, grads, optimizer, config: config.clone() })
    }
}

impl Student for EncoderStudent {
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
        second: Option<&str>,
        most: usize,
    ) -> Result<Encoded, encoder::Error> {
        self.learner.encode(text, second, most)
    }

    fn check(&self, ids: &[u32]) -> Result<(), encoder::Error> {
        self.learner.check(ids)
    }

    fn made(&self) -> &[String] {
        self.learner.made()
    }

    fn without_dropout(&mut self) {
        self.learner.without_dropout();
    }

    fn memory(&self, tokens: u64) -> Memory {
        let (weights, learned) = self.learner.bytes();
        let a_token = if learned > 0 { self.learner.bytes_a_token() } else { 0 };
        Memory { weights, learning: 3 * learned, kept: tokens * a_token }
    }

    fn is_adapter(&self) -> bool {
        self.learner.is_adapter()
    }

    fn scores(&self, read: &Read<'_>) -> Result<Vec<f32>, Error> {
        Ok(self.learner.scores(&read.texts, read.places))
    }

    fn learn(
        &mut self,
        read: &Read<'_>,
        moment: Option<Moment>,
        slopes: Slopes<'_>,
    ) -> Result<(), Error> {
        let masks = moment.map(|at| Masks::new(self.config.seed, at.step, at.batch));
        self.learner.learn(&read.texts, read.places, masks, slopes, &mut self.grads);
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
