//! Whatever is written is read back as the same codes.

use serde_json::Value as Json;

use super::*;
use crate::data::codebook::Class;
use crate::data::table::{Place, Row};
use crate::examples::items;
use crate::examples::study;
use crate::study::design::Study;
use crate::study::folder::tests::said as verdict;
use crate::study::folder::{Folder, create};
use crate::study::log::Verdict;
use crate::study::value::{Span, Value};
use crate::study::variable::{Kind, Variable, Variables};

fn every_kind() -> Variables {
    let class = |label: &str| Class {
        label: label.to_owned(),
        definition: format!("What {label} is: \"quoted\", with a comma"),
        positive_examples: vec!["an example".to_owned(), "another".to_owned()],
        ..Class::default()
    };
    let of = |name: &str, kind, labels: &[&str]| Variable {
        name: name.to_owned(),
        kind,
        question: format!("Which {name}?"),
        classes: labels.iter().map(|label| class(label)).collect(),
        ..Variable::default()
    };
    let scale = Variable { low: Some(1.0), high: Some(5.0), ..of("grade", Kind::Scale, &[]) };
    let number = Variable { low: Some(0.0), optional: true, ..of("count", Kind::Number, &[]) };
    Variables {
        name: "Everything".to_owned(),
        guideline_version: "2".to_owned(),
        guideline: "# Read\n\nThe whole text.".to_owned(),
        variables: vec![
            of("tone", Kind::Choice, &["good", "bad <&>"]),
            of("topics", Kind::Choices, &["war; peace", "money"]),
            scale,
            number,
            of("note", Kind::Text, &[]),
            of("claims", Kind::Spans, &["claim", "proof"]),
        ],
    }
}

/// Two coders, three items, a code of every kind and one "don't know" of each.
fn full() -> (tempfile::TempDir, Folder) {
    let parent = tempfile::tempdir().unwrap();
    let mut list = items(3);
    list[0].text = "One 😀 naïvely, she says.".to_owned(); // one character, two UTF-16 units
    list[1].more.insert("year".to_owned(), 2020.into());
    list[1].inclusion = Some(0.25);
    let design = Study { codebook: every_kind(), ..study() };
    let mut folder = create(&parent.path().join("full"), design, &list).unwrap();
    let span = |start, end| Span { start, end, label: "claim".to_owned() };
    let values = vec![
        Value::words("bad <&>"),
        Value::Labels(vec!["war; peace".to_owned(), "money".to_owned()]),
        Value::words("4"),
        Value::Number(2.5),
        Value::words("A note,\nin two lines"),
        Value::Spans(vec![span(4, 5), span(6, 13)]),
    ];
    let of = |item, values: Vec<Value>| Verdict {
        values: (0..).zip(values).collect(),
        ..verdict(item, 1, "good")
    };
    for coder in ["Ada", "Ben, 2"] {
        let log = folder.join(coder).unwrap();
        folder.append(log, of(0, values.clone())).unwrap();
        folder.append(log, of(1, vec![Value::DontKnow; 6])).unwrap();
    }
    let few = vec![Value::words("good"), Value::Labels(Vec::new())];
    folder.append(0, of(2, few)).unwrap();
    (parent, folder)
}

/// The same study without its coders, and the codes of `said` taken into it.
fn taken(folder: &Folder, said: &[said::Said]) -> (tempfile::TempDir, Folder) {
    let parent = tempfile::tempdir().unwrap();
    let mut other =
        create(&parent.path().join("other"), folder.study.clone(), &folder.items).unwrap();
    said::take_in(&mut other, said).unwrap();
    (parent, other)
}

/// Coder, item, and its codes.
type Codes = (String, usize, Vec<(u16, Value)>);

fn codes(folder: &Folder) -> Vec<Codes> {
    let all = folder.logs.iter().flat_map(|log| {
        log.counting().map(|verdict| (log.coder.clone(), verdict.item, verdict.values.to_vec()))
    });
    all.collect()
}

fn csv_rows(bytes: &[u8]) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().unwrap().clone();
    let rows = reader.records().enumerate().map(|(number, record)| {
        let record = record.unwrap();
        let fields = header.iter().zip(record.iter());
        let fields = fields.map(|(name, cell)| (name.to_owned(), Json::from(cell))).collect();
        Row { place: Place { row: number as u64 + 1, line: Some(number as u64 + 2) }, fields }
    });
    rows.collect()
}

