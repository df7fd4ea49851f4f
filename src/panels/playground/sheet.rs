//! What lies beside the conversation while it is open: the chats of the project, or its prompts.

use eframe::egui::{Rect, Ui};

use super::shared::instead_ui;
use super::{chats, library};
use crate::llm::card::ModelCard;
use crate::state::command::Commands;
use crate::state::playground::PlaygroundState;
use crate::state::playground::library::Sheet;
use crate::state::prefs::Prefs;
use crate::widgets::button::ActionButton;
use crate::widgets::layout::{heading_ui, inset_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws the sheet that is open.
pub fn sheet_ui(
    ui: &mut Ui,
    sheet: Sheet,
    playground: &mut PlaygroundState,
    prefs: &mut Prefs,
    model: Option<&ModelCard>,
    commands: &mut Commands,
) {
    let title = match sheet {
        Sheet::Chats => "Chats",
        Sheet::Prompts => "Prompts",
    };
    let mut is_closed = false;
    inset_ui(ui, |ui| {
        heading_ui(ui, title, |ui| {
            let close = ActionButton::only_icon(icons::CLOSE, "Close the sheet");
            is_closed = ui.add(close).clicked();
        });
    });
    match sheet {
        Sheet::Chats => chats::chats_ui(ui, playground, commands),
        Sheet::Prompts => match model {
            Some(model) => library::library_ui(ui, playground, prefs, model, commands),
            None => instead_ui(ui, "Prompts are filled and run with a model in memory: load one"),
        },
    }
    if is_closed {
        playground.sheet = None;
    }
}

/// The parts of the panel for the conversation and the sheet. In a narrow window the sheet has all of
/// it until it is closed.
pub fn split_for_sheet(ui: &Ui, all: Rect) -> (Option<Rect>, Rect) {
    let em = theme::em(ui);
    let width = all.width() / em;
    if width < 40.0 {
        return (None, all);
    }
    let talk = width - (width * 0.42).clamp(20.0, 46.0);
    let (left, right) = all.split_left_right_at_x(all.left() + talk * em);
    (Some(left), right)
}
