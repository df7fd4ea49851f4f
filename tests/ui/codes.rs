//! Codes: a study is made and coded by keyboard alone, coders are compared, what they disagree about is
//! settled, and codes come back from a colleague.

use std::io;
use std::path::{Path, PathBuf};

use eframe::egui::accesskit::Role;
use eframe::egui::{Event, Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use tuning_fork::app::host::{Ask, StudyFile};
use tuning_fork::app::tasks::flush_verdicts::{FlushError, FlushVerdicts};
use tuning_fork::data::codebook::Class;
use tuning_fork::files;
use tuning_fork::state::AppState;
use tuning_fork::state::codes::session::Session;
use tuning_fork::state::codes::{AnnotateView, Front, Listed};
use tuning_fork::state::command::{
    CodesCommand, Command, EvaluateCommand, ViewCommand, WindowCommand,
};
use tuning_fork::state::prefs::{PanelId, Prefs};
use tuning_fork::study::design::Study;
use tuning_fork::study::folder::{self, Folder};
use tuning_fork::study::forms::export::Export;
use tuning_fork::study::item::Item;
use tuning_fork::study::log::Use;
use tuning_fork::study::package;
use tuning_fork::study::plan::Order;
use tuning_fork::study::value::Value;
use tuning_fork::study::variable::{Kind, Variable, Variables};

use crate::support::{Window, empty_state};
use crate::whole_app::App;

fn class(label: &str, definition: &str) -> Class {
    Class { label: label.to_owned(), definition: definition.to_owned(), ..Class::default() }
}

fn codebook() -> Variables {
    let tone = Variable {
        name: "tone".to_owned(),
        question: "Which tone has the text?".to_owned(),
        classes: vec![class("praise", "It says that something is good."), class("blame", "")],
        ..Variable::default()
    };
    let topics = Variable {
        name: "topics".to_owned(),
        kind: Kind::Choices,
        question: "What is it about?".to_owned(),
        classes: vec![class("data", ""), class("people", "")],
        ..Variable::default()
    };
    let count = Variable {
        name: "count".to_owned(),
        kind: Kind::Number,
        low: Some(0.0),
        ..Variable::default()
    };
    Variables {
        name: "Tone".to_owned(),
        guideline_version: "1".to_owned(),
        guideline: "Read the whole text.".to_owned(),
        variables: vec![tone, topics, count],
    }
}

fn items() -> Vec<Item> {
    let texts = [
        "The committee praised the clear and open report.",
        "Nobody could find the data, and the authors did not answer.",
        "The study has 200 participants.",
    ];
    let item = |(place, text): (usize, &&str)| Item {
        id: format!("t{}", place + 1),
        text: (*text).to_owned(),
        inclusion: Some(1.0),
        ..Item::default()
    };
    texts.iter().enumerate().map(item).collect()
}

fn made(parent: &Path) -> Folder {
    made_with(parent, codebook())
}

fn made_with(parent: &Path, codebook: Variables) -> Folder {
    let study = Study {
        form: 1,
        name: "Tone of reports".to_owned(),
        order: Order::AsGiven,
        codebook,
        ..Study::default()
    };
    folder::create(&parent.join("studies").join("tone"), study, &items()).unwrap()
}

/// A study is open in front of Ada.
pub fn coding(parent: &Path) -> AppState {
    let mut state = empty_state();
    state.prefs.panel = PanelId::Annotate;
    state.codes.view = AnnotateView::Codes;
    let mut folder = made(parent);
    let log = folder.join("Ada").unwrap();
    state.codes.session = Some(Session::new(folder, log, 0.0));
    state.codes.front = Front::Coding;
    state
}

fn kept(state: &AppState) -> &Session {
    state.codes.session.as_ref().unwrap()
}

fn type_key(window: &mut Window, letter: &str) {
    window.0.event(Event::Text(letter.to_owned()));
    window.run();
}

#[test]
fn an_open_study_comes_after_what_a_path_is_for_another_panel() {
    let parent = tempfile::tempdir().unwrap();
    let mut window = Window::new(coding(parent.path()));
    let mut first = |panel: PanelId, path: &str| {
        window.state().prefs.panel = panel;
        window.press(Modifiers::COMMAND, Key::K);
        window.state().window.palette.as_mut().unwrap().query = path.to_owned();
        window.run();
        window.press(Modifiers::NONE, Key::Enter);
        window.asked()
    };
    let file = |name: &str| PathBuf::from("/a").join(name);
    let export = CodesCommand::ExportTo(Export::Long, file("codes.csv"));
    assert_eq!(first(PanelId::Annotate, "/a/codes.csv"), [Command::Codes(export)]);
    let table = EvaluateCommand::UseTable(file("texts.csv"));
    assert_eq!(first(PanelId::Evaluate, "/a/texts.csv"), [Command::Evaluate(table)]);
    // A task file is no code of a colleague's, whichever panel is in front.
    for panel in [PanelId::Evaluate, PanelId::Annotate] {
        let open = WindowCommand::OpenPath(file("task.toml"));
        assert_eq!(first(panel, "/a/task.toml"), [Command::Window(open)]);
    }
}

#[test]
fn the_view_says_what_it_is_for_and_wants_a_name() {
    let mut state = empty_state();
    state.prefs.panel = PanelId::Annotate;
    let mut window = Window::new(state);
    window.click("Studies");
    // One that was made beside the window, or copied into the project, is found.
    assert_eq!(window.asked(), [Command::Codes(CodesCommand::Refresh)]);
    assert!(window.sees("People code texts"));
    insta::assert_snapshot!("codes_without_a_study", window.tree());
    window.click("Use the sample abstracts");
    assert_eq!(window.asked(), [Command::Codes(CodesCommand::UseSample)]);
    let listed = Listed {
        path: PathBuf::from("studies/tone"),
        name: "Tone".to_owned(),
        items: 60,
        coders: vec!["Ada".to_owned()],
        problem: None,
    };
    window.state().codes.studies = vec![listed];
    window.run();
    assert!(window.sees("60 items · coded by Ada"));
    assert!(window.0.get_by_label("Code Tone").accesskit_node().is_disabled());
    window.state().codes.coder = "Ben".to_owned();
    window.run();
    window.click("Code Tone");
    let open = CodesCommand::Open(PathBuf::from("studies/tone"));
    assert_eq!(window.asked(), [Command::Codes(open)]);
}

#[test]
fn keys_answer_one_question_after_the_other() {
    let parent = tempfile::tempdir().unwrap();
    let mut window = Window::new(coding(parent.path()));
    insta::assert_snapshot!("codes_a_text_and_its_questions", window.tree());
    assert!(window.sees("“tone” has no answer yet"));
    type_key(&mut window, "2");
    let draft = kept(window.state()).draft.clone();
    assert_eq!((draft.values[0].clone(), draft.question), (Some(Value::words("blame")), 1));
    type_key(&mut window, "1");
    type_key(&mut window, "2");
    type_key(&mut window, "1"); // and off again
    let labels = Value::Labels(vec!["people".to_owned()]);
    assert_eq!(kept(window.state()).draft.values[1], Some(labels));
    // Enter goes to what has no answer yet: the field of the number.
    window.press(Modifiers::NONE, Key::Enter);
    assert!(window.asked().is_empty());
    assert_eq!(kept(window.state()).draft.question, 2);
    type_key(&mut window, "7");
    assert_eq!(kept(window.state()).draft.typed[2], "7");
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.asked(), [Command::Codes(CodesCommand::Give)]);
    // Letters that do something else are no labels.
    type_key(&mut window, "f");
    assert!(kept(window.state()).draft.flagged);
    window.press(Modifiers::NONE, Key::ArrowUp);
    window.press(Modifiers::NONE, Key::ArrowUp);
    type_key(&mut window, "0");
    assert_eq!(kept(window.state()).draft.values[0], Some(Value::DontKnow));
}

