//! Answers that are held to a JSON schema fit it, whatever the schema and whatever the model; an
//! evaluation of fields or of texts that was interrupted ends as if it had not been.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tuning_fork_engine::evaluate::asking::prepared::Prepared;
use tuning_fork_engine::evaluate::asking::run::{self, AskEvent};
use tuning_fork_engine::evaluate::asking::scoring::Scorer;
use tuning_fork_engine::evaluate::report::Report;
use tuning_fork_engine::evaluate::results::folder::{Folder, RESULTS, TABLE};
use tuning_fork_engine::evaluate::task::Task;
use tuning_fork_engine::evaluate::task::schema::Schema;
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Progress, Quiet, Recorder};
use tuning_fork_engine::llm::generate::constrained::vocabulary;
use tuning_fork_engine::llm::generate::grammar::Grammar;
use tuning_fork_engine::llm::generate::guess::Guesser;
use tuning_fork_engine::llm::{Model, Weights};

use crate::schemas::{misfit, random_schema};
use crate::support::{load, reference};

/// Tokenizers of both spellings: bytes, and sentencepiece with bytes to fall back on.
const MODELS: [&str; 3] = ["models/llama", "models/gpt2", "models/gemma3"];

/// Every answer and its schema, for `check_extracted.py`.
const KEEP: &str = "EXTRACTED";

#[test]
fn every_answer_fits_its_schema_and_none_is_cut() {
    let count: u64 = std::env::var("SCHEMAS").ok().and_then(|it| it.parse().ok()).unwrap_or(45);
    let models: Vec<Model> =
        MODELS.iter().map(|name| load(&reference(name), Weights::AsStored)).collect();
    let vocabularies: Vec<_> = models.iter().map(|model| vocabulary(model).unwrap()).collect();
    let mut kept = String::new();
    for seed in 0..count {
        let at = seed as usize % models.len();
        let (model, schema) = (&models[at], random_schema(seed));
        let closed = Schema::of_json(&schema, &[]).unwrap().with_ends();
        let grammar = Grammar::of_json_schema(&vocabularies[at], &closed)
            .unwrap_or_else(|err| panic!("{seed}: {err}: {schema}"));
        let prompt = model.tokenizer().encode("An answer:", true).unwrap();
        let context = model.config().context_length - prompt.len();
        // From as little room as there can be.
        let room = (grammar.shortest() + 2 + (seed as usize * 7) % 120).min(context);
        let (mut guide, mut left) = (grammar.begin(), room);
        let mut choose = |scores: &[f32]| {
            let next = guide.next(scores, left).unwrap();
            left = left
                .checked_sub(usize::from(next.is_some()))
                .unwrap_or_else(|| panic!("{seed} does not end in its room: {schema}"));
            next
        };
        let quiet: &dyn Progress<()> = &Quiet;
        Scorer::new(model, None).write(&[], &prompt, context, &mut choose, quiet).unwrap();
        let text = guide.text();
        let answer: Value = serde_json::from_str(&text)
            .unwrap_or_else(|err| panic!("{seed}, {}: {err}: {text}", MODELS[at]));
        assert_eq!(misfit(&schema, &answer), None, "{seed}, {}", MODELS[at]);
        kept.push_str(&format!("{}\n", json!({"schema": schema, "answer": text})));
    }
    if let Ok(path) = std::env::var(KEEP) {
        files::write_atomic(Path::new(&path), kept.as_bytes()).unwrap();
    }
}

/// A text that quotes itself: what stands in it once is guessed where it begins again.
const REPEATS: &str = "The old tower has a library. The old tower has a library. The old tower";

