//! Cards: a rounded frame around what belongs together; and chips, which are very small cards.

use eframe::egui;
use eframe::egui::{CornerRadius, Frame, InnerResponse, Margin, Response, RichText, Stroke, Ui};

use super::theme;

/// The frame of a card.
pub fn frame(ui: &Ui) -> Frame {
    let p = theme::palette(ui);
    Frame::new()
        .fill(p.card)
        .stroke(Stroke::new(theme::HAIRLINE, p.line))
        .corner_radius(CornerRadius::same(theme::CARD_RADIUS))
        .inner_margin(Margin::same(16))
}

/// Draws a card over the whole width.
pub fn card_ui<R>(ui: &mut Ui, contents: impl FnOnce(&mut Ui) -> R) -> InnerResponse<R> {
    frame(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        contents(ui)
    })
}

/// A card with a title and, beside it, what `aside` draws from the right.
pub fn titled_card_ui<R>(
    ui: &mut Ui,
    title: &str,
    aside: impl FnOnce(&mut Ui),
    contents: impl FnOnce(&mut Ui) -> R,
) -> R {
    let card = card_ui(ui, |ui| {
        title_row_ui(ui, title, aside);
        ui.add_space(theme::GAP_SMALL);
        contents(ui)
    });
    card.inner
}

/// A title and, at its right, what `aside` draws from the right; under it where there is no room
/// for both, so that neither is cut.
pub fn title_row_ui<R>(ui: &mut Ui, title: &str, aside: impl FnOnce(&mut Ui) -> R) -> R {
    let text = theme::title(ui, title);
    named_row_ui(ui, title, (text, theme::title_style()), aside)
}

/// The same with a title that looks otherwise.
pub fn named_row_ui<R>(
    ui: &mut Ui,
    title: &str,
    (text, style): (RichText, egui::TextStyle),
    aside: impl FnOnce(&mut Ui) -> R,
) -> R {
    let font = style.resolve(ui.style());
    let ink = ui.visuals().text_color();
    let title_width = ui.painter().layout_no_wrap(title.to_owned(), font, ink).size().x;
    // How wide the aside is, is known once it was drawn.
    let id = ui.next_auto_id().with("title row");
    let known: Option<f32> = ui.data(|data| data.get_temp(id));
    let aside_width = known.unwrap_or_else(|| theme::em(ui) * 8.0);
    let room = ui.available_width();
    let fits = |aside_width: f32| title_width + aside_width + theme::GAP <= room;
    let beside = fits(aside_width);
    let measured = |ui: &mut Ui| (aside(ui), ui.min_rect().width());
    let (drawn, width) = if beside {
        let label = |ui: &mut Ui| ui.add(egui::Label::new(text).truncate());
        egui::Sides::new().shrink_left().truncate().show(ui, label, measured).1
    } else {
        ui.add(egui::Label::new(text).wrap());
        let size = egui::vec2(ui.available_width(), ui.spacing().interact_size.y);
        let layout = egui::Layout::right_to_left(egui::Align::Center).with_main_wrap(true);
        let row = ui.allocate_ui_with_layout(size, layout, |ui| (measured(ui), ui.min_rect()));
        let ((drawn, width), rect) = row.inner;
        // In several rows it is narrower than it would be beside the title: there it has no room.
        let is_wrapped = rect.height() > size.y * 1.5;
        (drawn, if is_wrapped { room } else { width })
    };
    if known != Some(width) {
        let was_wrong = fits(width) != beside;
        ui.data_mut(|data| data.insert_temp(id, width));
        if was_wrong {
            ui.ctx().request_discard("a title row has found out how wide it is");
        }
    }
    drawn
}

/// What a chip says by its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Neutral,
    Accent,
    Chosen,
    Rejected,
    Problem,
    Info,
}

impl Tone {
    /// Ink and ground.
    pub fn colors(self, p: &theme::Palette) -> (egui::Color32, egui::Color32) {
        match self {
            Self::Neutral => (p.text, p.raised),
            Self::Accent => (p.accent, p.accent_soft),
            Self::Chosen => (p.chosen, p.chosen_soft),
            Self::Rejected => (p.rejected, p.rejected_soft),
            Self::Problem => (p.problem, p.problem_soft),
            Self::Info => (p.info, p.info_soft),
        }
    }
}

/// A chip is not broken narrower than this, in em: where there is less room, none was given yet.
const LEAST_CHIP: f32 = 8.0;

/// A few words on a tinted ground.
pub fn chip_ui(ui: &mut Ui, tone: Tone, icon: Option<theme::MaterialIcon>, text: &str) -> Response {
    let (ink, ground) = tone.colors(&theme::palette(ui));
    // Painted, not laid out in a frame: so it sits on its row's centre line as a label does.
    let lay_out = |ui: &Ui, text: RichText, room: f32| {
        let wrap = Some(egui::TextWrapMode::Wrap);
        let text = egui::WidgetText::from(text.color(ink));
        text.into_galley(ui, wrap, room, egui::TextStyle::Body)
    };
    let icon = icon
        .map(|icon| lay_out(ui, theme::icon(ui, icon).size(theme::em(ui) * 1.1), f32::INFINITY));
    let icon_width = icon.as_ref().map_or(0.0, |icon| icon.size().x + theme::GAP_SMALL);
    // A label as long as a sentence goes on below. In a row that wraps, this is the width of a whole row.
    let room = (ui.available_width() - icon_width - 16.0).max(theme::em(ui) * LEAST_CHIP);
    let words = lay_out(ui, RichText::new(text), room);
    let size = egui::vec2(icon_width + words.size().x + 16.0, words.size().y + 6.0);
    let (rect, response) = ui.allocate_exact_size(size, egui::Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Label, true, text));
    if ui.is_rect_visible(rect) {
        let painter = ui.painter();
        painter.rect_filled(rect, CornerRadius::same(theme::CONTROL_RADIUS), ground);
        let middle = |height: f32| rect.center().y - height / 2.0;
        let left = rect.left() + 8.0;
        if let Some(icon) = icon {
            painter.galley(egui::pos2(left, middle(icon.size().y)), icon, ink);
        }
        painter.galley(egui::pos2(left + icon_width, middle(words.size().y)), words, ink);
    }
    response
}

/// The name of a key, drawn as a key.
pub fn key_ui(ui: &mut Ui, key: &str) -> Response {
    let p = theme::palette(ui);
    let frame = Frame::new()
        .fill(p.raised)
        .stroke(Stroke::new(theme::HAIRLINE, p.line))
        .corner_radius(CornerRadius::same(4))
        .inner_margin(Margin::symmetric(6, 0));
    let text = theme::number(key).color(p.muted);
    frame.show(ui, |ui| ui.add(egui::Label::new(text).selectable(false).extend())).response
}

/// An icon that only decorates: painted, and not read out.
pub fn decoration_ui(ui: &mut Ui, icon: RichText) {
    let galley = egui::WidgetText::from(icon).into_galley(
        ui,
        Some(egui::TextWrapMode::Extend),
        f32::INFINITY,
        egui::TextStyle::Body,
    );
    let (rect, _) = ui.allocate_exact_size(galley.size(), egui::Sense::empty());
    if ui.is_rect_visible(rect) {
        ui.painter().galley(rect.min, galley, theme::palette(ui).text);
    }
}
