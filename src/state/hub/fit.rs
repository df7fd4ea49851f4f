//! Whether a model fits this machine, in plain words with the numbers behind them, before
//! anything of it is fetched.

use crate::hub::space;
use crate::llm::config::Config;
use crate::llm::kernels::GgmlType;
use crate::llm::{Shapes, Weights};
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

/// What a LoRA run takes at its peak, in bytes: at the usual settings, on pairs of a usual length.
/// Training keeps the weights in f32.
pub fn training(config: &Config) -> u64 {
    let shapes = Shapes::of(config);
    let weight_bytes = shapes.weight_bytes(Weights::F32, GgmlType::F32);
    let size = estimate::ModelSize { config, shapes: &shapes, weight_bytes };
    let settings = TrainConfig::default();
    estimate::memory_for(&size, &settings, estimate::Tokens::default()).peak()
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
    fn a_disk_keeps_a_little_room() {
        let disk = |needed, free| Disk { needed, here: 0, free: Some(free) };
        assert_eq!(disk(1_000, 60_000_000).verdict(), Verdict::Well);
        assert_eq!(disk(20_000_000, 60_000_000).verdict(), Verdict::TooLarge);
        assert_eq!(disk(20_000_000, 60_000_000).short_by(), 10_000_000);
        assert_eq!(Disk::default().verdict(), Verdict::Unknown);
        assert_eq!(Disk::default().short_by(), 0);
    }
}
