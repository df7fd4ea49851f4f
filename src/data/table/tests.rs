//! Tables that are written here, and some that pyarrow wrote; random ones: see `tests/tables`.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use super::*;
use crate::data::forms::mapping::Mapping;
use crate::data::import;
use crate::data::pair::{Message, Text};
use crate::files;
use crate::jobs::Recorder;

/// Rows without what is null.
fn all(path: &Path) -> Result<Vec<Value>, ImportError> {
    let table = rows(path, &Quiet)?;
    let rows = table.rows.into_iter().map(|row| {
        let there = row.fields.into_iter().filter(|(_, value)| !value.is_null());
        Value::Object(there.collect())
    });
    Ok(rows.collect())
}

/// Writes `bytes` to a file called `name` and reads it.
fn read_bytes(name: &str, bytes: &[u8]) -> Result<Table, ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    files::write_atomic(&path, bytes).unwrap();
    rows(&path, &Quiet)
}

/// The error, and what it says of the lines around the place.
fn said(name: &str, text: &str) -> (String, String) {
    let error = read_bytes(name, text.as_bytes()).unwrap_err();
    let nearby = std::error::Error::source(&error).map(ToString::to_string);
    (error.to_string(), nearby.unwrap_or_default())
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
fn texts_and_numbers_are_read() {
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
    // The same rows as JSON Lines, as a run keeps them.
    let lines = folder.path().join("data.jsonl");
    files::write_atomic(&lines, &json_lines(&path, &Quiet).unwrap()).unwrap();
    assert_eq!(import::pairs(&lines).unwrap(), pairs);
    assert_eq!(json_lines(&lines, &Quiet).unwrap(), std::fs::read(&lines).unwrap());
}

/// Written by `tests/reference/make_parquet.py`, see there.
#[test]
fn what_pyarrow_writes_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/parquet");
    let path = folder.join("pairs.parquet");
    let expected = std::fs::read_to_string(path.with_extension("jsonl")).unwrap();
    let expected: Vec<Value> =
        expected.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(all(&path).unwrap(), expected);
    assert_eq!(import::pairs(&path).unwrap().len(), expected.len());
    // Zstandard, without the library in C (`../shared/cases` q06).
    assert!(!all(&folder.join("zstd.parquet")).unwrap().is_empty());
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
    let (error, _) = said("rows.parquet", "<html>Please log in</html>");
    assert!(error.contains("it is a web page") && error.contains("Fetch"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    write(&path, Compression::SNAPPY, &[("prompt", Column::Texts(&[Some("a"), Some("b")]))]);
    let whole = std::fs::read(&path).unwrap();
    files::write_atomic(&path, &whole[..whole.len() - 9]).unwrap();
    let error = all(&path).unwrap_err().to_string();
    assert!(error.contains("no Parquet file") && error.contains("Fetch it again"), "{error}");
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
            let read = rows(&path, &Quiet);
            errors += usize::from(read.map_or(true, |table| !table.report.notes.is_empty()));
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
fn bytes_are_text_or_left_out_and_never_base64() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let (texts, pictures) = ([&b"Why?"[..], "Größe?".as_bytes()], [&b"Why?"[..], b"\xff\xd8"]);
    write(&path, Compression::SNAPPY, &[("prompt", Column::Bytes(&texts))]);
    assert_eq!(all(&path).unwrap(), [json!({"prompt": "Why?"}), json!({"prompt": "Größe?"})]);
    write(&path, Compression::SNAPPY, &[("prompt", Column::Bytes(&pictures))]);
    let said = import::prompts(&path, &Mapping::default(), &Quiet).unwrap_err().to_string();
    assert!(said.starts_with("row 2, column \"prompt\" of "), "{said}");
    assert!(said.ends_with("it holds bytes, not text"), "{said}");
    // What nobody looks at does not stand in the way, and is told.
    let columns = [("prompt", Column::Bytes(&texts)), ("picture", Column::Bytes(&pictures))];
    write(&path, Compression::SNAPPY, &columns);
    let read = import::prompts(&path, &Mapping::default(), &Quiet).unwrap();
    assert_eq!(read.items.len(), 2);
    let told: Vec<String> = read.report.sentences().collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("column \"picture\", row 2: it holds bytes"), "{}", told[0]);
}

/// One line of JSON Lines may hold nothing but lists: token ids, for one.
#[test]
fn a_single_row_of_lists_is_a_row_in_json_lines_and_columns_in_json() {
    let table = |name: &str, text: &str| {
        let mut rows = Vec::new();
        let path = Path::new(name);
        let report = read_text(path, text, &mut |_, row| {
            rows.push(Value::Object(row.fields));
            Ok(())
        });
        (report.unwrap().format, rows)
    };
    let text = r#"{"a": [1, 2], "b": ["x", "y"]}"#;
    let whole = json!({"a": [1, 2], "b": ["x", "y"]});
    assert_eq!(table("rows.jsonl", text).1, [whole]);
    let apart = [json!({"a": 1, "b": "x"}), json!({"a": 2, "b": "y"})];
    assert_eq!(table("rows.json", text), (Format::JsonColumns, apart.to_vec()));
    let ids = r#"{"ids": [1, 2]}"#;
    for name in ["ids.jsonl", "ids.json"] {
        assert_eq!(table(name, ids).1, [json!({"ids": [1, 2]})], "{name}");
    }
}

/// Said of the column and not of the rows that were looked at: none of it is taken.
#[test]
fn a_column_of_pictures_is_left_out_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let (texts, pictures) = ([&b"Why?"[..]; 5], [&b"\xff\xd8"[..]; 5]);
    let columns = [("prompt", Column::Bytes(&texts)), ("picture", Column::Bytes(&pictures))];
    write(&path, Compression::SNAPPY, &columns);
    let table = rows(&path, &Quiet).unwrap();
    let told: Vec<String> = table.report.sentences().collect();
    let expected = "column \"picture\" was left out: it holds bytes, not text (a picture, a sound)";
    assert_eq!(told, [expected]);
    assert!(table.rows.iter().all(|row| row.get("picture").is_none()));
}

