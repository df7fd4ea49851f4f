//! What only changes what is shown: [`crate::state::AppState::apply`] carries it out by itself.

use crate::state::hub::ModelsTab;
use crate::state::prefs::{PanelId, Theme};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewCommand {
    ShowPanel(PanelId),
    ShowModelsTab(ModelsTab),

    /// Looks on the Hub for models that guess masked words.
    FindMaskedModels,
    ToggleRail,
    SetTheme(Theme),
    ZoomIn,
    ZoomOut,
    ZoomReset,
    TogglePalette,
    ToggleKeys,
    CloseAbout,
    DismissNotice(u64),

    /// Begins a new conversation in the Playground.
    NewChat,

    /// Puts the question in front back into the prompt's field, with another seed.
    AskAgain,
}
