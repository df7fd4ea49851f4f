//! Evaluate: a table and a codebook become a task, rows are tried and asked, answers are looked at,
//! and what was kept is resumed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use tuning_fork::app::tasks::ask_rows::{AskRows, AskRowsError, AskingEvent, Rows};
use tuning_fork::app::tasks::show_prompt::ShowPrompt;
use tuning_fork::app::work::Held;
use tuning_fork::data::codebook::{Class, Codebook};
use tuning_fork::data::judging::{self, Judging};
use tuning_fork::data::table::{self, Table};
use tuning_fork::evaluate::asking::error::AskError;
use tuning_fork::evaluate::asking::prepared::Prepared;
use tuning_fork::evaluate::asking::several_answers::together;
use tuning_fork::evaluate::measures::figure::WithInterval;
use tuning_fork::evaluate::measures::survey_scores::SurveyScores;
use tuning_fork::evaluate::prompt::Form;
use tuning_fork::evaluate::report::configurations::{OfTable, Tried};
use tuning_fork::evaluate::results::answered::Answered;
use tuning_fork::evaluate::results::evaluation::Evaluation;
use tuning_fork::evaluate::results::folder::{Folder, TABLE};
use tuning_fork::evaluate::results::kept;
use tuning_fork::evaluate::rows::questions::Questions;
use tuning_fork::evaluate::task::Task;
use tuning_fork::evaluate::task::code::Code;
use tuning_fork::evaluate::task::manner::{Manner, Way, Wording};
use tuning_fork::evaluate::task::schema::{Field, FieldKind};
use tuning_fork::evaluate::task::split::Part;
use tuning_fork::evaluate::task::survey::{Distribution, Poll, Surveyed};
use tuning_fork::files;
use tuning_fork::jobs::{Cancelled, Quiet};
use tuning_fork::state::AppState;
use tuning_fork::state::codes::setup::{Sample, Setup};
use tuning_fork::state::command::{
    CodesCommand, Command, EvaluateCommand, ProjectCommand, ViewCommand, WindowCommand,
};
use tuning_fork::state::evaluate::asking::Asking;
use tuning_fork::state::evaluate::form::{CodeForm, What};
use tuning_fork::state::evaluate::grid::{Filter, Order};
use tuning_fork::state::evaluate::{
    ConfigurationsPage, Front, KeptIn, OpenEvaluation, ReportPage, SurveyPage,
};
use tuning_fork::state::prefs::PanelId;
use tuning_fork::state::slots::Activity;
use tuning_fork::study::draw::Sampling;

use crate::support::{Window, card, empty_state, loaded_state};
use crate::whole_app::App;

pub const TEXTS: &str = "text,coder_a,coder_b\n\
    \"The committee praised the clear and open report.\",praise,praise\n\
    \"Nobody could find the data, and the authors did not answer.\",blame,blame\n\
    \"The study has 200 participants.\",neither,praise\n\
    \"\",neither,neither\n";

pub fn codebook() -> Codebook {
    let class = |label: &str, definition: &str| Class {
        label: label.to_owned(),
        definition: definition.to_owned(),
        ..Class::default()
    };
    Codebook {
        name: "Tone".to_owned(),
        instruction: "Say which tone the text has.".to_owned(),
        classes: vec![
            class("praise", "It says that something is good."),
            class("blame", "It says that something is bad."),
            class("neither", "It does neither."),
        ],
        ..Codebook::default()
    }
}

fn task(data: &Path) -> Task {
    Task {
        name: "Tone".to_owned(),
        data: data.to_owned(),
        code: Some(Code {
            text: "text".to_owned(),
            codebook: PathBuf::new(),
            human: vec!["coder_a".to_owned(), "coder_b".to_owned()],
            ..Code::default()
        }),
        ..Task::default()
    }
}

/// A task with the rows of this CSV.
pub fn prepared(csv: &str) -> Prepared {
    let task = task(Path::new("abstracts-of-the-last-ten-years.csv"));
    let mut rows = Vec::new();
    let report = table::read_text(&task.data, csv, &mut |_, row| {
        rows.push(row);
        Ok(())
    });
    let table = Table { report: report.unwrap(), rows };
    let questions = Questions::of(&task, Some(codebook()), table).unwrap();
    let form = Form::of(&task, task.kind().unwrap(), questions.codebook.as_ref()).unwrap();
    let data_sha256 = String::new();
    Prepared {
        task,
        questions,
        form,
        data_sha256,
        codebook_sha256: None,
        examples_sha256: None,
        finder: None,
    }
}

/// The answer with these probabilities.
pub fn answered(prepared: &Prepared, row: u64, probabilities: [f64; 3]) -> Answered {
    let question = prepared.questions.list.iter().find(|question| question.row.place.row == row);
    let question = question.unwrap();
    if let Some(problem) = &question.problem {
        let refused = Answered::refused(row, None, problem.clone());
        return Answered { human: question.human.clone(), ..refused };
    }
    let best = |a: &usize, b: &usize| probabilities[*a].total_cmp(&probabilities[*b]);
    let index = (0..3).max_by(best).unwrap();
    Answered {
        answer: Some(question.options[index].clone()),
        index: Some(index),
        probabilities: probabilities.to_vec(),
        logprobs: probabilities.iter().map(|share| share.ln()).collect(),
        entropy: probabilities.iter().map(|share| -share * share.log2()).sum(),
        margin: 0.5,
        mass: 0.9,
        human: question.human.clone(),
        problem: None,
        ..Answered::refused(row, None, String::new())
    }
}

const SHARES: [[f64; 3]; 4] = [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.4, 0.3, 0.3], [0.0; 3]];

/// Evaluate is in front.
pub fn at_evaluate(mut state: AppState) -> AppState {
    state.prefs.panel = PanelId::Evaluate;
    state
}

/// All four rows are answered and kept.
pub fn evaluated() -> AppState {
    let mut state = at_evaluate(loaded_state());
    let prepared = prepared(TEXTS);
    let mut open = OpenEvaluation::new(Arc::new(prepared.clone()));
    for (place, shares) in SHARES.into_iter().enumerate() {
        let row = place as u64 + 1;
        open.answers.insert(row, answered(&prepared, row, shares));
    }
    open.version = 4;
    open.kept = Some(KeptIn { folder: PathBuf::from("evaluations/tone"), begun: None });
    state.evaluate.front = Front::Opened;
    state.evaluate.open = Some(open);
    state
}

/// The form as somebody filled it in, with the table read.
pub fn filled_form() -> AppState {
    let mut state = at_evaluate(loaded_state());
    let prepared = prepared(TEXTS);
    let report = prepared.questions.report.clone();
    state.evaluate.form.take_over(&prepared.task, &codebook(), Some(report));
    state.evaluate.front = Front::Form;
    state
}

