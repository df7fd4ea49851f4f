//! Training on rewards: the rules are set up in the form, the leash is moved while the run goes on, and the last
//! answers are there with what each of them was worth.

use egui_kittest::kittest::Queryable as _;
use tuning_fork::state::command::{Command, TrainCommand};
use tuning_fork::train::config::Objective;
use tuning_fork::train::config::metric::Metric;
use tuning_fork::train::config::rewards::Rule;
use tuning_fork::train::record::metrics::{StepMetrics, TrainEvent};
use tuning_fork::train::record::round::{Answered, Round};

use crate::train::{open, tiny_model, with_pairs};

fn answered(line: usize, prompt: &str, answer: &str, advantage: f64) -> Answered {
    Answered {
        line,
        prompt: prompt.to_owned(),
        answer: answer.to_owned(),
        is_ended: advantage < 1.0,
        rewards: vec![Some(advantage / 2.0)],
        reward: Some(advantage / 2.0),
        advantage,
        ..Answered::default()
    }
}

#[test]
fn rules_are_added_and_taken_out_and_what_is_missing_is_said() {
    let mut harness = open(with_pairs(60), tiny_model());
    harness.get_by_label("GRPO").click();
    harness.run();
    let form = &harness.state().train.form;
    assert_eq!(form.objective, Objective::Grpo);
    assert_eq!((form.held_out_share, form.rewards.len()), (0.0, 1));
    assert!(matches!(form.rewards[0].rule, Rule::Length { .. }));
    assert_eq!(form.problems().iter().filter(|found| found.field == "rewards").count(), 0);
    harness.get_by_label("Pays for the length of the answer");
    harness.get_by_label("Add a reward").click();
    harness.run();
    assert_eq!(harness.state().train.form.rewards.len(), 2);
    // A pattern is not there yet.
    assert!(harness.get_all_by_label_contains("give a pattern to look for").count() > 0);
    harness.get_by_label("Without regex").click();
    harness.run();
    assert_eq!(harness.state().train.form.rewards.len(), 1);
    harness.get_by_label("DPO").click();
    harness.run();
    assert!(harness.query_by_label("Add a reward").is_none());
    assert!(harness.state().train.form.held_out_share > 0.0);
}

#[test]
fn the_last_answers_are_shown_with_their_rewards_and_the_leash_moves() {
    let mut train = with_pairs(60);
    train.form.objective = Objective::Grpo;
    train.form.beta = 0.05;
    train.begin("first-run");
    train.on_event(TrainEvent::Planned { steps: 30, train_rows: 60, held_out_rows: 0 });
    let answers = vec![
        answered(1, "Why is the sky blue?", "Light.", -1.0),
        answered(1, "Why is the sky blue?", "Because blue light is scattered most of all.", 1.0),
    ];
    let rewards = vec!["length".to_owned()];
    let round = Round { round: 2, beta: 0.05, rewards, answers };
    train.on_event(TrainEvent::Answered(Box::new(round)));
    let values = [
        (Metric::Loss, 0.01),
        (Metric::Reward, 0.25),
        (Metric::Kl, 0.125),
        (Metric::CompletionsMeanLength, 31.5),
    ];
    let step = StepMetrics { step: 3, values: values.into(), ..StepMetrics::default() };
    train.on_event(TrainEvent::Step(step));
    let mut harness = open(train, tiny_model());
    harness.get_by_label("Answers of round 3");
    harness.get_by_label("Why is the sky blue?");
    harness.get_by_label("+1.00");
    harness.get_by_label("-1.00");
    harness.get_by_label("Because blue light is scattered most of all. (cut)");
    harness.get_by_label("Reward plot: training 0.250");
    harness.get_by_label("KL plot: 0.125");

    // The answers of the next round are being written: the step goes on.
    let what = "Sampling answers".to_owned();
    harness.state_mut().train.on_event(TrainEvent::Preparing {
        what,
        done: 512,
        total: 2048,
        unit: "tokens",
        secs_left: None,
    });
    harness.run();
    harness.get_by_label_contains("Sampling answers · 512 of 2,048 tokens");

    let leashes = harness.get_all_by_label("beta").count();
    assert!(leashes >= 1);
    harness.state_mut().asked.clear();
    let live = harness.state_mut().train.live.as_mut().unwrap();
    assert_eq!(live.leash, Some(0.05));
    let slider = harness.get_all_by_label("beta").last().unwrap();
    slider.focus();
    harness.key_press(eframe::egui::Key::ArrowRight);
    harness.run();
    let asked = &harness.state().asked;
    let moved = asked.iter().any(
        |command| matches!(command, Command::Train(TrainCommand::Leash(beta)) if *beta > 0.05),
    );
    assert!(moved, "{asked:?}");
    harness.get_by_label_contains("The round under way has beta 0.05");
}
