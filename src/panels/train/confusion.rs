//! What a classifier got right: the confusion matrix as it learns, and the result on the test part.

use eframe::egui::{Grid, Label, RichText, ScrollArea, Sense, Ui, Vec2};

use crate::train::config::metric::{Metric, MetricFacts, Written};
use crate::train::record::confusion::{ClassScores, Confusion, Tested};
use crate::widgets::card::{card_ui, title_row_ui};
use crate::widgets::count_cell::count_cell_ui;
use crate::widgets::layout::row_name_ui;
use crate::widgets::theme;

/// Labels that are drawn at most.
const DRAWN: usize = 12;

/// The last evaluation's matrix, and what the test part says once it was opened.
pub(super) fn confusion_ui(ui: &mut Ui, confusion: Option<&Confusion>, tested: Option<&Tested>) {
    if let Some(tested) = tested {
        ui.add_space(theme::GAP);
        card_ui(ui, |ui| tested_ui(ui, tested));
    }
    if let Some(confusion) = confusion {
        ui.add_space(theme::GAP);
        card_ui(ui, |ui| {
            let title = format!("Validation texts after step {}", confusion.step);
            title_row_ui(ui, &title, |_ui| {});
            matrix_ui(ui, confusion, "validation");
        });
    }
}

fn tested_ui(ui: &mut Ui, tested: &Tested) {
    title_row_ui(ui, "Test part, opened once", |_ui| {});
    let parts = tested.values.iter().map(|(metric, value)| {
        let MetricFacts { title, written, .. } = *metric.facts();
        let value = match written {
            Written::Percent => format!("{:.1} %", value * 100.0),
            Written::Plain | Written::Scientific => format!("{value:.3}"),
        };
        (metric == Metric::Loss, format!("{title} {value}"))
    });
    let mut parts: Vec<(bool, String)> = parts.collect();
    parts.sort_by_key(|(is_loss, _)| *is_loss);
    let words: Vec<String> = parts.into_iter().map(|(_, words)| words).collect();
    let words =
        format!("{} · {} texts, model of step {}", words.join(" · "), tested.texts, tested.step);
    ui.add(Label::new(RichText::new(words).color(theme::palette(ui).strong)).wrap());
    if let Some(confusion) = &tested.confusion {
        matrix_ui(ui, confusion, "test");
    }
}

/// Rows: what is right; columns: what was given. Beside it precision, recall and F1.
fn matrix_ui(ui: &mut Ui, confusion: &Confusion, salt: &str) {
    let Confusion { labels, counts, classes, .. } = confusion;
    let shown = labels.len().min(DRAWN);
    let is_square = counts.len() == labels.len();
    let p = theme::palette(ui);
    let em = theme::em(ui);
    ScrollArea::horizontal().id_salt(("confusion", salt)).show(ui, |ui| {
        Grid::new(("confusion_grid", salt)).spacing(Vec2::new(3.0, 3.0)).show(ui, |ui| {
            ui.label(theme::muted(ui, "rows: right, columns: given"));
            if is_square {
                for label in &labels[..shown] {
                    ui.add_sized(
                        [em * 5.0, em * 1.4],
                        Label::new(theme::muted(ui, label)).truncate(),
                    );
                }
            }
            for title in ["precision", "recall", "F1", "texts"] {
                ui.add_sized([em * 4.2, em * 1.4], Label::new(theme::muted(ui, title)));
            }
            ui.end_row();
            for (row, label) in labels[..shown].iter().enumerate() {
                row_name_ui(ui, em * 8.0, label);
                if is_square {
                    let total: usize = counts[row].iter().sum();
                    for (column, count) in counts[row][..shown].iter().enumerate() {
                        let share = if total == 0 { 0.0 } else { *count as f32 / total as f32 };
                        let color = if row == column { p.chosen_soft } else { p.rejected_soft };
                        let about = format!("{label} given as {}", labels[column]);
                        count_cell_ui(ui, (*count, share), color, &about, Sense::hover());
                    }
                }
                if let Some(ClassScores { precision, recall, f1, support, .. }) = classes.get(row) {
                    for value in [precision, recall, f1] {
                        let number = theme::number(format!("{value:.2}"));
                        ui.add_sized([em * 4.2, em * 1.4], Label::new(number));
                    }
                    ui.add_sized(
                        [em * 4.2, em * 1.4],
                        Label::new(theme::number(support.to_string())),
                    );
                }
                ui.end_row();
            }
        });
    });
    if labels.len() > shown {
        let words =
            format!("The first {shown} of {} labels; all are in confusion.jsonl", labels.len());
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
}
