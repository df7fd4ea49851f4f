//! A codebook as it is written: the instruction, and each class with its label and definition.

use eframe::egui::{Align, Frame, Label, Layout, Margin, Sides, Stroke, TextEdit, Ui, vec2};

use crate::data::codebook::{Class, Codebook, Scale};
use crate::panels::train::fields::section_ui;
use crate::state::command::{Commands, EvaluateCommand};
use crate::widgets::button::ActionButton;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

pub(super) fn codebook_ui(ui: &mut Ui, codebook: &mut Codebook, commands: &mut Commands) {
    section_ui(ui, "Codebook");
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| {
            let hint = "What it is called. It is saved under this name in the project's codebooks";
            let label = ui.add(Label::new("Name").selectable(false)).on_hover_text(hint);
            let width = ui.available_width();
            let field = TextEdit::singleline(&mut codebook.name).desired_width(width);
            ui.add(field.hint_text("tone of voice")).labelled_by(label.id);
        },
        |ui| {
            let open = ActionButton::new("Open…").icon(icons::FILE);
            let hint =
                "A codebook in TOML or JSON, also with the field names of Halterman and Keith";
            if ui.add(open).on_hover_text(hint).accessible_name("Open a codebook…").clicked() {
                commands.push(EvaluateCommand::ChooseCodebook);
            }
        },
    );
    let label = ui.add(Label::new("Instruction").selectable(false));
    let label = label.on_hover_text("What is asked of every text");
    let field = TextEdit::multiline(&mut codebook.instruction)
        .desired_width(f32::INFINITY)
        .desired_rows(2)
        .hint_text("Say which tone the following text has.");
    ui.add(field).labelled_by(label.id);
    labels_ui(ui, codebook);
    let mut removed = None;
    let can_remove = codebook.classes.len() > if codebook.several { 1 } else { 2 };
    for (index, class) in codebook.classes.iter_mut().enumerate() {
        if ui.push_id(("class", index), |ui| class_ui(ui, class, index, can_remove)).inner {
            removed = Some(index);
        }
    }
    if let Some(index) = removed {
        codebook.classes.remove(index);
    }
    if ui.add(ActionButton::quiet("Add a class").icon(icons::ADD)).clicked() {
        codebook.classes.push(Class::default());
    }
}

/// How many labels a text can have, and whether they stand on a scale.
fn labels_ui(ui: &mut Ui, codebook: &mut Codebook) {
    let hint = "Whether a text has exactly one of the labels, or any number of them";
    ui.add(Label::new("A text has").selectable(false)).on_hover_text(hint);
    let segments = [
        Segment { value: false, words: "one label", explanation: "The likeliest one" },
        Segment {
            value: true,
            words: "several or none",
            explanation: "The model is asked about each label by itself, yes or no",
        },
    ];
    if segmented_ui(ui, &mut codebook.several, &segments) {
        codebook.scale = Scale::Nominal;
        codebook.values.clear();
    }
    if codebook.several {
        return;
    }
    let segment = |value, words, explanation| Segment { value, words, explanation };
    let segments = [
        segment(Scale::Nominal, "names", "Their order means nothing"),
        segment(
            Scale::Ordinal,
            "in order",
            "Each is more than the one before it, as never, sometimes, often: the report also has expected places, \
             weighted kappa and an ordinal alpha",
        ),
        segment(
            Scale::Interval,
            "numbers",
            "Labels are numbers, as 0 to 10, and equal distances mean the same: the report also has means",
        ),
    ];
    let hint = "What the order of the classes means for expected values, agreement and means";
    ui.add(Label::new("Labels are").selectable(false)).on_hover_text(hint);
    if segmented_ui(ui, &mut codebook.scale, &segments) {
        // Those of a file belong to the scale that it had.
        codebook.values.clear();
    }
}

/// True: it is to be removed.
pub(crate) fn class_ui(ui: &mut Ui, class: &mut Class, index: usize, can_remove: bool) -> bool {
    let p = theme::palette(ui);
    let number = index + 1;
    let frame = Frame::new()
        .stroke(Stroke::new(theme::HAIRLINE, p.line))
        .corner_radius(theme::CONTROL_RADIUS)
        .inner_margin(Margin::symmetric(8, 6));
    let mut removed = false;
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        let size = vec2(ui.available_width(), ui.spacing().interact_size.y);
        ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
            let words = format!("Remove class {number}");
            let remove = ActionButton::only_icon(icons::CLOSE, &words);
            let remove = ui.add_enabled(can_remove, remove);
            removed = remove.on_disabled_hover_text("A choice needs two classes").clicked();
            let width = ui.available_width();
            let field = TextEdit::singleline(&mut class.label).desired_width(width);
            let field = ui.add(field.hint_text("label"));
            field.accessible_name(format!("Label of class {number}"));
        });
        let field = TextEdit::multiline(&mut class.definition)
            .desired_width(f32::INFINITY)
            .desired_rows(1)
            .hint_text("definition: what belongs here");
        ui.add(field).accessible_name(format!("Definition of class {number}"));
        if let Some(more) = more(class) {
            ui.add(Label::new(theme::muted(ui, more).small()).wrap());
        }
    });
    removed
}

/// What the file says of a class beyond its definition; it is part of the prompt too.
fn more(class: &Class) -> Option<String> {
    let Class {
        label: _,
        definition: _,
        clarification,
        negative_clarification,
        positive_examples,
        negative_examples,
    } = class;
    let examples = positive_examples.len() + negative_examples.len();
    let mut parts = Vec::new();
    if !clarification.trim().is_empty() {
        parts.push("a clarification".to_owned());
    }
    if !negative_clarification.trim().is_empty() {
        parts.push("what does not belong here".to_owned());
    }
    match examples {
        0 => {}
        1 => parts.push("1 example".to_owned()),
        count => parts.push(format!("{count} examples")),
    }
    (!parts.is_empty()).then(|| format!("From the file, also in the prompt: {}", parts.join(", ")))
}
