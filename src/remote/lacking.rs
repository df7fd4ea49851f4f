//! The sampling settings as a server takes them, and those that it does not know: they are said, and
//! never left out without a word.

use serde_json::{Map, Value, json};

use super::ability;
use super::probe::Probe;
use crate::llm::generate::sampling::{ChainOrder, SamplingParams};

/// The settings that a server computes, as fields of a request.
pub fn fields(sampling: &SamplingParams, probe: &Probe) -> Map<String, Value> {
    let mut fields = Map::new();
    let temperature = if sampling.is_greedy() { 0.0 } else { sampling.temperature };
    fields.insert("temperature".to_owned(), json!(short(temperature)));
    if !sampling.is_greedy() && sampling.top_p < 1.0 {
        fields.insert("top_p".to_owned(), json!(short(sampling.top_p)));
    }
    for (name, value, _) in own(sampling) {
        if probe.has(name) {
            fields.insert(name.to_owned(), value);
        }
    }
    fields
}

/// What is set and not sent, a few words each: `top-k 50`.
pub fn left_out(sampling: &SamplingParams, probe: &Probe) -> Vec<String> {
    let settings = own(sampling).into_iter().filter(|(name, ..)| !probe.has(name));
    let mut left_out: Vec<String> = settings.map(|(.., words)| words).collect();
    if sampling.order == ChainOrder::LlamaCpp && !sampling.is_greedy() {
        left_out.push("the order of llama.cpp".to_owned());
    }
    left_out
}

/// The settings without those that a server does not compute: what decides its answers.
pub fn used(sampling: &SamplingParams, probe: &Probe) -> SamplingParams {
    let SamplingParams {
        top_k, min_p, typical_p, repetition_penalty, no_repeat_ngram_size, ..
    } = *sampling;
    SamplingParams {
        top_k: if probe.has(ability::TOP_K) { top_k } else { 0 },
        min_p: if probe.has(ability::MIN_P) { min_p } else { 0.0 },
        typical_p: if probe.has(ability::TYPICAL_P) { typical_p } else { 1.0 },
        repetition_penalty: if probe.has(ability::REPETITION_PENALTY) {
            repetition_penalty
        } else {
            1.0
        },
        no_repeat_ngram_size: if probe.has(ability::NGRAM) { no_repeat_ngram_size } else { 0 },
        order: ChainOrder::default(),
        ..sampling.clone()
    }
}

/// What is left out, as a sentence. `None`: everything that is set is used.
pub fn sentence(sampling: &SamplingParams, probe: &Probe) -> Option<String> {
    let left_out = left_out(sampling, probe);
    (!left_out.is_empty()).then(|| {
        format!("Not used, because the server does not compute it: {}", left_out.join(", "))
    })
}

/// Settings that are on and that OpenAI's interface does not have: field, value, words.
fn own(sampling: &SamplingParams) -> Vec<(&'static str, Value, String)> {
    let is_drawn = !sampling.is_greedy();
    let SamplingParams {
        top_k, min_p, typical_p, repetition_penalty, no_repeat_ngram_size, ..
    } = *sampling;
    let all = [
        (ability::TOP_K, is_drawn && top_k > 0, json!(top_k), format!("top-k {top_k}")),
        (ability::MIN_P, is_drawn && min_p > 0.0, json!(short(min_p)), format!("min-p {min_p}")),
        (
            ability::TYPICAL_P,
            is_drawn && typical_p < 1.0,
            json!(short(typical_p)),
            format!("typical-p {typical_p}"),
        ),
        (
            ability::REPETITION_PENALTY,
            repetition_penalty != 1.0,
            json!(short(repetition_penalty)),
            format!("repetition penalty {repetition_penalty}"),
        ),
        (
            ability::NGRAM,
            no_repeat_ngram_size > 0,
            json!(no_repeat_ngram_size),
            format!("no-repeat n-gram {no_repeat_ngram_size}"),
        ),
    ];
    all.into_iter()
        .filter(|(_, is_on, ..)| *is_on)
        .map(|(name, _, value, words)| (name, value, words))
        .collect()
}

/// 0.7, and not 0.699999988079071.
fn short(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

#[cfg(test)]
mod tests {
    use super::super::probe::Ability;
    use super::*;

    fn knows(names: &[&'static str]) -> Probe {
        let ability = |name: &&'static str| Ability { name, has: true, detail: String::new() };
        Probe { abilities: names.iter().map(ability).collect(), ..Probe::default() }
    }

    #[test]
    fn what_a_server_does_not_compute_is_not_sent_and_is_said() {
        let usual = SamplingParams::default();
        let openai = knows(&[]);
        let sent = Value::from(fields(&usual, &openai)).to_string();
        assert_eq!(sent, r#"{"temperature":0.7,"top_p":0.95}"#);
        let said = sentence(&usual, &openai).unwrap();
        assert!(said.ends_with("top-k 50, repetition penalty 1.1"), "{said}");
        let all = knows(&[ability::TOP_K, ability::REPETITION_PENALTY]);
        assert_eq!(sentence(&usual, &all), None);
        assert_eq!(fields(&usual, &all)["top_k"], 50);
    }

    #[test]
    fn a_greedy_answer_needs_no_more_than_temperature_0() {
        let greedy = SamplingParams {
            greedy: true,
            repetition_penalty: 1.0,
            order: ChainOrder::LlamaCpp,
            ..SamplingParams::default()
        };
        assert_eq!(Value::from(fields(&greedy, &knows(&[]))).to_string(), r#"{"temperature":0.0}"#);
        assert_eq!(left_out(&greedy, &knows(&[])), Vec::<String>::new());
    }
}
