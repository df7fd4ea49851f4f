//! Chats, prompts and presets of the Playground: found, opened, filled, run, kept.

use std::sync::Arc;

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use tuning_fork::app::tasks::answer::Answering;
use tuning_fork::app::tasks::prepare_prompt::PreparePrompt;
use tuning_fork::app::tasks::run_prompt::RunPrompt;
use tuning_fork::app::work::Held;
use tuning_fork::files;
use tuning_fork::llm::generate::guessing::Guesses;
use tuning_fork::llm::generate::{Answer, GenerateEvent, StopReason, TokenStep};
use tuning_fork::prompts::filled::Filled;
use tuning_fork::prompts::fit::Fit;
use tuning_fork::prompts::library::list;
use tuning_fork::prompts::material::Mode;
use tuning_fork::prompts::run::RunEvent;
use tuning_fork::prompts::tools::ToolUse;
use tuning_fork::prompts::{chats, presets};
use tuning_fork::state::AppState;
use tuning_fork::state::command::{Command, PlaygroundCommand, WindowCommand};
use tuning_fork::state::playground::library::{Prepared, Sheet};
use tuning_fork::state::prefs::{PanelId, Prefs, Theme};

use crate::support::{Window, answer, loaded_state};
use crate::whole_app::App;

const IDS: [u32; 6] = [50, 60, 70, 80, 90, 100];

fn asked() -> AppState {
    let mut state = loaded_state();
    state.prefs.panel = PanelId::Playground;
    state.playground.prompt = "Say hello".to_owned();
    answer(&mut state, &IDS);
    state
}

/// The ready-made prompts are listed, and one is open with its question.
fn with_open(name: &str) -> AppState {
    let mut state = asked();
    let playground = &mut state.playground;
    playground.sheet = Some(Sheet::Prompts);
    playground.library.entries = list(None);
    let entry = playground.library.entries.iter().find(|entry| entry.name == name).unwrap().clone();
    playground.library.open(&entry);
    let open = playground.library.open.as_mut().unwrap();
    open.values.insert("question".to_owned(), "How many are half of 412?".to_owned());
    state
}

fn prepared(state: &mut AppState, fit: Fit) {
    let manner = state.playground.manner(&state.prefs);
    let open = state.playground.library.open.as_mut().unwrap();
    let inputs = open.inputs(manner).unwrap();
    let prepared = Prepared { filled: filled("How many?"), chosen: None, fit };
    open.prepared = Some((inputs, Ok(prepared)));
}

fn filled(prompt: &str) -> Filled {
    Filled {
        mode: Mode::Chat,
        system: String::new(),
        prompt: prompt.to_owned(),
        begin: String::new(),
    }
}

const FITS: Fit = Fit { tokens: 40, context: 2048, max_new_tokens: 200, wanted: 0, fits: Some(0) };

pub fn in_library() -> AppState {
    let mut state = with_open("react");
    state.playground.library.open = None;
    state
}

/// A chain whose model has used a tool.
pub fn in_chain() -> AppState {
    let mut state = with_open("react");
    prepared(&mut state, FITS);
    let open = state.playground.library.open.as_mut().unwrap();
    open.begin_run(None);
    open.on_event(RunEvent::Began { step: 1, prompt: "Answer it".to_owned() });
    let wrote = |text: &str| RunEvent::Wrote { step: 1, text: text.to_owned() };
    open.on_event(wrote(" I halve it.\nAction: "));
    open.on_event(wrote("calculator[412 / 2]"));
    let used = ToolUse {
        tool: "calculator".to_owned(),
        input: "412 / 2".to_owned(),
        output: "206".to_owned(),
        failed: false,
    };
    open.on_event(RunEvent::Used { step: 1, used });
    state
}

pub fn in_chats() -> AppState {
    let mut state = asked();
    state.playground.new_chat();
    state.playground.prompt = "And what is the g-index, in a sentence or two?".to_owned();
    answer(&mut state, &IDS);
    state.playground.sheet = Some(Sheet::Chats);
    state
}

pub fn in_versions() -> AppState {
    let mut state = asked();
    state.playground.ask_again();
    answer(&mut state, &[50, 60]);
    state
}

#[test]
fn another_answer_is_a_version_and_both_can_be_read() {
    let state = in_versions();
    let mut window = Window::new(state);
    assert!(window.sees("Version 2 of 2"));
    assert!(window.sees("2 tokens · 10.0 tokens/s"));
    window.click("The version before");
    assert!(window.sees("Version 1 of 2"));
    assert!(window.sees("6 tokens · 10.0 tokens/s"));
}

