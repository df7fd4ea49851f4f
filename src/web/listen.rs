//! An address at which somebody is listened to, and why that cannot be.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use async_io::Async;

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(
        "port {} of {} is in use by another program. Choose another port, or name none: the program \
         then finds a free one",
        at.port(), at.ip()
    )]
    PortInUse { at: SocketAddr },

    #[error(
        "this computer has no address {}. Choose one of its addresses; the network may have changed",
        at.ip()
    )]
    NoSuchAddress { at: SocketAddr },

    #[error(
        "the system does not let this program listen at {at}. Ports below 1024 need an \
         administrator: choose a port from 1024 on"
    )]
    NotAllowed { at: SocketAddr },

    #[error("nothing can listen at {at}")]
    Listen { at: SocketAddr, source: io::Error },

    #[error("the server was ended by an error of the network")]
    Network(#[source] io::Error),

    #[error("the server could not be started: the system starts no more threads")]
    Threads(#[source] io::Error),
}

impl ListenError {
    /// What a refusal to listen means.
    fn of_listening(at: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::PortInUse { at },
            io::ErrorKind::AddrNotAvailable => Self::NoSuchAddress { at },
            io::ErrorKind::PermissionDenied => Self::NotAllowed { at },
            _ => Self::Listen { at, source },
        }
    }
}

/// Where a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub ip: IpAddr,

    /// `None`: the first free one that is usual.
    pub port: Option<u16>,
}

/// Listens there. `usual`: the ports that are tried where none is chosen; after them, any.
pub fn listen(
    place: Place,
    usual: &[u16],
) -> Result<(Async<TcpListener>, SocketAddr), ListenError> {
    let listener = bind(place, usual)?;
    let at = listener.local_addr().map_err(ListenError::Network)?;
    Ok((Async::new(listener).map_err(ListenError::Network)?, at))
}

fn bind(place: Place, usual: &[u16]) -> Result<TcpListener, ListenError> {
    let bind = |port: u16| {
        let at = SocketAddr::new(place.ip, port);
        TcpListener::bind(at).map_err(|source| ListenError::of_listening(at, source))
    };
    if let Some(port) = place.port {
        return bind(port);
    }
    for port in usual {
        match bind(*port) {
            Err(ListenError::PortInUse { .. } | ListenError::NotAllowed { .. }) => {}
            other => return other,
        }
    }
    bind(0)
}

/// What a browser sends as `Host` for an address.
pub fn hosts(at: SocketAddr) -> Vec<String> {
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

/// The short address that is typed into a phone.
pub fn short_address(at: SocketAddr) -> String {
    match at.port() {
        80 if at.is_ipv4() => format!("http://{}", at.ip()),
        _ => format!("http://{at}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_and_another_one_is_found_where_none_was_chosen() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = taken.local_addr().unwrap();
        let error = bind(Place { ip: at.ip(), port: Some(at.port()) }, &[]).unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with(&format!("port {} of 127.0.0.1 is in use", at.port())), "{said}");
        let place = Place { ip: at.ip(), port: None };
        let one = bind(place, &[at.port()]).unwrap();
        let other = bind(place, &[at.port()]).unwrap();
        assert_ne!(one.local_addr().unwrap(), other.local_addr().unwrap());
    }

    #[test]
    fn an_address_that_this_computer_has_not_is_named() {
        // Of a range that is for documents (RFC 5737).
        let place = Place { ip: "192.0.2.1".parse().unwrap(), port: None };
        let said = bind(place, &[8080]).unwrap_err().to_string();
        assert!(said.starts_with("this computer has no address 192.0.2.1."), "{said}");
    }

    #[test]
    fn an_address_is_written_as_a_browser_takes_it() {
        assert_eq!(short_address("10.0.0.2:8080".parse().unwrap()), "http://10.0.0.2:8080");
        assert_eq!(short_address("10.0.0.2:80".parse().unwrap()), "http://10.0.0.2");
        assert_eq!(short_address("[2001:db8::5]:80".parse().unwrap()), "http://[2001:db8::5]:80");
    }
}
