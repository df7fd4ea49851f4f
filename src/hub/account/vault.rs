//! What must not lie readable: the token, the proxy's password.
//!
//! It is in the system's keyring where there is one, else in a file for this account alone; until
//! the keyring has it, the file does, so that a program that is ended loses nothing. The keyring
//! itself: see `hub::account::keyring`.
//!
//! A keyring is asked over D-Bus, may want a password typed first, and may never answer: every
//! question has an end, and the window asks from a job. One that holds nothing of ours is not
//! asked at all.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::keyring::{Kept, Keyring, KeyringError, SystemKeyring};
use super::token::Token;
use crate::files;
use crate::hub::error::Error;
use crate::hub::paths::HubPaths;
use crate::jobs;
use crate::jobs::{Job, JobEnd, Quiet, Wake};

/// Long enough to type the password that unlocks a keyring.
const PATIENCE: Duration = Duration::from_secs(30);

/// A keyring that is open answers sooner.
const SAY_AFTER: Duration = Duration::from_secs(2);

/// How often a keyring that was asked is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    Token,

    /// A proxy's whole address, with its password: so it is never sent to another proxy.
    Proxy,

    /// The keys of servers that other models answer at, as a JSON object with their addresses.
    Servers,
}

impl Secret {
    const ALL: [Self; 3] = [Self::Token, Self::Proxy, Self::Servers];

    /// Its entry in the keyring.
    fn name(self) -> &'static str {
        match self {
            Self::Token => "hub-token",
            Self::Proxy => "proxy",
            Self::Servers => "server-keys",
        }
    }

    /// Where it lies without a keyring.
    fn file(self, paths: &HubPaths) -> &Path {
        match self {
            Self::Token => &paths.own_token,
            Self::Proxy => &paths.own_proxy,
            Self::Servers => &paths.own_server_keys,
        }
    }
}

/// What was kept. Its `Debug` shows none of it.
#[derive(Clone, Default)]
pub struct Secrets {
    pub token: Option<(Token, Kept)>,

    /// `http://user:password@host:port`
    pub proxy: Option<(String, Kept)>,

    /// See [`Secret::Servers`].
    pub servers: Option<(String, Kept)>,

    /// Why some of it could not be read, in a sentence.
    pub trouble: Option<String>,
}

impl Secrets {
    /// `None`, or what is no token: there is none any more.
    pub fn set(&mut self, secret: Secret, found: Option<(String, Kept)>) {
        match secret {
            Secret::Token => {
                self.token = found.and_then(|(text, kept)| Some((Token::parse(&text)?, kept)));
            }
            Secret::Proxy => self.proxy = found,
            Secret::Servers => self.servers = found,
        }
    }

    /// The key of a server, by its address.
    pub fn server_key(&self, address: &str) -> Option<String> {
        self.server_keys().remove(address)
    }

    /// The keys of all servers by their addresses.
    pub fn server_keys(&self) -> BTreeMap<String, String> {
        let text = self.servers.as_ref().map_or("", |(text, _)| text);
        serde_json::from_str(text).unwrap_or_default() // none, or from another version
    }

    fn has(&self, secret: Secret) -> bool {
        match secret {
            Secret::Token => self.token.is_some(),
            Secret::Proxy => self.proxy.is_some(),
            Secret::Servers => self.servers.is_some(),
        }
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { token, proxy, servers, trouble } = self;
        f.debug_struct("Secrets")
            .field("token", &token.as_ref().map(|(_, kept)| kept))
            .field("proxy", &proxy.as_ref().map(|(_, kept)| kept))
            .field("servers", &servers.as_ref().map(|(_, kept)| kept))
            .field("trouble", trouble)
            .finish()
    }
}

/// Keeps and reads them.
pub struct Vault {
    paths: HubPaths,
    keyring: Arc<dyn Keyring>,
    patience: Duration,

    /// One change at a time.
    turn: Mutex<()>,
}

impl Vault {
    /// With this system's keyring.
    pub fn of_system(paths: &HubPaths) -> Self {
        Self::with(paths, Arc::new(SystemKeyring), PATIENCE)
    }

    /// `patience`: an answer is waited for so long.
    pub fn with(paths: &HubPaths, keyring: Arc<dyn Keyring>, patience: Duration) -> Self {
        Self { paths: paths.clone(), keyring, patience, turn: Mutex::new(()) }
    }

    /// Whether the keyring would have to be asked for something. Looks at the disk only.
    pub fn is_locked_away(&self) -> bool {
        !self.in_keyring().is_empty()
    }

