//! A model on a server in place of the loaded one.

use tuning_fork::app::tasks::answer::Answering;
use tuning_fork::app::tasks::probe_server::{ProbeServer, Probed};
use tuning_fork::app::work::Held;
use tuning_fork::hub::account::vault::Secret;
use tuning_fork::llm::generate::sampling::SamplingParams;
use tuning_fork::llm::generate::{GenerateEvent, GenerateRequest, Prompt, ToldToken};
use tuning_fork::remote::ability;
use tuning_fork::remote::probe::{Ability, Exactness, Probe};
use tuning_fork::state::AppState;
use tuning_fork::state::command::{
    Command, ModelsCommand, PlaygroundCommand, TrainCommand, ViewCommand,
};
use tuning_fork::state::prefs::PanelId;
use tuning_fork::state::slots::ModelSlot;

use crate::support::{Window, empty_state};
use crate::whole_app::App;

/// As vLLM would be found: chats with the 20 likeliest tokens, and top-k.
fn probe() -> Probe {
    let ability = |name: &'static str, has: bool| {
        let detail = if has { "it holds" } else { "404: no such path" };
        Ability { name, has, detail: detail.to_owned() }
    };
    Probe {
        address: "http://gpu.example:8000/v1".to_owned(),
        model: "large".to_owned(),
        models: vec!["large".to_owned(), "small".to_owned()],
        abilities: vec![
            ability(ability::CHAT, true),
            ability(ability::CHAT_LOGPROBS, true),
            ability(ability::LABELS, false),
            ability(ability::TOP_K, true),
            ability(ability::REPETITION_PENALTY, false),
            ability(ability::SEED, true),
        ],
        exactness: Exactness::TopOnly,
        chat_top: 20,
        ..Probe::default()
    }
}

pub fn state(panel: PanelId) -> AppState {
    let mut state = empty_state();
    state.prefs.panel = panel;
    state.model = ModelSlot::Remote(probe().into());
    state
}

#[test]
fn a_server_is_looked_at_before_its_model_is_used() {
    let mut state = empty_state();
    state.prefs.panel = PanelId::Models;
    let mut window = Window::new(state);
    window.click("A model on a server…");
    assert!(window.sees("go to this server"));
    window.state().models.remote.address = "gpu.example:8000".to_owned();
    window.run();
    window.click("Look at the server");
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::ProbeServer)]);
    window.state().models.remote.found = Some(probe().into());
    window.state().models.remote.model = "large".to_owned();
    window.run();
    for words in [
        "Approximate: it gives the probabilities of the likeliest tokens only",
        "What it can do: 4 of 6",
        "no probabilities of labels",
        "404: no such path",
    ] {
        assert!(window.sees(words), "{words}: {}", window.tree());
    }
    window.press_unseen("Use this model");
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::UseServer)]);
}

#[test]
fn what_needs_the_weights_says_why_it_is_not_there() {
    let window = Window::new(state(PanelId::LookInside));
    assert!(window.sees("a server sends neither"), "{}", window.tree());
    let window = Window::new(state(PanelId::Train));
    assert!(window.sees("The weights of a model on a server are not here"), "{}", window.tree());
    let mut branches = state(PanelId::Playground);
    branches.playground.view = tuning_fork::state::playground::view::PlaygroundView::Branches;
    assert!(Window::new(branches).sees("load a model for this view"));
}

