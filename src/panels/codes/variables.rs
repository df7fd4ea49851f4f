//! The questions of a codebook as they are written.

use eframe::egui::{Frame, Label, Margin, Sides, Stroke, TextEdit, Ui};

use crate::data::codebook::Class;
use crate::panels::evaluate::codebook::class_ui;
use crate::panels::train::fields::{check_ui, choice_ui, number_ui};
use crate::state::codes::setup::new_variable;
use crate::study::variable::{FIRST, Kind, SECOND, Variable, Variables};
use crate::widgets::button::ActionButton;
use crate::widgets::theme::{self, icons};

/// `of_pairs`: which of two answers is better can be asked.
pub(super) fn variables_ui(ui: &mut Ui, codebook: &mut Variables, of_pairs: bool) {
    let mut removed = None;
    let can_remove = codebook.variables.len() > 1;
    for (place, variable) in codebook.variables.iter_mut().enumerate() {
        let remove = ui.push_id(("variable", place), |ui| {
            variable_ui(ui, variable, place, (can_remove, of_pairs))
        });
        if remove.inner {
            removed = Some(place);
        }
    }
    if let Some(place) = removed {
        codebook.variables.remove(place);
    }
    if ui.add(ActionButton::quiet("Add a question").icon(icons::ADD)).clicked() {
        let number = codebook.variables.len() + 1;
        codebook.variables.push(new_variable(number));
    }
}

/// True: it is to be removed.
fn variable_ui(
    ui: &mut Ui,
    variable: &mut Variable,
    place: usize,
    (can_remove, of_pairs): (bool, bool),
) -> bool {
    let p = theme::palette(ui);
    let number = place + 1;
    let frame = Frame::new()
        .stroke(Stroke::new(theme::HAIRLINE, p.outline))
        .corner_radius(theme::CONTROL_RADIUS)
        .inner_margin(Margin::same(8));
    let mut removed = false;
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        Sides::new().shrink_left().show(
            ui,
            |ui| {
                let width = ui.available_width().min(theme::em(ui) * 14.0);
                let field = TextEdit::singleline(&mut variable.name).desired_width(width);
                let field = ui.add(field.hint_text("name of its column"));
                field.accessible_name(format!("Name of question {number}"));
            },
            |ui| {
                let words = format!("Remove question {number}");
                let remove = ActionButton::only_icon(icons::CLOSE, &words);
                let remove = ui.add_enabled(can_remove, remove);
                removed = remove.on_disabled_hover_text("A study asks something").clicked();
                let kinds = Kind::ALL.into_iter().filter(|kind| of_pairs || *kind != Kind::Better);
                let choices: Vec<_> = kinds.map(|kind| (kind.name(), kind)).collect();
                let name = format!("Kind of question {number}");
                choice_ui(ui, &name, &mut variable.kind, &choices, "What an answer looks like");
            },
        );
        let field = TextEdit::singleline(&mut variable.question)
            .desired_width(f32::INFINITY)
            .hint_text("What is asked of every text?");
        ui.add(field).accessible_name(format!("Question {number}"));
        if matches!(variable.kind, Kind::Number | Kind::Scale) {
            ends_ui(ui, variable, number);
        }
        let has_ends = variable.low.is_some() || variable.high.is_some();
        if variable.kind == Kind::Better {
            decides_ui(ui, variable);
        } else if variable.kind.has_labels() && !(variable.kind == Kind::Scale && has_ends) {
            classes_ui(ui, variable);
        }
        ui.horizontal_wrapped(|ui| {
            let mut may_not_know = !variable.must_decide;
            let hint = "Coders may say that they do not know. It is kept apart from no answer";
            check_ui(ui, &mut may_not_know, "“don't know” is an answer", hint);
            variable.must_decide = !may_not_know;
            check_ui(
                ui,
                &mut variable.optional,
                "may stay empty",
                "An item is complete without it",
            );
        });
    });
    removed
}

/// Whether one of the two answers has to be better.
fn decides_ui(ui: &mut Ui, variable: &mut Variable) {
    let mut decides = !variable.classes.is_empty();
    let hint = "A tie and “both bad” are no answers then. A coder can still skip, unless “don't know” \
                is no answer either";
    if check_ui(ui, &mut decides, "one of the two has to be better", hint).changed() {
        let label = |label: &str| Class { label: label.to_owned(), ..Class::default() };
        variable.classes = if decides { [FIRST, SECOND].map(label).to_vec() } else { Vec::new() };
    }
}

/// The least and the largest number.
fn ends_ui(ui: &mut Ui, variable: &mut Variable, number: usize) {
    ui.horizontal_wrapped(|ui| {
        let is_scale = variable.kind == Kind::Scale;
        let mut has_ends = variable.low.is_some() || variable.high.is_some();
        let words = if is_scale { "whole numbers" } else { "with ends" };
        let hint = if is_scale {
            "The points of the scale are whole numbers. Otherwise name the points in their order"
        } else {
            "A number outside is refused"
        };
        if check_ui(ui, &mut has_ends, words, hint).changed() {
            (variable.low, variable.high) =
                if has_ends { (Some(1.0), Some(5.0)) } else { (None, None) };
            if has_ends {
                variable.classes.clear();
            }
        }
        for (name, end) in [("from", &mut variable.low), ("to", &mut variable.high)] {
            if let Some(end) = end {
                ui.add(Label::new(name).selectable(false));
                let name = format!("Question {number}, {name}");
                number_ui(ui, &name, end, -1_000_000.0..=1_000_000.0);
            }
        }
    });
}

fn classes_ui(ui: &mut Ui, variable: &mut Variable) {
    let fewest = if matches!(variable.kind, Kind::Choice | Kind::Scale) { 2 } else { 1 };
    let can_remove = variable.classes.len() > fewest;
    let mut removed = None;
    for (index, class) in variable.classes.iter_mut().enumerate() {
        if ui.push_id(("class", index), |ui| class_ui(ui, class, index, can_remove)).inner {
            removed = Some(index);
        }
    }
    if let Some(index) = removed {
        variable.classes.remove(index);
    }
    if ui.add(ActionButton::quiet("Add a label").icon(icons::ADD)).clicked() {
        variable.classes.push(Class::default());
    }
}
