//! The parts of a conversation: what is asked, what was answered, what can be done with it. For a model in
//! memory and for one on a server.

use eframe::egui;
use eframe::egui::{CollapsingHeader, Key, Label, Modifiers, TextEdit, TextStyle, Ui};

use super::answers::{lane_name, question_ui, turn_ui};
use crate::panels::{sampling, shortcuts};
use crate::state::command::{Commands, PlaygroundCommand, WindowCommand};
use crate::state::playground::view::PlaygroundView;
use crate::state::playground::{Answers, Mode, PlaygroundState, export};
use crate::state::slots::AdapterSlot;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::layout;
use crate::widgets::switch;
use crate::widgets::switch::Segment;
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Which view is in front.
pub(super) fn views_ui(ui: &mut Ui, playground: &mut PlaygroundState) {
    let segments = PlaygroundView::ALL.map(|view| Segment {
        value: view,
        words: view.name(),
        explanation: view.question(),
    });
    switch::segmented_ui(ui, &mut playground.view, &segments);
}

/// The right arrow lets the next token come, while an answer waits for it.
pub(super) fn step_with_key(ui: &Ui, playground: &PlaygroundState, commands: &mut Commands) {
    let waits = playground.running && playground.speed.one_at_a_time;
    if !waits || ui.ctx().text_edit_focused() || layout::is_covered(ui.ctx()) {
        return;
    }
    let presses =
        ui.ctx().input_mut(|input| input.count_and_consume_key(Modifiers::NONE, Key::ArrowRight));
    for _ in 0..presses {
        commands.push(PlaygroundCommand::NextToken);
    }
}

/// How the panel's three parts are laid out. Sizes are in letters' heights, so that they follow the
/// theme and the zoom.
///
/// A slider and the bars that it moves are on the screen together wherever there is room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Plan {
    /// Talk, next token and settings beside each other.
    Columns { talk: f32, settings: f32 },

    /// Talk on the left; on the right the next token above the settings.
    Stacked { talk: f32, next: f32 },

    /// Talk on the left; on the right the other two in one column that scrolls.
    Beside { talk: f32 },

    /// Talk, or the other two.
    OneAtATime,
}

impl Plan {
    pub(super) fn of(size: egui::Vec2, playground: &PlaygroundState) -> Self {
        let egui::Vec2 { x: width, y: height } = size;
        let is_pair = playground.lanes.len() > 1;
        if width >= if is_pair { 96.0 } else { 74.0 } {
            let settings = (width * 0.26).clamp(23.0, 30.0);
            // A line of more than 60 letters' heights is hard to read; bars use any width.
            let (share, most) = if is_pair { (0.62, 96.0) } else { (0.5, 58.0) };
            let talk = ((width - settings) * share).min(most);
            return Self::Columns { talk, settings };
        }
        if width < 40.0 {
            return Self::OneAtATime;
        }
        let talk = width - (width * 0.46).clamp(20.0, 34.0);
        if height < 26.0 {
            return Self::Beside { talk };
        }
        let next = if playground.position().is_some() { height * 0.55 } else { 12.5 };
        Self::Stacked { talk, next }
    }
}

/// Which of the parts is in front, where there is room for one.
pub(super) fn part_ui(ui: &mut Ui, playground: &mut PlaygroundState) {
    let segment = |value, words, explanation| Segment { value, words, explanation };
    let segments = [
        segment(false, "Prompt", "Ask, and read the answers"),
        segment(true, "Tokens and settings", "What the next token could be, and the sampling"),
    ];
    switch::segmented_ui(ui, &mut playground.tools_in_front, &segments);
    ui.add_space(theme::GAP_SMALL);
}

/// Asks for an answer, with a new seed if one is wanted each time.
pub fn send(ui: &Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    if playground.new_seed_each_time {
        playground.draw_seed(sampling::entropy(ui));
    }
    playground.predict_only = false;
    ui.memory_mut(egui::Memory::stop_text_input);
    commands.push(PlaygroundCommand::Generate);
}

