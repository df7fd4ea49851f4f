//! What a template computes with: Python's values, as far as a template can get hold of them.
//!
//! Lists and dictionaries never change: the sandbox keeps templates from changing them. What does
//! change (a namespace, a loop, a cycler) is an [`Object`].

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::failure::{Failure, Kind, Outcome};
use super::syntax::{For, MacroNode, Text};
use super::variables::Variables;

pub type Dict = IndexMap<Key, Value>;
pub type Activation = Variables<Value>;

/// The longest text or list that a template may make: longer ones are a mistake or an attack.
pub const LONGEST: usize = 1 << 26;

#[derive(Clone, Debug)]
pub enum Value {
    Undefined(Rc<Undefined>),
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Text),
    /// `Markup`: text that counts as HTML already.
    Safe(Text),
    List(Rc<Vec<Self>>),
    Tuple(Rc<Vec<Self>>),
    /// What `groupby` gives: a tuple whose two items also have names.
    Group(Rc<Vec<Self>>),
    Dict(Rc<Dict>),
    Object(Rc<Object>),
}

/// Jinja2's default `Undefined`: empty when it is written or counted, an error in every other use.
#[derive(Debug)]
pub struct Undefined {
    pub message: String,
    /// The sandbox forbids what was asked for.
    pub forbidden: bool,
}

#[derive(Debug)]
pub enum Object {
    Range {
        start: i128,
        stop: i128,
        step: i128,
    },
    View(View, Rc<Dict>),
    Generator(Generator),
    Namespace(RefCell<Dict>),
    Cycler {
        items: Vec<Value>,
        position: Cell<usize>,
    },
    Joiner {
        separator: Value,
        used: Cell<bool>,
    },
    Loop(Box<LoopContext>),
    Macro(Macro),
    /// `x.upper`, not yet called.
    Method {
        of: Value,
        name: Text,
    },
    Global(Global),
    /// `self` of a template, whose attributes are its blocks.
    Template,
    Block(Text),
}

/// A macro with the variables that it was made among.
#[derive(Debug)]
pub struct Macro {
    pub node: Arc<MacroNode>,
    pub activation: Rc<Activation>,
}

/// `loop`: where a loop is.
pub struct LoopContext {
    pub iterable: Option<Value>,
    pub items: RefCell<Items>,
    /// -1 before the first item.
    pub index0: Cell<i128>,
    pub depth0: usize,
    pub length: Cell<Option<usize>>,
    pub after: RefCell<Option<Value>>,
    pub current: RefCell<Option<Value>>,
    pub before: RefCell<Option<Value>>,
    pub last_changed: RefCell<Option<Value>>,
    /// The loop to begin again, if it is recursive.
    pub again: Option<(Arc<For>, Rc<Activation>)>,
}

impl fmt::Debug for LoopContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("loop")
    }
}

/// Gives the next item.
pub type Next = Box<dyn FnMut(&dyn Interpreter) -> Outcome<Option<Value>>>;

/// What `map`, `select` and the like give: items that are made when they are asked for, once.
pub struct Generator {
    pub type_name: &'static str,
    next: RefCell<Option<Next>>,
    finished: Cell<bool>,
}

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name)
    }
}

impl Generator {
    pub fn value(type_name: &'static str, next: Next) -> Value {
        let next = RefCell::new(Some(next));
        Object::Generator(Self { type_name, next, finished: Cell::new(false) }).into()
    }

    pub fn next(&self, interpreter: &dyn Interpreter) -> Outcome<Option<Value>> {
        if self.finished.get() {
            return Ok(None);
        }
        let Some(mut next) = self.next.take() else {
            return Err(Failure::new(Kind::Value, "generator already executing"));
        };
        let result = next(interpreter);
        if !matches!(result, Ok(Some(_))) {
            self.finished.set(true);
        }
        self.next.replace(Some(next));
        result
    }
}

/// What is left of a value's items.
pub enum Items {
    List(Rc<Vec<Value>>, usize),
    /// The text, and the byte where the next character begins.
    Text(Text, usize),
    Dict(Rc<Dict>, View, usize),
    Range {
        next: i128,
        step: i128,
        left: usize,
    },
    Generator(Rc<Object>),
    Made(Next),
    Empty,
}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("items")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Keys,
    Values,
    Items,
}

