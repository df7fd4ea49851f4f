//! What stands above the answers: how far one is, what to look for, the prompt.

use eframe::egui::{self, Label, ScrollArea, Sides, TextEdit, Ui};

use super::menus::{export_menu_ui, show_menu_ui};
use super::verdicts::counts_words;
use crate::panels::preview::preview_ui;
use crate::state::annotate::AnnotateState;
use crate::state::command::{AnnotateCommand, CodesCommand, Commands, MappingCommand};
use crate::state::mapping::Wanted;
use crate::widgets::card;
use crate::widgets::format;
use crate::widgets::theme;

pub(super) fn header_ui(ui: &mut Ui, annotate: &mut AnnotateState, commands: &mut Commands) {
    let (judged_count, prompt_count) = annotate.progress();
    let counts = annotate.counts();
    let source = annotate.source().to_owned();
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| {
            let pairs = pair_count(counts.pairs());
            let progress = format!("{judged_count} of {prompt_count} · {pairs}");
            let about = "Prompts of this queue with a verdict, and pairs of the project";
            let about = format!("{about}: {}", counts_words(&counts));
            ui.label(theme::title(ui, progress)).on_hover_text(about);
            let source = theme::muted(ui, source);
            ui.add(Label::new(source).truncate());
        },
        |ui| {
            export_menu_ui(ui, &counts, commands);
            let hint = "How much better, criteria, base model against adapter";
            annotate.sets_up |= ui.button("Ask…").on_hover_text(hint).clicked();
            show_menu_ui(ui, annotate);
            ui.menu_button("Prompts…", |ui| {
                if ui.button("Use the sample prompts").clicked() {
                    commands.push(AnnotateCommand::UseSamplePrompts);
                }
                if ui.button("Prompts from a file…").clicked() {
                    commands.push(AnnotateCommand::ChoosePrompts);
                }
                let about = "Two or more answers a prompt that are there already: compared without \
                             saying where they come from";
                if ui.button("Answers from a file…").on_hover_text(about).clicked() {
                    commands.push(AnnotateCommand::ChooseAnswers);
                }
                let about = "A folder with a table of answers for each model, joined by their \
                             prompts: compared without saying which model they are of";
                if ui.button("Answers of several models…").on_hover_text(about).clicked() {
                    commands.push(AnnotateCommand::ChooseAnswersFolder);
                }
                let about = "The answers of this file judged by several people: an order and sides that \
                             are drawn, pairs shown again, training, checks, agreement";
                if annotate.is_given()
                    && let Some(report) = annotate.table()
                    && ui.button("A study of these pairs…").on_hover_text(about).clicked()
                {
                    commands.push(CodesCommand::UsePairs(report.path.clone()));
                }
            });
        },
    );
    if let Some(report) = annotate.table()
        && preview_ui(ui, report)
    {
        commands.push(MappingCommand::Change(Wanted::Prompts));
    }
    let share = judged_count as f32 / prompt_count.max(1) as f32;
    let p = theme::palette(ui);
    ui.scope(|ui| {
        ui.visuals_mut().extreme_bg_color = p.raised_press;
        let bar = egui::ProgressBar::new(share).desired_height(4.0).fill(p.accent);
        ui.add(bar).accessible_name(format!("Prompts judged: {:.0} %", share * 100.0));
    });
}

pub(super) fn guideline_ui(ui: &mut Ui, annotate: &mut AnnotateState, commands: &mut Commands) {
    ui.horizontal(|ui| {
        let label = ui
            .label(theme::muted(ui, "Guideline"))
            .on_hover_text("What you look for. It is written into every verdict");
        let guideline = &mut annotate.judging.guideline;
        let field = TextEdit::singleline(guideline).desired_width(f32::INFINITY);
        if ui.add(field).labelled_by(label.id).lost_focus() {
            commands.push(AnnotateCommand::KeepJudging);
        }
    });
}

/// The prompt: no higher than this, it scrolls.
pub(super) fn prompt_card_ui(ui: &mut Ui, annotate: &AnnotateState, most_height: f32) {
    let words = annotate.prompt().map(crate::data::pair::Text::words).unwrap_or_default();
    card::card_ui(ui, |ui| {
        ui.label(theme::muted(ui, "Prompt"));
        let most = most_height.max(theme::em(ui) * 3.0);
        ScrollArea::vertical().id_salt("prompt").max_height(most).show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.add(Label::new(theme::title(ui, words)).wrap());
        });
    });
}

/// `9 pairs`
pub(super) fn pair_count(count: usize) -> String {
    let unit = if count == 1 { "pair" } else { "pairs" };
    format!("{} {unit}", format::count(count))
}