/// A column whose pages are damaged is left out; whoever needs it hears why.
#[test]
fn a_damaged_column_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let columns = [
        ("prompt", Column::Texts(&[Some("Why?"), Some("How?")])),
        ("notes", Column::Texts(&[Some("first note"), Some("second note")])),
    ];
    write(&path, Compression::SNAPPY, &columns);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|window| window == b"first").expect("a value");
    bytes[at - 6..at].fill(0xff);
    files::write_atomic(&path, &bytes).unwrap();
    let table = rows(&path, &Quiet).unwrap();
    assert_eq!(table.rows[1].get("prompt"), Some(&json!("How?")));
    assert_eq!(table.rows[0].get("notes"), None);
    let error = table.report.error(table.rows[0].place, Some("notes"), "it has none".into());
    let error = error.to_string();
    assert!(error.starts_with("row 1, column \"notes\""), "{error}");
    assert!(error.contains("it is damaged") && error.contains("Fetch it again"), "{error}");
}

#[test]
fn a_row_weighs_more_than_its_words() {
    let value = size_of::<u64>() + size_of::<String>() + size_of::<Value>();
    let weight_of = |value: Value| match value {
        Value::Object(fields) => weight(&fields),
        other => panic!("{other}"),
    };
    assert!(weight_of(json!({})) >= size_of::<Row>(), "an empty row is a row");
    assert!(weight_of(json!({"a": 1, "b": true})) >= size_of::<Row>() + 2 * value);
    let inner = json!({"a": [{"b": "cd"}, {"b": "cd"}]});
    assert!(weight_of(inner) >= size_of::<Row>() + 5 * value + 4);
}

#[test]
fn reading_tells_how_far_it_is_and_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let texts = vec![Some("a"); 2500];
    write(&path, Compression::SNAPPY, &[("prompt", Column::Texts(&texts))]);
    let heard = Recorder::default();
    rows(&path, &heard).unwrap();
    let heard: Vec<_> =
        heard.into_events().iter().map(|Reading { done, total, .. }| (*done, *total)).collect();
    assert_eq!(heard, [(0, 2500), (1000, 2500), (2000, 2500), (2500, 2500)]);
    let stopped = rows(&path, &Recorder::stop_after(2)).unwrap_err();
    assert!(matches!(stopped, ImportError::Stopped { .. }));

    let path = folder.path().join("rows.csv");
    let text = format!("prompt\n{}", "some words\n".repeat(2500));
    files::write_atomic(&path, text.as_bytes()).unwrap();
    let heard = Recorder::default();
    rows(&path, &heard).unwrap();
    let last = *heard.into_events().last().unwrap();
    let len = text.len() as u64;
    assert_eq!(last, Reading { rows: 2500, done: len, total: len });
    let stopped = rows(&path, &Recorder::stop_after(3)).unwrap_err();
    assert!(matches!(stopped, ImportError::Stopped { .. }));
}

