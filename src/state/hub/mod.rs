//! Finding, choosing and fetching models and datasets: what is asked, what came, what is on its
//! way. Asking itself: see `hub`. What is drawn: see `panels::models`.

pub mod detail;
pub mod fit;
pub mod results;
pub mod runs;

use crate::hub::browse::search::{Format, Query, Task};
use crate::hub::fetch::queue::{Item, ItemState, Totals};
use crate::hub::protocol::options::{is_proxy, without_password};

use self::detail::DetailView;
use self::results::Results;

/// Typing has to rest for so long before the Hub is asked.
pub const DEBOUNCE_SECS: f64 = 0.3;

/// The three parts of the Models panel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelsTab {
    #[default]
    Installed,
    Find,
    Downloads,
}

/// Everything about the Hub that is shown.
#[derive(Clone, Debug, Default)]
pub struct HubState {
    pub tab: ModelsTab,

    /// As it stands in the fields.
    pub query: Query,

    /// When a field was last changed, by a clock that only goes forward. `None`: all that is in
    /// the fields has been asked.
    pub edited_at: Option<f64>,
    pub results: Results,

    /// The repository that is looked at.
    pub detail: Option<DetailView>,

    /// The search field wants the cursor in the next frame.
    pub wants_cursor: bool,

    /// What is being downloaded or waits, in its order.
    pub downloads: Vec<Item>,
    pub settings: SettingsForm,
}

impl HubState {
    /// A field was changed.
    pub fn edited(&mut self, now_secs: f64) {
        self.edited_at = Some(now_secs);
    }

    /// Seconds until the fields are to be asked; zero or less: now.
    pub fn ask_in(&self, now_secs: f64) -> Option<f64> {
        self.edited_at.map(|then| then + DEBOUNCE_SECS - now_secs)
    }

    /// Looks for the same as GGUF files, which take a fraction of the memory.
    pub fn look_for_gguf(&mut self, name: &str) {
        let words = name.to_owned();
        self.query = Query { words, format: Some(Format::Gguf), ..Query::default() };
        self.detail = None;
    }

    /// Looks for models that guess masked words.
    pub fn look_for_masked(&mut self) {
        self.query = Query { task: Some(Task::FillMask), ..Query::default() };
        self.detail = None;
        self.edited(0.0); // long ago: it is asked at once
    }

    /// What is being downloaded or waits, for the tab's name.
    pub fn open_downloads(&self) -> usize {
        self.downloads.iter().filter(|item| !matches!(item.state, ItemState::Done { .. })).count()
    }

    pub fn totals(&self) -> Totals {
        Totals::of(&self.downloads)
    }
}

/// What can be set about the Hub. Part of the preferences, but for the token.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct HubSettings {
    /// A mirror. Empty: the Hub itself. `HF_ENDPOINT` comes first.
    pub endpoint: String,

    /// `http://user@host:port`; its password is kept apart. `HTTPS_PROXY` and its like come first.
    pub proxy: String,

    /// Ask nothing of the network.
    pub offline: bool,
}

impl HubSettings {
    /// Takes the password out of the proxy's address. The whole address, if it had one.
    pub fn take_password(&mut self) -> Option<String> {
        let bare = without_password(self.proxy.trim())?;
        Some(std::mem::replace(&mut self.proxy, bare).trim().to_owned())
    }

    /// Why they cannot be used, in a sentence.
    pub fn problem(&self) -> Option<&'static str> {
        let is_web = |text: &str| {
            let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
        };
        let (endpoint, proxy) = (self.endpoint.trim(), self.proxy.trim());
        if !endpoint.is_empty() && !is_web(endpoint) {
            return Some("The mirror's address has to begin with https:// or http://");
        }
        if !proxy.is_empty() && !is_proxy(proxy) {
            return Some("The proxy's address has to be like http://host:port");
        }
        None
    }
}

/// The settings as they stand in the form.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SettingsForm {
    pub open: bool,
    pub draft: HubSettings,

    /// As it is typed; emptied as soon as it is handed over.
    pub token: String,

    /// Whether there is a token, and where it comes from. Never the token.
    pub token_from: Option<String>,

    /// Where the proxy's password is kept, if it has one.
    pub proxy_from: Option<String>,

    /// The system's keyring was asked and has not answered yet.
    pub is_keyring_asked: bool,
}

/// A token that was typed must not get into a log.
impl std::fmt::Debug for SettingsForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { open, draft, token, token_from, proxy_from, is_keyring_asked } = self;
        f.debug_struct("SettingsForm")
            .field("open", open)
            .field("endpoint", &draft.endpoint)
            .field("token", &if token.is_empty() { "" } else { "…" })
            .field("token_from", token_from)
            .field("proxy_from", proxy_from)
            .field("is_keyring_asked", is_keyring_asked)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_rests_before_the_hub_is_asked() {
        let mut hub = HubState::default();
        assert_eq!(hub.ask_in(5.0), None);
        hub.edited(5.0);
        assert!(hub.ask_in(5.1).is_some_and(|wait| wait > 0.0));
        hub.edited(5.2);
        assert!(hub.ask_in(5.4).is_some_and(|wait| wait > 0.0), "the last key counts");
        assert!(hub.ask_in(5.51).is_some_and(|wait| wait <= 0.0));
    }

    #[test]
    fn addresses_that_are_none_are_said() {
        let with = |endpoint: &str, proxy: &str| HubSettings {
            endpoint: endpoint.to_owned(),
            proxy: proxy.to_owned(),
            offline: false,
        };
        assert_eq!(with("", "").problem(), None);
        assert_eq!(with("https://mirror.example", "http://proxy:3128").problem(), None);
        assert_eq!(with("", "proxy:3128").problem(), None);
        assert!(with("mirror.example", "").problem().is_some());
        assert!(with("https://", "").problem().is_some());
        assert!(with("", "http://pro xy:3128").problem().is_some());
    }

    #[test]
    fn a_password_leaves_the_address() {
        let proxy = " http://ada:secret@proxy:3128".to_owned();
        let mut settings = HubSettings { proxy, ..HubSettings::default() };
        assert_eq!(settings.take_password().as_deref(), Some("http://ada:secret@proxy:3128"));
        assert_eq!(settings.proxy, "http://ada@proxy:3128");
        assert_eq!(settings.take_password(), None);
    }

    #[test]
    fn a_typed_token_is_in_no_debug_output() {
        let mut form = SettingsForm { token: "hf_secret".to_owned(), ..SettingsForm::default() };
        form.draft.proxy = "http://ada:secret@proxy".to_owned();
        assert!(!format!("{form:?}").contains("secret"));
    }
}
