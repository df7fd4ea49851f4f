//! `tuning-fork explore spans`

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use clap::Args;

use super::read_write;
use super::table::Table;
use crate::cli::load::ModelArgs;
use crate::cli::out;
use crate::explore::spans::{drawn, fill, words};
use crate::jobs::Quiet;
use crate::seq2seq::WriteRequest;

#[derive(Debug, Args)]
pub struct SpansArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[arg(long, value_name = "TEXT")]
    text: String,

    /// The words that are hidden, counted from 1: 3,4,9 or 3-4,9. Neighbours are one span. Without it,
    /// words are drawn as in T5's pretraining
    #[arg(long, value_name = "WORDS")]
    hide: Option<String>,

    /// The share of words that are drawn
    #[arg(long, default_value_t = 0.15, conflicts_with = "hide")]
    share: f64,

    /// How many words a drawn span has on the mean
    #[arg(long, default_value_t = 3.0, conflicts_with = "hide")]
    span_length: f64,

    /// Of the words that are drawn
    #[arg(long, default_value_t = 0, conflicts_with = "hide")]
    seed: u64,

    #[arg(long, default_value_t = 100)]
    max_new_tokens: usize,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &SpansArgs) -> anyhow::Result<()> {
    let count = words(&args.text).len();
    let hidden = match &args.hide {
        Some(list) => places(list, count)?,
        None => drawn(count, args.share, args.span_length, args.seed),
    };
    let model = read_write::load(&args.model)?;
    let request = WriteRequest {
        sampling: read_write::greedy(),
        max_new_tokens: args.max_new_tokens,
        seed: 0,
    };
    let filled = fill(&model, &args.text, &hidden, &request, &Quiet)?;
    if args.json {
        return out::json(&filled);
    }
    out::line(&format!("Read:    {}", filled.given))?;
    out::line(&format!("Written: {}", filled.written))?;
    let mut table = Table::new(["hidden", "guess", "same"]);
    for span in &filled.spans {
        let guess = span.guess.clone().unwrap_or_else(|| "(none)".to_owned());
        table.push(vec![
            span.hidden.clone(),
            guess,
            if span.is_same { "yes" } else { "no" }.into(),
        ]);
    }
    table.print()
}

/// `3,4,9` or `3-4,9`, from 1, as places from 0.
fn places(list: &str, count: usize) -> anyhow::Result<BTreeSet<usize>> {
    let mut hidden = BTreeSet::new();
    for part in list.split(',') {
        let part = part.trim();
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| -> anyhow::Result<usize> {
            let number: usize = text.trim().parse().with_context(|| {
                format!("--hide takes numbers of words such as 3,4 or 3-4, and has \"{part}\"")
            })?;
            if number == 0 || number > count {
                bail!("there is no word {number}: the text has {count}, counted from 1");
            }
            Ok(number - 1)
        };
        hidden.extend(number(first)?..=number(last)?);
    }
    Ok(hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_hidden_by_their_numbers() {
        assert_eq!(places("3, 5-6", 6).unwrap(), BTreeSet::from([2, 4, 5]));
        for (list, words) in [("7", "has 6"), ("0", "no word 0"), ("a", "such as"), ("", "such as")]
        {
            assert!(places(list, 6).unwrap_err().to_string().contains(words), "{list}");
        }
    }
}
