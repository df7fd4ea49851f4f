//! What there is to say about rows before the first step: in the window, on the command line, and of
//! both parts, what is trained on and what is held out.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::{Encoded, Example, LeftOut, What};
use super::limit::Limit;
use super::survey::{Concern, Finding, Part};
use super::template::{Reads, UNREAD};
use super::{Row, Rows};
use crate::data::check::{self, PairProblem, ProblemKind};
use crate::data::forms::Content;
use crate::data::forms::{Weight, are};
use crate::data::pair::PreferencePair;
use crate::data::split::Split;
use crate::data::table::Report;
use crate::llm::text::chat::ChatTemplate;
use crate::train::config::{Objective, TrainConfig, TruncationMode};

/// From here on, picking the longer answer is nearly as good as understanding it.
const LENGTH_TELLS: f64 = 0.65;

/// Everything, the worst first.
pub fn of(
    read: &Rows,
    encoded: &[Encoded],
    parts: &[Part],
    (limit, context): (Limit, usize),
    (config, chat): (&TrainConfig, Option<&ChatTemplate>),
) -> Vec<Finding> {
    let rows = &read.rows;
    let mut found = noted(read);
    found.extend(file_findings(&read.report));
    found.push(form_finding(read));
    found.extend(cut_findings(encoded, parts, (limit, context), config));
    // Prompts whose answers are sampled have none, and are not measured with either.
    let samples = config.objective.samples();
    if !samples {
        found.extend(empty_finding(rows));
    }
    found.extend(pair_findings(rows));
    found.extend(repeated_finding(rows));
    found.extend(same_when_cut(encoded, parts, (limit, context)));
    found.extend(chat.map(|chat| template_findings(rows, chat)).unwrap_or_default());
    found.extend(plain_finding(rows, chat));
    found.extend(length_finding(encoded));
    if !samples {
        found.push(split_finding(encoded, parts));
    }
    found.extend(no_evaluations_finding(parts, config));
    for finding in &mut found {
        let held_out = finding.rows.iter().filter(|row| parts[**row] == Part::HeldOut).count();
        if finding.concern != Concern::Fact && held_out > 0 {
            let all = finding.rows.len();
            let of_them = if held_out == all {
                "held out".to_owned()
            } else {
                format!("{held_out} of them held out")
            };
            finding.sentence.push_str(&format!("; {of_them}"));
        }
        if finding.lines.is_empty() {
            finding.lines = finding.rows.iter().map(|row| rows[*row].line).collect();
        }
    }
    found.sort_by_key(|finding| finding.concern);
    found
}

fn finding(concern: Concern, sentence: String, rows: Vec<usize>) -> Finding {
    Finding { concern, sentence, rows, lines: Vec::new() }
}

/// What was noted while the rows were read.
fn noted(read: &Rows) -> Vec<Finding> {
    let places: BTreeMap<usize, usize> =
        read.rows.iter().enumerate().map(|(index, row)| (row.understood.row, index)).collect();
    let notes = read.notes.iter();
    notes
        .map(|note| Finding {
            concern: note.weight.into(),
            sentence: note.sentence.clone(),
            rows: note.rows.iter().filter_map(|row| places.get(row).copied()).collect(),
            lines: note.rows.iter().map(|row| read.lines[*row]).collect(),
        })
        .collect()
}

/// What the file was recognised as, where it is not what every run keeps, and what was not taken as
/// it stands.
fn file_findings(report: &Report) -> Vec<Finding> {
    let notes = report.sentences();
    let mut found: Vec<Finding> =
        notes.map(|sentence| finding(Weight::Caution.into(), sentence, Vec::new())).collect();
    if !report.is_plain_json_lines() {
        let sentence = format!("The file was read as {}", report.words());
        found.push(finding(Weight::Fact.into(), sentence, Vec::new()));
    }
    found
}

/// What the rows were recognised as.
fn form_finding(read: &Rows) -> Finding {
    let name = read.form.name();
    let sentence = if read.form.is_trls() {
        format!("The rows are read as {name}")
    } else {
        format!(
            "The rows are read as {name} and mapped to what TRL learns from: messages of a user \
             and an assistant"
        )
    };
    finding(Weight::Fact.into(), sentence, Vec::new())
}

/// Whether a run comes to a row at all.
fn is_used(part: Part) -> bool {
    matches!(part, Part::Train | Part::HeldOut)
}

/// Tokens of the longest sequence of a row.
fn longest(encoded: &Encoded) -> usize {
    encoded.example.sequences().map(|sequence| sequence.ids.len()).max().unwrap_or(0)
}

