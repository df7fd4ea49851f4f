//! Which form a row of training data has, and what it becomes: what TRL, LLaMA-Factory, Axolotl, H2O
//! and the tools for annotation write, told apart by their keys, as what SFT and DPO learn from.
//!
//! Where a file's rows come from: see [`crate::data::table`]. Token ids: see [`crate::train::rows`].

pub mod annotation;
pub mod columns;
pub mod dataset_info;
pub mod dialogues;
pub mod feedback;
pub mod labelled;
pub mod prompt;
pub mod recognise;
pub mod trl;
pub mod value;

use serde_json::{Map, Value};

use self::dataset_info::Stanza;
use self::recognise::Form;
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
    fn for_want(self, want: Want) -> Self {
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

/// All rows of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    pub form: Form,
    pub rows: Vec<Understood>,
    pub notes: Vec<Note>,
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
    key: Option<String>,
    sentence: String,
}

impl Fault {
    pub(crate) fn new(key: &str, sentence: String) -> Self {
        Self { key: Some(key.to_owned()), sentence }
    }

    pub(crate) fn of_row(sentence: String) -> Self {
        Self { key: None, sentence }
    }

    fn at(self, row: usize) -> Problem {
        Problem { row, key: self.key, sentence: self.sentence }
    }
}

/// What became of a row.
pub(crate) enum Turned {
    Into(Content),

    /// Nothing to learn from is in it: nobody decided, or it is a tie.
    LeftOut(&'static str),
}

/// Columns that TRL would use for pictures, and this version does not.
const PICTURES: [&str; 2] = ["images", "image"];

/// Understands all rows of a file: the first one decides which form they have, as in TRL. The first
/// row that is not of that form is the error.
///
/// `stanza`: what LLaMA-Factory's `dataset_info.json` says about the file, if there is one.
pub fn understand(rows: &[Fields], want: Want, stanza: Option<&Stanza>) -> Result<Read, Problem> {
    let Some(first) = rows.first() else {
        return Ok(Read { form: Form::Text, rows: Vec::new(), notes: Vec::new() });
    };
    let form = match stanza {
        Some(_) => Form::LlamaFactory,
        None => recognise::form_of(first, want)
            .ok_or_else(|| Fault::of_row(recognise::unknown(first, want)).at(0))?,
    };
    let mut read = match (form, stanza) {
        (Form::LlamaFactory, Some(stanza)) => one_by_one(rows, want, |row| stanza.content(row)),
        (Form::Labelled, _) if want == Want::Pairs => labelled::pairs(rows),
        (Form::H2oChain, _) => columns::chained(rows, want),
        _ => one_by_one(rows, want, |row| content_of(form, row, want)),
    }?;
    read.form = form;
    if read.rows.is_empty() {
        let why: Vec<&str> = read.notes.iter().map(|note| note.sentence.as_str()).collect();
        let sentence = format!("no row is left of this file: {}", why.join("; "));
        return Err(Fault::of_row(sentence).at(0));
    }
    if stanza.is_none_or(|stanza| stanza.is_of_columns()) && form.is_of_columns() {
        read.rows.iter_mut().for_each(|row| row.from_columns = true);
    }
    notes(rows, want, &mut read);
    Ok(read)
}

/// Each row by itself.
fn one_by_one(
    rows: &[Fields],
    want: Want,
    content: impl Fn(&Fields) -> Result<Turned, Fault>,
) -> Result<Read, Problem> {
    let mut read = Read { form: Form::Text, rows: Vec::new(), notes: Vec::new() };
    let mut left_out: Vec<(&'static str, Vec<usize>)> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        match content(row).map_err(|fault| fault.at(index))? {
            Turned::Into(content) => {
                let content = content.for_want(want);
                if want == Want::Pairs && !matches!(content, Content::Preference(_)) {
                    return Err(Fault::of_row(recognise::NO_PAIR.to_owned()).at(index));
                }
                let beside = beside(row).map_err(|fault| fault.at(index))?;
                read.rows.push(understood(index, content, beside, is_implicit(row)));
            }
            Turned::LeftOut(why) => match left_out.iter_mut().find(|(known, _)| *known == why) {
                Some((_, rows)) => rows.push(index),
                None => left_out.push((why, vec![index])),
            },
        }
    }
    for (why, rows) in left_out {
        let sentence = format!("{} left out: {why}", are(rows.len(), "row is", "rows are"));
        read.notes.push(Note { weight: Weight::Caution, sentence, rows });
    }
    Ok(read)
}

/// Whether the prompt of a row was found in its answers: then it may end in the middle of one.
fn is_implicit(row: &Fields) -> bool {
    value::given(row, "chosen").is_some_and(Value::is_string)
        && value::given(row, "prompt").is_none()
}

pub(crate) fn understood(
    row: usize,
    content: Content,
    beside: Beside,
    is_implicit: bool,
) -> Understood {
    let prompt::Asked { asked, group } = prompt::of(&content, is_implicit);
    Understood { row, content, asked, group, beside, from_columns: false }
}

