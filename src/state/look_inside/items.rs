//! The texts of a map as the items of a questionnaire.

use std::path::PathBuf;
use std::sync::Arc;

use super::slot::Slot;
use crate::explore::vectors::constructs::{ConstructView, Predicted};
use crate::explore::vectors::shorter::Shortened;

/// What is asked of the items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemForm {
    /// The column that says which construct an item is to measure.
    pub construct: String,

    /// The column that says what an item is called in the table of answers. `None`: its text.
    pub item: Option<String>,

    /// A table of people's answers, a column an item.
    pub answers: Option<PathBuf>,

    /// Items of each construct that stay when the questionnaire is made shorter.
    pub keep: usize,
}

impl Default for ItemForm {
    fn default() -> Self {
        Self { construct: String::new(), item: None, answers: None, keep: 4 }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemsFound {
    pub form: ItemForm,

    /// What each item is called.
    pub names: Vec<String>,
    pub view: ConstructView,

    /// With a table of answers.
    pub predicted: Option<Predicted>,
    pub shorter: Shortened,
}

/// The part.
#[derive(Debug, Default)]
pub struct ItemsState {
    pub form: ItemForm,
    pub found: Slot<Arc<ItemsFound>>,

    /// Counts what was found: pictures are kept by it.
    pub version: u64,
}

impl ItemsState {
    pub fn set_found(&mut self, found: ItemsFound) {
        self.version += 1;
        self.found = Slot::Ready(Arc::new(found));
    }

    /// Another map: its columns count. `texts`: the column of its texts.
    pub fn follow(&mut self, columns: &[String], texts: &str) {
        self.found = Slot::Empty;
        let has = |name: &str| columns.iter().any(|column| column == name);
        if !has(&self.form.construct) {
            let usual = ["construct", "trait", "factor", "scale", "domain"];
            let usual = usual.into_iter().find(|name| has(name)).map(str::to_owned);
            let other = || columns.iter().find(|name| *name != texts).cloned();
            self.form.construct = usual.or_else(other).unwrap_or_default();
        }
        if self.form.item.as_ref().is_none_or(|name| !has(name)) {
            self.form.item = has("item").then(|| "item".to_owned());
        }
    }

    /// Why nothing can be found, in a sentence.
    pub fn obstacle(&self) -> Option<&'static str> {
        if self.found.is_running() {
            return Some("The items are being compared");
        }
        self.form.construct.is_empty().then_some(
            "The table has no column beside the texts: one must say which construct each item measures",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_map_brings_its_own_columns() {
        let mut items = ItemsState::default();
        let columns =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        items.follow(&columns(&["text", "key", "trait", "item"]), "text");
        assert_eq!(items.form.construct, "trait");
        assert_eq!(items.form.item.as_deref(), Some("item"));
        items.form.construct = "key".to_owned();
        items.follow(&columns(&["text", "key"]), "text");
        assert_eq!((items.form.construct.as_str(), items.form.item.as_deref()), ("key", None));
        items.follow(&columns(&["text"]), "text");
        assert!(items.obstacle().unwrap().contains("no column beside the texts"));
    }
}
