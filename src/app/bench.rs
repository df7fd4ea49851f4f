//! `tuning-fork bench ui`: the window's own work a frame, and how soon the first frame is there.
//!
//! Either a real training run or a download is under way behind it, or the curves of a very long run
//! are drawn, or a long list of what the Hub has is scrolled.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eframe::egui;

use super::measured::{self, milliseconds_at};
use super::{WindowOptions, Workbench, measure_app};
use crate::hub::browse::search::{Found, Page};
use crate::hub::fetch::queue::{Item, Order};
use crate::hub::protocol::repository::RepoKind;
use crate::llm::card::ModelSource;
use crate::state::command::{ModelsCommand, TrainCommand};
use crate::state::hub::ModelsTab;
use crate::state::prefs::PanelId;
use crate::state::train::form::DataSource;
use crate::train::config::metric::Metric;
use crate::train::record::metrics::{StepMetrics, TrainEvent};

/// The window is drawn this often, as if somebody kept moving the mouse.
const FRAME: Duration = Duration::from_millis(33);

/// What to measure.
#[derive(Clone, Debug)]
pub struct UiBenchOptions {
    /// The model to train meanwhile. `None`: nothing runs.
    pub model: Option<PathBuf>,

    /// Without a model: the Train panel shows the curves of a run of so many steps.
    pub logged_steps: usize,

    /// Without a model: this Hub repository is fetched, and the Models panel shows how.
    pub fetch: Option<String>,

    /// Without a model: the Models panel scrolls through so many search results.
    ///
    /// If there is nothing of all this, only the first frame is measured.
    pub found: usize,

    /// How long to measure after training has begun or the curves are there, in seconds.
    pub secs: f64,

    /// When the process started, as far as it can tell.
    pub process_start: Instant,
}

/// What was measured. Times in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct UiBenchReport {
    /// From the start of the process to the end of the first frame.
    pub first_frame_ms: f64,

    /// Frames drawn while measuring, and what egui counted for each (layout, tessellation and
    /// drawing, without waiting for the screen).
    pub frame_count: usize,
    pub median_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,

    /// Of that, what this program's own code took: events taken in, panels laid out. The rest is
    /// egui's tessellation and the graphics driver, which without a GPU draws in software.
    pub own_median_ms: f64,
    pub own_p99_ms: f64,

    /// Optimizer steps that the run took meanwhile.
    pub steps_done: usize,
}

/// Opens the window, measures, and closes it again.
pub fn run(options: UiBenchOptions) -> Result<UiBenchReport, eframe::Error> {
    measure_app(|creation, report| Measured::new(creation, options, report))
}

struct Measured {
    workbench: Workbench,
    options: UiBenchOptions,
    report: Arc<Mutex<UiBenchReport>>,
    first_frame: Option<Duration>,
    measuring_since: Option<Instant>,

    /// egui's `cpu_usage` of each frame, and our own part of it, in seconds.
    frames: Vec<f64>,
    own: Vec<f64>,
    frame_start: Instant,

    /// The project of the measurement; removed with it.
    _project: Option<tempfile::TempDir>,
}

impl Measured {
    fn new(
        creation: &eframe::CreationContext<'_>,
        options: UiBenchOptions,
        report: Arc<Mutex<UiBenchReport>>,
    ) -> Self {
        let project = tempfile::tempdir().ok();
        let project_path = project.as_ref().map(|dir| dir.path().to_owned());
        // Other downloads to this disk would be measured too.
        let window = WindowOptions { open: project_path, downloads: options.fetch.is_some() };
        let mut workbench = measured::workbench(&creation.egui_ctx, &window);
        if let Some(path) = &options.model {
            workbench.handle(ModelsCommand::Load(ModelSource::at(path)));
        }
        Self {
            workbench,
            options,
            report,
            first_frame: None,
            measuring_since: None,
            frames: Vec::new(),
            own: Vec::new(),
            frame_start: Instant::now(),
            _project: project,
        }
    }

    /// Starts the run as soon as the model is there; true once everything is measured.
    fn is_done(&mut self) -> bool {
        let Some(since) = self.measuring_since else {
            if self.options.model.is_some() && self.workbench.state.model.in_memory().is_none() {
                return false;
            }
            let has_begun = self.begin();
            self.measuring_since = has_begun.then(Instant::now);
            return !has_begun;
        };
        let (state, options) = (&self.workbench.state, &self.options);
        let has_ended = if options.fetch.is_some() {
            let downloads = &state.hub.downloads;
            !downloads.is_empty() && !downloads.iter().any(Item::is_active)
        } else {
            options.found == 0 && !state.train.is_running()
        };
        has_ended || since.elapsed().as_secs_f64() > options.secs
    }

