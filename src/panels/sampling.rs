//! The settings of the sampling chain, each with a number field and a sentence.

use eframe::egui;
use eframe::egui::{DragValue, Label, TextEdit, Ui};

use crate::llm::generate::sampling::{ChainOrder, SamplingParams, Stage, Step};
use crate::remote::ability;
use crate::state::playground::{PlaygroundState, Speed};
use crate::state::prefs::Prefs;
use crate::widgets::button::ActionButton;
use crate::widgets::slider_row::SliderRow;
use crate::widgets::switch;
use crate::widgets::switch::Segment;
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// No model of today answers at greater length, and a slip of the finger should not take a night.
const MOST_NEW_TOKENS: u32 = 32_768;

/// Draws every knob of the chain. A new field of [`SamplingParams`] fails to compile here.
pub fn sampling_ui(ui: &mut Ui, params: &mut SamplingParams) {
    settings_ui(ui, params, None);
}

/// The same for a model on a server: `knows` says which of the settings it computes, by their fields of
/// a request.
pub fn sampling_at_server_ui(
    ui: &mut Ui,
    params: &mut SamplingParams,
    knows: &dyn Fn(&str) -> bool,
) {
    settings_ui(ui, params, Some(knows));
}

fn settings_ui(ui: &mut Ui, params: &mut SamplingParams, knows: Option<&dyn Fn(&str) -> bool>) {
    let SamplingParams {
        greedy,
        temperature,
        top_k,
        top_p,
        min_p,
        typical_p,
        repetition_penalty,
        no_repeat_ngram_size,
        order,
    } = params;
    // A server has its own order.
    if knows.is_none() {
        order_ui(ui, order);
    }
    let has = |name: &str| knows.is_none_or(|knows| knows(name));
    let about = "Always take the likeliest token. The penalty and the n-gram ban still apply; the \
                 rest is off";
    switch::switch_ui(ui, greedy, "Greedy", about);
    let drawn = !*greedy;
    let about = "Divides the scores: below 1 the likely get likelier, above 1 the field evens out";
    SliderRow::new("Temperature", about, 0.0..=2.0)
        .limits(0.0..=10.0)
        .enabled(drawn)
        .off_at(1.0)
        .show(ui, temperature);
    let about = "Keep the k likeliest tokens; 0 keeps all";
    SliderRow::new("Top-k", about, 0.0..=200.0)
        .limits(0.0..=100_000.0)
        .decimals(0)
        .enabled(drawn && has(ability::TOP_K))
        .off_at(0.0)
        .show(ui, top_k);
    let about =
        "Keep the smallest set of tokens whose probabilities sum to at least p; 1 keeps all";
    SliderRow::new("Top-p", about, 0.0..=1.0).enabled(drawn).off_at(1.0).show(ui, top_p);
    let about = "Remove tokens less likely than this share of the likeliest one; 0 removes none";
    SliderRow::new("Min-p", about, 0.0..=1.0)
        .enabled(drawn && has(ability::MIN_P))
        .off_at(0.0)
        .show(ui, min_p);
    let about = "Keep the tokens whose surprise is closest to the expected one, up to this mass; 1 \
                 keeps all";
    SliderRow::new("Typical-p", about, 0.0..=1.0)
        .enabled(drawn && has(ability::TYPICAL_P))
        .off_at(1.0)
        .show(ui, typical_p);
    let knows = [ability::REPETITION_PENALTY, ability::NGRAM].map(has);
    repeats_ui(ui, repetition_penalty, no_repeat_ngram_size, knows);
}

/// Of the chain only what a beam search uses: what keeps an answer from repeating itself.
pub fn penalties_ui(ui: &mut Ui, params: &mut SamplingParams) {
    let SamplingParams { repetition_penalty, no_repeat_ngram_size, .. } = params;
    repeats_ui(ui, repetition_penalty, no_repeat_ngram_size, [true, true]);
}

fn repeats_ui(ui: &mut Ui, penalty: &mut f32, ngram: &mut usize, enabled: [bool; 2]) {
    let about = "Makes every token that is already there less likely; 1 is off";
    SliderRow::new("Repetition penalty", about, 1.0..=2.0)
        .limits(0.1..=10.0)
        .enabled(enabled[0])
        .off_at(1.0)
        .show(ui, penalty);
    let about = "Forbids any run of this many tokens from appearing twice; 0 is off";
    SliderRow::new("No-repeat n-gram", about, 0.0..=10.0)
        .limits(0.0..=1000.0)
        .decimals(0)
        .enabled(enabled[1])
        .off_at(0.0)
        .show(ui, ngram);
}

