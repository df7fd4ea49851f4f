//! The two answers put to the phones of the room: how many have answered, and what they prefer.

use eframe::egui::{Label, Ui};

use crate::state::annotate::AnnotateState;
use crate::state::command::{Commands, RoomCommand};
use crate::state::room::{RoomState, Source};
use crate::widgets::button::ActionButton;
use crate::widgets::theme;

/// A row, while the room is open and both answers are there.
pub fn phones_ui(ui: &mut Ui, annotate: &AnnotateState, room: &RoomState, commands: &mut Commands) {
    let (Some(open), Some(key)) = (room.open(), annotate.pair_key()) else { return };
    let asked = room.pair.filter(|pair| pair.key == key);
    ui.horizontal_wrapped(|ui| {
        let Some(asked) = asked else {
            let about = "The phones show the two answers without saying where they come from, every \
                         other phone the other way round. Your own verdict stays yours";
            if ui.add(ActionButton::new("Ask the phones")).on_hover_text(about).clicked() {
                commands.push(RoomCommand::AskPair);
            }
            return;
        };
        let tally = open.tally(Source::Pair(key));
        if !asked.is_revealed {
            ui.label(theme::strong(ui, open.turnout()));
            if ui.add(ActionButton::primary("Reveal the room's votes")).clicked() {
                commands.push(RoomCommand::RevealPair);
            }
            return;
        }
        if let Some(tally) = tally {
            let votes = |name: &str| {
                tally.bars.iter().find(|bar| bar.label == name).map_or(0, |bar| bar.votes)
            };
            let words = format!(
                "The room: {} for left, {} for right, {} ties",
                votes("left"),
                votes("right"),
                votes("tie")
            );
            ui.add(Label::new(theme::strong(ui, words)).wrap());
        }
        if ui.add(ActionButton::quiet("Take it off the phones")).clicked() {
            commands.push(RoomCommand::TakePairAway);
        }
    });
}
