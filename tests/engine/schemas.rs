//! Random JSON schemas, and whether a value fits one, for the keywords that they use.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};

const KEYS: [&str; 10] =
    ["name", "year", "größe", "出典", "is it open?", "a\"b", "path\\to", "n", "Ω", "note_1"];

type Fits = fn(&str) -> bool;

const PATTERNS: [(&str, Fits); 4] = [
    ("^[a-z]{2,5}$", |text| {
        (2..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase())
    }),
    ("^[0-9]{4}-[0-9]{2}$", |text| {
        let bytes = text.as_bytes();
        let digits = |range: &[u8]| range.iter().all(u8::is_ascii_digit);
        bytes.len() == 7 && bytes[4] == b'-' && digits(&bytes[..4]) && digits(&bytes[5..])
    }),
    ("^(yes|no|perhaps)$", |text| ["yes", "no", "perhaps"].contains(&text)),
    ("^10\\.[0-9]{4,9}/[a-z0-9]+$", |text| {
        let Some((number, rest)) = text.strip_prefix("10.").and_then(|it| it.split_once('/'))
        else {
            return false;
        };
        (4..=9).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && !rest.is_empty()
            && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    }),
];

/// An object with up to four levels of others in it.
pub fn random_schema(seed: u64) -> Value {
    let mut random = StdRng::seed_from_u64(seed);
    let levels = random.random_range(1..=4);
    object(&mut random, levels)
}

fn object(random: &mut StdRng, levels: u32) -> Value {
    let mut properties = Map::new();
    for _ in 0..random.random_range(1..=4) {
        let key = KEYS[random.random_range(0..KEYS.len())];
        let part = any(random, levels - 1);
        properties.insert(key.to_owned(), part);
    }
    let required: Vec<&String> = properties.keys().filter(|_| random.random_bool(0.6)).collect();
    let mut schema = json!({"type": "object", "properties": properties, "required": required});
    if random.random_bool(0.7) {
        schema["additionalProperties"] = json!(false);
    }
    schema
}

fn any(random: &mut StdRng, levels: u32) -> Value {
    match random.random_range(0..if levels > 0 { 12 } else { 9 }) {
        0 => json!({"type": "boolean"}),
        1 => json!({"type": ["integer", "null"]}),
        2 => {
            let low: i64 = random.random_range(-500..500);
            json!({"type": "integer", "minimum": low, "maximum": low + random.random_range(0..2000)})
        }
        3 => {
            let low: f64 = f64::from(random.random_range(-300..300)) / 4.0;
            json!({"type": "number", "minimum": low, "maximum": low + 12.5})
        }
        4 => json!({"type": "string"}),
        5 => {
            let low = random.random_range(0..6);
            json!({"type": "string", "minLength": low, "maxLength": low + random.random_range(0..9)})
        }
        6 => json!({"type": "string", "pattern": PATTERNS[random.random_range(0..4)].0}),
        7 => {
            let values = [json!("low"), json!("hoch ä"), json!(3), json!(null), json!(true)];
            let count = random.random_range(1..=values.len());
            json!({"enum": values[..count]})
        }
        8 => {
            json!({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "maxLength": 8}]})
        }
        9 | 10 => object(random, levels),
        _ => {
            let low = random.random_range(0..3);
            let items = any(random, levels - 1);
            json!({"type": "array", "items": items, "minItems": low,
                   "maxItems": low + random.random_range(0..4)})
        }
    }
}

/// Why a value does not fit. `None`: it does.
pub fn misfit(schema: &Value, value: &Value) -> Option<String> {
    let wrong = |what: &str| Some(format!("{value} against {schema}: {what}"));
    if let Some(parts) = schema.get("anyOf").and_then(Value::as_array) {
        let fits = parts.iter().any(|part| misfit(part, value).is_none());
        return if fits { None } else { wrong("no alternative") };
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return if values.contains(value) { None } else { wrong("not allowed") };
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0), // also -0
        _ => value.is_number(),
    };
    let fits = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(is),
        kind => kind.as_str().is_none_or(is),
    };
    if !fits {
        return wrong("another type");
    }
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let within = |size: f64, low: &str, high: &str| {
        bound(low).is_none_or(|low| size >= low) && bound(high).is_none_or(|high| size <= high)
    };
    match value {
        Value::Number(number) if !within(number.as_f64()?, "minimum", "maximum") => {
            wrong("out of bounds")
        }
        Value::String(text) => {
            if !within(text.chars().count() as f64, "minLength", "maxLength") {
                return wrong("length");
            }
            let pattern = schema.get("pattern").and_then(Value::as_str)?;
            let (_, fits) = PATTERNS.iter().find(|(known, _)| *known == pattern)?;
            if fits(text) { None } else { wrong("pattern") }
        }
        Value::Array(items) => {
            if !within(items.len() as f64, "minItems", "maxItems") {
                return wrong("number of items");
            }
            items.iter().find_map(|item| misfit(&schema["items"], item))
        }
        Value::Object(fields) => {
            let required = schema["required"].as_array().into_iter().flatten();
            if required.filter_map(Value::as_str).any(|name| !fields.contains_key(name)) {
                return wrong("a property is missing");
            }
            let properties = schema["properties"].as_object()?;
            fields.iter().find_map(|(name, field)| match properties.get(name) {
                Some(part) => misfit(part, field),
                None if schema.get("additionalProperties") == Some(&json!(false)) => {
                    wrong("a property too many")
                }
                None => None,
            })
        }
        _ => None,
    }
}
