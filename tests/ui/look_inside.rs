//! The Look inside panel.

use std::f64::consts::LN_2;

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use tuning_fork::app::tasks::look_passes::{
    CompareModels, MeasureSurprise, ReadLens, WatchAttention,
};
use tuning_fork::app::tasks::read_tokens::ReadTokens;
use tuning_fork::app::work::Held;
use tuning_fork::explore::attention::{AttentionView, HeadScores};
use tuning_fork::explore::compare::{Divergence, Summary, TextComparison};
use tuning_fork::explore::lens::{Followed, LensRequest, LensView};
use tuning_fork::explore::next_token::{NextComparison, Pair};
use tuning_fork::explore::predictions::Candidate;
use tuning_fork::explore::subject::Looked;
use tuning_fork::explore::surprise::SurpriseView;
use tuning_fork::explore::tokens::{TokenView, of_text};
use tuning_fork::explore::two_models::{Found, ModelSide, TwoModels};
use tuning_fork::llm;
use tuning_fork::state::AppState;
use tuning_fork::state::command::{Command, LookInsideCommand, ViewCommand};
use tuning_fork::state::look_inside::LookInsideState;
use tuning_fork::state::look_inside::heads::Heads;
use tuning_fork::state::look_inside::slot::Slot;
use tuning_fork::state::look_inside::subject::{Form, Subject};
use tuning_fork::state::look_inside::view::View;
use tuning_fork::state::prefs::{KeptLook, PanelId, Theme};

use crate::codes::Stored;
use crate::layout_states::adapter;
use crate::support::{Window, answer, empty_state, loaded_state, tokenizer};
use crate::whole_app::App;

pub const TEXT: &str = "The library opens at nine.";

/// What the tokenizer makes of a text.
pub fn pieces(text: &str) -> TokenView {
    of_text(&tokenizer(), text, true).unwrap()
}

/// A text was looked at, and its tokens are there.
pub fn looked_at(text: &str) -> AppState {
    let mut state = loaded_state();
    state.prefs.panel = PanelId::LookInside;
    state.look_inside.text = text.to_owned();
    state.look_inside.look(&state.model, &state.adapter);
    state.look_inside.tokens = Slot::Ready(pieces(text));
    state
}

/// The model was less and less sure from token to token; at every seventh two tokens were nearly as
/// likely.
pub fn surprise(tokens: &TokenView) -> SurpriseView {
    let ids: Vec<u32> = tokens.pieces.iter().map(|piece| piece.id).collect();
    let tokenizer = tokenizer();
    let bits = |at: usize| (at % 13) as f64 + 0.5;
    let candidate = |id: u32, probability: f64| Candidate {
        id,
        token: tokenizer.token_text(id),
        logprob: probability.ln(),
        probability,
    };
    // What comes after a token: the true one if it is likely, and nine others.
    let after = |at: usize| {
        let first = if (at + 1).is_multiple_of(7) { 0.26 } else { 0.5 };
        let true_id = ids.get(at + 1).copied().unwrap_or(5);
        let others = (0..9).map(|place| (100 + at as u32 + place) % 384);
        let ids = std::iter::once(true_id).chain(others);
        let shares = [first, 0.25, 0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.002, 0.0004];
        ids.zip(shares).map(|(id, share)| candidate(id, share)).collect::<Vec<_>>()
    };
    let known = |value: f64, at: usize| (at > 0).then_some(value);
    let count = ids.len();
    let logprobs: Vec<Option<f64>> = (0..count).map(|at| known(-bits(at) * LN_2, at)).collect();
    let mean = logprobs.iter().flatten().sum::<f64>() / (count - 1) as f64;
    SurpriseView {
        tokens: ids.iter().map(|id| tokenizer.token_text(*id)).collect(),
        logprobs,
        surprisal: (0..count).map(|at| known(bits(at), at)).collect(),
        entropy: (0..count).map(|at| 1.5 + (at % 5) as f64).collect(),
        top: (0..count).map(after).collect(),
        perplexity: Some((-mean).exp()),
        ids,
    }
}

/// The surprise of a text was measured.
pub fn surprised(text: &str, view: View) -> AppState {
    let mut state = looked_at(text);
    let numbers = surprise(state.look_inside.tokens.ready().unwrap());
    state.look_inside.view = view;
    state.look_inside.surprised(numbers);
    state
}

