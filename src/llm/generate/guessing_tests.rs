//! Answers with guesses against those without, with tiny models of the reference.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::guess::{Guesser, check_draft};
use super::super::{
    AdapterMode, Answer, GenerateEvent, GenerateRequest, Lane, Prompt, StopReason, TokenStep,
    generate, generate_guessed, render_prompt,
};
use super::*;
use crate::jobs::{Quiet, Recorder};
use crate::llm::card::ModelSource;
use crate::llm::files::weights::Weights;
use crate::llm::model::LoadOptions;

fn reference(name: &str) -> Model {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/models");
    let source = ModelSource::Folder(PathBuf::from(folder).join(name));
    Model::load(&source, &LoadOptions::default(), &Quiet).unwrap()
}

fn request(prompt: &str, sampling: SamplingParams, lanes: &[u64]) -> GenerateRequest {
    let lane = |seed: &u64| Lane { seed: *seed, adapter: AdapterMode::Off };
    GenerateRequest {
        prompt: Prompt::Raw(prompt.to_owned()),
        sampling,
        max_new_tokens: 48,
        stop_strings: Vec::new(),
        lanes: lanes.iter().map(lane).collect(),
    }
}

fn greedy() -> SamplingParams {
    SamplingParams { greedy: true, repetition_penalty: 1.0, ..SamplingParams::default() }
}

/// Without what took time.
fn told(events: Vec<GenerateEvent>) -> Vec<String> {
    let step = |step: TokenStep| {
        let TokenStep { id, text, logprob, logits, .. } = step;
        format!("{id} {text:?} {logprob} {:?}", &logits[..4])
    };
    let told = events.into_iter().map(|event| match event {
        GenerateEvent::Token { lane, step: one } => format!("{lane} {}", step(one)),
        GenerateEvent::TurnEnd { lane, step: one } => format!("{lane} ends {}", step(one)),
        GenerateEvent::LaneDone { lane, answer, next_logits } => {
            let Answer { text, ids, stop, .. } = answer;
            format!("{lane} {text:?} {ids:?} {stop:?} {:?}", &next_logits[..4])
        }
        other => format!("{other:?}"),
    });
    told.collect()
}

const TEXT: &str = "one two three one two three one two";

#[test]
fn guesses_change_nothing_in_what_an_answer_says_and_shows() {
    let model = reference("llama");
    let draft = reference("qwen2");
    let sure = [
        Guesser::Lookup(None),
        Guesser::Lookup(Some(3)),
        Guesser::Draft(&model, Some(4)),
        Guesser::Draft(&draft, Some(2)),
        Guesser::Draft(&draft, None),
    ];
    let drawn = SamplingParams { temperature: 0.5, top_k: 20, ..SamplingParams::default() };
    let banned = SamplingParams { no_repeat_ngram_size: 3, repetition_penalty: 1.3, ..greedy() };
    for sampling in [greedy(), banned, drawn] {
        for guesser in sure {
            if matches!(guesser, Guesser::Draft(..)) && !sampling.is_greedy() {
                continue; // its draws are other ones: see the frequencies
            }
            for (stop, tokens) in [("", 48), ("e", 48), ("", 3), ("", 0)] {
                let mut request = request(TEXT, sampling.clone(), &[1, 2]);
                request.max_new_tokens = tokens;
                request.stop_strings.extend((!stop.is_empty()).then(|| stop.to_owned()));
                let (alone, guessed) = (Recorder::default(), Recorder::default());
                generate(&model, None, &request, &alone).unwrap();
                generate_guessed(&model, None, guesser, &request, &guessed).unwrap();
                assert_eq!(told(alone.into_events()), told(guessed.into_events()));
            }
        }
    }
}

#[test]
fn a_full_context_and_a_stop_end_an_answer_where_they_end_it_without_guesses() {
    let model = reference("llama");
    let context = model.config().context_length;
    let mut full = request(&"Z".repeat(context - 12), greedy(), &[1]);
    full.sampling.no_repeat_ngram_size = 0;
    let alone = generate(&model, None, &full, &Quiet).unwrap();
    let guessed =
        generate_guessed(&model, None, Guesser::Draft(&model, Some(5)), &full, &Quiet).unwrap();
    assert_eq!((&alone[0].ids, alone[0].stop), (&guessed[0].ids, guessed[0].stop));

    let request = request(TEXT, greedy(), &[1, 2]);
    let whole = generate(&model, None, &request, &Quiet).unwrap();
    // One look for the prompt of the model, one for that of the draft model, then one a token.
    let stopped = Recorder::stop_after(2 + 5);
    let answers =
        generate_guessed(&model, None, Guesser::Draft(&model, Some(3)), &request, &stopped)
            .unwrap();
    assert_eq!((answers[0].ids.len(), answers[0].stop), (5, StopReason::Stopped));
    assert_eq!(answers[0].ids, whole[0].ids[..5]);
}

