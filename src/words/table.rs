//! Tables in Markdown: whatever a cell says, it stays a cell.

use std::fmt::Display;

/// A table, column by column and then row by row.
#[derive(Clone, Debug, Default)]
pub struct Table {
    names: Vec<String>,
    rules: Vec<&'static str>,
    rows: String,
}

impl Table {
    /// With columns of words behind those that are there.
    #[must_use]
    pub fn words<N: AsRef<str>>(self, names: impl IntoIterator<Item = N>) -> Self {
        self.columns(names, "---")
    }

    /// With columns of numbers, which stand on the right.
    #[must_use]
    pub fn numbers<N: AsRef<str>>(self, names: impl IntoIterator<Item = N>) -> Self {
        self.columns(names, "---:")
    }

    fn columns<N: AsRef<str>>(
        mut self,
        names: impl IntoIterator<Item = N>,
        rule: &'static str,
    ) -> Self {
        for name in names {
            self.names.push(cell(name.as_ref()));
            self.rules.push(rule);
        }
        self
    }

    /// A cell a column.
    pub fn row(&mut self, cells: &[&dyn Display]) {
        let cells: Vec<String> = cells.iter().map(|said| cell(&said.to_string())).collect();
        self.rows.push_str(&line(&cells));
    }

    /// What stands before the table, and the table. Of one without rows nothing.
    pub fn after(&self, before: &str) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        format!("{before}{}{}{}", line(&self.names), line(&self.rules), self.rows)
    }
}

fn line(cells: &[impl AsRef<str>]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// A bar would end it, and so would a new line.
fn cell(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ").replace('|', "\\|")
}

/// The cells of a line, as they were before they were written.
pub fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let line = line.trim();
    let mut letters = line.strip_prefix('|').unwrap_or(line).chars().peekable();
    while let Some(letter) = letters.next() {
        let is_bar = letter == '\\' && letters.peek() == Some(&'|');
        match cells.last_mut() {
            Some(cell) if is_bar => cell.extend(letters.next()),
            Some(cell) if letter != '|' => cell.push(letter),
            _ if letters.peek().is_some() => cells.push(String::new()),
            _ => {} // the last bar
        }
    }
    cells.into_iter().map(|cell| cell.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_cell_says_it_stays_a_cell() {
        let mut table = Table::default().words(["label"]).numbers(["rows", "a|b"]);
        assert_eq!(table.after("\n## Nothing\n\n"), "");
        table.row(&[&"war | peace", &3, &"0.5"]);
        table.row(&[&"two\nlines ", &4, &""]);
        let said = "| label | rows | a\\|b |\n| --- | ---: | ---: |\n| war \\| peace | 3 | 0.5 |\n\
                    | two lines | 4 |  |\n";
        assert_eq!(table.after("## Labels\n\n"), format!("## Labels\n\n{said}"));
        let read: Vec<Vec<String>> = said.lines().map(cells).collect();
        assert_eq!(read[0], ["label", "rows", "a|b"]);
        assert_eq!(read[2], ["war | peace", "3", "0.5"]);
        assert_eq!(read[3], ["two lines", "4", ""]);
    }
}
