//! Runs that were started elsewhere: in the list, and one of them with its curves and last lines.

use eframe::egui::{Frame, Label, Margin, ProgressBar, RichText, ScrollArea, TextEdit, Ui};

use super::fields::{check_ui, row_ui};
use super::live::{Drawn, curves_ui};
use crate::elsewhere::Engine;
use crate::state::command::{Commands, TrainCommand, WindowCommand};
use crate::state::train::TrainState;
use crate::state::train::away::{AwayRun, AwayStatus};
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, card_ui, chip_ui, title_row_ui};
use crate::widgets::theme::{self, icons};

/// Where the run in the form is to be done.
pub(super) fn run_on_ui(ui: &mut Ui, train: &mut TrainState, commands: &mut Commands) {
    let engine = train.elsewhere.engine;
    let form = &mut train.run_on;
    let hint = "local: a Python environment on this computer. Otherwise a host as ssh knows it, such as \
                ada@cluster.example, which your own ssh and rsync reach without a password";
    row_ui(ui, "Run on", hint, |ui| {
        let field = TextEdit::singleline(&mut form.place).hint_text("local");
        ui.add(field).accessible_name("Run on").on_hover_text(hint)
    });
    let hint = "The Python that has TRL; empty: python3 there";
    row_ui(ui, "Python", hint, |ui| {
        let field = TextEdit::singleline(&mut form.python).hint_text("python3");
        ui.add(field).accessible_name("Python").on_hover_text(hint)
    });
    let hint = "Submitted with sbatch where that is available; otherwise started as a process";
    check_ui(ui, &mut form.slurm, "Use SLURM where it is available", hint);
    let hint = "The bundle has the files of the base model, so that the machine downloads nothing";
    check_ui(ui, &mut form.with_model, "Copy the model into the bundle", hint);
    let place = form.place.trim();
    let words = match place {
        "" | "local" => "Run on this computer".to_owned(),
        host => format!("Run on {host}"),
    };
    let why_not = (engine != Engine::Trl)
        .then_some("Only bundles for TRL can be started and followed from here");
    let button = ActionButton::new(&words).icon(icons::PLAY);
    let button = ui.add_enabled(why_not.is_none(), button);
    let hint = "Makes a bundle in the project, starts it there, and follows it in the list of runs. It \
                continues when this window is closed";
    let button = button.on_hover_text(hint);
    if button.on_disabled_hover_text(why_not.unwrap_or_default()).clicked() {
        commands.push(TrainCommand::RunOn);
    }
}

/// The cards above the runs of the project.
pub(super) fn list_ui(ui: &mut Ui, train: &mut TrainState, commands: &mut Commands) {
    let mut picked = None;
    for run in &train.away {
        let is_selected = train.away_selected.as_ref() == Some(&run.bundle);
        card_ui(ui, |ui| {
            title_row_ui(ui, run.name(), |ui| {
                chip_ui(ui, tone(&run.status), None, run.status_name());
            });
            let words = if run.words.is_empty() { "Elsewhere" } else { &run.words };
            ui.add(Label::new(theme::muted(ui, words)).wrap());
            ui.add(Label::new(run.numbers()).wrap());
            ui.horizontal_wrapped(|ui| {
                let show = ActionButton::new("Curves and log").icon(icons::TRAIN);
                let show = ui.add_enabled(!is_selected, show);
                if show.accessible_name(format!("Curves and log of {}", run.name())).clicked() {
                    picked = Some(run.bundle.clone());
                }
                buttons_ui(ui, run, commands);
            });
        });
        ui.add_space(theme::GAP_SMALL);
    }
    if let Some(bundle) = picked {
        train.select_away(bundle);
    }
}

fn tone(status: &AwayStatus) -> Tone {
    match status {
        AwayStatus::Starting | AwayStatus::Running | AwayStatus::Stopping => Tone::Accent,
        AwayStatus::Lost(_) => Tone::Rejected,
        AwayStatus::Finished => Tone::Chosen,
        AwayStatus::Died(_) | AwayStatus::Failed(_) => Tone::Problem,
    }
}

