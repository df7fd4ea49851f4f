//! The seam between the window and what runs behind it.
//!
//! A kind of work says here what it is, and an engine starts it. [`super::engine::CandleEngine`] does the work on a thread of its own; a test's
//! engine keeps it and decides itself what happens.

use std::any::{Any, TypeId};
use std::error::Error;
use std::io;
use std::sync::Arc;

use super::connection::Connected;
use super::pace::Pace;
use super::services::Services;
use crate::hub;
use crate::hub::fetch::queue::QueueCommand;
use crate::hub::protocol::repository::RepoKind;
use crate::jobs;
use crate::jobs::{Feeder, Job, Progress, Wake};
use crate::remote::error::RemoteError;
use crate::remote::probe::Probe;
use crate::state::hub::HubSettings;

/// One kind of work behind the window: what it needs, what it says, and how it is done.
pub trait Work: Sized + 'static {
    /// What it needs. Goes to the thread.
    type Request: Send + 'static;

    /// What it says on the way.
    type Event: Send + 'static;
    type Output: Send + 'static;
    type Error: Error + Send + 'static;

    const RULES: Rules;

    /// Does it, on a thread of its own.
    fn run(
        request: Self::Request,
        services: &Services,
        progress: &dyn Progress<Self::Event>,
    ) -> Result<Self::Output, Self::Error>;
}

/// How a kind of work gets along with the rest of the program. Everything that treats all that runs
/// alike follows from this.
#[expect(clippy::struct_excessive_bools, reason = "each is a rule of its own")]
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What is going on, as a notice or a question begins with it: `Loading the adapter`.
    pub name: &'static str,

    /// Whether it keeps the processor busy: a speed measured beside it would be too low.
    pub takes_processor: bool,

    /// Whether its thread gives way to the window and to other programs.
    pub gives_way: bool,
    pub on_closing: OnClosing,

    /// Whether "Stop everything" stops it.
    pub stops_with_all: bool,

    /// Whether it reads a file that a person has picked: its line in the bottom bar stops it, and so does Esc.
    pub is_reading: bool,
}

impl Rules {
    /// Of something short that a person need not know of.
    pub const fn short(name: &'static str) -> Self {
        Self {
            name,
            takes_processor: false,
            gives_way: false,
            on_closing: OnClosing::Drop,
            stops_with_all: true,
            is_reading: false,
        }
    }

    /// Of a file that a person has picked.
    pub const fn reading(name: &'static str) -> Self {
        Self { is_reading: true, ..Self::short(name) }
    }
}

/// What becomes of work when the window is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnClosing {
    /// Nobody misses it.
    Drop,

    /// It is stopped, and the program ends once it has ended.
    Wait,

    /// The same, and the person is asked before.
    Ask,
}

/// Whoever can start work. Every method returns at once.
pub trait Engine {
    /// Starts what `launch` holds.
    fn start(&mut self, launch: &mut dyn Launch, wake: Wake);

    /// Frees the model in memory, and its adapter.
    fn unload(&mut self);
    fn unload_adapter(&mut self);

    /// Frees the encoder that was kept for the map's searches.
    fn unload_encoder(&mut self);

    /// Frees the masked model that fills gaps.
    fn forget_masked(&mut self);

    /// Frees the model that the one in memory was compared with.
    fn forget_second(&mut self);

    /// Has the model of a server take the place of the one in memory.
    fn use_server(&mut self, probe: Arc<Probe>) -> Result<(), RemoteError>;

    /// What holds the tokens of answers back.
    fn pace(&self) -> Arc<Pace>;

    /// Takes settings, and what is known by now of what was kept.
    fn connect(&mut self, settings: &HubSettings) -> Result<Connected, hub::Error>;

    /// Whether the system's keyring keeps something for us that is not known yet.
    fn is_locked_away(&mut self) -> bool;
    fn send_to_queue(&mut self, command: QueueCommand);

    /// The page of a repository in a browser.
    fn hub_page(&self, kind: RepoKind, repo: &str) -> String;
}

/// Work that is about to be started, whatever its kind.
pub trait Launch {
    /// Which kind it is.
    fn kind(&self) -> TypeId;

    /// Does it on a thread of its own.
    fn spawn(&mut self, services: &Services, wake: Wake);

    /// Does it here and now. For tests.
    fn run_here(&mut self, services: &Services);

    /// Its [`Held`], in a box: whoever has that decides what it says and how it ends. For tests.
    fn hold(&mut self) -> Box<dyn Any>;
}

/// Work that a test holds in its hands.
pub struct Held<W: Work> {
    pub request: W::Request,
    pub feeder: Feeder<W::Event, W::Output, W::Error>,
}

pub(super) type JobOf<W> = Job<<W as Work>::Event, <W as Work>::Output, <W as Work>::Error>;

/// Has `engine` start `W`. An error: the system starts no more threads.
pub(super) fn start<W: Work>(
    engine: &mut dyn Engine,
    request: W::Request,
    wake: Wake,
) -> io::Result<JobOf<W>> {
    let mut starting = Starting::<W> { request: Some(request), job: None };
    engine.start(&mut starting, wake);
    starting.job.expect("an engine starts what it is given")
}

struct Starting<W: Work> {
    request: Option<W::Request>,
    job: Option<io::Result<JobOf<W>>>,
}

impl<W: Work> Starting<W> {
    fn take(&mut self) -> W::Request {
        self.request.take().expect("work is started once")
    }

    fn manual(&mut self) -> Feeder<W::Event, W::Output, W::Error> {
        let (feeder, job) = Job::manual();
        self.job = Some(Ok(job));
        feeder
    }
}

impl<W: Work> Launch for Starting<W> {
    fn kind(&self) -> TypeId {
        TypeId::of::<W>()
    }

    fn spawn(&mut self, services: &Services, wake: Wake) {
        let (request, services) = (self.take(), services.clone());
        self.job = Some(Job::spawn(W::RULES.name, wake, move |progress| {
            if W::RULES.gives_way {
                jobs::give_way();
            }
            W::run(request, &services, progress)
        }));
    }

    fn run_here(&mut self, services: &Services) {
        let request = self.take();
        let feeder = self.manual();
        let result = W::run(request, services, &FeederProgress(&feeder));
        feeder.finish(result);
    }

    fn hold(&mut self) -> Box<dyn Any> {
        let request = self.take();
        Box::new(Held::<W> { request, feeder: self.manual() })
    }
}

/// Says what work says that is done here and now.
struct FeederProgress<'a, E, T, Err>(&'a Feeder<E, T, Err>);

impl<E: Send + 'static, T: Send + 'static, Err: Send + 'static> Progress<E>
    for FeederProgress<'_, E, T, Err>
{
    fn emit(&self, event: E) {
        self.0.emit(event);
    }

    fn check(&self) -> Result<(), jobs::Cancelled> {
        Ok(())
    }
}
