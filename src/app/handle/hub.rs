//! Models and datasets on the Hub: how it is reached, search, details, downloads.

use crate::app::Workbench;
use crate::app::connection::Connected;
use crate::app::tasks::details::ReadDetails;
use crate::app::tasks::downloads::ServeQueue;
use crate::app::tasks::measure_speed::MeasureSpeed;
use crate::app::tasks::search::Search;
use crate::app::tasks::secret::{AskKeyring, Question};
use crate::app::tasks::suggest::Suggest;
use crate::hub::account::vault::Secret;
use crate::hub::protocol::options::without_password;
use crate::hub::protocol::repository::RepoKind;
use crate::state::hub::HubSettings;
use crate::state::hub::detail::DetailView;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

impl Workbench {
    /// At the start and after every change of the settings.
    pub(in crate::app) fn connect(&mut self) {
        let settings = self.state.prefs.hub.clone();
        match self.engine.connect(&settings) {
            Ok(Connected { token_from, proxy_from }) => {
                self.state.hub.settings.token_from = token_from;
                self.state.hub.settings.proxy_from = proxy_from;
            }
            Err(err) => {
                let summary = "The connection settings cannot be used";
                self.state.notices.push(Notice::error(PanelId::Models, summary, &err));
            }
        }
        if self.tasks.has::<ServeQueue>() {
            // It is started again, with the new settings, as soon as it has ended.
            self.tasks.stop::<ServeQueue>();
        } else {
            self.serve_queue();
        }
    }

    /// Not before it is known with which token, and not while the window is being closed.
    pub(in crate::app) fn serve_queue(&mut self) {
        if !self.tasks.has::<AskKeyring>() && !self.closing {
            self.start_instead(ServeQueue, ());
        }
    }

    pub(super) fn save_hub_settings(&mut self) {
        let mut draft = self.state.hub.settings.draft.clone();
        // From a version before the keyring: it is there until it is kept elsewhere.
        let mut before = self.state.prefs.hub.clone();
        let unkept = before.take_password();
        if draft == before || draft.problem().is_some() {
            return;
        }
        let is_other = draft.proxy.trim() != before.proxy.trim();
        if let Some(whole) = draft.take_password() {
            self.set_secret(Secret::Proxy, Some(whole));
        } else if is_other && self.state.hub.settings.proxy_from.is_some() {
            self.set_secret(Secret::Proxy, None);
        }
        self.state.hub.settings.draft.clone_from(&draft);
        match unkept {
            Some(whole) if !is_other => {
                self.state.prefs.hub = HubSettings { proxy: whole, ..draft };
            }
            _ => self.state.prefs.hub = draft,
        }
        self.connect();
        if self.state.hub.results.asked.is_none() {
            return;
        }
        // The keyring may be about to say how the Hub is reached.
        self.search_wanted = self.tasks.has::<AskKeyring>();
        if !self.search_wanted {
            self.search_hub();
        }
    }

    pub(super) fn save_token(&mut self) {
        let token = std::mem::take(&mut self.state.hub.settings.token);
        self.set_secret(Secret::Token, Some(token.trim().to_owned()));
    }

    pub(super) fn delete_token(&mut self) {
        self.set_secret(Secret::Token, None);
    }

    /// At the start: the keyring is asked for what it keeps, and what a version before this one
    /// left readable in the preferences is put away, and is there until that is done.
    pub(in crate::app) fn unlock(&mut self) {
        let mut shown = self.state.prefs.hub.clone();
        if let Some(whole) = shown.take_password() {
            self.set_secret(Secret::Proxy, Some(whole));
        }
        self.state.hub.settings.draft = shown;
        if self.engine.is_locked_away() {
            let summary = "What the system's keyring keeps could not be read";
            self.ask_keyring(summary, Question::Unlock);
        }
    }

    pub(super) fn set_secret(&mut self, secret: Secret, text: Option<String>) {
        let summary = match (secret, &text) {
            (Secret::Token, Some(_)) => "The token could not be saved",
            (Secret::Token, None) => "The token could not be deleted",
            (Secret::Proxy, Some(_)) => "The proxy's password could not be saved",
            (Secret::Proxy, None) => "The proxy's password could not be deleted",
            (Secret::Servers, Some(_)) => "The server's key could not be saved",
            (Secret::Servers, None) => "The servers' keys could not be deleted",
        };
        self.ask_keyring(summary, Question::Keep(secret, text));
    }

    fn ask_keyring(&mut self, summary: &'static str, question: Question) {
        let keeping = match &question {
            Question::Keep(secret, Some(text)) => Some((*secret, text.clone())),
            Question::Keep(_, None) | Question::Unlock => None,
        };
        self.start(AskKeyring { summary, keeping, is_safe: false }, question);
        self.state.hub.settings.is_keyring_asked = true;
    }

    pub(in crate::app) fn keyring_answered(&mut self) {
        let is_asked = self.tasks.has::<AskKeyring>();
        self.state.hub.settings.is_keyring_asked = is_asked;
        self.connect();
        if !is_asked && std::mem::take(&mut self.search_wanted) {
            self.search_hub();
        }
    }

    /// Puts what could not be kept where it was typed, unless something else stands there by now.
    pub(in crate::app) fn give_back(&mut self, secret: Secret, text: String) {
        let form = &mut self.state.hub.settings;
        match secret {
            Secret::Token if form.token.is_empty() => form.token = text,
            // The keys are in memory until the program ends.
            Secret::Token | Secret::Servers => {}
            Secret::Proxy => {
                // There it waits for the next start.
                let is_in_prefs = self.state.prefs.hub.proxy.trim() == text;
                let bare = without_password(&text);
                if !is_in_prefs && bare.as_ref() == Some(&form.draft.proxy) {
                    form.draft.proxy = text;
                }
            }
        }
    }

    pub(super) fn search_hub(&mut self) {
        self.tasks.drop_all::<Search>();
        self.tasks.drop_all::<Suggest>();
        let query = self.state.hub.query.clone();
        self.state.hub.edited_at = None;
        if query.is_empty() {
            self.state.hub.results.clear();
            return;
        }
        self.state.hub.results.ask(query.clone());
        self.start(Search, (query, None));
    }

    pub(super) fn search_more(&mut self) {
        let results = &mut self.state.hub.results;
        if self.tasks.has::<Search>() {
            return;
        }
        let (Some(query), Some(next)) = (results.asked.clone(), results.next.clone()) else {
            return;
        };
        results.ask_more();
        self.start(Search, (query, Some(next)));
    }

    /// Where words that look like a name found nothing.
    pub(in crate::app) fn suggest_near_names(&mut self) {
        let results = &mut self.state.hub.results;
        let Some(query) = results.asked.as_ref().filter(|_| results.found_nothing()) else {
            return;
        };
        let (kind, words) = (query.kind, query.words.trim().to_owned());
        if words.is_empty() || words.contains(char::is_whitespace) {
            return;
        }
        results.seeking_near = true;
        self.start_instead(Suggest, (kind, words));
    }

    pub(in crate::app) fn show_details(&mut self, kind: RepoKind, id: String) {
        self.measure_memory();
        self.speed_wanted = self.state.models.pace.is_none() && !self.tasks.has::<MeasureSpeed>();
        let rows = &self.state.hub.results.rows;
        let row = rows.iter().find(|row| row.kind == kind && row.id == id).cloned();
        self.state.hub.detail = Some(DetailView::new(kind, id.clone(), row));
        self.start_instead(ReadDetails, (kind, id));
    }
}
