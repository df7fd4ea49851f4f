//! The page of the phones: three files that are part of this program, and nothing else.

/// A file of the page.
pub struct File {
    pub path: &'static str,
    pub media_type: &'static str,
    pub text: &'static str,
}

pub const FILES: [File; 3] = [
    File {
        path: "/",
        media_type: "text/html; charset=utf-8",
        text: include_str!("page/room.html"),
    },
    File {
        path: "/room.css",
        media_type: "text/css; charset=utf-8",
        text: include_str!("page/room.css"),
    },
    File {
        path: "/room.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("page/room.js"),
    },
];

/// What every answer of the server says: only this page's own files are loaded or run, nothing
/// frames it, nothing is kept.
pub const HEADERS: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cache-control", "no-store"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_from_elsewhere_and_shows_text_as_text() {
        for File { path, text, .. } in &FILES {
            for elsewhere in ["http:", "https:", "src=\"//", "@import", "url("] {
                assert!(!text.contains(elsewhere), "{path} has {elsewhere}");
            }
            for unsafe_way in
                ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("]
            {
                assert!(!text.contains(unsafe_way), "{path} has {unsafe_way}");
            }
        }
    }

    #[test]
    fn every_sentence_is_there_in_the_four_languages() {
        let script = FILES[2].text;
        let begin = script.find("const WORDS = {").unwrap();
        let end = begin + script[begin..].find("\n};").unwrap();
        let lines: Vec<&str> = script[begin..end].lines().collect();
        let keys = |language: &str| -> Vec<&str> {
            let from = lines.iter().position(|line| *line == format!("  {language}: {{"));
            let own = lines[from.unwrap() + 1..].iter().take_while(|line| **line != "  },");
            own.map(|line| line.trim().split(':').next().unwrap()).collect()
        };
        let english = keys("en");
        assert!(english.len() > 15);
        for language in ["de", "fr", "es"] {
            assert_eq!(keys(language), english, "{language}");
        }
    }

    /// A question mark on a button says nothing to somebody who does not know the program.
    #[test]
    fn what_is_not_known_is_said_in_words() {
        let script = FILES[2].text;
        let said = format!("text === \"{}\" ? word(\"unknown\")", crate::room::coding::NOT_KNOWN);
        assert!(script.contains(&said));
    }
}