#[test]
fn answers_of_a_server_show_its_likeliest_tokens_as_approximate_and_the_settings_that_it_lacks() {
    let mut state = state(PanelId::Playground);
    state.playground.prompt = "Capital of France?".to_owned();
    let request = state.playground.request(&state.prefs, &state.model, &state.adapter).unwrap();
    let SamplingParams { top_k, repetition_penalty, .. } = request.sampling;
    assert_eq!((top_k, repetition_penalty), (50, 1.0), "what the server lacks is not asked for");
    state.playground.started(&request);
    let token = ToldToken {
        text: "Paris".to_owned(),
        logprob: Some(-0.25),
        top: vec![("Paris".to_owned(), -0.25), ("Lyon".to_owned(), -2.0)],
        is_rest: false,
    };
    state.playground.on_event(GenerateEvent::Told { lane: 0, token }, 1.0);
    // What the server held back until the end is no second token.
    let token = ToldToken { text: "!".to_owned(), is_rest: true, ..ToldToken::default() };
    state.playground.on_event(GenerateEvent::Told { lane: 0, token }, 2.0);
    let lane = &state.playground.lanes[0];
    assert_eq!((lane.text().as_str(), lane.tokens.len(), lane.told.len()), ("Paris!", 1, 1));
    state.playground.finished();
    let window = Window::new(state);
    for words in [
        "Top 20 of the server, approximate",
        "Lyon: 13.5",
        "All other tokens have 8.6 % together",
        "Not used, because the server does not compute it: repetition penalty 1.1",
    ] {
        assert!(window.sees(words), "{words}: {}", window.tree());
    }
    let tree = window.tree();
    let line = |name: &str| tree.lines().find(|line| line.contains(name)).unwrap_or_default();
    assert!(line("Repetition penalty").contains("disabled"), "{tree}");
    assert!(!line("Top-k").contains("disabled"), "{tree}");
}

#[test]
fn a_server_takes_the_place_of_the_model_and_its_key_goes_into_the_keyring() {
    let mut app = App::with_model();
    let remote = &mut app.harness.state_mut().state.models.remote;
    remote.address = "gpu.example:8000".to_owned();
    remote.key = " secret ".to_owned();
    app.ask(Command::Models(ModelsCommand::ProbeServer));
    let Held { request, feeder } = app.script.borrow_mut().take::<ProbeServer>().expect("asked");
    assert_eq!(
        (request.address.as_str(), request.key.as_deref()),
        ("gpu.example:8000", Some("secret"))
    );
    let keys = "{\"http://gpu.example:8000/v1\":\"secret\"}".to_owned();
    feeder.finish(Ok(Probed { probe: probe(), keys: Some(keys.clone()) }));
    app.run();
    app.script.borrow_mut().keyring_answers(Ok(()));
    assert_eq!(app.script.borrow().secrets[&Secret::Servers], keys);
    let state = &app.harness.state().state;
    assert!(state.models.remote.key.is_empty() && state.model.ready().is_some());
    assert_eq!(state.prefs.server, "http://gpu.example:8000/v1");
    app.ask(Command::Models(ModelsCommand::UseServer));
    assert!(app.harness.state().state.model.remote().is_some());
    // Nothing is trained, and a question goes to the server.
    app.ask(Command::Train(TrainCommand::Start));
    assert!(app.script.borrow().started::<tuning_fork::app::tasks::train::Train>().is_none());
    app.harness.state_mut().state.playground.prompt = "Hello".to_owned();
    app.ask(Command::Playground(PlaygroundCommand::Generate));
    let Held { request, .. } = app.script.borrow_mut().take::<Answering>().expect("an answer");
    let GenerateRequest { prompt: Prompt::Chat(messages), lanes, .. } = request.request else {
        panic!()
    };
    assert_eq!((messages.len(), lanes.len()), (1, 1));
    app.ask(Command::Models(ModelsCommand::Unload));
    assert!(!app.harness.state().state.model.answers());
}

#[test]
fn a_verdict_names_the_server_and_no_hash() {
    let mut app = App::with_model();
    app.harness.state_mut().state.models.remote.found = Some(probe().into());
    app.ask(Command::Models(ModelsCommand::UseServer));
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Annotate)));
    app.click("Use the sample prompts");
    let lanes =
        app.script.borrow().started::<Answering>().expect("asked").request.request.lanes.len();
    assert_eq!(lanes, 2);
    app.answer_pair();
    app.click("Left is better (1)");
    let verdicts = app.pairs();
    let model = &verdicts[0]["model"];
    assert_eq!(model["server"], "http://gpu.example:8000/v1");
    assert_eq!((&model["name"], &model["sha256"]), (&"large".into(), &"".into()));
    let sampling = &verdicts[0]["sampling"];
    assert_eq!(sampling["repetition_penalty"], 1.0, "{sampling}");
}
