//! Groups of answers with the tiny models of the reference.

use std::path::PathBuf;

use super::*;
use crate::jobs::Quiet;
use crate::llm::card::ModelSource;
use crate::llm::model::LoadOptions;

fn tiny(name: &str) -> Model {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/models");
    let source = ModelSource::Folder(PathBuf::from(folder).join(name));
    Model::load(&source, &LoadOptions::default(), &Quiet).unwrap()
}

fn prompts() -> Vec<Vec<u32>> {
    vec![vec![5, 17, 40, 8, 23, 51, 9], vec![7, 12], vec![80, 81, 82, 83, 84]]
}

fn request(prompts: &[Vec<u32>], sampling: SamplingParams) -> GroupRequest<'_> {
    GroupRequest { prompts, group: 2, sampling, max_new_tokens: 12, seed: 3 }
}

fn plain(greedy: bool) -> SamplingParams {
    SamplingParams {
        greedy,
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        repetition_penalty: 1.0,
        ..SamplingParams::default()
    }
}

#[test]
fn answers_side_by_side_are_those_of_each_prompt_alone() {
    // A window, norms of queries and keys, learned positions: whatever a lane could share by mistake.
    for name in ["llama", "gemma3", "qwen3", "gpt2", "mistral"] {
        let model = tiny(name);
        let prompts = prompts();
        let found = sample(&model, None, &request(&prompts, plain(true)), &Quiet).unwrap();
        for (prompt, group) in prompts.iter().zip(&found) {
            assert_eq!(group[0], group[1]);
            let mut cache = model.new_cache();
            let mut next = model.logits(prompt, &mut cache, None, Positions::Last).unwrap();
            for id in &group[0].ids {
                let scores = next.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                assert!(scores[*id as usize] > best - 1e-4, "{name}: {id} is not the likeliest");
                next = model.logits(&[*id], &mut cache, None, Positions::Last).unwrap();
            }
            let last = *group[0].ids.last().unwrap();
            assert_eq!(group[0].is_ended, model.stop_ids().contains(&last));
            assert!(group[0].is_ended || group[0].ids.len() == 12);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_answers_and_lanes_differ() {
    let model = tiny("llama");
    let prompts = prompts();
    let request = request(&prompts, plain(false));
    let one = sample(&model, None, &request, &Quiet).unwrap();
    assert_eq!(one, sample(&model, None, &request, &Quiet).unwrap());
    assert_ne!(one[0][0], one[0][1]);
    let other = GroupRequest { seed: 4, ..request };
    assert_ne!(one, sample(&model, None, &other, &Quiet).unwrap());
}
