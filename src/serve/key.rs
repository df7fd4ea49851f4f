//! The word that lets a program in.

use std::fmt;

use rand::RngExt as _;

const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
const LENGTH: usize = 32;

/// Fewer letters can be tried one after the other.
pub const SHORTEST: usize = 8;

#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "a key has {SHORTEST} letters or more, so that nobody guesses it; this one has {found}"
    )]
    Short { found: usize },

    #[error("a key is made of letters, digits and signs of ASCII, without spaces")]
    Letters,
}

impl Key {
    pub fn random() -> Self {
        let mut rng = rand::rng();
        let letter = |_| char::from(LETTERS[rng.random_range(0..LETTERS.len())]);
        let word: String = (0..LENGTH).map(letter).collect();
        Self(format!("tf-{word}"))
    }

    /// A key that a person has chosen.
    pub fn parse(word: &str) -> Result<Self, KeyError> {
        if !word.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeyError::Letters);
        }
        if word.len() < SHORTEST {
            return Err(KeyError::Short { found: word.len() });
        }
        Ok(Self(word.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `given` is it. The time tells nothing of how many letters were right.
    pub fn is(&self, given: &str) -> bool {
        let pairs = self.0.bytes().zip(given.bytes().chain(std::iter::repeat(0)));
        let differing = pairs.fold(0, |sum, (one, other)| sum | (one ^ other));
        differing == 0 && given.len() == self.0.len()
    }
}

/// It lets programs in: it is told to a person, not to a log.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_itself_and_nothing_else() {
        let key = Key::random();
        let word = key.as_str().to_owned();
        assert!(key.is(&word));
        for other in ["", &word[..word.len() - 1], &format!("{word}A"), &word.to_lowercase()] {
            assert!(!key.is(other), "{other}");
        }
        assert_ne!(Key::random(), key, "they are drawn anew");
        assert!(!format!("{key:?}").contains(&word));
        assert_eq!(Key::parse("secret"), Err(KeyError::Short { found: 6 }));
        assert_eq!(Key::parse("two words here"), Err(KeyError::Letters));
        assert!(Key::parse("correct-horse").unwrap().is("correct-horse"));
    }
}
