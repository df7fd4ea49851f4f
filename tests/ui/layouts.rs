//! Every panel at every size, in both sizes of type, at 100 and 150 %: no text is cut or covered by
//! another, and whatever is out of sight can be scrolled to.
//!
//! What is drawn is taken from the frame's own shapes: a text's rectangle lies in the rectangle
//! that it is clipped to. Where it does not, a wheel turned over it must move it.

use std::collections::BTreeMap;

use eframe::egui::accesskit::Role;
use eframe::egui::epaint::text::PlacedRow;
use eframe::egui::{self, Pos2, Rect, Shape, pos2, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use tuning_fork::state::AppState;
use tuning_fork::state::prefs::Theme;

use crate::layout_newer as newer;
use crate::layout_states as states;
use crate::support::Window;

/// The sizes of the window, in pixels.
const SIZES: [(f32, f32); 4] =
    [(1280.0, 720.0), (1280.0, 800.0), (1000.0, 640.0), (1920.0, 1080.0)];

const ZOOMS: [f32; 2] = [1.0, 1.5];

/// The dark theme has the sizes of the light one.
const THEMES: [Theme; 2] = [Theme::Light, Theme::Projector];

/// Glyphs reach over their rectangle by what smooths their edges.
const SMOOTHING: f32 = 1.5;

/// Texts that share less than this in both directions only touch.
const TOUCH: f32 = 3.0;

/// A scroll area lower than this, in lines of text, cannot be read in.
const LEAST_LINES: f32 = 2.0;

/// A text as it was painted.
#[derive(Clone, Debug)]
struct Painted {
    words: String,
    rect: Rect,
    clip: Rect,

    /// Of each line: a text that begins behind another one and goes on below it covers nothing.
    lines: Vec<Rect>,
}

fn painted(window: &Window) -> Vec<Painted> {
    Collect::of(window).found
}

/// Whether something lies over the panels, and has the window to itself.
fn has_modal(window: &Window) -> bool {
    Collect::of(window).is_modal
}

struct Collect {
    screen: Rect,
    found: Vec<Painted>,

    /// What is painted in place of words, as far as it is in sight: the dots by which something is dragged.
    marks: Vec<Rect>,
    is_modal: bool,
}

impl Collect {
    fn of(window: &Window) -> Self {
        let screen = window.0.ctx.content_rect();
        let mut collect = Self { screen, found: Vec::new(), marks: Vec::new(), is_modal: false };
        for clipped in &window.0.output().shapes {
            collect.take(&clipped.shape, clipped.clip_rect);
        }
        collect
    }

    fn take(&mut self, shape: &Shape, clip: Rect) {
        match shape {
            Shape::Vec(shapes) => shapes.iter().for_each(|shape| self.take(shape, clip)),
            // What dims the panels behind a modal: they are looked at without it.
            Shape::Rect(rect)
                if rect.rect.contains_rect(self.screen)
                    && !rect.fill.is_opaque()
                    && rect.fill != egui::Color32::TRANSPARENT =>
            {
                self.found.clear();
                self.is_modal = true;
            }
            Shape::Circle(circle) => {
                let seen = circle.visual_bounding_rect().intersect(clip).intersect(self.screen);
                if seen.is_positive() {
                    self.marks.push(seen);
                }
            }
            Shape::Text(text) if !text.galley.mesh_bounds.is_negative() => {
                let rect = text.galley.mesh_bounds.translate(text.pos.to_vec2());
                let words = text.galley.text().to_owned();
                let line = |row: &PlacedRow| {
                    row.visuals.mesh_bounds.translate(row.pos.to_vec2() + text.pos.to_vec2())
                };
                let lines = text.galley.rows.iter().map(line).collect();
                // What is scrolled out of an area that is itself out of sight has no clip at all.
                if !words.trim().is_empty() && clip.is_positive() && rect.intersects(clip) {
                    self.found.push(Painted { words, rect, clip, lines });
                }
            }
            _ => {}
        }
    }
}

/// A named thing of the accessibility tree: it is there whether it is in sight or not.
#[derive(Clone, Debug)]
struct Thing {
    role: Role,
    name: String,
    rect: Rect,
}

impl Thing {
    fn is_field(&self) -> bool {
        matches!(self.role, Role::TextInput | Role::MultilineTextInput | Role::PasswordInput)
    }
}

fn things(window: &Window) -> BTreeMap<String, Thing> {
    let mut found = BTreeMap::new();
    for node in window.0.root().children_recursive() {
        if node.accesskit_node().bounding_box().is_none() {
            continue;
        }
        let rect = node.rect();
        let node = node.accesskit_node();
        let name = node.label().or_else(|| node.value()).unwrap_or_default();
        let role = node.role();
        if name.trim().is_empty() || matches!(role, Role::Window | Role::TextRun) {
            continue;
        }
        found.insert(format!("{:?}", node.id()), Thing { role, name, rect });
    }
    found
}

fn short(words: &str) -> String {
    let words = words.replace('\n', "⏎");
    let cut: String = words.chars().take(48).collect();
    if cut.len() < words.len() { format!("{cut}…") } else { cut }
}

/// What is wrong with what is on the screen, in sentences.
fn faults(window: &mut Window) -> Vec<String> {
    let screen = window.0.ctx.content_rect();
    let Collect { found: texts, marks, .. } = Collect::of(window);
    let things = things(window);
    let fields: Vec<Rect> =
        things.values().filter(|t| t.is_field()).map(|t| t.rect.expand(2.0)).collect();
    let mut found = Vec::new();
    let mut hidden: Vec<String> = Vec::new();
    let mut beside: Vec<Thing> = Vec::new();
    for text in &texts {
        let room = text.clip.intersect(screen);
        let in_field =
            fields.iter().any(|field| field.contains(text.rect.left_center() + vec2(3.0, 0.0)));
        let cut_sideways = text.rect.left() < room.left() - SMOOTHING
            || text.rect.right() > room.right() + SMOOTHING;
        if cut_sideways && !in_field && !moves_sideways(window, text.rect) {
            found.push(format!(
                "cut at the side: {:?} at {:.0?} in {:.0?}",
                short(&text.words),
                text.rect,
                room
            ));
        }
        let cut = text.rect.top() < room.top() - SMOOTHING
            || text.rect.bottom() > room.bottom() + SMOOTHING;
        if cut && !in_field && !can_scroll(window, text) {
            found.push(format!(
                "cut above or below: {:?} at {:.0?} in {:.0?}",
                short(&text.words),
                text.rect,
                room
            ));
        }
    }
    found.extend(overlaps(&texts));
    if has_modal(window) {
        return found; // what is named lies behind it, too
    }
    for (key, thing) in &things {
        if thing.rect.left() < screen.left() - 1.0 || thing.rect.right() > screen.right() + 1.0 {
            beside.push(thing.clone());
            continue;
        }
        // A text may be one thing, a part of one, or many things: each token of an answer is a button.
        let in_sight = texts.iter().any(|text| {
            let room = text.clip.intersect(screen);
            let seen = text.rect.intersect(room);
            let is_of =
                |line: &Rect| line.intersect(room).intersect(thing.rect).size().min_elem() > 1.0;
            seen.is_positive() && thing.rect.expand(1.0).contains(seen.center())
                || text.lines.iter().any(is_of)
        }) || marks.iter().any(|mark| thing.rect.contains_rect(*mark));
        let has_text = matches!(thing.role, Role::Label | Role::Button | Role::CheckBox);
        if !screen.contains_rect(thing.rect) || (has_text && !in_sight) {
            hidden.push(key.clone());
        }
    }
    for thing in beside {
        if !moves_sideways(window, thing.rect) {
            found.push(format!("beside the window: {:?} {:.0?}", short(&thing.name), thing.rect));
        }
    }
    for key in unreachable(window, &things, hidden) {
        found.push(format!(
            "out of reach: {:?} {:.0?}",
            short(&things[&key].name),
            things[&key].rect
        ));
    }
    found.sort();
    found.dedup();
    found
}

fn overlaps(texts: &[Painted]) -> Vec<String> {
    let mut found = Vec::new();
    for (index, one) in texts.iter().enumerate() {
        for other in &texts[index + 1..] {
            let seen = one.rect.intersect(one.clip).intersect(other.rect).intersect(other.clip);
            let is_covered = |both: &Rect| both.width() > TOUCH && both.height() > TOUCH;
            if !is_covered(&seen) {
                continue;
            }
            let lines = one.lines.iter().flat_map(|a| other.lines.iter().map(|b| a.intersect(*b)));
            if let Some(both) = lines.map(|both| both.intersect(seen)).find(is_covered) {
                found.push(format!(
                    "one over the other: {:?} and {:?} at {:.0?}",
                    short(&one.words),
                    short(&other.words),
                    both
                ));
            }
        }
    }
    found
}

/// Turns the wheel at a place.
fn scroll(window: &mut Window, at: Pos2, by: f32) {
    window.0.hover_at(at);
    window.0.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: vec2(0.0, by),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
        modifiers: egui::Modifiers::NONE,
    });
    for _ in 0..6 {
        window.0.step();
    }
}

