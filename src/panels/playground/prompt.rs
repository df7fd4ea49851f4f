//! A prompt that is open: its variables, its examples, what it takes of the context, and its run with
//! every step.

use eframe::egui;
use eframe::egui::{CollapsingHeader, DragValue, Label, RichText, TextEdit, Ui};

use crate::llm::card::ModelCard;
use crate::prompts::material::{Choose, Manner};
use crate::prompts::presets;
use crate::prompts::record::Ended;
use crate::prompts::tools::ToolUse;
use crate::state::command::{Commands, PlaygroundCommand, WindowCommand};
use crate::state::playground::PlaygroundState;
use crate::state::playground::library::{OpenPrompt, Piece, Prepared, RunView, StepView};
use crate::state::prefs::Prefs;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::format;
use crate::widgets::right_to_left::lay_out_field;
use crate::widgets::switch;
use crate::widgets::switch::Segment;
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws the open prompt.
pub fn prompt_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    prefs: &mut Prefs,
    model: &ModelCard,
    commands: &mut Commands,
) {
    let outside = playground.manner(prefs);
    let is_busy = playground.running;
    let Some(open) = &mut playground.library.open else { return };
    about_ui(ui, open);
    values_ui(ui, open);
    examples_ui(ui, open);
    let obstacle = open.obstacle();
    let inputs = open.inputs(outside.clone());
    let known = inputs.as_ref().and_then(|inputs| open.known(inputs));
    let mut fewer = None;
    match (&obstacle, known) {
        (Some(obstacle), _) => _ = ui.label(theme::muted(ui, obstacle)),
        (None, None) => _ = ui.label(theme::muted(ui, "Counting tokens")),
        (None, Some(Err(problem))) => problem_ui(ui, problem),
        (None, Some(Ok(prepared))) => fewer = prepared_ui(ui, prepared),
    }
    let is_ready = matches!(known, Some(Ok(prepared)) if prepared.fit.check().is_ok());
    if let (Some(count), Some(examples)) = (fewer, &mut open.material.examples) {
        examples.count = count;
    }
    let is_chain = open.material.is_chain();
    let is_running = open.run.as_ref().is_some_and(|run| run.is_running);
    let preset = |name: &str| presets::find(name, &playground.presets);
    let settings = open.material.settings.over(&outside, &preset);
    let mut put_back = None;
    let mut used: Option<(Prepared, Manner)> = None;
    ui.horizontal_wrapped(|ui| {
        if is_running {
            if ui.add(ActionButton::new("Stop").icon(icons::STOP).shortcut("Esc")).clicked() {
                commands.push(PlaygroundCommand::StopPrompt);
            }
            return;
        }
        let why = match &obstacle {
            Some(obstacle) => obstacle.as_str(),
            None if is_busy => "An answer is being written",
            None => "It does not fit or is not filled yet",
        };
        if !is_chain {
            let button = ActionButton::primary("Put into the field");
            let button = button.add_enabled(ui, is_ready && !is_busy);
            let about = "The filled prompt goes into the Playground's field, and its settings into \
                         the settings";
            if button.on_hover_text(about).on_disabled_hover_text(why).clicked() {
                let prepared = inputs.as_ref().and_then(|inputs| open.known(inputs)).cloned();
                used = prepared.and_then(Result::ok).zip(settings.as_ref().ok().cloned());
            }
        }
        let words = if is_chain { "Run the chain" } else { "Run and save" };
        let button = if is_chain { ActionButton::primary(words) } else { ActionButton::new(words) };
        let button = button.icon(icons::PLAY).add_enabled(ui, is_ready && !is_busy);
        let about = "Every step is shown here and saved in prompts/answers of the project";
        if button.on_hover_text(about).on_disabled_hover_text(why).clicked() {
            commands.push(PlaygroundCommand::RunPrompt);
        }
        if open.replaced.is_some() {
            let back = ActionButton::quiet("Put my text back").icon(icons::BACK);
            let about = "What stood in the field before this prompt";
            if back.add_enabled(ui, true).on_hover_text(about).clicked() {
                put_back = open.replaced.take();
            }
        }
    });
    if let Err(problem) = &settings {
        problem_ui(ui, &problem.to_string());
    }
    if let Some(run) = &open.run {
        ui.add_space(theme::GAP);
        run_ui(ui, run, commands);
    }
    if !model.facts.has_chat_template && open.material.mode == crate::prompts::material::Mode::Chat
    {
        let words = "This model has no chat template: a prompt for it has the line mode = \"raw\" in \
                     its file";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
    if let Some(text) = put_back {
        playground.prompt = text;
    }
    if let Some((prepared, manner)) = used {
        playground.use_prompt(&prepared, &manner, prefs);
    }
}

fn problem_ui(ui: &mut Ui, words: &str) {
    let ink = theme::palette(ui).problem;
    ui.add(Label::new(RichText::new(words).color(ink)).wrap());
}

fn about_ui(ui: &mut Ui, open: &OpenPrompt) {
    ui.add(Label::new(theme::title(ui, open.entry.title())).wrap());
    for text in [&open.material.about, &open.material.source] {
        if !text.is_empty() {
            ui.add(Label::new(theme::muted(ui, text)).wrap());
        }
    }
    ui.add_space(theme::GAP_SMALL);
}

/// A field for each variable.
fn values_ui(ui: &mut Ui, open: &mut OpenPrompt) {
    for name in &open.asked {
        let about = open.material.variables.get(name).map(|it| it.about.clone());
        let label = ui.label(theme::strong(ui, name));
        let label = match about.filter(|about| !about.is_empty()) {
            Some(about) => label.on_hover_text(about),
            None => label,
        };
        let value = open.values.entry(name.clone()).or_default();
        let mut layouter = lay_out_field;
        let field = TextEdit::multiline(value).layouter(&mut layouter);
        let field = field.desired_rows(1).desired_width(f32::INFINITY);
        let line = ui.text_style_height(&egui::TextStyle::Body);
        let area = egui::ScrollArea::vertical().id_salt(("value", name)).max_height(line * 6.0);
        area.show(ui, |ui| ui.add(field).labelled_by(label.id));
        ui.add_space(theme::GAP_SMALL);
    }
}

/// How many examples, and which.
fn examples_ui(ui: &mut Ui, open: &mut OpenPrompt) {
    let Some(examples) = &mut open.material.examples else { return };
    ui.label(theme::strong(ui, format!("Examples from {}", examples.table)));
    let can_compare = !examples.compare.is_empty();
    let segments: Vec<Segment<'_, Choose>> = Choose::ALL
        .into_iter()
        .filter(|way| can_compare || *way != Choose::Nearest)
        .map(|way| Segment { value: way, words: way.name(), explanation: way.about() })
        .collect();
    ui.horizontal_wrapped(|ui| {
        switch::segmented_ui(ui, &mut examples.choose, &segments);
    });
    ui.horizontal_wrapped(|ui| {
        if examples.choose == Choose::Hand {
            let label = ui.label("Rows");
            let field = TextEdit::singleline(&mut open.rows)
                .hint_text(theme::muted(ui, "4, 1, 7"))
                .desired_width(theme::em(ui) * 10.0);
            ui.add(field).labelled_by(label.id);
        } else {
            let label = ui.label("How many");
            let count = DragValue::new(&mut examples.count).range(0..=200);
            ui.add(count).labelled_by(label.id).on_hover_text("0 is zero-shot, 1 is one-shot");
        }
        if examples.choose == Choose::Random {
            let label = ui.label("Seed");
            ui.add(DragValue::new(&mut examples.seed)).labelled_by(label.id);
        }
    });
    if let Some(table) = open.table.as_ref().filter(|_| examples.choose == Choose::Hand) {
        let title = format!("The {} rows of {}", format::count(table.rows.len()), table.name);
        CollapsingHeader::new(title).id_salt("rows").show(ui, |ui| {
            let line = ui.text_style_height(&egui::TextStyle::Body) + theme::GAP_SMALL;
            let area = egui::ScrollArea::vertical().id_salt("table").max_height(line * 8.0);
            area.show_rows(ui, line, table.rows.len(), |ui, range| {
                for at in range {
                    let cells = table.columns.iter().filter_map(|name| table.rows[at].get(name));
                    let words = cells.map(|cell| match cell {
                        serde_json::Value::String(text) => text.clone(),
                        other => other.to_string(),
                    });
                    let words: Vec<String> = words.collect();
                    let words = format!("{}  {}", at + 1, words.join(" · "));
                    ui.add(Label::new(words.replace('\n', " ")).truncate());
                }
            });
        });
    }
    ui.add_space(theme::GAP_SMALL);
}

/// What it takes, and the filled text. The number of examples that fit, if that is asked for.
fn prepared_ui(ui: &mut Ui, prepared: &Prepared) -> Option<usize> {
    let fit = prepared.fit;
    let mut words = format!(
        "{} of {} tokens; {} new ones may follow",
        format::count(fit.tokens),
        format::count(fit.context),
        format::count(fit.max_new_tokens)
    );
    if let Some(chosen) = &prepared.chosen
        && !chosen.rows.is_empty()
    {
        let rows: Vec<String> = chosen.rows.iter().map(usize::to_string).collect();
        words.push_str(&format!(". Rows {}", rows.join(", ")));
        if let Some(by) = &chosen.compared_by {
            words.push_str(&format!(", compared by {by}"));
        }
        if !chosen.left_out.is_empty() {
            words.push_str(". A row with the very text that is asked about is left out");
        }
    }
    let mut fewer = None;
    match fit.check() {
        Ok(()) => _ = ui.add(Label::new(theme::muted(ui, words)).wrap()),
        Err(problem) => {
            problem_ui(ui, &problem.to_string());
            if let Some(count) = fit.fits {
                let button = format!("Use {count}");
                if ui.add(ActionButton::new(&button)).clicked() {
                    fewer = Some(count);
                }
            }
        }
    }
    CollapsingHeader::new("The filled prompt").id_salt("filled").show(ui, |ui| {
        if !prepared.filled.system.is_empty() {
            ui.add(Label::new(theme::muted(ui, &prepared.filled.system)).wrap());
        }
        ui.add(Label::new(&prepared.filled.prompt).wrap());
    });
    fewer
}

fn run_ui(ui: &mut Ui, run: &RunView, commands: &mut Commands) {
    for (at, step) in run.steps.iter().enumerate() {
        ui.push_id(("step", at), |ui| {
            card_ui(ui, |ui| step_ui(ui, step, at + 1, run.step_count));
        });
        ui.add_space(theme::GAP_SMALL);
    }
    if let Some(problem) = &run.problem {
        problem_ui(ui, problem);
    }
    if run.ended == Some(Ended::Stopped) {
        ui.label(theme::muted(ui, "Stopped by you: what was written so far is saved"));
    }
    if let Some(answer) = &run.answer {
        egui::Sides::new().shrink_left().wrap().show(
            ui,
            |ui| ui.add(Label::new(theme::strong(ui, format!("Answer: {answer}"))).wrap()),
            |ui| {
                let copy = ActionButton::only_icon(icons::COPY, "Copy the answer of the chain");
                if ui.add(copy).clicked() {
                    commands.push(WindowCommand::CopyText(answer.clone()));
                }
            },
        );
    }
    if let Some(kept) = run.kept.as_ref().filter(|_| !run.is_running) {
        let name = kept.file_name().unwrap_or_default().to_string_lossy();
        let show = ActionButton::quiet("Show the file").icon(icons::FOLDER);
        let about = format!("prompts/answers/{name}: every prompt, answer, setting and seed");
        if ui.add(show).on_hover_text(about).clicked() {
            commands.push(WindowCommand::Reveal(kept.clone()));
        }
    }
}

fn step_ui(ui: &mut Ui, step: &StepView, number: usize, count: usize) {
    let name = step.done.as_ref().map(|done| done.name.as_str()).filter(|name| !name.is_empty());
    let title = match name {
        Some(name) => format!("Step {number} of {count}: {name}"),
        None => format!("Step {number} of {count}"),
    };
    CollapsingHeader::new(title).id_salt("asked").show(ui, |ui| {
        ui.add(Label::new(theme::muted(ui, &step.prompt)).wrap());
        if let Some(done) = &step.done {
            let sampling = &done.settings.sampling;
            let how = if sampling.is_greedy() {
                "greedy".to_owned()
            } else {
                format!("temperature {:.2}", sampling.temperature)
            };
            let words = format!("Seed {} · {how}", done.settings.seed);
            ui.label(theme::muted(ui, words).small());
        }
    });
    for piece in &step.pieces {
        match piece {
            Piece::Written(text) => _ = ui.add(Label::new(text.trim()).wrap()),
            Piece::Used(used) => used_ui(ui, used),
        }
    }
    if let Some(result) = step.done.as_ref().and_then(|done| done.result.as_ref()) {
        ui.add(Label::new(theme::strong(ui, format!("Result: {result}"))).wrap());
    }
}

/// What a tool was asked, and what it gave.
fn used_ui(ui: &mut Ui, used: &ToolUse) {
    let p = theme::palette(ui);
    let ToolUse { tool, input, output, failed } = used;
    let asked = if tool.is_empty() { String::new() } else { format!("{tool}[{input}]\n") };
    let frame = egui::Frame::new()
        .fill(p.raised)
        .corner_radius(theme::CONTROL_RADIUS)
        .inner_margin(egui::Margin::same(8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        let ink = if *failed { p.problem } else { p.text };
        ui.add(Label::new(theme::number(format!("{asked}→ {output}")).color(ink)).wrap());
    });
}
