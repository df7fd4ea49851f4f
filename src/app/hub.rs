//! Finding and fetching: the commands about the Hub, and what its jobs say.

use std::path::Path;
use std::sync::Arc;

use super::Workbench;
use super::connection::Connected;
use super::running::{Asking, take_ended};
use crate::encoder;
use crate::errors::{causes, one_line};
use crate::hub;
use crate::hub::cache::RepoKind;
use crate::hub::options::without_password;
use crate::hub::queue::{Help, Item, ItemState, Order, QueueCommand, QueueEvent};
use crate::hub::vault::Secret;
use crate::jobs::JobEnd;
use crate::llm::card::ModelSource;
use crate::state::command::Command;
use crate::state::hub::detail::DetailView;
use crate::state::hub::results::Phase;
use crate::state::hub::{HubSettings, ModelsTab};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::widgets::format;

impl Workbench {
    /// At the start and after every change of the settings.
    pub(super) fn connect(&mut self) {
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
        match &self.running.queue {
            // It is started again, with the new settings, as soon as it has ended.
            Some(job) => job.cancel(),
            None => self.serve_queue(),
        }
    }

    /// Not before it is known with which token.
    fn serve_queue(&mut self) {
        if !self.running.secrets.is_empty() {
            return;
        }
        self.running.queue = Some(self.engine.serve_queue(Arc::clone(&self.wake)));
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
        self.running.search_wanted = !self.running.secrets.is_empty();
        if !self.running.search_wanted {
            self.search_hub();
        }
    }

    pub(super) fn keep_token(&mut self) {
        let token = std::mem::take(&mut self.state.hub.settings.token);
        self.set_secret(Secret::Token, Some(token.trim().to_owned()));
    }

    pub(super) fn forget_token(&mut self) {
        self.set_secret(Secret::Token, None);
    }

    /// At the start: the keyring is asked for what it keeps, and what a version before this one
    /// left readable in the preferences is put away, and is there until that is done.
    pub(super) fn unlock(&mut self) {
        let mut shown = self.state.prefs.hub.clone();
        if let Some(whole) = shown.take_password() {
            self.set_secret(Secret::Proxy, Some(whole));
        }
        self.state.hub.settings.draft = shown;
        if let Some(job) = self.engine.unlock(Arc::clone(&self.wake)) {
            let summary = "What the system's keyring keeps could not be read";
            self.ask_keyring(Asking { summary, keeping: None, is_safe: false, job });
        }
    }

    fn set_secret(&mut self, secret: Secret, text: Option<String>) {
        let summary = match (secret, &text) {
            (Secret::Token, Some(_)) => "The token could not be kept",
            (Secret::Token, None) => "The token could not be forgotten",
            (Secret::Proxy, Some(_)) => "The proxy's password could not be kept",
            (Secret::Proxy, None) => "The proxy's password could not be forgotten",
        };
        let keeping = text.clone().map(|text| (secret, text));
        let job = self.engine.keep_secret(secret, text, Arc::clone(&self.wake));
        self.ask_keyring(Asking { summary, keeping, is_safe: false, job });
    }

    fn ask_keyring(&mut self, asking: Asking) {
        self.running.secrets.push(asking);
        self.state.hub.settings.is_keyring_asked = true;
    }

    fn poll_secrets(&mut self) {
        let mut ended = Vec::new();
        for mut asking in std::mem::take(&mut self.running.secrets) {
            let end = asking.job.poll(|()| asking.is_safe = true);
            asking.is_safe |= matches!(end, Some(JobEnd::Done(())));
            let is_proxy = matches!(asking.keeping, Some((Secret::Proxy, _)));
            if asking.is_safe && is_proxy {
                self.state.prefs.hub.take_password(); // it need not lie readable any more
            }
            match end {
                None => self.running.secrets.push(asking),
                Some(end) => ended.push((asking, end)),
            }
        }
        if ended.is_empty() {
            return;
        }
        self.state.hub.settings.is_keyring_asked = !self.running.secrets.is_empty();
        for (Asking { summary, keeping, is_safe, .. }, end) in ended {
            match end {
                JobEnd::Done(()) => continue,
                JobEnd::Failed(err) => {
                    self.state.notices.push(Notice::error(PanelId::Models, summary, &err));
                }
                JobEnd::Crashed(message) => {
                    self.crashed(PanelId::Models, "Asking the keyring", message);
                }
            }
            if let Some((secret, text)) = keeping.filter(|_| !is_safe) {
                self.give_back(secret, text);
            }
        }
        self.connect();
        if self.running.secrets.is_empty() && std::mem::take(&mut self.running.search_wanted) {
            self.search_hub();
        }
    }

