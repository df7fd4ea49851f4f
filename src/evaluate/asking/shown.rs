//! Rows with their right answers that the model is shown before each question: few-shot coding, exams with
//! examples.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::evaluate::prompt::Form;
use crate::evaluate::rows::question::{EXAMPLES, Question};
use crate::evaluate::rows::questions::Questions;
use crate::evaluate::task::{Examples, TaskError};

/// Shows examples before every question. `others`: the rows of the table that they are from; without one they
/// are drawn from the questions themselves, of which those are then not asked.
pub fn show(
    questions: &mut Questions,
    others: Option<Vec<Question>>,
    (examples, form, seed): (&Examples, &mut Form, u64),
) -> Result<(), TaskError> {
    let (are_own, is_exam) = (others.is_none(), questions.codebook.is_none());
    let mut known: Vec<(Question, Vec<usize>)> = others
        .unwrap_or_else(|| questions.list.clone())
        .into_iter()
        .filter_map(|question| Some((right(&question)?, question)))
        .map(|(right, question)| (question, right))
        .collect();
    known.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    if known.len() < examples.count {
        let what = if are_own { "this table" } else { "the table of the examples" };
        return Err(TaskError::Unusable(format!(
            "the task shows {} examples, and {} rows of {what} have a right answer on which people agree",
            examples.count,
            known.len()
        )));
    }
    if are_own {
        known.truncate(examples.count);
        let shown: Vec<u64> = known.iter().map(|(question, _)| question.row.place.row).collect();
        questions.list.retain(|question| !shown.contains(&question.row.place.row));
    }
    if form.asks_each() {
        let shown = known.into_iter().take(examples.count);
        let text =
            |question: &Question| question.part("text").unwrap_or_default().trim().to_owned();
        form.show(shown.map(|(question, right)| (text(&question), right)).collect());
        return Ok(());
    }
    for question in &mut questions.list {
        // Of a subject its own examples, where there are any.
        let same = |example: &&(Question, Vec<usize>)| is_exam && example.0.group == question.group;
        let of_subject: Vec<&(Question, Vec<usize>)> = known.iter().filter(same).collect();
        let chosen =
            if of_subject.is_empty() || are_own { known.iter().collect() } else { of_subject };
        let words: Vec<String> = chosen
            .into_iter()
            .take(examples.count)
            .filter_map(|(example, right)| Some(form.example(example, *right.first()?)))
            .collect();
        question.parts.push((EXAMPLES, format!("Examples:\n\n{}\n\n", words.join("\n\n"))));
    }
    Ok(())
}

