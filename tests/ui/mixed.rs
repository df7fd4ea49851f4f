//! A mix of files in Train's form, and what was measured of each.

use std::path::PathBuf;

use egui_kittest::kittest::Queryable as _;
use tuning_fork::state::command::{Command, TrainCommand};
use tuning_fork::state::train::TrainState;
use tuning_fork::train::config::Objective;
use tuning_fork::train::config::metric::Metric;
use tuning_fork::train::config::mix::MixSource;
use tuning_fork::train::record::metrics::{EvalMetrics, SourceMetrics, StepMetrics, TrainEvent};

use crate::train::{open, tiny_model, with_pairs};

fn mixed(share: f64) -> TrainState {
    let mut train = with_pairs(60);
    train.form.mix.push(MixSource::of(PathBuf::from("in/neutral.jsonl"), share));
    train
}

#[test]
fn a_file_is_mixed_in_with_its_share_and_left_out_again() {
    let mut panel = open(mixed(0.25), tiny_model());
    panel.get_by_label("+ neutral");
    let words = "75 % of the rows are your data's; measure_forgetting, under Measuring, shows what the mix does";
    panel.get_by_label(words);
    // 20 rows go with 60 pairs.
    panel.get_by_label("80 rows: 64 to train on, 16 held out · 60 steps of 4 rows");
    panel.run();
    assert_eq!(panel.state().train.form.mix[0].share, 0.25, "looking changes nothing");
    let named = panel.state().train.run_config();
    assert_eq!(named.source_names(), ["project pairs", "neutral"]);
    panel.get_by_label("Leave out neutral").click();
    panel.run();
    panel.get_by_label("60 pairs: 48 to train on, 12 held out · 60 steps of 4 pairs");
    panel.get_by_label("Mix in another file…").click();
    panel.run();
    assert_eq!(panel.state().asked, [Command::Train(TrainCommand::ChooseMix)]);
}

#[test]
fn shares_that_leave_nothing_are_said_beside_the_files() {
    let mut train = mixed(0.6);
    train.form.mix.push(MixSource::of(PathBuf::from("earlier.jsonl"), 0.4));
    let panel = open(train, tiny_model());
    // Beside the files, and beside Start.
    assert_eq!(panel.query_all_by_label_contains("has shares that add up to 1.000").count(), 2);
}

#[test]
fn what_reads_one_text_or_one_table_has_no_mix() {
    for objective in [Objective::Pretrain, Objective::Classify] {
        let mut train = with_pairs(60);
        train.form = tuning_fork::train::config::TrainConfig::suggested(objective);
        let panel = open(train, tiny_model());
        assert!(panel.query_by_label("Mix in another file…").is_none(), "{objective:?}");
    }
}

#[test]
fn the_held_out_rows_of_each_file_are_told_apart() {
    let mut train = mixed(0.1);
    train.begin("first-run");
    train.on_event(TrainEvent::Planned { steps: 20, train_rows: 54, held_out_rows: 13 });
    let evaluated = |step, losses: [f64; 2]| {
        let files = ["pairs", "neutral"].into_iter().zip(losses);
        let sources = files.map(|(name, loss)| SourceMetrics {
            name: name.to_owned(),
            pair_count: 12,
            values: [(Metric::Loss, loss)].into(),
        });
        TrainEvent::Evaluated(EvalMetrics {
            step,
            sources: sources.collect(),
            ..EvalMetrics::default()
        })
    };
    train.on_event(evaluated(0, [2.5, 3.125]));
    let values = [(Metric::Loss, 1.5)].into();
    train.on_event(TrainEvent::Step(StepMetrics { step: 10, values, ..StepMetrics::default() }));
    train.on_event(evaluated(10, [1.25, 3.0]));
    let panel = open(train, tiny_model());
    panel.get_by_label("Held out, file by file");
    for words in ["loss, first", "loss, last", "neutral", "2.500", "3.125", "1.250", "3.000"] {
        panel.get_by_label(words);
    }
    panel.get_by_label_contains("54 rows to train on");
    // There is room for the whole name, which is not cut.
    let cut = panel.get_all_by_label("neutral").map(|name| name.rect().width()).fold(0.0, f32::max);
    assert!(cut > 48.0, "{cut}");
}
