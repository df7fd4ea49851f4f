//! What a judge decided, as preference pairs to train on.

use std::collections::BTreeMap;

use serde_json::json;

use super::answered::Answered;
use crate::evaluate::rows::questions::Questions;
use crate::evaluate::task::judge::Judge;

/// Of a judge, the pairs that it decided in the same way in both orders, as TRL reads them (JSON Lines).
pub const JUDGED: &str = "judged_pairs.jsonl";

/// A row for each verdict that is no tie.
///
/// `prompt`, `chosen` and `rejected` are as the table has them, dialogues as dialogues. `judged_by` is there so that
/// nobody takes them for people's; `probability` is that of the verdict, averaged over both orders.
pub fn pairs(
    (judge, model): (&Judge, &str),
    questions: &Questions,
    answered: &BTreeMap<u64, Answered>,
) -> Vec<u8> {
    let mut lines = Vec::new();
    for question in &questions.list {
        let Some(answer) = answered.get(&question.row.place.row) else { continue };
        let Some(better) = answer.index.filter(|index| *index < judge.answers.len()) else {
            continue;
        };
        let [first, second] = judge.answers.each_ref().map(|column| question.row.get(column));
        let (Some(first), Some(second)) = (first, second) else { continue };
        let (chosen, rejected) = if better == 0 { (first, second) } else { (second, first) };
        let pair = json!({
            "prompt": question.row.get(&judge.prompt),
            "chosen": chosen,
            "rejected": rejected,
            "judged_by": model,
            "probability": answer.probabilities.get(better),
        });
        serde_json::to_writer(&mut lines, &pair).expect("a value is valid JSON");
        lines.push(b'\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::table::{self, Table};
    use crate::evaluate::task::Task;

    #[test]
    fn verdicts_become_pairs_and_ties_do_not() {
        let answers = ["left", "right"].map(str::to_owned);
        let judge = Judge { prompt: "asked".to_owned(), answers, ..Judge::default() };
        let task = Task { data: "rows.csv".into(), judge: Some(judge.clone()), ..Task::default() };
        let csv = "asked,left,right\nWhy?,a,b\nHow?,c,d\nWho?,e,f\nWhen?,,g\n";
        let mut rows = Vec::new();
        let report = table::read_text(std::path::Path::new("rows.csv"), csv, &mut |_, row| {
            rows.push(row);
            Ok(())
        });
        let table = Table { report: report.unwrap(), rows };
        let questions = Questions::of(&task, None, table).unwrap();
        let said = |row: u64, index: Option<usize>, first: f64| Answered {
            index,
            probabilities: vec![first, 1.0 - first],
            problem: None,
            ..Answered::refused(row, None, String::new())
        };
        let refused = Answered::refused(4, None, "its \"left\" is empty".to_owned());
        let answers =
            [said(1, Some(1), 0.25), said(2, Some(2), 0.5), said(3, Some(0), 0.75), refused];
        let answered = answers.into_iter().map(|answer| (answer.row, answer)).collect();
        let text = String::from_utf8(pairs((&judge, "starter"), &questions, &answered)).unwrap();
        assert_eq!(
            text,
            "{\"prompt\":\"Why?\",\"chosen\":\"b\",\"rejected\":\"a\",\"judged_by\":\"starter\",\"probability\":0.75}\n\
             {\"prompt\":\"Who?\",\"chosen\":\"e\",\"rejected\":\"f\",\"judged_by\":\"starter\",\"probability\":0.75}\n"
        );
    }
}
