//! A model behind a server takes the place of the one in memory.

use std::sync::Arc;

use crate::app::Workbench;
use crate::app::tasks::probe_server::{ProbeServer, ServerToProbe};
use crate::hub::account::vault::Secret;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::ModelSlot;

impl Workbench {
    pub(super) fn probe_server(&mut self) {
        self.state.notices.clear(PanelId::Models);
        let remote = &mut self.state.models.remote;
        let filled = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let Some(address) = filled(&remote.address) else { return };
        let request =
            ServerToProbe { address, model: filled(&remote.model), key: filled(&remote.key) };
        remote.is_probing = true;
        self.start_instead(ProbeServer, request);
    }

    pub(super) fn stop_probing(&mut self) {
        // It may wait for the server: what it says is not heard any more.
        self.tasks.drop_all::<ProbeServer>();
        self.state.models.remote.is_probing = false;
    }

    /// What was found is used from now on.
    pub(super) fn use_server(&mut self) {
        let Some(probe) = self.state.models.remote.found.clone() else { return };
        self.unload_model();
        self.state.notices.clear(PanelId::Models);
        match self.engine.use_server(Arc::clone(&probe)) {
            Ok(()) => {
                self.state.playground.new_chat();
                self.state.model = ModelSlot::Remote(probe);
            }
            Err(error) => {
                let summary = "The server could not be used";
                self.state.notices.push(Notice::error(PanelId::Models, summary, &error));
            }
        }
    }

    /// Into the keyring, like the Hub's token.
    pub(in crate::app) fn keep_server_keys(&mut self, keys: String) {
        self.set_secret(Secret::Servers, Some(keys));
    }
}
