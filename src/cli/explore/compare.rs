//! `tuning-fork explore compare`

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;

use super::rows;
use super::rows::{Content, Row};
use super::table;
use super::table::Table;
use crate::cli::load::{ModelArgs, Precision};
use crate::cli::out;
use crate::cli::progress::Bar;
use crate::explore::compare;
use crate::explore::compare::TextComparison;
use crate::explore::compare_words;
use crate::explore::compare_words::WordComparison;
use crate::explore::error::Error;
use crate::explore::next_token;
use crate::explore::next_token::{NextComparison, Side};
use crate::explore::subject::Subject;
use crate::explore::two_models;
use crate::explore::two_models::{Found, TwoModels};
use crate::words;

#[derive(Debug, Args)]
pub struct CompareArgs {
    #[command(flatten)]
    model: ModelArgs,

    /// The other model: B, where `--model` with its `--adapter` is A. With an `--adapter` and no other
    /// model, A is the model without the adapter and B the one with it
    #[arg(long, value_name = "MODEL")]
    with: Option<String>,

    /// An adapter over the other model
    #[arg(long, value_name = "ADAPTER")]
    with_adapter: Option<String>,

    /// How the other model's weights are kept
    #[arg(long, value_enum, value_name = "WEIGHTS")]
    with_weights: Option<Precision>,

    /// A text; may be given several times
    #[arg(long = "text", value_name = "TEXT", conflicts_with = "input")]
    texts: Vec<String>,

    /// A second prompt: then what comes next after `--text` (A) and after this (B) is compared
    #[arg(long, value_name = "TEXT", conflicts_with = "input")]
    other_text: Option<String>,

    /// JSON Lines: rows of `{"text"}` or `{"ids"}`; with `{"other_text"}` or `{"other_ids"}`, two prompts
    #[arg(long, value_name = "FILE")]
    input: Option<std::path::PathBuf>,

    /// Of two prompts: how many of the likeliest tokens of each are listed
    #[arg(long, default_value_t = 20)]
    top: usize,

    /// Of a text: also what each model takes, on the disk, in memory and in time as measured here, and what
    /// both expect after each token
    #[arg(long)]
    takes: bool,

    /// One JSON object a row, with all numbers in full
    #[arg(long)]
    json: bool,
}

/// A row of the result, told apart by `by`.
#[derive(Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
enum Line {
    /// Two models with one vocabulary.
    Tokens(TextComparison),

    /// Two models with different vocabularies.
    Words(WordComparison),

    /// What comes next.
    NextToken(NextComparison),
}

/// A text, or two prompts.
struct Pair {
    one: Row,
    other: Option<Row>,
}

pub fn run(args: &CompareArgs) -> anyhow::Result<()> {
    let pairs = args.pairs()?;
    let CompareArgs { with, with_adapter, with_weights, .. } = args;
    let names_other = with.is_some() || with_adapter.is_some() || with_weights.is_some();
    let is_text = pairs.iter().any(|pair| pair.other.is_none());
    if is_text && !names_other && args.model.adapter.is_none() {
        bail!(
            "there is nothing to compare with: name a second model (--with), the same one with other \
             weights (--with-weights) or an adapter (--adapter), or give a second prompt \
             (--other-text)"
        );
    }
    let (model, adapter) = args.model.load()?;
    let other = if names_other {
        let other = ModelArgs {
            model: with.clone().unwrap_or_else(|| args.model.model.clone()),
            adapter: with_adapter.clone(),
            weights: with_weights.unwrap_or(args.model.weights),
        };
        Some(other.load()?)
    } else {
        None
    };
    let whole = Subject::new(&model, adapter.as_ref());
    let (a, b) = match &other {
        Some((other, other_adapter)) => (whole, Subject::new(other, other_adapter.as_ref())),
        None => (Subject::new(&model, None), whole),
    };
    let is_same = compare::same_vocabulary(a.model, b.model);
    if !is_same && is_text {
        out::note(
            "The two models have different vocabularies: they are compared by the words of the text",
        );
    }
    let bar = Bar::new();
    for Pair { one, other: second } in &pairs {
        let place = || one.place.clone();
        let line = match (second, &one.content) {
            (Some(second), _) => {
                // Two prompts of one model: the same on both sides, with its adapter.
                let (a, b) = if names_other { (a, b) } else { (whole, whole) };
                let ids = [one.ids(a)?, second.ids(b)?];
                let (a, b) = (Side { subject: a, ids: &ids[0] }, Side { subject: b, ids: &ids[1] });
                Line::NextToken(next_token::next_token(a, b, args.top, &bar).with_context(place)?)
            }
            (None, content) if args.takes => {
                let (ids, text) = match content {
                    Content::Text(text) => (one.ids(a)?, text.clone()),
                    Content::Ids(ids) => (ids.clone(), String::new()),
                };
                if !is_same && text.is_empty() {
                    bail!(Error::OtherVocabulary);
                }
                let found = two_models::two_models(a, b, (&ids, &text), &bar);
                let found = found.with_context(place)?;
                bar.clear();
                if args.json {
                    out::json(&found)?;
                } else {
                    show_takes(&found)?;
                }
                continue;
            }
            (None, Content::Text(text)) if !is_same => {
                Line::Words(compare_words::on_text(a, b, text, &bar).with_context(place)?)
            }
            (None, _) => {
                let ids = one.ids(a)?;
                Line::Tokens(compare::on_text(a, b, &ids, &bar).with_context(place)?)
            }
        };
        bar.clear();
        if args.json { out::json(&line)? } else { show(&line)? }
    }
    Ok(())
}

