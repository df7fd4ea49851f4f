//! The Train panel: on the left what to train, on the right what a run does and has done.

mod answers;
mod away;
mod compare;
mod confusion;
mod elsewhere;
mod ended;
pub(super) mod fields;
mod live;
mod losses;
mod measured;
mod measuring;
mod mix;
mod newborn;
mod own;
mod plots;
mod policy;
mod rank;
mod rates;
mod rounds;
mod runs;
mod scaling;
mod schedule;
mod setup;
mod soft;
mod start;
mod survey;
mod sweep;
mod sweep_form;
mod texts;

use eframe::egui::{CentralPanel, Frame, Margin, Panel, ScrollArea, Ui};

use crate::state::command::{Commands, ViewCommand};
use crate::state::prefs::PanelId;
use crate::state::slots::Surroundings;
use crate::state::train::form::DataSource;
use crate::state::train::{LeftTab, TrainState};
use crate::train::config::Objective;
use crate::widgets::empty_state::EmptyState;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

/// Draws the panel into all the space that is left.
pub fn train_panel_ui(
    ui: &mut Ui,
    train: &mut TrainState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let p = theme::palette(ui);
    let em = theme::em(ui);
    if ui.available_width() < em * 46.0 {
        one_column_ui(ui, train, around, commands);
        return;
    }
    let widest = (ui.available_width() * 0.55).max(em * 20.0);
    Panel::left("train_left")
        .default_size((em * 26.0).min(widest))
        .size_range((em * 22.0).min(widest)..=widest)
        .frame(Frame::new().fill(p.card))
        .show(ui, |ui| {
            ui.spacing_mut().scroll.content_margin = Margin::ZERO;
            left_ui(ui, train, around, commands, false);
        });
    let margin = Margin { left: 16, right: 0, top: 16, bottom: 0 };
    let canvas = Frame::new().inner_margin(margin); // its ground is what a frame is cleared to
    CentralPanel::no_frame().frame(canvas).show(ui, |ui| {
        // The curves scroll to the window's edge; the margin is inside.
        ui.spacing_mut().scroll.content_margin = Margin { left: 0, right: 16, top: 0, bottom: 16 };
        right_ui(ui, train, around, commands);
    });
}

/// In a narrow window: the form, the runs or the results.
fn one_column_ui(
    ui: &mut Ui,
    train: &mut TrainState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    if !train.results_in_front {
        left_ui(ui, train, around, commands, true);
        return;
    }
    let margin = Margin { left: 16, right: 16, top: 12, bottom: 0 };
    Frame::new().inner_margin(margin).show(ui, |ui| tabs_ui(ui, train, true));
    let margin = Margin { left: 16, right: 0, top: 8, bottom: 0 };
    CentralPanel::no_frame().frame(Frame::new().inner_margin(margin)).show(ui, |ui| {
        ui.spacing_mut().scroll.content_margin = Margin { left: 0, right: 16, top: 0, bottom: 16 };
        right_ui(ui, train, around, commands);
    });
}

/// What is in front.
#[derive(Clone, Copy, PartialEq)]
enum Tab {
    Left(LeftTab),

    /// Only where there is no room beside the others.
    Results,
}

fn tabs_ui(ui: &mut Ui, train: &mut TrainState, has_results: bool) {
    let runs = match train.runs.len() + train.away.len() {
        0 => "Runs".to_owned(),
        count => format!("Runs ({count})"),
    };
    let segment = |value, words, explanation| Segment { value, words, explanation };
    let about_runs = "The runs of this project: compare them, try them, resume them";
    let segments = [
        segment(Tab::Left(LeftTab::Setup), "New run", "What to train on, and how"),
        segment(Tab::Left(LeftTab::Runs), &runs, about_runs),
        segment(Tab::Results, "Results", "The run under way, or the one that was picked"),
    ];
    let mut tab = if has_results && train.results_in_front {
        Tab::Results
    } else {
        Tab::Left(train.left_tab)
    };
    let count = if has_results { 3 } else { 2 };
    if segmented_ui(ui, &mut tab, &segments[..count]) {
        train.results_in_front = tab == Tab::Results;
        if let Tab::Left(left) = tab {
            train.left_tab = left;
        }
    }
}

fn left_ui(
    ui: &mut Ui,
    train: &mut TrainState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
    has_results: bool,
) {
    let margin = Margin::symmetric(16, 12);
    Frame::new().inner_margin(Margin { bottom: 0, ..margin }).show(ui, |ui| {
        tabs_ui(ui, train, has_results);
    });
    match train.left_tab {
        LeftTab::Setup => {
            // However much there is to say, the form keeps most of the height.
            let most = ui.available_height() * 0.45;
            Panel::bottom("train_start")
                .resizable(false)
                .frame(Frame::new().inner_margin(margin))
                .show(ui, |ui| {
                    // The panel is as high as this asks to be, so it must not ask for what it has.
                    let area = ScrollArea::vertical().id_salt("train_start").max_height(most);
                    area.min_scrolled_height(most)
                        .auto_shrink([false, true])
                        .show(ui, |ui| start::start_ui(ui, train, around, commands));
                });
            scrolled(ui, "train_setup", |ui| setup::setup_ui(ui, train, commands));
        }
        LeftTab::Runs => {
            scrolled(ui, "train_runs", |ui| runs::runs_ui(ui, train, commands));
        }
    }
}

