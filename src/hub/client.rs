//! The Hub's protocol as `huggingface_hub` speaks it: what a model consists of, and its files as
//! streams. Nothing here touches the disk, except that [`Client::from_env`] reads the token.

use std::io::{self, Read};
use std::time::Duration;

use serde::Deserialize;
use ureq::Agent;
use ureq::http::HeaderMap;
use ureq::http::Response;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::Connector as _;
use ureq::unversioned::transport::DefaultConnector;

use super::Error;
use super::git_hash::ContentHash;
use super::paths::HubPaths;
use super::tick::TickConnector;

/// More hops than any mirror needs.
const MAX_REDIRECTS: usize = 8;

/// A listing larger than this is not of a model.
const MAX_JSON_BYTES: u64 = 64 << 20;

/// More files than any model has; a listing that goes on is a mistake or an attack.
const MAX_FILES: usize = 20_000;

/// Where the Hub is and how to talk to it.
#[derive(Clone)]
pub struct ClientOptions {
    /// `https://huggingface.co`, or a mirror; without a slash at the end.
    pub endpoint: String,

    /// Sent to the endpoint only, never to where it redirects, never shown or logged.
    pub token: Option<String>,

    /// Ask nothing of the network.
    pub offline: bool,

    /// Follow `HTTPS_PROXY` and its like.
    pub proxy_from_env: bool,

    /// A dead network fails after this.
    pub connect_timeout: Duration,

    /// A server that took the request and says nothing fails after this.
    pub response_timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            endpoint: "https://huggingface.co".to_owned(),
            token: None,
            offline: false,
            proxy_from_env: true,
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(20),
        }
    }
}

/// A client of one Hub. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    options: ClientOptions,
}

/// What a revision of a model consists of.
#[derive(Clone, Debug, PartialEq)]
pub struct RepoListing {
    pub repo: String,

    /// 40 hexadecimal digits: what the branch pointed to when it was asked.
    pub commit: String,
    pub files: Vec<RemoteFile>,
}

/// A file on the Hub.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteFile {
    /// With forward slashes, inside the model's folder.
    pub path: String,
    pub size: u64,
    pub hash: ContentHash,
}

/// The answer to a request for a file: its headers, and its bytes as a stream.
pub struct FileStream {
    pub host: String,
    pub status: u16,

    /// First byte and size of the whole, of a 206.
    pub range: Option<(u64, Option<u64>)>,
    pub length: Option<u64>,

    /// The content's hash as the Hub names it, without quotes.
    pub hub_etag: Option<String>,

    /// The commit that the Hub serves it from.
    pub commit: Option<String>,

    /// What the host that sends the bytes calls this version of them, with its quotes: good for
    /// `If-Range`. Weak ones are left out.
    pub body_etag: Option<String>,
    pub is_html: bool,
    pub body: Box<dyn Read>,
}

