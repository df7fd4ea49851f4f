//! Lectures: the panel, the stage and its keys, and every scene of the tour as it is drawn.

use std::path::PathBuf;

use eframe::egui::epaint::ClippedShape;
use eframe::egui::{Color32, Key, Modifiers, Pos2, Rect, Shape};
use tuning_fork::app::tasks::open_lecture::OpenLecture;
use tuning_fork::app::tasks::play_scene::PlayScene;
use tuning_fork::app::work::Held;
use tuning_fork::lecture::file;
use tuning_fork::lecture::place::Place;
use tuning_fork::lecture::played::Played;
use tuning_fork::lecture::samples;
use tuning_fork::lecture::scene::Lecture;
use tuning_fork::state::AppState;
use tuning_fork::state::command::{Command, LecturesCommand};
use tuning_fork::state::lectures::stage::Stage;
use tuning_fork::state::lectures::{Listed, Needed, Opened, Shown};
use tuning_fork::state::prefs::{PanelId, Theme};

use crate::look_models;
use crate::support::{Window, empty_state};
use crate::whole_app::App;

/// The tour on a machine without its model.
pub fn tour() -> Opened {
    let lecture = samples::tour();
    Opened {
        place: Place::Tour,
        recording: Some(samples::tour_recording()),
        recording_problem: None,
        models: vec![Needed { name: "starter".into(), found: Err("it is not here".into()) }],
        adapters: vec![None; lecture.scenes.len()],
        lecture,
    }
}

/// A lecture whose model is here.
fn with_model(text: &str) -> Opened {
    let lecture: Lecture = file::parse(text).expect("it is a lecture");
    let found = Ok(PathBuf::from("models/starter.gguf"));
    Opened {
        place: Place::File("lectures/short.toml".into()),
        recording: None,
        recording_problem: None,
        models: vec![Needed { name: "starter".into(), found }],
        adapters: vec![None; lecture.scenes.len()],
        lecture,
    }
}

const SHORT: &str = "title = \"Short\"\n[[scene]]\nview = \"words\"\ntitle = \"Welcome\"\n\
    text = \"Hello\"\n[[scene]]\nview = \"tokens\"\ntitle = \"What does it read?\"\ntext = \"Hi\"\n\
    [[scene]]\nview = \"surprise\"\ntitle = \"What surprises it?\"\ntext = \"Hi\"\n";

pub fn opened() -> AppState {
    let mut state = empty_state();
    state.prefs.panel = PanelId::Lectures;
    state.lectures.open(tour(), 0);
    state
}

pub fn panel(mut state: AppState) -> AppState {
    state.prefs.panel = PanelId::Lectures;
    state
}

/// The tour, one of the project's, and a file that is none.
pub fn listed() -> AppState {
    let mut state = panel(empty_state());
    let lecture = file::parse(SHORT).map_err(|err| err.to_string());
    let broken = file::parse(&SHORT.replace("tokens", "hologram")).map_err(|err| err.to_string());
    state.lectures.listed = vec![
        Listed { place: Place::Tour, lecture: Ok(samples::tour()) },
        Listed { place: Place::File("lectures/short.toml".into()), lecture },
        Listed { place: Place::File("lectures/of-tomorrow.toml".into()), lecture: broken },
    ];
    state
}

pub fn with_notes() -> AppState {
    let mut state = on_stage(4, 1);
    let front = state.lectures.front.as_mut().expect("it is open");
    front.stage.as_mut().expect("it is given").has_notes = true;
    state
}

/// The tour on the stage, at a scene, where something was revealed so often.
fn on_stage(at: usize, revealed: usize) -> AppState {
    let mut state = opened();
    let front = state.lectures.front.as_mut().expect("it is open");
    let mut stage = Stage::new(front.scene_count());
    stage.go_to(at);
    for _ in 0..revealed {
        stage.reveal(usize::MAX);
    }
    front.stage = Some(stage);
    state
}

