//! Lays an adapter over the model in memory.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::encoder;
use crate::hub::resolve;
use crate::jobs::Progress;
use crate::llm::card::AdapterCard;
use crate::llm::generate::AdapterMode;
use crate::state::command::PlaygroundCommand;
use crate::state::notice::Notice;
use crate::state::playground::Answers;
use crate::state::prefs::PanelId;
use crate::state::slots::AdapterSlot;

pub struct LoadAdapter {
    /// Ask base and adapter the same as soon as it is there.
    pub compare: bool,
}

impl Work for LoadAdapter {
    /// A PEFT folder, a GGUF file of llama.cpp, or a folder with one of these in it.
    type Request = PathBuf;
    type Event = ();
    type Output = (AdapterCard, Vec<String>);
    type Error = encoder::Error;

    const RULES: Rules = Rules::short("Loading the adapter");

    fn run(
        folder: PathBuf,
        services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<(AdapterCard, Vec<String>), encoder::Error> {
        services.lay_adapter(&resolve::adapter_at(&folder))
    }
}

impl Task<Workbench> for LoadAdapter {
    fn ended(&mut self, app: &mut Workbench) {
        app.state.adapter = AdapterSlot::None;
    }

    fn done(self, (card, warnings): (AdapterCard, Vec<String>), app: &mut Workbench) {
        for warning in warnings {
            let summary = format!("The adapter was loaded, with something to know: {warning}");
            app.state.notices.push(Notice::problem(PanelId::Playground, summary));
        }
        app.state.adapter = AdapterSlot::Ready { card, mode: AdapterMode::On };
        app.state.playground.library.count_again();
        // An encoder-decoder has one answer in front; the switch in the top bar says of which weights.
        if self.compare && app.state.model.ready().is_some() {
            app.state.playground.answers = Answers::SideBySide;
            app.handle(PlaygroundCommand::Generate);
        }
    }

    fn failed(self, error: encoder::Error, app: &mut Workbench) {
        let summary = "The adapter could not be loaded";
        let notice = Notice::error(PanelId::Playground, summary, &error);
        app.state.notices.push(notice.remedy("Choose another…", PlaygroundCommand::ChooseAdapter));
    }

    fn panel(&self) -> PanelId {
        PanelId::Playground
    }
}
