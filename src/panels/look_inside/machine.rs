//! The loaded model as its parts, from a token's number to its scores.

use eframe::egui::accesskit::Role;
use eframe::egui::{
    Align2, Color32, Label, Rect, Sense, Stroke, StrokeKind, TextStyle, Ui, WidgetInfo, pos2, vec2,
};

use super::heading;
use super::machine_times;
use super::page::{Page, beside_ui, scrolled_part};
use crate::explore::machine::{Kind, Machine, Part, Shape};
use crate::llm::card::ModelCard;
use crate::state::command::Commands;
use crate::state::look_inside::machine::MachineState;
use crate::state::look_inside::view::View;
use crate::widgets::card::card_ui;
use crate::widgets::format;
use crate::widgets::one_line::one_line;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;
use crate::widgets::theme::Palette;

/// Rows of the picture.
enum Row<'a> {
    /// What stands before the first part, or after the last.
    End {
        name: &'static str,
        does: String,
    },

    /// So many layers that are built alike.
    Layers {
        first: usize,
        count: usize,
        window: Option<usize>,
    },
    Part {
        at: usize,
        part: &'a Part,
    },
}

pub fn machine_ui(
    ui: &mut Ui,
    state: &mut MachineState,
    model: &ModelCard,
    page: Page,
    commands: &mut Commands,
) {
    let mut clicked = None;
    card_ui(ui, |ui| {
        ui.add(Label::new(theme::title(ui, View::Machine.question())).wrap());
        heading::help_ui(ui, View::Machine);
        before_ui(ui, &mut state.before, model.facts.context_length);
        let Some(machine) = state.view.ready() else {
            ui.label(theme::muted(ui, "Taken apart in a moment…"));
            return;
        };
        ui.add(Label::new(theme::strong(ui, whole(machine))).wrap());
        ui.add_space(theme::GAP_SMALL);
        let (part, before) = (state.part, state.before);
        let main = |ui: &mut Ui| picture_ui(ui, machine, part, before, page);
        let detail = |ui: &mut Ui| {
            if let Some(part) = part.and_then(|at| machine.parts.get(at)) {
                part_ui(ui, machine, part, page);
            } else {
                heading::hint_ui(ui, "Click a part to see what it computes, and its weights.");
                cache_ui(ui, machine);
                machine_times::times_ui(ui, state, commands);
            }
        };
        (clicked, ()) = beside_ui(ui, main, detail);
    });
    if let Some(at) = clicked {
        state.part = (state.part != Some(at)).then_some(at);
    }
}

/// After how many tokens the one comes whose work is shown.
fn before_ui(ui: &mut Ui, before: &mut usize, context: usize) {
    let choices: Vec<usize> =
        [0, 128, 1024, 8192, 32_768].into_iter().filter(|count| *count <= context).collect();
    let words: Vec<String> = choices.iter().map(|count| format::count(*count)).collect();
    let explanation = "Attention looks at each of the tokens before: the more there are, the more it \
                       computes. All else computes the same for every token";
    let segments: Vec<Segment<'_, usize>> = choices
        .iter()
        .zip(&words)
        .map(|(value, words)| Segment { value: *value, words, explanation })
        .collect();
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::muted(ui, "For a token with this many before it:"));
        segmented_ui(ui, before, &segments);
    });
    ui.add_space(theme::GAP_SMALL);
}

/// `llama · 135 M parameters · 98 MB · 134,515,008 multiplications a token`.
fn whole(machine: &Machine) -> String {
    format!(
        "{} · {} parameters · {} in memory · {} multiplications by weights a token",
        machine.architecture,
        format::parameters(machine.parameters),
        format::bytes(machine.bytes),
        format::parameters(machine.multiplications()),
    )
}

fn rows(machine: &Machine) -> Vec<Row<'_>> {
    let vocabulary = format::count(machine.vocab_size);
    let does = format!("a text becomes numbers, each one of {vocabulary}");
    let mut rows = vec![Row::End { name: "Tokenizer", does }];
    let mut group = None;
    for (at, part) in machine.parts.iter().enumerate() {
        if part.layers != group {
            group = part.layers;
            let mut alike = machine.parts[at..].iter().take_while(|other| other.layers == group);
            let window = alike.find_map(|part| part.window);
            rows.extend(group.map(|(first, count)| Row::Layers { first, count, window }));
        }
        rows.push(Row::Part { at, part });
    }
    let does = "scores become probabilities, and one token is drawn".to_owned();
    rows.push(Row::End { name: "Sampler", does });
    rows
}

