//! Which variable a name means, as Jinja2 decides it before anything is filled in.
//!
//! A name belongs to the innermost frame (template, loop, macro, block of a `set`…) that sets it;
//! each frame begins with a copy of what is further out. Frames of one Python function share its
//! variables, which is visible where a macro outlives the loop that made it. This is Jinja2's
//! `idtracking` and `compiler`, rule by rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::builtins::{is_filter, is_test};
use super::failure::{Failure, Kind, Outcome};
use super::names::{assigns_loop, stores_loop, undeclared};
use super::syntax::{
    Arguments, Block, Expression, ExpressionKind, For, Frame, Load, MacroNode, Output, Slot,
    Statement, StatementKind, Target, Text, Tree,
};

/// A variable by its level and name.
pub type Identity = (u32, Text);

#[derive(Clone, Debug)]
pub enum Origin {
    Parameter,
    Resolve(Text),
    Alias(Identity),
    Undefined,
}

/// The names of a frame.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    level: u32,
    parent: Option<usize>,
    pub refs: BTreeSet<Text>,
    pub loads: BTreeMap<Text, Origin>,
    pub stores: BTreeSet<Text>,
}

/// A Python function that Jinja2 would make.
struct Function {
    level: u32,
    slots: BTreeMap<Identity, u32>,
}

/// Where a statement stands.
#[derive(Clone, Copy)]
struct Place {
    symbols: usize,
    toplevel: bool,
    /// Below an `if`: an unknown filter is an error only where it is used.
    soft: bool,
    /// `break` has something to break.
    in_loop: bool,
}

pub fn resolve(mut body: Vec<Statement>, blocks: Vec<Block>) -> Outcome<Tree> {
    let mut scopes = Scopes { arena: Vec::new(), functions: Vec::new() };
    let root = scopes.frame(None);
    scopes.functions.push(Function { level: 0, slots: BTreeMap::new() });
    let uses_itself = !undeclared(&body, &["self"]).is_empty();
    if uses_itself {
        scopes.arena[root].declare_parameter(&"self".into());
    }
    scopes.analyze_statements(root, &body);
    let place = Place { symbols: root, toplevel: true, soft: false, in_loop: false };
    let itself = uses_itself.then(|| scopes.slot(&(0, "self".into())));
    let frame = scopes.loads(root);
    scopes.statements(&mut body, place)?;
    let slots = scopes.functions[0].slots.len();
    let blocks: Outcome<_> = blocks.into_iter().map(block).collect();
    Ok(Tree { body, frame, slots, blocks: blocks?, itself })
}

/// A block sees what was passed to the template and what its outermost level has set.
fn block(mut block: Block) -> Outcome<Arc<Block>> {
    let mut scopes = Scopes { arena: Vec::new(), functions: Vec::new() };
    let root = scopes.frame(None);
    scopes.functions.push(Function { level: 0, slots: BTreeMap::new() });
    for name in undeclared(&block.body, &["self", "super"]) {
        scopes.arena[root].declare_parameter(&name);
        let slot = Some(scopes.slot(&(0, name.clone())));
        if &*name == "self" { block.itself = slot } else { block.parent = slot }
    }
    scopes.analyze_statements(root, &block.body);
    block.frame = scopes.loads(root);
    let place = Place { symbols: root, toplevel: false, soft: false, in_loop: false };
    scopes.statements(&mut block.body, place)?;
    block.slots = scopes.functions[0].slots.len();
    Ok(Arc::new(block))
}

impl Symbols {
    pub fn declare_parameter(&mut self, name: &Text) {
        self.stores.insert(name.clone());
        self.define(name, Origin::Parameter);
    }

    fn define(&mut self, name: &Text, origin: Origin) {
        self.refs.insert(name.clone());
        self.loads.insert(name.clone(), origin);
    }
}

pub struct Scopes {
    pub arena: Vec<Symbols>,
    functions: Vec<Function>,
}

impl Scopes {
    /// A new frame inside `parent`.
    fn frame(&mut self, parent: Option<usize>) -> usize {
        let level = parent.map_or(0, |parent| self.arena[parent].level + 1);
        self.arena.push(Symbols { level, parent, ..Symbols::default() });
        self.arena.len() - 1
    }

    fn find_ref(&self, symbols: usize, name: &Text) -> Option<Identity> {
        let mut at = Some(symbols);
        while let Some(index) = at {
            let frame = &self.arena[index];
            if frame.refs.contains(name) {
                return Some((frame.level, name.clone()));
            }
            at = frame.parent;
        }
        None
    }

