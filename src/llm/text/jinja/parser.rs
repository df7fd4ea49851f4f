//! Tokens to statements.

use std::sync::Arc;

use super::failure::{Failure, Kind, Outcome};
use super::lexer::Token;
use super::syntax::{
    Block, Expression, ExpressionKind, For, Frame, MacroNode, Output, Slot, Statement,
    StatementKind, Text,
};

/// How deep expressions and blocks may nest. Python itself gives up at about 70.
const DEEPEST: u32 = 64;

pub struct Parser {
    tokens: Vec<(Token, u32)>,
    position: usize,
    depth: u32,
    /// The tags that may end what is being read, outermost first, and the tag they would end.
    open: Vec<(&'static [&'static str], Text)>,
    pub blocks: Vec<Block>,
}

impl Parser {
    pub fn new(tokens: Vec<(Token, u32)>) -> Self {
        Self { tokens, position: 0, depth: 0, open: Vec::new(), blocks: Vec::new() }
    }

    pub fn template(&mut self) -> Outcome<Vec<Statement>> {
        self.statements_until(&[])
    }

    pub fn current(&self) -> &Token {
        &self.tokens[self.position].0
    }

    pub fn line(&self) -> u32 {
        self.tokens[self.position].1
    }

    pub fn look(&self) -> &Token {
        &self.tokens[(self.position + 1).min(self.tokens.len() - 1)].0
    }

    pub fn advance(&mut self) -> Token {
        let token = self.tokens[self.position].0.clone();
        if self.position + 1 < self.tokens.len() {
            self.position += 1;
        }
        token
    }

    pub fn fail<T>(&self, message: impl Into<String>) -> Outcome<T> {
        Err(Failure::new(Kind::Syntax, message).at(self.line()))
    }

    pub fn is_operator(&self, operator: &str) -> bool {
        matches!(self.current(), Token::Operator(found) if *found == operator)
    }

    pub fn is_name(&self, name: &str) -> bool {
        matches!(self.current(), Token::Name(found) if &**found == name)
    }

    pub fn skip_operator(&mut self, operator: &str) -> bool {
        let found = self.is_operator(operator);
        if found {
            self.advance();
        }
        found
    }

