//! The answers of the latest round of GRPO or RLOO, with their rewards and advantages; and the leash, which can
//! be moved while the run goes on.

use std::collections::BTreeMap;

use eframe::egui::{Grid, Label, RichText, ScrollArea, Ui};

use crate::state::command::{Commands, TrainCommand};
use crate::state::train::live::LiveRun;
use crate::train::record::round::{Answered, Round};
use crate::widgets::card::{card_ui, title_row_ui};
use crate::widgets::slider_row::SliderRow;
use crate::widgets::theme;

/// Letters of an answer that are shown in the table; the whole of it is shown where the pointer rests.
const SHOWN: usize = 160;

/// The slider of beta, of a run under way.
pub(super) fn leash_ui(ui: &mut Ui, live: &mut LiveRun, commands: &mut Commands) {
    if !live.objective.samples() || !live.is_running() {
        return;
    }
    let Some(mut beta) = live.leash else { return };
    let hint = "The KL leash: how strongly the model is held to where it began. Moved while the run goes on, it \
                counts from the next round on";
    let moved = SliderRow::new("beta", hint, 0.001..=1.0)
        .limits(0.0..=100.0)
        .logarithmic()
        .decimals(3)
        .show(ui, &mut beta);
    if moved.changed() {
        live.leash = Some(beta);
        commands.push(TrainCommand::Leash(beta));
    }
    // The round that is learned from has the leash that it was sampled with.
    if let Some(round) = live.round.as_ref().filter(|round| round.beta != beta) {
        let words = format!(
            "The round under way has beta {}; {beta} counts from the next one on",
            round.beta
        );
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
}

/// The answers, those to the same prompt together.
pub(super) fn answers_ui(ui: &mut Ui, round: &Round) {
    if round.answers.is_empty() {
        return;
    }
    ui.add_space(theme::GAP);
    card_ui(ui, |ui| {
        let title = format!("Answers of round {}", round.round + 1);
        title_row_ui(ui, &title, |ui| {
            let count = format!("{} answers, beta {}", round.answers.len(), round.beta);
            ui.label(theme::muted(ui, count));
        });
        let mut groups: BTreeMap<(usize, &str), Vec<&Answered>> = BTreeMap::new();
        for answer in &round.answers {
            groups.entry((answer.line, &answer.prompt)).or_default().push(answer);
        }
        let most = theme::em(ui) * 15.0;
        ScrollArea::both()
            .id_salt("round_answers")
            .max_height(most)
            .auto_shrink([false, true])
            .show(ui, |ui| {
                for ((line, prompt), mut answers) in groups {
                    ui.add_space(theme::GAP_SMALL);
                    ui.add(Label::new(theme::strong(ui, prompt)).truncate());
                    answers.sort_by(|one, other| other.advantage.total_cmp(&one.advantage));
                    group_ui(ui, line, &round.rewards, &answers);
                }
            });
    });
}

fn group_ui(ui: &mut Ui, line: usize, names: &[String], answers: &[&Answered]) {
    let p = theme::palette(ui);
    Grid::new(("answers", line)).num_columns(3 + names.len()).striped(true).show(ui, |ui| {
        ui.label(theme::muted(ui, "advantage").small());
        ui.label(theme::muted(ui, "reward").small());
        if names.len() > 1 {
            for name in names {
                ui.label(theme::muted(ui, name).small());
            }
        }
        ui.label(theme::muted(ui, "answer").small());
        ui.end_row();
        for answer in answers {
            // The sign says it, too: not by colour alone.
            let colour = if answer.advantage > 0.0 {
                p.chosen
            } else if answer.advantage < 0.0 {
                p.rejected
            } else {
                p.muted
            };
            ui.label(RichText::new(format!("{:+.2}", answer.advantage)).color(colour).monospace());
            let number = |value: Option<f64>| {
                value.map_or_else(|| "none".to_owned(), |value| format!("{value:.2}"))
            };
            ui.label(RichText::new(number(answer.reward)).monospace());
            if names.len() > 1 {
                for reward in &answer.rewards {
                    ui.label(RichText::new(number(*reward)).monospace());
                }
            }
            let words = answer.answer.split_whitespace().collect::<Vec<_>>().join(" ");
            let mut shown: String = words.chars().take(SHOWN).collect();
            if shown.len() < words.len() {
                shown.push('…');
            }
            if !answer.is_ended {
                shown.push_str(" (cut)");
            }
            ui.add(Label::new(shown).extend()).on_hover_text(&answer.answer);
            ui.end_row();
        }
    });
}
