//! What lists, counts and the queue need of a verdict, read from its line without its texts: of a million
//! verdicts a few tens of megabytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hasher as _};

use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::data::pair::Verdict;
use crate::data::record::VerdictRecord;
use crate::data::remarks::{Rating, Strength, Written};

/// A verdict at a glance. Texts are hashes of 64 bits: two of a million are the same by chance with a
/// probability of 3 in 100 million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    pub id: u64,

    /// Of the words of the prompt, without spaces at the ends.
    pub prompt: u64,

    /// Of the two answers, whichever side they are on.
    pub answers: u64,

    /// Which order of several answers it belongs to; 0: none.
    pub ranking: u32,
    pub verdict: Verdict,
    pub flagged: bool,

    /// Whether the person wrote an answer of their own.
    pub is_written: bool,
}

/// A text as a number.
pub fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// Two answers as a number, whichever comes first.
pub fn hash_of_both(one: &str, other: &str) -> u64 {
    both(hash(one), hash(other))
}

fn both(one: u64, other: u64) -> u64 {
    one.min(other).rotate_left(21) ^ one.max(other)
}

fn hash_of_ranking(ranking: Option<&serde_json::Value>) -> u32 {
    ranking.map_or(0, |ranking| hash(&ranking.to_string()) as u32 | 1)
}

impl Glance {
    pub fn of(record: &VerdictRecord) -> Self {
        Self {
            id: hash(&record.id),
            prompt: hash(record.prompt.words().trim()),
            answers: hash_of_both(&record.left.text, &record.right.text),
            ranking: hash_of_ranking(record.more.get("ranking")),
            verdict: record.verdict,
            flagged: record.remarks.flagged,
            is_written: record.remarks.written.is_some(),
        }
    }

    /// The same of a line, with the hash of the id of the verdict that it replaces. `None`: it is none of
    /// those that this program writes, and has to be read as a whole to say what it is.
    pub fn of_line(text: &str) -> Option<(Self, Option<u64>)> {
        let seen: Seen<'_> = serde_json::from_str(text).ok()?;
        if seen.undo.is_some() || seen.redo.is_some() {
            return None;
        }
        let glance = Self {
            id: seen.id.0,
            prompt: seen.prompt.0,
            answers: both(seen.left.text.0, seen.right.text.0),
            ranking: hash_of_ranking(seen.ranking.as_ref()),
            verdict: seen.verdict,
            flagged: seen.flagged,
            is_written: seen.written.is_some(),
        };
        Some((glance, seen.replaces.map(|replaces| replaces.0)))
    }
}

/// The fields of a [`VerdictRecord`] with their types, so that a line which passes here is one.
#[derive(Deserialize)]
#[expect(dead_code, reason = "most fields are only there to be checked")]
struct Seen<'a> {
    version: u32,
    id: Hashed,
    created_at: Said,
    prompt: Asked,
    rendered_prompt: Said,
    left: Answer,
    right: Answer,
    left_lane: usize,
    verdict: Verdict,
    seconds_taken: f64,
    #[serde(default)]
    guideline: Said,
    model: IgnoredAny,
    adapter: Option<Adapter>,
    sampling: IgnoredAny,
    max_new_tokens: usize,
    program: Said,
    #[serde(default)]
    strength: Option<Strength>,
    #[serde(borrow, default)]
    criteria: BTreeMap<Cow<'a, str>, Rating>,
    #[serde(default)]
    reason: Said,
    #[serde(default)]
    flagged: bool,
    #[serde(default)]
    written: Option<Written>,
    #[serde(default)]
    replaces: Option<Hashed>,
    #[serde(default)]
    ranking: Option<serde_json::Value>,
    #[serde(default)]
    undo: Option<IgnoredAny>,
    #[serde(default)]
    redo: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "see `Seen`")]
struct Answer {
    text: Hashed,
    seed: u64,
    stop: Option<Said>,
    token_count: usize,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "see `Seen`")]
struct Adapter {
    name: Said,
    sha256: Said,
    mode: Said,
}

