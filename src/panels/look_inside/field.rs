//! The text that is looked at, and what is done with a view: it is written as files, and kept as a scene.

use eframe::egui;
use eframe::egui::{TextEdit, TextStyle, Ui};

use crate::state::command::{Commands, LecturesCommand, LookInsideCommand};
use crate::state::look_inside::LookInsideState;
use crate::widgets::button::ActionButton;
use crate::widgets::theme::icons;

/// The field with the text.
pub fn text_field_ui(ui: &mut Ui, look: &mut LookInsideState) {
    let line = ui.text_style_height(&TextStyle::Body);
    let field = TextEdit::multiline(&mut look.text)
        .hint_text("Any text: paste it, or write")
        .desired_rows(2)
        .desired_width(f32::INFINITY);
    // A long text scrolls: what is made of it is more than a page already.
    let area = egui::ScrollArea::vertical().id_salt("text field").max_height(line * 5.5);
    let field = area.show(ui, |ui| ui.add(field).accessible_name("Text to look at")).inner;
    if std::mem::take(&mut look.wants_cursor) {
        let is_free = ui.memory(|memory| memory.focused().is_none());
        if is_free {
            field.request_focus();
        }
    }
}

/// The view as files, and as a scene of a lecture.
pub fn keep_ui(ui: &mut Ui, commands: &mut Commands) {
    let about = "The view as a picture (PNG, SVG) and its numbers as a table (CSV), in the project";
    let export = ActionButton::quiet("Export").icon(icons::EXPORT).add_enabled(ui, true);
    if export.on_hover_text(about).clicked() {
        commands.push(LookInsideCommand::Export);
    }
    let about = "Adds the view with its text and settings to the scenes of this project, to be \
                 shown on the whole screen: see Lectures";
    let keep = ActionButton::quiet("Add to my scenes").icon(icons::PROJECTOR);
    if keep.add_enabled(ui, true).on_hover_text(about).clicked() {
        commands.push(LecturesCommand::KeepView);
    }
}
