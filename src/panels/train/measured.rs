//! What the adapter changed, with how sure that is.

use eframe::egui::{Grid, Label, Ui, Vec2};

use crate::eval::comparison::Comparison;
use crate::eval::intervals::Interval;
use crate::state::command::{Commands, TrainCommand};
use crate::state::train::runs::RunView;
use crate::train::config::objective::Head;
use crate::widgets::button::ActionButton;
use crate::widgets::theme::{self, icons};

/// The table, or the button that fills it.
pub(super) fn measured_ui(ui: &mut Ui, run: &RunView, commands: &mut Commands) {
    // It compares answers that are there, by their probabilities.
    let facts = run.objective.facts();
    if !run.has_adapter || facts.head == Head::Score || run.objective.samples() {
        return;
    }
    let (words, hint) = match &run.comparison {
        Some(found) => {
            table_ui(ui, found);
            ("Measure again", "The rows or the program may have changed since")
        }
        None => (
            "Measure what changed",
            "Model and adapter on the held-out rows and on neutral text, with 95 % intervals. \
             Takes about as long as a few steps",
        ),
    };
    ui.add_space(theme::GAP_SMALL);
    if ui.add(ActionButton::new(words).icon(icons::LOOK)).on_hover_text(hint).clicked() {
        commands.push(TrainCommand::Measure(run.id.clone()));
    }
}

fn table_ui(ui: &mut Ui, found: &Comparison) {
    let p = theme::palette(ui);
    let percent = |interval: Interval| {
        let [value, low, high] =
            [interval.value, interval.low, interval.high].map(|share| share * 100.0);
        (format!("{value:.0} %"), format!("({low:.0} to {high:.0})"))
    };
    let written = |interval: Interval, decimals: usize| {
        let Interval { value, low, high } = interval;
        (format!("{value:.decimals$}"), format!("({low:.decimals$} to {high:.decimals$})"))
    };
    let mut rows: Vec<(&str, &str, (String, String))> = Vec::new();
    if let Some(accuracy) = found.accuracy {
        let hint = "Share of pairs whose chosen answer has become more likely than the rejected \
                    one, compared with the base model. 50 % is a coin toss";
        rows.push(("Reward accuracy", hint, percent(accuracy)));
    }
    if let Some(margin) = found.margin {
        let hint = "beta times how much further chosen moved than rejected, in nats";
        rows.push(("Reward margin", hint, written(margin, 3)));
    }
    let hint = "How many tokens the base model hesitated between, on average, at each token of the \
                chosen answers";
    rows.push(("Perplexity of chosen, before", hint, written(found.perplexity_before, 1)));
    let hint = "The same with the adapter. Lower: the chosen answers are less of a surprise";
    rows.push(("Perplexity of chosen, after", hint, written(found.perplexity_after, 1)));
    let hint = "KL divergence on paragraphs that have nothing to do with the pairs: how far the \
                adapter moved what it was not asked to move. 0: not at all";
    rows.push(("Drift on neutral text (nats per token)", hint, written(found.neutral_kl, 4)));
    let measured = match (found.rows, found.held_out) {
        (1, true) => "1 held-out row".to_owned(),
        (rows, true) => format!("{rows} held-out rows"),
        (rows, false) => format!("{rows} rows that it was trained on: this flatters it"),
    };
    ui.add_space(theme::GAP_SMALL);
    // Two columns need about 34 letters' heights; below, each number goes under its name.
    if ui.available_width() < theme::em(ui) * 34.0 {
        ui.add(Label::new(theme::muted(ui, format!("{measured}, with 95 % intervals"))).wrap());
        for (name, hint, (value, interval)) in rows {
            let value = format!("{value}  {interval}");
            ui.add(Label::new(name).wrap()).on_hover_text(hint);
            ui.add(Label::new(theme::number(value).color(p.strong)).wrap());
        }
        return;
    }
    Grid::new("measured").num_columns(2).spacing(Vec2::new(24.0, 4.0)).show(ui, |ui| {
        ui.label(theme::muted(ui, measured));
        ui.label(theme::muted(ui, "with its 95 % interval"));
        ui.end_row();
        let longest = rows.iter().map(|(_, _, (value, _))| value.len()).max().unwrap_or(0);
        for (name, hint, (value, interval)) in rows {
            // Digits are equally wide, so the intervals begin below each other.
            let value = format!("{value:longest$}  {interval}");
            ui.add(Label::new(name)).on_hover_text(hint);
            ui.label(theme::number(value).color(p.strong));
            ui.end_row();
        }
    });
}
