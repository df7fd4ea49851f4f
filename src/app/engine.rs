//! The real engine: our decoder, one model and one adapter in memory, and the Hub.

use std::sync::Arc;

use super::connection::{Connected, Connection, Safe};
use super::pace::Pace;
use super::services::Services;
use super::work::{Engine, Launch};
use crate::hub;
use crate::hub::fetch::queue::QueueCommand;
use crate::hub::paths::HubPaths;
use crate::hub::protocol::repository::RepoKind;
use crate::jobs::Wake;
use crate::remote::error::RemoteError;
use crate::remote::probe::Probe;
use crate::remote::server::Server;
use crate::state::hub::HubSettings;

/// Does work on threads of its own.
#[derive(Default)]
pub struct CandleEngine {
    services: Services,
}

impl CandleEngine {
    fn safe(&mut self, paths: &HubPaths) -> &Safe {
        self.services.safe.get_or_insert_with(|| Safe::of_system(paths))
    }
}

impl Engine for CandleEngine {
    fn start(&mut self, launch: &mut dyn Launch, wake: Wake) {
        launch.spawn(&self.services, wake);
    }

    fn unload(&mut self) {
        self.services.set_model(None);
    }

    fn unload_adapter(&mut self) {
        self.services.set_adapter(None);
    }

    fn unload_encoder(&mut self) {
        self.services.forget_encoder();
    }

    fn forget_masked(&mut self) {
        self.services.forget_masked();
    }

    fn forget_second(&mut self) {
        self.services.forget_second();
    }

    fn use_server(&mut self, probe: Arc<Probe>) -> Result<(), RemoteError> {
        let key = self.services.server_key(&probe.address);
        self.services.set_server(Server::new(probe, key.as_deref())?);
        Ok(())
    }

    fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.services.pace)
    }

    fn connect(&mut self, settings: &HubSettings) -> Result<Connected, hub::Error> {
        let paths = HubPaths::from_env()?;
        let secrets = self.safe(&paths).known();
        let queue = self.services.connection.as_ref().map(|connection| connection.queue.clone());
        let connection = Connection::open(paths, settings, &secrets, queue)?;
        let connected = connection.connected(settings, &secrets);
        self.services.connection = Some(Arc::new(connection));
        Ok(connected)
    }

    fn is_locked_away(&mut self) -> bool {
        // Connecting says that there is no home.
        HubPaths::from_env().is_ok_and(|paths| self.safe(&paths).is_locked_away())
    }

    fn send_to_queue(&mut self, command: QueueCommand) {
        if let Some(connection) = &self.services.connection {
            connection.queue.send(command);
        }
    }

    fn hub_page(&self, kind: RepoKind, repo: &str) -> String {
        let connection = self.services.connection.as_ref();
        connection.map_or_else(String::new, |connection| connection.client.page_of(kind, repo))
    }
}
