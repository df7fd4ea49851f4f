//! The fields that are read out of a text, as a JSON schema: from a list of fields, or as somebody
//! wrote it. What cannot be used in it is said before a model is asked.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Integers beyond this are not exact in JSON.
const MOST_EXACT: i64 = 9_007_199_254_740_991;

/// Numbers without bounds get these, so that one has no end of digits.
const MOST_NUMBER: f64 = 1e15;

/// Levels of a schema beyond this are taken for a mistake.
const MOST_LEVELS: usize = 40;

/// One thing that is read out of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Field {
    pub name: String,

    #[serde(rename = "type")]
    pub kind: FieldKind,

    /// What it means, as the model reads it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,

    /// What it may be; none: anything of its type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,

    /// Several of them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub list: bool,

    /// It may be null, where the text does not say it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,

    /// The words of the text that say it are asked for too, and looked up in the text.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub quote: bool,
}

/// Under the names of JSON schemas, and `date`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    #[default]
    String,
    Integer,
    Number,
    Boolean,

    /// As 2026-11-28.
    Date,
}

impl FieldKind {
    pub const ALL: [Self; 5] =
        [Self::String, Self::Integer, Self::Number, Self::Boolean, Self::Date];

    /// As a person says it.
    pub fn words(self) -> &'static str {
        match self {
            Self::String => "text",
            Self::Integer => "whole number",
            Self::Number => "number",
            Self::Boolean => "yes or no",
            Self::Date => "date",
        }
    }
}

/// What an answer has to look like.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// As it was written.
    pub json: Value,

    /// The properties of the object, in order: a column each.
    pub columns: Vec<String>,

    /// Properties whose texts must stand in the text that was read.
    pub quotes: Vec<String>,
}

/// The name of the field that holds a field's quote.
pub fn quote_name(field: &str) -> String {
    format!("{field}_quote")
}

impl Schema {
    /// From a list of fields.
    pub fn of_fields(fields: &[Field]) -> Result<Self, String> {
        if fields.is_empty() {
            return Err("no field is named that is to be read out of the texts".to_owned());
        }
        let mut properties = Map::new();
        let mut quotes = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            let name = field.name.trim();
            if name.is_empty() {
                return Err(format!("field number {} has no name", index + 1));
            }
            let mut add = |name: String, schema: Value| {
                let is_new = properties.insert(name.clone(), schema).is_none();
                if is_new { Ok(()) } else { Err(format!("the field “{name}” is there twice")) }
            };
            add(name.to_owned(), field.schema()?)?;
            if field.quote {
                let about = format!("the words of the text that say {name}, letter for letter");
                add(quote_name(name), json!({"type": ["string", "null"], "description": about}))?;
                quotes.push(quote_name(name));
            }
        }
        let columns: Vec<String> = properties.keys().cloned().collect();
        let json = json!({
            "type": "object",
            "properties": properties,
            "required": columns,
            "additionalProperties": false,
        });
        Ok(Self { json, columns, quotes })
    }

    /// From a schema that somebody wrote. `quotes`: properties whose texts must stand in the text.
    pub fn of_json(json: &Value, quotes: &[String]) -> Result<Self, String> {
        check(json)?;
        let properties = json.get("properties").and_then(Value::as_object);
        let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
            return Err("the schema is not that of an object: it needs \"type\": \"object\" and \
                        \"properties\" with a field each"
                .to_owned());
        };
        let columns: Vec<String> = properties.keys().cloned().collect();
        for quote in quotes {
            if !columns.contains(quote) {
                return Err(format!(
                    "the schema has no property “{quote}”, which is said to be a quote; it has {}",
                    columns.join(", ")
                ));
            }
        }
        Ok(Self { json: json.clone(), columns, quotes: quotes.to_vec() })
    }

    /// From the text of a schema that somebody wrote or pasted.
    pub fn of_text(text: &str, quotes: &[String]) -> Result<Self, String> {
        let json =
            serde_json::from_str(text).map_err(|err| format!("the schema is no JSON: {err}"))?;
        Self::of_json(&json, quotes)
    }

    /// With ends where the schema leaves them open: numbers have at most 15 digits, and an object
    /// has the properties that are named and no others. Whatever fits this fits the schema.
    pub fn with_ends(&self) -> Value {
        with_ends(&self.json, true)
    }

    /// The fields with what is said of them, as a prompt has them.
    pub fn words(&self) -> String {
        let properties = self.json.get("properties").and_then(Value::as_object);
        let lines = properties.into_iter().flatten().map(|(name, schema)| line(name, schema));
        lines.collect::<Vec<String>>().join("\n")
    }
}

