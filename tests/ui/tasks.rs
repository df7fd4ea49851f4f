//! What all that runs behind the window has in common, and that nothing a person made is lost.

use std::path::Path;

use tuning_fork::app::tasks::answer::Answering;
use tuning_fork::app::tasks::estimate::EstimateRun;
use tuning_fork::app::tasks::prepare_evaluation::PrepareEvaluation;
use tuning_fork::app::tasks::read_answers::ReadAnswers;
use tuning_fork::app::tasks::read_prompts::ReadPrompts;
use tuning_fork::app::tasks::read_study_table::ReadStudyTable;
use tuning_fork::app::tasks::read_table::{ReadMapTable, ReadRows};
use tuning_fork::app::tasks::read_training_file::ReadTrainingFile;
use tuning_fork::app::tasks::read_verdicts::ReadVerdicts;
use tuning_fork::app::tasks::survey::SurveyData;
use tuning_fork::app::tasks::train::Train;
use tuning_fork::app::work::{Held, Rules, Work as _};
use tuning_fork::data::pair::Verdict;
use tuning_fork::data::scan::Scanning;
use tuning_fork::data::store::{PairStore, StoreError};
use tuning_fork::examples::record;
use tuning_fork::files;
use tuning_fork::hub::fetch::queue::QueueCommand;
use tuning_fork::jobs::Quiet;
use tuning_fork::state::annotate::STILL_READING;
use tuning_fork::state::command::{
    AnnotateCommand, Command, EvaluateCommand, LecturesCommand, LookInsideCommand, MapCommand,
    PlaygroundCommand, ProjectCommand, TrainCommand, ViewCommand, WindowCommand,
};
use tuning_fork::state::notice::Notice;
use tuning_fork::state::prefs::{PanelId, Prefs};
use tuning_fork::state::train::form::DataSource;

use crate::codes::Stored;
use crate::whole_app::App;

fn show(app: &mut App, panel: PanelId) {
    app.ask(Command::View(ViewCommand::ShowPanel(panel)));
}

/// Two answers are there and the left one is said to be better.
fn label_one(app: &mut App) {
    show(app, PanelId::Annotate);
    app.ask(Command::Annotate(AnnotateCommand::UseSamplePrompts));
    app.answer_pair();
    app.ask(Command::Annotate(AnnotateCommand::Judge(Verdict::Left)));
}

#[test]
fn stop_everything_stops_what_reads_computes_and_downloads() {
    let mut app = App::with_model();
    show(&mut app, PanelId::Train);
    app.ask(Command::Train(TrainCommand::SurveyData));
    let Held { feeder: survey, .. } = app.script.borrow_mut().take::<SurveyData>().expect("a look");
    app.ask(Command::Train(TrainCommand::Start));
    let Held { feeder: train, .. } = app.script.borrow_mut().take::<Train>().expect("a run");
    app.harness.state_mut().state.playground.prompt = "Hello".to_owned();
    app.ask(Command::Playground(PlaygroundCommand::Generate));
    let Held { feeder: answer, .. } = app.script.borrow_mut().take::<Answering>().expect("one");
    app.ask(Command::Window(WindowCommand::StopAll));
    assert!(survey.was_cancelled() && train.was_cancelled() && answer.was_cancelled());
    assert_eq!(app.script.borrow().queue_commands, [QueueCommand::PauseAll]);
}

