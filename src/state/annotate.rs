//! Which of two answers is better: the queue of prompts, the two answers as they are written, and
//! the verdicts so far. No clock: times come in as seconds of any one clock.

pub mod arena;
pub mod difference;
pub mod draft;
pub mod given;
mod history;
mod item;
mod judging;
mod marks;
mod queue;
pub mod ranking;

use std::sync::Arc;

use rand::Rng as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

use self::arena::ArenaPage;
use self::difference::Places;
use self::draft::Draft;
use self::given::{AnswersOfRound, GivenPair};
use self::history::History;
use self::item::{Asked, Item};
pub use self::item::{Mark, Phase};
use self::marks::Marks;
use self::ranking::{Group, Ranking};
use super::room::PairKey;
use super::slots::AdapterSlot;
use crate::data::counts::VerdictCounts;
use crate::data::forms::candidates::Candidates;
use crate::data::import::Imported;
use crate::data::judging::Judging;
use crate::data::kept::Given;
use crate::data::pair::{Message, Text, Verdict};
use crate::data::record::{AdapterUsed, ShownAnswer, VerdictRecord};
use crate::data::table::Report;
use crate::llm::card::ModelIdentity;
use crate::llm::generate::sampling::SamplingParams;
use crate::llm::generate::{AdapterMode, GenerateEvent, GenerateRequest, Lane, Prompt, StopReason};

/// What a person is told to look for, until they write something else.
pub const DEFAULT_GUIDELINE: &str = "Prefer the answer that is correct, well supported and brief, \
                                     and that says what it does not know";

/// Why nothing is judged while a project is being opened.
pub const STILL_READING: &str = "The verdicts of the project are still being read";

/// The two sides of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// The panel's state.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of the panel that do not depend on each other"
)]
pub struct AnnotateState {
    /// The guideline, which is part of every record, and what is asked beside the verdict.
    pub judging: Judging,

    /// Whether the page with its criteria is open.
    pub sets_up: bool,

    /// Whether the two answers come from the base model and from the adapter over it.
    pub compares_adapter: bool,

    /// Whether several answers to a prompt are put into an order, not compared two by two.
    pub ranks: bool,

    /// How answers are shown.
    pub shown: Shown,

    /// Whether the list of prompts is open.
    pub lists: bool,

    /// What is said of the two in front beside the verdict.
    pub draft: Draft,

    /// Which models are preferred, as far as the verdicts say.
    pub arena: ArenaPage,

    /// Whether a project is being opened whose verdicts are not all read yet: until then none is given.
    pub is_reading: bool,

    /// Verdicts that could not be written to the project. The app counts them.
    pub unsaved_count: usize,

    /// Why they could not.
    pub unsaved_because: Option<String>,

    /// Why an earlier verdict could not be shown again. The app tells it.
    pub unreadable: Option<String>,

    /// The round of preference learning whose answers these are.
    pub round: Option<AnswersOfRound>,

    /// Where the prompts come from: `the sample prompts`, `questions.csv`.
    source: String,
    prompts: Vec<Text>,

    /// The two answers of a prompt that are there already; those of the others the model writes.
    given: Vec<Option<GivenPair>>,

    /// Seconds of the clock when something was last shown.
    shown_at: f64,

    /// How the file was read that they come from.
    table: Option<Report>,

    /// What was said of each prompt.
    marks: Marks,

    /// Prompts with more than two answers, in the order of the queue.
    groups: Vec<Group>,
    ranking: Ranking,

    /// Comparisons that tell the most come first: of these two models, then of those.
    preferred: Vec<[String; 2]>,

    /// The prompt in front; the number of prompts once all have a verdict.
    position: usize,

    /// How often other answers were asked for, for the prompt in front.
    attempt: u64,
    item: Item,

    /// The verdict that the next one takes the place of.
    revising: Option<Revising>,

    /// Where the two in front differ, once it was asked. Forgotten when others are put up.
    differences: Option<(PairKey, Option<[Places; 2]>)>,
    history: History,

    /// Decides the seeds of the answers and their sides. From the system's randomness, once a
    /// start.
    seed: u64,
}

/// A verdict that is being changed.
#[derive(Clone, Debug)]
struct Revising {
    id: String,

    /// What was said, where it is about the prompt in front.
    record: Option<Arc<VerdictRecord>>,
}

