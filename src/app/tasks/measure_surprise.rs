//! Measures how much a text surprises the model, for Look inside.

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::subject::{Looked, Subject};
use crate::explore::surprise;
use crate::explore::surprise::SurpriseView;
use crate::jobs::Progress;
use crate::state::command::{Command, LookInsideCommand};
use crate::state::look_inside::reading::CANDIDATE_COUNT;
use crate::state::look_inside::subject::PassRequest;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct MeasureSurprise {
    /// Which question it belongs to.
    pub number: u64,
}

impl Work for MeasureSurprise {
    type Request = PassRequest;
    type Event = Looked;
    type Output = SurpriseView;
    type Error = Error;

    const RULES: Rules =
        Rules { takes_processor: true, ..Rules::short("Measuring the surprise of the text") };

    fn run(
        request: PassRequest,
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<SurpriseView, Error> {
        let (model, adapter) = (services.model()?, services.adapter_if(request.adapter));
        let subject = Subject::new(&model, adapter.as_deref());
        surprise::surprise(subject, &request.ids, CANDIDATE_COUNT, progress)
    }
}

impl Task<Workbench> for MeasureSurprise {
    fn on_event(&mut self, looked: Looked, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.surprise.reached(looked.done, looked.total);
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.surprise.end();
        }
    }

    fn done(self, view: SurpriseView, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.surprised(view);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        let summary = "The surprise of the text could not be measured";
        app.tell_look_failed(self.number, summary, &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let progress = app.state.look_inside.surprise.progress();
        Some(looking("Measuring surprise", progress, "tokens"))
    }
}

/// The line of a view that is computed.
pub fn looking(what: &str, progress: Option<(usize, usize)>, unit: &str) -> Activity {
    let detail = match progress {
        Some((done, total)) => format!("{done} of {total} {unit}"),
        None => "reading the text".to_owned(),
    };
    Activity {
        fraction: progress.map(|(done, total)| done as f32 / total.max(1) as f32),
        stop: Some(Command::LookInside(LookInsideCommand::Stop)),
        ..Activity::new(what, detail)
    }
}