fn at(panel: PanelId) -> AppState {
    let mut state = loaded_state();
    state.prefs.panel = panel;
    state
}

fn renew() -> Command {
    Command::LookInside(LookInsideCommand::Renew)
}

#[test]
fn without_a_model_look_inside_leads_to_the_models() {
    let mut state = empty_state();
    state.prefs.panel = PanelId::LookInside;
    let mut window = Window::new(state);
    window.click("Choose a model");
    assert_eq!(window.state().prefs.panel, PanelId::Models);
}

#[test]
fn entering_puts_the_cursor_into_the_text_and_leaving_keeps_it() {
    let mut window = Window::new(at(PanelId::Models));
    window.press(Modifiers::COMMAND, Key::Num3);
    window.run();
    window.0.get_by_role_and_label(Role::MultilineTextInput, "Text to look at").type_text("Hi");
    window.run();
    window.press(Modifiers::COMMAND, Key::Num2);
    window.press(Modifiers::COMMAND, Key::Num3);
    assert_eq!(window.state().look_inside.text, "Hi");
    assert!(window.sees("What does the model read?"));
}

#[test]
fn every_letter_that_is_typed_is_split_into_tokens() {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::LookInside)));
    app.harness.get_by_role_and_label(Role::MultilineTextInput, "Text to look at").type_text("Hi");
    app.run();
    let Held { request, feeder } = app.script.borrow_mut().take::<ReadTokens>().expect("a split");
    assert_eq!(request, Subject::Text { text: "Hi".to_owned(), form: Form::Text });
    feeder.finish(Ok(pieces("Hi")));
    app.run();
    app.sees("tokens · 1 word ·");
}

#[test]
fn the_tokens_of_an_older_text_are_never_shown() {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::LookInside)));
    app.harness.state_mut().state.look_inside.text = "old old old".to_owned();
    app.run();
    let old = app.script.borrow_mut().take::<ReadTokens>().expect("a split").feeder;
    app.harness.state_mut().state.look_inside.text = "new".to_owned();
    app.run();
    assert!(old.was_cancelled(), "nobody waits for it");
    old.finish(Ok(pieces("old old old")));
    app.run();
    assert!(app.harness.state().state.look_inside.tokens.is_running());
    let new = app.script.borrow_mut().take::<ReadTokens>().expect("another split").feeder;
    new.finish(Ok(pieces("new")));
    app.run();
    let shown = app.harness.state().state.look_inside.tokens.ready();
    assert_eq!(shown, Some(&pieces("new")));
}

#[test]
fn a_text_that_cannot_be_split_says_why_and_is_not_tried_for_ever() {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::LookInside)));
    app.harness.state_mut().state.look_inside.text = "Hi".to_owned();
    app.run();
    let held = app.script.borrow_mut().take::<ReadTokens>().expect("a split");
    held.feeder.finish(Err(llm::Error::NoChatTemplate.into()));
    app.run();
    app.sees("The text could not be split into tokens");
    assert!(app.script.borrow().started::<ReadTokens>().is_none());
    app.click("Look");
    assert!(app.script.borrow().started::<ReadTokens>().is_some());
}

#[test]
fn the_last_answer_is_taken_token_for_token() {
    let mut state = at(PanelId::LookInside);
    state.playground.prompt = "Say hello".to_owned();
    answer(&mut state, &[50, 60, 70]);
    let mut window = Window::new(state);
    window.click("Use the Playground's last answer");
    let question = window.state().look_inside.question().expect("it is asked").clone();
    assert_eq!(question.subject, Subject::Ids(vec![1, 2, 3, 50, 60, 70]));
    assert!(window.sees("token for token"));
    assert!(window.asked().contains(&renew()));
    // Once it is changed it is a text like any other.
    window.state().look_inside.text.push('!');
    window.run();
    let question = window.state().look_inside.question().expect("it is asked").clone();
    assert!(matches!(question.subject, Subject::Text { .. }));
    assert!(!window.sees("token for token"));
}

#[test]
fn the_palette_leads_from_an_answer_to_what_is_inside_it() {
    let mut app = App::with_model();
    let state = &mut app.harness.state_mut().state;
    state.playground.prompt = "Say hello".to_owned();
    answer(state, &[50, 60, 70]);
    app.ask(Command::LookInside(LookInsideCommand::TakeAnswer));
    assert_eq!(app.harness.state().state.prefs.panel, PanelId::LookInside);
    let held = app.script.borrow_mut().take::<ReadTokens>().expect("a split");
    assert_eq!(held.request, Subject::Ids(vec![1, 2, 3, 50, 60, 70]));
}

