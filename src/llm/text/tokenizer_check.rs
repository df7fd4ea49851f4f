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
    let prefix = model.continuing_subword_prefix.unwrap_or_default();
    let rights = model.merges.as_ref().and_then(|merges| merges.rights.as_deref());
    if rights.is_some_and(|rights| !rights.starts_with(&prefix)) {
        return Err(format!(
            "continuing_subword_prefix = {prefix:?}, and there are merges whose second token does not begin with it"
        )
        .into());
    }
    let longest = |list: Option<Longest>| list.map_or(0, |list| list.bytes);
    let (token, merge) = (longest(model.vocab), longest(model.merges));
    let merge = merge.saturating_sub(prefix.len()); // which goes where two become one
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

/// What is looked for in a vocabulary or in a list of merges.
#[derive(Default)]
struct Longest {
    /// The most that a key of an object has, or the strings of one item of a list together; the space in
    /// `Ġ t` does not count.
    bytes: usize,

    /// How the second tokens of all merges begin. `None`: there are none.
    rights: Option<String>,
}

impl Longest {
    fn see_right(&mut self, right: &str) {
        let Some(begin) = &mut self.rights else {
            self.rights = Some(right.to_owned());
            return;
        };
        let same = begin.char_indices().zip(right.chars()).find(|((_, one), other)| one != other);
        let len = same.map_or_else(|| begin.len().min(right.len()), |((at, _), _)| at);
        begin.truncate(len);
    }
}

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
        let mut longest = Longest::default();
        while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            longest.bytes = longest.bytes.max(key.len());
        }
        Ok(longest)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Longest, A::Error> {
        let mut longest = Longest::default();
        while let Some(item) = list.next_element::<Item>()? {
            longest.bytes = longest.bytes.max(match item {
                Item::Text(text) => {
                    longest.see_right(text.split_once(' ').map_or("", |(_, right)| right));
                    text.len().saturating_sub(1)
                }
                Item::Pair(left, right) => {
                    longest.see_right(&right);
                    left.len() + right.len()
                }
                Item::Other(_) => 0,
            });
        }
        Ok(longest)
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
        let prefixed = |merges: &str| {
            format!(
                r###"{{"model":{{"vocab":{{"a":0,"##b":1,"ab":2}},"merges":{merges},"continuing_subword_prefix":"##"}}}}"###
            )
        };
        assert!(!refused(&prefixed(r###"[["a","##b"]]"###)));
        assert!(!refused(&prefixed(r#"["a ##b"]"#)));
        assert!(!refused(&prefixed("[]")));
        assert!(refused(&prefixed(r###"[["a","##b"],["a","b"]]"###)), "shorter than the prefix");
        assert!(refused(&prefixed(r###"[["a","##b"],["ab","##bcd"]]"###)), "longer than any token");
        assert!(refused(r#"{"decoder":{"type":"\ud800"},"model":{}}"#), "half a character");
        assert!(refused(r#"{"decoder":{"type" 1}}"#), "not JSON");
    }
}
