//! What a request asks for, once its fields are read and before anything is computed.

use serde_json::Value;

use super::error::Refusal;
use super::fields::{Fields, kind, missing, wrong};
use super::likelihoods::Top;
use super::questions::Decisions;
use super::sampled::{MOST_TOP, Sampled};
use super::served::Served;
use crate::data::forms::Beside;
use crate::data::pair::Message;
use crate::llm::generate::AdapterMode;

pub const COMPLETIONS: &str = "/v1/completions";
pub const CHAT: &str = "/v1/chat/completions";
pub const EMBEDDINGS: &str = "/v1/embeddings";
pub const LABELS: &str = "/v1/labels";
pub const DECISIONS: &str = "/v1/systemone";
pub const DECISIONS_BATCH: &str = "/v1/systemone/batch";

/// Where something is computed.
pub const COMPUTED: [&str; 6] = [COMPLETIONS, CHAT, EMBEDDINGS, LABELS, DECISIONS, DECISIONS_BATCH];

/// OpenAI's own default of `max_tokens` in completions.
const USUAL_TOKENS: usize = 16;

/// Prompts, texts and labels of one request, at most.
const MOST_PROMPTS: usize = 4096;
const MOST_LABELS: usize = 1000;
const MOST_NAMED: usize = 1000;

#[derive(Clone, Debug)]
pub enum Asked {
    Completion(Completion),
    Chat(Chat),
    Vectors(Vectors),
    Labels(Labels),
    Decisions(Decisions),
}

#[derive(Clone, Debug)]
pub struct Completion {
    pub adapter: AdapterMode,
    pub prompts: Vec<PromptText>,
    pub sampled: Sampled,
    pub max_tokens: usize,

    /// The prompt comes with the answer.
    pub echoes: bool,

    /// What comes beside each token. `None`: no log-probabilities.
    pub top: Option<Top>,

    /// A text gets the special tokens that the tokenizer puts around it.
    pub adds_special: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromptText {
    Text(String),
    Ids(Vec<u32>),
}

#[derive(Clone, Debug)]
pub struct Chat {
    pub adapter: AdapterMode,
    pub messages: Vec<Message>,

    /// What else the template is told.
    pub beside: Beside,
    pub sampled: Sampled,

    /// `None`: as many as the context has room for.
    pub max_tokens: Option<usize>,
    pub top: Option<Top>,
}

#[derive(Clone, Debug)]
pub struct Vectors {
    pub adapter: AdapterMode,
    pub texts: Vec<String>,

