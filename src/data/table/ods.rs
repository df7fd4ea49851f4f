//! Sheets of `OpenDocument`, element by element. A value that stands for several cells or rows is written out
//! only within limits, and what is empty only counts on.
//!
//! Texts are put together from their paragraphs as pandas does it, but for tabs, which it leaves out.

use std::collections::HashSet;
use std::io::{BufRead, Read, Seek};

use calamine::{Data, Sheet, SheetType, SheetVisible};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use super::elements::{Elements, MOST_OF_ROW, attribute};
use super::error::ImportError;
use super::grid::{self, Cell, Grid, cell_of, damaged};
use super::report::Sink;

/// What repeating makes of the cells of a sheet takes no more, in bytes, and what is counted for a cell beside its
/// text: some 400,000 short ones, which no person has put there.
const MOST_REPEATED: u64 = 16 << 20;
const CELL: u64 = 40;

const MOST_COLUMNS: u64 = 16_384;

/// Names of sheets and of styles that hide them take no more, in bytes.
const MOST_OF_NAMES: usize = 1 << 20;

/// Whether the workbook is encrypted.
pub(super) fn is_locked<R: Read + Seek>(archive: &mut ZipArchive<R>) -> bool {
    const LONGEST: u64 = 1 << 20;

    let Ok(entry) = archive.by_name("META-INF/manifest.xml") else { return false };
    let mut manifest = Vec::new();
    entry.take(LONGEST).read_to_end(&mut manifest).is_ok()
        && String::from_utf8_lossy(&manifest).contains("<manifest:encryption-data")
}

/// What an element says of a cell, and the text in it.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "what an element says, one by one")]
struct Given {
    columns: u64,
    covered: bool,
    merged_down: bool,
    value: Data,
    is_text: bool,
    is_error: bool,
    has_formula: bool,

    /// Instead of its paragraphs, where it has none.
    text: Option<String>,
}

/// A cell, or several that have the same.
struct Run {
    column: u64,
    count: u64,
    cell: Cell,
}

impl Run {
    fn bytes(&self) -> u64 {
        let text = match &self.cell {
            Cell::Text(text) | Cell::Failed(text) => text.len(),
            Cell::Other(value) => value.as_str().unwrap_or_default().len(),
            Cell::Empty | Cell::Unsolved => 0,
        };
        CELL + text as u64
    }
}

impl<R: BufRead> Elements<R> {
    /// Their names, to the end of the file.
    pub fn sheets(mut self, sink: &Sink<'_>) -> Result<Vec<Sheet>, ImportError> {
        let (mut sheets, mut hidden, mut style) = (Vec::new(), HashSet::new(), String::new());
        let mut room = MOST_OF_NAMES;
        let mut take = |name: &str| -> Result<(), ImportError> {
            let left = room.checked_sub(name.len() + size_of::<Sheet>());
            room = left.ok_or_else(|| damaged(sink, "it names more sheets than there can be"))?;
            Ok(())
        };
        let mut seen = 0_u32;
        loop {
            seen = seen.wrapping_add(1);
            if seen.is_multiple_of(4096) {
                sink.check()?;
            }
            self.go_on();
            let tag = match self.next(sink)? {
                Event::Start(tag) => tag,
                Event::Eof => return Ok(sheets),
                _ => continue,
            };
            match tag.name().as_ref() {
                "style:style" => style = attribute(&tag, "style:name", sink)?.unwrap_or_default(),
                "style:table-properties"
                    if attribute(&tag, "table:display", sink)?.as_deref() == Some("false") =>
                {
                    take(&style)?;
                    hidden.insert(style.clone());
                }
                "table:table" => {
                    let name = attribute(&tag, "table:name", sink)?;
                    let is_hidden = attribute(&tag, "table:style-name", sink)?
                        .is_some_and(|style| hidden.contains(&style));
                    if let Some(name) = name {
                        take(&name)?;
                        let visible =
                            if is_hidden { SheetVisible::Hidden } else { SheetVisible::Visible };
                        sheets.push(Sheet { name, typ: SheetType::WorkSheet, visible });
                    }
                    match self.leave(sink) {
                        // Whoever reads this sheet comes to the same place, and can name it.
                        Err(_) if self.is_used_up() => return Ok(sheets),
                        left => left?,
                    }
                }
                _ => {}
            }
        }
    }

