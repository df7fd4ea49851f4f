//! Grows the branches of the Playground: reads a prompt, goes on from a token, deletes.

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::growth;
use crate::explore::growth::{Grown, Growth};
use crate::explore::subject::Looked;
use crate::explore::tree::ROOT;
use crate::jobs::Progress;
use crate::state::command::{Command, PlaygroundCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct GrowTree {
    /// Which tree it belongs to.
    pub number: u64,
}

impl Work for GrowTree {
    type Request = Growth;
    type Event = Looked;
    type Output = Grown;
    type Error = Error;

    const RULES: Rules = Rules { takes_processor: true, ..Rules::short("Growing the branches") };

    fn run(
        request: Growth,
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<Grown, Error> {
        // The old one's memory first.
        let tree = services.take_tree();
        let (tree, grown) = match request {
            Growth::Plant(plant) => {
                drop(tree);
                let (model, adapter) = (services.model()?, services.adapter_if(plant.adapter));
                let (tree, grown) = growth::plant(&model, adapter, &plant, progress)?;
                (tree, Ok(grown))
            }
            growth => {
                let mut tree = tree.ok_or(Error::NoSuchNode { node: ROOT })?;
                let grown = growth::grow(&mut tree, &growth, progress);
                (tree, grown)
            }
        };
        services.keep_tree(tree);
        grown
    }
}

impl Task<Workbench> for GrowTree {
    fn on_event(&mut self, looked: Looked, app: &mut Workbench) {
        if let Some(branches) = app.state.playground.branches.of(self.number) {
            branches.reached(looked.done, looked.total);
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        if let Some(branches) = app.state.playground.branches.of(self.number) {
            branches.ended();
        }
    }

    fn done(self, grown: Grown, app: &mut Workbench) {
        if let Some(branches) = app.state.playground.branches.of(self.number) {
            branches.grown(grown);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        if !error.is_stop() {
            let summary = "The branches could not be grown";
            app.state.notices.push(Notice::error(PanelId::Playground, summary, &error));
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::Playground
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let (done, total) = app.state.playground.branches.progress()?;
        Some(Activity {
            fraction: Some(done as f32 / total.max(1) as f32),
            stop: Some(Command::Playground(PlaygroundCommand::StopGrowing)),
            ..Activity::new("Growing branches", format!("{done} of {total} tokens"))
        })
    }
}