/// Six questions, of which a window of 720 pixels shows two or three; the last one need not be answered.
fn many_questions(parent: &Path) -> AppState {
    let mut book = codebook();
    let label = |label: &str| class(label, "What it means, in a sentence.");
    for name in ["first", "second", "third"] {
        let classes = ["one", "two", "three", "four"].map(label).to_vec();
        let variable = Variable { name: name.to_owned(), classes, ..Variable::default() };
        book.variables.insert(1, variable);
    }
    let kind = Kind::Text;
    let note = Variable { name: "note".to_owned(), kind, optional: true, ..Variable::default() };
    book.variables.push(note);
    let mut state = coding(parent);
    state.codes.session = None; // its study is closed before another is made
    let mut folder = made_with(&parent.join("other"), book);
    let log = folder.join("Ada").unwrap();
    state.codes.session = Some(Session::new(folder, log, 0.0));
    state
}

#[test]
fn the_question_that_keys_answer_is_always_in_sight() {
    let parent = tempfile::tempdir().unwrap();
    let mut window = Window::sized(many_questions(parent.path()), 1280.0, 720.0);
    let names = ["tone: blame", "third: two", "second: two", "first: two", "topics: people"];
    for (place, name) in names.into_iter().enumerate() {
        assert_eq!(kept(window.state()).draft.question, place);
        let rect = window.0.get_by_role_and_label(Role::Button, name).rect();
        assert!(rect.top() > 150.0 && rect.bottom() < 600.0, "{name} is at {rect:?}");
        type_key(&mut window, "2");
    }
    // Several topics can be chosen: the next question comes with a key.
    window.press(Modifiers::NONE, Key::ArrowDown);
    let field = window.0.get_by_label("Answer to count").rect();
    assert!(field.bottom() < 600.0, "the field is at {field:?}");
}

