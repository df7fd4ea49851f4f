//! An error and what caused it, told to a person.

use std::error::Error;

/// An error and the errors behind it, outermost first.
pub fn causes(error: &dyn Error) -> Vec<String> {
    let mut told = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push(error.to_string());
        cause = error.source();
    }
    told
}

/// An error and its causes in one line; what was said already is not said again, and for a listing (see
/// `is_listing`) there is no room.
pub fn one_line(error: &dyn Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (place, cause) in causes(error).into_iter().enumerate() {
        if place > 0 && is_listing(&cause) {
            continue;
        }
        let text = cause.split_whitespace().collect::<Vec<_>>().join(" ");
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

/// Whether a cause is a heading with lines under it: it stands below what was said before, and does not
/// continue it.
fn is_listing(cause: &str) -> bool {
    cause.lines().next().is_some_and(|first| first.ends_with(':')) && cause.contains('\n')
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the list could not be read: no such\n file")]
    struct Outer(#[source] io::Error);

    #[test]
    fn a_cause_is_told_once() {
        let told = |inner: &str| one_line(&Outer(io::Error::other(inner.to_owned())));
        assert_eq!(told("no such file"), "the list could not be read: no such file");
        assert_eq!(told("no room"), "the list could not be read: no such file: no room");
        assert_eq!(
            told("the rows around it:\n2: a\n3: b"),
            "the list could not be read: no such file",
            "lines that stand below each other"
        );
        let both = causes(&Outer(io::Error::other("no room")));
        assert_eq!(both, ["the list could not be read: no such\n file", "no room"]);
    }
}
