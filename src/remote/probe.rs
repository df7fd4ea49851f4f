//! What a server can do, found out with two dozen small requests; and whether its log-probabilities hold
//! together, since some servers send numbers that only look so.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::ability;
use super::client::{Client, text_of};
use super::error::RemoteError;

/// A text that every model of language has something to say after.
const TEXT: &str = "The capital of France is";

/// So far the same log-probability may differ between two passes: servers compute in 16 bits and in
/// batches.
const NEAR: f64 = 0.1;

/// One of these requests takes so long at most: the server may have to load the model first.
pub const MOST_TIME: Duration = Duration::from_mins(3);

/// An id that is not among the likeliest after any text: of a rare word in every usual vocabulary.
const UNLIKELY_ID: u32 = 300;

/// After it a model likes to say the same once more.
const REPEATING: &str = "one two one two one two one two one two";

/// So many likeliest tokens are asked for: no known server gives more.
const MOST_TOP: usize = 20;

const CANNOT_TELL: &str = "it cannot be told: the answers are the same without it";

/// How exactly the probabilities of given answers can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exactness {
    /// Of any answer: by `/v1/labels`, by the log-probabilities of prompts, or of named tokens.
    Exact,

    /// Only of answers that are among the likeliest tokens.
    TopOnly,

    /// No log-probabilities, or such that contradict each other.
    #[default]
    None,
}

/// One ability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ability {
    /// `prompt log-probabilities`.
    pub name: &'static str,
    pub has: bool,

    /// What was found, or what the server said.
    pub detail: String,
}

/// What was found out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Probe {
    pub address: String,
    pub model: String,

    /// All that it has.
    pub models: Vec<String>,
    pub abilities: Vec<Ability>,
    pub exactness: Exactness,

    /// How many of the likeliest tokens come beside each token of a chat, and of a completion.
    pub chat_top: usize,
    pub top: usize,

    /// What contradicts itself in its answers, a sentence each. Its log-probabilities are not to be
    /// used then.
    pub lies: Vec<String>,
}

impl Probe {
    pub fn has(&self, name: &str) -> bool {
        self.abilities.iter().any(|ability| ability.name == name && ability.has)
    }

    /// What it can be used for, in a sentence.
    pub fn verdict(&self) -> &'static str {
        if !self.lies.is_empty() {
            return "Its log-probabilities contradict each other: do not use them. The answers that it \
                    generates can be used.";
        }
        match self.exactness {
            Exactness::Exact => "It gives the exact probabilities of labels and texts.",
            Exactness::TopOnly => {
                "Approximate: it gives the probabilities of the likeliest tokens only. A label that is \
                 not among them has no probability."
            }
            Exactness::None => {
                "It gives no probabilities: only the answers that it generates can be used."
            }
        }
    }
}

/// Asks the server whatever is needed. `model`: which one; without it, the first that it has.
pub fn probe(client: &Client, model: Option<&str>) -> Result<Probe, RemoteError> {
    let list = client.get("/models")?;
    let all = list["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    let models: Vec<String> =
        all.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect();
    let model = model.map(str::to_owned).or_else(|| models.first().cloned());
    let Some(model) = model else {
        let problem = "it lists no model, and none was named".to_owned();
        return Err(RemoteError::Answer { path: "/models".to_owned(), problem });
    };
    let mut asking = Asking {
        client,
        model: &model,
        abilities: Vec::new(),
        lies: Vec::new(),
        chat_top: 0,
        top: 0,
    };
    asking.chat()?;
    let is_top = asking.completions()?;
    let is_echoed = asking.echo()?;
    let is_named = asking.named_ids()?;
    let is_labels = asking.labels()?;
    asking.embeddings()?;
    asking.schema()?;
    asking.settings()?;
    let Asking { abilities, lies, chat_top, top, .. } = asking;
    let exactness = if !lies.is_empty() {
        Exactness::None
    } else if is_echoed || is_named || is_labels {
        Exactness::Exact
    } else if is_top || chat_top > 0 {
        Exactness::TopOnly
    } else {
        Exactness::None
    };
    let address = client.address().to_owned();
    Ok(Probe { address, model, models, abilities, exactness, chat_top, top, lies })
}

struct Asking<'a> {
    client: &'a Client,
    model: &'a str,
    abilities: Vec<Ability>,
    lies: Vec<String>,
    chat_top: usize,
    top: usize,
}

/// An answer, or what the server said against it.
type Tried = Result<Value, String>;