/// The form of an exam or of a judge.
pub fn form_of_options(what: What) -> AppState {
    let mut state = filled_form();
    let form = &mut state.evaluate.form;
    form.what = what;
    form.human.clear();
    form.exam.options = ["coder_a", "coder_b"].map(str::to_owned).to_vec();
    form.exam.answer = Some("coder_a".to_owned());
    form.judge.answers = ["coder_a", "coder_b"].map(str::to_owned);
    form.judge.verdict = Some("first".to_owned());
    form.rate.human = vec!["coder_a".to_owned()];
    form.orders = 4;
    state
}

/// The rows, with the confusion matrix of a coder and the model.
pub fn with_confusion() -> AppState {
    let mut state = evaluated();
    if let Some(open) = &mut state.evaluate.open {
        open.grid.confusion = Some(0);
    }
    state
}

#[test]
fn an_empty_panel_says_what_it_is_for_and_offers_the_next_steps() {
    let mut window = Window::new(at_evaluate(empty_state()));
    assert!(window.sees("A model does the coding"));
    assert!(window.sees("Load a model before you ask"));
    window.click("New task");
    window.click("Open a task file…");
    window.click("Go to Models");
    assert_eq!(
        window.asked(),
        [Command::Evaluate(EvaluateCommand::New), Command::Evaluate(EvaluateCommand::ChooseTask),]
    );
    assert_eq!(window.state().prefs.panel, PanelId::Models);
}

#[test]
fn what_is_missing_is_said_one_thing_after_the_other() {
    let mut state = at_evaluate(empty_state());
    state.evaluate.front = Front::Form;
    let mut window = Window::new(state);
    assert!(window.sees("Choose the table with the texts first"));
    let filled = filled_form().evaluate.form;
    window.state().evaluate.form = filled.clone();
    window.state().evaluate.form.codebook.classes.truncate(1);
    window.run();
    assert!(window.sees("The codebook is not complete"));
    window.state().evaluate.form = filled;
    window.run();
    assert!(window.sees("Load a model first"));
    window.click("Go to Models");
    assert_eq!(window.state().prefs.panel, PanelId::Models);
}

/// Nothing is loaded, and a task file is open that names this model.
fn task_of_model(name: &str) -> Window {
    let mut state = at_evaluate(empty_state());
    let mut prepared = prepared(TEXTS);
    prepared.task.model = name.to_owned();
    state.evaluate.open = Some(OpenEvaluation::new(Arc::new(prepared)));
    state.evaluate.front = Front::Opened;
    Window::new(state)
}

#[test]
fn the_model_that_a_task_names_is_loaded_where_the_task_is_shown() {
    let mut window = task_of_model("starter");
    window.click("Load the task's model");
    let load = EvaluateCommand::LoadModel("starter".to_owned());
    assert_eq!(window.asked(), [Command::Evaluate(load)]);
    // Of a form, and of a server's model, there is nothing to load.
    for name in ["", "http://localhost:8000/v1"] {
        assert!(!task_of_model(name).sees("Load the task's model"));
    }
}

#[test]
fn a_prompt_that_names_what_is_not_there_is_refused_in_the_engines_words() {
    let mut state = filled_form();
    state.evaluate.form.prompt = Some("{instruction} {abstract} {text}".to_owned());
    let window = Window::new(state);
    let said = "the prompt names {abstract}, and there is no such column or part";
    assert!(window.sees(said), "{}", window.tree());
    assert!(window.sees("{coder_a}"), "it lists what there is");
}

#[test]
fn classes_are_added_and_removed_but_two_stay() {
    let mut state = at_evaluate(loaded_state());
    state.evaluate.front = Front::Form;
    let mut window = Window::sized(state, 1280.0, 1400.0);
    window.click("Add a class");
    let label = "Label of class 3";
    window.0.get_by_role_and_label(Role::TextInput, label).focus();
    window.run();
    window.0.get_by_role_and_label(Role::TextInput, label).type_text("neither");
    window.run();
    assert_eq!(window.state().evaluate.form.codebook.classes[2].label, "neither");
    window.click("Remove class 1");
    assert_eq!(window.state().evaluate.form.codebook.classes[1].label, "neither");
    window.0.get_by_label("Remove class 1").click();
    window.run();
    assert_eq!(window.state().evaluate.form.codebook.classes.len(), 2);
    // Of several labels there may be one alone.
    window.click("several or none");
    window.click("Remove class 1");
    let codebook = &window.state().evaluate.form.codebook;
    assert_eq!((codebook.several, codebook.classes.len()), (true, 1));
    assert!(!window.sees("in order"), "what a text can have several of stands on no scale");
}

/// The form that reads fields out of texts.
pub fn form_of_fields() -> AppState {
    let mut state = filled_form();
    let form = &mut state.evaluate.form;
    form.what = What::Extract;
    form.human.clear();
    form.extract.fields = vec![
        Field { name: "tone".to_owned(), quote: true, ..Field::default() },
        Field { name: "people".to_owned(), kind: FieldKind::Integer, ..Field::default() },
    ];
    form.extract.human.insert("tone".to_owned(), "coder_a".to_owned());
    state
}

/// A report, as it was written.
pub fn report() -> AppState {
    let mut state = evaluated();
    state.evaluate.report = Some(ReportPage {
        folder: PathBuf::from("evaluations/tone"),
        markdown: "# Tone\n\nThree rows.\n\n| label | rows |\n| --- | ---: |\n| praise | 2 |\n"
            .to_owned(),
        paragraph: "Three rows were labelled.".to_owned(),
        testable: state.model.ready().map(|card| card.identity.clone()),
        ..ReportPage::default()
    });
    state
}

#[test]
fn fields_are_named_one_by_one_or_pasted_as_a_schema() {
    let mut state = filled_form();
    state.evaluate.form.codebook.name.clear();
    let mut window = Window::sized(state, 1280.0, 1400.0);
    window.click("fields");
    window.run();
    assert!(window.sees("field number 1 has no name"), "{}", window.tree());
    window.0.get_by_role_and_label(Role::TextInput, "Name of field 1").focus();
    window.run();
    window.0.get_by_role_and_label(Role::TextInput, "Name of field 1").type_text("people");
    window.run();
    assert!(!window.sees("has no name"), "{}", window.tree());
    assert!(window.sees("Read by hand"));
    window.click("Add a field");
    assert_eq!(window.state().evaluate.form.extract.fields.len(), 2);
    window.click("Remove field 2");
    window.click("JSON schema");
    window.run();
    let pasted = window.state().evaluate.form.pasted.clone().unwrap();
    assert!(pasted.contains("\"people\""), "what was named is the schema to begin with: {pasted}");
    window.state().evaluate.form.pasted = Some("{\"$ref\": \"#\"}".to_owned());
    window.run();
    assert!(window.sees("refers to itself"), "{}", window.tree());
}

#[test]
fn fields_come_back_from_the_draft_as_they_were_left() {
    let form = form_of_fields().evaluate.form;
    let draft = form.draft();
    let mut again = tuning_fork::state::evaluate::form::CodeForm::default();
    again.take_over(&draft.task, &draft.codebook, form.table.clone());
    assert_eq!(again, form);
}

