//! Evaluate, in the window: texts that are scored, long texts in windows, examples, tables that are saved,
//! evaluations that are compared, and labels that a study brought.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use tuning_fork::app::tasks::ask_rows::{AskRows, AskingEvent};
use tuning_fork::app::tasks::report_evaluation::ReportEvaluation;
use tuning_fork::app::work::Held;
use tuning_fork::data::codebook::Codebook;
use tuning_fork::data::sheet::form::SheetForm;
use tuning_fork::data::table;
use tuning_fork::evaluate::asking::prepared::Prepared;
use tuning_fork::evaluate::results::answered::Answered;
use tuning_fork::evaluate::results::folder::Folder;
use tuning_fork::evaluate::results::written::{Window as TextWindow, Written};
use tuning_fork::evaluate::rows::several::Several;
use tuning_fork::evaluate::task::extract::Extract;
use tuning_fork::evaluate::task::perplexity::Likelihood;
use tuning_fork::evaluate::task::schema::Field;
use tuning_fork::evaluate::task::{Examples, Task};
use tuning_fork::files;
use tuning_fork::jobs::Quiet;
use tuning_fork::state::AppState;
use tuning_fork::state::command::{Command, EvaluateCommand};
use tuning_fork::state::evaluate::form::{CodeForm, What};
use tuning_fork::state::evaluate::grid::{Filter, Order};
use tuning_fork::state::evaluate::{
    ComparisonPage, Front, KeptIn, LeftTab, OpenEvaluation, ReportPage,
};

use crate::evaluate::{
    TEXTS, at_evaluate, begun, codebook, evaluated, fill_in, filled_form, form_of_fields, report,
    settle, with_texts,
};
use crate::support::{Window, loaded_state};

fn scored(row: u64, tokens: usize, logprob: f64) -> Answered {
    let text = Likelihood {
        tokens,
        logprob,
        bytes: tokens * 4,
        characters: tokens * 4,
        windows: 3,
        window: 16,
        ..Likelihood::default()
    };
    Answered { row, ..Answered::scored(text, None) }
}

#[test]
fn texts_are_scored_and_the_unlikely_ones_come_first() {
    let (mut app, path, _folder) = with_texts(TEXTS);
    app.click("New task");
    app.click("perplexity");
    settle(&mut app);
    app.script.borrow_mut().picks = Some(path);
    app.click("Choose table…");
    settle(&mut app);
    let form = &mut app.harness.state_mut().state.evaluate.form;
    assert_eq!((form.what, form.text.as_str()), (What::Perplexity, "text"));
    form.perplexity.by = Some("coder_a".to_owned());
    form.perplexity.before = Some("coder_b".to_owned());
    let task = form.task();
    assert_eq!(task.perplexity.as_ref().unwrap().text, "text");
    assert_eq!(form.preview(0).unwrap().first.content.split(' ').next(), Some("praise"));
    // It comes back from its draft, and windows that do not overlap are said.
    let (draft, report) = (form.draft(), form.table.clone());
    let mut again = CodeForm::default();
    again.take_over(&draft.task, &draft.codebook, report);
    assert_eq!(again.task(), task);
    (form.perplexity.window, form.perplexity.stride) = (16, 16);
    settle(&mut app);
    app.sees("windows have to overlap");
    app.harness.state_mut().state.evaluate.form.perplexity.stride = 4;
    settle(&mut app);
    app.harness.state_mut().state.evaluate.left = LeftTab::Prompt;
    settle(&mut app);
    app.sees("without its chat template. What stands before {text} is read and not scored");
    app.click("Try 5 rows");
    settle(&mut app);
    let Held { feeder, .. } = app.script.borrow_mut().take::<AskRows>().expect("rows");
    for (row, done) in [(1, 1), (2, 2)] {
        let row = Box::new(scored(row, 10, -10.0 * row as f64));
        feeder.emit(AskingEvent::Answered { done, total: 4, row });
    }
    feeder.finish(Ok(()));
    settle(&mut app);
    app.sees("perplexity 4.48");
    app.sees(
        "Row 2 · Nobody could find the data, and the authors did not answer. · perplexity 7.39",
    );
    app.click("unlikely first");
    settle(&mut app);
    let open = app.harness.state_mut().state.evaluate.open.as_mut().unwrap();
    assert_eq!((open.grid.order, open.grid.shown()[0]), (Order::Uncertain, 1));
    open.grid.selected = Some(1);
    settle(&mut app);
    app.sees("Perplexity 2.72");
    app.sees("read in 3 windows of 16 tokens");
}

