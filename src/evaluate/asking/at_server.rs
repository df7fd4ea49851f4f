//! Asks a model behind a server about every row of a task: several rows at once, each asked again where
//! that may help, every answer kept as it comes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use serde_json::{Value, json};

use super::error::AskError;
use super::merging::together;
use super::prepared::Prepared;
use super::quote;
use super::run::AskEvent;
use super::several_answers;
use super::told;
use super::weighing::weigh;
use super::windows::windows;
use crate::evaluate::prompt::Presentation;
use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::results::folder::Folder;
use crate::evaluate::results::server_way::ServerWay;
use crate::evaluate::results::table;
use crate::evaluate::results::written::Written;
use crate::evaluate::rows::question::Question;
use crate::evaluate::task::perplexity::Likelihood;
use crate::evaluate::task::rating;
use crate::evaluate::task::schema::Schema;
use crate::evaluate::task::{Kind, Scoring};
use crate::jobs::{self, Job, JobEnd, Progress};
use crate::llm::card::ModelIdentity;
use crate::remote::ability;
use crate::remote::client::text_of;
use crate::remote::error::RemoteError;
use crate::remote::patience::{LOOK_EVERY, Patience, post};
use crate::remote::server::Server;

/// So many rows are asked about at once: a server that computes several together is then busy, and one
/// that does not is not flooded.
pub const AT_ONCE: usize = 4;

/// What is written down before the first row.
pub fn evaluation(
    prepared: &Prepared,
    server: &Server,
    started: &str,
) -> Result<Evaluation, AskError> {
    let way = way(prepared, server)?;
    let probe = &server.probe;
    let identity = ModelIdentity::at_server(&probe.address, &probe.model);
    let mut evaluation = prepared.evaluation_by(identity, None, "by the server", started);
    evaluation.task.model.clone_from(&probe.address);
    evaluation.task.remote_model = Some(probe.model.clone());
    evaluation.way = Some(way);
    Ok(evaluation)
}

fn way(prepared: &Prepared, server: &Server) -> Result<ServerWay, AskError> {
    let kind = prepared.task.kind()?;
    ServerWay::of(&server.probe, &prepared.task, kind).map_err(AskError::Unservable)
}

/// Asks about every row that has no answer yet, and writes the table once all have one.
pub fn run(
    server: &Server,
    prepared: &Arc<Prepared>,
    folder: &Folder,
    mut answered: BTreeMap<u64, Answered>,
    at_once: usize,
    progress: &dyn Progress<AskEvent>,
) -> Result<BTreeMap<u64, Answered>, AskError> {
    let total = prepared.questions.list.len();
    let open: Vec<usize> = (0..total)
        .filter(|at| !answered.contains_key(&prepared.questions.list[*at].row.place.row))
        .collect();
    ask(server, prepared, &open, at_once, progress, &mut |answer| {
        folder.append(&answer)?;
        answered.insert(answer.row, answer.clone());
        progress.emit(AskEvent::Answered { done: answered.len(), total, row: Box::new(answer) });
        Ok(())
    })?;
    folder.finish(&answered, &table::all(&prepared.task, &prepared.questions, &answered))?;
    Ok(answered)
}

/// Asks about some rows, by their places in the list, and hands the answers over as they come.
pub fn ask<E>(
    server: &Server,
    prepared: &Arc<Prepared>,
    places: &[usize],
    at_once: usize,
    progress: &dyn Progress<E>,
    take: &mut dyn FnMut(Answered) -> Result<(), AskError>,
) -> Result<(), AskError> {
    let way = way(prepared, server)?;
    let mut open = places.iter().copied();
    let mut under_way: Vec<(u64, Job<(), Answered, AskError>)> = Vec::new();
    loop {
        // Those under way are dropped with this: they stop by themselves.
        progress.check()?;
        while under_way.len() < at_once.max(1)
            && let Some(place) = open.next()
        {
            let asker = RowAsker { server: server.clone(), prepared: Arc::clone(prepared), way };
            let job =
                Job::spawn("row", Arc::new(|_| {}), move |thread| asker.answer(place, thread));
            let row = prepared.questions.list[place].row.place.row;
            let failed = |source| AskError::Server { row, source: RemoteError::Thread(source) };
            under_way.push((row, job.map_err(failed)?));
        }
        if under_way.is_empty() {
            return Ok(());
        }
        let mut failed = None;
        let mut still = Vec::with_capacity(under_way.len());
        for (row, mut job) in under_way {
            match job.poll(|()| {}) {
                None => still.push((row, job)),
                Some(JobEnd::Done(answer)) => take(answer)?,
                Some(JobEnd::Failed(error)) => _ = failed.get_or_insert(error),
                Some(JobEnd::Crashed(problem)) => {
                    let source = RemoteError::Answer { path: "a row".to_owned(), problem };
                    failed.get_or_insert(AskError::Server { row, source });
                }
            }
        }
        under_way = still;
        if let Some(error) = failed {
            return Err(error);
        }
        jobs::pause(progress, LOOK_EVERY)?;
        progress.rest();
    }
}

