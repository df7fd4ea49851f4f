//! What more than one view of an encoder-decoder draws or does.

use eframe::egui;
use eframe::egui::{Label, Ui, vec2};

use crate::panels::sampling;
use crate::panels::shortcuts::SEND;
use crate::state::command::{Commands, PlaygroundCommand};
use crate::state::playground::PlaygroundState;
use crate::state::playground::seq2seq::Seq2SeqView;
use crate::widgets::button::ActionButton;
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Begins what the view in front is for.
pub fn start(ui: &Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    if playground.new_seed_each_time {
        playground.draw_seed(sampling::entropy(ui));
    }
    ui.memory_mut(egui::Memory::stop_text_input);
    commands.push(PlaygroundCommand::ReadAndWrite);
}

/// Starts the view's work, or stops what runs.
pub(super) fn start_ui(ui: &mut Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(theme::GAP, theme::GAP_SMALL);
        if playground.seq2seq.doing.is_some() {
            if playground.speed.one_at_a_time && playground.seq2seq.view == Seq2SeqView::Answer {
                let next = ActionButton::primary("Next token");
                if ui.add(next).clicked() {
                    commands.push(PlaygroundCommand::NextToken);
                }
            }
            let stop = ActionButton::new("Stop").icon(icons::STOP).shortcut("Esc");
            if ui.add(stop).clicked() {
                commands.push(PlaygroundCommand::StopWriting);
            }
            return;
        }
        let obstacle = playground.seq2seq.obstacle(&playground.prompt);
        let shortcut = ui.ctx().format_shortcut(&SEND);
        let words = playground.seq2seq.view.start();
        let button = ActionButton::primary(words).icon(icons::SEND).shortcut(&shortcut);
        let button = ui.add_enabled(obstacle.is_none(), button);
        let button = match obstacle {
            Some(obstacle) => button.on_disabled_hover_text(obstacle),
            None => button,
        };
        if button.clicked() {
            start(ui, playground, commands);
        }
    });
}

/// A sentence where there is nothing to show yet.
pub(super) fn hint_ui(ui: &mut Ui, words: &str) {
    ui.add(Label::new(theme::muted(ui, words)).wrap());
}
