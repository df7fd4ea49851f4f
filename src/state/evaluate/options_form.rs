//! What the form asks of exams, of judges and of ratings: which columns, and what is missing.

use crate::evaluate::task::exam::Exam;
use crate::evaluate::task::judge::Judge;
use crate::evaluate::task::rating::Rate;

/// The columns of the two answers as files of preference pairs and comparisons often call them.
const PAIRS: [[&str; 2]; 8] = [
    ["chosen", "rejected"],
    ["answer_a", "answer_b"],
    ["response_a", "response_b"],
    ["answer_1", "answer_2"],
    ["response_1", "response_2"],
    ["output_1", "output_2"],
    ["base", "adapter"],
    ["before", "after"],
];

/// The table was read: columns that are not there any more are not chosen, and where none is, those that are
/// called so are.
pub fn set_exam_columns(exam: &mut Exam, columns: &[String]) {
    let is_there = |name: &String| columns.contains(name);
    exam.options.retain(is_there);
    exam.answer = exam.answer.take().filter(is_there);
    exam.subject = exam.subject.take().filter(is_there);
    if exam.options.is_empty() {
        exam.options = usual_options(columns);
    }
    let called = |names: &[&str]| {
        let is_called = |column: &&String| names.contains(&column.to_lowercase().trim());
        columns.iter().find(is_called).filter(|column| !exam.options.contains(column)).cloned()
    };
    if exam.answer.is_none() {
        exam.answer =
            called(&["answer", "answerkey", "answer_key", "right", "correct", "label", "key"]);
    }
    if exam.subject.is_none() {
        exam.subject = called(&["subject", "category", "topic"]);
    }
}

/// `option_1`, `option_2`…; `A`, `B`…; one column with all of them.
fn usual_options(columns: &[String]) -> Vec<String> {
    let all = |is_option: &dyn Fn(&str) -> bool| {
        let found: Vec<String> =
            columns.iter().filter(|name| is_option(name.to_lowercase().trim())).cloned().collect();
        found
    };
    let numbered = all(&|name| {
        let number = name.strip_prefix("option").or_else(|| name.strip_prefix("choice"));
        number.is_some_and(|rest| !rest.is_empty() && rest != "s")
    });
    if numbered.len() > 1 {
        return numbered;
    }
    let letters = all(&|name| matches!(name, "a" | "b" | "c" | "d" | "e" | "f"));
    if letters.len() > 1 {
        return letters;
    }
    let mut lists = all(&|name| matches!(name, "options" | "choices"));
    lists.truncate(1);
    lists
}

pub fn set_judge_columns(judge: &mut Judge, columns: &[String]) {
    let is_there = |name: &String| columns.contains(name);
    for answer in &mut judge.answers {
        if !is_there(answer) {
            answer.clear();
        }
    }
    judge.human = judge.human.take().filter(is_there);
    if judge.answers.iter().any(|answer| !answer.is_empty()) {
        return;
    }
    let find =
        |name: &str| columns.iter().find(|column| column.to_lowercase().trim() == name).cloned();
    let pair = PAIRS.iter().find_map(|[first, second]| Some([find(first)?, find(second)?]));
    let Some(pair) = pair else { return };
    if pair[0].eq_ignore_ascii_case("chosen") && judge.human.is_none() {
        // Of such a file people's verdict is known.
        judge.verdict = Some("first".to_owned());
    }
    judge.answers = pair;
}

/// Columns that are not there any more are not chosen; what was asked is found by its usual names.
pub fn set_rate_columns(rate: &mut Rate, columns: &[String]) {
    let is_there = |name: &String| columns.contains(name);
    rate.human.retain(is_there);
    for column in [&mut rate.prompt, &mut rate.inclusion, &mut rate.by] {
        *column = column.take().filter(is_there);
    }
    let is_prompt = |name: &&String| {
        matches!(name.to_lowercase().trim(), "prompt" | "question" | "instruction" | "input")
    };
    if rate.prompt.is_none() {
        rate.prompt = columns.iter().find(is_prompt).cloned();
    }
}

