//! How an option's score was computed, in words.

use super::results::Evaluation;
use super::server_way::ServerWay;
use super::task::{AnswerForm, Kind, Scoring};

/// Where one option begins another.
pub const ENDED: &str = "Some options begin with the words of another one; where their tokens do, the token that \
                         ends an answer was scored with each option, so that the longer one can be chosen.";

const WHOLE: &str = "the whole text of an option";

/// Whether one of them is how another one begins, as far as words tell.
pub fn begin_alike(options: &[String]) -> bool {
    let begins =
        |one: &String, other: &String| other.len() > one.len() && other.starts_with(one.as_str());
    options.iter().any(|one| options.iter().any(|other| begins(one, other)))
}

/// `None`: answers were written, or read from what a server wrote.
pub fn how_scored(evaluation: &Evaluation) -> Option<String> {
    let task = &evaluation.task;
    // A survey is read in several ways, and says so itself.
    if task.kind().is_ok_and(|kind| kind.writes() || matches!(kind, Kind::Survey(_))) {
        return None;
    }
    let scored = match (task.answer, task.kind()) {
        (AnswerForm::Letter, _)
        | (_, Ok(Kind::Judge(_)))
        | (AnswerForm::Usual, Ok(Kind::Exam(_))) => "the letter of an option",
        _ => WHOLE,
    };
    let is_whole = scored == WHOLE;
    let scoring = match task.score {
        Scoring::Sum => "",
        Scoring::Mean => ", as the mean over its tokens",
        Scoring::Prior => ", less its log-probability without the text",
    };
    if evaluation.way.is_some_and(ServerWay::is_approximate) {
        return None;
    }
    let mut said = format!(
        "Nothing was sampled: an answer is the option with the highest probability, computed from the \
         log-probability of {scored} after the prompt{scoring}, and made to add up to one over the options."
    );
    // Another server's model is not asked for what ends an answer.
    let is_exact = evaluation.way.is_none_or(|way| way == ServerWay::Labels);
    if is_whole && is_exact && evaluation.labels.as_deref().is_some_and(begin_alike) {
        said.push_str(&format!(" {ENDED}"));
    }
    Some(said)
}
