//! What the parts of the map have in common: the choice of a column, and how far the work is.

use eframe::egui::{ComboBox, Label, ProgressBar, Ui};

use crate::explore::vectors::worked::Worked;
use crate::widgets::choice::value_ui;
use crate::widgets::format;
use crate::widgets::theme;

/// One of the columns.
pub(super) fn column_ui(ui: &mut Ui, name: &str, columns: &[String], chosen: &mut String) -> bool {
    let before = chosen.clone();
    let combo = ComboBox::from_id_salt(name).selected_text(chosen.as_str()).truncate();
    let combo = combo.width(theme::em(ui) * 8.0).show_ui(ui, |ui| {
        for column in columns {
            value_ui(ui, chosen, column.clone(), column);
        }
    });
    let hint = format!("The {name}");
    combo.response.accessible_name(name).on_hover_text(hint);
    before != *chosen
}

/// A sentence and a bar.
pub(super) fn progress_ui(ui: &mut Ui, at: Option<Worked>) {
    let Some(worked) = at else {
        ui.add(Label::new(theme::muted(ui, "Being computed…")).wrap());
        return;
    };
    let Worked { stage, done, total } = worked;
    let words = match worked.count(format::count) {
        Some(count) => format!("{}: {count}", stage.words()),
        None => stage.words().to_owned(),
    };
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    let share = done as f32 / total.max(1) as f32;
    let fill = theme::palette(ui).accent;
    let response = ui.add(ProgressBar::new(share).fill(fill).desired_height(8.0));
    response.accessible_name(stage.words());
}
