//! How the Hub is reached: where it is, who asks, through what, and for how long. From the
//! environment as Python's client reads it, and from what a person set in this program.

use std::time::Duration;

use super::address::host_of;
use crate::hub::account::token::Token;
use crate::hub::error::Error;
use crate::hub::paths::HubPaths;

/// Where the Hub is and how to talk to it.
#[derive(Clone)]
pub struct ClientOptions {
    /// `https://huggingface.co`, or a mirror; without a slash at the end.
    pub endpoint: String,

    /// Sent to the endpoint only, never to where it redirects.
    pub token: Option<Token>,

    /// Ask nothing of the network.
    pub offline: bool,
    pub proxy: ProxyChoice,

    /// A dead network fails after this.
    pub connect_timeout: Duration,

    /// A server that took the request and says nothing fails after this.
    pub response_timeout: Duration,

    /// A page of a listing that takes longer than this fails.
    pub listing_timeout: Duration,
}

/// How the network is reached.
#[derive(Clone, PartialEq, Eq)]
pub enum ProxyChoice {
    /// As `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    FromEnv,
    None,

    /// Through this one (`http://host:port`, also with `user:password@`), but for the hosts that
    /// `NO_PROXY` names.
    Address(String),
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            endpoint: "https://huggingface.co".to_owned(),
            token: None,
            offline: false,
            proxy: ProxyChoice::FromEnv,
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(20),
            listing_timeout: Duration::from_mins(1),
        }
    }
}

/// Without token and passwords.
impl std::fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { endpoint, token, offline, proxy, .. } = self;
        f.debug_struct("ClientOptions")
            .field("endpoint", &host_of(endpoint))
            .field("token", token)
            .field("offline", offline)
            .field("proxy", proxy)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ProxyChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FromEnv => f.write_str("FromEnv"),
            Self::None => f.write_str("None"),
            Self::Address(address) => f.debug_tuple("Address").field(&host_of(address)).finish(),
        }
    }
}

/// What a person set in this program. The environment comes first: it is of this one start.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    /// A mirror. `None`: the Hub itself.
    pub endpoint: Option<String>,
    pub token: Option<Token>,

    /// `http://host:port`. `None`: as the environment says.
    pub proxy: Option<String>,
    pub offline: bool,
}

/// What the environment and the settings say together.
pub(crate) fn options_from(
    var: impl Fn(&str) -> Option<String>,
    paths: &HubPaths,
    settings: ClientSettings,
) -> ClientOptions {
    let is_on = |value: String| {
        matches!(value.trim().to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
    };
    let ClientSettings { endpoint, token, proxy, offline } = settings;
    let defaults = ClientOptions::default();
    // Those that ureq looks at.
    let names = ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"];
    let in_env = names.iter().any(|name| var(name).or_else(|| var(&name.to_lowercase())).is_some());
    let proxy = match proxy.filter(|address| !address.trim().is_empty()) {
        Some(address) if !in_env => ProxyChoice::Address(address.trim().to_owned()),
        _ => ProxyChoice::FromEnv,
    };
    ClientOptions {
        endpoint: var("HF_ENDPOINT").or(endpoint).unwrap_or(defaults.endpoint),
        token: var("HF_TOKEN")
            .and_then(|text| Token::parse(&text))
            .or(token)
            .or_else(|| Token::read(&paths.token_file)),
        offline: offline
            || ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].iter().any(|n| var(n).is_some_and(is_on)),
        proxy,
        ..ClientOptions::default()
    }
}

/// Whether a text can be used as [`ProxyChoice::Address`].
pub fn is_proxy(address: &str) -> bool {
    proxy_at(address).is_ok()
}

/// A proxy's address without its password. `None`: it has none.
///
/// `http://ada:secret@proxy:3128` is `http://ada@proxy:3128`.
pub fn without_password(address: &str) -> Option<String> {
    let start = address.find("://").map_or(0, |at| at + "://".len());
    let (scheme, rest) = address.split_at(start);
    let (account, host) = rest.rsplit_once('@')?;
    let (name, _password) = account.split_once(':')?;
    Some(format!("{scheme}{name}@{host}"))
}

