//! An evaluation keeps every answer, resumes to the same bytes, and reads the sample tasks.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use tuning_fork_engine::data::codebook::Class;
use tuning_fork_engine::data::table;
use tuning_fork_engine::encoder::{Encoder, cosine};
use tuning_fork_engine::evaluate::asking::finder::Finder;
use tuning_fork_engine::evaluate::asking::prepared::Prepared;
use tuning_fork_engine::evaluate::asking::run::{self, AskEvent, Asker};
use tuning_fork_engine::evaluate::report::Report;
use tuning_fork_engine::evaluate::report::methods;
use tuning_fork_engine::evaluate::results::evaluation::differences;
use tuning_fork_engine::evaluate::results::folder::{Folder, RESULTS, TABLE};
use tuning_fork_engine::evaluate::results::frozen::configuration;
use tuning_fork_engine::evaluate::results::people;
use tuning_fork_engine::evaluate::results::table::OF_MODEL;
use tuning_fork_engine::evaluate::rows::passages::Ranking;
use tuning_fork_engine::evaluate::stability::testing::{self, Settings, Testing};
use tuning_fork_engine::evaluate::stability::{StabilityError, Test};
use tuning_fork_engine::evaluate::task::Task;
use tuning_fork_engine::evaluate::task::split::{Part, Split};
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Cancelled, Progress, Quiet, Recorder};
use tuning_fork_engine::llm::{Adapter, LoraSpec, Model, Weights};
use tuning_fork_engine::study;
use tuning_fork_engine::study::draw::Sampling;
use tuning_fork_engine::study::item::Columns;
use tuning_fork_engine::study::log::Verdict;
use tuning_fork_engine::study::make::Plans;
use tuning_fork_engine::study::value::Value;
use tuning_fork_engine::study::variable::{Variable, Variables};

use crate::support::{lively, load, reference};

pub fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Loses interest after so many answers.
pub struct StopAfter(pub Cell<usize>);

impl Progress<AskEvent> for StopAfter {
    fn emit(&self, _: AskEvent) {
        self.0.set(self.0.get().saturating_sub(1));
    }

    fn check(&self) -> Result<(), Cancelled> {
        if self.0.get() == 0 { Err(Cancelled) } else { Ok(()) }
    }
}

pub fn ask(model: &Model, prepared: &Prepared, folder: &Path, progress: &dyn Progress<AskEvent>) {
    let evaluation = prepared.evaluation(model, None, "as stored", "2026-11-28T00:00:00Z");
    let (folder, answered) = Folder::begin(folder, &evaluation, true).unwrap();
    let ended = run::run((model, None), prepared, &folder, answered, progress);
    if let Err(err) = ended {
        let said = tuning_fork_engine::errors::one_line(&err);
        assert!(said.contains("stopped"), "{said}");
    }
}

/// Ten texts, one of them empty and one far too long for the tiny model.
pub fn task(folder: &Path) -> Task {
    let mut rows = String::from("id,text,person\n");
    for index in 0..10 {
        let text = match index {
            3 => String::new(),
            7 => "long ".repeat(3000),
            _ => format!("word {index} and {}", index * 31 % 7),
        };
        let person = if index % 2 == 0 { "yes" } else { "not at all" };
        rows.push_str(&format!("r{index},{text},{person}\n"));
    }
    files::write_atomic(&folder.join("rows.csv"), rows.as_bytes()).unwrap();
    let codebook = "instruction = \"Odd?\"\n[[classes]]\nlabel = \"yes\"\n\
                    [[classes]]\nlabel = \"not at all\"\n[[classes]]\nlabel = \"not\"\n";
    files::write_atomic(&folder.join("book.toml"), codebook.as_bytes()).unwrap();
    let task = "data = \"rows.csv\"\nid = \"id\"\norders = 3\nscore = \"mean\"\n\
                [code]\ntext = \"text\"\ncodebook = \"book.toml\"\nhuman = [\"person\"]\n";
    files::write_atomic(&folder.join("task.toml"), task.as_bytes()).unwrap();
    Task::read(&folder.join("task.toml")).unwrap()
}

