//! A column of the table, as the form lets one be chosen.

use eframe::egui::{ComboBox, Ui};

use crate::panels::train::fields::row_ui;
use crate::widgets::theme;

/// An empty name stands for none.
pub(crate) fn column_ui(
    ui: &mut Ui,
    name: &str,
    hint: &str,
    columns: &[String],
    chosen: &mut String,
) {
    let words = |column: &str| match column {
        "" => "(none)".to_owned(),
        column => short(column),
    };
    row_ui(ui, name, hint, |ui| {
        let width = (ui.available_width() - 4.0).min(theme::em(ui) * 12.0);
        let combo = ComboBox::from_id_salt(name)
            .selected_text(words(chosen))
            .width(width)
            .truncate()
            .show_ui(ui, |ui| {
                for column in columns {
                    ui.selectable_value(chosen, column.clone(), words(column));
                }
            });
        combo.response.accessible_name(name).on_hover_text(hint);
    });
}

/// A column's name, at most as long as a row of the form.
pub(super) fn short(name: &str) -> String {
    const MOST: usize = 24;
    let line = name.replace(['\n', '\r'], " ");
    if line.chars().count() <= MOST {
        return line;
    }
    let kept: String = line.chars().take(MOST - 1).collect();
    format!("{kept}…")
}
