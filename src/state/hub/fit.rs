//! Whether a model fits this machine, in plain words with the numbers behind them, before
//! anything of it is fetched.

use tuning_fork_kernels::GgmlType;

use crate::hub::cache::space;
use crate::llm::config::Config;
use crate::llm::cost::pass_cost::{PassCost, PassShape};
use crate::llm::net::tree::TokenTree;
use crate::llm::{Keep, Shapes, Weights};
use crate::state::models::Memory;
use crate::train::config::TrainConfig;
use crate::train::estimate;

/// A verdict about this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Well,

    /// It fits, and answers slowly: each token reads all weights.
    Slow,

    /// It fits once other programs are closed.
    Tight,
    TooLarge,
    Unknown,
}

/// Weights from here on answer slowly, in bytes: at the 12 GB that a laptop's memory brings a
/// second, two tokens take one.
const SLOW_FROM: u64 = 6_000_000_000;

impl Verdict {
    /// Of answering with `weights` bytes of weights, which takes `needed` in all.
    pub fn of_answering(memory: Memory, weights: u64, needed: u64) -> Self {
        match Self::of_memory(memory, needed) {
            Self::Well if weights > SLOW_FROM => Self::Slow,
            verdict => verdict,
        }
    }

    /// Of an amount of memory in bytes.
    ///
    /// Four fifths of what is free is well; what closing programs can free is tight: up to four
    /// fifths of all memory, since the system itself takes the rest.
    pub fn of_memory(memory: Memory, needed: u64) -> Self {
        let Memory { total, available } = memory;
        if total == 0 || needed == 0 {
            Self::Unknown
        } else if needed <= available / 5 * 4 {
            Self::Well
        } else if needed <= available.max(total / 5 * 4) {
            Self::Tight
        } else {
            Self::TooLarge
        }
    }
}

/// What answering takes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inference {
    pub weights: u64,

    /// Keys and values of the chosen context. `None`: the configuration is not known.
    pub cache: Option<u64>,
}

impl Inference {
    pub fn needed(self) -> u64 {
        self.weights.saturating_add(self.cache.unwrap_or(0))
    }

    pub fn verdict(self, memory: Memory) -> Verdict {
        Verdict::of_answering(memory, self.weights, self.needed())
    }
}

/// A LoRA run at the usual settings, on [`PAIRS`] pairs of a usual length: what it takes of a model
/// that is not here yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Training {
    /// At its peak, in bytes. Training keeps the weights in f32.
    pub memory: u64,

    /// Multiplications for a pair each time that it is learned from, and once for the reference.
    pub step_macs: u64,
    pub reference_macs: u64,

    /// Tokens of a pair: its prompt once, and both answers.
    pub tokens: usize,

    /// How often each pair is learned from.
    pub epochs: f64,
}

/// Pairs of a run that time is said for: an afternoon of judging.
pub const PAIRS: usize = 200;

/// A pass does more than multiply matrices: norms, attention, the way to memory and back. So much
/// of its time is taken to be spent on products, at the speed of [`crate::llm::cost::pace`]. Assumed, not
/// yet held against `train::estimate` on a quiet machine: good for a verdict, not for a promise.
const SHARE_OF_PRODUCTS: f64 = 0.7;

impl Training {
    pub fn of(config: &Config) -> Self {
        let shapes = Shapes::of(config);
        let weight_bytes = shapes.weight_bytes(Weights::F32, GgmlType::F32);
        let size = estimate::ModelSize { config, shapes: &shapes, weight_bytes };
        let settings = TrainConfig::default();
        let lengths = estimate::Tokens::default();
        let memory = estimate::memory_for(&size, &settings, lengths).peak();
        let targets = settings.lora.spec().targets(&shapes.linears);
        let rank = settings.lora.spec().most_rank();
        let shape = PassShape { config, shapes: &shapes, targets: &targets, rank, own: false };
        let pair = pair(lengths);
        let cost = |keep| shape.cost(&pair, 2 * lengths.answer, keep);
        let macs = |cost: PassCost| cost.forward_macs + cost.backward_macs + cost.head_macs;
        Self {
            memory,
            step_macs: macs(cost(Keep::Everything)),
            reference_macs: macs(cost(Keep::Nothing)),
            tokens: pair.len(),
            epochs: settings.num_train_epochs,
        }
    }

    /// How long it takes where `pace` multiplications are done a second.
    pub fn secs(&self, pace: f64) -> f64 {
        let each = self.step_macs as f64 * self.epochs + self.reference_macs as f64;
        PAIRS as f64 * each / (pace * SHARE_OF_PRODUCTS)
    }
}

