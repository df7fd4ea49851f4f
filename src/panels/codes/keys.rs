//! Coding by keyboard alone.

use eframe::egui::{self, Event, Key, Modifiers, Ui};

use super::pair::{self, Said};
use crate::state::codes::key::{DONT_KNOW, keys_of};
use crate::state::codes::session::Session;
use crate::state::command::{CodesCommand, Commands};
use crate::study::variable::Kind;
use crate::widgets::layout;

/// What one key press asks for.
enum Press {
    Text(char),
    Next,
    Back,
    Undo,
    Redo,
    Question(isize),
    Words(isize, bool),
}

/// Keys work unless something is being typed; Enter and Escape leave a field.
pub(super) fn take_keys(ui: &Ui, session: &mut Session, commands: &mut Commands) {
    let ctx = ui.ctx();
    if session.guideline_open || layout::is_covered(ctx) {
        return;
    }
    if ctx.text_edit_focused() {
        // Enter in a field keeps what is typed and goes on, as it does outside.
        let entered = ctx.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
        if entered {
            ctx.memory_mut(egui::Memory::stop_text_input);
            go_on(session, commands);
        }
        return;
    }
    for press in presses(ctx) {
        match press {
            Press::Next => {
                go_on(session, commands);
                return; // what follows is about another item
            }
            Press::Back if session.can_go_back() => {
                commands.push(CodesCommand::Back);
                return;
            }
            Press::Undo if session.coder().can_undo() => {
                commands.push(CodesCommand::Undo);
                return;
            }
            Press::Redo if session.coder().can_redo() => {
                commands.push(CodesCommand::Redo);
                return;
            }
            Press::Back | Press::Undo | Press::Redo => {}
            Press::Question(by) => {
                let last = session.variables().len().saturating_sub(1);
                session.draft.question = session.draft.question.saturating_add_signed(by).min(last);
            }
            Press::Words(by, extend) => session.move_words(by, extend),
            Press::Text(key) if takes_key_of_pair(session, key, commands) => {
                return; // what follows may be about another pair
            }
            Press::Text('f') => session.draft.flagged = !session.draft.flagged,
            Press::Text('r') => {
                session.draft.reason_open = true;
                session.draft.wants_reason = true;
            }
            Press::Text(DONT_KNOW) if !is_label(session, DONT_KNOW) => session.do_not_know(),
            Press::Text(key) => {
                if let Some(label) = label_of(session, key) {
                    session.choose(&label);
                }
            }
        }
    }
}

fn go_on(session: &mut Session, commands: &mut Commands) {
    if session.told.is_some() || session.obstacle().is_none() {
        commands.push(CodesCommand::Give);
        return;
    }
    // To the question that keeps it from going on.
    if let Some(open) = session.first_open() {
        session.draft.question = open;
        let kind = session.variables()[open].kind;
        session.draft.wants_field = matches!(kind, Kind::Number | Kind::Text);
    }
}

/// Keys of two answers: verdicts where the question in front is which one is better, and how they are
/// shown where the key is no label. True: it was one of them.
fn takes_key_of_pair(session: &mut Session, key: char, commands: &mut Commands) -> bool {
    if session.answers().is_none() {
        return false;
    }
    let place = session.draft.question;
    if session.variables().get(place).is_some_and(|variable| variable.kind == Kind::Better)
        && let Some(said) = Said::ALL.into_iter().find(|said| said.key() == key)
    {
        pair::say(session, place, said, commands);
        return true;
    }
    if is_label(session, key) {
        return false;
    }
    let shown = &mut session.shown;
    match key {
        'd' => shown.differences ^= true,
        'p' => shown.markdown ^= true,
        'y' => shown.together ^= true,
        _ => return false,
    }
    true
}

fn label_of(session: &Session, key: char) -> Option<String> {
    let variable = session.variables().get(session.draft.question)?;
    // Its labels are of the answers, its keys of the sides.
    let labels = if variable.kind == Kind::Better { Vec::new() } else { variable.labels() };
    let place = keys_of(&labels).iter().position(|known| *known == Some(key))?;
    labels.into_iter().nth(place)
}

fn is_label(session: &Session, key: char) -> bool {
    label_of(session, key).is_some()
}

/// The presses of this frame, in their order. A key that is held down does not count again.
fn presses(ctx: &egui::Context) -> Vec<Press> {
    ctx.input_mut(|input| {
        let mut found = Vec::new();
        input.events.retain(|event| {
            let press = match event {
                Event::Key { key, pressed: true, repeat, modifiers, .. } => {
                    of_key(*key, *modifiers, *repeat)
                }
                Event::Text(text) => {
                    let mut letters = text.chars();
                    let first = letters.next().filter(|_| letters.next().is_none());
                    let first = first.and_then(|first| first.to_lowercase().next());
                    first.filter(|first| first.is_alphanumeric()).map(|first| match first {
                        'u' => Press::Undo,
                        other => Press::Text(other),
                    })
                }
                _ => None,
            };
            let is_ours = press.is_some();
            found.extend(press);
            !is_ours
        });
        found
    })
}

fn of_key(key: Key, modifiers: Modifiers, repeat: bool) -> Option<Press> {
    if modifiers.command {
        return match (key, modifiers.shift) {
            (Key::Z, false) => Some(Press::Undo),
            (Key::Z, true) | (Key::Y, _) => Some(Press::Redo),
            _ => None,
        };
    }
    let shift = modifiers.shift;
    match key {
        Key::ArrowRight => Some(Press::Words(1, shift)),
        Key::ArrowLeft => Some(Press::Words(-1, shift)),
        Key::ArrowDown => Some(Press::Question(1)),
        Key::ArrowUp => Some(Press::Question(-1)),
        Key::Enter if !repeat && !shift => Some(Press::Next),
        Key::Backspace if !repeat => Some(Press::Back),
        _ => None,
    }
}
