//! The room: questions that are answered on the phones of an audience, through one small page that
//! this program serves on the local network.
//!
//! [`ballots`] knows the questions and counts every vote once; [`server`] is the only way in. Nothing
//! of a phone is kept but a number that its page has drawn.

pub mod address;
pub mod answers;
pub mod ballots;
pub mod code;
pub mod coding;
pub mod error;
mod page;
pub mod qr;
pub mod question;
pub mod results;
mod routes;
pub mod server;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod client;
#[cfg(test)]
mod load;
