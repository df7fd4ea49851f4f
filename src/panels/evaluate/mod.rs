//! The Evaluate panel: what is asked on the left, the rows with their answers on the right.

pub(super) mod codebook;
pub(super) mod column;
mod configurations;
mod confusion;
mod detail;
mod distributions;
mod fields;
mod grid;
mod list;
mod options;
mod perplexity;
mod prompt;
mod report;
mod rows;
mod scored;
mod setup;
mod shown;
mod summary;
mod survey;

use eframe::egui::{CentralPanel, Frame, Key, Margin, Modifiers, Panel, ScrollArea, Ui};

use crate::state::command::{Commands, EvaluateCommand, ViewCommand};
use crate::state::evaluate::{EvaluateState, Front, LeftTab, OpenEvaluation, TRIED_ROWS};
use crate::state::prefs::PanelId;
use crate::state::slots::{ModelSlot, Surroundings};
use crate::widgets::button::ActionButton;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

/// The keys of the panel.
pub const KEYS: [(&str, &str); 2] = [
    ("↓ ↑", "Look at the next or the last row"),
    ("Esc", "Close the report, or the row that is looked at"),
];

/// Draws the panel into all the space that is left.
pub fn evaluate_panel_ui(
    ui: &mut Ui,
    evaluate: &mut EvaluateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    evaluate.refresh();
    if evaluate.report.is_some() {
        report::report_ui(ui, evaluate, around, commands);
        return;
    }
    if evaluate.configurations.is_some() {
        configurations::configurations_ui(ui, evaluate, commands);
        return;
    }
    if evaluate.front == Front::List {
        list::list_ui(ui, evaluate, around, commands);
        return;
    }
    handle_keys(ui, evaluate);
    let em = theme::em(ui);
    if ui.available_width() < em * 54.0 {
        one_column_ui(ui, evaluate, around, commands);
        return;
    }
    let widest = (ui.available_width() * 0.5).max(em * 20.0);
    Panel::left("evaluate_left")
        .default_size((em * 25.0).min(widest))
        .size_range((em * 21.0).min(widest)..=widest)
        .frame(Frame::new().fill(theme::palette(ui).card))
        .show(ui, |ui| {
            ui.spacing_mut().scroll.content_margin = Margin::ZERO;
            left_ui(ui, evaluate, around, commands, false);
        });
    let canvas = Frame::new().inner_margin(Margin { left: 16, right: 16, top: 12, bottom: 8 });
    CentralPanel::no_frame().frame(canvas).show(ui, |ui| {
        rows::rows_ui(ui, evaluate, around, commands);
    });
}

fn handle_keys(ui: &Ui, evaluate: &mut EvaluateState) {
    if ui.ctx().text_edit_focused() {
        return;
    }
    let Some(open) = evaluate.open.as_mut().filter(|open| open.grid.selected.is_some()) else {
        return;
    };
    let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    let by = isize::from(pressed(Key::ArrowDown)) - isize::from(pressed(Key::ArrowUp));
    if by != 0 {
        open.grid.step(&open.prepared.questions, by);
    }
}

/// In a narrow window: the form, the prompt or the rows.
fn one_column_ui(
    ui: &mut Ui,
    evaluate: &mut EvaluateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    if !evaluate.rows_in_front {
        left_ui(ui, evaluate, around, commands, true);
        return;
    }
    let margin = Margin { left: 16, right: 16, top: 8, bottom: 8 };
    Frame::new().inner_margin(margin).show(ui, |ui| {
        head_ui(ui, evaluate, true);
        rows::rows_ui(ui, evaluate, around, commands);
    });
}

#[derive(Clone, Copy, PartialEq)]
enum Tab {
    Left(LeftTab),

    /// Only where there is no room beside the others.
    Rows,
}

/// The button that shows the list again, and what is in front.
fn head_ui(ui: &mut Ui, evaluate: &mut EvaluateState, has_rows: bool) {
    let segment = |value, words, explanation| Segment { value, words, explanation };
    let (setup, about) = match evaluate.front {
        Front::Opened => ("Task", "What is asked of which table"),
        _ => ("Set up", "The table, what is asked, and how the model is asked"),
    };
    let segments = [
        segment(Tab::Left(LeftTab::Setup), setup, about),
        segment(Tab::Left(LeftTab::Prompt), "Prompt", "What the model sees of a row"),
        segment(Tab::Rows, "Rows", "The rows and their answers"),
    ];
    let mut tab =
        if has_rows && evaluate.rows_in_front { Tab::Rows } else { Tab::Left(evaluate.left) };
    ui.horizontal(|ui| {
        let back = ActionButton::only_icon(icons::BACK, "All evaluations");
        if ui.add(back).clicked() {
            evaluate.show_list();
        }
        if segmented_ui(ui, &mut tab, &segments[..if has_rows { 3 } else { 2 }]) {
            evaluate.rows_in_front = tab == Tab::Rows;
            if let Tab::Left(left) = tab {
                evaluate.left = left;
            }
        }
    });
}

