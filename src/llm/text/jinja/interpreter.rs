//! Fills a template in.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use time::PrimitiveDateTime;

use super::failure::{Failure, Kind, Outcome, type_error, value_error};
use super::syntax::{
    Block, ExpressionKind, Frame, Load, Output, Statement, StatementKind, Target, Text, Tree,
};
use super::value::{Activation, Global, Items, Key, LONGEST, Object, Value};
use super::words;

/// How much a template may do: some seconds of work.
const MOST_STEPS: u64 = 20_000_000;

/// How deep calls may nest. Python gives up at 1000 of its own, which are fewer of ours.
const DEEPEST: u32 = 400;

/// The bytes of the stack that a template may take. A level takes several times as many where
/// nothing is optimised; the smallest stack of all, that of the first thread on Windows, has a MiB.
const MOST_STACK: usize = 512 << 10;

const ALONE: &str = "a chat template stands alone: there is no other template to take";

/// How deep lists in lists may nest.
const DEEPEST_VALUE: u32 = 200;

/// One rendering of a template: what there is while it is being filled in.
pub struct Rendering<'a> {
    tree: &'a Tree,
    pub now: PrimitiveDateTime,
    /// What was passed to the template, and the functions that are always there.
    context: HashMap<Text, Value>,
    /// What the outermost level has set: blocks see it.
    exported: RefCell<HashMap<Text, Value>>,
    pub autoescape: Cell<bool>,
    steps: Cell<u64>,
    depth: Cell<u32>,
    /// Where on the stack the outermost level lies.
    stack_top: usize,
    /// Where the text of the outermost level lies, which no block or macro keeps to itself first.
    outermost: Cell<usize>,
    /// How many bytes of that are written.
    written: Cell<usize>,
    generated: RefCell<Vec<Generated>>,
}

/// What stands between `{% generation %}` and `{% endgeneration %}`, as transformers' `AssistantTracker`
/// finds it: where the outermost level had come to, which for tags in a macro or a filter is not the place
/// where the text ends up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Bytes of the whole text that stand before it.
    pub before: usize,
    /// Its own length, in characters.
    pub characters: usize,
}

/// About where the top of the stack is.
#[inline(never)]
fn stack_place() -> usize {
    let here = 0_u8;
    std::hint::black_box(&raw const here).addr()
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    On,
    Break,
    Continue,
}

const GLOBALS: [(&str, Global); 8] = [
    ("range", Global::Range),
    ("dict", Global::Dict),
    ("namespace", Global::Namespace),
    ("cycler", Global::Cycler),
    ("joiner", Global::Joiner),
    ("lipsum", Global::Lipsum),
    ("raise_exception", Global::RaiseException),
    ("strftime_now", Global::StrftimeNow),
];

/// The text of a template with `variables`, and where in it stands what an assistant wrote.
pub fn render(
    tree: &Tree,
    variables: impl IntoIterator<Item = (Text, Value)>,
    now: PrimitiveDateTime,
) -> Outcome<(String, Vec<Generated>)> {
    let globals =
        GLOBALS.into_iter().map(|(name, global)| (name.into(), Object::Global(global).into()));
    let rendering = Rendering {
        tree,
        now,
        context: globals.chain(variables).collect(),
        exported: RefCell::default(),
        autoescape: Cell::new(false),
        steps: Cell::new(0),
        depth: Cell::new(0),
        stack_top: stack_place(),
        outermost: Cell::new(0),
        written: Cell::new(0),
        generated: RefCell::default(),
    };
    let variables = Activation::new(tree.slots, None);
    if let Some(slot) = tree.itself {
        variables.set(slot, Some(Object::Template.into()));
    }
    rendering.enter(&tree.frame, &variables);
    let mut out = String::new();
    rendering.outermost.set(std::ptr::from_ref(&out).addr());
    rendering.run(&tree.body, &variables, &mut out)?;
    Ok((out, rendering.generated.into_inner()))
}