impl Field {
    fn schema(&self) -> Result<Value, String> {
        let name = self.name.trim();
        let kind = match self.kind {
            FieldKind::String | FieldKind::Date => "string",
            FieldKind::Integer => "integer",
            FieldKind::Number => "number",
            FieldKind::Boolean => "boolean",
        };
        let mut one = if self.allowed.is_empty() {
            json!({"type": kind})
        } else {
            let values: Result<Vec<Value>, String> =
                self.allowed.iter().map(|value| self.allowed_value(value)).collect();
            json!({"enum": values?})
        };
        if self.kind == FieldKind::Date {
            one["format"] = json!("date");
        }
        if self.list {
            one = json!({"type": "array", "items": one});
        }
        if self.optional {
            match one.get_mut("enum").and_then(Value::as_array_mut) {
                Some(values) => values.push(Value::Null),
                None => one["type"] = json!([one["type"], "null"]),
            }
        }
        let mut about = self.description.trim().to_owned();
        if self.kind == FieldKind::Date {
            about = format!("{about} (as 2026-11-28)").trim().to_owned();
        }
        if !about.is_empty() {
            one["description"] = json!(about);
        }
        check(&one).map_err(|problem| format!("the field “{name}”: {problem}"))?;
        Ok(one)
    }

    fn allowed_value(&self, value: &str) -> Result<Value, String> {
        let value = value.trim();
        let read = match self.kind {
            FieldKind::String | FieldKind::Date => Some(Value::from(value)),
            FieldKind::Integer => value.parse::<i64>().ok().map(Value::from),
            FieldKind::Number => value.parse::<f64>().ok().map(Value::from),
            FieldKind::Boolean => value.parse::<bool>().ok().map(Value::from),
        };
        read.ok_or_else(|| {
            let (name, words) = (self.name.trim(), self.kind.words());
            format!("the field “{name}” is a {words}, and “{value}” is none")
        })
    }
}

/// `- year (integer): when the study was made; one of 2024, 2025`.
fn line(name: &str, schema: &Value) -> String {
    let mut line = format!("- {name}");
    let kind = type_words(schema);
    if !kind.is_empty() {
        line.push_str(&format!(" ({kind})"));
    }
    let mut more = Vec::new();
    more.extend(schema.get("description").and_then(Value::as_str).map(str::to_owned));
    let values = schema.get("enum").or_else(|| schema.get("items").and_then(|it| it.get("enum")));
    if let Some(values) = values.and_then(Value::as_array) {
        let values: Vec<String> = values.iter().map(Value::to_string).collect();
        more.push(format!("one of {}", values.join(", ")));
    }
    if !more.is_empty() {
        line.push_str(&format!(": {}", more.join("; ")));
    }
    line
}

fn type_words(schema: &Value) -> String {
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let words = names.iter().map(|name| match (*name, schema.get("items")) {
        ("array", Some(items)) => format!("list of {}", type_words(items)).trim().to_owned(),
        (name, _) => name.to_owned(),
    });
    words.collect::<Vec<String>>().join(" or ")
}