#[test]
fn an_evaluation_that_is_stopped_anywhere_resumes_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&repository("sample_data/tiny_model"), Weights::AsStored);
    let prepared = Prepared::read(&task(folder.path()), &Quiet).unwrap();
    let whole = folder.path().join("whole");
    ask(&model, &prepared, &whole, &Quiet);
    let bytes = |folder: &Path, name: &str| std::fs::read(folder.join(name)).unwrap();
    for stop in 1..10 {
        let parts = folder.path().join(format!("parts-{stop}"));
        ask(&model, &prepared, &parts, &StopAfter(Cell::new(stop)));
        // A crash in the middle of the next line.
        let results = parts.join(RESULTS);
        let mut lines = std::fs::read(&results).unwrap_or_default();
        lines.extend_from_slice(b"{\"row\":99,\"answer\":\"y");
        files::write_atomic(&results, &lines).unwrap();
        ask(&model, &prepared, &parts, &Quiet);
        for name in [RESULTS, TABLE] {
            assert!(bytes(&parts, name) == bytes(&whole, name), "{name} after {stop} rows");
        }
    }
    let (_, answered) = Folder::read(&whole).unwrap();
    assert_eq!(answered.len(), 10);
    assert!(answered[&4].problem.as_ref().unwrap().contains("\"text\" is empty"));
    assert!(answered[&8].cut.is_some_and(|cut| cut > 1000), "{:?}", answered[&8].problem);
    for answer in answered.values().filter(|answer| answer.problem.is_none()) {
        let sum: f64 = answer.probabilities.iter().sum();
        assert!((sum - 1.0).abs() < 1e-9, "{answer:?}");
    }
}

#[test]
fn an_evaluation_names_the_adapter_that_answered_however_it_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&repository("sample_data/tiny_model"), Weights::AsStored);
    let path = folder.path().join("adapter");
    let spec = LoraSpec {
        r: 4,
        lora_alpha: 8.0,
        lora_dropout: 0.0,
        use_rslora: false,
        target_modules: vec!["all-linear".to_owned()],
        ..LoraSpec::default()
    };
    let made = lively(&model, &spec);
    made.save(&path, &model.card().identity).unwrap();
    let adapter = Adapter::load(&path, &model).unwrap();
    let prepared = Prepared::read(&task(folder.path()), &Quiet).unwrap();
    let evaluation = prepared.evaluation(&model, Some(&adapter), "as stored", "");
    let weights = std::fs::read(path.join("adapter_model.safetensors")).unwrap();
    assert_eq!(evaluation.adapter_sha256, Some(files::sha256_of_bytes(&weights)));
    assert_eq!(prepared.evaluation(&model, None, "as stored", "").adapter_sha256, None);
}

#[test]
fn the_sample_tasks_are_whole() {
    for (name, rows, coders) in [("abstracts", 60, 3), ("exam", 30, 1), ("judge", 60, 1)] {
        let path = repository(&format!("sample_data/evaluate/{name}.toml"));
        let task = Task::read(&path).unwrap();
        let questions = Prepared::read(&task, &Quiet).unwrap().questions;
        assert_eq!((questions.list.len(), questions.coders.len()), (rows, coders), "{name}");
        assert!(questions.list.iter().all(|question| question.problem.is_none()), "{name}");
        let labelled = questions.list.iter().filter(|question| question.human[0].is_some());
        assert_eq!(labelled.count(), rows, "{name}");
    }
}

