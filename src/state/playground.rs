//! The Playground panel: a prompt, the answers to it, and what else each token could have been.

mod kept;

use std::sync::Arc;

use crate::data::pair::Message;
use crate::llm::card::ModelCard;
use crate::llm::generate::sampling::{Distribution, SamplingParams, Stage, distribution};
use crate::llm::generate::{
    AdapterMode, Answer, GenerateEvent, GenerateRequest, Lane, Prompt, TokenStep,
};
use crate::llm::text::tokenizer::Tokenizer;

use super::prefs::Prefs;
use super::scores::{Position, ScoreStore, Scores};
use super::slots::AdapterSlot;

/// How many tokens the next-token panel shows.
pub const CANDIDATE_COUNT: usize = 15;

/// So many conversations that were left can be had back.
const MOST_PAST: usize = 20;

/// Whether the prompt goes through the chat template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Continue the text as it stands.
    Raw,
    #[default]
    Chat,
}

/// Which answers are asked for, where an adapter is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answers {
    /// One, as the adapter's switch says.
    #[default]
    One,

    /// One without and one with the adapter, from the same seed.
    SideBySide,
}

/// A finished question of a conversation and its answers.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    pub question: String,

    /// What the conversation goes on from.
    pub answer: String,

    /// The answers as they were shown, token by token. Empty where only the text is known.
    pub lanes: Vec<LaneView>,

    /// Which of [`Self::lanes`] is [`Self::answer`].
    pub followed: usize,
}

/// A conversation that was left for a new one.
#[derive(Clone, Debug)]
struct Chat {
    turns: Vec<Turn>,
    question: String,
    lanes: Vec<LaneView>,
    rendered: Option<Rendered>,
}

/// The prompt as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    pub text: String,
    pub ids: Vec<u32>,
}

/// A token of an answer.
#[derive(Clone, Debug)]
pub struct ShownToken {
    pub id: u32,
    pub text: String,

    /// Before the sampling chain.
    pub probability: f32,
}

/// One answer as it grows.
#[derive(Clone, Debug)]
pub struct LaneView {
    pub lane: Lane,
    pub tokens: Vec<ShownToken>,

    /// Tokens of the prompt that are read, of all.
    pub reading: Option<(usize, usize)>,
    pub answer: Option<Answer>,

    /// Whether the scores after the last token are there.
    pub has_next: bool,
    first_token_secs: Option<f64>,
    last_token_secs: Option<f64>,
}

impl LaneView {
    fn new(lane: Lane) -> Self {
        Self {
            lane,
            tokens: Vec::new(),
            reading: None,
            answer: None,
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
            let any = answer.generation_secs > 0.0 && !answer.ids.is_empty();
            return any.then(|| answer.ids.len() as f64 / answer.generation_secs);
        }
        let elapsed = self.last_token_secs? - self.first_token_secs?;
        (elapsed > 0.0).then(|| (self.tokens.len() - 1) as f64 / elapsed)
    }
}

/// A row of the next-token panel.
#[derive(Clone, Debug, PartialEq)]
pub struct CandidateRow {
    pub id: u32,
    pub text: String,
    pub before: f32,
    pub after: f32,
    pub removed_by: Option<Stage>,

    /// It is in the text already, and the repetition penalty made it less likely.
    pub penalised: bool,
    pub taken: bool,
}

/// The next-token panel's contents at one position, under one setting of the chain.
#[derive(Clone, Debug)]
pub struct Candidates {
    pub rows: Vec<CandidateRow>,

    /// How many tokens of the vocabulary can still be drawn.
    pub kept_count: usize,

    /// Only the likeliest tokens of this position are still in memory.
    pub approximate: bool,
}

/// Everything of the playground but the sliders, which are remembered in [`Prefs`].
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the screen")]
#[derive(Debug, Default)]
pub struct PlaygroundState {
    pub mode: Mode,
    pub answers: Answers,
    pub system: String,
    pub prompt: String,
    pub seed: u64,

    /// Draw a new seed for each answer.
    pub new_seed_each_time: bool,

    /// Separated by commas or line breaks; `\n` is a line break.
    pub stop_text: String,

    /// Finished turns of the conversation, oldest first.
    pub turns: Vec<Turn>,

