//! Asks a server with OpenAI's interface.

use std::io::{BufRead as _, BufReader, Read as _};
use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::Value;
use url::{Host, Url};

use super::error::RemoteError;

/// An answer is read up to so many bytes.
const MOST_BYTES: u64 = 64 << 20;

/// So much of what a server says is shown.
const MOST_SHOWN: usize = 300;

/// A line of a stream has so many bytes at most.
const MOST_LINE: u64 = 4 << 20;

/// A clone asks the same server, over the same connections.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,

    /// `http://localhost:8000/v1`, without a slash at its end.
    base: String,
    key: Option<String>,
}

impl Client {
    /// `address`: with or without `/v1` at its end. `time`: for one answer.
    pub fn new(address: &str, key: Option<&str>, time: Duration) -> Result<Self, RemoteError> {
        let (base, url) = parsed(address)?;
        let is_here = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(time))
            .timeout_connect(Some(Duration::from_secs(10)))
            // What is asked, and the key, go to the server that was named and to no other.
            .max_redirects(0)
            .http_status_as_error(false);
        // No proxy leads to this computer itself.
        let config = if is_here { config.proxy(None) } else { config }.build();
        Ok(Self { agent: config.into(), base, key: key.map(str::to_owned) })
    }

    pub fn address(&self) -> &str {
        &self.base
    }

    pub fn get(&self, path: &str) -> Result<Value, RemoteError> {
        let request = self.with_key(self.agent.get(format!("{}{path}", self.base)));
        json_of(path, &self.text(path, request.call())?)
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value, RemoteError> {
        json_of(path, &self.post_text(path, body)?)
    }

    /// The answer as it came, such as a stream of events.
    pub fn post_text(&self, path: &str, body: &Value) -> Result<String, RemoteError> {
        self.text(path, self.send(path, body))
    }

    /// Hands over the events of a stream as they come. `on_event` may end it.
    pub fn stream(
        &self,
        path: &str,
        body: &Value,
        on_event: &mut dyn FnMut(Value) -> ControlFlow<()>,
    ) -> Result<(), RemoteError> {
        let response = self.good(path, self.send(path, body))?;
        let mut reader = BufReader::new(response.into_body().into_reader());
        let cut = || RemoteError::Cut { path: path.to_owned() };
        let mut is_complete = false;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.by_ref().take(MOST_LINE).read_until(b'\n', &mut line);
            let count = match read {
                // What comes after the end of the answer is not missed.
                Err(_) if is_complete => return Ok(()),
                read => read.map_err(|_why| cut())?,
            };
            if count == 0 {
                return if is_complete { Ok(()) } else { Err(cut()) };
            }
            let text = String::from_utf8_lossy(&line);
            let Some(data) = text.trim().strip_prefix("data:").map(str::trim) else { continue };
            if data == "[DONE]" {
                return Ok(());
            }
            let event = json_of(path, data)?;
            if let Some(problem) = told_error(&event) {
                return Err(RemoteError::Answer { path: path.to_owned(), problem });
            }
            is_complete |= event["choices"][0]["finish_reason"].is_string();
            if on_event(event).is_break() {
                return Ok(());
            }
        }
    }

    fn send(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let request = self.with_key(self.agent.post(format!("{}{path}", self.base)));
        request.header("Content-Type", "application/json").send(body.to_string())
    }

    fn with_key<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.key {
            Some(key) => request.header("Authorization", format!("Bearer {key}")),
            None => request,
        }
    }

    fn text(
        &self,
        path: &str,
        answered: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<String, RemoteError> {
        self.read(&mut self.good(path, answered)?)
    }

    fn read(&self, response: &mut ureq::http::Response<ureq::Body>) -> Result<String, RemoteError> {
        let read = response.body_mut().with_config().limit(MOST_BYTES).lossy_utf8(true);
        read.read_to_string().map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &ureq::Error) -> RemoteError {
        RemoteError::Unreachable { address: self.base.clone(), reason: error.to_string() }
    }

    /// A response that is not read yet, unless it is a refusal.
    fn good(
        &self,
        path: &str,
        answered: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<ureq::http::Response<ureq::Body>, RemoteError> {
        let mut response = answered.map_err(|error| self.unreachable(&error))?;
        let status = response.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(response);
        }
        let wait = response.headers().get("Retry-After").and_then(|value| value.to_str().ok());
        let wait = wait.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        // A refusal says the same without its words.
        let text = self.read(&mut response).unwrap_or_default();
        let told = serde_json::from_str::<Value>(&text).unwrap_or_default();
        let message = told_error(&told).or_else(|| told["message"].as_str().map(str::to_owned));
        let message = shown(&message.unwrap_or(text));
        Err(RemoteError::Refused { path: path.to_owned(), status, message, wait })
    }
}

/// An address as requests begin with it: `localhost:8000` is `http://localhost:8000/v1`.
pub fn base_of(address: &str) -> Result<String, RemoteError> {
    Ok(parsed(address)?.0)
}

fn parsed(address: &str) -> Result<(String, Url), RemoteError> {
    let refuse = || RemoteError::Address { address: address.to_owned() };
    let text = address.trim();
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&text).map_err(|_why| refuse())?;
    let text = text.trim_end_matches('/').to_owned();
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(refuse());
    }
    let lacks_path = url.path().trim_matches('/').is_empty();
    let base = if lacks_path { format!("{text}/v1") } else { text };
    Ok((base, url))
}

/// What a body says went wrong, if it says so.
fn told_error(told: &Value) -> Option<String> {
    let error = &told["error"];
    let message = error["message"].as_str().or_else(|| error.as_str());
    message.map(shown)
}

/// The text of a choice, of a chat or of a completion.
pub fn text_of(choice: &Value) -> Option<&str> {
    choice["message"]["content"].as_str().or_else(|| choice["text"].as_str())
}

fn json_of(path: &str, text: &str) -> Result<Value, RemoteError> {
    serde_json::from_str(text).map_err(|_why| RemoteError::Answer {
        path: path.to_owned(),
        problem: format!("no JSON, but {:?}", shown(text)),
    })
}

/// The beginning of what a server says, on one line.
fn shown(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(address: &str) -> Option<String> {
        let client = Client::new(address, None, Duration::from_secs(1));
        client.ok().map(|client| client.address().to_owned())
    }

    #[test]
    fn an_address_may_lack_what_everybody_forgets() {
        let expected = Some("http://localhost:8000/v1".to_owned());
        for address in [
            "localhost:8000",
            "http://localhost:8000",
            "http://localhost:8000/v1/",
            " localhost:8000/v1",
        ] {
            assert_eq!(base(address), expected, "{address}");
        }
        assert_eq!(base("https://a.example/api/v3").as_deref(), Some("https://a.example/api/v3"));
        for address in ["", "file:///etc/passwd", "http://", "ftp://a.example"] {
            assert_eq!(base(address), None, "{address}");
        }
    }

    #[test]
    fn a_server_that_is_not_there_is_said_to_be_so() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        drop(taken);
        let client = Client::new(&address, None, Duration::from_secs(5)).unwrap();
        let said = client.get("/models").unwrap_err().to_string();
        assert!(said.starts_with(&format!("http://{address}/v1 cannot be reached")), "{said}");
    }
}
