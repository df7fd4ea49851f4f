//! Look inside: two models on one text, several tokenizers, lists of pairs, and the time of a pass.

use std::path::PathBuf;

use egui_kittest::kittest::Queryable as _;
use tuning_fork::app::tasks::look_passes::{CompareModels, ReadTokenizers};
use tuning_fork::app::tasks::read_tokens::ReadTokens;
use tuning_fork::app::tasks::run_pair_set::RunPairSet;
use tuning_fork::app::tasks::time_pass::TimePass;
use tuning_fork::app::work::Held;
use tuning_fork::explore::compare::Divergence;
use tuning_fork::explore::compare_words::{WordComparison, WordDifference, WordSummary};
use tuning_fork::explore::machine::Kind;
use tuning_fork::explore::next_token::Pair;
use tuning_fork::explore::pair_set::{AnswerEstimate, Estimate, PairRow, PairSet, PairSetView};
use tuning_fork::explore::pass_times::{PartTime, PassTimes, Timed};
use tuning_fork::explore::subject::Looked;
use tuning_fork::explore::token_sides::{TokenizerSide, by_language};
use tuning_fork::explore::two_models::{Found, TwoModels};
use tuning_fork::files;
use tuning_fork::lecture::machine::MachineView;
use tuning_fork::lecture::played::{Played, TokenizersView};
use tuning_fork::llm::Weights;
use tuning_fork::state::AppState;
use tuning_fork::state::command::{Command, LookInsideCommand, PairSetCommand, ViewCommand};
use tuning_fork::state::look_inside::beside::Part;
use tuning_fork::state::look_inside::on_disk::OnDisk;
use tuning_fork::state::look_inside::slot::Slot;
use tuning_fork::state::look_inside::versus::Other;
use tuning_fork::state::look_inside::view::View;
use tuning_fork::state::prefs::PanelId;

use crate::look_inside::{TEXT, both, compared, looked_at, pieces, side};
use crate::look_parts::taken_apart;
use crate::support::{Window, tokenizer};
use crate::whole_app::App;

fn other_model() -> OnDisk {
    OnDisk {
        name: "gemma-3-270m".to_owned(),
        path: PathBuf::from("/models/gemma-3-270m.gguf"),
        memory_bytes: 240_000_000,
        writes: true,
    }
}

/// Two models without a token in common have read a text.
pub fn by_words(text: &str) -> AppState {
    let mut state = looked_at(text);
    state.look_inside.view = View::Compare;
    state.look_inside.on_disk = vec![other_model()];
    let OnDisk { name, path, .. } = other_model();
    state.look_inside.versus.choose(Other::Model { name, path });
    state.look_inside.versus.ask();
    let mut begin = 0;
    let words = text.split(' ').enumerate().map(|(at, word)| {
        let characters = begin..begin + word.chars().count();
        begin = characters.end + 1;
        let known = |logprob: f64| (at > 0).then_some(logprob);
        WordDifference {
            word: word.to_owned(),
            characters,
            tokens_a: 1,
            tokens_b: 2,
            logprob_a: known(-2.0),
            logprob_b: known(-2.0 - at as f64),
            difference: known(at as f64),
        }
    });
    let words: Vec<WordDifference> = words.collect();
    let summary = WordSummary {
        words: words.len() - 1,
        perplexity_a: Some(7.39),
        perplexity_b: Some(81.5),
        bits_a_character_a: Some(0.9),
        bits_a_character_b: Some(1.8),
        mean_difference: Some(2.4),
    };
    let found = TwoModels {
        a: side("SmolLM2-135M-Instruct", "Q4_1", 98_000_000),
        b: side("gemma-3-270m", "Q4_K", 240_000_000),
        found: Found::Words(WordComparison { words, summary }),
    };
    state.look_inside.versus.view = Slot::Ready(found);
    state
}

