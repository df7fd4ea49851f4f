//! The Playground panel: a prompt, the answers to it, and what else each token could have been.

pub mod branches;
mod branching;
pub mod candidates;
mod explained;
pub mod export;
mod kept;
mod left;
pub mod length;
pub mod library;
mod repeating;
pub mod repeats;
pub mod seq2seq;
mod talk;
mod told;
pub mod turn;
mod using;
pub mod view;
pub mod vote;

use std::path::PathBuf;

use crate::llm::card::{ModelCard, Purpose};
use crate::llm::generate::{AdapterMode, GenerateEvent, GenerateRequest, Lane, Prompt, TokenStep};
use crate::remote::lacking;

use self::branches::BranchesState;
use self::candidates::Computed;
use self::length::{Counted, Lengths};
use self::library::{LibraryState, Sheet};
use self::repeats::RepeatsState;
use self::seq2seq::Seq2SeqState;
use self::turn::{Chat, Editing, Keeping, Others};
pub use self::turn::{LaneView, ShownToken, Turn};
use self::view::PlaygroundView;
use self::vote::VoteState;
use super::models::FoundModel;
use super::prefs::Prefs;
use super::scores::{Position, ScoreStore};
use super::slots::{AdapterSlot, ModelSlot};
use crate::prompts::chats::Asked;
use crate::prompts::presets::Preset;

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

/// How fast an answer is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Speed {
    /// Tokens a second at most; 0 is no limit.
    pub limit: u32,

    /// Each token waits for a key.
    pub one_at_a_time: bool,
}

/// A model on the disk that could guess what another one says next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub name: String,
    pub path: PathBuf,
    vocab_size: usize,
    memory_bytes: u64,
}

impl Draft {
    /// Whether it could guess for this model: it is smaller, and its vocabulary is about as large. Whether
    /// that is the same one, loading says.
    pub fn suits(&self, model: &ModelCard) -> bool {
        /// Of two models of a family one often has room for tokens that do not exist.
        const ROOM: usize = 1024;
        self.vocab_size.abs_diff(model.facts.vocab_size) <= ROOM
            && 2 * self.memory_bytes <= model.facts.memory_bytes
            && self.path != model.source.path()
    }
}

/// The prompt as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    pub text: String,
    pub ids: Vec<u32>,
}

/// Everything of the playground but the sliders, which are remembered in [`Prefs`].
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the screen")]
#[derive(Debug, Default)]
pub struct PlaygroundState {
    pub view: PlaygroundView,

    /// Ctrl+Enter was pressed in a view that starts its work with a button.
    pub start_asked: bool,
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

    /// The versions of the answer in front that are not shown.
    others: Others,

    /// How the answer in front came about.
    asked: Option<Asked>,

    /// How the conversation in front is kept.
    keeping: Keeping,

    /// Turns that were taken out of it, the latest last, each with its place.
    removed: Vec<(usize, Turn)>,

    /// The conversations that are not in front, the latest last.
    past: Vec<Chat>,

    /// A question is being edited: its answer stays until the new one is sent.
    editing: Option<Editing>,

    /// What lies beside the conversation.
    pub sheet: Option<Sheet>,
    pub chat_query: String,
    pub library: LibraryState,

    /// Named settings of the project.
    pub presets: Vec<Preset>,

    /// The name under which the settings are to be kept.
    pub preset_name: String,

    /// What was counted of the prompt in the field and of the conversation.
    counted: Option<Counted>,
    lengths: Lengths,

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

    /// Bars by the logarithm of the probability.
    pub log_scale: bool,
    pub vote: VoteState,
    pub speed: Speed,
    pub branches: BranchesState,
    pub repeats: RepeatsState,

    /// Of an encoder-decoder.
    pub seq2seq: Seq2SeqState,

    /// Models on this disk that could guess for another one.
    pub drafts: Vec<Draft>,
    asked_in: Mode,
    scores: ScoreStore,
    computed: Computed,

    /// Counts what invalidates the cache.
    version: u64,
}

impl PlaygroundState {
    /// What is on the disk now.
    pub fn set_found(&mut self, found: &[FoundModel]) {
        let draft = |found: &FoundModel| {
            let facts = found.facts.as_ref().ok()?;
            let runs = facts.purpose == Purpose::Generate && facts.unsupported.is_none();
            runs.then(|| Draft {
                name: found.local.name.clone(),
                path: found.local.path.clone(),
                vocab_size: facts.vocab_size,
                memory_bytes: facts.memory_bytes,
            })
        };
        self.drafts = found.iter().filter_map(draft).collect();
    }

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
        slot: &ModelSlot,
        adapter: &AdapterSlot,
    ) -> Result<GenerateRequest, String> {
        if let Some(obstacle) = self.obstacle_in(slot) {
            return Err(obstacle.to_owned());
        }
        let prompt = match self.mode {
            Mode::Raw => Prompt::Raw(self.prompt.clone()),
            Mode::Chat => Prompt::Chat(self.messages()),
        };
        if let Some(model) = slot.ready() {
            length::check(&prompt, model)?;
        }
        let sampling = match slot.remote() {
            Some(probe) => lacking::used(&prefs.sampling, probe),
            None => prefs.sampling.clone(),
        };
        let modes = match (self.answers, adapter.ready()) {
            (Answers::SideBySide, Some(_)) => vec![AdapterMode::Off, AdapterMode::On],
            _ => vec![adapter.mode()],
        };
        let lanes = modes.into_iter().map(|adapter| Lane { seed: self.seed, adapter }).collect();
        Ok(GenerateRequest {
            prompt,
            sampling,
            max_new_tokens: if self.predict_only { 0 } else { prefs.max_new_tokens },
            stop_strings: parse_stop_strings(&self.stop_text),
            lanes,
        })
    }

    /// A request has been sent. In a conversation the question moves up and the field empties.
    pub fn started(&mut self, request: &GenerateRequest) {
        self.turn_over(request);
        self.predicted = request.max_new_tokens == 0;
        self.lanes = request.lanes.iter().cloned().map(LaneView::new).collect();
        self.rendered = None;
        self.selected = None;
        self.scores.clear();
        self.version += 1;
        self.vote.start();
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
            GenerateEvent::Told { lane, token } => self.on_told(lane, token, now_secs),
            GenerateEvent::TurnEnd { .. } => {}
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
        let TokenStep { id, text, logprob, logits, is_guessed } = step;
        let position = Position { lane, token: view.tokens.len() };
        view.tokens.push(ShownToken { id, text, probability: logprob.exp(), is_guessed });
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
        if self.asked_in == Mode::Chat && !self.predicted {
            self.touch();
        }
        for lane in &mut self.lanes {
            lane.reading = None;
        }
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
}

/// `###, \n\n` is the two strings `###` and two line breaks.
pub fn parse_stop_strings(text: &str) -> Vec<String> {
    let parts = text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.replace("\\n", "\n").replace("\\t", "\t")).collect()
}

#[cfg(test)]
#[path = "playground/tests.rs"]
mod tests;
