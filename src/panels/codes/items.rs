//! All items of a coder with what was said of them, to go to any of them.

use eframe::egui::{self, Align, Button, Layout, RichText, ScrollArea, Ui};

use crate::state::codes::item_list::{ItemList, Which};
use crate::state::codes::listing;
use crate::state::codes::session::Session;
use crate::state::command::{CodesCommand, Commands};
use crate::widgets::button::ActionButton;
use crate::widgets::card;
use crate::widgets::format;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

pub(super) fn items_ui(ui: &Ui, session: &mut Session, commands: &mut Commands) {
    let Some(mut list) = session.list.take() else { return };
    let (mut picked, mut closes) = (None, false);
    let modal = egui::Modal::new(egui::Id::unique("items of the coder")).frame(card::frame(ui));
    let modal = modal.show(ui.ctx(), |ui| {
        let screen = ui.ctx().content_rect();
        ui.set_width((theme::em(ui) * 44.0).min(screen.width() - 96.0));
        let mut which = list.which;
        ui.horizontal_wrapped(|ui| {
            let segments = [
                (Which::All, "All", "Every item, in your order"),
                (Which::Open, "Not coded", "Items without a verdict of yours"),
                (Which::Flagged, "Flagged", "Items that you have marked with F"),
                (Which::Unknown, "Don't know", "Items with a question that you could not answer"),
            ]
            .map(|(value, words, explanation)| Segment { value, words, explanation });
            segmented_ui(ui, &mut which, &segments);
            closes =
                ui.add(ActionButton::quiet("Close").icon(icons::CLOSE).shortcut("Esc")).clicked();
        });
        if which != list.which {
            list = ItemList::of(session, which);
        }
        ui.add_space(theme::GAP_SMALL);
        if list.rows.is_empty() {
            ui.label(theme::muted(ui, "There are none"));
            return;
        }
        let height = (screen.height() - 200.0).max(theme::em(ui) * 6.0);
        let row = ui.spacing().interact_size.y;
        let area = ScrollArea::vertical().id_salt(which as u8).max_height(height);
        let area = area.min_scrolled_height(height).auto_shrink([false, true]);
        area.show_rows(ui, row, list.rows.len(), |ui, rows| {
            for at in &list.rows[rows] {
                let Some(words) = row_words(session, *at) else { continue };
                let button = Button::selectable(*at == session.place(), RichText::new(words));
                let button = button.truncate().min_size(egui::vec2(0.0, row));
                let layout = Layout::top_down_justified(Align::LEFT);
                if ui.with_layout(layout, |ui| ui.add(button)).inner.clicked() {
                    picked = Some(*at);
                }
            }
        });
    });
    if let Some(at) = picked {
        commands.push(CodesCommand::GoTo(at));
    } else if !closes && !modal.should_close() {
        session.list = Some(list);
    }
}

/// `12 · praise · flagged · The committee praised the report.`
fn row_words(session: &Session, at: usize) -> Option<String> {
    let text: String = session.item_at(at)?.text.chars().take(160).collect();
    let text: Vec<&str> = text.split_whitespace().collect();
    let said = listing::said(session, at).unwrap_or_else(|| "not coded".to_owned());
    let is_flagged = session.verdict_at(at).is_some_and(|verdict| verdict.flagged);
    let flagged = if is_flagged { " · flagged" } else { "" };
    Some(format!("{} · {said}{flagged} · {}", format::count(at + 1), text.join(" ")))
}
