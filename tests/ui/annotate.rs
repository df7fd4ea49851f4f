//! Labelling: every verdict by mouse and by key, and a panel that says why not.

use std::path::Path;
use std::sync::Arc;

use eframe::egui;
use eframe::egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use tuning_fork::data::import;
use tuning_fork::data::judging::Criterion;
use tuning_fork::data::pair::{Text, Verdict};
use tuning_fork::data::remarks::{Rating, Strength};
use tuning_fork::files;
use tuning_fork::jobs::Quiet;
use tuning_fork::llm::card::ModelIdentity;
use tuning_fork::llm::generate::guessing::Guesses;
use tuning_fork::llm::generate::sampling::SamplingParams;
use tuning_fork::llm::generate::{AdapterMode, Answer, GenerateEvent, StopReason, TokenStep};
use tuning_fork::panels::annotate::annotate_panel_ui;
use tuning_fork::state::annotate::{AnnotateState, Side};
use tuning_fork::state::command::{AnnotateCommand, Command, Commands, ViewCommand, WindowCommand};
use tuning_fork::state::notice::Notices;
use tuning_fork::state::prefs::PanelId;
use tuning_fork::state::room::RoomState;
use tuning_fork::state::slots::{AdapterSlot, ModelSlot, Surroundings};
use tuning_fork::widgets::theme;

use crate::support::{card, read_out};

const NOW: &str = "2026-11-21T20:31:05.123Z";

/// The panel alone, and what it asked for.
struct Panel {
    annotate: AnnotateState,
    model: ModelSlot,
    asked: Vec<Command>,
}

/// Without a model.
fn open(annotate: AnnotateState) -> Harness<'static, Panel> {
    open_with(annotate, ModelSlot::Empty)
}

fn tiny_model() -> ModelSlot {
    ModelSlot::Ready(Box::new(card()))
}

fn open_with(annotate: AnnotateState, model: ModelSlot) -> Harness<'static, Panel> {
    let mut harness = Harness::builder()
        .with_size([1000.0, 720.0])
        .with_theme(egui::Theme::Light)
        .with_context_setup(theme::install)
        .build_ui_state(
            |ui, panel: &mut Panel| {
                let around = Surroundings {
                    model: &panel.model,
                    adapter: &AdapterSlot::None,
                    notices: &Notices::default(),
                    activities: &[],
                    project: Path::new("project"),
                    room: &RoomState::default(),
                };
                let mut commands = Commands::default();
                annotate_panel_ui(ui, &mut panel.annotate, &around, &mut commands);
                panel.asked.extend(commands);
            },
            Panel { annotate, model, asked: Vec::new() },
        );
    harness.run();
    harness
}

fn with_prompts(count: usize) -> AnnotateState {
    let mut annotate = AnnotateState::new(1);
    let prompts = (1..=count).map(|number| Text::Plain(format!("Question {number}?"))).collect();
    annotate.set_prompts("three questions", prompts);
    annotate
}

fn start(annotate: &mut AnnotateState) {
    let sampling = SamplingParams::default();
    let request = annotate.request(&sampling, 40, AdapterMode::Off, true);
    let request = request.expect("there is a prompt to answer");
    annotate.started(&request, &ModelIdentity::default(), &AdapterSlot::None);
}

fn done(lane: usize, text: &str) -> GenerateEvent {
    let answer = Answer {
        text: text.to_owned(),
        ids: vec![1, 2, 3],
        stop: StopReason::EndOfTurn,
        prompt_secs: 0.0,
        generation_secs: 1.0,
        guesses: Guesses::default(),
    };
    GenerateEvent::LaneDone { lane, answer, next_logits: Arc::from([0.0_f32]) }
}

fn answered(mut annotate: AnnotateState) -> AnnotateState {
    start(&mut annotate);
    annotate.on_event(done(0, "The first answer."), 1.0);
    annotate.on_event(done(1, "The second answer."), 2.0);
    annotate
}

const BUTTONS: [(Verdict, &str, Key); 5] = [
    (Verdict::Left, "Left is better (1)", Key::Num1),
    (Verdict::Right, "Right is better (2)", Key::Num2),
    (Verdict::Tie, "Tie (3)", Key::Num3),
    (Verdict::BothBad, "Both bad (0)", Key::Num0),
    (Verdict::Skip, "Skip (S)", Key::S),
];

