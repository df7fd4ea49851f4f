//! What a conversation is made of: answers as they were shown, turns with their versions, and how
//! all of it is kept.

use crate::llm::generate::{Answer, Lane, ToldToken};
use crate::prompts::chats::{Asked, Said};

/// A token of an answer.
#[derive(Clone, Debug)]
pub struct ShownToken {
    pub id: u32,
    pub text: String,

    /// Before the sampling chain.
    pub probability: f32,

    /// Whether it was guessed before the model computed it.
    pub is_guessed: bool,
}

/// One answer as it grows.
#[derive(Clone, Debug)]
pub struct LaneView {
    pub lane: Lane,
    pub tokens: Vec<ShownToken>,

    /// Tokens of the prompt that are read, of all.
    pub reading: Option<(usize, usize)>,
    pub answer: Option<Answer>,

    /// Of a server's answer, what it says of each of [`Self::tokens`]. Else empty.
    pub told: Vec<ToldToken>,

    /// Whether the scores after the last token are there.
    pub has_next: bool,
    pub(super) first_token_secs: Option<f64>,
    pub(super) last_token_secs: Option<f64>,
}

impl LaneView {
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            lane,
            tokens: Vec::new(),
            reading: None,
            answer: None,
            told: Vec::new(),
            has_next: false,
            first_token_secs: None,
            last_token_secs: None,
        }
    }

    /// What has been answered so far.
    pub fn text(&self) -> String {
        match &self.answer {
            Some(answer) => answer.text.clone(),
            None => self.tokens.iter().map(|token| token.text.as_str()).collect(),
        }
    }

    pub fn tokens_per_sec(&self) -> Option<f64> {
        if let Some(answer) = &self.answer {
            // A server says no ids, and its first token is there when the time begins.
            let count = if self.told.is_empty() { answer.ids.len() } else { self.told.len() - 1 };
            let any = answer.generation_secs > 0.0 && count > 0;
            return any.then(|| count as f64 / answer.generation_secs);
        }
        let elapsed = self.last_token_secs? - self.first_token_secs?;
        (elapsed > 0.0).then(|| (self.tokens.len() - 1) as f64 / elapsed)
    }
}

/// A question of a conversation and its answers.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    pub question: String,

    /// What the conversation continues from.
    pub answer: String,

    /// The answers as they were shown, token by token. Empty where only the text is known.
    pub lanes: Vec<LaneView>,

    /// The same as text, where they come from a file.
    pub said: Vec<Said>,

    /// Which of the answers is [`Self::answer`].
    pub followed: usize,

    /// The model and the settings, where they are known.
    pub asked: Option<Asked>,
    pub others: Others,
}

/// The versions of a turn that are not shown, and where among them the shown one stands.
#[derive(Clone, Debug, Default)]
pub struct Others {
    pub before: Vec<Version>,
    pub after: Vec<Version>,
}

/// A version of a turn that is not shown.
#[derive(Clone, Debug)]
pub struct Version {
    /// Without [`Turn::others`].
    pub turn: Turn,

    /// The turns that followed it.
    pub later: Vec<Turn>,
}

impl Others {
    /// The number of the shown version from 1, and how many there are.
    pub fn place(&self) -> (usize, usize) {
        let number = self.before.len() + 1;
        (number, number + self.after.len())
    }
}

impl Turn {
    /// The neighbouring version, with what followed it. `later`: what follows the shown one.
    pub(super) fn stepped(mut self, is_forward: bool, later: Vec<Self>) -> (Self, Vec<Self>) {
        let mut others = std::mem::take(&mut self.others);
        let next = if is_forward {
            (!others.after.is_empty()).then(|| others.after.remove(0))
        } else {
            others.before.pop()
        };
        let Some(Version { turn: mut next, later: its_later }) = next else {
            self.others = others;
            return (self, later);
        };
        let left = Version { turn: self, later };
        if is_forward {
            others.before.push(left);
        } else {
            others.after.insert(0, left);
        }
        next.others = others;
        (next, its_later)
    }

    /// It and all its versions, as those of an answer that takes its place.
    pub(super) fn replaced(mut self, later: Vec<Self>) -> Others {
        let Others { mut before, after } = std::mem::take(&mut self.others);
        if !self.answer.is_empty() {
            before.push(Version { turn: self, later });
        }
        before.extend(after);
        Others { before, after: Vec::new() }
    }
}

/// How a conversation is kept in the project.
#[derive(Clone, Debug, Default)]
pub struct Keeping {
    /// The name of its file; empty until it is first kept.
    pub id: String,
    pub started_at: String,
    pub changed_at: String,

    /// Its file is not what it is now, and nobody is writing it.
    pub is_dirty: bool,

    /// Its file is in the project.
    pub is_saved: bool,
}

/// A conversation that is not in front.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    pub keeping: Keeping,
    pub system: String,
    pub turns: Vec<Turn>,
}

impl Chat {
    /// Its first question, for a list.
    pub fn title(&self) -> &str {
        self.turns.first().map_or("", |turn| turn.question.trim())
    }

    /// Whether all words of a query stand in it, in any version.
    pub fn fits(&self, query: &str) -> bool {
        fn gather(turns: &[Turn], all: &mut String) {
            for turn in turns {
                for text in [&turn.question, &turn.answer] {
                    all.push('\n');
                    all.push_str(&text.to_lowercase());
                }
                for other in turn.others.before.iter().chain(&turn.others.after) {
                    gather(std::slice::from_ref(&other.turn), all);
                    gather(&other.later, all);
                }
            }
        }
        if query.trim().is_empty() {
            return true;
        }
        let mut all = self.system.to_lowercase();
        gather(&self.turns, &mut all);
        query.split_whitespace().all(|word| all.contains(&word.to_lowercase()))
    }
}

/// A question is being edited or asked again.
#[derive(Clone, Debug)]
pub struct Editing {
    /// What was in the field before.
    pub draft: String,

    /// The turn that the new answer takes the place of.
    pub at: usize,
}
