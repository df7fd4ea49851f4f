//! The table that was asked about, with the answers beside it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::answered::Answered;
use super::folder::{SUBMISSION, TABLE};
use super::judged::{JUDGED, pairs};
use super::written::{Written, cell};
use crate::data::sheet;
use crate::data::sheet::cells::{Cell, Sheet};
use crate::data::sheet::form::SheetForm;
use crate::data::table::Format;
use crate::evaluate::prompt::letter;
use crate::evaluate::rows::question::Question;
use crate::evaluate::rows::questions::Questions;
use crate::evaluate::rows::several;
use crate::evaluate::task::Task;
use crate::evaluate::task::manner::Manner;
use crate::evaluate::task::perplexity::Likelihood;
use crate::evaluate::task::scale::LabelScale;
use crate::stats::ranking::multiple_choice::ranked;
use crate::study::make::PROBLEM;

/// How the columns with the model's probabilities of labels begin.
pub const OF_MODEL: &str = "model_p_";

/// Every table of the folder, by its name.
pub fn all(
    task: &Task,
    questions: &Questions,
    answered: &BTreeMap<u64, Answered>,
) -> Vec<(&'static str, Vec<u8>)> {
    let mut tables = Vec::new();
    if task.exam.is_some() {
        tables.push((SUBMISSION, submission(questions, answered)));
    }
    if let Some(judge) = &task.judge {
        tables.push((JUDGED, pairs((judge, &task.model), questions, answered)));
    }
    // Whoever finds this one takes the evaluation to be complete.
    let csv = sheet::bytes(&sheet_of(questions, answered), SheetForm::Csv);
    tables.push((TABLE, csv.unwrap_or_default())); // whatever is in a cell, CSV holds it
    tables
}

/// The same table to be written in any format: numbers are numbers where every cell of a column is one, and
/// the labels of coders that are no columns of the table have a column each.
pub fn typed(
    (questions, coders): (&Questions, &[String]),
    answered: &BTreeMap<u64, Answered>,
) -> Sheet {
    let mut sheet = sheet_of(questions, answered);
    let own = questions.report.columns.len();
    let knows_words_alone = matches!(questions.report.format, Format::Delimited(_) | Format::Lines);
    if knows_words_alone {
        sheet = sheet.with_numbers(own);
    }
    let Some(labels) = questions.labels.as_ref().filter(|_| questions.codebook.is_some()) else {
        return sheet;
    };
    let rows = rows(questions, answered);
    for (place, coder) in coders.iter().enumerate() {
        if questions.report.columns.contains(coder) {
            continue;
        }
        let said = rows.iter().map(|(_, answer)| {
            if let Some(several) = &answer.several {
                let said = several.human.get(place).and_then(Option::as_deref);
                return said.map(|said| several::in_a_cell(labels, said)).into();
            }
            let said = answer.human.get(place).copied().flatten();
            said.and_then(|said| labels.get(said)).cloned().into()
        });
        sheet.push(coder, said);
    }
    sheet
}

/// The three likeliest options of each row by their letters. A row that could not be asked has none.
fn submission(questions: &Questions, answered: &BTreeMap<u64, Answered>) -> Vec<u8> {
    const GUESSES: usize = 3;

    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut write = |fields: [&str; 2]| {
        writer.write_record(fields).expect("memory can be written, and all rows are as wide");
    };
    write(["id", "prediction"]);
    for (question, answer) in rows(questions, answered) {
        let guesses = ranked(&answer.probabilities)
            .into_iter()
            .take(GUESSES)
            .map(|option| letter(option).to_string());
        let id = question.id.as_ref();
        let id =
            id.map_or_else(|| question.row.place.row.to_string(), |id| of_table(Some(id)).words());
        write([&id, &guesses.collect::<Vec<String>>().join(" ")]);
    }
    writer.into_inner().expect("memory can be written")
}

