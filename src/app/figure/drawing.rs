//! What several figures draw: tokens as running text, mirrored bars, and the inks of both.

use plotters::prelude::RGBColor;

use super::font;
use super::sheet::{MARGIN, Sheet};
use crate::explore::next_token::NextComparison;

pub(super) const INK: RGBColor = RGBColor(20, 22, 28);
pub(super) const MUTED: RGBColor = RGBColor(85, 94, 110);
pub(super) const WARM: RGBColor = RGBColor(213, 94, 0);
pub(super) const COOL: RGBColor = RGBColor(0, 114, 178);
pub(super) const GREEN: RGBColor = RGBColor(0, 128, 100);
pub(super) const GREY: RGBColor = RGBColor(222, 226, 232);

/// So far a colour goes from white: text stays readable on it.
pub(super) const MOST: f64 = 0.6;

pub(super) const WIDTH: i32 = 960;
pub(super) const SIZE: u32 = 18;
pub(super) const SMALL: u32 = 13;

/// More tokens than that are no figure; the table has all of them.
const MOST_TOKENS: usize = 400;

/// From white towards an ink.
pub(super) fn mixed(ink: RGBColor, share: f64) -> RGBColor {
    let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
    let part = |value: u8| (255.0 - (255.0 - f64::from(value)) * share).round() as u8;
    RGBColor(part(ink.0), part(ink.1), part(ink.2))
}

/// White space as it can be seen.
pub(super) fn visible(token: &str) -> String {
    token.replace(' ', "\u{b7}").replace('\n', "\\n").replace('\t', "\\t")
}

/// Tokens with their numbers under them, line by line.
pub(super) fn flow(sheet: &mut Sheet, top: i32, chips: &[(String, String, RGBColor)]) {
    let (mut x, mut y) = (MARGIN, top);
    let (line, caption_line) = (26, 18);
    for (words, caption, ground) in chips.iter().take(MOST_TOKENS) {
        let width = font::width(words, SIZE).max(font::width(caption, SMALL)) + 8;
        if x + width > WIDTH - MARGIN && x > MARGIN {
            (x, y) = (MARGIN, y + line + caption_line + 6);
        }
        sheet.rect((x, y), (width, line), *ground);
        sheet.text((x + 4, y + 4), SIZE, INK, words);
        sheet.text((x + 4, y + line + 1), SMALL, MUTED, caption);
        x += width + 3;
    }
    if chips.len() > MOST_TOKENS {
        let words = format!("{} more tokens are in the table", chips.len() - MOST_TOKENS);
        sheet.text((MARGIN, y + line + caption_line + 10), SMALL, MUTED, &words);
    }
}

/// What each prompt gives the tokens, to the left and to the right of their names.
pub(super) fn pair(sheet: &mut Sheet, top: i32, prompts: &[String; 2], view: &NextComparison) {
    let inks = [WARM, GREEN];
    for (row, (words, ink)) in prompts.iter().zip(inks).enumerate() {
        let words = font::shortened(words, SIZE, WIDTH - 2 * MARGIN);
        sheet.text((MARGIN, top + pixels(row) * 24), SIZE, ink, &words);
    }
    let top = top + 58;
    let step = 24;
    let (name, number) = (200, 60);
    let room = (WIDTH - 2 * MARGIN - name) / 2 - number;
    let most = view.candidates.iter().map(|pair| pair.logprob_a.max(pair.logprob_b).exp());
    let most = most.fold(1e-9, f64::max);
    for (row, pair) in view.candidates.iter().enumerate() {
        let y = top + pixels(row) * step;
        let words = font::shortened(&visible(&pair.token), SMALL, name - 16);
        let x = WIDTH / 2 - font::width(&words, SMALL) / 2;
        sheet.text((x, y + 4), SMALL, INK, &words);
        for (side, logprob) in [pair.logprob_a, pair.logprob_b].into_iter().enumerate() {
            let share = logprob.exp();
            let width = ((f64::from(room) * share / most).round() as i32).max(1);
            let words = format!("{:.1} %", share * 100.0);
            let (x, at) = if side == 0 {
                let x = WIDTH / 2 - name / 2 - width;
                (x, x - font::width(&words, SMALL) - 6)
            } else {
                (WIDTH / 2 + name / 2, WIDTH / 2 + name / 2 + width + 6)
            };
            sheet.rect((x, y + 2), (width, step - 8), mixed(inks[side], MOST));
            sheet.text((at, y + 4), SMALL, INK, &words);
        }
    }
}

/// A count as a number of pixels, or of steps.
pub(super) fn pixels(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