    /// Begins what is to be measured. False: there is nothing.
    fn begin(&mut self) -> bool {
        let UiBenchOptions { model, logged_steps, fetch, found, .. } = &self.options;
        let state = &mut self.workbench.state;
        if model.is_some() {
            state.prefs.panel = PanelId::Train;
            state.train.source = DataSource::Sample;
            self.workbench.handle(TrainCommand::Start);
        } else if let Some(repo) = fetch {
            state.prefs.panel = PanelId::Models;
            state.hub.tab = ModelsTab::Downloads;
            self.workbench.handle(ModelsCommand::Download(Order::model(repo)));
        } else if *found > 0 {
            state.prefs.panel = PanelId::Models;
            state.hub.tab = ModelsTab::Find;
            state.hub.query.words = "bench".to_owned();
            state.hub.results.ask(state.hub.query.clone());
            let row = |index| Found::named(RepoKind::Model, &format!("bench/{index}"));
            let rows = (0..*found).map(row).collect();
            state.hub.results.on_page(Page { rows, next: None });
        } else if *logged_steps > 0 {
            state.prefs.panel = PanelId::Train;
            state.train.begin("bench");
            for step in 1..=*logged_steps {
                state.train.on_event(TrainEvent::Step(logged(step)));
            }
        } else {
            return false;
        }
        true
    }

    fn finish(&self) {
        let live = self.workbench.state.train.live.as_ref();
        let steps_done = live.and_then(|live| live.last_step.as_ref()).map_or(0, |step| step.step);
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = UiBenchReport {
            first_frame_ms: self.first_frame.unwrap_or_default().as_secs_f64() * 1e3,
            frame_count: self.frames.len(),
            median_ms: milliseconds_at(&self.frames, 0.5),
            p99_ms: milliseconds_at(&self.frames, 0.99),
            max_ms: milliseconds_at(&self.frames, 1.0),
            own_median_ms: milliseconds_at(&self.own, 0.5),
            own_p99_ms: milliseconds_at(&self.own, 0.99),
            steps_done,
        };
    }
}

/// A step as a run might log it: falling and noisy.
fn logged(step: usize) -> StepMetrics {
    let noise = (step as f64 * 12.9898).sin();
    let progress = step as f64 / (step as f64 + 1000.0);
    let values = [
        (Metric::Loss, 0.693 - 0.5 * progress + 0.1 * noise),
        (Metric::LearningRate, 1e-4),
        (Metric::GradNorm, 2.0 + noise),
        (Metric::MeanTokenAccuracy, 0.0),
        (Metric::RewardsChosen, progress + 0.2 * noise),
        (Metric::RewardsRejected, -progress + 0.3 * noise),
        (Metric::RewardsAccuracies, if noise > -0.5 { 1.0 } else { 0.5 }),
        (Metric::RewardsMargins, 2.0 * progress - 0.1 * noise),
        (Metric::LogpsChosen, -110.0 + 5.0 * noise),
        (Metric::LogpsRejected, -125.0 - 10.0 * progress + 5.0 * noise),
    ];
    StepMetrics { step, values: values.into(), step_secs: 1.0, ..StepMetrics::default() }
}

impl eframe::App for Measured {
    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        self.workbench.clear_color(visuals)
    }

    fn logic(&mut self, context: &egui::Context, frame: &mut eframe::Frame) {
        self.frame_start = Instant::now();
        self.workbench.logic(context, frame);
    }

    /// Turns the mouse's wheel over the list.
    fn raw_input_hook(&mut self, _context: &egui::Context, input: &mut egui::RawInput) {
        if self.options.found > 0 && self.measuring_since.is_some() {
            measured::turn_wheel(input, -8.0);
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        if self.measuring_since.is_some() {
            self.frames.extend(frame.info().cpu_usage.map(f64::from));
        }
        self.workbench.ui(ui, frame);
        if self.measuring_since.is_some() {
            self.own.push(self.frame_start.elapsed().as_secs_f64());
        }
        // The second frame begins when the first is on the screen.
        if self.first_frame.is_none() && ui.ctx().cumulative_frame_nr() > 0 {
            self.first_frame = Some(self.options.process_start.elapsed());
        }
        if self.first_frame.is_some() && self.is_done() {
            self.finish();
            measured::close(&mut self.workbench, ui.ctx());
        }
        ui.ctx().request_repaint_after(FRAME);
    }

    fn on_exit(&mut self, gl: Option<&eframe::glow::Context>) {
        self.workbench.on_exit(gl);
    }
}
