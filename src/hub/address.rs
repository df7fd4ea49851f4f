//! Addresses and the headers that speak of them, taken apart by hand.

pub(super) fn is_html(content_type: &str) -> bool {
    content_type.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// `bytes 100-199/200` is `(100, Some(200))`.
pub(super) fn parse_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (span, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, _last) = span.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((first.trim().parse().ok()?, total))
}

/// `<https://…>; rel="next"`.
pub(super) fn next_link(header: &str) -> Option<String> {
    header.split(',').find_map(|link| {
        let (address, attributes) = link.split_once(';')?;
        let is_next = attributes.contains("rel=\"next\"") || attributes.contains("rel=next");
        let address = address.trim().strip_prefix('<')?.strip_suffix('>')?;
        is_next.then(|| address.to_owned())
    })
}

/// `https://host:port` of an address.
pub(super) fn origin_of(url: &str) -> Option<&str> {
    let start = url.find("://")? + 3;
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    Some(&url[..end])
}

pub(super) fn same_origin(a: &str, b: &str) -> bool {
    match (origin_of(a), origin_of(b)) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    }
}

/// `url` on the host of `endpoint`.
pub(super) fn with_origin_of(url: &str, endpoint: &str) -> String {
    match (origin_of(url), origin_of(endpoint)) {
        (Some(theirs), Some(ours)) => format!("{ours}{}", &url[theirs.len()..]),
        _ => url.to_owned(),
    }
}

/// The host of an address, for messages: without scheme, without anyone's password.
pub(super) fn host_of(url: &str) -> String {
    let origin = origin_of(url).unwrap_or(url);
    let host = origin.rsplit("://").next().unwrap_or(origin);
    host.rsplit('@').next().unwrap_or(host).to_owned()
}

/// Where a `Location` leads from `url`. Only http and https.
pub(super) fn resolve_location(url: &str, location: &str) -> Option<String> {
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
pub(super) fn encode(text: &str, keep_slashes: bool) -> String {
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
