//! Tokens to expressions, in Jinja2's order of precedence.

use super::failure::Outcome;
use super::lexer::Token;
use super::parser::Parser;
use super::syntax::{Arguments, Binary, Comparison, Constant, Expression, ExpressionKind, Slot};

/// A chain of operators longer than this is refused: each is a level of evaluation.
const LONGEST_CHAIN: usize = 250;

/// Makes a node of two operands.
type Joined = fn(Box<Expression>, Box<Expression>) -> ExpressionKind;

fn node(line: u32, kind: ExpressionKind) -> Expression {
    Expression { line, kind }
}

impl Parser {
    pub fn at_tuple_end(&self, ends: &[&str]) -> bool {
        match self.current() {
            Token::VariableEnd | Token::BlockEnd | Token::Operator(")") => true,
            Token::Name(name) => ends.contains(&&**name),
            _ => false,
        }
    }

    /// An expression, or several with commas between them.
    pub fn tuple(&mut self, conditional: bool, ends: &[&str]) -> Outcome<Expression> {
        if let Some(expression) = self.tuple_or_nothing(conditional, ends)? {
            Ok(expression)
        } else {
            let found = self.current().described();
            self.fail(format!("an expression should be where {found:?} stands"))
        }
    }

    fn tuple_or_nothing(
        &mut self,
        conditional: bool,
        ends: &[&str],
    ) -> Outcome<Option<Expression>> {
        let line = self.line();
        let mut items = Vec::new();
        let mut is_tuple = false;
        loop {
            if !items.is_empty() {
                self.expect_operator(",")?;
            }
            if self.at_tuple_end(ends) {
                break;
            }
            items.push(if conditional { self.expression()? } else { self.deeper(Self::or)? });
            if !self.is_operator(",") {
                break;
            }
            is_tuple = true;
        }
        if is_tuple {
            return Ok(Some(node(line, ExpressionKind::Tuple(items))));
        }
        Ok(items.pop())
    }

    pub fn expression(&mut self) -> Outcome<Expression> {
        self.deeper(Self::conditional)
    }

    fn conditional(&mut self) -> Outcome<Expression> {
        let mut line = self.line();
        let mut expression = self.or()?;
        while self.skip_name("if") {
            let test = Box::new(self.or()?);
            let otherwise =
                if self.skip_name("else") { Some(Box::new(self.expression()?)) } else { None };
            let then = Box::new(expression);
            expression = node(line, ExpressionKind::Conditional { test, then, otherwise });
            line = self.line();
        }
        Ok(expression)
    }

    /// Operands with operators between them, from left to right.
    fn chain(
        &mut self,
        operand: fn(&mut Self) -> Outcome<Expression>,
        join: fn(&mut Self) -> Option<Joined>,
    ) -> Outcome<Expression> {
        let mut line = self.line();
        let mut left = operand(self)?;
        let mut count = 0;
        while let Some(make) = join(self) {
            count += 1;
            if count > LONGEST_CHAIN {
                return self
                    .fail(format!("more than {LONGEST_CHAIN} operators follow one another"));
            }
            let right = operand(self)?;
            left = node(line, make(Box::new(left), Box::new(right)));
            line = self.line();
        }
        Ok(left)
    }

    fn or(&mut self) -> Outcome<Expression> {
        self.chain(Self::and, |parser| parser.skip_name("or").then_some(ExpressionKind::Or as _))
    }

    fn and(&mut self) -> Outcome<Expression> {
        self.chain(Self::not, |parser| parser.skip_name("and").then_some(ExpressionKind::And as _))
    }

