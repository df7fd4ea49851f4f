//! Whether it fits this machine: a verdict a line, the numbers on hover.

use eframe::egui;
use eframe::egui::Ui;

use crate::state::hub::detail::{CONTEXTS, DetailView, Pick};
use crate::state::hub::fit;
use crate::state::hub::fit::{Disk, Inference, Training, Verdict, Wait};
use crate::state::models::Memory;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, card_ui, chip_ui};
use crate::widgets::format;
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws the verdicts. True: a GGUF version is to be looked for.
pub fn fit_ui(ui: &mut Ui, detail: &mut DetailView, memory: Memory, pace: Option<f64>) -> bool {
    if detail.picked().is_empty() {
        return false;
    }
    let mut gguf_wanted = false;
    card_ui(ui, |ui| {
        ui.label(theme::strong(ui, "What it needs here"));
        disk_ui(ui, detail.disk());
        let Some(inference) = detail.inference() else { return };
        let verdict = inference.verdict(memory);
        if detail.is_encoder {
            encoding_ui(ui, inference.weights, memory);
            return;
        }
        answering_ui(ui, inference, verdict, detail.context, memory);
        match detail.smaller(memory) {
            Some(index) => {
                let variant = &detail.choices.variants[index];
                let words = format!("Take {}, {}", variant.name, format::bytes(variant.file.size));
                if ui.add(ActionButton::new(&words)).clicked() {
                    detail.pick = Pick::Variant(index);
                }
            }
            None if verdict == Verdict::TooLarge && detail.pick == Pick::Folder => {
                let button = ActionButton::new("Look for a GGUF version").icon(icons::SEARCH);
                let about = "The same model with its weights rounded to 4 bits: a quarter of the \
                             memory, and a little coarser";
                gguf_wanted = ui.add(button).on_hover_text(about).clicked();
            }
            None => {}
        }
        if inference.cache.is_some() {
            context_ui(ui, detail);
        }
        if let Some(training) = &detail.training {
            training_ui(ui, training, memory, pace);
        }
    });
    gguf_wanted
}

fn disk_ui(ui: &mut Ui, disk: Disk) {
    let free = disk.free.map_or(String::new(), |free| format!("; {} free", format::bytes(free)));
    let here = match disk.here {
        0 => String::new(),
        here => format!("; {} of it is here already", format::bytes(here)),
    };
    let about = format!("{} to be fetched{here}{free}", format::bytes(disk.needed));
    let (tone, words) = match disk.verdict() {
        Verdict::Well | Verdict::Slow | Verdict::Tight => {
            (Tone::Chosen, "there is room".to_owned())
        }
        Verdict::TooLarge => (
            Tone::Problem,
            format!("{} too little: delete something first", format::bytes(disk.short_by())),
        ),
        Verdict::Unknown => (Tone::Neutral, "not known".to_owned()),
    };
    line_ui(ui, "Disk", tone, &words, &format::bytes(disk.needed), &about);
}

fn answering_ui(
    ui: &mut Ui,
    inference: Inference,
    verdict: Verdict,
    context: usize,
    memory: Memory,
) {
    let (tone, words) = match verdict {
        Verdict::Well => (Tone::Chosen, "runs well"),
        Verdict::Slow => (Tone::Rejected, "fits, answers slowly"),
        Verdict::Tight => (Tone::Rejected, "tight: close other programs"),
        Verdict::TooLarge => (Tone::Problem, "too large"),
        Verdict::Unknown => (Tone::Neutral, "not known"),
    };
    let cache = match inference.cache {
        Some(cache) => {
            format!("{} for {} tokens of context", format::bytes(cache), format::count(context))
        }
        None => "some more for the context (its configuration is not public)".to_owned(),
    };
    let about = format!(
        "{} for the weights and {cache}; {} of {} memory is free now",
        format::bytes(inference.weights),
        format::bytes(memory.available),
        format::bytes(memory.total)
    );
    let about_sign = if inference.cache.is_none() { "over " } else { "" };
    let amount = format!("{about_sign}{}", format::bytes(inference.needed()));
    line_ui(ui, "Memory to answer", tone, words, &amount, &about);
}

