//! Small tables for a person.

use crate::cli::out;

/// Columns of text under their headings; numbers are on the right of theirs.
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self { headings: headings.map(str::to_owned).to_vec(), rows: Vec::new() }
    }

    pub fn of(headings: Vec<String>) -> Self {
        Self { headings, rows: Vec::new() }
    }

    pub fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    pub fn print(&self) -> anyhow::Result<()> {
        for line in self.lines() {
            out::line(&line)?;
        }
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        let all = || std::iter::once(&self.headings).chain(&self.rows);
        let len = |cell: &String| cell.chars().count();
        let width = |column: usize| all().filter_map(|row| row.get(column)).map(len).max();
        let widths: Vec<usize> =
            (0..self.headings.len()).map(|column| width(column).unwrap_or(0)).collect();
        let is_number = |column: usize| {
            let mut cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.all(|cell| cell.is_empty() || cell.parse::<f64>().is_ok())
        };
        let numbers: Vec<bool> = (0..self.headings.len()).map(is_number).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(widths.iter().zip(&numbers));
            let cells = cells.map(|(cell, (width, is_number))| {
                if *is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        all().map(line).collect()
    }
}

/// A token as it stands in a table: its white space is seen.
pub fn token(text: &str) -> String {
    let visible = |character: char| match character {
        ' ' => '·',
        '\n' => '↵',
        '\t' => '→',
        control if control.is_control() => '\u{fffd}',
        other => other,
    };
    text.chars().map(visible).collect()
}

/// A number with so many digits after the point; nothing where there is none.
pub fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(String::new, |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_headings() {
        let mut table = Table::new(["token", "bits"]);
        table.push(vec![token(" the\n"), number(Some(12.345), 2)]);
        table.push(vec![token("a"), number(None, 2)]);
        assert_eq!(table.lines(), ["token   bits", "·the↵  12.35", "a"]);
    }
}
