//! Between the pages of Evaluate, and from Annotate back to it: names, notices and coders that stay or go.

use std::path::Path;

use eframe::egui::{Event, Key, Modifiers};
use tuning_fork::app::tasks::report_evaluation::ReportEvaluation;
use tuning_fork::evaluate::results::folder::TABLE;
use tuning_fork::evaluate::results::kept;
use tuning_fork::evaluate::task::Task;
use tuning_fork::files;
use tuning_fork::state::AppState;
use tuning_fork::state::codes::AnnotateView;
use tuning_fork::state::command::{CodesCommand, Command, ViewCommand};
use tuning_fork::state::evaluate::{Front, ReportPage};
use tuning_fork::state::notice::Notice;
use tuning_fork::state::prefs::{PanelId, Theme};
use tuning_fork::study::plan::Order;

use crate::evaluate::{begun, codebook, evaluated, filled_form, settle, with_texts};
use crate::support::Window;
use crate::whole_app::App;

#[test]
fn a_coding_task_keeps_its_own_name_in_the_form() {
    let mut state = filled_form();
    let task = state.evaluate.form.task();
    assert_eq!(task.name, "Tone", "as its codebook");
    let own = Task { name: "Tone, second prompt".to_owned(), ..task };
    state.evaluate.form.take_over(&own, &codebook(), None);
    assert_eq!(state.evaluate.form.task().name, "Tone, second prompt");
    let mut window = Window::new(state);
    assert!(window.sees("Tone, second prompt"), "{}", window.tree());
    // Without one, it follows the codebook.
    let form = &mut window.state().evaluate.form;
    form.name.clear();
    form.codebook.name = "Mood".to_owned();
    assert_eq!(form.task().name, "Mood");
}

/// Three coders beside the model.
fn three_coders() -> AppState {
    let mut state = evaluated();
    let open = state.evaluate.open.as_mut().unwrap();
    open.coders = ["coder_a", "coder_b", "coder_c"].map(str::to_owned).to_vec();
    for row in open.answers.values_mut() {
        row.human = vec![Some(0), Some(1), Some(2)];
    }
    state
}

#[test]
fn coders_without_room_are_counted_and_one_press_away() {
    let first = |window: &mut Window| {
        window.run();
        window.state().evaluate.open.as_ref().unwrap().grid.first_coder
    };
    let mut window = Window::new(three_coders());
    assert!(window.sees("Coders 1 to 2 of 3"), "{}", window.tree());
    window.click("Coders after these");
    assert_eq!(first(&mut window), 1);
    assert!(window.sees("Coders 2 to 3 of 3"), "{}", window.tree());
    window.click("Coders before these");
    assert_eq!(first(&mut window), 0);
    // In large letters, too.
    let mut state = three_coders();
    (state.prefs.theme, state.evaluate.rows_in_front) = (Theme::Projector, true);
    let window = Window::sized(state, 1000.0, 640.0);
    assert!(window.sees("of 3") && window.sees("Coders after these"), "{}", window.tree());
    // Where all of them have room, nothing is said.
    let window = Window::sized(three_coders(), 1920.0, 1000.0);
    assert!(!window.sees("of 3"), "{}", window.tree());
}

#[test]
fn what_was_told_on_one_page_is_not_told_on_the_next() {
    let mut state = evaluated();
    let evaluate = PanelId::Evaluate;
    state.notices.push(Notice::info(evaluate, "The table is saved"));
    state.notices.push(Notice::problem(evaluate, "The model is gone"));
    let mut window = Window::new(state);
    assert!(window.sees("The table is saved"));
    // A row that is looked at is the same page.
    window.state().evaluate.open.as_mut().unwrap().grid.selected = Some(1);
    window.run();
    assert!(window.sees("The table is saved"));
    // What comes with the next page is told there.
    let folder = "evaluations/tone".into();
    window.state().evaluate.report = Some(ReportPage { folder, ..ReportPage::default() });
    window.state().notices.push(Notice::info(evaluate, "The labels of two people were taken"));
    window.run();
    assert!(!window.sees("The table is saved"), "{}", window.tree());
    assert!(window.sees("The labels of two people were taken"));
    assert!(window.sees("The model is gone"), "a problem stays until it is dismissed");
    window.state().evaluate.report = None;
    window.state().evaluate.show_list();
    window.run();
    assert_eq!(window.state().evaluate.front, Front::List);
    assert!(!window.sees("The labels of two people were taken"));
    // What was told while another panel was in front is news once this one is.
    window.state().prefs.panel = PanelId::Train;
    window.run();
    window.state().notices.push(Notice::info(evaluate, "All rows are answered"));
    window.state().evaluate.front = Front::Form;
    window.state().prefs.panel = evaluate;
    window.run();
    assert!(window.sees("All rows are answered"), "{}", window.tree());
}

#[test]
fn texts_that_came_from_an_evaluation_lead_back_to_it_once_they_are_coded() {
    let (app, path, folder) = with_texts(crate::evaluate::TEXTS);
    drop(app);
    let project = folder.path().join("project");
    let evaluation = begun(&project, &path);
    let results = evaluation.join(TABLE);
    let rows = "text,model_answer,model_p_praise,model_p_blame,model_p_neither\n\
                The committee praised it.,praise,0.7,0.2,0.1\nNobody could find it.,blame,0.4,0.5,0.1\n";
    files::write_atomic(&results, rows.as_bytes()).unwrap();
    assert_eq!(kept::of_results(&results), evaluation.file_name().unwrap().to_string_lossy());
    assert_eq!(kept::of_results(&path), "", "a table of the person's own");

    let mut app = App::with_model_in(&project);
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Annotate)));
    let codes = &mut app.harness.state_mut().state.codes;
    (codes.view, codes.coder) = (AnnotateView::Codes, "Ada".to_owned());
    codes.setup.codebook = tuning_fork::study::variable::Variables::of_codebook(&codebook());
    (codes.setup.order, codes.setup.again) = (Order::AsGiven, 0);
    app.ask(Command::Codes(CodesCommand::UseTable(results)));
    settle(&mut app);
    app.click("Begin to code");
    settle(&mut app);
    for label in ["1", "2"] {
        app.harness.event(Event::Text(label.to_owned()));
        app.run();
        app.harness.key_press_modifiers(Modifiers::NONE, Key::Enter);
        app.run();
    }
    app.sees("Every text is coded");
    app.sees("The texts are from the evaluation");
    app.click("Labels into the evaluation");
    settle(&mut app);
    assert_eq!(app.harness.state().state.prefs.panel, PanelId::Evaluate);
    let held = app.script.borrow_mut().take::<ReportEvaluation>().expect("its report is written");
    let (folder, study) = held.request;
    assert_eq!(folder, evaluation);
    assert_eq!(study.as_deref().and_then(Path::parent), Some(project.join("studies").as_path()));
}
