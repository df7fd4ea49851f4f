//! A prompt with two answers, and which of them is better: what of a study of pairs is not drawn as
//! texts are.

use eframe::egui::{Align, Label, Layout, RichText, ScrollArea, Ui};

use super::role::role_words;
use crate::panels::annotate::answers::{self, marked};
use crate::state::codes::session::Session;
use crate::state::command::{CodesCommand, Commands};
use crate::study::value::Value;
use crate::study::variable::{BOTH_BAD, Kind, TIE, Variable};
use crate::widgets::button::{ActionButton, Weight};
use crate::widgets::card::{Tone, card_ui, chip_ui};
use crate::widgets::markdown::markdown_ui;
use crate::widgets::theme;

/// What a key or a button says of two answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// 0 is the left one.
    Side(u8),
    Tie,
    BothBad,
    Skip,
}

impl Said {
    pub(super) const ALL: [Self; 5] =
        [Self::Side(0), Self::Side(1), Self::Tie, Self::BothBad, Self::Skip];

    fn words(self) -> &'static str {
        match self {
            Self::Side(0) => "Left is better",
            Self::Side(_) => "Right is better",
            Self::Tie => "Tie",
            Self::BothBad => "Both bad",
            Self::Skip => "Skip",
        }
    }

    /// The keys of "Pairs".
    pub(super) fn key(self) -> char {
        match self {
            Self::Side(0) => '1',
            Self::Side(_) => '2',
            Self::Tie => '3',
            Self::BothBad => '0',
            Self::Skip => 's',
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Side(0) => "The answer on the left",
            Self::Side(_) => "The answer on the right",
            Self::Tie => "Both are equally good",
            Self::BothBad => "Neither is acceptable",
            Self::Skip => "Say nothing of these two. It is kept, and counts in no number",
        }
    }

    fn label(self, session: &Session) -> Option<&'static str> {
        match self {
            Self::Side(side) => Some(session.label_of_side(side)),
            Self::Tie => Some(TIE),
            Self::BothBad => Some(BOTH_BAD),
            Self::Skip => None,
        }
    }

    /// Whether this study lets it be said.
    fn is_possible(self, session: &Session, variable: &Variable) -> bool {
        match self.label(session) {
            Some(label) => variable.labels().iter().any(|known| known == label),
            None => !variable.must_decide,
        }
    }
}

/// Says it of the question at `place`, and goes on where nothing else is asked.
pub(super) fn say(session: &mut Session, place: usize, said: Said, commands: &mut Commands) {
    let Some(variable) = session.variables().get(place).cloned() else { return };
    if !said.is_possible(session, &variable) {
        return;
    }
    session.draft.question = place;
    match said.label(session) {
        Some(label) => session.choose(label),
        None => session.do_not_know(),
    }
    let is_all = session.variables().len() == 1;
    if is_all && session.told.is_none() && session.obstacle().is_none() {
        commands.push(CodesCommand::Give);
    }
}

/// The least height in which some lines of both answers can be read below their prompt.
pub(super) fn least_height(ui: &Ui) -> f32 {
    let prompt = theme::em(ui) * LEAST_PROMPT + 34.0 + theme::GAP;
    prompt + answers::least_height(ui)
}

/// Of the prompt, so much is in sight at least, in em.
const LEAST_PROMPT: f32 = 2.5;

