//! Generation with the tiny llama of the reference, and the stop strings without any model.

use std::path::PathBuf;

use super::*;
use crate::jobs::{Quiet, Recorder};
use crate::llm::card::ModelSource;
use crate::llm::model::LoadOptions;
use crate::llm::text::tokenizer::Tokenizer;

fn tiny_folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/models/llama"))
}

fn tiny() -> Model {
    Model::load(&ModelSource::Folder(tiny_folder()), &LoadOptions::default(), &Quiet).unwrap()
}

fn off(seed: u64) -> Lane {
    Lane { seed, adapter: AdapterMode::Off }
}

fn request(prompt: &str, max_new_tokens: usize) -> GenerateRequest {
    GenerateRequest {
        prompt: Prompt::Raw(prompt.into()),
        sampling: SamplingParams { top_k: 0, ..SamplingParams::default() },
        max_new_tokens,
        stop_strings: Vec::new(),
        lanes: vec![off(1)],
    }
}

fn greedy() -> SamplingParams {
    SamplingParams { greedy: true, repetition_penalty: 1.0, ..SamplingParams::default() }
}

fn tokens(events: &[GenerateEvent]) -> Vec<&TokenStep> {
    let mut steps = Vec::new();
    for event in events {
        if let GenerateEvent::Token { step, .. } = event {
            steps.push(step);
        }
    }
    steps
}

#[test]
fn greedy_answers_are_transformers() {
    let model = tiny();
    // expected.safetensors: 8 ids of row 0 of `input_ids`, continued greedily by transformers.
    let path = tiny_folder().join("expected.safetensors");
    let tensors = candle_core::safetensors::load(path, &candle_core::Device::Cpu).unwrap();
    let row = |name: &str| -> Vec<u32> {
        let row = tensors[name].get(0).unwrap().to_dtype(candle_core::DType::U32).unwrap();
        row.to_vec1().unwrap()
    };
    let (prompt, expected) = (&row("input_ids")[..8], row("greedy"));
    let (prompt_part, expected) =
        if expected.starts_with(prompt) { expected.split_at(8) } else { (prompt, &expected[..]) };
    assert_eq!(prompt_part, prompt);

    let mut request = request("", expected.len());
    request.sampling = greedy();
    let run = Run {
        model: &model,
        adapter: None,
        guesser: Guesser::Nobody,
        request: &request,
        prompt,
        progress: &Quiet,
    };
    let start = run.read_prompt(0, &off(0)).unwrap().unwrap();
    let answer = run.answer(0, &off(0), start, 0.0).unwrap();
    // transformers keeps the token that ends the turn.
    let mut ids = answer.ids;
    if answer.stop == StopReason::EndOfTurn {
        ids.push(expected[ids.len()]);
        assert!(model.stop_ids().contains(ids.last().unwrap()));
    }
    assert_eq!(ids, expected[..ids.len()]);
    assert!(answer.stop == StopReason::EndOfTurn || ids.len() == expected.len());
}

#[test]
fn the_same_request_gives_the_same_answer() {
    let model = tiny();
    let texts = |request: &GenerateRequest| -> Vec<(String, Vec<u32>)> {
        let answers = generate(&model, None, request, &Quiet).unwrap();
        answers.into_iter().map(|answer| (answer.text, answer.ids)).collect()
    };
    let mut request = request("Once upon", 24);
    request.lanes = vec![off(1), off(2), off(1)];
    let answers = texts(&request);
    assert_eq!(answers, texts(&request));
    assert_eq!(answers[0], answers[2], "equal seeds, equal answers");
    assert_ne!(answers[0], answers[1], "different seeds, different answers");

    // Sharing the prompt changes nothing.
    request.lanes = vec![off(2)];
    assert_eq!(texts(&request)[0], answers[1]);
}

#[test]
fn events_tell_the_whole_story_in_order() {
    let model = tiny();
    let mut request = request(&"word ".repeat(60), 10);
    request.lanes = vec![off(1), off(2)];
    let recorder = Recorder::default();
    let answers = generate(&model, None, &request, &recorder).unwrap();
    let events = recorder.into_events();

    let GenerateEvent::Prompt { ids, .. } = &events[0] else { panic!("{:?}", events[0]) };
    assert!(ids.len() > READ_CHUNK, "{} tokens", ids.len());
    let reading = events.iter().filter_map(|event| match event {
        GenerateEvent::Reading { lane, done, total } => Some((*lane, *done, *total)),
        _ => None,
    });
    let reading: Vec<_> = reading.collect();
    assert_eq!(reading.len(), ids.len().div_ceil(READ_CHUNK), "the second lane reads nothing");
    assert_eq!(reading.last(), Some(&(0, ids.len(), ids.len())));

    let steps = tokens(&events);
    let all_ids: Vec<u32> = answers.iter().flat_map(|answer| answer.ids.clone()).collect();
    assert_eq!(steps.iter().map(|step| step.id).collect::<Vec<_>>(), all_ids);
    for step in steps {
        assert_eq!(step.logits.len(), model.config().vocab_size);
        assert!(step.logprob <= 0.0);
    }
    let done = events.iter().filter(|event| matches!(event, GenerateEvent::LaneDone { .. }));
    assert_eq!(done.count(), 2);
    assert!(answers[0].prompt_secs > 0.0);
    assert_eq!(answers[1].prompt_secs, 0.0);
}

