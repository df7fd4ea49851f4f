//! Many points in the plane: a colour and a shape for each, drawn as one mesh.
//!
//! 50,000 points are 200,000 corners; they are laid out when the view changes, and otherwise drawn
//! as they were.

use std::sync::Arc;

use eframe::egui::{
    Color32, ColorImage, Id, Mesh, PointerButton, Pos2, Rect, Response, Sense, Shape, Stroke,
    TextureHandle, TextureOptions, Ui, Vec2, pos2, vec2,
};

use super::theme::{self, Look};

/// What is drawn.
pub struct PointMap<'a> {
    /// One place on the screen.
    pub id: Id,
    pub points: &'a [[f32; 2]],

    /// Of each point; empty: all alike.
    pub labels: &'a [Option<usize>],

    /// Points that stand out; the others are faint where there are any.
    pub picked: &'a [usize],

    /// Changes with any of the above.
    pub version: u64,
    pub height: f32,

    /// Dragging draws a line around points; else it moves the map.
    pub draws_around: bool,

    /// As a person would call it.
    pub name: &'a str,
}

/// What a person did.
#[derive(Default)]
pub struct Pointed {
    pub hovered: Option<usize>,
    pub clicked: Option<usize>,

    /// A line around points, in the points' own units, once it is closed.
    pub around: Option<Vec<[f32; 2]>>,
}

/// Colours are told apart with shapes: eight of these, then the next shape.
const SHAPES: usize = 6;
const COLORS: usize = 8;

/// Pixels of a shape's picture.
const MARK: usize = 32;

/// How far the pointer may be from a point that it means.
const REACH: f32 = 12.0;

/// Okabe and Ito's colours, which people with any colour vision tell apart; dark first. In red, green
/// and blue: figures have them too.
pub const INKS: [[u8; 3]; COLORS] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [86, 140, 220],
    [190, 140, 0],
    [120, 80, 200],
    [110, 110, 110],
];

/// A label's colour. `None`: it has no label.
#[expect(clippy::disallowed_methods, reason = "a scale of its own: hues without a meaning")]
pub fn color(look: Look, label: Option<usize>) -> Color32 {
    let lift = if look == Look::Dark { 40 } else { 0 };
    let Some(label) = label else {
        return if look == Look::Dark { Color32::from_gray(110) } else { Color32::from_gray(165) };
    };
    let [red, green, blue] = INKS[label % COLORS].map(|value| value.saturating_add(lift));
    Color32::from_rgb(red, green, blue)
}

/// Which shape a label has.
pub fn shape(label: Option<usize>) -> usize {
    label.map_or(0, |label| (label / COLORS + label) % SHAPES)
}

#[derive(Clone, PartialEq)]
struct Key {
    version: u64,
    rect: Rect,
    look: Look,
    centre: [f32; 2],
    zoom: f32,
}

#[derive(Clone)]
struct Kept {
    key: Key,
    mesh: Arc<Mesh>,
}

/// From the points' units to shares of the picture, the larger side from 0 to 1.
#[derive(Clone, Copy)]
struct Frame {
    low: [f32; 2],
    span: f32,
}

