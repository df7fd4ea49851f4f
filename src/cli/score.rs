//! `tuning-fork score`: the log-probability of every token of given texts.

use std::cell::RefCell;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::load::ModelArgs;
use super::out;
use super::progress::Bar;
use super::rows::TableArgs;
use super::score_pair;
use super::score_rows::{Asks, Input, Row, read_rows};
use super::tensor_file::TensorFile;
use crate::data::forms::{Content, Understood};
use crate::data::pair::{PreferencePair, Text};
use crate::data::table::Place;
use crate::files;
use crate::jobs::{Cancelled, Progress};
use crate::llm;
use crate::llm::generate::score;
use crate::llm::generate::score::Scoring;
use crate::llm::{Adapter, Model};
use crate::words::counted;

#[derive(Debug, Args)]
pub struct ScoreArgs {
    #[command(flatten)]
    model: ModelArgs,

    /// A table (JSON Lines, JSON, CSV, Parquet, Excel, …) with rows of any form that can be trained
    /// on: "text", "prompt" and "completion" (text or messages), "messages", or with "ids"; of an
    /// encoder-decoder "prompt" and "completion" as text
    #[arg(long)]
    input: PathBuf,

    #[command(flatten)]
    table: TableArgs,

    /// Where the scores go; without it, to stdout
    #[arg(long)]
    output: Option<PathBuf>,

    /// Write all logits as f32 tensors logits.0, logits.1, … of shape (tokens, vocabulary)
    #[arg(long)]
    logits: Option<PathBuf>,

    /// Print a summary as JSON
    #[arg(long, requires = "output")]
    json: bool,
}

/// A row as the model reads it.
struct Encoded {
    ids: Vec<u32>,
    completion_start: Option<usize>,
}

/// A row of the output.
#[derive(Serialize)]
struct Scored<'a> {
    ids: &'a [u32],

    /// Each token's text.
    tokens: Vec<String>,

    /// Natural logs; none for the first token.
    logprobs: &'a [Option<f32>],
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_start: Option<usize>,

    /// The sum over the completion's tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_logprob: Option<f64>,
}

pub fn run(args: &ScoreArgs) -> anyhow::Result<()> {
    // The rows first: a mistake in them should not cost the time of loading a model.
    let input = read_rows(&args.input, &args.table)?;
    if let Some(pair) = args.model.load_pair()? {
        if args.logits.is_some() {
            bail!(
                "--logits is for decoders: `tuning-fork logits` writes those of an encoder-decoder"
            );
        }
        return score_pair::run((args.output.as_deref(), args.json), &input, &pair);
    }
    let Input { report, rows } = input;
    let (model, adapter) = args.model.load()?;
    let encoded = rows
        .iter()
        .map(|row| {
            encode((&model, adapter.as_ref()), row)
                .map_err(|err| report.error(row.place, None, format!("{err:#}")).into())
        })
        .collect::<anyhow::Result<Vec<Encoded>>>()?;
    let mut logits_file = match &args.logits {
        Some(path) => {
            let shape = |row: &Encoded| vec![row.ids.len(), model.config().vocab_size];
            let tensors = encoded.iter().enumerate();
            let tensors = tensors.map(|(index, row)| (format!("logits.{index}"), shape(row)));
            Some(TensorFile::create(path, &tensors.collect::<Vec<_>>())?)
        }
        None => None,
    };
    let bar = Bar::new();
    let token_count: usize = encoded.iter().map(|row| row.ids.len()).sum();
    let mut done = 0;
    let mut lines = String::new();
    for (row, Encoded { ids, completion_start }) in rows.iter().zip(&encoded) {
        let progress = Offset { bar: &bar, done, total: token_count };
        let problem = RefCell::new(None);
        let mut keep = |logits: Vec<f32>| -> Result<(), llm::Error> {
            let Some(file) = &mut logits_file else { return Ok(()) };
            file.append(&logits).map_err(|error| {
                problem.borrow_mut().get_or_insert(error);
                llm::Error::Cancelled(Cancelled)
            })
        };
        let scored = score::score_with(&model, adapter.as_ref(), ids, &progress, &mut |logits| {
            keep(logits.flatten_all()?.to_vec1::<f32>()?)
        });
        if let Some(error) = problem.into_inner() {
            return Err(error);
        }
        let logprobs = scored.with_context(|| {
            let number = row.place.number();
            format!("{} {number} of {} failed", report.format.unit(), args.input.display())
        })?;
        done += ids.len();
        let sum = |start: usize| -> f64 {
            logprobs[start..].iter().flatten().map(|logprob| f64::from(*logprob)).sum()
        };
        let line = Scored {
            ids,
            tokens: ids.iter().map(|id| model.tokenizer().token_text(*id)).collect(),
            logprobs: &logprobs,
            completion_start: *completion_start,
            completion_logprob: completion_start.map(sum),
        };
        let line = serde_json::to_string(&line)?;
        match &args.output {
            Some(_) => {
                lines.push_str(&line);
                lines.push('\n');
            }
            None => out::line(&line)?,
        }
    }
    bar.clear();
    if let Some(file) = logits_file {
        file.finish()?;
    }
    if let Some(path) = &args.output {
        files::write_atomic(path, lines.as_bytes())
            .with_context(|| format!("{} could not be written", path.display()))?;
    }
    if args.json {
        out::json(&json!({ "rows": rows.len(), "tokens": token_count, "output": args.output }))?;
    } else {
        let rows = counted(rows.len(), "row", "rows");
        out::note(&format!("{rows}, {}", counted(token_count, "token", "tokens")));
    }
    Ok(())
}

