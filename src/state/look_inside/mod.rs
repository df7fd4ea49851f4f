//! The Look inside panel: a text, and what the loaded model makes of it, view by view.

pub mod slot;
pub mod subject;
pub mod tokens;
pub mod view;

use std::path::{Path, PathBuf};

use self::slot::Slot;
use self::subject::{Form, Question, Subject};
use self::tokens::Pieces;
use self::view::View;
use super::playground::{LaneView, PlaygroundState, Rendered};
use super::slots::{AdapterSlot, ModelSlot};

/// An answer of the Playground with its prompt, token for token.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Taken {
    ids: Vec<u32>,

    /// As the field shows it. Once that is edited, the field counts.
    text: String,

    /// Its ids mean nothing to another model.
    model: PathBuf,
}

/// Everything of the panel.
#[derive(Debug, Default)]
pub struct LookInsideState {
    pub text: String,
    pub form: Form,
    pub view: View,

    /// The text's field wants the cursor in the next frame.
    pub wants_cursor: bool,

    /// The token that is looked at.
    pub selected: Option<usize>,

    /// The token that is looked at was reached with a key: it may be out of sight.
    pub reveals: bool,

    /// What stands under the tokens: their ids.
    pub shows_ids: bool,
    taken: Option<Taken>,
    question: Option<Question>,

    /// Counts the questions: what belongs to an older one is not taken in.
    number: u64,
    pub tokens: Slot<Pieces>,
}

impl LookInsideState {
    /// Looks at what is in the field now.
    pub fn look(&mut self, model: &ModelSlot, adapter: &AdapterSlot) {
        let subject = model.ready().and_then(|card| self.subject(card.source.path()));
        let question = match (model.ready(), subject) {
            (Some(model), Some(subject)) => Some(Question::new(subject, model, adapter)),
            _ => None,
        };
        self.ask(question);
    }

    /// Looks again where what is in front was computed by another model or adapter; and at every
    /// letter that is typed where that costs nothing.
    pub fn follow(&mut self, model: &ModelSlot, adapter: &AdapterSlot) {
        let Some(card) = model.ready() else { return };
        let is_old = self.question.as_ref().is_some_and(|asked| !asked.is_of(card, adapter));
        if is_old || (self.view == View::Tokens && self.is_outdated(card.source.path())) {
            self.look(model, adapter);
        }
    }

    fn ask(&mut self, question: Option<Question>) {
        self.question = question;
        self.number += 1;
        self.selected = None;
        self.tokens = Slot::Empty;
    }

    pub fn question(&self) -> Option<&Question> {
        self.question.as_ref()
    }

    /// Which question is in front. Rows of tokens are kept by it.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the field holds something else than what is in front.
    pub fn is_outdated(&self, model: &Path) -> bool {
        let asked = self.question.as_ref().map(|question| &question.subject);
        match (asked, &self.taken) {
            (Some(Subject::Text { text, form }), _) if !self.is_taken(model) => {
                *text != self.text || *form != self.form
            }
            (Some(Subject::Ids(ids)), Some(taken)) if self.is_taken(model) => *ids != taken.ids,
            (None, _) => !self.text.is_empty(),
            _ => true,
        }
    }

    /// What is in the field now. `None`: nothing.
    fn subject(&self, model: &Path) -> Option<Subject> {
        match &self.taken {
            Some(taken) if self.is_taken(model) => Some(Subject::Ids(taken.ids.clone())),
            _ if self.text.is_empty() => None,
            _ => Some(Subject::Text { text: self.text.clone(), form: self.form }),
        }
    }

    /// Whether what is in the field is an answer of the Playground, token for token.
    pub fn is_taken(&self, model: &Path) -> bool {
        let is_it = |taken: &Taken| taken.text == self.text && taken.model == model;
        self.taken.as_ref().is_some_and(is_it)
    }

    /// Takes the last answer of the Playground with its prompt as `model` has read it.
    pub fn take(&mut self, playground: &PlaygroundState, model: &Path) {
        let Some((prompt, answer)) = last_answer(playground) else { return };
        let written = answer.tokens.iter().map(|token| token.id);
        let ids: Vec<u32> = prompt.ids.iter().copied().chain(written).collect();
        self.text = prompt.text.clone() + &answer.text();
        self.taken = Some(Taken { ids, text: self.text.clone(), model: model.to_owned() });
    }

    /// Closes what is in front of the panel. False: there is nothing.
    pub fn close_topmost(&mut self) -> bool {
        self.selected.take().is_some()
    }

    /// Moves to the token so many places on.
    pub fn step(&mut self, by: isize) {
        let Some(count) = self.tokens.ready().map(|pieces| pieces.list.len()) else { return };
        let next = match self.selected {
            Some(at) => at.saturating_add_signed(by).min(count.saturating_sub(1)),
            None => 0,
        };
        self.selected = (count > 0).then_some(next);
        self.reveals = true;
    }

    /// Whether something has to be computed for the view in front.
    pub fn is_due(&self) -> bool {
        self.question.is_some() && self.tokens.is_empty()
    }

    /// The panel, for whoever has worked on the question of this number; `None`: another is in
    /// front by now.
    pub fn of(&mut self, number: u64) -> Option<&mut Self> {
        (number == self.number).then_some(self)
    }

    pub fn is_running(&self) -> bool {
        self.tokens.is_running()
    }
}

/// The answer that is in front in the Playground, or that was there last, with its prompt.
pub fn last_answer(playground: &PlaygroundState) -> Option<(&Rendered, &LaneView)> {
    let prompt = playground.rendered.as_ref()?;
    let answer = playground.lanes.get(playground.followed_lane())?;
    (!playground.running && !answer.tokens.is_empty()).then_some((prompt, answer))
}
