//! `x.y` and `x['y']`: attributes, items, and what the sandbox keeps closed.

use super::failure::{Kind, Outcome};
use super::interpreter::Rendering;
use super::items;
use super::value::{Global, Key, Object, Undefined, Value, View};
use super::words;

const STRING_METHODS: [&str; 47] = [
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "maketrans",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
];
const MARKUP_METHODS: [&str; 3] = ["unescape", "striptags", "escape"];
const LIST_METHODS: [&str; 3] = ["copy", "count", "index"];
const LIST_CHANGES: [&str; 8] =
    ["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"];
const DICT_METHODS: [&str; 6] = ["copy", "fromkeys", "get", "items", "keys", "values"];
const DICT_CHANGES: [&str; 5] = ["clear", "pop", "popitem", "setdefault", "update"];
const INT_METHODS: [&str; 6] =
    ["as_integer_ratio", "bit_count", "bit_length", "conjugate", "from_bytes", "to_bytes"];
const FLOAT_METHODS: [&str; 5] = ["as_integer_ratio", "conjugate", "fromhex", "hex", "is_integer"];

enum Found {
    Value(Value),
    /// It is there, and the sandbox keeps it closed.
    Closed,
    Nothing,
}

impl Rendering<'_> {
    /// `of.name`: an attribute, else an item.
    pub fn attribute_or_item(&self, of: &Value, name: &str) -> Outcome<Value> {
        match self.find(of, name)? {
            Found::Value(value) => Ok(value),
            Found::Closed => Ok(closed(of, name)),
            Found::Nothing => match items::item(of, &Value::from(name)) {
                Ok(value) => Ok(value),
                Err(failure) if matches!(failure.kind, Kind::Type | Kind::Lookup) => {
                    Ok(missing(of, &Value::from(name)))
                }
                Err(failure) => Err(failure),
            },
        }
    }

    /// `of[index]`: an item, else an attribute.
    pub fn item_or_attribute(&self, of: &Value, index: &Value) -> Outcome<Value> {
        if let (Some(Object::Template), Some(name)) = (of.as_object(), index.as_str()) {
            return Ok(self.template_block(name));
        }
        match items::item(of, index) {
            Ok(value) => return Ok(value),
            Err(failure) if matches!(failure.kind, Kind::Type | Kind::Lookup) => {}
            Err(failure) => return Err(failure),
        }
        if let Some(name) = index.as_str() {
            match self.find(of, name)? {
                Found::Value(value) => return Ok(value),
                Found::Closed => return Ok(closed(of, name)),
                Found::Nothing => {}
            }
        }
        Ok(missing(of, index))
    }

    /// The filter `attr`: an attribute, never an item.
    pub fn attribute_and_no_item(&self, of: &Value, name: &str) -> Outcome<Value> {
        Ok(match self.find(of, name)? {
            Found::Value(value) => value,
            Found::Closed => closed(of, name),
            Found::Nothing => missing(of, &Value::from(name)),
        })
    }

    fn template_block(&self, name: &str) -> Value {
        if self.has_block(name) {
            return Object::Block(name.into()).into();
        }
        missing(&Object::Template.into(), &Value::from(name))
    }

    fn find(&self, of: &Value, name: &str) -> Outcome<Found> {
        if is_internal(of, name) {
            return Ok(Found::Closed);
        }
        let method = |known: &[&str], changes: &[&str]| {
            if known.contains(&name) {
                Found::Value(Object::Method { of: of.clone(), name: name.into() }.into())
            } else if changes.contains(&name) {
                Found::Closed
            } else {
                Found::Nothing
            }
        };
        Ok(match of {
            Value::Undefined(_) => return Err(of.undefined_failure()),
            Value::None => Found::Nothing,
            Value::Safe(_) if MARKUP_METHODS.contains(&name) => method(&MARKUP_METHODS, &[]),
            Value::Str(_) | Value::Safe(_) => method(&STRING_METHODS, &[]),
            Value::List(_) => method(&LIST_METHODS, &LIST_CHANGES),
            Value::Group(items) => match name {
                "grouper" => Found::Value(items[0].clone()),
                "list" => Found::Value(items[1].clone()),
                _ => method(&["count", "index"], &[]),
            },
            Value::Tuple(_) => method(&["count", "index"], &[]),
            Value::Dict(_) => method(&DICT_METHODS, &DICT_CHANGES),
            Value::Bool(_) | Value::Int(_) => match name {
                "real" | "numerator" => Found::Value(Value::Int(of.index()?)),
                "imag" => Found::Value(Value::Int(0)),
                "denominator" => Found::Value(Value::Int(1)),
                _ => method(&INT_METHODS, &[]),
            },
            Value::Float(_) => match name {
                "real" => Found::Value(of.clone()),
                "imag" => Found::Value(Value::Float(0.0)),
                _ => method(&FLOAT_METHODS, &[]),
            },
            Value::Object(object) => match &**object {
                Object::Range { start, stop, step } => match name {
                    "start" => Found::Value(Value::Int(*start)),
                    "stop" => Found::Value(Value::Int(*stop)),
                    "step" => Found::Value(Value::Int(*step)),
                    _ => method(&["count", "index"], &[]),
                },
                Object::View(View::Values, _) => method(&["mapping"], &[]),
                Object::View(..) => method(&["isdisjoint", "mapping"], &[]),
                Object::Generator(_) => method(&["close", "send", "throw"], &[]),
                Object::Namespace(dict) => match dict.borrow().get(&Key::from(name)) {
                    Some(value) => Found::Value(value.clone()),
                    None => Found::Nothing,
                },
                Object::Cycler { items, position } => match name {
                    "current" => Found::Value(items[position.get()].clone()),
                    "items" => Found::Value(Value::tuple(items.clone())),
                    "pos" => Found::Value(position.get().into()),
                    _ => method(&["next", "reset"], &[]),
                },
                Object::Joiner { separator, used } => match name {
                    "sep" => Found::Value(separator.clone()),
                    "used" => Found::Value(Value::Bool(used.get())),
                    _ => Found::Nothing,
                },
                Object::Loop(context) => match context.attribute(of, name, self)? {
                    Some(value) => Found::Value(value),
                    None => Found::Nothing,
                },
                Object::Macro(called) => {
                    let node = &called.node;
                    match name {
                        "name" => Found::Value(match &node.name {
                            Some(name) => Value::Str(name.clone()),
                            None => Value::None,
                        }),
                        "arguments" => {
                            let names =
                                node.arguments.iter().map(|(name, _)| Value::Str(name.clone()));
                            Found::Value(Value::tuple(names.collect()))
                        }
                        "caller" => Found::Value(Value::Bool(uses_caller(node))),
                        "catch_kwargs" => Found::Value(Value::Bool(node.keywords.is_some())),
                        "catch_varargs" => Found::Value(Value::Bool(node.rest.is_some())),
                        "explicit_caller" => {
                            let explicit =
                                node.arguments.iter().any(|(name, _)| &**name == "caller");
                            Found::Value(Value::Bool(explicit))
                        }
                        _ => Found::Nothing,
                    }
                }
                Object::Global(Global::Dict) if name == "fromkeys" => method(&["fromkeys"], &[]),
                Object::Template if self.has_block(name) => {
                    Found::Value(Object::Block(name.into()).into())
                }
                Object::Global(_) | Object::Method { .. } | Object::Template | Object::Block(_) => {
                    Found::Nothing
                }
            },
        })
    }
}

