//! The lecturer's own window: the scene in small, the notes, the next scene, the clock.

use std::time::Duration;

use eframe::egui::{CentralPanel, Frame, Label, Margin, Rect, Sense, Ui, vec2};

use super::pen::Pen;
use super::scene;
use crate::state::lectures::stage::Stage;
use crate::state::lectures::{Front, Shown};
use crate::state::room::OpenRoom;
use crate::widgets::button::ActionButton;
use crate::widgets::format;
use crate::widgets::layout::scrolled_ui;
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws it. True: the lecture is left.
pub fn notes_ui(ui: &mut Ui, front: &Front, stage: &mut Stage, open: Option<&OpenRoom>) -> bool {
    ui.ctx().request_repaint_after(Duration::from_secs(1)); // the clock
    let frame = Frame::new().fill(theme::palette(ui).canvas).inner_margin(Margin::same(16));
    CentralPanel::default()
        .frame(frame)
        .show(ui, |ui| {
            let mut leaves = false;
            let room = ui.available_size();
            let width = (room.x * 0.62).min(room.y * 0.62 * 16.0 / 9.0);
            let size = vec2(width, width * 9.0 / 16.0);
            ui.horizontal_top(|ui| {
                let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
                picture(ui, rect, front, stage, open);
                ui.add_space(theme::GAP);
                ui.vertical(|ui| {
                    clock_ui(ui, front, stage);
                    if let Some(open) = open {
                        ui.add_space(theme::GAP);
                        ui.add(Label::new(theme::strong(ui, open.turnout())).wrap());
                    }
                });
            });
            ui.add_space(theme::GAP);
            leaves |= buttons_ui(ui, front, stage, open.is_some());
            ui.add_space(theme::GAP_SMALL);
            let notes = front.scene(stage.at).map(|scene| scene.notes.trim()).unwrap_or_default();
            let notes = if notes.is_empty() { "No notes for this scene" } else { notes };
            scrolled_ui(ui, "notes", |ui| {
                ui.add(Label::new(theme::strong(ui, notes).size(theme::em(ui) * 1.25)).wrap());
            });
            leaves
        })
        .inner
}

/// The stage as it is, in small: dark where it is dark.
fn picture(ui: &Ui, rect: Rect, front: &Front, stage: &Stage, open: Option<&OpenRoom>) {
    let pen = Pen::new(ui, rect, "notes");
    scene::draw(&pen, rect, front, stage, open);
    pen.painter.rect_stroke(rect, 0.0, (1.0, pen.p.outline), eframe::egui::StrokeKind::Outside);
}

fn clock_ui(ui: &mut Ui, front: &Front, stage: &Stage) {
    let secs = (ui.input(|input| input.time) - stage.began).max(0.0);
    let words = format!("Scene {} of {}", stage.at + 1, front.scene_count());
    ui.add(Label::new(theme::title(ui, words)).wrap());
    let planned = front.opened.lecture.minutes;
    let planned = planned.map_or_else(String::new, |minutes| format!(" of {minutes} min"));
    let words = format!("{}{planned}", format::duration(secs));
    ui.add(Label::new(theme::strong(ui, words).heading()).wrap());
    if stage.is_blank {
        ui.add(Label::new(theme::strong(ui, "The stage is dark")).wrap());
    }
    ui.add_space(theme::GAP);
    let next = stage.at + 1;
    let words = match front.scene(next) {
        None => "This is the last scene".to_owned(),
        Some(scene) => format!("Next: {}", scene.title),
    };
    ui.add(Label::new(theme::strong(ui, words)).wrap());
    let state = match front.results.get(next) {
        Some(Shown::Waiting | Shown::Computing) => "It is being prepared",
        Some(Shown::Failed(_)) => "It cannot be shown",
        Some(Shown::Ready { .. }) => "It is ready",
        None => "",
    };
    ui.add(Label::new(theme::muted(ui, state)).wrap());
}

fn buttons_ui(ui: &mut Ui, front: &Front, stage: &mut Stage, is_open: bool) -> bool {
    let mut leaves = false;
    ui.horizontal_wrapped(|ui| {
        let back = ActionButton::new("Back").shortcut("Page Up").add_enabled(ui, stage.at > 0);
        if back.clicked() {
            stage.go_back();
        }
        let is_last = stage.at == stage.last();
        let on = ActionButton::primary("Next").shortcut("Page Down").add_enabled(ui, !is_last);
        if on.clicked() {
            stage.go_on();
        }
        let most = scene::reveals(front, stage.at);
        let reveal = ActionButton::new("Reveal").shortcut("R");
        let reveal = reveal.add_enabled(ui, stage.revealed() < most);
        if reveal.on_disabled_hover_text("Nothing is hidden in this scene").clicked() {
            stage.reveal(most);
        }
        let words = if stage.is_blank { "Light" } else { "Dark" };
        if ActionButton::new(words).shortcut("B").add_enabled(ui, true).clicked() {
            stage.is_blank = !stage.is_blank;
        }
        if is_open {
            let words = if stage.shows_join { "The scene" } else { "How to join" };
            if ActionButton::new(words).shortcut("J").add_enabled(ui, true).clicked() {
                stage.shows_join = !stage.shows_join;
            }
        }
        // Where the platform has one window only, the stage is this one.
        if !ui.ctx().embed_viewports() {
            let words = if stage.has_window { "Close the stage window" } else { "Stage window" };
            let about = "Move it to the projector and press F in it: it takes the whole screen";
            let button = ActionButton::new(words).icon(icons::PROJECTOR).add_enabled(ui, true);
            if button.on_hover_text(about).clicked() {
                stage.has_window = !stage.has_window;
            }
        }
        leaves = ActionButton::new("End").shortcut("Esc").add_enabled(ui, true).clicked();
    });
    leaves
}
