//! The conversations of the project: found again, and opened.

use eframe::egui::{Button, Ui};

use super::shared::{instead_ui, search_ui};
use crate::state::command::{Commands, PlaygroundCommand};
use crate::state::playground::PlaygroundState;
use crate::state::playground::turn::Chat;
use crate::widgets::button::ActionButton;
use crate::widgets::format;
use crate::widgets::layout::{inset_ui, scrolled_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws the list, the latest first.
pub fn chats_ui(ui: &mut Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    inset_ui(ui, |ui| {
        search_ui(ui, &mut playground.chat_query, "Search the chats");
        let has_chat = playground.has_chat() && !playground.running;
        ui.horizontal_wrapped(|ui| {
            let export = ActionButton::quiet("Export this chat").icon(icons::EXPORT);
            let export = export.add_enabled(ui, has_chat);
            let about = "Into exports/chats of the project: as Markdown, and as JSON messages";
            if export.on_hover_text(about).clicked() {
                commands.push(PlaygroundCommand::ExportChat);
            }
        });
    });
    let mut opened = None;
    scrolled_ui(ui, "chats", |ui| {
        let mut shown = 0;
        for (at, chat) in playground.past_chats().iter().enumerate().rev() {
            if !chat.fits(&playground.chat_query) {
                continue;
            }
            shown += 1;
            ui.push_id(("chat", at), |ui| {
                let button = Button::new(title(chat)).truncate().frame_when_inactive(false);
                let button = ui.add_enabled(!playground.running, button);
                let button = button.on_disabled_hover_text("An answer is being written");
                if button.on_hover_text("Open this chat").clicked() {
                    opened = Some(at);
                }
                ui.label(theme::muted(ui, about(chat)).small());
            });
            ui.add_space(theme::GAP_SMALL);
        }
        match (shown, playground.past_chats().is_empty()) {
            (0, true) => instead_ui(
                ui,
                "Chats that you leave for a new one are listed here. They are kept in the folder \
                 chats of the project",
            ),
            (0, false) => instead_ui(ui, "No chat has these words"),
            _ => {}
        }
    });
    if let Some(at) = opened {
        playground.open_chat(at);
    }
}

fn title(chat: &Chat) -> String {
    let words: Vec<&str> = chat.title().split_whitespace().take(14).collect();
    if words.is_empty() { "(no question)".to_owned() } else { words.join(" ") }
}

/// `2026-11-29 02:28 · 3 turns`.
fn about(chat: &Chat) -> String {
    let turns = format::counted(chat.turns.len(), "turn", "turns");
    let changed = &chat.keeping.changed_at;
    match (changed.get(..10), changed.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC · {turns}"),
        _ => turns,
    }
}
