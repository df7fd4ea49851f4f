//! The Playground panel.

use std::path::PathBuf;

use eframe::egui::Key;
use eframe::egui::Modifiers;
use eframe::egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use tuning_fork::llm::card::AdapterCard;
use tuning_fork::llm::card::ModelFacts;
use tuning_fork::llm::generate::AdapterMode;
use tuning_fork::llm::generate::Prompt;
use tuning_fork::llm::generate::guessing::Guesses;
use tuning_fork::state::AppState;
use tuning_fork::state::command::{Command, PlaygroundCommand, WindowCommand};
use tuning_fork::state::playground::Answers;
use tuning_fork::state::playground::Mode;
use tuning_fork::state::prefs::Guessing;
use tuning_fork::state::prefs::PanelId;
use tuning_fork::state::prefs::Theme;
use tuning_fork::state::scores::Position;
use tuning_fork::state::slots::AdapterSlot;

use crate::support::Window;
use crate::support::answer;
use crate::support::empty_state;
use crate::support::facts;
use crate::support::found as found_model;
use crate::support::loaded_state;

const IDS: [u32; 6] = [50, 60, 70, 80, 90, 100];

fn ready_to_ask() -> AppState {
    let mut state = loaded_state();
    state.prefs.panel = PanelId::Playground;
    state.playground.prompt = "Say hello".to_owned();
    state
}

fn answered() -> AppState {
    let mut state = ready_to_ask();
    answer(&mut state, &IDS);
    state
}

fn with_adapter(mut state: AppState) -> AppState {
    let card = AdapterCard {
        name: "run-1".to_owned(),
        path: PathBuf::from("runs/1"),
        sha256: String::new(),
        rank: 8,
        alpha: 16.0,
        target_modules: vec!["q_proj".to_owned()],
        parameter_count: 1000,
    };
    state.adapter = AdapterSlot::Ready { card, mode: AdapterMode::On };
    state
}

#[test]
fn without_a_model_the_playground_leads_to_the_models() {
    let mut state = empty_state();
    state.prefs.panel = PanelId::Playground;
    let mut window = Window::new(state);
    window.click("Choose a model");
    assert_eq!(window.state().prefs.panel, PanelId::Models);
}

#[test]
fn send_is_off_until_there_is_a_prompt() {
    let mut state = ready_to_ask();
    state.playground.prompt.clear();
    let mut window = Window::new(state);
    window.click("Send");
    assert_eq!(window.asked(), []);
    window.0.get_by_role_and_label(Role::MultilineTextInput, "Prompt").focus();
    window.run();
    window.0.get_by_role_and_label(Role::MultilineTextInput, "Prompt").type_text("Say hello");
    window.run();
    window.click("Send");
    assert_eq!(window.asked(), [Command::Playground(PlaygroundCommand::Generate)]);
}

#[test]
fn ctrl_enter_sends() {
    let mut window = Window::new(ready_to_ask());
    window.press(Modifiers::COMMAND, Key::Enter);
    assert_eq!(window.asked(), [Command::Playground(PlaygroundCommand::Generate)]);
    assert_eq!(window.state().playground.prompt, "Say hello", "and adds no line break");
}

#[test]
fn a_running_answer_can_be_stopped_by_button_and_by_key() {
    let mut state = ready_to_ask();
    state.playground.running = true;
    let mut window = Window::new(state);
    window.click("Stop");
    assert_eq!(window.asked(), [Command::Playground(PlaygroundCommand::Stop)]);
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.asked(), [Command::Window(WindowCommand::StopForeground)]);
}

#[test]
fn an_answer_says_how_long_it_took_and_why_it_ended() {
    let window = Window::new(answered());
    assert!(window.sees("6 tokens · 10.0 tokens/s · the model ended its turn · seed 0"));
}

#[test]
fn guessed_tokens_are_counted_and_the_share_that_was_accepted_is_said() {
    let mut state = answered();
    let lane = &mut state.playground.lanes[0];
    lane.tokens[2].is_guessed = true;
    lane.tokens[3].is_guessed = true;
    let answer = lane.answer.as_mut().expect("it is done");
    answer.guesses = Guesses { drafted: 5, accepted: 2, passes: 4 };
    let window = Window::new(state);
    let words = "guessed, then checked: 2 of 6 tokens. 2 of 5 guesses were accepted (40.0 %); the model made \
                 4 passes";
    assert!(window.sees(words), "{}", window.tree());
}

#[test]
fn only_smaller_models_with_as_many_tokens_are_offered_to_guess() {
    let mut state = answered();
    let small = ModelFacts { memory_bytes: facts().memory_bytes / 4, ..facts() };
    let other = ModelFacts { vocab_size: facts().vocab_size + 5000, ..small.clone() };
    let found = [("small", small), ("other", other), ("large", facts())];
    let found = found.map(|(name, facts)| found_model(name, Ok(facts)));
    state.playground.set_found(&found);
    let mut window = Window::new(state);
    // So tall that nothing has to be scrolled to.
    window.0.set_size(egui::vec2(1280.0, 2400.0));
    window.run();
    window.click("Draft model");
    assert_eq!(window.state().prefs.guessing, Guessing::Draft(None));
    window.0.get_by_role_and_label(Role::ComboBox, "Draft model").click();
    window.run();
    let offered = |name: &str| window.0.query_by_role_and_label(Role::Button, name).is_some();
    assert_eq!(["small", "other", "large"].map(offered), [true, false, false]);
    window.click("small");
    assert!(matches!(&window.state().prefs.guessing, Guessing::Draft(Some(_))));
}

