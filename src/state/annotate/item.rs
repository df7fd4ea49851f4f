//! The prompt in front, what was said of the others, and the verdicts that were given.

use serde_json::Value;

use crate::data::pair::{Text, Verdict};
use crate::data::record::{AdapterUsed, ShownAnswer, VerdictRecord};

/// How far the two answers are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Phase {
    /// Nothing was asked yet.
    #[default]
    Waiting,

    /// The answers are being written.
    Answering,

    /// Both answers are there, since this second.
    Ready { since: f64 },

    /// The writing ended before both were there.
    Halted,
}

/// What was said of a prompt of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub verdict: Verdict,
    pub flagged: bool,
}

impl Mark {
    pub fn of(record: &VerdictRecord) -> Self {
        Self { verdict: record.verdict, flagged: record.remarks.flagged }
    }
}

/// The prompt in front.
#[derive(Clone, Debug, Default)]
pub struct Item {
    pub phase: Phase,

    /// What was really asked, which the sliders may have moved away from.
    pub asked: Option<Asked>,
    pub rendered_prompt: String,

    /// By lane, not by side.
    pub answers: [ShownAnswer; 2],
    pub left_lane: usize,

    /// How much of the prompt was read, in tokens, before the first token of an answer.
    pub reading: Option<(usize, usize)>,
}

#[derive(Clone, Debug)]
pub struct Asked {
    pub prompt: Text,
    pub model: Value,
    pub adapter: Option<AdapterUsed>,
    pub sampling: Value,
    pub max_new_tokens: usize,

    /// Which model gave which answer, by lane, where they differ.
    pub models: Option<[String; 2]>,
}

impl Item {
    /// Whether both answers have the same words, as greedy decoding makes them.
    pub fn has_equal_answers(&self) -> bool {
        let [first, second] = &self.answers;
        first.text.trim() == second.text.trim()
    }

    /// The two answers of a verdict that was taken back.
    pub fn of(record: &VerdictRecord, now: f64) -> Self {
        let models = record
            .models()
            .map(|[left, right]| if record.left_lane == 0 { [left, right] } else { [right, left] });
        let VerdictRecord { left, right, left_lane, rendered_prompt, .. } = record.clone();
        let phase = match [&left.stop, &right.stop] {
            [Some(_), Some(_)] => Phase::Ready { since: now },
            [None, None] if left.text.is_empty() && right.text.is_empty() => {
                return Self::default();
            }
            _ => Phase::Halted,
        };
        let asked = Asked {
            prompt: record.prompt.clone(),
            model: record.model.clone(),
            adapter: record.adapter.clone(),
            sampling: record.sampling.clone(),
            max_new_tokens: record.max_new_tokens,
            models,
        };
        let answers = if left_lane == 0 { [left, right] } else { [right, left] };
        // A file may say anything.
        let left_lane = left_lane.min(1);
        Self { phase, asked: Some(asked), rendered_prompt, answers, left_lane, reading: None }
    }
}
