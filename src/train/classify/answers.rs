//! Rows of an encoder-decoder: a prompt that is read, and the answer that is to be written, each with the
//! token that ends it.

use std::path::Path;

use super::pair::PairStudent;
use super::split::Parts;
use crate::data::forms::Content;
use crate::data::pair::Text;
use crate::data::split;
use crate::encoder::Encoded;
use crate::jobs::{Checks, Progress};
use crate::train::config::{ConfigProblem, Method, Objective, TrainConfig};
use crate::train::error::Error;
use crate::train::record::metrics::TrainEvent;
use crate::train::rows;
use crate::train::rows::survey::{Concern, Finding};

/// Rows as ids, and what is to know of them.
pub(super) struct Answered {
    pub examples: Vec<Encoded>,
    pub answers: Vec<Vec<u32>>,
    pub parts: Parts,
    pub findings: Vec<Finding>,
}

/// What an encoder-decoder is not trained with.
pub(super) fn check_settings(config: &TrainConfig) -> Result<(), Error> {
    let problem =
        |field: &'static str, message: &str| ConfigProblem { field, message: message.into() };
    let mut problems = Vec::new();
    if config.objective != Objective::Sft {
        let name = config.objective.facts().name;
        let message = format!(
            "must be sft, and it is {}: the model is an encoder-decoder (T5, BART), for which {name} is not \
             trained here. Take an encoder or a decoder for {name}",
            config.objective.facts().key
        );
        problems.push(problem("objective", &message));
    }
    if !matches!(config.method, Method::Lora | Method::Full) {
        problems.push(problem("method", "must be lora or full for an encoder-decoder"));
    }
    if config.packing {
        let message = "must be off: prompts and answers of an encoder-decoder are not packed";
        problems.push(problem("packing", message));
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Config(problems)) }
}

/// Reads and encodes every row.
pub(super) fn read(
    data: &Path,
    config: &TrainConfig,
    student: &PairStudent,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Answered, Error> {
    let read = rows::read(data, &config.columns, config.objective, &Checks(progress))
        .map_err(Error::Data)?;
    if read.rows.is_empty() {
        return Err(Error::NoRows(data.to_owned()));
    }
    let mut findings: Vec<Finding> = read
        .notes
        .iter()
        .map(|note| Finding {
            concern: Concern::Caution,
            sentence: note.sentence.clone(),
            lines: note.rows.iter().filter_map(|row| read.lines.get(*row).copied()).collect(),
            ..Finding::default()
        })
        .collect();
    let (mut examples, mut answers, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    let (mut cut, mut cut_answers) = (Vec::new(), Vec::new());
    for row in &read.rows {
        let line = row.line;
        let (prompt, answer) = texts(&row.understood.content, line)?;
        let tokenize = |err: crate::encoder::Error| Error::Tokenize { line, source: err.into() };
        let most = config.max_length;
        let (ids, is_cut) = student.learner.encode(&prompt, most).map_err(tokenize)?;
        let (answer, is_answer_cut) =
            student.learner.encode_answer(&answer, most).map_err(tokenize)?;
        cut.extend(is_cut.then_some(line));
        cut_answers.extend(is_answer_cut.then_some(line));
        examples.push(Encoded { ids, kinds: None, is_cut });
        answers.push(answer);
        groups.push(row.understood.group.as_str());
    }
    for (lines, what) in [(cut, "prompt"), (cut_answers, "answer")] {
        let sentence = match lines.len() {
            0 => continue,
            1 => format!("1 {what} is cut to max_length ({} tokens)", config.max_length),
            count => {
                format!("{count} {what}s are cut to max_length ({} tokens)", config.max_length)
            }
        };
        findings.push(Finding { concern: Concern::Caution, sentence, lines, ..Finding::default() });
    }
    let split = split::split(&groups, config.held_out_share, config.seed);
    let parts = Parts { train: split.train, validation: split.held_out, test: Vec::new() };
    Ok(Answered { examples, answers, parts, findings })
}

/// What is read, and what is to be written.
fn texts(content: &Content, line: usize) -> Result<(String, String), Error> {
    let plain = |text: &Text| match text {
        Text::Plain(text) => Ok(text.clone()),
        Text::Messages(_) => Err(Error::NoChatTemplate { line }),
    };
    match content {
        Content::Completion { prompt, completion } => Ok((plain(prompt)?, plain(completion)?)),
        Content::Preference(pair) => Ok((plain(&pair.prompt)?, plain(&pair.chosen)?)),
        Content::Whole(_) => {
            let message = format!(
                "line {line} is one text: an encoder-decoder reads a prompt and writes an answer, so two \
                 columns are needed. Say which: columns = {{ prompt = \"NAME\", completion = \"NAME\" }}"
            );
            Err(Error::Config(vec![ConfigProblem { field: "columns", message }]))
        }
    }
}
