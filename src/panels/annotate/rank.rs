//! More than two answers to a prompt, put into an order by their keys.

use eframe::egui::{self, Key, Label, ScrollArea, Ui};

use super::pressed::pressed;
use crate::panels::shortcuts::DIGITS;
use crate::state::annotate::AnnotateState;
use crate::state::command::{AnnotateCommand, Commands};
use crate::widgets::button::{ActionButton, Weight};
use crate::widgets::card::{self, Tone, chip_ui};
use crate::widgets::theme;

/// Whether a key meant something.
pub(super) fn take_rank_keys(
    ui: &Ui,
    annotate: &mut AnnotateState,
    commands: &mut Commands,
) -> bool {
    for (place, key) in DIGITS.into_iter().enumerate() {
        if pressed(ui, egui::Modifiers::NONE, key) {
            annotate.ranking_mut().press(place);
            return true;
        }
    }
    if pressed(ui, egui::Modifiers::NONE, Key::T) {
        annotate.ranking_mut().tie();
        return true;
    }
    let ranking = annotate.ranking_mut();
    if ranking.is_begun() && pressed(ui, egui::Modifiers::NONE, Key::Backspace) {
        ranking.back();
        return true;
    }
    if ranking.is_begun() && ranking.is_complete() && pressed(ui, egui::Modifiers::NONE, Key::Enter)
    {
        commands.push(AnnotateCommand::KeepRanking);
        return true;
    }
    false
}

/// The answers, one below the other, each with its key and its rank.
pub(super) fn ranked_ui(ui: &mut Ui, annotate: &mut AnnotateState, height: f32) {
    let mut picked = None;
    let Some((texts, ranking)) = annotate.ranking() else { return };
    let each = (height / texts.len() as f32 - theme::GAP).max(theme::em(ui) * 5.0);
    for (place, text) in texts.iter().enumerate() {
        ui.push_id(("ranked", place), |ui| {
            card::card_ui(ui, |ui| {
                ui.horizontal(|ui| {
                    let words = format!("Answer {}", place + 1);
                    let key = (place + 1).to_string();
                    let rank = ranking.rank(place);
                    let weight = if rank.is_some() { Weight::Quiet } else { Weight::Normal };
                    let button = ActionButton::new(&words).weight(weight).shortcut(&key);
                    let button = ui.add_enabled(rank.is_none() || ranking.is_complete(), button);
                    if button.on_hover_text("Give it the next best place").clicked() {
                        picked = Some(place);
                    }
                    match rank {
                        Some(rank) => {
                            chip_ui(ui, Tone::Accent, None, &format!("Place {rank}"));
                        }
                        None => {
                            ui.label(theme::muted(ui, "no place yet"));
                        }
                    }
                });
                ScrollArea::vertical().max_height(each - theme::em(ui) * 3.5).show(ui, |ui| {
                    ui.set_width(ui.available_width());
                    ui.add(Label::new(*text).wrap());
                });
            });
        });
    }
    if let Some(place) = picked {
        annotate.ranking_mut().press(place);
    }
}

/// In place of the verdicts.
pub(super) fn rank_buttons_ui(ui: &mut Ui, annotate: &mut AnnotateState, commands: &mut Commands) {
    let Some((_, ranking)) = annotate.ranking() else { return };
    let (is_begun, is_complete) = (ranking.is_begun(), ranking.is_complete());
    ui.horizontal_wrapped(|ui| {
        let keep = ActionButton::primary("Keep the order").shortcut("Enter");
        let keep = keep.add_enabled(ui, is_begun && is_complete);
        let keep = keep.on_hover_text("A verdict for every pair of these answers");
        if keep
            .on_disabled_hover_text("Press the keys of the answers, the best one first")
            .clicked()
        {
            commands.push(AnnotateCommand::KeepRanking);
        }
        let tie = ActionButton::new("As good as the one before").shortcut("T");
        if tie.add_enabled(ui, is_begun).accessible_name("As good as the one before (T)").clicked()
        {
            annotate.ranking_mut().tie();
        }
        let back = ActionButton::quiet("One place back").shortcut("Backspace");
        if back.add_enabled(ui, is_begun).accessible_name("One place back (Backspace)").clicked() {
            annotate.ranking_mut().back();
        }
        let pairs = ActionButton::quiet("Compare them two by two");
        if ui.add(pairs).clicked() {
            annotate.ranks = false;
        }
    });
}
