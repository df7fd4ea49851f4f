//! Makes a run's adapter into something that other programs read.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::tasks::measure_run::load_with_adapter;
use crate::app::work::{OnClosing, Rules, Work};
use crate::jobs::Progress;
use crate::llm;
use crate::llm::adapter_files::parts::Merged;
use crate::llm::adapter_files::{gguf_lora, merge};
use crate::llm::card::ModelSource;
use crate::state::command::{AdapterForm, Command, TrainCommand, WindowCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

/// What is made of it, and how far that is in tensors.
pub struct ExportAdapter {
    pub form: AdapterForm,
    pub done: usize,
    pub total: usize,
}

/// An adapter, the model that it belongs to, and where it is to be written.
pub struct AdapterToExport {
    pub source: ModelSource,
    pub folder: PathBuf,
    pub form: AdapterForm,
    pub to: PathBuf,
}

impl Work for ExportAdapter {
    type Request = AdapterToExport;
    type Event = Merged;
    type Output = PathBuf;
    type Error = llm::Error;

    const RULES: Rules = Rules {
        takes_processor: true,
        gives_way: true,
        on_closing: OnClosing::Ask,
        ..Rules::short("The export")
    };

    fn run(
        AdapterToExport { source, folder, form, to }: AdapterToExport,
        _services: &Services,
        progress: &dyn Progress<Merged>,
    ) -> Result<PathBuf, llm::Error> {
        let (model, adapter) = load_with_adapter(&source, &folder)?;
        match form {
            AdapterForm::Merged => merge::merge(&model, &adapter, &to, progress)?,
            AdapterForm::Gguf => gguf_lora::write(&adapter, model.config(), &to)?,
        }
        Ok(to)
    }
}

impl ExportAdapter {
    fn what(&self) -> &'static str {
        match self.form {
            AdapterForm::Merged => "merged model",
            AdapterForm::Gguf => "adapter",
        }
    }
}

impl Task<Workbench> for ExportAdapter {
    fn on_event(&mut self, Merged { done, total }: Merged, _app: &mut Workbench) {
        (self.done, self.total) = (done, total);
    }

    fn done(self, path: PathBuf, app: &mut Workbench) {
        let summary = format!("The {} was written to {}", self.what(), path.display());
        let notice = Notice::info(PanelId::Train, summary);
        app.state.notices.push(notice.remedy("Show the folder", WindowCommand::Reveal(path)));
    }

    fn failed(self, error: llm::Error, app: &mut Workbench) {
        app.state.notices.push(match error {
            llm::Error::Cancelled(_) => {
                Notice::info(PanelId::Train, "The export was stopped; nothing of it is left")
            }
            error => {
                let summary = format!("The {} could not be exported", self.what());
                Notice::error(PanelId::Train, summary, &error)
            }
        });
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        let Self { done, total, .. } = *self;
        let what = format!("Exporting the {}", self.what());
        Some(Activity {
            fraction: (total > 0).then(|| done as f32 / total as f32),
            stop: Some(Command::Train(TrainCommand::StopExport)),
            ..Activity::new(&what, format!("{done} of {total} tensors"))
        })
    }
}
