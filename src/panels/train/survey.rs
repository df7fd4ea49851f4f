//! The survey of the data before it is trained on: what was found, and each row as the model sees it,
//! with what the loss is computed on in colour.

use std::ops::Range;

use eframe::egui;
use eframe::egui::text::LayoutJob;
use eframe::egui::{Align, Color32, Label, Layout, ScrollArea, Stroke, TextFormat, TextStyle, Ui};

use crate::llm::text::tokenizer::Tokenizer;
use crate::state::command::{Commands, TrainCommand};
use crate::state::slots::Surroundings;
use crate::state::train::TrainState;
use crate::state::train::survey::{SurveySlot, SurveyView};
use crate::train::config::TruncationMode;
use crate::train::rows::batch::Example;
use crate::train::rows::sequence::Sequence;
use crate::train::rows::survey;
use crate::train::rows::survey::{Concern, Survey, SurveyedRow};
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, card_ui, chip_ui, decoration_ui, title_row_ui};
use crate::widgets::theme::{self, icons};
use crate::widgets::token_flow::visible_whitespace;

pub(super) fn survey_ui(
    ui: &mut Ui,
    train: &mut TrainState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let mut close = false;
    let other_data = train.is_survey_of_other_data();
    ScrollArea::vertical().id_salt("train_survey").auto_shrink(false).show(ui, |ui| {
        card_ui(ui, |ui| {
            let changed = match &train.survey {
                SurveySlot::Ready(view) => view.settings != train.form,
                SurveySlot::Closed | SurveySlot::Reading { .. } => false,
            };
            let title = if other_data {
                "Other data has been chosen".to_owned()
            } else {
                title(&train.survey)
            };
            title_row_ui(ui, &title, |ui| {
                close = ui.add(ActionButton::new("Done").icon(icons::CLOSE)).clicked();
                if changed || other_data {
                    let again = ActionButton::new("Look again").icon(icons::REFRESH);
                    let hint = "The settings or the data have changed since";
                    if ui.add(again).on_hover_text(hint).clicked() {
                        commands.push(TrainCommand::SurveyData);
                    }
                }
            });
            if let (SurveySlot::Ready(view), false) = (&mut train.survey, other_data) {
                findings_ui(ui, view);
            }
        });
        if other_data {
            return; // the rows are of the data before
        }
        if let (SurveySlot::Ready(view), Some(card)) = (&mut train.survey, around.model.ready()) {
            ui.add_space(theme::GAP);
            rows_ui(ui, view, &card.tokenizer);
        }
    });
    if close {
        train.survey = SurveySlot::Closed;
    }
}

fn title(slot: &SurveySlot) -> String {
    match slot {
        SurveySlot::Closed => String::new(),
        SurveySlot::Reading { total: 0, .. } => "Reading the data…".to_owned(),
        SurveySlot::Reading { done, total, .. } => {
            format!("Reading the data · {done} of {total} rows")
        }
        SurveySlot::Ready(view) => {
            let survey = &view.survey;
            let rows = survey.rows.len();
            let dropped = rows - survey.train_rows - survey.held_out_rows;
            let (train, held_out) = (survey.train_rows, survey.held_out_rows);
            match dropped {
                0 => format!("{rows} rows: {train} to train on, {held_out} held out"),
                _ => format!(
                    "{rows} rows: {train} to train on, {held_out} held out, {dropped} left out"
                ),
            }
        }
    }
}