#[test]
fn a_number_and_a_text_that_need_not_be_are_typed_without_a_mouse() {
    let parent = tempfile::tempdir().unwrap();
    let mut window = Window::new(many_questions(parent.path()));
    for _ in 0..5 {
        type_key(&mut window, "1");
    }
    window.press(Modifiers::NONE, Key::ArrowDown);
    // 0 is a number here, and not "don't know"; U, F, R and L are letters of a text.
    type_key(&mut window, "2");
    type_key(&mut window, "0");
    window.press(Modifiers::NONE, Key::ArrowDown);
    for letter in ["F", "u", "l", "l"] {
        type_key(&mut window, letter);
    }
    let draft = kept(window.state()).draft.clone();
    assert_eq!((draft.typed[5].as_str(), draft.typed[6].as_str()), ("20", "Full"));
    assert!(!draft.flagged && kept(window.state()).list.is_none());
    // Out of the field, keys are keys again.
    window.press(Modifiers::NONE, Key::Escape);
    window.press(Modifiers::NONE, Key::ArrowUp);
    window.press(Modifiers::NONE, Key::Escape);
    type_key(&mut window, "0");
    let draft = kept(window.state()).draft.clone();
    assert_eq!((&draft.values[5], draft.typed[5].as_str()), (&Some(Value::DontKnow), ""));
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.asked(), [Command::Codes(CodesCommand::Give)]);
}

#[test]
fn a_long_text_is_read_by_keys() {
    let parent = tempfile::tempdir().unwrap();
    let mut state = coding(parent.path());
    let session = state.codes.session.as_mut().unwrap();
    session.folder.items[0].text = format!("{}The end.", "A long sentence of many. ".repeat(400));
    let mut window = Window::sized(state, 1280.0, 720.0);
    let top = |window: &Window| window.0.get_by_label_contains("The end.").rect().top();
    let before = top(&window);
    window.press(Modifiers::NONE, Key::PageDown);
    window.press(Modifiers::NONE, Key::PageDown);
    let after = top(&window);
    assert!(before - after > 400.0, "from {before} to {after}");
    window.press(Modifiers::NONE, Key::PageUp);
    assert!(top(&window) > after + 200.0);
}

#[test]
fn the_list_of_keys_is_a_key_away_while_question_marks_show_the_guideline() {
    let parent = tempfile::tempdir().unwrap();
    let mut window = Window::new(coding(parent.path()));
    assert!(window.sees("F1"));
    window.press(Modifiers::NONE, Key::F1);
    assert!(window.state().window.keys_open);
    assert!(window.sees("Give the question in front the label with this key"));
    window.press(Modifiers::NONE, Key::F1);
    assert!(!window.state().window.keys_open);
}

#[test]
fn the_guideline_is_one_key_away() {
    let parent = tempfile::tempdir().unwrap();
    let mut window = Window::new(coding(parent.path()));
    type_key(&mut window, "?");
    assert!(window.sees("Read the whole text."));
    assert!(window.sees("Version 1 of the guideline"));
    // No code is given behind it.
    type_key(&mut window, "1");
    assert_eq!(kept(window.state()).draft.values[0], None);
    window.press(Modifiers::NONE, Key::Escape);
    assert!(!kept(window.state()).guideline_open);
    assert!(!window.sees("Version 1 of the guideline"));
}

