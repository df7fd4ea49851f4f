//! What this program is: its version, its commit, what it is made of, how it is cited.

use std::fmt;
use std::sync::LazyLock;

/// `0.1.0`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `0.1.0 (1a2b3c4d5)`, where the commit is known.
pub const VERSION_WITH_COMMIT: &str = env!("TUNING_FORK_VERSION");

const COMMIT: &str = env!("TUNING_FORK_COMMIT");

/// A tab apart: crate, version, licence. `assets/packaging/licences.py list` writes it, and
/// `tests/architecture.rs` compares it with `Cargo.lock`.
const LICENCES: &str = include_str!("../assets/licences.tsv");

/// As `CITATION.cff` has it.
pub const CITATION_FILE: &str = include_str!("../assets/CITATION.cff");

/// What is in the program and is no crate.
pub const OTHER_PARTS: [(&str, &str); 5] = [
    ("Ubuntu Light, the font of the window", "Ubuntu Font Licence 1.0"),
    ("Hack, the font of numbers and tokens", "MIT and Bitstream Vera"),
    ("Noto Emoji and emoji-icon-font", "SIL Open Font License 1.1, MIT"),
    ("Material Symbols, the icons", "Apache-2.0"),
    ("The sample data, the tour and the program's own icon", "MIT OR Apache-2.0"),
];

/// The commit that the program was built from, where it is known: `1a2b3c4d5`, with `-changed`
/// after it where the sources were others than the commit's.
pub fn commit() -> Option<&'static str> {
    Some(COMMIT).filter(|commit| !commit.is_empty())
}

/// A crate that the program is built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: &'static str,
    pub version: &'static str,

    /// As SPDX writes it.
    pub licence: &'static str,
}

/// All crates that any system's program is built from, by name.
pub fn parts() -> &'static [Part] {
    // Read once: About asks in every frame in which it shows them.
    static PARTS: LazyLock<Vec<Part>> = LazyLock::new(|| {
        let parts = LICENCES.lines().filter_map(|line| {
            let mut cells = line.split('\t');
            Some(Part { name: cells.next()?, version: cells.next()?, licence: cells.next()? })
        });
        parts.collect()
    });
    &PARTS
}

/// A form in which the program is cited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Citation {
    Sentence,
    BibTex,
}

impl fmt::Display for Citation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (version, year) = (VERSION_WITH_COMMIT, year());
        match self {
            Self::Sentence => write!(
                f,
                "The authors of Tuning Fork ({year}). Tuning Fork: a desktop workbench for open \
                 language models (Version {version}) [Computer software]."
            ),
            Self::BibTex => write!(
                f,
                "@software{{tuning_fork,\n  author = {{{{The authors of Tuning Fork}}}},\n  title = \
                 {{Tuning Fork: a desktop workbench for open language models}},\n  year = \
                 {{{year}}},\n  version = {{{version}}}\n}}"
            ),
        }
    }
}

/// Of the release, as `CITATION.cff` says it.
fn year() -> &'static str {
    let date = CITATION_FILE.lines().find_map(|line| line.strip_prefix("date-released: "));
    date.and_then(|date| date.get(..4)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_citation_names_the_version_and_the_year() {
        let sentence = Citation::Sentence.to_string();
        assert!(sentence.contains(&format!("(Version {VERSION}")), "{sentence}");
        assert!(sentence.contains("(2026)"), "{sentence}");
        assert!(Citation::BibTex.to_string().contains("year = {2026}"));
    }

    #[test]
    fn every_part_has_a_licence() {
        let parts = parts();
        assert!(parts.len() > 300, "{}", parts.len());
        for part in parts {
            assert!(!part.licence.is_empty() && !part.version.is_empty(), "{}", part.name);
        }
    }
}
