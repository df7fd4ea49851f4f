//! A client as the environment, the settings and the vault have it together.

use super::account::token::Token;
use super::account::vault::{Secret, Secrets, Vault};
use super::paths::HubPaths;
use super::protocol::client::Client;
use super::protocol::options::ClientSettings;

/// A client for a command line: from the environment, and with the token that was typed into the
/// window. Waits for the keyring, if it holds that.
pub fn client(paths: &HubPaths) -> Client {
    client_with(paths, &Vault::of_system(paths))
}

fn client_with(paths: &HubPaths, vault: &Vault) -> Client {
    let with = |token: Option<Token>| {
        let settings = ClientSettings { token, ..ClientSettings::default() };
        Client::from_settings(paths, settings)
            .expect("without a proxy in the settings there is no address to be wrong")
    };
    let is_in_env = std::env::var("HF_TOKEN").is_ok_and(|text| Token::parse(&text).is_some());
    let client = with(None);
    if is_in_env || client.is_offline() {
        return client;
    }
    let Secrets { token, trouble, .. } = vault.open_some(&[Secret::Token]);
    if let Some(why) = trouble {
        // An error, though it goes on: without RUST_LOG nothing less is shown, and a model that
        // asks for consent would be refused for no reason that can be seen.
        log::error!("the token in the system's keyring could not be read, so none is sent: {why}");
    }
    with(token.map(|(token, _)| token))
}