fn ask(app: &mut App, command: CodesCommand) {
    app.ask(Command::Codes(command));
}

fn say(app: &mut App, text: &str) {
    app.harness.event(Event::Text(text.to_owned()));
    app.run();
}

fn press(app: &mut App, modifiers: Modifiers, key: Key) {
    app.harness.key_press_modifiers(modifiers, key);
    app.run();
}

/// Annotate shows codes, and Ada codes.
fn opened(project: &Path) -> App {
    let mut app = App::with_model_in(project);
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Annotate)));
    app.click("Studies");
    app.harness.state_mut().state.codes.coder = "Ada".to_owned();
    app.run();
    app
}

#[test]
fn a_study_of_a_table_is_coded_by_keyboard_and_nothing_is_lost() {
    let parent = tempfile::tempdir().unwrap();
    let project = parent.path().join("project");
    let table = parent.path().join("texts.csv");
    let rows = "id,text\na,This is fine.\nb,This is awful.\nc,This is a text.\n";
    files::write_atomic(&table, rows.as_bytes()).unwrap();
    let book = parent.path().join("tone.md");
    files::write_atomic(&book, b"# Tone\n\n## tone\n\n### good\n\n### bad\n").unwrap();
    let mut app = opened(&project);
    app.script.borrow_mut().picks = Some(table);
    ask(&mut app, CodesCommand::ChooseTable);
    app.sees("The codebook is not complete");
    app.script.borrow_mut().picks = Some(book);
    ask(&mut app, CodesCommand::ChooseCodebook);
    app.harness.state_mut().state.codes.setup.order = Order::AsGiven;
    app.harness.state_mut().state.codes.setup.again = 0;
    app.run();
    app.click("Begin to code");
    app.sees("0 of 3");
    app.sees("This is fine.");
    say(&mut app, "1");
    press(&mut app, Modifiers::NONE, Key::Enter);
    app.sees("This is awful.");
    say(&mut app, "2");
    press(&mut app, Modifiers::NONE, Key::Enter);
    app.sees("2 of 3");
    // Back, changed, undone, redone.
    press(&mut app, Modifiers::NONE, Key::Backspace);
    press(&mut app, Modifiers::NONE, Key::Backspace);
    app.sees("This is fine.");
    say(&mut app, "2");
    press(&mut app, Modifiers::NONE, Key::Enter);
    press(&mut app, Modifiers::COMMAND, Key::Z);
    app.sees("tone: good, chosen");
    press(&mut app, Modifiers::COMMAND, Key::Y);
    app.sees("tone: bad, chosen");
    let study = project.join("studies").join("tone");
    let looked = Folder::open(&study, Use::Read).unwrap();
    let log = looked.coder("Ada").unwrap();
    assert_eq!((log.history().len(), log.counting().count()), (3, 2));
    assert_eq!(log.verdict(0, 1).unwrap().value(0), Some(&Value::words("bad")));
    // A second window is told that the first has it.
    let busy = Folder::open(&study, Use::Write).unwrap_err().to_string();
    assert!(busy.contains("open in another window"), "{busy}");
    app.click("Close");
    app.sees("3 items · coded by Ada");
    assert!(Folder::open(&study, Use::Write).is_ok());
}

#[test]
fn one_key_an_item_is_enough_where_the_coder_wants_that() {
    let parent = tempfile::tempdir().unwrap();
    let mut app = opened(&parent.path().join("project"));
    app.click("Use the sample abstracts");
    let at = |app: &App| app.harness.state().state.codes.session.as_ref().unwrap().place();
    say(&mut app, "1");
    assert_eq!(at(&app), 0, "Enter has to follow");
    app.click("Go on by itself");
    say(&mut app, "2");
    say(&mut app, "0");
    assert_eq!(at(&app), 2);
    // What was too fast is taken back, and said anew.
    say(&mut app, "u");
    assert_eq!(at(&app), 1);
    say(&mut app, "1");
    app.sees("2 of ");
}

