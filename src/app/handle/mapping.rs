//! The question for the columns of a file, and its answer.

use std::path::Path;

use crate::app::Workbench;
use crate::data::forms::mapping::Mapping;
use crate::state::command::MappingCommand;
use crate::state::mapping::{MappingState, Wanted};

impl Workbench {
    pub(super) fn handle_mapping(&mut self, command: MappingCommand) {
        match command {
            MappingCommand::Change(wanted) => {
                let report = match wanted {
                    Wanted::Prompts => self.state.annotate.table(),
                    Wanted::Training(_) => {
                        self.state.train.file.as_ref().and_then(|file| file.report.as_ref())
                    }
                };
                let Some(report) = report.cloned() else { return };
                let known = self.known_columns(&report.path);
                self.state.mapping = Some(MappingState::new(wanted, report, known));
            }
            MappingCommand::Use => self.use_mapping(),
            MappingCommand::Cancel => self.state.mapping = None,
        }
    }

    /// What was said of a file's columns.
    pub(super) fn known_columns(&self, path: &Path) -> Mapping {
        self.state.prefs.columns.get(path).cloned().unwrap_or_default()
    }

    fn use_mapping(&mut self) {
        let Some(asked) = &self.state.mapping else { return };
        let Some(columns) = asked.mapping() else { return };
        let (wanted, path) = (asked.wanted, asked.path().to_owned());
        self.state.mapping = None;
        self.state.prefs.columns.insert(path.clone(), columns.clone());
        match wanted {
            Wanted::Prompts => self.read_prompts(path, columns),
            Wanted::Training(_) => self.read_training_file(path, columns),
        }
    }
}
