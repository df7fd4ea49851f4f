//! What the keyboard does whatever is open: Esc closes the topmost thing, Tab walks through the
//! window, a panel that is entered has the cursor in its main field.

use eframe::egui::accesskit::{Role, Toggled};
use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use tuning_fork::state::command::{Command, TrainCommand, WindowCommand};
use tuning_fork::state::hub::ModelsTab;
use tuning_fork::state::prefs::PanelId;
use tuning_fork::state::train::LeftTab;
use tuning_fork::state::{AppState, Closing};
use tuning_fork::train::record::metrics::TrainEvent;

use crate::support::{Window, answer, facts, found, loaded_state};

fn at(panel: PanelId) -> AppState {
    let mut state = loaded_state();
    state.prefs.panel = panel;
    state
}

fn training() -> AppState {
    let mut state = at(PanelId::Train);
    state.train.project_pairs = 60;
    state.train.begin("first-run");
    state.train.on_event(TrainEvent::Planned { steps: 200, train_rows: 48, held_out_rows: 12 });
    state.activities.extend(state.train.live.as_ref().and_then(|live| live.activity()));
    state
}

fn focused(window: &Window) -> Option<String> {
    let mut nodes = window.0.root().children_recursive();
    let node = nodes.find(|node| node.accesskit_node().is_focused())?;
    node.accesskit_node().label()
}

#[test]
fn entering_the_playground_puts_the_cursor_into_the_prompt() {
    let mut window = Window::new(at(PanelId::Models));
    window.press(Modifiers::COMMAND, Key::Num2);
    window.run();
    assert_eq!(focused(&window).as_deref(), Some("Prompt"));
    window.0.get_by_role_and_label(Role::MultilineTextInput, "Prompt").type_text("Hello");
    window.run();
    assert_eq!(window.state().playground.prompt, "Hello");
}

#[test]
fn entering_the_search_puts_the_cursor_into_its_field() {
    let mut state = at(PanelId::Playground);
    state.hub.tab = ModelsTab::Find;
    let mut window = Window::new(state);
    window.press(Modifiers::COMMAND, Key::Num1);
    window.run();
    assert_eq!(focused(&window).as_deref(), Some("Search the Hub"));
}

#[test]
fn escape_closes_a_drop_down_and_leaves_a_run_alone() {
    let mut window = Window::new(training());
    window.0.get_by_role_and_label(Role::ComboBox, "loss_type").click();
    window.run();
    assert!(window.sees("bco_pair"), "the drop-down is open");
    window.press(Modifiers::NONE, Key::Escape);
    window.run();
    assert!(!window.sees("bco_pair"), "Esc closed it");
    assert_eq!(window.asked(), [], "and stopped nothing");
    assert!(!window.state().train.asks_stop);
}

#[test]
fn escape_asks_before_it_stops_a_training_run() {
    let mut window = Window::new(training());
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.asked(), []);
    assert!(window.sees("Stop after this step?"));
    window.press(Modifiers::NONE, Key::Escape);
    assert!(!window.sees("Stop after this step?"), "the question is the topmost thing");
    window.press(Modifiers::NONE, Key::Escape);
    window.click("Keep training");
    assert_eq!(window.asked(), []);
    window.press(Modifiers::NONE, Key::Escape);
    window.click("Stop the run");
    assert_eq!(window.asked(), [Command::Train(TrainCommand::Stop)]);
}

#[test]
fn escape_cancels_the_question_before_closing_and_nothing_else() {
    let mut state = training();
    state.window.closing = Closing::Asked;
    let mut window = Window::new(state);
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().window.closing, Closing::No);
    assert_eq!(window.asked(), []);
    assert!(!window.state().train.asks_stop);
}