#[test]
fn the_sample_tasks_of_fields_texts_and_a_survey_are_whole() {
    // Rows, and how many of their answers people wrote.
    for (name, rows, by_hand) in
        [("articles", 12, 4), ("summaries", 12, 1), ("survey", 80, 0), ("questions", 24, 0)]
    {
        let path = repository(&format!("sample_data/evaluate/{name}.toml"));
        let questions = Prepared::read(&Task::read(&path).unwrap(), &Quiet).unwrap().questions;
        assert_eq!(questions.list.len(), rows, "{name}");
        for (question, row) in questions.list.iter().zip(1..) {
            assert_eq!((question.row.place.row, &question.problem), (row, &None), "{name}");
            let said = question.said.len();
            let poll = question.poll.as_ref();
            // Real people answered every item; everything else was read or written by hand.
            match poll {
                Some(poll) => {
                    assert!((poll.people.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{poll:?}");
                    assert_eq!((poll.refusals.as_slice(), said), (&[4][..], 0));
                }
                None => assert_eq!(said, by_hand),
            }
        }
    }
}

#[test]
fn a_prompt_that_names_a_column_which_is_not_there_is_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut task = task(folder.path());
    task.prompt = Some("{text} {tone} {options}".to_owned());
    let said = Prepared::read(&task, &Quiet).unwrap_err().to_string();
    assert!(said.contains("{tone}") && said.contains("{person}"), "{said}");
    task.prompt = Some("Say something. {options}".to_owned());
    let said = Prepared::read(&task, &Quiet).unwrap_err().to_string();
    assert!(said.contains("does not show {text}"), "{said}");
}

#[test]
fn stability_asks_as_often_as_it_says_and_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&repository("sample_data/tiny_model"), Weights::AsStored);
    let mut task = task(folder.path());
    let codebook = "instruction = \"Odd?\"\n[[classes]]\nlabel = \"yes\"\ndefinition = \"It is odd.\"\n\
                    positive_examples = [\"one\", \"three\"]\n[[classes]]\nlabel = \"no\"\n\
                    definition = \"It is even.\"\npositive_examples = [\"two\"]\n";
    files::write_atomic(&folder.path().join("book.toml"), codebook.as_bytes()).unwrap();
    if let Some(code) = &mut task.code {
        code.human.clear();
    }
    let prepared = Prepared::read(&task, &Quiet).unwrap();
    let settings =
        Settings { rows: 4, instructions: vec!["Is it odd?".to_owned()], ..Settings::default() };
    let events: Recorder<Testing> = Recorder::default();
    let found =
        testing::run(((&model, None), &model.card().identity), &prepared, &settings, &events)
            .unwrap();
    let events = events.into_events();
    for (number, event) in events.iter().enumerate() {
        assert_eq!((event.done, event.total), (number, events.len()), "{event:?}");
    }
    let asked = |test: Test| {
        let outcome = found.outcomes.iter().find(|outcome| outcome.test == test);
        outcome.map(|outcome| outcome.asked)
    };
    assert_eq!(found.rows, 4);
    assert_eq!(asked(Test::LegalLabels), Some(4));
    assert_eq!(asked(Test::Definitions), Some(2));
    assert_eq!(asked(Test::Examples), Some(3));
    assert_eq!(asked(Test::Order), Some(4), "two classes have one other order");
    assert_eq!(asked(Test::Exclusion), Some(4));
    assert_eq!(asked(Test::GenericLabels), Some(4));
    assert_eq!(asked(Test::Prompts), Some(4));
    for outcome in &found.outcomes {
        let shares = [outcome.low, outcome.value, outcome.high].map(Option::unwrap_or_default);
        assert!(shares.is_sorted() && shares[2] <= 1.0, "{outcome:?}");
        assert_eq!(outcome.value.is_none(), outcome.reason.is_some(), "{outcome:?}");
    }
    let again =
        testing::run(((&model, None), &model.card().identity), &prepared, &settings, &Quiet)
            .unwrap();
    assert_eq!(again, found);
    let stopped = testing::run(
        ((&model, None), &model.card().identity),
        &prepared,
        &settings,
        &Recorder::stop_after(9),
    )
    .unwrap_err();
    // Before a row or in the middle of one.
    assert!(matches!(&stopped, StabilityError::Ask(stop) if stop.is_stop()), "{stopped:?}");
}

#[test]
fn the_parts_of_a_table_share_no_row_and_keep_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let mut task = task(folder.path());
    let mut rows = |part| {
        task.split = Some(Split { test: 0.4, seed: 3, part });
        let prepared = Prepared::read(&task, &Quiet).unwrap();
        let rows = prepared.questions.list.iter();
        rows.map(|question| (question.row.place.row, question.id.clone())).collect::<Vec<_>>()
    };
    let (development, test) = (rows(Part::Development), rows(Part::Test));
    assert_eq!((development.len(), test.len()), (6, 4));
    let mut all = [development, test].concat();
    all.sort_by_key(|(row, _)| *row);
    for (number, (row, id)) in (1..=10).zip(all) {
        assert_eq!((row, id), (number, Some(format!("r{}", number - 1).into())));
    }
}

