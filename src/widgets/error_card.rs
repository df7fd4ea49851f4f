//! What went wrong (or well), beside the control that it is about: what happened, why, what to do
//! next.

use eframe::egui;
use eframe::egui::{CollapsingHeader, Frame, Label, Margin, Stroke, Ui};

use super::button::ActionButton;
use super::card::{Tone, decoration_ui};
use super::format::sentence;
use super::theme::{self, MaterialIcon, icons};

/// What to show. Everything but the summary may be empty.
#[derive(Clone, Copy, Debug)]
pub struct ErrorCard<'a> {
    /// Distinguishes cards that are shown together.
    pub id: u64,
    pub tone: Tone,

    /// `Could not load SmolLM2-135M`.
    pub summary: &'a str,

    /// The chain of causes, outermost first. The first and the last are always seen; where there
    /// are more than one, all are under Details.
    pub causes: &'a [String],

    /// What to do next, in a sentence.
    pub hint: Option<&'a str>,

    /// The words of the button that does it.
    pub remedy: Option<&'a str>,

    /// Whether it can be closed without a remedy. One that stands for what is missing cannot.
    pub can_close: bool,
}

/// What the person pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardAction {
    Remedy,
    Dismiss,
}

impl ErrorCard<'_> {
    /// Draws it over the whole width.
    pub fn show(self, ui: &mut Ui) -> Option<CardAction> {
        let p = theme::palette(ui);
        let (ink, ground) = self.tone.colors(&p);
        let frame = Frame::new()
            .fill(ground)
            .stroke(Stroke::new(1.0, ink.gamma_multiply(0.4)))
            .corner_radius(theme::CARD_RADIUS)
            .inner_margin(Margin::symmetric(16, 8));
        let mut action = None;
        ui.push_id(("error card", self.id), |ui| {
            frame.show(ui, |ui| {
                ui.set_width(ui.available_width());
                egui::Sides::new().shrink_left().show(
                    ui,
                    |ui| {
                        decoration_ui(ui, theme::icon(ui, tone_icon(self.tone)).color(ink));
                        let summary = theme::strong(ui, self.summary);
                        ui.add(Label::new(summary).wrap());
                    },
                    |ui| {
                        if self.can_close
                            && ui.add(ActionButton::only_icon(icons::CLOSE, "Dismiss")).clicked()
                        {
                            action = Some(CardAction::Dismiss);
                        }
                    },
                );
                let hint = self.hint.map(str::to_owned);
                for line in reason(self.causes).into_iter().chain(hint) {
                    ui.add(Label::new(sentence(&line)).wrap());
                }
                if let Some(remedy) = self.remedy
                    && ui.add(ActionButton::new(remedy)).clicked()
                {
                    action = Some(CardAction::Remedy);
                }
                if self.causes.len() > 1 {
                    self.details_ui(ui);
                }
            });
        });
        action
    }

    fn details_ui(self, ui: &mut Ui) {
        CollapsingHeader::new("Details").show(ui, |ui| {
            for cause in self.causes {
                ui.add(Label::new(sentence(cause)).wrap());
            }
            if ui.add(ActionButton::new("Copy details").icon(icons::COPY)).clicked() {
                let mut text = self.summary.to_owned();
                for cause in self.causes {
                    text.push_str("\n  because: ");
                    text.push_str(cause);
                }
                ui.ctx().copy_text(text);
            }
        });
    }
}

/// What failed, and what was behind it: `items.jsonl could not be written: No space left on device`. Where
/// neither says of which file, the one between them that does is said, too.
fn reason(causes: &[String]) -> Option<String> {
    let (first, rest) = causes.split_first()?;
    let Some((last, between)) = rest.split_last() else { return Some(first.clone()) };
    let names_file = |cause: &&String| cause.contains(['/', '\\']);
    let file = if names_file(&first) { None } else { between.iter().find(names_file) };
    let mut said = first.clone();
    for cause in file.into_iter().chain([last]) {
        if said.contains(cause.as_str()) {
            continue;
        }
        // Under a heading of its own, as the rows around a mistake: they do not continue the sentence.
        let is_listing = cause.contains(":\n");
        said = if is_listing {
            format!("{said}\n{}", sentence(cause))
        } else {
            format!("{said}: {cause}")
        };
    }
    Some(said)
}

fn tone_icon(tone: Tone) -> MaterialIcon {
    match tone {
        Tone::Problem | Tone::Rejected => icons::PROBLEM,
        Tone::Chosen => icons::DONE,
        Tone::Neutral | Tone::Accent | Tone::Info => icons::INFO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_an_error_is_said_without_opening_the_details() {
        let told = |causes: &[&str]| {
            reason(&causes.iter().map(|cause| (*cause).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(told(&[]), None);
        assert_eq!(told(&["no room"]).unwrap(), "no room");
        let chain = ["items.jsonl could not be written", "the copy failed", "no room"];
        assert_eq!(told(&chain).unwrap(), "items.jsonl could not be written: no room");
        assert_eq!(told(&["it failed: no room", "no room"]).unwrap(), "it failed: no room");
        let chain = ["the data could not be read", "/a/p.jsonl could not be read", "no such file"];
        assert_eq!(
            told(&chain).unwrap(),
            "the data could not be read: /a/p.jsonl could not be read: no such file"
        );
        let chain = ["line 3 of p.jsonl: it ends too early", "the rows around it:\n2: a\n3: b"];
        assert_eq!(
            told(&chain).unwrap(),
            "line 3 of p.jsonl: it ends too early\nThe rows around it:\n2: a\n3: b"
        );
    }
}