    /// Puts the cells of a sheet into rows. Sheets are read in their order.
    pub fn sheet(
        &mut self,
        name: &str,
        grid: &mut Grid,
        sink: &mut Sink<'_>,
    ) -> Result<(), ImportError> {
        loop {
            self.go_on();
            match self.next(sink)? {
                Event::Start(tag) if tag.name().as_ref() == "table:table" => {
                    if attribute(&tag, "table:name", sink)?.as_deref() == Some(name) {
                        break;
                    }
                    self.leave(sink)?;
                }
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
        let outside = self.depth - 1;
        let (mut row, mut room) = (0_u64, MOST_REPEATED);
        while self.depth > outside {
            self.go_on();
            let repeated = match self.next(sink)? {
                Event::Start(tag) => match tag.name().as_ref() {
                    "table:table-row" => {
                        Some(count(&tag, "table:number-rows-repeated", (name, row), sink)?)
                    }
                    // Pictures, forms, a table that another program keeps.
                    "table:shapes" | "office:forms" | "table:table" => None,
                    _ => continue,
                },
                Event::Eof => return Err(damaged(sink, "it ends before its sheet does")),
                _ => continue,
            };
            let Some(repeated) = repeated else {
                self.leave(sink)?;
                continue;
            };
            if row.is_multiple_of(1024) {
                sink.check()?;
            }
            let runs = self.row((name, row), grid, sink);
            let runs = match runs {
                Err(_) if self.is_used_up() => return Err(too_large((name, row), sink)),
                runs => runs?,
            };
            put((name, row), repeated, runs, &mut room, grid, sink)?;
            row = row.saturating_add(repeated);
        }
        Ok(())
    }

    /// The cells of a row that have something.
    fn row(
        &mut self,
        at: (&str, u64),
        grid: &Grid,
        sink: &mut Sink<'_>,
    ) -> Result<Vec<Run>, ImportError> {
        let outside = self.depth - 1;
        let (mut column, mut runs) = (0_u64, Vec::new());
        while self.depth > outside {
            let given = match self.next(sink)? {
                Event::Start(tag) => match tag.name().as_ref() {
                    "table:table-cell" | "table:covered-table-cell" => {
                        Some(Given::of(&tag, at, sink)?)
                    }
                    _ => None,
                },
                Event::Eof => return Err(damaged(sink, "it ends before its row does")),
                _ => continue,
            };
            let Some(given) = given else {
                self.leave(sink)?;
                continue;
            };
            let (first, count) = (column, given.columns);
            column = column.saturating_add(count);
            let header = grid.header.as_ref();
            let named = u32::try_from(first).ok().and_then(|first| header?.get(&first));
            let merged = given.merged_down;
            let cell = self.cell(given, named, at, sink)?;
            if count == 0 || matches!(&cell, Cell::Empty) {
                continue;
            }
            if let Cell::Text(text) = &cell
                && text.is_empty()
            {
                continue;
            }
            if column > MOST_COLUMNS {
                let what = format!(
                    "it has values up to column {column}, and a sheet has {MOST_COLUMNS} columns at most"
                );
                return Err(refused(at, &what, sink));
            }
            if merged && let Some(name) = named {
                grid::tell_merged(name, at.1.saturating_add(1), sink);
            }
            runs.push(Run { column: first, count, cell });
        }
        Ok(runs)
    }

    /// What a cell has, to its end.
    fn cell(
        &mut self,
        given: Given,
        column: Option<&String>,
        at: (&str, u64),
        sink: &mut Sink<'_>,
    ) -> Result<Cell, ImportError> {
        let words = self.words(at, sink)?;
        if !matches!(&given.value, Data::Empty) && !given.is_error {
            return Ok(cell_of(&given.value));
        }
        let words = words.or(given.text).unwrap_or_default();
        if given.covered {
            return Ok(Cell::Empty);
        }
        Ok(match (given.is_text, given.is_error) {
            (_, true) => Cell::Failed(words),
            (true, false) => Cell::Text(words),
            (false, false) if given.has_formula => Cell::Unsolved,
            (false, false) => {
                if !words.trim().is_empty() {
                    let what = "it shows words that are not said to be its value; it is taken as empty, as in \
                                pandas. Open the table in LibreOffice, and save it";
                    sink.report.note(what, column.map(String::as_str), at.1.saturating_add(1));
                }
                Cell::Empty
            }
        })
    }

    /// The paragraphs of a cell, to its end. `None`: it has none.
    fn words(&mut self, at: (&str, u64), sink: &Sink<'_>) -> Result<Option<String>, ImportError> {
        let outside = self.depth - 1;
        let (mut text, mut paragraphs) = (None, 0_usize);
        // Where a text without elements in it began: line breaks around it are how the file is set.
        let mut from = 0;
        while self.depth > outside {
            let mut said = String::new();
            let mut is_beside = false;
            match self.next(sink)? {
                Event::Start(tag) => match tag.name().as_ref() {
                    "text:p" | "text:h" => {
                        paragraphs += 1;
                        if text.is_some() {
                            said.push('\n');
                        }
                        text.get_or_insert_with(String::new);
                    }
                    "text:s" => {
                        let count = match attribute(&tag, "text:c", sink)? {
                            None => 1,
                            Some(count) => parsed(&count, "number of spaces", at, sink)?,
                        };
                        if count > MOST_OF_ROW as u64 {
                            let what = format!("a text in it has {count} spaces");
                            return Err(refused(at, &what, sink));
                        }
                        said = " ".repeat(count as usize);
                    }
                    "text:tab" => said.push('\t'),
                    "text:line-break" => said.push('\n'),
                    name => {
                        is_beside = name.starts_with("draw:")
                            || matches!(name, "office:annotation" | "table:table");
                    }
                },
                Event::End(tag) => {
                    let ends = matches!(tag.name().as_ref(), "text:p" | "text:h");
                    paragraphs = paragraphs.saturating_sub(usize::from(ends));
                }
                Event::Text(words) if paragraphs > 0 => {
                    if let Some(text) = &mut text {
                        text.push_str(&words.xml10_content());
                    }
                    continue;
                }
                Event::CData(words) if paragraphs > 0 => {
                    if let Some(text) = &mut text {
                        text.push_str(&words.xml10_content());
                    }
                    continue;
                }
                Event::GeneralRef(name) if paragraphs > 0 => {
                    let letter = name.resolve_char_ref();
                    let letter = letter.map_err(|error| damaged(sink, &error.to_string()))?;
                    let known = quick_xml::escape::resolve_xml_entity(&name);
                    if let Some(text) = &mut text {
                        text.extend(letter);
                        text.push_str(known.unwrap_or_default());
                    }
                    continue;
                }
                Event::Eof => return Err(damaged(sink, "it ends before its cell does")),
                _ => continue,
            }
            if is_beside {
                self.leave(sink)?;
            }
            if let Some(text) = &mut text {
                trim_lines(text, from);
                if !self.ration(said.len()) {
                    return Err(too_large(at, sink));
                }
                text.push_str(&said);
                from = text.len();
            }
        }
        Ok(text)
    }
}

impl Given {
    fn of(tag: &BytesStart<'_>, at: (&str, u64), sink: &Sink<'_>) -> Result<Self, ImportError> {
        let mut given = Self { columns: 1, ..Self::default() };
        given.covered = tag.name().as_ref() == "table:covered-table-cell";
        for found in tag.attributes().with_checks(false) {
            let found = found.map_err(|error| damaged(sink, &error.to_string()))?;
            let value = found.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|error| damaged(sink, &error.to_string()))?;
            match found.key.as_ref() {
                "table:number-columns-repeated" => {
                    given.columns = parsed(&value, "number of columns", at, sink)?;
                }
                "table:number-rows-spanned" => given.merged_down = value.as_ref() != "1",
                "table:formula" => given.has_formula = true,
                "calcext:value-type" => given.is_error = value.as_ref() == "error",
                "office:value-type" => given.is_text = value.as_ref() == "string",
                "office:value" => given.value = Data::Float(parsed(&value, "number", at, sink)?),
                "office:boolean-value" if !given.covered => {
                    given.value = Data::Bool(value.eq_ignore_ascii_case("true"));
                }
                "office:date-value" if !given.covered => {
                    given.value = Data::DateTimeIso(value.into_owned());
                }
                "office:time-value" if !given.covered => {
                    given.value = Data::DurationIso(value.into_owned());
                }
                "office:string-value" => {
                    given.is_text = true;
                    given.text = Some(value.into_owned());
                }
                _ => {}
            }
        }
        Ok(given)
    }
}

/// Hands on a row as often as it stands there.
fn put(
    at: (&str, u64),
    repeated: u64,
    runs: Vec<Run>,
    room: &mut u64,
    grid: &mut Grid,
    sink: &mut Sink<'_>,
) -> Result<(), ImportError> {
    if runs.is_empty() || repeated == 0 {
        return Ok(());
    }
    let once: u64 = runs.iter().map(Run::bytes).sum();
    let all = runs
        .iter()
        .fold(0_u64, |sum, run| sum.saturating_add(run.bytes().saturating_mul(run.count)));
    let made = all.saturating_mul(repeated) - once;
    *room = room.checked_sub(made).ok_or_else(|| {
        let cells = runs.iter().fold(0_u64, |sum, run| sum.saturating_add(run.count));
        let what = format!(
            "it stands there {repeated} times with {cells} cells, more than a table has. Delete what is repeated \
             below it and beside it, and save the workbook"
        );
        refused(at, &what, sink)
    })?;
    let last = u32::try_from(at.1.saturating_add(repeated));
    let Ok(last) = last else {
        return Err(refused(at, "no sheet has so many rows", sink));
    };
    let mut runs = runs;
    for row in at.1 as u32..last {
        let is_last = row + 1 == last;
        for run in &mut runs {
            for column in run.column..run.column + run.count {
                let is_last = is_last && column + 1 == run.column + run.count;
                let cell = if is_last {
                    std::mem::replace(&mut run.cell, Cell::Empty)
                } else {
                    run.cell.clone()
                };
                grid.put(row, column as u32, cell, sink)?;
            }
        }
        grid.end(sink)?;
    }
    Ok(())
}

/// A row that is not taken as it stands there. `at`: the sheet and the row, from 0.
fn refused((sheet, row): (&str, u64), problem: &str, sink: &Sink<'_>) -> ImportError {
    let path = sink.report.path.clone();
    let problem = format!("sheet “{sheet}”: {problem}");
    ImportError::Table { path, row: Some(row.saturating_add(1)), column: None, problem }
}

fn too_large(at: (&str, u64), sink: &Sink<'_>) -> ImportError {
    refused(at, &format!("it takes more than {} MB", MOST_OF_ROW >> 20), sink)
}

/// How often something stands there: once, where nothing is said.
fn count(
    tag: &BytesStart<'_>,
    name: &str,
    at: (&str, u64),
    sink: &Sink<'_>,
) -> Result<u64, ImportError> {
    let given = attribute(tag, name, sink)?;
    given.map_or(Ok(1), |given| parsed(&given, "number of rows", at, sink))
}

fn parsed<T: std::str::FromStr>(
    given: &str,
    what: &str,
    at: (&str, u64),
    sink: &Sink<'_>,
) -> Result<T, ImportError> {
    given.trim().parse().map_err(|_error| {
        let short: String = given.chars().take(40).collect();
        refused(at, &format!("“{short}” is no {what}: the workbook is damaged"), sink)
    })
}

/// Takes line breaks away at both ends of what stands behind a place.
fn trim_lines(text: &mut String, from: usize) {
    let kept = text[from..].trim_end_matches('\n').len();
    text.truncate(from + kept);
    let lines = text[from..].len() - text[from..].trim_start_matches('\n').len();
    text.replace_range(from..from + lines, "");
}
