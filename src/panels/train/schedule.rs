//! How the learning rate moves: the schedule, and the settings that it has.

use eframe::egui::Ui;

use super::fields::{Problems, choice_ui, number_row_ui, row_ui};
use crate::train::config::TrainConfig;
use crate::train::config::scheduler::{SCHEDULERS, SchedulerKwargs, SchedulerType};

pub(super) fn schedule_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    let hint = "How the learning rate moves over the steps, by transformers' names";
    let before = config.lr_scheduler_type;
    row_ui(ui, "lr_scheduler_type", hint, |ui| {
        choice_ui(ui, "lr_scheduler_type", &mut config.lr_scheduler_type, &SCHEDULERS, hint);
    });
    if before != config.lr_scheduler_type {
        // Settings are the schedule's own; what it cannot do without is filled in.
        config.lr_scheduler_kwargs = match config.lr_scheduler_type {
            SchedulerType::CosineWithMinLr | SchedulerType::CosineWarmupWithMinLr => {
                SchedulerKwargs { min_lr_rate: Some(0.1), ..SchedulerKwargs::default() }
            }
            SchedulerType::WarmupStableDecay => {
                SchedulerKwargs { num_decay_steps: Some(20), ..SchedulerKwargs::default() }
            }
            _ => SchedulerKwargs::default(),
        };
    }
    let kwargs = &mut config.lr_scheduler_kwargs;
    let usual_cycles = match config.lr_scheduler_type {
        SchedulerType::CosineWithRestarts => 1.0,
        _ => 0.5,
    };
    for key in config.lr_scheduler_type.takes() {
        match *key {
            "num_cycles" if config.lr_scheduler_type != SchedulerType::WarmupStableDecay => {
                let hint = "How often the cosine goes down and up; half a cycle ends at the bottom";
                number(ui, (key, hint), &mut kwargs.num_cycles, usual_cycles, 1000.0);
            }
            "min_lr_rate" if kwargs.min_lr.is_none() => {
                let hint = "The share of the learning rate that is left at the end";
                number(ui, (key, hint), &mut kwargs.min_lr_rate, 0.0, 1.0);
            }
            "lr_end" => {
                let hint = "The learning rate at the end";
                number(ui, (key, hint), &mut kwargs.lr_end, 1e-7, 1.0);
            }
            "power" => {
                let hint = "1: a straight line; 2: falls fast at first";
                number(ui, (key, hint), &mut kwargs.power, 1.0, 100.0);
            }
            "num_decay_steps" => {
                let hint = "Steps at the end over which the learning rate falls";
                let mut steps = kwargs.num_decay_steps.unwrap_or(0);
                number_row_ui(ui, key, hint, &mut steps, 0..=1_000_000);
                kwargs.num_decay_steps = Some(steps);
            }
            "min_lr_ratio" => {
                let hint = "The share of the learning rate that it begins and ends with";
                number(ui, (key, hint), &mut kwargs.min_lr_ratio, 0.0, 1.0);
            }
            _ => {} // a run file's
        }
    }
    problems.show_named(ui, "lr_scheduler_kwargs");
}

/// A setting that is left out where it is transformers' default.
fn number(ui: &mut Ui, (key, hint): (&str, &str), value: &mut Option<f64>, usual: f64, most: f64) {
    let mut shown = value.unwrap_or(usual);
    number_row_ui(ui, key, hint, &mut shown, 0.0..=most);
    if value.is_some() || shown != usual {
        *value = Some(shown);
    }
}
