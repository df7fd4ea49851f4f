//! The turns of a conversation: each can be edited, asked again, copied, deleted, and shown in the
//! versions that it had.

use eframe::egui;
use eframe::egui::accesskit::Role;
use eframe::egui::containers::menu::MenuButton;
use eframe::egui::{Button, CollapsingHeader, Frame, Label, Margin, RichText, Ui, WidgetInfo};

use super::answers::{lane_chip_ui, lane_flow_ui, lane_name};
use crate::llm::text::reasoning;
use crate::panels::sampling;
use crate::state::command::{Commands, PlaygroundCommand, WindowCommand};
use crate::state::playground::{PlaygroundState, Turn, export};
use crate::widgets::button::ActionButton;
use crate::widgets::switch;
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::token_flow::TokenFlow;

/// What was asked of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Edit,
    Again,
    Delete,
    Step { is_forward: bool },
}

/// Draws what was said before, and the question in front.
pub fn conversation_ui(ui: &mut Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    let mut asked = None;
    let is_free = !playground.running && !playground.is_editing();
    for (at, turn) in playground.turns.iter().enumerate() {
        ui.push_id(("turn", at), |ui| {
            if let Some(edited) = playground.edited_turn()
                && edited < at
            {
                ui.set_opacity(0.5); // it will follow another version than the new one
            }
            let answer = Some(turn.answer.as_str());
            let action = question_ui(ui, &turn.question, answer, (at, is_free), commands);
            answer_ui(ui, turn, playground.shaded);
            let stepped = versions_ui(ui, turn.others.place(), is_free);
            asked = asked.or_else(|| action.or(stepped).map(|action| (at, action)));
        });
        ui.add_space(theme::GAP);
    }
    if !playground.question.is_empty() && !playground.lanes.is_empty() {
        let at = playground.turns.len();
        let answer = playground.lanes[playground.followed_lane()].text();
        let answer = (!answer.is_empty()).then_some(answer.as_str());
        let action = question_ui(ui, &playground.question, answer, (at, is_free), commands);
        asked = asked.or_else(|| action.map(|action| (at, action)));
    }
    if let Some((at, action)) = asked {
        act(ui, playground, at, action, commands);
    }
}

fn act(
    ui: &Ui,
    playground: &mut PlaygroundState,
    at: usize,
    action: Action,
    commands: &mut Commands,
) {
    match action {
        Action::Edit => playground.edit_turn(at),
        Action::Delete => playground.delete_turn(at),
        Action::Step { is_forward } => playground.step_version(at, is_forward),
        Action::Again => {
            playground.ask_turn_again(at);
            playground.draw_seed(sampling::entropy(ui));
            playground.predict_only = false;
            commands.push(PlaygroundCommand::Generate);
        }
    }
}

/// A question with what can be done about its turn.
fn question_ui(
    ui: &mut Ui,
    question: &str,
    answer: Option<&str>,
    (at, is_free): (usize, bool),
    commands: &mut Commands,
) -> Option<Action> {
    let p = theme::palette(ui);
    let frame = Frame::new()
        .fill(p.accent_soft)
        .corner_radius(theme::CARD_RADIUS)
        .inner_margin(Margin::symmetric(12, 8));
    let mut action = None;
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        egui::Sides::new().shrink_left().wrap().show(
            ui,
            |ui| ui.add(Label::new(RichText::new(question).color(p.text)).wrap()),
            |ui| action = menu_ui(ui, question, answer, (at, is_free), commands),
        );
    });
    action
}

