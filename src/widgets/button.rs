//! Buttons in four weights. Their accessible name is their words, without the icon.

use eframe::egui::{
    Button, Color32, Response, RichText, Stroke, TextStyle, TextWrapMode, Ui, Vec2, Widget,
    WidgetText,
};

use super::theme::{self, MaterialIcon};

/// How much a button asks to be pressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weight {
    /// The next step. One a card.
    Primary,
    #[default]
    Normal,

    /// Without a frame until it is pointed at.
    Quiet,

    /// Destroys something.
    Danger,
}

/// A button: icon, words, weight.
#[must_use = "show it with `ui.add`"]
pub struct ActionButton<'a> {
    icon: Option<MaterialIcon>,
    words: &'a str,
    weight: Weight,
    words_shown: bool,
    shortcut: Option<&'a str>,
}

impl<'a> ActionButton<'a> {
    pub fn new(words: &'a str) -> Self {
        Self { icon: None, words, weight: Weight::Normal, words_shown: true, shortcut: None }
    }

    pub fn primary(words: &'a str) -> Self {
        Self::new(words).weight(Weight::Primary)
    }

    pub fn quiet(words: &'a str) -> Self {
        Self::new(words).weight(Weight::Quiet)
    }

    pub fn danger(words: &'a str) -> Self {
        Self::new(words).weight(Weight::Danger)
    }

    /// Only an icon; the words are its name for screen readers and on hover.
    pub fn only_icon(icon: MaterialIcon, words: &'a str) -> Self {
        Self { words_shown: false, ..Self::quiet(words).icon(icon) }
    }

    pub fn icon(self, icon: MaterialIcon) -> Self {
        Self { icon: Some(icon), ..self }
    }

    pub fn weight(self, weight: Weight) -> Self {
        Self { weight, ..self }
    }

    /// The key that does the same, shown in the button.
    pub fn shortcut(self, shortcut: &'a str) -> Self {
        Self { shortcut: Some(shortcut), ..self }
    }
}

impl ActionButton<'_> {
    /// Adds it where it may be off. [`Ui::add_enabled`] would put one that is off into a scope, which
    /// does not go to the next row where this one is full.
    pub fn add_enabled(self, ui: &mut Ui, enabled: bool) -> Response {
        self.make_room(ui);
        ui.add_enabled(enabled, self)
    }

    /// Begins the next row where this one is too full for it.
    fn make_room(&self, ui: &mut Ui) {
        let has_neighbour = ui.cursor().left() > ui.max_rect().left() + 1.0;
        // Before wrapping: `available_width` is that of a whole row.
        let room = ui.available_size_before_wrap().x;
        if ui.layout().main_wrap && has_neighbour && room < self.width(ui) {
            ui.end_row();
        }
    }

    /// What it takes from one side to the other, in points.
    fn width(&self, ui: &Ui) -> f32 {
        let of = |text: WidgetText| {
            let wrap = Some(TextWrapMode::Extend);
            text.into_galley(ui, wrap, f32::INFINITY, TextStyle::Button).size().x
        };
        let gap = ui.spacing().icon_spacing;
        let icon = self.icon.map_or(0.0, |icon| of(theme::icon(ui, icon).into()) + gap);
        let words = if self.words_shown { of(self.words.into()) } else { 0.0 };
        let shortcut = self
            .shortcut
            .map_or(0.0, |shortcut| of(RichText::new(shortcut).small().into()) + 2.0 * gap);
        icon + words + shortcut + 2.0 * ui.spacing().button_padding.x
    }
}

impl Widget for ActionButton<'_> {
    fn ui(self, ui: &mut Ui) -> Response {
        let p = theme::palette(ui);
        // Faded, the accent and what is written on it become one: what is off has no accent.
        let weight = match self.weight {
            Weight::Primary | Weight::Danger if !ui.is_enabled() => Weight::Normal,
            weight => weight,
        };
        let ink = match weight {
            Weight::Primary => Some(p.on_accent),
            Weight::Danger => Some(p.problem),
            Weight::Normal | Weight::Quiet => None,
        };
        let inked = |text: RichText| match ink {
            Some(ink) => text.color(ink),
            None => text,
        };
        let icon = self.icon.map(|icon| inked(theme::icon(ui, icon)));
        let words = inked(RichText::new(self.words));
        let mut button = match (icon, self.words_shown) {
            (Some(icon), true) => Button::new((icon, words)),
            (Some(icon), false) => Button::new(icon),
            (None, _) => Button::new(words),
        };
        if let Some(shortcut) = self.shortcut {
            let color = ink.unwrap_or(p.muted);
            button = button.right_text(RichText::new(shortcut).small().color(color));
        }
        if weight == Weight::Quiet {
            button = button.frame_when_inactive(false);
        }
        if !self.words_shown {
            button = button.min_size(Vec2::splat(ui.spacing().interact_size.y));
        }
        // The scope below does not, as a plain button would.
        self.make_room(ui);
        let response = ui.scope(|ui| {
            let widgets = &mut ui.visuals_mut().widgets;
            if !self.words_shown {
                ui.style_mut().spacing.button_padding.x = 4.0;
            } else if weight == Weight::Primary {
                for (state, fill) in [
                    (&mut widgets.inactive, p.accent),
                    (&mut widgets.hovered, p.accent_hover),
                    (&mut widgets.active, p.accent_hover),
                ] {
                    state.weak_bg_fill = fill;
                    state.bg_stroke = Stroke::new(theme::HAIRLINE, fill);
                }
                // The ring of keyboard focus must differ from the fill.
                widgets.active.bg_stroke = Stroke::new(2.0, p.strong);
            } else if weight == Weight::Quiet {
                widgets.inactive.bg_stroke = Stroke::new(theme::HAIRLINE, Color32::TRANSPARENT);
            }
            ui.add(button)
        });
        let response = response.inner.accessible_name(self.words);
        if self.words_shown { response } else { response.on_hover_text(self.words) }
    }
}
