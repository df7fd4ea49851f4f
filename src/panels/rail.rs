//! The left rail: one button a panel, icon and word, or icons alone.

use eframe::egui;
use eframe::egui::{
    Align2, Color32, CornerRadius, Frame, Margin, Panel, Rect, Sense, Ui, WidgetInfo, vec2,
};

use super::about;
use super::shortcuts;
use crate::state::AppState;
use crate::state::about::AboutPage;
use crate::state::command::{Commands, ViewCommand, WindowCommand};
use crate::state::prefs::PanelId;
use crate::widgets::theme;
use crate::widgets::theme::MaterialIcon;
use crate::widgets::theme::icons;

/// Draws the rail and takes its width from the window.
pub fn rail_ui(ui: &mut Ui, state: &mut AppState, commands: &mut Commands) {
    let p = theme::palette(ui);
    let em = theme::em(ui);
    // In a narrow window the panel needs the room.
    let is_narrow = ui.ctx().content_rect().width() < em * 60.0;
    let collapsed = state.prefs.rail_collapsed || is_narrow;
    let width = if collapsed { em * 2.0 + 32.0 } else { em * 8.0 + 32.0 };
    let frame = Frame::new().fill(p.card).inner_margin(Margin::symmetric(8, 16));
    let rail = Panel::left("rail").resizable(false).exact_size(width).frame(frame);
    rail.show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = theme::GAP_SMALL;
        if !is_narrow {
            Panel::bottom("rail toggle").frame(Frame::NONE).show_separator_line(false).show(
                ui,
                |ui| {
                    about_ui(ui, collapsed, commands);
                    toggle_ui(ui, collapsed, commands);
                },
            );
        }
        let area = egui::ScrollArea::vertical().id_salt("rail").auto_shrink(false);
        let hidden = egui::scroll_area::ScrollBarVisibility::AlwaysHidden;
        area.scroll_bar_visibility(hidden).show(ui, |ui| {
            for panel in PanelId::ALL {
                let entry = Entry {
                    icon: about::icon(panel),
                    words: panel.name(),
                    selected: state.prefs.panel == panel,
                    words_shown: !collapsed,
                };
                let shortcut = shortcuts::panel_shortcut(panel);
                let shortcut = shortcut.map(|shortcut| ui.ctx().format_shortcut(&shortcut));
                if entry.show(ui, &shortcut.unwrap_or_default()) {
                    commands.push(ViewCommand::ShowPanel(panel));
                }
            }
        });
    });
}

fn about_ui(ui: &mut Ui, collapsed: bool, commands: &mut Commands) {
    let entry =
        Entry { icon: icons::INFO, words: "About", selected: false, words_shown: !collapsed };
    if entry.show(ui, "") {
        commands.push(WindowCommand::ShowAbout(AboutPage::Program));
    }
}

fn toggle_ui(ui: &mut Ui, collapsed: bool, commands: &mut Commands) {
    let (icon, words) =
        if collapsed { (icons::MENU, "Show the words") } else { (icons::MENU_OPEN, "Collapse") };
    let entry = Entry { icon, words, selected: false, words_shown: !collapsed };
    let shortcut = ui.ctx().format_shortcut(&shortcuts::RAIL);
    if entry.show(ui, &shortcut) {
        commands.push(ViewCommand::ToggleRail);
    }
}

struct Entry<'a> {
    icon: MaterialIcon,
    words: &'a str,
    selected: bool,
    words_shown: bool,
}

impl Entry<'_> {
    fn show(&self, ui: &mut Ui, shortcut: &str) -> bool {
        let p = theme::palette(ui);
        let em = theme::em(ui);
        let size = vec2(ui.available_width(), em * 1.5 + 16.0);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click());
        response.widget_info(|| {
            WidgetInfo::selected(egui::accesskit::Role::Tab, true, self.selected, self.words)
        });
        if ui.is_rect_visible(rect) {
            let ink = if self.selected { p.accent } else { p.text };
            let ground = match (self.selected, response.hovered()) {
                (true, _) => p.accent_soft,
                (false, true) => p.raised,
                (false, false) => Color32::TRANSPARENT,
            };
            let painter = ui.painter();
            painter.rect_filled(rect, CornerRadius::same(8), ground);
            if response.has_focus() {
                let stroke = egui::Stroke::new(2.0, p.accent);
                painter.rect_stroke(rect, 8.0, stroke, egui::StrokeKind::Inside);
            }
            let icon_size = em * 1.45;
            let icon_rect = if self.words_shown {
                Rect::from_min_size(rect.min + vec2(12.0, 0.0), vec2(icon_size, rect.height()))
            } else {
                rect
            };
            let font = egui::FontId::new(icon_size, self.icon.font_family());
            painter.text(icon_rect.center(), Align2::CENTER_CENTER, self.icon.codepoint, font, ink);
            if self.words_shown {
                let at = egui::pos2(icon_rect.right() + 12.0, rect.center().y);
                let font = egui::TextStyle::Button.resolve(ui.style());
                painter.text(at, Align2::LEFT_CENTER, self.words, font, ink);
            }
        }
        let hover = match (self.words_shown, shortcut.is_empty()) {
            (true, true) => String::new(),
            (true, false) => shortcut.to_owned(),
            (false, true) => self.words.to_owned(),
            (false, false) => format!("{}  {shortcut}", self.words),
        };
        let clicked = response.clicked();
        if !hover.is_empty() {
            response.on_hover_text(hover);
        }
        clicked
    }
}
