//! How the window looks: three looks, one accent colour, named colours, sizes on an 8-point grid.
//!
//! Colours are asked for by meaning: `theme::palette(ui).chosen`, never by value. A test computes
//! the WCAG contrast of every pair that carries text.

use std::collections::BTreeMap;

use eframe::egui;
use eframe::egui::epaint::text::{FontPriority, InsertFontFamily};
use eframe::egui::{
    Color32, Context, CornerRadius, FontFamily, FontId, Id, Margin, RichText, Shadow, Stroke,
    Style, TextStyle, Ui, Vec2, Visuals,
};

pub use super::icons;
pub use super::icons::MaterialIcon;

/// Half a grid step.
pub const GAP_SMALL: f32 = 4.0;

/// The grid.
pub const GAP: f32 = 8.0;

/// Between cards.
pub const GAP_LARGE: f32 = 16.0;

/// Corners of cards.
pub const CARD_RADIUS: u8 = 10;

/// Corners of buttons, fields and chips.
///
/// From 5 on egui makes a corner of twice as many triangles, and a panel has more of them in such
/// corners than in all else.
pub const CONTROL_RADIUS: u8 = 4;

/// Outlines of cards and controls.
///
/// Up to 0.9 of a pixel egui takes two thirds of the triangles for them, and what is seen is the
/// same, an eighth fainter. A multiple of 1/32, as egui wants of what is laid out.
pub const HAIRLINE: f32 = 0.875;

/// The three looks of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    #[default]
    Light,
    Dark,

    /// Light with strong contrast, no text under 20 px.
    Projector,
}

/// The colours of a look, by meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Palette {
    /// Behind everything.
    pub canvas: Color32,

    /// Cards and bars.
    pub card: Color32,

    /// Fields that are typed in.
    pub field: Color32,

    /// Hairlines between things.
    pub line: Color32,

    /// Outlines of controls.
    pub outline: Color32,

    /// Buttons, chips and code, a shade off the card.
    pub raised: Color32,
    pub raised_hover: Color32,
    pub raised_press: Color32,

    pub text: Color32,

    /// Titles and what is selected.
    pub strong: Color32,

    /// What may be overlooked.
    pub muted: Color32,

    pub accent: Color32,
    pub accent_hover: Color32,

    /// Text on `accent`.
    pub on_accent: Color32,

    /// Behind what is selected.
    pub accent_soft: Color32,

    pub chosen: Color32,
    pub chosen_soft: Color32,
    pub rejected: Color32,
    pub rejected_soft: Color32,
    pub problem: Color32,
    pub problem_soft: Color32,
    pub info: Color32,
    pub info_soft: Color32,
}

