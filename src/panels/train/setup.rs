//! The form: which data, which objective, every knob under TRL's and PEFT's names.

use eframe::egui;
use eframe::egui::{CollapsingHeader, ComboBox, Label, Sides, Ui, Vec2};

use super::fields::{
    Problems, check_ui, choice_ui, number_row_ui, number_ui, radio_ui, row_ui, section_ui,
    small_button_ui,
};
use super::rank::rank_ui;
use super::{
    elsewhere, losses, measuring, mix, newborn, own, policy, rounds, schedule, soft, sweep, texts,
};
use crate::data::samples;
use crate::data::samples::STORIES_TXT;
use crate::llm::INITS;
use crate::panels::preview::preview_ui;
use crate::state::command::{Commands, MappingCommand, TrainCommand};
use crate::state::mapping::Wanted;
use crate::state::train::TrainState;
use crate::state::train::form::{DataSource, characters, counted, pairs, units};
use crate::train::config::objective::{ObjectiveFacts, Reference, Setting};
use crate::train::config::{DTYPES, Dtype, LoraConfig, METHODS, Method, Objective, TrainConfig};
use crate::widgets::button::ActionButton;
use crate::widgets::layout::in_sight_ui;
use crate::widgets::slider_row::SliderRow;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

/// The linear layers of a Llama-like block, and what each one does.
const LINEARS: [(&str, &str); 7] = [
    ("q_proj", "Attention: what each token asks for"),
    ("k_proj", "Attention: what each token offers to be found by"),
    ("v_proj", "Attention: what each token hands over when it is found"),
    ("o_proj", "Attention: how what was found is mixed back in"),
    ("gate_proj", "Feed-forward: which features are switched on"),
    ("up_proj", "Feed-forward: the features themselves"),
    ("down_proj", "Feed-forward: from the features back to the width of a token"),
];
const ATTENTION: usize = 4;

pub(super) fn setup_ui(ui: &mut Ui, train: &mut TrainState, commands: &mut Commands) {
    ui.spacing_mut().item_spacing.y = 6.0;
    let problems = Problems(train.form_problems());
    if train.form.objective.reads_texts() {
        objective_ui(ui, train, &problems);
        if !train.form.objective.reads_texts() {
            return; // another one was picked: the form is another
        }
        texts::model_ui(ui, &mut train.texts, commands);
        data_ui(ui, train, commands);
        let config = &mut train.form;
        texts::learning_ui(ui, config, &problems);
        let kind = (config.objective, config.method);
        in_sight_ui(ui, ("steps", kind), |ui| steps_ui(ui, config, &problems));
        in_sight_ui(ui, ("after", kind), |ui| {
            measuring::measuring_ui(ui, &mut train.form, &problems);
            advanced_ui(ui, &mut train.form, &problems);
            sweep::several_ui(ui, train);
            files_ui(ui, commands);
        });
        return;
    }
    data_ui(ui, train, commands);
    mix::mix_ui(ui, train, &problems, commands);
    objective_ui(ui, train, &problems);
    if train.form.objective == Objective::Pretrain {
        newborn::newborn_ui(ui, train, &problems);
    }
    let parameters = train.estimate.parameters_sentence();
    let config = &mut train.form;
    let kind = (config.objective, config.method);
    in_sight_ui(ui, ("steps", kind), |ui| steps_ui(ui, config, &problems));
    in_sight_ui(ui, ("method", kind), |ui| {
        if config.objective != Objective::Pretrain {
            method_ui(ui, config, &problems);
            if let Some(words) = parameters {
                ui.add(Label::new(theme::muted(ui, words)).wrap());
            }
        }
        if config.method == Method::Lora {
            adapter_ui(ui, &mut config.lora, &problems);
        }
        if let Some(kind) = config.method.soft() {
            soft::soft_ui(ui, kind, &mut config.soft_prompt, &problems);
        }
    });
    in_sight_ui(ui, ("after", kind), |ui| {
        measuring::measuring_ui(ui, &mut train.form, &problems);
        advanced_ui(ui, &mut train.form, &problems);
        sweep::several_ui(ui, train);
        files_ui(ui, commands);
        elsewhere::bundle_ui(ui, train, commands);
    });
}

