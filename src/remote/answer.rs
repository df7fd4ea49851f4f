//! Answers of a server, as the loaded model gives them: lane after lane, token after token.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::ability;
use super::error::RemoteError;
use super::lacking;
use super::patience::{LOOK_EVERY, Patience, again};
use super::probe::Probe;
use super::server::Server;
use crate::jobs::{self, Job, JobEnd, Progress};
use crate::llm::generate::guessing::Guesses;
use crate::llm::generate::{
    Answer, GenerateEvent, GenerateRequest, Lane, Prompt, StopReason, ToldToken,
};

/// A person waits for the answer: a server that is not there is said soon.
const PATIENCE: Patience =
    Patience { tries: 4, first: Duration::from_millis(300), longest: Duration::from_secs(5) };

/// Answers a request. Stopping is no failure: what there is comes back with [`StopReason::Stopped`].
///
/// An answer that breaks off is an error; what came of it was reported.
pub fn generate(
    server: &Server,
    request: &GenerateRequest,
    progress: &dyn Progress<GenerateEvent>,
) -> Result<Vec<Answer>, RemoteError> {
    let mut answers = Vec::with_capacity(request.lanes.len());
    for (index, lane) in request.lanes.iter().enumerate() {
        let answer = lane_answer(server, request, (index, lane), progress)?;
        let (done, is_stopped) = (answer.clone(), answer.stop == StopReason::Stopped);
        let next_logits = Arc::from(Vec::new());
        progress.emit(GenerateEvent::LaneDone { lane: index, answer: done, next_logits });
        answers.push(answer);
        if is_stopped {
            break;
        }
    }
    Ok(answers)
}

/// Why a prompt of this kind cannot be asked, in a sentence.
pub fn obstacle(probe: &Probe, is_chat: bool) -> Option<&'static str> {
    match is_chat {
        true if !probe.has(ability::CHAT) => {
            Some("This server answers no chats: switch to raw mode")
        }
        false if !probe.has(ability::COMPLETIONS) => {
            Some("This server continues no texts: switch to chat mode")
        }
        _ => None,
    }
}

