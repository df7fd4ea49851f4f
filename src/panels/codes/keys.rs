//! Coding by keyboard alone.

use eframe::egui::{self, Event, FocusDirection, Key, Modifiers, Ui};

use super::pair::{self, Said};
use crate::state::codes::item_list::{ItemList, Which};
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
///
/// `goes_on`: the answer to the last question is the coder's word, and no Enter has to follow.
pub(super) fn take_keys(ui: &Ui, session: &mut Session, goes_on: bool, commands: &mut Commands) {
    let ctx = ui.ctx();
    if session.guideline_open || session.list.is_some() || layout::is_covered(ctx) {
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
                keep_focus(ctx);
                session.move_question(by);
            }
            Press::Words(by, extend) => {
                keep_focus(ctx);
                session.move_words(by, extend);
            }
            Press::Text(key) if takes_key_of_pair(session, key, commands) => {
                return; // what follows may be about another pair
            }
            Press::Text(key) if types_number(session, key) => {
                // Its field gets the cursor in this frame.
                let question = session.draft.question;
                session.draft.typed[question].push(key);
            }
            Press::Text('l') => {
                session.list = Some(ItemList::of(session, Which::default()));
                return;
            }
            Press::Text('f') => session.draft.flagged = !session.draft.flagged,
            Press::Text('r') => {
                session.draft.reason_open = true;
                session.draft.wants_reason = true;
            }
            Press::Text(key) => {
                let question = session.draft.question;
                match label_of(session, key) {
                    Some(label) => session.choose(&label),
                    None if key == DONT_KNOW => session.do_not_know(),
                    None => continue,
                }
                if goes_on && is_last_word(session, question) {
                    commands.push(CodesCommand::Give);
                    return;
                }
            }
        }
    }
}

/// Arrows mean questions and words here: they do not move the cursor from button to button as well, away from
/// the field that they have just led to.
fn keep_focus(ctx: &egui::Context) {
    ctx.memory_mut(|memory| memory.move_focus(FocusDirection::None));
}

fn go_on(session: &mut Session, commands: &mut Commands) {
    if session.told.is_some() || session.obstacle().is_none() {
        commands.push(CodesCommand::Give);
        return;
    }
    // To the question that keeps it from going on.
    if let Some(open) = session.first_open() {
        session.ask(open);
    }
}

/// Whether nothing is left to say once this question has its one label.
fn is_last_word(session: &Session, question: usize) -> bool {
    let variables = session.variables();
    let is_last = question + 1 == variables.len();
    let has_one = variables.get(question).is_some_and(|variable| variable.kind.is_one_label());
    is_last && has_one && session.told.is_none() && session.obstacle().is_none()
}

/// A digit that came in the same frame as the key that put a number in front.
fn types_number(session: &Session, key: char) -> bool {
    let kind = session.variables().get(session.draft.question).map(|variable| variable.kind);
    session.draft.wants_field && kind == Some(Kind::Number) && key.is_ascii_digit()
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
