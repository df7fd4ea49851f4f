//! The Playground: ask the model, look at how it picks its words.

mod answers;
mod ask;
mod branches;
mod guesses;
mod repeats;
mod sampler;
mod shared;

use eframe::egui;
use eframe::egui::{CollapsingHeader, Key, Label, Modifiers, Rect, TextEdit, TextStyle, Ui};

use self::answers::{answers_ui, lane_name, question_ui, rendered_ui, turn_ui};
use self::shared::{fork, settings_ui};
use super::next_token::{NextToken, next_token_ui};
use super::no_model::NoModel;
use super::sampling;
use super::shortcuts;
use crate::llm::card::ModelCard;
use crate::state::command::{Commands, PlaygroundCommand, WindowCommand};
use crate::state::playground::Answers;
use crate::state::playground::Mode;
use crate::state::playground::PlaygroundState;
use crate::state::playground::export;
use crate::state::playground::view::PlaygroundView;
use crate::state::prefs::Prefs;
use crate::state::slots::AdapterSlot;
use crate::state::slots::ModelSlot;
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::layout;
use crate::widgets::layout::{column_ui, inset_ui, scrolled_ui};
use crate::widgets::switch;
use crate::widgets::switch::Segment;
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
        PlaygroundView::Repeats => repeats::repeats_ui(ui, playground, model, commands),
        PlaygroundView::Branches => {
            branches::branches_ui(ui, playground, around.adapter, model, commands);
        }
    }
}

/// Which view is in front.
fn views_ui(ui: &mut Ui, playground: &mut PlaygroundState) {
    let segments = PlaygroundView::ALL.map(|view| Segment {
        value: view,
        words: view.name(),
        explanation: view.question(),
    });
    switch::segmented_ui(ui, &mut playground.view, &segments);
}

/// The right arrow lets the next token come, while an answer waits for it.
fn step_with_key(ui: &Ui, playground: &PlaygroundState, commands: &mut Commands) {
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
    match Plan::of(all.size() / em, playground) {
        Plan::Columns { talk, settings } => {
            let (left, rest) = all.split_left_right_at_x(all.left() + talk * em);
            let (middle, right) = rest.split_left_right_at_x(rest.right() - settings * em);
            column_ui(ui, "talk column", left, |ui| {
                talk_ui(ui, playground, around.adapter, model, commands);
            });
            next_column_ui(ui, middle, playground, prefs, model, commands);
            settings_column_ui(ui, right, playground, prefs);
        }
        Plan::Stacked { talk, next } => {
            let (left, right) = all.split_left_right_at_x(all.left() + talk * em);
            let (upper, lower) = right.split_top_bottom_at_y(right.top() + next * em);
            let lower = lower.with_min_y(lower.top() + theme::GAP); // two areas that scroll
            column_ui(ui, "talk column", left, |ui| {
                talk_ui(ui, playground, around.adapter, model, commands);
            });
            next_column_ui(ui, upper, playground, prefs, model, commands);
            settings_column_ui(ui, lower, playground, prefs);
        }
        Plan::Beside { talk } => {
            let (left, right) = all.split_left_right_at_x(all.left() + talk * em);
            column_ui(ui, "talk column", left, |ui| {
                talk_ui(ui, playground, around.adapter, model, commands);
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
                talk_ui(ui, playground, around.adapter, model, commands);
            }
        }),
    }
    ui.advance_cursor_after_rect(all);
}