/// Why no row is left.
pub fn why_nothing(encoded: &[Encoded], limit: Limit) -> String {
    if encoded.iter().any(|encoded| encoded.left_out(limit) == Some(LeftOut::TooLong)) {
        return format!(
            "every row has more than {}, and a score is given to whole texts. Raise max_length, or take \
             shorter texts",
            limit.words()
        );
    }
    let is_full = |encoded: &Encoded| encoded.left_out(limit) == Some(LeftOut::PromptFills);
    if !encoded.iter().any(is_full) {
        return "there is no answer to learn".to_owned();
    }
    let advice = if limit.is_context {
        "Shorten the prompts, or take a model with a longer context"
    } else {
        "Raise max_length, or shorten the prompts"
    };
    format!("the prompt alone fills {}. {advice}", limit.words())
}

fn cut_findings(
    encoded: &[Encoded],
    parts: &[Part],
    (limit, context): (Limit, usize),
    config: &TrainConfig,
) -> Vec<Finding> {
    let max_length = limit.tokens;
    let rows = |is: &dyn Fn(usize) -> bool| (0..encoded.len()).filter(|i| is(*i)).collect();
    let longest = |index: usize| longest(&encoded[index]);
    let left_out = |why| {
        rows(&|index| parts[index] == Part::Dropped && encoded[index].left_out(limit) == Some(why))
    };
    let dropped: Vec<usize> = left_out(LeftOut::PromptFills);
    let silent: Vec<usize> = left_out(LeftOut::NothingToLearn);
    let long: Vec<usize> = left_out(LeftOut::TooLong);
    let cut: Vec<usize> = rows(&|index| is_used(parts[index]) && longest(index) > max_length);
    let diverging: Vec<usize> = rows(&|index| {
        encoded[index].read == What::Answers
            && encoded[index].example.chosen.completion_start < encoded[index].prompt_tokens
    });
    let most = (0..encoded.len()).map(longest).max().unwrap_or(0);
    let mut found = Vec::new();
    if !dropped.is_empty() {
        let rows_are = are(dropped.len(), "row is", "rows are");
        let mut sentence = if config.learns_assistant() {
            format!(
                "{rows_are} left out: nothing that an assistant says is among the {} tokens, which is all \
                 that is read. Raise max_length, or shorten the dialogues",
                limit.kept()
            )
        } else if limit.is_context {
            format!(
                "{rows_are} left out: the prompt alone fills {}. Shorten the prompts, or take a \
                 model with a longer context",
                limit.words()
            )
        } else {
            format!(
                "{rows_are} left out: the prompt alone fills {}. Raise max_length, or shorten the \
                 prompts",
                limit.words()
            )
        };
        if matches!(config.objective, Objective::Cpo | Objective::Orpo) {
            let name = config.objective.facts().name;
            sentence.push_str(&format!(
                ". TRL's {name} keeps such rows, with no answer in them, and gets other losses"
            ));
        }
        found.push(finding(Concern::Problem, sentence, dropped));
    }
    if !silent.is_empty() {
        let rows_are = are(silent.len(), "row is", "rows are");
        let sentence = format!("{rows_are} left out: there is no answer to learn");
        found.push(finding(Concern::Problem, sentence, silent));
    }
    if !long.is_empty() {
        let rows_are = are(long.len(), "row is", "rows are");
        let sentence = format!(
            "{rows_are} left out: prompt and answer have more than {max_length} tokens, and a score is \
             given to whole texts. The longest has {most}: {}",
            limit.advice(most, context)
        );
        found.push(finding(Concern::Problem, sentence, long));
    }
    if !cut.is_empty() {
        let rows_are = are(cut.len(), "row is", "rows are");
        let place = if limit.is_context {
            format!("at the end of {}", limit.words())
        } else {
            format!("after {max_length} tokens")
        };
        let sentence = if limit.mode == TruncationMode::KeepEnd {
            format!(
                "{rows_are} cut: of each only the {} tokens are read, so the start of a prompt is never \
                 seen. The longest has {most}: {}",
                limit.kept(),
                limit.advice(most, context)
            )
        } else {
            format!(
                "{rows_are} cut {place}, so the end of an answer is never seen. The longest has \
                 {most}: {}",
                limit.advice(most, context)
            )
        };
        found.push(finding(Concern::Problem, sentence, cut));
    }
    if !diverging.is_empty() {
        let sentence = format!(
            "In {} prompt and answer share a token, or the chat template writes the prompt \
             differently once an answer follows: what is learned begins before the answer",
            are(diverging.len(), "row", "rows")
        );
        found.push(finding(Concern::Caution, sentence, diverging));
    }
    found
}