#[test]
fn a_question_is_looked_at_as_the_chat_template_writes_it() {
    let mut window = Window::new(looked_at(TEXT));
    window.click("As a question");
    let question = window.state().look_inside.question().expect("it is asked").clone();
    let form = Form::Question;
    assert_eq!(question.subject, Subject::Text { text: TEXT.to_owned(), form });
}

#[test]
fn a_token_is_chosen_by_click_and_by_key_and_left_with_escape() {
    let mut window = Window::new(looked_at(TEXT));
    window.0.get_by_label_contains("Token 3:").click();
    window.run();
    assert_eq!(window.state().look_inside.selected, Some(2));
    window.press(Modifiers::NONE, Key::ArrowRight);
    assert_eq!(window.state().look_inside.selected, Some(3));
    window.press(Modifiers::NONE, Key::ArrowLeft);
    window.press(Modifiers::NONE, Key::ArrowLeft);
    assert_eq!(window.state().look_inside.selected, Some(1));
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().look_inside.selected, None);
}

#[test]
fn another_model_reads_the_text_anew() {
    let mut window = Window::new(looked_at(TEXT));
    let before = window.state().look_inside.number();
    let AppState { model, .. } = window.state();
    let tuning_fork::state::slots::ModelSlot::Ready(card) = model else { panic!("it is loaded") };
    card.source = llm::card::ModelSource::Folder("models/another".into());
    window.run();
    assert_ne!(window.state().look_inside.number(), before);
    assert!(window.asked().contains(&renew()));
}

/// A text of 4,000 tokens: what is drawn is what is in sight.
#[test]
fn of_a_long_text_only_what_is_in_sight_is_laid_out() {
    let mut window = Window::new(looked_at(&"The library opens at nine. ".repeat(400)));
    let count = window.state().look_inside.tokens.ready().expect("it is split").pieces.len();
    assert!(count > 4000, "{count} tokens");
    let drawn = window.0.get_all_by_role(Role::Button).count();
    assert!(drawn < 1200, "{drawn} of {count} tokens are drawn");
}

/// The panel with a text in its field, in front of a view.
fn looking(text: &str, view: View) -> App {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::LookInside)));
    app.harness.state_mut().state.look_inside.text = text.to_owned();
    app.run();
    let split = app.script.borrow_mut().take::<ReadTokens>().expect("a split").feeder;
    split.finish(Ok(pieces(text)));
    app.run();
    app.harness.state_mut().state.look_inside.view = view;
    app.run();
    app
}

#[test]
fn surprise_is_measured_when_its_view_is_in_front_and_not_before() {
    let mut app = looking(TEXT, View::Tokens);
    assert!(app.script.borrow().started::<MeasureSurprise>().is_none());
    app.click("Surprise");
    let Held { request: (request, ()), feeder } =
        app.script.borrow_mut().take::<MeasureSurprise>().expect("a pass");
    assert_eq!(request.ids.len(), pieces(TEXT).pieces.len());
    feeder.emit(Looked { done: 3, total: 12 });
    app.run();
    app.sees("3 of 12 tokens");
    feeder.finish(Ok(surprise(&pieces(TEXT))));
    app.run();
    app.sees("bits a token · perplexity");
    app.click("Hide and guess");
    assert!(app.script.borrow().started::<MeasureSurprise>().is_none(), "it is there already");
}

#[test]
fn escape_and_stop_end_a_pass() {
    let mut app = looking(TEXT, View::Surprise);
    let feeder = app.script.borrow_mut().take::<MeasureSurprise>().expect("a pass").feeder;
    app.harness.key_press(Key::Escape); // leaves the field
    app.run();
    assert!(!feeder.was_cancelled());
    app.harness.key_press(Key::Escape);
    app.run();
    assert!(feeder.was_cancelled());
    feeder.finish(Err(tuning_fork::jobs::Cancelled.into()));
    app.run();
    app.sees("Not computed. Press Look to try again");
    assert!(app.script.borrow().started::<MeasureSurprise>().is_none());
    app.click("Look");
    let split = app.script.borrow_mut().take::<ReadTokens>().expect("a split").feeder;
    split.finish(Ok(pieces(TEXT)));
    app.run();
    let feeder = app.script.borrow_mut().take::<MeasureSurprise>().expect("again").feeder;
    app.click("Stop");
    assert!(feeder.was_cancelled());
}

