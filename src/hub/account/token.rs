//! The token of an account on the Hub, which is never shown. Where it is kept: see
//! [`super::vault`].

use std::path::Path;

use super::keyring::Kept;
use crate::hub::paths::HubPaths;

/// Good for reading what an account may read. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Without the spaces and line feeds around it. `None`: there is nothing else, or it could
    /// not be sent.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let can_be_sent = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
        can_be_sent.then(|| Self(text.to_owned()))
    }

    /// The file that `hf auth login` writes. `None`: there is none.
    pub fn read(path: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(path).ok()?)
    }

    /// For the header of a request, and for nothing else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

/// Where the token of a request comes from, in a few words: see [`crate::hub::protocol::options::ClientOptions`].
/// Never the token. `kept`: where one lies that was typed into this program.
pub fn source(paths: &HubPaths, kept: Option<Kept>) -> Option<String> {
    if std::env::var("HF_TOKEN").is_ok_and(|text| Token::parse(&text).is_some()) {
        return Some("HF_TOKEN".to_owned());
    }
    let pythons = || Token::read(&paths.token_file).map(|_| "the file of Python's client");
    kept.map(Kept::words).or_else(pythons).map(str::to_owned)
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_is_not_shown() {
        let token = Token::parse(" hf_abc\n").unwrap();
        assert_eq!(token.reveal(), "hf_abc");
        assert_eq!(format!("{token:?} {:?}", Some(&token)), "Token(hidden) Some(Token(hidden))");
        assert_eq!(Token::parse(" \n"), None);
        assert_eq!(Token::parse("two\r\nx-header: words"), None, "it would be a header of its own");
    }
}
