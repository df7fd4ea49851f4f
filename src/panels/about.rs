//! What there is to say of each panel beside its contents: icon, margin, keys.

use eframe::egui::Margin;

use super::annotate;
use super::evaluate;
use super::lectures;
use super::look_inside;
use super::playground;
use crate::state::prefs::PanelId;
use crate::widgets::theme::{MaterialIcon, icons};

/// What a panel leaves free around itself. Where it is zero, the panel's own scroll areas reach to
/// the window's edge, and keep the margin inside.
pub fn margin(panel: PanelId) -> Margin {
    match panel {
        PanelId::Models | PanelId::Playground | PanelId::LookInside | PanelId::Lectures => {
            Margin { left: 16, right: 0, top: 16, bottom: 0 }
        }
        PanelId::Annotate => Margin::same(16),
        PanelId::Evaluate | PanelId::Train => Margin::ZERO,
    }
}

/// The icon in the rail.
pub fn icon(panel: PanelId) -> MaterialIcon {
    match panel {
        PanelId::Models => icons::MODELS,
        PanelId::Playground => icons::PLAYGROUND,
        PanelId::LookInside => icons::LOOK,
        PanelId::Annotate => icons::ANNOTATE,
        PanelId::Evaluate => icons::EVALUATE,
        PanelId::Train => icons::TRAIN,
        PanelId::Lectures => icons::PROJECTOR,
    }
}

/// What Ctrl+Enter does in a panel, if anything.
pub fn sends(panel: PanelId) -> Option<&'static str> {
    match panel {
        PanelId::Playground => Some("Send the prompt, or start what the view does"),
        PanelId::LookInside => Some("Look at the text"),
        PanelId::Models
        | PanelId::Annotate
        | PanelId::Evaluate
        | PanelId::Train
        | PanelId::Lectures => None,
    }
}

/// The keys of a panel beside those that work everywhere: key, what it does.
pub fn keys(panel: PanelId) -> &'static [(&'static str, &'static str)] {
    match panel {
        PanelId::Models => &[],
        PanelId::Playground => &playground::KEYS,
        PanelId::LookInside => &look_inside::KEYS,
        PanelId::Annotate => &annotate::KEYS,
        PanelId::Evaluate => &evaluate::KEYS,
        PanelId::Train => &[("Esc", "Ask whether to stop the run")],
        PanelId::Lectures => &lectures::KEYS,
    }
}
