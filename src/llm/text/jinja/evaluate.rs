//! Expressions to values.

use std::rc::Rc;

use super::arguments::Values;
use super::checks;
use super::comparison::compare;
use super::failure::{Failure, Kind, Outcome, type_error};
use super::filters;
use super::interpreter::Rendering;
use super::items;
use super::iteration::collect;
use super::operators;
use super::syntax::{self, Arguments, Constant, Expression, ExpressionKind, For, Target};
use super::value::{Activation, Dict, Global, Interpreter, Key, LONGEST, Object, Value};
use super::words;

impl Rendering<'_> {
    pub fn truth(&self, expression: &Expression, variables: &Rc<Activation>) -> Outcome<bool> {
        let value = self.evaluate(expression, variables)?;
        self.truthy(&value)
    }

    pub fn filtered(
        &self,
        filter: &Expression,
        value: Value,
        variables: &Rc<Activation>,
    ) -> Outcome<Value> {
        match &filter.kind {
            ExpressionKind::Filter { value: inner, name, arguments } => {
                let value = match inner {
                    Some(inner) => self.filtered(inner, value, variables)?,
                    None => value,
                };
                let values = self.values(arguments, variables)?;
                filters::apply(name, value, values, self).map_err(|failure| failure.at(filter.line))
            }
            _ => self.evaluate(filter, variables),
        }
    }

    pub fn values(&self, arguments: &Arguments, variables: &Rc<Activation>) -> Outcome<Values> {
        let Arguments { positional, named, rest, keywords } = arguments;
        let mut values = Values::default();
        for expression in positional {
            values.positional.push(self.evaluate(expression, variables)?);
        }
        if let Some(rest) = rest {
            values.positional.extend(collect(&self.evaluate(rest, variables)?, self)?);
        }
        for (name, expression) in named {
            values.named.push((name.clone(), self.evaluate(expression, variables)?));
        }
        if let Some(keywords) = keywords {
            let Value::Dict(dict) = self.evaluate(keywords, variables)? else {
                return type_error("the argument after ** must be a mapping");
            };
            for (key, value) in dict.iter() {
                let Some(name) = key.value().as_str() else {
                    return type_error("keywords must be strings");
                };
                if values.named.iter().any(|(other, _)| other == name) {
                    return type_error(format!(
                        "got multiple values for keyword argument '{name}'"
                    ));
                }
                values.named.push((name.clone(), value.clone()));
            }
        }
        Ok(values)
    }

    pub fn evaluate(&self, expression: &Expression, variables: &Rc<Activation>) -> Outcome<Value> {
        self.deeper(|| self.evaluate_kind(expression, variables))
            .map_err(|failure| failure.at(expression.line))
    }

    fn all(&self, expressions: &[Expression], variables: &Rc<Activation>) -> Outcome<Vec<Value>> {
        expressions.iter().map(|expression| self.evaluate(expression, variables)).collect()
    }

    fn evaluate_kind(&self, expression: &Expression, variables: &Rc<Activation>) -> Outcome<Value> {
        Ok(match &expression.kind {
            ExpressionKind::Constant(constant) => match constant {
                Constant::None => Value::None,
                Constant::Bool(value) => Value::Bool(*value),
                Constant::Int(value) => Value::Int(*value),
                Constant::Float(value) => Value::Float(*value),
                Constant::Text(text) => Value::Str(text.clone()),
            },
            ExpressionKind::Generation => Object::Global(Global::Generation).into(),
            ExpressionKind::Name { name, slot } => variables
                .get(*slot)
                .unwrap_or_else(|| Value::undefined(format!("'{name}' is undefined"))),
            ExpressionKind::Tuple(items) => Value::tuple(self.all(items, variables)?),
            ExpressionKind::List(items) => Value::list(self.all(items, variables)?),
            ExpressionKind::Dict(items) => {
                let mut dict = Dict::new();
                for (key, value) in items {
                    let key = self.evaluate(key, variables)?;
                    let value = self.evaluate(value, variables)?;
                    dict.insert(Key::new(key)?, value);
                }
                Value::Dict(Rc::new(dict))
            }
            ExpressionKind::Attribute(of, name) => {
                let of = self.evaluate(of, variables)?;
                self.attribute(&of, name)?
            }
            ExpressionKind::Item(of, index) => {
                let of = self.evaluate(of, variables)?;
                let index = self.evaluate(index, variables)?;
                self.subscript(&of, &index)?
            }
            ExpressionKind::Slice(of, parts) => {
                let of = self.evaluate(of, variables)?;
                let mut bounds = [None, None, None];
                for (bound, part) in bounds.iter_mut().zip(parts.iter()) {
                    if let Some(part) = part {
                        *bound = Some(self.evaluate(part, variables)?);
                    }
                }
                match items::slice(&of, bounds) {
                    // What Jinja2 knows beforehand it looks up as it looks up any other item.
                    Err(failure)
                        if failure.kind == Kind::Type && syntax::is_constant(expression) =>
                    {
                        Value::undefined(failure.message)
                    }
                    result => result?,
                }
            }
            ExpressionKind::Call(callee, arguments) => {
                let callee = self.evaluate(callee, variables)?;
                let values = self.values(arguments, variables)?;
                self.call(&callee, values)?
            }
            ExpressionKind::Filter { value, name, arguments } => {
                let value = match value {
                    Some(value) => self.evaluate(value, variables)?,
                    None => Value::from(""),
                };
                let values = self.values(arguments, variables)?;
                filters::apply(name, value, values, self)?
            }
            ExpressionKind::Test { value, name, arguments } => {
                let value = self.evaluate(value, variables)?;
                let values = self.values(arguments, variables)?;
                Value::Bool(checks::check(name, &value, values, self)?)
            }
            ExpressionKind::Binary(operator, left, right) => {
                let left = self.evaluate(left, variables)?;
                let right = self.evaluate(right, variables)?;
                operators::binary(*operator, &left, &right)?
            }
            ExpressionKind::Negative(value) => {
                operators::negative(&self.evaluate(value, variables)?)?
            }
            ExpressionKind::Positive(value) => {
                operators::positive(&self.evaluate(value, variables)?)?
            }
            ExpressionKind::Not(value) => Value::Bool(!self.truth(value, variables)?),
            ExpressionKind::And(left, right) => {
                let left = self.evaluate(left, variables)?;
                if self.truthy(&left)? { self.evaluate(right, variables)? } else { left }
            }
            ExpressionKind::Or(left, right) => {
                let left = self.evaluate(left, variables)?;
                if self.truthy(&left)? { left } else { self.evaluate(right, variables)? }
            }
            ExpressionKind::Concat(parts) => {
                // Jinja2 joins what is known beforehand without a look at what counts as HTML.
                let known = parts.iter().all(syntax::is_constant);
                self.concatenated(&self.all(parts, variables)?, known)?
            }
            ExpressionKind::Compare(first, rest) => {
                let mut left = self.evaluate(first, variables)?;
                let mut holds = true;
                for (comparison, operand) in rest {
                    let right = self.evaluate(operand, variables)?;
                    holds = compare(*comparison, &left, &right, self)?;
                    if !holds {
                        break;
                    }
                    left = right;
                }
                Value::Bool(holds)
            }
            ExpressionKind::Conditional { test, then, otherwise } => {
                if self.truth(test, variables)? {
                    self.evaluate(then, variables)?
                } else if let Some(otherwise) = otherwise {
                    self.evaluate(otherwise, variables)?
                } else {
                    let line = expression.line;
                    Value::undefined(format!(
                        "the inline if-expression on line {line} evaluated to false and no else section was defined."
                    ))
                }
            }
        })
    }

    /// `~`
    fn concatenated(&self, parts: &[Value], known: bool) -> Outcome<Value> {
        let safe = self.autoescape.get()
            && !known
            && parts.iter().any(|part| matches!(part, Value::Safe(_)));
        let mut text = String::new();
        for part in parts {
            if safe {
                text.push_str(&words::text(&words::escape(part)));
            } else {
                text.push_str(&words::text(part));
            }
            if text.len() > LONGEST {
                return Err(Failure::new(
                    Kind::Limit,
                    "the template makes a text of more than 64 MB",
                ));
            }
        }
        Ok(if safe { Value::Safe(text.into()) } else { Value::from(text) })
    }
}

