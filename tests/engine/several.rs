//! A text can have several labels: each is asked about by itself, and people's sets of labels are beside the model's.

use std::cell::Cell;
use std::path::Path;

use tuning_fork_engine::data::table;
use tuning_fork_engine::evaluate::asking::prepared::Prepared;
use tuning_fork_engine::evaluate::asking::run::Asker;
use tuning_fork_engine::evaluate::report::Report;
use tuning_fork_engine::evaluate::report::methods;
use tuning_fork_engine::evaluate::results::folder::{Folder, RESULTS, TABLE};
use tuning_fork_engine::evaluate::results::people;
use tuning_fork_engine::evaluate::results::table::OF_MODEL;
use tuning_fork_engine::evaluate::stability::Test;
use tuning_fork_engine::evaluate::stability::testing::{self, Settings, Testing};
use tuning_fork_engine::evaluate::task::Task;
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Progress, Quiet, Recorder};
use tuning_fork_engine::llm::Weights;
use tuning_fork_engine::study;
use tuning_fork_engine::study::draw::Sampling;
use tuning_fork_engine::study::item::Columns;
use tuning_fork_engine::study::log::Verdict;
use tuning_fork_engine::study::make::Plans;
use tuning_fork_engine::study::value::Value;
use tuning_fork_engine::study::variable::Variables;

use crate::evaluations::{StopAfter, ask, repository};
use crate::support::load;

const LABELS: [&str; 3] = ["war", "trade", "health"];

/// Twelve texts, one of them empty; a person has said something of eleven.
fn task(folder: &Path, more: &str) -> Task {
    let mut rows = String::from("id,text,person\n");
    for index in 0..12 {
        let text =
            if index == 3 { String::new() } else { format!("word {index} and {}", index * 31 % 7) };
        let person = ["war; trade", "none", "health", "trade"][index % 4];
        let person = if index == 5 { "" } else { person };
        rows.push_str(&format!("r{index},{text},{person}\n"));
    }
    files::write_atomic(&folder.join("rows.csv"), rows.as_bytes()).unwrap();
    let classes: Vec<String> = LABELS
        .iter()
        .map(|label| format!("[[classes]]\nlabel = \"{label}\"\ndefinition = \"about {label}\"\n"))
        .collect();
    let classes = classes.concat();
    let codebook = format!("instruction = \"Say the topics.\"\nseveral = true\n{classes}");
    files::write_atomic(&folder.join("book.toml"), codebook.as_bytes()).unwrap();
    let task = format!(
        "data = \"rows.csv\"\nid = \"id\"\n{more}[code]\ntext = \"text\"\ncodebook = \"book.toml\"\n\
         human = [\"person\"]\n"
    );
    files::write_atomic(&folder.join("task.toml"), task.as_bytes()).unwrap();
    Task::read(&folder.join("task.toml")).unwrap()
}

/// The same question about one label, put as a choice between two labels in two orders.
#[test]
fn a_label_is_as_likely_as_its_yes_against_its_no() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&repository("sample_data/tiny_model"), Weights::AsStored);
    let quiet: &dyn Progress<()> = &Quiet;
    for score in ["sum", "prior"] {
        let task = task(folder.path(), &format!("orders = 2\nscore = \"{score}\"\n"));
        let prepared = Prepared::read(&task, &Quiet).unwrap();
        let question = &prepared.questions.list[1];
        let answer =
            Asker::new((&model, None), &prepared).unwrap().answer(question, quiet).unwrap();
        let several = answer.several.as_ref().unwrap();
        assert_eq!((answer.index, several.each.len()), (None, 3));
        for (place, label) in LABELS.iter().enumerate() {
            let choice =
                "instruction = \"-\"\n[[classes]]\nlabel = \"Yes\"\n[[classes]]\nlabel = \"No\"\n";
            files::write_atomic(&folder.path().join("book.toml"), choice.as_bytes()).unwrap();
            let mut yes = Vec::new();
            for options in ["Yes or No", "No or Yes"] {
                let prompt = format!(
                    "Say the topics.\n\nText: {{text}}\n\nLabel: {label}\nDefinition: about {label}\n\nDoes this \
                     label apply to the text? Answer {options} and nothing else."
                );
                let mut one = Task { orders: 1, prompt: Some(prompt), ..task.clone() };
                one.code.as_mut().unwrap().human.clear();
                let prepared = Prepared::read(&one, &Quiet).unwrap();
                let question = &prepared.questions.list[1];
                let mut asker = Asker::new((&model, None), &prepared).unwrap();
                yes.push(asker.answer(question, quiet).unwrap().probabilities[0]);
            }
            let right = f64::midpoint(yes[0], yes[1]);
            assert!((answer.probabilities[place] - right).abs() < 1e-6, "{label}: {answer:?}");
            assert_eq!(several.applies.contains(&place), right >= 0.5, "{label}");
        }
    }
}

