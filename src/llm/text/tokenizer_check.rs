//! What the `tokenizers` crate takes for granted in a `tokenizer.json`, and would end the program
//! over: asked before it sees the file, without keeping any of it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::files::mistake_in_json;

/// Fails with what is wrong, in a sentence.
pub(crate) fn check(json: &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let outline: Outline =
        serde_json::from_slice(json).map_err(|err| mistake_in_json(json, &err))?;
    drop(outline.decoder); // it had to be valid as a whole, down to its escapes
    let Some(model) = outline.model else { return Ok(()) };
    if model.continuing_subword_prefix.is_some_and(|prefix| !prefix.is_empty())
        && model.merges.is_some()
    {
        return Err("continuing_subword_prefix is not supported with merges".into());
    }
    let longest = |list: Option<Longest>| list.map_or(0, |list| list.0);
    let (token, merge) = (longest(model.vocab), longest(model.merges));
    if merge > token {
        return Err(format!(
            "a merge makes a token of {merge} bytes, the longest in the vocabulary has {token}"
        )
        .into());
    }
    Ok(())
}

#[derive(serde::Deserialize)]
struct Outline {
    #[serde(default)]
    decoder: Value,
    model: Option<Model>,
}

#[derive(serde::Deserialize)]
struct Model {
    continuing_subword_prefix: Option<String>,
    vocab: Option<Longest>,
    merges: Option<Longest>,
}

/// The most bytes that a key of an object has, or the strings of one item of a list together;
/// the space in `Ġ t` does not count.
struct Longest(usize);

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Item {
    Text(String),
    Pair(String, String),
    Other(IgnoredAny),
}

impl<'de> Deserialize<'de> for Longest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Measure)
    }
}

struct Measure;

impl<'de> Visitor<'de> for Measure {
    type Value = Longest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Longest, A::Error> {
        let mut longest = 0;
        while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            longest = longest.max(key.len());
        }
        Ok(Longest(longest))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Longest, A::Error> {
        let mut longest = 0;
        while let Some(item) = list.next_element::<Item>()? {
            longest = longest.max(match item {
                Item::Text(text) => text.len().saturating_sub(1),
                Item::Pair(left, right) => left.len() + right.len(),
                Item::Other(_) => 0,
            });
        }
        Ok(Longest(longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> bool {
        check(json.as_bytes()).is_err()
    }

    #[test]
    fn what_would_end_the_program_is_refused() {
        assert!(!refused(r#"{"model":{"vocab":{"a":0,"ab":1,"b":2},"merges":["a b"]}}"#));
        assert!(!refused(r#"{"model":{"vocab":{"a":0,"ab":1,"b":2},"merges":[["a","b"]]}}"#));
        assert!(!refused(r#"{"model":{"vocab":[["a",-1.5]],"unk_id":0}}"#));
        assert!(refused(r#"{"model":{"vocab":{"a":0,"b":2},"merges":["a b"]}}"#), "no ab");
        assert!(refused(
            r#"{"model":{"vocab":{"ab":0},"merges":[],"continuing_subword_prefix":"x"}}"#
        ));
        assert!(refused(r#"{"decoder":{"type":"\ud800"},"model":{}}"#), "half a character");
        assert!(refused(r#"{"decoder":{"type" 1}}"#), "not JSON");
    }
}
