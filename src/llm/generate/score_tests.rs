//! Scores of the tiny llama against transformers, and the border between prompt and completion.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};

use super::*;
use crate::jobs::{Quiet, Recorder};
use crate::llm::card::ModelSource;
use crate::llm::files::weights::Weights;
use crate::llm::model::LoadOptions;

fn tiny_folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/models/llama"))
}

fn tiny() -> Model {
    Model::load(&ModelSource::Folder(tiny_folder()), &LoadOptions::default(), &Quiet).unwrap()
}

fn chat() -> ChatTemplate {
    ChatTemplate::from_folder(&tiny_folder(), &tokenizer()).unwrap().unwrap()
}

fn tokenizer() -> Tokenizer {
    Tokenizer::from_file(Path::new(&tiny_folder().join("tokenizer.json"))).unwrap()
}

#[test]
fn log_probabilities_are_transformers() {
    let model = tiny();
    let path = tiny_folder().join("expected.safetensors");
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let ids = tensors["input_ids"].get(0).unwrap().to_dtype(DType::U32).unwrap();
    let ids: Vec<u32> = ids.to_vec1().unwrap();
    let expected = tensors["logits"].get(0).unwrap(); // (40, 384)

    let mut chunks = Vec::new();
    let mut keep = |chunk: &Tensor| {
        chunks.push(chunk.clone());
        Ok(())
    };
    let got = score_with(&model, None, &ids, &Quiet, &mut keep).unwrap();
    let logits = Tensor::cat(&chunks, 0).unwrap();
    assert_eq!(logits.dims(), [40, 384]);
    let off = (logits - &expected).unwrap().abs().unwrap().max_all().unwrap();
    assert!(off.to_scalar::<f32>().unwrap() < 2e-4);

    assert_eq!(got.len(), ids.len());
    assert_eq!(got[0], None);
    let rows: Vec<Vec<f32>> = expected.to_vec2().unwrap();
    for index in 1..ids.len() {
        let expected = sampling::logprob(&rows[index - 1], ids[index]);
        assert!((got[index].unwrap() - expected).abs() < 2e-4);
    }
    assert_eq!(got, score(&model, None, &ids, &Quiet).unwrap());
}

#[test]
fn a_text_longer_than_a_chunk_scores_the_same_and_can_be_stopped() {
    let model = tiny();
    let ids: Vec<u32> = (0..150).map(|index| 3 + index * 31 % 380).collect();
    let recorder = Recorder::default();
    let got = score(&model, None, &ids, &recorder).unwrap();
    let done: Vec<usize> = recorder.into_events().iter().map(|event| event.done).collect();
    assert_eq!(done, [64, 128, 150]);

    let mut cache = model.new_cache();
    let logits = model.logits(&ids, &mut cache, None, Positions::All).unwrap();
    let rows: Vec<Vec<f32>> = logits.to_vec2().unwrap();
    for index in 1..ids.len() {
        let expected = sampling::logprob(&rows[index - 1], ids[index]);
        assert!((got[index].unwrap() - expected).abs() < 1e-4);
    }
    let stopped = score(&model, None, &ids, &Recorder::stop_after(1));
    assert!(matches!(stopped, Err(Error::Cancelled(_))));
    assert!(score(&model, None, &[], &Quiet).unwrap().is_empty());
}

#[test]
fn plain_strings_are_put_together_and_then_tokenised() {
    let tokenizer = tokenizer();
    let plain = |text: &str| Text::Plain(text.into());
    let encoded =
        encode_completion(&tokenizer, None, (&plain("The sky"), &plain(" is")), &Beside::default())
            .unwrap();
    assert_eq!(tokenizer.decode(&encoded.ids, false), "The sky is");
    assert_eq!(tokenizer.decode(&encoded.ids[encoded.start..], false), " is");
    assert!(!encoded.prompt_differs);
    assert_eq!(
        encoded.logprob(&vec![Some(-0.5); encoded.ids.len()]),
        -0.5 * (encoded.ids.len() - encoded.start) as f64
    );
}