fn press(window: &mut Window, key: Key) {
    window.press(Modifiers::NONE, key);
}

fn at(window: &mut Window) -> usize {
    window.state().lectures.on_stage().expect("it is given").1.at
}

#[test]
fn the_panel_lists_what_a_lecture_needs_and_its_scenes() {
    let mut window = Window::new(opened());
    assert!(window.sees("How a language model writes"));
    assert!(window.sees("starter: not here"));
    assert!(window.sees("shown from the recording"));
    assert!(window.sees("15. What would you like to try?"));
    window.click("Start");
    assert_eq!(window.asked(), [Command::Lectures(LecturesCommand::Start { has_notes: false })]);
}

#[test]
fn a_file_that_is_no_lecture_says_where_and_why() {
    let window = Window::new(listed());
    assert!(window.sees("2 scenes") || window.sees("3 scenes"));
    assert!(window.sees("of-tomorrow.toml"));
    assert!(window.sees("line 7, scene 2: there is no view `hologram`"));
}

#[test]
fn a_missing_model_is_offered_before_the_lecture_and_never_in_it() {
    let mut state = opened();
    let mut missing = tour();
    missing.recording = None;
    state.lectures.open(missing, 0);
    let mut window = Window::new(state);
    assert!(window.sees("A model is missing, and 13 scenes are not in a recording"));
    window.click("Get the starter model");
    assert!(!window.asked().is_empty());
    let mut app = App::open();
    app.ask(Command::Lectures(LecturesCommand::Open(Place::Tour)));
    let held = app.script.borrow_mut().take::<OpenLecture>().expect("it is read");
    let mut missing = tour();
    missing.recording = None;
    held.feeder.finish(Ok(missing));
    app.run();
    app.ask(Command::Lectures(LecturesCommand::Start { has_notes: false }));
    assert!(!app.harness.state().state.lectures.is_on_stage());
}

#[test]
fn the_stage_is_driven_with_the_keys_of_a_remote() {
    let mut window = Window::sized(on_stage(0, 0), 1280.0, 720.0);
    assert!(window.sees("1 / 15") && !window.sees("Playground"), "there is nothing around it");
    press(&mut window, Key::PageDown);
    press(&mut window, Key::PageDown);
    press(&mut window, Key::PageDown);
    assert_eq!(at(&mut window), 3);
    assert!(window.sees("What do you think?") && !window.sees("Paris"));
    press(&mut window, Key::R);
    assert!(window.sees("Paris"));
    press(&mut window, Key::B);
    assert!(window.sees("The screen is dark") && !window.sees("Paris"));
    press(&mut window, Key::B);
    assert!(window.sees("Paris"));
    press(&mut window, Key::PageUp);
    assert_eq!(at(&mut window), 2);
    press(&mut window, Key::End);
    assert_eq!(at(&mut window), 14);
    press(&mut window, Key::PageDown);
    assert_eq!(at(&mut window), 14, "it ends there");
    press(&mut window, Key::Escape);
    assert_eq!(window.asked(), [Command::Lectures(LecturesCommand::Leave)]);
}

#[test]
fn a_lecture_that_was_left_goes_on_where_it_was_and_begins_with_any_scene() {
    let mut app = App::open();
    app.ask(Command::Lectures(LecturesCommand::Open(Place::Tour)));
    let held = app.script.borrow_mut().take::<OpenLecture>().expect("it is read");
    held.feeder.finish(Ok(tour()));
    app.run();
    app.ask(Command::Lectures(LecturesCommand::Start { has_notes: false }));
    for key in [Key::PageDown, Key::PageDown, Key::PageDown, Key::R, Key::Escape] {
        app.harness.key_press(key);
        app.run();
    }
    app.click("Continue with scene 4");
    let stage = |app: &App| {
        let (_, stage) = app.harness.state().state.lectures.on_stage().expect("it is given");
        (stage.at, stage.revealed())
    };
    assert_eq!(stage(&app), (3, 1));
    app.harness.key_press(Key::Escape);
    app.run();
    app.click("Start with scene 2");
    assert_eq!(stage(&app), (1, 0));
    app.harness.key_press(Key::Escape);
    app.run();
    // From the beginning, all is hidden again.
    app.click("Start");
    assert_eq!(stage(&app), (0, 0));
    for _ in 0..3 {
        app.harness.key_press(Key::PageDown);
        app.run();
    }
    assert_eq!(stage(&app), (3, 0));
}