#[test]
fn a_criterion_without_a_name_keeps_nobody_on_the_page_that_asks_for_it() {
    let mut annotate = with_prompts(1);
    let named = |name: &str| Criterion { name: name.to_owned(), points: None };
    annotate.judging.criteria = vec![named("correct"), named(" ")];
    annotate.sets_up = true;
    let mut harness = open(annotate);
    harness.key_press(Key::Escape);
    harness.run();
    let annotate = &mut harness.state_mut().annotate;
    assert!(!annotate.sets_up);
    assert_eq!(annotate.judging.criteria, [named("correct")]);
    // Two of one name are told, and nothing is taken away.
    annotate.judging.criteria = vec![named("correct"), named("correct")];
    annotate.sets_up = true;
    harness.run();
    assert!(harness.get_by_label("Done").accesskit_node().is_disabled());
    harness.key_press(Key::Escape);
    harness.run();
    assert!(harness.state().annotate.sets_up);
    assert_eq!(harness.state().annotate.judging.criteria.len(), 2);
}

#[test]
fn an_empty_panel_offers_the_prompts() {
    let mut harness = open(AnnotateState::new(1));
    harness.get_by_label("Which answer is better?");
    harness.get_by_label("Use the sample prompts").click();
    harness.run();
    harness.get_by_label("Prompts from a file…").click();
    harness.run();
    assert_eq!(
        harness.state().asked,
        [
            Command::Annotate(AnnotateCommand::UseSamplePrompts),
            Command::Annotate(AnnotateCommand::ChoosePrompts)
        ]
    );
}

#[test]
fn a_button_and_its_key_give_the_same_verdict() {
    for (verdict, name, key) in BUTTONS {
        let mut harness = open(answered(with_prompts(3)));
        harness.get_by_label(name).click();
        harness.run();
        harness.key_press(key);
        harness.run();
        assert_eq!(
            harness.state().asked,
            [
                Command::Annotate(AnnotateCommand::Judge(verdict)),
                Command::Annotate(AnnotateCommand::Judge(verdict))
            ]
        );
    }
}

#[test]
fn both_answers_are_shown_and_the_model_is_not_named() {
    let annotate = answered(with_prompts(3));
    let texts = [Side::Left, Side::Right].map(|side| annotate.answer(side).text.clone());
    let harness = open(annotate);
    for seen in
        ["Question 1?", "Left answer", "Right answer", "0 of 3 · 0 pairs", &texts[0], &texts[1]]
    {
        harness.get_by_label(seen);
    }
    let left = harness.get_by_label(&texts[0]).rect();
    let right = harness.get_by_label(&texts[1]).rect();
    assert!(left.right() < right.left(), "A is left of B");
    assert!((left.top() - right.top()).abs() < 1.0, "on the same height");
    let bottom = harness.get_by_label("Skip (S)").rect().bottom();
    assert!(bottom < 720.0, "the buttons are in the window, not at {bottom}");
}

#[test]
fn while_answers_stream_there_is_a_stop_and_no_verdict() {
    let mut annotate = with_prompts(3);
    start(&mut annotate);
    let logits = Arc::from([0.0_f32]);
    let step =
        TokenStep { id: 1, text: "Half an".to_owned(), logprob: -1.0, logits, is_guessed: false };
    annotate.on_event(GenerateEvent::Token { lane: 0, step }, 1.0);
    let mut harness = open(annotate);
    harness.get_by_label("Half an");
    // Skip has the next prompt, whatever becomes of this one.
    for (_, name, key) in BUTTONS.into_iter().filter(|(_, name, _)| !name.starts_with("Skip")) {
        assert!(harness.get_by_label(name).accesskit_node().is_disabled(), "{name}");
        harness.key_press(key);
        harness.run();
    }
    assert_eq!(harness.state().asked, []);
    harness.get_by_label("Stop").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Window(WindowCommand::StopForeground)]);
}

#[test]
fn typing_a_guideline_gives_no_verdict() {
    let mut harness = open(answered(with_prompts(3)));
    harness.get_by_label("Guideline").click();
    harness.run();
    harness.key_press(Key::Num1);
    harness.key_press(Key::S);
    harness.run();
    assert_eq!(harness.state().asked, []);
}

#[test]
fn a_key_that_is_held_down_counts_once() {
    let mut harness = open(answered(with_prompts(3)));
    for repeat in [false, true, true] {
        harness.event(egui::Event::Key {
            key: Key::S,
            physical_key: None,
            pressed: true,
            repeat,
            modifiers: Modifiers::NONE,
        });
        harness.step();
    }
    assert_eq!(harness.state().asked, [Command::Annotate(AnnotateCommand::Judge(Verdict::Skip))]);
}

