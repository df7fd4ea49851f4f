//! A template as the parser leaves it, and where each of its names lives.

use std::sync::Arc;

pub type Text = Arc<str>;

#[derive(Debug)]
pub struct Tree {
    pub body: Vec<Statement>,
    pub frame: Frame,
    /// How many variables the outermost function has.
    pub slots: usize,
    pub blocks: Vec<Arc<Block>>,
    /// Where `self` lives, if the template uses it.
    pub itself: Option<Slot>,
}

/// A variable: how many functions further out, and which one there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    pub outward: u32,
    pub index: u32,
}

/// What happens to a frame's variables when it is entered.
#[derive(Debug, Default)]
pub struct Frame {
    pub loads: Vec<(Slot, Load)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// Set by whoever enters.
    Parameter,
    /// Looked up among what was passed to the template.
    Resolve(Text),
    /// Begins as a copy of a variable further out.
    Alias(Slot),
    Missing,
}

#[derive(Debug)]
pub struct Statement {
    pub line: u32,
    pub kind: StatementKind,
}

#[derive(Debug)]
pub enum StatementKind {
    Output(Vec<Output>),
    Set {
        target: Target,
        value: Expression,
    },
    SetBlock {
        target: Target,
        filter: Option<Expression>,
        body: Vec<Statement>,
        frame: Frame,
    },
    If {
        branches: Vec<(Expression, Vec<Statement>)>,
        otherwise: Vec<Statement>,
    },
    For(Arc<For>),
    Break,
    Continue,
    With {
        targets: Vec<(Target, Expression)>,
        body: Vec<Statement>,
        frame: Frame,
    },
    Macro(Arc<MacroNode>),
    CallBlock {
        call: Expression,
        caller: Arc<MacroNode>,
    },
    FilterBlock {
        filter: Expression,
        body: Vec<Statement>,
        frame: Frame,
    },
    Autoescape {
        value: Expression,
        body: Vec<Statement>,
        frame: Frame,
    },
    Block(Text),
    Extends(Expression),
    /// `include` and `import`: there is nothing to be found outside a chat template.
    Outside(Vec<Expression>, Vec<Text>),
}

#[derive(Debug)]
pub enum Output {
    Text(Text),
    Expression(Expression),
}

#[derive(Debug)]
pub struct For {
    pub line: u32,
    pub target: Target,
    pub items: Expression,
    pub test: Option<Expression>,
    pub recursive: bool,
    pub body: Vec<Statement>,
    pub otherwise: Vec<Statement>,
    /// Where `loop` lives, if the body uses it.
    pub variable: Option<Slot>,
    pub frame: Frame,
    pub otherwise_frame: Frame,
    pub test_frame: Frame,
    /// The target as the function that filters sees it.
    pub test_target: Target,
    pub test_slots: usize,
    /// Variables of the function that a recursive loop is.
    pub slots: usize,
}

#[derive(Debug)]
pub struct MacroNode {
    pub line: u32,
    pub name: Option<Text>,
    pub arguments: Vec<(Text, Slot)>,
    pub defaults: Vec<Expression>,
    pub body: Vec<Statement>,
    pub caller: Option<Slot>,
    pub keywords: Option<Slot>,
    pub rest: Option<Slot>,
    pub frame: Frame,
    pub slots: usize,
    /// Where a macro's own name lives.
    pub target: Slot,
    /// Set at the outermost level: blocks can see it.
    pub exported: bool,
}

#[derive(Debug)]
pub struct Block {
    pub name: Text,
    pub body: Vec<Statement>,
    pub frame: Frame,
    pub slots: usize,
    pub itself: Option<Slot>,
    pub parent: Option<Slot>,
}

#[derive(Clone, Debug)]
pub enum Target {
    Name { name: Text, slot: Slot, exported: bool },
    Attribute { of: Text, slot: Slot, attribute: Text },
    Tuple(Vec<Self>),
}

