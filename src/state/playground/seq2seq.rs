//! The Playground of an encoder-decoder: a text that is read, and what is written of it.

pub mod instructions;
pub mod spans;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::explore::beams::{BeamNode, BeamView};
use crate::explore::read_write::{CrossView, Piece, Source};
use crate::explore::spans::Filled;
use crate::llm::generate::{AdapterMode, StopReason};
use crate::seq2seq::{BeamSettings, EarlyStopping, WriteRequest};
use crate::state::prefs::Prefs;

use self::instructions::INSTRUCTIONS;
use self::spans::SpansState;

/// What is in front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seq2SeqView {
    #[default]
    Answer,
    Beams,
    CrossAttention,
    Spans,
}

impl Seq2SeqView {
    pub const ALL: [Self; 4] = [Self::Answer, Self::Beams, Self::CrossAttention, Self::Spans];

    pub fn name(self) -> &'static str {
        match self {
            Self::Answer => "Answer",
            Self::Beams => "Beams",
            Self::CrossAttention => "Cross-attention",
            Self::Spans => "Hidden spans",
        }
    }

    /// The button that begins what it is for.
    pub fn start(self) -> &'static str {
        match self {
            Self::Answer | Self::CrossAttention => "Write an answer",
            Self::Beams => "Search",
            Self::Spans => "Fill in",
        }
    }

    /// What it answers, as a room would ask it.
    pub fn question(self) -> &'static str {
        match self {
            Self::Answer => "What does it write of the text that it reads?",
            Self::Beams => "Which answers were searched, and which were dropped?",
            Self::CrossAttention => "Where did it look in the text when it wrote each token?",
            Self::Spans => "What stood where words are hidden?",
        }
    }
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    Answering,
    Searching,
    Filling,
}

/// A token of the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenToken {
    pub piece: Piece,

    /// What the model gave it, before the sampling settings.
    pub probability: f32,
}

/// What a text is to be answered with.
#[derive(Clone, Debug)]
pub struct TextRequest {
    pub text: String,
    pub write: WriteRequest,

    /// Whether it is answered with the adapter.
    pub adapter: AdapterMode,
}

/// What a search is to be started with.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    pub text: String,
    pub settings: BeamSettings,
    pub adapter: AdapterMode,
}

/// Which answer's attention is to be computed.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossRequest {
    pub source: Source,
    pub answer: Vec<u32>,

    /// Counted from 0.
    pub layer: usize,

    /// Whether the answer was written with the adapter.
    pub adapter: AdapterMode,
}

/// What is to be filled in.
#[derive(Clone, Debug)]
pub struct FillRequest {
    pub text: String,
    pub hidden: BTreeSet<usize>,
    pub write: WriteRequest,
    pub adapter: AdapterMode,
}

/// A search, as far as it has come.
#[derive(Debug)]
pub struct BeamsState {
    pub beams: usize,
    pub length_penalty: f64,
    pub early_stopping: EarlyStopping,

    /// What was read, and the tree.
    pub source: Option<Source>,
    pub tree: BeamView,

    /// Of the tree in front, which may have other settings than those that are set now.
    pub searched: Option<BeamSettings>,

    /// The node whose path is shown. `None`: the best answer's.
    pub chosen: Option<usize>,
    pub hides_dropped: bool,
}

impl Default for BeamsState {
    fn default() -> Self {
        Self {
            beams: 4,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::Heuristic,
            source: None,
            tree: BeamView::default(),
            searched: None,
            chosen: None,
            hides_dropped: false,
        }
    }
}

impl BeamsState {
    /// The nodes of the path that is shown.
    pub fn path(&self) -> BTreeSet<usize> {
        let best = || self.tree.answers.first().map(|answer| answer.node);
        let end = self.chosen.or_else(best);
        end.map(|node| self.tree.path(node).into_iter().collect()).unwrap_or_default()
    }
}

/// The cross-attention of the answer in front.
#[derive(Debug, Default)]
pub struct CrossState {
    pub view: Option<Arc<CrossView>>,

    /// Of this head, or the mean: computed once.
    map: Option<(Option<usize>, Arc<[f32]>)>,

    /// It is being computed, or a notice says why it could not be.
    pub is_asked: bool,

