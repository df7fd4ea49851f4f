//! A text with `{variables}`. Braces around anything but a name, as in JSON, are text; `{{name}}` is
//! the text `{name}`.

/// A text in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
}

impl Template {
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(name) = rest.strip_prefix("{{").and_then(|inside| named(inside, "}}")) {
                plain.push('{');
                plain.push_str(name);
                plain.push('}');
                rest = &rest[name.len() + 4..];
            } else if let Some(name) = named(&rest[1..], "}") {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Name(name.to_owned()));
                rest = &rest[name.len() + 2..];
            } else {
                plain.push('{');
                rest = &rest[1..];
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Self { parts }
    }

    /// Every variable once, in the order of the text.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for part in &self.parts {
            if let Part::Name(name) = part
                && !names.contains(&name.as_str())
            {
                names.push(name);
            }
        }
        names
    }

    /// The text with a value for each variable. An error: the name of one that has none.
    ///
    /// Where `{examples}` is empty and stands on a line of its own, the line goes too: a prompt
    /// without examples has no hole.
    pub fn fill(&self, value: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
        let mut text = String::new();
        let mut drops_line = false;
        for part in &self.parts {
            match part {
                Part::Text(plain) => {
                    let plain = match plain.strip_prefix('\n') {
                        Some(after) if drops_line => after,
                        _ => plain.as_str(),
                    };
                    text.push_str(plain);
                    drops_line = false;
                }
                Part::Name(name) => {
                    let value = value(name).ok_or_else(|| name.clone())?;
                    let begins_line = text.is_empty() || text.ends_with('\n');
                    drops_line = name == EXAMPLES && value.is_empty() && begins_line;
                    text.push_str(&value);
                }
            }
        }
        Ok(text)
    }
}

/// The variable that stands for the examples.
pub const EXAMPLES: &str = "examples";

/// A name at the beginning of `text` that `end` follows: letters, digits and `_`, and one point at
/// most (`step1.result`).
fn named<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let length = text.find(|letter: char| !(letter.is_alphanumeric() || "_.".contains(letter)))?;
    let (name, after) = text.split_at(length);
    (is_name(name) && after.starts_with(end)).then_some(name)
}

/// Whether something can be the name of a variable.
pub fn is_name(name: &str) -> bool {
    let mut pieces = name.split('.');
    let is_piece = |piece: &str| {
        piece.starts_with(|first: char| first.is_alphabetic() || first == '_')
            && piece.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
    };
    pieces.next().is_some_and(is_piece)
        && pieces.next().is_none_or(|after| after == "result")
        && pieces.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_in_braces_are_variables() {
        let text = r#"{"label": "{label}"} {{text}} {text} { x } {1} {step1.result} {a.b} {"#;
        let template = Template::parse(text);
        assert_eq!(template.names(), ["label", "text", "step1.result"]);
        let filled = template.fill(&|name| Some(name.to_uppercase())).unwrap();
        let expected = r#"{"label": "LABEL"} {text} TEXT { x } {1} STEP1.RESULT {a.b} {"#;
        assert_eq!(filled, expected);
    }

    #[test]
    fn a_value_is_put_in_as_it_stands() {
        let filled = Template::parse("{a}-{b}")
            .fill(&|name| Some(if name == "a" { "{b}".to_owned() } else { "2".to_owned() }));
        assert_eq!(filled.unwrap(), "{b}-2");
        assert_eq!(Template::parse("{a}").fill(&|_| None), Err("a".to_owned()));
    }

    #[test]
    fn without_examples_there_is_no_empty_line() {
        let template = Template::parse("Label it.\n\n{examples}\nText: {text}");
        let fill = |examples: &str| {
            let value = |name: &str| {
                Some(if name == EXAMPLES { examples.to_owned() } else { "x".to_owned() })
            };
            template.fill(&value).unwrap()
        };
        assert_eq!(fill(""), "Label it.\n\nText: x");
        assert_eq!(fill("Text: a\n"), "Label it.\n\nText: a\n\nText: x");
    }
}
