//! A task file, or an evaluation of the project: what is asked of which table.

use eframe::egui::{Label, Ui};

use super::list::kind_words;
use super::scored::scoring_words;
use crate::evaluate::task::manner::Manner;
use crate::evaluate::task::rating::Rate;
use crate::evaluate::task::split::Part;
use crate::evaluate::task::{AnswerForm, Kind};
use crate::panels::preview::look_ui;
use crate::panels::train::fields::section_ui;
use crate::state::command::{Commands, EvaluateCommand};
use crate::state::evaluate::form::file_name;
use crate::state::evaluate::{EvaluateState, OpenEvaluation};
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::format;
use crate::widgets::theme::{self, icons};

pub(super) fn summary_ui(
    ui: &mut Ui,
    evaluate: &mut EvaluateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let Some(open) = &evaluate.open else { return };
    let task = &open.prepared.task;
    let title = if task.name.is_empty() { file_name(&task.data) } else { task.name.clone() };
    ui.add(Label::new(theme::title(ui, title)).wrap());
    look_ui(ui, &open.prepared.questions.report);
    for (name, words) in said(open, around) {
        section_ui(ui, name);
        ui.add(Label::new(words).wrap());
    }
    let codebook = open.prepared.questions.codebook.clone().unwrap_or_default();
    if evaluate.asking.is_none() {
        ui.add_space(theme::GAP);
        let change = ActionButton::new("Change it in the form").icon(icons::EDIT);
        let hint = "Takes the table, the codebook and the settings over. This one stays as it is";
        if ui.add(change).on_hover_text(hint).clicked() {
            let (task, report) = (task.clone(), open.prepared.questions.report.clone());
            evaluate.form.take_over(&task, &codebook, Some(report));
            evaluate.preview_row = 0;
            evaluate.show_form();
            commands.push(EvaluateCommand::ReadBeside);
        }
    }
}

/// Name and words of what decides the answers.
fn said(open: &OpenEvaluation, around: &Surroundings<'_>) -> Vec<(&'static str, String)> {
    let task = &open.prepared.task;
    let mut said = vec![("Asked", format!("The model {}", asked(open)))];
    said.push(("Model", model(open, around)));
    if let Some(split) = task.split {
        let rows = format::count(open.rows());
        said.push((
            "Rows",
            match split.part {
                Part::Development => format!(
                    "{rows} of the development part; a share of {} is kept for the end",
                    split.test
                ),
                Part::Test => format!("{rows} of the test part, which was kept for the end"),
            },
        ));
    }
    let codebook = open.prepared.questions.codebook.as_ref();
    let has_several = codebook.is_some_and(|codebook| codebook.several);
    if let Some(labels) = open.prepared.questions.labels.as_ref().filter(|_| task.code.is_some()) {
        let name = if has_several { "Labels, of which a text can have several" } else { "Labels" };
        said.push((name, labels.join(" · ")));
    }
    if !open.coders.is_empty() {
        said.push(("Said by people", open.coders.join(" · ")));
    }
    match task.kind() {
        Ok(Kind::Extract(extract)) => {
            let columns = extract.form().map(|form| form.columns.join(" · "));
            said.push(("Fields", columns.unwrap_or_else(|problem| problem)));
            let by_hand: Vec<String> = extract.human.keys().cloned().collect();
            if !by_hand.is_empty() {
                said.push(("Read by hand too", by_hand.join(" · ")));
            }
            let most = extract.max_tokens;
            said.push(("Answers", format!("In the form of the fields, of {most} tokens at most")));
            if extract.windows {
                let words = match extract.window_tokens {
                    0 => "In windows as long as the model reads".to_owned(),
                    tokens => format!("In windows of {tokens} tokens at most"),
                };
                let overlap = extract.overlap;
                said.push((
                    "Long texts",
                    format!("{words}, which overlap by about {overlap} tokens"),
                ));
            }
            return said;
        }
        Ok(Kind::Write(write)) => {
            said.push(("Instruction", write.instruction.clone()));
            if !write.references.is_empty() {
                said.push(("References", write.references.join(" · ")));
            }
            said.push(("Answers", format!("Texts of {} tokens at most", write.max_tokens)));
            return said;
        }
        Ok(Kind::Ask(ask)) => {
            let questions = match &ask.question {
                Some(column) => format!("Each row's own, in \"{column}\""),
                None => ask.questions.join("\n"),
            };
            said.push(("Questions", questions));
            let (most, words) = (ask.passages, ask.passage_words);
            said.push(("Read of a document", format!("At most {most} passages of {words} words")));
            let chosen = match &task.encoder {
                Some(encoder) => format!(
                    "The cosine of vectors, by the encoder {}",
                    file_name(std::path::Path::new(encoder))
                ),
                None => "The words that they share with the question (BM25)".to_owned(),
            };
            said.push(("Passages are chosen by", chosen));
            said.push(("Answers", format!("Texts of {} tokens at most", ask.max_tokens)));
            return said;
        }
        Ok(Kind::Perplexity(settings)) => {
            if let Some(before) = &settings.before {
                let chat = if settings.chat { ", as a message of the user" } else { "" };
                said.push(("Read before each text", format!("\"{before}\"{chat}")));
            }
            said.extend(settings.by.clone().map(|by| ("Reported by", by)));
            let window = match settings.window {
                0 => "than the model reads".to_owned(),
                window => format!("than {window} tokens"),
            };
            let words = match (settings.cut, settings.stride) {
                (true, _) => format!("Those that are longer {window} are cut at their end"),
                (false, 0) => {
                    format!(
                        "Those that are longer {window} are read in windows, half a window apart"
                    )
                }
                (false, stride) => format!(
                    "Those that are longer {window} are read in windows, {stride} tokens apart"
                ),
            };
            said.push(("Long texts", words));
            return said;
        }
        Ok(Kind::Survey(survey)) => {
            let ways: Vec<String> = survey.manners().into_iter().map(Manner::words).collect();
            said.push(("Read from the model", ways.join(" · ")));
            if let Some(path) = &survey.personas {
                said.push(("People", file_name(path)));
            }
            let marginals = survey.marginals.as_deref();
            let known = marginals.map_or_else(|| "Not known".to_owned(), file_name);
            said.push(("What real people said", known));
            return said;
        }
        _ => {}
    }
    let form = match (task.answer, task.kind()) {
        (AnswerForm::Letter, _) | (AnswerForm::Usual, Ok(Kind::Exam(_) | Kind::Judge(_))) => {
            "Letters are scored"
        }
        (_, Ok(Kind::Rate(_))) => "Numbers are scored",
        _ if has_several => "Yes and no are scored for each label",
        _ => "Whole texts are scored",
    };
    let first = open.prepared.questions.list.first();
    let orders = first.map_or(1, |question| open.prepared.form.order_count(question));
    let orders = match orders {
        1 => "in the order of the table".to_owned(),
        count => format!("in {count} orders, averaged"),
    };
    said.push(("Answers", format!("{form}, by the {}, {orders}", scoring_words(task.score).0)));
    said
}