impl Interpreter for Rendering<'_> {
    fn step(&self) -> Outcome<()> {
        self.count_step()
    }

    fn truthy(&self, value: &Value) -> Outcome<bool> {
        match value.as_object() {
            Some(Object::Loop(context)) => Ok(context.length(self)? != 0),
            _ => Ok(value.truthy()),
        }
    }

    fn attribute(&self, of: &Value, name: &str) -> Outcome<Value> {
        self.attribute_or_item(of, name)
    }

    fn attribute_only(&self, of: &Value, name: &str) -> Outcome<Value> {
        self.attribute_and_no_item(of, name)
    }

    fn subscript(&self, of: &Value, index: &Value) -> Outcome<Value> {
        self.item_or_attribute(of, index)
    }

    fn autoescape(&self) -> bool {
        self.autoescape.get()
    }

    fn chosen(
        &self,
        node: &For,
        variables: &Rc<Activation>,
        item: Value,
    ) -> Outcome<Option<Value>> {
        self.assign(&node.test_target, item, variables)?;
        let holds = match &node.test {
            Some(test) => self.truth(test, variables)?,
            None => true,
        };
        Ok(holds.then(|| rebuilt(&node.test_target, variables)))
    }
}

/// What a loop's filter passes on: the names of its target, taken apart and put together again.
fn rebuilt(target: &Target, variables: &Activation) -> Value {
    match target {
        Target::Name { slot, .. } | Target::Attribute { slot, .. } => {
            variables.get(*slot).unwrap_or(Value::None)
        }
        Target::Tuple(items) => {
            Value::tuple(items.iter().map(|item| rebuilt(item, variables)).collect())
        }
    }
}
