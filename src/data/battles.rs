//! Comparisons of models in pairs, as files have them: an arena's votes, LLM Comparator's examples,
//! the verdicts of a project whose two answers come from two models.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::data::kept::{ReadError, Records};
use crate::data::pair::Verdict;
use crate::data::record::VerdictRecord;
use crate::data::store::{PairStore, StoreError};
use crate::data::table::{self, ImportError, Reading};
use crate::jobs::Progress;

/// Two models were compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Battle {
    /// What was shown first, or at the left.
    pub first: String,
    pub second: String,
    pub winner: Winner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    First,
    Second,
    Tie,

    /// Counted as a tie: neither was better.
    BothBad,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Battles {
    pub battles: Vec<Battle>,

    /// Rows without a decision: skipped, or not answered.
    pub undecided: usize,

    /// Rows whose two answers come from one model.
    pub one_model: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum BattlesError {
    #[error(transparent)]
    Table(#[from] ImportError),

    #[error(transparent)]
    Store(#[from] StoreError),

    #[error(transparent)]
    Again(#[from] ReadError),

    #[error(
        "{} does not say which two models were compared; its columns are: {found}. Expected: \
         \"model_a\", \"model_b\" and \"winner\" (model_a, model_b, tie or both_bad)", path.display()
    )]
    Columns { path: PathBuf, found: String },

    #[error(
        "{} has no comparison of two models: in all {rows} rows both answers come from one model",
        path.display()
    )]
    OneModel { path: PathBuf, rows: usize },

    #[error("{} has no decided comparison of two models", path.display())]
    Nothing { path: PathBuf },
}

/// The two models of a row, by the names of columns that are in use.
const MODELS: [[&str; 2]; 8] = [
    ["model_a", "model_b"],
    ["model_1", "model_2"],
    ["model1", "model2"],
    ["left_model", "right_model"],
    ["model_left", "model_right"],
    ["first_model", "second_model"],
    ["system_a", "system_b"],
    ["system_1", "system_2"],
];

const WINNERS: [&str; 9] =
    ["winner", "verdict", "preference", "vote", "outcome", "result", "choice", "selected", "label"];

/// The comparisons of a file: a table with the two models and the winner in columns, LLM Comparator's
/// JSON, or a project's `pairs.jsonl`.
pub fn read(path: &Path, progress: &dyn Progress<Reading>) -> Result<Battles, BattlesError> {
    let battles = match opening(path) {
        Some(Opening::Verdicts) => of_records(&PairStore::open(path)?.0.records())?,
        Some(Opening::Comparator(battles)) => battles,
        None => of_table(path, progress)?,
    };
    let path = path.to_owned();
    match (battles.battles.is_empty(), battles.undecided, battles.one_model) {
        (false, ..) => Ok(battles),
        (true, 0, rows) if rows > 0 => Err(BattlesError::OneModel { path, rows }),
        (true, ..) => Err(BattlesError::Nothing { path }),
    }
}

/// A file that is no table of battles.
enum Opening {
    Verdicts,
    Comparator(Battles),
}

/// What a file turns out to be. `None`: a table, or nothing that can be read.
fn opening(path: &Path) -> Option<Opening> {
    const MOST: u64 = 500_000_000;
    if std::fs::metadata(path).ok()?.len() > MOST {
        return None;
    }
    let text = std::fs::read_to_string(path).ok()?;
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    if let Ok(Value::Object(row)) = serde_json::from_str::<Value>(first) {
        let is_verdict = row.contains_key("rendered_prompt") && row.contains_key("verdict");
        if is_verdict {
            return Some(Opening::Verdicts);
        }
    }
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let whole: Value = serde_json::from_str(&text).ok()?;
    comparator(&whole).map(Opening::Comparator)
}

