//! Repeats: the same prompt many times at several temperatures, as a grid.

use eframe::egui;
use eframe::egui::{DragValue, Label, TextEdit, Ui, vec2};

use super::ask::{PlaygroundStop, Start, ask_ui, below_prompt};
use super::shared::guessing_ui;
use crate::llm::card::ModelCard;
use crate::llm::generate::sampling::{ChainOrder, SamplingParams, Step};
use crate::llm::generate::{Answer, StopReason};
use crate::panels::sampling::step_words;
use crate::state::command::{Commands, PlaygroundCommand};
use crate::state::playground::PlaygroundState;
use crate::state::playground::repeats::{Grid, TemperatureRow, parse_temperatures};
use crate::state::prefs::Prefs;
use crate::widgets::card::card_ui;
use crate::widgets::interval_bars::{IntervalBar, interval_bars_ui};
use crate::widgets::layout::{Part, scrolled_ui};
use crate::widgets::theme;

/// A token that is likelier than this should have been seen in a few dozen answers.
const LIKELY: f32 = 0.02;

/// Draws the view.
pub fn repeats_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    prefs: &mut Prefs,
    model: &ModelCard,
    commands: &mut Commands,
) {
    let problem = parse_temperatures(&playground.repeats.temperatures).err();
    let start = Start {
        words: "Repeat",
        about: "Answer the prompt with each seed at each temperature",
        stop: PlaygroundStop::Repeats,
        is_running: playground.repeats.is_running(),
        problem: problem.as_deref(),
    };
    below_prompt(ui, "repeated").show(ui, |ui, part| match part {
        Part::Above => {
            if ask_ui(ui, playground, model, start, commands) {
                commands.push(PlaygroundCommand::Repeat);
            }
        }
        Part::Rest => view_ui(ui, playground, prefs, model),
        Part::Below => {}
    });
}

/// The settings, and the answers as a grid.
fn view_ui(ui: &mut Ui, playground: &mut PlaygroundState, prefs: &mut Prefs, model: &ModelCard) {
    scrolled_ui(ui, "repeats", |ui| {
        settings_ui(ui, playground);
        let words = format!(
            "Each token is drawn with {}, as set in Talk and Sampler; their temperature and Greedy do not count here.",
            chain_words(&prefs.sampling)
        );
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        guessing_ui(ui, &playground.drafts, &mut prefs.guessing, model);
        let Some(grid) = &playground.repeats.grid else {
            ui.add_space(theme::GAP);
            let words = "Write a prompt and press Repeat: the answers come as a grid, a row for \
                         each temperature and a place for each seed. Beside it stands how likely \
                         each first token is, and how often it came.";
            ui.add(Label::new(theme::muted(ui, words)).wrap());
            return;
        };
        ui.add_space(theme::GAP);
        let drawn = chain_words(&grid.request.sampling);
        if drawn != chain_words(&prefs.sampling) {
            let words = format!("The answers below were drawn with {drawn}.");
            ui.add(Label::new(theme::muted(ui, words)).wrap());
            ui.add_space(theme::GAP_SMALL);
        }
        for (index, row) in grid.rows.iter().enumerate() {
            ui.push_id(("temperature", index), |ui| row_ui(ui, grid, row));
            ui.add_space(theme::GAP);
        }
    });
}

/// What acts on the scores beside the temperature: `top-k 50 and top-p 0.95, in transformers' order`.
fn chain_words(params: &SamplingParams) -> String {
    // Any temperature: the rows have their own, and never the likeliest token alone.
    let drawn = SamplingParams { greedy: false, temperature: 1.0, ..params.clone() };
    let mut on = Vec::new();
    for step in drawn.steps().into_iter().filter(|step| drawn.is_on(*step)) {
        if step != Step::Penalties {
            let (name, _, value) = step_words(step, &drawn);
            on.push(format!("{} {value}", name.to_lowercase()));
            continue;
        }
        if drawn.repetition_penalty != 1.0 {
            on.push(format!("a repetition penalty of {:.2}", drawn.repetition_penalty));
        }
        if drawn.no_repeat_ngram_size > 0 {
            on.push(format!("no {} tokens in a row twice", drawn.no_repeat_ngram_size));
        }
    }
    let order = match drawn.order {
        ChainOrder::Transformers => "transformers' order",
        ChainOrder::LlamaCpp => "llama.cpp's order",
    };
    match on.split_last() {
        None => "nothing but the temperature".to_owned(),
        Some((only, [])) => format!("{only} and the temperature, in {order}"),
        Some((last, others)) => {
            format!("{}, {last} and the temperature, in {order}", others.join(", "))
        }
    }
}