#[test]
fn the_surprise_of_an_older_text_is_never_shown() {
    let mut app = looking(TEXT, View::Surprise);
    let old = app.script.borrow_mut().take::<MeasureSurprise>().expect("a pass").feeder;
    app.harness.state_mut().state.look_inside.text = "Another text".to_owned();
    app.run();
    app.sees("The text has changed since");
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Playground)));
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::LookInside)));
    app.harness.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    app.run();
    assert!(old.was_cancelled(), "nobody waits for it");
    old.finish(Ok(surprise(&pieces(TEXT))));
    app.run();
    assert!(app.harness.state().state.look_inside.surprise.is_empty());
}

#[test]
fn of_a_text_longer_than_the_context_the_beginning_is_looked_at() {
    let long = "The library opens at nine. ".repeat(400);
    let app = looking(&long, View::Surprise);
    let held = app.script.borrow_mut().take::<MeasureSurprise>().expect("a pass");
    assert_eq!(held.request.0.ids.len(), 2048, "the context of the model");
}

#[test]
fn a_clicked_token_shows_what_else_could_have_stood_there() {
    let mut window = Window::new(surprised(TEXT, View::Surprise));
    window.0.get_by_label_contains("Token 4:").click();
    window.run();
    assert!(window.sees("a surprise of 3.50 bits"));
    assert!(window.sees("The model expected it most"));
    assert!(window.sees("50.0 %, it stands in the text"));
}

#[test]
fn a_hidden_word_is_not_told_before_it_is_revealed() {
    let mut window = Window::new(surprised(TEXT, View::Guess));
    window.state().look_inside.guess.every = 2;
    window.run();
    let reading = window.state().look_inside.surprise.ready().unwrap();
    let word = reading.words[1].clone();
    let text: String = reading.view.tokens[word.clone()].concat();
    let name = format!("Token {}: hidden", word.start + 1);
    window.0.get_by_label(&name).click();
    window.run();
    assert!(window.sees("Word 2: hidden"));
    window.click("Reveal the word");
    assert!(window.sees(&format!("Word 2: {}", text.trim())) || window.sees("Word 2: "));
    assert!(window.sees("The model gave it"));
    assert!(window.sees("the word begins with it"));
    window.click("Hide again");
    assert!(window.sees("Word 2: hidden"));
}

#[test]
fn a_clicked_word_is_hidden() {
    let mut window = Window::new(surprised(TEXT, View::Guess));
    window.click("Words I click");
    let reading = window.state().look_inside.surprise.ready().unwrap();
    let word = reading.words[0].clone();
    window.0.get_by_label_contains(&format!("Token {}:", word.start + 1)).click();
    window.run();
    assert!(window.sees("1 word hidden"));
}

#[test]
fn surprise_reads_out_as_it_looks() {
    let mut state = surprised(TEXT, View::Surprise);
    state.look_inside.selected = Some(6);
    insta::assert_snapshot!(Window::new(state).tree());
}

#[test]
fn hide_and_guess_reads_out_as_it_looks() {
    insta::assert_snapshot!(Window::new(surprised(TEXT, View::Guess)).tree());
}

/// Eight heads: the first looks at the first token, the second at the token before.
pub fn heads(tokens: &TokenView, layer: usize) -> Heads {
    let ids: Vec<u32> = tokens.pieces.iter().map(|piece| piece.id).take(512).collect();
    let time = ids.len();
    let mut weights = vec![0.0_f32; 8 * time * time];
    for head in 0..8 {
        for row in 0..time {
            let line = &mut weights[(head * time + row) * time..][..=row];
            match head {
                0 => line[0] = 1.0,
                1 => line[row.saturating_sub(1)] = 1.0,
                _ => line.fill(1.0 / (row + 1) as f32),
            }
        }
    }
    let scores = weights.chunks(time * time).map(|head| HeadScores::of(head, &ids)).collect();
    Heads::new(AttentionView { layer, heads: 8, time, weights, scores })
}

