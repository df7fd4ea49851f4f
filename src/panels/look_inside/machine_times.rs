//! Where the time of a pass goes on this computer: shares of the parts, of reading and of writing.

use eframe::egui::accesskit::Role;
use eframe::egui::{Align2, Label, Rect, Sense, TextStyle, Ui, WidgetInfo, pos2, vec2};

use super::heading;
use crate::explore::machine::Kind;
use crate::explore::pass_times::{PassTimes, Timed};
use crate::state::command::{Commands, LookInsideCommand};
use crate::state::look_inside::machine::MachineState;
use crate::state::look_inside::slot::Slot;
use crate::widgets::button::ActionButton;
use crate::widgets::format;
use crate::widgets::theme;
use crate::widgets::theme::icons;

pub fn times_ui(ui: &mut Ui, state: &MachineState, commands: &mut Commands) {
    ui.add_space(theme::GAP_SMALL);
    ui.add(Label::new(theme::title(ui, "Where the time goes")).wrap());
    if state.times.is_running() {
        let stop = ActionButton::new("Stop").icon(icons::STOP).shortcut("Esc");
        if ui.add(stop).clicked() {
            commands.push(LookInsideCommand::Stop);
        }
        heading::ready_or_why_ui(ui, &state.times);
        return;
    }
    let words = if state.times.ready().is_some() { "Measure again" } else { "Measure a pass" };
    let about = "Reads a text of that many tokens, at most 2,048, writes eight more, and measures each part";
    if ui.add(ActionButton::new(words)).on_hover_text(about).clicked() {
        commands.push(LookInsideCommand::TimePass);
    }
    match &state.times {
        Slot::Ready(times) => both_ui(ui, times),
        Slot::Ended => heading::hint_ui(ui, "Stopped before it was measured"),
        _ => heading::hint_ui(
            ui,
            "What is multiplied is counted; what that takes depends on this computer, and is measured here.",
        ),
    }
}

fn both_ui(ui: &mut Ui, times: &PassTimes) {
    if let Some(reading) = &times.reading {
        let words = format!(
            "Reading {} tokens together: {} a token",
            format::count(reading.tokens),
            millis(reading.secs_a_token())
        );
        timed_ui(ui, &words, reading, "reading");
    }
    let words =
        format!("Writing one after the other: {} a token", millis(times.writing.secs_a_token()));
    timed_ui(ui, &words, &times.writing, "writing");
}

/// A bar a part.
fn timed_ui(ui: &mut Ui, title: &str, timed: &Timed, what: &str) {
    ui.add_space(theme::GAP_SMALL);
    ui.add(Label::new(theme::strong(ui, title)).wrap());
    let p = theme::palette(ui);
    let font = TextStyle::Body.resolve(ui.style());
    let height = (font.size * 1.5).round();
    ui.spacing_mut().item_spacing.y = 2.0;
    for part in &timed.parts {
        let name = name(part.kind);
        let number = format!(
            "{} · {}",
            format::percent(part.share as f32),
            millis(part.secs / timed.tokens.max(1) as f64)
        );
        let width = ui.available_width();
        let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
        let said = format!("{name}, {what}: {number}");
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &said));
        let names = font.size * 9.0;
        let numbers = font.size * 8.5;
        let painter = ui.painter();
        painter.text(rect.left_center(), Align2::LEFT_CENTER, name, font.clone(), p.text);
        let room = (width - names - numbers).max(10.0);
        let bar = Rect::from_min_size(
            pos2(rect.left() + names, rect.center().y - 5.0),
            vec2(room * part.share.clamp(0.0, 1.0) as f32, 10.0),
        );
        painter.rect_filled(bar, 2.0, p.accent);
        painter.text(rect.right_center(), Align2::RIGHT_CENTER, number, font.clone(), p.text);
    }
}

/// `1.25 ms`, `0.012 ms`.
fn millis(secs: f64) -> String {
    let millis = secs * 1000.0;
    match millis {
        0.0..0.1 => format!("{millis:.4} ms"),
        0.1..10.0 => format!("{millis:.2} ms"),
        _ => format!("{millis:.0} ms"),
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Embedding => "Embedding",
        Kind::Attention => "Attention",
        Kind::Recurrence => "Recurrent layers",
        Kind::Mlp => "MLP",
        Kind::Experts => "Experts",
        Kind::Head => "Head",
        Kind::Positions | Kind::Norm | Kind::Other => "Sums and norms",
    }
}