/// Each of these has the line of the bottom bar whose Stop is said to all that read.
#[test]
fn every_file_that_is_read_is_stopped_by_its_line_and_by_escape() {
    let rules: [(&str, Rules); 7] = [
        ("answers", ReadAnswers::RULES),
        ("prompts", ReadPrompts::RULES),
        ("a study's table", ReadStudyTable::RULES),
        ("training data", ReadTrainingFile::RULES),
        ("the rows of an evaluation", ReadRows::RULES),
        ("the texts of a map", ReadMapTable::RULES),
        ("an evaluation", PrepareEvaluation::RULES),
    ];
    for (name, rules) in rules {
        assert!(rules.is_reading, "{name}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("texts.csv");
    files::write_atomic(&path, b"text\nOne.\n").unwrap();
    let mut app = App::with_model();
    for stop in [WindowCommand::StopReading, WindowCommand::StopForeground] {
        app.ask(Command::LookInside(LookInsideCommand::Map(MapCommand::UseTable(path.clone()))));
        let held = app.script.borrow_mut().take::<ReadMapTable>().expect("the table is read");
        app.ask(Command::Window(stop));
        assert!(held.feeder.was_cancelled());
    }
}

#[test]
fn what_was_written_and_not_used_yet_is_there_after_a_restart() {
    let mut app = App::open();
    let state = &mut app.harness.state_mut().state;
    state.playground.prompt = "Half a \"thought\"\nin two lines".to_owned();
    state.codes.setup.codebook.name = "tone".to_owned();
    state.codes.setup.codebook.guideline = "Read it whole".to_owned();
    let setup = state.codes.setup.clone();
    state.train.form.learning_rate = 3e-4;
    state.train.form.lora.r = 4;
    let form = state.train.form.clone();
    let mut written = Stored::default();
    eframe::App::save(app.harness.state_mut(), &mut written);
    let prefs: Prefs = eframe::get_value(&written, "prefs").expect("they can be read");
    let again = App::open_with(prefs);
    let state = &again.harness.state().state;
    assert_eq!(state.playground.prompt, "Half a \"thought\"\nin two lines");
    assert_eq!(state.codes.setup, setup, "though a project was opened since");
    assert_eq!(state.train.form, form);
}

/// The usual place is taken by a file: there is no project, and no button is silent about it.
#[test]
fn without_a_project_every_button_that_needs_one_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("project");
    files::write_atomic(&file, b"").unwrap();
    let mut app = App::with_model_in(&file.join("inside"));
    app.sees("The project could not be opened");
    let state = &app.harness.state().state;
    let (prompts, lectures) = (&state.playground.library.entries, &state.lectures.listed);
    assert!(!prompts.is_empty() && !lectures.is_empty() && state.train.sample_rows > 0);
    let asked: [(Command, &str); 6] = [
        (Command::Train(TrainCommand::Start), "A run needs a project to be kept in"),
        (Command::Train(TrainCommand::StartSweep), "A sweep needs a project to be kept in"),
        (Command::Train(TrainCommand::RunOn), "The bundle of a run needs a project to lie in"),
        (Command::Evaluate(EvaluateCommand::UseSample), "The sample needs a project to lie in"),
        (
            Command::Playground(PlaygroundCommand::SavePrompt),
            "A prompt needs a project to be kept in",
        ),
        (
            Command::Lectures(LecturesCommand::CopyTour),
            "A copy of the tour needs a project to lie in",
        ),
    ];
    for (command, sentence) in asked {
        app.ask(command);
        let said = &app.harness.state().state.notices;
        let said = PanelId::ALL.iter().flat_map(|panel| said.at(*panel));
        let said: Vec<&str> = said.map(|notice| notice.summary.as_str()).collect();
        assert!(said.contains(&sentence), "{said:?}");
    }
}

#[test]
fn escape_stops_an_answer_and_never_a_run() {
    let mut app = App::with_model();
    show(&mut app, PanelId::Train);
    app.ask(Command::Train(TrainCommand::Start));
    let Held { feeder: train, .. } = app.script.borrow_mut().take::<Train>().expect("a run");
    app.ask(Command::Window(WindowCommand::StopForeground));
    assert!(!train.was_cancelled(), "hours of work");
    app.harness.state_mut().state.playground.prompt = "Hello".to_owned();
    app.ask(Command::Playground(PlaygroundCommand::Generate));
    let Held { feeder: answer, .. } = app.script.borrow_mut().take::<Answering>().expect("one");
    app.ask(Command::Window(WindowCommand::StopForeground));
    assert!(answer.was_cancelled() && !train.was_cancelled());
}

#[test]
fn an_estimate_is_not_timed_beside_anything_that_computes() {
    let mut app = App::with_model();
    show(&mut app, PanelId::Train);
    app.run();
    let Held { feeder: disturbed, .. } =
        app.script.borrow_mut().take::<EstimateRun>().expect("an estimate");
    app.ask(Command::Train(TrainCommand::SurveyData));
    app.run();
    assert!(disturbed.was_cancelled(), "the look at the data has the processor now");
    drop(disturbed);
    app.run();
    assert!(app.script.borrow().started::<EstimateRun>().is_none());
    drop(app.script.borrow_mut().take::<SurveyData>());
    app.run();
    assert!(app.script.borrow().started::<EstimateRun>().is_some(), "again, now that it is over");
}

#[test]
fn closing_asks_over_a_run_and_over_verdicts_that_are_only_in_memory() {
    let mut app = App::with_model();
    assert!(app.harness.state().state.lost_on_closing().is_empty());
    app.ask(Command::Train(TrainCommand::Start));
    let held = app.script.borrow_mut().take::<Train>();
    let lost = app.harness.state().state.lost_on_closing();
    assert_eq!(lost, ["Training is still running"]);
    drop(held);
    app.run();
    app.harness.state_mut().state.annotate.unsaved_count = 1;
    let lost = app.harness.state().state.lost_on_closing();
    assert_eq!(lost, ["1 verdict is only in memory and would be lost"]);
}

#[test]
fn verdicts_made_without_a_project_go_into_the_one_that_is_opened_next() {
    // A file is in the way of the project's folder.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let in_the_way = folder.path().join("file");
    files::write_atomic(&in_the_way, b"a file").expect("the folder is ours");
    let mut app = App::with_model_in(&in_the_way.join("project"));
    label_one(&mut app);
    assert_eq!(app.harness.state().state.annotate.unsaved_count, 1);
    app.sees("It is kept in memory, and goes into the project that you open next");
    let project = folder.path().join("project");
    app.ask(Command::Project(ProjectCommand::Open(project.clone())));
    assert_eq!(app.harness.state().state.annotate.unsaved_count, 0);
    let rows = files::read_jsonl::<serde_json::Value>(&project.join("pairs.jsonl"));
    let rows = rows.expect("the verdicts of the project");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].value["verdict"], "left");
}

