//! The same prompt many times: with several seeds at several temperatures. The prompt is read once.

use std::sync::Arc;

use super::guess::Guesser;
use super::sampling::SamplingParams;
use super::{
    AdapterMode, Answer, GenerateEvent, GenerateRequest, Lane, Prompt, Run, render_prompt,
};
use crate::jobs::{Cancelled, Progress};
use crate::llm::adapter::lora::Adapter;
use crate::llm::error::Error;
use crate::llm::generate::StopReason;
use crate::llm::model::Model;

/// What is asked again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct RepeatsRequest {
    pub prompt: Prompt,

    /// Its temperature gives way to each of `temperatures`.
    pub sampling: SamplingParams,
    pub temperatures: Vec<f32>,
    pub seeds: Vec<u64>,
    pub max_new_tokens: usize,
    pub stop_strings: Vec<String>,
    pub adapter: AdapterMode,
}

impl RepeatsRequest {
    /// The settings at one of the temperatures.
    pub fn at(&self, temperature: f32) -> SamplingParams {
        SamplingParams { temperature, greedy: false, ..self.sampling.clone() }
    }
}

#[derive(Clone, Debug)]
pub enum RepeatsEvent {
    Reading {
        done: usize,
        total: usize,
    },

    /// The prompt is read: its ids, the raw scores after it, and the tokens that end a turn.
    First {
        ids: Vec<u32>,
        logits: Arc<[f32]>,
        stop_ids: Vec<u32>,
    },

    /// An answer, by the places of its temperature and its seed.
    Answer {
        temperature: usize,
        seed: usize,
        answer: Answer,
    },
}

/// Answers with each seed at each temperature, all temperatures of a seed before the next seed.
///
/// The same request gives the same answers, and each is what [`super::generate`] gives with these settings
/// and this seed; `guesser` changes no distribution (see [`super::generate_guessed`]). Slow: reports every answer, and looks for Stop at every token.
pub fn repeats(
    (model, adapter): (&Model, Option<&Adapter>),
    guesser: Guesser<'_>,
    request: &RepeatsRequest,
    progress: &dyn Progress<RepeatsEvent>,
) -> Result<(), Error> {
    let is_on = request.adapter == AdapterMode::On;
    if is_on && adapter.is_none() {
        return Err(Error::NoAdapter);
    }
    let prompt = render_prompt(model, &request.prompt)?;
    model.check_fits(prompt.ids.len(), adapter.filter(|_| is_on))?;
    let quiet = OnlyReading(progress);
    let single = |temperature: f32, seed: u64| GenerateRequest {
        prompt: request.prompt.clone(),
        sampling: request.at(temperature),
        max_new_tokens: request.max_new_tokens,
        stop_strings: request.stop_strings.clone(),
        lanes: vec![Lane { seed, adapter: request.adapter }],
    };
    let first = single(1.0, 0);
    let run =
        Run { model, adapter, guesser, request: &first, prompt: &prompt.ids, progress: &quiet };
    let Some(start) = run.read_prompt(0, &first.lanes[0])? else { return Ok(()) };
    let (logits, stop_ids) = (Arc::clone(&start.next), model.stop_ids().to_vec());
    progress.emit(RepeatsEvent::First { ids: prompt.ids.clone(), logits, stop_ids });
    for (seed_place, seed) in request.seeds.iter().enumerate() {
        for (place, temperature) in request.temperatures.iter().enumerate() {
            let single = single(*temperature, *seed);
            let run = Run {
                model,
                adapter,
                guesser,
                request: &single,
                prompt: &prompt.ids,
                progress: &quiet,
            };
            let answer = run.answer(0, &single.lanes[0], start.clone(), 0.0)?;
            if answer.stop == StopReason::Stopped {
                return Ok(());
            }
            let answered = RepeatsEvent::Answer { temperature: place, seed: seed_place, answer };
            progress.emit(answered);
        }
    }
    Ok(())
}

/// Of what an answer reports, only how far the prompt is read.
struct OnlyReading<'a>(&'a dyn Progress<RepeatsEvent>);

impl Progress<GenerateEvent> for OnlyReading<'_> {
    fn emit(&self, event: GenerateEvent) {
        if let GenerateEvent::Reading { done, total, .. } = event {
            self.0.emit(RepeatsEvent::Reading { done, total });
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}
