//! A scene as it is drawn: its title, how it is read, and its view.

use eframe::egui::Rect;

use super::ask::Ask;
use super::pen::Pen;
use super::{ask, bars, grid, join, map, mask, models, text};
use crate::lecture::machine::MachineView;
use crate::lecture::played::Played;
use crate::lecture::scene::{Scene, View};
use crate::state::lectures::stage::Stage;
use crate::state::lectures::{Front, Shown};
use crate::state::room::{OpenRoom, Source};

/// How often R does something in a scene.
pub fn reveals(front: &Front, at: usize) -> usize {
    let hidden = match front.results.get(at).and_then(Shown::played) {
        Some(Played::Guess(view)) => Some(view.hidden.len()),
        Some(Played::Mask(view)) => Some(view.hidden.len()),
        _ => None,
    };
    let by_scene = front.scene(at).map_or(0, Scene::reveals);
    hidden.map_or(by_scene, |hidden| by_scene.min(hidden))
}

/// Draws the scene in front over `screen`, or how to join the room.
pub fn draw(pen: &Pen<'_>, screen: Rect, front: &Front, stage: &Stage, open: Option<&OpenRoom>) {
    if let Some(open) = open.filter(|_| stage.shows_join) {
        join::join(pen, screen, open);
        return;
    }
    let (at, revealed) = (stage.at, stage.revealed());
    let Some(scene) = front.scene(at) else { return };
    let mut page = format!("{} / {}", at + 1, front.scene_count());
    if let Some(Shown::Ready { is_recorded: true, .. }) = front.results.get(at) {
        page.insert_str(0, "recorded · ");
    }
    let room = pen.frame(screen, &scene.title, scene.view.help(), &page);
    match front.results.get(at) {
        Some(Shown::Ready { played, .. }) => {
            let is_asked = matches!(scene.view, View::Ask { .. });
            let is_hidden = (scene.reveal || is_asked) && revealed == 0;
            let source = Source::Scene { lecture: front.number, at };
            let tally = open.and_then(|open| open.tally(source));
            if let View::Ask { text, about, kind } = &scene.view {
                let question = Ask { text, about, kind };
                ask::ask(pen, room, &question, open, tally, is_hidden);
                return;
            }
            let is_voted = scene.reveal && matches!(scene.view, View::Next { .. });
            let room = match (open, tally) {
                (Some(open), _) if is_voted && is_hidden => join::beside(pen, room, open),
                (Some(_), Some(tally)) if is_voted => ask::guesses(pen, room, tally),
                _ => room,
            };
            view(pen, room, &scene.view, played, Reveal { is_hidden, count: revealed });
        }
        Some(Shown::Failed(problem)) => {
            pen.waiting(room, &format!("This scene cannot be shown: {problem}"));
        }
        Some(Shown::Waiting | Shown::Computing) | None => pen.waiting(room, "One moment…"),
    }
}

/// What of a scene may be seen.
#[derive(Clone, Copy)]
pub struct Reveal {
    /// What there is to find out is hidden.
    pub is_hidden: bool,

    /// How often R was pressed.
    pub count: usize,
}

fn view(pen: &Pen<'_>, room: Rect, asked: &View, played: &Played, reveal: Reveal) {
    let Reveal { is_hidden, count } = reveal;
    match (asked, played) {
        (View::Words { text: words }, _) => text::words(pen, room, words),
        (View::Tokens { ids, .. }, Played::Tokens(view)) => {
            text::tokens(pen, room, view, *ids, is_hidden);
        }
        (View::Next { text: words, .. }, Played::Next(view)) => {
            bars::next(pen, room, words, view, is_hidden);
        }
        (View::Temperatures { text: words, .. }, Played::Temperatures(view)) => {
            bars::temperatures(pen, room, words, view, is_hidden);
        }
        (_, Played::Surprise(view)) => text::surprise(pen, room, view, is_hidden),
        (_, Played::Guess(view)) => text::guess(pen, room, view, count),
        (_, Played::Mask(view)) => mask::mask(pen, room, view, count),
        (View::Pair { text: one, other, .. }, Played::Pair(view)) => {
            bars::pair(pen, room, [one, other], view, is_hidden);
        }
        (_, Played::PairSet(view)) => models::pair_set(pen, room, view, is_hidden),
        (View::Tree { text: words, .. }, Played::Tree(view)) => {
            text::tree(pen, room, words, view, is_hidden);
        }
        (View::Attention { hide_first, .. }, Played::Attention(view)) => {
            grid::attention(pen, room, view, *hide_first, is_hidden);
        }
        (_, Played::Lens(view)) => grid::lens(pen, room, view, is_hidden),
        (View::LeaveOneOut { answer, .. }, Played::LeaveOneOut(view)) => {
            bars::leave_one_out(pen, room, view, answer, is_hidden);
        }
        (_, Played::Meaning(view)) => map::meaning(pen, room, view, is_hidden),
        (_, Played::Adapter(view)) => text::adapter(pen, room, view, is_hidden),
        (_, Played::Tokenizers(view)) => models::tokenizers(pen, room, view, is_hidden),
        (_, Played::TwoModels(view)) => models::two_models(pen, room, view, is_hidden),
        (
            View::Machine { times: true },
            Played::Machine(MachineView { times: Some(times), .. }),
        ) => {
            models::times(pen, room, times, is_hidden);
        }
        (_, Played::Machine(view)) => map::machine(pen, room, view),
        _ => pen.waiting(
            room,
            "The recording of this scene belongs to another view. Record the lecture again.",
        ),
    }
}
