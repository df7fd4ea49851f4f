//! A study's texts as questions to the phones, and what they answered as verdicts of coders without a
//! name in the study's own logs.

use super::ballots::Asked;
use super::question::{Kind, Question};
use crate::study::design::StudyError;
use crate::study::folder::Folder;
use crate::study::forms::said::{Said, take_in};
use crate::study::package::Merged;
use crate::study::value::DONT_KNOW;
use crate::study::variable::{self, Variable};

/// What a phone is sent for "don't know": its page says it in the language of the phone.
pub const NOT_KNOWN: &str = "?";

/// More options do not fit onto a phone.
const MOST_OPTIONS: usize = 12;

/// The question of one variable about one item. The error says why phones cannot be asked it.
pub fn question(folder: &Folder, item: usize, place: usize) -> Result<Question, String> {
    let variable = folder.study.codebook.variables.get(place).ok_or("there is no such question")?;
    let text = folder.items.get(item).ok_or("there is no such text")?;
    let kind = match text.answers.as_deref() {
        // As the study has them: every other phone has them the other way round.
        Some([first, second]) if variable.kind == variable::Kind::Better => {
            Kind::Pair { left: first.clone(), right: second.clone() }
        }
        _ => kind(variable)?,
    };
    let words =
        if variable.question.trim().is_empty() { &variable.name } else { &variable.question };
    let question = Question::new(&id(item, place), words.trim(), kind);
    let question = Question { about: text.text.clone(), ..question };
    question.check().map_err(|err| err.to_string())?;
    Ok(question)
}

/// Whether phones can be asked about it at all, and how.
fn kind(variable: &Variable) -> Result<Kind, String> {
    let labels = variable.labels();
    let refused = |why: &str| Err(format!("phones cannot be asked {}: {why}", variable.name));
    match variable.kind {
        variable::Kind::Choice | variable::Kind::Scale => {
            let numbers: Option<Vec<i64>> = labels.iter().map(|label| label.parse().ok()).collect();
            if variable.must_decide
                && let Some([low, .., high]) = numbers.as_deref()
                && numbers.as_ref().is_some_and(|all| all.is_sorted())
                && (high - low) as usize + 1 == labels.len()
                && labels.len() < MOST_OPTIONS
            {
                let (low_words, high_words) = (String::new(), String::new());
                return Ok(Kind::Scale { low: *low, high: *high, low_words, high_words });
            }
            let mut options = labels;
            if !variable.must_decide {
                options.push(NOT_KNOWN.to_owned());
            }
            if options.len() > MOST_OPTIONS {
                return refused(&format!(
                    "it has {} answers, and at most {MOST_OPTIONS} fit",
                    options.len()
                ));
            }
            Ok(Kind::Choice { options, other: false })
        }
        variable::Kind::Text => Ok(Kind::Words),
        variable::Kind::Choices => refused("a phone gives one answer, and this takes several"),
        variable::Kind::Number => refused("it takes any number"),
        variable::Kind::Better => {
            let (left, right) = (String::new(), String::new());
            Ok(Kind::Pair { left, right })
        }
        variable::Kind::Spans => refused("places in a text cannot be marked there"),
    }
}

/// The first variable that phones can be asked about. The error says why there is none.
pub fn first_variable(folder: &Folder) -> Result<usize, String> {
    let variables = &folder.study.codebook.variables;
    let mut why = "the study asks nothing".to_owned();
    for (place, variable) in variables.iter().enumerate() {
        match kind(variable) {
            Ok(_) => return Ok(place),
            Err(refusal) => why = refusal,
        }
    }
    Err(why)
}

/// What such a question is called in its room.
pub fn id(item: usize, variable: usize) -> String {
    format!("study-{item}-{variable}")
}

/// The item and the variable that a question is about. `None`: it is about something else.
fn place_of(id: &str) -> Option<(usize, usize)> {
    let (item, variable) = id.strip_prefix("study-")?.split_once('-')?;
    Some((item.parse().ok()?, variable.parse().ok()?))
}

/// Takes the votes of a room into the study: each phone is a coder, `<room>-phone-3`. What was taken in
/// before is not said again. `at`: RFC 3339 in UTC.
pub fn take_votes(
    folder: &mut Folder,
    asked: &[Asked],
    room: &str,
    at: &str,
) -> Result<Vec<Merged>, StudyError> {
    let mut said = Vec::new();
    for asked in asked {
        let Some((item, place)) = place_of(&asked.question.id) else { continue };
        let (Some(item), Some(variable)) =
            (folder.items.get(item), folder.study.codebook.variables.get(place))
        else {
            continue;
        };
        for vote in &asked.votes {
            let label = vote.answer.label(&asked.question);
            said.push(Said {
                place: format!("phone {}", vote.phone),
                coder: format!("{room}-phone-{}", vote.phone),
                item: item.id.clone(),
                variable: variable.name.clone(),
                value: if label == NOT_KNOWN { DONT_KNOW.to_owned() } else { label },
                at: at.to_owned(),
                guideline: folder.study.codebook.guideline_version.clone(),
                left: (variable.kind == variable::Kind::Better)
                    .then_some(u8::from(vote.is_swapped)),
                ..Said::default()
            });
        }
    }
    if said.is_empty() {
        return Ok(Vec::new());
    }
    take_in(folder, &said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::items;
    use crate::examples::study;
    use crate::room::answers::Answer;
    use crate::room::ballots::{Device, Outcome, Room};
    use crate::study::agreement::agreement;
    use crate::study::design::Study;
    use crate::study::folder::create;
    use crate::study::value::Value;

    #[test]
    fn what_phones_answer_about_a_text_becomes_codes_of_coders_without_a_name() {
        let parent = tempfile::tempdir().unwrap();
        let mut folder = create(&parent.path().join("s"), Study { ..study() }, &items(3)).unwrap();
        let place = first_variable(&folder).unwrap();
        let room = Room::new("Seminar");
        let phones = [0, 1, 2].map(|at| Device::parse(&format!("{at:032x}")).unwrap());
        let now = std::time::Instant::now();
        for (item, answers) in [(0, [0, 0, 1]), (2, [1, 1, 3])] {
            let question = question(&folder, item, place).unwrap();
            let id = question.id.clone();
            room.ask(question).unwrap();
            for (phone, answer) in phones.into_iter().zip(answers) {
                assert_eq!(room.vote(phone, &id, Answer::Option(answer), now), Outcome::Counted);
            }
            room.reveal();
            take_votes(&mut folder, &room.asked(), "r1", "2026-11-28T18:00:00Z").unwrap();
        }
        assert_eq!(folder.logs.len(), 3);
        let of = |phone: &str| {
            let log = folder.logs.iter().find(|log| log.coder == phone).unwrap();
            [0, 2].map(|item| log.verdict(item, 1).and_then(|said| said.value(place)).cloned())
        };
        assert_eq!(of("r1-phone-1"), [Some(Value::words("good")), Some(Value::words("bad"))]);
        assert_eq!(of("r1-phone-3"), [Some(Value::words("bad")), Some(Value::DontKnow)]);
        // Said once: taking the same votes in again adds nothing.
        let again = take_votes(&mut folder, &room.asked(), "r1", "2026-11-28T18:00:00Z").unwrap();
        assert!(again.iter().all(|merged| merged.added == 0));
        assert_eq!(agreement(&folder, 0).coders.len(), 3);
    }
}
