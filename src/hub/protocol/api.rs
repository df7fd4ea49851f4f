//! The Hub's answers that are not a model's files: JSON of a given address, and small texts.

use std::io::Read as _;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::client::{Client, FileStream, is_tick};
use crate::hub::error::Error;
use crate::jobs::Progress;

/// A text that says nothing for so long is given up.
const STALL: Duration = Duration::from_secs(20);

impl Client {
    /// The answer to a path of the API (`/api/models?…`) as JSON, and the address of the page that
    /// follows. `what` is for error messages.
    pub fn api<T: DeserializeOwned>(
        &self,
        path: &str,
        what: &str,
    ) -> Result<(T, Option<String>), Error> {
        let address = format!("{}{path}", self.endpoint());
        self.page(&address, what)
    }

    /// A page by the address that the page before it gave. An address elsewhere is refused: what
    /// is asked there would carry the token.
    pub fn page<T: DeserializeOwned>(
        &self,
        address: &str,
        what: &str,
    ) -> Result<(T, Option<String>), Error> {
        if !self.is_at_home(address) {
            return Err(Error::Redirects { host: self.host() });
        }
        self.get_json(address, what)
    }
}

/// At most `most` bytes of a file as text; bytes that are not UTF-8 become `�`.
pub(crate) fn read_text<E>(
    stream: &mut FileStream,
    most: usize,
    progress: &dyn Progress<E>,
) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    let mut last_byte = Instant::now();
    while bytes.len() < most {
        progress.check()?;
        let room = buffer.len().min(most - bytes.len());
        match stream.body.read(&mut buffer[..room]) {
            Ok(0) => break,
            Ok(count) => {
                bytes.extend_from_slice(&buffer[..count]);
                last_byte = Instant::now();
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if is_tick(&error) && last_byte.elapsed() < STALL => {}
            Err(source) => {
                let (host, done) = (stream.host.clone(), bytes.len() as u64);
                let total = stream.length.unwrap_or(done);
                return Err(Error::Cut { host, file: "the text".to_owned(), done, total, source });
            }
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
