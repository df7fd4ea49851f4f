//! Has the model compute what a view of Look inside shows: one task, whatever the view.

use std::marker::PhantomData;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::subject::Looked;
use crate::jobs::Progress;
use crate::state::command::{Command, LookInsideCommand};
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::slot::Slot;
use crate::state::look_inside::subject::PassRequest;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

/// What fills one slot of the panel.
pub trait Pass: Sized + 'static {
    /// What it has to know beside the tokens.
    type Asked: Send + 'static;
    type Found: Send + 'static;

    /// What the slot keeps of what was found.
    type Kept;

    /// What is going on, as a notice begins with it: `Measuring the surprise of the text`.
    const NAME: &'static str;

    /// What is counted on the way.
    const UNIT: &'static str;

    /// That it did not work, as a notice says it.
    const FAILED: &'static str;

    fn pass(
        request: &PassRequest,
        asked: Self::Asked,
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<Self::Found, Error>;

    fn slot(look: &mut LookInsideState) -> &mut Slot<Self::Kept>;

    /// Puts what was found into the slot, unless the panel asks something else by now.
    fn keep(found: Self::Found, look: &mut LookInsideState);
}

/// A pass for a question.
pub struct Look<P> {
    /// Which question it belongs to.
    number: u64,
    reached: Option<(usize, usize)>,
    pass: PhantomData<P>,
}

impl<P: Pass> Look<P> {
    pub fn new(number: u64) -> Self {
        Self { number, reached: None, pass: PhantomData }
    }
}

impl<P: Pass> Work for Look<P> {
    type Request = (PassRequest, P::Asked);
    type Event = Looked;
    type Output = P::Found;
    type Error = Error;

    const RULES: Rules = Rules { takes_processor: true, ..Rules::short(P::NAME) };

    fn run(
        (request, asked): (PassRequest, P::Asked),
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<P::Found, Error> {
        P::pass(&request, asked, services, progress)
    }
}

impl<P: Pass> Task<Workbench> for Look<P> {
    fn on_event(&mut self, Looked { done, total }: Looked, app: &mut Workbench) {
        self.reached = Some((done, total));
        if let Some(look) = app.state.look_inside.of(self.number) {
            P::slot(look).reached(done, total);
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            P::slot(look).end();
        }
    }

    fn done(self, found: P::Found, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            P::keep(found, look);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        app.tell_look_failed(self.number, P::FAILED, &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        Some(looking(P::NAME, self.reached, P::UNIT))
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