#[test]
fn any_item_of_a_study_is_two_presses_away_and_flagged_ones_are_found() {
    let parent = tempfile::tempdir().unwrap();
    let mut app = opened(&parent.path().join("project"));
    app.click("Use the sample abstracts");
    for flags in [false, true, false] {
        say(&mut app, "1");
        if flags {
            say(&mut app, "f");
        }
        press(&mut app, Modifiers::NONE, Key::Enter);
    }
    let start = |app: &App, at: usize| {
        let session = app.harness.state().state.codes.session.as_ref().unwrap();
        session.item_at(at).unwrap().text.split_whitespace().take(4).collect::<Vec<_>>().join(" ")
    };
    let at = |app: &App| app.harness.state().state.codes.session.as_ref().unwrap().place();
    assert_eq!(at(&app), 3);
    say(&mut app, "l");
    app.sees(&format!("· flagged · {}", start(&app, 1)));
    app.sees(&format!("· not coded · {}", start(&app, 3)));
    app.click("Flagged");
    let rows = app.harness.query_all_by_label_contains(" · flagged · ").count();
    assert_eq!(rows, 1, "the others are left out");
    // No code is given behind the list.
    say(&mut app, "2");
    let row = app.harness.get_by_label_contains(" · flagged · ");
    row.click();
    app.run();
    assert_eq!(at(&app), 1);
    let session = app.harness.state().state.codes.session.as_ref().unwrap();
    assert!(session.list.is_none() && session.draft.flagged && !session.is_changed());
    say(&mut app, "l");
    press(&mut app, Modifiers::NONE, Key::Escape);
    let session = app.harness.state().state.codes.session.as_ref().unwrap();
    assert!(session.list.is_none() && app.harness.state().state.codes.is_coding());
}

#[test]
fn a_study_that_is_moved_while_it_is_open_is_told_and_goes_on_once_it_is_back() {
    let parent = tempfile::tempdir().unwrap();
    let project = parent.path().join("project");
    let mut app = opened(&project);
    app.click("Use the sample abstracts");
    let (study, away) =
        (project.join("studies").join("sample-abstracts"), project.join("somewhere"));
    std::fs::rename(&study, &away).unwrap();
    say(&mut app, "1");
    press(&mut app, Modifiers::NONE, Key::Enter);
    app.sees("The code could not be saved");
    app.sees("is not there any more: it was moved, renamed or deleted");
    assert!(!study.exists(), "a half of a study lies where it was");
    std::fs::rename(&away, &study).unwrap();
    say(&mut app, "2");
    press(&mut app, Modifiers::NONE, Key::Enter);
    app.sees("2 of ");
    let told = app.harness.query_all_by_label("The code could not be saved").count();
    assert_eq!(told, 0, "both are on the disk");
    let looked = Folder::open(&study, Use::Read).unwrap();
    assert_eq!(looked.coder("Ada").unwrap().counting().count(), 2);
}

#[test]
fn a_code_is_written_before_the_next_text_and_a_disk_that_does_not_confirm_it_is_told() {
    let parent = tempfile::tempdir().unwrap();
    let project = parent.path().join("project");
    let mut app = opened(&project);
    app.click("Use the sample abstracts");
    app.script.borrow_mut().holds_flushes = true;
    say(&mut app, "1");
    press(&mut app, Modifiers::NONE, Key::Enter);
    app.sees("1 of ");
    let log = project.join("studies/sample-abstracts/codes/ada.jsonl");
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 2, "a header and a code");
    let held = app.script.borrow_mut().take::<FlushVerdicts>().expect("a flush");
    assert_eq!(Vec::from_iter(&held.request), [&log]);
    held.feeder
        .finish(Err(FlushError { path: log.clone(), source: io::Error::other("no medium") }));
    app.run();
    app.sees("The disk has not confirmed the latest verdicts");
    app.sees("no medium");
    // It is tried again with the next one, and the notice goes once the disk has confirmed.
    say(&mut app, "2");
    press(&mut app, Modifiers::NONE, Key::Enter);
    let held = app.script.borrow_mut().take::<FlushVerdicts>().expect("another flush");
    assert_eq!(Vec::from_iter(&held.request), [&log]);
    held.feeder.finish(Ok(()));
    app.run();
    let told = app.harness.query_all_by_label_contains("has not confirmed").count();
    assert_eq!(told, 0);
}

/// The sample study, and how far its three coders agree.
pub fn agreement(in_disagreements: bool) -> AppState {
    let parent = tempfile::tempdir().unwrap();
    let mut app = opened(&parent.path().join("project"));
    app.click("Use the sample abstracts");
    ask(&mut app, CodesCommand::Agreement);
    if in_disagreements {
        app.click("Disagreements");
    }
    std::mem::take(&mut app.harness.state_mut().state)
}

