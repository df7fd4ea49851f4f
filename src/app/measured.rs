//! What the measurements of the window share: a window as a person has it, the mouse's wheel, figures, the end.

use eframe::egui;

use super::engine::CandleEngine;
use super::host::Desktop;
use super::{WindowOptions, Workbench};
use crate::state::Closing;
use crate::state::command::WindowCommand;
use crate::state::prefs::Prefs;

/// The real window, with the settings of a first start.
pub(super) fn workbench(context: &egui::Context, window: &WindowOptions) -> Workbench {
    let (engine, host) = (Box::<CandleEngine>::default(), Box::<Desktop>::default());
    Workbench::new(context, Prefs::default(), window, engine, host)
}

/// Closes the window, whatever is under way in it.
pub(super) fn close(workbench: &mut Workbench, context: &egui::Context) {
    workbench.handle(WindowCommand::StopAll);
    workbench.state.window.closing = Closing::Agreed;
    context.send_viewport_cmd(egui::ViewportCommand::Close);
}

/// Turns the mouse's wheel by so many lines, in the middle of the window.
pub(super) fn turn_wheel(input: &mut egui::RawInput, lines: f32) {
    let middle = input.screen_rect.map_or(egui::Pos2::ZERO, |screen| screen.center());
    input.events.push(egui::Event::PointerMoved(middle));
    input.events.push(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Line,
        delta: egui::vec2(0.0, lines),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
        modifiers: egui::Modifiers::NONE,
    });
}

/// Of times in seconds that under which `share` of them lie, in milliseconds; 0 where there are none.
pub(super) fn milliseconds_at(secs: &[f64], share: f64) -> f64 {
    let mut sorted = secs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or_default() * 1e3
}
