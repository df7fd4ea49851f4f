//! Files whose columns say nothing: the question for them, and what it does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui;
use eframe::egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use tuning_fork::files;
use tuning_fork::state::command::{AnnotateCommand, Command, TrainCommand, ViewCommand};
use tuning_fork::state::prefs::{PanelId, Prefs};
use tuning_fork::state::train::form::DataSource;

use crate::whole_app::App;

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("nobody asks for them".to_owned())
    }
}

const ROWS: &str = "nr,frage,gut,schlecht\n1,Why?,Because.,No.\n2,So?,Yes.,Perhaps.\n";

fn choose(app: &mut App, role: &str, column: &str) {
    app.harness.get_by_role_and_label(Role::ComboBox, role).click();
    app.run();
    app.harness.get_by_role_and_label(Role::Button, column).click();
    app.run();
}

#[test]
fn rows_whose_columns_say_nothing_are_asked_for_and_then_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    files::write_atomic(&path, ROWS.as_bytes()).unwrap();
    let mut app = App::with_model();
    app.ask(Command::Train(TrainCommand::UseFile(path.clone())));
    app.sees("Which columns of rows.csv?");
    app.sees("Read as CSV");
    app.sees("Perhaps.");
    choose(&mut app, "What is asked", "frage");
    choose(&mut app, "The better answer", "gut");
    choose(&mut app, "The worse answer", "schlecht");
    app.click("Use these rows");

    let state = &app.harness.state().state;
    assert!(state.mapping.is_none());
    let file = state.train.file.as_ref().expect("the file is in use");
    assert_eq!((file.rows, state.train.source), (2, DataSource::File));
    let words = "chosen=gut,question=frage,rejected=schlecht";
    assert_eq!(state.train.form.columns.words(), words, "a run has it in its settings");
    assert_eq!(state.prefs.columns[&path].words(), words, "it is remembered for the file");

    // Another source has columns of its own.
    app.click("Sample pairs");
    assert!(app.harness.state().state.train.form.columns.is_empty());
}

#[test]
fn what_was_said_of_a_file_is_used_again_until_it_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prompts.csv");
    files::write_atomic(&path, b"nr;frage\n1;Why?\n2;So?\n").unwrap();
    let mut app = App::open();
    app.ask(Command::Annotate(AnnotateCommand::UseFile(path.clone())));
    app.sees("The names of its columns do not say which one holds the prompts");
    app.sees("CSV with semicolons");
    choose(&mut app, "What is asked", "frage");
    app.click("Use these prompts");
    assert_eq!(app.harness.state().state.annotate.progress(), (0, 2));

    let prefs = app.harness.state().state.prefs.clone();
    let prefs: Prefs = serde_json::from_str(&serde_json::to_string(&prefs).unwrap()).unwrap();
    let mut app = App::open_with(prefs);
    app.ask(Command::Annotate(AnnotateCommand::UseFile(path.clone())));
    assert!(app.harness.state().state.mapping.is_none());
    assert_eq!(app.harness.state().state.annotate.progress(), (0, 2));

    files::write_atomic(&path, b"nr;question text\n1;Why?\n").unwrap();
    app.ask(Command::Annotate(AnnotateCommand::UseFile(path)));
    app.sees("What was said of its columns before does not fit any more");
    app.click("Cancel");
    assert!(app.harness.state().state.mapping.is_none());
    assert_eq!(app.harness.state().state.annotate.progress(), (0, 2), "the prompts of before");
}

#[test]
fn a_file_that_can_only_be_one_thing_is_opened_whatever_is_in_front() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("monday.lecture.toml");
    files::write_atomic(&path, b"title = \"Monday\"\n[[scene]]\nview = \"text\"\ntext = \"a\"\n")
        .unwrap();
    let mut app = App::open();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Annotate)));
    app.harness.input_mut().dropped_files.push(Arc::new(Dropped(path)));
    app.run();
    assert_eq!(app.harness.state().state.prefs.panel, PanelId::Lectures);

    // Nobody codes without a name: the package waits for it.
    let path = folder.path().join("tone.coding.jsonl");
    files::write_atomic(&path, b"{\"package\":{\"form\":1}}\n").unwrap();
    app.harness.input_mut().dropped_files.push(Arc::new(Dropped(path)));
    app.run();
    assert_eq!(app.harness.state().state.prefs.panel, PanelId::Annotate);
    app.sees("tone.coding.jsonl is opened once it is known who codes");
    app.sees("Open it");
}

#[test]
fn about_says_the_version_how_to_cite_and_makes_a_report() {
    let mut app = App::open();
    app.click("About");
    app.sees("How to cite");
    app.sees("Copy BibTeX");
    app.click("Licences");
    app.sees("Hack, the font of numbers and tokens");
    app.click("Report a fault");
    app.sees("Copy report for a bug");
    let report = app.harness.state().state.window.about.as_ref().unwrap().report.clone();
    assert!(report.starts_with("Tuning Fork 0."), "{report}");
    assert!(report.contains("Model: none"), "{report}");
    let project = app.harness.state().state.project.display().to_string();
    assert!(!report.contains(&project), "{report}");
    app.click("Close");
    assert!(app.harness.state().state.window.about.is_none());
}

#[test]
fn a_file_that_is_dropped_onto_a_panel_is_what_the_panel_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prompts.txt");
    files::write_atomic(&path, b"Why?\nSo?\n").unwrap();
    let mut app = App::open();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Annotate)));
    app.harness.input_mut().dropped_files.push(Arc::new(Dropped(path)));
    app.run();
    assert_eq!(app.harness.state().state.annotate.progress(), (0, 2));
}
