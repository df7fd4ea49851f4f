//! A study of pairs: made of a file, judged by keyboard with sides that are drawn, training first, pairs
//! shown again, a sitting that ends, and what is exported.

use std::path::Path;

use eframe::egui::{Event, Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use tuning_fork::files;
use tuning_fork::state::AppState;
use tuning_fork::state::codes::session::Session;
use tuning_fork::state::codes::setup::{Sample, What};
use tuning_fork::state::command::{CodesCommand, Command, ViewCommand};
use tuning_fork::state::prefs::PanelId;
use tuning_fork::study::folder::Folder;
use tuning_fork::study::forms::export::Export;
use tuning_fork::study::log::{Use, Verdict};
use tuning_fork::study::plan::Order;
use tuning_fork::study::value::Value;

use crate::support::read_out;
use crate::whole_app::App;

const ROWS: [&str; 5] = [
    r#"{"id": "t", "prompt": "Is the earth round?", "answer_a": "Yes.", "answer_b": "No.", "role": "training", "right": "a", "why": "It is nearly a ball."}"#,
    r#"{"id": "one", "prompt": "What is a DOI?", "answer_a": "A name that stays.", "answer_b": "A name that goes.", "model_a": "small", "model_b": "large"}"#,
    r#"{"id": "two", "prompt": "What is a panel?", "answer_a": "The same people, asked again.", "answer_b": "A piece of wood.", "model_a": "small", "model_b": "large"}"#,
    r#"{"id": "three", "prompt": "What is a sample?", "answer_a": "A part.", "answer_b": "A part that is drawn.", "model_a": "small", "model_b": "large"}"#,
    r#"{"id": "four", "prompt": "What is a census?", "answer_a": "All.", "answer_b": "A part.", "model_a": "small", "model_b": "large"}"#,
];

fn say(app: &mut App, text: &str) {
    app.harness.event(Event::Text(text.to_owned()));
    app.run();
}

fn press(app: &mut App, modifiers: Modifiers, key: Key) {
    app.harness.key_press_modifiers(modifiers, key);
    app.run();
}

fn session(app: &App) -> &Session {
    app.harness.state().state.codes.session.as_ref().expect("a study is open")
}

/// Ada begins a study of the rows.
fn begun(parent: &Path, again: usize) -> App {
    let file = parent.join("answers.jsonl");
    files::write_atomic(&file, ROWS.join("\n").as_bytes()).unwrap();
    let mut app = App::with_model_in(&parent.join("project"));
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Annotate)));
    app.click("Studies");
    app.harness.state_mut().state.codes.coder = "Ada".to_owned();
    app.run();
    app.ask(Command::Codes(CodesCommand::UsePairs(file)));
    {
        let setup = &mut app.harness.state_mut().state.codes.setup;
        assert_eq!(setup.what(), What::Pairs);
        setup.codebook.name = "Helpful".to_owned();
        setup.role = "role".to_owned();
        setup.right = "right".to_owned();
        setup.feedback = "why".to_owned();
        setup.order = Order::AsGiven;
        setup.again = again;
        setup.stop_after_items = 3;
    }
    app.run();
    app
}

/// What is in front of a coder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Setup,
    Pair,
}

pub fn shown(what: Shown) -> AppState {
    let parent = tempfile::tempdir().unwrap();
    let mut app = begun(parent.path(), 25);
    if what == Shown::Pair {
        app.click("Begin to code");
    }
    std::mem::take(&mut app.harness.state_mut().state)
}

