//! The sampler as a pipeline: what the model gives, and what each setting leaves of it.

use eframe::egui::{Key, Label, Modifiers, Ui};

use super::ask::{PlaygroundStop, Start, ask_ui, below_prompt};
use super::guesses::guesses_ui;
use super::shared::{fork, settings_ui};
use crate::llm::card::ModelCard;
use crate::llm::generate::sampling::SamplingParams;
use crate::panels::sampling::{stage_name, step_words};
use crate::state::command::{Commands, PlaygroundCommand};
use crate::state::playground::PlaygroundState;
use crate::state::playground::candidates::PipelineView;
use crate::state::prefs::Prefs;
use crate::state::room::RoomState;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::format;
use crate::widgets::layout;
use crate::widgets::layout::{Part, column_ui, scrolled_ui};
use crate::widgets::pipeline_bars::{Column, PipelineBars, Row};
use crate::widgets::switch;
use crate::widgets::switch::Segment;
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::token_flow::visible_whitespace;

/// Draws the view.
pub fn sampler_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    prefs: &mut Prefs,
    (model, room): (&ModelCard, &RoomState),
    commands: &mut Commands,
) {
    keys(ui, playground);
    let start = Start {
        words: "Predict",
        about: "Read the prompt and show what could come next",
        stop: PlaygroundStop::Answer,
        is_running: playground.running,
        problem: None,
    };
    below_prompt(ui, "sampler").show(ui, |ui, part| match part {
        Part::Above => {
            if ask_ui(ui, playground, model, start, commands) {
                playground.predict_only = true;
                commands.push(PlaygroundCommand::Generate);
            }
        }
        Part::Rest => view_ui(ui, playground, prefs, (model, room), commands),
        Part::Below => {}
    });
}

/// What comes after the prompt, and the settings.
fn view_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    prefs: &mut Prefs,
    (model, room): (&ModelCard, &RoomState),
    commands: &mut Commands,
) {
    if playground.vote.is_due() && playground.position().is_some() {
        commands.push(PlaygroundCommand::ScoreGuesses);
    }
    let all = ui.available_rect_before_wrap();
    let em = theme::em(ui);
    let mut clicked = None;
    if all.width() >= em * 56.0 {
        let settings = (all.width() * 0.26).clamp(em * 15.0, em * 22.0);
        let (left, right) = all.split_left_right_at_x(all.left() + settings);
        column_ui(ui, "sampler settings", left, |ui| {
            scrolled_ui(ui, "sampler settings", |ui| {
                if playground.vote.is_on {
                    guesses_ui(ui, playground, room, commands);
                    ui.add_space(theme::GAP);
                }
                settings_ui(ui, playground, prefs, (model, commands));
            });
        });
        column_ui(ui, "pipeline", right, |ui| {
            scrolled_ui(ui, "pipeline", |ui| {
                clicked = pipeline_ui(ui, playground, &prefs.sampling, model, all.height());
            });
        });
    } else {
        column_ui(ui, "pipeline", all, |ui| {
            scrolled_ui(ui, "pipeline", |ui| {
                if playground.vote.is_on {
                    guesses_ui(ui, playground, room, commands);
                    ui.add_space(theme::GAP);
                }
                clicked = pipeline_ui(ui, playground, &prefs.sampling, model, all.height());
                ui.add_space(theme::GAP);
                settings_ui(ui, playground, prefs, (model, commands));
            });
        });
    }
    ui.advance_cursor_after_rect(all);
    if let Some(id) = clicked {
        fork(playground, id, commands);
    }
}

/// R reveals, arrows go along the answer, unless somebody writes.
fn keys(ui: &Ui, playground: &mut PlaygroundState) {
    if ui.ctx().text_edit_focused() || layout::is_covered(ui.ctx()) {
        return;
    }
    let pressed =
        |key: Key| ui.ctx().input_mut(|input| input.count_and_consume_key(Modifiers::NONE, key));
    if playground.vote.hides() && pressed(Key::R) > 0 {
        playground.vote.is_revealed = true;
    }
    let by = pressed(Key::ArrowRight).cast_signed() - pressed(Key::ArrowLeft).cast_signed();
    if by != 0 {
        playground.step(by);
    }
}

/// The token that was clicked.
fn pipeline_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    params: &SamplingParams,
    model: &ModelCard,
    height: f32,
) -> Option<u32> {
    let top = ui.cursor().top();
    let mut clicked = None;
    card_ui(ui, |ui| {
        heading_ui(ui, playground);
        if playground.position().is_none() {
            let words = "Write a prompt and press Predict: here is what could come next, as the \
                         model gives it and after each of your settings. Move a slider and watch.";
            ui.add(Label::new(theme::muted(ui, words)).wrap());
            return;
        }
        if playground.vote.hides() {
            hidden_ui(ui, playground);
            return;
        }
        let is_log = playground.log_scale;
        let shown = playground.pipeline(params, &model.tokenizer);
        match shown {
            None => {}
            Some(Err(problem)) => {
                ui.colored_label(theme::palette(ui).problem, problem);
            }
            Some(Ok(view)) => {
                // What is left of the view under the card's heading, less the line below the bars.
                let used = ui.cursor().top() - top;
                let line = ui.spacing().interact_size.y;
                let height = height - used - line * 2.0 - 32.0;
                clicked = bars_ui(ui, view, params, height, is_log);
                under_ui(ui, view, model);
            }
        }
    });
    clicked
}