/// How the two answers are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shown {
    /// What only one of them has is marked.
    pub differences: bool,

    /// Both are scrolled at once.
    pub together: bool,

    /// As Markdown is read, not as it is written.
    pub markdown: bool,

    /// How far both are scrolled down.
    pub offset: f32,
}

impl AnnotateState {
    pub fn new(seed: u64) -> Self {
        let judging = Judging { guideline: DEFAULT_GUIDELINE.to_owned(), ..Judging::default() };
        Self { judging, seed, ranks: true, ..Self::default() }
    }

    /// Takes the verdicts of a project that was opened: what was said, with what was replaced, and
    /// what was taken back.
    pub fn set_given(&mut self, given: Given) {
        self.history.set(given);
        self.match_prompts();
    }

    /// Takes a new queue of prompts. Those that have a verdict already are not asked again.
    pub fn set_prompts(&mut self, source: &str, prompts: Vec<Text>) {
        source.clone_into(&mut self.source);
        (self.table, self.round) = (None, None);
        self.given = vec![None; prompts.len()];
        self.prompts = prompts;
        self.groups.clear();
        self.match_prompts();
    }

    /// Takes prompts whose answers are there already, shown from second `now` on. Of more than two
    /// answers, each is compared with each.
    pub fn set_candidates(&mut self, source: &str, imported: Imported<Candidates>, now: f64) {
        let (mut prompts, mut given) = (Vec::new(), Vec::new());
        self.groups.clear();
        for Candidates { prompt, answers } in imported.items {
            let answers = match <[_; 2]>::try_from(answers) {
                Ok(both) => {
                    prompts.push(prompt);
                    given.push(Some(GivenPair(both)));
                    continue;
                }
                Err(answers) => answers,
            };
            self.groups.push(Group { first: prompts.len(), answers: answers.clone() });
            for (at, one) in answers.iter().enumerate() {
                for other in &answers[at + 1..] {
                    prompts.push(prompt.clone());
                    given.push(Some(GivenPair([one.clone(), other.clone()])));
                }
            }
        }
        source.clone_into(&mut self.source);
        (self.prompts, self.given, self.shown_at) = (prompts, given, now);
        (self.table, self.round) = (Some(imported.report), None);
        self.match_prompts();
    }

    /// Whether the answers in front come from a file, not from the model.
    pub fn is_given(&self) -> bool {
        self.given.get(self.position).is_some_and(Option::is_some)
    }

    /// Prompts of a file, and how it was read.
    pub fn set_imported(&mut self, source: &str, imported: Imported<Text>) {
        self.set_prompts(source, imported.items);
        self.table = Some(imported.report);
    }

    /// The prompt in front. `None`: there are no prompts, or all have a verdict.
    pub fn prompt(&self) -> Option<&Text> {
        self.prompts.get(self.position)
    }

    /// Which two answers are in front. `None`: they are not both there.
    pub fn pair_key(&self) -> Option<PairKey> {
        let is_ready = matches!(self.item.phase, Phase::Ready { .. });
        let key = PairKey { prompt: self.position, attempt: self.attempt };
        (is_ready && self.prompt().is_some()).then_some(key)
    }

    /// The prompt and the two answers in front, as they stand on the screen.
    pub fn pair_in_front(&self) -> Option<(String, [&str; 2])> {
        self.pair_key()?;
        let [first, second] = &self.item.answers;
        let (left, right) =
            if self.item.left_lane == 0 { (first, second) } else { (second, first) };
        Some((self.prompt()?.words(), [&left.text, &right.text]))
    }

