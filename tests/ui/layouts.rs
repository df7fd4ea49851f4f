//! Every panel at every size, in both sizes of type, at 100 and 150 %: no text is cut or covered by
//! another, and whatever is out of sight can be scrolled to. By default in the smallest window only.
//!
//! What is drawn is taken from the frame's own shapes: a text's rectangle lies in the rectangle
//! that it is clipped to. Where it does not, a wheel turned over it must move it.

use std::collections::{BTreeMap, BTreeSet};

use eframe::egui::accesskit::Role;
use eframe::egui::emath::Rot2;
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

const SMALLEST: (f32, f32) = SIZES[2];

const ZOOMS: [f32; 2] = [1.0, LARGEST];

const LARGEST: f32 = 1.5;

/// The dark theme has the sizes of the light one.
const THEMES: [Theme; 2] = [Theme::Light, Theme::Projector];

/// A state, and what makes it.
type Named = (&'static str, fn() -> AppState);

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
                let rect = text.visual_bounding_rect();
                let turned = Rot2::from_angle(text.angle);
                let words = text.galley.text().to_owned();
                let line = |row: &PlacedRow| {
                    let line = row.visuals.mesh_bounds.translate(row.pos.to_vec2());
                    line.rotate_bb(turned).translate(text.pos.to_vec2())
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
    let mut beside: Vec<(&str, &Thing)> = Vec::new();
    let mut sideways: Vec<&Painted> = Vec::new();
    let mut upright: Vec<&Painted> = Vec::new();
    for text in &texts {
        let room = text.clip.intersect(screen);
        let in_field =
            fields.iter().any(|field| field.contains(text.rect.left_center() + vec2(3.0, 0.0)));
        if in_field {
            continue;
        }
        if text.rect.left() < room.left() - SMOOTHING
            || text.rect.right() > room.right() + SMOOTHING
        {
            sideways.push(text);
        }
        if text.rect.top() < room.top() - SMOOTHING
            || text.rect.bottom() > room.bottom() + SMOOTHING
        {
            upright.push(text);
        }
    }
    let cut = |way: &str, text: &Painted| {
        let room = text.clip.intersect(screen);
        format!("cut {way}: {:?} at {:.0?} in {:.0?}", short(&text.words), text.rect, room)
    };
    found.extend(stuck_sideways(window, sideways).into_iter().map(|text| cut("at the side", text)));
    found.extend(stuck(window, upright).into_iter().map(|text| cut("above or below", text)));
    found.extend(overlaps(&texts));
    if has_modal(window) {
        return found; // what is named lies behind it, too
    }
    for (key, thing) in &things {
        if thing.rect.left() < screen.left() - 1.0 || thing.rect.right() > screen.right() + 1.0 {
            beside.push((key.as_str(), thing));
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
    while let Some((key, thing)) = beside.pop() {
        let of = |window: &Window| self::things(window).get(key).map(|thing| thing.rect);
        let moved = moves_sideways(window, thing.rect, of);
        if moved.is_empty() {
            found.push(format!("beside the window: {:?} {:.0?}", short(&thing.name), thing.rect));
        }
        beside.retain(|(key, _)| !moved.contains(*key));
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

/// Draws until nothing moves any more: a wheel is turned over two frames or so.
fn settle(window: &mut Window) {
    for frame in 0..6 {
        window.0.step();
        let mut views = window.0.output().viewport_output.values();
        if frame > 0 && views.all(|view| !view.repaint_delay.is_zero()) {
            break;
        }
    }
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
    settle(window);
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
    settle(window);
}

/// Those that no wheel moves which is turned sideways beside them. What is in the same area moves with one of it.
fn stuck_sideways<'a>(window: &mut Window, mut texts: Vec<&'a Painted>) -> Vec<&'a Painted> {
    let mut found = Vec::new();
    while let Some(text) = texts.first().copied() {
        let of = |window: &Window| {
            let all = painted(window).into_iter().filter(|now| now.words == text.words);
            let far = |rect: &Rect| (rect.min - text.rect.min).length();
            all.map(|now| now.rect).min_by(|one, other| far(one).total_cmp(&far(other)))
        };
        let (same, others): (Vec<_>, Vec<_>) =
            texts.into_iter().partition(|other| other.clip == text.clip);
        texts = others;
        if moves_sideways(window, text.rect, of).is_empty() {
            found.extend(same);
        }
    }
    found
}

/// What a wheel moves that is turned sideways over what reaches over the right edge, or beside it: it is scrolled
/// to before. Nothing where that does not move. `of` says where it is now.
fn moves_sideways(
    window: &mut Window,
    rect: Rect,
    of: impl Fn(&Window) -> Option<Rect>,
) -> BTreeSet<String> {
    let screen = window.0.ctx.content_rect();
    // Not over the edge of what scrolls, nor over its bar.
    let x = (rect.left() + 12.0).min(screen.right() - 110.0);
    let middle = pos2(x, screen.height() * 0.5);
    let now = |window: &Window| of(window).unwrap_or(rect);
    let is_below = |rect: Rect| rect.center().y > screen.bottom() - 60.0;
    let left = |window: &Window| of(window).map(|rect| rect.left().round());
    let lefts = |window: &Window| -> BTreeMap<String, f32> {
        things(window).into_iter().map(|(key, thing)| (key, thing.rect.left().round())).collect()
    };
    let mut moved = BTreeSet::new();
    // At once, and in steps that do not go past the end of an area that lies in another one.
    for most in [f32::INFINITY, screen.height() * 0.4] {
        for _ in 0..40 {
            if !is_below(now(window)) {
                break;
            }
            let by = middle.y - now(window).center().y;
            scroll(window, middle, by.max(-most));
        }
        let places =
            [now(window).center().y, middle.y, screen.height() * 0.7, screen.height() * 0.9];
        for y in places {
            let (at, before, all) = (pos2(x, y), left(window), lefts(window));
            scroll_sideways(window, at, -80.0);
            if before.is_some() && left(window) != before {
                let has_moved =
                    |(key, left): (String, f32)| (all.get(&key) != Some(&left)).then_some(key);
                moved.extend(lefts(window).into_iter().filter_map(has_moved));
                // A text need not be a thing of its own.
                moved.insert(String::new());
            }
            scroll_sideways(window, at, 5000.0);
            if !moved.is_empty() {
                break;
            }
        }
        if is_below(rect) {
            for _ in 0..2 {
                scroll(window, middle, 50_000.0);
            }
        }
        if !moved.is_empty() {
            break;
        }
    }
    moved
}

/// Those that are partly out of sight, and that no wheel moves.
fn stuck<'a>(window: &mut Window, mut texts: Vec<&'a Painted>) -> Vec<&'a Painted> {
    let mut found = Vec::new();
    while let Some(text) = texts.first().copied() {
        let in_area = |other: &&Painted| other.clip == text.clip;
        let mut moved: Vec<&Painted> = texts.iter().copied().filter(in_area).collect();
        if can_scroll(window, text, &mut moved) {
            texts.retain(|text| !moved.iter().any(|moved| std::ptr::eq(*moved, *text)));
        } else {
            found.push(texts.remove(0));
        }
    }
    found
}

/// Whether the wheel moves a text that is partly out of sight; of `others` in the same area, those are kept that
/// it moves, too.
fn can_scroll(window: &mut Window, text: &Painted, others: &mut Vec<&Painted>) -> bool {
    let least = LEAST_LINES * 16.0;
    let screen = window.0.ctx.content_rect();
    let seen = text.clip.intersect(screen);
    let x = text.rect.center().x.clamp(seen.left() + 2.0, seen.right() - 2.0);
    if seen.height() < least {
        // At the fold of a page, and read once the page is scrolled: not over what scrolls by itself.
        let at = pos2(x, screen.height() * 0.4);
        scroll(window, at, -160.0);
        let now = painted(window);
        let is_read = |text: &Painted| {
            let is_it = |now: &Painted| {
                now.words == text.words && now.clip.intersect(screen).height() >= least
            };
            now.iter().any(is_it)
        };
        others.retain(|text| is_read(text));
        let is_one = is_read(text);
        scroll(window, at, 5000.0);
        return is_one;
    }
    // Over the text, and where another area that scrolls by itself does not lie under the wheel.
    let over = text.rect.center().y.clamp(seen.top() + 2.0, seen.bottom() - 2.0);
    let turns = [(over, -60.0), (over, 60.0), (seen.center().y, -60.0), (seen.center().y, 120.0)];
    for (y, by) in turns {
        let at = pos2(x, y);
        scroll(window, at, by);
        let now = painted(window);
        let is_there = |text: &Painted| {
            now.iter().any(|now| {
                now.words == text.words
                    && (now.rect.min - text.rect.min).length() < 0.5
                    && now.clip == text.clip
            })
        };
        if !is_there(text) {
            others.retain(|text| !is_there(text));
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
    // A long text in a field of a few lines begins in sight.
    let begins = |key: &String| {
        let rect = before[key].rect;
        screen
            .contains(pos2(screen.center().x, rect.top()))
            .then_some((rect.center().x, rect.top() + 12.0))
    };
    let mut places: Vec<(f32, f32)> = columns
        .into_iter()
        .flat_map(|x| [0.3, 0.5, 0.65, 0.85].map(|height| (x, screen.height() * height)))
        .collect();
    places.extend(hidden.iter().filter_map(begins));
    for (x, y) in places {
        if hidden.is_empty() {
            return hidden;
        }
        let at = pos2(x, y);
        for by in [-80.0, 160.0] {
            scroll(window, at, by);
            let now = things(window);
            let has_moved = |key: &String, thing: &Thing| {
                (thing.rect.top() - before[key].rect.top()).abs() >= 0.5
            };
            // What is another thing once it is in sight would be lost to whoever had it in focus.
            hidden.retain(|key| !now.get(key).is_some_and(|thing| has_moved(key, thing)));
        }
        scroll(window, at, 5000.0);
    }
    hidden
}

fn look_through(all: &[Named], sizes: &[(f32, f32)], zooms: &[f32], themes: &[Theme]) {
    let mut report = String::new();
    for (name, make) in all {
        for &(width, height) in sizes {
            for &zoom in zooms {
                for &theme in themes {
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

/// In each of the windows: too slow for every day. In the smallest one with the largest type, which has the least
/// room: always.
macro_rules! nothing_is_cut {
    ($($name:ident: $states:expr,)*) => {
        mod everywhere {
            use super::*;

            $(
                #[test]
                #[ignore = "slow: cargo test --test ui everywhere -- --ignored"]
                fn $name() {
                    look_through($states, &SIZES, &ZOOMS, &THEMES);
                }
            )*
        }

        mod smallest {
            use super::*;

            $(
                #[test]
                fn $name() {
                    look_through($states, &[SMALLEST], &[LARGEST], &[Theme::Projector]);
                }
            )*
        }
    };
}

nothing_is_cut! {
    nothing_is_cut_in_models_on_this_computer: &states::INSTALLED,
    nothing_is_cut_in_models_on_the_hub: &states::HUB,
    nothing_is_cut_in_the_playground: &states::PLAYGROUND,
    nothing_is_cut_in_look_inside: &states::LOOK_INSIDE,
    nothing_is_cut_in_lectures: &states::LECTURES,
    nothing_is_cut_in_annotate: &states::ANNOTATE,
    nothing_is_cut_in_evaluate: &states::EVALUATE,
    nothing_is_cut_in_train_before_a_run: &states::TRAIN_SETUP,
    nothing_is_cut_in_train_with_a_run: &states::TRAIN_RUNS,
    nothing_is_cut_around_the_panels: &states::AROUND,
    nothing_is_cut_with_an_encoder_decoder: &newer::SEQ2SEQ,
    nothing_is_cut_with_a_model_on_a_server: &newer::SERVERS,
    nothing_is_cut_in_a_questionnaire: &newer::QUESTIONNAIRE,
    nothing_is_cut_in_studies: &newer::STUDIES,
    nothing_is_cut_in_ranking_and_arena: &newer::PAIRS,
    nothing_is_cut_in_results_of_evaluations: &newer::EVALUATED,
    nothing_is_cut_in_other_objectives: &newer::OBJECTIVES,
    nothing_is_cut_in_other_runs: &newer::OTHER_RUNS,
    nothing_is_cut_about_the_program: &newer::ABOUT,
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
