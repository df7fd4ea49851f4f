//! The Hub's protocol as `huggingface_hub` speaks it: what a model consists of, and its files as
//! streams. Nothing here touches the disk, except that [`Client::from_settings`] reads a token.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use ureq::Agent;
use ureq::http::HeaderMap;
use ureq::http::Response;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::Connector as _;
use ureq::unversioned::transport::DefaultConnector;

use super::address::{
    encode, host_of, is_html, next_link, parse_content_range, resolve_location, same_origin,
    with_origin_of,
};
use super::content_hash::ContentHash;
use super::names::{check_repo_id, is_safe_name};
use super::options::{ClientOptions, ClientSettings, ProxyChoice, options_from, proxy_at};
use super::repository::{RemoteFile, RepoKind, RepoListing, Revision, is_commit, is_hex};
use super::tick::TickConnector;
use crate::hub::error::Error;
use crate::hub::paths::HubPaths;

/// More hops than any mirror needs.
const MAX_REDIRECTS: usize = 8;

/// A page of a listing larger than this is not the Hub's: its pages have a thousand files.
const MAX_JSON_BYTES: u64 = 16 << 20;

/// More files than any model has; a listing that goes on is a mistake or an attack.
const MAX_FILES: usize = 20_000;

/// The Hub puts a thousand files on a page.
const MAX_PAGES: usize = 1000;