/// What is missing of a rating, as a sentence.
pub fn rate_obstacle(rate: &Rate, text: &str) -> Option<String> {
    if let Some(problem) = rate.problem() {
        return Some(problem);
    }
    let other = rate.prompt.iter().chain(&rate.human).find(|column| *column == text)?;
    Some(format!("The column \"{other}\" has what is rated: choose another for the rest"))
}

/// What is missing of an exam, as a sentence.
pub fn exam_obstacle(exam: &Exam, question: &str) -> Option<String> {
    if exam.options.is_empty() {
        return Some("Choose the columns with the options of the questions".to_owned());
    }
    let other = exam.answer.iter().chain(exam.options.iter()).find(|column| *column == question)?;
    Some(format!(
        "The column \"{other}\" has the questions: choose another for the options and the answer"
    ))
}

/// What is missing of a judge, as a sentence.
pub fn judge_obstacle(judge: &Judge, prompt: &str) -> Option<String> {
    let [first, second] = &judge.answers;
    if first.is_empty() || second.is_empty() {
        return Some("Choose the columns of the two answers".to_owned());
    }
    if first == second {
        return Some(format!(
            "Both answers are in the column \"{first}\": choose another for one of them"
        ));
    }
    let other = judge.answers.iter().find(|column| *column == prompt)?;
    Some(format!("The column \"{other}\" has the prompts: choose another for the answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns<const N: usize>(names: [&str; N]) -> Vec<String> {
        names.map(str::to_owned).to_vec()
    }

    #[test]
    fn the_columns_of_an_exam_are_found_by_their_usual_names() {
        let mut exam = Exam::default();
        assert!(exam_obstacle(&exam, "question").unwrap().contains("columns with the options"));
        set_exam_columns(
            &mut exam,
            &columns(["id", "subject", "question", "A", "B", "C", "answer"]),
        );
        assert_eq!(exam.options, ["A", "B", "C"]);
        assert_eq!(exam.answer.as_deref(), Some("answer"));
        assert_eq!(exam.subject.as_deref(), Some("subject"));
        assert_eq!(exam_obstacle(&exam, "question"), None);
        assert!(exam_obstacle(&exam, "answer").unwrap().contains("\"answer\" has the questions"));
        // Another table: what it lacks is not chosen any more.
        set_exam_columns(&mut exam, &columns(["question", "choices", "answerKey"]));
        assert_eq!(exam.options, ["choices"]);
        assert_eq!(exam.answer.as_deref(), Some("answerKey"));
        assert_eq!(exam.subject, None);
    }

    #[test]
    fn a_rating_finds_what_was_asked_and_says_what_cannot_be() {
        let mut rate = Rate { human: columns(["anna", "gone"]), ..Rate::default() };
        set_rate_columns(&mut rate, &columns(["question", "response", "anna"]));
        assert_eq!((rate.prompt.as_deref(), rate.human.len()), (Some("question"), 1));
        assert_eq!(rate_obstacle(&rate, "response"), None);
        assert!(rate_obstacle(&rate, "anna").unwrap().contains("\"anna\" has what is rated"));
        rate.to = 0;
        assert!(rate_obstacle(&rate, "response").unwrap().contains("scale from 1 to 0"));
    }

    #[test]
    fn the_columns_of_two_answers_are_found_and_chosen_ones_stay() {
        let mut judge = Judge::default();
        assert!(judge_obstacle(&judge, "prompt").unwrap().contains("two answers"));
        set_judge_columns(&mut judge, &columns(["prompt", "chosen", "rejected"]));
        assert_eq!(judge.answers, ["chosen", "rejected"]);
        assert_eq!(judge.verdict.as_deref(), Some("first"), "people chose the first");
        assert_eq!(judge_obstacle(&judge, "prompt"), None);
        assert!(judge_obstacle(&judge, "chosen").unwrap().contains("has the prompts"));
        judge.answers = ["rejected", "rejected"].map(str::to_owned);
        assert!(judge_obstacle(&judge, "prompt").unwrap().contains("Both answers"));
        set_judge_columns(&mut judge, &columns(["prompt", "rejected", "response_a", "response_b"]));
        assert_eq!(judge.answers, ["rejected", "rejected"]);
    }
}
