//! How an option's score was computed, in words.

use super::evaluation::Evaluation;
use super::server_way::ServerWay;
use crate::evaluate::task::{AnswerForm, Kind, Scoring, Task};

/// Where one option begins another, and options are scored by the sum of their tokens.
pub const ALIKE: &str = "Some options begin with the words of another one. Whoever says the longer one has said the \
                         shorter one on the way, so by the sum of its tokens the longer one can never be the answer. \
                         Letters, or the mean over tokens, give it a chance.";

/// Whether one of them is how another one begins, as far as words tell.
pub fn begin_alike(options: &[String]) -> bool {
    let mut sorted: Vec<&str> = options.iter().map(String::as_str).collect();
    // What begins with an option then stands right behind it.
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[1].len() > pair[0].len() && pair[1].starts_with(pair[0]))
}

/// Whether an option of a task can never be the answer: it begins with the words of another one.
pub fn some_cannot_be_chosen(task: &Task, options: &[String]) -> bool {
    // What numbers on a scale have in common is told apart.
    task.rate.is_none()
        && scores_whole_texts(task)
        && task.score == Scoring::Sum
        && begin_alike(options)
}

/// Whether it is the whole text of an option that is scored, and not its letter.
fn scores_whole_texts(task: &Task) -> bool {
    match task.answer {
        AnswerForm::Letter => false,
        AnswerForm::Text => task.judge.is_none(),
        AnswerForm::Usual => task.code.is_some() || task.rate.is_some(),
    }
}

/// `None`: answers were written, or read from what a server wrote.
pub fn how_scored(evaluation: &Evaluation) -> Option<String> {
    let task = &evaluation.task;
    if evaluation.several {
        return Some(of_each(evaluation));
    }
    // A survey is read in several ways, and says so itself.
    if task
        .kind()
        .is_ok_and(|kind| kind.writes() || matches!(kind, Kind::Survey(_) | Kind::Perplexity(_)))
    {
        return None;
    }
    let scored = if task.rate.is_some() {
        "the number, less that of longer numbers which begin with it,"
    } else if scores_whole_texts(task) {
        "the whole text of an option"
    } else {
        "the letter of an option"
    };
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
    if evaluation.labels.as_deref().is_some_and(|labels| some_cannot_be_chosen(task, labels)) {
        said.push_str(&format!(" {ALIKE}"));
    }
    Some(said)
}

/// Where each label is asked about by itself.
fn of_each(evaluation: &Evaluation) -> String {
    if evaluation.way.is_some_and(ServerWay::is_approximate) {
        return "A row can have several labels: the model was asked about each by itself, and answered yes or no."
            .to_owned();
    }
    let scoring = match evaluation.task.score {
        Scoring::Sum => "",
        Scoring::Mean => ", as the mean over its tokens",
        Scoring::Prior => ", each less what it is without the text",
    };
    let line = match evaluation.task.threshold() {
        Some(threshold) => format!("{threshold} or more"),
        None => "one half or more".to_owned(),
    };
    let day = evaluation.threshold_set.as_ref().map(|at| at.get(..10).unwrap_or(at));
    let set = day.map(|day| format!(", which was set on {day}, after the answers were there"));
    let set = set.unwrap_or_default();
    format!(
        "A row can have several labels: the model was asked about each by itself. Nothing was sampled: the \
         probability of a label is that of “Yes” after the prompt beside that of “No”, computed from their \
         log-probabilities{scoring}, and made to add up to one; a label applies where it is {line}{set}."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::task::code::Code;

    #[test]
    fn options_that_begin_another_one_are_told_where_the_longer_one_cannot_be_chosen() {
        let labels = ["agree", "agree a little", "no"].map(str::to_owned);
        let task =
            |answer, score| Task { answer, score, code: Some(Code::default()), ..Task::default() };
        let cannot = |answer, score| some_cannot_be_chosen(&task(answer, score), &labels);
        assert!(cannot(AnswerForm::Usual, Scoring::Sum));
        assert!(cannot(AnswerForm::Text, Scoring::Sum));
        assert!(!cannot(AnswerForm::Letter, Scoring::Sum));
        assert!(!cannot(AnswerForm::Usual, Scoring::Mean));
        assert!(!cannot(AnswerForm::Usual, Scoring::Prior));
        let apart = ["agree", "disagree"].map(str::to_owned);
        assert!(!some_cannot_be_chosen(&task(AnswerForm::Usual, Scoring::Sum), &apart));
    }
}
