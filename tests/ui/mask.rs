//! Fill the mask, in Look inside: words from both sides and from the left, whole texts, the stage.

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use tuning_fork::app::tasks::mask_passes::{FillMask, FitTexts, GuessFromLeft};
use tuning_fork::app::work::Held;
use tuning_fork::explore::fit::{Fit, FitPair, Fitted, SharedToken};
use tuning_fork::explore::mask::{Guessed, GuessedToken, OwnToken, Side};
use tuning_fork::explore::mask_words::{text_of, words};
use tuning_fork::explore::predictions::Candidate;
use tuning_fork::explore::subject::Looked;
use tuning_fork::hub::browse::search::Task;
use tuning_fork::jobs::Cancelled;
use tuning_fork::lecture::file;
use tuning_fork::lecture::place::Place;
use tuning_fork::lecture::played::{FilledView, Played};
use tuning_fork::lecture::scene::View as SceneView;
use tuning_fork::state::AppState;
use tuning_fork::state::command::{Command, LecturesCommand, LookInsideCommand, ViewCommand};
use tuning_fork::state::hub::ModelsTab;
use tuning_fork::state::lectures::stage::Stage;
use tuning_fork::state::lectures::{Opened, Shown};
use tuning_fork::state::look_inside::guess::Rule;
use tuning_fork::state::look_inside::mask::{MaskModel, Part};
use tuning_fork::state::look_inside::slot::Slot;
use tuning_fork::state::look_inside::view::View;
use tuning_fork::state::prefs::PanelId;

use crate::support::{Window, empty_state, loaded_state};
use crate::whole_app::App;

const TEXT: &str = "The librarian opens the old [MASK] at nine.";

/// The word `opens`, and the mask that is typed.
const OPENS: usize = 2;
const TYPED: usize = 5;

fn bert() -> MaskModel {
    MaskModel {
        name: "bert-base-uncased".to_owned(),
        path: PathBuf::from("models/bert"),
        memory_bytes: 440_000_000,
    }
}

/// A model's guesses: the word itself is number two at each of its tokens.
fn side(model: &str, text: &str, chosen: &[usize], tokens: usize) -> Side {
    let candidate = |id: u32, token: &str, probability: f64| Candidate {
        id,
        token: token.to_owned(),
        logprob: probability.ln(),
        probability,
    };
    let all = words(text);
    let place = |at: &usize| {
        let word = &all[*at];
        let own = (!word.is_mask).then(|| text_of(text, &word.characters));
        let token =
            |number: usize| {
                let own = own.as_ref().map(|own| format!("{own}{number}"));
                let second = own.clone().unwrap_or_else(|| "window".to_owned());
                let others = ["gate", "library", "tower", "book", "lamp", "room", "stairs", "desk"];
                let mut top = vec![candidate(7, " door", 0.42), candidate(8, &second, 0.25)];
                top.extend(others.iter().enumerate().map(|(row, token)| {
                    candidate(9 + row as u32, token, 0.08 / f64::from(1 << row))
                }));
                GuessedToken {
                    position: at + number,
                    entropy: 4.25,
                    top,
                    own: own.map(|token| OwnToken {
                        id: 8,
                        token,
                        logprob: 0.25_f64.ln(),
                        probability: 0.25,
                        rank: 2,
                    }),
                }
            };
        let logprob = own.is_some().then(|| tokens as f64 * 0.25_f64.ln());
        Guessed {
            characters: word.characters.clone(),
            word: own.clone(),
            tokens: (0..if word.is_mask { 1 } else { tokens }).map(token).collect(),
            logprob,
            probability: logprob.map(f64::exp),
        }
    };
    Side {
        model: model.to_owned(),
        ids: vec![1, 2, 3],
        tokens: ["[CLS]", "the", "[SEP]"].map(str::to_owned).into(),
        is_cut: false,
        places: chosen.iter().map(place).collect(),
    }
}

