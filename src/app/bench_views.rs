//! `tuning-fork bench views`: every view of the lecture on a real model: how soon it is there, and how long a
//! frame takes while somebody scrolls in it or moves a slider.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eframe::egui;

use super::measured::{self, milliseconds_at};
use super::{WindowOptions, Workbench, measure_app};
use crate::data::samples::STORIES_TXT;
use crate::explore::growth::Growth;
use crate::explore::tree::ROOT;
use crate::llm::card::ModelSource;
use crate::state::command::{ModelsCommand, PlaygroundCommand};
use crate::state::look_inside::subject::Form;
use crate::state::look_inside::view::View;
use crate::state::playground::Mode;
use crate::state::playground::view::PlaygroundView;
use crate::state::prefs::PanelId;

/// What to measure.
#[derive(Clone, Debug)]
pub struct ViewsBenchOptions {
    pub model: PathBuf,

    /// Of the window, in points.
    pub size: [f32; 2],

    /// Frames of each view.
    pub frames: usize,
}

/// A view. Times of frames in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct ViewReport {
    pub view: String,

    /// Of the text that it shows; of branches and answers, the prompt's.
    pub tokens: usize,

    /// From when it was asked for until it is there; of branches, a branch's first token.
    pub secs: f64,
    pub frames: usize,

    /// What this program's own code takes for a frame.
    pub own_median_ms: f64,
    pub own_p99_ms: f64,

    /// With egui's tessellation and the graphics driver, which draws in software where there is no GPU.
    pub median_ms: f64,
    pub p99_ms: f64,
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct ViewsBenchReport {
    /// Of the window, as it was while measuring.
    pub size: [f32; 2],
    pub views: Vec<ViewReport>,

    /// What did not come.
    pub failed: Option<String>,
}

/// What is measured, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// A view of Look inside on so many tokens.
    Look(View, usize),

    /// An answer in the conversation, after a prompt of so many tokens.
    Talk(usize),

    /// The sampler, while the temperature moves.
    Sampler,

    /// A branch of a tree that grows from a prompt of so many tokens.
    Branches(usize),
}

const SCENES: [Scene; 13] = [
    Scene::Look(View::Tokens, 4000),
    Scene::Look(View::Surprise, 512),
    Scene::Look(View::Guess, 512),
    Scene::Look(View::Attention, 256),
    Scene::Look(View::Lens, 512),
    Scene::Look(View::LeaveOneOut, 40),
    Scene::Look(View::Pair, 40),
    Scene::Look(View::Meaning, 24),
    Scene::Look(View::Machine, 0),
    Scene::Talk(64),
    Scene::Sampler,
    Scene::Branches(64),
    Scene::Branches(1500),
];

const WORDS: &str =
    "king\nqueen\nman\nwoman\ndoctor\nnurse\nengineer\nteacher\ncat\ndog\nriver\nlake";

/// A view that is not there by then never comes.
const LIMIT: Duration = Duration::from_mins(1);

/// Opens the window, measures, and closes it again.
pub fn run(options: ViewsBenchOptions) -> Result<ViewsBenchReport, eframe::Error> {
    measure_app(|creation, report| Measured::new(creation, options, report))
}

/// How far a scene is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// What it begins with is not there yet: the model, the text's tokens, the tree.
    Preparing,
    Asked,
    Drawing,
}

struct Measured {
    workbench: Workbench,
    options: ViewsBenchOptions,
    shared: Arc<Mutex<ViewsBenchReport>>,
    report: ViewsBenchReport,
    scene: usize,
    phase: Phase,
    has_begun: bool,

    /// Of branches: the prompt is being read, or was.
    is_planted: bool,
    since: Instant,
    frame_start: Instant,

    /// Of the scene in front, in seconds.
    own: Vec<f64>,
    all: Vec<f64>,
}

impl Measured {
    fn new(
        creation: &eframe::CreationContext<'_>,
        options: ViewsBenchOptions,
        shared: Arc<Mutex<ViewsBenchReport>>,
    ) -> Self {
        let window = WindowOptions { open: None, downloads: false };
        let mut workbench = measured::workbench(&creation.egui_ctx, &window);
        workbench.handle(ModelsCommand::Load(ModelSource::at(&options.model)));
        let now = Instant::now();
        Self {
            workbench,
            options,
            shared,
            report: ViewsBenchReport::default(),
            scene: 0,
            phase: Phase::Preparing,
            has_begun: false,
            is_planted: false,
            since: now,
            frame_start: now,
            own: Vec::new(),
            all: Vec::new(),
        }
    }

