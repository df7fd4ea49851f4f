//! The form of an evaluation: the table and its columns, what is asked, how the model is asked.

use eframe::egui::{Label, Sides, Ui};

use super::column::{column_ui, optional_column_ui, short};
use super::scored::{orders_ui, scored_ui};
use super::{codebook, fields, options, perplexity, shown, survey};
use crate::evaluate::results::scored::{ALIKE, begin_alike};
use crate::evaluate::task::code::USUAL_THRESHOLD;
use crate::evaluate::task::{AnswerForm, Scoring};
use crate::panels::preview::look_ui;
use crate::panels::train::fields::{check_ui, number_row_ui, problem_ui, row_ui, section_ui};
use crate::state::command::{Commands, EvaluateCommand};
use crate::state::evaluate::form::{CodeForm, What};
use crate::state::evaluate::{EvaluateState, Preparing};
use crate::widgets::button::ActionButton;
use crate::widgets::format;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

pub(super) fn setup_ui(ui: &mut Ui, evaluate: &mut EvaluateState, commands: &mut Commands) {
    what_ui(ui, &mut evaluate.form);
    table_ui(ui, evaluate, commands);
    let columns = evaluate.form.columns().to_vec();
    match evaluate.form.what {
        What::Code => {
            fields::own_name_ui(ui, &mut evaluate.form);
            codebook::codebook_ui(ui, &mut evaluate.form.codebook, commands);
            asking_ui(ui, &mut evaluate.form);
            shown::examples_ui(ui, &mut evaluate.form, commands);
        }
        What::Extract => fields::fields_ui(ui, &mut evaluate.form, &columns),
        What::Write => fields::writing_ui(ui, &mut evaluate.form, &columns),
        What::Survey => survey::survey_ui(ui, &mut evaluate.form, &columns, commands),
        What::Ask => fields::asking_ui(ui, &mut evaluate.form, &evaluate.encoders),
        What::Exam => {
            options::exam_ui(ui, &mut evaluate.form, &columns);
            shown::examples_ui(ui, &mut evaluate.form, commands);
        }
        What::Perplexity => perplexity::perplexity_ui(ui, &mut evaluate.form, &columns),
        What::Judge => options::judge_ui(ui, &mut evaluate.form, &columns),
        What::Rate => options::rate_ui(ui, &mut evaluate.form, &columns),
    }
}

fn what_ui(ui: &mut Ui, form: &mut CodeForm) {
    let segment = |value, words, explanation| Segment { value, words, explanation };
    let segments = [
        segment(What::Code, "labels", "Each text gets a label of your codebook"),
        segment(What::Extract, "fields", "Fields are read out of each text: a column each"),
        segment(What::Write, "texts", "A text is written about each: a summary, a translation"),
        segment(What::Ask, "answers", "Your questions are answered about each document"),
        segment(
            What::Survey,
            "survey answers",
            "The items of a survey are answered, as different people",
        ),
        segment(
            What::Exam,
            "exam answers",
            "Questions with options are answered: how many are right?",
        ),
        segment(
            What::Judge,
            "verdicts",
            "Of two answers it says which is better, always in both orders",
        ),
        segment(What::Rate, "ratings", "Texts, or answers to prompts, get a number on a scale"),
        segment(
            What::Perplexity,
            "perplexity",
            "How likely it finds each text: nothing is asked, nothing is written",
        ),
    ];
    ui.add(Label::new("The model gives").selectable(false))
        .on_hover_text("What comes out for each text");
    if segmented_ui(ui, &mut form.what, &segments) {
        form.chose();
    }
}