/// The functions that every template can call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    Range,
    Dict,
    Namespace,
    Cycler,
    Joiner,
    Lipsum,
    RaiseException,
    StrftimeNow,
    Generation,
}

/// What values, filters and tests ask of whoever fills the template in.
pub trait Interpreter {
    /// Counts a step, and ends what would go on for too long.
    fn step(&self) -> Outcome<()>;

    /// Python's `bool`.
    fn truthy(&self, value: &Value) -> Outcome<bool>;

    /// `of.name`: an attribute, else an item.
    fn attribute(&self, of: &Value, name: &str) -> Outcome<Value>;

    /// The filter `attr`: an attribute, never an item.
    fn attribute_only(&self, of: &Value, name: &str) -> Outcome<Value>;

    /// `of[index]`: an item, else an attribute.
    fn subscript(&self, of: &Value, index: &Value) -> Outcome<Value>;

    /// Whether what is written counts as text that HTML has to quote.
    fn autoescape(&self) -> bool;

    /// What the loop `node` goes on with for `item`: nothing where its own `if` does not hold.
    fn chosen(&self, node: &For, variables: &Rc<Activation>, item: Value)
    -> Outcome<Option<Value>>;
}

/// A key of a dictionary: a value that Python can hash.
#[derive(Clone, Debug)]
pub struct Key(Value);

impl Key {
    pub fn new(value: Value) -> Outcome<Self> {
        match &value {
            Value::List(_) | Value::Dict(_) => Err(unhashable(&value)),
            Value::Object(object)
                if matches!(**object, Object::View(View::Keys | View::Items, _)) =>
            {
                Err(unhashable(&value))
            }
            Value::Tuple(items) | Value::Group(items) => {
                for item in items.iter() {
                    Self::new(item.clone())?;
                }
                Ok(Self(value))
            }
            _ => Ok(Self(value)),
        }
    }

    pub fn value(&self) -> &Value {
        &self.0
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self(Value::from(text))
    }
}

fn unhashable(value: &Value) -> Failure {
    Failure::new(Kind::Type, format!("unhashable type: '{}'", value.type_name()))
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Int(value as i128)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(Rc::new(object))
    }
}

