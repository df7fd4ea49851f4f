//! Codes: a study is made and coded by keyboard alone, coders are compared, what they disagree about is
//! settled, and codes come back from a colleague.

use std::path::{Path, PathBuf};

use eframe::egui::accesskit::Role;
use eframe::egui::{Event, Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use tuning_fork::app::host::{Ask, StudyFile};
use tuning_fork::data::codebook::Class;
use tuning_fork::files;
use tuning_fork::state::AppState;
use tuning_fork::state::codes::session::Session;
use tuning_fork::state::codes::{AnnotateView, Front, Listed};
use tuning_fork::state::command::{CodesCommand, Command, ViewCommand};
use tuning_fork::state::prefs::PanelId;
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
fn the_view_says_what_it_is_for_and_wants_a_name() {
    let mut state = empty_state();
    state.prefs.panel = PanelId::Annotate;
    let mut window = Window::new(state);
    window.click("Studies");
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
    app.script.borrow_mut().picks = Some(returned.clone());
    ask(&mut app, CodesCommand::ChooseMerge);
    app.sees("Merged. Ben: 1 item coded");
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