    pub fn skip_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        if found {
            self.advance();
        }
        found
    }

    pub fn expected<T>(&self, what: &str) -> Outcome<T> {
        let found = self.current().described();
        if *self.current() == Token::End {
            return self.fail(format!("the template ends where {what} should be"));
        }
        self.fail(format!("{what} should be where {found:?} stands"))
    }

    pub fn expect_operator(&mut self, operator: &str) -> Outcome<()> {
        if self.skip_operator(operator) { Ok(()) } else { self.expected(&format!("{operator:?}")) }
    }

    pub fn expect_name(&mut self, name: &str) -> Outcome<()> {
        if self.skip_name(name) { Ok(()) } else { self.expected(&format!("{name:?}")) }
    }

    pub fn name(&mut self) -> Outcome<Text> {
        match self.current().clone() {
            Token::Name(name) => {
                self.advance();
                Ok(name)
            }
            _ => self.expected("a name"),
        }
    }

    fn block_end(&mut self) -> Outcome<()> {
        if *self.current() == Token::BlockEnd {
            self.advance();
            return Ok(());
        }
        self.expected("the end of the tag, \"%}\",")
    }

    /// Runs `read` one level further in.
    pub fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.fail(format!("this is nested more than {DEEPEST} levels deep"));
        }
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// The statements up to one of the tags `ends`, which becomes the current token.
    fn statements_until(&mut self, ends: &[&str]) -> Outcome<Vec<Statement>> {
        let mut body = Vec::new();
        let mut output: Vec<Output> = Vec::new();
        let mut output_line = 0;
        loop {
            let line = self.line();
            if output.is_empty() {
                output_line = line;
            }
            match self.current().clone() {
                Token::Data(text) => {
                    output.push(Output::Text(text));
                    self.advance();
                    continue;
                }
                Token::VariableBegin => {
                    self.advance();
                    output.push(Output::Expression(self.tuple(true, &[])?));
                    if *self.current() != Token::VariableEnd {
                        return self.expected("the end of the expression, \"}}\",");
                    }
                    self.advance();
                    continue;
                }
                _ => {}
            }
            if !output.is_empty() {
                let kind = StatementKind::Output(std::mem::take(&mut output));
                body.push(Statement { line: output_line, kind });
            }
            match self.current() {
                Token::BlockBegin => {
                    self.advance();
                    if let Token::Name(name) = self.current()
                        && ends.contains(&&**name)
                    {
                        return Ok(body);
                    }
                    let kind = self.deeper(Self::statement)?;
                    body.push(Statement { line, kind });
                    self.block_end()?;
                }
                Token::End if ends.is_empty() => return Ok(body),
                Token::End => return self.unclosed(),
                _ => return self.fail("this is not a template"),
            }
        }
    }

    /// A tag's body: from the end of the tag to one of `ends`.
    fn body(&mut self, tag: &str, ends: &'static [&'static str]) -> Outcome<Vec<Statement>> {
        self.skip_operator(":");
        self.block_end()?;
        self.open.push((ends, tag.into()));
        let body = self.statements_until(ends)?;
        self.open.pop();
        Ok(body)
    }

    /// As [`Self::body`], with the tag that ends it read.
    fn whole_body(&mut self, tag: &str, ends: &'static [&'static str]) -> Outcome<Vec<Statement>> {
        let body = self.body(tag, ends)?;
        self.advance();
        Ok(body)
    }

    fn unclosed<T>(&self) -> Outcome<T> {
        match self.open.last() {
            Some((ends, tag)) => {
                let ends = ends.join("\" or \"");
                self.fail(format!(
                    "the template ends before its {tag:?} does (\"{ends}\" is missing)"
                ))
            }
            None => self.fail("the template ends too early"),
        }
    }

    fn unknown_tag<T>(&self, name: &str) -> Outcome<T> {
        match self.open.last() {
            Some((ends, tag)) if name.starts_with("end") || name.starts_with("el") => {
                let ends = ends.join("\" or \"");
                self.fail(format!(
                    "{name:?} stands where {tag:?} is still open: \"{ends}\" should come first"
                ))
            }
            _ => self.fail(format!("there is no tag {name:?} in the Jinja of chat templates")),
        }
    }

    fn statement(&mut self) -> Outcome<StatementKind> {
        let line = self.line();
        let Token::Name(tag) = self.current().clone() else {
            return self.expected("the name of a tag");
        };
        match &*tag {
            "for" => self.for_loop(line),
            "if" => self.condition(),
            "set" => self.set(),
            "with" => self.with(),
            "macro" => {
                self.advance();
                let name = self.name()?;
                let (arguments, defaults) = self.signature()?;
                let body = self.whole_body("macro", &["endmacro"])?;
                Ok(StatementKind::Macro(macro_node(line, Some(name), arguments, defaults, body)))
            }
            "call" => {
                self.advance();
                let signature =
                    if self.is_operator("(") { self.signature()? } else { Default::default() };
                let call = self.expression()?;
                if !matches!(call.kind, ExpressionKind::Call(..)) {
                    return self.fail("\"call\" needs a call of a macro, as in {% call name() %}");
                }
                let body = self.whole_body("call", &["endcall"])?;
                let (arguments, defaults) = signature;
                Ok(StatementKind::CallBlock {
                    call,
                    caller: macro_node(line, None, arguments, defaults, body),
                })
            }
            "generation" => {
                self.advance();
                let body = self.whole_body("generation", &["endgeneration"])?;
                let callee = Expression { line, kind: ExpressionKind::Generation };
                let kind = ExpressionKind::Call(Box::new(callee), Default::default());
                let caller = macro_node(line, None, Vec::new(), Vec::new(), body);
                Ok(StatementKind::CallBlock { call: Expression { line, kind }, caller })
            }
            "filter" => {
                self.advance();
                let filter = self.filters(None, true)?;
                let Some(filter) = filter else { return self.expected("the name of a filter") };
                let body = self.whole_body("filter", &["endfilter"])?;
                Ok(StatementKind::FilterBlock { filter, body, frame: Frame::default() })
            }
            "autoescape" => {
                self.advance();
                let value = self.expression()?;
                let body = self.whole_body("autoescape", &["endautoescape"])?;
                Ok(StatementKind::Autoescape { value, body, frame: Frame::default() })
            }
            "print" => {
                self.advance();
                let mut output = Vec::new();
                while *self.current() != Token::BlockEnd {
                    if !output.is_empty() {
                        self.expect_operator(",")?;
                    }
                    output.push(Output::Expression(self.expression()?));
                }
                Ok(StatementKind::Output(output))
            }
            "break" => {
                self.advance();
                Ok(StatementKind::Break)
            }
            "continue" => {
                self.advance();
                Ok(StatementKind::Continue)
            }
            "block" => self.block(line),
            "extends" => {
                self.advance();
                Ok(StatementKind::Extends(self.expression()?))
            }
            "include" | "import" | "from" => self.outside(&tag),
            other => self.unknown_tag(other),
        }
    }

    fn for_loop(&mut self, line: u32) -> Outcome<StatementKind> {
        self.advance();
        let target = self.target(&["in"], false)?;
        self.expect_name("in")?;
        let items = self.tuple(false, &["recursive"])?;
        let test = if self.skip_name("if") { Some(self.expression()?) } else { None };
        let recursive = self.skip_name("recursive");
        let body = self.body("for", &["endfor", "else"])?;
        let has_else = self.is_name("else");
        self.advance();
        let otherwise = if has_else { self.whole_body("for", &["endfor"])? } else { Vec::new() };
        Ok(StatementKind::For(Arc::new(For {
            line,
            test_target: target.clone(),
            target,
            items,
            test,
            recursive,
            body,
            otherwise,
            variable: None,
            frame: Frame::default(),
            otherwise_frame: Frame::default(),
            test_frame: Frame::default(),
            test_slots: 0,
            slots: 0,
        })))
    }

    fn condition(&mut self) -> Outcome<StatementKind> {
        self.advance();
        let mut branches = Vec::new();
        loop {
            let test = self.tuple(false, &[])?;
            branches.push((test, self.body("if", &["elif", "else", "endif"])?));
            match self.advance() {
                Token::Name(name) if &*name == "elif" => {}
                Token::Name(name) if &*name == "else" => {
                    let otherwise = self.whole_body("if", &["endif"])?;
                    return Ok(StatementKind::If { branches, otherwise });
                }
                _ => return Ok(StatementKind::If { branches, otherwise: Vec::new() }),
            }
        }
    }

    fn set(&mut self) -> Outcome<StatementKind> {
        self.advance();
        let target = self.target(&[], true)?;
        if self.skip_operator("=") {
            return Ok(StatementKind::Set { target, value: self.tuple(true, &[])? });
        }
        let filter = self.filters(None, false)?;
        let body = self.whole_body("set", &["endset"])?;
        Ok(StatementKind::SetBlock { target, filter, body, frame: Frame::default() })
    }

    fn with(&mut self) -> Outcome<StatementKind> {
        self.advance();
        let mut targets = Vec::new();
        while *self.current() != Token::BlockEnd {
            if !targets.is_empty() {
                self.expect_operator(",")?;
            }
            let target = self.target(&[], false)?;
            self.expect_operator("=")?;
            targets.push((target, self.expression()?));
        }
        let body = self.whole_body("with", &["endwith"])?;
        Ok(StatementKind::With { targets, body, frame: Frame::default() })
    }

    fn block(&mut self, line: u32) -> Outcome<StatementKind> {
        self.advance();
        let name = self.name()?;
        if self.skip_name("scoped") {
            let message = "a block that is \"scoped\"";
            return Err(Failure::new(Kind::Unsupported, message).at(line));
        }
        let required = self.skip_name("required");
        let body = self.whole_body("block", &["endblock"])?;
        self.skip_name(&name);
        if required && !body.iter().all(is_blank) {
            return self.fail("a required block can hold nothing but comments and white space");
        }
        if self.blocks.iter().any(|block| block.name == name) {
            return self.fail(format!("the block {name:?} is defined twice"));
        }
        let frame = Frame::default();
        self.blocks.push(Block {
            name: name.clone(),
            body,
            frame,
            slots: 0,
            itself: None,
            parent: None,
        });
        Ok(StatementKind::Block(name))
    }

    fn outside(&mut self, tag: &str) -> Outcome<StatementKind> {
        self.advance();
        let mut stored = Vec::new();
        let template = self.expression()?;
        match tag {
            "include" => {
                if self.is_name("ignore") && *self.look() == Token::Name("missing".into()) {
                    self.advance();
                    self.advance();
                }
                self.import_context();
            }
            "import" => {
                self.expect_name("as")?;
                stored.push(self.name()?);
                self.import_context();
            }
            "from" => {
                self.expect_name("import")?;
                loop {
                    if !stored.is_empty() {
                        self.expect_operator(",")?;
                    }
                    if self.import_context() {
                        break;
                    }
                    let name = self.name()?;
                    stored.push(if self.skip_name("as") { self.name()? } else { name });
                    if self.import_context() || !self.is_operator(",") {
                        break;
                    }
                }
            }
            _ => {}
        }
        Ok(StatementKind::Outside(vec![template], stored))
    }

    fn import_context(&mut self) -> bool {
        let found = (self.is_name("with") || self.is_name("without"))
            && *self.look() == Token::Name("context".into());
        if found {
            self.advance();
            self.advance();
        }
        found
    }
}

fn macro_node(
    line: u32,
    name: Option<Text>,
    arguments: Vec<Text>,
    defaults: Vec<Expression>,
    body: Vec<Statement>,
) -> Arc<MacroNode> {
    let arguments = arguments.into_iter().map(|name| (name, Slot::default())).collect();
    Arc::new(MacroNode {
        line,
        name,
        arguments,
        defaults,
        body,
        caller: None,
        keywords: None,
        rest: None,
        frame: Frame::default(),
        slots: 0,
        target: Slot::default(),
        exported: false,
    })
}

fn is_blank(statement: &Statement) -> bool {
    let StatementKind::Output(output) = &statement.kind else { return false };
    output.iter().all(|part| match part {
        Output::Text(text) => text.trim().is_empty(),
        Output::Expression(_) => false,
    })
}
