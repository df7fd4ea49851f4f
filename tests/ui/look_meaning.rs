//! Look inside: the words of a list, and an axis between two groups of anchors.

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use tuning_fork::app::tasks::look_passes::MapWords;
use tuning_fork::app::tasks::read_tokens::ReadTokens;
use tuning_fork::app::work::Held;
use tuning_fork::explore::meaning::Along;
use tuning_fork::explore::word_map::{AxisView, DRAWS, WordsRequest, WordsView};
use tuning_fork::state::AppState;
use tuning_fork::state::command::{Command, ViewCommand};
use tuning_fork::state::look_inside::slot::Slot;
use tuning_fork::state::look_inside::view::View;
use tuning_fork::state::prefs::PanelId;

use crate::look_inside::{looked_at, pieces, watched};
use crate::support::Window;
use crate::whole_app::App;

const LIST: &str = "nurse, engineer, pilot, cook";

/// Places that tell the items apart.
fn lying(request: &WordsRequest) -> WordsView {
    let count = request.items.len();
    let along = |at: usize| {
        let position = at as f64 / 2.0 - 0.75;
        Along { position, interval: Some((position - 0.2, position + 0.3)) }
    };
    let has_axis = !request.from.is_empty() && !request.to.is_empty();
    WordsView {
        items: request.items.clone(),
        layer: request.layer,
        coordinates: (0..count).map(|at| [at as f64, (at % 2) as f64]).collect(),
        variance_share: [0.45, 0.25],
        cosine: (0..count)
            .map(|row| (0..count).map(|at| Some(if at == row { 1.0 } else { 0.5 })).collect())
            .collect(),
        axis: has_axis.then(|| AxisView {
            from: request.from.clone(),
            to: request.to.clone(),
            draws: DRAWS,
            seed: 0,
            along: (0..count).map(along).collect(),
        }),
    }
}

/// A list between two groups.
pub fn between_anchors() -> AppState {
    let mut state = looked_at(LIST);
    state.look_inside.view = View::Meaning;
    state.look_inside.meaning.from = "woman, girl".to_owned();
    state.look_inside.meaning.to = "man, boy".to_owned();
    let request = state.look_inside.words_request().expect("there is a list");
    state.look_inside.meaning.asked(&request);
    state.look_inside.meaning.view = Slot::Ready(lying(&request));
    state
}

fn asked(app: &App) -> Held<MapWords> {
    app.script.borrow_mut().take::<MapWords>().expect("the words are read")
}

#[test]
fn a_list_is_mapped_and_asked_again_once_an_anchor_or_the_layer_is_another() {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::LookInside)));
    app.harness.state_mut().state.look_inside.text = LIST.to_owned();
    app.run();
    app.script.borrow_mut().take::<ReadTokens>().expect("a split").feeder.finish(Ok(pieces(LIST)));
    app.run();
    app.click("More views");
    app.click("Meaning");
    let Held { request: (_, request), feeder } = asked(&app);
    assert_eq!(request.items, ["nurse", "engineer", "pilot", "cook"]);
    assert_eq!((request.before.as_str(), request.from.len()), ("Here is a word: ", 0));
    feeder.finish(Ok(lying(&request)));
    app.run();
    app.sees("the two directions hold 45.0 % and 25.0 %");
    app.sees("Cosine of each two");
    assert!(app.script.borrow().started::<MapWords>().is_none(), "nothing is asked twice");
    // Two groups make an axis.
    let state = &mut app.harness.state_mut().state.look_inside.meaning;
    (state.from, state.to) = ("woman, girl".to_owned(), "man".to_owned());
    app.run();
    let Held { request: (_, request), feeder } = asked(&app);
    assert_eq!((request.from.len(), request.to.len()), (2, 1));
    feeder.finish(Ok(lying(&request)));
    app.run();
    app.sees("-1 is the mean of woman, girl, 1 that of man.");
    app.sees("nurse: -0.75 (-0.95 to -0.45)");
    app.harness.state_mut().state.look_inside.meaning.layer = Some(3);
    app.run();
    assert_eq!(asked(&app).request.1.layer, 3);
}

#[test]
fn a_list_that_is_too_short_says_so_and_an_example_begins_one() {
    let mut state = looked_at("one, two");
    state.look_inside.view = View::Meaning;
    let window = Window::new(state);
    assert!(window.sees("The list has 2 items; a map needs 3"));
    let mut state = looked_at("one");
    state.look_inside.view = View::Meaning;
    state.look_inside.text.clear();
    let mut window = Window::new(state);
    window.click("Occupations between two groups");
    let look = &window.state().look_inside;
    assert!(look.words_request().is_some_and(|it| it.items.len() == 10 && it.from.len() == 3));
}

#[test]
fn a_list_between_two_groups_reads_out_as_it_looks() {
    insta::assert_snapshot!(Window::new(between_anchors()).tree());
}

#[test]
fn the_row_of_views_stays_where_it_is_and_is_gone_along_by_keys() {
    let mut window = Window::sized(looked_at(LIST), 1280.0, 720.0);
    let place = |window: &Window, view: View| {
        window.0.get_by_role_and_label(Role::Button, view.name()).rect()
    };
    let before = place(&window, View::Surprise);
    for view in View::ALL.into_iter().skip(1) {
        window.press(Modifiers::COMMAND, Key::PageDown);
        assert_eq!(window.state().look_inside.view, view);
        assert_eq!(place(&window, View::Surprise).min, before.min, "in {view:?}");
    }
    window.press(Modifiers::COMMAND, Key::PageDown);
    window.press(Modifiers::COMMAND, Key::PageUp);
    assert_eq!(window.state().look_inside.view, View::Map);
}

#[test]
fn the_map_of_a_head_can_be_read_in_a_low_window() {
    for (width, height, least) in [(1280.0, 720.0, 300.0), (1000.0, 640.0, 300.0)] {
        let mut state = watched(LIST);
        state.look_inside.as_lines = false;
        let window = Window::sized(state, width, height);
        let map = window.0.get_by_label("Map of head 0").rect();
        assert!(map.width() >= least, "{width} x {height}: {map:?}");
    }
}