#[test]
fn pairs_are_judged_by_keys_and_the_sides_are_those_that_were_drawn() {
    let parent = tempfile::tempdir().unwrap();
    let mut app = begun(parent.path(), 25);
    insta::assert_snapshot!("pair_study_setup", read_out(&app.harness));
    app.click("Begin to code");
    // Training first, with what is right said by its side.
    app.sees("Is the earth round?");
    app.sees("Training: the right code is shown after yours");
    insta::assert_snapshot!("pair_study_a_pair", read_out(&app.harness));
    assert!(app.harness.query_by_label("small").is_none(), "blind");
    let right_key = if session(&app).left() == Some(0) { "1" } else { "2" };
    let wrong_key = if right_key == "1" { "2" } else { "1" };
    say(&mut app, wrong_key);
    let side = if right_key == "1" { "left" } else { "right" };
    app.sees(&format!("better: the {side} answer is right, and you said"));
    app.sees("It is nearly a ball.");
    press(&mut app, Modifiers::NONE, Key::Enter);
    app.sees("What is a DOI?");
    // The first answer is on the side that the plan says, and the key of that side means it.
    let shown: Vec<String> =
        session(&app).answers().unwrap().iter().map(|text| (*text).to_owned()).collect();
    let key = if shown[0] == "A name that stays." { "1" } else { "2" };
    say(&mut app, key);
    app.sees("What is a panel?");
    say(&mut app, "3");
    // Three verdicts: the sitting is over, keys give no more of them.
    app.sees("Enough for one sitting");
    insta::assert_snapshot!("pair_study_sitting_over", read_out(&app.harness));
    say(&mut app, "1");
    assert_eq!(session(&app).coder().history().len(), 3);
    app.click("Begin another sitting");
    app.sees("What is a sample?");
    say(&mut app, "s");
    app.sees("What is a census?");
    say(&mut app, "0");
    let path = parent.path().join("project").join("studies").join("helpful");
    let looked = Folder::open(&path, Use::Read).unwrap();
    let log = looked.coder("Ada").unwrap();
    let said = |id: &str| {
        let item = looked.item_named(id).unwrap();
        log.verdict(item, 1).unwrap().value(0).cloned()
    };
    assert_eq!(said("one"), Some(Value::words("first")));
    assert_eq!(said("two"), Some(Value::words("tie")));
    assert_eq!(said("three"), Some(Value::DontKnow));
    assert_eq!(said("four"), Some(Value::words("both bad")));
    let item = looked.item_named("one").unwrap();
    assert_eq!(looked.origins[&item][0].as_deref(), Some("small"));
    // One of four comes again, with its sides swapped.
    let slot = session(&app).slot().unwrap();
    assert_eq!(slot.pass, 2);
    let before = log.verdict(slot.item, 1).unwrap().left.unwrap();
    assert_eq!(session(&app).left(), Some(1 - before));
    say(&mut app, "1");
    app.sees("Every pair is judged");
    app.ask(Command::Codes(CodesCommand::Agreement));
    app.sees("share on the left");
}

/// Two coders have judged four pairs of two models, and the arena of the study is in front.
pub fn rated() -> AppState {
    let parent = tempfile::tempdir().unwrap();
    std::mem::take(&mut rated_in(parent.path()).harness.state_mut().state)
}

fn rated_in(parent: &Path) -> App {
    let mut app = begun(parent, 0);
    app.click("Begin to code");
    app.ask(Command::Codes(CodesCommand::Close));
    let study = parent.join("project/studies/helpful");
    let mut folder = Folder::open(&study, Use::Write).unwrap();
    for (coder, labels) in [
        ("Ada", ["first", "second", "tie", "first"]),
        ("Ben", ["first", "first", "both bad", "second"]),
    ] {
        let log = folder.join(coder).unwrap();
        for (id, label) in ["one", "two", "three", "four"].into_iter().zip(labels) {
            let verdict = Verdict {
                item: folder.item_named(id).unwrap(),
                pass: 1,
                values: [(0, Value::words(label))].into(),
                left: Some(1),
                ..Verdict::default()
            };
            folder.append(log, verdict).unwrap();
        }
    }
    drop(folder);
    app.ask(Command::Codes(CodesCommand::Open(study)));
    app.click("Study arena");
    app
}