/// A long text whose two windows say different things.
pub fn with_windows() -> AppState {
    let mut state = at_evaluate(loaded_state());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("texts.csv");
    files::write_atomic(&path, TEXTS.as_bytes()).expect("the folder is ours");
    let field = Field { name: "people".to_owned(), quote: true, ..Field::default() };
    let extract = Extract { text: "text".to_owned(), fields: vec![field], ..Extract::default() };
    let extract = Extract { windows: true, ..extract };
    let task = Task { data: path, extract: Some(extract), ..Task::default() };
    let prepared = Prepared::read(&task, &Quiet).expect("the task is complete");
    let mut open = OpenEvaluation::new(Arc::new(prepared));
    let said = |number: usize, people: &str, is_in_text: bool| TextWindow {
        from: number * 80,
        to: number * 80 + 100,
        fields: json!({"people": people, "people_quote": "people"}).as_object().cloned().unwrap(),
        quotes: [("people_quote".to_owned(), is_in_text)].into_iter().collect(),
        problem: None,
    };
    let windows = vec![said(0, "twelve", false), said(1, "fourteen", true)];
    let written = Written {
        tokens: 40,
        fields: windows[1].fields.clone(),
        quotes: windows[1].quotes.clone(),
        windows,
        disagree: vec!["people".to_owned()],
        ..Written::default()
    };
    let answer = Some("{\"people\": \"fourteen\"}".to_owned());
    let answered = Answered { row: 1, answer, written: Some(written), ..Answered::default() };
    open.answers.insert(1, answered);
    open.version = 1;
    open.grid.selected = Some(1);
    state.evaluate.front = Front::Opened;
    state.evaluate.open = Some(open);
    state
}

#[test]
fn windows_that_differ_are_shown_beside_what_was_made_of_them() {
    let mut window = Window::sized(with_windows(), 1280.0, 1000.0);
    for words in [
        "1 with windows that differ",
        "2 windows, which differ in people",
        "Window 2 · characters 81 to 180",
        "people: twelve",
        "people_quote: people (these words are not in the window)",
        "windows differ",
    ] {
        assert!(window.sees(words), "{words}: {}", window.tree());
    }
    window.click("problems");
    window.run();
    let open = window.state().evaluate.open.as_ref().unwrap();
    assert_eq!((open.grid.filter, open.grid.shown().len()), (Filter::Problems, 1));
}

#[test]
fn windows_are_set_in_the_form_and_fields_without_evidence_are_said() {
    let mut state = form_of_fields();
    state.evaluate.form.extract.max_tokens = 50;
    let mut window = Window::sized(state, 1280.0, 1600.0);
    window.click("read long texts in windows");
    window.run();
    assert!(window.state().evaluate.form.task().extract.unwrap().windows);
    assert!(window.sees("In windows, “people” has to have a value"), "{}", window.tree());
    window.state().evaluate.form.extract.window_tokens = 40;
    window.run();
    let problem = window.state().evaluate.form.obstacle().unwrap();
    assert!(problem.contains("`overlap` of [extract] is 64"), "{problem}");
}