fn menu_ui(
    ui: &mut Ui,
    question: &str,
    answer: Option<&str>,
    (at, is_free): (usize, bool),
    commands: &mut Commands,
) -> Option<Action> {
    let mut action = None;
    let button = Button::new(theme::icon(ui, icons::MORE)).frame_when_inactive(false);
    let (response, _) = MenuButton::from_button(button).ui(ui, |ui| {
        let mut entry = |ui: &mut Ui, words: &str, about: &str, is_on: bool, what: Action| {
            if ui.add_enabled(is_on, Button::new(words)).on_hover_text(about).clicked() {
                action = Some(what);
            }
        };
        let about =
            "Puts it back into the field. What follows stays with the version that is there";
        entry(ui, "Edit this question", about, is_free, Action::Edit);
        let about = "Asks the same once more, with a new seed: the answer is another version";
        entry(ui, "Another answer", about, is_free && answer.is_some(), Action::Again);
        if ui.button("Copy the question").clicked() {
            commands.push(WindowCommand::CopyText(question.to_owned()));
        }
        if let Some(answer) = answer
            && ui.button("Copy this answer").clicked()
        {
            commands.push(WindowCommand::CopyText(answer.to_owned()));
        }
        ui.separator();
        let about = "Takes question and answer out of the conversation. It can be put back";
        entry(ui, "Delete this turn", about, is_free && answer.is_some(), Action::Delete);
    });
    let response = response.on_hover_text("Edit, ask again, copy, delete");
    let name = format!("Turn {}", at + 1);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    action
}

/// Left and right through the versions of a turn, where there is more than one.
fn versions_ui(ui: &mut Ui, (number, count): (usize, usize), is_free: bool) -> Option<Action> {
    if count < 2 {
        return None;
    }
    let mut action = None;
    ui.horizontal(|ui| {
        let back = ActionButton::only_icon(icons::LEFT, "The version before");
        if ui.add_enabled(is_free && number > 1, back).clicked() {
            action = Some(Action::Step { is_forward: false });
        }
        ui.label(theme::muted(ui, format!("Version {number} of {count}")).small());
        let next = ActionButton::only_icon(icons::RIGHT, "The version after");
        if ui.add_enabled(is_free && number < count, next).clicked() {
            action = Some(Action::Step { is_forward: true });
        }
    });
    action
}

/// The answers of a turn that is not in front.
fn answer_ui(ui: &mut Ui, turn: &Turn, shaded: bool) {
    if turn.lanes.is_empty() {
        match reasoning::find(&turn.answer, "") {
            Some(found) => {
                CollapsingHeader::new("Reasoning").id_salt("reasoning").show(ui, |ui| {
                    ui.add(Label::new(turn.answer[found.inside].trim()).wrap());
                });
                ui.add(Label::new(&turn.answer[found.answer..]).wrap());
            }
            None => _ = ui.add(Label::new(&turn.answer).wrap()),
        }
    }
    for (index, lane) in turn.lanes.iter().enumerate() {
        if turn.lanes.len() > 1 {
            ui.horizontal_wrapped(|ui| {
                lane_chip_ui(ui, lane.lane.adapter);
                if index == turn.followed {
                    ui.label(theme::muted(ui, "the next question follows this answer"));
                }
            });
        }
        let name = lane_name(lane.lane.adapter);
        let flow = TokenFlow { name, selected: None, shaded, clickable: false };
        ui.push_id(("lane", index), |ui| lane_flow_ui(ui, lane, "", flow));
    }
}

/// What can be done with the answers in front.
pub fn answer_actions_ui(ui: &mut Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    if playground.can_undo_delete() {
        let undo = ActionButton::quiet("Put the deleted turn back").icon(icons::BACK);
        if ui.add(undo).clicked() {
            playground.undo_delete();
        }
    }
    if playground.is_prediction() {
        return;
    }
    let has_tokens = playground.lanes.iter().any(|lane| !lane.tokens.is_empty());
    if !has_tokens {
        return;
    }
    let can_go_on = playground.mode == crate::state::playground::Mode::Chat && !playground.running;
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
    let front = playground.turns.len();
    let is_free = can_go_on && !playground.is_editing();
    if let Some(action) = versions_ui(ui, playground.versions(front), is_free) {
        act(ui, playground, front, action, commands);
    }
    ui.horizontal_wrapped(|ui| {
        if can_go_on {
            let again = ActionButton::quiet("Answer again").icon(icons::REFRESH);
            let about = "Ask the same once more, with a new seed. This answer stays as a version";
            if ui.add(again).on_hover_text(about).clicked() {
                act(ui, playground, front, Action::Again, commands);
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