/// Turns the wheel sideways at a place.
fn scroll_sideways(window: &mut Window, at: Pos2, by: f32) {
    window.0.hover_at(at);
    window.0.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: vec2(by, 0.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
        modifiers: egui::Modifiers::NONE,
    });
    for _ in 0..6 {
        window.0.step();
    }
}

/// Whether what reaches over the right edge lies in a part that scrolls sideways: it is scrolled to, and
/// a wheel that is turned sideways beside it moves something there.
fn moves_sideways(window: &mut Window, rect: Rect) -> bool {
    let screen = window.0.ctx.content_rect();
    let lefts = |window: &Window| -> Vec<f32> {
        things(window).values().map(|thing| thing.rect.left()).collect()
    };
    let middle = pos2(screen.width() * 0.75, screen.height() * 0.5);
    let is_below = rect.center().y > screen.bottom() - 60.0;
    let y = if is_below {
        scroll(window, middle, middle.y - rect.center().y);
        middle.y
    } else {
        rect.center().y
    };
    let at = pos2(rect.left().min(screen.right() - 60.0), y);
    let before = lefts(window);
    scroll_sideways(window, at, -80.0);
    let moved = lefts(window) != before;
    scroll_sideways(window, at, 5000.0);
    if is_below {
        scroll(window, middle, 5000.0);
    }
    moved
}