    /// Conversations that were left for a new one, the latest last.
    past: Vec<Chat>,

    /// The question in front is being edited: its answer stays until the new one is sent. What was
    /// in the field before.
    editing: Option<String>,

    /// The prompt's field wants the cursor in the next frame.
    pub wants_cursor: bool,

    /// The request in front asked only for the next token.
    predicted: bool,

    /// In a small window the next token and the settings are in front of the prompt.
    pub tools_in_front: bool,

    /// What was asked last, and its answers.
    pub question: String,
    pub lanes: Vec<LaneView>,
    pub rendered: Option<Rendered>,
    pub running: bool,

    /// Which token the next-token panel explains. `None`: the newest.
    pub selected: Option<Position>,

    /// Shade tokens that the model was unsure of.
    pub shaded: bool,

    /// Ask only for the next token's probabilities.
    pub predict_only: bool,
    asked_in: Mode,
    scores: ScoreStore,
    cache: Option<(Position, SamplingParams, u64, Result<Candidates, String>)>,

    /// Counts what invalidates the cache.
    version: u64,
}

impl PlaygroundState {
    /// Why Send cannot be pressed, in a sentence. Cheap: asked every frame.
    pub fn obstacle(&self, model: Option<&ModelCard>) -> Option<&'static str> {
        let Some(model) = model else { return Some("Load a model first") };
        if self.running {
            Some("An answer is being written")
        } else if self.mode == Mode::Chat && model.facts.chat_problem.is_some() {
            Some("This model's chat template is not understood: switch to raw mode")
        } else if self.mode == Mode::Chat && !model.facts.has_chat_template {
            Some("This model has no chat template: switch to raw mode")
        } else if self.prompt.trim().is_empty() {
            Some("Write a prompt first")
        } else {
            None
        }
    }

    /// What Send asks for, or why it cannot, in a sentence.
    pub fn request(
        &self,
        prefs: &Prefs,
        model: Option<&ModelCard>,
        adapter: &AdapterSlot,
    ) -> Result<GenerateRequest, String> {
        let model = match (model, self.obstacle(model)) {
            (Some(model), None) => model,
            (_, obstacle) => return Err(obstacle.unwrap_or("Load a model first").to_owned()),
        };
        let prompt = match self.mode {
            Mode::Raw => Prompt::Raw(self.prompt.clone()),
            Mode::Chat => Prompt::Chat(self.messages()),
        };
        check_length(&prompt, model)?;
        let modes = match (self.answers, adapter.ready()) {
            (Answers::SideBySide, Some(_)) => vec![AdapterMode::Off, AdapterMode::On],
            _ => vec![adapter.mode()],
        };
        let lanes = modes.into_iter().map(|adapter| Lane { seed: self.seed, adapter }).collect();
        Ok(GenerateRequest {
            prompt,
            sampling: prefs.sampling.clone(),
            max_new_tokens: if self.predict_only { 0 } else { prefs.max_new_tokens },
            stop_strings: parse_stop_strings(&self.stop_text),
            lanes,
        })
    }

    /// The conversation with the prompt as its newest question.
    fn messages(&self) -> Vec<Message> {
        let mut messages = Vec::new();
        if !self.system.trim().is_empty() {
            messages.push(Message::new("system", &self.system));
        }
        for turn in self.turns.iter().chain(self.pending_turn().as_ref()) {
            messages.push(Message::new("user", &turn.question));
            messages.push(Message::new("assistant", &turn.answer));
        }
        messages.push(Message::new("user", &self.prompt));
        messages
    }

    /// A request has been sent. In a conversation the question moves up and the field empties.
    pub fn started(&mut self, request: &GenerateRequest) {
        if let Some(turn) = self.pending_turn() {
            self.turns.push(turn);
        }
        if self.editing.take().is_some() {
            // The answer that is replaced can be had back.
            self.leave(self.turns.clone());
        }
        self.predicted = request.max_new_tokens == 0;
        self.lanes = request.lanes.iter().cloned().map(LaneView::new).collect();
        self.rendered = None;
        self.selected = None;
        self.scores.clear();
        self.version += 1;
        self.running = true;
        self.asked_in = self.mode;
        self.question = if self.mode == Mode::Chat && request.max_new_tokens > 0 {
            std::mem::take(&mut self.prompt)
        } else {
            self.prompt.clone()
        };
    }

    /// `now_secs`: any clock that only goes forward.
    pub fn on_event(&mut self, event: GenerateEvent, now_secs: f64) {
        match event {
            GenerateEvent::Prompt { text, ids } => self.rendered = Some(Rendered { text, ids }),
            GenerateEvent::Reading { lane, done, total } => {
                if let Some(view) = self.lanes.get_mut(lane) {
                    view.reading = Some((done, total));
                }
            }
            GenerateEvent::Token { lane, step } => self.on_token(lane, step, now_secs),
            GenerateEvent::LaneDone { lane, answer, next_logits } => {
                let Some(view) = self.lanes.get_mut(lane) else { return };
                let position = Position { lane, token: view.tokens.len() };
                view.answer = Some(answer);
                view.has_next = !next_logits.is_empty();
                if view.has_next {
                    self.scores.keep(position, next_logits);
                }
                self.version += 1;
            }
        }
    }

    fn on_token(&mut self, lane: usize, step: TokenStep, now_secs: f64) {
        let Some(view) = self.lanes.get_mut(lane) else { return };
        let TokenStep { id, text, logprob, logits } = step;
        let position = Position { lane, token: view.tokens.len() };
        view.tokens.push(ShownToken { id, text, probability: logprob.exp() });
        view.first_token_secs.get_or_insert(now_secs);
        view.last_token_secs = Some(now_secs);
        self.scores.keep(position, logits);
        self.version += 1;
    }

    /// The request has ended. What came stays on the screen, whatever the end.
    pub fn finished(&mut self) {
        self.running = false;
        self.predict_only = false;
        self.wants_cursor = true;
        for lane in &mut self.lanes {
            lane.reading = None;
        }
    }

    /// The answer in front as a turn of the conversation: what the next question follows.
    fn pending_turn(&self) -> Option<Turn> {
        let replaced = self.editing.is_some();
        if self.asked_in != Mode::Chat || self.question.is_empty() || replaced {
            return None;
        }
        let followed = self.followed_lane();
        let answer = self.lanes.get(followed)?.text();
        (!answer.is_empty()).then(|| Turn {
            question: self.question.clone(),
            answer,
            lanes: self.lanes.clone(),
            followed,
        })
    }

    /// Which of the answers in front the next question follows: the one with the selected token,
    /// else the first.
    pub fn followed_lane(&self) -> usize {
        self.selected.map_or(0, |position| position.lane)
    }

    /// Whether what is in front is only the next token's probabilities.
    pub fn is_prediction(&self) -> bool {
        self.predicted && !self.running
    }

    /// Whether the next-token panel is about another prompt than the one in the field.
    pub fn is_outdated(&self) -> bool {
        self.predicted && !self.running && self.prompt != self.question
    }

    /// Another seed. `entropy`: any number that differs from time to time, such as the clock.
    pub fn draw_seed(&mut self, entropy: u64) {
        // The finaliser of SplitMix64; six digits can be read out in a lecture.
        let mut mixed = entropy.wrapping_add(self.seed).wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        self.seed = (mixed ^ (mixed >> 31)) % 1_000_000;
    }

    /// Begins a new conversation. The one in front can be had back with [`Self::back_to_last`].
    pub fn new_chat(&mut self) {
        let turns = std::mem::take(&mut self.turns);
        self.leave(turns);
        self.editing = None;
        self.wants_cursor = true;
        self.clear_answers();
    }

    /// Keeps the conversation in front, with these turns before it.
    fn leave(&mut self, turns: Vec<Turn>) {
        let chat = Chat {
            turns,
            question: std::mem::take(&mut self.question),
            lanes: std::mem::take(&mut self.lanes),
            rendered: self.rendered.take(),
        };
        if !chat.turns.is_empty() || chat.lanes.iter().any(|lane| !lane.tokens.is_empty()) {
            self.past.push(chat);
            let too_many = self.past.len().saturating_sub(MOST_PAST);
            self.past.drain(..too_many);
        }
    }

    /// Whether anything was asked and answered.
    pub fn has_chat(&self) -> bool {
        !self.turns.is_empty() || !self.lanes.is_empty()
    }

    pub fn has_past(&self) -> bool {
        !self.past.is_empty()
    }

    /// The conversation before this one comes back; this one takes its place among those that
    /// were left.
    pub fn back_to_last(&mut self) {
        let Some(chat) = self.past.pop() else { return };
        let waiting = std::mem::take(&mut self.past);
        self.new_chat();
        let left = std::mem::replace(&mut self.past, waiting);
        self.past.splice(0..0, left);
        let Chat { turns, question, lanes, rendered } = chat;
        (self.turns, self.question, self.lanes, self.rendered) = (turns, question, lanes, rendered);
        self.asked_in = Mode::Chat;
        self.predicted = false;
    }

    /// Asks the question in front once more: the answer in front is replaced.
    pub fn ask_again(&mut self) {
        if self.editing.is_none() {
            self.edit_last();
        }
    }

    /// Puts the last question back into the field. Its answer stays until the new question is
    /// sent, and [`Self::keep_answer`] calls it off.
    pub fn edit_last(&mut self) {
        if self.question.is_empty() || self.editing.is_some() {
            return;
        }
        let draft = std::mem::replace(&mut self.prompt, self.question.clone());
        self.editing = Some(draft);
        self.wants_cursor = true;
    }

    pub fn is_editing(&self) -> bool {
        self.editing.is_some()
    }

    /// The edited question is not asked after all.
    pub fn keep_answer(&mut self) {
        if let Some(draft) = self.editing.take() {
            self.prompt = draft;
        }
    }

    fn clear_answers(&mut self) {
        self.question.clear();
        self.lanes.clear();
        self.rendered = None;
        self.selected = None;
        self.scores.clear();
        self.version += 1;
    }

    /// What the next-token panel explains: the clicked token, else what comes next.
    pub fn position(&self) -> Option<Position> {
        if let Some(selected) = self.selected
            && self.scores.get(selected).is_some()
        {
            return Some(selected);
        }
        let newest = self.lanes.iter().enumerate().rev().find_map(|(lane, view)| {
            let count = view.tokens.len();
            let token = if view.has_next { count } else { count.checked_sub(1)? };
            Some(Position { lane, token })
        })?;
        self.scores.get(newest).is_some().then_some(newest)
    }

    /// The rows at [`Self::position`]. Computed anew only when the position, the settings or the
    /// answer changed, so that idle frames do no work and a moving slider runs no model.
    pub fn candidates(
        &mut self,
        params: &SamplingParams,
        tokenizer: &Tokenizer,
    ) -> Option<&Result<Candidates, String>> {
        let position = self.position()?;
        let fresh = self.cache.as_ref().is_some_and(|(at, with, version, _)| {
            *at == position && with == params && *version == self.version
        });
        if !fresh {
            let scores = self.scores.get(position)?;
            let result = self.compute(position, scores, params, tokenizer);
            self.cache = Some((position, params.clone(), self.version, result));
        }
        self.cache.as_ref().map(|(_, _, _, result)| result)
    }

    fn compute(
        &self,
        position: Position,
        scores: &Scores,
        params: &SamplingParams,
        tokenizer: &Tokenizer,
    ) -> Result<Candidates, String> {
        let lane = &self.lanes[position.lane];
        let mut history = self.rendered.as_ref().map_or_else(Vec::new, |r| r.ids.clone());
        history.extend(lane.tokens.iter().take(position.token).map(|token| token.id));
        let taken = lane.tokens.get(position.token).map(|token| token.id);
        let logits: Arc<[f32]> = scores.expand();
        let found = distribution(&logits, &history, params).map_err(|err| err.to_string())?;
        let penalty_is_on = (params.repetition_penalty - 1.0).abs() > f32::EPSILON;
        let penalised = |id: u32| penalty_is_on && history.contains(&id);
        let rows = candidate_rows(&found, taken, penalised, tokenizer);
        let approximate = matches!(scores, Scores::Likeliest { .. });
        Ok(Candidates { rows, kept_count: found.kept_count(), approximate })
    }
}