/// `../shared/cases` p01: pandas says "EOF inside string starting at row 2".
#[test]
fn a_quotation_mark_that_is_never_closed_is_named_with_its_line() {
    let text = "id,prompt\n1,Name a tree.\n2,\"Name a river in Europe.\n3,What is a DOI?\n";
    let (error, nearby) = said("prompts.csv", text);
    assert!(error.starts_with("line 3, column 2 of "), "{error}");
    assert!(error.contains("a quotation mark is opened here and never closed"), "{error}");
    assert!(nearby.contains("3: 2,\"Name a river in Europe."), "{nearby}");
}

/// `../shared/cases` p02: pandas calls the second `prompt.1`.
#[test]
fn a_name_that_stands_twice_gets_a_number_and_the_first_is_the_column() {
    let text = "id,prompt,prompt,,prompt.1\n1,Name a tree.,internal note 7,x,y\n";
    let table = read_bytes("prompts.csv", text.as_bytes()).unwrap();
    // What pandas 3.1 makes of the same header.
    let names = ["id", "prompt", "prompt.2", "Unnamed: 3", "prompt.1"];
    assert_eq!(table.report.columns, names);
    assert_eq!(table.rows[0].get("prompt"), Some(&json!("Name a tree.")));
    let told: Vec<String> = table.report.sentences().collect();
    assert!(told[0].contains("“prompt” stands there more than once"), "{told:?}");
    assert!(told[1].contains("column 4 has no name"), "{told:?}");
}

#[test]
fn a_second_column_that_the_header_does_not_name_is_not_read_as_text_of_the_first() {
    for (text, name) in [
        ("prompt\n\"a tree\"\t\"x\"\n\"a river\"\n", "a tab"),
        ("prompt\nyes\n\"a tree\"|\"x\"\n", "a |"),
    ] {
        let (error, _) = said("prompts.csv", text);
        assert!(error.contains(&format!("{name} stands after a closing")), "{error}");
        assert!(error.contains("has one, “prompt”"), "{error}");
    }
    // Within quotation marks, and after other text, they are text.
    let text = "prompt\n\"a | b\"\nsay \"x\" | or not\n";
    assert_eq!(read_bytes("prompts.csv", text.as_bytes()).unwrap().rows.len(), 2);
}