#[test]
fn guesses_leave_every_written_answer_as_it_is() {
    let quiet: &dyn Progress<()> = &Quiet;
    for name in MODELS {
        let model = load(&reference(name), Weights::AsStored);
        let coarse = load(&reference(name), Weights::Q4_0);
        let vocabulary = vocabulary(&model).unwrap();
        let schema = Schema::of_json(&random_schema(4), &[]).unwrap().with_ends();
        let grammar = Grammar::of_json_schema(&vocabulary, &schema).unwrap();
        let prompts =
            [REPEATS, "An answer:"].map(|text| model.tokenizer().encode(text, true).unwrap());
        // Three answers one after the other, as rows of a table: what a draft model has read stays.
        let write = |guesser: Guesser<'_>| {
            let mut scorer = Scorer::new(&model, None).with_guesser(guesser);
            let mut said = Vec::new();
            for prompt in [&prompts[0], &prompts[1], &prompts[0]] {
                let mut likeliest = |scores: &[f32]| {
                    let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
                    best.map(|id| id as u32).filter(|id| !model.stop_ids().contains(id))
                };
                said.push(scorer.write(&[], prompt, 40, &mut likeliest, quiet).unwrap());
                let (mut guide, mut left) = (grammar.begin(), 80);
                let mut choose = |scores: &[f32]| {
                    let next = guide.next(scores, left).unwrap();
                    left = left.saturating_sub(1);
                    next
                };
                said.push(scorer.write(&prompt[..2], prompt, 90, &mut choose, quiet).unwrap());
            }
            (said, scorer.guesses())
        };
        let (alone, none) = write(Guesser::Nobody);
        assert_eq!((none.drafted, none.accepted), (0, 0));
        let guessers = [
            Guesser::Lookup(None),
            Guesser::Lookup(Some(3)),
            Guesser::Draft(&coarse, Some(4)),
            Guesser::Draft(&coarse, None),
        ];
        for (at, guesser) in guessers.into_iter().enumerate() {
            let (said, guesses) = write(guesser);
            assert_eq!(said, alone, "{name}, guesser {at}");
            if at == 2 {
                assert!(guesses.accepted > 20 && guesses.drafted > guesses.accepted, "{guesses:?}");
                assert!(guesses.passes < none.passes, "{guesses:?} {none:?}");
            }
        }
    }
}

const TABLE_OF_TEXTS: &str = "id,text,n,short\n\
    a,Twelve people came.,12,people came\n\
    b,Nobody came at all.,0,nobody\n\
    c,,1,empty\n\
    d,In 2024 there were 30 papers.,30,papers\n";

/// The tiny models have little room: the prompts are short.
const EXTRACT: &str = "prompt = 'Read {text}'\n[extract]\ntext = 'text'\nmax_tokens = 60\nhuman = { n = 'n' }\n\
    [[extract.fields]]\nname = 'n'\ntype = 'integer'\n\
    [[extract.fields]]\nname = 'kind'\nallowed = ['people', 'papers']\nquote = true\n";

const WRITE: &str = "prompt = '{instruction} {text}'\n[write]\ntext = 'text'\ninstruction = 'Say it shorter.'\nmax_tokens = 12\n\
    references = ['short']\n";

/// The results of a task, asked in one go or interrupted after so many checks.
fn results(part: &str, stops_after: Option<usize>) -> (String, String, Report) {
    results_of(TABLE_OF_TEXTS, part, stops_after)
}

fn results_of(table: &str, part: &str, stops_after: Option<usize>) -> (String, String, Report) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("task.toml");
    files::write_atomic(&folder.path().join("texts.csv"), table.as_bytes()).unwrap();
    let task = format!("data = 'texts.csv'\nid = 'id'\n{part}");
    files::write_atomic(&path, task.as_bytes()).unwrap();
    let prepared = Prepared::read(&Task::read(&path).unwrap(), &Quiet).unwrap();
    let model = load(&reference("models/llama"), Weights::AsStored);
    let evaluation = prepared.evaluation(&model, None, "as stored", "2026-11-28T00:00:00Z");
    let out = folder.path().join("out");
    let (kept, mut answered) = Folder::begin(&out, &evaluation, false).unwrap();
    if let Some(checks) = stops_after {
        let recorder: Recorder<AskEvent> = Recorder::stop_after(checks);
        let stopped = run::run((&model, None), &prepared, &kept, answered, &recorder);
        assert!(stopped.is_err(), "stopped after {checks} checks");
        answered = Folder::begin(&out, &evaluation, true).unwrap().1;
        assert!(answered.len() < table.lines().count() - 1);
    }
    let answered = run::run((&model, None), &prepared, &kept, answered, &Quiet).unwrap();
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let again: BTreeMap<_, _> = Folder::read(&out).unwrap().1;
    assert_eq!(again, answered, "what is kept is what was answered");
    (read(RESULTS), read(TABLE), Report::of(&evaluation, &answered))
}

