//! What a panel shows while there is no model that it could work with.

use eframe::egui::Ui;

use crate::state::command::{Commands, ViewCommand};
use crate::state::prefs::PanelId;
use crate::state::slots::ModelSlot;
use crate::widgets::empty_state::EmptyState;
use crate::widgets::theme::MaterialIcon;

/// A panel in words.
pub(super) struct NoModel<'a> {
    pub icon: MaterialIcon,
    pub title: &'a str,

    /// What the panel is for; it ends with a model being needed.
    pub sentence: &'a str,

    /// What can be done once a model that is being loaded is there.
    pub soon: &'a str,
}

impl NoModel<'_> {
    pub fn show(self, ui: &mut Ui, slot: &ModelSlot, commands: &mut Commands) {
        let Self { icon, title, sentence, soon } = self;
        if let ModelSlot::Loading { name } = slot {
            let title = format!("Loading {name}…");
            EmptyState { icon, title: &title, sentence: soon, actions: &[] }.show(ui);
            return;
        }
        if let ModelSlot::EncoderDecoder(card) = slot {
            let sentence = format!(
                "{} is an encoder-decoder: it reads one text and writes another. What is shown here is \
                 computed by a decoder alone, and is not available for it. Load a decoder, or ask the \
                 encoder-decoder in the Playground.",
                card.identity.name
            );
            let actions = &["Choose a model", "Open the Playground"];
            let panels = [PanelId::Models, PanelId::Playground];
            let pressed = EmptyState { icon, title, sentence: &sentence, actions }.show(ui);
            if let Some(panel) = pressed.and_then(|action| panels.get(action)) {
                commands.push(ViewCommand::ShowPanel(*panel));
            }
            return;
        }
        if let ModelSlot::Remote(probe) = slot {
            let sentence = format!(
                "{} answers on a server ({}). What is shown here is computed from a model's weights and \
                 from the scores of all tokens, and a server sends neither. Load a model for it.",
                probe.model, probe.address
            );
            let actions = &["Choose a model"];
            if (EmptyState { icon, title, sentence: &sentence, actions }).show(ui).is_some() {
                commands.push(ViewCommand::ShowPanel(PanelId::Models));
            }
            return;
        }
        let actions = &["Choose a model"];
        let empty = EmptyState { icon, title, sentence, actions };
        if empty.show(ui).is_some() {
            commands.push(ViewCommand::ShowPanel(PanelId::Models));
        }
    }
}
