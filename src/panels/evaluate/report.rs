//! The report of an evaluation, as it was written.

use std::path::{Path, PathBuf};

use eframe::egui::containers::menu::{MenuButton, MenuConfig};
use eframe::egui::{DragValue, Frame, Margin, PopupCloseBehavior, Ui};

use super::distributions::distributions_ui;
use crate::evaluate::results::kept::Kept;
use crate::llm::card::ModelIdentity;
use crate::state::command::{Command, Commands, EvaluateCommand, WindowCommand};
use crate::state::evaluate::EvaluateState;
use crate::state::evaluate::form::file_name;
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::choice::menu_of_names_ui;
use crate::widgets::markdown::markdown_ui;
use crate::widgets::slider_row::parse_number;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

pub(super) fn report_ui(
    ui: &mut Ui,
    evaluate: &mut EvaluateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let folder = evaluate.report.as_ref().map(|page| page.folder.clone());
    let others = folder.map(|folder| evaluate.comparable(&folder)).unwrap_or_default();
    let others: Vec<(String, PathBuf)> = others.into_iter().map(named).collect();
    let Some(page) = &mut evaluate.report else { return };
    let mut closes = false;
    let margin = Margin { left: 16, right: 0, top: 12, bottom: 0 };
    Frame::new().inner_margin(margin).show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            closes = ui.add(ActionButton::only_icon(icons::BACK, "Close the report")).clicked();
            let copy = ActionButton::new("Copy the methods paragraph").icon(icons::COPY);
            if ui.add(copy).clicked() {
                commands.push(WindowCommand::CopyText(page.paragraph.clone()));
            }
            let show = ActionButton::new("Show the files").icon(icons::FOLDER);
            let hint = "report.md, report.docx for Word, report.tex for LaTeX";
            if ui.add(show).on_hover_text(hint).clicked() {
                commands.push(WindowCommand::Reveal(page.folder.join("report.md")));
            }
            others_ui(ui, &page.folder, &others, commands);
            if page.testable.is_some() {
                labels_ui(ui, &page.folder, &evaluate.studies, commands);
            }
            if let Some(threshold) = &mut page.threshold {
                threshold_ui(ui, &page.folder, threshold, commands);
            }
            if let Some(model) = &page.testable {
                let test = ActionButton::new("Test the stability").icon(icons::VERIFY);
                let obstacle = why_not_test(model, around);
                let hint = "Does the model follow the codebook, and do its labels stay when only \
                            the form of the question changes? Eight tests with 60 rows of the table";
                let test = ui.add_enabled(obstacle.is_none(), test).on_hover_text(hint);
                if test.on_disabled_hover_text(obstacle.unwrap_or_default()).clicked() {
                    commands.push(EvaluateCommand::TestStability(page.folder.clone()));
                }
            }
        });
        ui.add_space(theme::GAP);
        if let Some(comparison) = &mut page.comparison {
            let with = format!("Against {}", comparison.with);
            let segment = |value, words, explanation| Segment { value, words, explanation };
            let segments = [
                segment(true, "Report", "How far the answers can be trusted"),
                segment(false, &with, "What the other evaluation has over this one, row by row"),
            ];
            segmented_ui(ui, &mut comparison.is_behind, &segments);
            ui.add_space(theme::GAP_SMALL);
            if !comparison.is_behind {
                let name = format!("{} against", page.folder.display());
                markdown_ui(ui, &name, &comparison.markdown, |_| false);
                return;
            }
        }
        if let Some(survey) = &mut page.survey {
            let segment = |value, words, explanation| Segment { value, words, explanation };
            let segments = [
                segment(false, "Distributions", "The answers to each item, beside those of real people"),
                segment(true, "Report", "All numbers and the methods paragraph, as they are written"),
            ];
            segmented_ui(ui, &mut survey.in_words, &segments);
            ui.add_space(theme::GAP_SMALL);
            if !survey.in_words {
                distributions_ui(ui, survey);
                return;
            }
        }
        // It has no links.
        markdown_ui(ui, &page.folder.display().to_string(), &page.markdown, |_| false);
    });
    if closes {
        evaluate.report = None;
    }
}

