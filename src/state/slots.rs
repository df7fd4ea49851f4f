//! What is loaded and what runs, as every panel sees it.

use std::sync::Arc;

use crate::llm::card::{AdapterCard, ModelCard, ModelIdentity};
use crate::llm::generate::AdapterMode;
use crate::remote::probe::Probe;

use super::command::Command;

/// The one model in memory, or the one of a server that stands in its place.
#[derive(Clone, Debug, Default)]
pub enum ModelSlot {
    #[default]
    Empty,
    Loading {
        name: String,
    },
    Ready(Box<ModelCard>),

    /// An encoder-decoder (T5, BART) in memory: it reads one text and writes another. What works with
    /// a decoder's scores does not work with it.
    EncoderDecoder(Box<ModelCard>),

    /// Behind a server: what is known of it.
    Remote(Arc<Probe>),
}

impl ModelSlot {
    /// A decoder in memory.
    pub fn ready(&self) -> Option<&ModelCard> {
        match self {
            Self::Ready(card) => Some(card),
            Self::Empty | Self::Loading { .. } | Self::Remote(_) | Self::EncoderDecoder(_) => None,
        }
    }

    pub fn encoder_decoder(&self) -> Option<&ModelCard> {
        match self {
            Self::EncoderDecoder(card) => Some(card),
            Self::Empty | Self::Loading { .. } | Self::Remote(_) | Self::Ready(_) => None,
        }
    }

    /// Whatever is in memory.
    pub fn in_memory(&self) -> Option<&ModelCard> {
        match self {
            Self::Ready(card) | Self::EncoderDecoder(card) => Some(card),
            Self::Empty | Self::Loading { .. } | Self::Remote(_) => None,
        }
    }

    pub fn remote(&self) -> Option<&Probe> {
        match self {
            Self::Remote(probe) => Some(probe),
            Self::Empty | Self::Loading { .. } | Self::Ready(_) | Self::EncoderDecoder(_) => None,
        }
    }

    /// Why something that works with a decoder does not work with the encoder-decoder in memory.
    /// `None`: there is no encoder-decoder in memory.
    pub fn only_decoders(&self) -> Option<String> {
        let card = self.encoder_decoder()?;
        Some(format!(
            "{} is an encoder-decoder, and this works with decoders only: load a decoder for it",
            card.identity.name
        ))
    }

    /// Whether it can hold a conversation: a decoder in memory, or a model behind a server.
    pub fn answers(&self) -> bool {
        matches!(self, Self::Ready(_) | Self::Remote(_))
    }

    pub fn identity(&self) -> Option<ModelIdentity> {
        match self {
            Self::Ready(card) | Self::EncoderDecoder(card) => Some(card.identity.clone()),
            Self::Remote(probe) => Some(ModelIdentity::at_server(&probe.address, &probe.model)),
            Self::Empty | Self::Loading { .. } => None,
        }
    }
}

/// The adapter laid over the model, if any.
#[derive(Clone, Debug, Default)]
pub enum AdapterSlot {
    #[default]
    None,
    Loading {
        name: String,
    },
    Ready {
        card: AdapterCard,
        mode: AdapterMode,
    },
}

impl AdapterSlot {
    pub fn ready(&self) -> Option<&AdapterCard> {
        match self {
            Self::Ready { card, .. } => Some(card),
            Self::None | Self::Loading { .. } => None,
        }
    }

    /// Whether answers are given with the adapter.
    pub fn mode(&self) -> AdapterMode {
        match self {
            Self::Ready { mode, .. } => *mode,
            Self::None | Self::Loading { .. } => AdapterMode::Off,
        }
    }
}

/// Who asked for the tokens that are being generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    Playground,
    Annotate,
}

/// A line of the bottom bar: what runs now, with a number, a bar and the time left.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// `Training`, `Downloading`, `Answering`.
    pub what: String,

    /// `step 12 of 200 · 3.4 s a step · 11 min left`.
    pub detail: String,

    /// How far it is, 0 to 1, where that is known.
    pub fraction: Option<f32>,

    /// What its Stop button does.
    pub stop: Option<Command>,

    /// Whether the person is asked before the window is closed over it.
    pub asks_before_closing: bool,
}

impl Activity {
    /// Of something whose end is not known, and that cannot be stopped.
    pub fn new(what: &str, detail: String) -> Self {
        let what = what.to_owned();
        Self { what, detail, fraction: None, stop: None, asks_before_closing: false }
    }
}

/// What a panel may look at beside its own state.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    pub model: &'a ModelSlot,
    pub adapter: &'a AdapterSlot,
    pub notices: &'a super::notice::Notices,

    /// What runs now, one line each.
    pub activities: &'a [Activity],

    /// The open project's folder.
    pub project: &'a std::path::Path,

    /// The phones of the audience.
    pub room: &'a super::room::RoomState,
}