/// The prompt, and below it the two answers side by side.
pub(super) fn pair_ui(ui: &mut Ui, session: &mut Session, height: f32) {
    let Some(item) = session.item().cloned() else { return };
    let Some(slot) = session.slot() else { return };
    let em = theme::em(ui);
    let top = ui.cursor().top();
    card_ui(ui, |ui| {
        ui.set_width(ui.available_width());
        if let Some(words) = role_words(item.role) {
            chip_ui(ui, Tone::Info, None, words);
        }
        let most = (height * 0.28).clamp(em * LEAST_PROMPT, em * 14.0);
        let area = ScrollArea::vertical().id_salt(("prompt", &item.id)).max_height(most);
        area.show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.add(Label::new(RichText::new(&item.text).line_height(Some(em * 1.5))).wrap());
        });
    });
    ui.add_space(theme::GAP_SMALL);
    let height = (height - (ui.cursor().top() - top)).max(em * 6.0);
    let places = if session.shown.differences { session.differences() } else { None };
    let Some([left, right]) = session.answers().map(|both| both.map(str::to_owned)) else { return };
    // Both begin where the other one is; whichever is scrolled decides.
    let shared = session.shown.together.then_some(session.shown.offset);
    let mut scrolled = None;
    ui.columns(2, |columns| {
        let sides = [("Left answer", &left), ("Right answer", &right)];
        for (at, (ui, (name, text))) in columns.iter_mut().zip(sides).enumerate() {
            card_ui(ui, |ui| {
                let margin = 34.0; // the frame's, above and below
                ui.set_height((height - margin).max(0.0));
                ui.label(theme::title(ui, name));
                if session.shown.markdown && places.is_none() {
                    markdown_ui(ui, name, text, |_| false);
                    return;
                }
                // Another pair begins at its top.
                let mut area =
                    ScrollArea::vertical().id_salt((name, slot.item, slot.pass)).auto_shrink(false);
                if let Some(offset) = shared {
                    area = area.vertical_scroll_offset(offset);
                }
                let drawn = area.show(ui, |ui| {
                    // A column is justified, which tears a text apart.
                    ui.with_layout(Layout::top_down(Align::Min), |ui| {
                        let line_height = em * 1.5;
                        if let Some(places) = &places {
                            let job = marked(ui, text, &places[at], line_height);
                            ui.add(Label::new(job).wrap());
                        } else {
                            let text = RichText::new(text).line_height(Some(line_height));
                            ui.add(Label::new(text).wrap());
                        }
                    });
                });
                if let Some(offset) = shared {
                    let most = (drawn.content_size.y - drawn.inner_rect.height()).max(0.0);
                    let found = drawn.state.clamped_offset().y;
                    if (found - offset.min(most)).abs() > 0.5 {
                        scrolled = Some(found);
                    }
                }
            });
        }
    });
    if let Some(offset) = scrolled {
        session.shown.offset = offset;
    }
}

/// The verdicts, the two sides each under its answer.
pub(super) fn better_ui(
    ui: &mut Ui,
    session: &mut Session,
    place: usize,
    is_low: bool,
    commands: &mut Commands,
) {
    let variable = session.variables()[place].clone();
    if session.variables().len() > 1 && !variable.question.is_empty() {
        ui.add(Label::new(theme::strong(ui, &variable.question)).wrap());
    }
    let possible: Vec<Said> =
        Said::ALL.into_iter().filter(|said| said.is_possible(session, &variable)).collect();
    let mut pressed = None;
    let mut draw = |ui: &mut Ui, said: Said| {
        let value = session.draft.values[place].as_ref();
        let is_on = match said.label(session) {
            Some(label) => value == Some(&Value::words(label)),
            None => value == Some(&Value::DontKnow),
        };
        let key = said.key().to_uppercase().to_string();
        let mut button = ActionButton::new(said.words());
        if session.draft.question == place {
            button = button.shortcut(&key);
        }
        if is_on {
            button = button.weight(Weight::Primary);
        }
        let name = format!("{} ({key}){}", said.words(), if is_on { ", chosen" } else { "" });
        if ui.add(button).accessible_name(name).on_hover_text(said.hint()).clicked() {
            pressed = Some(said);
        }
    };
    if is_low {
        ui.horizontal_wrapped(|ui| possible.iter().for_each(|said| draw(ui, *said)));
    } else {
        let (sides, others) = possible.split_at(2.min(possible.len()));
        ui.columns(2, |columns| {
            for (ui, said) in columns.iter_mut().zip(sides) {
                ui.spacing_mut().interact_size.y *= 1.5;
                draw(ui, *said);
            }
        });
        ui.horizontal_wrapped(|ui| others.iter().for_each(|said| draw(ui, *said)));
    }
    if let Some(said) = pressed {
        say(session, place, said, commands);
    }
}

/// The questions beside the one which answer is better.
pub(super) fn others(session: &Session) -> Vec<usize> {
    let variables = session.variables().iter().enumerate();
    variables.filter(|(_, variable)| variable.kind != Kind::Better).map(|(at, _)| at).collect()
}

/// Every question which answer is better; a study may ask it by several criteria.
pub(super) fn of_better(session: &Session) -> Vec<usize> {
    let variables = session.variables().iter().enumerate();
    variables.filter(|(_, variable)| variable.kind == Kind::Better).map(|(at, _)| at).collect()
}