#[test]
fn stopping_returns_what_there_is() {
    let model = tiny();
    let mut request = request("Once upon", 24);
    request.sampling = SamplingParams { temperature: 1.5, ..request.sampling };
    request.lanes = vec![off(3), off(4)];
    let whole = generate(&model, None, &request, &Quiet).unwrap();
    assert!(whole[0].ids.len() > 5, "{whole:?}");

    // One check for the prompt's only chunk, then one a token.
    let stopped = Recorder::stop_after(1 + 5);
    let answers = generate(&model, None, &request, &stopped).unwrap();
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0].ids, whole[0].ids[..5]);
    assert_eq!(answers[0].stop, StopReason::Stopped);
    assert_eq!((&answers[1].ids[..], answers[1].stop), (&[][..], StopReason::Stopped));

    let at_once = generate(&model, None, &request, &Recorder::stop_after(0)).unwrap();
    assert!(at_once.iter().all(|answer| answer.stop == StopReason::Stopped));
}

#[test]
fn asking_for_no_tokens_gives_the_next_tokens_scores() {
    let recorder = Recorder::default();
    let answers = generate(&tiny(), None, &request("Once", 0), &recorder).unwrap();
    assert_eq!((answers[0].ids.len(), answers[0].stop), (0, StopReason::Length));
    let events = recorder.into_events();
    let Some(GenerateEvent::LaneDone { next_logits, .. }) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(next_logits.len(), 384);
}

#[test]
fn a_prompt_longer_than_the_context_is_an_error_with_both_numbers() {
    let model = tiny();
    let context = model.config().context_length;
    let err = generate(&model, None, &request(&"Z".repeat(context + 1), 5), &Quiet).unwrap_err();
    let message = err.to_string();
    assert!(message.contains(&context.to_string()), "{message}");
    assert!(message.contains(&(context + 1).to_string()), "{message}");
}

#[test]
fn a_full_context_ends_the_answer() {
    let model = tiny();
    let context = model.config().context_length;
    let mut request = request(&"Z".repeat(context - 2), 50);
    request.sampling = SamplingParams { temperature: 2.0, ..SamplingParams::default() };
    let mut stops = Vec::new();
    for seed in 0..6 {
        request.lanes = vec![off(seed)];
        let answer = generate(&model, None, &request, &Quiet).unwrap().remove(0);
        assert!(answer.ids.len() <= 3);
        stops.push((answer.stop, answer.ids.len()));
    }
    assert!(stops.contains(&(StopReason::ContextFull, 3)), "{stops:?}");
}

