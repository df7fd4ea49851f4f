//! The rank of an adapter, and how much its change counts.

use eframe::egui::Ui;

use super::fields::Problems;
use crate::train::config::LoraConfig;
use crate::widgets::slider_row::SliderRow;

/// How much an adapter can learn, and how much its change counts.
pub(super) fn rank_ui(ui: &mut Ui, lora: &mut LoraConfig, problems: &Problems) {
    SliderRow::new(
        "r",
        "The rank: how many directions each layer may change in. More can learn more, and \
         takes more memory",
        1.0..=64.0,
    )
    .limits(1.0..=1024.0)
    .logarithmic()
    .decimals(0)
    .show(ui, &mut lora.r);
    problems.show(ui, "lora.r");
    SliderRow::new(
        "lora_alpha",
        "The adapter's change is multiplied by lora_alpha / r. Twice the rank is usual",
        1.0..=128.0,
    )
    .limits(0.001..=10_000.0)
    .logarithmic()
    .decimals(0)
    .show(ui, &mut lora.lora_alpha);
    problems.show(ui, "lora.lora_alpha");
}