    /// Counted from 0.
    pub layer: usize,

    /// `None`: the mean of all.
    pub head: Option<usize>,

    /// Which token of the answer.
    pub selected: Option<usize>,
}

impl CrossState {
    /// It is there.
    pub fn set(&mut self, view: CrossView) {
        self.layer = view.layer;
        self.map = None;
        self.view = Some(Arc::new(view));
    }

    fn empty(&mut self) {
        (self.view, self.map, self.is_asked) = (None, None, false);
    }

    /// (tokens of the answer, tokens that were read) of the head that is looked at.
    pub fn map(&mut self) -> Option<Arc<[f32]>> {
        let view = self.view.as_ref()?;
        let head = self.head.filter(|head| *head < view.heads);
        if let Some((of, map)) = &self.map
            && *of == head
        {
            return Some(Arc::clone(map));
        }
        let map: Arc<[f32]> = view.map(head).into();
        self.map = Some((head, Arc::clone(&map)));
        Some(map)
    }
}

/// Everything of it but the text, which is the Playground's prompt.
#[derive(Debug, Default)]
pub struct Seq2SeqState {
    pub view: Seq2SeqView,

    /// Place in [`INSTRUCTIONS`]. `None`: the text is read as it stands.
    pub instruction: Option<usize>,

    /// What the encoder has read for the answer in front.
    pub source: Option<Source>,
    pub answer: Vec<WrittenToken>,
    pub stop: Option<StopReason>,

    /// Which token of the answer was clicked.
    pub selected: Option<usize>,
    pub beams: BeamsState,
    pub cross: CrossState,
    pub spans: SpansState,
    pub doing: Option<Doing>,

    /// Whether what was begun last is done with the adapter.
    adapter: AdapterMode,

    /// Counts what was begun.
    number: u64,
}

impl Seq2SeqState {
    /// What the encoder reads of a text.
    pub fn reads(&self, text: &str) -> String {
        let instruction = self.instruction.and_then(|at| INSTRUCTIONS.get(at));
        match instruction {
            Some(instruction) => instruction.of(text.trim()),
            None => text.to_owned(),
        }
    }

    /// The state, if this is what it waits for.
    pub fn of(&mut self, number: u64) -> Option<&mut Self> {
        (self.number == number).then_some(self)
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    /// Why the view in front cannot begin, in a sentence.
    pub fn obstacle(&self, text: &str) -> Option<&'static str> {
        if self.doing.is_some() {
            return Some("An answer is being written");
        }
        if self.view == Seq2SeqView::Spans {
            return self.spans.obstacle();
        }
        text.trim().is_empty().then_some("Write a text first")
    }

    /// Another model is in memory: what is shown was not its.
    pub fn forget(&mut self) {
        let Self { view, instruction, beams, spans, number, .. } = std::mem::take(self);
        let BeamsState { beams, length_penalty, early_stopping, hides_dropped, .. } = beams;
        *self = Self {
            view,
            instruction,
            beams: BeamsState {
                beams,
                length_penalty,
                early_stopping,
                hides_dropped,
                ..BeamsState::default()
            },
            spans: spans.unfilled(),
            number: number + 1,
            ..Self::default()
        };
    }

    /// What is begun from now on is done with the adapter, or without it.
    pub fn use_adapter(&mut self, mode: AdapterMode) {
        self.adapter = mode;
    }

    /// An answer is about to be written. What it is written with, and its number.
    pub fn begin_answer(&mut self, text: &str, prefs: &Prefs, seed: u64) -> (u64, TextRequest) {
        self.number += 1;
        self.doing = Some(Doing::Answering);
        (self.source, self.stop, self.selected) = (None, None, None);
        self.answer.clear();
        self.cross.empty();
        self.cross.selected = None;
        let (text, write) = (self.reads(text), write(prefs, seed));
        (self.number, TextRequest { text, write, adapter: self.adapter })
    }

    pub fn on_token(&mut self, piece: Piece, logprob: f32) {
        self.answer.push(WrittenToken { piece, probability: logprob.exp() });
    }