fn files_ui(ui: &mut Ui, commands: &mut Commands) {
    ui.add_space(theme::GAP);
    ui.horizontal_wrapped(|ui| {
        let save = ActionButton::quiet("Save as run file…").icon(icons::EXPORT);
        let hint = "Write these settings to a file that `tuning-fork train` runs without a window";
        if ui.add(save).on_hover_text(hint).clicked() {
            commands.push(TrainCommand::SaveRunFile);
        }
        let open = ActionButton::quiet("Open run file…").icon(icons::FILE);
        if ui.add(open).on_hover_text("Take the settings from a run file").clicked() {
            commands.push(TrainCommand::ChooseRunFile);
        }
    });
}

fn data_ui(ui: &mut Ui, train: &mut TrainState, commands: &mut Commands) {
    section_ui(ui, "Data");
    if train.form.objective == Objective::Pretrain {
        return text_ui(ui, train, commands);
    }
    let of_texts = train.form.objective.reads_texts();
    let hint = if of_texts {
        let sample = counted(samples::headline_count(), "headline", "headlines");
        let hint = "Headlines that come with the program, written for it: half of them biased, half \
                    neutral";
        source_ui(ui, &mut train.source, DataSource::Sample, "Sample headlines", hint, &sample);
        "JSON, CSV, Excel or Parquet with a column of texts and one of labels"
    } else {
        let project = pairs(train.project_pairs);
        let hint = "What was labelled in the Annotate panel: every verdict with a winner";
        source_ui(
            ui,
            &mut train.source,
            DataSource::ProjectPairs,
            "This project's pairs",
            hint,
            &project,
        );
        let sample = pairs(train.sample_rows);
        let hint =
            "Pairs that come with the program: the chosen answer is concise and well supported";
        source_ui(ui, &mut train.source, DataSource::Sample, "Sample pairs", hint, &sample);
        "JSON, CSV, Excel or Parquet with prompt, chosen and rejected, or prompt and completion"
    };
    let (name, rows) = match &train.file {
        Some(file) => {
            let name = file.path.file_name().unwrap_or(file.path.as_os_str());
            let (one, many) = units(train.form.objective);
            (name.to_string_lossy().into_owned(), counted(file.rows, one, many))
        }
        None => ("A file".to_owned(), String::new()),
    };
    let about = if train.file.is_some() { format!("{name}: {hint}") } else { hint.to_owned() };
    let (picked, chooses) = Sides::new().shrink_left().truncate().show(
        ui,
        |ui| {
            let file = radio_ui(ui, train.source == DataSource::File, &name);
            file.on_hover_text(about).clicked()
        },
        |ui| {
            if !rows.is_empty() {
                ui.add(Label::new(theme::muted(ui, rows)).selectable(false));
            }
            small_button_ui(ui, "Choose file…", hint)
        },
    );
    if let (DataSource::File, Some(report)) =
        (train.source, train.file.as_ref().and_then(|file| file.report.as_ref()))
        && preview_ui(ui, report)
    {
        commands.push(MappingCommand::Change(Wanted::Training(train.form.objective)));
    }
    if picked {
        train.source = DataSource::File;
    }
    train.take_columns();
    if chooses || (picked && train.file.is_none()) {
        commands.push(TrainCommand::ChooseData);
    }
}

/// Which text a model is pretrained on.
fn text_ui(ui: &mut Ui, train: &mut TrainState, commands: &mut Commands) {
    let sample = characters(STORIES_TXT.len());
    let hint = "700 short stories in simple words that come with the program";
    source_ui(ui, &mut train.source, DataSource::Sample, "Sample stories", hint, &sample);
    let hint = "A text (.txt, .md), or a table with a column text";
    let (name, count) = match &train.file {
        Some(file) => {
            let name = file.path.file_name().unwrap_or(file.path.as_os_str());
            (name.to_string_lossy().into_owned(), characters(file.rows))
        }
        None => ("A file".to_owned(), String::new()),
    };
    let (picked, chooses) = Sides::new().shrink_left().truncate().show(
        ui,
        |ui| {
            let file = radio_ui(ui, train.source == DataSource::File, &name);
            file.on_hover_text(hint).clicked()
        },
        |ui| {
            if !count.is_empty() {
                ui.add(Label::new(theme::muted(ui, count)).selectable(false));
            }
            small_button_ui(ui, "Choose file…", hint)
        },
    );
    if picked {
        train.source = DataSource::File;
    }
    if chooses || (picked && train.file.is_none()) {
        commands.push(TrainCommand::ChooseData);
    }
}

