//! The keyring of the system: Secret Service on Linux, Keychain on macOS, Credential Manager on
//! Windows. When it is asked: see [`super::vault`].

use ::keyring::{Entry, Error};

/// A place of the system for secrets. Its methods may take as long as they like.
pub trait Keyring: Send + Sync {
    /// `None`: there is no entry of this name.
    fn get(&self, name: &str) -> Result<Option<String>, KeyringError>;
    fn set(&self, name: &str, secret: &str) -> Result<(), KeyringError>;

    /// An entry that is not there is deleted.
    fn delete(&self, name: &str) -> Result<(), KeyringError>;
}

/// Why a keyring did not do as it was asked; never what it holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyringError(pub String);

/// Where something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Keyring,
    File,
}

impl Kept {
    pub fn words(self) -> &'static str {
        match self {
            Self::Keyring => "the system's keyring",
            Self::File => "a file for this account alone",
        }
    }
}

/// What our entries are listed under.
const SERVICE: &str = "tuning-fork";

/// Of the account that runs this program.
pub struct SystemKeyring;

impl Keyring for SystemKeyring {
    fn get(&self, name: &str) -> Result<Option<String>, KeyringError> {
        match entry(name)?.get_password() {
            Ok(secret) => Ok(Some(secret)),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(said(&error)),
        }
    }

    fn set(&self, name: &str, secret: &str) -> Result<(), KeyringError> {
        entry(name)?.set_password(secret).map_err(|error| said(&error))
    }

    fn delete(&self, name: &str) -> Result<(), KeyringError> {
        match entry(name)?.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(said(&error)),
        }
    }
}

fn entry(name: &str) -> Result<Entry, KeyringError> {
    Entry::new(SERVICE, name).map_err(|error| match (&error, Entry::store_status()) {
        // Why there is none was said when it was first looked for.
        (Error::NoDefaultStore, Err(why)) => said(why),
        _ => said(&error),
    })
}

/// Errors about what an entry holds would carry it along.
fn said(error: &Error) -> KeyringError {
    KeyringError(match error {
        Error::BadEncoding(_) => "what it holds is not text".to_owned(),
        other => crate::errors::one_line(other),
    })
}
