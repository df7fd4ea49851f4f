//! Lists of names that are not ours: long columns, many studies. They stay in the window and can be told apart.

use std::path::PathBuf;

use eframe::egui::accesskit::Role;
use eframe::egui::{self, Rect, vec2};
use egui_kittest::kittest::NodeT as _;
use tuning_fork::state::AppState;
use tuning_fork::state::evaluate::form::What;
use tuning_fork::state::prefs::Theme;

use crate::evaluate;
use crate::support::Window;

/// Where the first thing lies whose name begins so.
fn place(window: &Window, start: &str) -> Option<Rect> {
    let mut nodes = window.0.root().children_recursive();
    let found = nodes.find(|node| {
        let name = node.accesskit_node().label().unwrap_or_default();
        node.accesskit_node().role() == Role::Button && name.starts_with(start)
    });
    found.map(|node| node.rect())
}

fn open(window: &mut Window, list: &str) {
    {
        let mut nodes = window.0.root().children_recursive();
        let is_it = |name: String| name == list;
        let found = nodes.find(|node| node.accesskit_node().label().is_some_and(is_it));
        found.expect("the list is there").click_accesskit();
    }
    window.run();
}

fn small(mut state: AppState) -> Window {
    state.prefs.theme = Theme::Projector;
    Window::zoomed(state, 1000.0, 640.0, 1.5)
}

#[test]
fn a_menu_of_many_studies_scrolls_to_its_last() {
    let mut state = evaluate::report();
    let named = |number: usize| {
        let name = format!("Study {number} of what people said about open data in their own words");
        (name, PathBuf::from(format!("studies/{number}")))
    };
    state.evaluate.studies = (0..80).map(named).collect();
    let mut window = small(state);
    open(&mut window, "Labels from a study…");
    let screen = window.0.ctx.content_rect();
    let first = place(&window, "Study 0 ").expect("the menu is open");
    assert!(screen.contains_rect(first), "{first:?}");
    for _ in 0..3 {
        window.0.hover_at(first.center());
        window.0.event(egui::Event::MouseWheel {
            unit: egui::MouseWheelUnit::Point,
            delta: vec2(0.0, -9000.0),
            phase: egui::TouchPhase::Move,
            source: egui::MouseWheelSource::Wheel,
            modifiers: egui::Modifiers::NONE,
        });
        for _ in 0..4 {
            window.0.step();
        }
    }
    let last = place(&window, "Study 79 ").expect("its last is a thing, too");
    assert!(screen.contains_rect(last), "{last:?}");
}

#[test]
fn a_column_that_is_a_whole_question_is_chosen_inside_the_window() {
    let question = |end: &str| {
        let start = "How far do you agree or disagree with the following statement about science and \
                     the people who do it, as far as you know them yourself";
        format!("{start}: {end}")
    };
    for (what, list) in [
        (What::Code, "Compare by"),
        (What::Exam, "Right answers"),
        (What::Judge, "People say"),
        (What::Rate, "Answers to"),
    ] {
        let mut state = evaluate::form_of_options(what);
        let form = &mut state.evaluate.form;
        let report = form.table.as_ref().expect("the form has a table");
        let mut report = report.clone();
        report.columns.extend([question("it can be trusted"), question("it is worth its cost")]);
        form.table = Some(report);
        let mut window = small(state);
        open(&mut window, list);
        let screen = window.0.ctx.content_rect();
        let is_entry = |name: &str| name.contains("How far") && name.ends_with("worth its cost");
        let entries: Vec<Rect> = window
            .0
            .root()
            .children_recursive()
            .filter(|node| {
                let node = node.accesskit_node();
                node.role() == Role::Button && node.label().is_some_and(|name| is_entry(&name))
            })
            .map(|node| node.rect())
            .collect();
        assert!(!entries.is_empty(), "{list} is not open");
        for entry in entries {
            assert!(entry.left() >= 0.0 && entry.right() <= screen.right(), "{list}: {entry:?}");
        }
    }
}