    pub fn find_outer_ref(&self, symbols: usize, name: &Text) -> Option<Identity> {
        self.arena[symbols].parent.and_then(|parent| self.find_ref(parent, name))
    }

    pub fn store(&mut self, symbols: usize, name: &Text) {
        let outer = self.find_outer_ref(symbols, name);
        let frame = &mut self.arena[symbols];
        frame.stores.insert(name.clone());
        if !frame.refs.contains(name) {
            frame.define(name, outer.map_or(Origin::Undefined, Origin::Alias));
        }
    }

    pub fn load(&mut self, symbols: usize, name: &Text) {
        if self.find_ref(symbols, name).is_none() {
            self.arena[symbols].define(name, Origin::Resolve(name.clone()));
        }
    }

    // Names to slots.

    fn slot(&mut self, identity: &Identity) -> Slot {
        let outward = self.functions.iter().rev().position(|function| function.level <= identity.0);
        let outward = outward.unwrap_or(self.functions.len() - 1);
        let at = self.functions.len() - 1 - outward;
        let slots = &mut self.functions[at].slots;
        let next = slots.len() as u32;
        let index = *slots.entry(identity.clone()).or_insert(next);
        Slot { outward: outward as u32, index }
    }

    fn slot_of(&mut self, symbols: usize, name: &Text, line: u32) -> Outcome<Slot> {
        if let Some(identity) = self.find_ref(symbols, name) {
            Ok(self.slot(&identity))
        } else {
            let message = format!("{name:?} is used where Jinja cannot see it");
            Err(Failure::new(Kind::Syntax, message).at(line))
        }
    }

    fn loads(&mut self, symbols: usize) -> Frame {
        let level = self.arena[symbols].level;
        let loads = self.arena[symbols].loads.clone();
        let loads = loads.into_iter().map(|(name, origin)| {
            let load = match origin {
                Origin::Parameter => Load::Parameter,
                Origin::Resolve(name) => Load::Resolve(name),
                Origin::Alias(identity) => Load::Alias(self.slot(&identity)),
                Origin::Undefined => Load::Missing,
            };
            (self.slot(&(level, name)), load)
        });
        Frame { loads: loads.collect() }
    }

    fn statements(&mut self, body: &mut [Statement], place: Place) -> Outcome<()> {
        body.iter_mut().try_for_each(|statement| self.statement(statement, place))
    }

    fn statement(&mut self, statement: &mut Statement, place: Place) -> Outcome<()> {
        let line = statement.line;
        let inner = Place { toplevel: false, soft: false, ..place };
        match &mut statement.kind {
            StatementKind::Output(output) => {
                for part in output {
                    if let Output::Expression(expression) = part {
                        self.expression(expression, place)?;
                    }
                }
            }
            StatementKind::Set { target, value } => {
                self.expression(value, place)?;
                self.target(target, place, line)?;
            }
            StatementKind::SetBlock { target, filter, body, frame } => {
                let symbols = self.frame(Some(place.symbols));
                self.analyze_statements(symbols, body);
                *frame = self.loads(symbols);
                self.statements(body, Place { symbols, ..inner })?;
                self.target(target, place, line)?;
                if let Some(filter) = filter {
                    self.expression(filter, Place { symbols, ..inner })?;
                }
            }
            StatementKind::If { branches, otherwise } => {
                let soft = Place { soft: true, ..place };
                for (test, body) in branches {
                    self.expression(test, soft)?;
                    self.statements(body, soft)?;
                }
                self.statements(otherwise, soft)?;
            }
            StatementKind::For(node) => self.for_loop(unshared(node)?, place)?,
            StatementKind::Break | StatementKind::Continue if !place.in_loop => {
                return Err(Failure::new(Kind::Syntax, "this stands outside of any loop").at(line));
            }
            StatementKind::With { targets, body, frame } => {
                let symbols = self.frame(Some(place.symbols));
                for (target, _) in targets.iter() {
                    self.analyze_target(symbols, target, true);
                }
                self.analyze_statements(symbols, body);
                *frame = self.loads(symbols);
                for (target, value) in targets {
                    self.target(target, Place { symbols, ..inner }, line)?;
                    self.expression(value, place)?;
                }
                self.statements(body, Place { symbols, ..inner })?;
            }
            StatementKind::Macro(node) => {
                let node = unshared(node)?;
                self.macro_body(node, place)?;
                if let Some(name) = node.name.clone() {
                    node.target = self.slot_of(place.symbols, &name, line)?;
                    node.exported = place.toplevel;
                }
            }
            StatementKind::CallBlock { call, caller } => {
                self.macro_body(unshared(caller)?, place)?;
                self.expression(call, place)?;
            }
            StatementKind::FilterBlock { filter, body, frame } => {
                let symbols = self.frame(Some(place.symbols));
                self.analyze_statements(symbols, body);
                self.analyze(symbols, filter);
                *frame = self.loads(symbols);
                self.statements(body, Place { symbols, ..inner })?;
                self.expression(filter, Place { symbols, ..inner })?;
            }
            StatementKind::Autoescape { value, body, frame } => {
                let symbols = self.frame(Some(place.symbols));
                self.analyze(symbols, value);
                self.analyze_statements(symbols, body);
                *frame = self.loads(symbols);
                self.expression(value, Place { symbols, ..inner })?;
                self.statements(body, Place { symbols, ..inner })?;
            }
            StatementKind::Extends(_) if !place.toplevel => {
                let message = "\"extends\" cannot stand inside a loop or a macro";
                return Err(Failure::new(Kind::Syntax, message).at(line));
            }
            StatementKind::Extends(template) => self.expression(template, place)?,
            StatementKind::Outside(expressions, _) => {
                for expression in expressions {
                    self.expression(expression, place)?;
                }
            }
            StatementKind::Block(_) | StatementKind::Break | StatementKind::Continue => {}
        }
        Ok(())
    }

