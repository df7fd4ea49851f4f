//! Examples with their right answers that the model is shown before each question.

use eframe::egui::{Label, Sides, Ui};

use crate::evaluate::task::Examples;
use crate::panels::train::fields::{number_row_ui, section_ui};
use crate::state::command::{Commands, EvaluateCommand};
use crate::state::evaluate::form::{CodeForm, file_name};
use crate::widgets::button::ActionButton;
use crate::widgets::theme::{self, icons};

pub(super) fn examples_ui(ui: &mut Ui, form: &mut CodeForm, commands: &mut Commands) {
    section_ui(ui, "Examples");
    let mut count = form.examples.as_ref().map_or(0, |examples| examples.count);
    let hint = "So many rows with their right answers are shown before each question, drawn with the task's \
                seed. 0: none";
    if number_row_ui(ui, "Examples shown", hint, &mut count, 0..=50).changed() {
        let data = form.examples.take().and_then(|examples| examples.data);
        form.examples = (count > 0).then_some(Examples { count, data });
    }
    let Some(examples) = &mut form.examples else { return };
    let words = match &examples.data {
        Some(path) => format!("From {}", file_name(path)),
        None => "From this table; these rows are not asked about".to_owned(),
    };
    let mut forgets = false;
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| ui.add(Label::new(theme::muted(ui, words)).truncate()),
        |ui| {
            let choose = ActionButton::new("Other table…").icon(icons::FILE);
            let hint = "A table with the same columns whose rows are the examples, so that all rows of this one \
                        are asked about";
            if ui.add(choose).on_hover_text(hint).clicked() {
                commands.push(EvaluateCommand::ChooseExamples);
            }
            if examples.data.is_some() {
                let own = ActionButton::only_icon(icons::CLOSE, "Take examples from this table");
                forgets = ui.add(own).clicked();
            }
        },
    );
    if forgets {
        examples.data = None;
    }
}
