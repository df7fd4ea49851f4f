//! The token of an account on the Hub: read, kept, and never shown.

use std::io;
use std::path::Path;

use super::paths::HubPaths;
use crate::files;

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

    /// Keeps it in a file that nobody but this account may read, for programs that start without
    /// `HF_TOKEN`. Whole or not at all.
    pub fn keep(&self, path: &Path) -> io::Result<()> {
        files::write_private(path, self.0.as_bytes())
    }

    /// Deletes what [`Self::keep`] wrote.
    pub fn forget(path: &Path) -> io::Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// For the header of a request, and for nothing else.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

/// Where the token of a request comes from, in a few words: see [`super::options::ClientOptions`].
/// Never the token.
pub fn source(paths: &HubPaths) -> Option<String> {
    if std::env::var("HF_TOKEN").is_ok_and(|text| Token::parse(&text).is_some()) {
        Some("HF_TOKEN".to_owned())
    } else if Token::read(&paths.own_token).is_some() {
        Some("what was typed here".to_owned())
    } else {
        Token::read(&paths.token_file)
            .map(|_| "the token file that Python's client writes".to_owned())
    }
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
    fn a_kept_token_is_for_this_account_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("token");
        Token::forget(&path).unwrap();
        Token::parse("hf_old").unwrap().keep(&path).unwrap();
        Token::parse("hf_new").unwrap().keep(&path).unwrap();
        assert_eq!(Token::read(&path), Token::parse("hf_new"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        Token::forget(&path).unwrap();
        assert_eq!(Token::read(&path), None);
    }

    #[test]
    fn a_token_is_one_word_and_is_not_shown() {
        let token = Token::parse(" hf_abc\n").unwrap();
        assert_eq!(token.reveal(), "hf_abc");
        assert_eq!(format!("{token:?} {:?}", Some(&token)), "Token(hidden) Some(Token(hidden))");
        assert_eq!(Token::parse(" \n"), None);
        assert_eq!(Token::parse("two\r\nx-header: words"), None, "it would be a header of its own");
    }
}
