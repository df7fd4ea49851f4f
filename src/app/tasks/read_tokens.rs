//! Splits the text of Look inside into tokens.

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::tokens;
use crate::explore::tokens::TokenView;
use crate::jobs::Progress;
use crate::llm;
use crate::llm::generate::Prompt;
use crate::llm::{ChatTemplate, Model};
use crate::state::look_inside::slot::Slot;
use crate::state::look_inside::subject::Subject;
use crate::state::prefs::PanelId;

pub struct ReadTokens {
    /// Which question it belongs to.
    pub number: u64,
}

impl Work for ReadTokens {
    type Request = Subject;
    type Event = ();
    type Output = TokenView;
    type Error = Error;

    const RULES: Rules = Rules::short("Splitting the text into tokens");

    fn run(
        subject: Subject,
        services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<TokenView, Error> {
        split(&*services.model()?, &subject)
    }
}

/// The tokens of what is looked at, as the model reads it.
pub fn split(model: &Model, subject: &Subject) -> Result<TokenView, Error> {
    let tokenizer = model.tokenizer();
    match subject.prompt() {
        Ok(prompt) => {
            let (text, adds_special) = written(&prompt, model.chat())?;
            tokens::of_text(tokenizer, &text, adds_special)
        }
        Err(ids) => tokens::of_ids(tokenizer, ids),
    }
}

/// A prompt as a text, and whether the tokenizer puts something around it: a chat template has done that
/// already.
pub fn written(prompt: &Prompt, chat: Option<&ChatTemplate>) -> Result<(String, bool), Error> {
    match prompt {
        Prompt::Raw(text) => Ok((text.clone(), true)),
        Prompt::Chat(messages) => {
            let chat = chat.ok_or(llm::Error::NoChatTemplate)?;
            Ok((chat.render(messages, true).map_err(llm::Error::from)?, false))
        }
    }
}

impl Task<Workbench> for ReadTokens {
    fn ended(&mut self, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.tokens.end();
        }
    }

    fn done(self, view: TokenView, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.tokens = Slot::Ready(view);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        let summary = "The text could not be split into tokens";
        app.tell_look_failed(self.number, summary, &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }
}
