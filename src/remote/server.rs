//! A model of a server that was chosen: how it is asked, and what was found out about it.

use std::sync::Arc;
use std::time::Duration;

use super::client::Client;
use super::error::RemoteError;
use super::probe::Probe;

/// An answer takes so long at most.
const MOST_TIME: Duration = Duration::from_mins(30);

/// A clone is the same.
#[derive(Clone)]
pub struct Server {
    pub client: Client,
    pub probe: Arc<Probe>,
}

impl Server {
    pub fn new(probe: Arc<Probe>, key: Option<&str>) -> Result<Self, RemoteError> {
        Ok(Self { client: Client::new(&probe.address, key, MOST_TIME)?, probe })
    }
}
