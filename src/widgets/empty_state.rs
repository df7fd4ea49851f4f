//! A panel with nothing in it says what it is for and offers the next step.

use eframe::egui;
use eframe::egui::{Label, Ui};

use super::button::{ActionButton, Weight};
use super::card::decoration_ui;
use super::theme::{self, MaterialIcon};

/// What an empty panel shows.
#[derive(Clone, Copy, Debug)]
pub struct EmptyState<'a> {
    pub icon: MaterialIcon,

    /// `No model is loaded`.
    pub title: &'a str,

    /// What the panel is for and what comes next.
    pub sentence: &'a str,

    /// The next steps; the first is the one that most people want.
    pub actions: &'a [&'a str],
}

impl EmptyState<'_> {
    /// Draws it in the middle. The index of the action that was pressed.
    pub fn show(self, ui: &mut Ui) -> Option<usize> {
        let p = theme::palette(ui);
        let em = theme::em(ui);
        let mut pressed = None;
        let height = ui.available_height();
        let area = egui::ScrollArea::vertical().id_salt("empty state").auto_shrink([false, true]);
        area.show(ui, |ui| {
            ui.vertical_centered(|ui| {
                ui.add_space(((height - em * 16.0) * 0.4).clamp(theme::GAP, 140.0));
                decoration_ui(ui, self.icon.rich_text().size(em * 3.0).color(p.accent));
                ui.add_space(theme::GAP);
                let title = theme::title(ui, self.title).heading();
                ui.add(Label::new(title).wrap());
                ui.allocate_ui(egui::vec2(ui.available_width().min(em * 32.0), 0.0), |ui| {
                    let sentence = theme::muted(ui, self.sentence);
                    ui.add(Label::new(sentence).wrap().halign(egui::Align::Center));
                });
                ui.add_space(theme::GAP);
                for (index, action) in self.actions.iter().enumerate() {
                    let weight = if index == 0 { Weight::Primary } else { Weight::Normal };
                    if ui.add(ActionButton::new(action).weight(weight)).clicked() {
                        pressed = Some(index);
                    }
                }
            })
        });
        pressed
    }
}
