//! How a run ended: what it learned, and what to do with it.

use eframe::egui::{Grid, Label, RichText, Ui, Vec2};

use super::measured::measured_ui;
use crate::state::command::{Commands, TrainCommand, WindowCommand};
use crate::state::train::form::counted;
use crate::state::train::live::LiveRun;
use crate::state::train::runs::RunView;
use crate::train::config::metric::{Metric, MetricFacts, Written};
use crate::train::record::metrics::{Best, EvalMetrics, RunSummary};
use crate::widgets::button::ActionButton;
use crate::widgets::card::{card_ui, decoration_ui};
use crate::widgets::format;
use crate::widgets::theme::{self, icons};

/// What "Next round…" leads to.
pub(super) const NEXT_ROUND: &str = "The model of this run answers new prompts, its answers are compared, and the next \
                                     run goes on from its adapter (iterative DPO). Shows the rounds in a row";

/// The card at the end of a run.
pub(super) fn summary_ui(
    ui: &mut Ui,
    live: &LiveRun,
    summary: &RunSummary,
    run: Option<&RunView>,
    commands: &mut Commands,
) {
    let p = theme::palette(ui);
    card_ui(ui, |ui| {
        let secs = live.total_secs;
        ui.horizontal_wrapped(|ui| {
            decoration_ui(ui, theme::icon(ui, icons::DONE).color(p.chosen));
            ui.add(Label::new(theme::title(ui, live.headline())).wrap());
            if secs > 0.0 {
                let text = format!("in {}", format::duration(secs));
                ui.label(theme::muted(ui, text));
            }
        });
        let of_texts = live.objective.reads_texts();
        let what = learned(summary);
        let sentence = if let Some(reason) = &summary.stopped_early {
            // The headline has said so.
            reason.strip_prefix("Stopped early: ").unwrap_or(reason).to_owned()
        } else if summary.steps_done == 0 && summary.model_dir.is_some() {
            "It was stopped before the first step: the model has learned nothing yet".to_owned()
        } else if summary.steps_done == 0 {
            "It was stopped before the first step: the adapter is still empty".to_owned()
        } else if of_texts {
            "The model is saved as transformers or PEFT saves it".to_owned()
        } else if summary.steps_done < summary.steps_planned {
            format!("The {what} is ready to try in the playground. You can resume the run later")
        } else {
            format!("The {what} is ready to try in the playground")
        };
        ui.add(Label::new(sentence).wrap());
        if let Some(after) = live.evaluation.as_ref().filter(|_| !of_texts) {
            ui.add_space(theme::GAP_SMALL);
            let taken = taken(summary, run).filter(|best| best.step != after.step);
            let is_last = taken.is_none();
            before_after_ui(ui, live, (after, is_last));
        }
        if let Some(run) = run.filter(|_| !of_texts) {
            measured_ui(ui, run, commands);
        }
        ui.add_space(theme::GAP_SMALL);
        ui.horizontal_wrapped(|ui| {
            let try_it = ActionButton::primary("Try it").icon(icons::PLAYGROUND);
            let hint = if summary.model_dir.is_some() {
                "Load the model of this run and ask it something"
            } else {
                "Ask the same prompt of the base model and of the trained one, side by side"
            };
            if !of_texts {
                if ui.add(try_it).on_hover_text(hint).clicked() {
                    commands.push(TrainCommand::Try(live.id.clone()));
                }
                best_ui(ui, live, summary, run, commands);
            }
            if let Some(run) = run.filter(|run| run.begins_rounds()) {
                let next = ActionButton::new("Next round…").icon(icons::NEXT);
                if ui.add(next).on_hover_text(NEXT_ROUND).clicked() {
                    commands.push(TrainCommand::ShowRounds(run.id.clone()));
                }
            }
            let folder = ActionButton::new("Show the folder").icon(icons::FOLDER);
            let hint = summary.run_dir.display().to_string();
            if ui.add(folder).on_hover_text(hint).clicked() {
                commands.push(WindowCommand::Reveal(summary.run_dir.clone()));
            }
        });
    });
}

/// What a run leaves behind, in a word.
fn learned(summary: &RunSummary) -> &'static str {
    if summary.model_dir.is_some() { "model" } else { "adapter" }
}

