//! Computes how far the coders of a study agree.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::state::codes::{AgreementPage, Front};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::study::agreement::agreement;
use crate::study::agreement_words::markdown;
use crate::study::design::StudyError;
use crate::study::disagreement;
use crate::study::folder::Folder;
use crate::study::log::Use;

pub struct MeasureAgreement;

impl Work for MeasureAgreement {
    /// The study's folder.
    type Request = PathBuf;
    type Event = ();
    type Output = AgreementPage;
    type Error = StudyError;

    const RULES: Rules = Rules { gives_way: true, ..Rules::short("Computing the agreement") };

    fn run(
        path: PathBuf,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<AgreementPage, StudyError> {
        // The window has it open: it is only looked at here.
        let folder = Folder::open(&path, Use::Read)?;
        Ok(AgreementPage {
            markdown: markdown(&agreement(&folder, 0)),
            disagreements: disagreement::places(&folder),
            ..AgreementPage::default()
        })
    }
}

impl Task<Workbench> for MeasureAgreement {
    fn ended(&mut self, app: &mut Workbench) {
        app.state.codes.busy = None;
    }

    fn done(self, page: AgreementPage, app: &mut Workbench) {
        let codes = &mut app.state.codes;
        if codes.session.is_some() {
            let before = codes.agreement.take().unwrap_or_default();
            codes.agreement = Some(AgreementPage {
                at: before.at,
                reason: before.reason,
                tab: before.tab,
                ..page
            });
            codes.front = Front::Agreement;
        }
    }

    fn failed(self, error: StudyError, app: &mut Workbench) {
        let summary = "The agreement could not be computed";
        app.state.notices.push(Notice::error(PanelId::Annotate, summary, &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }
}