/// Asks about one row.
struct RowAsker {
    server: Server,
    prepared: Arc<Prepared>,
    way: ServerWay,
}

/// What a server says to a request, or why it refuses that one.
type Said = Result<Value, String>;

impl RowAsker {
    fn answer(&self, place: usize, progress: &dyn Progress<()>) -> Result<Answered, AskError> {
        let question = &self.prepared.questions.list[place];
        let row = question.row.place.row;
        let answered = match &question.problem {
            Some(problem) => Answered::refused(row, None, problem.clone()),
            None => match self.asked(question, progress) {
                Ok(answered) => answered,
                Err(RowError::Refused(problem)) => Answered::refused(row, None, problem),
                Err(RowError::Ask(error)) => return Err(error),
                Err(RowError::Server(RemoteError::Stopped(stop))) => {
                    return Err(AskError::Stopped(stop));
                }
                Err(RowError::Server(source)) => return Err(AskError::Server { row, source }),
            },
        };
        Ok(answered.about(question))
    }

    fn asked(
        &self,
        question: &Question,
        progress: &dyn Progress<()>,
    ) -> Result<Answered, RowError> {
        match self.way {
            ServerWay::Written => return self.write(question, progress),
            ServerWay::Texts => return self.measure(question, progress),
            ServerWay::Labels | ServerWay::Echoed | ServerWay::Generated => {}
        }
        let form = &self.prepared.form;
        let presentations = form.presentations(question).map_err(AskError::from)?;
        let size = form.for_one_answer(question, presentations.len());
        let parts = presentations.chunks(size).zip(0..);
        let mut answers = parts
            .map(|(part, number)| self.chosen(question, (part, number * size), progress))
            .collect::<Result<Vec<Answered>, RowError>>()?;
        if form.asks_each() {
            let threshold = self.prepared.task.threshold();
            return Ok(several_answers::together(&question.options, answers, threshold));
        }
        Ok(answers.swap_remove(0).in_words_of(&question.options))
    }

    /// The likeliest answer to some of a row's presentations, of which the first is that of this number.
    fn chosen(
        &self,
        question: &Question,
        (presentations, number): (&[Presentation], usize),
        progress: &dyn Progress<()>,
    ) -> Result<Answered, RowError> {
        let judges = matches!(self.prepared.task.kind().map_err(AskError::from)?, Kind::Judge(_));
        if self.way == ServerWay::Generated {
            return self.generated(presentations, judges, progress);
        }
        let orders: Vec<Vec<usize>> = presentations.iter().map(|it| it.order.clone()).collect();
        let logprobs = self.scored(presentations, progress)?;
        let sums: Vec<Vec<f64>> = logprobs.iter().map(|one| sums_of(one)).collect();
        let scores = match self.prepared.task.score {
            Scoring::Sum => sums.clone(),
            Scoring::Mean => means_of(&logprobs)?,
            Scoring::Prior => self.less_prior(question, (&sums, number), progress)?,
        };
        weigh(&orders, &scores, &sums, judges).map_err(|why| RowError::Refused(why.to_string()))
    }

    /// Of each order and place the log-probability of what stands there, and how many tokens it has,
    /// where that is known.
    fn scored(
        &self,
        presentations: &[Presentation],
        progress: &dyn Progress<()>,
    ) -> Result<Vec<Vec<Scored>>, RowError> {
        let one = |it: &Presentation| match self.way {
            ServerWay::Labels => self.labels(it, progress),
            _ => {
                it.answers.iter().map(|answer| self.echoed(&it.content, answer, progress)).collect()
            }
        };
        let mut scored: Vec<Vec<Scored>> =
            presentations.iter().map(one).collect::<Result<_, RowError>>()?;
        if matches!(self.prepared.task.kind().map_err(AskError::from)?, Kind::Rate(_)) {
            for (scored, it) in scored.iter_mut().zip(presentations) {
                let said = it.answers.iter().zip(scored.iter());
                // Where a server does not say how many tokens a number has, each digit is taken to be one.
                let tokens = |tokens: Option<u64>, words: &str| match tokens {
                    Some(tokens) => tokens as usize,
                    None => words.len(),
                };
                let said: Vec<_> = said
                    .map(|(words, (sum, count))| (words.as_str(), *sum, tokens(*count, words)))
                    .collect();
                for (one, alone) in scored.iter_mut().zip(rating::apart(&said)) {
                    one.0 = alone;
                }
            }
        }
        Ok(scored)
    }