#[test]
fn a_chat_goes_through_the_template_and_a_missing_adapter_is_said() {
    let model = tiny();
    let mut request = request("", 0);
    request.prompt = Prompt::Chat(vec![Message::new("user", "Hi")]);
    let rendered = render_prompt(&model, &request.prompt).unwrap();
    assert_eq!(rendered.text, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    assert_eq!(model.tokenizer().decode(&rendered.ids, false), rendered.text);
    request.lanes[0].adapter = AdapterMode::On;
    assert!(matches!(generate(&model, None, &request, &Quiet), Err(Error::NoAdapter)));
}

#[test]
fn a_stop_string_ends_the_answer_and_is_not_part_of_it() {
    let model = tiny();
    let mut request = request("Once upon", 24);
    request.sampling = SamplingParams { temperature: 1.5, ..request.sampling };
    request.lanes = vec![off(3)];
    let whole = generate(&model, None, &request, &Quiet).unwrap().remove(0);
    let characters: Vec<(usize, char)> = whole.text.char_indices().collect();
    // Of whole characters: what stands for broken bytes is no text to stop at.
    let plain = |(_, letter): &(usize, char)| letter.is_ascii_graphic();
    let windows = characters.windows(4).skip(4);
    let at = windows.clone().position(|window| window[..3].iter().all(plain)).expect("three");
    let (from, to) = (characters[at + 4].0, characters[at + 7].0);
    let stop = whole.text[from..to].to_owned();
    request.stop_strings = vec![stop.clone()];
    let recorder = Recorder::default();
    let answer = generate(&model, None, &request, &recorder).unwrap().remove(0);
    assert_eq!(answer.stop, StopReason::StopString);
    assert_eq!(answer.text, whole.text[..whole.text.find(&stop).unwrap()]);
    let events = recorder.into_events();
    let streamed: String = tokens(&events).iter().map(|step| step.text.as_str()).collect();
    assert_eq!(streamed, answer.text);
}

/// What is shown of `text`, token by token, after `prompt`; whether it stopped; the whole answer.
fn until(stops: &[&str], prompt: &str, text: &str) -> (String, bool, String) {
    let tokenizer = Tokenizer::from_folder(&tiny_folder()).unwrap();
    let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
    let prompt = tokenizer.encode(prompt, false).unwrap();
    let mut until = UntilStop::new(&tokenizer, &stops, &prompt, true);
    let (mut shown, mut said) = (String::new(), Vec::new());
    for id in tokenizer.encode(text, false).unwrap() {
        said.push(id);
        shown += &until.push(id);
        assert!(until.whole(&said).starts_with(&shown), "{shown:?} of {text:?}");
        if until.is_stopped() {
            break;
        }
    }
    (shown, until.is_stopped(), until.whole(&said))
}

#[test]
fn a_stop_string_is_found_across_the_borders_of_tokens() {
    // Stops, text, what is shown while it is written, whether it stopped, the answer.
    let cases: &[(&[&str], &str, &str, bool, &str)] = &[
        (&["</s>", "\n\n", ""], "Hi</s> more", "Hi", true, "Hi"),
        (&["</s>"], "a</x", "a</x", false, "a</x"),
        (&["</s>"], "a</", "a", false, "a</"),
        (&["</s>", "\n\n"], "a\n\nb", "a", true, "a"),
        (&["</s>", "\n\n"], "a\nb", "a\nb", false, "a\nb"),
        (&["</s>", "\n\n"], "a</s>b\n\nc", "a", true, "a"),
        (&["</s>"], "<</s>", "<", true, "<"),
        (&["é"], "café", "caf", true, "caf"),
        (&["世界"], "你好世界", "你好", true, "你好"),
        // Nothing is held back for good: an answer may end in a stop string's beginning.
        (&["###"], "I like C#", "I like C", false, "I like C#"),
        (&["###"], "I like C##", "I like C", false, "I like C##"),
    ];
    for (stops, text, shown, stopped, whole) in cases {
        let expected = ((*shown).to_owned(), *stopped, (*whole).to_owned());
        assert_eq!(until(stops, "ab", text), expected, "{stops:?} in {text:?}");
    }
}

// transformers' `stop_strings`: StopStringCriteria looks at the tokens, special ones included, and
// at those of the prompt.
#[test]
fn a_stop_string_may_be_a_special_token_or_begin_in_the_prompt() {
    let stopped = |whole: &str| (whole.to_owned(), true, whole.to_owned());
    assert_eq!(until(&["<|im_end|>"], "ab", "Hello<|im_end|>more"), stopped("Hello"));
    assert_eq!(until(&["o<|im_end|>m"], "ab", "Hello<|im_end|>more"), stopped("Hell"));
    assert!(!until(&["l<|im_end|>"], "ab", "Hello<|im_end|>").1);
    assert_eq!(until(&["\n\n"], "ab\n", "\nx"), stopped(""));
    assert_eq!(until(&["\n\n"], "ab\n\n", "x"), ("x".to_owned(), false, "x".to_owned()));
}

/// Every folder that `make_tokenizer_folders.py` wrote: an answer ends with the token with which
/// transformers' `stop_strings` ends it.
#[test]
#[ignore = "needs TUNING_FORK_TOKENIZER_FOLDERS, written by make_tokenizer_folders.py"]
fn every_stop_string_ends_an_answer_where_transformers_ends_it() {
    let folders = std::env::var_os("TUNING_FORK_TOKENIZER_FOLDERS").expect("names a folder");
    let folders = std::path::Path::new(&folders);
    let lines = std::fs::read_to_string(folders.join("expected.jsonl")).unwrap();
    let (mut same, mut wrong) = (0, 0);
    for line in lines.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let stops = row["stops"].as_array().map(Vec::as_slice).unwrap_or_default();
        let name = row["folder"].as_str().unwrap();
        for case in stops {
            let tokenizer = Tokenizer::from_folder(&folders.join(name)).unwrap();
            let list = |key: &str| serde_json::from_value(case[key].clone()).unwrap();
            let (prompt, ids): (Vec<u32>, Vec<u32>) = (list("prompt"), list("ids"));
            let strings: Vec<String> = serde_json::from_value(case["strings"].clone()).unwrap();
            let mut until = UntilStop::new(&tokenizer, &strings, &prompt, true);
            let mut count = None;
            let mut shown = String::new();
            for (at, id) in ids.iter().enumerate() {
                shown += &until.push(*id);
                if until.is_stopped() {
                    count = Some(at + 1);
                    break;
                }
            }
            if serde_json::json!(count) == case["count"] {
                same += 1;
            } else {
                wrong += 1;
                println!(
                    "{name} {} {:?}: {count:?} and not {}",
                    row["class"], strings, case["count"]
                );
            }
            let said = &ids[..count.unwrap_or(ids.len())];
            let whole = until.whole(said);
            if count.is_some() && !(whole.contains('\u{fffd}') || shown.contains('\u{fffd}')) {
                assert_eq!(shown, whole, "{name} {strings:?}");
            }
        }
    }
    println!("{same} the same, {wrong} not");
    assert_eq!(wrong, 0);
}
