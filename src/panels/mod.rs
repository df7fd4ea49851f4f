//! The window: bars around one panel. State in, pixels and commands out; a panel starts nothing.

mod about;
pub mod annotate;
pub mod bottom_bar;
pub mod codes;
pub mod evaluate;
pub mod keys;
pub mod lectures;
pub mod look_inside;
pub mod mapping;
pub mod models;
pub mod next_token;
mod no_model;
pub mod notices;
pub mod palette;
pub mod playground;
pub mod preview;
mod program;
pub mod rail;
pub mod room;
pub mod sampling;
mod shortcuts;
pub mod stage;
pub mod top_bar;
pub mod train;
mod typed_paths;

use eframe::egui;
use eframe::egui::{CentralPanel, Frame, Margin, Panel, Ui, ViewportCommand};

use crate::state::AppState;
use crate::state::Closing;
use crate::state::codes::AnnotateView;
use crate::state::command::{CodesCommand, Commands, WindowCommand};
use crate::state::evaluate::EvaluateState;
use crate::state::prefs::PanelId;
use crate::state::prefs::Theme;
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::card::Tone;
use crate::widgets::layout::{Part, Stacked};
use crate::widgets::theme;
use crate::widgets::theme::Look;

/// So high, in lines of text, is a panel at least that has notices above it, where the window is. Every panel is
/// arranged for that: a window of 1280 x 800 at 150 % leaves it as much.
const LEAST_HEIGHT: f32 = 30.0;

/// Draws one frame of the whole window.
pub fn show(ui: &mut Ui, state: &mut AppState, commands: &mut Commands) {
    theme::apply(ui.ctx(), look(state.prefs.theme), state.prefs.zoom);
    if !std::mem::replace(&mut state.window.is_entered, true) {
        state.enter();
    }
    state.turn_page();
    ask_before_closing(ui, state);
    if stage::stage_ui(ui, &mut state.lectures, &state.room, commands) {
        return;
    }
    keys::handle(ui, state, commands);

    let p = theme::palette(ui);
    let bar = Frame::new().fill(p.card).inner_margin(Margin::symmetric(16, 8));
    Panel::top("top bar").frame(bar).show(ui, |ui| top_bar::top_bar_ui(ui, state, commands));
    let bar = Frame::new().fill(p.card).inner_margin(Margin::symmetric(16, 4));
    Panel::bottom("bottom bar")
        .frame(bar)
        .show(ui, |ui| bottom_bar::bottom_bar_ui(ui, state, commands));
    if state.window.closing == Closing::Asked {
        let (_, ground) = Tone::Problem.colors(&p);
        let bar = Frame::new().fill(ground).inner_margin(Margin::symmetric(16, 8));
        Panel::bottom("closing bar").frame(bar).show(ui, |ui| closing_bar_ui(ui, state, commands));
    }
    rail::rail_ui(ui, state, commands);
    // No ground of its own: the window is cleared in `canvas` (`Workbench::clear_color`), and
    // painting all of it once more is the largest area of a frame.
    CentralPanel::no_frame().show(ui, |ui| {
        let place = state.prefs.panel;
        // Below what there is to tell, a panel has at least the height that it needs.
        let whole = ui.available_height();
        let least = whole.min(theme::em(ui) * LEAST_HEIGHT);
        let name = format!("{place:?}");
        Stacked::new(&name, least, least).show(ui, |ui, part| match part {
            Part::Above if state.notices.at(place).next().is_some() => {
                let margin = Margin { left: 16, right: 16, top: 16, bottom: 0 };
                Frame::new().inner_margin(margin).show(ui, |ui| {
                    notices::notices_ui(ui, place, &state.notices, commands);
                });
            }
            Part::Rest => {
                Frame::new().inner_margin(about::margin(place)).show(ui, |ui| {
                    ui.set_min_size(ui.available_size());
                    panel_ui(ui, state, commands);
                });
            }
            Part::Above | Part::Below => {}
        });
    });
    mapping::mapping_ui(ui, state, commands);
    palette::palette_ui(ui, state, commands);
    keys::keys_ui(ui, state, commands);
    program::program_ui(ui, state, commands);
    state.window.was_typing = ui.ctx().text_edit_focused();
}

