//! `tuning-fork fill`: what may stand where a text has a mask.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::embed::{TextsArgs, texts_of};
use super::out;
use super::progress::Bar;
use super::rows::TableArgs;
use crate::encoder::{EncoderModel, Filled, Guesses, Masked, fill, pseudo_log_likelihood};
use crate::hub::resolve;

#[derive(Debug, Args)]
pub struct FillArgs {
    /// A masked language model: its folder, or a Hub id that is in the cache
    #[arg(long)]
    model: String,

    /// A text with the model's own mask (`[MASK]` of BERT, `<mask>` of RoBERTa), which may stand in
    /// it several times; may be given several times
    #[arg(long = "text", value_name = "TEXT")]
    texts: Vec<String>,

    /// Texts from a file: a table with a column "text" or with one column alone, or a text a line
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,

    #[command(flatten)]
    table: TableArgs,

    /// How many guesses are given for each mask
    #[arg(long, default_value_t = 10)]
    top: usize,

    /// In place of guesses: how well each text fits, each of its words being masked in turn
    /// (pseudo-log-likelihood)
    #[arg(long)]
    likelihood: bool,

    /// Print a JSON object for each text
    #[arg(long)]
    json: bool,
}

pub fn run(args: &FillArgs) -> anyhow::Result<()> {
    let texts = texts_of(&TextsArgs {
        texts: &args.texts,
        file: args.file.as_deref(),
        table: &args.table,
    })?;
    if texts.is_empty() {
        bail!("there is no text: give one with --text, or a file of them with --file");
    }
    let model = EncoderModel::load(&resolve::resolve_model(&args.model)?)?;
    for text in &texts {
        if args.likelihood {
            likelihood(args, &model, text)?;
        } else {
            guesses(args, &model, text)?;
        }
    }
    Ok(())
}

fn guesses(args: &FillArgs, model: &EncoderModel, text: &str) -> anyhow::Result<()> {
    let Filled { ids, guesses, is_cut } = fill(model, text, args.top)?;
    if is_cut {
        let most = model.longest().unwrap_or(ids.len());
        out::note(&format!("The text was cut: {most} tokens of it are read"));
    }
    if args.json {
        let masks = guesses.iter().map(|Guesses { position, top }| {
            let top = top.iter().map(|guess| {
                json!({
                    "id": guess.id,
                    "token": guess.token,
                    "probability": guess.probability,
                    "logprob": guess.logprob,
                })
            });
            json!({ "position": position, "top": top.collect::<Vec<_>>() })
        });
        let masks: Vec<_> = masks.collect();
        return out::json(&json!({ "text": text, "ids": ids, "masks": masks }));
    }
    for (number, Guesses { top, .. }) in guesses.iter().enumerate() {
        out::line(&format!("{text}  (mask {})", number + 1))?;
        for guess in top {
            out::line(&format!("  {:>8.4} %  {}", 100.0 * guess.probability, guess.token.trim()))?;
        }
    }
    Ok(())
}

fn likelihood(args: &FillArgs, model: &EncoderModel, text: &str) -> anyhow::Result<()> {
    let bar = Bar::new();
    let tokens = pseudo_log_likelihood(model, text, &bar);
    bar.clear();
    let tokens = tokens?;
    let sum: f64 = tokens.iter().filter_map(|token| token.logprob).sum();
    let count = tokens.iter().filter(|token| token.logprob.is_some()).count();
    if args.json {
        let list = tokens.iter().map(
            |Masked { id, token, logprob }| json!({ "id": id, "token": token, "logprob": logprob }),
        );
        let list: Vec<_> = list.collect();
        return out::json(&json!({
            "text": text,
            "pseudo_log_likelihood": sum,
            "guessed_tokens": count,
            "tokens": list,
        }));
    }
    out::line(&format!("{sum:.4}  ({count} tokens)  {text}"))?;
    for Masked { token, logprob, .. } in &tokens {
        if let Some(logprob) = logprob {
            out::line(&format!("  {logprob:>9.4}  {}", token.trim()))?;
        }
    }
    Ok(())
}
