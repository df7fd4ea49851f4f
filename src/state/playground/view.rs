//! The views of the Playground.

/// What is in front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlaygroundView {
    #[default]
    Talk,
    Sampler,
    Branches,
    Repeats,
}

impl PlaygroundView {
    pub const ALL: [Self; 4] = [Self::Talk, Self::Sampler, Self::Branches, Self::Repeats];

    pub fn name(self) -> &'static str {
        match self {
            Self::Talk => "Talk",
            Self::Sampler => "Sampler",
            Self::Branches => "Branches",
            Self::Repeats => "Repeats",
        }
    }

    /// What it answers, as a room would ask it.
    pub fn question(self) -> &'static str {
        match self {
            Self::Talk => "What does the model answer?",
            Self::Sampler => "What could come next, and what do the settings leave of it?",
            Self::Repeats => "What does it answer another time, and at another temperature?",
            Self::Branches => "What else could the model have said?",
        }
    }
}
