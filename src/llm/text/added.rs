//! Tokens that are added to a vocabulary, as transformers' files write them down.

use serde_json::Value;
use tokenizers::AddedToken;

/// A token as a file spells it. What is left out follows from whether the token is special.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spelled {
    /// A string alone.
    Text(String),

    /// An object with `content` and flags.
    Flags { content: String, special: bool, flags: [Option<bool>; 4] },
}

/// The order of [`Spelled::Flags`]' flags.
const FLAGS: [&str; 4] = ["single_word", "lstrip", "rstrip", "normalized"];

impl Spelled {
    /// `"<s>"` or `{"content": "<s>", "lstrip": false, …}`.
    pub fn read(value: &Value) -> Option<Self> {
        if let Some(text) = value.as_str() {
            return Some(Self::Text(text.to_owned()));
        }
        let content = value.get("content")?.as_str()?.to_owned();
        let flag = |name: &str| value.get(name).and_then(Value::as_bool);
        let special = flag("special").unwrap_or(false);
        Some(Self::Flags { content, special, flags: FLAGS.map(flag) })
    }

    /// A token that is not a word of the text, without further flags.
    pub fn special(content: &str) -> Self {
        Self::Flags { content: content.to_owned(), special: true, flags: [None; 4] }
    }

    pub fn content(&self) -> &str {
        match self {
            Self::Text(content) | Self::Flags { content, .. } => content,
        }
    }

    #[must_use]
    pub fn made_special(mut self) -> Self {
        if let Self::Flags { special, .. } = &mut self {
            *special = true;
        }
        self
    }

    /// As the `tokenizers` crate takes it. A string alone is a special token.
    pub fn token(&self) -> AddedToken {
        let (special, [single_word, lstrip, rstrip, normalized]) = match self {
            Self::Text(_) => (true, [None; 4]),
            Self::Flags { special, flags, .. } => (*special, *flags),
        };
        AddedToken::from(self.content(), special)
            .single_word(single_word.unwrap_or(false))
            .lstrip(lstrip.unwrap_or(false))
            .rstrip(rstrip.unwrap_or(false))
            .normalized(normalized.unwrap_or(!special))
    }
}

/// A special token by its name: `bos_token`. `None`: the tokenizer has none of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub name: String,
    pub token: Option<Spelled>,
}

impl Named {
    pub fn text(name: &str, token: &str) -> Self {
        Self { name: name.to_owned(), token: Some(Spelled::Text(token.to_owned())) }
    }

    /// A token that takes the spaces before it with it.
    pub fn before_spaces(name: &str, token: &str) -> Self {
        let flags = [None, Some(true), None, None];
        let token = Spelled::Flags { content: token.to_owned(), special: true, flags };
        Self { name: name.to_owned(), token: Some(token) }
    }

    pub fn none(name: &str) -> Self {
        Self { name: name.to_owned(), token: None }
    }
}

/// transformers' own names for special tokens, in its order.
pub(super) const NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The special tokens of a tokenizer by name: transformers' names first, then the model's own.
#[derive(Clone, Debug)]
pub(super) struct NamedTokens(Vec<Named>);

impl NamedTokens {
    pub fn new() -> Self {
        Self(NAMES.map(Named::none).to_vec())
    }

    pub fn set(&mut self, named: Named) {
        match self.0.iter_mut().find(|known| known.name == named.name) {
            Some(known) => known.token = named.token,
            None => self.0.push(named),
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let named = self.0.iter().find(|named| named.name == name)?;
        Some(named.token.as_ref()?.content())
    }

    /// Those that there are.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Spelled)> {
        self.0.iter().filter_map(|named| Some((named.name.as_str(), named.token.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_file_leaves_out_follows_from_whether_the_token_is_special() {
        let token = |value: Value| Spelled::read(&value).unwrap().token();
        assert_eq!(token(json!("<a>")), AddedToken::from("<a>", true));
        assert_eq!(token(json!({"content": "<a>"})), AddedToken::from("<a>", false));
        let normalized = token(json!({"content": "<a>", "special": true, "normalized": true}));
        assert!(normalized.special && normalized.normalized);
        assert_eq!(Spelled::read(&json!(3)), None);
    }
}