#[test]
fn a_model_that_guesses_for_itself_is_right_and_saves_passes() {
    let model = reference("llama");
    for sampling in
        [greedy(), SamplingParams { repetition_penalty: 1.2, ..SamplingParams::default() }]
    {
        let request = request(TEXT, sampling, &[1]);
        let draft = Guesser::Draft(&model, Some(4));
        let answer = generate_guessed(&model, None, draft, &request, &Quiet).unwrap().remove(0);
        let Guesses { drafted, accepted, passes } = answer.guesses;
        let tokens = answer.ids.len();
        assert!(tokens > 8 && passes <= tokens.div_ceil(5) + 1, "{answer:?}");
        assert!(accepted + 4 >= drafted, "all but the last pass's: {answer:?}");
    }
}

/// The probability of each pair of first tokens, exactly.
fn pairs_of(model: &Model, request: &GenerateRequest) -> BTreeMap<Vec<u32>, f64> {
    let prompt = render_prompt(model, &request.prompt).unwrap().ids;
    let left = |ids: &[u32]| {
        let logits = model.logits(ids, &mut model.new_cache(), None, Positions::Last).unwrap();
        let scores = logits.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let kept = kept(&scores, ids, &request.sampling).unwrap();
        kept.ids.into_iter().zip(kept.probabilities).map(|(id, p)| (id, f64::from(p))).collect()
    };
    let first: Vec<(u32, f64)> = left(&prompt);
    let mut pairs = BTreeMap::new();
    for (one, p) in first {
        if model.stop_ids().contains(&one) {
            pairs.insert(vec![], p);
            continue;
        }
        let second: Vec<(u32, f64)> = left(&[&prompt[..], &[one]].concat());
        for (two, q) in second {
            let ids = if model.stop_ids().contains(&two) { vec![one] } else { vec![one, two] };
            *pairs.entry(ids).or_insert(0.0) += p * q;
        }
    }
    pairs
}

// 2,000 answers of two tokens, of which the second one is guessed by another model: Pearson's statistic
// against the exact probabilities. Rare pairs are counted together. The rule itself is drawn from 20,000 times in
// `accept.rs`.
#[test]
fn drawn_guesses_give_answers_of_the_models_own_distribution() {
    const SEEDS: u64 = 2000;
    let model = reference("llama");
    // Rounded, so that it is often right and often wrong.
    let coarse = LoadOptions { weights: Weights::Q4_0, ..LoadOptions::default() };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/models/llama");
    let draft = Model::load(&ModelSource::Folder(folder.into()), &coarse, &Quiet).unwrap();
    let sampling = SamplingParams {
        temperature: 0.8,
        top_k: 6,
        top_p: 0.9,
        repetition_penalty: 1.2,
        ..SamplingParams::default()
    };
    let seeds: Vec<u64> = (0..SEEDS).collect();
    let mut request = request("one two", sampling, &seeds);
    request.max_new_tokens = 2;
    let draft = Guesser::Draft(&draft, Some(1));
    let answers = generate_guessed(&model, None, draft, &request, &Quiet).unwrap();
    let drafted: usize = answers.iter().map(|answer| answer.guesses.drafted).sum();
    let accepted: usize = answers.iter().map(|answer| answer.guesses.accepted).sum();
    assert!(accepted > 500 && drafted > accepted + 50, "{accepted} of {drafted}");

    let mut seen: BTreeMap<Vec<u32>, f64> = BTreeMap::new();
    answers.iter().for_each(|answer| *seen.entry(answer.ids.clone()).or_default() += 1.0);
    let exact = pairs_of(&model, &request);
    assert!(seen.keys().all(|ids| exact.contains_key(ids)), "a pair that cannot be");
    let (mut statistic, mut cells, mut rare) = (0.0, 0.0_f64, (0.0, 0.0));
    for (ids, p) in &exact {
        let (seen, expected) = (seen.get(ids).copied().unwrap_or(0.0), p * SEEDS as f64);
        if expected < 10.0 {
            rare = (rare.0 + seen, rare.1 + expected);
        } else {
            statistic += (seen - expected).powi(2) / expected;
            cells += 1.0;
        }
    }
    if rare.1 > 0.0 {
        statistic += (rare.0 - rare.1).powi(2) / rare.1.max(1.0);
        cells += 1.0;
    }
    // The point that one sample in ten thousand passes, by Wilson and Hilferty.
    let freedom = cells - 1.0;
    let spread = 2.0 / (9.0 * freedom);
    let limit = freedom * (1.0 - spread + 3.719 * spread.sqrt()).powi(3);
    assert!(statistic < limit, "{statistic} with {freedom} degrees of freedom");
}

#[test]
fn a_draft_model_of_another_vocabulary_is_refused_with_the_token() {
    let model = reference("llama");
    check_draft(&reference("qwen2"), &model).unwrap();
    let error = check_draft(&reference("tiny_llama_even"), &model).unwrap_err().to_string();
    assert!(error.contains("tiny_llama_even cannot guess for llama: token"), "{error}");
}