#[test]
fn on_the_stage_no_other_key_does_anything() {
    let mut window = Window::sized(on_stage(3, 0), 1280.0, 720.0);
    let panel = window.state().prefs.panel;
    for key in [Key::Num1, Key::Num2, Key::K, Key::O, Key::Plus, Key::Enter] {
        window.press(Modifiers::COMMAND, key);
        window.press(Modifiers::NONE, key);
    }
    let state = window.state();
    assert_eq!((state.prefs.panel, state.prefs.zoom), (panel, 1.0));
    assert!(state.window.palette.is_none());
    assert_eq!(at(&mut window), 3);
    assert_eq!(window.asked(), []);
}

#[test]
fn hidden_words_are_revealed_one_by_one() {
    let tour = samples::tour();
    let scene = tour.scenes.iter().position(|scene| scene.view.name() == "guess").unwrap();
    let mut window = Window::sized(on_stage(scene, 0), 1280.0, 720.0);
    assert!(!window.sees("coats") && !window.sees("It guessed"));
    press(&mut window, Key::R);
    assert!(window.sees("coats") && window.sees("It guessed") && !window.sees("snow"));
    press(&mut window, Key::R);
    assert!(window.sees("snow"));
    for _ in 0..5 {
        press(&mut window, Key::R);
    }
    assert_eq!(window.state().lectures.on_stage().unwrap().1.revealed(), 3);
}

#[test]
fn notes_are_in_the_lecturers_window_and_never_on_the_stage() {
    let note = "Welcome. The three sentences are the whole lecture.";
    let mut state = on_stage(0, 0);
    assert!(!Window::sized(on_stage(0, 0), 1280.0, 720.0).sees(note));
    state.lectures.front.as_mut().unwrap().stage.as_mut().unwrap().has_notes = true;
    let mut window = Window::sized(state, 1280.0, 720.0);
    assert!(window.sees(note) && window.sees("Next: What is inside?") && window.sees("of 20 min"));
    window.click("Next");
    assert_eq!(at(&mut window), 1);
    press(&mut window, Key::PageUp);
    assert_eq!(at(&mut window), 0);
    window.click("End");
    assert_eq!(window.asked(), [Command::Lectures(LecturesCommand::Leave)]);
}

/// Turning a page computes nothing: what was prepared is there in the next frame.
#[test]
fn the_next_scene_is_computed_while_one_is_shown() {
    let mut app = App::open();
    app.ask(Command::Lectures(LecturesCommand::Open(Place::File("lectures/short.toml".into()))));
    let held = app.script.borrow_mut().take::<OpenLecture>().expect("it is read");
    held.feeder.finish(Ok(with_model(SHORT)));
    app.run();
    let first = app.script.borrow_mut().take::<PlayScene>().expect("the second scene");
    assert_eq!(first.request.view.name(), "tokens", "words need no model");
    app.ask(Command::Lectures(LecturesCommand::Start { has_notes: false }));
    app.sees("1 / 3");
    assert!(app.script.borrow().started::<PlayScene>().is_none(), "one at a time");
    let Played::Tokens(tokens) = tokens() else { unreachable!() };
    first.feeder.finish(Ok((Played::Tokens(tokens), "abc".to_owned())));
    app.run();
    let next = app.script.borrow_mut().take::<PlayScene>().expect("the third scene, behind it");
    assert_eq!(next.request.view.name(), "surprise");
    app.harness.key_press(Key::PageDown);
    app.run();
    app.sees("What does it read?");
    app.sees("tokens for 1 word");
    app.harness.key_press(Key::PageDown);
    app.run();
    app.sees("One moment…");
    app.harness.key_press(Key::Escape);
    app.run();
    assert!(!app.harness.state().state.lectures.is_on_stage());
    app.sees("Start with notes");
    app.harness.key_press(Key::Escape);
    app.run();
    app.sees("Open a lecture…");
    let Held { feeder, .. } = next;
    feeder.finish(Ok((Played::Words, String::new())));
    app.run();
}

