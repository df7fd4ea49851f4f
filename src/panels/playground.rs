//! The Playground: ask the model, look at how it picks its words.

use eframe::egui;
use eframe::egui::{CollapsingHeader, Label, Rect, RichText, TextEdit, TextStyle, Ui, vec2};

use super::next_token::next_token_ui;
use super::sampling;
use super::shortcuts;
use crate::llm::card::ModelCard;
use crate::llm::generate::AdapterMode;
use crate::llm::generate::StopReason;
use crate::state::command::{Commands, PlaygroundCommand, ViewCommand, WindowCommand};
use crate::state::playground::Answers;
use crate::state::playground::LaneView;
use crate::state::playground::Mode;
use crate::state::playground::PlaygroundState;
use crate::state::prefs::PanelId;
use crate::state::prefs::Prefs;
use crate::state::scores::Position;
use crate::state::slots::AdapterSlot;
use crate::state::slots::ModelSlot;
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::card;
use crate::widgets::card::Tone;
use crate::widgets::card::card_ui;
use crate::widgets::card::chip_ui;
use crate::widgets::empty_state::EmptyState;
use crate::widgets::format;
use crate::widgets::layout::scrolled_ui;
use crate::widgets::switch;
use crate::widgets::switch::Segment;
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::token_flow::FlowToken;
use crate::widgets::token_flow::TokenFlow;

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
    let em = theme::em(ui);
    let size = ui.available_size();
    // A slider and the bars that it moves are always on the screen together: beside each other
    // where there is room, else one above the other, each with its own scroll bar.
    let side_by_side = playground.lanes.len() > 1;
    let roomy = size.x >= em * if side_by_side { 92.0 } else { 72.0 };
    let controls = if roomy { em * 46.5 } else { (size.x * 0.44).clamp(em * 20.0, em * 30.0) };
    let all = ui.available_rect_before_wrap();
    let split = all.right() - controls;
    let talk = Rect::from_x_y_ranges(all.left()..=split, all.y_range());
    column_ui(ui, "talk column", talk, |ui| {
        talk_ui(ui, playground, around.adapter, model, commands);
    });
    let controls = Rect::from_x_y_ranges(split..=all.right(), all.y_range());
    let (next, settings) = if roomy {
        controls.split_left_right_at_fraction(0.505)
    } else if playground.position().is_some() {
        controls.split_top_bottom_at_fraction(0.55)
    } else {
        controls.split_top_bottom_at_y(controls.top() + em * 11.5)
    };
    column_ui(ui, "next column", next, |ui| {
        scrolled_ui(ui, "next token", |ui| next_ui(ui, playground, prefs, model, commands));
    });
    column_ui(ui, "settings column", settings, |ui| {
        scrolled_ui(ui, "settings", |ui| settings_ui(ui, playground, prefs));
    });
    ui.advance_cursor_after_rect(all);
}

fn next_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    prefs: &Prefs,
    model: &ModelCard,
    commands: &mut Commands,
) {
    if next_token_ui(ui, playground, &prefs.sampling, model) {
        playground.predict_only = true;
        commands.push(PlaygroundCommand::Generate);
    }
}

fn settings_ui(ui: &mut Ui, playground: &mut PlaygroundState, prefs: &mut Prefs) {
    card_ui(ui, |ui| {
        let title = theme::title(ui, "Settings");
        egui::Sides::new().show(ui, |ui| ui.label(title), |ui| reset_ui(ui, prefs));
        sampling::sampling_ui(ui, &mut prefs.sampling);
        ui.separator();
        sampling::limits_ui(ui, playground, prefs);
    });
}

fn reset_ui(ui: &mut Ui, prefs: &mut Prefs) {
    let defaults = Prefs::default();
    let changed = prefs.sampling != defaults.sampling;
    if ui.add_enabled(changed, ActionButton::quiet("Reset")).clicked() {
        prefs.sampling = defaults.sampling;
    }
}

/// Draws into exactly this rectangle: what is too wide is cut off, and pushes nothing aside.
fn column_ui(ui: &mut Ui, name: &str, rect: Rect, contents: impl FnOnce(&mut Ui)) {
    let builder = egui::UiBuilder::new()
        .id_salt(name)
        .max_rect(rect)
        .layout(egui::Layout::top_down(egui::Align::LEFT));
    let mut column = ui.new_child(builder);
    column.shrink_clip_rect(rect);
    contents(&mut column);
}

fn no_model_ui(ui: &mut Ui, slot: &ModelSlot, commands: &mut Commands) {
    if let ModelSlot::Loading { name } = slot {
        let empty = EmptyState {
            icon: icons::PLAYGROUND,
            title: &format!("Loading {name}…"),
            sentence: "It can be asked in a moment.",
            actions: &[],
        };
        empty.show(ui);
        return;
    }
    let empty = EmptyState {
        icon: icons::PLAYGROUND,
        title: "Ask a model",
        sentence: "Here you write a prompt, see how the model picks each word of its answer, and \
                   what else it could have said. It needs a model first.",
        actions: &["Choose a model"],
    };
    if empty.show(ui).is_some() {
        commands.push(ViewCommand::ShowPanel(PanelId::Models));
    }
}

