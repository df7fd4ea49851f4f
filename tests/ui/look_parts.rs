//! Look inside: what an answer hangs on, and the model as its parts.

use egui_kittest::kittest::Queryable as _;
use tuning_fork::app::tasks::look_passes::LeaveOut;
use tuning_fork::app::tasks::read_machine::ReadMachine;
use tuning_fork::app::tasks::read_tokens::ReadTokens;
use tuning_fork::app::work::Held;
use tuning_fork::explore::leave_one_out::{LeaveOneOutView, PartLeftOut, Unit, parts};
use tuning_fork::explore::machine::{Kind, Machine, Part, Shape};
use tuning_fork::explore::subject::Looked;
use tuning_fork::explore::tokens::TokenView;
use tuning_fork::state::AppState;
use tuning_fork::state::command::{Command, ViewCommand};
use tuning_fork::state::look_inside::slot::Slot;
use tuning_fork::state::look_inside::view::View;
use tuning_fork::state::prefs::PanelId;

use crate::look_inside::{TEXT, looked_at, pieces};
use crate::support::{Window, loaded_state};
use crate::whole_app::App;

/// Every second word adds something, the others take a little away.
fn left_out(tokens: &TokenView, answer: usize) -> LeaveOneOutView {
    let texts: Vec<String> = tokens.pieces.iter().map(|piece| piece.token.clone()).collect();
    let found = parts(&texts[..answer], Unit::Word).into_iter().enumerate().map(|(at, tokens)| {
        let difference = if at % 2 == 0 { 1.4 + at as f64 } else { -0.35 };
        PartLeftOut { tokens, logprob: Some(-2.0 - difference), difference: Some(difference) }
    });
    LeaveOneOutView {
        ids: tokens.pieces.iter().map(|piece| piece.id).collect(),
        answer: answer..texts.len(),
        logprob: -2.0,
        parts: found.collect(),
        tokens: texts,
    }
}

pub fn hanging(text: &str) -> AppState {
    let mut state = looked_at(text);
    state.look_inside.view = View::LeaveOneOut;
    let answer = state.look_inside.answer();
    let view = left_out(state.look_inside.tokens.ready().unwrap(), answer);
    state.look_inside.left_out.view = Slot::Ready(view);
    state
}

/// A small model with everything that a picture may have to show.
pub fn machine() -> Machine {
    let shape = |name: &str, sides: &[usize], types: &[&'static str]| Shape {
        name: name.to_owned(),
        shape: sides.to_vec(),
        count: 1,
        types: types.to_vec(),
    };
    let part = |kind, layers: Option<(usize, usize)>, tensors: Vec<Shape>, attended| {
        let count = layers.map_or(1, |(_, count)| count) as u64;
        let one: usize = tensors.iter().map(|it| it.shape.iter().product::<usize>()).sum();
        let parameters = one as u64 * count;
        let is_matrix = tensors[0].shape.len() == 2 && kind != Kind::Embedding;
        Part {
            kind,
            layers,
            window: None,
            tensors,
            parameters,
            bytes: parameters * 4,
            multiplications: if is_matrix { parameters } else { 0 },
            multiplications_a_token_before: attended,
        }
    };
    let layers = Some((0, 30));
    let norm = |name| vec![shape(name, &[576], &["F32"])];
    let attention = ["q", "k", "v", "o"].map(|name| {
        let outputs = if ["k", "v"].contains(&name) { 192 } else { 576 };
        shape(&format!("self_attn.{name}_proj.weight"), &[outputs, 576], &["Q4_1", "Q6_K"])
    });
    let mlp = ["gate_proj", "up_proj", "down_proj"];
    let mlp = mlp.map(|name| shape(&format!("mlp.{name}.weight"), &[1536, 576], &["Q4_1"]));
    let embedding = vec![shape("model.embed_tokens.weight", &[49_152, 576], &["Q8_0"])];
    let mut head = part(Kind::Head, None, embedding.clone(), 0);
    (head.parameters, head.bytes) = (0, 0);
    let parts = vec![
        part(Kind::Embedding, None, embedding, 0),
        part(Kind::Norm, layers, norm("input_layernorm.weight"), 0),
        part(Kind::Attention, layers, attention.to_vec(), 34_560),
        part(Kind::Norm, layers, norm("post_attention_layernorm.weight"), 0),
        part(Kind::Mlp, layers, mlp.to_vec(), 0),
        part(Kind::Norm, None, norm("model.norm.weight"), 0),
        head,
    ];
    Machine {
        name: "SmolLM2-135M-Instruct".to_owned(),
        architecture: "llama".to_owned(),
        parameters: parts.iter().map(|part| part.parameters).sum(),
        bytes: parts.iter().map(|part| part.bytes).sum(),
        cache_bytes_per_token: 46_080,
        context_length: 2048,
        vocab_size: 49_152,
        parts,
    }
}

