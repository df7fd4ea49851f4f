//! Data sets of judged answers: `UltraFeedback` with its four scored answers, arenas with a winner, SHP.

use serde_json::Value;

use super::content::{Content, Fault, Fields, Turned};
use super::value::{as_text, given, needed, plain};
use crate::data::literal;
use crate::data::pair::{Message, PreferencePair, Text, extract_prompt};

const TIE: &str = "it is a tie, so no answer is better";
const UNDECIDED: &str = "it does not say which answer is better";

pub(crate) fn said(words: &str) -> Text {
    Text::Messages(vec![Message::new("assistant", words)])
}

pub(crate) fn asked(words: &str) -> Text {
    Text::Messages(vec![Message::new("user", words)])
}

/// `{"instruction", "completions": [{"response", "overall_score"}]}`: the best answer and the worst.
pub(crate) fn ultrafeedback(row: &Fields) -> Result<Turned, Fault> {
    let instruction = plain("instruction", needed(row, "instruction")?)?;
    let answers = needed(row, "completions")?.as_array().map_or(&[][..], Vec::as_slice);
    let mut scored = Vec::new();
    for answer in answers {
        let score = ["overall_score", "fine-grained_score", "score"]
            .iter()
            .find_map(|key| number(answer.get(key)?));
        let words = answer.get("response").and_then(Value::as_str);
        if let (Some(score), Some(words)) = (score, words) {
            scored.push((score, words));
        }
    }
    // Of answers with the same score, the first.
    let best = scored.iter().rev().max_by(|a, b| a.0.total_cmp(&b.0));
    let worst = scored.iter().min_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(best), Some(worst)) = (best, worst) else {
        return Ok(Turned::LeftOut("its answers have no scores"));
    };
    if scored.len() < 2 {
        return Ok(Turned::LeftOut("only one of its answers has a score"));
    }
    if best.0 <= worst.0 {
        return Ok(Turned::LeftOut(TIE));
    }
    Ok(preferred(asked(&instruction), said(best.1), said(worst.1)))
}

pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

pub(crate) fn preferred(prompt: Text, chosen: Text, rejected: Text) -> Turned {
    Turned::Into(Content::Preference(PreferencePair { prompt, chosen, rejected }))
}

/// Which of two answers won.
pub(crate) enum Winner {
    First,
    Second,
    Tie,
    Nobody,
}

impl Winner {
    /// By the words for it: `model_a`, `A`, `tie`, `tie (bothbad)`.
    pub fn of(words: &str) -> Self {
        let words = words.trim().to_lowercase();
        if words.contains("tie")
            || words.contains("equal")
            || words.contains("same")
            || words.contains("both")
        {
            return Self::Tie;
        }
        let name = words.trim_start_matches(|c: char| c == '"' || c.is_whitespace());
        match name {
            "a" | "model_a" | "model a" | "response_a" | "left" | "first" | "text1" => Self::First,
            "b" | "model_b" | "model b" | "response_b" | "right" | "second" | "text2" => {
                Self::Second
            }
            _ if name.ends_with('a') && name.len() <= 12 && name.contains(['_', '-', ' ']) => {
                Self::First
            }
            _ if name.ends_with('b') && name.len() <= 12 && name.contains(['_', '-', ' ']) => {
                Self::Second
            }
            _ if name.ends_with('1') => Self::First,
            _ if name.ends_with('2') => Self::Second,
            _ => Self::Nobody,
        }
    }

    pub fn pair(self, prompt: Text, first: Text, second: Text) -> Turned {
        match self {
            Self::First => preferred(prompt, first, second),
            Self::Second => preferred(prompt, second, first),
            Self::Tie => Turned::LeftOut(TIE),
            Self::Nobody => Turned::LeftOut(UNDECIDED),
        }
    }
}

/// `{"conversation_a", "conversation_b", "winner"}`, or `{"prompt", "response_a", "response_b"}` with
/// the winner in a column of its own or in `winner_model_a` and its neighbours.
pub(crate) fn arena(row: &Fields) -> Result<Turned, Fault> {
    let is_won = |key: &str| {
        given(row, key).and_then(number).is_some_and(|won| won > 0.0)
            || given(row, key).and_then(Value::as_bool) == Some(true)
    };
    let winner = match given(row, "winner").or_else(|| given(row, "preference")) {
        Some(Value::String(words)) => Winner::of(words),
        None if is_won("winner_model_a") => Winner::First,
        None if is_won("winner_model_b") => Winner::Second,
        None if is_won("winner_tie") => Winner::Tie,
        Some(_) | None => Winner::Nobody,
    };
    if given(row, "conversation_a").is_some() {
        let [first, second] = ["conversation_a", "conversation_b"]
            .map(|key| needed(row, key).and_then(|value| as_text(key, value)));
        let Some(pair) = extract_prompt(first?, second?) else {
            let sentence = "\"conversation_a\" and \"conversation_b\" do not begin alike";
            return Err(Fault::new("conversation_a", sentence.to_owned()));
        };
        return Ok(winner.pair(pair.prompt, pair.chosen, pair.rejected));
    }
    let words = |key: &str| needed(row, key).and_then(|value| plain_or_list(key, value));
    let (prompt, first, second) = (words("prompt")?, words("response_a")?, words("response_b")?);
    // Turns as lists: of a CSV as JSON in a text.
    let turns = |answers: &str| Some(dialogue(&list(&prompt)?, &list(answers)?));
    if let (Some(first), Some(second)) = (turns(&first), turns(&second)) {
        return Ok(match extract_prompt(first?, second?) {
            Some(pair) => winner.pair(pair.prompt, pair.chosen, pair.rejected),
            None => Turned::LeftOut("its two dialogues do not begin alike"),
        });
    }
    Ok(winner.pair(asked(&prompt), said(&first), said(&second)))
}

/// A text; a list as JSON.
fn plain_or_list(key: &str, value: &Value) -> Result<String, Fault> {
    match value {
        Value::Array(_) => Ok(value.to_string()),
        other => plain(key, other),
    }
}

/// Texts that a text holds as a list. Null is an answer that was never given.
fn list(text: &str) -> Option<Vec<String>> {
    let Value::Array(items) = literal::list_or_object(text)? else { return None };
    let words = |item: Value| match item {
        Value::String(words) => Some(words),
        Value::Null => Some(String::new()),
        _ => None,
    };
    items.into_iter().map(words).collect::<Option<Vec<String>>>().filter(|all| !all.is_empty())
}

fn dialogue(questions: &[String], answers: &[String]) -> Result<Text, Fault> {
    if questions.len() != answers.len() {
        let sentence = format!(
            "\"prompt\" holds {} turns and an answer {}: each turn needs its answer",
            questions.len(),
            answers.len()
        );
        return Err(Fault::new("prompt", sentence));
    }
    let turns = questions.iter().zip(answers);
    let turns = turns.flat_map(|(question, answer)| {
        [Message::new("user", question), Message::new("assistant", answer)]
    });
    Ok(Text::Messages(turns.collect()))
}

/// Stanford's human preferences: `{"history", "human_ref_A", "human_ref_B", "labels"}`.
pub(crate) fn shp(row: &Fields) -> Result<Turned, Fault> {
    let words = |key: &str| needed(row, key).and_then(|value| plain(key, value));
    let winner = match number(needed(row, "labels")?) {
        Some(1.0) => Winner::First,
        Some(0.0) => Winner::Second,
        _ => Winner::Nobody,
    };
    let (first, second) = (words("human_ref_A")?, words("human_ref_B")?);
    Ok(winner.pair(asked(&words("history")?), said(&first), said(&second)))
}