/// Five rows, from the input to what the model says, surer from layer to layer.
pub fn lens(tokens: &TokenView, request: &LensRequest) -> LensView {
    let ids: Vec<u32> = tokens.pieces.iter().map(|piece| piece.id).collect();
    let tokenizer = tokenizer();
    let positions = ids.len().saturating_sub(request.last.unwrap_or(ids.len()))..ids.len();
    let candidate = |id: u32, probability: f64| Candidate {
        id,
        token: tokenizer.token_text(id),
        logprob: probability.ln(),
        probability,
    };
    let cell = |layer: usize, at: usize| -> Vec<Candidate> {
        let best = 0.1 + 0.2 * layer as f64;
        let shares = [best, 0.05, 0.02, 0.01, 0.004];
        let first = 100 + (at * 7 + layer) as u32 % 200;
        shares.iter().zip(first..).map(|(share, id)| candidate(id, *share)).collect()
    };
    let count = positions.len();
    let followed = request.follow.map(|id| Followed {
        id,
        token: tokenizer.token_text(id),
        logprobs: (0..5).map(|layer| vec![f64::from(layer) - 5.0; count]).collect(),
        ranks: (0..5).map(|layer| vec![41 - 10 * layer; count]).collect(),
    });
    LensView {
        tokens: ids.iter().map(|id| tokenizer.token_text(*id)).collect(),
        ids,
        top: (0..5).map(|layer| positions.clone().map(|at| cell(layer, at)).collect()).collect(),
        entropy: (0..5).map(|layer| vec![8.0 - f64::from(layer); count]).collect(),
        followed,
        positions,
    }
}

/// The adapter makes every second token twice as likely, and the others half as likely.
pub fn comparison(tokens: &TokenView) -> TextComparison {
    let ids: Vec<u32> = tokens.pieces.iter().map(|piece| piece.id).collect();
    let tokenizer = tokenizer();
    let count = ids.len();
    let known = |value: f64, at: usize| (at > 0).then_some(value);
    let change = |at: usize| if at.is_multiple_of(2) { LN_2 } else { -LN_2 };
    let next = Divergence {
        kl_ab: 0.0123,
        kl_ba: 0.0125,
        total_variation: 0.04,
        same_top_1: true,
        top_10_overlap: 0.9,
    };
    TextComparison {
        tokens: ids.iter().map(|id| tokenizer.token_text(*id)).collect(),
        logprobs_a: (0..count).map(|at| known(-2.0 + change(at), at)).collect(),
        logprobs_b: (0..count).map(|at| known(-2.0, at)).collect(),
        difference: (0..count).map(|at| known(change(at), at)).collect(),
        next: vec![next; count],
        summary: Summary {
            mean_kl_ab: 0.0123,
            mean_kl_ba: 0.0125,
            mean_total_variation: 0.04,
            top_1_agreement: 0.97,
            top_10_agreement: 0.9,
            perplexity_a: Some(7.25),
            perplexity_b: Some(7.39),
            mean_difference: Some(0.01),
        },
        ids,
    }
}

/// What both expect after each token.
fn next(tokens: &TokenView) -> Vec<NextComparison> {
    let comparison = comparison(tokens);
    let tokenizer = tokenizer();
    let pair = |id: u32, a: f64, b: f64| Pair {
        id,
        token: tokenizer.token_text(id),
        logprob_a: a.ln(),
        logprob_b: b.ln(),
        difference: (a / b).ln(),
    };
    let after = |at: usize| NextComparison {
        divergence: comparison.next[at],
        entropy_a: 3.5,
        entropy_b: 3.25,
        candidates: vec![
            pair(100 + at as u32, 0.5, 0.25),
            pair(200 + at as u32, 0.25, 0.25),
            pair(300 + at as u32, 0.02, 0.3),
        ],
    };
    (0..tokens.pieces.len()).map(after).collect()
}

pub fn side(name: &str, weights: &str, bytes: u64) -> ModelSide {
    ModelSide {
        name: name.to_owned(),
        weights: weights.to_owned(),
        has_adapter: false,
        disk_bytes: bytes,
        memory_bytes: bytes,
        reads_a_second: Some(212.4),
        writes_a_second: Some(60.2),
    }
}

/// Two models with one vocabulary.
pub fn both(tokens: &TokenView) -> TwoModels {
    TwoModels {
        a: side("SmolLM2-135M-Instruct", "Q4_1", 98_000_000),
        b: side("SmolLM2-135M-Instruct", "Q8_0", 143_000_000),
        found: Found::Tokens { text: comparison(tokens), next: next(tokens) },
    }
}