fn settings_ui(ui: &mut Ui, playground: &mut PlaygroundState) {
    let repeats = &mut playground.repeats;
    ui.horizontal_wrapped(|ui| {
        // A label that flows into the next row would stand behind what comes after it.
        let label = |ui: &mut Ui, words: &str| ui.add(Label::new(words).extend());
        let name = label(ui, "Temperatures");
        let field =
            TextEdit::singleline(&mut repeats.temperatures).desired_width(theme::em(ui) * 9.0);
        ui.add(field).labelled_by(name.id).on_hover_text("Separated by commas");
        label(ui, "Answers each");
        let number = DragValue::new(&mut repeats.count).range(1..=100);
        ui.add(number).accessible_name("Answers each");
        label(ui, "Tokens");
        let number = DragValue::new(&mut repeats.max_new_tokens).range(1..=500);
        let about = "An answer ends after this many tokens at the latest";
        ui.add(number).accessible_name("Tokens of an answer").on_hover_text(about);
        label(ui, "Seeds from");
        let number = DragValue::new(&mut repeats.first_seed);
        ui.add(number).accessible_name("Seeds from");
    });
    if let Err(problem) = parse_temperatures(&repeats.temperatures) {
        ui.colored_label(theme::palette(ui).problem, problem);
    }
}

fn row_ui(ui: &mut Ui, grid: &Grid, row: &TemperatureRow) {
    card_ui(ui, |ui| {
        let (done, all) = (row.done(), row.answers.len());
        let mut words = format!("{done} of {all} answers, {} different", row.different());
        if done > 0 && row.problem.is_none() {
            let (seen, likely) = row.seen(LIKELY);
            words.push_str(&format!(
                ". {seen} of the {likely} first tokens likelier than 2 % have come"
            ));
        }
        ui.label(theme::title(ui, format!("Temperature {}", row.temperature)));
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        if let Some(problem) = &row.problem {
            ui.colored_label(theme::palette(ui).problem, problem);
        }
        let em = theme::em(ui);
        let width = ui.available_width();
        if width >= em * 50.0 {
            ui.horizontal_top(|ui| {
                let left = (width * 0.4).min(em * 30.0);
                let layout = egui::Layout::top_down(egui::Align::LEFT);
                ui.allocate_ui_with_layout(vec2(left, 0.0), layout, |ui| {
                    ui.set_width(left);
                    first_ui(ui, row);
                });
                let rest = width - left - ui.spacing().item_spacing.x;
                ui.allocate_ui_with_layout(vec2(rest, 0.0), layout, |ui| {
                    ui.set_width(rest);
                    answers_ui(ui, grid, row);
                });
            });
        } else {
            first_ui(ui, row);
            answers_ui(ui, grid, row);
        }
    });
}

fn first_ui(ui: &mut Ui, row: &TemperatureRow) {
    let done = row.done();
    let bars: Vec<IntervalBar<'_>> = row
        .first
        .iter()
        .map(|token| IntervalBar {
            text: &token.text,
            exact: token.probability,
            count: token.count,
            of: done,
            interval: token.interval,
        })
        .collect();
    interval_bars_ui(ui, &bars);
}

/// A cell for each seed.
fn answers_ui(ui: &mut Ui, grid: &Grid, row: &TemperatureRow) {
    let em = theme::em(ui);
    let gap = theme::GAP_SMALL;
    let width = ui.available_width();
    let columns = (width / (em * 11.0)).floor().clamp(1.0, 5.0);
    let cell = (width - gap * (columns - 1.0)) / columns - 1.0;
    let lines = (em * 1.5 * 3.0 + em * 1.6).round();
    ui.spacing_mut().item_spacing = vec2(gap, gap);
    let places: Vec<(usize, &Option<Answer>)> = row.answers.iter().enumerate().collect();
    for line in places.chunks(columns as usize) {
        ui.horizontal_top(|ui| {
            for (place, answer) in line {
                let seed = grid.request.seeds[*place];
                cell_ui(ui, vec2(cell, lines), seed, answer.as_ref());
            }
        });
    }
}

fn cell_ui(ui: &mut Ui, size: egui::Vec2, seed: u64, answer: Option<&Answer>) {
    let p = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(size, egui::Sense::hover());
    let text = match answer {
        None => "…".to_owned(),
        Some(answer) if answer.text.trim().is_empty() => "(an empty answer)".to_owned(),
        Some(answer) => answer.text.trim().replace('\n', " "),
    };
    let said = format!("Seed {seed}: {text}");
    response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Label, true, &said));
    if ui.is_rect_visible(rect) {
        ui.painter().rect_filled(rect, 6.0, p.raised);
        let inside = rect.shrink(6.0);
        let small = egui::TextStyle::Small.resolve(ui.style());
        let mut head = format!("seed {seed}");
        if answer.is_some_and(|answer| answer.stop == StopReason::EndOfTurn) {
            head.push_str(" · ended");
        }
        let head = ui.painter().layout_no_wrap(head, small, p.muted);
        let top = head.size().y;
        ui.painter().galley(inside.min, head, p.muted);
        let font = egui::TextStyle::Body.resolve(ui.style());
        let ink = if answer.is_some() { p.text } else { p.muted };
        let mut job = egui::text::LayoutJob::simple(text.clone(), font, ink, inside.width());
        job.wrap.max_rows = 3;
        job.wrap.overflow_character = Some('…');
        let galley = ui.fonts_mut(|fonts| fonts.layout_job(job));
        ui.painter().galley(inside.min + vec2(0.0, top), galley, ink);
    }
    if answer.is_some() {
        response.on_hover_text(text);
    }
}