/// At the view with a text, and a masked model on the disk.
fn looking(mut state: AppState, text: &str) -> AppState {
    state.prefs.panel = PanelId::LookInside;
    let look = &mut state.look_inside;
    look.view = View::Mask;
    look.mask.models = vec![bert()];
    look.mask.choose(Some(bert()));
    look.mask.game.rule = Rule::Clicked;
    look.text = text.to_owned();
    look.look(&state.model, &state.adapter);
    state
}

/// Both models have guessed.
pub fn filled(text: &str, chosen: &[usize]) -> AppState {
    let mut state = looking(loaded_state(), text);
    let mask = &mut state.look_inside.mask;
    chosen.iter().for_each(|word| mask.toggle(*word));
    let every: Vec<usize> = (0..words(text).len()).collect();
    let all = mask.chosen();
    mask.both = Slot::Ready(side("bert-base-uncased", text, &all, 1));
    mask.left = Slot::Ready(side("SmolLM2-135M-Instruct.Q4_1", text, &every, 2));
    state
}

/// Without any model.
pub fn nothing() -> AppState {
    let mut state = empty_state();
    state.prefs.panel = PanelId::LookInside;
    state.look_inside.view = View::Mask;
    state
}

/// Guesses that are hidden, of which one was told.
pub fn hidden() -> AppState {
    let mut state = filled(TEXT, &[OPENS]);
    state.look_inside.mask.hides = true;
    state.look_inside.mask.reveal_next();
    state
}

fn fit(tokens: &[(&str, f64)]) -> Fit {
    let around = |token: &str| (token.to_owned(), None);
    let inside = tokens.iter().map(|(token, logprob)| ((*token).to_owned(), Some(*logprob)));
    let all = std::iter::once(around("[CLS]")).chain(inside).chain([around("[SEP]")]);
    let (names, logprobs): (Vec<String>, Vec<Option<f64>>) = all.unzip();
    Fit {
        text: tokens.iter().map(|(token, _)| *token).collect::<Vec<_>>().join(" "),
        ids: (0..names.len() as u32).collect(),
        tokens: names,
        pseudo_log_likelihood: logprobs.iter().flatten().sum(),
        guessed_tokens: tokens.len(),
        logprobs,
        is_cut: false,
    }
}

pub fn pair() -> Fitted {
    let a = fit(&[("the", -0.25), ("nurse", -2.5), ("said", -0.5), ("she", -0.125)]);
    let b = fit(&[("the", -0.5), ("nurse", -3.5), ("said", -0.5), ("he", -2.0)]);
    let shared = |at: usize, difference| SharedToken { a: at, b: at, difference };
    Fitted::Pair(Box::new(FitPair {
        difference: a.pseudo_log_likelihood - b.pseudo_log_likelihood,
        shared: vec![shared(1, 0.25), shared(2, 1.0), shared(3, 0.0)],
        shared_difference: 1.25,
        a,
        b,
    }))
}

/// Two texts were compared.
pub fn compared() -> AppState {
    let mut state = filled("the nurse said she", &[]);
    let mask = &mut state.look_inside.mask;
    mask.part = Part::Fit;
    mask.other = "the nurse said he".to_owned();
    let asked = mask.fit_request().unwrap();
    mask.begin_fit(asked);
    mask.fit = Slot::Ready(pair());
    state
}

/// The window with what belongs to it, in front of the view.
fn in_front(mut app: App) -> App {
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::LookInside)));
    let state = &mut app.harness.state_mut().state;
    state.look_inside.view = View::Mask;
    state.look_inside.mask.models = vec![bert()];
    state.look_inside.mask.choose(Some(bert()));
    state.look_inside.mask.game.rule = Rule::Clicked;
    app.run();
    app
}

fn press(window: &mut Window, key: Key) {
    window.press(Modifiers::NONE, key);
}

