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
    let mut rows = Vec::new();
    walk(path, &|_| true, &mut nobody(), &mut |_, fields| {
        rows.push(Value::Object(fields));
        Ok(())
    })?;
    Ok(rows)
}

/// A column of texts, or of numbers.
enum Column<'a> {
    Texts(&'a [Option<&'a str>]),

    /// Nobody says that they are text.
    Bytes(&'a [&'a [u8]]),
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
            Column::Bytes(_) => format!("REQUIRED BYTE_ARRAY {name}; "),
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
            Column::Bytes(all) => {
                let values: Vec<_> = all.iter().map(|b| ByteArray::from(b.to_vec())).collect();
                out.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
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
    let reader = Checked(SerializedFileReader::new(File::open(&path).unwrap()).unwrap());
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
    type Damage = fn(u8) -> u8;
    let damages: [(&str, Damage); 3] = [
        ("some bits", |byte| byte ^ 0x55),
        ("every bit", |byte| !byte),
        ("the bit that makes a number go on", |byte| byte | 0x80),
    ];
    for (name, damage) in damages {
        let mut errors = 0;
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] = damage(bytes[at]);
            // Not `write_atomic`: thousands of files need not survive a power cut.
            File::create(&path).unwrap().write_all(&bytes).unwrap();
            errors += usize::from(all(&path).is_err());
        }
        assert!(errors > whole.len() / 4, "{name}: {errors} of {}", whole.len());
    }
}

/// Room for two billion values would be made, and there is none: nothing catches that.
#[test]
fn a_dictionary_that_declares_more_than_it_holds_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let columns = [("prompt", Column::Texts(&[Some("a"), Some("b"), Some("c")]))];
    write(&path, Compression::UNCOMPRESSED, &columns);
    let mut bytes = std::fs::read(&path).unwrap();
    // In the header of the first page: the dictionary's struct, its first field, 3 values.
    let header = [0x4c, 0x15, 6];
    let at = bytes.windows(3).position(|window| window == header).expect("a dictionary");
    assert!(at < 40, "it is the first page");
    bytes.splice(at + 2..at + 3, [0xfe, 0xff, 0xff, 0xff, 0x0f]);
    files::write_atomic(&path, &bytes).unwrap();
    let said = all(&path).unwrap_err().to_string();
    assert!(said.contains("a dictionary of 2147483647 values has room for 3"), "{said}");
    assert!(said.contains("column \"prompt\"") && said.contains("Fetch it again"), "{said}");
}

#[test]
fn bytes_are_text_or_an_error_and_never_base64() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let (texts, pictures) = ([&b"Why?"[..], "Größe?".as_bytes()], [&b"Why?"[..], b"\xff\xd8"]);
    write(&path, Compression::SNAPPY, &[("prompt", Column::Bytes(&texts))]);
    assert_eq!(all(&path).unwrap(), [json!({"prompt": "Why?"}), json!({"prompt": "Größe?"})]);
    write(&path, Compression::SNAPPY, &[("prompt", Column::Bytes(&pictures))]);
    let said = import::prompts(&path).unwrap_err().to_string();
    assert!(said.starts_with("row 2, column \"prompt\" of "), "{said}");
    assert!(said.ends_with("it holds bytes, not text"), "{said}");
    // What nobody looks at does not stand in the way, and is there by name.
    let columns = [("prompt", Column::Bytes(&texts)), ("picture", Column::Bytes(&pictures))];
    write(&path, Compression::SNAPPY, &columns);
    assert_eq!(import::prompts(&path).unwrap().len(), 2);
    let said = import::pairs(&path).unwrap_err().to_string();
    assert!(said.ends_with("it has no \"chosen\"; it has \"prompt\" and \"picture\""), "{said}");
}

#[test]
fn a_row_weighs_more_than_its_words() {
    let value = size_of::<u64>() + size_of::<String>() + size_of::<Value>();
    let weight_of = |value: Value| match value {
        Value::Object(fields) => weight(&fields),
        other => panic!("{other}"),
    };
    assert!(weight_of(json!({})) >= size_of::<Numbered>(), "an empty row is a row");
    assert!(weight_of(json!({"a": 1, "b": true})) >= size_of::<Numbered>() + 2 * value);
    let inner = json!({"a": [{"b": "cd"}, {"b": "cd"}]});
    assert!(weight_of(inner) >= size_of::<Numbered>() + 5 * value + 4);
}

#[test]
fn a_table_that_mixes_text_and_dialogues_is_written_as_dialogues() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/parquet/pairs.parquet");
    let folder = tempfile::tempdir().unwrap();
    let lines = to_json_lines(&path, folder.path(), &mut nobody()).unwrap();
    let first = std::fs::read_to_string(&lines).unwrap();
    let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    let user = json!([{"role": "user", "content": "Why is the sky blue?"}]);
    assert_eq!(first["prompt"], user);
    assert_eq!(first["rejected"], json!([{"role": "assistant", "content": "It mirrors the sea."}]));
    assert_eq!(first["votes"], 12, "what belongs to no pair is as it was");
    assert_eq!(import::pairs(&lines).unwrap(), import::pairs(&path).unwrap());
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