    /// Before each text. `None`: the encoder's own default prompt.
    pub prefix: Option<String>,
    pub as_base64: bool,
    pub dimensions: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Labels {
    pub adapter: AdapterMode,
    pub prompts: Vec<String>,
    pub labels: Vec<String>,
}

impl Asked {
    /// What stands in a body that was sent to `path`.
    pub fn read(path: &str, body: &[u8], served: &Served) -> Result<Self, Refusal> {
        let mut fields = Fields::read(body)?;
        let adapter = served.mode(fields.text("model")?.as_deref())?;
        let asked = match path {
            COMPLETIONS => {
                let writer = served.writer()?;
                let asked = Completion::read(adapter, &mut fields)?;
                writer.knows(asked.top.as_ref().map_or(&[], |top| &top.named))?;
                Self::Completion(asked)
            }
            CHAT => {
                let writer = served.writer()?;
                let asked = Chat::read(adapter, &mut fields)?;
                writer.knows(asked.top.as_ref().map_or(&[], |top| &top.named))?;
                Self::Chat(asked)
            }
            EMBEDDINGS => {
                served.vectors(adapter)?;
                Self::Vectors(Vectors::read(adapter, &mut fields)?)
            }
            DECISIONS | DECISIONS_BATCH => {
                served.writer()?;
                let is_batch = path == DECISIONS_BATCH;
                Self::Decisions(Decisions::read(adapter, &mut fields, is_batch)?)
            }
            _ => {
                served.writer()?;
                Self::Labels(Labels::read(adapter, &mut fields)?)
            }
        };
        fields.finish(path)?;
        Ok(asked)
    }
}

impl Completion {
    fn read(adapter: AdapterMode, fields: &mut Fields) -> Result<Self, Refusal> {
        let sampled = Sampled::read(fields)?;
        let expected = "text, a list of texts, a list of token ids, or a list of such lists";
        let prompt = fields.take("prompt").ok_or_else(|| missing("prompt", expected))?;
        let prompts = prompts(prompt, expected)?;
        let max_tokens = fields.count("max_tokens", (0, u64::from(u32::MAX)))?;
        let best_of = fields.count("best_of", (1, 1024))?;
        if best_of.is_some_and(|count| count != sampled.choices) {
            let message = "\"best_of\" is not computed by this server. Leave it out, and choose \
                           among the \"n\" answers.";
            return Err(Refusal::of("best_of", message).code("unsupported_parameter"));
        }
        fields.refuse("suffix", &Value::from(""), "Leave it out.")?;
        Ok(Self {
            adapter,
            prompts,
            sampled,
            max_tokens: max_tokens.unwrap_or(USUAL_TOKENS),
            echoes: fields.flag("echo")?.unwrap_or(false),
            top: top(fields.count("logprobs", (0, MOST_TOP))?, fields)?,
            adds_special: fields.flag("add_special_tokens")?.unwrap_or(true),
        })
    }
}

/// vLLM's `logprob_token_ids` names tokens whose log-probabilities come too.
fn top(count: Option<usize>, fields: &mut Fields) -> Result<Option<Top>, Refusal> {
    const NAME: &str = "logprob_token_ids";

    let expected = "a list of token ids";
    let named = match fields.take(NAME) {
        None => Vec::new(),
        Some(Value::Array(all)) if all.len() <= MOST_NAMED => {
            all.iter().map(|value| token_id(NAME, value, expected)).collect::<Result<_, _>>()?
        }
        Some(other) => {
            return Err(wrong(NAME, &other, &format!("{expected}, {MOST_NAMED} at most")));
        }
    };
    if count.is_none() && !named.is_empty() {
        return Err(Refusal::of(NAME, format!("\"{NAME}\" needs \"logprobs\".")));
    }
    Ok(count.map(|count| Top { count, named }))
}

fn token_id(name: &str, value: &Value, expected: &str) -> Result<u32, Refusal> {
    let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| wrong(name, value, expected))
}

/// A prompt, or several of one kind.
fn prompts(value: Value, expected: &str) -> Result<Vec<PromptText>, Refusal> {
    let refuse = |found: &Value| wrong("prompt", found, expected);
    let id = |value: &Value| token_id("prompt", value, "whole numbers as token ids");
    let all = match value {
        Value::String(text) => return Ok(vec![PromptText::Text(text)]),
        Value::Array(all) if !all.is_empty() => all,
        other => return Err(refuse(&other)),
    };
    if all.iter().all(Value::is_number) {
        let ids = all.iter().map(id).collect::<Result<_, _>>()?;
        return Ok(vec![PromptText::Ids(ids)]);
    }
    if all.len() > MOST_PROMPTS {
        let message = format!(
            "There are {} prompts, and {MOST_PROMPTS} are the most of a request. Send several \
             requests.",
            all.len()
        );
        return Err(Refusal::of("prompt", message));
    }
    let is_text = all.iter().all(Value::is_string);
    let one = |value: Value| match value {
        Value::String(text) if is_text => Ok(PromptText::Text(text)),
        Value::Array(ids) if !ids.is_empty() => {
            Ok(PromptText::Ids(ids.iter().map(id).collect::<Result<_, _>>()?))
        }
        other => Err(refuse(&other)),
    };
    all.into_iter().map(one).collect()
}

impl Chat {
    fn read(adapter: AdapterMode, fields: &mut Fields) -> Result<Self, Refusal> {
        let sampled = Sampled::read(fields)?;
        let messages = messages(fields)?;
        let most = (1, u64::from(u32::MAX));
        let (new, old) =
            (fields.count("max_completion_tokens", most)?, fields.count("max_tokens", most)?);
        let wants_top = fields.flag("logprobs")?.unwrap_or(false);
        let top = fields.count("top_logprobs", (0, MOST_TOP))?;
        if top.is_some_and(|top| top > 0) && !wants_top {
            let message = "\"top_logprobs\" needs \"logprobs\": true.";
            return Err(Refusal::of("top_logprobs", message));
        }
        let without = "This server does not read calls of tools out of answers. Leave it out.";
        fields.refuse("tools", &Value::Null, without)?;
        fields.refuse("functions", &Value::Null, without)?;
        fields.refuse("tool_choice", &Value::from("none"), without)?;
        if let Some(format) = fields.take("response_format")
            && format.get("type").and_then(Value::as_str) != Some("text")
        {
            let message = "\"response_format\" other than text is not computed by this server. Ask \
                           for the form in the prompt; Evaluate reads fields out of texts with a \
                           schema.";
            return Err(Refusal::of("response_format", message).code("unsupported_parameter"));
        }
        let kwargs = match fields.take("chat_template_kwargs") {
            None => Beside::default().kwargs,
            Some(Value::Object(named)) => named,
            Some(other) => return Err(wrong("chat_template_kwargs", &other, "an object")),
        };
        Ok(Self {
            adapter,
            messages,
            beside: Beside { kwargs, ..Beside::default() },
            sampled,
            max_tokens: new.or(old),
            top: self::top(wants_top.then(|| top.unwrap_or(0)), fields)?,
        })
    }
}

fn messages(fields: &mut Fields) -> Result<Vec<Message>, Refusal> {
    let expected = "a list of messages, each with \"role\" and \"content\"";
    let all = match fields.take("messages") {
        None => return Err(missing("messages", expected)),
        Some(Value::Array(all)) if !all.is_empty() => all,
        Some(other) => return Err(wrong("messages", &other, expected)),
    };
    let one = |(at, value): (usize, Value)| {
        let Value::Object(mut message) = value else {
            let message =
                format!("Message {} is {}, and an object is expected.", at + 1, kind(&value));
            return Err(Refusal::of("messages", message));
        };
        // OpenAI's newer name for it, which templates do not know.
        if message.get("role").and_then(Value::as_str) == Some("developer") {
            message.insert("role".to_owned(), "system".into());
        }
        let has_other_parts = message.get("content").and_then(Value::as_array).is_some_and(|all| {
            let is_text = |part: &Value| part.is_string() || part["type"] == "text";
            !all.iter().all(is_text)
        });
        if has_other_parts {
            let message = format!(
                "Message {} has a part that is not text, such as an image, and the model reads text \
                 alone.",
                at + 1
            );
            return Err(Refusal::of("messages", message));
        }
        // One text is what every template reads.
        let read = Message::from_fields(message).map(|message| message.with_joined_parts());
        read.map_err(|problem| Refusal::of("messages", format!("Message {} {problem}.", at + 1)))
    };
    all.into_iter().enumerate().map(one).collect()
}

impl Vectors {
    fn read(adapter: AdapterMode, fields: &mut Fields) -> Result<Self, Refusal> {
        let expected = "text, or a list of texts";
        let input = fields.take("input").ok_or_else(|| missing("input", expected))?;
        let texts = match input {
            Value::String(text) => vec![text],
            Value::Array(all) if !all.is_empty() && all.len() <= MOST_PROMPTS => {
                let text = |value| match value {
                    Value::String(text) => Ok(text),
                    Value::Number(_) | Value::Array(_) => {
                        let message = "\"input\" has token ids, and texts are expected: this server \
                                       cuts them into tokens itself.";
                        Err(Refusal::of("input", message))
                    }
                    other => Err(wrong("input", &other, expected)),
                };
                all.into_iter().map(text).collect::<Result<_, _>>()?
            }
            other => {
                return Err(wrong("input", &other, &format!("{expected} (1 to {MOST_PROMPTS})")));
            }
        };
        let as_base64 = match fields.text("encoding_format")?.as_deref() {
            None | Some("float") => false,
            Some("base64") => true,
            Some(other) => {
                return Err(wrong("encoding_format", &other.into(), "\"float\" or \"base64\""));
            }
        };
        let dimensions = fields.count("dimensions", (1, 1 << 20))?;
        let prefix = fields.text("prefix")?;
        Ok(Self { adapter, texts, prefix, as_base64, dimensions })
    }
}

impl Labels {
    fn read(adapter: AdapterMode, fields: &mut Fields) -> Result<Self, Refusal> {
        let prompts = fields.texts("prompt", MOST_PROMPTS)?;
        if prompts.is_empty() {
            return Err(missing("prompt", "text, or a list of texts"));
        }
        let labels = fields.texts("labels", MOST_LABELS)?;
        let distinct: std::collections::BTreeSet<&str> =
            labels.iter().map(|label| label.trim()).collect();
        if labels.len() < 2 || distinct.len() < labels.len() || distinct.contains("") {
            let message = "\"labels\" has to be a list of two labels or more, each of them once and \
                           none of them empty.";
            return Err(Refusal::of("labels", message));
        }
        Ok(Self { adapter, prompts, labels })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn completion(value: &Value) -> Result<Completion, Refusal> {
        let mut fields = Fields::read(value.to_string().as_bytes()).unwrap();
        let read = Completion::read(AdapterMode::Off, &mut fields)?;
        fields.finish(COMPLETIONS)?;
        Ok(read)
    }

    fn chat(value: &Value) -> Result<Chat, Refusal> {
        let mut fields = Fields::read(value.to_string().as_bytes()).unwrap();
        let read = Chat::read(AdapterMode::Off, &mut fields)?;
        fields.finish(CHAT)?;
        Ok(read)
    }

    #[test]
    fn a_prompt_is_text_or_ids_or_several_of_them() {
        let prompts = |value: Value| completion(&json!({"prompt": value})).map(|it| it.prompts);
        let text = |text: &str| PromptText::Text(text.to_owned());
        assert_eq!(prompts(json!("a")).unwrap(), [text("a")]);
        assert_eq!(prompts(json!(["a", "b"])).unwrap(), [text("a"), text("b")]);
        assert_eq!(prompts(json!([1, 2])).unwrap(), [PromptText::Ids(vec![1, 2])]);
        let two = [PromptText::Ids(vec![1]), PromptText::Ids(vec![2, 3])];
        assert_eq!(prompts(json!([[1], [2, 3]])).unwrap(), two);
        for other in [json!([]), json!([[]]), json!(["a", [1]]), json!([-1]), json!({"a": 1})] {
            assert!(prompts(other.clone()).is_err(), "{other}");
        }
        let said = completion(&json!({})).unwrap_err();
        assert_eq!(said.code, Some("missing_required_parameter"));
    }

    #[test]
    fn what_lm_evaluation_harness_sends_is_understood() {
        let sent = json!({
            "model": null, "prompt": [[1, 2, 3]], "temperature": 0, "max_tokens": 1,
            "logprobs": 1, "seed": 1234, "echo": true,
        });
        let read = completion(&sent).unwrap();
        assert!(read.echoes && read.sampled.sampling.is_greedy());
        assert_eq!((read.max_tokens, read.top.unwrap().count, read.sampled.seed), (1, 1, 1234));
    }

    #[test]
    fn messages_are_texts_in_roles() {
        let read = chat(&json!({"messages": [
            {"role": "developer", "content": "Be short."},
            {"role": "user", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": " two"}]},
        ], "max_completion_tokens": 5, "logprobs": true, "user": "ada"}))
        .unwrap();
        assert_eq!(read.messages[0], Message::new("system", "Be short."));
        assert_eq!(read.messages[1].content, "One two");
        assert_eq!((read.max_tokens, read.top), (Some(5), Some(Top::default())));
        let said = |value: &Value| chat(value).unwrap_err().message;
        assert!(
            said(&json!({"messages": [{"content": "a"}]})).starts_with("Message 1 has no text")
        );
        let image = json!([{"type": "image_url", "image_url": {"url": "a"}}]);
        let said_of_image = said(&json!({"messages": [{"role": "user", "content": image}]}));
        assert!(said_of_image.contains("a part that is not text"), "{said_of_image}");
        let hello = json!([{"role": "user", "content": "a"}]);
        let tools = json!([{"type": "function"}]);
        assert!(said(&json!({"messages": hello, "tools": tools})).contains("calls of tools"));
        assert!(chat(&json!({"messages": hello, "tools": [], "tool_choice": "none"})).is_ok());
        let format = json!({"type": "json_object"});
        assert!(
            said(&json!({"messages": hello, "response_format": format})).contains("other than")
        );
        assert!(said(&json!({"messages": hello, "top_logprobs": 3})).contains("needs"));
    }
}
