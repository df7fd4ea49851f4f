//! The window: commands become jobs, events become state.

pub mod bench;
pub mod bench_annotate;
pub mod bench_views;
pub mod connection;
pub mod engine;
mod figure;
mod fonts;
mod handle;
pub mod host;
pub mod import;
mod measured;
mod opened;
pub mod pace;
mod report;
pub mod respondent;
#[cfg(test)]
mod scale_tests;
pub mod services;
pub mod spare_model;
pub mod task;
pub mod tasks;
pub mod training_rows;
pub mod work;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eframe::egui;

use self::engine::CandleEngine;
use self::fonts::MissingScripts;
use self::host::{Desktop, Host};
use self::opened::Opened;
use self::spare_model::SpareModel;
use self::task::{Tasks, TellsCrashes};
use self::work::Engine;
use crate::allocator;
use crate::data::project::Project;
use crate::data::samples;
use crate::data::store::PairStore;
use crate::evaluate::results::kept::Draft;
use crate::files::flush::Unflushed;
use crate::jobs;
use crate::jobs::{News, Wake};
use crate::panels;
use crate::state;
use crate::state::AppState;
use crate::state::annotate::AnnotateState;
use crate::state::command::{Commands, ModelsCommand};
use crate::state::notice::Notice;
use crate::state::prefs::{PanelId, Prefs};
use crate::state::slots::Asker;
use crate::state::train::estimate_inputs::EstimateInputs;
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
    /// What to open: a project folder instead of the last one, or a file in the last project.
    pub open: Option<PathBuf>,

    /// Whether the Hub may be asked and unfinished downloads continue.
    pub downloads: bool,
}

/// The whole program behind the window.
pub struct Workbench {
    pub state: AppState,
    engine: Box<dyn Engine>,
    host: Box<dyn Host>,
    tasks: Tasks<Self>,
    project: Option<Project>,

    /// The verdicts: of the project, or waiting for one.
    store: PairStore,

    /// The files of verdicts that this frame has written to.
    unflushed: Unflushed,
    wake: Wake,

    /// What the latest estimate was asked for.
    estimated: Option<EstimateInputs>,

    /// What the program was given, which is opened once the project is.
    waiting_to_open: Option<Opened>,

    /// Who is to be answered once the answer under way has ended.
    waiting_for_answer: Option<Asker>,

    /// A search waits for the keyring, since that may keep how the Hub is reached.
    search_wanted: bool,

    /// The speed is to be measured as soon as nothing else takes the processor.
    speed_wanted: bool,

    /// The form of Evaluate as it is not kept yet, and since when it is so.
    draft_changed: Option<(Draft, f64)>,

    /// The model of an open lecture, where it is not the one in memory.
    spare_model: SpareModel,

    /// What is asked of egui at the end of this frame.
    outward: Vec<Outward>,

    /// Scripts that were drawn and that no font shows.
    missing_scripts: MissingScripts,

    /// The window is being closed: what ends is not started again.
    closing: bool,
}

/// What only egui can do.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outward {
    Copy(String),
    OpenPage(String),
    Close,

    /// The window takes the whole screen, or gives it back.
    FullScreen(bool),

    /// Another frame: what was begun after this one was drawn is to be seen.
    Repaint,
}

