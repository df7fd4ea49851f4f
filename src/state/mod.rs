//! What the screen is a picture of. No pixels, no tensors, no files: panels edit it, the engine's
//! events change it, and a test can look at it.

pub mod about;
pub mod annotate;
pub mod codes;
pub mod command;
pub mod evaluate;
pub mod hub;
pub mod lectures;
pub mod look_inside;
pub mod mapping;
pub mod models;
pub mod notice;
pub mod playground;
pub mod prefs;
pub mod remote;
pub mod room;
pub mod scores;
pub mod series;
pub mod serving;
pub mod slots;
pub mod train;

use std::path::PathBuf;

use about::AboutState;
use annotate::AnnotateState;
use codes::CodesState;
use command::ViewCommand;
use evaluate::EvaluateState;
use hub::{HubState, ModelsTab};
use lectures::LecturesState;
use look_inside::LookInsideState;
use mapping::MappingState;
use models::ModelsState;
use notice::Notices;
use playground::PlaygroundState;
use playground::view::PlaygroundView;
use prefs::{PanelId, Prefs};
use room::RoomState;
use slots::{Activity, AdapterSlot, ModelSlot};
use train::TrainState;

/// The whole workbench as plain data.
#[derive(Debug, Default)]
pub struct AppState {
    pub prefs: Prefs,
    pub model: ModelSlot,
    pub adapter: AdapterSlot,
    pub models: ModelsState,
    pub hub: HubState,
    pub playground: PlaygroundState,
    pub look_inside: LookInsideState,
    pub annotate: AnnotateState,
    pub codes: CodesState,
    pub evaluate: EvaluateState,
    pub train: TrainState,
    pub lectures: LecturesState,
    pub room: RoomState,

    /// The question for the columns of a file, while it is open.
    pub mapping: Option<MappingState>,
    pub notices: Notices,

    /// What runs now, one line each. Filled by the app before every frame.
    pub activities: Vec<Activity>,

    /// The open project's folder.
    pub project: PathBuf,
    pub window: WindowState,
}

/// What lies over the panels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowState {
    /// The command palette, while it is open.
    pub palette: Option<PaletteState>,

    /// Whether the list of keys is shown.
    pub keys_open: bool,

    /// The page About, while it is open.
    pub about: Option<AboutState>,

    /// The panel of the start was entered.
    pub is_entered: bool,

    /// Whether the cursor was in a field at the end of the last frame.
    pub was_typing: bool,
    pub closing: Closing,
}

/// What has been typed into the command palette, and the row in front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaletteState {
    pub query: String,
    pub row: usize,
}

/// Closing the window although something runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Closing {
    #[default]
    No,

    /// The window's close button was pressed; a bar asks.
    Asked,

    /// "Close anyway".
    Agreed,
}

/// The steps of the zoom buttons.
const ZOOM_STEP: f32 = 0.1;

impl AppState {
    /// Carries out a command that only changes what is shown.
    pub fn apply(&mut self, command: ViewCommand) {
        match command {
            ViewCommand::ShowPanel(panel) => {
                if panel != self.prefs.panel {
                    self.notices.leave(self.prefs.panel);
                }
                self.prefs.panel = panel;
                self.enter();
            }
            ViewCommand::ShowModelsTab(tab) => {
                self.prefs.panel = PanelId::Models;
                self.hub.tab = tab;
                self.enter();
            }
            ViewCommand::FindMaskedModels => {
                self.hub.look_for_masked();
                self.apply(ViewCommand::ShowModelsTab(ModelsTab::Find));
            }
            ViewCommand::ToggleRail => self.prefs.rail_collapsed = !self.prefs.rail_collapsed,
            ViewCommand::SetTheme(theme) => self.prefs.theme = theme,
            ViewCommand::ZoomIn => self.zoom_by(ZOOM_STEP),
            ViewCommand::ZoomOut => self.zoom_by(-ZOOM_STEP),
            ViewCommand::ZoomReset => self.prefs.zoom = 1.0,
            ViewCommand::TogglePalette => {
                let is_open = self.window.palette.is_some();
                self.window.palette = (!is_open).then(PaletteState::default);
            }
            ViewCommand::ToggleKeys => self.window.keys_open = !self.window.keys_open,
            ViewCommand::CloseAbout => self.window.about = None,
            ViewCommand::DismissNotice(id) => self.notices.dismiss(id),
            ViewCommand::NewChat => self.playground.new_chat(),
            ViewCommand::AskAgain => {
                self.playground.ask_again();
                self.playground.draw_seed(self.playground.seed);
            }
        }
    }

