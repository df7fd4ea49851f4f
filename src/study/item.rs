//! What is coded: a text, or a prompt with two answers, with its id, what the table says of it beside,
//! and with which probability it was drawn.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::value::Value;
use super::variable::Variables;
use crate::data::pair::Text;
use crate::data::table::Row;

/// What an item is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To be coded.
    #[default]
    Coding,

    /// To learn the codebook with: first of all, and the right codes are shown afterwards. Counts in
    /// no number.
    Training,

    /// To see whether a coder reads: its right codes are known and not shown. Counts in no agreement.
    Check,
}

impl Role {
    /// What a cell of the column `column` says; without a column, everything is to be coded. The error
    /// is the end of a sentence that begins with the row.
    pub fn of_cell(said: &str, column: &str) -> Result<Self, String> {
        if column.is_empty() {
            return Ok(Self::Coding);
        }
        match said.trim().to_lowercase().as_str() {
            "" | "coding" => Ok(Self::Coding),
            "training" | "train" => Ok(Self::Training),
            "check" | "attention check" => Ok(Self::Check),
            other => Err(format!(
                "says “{other}” in the column “{column}”: training, check or nothing is expected"
            )),
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Coding => "coding",
            Self::Training => "training",
            Self::Check => "checks",
        }
    }
}

/// A text to be coded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub id: String,

    /// Of two answers, the words of their prompt.
    pub text: String,

    /// Two answers to the text, of which one may be better; a study is of texts or of pairs. In the
    /// order of the file that they are from, which is not the order on the screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Box<[String; 2]>>,

    /// The messages of the prompt, where it is more than a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Box<Text>>,
    #[serde(default, skip_serializing_if = "is_coding")]
    pub role: Role,

    /// π: the probability with which the item was drawn from its table, known by design. Estimates
    /// for the whole table weigh by it. `None`: it was not drawn (training, check).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inclusion: Option<f64>,

    /// The right codes of an item for training or checks, by variable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expected: BTreeMap<String, Value>,

    /// Why they are right, shown after a training item.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub feedback: String,

    /// The other columns of the table.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub more: Map<String, Json>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_coding(role: &Role) -> bool {
    *role == Role::Coding
}

impl Item {
    /// Everything that a coder reads, in one piece: for forms that have one text an item.
    pub fn whole_text(&self) -> Cow<'_, str> {
        match self.answers.as_deref() {
            None => Cow::Borrowed(&self.text),
            Some([first, second]) => Cow::Owned(format!(
                "{}\n\nFirst answer:\n{first}\n\nSecond answer:\n{second}",
                self.text
            )),
        }
    }

    /// A column of the table as text; empty where there is none.
    pub fn column(&self, name: &str) -> String {
        self.more.get(name).map(cell).unwrap_or_default()
    }
}

/// Which columns of a table mean what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Columns {
    /// Empty: items are called after their row.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    pub text: String,

    /// Says `training` or `check` of some rows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub role: String,

    /// The right codes of these rows: by variable, the column.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub expected: BTreeMap<String, String>,

    /// What is said after a training item.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub feedback: String,

    /// Columns that are left out, as they hold what coders must not see: codes of others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// Makes items of the rows of a table. The error is a sentence that names the row.
