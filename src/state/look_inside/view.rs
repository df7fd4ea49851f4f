//! The views of the panel.

/// What can be looked at, in the order of the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    #[default]
    Tokens,
    Surprise,
    Guess,
    Attention,
    Lens,
    Compare,
    Map,
}

/// What is run to show a view, beside splitting the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    Surprise,
    Attention,
    Lens,
    Compare,
}

impl View {
    pub const ALL: [Self; 7] = [
        Self::Tokens,
        Self::Surprise,
        Self::Guess,
        Self::Attention,
        Self::Lens,
        Self::Compare,
        Self::Map,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tokens => "Tokens",
            Self::Surprise => "Surprise",
            Self::Guess => "Hide and guess",
            Self::Attention => "Attention",
            Self::Lens => "Logit lens",
            Self::Compare => "Base and adapter",
            Self::Map => "Map of texts",
        }
    }

    /// What it answers, as a room would ask it.
    pub fn question(self) -> &'static str {
        match self {
            Self::Tokens => "What does the model read?",
            Self::Surprise => "What surprises the model?",
            Self::Guess => "Which word is missing?",
            Self::Attention => "Where does the model look?",
            Self::Lens => "When does the model know what comes next?",
            Self::Compare => "What did the adapter change?",
            Self::Map => "Which texts mean the same?",
        }
    }

    /// How it is read, in a sentence.
    pub fn help(self) -> &'static str {
        match self {
            Self::Tokens => {
                "A model reads no letters and no words, but pieces of its vocabulary, each with a \
                 number. A piece in a frame is one of the model's own and stands for no text."
            }
            Self::Surprise => {
                "The stronger its colour, the less the model expected a token from what stands \
                 before it. Surprise is -log2 of its probability: each bit halves it."
            }
            Self::Guess => {
                "The model reads from left to right: it guesses each hidden word from the words \
                 before it, hidden ones among them."
            }
            Self::Attention => {
                "To say what comes next, each token gathers from those before it. A head of a layer \
                 says how much from which: the shares of a token sum to 100 %."
            }
            Self::Lens => {
                "Each row is a layer, from the input at the bottom to what the model says at the \
                 top: the token that it would say next, were that layer the last. The \
                 stronger the colour, the surer."
            }
            Self::Compare => {
                "The same text, read by the base model and with the adapter over it: where the \
                 colour is strong, training moved the model."
            }
            Self::Map => {
                "Each point is a text of the table. The model turns a text into a list of numbers, \
                 and texts with similar numbers lie near to each other."
            }
        }
    }

    /// `None`: its tokens are enough.
    pub fn pass(self) -> Option<Pass> {
        match self {
            Self::Tokens | Self::Map => None,
            Self::Surprise | Self::Guess => Some(Pass::Surprise),
            Self::Attention => Some(Pass::Attention),
            Self::Lens => Some(Pass::Lens),
            Self::Compare => Some(Pass::Compare),
        }
    }
}