    fn labels(
        &self,
        it: &Presentation,
        progress: &dyn Progress<()>,
    ) -> Result<Vec<Scored>, RowError> {
        let asked = json!({"prompt": it.content, "labels": it.answers});
        let said = self.post("/labels", asked, progress)?.map_err(RowError::Refused)?;
        let labels = said["data"][0]["labels"].as_array().cloned().unwrap_or_default();
        let scored: Option<Vec<Scored>> = labels
            .iter()
            .map(|label| Some((label["logprob"].as_f64()?, label["tokens"].as_u64())))
            .collect();
        let scored = scored.filter(|scored| scored.len() == it.answers.len());
        scored.ok_or_else(|| {
            let problem = "it has no log-probability of every label".to_owned();
            RowError::Server(RemoteError::Answer { path: "/labels".to_owned(), problem })
        })
    }

    fn echoed(
        &self,
        content: &str,
        answer: &str,
        progress: &dyn Progress<()>,
    ) -> Result<Scored, RowError> {
        let ending = format!(" {answer}");
        let asked = json!({
            "prompt": format!("{}{ending}", as_text(content)), "max_tokens": 1, "temperature": 0,
            "logprobs": 1, "echo": true,
        });
        let said = self.post("/completions", asked, progress)?.map_err(RowError::Refused)?;
        match told::echoed(&said, ending.chars().count()) {
            Some((sum, tokens, true)) => Ok((sum, Some(tokens as u64))),
            Some((_, _, false)) => Err(RowError::Refused(format!(
                "the server's tokens of the answer “{answer}” begin before it: it cannot be scored alone"
            ))),
            None => {
                let problem = "log-probabilities of the prompt are missing in it".to_owned();
                Err(RowError::Server(RemoteError::Answer {
                    path: "/completions".to_owned(),
                    problem,
                }))
            }
        }
    }

    /// How likely a text is, by the log-probabilities of a prompt that is the text with what stands before it.
    fn measure(
        &self,
        question: &Question,
        progress: &dyn Progress<()>,
    ) -> Result<Answered, RowError> {
        let before = self.prepared.form.before_text(question).map_err(AskError::from)?;
        let text = question.part("text").unwrap_or_default();
        let asked = json!({
            "prompt": format!("{before}{text}"), "max_tokens": 1, "temperature": 0, "logprobs": 1,
            "echo": true,
        });
        let said = self.post("/completions", asked, progress)?.map_err(RowError::Refused)?;
        let found = told::echoed_text(&said, text.chars().count());
        let Some(told::EchoedText { logprob, tokens, unscored }) = found else {
            let problem = "log-probabilities of the prompt are missing in it".to_owned();
            return Err(RemoteError::Answer { path: "/completions".to_owned(), problem }.into());
        };
        if tokens == 0 {
            let problem = "it has no token that could be scored after another one";
            return Err(RowError::Refused(problem.to_owned()));
        }
        let prompt = said["usage"]["prompt_tokens"].as_u64().unwrap_or(tokens as u64) as usize;
        let scored: String = text.chars().skip(unscored).collect();
        let likelihood = Likelihood {
            tokens,
            before: prompt.saturating_sub(tokens),
            logprob,
            bytes: scored.len(),
            characters: scored.chars().count(),
            windows: 1,
            window: 0,
        };
        Ok(Answered::scored(likelihood, None))
    }

    /// Scores less what they would be if the row's own text were empty.
    fn less_prior(
        &self,
        question: &Question,
        (sums, number): (&[Vec<f64>], usize),
        progress: &dyn Progress<()>,
    ) -> Result<Vec<Vec<f64>>, RowError> {
        let blank = question.blank();
        let presentations = self.prepared.form.presentations(&blank).map_err(AskError::from)?;
        let same = presentations.get(number..number + sums.len()).unwrap_or_default();
        let priors = self.scored(same, progress)?;
        let less = |(sums, priors): (&Vec<f64>, &Vec<Scored>)| {
            sums.iter().zip(priors).map(|(sum, (prior, _))| sum - prior).collect()
        };
        Ok(sums.iter().zip(&priors).map(less).collect())
    }

