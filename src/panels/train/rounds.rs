//! Rounds of preference learning: those in a row, and the form of the next one.

use std::path::Path;

use eframe::egui::{Grid, Label, ScrollArea, TextEdit, Ui, Vec2};

use super::fields::{check_ui, number_row_ui, number_ui, row_ui, section_ui, small_button_ui};
use super::policy::rewards_ui;
use crate::eval::drift::Moved;
use crate::rounds::chain::InRow;
use crate::rounds::record::{Against, AnswerSettings, RoundRecord, RowDrift};
use crate::state::command::{Commands, TrainCommand, WindowCommand};
use crate::state::train::TrainState;
use crate::state::train::rounds::{RoundsState, Who, file_name};
use crate::train::config::TrainConfig;
use crate::train::config::metric::Metric;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{card_ui, title_row_ui};
use crate::widgets::loss_plot::Mark;
use crate::widgets::plot_numbers::Numbers;
use crate::widgets::range_plot::{Measured, Measurements, RangePlot};
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

pub(super) fn rounds_ui(ui: &mut Ui, train: &mut TrainState, commands: &mut Commands) {
    let others_run = train.is_running() || train.sweep.is_running();
    ScrollArea::vertical().id_salt("train_rounds").auto_shrink(false).show(ui, |ui| {
        let rounds = &mut train.rounds;
        let mut close = false;
        card_ui(ui, |ui| {
            title_row_ui(ui, "Rounds", |ui| {
                close = ui.add(ActionButton::new("Close").icon(icons::CLOSE)).clicked();
            });
            let words = "A run's model answers new prompts, its answers are compared, and the next run goes on from \
                         its adapter. What the next policy is held to is the model with that adapter, as TRL has it \
                         for an adapter that is trained further.";
            ui.add(Label::new(theme::muted(ui, words)).wrap());
            ui.add_space(theme::GAP);
            match &rounds.row {
                None => {
                    ui.add(Label::new(theme::muted(ui, "Reading the runs…")));
                }
                Some(row) => {
                    in_row_ui(ui, row);
                    drift_ui(ui, row, rounds.under_way.is_some() || others_run, commands);
                }
            }
        });
        if let Some(row) = &rounds.row {
            if row.len() > 1 {
                ui.add_space(theme::GAP);
                plot_ui(ui, row);
            }
            ui.add_space(theme::GAP);
            next_ui(ui, rounds, others_run, commands);
        }
        if close {
            train.rounds.close();
        }
    });
}

/// A line for each round; what is not known of any of them has no column.
fn in_row_ui(ui: &mut Ui, row: &[InRow]) {
    let columns: Vec<Column> = columns(row)
        .into_iter()
        .filter(|column| column.cells.iter().any(|(words, _)| !words.is_empty()))
        .collect();
    ScrollArea::horizontal().id_salt("rounds in a row").show(ui, |ui| {
        let spacing = Vec2::new(theme::GAP_LARGE, 4.0);
        Grid::new("rounds").num_columns(columns.len()).spacing(spacing).show(ui, |ui| {
            for Column { head, explanation, .. } in &columns {
                let label = ui.label(theme::muted(ui, *head));
                if !explanation.is_empty() {
                    label.on_hover_text(*explanation);
                }
            }
            ui.end_row();
            for place in 0..row.len() {
                for Column { head, cells, .. } in &columns {
                    let (words, about) = &cells[place];
                    let is_name = *head == "Run";
                    let label =
                        if is_name { ui.label(words) } else { ui.label(theme::number(words)) };
                    if !about.is_empty() {
                        label.on_hover_text(about);
                    }
                }
                ui.end_row();
            }
        });
    });
}

/// What is said of every round.
struct Column {
    head: &'static str,
    explanation: &'static str,

    /// Of each round what stands there, and more of it.
    cells: Vec<(String, String)>,
}

