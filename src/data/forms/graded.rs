//! Data sets whose answers are graded against each other: NVIDIA's `HelpSteer`, and Nectar.

use serde_json::Value;

use super::content::{Fault, Fields, Turned};
use super::feedback::{asked, number, preferred, said};
use super::value::{as_text, given, needed, plain};
use crate::data::pair::{Message, Text};

const TIE: &str = "neither of its answers is better (a strength of 0)";
const NO_STRENGTH: &str = "its strength is no number from -3 to 3";
const NO_RANKS: &str = "its answers have no ranks, or all the same";

/// What `HelpSteer` calls its two answers and how much better the second is: from -3 to 3, and below 0 where
/// the first is better.
const STEERED: [[&str; 3]; 2] = [
    ["response_1", "response_2", "preference_strength"],
    ["response1", "response2", "overall_preference"],
];

fn steered(row: &Fields) -> Option<[&'static str; 3]> {
    let has_all = |keys: &[&str; 3]| keys.iter().all(|key| given(row, key).is_some());
    STEERED.into_iter().find(has_all)
}

pub(super) fn is_helpsteer(row: &Fields) -> bool {
    steered(row).is_some() && (given(row, "prompt").is_some() || given(row, "context").is_some())
}

/// `HelpSteer2`: `{"prompt", "response_1", "response_2", "preference_strength"}`; `HelpSteer3`: `{"context":
/// messages, "response1", "response2", "overall_preference"}`.
pub(super) fn helpsteer(row: &Fields) -> Result<Turned, Fault> {
    let keys = steered(row).unwrap_or(STEERED[0]);
    let [first, second] = [keys[0], keys[1]].map(|key| plain(key, needed(row, key)?));
    let (first, second) = (said(&first?), said(&second?));
    let prompt = match given(row, "context") {
        Some(context) => as_text("context", context)?,
        None => asked(&plain("prompt", needed(row, "prompt")?)?),
    };
    Ok(match number(needed(row, keys[2])?) {
        Some(0.0) => Turned::LeftOut(TIE),
        Some(strength) if (-3.0..0.0).contains(&strength) => preferred(prompt, first, second),
        Some(strength) if strength > 0.0 && strength <= 3.0 => preferred(prompt, second, first),
        _ => Turned::LeftOut(NO_STRENGTH),
    })
}

pub(super) fn is_nectar(row: &Fields) -> bool {
    let answers = given(row, "answers").and_then(Value::as_array);
    let is_ranked = |answer: &Value| answer.get("answer").is_some() && answer.get("rank").is_some();
    given(row, "prompt").is_some()
        && answers.is_some_and(|answers| answers.len() > 1 && answers.iter().all(is_ranked))
}

/// Nectar: `{"prompt", "answers": [{"answer", "rank"}]}`. The best rank against the last.
pub(super) fn nectar(row: &Fields) -> Result<Turned, Fault> {
    let prompt = transcript(&plain("prompt", needed(row, "prompt")?)?);
    let answers = needed(row, "answers")?.as_array().map_or(&[][..], Vec::as_slice);
    let ranked = answers
        .iter()
        .filter_map(|answer| Some((number(answer.get("rank")?)?, answer.get("answer")?.as_str()?)));
    let ranked: Vec<(f64, &str)> = ranked.collect();
    let best = ranked.iter().min_by(|one, other| one.0.total_cmp(&other.0));
    let last = ranked.iter().rev().max_by(|one, other| one.0.total_cmp(&other.0));
    Ok(match (best, last) {
        (Some(best), Some(last)) if best.0 < last.0 => {
            preferred(prompt, said(best.1), said(last.1))
        }
        _ => Turned::LeftOut(NO_RANKS),
    })
}

/// `\n\nHuman: … \n\nAssistant: …` as messages; other words are one question. An assistant's turn at the end
/// that is empty is where the answers stand.
fn transcript(words: &str) -> Text {
    const SPEAKERS: [(&str, &str); 2] = [("Human:", "user"), ("Assistant:", "assistant")];
    let mut messages: Vec<Message> = Vec::new();
    for part in format!("\n\n{}", words.trim_start()).split("\n\n").skip(1) {
        let speaker =
            SPEAKERS.iter().find_map(|(name, role)| Some((*role, part.strip_prefix(*name)?)));
        if let Some((role, words)) = speaker {
            messages.push(Message::new(role, words.trim_start()));
        } else if let Some(last) = messages.last_mut() {
            last.content.push_str("\n\n");
            last.content.push_str(part);
        } else {
            return asked(words);
        }
    }
    messages.iter_mut().for_each(|message| message.content = message.content.trim().to_owned());
    if messages.last().is_some_and(|last| last.role == "assistant" && last.content.is_empty()) {
        messages.pop();
    }
    Text::Messages(messages)
}
