//! What the Playground's views are made of, on the tiny llama: repeats, guesses, branches.

use std::sync::Arc;

use tuning_fork_engine::explore::growth::{Growth, Plant, Seed, grow, plant};
use tuning_fork_engine::explore::guesses;
use tuning_fork_engine::jobs::{Quiet, Recorder};
use tuning_fork_engine::llm::generate::guess::Guesser;
use tuning_fork_engine::llm::generate::repeats::{RepeatsEvent, RepeatsRequest, repeats};
use tuning_fork_engine::llm::generate::sampling::SamplingParams;
use tuning_fork_engine::llm::generate::score::score;
use tuning_fork_engine::llm::generate::{
    AdapterMode, Answer, GenerateRequest, Lane, Prompt, generate,
};
use tuning_fork_engine::llm::{Model, Weights};
use tuning_fork_engine::prompts::filled::Values;
use tuning_fork_engine::prompts::material::{Manner, Material};
use tuning_fork_engine::prompts::record::{Ended, Record};
use tuning_fork_engine::prompts::run::{RunRequest, run};
use tuning_fork_engine::prompts::writer::ModelWriter;

use crate::support::{load, reference};

fn tiny() -> Model {
    load(&reference("models").join("llama"), Weights::AsStored)
}

#[test]
fn a_repeat_is_the_answer_that_its_seed_gives_at_its_temperature() {
    let model = tiny();
    let request = RepeatsRequest {
        prompt: Prompt::Raw("The library".to_owned()),
        sampling: SamplingParams { top_k: 0, ..SamplingParams::default() },
        temperatures: vec![0.5, 1.5],
        seeds: vec![3, 4, 5],
        max_new_tokens: 6,
        stop_strings: Vec::new(),
        adapter: AdapterMode::Off,
    };
    // What stood in the text before is guessed, and changes nothing.
    for guesser in [Guesser::Nobody, Guesser::Lookup(Some(3))] {
        let mut answers = 0;
        for (temperature, seed, answer) in repeated(&model, guesser, &request) {
            answers += 1;
            let alone = GenerateRequest {
                prompt: request.prompt.clone(),
                sampling: request.at(request.temperatures[temperature]),
                max_new_tokens: 6,
                stop_strings: Vec::new(),
                lanes: vec![Lane { seed: request.seeds[seed], adapter: AdapterMode::Off }],
            };
            let expected = generate(&model, None, &alone, &Quiet).unwrap();
            assert_eq!(
                (answer.text, answer.ids),
                (expected[0].text.clone(), expected[0].ids.clone())
            );
        }
        assert_eq!(answers, 6);
    }
    // A draft model's guesses are drawn: the first token of each answer is not guessed, and stays.
    let draft = load(&reference("models").join("llama"), Weights::Q4_0);
    let first = |guesser| -> Vec<Option<u32>> {
        let answers = repeated(&model, guesser, &request).into_iter();
        answers.map(|(_, _, answer)| answer.ids.first().copied()).collect()
    };
    assert_eq!(first(Guesser::Draft(&draft, Some(3))), first(Guesser::Nobody));
}

/// Every answer with the places of its temperature and its seed.
fn repeated(
    model: &Model,
    guesser: Guesser<'_>,
    request: &RepeatsRequest,
) -> Vec<(usize, usize, Answer)> {
    let recorder = Recorder::default();
    repeats((model, None), guesser, request, &recorder).unwrap();
    let answers = recorder.into_events().into_iter().filter_map(|event| match event {
        RepeatsEvent::Answer { temperature, seed, answer } => Some((temperature, seed, answer)),
        _ => None,
    });
    answers.collect()
}

#[test]
fn a_guess_is_worth_what_scoring_it_as_a_text_gives() {
    let model = Arc::new(tiny());
    let tokenizer = model.tokenizer();
    let ids = tokenizer.encode("The library opens", true).unwrap();
    let texts = ["at nine".to_owned(), "at".to_owned()];
    let scored = guesses::score(&model, None, &ids, &texts, &Quiet).unwrap();
    for (guess, text) in scored.iter().zip(&texts) {
        let forms = [format!(" {text}"), text.clone()];
        let worth = forms.iter().map(|form| {
            let whole = [ids.clone(), tokenizer.encode(form, false).unwrap()].concat();
            let logprobs = score(&model, None, &whole, &Quiet).unwrap();
            logprobs[ids.len()..].iter().flatten().map(|value| f64::from(*value)).sum::<f64>()
        });
        let best = worth.fold(f64::NEG_INFINITY, f64::max);
        assert!((guess.logprob - best).abs() < 1e-4, "{text}: {} for {best}", guess.logprob);
    }
}

