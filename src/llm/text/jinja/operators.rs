//! Python's operators on values: sums, products, and what texts and lists make of them.

use super::failure::{Failure, Kind, Outcome, type_error, unsupported};
use super::percent;
use super::syntax::Binary;
use super::value::{Dict, LONGEST, Value};
use super::words;

pub fn binary(operator: Binary, left: &Value, right: &Value) -> Outcome<Value> {
    // A text's own `%` comes before what the other side says.
    if operator == Binary::Modulo && left.as_str().is_some() {
        return percent::format(left, right);
    }
    for side in [left, right] {
        if side.is_undefined() {
            return Err(side.undefined_failure());
        }
    }
    let result = match operator {
        Binary::Add => add(left, right)?,
        Binary::Multiply => multiply(left, right)?,
        _ => arithmetic(operator, left, right)?,
    };
    result.map_or_else(|| unsupported_operands(operator, left, right), Ok)
}

fn unsupported_operands(operator: Binary, left: &Value, right: &Value) -> Outcome<Value> {
    let sign = match operator {
        Binary::Add => "+",
        Binary::Subtract => "-",
        Binary::Multiply => "*",
        Binary::Divide => "/",
        Binary::FloorDivide => "//",
        Binary::Modulo => "%",
        Binary::Power => "** or pow()",
    };
    let (a, b) = (left.type_name(), right.type_name());
    type_error(match (operator, left) {
        (Binary::Add, Value::Str(_) | Value::Safe(_)) => {
            format!("can only concatenate str (not \"{b}\") to str")
        }
        (Binary::Add, Value::List(_)) => format!("can only concatenate list (not \"{b}\") to list"),
        (Binary::Add, Value::Tuple(_) | Value::Group(_)) => {
            format!("can only concatenate tuple (not \"{b}\") to tuple")
        }
        _ => format!("unsupported operand type(s) for {sign}: '{a}' and '{b}'"),
    })
}

fn too_long<T>() -> Outcome<T> {
    Err(Failure::new(Kind::Limit, "this would make a text or list of more than 67 million parts"))
}

fn add(left: &Value, right: &Value) -> Outcome<Option<Value>> {
    let joined = |a: &[Value], b: &[Value]| {
        if a.len() + b.len() > LONGEST { too_long() } else { Ok([a, b].concat()) }
    };
    Ok(Some(match (left, right) {
        (Value::Str(a), Value::Str(b)) => {
            if a.len() + b.len() > LONGEST {
                return too_long();
            }
            let mut text = String::with_capacity(a.len() + b.len());
            text.push_str(a);
            text.push_str(b);
            Value::from(text)
        }
        (Value::Str(_) | Value::Safe(_), Value::Str(_) | Value::Safe(_)) => {
            let (left, right) = (words::escape(left), words::escape(right));
            Value::Safe([words::text(&left), words::text(&right)].concat().into())
        }
        (Value::List(a), Value::List(b)) => Value::list(joined(a, b)?),
        (Value::Tuple(a) | Value::Group(a), Value::Tuple(b) | Value::Group(b)) => {
            Value::tuple(joined(a, b)?)
        }
        _ => return arithmetic(Binary::Add, left, right),
    }))
}

fn multiply(left: &Value, right: &Value) -> Outcome<Option<Value>> {
    let (sequence, count) = match (left.as_index(), right.as_index()) {
        (None, Some(count)) => (left, count),
        (Some(count), None) => (right, count),
        _ => return arithmetic(Binary::Multiply, left, right),
    };
    let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
    Ok(Some(match sequence {
        Value::Str(text) | Value::Safe(text) => {
            if text.len().saturating_mul(count) > LONGEST {
                return too_long();
            }
            Value::text_like(sequence, text.repeat(count))
        }
        Value::List(items) | Value::Tuple(items) | Value::Group(items) => {
            if items.len().saturating_mul(count) > LONGEST {
                return too_long();
            }
            let many: Vec<Value> =
                std::iter::repeat_n(items.iter(), count).flatten().cloned().collect();
            if matches!(sequence, Value::List(_)) { Value::list(many) } else { Value::tuple(many) }
        }
        _ => return arithmetic(Binary::Multiply, left, right),
    }))
}

fn division_by_zero<T>(message: &str) -> Outcome<T> {
    Err(Failure::new(Kind::ZeroDivision, message))
}

