//! A Hub of our own on loopback: it speaks the protocol as `huggingface_hub` expects it, on two
//! ports (the Hub, and the host that it redirects large files to), and can be told to misbehave.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tuning_fork::files::sha256_of_bytes;
use tuning_fork::hub::protocol::content_hash::{ContentHash, ContentHasher};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Files of at least this size are served as LFS: by redirect, under their SHA-256.
pub const LFS_FROM: usize = 10_000;

pub use crate::fault::Fault;

type Files = BTreeMap<String, Vec<u8>>;

#[derive(Default)]
pub struct State {
    /// By `models/ada/small` or `datasets/ada/data`: the commit of `main`, and the files.
    pub repos: BTreeMap<String, (String, Files)>,

    /// One for each answer that carries a file's bytes; when there are none left, all is well.
    pub faults: VecDeque<Fault>,

    /// One for each answer of the Hub that names where a large file's bytes are.
    pub hub_faults: VecDeque<Fault>,

    /// One for each answer of the API.
    pub api_faults: VecDeque<Fault>,

    /// `faults` and `hub_faults` are only for files whose name contains this.
    pub faults_only_for: String,

    /// Pages of a listing, word for word, in place of the true ones.
    pub tree: Option<Vec<String>>,

    /// Files on a page of a listing; 0: all.
    pub page_size: usize,

    /// So many bytes a second for each connection; 0: as fast as they go.
    pub bytes_per_sec: usize,

    /// The lines `GET /… ` with `Range` in brackets, in order.
    pub requests: Vec<String>,

    /// Of every body of a file that was sent: name, first byte, bytes that left.
    pub bodies: Vec<(String, usize, usize)>,

    /// Requests to the second host that carried a token, or to the first that carried none.
    pub leaked_tokens: usize,
}

impl State {
    /// Bytes of files' bodies that were sent.
    pub fn body_bytes(&self) -> usize {
        self.bodies.iter().map(|(_, _, sent)| sent).sum()
    }
}