#[test]
fn it_resumes_to_the_same_bytes_and_says_what_people_say_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&repository("sample_data/tiny_model"), Weights::AsStored);
    let prepared = Prepared::read(&task(folder.path(), "orders = 2\n"), &Quiet).unwrap();
    let whole = folder.path().join("whole");
    ask(&model, &prepared, &whole, &Quiet);
    let parts = folder.path().join("parts");
    for stop in [2, 1, 4, 100] {
        ask(&model, &prepared, &parts, &StopAfter(Cell::new(stop)));
    }
    for name in [RESULTS, TABLE] {
        assert!(
            std::fs::read(parts.join(name)).unwrap() == std::fs::read(whole.join(name)).unwrap()
        );
    }
    let (evaluation, answered) = Folder::read(&whole).unwrap();
    let report = Report::of(&evaluation, &answered);
    assert_eq!((report.rows, report.answered, report.problems), (12, 11, 1));
    let several = report.several.as_ref().unwrap();
    assert_eq!((several.labels.len(), several.sets[0].items), (3, 10));
    assert!(several.changed.is_some(), "two orders were asked");
    let sets: Vec<Vec<usize>> =
        answered.values().filter_map(|row| Some(row.several.clone()?.applies)).collect();
    for (place, (label, share)) in several.labels.iter().zip(&report.shares).enumerate() {
        let count = sets.iter().filter(|set| set.contains(&place)).count();
        assert_eq!((share.label.as_str(), share.count), (LABELS[place], count));
        let against = &label.people[0];
        assert_eq!((against.items, against.labels[0].models + against.labels[1].models), (10, 10));
    }
    let page = methods::markdown(&evaluation, &report);
    for words in [
        "A row can have several labels",
        "## Sets of labels",
        "## Label by label, against person",
        "Against person the model's set of labels is the same in",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    // The table has the labels as a list, and each one's probability.
    let rows = table::rows(&whole.join(TABLE), &Quiet).unwrap().rows;
    let first = answered[&1].several.as_ref().unwrap();
    let listed = serde_json::json!(first.applies.iter().map(|at| LABELS[*at]).collect::<Vec<_>>());
    assert_eq!(rows[0].get("model_answer").unwrap().as_str().unwrap(), listed.to_string());
    let share: f64 = rows[0].get("model_p_war").unwrap().as_str().unwrap().parse().unwrap();
    assert!((share - answered[&1].probabilities[0]).abs() < 1e-12);
}

#[test]
fn a_model_is_tested_with_a_codebook_of_several_labels_label_by_label() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&repository("sample_data/tiny_model"), Weights::AsStored);
    let prepared = Prepared::read(&task(folder.path(), ""), &Quiet).unwrap();
    let events: Recorder<Testing> = Recorder::default();
    let settings = Settings { rows: 5, ..Settings::default() };
    let asked = ((&model, None), &model.card().identity);
    let found = testing::run(asked, &prepared, &settings, &events).unwrap();
    assert!(found.several && found.rows == 5);
    let events = events.into_events();
    let last = events.last().unwrap();
    assert_eq!((events.len(), last.done + 1), (last.total, last.total));
    let outcome = |test: Test| found.outcomes.iter().find(|it| it.test == test).unwrap();
    assert_eq!(outcome(Test::LegalLabels).asked, 5, "a text about one label each");
    for test in [Test::Order, Test::GenericLabels, Test::SwappedLabels] {
        assert_eq!(outcome(test).asked, 15, "five texts and three labels: {test:?}");
    }
    assert_eq!(outcome(Test::Prompts).asked, 15);

    // The same, worked out from what the model answers.
    let quiet: &dyn Progress<()> = &Quiet;
    let mut asker = Asker::new((&model, None), &prepared).unwrap();
    let both = Prepared::read(&task(folder.path(), "orders = 2\n"), &Quiet).unwrap();
    let mut in_both = Asker::new((&model, None), &both).unwrap();
    let (mut labels, mut same) = (0, 0);
    let drawn: Vec<u64> =
        outcome(Test::LegalLabels).failures.iter().filter_map(|it| it.row).collect();
    for (question, both) in prepared.questions.list.iter().zip(&both.questions.list) {
        if !drawn.contains(&question.row.place.row) {
            continue;
        }
        labels += asker.answer(question, quiet).unwrap().several.unwrap().applies.len();
        let each = in_both.answer(both, quiet).unwrap().several.unwrap().each;
        same += each.iter().filter(|it| it.same_answer == Some(1.0)).count();
    }
    assert_eq!(drawn.len(), 5, "a model of random weights writes neither yes nor no");
    assert_eq!(outcome(Test::Exclusion).asked, labels);
    assert_eq!(outcome(Test::Order).value, Some(same as f64 / 15.0));
    let prompt = "{text}: {label}";
    let silent = Task { prompt: Some(prompt.to_owned()), ..prepared.task.clone() };
    let silent = Prepared::read(&silent, &Quiet).unwrap();
    let found = testing::run(asked, &silent, &settings, &Quiet).unwrap();
    let order = found.outcomes.iter().find(|it| it.test == Test::Order).unwrap();
    assert!(order.reason.as_ref().is_some_and(|it| it.contains("neither yes nor no")), "{order:?}");
    assert!(found.markdown().contains("when no is named before yes"));
}

