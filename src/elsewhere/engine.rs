//! Who trains.

/// A program that trains elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// TRL with accelerate.
    #[default]
    Trl,
    LlamaFactory,
    Axolotl,

    /// TRL on a machine of Hugging Face's.
    HfJobs,
}

impl Engine {
    pub const ALL: [Self; 4] = [Self::Trl, Self::LlamaFactory, Self::Axolotl, Self::HfJobs];

    /// As the command line and the manifest name it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Trl => "trl",
            Self::LlamaFactory => "llama-factory",
            Self::Axolotl => "axolotl",
            Self::HfJobs => "hf-jobs",
        }
    }

    /// As a person knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trl => "TRL",
            Self::LlamaFactory => "LLaMA-Factory",
            Self::Axolotl => "Axolotl",
            Self::HfJobs => "Hugging Face Jobs",
        }
    }

    pub fn named(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.key() == key)
    }

    /// Whether `train.py` is what trains.
    pub fn is_trl(self) -> bool {
        matches!(self, Self::Trl | Self::HfJobs)
    }
}