#[test]
fn without_any_model_both_sides_say_what_is_missing_and_where_to_get_it() {
    let mut window = Window::new(nothing());
    assert!(window.sees("No masked language model is on this computer"));
    assert!(window.sees("No model that writes is loaded"));
    window.click("Find a masked model");
    assert_eq!(window.state().prefs.panel, PanelId::Models);
    assert_eq!(window.state().hub.tab, ModelsTab::Find);
    assert_eq!(window.state().hub.query.task, Some(Task::FillMask));
    let mut window = Window::new(nothing());
    window.click("Choose a model");
    assert_eq!(window.state().prefs.panel, PanelId::Models);
}

#[test]
fn the_view_is_there_without_a_loaded_model() {
    let mut state = empty_state();
    state.prefs.panel = PanelId::LookInside;
    let mut window = Window::new(state);
    window.click("Fill the mask");
    assert_eq!(window.state().look_inside.view, View::Mask);
}

#[test]
fn both_models_are_asked_one_after_the_other_and_shown_beside_each_other() {
    let mut app = in_front(App::with_model());
    app.click("An example");
    let Held { request: (_, asked), feeder } =
        app.script.borrow_mut().take::<FillMask>().expect("the masked model is asked");
    assert_eq!((asked.model, asked.hidden.len()), (bert(), 0), "one mask is typed");
    assert!(app.script.borrow().started::<GuessFromLeft>().is_none(), "not at once");
    let text = asked.text.clone();
    feeder.finish(Ok((
        tuning_fork::state::look_inside::mask::FillAsked { model: bert(), ..asked },
        side("bert-base-uncased", &text, &[10], 1),
    )));
    app.run();
    let Held { request: (_, (_, words)), feeder } =
        app.script.borrow_mut().take::<GuessFromLeft>().expect("then the loaded one");
    assert!(words.len() > 15, "all words at once");
    feeder.emit(Looked { done: 3, total: 12 });
    app.run();
    app.sees("3 of 12 tokens");
    feeder.finish(Ok(side("SmolLM2", &text, &[10], 1)));
    app.run();
    app.sees("bert-base-uncased");
    app.sees("SmolLM2");
    // Another word is hidden: the masked model is asked again, the other one has read the text.
    app.harness.get_by_label("Word 2: library").click();
    app.run();
    let held = app.script.borrow_mut().take::<FillMask>().expect("asked again");
    assert_eq!(held.request.1.hidden, std::slice::from_ref(&(4..11)));
    assert!(app.script.borrow().started::<GuessFromLeft>().is_none());
}

#[test]
fn the_masked_model_alone_is_enough() {
    let mut app = in_front(App::open());
    app.click("An example");
    let asked = app.script.borrow_mut().take::<FillMask>().expect("it is asked");
    let (text, request) = (asked.request.1.text.clone(), asked.request.1.clone());
    asked.feeder.finish(Ok((request, side("bert-base-uncased", &text, &[10], 1))));
    app.run();
    app.sees("No model that writes is loaded");
    app.sees("bert-base-uncased");
    assert!(app.script.borrow().started::<GuessFromLeft>().is_none());
}

#[test]
fn escape_stops_the_pass_and_look_begins_it_again() {
    let mut app = in_front(App::with_model());
    app.click("An example");
    let feeder = app.script.borrow_mut().take::<FillMask>().expect("it is asked").feeder;
    app.harness.key_press(Key::Escape);
    app.run();
    assert!(feeder.was_cancelled());
    feeder.finish(Err(Cancelled.into()));
    app.run();
    app.sees("Not computed. Press Look to try again");
    assert!(app.script.borrow().started::<GuessFromLeft>().is_none(), "nor the other model");
    app.click("Look");
    let again = app.script.borrow_mut().take::<FillMask>().expect("again").feeder;
    app.click("Stop");
    assert!(again.was_cancelled());
}