fn whether_it_fits(verdict: Verdict, too_large: &str) -> (Tone, &str) {
    match verdict {
        Verdict::Well | Verdict::Slow => (Tone::Chosen, "fits"),
        Verdict::Tight => (Tone::Rejected, "tight: close other programs"),
        Verdict::TooLarge => (Tone::Problem, too_large),
        Verdict::Unknown => (Tone::Neutral, "not known"),
    }
}

/// An encoder keeps nothing from one token to the next.
fn encoding_ui(ui: &mut Ui, weights: u64, memory: Memory) {
    let (tone, words) = whether_it_fits(Verdict::of_memory(memory, weights), "too large");
    let about = format!(
        "{} for the weights; {} of {} memory is free now",
        format::bytes(weights),
        format::bytes(memory.available),
        format::bytes(memory.total)
    );
    line_ui(ui, "Memory", tone, words, &format::bytes(weights), &about);
}

fn training_ui(ui: &mut Ui, training: &Training, memory: Memory, pace: Option<f64>) {
    let needed = training.memory;
    let verdict = Verdict::of_memory(memory, needed);
    let (tone, words) = whether_it_fits(verdict, "too large: take a smaller model");
    let about = format!(
        "About {} at the peak of a run with a LoRA adapter at the usual settings, its weights \
         widened to f32; {} of {} memory is free now",
        format::bytes(needed),
        format::bytes(memory.available),
        format::bytes(memory.total)
    );
    let amount = format!("about {}", format::bytes(needed));
    line_ui(ui, "Memory to train", tone, words, &amount, &about);
    if verdict != Verdict::TooLarge {
        training_time_ui(ui, training, pace);
    }
}

fn training_time_ui(ui: &mut Ui, training: &Training, pace: Option<f64>) {
    let Some(pace) = pace else {
        let about = "This computer's speed is measured while nothing else runs here";
        line_ui(ui, "Time to train", Tone::Neutral, "not known yet", "", about);
        return;
    };
    let secs = training.secs(pace);
    let (tone, words) = match Wait::of(secs) {
        Wait::Short => (Tone::Chosen, "soon done"),
        Wait::Long => (Tone::Rejected, "long: leave it overnight"),
        Wait::TooLong => (Tone::Problem, "too long: take a smaller model"),
    };
    let Training { step_macs, tokens, epochs, .. } = training;
    let about = format!(
        "For {} pairs of {tokens} tokens, each learned from {epochs} times: {} billion \
         multiplications a pair each time, and this computer does {} billion a second. Yours may \
         be shorter or longer; Train says it of your own pairs before a run starts",
        fit::PAIRS,
        format::count((step_macs / 1_000_000_000) as usize),
        format::count((pace / 1e9) as usize)
    );
    let amount = format!("{} for {} pairs", format::about_duration(secs), fit::PAIRS);
    line_ui(ui, "Time to train", tone, words, &amount, &about);
}

fn context_ui(ui: &mut Ui, detail: &mut DetailView) {
    let config = detail.config.as_ref().and_then(|config| config.as_ref().ok());
    let Some(longest) = config.map(|config| config.context_length) else { return };
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::muted(ui, "with a context of"));
        let shorter = CONTEXTS.iter().copied().filter(|tokens| *tokens < longest);
        let choices: Vec<usize> = shorter.chain([longest]).collect();
        for tokens in choices {
            let selected = detail.context.min(longest) == tokens;
            let button = egui::Button::selectable(selected, format::count(tokens));
            let response = ui.add(button).on_hover_text("Prompt and answer together, in tokens");
            if response.accessible_name(format!("Context {tokens}")).clicked() {
                detail.context = tokens;
            }
        }
    });
}

/// `Disk  [there is room]  2.5 GB`
fn line_ui(ui: &mut Ui, name: &str, tone: Tone, words: &str, amount: &str, about: &str) {
    ui.horizontal_wrapped(|ui| {
        let size = egui::vec2(theme::em(ui) * 9.0, ui.spacing().interact_size.y);
        ui.allocate_ui_with_layout(size, egui::Layout::left_to_right(egui::Align::Center), |ui| {
            ui.set_min_width(size.x);
            ui.label(name);
        });
        chip_ui(ui, tone, None, words).on_hover_text(about);
        if !amount.is_empty() {
            ui.label(theme::number(amount)).on_hover_text(about);
        }
    });
}