#[test]
fn an_answer_forks_where_another_token_is_taken() {
    let model = Arc::new(tiny());
    let ids = model.tokenizer().encode("The library", true).unwrap();
    let seed = Seed::Read { ids: ids.clone(), text: "The library".to_owned() };
    let answer = vec![20, 21, 22];
    let wanted = Plant { seed, adapter: AdapterMode::Off, answer, fork: Some((1, 40)) };
    let (mut tree, grown) = plant(&model, None, &wanted, &Quiet).unwrap();
    let path = tree.ids_to(grown.node);
    assert_eq!(path[ids.len()..], [20, 40]);
    assert_eq!(grown.view.nodes.len(), 4);
    assert_eq!(grown.candidates.len(), 20);
    let after = grow(&mut tree, &Growth::Continue { node: grown.node, count: 3 }, &Quiet).unwrap();
    assert!(after.view.nodes.len() > 4);
    let deleted = grow(&mut tree, &Growth::Delete { node: grown.node }, &Quiet).unwrap();
    assert!(deleted.view.nodes.iter().all(|node| node.id != 40 || node.depth != 2));
    assert!(deleted.view.nodes.len() < after.view.nodes.len());
}

/// A chain asks the model what `generate` is asked: the second step with the first one's answer in
/// its prompt, and the seed plus one. What is kept says all of it.
#[test]
fn a_chain_answers_as_its_steps_alone_would() {
    let model = tiny();
    let text = "mode = \"raw\"\n[settings]\nmax_new_tokens = 5\n[[step]]\nprompt = \"The {thing}\"\n\
                [[step]]\nprompt = \"It said: {step1}. So\"\n";
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("answers/chain-1.json");
    let sampling = SamplingParams { top_k: 0, temperature: 1.0, ..SamplingParams::default() };
    let request = RunRequest {
        name: "chain".to_owned(),
        material: Material::from_toml(text).unwrap(),
        values: Values::from([("thing".to_owned(), "library".to_owned())]),
        examples: None,
        manner: Manner {
            sampling: sampling.clone(),
            max_new_tokens: 99,
            stop: Vec::new(),
            seed: 11,
        },
        presets: Vec::new(),
        texts: None,
        to: Some(to.clone()),
        started_at: "2026-11-29T03:00:00Z".to_owned(),
        model: model.card().identity.clone(),
        adapter: None,
    };
    let writer = ModelWriter { model: &model, adapter: None };
    let record = run(&request, &writer, &Quiet).unwrap();
    let alone = |prompt: &str, seed: u64| {
        let request = GenerateRequest {
            prompt: Prompt::Raw(prompt.to_owned()),
            sampling: sampling.clone(),
            max_new_tokens: 5,
            stop_strings: Vec::new(),
            lanes: vec![Lane { seed, adapter: AdapterMode::Off }],
        };
        generate(&model, None, &request, &Quiet).unwrap()[0].text.clone()
    };
    let first = alone("The library", 11);
    assert_eq!(record.steps[0].turns[0].written, first);
    let asked = format!("It said: {}. So", first.trim());
    assert_eq!(record.steps[1].prompt, asked);
    assert_eq!(record.steps[1].turns[0].written, alone(&asked, 12));
    let kept: Record = serde_json::from_slice(&std::fs::read(&to).unwrap()).unwrap();
    assert_eq!((kept.ended, kept.steps.len()), (Ended::Complete, 2));
    assert_eq!(kept.steps[1].turns[0].seed, 12);

    // A prompt that does not fit is said with its step, and what there was is kept.
    let long = RunRequest {
        values: Values::from([("thing".to_owned(), "library ".repeat(5000))]),
        ..request
    };
    let err = run(&long, &writer, &Quiet).unwrap_err().to_string();
    assert!(err.starts_with("step 1: its prompt does not fit"), "{err}");
}