/// Whether the wheel moves a text that is partly out of sight.
fn can_scroll(window: &mut Window, text: &Painted) -> bool {
    let least = LEAST_LINES * 16.0;
    let screen = window.0.ctx.content_rect();
    let seen = text.clip.intersect(screen);
    let at =
        pos2(text.rect.center().x.clamp(seen.left() + 2.0, seen.right() - 2.0), seen.center().y);
    if seen.height() < least {
        // At the fold of a page, and read once the page is scrolled: not over what scrolls by itself.
        let at = pos2(at.x, screen.height() * 0.4);
        scroll(window, at, -160.0);
        let is_it =
            |now: &Painted| now.words == text.words && now.clip.intersect(screen).height() >= least;
        let is_read = painted(window).iter().any(is_it);
        scroll(window, at, 5000.0);
        return is_read;
    }
    let is_there = |window: &Window| {
        painted(window).iter().any(|now| {
            now.words == text.words
                && (now.rect.min - text.rect.min).length() < 0.5
                && now.clip == text.clip
        })
    };
    for by in [-60.0, 60.0, 60.0] {
        scroll(window, at, by);
        if !is_there(window) {
            scroll(window, at, if by < 0.0 { 5000.0 } else { -5000.0 });
            scroll(window, at, 5000.0);
            return true;
        }
    }
    false
}

/// The things that no wheel moves.
fn unreachable(
    window: &mut Window,
    before: &BTreeMap<String, Thing>,
    mut hidden: Vec<String>,
) -> Vec<String> {
    let screen = window.0.ctx.content_rect();
    let mut columns: Vec<f32> = Vec::new();
    for key in &hidden {
        let x = before[key].rect.center().x;
        if columns.iter().all(|column| (column - x).abs() > 60.0) {
            columns.push(x);
        }
    }
    for x in columns {
        for height in [0.3, 0.5, 0.65, 0.85] {
            if hidden.is_empty() {
                return hidden;
            }
            let at = pos2(x, screen.height() * height);
            for by in [-80.0, 160.0] {
                scroll(window, at, by);
                let now = things(window);
                hidden.retain(|key| {
                    now.get(key)
                        .is_none_or(|thing| (thing.rect.top() - before[key].rect.top()).abs() < 0.5)
                });
            }
            scroll(window, at, 5000.0);
        }
    }
    hidden
}

