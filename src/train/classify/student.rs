//! What learns from texts, whatever it is: an encoder, a decoder with a score head, an encoder-decoder.
//! Each has its tensors, their gradients and the optimizer's values to itself.

use std::path::Path;

use super::checkpoint::Counted;
use crate::encoder;
use crate::encoder::{Encoded, Tokens};
use crate::llm::Tokenizer;
use crate::llm::card::ModelIdentity;
use crate::train::error::Error;

/// What a run takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub weights: u64,

    /// Gradients and the optimizer's values.
    pub learning: u64,

    /// What a batch keeps for the backward pass.
    pub kept: u64,
}

impl Memory {
    pub fn peak(self) -> u64 {
        self.weights + self.learning + self.kept
    }
}

/// Texts that are read together.
#[derive(Clone, Debug, Default)]
pub(super) struct Read<'a> {
    pub texts: Vec<Tokens<'a>>,

    /// Of hidden words: their places in the texts one after the other.
    pub places: &'a [usize],

    /// What is to be written, a list of ids a text; of an encoder-decoder.
    pub answers: Vec<&'a [u32]>,
}

impl<'a> Read<'a> {
    /// Texts that get labels.
    pub fn of(texts: Vec<Tokens<'a>>) -> Self {
        Self { texts, ..Self::default() }
    }
}

/// Where in a run something is dropped: another step drops other values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub step: usize,
    pub batch: usize,
}

/// From scores to the slopes of the loss by them.
pub(super) type Slopes<'a> = &'a mut (dyn FnMut(&[f32]) -> Vec<f32> + Send);

pub(super) trait Student {
    fn tokenizer(&self) -> &Tokenizer;

    /// The most tokens of a text that are read.
    fn longest(&self) -> Option<usize>;
    fn vocabulary(&self) -> usize;
    fn encode(
        &self,
        text: &str,
        second: Option<&str>,
        most: usize,
    ) -> Result<Encoded, encoder::Error>;

    /// Fails where these ids cannot be read.
    fn check(&self, ids: &[u32]) -> Result<(), encoder::Error>;

    /// Modules that the files lack, and that begin with random numbers.
    fn made(&self) -> &[String];

    /// What there is to know of it before a run.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
    fn without_dropout(&mut self);

    /// What it takes to learn from so many tokens at once.
    fn memory(&self, tokens: u64) -> Memory;
    fn is_adapter(&self) -> bool;

    /// Scores without dropout: (texts, labels), or (hidden words or written tokens, vocabulary).
    fn scores(&self, read: &Read<'_>) -> Result<Vec<f32>, Error>;

    /// Forwards, and back from the slopes that are given for the scores; adds to the gradients. `moment`:
    /// `None` drops nothing.
    fn learn(
        &mut self,
        read: &Read<'_>,
        moment: Option<Moment>,
        slopes: Slopes<'_>,
    ) -> Result<(), Error>;

    /// There are no gradients yet.
    fn forget(&mut self);

    /// Scales the gradients down to a joint length of at most `most` (0: leaves them alone), and gives the
    /// length before.
    fn clip(&mut self, most: f64) -> f64;

    /// Moves everything that learns.
    fn step(&mut self, rate: f64) -> Result<(), Error>;
    fn write_checkpoint(&mut self, run_dir: &Path, counted: Counted) -> Result<(), Error>;
    fn read_checkpoint(&mut self, run_dir: &Path) -> Result<Counted, Error>;

    /// Writes it as transformers saves it, or the adapter as PEFT does. `base`: the model that it began
    /// with.
    fn save(&self, to: &Path, base: &ModelIdentity) -> Result<(), Error>;

    /// Takes what learns from a folder that [`Self::save`] has written.
    fn restore(&mut self, folder: &Path) -> Result<(), Error>;
}
