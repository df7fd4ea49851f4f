//! JSON that is right, and JSON that is not.

use super::*;

fn read(text: &str) -> Result<Value, Problem> {
    let mut feed = Feed::new(Box::new(text.as_bytes()));
    let mut json = Json::new(&mut feed);
    let value = json.value()?;
    match json.peek() {
        None => Ok(value),
        Some(_) => Err(json.problem("more")),
    }
}

#[test]
fn values_are_those_of_serde_json() {
    for text in [
        "{}",
        "[]",
        "null",
        "true",
        "-0",
        "-0.0",
        "1e5",
        "0.1",
        "18446744073709551615",
        "-9223372036854775808",
        "123456789012345678901234567890",
        r#""a\"b\\c\/d\b\f\n\r\tÄ😀\ud83d\ude00\u00e4""#,
        r#"{"a":[1,2,{"b":null}],"c":{"d":{}},"":" "}"#,
        "[[[[[[[[1]]]]]]]]",
    ] {
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(read(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn what_is_no_json_is_told_in_words_and_at_its_place() {
    for (text, column, words) in [
        (r#"{"a":1,}"#, 8, "a comma stands before } with nothing behind it"),
        (r#"{"a":[1,]}"#, 9, "a comma stands before ]"),
        (r"{'a': 1}", 2, "as Python prints it"),
        (r#"{"a": 'b'}"#, 7, "as Python prints it"),
        (r#"{"a": None}"#, 7, "JSON writes null"),
        (r#"{"a": True}"#, 7, "JSON writes true"),
        (r"{a: 1}", 2, "without quotation marks"),
        (r#"{"a": yes}"#, 7, "JSON needs \"yes\""),
        (r"{“a”: 1}", 2, "typographic"),
        (r#"{"a" 1}"#, 6, "after the name \"a\" a : is missing"),
        (r#"{"a": 1 "b": 2}"#, 9, "a comma is missing before this"),
        (r#"{"a": "say "hi" now"}"#, 13, "that is not written"),
        (r#"{"a": "\ud83d"}"#, 8, "half an emoji"),
        (r#"{"a": "\ude00 b"}"#, 8, "half an emoji"),
        (r#"{"a": "\ud83d\u0041"}"#, 8, "half an emoji"),
        (r#"{"a": "C:\dir"}"#, 10, "\\d is none of JSON's escapes"),
        (r#"{"a": "it\'s"}"#, 10, "JSON does not write \\'"),
        (r#"{"a": "b"#, 9, "the file ends in the middle of the row that begins on line 1"),
        (r#"{"a": 01}"#, 7, "01 is not a number"),
        (r#"{"a": .5}"#, 7, "a value should begin here, and . stands here"),
        (r#"{"a": 1.}"#, 7, "1. is not a number"),
        (r#"{"a": +1}"#, 7, "a value should begin here"),
        (r#"{"a": 1e999}"#, 7, "too large"),
        ("{\"a\": \"b\nc\"}", 7, "is not closed on its line"),
        ("{\"a\": \"b\tc\"}", 9, "JSON writes \\t"),
        (r#"{"a": 1} // x"#, 10, "more"),
    ] {
        let problem = read(text).unwrap_err();
        assert_eq!((problem.line, problem.column), (1, column), "{text}: {}", problem.what);
        assert!(problem.what.contains(words), "{text}: {}", problem.what);
    }
    let deep = "[".repeat(100_000);
    assert!(read(&deep).unwrap_err().what.contains("more than 100 lists"));
    let deep = format!("{}{}", "[".repeat(99), "]".repeat(99));
    assert_eq!(read(&deep).unwrap(), serde_json::from_str::<Value>(&deep).unwrap());
}

#[test]
fn what_is_read_otherwise_is_told() {
    let text = r#"{"a": NaN, "b": -Infinity, "a": 1, "n": 99999999999999999999}"#;
    let mut feed = Feed::new(Box::new(text.as_bytes()));
    let mut json = Json::new(&mut feed);
    let value = json.value().unwrap();
    assert_eq!(value["a"], 1);
    assert_eq!(value["b"], Value::Null);
    let told: Vec<_> = json.changes.iter().map(|change| change.key.as_deref()).collect();
    assert_eq!(told, [Some("a"), Some("b"), Some("a"), Some("n")]);
}

/// Every text cut at every place, and read in chunks of every size: the same values.
#[test]
fn chunks_do_not_matter() {
    struct Drops<'a>(&'a [u8], usize);
    impl std::io::Read for Drops<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }
    let text = r#"{"a":"\ud83d\ude00 Größe\n","b":[1.5e3,-Infinity,null,{"c":"d"}]}"#;
    let expected = read(text).unwrap();
    for size in 1..text.len() {
        let mut feed = Feed::new(Box::new(Drops(text.as_bytes(), size)));
        assert_eq!(Json::new(&mut feed).value().unwrap(), expected, "{size} bytes a time");
    }
}