/// A text by two tokenizers, and one that could not be read.
pub fn tokenizers(text: &str, part: Part) -> AppState {
    let mut state = looked_at(text);
    let tokenizer = tokenizer();
    let side = |name: &str| TokenizerSide {
        name: name.to_owned(),
        vocab_size: tokenizer.vocab_size(),
        view: pieces(text),
        languages: by_language(&tokenizer).unwrap(),
    };
    let why = "there is no tokenizer.json".to_owned();
    let look = &mut state.look_inside;
    look.on_disk = vec![other_model()];
    look.beside.add("gemma-3-270m", &other_model().path);
    look.beside.add("nobody", &PathBuf::from("/nobody"));
    look.beside.part = part;
    let found = vec![Ok(side("tiny")), Ok(side("gemma-3-270m")), Err(("nobody".to_owned(), why))];
    look.beside.view = Slot::Ready(found);
    state
}

/// Half of a token's time is the MLP's.
fn times() -> PassTimes {
    let timed = |tokens: usize, secs: f64| {
        let kinds = [Kind::Embedding, Kind::Attention, Kind::Mlp, Kind::Head, Kind::Other];
        let shares = [0.05, 0.3, 0.5, 0.1, 0.05];
        let parts = kinds.into_iter().zip(shares);
        let parts = parts.map(|(kind, share)| PartTime { kind, secs: secs * share, share });
        Timed { tokens, secs, parts: parts.collect(), layers: vec![[secs / 100.0; 2]; 30] }
    };
    PassTimes { reading: Some(timed(128, 0.64)), writing: timed(8, 0.16) }
}

pub fn timed() -> AppState {
    let mut state = taken_apart(None);
    state.look_inside.machine.times = Slot::Ready(times());
    state
}

fn found(model: &str, set: PairSet, shift: f64) -> PairSetView {
    let divergence = Divergence {
        kl_ab: 0.2,
        kl_ba: 0.25,
        total_variation: 0.12,
        same_top_1: false,
        top_10_overlap: 0.7,
    };
    let estimate = |mean: f64| Estimate { mean, interval: Some([mean - 0.2, mean + 0.3]) };
    let answers = set.answers.iter().enumerate().map(|(at, answer)| AnswerEstimate {
        answer: answer.clone(),
        probability_a: 0.02,
        probability_b: 0.01,
        difference: estimate(shift - at as f64 * 0.5),
    });
    let candidate = |id: u32, token: &str| Pair {
        id,
        token: token.to_owned(),
        logprob_a: -1.0,
        logprob_b: -2.0,
        difference: 1.0,
    };
    let rows = set.pairs.iter().enumerate().flat_map(|(pair, _)| {
        set.templates.iter().enumerate().map(move |(template, _)| (pair, template))
    });
    let rows = rows.map(|(pair, template)| PairRow {
        template,
        pair,
        divergence,
        candidates: vec![candidate(1, " farmer"), candidate(2, " maid")],
        answers: vec![[-3.0, -4.0]; set.answers.len()],
    });
    PairSetView {
        model: model.to_owned(),
        sha256: model.to_owned(),
        adapter: None,
        rows: rows.collect(),
        total_variation: estimate(0.12),
        kl_ab: estimate(0.2),
        answers: answers.collect(),
        set,
    }
}

/// Two models have answered.
pub fn pair_list() -> AppState {
    let mut state = looked_at(TEXT);
    state.look_inside.view = View::PairSet;
    let list = &mut state.look_inside.pair_set;
    list.use_example();
    let set = list.set();
    list.found(found("gemma-3-270m", set.clone(), -0.4));
    list.found(found("SmolLM2-135M-Instruct", set, 0.7));
    state
}

/// What scenes of several models show, in the order of the lecture that `lectures` has them in.
pub fn played() -> Vec<Played> {
    let text = "The library opens at nine.";
    let sides = tokenizers(text, Part::Text).look_inside.beside.sides().cloned().collect();
    let words = by_words(text).look_inside.versus.view.ready().unwrap().clone();
    let mut list = pair_list().look_inside.pair_set.results()[0].clone();
    list.set.templates.truncate(1);
    list.set.pairs.truncate(1);
    let machine = MachineView {
        name: "SmolLM2-135M-Instruct".to_owned(),
        architecture: "llama".to_owned(),
        parameter_count: 134_515_008,
        memory_bytes: 98_000_000,
        precision: "Q4_1".to_owned(),
        layer_count: 30,
        heads: 9,
        width: 576,
        vocab_size: 49_152,
        context_length: 8192,
        cache_bytes_per_token: 46_080,
        times: Some(times()),
    };
    vec![
        Played::Tokenizers(TokenizersView { sides }),
        Played::TwoModels(Box::new(both(&pieces(text)))),
        Played::TwoModels(Box::new(words)),
        Played::PairSet(list),
        Played::Machine(machine),
    ]
}

