//! How to join: the QR code, the short address and the code, for the whole hall or beside a question.

use eframe::egui::{Align2, Rect, pos2};

use super::pen::{LARGE, Pen, SMALL};
use crate::state::room::OpenRoom;
use crate::widgets::qr_code;

/// Over the whole screen.
pub fn join(pen: &Pen<'_>, screen: Rect, open: &OpenRoom) {
    let help = "Scan the code with the camera of your phone, or type the address.";
    let room = pen.frame(screen, "Join with your phone", help, &open.turnout());
    let (left, right) = room.split_left_right_at_fraction(0.5);
    qr(pen, left.shrink(pen.of(8.0)), open);
    let right = right.shrink2(eframe::egui::vec2(pen.of(24.0), 0.0));
    let mut top = right.top() + right.height() * 0.22;
    let mut line = |words: &str, size: f32, ink| {
        let place = Rect::from_min_max(pos2(right.left(), top), right.max);
        top += pen.paragraph(place, words, size, ink) + pen.of(14.0);
    };
    line("Address", SMALL, pen.p.muted);
    // Without what browsers add by themselves.
    line(short(open), LARGE * 1.15, pen.p.strong);
    line("Code", SMALL, pen.p.muted);
    line(&open.code, LARGE * 2.0, pen.p.accent);
}

fn short(open: &OpenRoom) -> &str {
    open.address.strip_prefix("http://").unwrap_or(&open.address)
}

fn qr(pen: &Pen<'_>, room: Rect, open: &OpenRoom) -> Rect {
    let Some(code) = &open.qr else { return room };
    let rect = qr_code::draw(&pen.painter, room, code.size, |x, y| code.is_dark(x, y));
    pen.say(rect, "QR code of the room");
    rect
}

/// At the right of a question. What is left of the room.
pub fn beside(pen: &Pen<'_>, room: Rect, open: &OpenRoom) -> Rect {
    let width = pen.of(330.0).min(room.width() * 0.36);
    let (left, right) = room.split_left_right_at_x(room.right() - width);
    let side = width.min(right.height() - pen.line_height(SMALL) * 4.5);
    let square = Rect::from_min_max(
        pos2(right.center().x - side / 2.0, right.top()),
        pos2(right.center().x + side / 2.0, right.top() + side),
    );
    let square = qr(pen, square, open);
    let mut top = square.bottom() + pen.of(8.0);
    for (words, ink) in [(short(open), pen.p.text), (open.code.as_str(), pen.p.accent)] {
        let at = pos2(right.center().x, top);
        let size = if words.len() > 22 { SMALL * 0.8 } else { SMALL };
        let rect = pen.text_within(at, Align2::CENTER_TOP, words, size, ink, width);
        top = rect.bottom() + pen.of(4.0);
    }
    for words in open.turnout().split(" · ") {
        let at = pos2(right.center().x, top);
        let rect = pen.text_within(at, Align2::CENTER_TOP, words, SMALL, pen.p.muted, width);
        top = rect.bottom() + pen.of(2.0);
    }
    left.with_max_x(left.right() - pen.of(28.0))
}
