//! The stage: one scene on the whole screen, driven with the keys of a presenter remote.
//!
//! Nothing on it can be clicked, and no other key does anything: settings cannot be changed by
//! accident. With notes, this window is the lecturer's, and the stage can be another one.

mod ask;
mod bars;
mod grid;
mod join;
mod map;
mod mask;
mod models;
mod notes;
mod pen;
mod scene;
mod text;

use eframe::egui;
use eframe::egui::{CentralPanel, Color32, Frame, Key, Modifiers, Ui, ViewportBuilder, ViewportId};

use self::pen::Pen;
use crate::state::command::{Commands, LecturesCommand};
use crate::state::lectures::stage::Stage;
use crate::state::lectures::{Front, LecturesState};
use crate::state::room::{OpenRoom, RoomState};

/// Draws the lecture that is given. False: none is.
pub fn stage_ui(
    ui: &mut Ui,
    lectures: &mut LecturesState,
    room: &RoomState,
    commands: &mut Commands,
) -> bool {
    let open = room.open();
    let Some(front) = lectures.front.as_mut() else { return false };
    let Some(mut stage) = front.stage.take() else { return false };
    if stage.began == 0.0 {
        stage.began = ui.input(|input| input.time).max(f64::MIN_POSITIVE);
    }
    let mut leaves = keys(ui, front, &mut stage);
    if stage.has_notes {
        leaves |= notes::notes_ui(ui, front, &mut stage, open);
        if stage.has_window {
            leaves |= window_ui(ui, front, &mut stage, open);
        }
    } else {
        CentralPanel::default().frame(Frame::NONE).show(ui, |ui| scene_ui(ui, front, &stage, open));
    }
    front.stage = Some(stage);
    if leaves {
        commands.push(LecturesCommand::Leave);
    }
    true
}

/// The stage in a window of its own. True: the lecture is left.
fn window_ui(ui: &Ui, front: &Front, stage: &mut Stage, open: Option<&OpenRoom>) -> bool {
    let builder = ViewportBuilder::default()
        .with_title("Tuning Fork: stage")
        .with_app_id("tuning-fork")
        .with_inner_size([1280.0, 720.0]);
    let id = ViewportId::from_hash_of("stage");
    let mut leaves = false;
    let is_closed = ui.ctx().show_viewport_immediate(id, builder, |ui, _class| {
        leaves = keys(ui, front, stage);
        if ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::F)) {
            let is_full = ui.input(|input| input.viewport().fullscreen.unwrap_or(false));
            ui.ctx().send_viewport_cmd(egui::ViewportCommand::Fullscreen(!is_full));
        }
        CentralPanel::default().frame(Frame::NONE).show(ui, |ui| scene_ui(ui, front, stage, open));
        ui.input(|input| input.viewport().close_requested())
    });
    if is_closed {
        stage.has_window = false;
    }
    leaves
}

/// What a presenter remote sends, and the keys that lie near. True: the lecture is left.
fn keys(ui: &Ui, front: &Front, stage: &mut Stage) -> bool {
    let pressed = |key: Key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    let any = |keys: &[Key]| keys.iter().fold(false, |found, key| found | pressed(*key));
    if any(&[Key::PageDown, Key::Space, Key::ArrowRight, Key::ArrowDown]) {
        stage.go_on();
    }
    if any(&[Key::PageUp, Key::ArrowLeft, Key::ArrowUp]) {
        stage.go_back();
    }
    if pressed(Key::Home) {
        stage.go_to(0);
    }
    if pressed(Key::End) {
        stage.go_to(stage.last());
    }
    if pressed(Key::R) {
        stage.reveal(scene::reveals(front, stage.at));
    }
    // Some remotes send a full stop for "blank".
    if any(&[Key::B, Key::Period]) {
        stage.is_blank = !stage.is_blank;
    }
    if pressed(Key::J) {
        stage.shows_join = !stage.shows_join;
        stage.is_blank = false;
    }
    // The presenter's F5 would start what has started.
    pressed(Key::F5);
    pressed(Key::Escape)
}

/// The scene in front, over all of `ui`.
fn scene_ui(ui: &Ui, front: &Front, stage: &Stage, open: Option<&OpenRoom>) {
    let screen = ui.ctx().content_rect();
    let pen = Pen::new(ui, screen, "stage");
    if stage.is_blank {
        pen.painter.rect_filled(screen, 0.0, Color32::BLACK);
        pen.say(screen, "The screen is dark. B makes it light again");
        return;
    }
    scene::draw(&pen, screen, front, stage, open);
}