fn left_ui(
    ui: &mut Ui,
    evaluate: &mut EvaluateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
    has_rows: bool,
) {
    let margin = Margin::symmetric(16, 8);
    Frame::new().inner_margin(Margin { bottom: 0, ..margin }).show(ui, |ui| {
        head_ui(ui, evaluate, has_rows);
    });
    // However much there is to say, the form keeps most of the height.
    let most = ui.available_height() * 0.45;
    if evaluate.front == Front::Form || can_be_asked(evaluate, around) {
        Panel::bottom("evaluate_run")
            .resizable(false)
            .frame(Frame::new().inner_margin(margin))
            .show(ui, |ui| {
                // The panel is as high as this asks to be, so it must not ask for what it has.
                let area = ScrollArea::vertical().id_salt("evaluate_run").max_height(most);
                area.min_scrolled_height(most)
                    .auto_shrink([false, true])
                    .show(ui, |ui| run_ui(ui, evaluate, around, commands));
            });
    }
    let name = match evaluate.left {
        LeftTab::Setup => "evaluate_setup",
        LeftTab::Prompt => "evaluate_prompt",
    };
    ScrollArea::vertical().id_salt(name).auto_shrink(false).show(ui, |ui| {
        Frame::new().inner_margin(margin).show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = 6.0;
            match (evaluate.left, evaluate.front) {
                (LeftTab::Setup, Front::Opened) => {
                    summary::summary_ui(ui, evaluate, around, commands);
                }
                (LeftTab::Setup, _) => setup::setup_ui(ui, evaluate, commands),
                (LeftTab::Prompt, Front::Opened) => {
                    prompt::opened_ui(ui, evaluate, around, commands);
                }
                (LeftTab::Prompt, _) => prompt::prompt_ui(ui, evaluate, around, commands),
            }
        });
    });
}

/// Of an evaluation that is complete nothing is left to ask, and one under way is stopped above its rows.
fn can_be_asked(evaluate: &EvaluateState, around: &Surroundings<'_>) -> bool {
    let is_under_way = evaluate.asking.is_some() && around.model.remote().is_none();
    let is_over =
        |open: &OpenEvaluation| open.is_finished() || (is_under_way && open.kept.is_some());
    !evaluate.open.as_ref().is_some_and(is_over)
}

/// The buttons that ask, or why they cannot.
fn run_ui(
    ui: &mut Ui,
    evaluate: &EvaluateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let obstacle = evaluate.obstacle(around.model);
    let begun = evaluate.open.as_ref().is_some_and(|open| open.kept.is_some());
    ui.horizontal_wrapped(|ui| {
        let is_kept = evaluate.front == Front::Opened && begun;
        let why_not = obstacle.clone().unwrap_or_default();
        // Whoever tries rows of the test part has opened it.
        let is_test = evaluate.front == Front::Opened
            && evaluate.open.as_ref().is_some_and(OpenEvaluation::is_test_part);
        if !is_kept && !is_test {
            let words = format!("Try {TRIED_ROWS} rows");
            let few = ActionButton::new(&words).icon(icons::PLAY);
            let hint = "Asks about the first rows, to look at. Nothing is kept";
            let few = ui.add_enabled(obstacle.is_none(), few).on_hover_text(hint);
            if few.on_disabled_hover_text(&why_not).clicked() {
                commands.push(EvaluateCommand::Try);
            }
        }
        if !is_kept {
            let all = ActionButton::primary("All rows").icon(icons::PLAY);
            let hint = "Asks about every row in the background. The answers are kept in the \
                        project as they come";
            let all = ui.add_enabled(obstacle.is_none(), all).on_hover_text(hint);
            if all.on_disabled_hover_text(&why_not).clicked() {
                commands.push(EvaluateCommand::Start);
            }
        }
    });
    let is_cut_short = begun && evaluate.open.as_ref().is_some_and(|open| !open.is_finished());
    if is_cut_short && evaluate.asking.is_none() {
        rows::resume_button_ui(ui, evaluate, around, commands);
    }
    if evaluate.asking.is_none()
        && let Some(obstacle) = obstacle
    {
        ui.add(eframe::egui::Label::new(theme::muted(ui, obstacle)).wrap());
    }
    if let Some(Ok(way)) = around.model.remote().and_then(|probe| evaluate.way(probe)) {
        let p = theme::palette(ui);
        let ink = if way.is_approximate() { p.rejected } else { p.muted };
        let words = eframe::egui::RichText::new(way.note()).color(ink);
        ui.add(eframe::egui::Label::new(words).wrap());
    }
    models_button_ui(ui, evaluate, around, commands);
}

/// Nothing is loaded: the model of the task file, and the way to the others.
fn models_button_ui(
    ui: &mut Ui,
    evaluate: &EvaluateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    if !matches!(around.model, ModelSlot::Empty) {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        if let Some(name) = evaluate.named_model()
            && ui.add(ActionButton::new("Load the task's model")).on_hover_text(name).clicked()
        {
            commands.push(EvaluateCommand::LoadModel(name.to_owned()));
        }
        if ui.add(ActionButton::new("Go to Models").icon(icons::MODELS)).clicked() {
            commands.push(ViewCommand::ShowPanel(PanelId::Models));
        }
    });
}