#[test]
fn texts_need_an_instruction_and_may_have_references() {
    let mut window = Window::sized(filled_form(), 1280.0, 1400.0);
    window.click("texts");
    window.run();
    assert!(window.sees("Say what is to be written"), "{}", window.tree());
    window.click("coder_a");
    let state = window.state();
    assert_eq!(state.evaluate.form.write.references, ["coder_a"]);
    state.evaluate.form.write.instruction = "Say it shorter.".to_owned();
    window.run();
    assert!(!window.sees("Say what is to be written"));
}

#[test]
fn questions_are_typed_a_line_each_and_asked_about_every_document() {
    let mut window = Window::sized(filled_form(), 1280.0, 1400.0);
    window.click("answers");
    window.run();
    assert!(window.sees("Write the questions, a line each"), "{}", window.tree());
    window.state().evaluate.form.asked = "Who paid?\n\nWho answered?".to_owned();
    window.run();
    assert!(!window.sees("Write the questions, a line each"));
    let task = window.state().evaluate.form.task();
    assert_eq!(task.ask.unwrap().questions, ["Who paid?", "Who answered?"]);
    window.click("Choose a folder of documents…");
    assert_eq!(window.asked(), [Command::Evaluate(EvaluateCommand::ChooseDocuments)]);
}

#[test]
fn passages_are_chosen_by_words_or_by_an_encoder_of_this_disk() {
    let mut state = filled_form();
    state.evaluate.form.what = What::Ask;
    state.evaluate.form.asked = "Who paid?".to_owned();
    state.evaluate.encoders = vec![("minilm".to_owned(), PathBuf::from("/models/minilm"))];
    let mut window = Window::sized(state, 1280.0, 1400.0);
    assert_eq!(window.state().evaluate.form.task().encoder, None);
    window.click("Passages are chosen by");
    window.run();
    window.click("minilm");
    window.run();
    let form = window.state().evaluate.form.clone();
    assert_eq!(form.task().encoder.as_deref(), Some("/models/minilm"));
    let draft = form.draft();
    let mut again = CodeForm::default();
    again.take_over(&draft.task, &draft.codebook, form.table.clone());
    assert_eq!(again.encoder, form.encoder, "it comes back with the draft");
    let other = CodeForm { what: What::Write, ..form };
    assert_eq!(other.task().encoder, None, "only documents have passages");
}

#[test]
fn a_cell_of_the_confusion_matrix_shows_its_rows() {
    let mut window = Window::sized(evaluated(), 1280.0, 1000.0);
    let all = window.state().evaluate.open.as_ref().unwrap().grid.shown().len();
    window.click("Confusion matrix");
    window.run();
    let numbers = window.state().evaluate.open.as_ref().unwrap().grid.numbers.clone();
    let coder = &numbers.coders[0];
    let cells = coder.table.iter().enumerate().flat_map(|(said, row)| {
        row.iter().enumerate().map(move |(given, count)| (said, given, *count))
    });
    let (said, given, count) = cells.max_by_key(|(_, _, count)| *count).unwrap();
    assert!(count > 0 && count < all, "{coder:?}");
    let total: usize = coder.table[said].iter().sum();
    let label = |place: usize| codebook().labels()[place].clone();
    let name = format!(
        "{} by {}, {} by the model: {count} ({:.0} %)",
        label(said),
        coder.name,
        label(given),
        count as f32 / total as f32 * 100.0
    );
    window.click(&name);
    window.run();
    let open = window.state().evaluate.open.as_ref().unwrap();
    assert_eq!(open.grid.filter, Filter::Cell { coder: 0, said, given });
    assert_eq!(open.grid.shown().len(), count);
    assert!(window.sees(&format!("Shown: rows that {} called", coder.name)), "{}", window.tree());
    window.click("Hide the matrix");
    window.run();
    assert_eq!(window.state().evaluate.open.as_ref().unwrap().grid.filter, Filter::All);
}

const EXAM: &str = "id,subject,question,A,B,right\n\
    q1,sums,What is 1 + 1?,2,3,A\n\
    q2,sums,What is 2 + 2?,5,4,B\n";

#[test]
fn an_exam_is_set_up_in_the_form_and_comes_back_from_its_draft() {
    let (mut app, path, _folder) = with_texts(EXAM);
    app.click("New task");
    app.click("exam answers");
    settle(&mut app);
    app.sees("Choose the table with the questions first");
    app.script.borrow_mut().picks = Some(path);
    app.click("Choose table…");
    settle(&mut app);
    let form = &app.harness.state().state.evaluate.form;
    assert_eq!(form.text, "question", "the column that is called so");
    assert_eq!(form.exam.options, ["A", "B"]);
    assert_eq!(form.exam.answer.as_deref(), Some("right"));
    assert_eq!(form.exam.subject.as_deref(), Some("subject"));
    let preview = form.preview(1).unwrap();
    let words = &preview.first.content;
    assert!(words.contains("What is 2 + 2?\n\nA. 5\nB. 4"), "{words}");
    assert_eq!(preview.first.answers, ["A", "B"], "letters are scored");
    app.click("whole options");
    settle(&mut app);
    let form = app.harness.state().state.evaluate.form.clone();
    assert_eq!(form.preview(1).unwrap().first.answers, ["5", "4"]);
    app.click("Try 5 rows");
    settle(&mut app);
    let held = app.script.borrow_mut().take::<AskRows>().expect("rows");
    let questions = &held.request.prepared.questions;
    assert_eq!(questions.coders, ["right"]);
    let right: Vec<_> = questions.list.iter().map(|question| question.human.clone()).collect();
    assert_eq!(right, [[Some(0)], [Some(1)]]);
    drop(held);
    let draft = form.draft();
    let mut again = CodeForm::default();
    again.take_over(&draft.task, &draft.codebook, form.table.clone());
    assert_eq!(again.draft(), draft);
    app.harness.state_mut().state.evaluate.form.exam.options.clear();
    settle(&mut app);
    app.sees("Choose the columns with the options of the questions");
}

#[test]
fn a_judge_is_set_up_in_the_form_and_comes_back_from_its_draft() {
    let (mut app, path, _folder) =
        with_texts("prompt,chosen,rejected,who\nWhy?,Because of rain.,I will not say it.,first\n");
    app.click("New task");
    app.script.borrow_mut().picks = Some(path);
    app.click("Choose table…");
    settle(&mut app);
    app.click("verdicts");
    settle(&mut app);
    let form = &app.harness.state().state.evaluate.form;
    assert_eq!(form.text, "prompt", "no longer the longest column, but the one that is called so");
    assert_eq!(form.judge.answers, ["chosen", "rejected"]);
    let preview = form.preview(0).unwrap();
    let words = &preview.first.content;
    assert!(
        words.contains("Answer A:\nBecause of rain.\n\nAnswer B:\nI will not say it."),
        "{words}"
    );
    assert_eq!(preview.order_count, 2);
    app.sees("always the first answer");
    app.harness.get_by_role_and_label(Role::ComboBox, "People say").click_accesskit();
    settle(&mut app);
    app.click("column who");
    settle(&mut app);
    app.click("Try 5 rows");
    settle(&mut app);
    let held = app.script.borrow_mut().take::<AskRows>().expect("rows");
    assert_eq!(held.request.prepared.questions.coders, ["who"]);
    assert_eq!(held.request.prepared.questions.list[0].human, [Some(0)]);
    drop(held);
    let form = app.harness.state().state.evaluate.form.clone();
    let draft = form.draft();
    let mut again = CodeForm::default();
    again.take_over(&draft.task, &draft.codebook, form.table.clone());
    assert_eq!(again.draft(), draft);
    let form = &mut app.harness.state_mut().state.evaluate.form;
    form.judge.answers = ["chosen", "chosen"].map(str::to_owned);
    settle(&mut app);
    app.sees("Both answers are in the column \"chosen\"");
}

