//! The arena: which of several models the verdicts prefer, how sure that is, what the side does, and
//! what to compare next.

use std::borrow::Cow;

use eframe::egui::{Grid, Label, ScrollArea, Ui};

use crate::eval::arena::{ArenaReport, PositionReport};
use crate::state::annotate::AnnotateState;
use crate::state::codes::AnnotateView;
use crate::state::command::{AnnotateCommand, Commands};
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, chip_ui, titled_card_ui};
use crate::widgets::choice;
use crate::widgets::dot_plot::{Dot, dot_ui, scale};
use crate::widgets::empty_state::EmptyState;
use crate::widgets::format;
use crate::widgets::switch::switch_ui;
use crate::widgets::theme::{self, icons};

/// Lower than this, in lines of text, all of the view scrolls.
const LOW: f32 = 26.0;

pub fn arena_ui(
    ui: &mut Ui,
    annotate: &AnnotateState,
    view: &mut AnnotateView,
    commands: &mut Commands,
) {
    let page = &annotate.arena;
    let verdicts = annotate.counts().all();
    let is_new = page.report.is_none() && page.problem.is_none() && page.file.is_none();
    if is_new && !page.busy && verdicts > 0 {
        commands.push(AnnotateCommand::RateModels);
    }
    let Some(report) = &page.report else {
        empty_ui(ui, annotate, view, commands);
        return;
    };
    // In a low window the report alone would have a few lines to scroll in.
    let is_low = ui.available_height() < theme::em(ui) * LOW;
    if !is_low {
        head_ui(ui, annotate, report, commands);
        ui.add_space(theme::GAP_SMALL);
    }
    ScrollArea::vertical().id_salt("arena").auto_shrink(false).show(ui, |ui| {
        if is_low {
            head_ui(ui, annotate, report, commands);
            ui.add_space(theme::GAP_SMALL);
        }
        report_ui(ui, report);
        ui.add_space(theme::GAP);
        titled_card_ui(
            ui,
            "Compare next",
            |_| {},
            |ui| {
                next_ui(ui, annotate, report, view, commands);
            },
        );
    });
}

/// Ratings with their intervals, who won against whom, and what the side does: a card each.
pub fn report_ui(ui: &mut Ui, report: &ArenaReport) {
    for note in &report.notes {
        chip_line_ui(ui, note);
    }
    titled_card_ui(ui, "Ratings", |_| {}, |ui| ratings_ui(ui, report));
    ui.add_space(theme::GAP);
    titled_card_ui(ui, "Who wins against whom", |_| {}, |ui| matrix_ui(ui, report));
    ui.add_space(theme::GAP);
    titled_card_ui(ui, "The side", |_| {}, |ui| position_ui(ui, &report.position));
}

/// Comparisons that would tell the most.
pub fn next_pairs_ui(ui: &mut Ui, report: &ArenaReport) {
    for pair in &report.next {
        let words = format!("{} – {}: {}", pair.first, pair.second, pair.reason);
        ui.add(Label::new(words).wrap());
    }
    if report.next.is_empty() {
        ui.label(theme::muted(ui, "There is nothing to tell apart"));
    }
}

/// `3 models · 120 comparisons · 7 ties`
pub fn title_of(report: &ArenaReport) -> String {
    format!(
        "{} models · {} {} · {} {}",
        report.models.len(),
        format::count(report.battles),
        if report.battles == 1 { "comparison" } else { "comparisons" },
        format::count(report.ties),
        if report.ties == 1 { "tie" } else { "ties" },
    )
}

fn empty_ui(
    ui: &mut Ui,
    annotate: &AnnotateState,
    view: &mut AnnotateView,
    commands: &mut Commands,
) {
    let page = &annotate.arena;
    if page.busy {
        ui.label(theme::muted(ui, "Rating the models…"));
        return;
    }
    let sentence = page.problem.as_deref().unwrap_or(
        "Compare answers of several models two by two, without seeing which is which. Their \
         ratings, with intervals, follow from your verdicts.",
    );
    let empty = EmptyState {
        icon: icons::ANNOTATE,
        title: "Which model is preferred?",
        sentence,
        actions: &["Answers from a file…", "Rate a file of comparisons…"],
    };
    match empty.show(ui) {
        Some(0) => {
            *view = AnnotateView::Pairs;
            commands.push(AnnotateCommand::ChooseAnswers);
        }
        Some(_) => commands.push(AnnotateCommand::ChooseBattles),
        None => {}
    }
}

fn head_ui(ui: &mut Ui, annotate: &AnnotateState, report: &ArenaReport, commands: &mut Commands) {
    let page = &annotate.arena;
    ui.horizontal_wrapped(|ui| {
        ui.add(Label::new(theme::title(ui, title_of(report))).wrap());
        let from = match &page.file {
            Some(file) => file.clone(),
            None => "the verdicts of this project".to_owned(),
        };
        ui.add(Label::new(theme::muted(ui, from)).wrap());
    });
    ui.horizontal_wrapped(|ui| {
        let again = ActionButton::new("Rate again").icon(icons::REFRESH);
        let hint = "With every verdict of this project";
        if again.add_enabled(ui, !page.busy).on_hover_text(hint).clicked() {
            commands.push(AnnotateCommand::RateModels);
        }
        if ui.add(ActionButton::quiet("Rate a file of comparisons…")).clicked() {
            commands.push(AnnotateCommand::ChooseBattles);
        }
        let new = annotate.counts().all().saturating_sub(page.verdicts);
        if page.busy {
            ui.label(theme::muted(ui, "Rating the models…"));
        } else if page.file.is_none() && new > 0 {
            let are = if new == 1 { "verdict is" } else { "verdicts are" };
            ui.label(theme::muted(ui, format!("{new} newer {are} not counted yet")));
        }
    });
}

