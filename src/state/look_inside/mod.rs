//! The Look inside panel: a text, and what the loaded model makes of it, view by view.

pub mod beside;
pub mod guess;
pub mod heads;
pub mod items;
pub mod left_out;
pub mod lens;
pub mod machine;
pub mod map;
pub mod mask;
pub mod meaning;
pub mod on_disk;
pub mod pair;
pub mod pair_set;
pub mod reading;
pub mod slot;
pub mod subject;
pub mod versus;
pub mod view;

use std::path::{Path, PathBuf};

use self::beside::BesideState;
use self::guess::Guess;
use self::heads::Heads;
use self::left_out::LeftOut;
use self::lens::Lens;
use self::machine::MachineState;
use self::map::MapState;
use self::mask::MaskState;
use self::meaning::{FEWEST_ITEMS, MeaningState};
use self::on_disk::OnDisk;
use self::pair::PairState;
use self::pair_set::PairSetState;
use self::reading::Reading;
use self::slot::Slot;
use self::subject::{Form, PassRequest, Question, Subject};
use self::versus::Versus;
use self::view::{Pass, View};
use super::playground::{LaneView, PlaygroundState, Rendered};
use super::prefs::KeptLook;
use super::slots::{AdapterSlot, ModelSlot};
use crate::explore::surprise::SurpriseView;
use crate::explore::tokens::TokenView;
use crate::explore::word_map::WordsRequest;

/// The longest text that is kept between starts, in bytes.
const LONGEST_KEPT: usize = 1_000_000;

/// An answer of the Playground with its prompt, token for token.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Taken {
    ids: Vec<u32>,

    /// As the field shows it. Once that is edited, the field counts.
    text: String,

    /// Its ids mean nothing to another model.
    model: PathBuf,

    /// Where the answer begins.
    answer: usize,
}

/// Everything of the panel.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the screen")]
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

    /// What stands under the tokens: their ids, their surprise.
    pub shows_ids: bool,
    pub shows_bits: bool,
    taken: Option<Taken>,
    question: Option<Question>,

    /// Counts the questions: what belongs to an older one is not taken in.
    number: u64,

    /// The longest text that the model reads, in tokens.
    context: usize,
    pub tokens: Slot<TokenView>,

    /// Other tokenizers.
    pub beside: BesideState,
    pub surprise: Slot<Reading>,
    pub guess: Guess,

    /// Words that are guessed from both sides.
    pub mask: MaskState,

    /// The layer whose attention is looked at, and its head; both counted from 0.
    pub layer: usize,
    pub head: usize,

    /// Attention as lines between tokens; else as a map.
    pub as_lines: bool,

    /// The attention sink is left out.
    pub hides_first: bool,
    pub attention: Slot<Heads>,
    pub lens: Lens,
    pub left_out: LeftOut,
    pub pair: PairState,
    pub pair_set: PairSetState,

    /// Against a second model, or the base model.
    pub versus: Versus,
    has_adapter: bool,

    /// A list of words, which the text is then.
    pub meaning: MeaningState,
    layer_count: usize,

    /// Models that something can be compared with.
    pub on_disk: Vec<OnDisk>,

    /// The texts of a table.
    pub map: MapState,

    /// The model without a text.
    pub machine: MachineState,
}

impl LookInsideState {
    /// Looks at what is in the field now.
    pub fn look(&mut self, model: &ModelSlot, adapter: &AdapterSlot) {
        let subject = model.ready().and_then(|card| self.subject(card.source.path()));
        let question = match (model.ready(), subject) {
            (Some(model), Some(subject)) => Some(Question::new(subject, model, adapter)),
            _ => None,
        };
        self.context = model.ready().map_or(0, |card| card.facts.context_length);
        self.question = question;
        self.number += 1;
        self.selected = None;
        self.tokens = Slot::Empty;
        self.beside.begin();
        self.surprise = Slot::Empty;
        self.guess.begin();
        self.mask.look(&self.text);
        self.mask.follow(model, adapter);
        self.attention = Slot::Empty;
        self.lens.begin();
        let is_taken = model.ready().is_some_and(|card| self.is_taken(card.source.path()));
        let begins = self.taken.as_ref().filter(|_| is_taken).map(|taken| taken.answer);
        self.left_out.begin(begins);
        self.pair.begin();
        self.versus.begin();
        self.has_adapter = adapter.ready().is_some();
        self.meaning.begin();
        self.layer_count = model.ready().map_or(0, |card| card.facts.layer_count);
    }