#[test]
fn a_rating_is_set_up_in_the_form_and_comes_back_from_its_draft() {
    let (mut app, path, _folder) = with_texts(
        "question,answer,model,anna\nWhy?,Because of rain.,one,4\nHow?,I will not say it.,two,1\n",
    );
    app.click("New task");
    app.script.borrow_mut().picks = Some(path);
    app.click("Choose table…");
    settle(&mut app);
    app.click("ratings");
    settle(&mut app);
    let form = &mut app.harness.state_mut().state.evaluate.form;
    assert_eq!((form.text.as_str(), form.rate.prompt.as_deref()), ("answer", Some("question")));
    form.rate.by = Some("model".to_owned());
    settle(&mut app);
    app.harness.state_mut().state.evaluate.form.rate.human = vec!["anna".to_owned()];
    settle(&mut app);
    let form = &app.harness.state().state.evaluate.form;
    let words = &form.preview(0).unwrap().first.content;
    assert!(words.contains("Somebody asked:\nWhy?\n\nAnswer:\nBecause of rain."), "{words}");
    app.click("Try 5 rows");
    settle(&mut app);
    let held = app.script.borrow_mut().take::<AskRows>().expect("rows");
    let question = &held.request.prepared.questions.list[1];
    assert_eq!((question.human[0], question.group.as_deref()), (Some(0), Some("two")));
    drop(held);
    let form = app.harness.state().state.evaluate.form.clone();
    let draft = form.draft();
    let mut again = CodeForm::default();
    again.take_over(&draft.task, &draft.codebook, form.table.clone());
    assert_eq!(again.draft(), draft);
    app.harness.state_mut().state.evaluate.form.rate.from = 5;
    settle(&mut app);
    app.sees("[rate] is on a scale from 5 to 5");
}

#[test]
fn a_text_can_have_several_labels() {
    let (mut app, path, _folder) = with_texts(
        "text,anna\nThey praised it and then they blamed it.,praise; blame\nThey left.,none\n",
    );
    fill_in(&mut app, &path);
    app.harness.state_mut().state.evaluate.form.human = vec!["anna".to_owned()];
    app.harness.state_mut().state.evaluate.form.codebook.several = true;
    settle(&mut app);
    let form = &app.harness.state().state.evaluate.form;
    let preview = form.preview(0).unwrap();
    assert!(preview.first.content.contains("Does this label apply to the text?"), "{preview:?}");
    assert!(preview.template.contains("{label}"), "{}", preview.template);
    app.click("Try 5 rows");
    settle(&mut app);
    let held = app.script.borrow_mut().take::<AskRows>().expect("rows");
    let sets: Vec<_> = held
        .request
        .prepared
        .questions
        .list
        .iter()
        .map(|question| question.human_sets[0].clone())
        .collect();
    assert_eq!(sets, [Some(vec![0, 1]), Some(vec![])]);
    assert_eq!(held.request.prepared.form.order_count(&held.request.prepared.questions.list[0]), 1);
}

/// Rows of which the model gives some several labels, with what a person gave and the table of both.
pub fn with_several_labels() -> AppState {
    let mut state = evaluated();
    let Some(open) = &mut state.evaluate.open else { return state };
    let mut prepared = (*open.prepared).clone();
    let codebook = prepared.questions.codebook.as_mut().expect("a codebook");
    codebook.several = true;
    let labels = codebook.labels();
    prepared.questions.coders = vec!["coder_a".to_owned()];
    let yes = |share: f64| Answered {
        index: Some(usize::from(share < 0.5)),
        probabilities: vec![share, 1.0 - share],
        entropy: 0.6,
        margin: (2.0 * share - 1.0).abs(),
        mass: 0.8,
        ..Answered::default()
    };
    let shares = [[0.9, 0.7, 0.1], [0.2, 0.4, 0.3], [0.6, 0.1, 0.2]];
    for (question, shares) in prepared.questions.list.iter().zip(shares) {
        let mut answer = together(&labels, shares.map(yes).to_vec(), None);
        answer.row = question.row.place.row;
        if let Some(several) = &mut answer.several {
            several.human = vec![Some(vec![0])];
        }
        open.answers.insert(answer.row, answer);
    }
    open.prepared = Arc::new(prepared);
    open.grid.confusion = Some(0);
    state
}

#[test]
fn sets_of_labels_are_counted_and_a_cell_shows_its_rows() {
    let mut window = Window::sized(with_several_labels(), 1280.0, 800.0);
    assert!(window.sees("praise, blame"), "{}", window.tree());
    assert!(window.sees("none of them"));
    window.click("praise: the person alone: 1 (33 %)");
    let grid = &window.state().evaluate.open.as_ref().unwrap().grid;
    assert_eq!(grid.filter, Filter::Cell { coder: 0, said: 0, given: 1 });
    assert_eq!(grid.shown().len(), 1);
    assert!(window.sees("Shown: rows to which the person alone would give praise"));
}

const ITEMS: &str = "id,question,option_1,option_2,option_3\n\
    q1,Do you trust the press?,yes,no,don't know\n\
    q2,Do you read the press?,yes,no,don't know\n";
const PEOPLE: &str = "person,age,place\np1,30,a town\np2,60,a village\n";
const MARGINALS: &str =
    "item,option,share\nq1,yes,30\nq1,no,60\nq1,don't know,10\nq2,yes,50\nq2,no,50\n";