impl Rendering<'_> {
    /// Counts a step, and ends what would go on for too long.
    pub fn count_step(&self) -> Outcome<()> {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > MOST_STEPS {
            return Err(Failure::new(Kind::Limit, "the template goes on for too long"));
        }
        Ok(())
    }

    pub fn deeper<T>(&self, run: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        self.count_step()?;
        let depth = self.depth.get() + 1;
        if depth > DEEPEST || self.stack_top.abs_diff(stack_place()) > MOST_STACK {
            return Err(Failure::new(Kind::Recursion, "maximum recursion depth exceeded"));
        }
        self.depth.set(depth);
        let result = run();
        self.depth.set(depth - 1);
        result
    }

    fn resolve(&self, name: &Text) -> Option<Value> {
        let exported = self.exported.borrow().get(name).cloned();
        exported.or_else(|| self.context.get(name).cloned())
    }

    pub fn enter(&self, frame: &Frame, variables: &Activation) {
        for (slot, load) in &frame.loads {
            match load {
                Load::Parameter => {}
                Load::Resolve(name) => variables.set(*slot, self.resolve(name)),
                Load::Alias(other) => variables.set(*slot, variables.get(*other)),
                Load::Missing => variables.set(*slot, None),
            }
        }
    }

    pub fn leave(frame: &Frame, variables: &Activation) {
        for (slot, _) in &frame.loads {
            variables.set(*slot, None);
        }
    }

    pub fn run(
        &self,
        body: &[Statement],
        variables: &Rc<Activation>,
        out: &mut String,
    ) -> Outcome<Flow> {
        for statement in body {
            let flow = self
                .deeper(|| self.statement(statement, variables, out))
                .map_err(|failure| failure.at(statement.line))?;
            if flow != Flow::On {
                return Ok(flow);
            }
            if out.len() > LONGEST {
                return Err(Failure::new(Kind::Limit, "the template writes more than 64 MB"));
            }
        }
        Ok(Flow::On)
    }

    /// Called before anything that may hold a `{% generation %}`.
    fn note_written(&self, out: &String) {
        if std::ptr::from_ref(out).addr() == self.outermost.get() {
            self.written.set(out.len());
        }
    }

    /// An assistant has written this.
    pub fn note_generated(&self, text: &str) {
        let characters = text.chars().count();
        self.generated.borrow_mut().push(Generated { before: self.written.get(), characters });
    }

    fn write(&self, value: &Value, out: &mut String) {
        if self.autoescape.get() {
            out.push_str(&words::text(&words::escape(value)));
        } else if let Some(text) = value.as_str() {
            out.push_str(text);
        } else {
            out.push_str(&words::text(value));
        }
    }

    fn statement(
        &self,
        statement: &Statement,
        variables: &Rc<Activation>,
        out: &mut String,
    ) -> Outcome<Flow> {
        self.note_written(out);
        match &statement.kind {
            StatementKind::Output(output) => {
                // Nothing of it is written when one part fails.
                for part in output {
                    match part {
                        Output::Text(text) => out.push_str(text),
                        Output::Expression(expression) => {
                            self.note_written(out);
                            self.write(&self.evaluate(expression, variables)?, out);
                        }
                    }
                }
            }
            StatementKind::Set { target, value } => {
                Self::check_namespaces(target, variables)?;
                let value = self.evaluate(value, variables)?;
                self.assign(target, value, variables)?;
            }
            StatementKind::SetBlock { target, filter, body, frame } => {
                self.enter(frame, variables);
                let mut text = String::new();
                let flow = self.run(body, variables, &mut text)?;
                if flow != Flow::On {
                    return Ok(flow);
                }
                let mut value = self.captured(text);
                if let Some(filter) = filter {
                    value = self.filtered(filter, value, variables)?;
                    if self.autoescape.get() {
                        value = Value::Safe(words::text(&value).into());
                    }
                }
                self.assign(target, value, variables)?;
                Self::leave(frame, variables);
            }
            StatementKind::If { branches, otherwise } => {
                for (test, body) in branches {
                    if self.truth(test, variables)? {
                        return self.run(body, variables, out);
                    }
                }
                return self.run(otherwise, variables, out);
            }
            StatementKind::For(node) => return self.for_statement(node, variables, out),
            StatementKind::Break => return Ok(Flow::Break),
            StatementKind::Continue => return Ok(Flow::Continue),
            StatementKind::With { targets, body, frame } => {
                self.enter(frame, variables);
                for (target, value) in targets {
                    let value = self.evaluate(value, variables)?;
                    self.assign(target, value, variables)?;
                }
                let flow = self.run(body, variables, out)?;
                Self::leave(frame, variables);
                return Ok(flow);
            }
            StatementKind::Macro(node) => {
                let value: Value = Self::macro_value(node, variables);
                if let Some(name) = node.name.as_ref().filter(|_| node.exported) {
                    self.exported.borrow_mut().insert(name.clone(), value.clone());
                }
                variables.set(node.target, Some(value));
            }
            StatementKind::CallBlock { call, caller } => {
                let caller = Self::macro_value(caller, variables);
                let ExpressionKind::Call(callee, arguments) = &call.kind else {
                    return Ok(Flow::On);
                };
                let callee = self.evaluate(callee, variables)?;
                let mut values = self.values(arguments, variables)?;
                if values.named.iter().any(|(name, _)| &**name == "caller") {
                    return type_error("got multiple values for keyword argument 'caller'");
                }
                values.named.push(("caller".into(), caller));
                let result = self.call(&callee, values).map_err(|failure| failure.at(call.line))?;
                out.push_str(written(&result)?);
            }
            StatementKind::FilterBlock { filter, body, frame } => {
                self.enter(frame, variables);
                let mut text = String::new();
                let flow = self.run(body, variables, &mut text)?;
                if flow != Flow::On {
                    return Ok(flow);
                }
                let value = self.captured(text);
                let value = self.filtered(filter, value, variables)?;
                out.push_str(written(&value)?);
                Self::leave(frame, variables);
            }
            StatementKind::Autoescape { value, body, frame } => {
                self.enter(frame, variables);
                let before = self.autoescape.get();
                self.autoescape.set(self.truth(value, variables)?);
                let flow = self.run(body, variables, out);
                self.autoescape.set(before);
                Self::leave(frame, variables);
                return flow;
            }
            StatementKind::Block(name) => {
                let text = self.block(name)?;
                out.push_str(&text);
            }
            StatementKind::Extends(template) => {
                self.evaluate(template, variables)?;
                return type_error(ALONE);
            }
            StatementKind::Outside(expressions, _) => {
                for expression in expressions {
                    self.evaluate(expression, variables)?;
                }
                return type_error(ALONE);
            }
        }
        Ok(Flow::On)
    }

    /// What a block has written, as a value.
    pub fn captured(&self, text: String) -> Value {
        if self.autoescape.get() { Value::Safe(text.into()) } else { Value::from(text) }
    }

    pub fn block(&self, name: &Text) -> Outcome<String> {
        let found = self.tree.blocks.iter().find(|block| block.name == *name);
        let Some(block) = found else {
            return Err(Failure::new(Kind::Lookup, format!("there is no block {name:?}")));
        };
        let Block { body, frame, slots, itself, parent, .. } = &**block;
        let variables = Activation::new(*slots, None);
        if let Some(slot) = itself {
            variables.set(*slot, Some(Object::Template.into()));
        }
        if let Some(slot) = parent {
            let message = format!("there is no parent block called '{name}'.");
            variables.set(*slot, Some(Value::undefined(message)));
        }
        self.enter(frame, &variables);
        let mut out = String::new();
        self.run(body, &variables, &mut out)?;
        Ok(out)
    }

    pub fn has_block(&self, name: &str) -> bool {
        self.tree.blocks.iter().any(|block| &*block.name == name)
    }

    /// A namespace is asked for before the value is computed.
    fn check_namespaces(target: &Target, variables: &Activation) -> Outcome<()> {
        match target {
            Target::Name { .. } => Ok(()),
            Target::Attribute { slot, .. } => match variables.get(*slot) {
                Some(Value::Object(object)) if matches!(*object, Object::Namespace(_)) => Ok(()),
                _ => {
                    let message = "cannot assign attribute on non-namespace object";
                    Err(Failure::new(Kind::Runtime, message))
                }
            },
            Target::Tuple(items) => {
                items.iter().try_for_each(|item| Self::check_namespaces(item, variables))
            }
        }
    }

    /// Values that are nested without end would be too much for whatever goes through them.
    pub fn check_depth(&self, value: &Value) -> Outcome<()> {
        self.check_levels(value, DEEPEST_VALUE)
    }

    fn check_levels(&self, value: &Value, left: u32) -> Outcome<()> {
        self.count_step()?;
        let Some(left) = left.checked_sub(1) else {
            return Err(Failure::new(Kind::Recursion, "this value is nested too deeply"));
        };
        match value {
            Value::List(items) | Value::Tuple(items) | Value::Group(items) => {
                items.iter().try_for_each(|item| self.check_levels(item, left))
            }
            Value::Dict(dict) => dict.values().try_for_each(|value| self.check_levels(value, left)),
            _ => Ok(()),
        }
    }

    pub fn assign(&self, target: &Target, value: Value, variables: &Activation) -> Outcome<()> {
        self.check_depth(&value)?;
        match target {
            Target::Name { name, slot, exported } => {
                if *exported {
                    self.exported.borrow_mut().insert(name.clone(), value.clone());
                }
                variables.set(*slot, Some(value));
            }
            Target::Attribute { slot, attribute, .. } => {
                let namespace = variables.get(*slot);
                let Some(Object::Namespace(dict)) = namespace.as_ref().and_then(Value::as_object)
                else {
                    return type_error("cannot assign attribute on non-namespace object");
                };
                check_namespace_name(attribute)?;
                dict.borrow_mut().insert(Key::from(&**attribute), value);
            }
            Target::Tuple(targets) => {
                let items = self.unpack(&value, targets.len())?;
                for (target, item) in targets.iter().zip(items) {
                    self.assign(target, item, variables)?;
                }
            }
        }
        Ok(())
    }

    fn unpack(&self, value: &Value, count: usize) -> Outcome<Vec<Value>> {
        let Ok(mut source) = Items::of(value) else {
            let name = value.type_name();
            return type_error(format!("cannot unpack non-iterable {name} object"));
        };
        let mut items = Vec::with_capacity(count);
        while items.len() < count {
            if let Some(item) = source.next(self)? {
                items.push(item);
            } else {
                let found = items.len();
                return value_error(format!(
                    "not enough values to unpack (expected {count}, got {found})"
                ));
            }
        }
        if source.next(self)?.is_some() {
            return value_error(format!("too many values to unpack (expected {count})"));
        }
        Ok(items)
    }
}

/// A block's result has to be text.
fn written(value: &Value) -> Outcome<&Text> {
    if let Some(text) = value.as_str() {
        Ok(text)
    } else {
        let name = value.type_name();
        type_error(format!("sequence item 0: expected str instance, {name} found"))
    }
}

/// transformers keeps names with an underscore out of namespaces.
pub fn check_namespace_name(name: &str) -> Outcome<()> {
    if name.starts_with('_') {
        let message = format!(
            "Chat templates cannot store underscore-prefixed attributes on a namespace, but got '{name}'. Please rename the attribute."
        );
        return Err(Failure::new(Kind::Security, message));
    }
    Ok(())
}
