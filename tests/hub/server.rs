//! A Hub of our own on loopback: it speaks the protocol as `huggingface_hub` expects it, on two
//! ports (the Hub, and the host that it redirects large files to), and can be told to misbehave.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tuning_fork::files::sha256_of_bytes;
use tuning_fork::hub::git_hash::{ContentHash, ContentHasher};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Files of at least this size are served as LFS: by redirect, under their SHA-256.
const LFS_FROM: usize = 10_000;

/// What goes wrong with one answer that carries a file's bytes.
#[derive(Clone, Debug)]
pub enum Fault {
    None,

    /// The connection ends after so many bytes of the body.
    CutAfter(usize),

    /// Nothing more comes after so many bytes, and the connection stays open.
    StallAfter(usize),

    /// A byte is not what it was.
    WrongByte,

    /// More bytes are announced and sent than the file has.
    TooLong,

    /// Fewer bytes are announced and sent.
    TooShort,

    /// A whole file, although a range was asked for.
    IgnoreRange,

    /// A range, but not the one that was asked for.
    WrongRange,

    /// The tag of the sending host is another one than before.
    NewBodyEtag,

    /// The Hub says that the file has another content now.
    NewHubEtag,

    /// The Hub serves it from another commit.
    NewCommit,
    Status(u16, &'static str),

    /// A proxy's page.
    Html,
    RedirectLoop,

    /// Some bytes at a time, with pauses.
    Drip,
}

#[derive(Default)]
pub struct State {
    pub repo: String,
    pub files: BTreeMap<String, Vec<u8>>,

    /// One for each answer that carries a file's bytes; when there are none left, all is well.
    pub faults: VecDeque<Fault>,

    /// Only for files whose name contains this.
    pub faults_only_for: String,

    /// For every request to the API.
    pub api_fault: Option<Fault>,

    /// The lines `GET /… ` with `Range` in brackets, in order.
    pub requests: Vec<String>,

    /// Bytes of files' bodies that were sent.
    pub body_bytes: usize,

    /// Requests to the second host that carried a token.
    pub leaked_tokens: usize,
}

pub struct Server {
    pub endpoint: String,
    pub state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start(repo: &str, files: &[(&str, Vec<u8>)]) -> Self {
        let state = State {
            repo: repo.to_owned(),
            files: files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect(),
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let hub = TcpListener::bind("127.0.0.1:0").unwrap();
        let cdn = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", hub.local_addr().unwrap());
        let cdn_address = format!("http://{}", cdn.local_addr().unwrap());
        listen(hub, &state, &cdn_address, false);
        listen(cdn, &state, &cdn_address, true);
        Self { endpoint, state }
    }

    pub fn break_with(&self, faults: &[Fault]) {
        self.state.lock().unwrap().faults = faults.iter().cloned().collect();
    }

    pub fn body_bytes(&self) -> usize {
        self.state.lock().unwrap().body_bytes
    }
}

#[expect(clippy::disallowed_methods, reason = "a server needs threads that are not jobs")]
fn listen(listener: TcpListener, state: &Arc<Mutex<State>>, cdn: &str, is_cdn: bool) {
    let (state, cdn) = (Arc::clone(state), cdn.to_owned());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (state, cdn) = (Arc::clone(&state), cdn.clone());
            std::thread::spawn(move || {
                // The client may go away at any time: that is its business.
                answer(&stream, &state, &cdn, is_cdn).ok();
            });
        }
    });
}

struct Request {
    path: String,
    range_start: Option<usize>,
    if_range: Option<String>,
    has_token: bool,
}

fn read_request(stream: &TcpStream) -> std::io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or(Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
    let mut request = Request { path, range_start: None, if_range: None, has_token: false };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let start = value.trim_start_matches("bytes=").trim_end_matches('-');
                request.range_start = start.parse().ok();
            }
            "if-range" => request.if_range = Some(value.to_owned()),
            "authorization" => request.has_token = true,
            _ => {}
        }
    }
    Ok(request)
}

fn answer(
    stream: &TcpStream,
    state: &Arc<Mutex<State>>,
    cdn: &str,
    is_cdn: bool,
) -> std::io::Result<()> {
    let request = read_request(stream)?;
    let mut state = state.lock().unwrap();
    let range = request.range_start.map_or(String::new(), |start| format!(" [{start}-]"));
    state.requests.push(format!("{}{range}", request.path));
    if is_cdn {
        state.leaked_tokens += usize::from(request.has_token);
        let path = request.path.trim_start_matches("/cdn/").to_owned();
        return send_file(stream, state, &path, &request, None);
    }
    let repo = state.repo.clone();
    let path = request.path.split('?').next().unwrap_or_default();
    if let Some(rest) = path.strip_prefix(&format!("/api/models/{repo}/")) {
        match &state.api_fault {
            Some(Fault::Status(status, headers)) => return plain(stream, *status, headers, ""),
            Some(_) => return plain(stream, 200, "content-type: text/html\r\n", "<html>Sign in"),
            None => {}
        }
        let body = if rest.starts_with("revision/") {
            format!("{{\"id\":\"{repo}\",\"sha\":\"{COMMIT}\",\"siblings\":[]}}")
        } else {
            tree(&state.files)
        };
        return plain(stream, 200, "content-type: application/json\r\n", &body);
    }
    if let Some(path) = path.strip_prefix(&format!("/{repo}/resolve/{COMMIT}/")) {
        let Some(bytes) = state.files.get(path) else {
            return plain(stream, 404, "x-error-code: EntryNotFound\r\n", "");
        };
        let digits = hash_of(bytes);
        let size = bytes.len();
        let path = path.to_owned();
        if size < LFS_FROM {
            let identity = format!("etag: \"{digits}\"\r\nx-repo-commit: {COMMIT}\r\n");
            return send_file(stream, state, &path, &request, Some(identity));
        }
        let digits = match peek(&state, &path) {
            Some(Fault::NewHubEtag) => "f".repeat(64),
            _ => digits,
        };
        let commit = match peek(&state, &path) {
            Some(Fault::NewCommit) => "f".repeat(40),
            _ => COMMIT.to_owned(),
        };
        let location = match peek(&state, &path) {
            Some(Fault::RedirectLoop) => request.path.clone(),
            _ => format!("{cdn}/cdn/{path}"),
        };
        let headers = format!(
            "location: {location}\r\nx-linked-etag: \"{digits}\"\r\nx-linked-size: {size}\r\n\
             x-repo-commit: {commit}\r\n"
        );
        return plain(stream, 302, &headers, "");
    }
    plain(stream, 404, "x-error-code: RepoNotFound\r\n", "")
}