#[test]
fn examples_are_set_in_the_form_from_this_table_or_another() {
    let (mut app, path, folder) = with_texts(TEXTS);
    let other = folder.path().join("examples.csv");
    files::write_atomic(&other, TEXTS.as_bytes()).unwrap();
    fill_in(&mut app, &path);
    app.harness.state_mut().state.evaluate.form.examples = Some(Examples { count: 2, data: None });
    settle(&mut app);
    app.sees("From this table; these rows are not asked about");
    assert!(
        app.harness.state().state.evaluate.form.preview(0).unwrap().template.contains("{examples}")
    );
    app.script.borrow_mut().picks = Some(other.clone());
    app.ask(Command::Evaluate(EvaluateCommand::ChooseExamples));
    settle(&mut app);
    app.sees("From examples.csv");
    let examples = app.harness.state().state.evaluate.form.task().examples.unwrap();
    assert_eq!((examples.count, examples.data), (2, Some(other)));
    app.click("Try 5 rows");
    settle(&mut app);
    let held = app.script.borrow_mut().take::<AskRows>().expect("rows");
    let prepared = &held.request.prepared;
    assert_eq!(prepared.questions.list.len(), 4, "all rows are asked about");
    let first = prepared.form.first(&prepared.questions.list[0]).unwrap().content;
    assert!(first.contains("Examples:"), "{first}");
}

#[test]
fn the_number_of_examples_has_a_field() {
    let mut window = Window::sized(filled_form(), 1280.0, 1800.0);
    assert!(window.sees("Examples shown"));
    window.state().evaluate.form.examples =
        Some(Examples { count: 1, data: Some(PathBuf::from("dev.csv")) });
    window.run();
    window.click("Take examples from this table");
    window.run();
    assert_eq!(window.state().evaluate.form.examples, Some(Examples { count: 1, data: None }));
}

#[test]
fn the_table_is_saved_in_any_format() {
    let mut window = Window::new(evaluated());
    window.click("Save the table…");
    window.run();
    window.click("Excel (.xlsx)");
    assert_eq!(
        window.asked(),
        [Command::Evaluate(EvaluateCommand::ChooseTableFile(SheetForm::Excel))]
    );
    // What is chosen is written, with the labels of coders that are no columns.
    let (mut app, path, folder) = with_texts(TEXTS);
    let kept = begun(&folder.path().join("project"), &path);
    let (mut evaluation, mut answers) = Folder::read(&kept).unwrap();
    evaluation.coders = ["coder_a", "coder_b", "Ada"].map(str::to_owned).to_vec();
    for answer in answers.values_mut() {
        answer.human.push(Some(1));
    }
    Folder::keep(&kept, &evaluation, &answers).unwrap();
    app.ask(Command::Evaluate(EvaluateCommand::OpenKept(kept)));
    settle(&mut app);
    app.sees("as Ada: 0.0 %");
    for form in SheetForm::ALL {
        let file = folder.path().join("answers").with_extension(form.ending());
        app.script.borrow_mut().picks = Some(file.with_extension(""));
        app.ask(Command::Evaluate(EvaluateCommand::ChooseTableFile(form)));
        settle(&mut app);
        let rows = table::rows(&file, &Quiet).unwrap().rows;
        assert_eq!(rows.len(), 2, "{form:?}");
        assert_eq!(rows[0].fields["Ada"], json!("blame"), "{form:?}");
        let share = &rows[0].fields["model_p_praise"];
        assert_eq!(share.as_f64(), (form != SheetForm::Csv).then_some(0.7), "{form:?}: {share}");
        app.sees("The table with the answers is in");
    }
}

#[test]
fn an_evaluation_is_compared_with_another_of_the_same_rows() {
    let (mut app, path, folder) = with_texts(TEXTS);
    let project = folder.path().join("project");
    let first = begun(&project, &path);
    let (evaluation, answers) = Folder::read(&first).unwrap();
    let second = project.join("evaluations/2026-11-29-1015-other");
    for (folder, rows, model) in [(&first, 2, "one"), (&second, 2, "two")] {
        let mut own = evaluation.clone();
        (own.rows, own.model.name) = (rows, model.to_owned());
        own.task.code.as_mut().unwrap().codebook = first.join("codebook.toml");
        Folder::keep(folder, &own, &answers).unwrap();
    }
    let page = ReportPage { folder: first.clone(), ..ReportPage::default() };
    app.harness.state_mut().state.evaluate.report = Some(page);
    settle(&mut app);
    // Its list is read again when an evaluation ends.
    let kept = tuning_fork::evaluate::results::kept::list(&project);
    app.harness.state_mut().state.evaluate.kept = kept.evaluations;
    settle(&mut app);
    assert_eq!(app.harness.state().state.evaluate.comparable(&first).len(), 1);
    app.click("Compare with…");
    settle(&mut app);
    app.ask(Command::Evaluate(EvaluateCommand::Compare { folder: first.clone(), other: second }));
    settle(&mut app);
    let page = app.harness.state().state.evaluate.report.clone().unwrap();
    let comparison = page.comparison.unwrap();
    assert!(comparison.markdown.contains("| as coder_a | 2 |"), "{}", comparison.markdown);
    assert_eq!(comparison.with, "“Tone” (two)");
    app.sees("Against “Tone” (two)");
    assert!(first.join("comparison.md").is_file());
}