fn uses_caller(node: &super::syntax::MacroNode) -> bool {
    node.caller.is_some() || node.arguments.iter().any(|(name, _)| &**name == "caller")
}

/// What Python objects have of their own, under names that the sandbox keeps closed.
fn is_internal(of: &Value, name: &str) -> bool {
    let Some(inner) = name.strip_prefix("__").and_then(|name| name.strip_suffix("__")) else {
        return false;
    };
    if let Some(Object::Namespace(_)) = of.as_object() {
        return inner == "class";
    }
    matches!(
        inner,
        "class"
            | "doc"
            | "init"
            | "new"
            | "repr"
            | "str"
            | "hash"
            | "eq"
            | "ne"
            | "lt"
            | "le"
            | "gt"
            | "ge"
            | "dir"
            | "format"
            | "reduce"
            | "reduce_ex"
            | "sizeof"
            | "getattribute"
            | "setattr"
            | "delattr"
            | "init_subclass"
            | "subclasshook"
    ) || match of {
        Value::Str(_) | Value::Safe(_) | Value::List(_) | Value::Tuple(_) | Value::Dict(_) => {
            matches!(inner, "len" | "iter" | "contains" | "getitem")
        }
        _ => false,
    }
}

fn missing(of: &Value, index: &Value) -> Value {
    let described = of.described();
    Value::undefined(match index.as_str() {
        Some(name) => format!("'{described}' has no attribute '{name}'"),
        None => format!("{described} has no element {}", words::repr(index)),
    })
}

fn closed(of: &Value, name: &str) -> Value {
    let type_name = of.type_name();
    let message = format!("access to attribute '{name}' of '{type_name}' object is unsafe.");
    Value::Undefined(Undefined { message, forbidden: true }.into())
}
