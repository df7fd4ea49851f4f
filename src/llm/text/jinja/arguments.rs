//! The arguments of a call, sorted as Python sorts them.

use super::failure::{Outcome, type_error};
use super::syntax::Text;
use super::value::Value;

#[derive(Clone, Debug, Default)]
pub struct Values {
    pub positional: Vec<Value>,
    pub named: Vec<(Text, Value)>,
}

impl Values {
    /// The values of the parameters `names`, of which the first `required` must be there. Names
    /// that begin with `/` are positional only.
    pub fn bind<const N: usize>(
        self,
        function: &str,
        names: [&str; N],
        required: usize,
    ) -> Outcome<[Option<Value>; N]> {
        let mut bound = [const { None }; N];
        let given = self.positional.len();
        if given > N {
            return type_error(format!("{function}() takes at most {N} arguments ({given} given)"));
        }
        for (place, value) in bound.iter_mut().zip(self.positional) {
            *place = Some(value);
        }
        for (name, value) in self.named {
            match names.iter().position(|parameter| *parameter == &*name) {
                Some(at) if bound[at].is_none() => bound[at] = Some(value),
                Some(_) => {
                    return type_error(format!(
                        "{function}() got multiple values for argument '{name}'"
                    ));
                }
                None => {
                    return type_error(format!(
                        "{function}() got an unexpected keyword argument '{name}'"
                    ));
                }
            }
        }
        if let Some(at) = bound[..required].iter().position(Option::is_none) {
            let name = names[at].trim_start_matches('/');
            return type_error(format!("{function}() is missing its argument '{name}'"));
        }
        Ok(bound)
    }

    /// For what takes no arguments at all.
    pub fn none(self, function: &str) -> Outcome<()> {
        self.bind(function, [], 0).map(|[]| ())
    }
}