#[test]
fn a_study_of_several_labels_joins_its_answers() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&repository("sample_data/tiny_model"), Weights::AsStored);
    let prepared = Prepared::read(&task(folder.path(), ""), &Quiet).unwrap();
    let evaluated = folder.path().join("evaluated");
    ask(&model, &prepared, &evaluated, &Quiet);
    let codebook = prepared.questions.codebook.as_ref().unwrap();
    let plans = Plans {
        name: "By hand".to_owned(),
        columns: Columns { id: "id".into(), text: "text".into(), ..Columns::default() },
        codebook: Variables::of_codebook(codebook),
        sampling: Sampling::Uncertain {
            columns: LABELS.iter().map(|label| format!("{OF_MODEL}{label}")).collect(),
            each: true,
            count: 4,
            random_share: 0.0,
        },
        ..Plans::default()
    };
    let rows = table::rows(&evaluated.join(TABLE), &Quiet).unwrap().rows;
    let study = folder.path().join("study");
    let now = "2026-11-30T00:00:00Z";
    let mut made = study::make::make(&study, plans, rows, ("results.csv", ""), now).unwrap();
    // The least certain first: by the mean entropy of its labels.
    let (_, answered) = Folder::read(&evaluated).unwrap();
    let entropy = |id: &str| {
        answered
            .values()
            .find(|row| row.id.as_ref().is_some_and(|known| known == id))
            .unwrap()
            .entropy
    };
    let mut all: Vec<f64> =
        answered.values().filter(|row| row.problem.is_none()).map(|row| row.entropy).collect();
    all.sort_by(|a, b| b.total_cmp(a));
    for (item, right) in made.items.iter().zip(&all) {
        assert!((entropy(&item.id) - right).abs() < 1e-12, "{}", item.id);
    }
    let log = made.join("Ada").unwrap();
    let says = |item: usize, labels: &[&str]| Verdict {
        item,
        pass: 1,
        values: [(0, Value::Labels(labels.iter().map(|label| (*label).to_owned()).collect()))]
            .into(),
        ..Verdict::default()
    };
    made.append_all(log, vec![says(0, &["health", "war"]), says(1, &[])]).unwrap();
    assert_eq!(people::take(&evaluated, &study, &Quiet).unwrap().labelled, 2);
    let (evaluation, answered) = Folder::read(&evaluated).unwrap();
    assert_eq!(evaluation.coders, ["person", "Ada"]);
    let said = |id: &str| {
        let row = answered.values().find(|row| row.id.as_ref().is_some_and(|known| known == id));
        row.unwrap().several.as_ref().unwrap().human[1].clone()
    };
    assert_eq!(said(&made.items[0].id), Some(vec![0, 2]));
    assert_eq!(said(&made.items[1].id), Some(vec![]), "none of them is an answer too");
    assert_eq!(said(&made.items[2].id), None);
}

#[test]
fn the_sample_task_and_what_does_not_go_with_several_labels() {
    let sample = Task::read(&repository("sample_data/evaluate/themes.toml")).unwrap();
    let questions = Prepared::read(&sample, &Quiet).unwrap().questions;
    assert_eq!((questions.list.len(), questions.coders.len()), (24, 1));
    assert!(questions.list.iter().all(|question| question.human_sets[0].is_some()));
    let folder = tempfile::tempdir().unwrap();
    let said = |more: &str| {
        let task = task(folder.path(), more);
        Prepared::read(&task, &Quiet).unwrap_err().to_string()
    };
    let letters = said("answer = \"letter\"\n");
    assert!(letters.contains("yes or no"), "{letters}");
    let prompt = said("prompt = \"{text} {options}\"\n");
    assert!(prompt.contains("does not show {label}"), "{prompt}");
    let rows = "id,text,person\nr0,a word,war; peace\n";
    let usable = task(folder.path(), "");
    files::write_atomic(&folder.path().join("rows.csv"), rows.as_bytes()).unwrap();
    let unknown =
        tuning_fork_engine::errors::one_line(&Prepared::read(&usable, &Quiet).unwrap_err());
    assert!(unknown.contains("“peace” is not a label of the codebook"), "{unknown}");
}