pub(super) fn modes_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    adapter: Option<&AdapterSlot>,
    commands: &mut Commands,
) {
    ui.horizontal_wrapped(|ui| {
        let segments = [
            Segment {
                value: Mode::Chat,
                words: "Chat",
                explanation: "The prompt goes through the model's chat template, as a question",
            },
            Segment {
                value: Mode::Raw,
                words: "Raw",
                explanation: "The model continues the text as it stands",
            },
        ];
        switch::segmented_ui(ui, &mut playground.mode, &segments);
        if adapter.is_some_and(|adapter| adapter.ready().is_some()) {
            let segments = [
                Segment {
                    value: Answers::One,
                    words: "One answer",
                    explanation: "With or without the adapter, as its switch in the top bar says",
                },
                Segment {
                    value: Answers::SideBySide,
                    words: "Both, side by side",
                    explanation: "The same prompt and seed, without and with the adapter",
                },
            ];
            switch::segmented_ui(ui, &mut playground.answers, &segments);
        } else if adapter.is_some() {
            let button = ActionButton::quiet("Load an adapter…").icon(icons::ADAPTER);
            if ui.add(button).on_hover_text("A PEFT folder: what training makes").clicked() {
                commands.push(PlaygroundCommand::ChooseAdapter);
            }
        }
        if playground.mode == Mode::Chat && playground.has_chat() {
            let button = ActionButton::quiet("New chat").icon(icons::ADD);
            let button = ui.add_enabled(!playground.running, button);
            let about = "This conversation is kept: Last chat brings it back";
            if button.on_hover_text(about).clicked() {
                playground.new_chat();
            }
        }
        if playground.mode == Mode::Chat && playground.has_past() {
            let button = ActionButton::quiet("Last chat").icon(icons::BACK);
            let button = ui.add_enabled(!playground.running, button);
            if button.on_hover_text("The conversation before this one, as it was left").clicked() {
                playground.back_to_last();
            }
        }
    });
}

pub(super) fn system_ui(ui: &mut Ui, playground: &mut PlaygroundState) {
    let is_set = !playground.system.trim().is_empty();
    let title = if is_set { "System prompt" } else { "System prompt: not set" };
    let header = CollapsingHeader::new(title).id_salt("system").show(ui, |ui| {
        let field = TextEdit::multiline(&mut playground.system)
            .hint_text("Who the model should be, and how it should answer")
            .desired_rows(2)
            .desired_width(f32::INFINITY);
        ui.add(field).accessible_name("System prompt");
    });
    header.header_response.on_hover_text(
        "Where none is set, some chat templates put in one of their own: see What the model sees",
    );
}

pub(super) fn conversation_ui(ui: &mut Ui, playground: &PlaygroundState) {
    for (index, turn) in playground.turns.iter().enumerate() {
        ui.push_id(("turn", index), |ui| turn_ui(ui, turn, playground.shaded));
        ui.add_space(theme::GAP);
    }
    if !playground.question.is_empty() && !playground.lanes.is_empty() {
        question_ui(ui, &playground.question);
    }
}