fn buttons_ui(ui: &mut Ui, run: &AwayRun, commands: &mut Commands) {
    if run.is_running() {
        let can_stop = !matches!(run.status, AwayStatus::Starting | AwayStatus::Stopping);
        let stop = ui.add_enabled(can_stop, ActionButton::new("Stop it there").icon(icons::STOP));
        let hint = "Stops the run on that machine. What it has saved can be imported";
        if stop.on_hover_text(hint).clicked() {
            commands.push(TrainCommand::StopAway(run.bundle.clone()));
        }
    }
    if run.has_results() {
        let import = ActionButton::primary("Import its results").icon(icons::DOWNLOAD);
        let hint = "They become a run of this project; its held-out rows are evaluated here, too";
        if ui.add(import).on_hover_text(hint).clicked() {
            commands.push(TrainCommand::ImportAway(run.bundle.clone()));
        }
    }
    let folder = ActionButton::only_icon(icons::FOLDER, "Show the folder");
    if ui.add(folder).clicked() {
        commands.push(WindowCommand::Reveal(run.bundle.clone()));
    }
    let can_leave = !run.is_running() || matches!(run.status, AwayStatus::Lost(_));
    if can_leave {
        let leave = ActionButton::only_icon(icons::CLOSE, "Take it off the list");
        let hint = "Its folder stays, and so does whatever runs there";
        if ui.add(leave).on_hover_text(hint).clicked() {
            commands.push(TrainCommand::ForgetAway(run.bundle.clone()));
        }
    }
}

/// One of them: how far it is, what it says, its curves.
pub(super) fn away_ui(ui: &mut Ui, train: &mut TrainState, commands: &mut Commands) {
    let TrainState { away, away_selected, span, .. } = train;
    let Some(run) = away.iter().find(|run| Some(&run.bundle) == away_selected.as_ref()) else {
        return;
    };
    let mut back = false;
    ScrollArea::vertical().id_salt("train_away").auto_shrink(false).show(ui, |ui| {
        let p = theme::palette(ui);
        card_ui(ui, |ui| {
            let headline = match run.status {
                AwayStatus::Running if run.live.steps_done() == 0 => "Starting there…".to_owned(),
                AwayStatus::Running => run.live.headline(),
                _ => format!("{} · {}", run.status_name(), run.numbers()),
            };
            title_row_ui(ui, &headline, |ui| {
                back = ui.add(ActionButton::only_icon(icons::CLOSE, "Close")).clicked();
            });
            let fraction = run.live.fraction().filter(|_| run.live.steps_done() > 0);
            ui.visuals_mut().extreme_bg_color = p.raised_press;
            let bar = ProgressBar::new(fraction.unwrap_or(0.0)).desired_height(6.0).fill(p.accent);
            ui.add(bar).accessible_name(format!("Training elsewhere: {}", run.numbers()));
            let words = format!("{} · {}", run.name(), run.words);
            ui.add(Label::new(theme::muted(ui, words)).wrap());
            if let Some(problem) = run.problem() {
                ui.add(Label::new(RichText::new(problem).color(p.rejected)).wrap());
            }
            ui.horizontal_wrapped(|ui| buttons_ui(ui, run, commands));
        });
        if !run.lines.is_empty() {
            ui.add_space(theme::GAP_SMALL);
            lines_ui(ui, &run.lines);
        }
        if run.live.steps_done() > 0 {
            let live = &run.live;
            let (objective, steps_planned) = (live.objective, live.steps_planned);
            let drawn =
                Drawn { curves: &live.curves, objective, start: live.loss_at_start, steps_planned };
            curves_ui(ui, drawn, span);
        } else if run.is_running() {
            let words = "The curves begin with the first step that is logged there.";
            ui.add(Label::new(theme::muted(ui, words)).wrap());
        }
    });
    if back {
        *away_selected = None;
    }
}

fn lines_ui(ui: &mut Ui, lines: &str) {
    ui.label(theme::muted(ui, "The last lines of its log"));
    let p = theme::palette(ui);
    let frame = Frame::new().fill(p.raised).corner_radius(theme::CONTROL_RADIUS);
    frame.inner_margin(Margin::symmetric(10, 8)).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.add(Label::new(theme::number(lines)).wrap());
    });
}