    /// What the view of meanings asks now. `None`: there are too few words for a map.
    pub fn words_request(&self) -> Option<WordsRequest> {
        let Subject::Text { text, .. } = &self.question.as_ref()?.subject else { return None };
        let request = self.meaning.request(text, self.layer_count);
        (request.items.len() >= FEWEST_ITEMS).then_some(request)
    }

    /// What is there again at the next start. A text that is longer than any model reads is not: all of it
    /// would be written again and again.
    pub fn kept(&self) -> KeptLook {
        KeptLook {
            text: if self.text.len() > LONGEST_KEPT { String::new() } else { self.text.clone() },
            as_question: self.form == Form::Question,
            view: self.view.name().to_owned(),
        }
    }

    /// What was in front at the last start.
    pub fn restore(&mut self, kept: &KeptLook) {
        self.text.clone_from(&kept.text);
        self.form = if kept.as_question { Form::Question } else { Form::Text };
        self.view = View::named(&kept.view).unwrap_or_default();
    }

    /// Another layer is looked at.
    pub fn layer_changed(&mut self) {
        self.attention = Slot::Empty;
    }

    /// Looks again where what is in front was computed by another model or adapter; and at every
    /// letter that is typed where that costs nothing.
    pub fn follow(&mut self, model: &ModelSlot, adapter: &AdapterSlot) {
        let Some(card) = model.ready() else { return };
        let is_old = self.question.as_ref().is_some_and(|asked| !asked.is_of(card, adapter));
        if self.question.as_ref().is_some_and(|asked| !asked.is_of_model(card)) {
            self.versus.forget(); // it was beside the model before
        }
        if is_old || (self.view == View::Tokens && self.is_outdated(card.source.path())) {
            self.look(model, adapter);
        }
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

    /// The text in the field, to be read by other tokenizers: what was taken token for token as it stands.
    pub fn subject_as_text(&self) -> Subject {
        let taken = self.question.as_ref().is_some_and(|it| matches!(it.subject, Subject::Ids(_)));
        let form = if taken { Form::Text } else { self.form };
        Subject::Text { text: self.text.clone(), form }
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
        self.text = [prompt.text.as_str(), &answer.text()].concat();
        let (text, model, answer) = (self.text.clone(), model.to_owned(), prompt.ids.len());
        self.taken = Some(Taken { ids, text, model, answer });
    }

    /// Closes what is in front of the panel. False: there is nothing.
    pub fn close_topmost(&mut self) -> bool {
        if self.view == View::Map {
            return self.map.close_topmost();
        }
        if self.view == View::Mask {
            return self.mask.selected.take().is_some();
        }
        self.selected.take().is_some()
    }

    /// Moves to the token so many places on.
    pub fn step(&mut self, by: isize) {
        let count = self.shown_count();
        let next = match self.selected {
            Some(at) => at.saturating_add_signed(by).min(count.saturating_sub(1)),
            None => 0,
        };
        self.selected = (count > 0).then_some(next);
        self.reveals = true;
    }

    /// Whether something has to be computed for the view in front.
    pub fn is_due(&self) -> bool {
        if matches!(self.view, View::Map | View::PairSet) {
            return false; // their own buttons start them
        }
        if self.view == View::Machine {
            return self.machine.view.is_empty();
        }
        if self.view == View::Mask {
            // One after the other: both have the processor to themselves.
            let is_due = self.mask.is_fill_due() || self.mask.is_left_due();
            return is_due && !self.mask.is_running();
        }
        let pass_is_due = match (self.tokens.ready(), self.view.pass()) {
            (None, _) => false,
            (Some(_), None) => self.view == View::Tokens && self.beside.is_due(),
            (Some(_), Some(Pass::Surprise)) => self.surprise.is_empty(),
            (Some(_), Some(Pass::Attention)) => self.attention.is_empty(),
            (Some(_), Some(Pass::Lens)) => self.lens.view.is_empty(),
            (Some(_), Some(Pass::LeaveOneOut)) => {
                self.left_out.view.is_empty() && self.answer() > 0
            }
            (Some(_), Some(Pass::Pair)) => {
                self.pair.view.is_empty() && !self.pair.asked().is_empty()
            }
            (Some(_), Some(Pass::Compare)) => self.versus.is_due(self.has_adapter),
            (Some(_), Some(Pass::Meaning)) => {
                self.meaning.view.is_empty() && self.words_request().is_some()
            }
        };
        self.question.is_some() && (self.tokens.is_empty() || pass_is_due)
    }

    /// What goes through the model: as many of the tokens as it reads.
    pub fn pass_request(&self) -> Option<PassRequest> {
        let adapter = self.question.as_ref()?.adapter;
        let tokens = &self.tokens.ready()?.pieces;
        let ids = tokens.iter().take(self.most_tokens()).map(|piece| piece.id).collect();
        Some(PassRequest { ids, adapter })
    }

    /// The first token of the answer that parts of the text are left out for. 0: there is none.
    pub fn answer(&self) -> usize {
        let pieces = self.tokens.ready().map(|view| view.pieces.as_slice()).unwrap_or_default();
        self.left_out.answer(&pieces[..pieces.len().min(self.most_tokens())])
    }

    /// So many tokens of the text the view in front can show.
    fn most_tokens(&self) -> usize {
        match self.view.pass() {
            None | Some(Pass::Meaning) => usize::MAX, // each item is read by itself
            Some(Pass::Surprise | Pass::Lens | Pass::LeaveOneOut | Pass::Pair | Pass::Compare) => {
                self.context
            }
            Some(Pass::Attention) => self.context.min(heads::MOST_TOKENS),
        }
    }

    /// How many tokens the text has.
    pub fn token_count(&self) -> usize {
        self.tokens.ready().map_or(0, |view| view.pieces.len())
    }

    /// How many of them the view in front shows.
    fn shown_count(&self) -> usize {
        self.token_count().min(self.most_tokens())
    }

    /// A click on a token: it is looked at, or no more.
    pub fn choose(&mut self, clicked: Option<usize>) {
        if let Some(token) = clicked {
            self.selected = (self.selected != Some(token)).then_some(token);
        }
    }

    /// How much the text surprised the model.
    pub fn surprised(&mut self, view: SurpriseView) {
        let tokens = self.tokens.ready().map(|view| view.pieces.as_slice()).unwrap_or_default();
        let is_special: Vec<bool> = tokens.iter().map(|piece| piece.special).collect();
        self.surprise = Slot::Ready(Reading::new(view, &is_special));
    }

    /// The panel, for whoever has worked on the question of this number; `None`: another is in
    /// front by now.
    pub fn of(&mut self, number: u64) -> Option<&mut Self> {
        (number == self.number).then_some(self)
    }

    /// Whether the view in front is there, and can be written as files.
    pub fn has_view(&self) -> bool {
        match self.view {
            View::Tokens => self.tokens.ready().is_some(),
            View::Surprise | View::Guess => self.surprise.ready().is_some(),
            View::Mask => self.mask.has_part(),
            View::Attention => self.attention.ready().is_some(),
            View::Lens => self.lens.view.ready().is_some(),
            View::LeaveOneOut => self.left_out.view.ready().is_some(),
            View::Pair => self.pair.view.ready().is_some(),
            View::PairSet => !self.pair_set.results().is_empty(),
            View::Compare => self.versus.view.ready().is_some(),
            View::Meaning => self.meaning.view.ready().is_some(),
            View::Map => self.map.has_part(),
            View::Machine => self.machine.view.ready().is_some(),
        }
    }

    pub fn is_running(&self) -> bool {
        self.tokens.is_running()
            || self.beside.view.is_running()
            || self.surprise.is_running()
            || self.attention.is_running()
            || self.lens.view.is_running()
            || self.left_out.view.is_running()
            || self.pair.view.is_running()
            || self.versus.view.is_running()
            || self.meaning.view.is_running()
            || self.machine.times.is_running()
            || self.pair_set.running.is_running()
            || self.mask.is_running()
            || self.map.is_running()
    }
}

/// The answer that is in front in the Playground, or that was there last, with its prompt.
pub fn last_answer(playground: &PlaygroundState) -> Option<(&Rendered, &LaneView)> {
    let prompt = playground.rendered.as_ref()?;
    let answer = playground.lanes.get(playground.followed_lane())?;
    (!playground.running && !answer.tokens.is_empty()).then_some((prompt, answer))
}
