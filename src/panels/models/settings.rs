//! How the Hub is reached: address, proxy, token, offline mode.

use eframe::egui;
use eframe::egui::{Grid, Label, TextEdit, Ui};

use crate::state::command::{Commands, ModelsCommand};
use crate::state::hub::SettingsForm;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, chip_ui, titled_card_ui};
use crate::widgets::switch::switch_ui;
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws the form.
pub fn settings_ui(ui: &mut Ui, form: &mut SettingsForm, commands: &mut Commands) {
    let mut close = false;
    let aside = |ui: &mut Ui| {
        close = ui.add(ActionButton::only_icon(icons::CLOSE, "Close the settings")).clicked();
    };
    titled_card_ui(ui, "Connection settings", aside, |ui| {
        let SettingsForm { draft, token, token_from, proxy_from, is_keyring_asked, .. } =
            &mut *form;
        let asked = *is_keyring_asked;
        let about = "Ask nothing of the network: what is on this computer is all there is";
        let mut changed = switch_ui(ui, &mut draft.offline, "Offline", about).changed();
        let width = (ui.available_width() - theme::em(ui) * 7.0).min(theme::em(ui) * 30.0);
        let grid = Grid::new("connection").num_columns(2).spacing([theme::GAP, theme::GAP_SMALL]);
        grid.show(ui, |ui| {
            let mut field =
                |ui: &mut Ui, name: &str, hint: &str, about: &str, text: &mut String| {
                    let label = ui.label(name).on_hover_text(about);
                    let field = TextEdit::singleline(text).hint_text(hint).desired_width(width);
                    changed |= ui.add(field).labelled_by(label.id).lost_focus();
                    ui.end_row();
                };
            field(
                ui,
                "Address",
                "https://huggingface.co",
                "The Hub's address, or that of a mirror. Where HF_ENDPOINT is set, it comes first",
                &mut draft.endpoint,
            );
            field(
                ui,
                "Proxy",
                "System proxy",
                "http://user:password@host:port. The password is kept in the system's keyring \
                 where there is one. Where HTTPS_PROXY is set, it comes first",
                &mut draft.proxy,
            );
            if let Some(from) = proxy_from {
                ui.label("");
                let words = format!("Its password is in {from}");
                chip_ui(ui, Tone::Chosen, Some(icons::DONE), &words);
                ui.end_row();
            }
            let label = ui.label("Token").on_hover_text(
                "For models that ask for consent: from your account's page on the Hub, with the \
                 right to read. It goes to the Hub's address only and is never shown. It is kept \
                 in the system's keyring where there is one, else in a file only you can read",
            );
            ui.horizontal_wrapped(|ui| {
                let field = TextEdit::singleline(token)
                    .password(true)
                    .hint_text("hf_…")
                    .desired_width(theme::em(ui) * 14.0);
                ui.add(field).labelled_by(label.id);
                let usable = !token.trim().is_empty() && !asked;
                let why_not = if asked { "The keyring is asked" } else { "Paste a token first" };
                let keep = ui.add_enabled(usable, ActionButton::new("Save"));
                if keep.on_disabled_hover_text(why_not).clicked() {
                    commands.push(ModelsCommand::SaveToken);
                }
                match token_from {
                    _ if asked => {
                        let words = "Asking the system's keyring…";
                        ui.label(theme::muted(ui, words));
                    }
                    Some(from) => {
                        chip_ui(ui, Tone::Chosen, Some(icons::DONE), &format!("From {from}"));
                        if ui.add(ActionButton::quiet("Delete token")).clicked() {
                            commands.push(ModelsCommand::DeleteToken);
                        }
                    }
                    None => {
                        ui.label(theme::muted(ui, "No token saved"));
                    }
                }
            });
            ui.end_row();
        });
        match draft.problem() {
            Some(problem) => {
                let ink = theme::palette(ui).problem;
                ui.add(Label::new(egui::RichText::new(problem).color(ink)).wrap());
            }
            None if changed => commands.push(ModelsCommand::SaveHubSettings),
            None => {}
        }
    });
    if close {
        form.open = false;
    }
}
