//! Serves the page of the phones until the room is closed, and keeps the votes.

use std::io;
use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::jobs::Progress;
use crate::room::ballots::{Asked, Room};
use crate::room::results;
use crate::room::server::{RoomEvent, serve};
use crate::state::command::{RoomCommand, WindowCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::room::{OpenRoom, Status};
use crate::state::slots::Activity;
use crate::web::listen::{ListenError, Place};

pub struct KeepRoom {
    pub room: Room,

    /// Where the votes are kept. `None`: no project is open.
    pub folder: Option<PathBuf>,
}

pub struct RoomRequest {
    pub room: Room,
    pub place: Place,
    pub folder: Option<PathBuf>,
}

/// How many votes were kept, or why they could not be. `None`: there were none, or no place for them.
type Kept = Option<Result<usize, io::Error>>;

impl Work for KeepRoom {
    type Request = RoomRequest;
    type Event = RoomEvent;
    type Output = Kept;
    type Error = ListenError;

    const RULES: Rules = Rules {
        name: "The room",
        takes_processor: false,
        gives_way: false,
        // Its votes are written when it ends.
        on_closing: OnClosing::Wait,
        // A lecture goes on when a training run is stopped.
        stops_with_all: false,
        is_reading: false,
    };

    fn run(
        RoomRequest { room, place, folder }: RoomRequest,
        _services: &Services,
        progress: &dyn Progress<RoomEvent>,
    ) -> Result<Kept, ListenError> {
        serve(&room, place, progress)?;
        Ok(folder.and_then(|folder| write_votes(&room.asked(), &folder)))
    }
}

/// Writes the votes of a room into its folder. `None`: nobody has voted yet.
pub(in crate::app) fn write_votes(asked: &[Asked], folder: &Path) -> Kept {
    if asked.iter().all(|asked| asked.votes.is_empty()) {
        return None;
    }
    let written = results::write(asked, &folder.join("votes.csv"))
        .and_then(|_| results::write(asked, &folder.join("votes.jsonl")));
    Some(written)
}

impl Task<Workbench> for KeepRoom {
    fn on_event(&mut self, event: RoomEvent, app: &mut Workbench) {
        match event {
            RoomEvent::Opened { address, link } => {
                let (room, folder) = (self.room.clone(), self.folder.clone());
                let open = OpenRoom::new(room, address, link, folder);
                app.state.room.status = Status::Open(Box::new(open));
            }
            RoomEvent::Counts(counts) => {
                if let Some(open) = app.state.room.open_mut() {
                    open.counts = counts;
                }
                app.take_guesses();
            }
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.room.status = Status::Closed;
        app.state.room.pair = None;
        app.state.room.item = None;
    }

    fn done(self, kept: Kept, app: &mut Workbench) {
        match kept {
            None => {}
            Some(Ok(count)) => {
                let votes = if count == 1 { "1 vote".to_owned() } else { format!("{count} votes") };
                let summary = format!("The room is closed. Its {votes} are in the project");
                let notice = Notice::info(PanelId::Lectures, summary);
                let folder = self.folder.unwrap_or_default();
                app.state
                    .notices
                    .push(notice.remedy("Show the folder", WindowCommand::Reveal(folder)));
            }
            Some(Err(err)) => app.tell_votes_not_kept(&err),
        }
    }

    fn failed(self, error: ListenError, app: &mut Workbench) {
        let summary = "The room could not be opened to phones";
        let notice = Notice::error(PanelId::Lectures, summary, &error);
        app.state
            .notices
            .push(notice.remedy("Look for addresses again", RoomCommand::FindAddresses));
    }

    fn panel(&self) -> PanelId {
        PanelId::Lectures
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let open = app.state.room.open()?;
        let detail = format!("{} · {}", open.address, open.turnout());
        Some(Activity {
            stop: Some(RoomCommand::Close.into()),
            ..Activity::new("Open to phones", detail)
        })
    }
}
