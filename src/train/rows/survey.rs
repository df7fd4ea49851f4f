//! A look at the data before it is trained on: what would be dropped or cut, what is wrong with it,
//! and each row as the model sees it. TRL drops and cuts without a word.

use std::collections::BTreeSet;

use super::batch::{Encoded, Example, LeftOut};
use super::{Content, Row, Rows};
use crate::data::check::{self, PairProblem, ProblemKind};
use crate::data::pair::PreferencePair;
use crate::jobs::Progress;
use crate::llm::model::Model;
use crate::train::config::TrainConfig;
use crate::train::error::Error;
use crate::train::record::metrics::TrainEvent;
use crate::train::rows;
use crate::train::run::setup;

/// From here on, picking the longer answer is nearly as good as understanding it.
const LENGTH_TELLS: f64 = 0.65;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// What is worth knowing, the worst first.
    pub findings: Vec<Finding>,

    /// Every row at its full length, in the order of the file.
    pub rows: Vec<SurveyedRow>,

    /// Tokens that a row keeps at most.
    pub max_length: usize,
    pub train_rows: usize,
    pub held_out_rows: usize,
}

/// Something about the data, in plain words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub concern: Concern,
    pub sentence: String,

    /// The rows that it is about, as indices into [`Survey::rows`].
    pub rows: Vec<usize>,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// Something will be lost, or is most likely a mistake.
    Problem,

    /// It may mislead the model or the reader of its curves.
    Caution,

    /// Good to know.
    Fact,
}

/// A row as token ids, before it is cut.
#[derive(Clone, Debug, PartialEq)]
pub struct SurveyedRow {
    pub example: Example,

    /// Trained on, only measured with, or neither.
    pub part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Train,
    HeldOut,

    /// Its prompt alone fills the length that is kept, or it has no answer.
    Dropped,
}