fn content_of(form: Form, row: &Fields, want: Want) -> Result<Turned, Fault> {
    match form {
        Form::Text => trl::whole_text(row),
        Form::Messages => trl::messages(row),
        Form::PromptCompletion => trl::completion(row),
        Form::Labelled => labelled::completion(row),
        Form::Preference | Form::UltraFeedbackBinarized => trl::preference(row),
        Form::ImplicitPreference | Form::HhTranscripts => trl::implicit_preference(row),
        Form::Columns(names) => columns::content(row, names, want),
        Form::ShareGpt => dialogues::sharegpt(row),
        Form::ShareGptPreference => dialogues::sharegpt_preference(row),
        Form::OpenAiPreference => dialogues::openai_preference(row),
        Form::Gemini => dialogues::gemini(row),
        Form::UltraFeedback => feedback::ultrafeedback(row),
        Form::Arena => feedback::arena(row),
        Form::Shp => feedback::shp(row),
        Form::Argilla => annotation::argilla(row),
        Form::LabelStudio => annotation::label_studio(row),
        Form::LabelStudioMin => annotation::label_studio_min(row),
        Form::Potato => annotation::potato(row),
        Form::Verdicts => annotation::verdict(row),
        Form::H2oChain | Form::LlamaFactory => {
            unreachable!("files of these forms are read as a whole")
        }
    }
}

/// `tools` (a list, or that list as JSON in a text) and `chat_template_kwargs`, as TRL reads them.
fn beside(row: &Fields) -> Result<Beside, Fault> {
    let tools = match value::given(row, "tools") {
        Some(Value::String(text)) if text.trim().is_empty() => None,
        Some(Value::String(text)) => Some(serde_json::from_str(text).map_err(|err| {
            Fault::new("tools", format!("\"tools\" is text that is not JSON: {err}"))
        })?),
        tools => tools.cloned(),
    };
    if let Some(tools) = &tools {
        let is_list = tools.as_array().is_some_and(|tools| tools.iter().all(Value::is_object));
        if !is_list {
            let sentence = "\"tools\" must be a list of functions, each an object with its JSON \
                            schema";
            return Err(Fault::new("tools", sentence.to_owned()));
        }
    }
    let kwargs = match value::given(row, "chat_template_kwargs") {
        None => Fields::new(),
        Some(Value::Object(kwargs)) => kwargs.clone(),
        Some(other) => {
            let sentence = format!(
                "\"chat_template_kwargs\" must be an object such as {{\"enable_thinking\": \
                 false}}, and it is {}",
                value::kind_of(other)
            );
            return Err(Fault::new("chat_template_kwargs", sentence));
        }
    };
    Ok(Beside { tools, kwargs })
}

/// What a person should know of rows that could be read.
fn notes(rows: &[Fields], want: Want, read: &mut Read) {
    let of = |is: &dyn Fn(&Fields) -> bool| -> Vec<usize> {
        (0..rows.len()).filter(|index| is(&rows[*index])).collect()
    };
    let mut add = |weight, rows: Vec<usize>, one: &str, many: &str| {
        if !rows.is_empty() {
            let sentence = are(rows.len(), one, many);
            read.notes.push(Note { weight, sentence, rows });
        }
    };
    for key in PICTURES {
        let with = of(&|row| {
            let list = value::given(row, key);
            list.is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty()))
        });
        add(
            Weight::Caution,
            with,
            &format!("row has `{key}`, which this version leaves out of the prompt"),
            &format!("rows have `{key}`, which this version leaves out of the prompt"),
        );
    }
    if read.form == Form::Labelled && want == Want::Answers {
        let bad = of(&|row| labelled::label(row) == Some(false));
        add(
            Weight::Caution,
            bad,
            "row is labelled as a bad answer; SFT learns from it as from the others, as TRL's does",
            "rows are labelled as bad answers; SFT learns from them as from the others, as TRL's \
             does",
        );
    }
    if read.form == Form::Labelled {
        add(
            Weight::Problem,
            labelled::contradictions(rows),
            "row labels an answer as good and as bad: an earlier row says the opposite",
            "rows label an answer as good and as bad: earlier rows say the opposite",
        );
    }
    let doubled: Vec<usize> =
        read.rows.iter().filter(|row| repeats_prompt(&row.content)).map(|row| row.row).collect();
    add(
        Weight::Problem,
        doubled,
        "row has its prompt once more at the beginning of its answer: the model reads it twice. \
         Take it out of the answer",
        "rows have their prompt once more at the beginning of their answers: the model reads it \
         twice. Take it out of the answers",
    );
}

/// Whether all answers begin with the whole prompt, which stands before them anyway.
fn repeats_prompt(content: &Content) -> bool {
    let repeats = |prompt: &Text, answer: &Text| match (prompt, answer) {
        (Text::Plain(prompt), Text::Plain(answer)) => {
            let prompt = prompt.trim();
            prompt.chars().count() >= 12 && answer.trim_start().starts_with(prompt)
        }
        (Text::Messages(prompt), Text::Messages(answer)) => {
            answer.len() > prompt.len() && answer.starts_with(prompt)
        }
        (Text::Plain(_), Text::Messages(_)) | (Text::Messages(_), Text::Plain(_)) => false,
    };
    match content {
        Content::Preference(PreferencePair { prompt, chosen, rejected }) => {
            repeats(prompt, chosen) && repeats(prompt, rejected)
        }
        Content::Completion { prompt, completion } => repeats(prompt, completion),
        Content::Whole(_) => false,
    }
}

/// Whether any message of a row is more than a role and a text.
pub fn has_more(content: &Content, key: &str) -> bool {
    content.messages().any(|message| message.has(key))
}

/// `1 row is`, `3 rows are`.
pub fn are(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

#[cfg(test)]
mod tests;
