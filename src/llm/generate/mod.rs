//! From a prompt to a stream of tokens.

mod accept;
mod chain;
pub mod constrained;
pub mod grammar;
pub mod groups;
pub mod guess;
pub mod guessing;
mod how_many;
pub(crate) mod introspect;
pub mod pipeline;
pub mod repeats;
pub mod sampling;
pub mod score;
mod stop;

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use self::guess::{Drafting, Guesser};
use self::guessing::{Drawn, Guesses, Guessing};
use self::sampling::{Sampler, SamplingParams};
use self::stop::UntilStop;
use super::adapter::lora::Adapter;
use super::error::Error;
use super::model::{Model, Positions};
use super::net::cache::KvCache;
use crate::data::pair::Message;
use crate::jobs::Progress;

/// What the model is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Continue this text as it stands.
    Raw(String),

    /// Put these messages through the chat template and answer as the assistant.
    Chat(Vec<Message>),
}

/// Whether the loaded LoRA adapter takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterMode {
    #[default]
    Off,
    On,
}

/// One answer among those asked for at once: two seeds to label, or base and adapter to compare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    pub seed: u64,
    pub adapter: AdapterMode,
}

/// Everything that decides what is generated: the same request gives the same bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateRequest {
    pub prompt: Prompt,
    pub sampling: SamplingParams,
    pub max_new_tokens: usize,
    pub stop_strings: Vec<String>,

    /// Answered one after the other; lanes with the same adapter mode share the prompt's work.
    pub lanes: Vec<Lane>,
}

/// A token of an answer.
#[derive(Clone, Debug)]
pub struct TokenStep {
    pub id: u32,

    /// The text that it adds. Empty while a character is not complete, or while the text could
    /// be the beginning of a stop string; the rest comes with a later token, or only with
    /// [`Answer::text`], which is the whole.
    pub text: String,

    /// Natural log of its probability before the sampling chain.
    pub logprob: f32,

    /// The raw scores (vocabulary) that it was drawn from.
    pub logits: Arc<[f32]>,

    /// Whether it was guessed before the model computed it: see [`Guesser`].
    pub is_guessed: bool,
}

/// A token of an answer that comes from a server, which says nothing of ids and sends no scores.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToldToken {
    /// Empty while a character is not complete. Several tokens at once where the server says no more.
    pub text: String,

    /// As the server says it. `None`: it does not.
    pub logprob: Option<f32>,

    /// The likeliest tokens in its place with their log-probabilities, the likeliest first.
    pub top: Vec<(String, f32)>,

    /// It is no token, but the rest of the text of the one before: servers hold text back that could
    /// become a stop string.
    pub is_rest: bool,
}

#[derive(Clone, Debug)]
pub enum GenerateEvent {
    /// The prompt as the model sees it.
    Prompt {
        text: String,
        ids: Vec<u32>,
    },

    /// The prompt is being read: `done` of `total` tokens, for one lane.
    Reading {
        lane: usize,
        done: usize,
        total: usize,
    },

    Token {
        lane: usize,
        step: TokenStep,
    },

    Told {
        lane: usize,
        token: ToldToken,
    },

    /// The model ended the turn of a lane with this token, which is not part of the answer and has no
    /// text. Its lane is done with it.
    TurnEnd {
        lane: usize,
        step: TokenStep,
    },

    /// A lane is complete. `next_logits` are the raw scores after its last token: those that the
    /// end of the turn was drawn from, or would be next. A lane that was stopped before its
    /// prompt was read has none, and does not report this. Of a server there are none: they are empty.
    LaneDone {
        lane: usize,
        answer: Answer,
        next_logits: Arc<[f32]>,
    },
}

/// Why an answer ends where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model ended its turn.
    EndOfTurn,

    /// A stop string appeared; it is not part of the answer.
    StopString,

    /// `max_new_tokens` are there.
    Length,

    /// The context is full.
    ContextFull,

    /// Somebody pressed Stop.
    Stopped,
}

/// A finished answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub text: String,

    /// Without the token that ended the turn; with those of a stop string.
    pub ids: Vec<u32>,
    pub stop: StopReason,

    /// Seconds for reading the prompt (0 where it was shared) and for all tokens after it.
    pub prompt_secs: f64,
    pub generation_secs: f64,

    /// All zero but for the passes where nobody guessed.
    pub guesses: Guesses,
}

/// How many tokens of a prompt are read between two looks at the Stop button.
const READ_CHUNK: usize = 64;

/// A prompt as the model sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedPrompt {
    pub text: String,
    pub ids: Vec<u32>,
}