#[test]
fn a_survey_is_set_up_from_three_tables_and_comes_back_from_its_draft() {
    let (mut app, path, folder) = with_texts(ITEMS);
    app.click("New task");
    app.click("survey answers");
    settle(&mut app);
    app.sees("Choose the table with the items first");
    app.script.borrow_mut().picks = Some(path.clone());
    app.click("Choose table…");
    settle(&mut app);
    let form = &app.harness.state().state.evaluate.form;
    assert_eq!(form.text, "question", "the column with the most words");
    assert_eq!(form.survey.survey.options, ["option_1", "option_2", "option_3"]);
    app.sees("2 items to 1 person: 2 rows");
    for (name, text, button) in
        [("people.csv", PEOPLE, "Choose people…"), ("m.csv", MARGINALS, "Choose marginals…")]
    {
        let beside = folder.path().join(name);
        files::write_atomic(&beside, text.as_bytes()).unwrap();
        app.script.borrow_mut().picks = Some(beside);
        // The form is longer than the window.
        app.harness.get_by_label(button).click_accesskit();
        settle(&mut app);
    }
    app.sees("people.csv · 2 rows");
    app.sees("2 items to 2 people: 4 rows");
    let form = &mut app.harness.state_mut().state.evaluate.form;
    assert_eq!(form.survey.survey.persona, "Answer as this person. age: {age}. place: {place}.");
    "You are {ages} years old.".clone_into(&mut form.survey.survey.persona);
    settle(&mut app);
    app.sees("`persona` names {ages} years old., and the table of people has no such column");
    let form = &mut app.harness.state_mut().state.evaluate.form;
    "You are {age} years old.".clone_into(&mut form.survey.survey.persona);
    "don't know".clone_into(&mut form.survey.refusal);
    form.id = Some("id".to_owned());
    form.orders = 3;
    settle(&mut app);
    for name in ["drawn answers", "open"] {
        app.harness.get_by_label(name).click_accesskit();
        settle(&mut app);
    }
    let form = app.harness.state().state.evaluate.form.clone();
    let preview = form.preview(0).unwrap();
    let words = &preview.first.content;
    assert!(words.starts_with("You are 30 years old.\n\nDo you trust the press?"), "{words}");
    let survey = form.task().survey.unwrap();
    assert_eq!((survey.ways.len(), survey.forms.len()), (2, 2));
    assert_eq!(survey.refusal, ["don't know"]);
    app.click("Try 5 rows");
    settle(&mut app);
    let held = app.script.borrow_mut().take::<AskRows>().expect("rows");
    let questions = &held.request.prepared.questions.list;
    assert_eq!(questions.len(), 4, "every item to everybody");
    assert_eq!(questions[0].poll.as_ref().unwrap().people, [0.3, 0.6, 0.1]);
    drop(held);
    let draft = form.draft();
    let mut again = CodeForm::default();
    again.take_over(&draft.task, &draft.codebook, form.table.clone());
    assert_eq!(again.draft(), draft);
    assert_eq!(again.survey.unread().len(), 2, "the tables beside the items are read again");
}

/// The result of a survey with two groups.
pub fn survey_report() -> AppState {
    let letters = Manner { wording: Wording::Forced, way: Way::Letters };
    let row = |number: u64, item: &str, group: &str, shares: [f64; 3]| {
        let poll = Poll {
            item: item.to_owned(),
            question: "Do you trust the press?".to_owned(),
            options: ["yes", "no", "don't know"].map(str::to_owned).to_vec(),
            refusals: vec![2],
            people: vec![0.3, 0.6, 0.1],
        };
        let said = Distribution {
            probabilities: shares.to_vec(),
            in_first_order: shares.to_vec(),
            by_place: vec![0.5, 0.3, 0.2],
            other: 0.05,
        };
        Answered {
            group: Some(group.to_owned()),
            surveyed: Some(Surveyed { poll, ways: [(letters, said)].into() }),
            row: number,
            ..Answered::default()
        }
    };
    let rows = [
        row(1, "q1", "old", [0.6, 0.2, 0.2]),
        row(2, "q1", "young", [0.2, 0.7, 0.1]),
        row(3, "q2", "old", [0.5, 0.4, 0.1]),
        row(4, "q2", "young", [0.4, 0.5, 0.1]),
    ];
    let scores = SurveyScores::of(&rows.iter().collect::<Vec<_>>());
    let mut state = report();
    if let Some(page) = &mut state.evaluate.report {
        page.survey = Some(SurveyPage::new(scores));
        page.testable = None;
    }
    state
}

#[test]
fn the_result_of_a_survey_shows_each_item_beside_real_people() {
    let mut window = Window::new(survey_report());
    // 0.6 and 0.2 without the refusal, against 0.3 and 0.6.
    assert!(window.sees("yes: people 33.3 %, model 75.0 %"), "{}", window.tree());
    assert!(window.sees("refusals: 10.0 % of people, 20.0 % of the model's"), "{}", window.tree());
    assert!(window.sees("total variation 0.417"), "{}", window.tree());
    window.click("Next item");
    window.run();
    assert_eq!(window.state().evaluate.report.as_ref().unwrap().survey.as_ref().unwrap().item, 1);
    assert!(window.sees("yes: people 33.3 %, model 55.6 %"), "{}", window.tree());
    window.click("Report");
    window.run();
    assert!(window.sees("praise"), "the text is there too: {}", window.tree());
}

#[test]
fn a_report_is_read_in_the_window_and_closed_with_escape() {
    let mut window = Window::new(report());
    assert!(window.sees("praise"), "{}", window.tree());
    window.click("Copy the methods paragraph");
    let text = "Three rows were labelled.".to_owned();
    assert_eq!(window.asked(), [Command::Window(WindowCommand::CopyText(text))]);
    window.click("Test the stability");
    let folder = PathBuf::from("evaluations/tone");
    assert_eq!(window.asked(), [Command::Evaluate(EvaluateCommand::TestStability(folder))]);
    // Not once more while it runs.
    let stop = Some(Command::Evaluate(EvaluateCommand::StopTests));
    let running = Activity { stop, ..Activity::new("Testing the stability", String::new()) };
    window.state().activities.push(running);
    window.run();
    window.click("Test the stability");
    assert!(window.asked().is_empty());
    assert!(window.state().evaluate.close_topmost());
    assert!(window.state().evaluate.report.is_none());
}

/// Two prompts were tried with a table whose end is kept.
pub fn configurations() -> AppState {
    let tried = |name: &str, share: f64, standing| Tried {
        folder: PathBuf::from("evaluations").join(name),
        name: name.to_owned(),
        configuration: "0123456789ab".to_owned(),
        model: "tiny".to_owned(),
        has_adapter: false,
        part: Some(Part::Development),
        started: "2026-11-28T10:15:00Z".to_owned(),
        answered: 30,
        rows: 30,
        settings: "{instruction} {codebook} Text: {text}".to_owned(),
        standing,
        shares: vec![("praise".to_owned(), WithInterval::share((share * 30.0) as usize, 30))],
        accuracy: Some(WithInterval::share(24, 30)),
        bits_per_byte: None,
    };
    let mut state = evaluated();
    state.evaluate.configurations = Some(ConfigurationsPage {
        tables: vec![OfTable {
            table: "reports.csv".to_owned(),
            data_sha256: "00".to_owned(),
            tried: vec![tried("first", 0.5, None), tried("second", 0.7, Some("frozen"))],
        }],
        ..ConfigurationsPage::default()
    });
    state
}