fn in_front(view: View) -> App {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::LookInside)));
    let look = &mut app.harness.state_mut().state.look_inside;
    look.text = TEXT.to_owned();
    look.view = view;
    look.on_disk = vec![other_model()];
    app.run();
    // Views with a text look when they are asked to, the tokens at once.
    if view == View::Compare {
        app.click("Look");
    }
    let split = app.script.borrow_mut().take::<ReadTokens>();
    if let Some(split) = split {
        split.feeder.finish(Ok(pieces(TEXT)));
        app.run();
    }
    app
}

#[test]
fn the_same_file_with_other_weights_is_compared_once_the_button_is_pressed() {
    let mut app = in_front(View::Compare);
    assert!(app.script.borrow().started::<CompareModels>().is_none());
    app.click("Load as…");
    app.sees("of memory beside the");
    app.click("Q4_0");
    assert!(app.script.borrow().started::<CompareModels>().is_none(), "nothing is loaded unasked");
    app.click("Compare");
    let Held { request: (request, asked), feeder } =
        app.script.borrow_mut().take::<CompareModels>().expect("a pass");
    assert_eq!(request.ids.len(), pieces(TEXT).pieces.len());
    assert_eq!(asked.other, Other::LoadedAs(Weights::Q4_0));
    feeder.emit(Looked { done: 3, total: 12 });
    app.run();
    app.sees("3 of 12 tokens");
    feeder.finish(Ok(both(&pieces(TEXT))));
    app.run();
    app.sees("Perplexity: Q4_0 7.39, as loaded 7.25");
    app.sees("143 MB on the disk, 143 MB in memory · reads 212, writes 60 tokens a second here");
    app.sees("What comes next after the whole text");
    app.sees("50.0 % at the left, 25.0 % at the right");
    app.click("Free its memory");
    app.sees("Perplexity: Q4_0 7.39");
    app.click("f32");
    app.sees("Press Compare");
}

#[test]
fn another_model_of_the_disk_is_compared_by_words_where_the_vocabularies_differ() {
    let mut window = Window::new(by_words("The library opens at nine."));
    assert!(window.sees("gemma-3-270m"));
    assert!(window.sees("It takes about 240 MB of memory"));
    assert!(window.sees("different vocabularies"));
    assert!(window.sees("Perplexity of a word: gemma-3-270m 81.50, this model 7.39"));
    assert!(window.sees("Bits a character: gemma-3-270m 1.800, this model 0.900"));
    window.0.get_by_label_contains("Word 3: opens").click();
    window.run();
    assert_eq!(window.state().look_inside.selected, Some(2));
}

#[test]
fn the_bars_are_of_the_token_that_is_looked_at() {
    let mut window = Window::new(compared(TEXT));
    assert!(window.sees("What comes next after the whole text"));
    window.0.get_by_label_contains("Token 3:").click();
    window.run();
    assert!(window.sees("What comes next after token 3:"));
}