impl Frame {
    fn of(points: &[[f32; 2]]) -> Self {
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for point in points {
            for axis in 0..2 {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        let span = (high[0] - low[0]).max(high[1] - low[1]);
        let span = if span.is_finite() && span > 0.0 { span } else { 1.0 };
        // What is narrower stands in the middle.
        let low = [0, 1].map(|axis| {
            let middle = f32::midpoint(low[axis], high[axis]);
            if middle.is_finite() { middle - span / 2.0 } else { 0.0 }
        });
        Self { low, span }
    }
}

/// Where points are on the screen.
struct View {
    frame: Frame,
    rect: Rect,
    centre: [f32; 2],
    scale: f32,
}

impl View {
    fn at(&self, point: [f32; 2]) -> Pos2 {
        let share = [0, 1].map(|axis| (point[axis] - self.frame.low[axis]) / self.frame.span);
        let middle = self.rect.center();
        pos2(
            middle.x + (share[0] - self.centre[0]) * self.scale,
            middle.y - (share[1] - self.centre[1]) * self.scale,
        )
    }

    fn back(&self, at: Pos2) -> [f32; 2] {
        let by = at - self.rect.center();
        let share = [self.centre[0] + by.x / self.scale, self.centre[1] - by.y / self.scale];
        [0, 1].map(|axis| self.frame.low[axis] + share[axis] * self.frame.span)
    }
}

impl PointMap<'_> {
    /// `centre`, `zoom`: what is seen of it, which a person changes.
    pub fn show(self, ui: &mut Ui, centre: &mut [f32; 2], zoom: &mut f32) -> Pointed {
        let size = vec2(ui.available_width(), self.height);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
        let words = format!("{}: {} points", self.name, self.points.len());
        let is_enabled = ui.is_enabled();
        response.widget_info(|| {
            eframe::egui::WidgetInfo::labeled(
                eframe::egui::accesskit::Role::Image,
                is_enabled,
                words.clone(),
            )
        });
        let frame_id = self.id.with("frame");
        let known: Option<(u64, Frame)> = ui.data(|data| data.get_temp(frame_id));
        let frame = match known {
            Some((version, frame)) if version == self.version => frame,
            _ => Frame::of(self.points),
        };
        ui.data_mut(|data| data.insert_temp(frame_id, (self.version, frame)));
        let whole = (rect.width().min(rect.height()) - 24.0).max(16.0);
        self.move_view(ui, &response, whole, centre, zoom);
        let view = View { frame, rect, centre: *centre, scale: whole * *zoom };
        let mut found = Pointed::default();
        if let Some(pointer) = response.hover_pos().filter(|_| !response.dragged()) {
            found.hovered = self.nearest(&view, pointer);
        }
        if response.clicked() {
            found.clicked = found.hovered;
        }
        if self.draws_around {
            found.around = self.line_around(ui, &response, &view);
        }
        if ui.is_rect_visible(rect) {
            self.paint(ui, &view, *zoom, found.hovered);
        }
        found
    }

    fn move_view(
        &self,
        ui: &Ui,
        response: &Response,
        whole: f32,
        centre: &mut [f32; 2],
        zoom: &mut f32,
    ) {
        let moves = response.dragged_by(PointerButton::Secondary)
            || (response.dragged() && !self.draws_around);
        if moves {
            let by = response.drag_delta() / (whole * *zoom);
            centre[0] -= by.x;
            centre[1] += by.y;
        }
        let Some(pointer) = response.hover_pos() else { return };
        // Scrolling belongs to the page: the map takes it with Ctrl, and a pinch.
        let by = ui.input(eframe::egui::InputState::zoom_delta);
        if by != 1.0 {
            let next = (*zoom * by).clamp(0.5, 200.0);
            let from_middle = pointer - response.rect.center();
            let change = 1.0 / (whole * *zoom) - 1.0 / (whole * next);
            centre[0] += from_middle.x * change;
            centre[1] -= from_middle.y * change;
            *zoom = next;
        }
    }

    fn nearest(&self, view: &View, pointer: Pos2) -> Option<usize> {
        let mut best = None;
        let mut least = REACH * REACH;
        for (place, point) in self.points.iter().enumerate() {
            let apart = view.at(*point).distance_sq(pointer);
            if apart < least {
                (best, least) = (Some(place), apart);
            }
        }
        best
    }

    /// The line that is being drawn, kept while it is.
    fn line_around(&self, ui: &Ui, response: &Response, view: &View) -> Option<Vec<[f32; 2]>> {
        let id = self.id.with("line");
        let mut line: Vec<Pos2> = if response.drag_started_by(PointerButton::Primary) {
            // It begins where the button went down, not where the pointer was known to be dragged.
            ui.input(|input| input.pointer.press_origin()).into_iter().collect()
        } else {
            ui.data(|data| data.get_temp(id)).unwrap_or_default()
        };
        if response.dragged_by(PointerButton::Primary)
            && let Some(pointer) = response.interact_pointer_pos()
            && line.last().is_none_or(|last| last.distance(pointer) > 3.0)
        {
            line.push(pointer);
        }
        let is_closed = response.drag_stopped() && line.len() > 2;
        let around = is_closed.then(|| line.iter().map(|at| view.back(*at)).collect());
        if response.drag_stopped() {
            line.clear();
        }
        if line.len() > 1 {
            let ink = theme::palette(ui).accent;
            let painter = ui.painter().with_clip_rect(response.rect);
            painter.add(Shape::closed_line(line.clone(), Stroke::new(1.5, ink)));
        }
        ui.data_mut(|data| data.insert_temp(id, line));
        around
    }

    fn paint(&self, ui: &Ui, view: &View, zoom: f32, hovered: Option<usize>) {
        let look = theme::look(ui.ctx());
        let p = theme::palette(ui);
        let painter = ui.painter().with_clip_rect(view.rect);
        painter.rect_filled(view.rect, theme::CONTROL_RADIUS, p.field);
        let key = Key { version: self.version, rect: view.rect, look, centre: view.centre, zoom };
        let kept: Option<Kept> = ui.data(|data| data.get_temp(self.id));
        let mesh = if let Some(kept) = kept.filter(|kept| kept.key == key) {
            kept.mesh
        } else {
            let mesh = Arc::new(self.mesh(view, look, &marks(ui)));
            let kept = Kept { key, mesh: mesh.clone() };
            ui.data_mut(|data| data.insert_temp(self.id, kept));
            mesh
        };
        painter.add(Shape::Mesh(mesh));
        if let Some(point) = hovered.and_then(|place| self.points.get(place)) {
            painter.circle_stroke(view.at(*point), 7.0, Stroke::new(2.0, p.strong));
        }
    }

    fn mesh(&self, view: &View, look: Look, texture: &TextureHandle) -> Mesh {
        let mut mesh = Mesh::with_texture(texture.id());
        let half = match self.points.len() {
            0..=500 => 5.0,
            501..=5000 => 3.5,
            _ => 2.5,
        };
        let seen = view.rect.expand(half);
        let mut is_picked = vec![false; self.points.len()];
        for place in self.picked {
            if let Some(picked) = is_picked.get_mut(*place) {
                *picked = true;
            }
        }
        mesh.reserve_vertices(4 * self.points.len());
        mesh.reserve_triangles(2 * self.points.len());
        let faint = !self.picked.is_empty();
        // What stands out lies over the rest.
        for over in [false, true] {
            for (place, point) in self.points.iter().enumerate() {
                if is_picked[place] != over {
                    continue;
                }
                let at = view.at(*point);
                if !seen.contains(at) {
                    continue;
                }
                let label = self.labels.get(place).copied().flatten();
                let ink =
                    if self.labels.is_empty() { color(look, Some(0)) } else { color(look, label) };
                let ink = if faint && !over { ink.gamma_multiply(0.25) } else { ink };
                let first = shape(label) as f32 / SHAPES as f32;
                let uv = Rect::from_min_size(pos2(first, 0.0), vec2(1.0 / SHAPES as f32, 1.0));
                let size = if over { half + 1.0 } else { half };
                mesh.add_rect_with_uv(Rect::from_center_size(at, Vec2::splat(2.0 * size)), uv, ink);
            }
        }
        mesh
    }
}

/// The shapes, white on nothing, beside each other.
fn marks(ui: &Ui) -> TextureHandle {
    let id = Id::unique("marks of point maps");
    if let Some(texture) = ui.data(|data| data.get_temp::<TextureHandle>(id)) {
        return texture;
    }
    let mut pixels = vec![Color32::TRANSPARENT; SHAPES * MARK * MARK];
    for mark in 0..SHAPES {
        for row in 0..MARK {
            for column in 0..MARK {
                let along = |at: usize| (at as f32 + 0.5) / MARK as f32 * 2.0 - 1.0;
                let within = depth(mark, along(column), along(row));
                let share = (within * MARK as f32 / 2.0 + 0.5).clamp(0.0, 1.0);
                let place = row * SHAPES * MARK + mark * MARK + column;
                pixels[place] = Color32::from_white_alpha((share * 255.0) as u8);
            }
        }
    }
    let image = ColorImage::new([SHAPES * MARK, MARK], pixels);
    let texture = ui.ctx().load_texture("marks", image, TextureOptions::LINEAR);
    ui.data_mut(|data| data.insert_temp(id, texture.clone()));
    texture
}

/// How far within a shape a place is, the shape from -1 to 1: circle, square, triangle, diamond,
/// cross, triangle that stands on its tip.
fn depth(mark: usize, x: f32, y: f32) -> f32 {
    let triangle = |y: f32| (0.8 - y).min(0.45 * (y + 0.9) - 0.86 * x.abs() + 0.06);
    match mark {
        0 => 0.85 - x.hypot(y),
        1 => 0.72 - x.abs().max(y.abs()),
        2 => triangle(y),
        3 => 0.62 - (x.abs() + y.abs()) * std::f32::consts::FRAC_1_SQRT_2,
        4 => {
            let upright = (0.28 - x.abs()).min(0.85 - y.abs());
            let across = (0.28 - y.abs()).min(0.85 - x.abs());
            upright.max(across)
        }
        _ => triangle(-y),
    }
}

/// A shape in its colour, for a legend.
pub fn mark_ui(ui: &mut Ui, label: Option<usize>) {
    let size = theme::em(ui) * 0.8;
    let (rect, _) = ui.allocate_exact_size(Vec2::splat(size), Sense::hover());
    let first = shape(label) as f32 / SHAPES as f32;
    let uv = Rect::from_min_size(pos2(first, 0.0), vec2(1.0 / SHAPES as f32, 1.0));
    let mut mesh = Mesh::with_texture(marks(ui).id());
    mesh.add_rect_with_uv(rect, uv, color(theme::look(ui.ctx()), label));
    ui.painter().add(mesh);
}