impl Asking<'_> {
    /// A refusal is an answer; a server that has gone is not.
    fn try_post(&self, path: &str, mut body: Value) -> Result<Tried, RemoteError> {
        body["model"] = self.model.into();
        match self.client.post(path, &body) {
            Ok(value) => Ok(Ok(value)),
            Err(RemoteError::Unreachable { address, reason }) => {
                Err(RemoteError::Unreachable { address, reason })
            }
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    fn tell(&mut self, name: &'static str, found: Result<String, String>) -> bool {
        let has = found.is_ok();
        let detail = found.unwrap_or_else(|why| why);
        self.abilities.push(Ability { name, has, detail });
        has
    }

    fn chat(&mut self) -> Result<(), RemoteError> {
        let messages = json!([{"role": "user", "content": "Say yes or no."}]);
        let plain = json!({"messages": messages, "max_tokens": 4, "temperature": 0});
        let said = self.try_post("/chat/completions", plain.clone())?;
        let found = said.and_then(|said| {
            let text = &said["choices"][0]["message"]["content"];
            let text = text.as_str().ok_or("the answer has no text")?;
            Ok(format!("it answers {text:?}"))
        });
        if !self.tell(ability::CHAT, found) {
            return Ok(());
        }
        let mut streamed = plain.clone();
        streamed["stream"] = true.into();
        streamed["model"] = self.model.into();
        let found = match self.client.post_text("/chat/completions", &streamed) {
            Ok(text) if text.contains("data:") && text.contains("[DONE]") => {
                Ok(format!("{} events", text.matches("data:").count() - 1))
            }
            Ok(_) => Err("the answer is not a stream of events".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        self.tell(ability::STREAMING, found);
        let mut asked = plain;
        asked["logprobs"] = true.into();
        asked["top_logprobs"] = MOST_TOP.into();
        let mut said = self.try_post("/chat/completions", asked.clone())?;
        if said.is_err() {
            asked["top_logprobs"] = 5.into();
            said = self.try_post("/chat/completions", asked)?;
        }
        let mut count = 0;
        let found = said.and_then(|said| {
            let content = said["choices"][0]["logprobs"]["content"].as_array().cloned();
            let content = content.filter(|content| !content.is_empty());
            let content = content.ok_or("the answer has none")?;
            let top = content[0]["top_logprobs"].as_array().cloned().unwrap_or_default();
            let logprobs: Vec<f64> = top.iter().filter_map(|one| one["logprob"].as_f64()).collect();
            self.lies.extend(contradiction(&logprobs));
            count = logprobs.len();
            Ok(format!("{count} likeliest tokens"))
        });
        self.tell(ability::CHAT_LOGPROBS, found);
        self.chat_top = count;
        Ok(())
    }

    /// Whether the likeliest tokens come with their log-probabilities.
    fn completions(&mut self) -> Result<bool, RemoteError> {
        let asked = json!({"prompt": TEXT, "max_tokens": 1, "temperature": 0, "logprobs": 5});
        let said = self.try_post("/completions", asked.clone())?;
        let found = said.as_ref().map_err(Clone::clone).and_then(|said| {
            let text = said["choices"][0]["text"].as_str().ok_or("the answer has no text")?;
            Ok(format!("it continues with {text:?}"))
        });
        if !self.tell(ability::COMPLETIONS, found) {
            return Ok(false);
        }
        let first = said.unwrap_or_default();
        let top = top_of(&first, 0);
        self.lies.extend(contradiction(&top));
        let count = self.most_top(top.len())?;
        self.top = count;
        let found = match count {
            0 => Err("the answer has none".to_owned()),
            count => Ok(format!("{count} likeliest tokens")),
        };
        let has = self.tell(ability::LOGPROBS, found);
        let again = self.try_post("/completions", asked)?;
        let found = match again {
            Ok(again) => {
                let (one, other) = (&first["choices"][0], &again["choices"][0]);
                if one["text"] == other["text"] {
                    Ok("temperature 0 gave the same answer twice".to_owned())
                } else {
                    Err("temperature 0 gave two different answers".to_owned())
                }
            }
            Err(why) => Err(why),
        };
        self.tell("repeatable", found);
        Ok(has)
    }

    /// Whether the log-probabilities of prompts can be had, and are those of answers.
    fn echo(&mut self) -> Result<bool, RemoteError> {
        const NAME: &str = ability::PROMPT_LOGPROBS;

        let one = json!({"prompt": TEXT, "max_tokens": 1, "temperature": 0, "logprobs": 1});
        let Ok(one) = self.try_post("/completions", one)? else {
            return Ok(self.tell(NAME, Err("completions are refused".to_owned())));
        };
        let word = one["choices"][0]["text"].as_str().unwrap_or_default().to_owned();
        let written = one["choices"][0]["logprobs"]["token_logprobs"][0].as_f64();
        let asked = json!({
            "prompt": format!("{TEXT}{word}"), "max_tokens": 1, "temperature": 0, "logprobs": 1,
            "echo": true,
        });
        let said = self.try_post("/completions", asked)?;
        let mut lie = None;
        let found = said.and_then(|said| {
            let list = &said["choices"][0]["logprobs"]["token_logprobs"];
            let list = list.as_array().ok_or("the answer has none")?;
            // The last one is of the token that was written.
            let of_prompt = &list[..list.len().saturating_sub(1)];
            if of_prompt.len() < 3 {
                return Err("only those of the answer come, and not those of the prompt".to_owned());
            }
            if of_prompt.iter().skip(1).any(|value| !value.is_number()) {
                return Err("some of them are missing".to_owned());
            }
            let read = of_prompt.last().and_then(Value::as_f64);
            if let (Some(read), Some(written)) = (read, written)
                && !word.is_empty()
                && (read - written).abs() > NEAR
            {
                lie = Some(format!(
                    "{word:?} after {TEXT:?} has the log-probability {written:.3} where it is written, \
                     and {read:.3} where it stands in the prompt"
                ));
            }
            Ok(format!("{} tokens of a prompt", of_prompt.len()))
        });
        self.lies.extend(lie);
        Ok(self.tell(NAME, found))
    }

    /// vLLM's `logprob_token_ids`: an id that is not among the likeliest has to come back.
    fn named_ids(&mut self) -> Result<bool, RemoteError> {
        let asked = json!({
            "prompt": TEXT, "max_tokens": 1, "temperature": 0, "logprobs": 1,
            "logprob_token_ids": [UNLIKELY_ID], "return_tokens_as_token_ids": true,
        });
        let said = self.try_post("/completions", asked)?;
        let found = said.and_then(|said| {
            let top = said["choices"][0]["logprobs"]["top_logprobs"][0].as_object().cloned();
            let name = format!("token_id:{UNLIKELY_ID}");
            if top.is_some_and(|top| top.contains_key(&name)) {
                Ok("of any token that is named".to_owned())
            } else {
                Err("the token that was named did not come back".to_owned())
            }
        });
        Ok(self.tell(ability::NAMED_LOGPROBS, found))
    }

    /// Our own path.
    fn labels(&mut self) -> Result<bool, RemoteError> {
        let labels = ["Paris", "London"];
        let said = self.try_post("/labels", json!({"prompt": TEXT, "labels": labels}))?;
        let found = said.and_then(|said| {
            let all = said["data"][0]["labels"].as_array().cloned().unwrap_or_default();
            let of = |one: &Value| one["probability"].as_f64();
            let sum: f64 = all.iter().filter_map(of).sum();
            if all.len() == labels.len() && (sum - 1.0).abs() < 1e-6 {
                Ok("exact, at /v1/labels".to_owned())
            } else {
                Err("the answer has no probabilities".to_owned())
            }
        });
        Ok(self.tell(ability::LABELS, found))
    }

    fn embeddings(&mut self) -> Result<(), RemoteError> {
        let said = self.try_post("/embeddings", json!({"input": "A text."}))?;
        let found = said.and_then(|said| {
            let vector = said["data"][0]["embedding"].as_array();
            let count = vector.map_or(0, Vec::len);
            if count == 0 {
                Err("the answer has none".to_owned())
            } else {
                Ok(format!("{count} values"))
            }
        });
        self.tell(ability::VECTORS, found);
        Ok(())
    }

    /// OpenAI's own completions give 5 at most; where there are more, more are asked for.
    fn most_top(&self, few: usize) -> Result<usize, RemoteError> {
        if few < 5 {
            return Ok(few);
        }
        let asked = json!({
            "prompt": TEXT, "max_tokens": 1, "temperature": 0, "logprobs": MOST_TOP,
        });
        let many = self.try_post("/completions", asked)?;
        // The token itself may come beside the likeliest ones.
        Ok(many.map_or(few, |said| top_of(&said, 0).len().min(MOST_TOP)).max(few))
    }

    /// OpenAI's `response_format`.
    fn schema(&mut self) -> Result<(), RemoteError> {
        let schema = json!({
            "type": "object",
            "properties": {"capital": {"type": "string", "enum": ["Paris", "London"]}},
            "required": ["capital"],
            "additionalProperties": false,
        });
        let messages = json!([{"role": "user", "content": "What is the capital of France?"}]);
        let asked = json!({
            "messages": messages, "max_tokens": 60, "temperature": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": schema, "strict": true},
            },
        });
        let said = self.try_post("/chat/completions", asked)?;
        let found = said.and_then(|said| {
            let text = said["choices"][0]["message"]["content"].as_str().unwrap_or_default();
            let read: Value = serde_json::from_str(text).unwrap_or_default();
            let fits = read.as_object().is_some_and(|fields| fields.len() == 1)
                && matches!(read["capital"].as_str(), Some("Paris" | "London"));
            if fits {
                Ok(format!("it answers {text}"))
            } else {
                Err(format!("it answers {text:?}"))
            }
        });
        self.tell(ability::SCHEMA, found);
        Ok(())
    }

    /// What comes in a chat, or after a text, with these settings.
    fn drawn(&self, settings: Value) -> Result<Result<String, String>, RemoteError> {
        let is_chat = self.abilities.iter().any(|it| it.name == ability::CHAT && it.has);
        let mut asked = settings;
        asked["max_tokens"] = 8.into();
        let path = if is_chat {
            asked["messages"] = json!([{"role": "user", "content": REPEATING}]);
            "/chat/completions"
        } else {
            asked["prompt"] = REPEATING.into();
            "/completions"
        };
        Ok(self.try_post(path, asked)?.and_then(|said| {
            let text = text_of(&said["choices"][0]);
            text.map(str::to_owned).ok_or_else(|| "the answer has no text".to_owned())
        }))
    }

    /// Which settings of the sampling it computes: many servers take whatever is sent and compute
    /// nothing of it, so that what they answer is looked at.
    fn settings(&mut self) -> Result<(), RemoteError> {
        let plain = |seed: u64| self.drawn(json!({"temperature": 2, "seed": seed}));
        let (one, again, other) = (plain(1)?, plain(1)?, plain(2)?);
        let found = match (&one, &again) {
            (Ok(one), Ok(again)) if one == again => {
                Ok("the same seed gave the same answer twice".to_owned())
            }
            (Ok(_), Ok(_)) => Err("the same seed gave two different answers".to_owned()),
            (Err(why), _) | (_, Err(why)) => Err(why.clone()),
        };
        self.tell(ability::SEED, found);
        // Each of these leaves one token: whatever the seed is, the answer is the same.
        for (name, value) in [
            (ability::TOP_K, json!(1)),
            (ability::MIN_P, json!(1)),
            (ability::TYPICAL_P, json!(1e-6)),
        ] {
            let with = |seed: u64| self.drawn(json!({"temperature": 2, "seed": seed, name: value}));
            let (first, second) = (with(1)?, with(2)?);
            let found = match (first, second) {
                _ if one == other => Err(CANNOT_TELL.to_owned()),
                (Ok(first), Ok(second)) if first == second => {
                    Ok(format!("{name} = {value} left one answer"))
                }
                (Ok(_), Ok(_)) => Err(format!("{name} = {value} is taken and not computed")),
                (Err(why), _) | (_, Err(why)) => Err(why),
            };
            self.tell(name, found);
        }
        // These change what the likeliest answer is, where that repeats words.
        let likeliest = self.drawn(json!({"temperature": 0}))?;
        for (name, value) in [(ability::REPETITION_PENALTY, json!(50)), (ability::NGRAM, json!(1))]
        {
            let changed = self.drawn(json!({"temperature": 0, name: value}))?;
            let found = match (&likeliest, changed) {
                (Ok(before), Ok(after)) if *before != after => {
                    Ok(format!("{name} changed the likeliest answer"))
                }
                (Ok(_), Ok(_)) => Err(format!("{name} is taken and changed nothing")),
                (Err(why), _) => Err(why.clone()),
                (_, Err(why)) => Err(why),
            };
            self.tell(name, found);
        }
        Ok(())
    }
}

/// The log-probabilities of the likeliest tokens at a place of an answer.
fn top_of(said: &Value, at: usize) -> Vec<f64> {
    let top = said["choices"][0]["logprobs"]["top_logprobs"][at].as_object();
    top.into_iter().flatten().filter_map(|(_, value)| value.as_f64()).collect()
}

/// What cannot be of log-probabilities of one distribution.
fn contradiction(logprobs: &[f64]) -> Option<String> {
    if let Some(high) = logprobs.iter().find(|value| **value > 1e-6) {
        return Some(format!("a log-probability is {high}, which is a probability above 1"));
    }
    let sum: f64 = logprobs.iter().map(|value| value.exp()).sum();
    (sum > 1.01).then(|| {
        format!("the probabilities of {} tokens in one place sum to {sum:.3}", logprobs.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_no_log_probabilities_are_found_out() {
        assert_eq!(contradiction(&[-0.7, -0.7]), None);
        assert!(contradiction(&[0.3]).unwrap().contains("above 1"));
        assert!(contradiction(&[-0.1, -0.1]).unwrap().contains("sum to 1.810"));
        assert_eq!(contradiction(&[]), None);
    }

    #[test]
    fn a_server_that_contradicts_itself_is_exact_in_nothing() {
        let probe = Probe { lies: vec!["x".to_owned()], ..Probe::default() };
        assert!(probe.verdict().contains("do not use them"));
        let honest = Probe { lies: Vec::new(), exactness: Exactness::TopOnly, ..probe };
        assert!(honest.verdict().starts_with("Approximate"));
    }
}
