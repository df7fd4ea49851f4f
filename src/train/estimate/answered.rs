//! Prompts with made-up answers in place of those that will be sampled: as many, and each as long as it may be.
//! What a run of GRPO or RLOO takes is counted on them, so it is the most.

use crate::train::config::TrainConfig;
use crate::train::rows::batch::Example;
use crate::train::rows::sequence::Sequence;

/// The examples as a run would learn from them.
pub(crate) fn answered(
    config: &TrainConfig,
    vocab_size: usize,
    examples: Vec<Example>,
) -> Vec<Example> {
    if !config.objective.samples() {
        return examples;
    }
    let policy = &config.policy;
    let mut next = 0_usize;
    let mut made_up = |prompt: &Sequence| {
        next += 1;
        // No two begin alike, so none is computed for another.
        let ids = (0..policy.max_completion_length)
            .map(|token| ((next * 7919 + token * 31) % vocab_size.max(1)) as u32);
        let completion_start = prompt.ids.len();
        Sequence::new(prompt.ids.iter().copied().chain(ids).collect(), completion_start)
    };
    let with_answers = |example: Example| {
        let mut answers: Vec<Sequence> =
            (0..policy.num_generations.max(1)).map(|_| made_up(&example.chosen)).collect();
        let chosen = answers.remove(0);
        Example { chosen, packed: answers, ..example }
    };
    examples.into_iter().map(with_answers).collect()
}
