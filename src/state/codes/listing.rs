//! What the list of items holds, and how a verdict reads in it.

use super::item_list::{ItemList, Which};
use super::session::Session;
use crate::study::value::Value;
use crate::study::variable::{FIRST, SECOND};

impl ItemList {
    pub fn of(session: &Session, which: Which) -> Self {
        let (_, all) = session.progress();
        let is_listed = |at: &usize| {
            let verdict = session.verdict_at(*at);
            match which {
                Which::All => true,
                Which::Open => verdict.is_none(),
                Which::Flagged => verdict.is_some_and(|verdict| verdict.flagged),
                Which::Unknown => verdict.is_some_and(|verdict| {
                    verdict.values.iter().any(|(_, value)| !value.is_known())
                }),
            }
        };
        Self { which, rows: (0..all).filter(is_listed).collect() }
    }
}

/// What was said at a place of the plan, in few words; of two answers by the sides on which they stood.
pub fn said(session: &Session, at: usize) -> Option<String> {
    let verdict = session.verdict_at(at)?;
    let of_side = |words: &str| match (words, verdict.left) {
        (FIRST, Some(left)) => Some(if left == 0 { "left" } else { "right" }),
        (SECOND, Some(left)) => Some(if left == 0 { "right" } else { "left" }),
        _ => None,
    };
    let shown = |value: &Value| match value {
        Value::Words(words) if of_side(words).is_some() => {
            of_side(words).unwrap_or_default().to_owned()
        }
        value => {
            let shown = value.shown();
            let start: String = shown.chars().take(40).collect();
            if start.len() < shown.len() { format!("{start}…") } else { start }
        }
    };
    let said: Vec<String> = verdict.values.iter().map(|(_, value)| shown(value)).collect();
    Some(if said.is_empty() { "skipped".to_owned() } else { said.join(", ") })
}
