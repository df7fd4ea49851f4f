//! The Playground of an encoder-decoder. What it shows is computed by a tiny T5, and held against what
//! transformers computes (`tests/reference/make_seq2seq_views.py`).

use std::path::{Path, PathBuf};

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use serde_json::Value;
use tuning_fork::app::services::Services;
use tuning_fork::app::tasks::fill_spans::FillSpans;
use tuning_fork::app::tasks::load_adapter::LoadAdapter;
use tuning_fork::app::tasks::load_model::LoadModel;
use tuning_fork::app::tasks::search_beams::SearchBeams;
use tuning_fork::app::tasks::watch_cross_attention::WatchCrossAttention;
use tuning_fork::app::tasks::write_answer::WriteAnswer;
use tuning_fork::app::work::{Held, Work};
use tuning_fork::encoder;
use tuning_fork::hub::cache::local::{LocalModel, Place};
use tuning_fork::jobs::{Cancelled, Feeder, Progress, Quiet};
use tuning_fork::llm::card::{ModelCard, ModelSource};
use tuning_fork::llm::generate::sampling::SamplingParams;
use tuning_fork::seq2seq::{Seq2Seq, WriteRequest};
use tuning_fork::state::AppState;
use tuning_fork::state::codes::AnnotateView;
use tuning_fork::state::command::{
    Command, ModelsCommand, PlaygroundCommand, TrainCommand, ViewCommand, WindowCommand,
};
use tuning_fork::state::evaluate::EvaluateState;
use tuning_fork::state::look_inside::view::View;
use tuning_fork::state::models::FoundModel;
use tuning_fork::state::playground::seq2seq::Seq2SeqView;
use tuning_fork::state::prefs::{PanelId, Theme};
use tuning_fork::state::slots::ModelSlot;

use crate::support::{Window, empty_state};
use crate::whole_app::App;

const MOST: usize = 12;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/encoders/s2s_t5")
}

fn model() -> (Seq2Seq, ModelCard) {
    Seq2Seq::load_with_card(&ModelSource::Folder(folder()), &Quiet).unwrap()
}

/// The first text, and what transformers makes of it.
fn told() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/seq2seq/views.json");
    let told: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    told["models"]["s2s_t5"][0].clone()
}

fn text() -> String {
    told()["text"].as_str().unwrap().to_owned()
}

/// Says what work says to whoever holds the other end.
struct Fed<'a, W: Work>(&'a Feeder<W::Event, W::Output, W::Error>);

impl<W: Work> Progress<W::Event> for Fed<'_, W> {
    fn emit(&self, event: W::Event) {
        self.0.emit(event);
    }

    fn check(&self) -> Result<(), Cancelled> {
        if self.0.was_cancelled() { Err(Cancelled) } else { Ok(()) }
    }
}

struct Loaded {
    app: App,
    services: Services,
}

impl Loaded {
    fn open() -> Self {
        let mut app = App::open();
        let (model, card) = model();
        let services = Services::default();
        services.set_seq2seq(model, card.clone());
        let source = ModelSource::Folder(folder());
        app.ask(Command::Models(ModelsCommand::Load(source.clone())));
        let Held { request, feeder } = app.script.borrow_mut().take::<LoadModel>().expect("a load");
        assert_eq!(request.0, source);
        feeder.finish(Ok(card));
        app.run();
        app.ask(ViewCommand::ShowPanel(PanelId::Playground).into());
        let state = &mut app.harness.state_mut().state;
        state.prefs.sampling =
            SamplingParams { greedy: true, repetition_penalty: 1.0, ..SamplingParams::default() };
        state.prefs.max_new_tokens = MOST;
        state.playground.prompt = text();
        app.run();
        Self { app, services }
    }

    /// Does here and now what the window has started.
    fn work<W: Work>(&mut self) {
        let held = self.app.script.borrow_mut().take::<W>().expect("work was started");
        let Held { request, feeder } = held;
        let result = W::run(request, &self.services, &Fed::<W>(&feeder));
        feeder.finish(result);
        self.app.run();
    }

