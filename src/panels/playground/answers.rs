//! The answers in front and those before them.

use eframe::egui;
use eframe::egui::{CollapsingHeader, Label, RichText, Sense, Stroke, TextStyle, Ui, vec2};

use crate::llm::card::ModelCard;
use crate::llm::generate::AdapterMode;
use crate::llm::generate::StopReason;
use crate::llm::generate::guessing::Guesses;
use crate::llm::text::reasoning;
use crate::state::command::{Commands, WindowCommand};
use crate::state::playground::LaneView;
use crate::state::playground::PlaygroundState;
use crate::state::scores::Position;
use crate::widgets::button::ActionButton;
use crate::widgets::card;
use crate::widgets::card::Tone;
use crate::widgets::card::chip_ui;
use crate::widgets::format;
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::token_flow::FlowToken;
use crate::widgets::token_flow::TokenFlow;
use crate::widgets::token_flow::UNDERLINE;

pub fn answers_ui(ui: &mut Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    // Only the next token was asked for: there is no answer to show.
    if playground.is_prediction() {
        return;
    }
    let side_by_side = playground.lanes.len() > 1;
    let newest = playground.selected;
    let shaded = playground.shaded;
    let prompt = playground.rendered.as_ref().map_or("", |rendered| rendered.text.as_str());
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
                        let token = answer_ui(ui, (lane, prompt), true, selected, shaded, commands);
                        clicked =
                            clicked.or_else(|| token.map(|token| Position { lane: index, token }));
                    },
                );
            }
        });
    } else if let Some(lane) = playground.lanes.first() {
        let selected = newest.filter(|at| at.lane == 0);
        let token = answer_ui(ui, (lane, prompt), false, selected, shaded, commands);
        clicked = token.map(|token| Position { lane: 0, token });
    }
    if let Some(position) = clicked {
        let again = playground.selected == Some(position);
        playground.selected = (!again).then_some(position);
    }
}

/// One answer. The index of the token that was clicked.
#[expect(clippy::fn_params_excessive_bools, reason = "named and shaded are independent")]
fn answer_ui(
    ui: &mut Ui,
    (lane, prompt): (&LaneView, &str),
    named: bool,
    selected: Option<Position>,
    shaded: bool,
    commands: &mut Commands,
) -> Option<usize> {
    let name = lane_name(lane.lane.adapter);
    let frame = card::frame(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        if named || lane.lane.adapter == AdapterMode::On {
            lane_chip_ui(ui, lane.lane.adapter);
        }
        let tokens = flow_tokens(lane);
        if tokens.is_empty() && lane.answer.is_some() {
            ui.label(theme::muted(ui, "(an empty answer)"));
        }
        let selected = selected.map(|at| at.token);
        let flow = TokenFlow { name, selected, shaded, clickable: true };
        let clicked = lane_flow_ui(ui, lane, prompt, flow);
        legend_ui(ui, lane);
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
        words.push(format::counted(count, "token", "tokens"));
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
    egui::Sides::new().shrink_left().wrap().show(
        ui,
        |ui| {
            let words = RichText::new(words.join(" · ")).color(theme::palette(ui).muted);
            ui.add(Label::new(words.text_style(TextStyle::Small)).wrap());
        },
        |ui| {
            let done = lane.answer.is_some() && count > 0;
            if done && ui.add(ActionButton::only_icon(icons::COPY, "Copy the answer")).clicked() {
                commands.push(WindowCommand::CopyText(lane.text()));
            }
        },
    );
}

/// What the lines under tokens mean, and how often the guesses were right.
fn legend_ui(ui: &mut Ui, lane: &LaneView) {
    let guessed = lane.tokens.iter().filter(|token| token.is_guessed).count();
    let Guesses { drafted, accepted, passes } =
        lane.answer.as_ref().map(|answer| answer.guesses).unwrap_or_default();
    if guessed == 0 && drafted == 0 {
        return;
    }
    let mut words = format!("guessed, then checked: {guessed} of {} tokens", lane.tokens.len());
    if drafted > 0 {
        let share = format::percent(accepted as f32 / drafted as f32);
        let times = if passes == 1 { "pass" } else { "passes" };
        words.push_str(&format!(
            ". {accepted} of {drafted} guesses were accepted ({share}); the model made {passes} {times}"
        ));
    }
    let about = "A small model, or the text itself, guesses the next tokens. The model checks several guesses \
                 in one pass and keeps those that it would have written itself. This changes the speed, and \
                 not what answers are likely";
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = theme::GAP_SMALL;
        let size = vec2(theme::em(ui) * 1.6, ui.text_style_height(&TextStyle::Small));
        let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
        let stroke = Stroke::new(UNDERLINE, theme::palette(ui).accent);
        ui.painter().hline(rect.x_range(), rect.bottom() - 2.0, stroke);
        let words = theme::muted(ui, words).text_style(TextStyle::Small);
        ui.add(Label::new(words).wrap()).on_hover_text(about);
    });
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

pub fn rendered_ui(ui: &mut Ui, playground: &PlaygroundState, model: &ModelCard) {
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

pub fn lane_name(adapter: AdapterMode) -> &'static str {
    match adapter {
        AdapterMode::Off => "Base",
        AdapterMode::On => "Adapter",
    }
}

pub fn lane_chip_ui(ui: &mut Ui, adapter: AdapterMode) {
    let (tone, icon) = match adapter {
        AdapterMode::On => (Tone::Accent, Some(icons::ADAPTER)),
        AdapterMode::Off => (Tone::Neutral, None),
    };
    chip_ui(ui, tone, icon, lane_name(adapter));
}

/// An answer as running text, with the reasoning of a thinking model folded. `prompt`: what the model
/// saw. The index of the token that was clicked.
pub fn lane_flow_ui(
    ui: &mut Ui,
    lane: &LaneView,
    prompt: &str,
    flow: TokenFlow<'_>,
) -> Option<usize> {
    let tokens = flow_tokens(lane);
    let text: String = tokens.iter().map(|token| token.text).collect();
    let Some(found) = reasoning::find(&text, prompt) else { return flow.show(ui, &tokens) };
    let mut end = 0;
    let split = tokens.iter().take_while(|token| {
        end += token.text.len();
        end <= found.answer
    });
    let split = split.count();
    let TokenFlow { name, selected, shaded, clickable } = flow;
    let is_over = found.answer < text.len() || lane.answer.is_some();
    let words = if is_over { "Reasoning" } else { "Reasoning so far" };
    let title = format!("{words}: {} tokens", format::count(split));
    let header = CollapsingHeader::new(title).id_salt("reasoning").show(ui, |ui| {
        let selected = selected.filter(|at| *at < split);
        TokenFlow { name, selected, shaded, clickable }.show(ui, &tokens[..split])
    });
    let selected = selected.and_then(|at| at.checked_sub(split));
    let after = TokenFlow { name, selected, shaded, clickable }.show(ui, &tokens[split..]);
    header.body_returned.flatten().or_else(|| after.map(|at| at + split))
}

fn flow_tokens(lane: &LaneView) -> Vec<FlowToken<'_>> {
    let tokens = lane.tokens.iter();
    tokens
        .map(|token| FlowToken {
            text: &token.text,
            probability: token.probability,
            is_underlined: token.is_guessed,
        })
        .collect()
}
