//! Clusters of the texts of a map, and how well a column can be predicted from them.

use eframe::egui::{Align2, ComboBox, Grid, Label, ScrollArea, Sense, TextStyle, Ui, vec2};

use super::map_controls::{column_ui, progress_ui};
use crate::explore::vectors::groups::Groups;
use crate::explore::vectors::probe::{Estimate, LabelProbe, NumberProbe, Probed};
use crate::state::command::{Commands, MapCommand};
use crate::state::look_inside::map::{MapState, Mapped, Part};
use crate::widgets::button::ActionButton;
use crate::widgets::choice::value_ui;
use crate::widgets::format;
use crate::widgets::icons;
use crate::widgets::layout::row_name_ui;
use crate::widgets::point_map::mark_ui;
use crate::widgets::slider_row::SliderRow;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;

/// Labels that a confusion matrix draws at most.
const DRAWN: usize = 12;

pub(super) fn clusters_ui(ui: &mut Ui, map: &mut MapState, made: &Mapped, commands: &mut Commands) {
    let form = &mut map.cluster_form;
    ui.horizontal_wrapped(|ui| {
        let segments = [
            Segment {
                value: false,
                words: "A fixed number (k-means)",
                explanation: "Every text belongs to one cluster; of ten starts the best is kept",
            },
            Segment {
                value: true,
                words: "As many as it finds (HDBSCAN)",
                explanation: "Dense groups of any shape, after UMAP to 5 dimensions as BERTopic does; \
                              some texts belong to none",
            },
        ];
        segmented_ui(ui, &mut form.finds_number, &segments);
        let find = ActionButton::primary("Find clusters").icon(icons::LOOK);
        if find.add_enabled(ui, !map.groups.is_running()).clicked() {
            commands.push(MapCommand::Group);
        }
    });
    if form.finds_number {
        let about = "A group of fewer texts does not count as a cluster";
        SliderRow::new("Texts in a cluster, at least", about, 2.0..=100.0)
            .decimals(0)
            .show(ui, &mut form.least);
    } else {
        SliderRow::new("Clusters", "How many clusters are looked for", 2.0..=50.0)
            .decimals(0)
            .show(ui, &mut form.clusters);
    }
    if map.groups.is_running() {
        progress_ui(ui, map.at);
    }
    if map.groups.ready().is_none() {
        return;
    }
    against_ui(ui, map, made);
    ui.add_space(theme::GAP_SMALL);
    if map.groups.ready().is_some_and(|found| table_ui(ui, made, found)) {
        map.part = Part::Map;
    }
}

fn against_ui(ui: &mut Ui, map: &mut MapState, made: &Mapped) {
    ui.horizontal_wrapped(|ui| {
        ui.label("Compare with the column");
        let words = map.against_column.clone().unwrap_or_else(|| "none".to_owned());
        let before = map.against_column.clone();
        let combo = ComboBox::from_id_salt("column of known labels").selected_text(words);
        let combo = combo.width(theme::em(ui) * 8.0).truncate().show_ui(ui, |ui| {
            ui.selectable_value(&mut map.against_column, None, "none");
            for name in &made.texts.columns {
                value_ui(ui, &mut map.against_column, Some(name.clone()), name);
            }
        });
        combo.response.accessible_name("column of known labels");
        if before != map.against_column {
            map.against = None;
            map.compare();
        }
        if let Some(against) = map.against {
            let words = format!(
                "V-measure {:.3} (homogeneity {:.3}, completeness {:.3}) · adjusted Rand index {:.3} · \
                 {} texts",
                against.v_measure,
                against.homogeneity,
                against.completeness,
                against.adjusted_rand,
                format::count(against.texts)
            );
            ui.add(Label::new(theme::strong(ui, words)).wrap());
        } else if map.against_column.is_some() {
            ui.label(theme::muted(ui, "No text has a label in this column"));
        }
    });
}

