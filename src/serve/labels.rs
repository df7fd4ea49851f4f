//! `/v1/labels`: the exact probability of each of a few answers, as Evaluate scores them.

use serde_json::{Value, json};

use super::asked::Labels;
use super::completions::Usage;
use super::error::Refusal;
use super::served::{Served, now};
use super::watch::Watch;
use crate::evaluate::prompt::Presentation;
use crate::evaluate::scoring::{Asked, Scorer, Unaskable, sentence};
use crate::llm;

pub fn whole(
    served: &Served,
    asked: &Labels,
    watch: &Watch<'_>,
) -> Result<(Value, Usage), Refusal> {
    let decoder = served.writer()?;
    let adapter = decoder.adapter(asked.adapter);
    let mut scorer = Scorer::new(&decoder.model, adapter);
    let mut questions = Vec::with_capacity(asked.prompts.len());
    for prompt in &asked.prompts {
        let presentation = Presentation {
            content: prompt.clone(),
            order: (0..asked.labels.len()).collect(),
            answers: asked.labels.clone(),
        };
        match Asked::encode(&decoder.model, &presentation, (0, scorer.context()))? {
            Ok(question) => questions.push(question),
            Err(unaskable) => {
                let param = match &unaskable {
                    Unaskable::Unsayable { .. } => "labels",
                    Unaskable::TooLong { .. } => "prompt",
                };
                let message = format!("This cannot be scored: {}.", sentence(&unaskable));
                return Err(Refusal::of(param, message));
            }
        }
    }
    let mut results = Vec::with_capacity(questions.len());
    let mut usage = Usage::default();
    for (at, question) in questions.into_iter().enumerate() {
        usage.prompt += question.prompt.len();
        let scored = match scorer.score::<()>(&[], &[question], watch) {
            Ok(scored) => scored.into_iter().next().unwrap_or_default(),
            Err(llm::Error::Cancelled(_)) => return Err(watch.refusal()),
            Err(error) => return Err(error.into()),
        };
        results.push(result(at, &asked.labels, &scored));
    }
    let names = served.names();
    let answer = json!({
        "object": "list",
        "created": now(),
        "model": if adapter.is_some() { names.first() } else { names.last() },
        "system_fingerprint": served.fingerprint(),
        "data": results,
        "usage": {"prompt_tokens": usage.prompt, "total_tokens": usage.prompt},
    });
    Ok((answer, usage))
}

/// One prompt with its labels. `mass`: how much of all that could be answered they are together.
fn result(at: usize, labels: &[String], logprobs: &[f64]) -> Value {
    let highest = logprobs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let masses: Vec<f64> = logprobs.iter().map(|logprob| (logprob - highest).exp()).collect();
    let sum: f64 = masses.iter().sum();
    let best = logprobs.iter().position(|logprob| *logprob == highest);
    let each = labels.iter().zip(logprobs).zip(&masses).map(|((label, logprob), mass)| {
        json!({"label": label, "logprob": logprob, "probability": mass / sum})
    });
    let each: Vec<Value> = each.collect();
    json!({
        "object": "labels",
        "index": at,
        "label": best.and_then(|best| labels.get(best)),
        "labels": each,
        "mass": logprobs.iter().map(|logprob| logprob.exp()).sum::<f64>(),
    })
}