/// Two coders disagree about labels that are whole sentences, as codebooks from elsewhere have them.
pub fn disagreement_about_long_labels() -> AppState {
    let parent = tempfile::tempdir().unwrap();
    let project = parent.path().join("project");
    let mut book = codebook();
    let labels = [
        "praise: it says that something is good, be it by a word that values, by a comparison with what \
         is worse, or by what is left out although readers would expect it in such a report",
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    ];
    for (class, label) in book.variables[0].classes.iter_mut().zip(labels) {
        class.label = label.to_owned();
    }
    let mut folder = made_with(&project, book);
    for (coder, label) in [("Ada, who has a second name, too", labels[0]), ("Ben", labels[1])] {
        let log = folder.join(coder).unwrap();
        let mut session = Session::new(folder, log, 0.0);
        session.choose(label);
        session.draft.values[1] = Some(Value::Labels(Vec::new()));
        session.draft.typed[2] = "4".to_owned();
        let verdict = session.verdict(1.0, "2026-11-28T18:00:00.000Z").unwrap();
        session.folder.append(log, verdict).unwrap();
        folder = session.folder;
    }
    let path = folder.path.clone();
    drop(folder);
    let mut app = opened(&project);
    ask(&mut app, CodesCommand::Open(path));
    ask(&mut app, CodesCommand::Agreement);
    app.click("Disagreements");
    app.sees("1 of 1 · 0 settled");
    std::mem::take(&mut app.harness.state_mut().state)
}

#[test]
fn the_sample_shows_agreement_and_what_is_settled_is_kept() {
    let parent = tempfile::tempdir().unwrap();
    let project = parent.path().join("project");
    let mut app = opened(&project);
    app.click("Use the sample abstracts");
    app.sees("0 of 66"); // six of them come again
    ask(&mut app, CodesCommand::Agreement);
    app.sees("Agreement: Sample abstracts");
    app.click("Disagreements");
    app.sees("1 of 18 · 0 settled");
    app.harness.state_mut().state.codes.agreement.as_mut().unwrap().reason =
        "It counts.".to_owned();
    app.run();
    app.click("Settle as survey");
    app.sees("2 of 18 · 1 settled");
    let study = project.join("studies").join("sample-abstracts");
    let looked = Folder::open(&study, Use::Read).unwrap();
    let settled = looked.settled.counting().next().unwrap();
    assert_eq!(settled.value(0), Some(&Value::words("survey")));
    assert_eq!(settled.reason.as_deref(), Some("It counts."));
    // The numbers know of it without being asked to compute again.
    app.click("Agreement");
    app.sees("1 of them settled");
}

#[test]
fn a_package_goes_out_and_codes_come_back() {
    let parent = tempfile::tempdir().unwrap();
    let project = parent.path().join("project");
    let mut home = made(&project);
    home.join("Ada").unwrap();
    let path = home.path.clone();
    drop(home);
    let mut app = opened(&project);
    ask(&mut app, CodesCommand::Open(path.clone()));
    let sent = parent.path().join("tone.coding.jsonl");
    app.script.borrow_mut().picks = Some(sent.clone());
    ask(&mut app, CodesCommand::ExportPackage);
    assert_eq!(app.script.borrow().asked.last(), Some(&Ask::ExportStudy(StudyFile::Package)));
    // Ben codes it in his own copy.
    let mut away =
        package::unpack(package::read(&sent).unwrap(), &parent.path().join("away")).unwrap();
    let log = away.join("Ben").unwrap();
    let mut session = Session::new(away, log, 0.0);
    session.choose("praise");
    session.draft.values[1] = Some(Value::Labels(Vec::new()));
    session.draft.typed[2] = "4".to_owned();
    let verdict = session.verdict(1.0, "2026-11-28T18:00:00.000Z").unwrap();
    session.folder.append(log, verdict).unwrap();
    let back = package::with_codes(&session.folder, &[]).unwrap();
    let returned = parent.path().join("back.jsonl");
    files::write_atomic(&returned, &back).unwrap();
    // A path that is typed is first taken for one to write to: what is there is not written over, and can be merged.
    ask(&mut app, CodesCommand::ExportTo(Export::JsonLines, returned.clone()));
    app.sees("is there already, and nothing was written");
    app.click("Merge the codes in it");
    app.run();
    app.sees("Merged. Ben: 1 item coded, 1 new verdict or change");
    app.script.borrow_mut().picks = Some(returned.clone());
    ask(&mut app, CodesCommand::ChooseMerge);
    app.sees("Merged. Ben: 1 item coded, 0 new verdicts and changes");
    // Of another study: refused with the difference.
    let other = String::from_utf8(back).unwrap().replace("\"seed\":0", "\"seed\":5");
    files::write_atomic(&returned, other.as_bytes()).unwrap();
    app.script.borrow_mut().picks = Some(returned);
    ask(&mut app, CodesCommand::ChooseMerge);
    app.sees("The file was not merged, and nothing was changed");
    let table = parent.path().join("codes.csv");
    app.script.borrow_mut().picks = Some(table.clone());
    ask(&mut app, CodesCommand::Export(Export::Long));
    app.run(); // what it leads to comes a frame later
    app.sees("codes.csv");
    assert!(std::fs::read_to_string(&table).unwrap().contains("Ben,t1,tone,praise"));
    assert!(table.with_extension("datapackage.json").exists());
}