/// The answer on which all agree who gave one; of several labels, all that the text has.
fn right(question: &Question) -> Option<Vec<usize>> {
    let one = question.human.iter().flatten().map(|one| vec![*one]);
    let mut said = one.chain(question.human_sets.iter().flatten().cloned());
    let first = said.next()?;
    let is_known = first.iter().all(|place| *place < question.options.len());
    let agree = is_known && said.all(|other| other == first);
    (agree && question.problem.is_none()).then_some(first)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::evaluate::asking::prepared::Prepared;
    use crate::evaluate::task::Task;
    use crate::files;
    use crate::jobs::Quiet;

    /// Ten questions of two subjects, and a file of four more.
    fn task(folder: &tempfile::TempDir, rest: &str) -> Task {
        let row = |at: u32| {
            let subject = if at.is_multiple_of(2) { "sums" } else { "words" };
            format!(
                "{subject},What is {at}?,one,two,{}\n",
                if at.is_multiple_of(3) { "A" } else { "B" }
            )
        };
        for (name, rows) in [("exam.csv", 0..10), ("dev.csv", 100..104)] {
            let rows: String = rows.map(row).collect();
            let text = format!("subject,question,A,B,answer\n{rows}");
            files::write_atomic(&folder.path().join(name), text.as_bytes()).unwrap();
        }
        let text = format!(
            "data = 'exam.csv'\n{rest}\n[exam]\nquestion = 'question'\noptions = ['A', 'B']\n\
             answer = 'answer'\nsubject = 'subject'\n"
        );
        let path: PathBuf = folder.path().join("task.toml");
        files::write_atomic(&path, text.as_bytes()).unwrap();
        Task::read(&path).unwrap()
    }

    #[test]
    fn examples_of_the_same_subject_stand_before_a_question() {
        let folder = tempfile::tempdir().unwrap();
        let task = task(&folder, "examples = { count = 1, data = 'dev.csv' }");
        let prepared = Prepared::read(&task, &Quiet).unwrap();
        assert_eq!(prepared.questions.list.len(), 10);
        for (question, at) in prepared.questions.list.iter().zip(0..) {
            let first = prepared.form.first(question).unwrap();
            let (example, asked) = first.content.rsplit_once("\n\nWhat is").unwrap();
            let even = example.contains("What is 100?") || example.contains("What is 102?");
            assert_eq!(even, at % 2 == 0, "{}", first.content);
            assert!(example.contains("A. one\nB. two\n\nAnswer: "), "{example}");
            assert!(asked.starts_with(&format!(" {at}?")), "{asked}");
        }
        assert!(prepared.examples_sha256.is_some());
    }

    #[test]
    fn of_several_labels_an_example_says_whether_it_has_the_one_that_is_asked_about() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            files::write_atomic(&folder.path().join(name), text.as_bytes()).unwrap();
        };
        write(
            "codes.toml",
            "instruction = 'Say the topics.'\nseveral = true\n[[classes]]\nlabel = 'war'\n[[classes]]\nlabel = 'trade'\n",
        );
        // On the second row the coders do not agree; of the last one nothing is known.
        write(
            "texts.csv",
            "text,ann,bob\nguns,war,war\ntariffs,trade,war\nguns for oil,war; trade,\nrain,none,\nsun,,\n",
        );
        let task = "data = 'texts.csv'\nexamples = { count = 3 }\n[code]\ntext = 'text'\n\
                    codebook = 'codes.toml'\nhuman = ['ann', 'bob']\n";
        write("task.toml", task);
        let task = Task::read(&folder.path().join("task.toml")).unwrap();
        let prepared = Prepared::read(&task, &Quiet).unwrap();
        let asked: Vec<_> = prepared.questions.list.iter().map(|it| it.row.place.row).collect();
        assert_eq!(asked, [2, 5], "what is shown is not asked about");
        let [war, trade] = &prepared.form.presentations(&prepared.questions.list[1]).unwrap()[..]
        else {
            panic!("a question about each label is expected");
        };
        for (content, right) in [
            (&war.content, [("guns", "Yes"), ("guns for oil", "Yes"), ("rain", "No")]),
            (&trade.content, [("guns", "No"), ("guns for oil", "Yes"), ("rain", "No")]),
        ] {
            let label = if content == &war.content { "war" } else { "trade" };
            for (text, answer) in right {
                let example = format!("Text: {text}\nDoes the label “{label}” apply? {answer}\n\n");
                assert!(content.contains(&example), "{content}");
            }
            assert!(content.contains("\n\nText: sun\n\nLabel: "), "{content}");
        }
        let without = Task { prompt: Some("{text} {label}".to_owned()), ..task };
        let said = Prepared::read(&without, &Quiet).unwrap_err().to_string();
        assert!(said.contains("does not show {examples}"), "{said}");
    }

    #[test]
    fn examples_from_the_table_itself_are_not_asked_about() {
        let folder = tempfile::tempdir().unwrap();
        let shown = task(&folder, "examples = { count = 3 }");
        let prepared = Prepared::read(&shown, &Quiet).unwrap();
        assert_eq!(prepared.questions.list.len(), 7);
        let first = prepared.form.first(&prepared.questions.list[0]).unwrap().content;
        assert_eq!(first.matches("Answer: ").count(), 3, "{first}");
        let many = task(&folder, "examples = { count = 11 }");
        let said = Prepared::read(&many, &Quiet).unwrap_err().to_string();
        assert!(said.contains("10 rows of this table have a right answer"), "{said}");
        let none = Task { prompt: Some("{question} {options}".to_owned()), ..shown };
        let said = Prepared::read(&none, &Quiet).unwrap_err().to_string();
        assert!(said.contains("does not show {examples}"), "{said}");
    }
}