fn chip_line_ui(ui: &mut Ui, note: &str) {
    ui.horizontal(|ui| {
        chip_ui(ui, Tone::Info, Some(icons::INFO), "Note");
        ui.add(Label::new(note).wrap());
    });
    ui.add_space(theme::GAP_SMALL);
}

fn ratings_ui(ui: &mut Ui, report: &ArenaReport) {
    let about = "Bradley and Terry's model: the mean is 1000, and 400 points more are odds of 10 to \
                 1. Bars: 95 % bootstrap intervals. Where two of them overlap, the order is not sure";
    ui.add(Label::new(theme::muted(ui, about)).wrap());
    ui.add_space(theme::GAP_SMALL);
    let dot = |at: usize| {
        let model = &report.models[at];
        model.rating.map(|value| Dot { value, ends: model.low.zip(model.high) })
    };
    let ends = scale((0..report.models.len()).filter_map(dot));
    let groups = report.models.iter().map(|model| model.group).max().unwrap_or(1);
    let name_width = ui.available_width() * 0.3;
    let number_width = theme::em(ui) * 13.0;
    for (at, model) in report.models.iter().enumerate() {
        let first_of_group = at == 0 || report.models[at - 1].group != model.group;
        if groups > 1 && first_of_group {
            ui.label(theme::muted(ui, format!("Group {}", model.group)));
        }
        let rated = match (model.rating, model.low.zip(model.high)) {
            (Some(rating), Some((low, high))) => format!("{rating:.0}  ({low:.0} to {high:.0})"),
            (Some(rating), None) => format!("{rating:.0}"),
            (None, _) => "not finite".to_owned(),
        };
        let won = format!("{} of {} won", shown_half(model.wins), model.battles);
        ui.horizontal(|ui| {
            let size = eframe::egui::vec2(name_width, ui.spacing().interact_size.y);
            let left = eframe::egui::Layout::left_to_right(eframe::egui::Align::Center);
            ui.allocate_ui_with_layout(size, left, |ui| {
                ui.set_min_width(name_width);
                ui.add(Label::new(theme::strong(ui, model.name.as_str())).truncate())
                    .on_hover_text(&won);
            });
            let size = eframe::egui::vec2(number_width, ui.spacing().interact_size.y);
            ui.allocate_ui_with_layout(size, left, |ui| {
                ui.set_min_width(number_width);
                ui.add(Label::new(theme::number(&rated)).truncate()).on_hover_text(&won);
            });
            if let Some(dot) = dot(at) {
                dot_ui(ui, dot, ends, &format!("{}: {rated}, {won}", model.name));
            }
        });
    }
}

/// `3` or `3.5`
fn shown_half(wins: f64) -> String {
    if wins.fract() == 0.0 { format!("{wins:.0}") } else { format!("{wins:.1}") }
}

fn matrix_ui(ui: &mut Ui, report: &ArenaReport) {
    let about = "The share that the model of the row won against the model of the column, ties half, \
                 and of how many comparisons";
    ui.add(Label::new(theme::muted(ui, about)).wrap());
    ui.add_space(theme::GAP_SMALL);
    ScrollArea::horizontal().id_salt("win rates").show(ui, |ui| {
        Grid::new("win rates").striped(true).spacing([theme::GAP_LARGE, theme::GAP_SMALL]).show(
            ui,
            |ui| {
                ui.label("");
                for model in &report.models {
                    ui.label(theme::strong(ui, short(&model.name)));
                }
                ui.end_row();
                for (row, model) in report.models.iter().enumerate() {
                    ui.label(theme::strong(ui, short(&model.name))).on_hover_text(&model.name);
                    for column in 0..report.models.len() {
                        let words = match report.win_rate[row][column] {
                            _ if row == column => "–".to_owned(),
                            Some(share) => {
                                let games = report.games[row][column];
                                format!("{} of {games}", format::percent(share as f32))
                            }
                            None => "never".to_owned(),
                        };
                        ui.label(words);
                    }
                    ui.end_row();
                }
            },
        );
    });
}

/// A name that fits into a column.
fn short(name: &str) -> Cow<'_, str> {
    choice::short(name, 24)
}

fn position_ui(ui: &mut Ui, position: &PositionReport) {
    let PositionReport { decided, first_won, share, low, high } = position;
    let (Some(share), Some(low), Some(high)) = (share, low, high) else {
        ui.label(theme::muted(ui, "No comparison is decided yet"));
        return;
    };
    let percent = |share: f64| format::percent(share as f32);
    let words = format!(
        "The answer at the left won {first_won} of {decided} decided comparisons: {} (95 % interval: \
         {} to {}). {}",
        percent(*share),
        percent(*low),
        percent(*high),
        if *low > 0.5 || *high < 0.5 {
            "The interval does not contain a half: the side decides, too"
        } else {
            "The interval contains a half: nothing says that the side decides"
        }
    );
    ui.add(Label::new(words).wrap());
}

fn next_ui(
    ui: &mut Ui,
    annotate: &AnnotateState,
    report: &ArenaReport,
    view: &mut AnnotateView,
    commands: &mut Commands,
) {
    next_pairs_ui(ui, report);
    ui.add_space(theme::GAP_SMALL);
    let mut first = annotate.prefers();
    let about = "The queue of answers then begins with the two models whose order is least certain, \
                 and the ratings are computed again after each verdict";
    if switch_ui(ui, &mut first, "Ask the least certain pairs first", about).changed() {
        commands.push(AnnotateCommand::PreferTelling(first));
    }
    if ui.add(ActionButton::primary("Compare answers").icon(icons::PLAY)).clicked() {
        *view = AnnotateView::Pairs;
    }
}
