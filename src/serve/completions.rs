//! `/v1/completions`: texts or token ids are continued, and scored.

use std::cell::RefCell;

use rand::RngExt as _;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::asked::{Completion, PromptText};
use super::error::Refusal;
use super::likelihoods::{Likelihood, Names, Top};
use super::served::{Decoder, Served, now};
use super::watch::{Hears, Watch};
use crate::jobs;
use crate::llm;
use crate::llm::Tokenizer;
use crate::llm::generate::sampling::Sampler;
use crate::llm::generate::score::score_with;
use crate::llm::generate::{
    self, AdapterMode, Answer, GenerateEvent, GenerateRequest, Lane, Prompt, RenderedPrompt,
    StopReason,
};
use crate::llm::text::decode::StreamDecoder;

/// Log-probabilities in one answer, at most: about 200 MB of JSON.
const MOST_LIKELIHOODS: usize = 4_000_000;

/// Tokens that a request has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub prompt: usize,
    pub answer: usize,
}

impl Usage {
    pub fn json(self) -> Value {
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.answer,
            "total_tokens": self.prompt + self.answer,
        })
    }
}

/// What a choice has more.
#[derive(Clone, Debug, Default)]
pub struct Delta {
    pub text: String,
    pub ids: Vec<u32>,
    pub likelihoods: Vec<Likelihood>,

    /// Why it ends here.
    pub finish: Option<&'static str>,
}

impl Delta {
    pub fn append(&mut self, more: Self) {
        self.text.push_str(&more.text);
        self.ids.extend(more.ids);
        self.likelihoods.extend(more.likelihoods);
        self.finish = more.finish.or(self.finish);
    }
}

/// Takes in what choices have more, by their numbers.
pub type Take<'a> = dyn FnMut(usize, Delta) + 'a;

/// Computes everything and hands it over bit by bit.
pub fn complete(
    decoder: &Decoder,
    asked: &Completion,
    watch: &Watch<'_>,
    take: &mut Take<'_>,
) -> Result<Usage, Refusal> {
    let prompts = rendered(decoder, asked, watch)?;
    let choices = asked.sampled.choices;
    let mut usage = Usage::default();
    for (at, prompt) in prompts.into_iter().enumerate() {
        usage.prompt += prompt.ids.len();
        let first = at * choices;
        let of_prompt = Continuing { decoder, asked, watch, first };
        usage.answer += of_prompt.run(prompt, take)?;
    }
    Ok(usage)
}

/// All prompts as ids, before the first of them is computed: a mistake in the last one is told at once.
fn rendered(
    decoder: &Decoder,
    asked: &Completion,
    watch: &Watch<'_>,
) -> Result<Vec<RenderedPrompt>, Refusal> {
    let model = &decoder.model;
    let (tokenizer, adapter) = (model.tokenizer(), decoder.adapter(asked.adapter));
    let mut all = Vec::with_capacity(asked.prompts.len());
    let mut likelihoods = 0;
    for prompt in &asked.prompts {
        watch.still_wanted()?;
        let prompt = match prompt {
            PromptText::Text(text) if asked.adds_special => {
                generate::render_prompt(model, &Prompt::Raw(text.clone()))?
            }
            PromptText::Text(text) => {
                let ids = tokenizer.encode(text, false).map_err(llm::Error::from)?;
                RenderedPrompt { text: text.clone(), ids }
            }
            PromptText::Ids(ids) => {
                RenderedPrompt { text: tokenizer.decode(ids, false), ids: ids.clone() }
            }
        };
        if prompt.ids.is_empty() {
            return Err(llm::Error::NoTokens.into());
        }
        decoder.knows(&prompt.ids)?;
        let count = prompt.ids.len();
        model.check_fits(count, adapter)?;
        if let Some(top) = &asked.top {
            let echoed = if asked.echoes { count } else { 0 };
            let room = model.context_with(adapter) - count;
            let of_choice = echoed + asked.max_tokens.min(room);
            likelihoods += of_choice * asked.sampled.choices * (top.most() + 1);
        }
        all.push(prompt);
    }
    if likelihoods > MOST_LIKELIHOODS {
        let message = format!(
            "This would be up to {likelihoods} log-probabilities in one answer, and \
             {MOST_LIKELIHOODS} are the most. Send fewer prompts in a request, or ask for a smaller \
             \"logprobs\"."
        );
        return Err(Refusal::of("logprobs", message));
    }
    Ok(all)
}

