//! A text of a study put to the phones of the room: how many have answered, and what.

use eframe::egui::{Label, Ui};

use crate::room::coding::NOT_KNOWN;
use crate::state::codes::session::Session;
use crate::state::command::{Commands, RoomCommand};
use crate::state::room::{RoomState, Source};
use crate::widgets::button::ActionButton;
use crate::widgets::theme;

/// A row, while the room is open.
pub(super) fn phones_ui(ui: &mut Ui, session: &Session, room: &RoomState, commands: &mut Commands) {
    let (Some(open), Some(key)) = (room.open(), session.in_front()) else { return };
    let asked = room.item.filter(|item| item.key.item == key.item);
    ui.horizontal_wrapped(|ui| {
        let Some(asked) = asked else {
            let about = "The phones show this text with the question in front. Their answers become \
                         codes of coders without a name. Your own codes stay yours";
            if ui.add(ActionButton::new("Ask the phones")).on_hover_text(about).clicked() {
                commands.push(RoomCommand::AskItem(key));
            }
            return;
        };
        if !asked.is_revealed {
            ui.label(theme::strong(ui, open.turnout()));
            if ui.add(ActionButton::primary("Reveal the room's votes")).clicked() {
                commands.push(RoomCommand::RevealItem);
            }
            return;
        }
        if let Some(tally) = open.tally(Source::Item(asked.key)) {
            let said = |label: &str| match label {
                NOT_KNOWN => "don't know".to_owned(),
                label => label.to_owned(),
            };
            let bars: Vec<String> =
                tally.bars.iter().map(|bar| format!("{} {}", bar.votes, said(&bar.label))).collect();
            let words = format!("The room: {}", bars.join(" · "));
            ui.add(Label::new(theme::strong(ui, words)).wrap());
        }
        if ui.add(ActionButton::quiet("Take it off the phones")).clicked() {
            commands.push(RoomCommand::TakeItemAway);
        }
    });
}
