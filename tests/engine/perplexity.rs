//! Whole texts are as likely as transformers says, in windows and after what stands before them; an
//! evaluation of them that was interrupted ends as if it had not been.

use std::path::Path;

use serde::Deserialize;
use tuning_fork_engine::evaluate::asking::prepared::Prepared;
use tuning_fork_engine::evaluate::asking::respondent::{Answerer, Respondent};
use tuning_fork_engine::evaluate::asking::run::{self, AskEvent};
use tuning_fork_engine::evaluate::asking::text_scoring::score_text;
use tuning_fork_engine::evaluate::measures::compare::Comparison;
use tuning_fork_engine::evaluate::measures::figure::WithInterval;
use tuning_fork_engine::evaluate::measures::perplexity_scores::OfTexts;
use tuning_fork_engine::evaluate::report::Report;
use tuning_fork_engine::evaluate::report::configurations;
use tuning_fork_engine::evaluate::report::methods;
use tuning_fork_engine::evaluate::results::folder::{Folder, RESULTS, TABLE};
use tuning_fork_engine::evaluate::results::reproduce::Reproduced;
use tuning_fork_engine::evaluate::task::Task;
use tuning_fork_engine::evaluate::task::perplexity::{Likelihood, Perplexity};
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Progress, Quiet, Recorder};
use tuning_fork_engine::llm::{Model, Weights};
use tuning_fork_engine::seq2seq::Seq2Seq;

use crate::support::{load, reference};