    /// The option that the model writes, order by order.
    fn generated(
        &self,
        presentations: &[Presentation],
        judges: bool,
        progress: &dyn Progress<()>,
    ) -> Result<Answered, RowError> {
        let (mut orders, mut masses) = (Vec::new(), Vec::new());
        let mut unknown = None;
        for it in presentations {
            let longest = it.answers.iter().map(|answer| answer.chars().count()).max().unwrap_or(0);
            let reply = self.reply(&it.content, longest + 16, &Value::Null, progress)?;
            let Some(place) = told::written_place(&reply.text, &it.answers) else {
                unknown.get_or_insert(reply.text);
                continue;
            };
            orders.push(it.order.clone());
            let mass = |at: usize| if at == place { 0.0 } else { f64::NEG_INFINITY };
            masses.push((0..it.answers.len()).map(mass).collect::<Vec<f64>>());
        }
        if orders.is_empty() {
            let said: String = unknown.unwrap_or_default().chars().take(200).collect();
            return Err(RowError::Refused(format!(
                "its answer is none of the options: “{}”",
                said.trim()
            )));
        }
        let weighed = weigh(&orders, &masses, &masses, judges);
        let weighed = weighed.map_err(|why| RowError::Refused(why.to_string()))?;
        Ok(Answered {
            // There is none, and minus infinity is no number of JSON.
            logprobs: Vec::new(),
            mass: orders.len() as f64 / presentations.len().max(1) as f64,
            approximate: true,
            ..weighed
        })
    }

    fn write(
        &self,
        question: &Question,
        progress: &dyn Progress<()>,
    ) -> Result<Answered, RowError> {
        let Kind::Extract(extract) = self.prepared.task.kind().map_err(AskError::from)? else {
            return self.write_one(question, progress);
        };
        let text = question.part("text").unwrap_or_default();
        let settings = (extract.window_tokens, extract.overlap);
        let windows = match windows(&text, settings, &tokens_guessed) {
            Ok(windows) if extract.windows && windows.len() > 1 => windows,
            _ => return self.write_one(question, progress),
        };
        let mut answers = Vec::with_capacity(windows.len());
        for bytes in &windows {
            progress.check().map_err(RemoteError::Stopped)?;
            let part = question.with_part("text", &text[bytes.clone()]);
            answers.push(match self.write_one(&part, progress) {
                Ok(answer) => answer,
                Err(RowError::Refused(problem)) => Answered::refused(0, None, problem),
                Err(error) => return Err(error),
            });
        }
        let schema = extract.form().map_err(RowError::Refused)?;
        Ok(together((&text, &windows), answers, &schema, &question.said))
    }

    fn write_one(
        &self,
        question: &Question,
        progress: &dyn Progress<()>,
    ) -> Result<Answered, RowError> {
        let question = self.prepared.placed(question, progress)?;
        let kind = self.prepared.task.kind().map_err(AskError::from)?;
        let schema = match kind {
            Kind::Extract(extract) => Some(extract.form().map_err(RowError::Refused)?),
            _ => None,
        };
        let format = schema.as_ref().filter(|_| self.server.probe.has(ability::SCHEMA));
        let format = format.map_or(Value::Null, |schema| {
            let schema = json!({"name": "answer", "schema": schema.with_ends(), "strict": true});
            json!({"type": "json_schema", "json_schema": schema})
        });
        let mut question = question.into_owned();
        let reply = loop {
            let mut content = self.prepared.form.first(&question).map_err(AskError::from)?.content;
            if let Some(schema) = schema.as_ref().filter(|_| format.is_null()) {
                content.push_str(&asked_fields(schema));
            }
            match self.reply(&content, kind.room(), &format, progress) {
                // A document that does not fit is read in fewer passages.
                Err(RowError::Refused(problem)) => match question.with_fewer_passages() {
                    Some(fewer) => question = fewer,
                    None => return Err(RowError::Refused(problem)),
                },
                reply => break reply?,
            }
        };
        let mut written = Written {
            tokens: reply.tokens,
            ended_early: reply.is_cut,
            people: question.said.clone(),
            excerpt: question.excerpt.clone(),
            ..Written::default()
        };
        let said = reply.text.trim().to_owned();
        if let Some(schema) = &schema {
            let read = told::fields(&said, schema);
            written.fields =
                read.map_err(|why| RowError::Refused(format!("its answer cannot be used: {why}")))?;
            let text = question.part("text").unwrap_or_default();
            for name in &schema.quotes {
                if let Some(said) = written.fields.get(name).and_then(Value::as_str) {
                    written.quotes.insert(name.clone(), quote::is_in(said, &text));
                }
            }
        }
        Ok(Answered { answer: Some(said), written: Some(written), ..Answered::default() })
    }