fn arithmetic(operator: Binary, left: &Value, right: &Value) -> Outcome<Option<Value>> {
    if let (Some(a), Some(b)) = (left.as_index(), right.as_index()) {
        return integers(operator, a, b).map(Some);
    }
    let (Some(a), Some(b)) = (left.as_float(), right.as_float()) else { return Ok(None) };
    floats(operator, a, b).map(|value| Some(Value::Float(value)))
}

fn integers(operator: Binary, a: i128, b: i128) -> Outcome<Value> {
    let result = match operator {
        Binary::Add => a.checked_add(b),
        Binary::Subtract => a.checked_sub(b),
        Binary::Multiply => a.checked_mul(b),
        Binary::Divide => {
            if b == 0 {
                return division_by_zero("division by zero");
            }
            return Ok(Value::Float(a as f64 / b as f64));
        }
        Binary::FloorDivide | Binary::Modulo if b == 0 => {
            return division_by_zero("integer division or modulo by zero");
        }
        Binary::FloorDivide => {
            a.checked_div(b).map(|whole| whole - i128::from(a % b != 0 && (a < 0) != (b < 0)))
        }
        Binary::Modulo => a
            .checked_rem(b)
            .map(|rest| if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }),
        Binary::Power if b < 0 => return floats(operator, a as f64, b as f64).map(Value::Float),
        Binary::Power => match a {
            0 | 1 => Some(if b == 0 { 1 } else { a }),
            -1 => Some(if b % 2 == 0 { 1 } else { -1 }),
            _ => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        },
    };
    match result {
        Some(value) => Ok(Value::Int(value)),
        None => unsupported("a whole number of more than 38 digits"),
    }
}

fn floats(operator: Binary, a: f64, b: f64) -> Outcome<f64> {
    Ok(match operator {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        Binary::Divide if b == 0.0 => return division_by_zero("float division by zero"),
        Binary::Divide => a / b,
        Binary::FloorDivide if b == 0.0 => return division_by_zero("float floor division by zero"),
        Binary::Modulo if b == 0.0 => return division_by_zero("float modulo"),
        Binary::FloorDivide => {
            // As CPython: from the rest, so that both agree.
            let rest = a % b;
            let mut quotient = (a - rest) / b;
            if rest != 0.0 && (rest < 0.0) != (b < 0.0) {
                quotient -= 1.0;
            }
            if quotient == 0.0 {
                0.0_f64.copysign(a / b)
            } else {
                let floor = quotient.floor();
                if quotient - floor > 0.5 { floor + 1.0 } else { floor }
            }
        }
        Binary::Modulo => {
            let rest = a % b;
            if rest == 0.0 {
                0.0_f64.copysign(b)
            } else if (rest < 0.0) != (b < 0.0) {
                rest + b
            } else {
                rest
            }
        }
        Binary::Power => {
            if a == 0.0 && b < 0.0 {
                return division_by_zero("0.0 cannot be raised to a negative power");
            }
            if a < 0.0 && a.is_finite() && b.is_finite() && b.fract() != 0.0 {
                return unsupported("a complex number");
            }
            let result = a.powf(b);
            if result.is_infinite() && a.is_finite() && b.is_finite() {
                let message = "(34, 'Numerical result out of range')";
                return Err(Failure::new(Kind::Overflow, message));
            }
            result
        }
    })
}

pub fn negative(value: &Value) -> Outcome<Value> {
    match value {
        Value::Undefined(_) => Err(value.undefined_failure()),
        Value::Float(value) => Ok(Value::Float(-value)),
        _ => match value.as_index() {
            Some(whole) => Ok(Value::Int(-whole)),
            None => type_error(format!("bad operand type for unary -: '{}'", value.type_name())),
        },
    }
}

pub fn positive(value: &Value) -> Outcome<Value> {
    match value {
        Value::Undefined(_) => Err(value.undefined_failure()),
        Value::Float(_) => Ok(value.clone()),
        _ => match value.as_index() {
            Some(whole) => Ok(Value::Int(whole)),
            None => type_error(format!("bad operand type for unary +: '{}'", value.type_name())),
        },
    }
}

/// The items of a dictionary as pairs.
pub fn pairs(dict: &Dict) -> Vec<Value> {
    dict.iter().map(|(key, value)| Value::tuple(vec![key.value().clone(), value.clone()])).collect()
}
