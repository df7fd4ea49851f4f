//! Lists of minimal pairs: kept in the project, and run.

use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::tasks::run_pair_set::RunPairSet;
use crate::explore::pair_set::{PairSet, PairSetView};
use crate::files;
use crate::state::command::PairSetCommand;
use crate::state::look_inside::pair_set::FOLDER;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

impl Workbench {
    pub(super) fn handle_pair_set(&mut self, command: PairSetCommand) {
        match command {
            PairSetCommand::Refresh => self.list_pair_sets(),
            PairSetCommand::Run => self.run_pair_set(),
            PairSetCommand::Save => self.save_pair_set(),
            PairSetCommand::Open(path) => self.open_pair_set(&path),
        }
    }

    fn list_pair_sets(&mut self) {
        let Some(open) = &self.project else { return };
        let folder = open.folder.join(FOLDER);
        let mut known: Vec<(String, PathBuf)> =
            files_in(&folder, "toml").into_iter().map(|path| (stem(&path), path)).collect();
        known.sort();
        self.state.look_inside.pair_set.known = known;
    }

    fn run_pair_set(&mut self) {
        let list = &mut self.state.look_inside.pair_set;
        if list.obstacle().is_some() {
            return;
        }
        self.state.notices.clear(PanelId::LookInside);
        let list = &mut self.state.look_inside.pair_set;
        let set = list.set();
        let number = list.begin();
        // Beside the list, once that is kept.
        let path = self.project.as_ref().and_then(|open| list.path(&open.folder));
        let folder = path.filter(|path| path.exists()).map(|path| results(&path));
        let mode = self.state.adapter.mode();
        self.start_instead(RunPairSet { number, reached: None, folder }, (set, mode));
    }

    fn save_pair_set(&mut self) {
        let sentence = "A list of pairs needs a project to lie in";
        let Some(project) = self.project_for(PanelId::LookInside, sentence) else { return };
        let list = &self.state.look_inside.pair_set;
        let Some(path) = list.path(&project) else { return };
        let written = files::folders::make(&project.join(FOLDER))
            .map_err(|err| err.to_string())
            .and_then(|()| list.set().write(&path).map_err(|err| err.to_string()));
        match written {
            Ok(()) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let summary = format!("The list is in the project: {FOLDER}/{name}");
                self.state.notices.push(Notice::info(PanelId::LookInside, summary));
                self.list_pair_sets();
            }
            Err(problem) => {
                let notice = Notice::problem(PanelId::LookInside, "The list could not be saved");
                self.state.notices.push(Notice { causes: vec![problem], ..notice });
            }
        }
    }

    fn open_pair_set(&mut self, path: &Path) {
        match PairSet::read(path) {
            Ok(set) => {
                let list = &mut self.state.look_inside.pair_set;
                list.take(&stem(path), &set);
                list.remember(earlier(path));
            }
            Err(error) => {
                let summary = "The list of pairs cannot be used";
                self.state.notices.push(Notice::error(PanelId::LookInside, summary, &error));
            }
        }
    }
}

/// Where what models have made of a list lies: `work.results` beside `work.toml`.
fn results(list: &Path) -> PathBuf {
    list.with_extension("results")
}

/// Those that can be read; others may be of another version.
fn earlier(list: &Path) -> Vec<PairSetView> {
    let read = |path: PathBuf| serde_json::from_slice(&std::fs::read(path).ok()?).ok();
    files_in(&results(list), "json").into_iter().filter_map(read).collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// In the order of their names.
fn files_in(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let found = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_it = |path: &PathBuf| path.extension().is_some_and(|found| found == ending);
    let mut found: Vec<PathBuf> = found.map(|entry| entry.path()).filter(is_it).collect();
    found.sort();
    found
}