/// Whether the prompt goes into the model's context. The turn markers of a chat template are not
/// counted: the engine counts again, exactly.
fn check_length(prompt: &Prompt, model: &ModelCard) -> Result<(), String> {
    let count = |text: &str| model.tokenizer.encode(text, false).map_or(0, |ids| ids.len());
    let tokens = match prompt {
        Prompt::Raw(text) => count(text),
        Prompt::Chat(messages) => messages.iter().map(|message| count(&message.content)).sum(),
    };
    let context = model.facts.context_length;
    if tokens < context {
        return Ok(());
    }
    Err(format!("The prompt has {tokens} tokens; this model's context holds {context}"))
}

/// The likeliest tokens, and the one that was taken where it is not among them.
fn candidate_rows(
    found: &Distribution,
    taken: Option<u32>,
    penalised: impl Fn(u32) -> bool,
    tokenizer: &Tokenizer,
) -> Vec<CandidateRow> {
    let mut likeliest = found.top(CANDIDATE_COUNT);
    if let Some(id) = taken.filter(|id| (*id as usize) < found.before.len())
        && likeliest.iter().all(|candidate| candidate.id != id)
    {
        likeliest.push(found.candidate(id));
    }
    let rows = likeliest.into_iter().map(|candidate| CandidateRow {
        id: candidate.id,
        text: tokenizer.token_text(candidate.id),
        before: candidate.before,
        after: candidate.after,
        removed_by: candidate.removed_by,
        penalised: penalised(candidate.id),
        taken: taken == Some(candidate.id),
    });
    rows.collect()
}