#[test]
fn which_labels_apply_is_decided_again_and_the_new_report_is_shown() {
    let (mut app, path, folder) = with_texts(TEXTS);
    let first = begun(&folder.path().join("project"), &path);
    let (mut evaluation, mut answers) = Folder::read(&first).unwrap();
    evaluation.several = true;
    evaluation.prompt = "{text}\n\nIs it {label}?".to_owned();
    let codebook = Codebook { several: true, ..codebook() };
    let codebook = codebook.to_toml();
    files::write_atomic(&first.join("codebook.toml"), codebook.as_bytes()).unwrap();
    evaluation.codebook_sha256 = Some(files::sha256_of_bytes(codebook.as_bytes()));
    for answer in answers.values_mut() {
        let several = Several { applies: vec![0], ..Several::default() };
        (answer.index, answer.several) = (None, Some(several));
    }
    for row in [3, 4] {
        answers.insert(row, Answered { row, ..answers[&1].clone() });
    }
    Folder::keep(&first, &evaluation, &answers).unwrap();
    app.ask(Command::Evaluate(EvaluateCommand::OpenKept(first.clone())));
    settle(&mut app);
    let page = ReportPage { folder: first.clone(), threshold: Some(0.2), ..ReportPage::default() };
    app.harness.state_mut().state.evaluate.report = Some(page);
    settle(&mut app);
    app.click("Another threshold…");
    settle(&mut app);
    app.click("Decide again");
    settle(&mut app);
    app.sees("From 0.2 on, 4 of 4 rows have other labels");
    let AppState { evaluate, notices, .. } = &app.harness.state().state;
    let open = evaluate.open.as_ref().unwrap_or_else(|| panic!("{notices:?}"));
    let answer = open.answers.values().next().unwrap();
    assert_eq!(answer.answer.as_deref(), Some("praise, blame"));
    let name = first.file_name().unwrap().to_string_lossy();
    let again = first.with_file_name(format!("{name}-from-0.2"));
    assert_eq!(open.kept.as_ref().unwrap().folder, again);
    assert!(again.join("codebook.toml").is_file());
    let held = app.script.borrow_mut().take::<ReportEvaluation>().expect("a report");
    assert_eq!(held.request, (again, None));
}

#[test]
fn a_comparison_and_the_report_take_turns() {
    let mut state = report();
    let page = state.evaluate.report.as_mut().unwrap();
    page.comparison = Some(ComparisonPage {
        with: "Tone, another model".to_owned(),
        markdown: "# Two evaluations\n\nThe second is better.\n".to_owned(),
        is_behind: false,
    });
    let mut window = Window::new(state);
    assert!(window.sees("The second is better.") && !window.sees("Three rows."));
    window.click("Report");
    window.run();
    assert!(window.sees("Three rows."));
}

#[test]
fn labels_that_a_study_brought_are_columns_of_the_rows() {
    let mut state = evaluated();
    let open = state.evaluate.open.as_mut().unwrap();
    open.coders.push("Ada".to_owned());
    for answer in open.answers.values_mut() {
        answer.human.push(answer.index);
    }
    open.version += 1;
    open.kept = Some(KeptIn { folder: Path::new("evaluations/tone").to_owned(), begun: None });
    let window = Window::sized(state, 1400.0, 900.0);
    assert!(window.sees("as Ada: 100.0 %"), "{}", window.tree());
}