#[test]
fn a_clicked_token_shows_what_else_it_could_have_been() {
    let mut window = Window::new(answered());
    assert!(window.sees("After all 6 tokens"));
    let name = "Base token 3:";
    window.0.get_by_label_contains(name).click();
    window.run();
    assert_eq!(window.state().playground.selected, Some(Position { lane: 0, token: 2 }));
    assert!(window.sees("Token 3 of the answer"));
    assert!(window.sees(", taken"));
    window.click("Back to the latest token");
    assert!(window.sees("After all 6 tokens"));
}

#[test]
fn moving_a_slider_moves_the_bars_without_running_the_model() {
    let mut window = Window::new(answered());
    let before = window.tree();
    let slider = window.0.get_by_role_and_label(Role::Slider, "Temperature");
    slider.set_value_accesskit(2.0);
    window.run();
    assert_eq!(window.state().prefs.sampling.temperature, 2.0);
    assert_ne!(window.tree(), before);
    assert_eq!(window.asked(), []);
}

#[test]
fn a_removed_token_says_which_setting_removed_it() {
    let mut state = answered();
    state.prefs.sampling.top_k = 3;
    state.prefs.sampling.top_p = 1.0;
    let window = Window::new(state);
    assert!(window.sees("removed by top-k"));
    assert!(window.sees("3 of 384 tokens can still be picked"));
}

#[test]
fn base_and_adapter_answer_side_by_side() {
    let mut state = with_adapter(ready_to_ask());
    state.playground.answers = Answers::SideBySide;
    answer(&mut state, &IDS);
    let window = Window::new(state);
    assert!(window.sees("Base token 1"));
    assert!(window.sees("Adapter token 1"));
}

#[test]
fn the_adapter_is_switched_off_in_the_top_bar() {
    let mut window = Window::new(with_adapter(ready_to_ask()));
    window.click("run-1");
    assert_eq!(window.state().adapter.mode(), AdapterMode::Off);
}

#[test]
fn the_next_question_carries_the_conversation() {
    let mut state = answered();
    state.playground.prompt = "And then?".to_owned();
    let request = state.playground.request(&state.prefs, &state.model, &state.adapter).unwrap();
    let Prompt::Chat(messages) = request.prompt else { panic!("a chat stays a chat") };
    let roles: Vec<&str> = messages.iter().map(|message| message.role.as_str()).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
}

#[test]
fn answer_again_asks_the_same_with_another_seed() {
    let mut window = Window::new(answered());
    window.click("Answer again");
    assert_eq!(window.asked(), [Command::Playground(PlaygroundCommand::Generate)]);
    assert_eq!(window.state().playground.prompt, "Say hello");
    assert_ne!(window.state().playground.seed, 0);
}

#[test]
fn predict_asks_only_for_the_next_token() {
    let mut window = Window::new(ready_to_ask());
    window.click("Predict");
    assert_eq!(window.asked(), [Command::Playground(PlaygroundCommand::Generate)]);
    let state = window.state();
    let request = state.playground.request(&state.prefs, &state.model, &state.adapter).unwrap();
    assert_eq!(request.max_new_tokens, 0);
}

#[test]
fn a_small_projector_window_still_has_every_control() {
    let mut state = answered();
    state.prefs.theme = Theme::Projector;
    let window = Window::sized(state, 1000.0, 640.0);
    for name in ["Prompt", "Temperature", "Max new tokens", "Predict"] {
        assert!(window.sees(name), "{name} is missing");
    }
}

#[test]
fn the_settings_begin_where_the_next_token_ends() {
    let window = Window::sized(ready_to_ask(), 1000.0, 640.0);
    let words = window.0.get_by_label_contains("Send a prompt, or press Predict").rect();
    let settings = window.0.get_by_label("Settings").rect();
    let between = settings.top() - words.bottom();
    assert!((20.0..70.0).contains(&between), "{between} points are empty");
}

#[test]
fn raw_mode_continues_the_text_as_it_stands() {
    let mut window = Window::new(ready_to_ask());
    window.click("Raw");
    assert_eq!(window.state().playground.mode, Mode::Raw);
}

#[test]
fn a_text_that_is_longer_than_the_context_is_said_to_be_before_it_is_sent() {
    let mut state = ready_to_ask();
    // 2,048 tokens are the model's context. The tests' tokenizer has 384 tokens, so that a word has several.
    state.playground.prompt = "word ".repeat(200_000);
    let mut window = Window::new(state);
    let began = std::time::Instant::now();
    window.run();
    assert!(window.sees("more than the model's context: shorten it"), "{}", window.tree());
    assert!(window.sees("About "));
    let state = window.state();
    let (prefs, model, adapter) = (&state.prefs, &state.model, &state.adapter);
    let refused = state.playground.request(prefs, model, adapter).unwrap_err();
    assert!(refused.contains("this model's context holds 2,048. Shorten it"), "{refused}");
    // Of a megabyte only what could be read is counted; all of it would take the tests' tokenizer many seconds.
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    // What fits says what is left, in a conversation that has not begun too.
    state.playground.prompt = "a b ".repeat(1100);
    window.run();
    assert!(window.sees("tokens left") || window.sees("more than the model's context"));
}

#[test]
fn the_panel_reads_out_as_it_looks() {
    insta::assert_snapshot!(Window::new(answered()).tree());
}
