//! A folder of documents as a table: a row for each text, Markdown, Word or PDF file in it, with the
//! columns `file` and `text`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value};
use zip::ZipArchive;

use super::encoding::{self, Scan};
use super::error::ImportError;
use super::open::{self, Position};
use super::report::{Format, Sink};
use crate::files;

/// Folders in folders in folders.
const DEEPEST: usize = 8;

/// A document that takes more than this, in bytes, is none that a model reads.
const MOST_BYTES: u64 = 1 << 28;

/// Hands on every document of a folder and of the folders in it, by name. What is no document, or
/// cannot be read, is noted and left out.
pub(super) fn read(folder: &Path, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    sink.report.format = Format::Documents;
    for column in ["file", "text"] {
        sink.column(column);
    }
    let mut found = Vec::new();
    collect(folder, DEEPEST, &mut found)
        .map_err(|source| ImportError::Read { path: folder.to_owned(), source })?;
    found.sort();
    sink.expect_rows(found.len() as u64);
    let mut others: BTreeMap<String, usize> = BTreeMap::new();
    for path in found {
        sink.check()?;
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        let ending = open::ending(&path, &[]);
        let text = match ending.as_str() {
            "txt" | "text" | "md" | "markdown" => plain(&path),
            "docx" => docx(&path),
            "pdf" => pdf(&path),
            _ => {
                *others.entry(ending).or_default() += 1;
                continue;
            }
        };
        match text {
            Ok(text) if text.trim().is_empty() => {
                let why = if ending == "pdf" {
                    "it has no text: its pages are pictures, and have to go through character \
                     recognition (OCR) first"
                } else {
                    "it is empty"
                };
                sink.report.note_of_file(format!("{name} was left out: {why}"));
            }
            Ok(text) => {
                let row = [("file", name), ("text", text.trim().to_owned())];
                let row = row.map(|(column, value)| (column.to_owned(), Value::from(value)));
                sink.row(None, Map::from_iter(row))?;
                sink.tell()?;
            }
            Err(why) => sink.report.note_of_file(format!("{name} was left out: {why}")),
        }
    }
    for (ending, count) in others {
        let files = if count == 1 { "file" } else { "files" };
        let named = if ending.is_empty() { "no ending".to_owned() } else { format!(".{ending}") };
        sink.report.note_of_file(format!(
            "{count} {files} with {named} were left out: documents are .txt, .md, .docx and .pdf"
        ));
    }
    Ok(())
}

/// A hash of all files that a folder of documents holds, with their names.
pub fn sha256(folder: &Path) -> io::Result<String> {
    let mut found = Vec::new();
    collect(folder, DEEPEST, &mut found)?;
    found.sort();
    let mut lines = String::new();
    for path in found {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy();
        let hash = files::sha256_of_file(&path, |_| Ok(()))?;
        lines.push_str(&format!("{hash} {name}\n"));
    }
    Ok(files::sha256_of_bytes(lines.as_bytes()))
}

/// Files that are not hidden.
fn collect(folder: &Path, deeper: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // A link to a folder is not followed: it could lead back here.
        let kind = entry.file_type()?;
        if kind.is_dir() && deeper > 0 {
            collect(&entry.path(), deeper - 1, found)?;
        } else if entry.path().is_file() {
            found.push(entry.path());
        }
    }
    Ok(())
}

fn plain(path: &Path) -> Result<String, String> {
    let unread = |err: io::Error| err.to_string();
    let stream = open::stream(path, &[], &Position::default()).map_err(unread)?;
    let scan = encoding::scan(stream, &mut || true);
    let Scan { encoding, .. } = scan.map_err(|_unreadable| "it is no text".to_owned())?;
    let mut text = String::new();
    let stream = open::text(path, &[], encoding, &Position::default()).map_err(unread)?;
    stream.take(MOST_BYTES).read_to_string(&mut text).map_err(unread)?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}

/// The paragraphs of a Word document, a line each.
fn docx(path: &Path) -> Result<String, String> {
    let damaged = |err: &dyn std::fmt::Display| format!("the document is damaged ({err})");
    let file = File::open(path).map_err(|err| err.to_string())?;
    let mut archive = ZipArchive::new(io::BufReader::new(file)).map_err(|err| damaged(&err))?;
    let part = archive.by_name("word/document.xml").map_err(|err| damaged(&err))?;
    let mut xml = String::new();
    part.take(MOST_BYTES).read_to_string(&mut xml).map_err(|err| damaged(&err))?;
    let mut reader = Reader::from_str(&xml);
    let mut text = String::new();
    let mut is_text = false;
    loop {
        match reader.read_event().map_err(|err| damaged(&err))? {
            Event::Start(tag) => is_text = tag.local_name().as_ref() == "t",
            Event::Empty(tag) => match tag.local_name().as_ref() {
                "tab" => text.push('\t'),
                "br" | "cr" => text.push('\n'),
                _ => {}
            },
            Event::Text(words) if is_text => {
                text.push_str(&words);
            }
            Event::GeneralRef(name) if is_text => {
                if let Some(letter) = name.resolve_char_ref().map_err(|err| damaged(&err))? {
                    text.push(letter);
                } else {
                    text.push_str(quick_xml::escape::resolve_xml_entity(&name).unwrap_or(""));
                }
            }
            Event::End(tag) => {
                is_text = false;
                if tag.local_name().as_ref() == "p" {
                    text.push('\n');
                }
            }
            Event::Eof => return Ok(text),
            _ => {}
        }
    }
}

