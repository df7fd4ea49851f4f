//! Which tokens may come next, so that an answer fits a JSON schema: a mask over the vocabulary.
//!
//! The grammar is `llguidance`'s. Ours is how an answer ends: a schema that cannot be met is found
//! before anything is asked, and an answer that comes to the end of its room is closed in valid form.

use std::fmt;
use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::Value;

/// No answer is closed by more tokens than this.
const LONGEST_CLOSE: usize = 2000;

/// Near the end of its room an answer is looked at after every token: from so many tokens more than
/// what the fullest of the short answers takes.
const WATCHED: usize = 32;

/// Why no answer can be held to a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    #[error(
        "this model's tokenizer does not say which bytes its tokens stand for, so that an answer \
         cannot be held to a form"
    )]
    Bytes,

    #[error(
        "this model's tokenizer has no token for “{0}”, without which no JSON object can be written: \
         take a decoder, or an encoder-decoder whose tokenizer has one (BART, ByT5)"
    )]
    Unsayable(char),

    #[error("the schema cannot be used: {0}")]
    Schema(String),

    #[error("no answer fits the schema: {0}")]
    Unmet(String),
}

/// A vocabulary as the grammar needs it. Made once for a model.
#[derive(Clone)]
pub struct Vocabulary {
    factory: Arc<ParserFactory>,
    words: Arc<[Vec<u8>]>,
    ends: Arc<[u32]>,
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary").field("words", &self.words.len()).finish_non_exhaustive()
    }
}

impl Vocabulary {
    /// `words`: the bytes of each id, none of those that never stand in an answer. `ends`: the ids
    /// that end an answer.
    pub fn new(mut words: Vec<Vec<u8>>, ends: &[u32]) -> Result<Self, GrammarError> {
        let mut ends: Vec<u32> =
            ends.iter().copied().filter(|id| (*id as usize) < words.len()).collect();
        if ends.is_empty() {
            // A model that ends nothing: an id that it never says stands for the end.
            ends.push(words.len() as u32);
            words.push(Vec::new());
        }
        for end in &ends {
            words[*end as usize] = [&[TokTrie::SPECIAL_TOKEN_MARKER][..], b"<end>"].concat();
        }
        let info = TokRxInfo::new(words.len() as u32, ends[0]);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(&ends);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&env)
            .map_err(|err| GrammarError::Schema(first_line(&err.to_string())))?;
        factory.quiet();
        Ok(Self { factory: Arc::new(factory), words: words.into(), ends: ends.into() })
    }
}

/// A JSON schema as a mask over a vocabulary.
#[derive(Clone)]
pub struct Grammar {
    vocabulary: Vocabulary,
    matcher: Matcher,

    /// The tokens of an answer that is as short as we find one.
    shortest: usize,

    /// The same of an answer in which nothing is missing that may be there: opening a part never takes
    /// more to close.
    fullest: usize,
}

impl fmt::Debug for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grammar").field("shortest", &self.shortest).finish_non_exhaustive()
    }
}

impl Grammar {
    /// Fails for what is not understood in the schema, and where no answer can fit it.
    pub fn of_json_schema(vocabulary: &Vocabulary, schema: &Value) -> Result<Self, GrammarError> {
        let mut grammar = Self::parse(vocabulary, schema.clone())?;
        let Some(close) = grammar.begin().close(LONGEST_CLOSE) else {
            return Err(GrammarError::Unmet(
                "no short one was found that this model's tokens can say".to_owned(),
            ));
        };
        grammar.shortest = close.len();
        let mut filled = schema.clone();
        fill(&mut filled);
        let close = Self::parse(vocabulary, filled).ok();
        let close = close.and_then(|filled| filled.begin().close(LONGEST_CLOSE));
        grammar.fullest = close.map_or(0, |close| close.len()).max(2 * grammar.shortest);
        Ok(grammar)
    }

    fn parse(vocabulary: &Vocabulary, mut schema: Value) -> Result<Self, GrammarError> {
        if let Some(schema) = schema.as_object_mut() {
            // Spaces where people and models write them, and nowhere else: else an answer of
            // spaces would have no end.
            let spaces = serde_json::json!({
                "whitespace_flexible": false, "item_separator": ", ", "key_separator": ": ",
            });
            schema.insert("x-guidance".to_owned(), spaces);
        }
        let parser = vocabulary.factory.create_parser(TopLevelGrammar::from_json_schema(schema));
        let parser = parser.map_err(|err| {
            let said = first_line(&err.to_string());
            match said.strip_prefix("Unsatisfiable schema: ") {
                Some(reason) => GrammarError::Unmet(reason.to_owned()),
                None => GrammarError::Schema(said),
            }
        })?;
        let matcher = Matcher::new(Ok(parser));
        Ok(Self { vocabulary: vocabulary.clone(), matcher, shortest: 0, fullest: 0 })
    }

