//! The virtual tokens of prompt tuning and of prefix tuning.

use eframe::egui::{TextEdit, Ui};

use super::fields::{Problems, choice_ui, row_ui, section_ui};
use crate::llm::SoftKind;
use crate::train::config::{PROMPT_INITS, PromptInit, SoftPromptConfig};
use crate::widgets::slider_row::SliderRow;

/// How many virtual tokens there are, and what they begin as.
pub(super) fn soft_ui(
    ui: &mut Ui,
    kind: SoftKind,
    config: &mut SoftPromptConfig,
    problems: &Problems,
) {
    section_ui(
        ui,
        match kind {
            SoftKind::Prompt => "Soft prompt",
            SoftKind::Prefix => "Prefix",
        },
    );
    SliderRow::new(
        "num_virtual_tokens",
        "Tokens that stand before every text. They are no words: only numbers, which learn. More can learn \
         more, and each text is so much longer",
        1.0..=100.0,
    )
    .limits(1.0..=10_000.0)
    .logarithmic()
    .decimals(0)
    .show(ui, &mut config.num_virtual_tokens);
    problems.show(ui, "soft_prompt.num_virtual_tokens");
    if kind == SoftKind::Prefix {
        return;
    }
    let hint = "What the virtual tokens begin as. TEXT: the tokens of a text that you write, which learns \
                fastest. RANDOM: random numbers. SAMPLE_VOCAB: random tokens of the vocabulary";
    row_ui(ui, "prompt_tuning_init", hint, |ui| {
        choice_ui(ui, "prompt_tuning_init", &mut config.prompt_tuning_init, &PROMPT_INITS, hint);
    });
    if config.prompt_tuning_init == PromptInit::Text {
        let width = ui.available_width();
        let field = TextEdit::singleline(&mut config.prompt_tuning_init_text)
            .hint_text("prompt_tuning_init_text: what they begin as")
            .desired_width(width);
        ui.add(field).accessible_name("prompt_tuning_init_text");
        problems.show(ui, "soft_prompt.prompt_tuning_init_text");
    }
}