/// What an evaluation is called beside others of the same table.
fn named(kept: &Kept) -> (String, PathBuf) {
    let evaluation = &kept.evaluation;
    let name = match evaluation.task.name.as_str() {
        "" => file_name(&kept.folder),
        name => name.to_owned(),
    };
    let when = evaluation.started.get(..16).unwrap_or(&evaluation.started).replace('T', " ");
    (format!("{name} · {} · {when}", evaluation.model.words()), kept.folder.clone())
}

/// The evaluations that this one can be compared with.
fn others_ui(ui: &mut Ui, folder: &Path, others: &[(String, PathBuf)], commands: &mut Commands) {
    let hint = "Another evaluation of the same rows, by another model or with another prompt: what it has over this \
                one, with paired intervals, and McNemar's test where rows are right or wrong";
    let menu = ui.menu_button("Compare with…", |ui| {
        if others.is_empty() {
            let words =
                "There is no other complete evaluation of the same table and kind in this project";
            ui.label(theme::muted(ui, words));
        }
        let names = others.iter().map(|(name, _)| name.as_str());
        if let Some(place) = menu_of_names_ui(ui, names) {
            let (folder, other) = (folder.to_owned(), others[place].1.clone());
            commands.push(EvaluateCommand::Compare { folder, other });
        }
    });
    menu.response.on_hover_text(hint);
}

/// The studies whose labels by people can be taken over.
fn labels_ui(ui: &mut Ui, folder: &Path, studies: &[(String, PathBuf)], commands: &mut Commands) {
    let hint = "What people said of the same texts in a study of this project: the report then says how far \
                the model agrees with them, and corrects its shares. Taking a study again takes what was \
                said since";
    let menu = ui.menu_button("Labels from a study…", |ui| {
        if studies.is_empty() {
            let words = "There is no study yet: “Code some by hand…”, above the rows, sets one up";
            ui.label(theme::muted(ui, words));
        }
        let names = studies.iter().map(|(name, _)| name.as_str());
        if let Some(place) = menu_of_names_ui(ui, names) {
            let (folder, study) = (folder.to_owned(), studies[place].1.clone());
            commands.push(EvaluateCommand::TakeLabels { folder, study });
        }
    });
    menu.response.on_hover_text(hint);
}

/// From which probability on labels apply, decided again.
fn threshold_ui(ui: &mut Ui, folder: &Path, threshold: &mut f64, commands: &mut Commands) {
    let hint = "Which labels apply is decided again from the probabilities that are kept: an evaluation of its own, \
                and one more configuration that was tried. The model is not asked";
    let stays = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let menu = MenuButton::new("Another threshold…").config(stays);
    let (response, _) = menu.ui(ui, |ui| {
        ui.reset_style(); // in a menu neither a number nor a button would look like one
        ui.horizontal(|ui| {
            let value = DragValue::new(threshold).range(0.01..=0.99).speed(0.01).max_decimals(2);
            let value = value.custom_parser(parse_number);
            let words = "A label applies from";
            ui.label(words);
            ui.add(value).accessible_name(words);
            if ui.button("Decide again").clicked() {
                let (folder, threshold) = (folder.to_owned(), *threshold);
                commands.push(EvaluateCommand::Redraw { folder, threshold });
                ui.close();
            }
        });
    });
    response.on_hover_text(hint);
}

/// Why the stability cannot be tested now. `None`: it can.
fn why_not_test(model: &ModelIdentity, around: &Surroundings<'_>) -> Option<String> {
    let stop = Command::from(EvaluateCommand::StopTests);
    if around.activities.iter().any(|activity| activity.stop.as_ref() == Some(&stop)) {
        return Some("A stability is being tested: wait for it or stop it".to_owned());
    }
    match around.model.in_memory() {
        Some(card) if card.identity.sha256 == model.sha256 => None,
        _ => Some(format!("The answers are those of {}: load that model first", model.name)),
    }
}
