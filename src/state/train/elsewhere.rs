//! The form of a bundle: who trains, and on what.

use crate::elsewhere::{Engine, Preset};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElsewhereForm {
    pub engine: Engine,
    pub preset: Preset,

    /// On each machine; the preset one-gpu has one.
    pub gpus: usize,
}

impl Default for ElsewhereForm {
    fn default() -> Self {
        Self { engine: Engine::Trl, preset: Preset::OneGpu, gpus: 4 }
    }
}

impl ElsewhereForm {
    /// Whether the number of GPUs is the person's to choose.
    pub fn counts_gpus(&self) -> bool {
        !matches!(self.preset, Preset::OneGpu | Preset::Llama2 | Preset::Cpu)
    }

    pub fn gpus(&self) -> Option<usize> {
        self.counts_gpus().then_some(self.gpus)
    }
}
