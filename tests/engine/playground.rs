//! What the Playground's views are made of, on the tiny llama: repeats, guesses, branches.

use std::sync::Arc;

use tuning_fork::explore::growth::{Growth, Plant, Seed, grow, plant};
use tuning_fork::explore::guesses;
use tuning_fork::jobs::{Quiet, Recorder};
use tuning_fork::llm::generate::repeats::{RepeatsEvent, RepeatsRequest, repeats};
use tuning_fork::llm::generate::sampling::SamplingParams;
use tuning_fork::llm::generate::score::score;
use tuning_fork::llm::generate::{AdapterMode, GenerateRequest, Lane, Prompt, generate};
use tuning_fork::llm::{Model, Weights};

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
    let recorder = Recorder::default();
    repeats(&model, None, &request, &recorder).unwrap();
    let mut answers = 0;
    for event in recorder.into_events() {
        let RepeatsEvent::Answer { temperature, seed, answer } = event else { continue };
        answers += 1;
        let alone = GenerateRequest {
            prompt: request.prompt.clone(),
            sampling: request.at(request.temperatures[temperature]),
            max_new_tokens: 6,
            stop_strings: Vec::new(),
            lanes: vec![Lane { seed: request.seeds[seed], adapter: AdapterMode::Off }],
        };
        let expected = generate(&model, None, &alone, &Quiet).unwrap();
        assert_eq!((answer.text, answer.ids), (expected[0].text.clone(), expected[0].ids.clone()));
    }
    assert_eq!(answers, 6);
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
