//! The engine's end of the Hub: one client, one queue, and the jobs that ask.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::engine::CandleEngine;
use crate::hub;
use crate::hub::cache::RepoKind;
use crate::hub::client::Client;
use crate::hub::details::{self, DetailEvent};
use crate::hub::keep::{self, Verified, Verifying};
use crate::hub::options::ClientSettings;
use crate::hub::paths::HubPaths;
use crate::hub::queue::{Queue, QueueCommand, QueueEvent, QueueOptions, Until};
use crate::hub::search::{self, Page, Query};
use crate::hub::token::{self, Token};
use crate::jobs::{Job, Progress, Wake};
use crate::state::hub::HubSettings;

pub type SearchJob = Job<(), Page, hub::Error>;
pub type SuggestJob = Job<(), Vec<String>, hub::Error>;
pub type DetailJob = Job<DetailEvent, (), hub::Error>;
pub type QueueJob = Job<QueueEvent, (), hub::Error>;
pub type VerifyJob = Job<Verifying, Verified, hub::Error>;

/// What the branches of repositories point to.
pub type HeadsJob = Job<(), BTreeMap<String, String>, hub::Error>;

/// What the window asks of the Hub. Every method returns at once.
pub trait HubEngine {
    /// Takes settings. Where the token comes from, if there is one.
    fn connect(&mut self, settings: &HubSettings) -> Result<Option<String>, hub::Error>;

    /// Keeps a token for this and later starts, or forgets the one that was kept.
    fn keep_token(&mut self, token: Option<String>) -> Result<(), hub::Error>;

    /// `next`: a page that follows, by its address.
    fn search(&mut self, query: Query, next: Option<String>, wake: Wake) -> SearchJob;

    /// Names near to one that was not found.
    fn suggest(&mut self, kind: RepoKind, words: String, wake: Wake) -> SuggestJob;
    fn details(&mut self, kind: RepoKind, id: String, wake: Wake) -> DetailJob;

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

/// Where the Hub is and what is being fetched from it.
pub struct Connection {
    paths: HubPaths,
    client: Client,
    queue: Queue,
}

impl Connection {
    fn open(settings: &HubSettings, queue: Option<Queue>) -> Result<Self, hub::Error> {
        let paths = HubPaths::from_env()?;
        let HubSettings { endpoint, proxy, offline } = settings;
        let filled = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let settings = ClientSettings {
            endpoint: filled(endpoint),
            token: None, // it is in the file that is read in any case
            proxy: filled(proxy),
            offline: *offline,
        };
        let client = Client::from_settings(&paths, settings)?;
        let queue = queue.unwrap_or_else(|| Queue::open(&paths.downloads));
        Ok(Self { paths, client, queue })
    }
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
        let job = Job::spawn(name, wake, move |progress| work(&connection, progress));
        job.unwrap_or_else(|err| Job::failed(hub::Error::Thread(err)))
    }
}

impl HubEngine for CandleEngine {
    fn connect(&mut self, settings: &HubSettings) -> Result<Option<String>, hub::Error> {
        let queue = self.connection.as_ref().map(|connection| connection.queue.clone());
        let connection = Connection::open(settings, queue)?;
        let token_from = token::source(&connection.paths);
        self.connection = Some(Arc::new(connection));
        Ok(token_from)
    }

    fn keep_token(&mut self, token: Option<String>) -> Result<(), hub::Error> {
        let paths = HubPaths::from_env()?;
        match token {
            Some(text) => Token::parse(&text).ok_or(hub::Error::BadToken)?.keep(&paths.own_token),
            None => Token::forget(&paths.own_token),
        }
        .map_err(|source| hub::Error::Write { path: paths.own_token, source })
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