/// The palette stands in front of the text that is coded: what is typed and Enter are for it.
#[test]
fn keys_go_to_what_is_in_front_of_a_study() {
    let parent = tempfile::tempdir().unwrap();
    let project = parent.path().join("project");
    let path = made(&project).path.clone();
    let mut app = opened(&project);
    ask(&mut app, CodesCommand::Open(path));
    assert!(app.harness.state().state.codes.session.is_some());
    // A path of a file that is not there yet: the codes are written to it.
    let written = parent.path().join("codes.csv");
    press(&mut app, Modifiers::COMMAND, Key::K);
    say(&mut app, &written.display().to_string());
    press(&mut app, Modifiers::NONE, Key::Enter);
    assert!(std::fs::read_to_string(&written).unwrap().contains("coder"));
    press(&mut app, Modifiers::COMMAND, Key::K);
    say(&mut app, "close the study");
    press(&mut app, Modifiers::NONE, Key::Enter);
    assert!(app.harness.state().state.codes.session.is_none(), "the palette closed the study");
}

#[test]
fn a_study_needs_a_name_and_one_that_cannot_be_read_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let project = parent.path().join("project");
    let path = made(&project).path.clone();
    files::write_atomic(&path.join("items.jsonl"), b"{}\n").unwrap();
    let mut app = opened(&project);
    app.harness.state_mut().state.codes.coder.clear();
    ask(&mut app, CodesCommand::Open(path.clone()));
    app.sees("Write your name or number as a coder first");
    app.harness.state_mut().state.codes.coder = "Ada".to_owned();
    ask(&mut app, CodesCommand::Open(path));
    app.sees("The study could not be opened");
    app.sees("the items were changed after the study began");
    assert!(app.harness.query_by_role(Role::ProgressIndicator).is_none());
}

#[test]
fn who_codes_and_what_of_annotate_was_in_front_is_remembered() {
    let prefs =
        Prefs { annotate: AnnotateView::Codes, coder: "Ada".to_owned(), ..Prefs::default() };
    let kept = serde_json::to_string(&prefs).unwrap();
    let mut app = App::open_with(serde_json::from_str(&kept).unwrap());
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Annotate)));
    app.sees("People code texts and compare answers");
    assert_eq!(app.harness.state().state.codes.coder, "Ada");
    // As eframe does it when the window is closed.
    let mut storage = Stored::default();
    app.harness.state_mut().state.codes.coder = " Ben ".to_owned();
    eframe::App::save(app.harness.state_mut(), &mut storage);
    assert!(storage.0.values().any(|kept| kept.contains("coder:\"Ben\"")), "{:?}", storage.0);
}

/// What eframe keeps between starts.
#[derive(Default)]
pub struct Stored(pub std::collections::BTreeMap<String, String>);

impl eframe::Storage for Stored {
    fn get_string(&self, key: &str) -> Option<String> {
        self.0.get(key).cloned()
    }

    fn set_string(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }

    fn remove_string(&mut self, key: &str) {
        self.0.remove(key);
    }

    fn flush(&mut self) {}
}
