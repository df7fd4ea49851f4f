//! Workbooks: the first sheet with a row under a header, which is its first row that has something on
//! it.
//!
//! Numbers are numbers, days and times are written as pandas prints them. A formula is what was
//! computed for it when the workbook was saved.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{
    Data, DataRef, Dimensions, Reader as _, Sheet, SheetType, SheetVisible, Xls, Xlsb, Xlsx,
};
use zip::ZipArchive;

use super::elements::Elements;
use super::error::ImportError;
use super::grid::{self, Cell, Grid, Header, cell_of, damaged, no};
use super::open::Kind;
use super::report::{Format, Sink};
use super::{compound, folder, ods};

type Book = BufReader<File>;

/// A sheet that is not streamed, and what is unpacked of a workbook, take no more, in bytes.
const MOST_BYTES: u64 = 1 << 30;

/// Hands on every row of a workbook.
pub(super) fn read(file: File, kind: &Kind, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    let old = matches!(kind, Kind::OldOffice);
    // The decoders are not written for damaged files.
    catch_unwind(AssertUnwindSafe(|| if old { old_excel(file, sink) } else { zipped(file, sink) }))
        .unwrap_or_else(|_panic| Err(damaged(sink, "its parts contradict each other")))
}

fn old_excel(file: File, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    match compound::fault(&file) {
        Ok(None) => {}
        Ok(Some(fault)) => return Err(damaged(sink, &fault)),
        Err(source) => {
            return Err(ImportError::Read { path: sink.report.path.clone(), source });
        }
    }
    let book = Xls::new(BufReader::new(file));
    let mut book = book.map_err(|error| match error {
        calamine::XlsError::Password => locked(sink),
        other => damaged(sink, &format!("{other}; only workbooks of Excel are read of such files")),
    })?;
    let names = sheet_names(book.sheets_metadata());
    first_with_rows(&names, "Excel 97", sink, |name, grid, sink| {
        let range = book.worksheet_range(name);
        let range = range.map_err(|error| damaged(sink, &error.to_string()))?;
        let (first_row, first_column) = range.start().unwrap_or_default();
        for (row, column, data) in range.used_cells() {
            let (row, column) = (first_row + row as u32, first_column + column as u32);
            grid.put(row, column, cell_of(data), sink)?;
        }
        Ok(Vec::new())
    })
}

fn zipped(mut file: File, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    let archive = ZipArchive::new(BufReader::new(&mut file));
    let mut archive = archive.map_err(|error| damaged(sink, &error.to_string()))?;
    let (mut names, mut unpacked) = (Vec::new(), 0_u64);
    for index in 0..archive.len() {
        let entry =
            archive.by_index_raw(index).map_err(|error| damaged(sink, &error.to_string()))?;
        names.push(entry.name().map(std::borrow::Cow::into_owned).unwrap_or_default());
        unpacked = unpacked.saturating_add(entry.size());
    }
    if unpacked > MOST_BYTES {
        return Err(no(sink, "unpacked, it would take more than 1 GB. Save the table as CSV"));
    }
    let has = |name: &str| names.iter().any(|known| known == name);
    let mut mimetype = String::new();
    if has("mimetype")
        && let Ok(entry) = archive.by_name("mimetype")
        && entry.take(200).read_to_string(&mut mimetype).is_err()
    {
        mimetype.clear();
    }
    drop(archive);
    if let Err(source) = file.seek(SeekFrom::Start(0)) {
        return Err(ImportError::Read { path: sink.report.path.clone(), source });
    }
    let book = BufReader::new(file);
    if has("xl/workbook.xml") {
        streamed(book, sink)
    } else if has("xl/workbook.bin") {
        binary(book, sink)
    } else if mimetype.contains("opendocument.spreadsheet") {
        open_document(book, sink)
    } else if has("word/document.xml") && sink.report.packing.is_empty() {
        let path = sink.report.path.clone();
        folder::one(&path, sink)
    } else if has("word/document.xml") || mimetype.contains("opendocument.text") {
        Err(no(sink, "it is a document of a word processor; save it as plain text, or as a table"))
    } else if let [only] = names.as_slice() {
        let what = format!("it is a zip archive with “{only}” in it; unpack it and open that");
        Err(no(sink, &what))
    } else {
        let what = format!("it is a zip archive of {} files; unpack it and open one", names.len());
        Err(no(sink, &what))
    }
}

fn locked(sink: &Sink<'_>) -> ImportError {
    no(sink, "the workbook is protected with a password; save it without one")
}

/// The names of the sheets that a person sees, or of all if they see none.
fn sheet_names(sheets: &[Sheet]) -> Vec<String> {
    let tables = || sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet);
    let seen = tables().filter(|sheet| sheet.visible == SheetVisible::Visible);
    let names: Vec<String> = seen.map(|sheet| sheet.name.clone()).collect();
    if names.is_empty() { tables().map(|sheet| sheet.name.clone()).collect() } else { names }
}