#[test]
fn fields_are_read_out_checked_and_kept_whatever_interrupts() {
    let (lines, table, report) = results(EXTRACT, None);
    let header = table.lines().next().unwrap();
    assert!(header.contains("model_n,model_kind,model_kind_quote,model_kind_quote_in_text"));
    assert_eq!(lines.lines().count(), 4);
    let fields = report.fields.unwrap();
    // Of the row without a text nothing is read.
    assert_eq!((fields.fields[0].field.as_str(), fields.fields[0].items), ("n", 3));
    assert_eq!(report.problems, 1);
    for checks in [2, 9, 40] {
        assert_eq!(results(EXTRACT, Some(checks)).0, lines, "after {checks} checks");
    }
}

/// Texts with five windows and with two, and one that fits into one.
const LONG_TEXTS: &str = "id,text,n,short\n\
    a,\"Twelve people came to the first meeting. Nobody spoke of money. The second meeting had fourteen people in it. \
    It took place in Lyon and in Bern. A third one was held in Graz, and then there was none for many years to come.\",12,x\n\
    b,Twelve people came.,0,nobody\n\
    c,\"Twelve people came to the first meeting. Nobody spoke of the money that it had cost.\",1,empty\n";

/// Tokens of the tiny models are a letter or two.
const WINDOWS: &str = "windows = true\nwindow_tokens = 60\noverlap = 8\n";

#[test]
fn a_long_text_is_read_in_windows_and_its_fields_are_merged_whatever_interrupts() {
    let part = EXTRACT.replace("max_tokens = 60\n", &format!("max_tokens = 60\n{WINDOWS}"));
    let (lines, table, report) = results_of(LONG_TEXTS, &part, None);
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let windows = |row: usize| rows[row]["written"]["windows"].as_array().map_or(0, Vec::len);
    assert!(windows(0) > windows(2) && windows(2) > 1, "{lines}");
    assert_eq!((windows(1), rows[0].get("cut"), rows[0].get("problem")), (0, None, None));
    // They overlap, begin with the text and end with it.
    let places = |name: &str| -> Vec<u64> {
        let windows = rows[0]["written"]["windows"].as_array().unwrap().iter();
        windows.map(|window| window[name].as_u64().unwrap()).collect()
    };
    let (from, to) = (places("from"), places("to"));
    let text = LONG_TEXTS.split('"').nth(1).unwrap();
    assert_eq!((from[0], to.last().copied()), (0, Some(text.chars().count() as u64)));
    assert!(from[1..].iter().zip(&to).all(|(from, to)| from <= to), "{from:?} {to:?}");
    // The fields are those of a window, and the table says how many there were.
    let written = &rows[0]["written"];
    let said: Vec<&Value> = written["windows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|window| &window["fields"]["n"])
        .collect();
    assert!(said.contains(&&written["fields"]["n"]), "{written}");
    let differ = said.iter().any(|value| *value != said[0]);
    let named = written["disagree"].as_array().is_some_and(|names| names.contains(&json!("n")));
    assert_eq!(named, differ);
    let header = table.lines().next().unwrap();
    assert!(header.contains("model_windows,model_windows_disagree,model_tokens"), "{header}");
    let windows_of_all = report.fields.as_ref().unwrap().windows.as_ref().unwrap();
    assert_eq!((windows_of_all.texts, windows_of_all.windows), (2, windows(0) + windows(2)));
    // The third row has the same windows alone as beside others.
    for checks in [3, 50, 130] {
        assert_eq!(results_of(LONG_TEXTS, &part, Some(checks)).0, lines, "after {checks} checks");
    }
    // As many tokens as fit: the tiny model's context has room for all.
    let whole = part.replace("window_tokens = 60\n", "");
    let (lines, ..) = results_of(LONG_TEXTS, &whole, None);
    assert!(!lines.contains("windows"), "{lines}");
}

#[test]
fn windows_are_counted_while_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("task.toml");
    files::write_atomic(&folder.path().join("texts.csv"), LONG_TEXTS.as_bytes()).unwrap();
    let part = EXTRACT.replace("max_tokens = 60\n", &format!("max_tokens = 60\n{WINDOWS}"));
    files::write_atomic(&path, format!("data = 'texts.csv'\nrows = 1\n{part}").as_bytes()).unwrap();
    let prepared = Prepared::read(&Task::read(&path).unwrap(), &Quiet).unwrap();
    let model = load(&reference("models/llama"), Weights::AsStored);
    let evaluation = prepared.evaluation(&model, None, "as stored", "2026-11-28T00:00:00Z");
    let (kept, answered) = Folder::begin(&folder.path().join("out"), &evaluation, false).unwrap();
    let recorder: Recorder<AskEvent> = Recorder::default();
    run::run((&model, None), &prepared, &kept, answered, &recorder).unwrap();
    let events = recorder.into_events();
    let counted: Vec<(usize, usize)> = events
        .iter()
        .filter_map(|event| match event {
            AskEvent::Window { row: 1, done, windows } => Some((*done, *windows)),
            _ => None,
        })
        .collect();
    let all = counted.len();
    assert!(
        all > 2 && counted.iter().enumerate().all(|(at, seen)| *seen == (at, all)),
        "{counted:?}"
    );
    assert!(matches!(events.last(), Some(AskEvent::Answered { done: 1, total: 1, .. })));
}

