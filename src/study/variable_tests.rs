//! Which values a variable takes, and what a codebook is refused for.

use super::*;

fn labelled(kind: Kind, labels: &[&str]) -> Variable {
    let class = |label: &&str| Class { label: (*label).to_owned(), ..Class::default() };
    Variable {
        name: "tone".to_owned(),
        kind,
        classes: labels.iter().map(class).collect(),
        ..Variable::default()
    }
}

fn scale(low: f64, high: f64) -> Variable {
    Variable { low: Some(low), high: Some(high), ..labelled(Kind::Scale, &[]) }
}

#[test]
fn a_codebook_that_cannot_be_asked_says_what_is_missing() {
    let with = |variable| Variables { variables: vec![variable], ..Variables::default() };
    for (variable, words) in [
        (labelled(Kind::Choice, &["a"]), "only one of the two labels"),
        (labelled(Kind::Choice, &[]), "has no labels"),
        (labelled(Kind::Choices, &["Yes", "yes "]), "the label “yes” twice"),
        (labelled(Kind::Choice, &["a", " "]), "a class without a label (number 2)"),
        (labelled(Kind::Scale, &[]), "a scale without ends"),
        (scale(5.0, 1.0), "from 5 to 1"),
        (labelled(Kind::Better, &["first", "maybe"]), "“maybe” does not"),
        (labelled(Kind::Better, &["first", "tie"]), "lacks “first” or “second”"),
        (Variable { name: " ".to_owned(), ..scale(1.0, 5.0) }, "number 1 has no name"),
    ] {
        let said = with(variable).problem().unwrap();
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(with(scale(1.0, 5.0)).problem(), None);
    let twice = vec![scale(1.0, 5.0), labelled(Kind::Text, &[])];
    let twice = Variables { variables: twice, ..Variables::default() };
    assert!(twice.problem().unwrap().contains("stands in it twice"));
}

#[test]
fn cells_are_read_as_people_and_programs_write_them() {
    let words = Value::words;
    let labels = |labels: &[&str]| Value::Labels(labels.iter().map(|l| (*l).to_owned()).collect());
    for (variable, cell, value) in [
        (labelled(Kind::Choice, &["Good", "Bad"]), " good ", words("Good")),
        (labelled(Kind::Choices, &["a", "b"]), "b; a", labels(&["a", "b"])), // codebook's order
        (labelled(Kind::Choices, &["a;b", "c"]), "a;b", labels(&["a;b"])),
        (labelled(Kind::Choices, &["a", "b"]), "[\"b\"]", labels(&["b"])),
        (scale(1.0, 5.0), "3.0", words("3")), // pandas, where a cell is empty
        (labelled(Kind::Number, &[]), "-2.5", Value::Number(-2.5)),
        (labelled(Kind::Spans, &["x"]), "[]", Value::Spans(Vec::new())),
        (labelled(Kind::Choice, &["a", "b"]), DONT_KNOW, Value::DontKnow),
        (labelled(Kind::Better, &[]), "B", words("second")),
        (labelled(Kind::Better, &[]), "tie (bothbad)", words("both bad")),
        (labelled(Kind::Better, &["first", "second"]), "1", words("first")),
    ] {
        assert_eq!(variable.parse(cell), Ok(Some(value.clone())), "{cell}");
        assert_eq!(variable.refusal(&value, "text"), None, "{cell}");
        assert_eq!(variable.parse(&value.to_cell()), Ok(Some(value)), "{cell} written and read");
    }
    assert_eq!(scale(1.0, 5.0).parse(" "), Ok(None));
    assert!(scale(1.0, 5.0).parse("6").unwrap_err().contains("“6” is no label of tone"));
    let number = labelled(Kind::Number, &[]);
    assert_eq!(number.parse("2,5"), Ok(Some(Value::Number(2.5))));
    assert!(number.parse("1,234").unwrap_err().contains("a point stands"), "two things");
    // As R and pandas write a column with gaps.
    assert_eq!(number.parse("NA"), Ok(None));
    assert_eq!(labelled(Kind::Choice, &["0", "1"]).parse("1.0"), Ok(Some(words("1"))));
    assert_eq!(labelled(Kind::Choice, &["NA", "DE"]).parse("NA"), Ok(Some(words("NA"))));
    let both = Value::Labels(vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(labelled(Kind::Choices, &["a", "b"]).parse("['a', 'b']"), Ok(Some(both)));
    assert!(labelled(Kind::Number, &[]).parse("inf").is_err());
}

#[test]
fn a_value_of_another_kind_or_outside_the_text_is_no_answer() {
    let number = Variable { low: Some(0.0), high: Some(9.0), ..labelled(Kind::Number, &[]) };
    let spans = labelled(Kind::Spans, &["x"]);
    let place = |start, end| Value::Spans(vec![Span { start, end, label: "x".to_owned() }]);
    for (variable, value) in [
        (labelled(Kind::Choice, &["a", "b"]), Value::words("c")),
        (labelled(Kind::Choice, &["a", "b"]), Value::Number(1.0)),
        (number.clone(), Value::Number(-1.0)),
        (number, Value::Number(f64::NAN)),
        (spans.clone(), place(2, 2)),
        (spans.clone(), place(0, 5)), // the text has four characters, not five bytes
        (Variable { must_decide: true, ..spans.clone() }, Value::DontKnow),
    ] {
        assert!(variable.refusal(&value, "täxt").is_some(), "{value:?}");
    }
    assert_eq!(spans.refusal(&place(0, 4), "täxt"), None);
}

#[test]
fn a_changed_codebook_is_told_by_its_difference() {
    let with = |variable| Variables { variables: vec![variable], ..Variables::default() };
    let ours = with(labelled(Kind::Choice, &["a", "b"]));
    assert!(ours.differences(&ours.clone()).is_empty());
    for (theirs, words) in [
        (labelled(Kind::Choice, &["a", "b", "c"]), "the label “c” of “tone” is only there"),
        (labelled(Kind::Choice, &["a", "c"]), "the label “b” of “tone” is missing there"),
        (labelled(Kind::Choice, &["b", "a"]), "in another order"),
        (labelled(Kind::Choices, &["a", "b"]), "one label here and several labels there"),
        (Variable { name: "x".to_owned(), ..scale(1.0, 2.0) }, "“tone” is missing there"),
        (
            Variable { question: "?".to_owned(), ..labelled(Kind::Choice, &["a", "b"]) },
            "other words",
        ),
    ] {
        let said = ours.differences(&with(theirs)).join(", ");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn evaluates_codebook_becomes_one_variable_and_back() {
    let codebook = Codebook {
        name: "Kind of contribution".to_owned(),
        instruction: "Say which.".to_owned(),
        classes: labelled(Kind::Choice, &["a", "b"]).classes,
        ..Codebook::default()
    };
    let variables = Variables::of_codebook(&codebook);
    assert_eq!(variables.variables[0].name, "kind_of_contribution");
    let back = variables.codebook(0).unwrap();
    assert_eq!((back.instruction, back.classes), (codebook.instruction, codebook.classes));
    assert_eq!(column_name(" ?? "), "code");
}
