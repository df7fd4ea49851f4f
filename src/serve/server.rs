//! The server of a model: it listens at one address until whoever started it loses interest.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_executor::LocalExecutor;
use async_io::Timer;
use futures_lite::future::or;

pub use super::completions::Usage;
use super::key::Key;
use super::routes::Routes;
use super::served::Served;
use super::worker;
pub use super::worker::Done;
use super::worker::{Queue, Told};
use crate::jobs;
use crate::jobs::{Job, JobEnd, Progress};
use crate::web::accept::{Patience, accept};
use crate::web::connections::{Connection, Connections};
use crate::web::listen::{ListenError, Place, hosts, listen, short_address};

/// The first free one is taken where none is chosen.
pub const PORTS: [u16; 3] = [8321, 8322, 8323];

/// How often what has happened is told.
const TOLD_EVERY: Duration = Duration::from_millis(50);

/// Where and how.
#[derive(Clone, Debug)]
pub struct Settings {
    pub place: Place,

    /// `None`: whoever reaches the address is answered.
    pub key: Option<Key>,

    /// Requests that wait while another one is computed, at most.
    pub most_waiting: usize,

    /// How long a request may be computed.
    pub most_time: Duration,

    /// For sending the headers, and the body.
    pub patience: Patience,

    /// The work gives way to a window and to other programs.
    pub gives_way: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            place: Place { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), port: None },
            key: None,
            most_waiting: 64,
            most_time: Duration::from_mins(30),
            patience: Patience { headers: Duration::from_secs(30), body: Duration::from_mins(1) },
            gives_way: false,
        }
    }
}

/// What the server says.
#[derive(Clone, Debug, PartialEq)]
pub enum ServeEvent {
    /// Programs can come: `http://127.0.0.1:8321/v1`.
    Opened {
        address: String,
    },

    /// A request has begun to be computed.
    Begun {
        number: u64,
    },
    Done(Done),

    /// Refused before anything was computed.
    Refused {
        path: String,
        status: u16,
    },
}

/// Serves a model until the caller loses interest. Whoever waits for an answer then is told so.
pub fn serve(
    served: &Arc<Served>,
    settings: &Settings,
    progress: &dyn Progress<ServeEvent>,
) -> Result<(), ListenError> {
    let (listener, at) = listen(settings.place, &PORTS)?;
    let queue = Arc::new(Queue::new(settings.most_waiting));
    let mut worker = start_worker(served, &queue, settings).map_err(ListenError::Threads)?;
    progress.emit(ServeEvent::Opened { address: format!("{}/v1", short_address(at)) });
    let executor = LocalExecutor::new();
    let connections = Rc::new(Connections::default());
    let routes = Rc::new(Routes {
        served: Arc::clone(served),
        queue,
        key: settings.key.clone(),
        hosts: hosts(at),
        connections: Rc::clone(&connections),
        body_time: settings.patience.body,
        count: Cell::new(0),
        held: Rc::default(),
        refused: RefCell::default(),
        is_busy: Cell::new(false),
    });
    let answer = {
        let routes = Rc::clone(&routes);
        move |request, from: Rc<Connection>| {
            let routes = Rc::clone(&routes);
            async move { routes.answer(request, &from).await }
        }
    };
    let known = (&connections, settings.patience);
    let accept = async { accept(&listener, &executor, known, answer).await };
    let tell = async {
        loop {
            if progress.check().is_err() {
                // It refuses whoever waits, and ends.
                worker.cancel();
            }
            for refused in routes.refused.take() {
                let (path, status) = (refused.path, refused.status);
                progress.emit(ServeEvent::Refused { path, status });
            }
            let end = worker.poll(|told| match told {
                Told::Begun { number } => {
                    routes.is_busy.set(true);
                    progress.emit(ServeEvent::Begun { number });
                }
                Told::Done(done) => {
                    routes.is_busy.set(false);
                    progress.emit(ServeEvent::Done(done));
                }
            });
            if let Some(end) = end {
                if let JobEnd::Crashed(message) = end {
                    log::error!("the server: {message}");
                }
                break;
            }
            Timer::after(TOLD_EVERY).await;
        }
        // The last answers are sent before the connections are closed.
        Timer::after(TOLD_EVERY).await;
    };
    async_io::block_on(executor.run(or(tell, accept)));
    Ok(())
}

fn start_worker(
    served: &Arc<Served>,
    queue: &Arc<Queue>,
    settings: &Settings,
) -> std::io::Result<Job<Told, (), std::convert::Infallible>> {
    let (served, queue) = (Arc::clone(served), Arc::clone(queue));
    let (most, gives_way) = (settings.most_time, settings.gives_way);
    Job::spawn("serving", Arc::new(|_| {}), move |progress| {
        if gives_way {
            jobs::give_way();
        }
        worker::run(&served, &queue, most, progress);
        Ok(())
    })
}
