//! Right-to-left text in its order: rows of Arabic, Hebrew and their like, as egui lays them out, are
//! put right where they are drawn.
//!
//! egui shapes what one font shows: the letters of an Arabic word stand joined, and from right to
//! left. But words, numbers and brackets follow each other from left to right, as they are stored.
//! [`RightToLeft`] moves them by Unicode's rules (UAX 9) in what a frame draws, whoever drew it. Copied
//! text, screen readers and the places of a cursor are as they are stored. Joined letters are the
//! font's and egui's; lines are broken before, in the order in which they are read.

use std::ops::Range;
use std::sync::Arc;

use eframe::egui::emath::TSTransform;
use eframe::egui::epaint::text::{Galley, Glyph, LayoutJob, Row};
use eframe::egui::{
    Align, Context, FontSelection, FullOutput, Plugin, Rangef, Shape, TextBuffer, Ui,
};
use unicode_bidi::{BidiClass, BidiInfo, Direction, Level, bidi_class, get_base_direction};

/// Puts everything that a frame draws into its order: [`Context::add_plugin`].
#[derive(Clone, Copy, Debug, Default)]
pub struct RightToLeft;

impl Plugin for RightToLeft {
    fn debug_name(&self) -> &'static str {
        "right to left"
    }

    fn output_hook(&mut self, _context: &Context, output: &mut FullOutput) {
        for clipped in &mut output.shapes {
            // Of a long text only what is in sight is moved.
            let is_in_place = clipped.transform_after_tessellation == TSTransform::IDENTITY;
            let sight = if is_in_place { clipped.clip_rect.y_range() } else { Rangef::EVERYTHING };
            put_in_order(&mut clipped.shape, sight);
        }
    }
}

fn put_in_order(shape: &mut Shape, sight: Rangef) {
    match shape {
        Shape::Text(text) if has_right_to_left(&text.galley.job.text) => {
            let is_level = text.angle == 0.0;
            let sight = Rangef::new(sight.min - text.pos.y, sight.max - text.pos.y);
            let sight = if is_level { sight } else { Rangef::EVERYTHING };
            order(Arc::make_mut(&mut text.galley), sight);
        }
        Shape::Vec(shapes) => {
            for shape in shapes {
                put_in_order(shape, sight);
            }
        }
        _ => {}
    }
}