fn tell_others(names: &[String], read: &str, sink: &mut Sink<'_>) {
    let others: Vec<String> =
        names.iter().filter(|name| *name != read).map(|name| format!("“{name}”")).collect();
    if !others.is_empty() {
        let what = format!(
            "only one sheet is read; the workbook has {} more: {}. Move the one that you want to \
             the front, or save it as a file of its own",
            others.len(),
            others.join(", ")
        );
        sink.report.note_of_file(what);
    }
}

/// Excel since 2007: cell by cell.
fn streamed(book: Book, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    let book = Xlsx::new(book);
    let mut book = book.map_err(|error| match error {
        calamine::XlsxError::Password => locked(sink),
        other => damaged(sink, &other.to_string()),
    })?;
    let names = sheet_names(book.sheets_metadata());
    first_with_rows(&names, "Excel", sink, |name, grid, sink| {
        let merged = book.merge_cells_by_sheet_name(name).unwrap_or_default();
        let cells = book.worksheet_cells_reader(name);
        let mut cells = cells.map_err(|error| damaged(sink, &error.to_string()))?;
        loop {
            let cell = cells.next_cell_with_formula_metadata();
            let Some(cell) = cell.map_err(|error| damaged(sink, &error.to_string()))? else {
                return Ok(merged);
            };
            let (row, column) = cell.pos;
            let data = match cell.value {
                DataRef::Empty if cell.formula.is_some() => Cell::Unsolved,
                DataRef::SharedString(text) => Cell::Text(text.to_owned()),
                other => cell_of(&Data::from(other)),
            };
            grid.put(row, column, data, sink)?;
        }
    })
}

/// The binary form of the same: cell by cell, too, since a sheet as a whole has all cells between its outermost
/// ones, and these may lie anywhere.
fn binary(book: Book, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    let mut book = Xlsb::new(book).map_err(|error| damaged(sink, &error.to_string()))?;
    let names = sheet_names(book.sheets_metadata());
    first_with_rows(&names, "Excel (binary)", sink, |name, grid, sink| {
        let cells = book.worksheet_cells_reader(name);
        let mut cells = cells.map_err(|error| damaged(sink, &error.to_string()))?;
        while let Some(cell) =
            cells.next_cell().map_err(|error| damaged(sink, &error.to_string()))?
        {
            let (row, column) = cell.get_position();
            grid.put(row, column, cell_of(&Data::from(cell.get_value().clone())), sink)?;
        }
        Ok(Vec::new())
    })
}

/// `OpenDocument`: element by element.
fn open_document(book: Book, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    let archive = ZipArchive::new(book);
    let mut archive = archive.map_err(|error| damaged(sink, &error.to_string()))?;
    if ods::is_locked(&mut archive) {
        return Err(locked(sink));
    }
    let sheets = Elements::of(&mut archive, sink)?.sheets(sink)?;
    let names = sheet_names(&sheets);
    let mut content = Elements::of(&mut archive, sink)?;
    first_with_rows(&names, "OpenDocument", sink, |name, grid, sink| {
        content.sheet(name, grid, sink)?;
        Ok(Vec::new()) // the reader has told of them
    })
}

/// Reads sheets until one has a row. `read` puts the cells of a sheet into rows, and says which of them are merged.
fn first_with_rows(
    names: &[String],
    program: &'static str,
    sink: &mut Sink<'_>,
    mut read: impl FnMut(&str, &mut Grid, &mut Sink<'_>) -> Result<Vec<Dimensions>, ImportError>,
) -> Result<(), ImportError> {
    let format = |name: String| Format::Sheet { program, name };
    let mut only_header = None;
    for name in names {
        sink.report.format = format(name.clone());
        let mut grid = Grid::default();
        let merged = read(name, &mut grid, sink)?;
        grid.end(sink)?;
        if grid.has_rows {
            tell_merged(&merged, &grid, sink);
            tell_others(names, name, sink);
            return Ok(());
        }
        only_header = only_header.or_else(|| grid.header.map(|header| (name, header)));
    }
    end_without_rows(only_header, format, sink);
    Ok(())
}

/// Sheets without a row: the header of the first one is what there is to say.
fn end_without_rows(
    found: Option<(&String, Header)>,
    format: impl Fn(String) -> Format,
    sink: &mut Sink<'_>,
) {
    let Some((name, header)) = found else { return };
    sink.report.format = format(name.clone());
    for column in header.values() {
        sink.column(column);
    }
}

/// Merged cells under the header: only the first of their rows has the value, as in pandas.
fn tell_merged(merged: &[Dimensions], grid: &Grid, sink: &mut Sink<'_>) {
    for Dimensions { start: (first, column), end: (last, _) } in merged {
        if let Some(name) = grid.header.as_ref().and_then(|header| header.get(column))
            && last > first
            && *first > grid.header_row
        {
            grid::tell_merged(name, u64::from(*first) + 1, sink);
        }
    }
}

#[cfg(test)]
#[path = "sheets_tests.rs"]
mod tests;
