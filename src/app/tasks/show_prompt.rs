//! Puts a prompt through the loaded model's chat template, to be looked at.

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::pair::Message;
use crate::errors::one_line;
use crate::jobs::Progress;
use crate::llm;
use crate::state::prefs::PanelId;

pub struct ShowPrompt {
    pub content: String,
}

impl Work for ShowPrompt {
    type Request = String;
    type Event = ();
    type Output = String;
    type Error = llm::Error;

    const RULES: Rules = Rules::short("Showing the prompt");

    fn run(
        content: String,
        services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<String, llm::Error> {
        let model = services.model()?;
        match model.chat() {
            Some(chat) => Ok(chat.render(&[Message::new("user", &content)], true)?),
            None => Ok(format!("{content}\n\nAnswer:")),
        }
    }
}

impl ShowPrompt {
    fn show(self, text: Result<String, String>, app: &mut Workbench) {
        let rendered = app.state.evaluate.rendered.as_mut();
        if let Some(rendered) = rendered.filter(|rendered| rendered.content == self.content) {
            rendered.text = Some(text);
        }
    }
}

impl Task<Workbench> for ShowPrompt {
    fn done(self, text: String, app: &mut Workbench) {
        self.show(Ok(text), app);
    }

    fn failed(self, error: llm::Error, app: &mut Workbench) {
        self.show(Err(one_line(&error)), app);
    }

    fn panel(&self) -> PanelId {
        PanelId::Evaluate
    }
}