#[test]
fn every_question_is_asked_about_every_document_with_the_passages_that_fit_it() {
    let folder = tempfile::tempdir().unwrap();
    let papers = folder.path().join("papers");
    let long = "Nothing is said here about anything at all.\n".repeat(60);
    for (name, text) in [
        ("a.md", format!("{long}The ministry paid.\n{long}")),
        ("b.txt", "Teachers answered.".to_owned()),
    ] {
        files::write_atomic(&papers.join(name), text.as_bytes()).unwrap();
    }
    let task = "data = \"papers\"\nid = \"file\"\n[ask]\n\
                questions = [\"Who paid, a ministry?\", \"Who answered?\"]\n\
                passages = 4\npassage_words = 20\nmax_tokens = 4\n";
    files::write_atomic(&folder.path().join("task.toml"), task.as_bytes()).unwrap();
    let task = Task::read(&folder.path().join("task.toml")).unwrap();
    let prepared = Prepared::read(&task, &Quiet).unwrap();
    assert_eq!(prepared.questions.list.len(), 4);
    let model = load(&repository("sample_data/tiny_model"), Weights::AsStored);
    let out = folder.path().join("out");
    ask(&model, &prepared, &out, &Quiet);
    let (evaluation, answered) = Folder::read(&out).unwrap();
    assert_eq!(
        prepared.evaluation(&model, None, "as stored", "").data_sha256,
        evaluation.data_sha256
    );
    let excerpt = |row: u64| answered[&row].written.as_ref().unwrap().excerpt.clone().unwrap();
    assert_eq!(answered[&1].id, Some("a.md".into()));
    let (first, whole) = (excerpt(1), excerpt(4));
    assert!(first.left_out > 10 && first.passages.len() <= 4, "{first:?}");
    assert!(first.words().contains("The ministry paid."), "{first:?}");
    assert_eq!((whole.left_out, whole.words().as_str()), (0, "Teachers answered."));
    let table = std::fs::read_to_string(out.join(TABLE)).unwrap();
    let header = table.lines().next().unwrap();
    assert!(header.starts_with("file,asked,model_answer,model_read_passages"), "{header}");
    assert!(table.lines().nth(2).unwrap().starts_with("a.md,Who answered?,"), "{table}");
}

#[test]
fn passages_are_ranked_by_an_encoder_that_the_evaluation_names() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = reference("encoder/mean");
    let rows = "question,text\nWho paid?,\"One day it rained.\nThe ministry paid.\nNobody came.\"\n\
                Who came?,\"One day it rained.\nThe ministry paid.\nNobody came.\"\n\
                Who?,Teachers.\n";
    files::write_atomic(&folder.path().join("rows.csv"), rows.as_bytes()).unwrap();
    let task = format!(
        "data = 'rows.csv'\nencoder = {:?}\nprompt = '{{passages}} {{question}}'\n[ask]\n\
         question = 'question'\npassages = 2\npassage_words = 4\nmax_tokens = 4\n",
        encoder.display().to_string()
    );
    files::write_atomic(&folder.path().join("task.toml"), task.as_bytes()).unwrap();
    let task = Task::read(&folder.path().join("task.toml")).unwrap();
    let model = load(&repository("sample_data/tiny_model"), Weights::AsStored);
    let mut prepared = Prepared::read(&task, &Quiet).unwrap();
    // A task that names an encoder is never asked without one.
    let asked = Asker::new((&model, None), &prepared)
        .unwrap()
        .answer(&prepared.questions.list[0], &Quiet as &dyn Progress<()>);
    let said = asked.unwrap_err().to_string();
    assert!(said.contains("it is not loaded"), "{said}");
    prepared.finder = Some(Arc::new(Finder::load(&encoder).unwrap()));
    let out = folder.path().join("out");
    ask(&model, &prepared, &out, &Quiet);
    let (evaluation, answered) = Folder::read(&out).unwrap();

    // The vectors of the encoder, taken by themselves.
    let texts = ["One day it rained.", "The ministry paid.", "Nobody came.", "Who paid?"];
    let own = Encoder::load(&encoder).unwrap();
    let own = own.embed(&texts.map(str::to_owned), &Quiet).unwrap();
    let near = |at: usize| cosine(&own[at].values, &own[3].values);
    let excerpt = |row: u64| answered[&row].written.as_ref().unwrap().excerpt.clone().unwrap();
    let first = excerpt(1);
    assert_eq!(
        (first.ranking, first.passages.len(), first.left_out),
        (Some(Ranking::Cosine), 2, 1)
    );
    let mut scores = vec![first.best_left_out.unwrap()];
    for passage in &first.passages {
        let score = passage.score.unwrap();
        assert!((score - near(passage.number - 1)).abs() < 1e-11, "{passage:?}");
        scores.push(score);
    }
    assert!(scores[0] <= scores[1] && scores[0] <= scores[2], "the best ones are read: {scores:?}");
    assert_eq!((excerpt(3).ranking, excerpt(3).left_out), (None, 0), "a short one is read whole");

    let identity = evaluation.encoder.clone().unwrap();
    assert_eq!(identity.name(), "mean");
    let said = methods::paragraph(&evaluation, &Report::of(&evaluation, &answered));
    assert!(said.contains("by the cosine of the vectors of question and passage"), "{said}");
    assert!(said.contains(&identity.model.sha256) && !said.contains("BM25"), "{said}");
    // Another encoder is another evaluation, and so is none.
    let mut other = evaluation.clone();
    other.encoder.as_mut().unwrap().settings_sha256 = "0".to_owned();
    assert_eq!(differences(&other, &evaluation), ["another encoder (mean)"]);
    other.encoder = None;
    assert_eq!(differences(&other, &evaluation), ["no encoder"]);
    assert_ne!(configuration(&other), configuration(&evaluation));
}