    /// The panel in front was entered: its main field gets the cursor.
    pub fn enter(&mut self) {
        match self.prefs.panel {
            PanelId::Models => self.hub.wants_cursor = self.hub.tab == ModelsTab::Find,
            PanelId::Playground => self.playground.wants_cursor = true,
            PanelId::LookInside => self.look_inside.wants_cursor = true,
            // Annotate is worked with keys, and the forms of the others have no first field.
            PanelId::Annotate | PanelId::Evaluate | PanelId::Train | PanelId::Lectures => {}
        }
    }

    /// What was told on a page of Evaluate is not told on the next one. Called once a frame, before anything is
    /// drawn: what has come with the page itself is newer than what was seen on the one before.
    pub fn turn_page(&mut self) {
        if self.prefs.panel != PanelId::Evaluate {
            return;
        }
        let page = self.evaluate.page();
        if let Some((seen, last)) = &self.evaluate.seen
            && *seen != page
        {
            self.notices.turn(PanelId::Evaluate, *last);
        }
        self.evaluate.seen = Some((page, self.notices.last_id()));
    }

    /// Closes what lies over the panels or asks something, the topmost first. False: there is
    /// nothing.
    pub fn close_topmost(&mut self) -> bool {
        let Self {
            window,
            prefs,
            models,
            hub,
            train,
            playground,
            look_inside,
            evaluate,
            lectures,
            codes,
            annotate,
            ..
        } = self;
        if window.closing == Closing::Asked {
            window.closing = Closing::No;
            return true;
        }
        match prefs.panel {
            PanelId::Models => {
                let asked = models.confirm_remove.take().is_some();
                asked || (hub.tab != ModelsTab::Installed && std::mem::take(&mut hub.settings.open))
            }
            PanelId::Playground => {
                let is_editing = playground.is_editing();
                playground.keep_answer();
                // While a chain runs, Esc stops it.
                let has_sheet =
                    playground.view == PlaygroundView::Talk && !playground.library.is_running();
                is_editing || (has_sheet && playground.sheet.take().is_some())
            }
            PanelId::LookInside => look_inside.close_topmost(),
            PanelId::Annotate => codes.close_topmost() || annotate.close_topmost(),
            PanelId::Evaluate => evaluate.close_topmost(),
            PanelId::Train => train.close_topmost(),
            PanelId::Lectures => lectures.close_topmost(),
        }
    }

    /// Whether the panel in front is a study that is coded, so that keys are codes.
    pub fn is_coding(&self) -> bool {
        self.prefs.panel == PanelId::Annotate && self.codes.is_coding()
    }

    /// What closing the window now would stop or lose, a sentence each.
    pub fn lost_on_closing(&self) -> Vec<String> {
        let asking = self.activities.iter().filter(|activity| activity.asks_before_closing);
        let mut lost: Vec<String> =
            asking.map(|activity| format!("{} is still running", activity.what)).collect();
        match self.annotate.unsaved_count {
            0 => {}
            1 => lost.push("1 verdict is only in memory and would be lost".to_owned()),
            count => lost.push(format!("{count} verdicts are only in memory and would be lost")),
        }
        match self.codes.unsaved() {
            0 => {}
            1 => lost.push("1 code is only in memory and would be lost".to_owned()),
            count => lost.push(format!("{count} codes are only in memory and would be lost")),
        }
        lost
    }

    fn zoom_by(&mut self, step: f32) {
        let zoom = (self.prefs.zoom + step).clamp(0.5, 3.0);
        self.prefs.zoom = (zoom * 10.0).round() / 10.0;
    }
}