/// One prompt, whose choices have the numbers from `first` on.
struct Continuing<'a> {
    decoder: &'a Decoder,
    asked: &'a Completion,
    watch: &'a Watch<'a>,
    first: usize,
}

impl Continuing<'_> {
    /// How many tokens were answered.
    fn run(&self, prompt: RenderedPrompt, take: &mut Take<'_>) -> Result<usize, Refusal> {
        let Self { asked, first, .. } = *self;
        let choices = first..first + asked.sampled.choices;
        // Where an answer begins in its text.
        let mut begin = 0;
        let mut next = None;
        if asked.echoes {
            begin = prompt.text.chars().count();
            let mut echo = Delta { text: prompt.text.clone(), ..Delta::default() };
            if let Some(top) = &asked.top {
                (echo.likelihoods, next) = self.scored(&prompt, top)?;
            }
            choices.clone().for_each(|at| take(at, echo.clone()));
        }
        if asked.max_tokens == 0 {
            let end = Delta { finish: Some("length"), ..Delta::default() };
            choices.for_each(|at| take(at, end.clone()));
            return Ok(0);
        }
        // What harnesses ask for that only want the prompt's scores: the pass is not done twice.
        if let (Some(next), 1, Some(top)) = (next, asked.max_tokens, &asked.top)
            && asked.sampled.stop.is_empty()
        {
            return self.one_token(&prompt, (&next, top, begin), take);
        }
        self.generate(prompt, begin, take)
    }

    /// How likely each token of a prompt is, and the scores after the last one.
    fn scored(
        &self,
        prompt: &RenderedPrompt,
        top: &Top,
    ) -> Result<(Vec<Likelihood>, Option<Vec<f32>>), Refusal> {
        let Self { decoder, asked, watch, .. } = *self;
        let model = &decoder.model;
        let vocabulary = model.config().vocab_size;
        let ids = &prompt.ids;
        let offsets = offsets(model.tokenizer(), prompt);
        let first = Likelihood { id: ids[0], logprob: None, top: Vec::new(), offset: offsets[0] };
        let mut all = vec![first];
        let mut last = None;
        let adapter = decoder.adapter(asked.adapter);
        let logprobs = score_with(model, adapter, ids, watch, &mut |logits| {
            let rows = logits.flatten_all()?.to_vec1::<f32>()?;
            // What each row comes before; the last row of all comes after the whole prompt.
            let (next, offsets) = (&ids[all.len()..], &offsets[all.len()..]);
            last = rows.chunks_exact(vocabulary).nth(next.len()).map(<[f32]>::to_vec);
            let more = jobs::in_pool(|| {
                let known = rows.par_chunks_exact(vocabulary).zip(next).zip(offsets);
                let likelihood =
                    known.map(|((row, id), offset)| Likelihood::of(row, *id, top, *offset));
                likelihood.collect::<Vec<_>>()
            });
            all.extend(more);
            Ok(())
        });
        match logprobs {
            Ok(_) => Ok((all, last)),
            Err(llm::Error::Cancelled(_)) => Err(watch.refusal()),
            Err(error) => Err(error.into()),
        }
    }

    /// The token that follows these scores, as `generate` draws it.
    fn one_token(
        &self,
        prompt: &RenderedPrompt,
        (next, top, begin): (&[f32], &Top, usize),
        take: &mut Take<'_>,
    ) -> Result<usize, Refusal> {
        let Self { decoder, asked, first, .. } = *self;
        let (model, sampled) = (&decoder.model, &asked.sampled);
        let lanes = sampled.lanes(asked.adapter);
        for (lane, Lane { seed, .. }) in lanes.iter().enumerate() {
            let drawn = Sampler::new(*seed).next(next, &prompt.ids, &sampled.sampling);
            let id = drawn.map_err(llm::Error::from)?;
            let ends = model.stop_ids().contains(&id);
            let text = if ends {
                String::new()
            } else {
                model.tokenizer().decode_after(&prompt.ids, &[id], true)
            };
            let likelihood = Likelihood::of(next, id, top, begin);
            let finish = Some(if ends { "stop" } else { "length" });
            take(
                first + lane,
                Delta { text, ids: vec![id], likelihoods: vec![likelihood], finish },
            );
        }
        Ok(lanes.len())
    }

    fn generate(
        &self,
        prompt: RenderedPrompt,
        begin: usize,
        take: &mut Take<'_>,
    ) -> Result<usize, Refusal> {
        let Self { decoder, asked, first, .. } = *self;
        let request = GenerateRequest {
            prompt: Prompt::Raw(String::new()),
            sampling: asked.sampled.sampling.clone(),
            max_new_tokens: asked.max_tokens,
            stop_strings: asked.sampled.stop.clone(),
            lanes: asked.sampled.lanes(asked.adapter),
        };
        let wanted = Wanted { top: asked.top.as_ref(), begin, ends: true };
        let mut take = |lane: usize, delta| take(first + lane, delta);
        written(decoder, prompt, &request, (self.watch, wanted), &mut take)
    }
}