fn look(theme: Theme) -> Look {
    match theme {
        Theme::Light => Look::Light,
        Theme::Dark => Look::Dark,
        Theme::Projector => Look::Projector,
    }
}

fn panel_ui(ui: &mut Ui, state: &mut AppState, commands: &mut Commands) {
    let AppState {
        prefs,
        model,
        adapter,
        models,
        hub,
        playground,
        look_inside,
        annotate,
        codes,
        evaluate,
        train,
        lectures,
        room,
        notices,
        activities,
        project,
        mapping: _,
        window: _,
    } = state;
    let around = Surroundings { model, adapter, notices, activities, project, room };
    match prefs.panel {
        PanelId::Models => models::models_panel_ui(ui, models, hub, around, commands),
        PanelId::Playground => {
            playground::playground_panel_ui(ui, playground, prefs, around, commands);
        }
        PanelId::LookInside => {
            look_inside::look_inside_panel_ui(ui, look_inside, playground, &around, commands);
        }
        PanelId::Annotate => {
            let before = codes.view;
            codes::switch_ui(ui, &mut codes.view);
            if codes.view == AnnotateView::Codes && before != codes.view {
                // One may have been made beside the window.
                commands.push(CodesCommand::Refresh);
            }
            ui.add_space(theme::GAP_SMALL);
            match codes.view {
                AnnotateView::Pairs => {
                    annotate::annotate_panel_ui(ui, annotate, &around, commands);
                }
                AnnotateView::Codes => {
                    let suggesting = suggesting(evaluate);
                    codes::codes_ui(ui, codes, &suggesting, room, commands);
                }
                AnnotateView::Arena => {
                    annotate::arena::arena_ui(ui, annotate, &mut codes.view, commands);
                }
            }
        }
        PanelId::Evaluate => evaluate::evaluate_panel_ui(ui, evaluate, &around, commands),
        PanelId::Train => train::train_panel_ui(ui, train, &around, commands),
        PanelId::Lectures => lectures::lectures_panel_ui(ui, lectures, room, commands),
    }
}

/// The evaluations of the project that code texts.
fn suggesting(evaluate: &EvaluateState) -> Vec<(String, std::path::PathBuf)> {
    let coding = evaluate.kept.iter().filter(|kept| kept.evaluation.task.code.is_some());
    coding
        .map(|kept| {
            let name = kept.folder.file_name().unwrap_or_default().to_string_lossy();
            (format!("{} ({})", kept.evaluation.model.name, name), kept.folder.clone())
        })
        .collect()
}

fn ask_before_closing(ui: &Ui, state: &mut AppState) {
    let asked = ui.input(|input| input.viewport().close_requested());
    if asked && !state.lost_on_closing().is_empty() && state.window.closing != Closing::Agreed {
        ui.ctx().send_viewport_cmd(ViewportCommand::CancelClose);
        state.window.closing = Closing::Asked;
    }
}

fn closing_bar_ui(ui: &mut Ui, state: &mut AppState, commands: &mut Commands) {
    let text = match state.lost_on_closing().as_slice() {
        [] => "Nothing is running any more. Close the window?".to_owned(),
        some => format!("{}. Close anyway?", some.join(". ")),
    };
    egui::Sides::new().shrink_left().wrap().show(
        ui,
        |ui| ui.label(theme::strong(ui, text)),
        |ui| {
            if ui.add(ActionButton::primary("Keep running")).clicked() {
                state.window.closing = Closing::No;
            }
            if ui.add(ActionButton::danger("Close anyway")).clicked() {
                state.window.closing = Closing::Agreed;
                commands.push(WindowCommand::CloseAnyway);
            }
        },
    );
}