fn columns(row: &[InRow]) -> Vec<Column> {
    let column = |head, explanation, of: &dyn Fn(&InRow) -> Option<String>| {
        let cells = row.iter().map(|one| (of(one).unwrap_or_default(), String::new()));
        Column { head, explanation, cells: cells.collect() }
    };
    let moved = |head, explanation, of: fn(&RowDrift) -> Option<&Moved>| {
        let cell = |one: &InRow| {
            let moved = one.drift.as_ref().and_then(of);
            let value = |moved: &Moved| format!("{:.4}", moved.per_token.value);
            moved.map(|moved| (value(moved), more_of(moved))).unwrap_or_default()
        };
        Column { head, explanation, cells: row.iter().map(cell).collect() }
    };
    let answered = |one: &InRow| one.answered_in.as_ref().map(|(_, round)| round.clone());
    vec![
        column("Round", "", &|one| Some(one.number.to_string())),
        column("Run", "Its model answered the prompts of the next round", &|one| {
            Some(one.name().to_owned())
        }),
        column("Pairs", "That it learned from and was measured on", &|one| {
            Some((one.run.record.train_rows + one.run.record.held_out_rows).to_string())
        }),
        column(
            "Accuracy",
            "Share of the held-out pairs whose better answer has the higher reward",
            &|one| {
                let share = one.held_out(Metric::RewardsAccuracies)?;
                Some(format!("{:.0} %", share * 100.0))
            },
        ),
        column(
            "Margin",
            "Reward of the chosen minus that of the rejected answer, on the held-out pairs",
            &|one| Some(format!("{:.3}", one.held_out(Metric::RewardsMargins)?)),
        ),
        column(
            "Win rate",
            "Its answers to the next round's prompts against those of the round before, by the judge of that \
             round; a tie counts half. 95 % interval (Wilson)",
            &|one| one.against().and_then(Against::words),
        ),
        column(
            "Words",
            "Of an answer, on average: longer from round to round is the usual drift",
            &|one| Some(format!("{:.1}", answered(one)?.mean_words)),
        ),
        column("Reward", "That the rules of the next round gave an answer", &|one| {
            Some(format!("{:.3}", answered(one)?.mean_reward?))
        }),
        moved(
            "KL to first",
            "From what the first run was held to, a token, in nats",
            RowDrift::to_first,
        ),
        moved(
            "KL to before",
            "From the policy of the round before, a token, in nats",
            RowDrift::to_before,
        ),
    ]
}

/// How far a policy is from another one, beside the number of a token.
fn more_of(moved: &Moved) -> String {
    let Moved { name, per_answer, k3_per_token, .. } = moved;
    format!(
        "From {name}. An answer: {:.3} nats ({:.3} to {:.3}). A token by Schulman's k3, as TRL's GRPO reports it: \
         {:.4} ({:.4} to {:.4})",
        per_answer.value,
        per_answer.low,
        per_answer.high,
        k3_per_token.value,
        k3_per_token.low,
        k3_per_token.high
    )
}

/// How far each policy has moved and what that is, and how what is missing of it is measured.
fn drift_ui(ui: &mut Ui, row: &[InRow], is_busy: bool, commands: &mut Commands) {
    let measured: Vec<(&InRow, &RowDrift)> =
        row.iter().filter_map(|one| Some((one, one.drift.as_ref()?))).collect();
    if let Some((_, last)) = measured.last() {
        ui.add_space(theme::GAP_SMALL);
        let words =
            format!("{}. A token, with a 95 % interval over prompts:", last.drift.estimator);
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        for (one, drift) in &measured {
            let words = format!("Round {}: {}. {}", one.number, drift.words(), drift.on_what());
            ui.add(Label::new(words).wrap());
        }
    }
    if row.iter().any(InRow::lacks_drift) {
        ui.add_space(theme::GAP_SMALL);
        let measure = ActionButton::new("Measure the KL").icon(icons::PLAY);
        let hint = "How far each policy has moved from what the first run was held to, and from the round before: it \
                    answers the held-out prompts of its run. Seconds to minutes";
        let measure = measure.add_enabled(ui, !is_busy).on_hover_text(hint);
        let reason = "A run or a round is under way: wait for it or stop it";
        if measure.on_disabled_hover_text(reason).clicked() {
            commands.push(TrainCommand::MeasureDrift);
        }
    }
}