fn json_rows(bytes: &[u8]) -> Vec<Row> {
    let text = std::str::from_utf8(bytes).unwrap();
    let rows = text.lines().zip(1..).map(|(line, number)| {
        let Json::Object(fields) = serde_json::from_str(line).unwrap() else { panic!("{line}") };
        Row { place: Place { row: number, line: Some(number) }, fields }
    });
    rows.collect()
}

fn listed_rows(list: &Json) -> Vec<Row> {
    let rows = list.as_array().unwrap().iter().zip(1..).map(|(row, number)| Row {
        place: Place { row: number, line: Some(number) },
        fields: row.as_object().unwrap().clone(),
    });
    rows.collect()
}

#[test]
fn codes_of_every_kind_come_back_from_every_form() {
    let (_parent, folder) = full();
    let forms = [
        ("long", tables::read(&csv_rows(&tables::long(&folder)), &folder, "").unwrap()),
        ("wide", tables::read(&csv_rows(&tables::wide(&folder)), &folder, "").unwrap()),
        ("lines", tables::read(&json_rows(&tables::json_lines(&folder)), &folder, "").unwrap()),
        ("tasks", label_studio::read(&label_studio::tasks(&folder), &folder).unwrap()),
        ("min", label_studio::read(&label_studio::min(&folder), &folder).unwrap()),
        (
            "argilla",
            annotated::read(&listed_rows(&argilla::records(&folder)), &folder, "").unwrap(),
        ),
        ("potato", potato::read(&json_rows(&potato::lines(&folder)), &folder)),
    ];
    for (name, said) in forms {
        let (_parent, other) = taken(&folder, &said);
        let mut expected = codes(&folder);
        let mut found = codes(&other);
        if name == "potato" {
            // A place that is nowhere is written as no place: don't know is lost for places alone.
            let is_place = |place: &u16| *place == 5;
            for list in [&mut found, &mut expected] {
                for (_, _, values) in list {
                    values.retain(|(place, value)| match value {
                        Value::Labels(labels) => !labels.is_empty(),
                        Value::Spans(spans) => !spans.is_empty(),
                        _ => !is_place(place),
                    });
                }
            }
        }
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn places_are_counted_as_javascript_counts_in_label_studio() {
    let (_parent, folder) = full();
    let tasks = label_studio::tasks(&folder);
    let results = tasks[0]["annotations"][0]["result"].as_array().unwrap();
    let place = results.iter().find(|result| result["type"] == "labels").unwrap();
    assert_eq!((&place["value"]["start"], &place["value"]["end"]), (&4.into(), &6.into()));
    assert_eq!(place["value"]["text"], "😀");
    assert!(label_studio::config(&every_kind()).contains("<Choice value=\"bad &lt;&amp;&gt;\"/>"));
}

#[test]
fn codes_that_do_not_belong_are_named_and_none_is_taken() {
    let (_parent, mut folder) = full();
    let good = said::Said {
        place: "line 2".to_owned(),
        coder: "Eve".to_owned(),
        item: "i1".to_owned(),
        variable: "tone".to_owned(),
        value: "good".to_owned(),
        ..said::Said::default()
    };
    let with = |change: &dyn Fn(&mut said::Said)| {
        let mut bad =
            said::Said { place: "line 3".to_owned(), item: "i2".to_owned(), ..good.clone() };
        change(&mut bad);
        bad
    };
    for (bad, words) in [
        (with(&|said| said.item = "i9".to_owned()), "no item “i9” (1 of 2 codes"),
        (with(&|said| said.variable = "mood".to_owned()), "no variable “mood”; it has tone"),
        (with(&|said| said.value = "so so".to_owned()), "“so so” is no label of tone"),
        (with(&|said| said.coder = " ".to_owned()), "it has no coder"),
        (with(&|said| said.item = "i1".to_owned()), "a second code for tone of “i1”"),
    ] {
        let refused = said::take_in(&mut folder, &[good.clone(), bad]).unwrap_err().to_string();
        assert!(refused.starts_with("line 3: ") && refused.contains(words), "{refused}");
        assert!(folder.coder("Eve").is_none());
    }
    // Taken twice, they are there once.
    said::take_in(&mut folder, std::slice::from_ref(&good)).unwrap();
    assert_eq!(said::take_in(&mut folder, &[good]).unwrap()[0].added, 0);
}

#[test]
fn a_table_with_a_column_a_coder_becomes_three_coders() {
    let (_parent, folder) = full();
    let rows = csv_rows(b"id,coder_1,coder_2\ni1,good,bad <&>\ni3,,good\nother,good,good\n");
    let columns = ["coder_1".to_owned(), "coder_2".to_owned()];
    let said = tables::of_columns(&rows, &folder, "id", &columns);
    let (_parent, other) = taken(&folder, &said);
    assert_eq!(codes(&other).len(), 3);
    let none = tables::read(&rows, &folder, "").unwrap_err();
    assert!(none.contains("no column holds codes") && none.contains("id, coder_1"), "{none}");
}

#[test]
fn a_codebook_comes_back_from_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let book = every_kind();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        crate::files::write_atomic(&path, bytes).unwrap();
        path
    };
    let json = codebook::read(&write("book.json", &codebook::to_json(&book))).unwrap();
    assert_eq!(json, book);
    let toml = codebook::read(&write("book.toml", toml::to_string(&book).unwrap().as_bytes()));
    assert_eq!(toml.unwrap(), book);
    let markdown = codebook_markdown::write(&book);
    let read = codebook::read(&write("book.md", markdown.as_bytes())).unwrap();
    assert_eq!(read, book, "{markdown}");
    let table = codebook::of_rows(&csv_rows(&codebook::to_csv(&book))).unwrap();
    assert_eq!(table.variables, book.variables);
    let bad = codebook::read(&write("bad.md", b"# A\n\n## tone\n\n- Kind: guess\n")).unwrap_err();
    assert!(bad.contains("line 5: “guess” is no kind"), "{bad}");
    // As Halterman and Keith have it.
    let theirs = r#"{"instructions": "Say it.", "classes": [{"label": "a"}, {"label": "b"}]}"#;
    let theirs = codebook::read(&write("Their book.json", theirs.as_bytes())).unwrap();
    assert_eq!(theirs.variables[0].name, "their_book");
}

