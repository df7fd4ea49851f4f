//! Jinja2 as transformers runs chat templates: `ImmutableSandboxedEnvironment` with
//! `trim_blocks` and `lstrip_blocks`, loop controls, and what transformers adds.
//!
//! A crate would bring another Jinja: other numbers, other scopes, other errors. This one follows
//! Jinja2 and Python rule by rule, and `tests/reference/jinja_random.py` compares the two.

mod analysis;
mod arguments;
mod attributes;
mod builtins;
mod calls;
mod checks;
mod choices;
mod comparison;
mod dates;
mod evaluate;
mod expressions;
mod failure;
mod filters;
mod format;
mod globals;
mod interpreter;
mod items;
mod iteration;
mod json;
mod lexer;
mod loops;
mod markup;
mod methods;
mod names;
mod numbers;
mod operators;
mod parser;
mod percent;
mod pretty;
mod scopes;
mod sequences;
mod strings;
mod syntax;
mod targets;
mod text_filters;
mod value;
mod variables;
mod words;

use serde_json::{Map, Value as Json};
use time::PrimitiveDateTime;

pub use failure::{Failure, Kind};
pub use interpreter::Generated;

use parser::Parser;
use syntax::Tree;
use value::Value;

/// A template, read and ready to be filled in.
#[derive(Debug)]
pub struct Template {
    tree: Tree,
}

impl Template {
    pub fn new(source: &str) -> Result<Self, Failure> {
        let mut parser = Parser::new(lexer::tokens(source)?);
        let body = parser.template()?;
        let tree = scopes::resolve(body, parser.blocks)?;
        Ok(Self { tree })
    }

    /// The text with `variables`, and what of it stands between `{% generation %}` tags. `strftime_now`
    /// says `now`.
    pub fn render(
        &self,
        variables: &Map<String, Json>,
        now: PrimitiveDateTime,
    ) -> Result<(String, Vec<Generated>), Failure> {
        let variables =
            variables.iter().map(|(name, value)| (name.as_str().into(), Value::from(value)));
        interpreter::render(&self.tree, variables, now)
    }
}

#[cfg(test)]
mod jinja_tests;
