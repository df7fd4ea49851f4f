//! Tables that are written here with the crate's own writer, and one that pyarrow wrote.

use parquet::basic::ZstdLevel;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use super::*;
use crate::data::import;
use crate::data::pair::{Message, Text};

/// What `read` hears.
fn nobody() -> impl FnMut(u64, u64) -> bool {
    |_, _| true
}

fn all(path: &Path) -> Result<Vec<Value>, ImportError> {
    let rows = rows(path, &mut nobody())?;
    Ok(rows.into_iter().map(|(_, fields)| Value::Object(fields)).collect())
}

/// A column of texts, or of numbers.
enum Column<'a> {
    Texts(&'a [Option<&'a str>]),
    Whole(&'a [i64]),
    Real(&'a [f64]),
}

fn bytes(text: &str) -> ByteArray {
    ByteArray::from(text.as_bytes().to_vec())
}

/// Writes one group of rows with flat columns.
fn write(path: &Path, compression: Compression, columns: &[(&str, Column<'_>)]) {
    let fields: String = columns
        .iter()
        .map(|(name, column)| match column {
            Column::Texts(_) => format!("OPTIONAL BYTE_ARRAY {name} (UTF8); "),
            Column::Whole(_) => format!("REQUIRED INT64 {name}; "),
            Column::Real(_) => format!("REQUIRED DOUBLE {name}; "),
        })
        .collect();
    let schema = Arc::new(parse_message_type(&format!("message rows {{ {fields} }}")).unwrap());
    let settings = WriterProperties::builder().set_compression(compression).build();
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(settings)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (_, column) in columns {
        let mut out = group.next_column().unwrap().unwrap();
        match column {
            Column::Texts(texts) => {
                let values: Vec<ByteArray> = texts.iter().flatten().map(|t| bytes(t)).collect();
                let levels: Vec<i16> = texts.iter().map(|t| i16::from(t.is_some())).collect();
                out.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            }
            Column::Whole(numbers) => {
                out.typed::<Int64Type>().write_batch(numbers, None, None).unwrap();
            }
            Column::Real(numbers) => {
                out.typed::<DoubleType>().write_batch(numbers, None, None).unwrap();
            }
        }
        out.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

/// Pairs of dialogues, as `ultrafeedback_binarized` keeps them: lists of structs.
fn write_dialogues(path: &Path) {
    let message = "OPTIONAL GROUP list_of (LIST) { REPEATED GROUP list { OPTIONAL GROUP element { \
                   OPTIONAL BYTE_ARRAY content (UTF8); OPTIONAL BYTE_ARRAY role (UTF8); } } }";
    let fields = ["chosen", "rejected"].map(|name| message.replace("list_of", name)).join(" ");
    let schema = Arc::new(parse_message_type(&format!("message rows {{ {fields} }}")).unwrap());
    let settings = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(settings)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    // Two rows of two messages each: a message that is not the first of its row repeats its list.
    for texts in [
        ["Why?", "Because.", "How?", "Like this."],
        ["user", "assistant", "user", "assistant"],
        ["Why?", "No.", "How?", "Not at all."],
        ["user", "assistant", "user", "assistant"],
    ] {
        let mut out = group.next_column().unwrap().unwrap();
        let values = texts.map(bytes);
        let (there, repeats) = ([4; 4], [0, 1, 0, 1]);
        let column = out.typed::<ByteArrayType>();
        column.write_batch(&values, Some(&there), Some(&repeats)).unwrap();
        out.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn texts_and_numbers_are_read_and_nulls_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    for compression in
        [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::GZIP(Default::default())]
    {
        let columns = [
            ("prompt", Column::Texts(&[Some("Größe?"), None])),
            ("id", Column::Whole(&[7, -8])),
            ("score", Column::Real(&[0.5, 1e300])),
        ];
        write(&path, compression, &columns);
        let expected =
            [json!({"prompt": "Größe?", "id": 7, "score": 0.5}), json!({"id": -8, "score": 1e300})];
        assert_eq!(all(&path).unwrap(), expected, "{compression:?}");
    }
}

#[test]
fn dialogues_become_pairs_and_prompts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.parquet");
    write_dialogues(&path);
    let pairs = import::pairs(&path).unwrap();
    assert_eq!(pairs.len(), 2);
    assert_eq!(pairs[1].prompt, Text::Messages(vec![Message::new("user", "How?")]));
    assert_eq!(pairs[1].rejected, Text::Messages(vec![Message::new("assistant", "Not at all.")]));
    // The same through a file of JSON Lines, for training.
    let lines = to_json_lines(&path, &folder.path().join("cache"), &mut nobody()).unwrap();
    assert_eq!(lines.file_name().unwrap(), "pairs.jsonl");
    assert_eq!(import::pairs(&lines).unwrap(), pairs);
    // It is not written a second time.
    let again = to_json_lines(&path, &folder.path().join("cache"), &mut |_, _| panic!("read"));
    assert_eq!(again.unwrap(), lines);
}

/// Written by `tests/reference/make_parquet.py`, see there.
#[test]
fn what_pyarrow_writes_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/parquet/pairs.parquet");
    let expected = std::fs::read_to_string(path.with_extension("jsonl")).unwrap();
    let expected: Vec<Value> =
        expected.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(all(&path).unwrap(), expected);
    assert_eq!(import::pairs(&path).unwrap().len(), expected.len());
}

#[test]
fn a_bad_row_is_named_with_its_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let columns = [
        ("prompt", Column::Texts(&[Some("a"), Some("b")])),
        ("chosen", Column::Texts(&[Some("a"), None])),
        ("rejected", Column::Texts(&[Some("a"), Some("c")])),
    ];
    write(&path, Compression::SNAPPY, &columns);
    let said = import::pairs(&path).unwrap_err().to_string();
    assert!(said.starts_with("row 2, column \"chosen\" of "), "{said}");
    assert!(said.ends_with("it has no \"chosen\"; it has \"prompt\" and \"rejected\""), "{said}");
}

#[test]
fn a_file_that_cannot_be_read_says_why_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let said = |path: &Path| all(path).unwrap_err().to_string();
    files::write_atomic(&path, b"<html>Please log in</html>").unwrap();
    assert!(said(&path).contains("it is no Parquet file"), "{}", said(&path));
    let texts = [Some("a"), Some("b")];
    let columns = [("prompt", Column::Texts(&texts))];
    write(&path, Compression::SNAPPY, &columns);
    let whole = std::fs::read(&path).unwrap();
    files::write_atomic(&path, &whole[..whole.len() - 9]).unwrap();
    assert!(said(&path).contains("Fetch it again"), "{}", said(&path));
}

#[test]
fn other_compressions_are_named_with_what_would_help() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let columns = [("prompt", Column::Texts(&[Some("a")]))];
    write(&path, Compression::UNCOMPRESSED, &columns);
    // The codec is a number in the footer: the writer has no encoder for the others.
    let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    assert!(check_codecs(&path, &reader).is_ok());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/parquet/zstd.parquet");
    let said = all(&path).unwrap_err().to_string();
    assert!(said.contains("compressed with Zstandard") && said.contains("snappy"), "{said}");
    assert!(said.contains("column \"prompt\""), "{said}");
    assert!(Compression::ZSTD(ZstdLevel::default()).to_string().contains("ZSTD"));
}

/// Every byte of a table, wrong: an error or other rows, and never a crash.
#[test]
fn damage_ends_in_an_error_or_in_other_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    write_dialogues(&path);
    let whole = std::fs::read(&path).unwrap();
    let mut errors = 0;
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        files::write_atomic(&path, &bytes).unwrap();
        errors += usize::from(all(&path).is_err());
    }
    assert!(errors > whole.len() / 4, "{errors} of {}", whole.len());
}

#[test]
fn reading_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let texts = vec![Some("a"); 2500];
    write(&path, Compression::SNAPPY, &[("prompt", Column::Texts(&texts))]);
    let mut heard = Vec::new();
    rows(&path, &mut |done, total| {
        heard.push((done, total));
        true
    })
    .unwrap();
    assert_eq!(heard, [(0, 2500), (1000, 2500), (2000, 2500), (2500, 2500)]);
    let stopped = rows(&path, &mut |done, _| done < 1000).unwrap_err();
    assert!(matches!(stopped, ImportError::Stopped { .. }));
    let into = folder.path().join("cache");
    to_json_lines(&path, &into, &mut |done, _| done < 2000).unwrap_err();
    let left: Vec<_> = std::fs::read_dir(&into)
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .collect();
    assert!(left.is_empty(), "half a file was left: {left:?}");
}