/// Pairs whose answers differ only after the cut: TRL's loss stays at ln 2 there, too.
fn same_when_cut(
    encoded: &[Encoded],
    parts: &[Part],
    (limit, context): (Limit, usize),
) -> Option<Finding> {
    let (mut rows, mut needed) = (Vec::new(), 0);
    for (index, encoded) in encoded.iter().enumerate() {
        let Some(rejected) = &encoded.example.rejected else { continue };
        let (chosen, rejected) = (&encoded.example.chosen.ids, &rejected.ids);
        let cut = |ids: &[u32]| ids[limit.places(ids.len())].to_vec();
        if !is_used(parts[index]) || chosen == rejected || cut(chosen) != cut(rejected) {
            continue;
        }
        let shared = chosen.iter().zip(rejected).take_while(|(one, other)| one == other).count();
        needed = needed.max(shared + 1);
        rows.push(index);
    }
    let sentence = format!(
        "In {} both answers are the same once they are cut after {} tokens: nothing is learned from \
         that, and its loss stays at 0.6931. They part after {} tokens at the latest: {}",
        are(rows.len(), "pair", "pairs"),
        limit.tokens,
        needed,
        if needed <= context {
            format!("a max_length of {needed} or more tells them apart")
        } else {
            format!("the model's context is {context}")
        }
    );
    (!rows.is_empty()).then(|| finding(Concern::Problem, sentence, rows))
}

/// Texts and completions without a word; of pairs, [`pair_findings`] says it.
fn empty_finding(rows: &[Row]) -> Option<Finding> {
    let is_empty = |row: &Row| match &row.understood.content {
        Content::Preference(_) => false,
        Content::Completion { completion: text, .. } | Content::Whole(text) => {
            text.told_apart().trim().is_empty()
        }
    };
    let empty: Vec<usize> = (0..rows.len()).filter(|index| is_empty(&rows[*index])).collect();
    let sentence = are(
        empty.len(),
        "row has an empty text: only how an answer ends is learned from it",
        "rows have an empty text: only how an answer ends is learned from them",
    );
    (!empty.is_empty()).then(|| finding(Concern::Caution, sentence, empty))
}

/// Rows that are there more than once; of pairs, [`pair_findings`] says it.
fn repeated_finding(rows: &[Row]) -> Option<Finding> {
    let mut seen = BTreeSet::new();
    let is_again = |row: &Row| match &row.understood.content {
        Content::Preference(_) => None,
        content => {
            let texts: Vec<String> =
                content.texts().into_iter().map(crate::data::pair::Text::told_apart).collect();
            Some(texts)
        }
    };
    let repeated: Vec<usize> = (0..rows.len())
        .filter(|index| is_again(&rows[*index]).is_some_and(|texts| !seen.insert(texts)))
        .collect();
    let sentence = are(
        repeated.len(),
        "row repeats an earlier one: it counts twice",
        "rows repeat an earlier one: they count twice",
    );
    (!repeated.is_empty()).then(|| finding(Concern::Caution, sentence, repeated))
}

/// What is wrong with pairs by their words.
fn pair_findings(rows: &[Row]) -> Vec<Finding> {
    // Rows without a pair take part as empty ones, so that indices stay those of the rows.
    let mut pairs: Vec<PreferencePair> = Vec::with_capacity(rows.len());
    for row in rows {
        let Content::Preference(pair) = &row.understood.content else { return Vec::new() };
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
            found.push(finding(concern, are(rows.len(), one, many), rows));
        }
    }
    found
}

/// What rows have that the chat template never writes.
fn template_findings(rows: &[Row], chat: &ChatTemplate) -> Vec<Finding> {
    let reads = Reads::of(chat);
    let mut lost: [Vec<usize>; 4] = Default::default();
    for (index, row) in rows.iter().enumerate() {
        for (rows, is_lost) in lost.iter_mut().zip(reads.lost(row)) {
            if is_lost {
                rows.push(index);
            }
        }
    }
    let mut found = Vec::new();
    for (rows, what) in lost.into_iter().zip(UNREAD) {
        if rows.is_empty() {
            continue;
        }
        let rows_have = are(rows.len(), "row has", "rows have");
        let sentence = if what == "content in parts" {
            format!(
                "{rows_have} content in parts, which the model's chat template cannot read: their \
                 texts were joined"
            )
        } else {
            format!(
                "{rows_have} `{what}`, which the model's chat template does not write: the model \
                 never sees it"
            )
        };
        found.push(finding(Concern::Caution, sentence, rows));
    }
    found
}