    /// Keeps `text` in place of what was kept before: in a file, until the keyring has it. From the
    /// call of `safe` on it outlives this program. Waits for the keyring.
    pub fn keep(&self, secret: Secret, text: &str, safe: &dyn Fn()) -> Result<Kept, Error> {
        let file = secret.file(&self.paths);
        files::write_private(file, text.as_bytes()).map_err(at(file))?;
        safe();
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, owned) = (secret.name(), text.to_owned());
        let held_before = self.in_keyring().contains(&secret);
        // Before it is asked: one that answers too late may hold it all the same.
        self.mark(secret, true)?;
        let why = match self.ask(move |keyring| keyring.set(name, &owned)) {
            Ok(()) => {
                // Another text is younger: it waits for its turn.
                if std::fs::read(file).is_ok_and(|kept| kept == text.as_bytes()) {
                    remove(file)?;
                }
                return Ok(Kept::Keyring);
            }
            Err(why) => why,
        };
        log::info!("the keyring does not keep the {name}: {why}");
        // An older one is there still, to be deleted with this one.
        if matches!(why, Silence::Said(_)) && !held_before {
            self.mark(secret, false)?;
        }
        Ok(Kept::File)
    }

    /// Deletes what was kept, wherever. Waits for the keyring, if it holds it.
    pub fn forget(&self, secret: Secret) -> Result<(), Error> {
        remove(secret.file(&self.paths))?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.in_keyring().contains(&secret) {
            let name = secret.name();
            let deleted = self.ask(move |keyring| keyring.delete(name));
            deleted.map_err(|why| Error::Keyring { reason: why.to_string() })?;
            self.mark(secret, false)?;
        }
        Ok(())
    }

    /// Reads everything. Waits for the keyring, if it holds something that is in no file.
    pub fn open(&self) -> Secrets {
        self.open_some(&Secret::ALL)
    }

    /// Reads what is wanted, and what lies in files anyway: a file is younger than what the keyring
    /// holds, since it was written because that did not serve.
    pub fn open_some(&self, wanted: &[Secret]) -> Secrets {
        let mut secrets = self.open_files();
        for secret in self.in_keyring().into_iter().filter(|secret| wanted.contains(secret)) {
            if secrets.has(secret) {
                continue;
            }
            let name = secret.name();
            match self.ask(move |keyring| keyring.get(name)) {
                Ok(text) => secrets.set(secret, text.map(|text| (text, Kept::Keyring))),
                Err(why) => {
                    secrets.trouble = Some(why.to_string());
                    break; // asked again, it would be waited for again
                }
            }
        }
        secrets
    }

    /// What lies in files, without asking the keyring.
    pub fn open_files(&self) -> Secrets {
        let mut secrets = Secrets::default();
        for secret in Secret::ALL {
            let text = std::fs::read_to_string(secret.file(&self.paths)).ok(); // or there is none
            secrets.set(secret, text.map(|text| (text, Kept::File)));
        }
        secrets
    }

    /// What the keyring holds, or may hold.
    fn in_keyring(&self) -> BTreeSet<Secret> {
        let bytes = std::fs::read(&self.paths.in_keyring).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default() // none, or from another version
    }

    fn mark(&self, secret: Secret, is_there: bool) -> Result<(), Error> {
        let before = self.in_keyring();
        let mut after = before.clone();
        if is_there {
            after.insert(secret)
        } else {
            after.remove(&secret)
        };
        let path = &self.paths.in_keyring;
        if after.is_empty() {
            return remove(path);
        }
        if after == before {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&after).expect("names can be written");
        files::write_atomic(path, &bytes).map_err(at(path))
    }

    /// Asks the keyring on a thread of its own, which is left behind if it does not answer. Says so
    /// where it takes as long as a person who types a password.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Keyring) -> Result<T, KeyringError> + Send + 'static,
    ) -> Result<T, Silence> {
        let keyring = Arc::clone(&self.keyring);
        let nobody: Wake = Arc::new(|_| {});
        let job =
            Job::<(), T, KeyringError>::spawn("keyring", nobody, move |_| question(&*keyring));
        let mut job = job.map_err(|error| Silence::Said(KeyringError(error.to_string())))?;
        let asked = Instant::now();
        let mut is_said = false;
        loop {
            if !is_said && asked.elapsed() > SAY_AFTER {
                is_said = true;
                // At this level: without RUST_LOG nothing less is shown.
                log::error!("waiting for the system's keyring: it may ask for its password");
            }
            match job.poll(|()| {}) {
                Some(JobEnd::Done(answer)) => return Ok(answer),
                Some(JobEnd::Failed(error)) => return Err(Silence::Said(error)),
                Some(JobEnd::Crashed(message)) => return Err(Silence::Said(KeyringError(message))),
                None if asked.elapsed() > self.patience => {
                    return Err(Silence::Nothing { secs: self.patience.as_secs() });
                }
                None => {
                    jobs::pause::<()>(&Quiet, LOOK_EVERY).ok(); // nobody stops this wait
                }
            }
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Silence {
    #[error(transparent)]
    Said(#[from] KeyringError),
    #[error("it did not answer within {secs} seconds")]
    Nothing { secs: u64 },
}

fn at(path: &Path) -> impl Fn(io::Error) -> Error + '_ {
    |source| Error::Write { path: path.to_owned(), source }
}

fn remove(path: &Path) -> Result<(), Error> {
    files::remove_if_there(path).map_err(at(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A keyring in memory.
    #[derive(Default)]
    struct Fake {
        entries: Mutex<BTreeMap<String, String>>,
        mood: Mood,

        /// What was read, in its order.
        asked_for: Mutex<Vec<String>>,
    }

    #[derive(Default, PartialEq, Eq)]
    enum Mood {
        #[default]
        Serves,

        /// As on a computer without D-Bus.
        Absent,

        /// As one that waits for a password that nobody types.
        Hangs,
    }

    impl Fake {
        fn answer<T>(
            &self,
            answer: impl FnOnce(&mut BTreeMap<String, String>) -> T,
        ) -> Result<T, KeyringError> {
            match self.mood {
                Mood::Serves => Ok(answer(&mut self.entries.lock().unwrap())),
                Mood::Absent => Err(KeyringError("there is no D-Bus".to_owned())),
                Mood::Hangs => {
                    jobs::pause::<()>(&Quiet, Duration::from_hours(1)).ok();
                    Err(KeyringError("an hour later".to_owned()))
                }
            }
        }
    }

    impl Keyring for Fake {
        fn get(&self, name: &str) -> Result<Option<String>, KeyringError> {
            self.asked_for.lock().unwrap().push(name.to_owned());
            self.answer(|entries| entries.get(name).cloned())
        }

        fn set(&self, name: &str, secret: &str) -> Result<(), KeyringError> {
            self.answer(|entries| _ = entries.insert(name.to_owned(), secret.to_owned()))
        }

        fn delete(&self, name: &str) -> Result<(), KeyringError> {
            self.answer(|entries| _ = entries.remove(name))
        }
    }

    fn vault(paths: &HubPaths, mood: Mood) -> (Arc<Fake>, Vault) {
        let fake = Arc::new(Fake { mood, ..Fake::default() });
        let patience = Duration::from_millis(20);
        (Arc::clone(&fake), Vault::with(paths, fake, patience))
    }

    fn token(vault: &Vault) -> Option<(String, Kept)> {
        vault.open().token.map(|(token, kept)| (token.reveal().to_owned(), kept))
    }

    #[test]
    fn a_keyring_keeps_it_and_no_file_does() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let (fake, vault) = vault(&paths, Mood::Serves);
        assert!(!vault.is_locked_away());
        files::write_private(&paths.own_token, b"hf_older").unwrap();
        assert_eq!(vault.keep(Secret::Token, "hf_secret", &|| {}).unwrap(), Kept::Keyring);
        assert!(!paths.own_token.exists(), "an older file would lie readable");
        assert!(vault.is_locked_away());
        assert_eq!(token(&vault), Some(("hf_secret".to_owned(), Kept::Keyring)));
        assert!(vault.open_files().token.is_none());
        let address = "http://ada:pass@proxy:3128";
        assert_eq!(vault.keep(Secret::Proxy, address, &|| {}).unwrap(), Kept::Keyring);
        vault.forget(Secret::Token).unwrap();
        assert_eq!(token(&vault), None);
        assert_eq!(vault.open().proxy, Some((address.to_owned(), Kept::Keyring)));
        vault.forget(Secret::Proxy).unwrap();
        assert!(!vault.is_locked_away() && fake.entries.lock().unwrap().is_empty());
    }

    #[test]
    fn without_a_keyring_a_private_file_keeps_it() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let (_, vault) = vault(&paths, Mood::Absent);
        assert_eq!(vault.keep(Secret::Token, "hf_secret", &|| {}).unwrap(), Kept::File);
        assert!(!vault.is_locked_away(), "it will not be asked again");
        let kept = vault.open();
        assert_eq!(
            (token(&vault), kept.trouble),
            (Some(("hf_secret".to_owned(), Kept::File)), None)
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&paths.own_token).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        vault.forget(Secret::Token).unwrap();
        assert_eq!(token(&vault), None);
    }

    #[test]
    fn a_keyring_that_never_answers_is_not_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let (_, hanging) = vault(&paths, Mood::Hangs);
        assert_eq!(hanging.keep(Secret::Token, "hf_secret", &|| {}).unwrap(), Kept::File);
        assert_eq!(token(&hanging), Some(("hf_secret".to_owned(), Kept::File)));
        // It may have taken it all the same: that is remembered, to be deleted there too.
        let error = hanging.forget(Secret::Token).unwrap_err().to_string();
        assert!(error.contains("did not answer"), "{error}");
        let trouble = hanging.open().trouble.unwrap();
        assert!(trouble.contains("did not answer"), "{trouble}");
        let (_, answering) = vault(&paths, Mood::Serves);
        answering.forget(Secret::Token).unwrap();
        assert!(!answering.is_locked_away());
    }

    #[test]
    fn a_secret_is_in_a_file_while_the_keyring_is_asked() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let (fake, vault) = vault(&paths, Mood::Serves);
        let was_safe = std::cell::Cell::new(false);
        let safe = || {
            // As if the program were killed here.
            let text = std::fs::read_to_string(&paths.own_token).unwrap();
            assert_eq!((text.as_str(), fake.entries.lock().unwrap().len()), ("hf_secret", 0));
            was_safe.set(true);
        };
        assert_eq!(vault.keep(Secret::Token, "hf_secret", &safe).unwrap(), Kept::Keyring);
        assert!(was_safe.get() && !paths.own_token.exists());
        // A younger one came while the keyring was asked: its file is not this one's to remove.
        let younger = || files::write_private(&paths.own_token, b"hf_younger").unwrap();
        vault.keep(Secret::Token, "hf_older", &younger).unwrap();
        assert_eq!(token(&vault), Some(("hf_younger".to_owned(), Kept::File)));
    }

    #[test]
    fn an_older_secret_in_the_keyring_is_not_lost_sight_of() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let (fake, serving) = vault(&paths, Mood::Serves);
        serving.keep(Secret::Token, "hf_older", &|| {}).unwrap();
        let (_, refusing) = vault(&paths, Mood::Absent);
        assert_eq!(refusing.keep(Secret::Token, "hf_newer", &|| {}).unwrap(), Kept::File);
        assert!(refusing.is_locked_away(), "the older one is there still");
        assert_eq!(token(&refusing), Some(("hf_newer".to_owned(), Kept::File)));
        serving.forget(Secret::Token).unwrap();
        assert!(!serving.is_locked_away() && fake.entries.lock().unwrap().is_empty());
    }

    #[test]
    fn what_lies_in_a_file_is_read_whatever_the_keyring_says() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let (_, serving) = vault(&paths, Mood::Serves);
        serving.keep(Secret::Token, "hf_secret", &|| {}).unwrap();
        let (_, refusing) = vault(&paths, Mood::Absent);
        let address = "http://ada:pass@proxy:3128";
        assert_eq!(refusing.keep(Secret::Proxy, address, &|| {}).unwrap(), Kept::File);
        let secrets = refusing.open();
        assert_eq!(secrets.proxy, Some((address.to_owned(), Kept::File)));
        assert!(secrets.token.is_none());
        assert_eq!(secrets.trouble.as_deref(), Some("there is no D-Bus"));
    }

    #[test]
    fn a_command_asks_the_keyring_for_nothing_but_the_token() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let (fake, vault) = vault(&paths, Mood::Serves);
        vault.keep(Secret::Token, "hf_secret", &|| {}).unwrap();
        vault.keep(Secret::Proxy, "http://ada:pass@proxy:3128", &|| {}).unwrap();
        let secrets = vault.open_some(&[Secret::Token]);
        assert!(secrets.token.is_some() && secrets.proxy.is_none());
        assert_eq!(*fake.asked_for.lock().unwrap(), ["hub-token"]);
    }

    #[test]
    fn what_is_kept_is_not_shown() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let (_, vault) = vault(&paths, Mood::Serves);
        vault.keep(Secret::Token, "hf_secret", &|| {}).unwrap();
        vault.keep(Secret::Proxy, "http://ada:secret@proxy:3128", &|| {}).unwrap();
        let shown = format!("{:?}", vault.open());
        assert!(!shown.contains("secret"), "{shown}");
        let marks = std::fs::read_to_string(&paths.in_keyring).unwrap();
        assert_eq!(marks, r#"["token","proxy"]"#);
    }
}
