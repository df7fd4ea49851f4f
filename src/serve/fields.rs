//! The fields of a request, each taken once with its type; what is left over was never meant.

use serde_json::{Map, Value};

use super::error::Refusal;

pub struct Fields(Map<String, Value>);

/// Fields of OpenAI's that change nothing of an answer here.
const WITHOUT_EFFECT: [&str; 8] = [
    "user",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "parallel_tool_calls",
];

impl Fields {
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(other) => {
                let message = format!(
                    "The body of the request is {}, and a JSON object is expected.",
                    kind(&other)
                );
                Err(Refusal::with(400, message))
            }
            Err(error) => {
                let message = format!("The body of the request is not valid JSON: {error}.");
                Err(Refusal::with(400, message))
            }
        }
    }

    /// Something that is there and not null.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.0.shift_remove(name).filter(|value| !value.is_null())
    }

    pub fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(name, &other, "text")),
        }
    }

    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(wrong(name, &other, "true or false")),
        }
    }

    /// A whole number from `least` to `most`.
    pub fn count(
        &mut self,
        name: &str,
        (least, most): (u64, u64),
    ) -> Result<Option<usize>, Refusal> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_u64() {
            Some(count) if (least..=most).contains(&count) => Ok(Some(count as usize)),
            _ => Err(wrong(name, &value, &format!("a whole number from {least} to {most}"))),
        }
    }

    pub fn number(&mut self, name: &str) -> Result<Option<f32>, Refusal> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_f64().map(|number| number as f32).filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(wrong(name, &value, "a number")),
        }
    }

    /// A text, or a list of at most `most` texts.
    pub fn texts(&mut self, name: &str, most: usize) -> Result<Vec<String>, Refusal> {
        let all = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Value::String(text)) => return Ok(vec![text]),
            Some(Value::Array(all)) => all,
            Some(other) => return Err(wrong(name, &other, "text, or a list of texts")),
        };
        if all.len() > most {
            let message = format!("\"{name}\" has {} texts, and {most} are the most.", all.len());
            return Err(Refusal::of(name, message));
        }
        let text = |value| match value {
            Value::String(text) => Ok(text),
            other => Err(wrong(name, &other, "text, or a list of texts")),
        };
        all.into_iter().map(text).collect()
    }

    /// What would change the answer and is not computed here. Its value that changes nothing is fine.
    pub fn refuse(&mut self, name: &str, neutral: &Value, instead: &str) -> Result<(), Refusal> {
        let Some(value) = self.take(name) else { return Ok(()) };
        let same_number = value.as_f64().is_some_and(|number| Some(number) == neutral.as_f64());
        if value == *neutral || same_number || is_empty(&value) {
            return Ok(());
        }
        let message = format!("\"{name}\" is not computed by this server. {instead}");
        Err(Refusal::of(name, message).code("unsupported_parameter"))
    }

    /// A field that nobody has taken would silently have no effect.
    pub fn finish(mut self, path: &str) -> Result<(), Refusal> {
        self.0.retain(|name, value| !WITHOUT_EFFECT.contains(&name.as_str()) && !value.is_null());
        let Some((name, _)) = self.0.iter().next() else { return Ok(()) };
        let message = format!(
            "Unrecognized request argument supplied: {name}. {path} does not have it, and an answer \
             without it might not be what was asked for: leave it out."
        );
        Err(Refusal::of(name, message).code("unknown_parameter"))
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        _ => false,
    }
}

/// What stands there and is not what is expected.
pub fn wrong(name: &str, found: &Value, expected: &str) -> Refusal {
    let shown = found.to_string();
    let found = if shown.len() <= 40 { shown } else { kind(found).to_owned() };
    Refusal::of(name, format!("\"{name}\" is {found}; expected is {expected}."))
}

pub fn missing(name: &str, expected: &str) -> Refusal {
    Refusal::of(name, format!("\"{name}\" is missing; expected is {expected}."))
        .code("missing_required_parameter")
}

pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: &Value) -> Fields {
        Fields::read(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_field_of_the_wrong_kind_is_named_with_what_stands_there() {
        let mut all =
            fields(&json!({"n": 2.5, "echo": "yes", "stop": ["a", 1], "temperature": []}));
        let said = all.count("n", (1, 16)).unwrap_err();
        assert_eq!(said.message, "\"n\" is 2.5; expected is a whole number from 1 to 16.");
        assert_eq!(said.param.as_deref(), Some("n"));
        assert!(all.flag("echo").unwrap_err().message.contains("\"yes\""));
        assert!(all.texts("stop", 4).unwrap_err().message.starts_with("\"stop\" is 1;"));
        assert!(all.number("temperature").is_err());
    }

    #[test]
    fn what_has_no_effect_is_let_pass_and_what_nobody_knows_is_refused() {
        let mut all =
            fields(&json!({"user": "ada", "n": null, "logit_bias": {}, "sampling_temperature": 1}));
        assert_eq!(all.refuse("logit_bias", &Value::Null, "Leave it out."), Ok(()));
        let said = all.finish("/v1/completions").unwrap_err();
        assert!(
            said.message
                .starts_with("Unrecognized request argument supplied: sampling_temperature.")
        );
        let mut all = fields(&json!({"frequency_penalty": 0, "presence_penalty": 0.5}));
        assert_eq!(all.refuse("frequency_penalty", &json!(0.0), ""), Ok(()));
        assert!(all.refuse("presence_penalty", &json!(0.0), "").is_err());
    }

    #[test]
    fn a_body_that_is_no_object_is_said_to_be_so() {
        let said = |body: &str| Fields::read(body.as_bytes()).err().unwrap().message;
        assert!(said("{").starts_with("The body of the request is not valid JSON: EOF"));
        assert_eq!(said("[]"), "The body of the request is a list, and a JSON object is expected.");
        assert!(Fields::read(&[0xff, 0xfe]).is_err());
        assert!(Fields::read("[".repeat(4000).as_bytes()).is_err(), "and no stack is used up");
    }
}
