//! A server with OpenAI's interface that does what a test says.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tuning_fork_engine::jobs::Job;

/// How a request is answered.
pub enum Reply {
    Json(Value),

    /// A status with a message, and how many seconds it asks to be left alone.
    Refusal(u16, &'static str, Option<u64>),

    /// Events of a stream; without its end, the connection is closed after them.
    Stream(Vec<Value>, bool),

    /// Nothing, for as long as the server lives.
    Silence,
}

type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// Serves until it is dropped.
pub struct FakeServer {
    pub at: SocketAddr,

    /// Paths and bodies, in the order in which they came.
    pub asked: Asked,
    job: Option<Job<(), (), Infallible>>,
}

impl FakeServer {
    /// `answer` gets the path and the body, and how many requests came before.
    pub fn new(answer: impl Fn(&str, &Value, usize) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let asked: Asked = Arc::default();
        let heard = Arc::clone(&asked);
        let job = Job::spawn("fake", Arc::new(|_| {}), move |progress| {
            let mut silent = Vec::new();
            for tcp in listener.incoming() {
                if progress.check().is_err() {
                    break;
                }
                let mut tcp = tcp.unwrap();
                let Some((path, body)) = request(&mut tcp) else { continue };
                let before = heard.lock().unwrap().len();
                let reply = answer(&path, &body, before);
                heard.lock().unwrap().push((path, body));
                // Whoever asked may have left.
                match reply {
                    Reply::Json(value) => send(&mut tcp, 200, "", &value.to_string()),
                    Reply::Refusal(status, message, wait) => {
                        let wait = wait.map(|secs| format!("Retry-After: {secs}\r\n"));
                        let body = json!({"error": {"message": message}}).to_string();
                        send(&mut tcp, status, &wait.unwrap_or_default(), &body);
                    }
                    Reply::Stream(events, is_whole) => {
                        let mut body = String::new();
                        events
                            .iter()
                            .for_each(|event| body.push_str(&format!("data: {event}\n\n")));
                        if is_whole {
                            body.push_str("data: [DONE]\n\n");
                        }
                        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                                    Connection: close\r\n\r\n";
                        tcp.write_all(format!("{head}{body}").as_bytes()).ok();
                    }
                    Reply::Silence => silent.push(tcp),
                }
            }
            Ok(())
        });
        Self { at, asked, job: Some(job.unwrap()) }
    }

    pub fn count(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|(asked, _)| asked == path).count()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            job.cancel();
            TcpStream::connect(self.at).ok();
            job.wait(drop);
        }
    }
}

fn send(tcp: &mut TcpStream, status: u16, more: &str, body: &str) {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{more}Connection: close\r\n");
    tcp.write_all(format!("{head}\r\n{body}").as_bytes()).ok();
}

/// The path below `/v1` and the body.
fn request(tcp: &mut TcpStream) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = tcp.read(&mut piece).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let small = head.to_lowercase();
        let length = small.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            let path = head.split(' ').nth(1)?.trim_start_matches("/v1").to_owned();
            return Some((path, serde_json::from_str(body).unwrap_or_default()));
        }
    }
}