    pub fn has_prompts(&self) -> bool {
        !self.prompts.is_empty()
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// How the file was read that the prompts come from.
    pub fn table(&self) -> Option<&Report> {
        self.table.as_ref()
    }

    pub fn phase(&self) -> Phase {
        self.item.phase
    }

    pub fn is_answering(&self) -> bool {
        self.item.phase == Phase::Answering
    }

    /// Prompts with a verdict, and all prompts.
    pub fn progress(&self) -> (usize, usize) {
        (self.marks.said(), self.prompts.len())
    }

    /// Whether a prompt without a verdict remains after the one in front.
    pub fn has_more(&self) -> bool {
        let (judged_count, count) = self.progress();
        let is_open = self.prompt().is_some() && self.marks.at(self.position).is_none();
        judged_count + usize::from(is_open) < count
    }

    /// Of the whole project.
    pub fn counts(&self) -> VerdictCounts {
        self.history.counts()
    }

    pub fn can_undo(&self) -> bool {
        !self.is_reading && self.history.can_undo()
    }

    pub fn can_redo(&self) -> bool {
        !self.is_reading && self.history.can_redo()
    }

    /// What is on a side of the screen.
    pub fn answer(&self, side: Side) -> &ShownAnswer {
        &self.item.answers[self.lane(side)]
    }

    fn lane(&self, side: Side) -> usize {
        match side {
            Side::Left => self.item.left_lane,
            Side::Right => 1 - self.item.left_lane,
        }
    }

    /// What is being done, in words: `Reading the prompt · 12 of 80 tokens`.
    pub fn activity(&self) -> Option<String> {
        if !self.is_answering() {
            return None;
        }
        let side = |lane| if self.lane(Side::Left) == lane { "left" } else { "right" };
        let [first, second] = &self.item.answers;
        let writing = |lane: usize, answer: &ShownAnswer| {
            let count = answer.token_count;
            let unit = if count == 1 { "token" } else { "tokens" };
            format!("Writing the {} answer · {count} {unit}", side(lane))
        };
        Some(match (self.item.reading, &first.stop) {
            (Some((done, total)), _) => format!("Reading the prompt · {done} of {total} tokens"),
            (None, None) => writing(0, first),
            (None, Some(_)) => writing(1, second),
        })
    }

    /// What to ask the model for the prompt in front: two answers with different seeds. `None`:
    /// no prompt, or the answers are there or being written.
    ///
    /// `as_chat`: the model has a chat template.
    pub fn request(
        &self,
        sampling: &SamplingParams,
        max_new_tokens: usize,
        adapter: AdapterMode,
        as_chat: bool,
    ) -> Option<GenerateRequest> {
        if self.is_given() || !matches!(self.item.phase, Phase::Waiting | Phase::Halted) {
            return None;
        }
        let prompt = self.prompt()?;
        let prompt = match (as_chat, prompt) {
            (true, Text::Plain(text)) => Prompt::Chat(vec![Message::new("user", text)]),
            (true, Text::Messages(messages)) => Prompt::Chat(messages.clone()),
            (false, _) => Prompt::Raw(prompt.words()),
        };
        let (seeds, _) = self.draw();
        Some(GenerateRequest {
            prompt,
            sampling: sampling.clone(),
            max_new_tokens,
            stop_strings: Vec::new(),
            lanes: if self.compares_adapter {
                let [first, second] = seeds;
                vec![
                    Lane { seed: first, adapter: AdapterMode::Off },
                    Lane { seed: second, adapter: AdapterMode::On },
                ]
            } else {
                seeds.map(|seed| Lane { seed, adapter }).to_vec()
            },
        })
    }

    /// The two seeds, and the lane on the left, of this prompt and this attempt.
    fn draw(&self) -> ([u64; 2], usize) {
        self.draw_of(self.position, self.attempt)
    }

    fn draw_at(&self, position: usize) -> ([u64; 2], usize) {
        self.draw_of(position, 0)
    }

    fn draw_of(&self, position: usize, attempt: u64) -> ([u64; 2], usize) {
        let mut random = ChaCha20Rng::seed_from_u64(self.seed);
        random.set_stream(((position as u64) << 20) | attempt);
        let left_lane = (random.next_u32() & 1) as usize;
        // 32 bits: every reader of JSON keeps them exactly.
        let first = u64::from(random.next_u32());
        let mut second = first;
        while second == first {
            second = u64::from(random.next_u32());
        }
        ([first, second], left_lane)
    }

    /// The request is under way. Whoever calls this has ended the work on an earlier one.
    pub fn started(
        &mut self,
        request: &GenerateRequest,
        model: &ModelIdentity,
        adapter: &AdapterSlot,
    ) {
        let answers = [0, 1].map(|lane| ShownAnswer {
            seed: request.lanes.get(lane).map_or(0, |lane| lane.seed),
            ..ShownAnswer::default()
        });
        let adapter = adapter.ready().map(|card| {
            let modes: Vec<AdapterMode> = request.lanes.iter().map(|lane| lane.adapter).collect();
            let mode = match modes[..] {
                [AdapterMode::Off, AdapterMode::On] => "compared",
                [AdapterMode::On, ..] => "on",
                _ => "off",
            };
            AdapterUsed {
                name: card.name.clone(),
                sha256: card.sha256.clone(),
                mode: mode.to_owned(),
            }
        });
        let models = adapter
            .as_ref()
            .filter(|adapter| adapter.mode == "compared")
            .map(|adapter| [model.name.clone(), format!("{} with {}", model.name, adapter.name)]);
        let asked = Asked {
            prompt: match &request.prompt {
                Prompt::Raw(text) => Text::Plain(text.clone()),
                Prompt::Chat(messages) => Text::Messages(messages.clone()),
            },
            model: to_json(model),
            adapter,
            sampling: to_json(&request.sampling),
            max_new_tokens: request.max_new_tokens,
            models,
        };
        self.item = Item {
            phase: Phase::Answering,
            asked: Some(asked),
            answers,
            left_lane: self.draw().1,
            ..Item::default()
        };
    }

    /// Something came from the model at second `now`. Ignored unless answers are being written.
    pub fn on_event(&mut self, event: GenerateEvent, now: f64) {
        let item = &mut self.item;
        if item.phase != Phase::Answering {
            return;
        }
        match event {
            GenerateEvent::Prompt { text, .. } => item.rendered_prompt = text,
            GenerateEvent::Reading { done, total, .. } => item.reading = Some((done, total)),
            GenerateEvent::Token { lane, step } => {
                item.reading = None;
                if let Some(answer) = item.answers.get_mut(lane) {
                    answer.text.push_str(&step.text);
                    answer.token_count += 1;
                }
            }
            GenerateEvent::Told { lane, token } => {
                if let Some(answer) = item.answers.get_mut(lane) {
                    answer.text.push_str(&token.text);
                    answer.token_count += 1;
                }
            }
            GenerateEvent::TurnEnd { .. } => {}
            GenerateEvent::LaneDone { lane, answer, .. } => {
                item.reading = None;
                if let Some(shown) = item.answers.get_mut(lane) {
                    shown.text = answer.text;
                    // Of a server the pieces were counted.
                    if !answer.ids.is_empty() {
                        shown.token_count = answer.ids.len();
                    }
                    shown.stop = to_json(&answer.stop).as_str().map(str::to_owned);
                    if answer.stop == StopReason::Stopped {
                        item.phase = Phase::Halted;
                        return;
                    }
                }
                if item.answers.iter().all(|answer| answer.stop.is_some()) {
                    item.phase = Phase::Ready { since: now };
                }
            }
        }
    }

    /// The work has ended, well or not. Without both answers it can only be done again.
    pub fn ended(&mut self) {
        if self.is_answering() {
            self.item.phase = Phase::Halted;
        }
    }

    /// Throws the answers away, so that the next request gives others.
    pub fn ask_again(&mut self) {
        if !self.is_answering() && !self.is_given() {
            self.attempt += 1;
            self.item = Item::default();
            self.differences = None;
        }
    }

    /// Why this verdict cannot be given now. `None`: it can.
    pub fn why_not(&self, verdict: Verdict) -> Option<&'static str> {
        if self.is_reading {
            return Some(STILL_READING);
        }
        if self.prompt().is_none() {
            return Some("There is no prompt left to judge");
        }
        match (self.item.phase, verdict) {
            (Phase::Answering | Phase::Waiting | Phase::Halted, Verdict::Skip) => None,
            (Phase::Answering, _) => Some("The answers are still being written"),
            (Phase::Waiting, _) => Some("Generate two answers first"),
            (Phase::Halted, _) => {
                Some("The answers are not complete. Generate them again, or skip")
            }
            (Phase::Ready { .. }, Verdict::Left | Verdict::Right) if self.answers_are_equal() => {
                Some("The two answers are the same: it is a tie")
            }
            (Phase::Ready { .. }, _) => None,
        }
    }

    /// Whether both answers are there and have the same words.
    pub fn answers_are_equal(&self) -> bool {
        matches!(self.item.phase, Phase::Ready { .. }) && self.item.has_equal_answers()
    }

    /// Whether an answer in front ends where it was cut, not where the model ended it.
    pub fn has_cut_answer(&self) -> bool {
        let is_cut = |answer: &ShownAnswer| {
            matches!(answer.stop.as_deref(), Some("length" | "context_full"))
        };
        matches!(self.item.phase, Phase::Ready { .. }) && self.item.answers.iter().any(is_cut)
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).expect("our own types are valid JSON")
}

#[cfg(test)]
mod tests;
