//! Fetches the starter model.

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::hub;
use crate::hub::fetch::event::FetchEvent;
use crate::hub::starter::Fetched;
use crate::jobs::Progress;
use crate::llm::card::ModelSource;
use crate::state::command::{Command, ModelsCommand};
use crate::state::models::FetchView;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::widgets::format;

pub struct FetchStarter;

impl Work for FetchStarter {
    type Request = ();
    type Event = FetchEvent;
    type Output = Fetched;
    type Error = hub::Error;

    const RULES: Rules = Rules {
        takes_processor: true, // it is hashed
        on_closing: OnClosing::Wait,
        ..Rules::short("The download")
    };

    fn run(
        (): (),
        services: &Services,
        progress: &dyn Progress<FetchEvent>,
    ) -> Result<Fetched, hub::Error> {
        match services.connection() {
            Ok(connection) => hub::starter::fetch_from(&connection.starter(), progress),
            Err(_) => hub::starter::fetch_starter(progress), // nothing was set: as the system says
        }
    }
}

impl Task<Workbench> for FetchStarter {
    fn on_event(&mut self, event: FetchEvent, app: &mut Workbench) {
        let now = app.host.seconds();
        app.state.models.fetch.get_or_insert_default().on_event(event, now);
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.models.fetch = None;
    }

    fn done(self, fetched: Fetched, app: &mut Workbench) {
        let summary = format!("The starter model is here, from {}", fetched.source);
        app.state.notices.push(Notice::info(PanelId::Models, summary));
        app.handle(ModelsCommand::Refresh);
        app.handle(ModelsCommand::Load(ModelSource::at(&fetched.path)));
    }

    fn failed(self, error: hub::Error, app: &mut Workbench) {
        app.state.notices.push(match error {
            hub::Error::Cancelled(_) => {
                Notice::info(PanelId::Models, "Stopped. What was downloaded is kept")
                    .remedy("Resume", ModelsCommand::FetchStarter)
            }
            error => {
                let summary = "The starter model could not be downloaded";
                Notice::error(PanelId::Models, summary, &error)
                    .hint("Or open a model file that you have with Use a file…")
                    .remedy("Try again", ModelsCommand::FetchStarter)
            }
        });
    }

    fn panel(&self) -> PanelId {
        PanelId::Models
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let view = app.state.models.fetch.as_ref()?;
        Some(Activity {
            fraction: view.fraction(),
            stop: Some(Command::Models(ModelsCommand::StopFetch)),
            ..Activity::new("Downloading", detail(view))
        })
    }
}

/// How far it is, or the source that is being tried.
fn detail(view: &FetchView) -> String {
    match (&view.file, &view.trying) {
        (Some(_), _) if view.elsewhere => "another copy of the program is fetching it".to_owned(),
        (Some(_), _) if view.verifying => "checking the hash".to_owned(),
        (Some(_), _) => {
            format::transfer(view.done, view.total, view.bytes_per_sec, view.time_left())
        }
        (None, Some(source)) => format!("trying {source}"),
        (None, None) => "starting".to_owned(),
    }
}
