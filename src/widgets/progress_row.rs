//! What runs now: words with numbers, a bar, a Stop button. Never a spinner: it would repaint
//! every frame and take the processor from the work that it stands for.

use eframe::egui::{Label, ProgressBar, Sides, Ui};

use super::button::ActionButton;
use super::theme::{self, icons};

/// One job.
#[must_use = "show it with `show`"]
pub struct ProgressRow<'a> {
    /// `Training`.
    pub what: &'a str,

    /// `step 12 of 200 · 3.4 s a step · 11 min left`.
    pub detail: &'a str,

    /// 0 to 1, where known.
    pub fraction: Option<f32>,

    /// Whether it can be stopped.
    pub stoppable: bool,
}

impl ProgressRow<'_> {
    /// Draws it on one line. True: Stop was pressed.
    pub fn show(self, ui: &mut Ui) -> bool {
        let p = theme::palette(ui);
        let (what, detail) = (self.what, self.detail);
        let bar_width = (ui.available_width() * 0.2).clamp(80.0, 240.0);
        let ((), stopped) = Sides::new().shrink_left().truncate().show(
            ui,
            |ui| {
                ui.label(theme::strong(ui, what));
                if !detail.is_empty() {
                    ui.add(Label::new(theme::muted(ui, detail)).truncate());
                }
            },
            |ui| {
                let stopped = self.stoppable && {
                    let name = format!("Stop: {what}");
                    let button = ui.add(ActionButton::new("Stop").icon(icons::STOP));
                    button.accessible_name(name).clicked()
                };
                if let Some(fraction) = self.fraction {
                    let bar = ProgressBar::new(fraction)
                        .desired_width(bar_width)
                        .desired_height(6.0)
                        .fill(p.accent);
                    ui.visuals_mut().extreme_bg_color = p.raised_press;
                    ui.add(bar).accessible_name(format!("{what}: {:.0} %", fraction * 100.0));
                }
                stopped
            },
        );
        stopped
    }
}
