//! Writes conversations that have changed into the project.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::jobs::Progress;
use crate::prompts::chats::{self, Chat};
use crate::prompts::error::PromptError;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct SaveChats;

const FAILED: &str = "The chat could not be saved in the project";

impl Work for SaveChats {
    /// The project's folder.
    type Request = (PathBuf, Vec<Chat>);

    /// One was written.
    type Event = String;
    type Output = ();
    type Error = PromptError;

    const RULES: Rules = Rules {
        on_closing: OnClosing::Wait,
        stops_with_all: false,
        ..Rules::short("Saving the chat")
    };

    fn run(
        (project, due): (PathBuf, Vec<Chat>),
        _services: &Services,
        progress: &dyn Progress<String>,
    ) -> Result<(), PromptError> {
        for chat in due {
            chats::write(&project, &chat)?;
            progress.emit(chat.id);
        }
        Ok(())
    }
}

impl Task<Workbench> for SaveChats {
    fn on_event(&mut self, id: String, app: &mut Workbench) {
        app.state.playground.chats_are_kept(&[id]);
    }

    fn done(self, (): (), app: &mut Workbench) {
        app.state.notices.withdraw(PanelId::Playground, FAILED);
    }

    fn failed(self, error: PromptError, app: &mut Workbench) {
        let notice = Notice::error(PanelId::Playground, FAILED, &error);
        let hint = "Its texts are kept with the preferences of this program until a project can be \
                    written to";
        app.state.notices.withdraw(PanelId::Playground, FAILED);
        app.state.notices.push(notice.hint(hint));
    }

    fn panel(&self) -> PanelId {
        PanelId::Playground
    }
}
