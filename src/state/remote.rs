//! A model behind a server, as the Models panel chooses it.

use std::sync::Arc;

use crate::remote::probe::Probe;

/// Everything of the card.
#[derive(Clone, Default)]
pub struct RemoteState {
    /// "A model on a server…" was pressed.
    pub is_asked: bool,

    /// As it was typed.
    pub address: String,

    /// A key that was typed. It is kept, and emptied, once the server has taken it.
    pub key: String,

    /// Which of its models; empty: the first that it lists.
    pub model: String,

    /// It is being asked what it can.
    pub is_probing: bool,

    /// What it can.
    pub found: Option<Arc<Probe>>,
}

/// Without the key.
impl std::fmt::Debug for RemoteState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { is_asked, address, key: _, model, is_probing, found } = self;
        f.debug_struct("RemoteState")
            .field("is_asked", is_asked)
            .field("address", address)
            .field("model", model)
            .field("is_probing", is_probing)
            .field("found", found)
            .finish()
    }
}

impl RemoteState {
    /// Another address was typed: what was found is of the one before.
    pub fn address_changed(&mut self) {
        self.found = None;
        self.model.clear();
    }
}