/// A message of nothing but a role and words.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "see `Seen`")]
struct Turn {
    role: Said,
    content: String,
}

/// A text that nobody asks for.
#[derive(Default)]
struct Said;

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(EachText(|_: &str| Self))
    }
}

struct Hashed(u64);

impl<'de> Deserialize<'de> for Hashed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(EachText(|text: &str| Self(hash(text))))
    }
}

/// Makes something of a text without keeping it.
struct EachText<F>(F);

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for EachText<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(self.0(text))
    }
}

/// The hash of a prompt: of a text, or of messages of a role and words.
struct Asked(u64);

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Asked;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or messages")
            }

            fn visit_str<E>(self, text: &str) -> Result<Asked, E> {
                Ok(Asked(hash(text.trim())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut turns: A) -> Result<Asked, A::Error> {
                let mut words: Option<String> = None;
                while let Some(Turn { content, .. }) = turns.next_element()? {
                    words = Some(match words {
                        None => content,
                        Some(before) => format!("{before}\n\n{content}"),
                    });
                }
                // No message at all is read as a whole, as is every other rare thing.
                let words = words.ok_or_else(|| A::Error::custom("no message"))?;
                Ok(Asked(hash(words.trim())))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::data::pair::{Message, Text};
    use crate::data::remarks::{From as MadeFrom, Which};
    use crate::examples::record;

    /// At a glance as when it is read as a whole.
    fn same(record: &VerdictRecord) {
        let line = serde_json::to_string(record).unwrap();
        let (glance, replaces) = Glance::of_line(&line).expect(&line);
        assert_eq!(glance, Glance::of(record), "{line}");
        assert_eq!(replaces, record.remarks.replaces.as_deref().map(hash));
    }

    #[test]
    fn a_line_at_a_glance_says_what_the_whole_of_it_says() {
        for verdict in Verdict::ALL {
            same(&record("1", " why \n\"so\" ", verdict));
        }
        let mut full = record("2", "p", Verdict::Tie);
        full.remarks.criteria = [("ä\"".to_owned(), Rating::Which(Which::Right))].into();
        full.remarks.strength = Some(Strength::Much);
        full.remarks.written = Some(Written { text: "mine".to_owned(), from: MadeFrom::Nothing });
        full.remarks.replaces = Some("1".to_owned());
        full.remarks.flagged = true;
        full.more.insert("ranking".to_owned(), json!({"id": "a", "answers": 3}));
        full.more.insert("left_model".to_owned(), json!({"name": "m"}));
        full.left.stop = None;
        same(&full);
        full.prompt = Text::Plain("  The sky is".to_owned());
        same(&full);
        let turns = [("system", "Be brief."), ("user", "Why?")];
        full.prompt = Text::Messages(turns.map(|(role, said)| Message::new(role, said)).to_vec());
        same(&full);
        std::mem::swap(&mut full.left, &mut full.right);
        same(&full);
    }

    #[test]
    fn what_is_no_plain_verdict_is_read_as_a_whole() {
        let whole = serde_json::to_value(record("1", "p", Verdict::Left)).unwrap();
        let with = |key: &str, value: serde_json::Value| {
            let mut line = whole.clone();
            line[key] = value;
            Glance::of_line(&line.to_string())
        };
        assert!(with("later", json!([1])).is_some(), "what a later version wrote is kept");
        for key in whole.as_object().unwrap().keys().filter(|key| *key != "adapter") {
            let mut line = whole.clone();
            line.as_object_mut().unwrap().remove(key);
            let read = serde_json::from_value::<VerdictRecord>(line.clone());
            assert_eq!(Glance::of_line(&line.to_string()).is_some(), read.is_ok(), "{key}");
        }
        assert!(with("verdict", json!("perhaps")).is_none());
        assert!(with("seconds_taken", json!("long")).is_none());
        assert!(with("undo", json!("7")).is_none());
        assert!(with("prompt", json!([])).is_none());
        let parts = json!([{"role": "user", "content": [{"type": "text", "text": "x"}]}]);
        assert!(with("prompt", parts).is_none());
    }
}
