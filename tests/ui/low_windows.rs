//! What low windows and large type must not take from a person: both answers can be read, what is told
//! above a panel pushes nothing out of reach, a field keeps its cursor.

use eframe::egui::epaint::TextShape;
use eframe::egui::{self, Rect, Shape, pos2, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use tuning_fork::state::AppState;
use tuning_fork::state::command::ViewCommand;
use tuning_fork::state::notice::Notice;
use tuning_fork::state::prefs::{PanelId, Theme};

use crate::support::{Window, loaded_state};
use crate::{hub, layout_newer, layout_states, room};

/// Width, height and zoom of windows in which there is too little room for everything.
const LOW: [(f32, f32, f32); 4] =
    [(1280.0, 720.0, 1.0), (1000.0, 640.0, 1.0), (1280.0, 720.0, 1.5), (1000.0, 640.0, 1.5)];

/// Lines of an answer that a person sees at once.
const LINES: f32 = 4.0;

fn themed(mut state: AppState, theme: Theme) -> AppState {
    state.prefs.theme = theme;
    state
}

/// Turns the wheel near the right edge, beside the texts: what turns there is the panel.
fn wheel(window: &mut Window, by: f32) {
    wheel_at(window, 0.45, by);
}

/// The same at a height of the window.
fn wheel_at(window: &mut Window, height: f32, by: f32) {
    let screen = window.0.ctx.content_rect();
    window.0.hover_at(pos2(screen.right() - 30.0, screen.height() * height));
    window.0.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: vec2(0.0, by),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
        modifiers: egui::Modifiers::NONE,
    });
    for _ in 0..4 {
        window.0.step();
    }
}

/// The texts of a shape, each with what it is clipped to.
fn texts<'a>(shape: &'a Shape, clip: Rect, found: &mut Vec<(&'a TextShape, Rect)>) {
    match shape {
        Shape::Vec(shapes) => shapes.iter().for_each(|shape| texts(shape, clip, found)),
        Shape::Text(text) => found.push((text, clip)),
        _ => {}
    }
}

/// Of the text that begins so: how much of it is in sight, and how far its lines are apart.
fn seen(window: &Window, start: &str) -> Option<(f32, f32)> {
    let screen = window.0.ctx.content_rect();
    let mut found = Vec::new();
    for clipped in &window.0.output().shapes {
        texts(&clipped.shape, clipped.clip_rect, &mut found);
    }
    let (text, clip) = found.into_iter().find(|(text, _)| text.galley.text().starts_with(start))?;
    let rect = text.galley.rect.translate(text.pos.to_vec2()).intersect(clip).intersect(screen);
    let rows = &text.galley.rows;
    Some((rect.height().max(0.0), rows[1].pos.y - rows[0].pos.y))
}

/// Whether the thing with this name lies in the window.
fn is_in_sight(window: &Window, name: &str) -> bool {
    let screen = window.0.ctx.content_rect();
    window.0.query_all_by_label(name).any(|node| screen.contains_rect(node.rect()))
}

#[test]
fn both_answers_can_be_read_in_a_low_window() {
    for (what, make) in [
        ("phones", room::pair_asked as fn() -> AppState),
        ("criteria", layout_newer::criteria),
        ("not safe", layout_states::unsafe_verdicts),
    ] {
        for (width, height, zoom) in LOW {
            for theme in [Theme::Light, Theme::Projector] {
                let place = format!("{what}, {theme:?}, {width} x {height} at {zoom}");
                let mut window = Window::zoomed(themed(make(), theme), width, height, zoom);
                let mut most = [0.0_f32; 2];
                let mut is_reached = false;
                for _ in 0..60 {
                    for (most, start) in most.iter_mut().zip(["0 The", "1 The"]) {
                        if let Some((height, line)) = seen(&window, start) {
                            *most = most.max(height / line);
                        }
                    }
                    is_reached |= is_in_sight(&window, "Right is better (2)");
                    wheel(&mut window, -30.0);
                }
                assert!(most.iter().all(|lines| *lines >= LINES), "{most:?} lines: {place}");
                assert!(is_reached, "the verdicts are out of reach: {place}");
            }
        }
    }
}

/// Where there is room for both, nothing has to be scrolled: neither the answers nor the verdicts.
#[test]
fn a_window_of_usual_size_shows_answers_and_verdicts_at_once() {
    for (width, height) in [(1280.0, 720.0), (1280.0, 800.0), (1920.0, 1080.0)] {
        let (_, make) = *layout_states::ANNOTATE
            .iter()
            .find(|(name, _)| *name == "two answers")
            .expect("it is one of them");
        let window = Window::sized(make(), width, height);
        let (seen, line) = seen(&window, "0 The").expect("the answer is drawn");
        assert!(seen / line >= LINES, "{} lines in {width} x {height}", seen / line);
        for name in ["Left is better (1)", "Skip (S)", "Reason (R)"] {
            assert!(is_in_sight(&window, name), "{name} in {width} x {height}");
        }
    }
}

/// Fields that are typed in keep the cursor when the panel's arrangement changes above them.
#[test]
fn what_is_told_does_not_take_the_cursor_from_a_field() {
    for (width, height, zoom) in [(1280.0, 800.0, 1.0), (1000.0, 640.0, 1.5)] {
        let (_, make) = layout_states::PLAYGROUND[1];
        let mut window = Window::zoomed(make(), width, height, zoom);
        let field = |window: &Window| {
            let field =
                window.0.get_by_role_and_label(egui::accesskit::Role::MultilineTextInput, "Prompt");
            field.accesskit_node().is_focused()
        };
        window.state().playground.wants_cursor = true;
        window.run();
        assert!(field(&window));
        for n in 0..3 {
            let told = Notice::problem(PanelId::Playground, format!("Could not load model {n}"));
            window.state().notices.push(told.hint("Choose another file"));
            window.run();
        }
        assert!(field(&window), "{width} x {height}");
        window.0.event(egui::Event::Text(" And who uses it?".to_owned()));
        window.run();
        assert!(window.state().playground.prompt.ends_with("And who uses it?"));
    }
}