    fn flip(&mut self, switch: &str) {
        self.app.harness.get_by_role_and_label(Role::Switch, switch).click_accesskit();
        self.app.run();
    }

    fn show(&mut self, view: Seq2SeqView) {
        self.app.click(view.name());
    }

    fn state(&self) -> &AppState {
        &self.app.harness.state().state
    }
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// A view, once it has done what it is for.
pub fn shown(view: Seq2SeqView) -> AppState {
    let mut loaded = Loaded::open();
    match view {
        Seq2SeqView::Answer | Seq2SeqView::CrossAttention => {
            loaded.app.ask(PlaygroundCommand::ReadAndWrite.into());
            loaded.work::<WriteAnswer>();
            loaded.show(view);
            if view == Seq2SeqView::CrossAttention {
                loaded.app.run();
                loaded.work::<WatchCrossAttention>();
            }
        }
        Seq2SeqView::Beams => {
            loaded.show(view);
            loaded.app.click("Search");
            loaded.work::<SearchBeams>();
        }
        Seq2SeqView::Spans => {
            loaded.show(view);
            let spans = &mut loaded.app.harness.state_mut().state.playground.seq2seq.spans;
            spans.text = text();
            spans.text_changed();
            spans.hidden.clear();
            spans.toggle(1);
            loaded.app.run();
            loaded.app.click("Fill in");
            loaded.work::<FillSpans>();
        }
    }
    std::mem::take(&mut loaded.app.harness.state_mut().state)
}

#[test]
fn a_text_is_read_on_one_side_and_the_answer_is_written_on_the_other() {
    let mut loaded = Loaded::open();
    loaded.app.sees("encoder-decoder");
    loaded.app.click("Write an answer");
    loaded.work::<WriteAnswer>();
    for words in
        ["Encoder", "Decoder", "28 tokens are read", "11 tokens · the model ended the answer"]
    {
        loaded.app.sees(words);
    }
    let told = told();
    let answer = &loaded.state().playground.seq2seq.answer;
    let written: Vec<u32> = answer.iter().map(|token| token.piece.id).collect();
    assert_eq!(written, ids(&told["answer"]));
    // The first step of the search knows the first token's log-probability.
    let first = &told["searches"]["plain"]["steps"][0];
    let same = first.as_array().unwrap().iter().find(|it| it[1] == u64::from(written[0]));
    let logprob = same.unwrap()[2].as_f64().unwrap() as f32;
    assert!((answer[0].probability - logprob.exp()).abs() < 1e-5);
    assert!(loaded.state().playground.seq2seq.doing.is_none());
}

#[test]
fn a_search_is_shown_as_a_tree_with_what_was_dropped_and_the_scores() {
    let mut loaded = Loaded::open();
    loaded.show(Seq2SeqView::Beams);
    loaded.app.click("Search");
    loaded.work::<SearchBeams>();
    let told = told();
    let search = &told["searches"]["plain"];
    let tree = &loaded.state().playground.seq2seq.beams.tree;
    assert_eq!(tree.steps(), search["steps"].as_array().unwrap().len());
    let best = search["answers"][0]["score"].as_f64().unwrap();
    assert!((f64::from(tree.answers[0].score) - best).abs() < 1e-4);
    loaded.app.sees(&format!("score −{:.3}", -best));
    loaded.app.sees("Answers, the best first");
    loaded.app.sees("Searched with 4 beams and length penalty 1.00");
    loaded.app.sees("Step 1, candidate 1: ");
    loaded.app.sees("dropped");
    // Another answer's way.
    let second = &tree.answers[1];
    let (node, score) = (second.node, second.score);
    let name = format!("Answer 2: {}, score −{:.3}", second.text, -score);
    loaded.app.click(&name);
    assert_eq!(loaded.state().playground.seq2seq.beams.chosen, Some(node));
    // What is hidden is no longer read out, and nothing is searched again.
    loaded.flip("Hide what was dropped");
    let dropped = loaded.app.harness.query_all_by(|node| {
        node.label()
            .is_some_and(|label| label.contains("Step 1, candidate") && label.contains("dropped"))
    });
    assert_eq!(dropped.count(), 0);
}

#[test]
fn each_token_of_the_answer_shows_where_the_decoder_looked() {
    let mut loaded = Loaded::open();
    loaded.app.ask(PlaygroundCommand::ReadAndWrite.into());
    loaded.work::<WriteAnswer>();
    loaded.show(Seq2SeqView::CrossAttention);
    loaded.app.run();
    loaded.work::<WatchCrossAttention>();
    loaded.app.sees("Map of the cross-attention");
    let view = loaded.state().playground.seq2seq.cross.view.clone().unwrap();
    assert_eq!((view.layer, view.answer.len(), view.source.len()), (0, 11, 28));
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reference/seq2seq/cross_attention.safetensors");
    let expected = candle_core::safetensors::load(path, &candle_core::Device::Cpu).unwrap();
    let expected = expected["s2s_t5.0.0"].flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let far = view.weights.iter().zip(&expected).map(|(one, other)| (one - other).abs());
    assert!(far.fold(0.0, f32::max) < 1e-4);
    let seq2seq = &mut loaded.app.harness.state_mut().state.playground.seq2seq;
    seq2seq.cross.selected = Some(2);
    loaded.app.run();
    loaded.app.sees("Most: 3 ");
    // Another layer is computed, once.
    loaded.app.harness.state_mut().state.playground.seq2seq.look_at_layer(1);
    loaded.app.run();
    loaded.work::<WatchCrossAttention>();
    assert_eq!(loaded.state().playground.seq2seq.cross.view.as_ref().unwrap().layer, 1);
    loaded.app.run();
    assert!(loaded.app.script.borrow_mut().take::<WatchCrossAttention>().is_none());
}

#[test]
fn hidden_words_are_filled_in_and_stand_beside_the_guesses() {
    let mut loaded = Loaded::open();
    loaded.show(Seq2SeqView::Spans);
    let spans = &mut loaded.app.harness.state_mut().state.playground.seq2seq.spans;
    spans.text = text();
    spans.text_changed();
    spans.hidden.clear();
    spans.toggle(1);
    loaded.app.run();
    loaded.app.sees("Word 2: hidden");
    loaded.app.sees("not asked yet");
    loaded.app.click("Fill in");
    loaded.work::<FillSpans>();
    loaded.app.sees("Read: small <extra_id_0> so most answer trained?");
    loaded.app.sees("Written: ");
    let is_shown = |app: &App, words: &str| {
        let says = |text: Option<String>| text.is_some_and(|text| text == words);
        let all = app.harness.query_all_by(|node| says(node.label()) || says(node.value()));
        all.count() > 0
    };
    assert!(!is_shown(&loaded.app, "course"), "nothing is given away");
    loaded.flip("Show the hidden words");
    assert!(is_shown(&loaded.app, "course"));
}

#[test]
fn esc_stops_what_is_written_and_what_came_stays() {
    let mut loaded = Loaded::open();
    loaded.app.ask(PlaygroundCommand::ReadAndWrite.into());
    let held = loaded.app.script.borrow_mut().take::<WriteAnswer>().expect("an answer");
    loaded.app.sees("The text is read…");
    loaded.app.ask(WindowCommand::StopForeground.into());
    assert!(held.feeder.was_cancelled());
    let result =
        WriteAnswer::run(held.request, &loaded.services, &Fed::<WriteAnswer>(&held.feeder));
    held.feeder.finish(result);
    loaded.app.run();
    assert!(loaded.state().playground.seq2seq.doing.is_none());
}

#[test]
fn a_text_that_cannot_be_read_is_told_and_another_model_forgets_what_was_written() {
    let mut loaded = Loaded::open();
    loaded.app.ask(PlaygroundCommand::ReadAndWrite.into());
    loaded.work::<WriteAnswer>();
    loaded.app.harness.state_mut().state.playground.prompt = "  ".to_owned();
    loaded.app.ask(PlaygroundCommand::ReadAndWrite.into());
    loaded.app.sees("Write a text first");
    loaded.app.ask(Command::Models(ModelsCommand::Unload));
    let state = loaded.state();
    assert!(state.model.encoder_decoder().is_none() && state.playground.seq2seq.answer.is_empty());
    loaded.app.sees("Ask a model");
}

fn with_pair(panel: PanelId) -> AppState {
    let mut state = empty_state();
    state.prefs.panel = panel;
    state.model = ModelSlot::EncoderDecoder(Box::new(model().1));
    state
}

#[test]
fn every_panel_that_needs_a_decoder_says_so() {
    // The map and the masks have a page that an encoder alone is enough for.
    let needs_decoder = |view: &View| !matches!(view, View::Map | View::Mask);
    for view in View::ALL.into_iter().filter(needs_decoder) {
        let mut state = with_pair(PanelId::LookInside);
        state.look_inside.view = view;
        let window = Window::new(state);
        assert!(window.sees("not available for it"), "{}", window.tree());
    }
    let window = Window::new(with_pair(PanelId::Train));
    assert!(
        window.sees("is an encoder-decoder, and this works with decoders only"),
        "{}",
        window.tree()
    );
    // None of the others falls over.
    for panel in PanelId::ALL {
        Window::new(with_pair(panel));
        Window::sized(with_pair(panel), 640.0, 480.0);
    }
    for view in [AnnotateView::Pairs, AnnotateView::Codes, AnnotateView::Arena] {
        let mut state = with_pair(PanelId::Annotate);
        state.codes.view = view;
        Window::new(state);
    }
    // Evaluate asks it.
    let slot = ModelSlot::EncoderDecoder(Box::new(model().1));
    assert_eq!(EvaluateState::default().obstacle(&slot), None);
}

#[test]
fn what_works_with_a_decoder_starts_nothing() {
    let mut loaded = Loaded::open();
    for command in [
        Command::Playground(PlaygroundCommand::Generate),
        Command::Playground(PlaygroundCommand::Repeat),
        Command::Train(TrainCommand::Start),
        Command::Models(ModelsCommand::Serve),
    ] {
        loaded.app.ask(command);
    }
    let script = loaded.app.script.borrow();
    assert!(script.started::<tuning_fork::app::tasks::answer::Answering>().is_none());
    assert!(script.started::<tuning_fork::app::tasks::train::Train>().is_none());
    assert!(script.started::<tuning_fork::app::tasks::serve_model::ServeModel>().is_none());
}

#[test]
fn an_adapter_is_laid_over_it_switched_off_and_taken_away() {
    let mut loaded = Loaded::open();
    let answer = |loaded: &mut Loaded| -> Vec<u32> {
        loaded.app.click("Write an answer");
        loaded.work::<WriteAnswer>();
        loaded.state().playground.seq2seq.answer.iter().map(|token| token.piece.id).collect()
    };
    let alone = answer(&mut loaded);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/seq2seq/t5_lora");
    let command = PlaygroundCommand::LoadAdapter(folder.clone());
    loaded.app.ask(Command::Playground(command));
    loaded.work::<LoadAdapter>();
    loaded.app.sees("Unload the adapter");
    // The words of `tuning-fork generate --adapter`.
    let (adapted, _) = model().0.laid_over(&folder).unwrap();
    let (ids, _) = adapted.encode(&text()).unwrap();
    let state = loaded.state();
    let request =
        WriteRequest { sampling: state.prefs.sampling.clone(), max_new_tokens: MOST, seed: 0 };
    let expected = adapted.write(&ids, &request, &Quiet).unwrap().ids;
    assert_ne!(expected, alone);
    assert_eq!(answer(&mut loaded), expected);
    loaded.flip("t5_lora");
    assert_eq!(answer(&mut loaded), alone, "the switch in the top bar is off");
    loaded.flip("t5_lora");
    assert_eq!(answer(&mut loaded), expected);
    loaded.app.click("Unload the adapter");
    loaded.app.sees("Load an adapter…");
    loaded.services.set_adapter(None); // what the window's own engine does
    assert!(loaded.state().playground.seq2seq.answer.is_empty());
    assert_eq!(answer(&mut loaded), alone);
    // An adapter of another model is refused in words.
    let other = folder.with_file_name("bart_lora");
    loaded.app.ask(Command::Playground(PlaygroundCommand::LoadAdapter(other)));
    loaded.work::<LoadAdapter>();
    loaded.app.sees("The adapter could not be loaded");
}

#[test]
fn it_is_loaded_from_the_list_of_models_which_says_what_it_is_for() {
    let mut state = empty_state();
    state.prefs.panel = PanelId::Models;
    let facts = encoder::inspect(&ModelSource::Folder(folder())).unwrap();
    assert_eq!((facts.context_length, facts.vocab_size, facts.layer_count), (512, 300, 4));
    let local = LocalModel {
        name: "tiny-t5".to_owned(),
        path: folder(),
        place: Place::Own,
        file_bytes: facts.file_bytes,
    };
    let found =
        FoundModel { local, facts: Ok(facts), frees: None, has_update: false, unused_days: None };
    state.models.found.push(found);
    let mut window = Window::new(state);
    assert!(window.sees("It is an encoder-decoder: it reads one text and writes another"));
    assert!(window.sees("fits"));
    window.click("Load tiny-t5");
    let source = ModelSource::Folder(folder());
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::Load(source))]);
    window.state().model = ModelSlot::EncoderDecoder(Box::new(model().1));
    window.run();
    assert!(window.sees("Loaded"));
    window.click("Unload tiny-t5");
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::Unload)]);
}