/// A radio button, and on the right how much there is.
fn source_ui(
    ui: &mut Ui,
    source: &mut DataSource,
    value: DataSource,
    name: &str,
    explanation: &str,
    count: &str,
) {
    ui.horizontal(|ui| {
        if radio_ui(ui, *source == value, name).on_hover_text(explanation).clicked() {
            *source = value;
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.add(Label::new(theme::muted(ui, count)).selectable(false));
        });
    });
}

fn objective_ui(ui: &mut Ui, train: &mut TrainState, problems: &Problems) {
    section_ui(ui, "Objective");
    let before = train.form.objective;
    let segments: Vec<_> = Objective::ALL
        .into_iter()
        .map(|value| {
            let ObjectiveFacts { name, explanation, .. } = *value.facts();
            Segment { value, words: name, explanation }
        })
        .collect();
    segmented_ui(ui, &mut train.form.objective, &segments);
    let aim = train.form.objective.facts().aim;
    ui.add(Label::new(theme::muted(ui, aim)).truncate().selectable(false));
    if before != train.form.objective {
        train.objective_changed(before);
    }
    if train.form.objective.has(Setting::Beta) {
        SliderRow::new(
            "beta",
            match train.form.objective.facts().reference {
                Reference::Measured => {
                    "β in the papers: how strongly the model is held to where it began. Small: it \
                     may move far; large: it stays close"
                }
                Reference::EachRound => {
                    "The KL leash: how strongly the model is held to where it began. 0: no leash, and the KL is \
                     not measured"
                }
                Reference::None => {
                    "β in the papers: by how much the difference between the answers counts. For \
                     simpo, 2 is usual"
                }
            },
            0.01..=1.0,
        )
        .limits(if train.form.objective.samples() { 0.0..=100.0 } else { 0.0001..=100.0 })
        .logarithmic()
        .decimals(3)
        .show(ui, &mut train.form.beta);
        problems.show(ui, "beta");
    }
    if train.form.objective.has(Setting::Losses) {
        losses::losses_ui(ui, &mut train.form, problems);
    }
    own::weights_ui(ui, &mut train.form, problems);
    policy::policy_ui(ui, &mut train.form, problems);
}

fn steps_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    section_ui(ui, "Steps");
    // A model from nothing takes larger steps.
    let most = if config.objective == Objective::Pretrain { 1e-2 } else { 1e-3 };
    SliderRow::new(
        "learning_rate",
        "How far each step goes. Too small: nothing changes; too large: the loss jumps or is no \
         longer a number",
        1e-6..=most,
    )
    .limits(1e-9..=1.0)
    .scientific()
    .show(ui, &mut config.learning_rate);
    problems.show(ui, "learning_rate");

    length_ui(ui, config, problems);
    let samples = config.objective.samples();
    number_row_ui(
        ui,
        "per_device_train_batch_size",
        if samples {
            "Answers that are learned from at once, over all prompts: with num_generations answers to each \
             prompt, so many prompts are in a round"
        } else {
            "Pairs that go through the model at once. More is steadier and takes more memory"
        },
        &mut config.per_device_train_batch_size,
        1..=256,
    );
    problems.show(ui, "per_device_train_batch_size");
    number_row_ui(
        ui,
        "gradient_accumulation_steps",
        "Batches that are averaged into one step: a larger batch without more memory",
        &mut config.gradient_accumulation_steps,
        1..=1024,
    );
    problems.show(ui, "gradient_accumulation_steps");
    dtype_ui(ui, &mut config.dtype);
}

