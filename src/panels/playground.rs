//! The Playground: ask the model, look at how it picks its words.

mod answers;
mod ask;
mod branches;
mod chats;
mod guesses;
mod library;
mod presets;
mod prompt;
mod remote;
mod repeats;
mod sampler;
pub mod seq2seq;
mod shared;
mod sheet;
pub mod talk;
mod talk_column;
mod turns;

use eframe::egui::{Rect, Ui};

use self::shared::{fork, settings_ui};
use self::sheet::{sheet_ui, split_for_sheet};
use self::talk::{Plan, part_ui, step_with_key, views_ui};
use self::talk_column::talk_ui;
use super::next_token::{NextToken, next_token_ui};
use super::no_model::NoModel;
use crate::llm::card::ModelCard;
use crate::state::command::{Commands, PlaygroundCommand};
use crate::state::playground::PlaygroundState;
use crate::state::playground::view::PlaygroundView;
use crate::state::prefs::Prefs;
use crate::state::slots::ModelSlot;
use crate::state::slots::Surroundings;
use crate::widgets::layout::{column_ui, inset_ui, scrolled_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// The keys of the panel.
pub const KEYS: [(&str, &str); 4] = [
    ("Right", "In Talk: the next token, where one comes at a time"),
    ("Left, Right", "In Sampler: the token of the answer before or after"),
    ("R", "In Sampler: show what is hidden until the room has voted"),
    ("Esc", "Leave the field, then stop the answer"),
];

/// Draws the panel.
pub fn playground_panel_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    prefs: &mut Prefs,
    around: Surroundings<'_>,
    commands: &mut Commands,
) {
    let model = match around.model {
        ModelSlot::Ready(model) => model,
        ModelSlot::Remote(probe) => {
            remote::remote_ui(ui, playground, prefs, probe, around, commands);
            return;
        }
        ModelSlot::EncoderDecoder(model) => {
            seq2seq::seq2seq_ui(ui, playground, prefs, (model, around.adapter), commands);
            return;
        }
        slot => {
            no_model_ui(ui, slot, commands);
            return;
        }
    };
    inset_ui(ui, |ui| views_ui(ui, playground));
    match playground.view {
        PlaygroundView::Talk => talk_view_ui(ui, playground, prefs, around, model, commands),
        PlaygroundView::Sampler => {
            sampler::sampler_ui(ui, playground, prefs, (model, around.room), commands);
        }
        PlaygroundView::Repeats => repeats::repeats_ui(ui, playground, prefs, model, commands),
        PlaygroundView::Branches => {
            branches::branches_ui(ui, playground, around.adapter, model, commands);
        }
    }
}

/// A prompt and its answers, the next token, and the settings.
fn talk_view_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    prefs: &mut Prefs,
    around: Surroundings<'_>,
    model: &ModelCard,
    commands: &mut Commands,
) {
    step_with_key(ui, playground, commands);
    let all = ui.available_rect_before_wrap();
    let em = theme::em(ui);
    if let Some(sheet) = playground.sheet {
        let (left, right) = split_for_sheet(ui, all);
        if let Some(left) = left {
            column_ui(ui, "talk column", left, |ui| {
                talk_ui(ui, playground, around, commands);
            });
        }
        column_ui(ui, "sheet column", right, |ui| {
            sheet_ui(ui, sheet, playground, prefs, Some(model), commands);
        });
        ui.advance_cursor_after_rect(all);
        return;
    }
    match Plan::of(all.size() / em, playground) {
        Plan::Columns { talk, settings } => {
            let (left, rest) = all.split_left_right_at_x(all.left() + talk * em);
            let (middle, right) = rest.split_left_right_at_x(rest.right() - settings * em);
            column_ui(ui, "talk column", left, |ui| {
                talk_ui(ui, playground, around, commands);
            });
            next_column_ui(ui, middle, playground, prefs, model, commands);
            settings_column_ui(ui, right, playground, prefs, (model, commands));
        }
        Plan::Stacked { talk, next } => {
            let (left, right) = all.split_left_right_at_x(all.left() + talk * em);
            let upper = right.with_max_y(right.top() + next * em);
            column_ui(ui, "talk column", left, |ui| {
                talk_ui(ui, playground, around, commands);
            });
            let used = next_column_ui(ui, upper, playground, prefs, model, commands);
            // Two areas that scroll, without an empty strip between them.
            let lower = right.with_min_y(right.top() + used.min(upper.height()) + theme::GAP);
            settings_column_ui(ui, lower, playground, prefs, (model, commands));
        }
        Plan::Beside { talk } => {
            let (left, right) = all.split_left_right_at_x(all.left() + talk * em);
            column_ui(ui, "talk column", left, |ui| {
                talk_ui(ui, playground, around, commands);
            });
            column_ui(ui, "tools column", right, |ui| {
                tools_ui(ui, playground, prefs, model, commands);
            });
        }
        Plan::OneAtATime => column_ui(ui, "one column", all, |ui| {
            inset_ui(ui, |ui| part_ui(ui, playground));
            if playground.tools_in_front {
                tools_ui(ui, playground, prefs, model, commands);
            } else {
                talk_ui(ui, playground, around, commands);
            }
        }),
    }
    ui.advance_cursor_after_rect(all);
}

/// How high what stands in it is, whatever of that is in sight.
fn next_column_ui(
    ui: &mut Ui,
    rect: Rect,
    playground: &mut PlaygroundState,
    prefs: &Prefs,
    model: &ModelCard,
    commands: &mut Commands,
) -> f32 {
    let mut used = 0.0;
    column_ui(ui, "next column", rect, |ui| {
        scrolled_ui(ui, "next token", |ui| {
            next_ui(ui, playground, prefs, model, commands);
            used = ui.min_rect().height();
        });
    });
    used
}

fn settings_column_ui(
    ui: &mut Ui,
    rect: Rect,
    playground: &mut PlaygroundState,
    prefs: &mut Prefs,
    (model, commands): (&ModelCard, &mut Commands),
) {
    column_ui(ui, "settings column", rect, |ui| {
        scrolled_ui(ui, "settings", |ui| settings_ui(ui, playground, prefs, (model, commands)));
    });
}

/// The next token and the settings in one column.
fn tools_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    prefs: &mut Prefs,
    model: &ModelCard,
    commands: &mut Commands,
) {
    scrolled_ui(ui, "tools", |ui| {
        next_ui(ui, playground, prefs, model, commands);
        ui.add_space(theme::GAP);
        settings_ui(ui, playground, prefs, (model, commands));
    });
}

fn next_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    prefs: &Prefs,
    model: &ModelCard,
    commands: &mut Commands,
) {
    match next_token_ui(ui, playground, &prefs.sampling, model) {
        None => {}
        Some(NextToken::Predict) => {
            playground.predict_only = true;
            commands.push(PlaygroundCommand::Generate);
        }
        Some(NextToken::Candidate(id)) => fork(playground, id, commands),
    }
}

fn no_model_ui(ui: &mut Ui, slot: &ModelSlot, commands: &mut Commands) {
    let words = NoModel {
        icon: icons::PLAYGROUND,
        title: "Ask a model",
        sentence: "Here you write a prompt, see how the model picks each word of its answer, and \
                   what else it could have said. It needs a model first.",
        soon: "It can be asked in a moment.",
    };
    words.show(ui, slot, commands);
}
