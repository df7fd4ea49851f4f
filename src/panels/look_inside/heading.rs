//! What all views have in common: how they are read, and what is there before the numbers are.

use eframe::egui::{Label, ProgressBar, Ui};

use crate::state::look_inside::slot::Slot;
use crate::state::look_inside::view::View;
use crate::widgets::format;
use crate::widgets::theme;

/// How the view is read, in a sentence.
pub fn help_ui(ui: &mut Ui, view: View) {
    ui.add(Label::new(theme::muted(ui, view.help())).wrap());
    ui.add_space(theme::GAP_SMALL);
}

/// What was computed; else why it is not there.
pub fn ready_or_why_ui<'a, T>(ui: &mut Ui, slot: &'a Slot<T>) -> Option<&'a T> {
    let words = match slot {
        Slot::Ready(answer) => return Some(answer),
        Slot::Empty => "Write or paste a text above, and press Look".to_owned(),
        Slot::Running(None) => "Being computed…".to_owned(),
        Slot::Running(Some((done, total))) => {
            progress_ui(ui, *done, *total);
            return None;
        }
        Slot::Ended => "Not computed. Press Look to try again".to_owned(),
    };
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    None
}

fn progress_ui(ui: &mut Ui, done: usize, total: usize) {
    let p = theme::palette(ui);
    // Of what: the bar at the bottom says it.
    let words = format!("{} of {}", format::count(done), format::count(total));
    ui.label(theme::muted(ui, words));
    ui.visuals_mut().extreme_bg_color = p.raised_press;
    let bar =
        ProgressBar::new(done as f32 / total.max(1) as f32).desired_height(6.0).fill(p.accent);
    ui.add(bar).accessible_name("Computed");
}

/// Says that the model could not read all of it.
pub fn cut_ui(ui: &mut Ui, shown: usize, all: usize) {
    if shown < all {
        let (shown, all) = (format::count(shown), format::count(all));
        let words = format!("The first {shown} of {all} tokens: more than that is not shown here.");
        let words = theme::strong(ui, words).color(theme::palette(ui).rejected);
        ui.add(Label::new(words).wrap());
    }
}

/// What can be done here.
pub fn hint_ui(ui: &mut Ui, words: &str) {
    ui.add(Label::new(theme::muted(ui, words)).wrap());
}