#[expect(clippy::disallowed_methods, reason = "here is where colours get their names")]
const fn hex(rgb: u32) -> Color32 {
    Color32::from_rgb((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8)
}

const LIGHT: Palette = Palette {
    canvas: hex(0xF4F5F8),
    card: hex(0xFFFFFF),
    field: hex(0xFFFFFF),
    line: hex(0xE2E5EB),
    outline: hex(0x8890A0),
    raised: hex(0xEEF0F4),
    raised_hover: hex(0xE3E6EC),
    raised_press: hex(0xD5D9E2),
    text: hex(0x252A35),
    strong: hex(0x0D1017),
    muted: hex(0x555E6E),
    accent: hex(0x4A3FD0),
    accent_hover: hex(0x3B31B4),
    on_accent: hex(0xFFFFFF),
    accent_soft: hex(0xE8E7FB),
    chosen: hex(0x0B6B5D),
    chosen_soft: hex(0xDCF3EC),
    rejected: hex(0x9A4A05),
    rejected_soft: hex(0xFCEBDA),
    problem: hex(0xAE1F1F),
    problem_soft: hex(0xFDE8E7),
    info: hex(0x1C56B0),
    info_soft: hex(0xE4EEFC),
};

const DARK: Palette = Palette {
    canvas: hex(0x12141A),
    card: hex(0x1B1E26),
    field: hex(0x14161D),
    line: hex(0x2D323D),
    outline: hex(0x6E7688),
    raised: hex(0x2A2F3A),
    raised_hover: hex(0x353B48),
    raised_press: hex(0x414857),
    text: hex(0xDDE1E9),
    strong: hex(0xFFFFFF),
    muted: hex(0xA0A8B8),
    accent: hex(0xA5A0FF),
    accent_hover: hex(0xBDB9FF),
    on_accent: hex(0x141130),
    accent_soft: hex(0x2F2D55),
    chosen: hex(0x58D6B9),
    chosen_soft: hex(0x153A35),
    rejected: hex(0xF4A869),
    rejected_soft: hex(0x432C17),
    problem: hex(0xFF9A91),
    problem_soft: hex(0x462325),
    info: hex(0x8FBCFF),
    info_soft: hex(0x1E2F4D),
};

const PROJECTOR: Palette = Palette {
    canvas: hex(0xF0F1F4),
    card: hex(0xFFFFFF),
    field: hex(0xFFFFFF),
    line: hex(0xB4BAC6),
    outline: hex(0x4C5466),
    raised: hex(0xE4E7EE),
    raised_hover: hex(0xD4D9E3),
    raised_press: hex(0xC2C9D6),
    text: hex(0x0A0C12),
    strong: hex(0x000000),
    muted: hex(0x363D4B),
    accent: hex(0x2E22B0),
    accent_hover: hex(0x21178A),
    on_accent: hex(0xFFFFFF),
    accent_soft: hex(0xDDDBFA),
    chosen: hex(0x005044),
    chosen_soft: hex(0xCCEFE5),
    rejected: hex(0x743500),
    rejected_soft: hex(0xFBDFC3),
    problem: hex(0x860F0F),
    problem_soft: hex(0xFBDAD8),
    info: hex(0x0A3E8C),
    info_soft: hex(0xD6E5FB),
};

impl Palette {
    pub const fn of(look: Look) -> Self {
        match look {
            Look::Light => LIGHT,
            Look::Dark => DARK,
            Look::Projector => PROJECTOR,
        }
    }

    /// A background for a token that had this probability: the surer, the fainter, so that the
    /// eye goes to where the model hesitated.
    pub fn surprise(&self, probability: f32) -> Color32 {
        let doubt = (1.0 - probability).clamp(0.0, 1.0).powi(2);
        self.card.lerp_to_gamma(self.rejected_soft, doubt)
    }
}

/// What [`apply`] last set.
#[derive(Clone, Copy, PartialEq)]
struct Applied {
    look: Look,
    zoom: f32,
}

fn applied_id() -> Id {
    Id::unique("widgets::theme applied")
}

/// The look in force.
pub fn look(ctx: &Context) -> Look {
    ctx.data(|data| data.get_temp::<Applied>(applied_id())).map_or(Look::Light, |a| a.look)
}

/// The colours in force.
pub fn palette(ui: &Ui) -> Palette {
    Palette::of(look(ui.ctx()))
}

/// Once, before the first frame: the icon font, and who handles the zoom keys (we do).
pub fn install(ctx: &Context) {
    let mut font = egui_material_icons::font_insert();
    // Tokens are shown in the fixed-width face, with icons for their whitespace.
    font.families
        .push(InsertFontFamily { family: FontFamily::Monospace, priority: FontPriority::Lowest });
    ctx.add_font(font);
    ctx.options_mut(|options| options.zoom_with_keyboard = false);
    apply(ctx, Look::Light, 1.0);
}

/// Every frame: cheap when nothing changed.
pub fn apply(ctx: &Context, look: Look, zoom: f32) {
    let wanted = Applied { look, zoom };
    if ctx.data(|data| data.get_temp::<Applied>(applied_id())) == Some(wanted) {
        return;
    }
    ctx.data_mut(|data| data.insert_temp(applied_id(), wanted));
    let base = if look == Look::Dark { egui::Theme::Dark } else { egui::Theme::Light };
    ctx.set_theme(base);
    // Both, so that whatever else sets egui's theme meets our text styles.
    let style = style(look);
    ctx.set_style_of(egui::Theme::Light, style.clone());
    ctx.set_style_of(egui::Theme::Dark, style);
    ctx.set_zoom_factor(zoom);
}

type Size = (fn() -> TextStyle, f32, f32);

/// Sizes in points: (style, light and dark, projector).
const SIZES: [Size; 6] = [
    (|| TextStyle::Small, 14.0, 20.0),
    (|| TextStyle::Body, 15.0, 20.0),
    (|| TextStyle::Button, 15.0, 20.0),
    (|| TextStyle::Monospace, 14.0, 20.0),
    (title_style, 17.0, 23.0),
    (|| TextStyle::Heading, 22.0, 28.0),
];

/// The text style of a card's title.
pub fn title_style() -> TextStyle {
    TextStyle::Name("title".into())
}

fn text_styles(look: Look) -> BTreeMap<TextStyle, FontId> {
    let sized = SIZES.iter().map(|(style, normal, projector)| {
        let style = style();
        let size = if look == Look::Projector { *projector } else { *normal };
        let family = match style {
            TextStyle::Monospace => FontFamily::Monospace,
            _ => FontFamily::Proportional,
        };
        (style, FontId::new(size, family))
    });
    sized.collect()
}

fn style(look: Look) -> Style {
    let mut style = Style { text_styles: text_styles(look), ..Style::default() };
    style.visuals = visuals(look);
    style.drag_value_text_style = TextStyle::Monospace;
    style.animation_time = 0.1;

    let large = look == Look::Projector;
    let spacing = &mut style.spacing;
    spacing.item_spacing = Vec2::splat(GAP);
    spacing.button_padding = Vec2::new(12.0, 4.0);
    spacing.interact_size = Vec2::new(40.0, if large { 36.0 } else { 28.0 });
    spacing.icon_width = if large { 24.0 } else { 18.0 };
    spacing.icon_width_inner = if large { 14.0 } else { 10.0 };
    spacing.icon_spacing = 6.0;
    spacing.indent = GAP_LARGE;
    spacing.window_margin = Margin::same(16);
    spacing.menu_margin = Margin::same(8);
    spacing.slider_rail_height = 4.0;
    spacing.tooltip_width = if large { 480.0 } else { 360.0 };
    spacing.combo_height = 320.0;
    spacing.extra_text_line_spacing = 3.0;
    spacing.scroll = egui::style::ScrollStyle::thin();
    style.interaction.tooltip_delay = 0.35;
    style
}

fn visuals(look: Look) -> Visuals {
    let p = Palette::of(look);
    let mut visuals = if look == Look::Dark { Visuals::dark() } else { Visuals::light() };
    visuals.weak_text_color = Some(p.muted);
    visuals.hyperlink_color = p.accent;
    visuals.faint_bg_color = p.canvas;
    visuals.extreme_bg_color = p.field;
    visuals.text_edit_bg_color = Some(p.field);
    visuals.code_bg_color = p.raised;
    visuals.warn_fg_color = p.rejected;
    visuals.error_fg_color = p.problem;
    visuals.panel_fill = p.canvas;
    visuals.window_fill = p.card;
    visuals.window_stroke = Stroke::new(1.0, p.line);
    visuals.window_corner_radius = CornerRadius::same(CARD_RADIUS);
    visuals.menu_corner_radius = CornerRadius::same(CARD_RADIUS);
    let shadow_alpha = if look == Look::Dark { 120 } else { 36 };
    let shadow = Shadow {
        offset: [0, 8],
        blur: 24,
        spread: 0,
        color: Color32::from_black_alpha(shadow_alpha),
    };
    visuals.window_shadow = shadow;
    visuals.popup_shadow = shadow;
    visuals.selection.bg_fill = p.accent_soft;
    visuals.selection.stroke = Stroke::new(1.0, p.accent);
    visuals.text_cursor.stroke = Stroke::new(2.0, p.accent);
    visuals.slider_trailing_fill = true;
    visuals.handle_shape = egui::style::HandleShape::Circle;
    visuals.indent_has_left_vline = false;
    visuals.striped = false;

    let corner_radius = CornerRadius::same(CONTROL_RADIUS);
    let widgets = &mut visuals.widgets;
    for state in [
        &mut widgets.noninteractive,
        &mut widgets.inactive,
        &mut widgets.hovered,
        &mut widgets.active,
        &mut widgets.open,
    ] {
        state.corner_radius = corner_radius;
        state.expansion = 0.0;
        state.fg_stroke = Stroke::new(1.0, p.text);
    }
    widgets.noninteractive.bg_fill = p.card;
    widgets.noninteractive.weak_bg_fill = p.card;
    widgets.noninteractive.bg_stroke = Stroke::new(HAIRLINE, p.line);

    widgets.inactive.bg_fill = p.raised;
    widgets.inactive.weak_bg_fill = p.raised;
    widgets.inactive.bg_stroke = Stroke::new(HAIRLINE, p.line);

    widgets.hovered.bg_fill = p.raised_hover;
    widgets.hovered.weak_bg_fill = p.raised_hover;
    widgets.hovered.bg_stroke = Stroke::new(HAIRLINE, p.outline);
    widgets.hovered.fg_stroke = Stroke::new(1.5, p.strong);

    widgets.active.bg_fill = p.raised_press;
    widgets.active.weak_bg_fill = p.raised_press;
    widgets.active.bg_stroke = Stroke::new(1.5, p.accent);
    widgets.active.fg_stroke = Stroke::new(1.5, p.strong);

    widgets.open.bg_fill = p.raised_hover;
    widgets.open.weak_bg_fill = p.raised_hover;
    widgets.open.bg_stroke = Stroke::new(HAIRLINE, p.outline);
    visuals
}

/// The height of a line of body text, for sizes that follow the look.
pub fn em(ui: &Ui) -> f32 {
    TextStyle::Body.resolve(ui.style()).size
}

/// A card's title.
pub fn title(ui: &Ui, text: impl Into<String>) -> RichText {
    RichText::new(text).text_style(title_style()).color(palette(ui).strong)
}

/// Text that may be overlooked.
pub fn muted(ui: &Ui, text: impl Into<String>) -> RichText {
    RichText::new(text).color(palette(ui).muted)
}

/// Text that should not be.
pub fn strong(ui: &Ui, text: impl Into<String>) -> RichText {
    RichText::new(text).color(palette(ui).strong)
}

/// A number: fixed width, so that columns line up.
pub fn number(text: impl Into<String>) -> RichText {
    RichText::new(text).text_style(TextStyle::Monospace)
}

/// An icon in text size, a little larger than the letters around it.
pub fn icon(ui: &Ui, icon: MaterialIcon) -> RichText {
    icon.rich_text().size(em(ui) * 1.25)
}

/// WCAG 2.2, "contrast ratio".
#[cfg(test)]
pub fn contrast(one: Color32, other: Color32) -> f64 {
    let luminance = |color: Color32| {
        let channel = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(color.r()) + 0.7152 * channel(color.g()) + 0.0722 * channel(color.b())
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOKS: [Look; 3] = [Look::Light, Look::Dark, Look::Projector];

    #[test]
    fn contrast_is_computed_as_wcag_does() {
        assert!((contrast(Color32::BLACK, Color32::WHITE) - 21.0).abs() < 1e-9);
        // #767676 on white is WCAG's well-known borderline grey.
        assert!((contrast(hex(0x767676), Color32::WHITE) - 4.54).abs() < 0.01);
    }

    #[test]
    fn text_reaches_wcag_aa_in_every_look() {
        for look in LOOKS {
            let p = Palette::of(look);
            let least = if look == Look::Projector { 7.0 } else { 4.5 };
            let grounds = [("canvas", p.canvas), ("card", p.card), ("field", p.field)];
            let inks = [
                ("text", p.text),
                ("strong", p.strong),
                ("muted", p.muted),
                ("accent", p.accent),
                ("chosen", p.chosen),
                ("rejected", p.rejected),
                ("problem", p.problem),
                ("info", p.info),
            ];
            let mut pairs: Vec<(&str, &str, Color32, Color32)> = Vec::new();
            for (ground_name, ground) in grounds {
                pairs.extend(inks.map(|(name, ink)| (name, ground_name, ink, ground)));
            }
            pairs.extend([
                ("on_accent", "accent", p.on_accent, p.accent),
                ("on_accent", "accent_hover", p.on_accent, p.accent_hover),
                ("accent", "accent_soft", p.accent, p.accent_soft),
                ("text", "accent_soft", p.text, p.accent_soft),
                ("text", "raised", p.text, p.raised),
                ("muted", "raised", p.muted, p.raised),
                ("text", "raised_hover", p.text, p.raised_hover),
                ("strong", "raised_press", p.strong, p.raised_press),
                ("chosen", "chosen_soft", p.chosen, p.chosen_soft),
                ("rejected", "rejected_soft", p.rejected, p.rejected_soft),
                ("problem", "problem_soft", p.problem, p.problem_soft),
                ("info", "info_soft", p.info, p.info_soft),
                ("text", "chosen_soft", p.text, p.chosen_soft),
                ("text", "rejected_soft", p.text, p.rejected_soft),
                ("text", "problem_soft", p.text, p.problem_soft),
                ("text", "info_soft", p.text, p.info_soft),
                ("text", "surprise", p.text, p.surprise(0.0)),
            ]);
            for (ink_name, ground_name, ink, ground) in pairs {
                let ratio = contrast(ink, ground);
                // The projector's 7:1 is for text; AA (4.5:1) holds on tinted grounds.
                let tinted = !matches!(ground_name, "canvas" | "card" | "field");
                let least = if tinted { 4.5 } else { least };
                assert!(ratio >= least, "{look:?}: {ink_name} on {ground_name} is {ratio:.2}");
            }
        }
    }

    #[test]
    fn controls_stand_out_from_what_is_behind_them() {
        for look in LOOKS {
            let p = Palette::of(look);
            for (name, ink) in [("outline", p.outline), ("accent", p.accent)] {
                let ratio = contrast(ink, p.card);
                assert!(ratio >= 3.0, "{look:?}: {name} on a card is {ratio:.2}");
            }
        }
    }

    #[test]
    fn no_text_is_smaller_than_promised() {
        for (look, least) in [(Look::Light, 14.0), (Look::Dark, 14.0), (Look::Projector, 20.0)] {
            for (style, font) in text_styles(look) {
                assert!(font.size >= least, "{look:?}: {style:?} is {}", font.size);
            }
        }
    }
}
