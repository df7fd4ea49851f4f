//! A conversation: its turns, each with the versions that it had, and the conversations before it.
//!
//! The last turn is in front while its answer is known token by token; the others are in
//! [`PlaygroundState::turns`]. What is done to a turn takes its place among all of them, from 0.

use super::turn::{Chat, Editing, LaneView, Others, Turn, Version};
use super::{Mode, PlaygroundState};
use crate::data::pair::Message;
use crate::llm::generate::GenerateRequest;
use crate::prompts::chats::Asked;
use crate::prompts::material::Manner;

impl PlaygroundState {
    /// Turns of the conversation, with the one in front.
    pub fn turn_count(&self) -> usize {
        self.turns.len() + usize::from(self.has_front())
    }

    fn has_front(&self) -> bool {
        let answer = self.lanes.get(self.followed_lane()).map(LaneView::text);
        self.asked_in == Mode::Chat
            && !self.question.is_empty()
            && answer.is_some_and(|answer| !answer.is_empty())
    }

    /// What was asked and answered, oldest first.
    pub fn exchanges(&self) -> Vec<(String, String)> {
        let said = self.turns.iter().map(|turn| (turn.question.clone(), turn.answer.clone()));
        let mut said: Vec<(String, String)> = said.collect();
        if self.has_front() {
            said.push((self.question.clone(), self.lanes[self.followed_lane()].text()));
        }
        said
    }

    /// The conversation with the prompt as its newest question.
    pub(super) fn messages(&self) -> Vec<Message> {
        let mut messages = Vec::new();
        if !self.system.trim().is_empty() {
            messages.push(Message::new("system", &self.system));
        }
        let before = self.editing.as_ref().map_or(usize::MAX, |editing| editing.at);
        for (question, answer) in self.exchanges().into_iter().take(before) {
            messages.push(Message::new("user", &question));
            messages.push(Message::new("assistant", &answer));
        }
        messages.push(Message::new("user", &self.prompt));
        messages
    }

    /// The answer in front as a turn, in place of what is there.
    fn take_front(&mut self) -> Vec<Turn> {
        let others = std::mem::take(&mut self.others);
        let followed = self.followed_lane();
        let answer = self.lanes.get(followed).map(LaneView::text).unwrap_or_default();
        let question = std::mem::take(&mut self.question);
        let (lanes, asked) = (std::mem::take(&mut self.lanes), self.asked.take());
        self.clear_answers();
        if !answer.is_empty() {
            let said = Vec::new();
            return vec![Turn { question, answer, lanes, said, followed, asked, others }];
        }
        // Nothing was answered: the version before it is there again.
        let Others { mut before, mut after } = others;
        let last = before.pop().or_else(|| (!after.is_empty()).then(|| after.remove(0)));
        let Some(Version { mut turn, later }) = last else { return Vec::new() };
        turn.others = Others { before, after };
        [vec![turn], later].concat()
    }

    /// All turns, out of the state.
    fn take_path(&mut self) -> Vec<Turn> {
        let mut path = std::mem::take(&mut self.turns);
        if self.asked_in == Mode::Chat {
            path.extend(self.take_front());
        }
        path
    }

    /// Shows these turns: the last one in front, where it is known token by token.
    fn set_path(&mut self, mut path: Vec<Turn>) {
        self.clear_answers();
        let front = path.pop_if(|turn| !turn.lanes.is_empty());
        self.turns = path;
        (self.others, self.asked) = (Others::default(), None);
        if let Some(Turn { question, lanes, asked, others, followed, .. }) = front {
            (self.question, self.lanes, self.asked, self.others) = (question, lanes, asked, others);
            let token = self.lanes.get(followed).map_or(0, |lane| lane.tokens.len());
            // The answer that the conversation follows is the one that is looked at.
            self.selected = (followed > 0).then(|| crate::state::scores::Position {
                lane: followed,
                token: token.saturating_sub(1),
            });
        }
        (self.asked_in, self.predicted) = (Mode::Chat, false);
    }

    /// What the turns become as a request is sent: its answer is the new front.
    pub(super) fn turn_over(&mut self, request: &GenerateRequest) {
        let asked = Asked {
            model: String::new(),
            adapter: None,
            settings: Manner {
                sampling: request.sampling.clone(),
                max_new_tokens: request.max_new_tokens,
                stop: request.stop_strings.clone(),
                seed: self.seed,
            },
        };
        let editing = self.editing.take();
        let mut path = self.take_path();
        let edited = editing.filter(|editing| editing.at < path.len());
        let others = edited.map_or_else(Others::default, |Editing { at, .. }| {
            let later = path.split_off(at + 1);
            let old = path.pop().expect("the place is one of the path's");
            old.replaced(later)
        });
        self.turns = path;
        (self.others, self.asked) = (others, Some(asked));
    }

    /// Another answer comes to the front: as one more turn, or as another version of the last one.
    pub(super) fn make_way(&mut self, is_version: bool) {
        if self.asked_in == Mode::Raw {
            self.leave();
            return;
        }
        let mut path = self.take_path();
        let old = if is_version { path.pop() } else { None };
        self.turns = path;
        self.others = old.map(|old| old.replaced(Vec::new())).unwrap_or_default();
        self.asked = None;
    }