    fn for_loop(&mut self, node: &mut For, place: Place) -> Outcome<()> {
        let inner = Place { toplevel: false, soft: false, ..place };
        let symbols = self.frame(Some(place.symbols));
        let level = self.arena[symbols].level;
        let extended = node.recursive || !undeclared(&node.body, &["loop"]).is_empty();
        let loop_name: Text = "loop".into();
        if extended {
            self.arena[symbols].declare_parameter(&loop_name);
        }
        self.analyze_target(symbols, &node.target, true);
        self.analyze_statements(symbols, &node.body);
        let otherwise = self.frame(Some(place.symbols));
        self.analyze_statements(otherwise, &node.otherwise);
        if stores_loop(&node.target) || node.body.iter().chain(&node.otherwise).any(assigns_loop) {
            let message = "\"loop\" is the loop's own variable and cannot be set inside it";
            return Err(Failure::new(Kind::Syntax, message).at(node.line));
        }
        self.expression(&mut node.items, place)?;
        if let Some(test) = &mut node.test {
            let symbols = self.frame(Some(place.symbols));
            self.analyze_target(symbols, &node.target, true);
            self.analyze(symbols, test);
            self.functions.push(Function { level, slots: BTreeMap::new() });
            let place = Place { symbols, ..inner };
            node.test_frame = self.loads(symbols);
            self.target(&mut node.test_target, place, node.line)?;
            self.expression(test, place)?;
            node.test_slots = self.functions.pop().map_or(0, |function| function.slots.len());
        }
        if node.recursive {
            self.functions.push(Function { level, slots: BTreeMap::new() });
        }
        if extended {
            node.variable = Some(self.slot(&(level, loop_name)));
        }
        node.frame = self.loads(symbols);
        let body_place = Place { symbols, in_loop: true, ..inner };
        self.target(&mut node.target, body_place, node.line)?;
        self.statements(&mut node.body, body_place)?;
        node.otherwise_frame = self.loads(otherwise);
        let in_loop = place.in_loop && !node.recursive;
        self.statements(&mut node.otherwise, Place { symbols: otherwise, in_loop, ..inner })?;
        if node.recursive {
            node.slots = self.functions.pop().map_or(0, |function| function.slots.len());
        }
        Ok(())
    }

    fn macro_body(&mut self, node: &mut MacroNode, place: Place) -> Outcome<()> {
        let symbols = self.frame(Some(place.symbols));
        let level = self.arena[symbols].level;
        self.analyze_macro(symbols, node);
        self.functions.push(Function { level, slots: BTreeMap::new() });
        for (name, slot) in &mut node.arguments {
            *slot = self.slot(&(level, name.clone()));
        }
        let special = undeclared(&node.body, &["caller", "kwargs", "varargs"]);
        for name in special {
            let is_argument = node.arguments.iter().position(|(argument, _)| *argument == name);
            match is_argument {
                Some(index) if &*name == "caller" => {
                    if node.arguments.len() - index > node.defaults.len() {
                        let message = "the argument \"caller\" needs a default";
                        return Err(Failure::new(Kind::Syntax, message).at(node.line));
                    }
                }
                Some(_) => {}
                None => {
                    self.arena[symbols].declare_parameter(&name);
                    let slot = Some(self.slot(&(level, name.clone())));
                    match &*name {
                        "caller" => node.caller = slot,
                        "kwargs" => node.keywords = slot,
                        _ => node.rest = slot,
                    }
                }
            }
        }
        self.analyze_macro(symbols, node);
        node.frame = self.loads(symbols);
        let place = Place { symbols, toplevel: false, soft: false, in_loop: false };
        for default in &mut node.defaults {
            self.expression(default, place)?;
        }
        self.statements(&mut node.body, place)?;
        node.slots = self.functions.pop().map_or(0, |function| function.slots.len());
        Ok(())
    }

