//! The word that lets a phone into the room: new each time, so that whoever has left stays out.

use std::fmt;

use rand::RngExt as _;

/// Letters and digits that are not taken for each other: 29 of them, so that 6 make 594,823,321
/// codes.
const LETTERS: &[u8] = b"ABCDEFGHJKMNPQRTUVWXYZ2346789";
const LENGTH: usize = 6;

#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    pub fn random() -> Self {
        let mut rng = rand::rng();
        let letter = |_| char::from(LETTERS[rng.random_range(0..LETTERS.len())]);
        Self((0..LENGTH).map(letter).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `typed` is it. Case and spaces do not matter; the time tells nothing of how many
    /// letters were right.
    pub fn is(&self, typed: &str) -> bool {
        let typed: Vec<u8> = typed
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-')
            .take(LENGTH + 1)
            .map(|byte| byte.to_ascii_uppercase())
            .collect();
        let pairs = self.0.bytes().zip(typed.iter().copied().chain(std::iter::repeat(0)));
        let differing = pairs.fold(0, |sum, (one, other)| sum | (one ^ other));
        differing == 0 && typed.len() == LENGTH
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A code lets people in: it is told to them, not to a log.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_typed_in_any_case_and_new_each_time() {
        let code = Code::random();
        let word = code.to_string();
        assert_eq!(word.len(), 6);
        assert!(code.is(&word.to_lowercase()));
        assert!(code.is(&format!(" {}-{} ", &word[..3], &word[3..])));
        assert!(!code.is(&word[..5]) && !code.is("") && !code.is(&format!("{word}A")));
        let codes: std::collections::BTreeSet<String> =
            (0..1000).map(|_| Code::random().to_string()).collect();
        assert!(codes.len() > 990, "they are drawn anew");
        assert!(!format!("{code:?}").contains(&word));
    }
}
