//! The model in memory, or that of a server, answers: in the Playground, or both answers of a pair in
//! Annotate.

use crate::app::Workbench;
use crate::app::pace::Paced;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::jobs::Progress;
use crate::llm;
use crate::llm::generate::{Answer, GenerateEvent, GenerateRequest, generate_guessed};
use crate::remote;
use crate::remote::error::RemoteError;
use crate::state::command::{Command, PlaygroundCommand};
use crate::state::notice::Notice;
use crate::state::playground::PlaygroundState;
use crate::state::prefs::{Guessing, PanelId};
use crate::state::slots::{Activity, Asker};
use crate::words::counted;

pub struct Answering {
    pub asker: Asker,
}

#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    #[error(transparent)]
    Model(#[from] llm::Error),

    #[error(transparent)]
    Server(#[from] RemoteError),
}

impl AnswerError {
    fn is_stop(&self) -> bool {
        match self {
            Self::Model(error) => matches!(error, llm::Error::Cancelled(_)),
            Self::Server(error) => error.is_stop(),
        }
    }
}

/// What is asked, and what guesses the next tokens.
pub struct AnswerRequest {
    pub request: GenerateRequest,
    pub guessing: Guessing,
}

impl Work for Answering {
    type Request = AnswerRequest;
    type Event = GenerateEvent;
    type Output = Vec<Answer>;
    type Error = AnswerError;

    const RULES: Rules =
        Rules { takes_processor: true, on_closing: OnClosing::Wait, ..Rules::short("Answering") };

    fn run(
        AnswerRequest { request, guessing }: AnswerRequest,
        services: &Services,
        progress: &dyn Progress<GenerateEvent>,
    ) -> Result<Vec<Answer>, AnswerError> {
        let paced = Paced::new(progress, &services.pace);
        if let Some(server) = services.server() {
            return Ok(remote::answer::generate(&server, &request, &paced)?);
        }
        let (model, adapter) = (services.model()?, services.adapter());
        let guesser = services.guesser(&guessing, &model, progress)?;
        let guesser = guesser.guesser();
        Ok(generate_guessed(&model, adapter.as_deref(), guesser, &request, &paced)?)
    }
}

impl Task<Workbench> for Answering {
    fn on_event(&mut self, event: GenerateEvent, app: &mut Workbench) {
        let now = app.host.seconds();
        match self.asker {
            Asker::Playground => app.state.playground.on_event(event, now),
            Asker::Annotate => app.state.annotate.on_event(event, now),
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        match self.asker {
            Asker::Playground => app.state.playground.finished(),
            Asker::Annotate => app.state.annotate.ended(),
        }
    }

    fn done(self, _answers: Vec<Answer>, app: &mut Workbench) {
        app.ask_what_waits();
    }

    fn failed(self, error: AnswerError, app: &mut Workbench) {
        if !error.is_stop() {
            let summary = "The model could not answer";
            app.state.notices.push(Notice::error(self.panel(), summary, &error));
        }
        app.ask_what_waits();
    }

    fn crashed(self, _message: &str, app: &mut Workbench) {
        app.ask_what_waits();
    }

    fn panel(&self) -> PanelId {
        match self.asker {
            Asker::Playground => PanelId::Playground,
            Asker::Annotate => PanelId::Annotate,
        }
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let detail = match self.asker {
            Asker::Playground => detail(&app.state.playground),
            Asker::Annotate => app.state.annotate.activity().unwrap_or_default(),
        };
        Some(Activity {
            stop: Some(Command::Playground(PlaygroundCommand::Stop)),
            ..Activity::new("Answering", detail)
        })
    }
}

/// `42 tokens · 31.0 tokens/s`.
fn detail(playground: &PlaygroundState) -> String {
    let Some(lane) =
        playground.lanes.iter().rfind(|lane| !lane.tokens.is_empty() || lane.reading.is_some())
    else {
        return "starting".to_owned();
    };
    if let (true, Some((done, total))) = (lane.tokens.is_empty(), lane.reading) {
        return format!("reading the prompt · {done} of {total} tokens");
    }
    let count = counted(lane.tokens.len(), "token", "tokens");
    match lane.tokens_per_sec() {
        Some(speed) => format!("{count} · {speed:.1} tokens/s"),
        None => count,
    }
}
