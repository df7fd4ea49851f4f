//! How tokens are drawn, and how an answer comes: what chat and completions have in common.

use rand::RngExt as _;
use serde_json::{Value, json};

use super::error::Refusal;
use super::fields::{Fields, wrong};
use crate::llm::generate::sampling::SamplingParams;
use crate::llm::generate::{AdapterMode, Lane};

/// Choices of one prompt, and likely tokens beside each token, at most.
const MOST_CHOICES: u64 = 32;
pub const MOST_TOP: u64 = 100;
const MOST_STOPS: usize = 64;

#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "fields of a request that a client sets one by one"
)]
pub struct Sampled {
    pub sampling: SamplingParams,

    /// Of the first choice; each other one has the next number.
    pub seed: u64,
    pub choices: usize,
    pub stop: Vec<String>,
    pub streams: bool,

    /// The counts of tokens come as a last piece of a stream.
    pub streams_usage: bool,

    /// Token ids come beside the texts (vLLM's `return_token_ids`).
    pub returns_ids: bool,

    /// Tokens are called `token_id:7` (vLLM's `return_tokens_as_token_ids`).
    pub names_ids: bool,
}

impl Sampled {
    /// OpenAI's defaults: the model's own distribution, nothing cut off, no penalty. `top_k`, `min_p`,
    /// `typical_p`, `repetition_penalty` and `no_repeat_ngram_size` are ours, by transformers' names.
    pub fn read(fields: &mut Fields) -> Result<Self, Refusal> {
        let off = SamplingParams {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            repetition_penalty: 1.0,
            ..SamplingParams::default()
        };
        let mut number = |name: &str, default: f32, (least, most): (f32, f32)| {
            let Some(found) = fields.number(name)? else { return Ok::<f32, Refusal>(default) };
            if (least..=most).contains(&found) {
                return Ok(found);
            }
            let expected = if most.is_finite() {
                format!("a number from {least} to {most}")
            } else if least > 0.0 {
                "a number above 0".to_owned()
            } else {
                format!("a number from {least} on")
            };
            Err(wrong(name, &json!(found), &expected))
        };
        let sampling = SamplingParams {
            temperature: number("temperature", off.temperature, (0.0, f32::INFINITY))?,
            top_p: number("top_p", off.top_p, (0.0, 1.0))?,
            min_p: number("min_p", off.min_p, (0.0, 1.0))?,
            typical_p: number("typical_p", off.typical_p, (0.0, 1.0))?,
            repetition_penalty: number(
                "repetition_penalty",
                off.repetition_penalty,
                (f32::MIN_POSITIVE, f32::INFINITY),
            )?,
            ..off
        };
        let many = (0, u64::from(u32::MAX));
        let sampling = SamplingParams {
            top_k: fields.count("top_k", many)?.unwrap_or(0),
            no_repeat_ngram_size: fields.count("no_repeat_ngram_size", many)?.unwrap_or(0),
            ..sampling
        };
        let seed = match fields.take("seed") {
            None => rand::rng().random(),
            Some(value) => {
                let seed = value.as_u64().or_else(|| value.as_i64().map(i64::cast_unsigned));
                seed.ok_or_else(|| wrong("seed", &value, "a whole number"))?
            }
        };
        let choices = fields.count("n", (1, MOST_CHOICES))?.unwrap_or(1);
        let stop = fields.texts("stop", MOST_STOPS)?;
        let streams = fields.flag("stream")?.unwrap_or(false);
        let streams_usage = match fields.take("stream_options") {
            None => false,
            Some(Value::Object(options)) => {
                options.get("include_usage").and_then(Value::as_bool).unwrap_or(false)
            }
            Some(other) => return Err(wrong("stream_options", &other, "an object")),
        };
        let another = "Leave it out; repetition_penalty is computed here, as in transformers.";
        fields.refuse("frequency_penalty", &json!(0), another)?;
        fields.refuse("presence_penalty", &json!(0), another)?;
        fields.refuse("logit_bias", &Value::Null, "Leave it out.")?;
        let returns_ids = fields.flag("return_token_ids")?.unwrap_or(false);
        let names_ids = fields.flag("return_tokens_as_token_ids")?.unwrap_or(false);
        Ok(Self { sampling, seed, choices, stop, streams, streams_usage, returns_ids, names_ids })
    }

    pub fn lanes(&self, adapter: AdapterMode) -> Vec<Lane> {
        let lane = |place: usize| Lane { seed: self.seed.wrapping_add(place as u64), adapter };
        (0..self.choices).map(lane).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &Value) -> Result<Sampled, Refusal> {
        Sampled::read(&mut Fields::read(value.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn without_settings_the_models_own_distribution_is_drawn_from() {
        let sampled = read(&json!({"seed": 7, "n": 2})).unwrap();
        let on = sampled.sampling.steps().into_iter().filter(|step| sampled.sampling.is_on(*step));
        assert_eq!(on.count(), 0);
        let seeds: Vec<u64> =
            sampled.lanes(AdapterMode::Off).iter().map(|lane| lane.seed).collect();
        assert_eq!(seeds, [7, 8]);
        assert_ne!(read(&json!({})).unwrap().seed, read(&json!({})).unwrap().seed);
    }

    #[test]
    fn settings_that_cannot_be_are_refused_with_what_can() {
        let said = |value: &Value| read(value).unwrap_err().message;
        assert_eq!(
            said(&json!({"temperature": -1})),
            "\"temperature\" is -1.0; expected is a number from 0 on."
        );
        assert!(said(&json!({"top_p": 1.5})).ends_with("expected is a number from 0 to 1."));
        assert!(said(&json!({"repetition_penalty": 0})).ends_with("expected is a number above 0."));
        assert!(said(&json!({"n": 0})).contains("from 1 to 32"));
        assert!(said(&json!({"seed": 1.5})).contains("a whole number"));
        assert!(said(&json!({"logit_bias": {"5": -100}})).contains("not computed by this server"));
        assert_eq!(read(&json!({"seed": -1})).unwrap().seed, u64::MAX);
        assert!(read(&json!({"logit_bias": {}, "presence_penalty": 0})).is_ok());
    }
}