#[test]
fn a_turn_is_deleted_in_its_menu_and_put_back() {
    let mut state = asked();
    state.playground.prompt = "And then?".to_owned();
    answer(&mut state, &IDS);
    let mut window = Window::new(state);
    window.click("Turn 1");
    window.click("Delete this turn");
    assert_eq!(window.state().playground.turn_count(), 1);
    assert!(!window.sees("Say hello"));
    window.click("Put the deleted turn back");
    assert!(window.sees("Say hello"));
    window.click("Turn 1");
    window.click("Another answer");
    assert_eq!(window.asked(), [Command::Playground(PlaygroundCommand::Generate)]);
    assert_eq!(window.state().playground.prompt, "Say hello");
}

#[test]
fn what_is_left_of_the_context_is_said() {
    // Three tokens of the prompt as the model saw it, and six of the answer, of 2,048.
    assert!(Window::new(asked()).sees("2,039 tokens left"));
}

#[test]
fn the_reasoning_of_a_thinking_model_is_folded() {
    let mut state = asked();
    let texts = ["<think>", "hmm", "</think>", "\n\n", "So", " it", " is"];
    let lane = &mut state.playground.lanes[0];
    let first = lane.tokens[0].clone();
    lane.tokens = texts
        .into_iter()
        .map(|text| {
            let mut token = first.clone();
            text.clone_into(&mut token.text);
            token
        })
        .collect();
    let mut window = Window::new(state);
    assert!(window.sees("Reasoning: 4 tokens"));
    assert!(!window.sees("hmm"));
    window.click("Reasoning: 4 tokens");
    assert!(window.sees("hmm"));
}

#[test]
fn a_preset_is_taken_from_the_menu_of_the_settings() {
    let mut window = Window::new(asked());
    window.click("Presets");
    window.click("Preset llama.cpp");
    let own = presets::find("llama.cpp", &[]).unwrap();
    assert_eq!(window.state().prefs.sampling, own);
    window.click("Presets");
    window.0.get_by_role_and_label(Role::TextInput, "Name of the preset").focus();
    window.run();
    window.0.get_by_role_and_label(Role::TextInput, "Name of the preset").type_text("mine");
    window.run();
    window.click("Save as a preset");
    assert_eq!(window.asked(), [Command::Playground(PlaygroundCommand::KeepPreset)]);
}

#[test]
fn every_step_of_a_chain_is_seen_with_what_its_tools_gave() {
    let state = in_chain();
    let mut window = Window::new(state);
    assert!(window.sees("Action: calculator[412 / 2]"));
    assert!(window.sees("calculator[412 / 2]\n→ 206"));
    window.press(Modifiers::NONE, Key::Escape);
    let stop = Command::Window(WindowCommand::StopForeground);
    assert_eq!(window.asked(), [stop], "a chain that runs is stopped");
    window.state().playground.library.open.as_mut().unwrap().run_failed("It stopped".to_owned());
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().playground.sheet, None, "the sheet is the topmost thing");
}

#[test]
fn examples_that_do_not_fit_are_said_with_how_many_do() {
    let mut state = with_open("chain-of-thought");
    let fit = Fit { tokens: 3000, wanted: 8, fits: Some(5), ..FITS };
    prepared(&mut state, fit);
    let window = Window::new(state);
    assert!(window.sees("8 examples do not fit"));
    assert!(window.sees("5 of them fit: ask for 5 or fewer"));
    assert!(window.sees("Use 5"));
}

#[test]
fn the_sheets_fit_into_a_small_window_of_the_projector() {
    for name in ["react", "label-a-text"] {
        for (width, height) in [(1000.0, 640.0), (1280.0, 720.0)] {
            let mut state = with_open(name);
            state.prefs.theme = Theme::Projector;
            state.playground.library.open.as_mut().unwrap().values.clear();
            let window = Window::sized(state, width, height);
            for words in ["Prompt", "Send", "All prompts", "Close the sheet"] {
                assert!(window.sees(words), "{words} is missing for {name}");
            }
        }
    }
}

fn words(text: &str) -> Answer {
    Answer {
        text: text.to_owned(),
        ids: vec![1],
        stop: StopReason::EndOfTurn,
        prompt_secs: 0.1,
        generation_secs: 0.1,
        guesses: Guesses::default(),
    }
}

