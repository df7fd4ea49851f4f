//! The engine's end of the Hub: one client, one queue, and the jobs that ask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::engine::{CandleEngine, spawn};
use crate::hub;
use crate::hub::cache::RepoKind;
use crate::hub::client::Client;
use crate::hub::details::{self, DetailEvent};
use crate::hub::keep::{self, Verified, Verifying};
use crate::hub::options::{ClientSettings, without_password};
use crate::hub::paths::HubPaths;
use crate::hub::queue::{Queue, QueueCommand, QueueEvent, QueueOptions, Until};
use crate::hub::search::{self, Page, Query};
use crate::hub::starter::Sources;
use crate::hub::token::{self, Token};
use crate::hub::vault::{Kept, Secret, Secrets, Vault};
use crate::jobs;
use crate::jobs::{Job, Progress, Wake};
use crate::llm;
use crate::state::hub::HubSettings;

pub type SearchJob = Job<(), Page, hub::Error>;
pub type SuggestJob = Job<(), Vec<String>, hub::Error>;
pub type DetailJob = Job<DetailEvent, (), hub::Error>;
pub type QueueJob = Job<QueueEvent, (), hub::Error>;

/// Says something once, when the secret will outlive this program: it is not to be lost before.
pub type SecretJob = Job<(), (), hub::Error>;
pub type PaceJob = Job<(), f64, hub::Error>;
pub type VerifyJob = Job<Verifying, Verified, hub::Error>;

/// What the branches of repositories point to.
pub type HeadsJob = Job<(), BTreeMap<String, String>, hub::Error>;

/// What the window asks of the Hub. Every method returns at once.
pub trait HubEngine {
    /// Takes settings, and what is known by now of what was kept.
    fn connect(&mut self, settings: &HubSettings) -> Result<Connected, hub::Error>;

    /// Reads what the system's keyring keeps for us, for the next [`Self::connect`]. `None`: it
    /// keeps nothing.
    fn unlock(&mut self, wake: Wake) -> Option<SecretJob>;

    /// Keeps a secret for this and later starts, or forgets the one that was kept.
    fn keep_secret(&mut self, secret: Secret, text: Option<String>, wake: Wake) -> SecretJob;

    /// `next`: a page that follows, by its address.
    fn search(&mut self, query: Query, next: Option<String>, wake: Wake) -> SearchJob;

    /// Names near to one that was not found.
    fn suggest(&mut self, kind: RepoKind, words: String, wake: Wake) -> SuggestJob;
    fn details(&mut self, kind: RepoKind, id: String, wake: Wake) -> DetailJob;

    /// How many multiplications this computer does in a second, in training.
    fn pace(&mut self, wake: Wake) -> PaceJob;

    /// Fetches what is in the queue for as long as the job is there.
    fn serve_queue(&mut self, wake: Wake) -> QueueJob;
    fn send_to_queue(&mut self, command: QueueCommand);

    /// Hashes what the cache holds of a model again.
    fn verify(&mut self, repo: String, wake: Wake) -> VerifyJob;

    /// What `main` of each of these models is now. One that is gone from the Hub is left out.
    fn heads(&mut self, repos: Vec<String>, wake: Wake) -> HeadsJob;

    /// The page of a repository in a browser.
    fn hub_page(&self, kind: RepoKind, repo: &str) -> String;
}

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
    fn of_system(paths: &HubPaths) -> Self {
        let vault = Vault::of_system(paths);
        let known = Arc::new(Mutex::new(vault.open_files()));
        Self { vault: Arc::new(vault), known }
    }

    fn known(&self) -> Secrets {
        lock(&self.known).clone()
    }

    /// Waits for the keyring.
    fn unlock(&self) -> Result<(), hub::Error> {
        let Secrets { token, proxy, trouble } = self.vault.open();
        let mut known = lock(&self.known);
        // What is known by now is younger than the question.
        known.token = known.token.take().or(token);
        known.proxy = known.proxy.take().or(proxy);
        trouble.map_or(Ok(()), |reason| Err(hub::Error::Keyring { reason }))
    }

    /// Waits for the keyring.
    fn keep(
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
    paths: HubPaths,
    client: Client,
    queue: Queue,
}