/// What keeps a schema from being used, as a sentence: it refers to itself, or nothing can fit it.
fn check(schema: &Value) -> Result<(), String> {
    check_part(schema, schema, &mut Vec::new(), 0)
}

fn check_part(
    root: &Value,
    part: &Value,
    through: &mut Vec<String>,
    level: usize,
) -> Result<(), String> {
    if level > MOST_LEVELS {
        return Err(format!("the schema has more than {MOST_LEVELS} levels"));
    }
    if part == &Value::Bool(false) && level == 0 {
        return Err("the schema is `false`, which nothing fits".to_owned());
    }
    let Some(fields) = part.as_object() else { return Ok(()) };
    if let Some(name) = fields.get("$ref").and_then(Value::as_str) {
        if through.iter().any(|known| known == name) {
            return Err(format!(
                "the schema refers to itself by {name}, so that an answer may have no end. Write \
                 out as many levels as you need"
            ));
        }
        let Some(target) = name.strip_prefix('#').and_then(|path| root.pointer(path)) else {
            return Err(format!("the schema refers to {name}, which is not in it"));
        };
        through.push(name.to_owned());
        check_part(root, target, through, level + 1)?;
        through.pop();
    }
    for [least, most] in [
        ["minimum", "maximum"],
        ["minLength", "maxLength"],
        ["minItems", "maxItems"],
        ["minProperties", "maxProperties"],
    ] {
        let number = |name: &str| fields.get(name).and_then(Value::as_f64);
        if let (Some(low), Some(high)) = (number(least), number(most))
            && low > high
        {
            return Err(format!("{least} is {low} and {most} is {high}: nothing fits that"));
        }
    }
    if let Some(values) = fields.get("enum").and_then(Value::as_array) {
        let distinct: BTreeSet<String> = values.iter().map(Value::to_string).collect();
        if values.is_empty() {
            return Err("a list of allowed values is empty: nothing fits that".to_owned());
        }
        if distinct.len() < values.len() {
            return Err("a list of allowed values has the same value twice".to_owned());
        }
    }
    for name in ["properties", "patternProperties"] {
        for part in fields.get(name).and_then(Value::as_object).into_iter().flatten() {
            check_part(root, part.1, through, level + 1)?;
        }
    }
    for name in ["items", "additionalProperties", "additionalItems"] {
        if let Some(part) = fields.get(name).filter(|part| part.is_object()) {
            check_part(root, part, through, level + 1)?;
        }
    }
    for name in ["anyOf", "oneOf", "allOf", "prefixItems"] {
        for part in fields.get(name).and_then(Value::as_array).into_iter().flatten() {
            check_part(root, part, through, level + 1)?;
        }
    }
    Ok(())
}