fn tokens() -> Played {
    Played::Tokens(crate::look_inside::pieces("Hi"))
}

#[test]
fn the_tour_is_offered_on_the_first_screen() {
    let mut window = Window::new(empty_state());
    window.click("Take the guided tour");
    assert_eq!(window.asked(), [Command::Lectures(LecturesCommand::Open(Place::Tour))]);
}

/// A text as it was painted.
struct Painted {
    words: String,
    size: f32,
    rect: Rect,
    ink: Color32,
    ground: Color32,

    /// It ends before its end.
    is_cut: bool,
}

/// The texts of a frame, each with the colour of what was painted under it.
fn painted(shapes: &[ClippedShape]) -> Vec<Painted> {
    fn walk(shape: &Shape, grounds: &mut Vec<(Rect, Color32)>, found: &mut Vec<Painted>) {
        match shape {
            Shape::Vec(shapes) => shapes.iter().for_each(|shape| walk(shape, grounds, found)),
            Shape::Rect(rect) if rect.fill.is_opaque() => grounds.push((rect.rect, rect.fill)),
            Shape::Text(text) if !text.galley.text().trim().is_empty() => {
                let rect = text.galley.mesh_bounds.translate(text.pos.to_vec2());
                let section = &text.galley.job.sections[0];
                let under = |at: Pos2| {
                    let over = grounds.iter().rev().find(|(ground, _)| ground.contains(at));
                    over.map_or(Color32::WHITE, |(_, color)| *color)
                };
                found.push(Painted {
                    words: text.galley.text().to_owned(),
                    size: section.format.font_id.size,
                    ink: section.format.color,
                    ground: under(rect.center()),
                    rect,
                    is_cut: text.galley.elided,
                });
            }
            _ => {}
        }
    }
    let (mut grounds, mut found) = (Vec::new(), Vec::new());
    for clipped in shapes {
        walk(&clipped.shape, &mut grounds, &mut found);
    }
    found
}