    /// The tokens that an answer takes at the least, nearly.
    pub fn shortest(&self) -> usize {
        self.shortest
    }

    pub fn begin(&self) -> Guide {
        Guide {
            vocabulary: self.vocabulary.clone(),
            matcher: self.matcher.deep_clone(),
            said: Vec::new(),
            watched: self.fullest + WATCHED,
            closing: None,
        }
    }
}

/// One answer on its way.
pub struct Guide {
    vocabulary: Vocabulary,
    matcher: Matcher,
    said: Vec<u8>,

    /// With this much room or less, every token is looked at before it is taken.
    watched: usize,

    /// What closes the answer, the next token last.
    closing: Option<Vec<u32>>,
}

impl Guide {
    /// The likeliest token that keeps the answer in its form. `room`: so many tokens may still come.
    /// `None`: the answer is complete.
    pub fn next(&mut self, scores: &[f32], room: usize) -> Result<Option<u32>, GrammarError> {
        if self.closing.is_none() {
            if self.matcher.is_stopped() {
                return Ok(None);
            }
            let mask = self.mask()?;
            let best = Self::likeliest(&mask, scores);
            let Some(best) = best else {
                return Err(GrammarError::Unmet(format!(
                    "after {} there is no way on",
                    String::from_utf8_lossy(&self.said)
                )));
            };
            if self.vocabulary.ends.contains(&best) {
                return Ok(None);
            }
            if room > self.watched || self.can_close_after(best, room) {
                self.take(best)?;
                return Ok(Some(best));
            }
            let mut close = self.close(LONGEST_CLOSE).ok_or_else(|| {
                GrammarError::Unmet("the answer could not be brought to an end".to_owned())
            })?;
            close.reverse();
            self.closing = Some(close);
        }
        let Some(id) = self.closing.as_mut().and_then(Vec::pop) else { return Ok(None) };
        self.take(id)?;
        Ok(Some(id))
    }

    /// The answer so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }

    /// Whether the answer was closed because its room came to an end.
    pub fn was_closed(&self) -> bool {
        self.closing.is_some()
    }

    fn mask(&mut self) -> Result<SimpleVob, GrammarError> {
        self.matcher.compute_mask().map_err(|err| GrammarError::Unmet(first_line(&err.to_string())))
    }

    fn likeliest(mask: &SimpleVob, scores: &[f32]) -> Option<u32> {
        let mut best: Option<(u32, f32)> = None;
        mask.iter_set_entries(|id| {
            // An id past the scores is one that the model never says.
            let score = scores.get(id).copied().unwrap_or(f32::NEG_INFINITY);
            if best.is_none_or(|(_, highest)| score > highest) {
                best = Some((id as u32, score));
            }
        });
        best.map(|(id, _)| id)
    }

    fn take(&mut self, id: u32) -> Result<(), GrammarError> {
        self.said.extend_from_slice(&self.vocabulary.words[id as usize]);
        self.matcher
            .consume_token(id)
            .map_err(|err| GrammarError::Unmet(first_line(&err.to_string())))
    }

    /// Whether the answer still comes to an end in its room with this token.
    fn can_close_after(&self, id: u32, room: usize) -> bool {
        let mut next = Self {
            vocabulary: self.vocabulary.clone(),
            matcher: self.matcher.deep_clone(),
            said: self.said.clone(),
            watched: self.watched,
            closing: None,
        };
        let Some(left) = room.checked_sub(1) else { return false };
        next.take(id).is_ok() && next.close(left.min(LONGEST_CLOSE)).is_some()
    }

    /// Tokens that bring the answer to its end, at most so many. Not always the fewest: whatever
    /// closes a string, a list, an object is taken wherever it is allowed.
    fn close(&self, most: usize) -> Option<Vec<u32>> {
        let mut matcher = self.matcher.deep_clone();
        let mut said = self.said.clone();
        let mut path = Vec::new();
        loop {
            if matcher.is_stopped() || matcher.is_accepting().ok()? {
                return Some(path);
            }
            if path.len() >= most {
                return None;
            }
            let mask = matcher.compute_mask().ok()?;
            let id = self.most_closing(&mask, is_in_a_string(&said))?;
            matcher.consume_token(id).ok()?;
            said.extend_from_slice(&self.vocabulary.words[id as usize]);
            path.push(id);
        }
    }

