//! Reads a distribution over the options of a survey's question from a model, in several ways.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::respondent::Answerer;
use super::scoring::{Asked, Unaskable, sentence};
use super::weighing::weigh;
use crate::encoder::Error;
use crate::evaluate::prompt::{Form, Presentation, PromptError};
use crate::evaluate::results::answered::Answered;
use crate::evaluate::rows::question::Question;
use crate::evaluate::task::manner::{Manner, Way, Wording};
use crate::evaluate::task::survey::{
    Distribution, Survey, Surveyed, meant, meant_freely, said_shares,
};
use crate::evaluate::task::{AnswerForm, Kind, Scoring, Task};
use crate::jobs::Progress;
use crate::llm;
use crate::llm::generate::grammar::{Grammar, GrammarError, Vocabulary};
use crate::llm::generate::sampling::{Sampler, SamplingParams};

/// A drawn answer has so many tokens at most; one that is not held to the options more.
const DRAWN_TOKENS: usize = 12;
const FREE_TOKENS: usize = 48;

const PERCENT: &str = "Of 100 people like this, how many would choose each option? Answer with one \
                       JSON object that has a whole number for each letter, and with nothing else.";

#[derive(Debug, thiserror::Error)]
pub enum InterviewError {
    #[error(transparent)]
    Prompt(#[from] PromptError),

    #[error(transparent)]
    Grammar(#[from] GrammarError),

    #[error("the model failed")]
    Model(#[from] Error),
}

/// How the questions of a survey are put to a model.
#[derive(Debug)]
pub struct Interviewer {
    forms: Vec<(Manner, Form)>,
    score: Scoring,
    samples: usize,
    seed: u64,
    vocabulary: Option<Vocabulary>,
}

impl Interviewer {
    pub fn new(
        answerer: &Answerer<'_>,
        task: &Task,
        survey: &Survey,
    ) -> Result<Self, InterviewError> {
        let form = |manner: Manner| -> Result<(Manner, Form), PromptError> {
            let Manner { wording, way } = manner;
            let answer = if way == Way::Texts { AnswerForm::Text } else { AnswerForm::Letter };
            let form = Form::of(&Task { answer, ..task.clone() }, Kind::Survey(survey), None)?;
            let form = if way == Way::Verbalised { form.with_reminder(PERCENT) } else { form };
            Ok((manner, form.worded(wording)))
        };
        let forms = survey.manners().into_iter().map(form).collect::<Result<_, _>>()?;
        let says = survey.ways.contains(&Way::Verbalised);
        let vocabulary = if says { Some(answerer.vocabulary()?) } else { None };
        let (score, samples, seed) = (task.score, survey.samples, task.seed);
        Ok(Self { forms, score, samples, seed, vocabulary })
    }

    /// The answer of one person to one question.
    pub fn answer<E>(
        &self,
        answerer: &mut Answerer<'_>,
        question: &Question,
        progress: &dyn Progress<E>,
    ) -> Result<Answered, InterviewError> {
        let row = question.row.place.row;
        let mut main = None;
        let mut ways = BTreeMap::new();
        for (manner, form) in &self.forms {
            let most = drawn_tokens(manner.wording);
            let room = match manner.way {
                Way::Letters | Way::Texts => 0,
                Way::Verbalised => question.options.len() * 12 + 8,
                Way::Sampled => most,
            };
            let presentations = form.presentations(question)?;
            let asked: Result<Vec<Asked>, Unaskable> = presentations
                .iter()
                .map(|one| answerer.encode(one, room))
                .collect::<Result<Vec<_>, Error>>()?
                .into_iter()
                .collect();
            let asked = match asked {
                Ok(asked) => asked,
                Err(unaskable) => return Ok(Answered::refused(row, None, sentence(&unaskable))),
            };
            let found = match manner.way {
                Way::Letters | Way::Texts => {
                    let orders: Vec<Vec<usize>> =
                        presentations.into_iter().map(|one| one.order).collect();
                    let logprobs = answerer.score(&[], &asked, progress)?;
                    let scores = self.scores(&logprobs, &asked);
                    let answered = match weigh(&orders, &scores, &logprobs, false) {
                        Ok(answered) => answered,
                        Err(why) => return Ok(Answered::refused(row, None, why.to_string())),
                    };
                    let first = weigh(&orders[..1], &scores[..1], &logprobs[..1], false);
                    let found = Distribution {
                        probabilities: answered.probabilities.clone(),
                        in_first_order: first.map(|it| it.probabilities).unwrap_or_default(),
                        by_place: answered.by_place.clone(),
                        other: (1.0 - answered.mass).max(0.0),
                    };
                    main.get_or_insert(answered);
                    found
                }
                Way::Verbalised => self.said(answerer, question, &asked, progress)?,
                Way::Sampled => {
                    let asked = (manner.wording, presentations.as_slice(), asked.as_slice());
                    self.drawn(answerer, question, asked, progress)?
                }
            };
            ways.insert(*manner, found);
        }
        let poll = question.poll.clone().unwrap_or_default();
        let mut answered = main.unwrap_or_else(|| {
            let first = self.forms.first().and_then(|(manner, _)| ways.get(manner));
            let probabilities = first.map(|it| it.probabilities.clone()).unwrap_or_default();
            Answered { probabilities, ..Answered::refused(row, None, String::new()) }
        });
        answered.row = row;
        answered.problem = None;
        answered.index = likeliest(&answered.probabilities);
        answered.answer = answered
            .index
            .and_then(|index| question.options.get(index))
            .map(|option| option.trim().to_owned());
        // Where none of the options was said there is no answer, and that is what was found.
        answered.surveyed = Some(Surveyed { poll, ways });
        Ok(answered)
    }

    fn scores(&self, logprobs: &[Vec<f64>], asked: &[Asked]) -> Vec<Vec<f64>> {
        if self.score != Scoring::Mean {
            return logprobs.to_vec();
        }
        let rows = logprobs.iter().zip(asked);
        rows.map(|(sums, asked)| {
            let lengths = asked.answers.iter().map(|ids| ids.len() as f64);
            sums.iter().zip(lengths).map(|(sum, length)| sum / length).collect()
        })
        .collect()
    }

    /// What the model says in per cent, with the options in the order of the table.
    fn said<E>(
        &self,
        answerer: &mut Answerer<'_>,
        question: &Question,
        asked: &[Asked],
        progress: &dyn Progress<E>,
    ) -> Result<Distribution, InterviewError> {
        let count = question.options.len();
        let (Some(vocabulary), Some(asked)) = (&self.vocabulary, asked.first()) else {
            return Ok(Distribution::default());
        };
        let letters: Vec<String> =
            (0..count).map(|place| char::from(b'A' + place as u8).to_string()).collect();
        let share = json!({"type": "integer", "minimum": 0, "maximum": 100});
        let properties: Map<String, Value> =
            letters.iter().map(|letter| (letter.clone(), share.clone())).collect();
        let grammar = Grammar::of_json_schema(
            vocabulary,
            &json!({"type": "object", "properties": properties, "required": letters,
                    "additionalProperties": false}),
        )?;
        let mut guide = grammar.begin();
        let mut problem = None;
        let most = count * 12 + 8;
        let mut left = most;
        let mut choose = |scores: &[f32]| {
            let next = guide.next(scores, left);
            left = left.saturating_sub(1);
            next.unwrap_or_else(|err| {
                problem = Some(err);
                None
            })
        };
        answerer.write(&[], &asked.prompt, most, &mut choose, progress)?;
        if let Some(problem) = problem {
            return Err(problem.into());
        }
        let fields: Map<String, Value> = serde_json::from_str(&guide.text()).unwrap_or_default();
        let probabilities = said_shares(&fields, count);
        let other = if probabilities.is_empty() { 1.0 } else { 0.0 };
        Ok(Distribution { probabilities, other, ..Distribution::default() })
    }

    /// Answers at temperature 1, counted; the orders take turns.
    fn drawn<E>(
        &self,
        answerer: &mut Answerer<'_>,
        question: &Question,
        (wording, presentations, asked): (Wording, &[Presentation], &[Asked]),
        progress: &dyn Progress<E>,
    ) -> Result<Distribution, InterviewError> {
        let plain = SamplingParams {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            repetition_penalty: 1.0,
            ..SamplingParams::default()
        };
        let stops = answerer.stop_ids();
        let mut counts = vec![0_usize; question.options.len()];
        let mut others = 0_usize;
        for (place, (presentation, asked)) in presentations.iter().zip(asked).enumerate() {
            // Draws of one order follow each other: its prompt is read once.
            let orders = presentations.len();
            let draws = self.samples / orders + usize::from(place < self.samples % orders);
            let shown: Vec<&str> = presentation
                .order
                .iter()
                .map(|option| question.options[*option].as_str())
                .collect();
            for draw in 0..draws {
                let row = question.row.place.row;
                let number = (row << 24) ^ ((place as u64) << 16) ^ draw as u64;
                let mut sampler = Sampler::new(self.seed.wrapping_add(number));
                let mut failed = None;
                let mut choose = |scores: &[f32]| match sampler.next(scores, &[], &plain) {
                    Ok(id) => (!stops.contains(&id)).then_some(id),
                    Err(err) => {
                        failed = Some(err);
                        None
                    }
                };
                let before = &asked.prompt[..asked.prompt.len() - 1];
                let most = drawn_tokens(wording);
                let ids = answerer.write(before, &asked.prompt, most, &mut choose, progress)?;
                if let Some(err) = failed {
                    return Err(Error::from(llm::Error::from(err)).into());
                }
                let said = answerer.said(&asked.prompt, &ids);
                let meant = match wording {
                    Wording::Forced => meant(&said, &shown),
                    Wording::Unforced => meant_freely(&said, &shown, true),
                    Wording::Open => meant_freely(&said, &shown, false),
                };
                match meant {
                    Some(at) => counts[presentation.order[at]] += 1,
                    None => others += 1,
                }
            }
        }
        let valid: usize = counts.iter().sum();
        let share = |count: &usize| *count as f64 / valid as f64;
        let probabilities =
            if valid == 0 { Vec::new() } else { counts.iter().map(share).collect() };
        let other = others as f64 / (valid + others).max(1) as f64;
        Ok(Distribution { probabilities, other, ..Distribution::default() })
    }
}

fn drawn_tokens(wording: Wording) -> usize {
    match wording {
        Wording::Forced => DRAWN_TOKENS,
        Wording::Unforced | Wording::Open => FREE_TOKENS,
    }
}

fn likeliest(probabilities: &[f64]) -> Option<usize> {
    let highest = probabilities.iter().copied().fold(0.0, f64::max);
    probabilities.iter().position(|share| *share == highest && highest > 0.0)
}