pub fn of_rows(
    rows: Vec<Row>,
    columns: &Columns,
    variables: &Variables,
) -> Result<Vec<Item>, String> {
    let mut items = Vec::with_capacity(rows.len());
    let mut seen: HashMap<String, u64> = HashMap::with_capacity(rows.len());
    for row in rows {
        let number = row.place.number();
        let what = if row.place.line.is_some() { "line" } else { "row" };
        let said = |column: &str| row.get(column).map(cell).unwrap_or_default();
        let text = said(&columns.text);
        if text.trim().is_empty() {
            return Err(format!(
                "{what} {number} has no text in the column “{}”: write one, or delete the row",
                columns.text
            ));
        }
        let id = match said(&columns.id).trim() {
            "" if columns.id.is_empty() => row.place.row.to_string(),
            "" => {
                return Err(format!(
                    "{what} {number} has no id in the column “{}”: write one, or choose another column",
                    columns.id
                ));
            }
            id => id.to_owned(),
        };
        if let Some(first) = seen.insert(id.clone(), number) {
            return Err(format!(
                "{what} {number} has the id “{id}” of {what} {first}: each item needs its own"
            ));
        }
        let role = Role::of_cell(&said(&columns.role), &columns.role)
            .map_err(|problem| format!("{what} {number} {problem}"))?;
        let mut expected = BTreeMap::new();
        if role != Role::Coding {
            for (variable, column) in &columns.expected {
                let Some((_, variable)) = variables.named(variable) else { continue };
                let value = variable.parse(&said(column));
                let value = value.and_then(|value| {
                    let refused = value.as_ref().and_then(|value| variable.refusal(value, &text));
                    refused.map_or(Ok(value), Err)
                });
                match value {
                    Ok(Some(value)) => _ = expected.insert(variable.name.clone(), value),
                    Ok(None) => {}
                    Err(problem) => {
                        return Err(format!("{what} {number}, column “{column}”: {problem}"));
                    }
                }
            }
            if expected.is_empty() {
                return Err(format!(
                    "{what} {number} is for {} but has no right code: name the columns that say it",
                    role.words()
                ));
            }
        }
        let feedback = if role == Role::Training { said(&columns.feedback) } else { String::new() };
        let taken = |name: &String| {
            let own = [&columns.id, &columns.text, &columns.role, &columns.feedback];
            own.contains(&name)
                || columns.left_out.contains(name)
                || columns.expected.values().any(|column| column == name)
        };
        let more = row.fields.into_iter().filter(|(name, said)| !taken(name) && !said.is_null());
        let more = more.collect();
        items.push(Item { id, text, role, expected, feedback, more, ..Item::default() });
    }
    if !items.iter().any(|item| item.role == Role::Coding) {
        return Err("the table has no row to be coded".to_owned());
    }
    Ok(items)
}

/// A value of a table as text.
pub fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::data::table::Place;
    use crate::examples::tone;

    pub fn row(number: u64, fields: Json) -> Row {
        let Json::Object(fields) = fields else { panic!("an object") };
        Row { place: Place { row: number, line: Some(number + 1) }, fields }
    }

    fn columns() -> Columns {
        Columns {
            id: "id".to_owned(),
            text: "text".to_owned(),
            role: "role".to_owned(),
            expected: BTreeMap::from([("tone".to_owned(), "right".to_owned())]),
            feedback: "why".to_owned(),
            left_out: vec!["coder".to_owned()],
        }
    }

    #[test]
    fn rows_become_items_with_their_role_and_what_must_not_be_seen_left_out() {
        let rows = vec![
            row(
                1,
                serde_json::json!({"id": "a", "text": "Fine.", "role": "training",
                "right": "good", "why": "It praises.", "coder": "bad", "year": 2020}),
            ),
            row(2, serde_json::json!({"id": 7, "text": "Awful.", "right": "bad"})),
        ];
        let items = of_rows(rows, &columns(), &tone()).unwrap();
        assert_eq!((items[0].role, items[0].feedback.as_str()), (Role::Training, "It praises."));
        assert_eq!(items[0].expected["tone"], Value::words("good"));
        assert_eq!(items[0].more, *serde_json::json!({"year": 2020}).as_object().unwrap());
        assert_eq!((items[1].id.as_str(), items[1].role), ("7", Role::Coding));
        assert!(items[1].expected.is_empty() && items[1].column("year").is_empty());
    }

    #[test]
    fn a_row_that_cannot_be_coded_is_named_before_the_study_starts() {
        let good = serde_json::json!({"id": "a", "text": "Fine."});
        for (second, words) in [
            (
                serde_json::json!({"id": "b", "text": " "}),
                "line 3 has no text in the column “text”",
            ),
            (serde_json::json!({"text": "x"}), "line 3 has no id"),
            (serde_json::json!({"id": "a", "text": "x"}), "the id “a” of line 2"),
            (serde_json::json!({"id": "b", "text": "x", "role": "gold"}), "says “gold”"),
            (serde_json::json!({"id": "b", "text": "x", "role": "check"}), "no right code"),
            (
                serde_json::json!({"id": "b", "text": "x", "role": "check", "right": "so so"}),
                "“so so” is no label of tone",
            ),
        ] {
            let rows = vec![row(1, good.clone()), row(2, second)];
            let said = of_rows(rows, &columns(), &tone()).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
        let no_ids = Columns { text: "text".to_owned(), ..Columns::default() };
        let items = of_rows(vec![row(1, good)], &no_ids, &tone()).unwrap();
        assert_eq!(items[0].id, "1");
    }
}