#[test]
fn texts_are_written_measured_and_kept_whatever_interrupts() {
    let (lines, table, report) = results(WRITE, None);
    assert!(table.lines().next().unwrap().contains("model_answer,model_tokens"), "{table}");
    let texts = report.texts.unwrap();
    assert_eq!((texts.items, texts.measures.len()), (3, 8));
    for checks in [2, 9] {
        assert_eq!(results(WRITE, Some(checks)).0, lines, "after {checks} checks");
    }
}

#[test]
fn a_survey_is_read_in_every_way_and_kept_whatever_interrupts() {
    let part = "orders = 3\nprompt = '{question} {options} {reminder}'\n[survey]\nquestion = 'text'\noptions = ['n', 'short', 'id']\n\
        refusal = ['empty']\nways = ['letters', 'texts', 'verbalised', 'sampled']\n\
        forms = ['forced', 'unforced', 'open']\nsamples = 4\n";
    let (lines, table, report) = results(part, None);
    let survey = report.survey.unwrap();
    let names: Vec<String> = survey.ways.iter().map(|way| way.way.words()).collect();
    assert_eq!(names.len(), 9, "{names:?}");
    assert!(table.lines().next().unwrap().contains("drawn_answers_open_other"), "{table}");
    // Letters are told apart by what the prompt says, and nobody shows options in an open question.
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let ways = &first["surveyed"]["ways"];
    assert_ne!(ways["letters"]["probabilities"], ways["letters_unforced"]["probabilities"]);
    assert_ne!(ways["texts_unforced"]["probabilities"], ways["texts_open"]["probabilities"]);
    assert_eq!(ways["letters_open"], Value::Null);
    for way in &survey.ways {
        let refusal = way.refusal.value.value;
        assert!(refusal.is_none_or(|share| (0.0..=1.0).contains(&share)), "{way:?}");
    }
    // What was said of a row adds up, way by way.
    for row in lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let Some(ways) = row["surveyed"]["ways"].as_object() else { continue };
        for (name, way) in ways {
            let shares = way["probabilities"].as_array().unwrap().iter();
            let all: f64 = shares.map(|share| share.as_f64().unwrap()).sum();
            assert!(all == 0.0 || (all - 1.0).abs() < 1e-9, "{name}: {all}");
        }
    }
    assert_eq!(results(part, Some(60)).0, lines);
}

#[test]
fn a_schema_that_needs_more_room_than_there_is_is_refused_before_the_first_row() {
    let model = load(&reference("models/llama"), Weights::AsStored);
    let part = EXTRACT.replace("max_tokens = 60", "max_tokens = 5");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("task.toml");
    files::write_atomic(&folder.path().join("t.csv"), TABLE_OF_TEXTS.as_bytes()).unwrap();
    files::write_atomic(&path, format!("data = 't.csv'\n{part}").as_bytes()).unwrap();
    let prepared = Prepared::read(&Task::read(&path).unwrap(), &Quiet).unwrap();
    let said = run::Asker::new((&model, None), &prepared).err().unwrap().to_string();
    assert!(said.contains("`max_tokens` is 5"), "{said}");
}
