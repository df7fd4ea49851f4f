//! Files that were given to the program from outside: double click, command line, drag and drop.

use std::path::Path;

use crate::app::Workbench;
use crate::app::host::Ask;
use crate::app::opened::Opened;
use crate::lecture::place::Place;
use crate::state::command::{CodesCommand, ProjectCommand, ViewCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

impl Workbench {
    /// Opens what was given, in the panel that it is for.
    pub(in crate::app) fn open_given(&mut self, given: Opened) {
        match given {
            Opened::Model(path) => {
                self.handle(ViewCommand::ShowPanel(PanelId::Models));
                self.chosen(Ask::ModelFile, path);
            }
            Opened::Project(path) => self.handle(ProjectCommand::Open(path)),
            Opened::Lecture(path) => self.open_lecture(Place::File(path)),
            Opened::Study(path) => self.open_as_coder(&path, CodesCommand::Open(path.clone())),
            Opened::Package(path) => {
                self.open_as_coder(&path, CodesCommand::OpenPackage(path.clone()));
            }
            Opened::Task(path) => self.open_task(path),
            Opened::RunFile(path) => {
                self.handle(ViewCommand::ShowPanel(PanelId::Train));
                self.use_run_file(&path);
            }
        }
    }

    /// Nobody codes without a name: whoever has not written one yet opens it by a button.
    fn open_as_coder(&mut self, path: &Path, open: CodesCommand) {
        self.show_codes_list();
        if !self.state.codes.coder.trim().is_empty() {
            self.handle(open);
            return;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let summary = format!("{name} is opened once it is known who codes");
        self.state.notices.push(
            Notice::info(PanelId::Annotate, summary)
                .hint("Write your name or number as a coder below, then open it")
                .remedy("Open it", open),
        );
    }

    /// What was given cannot be told, and the panel in front is not asked: it was at the start.
    pub(in crate::app) fn tell_not_opened(&mut self, path: &Path) {
        let summary = format!("{} was not opened", path.display());
        let notice = Notice::problem(self.state.prefs.panel, summary);
        self.state.notices.push(if path.exists() {
            notice.hint(
                "It could be several things. Go to the panel that is to use it, and drop it onto \
                 the window there",
            )
        } else {
            notice.hint("There is no such file any more")
        });
    }
}
