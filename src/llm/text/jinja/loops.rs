//! `loop`: where a loop is, and what it is about to do.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;

use super::comparison::equal;
use super::failure::{Outcome, type_error, value_error};
use super::syntax::For;
use super::value::{Activation, Interpreter, Items, LoopContext, Object, Value};

impl LoopContext {
    /// `iterable` is what has a length, if the items are not chosen from it one by one.
    pub fn new(
        iterable: Option<Value>,
        items: Items,
        depth0: usize,
        again: Option<(Arc<For>, Rc<Activation>)>,
    ) -> Self {
        Self {
            iterable,
            items: RefCell::new(items),
            index0: Cell::new(-1),
            depth0,
            length: Cell::new(None),
            after: RefCell::default(),
            current: RefCell::default(),
            before: RefCell::default(),
            last_changed: RefCell::default(),
            again,
        }
    }

    /// The items, unless one of them is being made just now.
    fn items(&self) -> Outcome<RefMut<'_, Items>> {
        match self.items.try_borrow_mut() {
            Ok(items) => Ok(items),
            Err(_in_use) => value_error("generator already executing"),
        }
    }

    pub fn depth(&self) -> usize {
        self.depth0 + 1
    }

    pub fn next(&self, interpreter: &dyn Interpreter) -> Outcome<Option<Value>> {
        let ahead = self.after.take();
        let next = match ahead {
            Some(value) => Some(value),
            None => self.items()?.next(interpreter)?,
        };
        if let Some(value) = &next {
            self.index0.set(self.index0.get() + 1);
            let current = self.current.replace(Some(value.clone()));
            self.before.replace(current);
        }
        Ok(next)
    }

    fn peek(&self, interpreter: &dyn Interpreter) -> Outcome<Option<Value>> {
        if self.after.borrow().is_none() {
            let next = self.items()?.next(interpreter)?;
            self.after.replace(next);
        }
        Ok(self.after.borrow().clone())
    }

    pub fn length(&self, interpreter: &dyn Interpreter) -> Outcome<usize> {
        if let Some(length) = self.length.get() {
            return Ok(length);
        }
        let known = self.iterable.as_ref().and_then(|iterable| iterable.length().ok());
        let length = if let Some(length) = known {
            length
        } else {
            let rest = self.items()?.rest(interpreter)?;
            let ahead = usize::from(self.after.borrow().is_some());
            let length = rest.len() + (self.index0.get() + 1) as usize + ahead;
            self.items.replace(Items::List(Rc::new(rest), 0));
            length
        };
        self.length.set(Some(length));
        Ok(length)
    }

    /// An attribute of `loop`. `this` is the loop as a value.
    pub fn attribute(
        &self,
        this: &Value,
        name: &str,
        interpreter: &dyn Interpreter,
    ) -> Outcome<Option<Value>> {
        let index0 = self.index0.get();
        let length = || self.length(interpreter).map(|length| length as i128);
        Ok(Some(match name {
            "index" => Value::Int(index0 + 1),
            "index0" => Value::Int(index0),
            "revindex" => Value::Int(length()? - index0),
            "revindex0" => Value::Int(length()? - index0 - 1),
            "length" => Value::Int(length()?),
            "first" => Value::Bool(index0 == 0),
            "last" => Value::Bool(self.peek(interpreter)?.is_none()),
            "depth" => self.depth().into(),
            "depth0" => self.depth0.into(),
            "previtem" => match self.before.borrow().clone() {
                Some(value) if index0 != 0 => value,
                _ => Value::undefined("there is no previous item"),
            },
            "nextitem" => match self.peek(interpreter)? {
                Some(value) => value,
                None => Value::undefined("there is no next item"),
            },
            "cycle" | "changed" => Object::Method { of: this.clone(), name: name.into() }.into(),
            _ => return Ok(None),
        }))
    }

    pub fn cycle(&self, items: &[Value]) -> Outcome<Value> {
        if items.is_empty() {
            return type_error("no items for cycling given");
        }
        Ok(items[self.index0.get().rem_euclid(items.len() as i128) as usize].clone())
    }

    pub fn changed(&self, values: Vec<Value>) -> bool {
        let values = Value::tuple(values);
        let same = self.last_changed.borrow().as_ref().is_some_and(|last| equal(last, &values));
        if !same {
            self.last_changed.replace(Some(values));
        }
        !same
    }
}
