//! The arguments that name a model on a server, its key, and asking what it can do.

use anyhow::{Context as _, bail};
use clap::Args;

use super::out;
use crate::hub::account::vault::{Secret, Vault};
use crate::hub::paths::HubPaths;
use crate::remote::client::{Client, base_of};
use crate::remote::probe::{MOST_TIME, probe};
use crate::remote::server::Server;

/// Where a key is looked for.
const KEY_VARIABLE: &str = "TUNING_FORK_SERVER_KEY";

#[derive(Debug, Args)]
pub struct RemoteArgs {
    /// Ask a model on a server with OpenAI's interface, such as `localhost:8000` or
    /// `https://host/v1`, instead of one on this computer. `tuning-fork probe` says what it can do
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["model", "adapter"])]
    pub remote: Option<String>,

    /// Which of its models; without it, the first that it lists
    #[arg(long, value_name = "NAME")]
    pub remote_model: Option<String>,

    #[command(flatten)]
    pub key: KeyArgs,
}

#[derive(Debug, Default, Args)]
pub struct KeyArgs {
    /// The environment variable that holds the server's key; without it, `TUNING_FORK_SERVER_KEY`, then
    /// the key that the window has kept for this address
    #[arg(long, value_name = "VARIABLE")]
    pub key_env: Option<String>,
}

impl KeyArgs {
    /// `address`: as [`base_of`] gives it.
    pub fn key(&self, address: &str) -> anyhow::Result<Option<String>> {
        if let Some(name) = &self.key_env {
            let value = std::env::var(name).ok().filter(|value| !value.trim().is_empty());
            let value =
                value.with_context(|| format!("the environment has no {name} with a key"))?;
            return Ok(Some(value.trim().to_owned()));
        }
        let value = std::env::var(KEY_VARIABLE).ok().filter(|value| !value.trim().is_empty());
        if let Some(value) = value {
            return Ok(Some(value.trim().to_owned()));
        }
        let secrets = Vault::of_system(&HubPaths::from_env()?).open_some(&[Secret::Servers]);
        if let Some(trouble) = &secrets.trouble {
            out::note(&format!("warning: the keyring could not be read: {trouble}"));
        }
        Ok(secrets.server_key(address))
    }

    /// Asks a server what it can do, and says what is not to be relied on.
    pub fn open(&self, address: &str, model: Option<&str>) -> anyhow::Result<Server> {
        let key = self.key(&base_of(address)?)?;
        let client = Client::new(address, key.as_deref(), MOST_TIME)?;
        let probe = probe(&client, model)?;
        out::note(&format!("{} at {}", probe.model, probe.address));
        for lie in &probe.lies {
            out::note(&format!("warning: {lie}"));
        }
        Ok(Server::new(probe.into(), key.as_deref())?)
    }
}

impl RemoteArgs {
    /// The server that is named, if one is.
    pub fn open_named(&self) -> anyhow::Result<Option<Server>> {
        match &self.remote {
            Some(address) => Ok(Some(self.key.open(address, self.remote_model.as_deref())?)),
            None if self.remote_model.is_some() => bail!("--remote-model needs --remote"),
            None => Ok(None),
        }
    }
}
