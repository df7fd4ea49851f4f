//! Texts and answers are rated on a scale: the distribution over its numbers, whose expected value is the rating.

use tuning_fork_engine::evaluate::asking::prepared::Prepared;
use tuning_fork_engine::evaluate::asking::run::Asker;
use tuning_fork_engine::evaluate::report::Report;
use tuning_fork_engine::evaluate::report::methods;
use tuning_fork_engine::evaluate::results::folder::{Folder, TABLE};
use tuning_fork_engine::evaluate::stability::testing::{self, Settings};
use tuning_fork_engine::evaluate::task::Task;
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Progress, Quiet};
use tuning_fork_engine::llm::Weights;

use crate::evaluations::{ask, repository};
use crate::support::load;

#[test]
fn the_sample_answers_are_rated_by_what_they_are_expected_to_get() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&repository("sample_data/tiny_model"), Weights::AsStored);
    let task = Task::read(&repository("sample_data/evaluate/ratings.toml")).unwrap();
    let prepared = Prepared::read(&Task { rows: 6, ..task }, &Quiet).unwrap();
    let first = prepared.form.first(&prepared.questions.list[0]).unwrap();
    assert!(first.content.starts_with("Somebody asked:\nIs a researcher"), "{}", first.content);
    assert!(
        first.content.ends_with("from 1 (worst) to 5 (best). Say the number and nothing else.")
    );
    assert_eq!(first.answers, ["1", "2", "3", "4", "5"]);
    let rated = folder.path().join("rated");
    ask(&model, &prepared, &rated, &Quiet);
    let (evaluation, answered) = Folder::read(&rated).unwrap();
    let report = Report::of(&evaluation, &answered);
    let scale = report.scale.as_ref().unwrap();
    assert_eq!(scale.by_group.len(), 2, "chosen and rejected");
    assert_eq!(scale.people.len(), 3, "two raters and most of them");
    let expected = |row: &u64| -> f64 {
        let shares = answered[row].probabilities.iter().zip(1..);
        shares.map(|(share, value)| share * f64::from(value)).sum()
    };
    let chosen = [1, 3, 5].iter().map(expected).sum::<f64>() / 3.0;
    let (name, rows, mean) = &scale.by_group[0];
    assert_eq!((name.as_str(), *rows), ("chosen", 3));
    assert!((mean.value.value.unwrap() - chosen).abs() < 1e-9);
    let page = methods::markdown(&evaluation, &report);
    for words in ["were rated by", "the number, less that of longer numbers", "| chosen | 3 |"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let table = std::fs::read_to_string(rated.join(TABLE)).unwrap();
    assert!(table.lines().next().unwrap().contains("model_p_5,model_expected"), "{table}");
    let refused =
        testing::run(((&model, None), &evaluation.model), &prepared, &Settings::default(), &Quiet);
    assert!(refused.unwrap_err().to_string().contains("no part [code]"));
}

/// To this model's tokenizer 10 is the digits 1 and 0: what goes on after the 1 is no 1.
#[test]
fn of_one_to_ten_the_one_has_nothing_of_the_ten() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&repository("sample_data/tiny_model"), Weights::AsStored);
    let quiet: &dyn Progress<()> = &Quiet;
    let rows = |text: &str| {
        files::write_atomic(&folder.path().join("rows.csv"), text.as_bytes()).unwrap();
    };
    let prepared = |task: &str| {
        let path = folder.path().join("task.toml");
        files::write_atomic(&path, format!("data = \"rows.csv\"\n{task}").as_bytes()).unwrap();
        Prepared::read(&Task::read(&path).unwrap(), &Quiet)
    };
    let answer = |task: &str| {
        let prepared = prepared(task).unwrap();
        let mut asker = Asker::new((&model, None), &prepared).unwrap();
        asker.answer(&prepared.questions.list[0], quiet).unwrap()
    };
    rows("text,said\na word,7.0\n");
    let rated = answer("[rate]\ntext = \"text\"\nto = 10\nhuman = [\"said\"]\n");
    assert_eq!(rated.human, [Some(6)]);
    // The same as labels, of which the shorter begins the longer one.
    let classes: Vec<String> =
        (1..=10).map(|it| format!("[[classes]]\nlabel = \"{it}\"\n")).collect();
    let classes = classes.concat();
    let codebook = format!("instruction = \"-\"\n{classes}");
    files::write_atomic(&folder.path().join("book.toml"), codebook.as_bytes()).unwrap();
    let prompt = "Text:\n{text}\n\nHow good is it? Good is what is right, clear and helps with what was asked.\n\n\
                  Rate it with a whole number from 1 (worst) to 10 (best). Say the number and nothing else.";
    let labels = answer(&format!(
        "prompt = \"\"\"{prompt}\"\"\"\n[code]\ntext = \"text\"\ncodebook = \"book.toml\"\n"
    ));
    let (one, ten) = (labels.logprobs[0].exp(), labels.logprobs[9].exp());
    assert!((rated.logprobs[0].exp() - (one - ten)).abs() < 1e-9, "{rated:?}");
    assert!((rated.logprobs[9] - labels.logprobs[9]).abs() < 1e-9);
    assert!((rated.mass - (labels.mass - ten)).abs() < 1e-9);
    rows("text,said\na word,3.5\n");
    let wrong = prepared("[rate]\ntext = \"text\"\nhuman = [\"said\"]\n").unwrap_err();
    let said = tuning_fork_engine::errors::one_line(&wrong);
    assert!(said.contains("“3.5” is no whole number from 1 to 5"), "{said}");
}
