//! Reads how a table looks: what it was recognised as, its columns, its first rows. One task, whoever
//! the table is for.

use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::import::activity;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::table;
use crate::data::table::{ImportError, Reading, Report};
use crate::evaluate::task::survey::Beside;
use crate::jobs::Progress;
use crate::state::command::{Command, EvaluateCommand, LookInsideCommand, MapCommand};
use crate::state::evaluate::Preparing;
use crate::state::evaluate::form::file_name;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

/// Whom the table is for.
pub trait Reader: Sized + 'static {
    const PANEL: PanelId;

    fn reached(&self, _at: Reading, _app: &mut Workbench) {}

    /// However it ended.
    fn ended(&self, _app: &mut Workbench) {}

    fn take(self, report: Report, app: &mut Workbench);

    /// Asks for another table.
    fn choose_another(&self) -> Command;
}

/// The rows that a model answers about.
pub struct TableRows;

/// A table beside the items of a survey: who answers, or what real people said.
pub struct BesideItems(pub Beside);

/// The texts of a map.
pub struct MapTexts {
    pub path: PathBuf,
}

pub type ReadRows = ReadTable<TableRows>;
pub type ReadBeside = ReadTable<BesideItems>;
pub type ReadMapTable = ReadTable<MapTexts>;

pub struct ReadTable<R> {
    reader: R,

    /// The file's name, and how far it is.
    name: String,
    at: Reading,

    /// The form is as an earlier start left it: a table that is gone meanwhile is no mistake, or is
    /// said when it is used.
    is_draft: bool,
}

impl<R: Reader> ReadTable<R> {
    pub fn new(reader: R, path: &Path) -> Self {
        Self { reader, name: file_name(path), at: Reading::default(), is_draft: false }
    }

    /// The same, of a form that an earlier start left.
    pub fn of_draft(reader: R, path: &Path) -> Self {
        Self { is_draft: true, ..Self::new(reader, path) }
    }
}

impl<R: Reader> Work for ReadTable<R> {
    type Request = PathBuf;
    type Event = Reading;
    type Output = Report;
    type Error = ImportError;

    const RULES: Rules = Rules::reading("Reading the table");

    fn run(
        path: PathBuf,
        _services: &Services,
        progress: &dyn Progress<Reading>,
    ) -> Result<Report, ImportError> {
        table::read(&path, progress, &mut |_, _| Ok(()))
    }
}

impl<R: Reader> Task<Workbench> for ReadTable<R> {
    fn on_event(&mut self, at: Reading, app: &mut Workbench) {
        self.at = at;
        self.reader.reached(at, app);
    }

    fn ended(&mut self, app: &mut Workbench) {
        self.reader.ended(app);
    }

    fn done(self, report: Report, app: &mut Workbench) {
        self.reader.take(report, app);
    }

    fn failed(self, error: ImportError, app: &mut Workbench) {
        if !self.is_draft && !matches!(error, ImportError::Stopped { .. }) {
            let notice = Notice::error(R::PANEL, "This table cannot be used", &error);
            let notice = notice.remedy("Choose another…", self.reader.choose_another());
            app.state.notices.push(notice);
        }
    }

    fn panel(&self) -> PanelId {
        R::PANEL
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        activity(self.at, &self.name)
    }
}

impl Reader for TableRows {
    const PANEL: PanelId = PanelId::Evaluate;

    fn reached(&self, at: Reading, app: &mut Workbench) {
        app.state.evaluate.preparing = Some((Preparing::Table, at));
    }

    fn ended(&self, app: &mut Workbench) {
        app.state.evaluate.preparing = None;
    }

    fn take(self, report: Report, app: &mut Workbench) {
        app.state.evaluate.form.set_table(report);
        app.state.evaluate.preview_row = 0;
    }

    fn choose_another(&self) -> Command {
        EvaluateCommand::ChooseTable.into()
    }
}

impl Reader for BesideItems {
    const PANEL: PanelId = PanelId::Evaluate;

    fn take(self, report: Report, app: &mut Workbench) {
        app.state.evaluate.form.survey.set_beside(self.0, report);
    }

    fn choose_another(&self) -> Command {
        EvaluateCommand::ChooseBeside(self.0).into()
    }
}

impl Reader for MapTexts {
    const PANEL: PanelId = PanelId::LookInside;

    fn ended(&self, app: &mut Workbench) {
        app.state.look_inside.map.reading = false;
    }

    fn take(self, report: Report, app: &mut Workbench) {
        let longest = report.longest_column();
        app.state.look_inside.map.set_columns(self.path, report.columns, longest.as_deref());
    }

    fn choose_another(&self) -> Command {
        LookInsideCommand::Map(MapCommand::ChooseTable).into()
    }
}
