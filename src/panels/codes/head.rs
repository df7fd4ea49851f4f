//! What stands above a study: its name, how far the coder is, and what can be done with it.

use eframe::egui::{self, Label, Sides, Ui};

use super::suggesting::Suggesting;
use crate::panels::annotate::menus::shown_ui;
use crate::state::codes::session::Session;
use crate::state::command::{CodesCommand, Commands};
use crate::study::forms::export::Export;
use crate::widgets::button::ActionButton;
use crate::widgets::choice::menu_of_names_ui;
use crate::widgets::format;
use crate::widgets::theme::{self, icons};

/// Narrower than this, in em, the buttons stand below the title.
const NARROW: f32 = 36.0;

/// The same where a study of pairs has two buttons more.
const NARROW_FOR_PAIRS: f32 = 48.0;

pub(super) fn head_ui(
    ui: &mut Ui,
    session: &mut Session,
    suggesting: &Suggesting,
    commands: &mut Commands,
) {
    let (done, all) = session.progress();
    let mut about = vec![session.folder.study.name.clone(), session.coder().coder.clone()];
    if let Some(seconds) = session.seconds_left().filter(|_| done < all) {
        about.push(format!("{} left", format::duration(seconds)));
    }
    let mut opens = false;
    let narrow = if session.folder.is_of_pairs() { NARROW_FOR_PAIRS } else { NARROW };
    let title = |ui: &mut Ui| {
        let words = format!("{} of {}", format::count(done), format::count(all));
        ui.label(theme::title(ui, words)).on_hover_text("Items that you have coded");
        ui.add(Label::new(theme::muted(ui, about.join(" · "))).wrap());
    };
    let buttons = |ui: &mut Ui| {
        if ui.add(ActionButton::quiet("Close").icon(icons::CLOSE)).clicked() {
            commands.push(CodesCommand::Close);
        }
        menu_ui(ui, session, suggesting, commands);
        let agreement = ActionButton::new("Agreement");
        let hint = "How far the coders say the same, and where they do not";
        if ui.add(agreement).on_hover_text(hint).clicked() {
            commands.push(CodesCommand::Agreement);
        }
        if session.folder.is_of_pairs() {
            let hint = "Which models the verdicts of all coders prefer";
            if ui.add(ActionButton::new("Study arena")).on_hover_text(hint).clicked() {
                commands.push(CodesCommand::Arena);
            }
            show_menu_ui(ui, session);
        }
        let guideline = ActionButton::new("Guideline").shortcut("?");
        if ui.add(guideline).accessible_name("Guideline (?)").clicked() {
            opens = true;
        }
    };
    if ui.available_width() < theme::em(ui) * narrow {
        ui.horizontal_wrapped(title);
        // Where two rows of buttons are needed, the second stands below the first, and not around its middle.
        let size = egui::vec2(ui.available_width(), ui.spacing().interact_size.y);
        let layout = egui::Layout::right_to_left(egui::Align::Min).with_main_wrap(true);
        ui.allocate_ui_with_layout(size, layout, buttons);
    } else {
        Sides::new().shrink_left().wrap().show(ui, title, buttons);
    }
    session.guideline_open |= opens;
    let share = done as f32 / all.max(1) as f32;
    let p = theme::palette(ui);
    ui.scope(|ui| {
        ui.visuals_mut().extreme_bg_color = p.raised_press;
        let bar = egui::ProgressBar::new(share).desired_height(4.0).fill(p.accent);
        ui.add(bar).accessible_name(format!("Items coded: {:.0} %", share * 100.0));
    });
}

/// How two answers are shown.
fn show_menu_ui(ui: &mut Ui, session: &mut Session) {
    ui.menu_button("Show…", |ui| {
        let shown = &mut session.shown;
        shown_ui(ui, (&mut shown.differences, &mut shown.markdown, &mut shown.together));
    });
}

/// Colleagues, exports, suggestions.
fn menu_ui(ui: &mut Ui, session: &Session, suggesting: &Suggesting, commands: &mut Commands) {
    ui.menu_button("Share…", |ui| {
        let package = ui.button("Package for a colleague…");
        let hint = "One file with the texts, the codebook and the order, without codes";
        if package.on_hover_text(hint).clicked() {
            commands.push(CodesCommand::ExportPackage);
        }
        let own = ui.button("My codes, to send back…");
        if own.on_hover_text("One file that the sender of the package merges").clicked() {
            commands.push(CodesCommand::ExportCodes);
        }
        let merge = ui.button("Merge codes of a colleague…");
        if merge.on_hover_text("A file that was sent back").clicked() {
            commands.push(CodesCommand::ChooseMerge);
        }
        ui.separator();
        ui.menu_button("Export", |ui| {
            let forms = Export::of(session.folder.is_of_pairs());
            let names: Vec<String> = forms.iter().map(|form| format!("{}…", form.name())).collect();
            if let Some(place) = menu_of_names_ui(ui, names.iter().map(String::as_str)) {
                commands.push(CodesCommand::Export(forms[place]));
            }
        });
        if session.folder.study.codebook.codebook(0).is_none() {
            return;
        }
        ui.menu_button("A model's suggestions", |ui| {
            if suggesting.is_empty() {
                ui.label(theme::muted(ui, "No evaluation of this project codes texts"));
            }
            if let Some(place) =
                menu_of_names_ui(ui, suggesting.iter().map(|(name, _)| name.as_str()))
            {
                commands.push(CodesCommand::UseSuggestions(suggesting[place].1.clone()));
            }
        });
    });
}
