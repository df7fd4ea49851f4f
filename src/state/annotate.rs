//! Which of two answers is better: the queue of prompts, the two answers as they are written, and
//! the verdicts so far. No clock: times come in as seconds of any one clock.

mod given;
mod item;

use rand::Rng as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use serde_json::Value;

use self::given::GivenPair;
pub use self::item::Phase;
use self::item::{Asked, Item, Made};
use super::room::PairKey;
use super::slots::AdapterSlot;
use crate::data::forms::candidates::Candidates;
use crate::data::import::Imported;
use crate::data::pair::{Message, Text, Verdict};
use crate::data::record::{AdapterUsed, RECORD_VERSION, ShownAnswer, VerdictRecord, record_id};
use crate::data::store::VerdictCounts;
use crate::data::table::Report;
use crate::llm::card::ModelIdentity;
use crate::llm::generate::sampling::SamplingParams;
use crate::llm::generate::{AdapterMode, GenerateEvent, GenerateRequest, Lane, Prompt, StopReason};

/// What a person is told to look for, until they write something else.
pub const DEFAULT_GUIDELINE: &str = "Prefer the answer that is correct, well supported and brief, \
                                     and that says what it does not know";

/// The two sides of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// The panel's state.
#[derive(Clone, Debug, Default)]
pub struct AnnotateState {
    /// What the person is told to look for; part of every record.
    pub guideline: String,

    /// Verdicts that could not be written to the project. The app counts them.
    pub unsaved_count: usize,

    /// Where the prompts come from: `the sample prompts`, `questions.csv`.
    source: String,
    prompts: Vec<Text>,

    /// The two answers of a prompt that are there already; those of the others the model writes.
    given: Vec<Option<GivenPair>>,

    /// Seconds of the clock when something was last shown.
    shown_at: f64,

    /// How the file was read that they come from.
    table: Option<Report>,

    /// Which prompts have a verdict.
    judged: Vec<bool>,

    /// The prompt in front; the number of prompts once all have a verdict.
    position: usize,

    /// How often other answers were asked for, for the prompt in front.
    attempt: u64,
    item: Item,

    /// The verdicts that count, oldest first.
    made: Vec<Made>,

    /// Verdicts ever made, those taken back included, so that no id comes twice.
    made_count: usize,

    /// Decides the seeds of the answers and their sides. From the system's randomness, once a
    /// start.
    seed: u64,
}

impl AnnotateState {
    pub fn new(seed: u64) -> Self {
        Self { guideline: DEFAULT_GUIDELINE.to_owned(), seed, ..Self::default() }
    }

    /// Takes the verdicts of a project that was opened.
    pub fn set_records(&mut self, records: &[VerdictRecord]) {
        self.made_count = self.made_count.max(records.len());
        self.made =
            records.iter().map(|record| Made { record: record.clone(), position: None }).collect();
        self.match_prompts();
    }

    /// Takes a new queue of prompts. Those that have a verdict already are not asked again.
    pub fn set_prompts(&mut self, source: &str, prompts: Vec<Text>) {
        source.clone_into(&mut self.source);
        self.table = None;
        self.given = vec![None; prompts.len()];
        self.prompts = prompts;
        self.match_prompts();
    }

    /// Takes prompts whose answers are there already, shown from second `now` on. Of more than two
    /// answers, each is compared with each.
    pub fn set_candidates(&mut self, source: &str, imported: Imported<Candidates>, now: f64) {
        let (mut prompts, mut given) = (Vec::new(), Vec::new());
        for Candidates { prompt, answers } in imported.items {
            for (at, one) in answers.iter().enumerate() {
                for other in &answers[at + 1..] {
                    prompts.push(prompt.clone());
                    given.push(Some(GivenPair([one.clone(), other.clone()])));
                }
            }
        }
        source.clone_into(&mut self.source);
        (self.prompts, self.given, self.shown_at) = (prompts, given, now);
        self.table = Some(imported.report);
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

    /// Finds the prompts that have a verdict, and goes to the first that has none.
    fn match_prompts(&mut self) {
        self.judged = vec![false; self.prompts.len()];
        for made in &mut self.made {
            let words = made.record.prompt.words();
            made.position = self.prompts.iter().zip(&self.judged).zip(&self.given).position(
                |((prompt, judged), given)| {
                    let is_same = given.as_ref().is_none_or(|given| given.is_of(&made.record));
                    !judged && is_same && prompt.words().trim() == words.trim()
                },
            );
            if let Some(position) = made.position {
                self.judged[position] = true;
            }
        }
        self.position = 0;
        self.go_on();
    }

    /// Goes to the next prompt without a verdict, at or after the position, then before it.
    fn go_on(&mut self) {
        let open = |range: std::ops::Range<usize>| range.into_iter().find(|at| !self.judged[*at]);
        let count = self.prompts.len();
        let start = self.position.min(count);
        self.position = open(start..count).or_else(|| open(0..start)).unwrap_or(count);
        self.attempt = 0;
        self.item = Item::default();
        if let (Some(prompt), Some(Some(given))) =
            (self.prompts.get(self.position), self.given.get(self.position))
        {
            let left_lane = self.draw().1;
            self.item = given.item(prompt, left_lane, self.shown_at);
        }
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
        (self.judged.iter().filter(|judged| **judged).count(), self.prompts.len())
    }

    /// Whether a prompt remains after the one in front.
    pub fn has_more(&self) -> bool {
        let (judged_count, count) = self.progress();
        judged_count + 1 < count
    }

    /// Of the whole project.
    pub fn counts(&self) -> VerdictCounts {
        VerdictCounts::of(self.made.iter().map(|made| &made.record))
    }

    pub fn can_undo(&self) -> bool {
        !self.made.is_empty()
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
        let side = |lane| if self.lane(Side::Left) == lane { "A" } else { "B" };
        let [first, second] = &self.item.answers;
        let writing = |lane: usize, answer: &ShownAnswer| {
            let count = answer.token_count;
            let unit = if count == 1 { "token" } else { "tokens" };
            format!("Writing answer {} · {count} {unit}", side(lane))
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
            lanes: seeds.map(|seed| Lane { seed, adapter }).to_vec(),
        })
    }

