//! Looks for the addresses at which phones could reach this computer.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::room::address::{Address, addresses};
use crate::state::prefs::PanelId;

pub struct FindAddresses;

impl Work for FindAddresses {
    type Request = ();
    type Event = ();
    type Output = Vec<Address>;
    type Error = Infallible;

    const RULES: Rules =
        Rules { stops_with_all: false, ..Rules::short("Looking for the addresses") };

    fn run(
        (): (),
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Vec<Address>, Infallible> {
        let mut found = addresses();
        // To try the page where there is no network.
        let own = IpAddr::V4(Ipv4Addr::LOCALHOST);
        found.push(Address { ip: own, interface: "this computer only".to_owned() });
        Ok(found)
    }
}

impl Task<Workbench> for FindAddresses {
    fn done(self, found: Vec<Address>, app: &mut Workbench) {
        let room = &mut app.state.room;
        // A network may have gone since.
        room.chosen = room.chosen.filter(|ip| found.iter().any(|address| address.ip == *ip));
        room.addresses = found;
    }

    fn failed(self, error: Infallible, _app: &mut Workbench) {
        match error {}
    }

    fn panel(&self) -> PanelId {
        PanelId::Lectures
    }
}