fn encode((model, adapter): (&Model, Option<&Adapter>), row: &Row) -> anyhow::Result<Encoded> {
    let encoded = match &row.asks {
        Asks::Ids(ids) => Encoded { ids: ids.clone(), completion_start: None },
        Asks::Row(said) => encode_row(model, row.place, said)?,
    };
    if encoded.ids.is_empty() {
        bail!("there is no token to score");
    }
    // Found now, and not after an hour of scoring what comes before.
    let (count, context) = (encoded.ids.len(), model.context_with(adapter));
    if count > context {
        bail!("it has {count} tokens, and the model reads {context} at most");
    }
    let vocabulary = model.config().vocab_size;
    if let Some(stray) = encoded.ids.iter().find(|id| **id as usize >= vocabulary) {
        bail!("there is no token {stray}: the model has {vocabulary}, counted from 0");
    }
    Ok(encoded)
}

fn encode_row(model: &Model, place: Place, said: &Understood) -> anyhow::Result<Encoded> {
    let (tokenizer, chat) = (model.tokenizer(), model.chat());
    let beside = &said.beside;
    Ok(match &said.content {
        Content::Whole(Text::Plain(text)) => {
            Encoded { ids: tokenizer.encode(text, true)?, completion_start: None }
        }
        Content::Whole(Text::Messages(messages)) => {
            let chat = chat.ok_or(llm::Error::NoChatTemplate)?;
            let text = chat.render_beside(messages, false, beside)?;
            Encoded { ids: tokenizer.encode(&text, false)?, completion_start: None }
        }
        Content::Completion { prompt, completion: answer }
        | Content::Preference(PreferencePair { prompt, chosen: answer, .. }) => {
            let whole = score::encode_completion(tokenizer, chat, (prompt, answer), beside)?;
            if whole.prompt_differs {
                let number = place.number();
                out::note(&format!(
                    "row {number}: the prompt alone has other tokens than the beginning of the whole"
                ));
            }
            Encoded { ids: whole.ids, completion_start: Some(whole.start) }
        }
    })
}

/// Counts tokens over all rows.
struct Offset<'a> {
    bar: &'a Bar,
    done: usize,
    total: usize,
}

impl Progress<Scoring> for Offset<'_> {
    fn emit(&self, event: Scoring) {
        self.bar.count("Scoring", (self.done + event.done) as u64, self.total as u64);
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}