#[test]
fn what_was_tried_is_compared_on_one_scale_and_one_is_frozen() {
    let mut window = Window::new(configurations());
    assert!(window.sees("right answers: 0.800, 95 % interval"), "{}", window.tree());
    window.click("Freeze this one");
    window.click("Open the test part");
    let folder = |name: &str| PathBuf::from("evaluations").join(name);
    assert_eq!(
        window.asked(),
        [
            Command::Evaluate(EvaluateCommand::Freeze(folder("first"))),
            Command::Evaluate(EvaluateCommand::OpenTestPart(folder("second"))),
        ]
    );
    window.state().evaluate.configurations.as_mut().unwrap().number = 1;
    window.run();
    assert!(window.sees("share of praise: 0.700"), "{}", window.tree());
    assert!(window.state().evaluate.close_topmost());
}

#[test]
fn rows_are_sorted_by_uncertainty_and_filtered_by_disagreement() {
    let mut window = Window::new(evaluated());
    let shown = |window: &mut Window| -> Vec<u32> {
        window.state().evaluate.open.as_ref().unwrap().grid.shown().to_vec()
    };
    assert_eq!(shown(&mut window), [0, 1, 2, 3]);
    window.click("uncertain first");
    window.run();
    // 1.57, 0.92 and 0.57 bits; the row without an answer comes last.
    assert_eq!(shown(&mut window), [2, 1, 0, 3]);
    window.click("differ");
    window.run();
    assert_eq!(shown(&mut window), [2], "coder_a said neither, the model praise");
    window.click("problems");
    window.run();
    assert_eq!(shown(&mut window), [3]);
    assert!(window.sees("its \"text\" is empty"));
}

#[test]
fn the_numbers_count_answers_and_agreement() {
    let window = Window::new(evaluated());
    for words in ["praise 66.7 %", "blame 33.3 %", "neither 0.0 %", "1 not asked"] {
        assert!(window.sees(words), "{words}");
    }
    // Of the three answered rows, two as coder_a and three as coder_b. By chance 3 / 9 would be the
    // same as coder_a: (6/9 - 3/9) / (1 - 3/9) = 0.5.
    assert!(window.sees("as coder_a: 66.7 % · κ 0.50"));
    assert!(window.sees("as coder_b: 100.0 % · κ 1.00"));
}

#[test]
fn a_row_is_looked_at_with_mouse_and_keys() {
    let mut window = Window::new(evaluated());
    let first = "Row 1 · The committee praised the clear and open report. · praise · 90.0 %";
    window.click(first);
    let looked_at =
        |window: &mut Window| window.state().evaluate.open.as_ref().unwrap().grid.selected;
    assert_eq!(looked_at(&mut window), Some(1));
    assert!(window.sees("blame: 5.0 %"), "every option has its bar");
    assert!(window.sees("coder_b: praise"));
    window.press(Modifiers::NONE, Key::ArrowDown);
    assert_eq!(looked_at(&mut window), Some(2));
    window.press(Modifiers::NONE, Key::ArrowUp);
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(looked_at(&mut window), None);
    assert_eq!(window.asked(), [], "Esc stopped nothing");
}

#[test]
fn of_two_hundred_thousand_rows_only_those_in_sight_are_laid_out() {
    let mut csv = "text,coder_a,coder_b\n".to_owned();
    for row in 1..=200_000 {
        csv.push_str(&format!("text {row},praise,\n"));
    }
    let mut state = evaluated();
    state.evaluate.open = Some(OpenEvaluation::new(Arc::new(prepared(&csv))));
    let mut window = Window::new(state);
    let rows = |window: &Window| window.0.get_all_by_role(Role::Row).count();
    assert!((10..60).contains(&rows(&window)), "{}", rows(&window));
    let open = window.state().evaluate.open.as_mut().unwrap();
    open.grid.selected = Some(150_000);
    open.grid.scrolls_to_selected = true;
    window.run();
    assert!(window.sees("Row 150000 · text 150000"), "it scrolls there at once");
}

#[test]
fn the_panel_reads_out_as_it_looks() {
    let mut state = evaluated();
    state.evaluate.open.as_mut().unwrap().grid.selected = Some(3);
    insta::assert_snapshot!("looked_at", Window::new(state).tree());
    insta::assert_snapshot!("form", Window::new(filled_form()).tree());
}

#[test]
fn results_are_shown_in_the_file_manager() {
    let mut window = Window::new(evaluated());
    window.click("Show results.csv");
    let path = Path::new("evaluations/tone").join(TABLE);
    assert_eq!(window.asked(), [Command::Window(WindowCommand::Reveal(path))]);
}

// The whole window

pub fn with_texts(csv: &str) -> (App, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("texts.csv");
    files::write_atomic(&path, csv.as_bytes()).expect("the folder is ours");
    let mut app = App::with_model_in(&folder.path().join("project"));
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Evaluate)));
    (app, path, folder)
}

/// What one thing leads to comes a frame later, and so on.
pub fn settle(app: &mut App) {
    for _ in 0..4 {
        app.run();
    }
}

pub fn fill_in(app: &mut App, path: &Path) {
    app.click("New task");
    app.script.borrow_mut().picks = Some(path.to_owned());
    app.click("Choose table…");
    settle(app);
    let form = &mut app.harness.state_mut().state.evaluate.form;
    assert_eq!(form.text, "text", "the column with the most words");
    form.codebook = codebook();
    form.human = vec!["coder_a".to_owned()];
    settle(app);
}

fn answer_event(app: &App, row: u64, done: usize, total: usize) -> AskingEvent {
    let open = app.harness.state().state.evaluate.open.as_ref().expect("rows are shown");
    let row = Box::new(answered(&open.prepared, row, [0.7, 0.2, 0.1]));
    AskingEvent::Answered { done, total, row }
}

fn stopped() -> AskRowsError {
    AskRowsError::Ask(AskError::Stopped(Cancelled))
}

#[test]
fn five_rows_are_tried_while_the_prompt_is_worked_on() {
    let (mut app, path, _folder) = with_texts(TEXTS);
    fill_in(&mut app, &path);
    app.click("Try 5 rows");
    settle(&mut app);
    let Held { request, feeder } = app.script.borrow_mut().take::<AskRows>().expect("rows");
    assert!(matches!(request.rows, Rows::Few(5)));
    assert_eq!(request.prepared.questions.list.len(), 4);
    assert_eq!(request.prepared.questions.coders, ["coder_a"]);
    feeder.emit(answer_event(&app, 1, 1, 4));
    settle(&mut app);
    app.sees("1 of 4 rows");
    app.sees("Row 1 · The committee praised the clear and open report. · praise · 70.0 %");
    feeder.finish(Ok(()));
    settle(&mut app);
    app.sees("1 of 4 rows tried; nothing is kept");
    // Another prompt: the answers are to an earlier one, and the next try replaces them.
    let form = &mut app.harness.state_mut().state.evaluate.form;
    form.prompt = Some("{instruction}\n{text}".to_owned());
    settle(&mut app);
    app.sees("These answers were given before the last change on the left");
    app.click("Try 5 rows");
    settle(&mut app);
    assert!(app.harness.state().state.evaluate.open.as_ref().unwrap().answers.is_empty());
    let held = app.script.borrow_mut().take::<AskRows>().expect("rows");
    assert_eq!(held.request.prepared.form.template(), "{instruction}\n{text}");
}