#[test]
fn undo_is_offered_once_there_is_something_to_undo() {
    let mut annotate = answered(with_prompts(3));
    let harness = open(annotate.clone());
    assert!(harness.get_by_label("Undo (Ctrl+Z)").accesskit_node().is_disabled());

    annotate.judge(Verdict::Left, 3.0, NOW).unwrap();
    let mut harness = open(annotate);
    harness.get_by_label("1 of 3 · 1 pair");
    harness.get_by_label("Undo (Ctrl+Z)").click();
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run();
    assert_eq!(
        harness.state().asked,
        [
            Command::Annotate(AnnotateCommand::UndoVerdict),
            Command::Annotate(AnnotateCommand::UndoVerdict)
        ]
    );
}

#[test]
fn without_a_model_the_way_to_one_is_shown() {
    let mut harness = open(with_prompts(3));
    let generate = harness.get_by_label("Generate two answers");
    assert!(generate.accesskit_node().is_disabled());
    harness.get_by_label("Go to Models").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::View(ViewCommand::ShowPanel(PanelId::Models))]);
}

#[test]
fn pairs_are_exported_in_both_forms() {
    let mut annotate = answered(with_prompts(3));
    assert!(open(annotate.clone()).get_by_label("Export…").accesskit_node().is_disabled());
    annotate.judge(Verdict::Right, 3.0, NOW).unwrap();
    for (name, conversational) in
        [("Conversational (messages)…", true), ("Plain text (standard)…", false)]
    {
        let mut harness = open(annotate.clone());
        harness.get_by_label("Export…").click();
        harness.run();
        harness.get_by_label(name).click();
        harness.run();
        assert_eq!(
            harness.state().asked,
            [Command::Annotate(AnnotateCommand::ExportPairs { conversational })]
        );
    }
}

#[test]
fn equal_answers_can_only_tie() {
    let mut annotate = with_prompts(3);
    start(&mut annotate);
    annotate.on_event(done(0, "Same."), 1.0);
    annotate.on_event(done(1, "Same."), 2.0);
    let harness = open(annotate);
    assert!(harness.get_by_label("Left is better (1)").accesskit_node().is_disabled());
    assert!(harness.get_by_label("Right is better (2)").accesskit_node().is_disabled());
    assert!(!harness.get_by_label("Tie (3)").accesskit_node().is_disabled());
}

#[test]
fn at_the_end_the_way_to_training_is_shown() {
    let mut annotate = answered(with_prompts(1));
    annotate.judge(Verdict::Left, 3.0, NOW).unwrap();
    let mut harness = open(annotate);
    harness.get_by_label("Every prompt is judged");
    harness.get_by_label("Go to Train").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::View(ViewCommand::ShowPanel(PanelId::Train))]);
}

#[test]
fn verdicts_that_are_only_in_memory_can_be_saved_elsewhere() {
    let mut annotate = with_prompts(1);
    annotate.unsaved_count = 2;
    let mut harness = open(annotate);
    harness.get_by_label("Save elsewhere…").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Annotate(AnnotateCommand::SaveElsewhere)]);
}

#[test]
fn a_verdict_has_the_next_prompt_answered_while_there_is_one() {
    let mut harness = open_with(answered(with_prompts(2)), tiny_model());
    harness.key_press(Key::Num2);
    harness.run();
    let expected = [
        Command::Annotate(AnnotateCommand::Judge(Verdict::Right)),
        Command::Annotate(AnnotateCommand::AnswerPrompt),
    ];
    assert_eq!(harness.state().asked, expected);
    assert!(
        harness.query_by_label_contains("SmolLM2-135M-Instruct.Q4_1").is_none(),
        "labelling is blind"
    );

    let mut harness = open_with(answered(with_prompts(1)), tiny_model());
    harness.key_press(Key::Num2);
    harness.run();
    assert_eq!(harness.state().asked, [Command::Annotate(AnnotateCommand::Judge(Verdict::Right))]);
}

#[test]
fn answers_are_asked_for_by_button_and_by_key_and_can_be_replaced() {
    let mut harness = open_with(with_prompts(2), tiny_model());
    harness.get_by_label("Generate two answers").click();
    harness.run();
    harness.key_press(Key::G);
    harness.run();
    assert_eq!(
        harness.state().asked,
        [
            Command::Annotate(AnnotateCommand::AnswerPrompt),
            Command::Annotate(AnnotateCommand::AnswerPrompt)
        ]
    );

    let mut harness = open_with(answered(with_prompts(2)), tiny_model());
    harness.get_by_label("Two other answers").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Annotate(AnnotateCommand::AnswerPrompt)]);
    assert_eq!(harness.state().annotate.answer(Side::Left).text, "");
}

