//! The types of columns: what all of their cells can be.

use super::cells::{Cell, Column, Sheet};
use crate::data::cell::is_missing;

/// What the cells of a column are. Where they are not of one kind, they are words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Truth,
    Whole,
    Number,
    Text,
}

impl Column {
    pub fn kind(&self) -> Kind {
        let mut kinds = self.cells.iter().filter_map(|cell| match cell {
            Cell::Missing => None,
            Cell::Truth(_) => Some(Kind::Truth),
            Cell::Whole(_) => Some(Kind::Whole),
            Cell::Number(_) => Some(Kind::Number),
            Cell::Text(_) | Cell::Nested(..) => Some(Kind::Text),
        });
        let Some(first) = kinds.next() else { return Kind::Text };
        kinds.fold(first, |one, other| match (one, other) {
            _ if one == other => one,
            (Kind::Whole, Kind::Number) | (Kind::Number, Kind::Whole) => Kind::Number,
            _ => Kind::Text,
        })
    }
}

impl Sheet {
    /// The types of its first `count` columns, where their table knew words alone, as CSV does. Columns in
    /// which every cell is a number as a program writes one, or nothing, are numbers; `007` and `1.234,5` stay
    /// words. An empty cell is missing.
    #[must_use]
    pub fn with_numbers(mut self, count: usize) -> Self {
        for column in self.columns.iter_mut().take(count) {
            let read: Option<Vec<Cell>> = column.cells.iter().map(as_number).collect();
            match read {
                Some(read) => column.cells = read,
                None => column.cells.iter_mut().for_each(without_empty_words),
            }
        }
        self
    }
}

fn without_empty_words(cell: &mut Cell) {
    if matches!(cell, Cell::Text(words) if words.is_empty()) {
        *cell = Cell::Missing;
    }
}

/// `None`: it is words.
fn as_number(cell: &Cell) -> Option<Cell> {
    let Cell::Text(text) = cell else { return (*cell == Cell::Missing).then_some(Cell::Missing) };
    if text.trim().is_empty() || is_missing(text) {
        return Some(Cell::Missing);
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let has_extra_zero =
        digits.starts_with('0') && digits[1..].starts_with(|next: char| next.is_ascii_digit());
    if !digits.starts_with(|first: char| first.is_ascii_digit()) || has_extra_zero {
        return None;
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Some(Cell::Whole(whole));
    }
    // More digits than 64 bits hold are a name, not a quantity.
    let is_long = digits.len() > 17 && digits.chars().all(|letter| letter.is_ascii_digit());
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && !is_long)?;
    Some(Cell::Number(number))
}