/// Puts a prompt through the chat template and the tokenizer. Raw text gets the special tokens
/// that the tokenizer puts around a text, as transformers' `tokenizer(text)` adds them.
pub fn render_prompt(model: &Model, prompt: &Prompt) -> Result<RenderedPrompt, Error> {
    let tokenizer = model.tokenizer();
    let (text, add_special) = match prompt {
        Prompt::Raw(text) => (text.clone(), true),
        Prompt::Chat(messages) => {
            let chat = model.chat().ok_or(Error::NoChatTemplate)?;
            (chat.render(messages, true)?, false)
        }
    };
    let mut ids = tokenizer.encode(&text, add_special)?;
    if ids.is_empty() {
        // Nothing to continue: begin a text, as transformers' `generate` does.
        ids.extend(model.start_id());
    }
    Ok(RenderedPrompt { text, ids })
}

/// Answers a request, lane after lane. The same request gives the same answers.
///
/// Stopping is no failure: what there is comes back with [`StopReason::Stopped`], and the lanes
/// that were not begun are empty. Slow: reports every token and every stretch of the prompt.
pub fn generate(
    model: &Model,
    adapter: Option<&Adapter>,
    request: &GenerateRequest,
    progress: &dyn Progress<GenerateEvent>,
) -> Result<Vec<Answer>, Error> {
    generate_guessed(model, adapter, Guesser::Nobody, request, progress)
}

/// As [`generate`], faster where something can guess what comes next.
///
/// Guesses change no distribution: a greedy answer, and any answer with [`Guesser::Lookup`], has the tokens
/// that it has without them; where a draft model's guesses are drawn, the same seed gives another answer,
/// which is drawn from the same distribution. Models that carry a state round several tokens at once
/// otherwise than one after the other.
pub fn generate_guessed(
    model: &Model,
    adapter: Option<&Adapter>,
    guesser: Guesser<'_>,
    request: &GenerateRequest,
    progress: &dyn Progress<GenerateEvent>,
) -> Result<Vec<Answer>, Error> {
    let prompt = render_prompt(model, &request.prompt)?;
    generate_after(model, adapter, guesser, prompt, request, progress)
}

/// As [`generate_guessed`], after a prompt that is rendered already, which `request.prompt` only says the
/// kind of: raw text is continued, a chat is answered.
pub fn generate_after(
    model: &Model,
    adapter: Option<&Adapter>,
    guesser: Guesser<'_>,
    prompt: RenderedPrompt,
    request: &GenerateRequest,
    progress: &dyn Progress<GenerateEvent>,
) -> Result<Vec<Answer>, Error> {
    let wants_adapter = request.lanes.iter().any(|lane| lane.adapter == AdapterMode::On);
    if wants_adapter && adapter.is_none() {
        return Err(Error::NoAdapter);
    }
    model.check_fits(prompt.ids.len(), adapter.filter(|_| wants_adapter))?;
    progress.emit(GenerateEvent::Prompt { text: prompt.text, ids: prompt.ids.clone() });

    let run = Run { model, adapter, guesser, request, prompt: &prompt.ids, progress };
    let mut read: Vec<(AdapterMode, ReadPrompt<'_>)> = Vec::new();
    let mut answers = Vec::with_capacity(request.lanes.len());
    for (index, lane) in request.lanes.iter().enumerate() {
        let prompt_clock = Instant::now();
        let shared = read.iter().find(|(mode, _)| *mode == lane.adapter);
        let (start, prompt_secs) = if let Some((_, start)) = shared {
            (start.clone(), 0.0)
        } else {
            let Some(start) = run.read_prompt(index, lane)? else {
                answers.resize(request.lanes.len(), Answer::empty(StopReason::Stopped));
                return Ok(answers);
            };
            let secs = prompt_clock.elapsed().as_secs_f64();
            let later = &request.lanes[index + 1..];
            if later.iter().any(|later| later.adapter == lane.adapter) {
                read.push((lane.adapter, start.clone()));
            }
            (start, secs)
        };
        answers.push(run.answer(index, lane, start, prompt_secs)?);
    }
    Ok(answers)
}

impl Answer {
    fn empty(stop: StopReason) -> Self {
        let (text, ids, guesses) = (String::new(), Vec::new(), Guesses::default());
        Self { text, ids, stop, prompt_secs: 0.0, generation_secs: 0.0, guesses }
    }
}

/// The state after the prompt, which lanes fork.
#[derive(Clone)]
struct ReadPrompt<'a> {
    cache: KvCache,
    next: Arc<[f32]>,
    drafting: Option<Drafting<'a>>,
}

