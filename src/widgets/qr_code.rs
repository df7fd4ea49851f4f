//! A QR code, black on white in every theme: cameras expect that.

use eframe::egui::{Color32, Painter, Rect, Vec2, pos2};

/// Squares of light around it, without which it is not read.
const RIM: usize = 4;

/// Draws it into the largest square in the middle of `room`, and says where that is. `is_dark`: of a
/// square by column and row.
pub fn draw(
    painter: &Painter,
    room: Rect,
    size: usize,
    is_dark: impl Fn(usize, usize) -> bool,
) -> Rect {
    let side = room.width().min(room.height());
    let rect = Rect::from_center_size(room.center(), Vec2::splat(side));
    painter.rect_filled(rect, 4.0, Color32::WHITE);
    let step = side / (size + 2 * RIM) as f32;
    for y in 0..size {
        // Neighbours in one piece: between two rectangles a light line could show.
        let mut x = 0;
        while x < size {
            let end = (x..size).find(|at| !is_dark(*at, y)).unwrap_or(size);
            if end > x {
                let left = rect.left() + (x + RIM) as f32 * step;
                let top = rect.top() + (y + RIM) as f32 * step;
                let width = (end - x) as f32 * step;
                let dark =
                    Rect::from_min_max(pos2(left, top), pos2(left + width, top + step + 0.25));
                painter.rect_filled(dark, 0.0, Color32::BLACK);
            }
            x = end + 1;
        }
    }
    rect
}
