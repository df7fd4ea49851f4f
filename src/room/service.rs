//! What is answered to a request: the three files of the page, the question in front, a vote.
//! Everything else is refused in a word.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::future::or;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    ORIGIN, RETRY_AFTER,
};
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::answers::Answer;
use super::ballots::{Device, Outcome, Room};
use super::connections::{Connection, Connections, Standing};
use super::page::{FILES, HEADERS};

/// A vote with a text of 140 characters, each written as six, and some room.
const MOST_BODY: usize = 4_096;

/// So long a phone waits for something else to see before it asks again.
const WAIT: Duration = Duration::from_secs(20);

/// So long a wrong code waits for its answer, and so many wait at once.
const WRONG_CODE_TIME: Duration = Duration::from_millis(900);
const MOST_WRONG: usize = 64;

/// What a page sends the code and its own number in. A page of another site cannot send them
/// without asking, and nobody answers that question.
const CODE: HeaderName = HeaderName::from_static("x-room-code");
const DEVICE: HeaderName = HeaderName::from_static("x-room-device");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a server answers from.
pub struct Desk {
    pub room: Room,

    /// What browsers that have typed the address send as `Host`: another name leads here only by a
    /// trick (DNS rebinding).
    pub hosts: Vec<String>,
    pub connections: Rc<Connections>,
    pub patience: Patience,
}

/// How long a phone may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the headers of a request, and between two requests.
    pub headers: Duration,

    /// For the body of a vote.
    pub body: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { headers: Duration::from_secs(10), body: Duration::from_secs(5) }
    }
}

/// A body that is there.
pub struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// A vote as a page sends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    question: String,
    answer: Answer,
}

impl Desk {
    pub async fn answer(&self, request: Request<Incoming>, from: &Connection) -> Response<Whole> {
        if !self.is_for_us(&request) {
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
        if !self.is_from_our_page(request.headers()) {
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

    /// Whether the request was made to the address at which the room is.
    fn is_for_us(&self, request: &Request<Incoming>) -> bool {
        let mut hosts = request.headers().get_all(HOST).iter();
        let (host, more) = (hosts.next(), hosts.next());
        let is_ours = |name: &str| self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name));
        let named = host.and_then(|host| host.to_str().ok());
        // A request line with a whole address names the host too.
        let line = request.uri().authority();
        more.is_none()
            && named.is_some_and(is_ours)
            && line.is_none_or(|authority| is_ours(authority.as_str()))
    }

    /// Browsers say from which page a request comes; what is no browser says nothing and has no
    /// one's cookies either.
    fn is_from_our_page(&self, headers: &HeaderMap) -> bool {
        let origin = headers.get(ORIGIN).map(HeaderValue::to_str);
        let is_ours =
            |origin: &str| self.hosts.iter().any(|host| origin == format!("http://{host}"));
        let origin_fits = match origin {
            None => true,
            Some(Ok(origin)) => is_ours(origin),
            Some(Err(_)) => false,
        };
        let site = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
        origin_fits && site.is_none_or(|site| site == b"same-origin" || site == b"none")
    }

    /// A right code is let in at once, whatever others send. A wrong one waits, and its connection
    /// is closed; where many wait already, it is closed at once.
    async fn wrong_code(&self, from: &Connection) -> Response<Whole> {
        self.room.wrong_code();
        let waiting = &self.connections.wrong;
        if from.is_known() || waiting.get() >= MOST_WRONG {
            let mut response = last(problem(StatusCode::TOO_MANY_REQUESTS, "code"));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
            return response;
        }
        // Counted down even where the connection is left meanwhile.
        struct Waiting<'a>(&'a std::cell::Cell<usize>);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        waiting.set(waiting.get() + 1);
        let _waiting = Waiting(waiting);
        Timer::after(WRONG_CODE_TIME).await;
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
        let is_json = request.headers().get(CONTENT_TYPE).is_some_and(|value| {
            let value = value.to_str().unwrap_or_default();
            value.split(';').next().is_some_and(|kind| kind.trim() == "application/json")
        });
        if !is_json {
            return last(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "type"));
        }
        let body = or(async { read(request.into_body()).await }, async {
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

/// A body of at most [`MOST_BODY`] bytes.
async fn read(mut body: Incoming) -> Result<Vec<u8>, StatusCode> {
    let told = body.size_hint().lower();
    if told > MOST_BODY as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut bytes = Vec::with_capacity(told as usize);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(frame) = frame else { return Err(StatusCode::BAD_REQUEST) };
        let Ok(data) = frame.into_data() else { return Err(StatusCode::BAD_REQUEST) };
        if bytes.len() + data.len() > MOST_BODY {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn respond(status: StatusCode, media_type: &'static str, bytes: Bytes) -> Response<Whole> {
    let length = bytes.len();
    let mut response = Response::new(Whole(Some(bytes)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_LENGTH, length.into());
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn json_of(status: StatusCode, value: &impl serde::Serialize) -> Response<Whole> {
    let bytes = serde_json::to_vec(value).expect("texts and numbers are valid JSON");
    respond(status, "application/json", bytes.into())
}

/// A word that the page knows; it tells nothing of this computer.
fn problem(status: StatusCode, word: &str) -> Response<Whole> {
    json_of(status, &json!({"problem": word}))
}

/// The same, after which the connection is closed.
fn last(mut response: Response<Whole>) -> Response<Whole> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn not_allowed(allowed: &str) -> Response<Whole> {
    let mut response = last(problem(StatusCode::METHOD_NOT_ALLOWED, "method"));
    let allowed = HeaderValue::from_str(allowed).expect("names of methods are letters");
    response.headers_mut().insert(ALLOW, allowed);
    response
}