pub fn taken_apart(part: Option<usize>) -> AppState {
    let mut state = loaded_state();
    state.prefs.panel = PanelId::LookInside;
    state.look_inside.view = View::Machine;
    let card = state.model.ready().expect("it is loaded");
    state.look_inside.machine.follow(card);
    state.look_inside.machine.view = Slot::Ready(machine());
    state.look_inside.machine.part = part;
    state
}

#[test]
fn the_last_word_is_the_answer_until_another_token_is_said_to_begin_it() {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::LookInside)));
    app.harness.state_mut().state.look_inside.text = TEXT.to_owned();
    app.run();
    let split = app.script.borrow_mut().take::<ReadTokens>().expect("a split").feeder;
    split.finish(Ok(pieces(TEXT)));
    app.run();
    app.click("Leave one out");
    let Held { request, feeder } = app.script.borrow_mut().take::<LeaveOut>().expect("passes");
    let (ids, (answer, unit)) = (request.0.ids, request.1);
    assert_eq!(ids.len(), pieces(TEXT).pieces.len());
    assert_eq!(unit, Unit::Word);
    let rest: String = pieces(TEXT).pieces[answer..].iter().map(|it| it.token.as_str()).collect();
    assert_eq!(rest, " nine.");
    feeder.emit(Looked { done: 1, total: 4 });
    app.run();
    app.sees("1 of 4");
    feeder.finish(Ok(left_out(&pieces(TEXT), answer)));
    app.run();
    app.sees("The answer: nine.");
    app.harness.state_mut().state.look_inside.selected = Some(2);
    app.run();
    app.click("The answer begins here");
    let held = app.script.borrow_mut().take::<LeaveOut>().expect("other passes");
    assert_eq!(held.request.1.0, 2);
    held.feeder.finish(Ok(left_out(&pieces(TEXT), 2)));
    app.run();
    app.click("Sentences");
    let held = app.script.borrow_mut().take::<LeaveOut>().expect("other parts");
    assert_eq!(held.request.1.1, Unit::Sentence);
}

#[test]
fn a_text_of_one_word_has_nothing_to_leave_out() {
    let mut window = Window::new(looked_at("Hi"));
    window.click("Leave one out");
    assert!(window.sees("Nothing stands before an answer here"));
}

#[test]
fn what_an_answer_hangs_on_reads_out_as_it_looks() {
    let mut state = hanging(TEXT);
    state.look_inside.selected = Some(3);
    insta::assert_snapshot!(Window::new(state).tree());
}

#[test]
fn a_model_is_taken_apart_when_the_view_is_in_front_and_again_when_another_is_loaded() {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::LookInside)));
    app.run();
    app.click("More views");
    app.click("The machine");
    let old = app.script.borrow_mut().take::<ReadMachine>().expect("it is read").feeder;
    let AppState { model, .. } = &mut app.harness.state_mut().state;
    let tuning_fork::state::slots::ModelSlot::Ready(card) = model else { panic!("it is loaded") };
    card.identity.sha256 = "another".to_owned();
    app.run();
    let new = app.script.borrow_mut().take::<ReadMachine>().expect("the other one").feeder;
    old.finish(Ok(Machine { name: "old".to_owned(), parts: Vec::new(), ..machine() }));
    app.run();
    new.finish(Ok(machine()));
    app.run();
    app.sees("Layers 0 to 29: 30 times");
    app.harness.get_by_label_contains("MLP of layers 0 to 29").click();
    app.run();
    app.sees("Works on each token alone");
    app.sees("mlp.gate_proj.weight 1536 × 576 Q4_1");
}

#[test]
fn the_machine_reads_out_as_it_looks() {
    insta::assert_snapshot!(Window::new(taken_apart(Some(2))).tree());
}