/// A proxy, but not for the hosts of `NO_PROXY`.
pub(crate) fn proxy_at(address: &str) -> Result<ureq::Proxy, Error> {
    let bad = || Error::BadProxy { address: host_of(address) };
    let whole =
        if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let given = ureq::Proxy::new(&whole).map_err(|_about_the_address| bad())?;
    let mut builder = ureq::Proxy::builder(given.protocol())
        .host(given.host())
        .port(given.port())
        .resolve_target(given.resolve_target());
    if let Some(name) = given.username() {
        builder = builder.username(name);
    }
    if let Some(password) = given.password() {
        builder = builder.password(password);
    }
    let excepted = std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy"));
    for host in excepted.unwrap_or_default().split(',').map(str::trim).filter(|h| !h.is_empty()) {
        builder = builder.no_proxy(host);
    }
    builder.build().map_err(|_about_the_address| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_and_a_password_are_never_shown() {
        let options = ClientOptions {
            token: Token::parse("hf_secret"),
            proxy: ProxyChoice::Address("http://ada:secret@proxy:3128".to_owned()),
            endpoint: "https://ada:secret@mirror.example".to_owned(),
            ..ClientOptions::default()
        };
        let shown = format!("{options:?}");
        assert!(!shown.contains("secret"), "{shown}");
        assert!(shown.contains("proxy:3128") && shown.contains("mirror.example"), "{shown}");
    }

    #[test]
    fn a_password_is_told_from_an_address() {
        let bare = |address: &str| without_password(address);
        let expected = Some("http://ada@proxy:3128".to_owned());
        assert_eq!(bare("http://ada:secret@proxy:3128"), expected);
        assert_eq!(bare("http://ada:se:cr@et@proxy:3128"), expected);
        assert_eq!(bare("ada:secret@proxy"), Some("ada@proxy".to_owned()));
        assert_eq!(bare("http://ada@proxy:3128"), None);
        assert_eq!(bare("http://proxy:3128"), None);
    }

    #[test]
    fn the_environment_comes_before_the_settings_and_these_before_pythons_file() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        crate::files::write_atomic(&paths.token_file, b"hf_file\n").unwrap();
        let settings = || ClientSettings {
            endpoint: Some("https://settings.example".to_owned()),
            token: Token::parse("hf_settings"),
            proxy: Some("proxy:3128".to_owned()),
            offline: false,
        };
        let env = |vars: &'static [(&str, &str)]| {
            move |name: &str| {
                vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            }
        };
        let token = |options: &ClientOptions| options.token.clone().unwrap().reveal().to_owned();
        let none = options_from(env(&[]), &paths, ClientSettings::default());
        assert_eq!((token(&none).as_str(), none.offline), ("hf_file", false));
        assert_eq!(
            (none.endpoint.as_str(), none.proxy),
            ("https://huggingface.co", ProxyChoice::FromEnv)
        );
        let set = options_from(env(&[]), &paths, settings());
        assert_eq!(token(&set), "hf_settings");
        assert_eq!(set.endpoint, "https://settings.example");
        assert_eq!(set.proxy, ProxyChoice::Address("proxy:3128".to_owned()));
        let vars = &[
            ("HF_TOKEN", " hf_env\n"),
            ("https_proxy", "other:1"),
            ("HF_HUB_OFFLINE", "1"),
            ("HF_ENDPOINT", "https://mirror.example"),
        ];
        let both = options_from(env(vars), &paths, settings());
        assert_eq!((token(&both).as_str(), both.offline), ("hf_env", true));
        assert_eq!(both.proxy, ProxyChoice::FromEnv);
        assert_eq!(both.endpoint, "https://mirror.example");
    }
}
