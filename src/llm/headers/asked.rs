//! What a model's `generation_config.json` asks for beside the ends of an answer.
//!
//! transformers' `generate` does so unless it is told otherwise. Here a person's own settings count, and
//! what they leave out is said.

use serde_json::Value;

/// Settings that change which token comes, also where always the likeliest is taken, with the value that
/// is off.
const ALWAYS: [(&str, f64); 19] = [
    ("repetition_penalty", 1.0),
    ("no_repeat_ngram_size", 0.0),
    ("encoder_no_repeat_ngram_size", 0.0),
    ("encoder_repetition_penalty", 1.0),
    ("min_length", 0.0),
    ("min_new_tokens", 0.0),
    ("num_beams", 1.0),
    ("guidance_scale", 1.0),
    ("penalty_alpha", 0.0),
    ("forced_bos_token_id", -1.0),
    ("forced_eos_token_id", -1.0),
    ("suppress_tokens", -1.0),
    ("begin_suppress_tokens", -1.0),
    ("bad_words_ids", -1.0),
    ("sequence_bias", -1.0),
    ("exponential_decay_length_penalty", -1.0),
    ("stop_strings", -1.0),
    ("max_time", -1.0),
    ("watermarking_config", -1.0),
];

/// Those that count where a token is drawn.
const WHERE_DRAWN: [(&str, f64); 5] =
    [("temperature", 1.0), ("top_k", 0.0), ("top_p", 1.0), ("min_p", 0.0), ("typical_p", 1.0)];

/// Those that count where beams are searched.
const WHERE_SEARCHED: [(&str, f64); 2] = [("length_penalty", 1.0), ("early_stopping", -1.0)];

/// When a setting counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    Always,
    WhereDrawn,
    WhereSearched,
}

/// A setting under transformers' name.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub key: &'static str,
    pub value: Value,
    pub counts: Counts,
}

/// What is asked for, without what is off.
pub(crate) fn asked(generation: &Value) -> Vec<Asked> {
    let draws = generation.get("do_sample").and_then(Value::as_bool) == Some(true);
    let of = |list: &'static [(&'static str, f64)], counts: Counts| {
        list.iter().filter_map(move |(key, off)| {
            let value = generation.get(*key)?;
            let is_off = match value {
                Value::Null | Value::Bool(false) => true,
                Value::Number(number) => number.as_f64() == Some(*off),
                Value::Array(list) => list.is_empty(),
                Value::Object(map) => map.is_empty(),
                _ => false,
            };
            (!is_off).then(|| Asked { key, value: value.clone(), counts })
        })
    };
    let drawn = of(&WHERE_DRAWN, Counts::WhereDrawn).filter(|_| draws);
    let searched = of(&WHERE_SEARCHED, Counts::WhereSearched);
    of(&ALWAYS, Counts::Always).chain(drawn).chain(searched).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(generation: &Value) -> Vec<&'static str> {
        asked(generation).into_iter().map(|asked| asked.key).collect()
    }

    #[test]
    fn what_is_off_is_not_asked_for() {
        let off = json!({"repetition_penalty": 1.0, "suppress_tokens": [], "num_beams": 1,
                         "forced_eos_token_id": null, "temperature": 0.6, "eos_token_id": [1, 2]});
        assert_eq!(keys(&off), Vec::<&str>::new(), "a temperature without do_sample is not used");
        // as Qwen2.5-0.5B-Instruct has it
        let on = json!({"do_sample": true, "repetition_penalty": 1.1, "temperature": 0.7,
                        "top_p": 0.8, "top_k": 20});
        assert_eq!(keys(&on), ["repetition_penalty", "temperature", "top_k", "top_p"]);
        let ids = json!({"suppress_tokens": [5], "forced_eos_token_id": 2});
        assert_eq!(keys(&ids), ["forced_eos_token_id", "suppress_tokens"]);
        let ends = json!({"stop_strings": ["\n\n"], "max_time": 2.0});
        assert_eq!(keys(&ends), ["stop_strings", "max_time"]);
        let longer = json!({"exponential_decay_length_penalty": [2, 1.5], "early_stopping": false,
                            "length_penalty": 2.0});
        assert_eq!(keys(&longer), ["exponential_decay_length_penalty", "length_penalty"]);
    }
}
