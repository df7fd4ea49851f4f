//! The views of the Playground beside Talk: the sampler as a pipeline, the vote, the branches.

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use tuning_fork::app::tasks::grow_tree::GrowTree;
use tuning_fork::app::work::Held;
use tuning_fork::explore::growth::{Grown, Growth, Plant, Seed};
use tuning_fork::explore::predictions::Candidate;
use tuning_fork::explore::tree::{TreeNode, TreeView};
use tuning_fork::llm::generate::guessing::Guesses;
use tuning_fork::llm::generate::repeats::RepeatsEvent;
use tuning_fork::llm::generate::sampling::{ChainOrder, SamplingParams};
use tuning_fork::llm::generate::{Answer, StopReason};
use tuning_fork::state::AppState;
use tuning_fork::state::command::{Command, PlaygroundCommand};
use tuning_fork::state::playground::view::PlaygroundView;
use tuning_fork::state::playground::vote::Verdict;
use tuning_fork::state::prefs::{PanelId, Theme};
use tuning_fork::state::scores::Position;
use tuning_fork::state::slots::AdapterSlot;

use crate::support::{Window, answer, loaded_state, scores, tokenizer};
use crate::whole_app::App;

const IDS: [u32; 6] = [50, 60, 70, 80, 90, 100];

fn asked() -> AppState {
    let mut state = loaded_state();
    state.prefs.panel = PanelId::Playground;
    state.playground.prompt = "Say hello".to_owned();
    state
}

pub fn in_sampler() -> AppState {
    let mut state = asked();
    answer(&mut state, &IDS);
    state.playground.view = PlaygroundView::Sampler;
    state
}

/// A vote with two guesses, shown or hidden.
pub fn voting(is_revealed: bool) -> AppState {
    let mut state = in_sampler();
    let vote = &mut state.playground.vote;
    vote.is_on = true;
    for text in ["Paris", "Paris", "the capital of France"] {
        vote.draft = text.to_owned();
        vote.add();
    }
    vote.wants_cursor = false;
    vote.is_revealed = is_revealed;
    if is_revealed {
        vote.ask();
        let verdict = |logprob: f64, tokens: &[&str]| Verdict {
            tokens: tokens.iter().map(|token| (*token).to_owned()).collect(),
            logprob,
        };
        vote.answered(vec![
            ("Paris".to_owned(), verdict(0.5_f64.ln(), &[" Paris"])),
            ("the capital of France".to_owned(), verdict(-9.0, &[" the", " capital", " of"])),
        ]);
    }
    state
}

fn node(node: usize, parent: Option<usize>, token: &str, probability: f64) -> TreeNode {
    TreeNode {
        node,
        parent,
        id: 40 + node as u32,
        token: token.to_owned(),
        logprob: probability.ln(),
        path_logprob: probability.ln() * 2.0,
        depth: if parent.is_some() { 2 } else { 1 },
        ends: false,
    }
}

fn grown(selected: usize) -> Grown {
    let nodes = vec![
        node(1, None, "Hello", 0.6),
        node(2, Some(1), " there", 0.5),
        node(3, Some(1), " world", 0.3),
        node(4, None, "Good", 0.2),
    ];
    let candidate = |id: u32, token: &str, probability: f64| Candidate {
        id,
        token: token.to_owned(),
        logprob: probability.ln(),
        probability,
    };
    Grown {
        view: TreeView { ids: vec![1, 2, 3], tokens: Vec::new(), nodes },
        node: selected,
        candidates: vec![candidate(90, ",", 0.7), candidate(91, "!", 0.2)],
        entropy: 1.25,
        is_at_end: false,
        text: "Hello there".to_owned(),
        bytes: 12_000_000,
        prompt: Some("user: Say hello".to_owned()),
    }
}

pub fn in_branches() -> AppState {
    let mut state = asked();
    let path = state.model.ready().unwrap().source.path().to_owned();
    state.playground.branches.follow(&path);
    let growth = state.playground.plant(&AdapterSlot::None);
    state.playground.branches.begin(&growth);
    state.playground.branches.grown(grown(2));
    state.playground.branches.ended();
    state.playground.view = PlaygroundView::Branches;
    state
}