/// The best checkpoint, where a run leaves it behind.
fn taken<'a>(summary: &'a RunSummary, run: Option<&RunView>) -> Option<&'a Best> {
    let is_taken = run.is_some_and(|run| run.config.load_best_model_at_end);
    let finished = summary.stopped_early.is_some() || summary.steps_done == summary.steps_planned;
    summary.best.as_ref().filter(|_| is_taken && finished)
}

/// The best checkpoint, where it is not what the run ended with.
fn best_ui(
    ui: &mut Ui,
    live: &LiveRun,
    summary: &RunSummary,
    run: Option<&RunView>,
    commands: &mut Commands,
) {
    let Some(best) = summary.best.as_ref().filter(|best| best.step < summary.steps_done) else {
        return;
    };
    if taken(summary, run).is_some() {
        let what = learned(summary);
        let text = format!("The {what} is that of step {}, the best checkpoint", best.step);
        ui.label(theme::muted(ui, text));
        return;
    }
    let words = format!("Try step {}, the best checkpoint", best.step);
    let (_, many) = live.units;
    let hint = format!("What the run had learned when it did best on the held-out {many}");
    if ui.add(ActionButton::new(&words)).on_hover_text(hint).clicked() {
        commands.push(TrainCommand::TryBest(live.id.clone()));
    }
}

/// The held-out rows before and after, as a small table. `is_last`: what the run leaves behind is what it had
/// learned by then.
fn before_after_ui(ui: &mut Ui, live: &LiveRun, (after, is_last): (&EvalMetrics, bool)) {
    // Before the first step the policy is the reference: each margin is 0, the loss follows from
    // the settings, and no pair is told apart. That needs no measurement.
    let measured = |metric| live.evaluation_before.as_ref()?.values.get(metric);
    let loss_before = measured(Metric::Loss).or(live.loss_at_start);
    let text = |metric: Metric, value: f64| match metric.facts().written {
        Written::Percent => format!("{:.0} %", value * 100.0),
        Written::Plain | Written::Scientific => format!("{value:.3}"),
    };
    let mut rows = Vec::new();
    for (metric, value) in after.values.iter() {
        let MetricFacts { title, at_start: Some(at_start), .. } = *metric.facts() else { continue };
        rows.push((title, at_start.to_owned(), text(metric, value)));
    }
    let known = |metric, found: Option<f64>| {
        found.map_or_else(|| "not measured".to_owned(), |found| text(metric, found))
    };
    // Where answers are rewarded, the loss says nothing.
    let main =
        if after.values.get(Metric::Reward).is_some() { Metric::Reward } else { Metric::Loss };
    for (metric, before) in [
        (main, if main == Metric::Loss { loss_before } else { measured(main) }),
        (Metric::NeutralPerplexity, measured(Metric::NeutralPerplexity)),
    ] {
        if let Some(value) = after.values.get(metric) {
            rows.push((metric.facts().title, known(metric, before), text(metric, value)));
        }
    }

    let p = theme::palette(ui);
    Grid::new("before_after").num_columns(3).spacing(Vec2::new(24.0, 4.0)).show(ui, |ui| {
        let (one, many) = live.units;
        let count = match after.pair_count {
            0 => format!("Held-out {many}"),
            count => counted(count, &format!("held-out {one}"), &format!("held-out {many}")),
        };
        ui.label(theme::muted(ui, count));
        ui.label(theme::muted(ui, "before"));
        let words = if is_last { "after".to_owned() } else { format!("after step {}", after.step) };
        ui.label(theme::muted(ui, words));
        ui.end_row();
        for (name, before, after) in rows {
            ui.label(name);
            ui.label(theme::number(before).color(p.muted));
            ui.label(theme::number(after).color(p.strong));
            ui.end_row();
        }
    });
}

/// The card of a run that failed. The notice beside Start has the rest.
pub(super) fn failed_ui(ui: &mut Ui, live: &LiveRun, reason: &str) {
    let p = theme::palette(ui);
    card_ui(ui, |ui| {
        ui.horizontal(|ui| {
            decoration_ui(ui, theme::icon(ui, icons::PROBLEM).color(p.problem));
            ui.add(Label::new(theme::title(ui, live.headline())).wrap());
        });
        ui.add(Label::new(RichText::new(format::sentence(reason)).color(p.text)).wrap());
        if let Some(step) = live.saved_step {
            let text = format!("What was learned up to step {step} is on the disk");
            ui.add(Label::new(theme::muted(ui, text)).wrap());
        }
    });
}