#[derive(Deserialize)]
struct Told {
    decoders: Vec<Decoder>,
    pairs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Decoder {
    model: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    way: String,
    window: usize,
    stride: usize,
    rows: Vec<Row>,
    report: Numbers,
}

#[derive(Deserialize)]
struct Pair {
    model: String,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    before: String,
    text: String,
    start: usize,
    tokens: usize,
    logprob: f64,
    bytes: usize,
}

/// Value and interval.
#[derive(Deserialize)]
struct Numbers {
    by_token: [f64; 3],
    by_text: [f64; 3],
    bits_per_byte: [f64; 3],
}

/// The bar, of a text.
const TOLERANCE: f64 = 1e-4;

fn told() -> Told {
    let text = std::fs::read_to_string(reference("text/perplexity.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn score(
    answerer: &mut Answerer<'_>,
    row: &Row,
    before: &str,
    settings: &Perplexity,
) -> Likelihood {
    let quiet: &dyn Progress<()> = &Quiet;
    let scored = score_text(answerer, (before, &row.text), settings, quiet).unwrap();
    let (found, cut) = scored.unwrap();
    assert_eq!(cut, None);
    assert_eq!((found.before, found.tokens, found.bytes), (row.start, row.tokens, row.bytes));
    let off = (found.logprob - row.logprob).abs();
    assert!(off <= TOLERANCE, "{} is {}, not {}", row.text, found.logprob, row.logprob);
    found
}

#[test]
fn texts_are_as_likely_as_transformers_says_in_windows_and_after_others() {
    for Decoder { model: name, cases } in told().decoders {
        let model = load(&reference(&name), Weights::AsStored);
        let mut answerer = Answerer::new((&model, None).into()).unwrap();
        for case in cases {
            let settings = Perplexity {
                chat: case.way == "chat",
                window: case.window,
                stride: case.stride,
                ..Perplexity::default()
            };
            let found: Vec<Likelihood> = case
                .rows
                .iter()
                .map(|row| {
                    let before = match case.way.as_str() {
                        "before" => format!("{} ", row.before),
                        "chat" => row.before.clone(),
                        _ => String::new(),
                    };
                    score(&mut answerer, row, &before, &settings)
                })
                .collect();
            assert!(case.window > 100 || found.iter().any(|text| text.windows > 3), "{name}");
            let all = OfTexts::of(&found.iter().collect::<Vec<_>>());
            near(&all.by_token, case.report.by_token);
            near(&all.by_text, case.report.by_text);
            near(&all.bits_per_byte, case.report.bits_per_byte);
        }
    }
}

fn near(found: &WithInterval, right: [f64; 3]) {
    let all = [found.value.value, found.low, found.high].map(Option::unwrap);
    for (found, right) in all.iter().zip(right) {
        assert!((found / right - 1.0).abs() < 1e-4, "{all:?}, not {right}");
    }
}

#[test]
fn an_encoder_decoder_scores_a_text_after_what_it_has_read() {
    for Pair { model: name, rows } in told().pairs {
        let model = Seq2Seq::load(&reference(&name)).unwrap();
        let mut answerer = Answerer::new(Respondent::from(&model)).unwrap();
        for row in &rows {
            score(&mut answerer, row, &row.before, &Perplexity::default());
        }
        let quiet: &dyn Progress<()> = &Quiet;
        let refused =
            score_text(&mut answerer, ("", &rows[0].text), &Perplexity::default(), quiet).unwrap();
        assert!(refused.unwrap_err().contains("nothing stands before this one"));
    }
}

const TEXTS: &str = "id,source,asked,text\n\
    a,web,Who came?,Twelve people came.\n\
    b,web,,Nobody came at all.\n\
    c,print,Why?,\n\
    d,print,When?,In 2024 there were 30 papers. Half of them shared their data and the others did not.\n";

/// What is kept of a task, asked in one go or interrupted after so many checks.
fn evaluated(folder: &Path, model: &Model, settings: &str, stops_after: Option<usize>) -> Prepared {
    files::write_atomic(&folder.join("texts.csv"), TEXTS.as_bytes()).unwrap();
    let task = format!("data = 'texts.csv'\nid = 'id'\n{settings}");
    files::write_atomic(&folder.join("task.toml"), task.as_bytes()).unwrap();
    let prepared = Prepared::read(&Task::read(&folder.join("task.toml")).unwrap(), &Quiet).unwrap();
    let evaluation = prepared.evaluation(model, None, "as stored", "2026-11-30T00:00:00Z");
    let out = folder.join("out");
    let (kept, mut answered) = Folder::begin(&out, &evaluation, false).unwrap();
    if let Some(checks) = stops_after {
        let recorder: Recorder<AskEvent> = Recorder::stop_after(checks);
        assert!(run::run((model, None), &prepared, &kept, answered, &recorder).is_err());
        answered = Folder::begin(&out, &evaluation, true).unwrap().1;
    }
    let answered = run::run((model, None), &prepared, &kept, answered, &Quiet).unwrap();
    assert_eq!(Folder::read(&out).unwrap().1, answered, "what is kept is what was scored");
    prepared
}

const BEFORE: &str = "prompt = '{asked}: {text}'\n[perplexity]\ntext = 'text'\nby = 'source'\nwindow = 24\nstride = 6\n";

#[test]
fn an_evaluation_of_texts_is_kept_reported_compared_and_done_again() {
    let model = load(&reference("models/llama"), Weights::AsStored);
    let folder = tempfile::tempdir().unwrap();
    evaluated(folder.path(), &model, BEFORE, None);
    let out = folder.path().join("out");
    let read = |folder: &Path, name: &str| std::fs::read(folder.join("out").join(name)).unwrap();
    for checks in [2, 5, 9] {
        let again = tempfile::tempdir().unwrap();
        evaluated(again.path(), &model, BEFORE, Some(checks));
        for name in [RESULTS, TABLE] {
            let same = read(again.path(), name) == read(folder.path(), name);
            assert!(same, "{name} after {checks} checks");
        }
    }
    let table = String::from_utf8(read(folder.path(), TABLE)).unwrap();
    let header = "id,source,asked,text,model_tokens,model_logprob,model_mean_logprob,model_perplexity,\
                  model_bits_per_byte,model_bits_per_character,model_tokens_before,model_windows,\
                  model_cut_tokens,model_problem";
    assert_eq!(table.lines().next().unwrap(), header);
    let first = Folder::read(&out).unwrap();
    let report = Report::of(&first.0, &first.1);
    let scores = report.perplexity.as_ref().unwrap();
    let groups: Vec<(&str, usize)> =
        scores.groups.iter().map(|(name, texts)| (name.as_str(), texts.texts)).collect();
    assert_eq!((scores.all.texts, groups), (3, vec![("print", 1), ("web", 2)]));
    assert!(scores.in_windows >= 1 && report.problems == 1);
    let said = methods::paragraph(&first.0, &report);
    for words in
        ["scored as texts", "each of which begins 6 tokens after", "1 row could not be asked"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(methods::markdown(&first.0, &report).contains("| print | 1 |"));
    let tried = configurations::all(folder.path()).unwrap().remove(0).tried.remove(0);
    assert_eq!(tried.bits_per_byte.as_ref(), Some(&scores.all.bits_per_byte));
    // The same again differs in nothing; another model does, text by text.
    let again = Reproduced::of((&first.0, &first.1), (&first.0, &first.1));
    assert!(again.is_same(), "{}", again.words());
    let other = load(&reference("models/gpt2"), Weights::AsStored);
    let beside = tempfile::tempdir().unwrap();
    evaluated(beside.path(), &other, BEFORE, None);
    let second = Folder::read(&beside.path().join("out")).unwrap();
    let apart = Reproduced::of((&first.0, &first.1), (&second.0, &second.1));
    assert!(apart.largest_by_token > 0.0 && !apart.is_same());
    let found = Comparison::of(&first, &second).unwrap();
    let names: Vec<&str> = found.measures.iter().map(|measure| measure.name.as_str()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    let by_token = &found.measures[0];
    assert_eq!(by_token.first, scores.all.by_token.value.value);
    let difference = by_token.difference.value.value.unwrap();
    assert!((by_token.second.unwrap() - by_token.first.unwrap() - difference).abs() < 1e-12);
    assert!(by_token.difference.low.unwrap() <= difference);
}

#[test]
fn long_texts_are_cut_where_that_is_asked_and_what_cannot_be_scored_says_why() {
    let model = load(&reference("models/llama"), Weights::AsStored);
    let rows = |settings: &str| {
        let folder = tempfile::tempdir().unwrap();
        evaluated(folder.path(), &model, settings, None);
        Folder::read(&folder.path().join("out")).unwrap().1
    };
    let cut = rows("[perplexity]\ntext = 'text'\nwindow = 16\ncut = true\n");
    let long = &cut[&4];
    let (text, left_out) = (long.scored.as_ref().unwrap(), long.cut.unwrap());
    assert_eq!((text.tokens, text.windows), (15, 1), "the first token has no probability");
    assert!(left_out > 20 && text.bytes < 40, "{text:?}");
    let few = rows("[perplexity]\ntext = 'text'\nbefore = 'asked'\nchat = true\n");
    assert!(few[&2].problem.as_ref().unwrap().contains("nothing stands before it"));
    assert!(few[&1].scored.as_ref().unwrap().before > 10, "the template's tokens");
    let wide = rows("[perplexity]\ntext = 'text'\nwindow = 4096\n");
    assert!(wide[&1].problem.as_ref().unwrap().contains("reads 512 tokens at most"));
    let full = rows("[perplexity]\ntext = 'text'\nbefore = 'text'\nwindow = 12\ncut = true\n");
    assert!(full[&4].problem.as_ref().unwrap().contains("nothing of it is left"));
}

#[test]
fn a_prompt_that_goes_on_after_the_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    files::write_atomic(&folder.path().join("texts.csv"), TEXTS.as_bytes()).unwrap();
    let path = folder.path().join("task.toml");
    let task = "data = 'texts.csv'\nprompt = '{text} end'\n[perplexity]\ntext = 'text'\n";
    files::write_atomic(&path, task.as_bytes()).unwrap();
    let said = Prepared::read(&Task::read(&path).unwrap(), &Quiet).unwrap_err().to_string();
    assert!(said.contains("has to end in {text}"), "{said}");
}
