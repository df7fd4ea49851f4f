//! The window: commands become jobs, events become state.

pub mod bench;
pub mod connection;
pub mod data;
pub mod engine;
mod estimate;
mod figure;
mod handle;
pub mod host;
mod hub;
pub mod import;
mod keep;
mod past;
pub mod poll;
pub mod project;
pub mod running;
pub mod training_rows;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eframe::egui;

use self::engine::{CandleEngine, Engine};
use self::estimate::Asked;
use self::host::{Desktop, Host};
use self::project::OpenProject;
use self::running::Running;
use crate::allocator;
use crate::jobs;
use crate::jobs::Wake;
use crate::panels;
use crate::state::AppState;
use crate::state::annotate::AnnotateState;
use crate::state::command::{Command, Commands};
use crate::state::prefs::Prefs;
use crate::widgets;

/// At most one frame per event burst: on two cores each frame is taken from the matmuls.
const FRAME: Duration = Duration::from_millis(33);

/// Where eframe keeps [`Prefs`].
const PREFS_KEY: &str = "prefs";

/// How long closing waits for a run to write its last checkpoint.
const CLOSING_PATIENCE: Duration = Duration::from_mins(1);

/// What the command line asked the window for.
#[derive(Clone, Debug, Default)]
pub struct WindowOptions {
    /// A project folder to open instead of the last one.
    pub project: Option<PathBuf>,

    /// Whether the Hub may be asked and unfinished downloads go on.
    pub downloads: bool,
}

/// The whole program behind the window.
pub struct Workbench {
    pub state: AppState,
    engine: Box<dyn Engine>,
    host: Box<dyn Host>,
    running: Running,
    project: Option<OpenProject>,
    wake: Wake,

    /// An adapter that waits for its model.
    adapter_after_load: Option<PathBuf>,

    /// Ask base and adapter the same as soon as the adapter is there.
    compare_after_load: bool,

    /// The run whose adapter is to be exported, while a dialog asks where to.
    exporting: Option<String>,

    /// Tensors of the export under way: done, and in all.
    exported: (usize, usize),

    /// What the latest estimate was asked for.
    estimated: Option<Asked>,

    /// What waits for the answer under way to end.
    after_generation: Option<Command>,

    /// The window is being closed: what ends is not started again.
    closing: bool,
}

impl Workbench {
    /// Looks for models, opens the last project and loads the last model, all behind the window.
    pub fn start(
        context: &egui::Context,
        prefs: Prefs,
        options: &WindowOptions,
        engine: Box<dyn Engine>,
        mut host: Box<dyn Host>,
    ) -> Self {
        let repaint = context.clone();
        let wake: Wake = Arc::new(move || repaint.request_repaint_after(FRAME));
        let project = options.project.clone().or_else(|| prefs.project.clone());
        let last_model = prefs.last_model.clone();
        widgets::theme::install(context);
        let mut workbench = Self {
            state: AppState {
                prefs,
                annotate: AnnotateState::new(host.random()),
                ..AppState::default()
            },
            engine,
            host,
            running: Running::default(),
            project: None,
            wake,
            adapter_after_load: None,
            compare_after_load: false,
            exporting: None,
            exported: (0, 0),
            estimated: None,
            after_generation: None,
            closing: false,
        };
        workbench.open_project(project);
        if options.downloads {
            workbench.unlock();
            workbench.connect();
        }
        workbench.handle(Command::RefreshModels);
        if let Some(source) = last_model.filter(|source| source.path().exists()) {
            workbench.handle(Command::LoadModel(source));
        }
        workbench
    }

    /// Blocks until nothing runs any more. For the end of the program and for tests.
    fn wind_down(&mut self) {
        self.closing = true;
        self.running.stop_all();
        self.running.stop_queue();
        let started = std::time::Instant::now();
        while self.running.is_working() && started.elapsed() < CLOSING_PATIENCE {
            self.poll();
            // Nothing stops the waiting but the end of the jobs.
            jobs::pause::<()>(&jobs::Quiet, Duration::from_millis(10)).ok();
        }
    }
}

impl eframe::App for Workbench {
    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }

    fn logic(&mut self, context: &egui::Context, _frame: &mut eframe::Frame) {
        let lines = |state: &AppState| (state.activities.len(), state.train.estimate.sentence());
        let before = lines(&self.state);
        self.poll();
        if lines(&self.state) != before {
            // What is at the bottom takes its new height only in the frame after this one.
            context.request_repaint();
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let mut commands = Commands::default();
        panels::show(ui, &mut self.state, &mut commands);
        for command in commands {
            match command {
                Command::CopyText(text) => ui.ctx().copy_text(text),
                Command::OpenPage(page) => {
                    ui.ctx().open_url(egui::OpenUrl::new_tab(page));
                }
                Command::OpenHubPage(kind, repo) => {
                    let page = self.engine.hub_page(kind, &repo);
                    ui.ctx().open_url(egui::OpenUrl::new_tab(page));
                }
                Command::CloseAnyway => {
                    ui.ctx().send_viewport_cmd(egui::ViewportCommand::Close);
                }
                command => self.handle(command),
            }
        }
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        eframe::set_value(storage, PREFS_KEY, &self.state.prefs);
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.wind_down();
    }
}

/// Opens the window and returns when it is closed.
pub fn run_window(options: WindowOptions) -> eframe::Result {
    run_app(move |creation| {
        let prefs = creation
            .storage
            .and_then(|storage| eframe::get_value::<Prefs>(storage, PREFS_KEY))
            .unwrap_or_default();
        let (engine, host) = (Box::<CandleEngine>::default(), Box::<Desktop>::default());
        Workbench::start(&creation.egui_ctx, prefs, &options, engine, host)
    })
}

fn run_app<A: eframe::App + 'static>(
    create: impl FnOnce(&eframe::CreationContext<'_>) -> A + 'static,
) -> eframe::Result {
    let icon = eframe::icon_data::from_png_bytes(include_bytes!("../../assets/icon.png"))
        .expect("the icon in the repository is a PNG file");
    allocator::keep_freed_memory();
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("Tuning Fork")
            .with_app_id("tuning-fork")
            .with_icon(icon)
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([900.0, 600.0]),
        // There are no gradients to smooth, and a driver that draws in software pays for it at
        // every pixel.
        dithering: false,
        ..eframe::NativeOptions::default()
    };
    eframe::run_native("tuning-fork", options, Box::new(|creation| Ok(Box::new(create(creation)))))
}