fn table_ui(ui: &mut Ui, evaluate: &mut EvaluateState, commands: &mut Commands) {
    section_ui(ui, "Table");
    let name = match (&evaluate.preparing, evaluate.form.table_name()) {
        (Some((Preparing::Table, at)), _) => {
            format!("Reading… {} rows", format::count(at.rows as usize))
        }
        (_, Some(name)) => name,
        (_, None) => "No table yet".to_owned(),
    };
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| ui.add(Label::new(name).truncate()),
        |ui| {
            let choose = ActionButton::new("Choose table…").icon(icons::FILE);
            let hint = "CSV, Excel, JSON Lines, Parquet and more: a row for each text";
            if ui.add(choose).on_hover_text(hint).clicked() {
                commands.push(EvaluateCommand::ChooseTable);
            }
            let folder = ActionButton::only_icon(icons::FOLDER, "Choose a folder of documents…");
            let hint = "A row for each .txt, .md, .docx and .pdf file in it";
            if ui.add(folder).on_hover_text(hint).clicked() {
                commands.push(EvaluateCommand::ChooseDocuments);
            }
        },
    );
    let form = &mut evaluate.form;
    if form.table.is_none() {
        let hint = match form.what {
            What::Ask => {
                "Choose a table with a document in each row, or a folder of documents: text, \
                 Markdown, Word and PDF files."
            }
            What::Survey => {
                "Choose a table with an item of the survey in each row: its question, and its options in \
                 a column each or as a list."
            }
            What::Exam => {
                "Choose a table with a question in each row, and its options in a column each or as a \
                 list. If it has the right answers, the report says how many the model knows."
            }
            What::Judge => {
                "Choose a table with a prompt and two answers in each row, as a file of preference pairs \
                 has them."
            }
            What::Rate => {
                "Choose a table with a text or an answer in each row; what was asked, who wrote it and the \
                 ratings of people can be columns beside it."
            }
            What::Perplexity => {
                "Choose a table with a text in each row, or a folder of documents. Nothing is asked about \
                 them: it is measured how likely the model finds each."
            }
            What::Code | What::Extract | What::Write => {
                "Choose a table with a text in each row, or a folder of documents. If people have \
                 labelled some of the texts, their labels can be columns of the table."
            }
        };
        ui.add(Label::new(theme::muted(ui, hint)).wrap());
        return;
    }
    if let Some(report) = &form.table {
        look_ui(ui, report);
    }
    let columns = form.columns().to_vec();
    let (name, hint) = match form.what {
        What::Survey | What::Exam => ("Questions", "The column with what is asked"),
        What::Judge => ("Prompts", "The column with what was asked"),
        What::Rate => ("Rated", "The column with the texts or answers that are rated"),
        What::Code | What::Extract | What::Write | What::Ask | What::Perplexity => {
            ("Texts", "The column with the texts that the model reads")
        }
    };
    column_ui(ui, name, hint, &columns, &mut form.text);
    let hint = "A column that names each row in the results, so that they can be joined to other \
                tables";
    optional_column_ui(ui, ("Rows are named by", hint), &columns, &mut form.id);
    if form.what == What::Survey {
        return; // its rows are not examples of others
    }
    number_row_ui(
        ui,
        "Share kept for the end",
        "This share of the rows, drawn at random, is not asked about while you try prompts and \
         settings. Freeze one of them, then open these rows: they say how good it is",
        &mut form.kept_share,
        0.0..=0.9,
    );
    if form.what == What::Code {
        people_ui(ui, form, &columns);
    }
}

/// A check box for each column that may hold a person's labels.
fn people_ui(ui: &mut Ui, form: &mut CodeForm, columns: &[String]) {
    form.human.retain(|column| *column != form.text);
    let others: Vec<String> =
        columns.iter().filter(|column| **column != form.text).cloned().collect();
    let hint = if form.codebook.several {
        "Columns with labels that people gave, a coder each: several labels between semicolons or as a list. \
         Where there are none and every label has a column of its own with 1 and 0, those are taken"
    } else {
        "Columns with labels that people gave, a coder each. The model does not see them"
    };
    let label = Label::new("Labels by people").selectable(false);
    ui.add(label).on_hover_text(hint);
    ui.horizontal_wrapped(|ui| {
        for column in columns.iter().filter(|column| **column != form.text) {
            let mut on = form.human.contains(column);
            if check_ui(ui, &mut on, &short(column), column).changed() {
                if on {
                    form.human.push(column.clone());
                } else {
                    form.human.retain(|known| known != column);
                }
            }
        }
    });
    if !form.human.is_empty() {
        let hint = "The column with the probability that a row was drawn for people to label, \
                    above 0 and at most 1. Shares in all rows are corrected with it. Without one, \
                    every row was as likely";
        optional_column_ui(ui, ("Drawn with probability", hint), &others, &mut form.inclusion);
    }
    let hint = "A column whose groups the report compares, as the year or the party";
    optional_column_ui(ui, ("Compare by", hint), &others, &mut form.by);
}

fn asking_ui(ui: &mut Ui, form: &mut CodeForm) {
    section_ui(ui, "How it is asked");
    if form.codebook.several {
        form.answer = AnswerForm::Usual;
        let words =
            "Each label is asked about by itself: the probability of “Yes” against that of “No”.";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        let mut threshold = form.threshold.unwrap_or(USUAL_THRESHOLD);
        let hint = "With which probability a label applies, at the least. Below one half more texts get it";
        let changed =
            number_row_ui(ui, "Applies from", hint, &mut threshold, 0.01..=0.99).changed();
        if changed {
            form.threshold = (threshold != USUAL_THRESHOLD).then_some(threshold);
        }
        orders_ui(ui, form, "two answers");
        scored_ui(ui, &mut form.score);
        return;
    }
    let segments = [
        Segment {
            value: AnswerForm::Usual,
            words: "whole labels",
            explanation: "The probability of each label's whole text",
        },
        Segment {
            value: AnswerForm::Letter,
            words: "letters",
            explanation: "Labels are listed under A, B, C…, and the letter's probability counts",
        },
    ];
    let mut answer = match form.answer {
        AnswerForm::Letter => AnswerForm::Letter,
        AnswerForm::Usual | AnswerForm::Text => AnswerForm::Usual,
    };
    row_ui(ui, "Answers are", "What of an answer is scored", |ui| {
        if segmented_ui(ui, &mut answer, &segments) {
            form.answer = answer;
        }
    });
    orders_ui(ui, form, "labels");
    scored_ui(ui, &mut form.score);
    let by_sum = form.score == Scoring::Sum && form.answer != AnswerForm::Letter;
    if by_sum && begin_alike(&form.codebook.labels()) {
        problem_ui(ui, ALIKE);
    }
}
