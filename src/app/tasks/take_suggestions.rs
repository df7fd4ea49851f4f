//! Takes what a model has answered about the items of a study as suggestions for its coders.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::evaluate::results::folder::{self, FolderError};
use crate::evaluate::results::suggestions::suggestions;
use crate::jobs::Progress;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::study::design::{StudyError, Suggest};
use crate::study::folder::{Folder, Suggestion};
use crate::study::variable::Variable;
use crate::words::counted;

pub struct TakeSuggestions {
    pub study: PathBuf,
}

/// Of which evaluation, for which items of which study.
pub struct SuggestionsAsked {
    pub evaluation: PathBuf,
    pub study: PathBuf,
    pub items: HashSet<String>,
    pub variable: Variable,
}

pub struct TakenSuggestions {
    found: Vec<Suggestion>,

    /// The model and the evaluation, as the study names them.
    from: String,
}

#[derive(Debug, thiserror::Error)]
pub enum TakeSuggestionsError {
    #[error(transparent)]
    Evaluation(#[from] FolderError),

    #[error(transparent)]
    Study(#[from] StudyError),
}

impl Work for TakeSuggestions {
    type Request = SuggestionsAsked;
    type Event = ();
    type Output = TakenSuggestions;
    type Error = TakeSuggestionsError;

    const RULES: Rules =
        Rules { on_closing: OnClosing::Wait, ..Rules::short("Taking over suggestions") };

    fn run(
        request: SuggestionsAsked,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<TakenSuggestions, TakeSuggestionsError> {
        let SuggestionsAsked { evaluation, study, items, variable } = request;
        let (about, answers) = folder::Folder::read(&evaluation)?;
        let mut found = suggestions(&about, &answers, &variable);
        found.retain(|suggestion| items.contains(&suggestion.item));
        if !found.is_empty() {
            Folder::write_suggestions(&study, &found)?;
        }
        let from = format!("{}, {}", about.model.name, evaluation.display());
        Ok(TakenSuggestions { found, from })
    }
}

impl Task<Workbench> for TakeSuggestions {
    fn done(self, taken: TakenSuggestions, app: &mut Workbench) {
        let TakenSuggestions { found, from } = taken;
        if found.is_empty() {
            let summary = "The evaluation has no answer about these items with these labels";
            let notice = Notice::problem(PanelId::Annotate, summary);
            app.state.notices.push(notice.hint(
                "Rows are matched by their id, and answers by the labels of the first question",
            ));
            return;
        }
        let Some(session) = &mut app.state.codes.session else { return };
        let folder = &mut session.folder;
        if folder.path != self.study {
            return;
        }
        let count = found.len();
        folder.keep_suggestions(found);
        folder.study.suggestions.from = from;
        if folder.study.suggestions.when == Suggest::Never {
            folder.study.suggestions.when = Suggest::After;
        }
        let when = folder.study.suggestions.when;
        if let Err(err) = folder.save_study() {
            app.tell_study("The suggestions could not be kept", &err);
            return;
        }
        let summary = format!(
            "{} taken over. They are shown {}",
            counted(count, "suggestion", "suggestions"),
            match when {
                Suggest::Before => "beside the text",
                Suggest::After | Suggest::Never => "after the verdict",
            }
        );
        app.state.notices.push(Notice::info(PanelId::Annotate, summary));
    }

    fn failed(self, error: TakeSuggestionsError, app: &mut Workbench) {
        let summary = match &error {
            TakeSuggestionsError::Evaluation(_) => "The evaluation could not be read",
            TakeSuggestionsError::Study(_) => "The suggestions could not be kept",
        };
        app.state.notices.push(Notice::error(PanelId::Annotate, summary, &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }
}
