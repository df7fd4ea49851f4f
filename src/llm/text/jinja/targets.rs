//! What is assigned to: names, attributes of namespaces, tuples of them, arguments of macros.

use super::failure::Outcome;
use super::lexer::Token;
use super::parser::Parser;
use super::syntax::{Expression, ExpressionKind, Slot, Target, Text};

impl Parser {
    pub fn signature(&mut self) -> Outcome<(Vec<Text>, Vec<Expression>)> {
        self.expect_operator("(")?;
        let (mut arguments, mut defaults) = (Vec::new(), Vec::new());
        while !self.is_operator(")") {
            if !arguments.is_empty() {
                self.expect_operator(",")?;
            }
            let name = self.name()?;
            self.assignable(&name)?;
            if self.skip_operator("=") {
                defaults.push(self.expression()?);
            } else if !defaults.is_empty() {
                return self
                    .fail(format!("{name:?} has no default, but an argument before it has one"));
            }
            if arguments.contains(&name) {
                return self.fail(format!("two arguments are called {name:?}"));
            }
            arguments.push(name);
        }
        self.expect_operator(")")?;
        Ok((arguments, defaults))
    }

    fn assignable(&self, name: &str) -> Outcome<()> {
        if matches!(name, "true" | "false" | "none" | "True" | "False" | "None") {
            return self.fail(format!("{name} cannot be given another value"));
        }
        Ok(())
    }

    /// What is assigned to. `ends` are names that a tuple without brackets may stop before.
    pub fn target(&mut self, ends: &[&str], attributes: bool) -> Outcome<Target> {
        let mut targets = Vec::new();
        let mut is_tuple = false;
        loop {
            if !targets.is_empty() {
                self.expect_operator(",")?;
            }
            if self.at_tuple_end(ends) {
                break;
            }
            targets.push(self.one_target(attributes)?);
            if !self.is_operator(",") {
                break;
            }
            is_tuple = true;
        }
        match targets.pop() {
            Some(target) if !is_tuple => Ok(target),
            Some(target) => {
                targets.push(target);
                Ok(Target::Tuple(targets))
            }
            None => self.expected("a name to assign to"),
        }
    }

    fn one_target(&mut self, attributes: bool) -> Outcome<Target> {
        if let Token::Name(name) = self.current().clone()
            && attributes
            && *self.look() == Token::Operator(".")
        {
            self.assignable(&name)?;
            self.advance();
            self.advance();
            let attribute = self.name()?;
            return Ok(Target::Attribute { of: name, slot: Slot::default(), attribute });
        }
        let expression = self.primary()?;
        self.to_target(expression)
    }

    fn to_target(&self, expression: Expression) -> Outcome<Target> {
        match expression.kind {
            ExpressionKind::Name { name, slot } => {
                self.assignable(&name)?;
                Ok(Target::Name { name, slot, exported: false })
            }
            ExpressionKind::Tuple(items) => {
                let items: Outcome<_> =
                    items.into_iter().map(|item| self.to_target(item)).collect();
                Ok(Target::Tuple(items?))
            }
            _ => self.fail("only names can be assigned to"),
        }
    }
}
