//! `next_token`, `sequence`, `divergence`.

use std::f64::consts::LN_2;

use serde_json::{Value, json};

use super::input::{Node, Read};
use super::output::{Got, or_null};
use crate::stats::divergence as distances;
use crate::stats::moments::sum;
use crate::stats::tokens::{self, NextToken};
use crate::stats::undefined::{Number, Undefined};

pub fn next_token(input: &Node<'_>) -> Read<Value> {
    let logits: Vec<f64> = input
        .key("logits")?
        .numbers_or_missing()?
        .into_iter()
        .map(|logit| logit.unwrap_or(f64::NEG_INFINITY))
        .collect();
    let above_zero = "a temperature above 0";
    let temperature = input.key("temperature")?.number_where(|t| t > 0.0, above_zero)?;
    let chosen = input.key("chosen")?.positions(logits.len())?;
    let next = NextToken::new(&logits, temperature);
    let number = |of: fn(&NextToken) -> f64| next.as_ref().map(of).map_err(Clone::clone);
    let mut got = Got::default();
    got.set("vocabulary", logits.len());
    got.put("entropy_nats", number(NextToken::entropy));
    got.put("entropy_bits", number(|next| next.entropy() / LN_2));
    got.put("perplexity_of_distribution", number(|next| next.entropy().exp()));
    let mut list = |key: &str, of: fn(&NextToken, usize) -> Number, reason: &str| match &next {
        Ok(next) => {
            let values: Vec<Option<f64>> =
                chosen.iter().map(|token| of(next, *token).ok()).collect();
            if values.contains(&None) {
                got.because(key, reason);
            }
            got.set(key, or_null(values));
        }
        Err(reason) => got.put_null(key, &reason.to_string()),
    };
    let never = "a chosen token has logit -inf (null): probability 0";
    list("log_probability", NextToken::log_probability, never);
    let infinite = "a chosen token has logit -inf (null): surprisal is infinite";
    list("surprisal_bits", NextToken::surprisal_bits, infinite);
    got.put_with("top5", next.as_ref().map(|next| next.top(5)).map_err(Clone::clone), |top| {
        json!(top)
    });
    got.put("probability_outside_top_20", number(NextToken::outside_shown));
    got.put("top1_minus_top2", next.as_ref().map_err(Clone::clone).and_then(NextToken::lead));
    Ok(got.finish())
}

pub fn sequence(input: &Node<'_>) -> Read<Value> {
    let logs = input
        .key("log_probabilities")?
        .or_missing("a natural log of a probability (0 or below), or null", |log| log <= 1e-6)?;
    let logs: Vec<f64> = logs.into_iter().flatten().collect();
    let mut got = Got::default();
    got.set("tokens", logs.len());
    got.put("mean_negative_log_probability", tokens::mean_negative_log_probability(&logs));
    got.put("perplexity", tokens::perplexity(&logs));
    got.set("total_bits", -sum(logs.iter().copied()) / LN_2 + 0.0);
    got.set("surprisal_bits", logs.iter().map(|log| -log / LN_2 + 0.0).collect::<Vec<f64>>());
    let running = tokens::running_perplexity(&logs);
    if let Some(Err(reason)) = running.iter().find(|perplexity| perplexity.is_err()) {
        got.because("running_perplexity", &reason.to_string());
    }
    got.set("running_perplexity", or_null(running.into_iter().map(Result::ok)));
    Ok(got.finish())
}

pub fn divergence(input: &Node<'_>) -> Read<Value> {
    let (p_node, q_node) = (input.key("p")?, input.key("q")?);
    let (p, q) = (p_node.masses()?, q_node.masses()?);
    q_node.check_length(q.len(), p.len())?;
    let whole = |masses: &[f64]| {
        distances::normalised(masses)
            .ok_or_else(|| Undefined::from("a distribution has no mass at all"))
    };
    let (p, q) = (whole(&p), whole(&q));
    let both = match (&p, &q) {
        (Ok(p), Ok(q)) => Ok((p.as_slice(), q.as_slice())),
        (Err(reason), _) | (_, Err(reason)) => Err(reason.clone()),
    };
    let bits = |nats: Number| nats.map(|nats| nats / LN_2);
    let forth = both.clone().and_then(|(p, q)| distances::kullback_leibler(p, q));
    let back = both.clone().and_then(|(p, q)| distances::kullback_leibler(q, p));
    let shannon = both.clone().map(|(p, q)| distances::jensen_shannon_bits(p, q));
    let entropy = |of: &Result<Vec<f64>, Undefined>| {
        bits(of.as_ref().map(|of| distances::entropy(of)).map_err(Clone::clone))
    };
    let mut got = Got::default();
    got.put("kl_p_q_nats", forth.clone());
    got.put("kl_p_q_bits", bits(forth));
    got.put("kl_q_p_nats", back.clone());
    got.put("kl_q_p_bits", bits(back));
    got.put("js_distance_base2", shannon.clone().map(f64::sqrt));
    got.put("js_divergence_bits", shannon.clone());
    got.put("js_divergence_nats", shannon.map(|bits| bits * LN_2));
    got.put("total_variation", both.clone().map(|(p, q)| distances::total_variation(p, q)));
    got.put("entropy_p_bits", entropy(&p));
    got.put("entropy_q_bits", entropy(&q));
    got.put("cross_entropy_p_q_bits", bits(both.and_then(|(p, q)| distances::cross_entropy(p, q))));
    Ok(got.finish())
}
