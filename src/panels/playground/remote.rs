//! The Playground of a model on a server: a conversation, the likeliest tokens as far as the server says
//! them, and the settings that it computes.

use eframe::egui::{Label, RichText, Ui};

use super::answers::lane_name;
use super::sheet::{sheet_ui, split_for_sheet};
use super::talk::{Plan, part_ui, step_with_key, views_ui};
use super::talk_column::talk_ui;
use crate::panels::sampling;
use crate::remote::ability;
use crate::remote::lacking;
use crate::remote::probe::Probe;
use crate::state::command::Commands;
use crate::state::playground::view::PlaygroundView;
use crate::state::playground::{Mode, PlaygroundState};
use crate::state::prefs::Prefs;
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::candidate_bars::{CandidateBar, Rows, candidate_bars_ui};
use crate::widgets::card::{Tone, card_ui, chip_ui, titled_card_ui};
use crate::widgets::layout::{column_ui, inset_ui, scrolled_ui};
use crate::widgets::theme;
use crate::widgets::token_flow::visible_whitespace;

pub(super) fn remote_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    prefs: &mut Prefs,
    probe: &Probe,
    around: Surroundings<'_>,
    commands: &mut Commands,
) {
    inset_ui(ui, |ui| views_ui(ui, playground));
    if playground.view != PlaygroundView::Talk {
        inset_ui(ui, |ui| {
            let words = format!(
                "This view is computed from the scores of all tokens, and a server sends those of the \
                 likeliest few at most. {} can be asked under Talk; load a model for this view.",
                probe.model
            );
            ui.add(Label::new(words).wrap());
        });
        return;
    }
    step_with_key(ui, playground, commands);
    let all = ui.available_rect_before_wrap();
    let em = theme::em(ui);
    let width = all.width() / em;
    if let Some(sheet) = playground.sheet {
        let (left, right) = split_for_sheet(ui, all);
        if let Some(left) = left {
            column_ui(ui, "talk column", left, |ui| talk_ui(ui, playground, around, commands));
        }
        column_ui(ui, "sheet column", right, |ui| {
            sheet_ui(ui, sheet, playground, prefs, None, commands);
        });
    } else if Plan::of(all.size() / em, playground) == Plan::OneAtATime {
        column_ui(ui, "one column", all, |ui| {
            inset_ui(ui, |ui| part_ui(ui, playground));
            if playground.tools_in_front {
                tools_ui(ui, playground, prefs, probe);
            } else {
                talk_ui(ui, playground, around, commands);
            }
        });
    } else {
        let talk = width - (width * 0.42).clamp(20.0, 34.0);
        let (left, right) = all.split_left_right_at_x(all.left() + talk * em);
        column_ui(ui, "talk column", left, |ui| talk_ui(ui, playground, around, commands));
        column_ui(ui, "tools column", right, |ui| tools_ui(ui, playground, prefs, probe));
    }
    ui.advance_cursor_after_rect(all);
}

fn tools_ui(ui: &mut Ui, playground: &mut PlaygroundState, prefs: &mut Prefs, probe: &Probe) {
    scrolled_ui(ui, "tools", |ui| {
        tokens_ui(ui, playground, probe);
        ui.add_space(theme::GAP);
        card_ui(ui, |ui| {
            ui.label(theme::title(ui, "Settings"));
            sampling::sampling_at_server_ui(ui, &mut prefs.sampling, &|name| probe.has(name));
            if let Some(words) = lacking::sentence(&prefs.sampling, probe) {
                let ink = theme::palette(ui).rejected;
                ui.add(Label::new(RichText::new(words).color(ink)).wrap());
            }
            ui.separator();
            sampling::limits_ui(ui, playground, prefs);
            if !probe.has(ability::SEED) {
                let words = "The seed is not used: this server gave two answers to one seed, or takes \
                             none. The same question may get another answer";
                ui.add(Label::new(theme::muted(ui, words)).wrap());
            }
        });
    });
}

/// What else a token of the answer could have been, as far as the server says it.
fn tokens_ui(ui: &mut Ui, playground: &mut PlaygroundState, probe: &Probe) {
    let aside = |_: &mut Ui| {};
    titled_card_ui(ui, "Likeliest tokens", aside, |ui| {
        let count = if playground.mode == Mode::Chat { probe.chat_top } else { probe.top };
        if !probe.lies.is_empty() {
            let words =
                "The log-probabilities of this server contradict each other: they are not shown.";
            ui.add(Label::new(words).wrap());
            return;
        }
        if count == 0 {
            let words = "This server sends no log-probabilities: what else could have come is not \
                         known.";
            ui.add(Label::new(theme::muted(ui, words)).wrap());
            return;
        }
        chip_ui(ui, Tone::Rejected, None, &format!("Top {count} of the server, approximate"))
            .on_hover_text(
                "Only these come; their probabilities are the server's, computed with its precision, \
                 some of them after its own settings",
            );
        let Some(position) = playground.told_position() else {
            let words = "Send a prompt, and click a word of the answer: here are the tokens that could \
                         have come in its place.";
            ui.add(Label::new(theme::muted(ui, words)).wrap());
            return;
        };
        let lane = &playground.lanes[position.lane];
        let told = &lane.told[position.token];
        let name = match playground.lanes.len() {
            1 => String::new(),
            _ => format!("{} · ", lane_name(lane.lane.adapter)),
        };
        let heading = format!(
            "{name}Token {} of the answer: {}",
            position.token + 1,
            visible_whitespace(&told.text)
        );
        ui.add(Label::new(heading).wrap());
        if playground.selected == Some(position)
            && ui.add(ActionButton::quiet("Back to the latest token")).clicked()
        {
            playground.selected = None;
            return;
        }
        let own = told.logprob;
        let bars = told.top.iter().map(|(text, logprob)| CandidateBar {
            text,
            probability: logprob.exp(),
            is_marked: *text == told.text || Some(*logprob) == own && told.text.is_empty(),
        });
        let bars: Vec<CandidateBar<'_>> = bars.collect();
        candidate_bars_ui(ui, &bars, "the one that came", Rows::Shown);
        let sum: f32 = bars.iter().map(|bar| bar.probability).sum();
        let rest = (1.0 - sum).clamp(0.0, 1.0) * 100.0;
        let words =
            format!("All other tokens have {rest:.1} % together; which they are is not known");
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    });
}
