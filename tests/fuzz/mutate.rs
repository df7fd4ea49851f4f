//! Damage: bytes changed, numbers replaced, files cut short, keys dropped.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;
use serde_json::Value;

/// Numbers at which something may overflow, wrap or divide by zero.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    3,
    7,
    31,
    255,
    65_535,
    (1 << 31) - 1,
    1 << 31,
    u32::MAX as u64,
    1 << 32,
    1 << 40,
    (1 << 62) + 1,
    i64::MAX as u64,
    u64::MAX,
];

/// Below `bound`, which is above 0.
pub fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    (rng.next_u64() % bound.max(1) as u64) as usize
}

/// Up to four kinds of damage to the first `header` bytes, and now and then to all of them.
pub fn bytes(rng: &mut ChaCha8Rng, original: &[u8], header: usize) -> Vec<u8> {
    let mut out = original.to_vec();
    for _ in 0..=below(rng, 4) {
        if out.is_empty() {
            break;
        }
        let reach = if below(rng, 8) == 0 { out.len() } else { header.min(out.len()) };
        let at = below(rng, reach);
        match below(rng, 8) {
            0 | 1 => out[at] = rng.next_u32() as u8,
            2 => out[at] ^= 1 << below(rng, 8),
            3 => {
                let value = NUMBERS[below(rng, NUMBERS.len())].to_le_bytes();
                let width = [1, 2, 4, 8][below(rng, 4)].min(out.len() - at);
                out[at..at + width].copy_from_slice(&value[..width]);
            }
            4 => out.truncate(at),
            5 => {
                let end = (at + 1 + below(rng, 40)).min(out.len());
                out.drain(at..end);
            }
            6 => {
                let end = (at + 1 + below(rng, 40)).min(out.len());
                let again = out[at..end].to_vec();
                out.splice(at..at, again);
            }
            _ => {
                let from = below(rng, reach);
                let width = (1 + below(rng, 16)).min(out.len() - at.max(from));
                out.copy_within(from..from + width, at);
            }
        }
    }
    out
}

/// The same to JSON: mostly values that are of the wrong kind or size, which the parser lets pass.
pub fn json(rng: &mut ChaCha8Rng, original: &[u8]) -> Vec<u8> {
    let parsed: Option<Value> =
        if below(rng, 4) == 0 { None } else { serde_json::from_slice(original).ok() };
    let Some(mut value) = parsed else { return bytes(rng, original, original.len()) };
    for _ in 0..=below(rng, 3) {
        change(rng, &mut value);
    }
    value.to_string().into_bytes()
}

/// Changes one place, found by walking down at random.
fn change(rng: &mut ChaCha8Rng, value: &mut Value) {
    let stop = below(rng, 5) == 0;
    match value {
        Value::Object(map) if !map.is_empty() && !stop => {
            let at = below(rng, map.len());
            let key = map.keys().nth(at).cloned().unwrap_or_default();
            if below(rng, 8) == 0 {
                map.remove(&key);
            } else if let Some(inner) = map.get_mut(&key) {
                change(rng, inner);
            }
        }
        Value::Array(list) if !list.is_empty() && !stop => {
            let at = below(rng, list.len());
            match below(rng, 8) {
                0 => drop(list.remove(at)),
                1 => list.push(list[at].clone()),
                _ => change(rng, &mut list[at]),
            }
        }
        other => *other = another(rng, other),
    }
}

fn another(rng: &mut ChaCha8Rng, old: &Value) -> Value {
    let number = NUMBERS[below(rng, NUMBERS.len())];
    match below(rng, 12) {
        0 => Value::Null,
        1 => Value::Bool(below(rng, 2) == 0),
        2 => Value::from(-(number as f64)),
        3 => Value::from(1e300),
        4 => Value::from(1e-300),
        5 => Value::from(0.5),
        6 => Value::from("x".repeat(below(rng, 300))),
        7 => Value::Array(vec![old.clone(); below(rng, 5)]),
        8 => serde_json::json!({ "type": old.clone() }),
        9 => match old {
            Value::String(text) => Value::from(text.chars().rev().collect::<String>()),
            _ => Value::from("linear"),
        },
        _ => Value::from(number),
    }
}
