//! A request as it is looked at and read, and an answer as it is put together.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    ORIGIN,
};
use hyper::{Request, Response, StatusCode};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A body that is there.
pub struct Whole(Option<Bytes>);

impl Whole {
    pub fn into_bytes(self) -> Option<Bytes> {
        self.0
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// Whether a request was made to one of these hosts: another name leads here only by a trick (DNS
/// rebinding).
pub fn is_for(request: &Request<Incoming>, hosts: &[String]) -> bool {
    let mut named = request.headers().get_all(HOST).iter();
    let (host, more) = (named.next(), named.next());
    let is_ours = |name: &str| hosts.iter().any(|host| host.eq_ignore_ascii_case(name));
    let host = host.and_then(|host| host.to_str().ok());
    // A request line with a whole address names the host too.
    let line = request.uri().authority();
    more.is_none()
        && host.is_some_and(is_ours)
        && line.is_none_or(|authority| is_ours(authority.as_str()))
}

/// Whether no page but one of these hosts' own sent it. Browsers say from which page a request comes;
/// what is no browser says nothing and has no one's cookies either.
pub fn is_from_own_page(headers: &HeaderMap, hosts: &[String]) -> bool {
    let origin = headers.get(ORIGIN).map(HeaderValue::to_str);
    let is_ours = |origin: &str| hosts.iter().any(|host| origin == format!("http://{host}"));
    let origin_fits = match origin {
        None => true,
        Some(Ok(origin)) => is_ours(origin),
        Some(Err(_)) => false,
    };
    let site = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
    origin_fits && site.is_none_or(|site| site == b"same-origin" || site == b"none")
}

/// Whether the body says that it is JSON: a form of another site cannot without asking.
pub fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let value = value.to_str().unwrap_or_default();
        value.split(';').next().is_some_and(|kind| kind.trim() == "application/json")
    })
}

/// A body of at most `most` bytes.
pub async fn read(mut body: Incoming, most: usize) -> Result<Vec<u8>, StatusCode> {
    let told = body.size_hint().lower();
    if told > most as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    // What is told costs nothing to tell: only what comes is kept.
    let mut bytes = Vec::with_capacity((told as usize).min(1 << 16));
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(frame) = frame else { return Err(StatusCode::BAD_REQUEST) };
        let Ok(data) = frame.into_data() else { return Err(StatusCode::BAD_REQUEST) };
        if bytes.len() + data.len() > most {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// An answer that is there as a whole, with `headers` beside the usual ones.
pub fn respond(
    status: StatusCode,
    media_type: &'static str,
    bytes: Bytes,
    headers: &[(&'static str, &'static str)],
) -> Response<Whole> {
    let length = bytes.len();
    let mut response = Response::new(Whole(Some(bytes)));
    *response.status_mut() = status;
    let all = response.headers_mut();
    all.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    all.insert(CONTENT_LENGTH, length.into());
    for (name, value) in headers {
        all.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// The same, after which the connection is closed.
pub fn last<B>(mut response: Response<B>) -> Response<B> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The same, with the methods that would have been allowed.
pub fn allowing<B>(allowed: &str, mut response: Response<B>) -> Response<B> {
    let allowed = HeaderValue::from_str(allowed).expect("names of methods are letters");
    response.headers_mut().insert(ALLOW, allowed);
    response
}
