//! The words of a list: their map, and where they lie along an axis, as a figure and as a table.

use super::cells::{cell, header, maybe};
use super::drawing::{COOL, GREY, INK, MOST, MUTED, SIZE, SMALL, WIDTH, mixed, pixels};
use super::font;
use super::sheet::{MARGIN, Sheet};
use crate::explore::word_map::{AxisView, WordsView};

const HEIGHT: i32 = 520;

pub(super) fn words(sheet: &mut Sheet, top: i32, view: &WordsView) {
    let [one, other] = view.variance_share;
    let words = format!(
        "Layer {}; the two directions hold {:.0} % and {:.0} % of all differences",
        view.layer,
        one * 100.0,
        other * 100.0
    );
    sheet.text((MARGIN, top), SMALL, MUTED, &words);
    let top = top + 28;
    sheet.rect((MARGIN, top), (WIDTH - 2 * MARGIN, HEIGHT), mixed(GREY, 0.3));
    let range = |axis: usize| {
        let values = view.coordinates.iter().map(|place| place[axis]);
        let least = values.clone().fold(f64::INFINITY, f64::min);
        (least, (values.fold(f64::NEG_INFINITY, f64::max) - least).max(1e-9))
    };
    let ranges = [range(0), range(1)];
    for (item, place) in view.items.iter().zip(&view.coordinates) {
        let share = |axis: usize| (place[axis] - ranges[axis].0) / ranges[axis].1;
        let x = MARGIN + 90 + (share(0) * f64::from(WIDTH - 2 * MARGIN - 180)) as i32;
        let y = top + HEIGHT - 40 - (share(1) * f64::from(HEIGHT - 80)) as i32;
        sheet.rect((x - 3, y - 3), (7, 7), COOL);
        let item = font::shortened(item, SMALL, 180);
        sheet.text((x - font::width(&item, SMALL) / 2, y - 22), SMALL, INK, &item);
    }
    if let Some(axis) = &view.axis {
        along(sheet, top + HEIGHT + 24, view, axis);
    }
}

/// A row an item, sorted, with its interval.
fn along(sheet: &mut Sheet, top: i32, view: &WordsView, axis: &AxisView) {
    let ends = format!("{}  (-1)  …  {}  (1)", axis.from.join(", "), axis.to.join(", "));
    sheet.text((MARGIN, top), SIZE, INK, &font::shortened(&ends, SIZE, WIDTH - 2 * MARGIN));
    let mut order: Vec<usize> = (0..view.items.len()).collect();
    order.sort_by(|one, other| axis.along[*one].position.total_cmp(&axis.along[*other].position));
    let reach = axis.along.iter().flat_map(|along| {
        let (low, high) = along.interval.unwrap_or((along.position, along.position));
        [low.abs(), high.abs(), along.position.abs()]
    });
    let reach = reach.fold(1.0, f64::max);
    let (left, width) = (MARGIN + 220, WIDTH - 2 * MARGIN - 300);
    let at =
        |value: f64| left + (f64::midpoint(value / reach, 1.0) * f64::from(width)).round() as i32;
    for (row, item) in order.into_iter().enumerate() {
        let (along, y) = (&axis.along[item], top + 32 + pixels(row) * 22);
        sheet.text((MARGIN, y), SMALL, INK, &font::shortened(&view.items[item], SMALL, 200));
        sheet.rect((left, y + 8), (width, 1), GREY);
        if let Some((low, high)) = along.interval {
            sheet.rect((at(low), y + 6), ((at(high) - at(low)).max(1), 5), mixed(COOL, MOST));
        }
        sheet.rect((at(along.position) - 3, y + 4), (7, 9), COOL);
        sheet.text((left + width + 12, y), SMALL, INK, &format!("{:.3}", along.position));
    }
}

/// A row an item: its place on the map and along the axis, and its cosine with each of the others.
pub(super) fn rows(view: &WordsView) -> Vec<Vec<String>> {
    let mut names = header(&["item", "x", "y", "axis", "axis_low", "axis_high"]);
    names.extend(view.items.iter().map(|item| cell(&format!("cosine with {item}"))));
    let mut rows = vec![names];
    for (at, item) in view.items.iter().enumerate() {
        let along = view.axis.as_ref().map(|axis| axis.along[at]);
        let interval = along.and_then(|along| along.interval);
        let [x, y] = view.coordinates[at];
        let mut row = vec![
            cell(item),
            x.to_string(),
            y.to_string(),
            maybe(along.map(|along| along.position)),
            maybe(interval.map(|(low, _)| low)),
            maybe(interval.map(|(_, high)| high)),
        ];
        row.extend(view.cosine[at].iter().map(|cosine| maybe(*cosine)));
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::meaning::Along;

    #[test]
    fn the_table_has_what_the_picture_shows() {
        let along =
            |position: f64| Along { position, interval: Some((position - 0.1, position + 0.1)) };
        let view = WordsView {
            items: ["nurse", "smith, a"].map(str::to_owned).into(),
            layer: 20,
            coordinates: vec![[1.5, 2.0], [-1.5, 0.25]],
            variance_share: [0.5, 0.25],
            cosine: vec![vec![Some(1.0), Some(0.5)], vec![Some(0.5), None]],
            axis: Some(AxisView {
                from: vec!["woman".to_owned()],
                to: vec!["man".to_owned()],
                draws: 1000,
                seed: 0,
                along: vec![along(-0.5), along(0.75)],
            }),
        };
        let table = rows(&view);
        assert_eq!(table[0].last().unwrap(), "\"cosine with smith, a\"");
        assert_eq!(table[1].join(","), "nurse,1.5,2,-0.5,-0.6,-0.4,1,0.5");
        assert_eq!(table[2][7], "");
        font::use_bundled().unwrap();
        let mut sheet = Sheet::new(WIDTH);
        words(&mut sheet, MARGIN, &view);
        let svg = sheet.svg().unwrap();
        for words in ["Layer 20", "nurse", "woman  (-1)", "0.750"] {
            assert!(svg.contains(words), "{words}");
        }
    }
}