    fn not(&mut self) -> Outcome<Expression> {
        let line = self.line();
        if self.skip_name("not") {
            let value = self.deeper(Self::not)?;
            return Ok(node(line, ExpressionKind::Not(Box::new(value))));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Outcome<Expression> {
        let line = self.line();
        let first = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let comparison = match self.current() {
                Token::Operator("==") => Comparison::Equal,
                Token::Operator("!=") => Comparison::Unequal,
                Token::Operator("<") => Comparison::Less,
                Token::Operator("<=") => Comparison::LessOrEqual,
                Token::Operator(">") => Comparison::Greater,
                Token::Operator(">=") => Comparison::GreaterOrEqual,
                Token::Name(name) if &**name == "in" => Comparison::In,
                Token::Name(name)
                    if &**name == "not" && *self.look() == Token::Name("in".into()) =>
                {
                    self.advance();
                    Comparison::NotIn
                }
                _ => break,
            };
            self.advance();
            rest.push((comparison, self.sum()?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(node(line, ExpressionKind::Compare(Box::new(first), rest)))
    }

    fn sum(&mut self) -> Outcome<Expression> {
        self.chain(Self::concatenation, |parser| {
            if parser.skip_operator("+") {
                Some(|left, right| ExpressionKind::Binary(Binary::Add, left, right))
            } else if parser.skip_operator("-") {
                Some(|left, right| ExpressionKind::Binary(Binary::Subtract, left, right))
            } else {
                None
            }
        })
    }

    fn concatenation(&mut self) -> Outcome<Expression> {
        let line = self.line();
        let first = self.product()?;
        if !self.is_operator("~") {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.skip_operator("~") {
            parts.push(self.product()?);
        }
        Ok(node(line, ExpressionKind::Concat(parts)))
    }

    fn product(&mut self) -> Outcome<Expression> {
        self.chain(Self::power, |parser| {
            if parser.skip_operator("*") {
                Some(|left, right| ExpressionKind::Binary(Binary::Multiply, left, right))
            } else if parser.skip_operator("/") {
                Some(|left, right| ExpressionKind::Binary(Binary::Divide, left, right))
            } else if parser.skip_operator("//") {
                Some(|left, right| ExpressionKind::Binary(Binary::FloorDivide, left, right))
            } else if parser.skip_operator("%") {
                Some(|left, right| ExpressionKind::Binary(Binary::Modulo, left, right))
            } else {
                None
            }
        })
    }

    fn power(&mut self) -> Outcome<Expression> {
        self.chain(
            |parser| parser.unary(true),
            |parser| {
                parser
                    .skip_operator("**")
                    .then_some(|left, right| ExpressionKind::Binary(Binary::Power, left, right))
            },
        )
    }

    fn unary(&mut self, with_filters: bool) -> Outcome<Expression> {
        let line = self.line();
        let value = if self.skip_operator("-") {
            let value = self.deeper(|parser| parser.unary(false))?;
            node(line, ExpressionKind::Negative(Box::new(value)))
        } else if self.skip_operator("+") {
            let value = self.deeper(|parser| parser.unary(false))?;
            node(line, ExpressionKind::Positive(Box::new(value)))
        } else {
            self.primary()?
        };
        let value = self.postfix(value)?;
        if with_filters { self.filters_and_tests(value) } else { Ok(value) }
    }

    pub fn primary(&mut self) -> Outcome<Expression> {
        let line = self.line();
        let constant = |constant| Ok(node(line, ExpressionKind::Constant(constant)));
        match self.current().clone() {
            Token::Name(name) => {
                self.advance();
                match &*name {
                    "true" | "True" => constant(Constant::Bool(true)),
                    "false" | "False" => constant(Constant::Bool(false)),
                    "none" | "None" => constant(Constant::None),
                    _ => Ok(node(line, ExpressionKind::Name { name, slot: Slot::default() })),
                }
            }
            Token::String(text) => {
                self.advance();
                let mut whole = text.to_string();
                while let Token::String(more) = self.current().clone() {
                    whole.push_str(&more);
                    self.advance();
                }
                constant(Constant::Text(whole.into()))
            }
            Token::Integer(value) => {
                self.advance();
                constant(Constant::Int(value))
            }
            Token::Float(value) => {
                self.advance();
                constant(Constant::Float(value))
            }
            Token::Operator("(") => {
                self.advance();
                let inner = self.tuple_or_nothing(true, &[])?;
                self.expect_operator(")")?;
                Ok(inner.unwrap_or_else(|| node(line, ExpressionKind::Tuple(Vec::new()))))
            }
            Token::Operator("[") => {
                self.advance();
                let mut items = Vec::new();
                while !self.is_operator("]") {
                    if !items.is_empty() {
                        self.expect_operator(",")?;
                    }
                    if self.is_operator("]") {
                        break;
                    }
                    items.push(self.expression()?);
                }
                self.expect_operator("]")?;
                Ok(node(line, ExpressionKind::List(items)))
            }
            Token::Operator("{") => {
                self.advance();
                let mut items = Vec::new();
                while !self.is_operator("}") {
                    if !items.is_empty() {
                        self.expect_operator(",")?;
                    }
                    if self.is_operator("}") {
                        break;
                    }
                    let key = self.expression()?;
                    self.expect_operator(":")?;
                    items.push((key, self.expression()?));
                }
                self.expect_operator("}")?;
                Ok(node(line, ExpressionKind::Dict(items)))
            }
            Token::End => self.fail("the template ends where an expression should be"),
            other => {
                self.fail(format!("an expression should be where {:?} stands", other.described()))
            }
        }
    }

    fn postfix(&mut self, mut value: Expression) -> Outcome<Expression> {
        let mut count = 0;
        loop {
            let line = self.line();
            count += 1;
            if count > LONGEST_CHAIN {
                return self.fail(format!("more than {LONGEST_CHAIN} calls follow one another"));
            }
            if self.is_operator("(") {
                let arguments = self.arguments()?;
                value = node(line, ExpressionKind::Call(Box::new(value), arguments));
            } else if self.skip_operator(".") {
                let kind = match self.advance() {
                    Token::Name(name) => ExpressionKind::Attribute(Box::new(value), name),
                    Token::Integer(index) => {
                        let index = node(line, ExpressionKind::Constant(Constant::Int(index)));
                        ExpressionKind::Item(Box::new(value), Box::new(index))
                    }
                    _ => return self.fail("a name or a number should follow the dot"),
                };
                value = node(line, kind);
            } else if self.skip_operator("[") {
                value = self.subscript(value, line)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn subscript(&mut self, value: Expression, line: u32) -> Outcome<Expression> {
        let mut indices = Vec::new();
        let mut slice = None;
        while !self.is_operator("]") {
            if !indices.is_empty() || slice.is_some() {
                self.expect_operator(",")?;
            }
            if slice.is_some() {
                return self.fail("a slice cannot be one of several indices");
            }
            let start = if self.is_operator(":") { None } else { Some(self.expression()?) };
            if !self.skip_operator(":") {
                indices.extend(start);
                continue;
            }
            let mut parts = [start, None, None];
            let at_end = |parser: &Self| parser.is_operator("]") || parser.is_operator(",");
            if !self.is_operator(":") && !at_end(self) {
                parts[1] = Some(self.expression()?);
            }
            if self.skip_operator(":") && !at_end(self) {
                parts[2] = Some(self.expression()?);
            }
            slice = Some(parts);
        }
        self.expect_operator("]")?;
        let value = Box::new(value);
        let kind = match slice {
            Some(_) if !indices.is_empty() => {
                return self.fail("a slice cannot be one of several indices");
            }
            Some(parts) => ExpressionKind::Slice(value, Box::new(parts)),
            None if indices.len() == 1 => {
                let index = indices.swap_remove(0);
                ExpressionKind::Item(value, Box::new(index))
            }
            None => {
                ExpressionKind::Item(value, Box::new(node(line, ExpressionKind::Tuple(indices))))
            }
        };
        Ok(node(line, kind))
    }

    fn filters_and_tests(&mut self, mut value: Expression) -> Outcome<Expression> {
        let mut count = 0;
        loop {
            let line = self.line();
            count += 1;
            if count > LONGEST_CHAIN {
                return self.fail(format!("more than {LONGEST_CHAIN} filters follow one another"));
            }
            if self.is_operator("|") {
                value = self.one_filter(Some(value))?;
            } else if self.is_name("is") {
                value = self.test(value)?;
            } else if self.is_operator("(") {
                let arguments = self.arguments()?;
                value = node(line, ExpressionKind::Call(Box::new(value), arguments));
            } else {
                return Ok(value);
            }
        }
    }

    /// Filters after a `|`; with `first_inline`, the first one stands without it.
    pub fn filters(
        &mut self,
        value: Option<Expression>,
        first_inline: bool,
    ) -> Outcome<Option<Expression>> {
        let mut value = value;
        let mut inline = first_inline;
        let mut count = 0;
        while inline || self.is_operator("|") {
            count += 1;
            if count > LONGEST_CHAIN {
                return self.fail(format!("more than {LONGEST_CHAIN} filters follow one another"));
            }
            if inline {
                value = Some(self.filter_name(value)?);
            } else {
                value = Some(self.one_filter(value)?);
            }
            inline = false;
        }
        Ok(value)
    }

    fn one_filter(&mut self, value: Option<Expression>) -> Outcome<Expression> {
        self.expect_operator("|")?;
        self.filter_name(value)
    }

    fn filter_name(&mut self, value: Option<Expression>) -> Outcome<Expression> {
        let line = self.line();
        let name = self.dotted_name()?;
        let arguments =
            if self.is_operator("(") { self.arguments()? } else { Arguments::default() };
        let value = value.map(Box::new);
        Ok(node(line, ExpressionKind::Filter { value, name: name.into(), arguments }))
    }

    fn dotted_name(&mut self) -> Outcome<String> {
        let mut name = self.name()?.to_string();
        while self.skip_operator(".") {
            name.push('.');
            name.push_str(&self.name()?);
        }
        Ok(name)
    }

    fn test(&mut self, value: Expression) -> Outcome<Expression> {
        let line = self.line();
        self.advance();
        let negated = self.skip_name("not");
        let name = self.dotted_name()?;
        let mut arguments = Arguments::default();
        let takes_one = match self.current() {
            Token::Name(name) => !matches!(&**name, "else" | "or" | "and"),
            Token::String(_) | Token::Integer(_) | Token::Float(_) => true,
            Token::Operator(operator) => matches!(*operator, "[" | "{"),
            _ => false,
        };
        if self.is_operator("(") {
            arguments = self.arguments()?;
        } else if takes_one {
            if self.is_name("is") {
                return self.fail("two tests cannot follow one another");
            }
            let argument = self.primary()?;
            arguments.positional.push(self.postfix(argument)?);
        }
        let kind = ExpressionKind::Test { value: Box::new(value), name: name.into(), arguments };
        let test = node(line, kind);
        Ok(if negated { node(line, ExpressionKind::Not(Box::new(test))) } else { test })
    }

    fn arguments(&mut self) -> Outcome<Arguments> {
        self.expect_operator("(")?;
        let mut arguments = Arguments::default();
        let mut first = true;
        while !self.is_operator(")") {
            if !first {
                self.expect_operator(",")?;
                if self.is_operator(")") {
                    break;
                }
            }
            first = false;
            let in_order = arguments.keywords.is_none();
            if self.is_operator("*") && in_order && arguments.rest.is_none() {
                self.advance();
                arguments.rest = Some(Box::new(self.expression()?));
            } else if self.is_operator("**") && in_order {
                self.advance();
                arguments.keywords = Some(Box::new(self.expression()?));
            } else if let Token::Name(name) = self.current().clone()
                && *self.look() == Token::Operator("=")
                && in_order
            {
                self.advance();
                self.advance();
                if arguments.named.iter().any(|(other, _)| *other == name) {
                    return self.fail(format!("the argument {name:?} is given twice"));
                }
                arguments.named.push((name, self.expression()?));
            } else if in_order && arguments.rest.is_none() && arguments.named.is_empty() {
                arguments.positional.push(self.expression()?);
            } else {
                return self.fail("these arguments are not in an order that a call can have");
            }
        }
        self.expect_operator(")")?;
        Ok(arguments)
    }
}