#[test]
fn escape_closes_the_question_before_a_deletion() {
    let mut state = at(PanelId::Models);
    let model = found("opened", Ok(facts()));
    state.models.confirm_remove = Some(model.local.path.clone());
    state.models.found.push(model);
    let mut window = Window::new(state);
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().models.confirm_remove, None);

    let mut state = at(PanelId::Train);
    state.train.left_tab = LeftTab::Runs;
    state.train.asks_delete = Some("a".to_owned());
    let mut window = Window::new(state);
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().train.asks_delete, None);
}

#[test]
fn escape_leaves_a_field_before_it_stops_an_answer() {
    let mut state = at(PanelId::Playground);
    state.playground.running = true;
    let mut window = Window::new(state);
    window.0.get_by_role_and_label(Role::MultilineTextInput, "Prompt").focus();
    window.run();
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.asked(), []);
    assert_eq!(focused(&window), None);
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.asked(), [Command::Window(WindowCommand::StopForeground)]);
}

#[test]
fn behind_the_list_of_keys_no_key_does_anything() {
    let mut state = at(PanelId::Playground);
    state.playground.prompt = "Say hello".to_owned();
    state.window.keys_open = true;
    let mut window = Window::new(state);
    window.press(Modifiers::COMMAND, Key::Enter);
    window.press(Modifiers::COMMAND, Key::Num1);
    assert_eq!(window.asked(), []);
    assert_eq!(window.state().prefs.panel, PanelId::Playground);
    assert!(window.sees("Keys in Playground"));
    window.press(Modifiers::NONE, Key::Escape);
    assert!(!window.sees("Keys in Playground"));
}

#[test]
fn tab_walks_through_the_whole_window() {
    let mut state = at(PanelId::Playground);
    state.playground.prompt = "Say hello".to_owned();
    answer(&mut state, &[50, 60, 70]);
    state.playground.prompt = "And then?".to_owned();
    let mut window = Window::new(state);
    let mut seen = Vec::new();
    for _ in 0..90 {
        window.press(Modifiers::NONE, Key::Tab);
        seen.extend(focused(&window));
    }
    for name in ["Commands", "Train", "Chat", "Send", "Predict", "Temperature", "Stop strings"] {
        assert!(seen.iter().any(|seen| seen == name), "{name} is never reached: {seen:?}");
    }
}

#[test]
fn the_palette_is_as_high_after_a_narrow_search_as_before() {
    let mut window = Window::new(at(PanelId::Models));
    window.press(Modifiers::COMMAND, Key::K);
    window.run();
    let rows = |window: &Window| window.0.get_all_by_role(Role::ListBoxOption).count();
    let before = rows(&window);
    let visible = |window: &Window| {
        let clip = window.0.ctx.content_rect();
        window
            .0
            .get_all_by_role(Role::ListBoxOption)
            .filter(|row| clip.contains_rect(row.rect()))
            .count()
    };
    let seen_before = visible(&window);
    window.state().window.palette.as_mut().unwrap().query = "dark".to_owned();
    window.run();
    assert!(rows(&window) < before);
    window.state().window.palette.as_mut().unwrap().query.clear();
    window.run();
    window.run();
    assert_eq!(visible(&window), seen_before);
    for _ in 0..12 {
        window.press(Modifiers::NONE, Key::ArrowDown);
    }
    window.run();
    let selected = window
        .0
        .get_all_by_role(Role::ListBoxOption)
        .find(|row| row.accesskit_node().toggled() == Some(Toggled::True))
        .expect("a row is in front");
    assert!(window.0.ctx.content_rect().contains_rect(selected.rect()), "{:?}", selected.rect());
}

#[test]
fn a_number_is_typed_with_a_comma_too() {
    let mut window = Window::new(at(PanelId::Playground));
    let field = "Temperature, number";
    window.0.get_by_label(field).click();
    window.run();
    window.press(Modifiers::COMMAND, Key::A);
    window.0.get_by_label(field).type_text("0,7");
    window.run();
    window.press(Modifiers::NONE, Key::Enter);
    assert!((window.state().prefs.sampling.temperature - 0.7).abs() < 1e-6);
}