#[test]
fn a_border_inside_a_token_is_noticed() {
    let tokenizer = tokenizer();
    // "upon" is one token.
    let plain = |text: &str| Text::Plain(text.into());
    let encoded =
        encode_completion(&tokenizer, None, (&plain("up"), &plain("on")), &Beside::default())
            .unwrap();
    assert_eq!(encoded.ids, [tokenizer.id_of("upon").unwrap()]);
    assert!(encoded.prompt_differs);
}

#[test]
fn messages_go_through_the_chat_template() {
    let (tokenizer, chat) = (tokenizer(), chat());
    let prompt = Text::Messages(vec![Message::new("user", "Hi")]);
    let answer = Text::Messages(vec![Message::new("assistant", "Yes")]);
    let encoded =
        encode_completion(&tokenizer, Some(&chat), (&prompt, &answer), &Beside::default()).unwrap();
    assert_eq!(
        tokenizer.decode(&encoded.ids, false),
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes<|im_end|>\n"
    );
    assert_eq!(tokenizer.decode(&encoded.ids[encoded.start..], false), "Yes<|im_end|>\n");
    let plain = Text::Plain("Yes".into());
    assert_eq!(
        encode_completion(&tokenizer, Some(&chat), (&prompt, &plain), &Beside::default()).unwrap(),
        encoded
    );
    let missing = encode_completion(&tokenizer, None, (&prompt, &answer), &Beside::default());
    assert!(matches!(missing, Err(Error::NoChatTemplate)));
}

/// The reference of the real model, where `TUNING_FORK_STARTER` names its file.
#[derive(serde::Deserialize)]
struct Reference {
    prompt: String,
    ids: Vec<u32>,
    token_logprobs: Vec<f32>,
    greedy: Vec<u32>,
    greedy_text: String,
}

#[test]
#[ignore = "needs the starter model: TUNING_FORK_STARTER=… cargo test --lib the_starter_model -- --ignored"]
fn the_starter_model_answers_as_in_transformers() {
    use crate::llm::generate::sampling::SamplingParams;
    use crate::llm::generate::{AdapterMode, GenerateRequest, Lane, Prompt, StopReason, generate};

    let path = std::env::var_os("TUNING_FORK_STARTER").expect("it names a GGUF file");
    let source = ModelSource::Gguf(path.into());
    let options = LoadOptions { weights: Weights::F32, ..LoadOptions::default() };
    let model = Model::load(&source, &options, &Quiet).unwrap();
    // tests/reference/text/smollm2_f32.json: transformers, weights dequantised to f32. How close
    // the weights as stored come: tests/engine/starter.rs.
    let references: Vec<Reference> =
        serde_json::from_str(include_str!("../../../tests/reference/text/smollm2_f32.json"))
            .unwrap();
    assert_eq!(references.len(), 3);
    for reference in references {
        let ids = model.tokenizer().encode(&reference.prompt, false).unwrap();
        assert_eq!(ids, reference.ids);
        let got = score(&model, None, &ids, &Quiet).unwrap();
        for (got, expected) in got[1..].iter().zip(&reference.token_logprobs) {
            assert!((got.unwrap() - expected).abs() < 2e-3, "{got:?} for {expected}");
        }

        let request = GenerateRequest {
            prompt: Prompt::Raw(reference.prompt.clone()),
            sampling: SamplingParams {
                greedy: true,
                repetition_penalty: 1.0,
                ..SamplingParams::default()
            },
            max_new_tokens: reference.greedy.len(),
            stop_strings: Vec::new(),
            lanes: vec![Lane { seed: 0, adapter: AdapterMode::Off }],
        };
        let answer = generate(&model, None, &request, &Quiet).unwrap().remove(0);
        // transformers keeps the token that ends the turn, and shows it.
        let ended = answer.stop == StopReason::EndOfTurn;
        let kept = reference.greedy.len() - usize::from(ended);
        assert_eq!(answer.ids, reference.greedy[..kept]);
        assert!(reference.greedy_text.starts_with(&answer.text));
        assert_eq!(ended, answer.text.len() < reference.greedy_text.len());
    }
}
