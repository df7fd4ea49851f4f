//! Fetches what is in the queue, for as long as the window is open.

use std::path::Path;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::encoder;
use crate::hub;
use crate::hub::fetch::queue::{
    Item, ItemState, Order, QueueCommand, QueueEvent, QueueOptions, Until,
};
use crate::hub::protocol::repository::RepoKind;
use crate::jobs::Progress;
use crate::llm::card::ModelSource;
use crate::state::command::{Command, ModelsCommand, ViewCommand};
use crate::state::hub::ModelsTab;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::widgets::format;

pub struct ServeQueue;

impl Work for ServeQueue {
    type Request = ();
    type Event = QueueEvent;
    type Output = ();
    type Error = hub::Error;

    /// "Stop everything" pauses what is in it instead.
    const RULES: Rules = Rules {
        on_closing: OnClosing::Wait,
        stops_with_all: false,
        ..Rules::short("The download")
    };

    fn run(
        (): (),
        services: &Services,
        progress: &dyn Progress<QueueEvent>,
    ) -> Result<(), hub::Error> {
        let connection = services.connection()?;
        let (paths, client) = (connection.paths.clone(), connection.client.clone());
        connection.queue.serve(&QueueOptions::new(paths, client), Until::Stopped, progress)
    }
}

impl Task<Workbench> for ServeQueue {
    fn on_event(&mut self, event: QueueEvent, app: &mut Workbench) {
        match event {
            QueueEvent::Changed(items) => app.state.hub.downloads = items,
            QueueEvent::Finished(item) => finished(&item, app),
            QueueEvent::Failed(item) => failed(&item, app),
        }
    }

    fn done(self, (): (), app: &mut Workbench) {
        app.serve_queue();
    }

    fn failed(self, error: hub::Error, app: &mut Workbench) {
        if matches!(error, hub::Error::Cancelled(_)) {
            app.serve_queue();
        } else if !app.closing {
            let summary = "Downloads are not possible";
            app.state.notices.push(Notice::error(PanelId::Models, summary, &error));
        }
    }

    fn crashed(self, _message: &str, app: &mut Workbench) {
        app.serve_queue();
    }

    fn panel(&self) -> PanelId {
        PanelId::Models
    }

    /// While something comes.
    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let hub = &app.state.hub;
        let totals = hub.totals();
        let first = hub.downloads.iter().find(|item| item.is_active())?;
        let names = match totals.active_count {
            1 => first.order.repo.clone(),
            count => format!("{} and {} more", first.order.repo, count - 1),
        };
        let total = (totals.total_bytes > 0).then_some(totals.total_bytes);
        let (done, speed) = (totals.done_bytes, totals.bytes_per_sec);
        let transfer = match total {
            Some(_) => format::transfer(done, total, speed, totals.secs_left()),
            None => "asking what there is".to_owned(),
        };
        Some(Activity {
            fraction: total.map(|total| (done as f64 / total as f64).clamp(0.0, 1.0) as f32),
            stop: Some(Command::Models(ModelsCommand::Queue(QueueCommand::PauseAll))),
            ..Activity::new("Downloading", format!("{transfer} · {names}"))
        })
    }
}

fn finished(item: &Item, app: &mut Workbench) {
    let Order { kind, repo, .. } = &item.order;
    let notice = Notice::info(PanelId::Models, format!("{repo} is here, whole and verified"));
    let notice = match (kind, &item.state) {
        (RepoKind::Model, ItemState::Done { folder }) => {
            let mut paths = item.files.iter().map(|file| file.remote.path.as_str());
            let gguf = paths.find(|path| {
                let ending = Path::new(path).extension();
                ending.is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"))
            });
            let about = encoder::folder_purpose(folder).and_then(encoder::obstacle);
            if let Some(about) = about.filter(|_| gguf.is_none()) {
                let show = ViewCommand::ShowModelsTab(ModelsTab::Installed);
                notice.hint(about).remedy("Show it", show)
            } else {
                let path = gguf.map_or_else(|| folder.clone(), |gguf| folder.join(gguf));
                notice.remedy("Load it", ModelsCommand::Load(ModelSource::named(&path)))
            }
        }
        _ => notice.remedy("Show it", ViewCommand::ShowModelsTab(ModelsTab::Downloads)),
    };
    app.state.notices.push(notice);
    if *kind == RepoKind::Model {
        app.handle(ModelsCommand::Refresh);
    }
    // What of it is here has changed.
    let detail = app.state.hub.detail.as_ref();
    if let Some(detail) = detail.filter(|detail| detail.kind == *kind && detail.id == *repo) {
        let tab = detail.tab;
        app.show_details(*kind, repo.clone());
        if let Some(detail) = &mut app.state.hub.detail {
            detail.tab = tab;
        }
    }
}

fn failed(item: &Item, app: &mut Workbench) {
    let ItemState::Failed(failure) = &item.state else { return };
    let tab = ModelsTab::Downloads;
    if app.state.prefs.panel == PanelId::Models && app.state.hub.tab == tab {
        return; // it is said there, with what to do
    }
    let summary = format!("{} could not be downloaded", item.order.repo);
    let notice = Notice::problem(PanelId::Models, summary).hint(failure.reason.clone());
    app.state.notices.push(notice.remedy("Show what to do", ViewCommand::ShowModelsTab(tab)));
}