/// A column that scrolls, with its margins inside, so that the bar is at the edge.
fn scrolled(ui: &mut Ui, name: &str, contents: impl FnOnce(&mut Ui)) {
    ScrollArea::vertical().id_salt(name).auto_shrink(false).show(ui, |ui| {
        Frame::new().inner_margin(Margin::symmetric(16, 8)).show(ui, |ui| {
            ui.set_width(ui.available_width());
            contents(ui);
        });
    });
}

fn right_ui(
    ui: &mut Ui,
    train: &mut TrainState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    if train.rates.is_open() {
        rates::rates_ui(ui, train, around, commands);
        return;
    }
    if train.sweep.is_open() {
        sweep::sweep_ui(ui, train, around, commands);
        return;
    }
    if train.rounds.is_open() {
        rounds::rounds_ui(ui, train, commands);
        return;
    }
    sweep::strip_ui(ui, train);
    if train.survey.is_open() {
        survey::survey_ui(ui, train, around, commands);
    } else if train.compared.len() > 1 {
        compare::compare_ui(ui, train);
    } else if train.away_selected.is_some() {
        away::away_ui(ui, train, commands);
    } else if train.selected.is_some() {
        live::selected_ui(ui, train, commands);
    } else if train.live.is_some() {
        live::live_ui(ui, train, commands);
    } else {
        empty_ui(ui, train, around, commands);
    }
}

/// What a run on texts is for. `None`: another objective.
fn of_texts(objective: Objective) -> Option<(&'static str, &'static str)> {
    match objective {
        Objective::Classify => Some((
            "Train a classifier",
            "A run takes texts with labels and a model (an encoder, or a decoder with a score head), and learns \
             to give other texts their labels. Its curves and its confusion matrix are drawn here while it \
             learns; afterwards you can try it on a text of your own.",
        )),
        Objective::Regress => Some((
            "Train a model that gives numbers",
            "A run takes texts with a number each and a model (an encoder, or a decoder with a score head), and \
             learns to say the number of other texts. Its curves are drawn here while it learns; afterwards you \
             can try it on a text of your own.",
        )),
        Objective::Mlm => Some((
            "Teach an encoder new texts",
            "A run hides words of the texts and has an encoder guess them, so that it learns how such texts are \
             written. Its curves are drawn here while it learns; afterwards a classifier can begin with it.",
        )),
        _ => None,
    }
}

/// Nothing has been trained in this window: what this is for, and what comes next.
fn empty_ui(ui: &mut Ui, train: &TrainState, around: &Surroundings<'_>, commands: &mut Commands) {
    if let Some((title, sentence)) = of_texts(train.form.objective) {
        EmptyState { icon: icons::TRAIN, title, sentence, actions: &[] }.show(ui);
        return;
    }
    let has_model = around.model.ready().is_some();
    if train.form.objective == Objective::Pretrain && train.form.newborn.is_some() {
        let state = EmptyState {
            icon: icons::TRAIN,
            title: "A model from nothing",
            sentence: "A run makes a small model with random weights and a tokenizer of the text, which \
                       learns to continue it. Its curves and what it writes after so many steps are \
                       shown here while it learns; afterwards it is a model like any other.",
            actions: &[],
        };
        state.show(ui);
        return;
    }
    if train.form.objective.samples() && has_model {
        let state = EmptyState {
            icon: icons::TRAIN,
            title: "Train on rewards",
            sentence: "A run lets the model answer each prompt several times, scores the answers by the \
                       rules on the left, and makes those likelier that score above the others. The \
                       answers, their rewards and the KL to where the model began are shown here while \
                       it learns; the leash (beta) can be moved meanwhile.",
            actions: &[],
        };
        state.show(ui);
        return;
    }
    let is_without_rows = train.source == DataSource::ProjectPairs && train.project_pairs < 2;
    let (title, sentence, action) = match (has_model, is_without_rows) {
        (false, _) => (
            "First a model, then training",
            "Training moves the loaded model towards the answers that you preferred, or that a file has. \
             Load a model, and come back.",
            "Choose a model",
        ),
        (true, true) => (
            "Train on what people preferred",
            "A run takes pairs of answers, one chosen and one rejected, and moves the model \
             towards the chosen ones. Label some pairs of your own, or take the sample pairs on \
             the left.",
            "Label pairs",
        ),
        (true, false) => (
            "Ready to train",
            "Press Start training. The curves of the run are drawn here while it learns, with a \
             sentence that says what they mean, and you can stop it whenever you like: what it \
             has learned is kept.",
            "",
        ),
    };
    let actions: &[&str] = if action.is_empty() { &[] } else { &[action] };
    let state = EmptyState { icon: icons::TRAIN, title, sentence, actions };
    if state.show(ui).is_some() {
        let next = if has_model { PanelId::Annotate } else { PanelId::Models };
        commands.push(ViewCommand::ShowPanel(next));
    }
}
