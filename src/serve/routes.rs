//! Who is let in, and what is answered on which path.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::future::or;
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::asked::{Asked, COMPUTED};
use super::error::Refusal;
use super::key::Key;
use super::reply::{Answer, Said, line};
use super::served::Served;
use super::worker::{Queue, Work};
use crate::web::connections::{Connection, Connections, Standing};
use crate::web::exchange;

/// The body of a request, and those of all that are read or wait together, in bytes.
const MOST_BODY: usize = 16 << 20;
const MOST_BODIES: usize = 256 << 20;

const HEALTH: &str = "/health";
const MODELS: &str = "/v1/models";

/// Nothing is kept, framed or taken for something else.
const HEADERS: [(&str, &str); 3] = [
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// A request was refused before it came to the worker.
pub struct Refused {
    pub path: String,
    pub status: u16,
}

pub struct Routes {
    pub served: Arc<Served>,
    pub queue: Arc<Queue>,
    pub key: Option<Key>,

    /// What whoever has typed the address sends as `Host`.
    pub hosts: Vec<String>,
    pub connections: Rc<Connections>,
    pub body_time: Duration,

    /// Numbers of requests.
    pub count: Cell<u64>,

    /// Bytes of bodies in memory.
    pub held: Rc<Cell<usize>>,

    /// To be told.
    pub refused: RefCell<Vec<Refused>>,
    pub is_busy: Cell<bool>,
}

/// Bytes that are counted for as long as this lives.
struct Held {
    all: Rc<Cell<usize>>,
    count: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.set(self.all.get() - self.count);
    }
}

impl Routes {
    pub async fn answer(&self, request: Request<Incoming>, from: &Connection) -> Response<Answer> {
        let path = request.uri().path().to_owned();
        let response = match self.route(&path, request, from).await {
            Ok(response) => response,
            Err(refusal) => {
                let mut refused = self.refused.borrow_mut();
                // Nobody reads what a machine has sent thousands of.
                if refused.len() < 1000 {
                    let path: String = path.chars().take(100).collect();
                    refused.push(Refused { path, status: refusal.status });
                }
                let is_posted = COMPUTED.contains(&path.as_str());
                let response = told(&refusal);
                if refusal.status == 405 {
                    exchange::allowing(if is_posted { "POST" } else { "GET, HEAD" }, response)
                } else {
                    response
                }
            }
        };
        // Whoever has not shown the key stays a stranger, who has to leave first.
        if from.is_known() {
            from.set(Standing::Guest);
        }
        response
    }

    async fn route(
        &self,
        path: &str,
        request: Request<Incoming>,
        from: &Connection,
    ) -> Result<Response<Answer>, Refusal> {
        let has_key = self.has_key(&request);
        if !has_key {
            self.let_in_without_key(&request)?;
        }
        let is_let_in = has_key || self.key.is_none();
        if is_let_in {
            from.set(Standing::Busy);
        }
        if path == HEALTH {
            allow(&request, &Method::GET)?;
            // Without the key nothing is told but that somebody is here.
            return Ok(json_of(&if is_let_in { self.health() } else { json!({"status": "ok"}) }));
        }
        if !is_let_in {
            return Err(self.wrong_key(&request, from).await);
        }
        match path {
            MODELS => {
                allow(&request, &Method::GET)?;
                Ok(json_of(&self.served.list()))
            }
            _ if COMPUTED.contains(&path) => {
                allow(&request, &Method::POST)?;
                self.compute(path, request).await
            }
            _ => {
                if let Some(named) = path.strip_prefix("/v1/models/") {
                    allow(&request, &Method::GET)?;
                    // Names with a slash come with it, or as %2F.
                    let named = named.replace("%2F", "/").replace("%2f", "/").replace("%2B", "+");
                    self.served.mode(Some(&named))?;
                    return Ok(json_of(&self.served.card(&named)));
                }
                let message = format!(
                    "There is nothing at this path. This server has {HEALTH}, {MODELS} and {}.",
                    COMPUTED.join(", ")
                );
                Err(Refusal::with(404, message).code("unknown_url"))
            }
        }
    }

