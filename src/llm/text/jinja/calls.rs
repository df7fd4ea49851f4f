//! Loops and macros: what Jinja2 makes functions of.

use std::rc::Rc;
use std::sync::Arc;

use super::arguments::Values;
use super::failure::{Outcome, type_error};
use super::interpreter::{Flow, Rendering};
use super::syntax::{For, MacroNode};
use super::value::{Activation, Items, Key, LoopContext, Macro, Object, Value};

/// One pass through a loop.
struct Pass<'a> {
    node: &'a Arc<For>,
    /// The variables where the loop stands.
    around: &'a Rc<Activation>,
    /// The variables of its body: others, if the loop is a function of its own.
    variables: &'a Rc<Activation>,
    depth0: usize,
}

impl Rendering<'_> {
    pub fn for_statement(
        &self,
        node: &Arc<For>,
        variables: &Rc<Activation>,
        out: &mut String,
    ) -> Outcome<Flow> {
        let items = self.evaluate(&node.items, variables)?;
        if node.recursive {
            let text = self.recursive_loop(node, variables, &items, 0)?;
            out.push_str(&text);
            return Ok(Flow::On);
        }
        let pass = Pass { node, around: variables, variables, depth0: 0 };
        self.for_loop(&pass, &items, out)
    }

    /// One pass of a recursive loop, which is a function of its own.
    pub fn recursive_loop(
        &self,
        node: &Arc<For>,
        around: &Rc<Activation>,
        items: &Value,
        depth0: usize,
    ) -> Outcome<String> {
        let variables = Activation::new(node.slots, Some(around.clone()));
        let mut text = String::new();
        let pass = Pass { node, around, variables: &variables, depth0 };
        self.deeper(|| self.for_loop(&pass, items, &mut text))?;
        Ok(text)
    }

    fn for_loop(&self, pass: &Pass<'_>, items: &Value, out: &mut String) -> Outcome<Flow> {
        let Pass { node, around, variables, depth0 } = *pass;
        let source = Items::of(items).map_err(|failure| failure.at(node.items.line))?;
        let mut source = if node.test.is_some() {
            let variables = Activation::new(node.test_slots, Some(around.clone()));
            self.enter(&node.test_frame, &variables);
            chosen(node, variables, source)
        } else {
            source
        };
        let context = node.variable.map(|slot| {
            let again = node.recursive.then(|| (node.clone(), around.clone()));
            let whole = node.test.is_none().then(|| items.clone());
            let taken = std::mem::replace(&mut source, Items::Empty);
            let object =
                Rc::new(Object::Loop(Box::new(LoopContext::new(whole, taken, depth0, again))));
            (slot, object)
        });
        let mut nothing_done = true;
        loop {
            let next = match &context {
                Some((_, object)) => match &**object {
                    Object::Loop(context) => context.next(self)?,
                    _ => None,
                },
                None => source.next(self)?,
            };
            let Some(item) = next else { break };
            self.assign(&node.target, item, variables).map_err(|failure| failure.at(node.line))?;
            if let Some((slot, object)) = &context {
                variables.set(*slot, Some(Value::Object(object.clone())));
            }
            self.enter(&node.frame, variables);
            match self.run(&node.body, variables, out)? {
                Flow::Break => break,
                Flow::Continue => {}
                Flow::On => nothing_done = false,
            }
        }
        Self::leave(&node.frame, variables);
        if nothing_done && !node.otherwise.is_empty() {
            self.enter(&node.otherwise_frame, variables);
            let flow = self.run(&node.otherwise, variables, out)?;
            Self::leave(&node.otherwise_frame, variables);
            return Ok(flow);
        }
        Ok(Flow::On)
    }

    pub fn macro_value(node: &Arc<MacroNode>, variables: &Rc<Activation>) -> Value {
        Object::Macro(Macro { node: node.clone(), activation: variables.clone() }).into()
    }

    /// Calls a macro, with Jinja2's rules for what is left over.
    pub fn call_macro(&self, called: &Macro, values: Values) -> Outcome<Value> {
        let node = &*called.node;
        let Values { positional, mut named } = values;
        let name = node.name.as_deref().unwrap_or("None");
        let variables = Activation::new(node.slots, Some(called.activation.clone()));
        let mut given = positional.into_iter();
        let mut missing = Vec::new();
        let mut found_caller = false;
        for (index, (argument, slot)) in node.arguments.iter().enumerate() {
            let value = if let Some(value) = given.next() {
                Some(value)
            } else {
                found_caller |= &**argument == "caller";
                let at = named.iter().position(|(name, _)| name == argument);
                at.map(|at| named.remove(at).1)
            };
            if value.is_none() {
                missing.push((index, *slot));
            }
            if let Some(value) = &value {
                self.check_depth(value)?;
            }
            variables.set(*slot, value);
        }
        let mut take = |wanted: &str| {
            let at = named.iter().position(|(name, _)| &**name == wanted);
            at.map(|at| named.remove(at).1)
        };
        if let Some(slot) = node.caller
            && !found_caller
        {
            let caller = take("caller").filter(|caller| !matches!(caller, Value::None));
            variables
                .set(slot, Some(caller.unwrap_or_else(|| Value::undefined("No caller defined"))));
        }
        match (node.keywords, named.first()) {
            (Some(slot), _) => {
                let named = named.into_iter().map(|(name, value)| (Key::from(&*name), value));
                variables.set(slot, Some(Value::dict(named)));
            }
            (None, Some((keyword, _))) => {
                return type_error(format!("macro '{name}' takes no keyword argument '{keyword}'"));
            }
            (None, None) => {}
        }
        let rest: Vec<Value> = given.collect();
        match node.rest {
            Some(slot) => variables.set(slot, Some(Value::tuple(rest))),
            None if rest.is_empty() => {}
            None => {
                let count = node.arguments.len();
                return type_error(format!(
                    "macro '{name}' takes not more than {count} argument(s)"
                ));
            }
        }
        self.deeper(|| {
            self.enter(&node.frame, &variables);
            let first_default = node.arguments.len() - node.defaults.len();
            for (index, slot) in missing {
                let value = if let Some(at) = index.checked_sub(first_default) {
                    self.evaluate(&node.defaults[at], &variables)?
                } else {
                    let argument = &node.arguments[index].0;
                    Value::undefined(format!("parameter '{argument}' was not provided"))
                };
                variables.set(slot, Some(value));
            }
            let mut text = String::new();
            self.run(&node.body, &variables, &mut text)?;
            Ok(self.captured(text))
        })
    }
}

/// The items for which a loop's own `if` holds, chosen as they are needed.
fn chosen(node: &Arc<For>, variables: Rc<Activation>, mut source: Items) -> Items {
    let node = node.clone();
    Items::Made(Box::new(move |interpreter| {
        while let Some(item) = source.next(interpreter)? {
            if let Some(chosen) = interpreter.chosen(&node, &variables, item)? {
                return Ok(Some(chosen));
            }
        }
        Ok(None)
    }))
}
