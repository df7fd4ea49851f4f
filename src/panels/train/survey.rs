//! The survey of the data before it is trained on: what was found, and each row as the model sees it,
//! with what the loss is computed on in colour.

use eframe::egui;
use eframe::egui::text::LayoutJob;
use eframe::egui::{Align, Color32, Label, Layout, ScrollArea, Stroke, TextFormat, TextStyle, Ui};

use crate::llm::text::tokenizer::Tokenizer;
use crate::state::command::{Commands, TrainCommand};
use crate::state::slots::Surroundings;
use crate::state::train::TrainState;
use crate::state::train::survey::{SurveySlot, SurveyView};
use crate::train::rows::batch::Sequence;
use crate::train::rows::survey;
use crate::train::rows::survey::{Concern, SurveyedRow};
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
            row_ui(ui, row, view.survey.max_length, tokenizer);
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
fn row_ui(ui: &mut Ui, row: &SurveyedRow, max_length: usize, tokenizer: &Tokenizer) {
    let p = theme::palette(ui);
    let chosen = &row.example.chosen;
    let start = chosen.completion_start.min(chosen.ids.len());
    let grey = Inks { ink: p.muted, ground: p.raised };
    let prompt = &chosen.ids[..start];
    let part = Part { name: "Prompt", note: "not learned from", ids: prompt, kept: start };
    part_ui(ui, part, grey, tokenizer);
    let green = Inks { ink: p.text, ground: p.chosen_soft };
    let name = if row.example.rejected.is_some() { "Chosen" } else { "Answer" };
    answer_ui(ui, name, chosen, max_length, green, tokenizer);
    if let Some(rejected) = &row.example.rejected {
        let orange = Inks { ink: p.text, ground: p.rejected_soft };
        answer_ui(ui, "Rejected", rejected, max_length, orange, tokenizer);
    }
}

fn answer_ui(
    ui: &mut Ui,
    name: &str,
    sequence: &Sequence,
    max_length: usize,
    inks: Inks,
    tokenizer: &Tokenizer,
) {
    let start = sequence.completion_start.min(sequence.ids.len());
    let answer = &sequence.ids[start..];
    let kept = max_length.saturating_sub(start).min(answer.len());
    let note = if kept < answer.len() {
        format!("the loss is computed on the first {kept}; the rest is cut")
    } else {
        "the loss is computed on these".to_owned()
    };
    part_ui(ui, Part { name, note: &note, ids: answer, kept }, inks, tokenizer);
}

/// A stretch of a row's tokens.
#[derive(Clone, Copy)]
struct Part<'a> {
    name: &'a str,
    note: &'a str,
    ids: &'a [u32],

    /// So many stay; the rest is cut.
    kept: usize,
}

#[derive(Clone, Copy)]
struct Inks {
    ink: Color32,
    ground: Color32,
}

/// Tokens on a ground that is now lighter, now darker, so that each can be told from the next;
/// what is cut is struck through.
fn part_ui(ui: &mut Ui, part: Part<'_>, inks: Inks, tokenizer: &Tokenizer) {
    let p = theme::palette(ui);
    let Part { name, note, ids, kept } = part;
    ui.add_space(theme::GAP);
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::strong(ui, name));
        let tokens = if ids.len() == 1 { "token" } else { "tokens" };
        ui.label(theme::muted(ui, format!("{} {tokens}, {note}", ids.len())));
    });
    let mut job = LayoutJob::default();
    job.wrap.max_width = ui.available_width();
    let font = TextStyle::Body.resolve(ui.style());
    for (index, id) in ids.iter().enumerate() {
        let lighter = !index.is_multiple_of(2);
        let background = if lighter { inks.ground.gamma_multiply(0.5) } else { inks.ground };
        let color = if tokenizer.is_special(*id) { p.accent } else { inks.ink };
        let mut format = TextFormat {
            line_height: Some((font.size * 1.5).round()),
            background,
            ..TextFormat::simple(font.clone(), color)
        };
        if index >= kept {
            format.color = p.muted;
            format.background = Color32::TRANSPARENT;
            format.strikethrough = Stroke::new(1.0, p.muted);
        }
        let text = shown(&tokenizer.token_text(*id));
        let is_last = index + 1 == ids.len();
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
