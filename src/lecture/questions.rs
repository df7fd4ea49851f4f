//! Questions to the room as a file: TOML that is written by hand, for `tuning-fork room`.

use std::path::Path;

use super::error::FileError;
use super::keys::{Keys, table_lines};
use crate::files::meant::meant;
use crate::room::question::{Kind, Question};

/// What a file asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Questions {
    pub title: String,
    pub questions: Vec<Question>,
}

pub fn read(path: &Path) -> Result<Questions, FileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    parse(&text)
}

/// The questions that a file's text says.
pub fn parse(text: &str) -> Result<Questions, FileError> {
    let mut keys = Keys::of_file(text)?;
    let title = keys.text("title")?.unwrap_or_default();
    let tables = keys.tables("question")?;
    keys.end()?;
    if tables.is_empty() {
        return Err(FileError::NoQuestions);
    }
    let lines = table_lines(text, "question");
    let mut questions: Vec<Question> = Vec::new();
    for (at, table) in tables.into_iter().enumerate() {
        let line = lines.get(at).copied().unwrap_or(1);
        let mut keys = Keys::new(table, text, line, format!("question {}", at + 1));
        let id = keys.text("id")?.unwrap_or_else(|| format!("q{}", at + 1));
        let asked = keys.needed_text("text", "what the room is asked, in a sentence")?;
        let about = keys.text("about")?.unwrap_or_default();
        let kind = question_kind(&mut keys)?;
        let place = keys.place("id");
        keys.end()?;
        let question = Question { id, text: asked, about, kind };
        question.check().map_err(|source| FileError::Question { place: place.clone(), source })?;
        if questions.iter().any(|other| other.id == question.id) {
            return Err(FileError::Value {
                place,
                key: "id".to_owned(),
                found: format!("the text {:?}, as that of another question", question.id),
                expected: "another id, or none: questions are then called q1, q2 and so on"
                    .to_owned(),
            });
        }
        questions.push(question);
    }
    Ok(Questions { title, questions })
}

/// How a question is answered: the key `kind`, and those that belong to it.
pub fn question_kind(keys: &mut Keys<'_>) -> Result<Kind, FileError> {
    let known = Kind::NAMES.join(", ");
    let name = keys.needed_text("kind", &format!("how the room answers, one of {known}"))?;
    let place = keys.place("kind");
    let kind = match name.as_str() {
        "pair" => Kind::Pair {
            left: keys.needed_text("left", "one of the two answers")?,
            right: keys.needed_text("right", "the other answer")?,
        },
        "choice" => Kind::Choice { options: keys.texts("options")?, other: keys.flag("other")? },
        "scale" => Kind::Scale {
            low: keys.integer("low", -100..=100)?.unwrap_or(1),
            high: keys.integer("high", -100..=100)?.unwrap_or(5),
            low_words: keys.text("low_words")?.unwrap_or_default(),
            high_words: keys.text("high_words")?.unwrap_or_default(),
        },
        "words" => Kind::Words,
        other => {
            let meant = meant(other, Kind::NAMES).map(|name| format!(" (did you mean `{name}`?)"));
            return Err(FileError::Value {
                place,
                key: "kind".to_owned(),
                found: format!("the text {other:?}{}", meant.unwrap_or_default()),
                expected: format!("one of {known}"),
            });
        }
    };
    // Of a lecture, the scene's place; the question is checked whole with its text once more.
    let shape = Question::new("q", "?", kind.clone());
    shape.check().map_err(|source| FileError::Question { place, source })?;
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "format = 1\ntitle = \"Week 3\"\n\n[[question]]\nkind = \"pair\"\n\
        text = \"Which answer is better?\"\nabout = \"What is a DOI?\"\nleft = \"A name.\"\n\
        right = \"A number.\"\n\n[[question]]\nid = \"mood\"\nkind = \"scale\"\n\
        text = \"Was it clear?\"\nlow = -2\nhigh = 2\nhigh_words = \"very\"\n\n[[question]]\n\
        kind = \"choice\"\ntext = \"Where?\"\noptions = [\"Here\", \"There\"]\nother = true\n\n\
        [[question]]\nkind = \"words\"\ntext = \"What comes next?\"\n";

    fn problem(text: &str) -> String {
        parse(text).expect_err("there is something wrong").to_string()
    }

    #[test]
    fn a_file_asks_questions_of_every_kind() {
        let read = parse(FILE).unwrap();
        assert_eq!(read.title, "Week 3");
        let ids: Vec<&str> = read.questions.iter().map(|question| question.id.as_str()).collect();
        assert_eq!(ids, ["q1", "mood", "q3", "q4"]);
        let kinds: Vec<&str> = read.questions.iter().map(|of| of.kind.name()).collect();
        assert_eq!(kinds, ["pair", "scale", "choice", "words"]);
        assert_eq!(read.questions[0].about, "What is a DOI?");
    }

    #[test]
    fn the_sample_is_one_of_each_kind() {
        let read = parse(include_str!("../../sample_data/room.toml")).unwrap();
        let mut kinds: Vec<&str> = read.questions.iter().map(|of| of.kind.name()).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["choice", "pair", "scale", "words"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let said = problem(&FILE.replace("\"scale\"", "\"scales\""));
        assert_eq!(
            said,
            "line 13, question 2: `kind` is the text \"scales\" (did you mean `scale`?). Expected: \
             one of pair, choice, scale, words"
        );
        let said = problem(&FILE.replace("left = \"A name.\"\n", ""));
        assert!(said.starts_with("line 4, question 1: `left` is missing"), "{said}");
        let said = problem(&FILE.replace("[\"Here\", \"There\"]", "[\"Here\"]"));
        assert_eq!(said, "line 20, question 3: a choice has 1 options. Expected: 2 to 12");
        let said = problem(&FILE.replace("\"mood\"", "\"q1\""));
        assert!(said.contains("as that of another question"), "{said}");
        let said = problem(&FILE.replace("low = -2", "lo = -2"));
        assert!(said.contains("no key `lo` here (did you mean `low`?)"), "{said}");
        assert!(problem("title = \"a\"").contains("no question"));
        assert!(problem("question = 3").contains("[[question]]"));
    }
}
