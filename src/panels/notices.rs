//! What there is to tell, in the panel that it is about.

use eframe::egui::{CollapsingHeader, Ui};

use crate::state::command::{Commands, ViewCommand};
use crate::state::notice::{Notice, Notices, Severity};
use crate::state::prefs::PanelId;
use crate::widgets::card::Tone;
use crate::widgets::error_card::CardAction;
use crate::widgets::error_card::ErrorCard;
use crate::widgets::theme;

/// Draws the notices of one panel, oldest first; of good news the last alone, the others at a click.
pub fn notices_ui(ui: &mut Ui, place: PanelId, notices: &Notices, commands: &mut Commands) {
    let is_news = |notice: &&Notice| notice.severity == Severity::Info;
    let last_news = notices.at(place).filter(is_news).last().map(|notice| notice.id);
    let (earlier, shown): (Vec<_>, Vec<_>) =
        notices.at(place).partition(|notice| is_news(notice) && Some(notice.id) != last_news);
    cards_ui(ui, &shown, commands);
    if !earlier.is_empty() {
        let words = match earlier.len() {
            1 => "1 earlier message".to_owned(),
            count => format!("{count} earlier messages"),
        };
        let header = CollapsingHeader::new(words).id_salt("earlier messages");
        header.show(ui, |ui| cards_ui(ui, &earlier, commands));
        ui.add_space(theme::GAP);
    }
}

fn cards_ui(ui: &mut Ui, notices: &[&Notice], commands: &mut Commands) {
    for notice in notices {
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
