//! What is kept on this disk: hashed again, held against the Hub, deleted.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::Workbench;
use super::running::take_ended;
use crate::hub;
use crate::hub::keep::{Damaged, Verified, Verifying};
use crate::hub::local::Place;
use crate::jobs::JobEnd;
use crate::state::command::Command;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::widgets::format;

impl Workbench {
    pub(super) fn remove_model(&mut self, path: &Path) {
        if self.state.model.ready().is_some_and(|card| card.source.path() == path) {
            self.handle(Command::UnloadModel);
        }
        self.state.models.confirm_remove = None;
        let opened = &mut self.state.prefs.opened_models;
        if opened.iter().any(|known| known == path) {
            // Not ours to delete: it only leaves the list.
            opened.retain(|known| known != path);
        } else {
            match hub::local::remove(path) {
                Ok(freed) => {
                    let summary = format!("Removed; {} are free again", format::bytes(freed));
                    self.state.notices.push(Notice::info(PanelId::Models, summary));
                }
                Err(err) => {
                    let summary = "The model could not be removed";
                    self.state.notices.push(Notice::error(PanelId::Models, summary, &err));
                }
            }
        }
        self.handle(Command::RefreshModels);
    }

    /// Says of each model how long ago it was last loaded.
    pub(super) fn date_models(&mut self) {
        let now = self.host.now().unix_timestamp();
        let used = &self.state.prefs.last_used;
        for found in &mut self.state.models.found {
            let secs = used.get(&found.local.path).map(|then| now.saturating_sub(*then));
            found.unused_days = secs.map(|secs| secs.max(0) as u64 / (24 * 60 * 60));
        }
    }

    pub(super) fn verify_model(&mut self, path: &Path) {
        if self.running.verify.is_some() {
            return;
        }
        let found = self.state.models.found.iter().find(|found| found.local.path == path);
        let Some(found) = found else { return };
        let name = found.local.name.clone();
        let Place::HubCache { repo, .. } = &found.local.place else {
            self.state.notices.push(no_hash(&name));
            return;
        };
        let job = self.engine.verify(repo.clone(), Arc::clone(&self.wake));
        self.running.verify = Some((name, None, job));
    }

    pub(super) fn stop_verifying(&self) {
        if let Some((_, _, job)) = &self.running.verify {
            job.cancel();
        }
    }

    /// Asks the Hub what the branches of all models here point to now.
    pub(super) fn check_updates(&mut self) {
        let repos = self.state.models.found.iter().filter_map(|found| match &found.local.place {
            Place::HubCache { repo, .. } => Some(repo.clone()),
            Place::Own | Place::Opened => None,
        });
        let repos: BTreeSet<String> = repos.collect();
        if self.running.heads.is_none() && !repos.is_empty() {
            self.state.models.checking_updates = true;
            let repos = repos.into_iter().collect();
            self.running.heads = Some(self.engine.heads(repos, Arc::clone(&self.wake)));
        }
    }

    pub(super) fn poll_keep(&mut self) {
        self.poll_verify();
        self.poll_heads();
    }

    fn poll_verify(&mut self) {
        let Some((name, at, job)) = &mut self.running.verify else { return };
        let Some(end) = job.poll(|event| *at = Some(event)) else { return };
        let name = std::mem::take(name);
        self.running.verify = None;
        let notice = match end {
            JobEnd::Done(checked) => verdict(&name, &checked),
            JobEnd::Failed(hub::Error::Cancelled(_)) => return,
            JobEnd::Failed(err) => {
                let summary = format!("{name} could not be checked");
                Notice::error(PanelId::Models, summary, &err)
            }
            JobEnd::Crashed(message) => {
                self.crashed(PanelId::Models, "The check", message);
                return;
            }
        };
        self.state.notices.push(notice);
    }

    fn poll_heads(&mut self) {
        let Some(end) = take_ended(&mut self.running.heads, |job| job.poll(|()| {})) else {
            return;
        };
        self.state.models.checking_updates = false;
        match end {
            JobEnd::Done(heads) => {
                self.state.models.set_heads(heads);
                if self.state.models.updates() == 0 {
                    let notice =
                        Notice::info(PanelId::Models, "Every model is the newest there is");
                    self.state.notices.push(notice);
                }
            }
            JobEnd::Failed(err) => {
                let summary = "The Hub could not be asked for newer versions";
                let notice = Notice::error(PanelId::Models, summary, &err);
                self.state.notices.push(notice.remedy("Try again", Command::CheckUpdates));
            }
            JobEnd::Crashed(message) => {
                self.crashed(PanelId::Models, "Looking for newer versions", message);
            }
        }
    }

    /// The line of the bottom bar, while files are hashed.
    pub(super) fn verifying(&self) -> Option<Activity> {
        let (name, at, _) = self.running.verify.as_ref()?;
        let (done, total) =
            at.as_ref().map_or((0, 0), |Verifying { done, total, .. }| (*done, *total));
        let transfer = format::transfer(done, Some(total), 0.0, None);
        Some(Activity {
            what: "Checking".to_owned(),
            detail: format!("{transfer} · {name}"),
            fraction: (total > 0).then(|| done as f32 / total as f32),
            stop: Some(Command::StopVerifying),
        })
    }
}

fn no_hash(name: &str) -> Notice {
    let summary = format!("No hash of {name} is known here, so it could not be checked");
    Notice::problem(PanelId::Models, summary)
}

fn verdict(name: &str, checked: &Verified) -> Notice {
    let Verified { file_count: count, damaged, unknown_count: unknown, .. } = checked;
    match (damaged.as_slice(), count, unknown) {
        ([], 0, _) => no_hash(name),
        ([], whole, 0) => {
            let files = if *whole == 1 { "1 file is" } else { &format!("{whole} files are") };
            let summary = format!("{name}: {files} as published");
            Notice::info(PanelId::Models, summary)
        }
        ([], whole, unknown) => {
            let summary = format!(
                "{name}: {whole} files are as published; {unknown} could not be checked, since no \
                 hash of them is known here"
            );
            Notice::info(PanelId::Models, summary)
        }
        (damaged, ..) => {
            let files: Vec<String> = damaged.iter().map(Damaged::name).collect();
            let summary = format!("{name} is damaged: {}", files.join(", "));
            Notice::problem(PanelId::Models, summary)
                .hint("Remove it here and fetch it again; a disk that does this may be failing")
        }
    }
}
