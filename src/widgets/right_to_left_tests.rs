//! Right-to-left text as it is drawn: its order, and the places of its letters.

use eframe::egui::epaint::TextShape;
use eframe::egui::{
    FontData, FontDefinitions, FontFamily, Label, RawInput, Rect, TextEdit, TextWrapMode, pos2,
    vec2,
};
use serde::Deserialize;

use super::*;

/// What `FriBidi` makes of a row: `tests/reference/make_bidi.py`.
#[derive(Deserialize)]
struct Reference {
    text: String,
    is_right_to_left: bool,
    seen: String,
}

fn references() -> Vec<Reference> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/bidi/rows.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The program's fonts, and after them one each that has Hebrew or Arabic letters and nothing else,
/// as those of a system.
fn context() -> Context {
    let mut fonts = FontDefinitions::default();
    for (name, font) in [
        ("hebrew", include_bytes!("../../assets/boxes/hebrew.ttf").as_slice()),
        ("arabic", include_bytes!("../../assets/boxes/arabic.ttf")),
    ] {
        fonts.font_data.insert(name.into(), Arc::new(FontData::from_static(font)));
        fonts.families.get_mut(&FontFamily::Proportional).unwrap().push(name.into());
    }
    let context = Context::default();
    context.set_fonts(fonts);
    context.add_plugin(RightToLeft);
    context
}

/// The first text that a frame draws.
fn drawn(width: f32, draw: impl FnMut(&mut Ui)) -> TextShape {
    let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(width, 400.0));
    let input = RawInput { screen_rect: Some(rect), ..RawInput::default() };
    let mut output = context().run_ui(input, draw);
    // There is no screen that would take them.
    output.textures_delta.clear();
    let texts = output.shapes.into_iter().filter_map(|clipped| match clipped.shape {
        Shape::Text(text) => Some(text),
        _ => None,
    });
    texts.into_iter().find(|text| !text.galley.job.text.is_empty()).unwrap()
}

fn label(text: &str, width: f32) -> TextShape {
    drawn(width, |ui| {
        ui.add(Label::new(text).wrap_mode(TextWrapMode::Wrap));
    })
}

/// The letters of a row as they are seen, from left to right.
fn seen(row: &Row) -> String {
    // "fi" is one picture with a place for the `i`; of their words egui counts the letters twice.
    let is_seen = |glyph: &&Glyph| glyph.advance_width > 0.0 || !is_in_word(glyph.chr);
    let mut glyphs: Vec<&Glyph> = row.glyphs.iter().filter(is_seen).collect();
    glyphs.sort_by(|one, other| one.pos.x.total_cmp(&other.pos.x));
    glyphs.iter().map(|glyph| glyph.chr).collect()
}

#[test]
fn rows_are_seen_in_the_order_that_fribidi_gives() {
    let references = references();
    assert!(references.len() > 20);
    for Reference { text, is_right_to_left, seen: expected } in &references {
        assert_eq!(
            get_base_direction(text.as_str()) == Direction::Rtl,
            *is_right_to_left,
            "{text}"
        );
        let shape = label(text, 2000.0);
        assert_eq!(&seen(&shape.galley.rows[0]), expected, "{text}");
    }
}

#[test]
fn the_picture_of_a_letter_moves_with_it_and_a_bracket_is_turned_round() {
    let shape = label("(שלום) a", 2000.0);
    let row = &shape.galley.rows[0].row;
    assert_eq!(seen(row), "a (םולש)");
    let mut brackets = Vec::new();
    for glyph in row.glyphs.iter().filter(|glyph| !glyph.uv_rect.is_nothing()) {
        let first = glyph.first_vertex as usize;
        let corners = &row.visuals.mesh.vertices[first..first + 4];
        let [left, right] = [corners[0].pos.x, corners[1].pos.x];
        let middle = f32::midpoint(left, right);
        assert!((glyph.pos.x..glyph.max_x()).contains(&middle), "{glyph:?}: {left} to {right}");
        if matches!(glyph.chr, '(' | ')') {
            brackets.push((glyph.chr, corners[0].uv.x > corners[1].uv.x));
        }
    }
    // The first that is stored is the last that is seen.
    assert_eq!(brackets, [(')', true), ('(', true)]);
}