#[expect(clippy::type_complexity, reason = "names, and what makes the state")]
fn look_through(all: &[(&str, fn() -> AppState)]) {
    let mut report = String::new();
    for (name, make) in all {
        for (width, height) in SIZES {
            for zoom in ZOOMS {
                for theme in THEMES {
                    let mut state = make();
                    state.prefs.theme = theme;
                    let mut window = Window::zoomed(state, width, height, zoom);
                    let found = faults(&mut window);
                    if !found.is_empty() {
                        report
                            .push_str(&format!("\n{name}, {theme:?}, {width} x {height}, {zoom}:"));
                        found.iter().for_each(|fault| report.push_str(&format!("\n    {fault}")));
                    }
                }
            }
        }
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_in_models_on_this_computer() {
    look_through(&states::INSTALLED);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_in_models_on_the_hub() {
    look_through(&states::HUB);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_in_the_playground() {
    look_through(&states::PLAYGROUND);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_in_look_inside() {
    look_through(&states::LOOK_INSIDE);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_in_lectures() {
    look_through(&states::LECTURES);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_in_annotate() {
    look_through(&states::ANNOTATE);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_in_evaluate() {
    look_through(&states::EVALUATE);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_in_train_before_a_run() {
    look_through(&states::TRAIN_SETUP);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_in_train_with_a_run() {
    look_through(&states::TRAIN_RUNS);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_around_the_panels() {
    look_through(&states::AROUND);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_with_an_encoder_decoder() {
    look_through(&newer::SEQ2SEQ);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_with_a_model_on_a_server() {
    look_through(&newer::SERVERS);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_in_a_questionnaire() {
    look_through(&newer::QUESTIONNAIRE);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_in_studies() {
    look_through(&newer::STUDIES);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_in_ranking_and_arena() {
    look_through(&newer::PAIRS);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_in_results_of_evaluations() {
    look_through(&newer::EVALUATED);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_in_other_objectives() {
    look_through(&newer::OBJECTIVES);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_in_other_runs() {
    look_through(&newer::OTHER_RUNS);
}

#[test]
#[ignore = "slow: cargo test --test ui layouts -- --ignored"]
fn nothing_is_cut_about_the_program() {
    look_through(&newer::ABOUT);
}

/// A pasted text scrolls in its field: what is around the field stays in the window.
#[test]
fn a_long_prompt_covers_nothing() {
    for (_, make) in states::PLAYGROUND.iter().filter(|(name, _)| *name == "thirty lines pasted") {
        for (width, height) in SIZES {
            let mut state = make();
            state.prefs.theme = Theme::Projector;
            let window = Window::zoomed(state, width, height, 1.0);
            let screen = window.0.ctx.content_rect();
            for name in ["Send", "Chat", "New chat"] {
                let rect = window.0.get_by_label(name).rect();
                assert!(screen.contains_rect(rect), "{name} at {rect:?} in {width} x {height}");
            }
        }
    }
}

/// What teaches takes the room that there is.
#[test]
fn the_bars_of_the_next_token_are_long_enough_to_compare() {
    for theme in THEMES {
        for (width, height) in SIZES {
            for zoom in ZOOMS {
                let (_, make) = states::PLAYGROUND[2];
                let mut state = make();
                state.prefs.theme = theme;
                state.playground.tools_in_front = true;
                let window = Window::zoomed(state, width, height, zoom);
                let accent = tuning_fork::widgets::theme::Palette::of(
                    tuning_fork::widgets::theme::look(&window.0.ctx),
                )
                .accent;
                let longest = filled(&window, accent).fold(0.0, f32::max);
                let least = if width >= 1920.0 { 180.0 } else { 70.0 };
                let place = format!("{theme:?} {width} x {height} at {zoom}");
                assert!(longest >= least / zoom, "{longest} in {place}");
            }
        }
    }
}

/// The widths of the flat rectangles of a colour: bars.
fn filled(window: &Window, color: egui::Color32) -> impl Iterator<Item = f32> + '_ {
    let shapes = window.0.output().shapes.iter();
    shapes.filter_map(move |clipped| match &clipped.shape {
        Shape::Rect(rect) if rect.fill == color && (5.0..24.0).contains(&rect.rect.height()) => {
            Some(rect.rect.intersect(clipped.clip_rect).width())
        }
        _ => None,
    })
}