/// Whether a letter is of a block of Unicode that is for scripts from right to left.
fn is_of_their_blocks(letter: char) -> bool {
    matches!(letter, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

fn is_their_letter(letter: char) -> bool {
    matches!(bidi_class(letter), BidiClass::R | BidiClass::AL)
}

fn is_digit(letter: char) -> bool {
    matches!(bidi_class(letter), BidiClass::AN | BidiClass::EN)
}

fn has_right_to_left(text: &str) -> bool {
    // The first bytes of their letters; nothing else is asked of a text in other letters.
    let may_have = |byte: u8| matches!(byte, 0xd6..=0xdf | 0xe0 | 0xef | 0xf0);
    !text.is_ascii() && text.bytes().any(may_have) && text.chars().any(is_of_their_blocks)
}

/// Every row that is in `sight`, counted from the top of the galley.
fn order(galley: &mut Galley, sight: Rangef) {
    let job = Arc::clone(&galley.job);
    let level_of = |paragraph: &str| match get_base_direction(paragraph) {
        Direction::Rtl => Level::rtl(),
        Direction::Ltr | Direction::Mixed => Level::ltr(),
    };
    // A label that goes on where others end has what follows it at its right.
    let is_a_block = job.halign == Align::LEFT
        && job.first_row_min_height == 0.0
        && job.sections.first().is_none_or(|section| section.leading_space == 0.0);
    let right = galley.rect.right();
    let pixels = galley.pixels_per_point;
    let mut paragraphs = job.text.split('\n');
    let mut level = level_of(paragraphs.next().unwrap_or_default());
    for placed in &mut galley.rows {
        let is_last_of_paragraph = placed.ends_with_newline;
        let is_in_sight = sight.intersects(placed.rect().y_range());
        let has_some = placed.row.glyphs.iter().any(|glyph| is_of_their_blocks(glyph.chr));
        if is_in_sight && (level.is_rtl() || has_some) {
            order_row(Arc::make_mut(&mut placed.row), level, pixels);
            if level.is_rtl() && is_a_block {
                placed.pos.x = ((right - placed.row.size.x) * pixels).round() / pixels;
            }
            galley.mesh_bounds |= placed.row.visuals.mesh_bounds.translate(placed.pos.to_vec2());
        }
        if is_last_of_paragraph {
            level = level_of(paragraphs.next().unwrap_or_default());
        }
    }
}

/// What moves as a whole: a word of joined letters, or any other letter with its marks.
struct Piece {
    glyphs: Range<usize>,

    /// The letter that Unicode's rules are asked about.
    letter: char,
    left: f32,
    width: f32,
}

fn order_row(row: &mut Row, paragraph: Level, pixels_per_point: f32) {
    let pieces = pieces(&row.glyphs);
    let Some(start) = pieces.iter().map(|piece| piece.left).reduce(f32::min) else { return };
    let letters: String = pieces.iter().map(|piece| piece.letter).collect();
    let info = BidiInfo::new(&letters, Some(paragraph));
    let Some(line) = info.paragraphs.first() else { return };
    let levels = info.reordered_levels_per_char(line, line.range.clone());

    let to_pixel = |x: f32| (x * pixels_per_point).round() / pixels_per_point;
    let mut x = start;
    for at in BidiInfo::reorder_visual(&levels) {
        let piece = &pieces[at];
        let moved = to_pixel(x) - to_pixel(piece.left);
        let mirrored = mirrored(piece.letter).filter(|_| levels[at].is_rtl());
        let vertices = vertices(row, &piece.glyphs);
        for vertex in &mut row.visuals.mesh.vertices[vertices.clone()] {
            vertex.pos.x += moved;
        }
        if mirrored.is_some() {
            mirror(row, vertices, to_pixel(x) + piece.width / 2.0);
        }
        for glyph in &mut row.glyphs[piece.glyphs.clone()] {
            glyph.pos.x += moved;
            glyph.chr = mirrored.unwrap_or(glyph.chr);
        }
        x += piece.width;
    }
    row.visuals.mesh_bounds = row.visuals.mesh.calc_bounds();
}

/// The vertices of some glyphs: they stand in the order of the glyphs.
fn vertices(row: &Row, glyphs: &Range<usize>) -> Range<usize> {
    let all = &row.visuals.glyph_vertex_range;
    let at = |glyph: usize| {
        let first = row.glyphs.get(glyph).map_or(all.end, |glyph| glyph.first_vertex as usize);
        first.clamp(all.start, all.end)
    };
    at(glyphs.start)..at(glyphs.end).max(at(glyphs.start))
}

/// Turns pictures of letters around an upright line: a bracket is its counterpart's mirror image.
fn mirror(row: &mut Row, vertices: Range<usize>, middle: f32) {
    for corners in row.visuals.mesh.vertices[vertices].chunks_exact_mut(4) {
        let (left, right) = (corners[0].pos.x, corners[1].pos.x);
        let moved = 2.0 * middle - right - left;
        for corner in corners.iter_mut() {
            corner.pos.x += moved;
        }
        // Left top, right top, left bottom, right bottom.
        for [one, other] in [[0, 1], [2, 3]] {
            (corners[one].uv, corners[other].uv) = (corners[other].uv, corners[one].uv);
        }
    }
}

/// Brackets and signs that point: `(` opens in both directions.
fn mirrored(letter: char) -> Option<char> {
    const PAIRS: [[char; 2]; 12] = [
        ['(', ')'],
        ['[', ']'],
        ['{', '}'],
        ['<', '>'],
        ['«', '»'],
        ['‹', '›'],
        ['≤', '≥'],
        ['⟨', '⟩'],
        ['⟦', '⟧'],
        ['「', '」'],
        ['『', '』'],
        ['（', '）'],
    ];
    PAIRS.iter().find_map(|&[open, close]| match letter {
        _ if letter == open => Some(close),
        _ if letter == close => Some(open),
        _ => None,
    })
}

/// The pieces in the order in which they are read.
fn pieces(glyphs: &[Glyph]) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(glyphs.len());
    let mut at = 0;
    while at < glyphs.len() {
        let begin = at;
        at += 1;
        if is_of_their_blocks(glyphs[begin].chr) {
            at += glyphs[at..].iter().take_while(|glyph| is_in_word(glyph.chr)).count();
            pieces.extend(parts_of_word(glyphs, begin..at));
            continue;
        }
        // Marks, and the letters that a glyph shows together with the one before.
        // A word may begin with the mark of its last letter: that is its own.
        let belongs = |glyph: &&Glyph| glyph.advance_width == 0.0 && !is_in_word(glyph.chr);
        at += glyphs[at..].iter().take_while(belongs).count();
        pieces.push(piece(glyphs, begin..at, glyphs[begin].chr));
    }
    let row_end = glyphs.iter().map(Glyph::max_x).fold(0.0, f32::max);
    let mut starts: Vec<f32> = pieces.iter().map(|piece| piece.left).collect();
    starts.push(row_end);
    starts.sort_by(f32::total_cmp);
    for piece in &mut pieces {
        // Up to where the next one begins: what stands between them moves with it.
        let next = starts[starts.partition_point(|start| *start <= piece.left)..].first();
        piece.width = next.map_or(0.0, |next| next - piece.left);
    }
    pieces
}

/// Letters that stand in one word, whatever their font shows of them.
fn is_in_word(letter: char) -> bool {
    is_of_their_blocks(letter) || matches!(letter, '\u{200c}' | '\u{200d}')
}

/// A word was laid out from right to left, and so were its digits and digits that stand alone, which
/// are read from left to right.
fn parts_of_word(glyphs: &[Glyph], word: Range<usize>) -> Vec<Piece> {
    let mut parts: Vec<Piece> = Vec::new();
    let mut begin = word.start;
    // In a field the letters stand as they are read already: their word moves as a whole.
    let inside = if is_mended(&glyphs[word.clone()]) { 0..0 } else { word.start + 1..word.end };
    for at in inside {
        let by_digits = is_digit(glyphs[at - 1].chr) || is_digit(glyphs[at].chr);
        if by_digits && glyphs[at].advance_width > 0.0 {
            parts.push(part(glyphs, begin..at));
            begin = at;
        }
    }
    parts.push(part(glyphs, begin..word.end));
    parts.reverse();
    parts
}

fn part(glyphs: &[Glyph], place: Range<usize>) -> Piece {
    let mut letters = glyphs[place.clone()].iter().map(|glyph| glyph.chr);
    let first = glyphs[place.start].chr;
    let letter = letters.find(|letter| is_their_letter(*letter)).unwrap_or(first);
    piece(glyphs, place, letter)
}

fn piece(glyphs: &[Glyph], place: Range<usize>, letter: char) -> Piece {
    let with_width = glyphs[place.clone()].iter().filter(|glyph| glyph.advance_width > 0.0);
    let left = with_width.map(|glyph| glyph.pos.x).reduce(f32::min);
    // A line's end inside a text ends no paragraph here.
    let letter = if bidi_class(letter) == BidiClass::B { ' ' } else { letter };
    let left = left.unwrap_or(glyphs[place.start].pos.x);
    Piece { left, width: 0.0, glyphs: place, letter }
}

/// How the text of a field is laid out, for [`eframe::egui::TextEdit::layouter`].
///
/// As without it, but with a place for each letter: egui counts the letters of a word from right to
/// left twice, and the cursor would be words behind. The cursor moves through a word from left to
/// right, which is not where its letters are seen.
pub fn lay_out_field(ui: &Ui, text: &dyn TextBuffer, wrap_width: f32) -> Arc<Galley> {
    let font = FontSelection::default().resolve(ui.style());
    let color = ui.visuals().override_text_color;
    let color = color.unwrap_or_else(|| ui.visuals().widgets.inactive.text_color());
    let line = ui.fonts_mut(|fonts| fonts.row_height(&font)) + ui.spacing().extra_text_line_spacing;
    let mut job = LayoutJob::simple(text.as_str().to_owned(), font, color, wrap_width);
    job.keep_trailing_whitespace = true;
    for section in &mut job.sections {
        section.format.line_height = Some(line);
    }
    let mut galley = ui.fonts_mut(|fonts| fonts.layout_job(job));
    if has_right_to_left(text.as_str()) {
        mend(Arc::make_mut(&mut galley));
    }
    galley
}

fn mend(galley: &mut Galley) {
    let job = Arc::clone(&galley.job);
    let mut paragraphs = job.text.split('\n');
    let mut letters = paragraphs.next().unwrap_or_default().chars().peekable();
    for placed in &mut galley.rows {
        let row = Arc::make_mut(&mut placed.row);
        let glyphs = std::mem::take(&mut row.glyphs);
        let mut at = 0;
        while at < glyphs.len() {
            let end = at + glyphs[at..].iter().take_while(|glyph| is_in_word(glyph.chr)).count();
            if end > at {
                let word = std::iter::from_fn(|| letters.next_if(|letter| is_in_word(*letter)));
                row.glyphs.extend(places(&glyphs[at..end], &word.collect::<Vec<char>>()));
                at = end;
            } else {
                letters.next();
                row.glyphs.push(glyphs[at]);
                at += 1;
            }
        }
        if placed.ends_with_newline {
            letters = paragraphs.next().unwrap_or_default().chars().peekable();
        }
    }
}

/// A place for each letter of a word, all of the same width: an `م` and an `ا` that stand joined have
/// no places that could be told apart.
fn places(glyphs: &[Glyph], word: &[char]) -> Vec<Glyph> {
    let left = glyphs.iter().map(|glyph| glyph.pos.x).fold(f32::INFINITY, f32::min);
    let right = glyphs.iter().map(Glyph::max_x).fold(left, f32::max);
    let width = (right - left) / word.len().max(1) as f32;
    let place = |(at, letter): (usize, &char)| {
        let mut place = glyphs[0];
        place.chr = *letter;
        place.pos.x = left + at as f32 * width;
        place.advance_width = width;
        place.uv_rect = Default::default();
        place
    };
    word.iter().enumerate().map(place).collect()
}

/// Whether [`places`] made these.
fn is_mended(glyphs: &[Glyph]) -> bool {
    let [first, others @ ..] = glyphs else { return false };
    let is_of_one_picture = |glyph: &Glyph| glyph.first_vertex == first.first_vertex;
    first.uv_rect.is_nothing() && others.iter().all(is_of_one_picture)
}

#[cfg(test)]
#[path = "right_to_left_tests.rs"]
mod tests;