    /// The two seeds, and the lane on the left, of this prompt and this attempt.
    fn draw(&self) -> ([u64; 2], usize) {
        let mut random = ChaCha20Rng::seed_from_u64(self.seed);
        random.set_stream(((self.position as u64) << 20) | self.attempt);
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
            let mode = match request.lanes.first().map(|lane| lane.adapter) {
                Some(AdapterMode::On) => "on",
                Some(AdapterMode::Off) | None => "off",
            };
            AdapterUsed {
                name: card.name.clone(),
                sha256: card.sha256.clone(),
                mode: mode.to_owned(),
            }
        });
        let asked = Asked {
            prompt: match &request.prompt {
                Prompt::Raw(text) => Text::Plain(text.clone()),
                Prompt::Chat(messages) => Text::Messages(messages.clone()),
            },
            model: to_json(model),
            adapter,
            sampling: to_json(&request.sampling),
            max_new_tokens: request.max_new_tokens,
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
            GenerateEvent::TurnEnd { .. } => {}
            GenerateEvent::LaneDone { lane, answer, .. } => {
                item.reading = None;
                if let Some(shown) = item.answers.get_mut(lane) {
                    shown.text = answer.text;
                    shown.token_count = answer.ids.len();
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
        }
    }

    /// Why this verdict cannot be given now. `None`: it can.
    pub fn why_not(&self, verdict: Verdict) -> Option<&'static str> {
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

    /// Whether both answers are there and have the same words, as greedy decoding makes them.
    pub fn answers_are_equal(&self) -> bool {
        let [first, second] = &self.item.answers;
        matches!(self.item.phase, Phase::Ready { .. }) && first.text.trim() == second.text.trim()
    }

    /// Whether an answer in front ends where it was cut, not where the model ended it.
    pub fn has_cut_answer(&self) -> bool {
        let is_cut = |answer: &ShownAnswer| {
            matches!(answer.stop.as_deref(), Some("length" | "context_full"))
        };
        matches!(self.item.phase, Phase::Ready { .. }) && self.item.answers.iter().any(is_cut)
    }

    /// Gives a verdict at second `now` (`created_at`: the same in RFC 3339, UTC, with
    /// milliseconds) and goes on to the next prompt. The record is for the store. `None`: see
    /// [`Self::why_not`].
    pub fn judge(&mut self, verdict: Verdict, now: f64, created_at: &str) -> Option<VerdictRecord> {
        if self.why_not(verdict).is_some() {
            return None;
        }
        let prompt = self.prompt()?.clone();
        let given = self.given.get(self.position).cloned().flatten();
        self.shown_at = now;
        let Item { phase, asked, rendered_prompt, answers, left_lane, .. } =
            std::mem::take(&mut self.item);
        let asked = asked.unwrap_or(Asked {
            prompt,
            model: Value::Null,
            adapter: None,
            sampling: Value::Null,
            max_new_tokens: 0,
        });
        let Asked { prompt, model, adapter, sampling, max_new_tokens } = asked;
        let [first, second] = answers;
        let (left, right) = if left_lane == 0 { (first, second) } else { (second, first) };
        let seconds_taken = match phase {
            Phase::Ready { since } => (now - since).max(0.0),
            Phase::Waiting | Phase::Answering | Phase::Halted => 0.0,
        };
        self.made_count += 1;
        let record = VerdictRecord {
            version: RECORD_VERSION,
            id: record_id(created_at, self.made_count),
            created_at: created_at.to_owned(),
            prompt,
            rendered_prompt,
            left,
            right,
            left_lane,
            verdict,
            seconds_taken: (seconds_taken * 1000.0).round() / 1000.0,
            guideline: self.guideline.trim().to_owned(),
            model,
            adapter,
            sampling,
            max_new_tokens,
            program: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
            more: given.map(|given| given.origin(left_lane, &self.source)).unwrap_or_default(),
        };
        self.made.push(Made { record: record.clone(), position: Some(self.position) });
        self.judged[self.position] = true;
        self.go_on();
        Some(record)
    }

    /// Takes the last verdict back and puts its two answers up again, on the same sides. The id
    /// is for the store. Work on another prompt's answers should be stopped first.
    pub fn undo(&mut self, now: f64) -> Option<String> {
        let Made { record, position } = self.made.pop()?;
        let id = record.id.clone();
        let Some(position) = position else {
            return Some(id); // not a prompt of this queue
        };
        self.judged[position] = false;
        self.position = position;
        self.attempt = 0;
        self.item = Item::of(record, now);
        Some(id)
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("our own types are valid JSON")
}

#[cfg(test)]
mod tests;
