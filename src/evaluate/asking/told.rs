//! What a server's answers say: the log-probability of an option after a prompt, which option was
//! written, the fields of a JSON object.

use serde_json::{Map, Value};

use crate::evaluate::task::schema::Schema;

/// The log-probability of what a prompt ends with, and of how many tokens that is the sum, in an answer
/// to a request with `echo` and `max_tokens` 1.
///
/// `ending`: so many letters. Where a token holds letters from before it, that token is counted whole:
/// then the third value is false.
pub fn echoed(said: &Value, ending: usize) -> Option<(f64, usize, bool)> {
    let echo = Echo::of(said)?;
    let (mut sum, mut letters, mut at) = (0.0, 0, echo.count);
    while letters < ending {
        at = at.checked_sub(1)?;
        letters += echo.length(at);
        sum += echo.values.get(at)?.as_f64()?;
    }
    Some((sum, echo.count - at, letters == ending))
}

/// The tokens of an answer that begins with its prompt.
struct Echo<'a> {
    tokens: &'a [Value],
    values: &'a [Value],
    offsets: &'a [Value],

    /// Those of the prompt.
    count: usize,
}

impl<'a> Echo<'a> {
    fn of(said: &'a Value) -> Option<Self> {
        let logprobs = &said["choices"][0]["logprobs"];
        let tokens = logprobs["tokens"].as_array()?;
        let values = logprobs["token_logprobs"].as_array()?;
        let offsets = logprobs["text_offset"].as_array().map(Vec::as_slice).unwrap_or_default();
        let count = said["usage"]["prompt_tokens"].as_u64().map(|count| count as usize);
        // The last one is of the token that was written.
        let count =
            count.filter(|count| *count <= tokens.len()).unwrap_or(tokens.len().checked_sub(1)?);
        Some(Self { tokens, values, offsets, count })
    }

    /// A token is as long as the way to where the next one begins; a part of a letter has no length.
    fn length(&self, at: usize) -> usize {
        let offset = |at: usize| self.offsets.get(at).and_then(Value::as_u64);
        match (offset(at), offset(at + 1)) {
            (Some(here), Some(next)) if next >= here => (next - here) as usize,
            _ => self.tokens[at].as_str().map_or(0, |text| text.chars().count()),
        }
    }
}

/// What an echoed prompt says of the text that it ends with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EchoedText {
    pub logprob: f64,

    /// Its tokens with a log-probability; one that holds letters from before it too is among them.
    pub tokens: usize,

    /// Letters of the first token of all, which has none.
    pub unscored: usize,
}

/// The log-probability of the text that a prompt ends with, of so many letters.
pub fn echoed_text(said: &Value, letters: usize) -> Option<EchoedText> {
    let echo = Echo::of(said)?;
    let mut found = EchoedText { logprob: 0.0, tokens: 0, unscored: 0 };
    let (mut seen, mut at) = (0, echo.count);
    while seen < letters && at > 0 {
        at -= 1;
        seen += echo.length(at);
        match echo.values.get(at)? {
            Value::Null if at == 0 => found.unscored = echo.length(at),
            value => {
                found.logprob += value.as_f64()?;
                found.tokens += 1;
            }
        }
    }
    Some(found)
}