pub struct Server {
    pub endpoint: String,
    pub state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start(repo: &str, files: &[(&str, Vec<u8>)]) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let hub = TcpListener::bind("127.0.0.1:0").unwrap();
        let cdn = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", hub.local_addr().unwrap());
        let cdn_address = format!("http://{}", cdn.local_addr().unwrap());
        listen(hub, &state, &cdn_address, false);
        listen(cdn, &state, &cdn_address, true);
        let server = Self { endpoint, state };
        server.put(&format!("models/{repo}"), COMMIT, files);
        server
    }

    /// Has a repository (`models/…` or `datasets/…`) be at `commit` with these files.
    pub fn put(&self, repo: &str, commit: &str, files: &[(&str, Vec<u8>)]) {
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect();
        self.lock().repos.insert(repo.to_owned(), (commit.to_owned(), files));
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn break_with(&self, faults: &[Fault]) {
        self.lock().faults = faults.iter().cloned().collect();
    }

    pub fn break_hub_with(&self, faults: &[Fault]) {
        self.lock().hub_faults = faults.iter().cloned().collect();
    }

    pub fn break_api_with(&self, faults: &[Fault]) {
        self.lock().api_faults = faults.iter().cloned().collect();
    }

    /// Forgets every fault that has not come up.
    pub fn mend(&self) {
        let mut state = self.lock();
        state.faults.clear();
        state.hub_faults.clear();
        state.api_faults.clear();
        state.tree = None;
    }

    pub fn body_bytes(&self) -> usize {
        self.lock().body_bytes()
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
    is_head: bool,
    path: String,
    query: String,
    range_start: Option<usize>,
    if_range: Option<String>,
    has_token: bool,
}

fn read_request(stream: &TcpStream) -> std::io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or(Ok(String::new()))?;
    let (path, query) = {
        let address = first.split(' ').nth(1).unwrap_or("/");
        address.split_once('?').unwrap_or((address, ""))
    };
    let mut request = Request {
        is_head: first.starts_with("HEAD"),
        path: path.replace("%2F", "/"),
        query: query.to_owned(),
        range_start: None,
        if_range: None,
        has_token: false,
    };
    loop {
        // A client that loses patience may go after half of its request: that is none.
        let line = lines.next().unwrap_or_else(|| Err(std::io::ErrorKind::UnexpectedEof.into()))?;
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
    shared: &Arc<Mutex<State>>,
    cdn: &str,
    is_cdn: bool,
) -> std::io::Result<()> {
    let request = read_request(stream)?;
    let mut state = shared.lock().unwrap();
    let verb = if request.is_head { "HEAD " } else { "" };
    let range = request.range_start.map_or(String::new(), |start| format!(" [{start}-]"));
    state.requests.push(format!("{verb}{}{range}", request.path));
    state.leaked_tokens += usize::from(request.has_token == is_cdn);
    if is_cdn {
        let Some((repo, path)) =
            request.path.strip_prefix("/cdn/").and_then(|path| split(&state, path))
        else {
            return plain(stream, 404, "", "");
        };
        drop(state);
        return send_file(stream, shared, &repo, &path, &request, None);
    }
    if let Some(rest) = request.path.strip_prefix("/api/") {
        let fault = state.api_faults.pop_front().unwrap_or(Fault::None);
        return answer_api(stream, state, rest, &request, &fault);
    }
    // `/ada/small/resolve/…` is a model, `/datasets/ada/data/resolve/…` a data set.
    let key = request.path.trim_start_matches('/');
    let key = if key.starts_with("datasets/") { key.to_owned() } else { format!("models/{key}") };
    let Some((repo, rest)) = split(&state, &key) else {
        return plain(stream, 404, "x-error-code: RepoNotFound\r\n", "");
    };
    let commit = state.repos[&repo].0.clone();
    let path = rest
        .strip_prefix("resolve/")
        .and_then(|rest| rest.split_once('/'))
        .filter(|(revision, _)| *revision == commit || *revision == "main")
        .map(|(_, path)| path.replace("%20", " "));
    let Some(path) = path else {
        return plain(stream, 404, "x-error-code: RevisionNotFound\r\n", "");
    };
    let Some(bytes) = state.repos[&repo].1.get(&path) else {
        let headers = format!("x-error-code: EntryNotFound\r\nx-repo-commit: {commit}\r\n");
        return plain(stream, 404, &headers, "");
    };
    let (digits, size) = (hash_of(bytes), bytes.len());
    if size < LFS_FROM {
        let identity = format!("etag: \"{digits}\"\r\nx-repo-commit: {commit}\r\n");
        drop(state);
        return send_file(stream, shared, &repo, &path, &request, Some(&identity));
    }
    let fault = if path.contains(&state.faults_only_for) && !request.is_head {
        state.hub_faults.pop_front().unwrap_or(Fault::None)
    } else {
        Fault::None
    };
    drop(state);
    if let Some(sent) = misbehave(stream, &fault) {
        return sent;
    }
    let far = format!("{cdn}/cdn/{repo}/{path}");
    let hops = if request.query.is_empty() { 0 } else { request.query.len() };
    let location = match &fault {
        Fault::RedirectLoop => request.path.clone(),
        Fault::RedirectTo(to) => (*to).to_owned(),
        Fault::RedirectNowhere => return plain(stream, 302, "", ""),
        Fault::ManyHops => format!("{}?x", request.path),
        // `?x`, `?xx`, `?xxx`, then on.
        _ if (1..3).contains(&hops) => format!("{}?{}x", request.path, request.query),
        _ => far,
    };
    let digits = if fault == Fault::NewHubEtag { "f".repeat(64) } else { digits };
    let commit = if fault == Fault::NewCommit { "f".repeat(40) } else { commit };
    let mut headers = format!("location: {location}\r\n");
    if fault != Fault::NoHubHeaders {
        write!(
            headers,
            "x-linked-etag: \"{digits}\"\r\nx-linked-size: {size}\r\nx-repo-commit: {commit}\r\n\
             etag: \"pointer\"\r\n"
        )
        .unwrap();
    }
    plain(stream, 302, &headers, "")
}

/// `models/ada/small/resolve/…` into the repository and what follows.
fn split(state: &State, path: &str) -> Option<(String, String)> {
    let find = |repo: &String| {
        let rest = path.strip_prefix(repo.as_str())?.strip_prefix('/')?;
        Some((repo.clone(), rest.to_owned()))
    };
    state.repos.keys().find_map(find)
}

fn answer_api(
    stream: &TcpStream,
    state: MutexGuard<'_, State>,
    rest: &str,
    request: &Request,
    fault: &Fault,
) -> std::io::Result<()> {
    if let Some(sent) = misbehave(stream, fault) {
        return sent;
    }
    let Some((repo, rest)) = split(&state, rest) else {
        return plain(stream, 404, "x-error-code: RepoNotFound\r\n", "");
    };
    let (commit, files) = &state.repos[&repo];
    let id = repo.split_once('/').expect("a key has a kind").1;
    let mut headers = "content-type: application/json\r\n".to_owned();
    let body = if let Some(revision) = rest.strip_prefix("revision/") {
        if revision != commit && revision != "main" {
            return plain(stream, 404, "x-error-code: RevisionNotFound\r\n", "");
        }
        format!("{{\"id\":\"{id}\",\"sha\":\"{commit}\",\"siblings\":[],\"tags\":[]}}")
    } else {
        let page: usize =
            request.query.split_once("page=").map_or(0, |(_, page)| page.parse().unwrap());
        let pages = match &state.tree {
            Some(pages) => pages.clone(),
            None => tree(files, state.page_size),
        };
        if page + 1 < pages.len() {
            let (path, next) = (&request.path, page + 1);
            write!(headers, "link: <{path}?page={next}>; rel=\"next\"\r\n").unwrap();
        }
        pages.get(page).cloned().unwrap_or_else(|| "[]".to_owned())
    };
    drop(state);
    match fault {
        Fault::CutAfter(count) => {
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {length}\r\n\r\n");
            let mut stream = stream;
            stream.write_all(head.as_bytes())?;
            stream.write_all(&body.as_bytes()[..(*count).min(length)])
        }
        Fault::TooShort => plain(stream, 200, &headers, &body[..body.len() / 2]),
        Fault::Encoded(how) => {
            plain(stream, 200, &format!("{headers}content-encoding: {how}\r\n"), &body)
        }
        Fault::Json(text) => plain(stream, 200, &headers, text),
        Fault::RedirectLoop => plain(stream, 307, &format!("location: {}\r\n", request.path), ""),
        _ => plain(stream, 200, &headers, &body),
    }
}

/// The faults that are the same for every answer.
fn misbehave(mut stream: &TcpStream, fault: &Fault) -> Option<std::io::Result<()>> {
    let html = "content-type: text/html; charset=utf-8\r\n";
    Some(match fault {
        Fault::Status(status, headers) => plain(stream, *status, headers, "no"),
        Fault::Html => plain(stream, 200, html, "<html>Sign in to the proxy"),
        Fault::Garbage => stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n"),
        Fault::HangUp => Ok(()),
        Fault::Silence => {
            std::thread::sleep(Duration::from_millis(1500));
            Ok(())
        }
        Fault::HugeHeader => {
            let line = format!("x-more: {}\r\n", "y".repeat(5000));
            plain(stream, 200, &line.repeat(200), "")
        }
        Fault::EndlessListing => endless_listing(stream),
        _ => return None,
    })
}

/// A million files, in one page.
fn endless_listing(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[")?;
    let oid = "a".repeat(40);
    for number in 0..10_000 {
        let mut text = String::new();
        for at in 0..100 {
            let path = number * 100 + at;
            write!(
                text,
                "{{\"type\":\"file\",\"path\":\"f/{path}\",\"size\":1,\"oid\":\"{oid}\"}},"
            )
            .unwrap();
        }
        stream.write_all(text.as_bytes())?;
    }
    stream.write_all(b"{}]")
}

fn send_file(
    mut stream: &TcpStream,
    shared: &Arc<Mutex<State>>,
    repo: &str,
    path: &str,
    request: &Request,
    identity: Option<&str>,
) -> std::io::Result<()> {
    let mut state = shared.lock().unwrap();
    let fault = if path.contains(&state.faults_only_for) && !request.is_head {
        state.faults.pop_front().unwrap_or(Fault::None)
    } else {
        Fault::None
    };
    let bytes_per_sec = state.bytes_per_sec;
    let Some(whole) = state.repos.get(repo).and_then(|(_, files)| files.get(path)).cloned() else {
        return plain(stream, 404, "", "");
    };
    let tag = match fault {
        Fault::NewBodyEtag => "etag: \"other\"\r\n",
        Fault::NoBodyEtag => "",
        Fault::WeakBodyEtag => "etag: W/\"weak\"\r\n",
        _ => "etag: \"body-tag\"\r\n",
    };
    let said_tag = tag.trim_start_matches("etag: ").trim_end();
    let has_range = request.range_start.is_some()
        && request
            .if_range
            .as_deref()
            .is_none_or(|wanted| wanted == said_tag || identity.is_some())
        && fault != Fault::IgnoreRange;
    let start = if has_range { request.range_start.unwrap_or(0) } else { 0 };
    if fault == Fault::RangeRefused || (start >= whole.len() && start > 0) {
        return plain(stream, 416, "", "");
    }
    if let Some(sent) = {
        // What is sent below is counted; these are not a file's bytes.
        matches!(
            fault,
            Fault::Status(..)
                | Fault::Html
                | Fault::Garbage
                | Fault::HangUp
                | Fault::Silence
                | Fault::HugeHeader
        )
        .then(|| {
            drop(state);
            misbehave(stream, &fault).expect("these are among its faults")
        })
    } {
        return sent;
    }
    let mut state = shared.lock().unwrap();
    let mut body = whole[start..].to_vec();
    match fault {
        Fault::WrongByte => body[0] ^= 1,
        Fault::TooLong => body.push(0),
        Fault::TooShort => {
            body.pop();
        }
        Fault::HalfRange if has_range => body.truncate(body.len().div_ceil(2)),
        _ => {}
    }
    let mut head = if has_range || fault == Fault::UnaskedRange {
        let first = start + usize::from(fault == Fault::WrongRange);
        let last = start + body.len() - 1;
        let total = whole.len() + usize::from(fault == Fault::WrongTotal);
        let range = format!("content-range: bytes {first}-{last}/{total}\r\n");
        let range = if fault == Fault::NoContentRange { String::new() } else { range };
        format!("HTTP/1.1 206 Partial Content\r\n{range}")
    } else {
        "HTTP/1.1 200 OK\r\n".to_owned()
    };
    head += identity.unwrap_or(tag);
    let length = body.len() + if fault == Fault::LengthTooLarge { 1000 } else { 0 };
    match fault {
        Fault::NoLength => {}
        Fault::Chunked(_) => head += "transfer-encoding: chunked\r\n",
        _ => write!(head, "content-length: {length}\r\n").unwrap(),
    }
    if let Fault::Encoded(how) = fault {
        write!(head, "content-encoding: {how}\r\n").unwrap();
    }
    head += "connection: close\r\n\r\n";
    let sent = match fault {
        _ if request.is_head => 0,
        Fault::CutAfter(count) | Fault::StallAfter(count) | Fault::Chunked(count) => {
            count.min(body.len())
        }
        _ => body.len(),
    };
    let record = state.bodies.len();
    if !request.is_head {
        state.bodies.push((path.to_owned(), start, 0));
    }
    drop(state);
    stream.write_all(head.as_bytes())?;
    let started = Instant::now();
    let piece_bytes = match fault {
        Fault::Drip => body.len() / 4 + 1,
        _ if bytes_per_sec > 0 => 16 << 10,
        _ => 256 << 10,
    };
    let mut gone = 0;
    for piece in body[..sent].chunks(piece_bytes) {
        if matches!(fault, Fault::Chunked(_)) {
            stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
            stream.write_all(piece)?;
            stream.write_all(b"\r\n")?;
        } else {
            stream.write_all(piece)?;
        }
        gone += piece.len();
        // Counted before the pause: a killed client has been sent all of this.
        if let Some(body) = shared.lock().unwrap().bodies.get_mut(record) {
            body.2 = gone;
        }
        if fault == Fault::Drip {
            std::thread::sleep(Duration::from_millis(120));
        } else if bytes_per_sec > 0 {
            let due = Duration::from_secs_f64(gone as f64 / bytes_per_sec as f64);
            std::thread::sleep(due.saturating_sub(started.elapsed()));
        }
    }
    match fault {
        Fault::Chunked(_) if sent == body.len() => stream.write_all(b"0\r\n\r\n")?,
        Fault::StallAfter(_) => std::thread::sleep(Duration::from_millis(1500)),
        _ => {}
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

fn tree(files: &Files, page_size: usize) -> Vec<String> {
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
    let page_size = if page_size == 0 { rows.len().max(1) } else { page_size };
    rows.chunks(page_size).map(|rows| format!("[{}]", rows.join(","))).collect()
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