#[test]
fn tokenizers_of_the_disk_stand_beside_each_other_and_read_every_letter() {
    let mut app = in_front(View::Tokens);
    let path = other_model().path;
    app.ask(Command::LookInside(LookInsideCommand::UseTokenizer(path.clone())));
    app.run();
    let Held { request: (_, (_, chosen)), feeder } =
        app.script.borrow_mut().take::<ReadTokenizers>().expect("they are read");
    assert_eq!(chosen.iter().map(|it| &it.path).collect::<Vec<_>>(), [&path]);
    let made = tokenizers(TEXT, Part::Text);
    feeder.finish(Ok(made.look_inside.beside.view.ready().unwrap().clone()));
    app.run();
    app.sees("gemma-3-270m: ");
    app.sees("It could not read the text: there is no tokenizer.json");
    app.harness.state_mut().state.look_inside.text.push_str(" Late.");
    app.run();
    let split = app.script.borrow_mut().take::<ReadTokens>().expect("another text").feeder;
    split.finish(Ok(pieces("The library opens at nine. Late.")));
    app.run();
    assert!(app.script.borrow().started::<ReadTokenizers>().is_some());
}

#[test]
fn languages_are_compared_with_english() {
    let mut window = Window::new(tokenizers(TEXT, Part::Languages));
    assert!(window.sees("1.0 × English"));
    assert!(window.sees("Chinese"));
    window.click("Take gemma-3-270m away");
    assert_eq!(window.state().look_inside.beside.chosen().len(), 1);
}

#[test]
fn a_list_of_pairs_is_run_saved_and_opened_again_with_what_models_made_of_it() {
    let mut app = in_front(View::PairSet);
    app.click("An example");
    app.click("Save in the project");
    app.sees("testsets/work.toml");
    app.click("Run on this model");
    let Held { request: (set, _), feeder } =
        app.script.borrow_mut().take::<RunPairSet>().expect("it is run");
    assert_eq!((set.templates.len(), set.pairs.len()), (3, 3));
    feeder.emit(Looked { done: 4, total: 9 });
    app.run();
    feeder.finish(Ok(found("SmolLM2-135M-Instruct", set.clone(), 0.7)));
    app.run();
    app.sees("SmolLM2-135M-Instruct: 18 prompts, total variation 12.0 %");
    app.sees("+1.0 bits (+0.7 to +1.4)");
    let project = app.harness.state().state.project.clone();
    let path = project.join("testsets/work.toml");
    assert_eq!(PairSet::read(&path).unwrap(), set);
    let kept = project.join("testsets/work.results/smollm2-135m-instruct.json");
    let kept: PairSetView = serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap();
    assert_eq!(kept.set, set);
    app.harness.state_mut().state.look_inside.pair_set.templates.clear();
    app.run();
    app.sees("The list has changed since it was run");
    app.ask(PairSetCommand::Open(path.clone()).into());
    app.run();
    app.sees("SmolLM2-135M-Instruct: 18 prompts");
    files::write_atomic(&path, b"templates = 3").unwrap();
    app.ask(PairSetCommand::Open(path).into());
    app.run();
    app.sees("The list of pairs cannot be used");
}

#[test]
fn a_list_without_a_place_for_the_word_cannot_be_run() {
    let mut window = Window::new(pair_list());
    window.state().look_inside.pair_set.templates.push_str("\nNobody");
    window.run();
    let said = window.state().look_inside.pair_set.obstacle().unwrap();
    assert_eq!(said, "the template “Nobody” has no {word}, where the words go");
}

#[test]
fn a_pass_is_measured_when_it_is_asked_for() {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::LookInside)));
    let state = &mut app.harness.state_mut().state;
    state.look_inside.view = View::Machine;
    let card = state.model.ready().expect("it is loaded");
    state.look_inside.machine.follow(card);
    let machine = taken_apart(None).look_inside.machine.view;
    state.look_inside.machine.view = machine;
    app.run();
    app.click("Measure a pass");
    let Held { request: (before, _), feeder } =
        app.script.borrow_mut().take::<TimePass>().expect("it is measured");
    assert_eq!(before, 128);
    feeder.finish(Ok(times()));
    app.run();
    app.sees("Reading 128 tokens together: 5.00 ms a token");
    app.sees("MLP, writing: 50.0 % · 10 ms");
}

#[test]
fn two_models_read_out_as_they_look() {
    insta::assert_snapshot!(Window::new(by_words("The library opens")).tree());
}

#[test]
fn a_list_of_pairs_reads_out_as_it_looks() {
    insta::assert_snapshot!(Window::new(pair_list()).tree());
}
