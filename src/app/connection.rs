//! The Hub as the window's work reaches it: one client, one queue, and where secrets are kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::hub;
use crate::hub::account::keyring::Kept;
use crate::hub::account::token;
use crate::hub::account::vault::{Secret, Secrets, Vault};
use crate::hub::fetch::queue::Queue;
use crate::hub::paths::HubPaths;
use crate::hub::protocol::client::Client;
use crate::hub::protocol::options::{ClientSettings, without_password};
use crate::hub::starter::Sources;
use crate::jobs::Progress;
use crate::state::hub::HubSettings;

/// What goes along with questions to the Hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connected {
    /// Where the token comes from, if there is one.
    pub token_from: Option<String>,

    /// Where the proxy's password is kept, if it has one.
    pub proxy_from: Option<String>,
}

/// Where secrets are kept, and what of them is known by now.
#[derive(Clone)]
pub(super) struct Safe {
    vault: Arc<Vault>,
    known: Arc<Mutex<Secrets>>,
}

impl Safe {
    /// Whether the keyring has something of ours that was not read yet.
    pub(super) fn is_locked_away(&self) -> bool {
        self.vault.is_locked_away()
    }

    pub(super) fn of_system(paths: &HubPaths) -> Self {
        let vault = Vault::of_system(paths);
        let known = Arc::new(Mutex::new(vault.open_files()));
        Self { vault: Arc::new(vault), known }
    }

    pub(super) fn known(&self) -> Secrets {
        lock(&self.known).clone()
    }

    /// Waits for the keyring.
    pub(super) fn unlock(&self) -> Result<(), hub::Error> {
        let Secrets { token, proxy, servers, trouble } = self.vault.open();
        let mut known = lock(&self.known);
        // What is known by now is younger than the question.
        known.token = known.token.take().or(token);
        known.proxy = known.proxy.take().or(proxy);
        known.servers = known.servers.take().or(servers);
        trouble.map_or(Ok(()), |reason| Err(hub::Error::Keyring { reason }))
    }

    /// Waits for the keyring.
    pub(super) fn keep(
        &self,
        secret: Secret,
        text: Option<String>,
        progress: &dyn Progress<()>,
    ) -> Result<(), hub::Error> {
        let set = |found: Option<(String, Kept)>| lock(&self.known).set(secret, found);
        let Some(text) = text else {
            set(None); // not used any more, even if it cannot be deleted
            let forgotten = self.vault.forget(secret);
            set(None); // nor if it was read meanwhile
            return forgotten;
        };
        let kept = self.vault.keep(secret, &text, &|| progress.emit(()))?;
        set(Some((text, kept)));
        Ok(())
    }
}

/// Where the Hub is and what is being fetched from it.
pub struct Connection {
    pub(super) paths: HubPaths,
    pub(super) client: Client,
    pub(super) queue: Queue,
}

impl Connection {
    pub(super) fn open(
        paths: HubPaths,
        settings: &HubSettings,
        secrets: &Secrets,
        queue: Option<Queue>,
    ) -> Result<Self, hub::Error> {
        let HubSettings { endpoint, proxy, offline } = settings;
        let filled = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let whole = password_of(proxy, secrets).map(|(whole, _)| whole.clone());
        let settings = ClientSettings {
            endpoint: filled(endpoint),
            token: secrets.token.as_ref().map(|(token, _)| token.clone()),
            proxy: whole.or_else(|| filled(proxy)),
            offline: *offline,
        };
        let client = Client::from_settings(&paths, settings)?;
        let queue = queue.unwrap_or_else(|| Queue::open(&paths.downloads));
        Ok(Self { paths, client, queue })
    }

    /// Where the starter model may come from.
    pub(super) fn starter(&self) -> Sources {
        Sources::with(self.paths.clone(), self.client.clone())
    }

    /// What goes along with its questions.
    pub(super) fn connected(&self, settings: &HubSettings, secrets: &Secrets) -> Connected {
        let kept = secrets.token.as_ref().map(|(_, kept)| *kept);
        let proxy = password_of(&settings.proxy, secrets);
        Connected {
            token_from: token::source(&self.paths, kept),
            proxy_from: proxy.map(|(_, kept)| kept.words().to_owned()),
        }
    }
}

/// The proxy's address with its password, if one is kept for this very proxy.
fn password_of<'a>(proxy: &str, secrets: &'a Secrets) -> Option<&'a (String, Kept)> {
    let is_of_this = |(whole, _): &&(String, Kept)| {
        without_password(whole).is_some_and(|bare| bare == proxy.trim())
    };
    secrets.proxy.as_ref().filter(is_of_this)
}

/// A worker that panicked while it held the lock left whole values behind, so its poison is void.
pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
