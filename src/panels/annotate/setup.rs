//! What is asked beside the verdict, and what is compared.

use eframe::egui::{self, Label, ScrollArea, TextEdit, Ui};

use super::beside::CRITERIA;
use crate::data::judging::{Criterion, Judging, MOST_CRITERIA};
use crate::state::annotate::AnnotateState;
use crate::state::command::{AnnotateCommand, Commands};
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{self, key_ui};
use crate::widgets::format;
use crate::widgets::switch::{Segment, segmented_ui, switch_ui};
use crate::widgets::theme::{self, icons};

pub(super) fn setup_ui(
    ui: &Ui,
    annotate: &mut AnnotateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    if !annotate.sets_up {
        return;
    }
    let modal = egui::Modal::new(egui::Id::unique("annotate setup")).frame(card::frame(ui));
    let mut closes = false;
    let modal = modal.show(ui.ctx(), |ui| {
        let screen = ui.ctx().content_rect();
        ui.set_width((theme::em(ui) * 36.0).min(screen.width() - 96.0));
        ui.label(theme::title(ui, "What is asked"));
        ui.add_space(theme::GAP_SMALL);
        let height = (screen.height() - 180.0).max(theme::em(ui) * 6.0);
        ScrollArea::vertical().max_height(height).show(ui, |ui| {
            ui.set_width(ui.available_width());
            let about = "After “left” or “right”: a little, clearly or much better (keys 1, 2, 3)";
            switch_ui(ui, &mut annotate.judging.asks_strength, "How much better", about);
            let has_adapter = around.adapter.ready().is_some();
            ui.add_enabled_ui(has_adapter && !annotate.is_answering(), |ui| {
                let about = "One answer by the base model, one with the adapter. Which is which is \
                             written into the verdict, and not shown before it";
                let name = "Compare the base model with the adapter";
                switch_ui(ui, &mut annotate.compares_adapter, name, about)
                    .on_disabled_hover_text("Load an adapter first");
            });
            if annotate.has_groups() {
                let about = "More than two answers are put into an order by dragging or by their keys; every \
                             pair follows from it";
                switch_ui(ui, &mut annotate.ranks, "Rank several answers at once", about);
            }
            ui.add_space(theme::GAP);
            criteria_ui(ui, &mut annotate.judging);
        });
        ui.add_space(theme::GAP_SMALL);
        let problem = named(&annotate.judging).problem();
        if let Some(problem) = &problem {
            let p = theme::palette(ui);
            let words = format::sentence(problem);
            ui.add(Label::new(egui::RichText::new(words).color(p.problem)).wrap());
        }
        let done = ActionButton::primary("Done").shortcut("Esc");
        closes = ui.add_enabled(problem.is_none(), done).clicked();
    });
    if closes || modal.should_close() {
        let named = named(&annotate.judging);
        if named.problem().is_none() {
            annotate.judging = named;
            close(annotate, commands);
        }
    }
}

/// Without the criteria that were added and got no name: they keep nobody on the page.
fn named(judging: &Judging) -> Judging {
    let mut named = judging.clone();
    named.criteria.retain(|criterion| !criterion.name.trim().is_empty());
    named
}

/// Closes the page, and keeps what it says.
fn close(annotate: &mut AnnotateState, commands: &mut Commands) {
    annotate.sets_up = false;
    annotate.draft.focus = None;
    commands.push(AnnotateCommand::KeepJudging);
}

fn criteria_ui(ui: &mut Ui, judging: &mut Judging) {
    ui.label(theme::strong(ui, "Criteria beside the verdict"));
    let about = "Each has a key. None of them has to be answered";
    ui.add(Label::new(theme::muted(ui, about)).wrap());
    let mut removed = None;
    for (at, (criterion, (_, key))) in judging.criteria.iter_mut().zip(CRITERIA).enumerate() {
        ui.push_id(("criterion", at), |ui| {
            ui.horizontal_wrapped(|ui| {
                key_ui(ui, key);
                let field = TextEdit::singleline(&mut criterion.name)
                    .desired_width(theme::em(ui) * 12.0)
                    .hint_text("such as: correct");
                ui.add(field).accessible_name(format!("Name of criterion {}", at + 1));
                scale_ui(ui, criterion);
                let words = format!("Remove criterion {}", at + 1);
                if ui.add(ActionButton::only_icon(icons::CLOSE, &words)).clicked() {
                    removed = Some(at);
                }
            });
        });
    }
    if let Some(at) = removed {
        judging.criteria.remove(at);
    }
    let add = ActionButton::new("Add a criterion").icon(icons::ADD);
    let add = ui.add_enabled(judging.criteria.len() < MOST_CRITERIA, add);
    if add.on_disabled_hover_text("At most five can be asked").clicked() {
        judging.criteria.push(Criterion::default());
    }
}

fn scale_ui(ui: &mut Ui, criterion: &mut Criterion) {
    let segments = [
        (None, "Which is better", "Left, right or equal"),
        (Some(5), "1–5", "One to five points for each answer"),
        (Some(7), "1–7", "One to seven points for each answer"),
    ]
    .map(|(value, words, explanation)| Segment { value, words, explanation });
    segmented_ui(ui, &mut criterion.points, &segments);
}