/// A grid that is half filled.
pub fn in_repeats() -> AppState {
    let mut state = asked();
    state.playground.view = PlaygroundView::Repeats;
    state.playground.repeats.temperatures = "0.5, 1.5".to_owned();
    let request = state.playground.repeats_request(&state.prefs, &state.adapter).unwrap();
    let repeats = &mut state.playground.repeats;
    repeats.begin("Say hello".to_owned(), request);
    let tokenizer = tokenizer();
    let first = RepeatsEvent::First { ids: vec![1, 2], logits: scores(50), stop_ids: vec![2] };
    repeats.on_event(first, &tokenizer);
    for (seed, id) in [50, 50, 51, 50, 52, 53].into_iter().enumerate() {
        let answer = Answer {
            text: format!("Hello, world {seed}! This is what the model says another time."),
            ids: vec![id, 60],
            stop: if seed == 1 { StopReason::EndOfTurn } else { StopReason::Length },
            prompt_secs: 0.0,
            generation_secs: 0.1,
            guesses: Guesses::default(),
        };
        repeats.on_event(RepeatsEvent::Answer { temperature: 0, seed, answer }, &tokenizer);
    }
    state
}

/// The rows of the pipeline from the top, as they are read out.
fn rows(window: &Window) -> Vec<String> {
    let mut rows: Vec<(f32, String)> = window
        .0
        .root()
        .children_recursive()
        .filter_map(|node| {
            let label = node.accesskit_node().label()?;
            label.contains(": model ").then(|| (node.rect().top(), label))
        })
        .collect();
    rows.sort_by(|one, other| one.0.total_cmp(&other.0));
    rows.into_iter().map(|(_, label)| label).collect()
}

fn tokens(rows: &[String]) -> Vec<&str> {
    rows.iter().map(|row| row.split(": model ").next().unwrap()).collect()
}

#[test]
fn the_pipeline_shows_each_setting_that_is_on_with_what_it_leaves() {
    let mut state = in_sampler();
    state.prefs.sampling.top_k = 3;
    let window = Window::new(state);
    assert!(window.sees("Model: 384 tokens left, 100.0 % mass kept"));
    assert!(window.sees("Temperature 0.70: 384 tokens left"));
    assert!(window.sees("Top-k 3: 3 tokens left"));
    assert!(window.sees("removed by top-k"));
    assert!(!window.sees("Min-p 0.00:"), "what is off has no bars");
}

#[test]
fn a_token_keeps_its_row_while_a_slider_moves() {
    let mut window = Window::new(in_sampler());
    let before = rows(&window);
    assert!(before.len() > 10);
    window.0.get_by_role_and_label(Role::Slider, "Temperature").set_value_accesskit(2.0);
    window.run();
    let after = rows(&window);
    assert_ne!(before, after);
    assert_eq!(tokens(&before), tokens(&after));
    window.0.get_by_role_and_label(Role::Slider, "Top-k").set_value_accesskit(2.0);
    window.run();
    assert_eq!(tokens(&before), tokens(&rows(&window)), "what is removed stays, greyed");
}

#[test]
fn the_order_of_llama_cpp_is_chosen_and_shown() {
    let mut window = Window::new(in_sampler());
    let lefts = |window: &Window, names: [&str; 2]| {
        names.map(|name| window.0.get_by_label_contains(name).rect().left())
    };
    let [temperature, top_k] = lefts(&window, ["Temperature 0.70:", "Top-k 50:"]);
    assert!(temperature < top_k);
    window.click("llama.cpp");
    assert_eq!(window.state().prefs.sampling.order, ChainOrder::LlamaCpp);
    let [temperature, top_k] = lefts(&window, ["Temperature 0.70:", "Top-k 50:"]);
    assert!(top_k < temperature);
}

#[test]
fn arrows_go_along_the_answer() {
    let mut window = Window::new(in_sampler());
    assert!(window.sees("After all 6 tokens"));
    window.0.ctx.memory_mut(|memory| memory.stop_text_input());
    window.press(Modifiers::NONE, Key::ArrowLeft);
    window.press(Modifiers::NONE, Key::ArrowLeft);
    assert!(window.sees("Token 5 of 6"));
    assert!(window.sees(", taken"));
    window.click("The token after");
    assert!(window.sees("Token 6 of 6"));
}