/// What can be done with the answers in front.
pub(super) fn answer_actions_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    commands: &mut Commands,
) {
    if playground.is_prediction() {
        return;
    }
    let has_tokens = playground.lanes.iter().any(|lane| !lane.tokens.is_empty());
    if !has_tokens {
        return;
    }
    let can_go_on = playground.mode == Mode::Chat && !playground.running;
    if let Some(followed) =
        playground.lanes.get(playground.followed_lane()).filter(|_| playground.lanes.len() > 1)
        && can_go_on
    {
        let words = format!(
            "The next question follows the answer of {}, in both. Click a word of the other answer \
             to follow that one",
            lane_name(followed.lane.adapter)
        );
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
    ui.horizontal_wrapped(|ui| {
        if can_go_on {
            let again = ActionButton::quiet("Answer again").icon(icons::REFRESH);
            let about =
                "Ask the same once more, with a new seed. Last chat brings this answer back";
            if ui.add(again).on_hover_text(about).clicked() {
                playground.ask_again();
                playground.draw_seed(sampling::entropy(ui));
                playground.predict_only = false;
                commands.push(PlaygroundCommand::Generate);
            }
            let edit = ActionButton::quiet("Edit the question").icon(icons::EDIT);
            let about = "Puts it back into the field. Its answer stays until you send";
            let edit = ui.add_enabled(!playground.is_editing(), edit);
            if edit.on_hover_text(about).clicked() {
                playground.edit_last();
            }
            let copy = ActionButton::quiet("Copy the chat").icon(icons::COPY);
            let about = "The whole conversation as Markdown. As JSON messages: in the commands";
            if copy.add_enabled(ui, true).on_hover_text(about).clicked() {
                let text = export::as_markdown(&playground.conversation());
                commands.push(WindowCommand::CopyText(text));
            }
        }
    });
    let about = "Shade the tokens that the model was unsure of: the darker, the less likely";
    switch::switch_ui(ui, &mut playground.shaded, "Shade unsure tokens", about);
}

pub(super) fn prompt_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    obstacle: Option<&str>,
    most_height: f32,
    commands: &mut Commands,
) {
    card_ui(ui, |ui| {
        let hint = match playground.mode {
            Mode::Chat => "Ask something",
            Mode::Raw => "Write a beginning; the model continues it",
        };
        // A long text scrolls: the buttons under it stay in the window.
        let line = ui.text_style_height(&TextStyle::Body);
        let most_height = (most_height - ui.spacing().interact_size.y).max(line * 2.5);
        let most_rows = (most_height / line).floor() as usize;
        let rows = if playground.mode == Mode::Chat { 2 } else { 6 }.min(most_rows.max(1));
        let field = TextEdit::multiline(&mut playground.prompt)
            .hint_text(hint)
            .desired_rows(rows)
            .desired_width(f32::INFINITY);
        let area = egui::ScrollArea::vertical().id_salt("prompt field").max_height(most_height);
        let field = area.show(ui, |ui| ui.add(field).accessible_name("Prompt")).inner;
        // Not while an answer grows: Esc stops it then, and does not have to leave the field first.
        if !playground.running && std::mem::take(&mut playground.wants_cursor) {
            let is_free = ui.memory(|memory| memory.focused().is_none());
            if is_free {
                field.request_focus();
            }
        }
        ui.horizontal_wrapped(|ui| {
            if playground.running {
                if playground.speed.one_at_a_time {
                    let next = ActionButton::primary("Next token").shortcut("Right");
                    if ui.add(next).clicked() {
                        commands.push(PlaygroundCommand::NextToken);
                    }
                }
                let stop = ActionButton::new("Stop").icon(icons::STOP).shortcut("Esc");
                if ui.add(stop).clicked() {
                    commands.push(PlaygroundCommand::Stop);
                }
                return;
            }
            let shortcut = ui.ctx().format_shortcut(&shortcuts::SEND);
            let button = ActionButton::primary("Send").icon(icons::SEND).shortcut(&shortcut);
            let response = ui.add_enabled(obstacle.is_none(), button);
            let response = match obstacle {
                Some(obstacle) => response.on_disabled_hover_text(obstacle),
                None => response,
            };
            if response.clicked() {
                send(ui, playground, commands);
            }
            if playground.is_editing() {
                let keep = ActionButton::quiet("Keep the answer").icon(icons::CLOSE);
                let about = "Ask nothing: the question and its answer stay as they are";
                if ui.add(keep).on_hover_text(about).clicked() {
                    playground.keep_answer();
                }
            }
            if let Some(obstacle) = obstacle.filter(|_| !playground.prompt.is_empty()) {
                ui.label(theme::muted(ui, obstacle));
            }
        });
    });
}
