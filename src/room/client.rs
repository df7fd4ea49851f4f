//! Phones for the tests: a room on loopback, and requests as plain bytes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::ballots::Room;
use super::server::{RoomEvent, serve_with};
use crate::jobs::Job;
use crate::web::accept::Patience;
use crate::web::listen::{ListenError, Place};

/// A room that is open on loopback until this is dropped.
pub struct Open {
    pub room: Room,
    pub at: SocketAddr,
    job: Option<Job<RoomEvent, (), ListenError>>,
}

impl Open {
    pub fn new() -> Self {
        Self::with(Patience::default())
    }

    pub fn with(patience: Patience) -> Self {
        let room = Room::new("Test");
        let served = room.clone();
        let (woken, wakes) = mpsc::channel();
        let wake = Arc::new(move |_| {
            woken.send(()).ok();
        });
        let mut job = Job::spawn("room", wake, move |progress| {
            // Any free port: tests run beside each other.
            let place = Place { ip: [127, 0, 0, 1].into(), port: Some(0) };
            serve_with(&served, place, patience, progress)
        })
        .unwrap();
        let mut at = None;
        while at.is_none() {
            wakes.recv_timeout(Duration::from_secs(20)).expect("the room opens");
            job.poll(|event| {
                if let RoomEvent::Opened { address, .. } = event {
                    at = address.strip_prefix("http://").map(|at| at.parse().unwrap());
                }
            });
        }
        Self { room, at: at.unwrap(), job: Some(job) }
    }

    /// What is answered to `bytes`, until the server closes or has said what it announced.
    pub fn send(&self, bytes: &[u8]) -> String {
        let mut tcp = self.connect();
        // It may answer, and close, before all was sent.
        tcp.write_all(bytes).ok();
        answer(&mut tcp)
    }

    pub fn connect(&self) -> TcpStream {
        let tcp = TcpStream::connect(self.at).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        tcp
    }

    /// A request as a page sends it.
    pub fn request(&self, method: &str, path: &str, device: usize, body: &str) -> String {
        request(&self.at.to_string(), self.room.code().as_str(), [method, path], device, body)
    }

    pub fn vote(&self, device: usize, body: &str) -> String {
        self.send(self.request("POST", "/api/vote", device, body).as_bytes())
    }

    pub fn votes(&self) -> usize {
        self.room.asked().iter().map(|asked| asked.votes.len()).sum()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            job.cancel();
            job.wait(drop);
        }
    }
}

/// A request of a phone with a number.
pub fn request(
    host: &str,
    code: &str,
    [method, path]: [&str; 2],
    device: usize,
    body: &str,
) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-Room-Code: {code}\r\n\
         X-Room-Device: {device:032x}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// One answer.
pub fn answer(tcp: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text.into_owned();
            }
        }
        match tcp.read(&mut piece) {
            Ok(0) | Err(_) => return String::from_utf8_lossy(&bytes).into_owned(),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

pub fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}