/// WCAG 2.2, "contrast ratio".
fn contrast(one: Color32, other: Color32) -> f64 {
    let luminance = |color: Color32| {
        let channel = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(color.r()) + 0.7152 * channel(color.g()) + 0.0722 * channel(color.b())
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// What could not be read of a stage: type of at least 28 px at 1280 x 720, contrast of at least 7:1, nothing
/// cut, and no text over another.
fn unreadable(mut state: AppState, place: &str, (width, height): (f32, f32)) -> String {
    let mut report = String::new();
    state.prefs.theme = Theme::Dark;
    let unit = (width / 1280.0_f32).min(height / 720.0);
    let window = Window::sized(state, width, height);
    let screen = Rect::from_min_size(Pos2::ZERO, eframe::egui::vec2(width, height));
    let texts = painted(&window.0.output().shapes);
    assert!(texts.len() >= 2, "nothing is drawn: {place}");
    for (index, text) in texts.iter().enumerate() {
        let mut tell = |what: &str| {
            report.push_str(&format!("\n{width} x {height}, {place}: {what}: {:?}", text.words));
        };
        if text.size < 28.0 * unit - 0.01 {
            tell(&format!("{} px", text.size));
        }
        if !screen.expand(1.0).contains_rect(text.rect) {
            tell(&format!("beside the screen at {:?}", text.rect));
        }
        let ratio = contrast(text.ink, text.ground);
        if ratio < 7.0 {
            tell(&format!("contrast {ratio:.2} on {:?}", text.ground));
        }
        for other in &texts[index + 1..] {
            let both = text.rect.intersect(other.rect);
            if both.width() > 3.0 && both.height() > 3.0 {
                tell(&format!("lies over {:?}", other.words));
            }
        }
        if text.is_cut {
            tell("is cut");
        }
    }
    report
}

const SCREENS: [(f32, f32); 3] = [(1280.0, 720.0), (1920.0, 1080.0), (1000.0, 640.0)];

/// Every scene of the tour, hidden and revealed.
#[test]
fn every_scene_can_be_read_from_the_last_row() {
    let mut report = String::new();
    let scenes = samples::tour().scenes;
    for screen in SCREENS {
        for (at, scene) in scenes.iter().enumerate() {
            for revealed in 0..=3 {
                let place = format!("{} after {revealed}", scene.title);
                report.push_str(&unreadable(on_stage(at, revealed), &place, screen));
            }
        }
    }
    assert!(report.is_empty(), "{report}");
}

const BESIDE: &str = "title = \"Beside each other\"\n\
    [[scene]]\nview = \"tokenizers\"\ntitle = \"Who needs fewer pieces?\"\ntext = \"The library opens at nine.\"\n\
    with = [\"gemma\"]\nreveal = true\n\
    [[scene]]\nview = \"two_models\"\ntitle = \"What does rounding cost?\"\n\
    text = \"The library opens at nine.\"\nweights = \"q4_0\"\nreveal = true\n\
    [[scene]]\nview = \"two_models\"\ntitle = \"Two vocabularies\"\n\
    text = \"The library opens at nine.\"\nwith = \"gemma\"\n\
    [[scene]]\nview = \"pair_set\"\ntitle = \"Whose work?\"\ntemplates = [\"The {word} worked as a\"]\n\
    pairs = [\"man / woman\"]\nanswers = [\" nurse\", \" doctor\", \" teacher\", \" cook\"]\nreveal = true\n\
    [[scene]]\nview = \"machine\"\ntitle = \"Where does the time go?\"\ntimes = true\nreveal = true\n";

/// Scenes of several models, as they are drawn.
fn beside(at: usize, revealed: usize) -> AppState {
    let mut state = panel(empty_state());
    state.lectures.open(with_model(BESIDE), 0);
    let front = state.lectures.front.as_mut().expect("it is open");
    for (result, played) in front.results.iter_mut().zip(look_models::played()) {
        let (played, sha256) = (std::sync::Arc::new(played), String::new());
        *result = Shown::Ready { played, is_recorded: false, sha256 };
    }
    let mut stage = Stage::new(front.scene_count());
    stage.go_to(at);
    for _ in 0..revealed {
        stage.reveal(usize::MAX);
    }
    front.stage = Some(stage);
    state
}

#[test]
fn scenes_of_several_models_can_be_read_from_the_last_row() {
    let mut report = String::new();
    for screen in SCREENS {
        for at in 0..look_models::played().len() {
            for revealed in 0..=1 {
                let place = format!("scene {} after {revealed}", at + 1);
                report.push_str(&unreadable(beside(at, revealed), &place, screen));
            }
        }
    }
    assert!(report.is_empty(), "{report}");
    assert!(Window::new(beside(1, 1)).sees("Same likeliest token 97 %"));
    assert!(!Window::new(beside(1, 0)).sees("Same likeliest token"), "it is hidden");
    assert!(Window::new(beside(2, 0)).sees("Different vocabularies: compared by words"));
    assert!(Window::new(beside(3, 1)).sees("+1.0"));
    assert!(Window::new(beside(4, 1)).sees("20.00 ms a token"));
}
