//! Asks the system's keyring: reads what it has of ours, keeps a secret, or forgets one.

use crate::app::Workbench;
use crate::app::connection::Safe;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::hub;
use crate::hub::account::token::Token;
use crate::hub::account::vault::Secret;
use crate::hub::paths::HubPaths;
use crate::jobs::Progress;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

/// A question to the keyring.
pub struct AskKeyring {
    /// What to say if it does not serve.
    pub summary: &'static str,

    /// What it is to keep. `None`: it only reads or deletes.
    pub keeping: Option<(Secret, String)>,

    /// What it is to keep would outlive this program by now.
    pub is_safe: bool,
}

/// What it is asked for.
#[derive(Clone, Debug)]
pub enum Question {
    /// What it keeps for us, for the next connection.
    Unlock,

    /// To keep a secret for this and later starts, or to forget the one that was kept.
    Keep(Secret, Option<String>),
}

impl Work for AskKeyring {
    type Request = Question;

    /// Said once, when the secret will outlive this program: it is not to be lost before.
    type Event = ();
    type Output = ();
    type Error = hub::Error;

    const RULES: Rules = Rules { stops_with_all: false, ..Rules::short("Asking the keyring") };

    fn run(
        question: Question,
        services: &Services,
        progress: &dyn Progress<()>,
    ) -> Result<(), hub::Error> {
        let safe = match &services.safe {
            Some(safe) => safe.clone(),
            None => Safe::of_system(&HubPaths::from_env()?),
        };
        match question {
            Question::Unlock => safe.unlock(),
            Question::Keep(Secret::Token, Some(text)) if Token::parse(&text).is_none() => {
                Err(hub::Error::BadToken)
            }
            Question::Keep(secret, text) => safe.keep(secret, text, progress),
        }
    }
}

impl AskKeyring {
    /// What it was given would outlive this program by now, and need not lie readable any more.
    fn is_kept(&mut self, app: &mut Workbench) {
        self.is_safe = true;
        if matches!(self.keeping, Some((Secret::Proxy, _))) {
            app.state.prefs.hub.take_password();
        }
    }
}

impl Task<Workbench> for AskKeyring {
    fn on_event(&mut self, (): (), app: &mut Workbench) {
        self.is_kept(app);
    }

    fn done(mut self, (): (), app: &mut Workbench) {
        self.is_kept(app);
        app.keyring_answered();
    }

    fn failed(self, error: hub::Error, app: &mut Workbench) {
        app.state.notices.push(Notice::error(PanelId::Models, self.summary, &error));
        self.give_back(app);
        app.keyring_answered();
    }

    fn crashed(self, _message: &str, app: &mut Workbench) {
        self.give_back(app);
        app.keyring_answered();
    }

    fn panel(&self) -> PanelId {
        PanelId::Models
    }

    fn on_closing(&self) -> OnClosing {
        match self.keeping {
            Some(_) if !self.is_safe => OnClosing::Wait,
            _ => OnClosing::Drop,
        }
    }
}

impl AskKeyring {
    /// Puts what could not be kept where it was typed.
    fn give_back(self, app: &mut Workbench) {
        if let Some((secret, text)) = self.keeping.filter(|_| !self.is_safe) {
            app.give_back(secret, text);
        }
    }
}
