//! The form of pretraining: the shape of a model that is born, with what it takes.

use eframe::egui::{Label, Ui};

use super::fields::{Problems, choice_ui, number_row_ui, row_ui, section_ui, small_button_ui};
use crate::llm::newborn::{ARCHITECTURES, Architecture, Newborn};
use crate::llm::text::born::{TOKEN_KINDS, TokenKind};
use crate::state::train::TrainState;
use crate::state::train::newborn::{PRESETS, takes};
use crate::widgets::slider_row::SliderRow;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;

/// Which model a text teaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    FromNothing,
    FromTheLoadedModel,
}

pub(super) fn newborn_ui(ui: &mut Ui, train: &mut TrainState, problems: &Problems) {
    section_ui(ui, "Model");
    let mut begins = match train.form.newborn {
        Some(_) => Begins::FromNothing,
        None => Begins::FromTheLoadedModel,
    };
    let before = begins;
    let segments = [
        Segment {
            value: Begins::FromNothing,
            words: "A new model",
            explanation: "A small model with random weights, and a tokenizer made from the text",
        },
        Segment {
            value: Begins::FromTheLoadedModel,
            words: "The loaded model",
            explanation: "The model that is loaded reads the text, and its weights change",
        },
    ];
    segmented_ui(ui, &mut begins, &segments);
    if begins != before {
        train.form.newborn = (begins == Begins::FromNothing).then(Newborn::default);
    }
    let characters = train.data().map_or(0, |data| data.rows());
    if train.form.newborn.is_some() {
        row_ui(ui, "Presets", "Settings that were tried on two cores", |ui| {
            // From the right, as the row is laid out.
            for preset in PRESETS.iter().rev() {
                if small_button_ui(ui, preset.name, preset.explanation) {
                    train.form = preset.applied(&train.form);
                }
            }
        });
    }
    if let Some(newborn) = &mut train.form.newborn {
        shape_ui(ui, newborn);
    }
    for field in [
        "newborn.hidden_size",
        "newborn.num_hidden_layers",
        "newborn.num_attention_heads",
        "newborn.num_key_value_heads",
        "newborn.max_position_embeddings",
        "newborn.vocab_size",
        "method",
    ] {
        problems.show(ui, field);
    }
    SliderRow::new(
        "max_length",
        "Tokens of a window: so far back the model can look while it learns",
        16.0..=1024.0,
    )
    .limits(2.0..=1_000_000.0)
    .logarithmic()
    .decimals(0)
    .show(ui, &mut train.form.max_length);
    problems.show(ui, "max_length");
    if let Some(takes) = takes(&train.form, characters) {
        ui.add(Label::new(theme::muted(ui, takes.sentence())).wrap().selectable(false));
    }
}

fn shape_ui(ui: &mut Ui, newborn: &mut Newborn) {
    let hint = "Llama: rotary positions and RMS norms. GPT-2: learned positions and layer norms";
    row_ui(ui, "model_type", hint, |ui| {
        choice_ui(ui, "model_type", &mut newborn.model_type, &ARCHITECTURES, hint);
    });
    let hint = "What a token is: a character, a byte, or a piece of a word (BPE), of which frequent ones are \
                found in the text";
    row_ui(ui, "tokenizer", hint, |ui| {
        choice_ui(ui, "tokenizer", &mut newborn.tokenizer, &TOKEN_KINDS, hint);
    });
    if newborn.tokenizer == TokenKind::Bpe {
        number_row_ui(
            ui,
            "vocab_size",
            "How many different tokens there are",
            &mut newborn.vocab_size,
            260..=200_000,
        );
    }
    let mut slider = |name: &'static str, hint: &'static str, value: &mut usize, most: f64| {
        SliderRow::new(name, hint, 1.0..=most)
            .limits(1.0..=8192.0)
            .logarithmic()
            .decimals(0)
            .show(ui, value);
    };
    slider(
        "Layers",
        "num_hidden_layers: how often attention and feed-forward follow each other",
        &mut newborn.num_hidden_layers,
        24.0,
    );
    let heads = newborn.num_attention_heads.max(1);
    let mut head_width = newborn.hidden_size / heads;
    slider(
        "Heads",
        "num_attention_heads: how many places a layer looks at together",
        &mut newborn.num_attention_heads,
        16.0,
    );
    slider(
        "Width of a head",
        "hidden_size divided by num_attention_heads: an even number",
        &mut head_width,
        128.0,
    );
    newborn.hidden_size =
        newborn.num_attention_heads.max(1) * head_width.next_multiple_of(2).max(2);
    if newborn.model_type == Architecture::Gpt2
        || !newborn.num_attention_heads.is_multiple_of(newborn.num_key_value_heads.max(1))
    {
        newborn.num_key_value_heads = newborn.num_attention_heads;
    }
    slider(
        "Context",
        "max_position_embeddings: tokens that it can read together",
        &mut newborn.max_position_embeddings,
        2048.0,
    );
}