impl Workbench {
    /// Looks for models, opens the last project and loads the last model, all behind the window.
    pub fn new(
        context: &egui::Context,
        prefs: Prefs,
        options: &WindowOptions,
        engine: Box<dyn Engine>,
        mut host: Box<dyn Host>,
    ) -> Self {
        let repaint = context.clone();
        let wake: Wake = Arc::new(move |news| match news {
            News::Event => repaint.request_repaint_after(FRAME),
            // What somebody waits for is there.
            News::End => repaint.request_repaint(),
        });
        let given = options.open.as_ref().map(|path| (path, opened::kind_of(path)));
        let project = given.as_ref().and_then(|(path, kind)| match kind {
            Some(Opened::Project(folder)) => Some(folder.clone()),
            // Any other folder becomes one, and so does one that is not there yet.
            None if !path.is_file() => Some((*path).clone()),
            Some(_) | None => None,
        });
        let (given, project) = match project {
            Some(project) => (None, Some(project)),
            None => (given, prefs.project.clone()),
        };
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
            tasks: Tasks::default(),
            project: None,
            store: PairStore::default(),
            unflushed: Unflushed::default(),
            wake,
            estimated: None,
            waiting_to_open: None,
            waiting_for_answer: None,
            search_wanted: false,
            speed_wanted: false,
            draft_changed: None,
            spare_model: SpareModel::default(),
            outward: Vec::new(),
            missing_scripts: MissingScripts::default(),
            closing: false,
        };
        workbench.missing_scripts.install(context);
        context.add_plugin(widgets::right_to_left::RightToLeft);
        workbench.state.playground.restore(&workbench.state.prefs.chats);
        workbench.state.playground.prompt.clone_from(&workbench.state.prefs.prompt);
        workbench.state.look_inside.restore(&workbench.state.prefs.look);
        workbench.state.models.remote.address.clone_from(&workbench.state.prefs.server);
        workbench.state.models.answer_cache = workbench.state.prefs.answer_cache;
        workbench.state.codes.view = workbench.state.prefs.annotate;
        workbench.state.codes.coder.clone_from(&workbench.state.prefs.coder);
        workbench.state.codes.goes_on = workbench.state.prefs.coding_goes_on;
        workbench.state.codes.setup.restore(&workbench.state.prefs.study);
        workbench.restore_form();
        workbench.state.train.sample_rows = samples::pairs().len();
        workbench.open_project(project);
        if workbench.project.is_none() {
            // What comes with the program needs none.
            workbench.list_prompts();
            workbench.list_lectures();
        }
        if options.downloads {
            workbench.unlock();
            workbench.connect();
        }
        workbench.handle(ModelsCommand::Refresh);
        // A model that was given is the one that is wanted.
        let has_model = matches!(given, Some((_, Some(Opened::Model(_)))));
        if let Some(source) = last_model.filter(|source| !has_model && source.path().exists()) {
            workbench.handle(ModelsCommand::Load(source));
        }
        match given {
            Some((_, Some(kind))) => {
                workbench.waiting_to_open = Some(kind);
                if !workbench.state.annotate.is_reading {
                    workbench.open_waiting();
                }
            }
            Some((path, None)) => workbench.tell_not_opened(path),
            None => {}
        }
        workbench
    }

    /// Takes in whatever the tasks have to say. Called once a frame.
    pub fn poll(&mut self) {
        for number in self.tasks.numbers() {
            // Out of the list while it changes the rest; another may have dropped it meanwhile.
            let Some(mut task) = self.tasks.take(number) else { continue };
            if !task.poll(self) {
                self.tasks.put_back(number, task);
            }
        }
        if !self.closing {
            self.measure_speed();
            self.renew_estimate();
            self.keep_draft();
            self.keep_chats();
            self.prepare_prompt();
            self.prepare_lecture();
            self.ask_room();
        }
        if let Some(notice) = self.missing_scripts.notice(self.state.prefs.panel) {
            self.state.notices.push(notice);
        }
        self.state.activities = self.tasks.activities(self);
        // Only what the Playground asked for is held back.
        let is_annotating = self.state.annotate.is_answering();
        let state::playground::Speed { limit, one_at_a_time } = self.state.playground.speed;
        let (limit, one_at_a_time) =
            if is_annotating { (0, false) } else { (limit, one_at_a_time) };
        self.engine.pace().set(limit, one_at_a_time);
    }

    /// Blocks until everything that should end before the program has ended.
    fn wind_down(&mut self) {
        self.closing = true;
        self.tasks.stop_for_good();
        let started = std::time::Instant::now();
        while self.tasks.is_awaited() && started.elapsed() < CLOSING_PATIENCE {
            self.poll();
            // Nothing stops the waiting but the end of the tasks.
            jobs::pause::<()>(&jobs::Quiet, Duration::from_millis(10)).ok();
        }
        self.keep_last_chats();
        self.keep_last_draft();
        self.keep_last_judging();
    }
}

impl TellsCrashes for Workbench {
    fn tell_crash(&mut self, place: PanelId, what: &str, message: String) {
        self.state.notices.push(Notice::crash(place, what, message));
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
        if self.draft_changed.is_some() {
            context.request_repaint_after(Duration::from_secs(1)); // it is kept then
        }
        if lines(&self.state) != before {
            // What is at the bottom takes its new height only in the frame after this one.
            context.request_repaint();
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let mut commands = Commands::default();
        panels::show(ui, &mut self.state, &mut commands);
        for command in commands {
            self.handle(command);
        }
        self.flush_verdicts();
        let dropped = ui.ctx().input(|input| input.raw.dropped_files.clone());
        for file in dropped {
            self.dropped(file.path().to_owned());
        }
        for outward in self.outward.drain(..) {
            match outward {
                Outward::Copy(text) => ui.ctx().copy_text(text),
                Outward::OpenPage(page) => ui.ctx().open_url(egui::OpenUrl::new_tab(page)),
                Outward::Repaint => ui.ctx().request_repaint(),
                Outward::FullScreen(is_full) => {
                    ui.ctx().send_viewport_cmd(egui::ViewportCommand::Fullscreen(is_full));
                }
                Outward::Close => ui.ctx().send_viewport_cmd(egui::ViewportCommand::Close),
            }
        }
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        self.state.prefs.chats = self.state.playground.kept();
        self.state.prefs.prompt.clone_from(&self.state.playground.prompt);
        self.state.prefs.look = self.state.look_inside.kept();
        self.state.prefs.annotate = self.state.codes.view;
        self.state.prefs.coder = self.state.codes.coder.trim().to_owned();
        self.state.prefs.coding_goes_on = self.state.codes.goes_on;
        self.state.prefs.study = self.state.codes.setup.kept();
        (self.state.prefs.run, self.state.prefs.run_data) = self.kept_form();
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
        Workbench::new(&creation.egui_ctx, prefs, &options, engine, host)
    })
}

/// The report that the window has filled in when it is closed.
fn measure_app<R: Clone + Default + 'static, A: eframe::App + 'static>(
    create: impl FnOnce(&eframe::CreationContext<'_>, Arc<Mutex<R>>) -> A + 'static,
) -> Result<R, eframe::Error> {
    let report = Arc::new(Mutex::new(R::default()));
    let shared = Arc::clone(&report);
    run_app(move |creation| create(creation, shared))?;
    let report = report.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(report.clone())
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
        system_font_fallback: false, // see `install_system_fonts`
        ..eframe::NativeOptions::default()
    };
    let create = |creation: &eframe::CreationContext<'_>| {
        fonts::install_system_fonts(&creation.egui_ctx);
        Ok(Box::new(create(creation)) as Box<dyn eframe::App>)
    };
    eframe::run_native("tuning-fork", options, Box::new(create))
}