#[test]
fn people_label_what_the_model_is_least_certain_of_and_their_labels_join_its_answers() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&repository("sample_data/tiny_model"), Weights::AsStored);
    let prepared = Prepared::read(&task(folder.path()), &Quiet).unwrap();
    let evaluated = folder.path().join("evaluated");
    ask(&model, &prepared, &evaluated, &Quiet);
    let results = evaluated.join(TABLE);
    let rows = || table::rows(&results, &Quiet).unwrap().rows;
    let labels = ["yes", "not at all", "not"];
    let plans = |labels: &[&str]| Plans {
        name: "By hand".to_owned(),
        columns: Columns { id: "id".into(), text: "text".into(), ..Columns::default() },
        codebook: Variables {
            variables: vec![Variable {
                name: "odd".to_owned(),
                classes: labels
                    .iter()
                    .map(|label| Class { label: (*label).to_owned(), ..Class::default() })
                    .collect(),
                ..Variable::default()
            }],
            ..Variables::default()
        },
        sampling: Sampling::Uncertain {
            columns: labels.iter().map(|label| format!("{OF_MODEL}{label}")).collect(),
            each: false,
            count: 4,
            random_share: 0.5,
        },
        seed: 1,
        ..Plans::default()
    };
    let study = folder.path().join("study");
    let mut made = study::make::make(
        &study,
        plans(&labels),
        rows(),
        ("results.csv", ""),
        "2026-11-30T00:00:00Z",
    )
    .unwrap();
    assert!(made.items.iter().all(|item| item.id != "r3"), "a row without a text is no item");
    let nobody = people::take(&evaluated, &study, &Quiet).unwrap_err().to_string();
    assert!(nobody.contains("nobody has labelled a row of the evaluation in it yet"), "{nobody}");
    let log = made.join("Ada").unwrap();
    let says = |item: usize, label: &str| Verdict {
        item,
        pass: 1,
        values: [(0, Value::words(label))].into(),
        ..Verdict::default()
    };
    made.append_all(log, vec![says(0, "not"), says(2, "yes")]).unwrap();
    let taken = people::take(&evaluated, &study, &Quiet).unwrap();
    assert_eq!(taken.sentence(), "2 rows are labelled by Ada");
    let (evaluation, answered) = Folder::read(&evaluated).unwrap();
    assert_eq!(evaluation.coders, ["person", "Ada"]);
    let said = |place: usize| {
        let id = made.items[place].id.as_str();
        let row = answered.values().find(|row| row.id.as_ref().is_some_and(|known| known == id));
        let row = row.unwrap();
        // Kept with twelve digits.
        let is_same = |share: f64| (share - made.items[place].inclusion.unwrap()).abs() < 1e-11;
        (row.human[1], row.inclusion.map(is_same))
    };
    assert_eq!(said(0), (Some(2), Some(true)));
    assert_eq!(said(1), (None, None), "nobody has said anything of it");
    assert_eq!(said(2), (Some(0), Some(true)));
    let people = Report::of(&evaluation, &answered).people;
    assert!(people.iter().any(|one| one.who == "Ada" && one.items == 2), "{people:?}");
    // What a coder has changed since is taken in the place of what they said.
    made.append_all(log, vec![says(0, "yes"), says(3, "not at all")]).unwrap();
    assert_eq!(people::take(&evaluated, &study, &Quiet).unwrap().labelled, 3);
    let (evaluation, answered) = Folder::read(&evaluated).unwrap();
    assert_eq!(evaluation.coders, ["person", "Ada"]);
    let ada = answered.values().filter_map(|row| row.human[1]);
    assert_eq!(ada.collect::<std::collections::BTreeSet<_>>(), [0, 1].into());
    let other = folder.path().join("other");
    let two = &["good", "bad"];
    let all = Plans { sampling: Sampling::All, ..plans(two) };
    study::make::make(&other, all, rows(), ("results.csv", ""), "2026-11-30T00:00:00Z").unwrap();
    let refused = people::take(&evaluated, &other, &Quiet).unwrap_err().to_string();
    assert!(refused.contains("none of its questions has the labels of the codebook"), "{refused}");
}