    fn has_key(&self, request: &Request<Incoming>) -> bool {
        let Some(key) = &self.key else { return false };
        let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|given| given.split_once(' '));
        given.is_some_and(|(kind, word)| kind.eq_ignore_ascii_case("bearer") && key.is(word.trim()))
    }

    /// Without a key, whoever asks has to be a program of this computer, not a web page in its browser.
    fn let_in_without_key(&self, request: &Request<Incoming>) -> Result<(), Refusal> {
        if self.key.is_none() && !exchange::is_for(request, &self.hosts) {
            let message = format!(
                "The request was made to another name than this server's, which is {}. Use that, or \
                 start the server with --key.",
                self.hosts.first().map_or("", String::as_str)
            );
            return Err(Refusal::with(421, message));
        }
        if !exchange::is_from_own_page(request.headers(), &self.hosts) {
            let message = "A web page made this request, and pages are not answered without the key: \
                           any page that you visit could use this model. A program that sends an \
                           Origin header, as pages do, has to send the key too: start the server with \
                           --key.";
            return Err(Refusal::with(403, message));
        }
        Ok(())
    }

    /// Answered late, so that keys cannot be tried by machine.
    async fn wrong_key(&self, request: &Request<Incoming>, from: &Connection) -> Refusal {
        let is_missing = request.headers().get(AUTHORIZATION).is_none();
        from.set(Standing::Stranger);
        let message = if is_missing {
            "This server needs a key, and the request has none. Send it as \"Authorization: Bearer \
             KEY\"; programs call it the API key."
        } else {
            "Incorrect API key provided. The right one was printed when the server was started."
        };
        let refusal = Refusal::with(401, message).code("invalid_api_key");
        if !is_missing {
            self.connections.delay_wrong().await;
        }
        refusal
    }

    fn health(&self) -> Value {
        json!({
            "status": "ok",
            "model": self.served.name(),
            "busy": self.is_busy.get(),
            "waiting": self.queue.waiting(),
        })
    }

    async fn compute(
        &self,
        path: &str,
        request: Request<Incoming>,
    ) -> Result<Response<Answer>, Refusal> {
        if !exchange::is_json(request.headers()) {
            let message = "The request has to say that its body is JSON: send the header \
                           \"Content-Type: application/json\".";
            return Err(Refusal::with(415, message));
        }
        let (body, held) = self.read(request).await?;
        let asked = Asked::read(path, &body, &self.served)?;
        drop(body);
        let number = self.count.get();
        self.count.set(number + 1);
        let (reply, mut listener) = line();
        self.queue.push(Work { number, asked, reply, since: Instant::now() })?;
        let said = listener.next().await;
        drop(held);
        match said {
            // The worker has told of it already.
            Said::Whole(Err(refusal)) => Ok(told(&refusal)),
            Said::Whole(Ok(bytes)) => Ok(json_bytes(StatusCode::OK, bytes)),
            Said::End => Ok(stream(Answer::Whole(None))),
            Said::Piece(bytes) => {
                let (first, rest) = (Some(bytes.into()), Some(listener));
                Ok(stream(Answer::Stream { first, rest }))
            }
        }
    }

    async fn read(&self, request: Request<Incoming>) -> Result<(Vec<u8>, Held), Refusal> {
        use hyper::body::Body as _;

        let body = request.into_body();
        let told = body.size_hint().upper().unwrap_or(MOST_BODY as u64);
        let count = usize::try_from(told).unwrap_or(usize::MAX).min(MOST_BODY);
        let all = self.held.get() + count;
        if all > MOST_BODIES {
            let message = "So much is being sent to this server at once that it has no room for this \
                           request. Send it again in a moment.";
            return Err(Refusal::with(503, message));
        }
        self.held.set(all);
        let held = Held { all: Rc::clone(&self.held), count };
        let read = or(exchange::read(body, MOST_BODY), async {
            Timer::after(self.body_time).await;
            Err(StatusCode::REQUEST_TIMEOUT)
        });
        match read.await {
            Ok(bytes) => Ok((bytes, held)),
            Err(status) => Err(Refusal::with(
                status.as_u16(),
                match status {
                    StatusCode::PAYLOAD_TOO_LARGE => {
                        let most = MOST_BODY >> 20;
                        format!("The request is larger than {most} MiB. Send it in several parts.")
                    }
                    StatusCode::REQUEST_TIMEOUT => {
                        let secs = self.body_time.as_secs();
                        format!("The body of the request did not come within {secs} seconds.")
                    }
                    _ => "The body of the request broke off.".to_owned(),
                },
            )),
        }
    }
}

fn allow(request: &Request<Incoming>, method: &Method) -> Result<(), Refusal> {
    let is_head = *method == Method::GET && request.method() == Method::HEAD;
    if request.method() == *method || is_head {
        return Ok(());
    }
    Err(Refusal::with(405, format!("Only {method} is answered at this path.")))
}

fn json_of(value: &Value) -> Response<Answer> {
    json_bytes(StatusCode::OK, value.to_string().into_bytes())
}

fn json_bytes(status: StatusCode, bytes: Vec<u8>) -> Response<Answer> {
    let response = exchange::respond(status, "application/json", bytes.into(), &HEADERS);
    response.map(|whole| Answer::Whole(whole.into_bytes()))
}

/// A refusal as an answer. What was not read to its end cannot be followed by another request.
fn told(refusal: &Refusal) -> Response<Answer> {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = json_bytes(status, refusal.json().to_string().into_bytes());
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    let stays =
        matches!(status.as_u16(), 400 | 404 | 429 | 500..) && refusal.code != Some("unknown_url");
    if stays { response } else { exchange::last(response) }
}

fn stream(body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