#[test]
fn another_project_is_not_opened_over_verdicts_that_could_not_be_saved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = folder.path().join("first");
    let mut app = App::with_model_in(&first);
    // A folder is in the way of the file.
    std::fs::create_dir(first.join("pairs.jsonl")).expect("the folder is ours");
    label_one(&mut app);
    assert_eq!(app.harness.state().state.annotate.unsaved_count, 1);
    let second = folder.path().join("second");
    app.ask(Command::Project(ProjectCommand::Open(second)));
    app.sees("is not saved yet");
    assert_eq!(app.harness.state().state.project, first, "it stays open");
    let elsewhere = folder.path().join("elsewhere.jsonl");
    app.script.borrow_mut().picks = Some(elsewhere.clone());
    app.ask(Command::Annotate(AnnotateCommand::SaveElsewhere));
    app.run();
    let rows = files::read_jsonl::<serde_json::Value>(&elsewhere).expect("they are there");
    assert_eq!(rows.len(), 1);
}

#[test]
fn another_project_does_not_begin_with_what_was_told_of_the_one_before() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut app = App::with_model_in(&folder.path().join("first"));
    let state = &mut app.harness.state_mut().state;
    state.notices.push(Notice::problem(PanelId::Train, "The run ended with an error"));
    state.notices.push(Notice::problem(PanelId::Annotate, "The study could not be opened"));
    state.notices.push(Notice::problem(PanelId::Models, "Could not load a model"));
    state.train.source = DataSource::File;
    let told = |app: &App, place| app.harness.state().state.notices.at(place).count();
    app.ask(Command::Project(ProjectCommand::Open(folder.path().join("first"))));
    assert_eq!(told(&app, PanelId::Train), 1, "it is the same project");
    app.ask(Command::Project(ProjectCommand::Open(folder.path().join("second"))));
    assert_eq!((told(&app, PanelId::Train), told(&app, PanelId::Models)), (0, 1));
    assert_eq!(told(&app, PanelId::Annotate), 0);
    assert_eq!(app.harness.state().state.train.source, DataSource::File, "it was chosen");
}

/// To the next prompt.
fn two_answers(app: &mut App) {
    app.ask(Command::Annotate(AnnotateCommand::AnswerPrompt));
    app.answer_pair();
}

/// More verdicts than are read at once.
const MANY: usize = 20_000;