fn asked(open: &OpenEvaluation) -> String {
    let task = &open.prepared.task;
    match task.kind() {
        Ok(Kind::Code(code)) if open.prepared.form.asks_each() => {
            format!("gives each text of \"{}\" any number of labels", code.text)
        }
        Ok(Kind::Code(code)) => format!("gives each text of \"{}\" a label", code.text),
        Ok(Kind::Exam(exam)) => match &exam.answer {
            Some(answer) => {
                format!("answers \"{}\"; \"{answer}\" has the right answers", exam.question)
            }
            None => format!("answers \"{}\"", exam.question),
        },
        Ok(Kind::Rate(rate)) => {
            let Rate { text, from, to, .. } = rate;
            format!("rates \"{text}\" from {from} to {to}")
        }
        Ok(Kind::Judge(judge)) => {
            let [first, second] = &judge.answers;
            format!("says whether \"{first}\" or \"{second}\" is the better answer")
        }
        Ok(Kind::Extract(extract)) => {
            format!("reads fields out of each text of \"{}\"", extract.text)
        }
        Ok(Kind::Write(write)) => format!("writes about each text of \"{}\"", write.text),
        Ok(Kind::Ask(ask)) => format!("answers questions about each document of \"{}\"", ask.text),
        Ok(Kind::Survey(survey)) => {
            format!("answers \"{}\" as different people", survey.question)
        }
        Ok(Kind::Perplexity(settings)) => {
            format!("scores each text of \"{}\": nothing is asked or written", settings.text)
        }
        Err(_) => kind_words(task).to_owned(),
    }
}

fn model(open: &OpenEvaluation, around: &Surroundings<'_>) -> String {
    let begun = open.kept.as_ref().and_then(|kept| kept.begun.as_ref());
    let loaded = around.model.identity();
    match (begun, loaded) {
        (Some(begun), _) => match begun.way {
            Some(way) => format!("{}. {}", begun.model.words(), way.note()),
            None => begun.model.words(),
        },
        (None, Some(loaded)) if loaded.server.is_some() => loaded.words(),
        (None, Some(loaded)) => format!("{}, which is loaded", loaded.name),
        (None, None) => "None is loaded yet".to_owned(),
    }
}
