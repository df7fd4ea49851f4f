//! All rows of a file: their form, and what each becomes.

use serde_json::Value;

use super::beside::beside;
use super::content::{Content, Fault, Fields, Note, Problem, Turned, Want, Weight, are};
use super::dataset_info::Stanza;
use super::form::{Form, NO_PAIR, Read};
use super::prompt::understood;
use super::recognise;
use super::{
    annotation, columns, dialogues, feedback, graded, labelled, nested, prompts, trl, value,
};
use crate::data::pair::{PreferencePair, Text};

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
    if let Some((rows, note)) = nested::unfolded(rows)? {
        let mut read = understand(&rows, want, stanza)?;
        read.notes.push(note);
        return Ok(read);
    }
    if want == Want::Prompts {
        return if prompts::asks(first) {
            prompts::prompts(rows)
        } else {
            Ok(prompts::without_answers(understand(rows, Want::Answers, stanza)?, rows))
        };
    }
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
    if want == Want::Labelled {
        let label =
            |row| stanza.and_then(|stanza| stanza.label(row)).or_else(|| labelled::label(row));
        read.rows = labelled::each(
            &read.rows,
            |row| label(&rows[row]),
            |row| labelled::no_label(&rows[row]),
        )?;
    }
    if want == Want::Pairs {
        for row in &mut read.rows {
            row.margin = value::given(&rows[row.row], "margin").and_then(Value::as_f64);
        }
    }
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

/// Whether a problem is that of the columns: they are of no form that is known, or of one with other
/// things in it than those that are wanted. Then a person may say which of them are meant.
pub fn is_of_columns(problem: &Problem, rows: &[Fields], want: Want) -> bool {
    problem.row == 0
        && (problem.sentence == NO_PAIR
            || rows.first().is_some_and(|first| recognise::form_of(first, want).is_none()))
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
                    return Err(Fault::of_row(NO_PAIR.to_owned()).at(index));
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
        Form::HelpSteer => graded::helpsteer(row),
        Form::Nectar => graded::nectar(row),
        Form::Argilla => annotation::argilla(row),
        Form::LabelStudio => annotation::label_studio(row),
        Form::LabelStudioMin => annotation::label_studio_min(row),
        Form::Potato => annotation::potato(row),
        Form::Verdicts => annotation::verdict(row),
        Form::H2oChain | Form::LlamaFactory | Form::Prompts => {
            unreachable!("files of these forms are read as a whole")
        }
    }
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
    let silent = of(&|row| DIALOGUES.iter().any(|key| has_unlearned(row, key)));
    add(
        Weight::Caution,
        silent,
        "row marks a message as one that is not to be learned from (`weight`, `loss` or `train`); TRL \
         does not look at that, and neither does this",
        "rows mark messages as ones that are not to be learned from (`weight`, `loss` or `train`); TRL \
         does not look at that, and neither does this",
    );
    if read.form == Form::Messages {
        let with = of(&|row| {
            value::given(row, "system")
                .and_then(Value::as_str)
                .is_some_and(|words| !words.trim().is_empty())
        });
        add(
            Weight::Caution,
            with,
            "row has `system` beside its messages, which TRL does not look at: make it their first \
             message, with the role \"system\"",
            "rows have `system` beside their messages, which TRL does not look at: make it their first \
             message, with the role \"system\"",
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

/// Columns of whole dialogues.
const DIALOGUES: [&str; 3] = ["messages", "conversations", "conversation"];

/// Whether other programs would leave an answer in a dialogue out of the loss.
fn has_unlearned(row: &Fields, key: &str) -> bool {
    let is_off = |value: &Value| match value {
        Value::Bool(is_on) => !is_on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        _ => false,
    };
    let is_answer = |message: &Value| {
        let speaker = message.get("role").or_else(|| message.get("from"));
        speaker.and_then(Value::as_str).and_then(value::role_of) == Some("assistant")
    };
    let messages = value::given(row, key).and_then(Value::as_array);
    messages.into_iter().flatten().any(|message| {
        let marks = ["weight", "loss", "train"].iter().filter_map(|mark| message.get(*mark));
        is_answer(message) && marks.into_iter().any(is_off)
    })
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

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "wild_tests.rs"]
mod wild_tests;