/// A pair as a tree of tokens: a prompt, and two answers that part at once.
fn pair(lengths: estimate::Tokens) -> TokenTree {
    let estimate::Tokens { prompt, answer } = lengths;
    let ids = |from: usize, count: usize| (from as u32)..((from + count) as u32);
    let sequence =
        |answer_at: usize| -> Vec<u32> { ids(0, prompt).chain(ids(answer_at, answer)).collect() };
    let (chosen, rejected) = (sequence(prompt), sequence(prompt + answer));
    TokenTree::new([chosen.as_slice(), rejected.as_slice()])
}

/// A verdict about how long something takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// While one gets a coffee, or does something else for a while.
    Short,

    /// Over night.
    Long,

    /// Longer than anybody leaves a laptop alone.
    TooLong,
}

impl Wait {
    pub fn of(secs: f64) -> Self {
        const HOUR: f64 = 3600.0;
        match secs {
            secs if secs <= 2.0 * HOUR => Self::Short,
            secs if secs <= 14.0 * HOUR => Self::Long,
            _ => Self::TooLong,
        }
    }
}

/// What the fetch takes on the disk, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// To be fetched: without what is there already.
    pub needed: u64,

    /// Already there.
    pub here: u64,

    /// `None`: the disk cannot be asked.
    pub free: Option<u64>,
}

impl Disk {
    pub fn verdict(self) -> Verdict {
        match self.free {
            None => Verdict::Unknown,
            Some(free) if self.needed.saturating_add(space::MARGIN) <= free => Verdict::Well,
            Some(_) => Verdict::TooLarge,
        }
    }

    /// What is missing, in bytes.
    pub fn short_by(self) -> u64 {
        let needed = self.needed.saturating_add(space::MARGIN);
        needed.saturating_sub(self.free.unwrap_or(needed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_counts_what_closing_programs_would_free() {
        let memory = Memory { total: 16_000, available: 6_000 };
        assert_eq!(Verdict::of_memory(memory, 4_000), Verdict::Well);
        assert_eq!(Verdict::of_memory(memory, 5_500), Verdict::Tight);
        assert_eq!(Verdict::of_memory(memory, 12_000), Verdict::Tight);
        assert_eq!(Verdict::of_memory(memory, 13_000), Verdict::TooLarge);
        assert_eq!(Verdict::of_memory(Memory::default(), 1), Verdict::Unknown);
        let large = Memory { total: 64_000_000_000, available: 60_000_000_000 };
        let verdict = |weights: u64| Verdict::of_answering(large, weights, weights);
        assert_eq!(verdict(5_000_000_000), Verdict::Well);
        assert_eq!(verdict(16_000_000_000), Verdict::Slow);
        assert_eq!(verdict(60_000_000_000), Verdict::Tight);
        assert_eq!(verdict(65_000_000_000), Verdict::TooLarge);
    }

    #[test]
    fn a_run_takes_longer_the_larger_the_model() {
        // SmolLM2-135M
        let config = |layers: usize| {
            let json = serde_json::json!({
                "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536,
                "num_hidden_layers": layers, "num_attention_heads": 9, "num_key_value_heads": 3,
                "vocab_size": 49152, "tie_word_embeddings": true, "max_position_embeddings": 8192,
            });
            crate::llm::config_from_json(&json, std::path::Path::new("config.json")).unwrap()
        };
        let training = Training::of(&config(30));
        assert_eq!(training.tokens, 400);
        // 106 million weights in the layers and 28 in the head: forth and back, and half of that
        // for the reference.
        let expected = 2.0 * (400.0 * 106e6 + 240.0 * 28.3e6);
        let found = training.step_macs as f64 / expected;
        assert!((0.95..1.3).contains(&found), "{found}");
        let half = training.step_macs as f64 / training.reference_macs as f64;
        assert!((1.9..2.6).contains(&half), "{half}");
        let (small, large) = (training.secs(1e11), Training::of(&config(60)).secs(1e11));
        assert!(large > 1.7 * small && small > 60.0, "{small} {large}");
        assert_eq!(Wait::of(small), Wait::Short);
        assert_eq!((Wait::of(5.0 * 3600.0), Wait::of(1e5)), (Wait::Long, Wait::TooLong));
    }

    #[test]
    fn a_disk_keeps_a_little_room() {
        let disk = |needed, free| Disk { needed, here: 0, free: Some(free) };
        assert_eq!(disk(1_000, 60_000_000).verdict(), Verdict::Well);
        assert_eq!(disk(20_000_000, 60_000_000).verdict(), Verdict::TooLarge);
        assert_eq!(disk(20_000_000, 60_000_000).short_by(), 10_000_000);
        assert_eq!(Disk::default().verdict(), Verdict::Unknown);
        assert_eq!(Disk::default().short_by(), 0);
    }
}
