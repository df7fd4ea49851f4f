//! Answers that are written token after token: a text (the likeliest token each time, drawn, or found by
//! a beam search), or fields in the form of a schema.

use serde_json::{Number, Value};

use super::quote;
use super::respondent::Answerer;
use crate::encoder::Error;
use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::written::Written;
use crate::evaluate::task::Kind;
use crate::jobs::Progress;
use crate::llm;
use crate::llm::generate::StopReason;
use crate::llm::generate::grammar::{Grammar, GrammarError};
use crate::llm::generate::sampling::{Sampler, SamplingParams};
use crate::seq2seq::{BeamSettings, EarlyStopping, WriteRequest};

/// Why nothing can be written.
#[derive(Debug, thiserror::Error)]
pub enum WritingError {
    #[error(transparent)]
    Grammar(#[from] GrammarError),

    #[error("{0}")]
    Schema(String),

    #[error(
        "an answer with these fields has at least {shortest} tokens, and `max_tokens` is {most}: \
         raise it, or ask for fewer fields"
    )]
    NoRoom { shortest: usize, most: usize },

    #[error(
        "`num_beams` is {0}, and a beam search is for encoder-decoders (T5, BART): leave it out for a \
         decoder"
    )]
    Beams(usize),
}

/// How the answers of a task are written.
#[derive(Debug)]
pub struct Writer {
    most: usize,
    manner: Manner,
}

#[derive(Debug)]
enum Manner {
    Likeliest,

    /// Each row with a seed of its own: that of the task and the row's number.
    Drawn(SamplingParams, u64),
    Beams {
        count: usize,
        length_penalty: f64,
    },

    /// What an answer has to look like, and which of its fields are quotes.
    Form(Box<Grammar>, Vec<String>),
}

impl Writer {
    /// `None`: the answers of this kind of task are options.
    pub fn new(
        answerer: &Answerer<'_>,
        kind: Kind<'_>,
        seed: u64,
    ) -> Result<Option<Self>, WritingError> {
        let most = kind.room();
        let manner = match kind {
            Kind::Extract(extract) => {
                let schema = extract.form().map_err(WritingError::Schema)?;
                let vocabulary = answerer.vocabulary()?;
                let grammar = Grammar::of_json_schema(&vocabulary, &schema.with_ends())?;
                let shortest = grammar.shortest();
                if shortest > most {
                    return Err(WritingError::NoRoom { shortest, most });
                }
                Manner::Form(Box::new(grammar), schema.quotes)
            }
            Kind::Write(write) if write.num_beams > 1 => {
                if matches!(answerer, Answerer::Decoder { .. }) {
                    return Err(WritingError::Beams(write.num_beams));
                }
                Manner::Beams { count: write.num_beams, length_penalty: write.length_penalty }
            }
            Kind::Write(write) if write.temperature > 0.0 => {
                let (temperature, top_p) = (write.temperature as f32, write.top_p as f32);
                Manner::Drawn(SamplingParams { temperature, top_p, ..plain(false) }, seed)
            }
            Kind::Write(_) | Kind::Ask(_) => Manner::Likeliest,
            Kind::Code(_)
            | Kind::Exam(_)
            | Kind::Judge(_)
            | Kind::Rate(_)
            | Kind::Survey(_)
            | Kind::Perplexity(_) => return Ok(None),
        };
        Ok(Some(Self { most, manner }))
    }

    /// `shared`: what all prompts of the task begin with. `text`: what the answer is about.
    pub fn answer<E>(
        &self,
        answerer: &mut Answerer<'_>,
        (shared, prompt): (&[u32], &[u32]),
        (row, text): (u64, &str),
        progress: &dyn Progress<E>,
    ) -> Result<Answered, Error> {
        match &self.manner {
            Manner::Form(grammar, quotes) => self.fields(
                (grammar.as_ref(), quotes.as_slice()),
                answerer,
                (shared, prompt),
                text,
                progress,
            ),
            _ => self.text(answerer, (shared, prompt), row, progress),
        }
    }