/// How the base model's weights are kept.
fn dtype_ui(ui: &mut Ui, dtype: &mut Dtype) {
    let hint = "How the base model's weights are kept while it trains. float32 is the fastest; \
                bfloat16 takes half of that; auto keeps them as the file has them, which takes the \
                least where the model is quantised (QLoRA)";
    row_ui(ui, "dtype", hint, |ui| {
        let name =
            |dtype| DTYPES.iter().find(|(_, known)| *known == dtype).map_or("", |(name, _)| name);
        let combo = ComboBox::from_id_salt("dtype")
            .selected_text(name(*dtype))
            .width(theme::em(ui) * 9.0)
            .show_ui(ui, |ui| {
                for (name, choice) in DTYPES {
                    ui.selectable_value(dtype, choice, name);
                }
            });
        combo.response.accessible_name("dtype").on_hover_text(hint);
    });
}

/// How long: a number of steps, or of epochs.
fn length_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    let mut counts_steps = config.max_steps.is_some();
    let hint = "Stop after so many optimizer steps (max_steps), or after going through the data \
                so many times (num_train_epochs)";
    row_ui(ui, "Length", hint, |ui| {
        if let Some(steps) = &mut config.max_steps {
            number_ui(ui, "max_steps", steps, 1..=1_000_000)
        } else {
            number_ui(ui, "num_train_epochs", &mut config.num_train_epochs, 0.1..=1000.0)
        };
        // From the right, as the row is laid out.
        let segments = [
            Segment {
                value: false,
                words: "epochs",
                explanation: "num_train_epochs: so many times through the data",
            },
            Segment {
                value: true,
                words: "steps",
                explanation: "max_steps: so many optimizer steps",
            },
        ];
        segmented_ui(ui, &mut counts_steps, &segments);
    });
    if counts_steps != config.max_steps.is_some() {
        config.max_steps = counts_steps.then_some(60);
    }
    problems.show(ui, "max_steps");
    problems.show(ui, "num_train_epochs");
}

/// What learns: an adapter, or weights of the model itself.
fn method_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    section_ui(ui, "What learns");
    let decoders = METHODS.iter().filter(|(_, method, _)| method.is_for(false));
    let segments: Vec<_> = decoders
        .map(|(words, value, explanation)| Segment { value: *value, words, explanation })
        .collect();
    segmented_ui(ui, &mut config.method, &segments);
    problems.show(ui, "method");
    rounds::continued_ui(ui, config);
    problems.show(ui, "adapter");
}

fn adapter_ui(ui: &mut Ui, lora: &mut LoraConfig, problems: &Problems) {
    section_ui(ui, "Adapter (LoRA)");
    rank_ui(ui, lora, problems);
    let hint = "Which layers of each block get an adapter";
    row_ui(ui, "target_modules", hint, |ui| {
        let chosen = |count| LINEARS[..count].iter().map(|(name, _)| (*name).to_owned()).collect();
        if small_button_ui(ui, "All linear", "The attention and the feed-forward layers") {
            lora.target_modules = chosen(LINEARS.len());
        }
        if small_button_ui(ui, "Attention", "The four layers of the attention") {
            lora.target_modules = chosen(ATTENTION);
        }
    });
    targets_ui(ui, &mut lora.target_modules);
    problems.show(ui, "lora.target_modules");
}

/// A check box for each linear layer, and for each other name that a run file brought.
fn targets_ui(ui: &mut Ui, targets: &mut Vec<String>) {
    let others: Vec<String> = targets
        .iter()
        .filter(|name| LINEARS.iter().all(|(known, _)| known != name))
        .cloned()
        .collect();
    let known = LINEARS.iter().map(|(name, explanation)| ((*name).to_owned(), *explanation));
    let others = others.into_iter().map(|name| (name, "Named in the run file"));
    let all: Vec<_> = known.chain(others).collect();
    let columns = 4.min((ui.available_width() / (theme::em(ui) * 6.6)).floor().max(1.0) as usize);
    egui::Grid::new("target_modules")
        .num_columns(columns)
        .spacing(Vec2::new(theme::GAP, theme::GAP_SMALL))
        .min_col_width((ui.available_width() - theme::GAP * 3.0) / columns as f32 - 1.0)
        .show(ui, |ui| {
            for (index, (name, explanation)) in all.into_iter().enumerate() {
                let mut on = targets.contains(&name);
                if check_ui(ui, &mut on, &name, explanation).changed() {
                    if on {
                        targets.push(name);
                    } else {
                        targets.retain(|target| *target != name);
                    }
                }
                if (index + 1) % columns == 0 {
                    ui.end_row();
                }
            }
        });
}

