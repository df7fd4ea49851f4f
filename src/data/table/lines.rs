//! Prose: a row a line, under the name `text`.

use serde_json::{Map, Value};

use super::error::ImportError;
use super::feed::Feed;
use super::report::{Format, Sink};

/// A line that takes more than this is no prompt, in bytes.
const LONGEST: usize = 1 << 26;

/// Hands on every line that has something on it, without the space around it.
pub(super) fn read(feed: &mut Feed<'_>, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    sink.report.format = Format::Lines;
    let mut bytes = Vec::new();
    loop {
        let line = feed.line();
        bytes.clear();
        while feed.line() == line {
            let ahead = feed.ahead();
            let run = ahead.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let run = run.unwrap_or(ahead.len());
            bytes.extend_from_slice(&ahead[..run]);
            feed.skip(run);
            if bytes.len() > LONGEST {
                let problem = format!("this line takes more than {} MB", LONGEST >> 20);
                return Err(sink.line_error(line, 1, problem));
            }
            if feed.peek().is_none() {
                break;
            }
            if matches!(feed.peek(), Some(b'\n' | b'\r')) {
                feed.next();
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim();
        if !text.is_empty() {
            let fields = Map::from_iter([("text".to_owned(), Value::from(text))]);
            sink.row(Some(line), fields)?;
        }
        if feed.peek().is_none() {
            return match feed.failure() {
                Some(source) => Err(ImportError::Read { path: sink.report.path.clone(), source }),
                None => Ok(()),
            };
        }
    }
}
