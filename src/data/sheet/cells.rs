//! Cells that keep their types, and the columns that they stand in.

use serde_json::Value;

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Missing,
    Truth(bool),
    Whole(i64),
    Number(f64),
    Text(String),

    /// A list or an object, and how it is written where a cell holds words alone.
    Nested(Value, String),
}

impl Cell {
    pub fn text(words: impl Into<String>) -> Self {
        Self::Text(words.into())
    }

    pub fn count(count: usize) -> Self {
        i64::try_from(count).map_or_else(|_| Self::Text(count.to_string()), Self::Whole)
    }

    /// A value as it stands; `words` says how lists and objects are written.
    pub fn of(value: Option<&Value>, words: impl Fn(&Value) -> String) -> Self {
        match value {
            None | Some(Value::Null) => Self::Missing,
            Some(Value::Bool(truth)) => Self::Truth(*truth),
            Some(Value::String(text)) => Self::Text(text.clone()),
            Some(value @ Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Self::Whole(whole),
                // Beyond 64 bits a number would lose digits.
                (None, Some(real)) if number.is_f64() => Self::Number(real),
                _ => Self::Text(value.to_string()),
            },
            Some(nested) => Self::Nested(nested.clone(), words(nested)),
        }
    }

    /// As words, which are none where it is missing.
    pub fn words(&self) -> String {
        match self {
            Self::Missing => String::new(),
            Self::Truth(truth) => truth.to_string(),
            Self::Whole(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(words) | Self::Nested(_, words) => words.clone(),
        }
    }
}

impl From<Option<f64>> for Cell {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Self::Missing, Self::Number)
    }
}

impl From<Option<usize>> for Cell {
    fn from(count: Option<usize>) -> Self {
        count.map_or(Self::Missing, Self::count)
    }
}

impl From<Option<bool>> for Cell {
    fn from(truth: Option<bool>) -> Self {
        truth.map_or(Self::Missing, Self::Truth)
    }
}

impl From<Option<String>> for Cell {
    fn from(words: Option<String>) -> Self {
        words.map_or(Self::Missing, Self::Text)
    }
}

/// A column with a cell for each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub cells: Vec<Cell>,
}

/// Columns of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    pub columns: Vec<Column>,
}

impl Sheet {
    pub fn push(&mut self, name: impl Into<String>, cells: impl IntoIterator<Item = Cell>) {
        self.columns.push(Column { name: name.into(), cells: cells.into_iter().collect() });
    }

    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.cells.len())
    }

    /// Names that no two columns share, as formats need that have a value by its name: the second `x` is
    /// `x_2`.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::with_capacity(self.columns.len());
        for (column, number) in self.columns.iter().zip(1..) {
            let own = match column.name.trim() {
                "" => format!("column_{number}"),
                _ => column.name.clone(),
            };
            let others = (2..).map(|number| format!("{own}_{number}"));
            let free =
                std::iter::once(own.clone()).chain(others).find(|name| !names.contains(name));
            names.extend(free);
        }
        names
    }
}