/// The attention of a layer was computed.
pub fn watched(text: &str) -> AppState {
    let mut state = looked_at(text);
    let found = heads(state.look_inside.tokens.ready().unwrap(), 0);
    state.look_inside.view = View::Attention;
    state.look_inside.as_lines = true;
    state.look_inside.attention = Slot::Ready(found);
    state
}

/// The layers were asked.
pub fn through_the_lens(text: &str) -> AppState {
    let mut state = looked_at(text);
    let request = state.look_inside.lens.request();
    let found = lens(state.look_inside.tokens.ready().unwrap(), &request);
    state.look_inside.view = View::Lens;
    state.look_inside.lens.view = Slot::Ready(found);
    state
}

/// Base and adapter have read the text.
pub fn compared(text: &str) -> AppState {
    let mut state = loaded_state();
    state.adapter = adapter("2026-11-28-112233-dpo");
    state.prefs.panel = PanelId::LookInside;
    state.look_inside.text = text.to_owned();
    state.look_inside.look(&state.model, &state.adapter);
    state.look_inside.view = View::Compare;
    let tokens = pieces(text);
    state.look_inside.versus.view = Slot::Ready(both(&tokens));
    state.look_inside.tokens = Slot::Ready(tokens);
    state
}

#[test]
fn another_layer_is_watched_and_the_one_before_is_never_shown_for_it() {
    let mut app = looking(TEXT, View::Attention);
    let Held { request: (request, layer), feeder: old } =
        app.script.borrow_mut().take::<WatchAttention>().expect("a pass");
    assert_eq!((request.ids.len(), layer), (pieces(TEXT).pieces.len(), 0));
    app.harness.get_by_role_and_label(Role::Slider, "Layer").set_value_accesskit(7.0);
    app.run();
    assert!(old.was_cancelled());
    old.finish(Ok(heads(&pieces(TEXT), 0)));
    let Held { request: (_, layer), feeder } =
        app.script.borrow_mut().take::<WatchAttention>().expect("another pass");
    assert_eq!(layer, 7);
    app.run();
    assert!(app.harness.state().state.look_inside.attention.is_running());
    feeder.finish(Ok(heads(&pieces(TEXT), 7)));
    app.run();
    app.sees("Layer 7, head 0: first token 100.0 %");
}

#[test]
fn a_head_is_chosen_and_says_what_it_mostly_does() {
    let mut window = Window::new(watched(TEXT));
    assert!(window.sees("Layer 0, head 0: first token"));
    window.0.get_by_label_contains("Head 1, token before").click();
    window.run();
    assert!(window.sees("Layer 0, head 1: token before"));
    window.click("Hide the first token");
    window.click("Map");
    window.press(Modifiers::NONE, Key::ArrowRight);
    window.press(Modifiers::NONE, Key::ArrowRight);
    window.press(Modifiers::NONE, Key::ArrowRight);
    assert!(window.sees(": 100.0 %"), "the third token looks at the second alone");
}

#[test]
fn of_a_long_text_the_first_tokens_are_watched() {
    let app = looking(&"The library opens at nine. ".repeat(100), View::Attention);
    let held = app.script.borrow_mut().take::<WatchAttention>().expect("a pass");
    assert_eq!(held.request.0.ids.len(), 512);
    held.feeder.finish(Ok(heads(&pieces(&"The library opens at nine. ".repeat(100)), 0)));
    let mut app = app;
    app.run();
    app.sees("The first 512 of");
}

#[test]
fn a_token_is_followed_through_the_layers() {
    let mut app = looking(TEXT, View::Lens);
    let Held { request: (_, what), feeder } =
        app.script.borrow_mut().take::<ReadLens>().expect("a pass");
    assert_eq!(what, LensRequest { last: Some(16), top: 10, follow: None });
    feeder.emit(Looked { done: 2, total: 31 });
    app.run();
    app.sees("2 of 31 layers");
    feeder.finish(Ok(lens(&pieces(TEXT), &what)));
    app.run();
    app.sees("output: entropy 4.0 bits");
    let best = {
        let state = &app.harness.state().state;
        state.look_inside.lens.view.ready().unwrap().top[4].last().unwrap()[0].clone()
    };
    let name = format!("{}: 90.0 %", tuning_fork::widgets::token_flow::spoken(&best.token));
    app.harness.get_by_role_and_label(Role::Button, &name).click();
    app.run();
    let Held { request: (_, what), feeder } =
        app.script.borrow_mut().take::<ReadLens>().expect("another pass");
    assert_eq!(what.follow, Some(best.id));
    feeder.finish(Ok(lens(&pieces(TEXT), &what)));
    app.run();
    app.sees("has rank 1 here");
}