/// `###, \n\n` is the two strings `###` and two line breaks.
pub fn parse_stop_strings(text: &str) -> Vec<String> {
    let parts = text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.replace("\\n", "\n").replace("\\t", "\t")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_strings_are_separated_by_commas_or_lines() {
        assert_eq!(parse_stop_strings("###, \\n\\n"), ["###", "\n\n"]);
        assert_eq!(parse_stop_strings("User:\nEnd."), ["User:", "End."]);
        assert!(parse_stop_strings(" , \n").is_empty());
    }

    #[test]
    fn a_conversation_is_asked_with_all_its_turns() {
        let mut state = PlaygroundState {
            system: "Be brief.".to_owned(),
            prompt: "And in France?".to_owned(),
            ..PlaygroundState::default()
        };
        let turn = |question: &str, answer: &str| Turn {
            question: question.to_owned(),
            answer: answer.to_owned(),
            ..Turn::default()
        };
        state.turns.push(turn("What is the h-index?", "A measure."));
        let roles: Vec<String> = state.messages().into_iter().map(|message| message.role).collect();
        assert_eq!(roles, ["system", "user", "assistant", "user"]);
    }

    fn answered(question: &str, answer: &str) -> PlaygroundState {
        let mut lane = LaneView::new(Lane { seed: 0, adapter: AdapterMode::Off });
        lane.tokens = vec![ShownToken { id: 1, text: answer.to_owned(), probability: 0.5 }];
        PlaygroundState {
            question: question.to_owned(),
            lanes: vec![lane],
            ..PlaygroundState::default()
        }
    }

    #[test]
    fn a_question_is_edited_beside_its_answer_and_the_answer_can_be_kept() {
        let mut state = answered("What is the h-index?", "A measure.");
        state.prompt = "half a thought".to_owned();
        state.edit_last();
        assert_eq!(state.prompt, "What is the h-index?");
        assert_eq!(state.lanes[0].text(), "A measure.", "it stays until the new one is sent");
        assert_eq!(state.messages().len(), 1, "the new question replaces the old one");
        state.keep_answer();
        assert_eq!(state.prompt, "half a thought");
        assert_eq!(state.messages().len(), 3);
    }

    #[test]
    fn a_conversation_that_was_left_comes_back() {
        let mut state = answered("What is the h-index?", "A measure.");
        state.new_chat();
        assert!(state.lanes.is_empty() && state.has_past());
        state.new_chat();
        state.back_to_last();
        assert_eq!(state.question, "What is the h-index?");
        assert_eq!(state.lanes[0].text(), "A measure.");
        assert!(!state.has_past(), "nothing was said in the new one");
    }
}