/// A state with an answer, a search, its attention and the game, all computed.
fn computed() -> AppState {
    let mut loaded = Loaded::open();
    loaded.app.ask(PlaygroundCommand::ReadAndWrite.into());
    loaded.work::<WriteAnswer>();
    loaded.show(Seq2SeqView::CrossAttention);
    loaded.work::<WatchCrossAttention>();
    loaded.show(Seq2SeqView::Spans);
    loaded.app.click("Fill in");
    loaded.work::<FillSpans>();
    loaded.show(Seq2SeqView::Beams);
    loaded.app.click("Search");
    loaded.work::<SearchBeams>();
    let state = std::mem::take(&mut loaded.app.harness.state_mut().state);
    let mut shown = with_pair(PanelId::Playground);
    shown.playground = state.playground;
    shown.prefs.max_new_tokens = MOST;
    shown
}

#[test]
fn what_is_on_the_screen() {
    let mut window = Window::new(computed());
    for (view, name) in [
        (Seq2SeqView::Answer, "answer"),
        (Seq2SeqView::Beams, "beams"),
        (Seq2SeqView::CrossAttention, "cross"),
        (Seq2SeqView::Spans, "spans"),
    ] {
        window.state().playground.seq2seq.view = view;
        window.run();
        let tree = window.tree();
        let panel = &tree[tree.find("\"Hidden spans\"").unwrap()..];
        insta::assert_snapshot!(format!("seq2seq_{name}"), panel);
    }
}

#[test]
fn no_size_and_no_theme_makes_it_fall_over() {
    let mut window = Window::new(computed());
    for (width, height) in [(1280.0, 800.0), (1000.0, 640.0), (520.0, 400.0)] {
        for theme in [Theme::Light, Theme::Projector] {
            for view in Seq2SeqView::ALL {
                let state = window.state();
                state.prefs.theme = theme;
                state.playground.seq2seq.view = view;
                window.0.set_size(eframe::egui::vec2(width, height));
                window.run();
            }
        }
    }
}

#[test]
fn ctrl_enter_does_what_the_view_is_for() {
    let mut window = Window::new(computed());
    window.state().playground.seq2seq.view = Seq2SeqView::Answer;
    window.run();
    window.asked();
    window.press(Modifiers::COMMAND, Key::Enter);
    assert_eq!(window.asked(), [Command::Playground(PlaygroundCommand::ReadAndWrite)]);
}
