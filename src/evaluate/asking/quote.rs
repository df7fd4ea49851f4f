//! Whether words that a model says it found in a text are there.

/// Spaces, upper and lower case, and the shape of quotation marks and dashes do not count, nor do
/// marks around the quote. An empty quote is in no text.
///
/// `“Data  are open.”` is in `All data are open.`
pub fn is_in(quote: &str, text: &str) -> bool {
    let around = |letter: char| {
        matches!(letter, '"' | '\'' | '.' | ',' | ';' | ':' | '!' | '?') || letter.is_whitespace()
    };
    let wanted = plain(quote);
    let wanted = wanted.trim_matches(around);
    !wanted.is_empty() && plain(text).contains(wanted)
}

fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !plain.is_empty() {
            plain.push(' ');
        }
        for letter in word.chars().flat_map(char::to_lowercase) {
            plain.push(match letter {
                '“' | '”' | '„' | '«' | '»' => '"',
                '‘' | '’' | '‚' => '\'',
                '–' | '—' | '‑' | '−' => '-',
                other => other,
            });
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whatever_their_spaces_and_marks() {
        let text = "We asked 1,214 people – in four countries. “All data\nare open”, they said.";
        for (quote, there) in [
            ("1,214 people", true),
            ("“all  data are open.”", true),
            ("people - in four countries", true),
            ("1,215 people", false),
            ("", false),
            (" “” ", false),
        ] {
            assert_eq!(is_in(quote, text), there, "{quote}");
        }
    }
}