#[test]
fn a_cell_of_the_lens_shows_what_its_layer_would_say() {
    let mut window = Window::new(through_the_lens(TEXT));
    window.0.get_by_label_contains("layer 2 after token 12 ").click();
    window.run();
    assert!(window.sees("After token 12: "));
    assert!(window.sees("layer 2: entropy 6.0 bits"));
}

#[test]
fn without_an_adapter_there_is_nothing_to_compare() {
    let app = looking(TEXT, View::Compare);
    assert!(app.script.borrow().started::<CompareModels>().is_none());
    app.sees("No adapter is loaded");
}

#[test]
fn base_and_adapter_are_compared_token_by_token() {
    let mut window = Window::new(compared(TEXT));
    assert!(window.sees("Perplexity: base 7.39, adapter 7.25"));
    window.0.get_by_label_contains("Token 3:").click();
    window.run();
    assert!(window.sees("Base 13.5 %, adapter 27.1 %"));
}

#[test]
fn attention_reads_out_as_it_looks() {
    let mut state = watched(TEXT);
    state.look_inside.selected = Some(4);
    insta::assert_snapshot!(Window::new(state).tree());
}

#[test]
fn the_comparison_reads_out_as_it_looks() {
    insta::assert_snapshot!(Window::new(compared("The library opens")).tree());
}

#[test]
fn the_views_stand_in_one_row_whatever_the_window_is_like() {
    for (width, height, zoom, theme) in [
        (1280.0, 800.0, 1.0, Theme::Light),
        (1280.0, 720.0, 1.5, Theme::Light),
        (1000.0, 640.0, 1.0, Theme::Light),
        (1000.0, 640.0, 1.5, Theme::Projector),
    ] {
        let mut state = looked_at(TEXT);
        state.prefs.theme = theme;
        let mut window = Window::zoomed(state, width, height, zoom);
        let what = format!("{width} x {height}, {zoom}, {theme:?}");
        let of = |window: &Window, name: &str| {
            let mut nodes = window.0.query_all_by_role_and_label(Role::Button, name);
            nodes.next().map(|node| node.rect())
        };
        let more = of(&window, "More views").expect(&what);
        assert!(more.right() <= width / zoom, "{what}: {more}");
        let seen: Vec<View> =
            View::ALL.into_iter().filter(|view| of(&window, view.name()).is_some()).collect();
        assert!(seen.len() > 1 && seen.len() < View::ALL.len(), "{what}: {seen:?}");
        for view in &seen {
            let rect = of(&window, view.name()).unwrap();
            assert!((rect.center().y - more.center().y).abs() < 1.0, "{what}: {view:?} {rect}");
        }
        // The last one is in the menu, which has its name from then on.
        window.click("More views");
        window.click("The machine");
        assert_eq!(window.state().look_inside.view, View::Machine, "{what}");
        window.run();
        let named = of(&window, "More views: The machine").expect(&what);
        assert_eq!(named.min, more.min, "{what}: nothing moves");
    }
}

#[test]
fn the_text_and_the_view_are_there_again_after_a_restart() {
    let mut app = App::with_model();
    let look = &mut app.harness.state_mut().state.look_inside;
    (look.view, look.form, look.text) = (View::Surprise, Form::Question, TEXT.to_owned());
    // As eframe does it when the window is closed.
    let mut storage = Stored::default();
    eframe::App::save(app.harness.state_mut(), &mut storage);
    let prefs = app.harness.state().state.prefs.clone();
    let kept = serde_json::to_string(&prefs).unwrap();
    assert!(storage.0.values().any(|kept| kept.contains(TEXT)), "{:?}", storage.0);
    let app = App::open_with(serde_json::from_str(&kept).unwrap());
    let look = &app.harness.state().state.look_inside;
    assert_eq!((look.view, look.form, look.text.as_str()), (View::Surprise, Form::Question, TEXT));
    // What a later version may have called otherwise is no reason to begin with nothing.
    let mut again = LookInsideState::default();
    again.restore(&KeptLook { view: "Something else".to_owned(), ..look.kept() });
    assert_eq!((again.view, again.text.as_str()), (View::Tokens, TEXT));
}