impl Client {
    pub fn new(options: ClientOptions) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // Redirects are followed here: their headers say what the file is, and the token must
            // not travel.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("tuning-fork/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(options.connect_timeout))
            .timeout_connect(Some(options.connect_timeout))
            .timeout_recv_response(Some(options.response_timeout));
        if !options.proxy_from_env {
            config = config.proxy(None);
        }
        let connector = DefaultConnector::new().chain(TickConnector);
        let agent = Agent::with_parts(config.build(), connector, DefaultResolver::default());
        let endpoint = options.endpoint.trim_end_matches('/').to_owned();
        Self { agent, options: ClientOptions { endpoint, ..options } }
    }

    /// From `HF_ENDPOINT`, `HF_TOKEN` or the token file, and `HF_HUB_OFFLINE`.
    pub fn from_env(paths: &HubPaths) -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let from_file = || {
            let text = std::fs::read_to_string(&paths.token_file).ok()?; // absent: no token
            Some(text.trim().to_owned()).filter(|token| !token.is_empty())
        };
        let is_on = |value: String| {
            matches!(value.trim().to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
        };
        let defaults = ClientOptions::default();
        Self::new(ClientOptions {
            endpoint: var("HF_ENDPOINT").unwrap_or(defaults.endpoint),
            token: var("HF_TOKEN").map(|token| token.trim().to_owned()).or_else(from_file),
            offline: var("HF_HUB_OFFLINE").is_some_and(is_on),
            ..ClientOptions::default()
        })
    }

    /// What `revision` (a branch, a tag or a commit) of a model consists of.
    pub fn list(&self, repo: &str, revision: &str) -> Result<RepoListing, Error> {
        check_repo_id(repo)?;
        let revision = encode(revision, false);
        let base = format!("{}/api/models/{repo}", self.options.endpoint);
        let (info, _): (Info, _) = self.get_json(&format!("{base}/revision/{revision}"), repo)?;
        if !is_commit(&info.sha) {
            return Err(self.not_the_hub("a commit that is none"));
        }
        let mut files = Vec::new();
        let mut next = Some(format!("{base}/tree/{}?recursive=true&expand=false", info.sha));
        while let Some(url) = next {
            let (entries, more): (Vec<Entry>, _) = self.get_json(&url, repo)?;
            for entry in entries.into_iter().filter(|entry| entry.kind == "file") {
                files.push(entry.into_file()?);
            }
            if files.len() > MAX_FILES {
                return Err(self.not_the_hub("a listing without end"));
            }
            next = more.filter(|more| same_origin(more, &self.options.endpoint));
        }
        Ok(RepoListing { repo: repo.to_owned(), commit: info.sha, files })
    }

    /// The bytes of a file, from `range.0` on if the server still has the version that `range.1`
    /// (an entity tag) names.
    pub fn open(
        &self,
        repo: &str,
        commit: &str,
        path: &str,
        range: Option<(u64, Option<&str>)>,
    ) -> Result<FileStream, Error> {
        check_repo_id(repo)?;
        let path_in_url = encode(path, true);
        let url = format!("{}/{repo}/resolve/{commit}/{path_in_url}", self.options.endpoint);
        let what = format!("{path} of {repo}");
        let (response, hub_headers, url) = self.get(&url, &what, range)?;
        let headers = response.headers();
        let status = response.status().as_u16();
        let hub_etag = text(&hub_headers, "x-linked-etag").or_else(|| text(&hub_headers, "etag"));
        let length = text(headers, "content-length").and_then(|text| text.parse().ok());
        Ok(FileStream {
            host: host_of(&url),
            status,
            range: (status == 206)
                .then(|| text(headers, "content-range"))
                .flatten()
                .and_then(|text| parse_content_range(&text)),
            length,
            hub_etag: hub_etag.map(|etag| bare_etag(&etag)),
            commit: text(&hub_headers, "x-repo-commit"),
            body_etag: text(headers, "etag").filter(|etag| !etag.starts_with("W/")),
            is_html: text(headers, "content-type").is_some_and(|kind| is_html(&kind)),
            body: Box::new(response.into_body().into_reader()),
        })
    }

    /// Where the Hub is, for messages.
    pub fn host(&self) -> String {
        host_of(&self.options.endpoint)
    }

    fn get_json<T: serde::de::DeserializeOwned>(
        &self,
        url: &str,
        what: &str,
    ) -> Result<(T, Option<String>), Error> {
        let (response, headers, url) = self.get(url, what, None)?;
        let next = text(&headers, "link").and_then(|link| next_link(&link));
        let next = next.and_then(|next| resolve_location(&url, &next));
        let is_html = text(response.headers(), "content-type").is_some_and(|kind| is_html(&kind));
        if is_html {
            return Err(self.not_the_hub("a web page"));
        }
        let body = response.into_body().into_with_config().limit(MAX_JSON_BYTES).read_to_vec();
        let body = body.map_err(|source| unreachable(&url, source))?;
        match serde_json::from_slice(&body) {
            Ok(value) => Ok((value, next)),
            Err(err) => Err(self.not_the_hub(&format!("unreadable JSON, {err}"))),
        }
    }

    /// Follows redirects. The headers returned beside the response are the Hub's own (of the last
    /// answer that came from the endpoint), and the address is where the response came from.
    fn get(
        &self,
        url: &str,
        what: &str,
        range: Option<(u64, Option<&str>)>,
    ) -> Result<(Response<ureq::Body>, HeaderMap, String), Error> {
        if self.options.offline {
            return Err(Error::Offline);
        }
        let is_file = url.contains("/resolve/");
        let mut url = url.to_owned();
        let mut hub_headers = HeaderMap::new();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.agent.get(&url).header("accept-encoding", "identity");
            let at_home = same_origin(&url, &self.options.endpoint);
            if at_home && let Some(token) = &self.options.token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            if let Some((start, etag)) = range {
                request = request.header("range", format!("bytes={start}-"));
                if let Some(etag) = etag {
                    request = request.header("if-range", etag);
                }
            }
            // A limit for the whole body is what makes `tick` step in; it is none in practice.
            let request = if is_file {
                request.config().timeout_recv_body(Some(Duration::from_hours(168)))
            } else {
                request.config().timeout_per_call(Some(Duration::from_mins(1)))
            };
            let response = request.build().call().map_err(|source| unreachable(&url, source))?;
            if at_home {
                hub_headers = response.headers().clone();
            }
            let status = response.status().as_u16();
            match status {
                200 | 206 => return Ok((response, hub_headers, url)),
                416 if range.is_some() => return Ok((response, hub_headers, url)),
                301 | 302 | 303 | 307 | 308 => {
                    let location = text(response.headers(), "location");
                    let next = location.and_then(|location| resolve_location(&url, &location));
                    url = next.ok_or_else(|| Error::Redirects { host: host_of(&url) })?;
                }
                _ => return Err(status_error(&url, what, status, &response)),
            }
        }
        Err(Error::Redirects { host: self.host() })
    }

    fn not_the_hub(&self, got: &str) -> Error {
        Error::NotTheHub { host: self.host(), got: got.to_owned() }
    }
}

