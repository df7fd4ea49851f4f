//! JSON schemas, as far as answers are held against them. A keyword that is not checked is refused by its name:
//! an answer that breaks it must not be paid.

use serde_json::Value;

/// Keywords that say nothing about whether a value fits.
const WORDS: [&str; 8] =
    ["$schema", "$id", "title", "description", "default", "examples", "$comment", "format"];

/// Keywords that are checked.
const CHECKED: [&str; 16] = [
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "anyOf",
];

const TYPES: [&str; 7] = ["object", "array", "string", "number", "integer", "boolean", "null"];

/// What in a schema is not checked, in a sentence.
pub fn problem(schema: &Value) -> Option<String> {
    let keys = match schema {
        Value::Bool(_) => return None,
        Value::Object(keys) => keys,
        _ => return Some("a JSON schema is an object, true or false".to_owned()),
    };
    for (key, value) in keys {
        let inner: Vec<&Value> = match key.as_str() {
            "properties" => value.as_object().map(|all| all.values().collect()).unwrap_or_default(),
            "items" | "additionalProperties" => vec![value],
            "anyOf" => value.as_array().map(|all| all.iter().collect()).unwrap_or_default(),
            "type" => {
                let unknown = types(value).into_iter().find(|name| !TYPES.contains(name));
                if let Some(unknown) = unknown {
                    return Some(format!(
                        "`{unknown}` is not a type of JSON: {}",
                        TYPES.join(", ")
                    ));
                }
                Vec::new()
            }
            key if CHECKED.contains(&key) || WORDS.contains(&key) => Vec::new(),
            key => {
                return Some(format!(
                    "the schema's `{key}` is not checked here; checked are {}",
                    CHECKED.join(", ")
                ));
            }
        };
        if let Some(problem) = inner.into_iter().find_map(problem) {
            return Some(problem);
        }
    }
    None
}

fn types(value: &Value) -> Vec<&str> {
    match value {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Whether a value fits a schema without [`problem`]s.
pub fn fits(value: &Value, schema: &Value) -> bool {
    let keys = match schema {
        Value::Bool(any) => return *any,
        Value::Object(keys) => keys,
        _ => return false,
    };
    keys.iter().all(|(key, told)| {
        let bound = told.as_f64();
        let number = value.as_f64();
        let within = |is: fn(f64, f64) -> bool| match (number, bound) {
            (Some(number), Some(bound)) => is(number, bound),
            _ => true, // other values have no such bound
        };
        let count = |size: Option<usize>, is: fn(f64, f64) -> bool| match (size, bound) {
            (Some(size), Some(bound)) => is(size as f64, bound),
            _ => true,
        };
        let items = || value.as_array().map(Vec::len);
        let letters = || value.as_str().map(|text| text.chars().count());
        match key.as_str() {
            "type" => types(told).iter().any(|name| is_of(value, name)),
            "enum" => told.as_array().is_some_and(|all| all.contains(value)),
            "const" => told == value,
            "required" => value.as_object().is_none_or(|value| {
                let names = told.as_array().into_iter().flatten().filter_map(Value::as_str);
                names.into_iter().all(|name| value.contains_key(name))
            }),
            "properties" => value.as_object().is_none_or(|value| {
                let known = told.as_object().into_iter().flatten();
                let fit = |(name, schema): (&String, &Value)| {
                    value.get(name).is_none_or(|value| fits(value, schema))
                };
                known.into_iter().all(fit)
            }),
            "additionalProperties" => value.as_object().is_none_or(|value| {
                let known = keys.get("properties").and_then(Value::as_object);
                let is_other = |name: &String| known.is_none_or(|known| !known.contains_key(name));
                value.iter().all(|(name, value)| !is_other(name) || fits(value, told))
            }),
            "items" => value.as_array().is_none_or(|all| all.iter().all(|value| fits(value, told))),
            "anyOf" => told.as_array().is_some_and(|all| all.iter().any(|one| fits(value, one))),
            "minItems" => count(items(), |size, bound| size >= bound),
            "maxItems" => count(items(), |size, bound| size <= bound),
            "minLength" => count(letters(), |size, bound| size >= bound),
            "maxLength" => count(letters(), |size, bound| size <= bound),
            "minimum" => within(|number, bound| number >= bound),
            "maximum" => within(|number, bound| number <= bound),
            "exclusiveMinimum" => within(|number, bound| number > bound),
            "exclusiveMaximum" => within(|number, bound| number < bound),
            _ => true,
        }
    })
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        // 2.0 is an integer, as in JSON schema since draft 6.
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_fits_or_does_not() {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "minLength": 2 },
                "age": { "type": "integer", "minimum": 0, "exclusiveMaximum": 150 },
                "tags": { "type": "array", "items": { "enum": ["a", "b"] }, "maxItems": 2 },
                "note": { "anyOf": [{ "type": "null" }, { "type": "string" }] }
            },
            "required": ["name", "age"],
            "additionalProperties": false
        });
        assert_eq!(problem(&schema), None);
        for (value, expected) in [
            (json!({"name": "Ada", "age": 36}), true),
            (json!({"name": "Ada", "age": 36.0, "tags": ["a"], "note": null}), true),
            (json!({"name": "A", "age": 36}), false), // too short
            (json!({"name": "Ada"}), false),          // no age
            (json!({"name": "Ada", "age": 150}), false),
            (json!({"name": "Ada", "age": 3.5}), false),
            (json!({"name": "Ada", "age": 3, "tags": ["c"]}), false),
            (json!({"name": "Ada", "age": 3, "tags": ["a", "b", "a"]}), false),
            (json!({"name": "Ada", "age": 3, "more": 1}), false),
            (json!(["Ada"]), false),
        ] {
            assert_eq!(fits(&value, &schema), expected, "{value}");
        }
    }

    #[test]
    fn a_keyword_that_is_not_checked_is_named() {
        let said = problem(&json!({"properties": {"a": {"pattern": "^x"}}})).unwrap();
        assert!(said.contains("`pattern`"), "{said}");
        assert!(problem(&json!({"type": "text"})).unwrap().contains("`text`"));
    }
}