#[test]
fn the_panel_reads_out_as_it_looks() {
    let mut answering = with_prompts(3);
    start(&mut answering);
    let mut judged = answered(with_prompts(2));
    judged.judge(Verdict::Left, 3.0, NOW).unwrap();
    let mut all_judged = answered(with_prompts(1));
    all_judged.judge(Verdict::Tie, 3.0, NOW).unwrap();
    for (name, annotate) in [
        ("annotate_without_prompts", AnnotateState::new(1)),
        ("annotate_before_an_answer", with_prompts(3)),
        ("annotate_while_answers_are_written", answering),
        ("annotate_two_answers", answered(with_prompts(3))),
        ("annotate_after_a_verdict", judged),
        ("annotate_all_judged", all_judged),
    ] {
        insta::assert_snapshot!(name, read_out(&open_with(annotate, tiny_model())));
    }
}

#[test]
fn answers_that_are_there_already_are_compared_without_a_model() {
    let mut harness = open(AnnotateState::new(1));
    harness.get_by_label("Answers from a file…").click();
    harness.run();
    let asked = &harness.state().asked;
    assert_eq!(asked[..], [Command::Annotate(AnnotateCommand::ChooseAnswers)]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("answers.csv");
    let rows =
        b"prompt,answer_a,answer_b,model_a,model_b\nWhy?,Because.,So it is.,secret-1,secret-2\n";
    files::write_atomic(&path, rows).expect("it is written");
    let imported = import::candidates(&path, &Quiet).expect("they are answers");
    let mut annotate = AnnotateState::new(1);
    annotate.set_candidates("answers.csv", imported, 0.0);
    let mut harness = open_with(annotate, ModelSlot::Empty);
    harness.get_by_label("Because.");
    harness.get_by_label("So it is.");
    assert!(harness.query_by_label_contains("secret").is_none(), "nobody is told who wrote it");
    assert!(harness.query_by_label("Two other answers").is_none());
    harness.get_by_label("Left is better (1)").click();
    harness.run();
    let asked = &harness.state().asked;
    assert_eq!(asked[..], [Command::Annotate(AnnotateCommand::Judge(Verdict::Left))]);
}

fn press(harness: &mut Harness<'_, Panel>, key: Key) {
    harness.key_press(key);
    harness.run();
}

#[test]
fn by_how_much_and_by_which_criteria_is_said_with_keys_alone() {
    let mut annotate = answered(with_prompts(3));
    annotate.judging.asks_strength = true;
    annotate.judging.criteria = vec![
        Criterion { name: "correct".to_owned(), points: None },
        Criterion { name: "polite".to_owned(), points: Some(5) },
    ];
    let mut harness = open(annotate);
    harness.get_by_label("correct: –");
    for key in [Key::C, Key::Num2, Key::V, Key::Num4, Key::Num1, Key::F] {
        press(&mut harness, key);
    }
    harness.get_by_label("correct: right");
    harness.get_by_label("polite: 4 : 1");
    harness.get_by_label("Flagged");
    assert_eq!(harness.state().asked, [], "a digit for a criterion is no verdict");
    press(&mut harness, Key::Num1);
    harness.get_by_label("How much better is the left answer?");
    assert_eq!(harness.state().asked, []);
    press(&mut harness, Key::Num3);
    let expected = [Command::Annotate(AnnotateCommand::Judge(Verdict::Left))];
    assert_eq!(harness.state().asked, expected);
    let record = harness.state_mut().annotate.judge(Verdict::Left, 9.0, NOW).unwrap();
    assert_eq!(record.remarks.strength, Some(Strength::Much));
    assert_eq!(record.remarks.criteria["polite"], Rating::Points { left: 4, right: 1 });
    assert!(record.remarks.flagged);
}

#[test]
fn a_reason_and_an_own_answer_are_typed_and_give_no_verdict() {
    let mut harness = open(answered(with_prompts(3)));
    press(&mut harness, Key::R);
    harness.run();
    harness.event(egui::Event::Text("1 s f".to_owned()));
    harness.run();
    assert_eq!(harness.state().annotate.draft.reason, "1 s f");
    press(&mut harness, Key::Enter);
    assert_eq!(harness.state().annotate.draft.open, None);
    press(&mut harness, Key::A);
    harness.run();
    let left = harness.state().annotate.answer(Side::Left).text.clone();
    let written = harness.state().annotate.draft.written.clone();
    assert_eq!(written.map(|written| written.text), Some(left));
    assert_eq!(harness.state().asked, []);
}

#[test]
fn several_answers_are_put_into_an_order_with_keys() {
    let rows = "{\"prompt\":\"q\",\"responses\":[\"one\",\"two\",\"three\"]}\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers.jsonl");
    files::write_atomic(&path, rows.as_bytes()).unwrap();
    let mut annotate = AnnotateState::new(1);
    annotate.set_candidates("answers.jsonl", import::candidates(&path, &Quiet).unwrap(), 0.0);
    let mut harness = open(annotate);
    press(&mut harness, Key::Num2);
    press(&mut harness, Key::Num3);
    harness.get_by_label("Place 1");
    press(&mut harness, Key::T);
    press(&mut harness, Key::Enter);
    assert_eq!(harness.state().asked, [Command::Annotate(AnnotateCommand::KeepRanking)]);
    let records = harness.state_mut().annotate.keep_ranking(5.0, NOW);
    let ties = records.iter().filter(|record| record.verdict == Verdict::Tie).count();
    assert_eq!((records.len(), ties), (3, 1));
}