fn peek<'a>(state: &'a State, path: &str) -> Option<&'a Fault> {
    path.contains(&state.faults_only_for).then(|| state.faults.front()).flatten()
}

fn send_file(
    mut stream: &TcpStream,
    mut state: std::sync::MutexGuard<'_, State>,
    path: &str,
    request: &Request,
    identity: Option<String>,
) -> std::io::Result<()> {
    let fault = if path.contains(&state.faults_only_for) {
        state.faults.pop_front().unwrap_or(Fault::None)
    } else {
        Fault::None
    };
    let whole = state.files[path].clone();
    let tag = if matches!(fault, Fault::NewBodyEtag) { "\"other\"" } else { "\"body-tag\"" };
    let wants_range = request.range_start.is_some()
        && request.if_range.as_deref().is_none_or(|wanted| wanted == tag || identity.is_some())
        && !matches!(fault, Fault::IgnoreRange);
    let start = if wants_range { request.range_start.unwrap_or(0) } else { 0 };
    match fault {
        Fault::Status(status, headers) => return plain(stream, status, headers, "no"),
        Fault::Html => {
            return plain(stream, 200, "content-type: text/html\r\n", "<html>Sign in to the proxy");
        }
        _ if start >= whole.len() && start > 0 => return plain(stream, 416, "", ""),
        _ => {}
    }
    let mut body = whole[start..].to_vec();
    match fault {
        Fault::WrongByte => body[0] ^= 1,
        Fault::TooLong => body.push(0),
        Fault::TooShort => {
            body.pop();
        }
        _ => {}
    }
    let said_start = start + usize::from(matches!(fault, Fault::WrongRange));
    let status = if wants_range {
        let last = whole.len() - 1;
        format!("206 Partial Content\r\ncontent-range: bytes {said_start}-{last}/{}", whole.len())
    } else {
        "200 OK".to_owned()
    };
    let identity = identity.unwrap_or_else(|| format!("etag: {tag}\r\n"));
    let head = format!(
        "HTTP/1.1 {status}\r\n{identity}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let sent = match fault {
        Fault::CutAfter(count) | Fault::StallAfter(count) => count.min(body.len()),
        _ => body.len(),
    };
    state.body_bytes += sent;
    drop(state);
    stream.write_all(head.as_bytes())?;
    match fault {
        Fault::Drip => {
            for piece in body.chunks(body.len() / 5 + 1) {
                stream.write_all(piece)?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(300));
            }
        }
        _ => stream.write_all(&body[..sent])?,
    }
    if matches!(fault, Fault::StallAfter(_)) {
        std::thread::sleep(Duration::from_secs(5));
    }
    Ok(())
}

fn plain(mut stream: &TcpStream, status: u16, headers: &str, body: &str) -> std::io::Result<()> {
    let text = format!(
        "HTTP/1.1 {status} Said\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes())
}

fn tree(files: &BTreeMap<String, Vec<u8>>) -> String {
    let rows: Vec<String> = files
        .iter()
        .map(|(path, bytes)| {
            let (size, digits) = (bytes.len(), hash_of(bytes));
            if size < LFS_FROM {
                format!(
                    "{{\"type\":\"file\",\"path\":\"{path}\",\"size\":{size},\"oid\":\"{digits}\"}}"
                )
            } else {
                let pointer = "a".repeat(40);
                format!(
                    "{{\"type\":\"file\",\"path\":\"{path}\",\"size\":{size},\"oid\":\"{pointer}\",\
                     \"lfs\":{{\"oid\":\"{digits}\",\"size\":{size},\"pointerSize\":134}}}}"
                )
            }
        })
        .collect();
    format!("[{}]", rows.join(","))
}

/// As the Hub names contents: SHA-256 for large files, git's blob hash for small ones.
pub fn hash_of(bytes: &[u8]) -> String {
    if bytes.len() >= LFS_FROM {
        return sha256_of_bytes(bytes);
    }
    let mut hasher = ContentHasher::new(&ContentHash::GitBlob(String::new()), bytes.len() as u64);
    hasher.update(bytes);
    hasher.digits()
}
