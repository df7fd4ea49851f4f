//! `/v1/labels`: the exact probability of each of a few answers, as Evaluate scores them.

use serde_json::{Value, json};

use super::asked::Labels;
use super::completions::Usage;
use super::error::Refusal;
use super::served::{Served, now};
use super::watch::Watch;
use crate::evaluate::asking::scoring::{Asked, Scorer, Unaskable, sentence};
use crate::evaluate::asking::weighing::weigh;
use crate::evaluate::prompt::Presentation;
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
        watch.still_wanted()?;
        let presentation = Presentation {
            content: prompt.clone(),
            order: (0..asked.labels.len()).collect(),
            answers: asked.labels.clone(),
        };
        match Asked::encode(&decoder.model, &presentation, (0, scorer.context()))? {
            Ok(question) => questions.push(question),
            Err(unaskable) => {
                let param = match &unaskable {
                    Unaskable::Unsayable { .. } | Unaskable::NoRoom { .. } => "labels",
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
        let lengths: Vec<usize> = question.answers.iter().map(Vec::len).collect();
        let scored = scored(&mut scorer, &[question], watch)?;
        let scored = scored.into_iter().next().unwrap_or_default();
        results.push(result(at, (&asked.labels, &lengths), scored)?);
    }
    let answer = json!({
        "object": "list",
        "created": now(),
        "model": served.name_with(asked.adapter),
        "system_fingerprint": served.fingerprint(),
        "data": results,
        "usage": {"prompt_tokens": usage.prompt, "total_tokens": usage.prompt},
    });
    Ok((answer, usage))
}

/// The log-probability of every answer, question by question.
pub fn scored(
    scorer: &mut Scorer<'_>,
    questions: &[Asked],
    watch: &Watch<'_>,
) -> Result<Vec<Vec<f64>>, Refusal> {
    scorer.score::<()>(&[], questions, watch).map_err(|error| match error {
        llm::Error::Cancelled(_) => watch.refusal(),
        error => error.into(),
    })
}

/// One prompt with its labels. `mass`: how much of all that could be answered they are together.
/// `tokens`: how many a label has.
fn result(
    at: usize,
    (labels, lengths): (&[String], &[usize]),
    scored: Vec<f64>,
) -> Result<Value, Refusal> {
    let (order, scored) = ([(0..labels.len()).collect::<Vec<_>>()], [scored]);
    let weighed = weigh(&order, &scored, &scored, false)
        .map_err(|why| Refusal::with(500, format!("The labels have no probabilities: {why}.")))?;
    let each = labels.iter().zip(lengths).zip(&weighed.logprobs).zip(&weighed.probabilities);
    let each = each.map(|(((label, tokens), logprob), probability)| {
        json!({
            "label": label, "logprob": logprob, "probability": probability, "tokens": tokens,
        })
    });
    Ok(json!({
        "object": "labels",
        "index": at,
        "label": weighed.index.and_then(|best| labels.get(best)),
        "labels": each.collect::<Vec<_>>(),
        "mass": weighed.mass,
    }))
}
