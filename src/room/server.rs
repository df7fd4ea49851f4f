//! The server of the page: one thread, however many phones there are. It listens at one address, that
//! the person has chosen.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use async_io::{Async, Timer};
use futures_lite::future::or;
use hyper::server::conn::http1;
use hyper::service::service_fn;

use super::address::short_address;
use super::ballots::{Counts, Room};
use super::connections::Connections;
use super::error::RoomError;
use super::service::{Desk, Patience};
use super::stream::{Clock, Stream};
use crate::jobs::Progress;

/// Ports that are short to type, tried one after the other.
const PORTS: [u16; 4] = [8080, 8000, 8888, 8008];

/// Browsers send 12 headers and less than 2 KiB.
const MOST_HEADERS: usize = 40;
const MOST_HEADER_BYTES: usize = 8_192;

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

/// Where the room is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub ip: IpAddr,

    /// `None`: the first free one that is short to type.
    pub port: Option<u16>,
}

/// Serves the room until the caller loses interest.
pub fn serve(
    room: &Room,
    place: Place,
    progress: &dyn Progress<RoomEvent>,
) -> Result<(), RoomError> {
    serve_with(room, place, Patience::default(), progress)
}

/// The same with another patience, for tests.
pub(super) fn serve_with(
    room: &Room,
    place: Place,
    patience: Patience,
    progress: &dyn Progress<RoomEvent>,
) -> Result<(), RoomError> {
    let listener = listen(place)?;
    let at = listener.local_addr().map_err(RoomError::Network)?;
    let listener = Async::new(listener).map_err(RoomError::Network)?;
    let address = short_address(at);
    let link = format!("{address}/#{}", room.code());
    progress.emit(RoomEvent::Opened { address, link });
    let executor = LocalExecutor::new();
    let desk = Rc::new(Desk {
        room: room.clone(),
        hosts: hosts(at),
        connections: Rc::new(Connections::default()),
        patience,
    });
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((tcp, _)) => {
                    executor.spawn(connection(Rc::clone(&desk), tcp)).detach();
                }
                Err(err) => {
                    // Mostly: no more files can be open. The next one may have more luck.
                    log::debug!("the room: {err}");
                    desk.connections.make_room();
                    Timer::after(Duration::from_millis(50)).await;
                }
            }
        }
    };
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

fn listen(place: Place) -> Result<TcpListener, RoomError> {
    let bind = |port: u16| {
        let at = SocketAddr::new(place.ip, port);
        TcpListener::bind(at).map_err(|source| RoomError::of_listening(at, source))
    };
    if let Some(port) = place.port {
        return bind(port);
    }
    for port in PORTS {
        match bind(port) {
            Err(RoomError::PortInUse { .. } | RoomError::NotAllowed { .. }) => {}
            other => return other,
        }
    }
    bind(0)
}

/// What a browser sends as `Host` for an address.
fn hosts(at: SocketAddr) -> Vec<String> {
    let mut hosts = vec![at.to_string()];
    if at.port() == 80 {
        hosts.push(match at.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
    }
    if at.ip().is_loopback() {
        hosts.push(format!("localhost:{}", at.port()));
    }
    hosts
}

/// One connection, from the first byte to the last.
async fn connection(desk: Rc<Desk>, tcp: Async<TcpStream>) {
    let entry = desk.connections.enter();
    if let Err(err) = tcp.get_ref().set_nodelay(true) {
        log::debug!("the room: {err}");
    }
    let leaving = entry.connection.leaving();
    let service = service_fn(|request| {
        let (desk, connection) = (Rc::clone(&desk), Rc::clone(&entry.connection));
        async move { Ok::<_, std::convert::Infallible>(desk.answer(request, &connection).await) }
    });
    let served = http1::Builder::new()
        .timer(Clock)
        .header_read_timeout(desk.patience.headers)
        .max_headers(MOST_HEADERS)
        .max_buf_size(MOST_HEADER_BYTES)
        .half_close(false)
        .serve_connection(Stream::new(tcp), service);
    let served = async {
        if let Err(err) = served.await {
            // A phone that went to sleep, or somebody's experiment: nothing to tell anybody.
            log::trace!("the room: {err}");
        }
    };
    or(leaving, served).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_and_another_one_is_found_where_none_was_chosen() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = taken.local_addr().unwrap();
        let error = listen(Place { ip: at.ip(), port: Some(at.port()) }).unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with(&format!("port {} of 127.0.0.1 is in use", at.port())), "{said}");
        let one = listen(Place { ip: at.ip(), port: None }).unwrap();
        let other = listen(Place { ip: at.ip(), port: None }).unwrap();
        assert_ne!(one.local_addr().unwrap(), other.local_addr().unwrap());
    }

    #[test]
    fn an_address_that_this_computer_has_not_is_named() {
        // Of a range that is for documents (RFC 5737).
        let place = Place { ip: "192.0.2.1".parse().unwrap(), port: None };
        let said = listen(place).unwrap_err().to_string();
        assert!(said.starts_with("this computer has no address 192.0.2.1 any more"), "{said}");
    }
}