/// Which of the options was written. A model may write more than it was asked for.
pub fn written_place(reply: &str, answers: &[String]) -> Option<usize> {
    let said = plain(without_thinking(reply));
    let answers: Vec<String> = answers.iter().map(|answer| plain(answer)).collect();
    if let Some(place) = answers.iter().position(|answer| *answer == said) {
        return Some(place);
    }
    // The longest one that it begins with: `agree` and `agree a lot`.
    let begins = |answer: &&String| {
        let rest = said.strip_prefix(answer.as_str());
        !answer.is_empty() && rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    if let Some(longest) = answers.iter().filter(begins).max_by_key(|answer| answer.len()) {
        return answers.iter().position(|answer| answer == longest);
    }
    // The only one that it names; letters alone are words of English, too.
    let is_named = |answer: &String| {
        answer.chars().count() > 1
            && said.match_indices(answer.as_str()).any(|(at, found)| {
                let before = said[..at].chars().next_back();
                let after = said[at + found.len()..].chars().next();
                ![before, after].into_iter().flatten().any(char::is_alphanumeric)
            })
    };
    let mut named = answers.iter().enumerate().filter(|(_, answer)| is_named(answer));
    match (named.next(), named.next()) {
        (Some((place, _)), None) => Some(place),
        _ => None,
    }
}

/// What comes after the model's reasoning.
fn without_thinking(reply: &str) -> &str {
    reply.rsplit("</think>").next().unwrap_or(reply)
}

/// In small letters, without marks around it.
fn plain(text: &str) -> String {
    text.trim_matches(|letter: char| !letter.is_alphanumeric()).to_lowercase()
}

/// The fields of an answer, in the order of the schema, or what is wrong with it.
pub fn fields(reply: &str, schema: &Schema) -> Result<Map<String, Value>, String> {
    let reply = without_thinking(reply);
    // Often there is a fence of Markdown around it.
    let object = reply.find('{').zip(reply.rfind('}')).and_then(|(from, to)| reply.get(from..=to));
    let object = object.ok_or("it is not a JSON object")?;
    let mut found: Map<String, Value> =
        serde_json::from_str(object).map_err(|err| format!("it is not JSON: {err}"))?;
    let required = schema.json["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut fields = Map::new();
    for name in &schema.columns {
        match found.shift_remove(name) {
            Some(value) => {
                let of = &schema.json["properties"][name];
                if !fits(&value, of) {
                    return Err(format!(
                        "the field “{name}” is {value}, which does not fit the schema"
                    ));
                }
                fields.insert(name.clone(), value);
            }
            None if required.iter().any(|needed| needed.as_str() == Some(name)) => {
                return Err(format!("it lacks the field “{name}”"));
            }
            None => {}
        }
    }
    match found.keys().next() {
        Some(other) => Err(format!("it has a field “{other}”, which the schema does not have")),
        None => Ok(fields),
    }
}

/// Whether a value has the type and is one of the values that a schema allows.
fn fits(value: &Value, schema: &Value) -> bool {
    if let Some(allowed) = schema["enum"].as_array() {
        return allowed.contains(value);
    }
    let is_of = |kind: &str| match kind {
        "string" => value.is_string(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value
            .as_array()
            .is_some_and(|items| items.iter().all(|item| fits(item, &schema["items"]))),
        "object" => value.is_object(),
        _ => true,
    };
    match &schema["type"] {
        Value::String(kind) => is_of(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(is_of),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_option_is_summed_from_its_end_whatever_stands_before_the_prompt() {
        // `<s>` stands before the text, as vLLM has it, and one token was written after it.
        let said = json!({"usage": {"prompt_tokens": 5}, "choices": [{"logprobs": {
            "tokens": ["<s>", "Say", ":", " ye", "s", "!"],
            "token_logprobs": [null, -3.0, -2.0, -0.5, -0.25, -9.0],
            "text_offset": [0, 3, 6, 7, 10, 11]}}]});
        assert_eq!(echoed(&said, 4), Some((-0.75, 2, true)));
        // The border melts into a token: it is said.
        assert_eq!(echoed(&said, 2), Some((-0.75, 2, false)));
        assert_eq!(echoed(&said, 40), None, "the first token has no log-probability");
        let mut without = said.clone();
        without["usage"] = json!(null);
        without["choices"][0]["logprobs"]["text_offset"] = json!(null);
        assert_eq!(echoed(&without, 4), Some((-0.75, 2, true)));
        assert_eq!(echoed(&json!({"choices": []}), 1), None);
        // Of a text: the border counts with it, and the first token of all has no number.
        let of = |said: &Value, letters| {
            let found = echoed_text(said, letters).unwrap();
            (found.logprob, found.tokens, found.unscored)
        };
        assert_eq!(of(&said, 3), (-0.75, 2, 0));
        assert_eq!(of(&said, 8), (-5.75, 4, 0));
        let mut bare = said.clone();
        bare["choices"][0]["logprobs"]["token_logprobs"][1] = json!(null);
        let logprobs = bare["choices"][0]["logprobs"].as_object_mut().unwrap();
        for list in logprobs.values_mut() {
            list.as_array_mut().unwrap().remove(0);
        }
        bare["usage"]["prompt_tokens"] = json!(4);
        assert_eq!(of(&bare, 8), (-2.75, 3, 3));
    }

    #[test]
    fn the_option_that_was_written_is_found_and_two_are_none() {
        let texts = ["agree", "agree a lot", "method"].map(str::to_owned);
        let letters = ["A", "B"].map(str::to_owned);
        let place = |reply: &str| written_place(reply, &texts);
        assert_eq!(place(" Agree a lot."), Some(1));
        assert_eq!(place("**agree**, because it is so"), Some(0));
        assert_eq!(place("The label is “Method”."), Some(2));
        assert_eq!(place("methods"), None);
        assert_eq!(place("either method or agree"), None);
        assert_eq!(place("<think>agree? no</think>\n\nmethod"), Some(2));
        assert_eq!(written_place("B. Method", &letters), Some(1));
        assert_eq!(written_place("A", &letters), Some(0));
        assert_eq!(written_place("It is a result", &letters), None);
    }

    #[test]
    fn fields_are_read_out_of_a_fence_and_one_that_does_not_fit_is_named() {
        let schema = json!({"type": "object", "properties": {
            "year": {"type": ["integer", "null"]}, "kind": {"enum": ["a", "b"]}},
            "required": ["year", "kind"]});
        let schema = Schema::of_json(&schema, &[]).unwrap();
        let read = |reply: &str| fields(reply, &schema);
        let good = read("```json\n{\"kind\": \"a\", \"year\": 2026}\n```").unwrap();
        assert_eq!(good.keys().collect::<Vec<_>>(), ["year", "kind"]);
        for (reply, problem) in [
            ("no", "not a JSON object"),
            ("{\"year\": }", "not JSON"),
            ("{\"year\": 1}", "lacks the field “kind”"),
            ("{\"year\": 1, \"kind\": \"c\"}", "“kind” is \"c\""),
            ("{\"year\": 1.5, \"kind\": \"a\"}", "“year” is 1.5"),
            ("{\"year\": null, \"kind\": \"a\", \"more\": 1}", "“more”"),
        ] {
            let said = read(reply).unwrap_err();
            assert!(said.contains(problem), "{reply}: {said}");
        }
    }
}