    /// What the model writes, at temperature 0.
    fn reply(
        &self,
        content: &str,
        most: usize,
        format: &Value,
        progress: &dyn Progress<()>,
    ) -> Result<Reply, RowError> {
        let probe = &self.server.probe;
        let mut asked = json!({"max_tokens": most.max(1), "temperature": 0});
        if probe.has(ability::SEED) {
            asked["seed"] = self.prepared.task.seed.into();
        }
        let path = if probe.has(ability::CHAT) {
            asked["messages"] = json!([{"role": "user", "content": content}]);
            if !format.is_null() {
                asked["response_format"] = format.clone();
            }
            "/chat/completions"
        } else {
            asked["prompt"] = as_text(content).into();
            "/completions"
        };
        let said = self.post(path, asked, progress)?.map_err(RowError::Refused)?;
        let choice = &said["choices"][0];
        let Some(text) = text_of(choice) else {
            let problem = "it has no text".to_owned();
            return Err(RemoteError::Answer { path: path.to_owned(), problem }.into());
        };
        Ok(Reply {
            text: text.to_owned(),
            tokens: said["usage"]["completion_tokens"].as_u64().unwrap_or(0) as usize,
            is_cut: choice["finish_reason"] == "length",
        })
    }

    fn post(
        &self,
        path: &str,
        mut body: Value,
        progress: &dyn Progress<()>,
    ) -> Result<Said, RemoteError> {
        body["model"] = self.server.probe.model.clone().into();
        match post(&self.server.client, (path, &body), Patience::default(), progress) {
            Ok(said) => Ok(Ok(said)),
            // This row cannot be asked; another one may be.
            Err(RemoteError::Refused { status: 400 | 413 | 422, message, .. }) => {
                Ok(Err(format!("the server refuses it: {message}")))
            }
            Err(error) => Err(error),
        }
    }
}

/// The tokens of a text where nobody says what they are: four letters each, as in English.
#[expect(clippy::unnecessary_wraps, reason = "a tokenizer could fail")]
fn tokens_guessed(text: &str) -> Result<usize, Infallible> {
    Ok(text.chars().count().div_ceil(4))
}

/// A log-probability, and of how many tokens.
type Scored = (f64, Option<u64>);

struct Reply {
    text: String,
    tokens: usize,
    is_cut: bool,
}

enum RowError {
    /// This row has no answer.
    Refused(String),
    Ask(AskError),
    Server(RemoteError),
}

impl From<AskError> for RowError {
    fn from(error: AskError) -> Self {
        Self::Ask(error)
    }
}

impl From<RemoteError> for RowError {
    fn from(error: RemoteError) -> Self {
        Self::Server(error)
    }
}

fn sums_of(scored: &[Scored]) -> Vec<f64> {
    scored.iter().map(|(sum, _)| *sum).collect()
}

fn means_of(scored: &[Vec<Scored>]) -> Result<Vec<Vec<f64>>, RowError> {
    let mean = |(sum, tokens): &Scored| tokens.map(|tokens| sum / tokens.max(1) as f64);
    let means: Option<Vec<Vec<f64>>> =
        scored.iter().map(|order| order.iter().map(mean).collect()).collect();
    means.ok_or_else(|| {
        RowError::Refused(
            "the server does not say how many tokens an option has, which the mean needs"
                .to_owned(),
        )
    })
}

/// As a loaded model without a chat template is asked.
fn as_text(content: &str) -> String {
    format!("{content}\n\nAnswer:")
}

/// What holds an answer to its form where the server does not.
fn asked_fields(schema: &Schema) -> String {
    let names = schema.columns.join(", ");
    format!(
        "\n\nAnswer with one JSON object with the keys {names} and nothing else. Its schema: {}",
        schema.json
    )
}