fn with_many_verdicts(project: &Path) {
    std::fs::create_dir_all(project).expect("the folder is ours");
    let path = project.join("pairs.jsonl");
    files::write_in_pieces(&path, |to| {
        (0..MANY).try_for_each(|number| {
            let record = record(&number.to_string(), &format!("{number}"), Verdict::Right);
            writeln!(to, "{}", serde_json::to_string(&record)?)
        })
    })
    .expect("the folder is ours");
    assert!(std::fs::metadata(&path).expect("it is there").len() > 4 << 20);
}

fn lines_of(project: &Path) -> usize {
    let text = std::fs::read_to_string(project.join("pairs.jsonl")).expect("verdicts");
    text.lines().count()
}

fn open(app: &mut App, project: &Path) {
    app.ask(Command::Project(ProjectCommand::Open(project.to_owned())));
}

#[test]
fn very_many_verdicts_are_read_behind_the_window_and_nothing_is_judged_meanwhile() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    with_many_verdicts(&second);
    let mut app = App::with_model_in(&first);
    label_one(&mut app);
    two_answers(&mut app);
    open(&mut app, &second);
    app.sees("Opening the project");
    app.sees(STILL_READING);
    open(&mut app, &second); // impatience
    let Held { request: (path, before), feeder } =
        app.script.borrow_mut().take::<ReadVerdicts>().expect("it is read");
    assert!(!feeder.was_cancelled() && app.script.borrow().started::<ReadVerdicts>().is_none());
    feeder.emit(Scanning { done: 3_000_000, total: 6_000_000 });
    app.run();
    app.sees("3.0 MB of 6.0 MB");
    app.ask(Command::Annotate(AnnotateCommand::Judge(Verdict::Left)));
    app.ask(Command::Annotate(AnnotateCommand::UndoVerdict));
    let state = &app.harness.state().state;
    assert_eq!((state.project.as_path(), state.annotate.counts().all()), (&*first, 1));
    assert_eq!((lines_of(&first), lines_of(&second)), (1, MANY));

    feeder.finish(PairStore::open_to_write(&path, &before, &Quiet));
    app.run();
    let state = &app.harness.state().state;
    assert_eq!((state.project.as_path(), state.annotate.counts().all()), (&*second, MANY));
    two_answers(&mut app);
    app.ask(Command::Annotate(AnnotateCommand::Judge(Verdict::Left)));
    assert_eq!((lines_of(&first), lines_of(&second)), (1, MANY + 1));
}

#[test]
fn a_project_whose_reading_is_stopped_leaves_the_one_before_open() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    with_many_verdicts(&second);
    let mut app = App::with_model_in(&first);
    open(&mut app, &second);
    let Held { request: (path, _), feeder } =
        app.script.borrow_mut().take::<ReadVerdicts>().expect("it is read");
    app.ask(Command::Project(ProjectCommand::StopOpening));
    assert!(feeder.was_cancelled());
    feeder.finish(Err(StoreError::Stopped { path }));
    app.run();
    app.sees("The project was not opened");
    assert_eq!(app.harness.state().state.project, first);
    label_one(&mut app);
    assert_eq!(lines_of(&first), 1);
}

#[test]
fn another_project_than_the_one_that_is_being_read_takes_its_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [first, second, third] = ["first", "second", "third"].map(|name| folder.path().join(name));
    with_many_verdicts(&second);
    let mut app = App::with_model_in(&first);
    open(&mut app, &second);
    let Held { feeder, .. } = app.script.borrow_mut().take::<ReadVerdicts>().expect("it is read");
    open(&mut app, &third);
    assert!(feeder.was_cancelled());
    assert_eq!(app.harness.state().state.project, third);
    label_one(&mut app);
    assert_eq!((lines_of(&third), lines_of(&second)), (1, MANY));
}

#[test]
fn what_the_program_was_given_is_opened_once_its_large_project_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let project = folder.path().join("large");
    with_many_verdicts(&project);
    let file = folder.path().join("run.toml");
    files::write_atomic(&file, b"max_steps = 123\n").expect("the folder is ours");
    let mut app = App::given(&file, &project);
    let Held { request: (path, before), feeder } =
        app.script.borrow_mut().take::<ReadVerdicts>().expect("it is read");
    assert_ne!(app.harness.state().state.prefs.panel, PanelId::Train, "not yet");
    feeder.finish(PairStore::open_to_write(&path, &before, &Quiet));
    app.run();
    let state = &app.harness.state().state;
    assert_eq!((&state.project, state.prefs.panel), (&project, PanelId::Train));
}