/// Held-out accuracy and win rate from round to round.
fn plot_ui(ui: &mut Ui, row: &[InRow]) {
    let p = theme::palette(ui);
    let at = |one: &InRow| one.number as f64;
    let accuracy = row.iter().filter_map(|one| {
        let mean = one.held_out(Metric::RewardsAccuracies)?;
        Some(Measured { x: at(one), mean, interval: None, singles: Vec::new() })
    });
    let wins = row.iter().filter_map(|one| {
        let (mean, low, high) = one.against()?.win_rate()?;
        Some(Measured { x: at(one), mean, interval: Some((low, high)), singles: Vec::new() })
    });
    let series = |name: &str, color, mark, points| Measurements {
        name: name.to_owned(),
        color,
        mark,
        points,
    };
    let measurements = vec![
        series("held-out accuracy", p.accent, Mark::Circles, accuracy.collect::<Vec<_>>()),
        series("win rate over the round before", p.chosen, Mark::Diamonds, wins.collect()),
    ];
    let said: Vec<String> = measurements
        .iter()
        .flat_map(|one| {
            let name = &one.name;
            one.points.iter().map(move |point| format!("{name} {}: {:.2}", point.x, point.mean))
        })
        .collect();
    RangePlot {
        title: "From round to round",
        explanation: "Each round has held-out pairs of its own, so accuracies of two rounds are not of the same rows; \
                      the win rate is of the same prompts",
        x_name: "Round",
        measurements,
        lines: Vec::new(),
        places: Vec::new(),
        numbers: Numbers::Percent,
        marks: row.iter().map(at).collect(),
        x_words: Box::new(|x| format!("{x:.0}")),
        spoken: format!("From round to round plot: {}", said.join(", ")),
        height: theme::em(ui) * 11.0,
    }
    .show(ui);
}

/// What has been made after the last run, or the form of it.
fn next_ui(ui: &mut Ui, rounds: &mut RoundsState, others_run: bool, commands: &mut Commands) {
    let Some(last) = rounds.last().cloned() else { return };
    card_ui(ui, |ui| {
        title_row_ui(ui, &format!("Round {}", last.number + 1), |_| ());
        if let Some((folder, record)) = &last.answered_in {
            made_ui(ui, (folder, record), others_run, commands);
            ui.add_space(theme::GAP);
            section_ui(ui, "Another one from the same run");
        }
        form_ui(ui, rounds, commands);
    });
}

fn made_ui(
    ui: &mut Ui,
    (folder, record): (&Path, &RoundRecord),
    others_run: bool,
    commands: &mut Commands,
) {
    for sentence in record.sentences() {
        ui.add(Label::new(sentence).wrap());
    }
    ui.horizontal_wrapped(|ui| {
        if record.judged_by.is_none() {
            let label = ActionButton::primary("Compare them in Annotate").icon(icons::ANNOTATE);
            let hint = "Both answers to each prompt, blind. The verdicts are kept in the project";
            if ui.add(label).on_hover_text(hint).clicked() {
                commands.push(TrainCommand::LabelRound(folder.to_owned()));
            }
            let take = ActionButton::new("Take the verdicts").icon(icons::DONE);
            let hint = "What was said of these answers becomes the pairs of the round";
            if ui.add(take).on_hover_text(hint).clicked() {
                commands.push(TrainCommand::TakeVerdicts(folder.to_owned()));
            }
        } else if record.pairs > 0 {
            let use_it = ActionButton::primary("Set up the next run").icon(icons::TRAIN);
            let hint = "The settings of the last run with these pairs go into the form; it goes on from the adapter";
            let response = use_it.add_enabled(ui, !others_run).on_hover_text(hint);
            let reason = "A run is under way: wait for it or stop it";
            if response.on_disabled_hover_text(reason).clicked() {
                commands.push(TrainCommand::UseRound(folder.to_owned()));
            }
        }
        let show = ActionButton::new("Show the folder").icon(icons::FOLDER);
        if ui.add(show).clicked() {
            commands.push(WindowCommand::Reveal(folder.to_owned()));
        }
    });
}

