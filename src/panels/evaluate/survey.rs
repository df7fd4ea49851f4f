//! The form of a survey: its items, who answers, how answers are read, what real people said.

use eframe::egui::{Label, Sides, TextEdit, Ui};

use super::column::{column_ui, columns_ui};
use super::fields::name_ui;
use crate::data::table::Report;
use crate::evaluate::task::Scoring;
use crate::evaluate::task::manner::{Way, Wording};
use crate::evaluate::task::survey::{Beside, lacking};
use crate::panels::train::fields::{
    check_ui, number_row_ui, problem_ui, radio_ui, row_ui, section_ui,
};
use crate::state::command::{Commands, EvaluateCommand};
use crate::state::evaluate::form::{CodeForm, file_name};
use crate::state::evaluate::survey_form::SurveyForm;
use crate::widgets::button::ActionButton;
use crate::widgets::theme::{self, icons};

pub(super) fn survey_ui(
    ui: &mut Ui,
    form: &mut CodeForm,
    columns: &[String],
    commands: &mut Commands,
) {
    name_ui(ui, &mut form.name, "trust in research");
    options_ui(ui, &mut form.survey, &form.text, columns);
    people_ui(ui, &mut form.survey, commands);
    marginals_ui(ui, &mut form.survey, commands);
    section_ui(ui, "How it is asked");
    asking_ui(ui, form);
    let items = form.table.as_ref().map_or(0, |report| report.rows);
    if items > 0 {
        let words = form.survey.size(items, form.orders);
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
}

/// The columns with the options, and which options refuse an answer.
fn options_ui(ui: &mut Ui, form: &mut SurveyForm, question: &str, columns: &[String]) {
    let hint = "The columns with the options, in the order of the scale; or one column with a list of \
                them";
    ui.add(Label::new("Options").selectable(false)).on_hover_text(hint);
    columns_ui(ui, columns, question, &mut form.survey.options);
    let label = ui.add(Label::new("Options that refuse an answer").selectable(false));
    let hint = "Their share is reported apart, and the other options add up to 100 %";
    let label = label.on_hover_text(hint);
    let field = TextEdit::singleline(&mut form.refusal).desired_width(f32::INFINITY);
    ui.add(field.hint_text("don't know; no answer")).labelled_by(label.id);
}

/// A table beside that of the items, or the button that chooses one.
fn beside_ui(
    ui: &mut Ui,
    (path, report): (Option<&std::path::Path>, Option<&Report>),
    (beside, none, choose, hint): (Beside, &str, &str, &str),
    commands: &mut Commands,
) -> bool {
    let name = match (path, report) {
        (None, _) => none.to_owned(),
        (Some(path), Some(report)) => format!("{} · {} rows", file_name(path), report.rows),
        (Some(path), None) => file_name(path),
    };
    let mut forgets = false;
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| ui.add(Label::new(name).truncate()),
        |ui| {
            let button = ActionButton::new(choose).icon(icons::FILE);
            if ui.add(button).on_hover_text(hint).clicked() {
                commands.push(EvaluateCommand::ChooseBeside(beside));
            }
            if path.is_some() {
                let words = match beside {
                    Beside::People => "Ask without people",
                    Beside::Marginals => "Ask without marginals",
                };
                forgets = ui.add(ActionButton::only_icon(icons::CLOSE, words)).clicked();
            }
        },
    );
    forgets
}

fn people_ui(ui: &mut Ui, form: &mut SurveyForm, commands: &mut Commands) {
    section_ui(ui, "People");
    let hint = "A table of people, a row each: the model answers every item as each of them. Without one \
                it answers as itself";
    let table = (form.survey.personas.as_deref(), form.people.as_ref());
    let about = (Beside::People, "As itself", "Choose people…", hint);
    if beside_ui(ui, table, about, commands) {
        form.forget(Beside::People);
    }
    if form.survey.personas.is_none() {
        return;
    }
    let label = ui.add(Label::new("What the model is told of a person").selectable(false));
    let hint = "Stands before every item, with columns of the table of people in braces";
    let label = label.on_hover_text(hint);
    let field = TextEdit::multiline(&mut form.survey.persona)
        .desired_width(f32::INFINITY)
        .desired_rows(2)
        .hint_text("You are {age} years old and live in {place}. Answer as this person.");
    ui.add(field).labelled_by(label.id);
    let Some(people) = &form.people else { return };
    let names: Vec<String> = people.columns.iter().map(|name| format!("{{{name}}}")).collect();
    ui.add(Label::new(theme::muted(ui, format!("Columns: {}", names.join(" ")))).wrap());
    if let Err(problem) = form.first_person() {
        problem_ui(ui, &problem);
    }
    let mut by = form.survey.by.take().unwrap_or_default();
    let mut choices = vec![String::new()];
    choices.extend(people.columns.iter().cloned());
    let hint = "A column of the table of people: answers are compared by its groups, with what real \
                people of the same group said";
    column_ui(ui, "Groups", hint, &choices, &mut by);
    form.survey.by = Some(by).filter(|by| !by.is_empty());
}