/// Columns that became Alpaca's text, because there is no chat template.
fn plain_finding(rows: &[Row], chat: Option<&ChatTemplate>) -> Option<Finding> {
    let of_columns = chat.is_none() && rows.iter().any(|row| row.understood.from_columns);
    let sentence = "The model has no chat template, so questions and answers are written under \
                    \"### Instruction:\" and \"### Response:\", as Alpaca has them";
    of_columns.then(|| finding(Concern::Caution, sentence.to_owned(), Vec::new()))
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
    let equal = match ties {
        0 => String::new(),
        ties => format!(" (as long as rejected in {})", percent(ties as f64 / pairs as f64)),
    };
    let mut sentence = format!(
        "Chosen is the longer answer in {} of the pairs{equal}: \"always the longer one\" is right \
         {} of the time",
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
    Some(finding(concern, sentence, longer))
}

fn split_finding(encoded: &[Encoded], parts: &[Part]) -> Finding {
    let prompts = |part: Part| -> BTreeSet<&str> {
        let of_part = encoded.iter().zip(parts).filter(|(_, found)| **found == part);
        of_part.map(|(encoded, _)| encoded.example.group.as_str()).collect()
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
    finding(concern, sentence, Vec::new())
}

/// Good and bad answers that hardly ever come together in a batch: KTO compares within one.
pub fn of_labels(examples: &[Example], split: &Split, config: &TrainConfig) -> Option<Finding> {
    let is_good = |index: &usize| examples[*index].is_good;
    let batches = split.train.chunks(config.per_device_train_batch_size.max(1));
    let mut count = 0;
    let of_one_kind = batches.filter(|batch| {
        count += 1;
        let first = is_good(&batch[0]);
        batch.len() > 1 && first.is_some() && batch.iter().all(|index| is_good(index) == first)
    });
    let of_one_kind = of_one_kind.count();
    let mostly = config.objective == Objective::Kto && 2 * of_one_kind > count;
    let sentence = format!(
        "{} all good or all bad answers. TRL's KTO takes the rows in the order of the file (of pairs, \
         first all chosen answers and then all rejected ones) and compares within a batch: mixed \
         rows are learned from more evenly",
        are(of_one_kind, "batch has", "batches have")
    );
    mostly.then(|| finding(Concern::Caution, sentence, Vec::new()))
}

/// How many rows have become how many.
pub fn of_packing(documents: usize, split: &Split, limit: Limit) -> Finding {
    let rows = are(split.train.len(), "row", "rows");
    let sentence = format!(
        "{} packed into {rows} of at most {} tokens, and a batch counts those",
        are(documents, "row to train on is", "rows to train on are"),
        limit.tokens
    );
    finding(Concern::Fact, sentence, Vec::new())
}

/// A chat template whose marks leave out the token that ends a turn.
pub fn never_stops() -> Finding {
    let sentence = "The chat template leaves the token that ends the assistant's turn outside \
                    {% generation %}: the model does not learn to stop. Put it inside, or switch \
                    assistant_only_loss off";
    finding(Concern::Problem, sentence.to_owned(), Vec::new())
}

/// A chat template without marks, in whose place a known one with marks is used.
pub fn template_replaced() -> Finding {
    let sentence = "The model's chat template does not mark what the assistant says: rows are written \
                    by the variant for training that TRL has of it, with the reasoning of every turn \
                    where it has any";
    finding(Concern::Fact, sentence.to_owned(), Vec::new())
}

/// What is asked for and needs held-out rows, where there are none.
fn no_evaluations_finding(parts: &[Part], config: &TrainConfig) -> Option<Finding> {
    let has_held_out = parts.contains(&Part::HeldOut);
    let stops_early = config.early_stopping_patience > 0;
    let asked = match (stops_early, config.load_best_model_at_end) {
        (true, true) => "early_stopping_patience and load_best_model_at_end do",
        (true, false) => "early_stopping_patience does",
        (false, true) => "load_best_model_at_end does",
        (false, false) => return None,
    };
    let sentence = format!(
        "No row is held out, since all have the same prompt: {asked} nothing, and the run ends \
         with its last step"
    );
    (!has_held_out).then(|| finding(Concern::Problem, sentence, Vec::new()))
}