/// Asks in the real window, and has it answered.
fn talk(app: &mut App, question: &str, text: &str) {
    app.harness.state_mut().state.prefs.panel = PanelId::Playground;
    app.harness.state_mut().state.playground.prompt = question.to_owned();
    app.ask(PlaygroundCommand::Generate.into());
    let Held { feeder, .. } = app.script.borrow_mut().take::<Answering>().expect("an answer");
    let logits: Arc<[f32]> = vec![0.0; 384].into();
    let step = TokenStep {
        id: 1,
        text: text.to_owned(),
        logprob: -0.5,
        logits: Arc::clone(&logits),
        is_guessed: false,
    };
    feeder.emit(GenerateEvent::Token { lane: 0, step });
    feeder.emit(GenerateEvent::LaneDone { lane: 0, answer: words(text), next_logits: logits });
    feeder.finish(Ok(vec![words(text)]));
    app.run();
    app.run();
}

#[test]
fn a_chat_is_kept_in_the_project_and_found_again_after_a_restart() {
    let project = tempfile::tempdir().unwrap();
    let mut app = App::with_model_in(project.path());
    talk(&mut app, "What is the h-index?", "A measure.");
    let (kept, problems) = chats::list(project.path());
    assert_eq!((kept.len(), problems.len()), (1, 0));
    let version = &kept[0].turns[0].versions[0];
    assert_eq!(version.answer, "A measure.");
    assert_eq!(version.asked.as_ref().unwrap().model, "SmolLM2-135M-Instruct.Q4_1");
    drop(app);

    let mut app = App::with_model_in(project.path());
    app.harness.state_mut().state.prefs.panel = PanelId::Playground;
    app.run();
    app.click("Chats");
    app.harness.state_mut().state.playground.chat_query = "measure".to_owned();
    app.run();
    app.click("What is the h-index?");
    app.sees("A measure.");
    app.click("Export this chat");
    let text = std::fs::read_to_string(project.path().join("exports/chats/chat-1.md")).unwrap();
    assert!(text.starts_with("## User\n\nWhat is the h-index?"), "{text}");
    assert!(project.path().join("exports/chats/chat-1.json").exists());
}

/// WINDOW A6: what an earlier version kept with the preferences comes into the project.
#[test]
fn chats_of_the_preferences_move_into_the_project() {
    use tuning_fork::state::prefs::KeptTurn;
    let turn = KeptTurn { question: "Why?".to_owned(), answer: "Because.".to_owned() };
    let prefs = Prefs { chats: vec![vec![turn]], ..Prefs::default() };
    let mut app = App::open_with(prefs);
    app.run();
    let state = &app.harness.state().state;
    let (kept, _) = chats::list(&state.project);
    assert_eq!(kept[0].turns[0].versions[0].answer, "Because.");
    assert!(state.playground.kept().is_empty(), "and not in the preferences any more");
}

#[test]
fn a_prompt_of_the_project_is_filled_and_run_and_its_file_is_named() {
    let project = tempfile::tempdir().unwrap();
    let text = b"title = \"Greeting\"\nprompt = \"Greet {who}\"\n[settings]\npreset = \"greedy\"\n";
    files::write_atomic(&project.path().join("prompts/greeting.toml"), text).unwrap();
    let mut app = App::with_model_in(project.path());
    app.harness.state_mut().state.prefs.panel = PanelId::Playground;
    app.run();
    app.click("Prompts");
    app.click("Greeting");
    app.sees("Give \"who\" a value");
    let open = app.harness.state_mut().state.playground.library.open.as_mut().unwrap();
    open.values.insert("who".to_owned(), "Ada".to_owned());
    app.run();
    let Held { feeder, request } = app.script.borrow_mut().take::<PreparePrompt>().unwrap();
    assert_eq!(request.inputs.values["who"], "Ada");
    feeder.finish(Ok(Prepared { filled: filled("Greet Ada"), chosen: None, fit: FITS }));
    app.run();
    app.click("Put into the field");
    let state = &app.harness.state().state;
    assert_eq!(state.playground.prompt, "Greet Ada");
    assert!(state.prefs.sampling.is_greedy(), "its settings are taken, too");
    // The settings changed: it is counted again.
    let Held { feeder, .. } = app.script.borrow_mut().take::<PreparePrompt>().unwrap();
    feeder.finish(Ok(Prepared { filled: filled("Greet Ada"), chosen: None, fit: FITS }));
    app.run();
    app.click("Run and save");
    let Held { request, .. } = app.script.borrow_mut().take::<RunPrompt>().unwrap();
    let to = request.0.to.unwrap();
    assert!(to.ends_with("prompts/answers/greeting-1.json"), "{}", to.display());
    assert_eq!(request.0.model.name, "SmolLM2-135M-Instruct.Q4_1");
}
