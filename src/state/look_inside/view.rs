//! The views of the panel.

/// What can be looked at, in the order of the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    #[default]
    Tokens,
    Surprise,
    Guess,
    Mask,
    Attention,
    Lens,
    LeaveOneOut,
    Pair,
    PairSet,
    Compare,
    Meaning,
    Map,
    Machine,
}

/// What is run to show a view, beside splitting the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    Surprise,
    Attention,
    Lens,
    LeaveOneOut,
    Pair,
    Compare,
    Meaning,
}

impl View {
    pub const ALL: [Self; 13] = [
        Self::Tokens,
        Self::Surprise,
        Self::Guess,
        Self::Mask,
        Self::Attention,
        Self::Lens,
        Self::LeaveOneOut,
        Self::Pair,
        Self::PairSet,
        Self::Compare,
        Self::Meaning,
        Self::Map,
        Self::Machine,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tokens => "Tokens",
            Self::Surprise => "Surprise",
            Self::Guess => "Hide and guess",
            Self::Mask => "Fill the mask",
            Self::Attention => "Attention",
            Self::Lens => "Logit lens",
            Self::LeaveOneOut => "Leave one out",
            Self::Pair => "Minimal pair",
            Self::PairSet => "Pair lists",
            Self::Compare => "Two models",
            Self::Meaning => "Meaning",
            Self::Map => "Map of texts",
            Self::Machine => "The machine",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.name() == name)
    }

    /// What it answers, as a room would ask it.
    pub fn question(self) -> &'static str {
        match self {
            Self::Tokens => "What does the model read?",
            Self::Surprise => "What surprises the model?",
            Self::Guess => "Which word is missing?",
            Self::Mask => "What fits here, from both sides and from the left?",
            Self::Attention => "Where does the model look?",
            Self::Lens => "When does the model know what comes next?",
            Self::LeaveOneOut => "What does the answer hang on?",
            Self::Pair => "What does one word change?",
            Self::PairSet => "What do many words change, in many texts?",
            Self::Compare => "Where do two models differ?",
            Self::Meaning => "Which words are near each other?",
            Self::Map => "Which texts mean the same?",
            Self::Machine => "What is the model built of?",
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
            Self::Mask => {
                "A masked model (BERT) is trained to fill gaps: it sees the words on both sides of a mask. A \
                 model that writes (GPT) is trained to go on: it sees what stands before the word, hidden \
                 words among it, and nothing after it."
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
            Self::LeaveOneOut => {
                "Each part of the text is left out once, and the model is asked how likely the \
                 answer is without it. Where the colour is strong, the answer hangs on that part."
            }
            Self::Pair => {
                "Two prompts that differ in one place, and what the model would say next after either: \
                 the probability of each token, over the whole vocabulary."
            }
            Self::PairSet => {
                "Pairs of words are put into templates, one after the other, and the model is asked what comes \
                 next: how much likelier each answer is after the first word of the pair than after the second. \
                 The list is a plain file, and can be run on another model."
            }
            Self::Compare => {
                "The same text, read by two models: with an adapter and without it, with its weights kept \
                 otherwise, or by another model. Where the colour is strong, they expect different \
                 things."
            }
            Self::Meaning => {
                "Write a list above: a word or a sentence a line, or words with commas between them. The \
                 model reads each, and a layer makes it a list of numbers; words with similar numbers lie \
                 near to each other."
            }
            Self::Map => {
                "Each point is a text of the table. The model turns a text into a list of numbers, \
                 and texts with similar numbers lie near to each other."
            }
            Self::Machine => {
                "Every token goes through these parts, from the top to the bottom. The bar is the \
                 share of all multiplications that a part takes for one token."
            }
        }
    }

    /// `None`: its tokens are enough.
    pub fn pass(self) -> Option<Pass> {
        match self {
            Self::Tokens | Self::Mask | Self::PairSet | Self::Map | Self::Machine => None,
            Self::Surprise | Self::Guess => Some(Pass::Surprise),
            Self::Attention => Some(Pass::Attention),
            Self::Lens => Some(Pass::Lens),
            Self::LeaveOneOut => Some(Pass::LeaveOneOut),
            Self::Pair => Some(Pass::Pair),
            Self::Compare => Some(Pass::Compare),
            Self::Meaning => Some(Pass::Meaning),
        }
    }
}
