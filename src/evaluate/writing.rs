//! Answers that are written token after token, each the likeliest one: a text, or fields in the form
//! of a schema.

use serde_json::{Number, Value};

use super::quote;
use super::results::Answered;
use super::scoring::Scorer;
use super::task::Kind;
use super::written::Written;
use crate::jobs::Progress;
use crate::llm;
use crate::llm::Model;
use crate::llm::generate::constrained::vocabulary;
use crate::llm::generate::grammar::{Grammar, GrammarError};

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
}

/// How the answers of a task are written.
#[derive(Debug)]
pub struct Writer {
    most: usize,

    /// What an answer has to look like, and which of its fields are quotes.
    form: Option<(Grammar, Vec<String>)>,
}

impl Writer {
    /// `None`: the answers of this kind of task are options.
    pub fn new(model: &Model, kind: Kind<'_>) -> Result<Option<Self>, WritingError> {
        let most = kind.room();
        let extract = match kind {
            Kind::Extract(extract) => extract,
            Kind::Write(_) | Kind::Ask(_) => return Ok(Some(Self { most, form: None })),
            Kind::Code(_) | Kind::Exam(_) | Kind::Judge(_) | Kind::Survey(_) => return Ok(None),
        };
        let schema = extract.form().map_err(WritingError::Schema)?;
        let grammar = Grammar::of_json_schema(&vocabulary(model)?, &schema.with_ends())?;
        let shortest = grammar.shortest();
        if shortest > most {
            return Err(WritingError::NoRoom { shortest, most });
        }
        Ok(Some(Self { most, form: Some((grammar, schema.quotes)) }))
    }

    /// `shared`: what all prompts of the task begin with. `text`: what the answer is about.
    pub fn answer<E>(
        &self,
        (model, scorer): (&Model, &mut Scorer<'_>),
        shared: &[u32],
        prompt: &[u32],
        text: &str,
        progress: &dyn Progress<E>,
    ) -> Result<Answered, llm::Error> {
        let Some((grammar, quotes)) = &self.form else {
            let most = self.most;
            let (said, tokens) = likeliest_text((model, scorer), shared, prompt, most, progress)?;
            let written = Written { tokens, ended_early: tokens >= most, ..Written::default() };
            return Ok(answered(said, written));
        };
        // An answer that cannot be closed in its room goes on into what is left of the
        // context.
        let context = scorer.context().saturating_sub(prompt.len());
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
        let ids = scorer.write(shared, prompt, context, &mut choose, progress)?;
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
    (model, scorer): (&Model, &mut Scorer<'_>),
    shared: &[u32],
    prompt: &[u32],
    most: usize,
    progress: &dyn Progress<E>,
) -> Result<(String, usize), llm::Error> {
    let stops = model.stop_ids();
    let mut choose = |scores: &[f32]| {
        let best = likeliest(scores);
        (!stops.contains(&best)).then_some(best)
    };
    let ids = scorer.write(shared, prompt, most, &mut choose, progress)?;
    let said = model.tokenizer().decode_after(prompt, &ids, true);
    Ok((said.trim().to_owned(), ids.len()))
}

fn answered(answer: String, written: Written) -> Answered {
    Answered {
        answer: Some(answer),
        written: Some(written),
        problem: None,
        ..Answered::refused(0, None, String::new())
    }
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
