//! Serves the model in memory to other programs, until somebody stops it or the model leaves.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::jobs::{Cancelled, Progress};
use crate::llm;
use crate::room::address::addresses;
use crate::serve::key::Key;
use crate::serve::served::Served;
use crate::serve::server::{Done, ServeEvent, Settings, serve};
use crate::state::command::ModelsCommand;
use crate::state::notice::Notice;
use crate::state::prefs::{Guessing, PanelId};
use crate::state::serving::{OpenServer, ServeStatus, ServeTo};
use crate::state::slots::Activity;
use crate::web::listen::{ListenError, Place};

pub struct ServeModel;

/// What the window hears of it.
pub enum ServingEvent {
    Opened(OpenServer),
    Begun,
    Done(Done),
    Refused,
}

#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    #[error(transparent)]
    Model(#[from] llm::Error),

    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl Work for ServeModel {
    /// With what guesses the next tokens.
    type Request = (ServeTo, Guessing);
    type Event = ServingEvent;
    type Output = ();
    type Error = ServingError;

    const RULES: Rules = Rules {
        name: "The model's server",
        takes_processor: false,
        // Its own worker gives way while it computes.
        gives_way: false,
        // Others may be in the middle of something.
        on_closing: OnClosing::Ask,
        stops_with_all: true,
        is_reading: false,
    };

    fn run(
        (to, guessing): (ServeTo, Guessing),
        services: &Services,
        progress: &dyn Progress<ServingEvent>,
    ) -> Result<(), ServingError> {
        let model = services.model()?;
        let guesser = services.guesser(&guessing, &model, progress)?;
        let served = Served::decoder(model, services.adapter(), None).with_guesser(guesser);
        let served = Arc::new(served);
        let (ip, key) = match to {
            ServeTo::ThisComputer => (Ipv4Addr::LOCALHOST, None),
            ServeTo::Network => (Ipv4Addr::UNSPECIFIED, Some(Key::random())),
        };
        let place = Place { ip: IpAddr::V4(ip), port: None };
        let settings = Settings { place, key, gives_way: true, ..Settings::default() };
        let told = Told { progress, served: &served, key: settings.key.as_ref() };
        Ok(serve(&served, &settings, &told)?)
    }
}

/// The server's events as the window's.
struct Told<'a> {
    progress: &'a dyn Progress<ServingEvent>,
    served: &'a Served,
    key: Option<&'a Key>,
}

impl Progress<ServeEvent> for Told<'_> {
    fn emit(&self, event: ServeEvent) {
        self.progress.emit(match event {
            ServeEvent::Opened { address } => ServingEvent::Opened(OpenServer {
                addresses: reachable(&address),
                key: self.key.map(|key| key.as_str().to_owned()),
                names: self.served.names().into_iter().map(str::to_owned).collect(),
                ..OpenServer::default()
            }),
            ServeEvent::Begun { .. } => ServingEvent::Begun,
            ServeEvent::Done(done) => ServingEvent::Done(done),
            ServeEvent::Refused { .. } => ServingEvent::Refused,
        });
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.progress.check()
    }
}

/// Nobody can go to 0.0.0.0, which stands for every address of this computer.
fn reachable(address: &str) -> Vec<String> {
    const ALL: &str = "//0.0.0.0:";

    if !address.contains(ALL) {
        return vec![address.to_owned()];
    }
    let of = |ip: IpAddr| address.replace(ALL, &format!("//{ip}:"));
    let found = addresses().into_iter().map(|address| address.ip).filter(IpAddr::is_ipv4);
    let mut all: Vec<String> = found.map(of).collect();
    all.push(of(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    all
}

impl Task<Workbench> for ServeModel {
    fn on_event(&mut self, event: ServingEvent, app: &mut Workbench) {
        let serving = &mut app.state.models.serving;
        if let ServingEvent::Opened(open) = event {
            serving.status = ServeStatus::On(open);
            return;
        }
        let Some(open) = serving.open_mut() else { return };
        match event {
            ServingEvent::Opened(_) => {}
            ServingEvent::Begun => open.is_busy = true,
            ServingEvent::Done(done) => {
                open.is_busy = false;
                open.tokens += done.usage.prompt + done.usage.answer;
                open.computed += done.took;
                if done.status == 200 {
                    open.answered += 1;
                } else {
                    open.refused += 1;
                }
            }
            ServingEvent::Refused => open.refused += 1,
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.models.serving.status = ServeStatus::Off;
        app.state.models.serving.is_asked = false;
    }

    fn done(self, (): (), _app: &mut Workbench) {}

    fn failed(self, error: ServingError, app: &mut Workbench) {
        let summary = "The model could not be served";
        let notice = Notice::error(PanelId::Models, summary, &error);
        app.state.notices.push(notice.remedy("Try again", ModelsCommand::Serve));
    }

    fn panel(&self) -> PanelId {
        PanelId::Models
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let open = app.state.models.serving.open()?;
        let address = open.addresses.first().map_or("", String::as_str);
        let detail = format!("{address} · {}", open.turnout());
        Some(Activity {
            stop: Some(ModelsCommand::StopServing.into()),
            ..Activity::new("Serving the model", detail)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_stands_for_all_is_replaced_by_those_that_can_be_reached() {
        assert_eq!(reachable("http://127.0.0.1:8321/v1"), ["http://127.0.0.1:8321/v1"]);
        let all = reachable("http://0.0.0.0:8321/v1");
        assert_eq!(all.last().map(String::as_str), Some("http://127.0.0.1:8321/v1"));
        assert!(all.iter().all(|address| address.ends_with(":8321/v1")), "{all:?}");
        assert!(all.iter().all(|address| !address.contains("0.0.0.0")), "{all:?}");
    }
}