fn with_ends(schema: &Value, closes: bool) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    const COMBINED: [&str; 4] = ["anyOf", "oneOf", "allOf", "$ref"];

    let is_combined = COMBINED.iter().any(|name| fields.contains_key(*name));
    let closes = closes && !is_combined;
    let mut out = Map::new();
    for (name, value) in fields {
        let value = match (name.as_str(), value) {
            (
                "properties" | "patternProperties" | "$defs" | "definitions",
                Value::Object(parts),
            ) => {
                // A definition may be a part of a combination somewhere.
                let closes = !name.contains("def");
                let parts =
                    parts.iter().map(|(name, part)| (name.clone(), with_ends(part, closes)));
                Value::Object(parts.collect())
            }
            ("items" | "additionalProperties" | "additionalItems", part) => with_ends(part, closes),
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(parts)) => {
                let closes = closes && name == "prefixItems";
                Value::Array(parts.iter().map(|part| with_ends(part, closes)).collect())
            }
            (_, other) => other.clone(),
        };
        out.insert(name.clone(), value);
    }
    let is_number = |name: &str| match fields.get("type") {
        Some(Value::String(kind)) => kind == name,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == name),
        _ => false,
    };
    let bounded = |names: [&str; 2]| names.iter().any(|name| fields.contains_key(*name));
    if is_number("integer") || is_number("number") {
        let most = if is_number("number") { json!(MOST_NUMBER) } else { json!(MOST_EXACT) };
        let least = if is_number("number") { json!(-MOST_NUMBER) } else { json!(-MOST_EXACT) };
        if !bounded(["minimum", "exclusiveMinimum"]) {
            out.insert("minimum".to_owned(), least);
        }
        if !bounded(["maximum", "exclusiveMaximum"]) {
            out.insert("maximum".to_owned(), most);
        }
    }
    let open = ["additionalProperties", "patternProperties", "unevaluatedProperties"];
    if closes
        && fields.contains_key("properties")
        && !open.iter().any(|name| fields.contains_key(*name))
        && !fields.contains_key("minProperties")
    {
        out.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, kind: FieldKind) -> Field {
        Field { name: name.to_owned(), kind, ..Field::default() }
    }

    #[test]
    fn fields_become_a_schema_with_a_column_each() {
        let fields = [
            Field { description: "of the study".to_owned(), ..field("year", FieldKind::Integer) },
            Field {
                allowed: vec!["yes".to_owned(), "no".to_owned()],
                optional: true,
                quote: true,
                ..field("open", FieldKind::String)
            },
            Field { list: true, ..field("methods", FieldKind::String) },
        ];
        let schema = Schema::of_fields(&fields).unwrap();
        assert_eq!(schema.columns, ["year", "open", "open_quote", "methods"]);
        assert_eq!(schema.quotes, ["open_quote"]);
        assert_eq!(schema.json["properties"]["open"]["enum"], json!(["yes", "no", null]));
        let words = schema.words();
        assert!(words.contains("- year (integer): of the study"), "{words}");
        assert!(words.contains("- methods (list of string)"), "{words}");
    }

    #[test]
    fn what_is_wrong_with_fields_is_said() {
        let twice = [field("a", FieldKind::String), field("a", FieldKind::Date)];
        let number = Field { allowed: vec!["few".to_owned()], ..field("n", FieldKind::Integer) };
        for (fields, words) in [
            (&[][..], "no field is named"),
            (&twice[..], "“a” is there twice"),
            (&[field(" ", FieldKind::String)], "number 1 has no name"),
            (&[number], "“few” is none"),
        ] {
            let said = Schema::of_fields(fields).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_or_that_nothing_fits_is_refused() {
        let object =
            |part: &str| format!("{{\"type\":\"object\",\"properties\":{{\"a\":{part}}}}}");
        for (schema, words) in [
            (object("{\"$ref\":\"#\"}"), "refers to itself"),
            (object("{\"$ref\":\"#/$defs/b\"}"), "not in it"),
            (object("{\"minimum\":3,\"maximum\":1}"), "nothing fits"),
            (object("{\"enum\":[]}"), "nothing fits"),
            ("{\"type\":\"array\"}".to_owned(), "not that of an object"),
            ("{\"type\":".to_owned(), "no JSON"),
        ] {
            let said = Schema::of_text(&schema, &[]).unwrap_err();
            assert!(said.contains(words), "{schema}: {said}");
        }
    }

    #[test]
    fn open_ends_are_closed_and_others_stay() {
        let schema = json!({"type": "object", "properties": {
            "n": {"type": "integer", "minimum": 3},
            "any": {"anyOf": [{"type": "object", "properties": {"x": {"type": "string"}}}]},
        }});
        let closed = Schema::of_json(&schema, &[]).unwrap().with_ends();
        assert_eq!(closed["properties"]["n"]["minimum"], 3);
        assert_eq!(closed["properties"]["n"]["maximum"], MOST_EXACT);
        assert_eq!(closed["additionalProperties"], false);
        assert!(closed["properties"]["any"]["anyOf"][0].get("additionalProperties").is_none());
    }
}
