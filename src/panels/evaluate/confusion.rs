//! Which label the model gave where a person gave which: a cell shows its rows.

use eframe::egui::{Grid, Label, ScrollArea, Sense, Ui, Vec2};

use crate::state::evaluate::OpenEvaluation;
use crate::state::evaluate::grid::{Filter, WHO_HAS};
use crate::widgets::button::ActionButton;
use crate::widgets::count_cell::count_cell_ui;
use crate::widgets::layout::row_name_ui;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

/// Labels that are drawn at most.
const DRAWN: usize = 40;

/// The button that shows the matrix, where there is one.
pub(super) fn button_ui(ui: &mut Ui, open: &mut OpenEvaluation) {
    let grid = &mut open.grid;
    let has_table = |place: &usize| {
        let coder = grid.numbers.coders.get(*place);
        coder.is_some_and(|coder| coder.both > 0 && !coder.table.is_empty())
    };
    let Some(first) = (0..grid.numbers.coders.len()).find(has_table) else {
        grid.confusion = None;
        return;
    };
    let words = if grid.confusion.is_some() { "Hide the matrix" } else { "Confusion matrix" };
    let button = ActionButton::quiet(words).icon(icons::VERIFY);
    let hint = "Which label the model gave where a person gave which; a cell shows its rows";
    if ui.add(button).on_hover_text(hint).clicked() {
        grid.confusion = if grid.confusion.is_some() { None } else { Some(first) };
        if let Filter::Cell { .. } = grid.filter {
            grid.filter = Filter::All;
        }
    }
}

/// The matrix of the coder who is chosen, in at most `height`.
pub(super) fn matrix_ui(ui: &mut Ui, open: &mut OpenEvaluation, height: f32) {
    let Some(mut chosen) = open.grid.confusion else { return };
    let (Some(labels), grid) = (&open.prepared.questions.labels, &mut open.grid) else { return };
    let names: Vec<String> = grid.numbers.coders.iter().map(|coder| coder.name.clone()).collect();
    if names.len() > 1 {
        let segments: Vec<Segment<'_, usize>> = names
            .iter()
            .enumerate()
            .map(|(value, words)| Segment { value, words, explanation: "This coder and the model" })
            .collect();
        if segmented_ui(ui, &mut chosen, &segments) {
            grid.confusion = Some(chosen);
            if let Filter::Cell { .. } = grid.filter {
                grid.filter = Filter::All;
            }
        }
    }
    let Some(coder) = grid.numbers.coders.get(chosen) else { return };
    let codebook = open.prepared.questions.codebook.as_ref();
    let several = codebook.is_some_and(|codebook| codebook.several);
    let given_names: Vec<&str> =
        if several { WHO_HAS.to_vec() } else { labels.iter().map(String::as_str).collect() };
    let (p, em) = (theme::palette(ui), theme::em(ui));
    let mut filter = grid.filter;
    ScrollArea::both().id_salt("confusion").max_height(height).show(ui, |ui| {
        // Of several labels the heads are words of their own width, which must not run together.
        let spacing = if several { Vec2::new(theme::GAP_LARGE, 3.0) } else { Vec2::splat(3.0) };
        Grid::new("confusion_cells").spacing(spacing).show(ui, |ui| {
            let (corner, hint) = if several {
                ("label", format!("Who gives a text the label: {}, the model", coder.name))
            } else {
                ("people / model", format!("Rows: {}; columns: the model", coder.name))
            };
            ui.add(Label::new(theme::muted(ui, corner)).truncate()).on_hover_text(hint);
            for name in given_names.iter().take(DRAWN) {
                let label = Label::new(theme::muted(ui, *name)).truncate();
                if several {
                    ui.add(label.extend());
                } else {
                    ui.add_sized([em * 5.0, em * 1.4], label).on_hover_text(*name);
                }
            }
            ui.end_row();
            for (said, (label, counts)) in labels.iter().zip(&coder.table).take(DRAWN).enumerate() {
                row_name_ui(ui, em * 8.0, label);
                let total: usize = counts.iter().sum();
                for (given, count) in counts.iter().take(DRAWN).enumerate() {
                    let share = if total == 0 { 0.0 } else { *count as f32 / total as f32 };
                    let agree = if several { matches!(given, 0 | 3) } else { said == given };
                    let color = if agree { p.chosen_soft } else { p.rejected_soft };
                    let other = given_names.get(given).copied().unwrap_or_default();
                    let about = if several {
                        format!("{label}: {other}")
                    } else {
                        format!("{label} by {}, {other} by the model", coder.name)
                    };
                    let cell = count_cell_ui(ui, (*count, share), color, &about, Sense::click());
                    if cell.clicked() {
                        let this = Filter::Cell { coder: chosen, said, given };
                        filter = if filter == this { Filter::All } else { this };
                    }
                }
                ui.end_row();
            }
        });
    });
    grid.filter = filter;
    if labels.len() > DRAWN {
        let words = format!("The first {DRAWN} of {} labels", labels.len());
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
    if let Filter::Cell { said, given, .. } = filter {
        let name = |place: usize| labels.get(place).map_or("", String::as_str);
        let words = if several {
            let who = WHO_HAS.get(given).copied().unwrap_or_default();
            format!("Shown: rows to which {who} would give {} ({})", name(said), names[chosen])
        } else {
            let (said, given) = (name(said), name(given));
            format!("Shown: rows that {} called {said} and the model {given}", names[chosen])
        };
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
}