/// The part that was clicked.
fn picture_ui(
    ui: &mut Ui,
    machine: &Machine,
    chosen: Option<usize>,
    before: usize,
    page: Page,
) -> Option<usize> {
    let p = theme::palette(ui);
    let (font, small) = (TextStyle::Body.resolve(ui.style()), TextStyle::Small.resolve(ui.style()));
    let height = (font.size * 1.9).round();
    let rows = rows(machine);
    let mut clicked = None;
    ui.spacing_mut().item_spacing.y = 3.0;
    let area = scrolled_part("machine", page.room(ui, 0.0));
    area.show_rows(ui, height, rows.len(), |ui, shown| {
        let width = ui.available_width();
        for row in &rows[shown] {
            let sense =
                if matches!(row, Row::Part { .. }) { Sense::click() } else { Sense::hover() };
            let (rect, response) = ui.allocate_exact_size(vec2(width, height), sense);
            match row {
                Row::End { name, does } => {
                    let words = format!("{name}: {does}");
                    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &words));
                    boxed(ui, rect, p.card, p.outline);
                    let left = rect.left_center() + vec2(10.0, 0.0);
                    let name =
                        ui.painter().text(left, Align2::LEFT_CENTER, name, font.clone(), p.strong);
                    let room = rect.right() - name.right() - 20.0;
                    let galley = one_line(ui, does, small.clone(), p.muted, room);
                    let at = pos2(name.right() + 10.0, rect.center().y - galley.size().y / 2.0);
                    ui.painter().galley(at, galley, p.muted);
                }
                Row::Layers { first, count, window } => {
                    let words = layers_words(*first, *count, *window);
                    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &words));
                    let at = rect.left_bottom() + vec2(2.0, -3.0);
                    ui.painter().text(at, Align2::LEFT_BOTTOM, words, font.clone(), p.strong);
                }
                Row::Part { at, part } => {
                    let share = machine.share(part, before);
                    let is_chosen = chosen == Some(*at);
                    let words = format!(
                        "{}: {} parameters, {} of the multiplications",
                        title(part),
                        format::parameters(part.parameters),
                        format::percent(share as f32)
                    );
                    response.widget_info(|| {
                        WidgetInfo::selected(Role::Button, true, is_chosen, &words)
                    });
                    let indent = if part.layers.is_some() { font.size * 1.5 } else { 0.0 };
                    let place = rect.with_min_x(rect.left() + indent);
                    let is_marked = is_chosen || response.hovered() || response.has_focus();
                    let outline = if is_marked { p.accent } else { p.outline };
                    boxed(ui, place, ground(&p, part.kind), outline);
                    part_row_ui(ui, place, part, share);
                    if response.clicked() {
                        clicked = Some(*at);
                    }
                    response.on_hover_text(sentence(part.kind));
                }
            }
        }
    });
    clicked
}

fn boxed(ui: &Ui, rect: Rect, ground: Color32, outline: Color32) {
    let painter = ui.painter();
    painter.rect_filled(rect, theme::CONTROL_RADIUS, ground);
    let stroke = Stroke::new(theme::HAIRLINE, outline);
    painter.rect_stroke(rect, theme::CONTROL_RADIUS, stroke, StrokeKind::Inside);
}

/// Its name, its parameters, and its share as a number and a bar.
fn part_row_ui(ui: &Ui, rect: Rect, part: &Part, share: f64) {
    let p = theme::palette(ui);
    let (font, small) = (TextStyle::Body.resolve(ui.style()), TextStyle::Small.resolve(ui.style()));
    let number_width = small.size * 4.4;
    let bar_width = (rect.width() * 0.22).min(160.0);
    let right = rect.right() - 8.0;
    let number = format::percent(share as f32);
    let at = pos2(right, rect.center().y);
    ui.painter().text(at, Align2::RIGHT_CENTER, number, small.clone(), p.text);
    let bar = Rect::from_min_max(
        pos2(right - number_width - bar_width, rect.center().y - 4.0),
        pos2(right - number_width, rect.center().y + 4.0),
    );
    ui.painter().rect_filled(bar, 2.0, p.raised_press);
    let filled = bar.with_max_x(bar.left() + bar.width() * share as f32);
    ui.painter().rect_filled(filled, 2.0, p.accent);
    let left = rect.left() + 10.0;
    let room = bar.left() - left - 10.0;
    let name = one_line(ui, name(part.kind), font, p.strong, room);
    let name_width = name.size().x;
    let at = pos2(left, rect.center().y - name.size().y / 2.0);
    ui.painter().galley(at, name, p.strong);
    let parameters = if part.parameters == 0 {
        "the embedding's weights".to_owned()
    } else {
        format!("{} parameters", format::parameters(part.parameters))
    };
    let galley = one_line(ui, &parameters, small, p.text, room - name_width - 12.0);
    let at = pos2(left + name_width + 12.0, rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, p.text);
}

fn ground(p: &Palette, kind: Kind) -> Color32 {
    match kind {
        Kind::Embedding | Kind::Positions => p.info_soft,
        Kind::Attention | Kind::Recurrence => p.accent_soft,
        Kind::Mlp | Kind::Experts => p.chosen_soft,
        Kind::Head => p.rejected_soft,
        Kind::Norm | Kind::Other => p.raised,
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Embedding => "Embedding",
        Kind::Positions => "Positions",
        Kind::Norm => "Norm",
        Kind::Attention => "Attention",
        Kind::Recurrence => "Recurrence",
        Kind::Mlp => "MLP",
        Kind::Experts => "Experts",
        Kind::Head => "Head",
        Kind::Other => "Of this family",
    }
}