    /// Goes on as far as it can before this frame. False: all is measured, or something never comes.
    fn step(&mut self) -> bool {
        let Some(scene) = SCENES.get(self.scene).copied() else { return false };
        if self.since.elapsed() > LIMIT {
            let said = self.workbench.state.notices.last().map(|notice| notice.summary.clone());
            let said = said.map(|said| format!(" (“{said}”)")).unwrap_or_default();
            self.report.failed = Some(format!("{} does not come{said}", name(scene)));
            return false;
        }
        match self.phase {
            Phase::Preparing => {
                if self.is_prepared(scene) {
                    self.since = Instant::now();
                    self.phase = Phase::Asked;
                    self.ask(scene);
                }
            }
            Phase::Asked if self.is_there(scene) => {
                let secs = self.since.elapsed().as_secs_f64();
                let tokens = self.tokens(scene);
                let view = name(scene);
                self.report.views.push(ViewReport { view, tokens, secs, ..ViewReport::default() });
                self.phase = Phase::Drawing;
            }
            Phase::Asked => {}
            Phase::Drawing if self.own.len() >= self.options.frames => {
                self.end_scene();
                return self.step();
            }
            Phase::Drawing => {
                if scene == Scene::Sampler {
                    // Somebody draws the slider to and fro.
                    let turn = self.own.len() as f32 / 20.0;
                    self.workbench.state.prefs.sampling.temperature = 1.0 + 0.5 * turn.sin();
                }
            }
        }
        true
    }

    /// Begins what the scene needs first; true once that is there.
    fn is_prepared(&mut self, scene: Scene) -> bool {
        if self.workbench.state.model.in_memory().is_none() {
            return false;
        }
        let state = &mut self.workbench.state;
        if !self.has_begun {
            self.has_begun = true;
            self.since = Instant::now();
            state.prefs.panel = PanelId::Playground;
            let text = |tokens: usize| STORIES_TXT.chars().take(6 * tokens).collect::<String>();
            match scene {
                Scene::Look(view, tokens) => {
                    state.prefs.panel = PanelId::LookInside;
                    let look = &mut state.look_inside;
                    look.view = View::Tokens;
                    look.form = Form::Text;
                    let words = view == View::Meaning;
                    look.text = if words { WORDS.to_owned() } else { text(tokens) };
                    look.pair.other = text(tokens).replacen("he", "she", 1);
                    look.look(&state.model, &state.adapter);
                }
                Scene::Talk(tokens) => {
                    state.playground.view = PlaygroundView::Talk;
                    state.playground.mode = Mode::Raw;
                    state.playground.prompt = text(tokens);
                    state.prefs.sampling.temperature = 0.0;
                    state.prefs.max_new_tokens = 256;
                }
                Scene::Sampler => {}
                Scene::Branches(tokens) => {
                    state.playground.view = PlaygroundView::Branches;
                    // The others count characters; of this one no more may be read than the model can.
                    state.playground.prompt = STORIES_TXT.chars().take(4 * tokens).collect();
                }
            }
            return false;
        }
        let state = &mut self.workbench.state;
        match scene {
            Scene::Look(View::Machine, _) | Scene::Talk(_) | Scene::Sampler => true,
            Scene::Look(_, tokens) => {
                let look = &mut state.look_inside;
                let Some(view) = look.tokens.ready() else { return false };
                if tokens < view.pieces.len() && look.text != WORDS {
                    let pieces = view.pieces.iter().filter(|piece| !piece.special);
                    look.text = pieces.take(tokens).map(|piece| piece.token.as_str()).collect();
                    look.look(&state.model, &state.adapter);
                    return false;
                }
                true
            }
            Scene::Branches(_) if !self.is_planted => {
                // The view is in front by now, and has let go of other models' trees.
                self.is_planted = true;
                let growth = state.playground.plant(&state.adapter);
                self.workbench.handle(PlaygroundCommand::Grow(growth));
                false
            }
            Scene::Branches(_) => {
                !state.playground.branches.is_running() && state.playground.branches.tree.is_some()
            }
        }
    }

    fn ask(&mut self, scene: Scene) {
        let state = &mut self.workbench.state;
        match scene {
            // Its tokens are the view: they are split once more.
            Scene::Look(View::Tokens, _) => state.look_inside.look(&state.model, &state.adapter),
            Scene::Look(view, _) => state.look_inside.view = view,
            Scene::Talk(_) => self.workbench.handle(PlaygroundCommand::Generate),
            Scene::Sampler => state.playground.view = PlaygroundView::Sampler,
            Scene::Branches(_) => {
                let tree = state.playground.branches.tree.as_ref();
                let second = tree.and_then(|tree| tree.candidates.get(1)).map(|it| it.id);
                if let Some(id) = second {
                    let branch = Growth::Branch { node: ROOT, id };
                    self.workbench.handle(PlaygroundCommand::Grow(branch));
                }
            }
        }
    }