/// The clusters. True: they are to be shown on the map.
fn table_ui(ui: &mut Ui, made: &Mapped, found: &Groups) -> bool {
    if found.groups.is_empty() {
        let words = "No cluster was found: allow fewer texts in a cluster, or use k-means";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        return false;
    }
    for (number, group) in found.groups.iter().enumerate() {
        ui.horizontal_wrapped(|ui| {
            mark_ui(ui, Some(number));
            let share = group.size as f32 / made.texts.texts.len().max(1) as f32;
            let size = format!(
                "{}, {}",
                format::counted(group.size, "text", "texts"),
                format::percent(share)
            );
            ui.label(theme::strong(ui, &group.name));
            ui.label(theme::muted(ui, size));
        });
        let more: Vec<&str> = group.words.iter().skip(3).map(|word| word.word.as_str()).collect();
        if !more.is_empty() {
            ui.add(Label::new(theme::muted(ui, more.join(", "))).wrap());
        }
        for place in group.examples.iter().take(3) {
            let text = made.texts.texts[*place].split_whitespace().collect::<Vec<_>>().join(" ");
            ui.add(Label::new(format!("“{text}”")).truncate());
        }
        ui.add_space(theme::GAP);
    }
    if found.outside > 0 {
        let words =
            format::counted(found.outside, "text is in no cluster", "texts are in no cluster");
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
    let show = ActionButton::quiet("Show them on the map").icon(icons::NEXT);
    show.add_enabled(ui, true).clicked()
}

pub(super) fn probe_ui(ui: &mut Ui, map: &mut MapState, made: &Mapped, commands: &mut Commands) {
    let words = "A simple classifier is trained on the vectors of some texts and predicts the others. \
                 What it gets right is in the vectors; what it gets wrong may need a fine-tuned model.";
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    let form = &mut map.probe_form;
    ui.horizontal_wrapped(|ui| {
        ui.label("Predict");
        column_ui(ui, "column to predict", &made.texts.columns, &mut form.column);
        let segments = [
            Segment {
                value: false,
                words: "as labels",
                explanation: "Logistic regression, as scikit-learn's LogisticRegression with C = 1",
            },
            Segment {
                value: true,
                words: "as a number",
                explanation: "Ridge regression, as scikit-learn's Ridge with alpha = 1",
            },
        ];
        segmented_ui(ui, &mut form.is_number, &segments);
        let run = ActionButton::primary("Train and test").icon(icons::PLAY);
        if run.add_enabled(ui, !map.probed.is_running()).clicked() {
            commands.push(MapCommand::Probe);
        }
    });
    let about = "Parts of the rows: each is predicted by a model that was trained on the others";
    SliderRow::new("Folds", about, 2.0..=20.0).decimals(0).show(ui, &mut form.folds);
    if map.probed.is_running() {
        progress_ui(ui, map.at);
    }
    match map.probed.ready() {
        None => {}
        Some(Probed::Labels(probe)) => labels_ui(ui, probe),
        Some(Probed::Numbers(probe)) => numbers_ui(ui, probe),
    }
}

/// A number with its 95 % interval.
fn estimate(Estimate { value, low, high }: Estimate) -> String {
    match (value, low, high) {
        (Some(value), Some(low), Some(high)) => {
            format!("{value:.3} (95 % interval {low:.3} to {high:.3})")
        }
        (Some(value), ..) => format!("{value:.3}"),
        _ => "not defined".to_owned(),
    }
}

fn labels_ui(ui: &mut Ui, probe: &LabelProbe) {
    ui.add_space(theme::GAP_SMALL);
    let line = |ui: &mut Ui, words: String| ui.add(Label::new(theme::strong(ui, words)).wrap());
    line(ui, format!("Accuracy {}", estimate(probe.accuracy)));
    line(ui, format!("Macro F1 {}", estimate(probe.macro_f1)));
    let words = format!(
        "{} texts of “{}” in {} folds. Always saying the commonest label: accuracy {:.3}",
        format::count(probe.rows),
        probe.column,
        probe.folds,
        probe.commonest
    );
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    for (label, rows) in &probe.left_out {
        let words = format!(
            "The label “{label}” has {rows} texts, fewer than there are folds, and was left out"
        );
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
    ui.add_space(theme::GAP_SMALL);
    matrix_ui(ui, probe);
}

/// Rows: what is right; columns: what was predicted.
fn matrix_ui(ui: &mut Ui, probe: &LabelProbe) {
    let shown = probe.labels.len().min(DRAWN);
    let p = theme::palette(ui);
    let em = theme::em(ui);
    let font = TextStyle::Body.resolve(ui.style());
    ScrollArea::horizontal().id_salt("probe matrix").show(ui, |ui| {
        Grid::new("probe grid").spacing(vec2(3.0, 3.0)).show(ui, |ui| {
            ui.label(theme::muted(ui, "rows: true label, columns: predicted"));
            for label in &probe.labels[..shown] {
                let words = Label::new(theme::muted(ui, &label.label)).truncate();
                ui.add_sized([em * 5.0, em * 1.4], words);
            }
            for title in ["precision", "recall", "F1", "texts"] {
                ui.add_sized([em * 4.2, em * 1.4], Label::new(theme::muted(ui, title)));
            }
            ui.end_row();
            for (row, label) in probe.labels[..shown].iter().enumerate() {
                row_name_ui(ui, em * 8.0, &label.label);
                for (column, count) in probe.confusion[row][..shown].iter().enumerate() {
                    let share = *count as f32 / label.rows.max(1) as f32;
                    let ground = if row == column { p.chosen_soft } else { p.rejected_soft };
                    let (rect, response) =
                        ui.allocate_exact_size(vec2(em * 5.0, em * 1.6), Sense::hover());
                    let ground = p.card.lerp_to_gamma(ground, share.max(0.15));
                    ui.painter().rect_filled(rect, theme::CONTROL_RADIUS, ground);
                    let words = count.to_string();
                    let at = rect.center();
                    ui.painter().text(at, Align2::CENTER_CENTER, &words, font.clone(), p.text);
                    let other = &probe.labels[column].label;
                    let said = format!("{words} texts of “{}” were given “{other}”", label.label);
                    response.on_hover_text(said);
                }
                for score in [label.precision, label.recall, label.f1] {
                    ui.add_sized([em * 4.2, em * 1.4], Label::new(format!("{score:.3}")));
                }
                let count = Label::new(format::count(label.rows));
                ui.add_sized([em * 4.2, em * 1.4], count);
                ui.end_row();
            }
        });
    });
    if probe.labels.len() > DRAWN {
        let words = format!("{} more labels are in the export", probe.labels.len() - DRAWN);
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
}

fn numbers_ui(ui: &mut Ui, probe: &NumberProbe) {
    ui.add_space(theme::GAP_SMALL);
    for words in [
        format!("r {}", estimate(probe.r)),
        format!("R² {}", estimate(probe.r_squared)),
        format!("Root mean squared error {:.4}", probe.error),
    ] {
        ui.add(Label::new(theme::strong(ui, words)).wrap());
    }
    let words = format!(
        "{} texts with a number in “{}”, in {} folds",
        format::count(probe.rows),
        probe.column,
        probe.folds
    );
    ui.add(Label::new(theme::muted(ui, words)).wrap());
}
