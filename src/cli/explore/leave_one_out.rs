//! `tuning-fork explore leave-one-out`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use super::rows;
use super::rows::{Content, Row};
use super::table;
use super::table::Table;
use crate::cli::load::ModelArgs;
use crate::cli::out;
use crate::cli::progress::Bar;
use crate::explore::leave_one_out;
use crate::explore::leave_one_out::{LeaveOneOutView, Unit};
use crate::explore::subject::Subject;

#[derive(Debug, Args)]
pub struct LeaveOneOutArgs {
    #[command(flatten)]
    model: ModelArgs,

    /// What stands before the answer
    #[arg(long, value_name = "TEXT", requires = "answer", conflicts_with = "input")]
    text: Option<String>,

    /// The answer, as it continues the text: with the white space that it begins with
    #[arg(long, value_name = "TEXT", requires = "text")]
    answer: Option<String>,

    /// JSON Lines: rows of `{"text", "answer"}` or `{"ids", "answer_ids"}`
    #[arg(long, value_name = "FILE", required_unless_present = "text")]
    input: Option<PathBuf>,

    /// What is left out at once
    #[arg(long, value_enum, default_value_t = LeftOut::Word)]
    unit: LeftOut,

    /// One JSON object a row, with all numbers in full
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LeftOut {
    Token,
    Word,
    Sentence,
}

impl From<LeftOut> for Unit {
    fn from(left_out: LeftOut) -> Self {
        match left_out {
            LeftOut::Token => Self::Token,
            LeftOut::Word => Self::Word,
            LeftOut::Sentence => Self::Sentence,
        }
    }
}

/// A text and an answer to it.
struct Pair {
    text: Row,
    answer: Content,
}

pub fn run(args: &LeaveOneOutArgs) -> anyhow::Result<()> {
    let pairs = args.pairs()?;
    let (model, adapter) = args.model.load()?;
    let subject = Subject::new(&model, adapter.as_ref());
    let bar = Bar::new();
    for Pair { text, answer } in &pairs {
        let mut ids = text.ids(subject)?;
        let begins = ids.len();
        match answer {
            Content::Text(answer) => {
                let answer = model.tokenizer().encode(answer, false);
                ids.extend(answer.with_context(|| text.place.clone())?);
            }
            Content::Ids(answer) => ids.extend(answer),
        }
        if ids.len() == begins {
            bail!("{}: its answer is empty, and nothing can hang on it", text.place);
        }
        let parts = leave_one_out::telling_parts(subject, &ids, begins, args.unit.into());
        let view = leave_one_out::leave_one_out(subject, &ids, begins, &parts, &bar);
        let view = view.with_context(|| text.place.clone())?;
        bar.clear();
        if args.json { out::json(&view)? } else { show(&view)? }
    }
    Ok(())
}

impl LeaveOneOutArgs {
    fn pairs(&self) -> anyhow::Result<Vec<Pair>> {
        if let (Some(text), Some(answer)) = (&self.text, &self.answer) {
            let answer = Content::Text(answer.clone());
            return Ok(vec![Pair { text: Row::of_text(text), answer }]);
        }
        let Some(path) = &self.input else {
            bail!("there is no text: give one with --text and --answer, or rows with --input");
        };
        let read = rows::read_rows(path, &["text", "answer", "ids", "answer_ids"])?;
        let pairs = read.into_iter().map(|(place, mut row)| {
            let of = |row: &mut serde_json::Map<_, _>, text, ids| {
                rows::take(row, text, ids).with_context(|| place.clone())
            };
            let content = of(&mut row, "text", "ids")?;
            let answer = of(&mut row, "answer", "answer_ids")?;
            Ok(Pair { text: Row { content, place: place.clone() }, answer })
        });
        pairs.collect()
    }
}

fn show(view: &LeaveOneOutView) -> anyhow::Result<()> {
    let bits = |nats: f64| nats / std::f64::consts::LN_2;
    let mut table = Table::new(["without", "log p of the answer", "bits that it adds"]);
    for part in &view.parts {
        table.push(vec![
            table::token(&view.tokens[part.tokens.clone()].concat()),
            table::number(part.logprob, 3),
            table::number(part.difference.map(bits), 3),
        ]);
    }
    table.print()?;
    let answer = view.tokens[view.answer.clone()].concat();
    out::line(&format!(
        "The answer {answer:?} has a log-probability of {:.3} after the whole text ({:.3} bits)",
        view.logprob,
        -bits(view.logprob)
    ))
}
