//! The views of the panel.

/// What can be looked at, in the order of the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    #[default]
    Tokens,
}

impl View {
    pub const ALL: [Self; 1] = [Self::Tokens];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tokens => "Tokens",
        }
    }

    /// What it answers, as a room would ask it.
    pub fn question(self) -> &'static str {
        match self {
            Self::Tokens => "What does the model read?",
        }
    }

    /// How it is read, in a sentence.
    pub fn help(self) -> &'static str {
        match self {
            Self::Tokens => {
                "A model reads no letters and no words, but pieces of its vocabulary, each with a \
                 number. A piece in a frame is one of the model's own and stands for no text."
            }
        }
    }
}