#[test]
fn several_answers_are_dragged_into_an_order_and_all_pairs_follow() {
    let rows = "{\"prompt\":\"q\",\"responses\":[\"one\",\"two\",\"three\",\"four\"]}\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers.jsonl");
    files::write_atomic(&path, rows.as_bytes()).unwrap();
    let mut annotate = AnnotateState::new(1);
    annotate.set_candidates("answers.jsonl", import::candidates(&path, &Quiet).unwrap(), 0.0);
    let shown: Vec<String> =
        annotate.ranking().unwrap().0.iter().map(|text| (*text).to_owned()).collect();
    let mut harness = open(annotate);
    let drag = |harness: &mut Harness<'_, Panel>, from: &str, to: &str, below: f32| {
        let center = |name: &str| harness.get_by_label(name).rect().center();
        let (from, to) = (center(from), center(to) + egui::vec2(0.0, below));
        harness.drag_at(from);
        harness.run();
        harness.hover_at(from + egui::vec2(0.0, 8.0)); // it begins once the pointer has moved
        harness.run();
        harness.hover_at(to);
        harness.run();
        harness.drop_at(to);
        harness.run();
    };
    drag(&mut harness, "Drag answer 3", "Drag answers here", 0.0);
    harness.get_by_label("Answer 3 in the order, place 1");
    // Above the first, below the last, onto another one.
    drag(&mut harness, "Answer 1 in the order, no place", "Answer 3 in the order, place 1", -10.0);
    drag(&mut harness, "Drag answer 2", "No place yet", 0.0);
    drag(&mut harness, "Drag answer 4", "Answer 3 in the order, place 2", 0.0);
    let ranks: Vec<_> = {
        let (_, ranking) = harness.state().annotate.ranking().unwrap();
        (0..4).map(|place| ranking.rank(place)).collect()
    };
    assert_eq!(ranks, [Some(1), Some(3), Some(2), Some(2)]);
    harness.get_by_label("Keep the order").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Annotate(AnnotateCommand::KeepRanking)]);
    let records = harness.state_mut().annotate.keep_ranking(5.0, NOW);
    assert_eq!(records.len(), 6);
    let rank_of = |text: &str| ranks[shown.iter().position(|known| known == text).unwrap()];
    for record in records {
        let expected = match rank_of(&record.left.text).cmp(&rank_of(&record.right.text)) {
            std::cmp::Ordering::Less => Verdict::Left,
            std::cmp::Ordering::Greater => Verdict::Right,
            std::cmp::Ordering::Equal => Verdict::Tie,
        };
        assert_eq!(record.verdict, expected);
    }
}

#[test]
fn any_prompt_can_be_gone_to_from_the_list() {
    let mut annotate = answered(with_prompts(3));
    annotate.judge(Verdict::Tie, 3.0, NOW).unwrap();
    let mut harness = open(annotate);
    press(&mut harness, Key::Backspace);
    assert_eq!(harness.state().asked, [Command::Annotate(AnnotateCommand::GoTo(0))]);
    press(&mut harness, Key::L);
    harness.run();
    harness.get_by_label("1 · tie · Question 1?");
    harness.get_by_label("3 · not judged · Question 3?").click();
    harness.run();
    let last = harness.state().asked.last().cloned();
    assert_eq!(last, Some(Command::Annotate(AnnotateCommand::GoTo(2))));
    assert!(!harness.state().annotate.lists);
}