/// Where in the answer this is, and how it is shown.
fn heading_ui(ui: &mut Ui, playground: &mut PlaygroundState) {
    let words = playground.position().map(|position| {
        let tokens = &playground.lanes[position.lane].tokens;
        match tokens.get(position.token) {
            Some(token) => {
                let text = visible_whitespace(&token.text);
                // What was drawn is not told before the room has guessed it.
                let text = if playground.vote.hides() { "?" } else { &text };
                format!("Token {} of {}: {text}", position.token + 1, tokens.len())
            }
            None if position.token == 0 => "After the prompt".to_owned(),
            None => format!("After all {} tokens", position.token),
        }
    });
    ui.horizontal_wrapped(|ui| {
        let title = theme::title(ui, words.as_deref().unwrap_or("What could come next?"));
        ui.label(title);
        let has_answer = playground.lanes.iter().any(|lane| !lane.tokens.is_empty());
        if words.is_some() && has_answer {
            let back = ActionButton::only_icon(icons::BACK, "The token before");
            if ui.add(back).clicked() {
                playground.step(-1);
            }
            let next = ActionButton::only_icon(icons::NEXT, "The token after");
            if ui.add(next).clicked() {
                playground.step(1);
            }
        }
        let segments = [
            Segment { value: false, words: "Linear", explanation: "Bars as long as likely" },
            Segment {
                value: true,
                words: "Log",
                explanation: "Each tenth of the bar's probability is as far from the last: \
                              what is unlikely is seen too",
            },
        ];
        switch::segmented_ui(ui, &mut playground.log_scale, &segments);
        let about = "Hide what the model expects until the room has guessed. R shows it";
        let mut is_on = playground.vote.is_on;
        // A switch does not go to the next row by itself.
        if ui.available_size_before_wrap().x < theme::em(ui) * 8.0 {
            ui.end_row();
        }
        if switch::switch_ui(ui, &mut is_on, "Vote first", about).changed() {
            playground.vote.is_on = is_on;
            playground.vote.start();
        }
    });
    if playground.is_outdated() {
        let words = "The prompt has changed since. Press Predict to read the new one";
        ui.colored_label(theme::palette(ui).rejected, words);
    }
}

fn hidden_ui(ui: &mut Ui, playground: &mut PlaygroundState) {
    ui.add_space(theme::GAP);
    ui.label(theme::strong(ui, "What comes next?").heading());
    let words =
        "The bars are hidden. Collect the room's guesses, then show what the model expects.";
    ui.add(Label::new(words).wrap());
    ui.add_space(theme::GAP);
    let reveal = ActionButton::primary("Reveal").shortcut("R");
    if ui.add(reveal).clicked() {
        playground.vote.is_revealed = true;
    }
}

/// The token that was clicked.
fn bars_ui(
    ui: &mut Ui,
    view: &PipelineView,
    params: &SamplingParams,
    height: f32,
    is_log: bool,
) -> Option<u32> {
    let columns: Vec<Column<'_>> = view
        .pipeline
        .left
        .iter()
        .map(|left| {
            let (name, short, value) = match left.step {
                None => ("Model", "Model", String::new()),
                Some(step) => step_words(step, params),
            };
            let numbers = [
                format::count(left.count),
                format::percent(left.mass as f32),
                format!("{:.2}", left.entropy),
            ];
            Column { name, short, value, numbers }
        })
        .collect();
    let rows: Vec<Row<'_>> = view
        .rows
        .iter()
        .enumerate()
        .map(|(index, row)| {
            let removed = view.pipeline.removed_by[index].map(|(step, stage)| {
                let column = view.pipeline.left.iter().position(|left| left.step == Some(step));
                (column.unwrap_or(0), stage_name(stage))
            });
            let probabilities = view.pipeline.left.iter().map(|left| left.probabilities[index]);
            Row {
                text: &row.text,
                probabilities: probabilities.collect(),
                removed,
                taken: row.taken,
            }
        })
        .collect();
    let names = ["tokens left", "mass kept", "bits"];
    let about = [
        "How many tokens of the vocabulary can still be picked",
        "The share of the model's probability that these tokens had",
        "Entropy of what is left: how open the choice is. 1 bit is a coin toss",
    ];
    let bars = PipelineBars { columns: &columns, rows: &rows, names, about, height, is_log };
    bars.show(ui).map(|index| view.rows[index].id)
}

fn under_ui(ui: &mut Ui, view: &PipelineView, model: &ModelCard) {
    let kept = view.pipeline.left.last().map_or((0, 0.0), |left| (left.count, left.mass));
    let mut words = format!(
        "{} of {} tokens can still be picked, with {} of the model's probability",
        format::count(kept.0),
        format::count(model.facts.vocab_size),
        format::percent(kept.1 as f32)
    );
    if view.approximate {
        words.push_str(". Of this position only the 40 likeliest were kept");
    }
    ui.add(Label::new(theme::muted(ui, words)).wrap());
}
