//! The items of a questionnaire, as a figure and as a table.

use plotters::prelude::RGBColor;

use super::font;
use super::sheet::{MARGIN, Sheet};
use crate::explore::vectors::constructs::Predicted;
use crate::state::look_inside::items::ItemsFound;
use crate::state::look_inside::map::Mapped;

const INK: RGBColor = RGBColor(20, 22, 28);
const MUTED: RGBColor = RGBColor(85, 94, 110);
const GROUND: RGBColor = RGBColor(247, 248, 250);
const BAR: RGBColor = RGBColor(0, 114, 178);

const SIDE: i32 = 560;
const SMALL: u32 = 13;

/// The cosines ordered by construct, and under them cosines against correlations.
pub(super) fn items(sheet: &mut Sheet, top: i32, found: &ItemsFound) {
    let view = &found.view;
    let words = format!(
        "Mean cosine {:.3} within a construct, {:.3} between constructs; {:.1} % of {} items are nearest to \
         their own construct",
        view.within,
        view.between,
        100.0 * view.right,
        view.items.len()
    );
    sheet.text((MARGIN, top), SMALL, INK, &words);
    let (left, top) = (MARGIN + 140, top + 28);
    let count = view.order.len().max(1);
    let place = |at: usize| (f64::from(SIDE) * at as f64 / count as f64) as i32;
    let least = view.cosine.iter().flatten().copied().fold(0.999, f64::min);
    for (row, cosines) in view.cosine.iter().enumerate() {
        for (column, cosine) in cosines.iter().enumerate() {
            let share = ((cosine - least) / (1.0 - least)).clamp(0.0, 1.0);
            let part = |value: u8| (255.0 - (255.0 - f64::from(value)) * share) as u8;
            let ink = RGBColor(part(BAR.0), part(BAR.1), part(BAR.2));
            let (x, y) = (place(column), place(row));
            let size = (place(column + 1) - x, place(row + 1) - y);
            sheet.rect((left + x, top + y), size, ink);
        }
    }
    let mut at = 0;
    for (number, name) in view.constructs.iter().enumerate() {
        sheet.text((MARGIN, top + place(at)), SMALL, INK, &font::shortened(name, SMALL, 130));
        at += view.items.iter().filter(|item| item.own == number).count();
        sheet.rect((left, top + place(at)), (SIDE, 1), INK);
        sheet.rect((left + place(at), top), (1, SIDE), INK);
    }
    if let Some(predicted) = &found.predicted {
        scatter(sheet, top + SIDE + 32, predicted);
    }
}

fn scatter(sheet: &mut Sheet, top: i32, predicted: &Predicted) {
    let Predicted { r, low, high, fewest_answers, .. } = predicted;
    let words = match (r, low, high) {
        (Some(r), Some(low), Some(high)) => format!(
            "Cosines (across) and correlations of answers (up): r {r:.3} (95 % interval {low:.3} to \
             {high:.3}), {fewest_answers} people at least"
        ),
        _ => "Cosines (across) and correlations of answers (up): r is not defined".to_owned(),
    };
    sheet.text((MARGIN, top), SMALL, INK, &words);
    let (left, top) = (MARGIN + 140, top + 26);
    sheet.rect((left, top), (SIDE, SIDE), GROUND);
    let pairs = predicted.pairs.iter().filter_map(|pair| Some([pair.cosine, pair.correlation?]));
    let points: Vec<[f64; 2]> = pairs.collect();
    let ends = [0, 1].map(|axis| {
        let values = || points.iter().map(|point| point[axis]);
        let low = values().fold(f64::INFINITY, f64::min);
        (low, values().fold(f64::NEG_INFINITY, f64::max).max(low + 1e-9))
    });
    let share = |point: &[f64; 2], axis: usize| {
        let (low, high) = ends[axis];
        f64::from(SIDE - 20) * (point[axis] - low) / (high - low)
    };
    for point in &points {
        let x = left + 8 + share(point, 0) as i32;
        let y = top + SIDE - 12 - share(point, 1) as i32;
        sheet.rect((x, y), (3, 3), BAR);
    }
    if points.is_empty() {
        return;
    }
    let number = |value: f64| format!("{value:.2}");
    let [(from, to), (low, high)] = ends;
    let below = top + SIDE + 4;
    sheet.text((left, below), SMALL, MUTED, &number(from));
    sheet.text((left + SIDE - 32, below), SMALL, MUTED, &number(to));
    sheet.text((left - 40, top), SMALL, MUTED, &number(high));
    sheet.text((left - 40, top + SIDE - 16), SMALL, MUTED, &number(low));
}

/// A line an item: its constructs by column and by meaning, whether it stays, the cosine to each.
pub(super) fn items_csv(mapped: &Mapped, found: &ItemsFound) -> Vec<u8> {
    let in_memory = "memory takes every line";
    let view = &found.view;
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = ["item", "text", "construct", "nearest", "stays"].map(str::to_owned);
    let cosines = view.constructs.iter().map(|name| format!("cosine to {name}"));
    let head: Vec<String> = names.into_iter().chain(cosines).collect();
    writer.write_record(head).expect(in_memory);
    for place in &view.items {
        let stays = found.shorter.kept.contains(&place.item);
        let cells = [
            found.names[place.item].clone(),
            mapped.texts.texts[place.item].clone(),
            view.constructs[place.own].clone(),
            view.constructs[place.nearest].clone(),
            if stays { "yes" } else { "no" }.to_owned(),
        ];
        let cosine = |value: &Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let cells = cells.into_iter().chain(place.to_constructs.iter().map(cosine));
        writer.write_record(cells.collect::<Vec<String>>()).expect(in_memory);
    }
    writer.into_inner().expect(in_memory)
}