impl CompareArgs {
    fn pairs(&self) -> anyhow::Result<Vec<Pair>> {
        let Some(path) = &self.input else {
            if self.texts.is_empty() {
                bail!("there is no text: give one with --text, or rows with --input");
            }
            let other = || self.other_text.as_deref().map(Row::of_text);
            let pair = |text: &String| Pair { one: Row::of_text(text), other: other() };
            return Ok(self.texts.iter().map(pair).collect());
        };
        let read = rows::read_rows(path, &["text", "ids", "other_text", "other_ids"])?;
        let pairs = read.into_iter().map(|(place, mut row)| {
            let one = rows::take(&mut row, "text", "ids").with_context(|| place.clone())?;
            let other = if row.is_empty() {
                None
            } else {
                Some(
                    rows::take(&mut row, "other_text", "other_ids")
                        .with_context(|| place.clone())?,
                )
            };
            let of = |content: Content| Row { content, place: place.clone() };
            Ok(Pair { one: of(one), other: other.map(of) })
        });
        pairs.collect()
    }
}

/// A table of what both take, and the numbers of the text.
fn show_takes(found: &TwoModels) -> anyhow::Result<()> {
    let mut table = Table::new(["", "model", "weights", "disk", "memory", "reads/s", "writes/s"]);
    for (name, side) in [("A", &found.a), ("B", &found.b)] {
        table.push(vec![
            name.to_owned(),
            side.name.clone(),
            side.weights.clone(),
            words::bytes(side.disk_bytes),
            words::bytes(side.memory_bytes),
            table::number(side.reads_a_second, 1),
            table::number(side.writes_a_second, 1),
        ]);
    }
    table.print()?;
    match &found.found {
        Found::Tokens { text, .. } => show(&Line::Tokens(text.clone())),
        Found::Words(words) => show(&Line::Words(words.clone())),
    }
}

fn show(line: &Line) -> anyhow::Result<()> {
    match line {
        Line::Tokens(found) => {
            let mut table =
                Table::new(["token", "log p of A", "of B", "A - B", "KL(A‖B) after it"]);
            for (at, token) in found.tokens.iter().enumerate() {
                table.push(vec![
                    table::token(token),
                    table::number(found.logprobs_a[at], 3),
                    table::number(found.logprobs_b[at], 3),
                    table::number(found.difference[at], 3),
                    table::number(Some(found.next[at].kl_ab), 5),
                ]);
            }
            table.print()?;
            let summary = &found.summary;
            out::line(&format!(
                "Mean KL(A‖B) {:.6}, KL(B‖A) {:.6}, total variation {:.6}; the same likeliest token \
                 {:.1} %, of the ten likeliest {:.1} %; perplexity {} and {}",
                summary.mean_kl_ab,
                summary.mean_kl_ba,
                summary.mean_total_variation,
                100.0 * summary.top_1_agreement,
                100.0 * summary.top_10_agreement,
                table::number(summary.perplexity_a, 3),
                table::number(summary.perplexity_b, 3),
            ))
        }
        Line::Words(found) => {
            let mut table = Table::new(["word", "log p of A", "of B", "A - B"]);
            for word in &found.words {
                table.push(vec![
                    table::token(&word.word),
                    table::number(word.logprob_a, 3),
                    table::number(word.logprob_b, 3),
                    table::number(word.difference, 3),
                ]);
            }
            table.print()?;
            let summary = &found.summary;
            out::line(&format!(
                "{}; perplexity of a word {} and {}; bits a character {} and {}",
                words::counted(summary.words, "word", "words"),
                table::number(summary.perplexity_a, 2),
                table::number(summary.perplexity_b, 2),
                table::number(summary.bits_a_character_a, 3),
                table::number(summary.bits_a_character_b, 3),
            ))
        }
        Line::NextToken(found) => {
            let mut table = Table::new(["token", "p of A", "p of B", "log A - log B"]);
            for pair in &found.candidates {
                table.push(vec![
                    table::token(&pair.token),
                    format!("{:.5}", pair.logprob_a.exp()),
                    format!("{:.5}", pair.logprob_b.exp()),
                    format!("{:.3}", pair.difference),
                ]);
            }
            table.print()?;
            let apart = &found.divergence;
            out::line(&format!(
                "KL(A‖B) {:.6}, KL(B‖A) {:.6}, total variation {:.6}; entropy {:.3} and {:.3} bits",
                apart.kl_ab, apart.kl_ba, apart.total_variation, found.entropy_a, found.entropy_b
            ))
        }
    }
}