#[test]
fn the_models_behind_the_answers_are_rated_by_every_coder() {
    let parent = tempfile::tempdir().unwrap();
    let mut app = rated_in(parent.path());
    for words in [
        "2 models · 8 comparisons · 2 ties",
        "8 verdicts of 2 coders on 4 pairs. Where several coders judged a pair, each verdict counts",
        "small: ",
        "5 of 8 won",
        "won 2 of 6 decided comparisons", // the second answer stood at the left
        "More comparisons that would tell the most",
    ] {
        app.sees(words);
    }
    // The other pages are there, and computed when they come to the front.
    app.click("Disagreements");
    app.sees("1 of 3 · 0 settled");
    app.click("Agreement");
    app.sees("share on the left");
    app.click("Back to the texts");
    app.ask(Command::Codes(CodesCommand::Agreement));
    app.sees("share on the left");
    // Where nobody knows the models, that is said, and it is not asked again and again.
    let session = app.harness.state().state.codes.session.as_ref().unwrap();
    std::fs::remove_file(session.folder.path.join("origins.jsonl")).unwrap();
    app.ask(Command::Codes(CodesCommand::Arena));
    app.sees("This study does not know which models gave its answers");
}

#[test]
fn what_a_pair_looks_like_is_switched_by_keys_and_a_verdict_is_changed() {
    let parent = tempfile::tempdir().unwrap();
    let mut app = begun(parent.path(), 0);
    app.harness.state_mut().state.codes.setup.role.clear();
    app.harness.state_mut().state.codes.setup.stop_after_items = 0;
    app.run();
    app.click("Begin to code");
    say(&mut app, "d");
    assert!(session(&app).shown.differences);
    say(&mut app, "y");
    say(&mut app, "p");
    assert!(session(&app).shown.together && session(&app).shown.markdown);
    say(&mut app, "1");
    press(&mut app, Modifiers::NONE, Key::Backspace);
    app.sees("Left is better (1), chosen");
    say(&mut app, "2");
    press(&mut app, Modifiers::COMMAND, Key::Z);
    app.sees("Left is better (1), chosen");
    let session = session(&app);
    assert_eq!((session.coder().history().len(), session.progress().0), (2, 1));
}

#[test]
fn a_typed_path_exports_the_form_of_its_ending_and_overwrites_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let mut app = begun(parent.path(), 0);
    app.harness.state_mut().state.codes.setup.role.clear();
    app.run();
    app.click("Begin to code");
    say(&mut app, "1");
    for (name, words) in [
        ("codes.csv", "coder,item,variable"),
        ("codes.jsonl", "\"left\":\""),
        ("codes.qdpx", "PK"),
        ("tasks.json", "answer1"),
    ] {
        let path = parent.path().join(name);
        press(&mut app, Modifiers::COMMAND, Key::K);
        say(&mut app, &path.display().to_string());
        press(&mut app, Modifiers::NONE, Key::Enter);
        let bytes = std::fs::read(&path).unwrap_or_default();
        assert!(String::from_utf8_lossy(&bytes).contains(words), "{name}");
    }
    let table = parent.path().join("codes.csv");
    files::write_atomic(&table, b"mine").unwrap();
    app.ask(Command::Codes(CodesCommand::ExportTo(Export::Long, table.clone())));
    app.sees("is there already, and nothing was written");
    assert_eq!(std::fs::read(&table).unwrap(), b"mine");
}

#[test]
fn what_is_missing_of_a_study_of_pairs_is_said() {
    let parent = tempfile::tempdir().unwrap();
    let mut app = begun(parent.path(), 0);
    app.harness.state_mut().state.codes.setup.right.clear();
    app.run();
    app.sees("Choose the column with the right codes");
    app.harness.state_mut().state.codes.setup.right = "why".to_owned();
    app.run();
    app.click("Begin to code");
    app.sees("“It is nearly a ball.” is no label of better");
    // The loaded model of the tests has no weights: it cannot read the pairs.
    {
        let setup = &mut app.harness.state_mut().state.codes.setup;
        setup.right = "right".to_owned();
        (setup.sample, setup.count) = (Sample::Closest, 2);
        assert!(setup.asks_model());
    }
    app.run();
    app.click("Begin to code");
    app.sees("The study could not be made");
}
