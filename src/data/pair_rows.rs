//! A project's verdicts on pairs as rows: a table with everything that was said, TRL's unpaired
//! preferences, and answers to learn by heart (SFT).

use std::collections::BTreeSet;
use std::io;

use serde_json::{Value, json};

use crate::data::pair::{Message, Text, Verdict};
use crate::data::record::VerdictRecord;
use crate::data::remarks::Rating;

/// A row a verdict, for pandas and R. Each criterion has a column `criterion.<name>`; one with points
/// has two, `….left` and `….right`.
pub fn csv(records: &[VerdictRecord]) -> io::Result<(String, usize)> {
    let names: BTreeSet<&String> =
        records.iter().flat_map(|record| record.remarks.criteria.keys()).collect();
    let has_points = |name: &String| {
        let of = |record: &VerdictRecord| record.remarks.criteria.get(name).copied();
        records.iter().filter_map(of).any(|rating| matches!(rating, Rating::Points { .. }))
    };
    let criteria: Vec<(&String, bool)> =
        names.into_iter().map(|name| (name, has_points(name))).collect();
    let mut header: Vec<String> = [
        "id",
        "created_at",
        "prompt",
        "left",
        "right",
        "left_model",
        "right_model",
        "verdict",
        "strength",
        "reason",
        "flagged",
        "written",
        "written_from",
        "seconds",
        "guideline",
        "replaces",
    ]
    .map(str::to_owned)
    .to_vec();
    for (name, has_points) in &criteria {
        if *has_points {
            header.push(format!("criterion.{name}.left"));
            header.push(format!("criterion.{name}.right"));
        } else {
            header.push(format!("criterion.{name}"));
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header)?;
    for record in records {
        let remarks = &record.remarks;
        let model = |key: &str| record.model_named(key).unwrap_or_default().to_owned();
        let written = remarks.written.as_ref();
        let from = written.map(|written| json!(written.from));
        let mut row = vec![
            record.id.clone(),
            record.created_at.clone(),
            record.prompt.words(),
            record.left.text.clone(),
            record.right.text.clone(),
            model("left_model"),
            model("right_model"),
            json!(record.verdict).as_str().unwrap_or_default().to_owned(),
            remarks.strength.map(|strength| strength.name().to_owned()).unwrap_or_default(),
            remarks.reason.clone(),
            remarks.flagged.to_string(),
            written.map(|written| written.text.clone()).unwrap_or_default(),
            from.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
            record.seconds_taken.to_string(),
            record.guideline.clone(),
            remarks.replaces.clone().unwrap_or_default(),
        ];
        for (name, has_points) in &criteria {
            let rating = remarks.criteria.get(*name).copied();
            match (has_points, rating) {
                (true, Some(Rating::Points { left, right })) => {
                    row.extend([left.to_string(), right.to_string()]);
                }
                (true, _) => row.extend([String::new(), String::new()]),
                (false, rating) => row.push(rating.map(Rating::shown).unwrap_or_default()),
            }
        }
        writer.write_record(&row)?;
    }
    let bytes = writer.into_inner().map_err(|err| io::Error::other(err.to_string()))?;
    Ok((String::from_utf8(bytes).map_err(io::Error::other)?, records.len()))
}

/// TRL's unpaired preferences, which KTO learns from: each answer is wanted or not. An answer that the
/// person wrote is wanted, both of a pair that is bad are not, and a tie says nothing of either.
pub fn unpaired(records: &[VerdictRecord]) -> (String, usize) {
    let mut rows = Vec::new();
    for record in records {
        let mut push = |text: &str, label: bool| {
            let (prompt, completion) = turns(record, text);
            rows.push(json!({"prompt": prompt, "completion": completion, "label": label}));
        };
        match record.verdict {
            Verdict::Left => {
                push(&record.left.text, true);
                push(&record.right.text, false);
            }
            Verdict::Right => {
                push(&record.right.text, true);
                push(&record.left.text, false);
            }
            Verdict::BothBad => {
                push(&record.left.text, false);
                push(&record.right.text, false);
            }
            Verdict::Tie | Verdict::Skip => {}
        }
        if let Some(written) = &record.remarks.written {
            push(&written.text, true);
        }
    }
    lines(&rows)
}

/// Prompts with the answer to be learned: the person's own one, else the better one of the two.
pub fn sft(records: &[VerdictRecord]) -> (String, usize) {
    let rows: Vec<Value> = records
        .iter()
        .filter_map(|record| {
            let (chosen, _) = record.chosen_and_rejected()?;
            let (prompt, completion) = turns(record, chosen);
            Some(json!({"prompt": prompt, "completion": completion}))
        })
        .collect();
    lines(&rows)
}

/// The prompt and an answer, both as messages or both as text.
fn turns(record: &VerdictRecord, answer: &str) -> (Text, Text) {
    let answer = match &record.prompt {
        Text::Messages(_) => Text::Messages(vec![Message::new("assistant", answer)]),
        Text::Plain(_) => Text::Plain(answer.to_owned()),
    };
    (record.prompt.clone(), answer)
}

fn lines(rows: &[Value]) -> (String, usize) {
    let text: Vec<String> = rows.iter().map(|row| format!("{row}\n")).collect();
    (text.concat(), rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::remarks::{From, Strength, Which, Written};
    use crate::examples::record;

    fn records() -> Vec<VerdictRecord> {
        let mut left = record("1", "a", Verdict::Left);
        left.remarks.strength = Some(Strength::Much);
        left.remarks.reason = "short, and \"right\"".to_owned();
        left.remarks.criteria.insert("polite".to_owned(), Rating::Points { left: 4, right: 2 });
        let mut bad = record("2", "b", Verdict::BothBad);
        bad.remarks.written = Some(Written { text: "mine".to_owned(), from: From::Right });
        bad.remarks.criteria.insert("correct".to_owned(), Rating::Which(Which::Equal));
        vec![left, bad, record("3", "c", Verdict::Tie)]
    }

    #[test]
    fn a_table_has_everything_that_was_said() {
        let (text, count) = csv(&records()).unwrap();
        assert_eq!(count, 3);
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().unwrap().clone();
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        let cell = |row: usize, name: &str| {
            let at = header.iter().position(|column| column == name).unwrap();
            rows[row].get(at).unwrap().to_owned()
        };
        assert_eq!((cell(0, "verdict"), cell(0, "strength")), ("left".into(), "much".into()));
        assert_eq!(cell(0, "reason"), "short, and \"right\"");
        assert_eq!(cell(0, "criterion.polite.left"), "4");
        assert_eq!(
            (cell(1, "criterion.correct"), cell(1, "written")),
            ("equal".into(), "mine".into())
        );
        assert_eq!((cell(1, "written_from"), cell(2, "verdict")), ("right".into(), "tie".into()));
    }

    #[test]
    fn unpaired_rows_say_of_each_answer_whether_it_is_wanted() {
        let (text, count) = unpaired(&records());
        let rows: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let labels: Vec<bool> = rows.iter().map(|row| row["label"] == true).collect();
        assert_eq!((count, labels), (5, vec![true, false, false, false, true]));
        assert_eq!(rows[4]["completion"][0]["content"], "mine");
        let (text, count) = sft(&records());
        assert_eq!(count, 2);
        assert!(text.lines().nth(1).unwrap().contains("mine"), "an own answer is the one to learn");
    }
}
