//! Files that were given to the program from outside: double click, command line, drag and drop.

use std::path::Path;

use crate::app::Workbench;
use crate::app::host::Ask;
use crate::app::opened::Opened;
use crate::files::meant::meant;
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
        let panel = self.state.prefs.panel;
        self.state.notices.push(if path.exists() {
            let summary = format!("{} was not opened", path.display());
            Notice::problem(panel, summary).hint(
                "It could be several things. Go to the panel that is to use it, and drop it onto \
                 the window there",
            )
        } else {
            Notice::problem(panel, format!("There is no file at {}", path.display()))
                .hint(what_is_there(path))
        });
    }
}

/// What is where a path leads to nothing: the folder that is missing, too, or the name that is likely meant.
fn what_is_there(path: &Path) -> String {
    let Some(folder) = path.ancestors().skip(1).find(|folder| folder.is_dir()) else {
        return "Nothing of the path is there".to_owned();
    };
    let shown = folder.display();
    let next = path.strip_prefix(folder).ok().and_then(|rest| rest.components().next());
    let wanted = next.map(|part| part.as_os_str().to_string_lossy().into_owned());
    let is_last = path.parent() == Some(folder);
    let missing = match &wanted {
        Some(wanted) if !is_last => {
            format!("The folder {shown} is there, and nothing called {wanted} is in it")
        }
        _ => format!("The folder {shown} is there"),
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match wanted.and_then(|wanted| meant(&wanted, names.iter().copied())) {
        Some(near) => format!("Did you mean {}? {missing}", folder.join(near).display()),
        None => missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    #[test]
    fn of_a_path_that_leads_to_nothing_the_nearest_name_is_said() {
        let folder = tempfile::tempdir().unwrap();
        files::write_atomic(&folder.path().join("abstracts.csv"), b"text\n").unwrap();
        std::fs::create_dir(folder.path().join("texts")).unwrap();
        let (shown, of) = (folder.path().display(), |name: &str| folder.path().join(name));
        let said = |name: &str| what_is_there(&of(name));
        assert_eq!(
            said("abstract.csv"),
            format!("Did you mean {}? The folder {shown} is there", of("abstracts.csv").display())
        );
        assert_eq!(
            said("text/ada.csv"),
            format!(
                "Did you mean {}? The folder {shown} is there, and nothing called text is in it",
                of("texts").display()
            )
        );
        assert_eq!(said("quite-other.gguf"), format!("The folder {shown} is there"));
        assert_eq!(what_is_there(Path::new("")), "Nothing of the path is there");
    }
}