/// Reads the data of `config` as a run would, and looks at it.
pub fn survey(
    model: &Model,
    config: &TrainConfig,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Survey, Error> {
    let Rows { rows, warnings } =
        rows::read(&config.data, config.objective).map_err(Error::Data)?;
    if rows.is_empty() {
        return Err(Error::NoRows(config.data.clone()));
    }
    let eos = setup::eos_text(model);
    let encoder = setup::encoder(model, config, &eos);
    let max_length = setup::max_length(model, config);
    let encoded = encoder.encoded(&rows, progress)?;
    let mut findings: Vec<Finding> = warnings
        .into_iter()
        .map(|sentence| Finding { concern: Concern::Caution, sentence, rows: Vec::new() })
        .collect();
    let parts = parts(&encoded, config, max_length);
    findings.extend(cut_findings(&encoded, &parts, max_length));
    findings.extend(empty_finding(&rows));
    findings.extend(pair_findings(&rows));
    findings.extend(length_finding(&encoded));
    let count = |part| parts.iter().filter(|found| **found == part).count();
    let (train_rows, held_out_rows) = (count(Part::Train), count(Part::HeldOut));
    findings.push(split_finding(&encoded, &parts));
    findings.sort_by_key(|finding| finding.concern);
    let rows = encoded.into_iter().zip(parts);
    let rows = rows.map(|(encoded, part)| SurveyedRow { example: encoded.example, part });
    Ok(Survey { findings, rows: rows.collect(), max_length, train_rows, held_out_rows })
}

/// Where each row would go: the split is that of a run.
fn parts(encoded: &[Encoded], config: &TrainConfig, max_length: usize) -> Vec<Part> {
    let mut parts = vec![Part::Dropped; encoded.len()];
    let kept: Vec<usize> =
        (0..encoded.len()).filter(|index| encoded[*index].left_out(max_length).is_none()).collect();
    let examples: Vec<Example> = kept.iter().map(|index| encoded[*index].example.clone()).collect();
    let split = setup::held_out_split(&examples, config);
    for index in split.train {
        parts[kept[index]] = Part::Train;
    }
    for index in split.held_out {
        parts[kept[index]] = Part::HeldOut;
    }
    parts
}

fn cut_findings(encoded: &[Encoded], parts: &[Part], max_length: usize) -> Vec<Finding> {
    let rows = |is: &dyn Fn(usize) -> bool| (0..encoded.len()).filter(|i| is(*i)).collect();
    let longest = |index: usize| {
        encoded[index].example.sequences().map(|sequence| sequence.ids.len()).max().unwrap_or(0)
    };
    let left_out = |why| rows(&|index| encoded[index].left_out(max_length) == Some(why));
    let dropped: Vec<usize> = left_out(LeftOut::PromptFills);
    let silent: Vec<usize> = left_out(LeftOut::NothingToLearn);
    let cut: Vec<usize> =
        rows(&|index| parts[index] != Part::Dropped && longest(index) > max_length);
    let diverging: Vec<usize> = rows(&|index| {
        encoded[index].example.chosen.completion_start < encoded[index].prompt_tokens
    });
    let most = (0..encoded.len()).map(longest).max().unwrap_or(0);
    let mut found = Vec::new();
    if !dropped.is_empty() {
        let rows_are = are(dropped.len(), "row is", "rows are");
        let sentence = format!(
            "{rows_are} left out: the prompt alone fills max_length ({max_length} tokens). Raise \
             max_length, or shorten the prompts"
        );
        found.push(Finding { concern: Concern::Problem, sentence, rows: dropped });
    }
    if !silent.is_empty() {
        let rows_are = are(silent.len(), "row is", "rows are");
        let sentence = format!("{rows_are} left out: there is no answer to learn");
        found.push(Finding { concern: Concern::Problem, sentence, rows: silent });
    }
    if !cut.is_empty() {
        let rows_are = are(cut.len(), "row is", "rows are");
        let sentence = format!(
            "{rows_are} cut after {max_length} tokens, so the end of an answer is never seen. The \
             longest has {most}: a max_length of {most} keeps everything"
        );
        found.push(Finding { concern: Concern::Problem, sentence, rows: cut });
    }
    if !diverging.is_empty() {
        let sentence = format!(
            "In {} prompt and answer share a token, or the chat template writes the prompt \
             differently once an answer follows: what is learned begins before the answer",
            are(diverging.len(), "row", "rows")
        );
        found.push(Finding { concern: Concern::Caution, sentence, rows: diverging });
    }
    found
}

/// Texts and completions without a word; of pairs, [`pair_findings`] says it.
fn empty_finding(rows: &[Row]) -> Option<Finding> {
    let is_empty = |row: &Row| match &row.content {
        Content::Preference(_) => false,
        Content::Completion { completion: text, .. } | Content::Whole(text) => {
            text.words().trim().is_empty()
        }
    };
    let empty: Vec<usize> = (0..rows.len()).filter(|index| is_empty(&rows[*index])).collect();
    let sentence = are(
        empty.len(),
        "row has an empty text: only how an answer ends is learned from it",
        "rows have an empty text: only how an answer ends is learned from them",
    );
    (!empty.is_empty()).then_some(Finding { concern: Concern::Caution, sentence, rows: empty })
}

/// What is wrong with pairs by their words.
fn pair_findings(rows: &[Row]) -> Vec<Finding> {
    // Rows without a pair take part as empty ones, so that indices stay those of the rows.
    let mut pairs: Vec<PreferencePair> = Vec::with_capacity(rows.len());
    for row in rows {
        let Content::Preference(pair) = &row.content else { return Vec::new() };
        pairs.push(pair.clone());
    }
    let problems = check::problems(&pairs);
    let of = |is: fn(ProblemKind) -> bool| -> Vec<usize> {
        let found: BTreeSet<usize> = problems
            .iter()
            .filter(|PairProblem { kind, .. }| is(*kind))
            .map(|problem| problem.index)
            .collect();
        found.into_iter().collect()
    };
    type Is = fn(ProblemKind) -> bool;
    let kinds: [(Concern, Is, [&str; 2]); 4] = [
        (
            Concern::Problem,
            |kind| {
                use ProblemKind::{EmptyChosen, EmptyPrompt, EmptyRejected};
                matches!(kind, EmptyPrompt | EmptyChosen | EmptyRejected)
            },
            ["pair has an empty prompt or answer", "pairs have an empty prompt or answer"],
        ),
        (
            Concern::Problem,
            |kind| kind == ProblemKind::Identical,
            [
                "pair has the same answer twice: nothing is learned from it",
                "pairs have the same answer twice: nothing is learned from them",
            ],
        ),
        (
            Concern::Problem,
            |kind| matches!(kind, ProblemKind::Contradiction { .. }),
            [
                "pair says the opposite of an earlier one",
                "pairs say the opposite of an earlier one",
            ],
        ),
        (
            Concern::Caution,
            |kind| matches!(kind, ProblemKind::Duplicate { .. }),
            [
                "pair repeats an earlier one: it counts twice",
                "pairs repeat an earlier one: they count twice",
            ],
        ),
    ];
    let mut found = Vec::new();
    for (concern, is, [one, many]) in kinds {
        let rows = of(is);
        if !rows.is_empty() {
            found.push(Finding { concern, sentence: are(rows.len(), one, many), rows });
        }
    }
    found
}

/// How well the length alone tells which answer was chosen.
fn length_finding(encoded: &[Encoded]) -> Option<Finding> {
    let mut longer = Vec::new();
    let (mut pairs, mut ties) = (0_usize, 0_usize);
    for (index, encoded) in encoded.iter().enumerate() {
        let Some(rejected) = &encoded.example.rejected else { continue };
        let chosen = encoded.example.chosen.completion_tokens();
        pairs += 1;
        ties += usize::from(chosen == rejected.completion_tokens());
        if chosen > rejected.completion_tokens() {
            longer.push(index);
        }
    }
    if pairs == 0 {
        return None;
    }
    let share = longer.len() as f64 / pairs as f64;
    // Whoever always picks the longer one has to guess where both are equally long.
    let right = (longer.len() as f64 + ties as f64 / 2.0) / pairs as f64;
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let mut sentence = format!(
        "Chosen is the longer answer in {} of the pairs: \"always the longer one\" is right {} of \
         the time",
        percent(share),
        percent(right)
    );
    let telling = right.max(1.0 - right);
    let concern = if telling >= LENGTH_TELLS {
        let what = if right > 0.5 { "longer" } else { "shorter" };
        for part in [". The model can look accurate by learning to prefer ", what, " answers"] {
            sentence.push_str(part);
        }
        Concern::Caution
    } else {
        Concern::Fact
    };
    Some(Finding { concern, sentence, rows: longer })
}

fn split_finding(encoded: &[Encoded], parts: &[Part]) -> Finding {
    let prompts = |part: Part| -> BTreeSet<String> {
        let of_part = encoded.iter().zip(parts).filter(|(_, found)| **found == part);
        of_part.map(|(encoded, _)| encoded.example.prompt.words().trim().to_owned()).collect()
    };
    let (train, held_out) = (prompts(Part::Train), prompts(Part::HeldOut));
    let in_both = train.intersection(&held_out).count();
    let sentence = match (held_out.len(), in_both) {
        (0, _) => format!(
            "{} to train on and none held out: nothing will tell learning from memorising",
            are(train.len(), "prompt", "prompts")
        ),
        (_, 0) => format!(
            "{} to train on, {} held out, and none is in both",
            are(train.len(), "prompt", "prompts"),
            held_out.len()
        ),
        (_, both) => format!(
            "{} in the training and in the held-out rows",
            are(both, "prompt is", "prompts are")
        ),
    };
    let concern = match (held_out.len(), in_both) {
        (0, _) => Concern::Caution,
        (_, 0) => Concern::Fact,
        _ => Concern::Problem,
    };
    Finding { concern, sentence, rows: Vec::new() }
}

/// `1 row is`, `3 rows are`.
fn are(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
