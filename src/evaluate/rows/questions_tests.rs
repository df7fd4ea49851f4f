//! Rows of a table as questions.

use super::*;
use crate::data::codebook::Class;

#[test]
fn a_row_that_lacks_a_column_of_the_table_has_no_words_there() {
    let rows = "{\"text\": \"a\", \"source\": \"x\"}\n{\"text\": \"b\"}\n";
    let mut list = Vec::new();
    let path = std::path::Path::new("rows.jsonl");
    let report = table::read_text(path, rows, &mut |_, row| {
        list.push(row);
        Ok(())
    });
    let code = Code { text: "text".to_owned(), codebook: "c.toml".into(), ..Code::default() };
    let task = Task { data: path.into(), code: Some(code), ..Task::default() };
    let table = Table { report: report.unwrap(), rows: list };
    let questions = Questions::of(&task, Some(Codebook::default()), table).unwrap();
    let sources = questions.list.iter().map(|question| question.part("source").unwrap());
    assert_eq!(sources.collect::<Vec<_>>(), ["x", ""]);
    assert_eq!(questions.list[1].part("nowhere"), None);
}

fn of_csv(task: &Task, codebook: Option<Codebook>, csv: &str) -> Result<Questions, QuestionError> {
    let mut rows = Vec::new();
    let report = table::read_text(&task.data, csv, &mut |_, row| {
        rows.push(row);
        Ok(())
    });
    Questions::of(task, codebook, Table { report: report.unwrap(), rows })
}

/// As R and pandas write a column of labels with gaps.
#[test]
fn what_is_missing_in_a_persons_labels_is_nothing_and_said() {
    let class = |label: &str| Class { label: label.to_owned(), ..Class::default() };
    let codebook = Codebook { classes: vec![class("0"), class("1")], ..Codebook::default() };
    let code = Code {
        text: "text".to_owned(),
        codebook: "c.toml".into(),
        human: vec!["Ada".to_owned()],
        inclusion: Some("share".to_owned()),
        ..Code::default()
    };
    let task = Task { data: "rows.csv".into(), code: Some(code), ..Task::default() };
    let csv = "text;Ada;share\na;1.0;0,25\nb;NA;NA\nc;0;1\n";
    let questions = of_csv(&task, Some(codebook.clone()), csv).unwrap();
    let human: Vec<_> = questions.list.iter().map(|question| question.human[0]).collect();
    assert_eq!(human, [Some(1), None, Some(0)]);
    let shares: Vec<_> = questions.list.iter().map(|question| question.inclusion).collect();
    assert_eq!(shares, [Some(0.25), None, Some(1.0)]);
    let notes: Vec<String> = questions.report.sentences().collect();
    assert!(notes[0].starts_with("column \"Ada\", line 3: “NA” is taken as nothing"), "{notes:?}");
    let wrong = of_csv(&task, Some(codebook), &csv.replace("1.0", "2")).unwrap_err();
    assert!(wrong.to_string().contains("line 2, column 2"), "{wrong}");
}

/// Options as `str` of pandas and `NumPy` has them, letters that stay where an option is empty.
#[test]
fn the_right_answer_of_an_exam_is_the_one_that_is_meant() {
    let right = |options: &[&str], csv: &str| {
        let exam = Exam {
            question: "q".to_owned(),
            options: options.iter().map(|&name| name.to_owned()).collect(),
            answer: Some("key".to_owned()),
            first: None,
            subject: None,
        };
        let task = Task { data: "rows.csv".into(), exam: Some(exam), ..Task::default() };
        let questions = of_csv(&task, None, csv).unwrap_or_else(|err| panic!("{csv}: {err}"));
        let right =
            |question: &Question| question.human[0].map(|place| question.options[place].clone());
        questions.list.iter().map(right).collect::<Vec<_>>()
    };
    let some = |words: &str| Some(words.to_owned());
    let lists = "q;options;key\n1;['a', 'b'];1.0\n2;['c' 'd'];0\n3;[\"e\", \"f\"];\n";
    assert_eq!(right(&["options"], lists), [some("b"), some("c"), None]);
    let arc = "q;options;key\n1;{'text': ['2', '1'], 'label': ['1', '2']};2\n\
               2;{'text': ['x', 'y'], 'label': ['A', 'B']};B\n";
    assert_eq!(right(&["options"], arc), [some("1"), some("y")]);
    let gap = "q,A,B,C,D,key\n1,a,b,,d,D\n2,e,f,g,h,(C)\n";
    assert_eq!(right(&["A", "B", "C", "D"], gap), [some("d"), some("g")]);
    let named = "q,opa,opb,key\n1,a,b,opb\n2,c,d,A\n";
    assert_eq!(right(&["opa", "opb"], named), [some("b"), some("c")]);
}