    fn text<E>(
        &self,
        answerer: &mut Answerer<'_>,
        (shared, prompt): (&[u32], &[u32]),
        row: u64,
        progress: &dyn Progress<E>,
    ) -> Result<Answered, Error> {
        let most = self.most;
        let (sampling, seed) = match &self.manner {
            Manner::Drawn(sampling, seed) => (sampling.clone(), seed.wrapping_add(row)),
            _ => (plain(true), 0),
        };
        let (ids, ended_early) = match answerer {
            Answerer::Decoder { model, scorer } => {
                let stops = model.stop_ids();
                let (mut sampler, sampling) = (Sampler::new(seed), &sampling);
                let mut failed = None;
                let mut choose = |scores: &[f32]| {
                    let next = if sampling.greedy {
                        Ok(likeliest(scores))
                    } else {
                        sampler.next(scores, &[], sampling)
                    };
                    match next {
                        Ok(id) => (!stops.contains(&id)).then_some(id),
                        Err(error) => {
                            failed = Some(error);
                            None
                        }
                    }
                };
                let ids = scorer.write(shared, prompt, most, &mut choose, progress)?;
                if let Some(error) = failed {
                    return Err(llm::Error::from(error).into());
                }
                let ended_early = ids.len() >= most;
                (ids, ended_early)
            }
            Answerer::Pair { scorer, .. } => {
                if let Manner::Beams { count, length_penalty } = &self.manner {
                    let settings = BeamSettings {
                        beams: *count,
                        length_penalty: *length_penalty,
                        early_stopping: EarlyStopping::default(),
                        max_new_tokens: most,
                        sampling,
                    };
                    let (ids, has_ended) = scorer.search(prompt, &settings, progress)?;
                    (ids, !has_ended)
                } else {
                    let request = WriteRequest { sampling, max_new_tokens: most, seed };
                    let written = scorer.draw(prompt, &request, progress)?;
                    (written.ids, written.stop != StopReason::EndOfTurn)
                }
            }
        };
        let said = answerer.said(prompt, &ids).trim().to_owned();
        let written = Written { tokens: ids.len(), ended_early, ..Written::default() };
        Ok(answered(said, written))
    }

    fn fields<E>(
        &self,
        (grammar, quotes): (&Grammar, &[String]),
        answerer: &mut Answerer<'_>,
        (shared, prompt): (&[u32], &[u32]),
        text: &str,
        progress: &dyn Progress<E>,
    ) -> Result<Answered, Error> {
        // An answer that cannot be closed in its room goes on into what is left of the
        // context.
        let context = answerer.room_after(prompt);
        let mut guide = grammar.begin();
        let mut left = self.most;
        let mut problem = None;
        let mut choose = |scores: &[f32]| match guide.next(scores, left) {
            Ok(next) => {
                left = left.saturating_sub(1);
                next
            }
            Err(err) => {
                problem = Some(err.to_string());
                None
            }
        };
        let ids = answerer.write(shared, prompt, context, &mut choose, progress)?;
        let answer = guide.text();
        let mut written =
            Written { tokens: ids.len(), ended_early: guide.was_closed(), ..Written::default() };
        match (problem, serde_json::from_str(&answer)) {
            (None, Ok(fields)) => written.fields = fields,
            (problem, read) => {
                let read = read.err().map(|err| err.to_string());
                let problem = problem.or(read).unwrap_or_default();
                let problem = format!("its answer could not be completed: {problem}");
                return Ok(Answered::refused(0, None, problem));
            }
        }
        for value in written.fields.values_mut() {
            without_negative_zero(value);
        }
        for name in quotes {
            if let Some(said) = written.fields.get(name).and_then(Value::as_str) {
                written.quotes.insert(name.clone(), quote::is_in(said, text));
            }
        }
        Ok(answered(answer, written))
    }
}

/// The likeliest token after token, of at most `most`, until the model ends its answer: the text, and
/// how many tokens it has.
pub fn likeliest_text<E>(
    answerer: &mut Answerer<'_>,
    shared: &[u32],
    prompt: &[u32],
    most: usize,
    progress: &dyn Progress<E>,
) -> Result<(String, usize), Error> {
    let stops = answerer.stop_ids();
    let mut choose = |scores: &[f32]| {
        let best = likeliest(scores);
        (!stops.contains(&best)).then_some(best)
    };
    let ids = answerer.write(shared, prompt, most, &mut choose, progress)?;
    Ok((answerer.said(prompt, &ids).trim().to_owned(), ids.len()))
}

/// The model's own probabilities, with nothing taken off.
fn plain(greedy: bool) -> SamplingParams {
    SamplingParams {
        greedy,
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        repetition_penalty: 1.0,
        ..SamplingParams::default()
    }
}

fn answered(answer: String, written: Written) -> Answered {
    Answered { answer: Some(answer), written: Some(written), ..Answered::default() }
}

/// The first where several are.
fn likeliest(scores: &[f32]) -> u32 {
    let mut best = 0;
    for (id, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = id;
        }
    }
    best as u32
}

/// `-0` is 0: a table of numbers shows no other one.
fn without_negative_zero(value: &mut Value) {
    match value {
        Value::Number(number) if number.as_f64() == Some(0.0) => *number = Number::from(0),
        Value::Array(items) => items.iter_mut().for_each(without_negative_zero),
        Value::Object(fields) => fields.values_mut().for_each(without_negative_zero),
        _ => {}
    }
}