impl From<&Json> for Value {
    fn from(json: &Json) -> Self {
        match json {
            Json::Null => Self::None,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match number.as_i128() {
                Some(value) => Self::Int(value),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::from(text.as_str()),
            Json::Array(items) => Self::list(items.iter().map(Self::from).collect()),
            Json::Object(map) => Self::dict(
                map.iter().map(|(key, value)| (Key::from(key.as_str()), Self::from(value))),
            ),
        }
    }
}

impl Value {
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(items))
    }

    pub fn tuple(items: Vec<Self>) -> Self {
        Self::Tuple(Rc::new(items))
    }

    pub fn dict(items: impl IntoIterator<Item = (Key, Self)>) -> Self {
        Self::Dict(Rc::new(items.into_iter().collect()))
    }

    pub fn undefined(message: impl Into<String>) -> Self {
        Self::Undefined(Rc::new(Undefined { message: message.into(), forbidden: false }))
    }

    /// Text of the same kind as `like`: marked as HTML or not.
    pub fn text_like(like: &Self, text: impl Into<Text>) -> Self {
        if matches!(like, Self::Safe(_)) { Self::Safe(text.into()) } else { Self::Str(text.into()) }
    }

    pub fn as_str(&self) -> Option<&Text> {
        match self {
            Self::Str(text) | Self::Safe(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_tuple(&self) -> Option<&Rc<Vec<Self>>> {
        match self {
            Self::Tuple(items) | Self::Group(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    pub fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined(_))
    }

    /// A whole number where Python takes one: `True` is 1.
    pub fn as_index(&self) -> Option<i128> {
        match self {
            Self::Bool(value) => Some(i128::from(*value)),
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// A number as a float.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            _ => self.as_index().map(|value| value as f64),
        }
    }

    /// As [`Self::as_index`], or Python's complaint.
    pub fn index(&self) -> Outcome<i128> {
        self.as_index().ok_or_else(|| {
            let name = self.type_name();
            Failure::new(Kind::Type, format!("'{name}' object cannot be interpreted as an integer"))
        })
    }

    pub fn truthy(&self) -> bool {
        match self {
            Self::Undefined(_) | Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Str(text) | Self::Safe(text) => !text.is_empty(),
            Self::List(items) | Self::Tuple(items) | Self::Group(items) => !items.is_empty(),
            Self::Dict(dict) => !dict.is_empty(),
            Self::Object(object) => match &**object {
                Object::Range { .. } => range_length(object) != 0,
                Object::View(_, dict) => !dict.is_empty(),
                _ => true,
            },
        }
    }

    /// The name of its type in Python.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Undefined(_) => "Undefined",
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::Safe(_) => "Markup",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Group(_) => "_GroupTuple",
            Self::Dict(_) => "dict",
            Self::Object(object) => match &**object {
                Object::Range { .. } => "range",
                Object::View(View::Keys, _) => "dict_keys",
                Object::View(View::Values, _) => "dict_values",
                Object::View(View::Items, _) => "dict_items",
                Object::Generator(generator) => generator.type_name,
                Object::Namespace(_) => "TemplateNamespace",
                Object::Cycler { .. } => "Cycler",
                Object::Joiner { .. } => "Joiner",
                Object::Loop(_) => "LoopContext",
                Object::Macro(_) => "Macro",
                Object::Method { .. } => "builtin_function_or_method",
                Object::Global(Global::Dict) => "TemplateDict",
                Object::Global(Global::Namespace | Global::Cycler | Global::Joiner) => "type",
                Object::Global(_) => "function",
                Object::Template => "TemplateReference",
                Object::Block(_) => "BlockReference",
            },
        }
    }

    /// As Jinja2 names a value in its complaints.
    pub fn described(&self) -> String {
        let name = self.type_name();
        match self {
            Self::None => "None".to_owned(),
            Self::Undefined(_) => "jinja2.runtime.Undefined object".to_owned(),
            Self::Safe(_) => "markupsafe.Markup object".to_owned(),
            Self::Group(_) => "jinja2.filters._GroupTuple object".to_owned(),
            Self::Object(object) => match &**object {
                Object::Loop(_) | Object::Macro(_) | Object::Template | Object::Block(_) => {
                    format!("jinja2.runtime.{name} object")
                }
                Object::Cycler { .. } | Object::Joiner { .. } => {
                    format!("jinja2.utils.{name} object")
                }
                _ => format!("{name} object"),
            },
            _ => format!("{name} object"),
        }
    }

    /// Python's `len`.
    pub fn length(&self) -> Outcome<usize> {
        Ok(match self {
            Self::Undefined(_) => 0,
            Self::Str(text) | Self::Safe(text) => text.chars().count(),
            Self::List(items) | Self::Tuple(items) | Self::Group(items) => items.len(),
            Self::Dict(dict) => dict.len(),
            Self::Object(object) => match &**object {
                Object::Range { .. } => range_length(object),
                Object::View(_, dict) => dict.len(),
                _ => return Err(self.no_length()),
            },
            _ => return Err(self.no_length()),
        })
    }

    pub fn no_length(&self) -> Failure {
        Failure::new(Kind::Type, format!("object of type '{}' has no len()", self.type_name()))
    }

    /// The `x` of an `Undefined`'s complaint, as an error.
    pub fn undefined_failure(&self) -> Failure {
        match self {
            Self::Undefined(undefined) => {
                let kind = if undefined.forbidden { Kind::Security } else { Kind::Undefined };
                Failure::new(kind, undefined.message.clone())
            }
            _ => Failure::new(Kind::Runtime, "a value was taken for an undefined one"),
        }
    }
}

/// How many numbers a range has; 0 for anything else.
pub fn range_length(object: &Object) -> usize {
    let Object::Range { start, stop, step } = *object else { return 0 };
    let count =
        if step > 0 { (stop - start + step - 1) / step } else { (start - stop - step - 1) / -step };
    count.max(0) as usize
}
