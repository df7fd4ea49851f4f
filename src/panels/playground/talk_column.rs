//! The column in which one talks: what was said, the answer, and the field for what comes next.

use eframe::egui;
use eframe::egui::Ui;

use super::answers::{answers_ui, rendered_ui};
use super::talk::{modes_ui, prompt_ui, system_ui};
use super::turns::{answer_actions_ui, conversation_ui};
use crate::llm::card::ModelCard;
use crate::state::command::Commands;
use crate::state::playground::{Mode, PlaygroundState};
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::layout::{Part, Stacked, inset_ui, scrolled_ui};
use crate::widgets::theme;

/// So much of a conversation is in sight at least, in lines of text, or all of the column scrolls.
const LEAST_HEIGHT: f32 = 6.0;

/// What a longer text in the field leaves of the context is said before it is sent, in bytes.
const LONG: usize = 4096;

/// The conversation, or the text and how it continues: with the model in memory, or with one on a server.
pub(super) fn talk_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    around: Surroundings<'_>,
    commands: &mut Commands,
) {
    let model = around.model.ready();
    let mode = playground.mode;
    let obstacle = playground.obstacle_in(around.model);
    let is_long = playground.prompt.len() > LONG;
    let counts = is_long || (mode == Mode::Chat && playground.has_chat());
    let left = model.filter(|_| counts).map(|model| playground.left_of_context(model));
    let adapter = model.map(|_| around.adapter);
    if mode == Mode::Raw {
        inset_ui(ui, |ui| modes_ui(ui, playground, adapter, commands));
        let height = ui.available_height();
        scrolled_ui(ui, "text", |ui| {
            prompt_ui(ui, playground, (obstacle, left), height * 0.5, commands);
            answers_ui(ui, playground, commands);
            answer_actions_ui(ui, playground, commands);
            if let Some(model) = model {
                rendered_ui(ui, playground, model);
            }
        });
        return;
    }
    // A conversation grows upwards from where it is written.
    let whole = ui.available_height();
    let least = theme::em(ui) * LEAST_HEIGHT;
    let stacked = Stacked::new("talk", least, least.max(whole * 0.6)).from_below();
    stacked.show(ui, |ui, part| match part {
        Part::Above => inset_ui(ui, |ui| modes_ui(ui, playground, adapter, commands)),
        Part::Rest => {
            let margin = egui::Margin { left: 0, right: 16, top: 0, bottom: 8 };
            let area = egui::ScrollArea::vertical().id_salt("conversation").auto_shrink(false);
            // An answer that grows is followed, unless somebody has scrolled up to read.
            area.stick_to_bottom(true).content_margin(margin).show(ui, |ui| {
                if let Some(model) = model {
                    no_chat_ui(ui, playground, model);
                }
                system_ui(ui, playground);
                conversation_ui(ui, playground, commands);
                answers_ui(ui, playground, commands);
                answer_actions_ui(ui, playground, commands);
                if let Some(model) = model {
                    rendered_ui(ui, playground, model);
                }
            });
        }
        Part::Below => {
            let margin = egui::Margin { left: 0, right: 16, top: 8, bottom: 16 };
            egui::Frame::new().inner_margin(margin).show(ui, |ui| {
                prompt_ui(ui, playground, (obstacle, left), whole * 0.32, commands);
            });
        }
    });
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