    /// A search is about to begin.
    pub fn begin_search(&mut self, text: &str, prefs: &Prefs) -> (u64, SearchRequest) {
        self.number += 1;
        self.doing = Some(Doing::Searching);
        let settings = BeamSettings {
            beams: self.beams.beams,
            length_penalty: self.beams.length_penalty,
            early_stopping: self.beams.early_stopping,
            max_new_tokens: prefs.max_new_tokens,
            sampling: prefs.sampling.clone(),
        };
        self.beams.tree = BeamView::default();
        (self.beams.source, self.beams.chosen) = (None, None);
        self.beams.searched = Some(settings.clone());
        (self.number, SearchRequest { text: self.reads(text), settings, adapter: self.adapter })
    }

    pub fn on_step(&mut self, nodes: Vec<BeamNode>) {
        self.beams.tree.nodes.extend(nodes);
    }

    /// The words that are hidden are about to be filled in.
    pub fn begin_fill(&mut self, prefs: &Prefs, seed: u64) -> (u64, FillRequest) {
        self.number += 1;
        self.doing = Some(Doing::Filling);
        self.spans.filled = None;
        let SpansState { text, hidden, .. } = &self.spans;
        let request = FillRequest {
            text: text.clone(),
            hidden: hidden.clone(),
            write: write(prefs, seed),
            adapter: self.adapter,
        };
        (self.number, request)
    }

    pub fn filled(&mut self, filled: Filled) {
        self.spans.filled = Some(filled);
    }

    /// What runs has ended, whatever the end.
    pub fn ended(&mut self) {
        self.doing = None;
    }

    /// The attention that the view in front lacks. `None`: nothing, or not yet.
    pub fn cross_due(&self) -> Option<CrossRequest> {
        let is_due = self.view == Seq2SeqView::CrossAttention
            && self.doing.is_none()
            && !self.cross.is_asked
            && !self.answer.is_empty();
        let source = self.source.clone().filter(|_| is_due)?;
        let answer = self.answer.iter().map(|token| token.piece.id).collect();
        Some(CrossRequest { source, answer, layer: self.cross.layer, adapter: self.adapter })
    }

    /// Another layer is to be looked at.
    pub fn look_at_layer(&mut self, layer: usize) {
        if layer != self.cross.layer {
            self.cross.layer = layer;
            self.cross.empty();
        }
    }
}

fn write(prefs: &Prefs, seed: u64) -> WriteRequest {
    WriteRequest { sampling: prefs.sampling.clone(), max_new_tokens: prefs.max_new_tokens, seed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(id: u32) -> Piece {
        Piece { id, token: format!("t{id}") }
    }

    #[test]
    fn an_answer_of_before_does_not_come_into_the_next_one() {
        let mut state = Seq2SeqState::default();
        let (first, request) = state.begin_answer("a text", &Prefs::default(), 3);
        assert_eq!((request.text.as_str(), request.write.seed), ("a text", 3));
        assert_eq!(state.obstacle("a text"), Some("An answer is being written"));
        state.on_token(piece(5), -0.5);
        state.forget();
        assert!(state.of(first).is_none() && state.answer.is_empty() && state.doing.is_none());
    }

    #[test]
    fn attention_is_asked_for_once_there_is_an_answer_and_it_is_looked_at() {
        let mut state = Seq2SeqState::default();
        state.begin_answer("a text", &Prefs::default(), 0);
        state.source = Some(Source { pieces: vec![piece(1), piece(2)], is_cut: false });
        state.on_token(piece(7), 0.0);
        state.view = Seq2SeqView::CrossAttention;
        assert_eq!(state.cross_due(), None, "it is still being written");
        state.ended();
        state.look_at_layer(1);
        let due = state.cross_due().unwrap();
        assert_eq!((due.answer, due.layer), (vec![7], 1));
        state.cross.is_asked = true;
        assert_eq!(state.cross_due(), None, "asked already");
        state.view = Seq2SeqView::Answer;
        state.look_at_layer(0);
        assert_eq!(state.cross_due(), None, "nobody looks");
    }

    #[test]
    fn an_instruction_stands_around_the_text() {
        let mut state = Seq2SeqState::default();
        assert_eq!(state.reads(" as it is "), " as it is ");
        state.instruction = Some(0);
        let read = state.reads("  Who wrote Faust? ");
        assert!(read.contains("Who wrote Faust?") && read.len() > 20, "{read}");
        assert!(!read.contains("{}"));
    }
}