#[test]
fn guesses_for_words_that_are_hidden_no_more_are_never_shown() {
    let mut app = in_front(App::open());
    app.click("An example");
    let old = app.script.borrow_mut().take::<FillMask>().expect("it is asked");
    app.harness.get_by_label("Word 2: library").click();
    app.run();
    assert!(old.feeder.was_cancelled());
    let (request, text) = (old.request.1.clone(), old.request.1.text.clone());
    old.feeder.finish(Ok((request, side("old", &text, &[10], 1))));
    app.run();
    assert!(app.harness.state().state.look_inside.mask.both.is_running());
}

#[test]
fn a_word_is_reached_hidden_and_told_with_keys() {
    let mut window = Window::new(filled(TEXT, &[]));
    press(&mut window, Key::Escape); // out of the field
    press(&mut window, Key::ArrowRight);
    press(&mut window, Key::ArrowRight);
    assert_eq!(window.state().look_inside.mask.selected, Some(1));
    press(&mut window, Key::M);
    assert_eq!(window.state().look_inside.mask.chosen(), [1, TYPED]);
    press(&mut window, Key::M);
    assert_eq!(window.state().look_inside.mask.chosen(), [TYPED]);
    press(&mut window, Key::H);
    assert!(window.sees("Let the room guess"));
    assert!(!window.sees("bits are open here"));
    press(&mut window, Key::R);
    assert!(window.sees("bits are open here"));
    press(&mut window, Key::Escape);
    assert_eq!(window.state().look_inside.mask.selected, None);
}

#[test]
fn what_is_hidden_is_not_told_before_it_is_revealed() {
    let mut state = filled(TEXT, &[OPENS]);
    state.look_inside.mask.hides = true;
    let mut window = Window::new(state);
    assert!(window.sees("Word 3: hidden, mask 1"));
    assert!(!window.sees("opens0") && !window.sees("number 2 of the whole vocabulary"));
    window.click("Reveal the word");
    assert!(window.sees("The word has 25.0 %: number 2 of the whole vocabulary"));
    assert!(window.sees("The word has 6.2 % as 2 tokens"), "the loaded model has two tokens of it");
    assert!(window.sees("Word 6: hidden, mask 2"));
}

#[test]
fn a_rule_and_its_seed_hide_the_words_that_the_command_line_hides() {
    let mut window = Window::new(looking(loaded_state(), &"one two three four five ".repeat(8)));
    window.click("At random");
    let drawn = |seed: u64| -> Vec<usize> {
        (0..40).filter(|word| tuning_fork::explore::mask_words::is_drawn(seed, *word, 5)).collect()
    };
    assert_eq!(window.state().look_inside.mask.chosen(), drawn(0));
    window.click("Draw again");
    assert_eq!(window.state().look_inside.mask.chosen(), drawn(1));
    assert!(window.state().look_inside.mask.both.is_empty());
    window.click("Every n-th word");
    assert_eq!(window.state().look_inside.mask.chosen()[..2], [4, 9]);
}

#[test]
fn two_texts_are_compared_when_the_button_is_pressed() {
    let mut app = in_front(App::with_model());
    app.harness.state_mut().state.look_inside.text = "the nurse said she".to_owned();
    app.click("Look");
    let left = app.script.borrow_mut().take::<GuessFromLeft>().expect("it reads the text");
    left.feeder.finish(Ok(side("SmolLM2", "the nurse said she", &[1], 1)));
    app.run();
    app.click("The whole text");
    app.click("Begin with the text above");
    app.harness.state_mut().state.look_inside.mask.other = "the nurse said he".to_owned();
    app.run();
    app.click("Compare");
    let Held { request: (_, asked), feeder } =
        app.script.borrow_mut().take::<FitTexts>().expect("it is measured");
    assert_eq!(asked.other.as_deref(), Some("the nurse said he"));
    feeder.emit(Looked { done: 5, total: 12 });
    app.run();
    app.sees("5 of 12 tokens");
    feeder.finish(Ok((asked, pair())));
    app.run();
    app.sees("The text above fits better");
    app.sees("Over the 3 tokens that both have: +1.250 nats");
    app.sees("Pseudo-log-likelihood: \u{2212}3.375 nats");
}

