//! A column of the table, as the form lets one be chosen.

use std::borrow::Cow;

use eframe::egui::{ComboBox, Label, Ui};

use crate::panels::train::fields::{check_ui, row_ui};
use crate::widgets::choice::{self, value_ui};
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
        column => short(column).into_owned(),
    };
    row_ui(ui, name, hint, |ui| {
        let width = (ui.available_width() - 4.0).min(theme::em(ui) * 12.0);
        let combo = ComboBox::from_id_salt(name)
            .selected_text(words(chosen))
            .width(width)
            .truncate()
            .show_ui(ui, |ui| {
                for column in columns {
                    let name = if column.is_empty() { "(none)" } else { column.as_str() };
                    value_ui(ui, chosen, column.clone(), name);
                }
            });
        combo.response.accessible_name(name).on_hover_text(hint);
    });
}

/// A check box for each column but the one in use; those that are chosen are in the order of the table.
pub(super) fn columns_ui(ui: &mut Ui, columns: &[String], used: &str, chosen: &mut Vec<String>) {
    chosen.retain(|column| column != used);
    let nothing = match columns {
        [] => Some("Columns of the table, once it is chosen"),
        [only] if only == used => Some("The table has no other column"),
        _ => None,
    };
    if let Some(words) = nothing {
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
    ui.horizontal_wrapped(|ui| {
        for column in columns.iter().filter(|column| **column != used) {
            let mut on = chosen.contains(column);
            if check_ui(ui, &mut on, &short(column), column).changed() {
                if on {
                    chosen.push(column.clone());
                } else {
                    chosen.retain(|known| known != column);
                }
                chosen.sort_by_key(|known| columns.iter().position(|column| column == known));
            }
        }
    });
}

/// A column, or none of them.
pub(super) fn optional_column_ui(
    ui: &mut Ui,
    (name, hint): (&str, &str),
    columns: &[String],
    chosen: &mut Option<String>,
) {
    let mut choices = vec![String::new()];
    choices.extend(columns.iter().cloned());
    let mut column = chosen.take().unwrap_or_default();
    column_ui(ui, name, hint, &choices, &mut column);
    *chosen = Some(column).filter(|column| !column.is_empty());
}

/// A column's name, at most as long as a row of the form.
pub(super) fn short(name: &str) -> Cow<'_, str> {
    choice::short(name, 24)
}
