//! `tuning-fork score` of an encoder-decoder: the log-probability of every token of given answers to what it
//! reads.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::json;

use super::load::LoadedPair;
use super::out;
use super::progress::Bar;
use super::score_rows::{Asks, Input};
use crate::data::forms::{Content, Understood};
use crate::data::pair::{PreferencePair, Text};
use crate::encoder::Tokens;
use crate::files;
use crate::seq2seq::Seq2Seq;
use crate::words::counted;

/// A row of the output.
#[derive(Serialize)]
struct Scored {
    /// What the encoder reads.
    prompt_ids: Vec<u32>,

    /// The answer with the token that ends it.
    ids: Vec<u32>,
    tokens: Vec<String>,

    /// Natural logs.
    logprobs: Vec<f32>,

    /// Their sum.
    completion_logprob: f64,
}

/// `output`: without it, to stdout. `says_json`: the summary.
pub fn run(
    (output, says_json): (Option<&Path>, bool),
    input: &Input,
    pair: &LoadedPair,
) -> anyhow::Result<()> {
    let model = &pair.model;
    // The rows first: a mistake in the last one should not cost what comes before.
    let encoded = input.rows.iter().map(|row| {
        encode(model, &row.asks)
            .map_err(|err| input.report.error(row.place, None, format!("{err:#}")).into())
    });
    let encoded = encoded.collect::<anyhow::Result<Vec<(Vec<u32>, Vec<u32>)>>>()?;
    let bar = Bar::new();
    let (mut lines, mut token_count) = (String::new(), 0);
    let total = encoded.len() as u64;
    for (done, (prompt_ids, ids)) in encoded.into_iter().enumerate() {
        bar.count("Scoring", done as u64, total);
        let memory = model.read(Tokens::plain(&prompt_ids), &mut |_| {})?;
        let logprobs = model.logprobs(&memory, std::slice::from_ref(&ids))?;
        let logprobs = logprobs.into_iter().next().unwrap_or_default();
        token_count += ids.len();
        let tokenizer = model.tokenizer().context("it has no tokenizer")?;
        let line = Scored {
            tokens: ids.iter().map(|id| tokenizer.token_text(*id)).collect(),
            completion_logprob: logprobs.iter().map(|logprob| f64::from(*logprob)).sum(),
            prompt_ids,
            ids,
            logprobs,
        };
        let line = serde_json::to_string(&line)?;
        match output {
            Some(_) => {
                lines.push_str(&line);
                lines.push('\n');
            }
            None => out::line(&line)?,
        }
    }
    bar.clear();
    if let Some(path) = output {
        files::write_atomic(path, lines.as_bytes())
            .with_context(|| format!("{} could not be written", path.display()))?;
    }
    if says_json {
        return out::json(&json!({ "rows": total, "tokens": token_count, "output": output }));
    }
    let rows = counted(input.rows.len(), "row", "rows");
    out::note(&format!("{rows}, {}", counted(token_count, "token", "tokens")));
    Ok(())
}

/// The ids of what is read, and of what is written about it.
fn encode(model: &Seq2Seq, asks: &Asks) -> anyhow::Result<(Vec<u32>, Vec<u32>)> {
    const NEEDED: &str = "an encoder-decoder reads a \"prompt\" and writes a \"completion\": the row needs \
                          both, as plain text";

    let Asks::Row(row) = asks else { bail!(NEEDED) };
    let Understood { content, .. } = row.as_ref();
    let (prompt, answer) = match content {
        Content::Completion { prompt, completion: answer }
        | Content::Preference(PreferencePair { prompt, chosen: answer, .. }) => (prompt, answer),
        Content::Whole(_) => bail!(NEEDED),
    };
    let (Text::Plain(prompt), Text::Plain(answer)) = (prompt, answer) else {
        bail!("it has messages, and an encoder-decoder has no chat template: give plain text");
    };
    let (read, is_cut) = model.encode(prompt)?;
    if is_cut {
        bail!("its prompt is longer than the {} tokens that the encoder reads", read.len());
    }
    let tokenizer = model.tokenizer().context("it has no tokenizer")?;
    // As transformers has the labels, but for what stands before every answer.
    let whole = tokenizer.encode(answer, true)?;
    let opening = model.opening()?;
    let before = opening.iter().skip(1).zip(&whole).take_while(|(one, other)| one == other).count();
    Ok((read, whole[before..].to_vec()))
}