#[derive(Debug)]
pub struct Expression {
    pub line: u32,
    pub kind: ExpressionKind,
}

#[derive(Debug)]
pub enum ExpressionKind {
    Constant(Constant),
    /// What `{% generation %}` calls with its body.
    Generation,
    Name {
        name: Text,
        slot: Slot,
    },
    Tuple(Vec<Expression>),
    List(Vec<Expression>),
    Dict(Vec<(Expression, Expression)>),
    Attribute(Box<Expression>, Text),
    Item(Box<Expression>, Box<Expression>),
    Slice(Box<Expression>, Box<[Option<Expression>; 3]>),
    Call(Box<Expression>, Arguments),
    /// Without a value it is that of a block.
    Filter {
        value: Option<Box<Expression>>,
        name: Text,
        arguments: Arguments,
    },
    Test {
        value: Box<Expression>,
        name: Text,
        arguments: Arguments,
    },
    Binary(Binary, Box<Expression>, Box<Expression>),
    Negative(Box<Expression>),
    Positive(Box<Expression>),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Concat(Vec<Expression>),
    Compare(Box<Expression>, Vec<(Comparison, Expression)>),
    Conditional {
        test: Box<Expression>,
        then: Box<Expression>,
        otherwise: Option<Box<Expression>>,
    },
}

#[derive(Clone, Debug)]
pub enum Constant {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Text),
}

#[derive(Debug, Default)]
pub struct Arguments {
    pub positional: Vec<Expression>,
    pub named: Vec<(Text, Expression)>,
    pub rest: Option<Box<Expression>>,
    pub keywords: Option<Box<Expression>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

/// Whether Jinja2 knows the value before the template is filled in.
pub fn is_constant(expression: &Expression) -> bool {
    match &expression.kind {
        ExpressionKind::Constant(_) => true,
        ExpressionKind::Generation
        | ExpressionKind::Name { .. }
        | ExpressionKind::Call(..)
        | ExpressionKind::Filter { value: None, .. } => false,
        ExpressionKind::Tuple(items)
        | ExpressionKind::List(items)
        | ExpressionKind::Concat(items) => items.iter().all(is_constant),
        ExpressionKind::Dict(items) => {
            items.iter().all(|(key, value)| is_constant(key) && is_constant(value))
        }
        ExpressionKind::Attribute(value, _)
        | ExpressionKind::Negative(value)
        | ExpressionKind::Positive(value)
        | ExpressionKind::Not(value) => is_constant(value),
        ExpressionKind::Slice(value, parts) => {
            is_constant(value) && parts.iter().flatten().all(is_constant)
        }
        ExpressionKind::Item(left, right)
        | ExpressionKind::Binary(_, left, right)
        | ExpressionKind::And(left, right)
        | ExpressionKind::Or(left, right) => is_constant(left) && is_constant(right),
        ExpressionKind::Filter { value: Some(value), name, arguments } => {
            let takes_context = matches!(
                &**name,
                "map" | "select" | "reject" | "selectattr" | "rejectattr" | "random"
            );
            !takes_context && is_constant(value) && are_constant(arguments)
        }
        ExpressionKind::Test { value, arguments, .. } => {
            is_constant(value) && are_constant(arguments)
        }
        ExpressionKind::Compare(first, rest) => {
            is_constant(first) && rest.iter().all(|(_, operand)| is_constant(operand))
        }
        ExpressionKind::Conditional { test, then, otherwise } => {
            is_constant(test)
                && is_constant(then)
                && otherwise.as_ref().is_some_and(|value| is_constant(value))
        }
    }
}

fn are_constant(arguments: &Arguments) -> bool {
    let Arguments { positional, named, rest, keywords } = arguments;
    positional.iter().all(is_constant)
        && named.iter().all(|(_, value)| is_constant(value))
        && rest.iter().chain(keywords).all(|value| is_constant(value))
}