/// What is wanted beside the text.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// What comes beside each token. `None`: no log-probabilities.
    pub top: Option<&'a Top>,

    /// At which character of its text an answer begins.
    pub begin: usize,

    /// The token that ended the turn is among the log-probabilities: harnesses count on one token for
    /// each that they ask for.
    pub ends: bool,
}

/// Runs `generate` and hands over what comes; says how many tokens came.
pub fn written(
    decoder: &Decoder,
    prompt: RenderedPrompt,
    request: &GenerateRequest,
    (watch, wanted): (&Watch<'_>, Wanted<'_>),
    take: &mut Take<'_>,
) -> Result<usize, Refusal> {
    let state =
        RefCell::new(Writing { take, said: vec![String::new(); request.lanes.len()], count: 0 });
    let hear = |event| state.borrow_mut().hear(event, wanted);
    let hears = Hears { watch, hear };
    let mode = request.lanes.first().map_or(AdapterMode::Off, |lane| lane.adapter);
    let adapter = decoder.adapter(mode);
    let answers = generate::generate_after(
        &decoder.model,
        adapter,
        decoder.guesser.guesser(),
        prompt,
        request,
        &hears,
    )?;
    if answers.iter().any(|answer| answer.stop == StopReason::Stopped) {
        return Err(watch.refusal());
    }
    Ok(state.into_inner().count)
}

/// Answers under way.
struct Writing<'a, 'b> {
    take: &'a mut Take<'b>,

    /// The text of each lane that was handed over.
    said: Vec<String>,

    /// Tokens of all.
    count: usize,
}

impl Writing<'_, '_> {
    fn hear(&mut self, event: GenerateEvent, wanted: Wanted<'_>) {
        match event {
            GenerateEvent::Token { lane, step } => {
                self.count += 1;
                let offset = wanted.begin + self.said[lane].chars().count();
                self.said[lane].push_str(&step.text);
                let likelihood =
                    wanted.top.map(|top| Likelihood::of(&step.logits, step.id, top, offset));
                let likelihoods = likelihood.into_iter().collect();
                let delta =
                    Delta { text: step.text, ids: vec![step.id], likelihoods, ..Delta::default() };
                (self.take)(lane, delta);
            }
            GenerateEvent::TurnEnd { lane, step } => {
                self.count += 1;
                if let (Some(top), true) = (wanted.top, wanted.ends) {
                    let offset = wanted.begin + self.said[lane].chars().count();
                    let likelihood = Likelihood::of(&step.logits, step.id, top, offset);
                    let ids = vec![step.id];
                    let delta = Delta { ids, likelihoods: vec![likelihood], ..Delta::default() };
                    (self.take)(lane, delta);
                }
            }
            GenerateEvent::LaneDone { lane, answer, .. } => {
                let Answer { text, stop, .. } = answer;
                let finish = match stop {
                    StopReason::EndOfTurn | StopReason::StopString => "stop",
                    StopReason::Length | StopReason::ContextFull => "length",
                    // It is not complete, and that is told.
                    StopReason::Stopped => return,
                };
                // What was held back, because a stop string could have begun there.
                let rest = text.strip_prefix(self.said[lane].as_str()).unwrap_or_default();
                let delta =
                    Delta { text: rest.to_owned(), finish: Some(finish), ..Delta::default() };
                (self.take)(lane, delta);
            }
            GenerateEvent::Prompt { .. }
            | GenerateEvent::Reading { .. }
            | GenerateEvent::Told { .. } => {}
        }
    }
}