fn layers_words(first: usize, count: usize, window: Option<usize>) -> String {
    let seen = window.map(|window| format!(", sees the last {} tokens", format::count(window)));
    let seen = seen.unwrap_or_default();
    if count == 1 {
        format!("Layer {first}{seen}")
    } else {
        format!("Layers {first} to {}: {count} times{seen}", first + count - 1)
    }
}

fn title(part: &Part) -> String {
    match part.layers {
        None => name(part.kind).to_owned(),
        Some((first, 1)) => format!("{} of layer {first}", name(part.kind)),
        Some((first, count)) => {
            format!("{} of layers {first} to {}", name(part.kind), first + count - 1)
        }
    }
}

/// What it does, in a sentence.
fn sentence(kind: Kind) -> &'static str {
    match kind {
        Kind::Embedding => {
            "Each token's number picks a row of this table: the vector that stands for the token."
        }
        Kind::Positions => {
            "Each position has a vector of its own, which is added to the token's: else the model \
             could not tell an early token from a late one."
        }
        Kind::Norm => {
            "Brings the vector to one size, so that what follows sees numbers of one range."
        }
        Kind::Attention => {
            "Each token asks the tokens before it (query), each of them says what it has (key), and \
             what fits is gathered (value), by several heads side by side. It is the only part where \
             tokens see each other."
        }
        Kind::Recurrence => {
            "Carries a state from token to token, which each token changes a little: what it takes does \
             not grow with the text, as attention's does."
        }
        Kind::Mlp => {
            "Works on each token alone: the vector is spread over many more numbers, some of which are \
             let through, and brought back. Much of what a model knows lies here."
        }
        Kind::Experts => {
            "Several MLPs. A small table (the router) chooses a few of them for each token, and only \
             those are computed."
        }
        Kind::Head => {
            "Compares the last vector with every token of the vocabulary: a score each, which become \
             the probabilities of what comes next."
        }
        Kind::Other => "A part that only this family of models has.",
    }
}

/// As a formula. Vectors are small letters, matrices capital ones.
fn formula(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Embedding => Some("x = E[token]"),
        Kind::Positions => Some("x = x + P[position]"),
        Kind::Norm => Some("x / rms(x) · w    or    (x − mean) / std · w + b"),
        Kind::Attention => Some("softmax(q·K / √d) · V,   q = Wq x,  K = Wk X,  V = Wv X"),
        Kind::Recurrence => Some("s = a·s + k v,   y = q·s"),
        Kind::Mlp => Some("Wdown (act(Wgate x) · Wup x)    or    Wdown act(Wup x)"),
        Kind::Experts => Some("Σ gᵢ · MLPᵢ(x)   over the chosen i,   g = softmax(Wrouter x)"),
        Kind::Head => Some("scores = Whead x"),
        Kind::Other => None,
    }
}

fn part_ui(ui: &mut Ui, machine: &Machine, part: &Part, page: Page) {
    ui.add(Label::new(theme::title(ui, title(part))).wrap());
    ui.add(Label::new(sentence(part.kind)).wrap());
    if let Some(formula) = formula(part.kind) {
        ui.add(Label::new(theme::number(formula).color(theme::palette(ui).accent)).wrap());
    }
    ui.add_space(theme::GAP_SMALL);
    let mut facts = Vec::new();
    if part.parameters == 0 {
        facts.push("It has no weights of its own: it is the embedding once more".to_owned());
    } else {
        let share = part.parameters as f64 / machine.parameters.max(1) as f64;
        facts.push(format!(
            "{} parameters ({} of the model), {} in memory",
            format::parameters(part.parameters),
            format::percent(share as f32),
            format::bytes(part.bytes)
        ));
    }
    if part.multiplications > 0 {
        let count = format::parameters(part.multiplications);
        facts.push(format!("{count} multiplications by weights for each token"));
    }
    if part.multiplications_a_token_before > 0 {
        let count = format::parameters(part.multiplications_a_token_before);
        facts.push(format!("and {count} for each token that it sees, itself among them"));
    }
    for fact in facts {
        ui.add(Label::new(theme::muted(ui, fact)).wrap());
    }
    if part.kind == Kind::Attention {
        cache_ui(ui, machine);
    }
    ui.add_space(theme::GAP_SMALL);
    let of = if part.layers.is_some_and(|(_, count)| count > 1) {
        "Weights of one layer"
    } else {
        "Weights"
    };
    ui.add(Label::new(theme::strong(ui, of)).wrap());
    let area = scrolled_part("weights of a part", page.room(ui, 0.0));
    area.show(ui, |ui| {
        for shape in &part.tensors {
            ui.add(Label::new(theme::number(Shape::words(shape))).wrap());
        }
    });
}

/// What the text takes while it is read.
fn cache_ui(ui: &mut Ui, machine: &Machine) {
    let (one, context) = (machine.cache_bytes_per_token, machine.context_length);
    if one == 0 {
        return;
    }
    let words = format!(
        "The cache keeps keys and values of every token: {} each, {} for a full context of {} tokens.",
        format::bytes(one),
        format::bytes(one * context as u64),
        format::count(context)
    );
    ui.add(Label::new(theme::muted(ui, words)).wrap());
}
