//! `rouge`, `stems`, `translation`, `squad`.

use serde_json::{Value, json};

use super::input::{Node, Read};
use super::output::Got;
use crate::stats::text::bleu::{self, Orders};
use crate::stats::text::chrf::{self, Variant};
use crate::stats::text::porter;
use crate::stats::text::rouge::{Pair, Rouge, Stemming};
use crate::stats::text::squad::{normalised, token_f1};
use crate::stats::text::ter::{self, Edits};

/// Whose numbers these are.
const VERSION: &str = "version:2.6.0";

pub fn rouge(input: &Node<'_>) -> Read<Value> {
    let (target, prediction) = (input.key("target")?.text()?, input.key("prediction")?.text()?);
    let scores = |stemming| {
        let pair = Pair::new(target, prediction, stemming);
        let list = |of: Rouge| json!([of.precision, of.recall, of.f1]);
        json!({
            "rouge1": list(pair.rouge_n(1)),
            "rouge2": list(pair.rouge_n(2)),
            "rougeL": list(pair.rouge_l()),
            "rougeLsum": list(pair.rouge_l_sum()),
        })
    };
    Ok(json!({ "plain": scores(Stemming::Off), "stem": scores(Stemming::Porter) }))
}

pub fn stems(input: &Node<'_>) -> Read<Value> {
    let words = input.key("words")?.texts()?;
    let stems: Vec<String> = words.iter().map(|word| porter::stem(word)).collect();
    Ok(json!({ "stems": stems }))
}

pub fn squad(input: &Node<'_>) -> Read<Value> {
    let prediction = normalised(input.key("prediction")?.text()?);
    let mut answers = Vec::new();
    for answer in input.key("answers")?.list()? {
        if !answer.value.is_null() {
            answers.push(normalised(answer.text()?));
        }
    }
    let best = answers.iter().map(|answer| token_f1(&prediction, answer)).reduce(f64::max);
    let none = "there is no answer to compare with";
    let mut got = Got::default();
    got.set("normalised_prediction", prediction.as_str());
    got.set("normalised_answers", answers.as_slice());
    got.put_with(
        "exact_match",
        if answers.is_empty() { Err(none.into()) } else { Ok(answers.contains(&prediction)) },
        |same| json!(u8::from(same)),
    );
    got.put("f1", best.ok_or_else(|| none.into()));
    Ok(got.finish())
}

/// What is counted of one hypothesis.
struct Counted {
    bleu: bleu::Matches,
    chrf: chrf::Matches,
    chrf_pp: chrf::Matches,
    ter: Edits,
}

/// `None` without a reference.
fn count(hypothesis: &str, references: &[String]) -> Option<Counted> {
    Some(Counted {
        bleu: bleu::matches(hypothesis, references)?,
        chrf: chrf::matches(hypothesis, references, Variant::Chrf)?,
        chrf_pp: chrf::matches(hypothesis, references, Variant::ChrfPlusPlus)?,
        ter: ter::edits(hypothesis, references)?,
    })
}

pub fn translation(input: &Node<'_>) -> Read<Value> {
    let (hypotheses, references) = (input.key("hypotheses")?.list()?, input.key("references")?);
    let lists = references.list()?;
    references.check_length(lists.len(), hypotheses.len())?;
    let mut counted = Vec::new();
    let mut reference_counts = Vec::new();
    for (hypothesis, list) in hypotheses.iter().zip(&lists) {
        if hypothesis.value.is_null() || list.value.is_null() {
            continue;
        }
        let mut texts = Vec::new();
        for reference in list.list()? {
            if !reference.value.is_null() {
                texts.push(reference.text()?.to_owned());
            }
        }
        let counts = count(hypothesis.text()?, &texts);
        counted.push(counts.ok_or_else(|| list.problem("at least one reference"))?);
        reference_counts.push(texts.len());
    }
    reference_counts.dedup();
    let references = match reference_counts.as_slice() {
        [count] => format!("nrefs:{count}"),
        _ => "nrefs:var".to_owned(),
    };
    let any = !counted.is_empty();
    let mut got = Got::default();
    got.set("bleu", bleu_as_json(&counted, &references));
    let chrf_as_json = |of: fn(&Counted) -> &chrf::Matches, words: u8| {
        let all = counted.iter().fold(chrf::Matches::default(), |sum, one| sum.plus(of(one)));
        let mut got = Got::default();
        got.put("score", if any { Ok(all.score()) } else { Err("no hypotheses".into()) });
        let signature =
            format!("{references}|case:mixed|eff:yes|nc:6|nw:{words}|space:no|{VERSION}");
        got.set("signature", signature);
        got.finish()
    };
    got.set("chrf", chrf_as_json(|one| &one.chrf, 0));
    got.set("chrf_pp", chrf_as_json(|one| &one.chrf_pp, 2));
    got.set("ter", ter_as_json(&counted, &references));
    let sentences = counted.iter().map(|one| {
        json!([
            one.bleu.bleu(Orders::Effective).score,
            one.chrf.score(),
            one.chrf_pp.score(),
            one.ter.rate(),
        ])
    });
    got.set("sentences", sentences.collect::<Vec<Value>>());
    got.set("sentence_bleu_signature", bleu_signature(&references, "yes"));
    Ok(got.finish())
}

fn bleu_signature(references: &str, effective: &str) -> String {
    format!("{references}|case:mixed|eff:{effective}|tok:13a|smooth:exp|{VERSION}")
}

fn bleu_as_json(counted: &[Counted], references: &str) -> Value {
    let all = counted.iter().fold(bleu::Matches::default(), |sum, one| sum.plus(&one.bleu));
    let of = all.bleu(Orders::Four);
    let mut got = Got::default();
    got.put("score", if counted.is_empty() { Err("no hypotheses".into()) } else { Ok(of.score) });
    got.set("counts", json!(all.counts));
    got.set("totals", json!(all.totals));
    got.set("precisions", json!(of.precisions));
    got.set("bp", of.brevity_penalty);
    got.set("hyp_len", all.hypothesis_length);
    got.set("ref_len", all.reference_length);
    got.set("signature", bleu_signature(references, "no"));
    got.finish()
}

fn ter_as_json(counted: &[Counted], references: &str) -> Value {
    let all = counted.iter().fold(Edits::default(), |sum, one| sum.plus(&one.ter));
    let mut got = Got::default();
    got.put("score", if counted.is_empty() { Err("no hypotheses".into()) } else { Ok(all.rate()) });
    got.set("edits", all.edits);
    got.set("ref_len", all.reference_length);
    let signature = "case:lc|tok:tercom|norm:no|punct:yes|asian:no";
    got.set("signature", format!("{references}|{signature}|{VERSION}"));
    got.finish()
}
