//! `tuning-fork fill`: what may stand where a text has a mask.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use super::embed::{TextsArgs, texts_of};
use super::fill_words;
use super::fill_words::{HideArgs, note_cut};
use super::out;
use super::progress::Bar;
use super::rows::TableArgs;
use crate::encoder::{EncoderModel, Filled, Guesses, fill};
use crate::explore::fit::{Fit, FitPair, Fitted};
use crate::explore::mask::MaskedModel;
use crate::hub::resolve;

#[derive(Debug, Args)]
pub struct FillArgs {
    /// A masked language model: its folder, or a Hub id that is in the cache
    #[arg(long)]
    model: String,

    /// An adapter of PEFT to lay over the model, for guesses at masks that a text has: its folder, or a Hub id in
    /// the cache
    #[arg(long, conflicts_with_all = ["likelihood", "hide", "every", "random"])]
    adapter: Option<String>,

    /// A text with the model's own mask (`[MASK]` of BERT, `<mask>` of RoBERTa), which may stand in
    /// it several times; may be given several times
    #[arg(long = "text", value_name = "TEXT")]
    texts: Vec<String>,

    /// Texts from a file: a table with a column "text" or with one column alone, or a text a line
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,

    #[command(flatten)]
    table: TableArgs,

    #[command(flatten)]
    hide: HideArgs,

    /// How many guesses are given for each mask
    #[arg(long, default_value_t = 10)]
    top: usize,

    /// In place of guesses: how well each text fits, each of its words being masked in turn
    /// (pseudo-log-likelihood)
    #[arg(long)]
    likelihood: bool,

    /// A text that differs from the other one in a word: which of the two fits better, and at which tokens
    #[arg(long, value_name = "TEXT", requires = "likelihood")]
    other: Option<String>,

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
    if args.other.is_some() && texts.len() > 1 {
        bail!("--other is compared with one text, and {} are given", texts.len());
    }
    let path = resolve::resolve_model(&args.model)?;
    if args.likelihood {
        let model = MaskedModel::load(&path, &args.model)?;
        return texts.iter().try_for_each(|text| likelihood(args, &model, text));
    }
    if args.hide.is_asked() {
        let masked = MaskedModel::load(&path, &args.model)?;
        return fill_words::run(&args.hide, &texts, &masked, (args.top, args.json));
    }
    let adapter = args.adapter.as_deref().map(resolve::resolve_adapter).transpose()?;
    let model = EncoderModel::load_with(&path, adapter.as_deref())?;
    texts.iter().try_for_each(|text| guesses(args, &model, text))
}

fn guesses(args: &FillArgs, model: &EncoderModel, text: &str) -> anyhow::Result<()> {
    let Filled { ids, guesses, is_cut } = fill(model, text, args.top)?;
    if is_cut {
        note_cut(model.longest().unwrap_or(ids.len()));
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

fn likelihood(args: &FillArgs, model: &MaskedModel, text: &str) -> anyhow::Result<()> {
    let bar = Bar::new();
    let found = model.fit(text, args.other.as_deref(), &bar);
    bar.clear();
    let found = found.with_context(|| format!("the text {text:?} was not measured"))?;
    for fit in found.texts().into_iter().filter(|fit| fit.is_cut) {
        note_cut(fit.ids.len());
    }
    if args.json {
        return match &found {
            Fitted::One(fit) => out::json(&fit_json(fit)),
            Fitted::Pair(pair) => out::json(&json!({
                "a": fit_json(&pair.a),
                "b": fit_json(&pair.b),
                "shared": pair.shared,
                "difference": pair.difference,
                "shared_difference": pair.shared_difference,
            })),
        };
    }
    match &found {
        Fitted::One(fit) => show(fit),
        Fitted::Pair(pair) => show_pair(pair),
    }
}

fn fit_json(fit: &Fit) -> serde_json::Value {
    let all = fit.ids.iter().zip(&fit.tokens).zip(&fit.logprobs);
    let list =
        all.map(|((id, token), logprob)| json!({ "id": id, "token": token, "logprob": logprob }));
    json!({
        "text": fit.text,
        "pseudo_log_likelihood": fit.pseudo_log_likelihood,
        "guessed_tokens": fit.guessed_tokens,
        "tokens": list.collect::<Vec<_>>(),
    })
}

fn head(fit: &Fit) -> anyhow::Result<()> {
    let Fit { text, pseudo_log_likelihood: sum, guessed_tokens: count, .. } = fit;
    out::line(&format!("{sum:.4}  ({count} tokens)  {text}"))
}

fn show(fit: &Fit) -> anyhow::Result<()> {
    head(fit)?;
    for (token, logprob) in fit.tokens.iter().zip(&fit.logprobs) {
        if let Some(logprob) = logprob {
            out::line(&format!("  {logprob:>9.4}  {}", token.trim()))?;
        }
    }
    Ok(())
}

fn show_pair(pair: &FitPair) -> anyhow::Result<()> {
    head(&pair.a)?;
    head(&pair.b)?;
    out::line(&format!(
        "{:+.4} for the first text, {:+.4} over the {} tokens that both have",
        pair.difference,
        pair.shared_difference,
        pair.shared.len()
    ))?;
    for shared in &pair.shared {
        out::line(&format!("  {:>+9.4}  {}", shared.difference, pair.a.tokens[shared.a].trim()))?;
    }
    Ok(())
}