#[test]
fn a_mark_stays_with_the_word_that_it_belongs_to() {
    // As a font with marks lays it out: that of the last letter comes first and has no width.
    let letters = [(' ', 4.0), ('\u{5b8}', 0.0), ('ם', 5.0), ('ש', 5.0), (' ', 4.0), ('e', 5.0)];
    let mut x = 0.0;
    let template = label("a", 100.0).galley.rows[0].glyphs[0];
    let glyphs = letters.map(|(letter, width)| {
        let mut glyph = template;
        (glyph.chr, glyph.advance_width, glyph.pos.x) = (letter, width, x);
        x += width;
        glyph
    });
    let places: Vec<_> = pieces(&glyphs).into_iter().map(|piece| piece.glyphs).collect();
    assert_eq!(places, [0..1, 1..4, 4..5, 5..6]);
}

#[test]
fn lines_are_read_downwards_and_stand_at_the_right() {
    let shape = label("אאא בבב גגג דדד ההה\nabc", 90.0);
    let galley = &shape.galley;
    assert!(galley.rows.len() > 2, "it is broken into lines");
    assert!(seen(&galley.rows[0]).trim_start().ends_with("אאא"), "{}", seen(&galley.rows[0]));
    let [last_hebrew, english] = [galley.rows.len() - 2, galley.rows.len() - 1];
    assert!(seen(&galley.rows[last_hebrew]).contains('ה'));
    for placed in &galley.rows[..english] {
        let right = placed.pos.x + placed.row.size.x;
        assert!((right - galley.rect.right()).abs() <= 1.0, "{right} of {}", galley.rect.right());
    }
    assert_eq!(galley.rows[english].pos.x, 0.0, "a paragraph from left to right stays at the left");
}

#[test]
fn other_texts_are_left_as_they_are() {
    for text in ["plain", "naïve café", "日本語 한국어 ไทย 🦀", "हिन्दी"]
    {
        assert!(!has_right_to_left(text), "{text}");
        let galley = label(text, 400.0).galley;
        let mut again = (*galley).clone();
        order(&mut again, Rangef::EVERYTHING);
        assert_eq!(again, *galley, "{text}");
    }
}

#[test]
fn a_field_has_a_place_for_each_letter() {
    for text in ["שלום עולם", "مرحبا، كيف ١٢ abc\nשלום", "ab אב\n\nגד"] {
        let mut typed = text.to_owned();
        let mut layouter = lay_out_field;
        let shape = drawn(400.0, |ui| {
            ui.add(TextEdit::multiline(&mut typed).layouter(&mut layouter));
        });
        let galley = &shape.galley;
        let lines: Vec<usize> = text.split('\n').map(|line| line.chars().count()).collect();
        let places: Vec<usize> = galley.rows.iter().map(|row| row.glyphs.len()).collect();
        assert_eq!(places, lines, "{text}");
    }
    let mut typed = "שלום (עולם) 12".to_owned();
    let mut layouter = lay_out_field;
    let shape = drawn(400.0, |ui| {
        ui.add(TextEdit::multiline(&mut typed).layouter(&mut layouter));
    });
    // Words have moved; inside a word the places of a cursor stay as they are stored.
    assert_eq!(seen(&shape.galley.rows[0]), "12 (עולם) שלום");
}

#[test]
fn a_long_text_costs_what_is_in_sight() {
    let text = "שלום עולם\n".repeat(2000);
    let galley = label(&text, 400.0).galley;
    let moved = galley.rows.iter().filter(|row| seen(row).starts_with("םלוע")).count();
    // 400 points of rows of some 15 points.
    assert!((10..60).contains(&moved), "{moved} of {}", galley.rows.len());
}