    fn target(&mut self, target: &mut Target, place: Place, line: u32) -> Outcome<()> {
        match target {
            Target::Name { name, slot, exported } => {
                *slot = self.slot_of(place.symbols, name, line)?;
                *exported = place.toplevel;
            }
            Target::Attribute { of, slot, .. } => *slot = self.slot_of(place.symbols, of, line)?,
            Target::Tuple(items) => {
                for item in items {
                    self.target(item, place, line)?;
                }
            }
        }
        Ok(())
    }

    fn expression(&mut self, expression: &mut Expression, place: Place) -> Outcome<()> {
        let line = expression.line;
        match &mut expression.kind {
            ExpressionKind::Constant(_) | ExpressionKind::Generation => Ok(()),
            ExpressionKind::Name { name, slot } => {
                *slot = self.slot_of(place.symbols, name, line)?;
                Ok(())
            }
            ExpressionKind::Tuple(items)
            | ExpressionKind::List(items)
            | ExpressionKind::Concat(items) => {
                items.iter_mut().try_for_each(|item| self.expression(item, place))
            }
            ExpressionKind::Dict(items) => items.iter_mut().try_for_each(|(key, value)| {
                self.expression(key, place)?;
                self.expression(value, place)
            }),
            ExpressionKind::Attribute(value, _)
            | ExpressionKind::Negative(value)
            | ExpressionKind::Positive(value)
            | ExpressionKind::Not(value) => self.expression(value, place),
            ExpressionKind::Item(left, right)
            | ExpressionKind::Binary(_, left, right)
            | ExpressionKind::And(left, right)
            | ExpressionKind::Or(left, right) => {
                self.expression(left, place)?;
                self.expression(right, place)
            }
            ExpressionKind::Slice(value, parts) => {
                self.expression(value, place)?;
                parts.iter_mut().flatten().try_for_each(|part| self.expression(part, place))
            }
            ExpressionKind::Call(callee, arguments) => {
                self.expression(callee, place)?;
                self.arguments(arguments, place)
            }
            ExpressionKind::Filter { value, name, arguments } => {
                if !place.soft && !is_filter(name) {
                    let message = format!("there is no filter {name:?} in Jinja");
                    return Err(Failure::new(Kind::Syntax, message).at(line));
                }
                if let Some(value) = value {
                    self.expression(value, place)?;
                }
                self.arguments(arguments, place)
            }
            ExpressionKind::Test { value, name, arguments } => {
                if !place.soft && !is_test(name) {
                    let message = format!("there is no test {name:?} in Jinja");
                    return Err(Failure::new(Kind::Syntax, message).at(line));
                }
                self.expression(value, place)?;
                self.arguments(arguments, place)
            }
            ExpressionKind::Compare(first, rest) => {
                self.expression(first, place)?;
                rest.iter_mut().try_for_each(|(_, operand)| self.expression(operand, place))
            }
            ExpressionKind::Conditional { test, then, otherwise } => {
                let place = Place { soft: true, ..place };
                self.expression(test, place)?;
                self.expression(then, place)?;
                otherwise.iter_mut().try_for_each(|value| self.expression(value, place))
            }
        }
    }

    fn arguments(&mut self, arguments: &mut Arguments, place: Place) -> Outcome<()> {
        let Arguments { positional, named, rest, keywords } = arguments;
        let named = named.iter_mut().map(|(_, value)| value);
        let starred = rest.iter_mut().chain(keywords).map(|value| &mut **value);
        positional
            .iter_mut()
            .chain(named)
            .chain(starred)
            .try_for_each(|value| self.expression(value, place))
    }
}

/// The parser has handed its nodes to nobody else yet.
fn unshared<T>(node: &mut Arc<T>) -> Outcome<&mut T> {
    Arc::get_mut(node)
        .ok_or_else(|| Failure::new(Kind::Runtime, "a part of the template is in use"))
}