/// `/api/models/{id}/revision/{revision}`, the part that we need.
#[derive(Deserialize)]
struct Info {
    sha: String,
}

/// A row of `/api/models/{id}/tree/{revision}`.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    oid: String,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

impl Entry {
    fn into_file(self) -> Result<RemoteFile, Error> {
        if !is_safe_name(&self.path) {
            return Err(Error::UnsafeName { name: self.path });
        }
        let (size, hash) = match self.lfs {
            Some(lfs) => (lfs.size, ContentHash::Sha256(lfs.oid)),
            None => (self.size, ContentHash::GitBlob(self.oid)),
        };
        // The digits become a file name.
        let expected = if matches!(hash, ContentHash::Sha256(_)) { 64 } else { 40 };
        if hash.digits().len() != expected || !is_hex(hash.digits()) {
            return Err(Error::UnsafeName { name: hash.digits().to_owned() });
        }
        Ok(RemoteFile { path: self.path, size, hash })
    }
}

/// Whether a listed name stays inside the folder that it is put in, on every system.
pub fn is_safe_name(path: &str) -> bool {
    const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
    let is_safe_part = |part: &str| {
        let stem = part.split('.').next().unwrap_or(part).to_ascii_lowercase();
        let numbered = (stem.starts_with("com") || stem.starts_with("lpt"))
            && stem.len() == 4
            && stem.ends_with(|c: char| c.is_ascii_digit());
        !part.is_empty()
            && part.len() <= 255
            && !part.chars().all(|c| c == '.')
            && !part.ends_with([' ', '.'])
            && !part.contains(['\\', ':', '*', '?', '"', '<', '>', '|'])
            && !part.chars().any(char::is_control)
            && !DEVICES.contains(&stem.as_str())
            && !numbered
    };
    path.len() <= 1024 && path.split('/').all(is_safe_part)
}

/// `name` or `owner/name`, of the characters that the Hub allows.
pub fn check_repo_id(id: &str) -> Result<(), Error> {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.len() <= 96
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && !part.starts_with(['-', '.'])
            && !part.ends_with(['-', '.'])
    };
    let well_formed = id.split('/').count() <= 2
        && id.split('/').all(is_part)
        && !id.contains("--")
        && !id.contains("..");
    if well_formed { Ok(()) } else { Err(Error::BadId { id: id.to_owned() }) }
}

fn unreachable(url: &str, source: ureq::Error) -> Error {
    Error::Unreachable { host: host_of(url), source: Box::new(source) }
}

