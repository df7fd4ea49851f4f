//! The server of the page: one thread, however many phones there are. It listens at one address, that
//! the person has chosen.

use std::rc::Rc;
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use async_io::Timer;
use futures_lite::future::or;

use super::ballots::{Counts, Room};
use super::routes::Routes;
use crate::jobs::Progress;
use crate::web::accept::{Patience, accept};
use crate::web::connections::{Connection, Connections};
use crate::web::listen::{ListenError, Place, hosts, listen, short_address};

/// Ports that are short to type, tried one after the other.
const PORTS: [u16; 4] = [8080, 8000, 8888, 8008];

/// How often the counts are told, at most.
const TOLD_EVERY: Duration = Duration::from_millis(200);

/// What the server says.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomEvent {
    /// Phones can come: `http://192.168.1.20:8080`, and the same with the code for a QR code.
    Opened {
        address: String,
        link: String,
    },
    Counts(Counts),
}

/// Serves the room until the caller loses interest.
pub fn serve(
    room: &Room,
    place: Place,
    progress: &dyn Progress<RoomEvent>,
) -> Result<(), ListenError> {
    serve_with(room, place, Patience::default(), progress)
}

/// The same with another patience, for tests.
pub(super) fn serve_with(
    room: &Room,
    place: Place,
    patience: Patience,
    progress: &dyn Progress<RoomEvent>,
) -> Result<(), ListenError> {
    let (listener, at) = listen(place, &PORTS)?;
    let address = short_address(at);
    let link = format!("{address}/#{}", room.code());
    progress.emit(RoomEvent::Opened { address, link });
    let executor = LocalExecutor::new();
    let connections = Rc::new(Connections::default());
    let routes = Rc::new(Routes {
        room: room.clone(),
        hosts: hosts(at),
        connections: Rc::clone(&connections),
        patience,
    });
    let answer = move |request, from: Rc<Connection>| {
        let routes = Rc::clone(&routes);
        async move { routes.answer(request, &from).await }
    };
    let accept = async { accept(&listener, &executor, (&connections, patience), answer).await };
    let tell = async {
        let mut told = None;
        loop {
            if progress.check().is_err() {
                return;
            }
            let counts = room.counts(Instant::now());
            if told.as_ref() != Some(&counts) {
                progress.emit(RoomEvent::Counts(counts.clone()));
                told = Some(counts);
            }
            Timer::after(TOLD_EVERY).await;
        }
    };
    async_io::block_on(executor.run(or(tell, accept)));
    Ok(())
}
