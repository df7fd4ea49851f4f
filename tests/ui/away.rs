//! Runs elsewhere: made, started, followed, stopped, found again and taken back.

use std::path::PathBuf;

use tuning_fork::app::tasks::import_run::ImportRun;
use tuning_fork::app::tasks::make_bundle::MakeBundle;
use tuning_fork::app::tasks::run_away::{StartAway, StopAway, WatchAway};
use tuning_fork::app::work::Held;
use tuning_fork::elsewhere::manifest::Manifest;
use tuning_fork::elsewhere::place::{Job, Place, Running};
use tuning_fork::elsewhere::watch::{Ended, Watched};
use tuning_fork::elsewhere::{Engine, Made, Preset};
use tuning_fork::files;
use tuning_fork::state::command::{Command, TrainCommand, ViewCommand};
use tuning_fork::state::prefs::PanelId;
use tuning_fork::state::train::LeftTab;
use tuning_fork::train::config::metric::Metric;
use tuning_fork::train::record::metrics::{StepMetrics, TrainEvent};

use crate::whole_app::App;

fn step(step: usize, loss: f64) -> Watched {
    let values = [(Metric::Loss, loss)].into();
    let step = TrainEvent::Step(StepMetrics { step, values, ..StepMetrics::default() });
    Watched::Train(Box::new(step))
}

fn running() -> Running {
    let place = Place::Host("gpu.example".to_owned());
    Running { place, folder: "~/tuning-fork/one".to_owned(), job: Job::Slurm(7) }
}

#[test]
fn a_run_elsewhere_is_started_followed_stopped_and_taken_back() {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Train)));
    app.harness.state_mut().state.train.run_on.place = "-oProxyCommand=x".to_owned();
    app.ask(Command::Train(TrainCommand::RunOn));
    app.sees("is not a host name");
    app.harness.state_mut().state.train.run_on.place = "gpu.example".to_owned();
    app.ask(Command::Train(TrainCommand::RunOn));
    let Held { request, feeder } = app.script.borrow_mut().take::<MakeBundle>().expect("a bundle");
    let out = request.order.out.clone();
    assert!(out.parent().is_some_and(|folder| folder.ends_with("bundles")), "{out:?}");
    feeder.finish(Ok(Made {
        out: out.clone(),
        engine: Engine::Trl,
        preset: Preset::OneGpu,
        processes: 1,
        train_rows: 8,
        held_out_rows: 2,
        files: Vec::new(),
        notes: Vec::new(),
        memory: None,
    }));
    app.run();
    let Held { request, feeder } = app.script.borrow_mut().take::<StartAway>().expect("a start");
    assert_eq!((request.bundle, request.slurm), (out.clone(), true));
    feeder.finish(Ok(running()));
    app.run();
    let Held { request, feeder } = app.script.borrow_mut().take::<WatchAway>().expect("a watch");
    assert_eq!(request, out);
    feeder.emit(Watched::Lost("ssh: no route to host".to_owned()));
    app.run();
    app.sees("no route to host");
    let planned = TrainEvent::Planned { steps: 4, train_rows: 8, held_out_rows: 2 };
    for seen in [
        Watched::Train(Box::new(planned)),
        step(1, 0.69),
        step(2, 0.5),
        Watched::Lines("loading the shards".to_owned()),
    ] {
        feeder.emit(seen);
    }
    app.run();
    for words in ["SLURM job 7 on gpu.example", "2 of 4 steps · loss 0.500", "loading the shards"]
    {
        app.sees(words);
    }
    app.ask(Command::Train(TrainCommand::StopAway(out.clone())));
    assert!(app.script.borrow_mut().take::<StopAway>().is_some_and(|held| held.request == out));
    assert!(!feeder.was_cancelled(), "its end is still to be seen");
    let last_lines = "slurmstepd: error: CANCELLED".to_owned();
    feeder.finish(Ok(Ended { status: "143".to_owned(), last_lines }));
    app.run();
    for words in ["exit status 143", "CANCELLED", "ended elsewhere with an error"] {
        app.sees(words);
    }
    app.ask(Command::Train(TrainCommand::ImportAway(out.clone())));
    let Held { request, .. } = app.script.borrow_mut().take::<ImportRun>().expect("an import");
    assert_eq!(request.results, out);
}

#[test]
fn a_window_that_comes_later_follows_what_an_earlier_one_has_started() {
    let project = tempfile::tempdir().unwrap();
    let bundle = project.path().join("bundles").join("2026-11-29-0200-dpo");
    let running = serde_json::to_string(&running()).unwrap();
    let manifest = Manifest { objective: "dpo".to_owned(), ..Manifest::default() };
    let manifest = serde_json::to_string(&manifest).unwrap();
    for (name, text) in [("running.json", &running), ("manifest.json", &manifest)] {
        files::write_atomic(&bundle.join(name), text.as_bytes()).unwrap();
    }
    let mut app = App::with_model_in(project.path());
    let watched: PathBuf =
        app.script.borrow().started::<WatchAway>().expect("it is followed").request.clone();
    assert!(watched.ends_with("bundles/2026-11-29-0200-dpo"), "{watched:?}");
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Train)));
    app.harness.state_mut().state.train.left_tab = LeftTab::Runs;
    app.run();
    app.sees("SLURM job 7 on gpu.example");
    // Whoever takes it off the list does not find it again.
    app.ask(Command::Train(TrainCommand::ForgetAway(watched)));
    assert!(app.harness.state().state.train.away.is_empty());
    let again = App::with_model_in(project.path());
    assert!(again.script.borrow().started::<WatchAway>().is_none());
}