#[test]
fn all_rows_go_into_the_project_and_can_be_paused_and_stopped() {
    let (mut app, path, folder) = with_texts(TEXTS);
    fill_in(&mut app, &path);
    app.click("All rows");
    settle(&mut app);
    let Held { request, feeder } = app.script.borrow_mut().take::<AskRows>().expect("rows");
    let Rows::All { folder: answers, project } = request.rows else { panic!("not all rows") };
    assert_eq!(project, folder.path().join("project"));
    assert!(answers.starts_with(project.join("evaluations")), "{answers:?}");
    assert!(answers.to_string_lossy().ends_with("-tone"), "{answers:?}");
    app.script.borrow_mut().seconds = 2.0;
    feeder.emit(answer_event(&app, 1, 1, 4));
    settle(&mut app);
    app.sees("1 of 4 rows · 30 rows a minute · 6 s left");
    app.click("Pause");
    assert!(feeder.is_paused());
    app.sees("paused");
    app.click("Continue");
    assert!(!feeder.is_paused());
    app.click("Stop asking");
    assert!(feeder.was_cancelled());
    feeder.finish(Err(stopped()));
    settle(&mut app);
    app.sees("1 of 4 rows answered");
    let notices = &app.harness.state().state.notices;
    assert_eq!(notices.at(PanelId::Evaluate).count(), 0, "a stop is no mistake");
}

#[test]
fn escape_never_stops_rows_that_are_asked_about() {
    let (mut app, path, _folder) = with_texts(TEXTS);
    fill_in(&mut app, &path);
    app.click("All rows");
    settle(&mut app);
    let held = app.script.borrow_mut().take::<AskRows>().expect("rows");
    app.ask(Command::Window(WindowCommand::StopForeground));
    assert!(!held.feeder.was_cancelled());
    app.ask(Command::Window(WindowCommand::StopAll));
    assert!(held.feeder.was_cancelled());
}

/// An evaluation of the project of which two rows are answered, as a kill leaves it.
pub fn begun(project: &Path, data: &Path) -> PathBuf {
    let prepared = Prepared::read_with(&task(data), codebook(), &Quiet).unwrap();
    let folder = kept::new_folder(project, "Tone", "2026-11-28-1015");
    let text = codebook().to_toml();
    files::write_atomic(&folder.join("codebook.toml"), text.as_bytes()).unwrap();
    let mut task = prepared.task.clone();
    task.code.as_mut().unwrap().codebook = PathBuf::from("codebook.toml");
    let evaluation = Evaluation {
        task,
        model: card().identity,
        data_sha256: prepared.data_sha256.clone(),
        codebook_sha256: prepared.codebook_sha256.clone(),
        prompt: prepared.form.template().to_owned(),
        labels: prepared.questions.labels.clone(),
        coders: prepared.questions.coders.clone(),
        rows: 4,
        weights: "as stored".to_owned(),
        program: "0".to_owned(),
        started: "2026-11-28T10:15:00.000Z".to_owned(),
        ..Evaluation::default()
    };
    let (kept, _) = Folder::begin(&folder, &evaluation, false).unwrap();
    for row in [1, 2] {
        kept.append(&answered(&prepared, row, [0.7, 0.2, 0.1])).unwrap();
    }
    folder
}

fn with_begun() -> (App, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("texts.csv");
    files::write_atomic(&path, TEXTS.as_bytes()).expect("the folder is ours");
    let project = folder.path().join("project");
    begun(&project, &path);
    let mut app = App::with_model_in(&project);
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Evaluate)));
    (app, path, folder)
}

#[test]
fn after_a_restart_an_evaluation_goes_on_where_it_was() {
    let (mut app, _path, folder) = with_begun();
    app.sees("2 of 4 rows are answered");
    app.click("Open to resume");
    settle(&mut app);
    app.sees("2 of 4 rows answered");
    app.sees("Row 2 · Nobody could find the data, and the authors did not answer. · praise");
    app.ask(Command::Evaluate(EvaluateCommand::Resume));
    let held = app.script.borrow_mut().take::<AskRows>().expect("rows");
    let Rows::Rest { folder: answers } = held.request.rows else { panic!("not the rest") };
    assert!(answers.starts_with(folder.path().join("project/evaluations")));
    assert_eq!(app.harness.state().state.evaluate.open.as_ref().unwrap().answers.len(), 2);
}

#[test]
fn answers_are_not_shown_beside_a_table_that_was_changed() {
    let (mut app, path, _folder) = with_begun();
    files::write_atomic(&path, TEXTS.replace("200", "300").as_bytes()).unwrap();
    app.click("Open to resume");
    settle(&mut app);
    app.sees("This evaluation cannot be opened");
    app.sees("Its table was changed since it was begun");
    assert!(app.harness.state().state.evaluate.open.is_none());
}

#[test]
fn another_model_cannot_go_on_with_an_evaluation() {
    let (mut app, _path, _folder) = with_begun();
    app.click("Open to resume");
    settle(&mut app);
    let open = app.harness.state_mut().state.evaluate.open.as_mut().unwrap();
    open.kept.as_mut().unwrap().begun.as_mut().unwrap().model.sha256 = "another".to_owned();
    settle(&mut app);
    app.sees(
        "It was begun with SmolLM2-135M-Instruct.Q4_1: choose that model in Models to resume it",
    );
}

#[test]
fn the_form_comes_back_after_a_kill() {
    let (mut app, path, folder) = with_texts(TEXTS);
    fill_in(&mut app, &path);
    app.script.borrow_mut().seconds = 5.0;
    settle(&mut app);
    settle(&mut app);
    let project = folder.path().join("project");
    let draft = kept::read_draft(&project).expect("it is on the disk");
    assert_eq!(draft.codebook, codebook());
    drop(app);
    let again = App::with_model_in(&project);
    let form = &again.harness.state().state.evaluate.form;
    assert_eq!((&form.codebook, form.text.as_str()), (&codebook(), "text"));
    assert_eq!(form.table_name().as_deref(), Some("texts.csv"), "the table is read again");
}

#[test]
fn what_was_typed_in_the_last_moment_is_kept_when_the_window_closes() {
    let (mut app, path, folder) = with_texts(TEXTS);
    fill_in(&mut app, &path);
    app.script.borrow_mut().let_go();
    let app = app.harness.state_mut();
    app.state.annotate.judging.guideline = "Prefer the shorter one".to_owned();
    eframe::App::on_exit(app, None);
    let project = folder.path().join("project");
    let draft = kept::read_draft(&project).expect("it is on the disk");
    assert_eq!(draft.codebook, codebook());
    let judging = Judging::read(&project.join(judging::FILE)).unwrap().expect("it is, too");
    assert_eq!(judging.guideline, "Prefer the shorter one");
}

