//! `tuning-fork classify`: labels with probabilities for texts.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};

use super::out;
use super::progress::Bar;
use super::rows::{self, TableArgs};
use crate::data::forms::value::{given, kind_of};
use crate::encoder::{Classifier, Labels, Problem, Verdict};
use crate::files;
use crate::hub::resolve;
use crate::words::counted;

#[derive(Debug, Args)]
pub struct ClassifyArgs {
    /// A classifier: its folder, or a Hub id that is in the cache. An encoder with a classification
    /// head, or a decoder with a score head
    #[arg(long)]
    model: String,

    /// An adapter with a head to lay over the model: a classifier or a reward model that was trained with
    /// LoRA
    #[arg(long)]
    adapter: Option<String>,

    /// A text; may be given several times
    #[arg(long = "text", value_name = "TEXT")]
    texts: Vec<String>,

    /// The second text of a pair: one for each --text, or none
    #[arg(long = "text-pair", value_name = "TEXT")]
    pairs: Vec<String>,

    /// A table (JSON Lines, CSV, Parquet, Excel, …) with a column `text`, and for pairs `text_pair`
    #[arg(long, value_name = "PATH")]
    input: Option<PathBuf>,

    #[command(flatten)]
    table: TableArgs,

    /// Where the labels go, a JSON line for each text; without it, to stdout
    #[arg(long)]
    output: Option<PathBuf>,

    /// Print JSON lines in place of words
    #[arg(long)]
    json: bool,
}

type Pair = (String, Option<String>);

pub fn run(args: &ClassifyArgs) -> anyhow::Result<()> {
    let texts = texts(args)?;
    if texts.is_empty() {
        bail!("there is no text: give one with --text, or a table of them with --input");
    }
    let bar = Bar::new();
    // The folder of an adapter alone stands for the model that it names, with it.
    let found = resolve::resolve_with_adapter(&args.model)?;
    let named = args.adapter.as_deref().map(resolve::resolve_adapter).transpose()?;
    let (folder, adapter) = (found.model, named.or(found.adapter));
    let classifier = match &adapter {
        Some(adapter) => Classifier::load_adapted(&folder, adapter, &bar),
        None => Classifier::load(&folder, &bar),
    };
    bar.clear();
    let classifier = classifier?;
    let verdicts = classifier.classify(&texts, &bar);
    bar.clear();
    let verdicts = verdicts?;
    let labels = classifier.labels();
    let mut lines = String::new();
    for (pair, verdict) in texts.iter().zip(&verdicts) {
        if args.output.is_some() || args.json {
            let line = as_json(pair, verdict, labels).to_string();
            match &args.output {
                Some(_) => {
                    lines.push_str(&line);
                    lines.push('\n');
                }
                None => out::line(&line)?,
            }
        } else {
            out::line(&in_words(pair, verdict, labels))?;
        }
    }
    if let Some(path) = &args.output {
        files::write_atomic(path, lines.as_bytes())?;
        out::note(&counted(texts.len(), "text", "texts"));
    }
    if labels.problem == Problem::Regression && labels.names.len() == 1 {
        out::note(
            "the head has one output: its number is given as it is; where config.json has no problem_type, \
             transformers' text-classification pipeline puts a sigmoid over it",
        );
    }
    let cut = verdicts.iter().filter(|verdict| verdict.is_cut).count();
    if cut > 0 {
        let most = classifier.longest().unwrap_or_default();
        out::note(&format!("{cut} texts were cut: {most} tokens of a text are read"));
    }
    Ok(())
}

/// The labels that a text has: of one-of-many the likeliest, of several those from one half on.
fn chosen<'a>(verdict: &Verdict, labels: &'a Labels) -> Vec<&'a str> {
    let named = || verdict.probabilities.iter().zip(&labels.names);
    match labels.problem {
        Problem::Regression => Vec::new(),
        Problem::ManyLabels => {
            let has = named().filter(|(share, _)| **share >= 0.5);
            has.map(|(_, name)| name.as_str()).collect()
        }
        Problem::OneLabel => {
            let best = named().reduce(|best, next| if next.0 > best.0 { next } else { best });
            best.map(|(_, name)| name.as_str()).into_iter().collect()
        }
    }
}

fn as_json((text, second): &Pair, verdict: &Verdict, labels: &Labels) -> Value {
    let by_name = |values: &[f32]| -> Value {
        let named = labels.names.iter().zip(values);
        named
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let mut line = json!({ "text": text });
    if let Some(second) = second {
        line["text_pair"] = json!(second);
    }
    let chosen = chosen(verdict, labels);
    match labels.problem {
        Problem::Regression => {}
        Problem::OneLabel => line["label"] = json!(chosen.first()),
        Problem::ManyLabels => line["labels"] = json!(chosen),
    }
    if labels.problem != Problem::Regression {
        line["probabilities"] = by_name(&verdict.probabilities);
    }
    line["scores"] = by_name(&verdict.scores);
    line["tokens"] = json!(verdict.token_count);
    line
}

fn in_words((text, second): &Pair, verdict: &Verdict, labels: &Labels) -> String {
    let named = labels.names.iter().zip(&verdict.probabilities);
    let numbers: Vec<String> = match labels.problem {
        Problem::Regression => named.map(|(name, value)| format!("{name} {value:.4}")).collect(),
        _ => named.map(|(name, share)| format!("{name} {:.2} %", 100.0 * share)).collect(),
    };
    let second = second.as_ref().map_or(String::new(), |second| format!(" / {second}"));
    let chosen = chosen(verdict, labels).join(", ");
    let chosen = if chosen.is_empty() { String::new() } else { format!("{chosen}: ") };
    format!("{chosen}{}  {text}{second}", numbers.join(", "))
}

fn texts(args: &ClassifyArgs) -> anyhow::Result<Vec<Pair>> {
    if !args.pairs.is_empty() && args.pairs.len() != args.texts.len() {
        bail!(
            "{} texts are given and {} second texts: give one --text-pair for each --text",
            args.texts.len(),
            args.pairs.len()
        );
    }
    let mut seconds = args.pairs.iter();
    let mut texts: Vec<Pair> =
        args.texts.iter().map(|text| (text.clone(), seconds.next().cloned())).collect();
    let Some(path) = &args.input else { return Ok(texts) };
    let rows::Read { report, rows, columns } = rows::read(path, &args.table)?;
    for (place, row) in rows {
        let text = |key: &str| match given(&row, key) {
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            None => Ok(None),
            Some(other) => Err(format!("\"{key}\" must be text, and it is {}", kind_of(other))),
        };
        let found = text("text").and_then(|one| match one {
            Some(one) => Ok((one, text("text_pair")?)),
            None => {
                Err("it has no \"text\"; say which column is meant: --columns text=NAME".to_owned())
            }
        });
        match found {
            Ok(pair) => texts.push(pair),
            Err(problem) => {
                let (key, problem) = columns.explain(Some("text"), problem);
                return Err(report.error(place, key.as_deref(), problem).into());
            }
        }
    }
    Ok(texts)
}
