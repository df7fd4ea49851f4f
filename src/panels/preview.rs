//! How a file was read: what it was recognised as, its first rows, and what was not taken as it
//! stands.

use eframe::egui::{CollapsingHeader, Grid, Label, ScrollArea, Ui};

use crate::data::table::{Report, in_words};
use crate::widgets::button::ActionButton;
use crate::widgets::choice::short;
use crate::widgets::format;
use crate::widgets::theme;

/// Closed it takes a line; a click shows the rest. True: other columns are wanted.
pub fn preview_ui(ui: &mut Ui, report: &Report) -> bool {
    read_as_ui(ui, report, |ui| {
        let hint = "Say which columns are meant, whatever their names are";
        ui.add(ActionButton::quiet("Columns…")).on_hover_text(hint).clicked()
    })
}

/// The same without that question.
pub fn look_ui(ui: &mut Ui, report: &Report) {
    read_as_ui(ui, report, |_| false);
}

fn read_as_ui(ui: &mut Ui, report: &Report, more: impl FnOnce(&mut Ui) -> bool) -> bool {
    let title = format!("{} · {} rows", report.words(), format::count(report.rows as usize));
    let shown = CollapsingHeader::new(title).id_salt("how it was read").show(ui, |ui| {
        ui.label(theme::muted(ui, "The first rows"));
        ScrollArea::horizontal().id_salt("first rows").show(ui, |ui| rows_ui(ui, report));
        more(ui)
    });
    let wants_columns = shown.body_returned == Some(true);
    if report.notes.is_empty() {
        return wants_columns;
    }
    let title = match report.notes.len() {
        1 => "1 thing was not taken as it stands".to_owned(),
        count => format!("{count} things were not taken as they stand"),
    };
    CollapsingHeader::new(title).id_salt("what was left out").show(ui, |ui| {
        let area = ScrollArea::vertical().id_salt("notes").max_height(theme::em(ui) * 12.0);
        area.show(ui, |ui| {
            for sentence in report.sentences() {
                ui.add(Label::new(sentence).wrap());
            }
        });
    });
    wants_columns
}

/// How it begins.
pub fn rows_ui(ui: &mut Ui, report: &Report) {
    const MOST_COLUMNS: usize = 12;

    let columns = &report.columns[..report.columns.len().min(MOST_COLUMNS)];
    Grid::new("rows of a table").striped(true).show(ui, |ui| {
        for name in columns {
            ui.label(theme::muted(ui, &*short(name, 40))).on_hover_text(name);
        }
        ui.end_row();
        for row in &report.first {
            for name in columns {
                let text = row.get(name).map(in_words).unwrap_or_default();
                let line = begun(&text, 40).replace(['\n', '\r'], " ");
                ui.add(Label::new(line)).on_hover_text(begun(&text, 200));
            }
            ui.end_row();
        }
    });
    if report.columns.len() > columns.len() {
        let more = report.columns.len() - columns.len();
        ui.label(theme::muted(ui, format!("and {} more columns", format::count(more))));
    }
}

/// How a text begins, with so many characters.
fn begun(text: &str, most: usize) -> String {
    let begin: String = text.chars().take(most).collect();
    if begin.len() < text.len() { format!("{begin}…") } else { begin }
}