#[test]
fn nothing_is_told_before_the_room_has_voted() {
    let mut window = Window::new(voting(false));
    assert!(window.sees("What comes next?"));
    assert_eq!(rows(&window), Vec::<String>::new());
    let reveals = |window: &Window| window.0.query_all_by_label("Reveal").count();
    assert_eq!(reveals(&window), 1, "one button does it");
    window.click("Reveal");
    assert!(rows(&window).len() > 10 && reveals(&window) == 0);
    window.state().playground.vote.is_revealed = false;
    window.run();
    window.state().playground.view = PlaygroundView::Talk;
    window.run();
    assert!(window.sees("Hidden until the room has voted"));
    assert!(!window.sees("from the model"));
    window.state().playground.view = PlaygroundView::Sampler;
    window.run();
    window.0.ctx.memory_mut(|memory| memory.stop_text_input());
    window.press(Modifiers::NONE, Key::R);
    assert!(rows(&window).len() > 10);
    let asked = window.asked();
    assert!(asked.contains(&Command::Playground(PlaygroundCommand::ScoreGuesses)));
}

#[test]
fn a_guess_is_typed_in_and_counted() {
    let mut window = Window::new(voting(false));
    window.click("One more for Paris");
    assert_eq!(window.state().playground.vote.guesses[0].votes, 3);
    window.click("Remove the capital of France");
    assert_eq!(window.state().playground.vote.guesses.len(), 1);
    let field = |window: &Window| window.0.get_by_label("A guess of the room").focus();
    field(&window);
    window.run();
    window.0.get_by_label("A guess of the room").type_text("Lyon");
    window.run();
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.state().playground.vote.guesses[1].text, "Lyon");
}

#[test]
fn each_guess_is_worth_its_bits() {
    let window = Window::new(voting(true));
    assert!(window.sees("model 50.0 % · 1.0 bits"));
    assert!(window.sees("room 66.7 % · 2 votes"));
    assert!(window.sees("3 tokens:"));
    // (2 · 1 + 1 · 9 / ln 2) / 3
    assert!(window.sees("3 votes, 5.0 bits a vote"));
}

#[test]
fn a_click_on_another_token_forks_the_answer() {
    let mut state = in_sampler();
    state.playground.selected = Some(Position { lane: 0, token: 2 });
    let mut window = Window::new(state);
    // The second likeliest at the third place: see `scores`.
    let second = rows(&window)[1].clone();
    window.click(&second);
    let asked = window.asked();
    let Some(Command::Playground(PlaygroundCommand::Grow(Growth::Plant(plant)))) = asked.first()
    else {
        panic!("{asked:?}")
    };
    let Plant { seed, answer, fork, .. } = plant;
    assert_eq!(*seed, Seed::Read { ids: vec![1, 2, 3], text: "user: hello".to_owned() });
    assert_eq!((answer.as_slice(), *fork), (&IDS[..], Some((2, 71))));
    assert_eq!(window.state().playground.view, PlaygroundView::Branches);
}

#[test]
fn the_tree_reads_out_its_tokens_and_goes_on_where_it_is_clicked() {
    let mut window = Window::new(in_branches());
    assert!(window.sees("3 branches · 4 tokens · 12 MB in memory"));
    assert!(window.sees("Entropy 1.25 bits"));
    window.click(",: 70.0 %");
    let branch = Growth::Branch { node: 2, id: 90 };
    assert_eq!(window.asked(), [Command::Playground(PlaygroundCommand::Grow(branch))]);
    window.0.get_by_label_contains("Branch 4 token 1: Good").click();
    window.run();
    let look = Growth::Look { node: 4 };
    assert_eq!(window.asked(), [Command::Playground(PlaygroundCommand::Grow(look))]);
    window.click("On every leaf");
    let further = Growth::Continue { node: 2, count: 10 };
    assert_eq!(window.asked(), [Command::Playground(PlaygroundCommand::Grow(further))]);
    window.click("Delete from here");
    let delete = Growth::Delete { node: 2 };
    assert_eq!(window.asked(), [Command::Playground(PlaygroundCommand::Grow(delete))]);
}

#[test]
fn what_can_be_done_with_branches_is_in_sight_in_a_low_window() {
    let mut state = in_branches();
    let tree = state.playground.branches.tree.as_mut().expect("it has grown");
    let first = tree.candidates[0].clone();
    tree.candidates.resize(30, first);
    let window = Window::sized(state, 1280.0, 720.0);
    for name in ["On every leaf", "Use as the answer", "Delete from here"] {
        let rect = window.0.get_by_label(name).rect();
        assert!(rect.bottom() < 400.0, "{name} is at {rect:?}");
    }
}