fn lane_answer(
    server: &Server,
    request: &GenerateRequest,
    (index, lane): (usize, &Lane),
    progress: &dyn Progress<GenerateEvent>,
) -> Result<Answer, RemoteError> {
    let (path, body) = asked(&server.probe, request, lane)?;
    let clock = Instant::now();
    let mut first = None;
    let mut says_more = false;
    let mut text = String::new();
    let mut stop = StopReason::Length;
    let streamed = again(PATIENCE, progress, || {
        let (client, body) = (server.client.clone(), body.clone());
        let job = Job::<Value, (), RemoteError>::spawn("server", Arc::new(|_| {}), move |thread| {
            client.stream(path, &body, &mut |event| {
                thread.emit(event);
                match thread.check() {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            })
        });
        let mut job = job.map_err(RemoteError::Thread)?;
        loop {
            let ended = job.poll(|event| {
                let piece = Piece::read(&event);
                stop = piece.stop.unwrap_or(stop);
                for mut token in piece.tokens {
                    // A server that says something of each token says nothing of a rest.
                    token.is_rest = says_more && token.logprob.is_none();
                    says_more |= token.logprob.is_some();
                    first.get_or_insert_with(|| clock.elapsed());
                    text.push_str(&token.text);
                    progress.emit(GenerateEvent::Told { lane: index, token });
                }
            });
            match ended {
                // Dropped, it ends by itself: a server may be silent for minutes.
                None if progress.check().is_err() => {
                    stop = StopReason::Stopped;
                    return Ok(());
                }
                // Whether it is to stop is looked at above.
                None => _ = jobs::pause(progress, LOOK_EVERY),
                Some(JobEnd::Done(())) => return Ok(()),
                // What was shown cannot be taken back.
                Some(JobEnd::Failed(error)) if !text.is_empty() => {
                    return Err(broken_off(error, path));
                }
                Some(JobEnd::Failed(error)) => return Err(error),
                Some(JobEnd::Crashed(problem)) => {
                    return Err(RemoteError::Answer { path: path.to_owned(), problem });
                }
            }
        }
    });
    match streamed {
        Err(RemoteError::Stopped(_)) => stop = StopReason::Stopped,
        streamed => streamed?,
    }
    let first = first.unwrap_or_else(|| clock.elapsed());
    Ok(Answer {
        text,
        ids: Vec::new(),
        stop,
        prompt_secs: first.as_secs_f64(),
        generation_secs: clock.elapsed().saturating_sub(first).as_secs_f64(),
        guesses: Guesses::default(),
    })
}

/// Not asked again: it would be another answer behind the first half of this one.
fn broken_off(error: RemoteError, path: &str) -> RemoteError {
    let problem = match error {
        RemoteError::Cut { .. } | RemoteError::Unreachable { .. } => {
            "the answer broke off before its end. Ask again".to_owned()
        }
        other => other.to_string(),
    };
    RemoteError::Answer { path: path.to_owned(), problem }
}

/// Where a lane is asked, and what.
fn asked(
    probe: &Probe,
    request: &GenerateRequest,
    lane: &Lane,
) -> Result<(&'static str, Value), RemoteError> {
    let is_chat = matches!(request.prompt, Prompt::Chat(_));
    if let Some(obstacle) = obstacle(probe, is_chat) {
        return Err(RemoteError::Lacks(obstacle.to_owned()));
    }
    let mut body = lacking::fields(&request.sampling, probe);
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("model", json!(probe.model));
    put("stream", json!(true));
    put("max_tokens", json!(request.max_new_tokens.max(1)));
    if probe.has(ability::SEED) {
        put("seed", json!(lane.seed));
    }
    if !request.stop_strings.is_empty() {
        put("stop", json!(request.stop_strings));
    }
    let path = match &request.prompt {
        Prompt::Chat(messages) => {
            if probe.chat_top > 0 && probe.lies.is_empty() {
                put("logprobs", json!(true));
                put("top_logprobs", json!(probe.chat_top));
            }
            let messages = messages
                .iter()
                .map(|message| json!({"role": message.role, "content": message.content}));
            put("messages", messages.collect());
            "/chat/completions"
        }
        Prompt::Raw(text) => {
            if probe.top > 0 && probe.lies.is_empty() {
                put("logprobs", json!(probe.top));
            }
            put("prompt", json!(text));
            "/completions"
        }
    };
    Ok((path, Value::Object(body)))
}

/// A piece of a stream.
struct Piece {
    tokens: Vec<ToldToken>,
    stop: Option<StopReason>,
}

impl Piece {
    fn read(event: &Value) -> Self {
        let choice = &event["choices"][0];
        let stop = match choice["finish_reason"].as_str() {
            Some("length") => Some(StopReason::Length),
            Some(_) => Some(StopReason::EndOfTurn),
            None => None,
        };
        let delta = &choice["delta"];
        let text =
            delta["content"].as_str().or_else(|| choice["text"].as_str()).unwrap_or_default();
        let logprobs = &choice["logprobs"];
        let tokens = match logprobs["content"].as_array() {
            Some(content) => content.iter().map(of_chat).collect(),
            None => of_completion(logprobs),
        };
        Self { tokens: with_text(tokens, text), stop }
    }
}

/// Each token with its own text; where the names of the tokens are not their texts, the first one with
/// all of it.
fn with_text(mut tokens: Vec<ToldToken>, text: &str) -> Vec<ToldToken> {
    let whole: String = tokens.iter().map(|token| token.text.as_str()).collect();
    if whole == text {
        return tokens;
    }
    if tokens.is_empty() {
        tokens.push(ToldToken::default());
    }
    for (index, token) in tokens.iter_mut().enumerate() {
        token.text = if index == 0 { text.to_owned() } else { String::new() };
    }
    tokens
}

fn of_chat(token: &Value) -> ToldToken {
    let name = |value: &Value| value["token"].as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value["logprob"].as_f64().map(|value| value as f32);
    let top = token["top_logprobs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let top = top.iter().filter_map(|one| Some((name(one), number(one)?)));
    let top = likeliest_first(top.collect());
    ToldToken { text: name(token), logprob: number(token), top, is_rest: false }
}

fn of_completion(logprobs: &Value) -> Vec<ToldToken> {
    let tokens = logprobs["tokens"].as_array().map(Vec::as_slice).unwrap_or_default();
    let token = |(at, name): (usize, &Value)| {
        let top: Option<&Map<String, Value>> = logprobs["top_logprobs"][at].as_object();
        let top = top.into_iter().flatten();
        let top = top.filter_map(|(name, value)| Some((name.clone(), value.as_f64()? as f32)));
        ToldToken {
            text: name.as_str().unwrap_or_default().to_owned(),
            logprob: logprobs["token_logprobs"][at].as_f64().map(|value| value as f32),
            top: likeliest_first(top.collect()),
            is_rest: false,
        }
    };
    tokens.iter().enumerate().map(token).collect()
}

fn likeliest_first(mut top: Vec<(String, f32)>) -> Vec<(String, f32)> {
    top.sort_by(|one, other| other.1.total_cmp(&one.1));
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_both_interfaces_are_tokens_with_their_likeliest() {
        let chat = json!({"choices": [{"delta": {"content": " Paris"}, "logprobs": {"content": [
            {"token": " Paris", "logprob": -0.25, "top_logprobs": [
                {"token": " a", "logprob": -2.0}, {"token": " Paris", "logprob": -0.25}]}]}}]});
        let piece = Piece::read(&chat);
        let expected = ToldToken {
            text: " Paris".to_owned(),
            logprob: Some(-0.25),
            top: vec![(" Paris".to_owned(), -0.25), (" a".to_owned(), -2.0)],
            is_rest: false,
        };
        assert_eq!((piece.tokens, piece.stop), (vec![expected.clone()], None));
        let completion = json!({"choices": [{"text": " Paris", "finish_reason": "length",
            "logprobs": {"tokens": [" Paris"], "token_logprobs": [-0.25],
                         "top_logprobs": [{" a": -2.0, " Paris": -0.25}]}}]});
        let piece = Piece::read(&completion);
        assert_eq!((piece.tokens, piece.stop), (vec![expected], Some(StopReason::Length)));
    }

    #[test]
    fn a_text_without_log_probabilities_is_one_piece_and_parts_of_a_letter_are_not_shown_twice() {
        let plain = json!({"choices": [{"delta": {"content": "two words"}}]});
        let tokens = Piece::read(&plain).tokens;
        assert_eq!(tokens.len(), 1);
        assert_eq!((tokens[0].text.as_str(), tokens[0].logprob), ("two words", None));
        let parts = json!({"choices": [{"text": "é", "logprobs": {
            "tokens": ["bytes:\\xc3", "bytes:\\xa9"], "token_logprobs": [-1.0, -0.5]}}]});
        let tokens = Piece::read(&parts).tokens;
        let texts: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(texts, ["é", ""]);
        assert!(Piece::read(&json!({"choices": []})).tokens.is_empty());
    }
}
