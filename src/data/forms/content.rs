//! What a row says, and what there is to say about it: plain data for all forms.

use serde_json::{Map, Value};

use crate::data::pair::{Message, PreferencePair, Text};

/// A row's columns, as its file has them.
pub type Fields = Map<String, Value>;

/// What rows are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Pairs of a better and a worse answer: DPO.
    Pairs,

    /// Answers and texts to imitate: SFT. Of a pair, the better answer.
    Answers,

    /// Answers that are labelled good or bad: KTO. Of a pair, one of each.
    Labelled,

    /// What is asked, with all columns of its row: GRPO.
    Prompts,
}

/// What a row says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Preference(PreferencePair),
    Completion {
        prompt: Text,
        completion: Text,
    },

    /// Every token is learned from.
    Whole(Text),
}

impl Content {
    /// A question with the better answer alone, where only answers are wanted.
    pub(super) fn for_want(self, want: Want) -> Self {
        match (self, want) {
            (Self::Preference(PreferencePair { prompt, chosen, rejected: _ }), Want::Answers) => {
                Self::Completion { prompt, completion: chosen }
            }
            (content, _) => content,
        }
    }

    /// Its texts, in the order in which they are read.
    pub fn texts(&self) -> Vec<&Text> {
        match self {
            Self::Preference(PreferencePair { prompt, chosen, rejected }) => {
                vec![prompt, chosen, rejected]
            }
            Self::Completion { prompt, completion } => vec![prompt, completion],
            Self::Whole(text) => vec![text],
        }
    }

    fn messages(&self) -> impl Iterator<Item = &Message> {
        self.texts().into_iter().flat_map(|text| match text {
            Text::Messages(messages) => messages.as_slice(),
            Text::Plain(_) => &[],
        })
    }
}

/// A row as it was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Understood {
    /// The row of the file, counted from 0. Of several that became one, the first.
    pub row: usize,
    pub content: Content,

    /// Whether the answer is a good one, where that is wanted.
    pub label: Option<bool>,

    /// By how much the better answer of a pair is to be better, where the row says so.
    pub margin: Option<f64>,

    /// The columns of the row, where what is rewarded may be in one of them.
    pub columns: Fields,

    /// What was asked, without any of its answer: what a fixed prompt asks.
    pub asked: Text,

    /// Rows with the same one are held out together.
    pub group: String,

    /// What a chat template gets beside the messages.
    pub beside: Beside,

    /// Its messages were columns of plain text: a model without a chat template can read them, too.
    pub from_columns: bool,
}

/// What a chat template gets beside the messages: the columns `tools` and `chat_template_kwargs`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beside {
    pub tools: Option<Value>,
    pub kwargs: Fields,
}

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Something is lost, or is most likely a mistake.
    Problem,

    /// It may mislead.
    Caution,

    /// Good to know.
    Fact,
}

/// Something that a person should know about how the rows were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub weight: Weight,
    pub sentence: String,

    /// The rows of the file that it is about, counted from 0.
    pub rows: Vec<usize>,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 0.
    pub row: usize,

    /// The column that it is about.
    pub key: Option<String>,
    pub sentence: String,
}

/// What is wrong, by whoever does not know which row it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(super) key: Option<String>,
    pub(super) sentence: String,
}

impl Fault {
    pub(crate) fn new(key: &str, sentence: String) -> Self {
        Self { key: Some(key.to_owned()), sentence }
    }

    pub(crate) fn of_row(sentence: String) -> Self {
        Self { key: None, sentence }
    }

    pub(crate) fn into_sentence(self) -> String {
        self.sentence
    }

    pub(super) fn at(self, row: usize) -> Problem {
        Problem { row, key: self.key, sentence: self.sentence }
    }
}

/// What became of a row.
pub(crate) enum Turned {
    Into(Content),

    /// Nothing to learn from is in it: nobody decided, or it is a tie.
    LeftOut(&'static str),
}

/// Whether any message of a row is more than a role and a text.
pub fn has_more(content: &Content, key: &str) -> bool {
    content.messages().any(|message| message.has(key))
}

/// `1 row is`, `3 rows are`.
pub fn are(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
