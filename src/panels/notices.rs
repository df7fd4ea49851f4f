//! What there is to tell, in the panel that it is about.

use eframe::egui::Ui;

use crate::state::command::{Commands, ViewCommand};
use crate::state::notice::Notices;
use crate::state::notice::Severity;
use crate::state::prefs::PanelId;
use crate::widgets::card::Tone;
use crate::widgets::error_card::CardAction;
use crate::widgets::error_card::ErrorCard;
use crate::widgets::theme;

/// Draws the notices of one panel, oldest first.
pub fn notices_ui(ui: &mut Ui, place: PanelId, notices: &Notices, commands: &mut Commands) {
    for notice in notices.at(place) {
        let card = ErrorCard {
            id: notice.id,
            tone: tone(notice.severity),
            summary: &notice.summary,
            causes: &notice.causes,
            hint: notice.hint.as_deref(),
            remedy: notice.remedy.as_ref().map(|(words, _)| words.as_str()),
            can_close: true,
        };
        match card.show(ui) {
            Some(CardAction::Remedy) => {
                commands.push(ViewCommand::DismissNotice(notice.id));
                if let Some((_, command)) = &notice.remedy {
                    commands.push(command.clone());
                }
            }
            Some(CardAction::Dismiss) => commands.push(ViewCommand::DismissNotice(notice.id)),
            None => {}
        }
        ui.add_space(theme::GAP);
    }
}

/// The colour and icon of a severity.
pub fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Info => Tone::Info,
        Severity::Problem | Severity::Bug => Tone::Problem,
    }
}
