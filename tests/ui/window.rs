//! What is around the panels: rail, bars, palette, keys, notices, closing.

use eframe::egui::Key;
use eframe::egui::Modifiers;
use tuning_fork::state::command::{Command, ModelsCommand, TrainCommand};
use tuning_fork::state::notice::Notice;
use tuning_fork::state::prefs::PanelId;
use tuning_fork::state::prefs::Theme;
use tuning_fork::state::slots::Activity;
use tuning_fork::widgets::theme;
use tuning_fork::widgets::theme::Look;

use crate::support::Window;
use crate::support::empty_state;
use crate::support::loaded_state;

#[test]
fn the_rail_and_its_keys_change_the_panel() {
    let mut window = Window::new(empty_state());
    window.click("Playground");
    assert_eq!(window.state().prefs.panel, PanelId::Playground);
    window.press(Modifiers::COMMAND, Key::Num1);
    assert_eq!(window.state().prefs.panel, PanelId::Models);
}

#[test]
fn the_palette_finds_a_command_by_a_few_letters() {
    let mut window = Window::new(empty_state());
    window.press(Modifiers::COMMAND, Key::K);
    assert!(window.state().window.palette.is_some());
    window.state().window.palette.as_mut().unwrap().query = "projec".to_owned();
    window.run();
    assert!(window.sees("Theme: projector"));
    window.state().window.palette.as_mut().unwrap().query = "dark".to_owned();
    window.run();
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.state().prefs.theme, Theme::Dark);
    assert_eq!(theme::look(&window.0.ctx), Look::Dark);
    assert!(window.state().window.palette.is_none());
}

#[test]
fn escape_closes_the_palette_and_stops_nothing() {
    let mut state = empty_state();
    state.activities.push(training());
    let mut window = Window::new(state);
    window.press(Modifiers::COMMAND, Key::K);
    window.press(Modifiers::NONE, Key::Escape);
    assert!(window.state().window.palette.is_none());
    assert_eq!(window.asked(), []);
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.asked(), [], "a run is not stopped by a key");
}

#[test]
fn the_question_mark_shows_the_keys() {
    let mut window = Window::new(empty_state());
    window.press(Modifiers::SHIFT, Key::Questionmark);
    assert!(window.sees("Keys in Models"));
    window.press(Modifiers::NONE, Key::Escape);
    assert!(!window.sees("Keys in Models"));
}

fn training() -> Activity {
    Activity {
        what: "Training".to_owned(),
        detail: "step 12 of 200 · 3.4 s a step · 11 min left".to_owned(),
        fraction: Some(0.06),
        stop: Some(Command::Train(TrainCommand::Stop)),
        asks_before_closing: true,
    }
}

#[test]
fn what_runs_is_shown_in_every_panel_and_can_be_stopped() {
    let mut state = empty_state();
    state.activities.push(training());
    let mut window = Window::new(state);
    for panel in PanelId::ALL {
        window.state().prefs.panel = panel;
        window.run();
        assert!(window.sees("step 12 of 200"), "not in {}", panel.name());
    }
    window.click("Stop: Training");
    assert_eq!(window.asked(), [Command::Train(TrainCommand::Stop)]);
}

#[test]
fn a_notice_is_shown_in_its_panel_with_its_causes_and_remedy() {
    let mut state = empty_state();
    let notice = Notice::problem(PanelId::Models, "Could not load tiny")
        .hint("Choose another file")
        .remedy("Choose a file…", ModelsCommand::ChooseFile);
    state.notices.push(notice);
    let mut window = Window::new(state);
    assert!(window.sees("Choose another file"));
    window.click("Choose a file…");
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::ChooseFile)]);
    assert!(!window.sees("Choose another file"), "it is tried again, so the notice goes");
}

#[test]
fn of_good_news_a_panel_shows_the_last_and_the_bottom_bar_what_was_not_seen_yet() {
    let mut state = empty_state();
    state.prefs.panel = PanelId::Models;
    let show = || ModelsCommand::ChooseFile;
    for what in ["The first file is written", "The second file is written"] {
        state.notices.push(Notice::info(PanelId::Models, what).remedy("Show it", show()));
    }
    let mut window = Window::new(state);
    assert!(!window.sees("The first file is written"));
    window.click("1 earlier message");
    assert!(window.sees("The first file is written"), "it can still be read");
    assert!(window.sees("The second file is written"));
    window.click("Playground");
    assert!(!window.sees("The second file is written"), "it was seen in its panel");
    window.click("Models");
    assert!(window.sees("The second file is written"), "its button is still there");
}

#[test]
fn the_zoom_buttons_zoom() {
    let mut window = Window::new(empty_state());
    window.click("Zoom in");
    assert!((window.state().prefs.zoom - 1.1).abs() < 1e-6);
    assert!(window.sees("110 %") || window.sees("Zoom reset"));
}

#[test]
fn the_model_in_memory_is_named_in_the_top_bar() {
    let window = Window::new(loaded_state());
    assert!(window.sees("SmolLM2-135M-Instruct.Q4_1"));
    assert!(window.sees("Q4_1 · 98 MB · 2,048 tokens"));
}