#[test]
fn a_form_that_the_project_could_not_take_goes_into_the_next_one() {
    let (mut app, path, folder) = with_texts(TEXTS);
    // A file where the folder belongs stops everybody, whatever their rights.
    files::write_atomic(&folder.path().join("project/evaluations"), b"").unwrap();
    fill_in(&mut app, &path);
    app.script.borrow_mut().seconds = 5.0;
    settle(&mut app);
    settle(&mut app);
    app.sees("The codebook and the settings could not be saved in the project");
    let other = folder.path().join("other");
    let earlier = kept::Draft { codebook: Codebook::default(), ..CodeForm::default().draft() };
    kept::save_draft(&other, &earlier).unwrap();
    app.ask(Command::Project(ProjectCommand::Open(other.clone())));
    settle(&mut app);
    assert_eq!(app.harness.state().state.evaluate.form.codebook, codebook());
    app.sees("The form is what you have written, which no project had yet");
    assert!(other.join("evaluations/draft-earlier.json").is_file());
    app.script.borrow_mut().seconds = 10.0;
    settle(&mut app);
    settle(&mut app);
    assert_eq!(kept::read_draft(&other).expect("it is there").codebook, codebook());
}

#[test]
fn of_rows_that_could_not_be_kept_nothing_is_resumed() {
    let (mut app, path, folder) = with_texts(TEXTS);
    fill_in(&mut app, &path);
    app.click("All rows");
    settle(&mut app);
    let held = app.script.borrow_mut().take::<AskRows>().expect("rows");
    let path = folder.path().join("project/evaluations/tone/codebook.toml");
    let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    held.feeder.finish(Err(AskRowsError::Copy { path, source }));
    settle(&mut app);
    app.sees("No row was asked: the answers could not be kept");
    app.sees("Open a project…");
    app.sees("4 rows, none of them asked about");
    assert!(app.harness.query_by_label("Resume").is_none());
    app.ask(Command::Evaluate(EvaluateCommand::Start));
    settle(&mut app);
    assert!(app.script.borrow_mut().take::<AskRows>().is_some(), "they are asked about anew");
}

#[test]
fn a_task_file_is_opened_and_asked() {
    let (mut app, path, folder) =
        with_texts("question,A,B,right\nWhat is 1 + 1?,2,3,A\nWhat is 2 + 2?,5,4,B\n");
    let file = folder.path().join("exam.toml");
    let text = format!(
        "data = {:?}\n[exam]\nquestion = 'question'\noptions = ['A', 'B']\nanswer = 'right'\n",
        path.file_name().unwrap()
    );
    files::write_atomic(&file, text.as_bytes()).unwrap();
    app.script.borrow_mut().picks = Some(file);
    app.click("Open a task file…");
    settle(&mut app);
    app.sees("answers \"question\"; \"right\" has the right answers");
    app.click("Try 5 rows");
    settle(&mut app);
    let held = app.script.borrow_mut().take::<AskRows>().expect("rows");
    assert_eq!(held.request.prepared.questions.list.len(), 2);
}

#[test]
fn a_finished_evaluation_becomes_a_study_of_what_its_model_is_least_certain_of() {
    let (mut app, path, folder) = with_texts(TEXTS);
    fill_in(&mut app, &path);
    let results = folder.path().join("results.csv");
    let text = "text,model_answer,model_p_praise,model_p_blame,model_p_neither\n\
                The committee praised it.,praise,0.7,0.2,0.1\nNobody could find it.,blame,0.4,0.5,0.1\n";
    files::write_atomic(&results, text.as_bytes()).unwrap();
    let task =
        Task { code: app.harness.state().state.evaluate.form.task().code, ..Task::default() };
    let setup = Setup::of_results(&task, task.code.as_ref().unwrap(), &codebook());
    app.harness.state_mut().state.codes.setup = setup;
    app.ask(Command::Codes(CodesCommand::UseTable(results)));
    settle(&mut app);
    let setup = &app.harness.state().state.codes.setup;
    assert_eq!((setup.text.as_str(), setup.sample), ("text", Sample::Uncertain));
    assert_eq!(setup.codebook.variables[0].labels(), codebook().labels());
    let labels = codebook().labels();
    let columns: Vec<String> = labels.iter().map(|label| format!("model_p_{label}")).collect();
    let plans = setup.plans();
    assert_eq!(
        plans.sampling,
        Sampling::Uncertain { columns, each: false, count: 2, random_share: 0.3 }
    );
    assert_eq!(setup.obstacle(), None);
}

#[test]
fn a_task_that_says_nothing_is_refused_in_the_engines_words() {
    let (mut app, _path, folder) = with_texts(TEXTS);
    let file = folder.path().join("empty.toml");
    files::write_atomic(&file, b"data = 'texts.csv'\n").unwrap();
    app.ask(Command::Evaluate(EvaluateCommand::OpenTask(file)));
    settle(&mut app);
    app.sees("This task cannot be used");
    app.sees("The task does not say what is asked");
}

#[test]
fn a_prompt_rendered_for_an_older_text_is_never_shown() {
    let (mut app, path, _folder) = with_texts(TEXTS);
    fill_in(&mut app, &path);
    app.click("Prompt");
    settle(&mut app);
    let held = app.script.borrow_mut().take::<ShowPrompt>().expect("the prompt");
    assert!(held.request.contains("The committee praised"), "{}", held.request);
    app.harness.state_mut().state.evaluate.preview_row = 1;
    settle(&mut app);
    held.feeder.finish(Ok("<|older|>".to_owned()));
    settle(&mut app);
    let Held { request, feeder } = app.script.borrow_mut().take::<ShowPrompt>().expect("another");
    assert!(request.contains("Nobody could find the data"), "{request}");
    feeder.finish(Ok(format!("<|im_start|>user\n{request}<|im_end|>")));
    settle(&mut app);
    app.sees("<|im_start|>user");
    let rendered = &app.harness.state().state.evaluate.rendered;
    assert!(!format!("{rendered:?}").contains("older"));
}

/// Rows are being asked about.
pub fn asking() -> AppState {
    let mut state = evaluated();
    let mut asking = Asking::new(12_345, false, 0.0);
    for row in 1..=40 {
        asking.on_answer(row, 12_345, row as f64 * 1.4);
    }
    state.activities.push(asking.activity());
    state.evaluate.asking = Some(asking);
    state
}

#[test]
fn while_rows_are_asked_about_nothing_else_can_be_begun() {
    let mut window = Window::new(asking());
    assert!(window.sees("40 of 12,345 rows · 43 rows a minute"));
    window.click("Pause");
    window.click("Stop asking");
    assert_eq!(
        window.asked(),
        [Command::Evaluate(EvaluateCommand::Pause), Command::Evaluate(EvaluateCommand::Stop)]
    );
    window.click("All evaluations");
    assert!(window.sees("Running"));
    window.click("Show the rows");
    assert_eq!(window.state().evaluate.front, Front::Opened);
    let open = window.state().evaluate.open.as_ref().unwrap();
    assert_eq!((open.grid.order, open.grid.filter), (Order::Row, Filter::All));
    assert_eq!(open.answers.len(), 4, "they are still there");
}