/// LLM Comparator: two models for all examples, and a score that is above 0 where the first is better.
fn comparator(whole: &Value) -> Option<Battles> {
    let models = whole.get("models")?.as_array()?;
    let name = |at: usize| models.get(at)?.get("name")?.as_str().map(str::to_owned);
    let (first, second) = (name(0)?, name(1)?);
    let mut battles = Battles::default();
    for example in whole.get("examples")?.as_array()? {
        let winner = match example.get("score").and_then(Value::as_f64) {
            Some(score) if score > 0.0 => Winner::First,
            Some(score) if score < 0.0 => Winner::Second,
            Some(_) => Winner::Tie,
            None => {
                battles.undecided += 1;
                continue;
            }
        };
        battles.push(first.clone(), second.clone(), winner);
    }
    Some(battles)
}

/// The verdicts of a project. Each may say which models its two answers come from.
pub fn of_records(records: &Records) -> Result<Battles, ReadError> {
    let mut battles = Battles::default();
    records.each(&mut |record| battles.take_in(record))?;
    Ok(battles)
}

impl Battles {
    fn take_in(&mut self, record: &VerdictRecord) {
        let Some([first, second]) = record.models() else {
            self.one_model += 1;
            return;
        };
        match record.verdict {
            Verdict::Left => self.push(first, second, Winner::First),
            Verdict::Right => self.push(first, second, Winner::Second),
            Verdict::Tie => self.push(first, second, Winner::Tie),
            Verdict::BothBad => self.push(first, second, Winner::BothBad),
            Verdict::Skip => self.undecided += 1,
        }
    }

    /// Counts a comparison.
    pub fn push(&mut self, first: String, second: String, winner: Winner) {
        if first == second {
            self.one_model += 1;
        } else {
            self.battles.push(Battle { first, second, winner });
        }
    }
}

fn of_table(path: &Path, progress: &dyn Progress<Reading>) -> Result<Battles, BattlesError> {
    let mut battles = Battles::default();
    let mut unknown = None;
    let read = table::read(path, progress, &mut |report, row| {
        let Some([first, second, winner]) = columns(&row.fields) else {
            let found = row.fields.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            unknown = Some(found);
            return Err(ImportError::Stopped { path: path.to_owned() });
        };
        let name = |key: &str| match row.get(key) {
            Some(Value::String(name)) if !name.trim().is_empty() => Some(name.trim().to_owned()),
            Some(Value::Object(model)) => model.get("name")?.as_str().map(str::to_owned),
            _ => None,
        };
        let model = |key: &str| {
            let what = "this comparison does not name the model".to_owned();
            name(key).ok_or_else(|| report.error(row.place, Some(key), what))
        };
        let (one, other) = (model(first)?, model(second)?);
        match row.get(winner).map(|value| said(value, &one, &other)) {
            None | Some(Said::Nothing) => battles.undecided += 1,
            Some(Said::Winner(winner)) => battles.push(one, other, winner),
            Some(Said::Unknown(found)) => {
                let what = format!(
                    "{found} is no winner. Expected: model_a, model_b, tie, both_bad, or the name of \
                     one of the two models"
                );
                return Err(report.error(row.place, Some(winner), what));
            }
        }
        Ok(())
    });
    match (unknown, read) {
        (Some(found), _) => Err(BattlesError::Columns { path: path.to_owned(), found }),
        (None, Err(err)) => Err(err.into()),
        (None, Ok(_)) => Ok(battles),
    }
}

/// The columns of the two models and of the winner.
fn columns(fields: &Map<String, Value>) -> Option<[&str; 3]> {
    let find = |name: &str| {
        let same = |key: &&String| key.trim().to_lowercase().replace([' ', '-'], "_") == name;
        fields.keys().find(same).map(String::as_str)
    };
    let models = MODELS.iter().find_map(|[one, other]| Some([find(one)?, find(other)?]));
    let [first, second] = models?;
    Some([first, second, WINNERS.iter().find_map(|name| find(name))?])
}

enum Said {
    Winner(Winner),

    /// Skipped, or not answered.
    Nothing,
    Unknown(String),
}