fn status_error(url: &str, what: &str, status: u16, response: &Response<ureq::Body>) -> Error {
    let headers = response.headers();
    let code = text(headers, "x-error-code").unwrap_or_default();
    let retry_after = text(headers, "retry-after").and_then(|text| text.trim().parse().ok());
    let message = text(headers, "x-error-message").unwrap_or_default();
    let message: String = message.chars().take(200).collect();
    let (host, what) = (host_of(url), what.to_owned());
    match (status, code.as_str()) {
        (404, _) | (_, "RepoNotFound" | "EntryNotFound" | "RevisionNotFound") => {
            Error::NotFound { host, what }
        }
        (401 | 403, _) => Error::NoAccess { host, what, message },
        _ => {
            let retry_after = retry_after.map(Duration::from_secs);
            Error::Status { host, status, message, retry_after }
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// `W/"abc"` is `abc`.
fn bare_etag(etag: &str) -> String {
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}

fn is_html(content_type: &str) -> bool {
    content_type.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// `bytes 100-199/200` is `(100, Some(200))`.
fn parse_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (span, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, _last) = span.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((first.trim().parse().ok()?, total))
}

/// `<https://…>; rel="next"`.
fn next_link(header: &str) -> Option<String> {
    header.split(',').find_map(|link| {
        let (address, attributes) = link.split_once(';')?;
        let is_next = attributes.contains("rel=\"next\"") || attributes.contains("rel=next");
        let address = address.trim().strip_prefix('<')?.strip_suffix('>')?;
        is_next.then(|| address.to_owned())
    })
}

/// `https://host:port` of an address.
fn origin_of(url: &str) -> Option<&str> {
    let start = url.find("://")? + 3;
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    Some(&url[..end])
}

fn same_origin(a: &str, b: &str) -> bool {
    match (origin_of(a), origin_of(b)) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    }
}

/// The host of an address, for messages: without scheme, without anyone's password.
fn host_of(url: &str) -> String {
    let origin = origin_of(url).unwrap_or(url);
    let host = origin.rsplit("://").next().unwrap_or(origin);
    host.rsplit('@').next().unwrap_or(host).to_owned()
}

/// Where a `Location` leads from `url`. Only http and https.
fn resolve_location(url: &str, location: &str) -> Option<String> {
    let origin = origin_of(url)?;
    if location.starts_with("http://") || location.starts_with("https://") {
        return Some(location.to_owned());
    }
    if let Some(rest) = location.strip_prefix("//") {
        return Some(format!("{}://{rest}", origin.split("://").next()?));
    }
    if location.starts_with('/') {
        return Some(format!("{origin}{location}"));
    }
    if location.contains("://") {
        return None;
    }
    let path = url.split(['?', '#']).next()?;
    let folder = &path[..=path.rfind('/')?];
    let folder =
        if folder.len() <= origin.len() { format!("{origin}/") } else { folder.to_owned() };
    Some(format!("{folder}{location}"))
}

/// Percent-encodes what may not stand in an address.
fn encode(text: &str, keep_slashes: bool) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || (keep_slashes && byte == b'/')
        {
            url.push(byte as char);
        } else {
            write!(url, "%{byte:02X}").expect("writing to a string cannot fail");
        }
        url
    })
}

pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a read ended without bytes because [`super::tick`] lets us look around, not because
/// something broke.
pub(super) fn is_tick(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    matches!(inner, Some(ureq::Error::Timeout(ureq::Timeout::PerRead)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in ["config.json", "onnx/model.onnx", "a b.txt", ".gitattributes", "com.json"] {
            assert!(is_safe_name(name), "{name}");
        }
        let unsafe_names = [
            "",
            "..",
            "../x",
            "a/../x",
            "/etc/passwd",
            "a//b",
            "C:/x",
            "a\\b",
            "NUL",
            "nul.txt",
            "lpt1",
            "a/con",
            "a\nb",
            "a.",
            "a ",
        ];
        for name in unsafe_names {
            assert!(!is_safe_name(name), "{name}");
        }
    }

    #[test]
    fn ids_that_are_none_are_refused_before_anything_is_asked() {
        for id in ["gpt2", "HuggingFaceTB/SmolLM2-135M-Instruct", "a/b.c_d"] {
            assert!(check_repo_id(id).is_ok(), "{id}");
        }
        for id in ["", "a/b/c", "../b", "a/", "a b/c", "-a/b", "a--b/c", "a/b?x=1"] {
            assert!(check_repo_id(id).is_err(), "{id}");
        }
    }

    #[test]
    fn a_redirect_leads_where_it_says() {
        let from = "https://hub.example/a/resolve/main/x.bin?y=1";
        let cases = [
            ("https://cdn.example/z", "https://cdn.example/z"),
            ("//cdn.example/z", "https://cdn.example/z"),
            ("/api/z", "https://hub.example/api/z"),
            ("z", "https://hub.example/a/resolve/main/z"),
        ];
        for (location, expected) in cases {
            assert_eq!(resolve_location(from, location).as_deref(), Some(expected));
        }
        assert_eq!(resolve_location(from, "file:///etc/passwd"), None);
    }

    #[test]
    fn the_next_page_is_found_among_links() {
        let header = "<https://h/a>; rel=\"prev\", <https://h/b?c=1>; rel=\"next\"";
        assert_eq!(next_link(header).as_deref(), Some("https://h/b?c=1"));
        assert_eq!(next_link("<https://h/a>; rel=\"prev\""), None);
    }
}