fn pdf(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|err| err.to_string())?.len();
    if size > MOST_BYTES {
        return Err(format!("it takes more than {} MB", MOST_BYTES >> 20));
    }
    // The reader is not written for damaged files.
    let read = catch_unwind(AssertUnwindSafe(|| pdf_extract::extract_text(path)));
    match read {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(err)) => Err(format!("the PDF cannot be read ({err})")),
        Err(_panic) => Err("the PDF cannot be read: its parts contradict each other".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::data::table::rows;
    use crate::jobs::Quiet;

    fn word(paragraphs: &[&str]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        archive.start_file("word/document.xml", zip::write::SimpleFileOptions::default()).unwrap();
        let paragraphs: Vec<String> = paragraphs
            .iter()
            .map(|text| format!("<w:p><w:r><w:t>{text}</w:t></w:r><w:r><w:tab/></w:r></w:p>"))
            .collect();
        let xml = format!("<w:document><w:body>{}</w:body></w:document>", paragraphs.concat());
        archive.write_all(xml.as_bytes()).unwrap();
        archive.finish().unwrap().into_inner()
    }

    /// A PDF of one page with one line, or with none.
    fn page(line: &str) -> Vec<u8> {
        let content = format!("BT /F1 12 Tf 72 720 Td ({line}) Tj ET");
        let objects = [
            "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << \
             /Font << /F1 5 0 R >> >> >>"
                .to_owned(),
            format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
        ];
        let mut bytes = b"%PDF-1.4\n".to_vec();
        let mut places = Vec::new();
        for (object, number) in objects.iter().zip(1..) {
            places.push(bytes.len());
            bytes.extend_from_slice(format!("{number} 0 obj\n{object}\nendobj\n").as_bytes());
        }
        let table = bytes.len();
        bytes.extend_from_slice(b"xref\n0 6\n0000000000 65535 f \n");
        for place in places {
            bytes.extend_from_slice(format!("{place:010} 00000 n \n").as_bytes());
        }
        let end = format!("trailer << /Size 6 /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n");
        bytes.extend_from_slice(end.as_bytes());
        bytes
    }

    fn put(folder: &Path, name: &str, bytes: &[u8]) {
        crate::files::write_atomic(&folder.join(name), bytes).unwrap();
    }

    #[test]
    fn a_folder_is_a_table_with_a_row_for_each_document() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        put(at, "b.md", "# Title\n\nWords.\n".as_bytes());
        put(at, "a.txt", b"caf\xe9 au lait, tr\xe8s bon, d\xe9j\xe0 vu");
        put(at, "deep/c.docx", &word(&["Smith &amp; Jones", "second"]));
        put(at, "d.pdf", &page("A line of a page"));
        put(at, "scan.pdf", &page(""));
        put(at, "broken.pdf", b"%PDF-1.4 nothing");
        put(at, "broken.docx", b"PK");
        put(at, "figure.png", b"x");
        put(at, ".hidden.txt", b"x");
        let table = rows(at, &Quiet).unwrap();
        let seen: Vec<(&str, &str)> = table
            .rows
            .iter()
            .map(|row| {
                (
                    row.get("file").unwrap().as_str().unwrap(),
                    row.get("text").unwrap().as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("a.txt", "café au lait, très bon, déjà vu"),
                ("b.md", "# Title\n\nWords."),
                ("d.pdf", "A line of a page"),
                ("deep/c.docx", "Smith & Jones\t\nsecond"),
            ]
        );
        let notes: Vec<String> = table.report.sentences().collect();
        for words in [
            "scan.pdf was left out: it has no text",
            "broken.pdf was left out",
            "broken.docx was left out",
            "1 file with .png were left out",
        ] {
            assert!(notes.iter().any(|note| note.contains(words)), "{words}: {notes:?}");
        }
        assert_eq!(table.report.words(), "a folder of documents");
    }

    #[test]
    fn a_folder_without_a_document_has_no_rows() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "figure.png", b"x");
        assert!(matches!(rows(folder.path(), &Quiet), Err(ImportError::NoRows { .. })));
    }
}