fn marginals_ui(ui: &mut Ui, form: &mut SurveyForm, commands: &mut Commands) {
    section_ui(ui, "Real people");
    let hint = "A table of what real people said: the columns item, option and share, and group where \
                shares are of a group";
    let table = (form.survey.marginals.as_deref(), form.marginals.as_ref());
    let about = (Beside::Marginals, "Not known", "Choose marginals…", hint);
    if beside_ui(ui, table, about, commands) {
        form.forget(Beside::Marginals);
    }
    if let Some(report) = &form.marginals {
        if let Some(problem) = lacking(&report.path, &report.columns) {
            problem_ui(ui, &problem);
        } else if form.survey.by.is_none() && report.columns.iter().any(|name| name == "group") {
            let words = "The marginals are of groups: choose the column of the people that has the same \
                         groups, or only rows without a group are compared with";
            ui.add(Label::new(theme::muted(ui, words)).wrap());
        }
    }
}

fn asking_ui(ui: &mut Ui, form: &mut CodeForm) {
    let survey = &mut form.survey.survey;
    let hint =
        "How a distribution over the options is read from the model: side by side in the report";
    ui.add(Label::new("Answers are read as").selectable(false)).on_hover_text(hint);
    ui.horizontal_wrapped(|ui| {
        for way in Way::ALL {
            let mut on = survey.ways.contains(&way);
            if check_ui(ui, &mut on, way.words(), about_way(way)).changed() {
                toggle(&mut survey.ways, way, on);
            }
        }
    });
    let hint = "How far the model is held to the options: what it says when it must choose is not always \
                what it says when it need not";
    ui.add(Label::new("Questions are").selectable(false)).on_hover_text(hint);
    ui.horizontal_wrapped(|ui| {
        for wording in Wording::ALL {
            let mut on = survey.forms.contains(&wording);
            if check_ui(ui, &mut on, wording.words(), about_wording(wording)).changed() {
                toggle(&mut survey.forms, wording, on);
            }
        }
    });
    if survey.ways.contains(&Way::Sampled) {
        let hint = "How many answers are drawn of each question to each person, at temperature 1";
        number_row_ui(ui, "Drawn answers", hint, &mut survey.samples, 1..=10_000);
    }
    number_row_ui(
        ui,
        "Orders of the options",
        "In how many orders the options are listed; the probabilities are averaged over them, so that no \
         option gains by its place",
        &mut form.orders,
        1..=5040,
    );
    if form.orders > 1 || form.survey.survey.ways.contains(&Way::Sampled) {
        let hint =
            "Draws the orders where not all of them are asked, and the answers that are drawn";
        number_row_ui(ui, "Seed", hint, &mut form.seed, 0..=1_000_000);
    }
    if form.survey.survey.ways.contains(&Way::Texts) {
        let hint = "How the log-probabilities of an option's tokens become its score. By token, long \
                    options are not at a disadvantage";
        row_ui(ui, "Options are scored by the", hint, |ui| {
            // From the right.
            for (score, words) in [(Scoring::Mean, "mean"), (Scoring::Sum, "sum")] {
                if radio_ui(ui, (form.score == Scoring::Mean) == (score == Scoring::Mean), words)
                    .clicked()
                {
                    form.score = score;
                }
            }
        });
    }
}

/// In the order in which they are shown, whichever was chosen first.
fn toggle<T: Copy + PartialEq + Ord>(list: &mut Vec<T>, item: T, on: bool) {
    list.retain(|known| *known != item);
    if on {
        list.push(item);
        list.sort();
    }
}

fn about_way(way: Way) -> &'static str {
    match way {
        Way::Letters => "The exact probabilities of the letters that the options are listed under",
        Way::Texts => "The exact probabilities of the options' whole texts",
        Way::Verbalised => "The model says how many of 100 people would choose each option",
        Way::Sampled => "Answers are drawn, and counted",
    }
}

fn about_wording(wording: Wording) -> &'static str {
    match wording {
        Wording::Forced => "The model is told to choose one of the options and to say nothing else",
        Wording::Unforced => {
            "The options are shown, and the model may answer what it likes: how often is it an option?"
        }
        Wording::Open => {
            "The options are not shown. Whole texts are scored, and drawn answers count for the only \
             option that they name"
        }
    }
}
