//! The exact log-probabilities of given answers by an encoder-decoder, and answers that it writes: its
//! encoder reads a prompt once, its decoder goes over all answers to it together.

use super::scoring::{Asked, Unaskable};
use crate::encoder::{Error, Tokens};
use crate::evaluate::prompt::Presentation;
use crate::jobs::{Checks, Progress};
use crate::llm::text::tokenizer::Tokenizer;
use crate::seq2seq::{BeamSettings, Memory, Seq2Seq, WriteRequest, Written};

/// Asks one encoder-decoder.
pub struct PairScorer<'a> {
    model: &'a Seq2Seq,

    /// The prompt that was read last, and what the encoder made of it.
    read: Option<(Vec<u32>, Memory)>,
}

impl<'a> PairScorer<'a> {
    pub fn new(model: &'a Seq2Seq) -> Self {
        Self { model, read: None }
    }

    /// The longest prompt that its encoder reads.
    pub fn context(&self) -> usize {
        self.model.longest_text().unwrap_or(usize::MAX)
    }

    fn tokenizer(&self) -> Result<&'a Tokenizer, Error> {
        self.model.tokenizer().map(AsRef::as_ref).ok_or(Error::NoTokens)
    }

    /// The ids of a presentation: the prompt as the encoder reads a text, the answers as the decoder writes
    /// them. `room`: so many tokens the decoder may write at the least.
    pub fn encode(
        &self,
        presentation: &Presentation,
        room: usize,
    ) -> Result<Result<Asked, Unaskable>, Error> {
        let tokenizer = self.tokenizer()?;
        let prompt = tokenizer.encode(&presentation.content, true)?;
        let mut answers = Vec::with_capacity(presentation.answers.len());
        for answer in &presentation.answers {
            let ids = tokenizer.encode(answer, false)?;
            if ids.is_empty() || tokenizer.decode(&ids, false).trim() != answer.trim() {
                return Ok(Err(Unaskable::Unsayable { answer: answer.clone() }));
            }
            answers.push(ids);
        }
        let (needed, context) = (prompt.len(), self.context());
        if needed > context {
            return Ok(Err(Unaskable::TooLong { needed, context }));
        }
        let longest = answers.iter().map(Vec::len).max().unwrap_or(0).max(room.min(1));
        let before = self.model.opening()?.len();
        Ok(match self.model.longest_answer() {
            Some(most) if longest + before > most => {
                Err(Unaskable::NoRoom { needed: longest, most: most.saturating_sub(before) })
            }
            _ => Ok(Asked { prompt, answers }),
        })
    }

    /// Natural logs of the probability of every answer after its prompt, the sum over its tokens, for the
    /// presentations of one row.
    pub fn score<E>(
        &mut self,
        row: &[Asked],
        progress: &dyn Progress<E>,
    ) -> Result<Vec<Vec<f64>>, Error> {
        let mut sums = Vec::with_capacity(row.len());
        for Asked { prompt, answers } in row {
            progress.check()?;
            let model = self.model;
            let logprobs = model.logprobs(self.memory(prompt)?, answers)?;
            let sum = |logprobs: Vec<f32>| logprobs.into_iter().map(f64::from).sum();
            sums.push(logprobs.into_iter().map(sum).collect());
        }
        Ok(sums)
    }

    /// The natural log of the probability of each token of one answer.
    pub fn logprobs<E>(
        &mut self,
        prompt: &[u32],
        answer: &[u32],
        progress: &dyn Progress<E>,
    ) -> Result<Vec<f32>, Error> {
        progress.check()?;
        let model = self.model;
        Ok(model.logprobs(self.memory(prompt)?, &[answer.to_vec()])?.concat())
    }

    /// Answers a prompt token by token, as [`super::scoring::Scorer::write`] does.
    pub fn write<E>(
        &mut self,
        prompt: &[u32],
        most: usize,
        choose: &mut dyn FnMut(&[f32]) -> Option<u32>,
        progress: &dyn Progress<E>,
    ) -> Result<Vec<u32>, Error> {
        let model = self.model;
        model.write_chosen(self.memory(prompt)?, most, choose, progress)
    }

    /// Answers a prompt as `tuning-fork generate` does: token by token.
    pub fn draw<E>(
        &mut self,
        prompt: &[u32],
        request: &WriteRequest,
        progress: &dyn Progress<E>,
    ) -> Result<Written, Error> {
        let model = self.model;
        let written = model.write_of(self.memory(prompt)?, request, &Checks(progress))?;
        progress.check()?;
        Ok(written)
    }

    /// The same by a beam search: the tokens of the best answer, without the one that ends it, and whether
    /// it has ended.
    pub fn search<E>(
        &mut self,
        prompt: &[u32],
        settings: &BeamSettings,
        progress: &dyn Progress<E>,
    ) -> Result<(Vec<u32>, bool), Error> {
        let model = self.model;
        let found = model.search(self.memory(prompt)?, settings, &Checks(progress))?;
        let Some(best) = found.into_iter().next() else { return Ok((Vec::new(), true)) };
        let mut ids = best.ids;
        let has_ended = ids.last().is_some_and(|id| model.ends().contains(id));
        if has_ended {
            ids.pop();
        }
        Ok((ids, has_ended))
    }

    /// What the encoder makes of a prompt. Prompts that are asked several things follow each other.
    fn memory(&mut self, prompt: &[u32]) -> Result<&Memory, Error> {
        if self.read.as_ref().is_none_or(|(read, _)| read != prompt) {
            self.read = None;
            let memory = self.model.read(Tokens::plain(prompt), &mut |_| {})?;
            self.read = Some((prompt.to_vec(), memory));
        }
        match &self.read {
            Some((_, memory)) => Ok(memory),
            None => Err(Error::NoTokens),
        }
    }
}