/// Asks for an answer, with a new seed if one is wanted each time.
pub fn send(ui: &Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    if playground.new_seed_each_time {
        playground.draw_seed(sampling::entropy(ui));
    }
    playground.predict_only = false;
    commands.push(PlaygroundCommand::Generate);
}

fn talk_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    adapter: &AdapterSlot,
    model: &ModelCard,
    commands: &mut Commands,
) {
    match playground.mode {
        // A conversation grows upwards from where it is written.
        Mode::Chat => {
            let margin = egui::Margin { left: 0, right: 16, top: 8, bottom: 16 };
            egui::Panel::bottom("composer")
                .frame(egui::Frame::new().inner_margin(margin))
                .show_separator_line(false)
                .show(ui, |ui| prompt_ui(ui, playground, model, commands));
            scrolled_ui(ui, "conversation", |ui| {
                modes_ui(ui, playground, adapter, commands);
                no_chat_ui(ui, playground, model);
                system_ui(ui, playground);
                conversation_ui(ui, playground);
                answers_ui(ui, playground, commands);
                rendered_ui(ui, playground, model);
            });
        }
        Mode::Raw => scrolled_ui(ui, "text", |ui| {
            modes_ui(ui, playground, adapter, commands);
            prompt_ui(ui, playground, model, commands);
            answers_ui(ui, playground, commands);
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
        let has_chat = !playground.turns.is_empty() || !playground.lanes.is_empty();
        if playground.mode == Mode::Chat && has_chat {
            let button = ActionButton::quiet("New chat").icon(icons::ADD);
            if ui.add_enabled(!playground.running, button).clicked() {
                playground.new_chat();
            }
        }
    });
}

fn system_ui(ui: &mut Ui, playground: &mut PlaygroundState) {
    let title =
        if playground.system.trim().is_empty() { "System prompt: none" } else { "System prompt" };
    CollapsingHeader::new(title).id_salt("system").show(ui, |ui| {
        let field = TextEdit::multiline(&mut playground.system)
            .hint_text("Who the model should be, and how it should answer")
            .desired_rows(2)
            .desired_width(f32::INFINITY);
        ui.add(field).accessible_name("System prompt");
    });
}

fn conversation_ui(ui: &mut Ui, playground: &PlaygroundState) {
    for turn in &playground.turns {
        question_ui(ui, &turn.question);
        ui.add(Label::new(&turn.answer).wrap());
        ui.add_space(theme::GAP);
    }
    if !playground.question.is_empty() && !playground.lanes.is_empty() {
        question_ui(ui, &playground.question);
    }
}

/// What can be done with the answers in front.
fn answer_actions_ui(ui: &mut Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    let has_tokens = playground.lanes.iter().any(|lane| !lane.tokens.is_empty());
    if !has_tokens {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        if playground.mode == Mode::Chat && !playground.running {
            let again = ActionButton::quiet("Answer again").icon(icons::REFRESH);
            let about = "Ask the same once more, with a new seed";
            if ui.add(again).on_hover_text(about).clicked() {
                playground.edit_last();
                playground.draw_seed(sampling::entropy(ui));
                playground.predict_only = false;
                commands.push(PlaygroundCommand::Generate);
            }
            let edit = ActionButton::quiet("Edit the question").icon(icons::EDIT);
            if ui.add(edit).clicked() {
                playground.edit_last();
            }
        }
    });
    let about = "Shade the tokens that the model was unsure of: the darker, the less likely";
    switch::switch_ui(ui, &mut playground.shaded, "Shade unsure tokens", about);
}

fn question_ui(ui: &mut Ui, question: &str) {
    let p = theme::palette(ui);
    let frame = egui::Frame::new()
        .fill(p.accent_soft)
        .corner_radius(theme::CARD_RADIUS)
        .inner_margin(egui::Margin::symmetric(12, 8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.add(Label::new(RichText::new(question).color(p.text)).wrap());
    });
}