    fn is_there(&self, scene: Scene) -> bool {
        let state = &self.workbench.state;
        let playground = &state.playground;
        match scene {
            Scene::Look(..) => state.look_inside.has_view() && !state.look_inside.is_running(),
            Scene::Talk(_) => {
                let lane = playground.lanes.first();
                !playground.running && lane.is_some_and(|lane| !lane.tokens.is_empty())
            }
            Scene::Sampler => playground.position().is_some(),
            Scene::Branches(_) => {
                let tree = playground.branches.tree.as_ref();
                !playground.branches.is_running()
                    && tree.is_some_and(|tree| !tree.view.nodes.is_empty())
            }
        }
    }

    fn tokens(&self, scene: Scene) -> usize {
        let state = &self.workbench.state;
        let playground = &state.playground;
        match scene {
            Scene::Look(View::Machine, _) => 0,
            Scene::Look(..) => state.look_inside.token_count(),
            Scene::Talk(_) | Scene::Sampler => {
                playground.rendered.as_ref().map_or(0, |prompt| prompt.ids.len())
            }
            Scene::Branches(_) => {
                playground.branches.tree.as_ref().map_or(0, |tree| tree.view.ids.len())
            }
        }
    }

    fn end_scene(&mut self) {
        if let Some(view) = self.report.views.last_mut() {
            view.frames = self.own.len();
            (view.own_median_ms, view.own_p99_ms) =
                (milliseconds_at(&self.own, 0.5), milliseconds_at(&self.own, 0.99));
            (view.median_ms, view.p99_ms) =
                (milliseconds_at(&self.all, 0.5), milliseconds_at(&self.all, 0.99));
        }
        (self.own, self.all) = (Vec::new(), Vec::new());
        self.scene += 1;
        self.phase = Phase::Preparing;
        (self.has_begun, self.is_planted) = (false, false);
        self.since = Instant::now();
    }
}

fn name(scene: Scene) -> String {
    match scene {
        Scene::Look(view, _) => view.name().to_owned(),
        Scene::Talk(_) => "Playground: an answer".to_owned(),
        Scene::Sampler => "Playground: sampler".to_owned(),
        Scene::Branches(_) => "Playground: branch".to_owned(),
    }
}

impl eframe::App for Measured {
    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        self.workbench.clear_color(visuals)
    }

    fn logic(&mut self, context: &egui::Context, frame: &mut eframe::Frame) {
        self.frame_start = Instant::now();
        self.workbench.logic(context, frame);
    }

    /// Turns the mouse's wheel over the view, down and up again.
    fn raw_input_hook(&mut self, _context: &egui::Context, input: &mut egui::RawInput) {
        if self.phase == Phase::Drawing {
            let is_down = (self.own.len() / 30).is_multiple_of(2);
            measured::turn_wheel(input, if is_down { -4.0 } else { 4.0 });
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        let screen = ui.ctx().content_rect().size();
        let wanted = egui::Vec2::from(self.options.size);
        if self.report.views.is_empty() && screen != wanted {
            ui.ctx().send_viewport_cmd(egui::ViewportCommand::InnerSize(wanted));
        }
        self.report.size = screen.into();
        let was_drawing = self.phase == Phase::Drawing;
        let goes_on = self.step();
        if was_drawing && self.phase == Phase::Drawing {
            self.all.extend(frame.info().cpu_usage.map(f64::from));
        }
        self.workbench.ui(ui, frame);
        if was_drawing && self.phase == Phase::Drawing {
            self.own.push(self.frame_start.elapsed().as_secs_f64());
        }
        if !goes_on {
            *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = self.report.clone();
            measured::close(&mut self.workbench, ui.ctx());
        }
        // While something is computed, a frame comes when there is something to say, as it does for a person: whoever
        // computes asks for it. Frames in between would take time from what is measured, where they are drawn in
        // software a third of a processor.
        let is_drawing = self.phase == Phase::Drawing;
        let pause = if is_drawing { Duration::ZERO } else { Duration::from_millis(250) };
        ui.ctx().request_repaint_after(pause);
    }

    fn on_exit(&mut self, gl: Option<&eframe::glow::Context>) {
        self.workbench.on_exit(gl);
    }
}
