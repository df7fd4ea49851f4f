//! A run that learns from texts: which model, which texts, what learns; and its classifier, tried on
//! a text that is typed in.

use eframe::egui::{ComboBox, Label, TextEdit, Ui};

use super::fields::{Problems, check_ui, choice_ui, number_row_ui, row_ui, section_ui};
use super::rank::rank_ui;
use crate::state::command::{Commands, TrainCommand, ViewCommand};
use crate::state::prefs::PanelId;
use crate::state::train::texts::{Answer, Kind, TextsState, Trial};
use crate::train::config::objective::Setting;
use crate::train::config::{ClassWeights, METHODS, Method, PROBLEM_TYPES, TrainConfig};
use crate::widgets::button::ActionButton;
use crate::widgets::card::{card_ui, title_row_ui};
use crate::widgets::choice::value_ui;
use crate::widgets::layout::row_name_ui;
use crate::widgets::slider_row::SliderRow;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

/// The encoder or decoder that the run begins with.
pub(super) fn model_ui(ui: &mut Ui, texts: &mut TextsState, commands: &mut Commands) {
    section_ui(ui, "Model");
    if texts.models.is_empty() {
        let words = "No model is on this disk yet. Find an encoder in Models, such as \
                     distilbert-base-uncased or all-MiniLM-L6-v2";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        let find = ActionButton::new("Find an encoder").icon(icons::LOOK);
        if ui.add(find).clicked() {
            commands.push(ViewCommand::ShowPanel(PanelId::Models));
        }
        return;
    }
    let hint = "The model that the run begins with: an encoder, or a decoder, which gets a score head. It \
                need not be loaded";
    let name = texts.chosen_name().unwrap_or("Choose one").to_owned();
    let width = ui.available_width();
    let TextsState { models, chosen, .. } = texts;
    let combo =
        ComboBox::from_id_salt("model of texts").selected_text(name).width(width).truncate();
    let combo = combo.show_ui(ui, |ui| {
        for model in models.iter() {
            let name = match model.kind {
                Kind::Encoder => model.name.clone(),
                Kind::Decoder => format!("{} (decoder)", model.name),
            };
            value_ui(ui, chosen, Some(model.path.clone()), &name);
        }
    });
    combo.response.accessible_name("model to train").on_hover_text(hint);
}

/// What learns, and the settings of labels.
pub(super) fn learning_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    section_ui(ui, "What learns");
    let methods: Vec<Segment<'_, Method>> = METHODS
        .iter()
        .filter(|(_, method, _)| method.is_for(true))
        .map(|(words, value, explanation)| Segment { value: *value, words, explanation })
        .collect();
    segmented_ui(ui, &mut config.method, &methods);
    problems.show(ui, "method");
    if config.method == Method::Lora {
        rank_ui(ui, &mut config.lora, problems);
        let targets = &mut config.lora.target_modules;
        let mut is_all = targets.iter().any(|target| target == "all-linear");
        let hint = "LoRA on every linear layer. Off: on queries and values, as PEFT has it for the \
                    family";
        if check_ui(ui, &mut is_all, "all linear layers", hint).changed() {
            targets.clear();
            if is_all {
                targets.push("all-linear".to_owned());
            }
        }
        problems.show(ui, "lora.target_modules");
    }
    if config.objective.has(Setting::Classes) {
        let mut is_balanced = config.class_weights == ClassWeights::BALANCED;
        let hint = "Every label counts the same in the loss, however few texts have it";
        if check_ui(ui, &mut is_balanced, "balanced class_weights", hint).changed() {
            config.class_weights =
                if is_balanced { ClassWeights::BALANCED } else { ClassWeights::None };
        }
        problems.show(ui, "class_weights");
        let hint = "Whether a text has one label or any number of them";
        row_ui(ui, "problem_type", hint, |ui| {
            choice_ui(ui, "problem_type", &mut config.problem_type, &PROBLEM_TYPES, hint);
        });
        let hint = "Where several coders labelled a text: learn the share of each label. Off: the \
                    label that most of them gave";
        check_ui(ui, &mut config.soft_labels, "soft_labels", hint);
    }
    if config.objective.has(Setting::Masking) {
        let hint = "Share of the words that are hidden and guessed";
        number_row_ui(ui, "mlm_probability", hint, &mut config.mlm_probability, 0.01..=0.9);
        problems.show(ui, "mlm_probability");
    }
    if config.objective.has(Setting::TestPart) {
        SliderRow::new(
            "test_share",
            "Share of the texts that is opened once, after training: the honest result",
            0.0..=0.5,
        )
        .limits(0.0..=0.9)
        .show(ui, &mut config.test_share);
        problems.show(ui, "test_share");
    }
}

/// A text, and what the classifier of a run makes of it.
pub(super) fn trial_ui(ui: &mut Ui, id: &str, trial: &mut Trial, commands: &mut Commands) {
    ui.add_space(theme::GAP);
    card_ui(ui, |ui| {
        title_row_ui(ui, "Try the classifier", |_ui| {});
        let width = ui.available_width();
        let field = TextEdit::singleline(&mut trial.text)
            .hint_text("A text to be labelled")
            .desired_width(width);
        let response = ui.add(field);
        response.clone().accessible_name("A text to be labelled");
        let entered =
            response.lost_focus() && ui.input(|input| input.key_pressed(eframe::egui::Key::Enter));
        let is_asking = trial.asked.is_some();
        let is_ready = !is_asking && !trial.text.trim().is_empty();
        let button = ActionButton::primary("Label this text");
        let button = ui.add_enabled(is_ready, button);
        let reason = if is_asking { "The classifier is at work" } else { "Type a text first" };
        let pressed = button.on_disabled_hover_text(reason).clicked();
        if is_ready && (pressed || entered) {
            commands.push(TrainCommand::Label(id.to_owned(), trial.text.clone()));
        }
        let Some(Answer { text, labels, .. }) =
            trial.answer.as_ref().filter(|answer| answer.id == id)
        else {
            return;
        };
        ui.add(Label::new(theme::muted(ui, format!("“{text}”"))).wrap());
        match labels {
            Err(reason) => {
                ui.add(Label::new(reason).wrap());
            }
            Ok(labels) => {
                for (name, share) in labels {
                    share_ui(ui, name, *share);
                }
            }
        }
    });
}

/// A label with its probability, as a bar.
fn share_ui(ui: &mut Ui, name: &str, share: f32) {
    let p = theme::palette(ui);
    ui.horizontal(|ui| {
        row_name_ui(ui, theme::em(ui) * 9.0, name);
        let bar = eframe::egui::ProgressBar::new(share.clamp(0.0, 1.0))
            .desired_width((ui.available_width() - theme::em(ui) * 5.0).max(theme::em(ui) * 4.0))
            .desired_height(8.0)
            .fill(p.accent);
        ui.add(bar).accessible_name(format!("{name}: {:.1} %", share * 100.0));
        ui.label(theme::number(format!("{:.1} %", share * 100.0)));
    });
}
