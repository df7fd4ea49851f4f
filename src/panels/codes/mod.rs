//! The Codes view of Annotate: studies, a new one, texts being coded, and how far coders agree.

mod agreement;
mod coding;
mod head;
mod items;
mod keys;
mod list;
mod pair;
mod phones;
mod questions;
mod role;
mod setup;
mod suggesting;
mod text;
mod variables;

use eframe::egui::Ui;

use self::suggesting::Suggesting;
use crate::state::codes::{AnnotateView, CodesState, Front};
use crate::state::command::Commands;
use crate::state::room::RoomState;
use crate::widgets::switch::{Segment, segmented_ui};

/// The keys of the view, for the list that `?` shows.
pub const KEYS: [(&str, &str); 16] = [
    ("1 2 3 … a b c …", "Give the question in front the label with this key"),
    ("0", "Don't know"),
    ("Enter", "Keep the codes and go to the next item"),
    ("Backspace", "One item back"),
    ("L", "The list of your items, to go to any of them"),
    ("Esc", "Leave the field of a number or of a text, so that keys are keys again"),
    ("Page Down  Page Up", "Scroll a long text"),
    ("?", "The guideline"),
    ("↓ ↑", "The next or the previous question"),
    ("U  Ctrl+Z", "Undo"),
    ("Ctrl+Shift+Z  Ctrl+Y", "Redo"),
    ("F", "Flag the item"),
    ("R", "Write a reason"),
    ("← →", "Mark words, with Shift more of them"),
    ("1 2 3 0 S", "Of two answers: left, right, tie, both bad, skip"),
    ("D P Y", "Of two answers: differences, Markdown, both scrolled at once"),
];

/// Draws the view below the switch.
pub fn codes_ui(
    ui: &mut Ui,
    codes: &mut CodesState,
    suggesting: &Suggesting,
    room: &RoomState,
    commands: &mut Commands,
) {
    if codes.session.is_none() && matches!(codes.front, Front::Coding | Front::Agreement) {
        codes.front = Front::List;
    }
    match codes.front {
        Front::List => list::list_ui(ui, codes, commands),
        Front::Setup => setup::setup_ui(ui, codes, commands),
        Front::Coding => coding::coding_ui(ui, codes, suggesting, room, commands),
        Front::Agreement => agreement::agreement_ui(ui, codes, commands),
    }
}

/// Pairs, codes, or the arena.
pub fn switch_ui(ui: &mut Ui, view: &mut AnnotateView) {
    let segments = [
        Segment {
            value: AnnotateView::Pairs,
            words: "Pairs",
            explanation: "Which of two answers is better",
        },
        Segment {
            value: AnnotateView::Codes,
            words: "Studies",
            explanation: "Texts get codes, or pairs verdicts, from several people",
        },
        Segment {
            value: AnnotateView::Arena,
            words: "Arena",
            explanation: "Which of several models your verdicts prefer",
        },
    ];
    segmented_ui(ui, view, &segments);
}