#[test]
fn the_masked_model_is_unloaded_when_somebody_asks_for_it() {
    let mut app = in_front(App::with_model());
    app.harness.state_mut().state.look_inside.mask.kept = Some(bert().path);
    app.run();
    app.click("Unload");
    assert_eq!(app.harness.state().state.look_inside.mask.kept, None);
    let asked = Command::LookInside(LookInsideCommand::ForgetMasked);
    app.ask(asked);
}

#[test]
fn the_view_is_kept_as_a_scene_with_its_words() {
    let mut app = in_front(App::with_model());
    app.harness.state_mut().state.look_inside.text = TEXT.to_owned();
    app.click("Look");
    app.harness.state_mut().state.look_inside.mask.toggle(OPENS);
    app.run();
    app.ask(Command::Lectures(LecturesCommand::KeepView));
    app.run();
    let path = app.harness.state().state.project.join("lectures/my-scenes.toml");
    let lecture = file::read(&path).unwrap();
    let with = bert().path.display().to_string();
    let (text, places) = (TEXT.to_owned(), vec![OPENS + 1]);
    let expected = SceneView::Mask { text, hide: Vec::new(), places, every: 0, with };
    assert_eq!(lecture.scenes[0].view, expected);
}

fn on_stage(revealed: usize) -> AppState {
    let text = format!(
        "title = \"Masks\"\n[[scene]]\nview = \"mask\"\ntitle = \"Which word fits?\"\ntext = \"{TEXT}\"\n\
         hide = [\"opens\"]\nwith = \"bert-base-uncased\"\n"
    );
    let lecture = file::parse(&text).unwrap();
    let opened = Opened {
        place: Place::File("lectures/masks.toml".into()),
        recording: None,
        recording_problem: None,
        models: Vec::new(),
        adapters: vec![None],
        lecture,
    };
    let mut state = empty_state();
    state.prefs.panel = PanelId::Lectures;
    state.lectures.open(opened, 0);
    let all = words(TEXT);
    let chosen = [OPENS, TYPED];
    let played = Played::Mask(FilledView {
        text: TEXT.to_owned(),
        hidden: chosen.iter().map(|word| all[*word].characters.clone()).collect(),
        both: side("bert-base-uncased", TEXT, &chosen, 1),
        left: side("SmolLM2-135M", TEXT, &chosen, 2),
    });
    let front = state.lectures.front.as_mut().unwrap();
    front.results[0] =
        Shown::Ready { played: Arc::new(played), is_recorded: false, sha256: String::new() };
    let mut stage = Stage::new(1);
    for _ in 0..revealed {
        stage.reveal(usize::MAX);
    }
    front.stage = Some(stage);
    state
}

#[test]
fn the_stage_tells_one_word_after_the_other() {
    let mut window = Window::new(on_stage(0));
    assert!(window.sees("What do you think?") && !window.sees("opens"));
    press(&mut window, Key::R);
    assert!(window.sees("Both sides: bert-base-uncased") && window.sees("opens"));
    assert!(window.sees("The word: 25 %, number 2") && window.sees("From the left: SmolLM2-135M"));
    press(&mut window, Key::R);
    assert!(window.sees("Nobody knows the word"), "it was typed as a mask");
    // There is no third word.
    press(&mut window, Key::R);
    assert!(window.sees("Nobody knows the word"));
}

#[test]
fn fill_the_mask_reads_out_as_it_looks() {
    let mut state = filled(TEXT, &[OPENS]);
    state.look_inside.mask.selected = Some(OPENS);
    insta::assert_snapshot!(Window::new(state).tree());
}

#[test]
fn whole_texts_read_out_as_they_look() {
    insta::assert_snapshot!(Window::new(compared()).tree());
}
