//! The parts of a conversation: what is asked, what was answered, what can be done with it. For a model in
//! memory and for one on a server.

use eframe::egui;
use eframe::egui::{CollapsingHeader, Key, Label, Modifiers, RichText, TextEdit, TextStyle, Ui};

use super::ask::mode_ui;
use crate::panels::{sampling, shortcuts};
use crate::state::command::{Commands, PlaygroundCommand};
use crate::state::playground::length::Left;
use crate::state::playground::library::Sheet;
use crate::state::playground::view::PlaygroundView;
use crate::state::playground::{Answers, Mode, PlaygroundState};
use crate::state::slots::AdapterSlot;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::format;
use crate::widgets::layout;
use crate::widgets::right_to_left::lay_out_field;
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
        mode_ui(ui, playground);
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
            let about = "This conversation is kept: it is found under Chats";
            if button.on_hover_text(about).clicked() {
                playground.new_chat();
            }
        }
        let has_past = playground.has_past();
        let sheet = &mut playground.sheet;
        if has_past || *sheet == Some(Sheet::Chats) {
            let about = "The conversations of the project";
            sheet_button_ui(ui, sheet, Sheet::Chats, ("Chats", about), icons::HISTORY);
        }
        // A server's model has no tokens to count and no file to keep a run of.
        let about = "Prompts with variables and examples, and chains, as files of the project";
        let own = Sheet::Prompts;
        if adapter.is_some() && sheet_button_ui(ui, sheet, own, ("Prompts", about), icons::LIBRARY)
        {
            commands.push(PlaygroundCommand::ListPrompts);
        }
    });
}

/// Opens a sheet, or closes it. True: it was opened.
fn sheet_button_ui(
    ui: &mut Ui,
    sheet: &mut Option<Sheet>,
    own: Sheet,
    (words, about): (&str, &str),
    icon: theme::MaterialIcon,
) -> bool {
    let button = ActionButton::quiet(words).icon(icon).add_enabled(ui, true);
    if !button.on_hover_text(about).clicked() {
        return false;
    }
    *sheet = (*sheet != Some(own)).then_some(own);
    sheet.is_some()
}

pub(super) fn system_ui(ui: &mut Ui, playground: &mut PlaygroundState) {
    let is_set = !playground.system.trim().is_empty();
    let title = if is_set { "System prompt" } else { "System prompt: not set" };
    let header = CollapsingHeader::new(title).id_salt("system").show(ui, |ui| {
        let mut layouter = lay_out_field;
        let field = TextEdit::multiline(&mut playground.system)
            .layouter(&mut layouter)
            .hint_text("Who the model should be, and how it should answer")
            .desired_rows(2)
            .desired_width(f32::INFINITY);
        ui.add(field).accessible_name("System prompt");
    });
    header.header_response.on_hover_text(
        "Where none is set, some chat templates put in one of their own: see What the model sees",
    );
}

/// The field and what sends it. `left`: tokens of the context that are left, where they are counted.
pub(super) fn prompt_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    (obstacle, left): (Option<&str>, Option<Left>),
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
        let mut layouter = lay_out_field;
        let field = TextEdit::multiline(&mut playground.prompt)
            .layouter(&mut layouter)
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
            } else if let Some(left) = left
                // Where it would take a row of its own, the field needs that more.
                && (!matches!(left, Left::Tokens(_))
                    || ui.available_size_before_wrap().x > theme::em(ui) * 9.0)
            {
                left_ui(ui, left);
            }
        });
    });
}

/// What is left of the context.
fn left_ui(ui: &mut Ui, left: Left) {
    let about = "Tokens of the model's context that are left after the conversation and the prompt";
    let problem = |words: &str| RichText::new(words).color(theme::palette(ui).problem);
    let words = match left {
        Left::Full => problem("The context is full: begin a new chat, or delete turns"),
        Left::TooLong(length) => {
            let words = format::sentence(&length.words());
            problem(&format!("{words}, more than the model's context: shorten it"))
        }
        Left::Tokens(left) => theme::muted(ui, format::counted(left, "token left", "tokens left")),
    };
    ui.add(Label::new(words.small()).wrap()).on_hover_text(about);
}