fn findings_ui(ui: &mut Ui, view: &mut SurveyView) {
    let p = theme::palette(ui);
    ui.add_space(theme::GAP_SMALL);
    let mut show = None;
    for (index, finding) in view.survey.findings.iter().enumerate() {
        ui.horizontal_top(|ui| {
            let (icon, color) = match finding.concern {
                Concern::Problem => (icons::PROBLEM, p.problem),
                Concern::Caution => (icons::PROBLEM, p.rejected),
                Concern::Fact => (icons::INFO, p.info),
            };
            decoration_ui(ui, theme::icon(ui, icon).color(color));
            ui.with_layout(Layout::right_to_left(Align::TOP), |ui| {
                if !finding.rows.is_empty() {
                    let words = match finding.rows.len() {
                        1 => "Show the row".to_owned(),
                        count => format!("Show the {count} rows"),
                    };
                    let words = egui::RichText::new(words).small();
                    let selected = view.finding == Some(index);
                    if ui.add(egui::Button::new(words).selected(selected)).clicked() {
                        show = Some((!selected).then_some(index));
                    }
                }
                ui.with_layout(Layout::left_to_right(Align::TOP), |ui| {
                    ui.add(Label::new(&finding.sentence).wrap());
                });
            });
        });
    }
    if let Some(finding) = show {
        view.show(finding);
    }
}

/// The row in front, and the way to its neighbours.
fn rows_ui(ui: &mut Ui, view: &mut SurveyView, tokenizer: &Tokenizer) {
    card_ui(ui, |ui| {
        let count = view.count();
        let words = match view.shown() {
            Some(_) => format!("Row {} of {count} of these", view.place + 1),
            None => format!("Row {} of {count}", view.place + 1),
        };
        let names = view.settings.source_names();
        let part = view.row().map(|row| {
            let name = names.get(row.example.source).filter(|_| names.len() > 1);
            let line = row.example.line;
            let place = match name {
                Some(name) => format!("{name}, line {line}"),
                None => format!("line {line}"),
            };
            (place, row.part)
        });
        let (mut back, mut forth) = (false, false);
        title_row_ui(ui, &words, |ui| {
            let next = ActionButton::new("Next");
            forth = ui.add_enabled(view.place + 1 < count, next).clicked();
            back = ui.add_enabled(view.place > 0, ActionButton::new("Previous")).clicked();
        });
        if let Some((line, part)) = part {
            ui.horizontal_wrapped(|ui| {
                ui.label(theme::muted(ui, line));
                let (tone, words) = match part {
                    survey::Part::Train => (Tone::Accent, "trained on"),
                    survey::Part::HeldOut => (Tone::Info, "held out"),
                    survey::Part::NotDrawn => (Tone::Neutral, "not drawn"),
                    survey::Part::Dropped => (Tone::Problem, "left out"),
                };
                chip_ui(ui, tone, None, words);
            });
        }
        if let Some(row) = view.row() {
            row_ui(ui, row, &view.survey, tokenizer);
        }
        if back {
            view.previous();
        }
        if forth {
            view.next();
        }
    });
}

/// The prompt once, then each answer.
fn row_ui(ui: &mut Ui, row: &SurveyedRow, survey: &Survey, tokenizer: &Tokenizer) {
    let p = theme::palette(ui);
    let Example { chosen, rejected, .. } = &row.example;
    let grey = Inks { ink: p.muted, ground: p.raised };
    let start = chosen.completion_start.min(chosen.ids.len());
    // Of a pair, each answer has the prompt that is left of its own cut: the chosen one's is shown.
    let prompt = stretch(chosen, 0..start, survey);
    let is_whole = keeps_start(survey) || prompt.iter().all(|token| token.is_kept);
    let note = if is_whole { "not learned from" } else { "not learned from; the start is cut" };
    part_ui(ui, ("Prompt", note), &prompt, grey, tokenizer);
    let green = Inks { ink: p.text, ground: p.chosen_soft };
    let name = if rejected.is_some() { "Chosen" } else { "Answer" };
    answer_ui(ui, name, chosen, survey, green, tokenizer);
    if let Some(rejected) = rejected {
        let orange = Inks { ink: p.text, ground: p.rejected_soft };
        answer_ui(ui, "Rejected", rejected, survey, orange, tokenizer);
    }
}

fn keeps_start(survey: &Survey) -> bool {
    survey.truncation_mode == TruncationMode::KeepStart
}

