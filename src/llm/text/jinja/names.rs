//! Which names a piece of a template reads and sets, in the order of the text.

use std::collections::BTreeSet;

use super::syntax::{
    Arguments, Expression, ExpressionKind, MacroNode, Output, Statement, StatementKind, Target,
    Text,
};

/// Every variable that an expression reads, in the order of the text.
pub fn names(expression: &Expression, see: &mut impl FnMut(&Text)) {
    match &expression.kind {
        ExpressionKind::Constant(_) | ExpressionKind::Generation => {}
        ExpressionKind::Name { name, .. } => see(name),
        ExpressionKind::Tuple(items)
        | ExpressionKind::List(items)
        | ExpressionKind::Concat(items) => items.iter().for_each(|item| names(item, see)),
        ExpressionKind::Dict(items) => {
            for (key, value) in items {
                names(key, see);
                names(value, see);
            }
        }
        ExpressionKind::Attribute(value, _)
        | ExpressionKind::Negative(value)
        | ExpressionKind::Positive(value)
        | ExpressionKind::Not(value) => names(value, see),
        ExpressionKind::Item(left, right)
        | ExpressionKind::Binary(_, left, right)
        | ExpressionKind::And(left, right)
        | ExpressionKind::Or(left, right) => {
            names(left, see);
            names(right, see);
        }
        ExpressionKind::Slice(value, parts) => {
            names(value, see);
            for part in parts.iter().flatten() {
                names(part, see);
            }
        }
        ExpressionKind::Call(callee, arguments) => {
            names(callee, see);
            argument_names(arguments, see);
        }
        ExpressionKind::Filter { value, arguments, .. } => {
            if let Some(value) = value {
                names(value, see);
            }
            argument_names(arguments, see);
        }
        ExpressionKind::Test { value, arguments, .. } => {
            names(value, see);
            argument_names(arguments, see);
        }
        ExpressionKind::Compare(first, rest) => {
            names(first, see);
            for (_, operand) in rest {
                names(operand, see);
            }
        }
        ExpressionKind::Conditional { test, then, otherwise } => {
            names(test, see);
            names(then, see);
            if let Some(value) = otherwise {
                names(value, see);
            }
        }
    }
}

fn argument_names(arguments: &Arguments, see: &mut impl FnMut(&Text)) {
    let Arguments { positional, named, rest, keywords } = arguments;
    for value in positional {
        names(value, see);
    }
    for (_, value) in named {
        names(value, see);
    }
    for value in rest.iter().chain(keywords) {
        names(value, see);
    }
}

/// Which of `wanted` the body reads before it sets them.
pub fn undeclared(body: &[Statement], wanted: &[&str]) -> Vec<Text> {
    let mut search = Undeclared {
        wanted: wanted.iter().map(|name| Text::from(*name)).collect(),
        found: BTreeSet::new(),
    };
    search.statements(body);
    search.found.into_iter().collect()
}

struct Undeclared {
    wanted: BTreeSet<Text>,
    found: BTreeSet<Text>,
}

impl Undeclared {
    fn statements(&mut self, body: &[Statement]) {
        for statement in body {
            self.statement(statement);
        }
    }

    fn expression(&mut self, expression: &Expression) {
        names(expression, &mut |name| {
            if self.wanted.contains(name) {
                self.found.insert(name.clone());
            }
        });
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Name { name, .. } => {
                self.wanted.remove(name);
            }
            Target::Attribute { .. } => {}
            Target::Tuple(items) => items.iter().for_each(|item| self.target(item)),
        }
    }

    fn macro_node(&mut self, node: &MacroNode) {
        for (name, _) in &node.arguments {
            self.wanted.remove(name);
        }
        for default in &node.defaults {
            self.expression(default);
        }
        self.statements(&node.body);
    }

    fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Output(output) => {
                for part in output {
                    if let Output::Expression(expression) = part {
                        self.expression(expression);
                    }
                }
            }
            StatementKind::Set { target, value } => {
                self.target(target);
                self.expression(value);
            }
            StatementKind::SetBlock { target, filter, body, .. } => {
                self.target(target);
                if let Some(filter) = filter {
                    self.expression(filter);
                }
                self.statements(body);
            }
            StatementKind::If { branches, otherwise } => {
                for (test, body) in branches {
                    self.expression(test);
                    self.statements(body);
                }
                self.statements(otherwise);
            }
            StatementKind::For(node) => {
                self.target(&node.target);
                self.expression(&node.items);
                self.statements(&node.body);
                self.statements(&node.otherwise);
                if let Some(test) = &node.test {
                    self.expression(test);
                }
            }
            StatementKind::With { targets, body, .. } => {
                for (target, _) in targets {
                    self.target(target);
                }
                for (_, value) in targets {
                    self.expression(value);
                }
                self.statements(body);
            }
            StatementKind::Macro(node) => self.macro_node(node),
            StatementKind::CallBlock { call, caller } => {
                self.expression(call);
                self.macro_node(caller);
            }
            StatementKind::FilterBlock { filter, body, .. } => {
                self.statements(body);
                self.expression(filter);
            }
            StatementKind::Autoescape { value, body, .. } => {
                self.expression(value);
                self.statements(body);
            }
            StatementKind::Extends(template) => self.expression(template),
            StatementKind::Outside(expressions, _) => {
                for expression in expressions {
                    self.expression(expression);
                }
            }
            StatementKind::Block(_) | StatementKind::Break | StatementKind::Continue => {}
        }
    }
}

pub fn stores_loop(target: &Target) -> bool {
    match target {
        Target::Name { name, .. } => &**name == "loop",
        Target::Attribute { .. } => false,
        Target::Tuple(items) => items.iter().any(stores_loop),
    }
}

pub fn assigns_loop(statement: &Statement) -> bool {
    match &statement.kind {
        StatementKind::Set { target, .. } => stores_loop(target),
        StatementKind::SetBlock { target, body, .. } => {
            stores_loop(target) || body.iter().any(assigns_loop)
        }
        StatementKind::If { branches, otherwise } => {
            let mut bodies = branches.iter().flat_map(|(_, body)| body).chain(otherwise);
            bodies.any(assigns_loop)
        }
        StatementKind::For(node) => {
            stores_loop(&node.target) || node.body.iter().chain(&node.otherwise).any(assigns_loop)
        }
        StatementKind::With { body, .. }
        | StatementKind::FilterBlock { body, .. }
        | StatementKind::Autoescape { body, .. } => body.iter().any(assigns_loop),
        StatementKind::Macro(node) => node.body.iter().any(assigns_loop),
        StatementKind::CallBlock { caller, .. } => caller.body.iter().any(assigns_loop),
        _ => false,
    }
}