fn prompt_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    model: &ModelCard,
    commands: &mut Commands,
) {
    card_ui(ui, |ui| {
        let hint = match playground.mode {
            Mode::Chat => "Ask something",
            Mode::Raw => "Write the beginning; the model goes on",
        };
        let rows = if playground.mode == Mode::Chat { 2 } else { 6 };
        let field = TextEdit::multiline(&mut playground.prompt)
            .hint_text(hint)
            .desired_rows(rows)
            .desired_width(f32::INFINITY);
        ui.add(field).accessible_name("Prompt");
        ui.horizontal(|ui| {
            if playground.running {
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
            if let Some(obstacle) = obstacle.filter(|_| !playground.prompt.is_empty()) {
                ui.label(theme::muted(ui, obstacle));
            }
        });
    });
}

fn answers_ui(ui: &mut Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    let side_by_side = playground.lanes.len() > 1;
    let newest = playground.selected;
    let shaded = playground.shaded;
    let mut clicked = None;
    if side_by_side {
        let gap = ui.spacing().item_spacing.x;
        let width = (ui.available_width() - gap) / 2.0;
        ui.horizontal_top(|ui| {
            for (index, lane) in playground.lanes.iter().enumerate() {
                ui.allocate_ui_with_layout(
                    vec2(width, 0.0),
                    egui::Layout::top_down(egui::Align::LEFT),
                    |ui| {
                        ui.set_min_width(width);
                        let selected = newest.filter(|at| at.lane == index);
                        let token = answer_ui(ui, lane, true, selected, shaded, commands);
                        clicked =
                            clicked.or_else(|| token.map(|token| Position { lane: index, token }));
                    },
                );
            }
        });
    } else if let Some(lane) = playground.lanes.first() {
        let selected = newest.filter(|at| at.lane == 0);
        let token = answer_ui(ui, lane, false, selected, shaded, commands);
        clicked = token.map(|token| Position { lane: 0, token });
    }
    answer_actions_ui(ui, playground, commands);
    if let Some(position) = clicked {
        let again = playground.selected == Some(position);
        playground.selected = (!again).then_some(position);
    }
}

/// One answer. The index of the token that was clicked.
#[expect(clippy::fn_params_excessive_bools, reason = "named and shaded are independent")]
fn answer_ui(
    ui: &mut Ui,
    lane: &LaneView,
    named: bool,
    selected: Option<Position>,
    shaded: bool,
    commands: &mut Commands,
) -> Option<usize> {
    let name = match lane.lane.adapter {
        AdapterMode::Off => "Base",
        AdapterMode::On => "Adapter",
    };
    let frame = card::frame(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        let with_adapter = lane.lane.adapter == AdapterMode::On;
        if named || with_adapter {
            let tone = if with_adapter { Tone::Accent } else { Tone::Neutral };
            chip_ui(ui, tone, with_adapter.then_some(icons::ADAPTER), name);
        }
        let tokens: Vec<FlowToken<'_>> = lane
            .tokens
            .iter()
            .map(|token| FlowToken { text: &token.text, probability: token.probability })
            .collect();
        let flow = TokenFlow { name, selected: selected.map(|at| at.token), shaded };
        let clicked = flow.show(ui, &tokens);
        footer_ui(ui, lane, commands);
        clicked
    });
    frame.inner
}

fn footer_ui(ui: &mut Ui, lane: &LaneView, commands: &mut Commands) {
    let mut words = Vec::new();
    let count = lane.tokens.len();
    if let (Some((done, total)), 0) = (lane.reading, count) {
        words.push(format!("Reading the prompt: {done} of {total} tokens"));
    } else if count == 0 && lane.answer.is_none() {
        words.push("Waiting".to_owned());
    }
    if count > 0 {
        words.push(format!("{} tokens", format::count(count)));
    }
    if let Some(speed) = lane.tokens_per_sec() {
        words.push(format!("{speed:.1} tokens/s"));
    }
    if let Some(answer) = &lane.answer {
        if count > 0 {
            words.push(stop_words(answer.stop).to_owned());
        }
        words.push(format!("seed {}", lane.lane.seed));
    }
    egui::Sides::new().shrink_left().truncate().show(
        ui,
        |ui| {
            let words = RichText::new(words.join(" · ")).color(theme::palette(ui).muted);
            ui.add(Label::new(words.text_style(TextStyle::Small)).truncate());
        },
        |ui| {
            let done = lane.answer.is_some() && count > 0;
            if done && ui.add(ActionButton::only_icon(icons::COPY, "Copy the answer")).clicked() {
                commands.push(WindowCommand::CopyText(lane.text()));
            }
        },
    );
}

/// Why an answer ends, in words.
fn stop_words(stop: StopReason) -> &'static str {
    match stop {
        StopReason::EndOfTurn => "the model ended its turn",
        StopReason::StopString => "a stop string appeared",
        StopReason::Length => "max new tokens reached",
        StopReason::ContextFull => "the context is full",
        StopReason::Stopped => "stopped by you",
    }
}

fn rendered_ui(ui: &mut Ui, playground: &PlaygroundState, model: &ModelCard) {
    let Some(rendered) = &playground.rendered else { return };
    let title = format!(
        "What the model sees: {} of {} tokens",
        format::count(rendered.ids.len()),
        format::count(model.facts.context_length)
    );
    CollapsingHeader::new(title).id_salt("rendered").show(ui, |ui| {
        let p = theme::palette(ui);
        let frame = egui::Frame::new()
            .fill(p.raised)
            .corner_radius(theme::CONTROL_RADIUS)
            .inner_margin(egui::Margin::same(12));
        frame.show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.add(Label::new(theme::number(&rendered.text)).wrap());
        });
    });
}