fn answer_ui(
    ui: &mut Ui,
    name: &str,
    sequence: &Sequence,
    survey: &Survey,
    inks: Inks,
    tokenizer: &Tokenizer,
) {
    let start = sequence.completion_start.min(sequence.ids.len());
    let answer = stretch(sequence, start..sequence.ids.len(), survey);
    let kept = answer.iter().filter(|token| token.is_kept).count();
    let learned = answer.iter().filter(|token| token.is_kept && token.is_learned).count();
    let cut = kept < answer.len();
    let note = match (sequence.has_gaps(), cut, keeps_start(survey)) {
        (false, false, _) => "the loss is computed on these".to_owned(),
        (false, true, true) => format!("the loss is computed on the first {kept}; the rest is cut"),
        (false, true, false) => format!("the loss is computed on the last {kept}; the rest is cut"),
        (true, false, _) => format!("the loss is computed on {learned} of them, in colour"),
        (true, true, _) => {
            format!(
                "the loss is computed on {learned} of them, in colour; what is struck through is cut"
            )
        }
    };
    part_ui(ui, (name, &note), &answer, inks, tokenizer);
}

/// A token of a row.
#[derive(Clone, Copy)]
struct Shown {
    id: u32,

    /// Not cut off.
    is_kept: bool,
    is_learned: bool,
}

fn stretch(sequence: &Sequence, places: Range<usize>, survey: &Survey) -> Vec<Shown> {
    let kept = survey.truncation_mode.places(sequence.ids.len(), survey.max_length);
    let shown = places.map(|place| Shown {
        id: sequence.ids[place],
        is_kept: kept.contains(&place),
        is_learned: sequence.is_learned(place),
    });
    shown.collect()
}

#[derive(Clone, Copy)]
struct Inks {
    ink: Color32,
    ground: Color32,
}

/// Tokens on a ground that is now lighter, now darker, so that each can be told from the next;
/// what is cut is struck through.
fn part_ui(
    ui: &mut Ui,
    (name, note): (&str, &str),
    tokens: &[Shown],
    inks: Inks,
    tokenizer: &Tokenizer,
) {
    let p = theme::palette(ui);
    ui.add_space(theme::GAP);
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::strong(ui, name));
        let words = if tokens.len() == 1 { "token" } else { "tokens" };
        ui.label(theme::muted(ui, format!("{} {words}, {note}", tokens.len())));
    });
    let mut job = LayoutJob::default();
    job.wrap.max_width = ui.available_width();
    let font = TextStyle::Body.resolve(ui.style());
    // What a user says between two answers looks as a prompt does.
    let grey = Inks { ink: p.muted, ground: p.raised };
    let is_answer = tokens.iter().any(|token| token.is_learned);
    for (index, token) in tokens.iter().enumerate() {
        let inks = if is_answer && !token.is_learned { grey } else { inks };
        let lighter = !index.is_multiple_of(2);
        let background = if lighter { inks.ground.gamma_multiply(0.5) } else { inks.ground };
        let color = if tokenizer.is_special(token.id) { p.accent } else { inks.ink };
        let mut format = TextFormat {
            line_height: Some((font.size * 1.5).round()),
            background,
            ..TextFormat::simple(font.clone(), color)
        };
        if !token.is_kept {
            format.color = p.muted;
            format.background = Color32::TRANSPARENT;
            format.strikethrough = Stroke::new(1.0, p.muted);
        }
        let text = shown(&tokenizer.token_text(token.id));
        let is_last = index + 1 == tokens.len();
        job.append(if is_last { text.trim_end_matches('\n') } else { &text }, 0.0, format);
    }
    ui.add(Label::new(job).wrap());
}

/// A token's text; a line break gets a mark before it breaks the line.
fn shown(text: &str) -> String {
    let marked = text.replace('\r', "");
    if marked.contains('\n') {
        let mark = visible_whitespace("\n");
        return marked.replace('\n', &format!("{mark}\n"));
    }
    marked
}
