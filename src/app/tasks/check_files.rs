//! Hashes the files of a model again.

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::hub;
use crate::hub::cache::keep::{self, Damaged, Verified, Verifying};
use crate::hub::protocol::repository::RepoKind;
use crate::jobs::Progress;
use crate::state::command::{Command, ModelsCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::widgets::format;

/// The model's name, and how far it is.
pub struct CheckFiles {
    pub name: String,
    pub at: Option<Verifying>,
}

impl Work for CheckFiles {
    /// The repository.
    type Request = String;
    type Event = Verifying;
    type Output = Verified;
    type Error = hub::Error;

    const RULES: Rules =
        Rules { takes_processor: true, gives_way: true, ..Rules::short("The check") };

    fn run(
        repo: String,
        services: &Services,
        progress: &dyn Progress<Verifying>,
    ) -> Result<Verified, hub::Error> {
        keep::verify(&services.connection()?.paths, Some((RepoKind::Model, &repo)), progress)
    }
}

impl Task<Workbench> for CheckFiles {
    fn on_event(&mut self, event: Verifying, _app: &mut Workbench) {
        self.at = Some(event);
    }

    fn done(self, checked: Verified, app: &mut Workbench) {
        app.state.notices.push(verdict(&self.name, &checked));
    }

    fn failed(self, error: hub::Error, app: &mut Workbench) {
        if !matches!(error, hub::Error::Cancelled(_)) {
            let summary = format!("{} could not be checked", self.name);
            app.state.notices.push(Notice::error(PanelId::Models, summary, &error));
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::Models
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        let at = self.at.as_ref();
        let (done, total) = at.map_or((0, 0), |Verifying { done, total, .. }| (*done, *total));
        let transfer = format::transfer(done, Some(total), 0.0, None);
        Some(Activity {
            fraction: (total > 0).then(|| done as f32 / total as f32),
            stop: Some(Command::Models(ModelsCommand::StopVerifying)),
            ..Activity::new("Checking", format!("{transfer} · {}", self.name))
        })
    }
}

pub fn no_hash(name: &str) -> Notice {
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