struct Run<'a> {
    model: &'a Model,
    adapter: Option<&'a Adapter>,
    guesser: Guesser<'a>,
    request: &'a GenerateRequest,
    prompt: &'a [u32],
    progress: &'a dyn Progress<GenerateEvent>,
}

impl<'a> Run<'a> {
    fn adapter(&self, mode: AdapterMode) -> Option<&Adapter> {
        self.adapter.filter(|_| mode == AdapterMode::On)
    }

    /// `None`: stopped.
    fn read_prompt(&self, index: usize, lane: &Lane) -> Result<Option<ReadPrompt<'a>>, Error> {
        let adapter = self.adapter(lane.adapter);
        let mut cache = self.model.new_answer_cache();
        let total = self.prompt.len();
        cache.plan(total); // as transformers reads it, at once
        let mut next = None;
        for chunk in self.prompt.chunks(READ_CHUNK) {
            if self.progress.check().is_err() {
                return Ok(None);
            }
            let is_last = cache.len() + chunk.len() == total;
            let wanted = if is_last { Positions::Last } else { Positions::From(chunk.len()) };
            let logits = self.model.logits(chunk, &mut cache, adapter, wanted)?;
            if is_last {
                next = Some(scores_of(&logits)?);
            }
            let done = cache.len();
            self.progress.emit(GenerateEvent::Reading { lane: index, done, total });
        }
        let mut drafting = None;
        if let Guesser::Draft(draft, _) = self.guesser {
            let drafting = drafting.insert(Drafting::new(draft));
            match drafting.read(self.prompt, self.progress) {
                Err(Error::Cancelled(_)) => return Ok(None),
                read => read?,
            }
        }
        Ok(Some(ReadPrompt { cache, next: next.ok_or(Error::NoTokens)?, drafting }))
    }

    fn answer(
        &self,
        index: usize,
        lane: &Lane,
        start: ReadPrompt<'_>,
        prompt_secs: f64,
    ) -> Result<Answer, Error> {
        let clock = Instant::now();
        let request = self.request;
        let adapter = self.adapter(lane.adapter);
        let ReadPrompt { mut cache, mut next, drafting } = start;
        let settings = (lane.seed, &request.sampling);
        let mut guessing = Guessing::new(self.model, self.guesser, drafting, settings);
        let mut history = self.prompt.to_vec();
        let mut sampler = Sampler::new(lane.seed);
        let is_continued = matches!(request.prompt, Prompt::Raw(_));
        let tokenizer = self.model.tokenizer();
        let mut shown = UntilStop::new(tokenizer, &request.stop_strings, self.prompt, is_continued);
        let mut answer = Answer { prompt_secs, ..Answer::empty(StopReason::Length) };

        answer.stop = loop {
            if answer.ids.len() == request.max_new_tokens {
                break StopReason::Length;
            }
            if self.progress.check().is_err() {
                break StopReason::Stopped;
            }
            let Drawn { id, is_guessed } =
                guessing.draw(&next, &history, &request.sampling, &mut sampler)?;
            if self.model.stop_ids().contains(&id) {
                let logprob = sampling::logprob(&next, id);
                let logits = Arc::clone(&next);
                let step = TokenStep { id, text: String::new(), logprob, logits, is_guessed };
                self.progress.emit(GenerateEvent::TurnEnd { lane: index, step });
                break StopReason::EndOfTurn;
            }
            history.push(id);
            answer.ids.push(id);
            let text = shown.push(id);
            let logprob = sampling::logprob(&next, id);
            let step = TokenStep { id, text, logprob, logits: Arc::clone(&next), is_guessed };
            self.progress.emit(GenerateEvent::Token { lane: index, step });
            if shown.is_stopped() {
                break StopReason::StopString;
            }
            if history.len() > self.model.context_with(adapter) {
                break StopReason::ContextFull;
            }
            let room = request.max_new_tokens - answer.ids.len();
            let model = (self.model, adapter);
            next = guessing.next(model, &mut cache, &history, (room, &request.sampling))?;
        };
        answer.guesses = guessing.tally;
        answer.text = shown.whole(&answer.ids);
        answer.generation_secs = clock.elapsed().as_secs_f64();
        let done = answer.clone();
        self.progress.emit(GenerateEvent::LaneDone {
            lane: index,
            answer: done,
            next_logits: next,
        });
        Ok(answer)
    }
}

/// The one row of `logits`, (1, vocabulary).
fn scores_of(logits: &candle_core::Tensor) -> Result<Arc<[f32]>, Error> {
    Ok(logits.flatten_all()?.to_vec1::<f32>()?.into())
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;