    /// Puts what could not be kept where it was typed, unless something else stands there by now.
    fn give_back(&mut self, secret: Secret, text: String) {
        let form = &mut self.state.hub.settings;
        match secret {
            Secret::Token if form.token.is_empty() => form.token = text,
            Secret::Token => {}
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
        self.running.search = None;
        self.running.suggest = None;
        let query = self.state.hub.query.clone();
        self.state.hub.edited_at = None;
        if query.is_empty() {
            self.state.hub.results.clear();
            return;
        }
        self.state.hub.results.ask(query.clone());
        let job = self.engine.search(query, None, Arc::clone(&self.wake));
        self.running.search = Some(job);
    }

    pub(super) fn more_found(&mut self) {
        let results = &mut self.state.hub.results;
        if self.running.search.is_some() {
            return;
        }
        let (Some(query), Some(next)) = (results.asked.clone(), results.next.clone()) else {
            return;
        };
        results.ask_more();
        let job = self.engine.search(query, Some(next), Arc::clone(&self.wake));
        self.running.search = Some(job);
    }

    pub(super) fn look_at(&mut self, kind: RepoKind, id: String) {
        self.measure_memory();
        self.running.pace_wanted = self.state.models.pace.is_none() && self.running.pace.is_none();
        let rows = &self.state.hub.results.rows;
        let row = rows.iter().find(|row| row.kind == kind && row.id == id).cloned();
        self.state.hub.detail = Some(DetailView::new(kind, id.clone(), row));
        self.running.details = Some(self.engine.details(kind, id, Arc::clone(&self.wake)));
    }

    /// Once, and not beside something that has the processor: that would be measured along.
    fn measure_pace(&mut self) {
        if self.running.is_computing() {
            if self.running.pace.take().is_some() {
                self.running.pace_wanted = true; // again, when that has ended
            }
        } else if self.running.pace_wanted && self.state.hub.detail.is_some() {
            self.running.pace_wanted = false;
            self.running.pace = Some(self.engine.pace(Arc::clone(&self.wake)));
        }
    }

    fn poll_pace(&mut self) {
        self.measure_pace();
        match take_ended(&mut self.running.pace, |job| job.poll(|()| {})) {
            None => {}
            Some(JobEnd::Done(pace)) => self.state.models.pace = Some(pace),
            // It is measured when the next model is looked at.
            Some(JobEnd::Failed(err)) => log::info!("the speed: {}", one_line(&err)),
            Some(JobEnd::Crashed(message)) => {
                self.crashed(PanelId::Models, "Measuring the speed", message);
            }
        }
    }

    pub(super) fn stop_looking(&mut self) {
        self.running.details = None;
        self.state.hub.detail = None;
    }

    pub(super) fn download(&mut self, order: Order) {
        self.engine.send_to_queue(QueueCommand::Add(order));
    }

    pub(super) fn poll_hub(&mut self) {
        self.poll_secrets();
        self.poll_search();
        self.poll_suggest();
        self.poll_details();
        self.poll_pace();
        self.poll_queue();
    }

    fn poll_search(&mut self) {
        let Some(end) = take_ended(&mut self.running.search, |job| job.poll(|()| {})) else {
            return;
        };
        let results = &mut self.state.hub.results;
        match end {
            JobEnd::Done(page) => results.on_page(page),
            JobEnd::Failed(hub::Error::Cancelled(_)) => results.phase = Phase::Idle,
            JobEnd::Failed(err) => results.on_failure(causes(&err)),
            JobEnd::Crashed(message) => {
                results.on_failure(vec![message.clone()]);
                self.crashed(PanelId::Models, "The search", message);
            }
        }
        self.seek_near_names();
    }

    /// Where words that look like a name found nothing.
    fn seek_near_names(&mut self) {
        let results = &mut self.state.hub.results;
        let Some(query) = results.asked.as_ref().filter(|_| results.found_nothing()) else {
            return;
        };
        let (kind, words) = (query.kind, query.words.trim().to_owned());
        if words.is_empty() || words.contains(char::is_whitespace) {
            return;
        }
        results.seeking_near = true;
        self.running.suggest = Some(self.engine.suggest(kind, words, Arc::clone(&self.wake)));
    }

    fn poll_suggest(&mut self) {
        let Some(end) = take_ended(&mut self.running.suggest, |job| job.poll(|()| {})) else {
            return;
        };
        let results = &mut self.state.hub.results;
        results.seeking_near = false;
        match end {
            JobEnd::Done(near) => results.near = near,
            // Nothing was found is what is said already.
            JobEnd::Failed(err) => log::info!("near names: {}", one_line(&err)),
            JobEnd::Crashed(message) => {
                self.crashed(PanelId::Models, "The search for near names", message);
            }
        }
    }

    fn poll_details(&mut self) {
        let memory = self.state.models.memory;
        let detail = &mut self.state.hub.detail;
        let end = take_ended(&mut self.running.details, |job| {
            job.poll(|event| {
                if let Some(detail) = detail {
                    detail.on_event(event, memory);
                }
            })
        });
        let Some(end) = end else { return };
        let Some(detail) = &mut self.state.hub.detail else { return };
        detail.asking = false;
        match end {
            JobEnd::Done(()) | JobEnd::Failed(hub::Error::Cancelled(_)) => {}
            JobEnd::Failed(err) => {
                let page = self.engine.hub_page(detail.kind, &detail.id);
                let has_token = self.state.hub.settings.token_from.is_some();
                let help = match &err {
                    hub::Error::NoAccess { .. } => Help::Access { page, has_token },
                    hub::Error::Offline => Help::GoOnline,
                    _ => Help::TryAgain,
                };
                detail.failure = Some((causes(&err), help));
            }
            JobEnd::Crashed(message) => {
                self.crashed(PanelId::Models, "Looking at the repository", message);
            }
        }
    }

    fn poll_queue(&mut self) {
        let mut events = Vec::new();
        let end = take_ended(&mut self.running.queue, |job| job.poll(|event| events.push(event)));
        for event in events {
            match event {
                QueueEvent::Changed(items) => self.state.hub.downloads = items,
                QueueEvent::Finished(item) => self.finished(&item),
                QueueEvent::Failed(item) => self.failed(&item),
            }
        }
        match end {
            None => {}
            Some(_) if self.closing => {}
            Some(JobEnd::Done(()) | JobEnd::Failed(hub::Error::Cancelled(_))) => {
                self.serve_queue();
            }
            Some(JobEnd::Failed(err)) => {
                let summary = "Downloads are not possible";
                self.state.notices.push(Notice::error(PanelId::Models, summary, &err));
            }
            Some(JobEnd::Crashed(message)) => {
                self.crashed(PanelId::Models, "The download", message);
                self.serve_queue();
            }
        }
    }

    fn finished(&mut self, item: &Item) {
        let Order { kind, repo, .. } = &item.order;
        let notice = Notice::info(PanelId::Models, format!("{repo} is here, whole and verified"));
        let notice = match (kind, &item.state) {
            (RepoKind::Model, ItemState::Done { folder }) => {
                let mut paths = item.files.iter().map(|file| file.remote.path.as_str());
                let gguf = paths.find(|path| {
                    let ending = Path::new(path).extension();
                    ending.is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"))
                });
                if gguf.is_none() && encoder::is_encoder_folder(folder) {
                    let show = Command::ShowModelsTab(ModelsTab::Installed);
                    notice.hint(encoder::ABOUT).remedy("Show it", show)
                } else {
                    let path = gguf.map_or_else(|| folder.clone(), |gguf| folder.join(gguf));
                    notice.remedy("Load it", Command::LoadModel(ModelSource::named(&path)))
                }
            }
            _ => notice.remedy("Show it", Command::ShowModelsTab(ModelsTab::Downloads)),
        };
        self.state.notices.push(notice);
        if *kind == RepoKind::Model {
            self.handle(Command::RefreshModels);
        }
        // What of it is here has changed.
        let detail = self.state.hub.detail.as_ref();
        if detail.is_some_and(|detail| detail.kind == *kind && detail.id == *repo) {
            let (kind, repo) = (*kind, repo.clone());
            let tab = detail.map(|detail| detail.tab);
            self.look_at(kind, repo);
            if let (Some(detail), Some(tab)) = (&mut self.state.hub.detail, tab) {
                detail.tab = tab;
            }
        }
    }

    fn failed(&mut self, item: &Item) {
        let ItemState::Failed(failure) = &item.state else { return };
        let tab = ModelsTab::Downloads;
        if self.state.prefs.panel == PanelId::Models && self.state.hub.tab == tab {
            return; // it is said there, with what to do
        }
        let summary = format!("{} could not be fetched", item.order.repo);
        let notice = Notice::problem(PanelId::Models, summary).hint(failure.reason.clone());
        self.state.notices.push(notice.remedy("Show what to do", Command::ShowModelsTab(tab)));
    }

    /// The line of the bottom bar, while something comes.
    pub(super) fn downloading(&self) -> Option<Activity> {
        let hub = &self.state.hub;
        let totals = hub.totals();
        let first = hub.downloads.iter().find(|item| item.is_active())?;
        let names = match totals.active_count {
            1 => first.order.repo.clone(),
            count => format!("{} and {} more", first.order.repo, count - 1),
        };
        let total = (totals.total_bytes > 0).then_some(totals.total_bytes);
        let (done, speed) = (totals.done_bytes, totals.bytes_per_sec);
        let transfer = match total {
            Some(_) => format::transfer(done, total, speed, totals.secs_left()),
            None => "asking what there is".to_owned(),
        };
        Some(Activity {
            what: "Downloading".to_owned(),
            detail: format!("{transfer} · {names}"),
            fraction: total.map(|total| (done as f64 / total as f64).clamp(0.0, 1.0) as f32),
            stop: Some(Command::Queue(QueueCommand::PauseAll)),
        })
    }
}