/// A client of one Hub. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    options: ClientOptions,
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
    /// Fails if the proxy's address is none.
    pub fn new(options: ClientOptions) -> Result<Self, Error> {
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
        match &options.proxy {
            ProxyChoice::FromEnv => {}
            ProxyChoice::None => config = config.proxy(None),
            ProxyChoice::Address(address) => config = config.proxy(Some(proxy_at(address)?)),
        }
        let connector = DefaultConnector::new().chain(TickConnector);
        let agent = Agent::with_parts(config.build(), connector, DefaultResolver::default());
        let endpoint = options.endpoint.trim_end_matches('/').to_owned();
        Ok(Self { agent, options: ClientOptions { endpoint, ..options } })
    }

    /// From what a person set in this program, `HF_ENDPOINT`, `HF_TOKEN` or the token file of
    /// Python's client, and `HF_HUB_OFFLINE`. Fails if the proxy's address is none.
    pub fn from_settings(paths: &HubPaths, settings: ClientSettings) -> Result<Self, Error> {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        Self::new(options_from(var, paths, settings))
    }

    /// Whether it asks nothing of the network.
    pub fn is_offline(&self) -> bool {
        self.options.offline
    }

    /// What `revision` (a branch, a tag or a commit) of a model consists of.
    pub fn list(&self, repo: &str, revision: &str) -> Result<RepoListing, Error> {
        self.list_of(RepoKind::Model, repo, revision)
    }

    /// [`Self::list`] of a model or a data set.
    pub fn list_of(
        &self,
        kind: RepoKind,
        repo: &str,
        revision: &str,
    ) -> Result<RepoListing, Error> {
        let commit = self.commit_of(kind, repo, revision)?;
        let base = self.api_address(kind, repo);
        let mut files = Vec::new();
        let mut next = Some(format!("{base}/tree/{commit}?recursive=true&expand=false"));
        let (mut seen, mut names) = (BTreeSet::new(), BTreeSet::new());
        while let Some(url) = next {
            let (entries, more): (Vec<Entry>, _) = self.get_json(&url, repo)?;
            for entry in entries.into_iter().filter(|entry| entry.kind == "file") {
                let file = entry.into_file()?;
                if !names.insert(file.path.clone()) {
                    return Err(Error::Clash { a: file.path.clone(), b: file.path });
                }
                files.push(file);
            }
            seen.insert(url);
            next = more;
            // Pages without a file in them may go on for ever too.
            let goes_in_circles = next.as_ref().is_some_and(|next| seen.contains(next));
            if files.len() > MAX_FILES || goes_in_circles || seen.len() > MAX_PAGES {
                let got = format!("a listing without end, or of more than {MAX_FILES} files");
                return Err(self.not_the_hub(&got));
            }
        }
        Ok(RepoListing { kind, repo: repo.to_owned(), commit, files })
    }

    /// The commit that `revision` (a branch, a tag or a commit) points to now.
    pub fn commit_of(&self, kind: RepoKind, repo: &str, revision: &str) -> Result<String, Error> {
        check_repo_id(repo)?;
        let revision = encode(revision, false);
        let url = format!("{}/revision/{revision}", self.api_address(kind, repo));
        let (info, _): (Info, _) = self.get_json(&url, repo)?;
        if is_commit(&info.sha) {
            Ok(info.sha)
        } else {
            Err(self.not_the_hub("a commit that is none"))
        }
    }

    /// The page of a repository, for a browser.
    pub fn page_of(&self, kind: RepoKind, repo: &str) -> String {
        format!("{}/{}{repo}", self.options.endpoint, web_prefix(kind))
    }

    pub fn has_token(&self) -> bool {
        self.options.token.is_some()
    }

    fn api_address(&self, kind: RepoKind, repo: &str) -> String {
        format!("{}/api/{}/{repo}", self.options.endpoint, kind.plural())
    }

    /// The bytes of a file, from `range.0` on if the server still has the version that `range.1`
    /// (an entity tag) names.
    pub fn open(
        &self,
        revision: Revision<'_>,
        path: &str,
        range: Option<(u64, Option<&str>)>,
    ) -> Result<FileStream, Error> {
        let Revision { kind, repo, commit } = revision;
        check_repo_id(repo)?;
        let path_in_url = encode(path, true);
        let prefix = web_prefix(kind);
        let url =
            format!("{}/{prefix}{repo}/resolve/{commit}/{path_in_url}", self.options.endpoint);
        let what = format!("{path} of {repo}");
        let (response, hub_headers, url) = self.get(&url, &what, range)?;
        let headers = response.headers();
        let status = response.status().as_u16();
        refuse_compressed(headers, &url)?;
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

    /// `https://huggingface.co`
    pub fn endpoint(&self) -> &str {
        &self.options.endpoint
    }

    /// Whether an address is the Hub's own: only there the token goes.
    pub(crate) fn is_at_home(&self, address: &str) -> bool {
        same_origin(address, &self.options.endpoint)
    }

    /// An answer as JSON, and the address of the page that follows.
    pub(crate) fn get_json<T: serde::de::DeserializeOwned>(
        &self,
        url: &str,
        what: &str,
    ) -> Result<(T, Option<String>), Error> {
        let (response, headers, url) = self.get(url, what, None)?;
        let next = text(&headers, "link").and_then(|link| next_link(&link));
        let next = next.and_then(|next| resolve_location(&url, &next));
        // A mirror may pass on the Hub's own address; the token goes to the mirror only.
        let next = next.map(|next| with_origin_of(&next, &self.options.endpoint));
        let is_html = text(response.headers(), "content-type").is_some_and(|kind| is_html(&kind));
        if is_html {
            return Err(self.not_the_hub("a web page"));
        }
        refuse_compressed(response.headers(), &url)?;
        let body = response.into_body().into_with_config().limit(MAX_JSON_BYTES).read_to_vec();
        let body = body.map_err(|source| match source {
            ureq::Error::BodyExceedsLimit(limit) => {
                self.not_the_hub(&format!("a listing of more than {} MB", limit / 1_000_000))
            }
            source => unreachable(&url, source),
        })?;
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
                request = request.header("authorization", format!("Bearer {}", token.reveal()));
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
                request.config().timeout_per_call(Some(self.options.listing_timeout))
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
                // The address that the Hub gave is no longer good: it gives a new one.
                401 | 403 | 404 | 410 if !at_home => {
                    return Err(Error::Expired { host: host_of(&url), status });
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

/// What stands before the repository's id in an address.
fn web_prefix(kind: RepoKind) -> &'static str {
    match kind {
        RepoKind::Model => "",
        RepoKind::Dataset => "datasets/",
    }
}

/// Ranges and hashes are of the file's own bytes; compressed ones were not asked for.
fn refuse_compressed(headers: &HeaderMap, url: &str) -> Result<(), Error> {
    match text(headers, "content-encoding").map(|text| text.trim().to_ascii_lowercase()) {
        Some(encoding) if encoding != "identity" && !encoding.is_empty() => {
            let got = format!("bytes compressed as {encoding}, which nobody asked for");
            Err(Error::NotTheHub { host: host_of(url), got })
        }
        _ => Ok(()),
    }
}

fn unreachable(url: &str, source: ureq::Error) -> Error {
    Error::Unreachable { host: host_of(url), source: Box::new(source) }
}

fn status_error(url: &str, what: &str, status: u16, response: &Response<ureq::Body>) -> Error {
    let headers = response.headers();
    let code = text(headers, "x-error-code").unwrap_or_default();
    let retry_after = text(headers, "retry-after")
        .and_then(|wish| retry_after(&wish, now_of(text(headers, "date"))))
        .or_else(|| text(headers, "ratelimit").and_then(|text| rate_limit_reset(&text)));
    let message = text(headers, "x-error-message").unwrap_or_default();
    let message: String = message.chars().take(200).collect();
    let (host, what) = (host_of(url), what.to_owned());
    match (status, code.as_str()) {
        // The Hub says 401 of what does not exist, lest it tells private names.
        (404, _) | (_, "RepoNotFound" | "EntryNotFound" | "RevisionNotFound") => {
            Error::NotFound { host, what }
        }
        (407, _) => {
            let message = "a proxy on the way asks for a name and a password".to_owned();
            Error::Status { host, status, message, retry_after: None }
        }
        (401 | 403, _) => Error::NoAccess { host, what, message },
        _ => Error::Status { host, status, message, retry_after },
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// `W/"abc"` is `abc`.
fn bare_etag(etag: &str) -> String {
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}

/// Whether a read ended without bytes because [`super::tick`] lets us look around, not because
/// something broke.
pub(crate) fn is_tick(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    matches!(inner, Some(ureq::Error::Timeout(ureq::Timeout::PerRead)))
}

/// The time on the server's clock, by its `Date`: the clock of this computer may be wrong by years, and a date that
/// the server names is meant by its own.
fn now_of(date: Option<String>) -> OffsetDateTime {
    let parsed = date.and_then(|date| OffsetDateTime::parse(date.trim(), &Rfc2822).ok());
    parsed.unwrap_or_else(OffsetDateTime::now_utc)
}

/// What a `Retry-After` asks for: seconds, or a date.
fn retry_after(text: &str, now: OffsetDateTime) -> Option<Duration> {
    if let Ok(secs) = text.trim().parse() {
        return Some(Duration::from_secs(secs));
    }
    let date = OffsetDateTime::parse(text.trim(), &Rfc2822).ok()?; // neither: no wish
    Some(Duration::try_from(date - now).unwrap_or_default())
}

/// `"api";r=0;t=55`: nothing left for 55 seconds. How the Hub says it beside a 429.
fn rate_limit_reset(text: &str) -> Option<Duration> {
    let secs = text.split(';').find_map(|part| part.trim().strip_prefix("t="))?;
    secs.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_is_none_is_said() {
        let with = |address: &str| {
            let proxy = ProxyChoice::Address(address.to_owned());
            Client::new(ClientOptions { proxy, ..ClientOptions::default() }).err()
        };
        assert!(with("proxy:3128").is_none());
        assert!(with("socks5://127.0.0.1:9050").is_none());
        let said = with("gopher://ada:secret@proxy:70").unwrap().to_string();
        assert_eq!(said, "\"proxy:70\" is not a proxy's address (http://host:port)");
    }

    #[test]
    fn a_server_says_in_three_ways_how_long_to_wait() {
        let now = OffsetDateTime::parse("Wed, 21 Oct 2015 07:28:00 GMT", &Rfc2822).unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_mins(2)));
        let date = "Wed, 21 Oct 2015 07:28:30 GMT";
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        // Whatever this computer takes the time to be.
        assert_eq!(now_of(Some("Wed, 21 Oct 2015 07:28:00 GMT".to_owned())), now);
        assert_eq!(rate_limit_reset("\"api\";r=0;t=55"), Some(Duration::from_secs(55)));
    }
}
