//! What a chat template gets beside the messages of a row.

use serde_json::Value;

use super::content::{Beside, Fault, Fields};
use super::value;
use crate::data::literal;

/// `tools` (a list, or that list as JSON in a text) and `chat_template_kwargs`, as TRL reads them.
pub(super) fn beside(row: &Fields) -> Result<Beside, Fault> {
    let tools = match value::given(row, "tools") {
        Some(Value::String(text)) if text.trim().is_empty() => None,
        Some(Value::String(text)) => Some(literal::list_or_object(text).ok_or_else(|| {
            let sentence = "\"tools\" is text that holds no list, neither as JSON nor as Python \
                            prints it";
            Fault::new("tools", sentence.to_owned())
        })?),
        tools => tools.cloned(),
    };
    if let Some(tools) = &tools {
        let is_list = tools.as_array().is_some_and(|tools| tools.iter().all(Value::is_object));
        if !is_list {
            let sentence = "\"tools\" must be a list of functions, each an object with its JSON \
                            schema";
            return Err(Fault::new("tools", sentence.to_owned()));
        }
    }
    let kwargs = match value::given(row, "chat_template_kwargs") {
        None => Fields::new(),
        Some(Value::Object(kwargs)) => kwargs.clone(),
        Some(other) => {
            let sentence = format!(
                "\"chat_template_kwargs\" must be an object such as {{\"enable_thinking\": \
                 false}}, and it is {}",
                value::kind_of(other)
            );
            return Err(Fault::new("chat_template_kwargs", sentence));
        }
    };
    Ok(Beside { tools, kwargs })
}
