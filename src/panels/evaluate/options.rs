//! The forms of an exam, whose questions have options, of a judge between two answers, and of ratings.

use eframe::egui::{ComboBox, Label, TextEdit, Ui};

use super::column::{column_ui, columns_ui, optional_column_ui};
use super::fields::name_ui;
use super::scored::{orders_ui, scored_ui};
use crate::evaluate::prompt::CRITERION;
use crate::evaluate::task::AnswerForm;
use crate::evaluate::task::judge::Judge;
use crate::evaluate::task::rating::{self, Rate};
use crate::panels::train::fields::{number_row_ui, row_ui, section_ui};
use crate::state::evaluate::form::CodeForm;
use crate::widgets::choice::entry_ui;
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

pub(super) fn rate_ui(ui: &mut Ui, form: &mut CodeForm, columns: &[String]) {
    section_ui(ui, "Rating");
    name_ui(ui, &mut form.name, "how helpful");
    let Rate { prompt, criterion, from, to, human, inclusion, by, text: _ } = &mut form.rate;
    let hint = "The column with what was asked, where answers are rated: it stands before them";
    optional_column_ui(ui, ("Answers to", hint), columns, prompt);
    let label = ui.add(Label::new("What is rated").selectable(false));
    let label = label.on_hover_text("What a high number stands for, said after the text");
    let field = TextEdit::multiline(criterion)
        .desired_width(f32::INFINITY)
        .desired_rows(2)
        .hint_text(rating::CRITERION);
    ui.add(field).labelled_by(label.id);
    number_row_ui(ui, "Worst", "The lowest number of the scale", from, -1000..=1000);
    number_row_ui(ui, "Best", "The highest number of the scale", to, -1000..=1000);
    let hint = "Columns with ratings that people gave, a rater each. The model does not see them";
    ui.add(Label::new("Ratings by people").selectable(false)).on_hover_text(hint);
    columns_ui(ui, columns, &form.text, human);
    if !human.is_empty() {
        let hint = "The column with the probability that a row was drawn for people to rate. Means over all rows are \
                    corrected with it. Without one, every row was as likely";
        optional_column_ui(ui, ("Drawn with probability", hint), columns, inclusion);
    }
    let hint = "A column whose groups the report compares, as the model that wrote the answers";
    optional_column_ui(ui, ("Compare by", hint), columns, by);
    section_ui(ui, "How it is asked");
    let words = "The rating is the expected value of the model's distribution over the numbers.";
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
                if entry_ui(ui, is_chosen, &format!("column {column}")).clicked() {
                    (*human, *verdict) = (Some(column.clone()), None);
                }
            }
        });
        combo.response.accessible_name("People say").on_hover_text(hint);
    });
}