fn form_ui(ui: &mut Ui, rounds: &mut RoundsState, commands: &mut Commands) {
    if let Some(under_way) = &rounds.under_way {
        ui.add(Label::new(under_way.sentence()).wrap());
        let words = if under_way.is_measuring() { "Stop measuring" } else { "Stop the round" };
        let stop = ActionButton::new(words).icon(icons::STOP);
        if stop.add_enabled(ui, !under_way.is_stopping).clicked() {
            commands.push(TrainCommand::StopRound);
        }
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.label("Prompts");
        let words = rounds.prompts.as_deref().map_or_else(|| "none yet".to_owned(), file_name);
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        let choose = ActionButton::new("Choose prompts…").icon(icons::FOLDER);
        let hint = "A line of text each, or a table with a column prompt. Those that an earlier round has used are \
                    left out";
        if ui.add(choose).on_hover_text(hint).clicked() {
            commands.push(TrainCommand::ChooseRoundPrompts);
        }
    });
    let segments = [
        Segment {
            value: Who::Person,
            words: "A person",
            explanation: "You compare the answers in Annotate, blind",
        },
        Segment {
            value: Who::Rewards,
            words: "Rewards",
            explanation: "Rules or a reward model, as in GRPO: the answer that is paid more is better",
        },
        Segment {
            value: Who::Model,
            words: "The model",
            explanation: "The model without its adapter is asked in both orders; a verdict that changes with the \
                          order is a tie",
        },
    ];
    ui.horizontal_wrapped(|ui| {
        ui.label("Who compares");
        segmented_ui(ui, &mut rounds.who, &segments);
    });
    match rounds.who {
        Who::Person => {}
        Who::Rewards => rewards_ui(ui, &mut rounds.rewards),
        Who::Model => {
            ui.horizontal_wrapped(|ui| {
                let label = ui.label("Criterion");
                let field = TextEdit::singleline(&mut rounds.criterion)
                    .hint_text("what makes an answer better")
                    .desired_width(theme::em(ui) * 24.0);
                ui.add(field).labelled_by(label.id);
            });
        }
    }
    let settings = &mut rounds.settings;
    ui.scope(|ui| {
        ui.set_max_width(theme::em(ui) * 24.0); // a number stands near its name
        settings_ui(ui, settings);
    });
    if rounds.who != Who::Person {
        let hint = "The model that the last run began with answers the prompts too, and is compared with it: a third \
                    more work";
        check_ui(ui, &mut rounds.against, "Win rate over the round before", hint);
    }
    let problem = rounds.problem();
    ui.horizontal_wrapped(|ui| {
        let words = if rounds.who == Who::Person { "Answer them" } else { "Answer and compare" };
        let make = ActionButton::primary(words).icon(icons::PLAY);
        let response = make.add_enabled(ui, problem.is_none());
        let response = match &problem {
            Some(problem) => response.on_disabled_hover_text(problem),
            None => response,
        };
        if response.clicked() {
            commands.push(TrainCommand::MakeRound);
        }
    });
    if let Some(problem) = &problem {
        ui.add(Label::new(theme::muted(ui, problem)).wrap());
    }
}

/// How answers are drawn.
fn settings_ui(ui: &mut Ui, settings: &mut AnswerSettings) {
    let hint = "At most so many prompts from the beginning of the file. 0: all";
    number_row_ui(ui, "Prompts at most (0: all)", hint, &mut settings.most, 0..=100_000);
    let hint = "The longest answer, in tokens";
    number_row_ui(ui, "max_new_tokens", hint, &mut settings.max_new_tokens, 1..=4096);
    row_ui(ui, "temperature", "Higher: the two answers differ more", |ui| {
        number_ui(ui, "temperature", &mut settings.temperature, 0.01..=5.0);
    });
    number_row_ui(ui, "seed", "Of both answers", &mut settings.seed, 0..=1_000_000);
}

/// The adapter that the run in the form goes on from, if it does.
pub(super) fn continued_ui(ui: &mut Ui, config: &mut TrainConfig) {
    let Some(adapter) = &config.adapter else { return };
    let words = format!(
        "It goes on from the adapter {}, and is held to the model with that adapter",
        file_name(adapter)
    );
    ui.add(Label::new(words).wrap());
    let hint = "Forget the adapter that would be trained further";
    if small_button_ui(ui, "Begin a new adapter", hint) {
        config.adapter = None;
    }
}
