//! Flushes verdicts to the disk that are written: the window's thread does not wait for that.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::files::flush::flush;
use crate::jobs::Progress;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct FlushVerdicts;

const FAILED: &str = "The disk has not confirmed the latest verdicts";

/// Which file, and why not.
#[derive(Debug, thiserror::Error)]
#[error("{} could not be flushed to the disk", path.display())]
pub struct FlushError {
    pub path: PathBuf,
    pub source: io::Error,
}

impl Work for FlushVerdicts {
    type Request = BTreeSet<PathBuf>;
    type Event = ();
    type Output = ();
    type Error = FlushError;

    const RULES: Rules = Rules {
        on_closing: OnClosing::Wait,
        stops_with_all: false,
        ..Rules::short("Flushing the verdicts")
    };

    fn run(
        paths: BTreeSet<PathBuf>,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<(), FlushError> {
        paths
            .into_iter()
            .try_for_each(|path| flush(&path).map_err(|source| FlushError { path, source }))
    }
}

impl Task<Workbench> for FlushVerdicts {
    fn done(self, (): (), app: &mut Workbench) {
        app.state.notices.withdraw(PanelId::Annotate, FAILED);
    }

    fn failed(self, error: FlushError, app: &mut Workbench) {
        let notice = Notice::error(PanelId::Annotate, FAILED, &error);
        app.state.notices.push(notice.hint(
            "They are written, and stay if only the program ends. If the computer itself goes off now they may be \
             lost: see whether the disk is full or was taken out, or export the verdicts to another one. It is tried \
             again with the next verdict",
        ));
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }
}

impl Workbench {
    /// Flushes what this frame has written, beside the window. One after the other would not do: what is
    /// written now may not be in the flush that is under way.
    pub(in crate::app) fn flush_verdicts(&mut self) {
        let paths = self.unflushed.take();
        if !paths.is_empty() {
            self.start(FlushVerdicts, paths);
        }
    }
}
