//! Reads the conversations of the project.

use std::convert::Infallible;
use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::prompts::chats::{self, Chat};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct ListChats;

impl Work for ListChats {
    /// The project's folder.
    type Request = PathBuf;
    type Event = ();
    type Output = (Vec<Chat>, Vec<String>);
    type Error = Infallible;

    const RULES: Rules = Rules { stops_with_all: false, ..Rules::short("Listing the chats") };

    fn run(
        project: PathBuf,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<(Vec<Chat>, Vec<String>), Infallible> {
        Ok(chats::list(&project))
    }
}

impl Task<Workbench> for ListChats {
    fn done(self, (chats, problems): (Vec<Chat>, Vec<String>), app: &mut Workbench) {
        app.state.playground.set_chats(chats);
        if let Some(first) = problems.first() {
            let summary = match problems.len() {
                1 => "A chat of the project could not be read".to_owned(),
                count => format!("{count} chats of the project could not be read"),
            };
            let hint = format!("{first}. The file stays as it is, in the folder chats");
            let notice = Notice::problem(PanelId::Playground, summary);
            app.state.notices.push(notice.hint(hint));
        }
    }

    fn failed(self, error: Infallible, _app: &mut Workbench) {
        match error {}
    }

    fn panel(&self) -> PanelId {
        PanelId::Playground
    }
}
