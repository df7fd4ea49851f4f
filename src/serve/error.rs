//! Why a request is not answered, in OpenAI's form and in a person's words.

use serde_json::{Value, json};

use crate::encoder;
use crate::errors;
use crate::llm;

/// Whoever asked is told so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub message: String,

    /// The part of the request that it is about.
    pub param: Option<String>,

    /// OpenAI's word for it, where it has one.
    pub code: Option<&'static str>,
}

impl Refusal {
    /// The request asks for something that cannot be.
    pub fn of(param: &str, message: impl Into<String>) -> Self {
        Self { param: Some(param.to_owned()), ..Self::with(400, message) }
    }

    pub fn with(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code: None }
    }

    #[must_use]
    pub fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    pub fn stopping() -> Self {
        Self::with(503, "The server is being stopped. Start it again, then send the request again.")
    }

    /// Our own fault.
    pub fn crashed() -> Self {
        let message = "The server failed at this request, which is a mistake in the program and not \
                       yours. It continues to answer others; please report the request.";
        Self::with(500, message)
    }

    pub fn json(&self) -> Value {
        let kind = match self.status {
            401 | 403 => "authentication_error",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        let Self { message, param, code, .. } = self;
        let error = json!({"message": message, "type": kind, "param": param, "code": code});
        // Clients of decision models look for the sentence outside of it.
        json!({"error": error, "detail": message})
    }
}

/// A sentence as it is read by itself.
fn sentence(error: &dyn std::error::Error) -> String {
    let text = errors::one_line(error);
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

impl From<llm::Error> for Refusal {
    fn from(error: llm::Error) -> Self {
        let text = sentence(&error);
        match error {
            llm::Error::ContextFull { .. } => {
                let text = format!("{text} Send a shorter prompt.");
                Self::with(400, text).code("context_length_exceeded")
            }
            llm::Error::NoTokens => {
                Self::of("prompt", "The prompt has no tokens. Send a text, or a list of token ids.")
            }
            llm::Error::TokenOutOfRange { .. } => Self::of("prompt", text),
            llm::Error::NoChatTemplate => {
                let text = "This model has no chat template. Ask it at /v1/completions, with the \
                            whole text as \"prompt\".";
                Self::of("messages", text)
            }
            llm::Error::Chat(_) => Self::of("messages", text),
            llm::Error::Tokenizer(_) | llm::Error::Sampling(_) => Self::with(400, text),
            llm::Error::OutOfMemory { .. } => Self::with(503, text),
            llm::Error::Cancelled(_) => Self::stopping(),
            _ => Self::with(500, text),
        }
    }
}

impl From<encoder::Error> for Refusal {
    fn from(error: encoder::Error) -> Self {
        let text = sentence(&error);
        match error {
            encoder::Error::Tokenizer(_)
            | encoder::Error::TooLong { .. }
            | encoder::Error::NoTokens => Self::of("input", text),
            encoder::Error::Cancelled(_) => Self::stopping(),
            _ => Self::with(500, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_says_becomes_a_sentence_with_what_to_do() {
        let refusal = Refusal::from(llm::Error::ContextFull { needed: 300, context: 256 });
        assert_eq!((refusal.status, refusal.code), (400, Some("context_length_exceeded")));
        assert_eq!(
            refusal.message,
            "300 tokens do not fit: the model's context is 256 tokens. Send a shorter prompt."
        );
        let told = refusal.json();
        assert_eq!(told["error"]["type"], "invalid_request_error");
        assert_eq!(told["error"]["param"], Value::Null);
        assert_eq!(told["detail"], told["error"]["message"]);
    }
}