/// How the panel's three parts are laid out. Sizes are in letters' heights, so that they follow the
/// theme and the zoom.
///
/// A slider and the bars that it moves are on the screen together wherever there is room.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Plan {
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
    fn of(size: egui::Vec2, playground: &PlaygroundState) -> Self {
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
fn part_ui(ui: &mut Ui, playground: &mut PlaygroundState) {
    let segment = |value, words, explanation| Segment { value, words, explanation };
    let segments = [
        segment(false, "Prompt", "Ask, and read the answers"),
        segment(true, "Tokens and settings", "What the next token could be, and the sampling"),
    ];
    switch::segmented_ui(ui, &mut playground.tools_in_front, &segments);
    ui.add_space(theme::GAP_SMALL);
}

fn next_column_ui(
    ui: &mut Ui,
    rect: Rect,
    playground: &mut PlaygroundState,
    prefs: &Prefs,
    model: &ModelCard,
    commands: &mut Commands,
) {
    column_ui(ui, "next column", rect, |ui| {
        scrolled_ui(ui, "next token", |ui| next_ui(ui, playground, prefs, model, commands));
    });
}

fn settings_column_ui(
    ui: &mut Ui,
    rect: Rect,
    playground: &mut PlaygroundState,
    prefs: &mut Prefs,
) {
    column_ui(ui, "settings column", rect, |ui| {
        scrolled_ui(ui, "settings", |ui| settings_ui(ui, playground, prefs));
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
        settings_ui(ui, playground, prefs);
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

/// Asks for an answer, with a new seed if one is wanted each time.
pub fn send(ui: &Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    if playground.new_seed_each_time {
        playground.draw_seed(sampling::entropy(ui));
    }
    playground.predict_only = false;
    ui.memory_mut(egui::Memory::stop_text_input);
    commands.push(PlaygroundCommand::Generate);
}

fn talk_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    adapter: &AdapterSlot,
    model: &ModelCard,
    commands: &mut Commands,
) {
    inset_ui(ui, |ui| modes_ui(ui, playground, adapter, commands));
    let height = ui.available_height();
    match playground.mode {
        // A conversation grows upwards from where it is written.
        Mode::Chat => {
            let margin = egui::Margin { left: 0, right: 16, top: 8, bottom: 16 };
            egui::Panel::bottom("composer")
                .frame(egui::Frame::new().inner_margin(margin))
                .show_separator_line(false)
                .show(ui, |ui| prompt_ui(ui, playground, model, height * 0.35, commands));
            let margin = egui::Margin { left: 0, right: 16, top: 0, bottom: 8 };
            let area = egui::ScrollArea::vertical().id_salt("conversation").auto_shrink(false);
            // An answer that grows is followed, unless somebody has scrolled up to read.
            area.stick_to_bottom(true).content_margin(margin).show(ui, |ui| {
                no_chat_ui(ui, playground, model);
                system_ui(ui, playground);
                conversation_ui(ui, playground);
                answers_ui(ui, playground, commands);
                answer_actions_ui(ui, playground, commands);
                rendered_ui(ui, playground, model);
            });
        }
        Mode::Raw => scrolled_ui(ui, "text", |ui| {
            prompt_ui(ui, playground, model, height * 0.5, commands);
            answers_ui(ui, playground, commands);
            answer_actions_ui(ui, playground, commands);
            rendered_ui(ui, playground, model);
        }),
    }
}

/// Why there can be no conversation, where it would be.
fn no_chat_ui(ui: &mut Ui, playground: &mut PlaygroundState, model: &ModelCard) {
    if model.facts.has_chat_template {
        return;
    }
    let why = match &model.facts.chat_problem {
        Some(problem) => {
            format!("The model cannot be asked as an assistant: {problem}. It can continue a text.")
        }
        None => "The model has no chat template: it can only continue a text.".to_owned(),
    };
    ui.horizontal_wrapped(|ui| {
        ui.label(why);
        if ui.add(ActionButton::quiet("Use raw mode")).clicked() {
            playground.mode = Mode::Raw;
        }
    });
}

fn modes_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    adapter: &AdapterSlot,
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
        if adapter.ready().is_some() {
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
        } else {
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

fn system_ui(ui: &mut Ui, playground: &mut PlaygroundState) {
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

fn conversation_ui(ui: &mut Ui, playground: &PlaygroundState) {
    for (index, turn) in playground.turns.iter().enumerate() {
        ui.push_id(("turn", index), |ui| turn_ui(ui, turn, playground.shaded));
        ui.add_space(theme::GAP);
    }
    if !playground.question.is_empty() && !playground.lanes.is_empty() {
        question_ui(ui, &playground.question);
    }
}

/// What can be done with the answers in front.
fn answer_actions_ui(ui: &mut Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
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

fn prompt_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    model: &ModelCard,
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
            let obstacle = playground.obstacle(Some(model));
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