    fn most_closing(&self, mask: &SimpleVob, in_a_string: bool) -> Option<u32> {
        let mut best: Option<(u32, (u8, usize))> = None;
        mask.iter_set_entries(|id| {
            let word = &self.vocabulary.words[id];
            let Some(first) = word.first().copied().filter(|first| *first != 0xff) else { return };
            let ends = word.iter().all(|byte| b"\"}]".contains(byte));
            let long = usize::MAX - word.len();
            let key = match (in_a_string, first) {
                (true, b'"') if ends => (0, long),
                (true, b'"') | (false, b',') => (1, word.len()),
                (true, b'\\') => (3, word.len()),
                (true, _) => (2, long),
                (false, b'}' | b']') => (0, long),
                (false, b'"') => (2, word.len()),
                (false, b'n') => (3, long),
                (false, b't' | b'f') => (4, long),
                // Not zeros: a number just above 0 would have no end of them.
                (false, b'0'..=b'9') => (5, word.len() * 256 + usize::from(b'9' - first)),
                (false, b'-') => (6, word.len()),
                (false, b'[') => (7, word.len()),
                (false, b'{') => (8, word.len()),
                (false, _) => (9, word.len()),
            };
            if best.is_none_or(|(_, known)| key < known) {
                best = Some((id as u32, key));
            }
        });
        best.map(|(id, _)| id)
    }
}

/// Asks for everything that a schema lets an answer leave out.
fn fill(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(fill),
        Value::Object(object) => {
            object.values_mut().for_each(fill);
            if let Some(Value::Object(properties)) = object.get("properties") {
                let names = properties.keys().cloned().map(Value::String).collect();
                object.insert("required".to_owned(), Value::Array(names));
            }
            if object.contains_key("items") && object.get("minItems").is_none_or(|least| least == 0)
            {
                object.insert("minItems".to_owned(), Value::from(1));
            }
        }
        _ => {}
    }
}

/// Whether a JSON text ends inside a string.
fn is_in_a_string(json: &[u8]) -> bool {
    let (mut inside, mut escaped) = (false, false);
    for byte in json {
        match (escaped, byte) {
            (true, _) => escaped = false,
            (false, b'\\') => escaped = inside,
            (false, b'"') => inside = !inside,
            _ => {}
        }
    }
    inside
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A token for each byte, and 256 that ends an answer.
    fn bytes() -> Vocabulary {
        let mut words: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        words.push(Vec::new());
        Vocabulary::new(words, &[256]).unwrap()
    }

    /// What a model says that likes `liked` best of all bytes.
    fn answer(schema: &Value, liked: u8, room: usize) -> (Value, bool) {
        let grammar = Grammar::of_json_schema(&bytes(), schema).unwrap();
        let mut scores = vec![0.0; 257];
        scores[usize::from(liked)] = 1.0;
        let mut guide = grammar.begin();
        let mut left = room;
        while let Some(_id) = guide.next(&scores, left).unwrap() {
            left = left.checked_sub(1).expect("the room is enough");
        }
        (serde_json::from_str(&guide.text()).unwrap(), guide.was_closed())
    }

    #[test]
    fn an_answer_without_end_is_closed_in_its_form() {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "years": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
            },
            "required": ["name", "years"],
            "additionalProperties": false,
        });
        for room in [60, 61, 75, 120] {
            let (value, was_closed) = answer(&schema, b'a', room);
            assert!(was_closed);
            assert!(value["name"].as_str().unwrap().contains("aaa"), "{value}");
            assert_eq!(value["years"].as_array().unwrap().len(), 2);
        }
    }

    #[test]
    fn what_cannot_be_met_is_said_before_anything_is_asked() {
        for (schema, words) in [
            (json!({"type": "integer", "minimum": 5, "maximum": 3}), "no answer fits"),
            (json!({"not": {"type": "string"}}), "cannot be used"),
            (json!(false), "no answer fits"),
        ] {
            let said = Grammar::of_json_schema(&bytes(), &schema).unwrap_err().to_string();
            assert!(said.contains(words), "{schema}: {said}");
        }
    }

    #[test]
    fn a_model_says_the_likeliest_of_what_is_allowed() {
        let schema = json!({"enum": ["yes", "no"]});
        assert_eq!(answer(&schema, b'n', 40), (json!("no"), false));
        assert_eq!(answer(&schema, b'y', 40), (json!("yes"), false));
    }
}