/// Whose order the settings act in.
fn order_ui(ui: &mut Ui, order: &mut ChainOrder) {
    let segments = [
        Segment {
            value: ChainOrder::Transformers,
            words: "transformers",
            explanation: "Penalties, temperature, top-k, top-p, min-p, typical-p. The penalty \
                          counts all tokens of the prompt and the answer",
        },
        Segment {
            value: ChainOrder::LlamaCpp,
            words: "llama.cpp",
            explanation: "Penalties, top-k, typical-p, top-p, min-p, and temperature last. The \
                          penalty counts the last 64 tokens",
        },
    ];
    ui.horizontal_wrapped(|ui| {
        let name = Label::new("Order").selectable(false).sense(egui::Sense::hover());
        ui.add(name).on_hover_text("In which order the settings act on the model's scores");
        switch::segmented_ui(ui, order, &segments);
    });
}

/// A step of the chain, in full and short where there is little room; what it is set to.
pub fn step_words(step: Step, params: &SamplingParams) -> (&'static str, &'static str, String) {
    match step {
        Step::Penalties => {
            let value = match (params.repetition_penalty, params.no_repeat_ngram_size) {
                (penalty, 0) => format!("{penalty:.2}"),
                (1.0, size) => format!("{size}-grams"),
                (penalty, size) => format!("{penalty:.2} · {size}-grams"),
            };
            ("Penalties", "Pen.", value)
        }
        Step::Greedy => ("Greedy", "Greedy", "likeliest".to_owned()),
        Step::Temperature => ("Temperature", "Temp.", format!("{:.2}", params.temperature)),
        Step::TopK => ("Top-k", "Top-k", params.top_k.to_string()),
        Step::TopP => ("Top-p", "Top-p", format!("{:.2}", params.top_p)),
        Step::MinP => ("Min-p", "Min-p", format!("{:.2}", params.min_p)),
        Step::TypicalP => ("Typical-p", "Typ.-p", format!("{:.2}", params.typical_p)),
    }
}

/// Draws what else decides an answer: its length, its seed, where it stops.
pub fn limits_ui(ui: &mut Ui, playground: &mut PlaygroundState, prefs: &mut Prefs) {
    length_ui(ui, prefs);
    seed_ui(ui, playground);
    stop_ui(ui, playground);
    speed_ui(ui, &mut playground.speed);
}

/// Its length alone.
pub fn length_ui(ui: &mut Ui, prefs: &mut Prefs) {
    let about = "The answer ends after this many tokens at the latest";
    SliderRow::new("Max new tokens", about, 1.0..=1024.0)
        .limits(1.0..=f64::from(MOST_NEW_TOKENS))
        .decimals(0)
        .logarithmic()
        .show(ui, &mut prefs.max_new_tokens);
}

/// Slow enough for eyes.
pub fn speed_ui(ui: &mut Ui, speed: &mut Speed) {
    let about = "The answer appears with at most so many tokens a second; 0 is no limit";
    SliderRow::new("Tokens a second", about, 0.0..=30.0)
        .limits(0.0..=1000.0)
        .decimals(0)
        .enabled(!speed.one_at_a_time)
        .off_at(0.0)
        .show(ui, &mut speed.limit);
    let about = "The answer waits after each token. The right arrow lets the next one come";
    switch::switch_ui(ui, &mut speed.one_at_a_time, "One token at a time", about);
}

/// Which draw it is.
pub fn seed_ui(ui: &mut Ui, playground: &mut PlaygroundState) {
    let about = "The same prompt, settings and seed give the same answer again";
    ui.horizontal_wrapped(|ui| {
        let name = Label::new("Seed").selectable(false).sense(egui::Sense::hover());
        ui.add(name).on_hover_text(about);
        let number = DragValue::new(&mut playground.seed).speed(1.0);
        ui.add(number).accessible_name("Seed").on_hover_text(about);
        if ui.add(ActionButton::only_icon(icons::DICE, "Draw another seed")).clicked() {
            playground.draw_seed(entropy(ui));
        }
        // A switch does not go to the next row by itself.
        if ui.available_size_before_wrap().x < theme::em(ui) * 9.5 {
            ui.end_row();
        }
        let about = "Draw a new seed for each answer; it is shown, so you can reproduce the answer";
        switch::switch_ui(ui, &mut playground.new_seed_each_time, "New each time", about);
    });
}

/// A number that differs from click to click.
pub fn entropy(ui: &Ui) -> u64 {
    ui.input(|input| input.time).to_bits()
}

fn stop_ui(ui: &mut Ui, playground: &mut PlaygroundState) {
    let about = "The answer ends where one of these appears; separate them by commas, write \\n \
                 for a line break";
    ui.horizontal(|ui| {
        let name = Label::new("Stop strings").selectable(false).sense(egui::Sense::hover());
        let name = ui.add(name).on_hover_text(about);
        let field = TextEdit::singleline(&mut playground.stop_text)
            .hint_text(theme::muted(ui, "none"))
            .desired_width(f32::INFINITY);
        ui.add(field).labelled_by(name.id).on_hover_text(about);
    });
}

/// A stage as the chain names it.
pub fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::NoRepeatNgram => "no-repeat n-gram",
        Stage::TopK => "top-k",
        Stage::TopP => "top-p",
        Stage::MinP => "min-p",
        Stage::TypicalP => "typical-p",
        Stage::Greedy => "greedy",
    }
}