#[test]
fn the_same_study_gives_the_same_qdpx_with_every_code() {
    let (_parent, folder) = full();
    let bytes = qdpx::project(&folder).unwrap();
    assert_eq!(bytes, qdpx::project(&folder).unwrap());
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut xml = String::new();
    let mut entry = archive.by_name("project.qde").unwrap();
    std::io::Read::read_to_string(&mut entry, &mut xml).unwrap();
    assert!(xml.contains("urn:QDA-XML:project:1.0"));
    assert!(xml.contains("name=\"Ben, 2\""));
    assert!(xml.contains("startPosition=\"4\" endPosition=\"5\"")); // characters, not UTF-16
    assert!(xml.contains("bad &lt;&amp;&gt;"));
    // Two coders: six codes, and two places of them twice; six "don't know"; then Ada's one.
    assert_eq!(xml.matches("<Coding ").count(), 2 * (1 + 2 + 1 + 1 + 1 + 2) + 2 * 6 + 1);
}

#[test]
fn the_description_of_a_table_names_its_columns() {
    let (_parent, folder) = full();
    let tables = [(data_package::Table::Long, "long.csv"), (data_package::Table::Wide, "wide.csv")];
    let package = data_package::describe(&folder, &tables);
    for (number, bytes) in [(0, tables::long(&folder)), (1, tables::wide(&folder))] {
        let fields = package["resources"][number]["schema"]["fields"].as_array().unwrap();
        let named: Vec<&str> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
        let header = csv::Reader::from_reader(&bytes[..]).headers().unwrap().clone();
        assert_eq!(header.iter().collect::<Vec<_>>(), named);
    }
}

#[test]
fn a_project_of_other_programs_is_read_back_as_the_same_codes() {
    let (_parent, folder) = full();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("study.qdpx");
    crate::files::write_atomic(&path, &qdpx::project(&folder).unwrap()).unwrap();
    let project = qdpx_read::read(&path).unwrap();
    assert_eq!(project.rows().len(), folder.items.len());
    let (_other, taken) = taken(&folder, &project.said(&folder, "").unwrap());
    // No label at all is no code there.
    let kept = |folder: &Folder| -> Vec<Codes> {
        let with = |(coder, item, mut values): Codes| {
            values.retain(|(_, value)| *value != Value::Labels(Vec::new()));
            (coder, item, values)
        };
        codes(folder).into_iter().map(with).collect()
    };
    assert_eq!(kept(&taken), kept(&folder));
    let kinds: Vec<Kind> = project.codebook().variables.iter().map(|v| v.kind).collect();
    assert_eq!(kinds.last(), Some(&Kind::Spans));
    // A code that the study does not have.
    let mut other = folder.study.clone();
    other.codebook.variables.remove(0);
    let small = create(&place.path().join("small"), other, &folder.items).unwrap();
    let refused = project.said(&small, "").unwrap_err();
    assert!(refused.ends_with("no label for the code “tone > bad <&>”"), "{refused}");
}
