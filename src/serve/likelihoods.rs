//! Log-probabilities as OpenAI's two interfaces write them.

use serde_json::{Map, Value, json};

use crate::llm::Tokenizer;
use crate::llm::generate::sampling::LogSoftmax;

/// What stands for minus infinity, which JSON has no word for: OpenAI's own number.
const NEVER: f32 = -9999.0;

/// Which tokens' log-probabilities come beside each token's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// So many of the likeliest.
    pub count: usize,

    /// And these, however unlikely they are.
    pub named: Vec<u32>,
}

impl Top {
    /// How many they are at most.
    pub fn most(&self) -> usize {
        self.count + self.named.len()
    }
}

/// A token of a text with how likely it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Likelihood {
    pub id: u32,

    /// `None`: the first token of a text.
    pub logprob: Option<f32>,

    /// The likeliest tokens in its place, the likeliest first; then those that were named.
    pub top: Vec<(u32, f32)>,

    /// At which character of the text it begins.
    pub offset: usize,
}

impl Likelihood {
    /// Of a token that came after these scores.
    pub fn of(scores: &[f32], id: u32, top: &Top, offset: usize) -> Self {
        let all = LogSoftmax::new(scores);
        let mut beside = all.likeliest(top.count);
        for &named in &top.named {
            if beside.iter().all(|(id, _)| *id != named) {
                beside.push((named, all.of(named)));
            }
        }
        Self { id, logprob: Some(all.of(id)), top: beside, offset }
    }
}

/// How tokens are written.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    pub tokenizer: &'a Tokenizer,

    /// `token_id:7` in place of the text.
    pub by_id: bool,
}

impl Names<'_> {
    /// A part of a character as OpenAI writes it: `bytes:\xe2\x80`.
    fn name(self, id: u32) -> String {
        if self.by_id {
            return format!("token_id:{id}");
        }
        match self.tokenizer.token_bytes(id).map(String::from_utf8) {
            Some(Ok(text)) => text,
            Some(Err(error)) => {
                let mut name = "bytes:".to_owned();
                for byte in error.into_bytes() {
                    name += &format!("\\x{byte:02x}");
                }
                name
            }
            None => self.tokenizer.token_text(id),
        }
    }

    /// As `/v1/completions` has them: a list each.
    pub fn lists(self, all: &[Likelihood]) -> Value {
        let top = |one: &Likelihood| {
            let Some(logprob) = one.logprob else { return Value::Null };
            let mut named = Map::new();
            // The token itself is there too, as OpenAI has it. Of two with one name, the likelier.
            for (id, logprob) in one.top.iter().copied().chain([(one.id, logprob)]) {
                named.entry(self.name(id)).or_insert_with(|| number(logprob));
            }
            Value::Object(named)
        };
        json!({
            "tokens": all.iter().map(|one| self.name(one.id)).collect::<Vec<_>>(),
            "token_logprobs": all.iter().map(|one| one.logprob.map(number)).collect::<Vec<_>>(),
            "top_logprobs": all.iter().map(top).collect::<Vec<_>>(),
            "text_offset": all.iter().map(|one| one.offset).collect::<Vec<_>>(),
        })
    }

    /// As chats have them: an object each.
    pub fn objects(self, all: &[Likelihood]) -> Value {
        let one = |(id, logprob): (u32, f32)| {
            json!({
                "token": self.name(id),
                "logprob": number(logprob),
                "bytes": self.tokenizer.token_bytes(id),
            })
        };
        let whole = |likelihood: &Likelihood| {
            let mut object = one((likelihood.id, likelihood.logprob.unwrap_or(NEVER)));
            let top = likelihood.top.iter().map(|top| one(*top));
            object["top_logprobs"] = top.collect::<Vec<_>>().into();
            object
        };
        let content: Vec<Value> = all.iter().map(whole).collect();
        json!({"content": content, "refusal": null})
    }
}

fn number(logprob: f32) -> Value {
    if logprob.is_finite() { json!(logprob) } else { json!(NEVER) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_cannot_come_has_openais_number() {
        assert_eq!(number(f32::NEG_INFINITY).to_string(), "-9999.0");
        assert_eq!(number(-0.25).to_string(), "-0.25");
    }

    #[test]
    fn the_likeliest_come_first_and_the_token_itself_keeps_its_own() {
        let scores = [0.0_f32, 2.0, 1.0, 2.0];
        let top = |count: usize| Top { count, named: Vec::new() };
        let found = Likelihood::of(&scores, 2, &top(2), 0);
        let ids: Vec<u32> = found.top.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [1, 3], "of equals the one with the smaller id");
        let sum: f64 = scores.iter().map(|score| f64::from(*score).exp()).sum();
        let expected = 1.0 - sum.ln();
        assert!((f64::from(found.logprob.unwrap()) - expected).abs() < 1e-6);
        assert!(Likelihood::of(&scores, 0, &top(0), 0).top.is_empty());
        assert_eq!(Likelihood::of(&scores, 0, &top(9), 0).top.len(), 4);
        let named = Top { count: 1, named: vec![0, 1] };
        let ids = Likelihood::of(&scores, 3, &named, 0).top.into_iter().map(|(id, _)| id);
        assert_eq!(ids.collect::<Vec<u32>>(), [1, 0], "none of them twice");
    }
}