/// The same for what is written beside a verdict, where opening it leaves the answers too little room.
#[test]
fn a_reason_is_typed_where_the_panel_begins_to_scroll() {
    for height in [640.0, 700.0, 720.0, 760.0, 800.0] {
        let mut window = Window::sized(room::pair_asked(), 1280.0, height);
        window.press(egui::Modifiers::NONE, egui::Key::R);
        window.0.event(egui::Event::Text("shorter".to_owned()));
        window.run();
        assert_eq!(window.state().annotate.draft.reason, "shorter", "at {height}");
        assert!(is_in_sight(&window, "Reason"), "at {height}");
    }
}

/// After an error the same button is pressed once more.
#[test]
fn an_error_leaves_what_is_pressed_next_in_the_window() {
    for (panel, name) in [(PanelId::Playground, "Send"), (PanelId::Train, "Start training")] {
        let mut state = loaded_state();
        state.prefs.panel = panel;
        let mut window = Window::new(state);
        assert!(is_in_sight(&window, name));
        let told = Notice::problem(panel, "The run ended with an error");
        let told = told.hint("The data could not be read: it is not there any more. ".repeat(4));
        window.state().notices.push(told.remedy("Choose another…", ViewCommand::ShowPanel(panel)));
        window.run();
        window.run();
        assert!(is_in_sight(&window, name), "{name}");
    }
}

#[test]
fn under_notices_a_panel_is_still_reached() {
    let (_, make) =
        *layout_states::AROUND.iter().find(|(name, _)| *name == "notices").expect("it is there");
    for (width, height, zoom) in LOW {
        for theme in [Theme::Light, Theme::Projector] {
            let mut window = Window::zoomed(themed(make(), theme), width, height, zoom);
            let mut is_reached = false;
            for _ in 0..60 {
                is_reached |= is_in_sight(&window, "Send");
                wheel(&mut window, -30.0);
            }
            assert!(is_reached, "{theme:?}, {width} x {height} at {zoom}");
        }
    }
}

/// What is typed is sent by a button that is in the window from the beginning.
#[test]
fn in_a_low_window_the_prompt_is_above_the_lower_edge() {
    let states = ["nothing asked", "an answer", "a conversation"];
    for (_, make) in layout_states::PLAYGROUND.iter().filter(|(name, _)| states.contains(name)) {
        for (width, height, zoom) in LOW {
            for theme in [Theme::Light, Theme::Projector] {
                let window = Window::zoomed(themed(make(), theme), width, height, zoom);
                let place = format!("{theme:?}, {width} x {height} at {zoom}");
                assert!(is_in_sight(&window, "Send"), "{place}");
            }
        }
    }
}

#[test]
fn below_the_connection_settings_the_search_is_reached() {
    for (width, height, zoom) in LOW {
        for theme in [Theme::Light, Theme::Projector] {
            let mut state = themed(hub::finding(), theme);
            state.hub.settings.open = true;
            let mut window = Window::zoomed(state, width, height, zoom);
            let found = |window: &Window| {
                let screen = window.0.ctx.content_rect();
                let all = window.0.root().children_recursive();
                all.filter(|node| {
                    let name = node.accesskit_node().label().unwrap_or_default();
                    name.starts_with("HuggingFaceTB/SmolLM2-135M ")
                        && node.rect().bottom() <= screen.bottom()
                        && node.rect().top() >= 0.0
                })
                .count()
            };
            let (mut is_asked, mut is_found) = (false, false);
            // The page, and the list that scrolls in it.
            for height in [0.45, 0.8] {
                for _ in 0..30 {
                    is_asked |= is_in_sight(&window, "Search the Hub");
                    is_found |= found(&window) > 0;
                    wheel_at(&mut window, height, -30.0);
                }
            }
            assert!(is_asked && is_found, "{theme:?}, {width} x {height} at {zoom}");
        }
    }
}

/// A form may not be wider than the panel that it is in.
#[test]
fn the_form_for_a_study_ends_where_its_panel_ends() {
    for (width, height, zoom) in LOW {
        for theme in [Theme::Light, Theme::Projector] {
            let state = themed(layout_newer::study_of_texts(), theme);
            let window = Window::zoomed(state, width, height, zoom);
            let right = window.0.ctx.content_rect().right() - 16.0;
            for name in ["You code as", "Guideline", "Choose table…", "Open a codebook…"] {
                for node in window.0.query_all_by_label(name) {
                    let end = node.rect().right();
                    let place = format!("{theme:?}, {width} x {height} at {zoom}");
                    assert!(end <= right, "{name} ends at {end} of {right}: {place}");
                }
            }
        }
    }
}

/// A row that stands under its title, where it is broken into lines, does not stand beside it in the next
/// frame.
#[test]
fn the_list_of_models_comes_to_rest_at_any_width() {
    for theme in [Theme::Light, Theme::Projector] {
        for width in (620..=1300).step_by(20) {
            let (_, make) = layout_states::INSTALLED[2];
            // It panics where frame after frame is wanted.
            Window::sized(themed(make(), theme), width as f32, 640.0);
        }
    }
}
