//! Addresses, and the headers that speak of them.

use url::{Position, Url};

pub(crate) fn is_html(content_type: &str) -> bool {
    content_type.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// `bytes 100-199/200` is `(100, Some(200))`.
pub(crate) fn parse_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (span, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, _last) = span.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((first.trim().parse().ok()?, total))
}

/// `<https://…>; rel="next"`.
pub(crate) fn next_link(header: &str) -> Option<String> {
    header.split(',').find_map(|link| {
        let (address, attributes) = link.split_once(';')?;
        let is_next = attributes.contains("rel=\"next\"") || attributes.contains("rel=next");
        let address = address.trim().strip_prefix('<')?.strip_suffix('>')?;
        is_next.then(|| address.to_owned())
    })
}

/// Whether two addresses are of one scheme, host and port.
pub(crate) fn same_origin(a: &str, b: &str) -> bool {
    match (Url::parse(a), Url::parse(b)) {
        (Ok(a), Ok(b)) => a.origin() == b.origin(),
        _ => false,
    }
}

/// `url` on the host of `endpoint`.
pub(crate) fn with_origin_of(url: &str, endpoint: &str) -> String {
    match (Url::parse(url), Url::parse(endpoint)) {
        (Ok(theirs), Ok(ours)) => {
            let ours = ours.origin().ascii_serialization();
            format!("{ours}{}", &theirs[Position::BeforePath..])
        }
        _ => url.to_owned(),
    }
}

/// The host of an address, for messages: without scheme, without anyone's password. What is no
/// address is shown as far as it can hold no password.
pub(crate) fn host_of(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) if url.has_host() => url[Position::BeforeHost..Position::AfterPort].to_owned(),
        _ => {
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
            host.rsplit('@').next().unwrap_or(host).to_owned()
        }
    }
}

/// Where a `Location` leads from `url`. Only http and https.
pub(crate) fn resolve_location(url: &str, location: &str) -> Option<String> {
    let to = Url::parse(url).ok()?.join(location).ok()?;
    matches!(to.scheme(), "http" | "https").then(|| to.into())
}

/// Percent-encodes what may not stand in an address.
pub(crate) fn encode(text: &str, keep_slashes: bool) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

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
