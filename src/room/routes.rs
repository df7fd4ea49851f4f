//! What is answered to a request: the three files of the page, the question in front, a vote.
//! Everything else is refused in a word.

use std::rc::Rc;
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::future::or;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::answers::Answer;
use super::ballots::{Device, Outcome, Room};
use super::page::{FILES, HEADERS};
use crate::web::accept::Patience;
use crate::web::connections::{Connection, Connections, Standing};
use crate::web::exchange;
use crate::web::exchange::{Whole, last};

/// A vote with a text of 140 characters, each written as six, and some room.
const MOST_BODY: usize = 4_096;

/// So long a phone waits for something else to see before it asks again.
const WAIT: Duration = Duration::from_secs(20);

/// What a page sends the code and its own number in. A page of another site cannot send them
/// without asking, and nobody answers that question.
const CODE: HeaderName = HeaderName::from_static("x-room-code");
const DEVICE: HeaderName = HeaderName::from_static("x-room-device");

/// What a server answers from.
pub struct Routes {
    pub room: Room,

    /// What browsers that have typed the address send as `Host`: another name leads here only by a
    /// trick (DNS rebinding).
    pub hosts: Vec<String>,
    pub connections: Rc<Connections>,
    pub patience: Patience,
}

/// A vote as a page sends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    question: String,
    answer: Answer,
}

impl Routes {
    pub async fn answer(&self, request: Request<Incoming>, from: &Connection) -> Response<Whole> {
        if !exchange::is_for(&request, &self.hosts) {
            return last(problem(StatusCode::MISDIRECTED_REQUEST, "host"));
        }
        let path = request.uri().path();
        if let Some(file) = FILES.iter().find(|file| file.path == path) {
            if request.method() != Method::GET && request.method() != Method::HEAD {
                return not_allowed("GET, HEAD");
            }
            let bytes = Bytes::from_static(file.text.as_bytes());
            return respond(StatusCode::OK, file.media_type, bytes);
        }
        let allowed = match path {
            "/api/question" => Method::GET,
            "/api/vote" => Method::POST,
            _ => return last(problem(StatusCode::NOT_FOUND, "path")),
        };
        if *request.method() != allowed {
            return not_allowed(allowed.as_str());
        }
        if !exchange::is_from_own_page(request.headers(), &self.hosts) {
            return last(problem(StatusCode::FORBIDDEN, "origin"));
        }
        let text = |name: &HeaderName| {
            request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        if !self.room.code().is(text(&CODE)) {
            return self.wrong_code(from).await;
        }
        let Some(device) = Device::parse(text(&DEVICE)) else {
            return last(problem(StatusCode::BAD_REQUEST, "device"));
        };
        from.set(Standing::Busy);
        let response = if allowed == Method::POST {
            self.vote(device, request).await
        } else {
            self.question(device, &request, from).await
        };
        from.set(Standing::Guest);
        response
    }

    /// A right code is let in at once, whatever others send. A wrong one waits, and its connection
    /// is closed; where many wait already, it is closed at once.
    async fn wrong_code(&self, from: &Connection) -> Response<Whole> {
        self.room.wrong_code();
        if from.is_known() || !self.connections.delay_wrong().await {
            let mut response = last(problem(StatusCode::TOO_MANY_REQUESTS, "code"));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
            return response;
        }
        last(problem(StatusCode::FORBIDDEN, "code"))
    }

    /// The question in front. A phone that has seen it waits for another one.
    async fn question(
        &self,
        device: Device,
        request: &Request<Incoming>,
        from: &Connection,
    ) -> Response<Whole> {
        let query = request.uri().query().unwrap_or_default();
        let seen = query.strip_prefix("seen=").and_then(|number| number.parse::<u64>().ok());
        if !query.is_empty() && seen.is_none() {
            return problem(StatusCode::BAD_REQUEST, "query");
        }
        let changed = self.room.listen();
        let Some(view) = self.room.view(device, Instant::now()) else {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "full");
        };
        if seen != Some(view.version) {
            return json_of(StatusCode::OK, &view);
        }
        from.set(Standing::Guest);
        or(changed, async {
            Timer::after(WAIT).await;
        })
        .await;
        from.set(Standing::Busy);
        match self.room.view(device, Instant::now()) {
            Some(view) => json_of(StatusCode::OK, &view),
            None => problem(StatusCode::SERVICE_UNAVAILABLE, "full"),
        }
    }

    async fn vote(&self, device: Device, request: Request<Incoming>) -> Response<Whole> {
        if !exchange::is_json(request.headers()) {
            return last(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "type"));
        }
        let body = or(exchange::read(request.into_body(), MOST_BODY), async {
            Timer::after(self.patience.body).await;
            Err(StatusCode::REQUEST_TIMEOUT)
        });
        let body = match body.await {
            Ok(body) => body,
            Err(status) => return last(problem(status, "body")),
        };
        let Ok(Sent { question, answer }) = serde_json::from_slice(&body) else {
            return problem(StatusCode::BAD_REQUEST, "malformed");
        };
        match self.room.vote(device, &question, answer, Instant::now()) {
            Outcome::Counted => json_of(StatusCode::OK, &json!({"counted": true})),
            Outcome::Already => json_of(StatusCode::OK, &json!({"already": true})),
            Outcome::Closed => problem(StatusCode::CONFLICT, "closed"),
            Outcome::NoQuestion => problem(StatusCode::NOT_FOUND, "question"),
            Outcome::Malformed => problem(StatusCode::BAD_REQUEST, "malformed"),
            Outcome::Full => problem(StatusCode::SERVICE_UNAVAILABLE, "full"),
        }
    }
}

fn respond(status: StatusCode, media_type: &'static str, bytes: Bytes) -> Response<Whole> {
    exchange::respond(status, media_type, bytes, &HEADERS)
}

fn json_of(status: StatusCode, value: &impl serde::Serialize) -> Response<Whole> {
    let bytes = serde_json::to_vec(value).expect("texts and numbers are valid JSON");
    respond(status, "application/json", bytes.into())
}

/// A word that the page knows; it tells nothing of this computer.
fn problem(status: StatusCode, word: &str) -> Response<Whole> {
    json_of(status, &json!({"problem": word}))
}

fn not_allowed(allowed: &str) -> Response<Whole> {
    exchange::allowing(allowed, last(problem(StatusCode::METHOD_NOT_ALLOWED, "method")))
}