fn said(value: &Value, first: &str, second: &str) -> Said {
    let words = match value {
        Value::String(words) => words.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        other => return Said::Unknown(other.to_string()),
    };
    if words == first && words != second {
        return Said::Winner(Winner::First);
    }
    if words == second && words != first {
        return Said::Winner(Winner::Second);
    }
    let plain: String =
        words.to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    match plain.as_str() {
        "modela" | "a" | "left" | "first" | "1" | "model1" | "leftmodel" => {
            Said::Winner(Winner::First)
        }
        "modelb" | "b" | "right" | "second" | "2" | "model2" | "rightmodel" => {
            Said::Winner(Winner::Second)
        }
        "tie" | "draw" | "equal" | "both" | "bothgood" => Said::Winner(Winner::Tie),
        "tiebothbad" | "bothbad" | "neither" => Said::Winner(Winner::BothBad),
        "" | "skip" | "skipped" | "none" | "null" => Said::Nothing,
        _ => Said::Unknown(format!("{words:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::record;
    use crate::jobs::Quiet;

    fn read_text(name: &str, text: &str) -> Result<Battles, BattlesError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        crate::files::write_atomic(&path, text.as_bytes()).unwrap();
        read(&path, &Quiet)
    }

    fn winners(battles: &Battles) -> Vec<Winner> {
        battles.battles.iter().map(|battle| battle.winner).collect()
    }

    #[test]
    fn an_arena_is_read_as_its_winners_are_written() {
        let text = "model_a,model_b,winner\nx,y,model_a\nx,y,model_b\nx,y,tie\nx,y,tie (bothbad)\n\
                    x,y,y\nx,x,model_a\nx,y,\n";
        let read = read_text("votes.csv", text).unwrap();
        let expected =
            [Winner::First, Winner::Second, Winner::Tie, Winner::BothBad, Winner::Second];
        assert_eq!(winners(&read), expected);
        assert_eq!((read.one_model, read.undecided), (1, 1));
    }

    #[test]
    fn llm_comparators_scores_say_who_is_better() {
        let text = r#"{"metadata": {}, "models": [{"name": "base"}, {"name": "dpo"}], "examples": [
            {"input_text": "a", "output_text_a": "b", "output_text_b": "c", "score": -1.25},
            {"input_text": "a", "score": 0.5}, {"input_text": "a", "score": 0}]}"#;
        let read = read_text("comparison.json", text).unwrap();
        assert_eq!(winners(&read), [Winner::Second, Winner::First, Winner::Tie]);
        assert_eq!(read.battles[0].second, "dpo");
    }

    #[test]
    fn verdicts_of_a_project_count_where_they_know_their_two_models() {
        let mut known = record("1", "a", Verdict::Right);
        known.more.insert("left_model".to_owned(), "base".into());
        known.more.insert("right_model".to_owned(), serde_json::json!({"name": "dpo"}));
        let lines = [known, record("2", "b", Verdict::Left)]
            .map(|record| format!("{}\n", serde_json::to_string(&record).unwrap()));
        let read = read_text("pairs.jsonl", &lines.concat()).unwrap();
        assert_eq!((winners(&read), read.one_model), (vec![Winner::Second], 1));
        let said = read_text("pairs.jsonl", &lines[1]).unwrap_err().to_string();
        assert!(said.ends_with("in all 1 rows both answers come from one model"), "{said}");
    }

    #[test]
    fn what_is_no_comparison_is_named() {
        let said = read_text("a.csv", "prompt,answer\na,b\n").unwrap_err().to_string();
        assert!(said.contains("its columns are: prompt, answer. Expected: \"model_a\""), "{said}");
        let text = "model_a,model_b,winner\nx,y,0.7\n";
        let said = read_text("a.csv", text).unwrap_err().to_string();
        assert!(said.starts_with("line 2, column 3") && said.contains("is no winner"), "{said}");
    }
}