    /// Who answers the request that was just sent.
    pub fn note_model(&mut self, model: &str, adapter: Option<&str>) {
        if let Some(asked) = &mut self.asked {
            model.clone_into(&mut asked.model);
            asked.adapter = adapter.map(str::to_owned);
        }
    }

    /// The versions of a turn: which one is shown from 1, and how many there are.
    pub fn versions(&self, at: usize) -> (usize, usize) {
        self.turns.get(at).map_or(&self.others, |turn| &turn.others).place()
    }

    /// Shows the version of a turn before or after this one, and what followed it.
    pub fn step_version(&mut self, at: usize, is_forward: bool) {
        if self.running || self.editing.is_some() {
            return;
        }
        let mut path = self.take_path();
        if at < path.len() {
            let later = path.split_off(at + 1);
            let turn = path.pop().expect("the place is one of the path's");
            let (turn, later) = turn.stepped(is_forward, later);
            path.push(turn);
            path.extend(later);
        }
        self.set_path(path);
        self.touch();
    }

    /// Takes a turn out of the conversation. [`Self::undo_delete`] puts it back.
    pub fn delete_turn(&mut self, at: usize) {
        if self.running || self.editing.is_some() {
            return;
        }
        let mut path = self.take_path();
        if at < path.len() {
            let turn = path.remove(at);
            self.removed.push((at, turn));
        }
        self.set_path(path);
        self.touch();
    }

    pub fn can_undo_delete(&self) -> bool {
        !self.removed.is_empty() && !self.running && self.editing.is_none()
    }

    pub fn undo_delete(&mut self) {
        let Some((at, turn)) = self.removed.pop() else { return };
        let mut path = self.take_path();
        path.insert(at.min(path.len()), turn);
        self.set_path(path);
        self.touch();
    }

    /// Asks the question of a turn once more: the new answer is another version of it.
    pub fn ask_turn_again(&mut self, at: usize) {
        if self.editing.is_none() {
            self.edit_turn(at);
        }
    }

    /// Asks the last question once more.
    pub fn ask_again(&mut self) {
        self.ask_turn_again(self.last_turn());
    }

    fn last_turn(&self) -> usize {
        // A question whose answer did not come is asked again as a new one.
        self.turns.len() - usize::from(self.lanes.is_empty() && !self.turns.is_empty())
    }

    /// Puts the question of a turn back into the field. Its answer stays until the new question is
    /// sent, and [`Self::keep_answer`] calls it off.
    pub fn edit_turn(&mut self, at: usize) {
        let question = match self.turns.get(at) {
            Some(turn) => turn.question.clone(),
            None => self.question.clone(),
        };
        if question.is_empty() || self.editing.is_some() {
            return;
        }
        let draft = std::mem::replace(&mut self.prompt, question);
        self.editing = Some(Editing { draft, at });
        self.wants_cursor = true;
    }

    pub fn edit_last(&mut self) {
        self.edit_turn(self.last_turn());
    }

    pub fn is_editing(&self) -> bool {
        self.editing.is_some()
    }

    /// The turn that is being edited.
    pub fn edited_turn(&self) -> Option<usize> {
        self.editing.as_ref().map(|editing| editing.at)
    }

    /// The edited question is not asked after all.
    pub fn keep_answer(&mut self) {
        if let Some(Editing { draft, .. }) = self.editing.take() {
            self.prompt = draft;
        }
    }

    /// The conversation in front has changed: it is to be kept.
    pub fn touch(&mut self) {
        self.keeping.is_dirty = true;
        self.keeping.is_saved = false;
    }

    /// Begins a new conversation. The one in front can be opened again.
    pub fn new_chat(&mut self) {
        self.leave();
        self.editing = None;
        self.wants_cursor = true;
        self.clear_answers();
    }

    /// Puts the conversation in front among those that can be opened.
    pub(super) fn leave(&mut self) {
        let is_raw = self.asked_in == Mode::Raw;
        let mut turns = std::mem::take(&mut self.turns);
        let front = self.take_front();
        if is_raw && !front.is_empty() {
            self.keeping.is_dirty = true;
        }
        turns.extend(front);
        self.removed.clear();
        let keeping = std::mem::take(&mut self.keeping);
        if !turns.is_empty() {
            self.past.push(Chat { keeping, system: self.system.clone(), turns });
        }
    }

    /// Whether anything was asked and answered.
    pub fn has_chat(&self) -> bool {
        !self.turns.is_empty() || !self.lanes.is_empty()
    }

    pub fn has_past(&self) -> bool {
        !self.past.is_empty()
    }

    /// Brings a conversation of [`Self::past_chats`] to the front; the one in front takes its place
    /// among them.
    pub fn open_chat(&mut self, at: usize) {
        if self.running || at >= self.past.len() {
            return;
        }
        let Chat { keeping, system, turns } = self.past.remove(at);
        self.new_chat();
        (self.keeping, self.system) = (keeping, system);
        self.set_path(turns);
        self.mode = Mode::Chat;
    }

    /// The conversations that are not in front, the latest last.
    pub fn past_chats(&self) -> &[Chat] {
        &self.past
    }

    pub(super) fn clear_answers(&mut self) {
        self.question.clear();
        self.lanes.clear();
        self.rendered = None;
        self.selected = None;
        self.scores.clear();
        self.version += 1;
    }
}
