//! What a frame's body does with names: the part of [`super::scopes`] that looks and changes
//! nothing in the template.

use std::collections::BTreeSet;

use super::names::names;
use super::scopes::{Origin, Scopes, Symbols};
use super::syntax::{Expression, MacroNode, Output, Statement, StatementKind, Target};

impl Scopes {
    pub fn analyze_statements(&mut self, symbols: usize, body: &[Statement]) {
        for statement in body {
            self.analyze_statement(symbols, statement);
        }
    }

    fn analyze_statement(&mut self, symbols: usize, statement: &Statement) {
        match &statement.kind {
            StatementKind::Output(output) => {
                for part in output {
                    if let Output::Expression(expression) = part {
                        self.analyze(symbols, expression);
                    }
                }
            }
            StatementKind::Set { target, value } => {
                self.analyze(symbols, value);
                self.analyze_target(symbols, target, false);
            }
            StatementKind::SetBlock { target, .. } => self.analyze_target(symbols, target, false),
            StatementKind::If { branches, otherwise } => {
                let Some(((test, body), elifs)) = branches.split_first() else { return };
                self.analyze(symbols, test);
                let original = self.arena[symbols].clone();
                let taken = self.branch(symbols, &original, |scopes| {
                    scopes.analyze_statements(symbols, body);
                });
                let others = self.branch(symbols, &original, |scopes| {
                    for (test, body) in elifs {
                        scopes.analyze(symbols, test);
                        let original = scopes.arena[symbols].clone();
                        let inner = scopes.branch(symbols, &original, |scopes| {
                            scopes.analyze_statements(symbols, body);
                        });
                        scopes.join(symbols, [inner, original.clone(), original]);
                    }
                });
                let last = self.branch(symbols, &original, |scopes| {
                    scopes.analyze_statements(symbols, otherwise);
                });
                self.join(symbols, [taken, others, last]);
            }
            StatementKind::For(node) => self.analyze(symbols, &node.items),
            StatementKind::With { targets, .. } => {
                for (_, value) in targets {
                    self.analyze(symbols, value);
                }
            }
            StatementKind::Macro(node) => {
                if let Some(name) = &node.name {
                    self.store(symbols, name);
                }
            }
            StatementKind::CallBlock { call, .. } => self.analyze(symbols, call),
            StatementKind::FilterBlock { filter, .. } => self.analyze(symbols, filter),
            StatementKind::Extends(template) => self.analyze(symbols, template),
            StatementKind::Outside(expressions, stored) => {
                for expression in expressions {
                    self.analyze(symbols, expression);
                }
                for name in stored {
                    self.store(symbols, name);
                }
            }
            StatementKind::Autoescape { .. }
            | StatementKind::Block(_)
            | StatementKind::Break
            | StatementKind::Continue => {}
        }
    }

    /// What a branch makes of the frame, which is left as it was.
    fn branch(
        &mut self,
        symbols: usize,
        original: &Symbols,
        visit: impl FnOnce(&mut Self),
    ) -> Symbols {
        self.arena[symbols] = original.clone();
        visit(self);
        std::mem::replace(&mut self.arena[symbols], original.clone())
    }

    /// After an `if`: what some branch sets is looked up anew where none of them ran.
    fn join(&mut self, symbols: usize, branches: [Symbols; 3]) {
        let known = self.arena[symbols].stores.clone();
        let mut stores = BTreeSet::new();
        for branch in branches {
            stores.extend(branch.stores.difference(&known).cloned());
            let frame = &mut self.arena[symbols];
            frame.refs.extend(branch.refs);
            frame.loads.extend(branch.loads);
            frame.stores.extend(branch.stores);
        }
        for name in stores {
            let outer = self.find_outer_ref(symbols, &name);
            let origin = outer.map_or_else(|| Origin::Resolve(name.clone()), Origin::Alias);
            self.arena[symbols].loads.insert(name, origin);
        }
    }

    pub fn analyze_target(&mut self, symbols: usize, target: &Target, parameter: bool) {
        match target {
            Target::Name { name, .. } if parameter => self.arena[symbols].declare_parameter(name),
            Target::Name { name, .. } => self.store(symbols, name),
            Target::Attribute { of, .. } => self.load(symbols, of),
            Target::Tuple(items) => {
                for item in items {
                    self.analyze_target(symbols, item, parameter);
                }
            }
        }
    }

    pub fn analyze(&mut self, symbols: usize, expression: &Expression) {
        names(expression, &mut |name| self.load(symbols, name));
    }

    pub fn analyze_macro(&mut self, symbols: usize, node: &MacroNode) {
        for (name, _) in &node.arguments {
            self.arena[symbols].declare_parameter(name);
        }
        for default in &node.defaults {
            self.analyze(symbols, default);
        }
        self.analyze_statements(symbols, &node.body);
    }
}