impl Connection {
    fn open(
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

impl CandleEngine {
    /// A job on the connection; it has failed already where there is none.
    fn ask<E, T, F>(&self, name: &str, wake: Wake, work: F) -> Job<E, T, hub::Error>
    where
        E: Send + 'static,
        T: Send + 'static,
        F: FnOnce(&Connection, &dyn Progress<E>) -> Result<T, hub::Error> + Send + 'static,
    {
        let Some(connection) = self.connection.clone() else {
            return Job::failed(hub::Error::NoHome);
        };
        spawn(name, wake, hub::Error::Thread, move |progress| work(&connection, progress))
    }
}

impl HubEngine for CandleEngine {
    fn connect(&mut self, settings: &HubSettings) -> Result<Connected, hub::Error> {
        let paths = HubPaths::from_env()?;
        let secrets = self.safe.get_or_insert_with(|| Safe::of_system(&paths)).known();
        let queue = self.connection.as_ref().map(|connection| connection.queue.clone());
        let connection = Connection::open(paths, settings, &secrets, queue)?;
        let kept = secrets.token.as_ref().map(|(_, kept)| *kept);
        let token_from = token::source(&connection.paths, kept);
        let proxy_from = password_of(&settings.proxy, &secrets);
        let proxy_from = proxy_from.map(|(_, kept)| kept.words().to_owned());
        self.connection = Some(Arc::new(connection));
        Ok(Connected { token_from, proxy_from })
    }

    fn unlock(&mut self, wake: Wake) -> Option<SecretJob> {
        let paths = HubPaths::from_env().ok()?; // connecting says that there is no home
        let safe = self.safe.get_or_insert_with(|| Safe::of_system(&paths)).clone();
        let is_locked_away = safe.vault.is_locked_away();
        is_locked_away.then(|| spawn("unlock", wake, hub::Error::Thread, move |_| safe.unlock()))
    }

    fn keep_secret(&mut self, secret: Secret, text: Option<String>, wake: Wake) -> SecretJob {
        let paths = match HubPaths::from_env() {
            Ok(paths) => paths,
            Err(err) => return Job::failed(err),
        };
        let is_none = |text: &String| secret == Secret::Token && Token::parse(text).is_none();
        if text.as_ref().is_some_and(is_none) {
            return Job::failed(hub::Error::BadToken);
        }
        let safe = self.safe.get_or_insert_with(|| Safe::of_system(&paths)).clone();
        spawn("keep", wake, hub::Error::Thread, move |progress| safe.keep(secret, text, progress))
    }

    fn search(&mut self, query: Query, next: Option<String>, wake: Wake) -> SearchJob {
        self.ask("search", wake, move |connection, progress| {
            search::search(&connection.client, &query, next.as_deref(), progress)
        })
    }

    fn suggest(&mut self, kind: RepoKind, words: String, wake: Wake) -> SuggestJob {
        self.ask("suggest", wake, move |connection, progress| {
            search::suggest(&connection.client, kind, &words, progress)
        })
    }

    fn details(&mut self, kind: RepoKind, id: String, wake: Wake) -> DetailJob {
        self.ask("details", wake, move |connection, progress| {
            details::details(&connection.client, &connection.paths, kind, &id, progress)
        })
    }

    fn pace(&mut self, wake: Wake) -> PaceJob {
        spawn("pace", wake, hub::Error::Thread, |_| Ok(llm::pace::multiplications_per_sec()))
    }

    fn serve_queue(&mut self, wake: Wake) -> QueueJob {
        self.ask("downloads", wake, move |connection, progress| {
            let Connection { paths, client, queue } = connection;
            let options = QueueOptions::new(paths.clone(), client.clone());
            queue.serve(&options, Until::Stopped, progress)
        })
    }

    fn send_to_queue(&mut self, command: QueueCommand) {
        if let Some(connection) = &self.connection {
            connection.queue.send(command);
        }
    }

    fn verify(&mut self, repo: String, wake: Wake) -> VerifyJob {
        self.ask("verify", wake, move |connection, progress| {
            jobs::give_way();
            keep::verify(&connection.paths, Some((RepoKind::Model, &repo)), progress)
        })
    }

    fn heads(&mut self, repos: Vec<String>, wake: Wake) -> HeadsJob {
        self.ask("updates", wake, move |connection, progress| {
            let mut heads = BTreeMap::new();
            for repo in repos {
                progress.check()?;
                match connection.client.commit_of(RepoKind::Model, &repo, "main") {
                    Ok(commit) => _ = heads.insert(repo, commit),
                    Err(hub::Error::NotFound { .. } | hub::Error::NoAccess { .. }) => {}
                    Err(err) => return Err(err),
                }
            }
            Ok(heads)
        })
    }

    fn hub_page(&self, kind: RepoKind, repo: &str) -> String {
        let connection = self.connection.as_ref();
        connection.map_or_else(String::new, |connection| connection.client.page_of(kind, repo))
    }
}