/// The name of a column, and what stands in it.
type OfAnswer = (&'static str, fn(&Answered) -> f64);
type OfText = (&'static str, fn(&Likelihood) -> Cell);

/// A row with its answer.
type Pair<'a> = (&'a Question, &'a Answered);

/// The rows that have an answer, or a reason why they have none.
fn rows<'a>(questions: &'a Questions, answered: &'a BTreeMap<u64, Answered>) -> Vec<Pair<'a>> {
    let rows = questions.list.iter();
    rows.filter_map(|row| Some((row, answered.get(&row.row.place.row)?))).collect()
}

fn sheet_of(questions: &Questions, answered: &BTreeMap<u64, Answered>) -> Sheet {
    let rows = rows(questions, answered);
    let mut sheet = Sheet::default();
    let repeated = |name: &&String| questions.repeated.as_ref() != Some(name);
    for name in questions.report.columns.iter().filter(repeated) {
        sheet.push(name, rows.iter().map(|(question, _)| of_table(question.row.fields.get(name))));
    }
    if answered.values().any(|row| row.written.is_some()) {
        push_written(&mut sheet, questions, &rows);
    } else if answered.values().any(|row| row.scored.is_some()) {
        push_scored(&mut sheet, &rows);
    } else {
        push_chosen(&mut sheet, questions, &rows);
    }
    sheet.push("model_cut_tokens", rows.iter().map(|(_, answer)| answer.cut.into()));
    sheet.push(PROBLEM, rows.iter().map(|(_, answer)| answer.problem.clone().into()));
    sheet
}

fn of_table(value: Option<&Value>) -> Cell {
    Cell::of(value, Value::to_string)
}

/// Of answers that are one of several options.
fn push_chosen(sheet: &mut Sheet, questions: &Questions, rows: &[Pair<'_>]) {
    let width = questions.list.iter().map(|question| question.options.len()).max().unwrap_or(0);
    // Of a survey also who answered, and the distributions that were read in other ways.
    let ways: BTreeSet<Manner> = rows
        .iter()
        .filter_map(|(_, answer)| answer.surveyed.as_ref())
        .flat_map(|surveyed| surveyed.ways.keys().copied())
        .collect();
    if !ways.is_empty() {
        let persona =
            |(question, _): &Pair<'_>| Cell::text(question.part("persona").unwrap_or_default());
        sheet.push("persona", rows.iter().map(persona));
        let group = rows.iter().map(|(question, _)| question.group.clone().into());
        sheet.push("persona_group", group);
    }
    let answers = rows.iter().map(|(question, answer)| match &answer.several {
        Some(one) => Cell::text(several::in_a_cell(&question.options, &one.applies)),
        None => answer.answer.clone().into(),
    });
    sheet.push("model_answer", answers);
    for index in 0..width {
        // Where every row has the same options a column is named by its own.
        let labels = questions.labels.as_ref();
        let name = labels
            .and_then(|labels| labels.get(index))
            .cloned()
            .unwrap_or_else(|| letter(index).to_string());
        let share = |(_, answer): &Pair<'_>| answer.probabilities.get(index).copied().into();
        sheet.push(format!("{OF_MODEL}{name}"), rows.iter().map(share));
    }
    if let Some(scale) = questions.codebook.as_ref().and_then(LabelScale::of) {
        let expected = |(_, answer): &Pair<'_>| scale.expected(&answer.probabilities).into();
        sheet.push("model_expected", rows.iter().map(expected));
    }
    let numbers: [OfAnswer; 3] = [
        ("model_entropy_bits", |answer| answer.entropy),
        ("model_margin", |answer| answer.margin),
        ("model_mass", |answer| answer.mass),
    ];
    for (name, number) in numbers {
        let is_there = |answer: &Answered| answer.problem.is_none() && !answer.approximate;
        let number = |(_, answer): &Pair<'_>| is_there(answer).then(|| number(answer)).into();
        sheet.push(name, rows.iter().map(number));
    }
    if rows.iter().any(|(_, answer)| answer.same_answer.is_some()) {
        sheet.push("model_same_answer", rows.iter().map(|(_, answer)| answer.same_answer.into()));
    }
    for way in &ways {
        let name = way.words().replace(", ", "_").replace(' ', "_");
        let found = |answer: &Answered| answer.surveyed.as_ref()?.ways.get(way).cloned();
        let found: Vec<_> = rows.iter().map(|(_, answer)| found(answer)).collect();
        for index in 0..width {
            let shares = found.iter().map(|found| {
                found.as_ref().and_then(|found| found.probabilities.get(index)).copied().into()
            });
            sheet.push(format!("{name}_p_{}", letter(index)), shares);
        }
        let other = found.iter().map(|found| found.as_ref().map(|found| found.other).into());
        sheet.push(format!("{name}_other"), other);
    }
    // Answers of a server that gives no probabilities of them.
    if rows.iter().any(|(_, answer)| answer.approximate) {
        let said = |(_, answer): &Pair<'_>| answer.approximate.then(|| "yes".to_owned()).into();
        sheet.push("model_approximate", rows.iter().map(said));
    }
}

/// Of texts that were scored.
fn push_scored(sheet: &mut Sheet, rows: &[Pair<'_>]) {
    let numbers: [OfText; 8] = [
        ("model_tokens", |text| Cell::count(text.tokens)),
        ("model_logprob", |text| Cell::Number(text.logprob)),
        ("model_mean_logprob", |text| Cell::Number(text.mean())),
        ("model_perplexity", |text| Cell::Number(text.perplexity())),
        ("model_bits_per_byte", |text| text.bits_per_byte().into()),
        ("model_bits_per_character", |text| text.bits_per_character().into()),
        ("model_tokens_before", |text| Cell::count(text.before)),
        ("model_windows", |text| Cell::count(text.windows)),
    ];
    for (name, number) in numbers {
        let number = |(_, answer): &Pair<'_>| answer.scored.as_ref().map_or(Cell::Missing, number);
        sheet.push(name, rows.iter().map(number));
    }
}

/// Of answers that were written: one column, or one a field and one a quote.
fn push_written(sheet: &mut Sheet, questions: &Questions, rows: &[Pair<'_>]) {
    let written = |answer: &Answered| answer.written.clone();
    let all: Vec<Option<Written>> = rows.iter().map(|(_, answer)| written(answer)).collect();
    let (mut fields, mut quotes): (Vec<&String>, Vec<&String>) = (Vec::new(), Vec::new());
    for written in all.iter().flatten() {
        for (names, found) in [
            (written.fields.keys().collect::<Vec<_>>(), &mut fields),
            (written.quotes.keys().collect(), &mut quotes),
        ] {
            for name in names {
                if !found.contains(&name) {
                    found.push(name);
                }
            }
        }
    }
    if fields.is_empty() {
        sheet.push("model_answer", rows.iter().map(|(_, answer)| answer.answer.clone().into()));
    }
    let mut push = |name: String, value: &dyn Fn(&Written) -> Cell| {
        sheet.push(name, all.iter().map(|one| one.as_ref().map_or(Cell::Missing, value)));
    };
    for name in &fields {
        push(format!("model_{name}"), &|written| Cell::of(written.fields.get(*name), cell));
    }
    for name in &quotes {
        let found = |written: &Written| written.quotes.get(*name).copied().into();
        push(format!("model_{name}_in_text"), &found);
    }
    if all.iter().flatten().any(|written| !written.windows.is_empty()) {
        push("model_windows".to_owned(), &|written| Cell::count(written.windows.len().max(1)));
        let disagree = |written: &Written| {
            let names = written.disagree.join("; ");
            if names.is_empty() { Cell::Missing } else { Cell::text(names) }
        };
        push("model_windows_disagree".to_owned(), &disagree);
    }
    if questions.list.iter().any(|question| question.excerpt.is_some()) {
        push("model_read_passages".to_owned(), &|written| {
            let numbers = written.excerpt.as_ref().map(|excerpt| {
                let numbers = excerpt.passages.iter().map(|passage| passage.number.to_string());
                numbers.collect::<Vec<String>>().join("; ")
            });
            numbers.into()
        });
        push("model_passage_scores".to_owned(), &|written| {
            let scores = written.excerpt.as_ref().map(|excerpt| {
                let scores = excerpt.passages.iter().filter_map(|passage| passage.score);
                scores.map(|score| format!("{score:.4}")).collect::<Vec<String>>().join("; ")
            });
            scores.into()
        });
        push("model_left_out_passages".to_owned(), &|written| {
            written.excerpt.as_ref().map(|excerpt| excerpt.left_out).into()
        });
    }
    push("model_tokens".to_owned(), &|written| Cell::count(written.tokens));
    push("model_ended_early".to_owned(), &|written| Cell::Truth(written.ended_early));
}
