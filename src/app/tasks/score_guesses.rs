//! Asks the model what the room's guesses are worth.

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::guesses;
use crate::explore::guesses::ScoredGuess;
use crate::jobs::Progress;
use crate::llm::generate::AdapterMode;
use crate::state::notice::Notice;
use crate::state::playground::vote::Verdict;
use crate::state::prefs::PanelId;

pub struct ScoreGuesses;

/// What stands before the guesses, and they themselves.
pub struct GuessesRequest {
    pub ids: Vec<u32>,
    pub adapter: AdapterMode,
    pub guesses: Vec<String>,
}

impl Work for ScoreGuesses {
    type Request = GuessesRequest;
    type Event = ();
    type Output = Vec<ScoredGuess>;
    type Error = Error;

    const RULES: Rules =
        Rules { takes_processor: true, ..Rules::short("Asking the model about the guesses") };

    fn run(
        request: GuessesRequest,
        services: &Services,
        progress: &dyn Progress<()>,
    ) -> Result<Vec<ScoredGuess>, Error> {
        let (model, adapter) = (services.model()?, services.adapter_if(request.adapter));
        guesses::score(&model, adapter, &request.ids, &request.guesses, progress)
    }
}

impl Task<Workbench> for ScoreGuesses {
    fn done(self, scored: Vec<ScoredGuess>, app: &mut Workbench) {
        let verdicts = scored
            .into_iter()
            .map(|ScoredGuess { text, tokens, logprob }| (text, Verdict { tokens, logprob }));
        app.state.playground.vote.answered(verdicts.collect());
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        let summary = "The guesses could not be scored";
        app.state.notices.push(Notice::error(PanelId::Playground, summary, &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Playground
    }
}
