//! The forms of an exam, whose questions have options, and of a judge between two answers.

use eframe::egui::{ComboBox, Label, TextEdit, Ui};

use super::column::{column_ui, columns_ui, optional_column_ui};
use super::fields::name_ui;
use super::scored::{orders_ui, scored_ui};
use crate::evaluate::prompt::CRITERION;
use crate::evaluate::task::{AnswerForm, Judge};
use crate::panels::train::fields::{row_ui, section_ui};
use crate::state::evaluate::form::CodeForm;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;

pub(super) fn exam_ui(ui: &mut Ui, form: &mut CodeForm, columns: &[String]) {
    section_ui(ui, "Questions");
    name_ui(ui, &mut form.name, "exam in methods");
    let hint = "The columns with the options, in their order; or one column with a list of them";
    ui.add(Label::new("Options").selectable(false)).on_hover_text(hint);
    columns_ui(ui, columns, &form.text, &mut form.exam.options);
    let hint = "The column with the right answer of each question: a letter, the option's words or its \
                number. The model does not see it";
    let exam = &mut form.exam;
    optional_column_ui(ui, ("Right answers", hint), columns, &mut exam.answer);
    let hint = "A column by which the report says how many were right, as the subject";
    optional_column_ui(ui, ("Report by", hint), columns, &mut exam.subject);
    section_ui(ui, "How it is asked");
    let segments = [
        Segment {
            value: AnswerForm::Usual,
            words: "letters",
            explanation: "Options are listed under A, B, C…, and the letter's probability counts",
        },
        Segment {
            value: AnswerForm::Text,
            words: "whole options",
            explanation: "The probability of each option's whole text",
        },
    ];
    let mut answer = match form.answer {
        AnswerForm::Text => AnswerForm::Text,
        AnswerForm::Usual | AnswerForm::Letter => AnswerForm::Usual,
    };
    row_ui(ui, "Answers are", "What of an answer is scored", |ui| {
        if segmented_ui(ui, &mut answer, &segments) {
            form.answer = answer;
        }
    });
    orders_ui(ui, form, "options");
    scored_ui(ui, &mut form.score);
}

pub(super) fn judge_ui(ui: &mut Ui, form: &mut CodeForm, columns: &[String]) {
    section_ui(ui, "Answers");
    name_ui(ui, &mut form.name, "better answers");
    let Judge { answers: [first, second], criterion, human, verdict, .. } = &mut form.judge;
    column_ui(ui, "First answers", "The column of one of the two answers", columns, first);
    column_ui(ui, "Second answers", "The column of the other one", columns, second);
    let label = ui.add(Label::new("What makes an answer better").selectable(false));
    let label = label.on_hover_text("Said before the two answers");
    let field = TextEdit::multiline(criterion)
        .desired_width(f32::INFINITY)
        .desired_rows(2)
        .hint_text(CRITERION);
    ui.add(field).labelled_by(label.id);
    people_ui(ui, columns, (human, verdict));
    let words = "Each pair is judged in both orders. Where the two verdicts differ, it is a tie.";
    ui.add(Label::new(theme::muted(ui, words)).wrap());
}

/// Where people's verdicts are: nowhere, the same in every row, or a column.
fn people_ui(
    ui: &mut Ui,
    columns: &[String],
    (human, verdict): (&mut Option<String>, &mut Option<String>),
) {
    const ALWAYS: [(&str, &str); 2] =
        [("first", "always the first answer"), ("second", "always the second answer")];
    let hint = "What people said of the same pairs. The model does not see it. Of a file of chosen and \
                rejected answers it is always the chosen one; else a column says first, second, 1, 2, A, B, \
                the name of the answer's column, or tie";
    let always = ALWAYS.iter().find(|(value, _)| verdict.as_deref() == Some(*value));
    let shown = match (always, &*human) {
        (Some((_, words)), _) => (*words).to_owned(),
        (None, Some(column)) => format!("column {}", super::column::short(column)),
        (None, None) => "not known".to_owned(),
    };
    row_ui(ui, "People say", hint, |ui| {
        let width = (ui.available_width() - 4.0).min(theme::em(ui) * 12.0);
        let combo = ComboBox::from_id_salt("people say").selected_text(shown);
        let combo = combo.width(width).truncate().show_ui(ui, |ui| {
            let is_none = verdict.is_none() && human.is_none();
            if ui.selectable_label(is_none, "not known").clicked() {
                (*human, *verdict) = (None, None);
            }
            for (value, words) in ALWAYS {
                if ui.selectable_label(verdict.as_deref() == Some(value), words).clicked() {
                    (*human, *verdict) = (None, Some(value.to_owned()));
                }
            }
            for column in columns {
                let is_chosen = verdict.is_none() && human.as_ref() == Some(column);
                if ui.selectable_label(is_chosen, format!("column {column}")).clicked() {
                    (*human, *verdict) = (Some(column.clone()), None);
                }
            }
        });
        combo.response.accessible_name("People say").on_hover_text(hint);
    });
}