/// At which character of the prompt's text each token begins.
fn offsets(tokenizer: &Tokenizer, prompt: &RenderedPrompt) -> Vec<usize> {
    let mut decoder = StreamDecoder::new(tokenizer, false);
    let mut at = 0;
    let mut all = Vec::with_capacity(prompt.ids.len());
    for (place, id) in prompt.ids.iter().enumerate() {
        all.push(at);
        let piece = decoder.push(*id);
        // The token that begins a text is not in the text.
        let is_added =
            place == 0 && tokenizer.is_special(*id) && !prompt.text.starts_with(piece.as_str());
        if !is_added {
            at += piece.chars().count();
        }
    }
    all
}

/// What an answer of this path has in common with each piece of it.
pub struct Envelope<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    fingerprint: Option<String>,
}

impl<'a> Envelope<'a> {
    pub fn new(prefix: &str, object: &'static str, mode: AdapterMode, served: &'a Served) -> Self {
        let number: u128 = rand::rng().random();
        Self {
            id: format!("{prefix}-{number:032x}"),
            object,
            created: now(),
            model: served.name_with(mode),
            fingerprint: served.fingerprint(),
        }
    }

    pub fn with(&self, choices: &[Value]) -> Value {
        json!({
            "id": self.id,
            "object": self.object,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        })
    }

    pub fn with_usage(&self, choices: &[Value], usage: Usage) -> Value {
        let mut answer = self.with(choices);
        answer["usage"] = usage.json();
        answer
    }
}

/// The whole answer at once.
pub fn whole(
    served: &Served,
    asked: &Completion,
    watch: &Watch<'_>,
) -> Result<(Value, Usage), Refusal> {
    let decoder = served.writer()?;
    let count = asked.prompts.len() * asked.sampled.choices;
    let mut all = vec![Delta::default(); count];
    let usage = complete(decoder, asked, watch, &mut |at, delta| all[at].append(delta))?;
    let choices =
        all.into_iter().enumerate().map(|(at, delta)| choice(decoder, asked, (at, delta)));
    let envelope = Envelope::new("cmpl", "text_completion", asked.adapter, served);
    Ok((envelope.with_usage(&choices.collect::<Vec<_>>(), usage), usage))
}

/// A piece at a time, each as it is computed.
pub fn stream(
    served: &Served,
    asked: &Completion,
    watch: &Watch<'_>,
    say: &dyn Fn(&Value),
) -> Result<Usage, Refusal> {
    let decoder = served.writer()?;
    let envelope = Envelope::new("cmpl", "text_completion", asked.adapter, served);
    let mut take = |at: usize, delta: Delta| {
        let is_silent = delta.text.is_empty() && delta.likelihoods.is_empty();
        if is_silent && delta.finish.is_none() && !asked.sampled.returns_ids {
            return;
        }
        say(&envelope.with(&[choice(decoder, asked, (at, delta))]));
    };
    let usage = complete(decoder, asked, watch, &mut take)?;
    if asked.sampled.streams_usage {
        say(&envelope.with_usage(&[], usage));
    }
    Ok(usage)
}

fn choice(decoder: &Decoder, asked: &Completion, (at, delta): (usize, Delta)) -> Value {
    let by_id = asked.sampled.names_ids;
    let names = Names { tokenizer: decoder.model.tokenizer(), by_id };
    let mut choice = json!({
        "index": at,
        "text": delta.text,
        "logprobs": asked.top.as_ref().map(|_| names.lists(&delta.likelihoods)),
        "finish_reason": delta.finish,
    });
    if asked.sampled.returns_ids {
        choice["token_ids"] = delta.ids.into();
    }
    choice
}