#[test]
fn a_branch_becomes_the_answer() {
    let mut window = Window::new(in_branches());
    window.click("Use as the answer");
    assert_eq!(window.state().playground.view, PlaygroundView::Talk);
    assert!(window.sees("Base token 2: ␣there"));
    assert!(window.sees("Say hello"));
}

#[test]
fn what_grows_is_seen_as_it_comes() {
    let mut app = App::with_model();
    app.harness.state_mut().state.prefs.panel = PanelId::Playground;
    app.harness.state_mut().state.playground.view = PlaygroundView::Branches;
    app.harness.state_mut().state.playground.prompt = "Say hello".to_owned();
    app.run();
    app.click("Start a tree");
    let held = app.script.borrow_mut().take::<GrowTree>().expect("a tree is planted");
    assert!(matches!(held.request, Growth::Plant(_)));
    let Held { feeder, .. } = held;
    feeder.finish(Ok(grown(2)));
    app.run();
    app.sees("3 branches · 4 tokens");
    app.harness.get_by_label(",: 70.0 %").click();
    app.run();
    let held = app.script.borrow_mut().take::<GrowTree>().expect("a branch grows");
    assert_eq!(held.request, Growth::Branch { node: 2, id: 90 });
}

#[test]
fn repeats_set_what_came_beside_what_is_likely() {
    let mut window = Window::new(in_repeats());
    assert!(window.sees("6 of 10 answers, 6 different"));
    assert!(window.sees("0 of 10 answers"));
    assert!(window.sees(", 3 of 6 came, 95 % interval 18.8 % to 81.2 %"));
    assert!(window.sees("Seed 4: Hello, world 4!"));
    let drawn = "a repetition penalty of 1.10, top-k 50, top-p 0.95 and the temperature, in transformers' order";
    assert!(window.sees(&format!("Each token is drawn with {drawn}")));
    assert!(!window.sees("The answers below were drawn with"));
    let sampling = &mut window.state().prefs.sampling;
    (sampling.top_k, sampling.top_p, sampling.repetition_penalty) = (0, 1.0, 1.0);
    window.run();
    assert!(window.sees("Each token is drawn with nothing but the temperature"));
    assert!(window.sees(&format!("The answers below were drawn with {drawn}")));
    window.state().prefs.sampling = SamplingParams::default();
    window.state().playground.repeats.ended();
    window.run();
    window.click("Repeat");
    assert_eq!(window.asked(), [Command::Playground(PlaygroundCommand::Repeat)]);
}

#[test]
fn nothing_is_repeated_at_what_is_no_temperature() {
    let mut window = Window::new(in_repeats());
    window.state().playground.repeats.ended();
    window.state().playground.repeats.temperatures = "warm".to_owned();
    window.run();
    let button = window.0.get_by_role_and_label(Role::Button, "Repeat");
    assert!(button.accesskit_node().is_disabled());
    assert!(window.sees("warm is no temperature"));
}

#[test]
fn control_enter_starts_what_the_view_does() {
    let mut window = Window::new(in_repeats());
    window.state().playground.repeats.ended();
    window.run();
    window.press(Modifiers::COMMAND, Key::Enter);
    assert_eq!(window.asked(), [Command::Playground(PlaygroundCommand::Repeat)]);
    window.run();
    assert_eq!(window.asked(), [], "once");
}

#[test]
fn one_token_at_a_time_waits_for_the_key() {
    let mut state = asked();
    state.playground.speed.one_at_a_time = true;
    state.playground.running = true;
    let mut window = Window::new(state);
    window.click("Next token");
    window.press(Modifiers::NONE, Key::ArrowRight);
    let next = Command::Playground(PlaygroundCommand::NextToken);
    assert_eq!(window.asked(), [next.clone(), next]);
}

#[test]
fn the_speed_of_the_playground_reaches_the_answer() {
    let mut app = App::with_model();
    app.harness.state_mut().state.playground.speed.limit = 7;
    app.run();
    assert!(format!("{:?}", app.script.borrow().pace).contains("per_sec: 7"));
}

#[test]
fn a_small_projector_window_still_shows_the_bars() {
    for make in [in_sampler, in_branches, in_repeats] {
        let mut state = make();
        state.prefs.theme = Theme::Projector;
        let window = Window::sized(state, 1000.0, 640.0);
        assert!(window.sees("Prompt"));
    }
}