#[test]
fn the_name_of_a_file_does_not_hide_what_is_in_it() {
    let pair = r#"{"prompt":"a","chosen":"b"}"#;
    for (name, text, format) in [
        ("a.json", format!("{pair}\n{pair}\n"), Format::JsonLines),
        ("a.jsonl", format!("[{pair},\n{pair}]"), Format::JsonArray),
        ("a.csv", format!("{pair}\n{pair}\n"), Format::JsonLines),
        ("a.txt", format!("{pair}\n{pair}\n"), Format::JsonLines),
        ("a", format!("{pair}{pair}"), Format::JsonObjects),
        ("a.jsonl", "prompt,chosen\na,b\na,b\n".to_owned(), Format::Delimited(',')),
        ("a.data", "prompt;chosen\na;b\na;b\n".to_owned(), Format::Delimited(';')),
        ("a.txt", "prompt\tchosen\na\tb\na\tb\n".to_owned(), Format::Delimited('\t')),
        ("a.json", r#"{"prompt":["a","a"],"chosen":["b","b"]}"#.to_owned(), Format::JsonColumns),
    ] {
        let table = read_bytes(name, text.as_bytes()).unwrap_or_else(|err| panic!("{text}: {err}"));
        assert_eq!(table.report.format, format, "{name}: {text}");
        assert_eq!(table.rows.len(), 2, "{name}: {text}");
        assert_eq!(table.rows[1].fields, *json!({"prompt":"a","chosen":"b"}).as_object().unwrap());
    }
    let prose = "Dear reader, how are you?\nWell, thank you; and you?\n";
    assert_eq!(read_bytes("a.txt", prose.as_bytes()).unwrap().report.format, Format::Lines);
    let (error, _) = said("a.dat", "Dear reader\nhow are you?\n");
    assert!(error.contains("its form is not known") && error.contains(".txt"), "{error}");
}

/// A dialogue is a list as a column is: it is one row where it has roles.
#[test]
fn one_object_is_a_row_or_a_table_by_what_is_in_it() {
    let count = |text: &str| read_bytes("a.json", text.as_bytes()).unwrap().rows.len();
    let message = r#"{"role":"user","content":"a"}"#;
    for (text, rows, reason) in [
        (r#"{"prompt":"a","chosen":"b"}"#.to_owned(), 1, "texts"),
        (format!(r#"{{"messages":[{message},{message}]}}"#), 1, "a dialogue"),
        (format!(r#"{{"messages":[[{message}],[{message}]]}}"#), 2, "a column of dialogues"),
        (
            r#"{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]}"#
                .to_owned(),
            1,
            "ShareGPT",
        ),
        (r#"{"prompt":{"0":"a","1":"b"},"chosen":{"0":"c","1":"d"}}"#.to_owned(), 2, "pandas"),
        (r#"{"0":{"prompt":"a"},"1":{"prompt":"b"}}"#.to_owned(), 2, "pandas, orient=index"),
        (
            r#"{"rows":[{"row_idx":0,"row":{"prompt":"a"}}],"num_rows_total":1}"#.to_owned(),
            1,
            "the Hub's viewer",
        ),
        (
            r#"{"features":[{"feature_idx":0,"name":"a"}],"rows":[{"row_idx":0,"row":{"a":"x"},"truncated_cells":[]},
                {"row_idx":1,"row":{"a":"y"},"truncated_cells":[]}],"num_rows_total":2,"partial":false}"#
                .to_owned(),
            2,
            "the same as it comes, with its columns' kinds",
        ),
        (r#"{"version":1,"data":[{"a":1},{"a":2}]}"#.to_owned(), 2, "under a name"),
        (r#"{"prompt":"a","tools":[{"name":"f"}]}"#.to_owned(), 1, "a list of tools is no table"),
    ] {
        assert_eq!(count(&text), rows, "{reason}");
    }
    let (error, _) = said("a.json", r#"{"a":[1,2],"b":[1]}"#);
    assert!(error.contains("\"a\" has 2 values and \"b\" has 1"), "{error}");
}

#[test]
fn a_place_is_where_the_row_begins_in_the_persons_own_file() {
    let pretty = "[\n  {\n    \"prompt\": \"a\",\n    \"chosen\": 3\n  }\n]\n";
    let table = read_bytes("a.json", pretty.as_bytes()).unwrap();
    assert_eq!(table.rows[0].place, Place { row: 1, line: Some(2) });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    files::write_atomic(&path, pretty.as_bytes()).unwrap();
    let table = rows(&path, &Quiet).unwrap();
    let error = table.report.error(table.rows[0].place, Some("chosen"), "it is a number".into());
    let ImportError::Row { line, column, source, .. } = error else { panic!("{error}") };
    assert_eq!((line, column), (4, 5), "the key is two lines further");
    assert_eq!(source.0[1], "4:     \"chosen\": 3");
}

#[test]
fn lines_around_a_place_are_decoded_and_unpacked() {
    let text = "prompt;chosen\n\"Größe?\";\"b\"\na;b;c\n";
    let (bytes, ..) = encoding_rs::WINDOWS_1252.encode(text);
    let error = read_bytes("a.csv", &bytes).unwrap_err();
    let ImportError::Row { line: 3, column: 3, source, .. } = error else { panic!("{error}") };
    assert_eq!(source.0[0], "2: \"Größe?\";\"b\"");
}

#[test]
fn what_is_not_a_table_is_called_by_its_name() {
    for (name, bytes, words) in [
        ("a.csv", &b"%PDF-1.7"[..], "PDF"),
        ("a.jsonl", b"\x89PNG\r\n", "picture"),
        ("a.arrow", b"ARROW1\0\0", "datasets.Dataset.from_file"),
        ("a.pkl", b"\x80\x04\x95", "pickle"),
        ("a.csv", b"\x04\x22\x4d\x18x", "lz4 -d"),
        ("a.csv", b"7z\xbc\xaf\x27\x1c", "7z x"),
        ("a.jsonl", b"<!DOCTYPE html><html>", "web page"),
        ("a.jsonl", b"ab\0\x01\x02c\0", "it is no text"),
    ] {
        let error = read_bytes(name, bytes).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert!(matches!(read_bytes("a.csv", b"a,b\n").unwrap_err(), ImportError::NoRows { .. }));
    assert!(matches!(read_bytes("a.csv", b"").unwrap_err(), ImportError::NoRows { .. }));
    for (bytes, words) in
        [(&b"BZh91AY"[..], "(bzip2) is damaged"), (b"\xfd7zXZ\0", "(xz) is damaged")]
    {
        let error = read_bytes("a.csv", bytes).unwrap_err();
        let said = std::error::Error::source(&error).unwrap().to_string();
        assert!(said.contains(words), "{said}");
    }
    let gone = rows(&PathBuf::from("/nowhere/a.csv"), &Quiet).unwrap_err();
    assert!(matches!(gone, ImportError::Read { .. }));
}