fn advanced_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    ui.add_space(theme::GAP);
    // A problem in a folded field would block Start invisibly.
    let fields = [
        "warmup_steps",
        "weight_decay",
        "max_grad_norm",
        "max_length",
        "label_smoothing",
        "f_divergence_type",
        "f_alpha_divergence_coef",
        "ld_alpha",
        "use_weighting",
        "policy.num_iterations",
        "policy.epsilon",
        "policy.epsilon_high",
        "policy.top_entropy_quantile",
        "policy.entropy_coef",
        "policy.max_kl",
        "lr_scheduler_kwargs",
        "assistant_only_loss",
        "truncation_mode",
        "packing",
        "packing_strategy",
        "lora.init_lora_weights",
        "lora.layers_to_transform",
        "lora.rank_pattern",
        "lora.alpha_pattern",
    ];
    let hidden_problem = problems.0.iter().any(|problem| fields.contains(&problem.field));
    CollapsingHeader::new("Advanced").open(hidden_problem.then_some(true)).show_unindented(
        ui,
        |ui| {
            ui.spacing_mut().item_spacing.y = 6.0;
            schedule::schedule_ui(ui, config, problems);
            number_row_ui(
                ui,
                "warmup_steps",
                "Steps over which the learning rate climbs to its full height. Below 1: that share \
                 of all steps",
                &mut config.warmup_steps,
                0.0..=1e6,
            );
            problems.show(ui, "warmup_steps");
            number_row_ui(
                ui,
                "weight_decay",
                "Pulls the adapter's weights towards zero with every step. 0: off",
                &mut config.weight_decay,
                0.0..=1.0,
            );
            problems.show(ui, "weight_decay");
            number_row_ui(
                ui,
                "max_grad_norm",
                "Longer gradients are shortened to this, so that one odd pair cannot throw the \
                 run. 0: off",
                &mut config.max_grad_norm,
                0.0..=1e6,
            );
            problems.show(ui, "max_grad_norm");
            number_row_ui(
                ui,
                "max_length",
                "Prompt and answer together are cut to this many tokens. Shorter is faster",
                &mut config.max_length,
                2..=1_000_000,
            );
            problems.show(ui, "max_length");
            own::own_ui(ui, config, problems);
            policy::loss_ui(ui, config, problems);
            number_row_ui(
                ui,
                "save_steps",
                "Write a checkpoint to resume from every so many steps",
                &mut config.save_steps,
                1..=1_000_000,
            );
            let hint = "Scale the adapter by lora_alpha / √r, which suits large ranks better";
            check_ui(ui, &mut config.lora.use_rslora, "use_rslora", hint);
            let hint = "DoRA: learn the length of each output apart from its direction. A step takes \
                        longer";
            check_ui(ui, &mut config.lora.use_dora, "use_dora", hint);
            let hint = "What the adapter begins with. true: nothing is changed; pissa and olora take a \
                        part out of each layer and train that";
            row_ui(ui, "init_lora_weights", hint, |ui| {
                let init = &mut config.lora.init_lora_weights;
                choice_ui(ui, "init_lora_weights", init, &INITS, hint);
            });
            for field in [
                "lora.init_lora_weights",
                "lora.layers_to_transform",
                "lora.rank_pattern",
                "lora.alpha_pattern",
            ] {
                problems.show_named(ui, field);
            }
            if config.objective.has(Setting::Shuffle) {
                let hint = "Draw the rows in a seeded random order, anew each epoch. Off: in the \
                            order of the file";
                check_ui(ui, &mut config.shuffle, "shuffle", hint);
            }
            number_row_ui(
                ui,
                "lora_dropout",
                "Share of the adapter's inputs that are left out at random, anew in each step. For \
                 DPO only without disable_dropout",
                &mut config.lora.lora_dropout,
                0.0..=0.99,
            );
            if config.objective.has(Setting::DisableDropout) {
                let hint = "As in TRL, DPO trains without dropout: policy and reference then agree \
                            where the adapter changes nothing";
                check_ui(ui, &mut config.disable_dropout, "disable_dropout", hint);
            }
        },
    );
    problems.show_named(ui, "lora.lora_dropout");
}
