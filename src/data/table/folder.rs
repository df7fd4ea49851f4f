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

use super::encoding::Unreadable;
use super::error::ImportError;
use super::open;
use super::parts;
use super::parts::Kin;
use super::report::{Format, Sink};
use crate::files;

/// Folders in folders in folders.
const DEEPEST: usize = 8;

/// A document that takes more than this, in bytes, is none that a model reads.
const MOST_BYTES: u64 = 1 << 28;

/// What a folder holds.
pub(super) enum Folder {
    Documents(Vec<PathBuf>),

    /// The files of one table, in their order.
    Parts(Vec<PathBuf>),
}

pub(super) fn what(folder: &Path) -> Result<Folder, ImportError> {
    let mut found = Vec::new();
    collect(folder, DEEPEST, &mut found)
        .map_err(|source| ImportError::Read { path: folder.to_owned(), source })?;
    found.sort();
    match of_tables(folder, &found) {
        None => Ok(Folder::Documents(found)),
        Some(Ok(parts)) => Ok(Folder::Parts(parts)),
        Some(Err(problem)) => Err(ImportError::Unrecognised { path: folder.to_owned(), problem }),
    }
}

/// Hands on every document of a folder and of the folders in it, by name. What is no document, or
/// cannot be read, is noted and left out.
pub(super) fn read(
    folder: &Path,
    found: Vec<PathBuf>,
    sink: &mut Sink<'_>,
) -> Result<(), ImportError> {
    sink.report.format = Format::Documents;
    for column in ["file", "text"] {
        sink.column(column);
    }
    sink.expect_rows(found.len() as u64);
    let mut others: BTreeMap<String, usize> = BTreeMap::new();
    for path in found {
        sink.check()?;
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        let ending = open::ending(&path, &[]);
        let Some(text) = document(&path, &ending) else {
            *others.entry(ending).or_default() += 1;
            continue;
        };
        match text {
            Ok(text) => {
                sink.row(None, row(name, &text))?;
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

/// A document by itself: one row.
pub(super) fn one(path: &Path, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    sink.report.format = Format::Document;
    for column in ["file", "text"] {
        sink.column(column);
    }
    let kind = if open::ending(path, &[]) == "pdf" { "pdf" } else { kind_of(path) };
    let text = document(path, kind).unwrap_or_else(|| Err("it is no document".to_owned()));
    let text =
        text.map_err(|why| ImportError::Unrecognised { path: path.to_owned(), problem: why })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    sink.row(None, row(name, &text))
}

/// By its first bytes, whatever it is called.
fn kind_of(path: &Path) -> &'static str {
    let mut head = [0; 4];
    let is_pdf = File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok()
        && head == *b"%PDF";
    if is_pdf { "pdf" } else { "docx" }
}

fn row(name: String, text: &str) -> Map<String, Value> {
    let row = [("file", name), ("text", text.trim().to_owned())];
    Map::from_iter(row.map(|(column, value)| (column.to_owned(), Value::from(value))))
}

/// The text of a document, or why it has none. `None`: it is no document by its ending.
fn document(path: &Path, ending: &str) -> Option<Result<String, String>> {
    let text = match ending {
        "txt" | "text" | "md" | "markdown" => plain(path),
        "docx" => docx(path),
        "pdf" => pdf(path),
        _ => return None,
    };
    Some(text.and_then(|text| {
        match (text.trim().is_empty(), ending) {
            (false, _) => Ok(text),
            (true, "pdf") => Err("it has no text: its pages are pictures, and have to go through \
                              character recognition (OCR) first"
                .to_owned()),
            (true, _) => Err("it is empty".to_owned()),
        }
    }))
}

/// A folder whose files are tables: those of a data set, with no document beside them but the ones that say
/// what it is. They are the parts of one table, or it is said what to do.
fn of_tables(folder: &Path, found: &[PathBuf]) -> Option<Result<Vec<PathBuf>, String>> {
    const TABLES: [&str; 14] = [
        "parquet", "arrow", "jsonl", "ndjson", "json", "csv", "tsv", "xlsx", "xls", "ods", "gz",
        "zst", "bz2", "xz",
    ];
    const ABOUT: [&str; 6] = ["readme", "license", "licence", "changelog", "citation", "notice"];
    const SHOWN: usize = 3;

    let ending = |path: &PathBuf| open::ending(path, &[]);
    let is_about = |path: &PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        ABOUT.iter().any(|about| stem.starts_with(about))
    };
    let is_document = |path: &&PathBuf| {
        matches!(ending(path).as_str(), "txt" | "text" | "md" | "markdown" | "docx" | "pdf")
    };
    let mut tables: Vec<&PathBuf> =
        found.iter().filter(|path| TABLES.contains(&ending(path).as_str())).collect();
    if tables.is_empty() || found.iter().filter(is_document).any(|path| !is_about(path)) {
        return None;
    }
    // What `datasets` keeps beside the tables.
    let is_state = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        matches!(&*name, "dataset_info.json" | "state.json" | "dataset_dict.json")
    };
    if tables.iter().any(|path| !is_state(path)) {
        tables.retain(|path| !is_state(path));
    }
    let is_arrow = tables.iter().any(|path| ending(path) == "arrow");
    let mut of_several = None;
    if tables.len() > 1 && !is_arrow {
        let all: Vec<PathBuf> = tables.iter().map(|path| (*path).clone()).collect();
        match parts::kin(folder, &all) {
            Kin::Parts(parts) => return Some(Ok(parts)),
            Kin::Incomplete(problem) => return Some(Err(problem)),
            Kin::Several(named) => of_several = Some(named),
            Kin::Strangers => {}
        }
    }
    let names = tables.iter().take(SHOWN).map(|path| {
        let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy();
        format!("“{name}”")
    });
    let mut names = names.collect::<Vec<_>>().join(", ");
    if tables.len() > SHOWN {
        names.push_str(&format!(" and {} more", tables.len() - SHOWN));
    }
    if let Some(named) = of_several {
        let named: Vec<String> = named
            .iter()
            .map(|(name, count)| {
                format!("“{name}” ({count} {})", if *count == 1 { "file" } else { "files" })
            })
            .collect();
        return Some(Err(format!(
            "it is a folder with the parts of several tables: {}. Put the files of the one that is meant into \
             a folder of their own, and choose that; or choose one file",
            named.join(", ")
        )));
    }
    let advice = if is_arrow {
        "It is what `datasets` saves: in Python, datasets.load_from_disk(…).to_parquet(…) makes one \
         file that is read here"
    } else if tables.len() > 1 {
        "Choose one of them. Files whose names differ in their numbers alone (part-0.jsonl, part-1.jsonl) are \
         read as one table"
    } else {
        "Choose that"
    };
    Some(Err(format!("it is a folder with tables, and no document to be read: {names}. {advice}")))
}

/// The hash of a table's file; where it is a folder, of all files in it with their names.
pub fn sha256(path: &Path) -> io::Result<String> {
    if !path.is_dir() {
        return files::sha256_of_file(path, |_| Ok(()));
    }
    let mut found = Vec::new();
    collect(path, DEEPEST, &mut found)?;
    found.sort();
    let mut lines = String::new();
    for file in found {
        let name = file.strip_prefix(path).unwrap_or(&file).to_string_lossy();
        let hash = files::sha256_of_file(&file, |_| Ok(()))?;
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
    open::whole(path).map_err(|unreadable| match unreadable {
        Unreadable::Io(err) => err.to_string(),
        _ => "it is no text".to_owned(),
    })
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
    // What Word keeps beside the text that is read: how a paragraph is set, what was moved away, and
    // the same box once more for older programs.
    let mut beside = 0_usize;
    let is_beside = |name: &str| matches!(name, "pPr" | "moveFrom" | "Fallback");
    loop {
        match reader.read_event().map_err(|err| damaged(&err))? {
            Event::Start(tag) => {
                beside += usize::from(beside > 0 || is_beside(tag.local_name().as_ref()));
                is_text = beside == 0 && tag.local_name().as_ref() == "t";
            }
            Event::Empty(tag) if beside == 0 => match tag.local_name().as_ref() {
                "tab" => text.push('\t'),
                "br" | "cr" => text.push('\n'),
                "noBreakHyphen" => text.push('-'),
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
            Event::End(_) if beside > 0 => beside -= 1,
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

    #[test]
    fn a_word_document_is_read_once_and_as_it_stands() {
        let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        archive.start_file("word/document.xml", zip::write::SimpleFileOptions::default()).unwrap();
        let text = |words: &str| format!("<w:r><w:t>{words}</w:t></w:r>");
        let boxed = format!(
            "<mc:AlternateContent><mc:Choice><w:p>{0}</w:p></mc:Choice><mc:Fallback><w:p>{0}</w:p>\
             </mc:Fallback></mc:AlternateContent>",
            text("in a box")
        );
        let xml = format!(
            "<w:document><w:body><w:p><w:pPr><w:tabs><w:tab w:val=\"left\"/></w:tabs></w:pPr>{}\
             <w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins>{}</w:ins>\
             <w:r><w:noBreakHyphen/></w:r>{}</w:p><w:p><w:moveFrom>{}</w:moveFrom>{}</w:p>{boxed}\
             </w:body></w:document>",
            text("a"),
            text("b"),
            text("c"),
            text("moved away"),
            text("d"),
        );
        archive.write_all(xml.as_bytes()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "one.docx", &archive.finish().unwrap().into_inner());
        put(folder.path(), "two.pdf", &page("A line of a page"));
        // What python-docx reads, and the box.
        let one = rows(&folder.path().join("one.docx"), &Quiet).unwrap();
        assert_eq!(one.rows[0].fields["text"], "ab-c\nd\nin a box");
        let two = rows(&folder.path().join("two.pdf"), &Quiet).unwrap();
        assert_eq!(two.rows[0].fields["text"], "A line of a page");
        assert_eq!((two.rows.len(), two.report.words().as_str()), (1, "a document"));
    }

    #[test]
    fn a_folder_of_a_data_set_is_not_read_as_its_readme() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "README.md", b"# A data set");
        put(folder.path(), "train.jsonl", b"{}");
        put(folder.path(), "test.jsonl", b"{}");
        let said = rows(folder.path(), &Quiet).unwrap_err().to_string();
        assert!(said.contains("“test.jsonl”, “train.jsonl”. Choose one of them"), "{said}");
        put(folder.path(), "notes.txt", b"Something to be read");
        assert_eq!(rows(folder.path(), &Quiet).unwrap().rows.len(), 2, "its documents");
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
