//! The model as its parts, as a figure and as a table.

use super::cells::{cell, header, maybe};
use super::drawing::{COOL, INK, MUTED, SMALL, WARM, WIDTH, mixed, pixels};
use super::font;
use super::sheet::{MARGIN, Sheet};
use crate::explore::machine::{Kind, Machine};
use crate::explore::pass_times::{PassTimes, Timed};

/// A row a part, with its share of what is computed; under them what a pass takes, where it was measured.
pub(super) fn machine(
    sheet: &mut Sheet,
    top: i32,
    machine: &Machine,
    (before, times): (usize, Option<&PassTimes>),
) {
    let words = format!("Shares of the multiplications for a token after {before} others");
    sheet.text((MARGIN, top), SMALL, MUTED, &words);
    for (row, part) in machine.parts.iter().enumerate() {
        let layers = match part.layers {
            None => String::new(),
            Some((layer, 1)) => format!(", layer {layer}"),
            Some((first, count)) => format!(", layers {first} to {}", first + count - 1),
        };
        let share = machine.share(part, before);
        let y = top + 26 + pixels(row) * STEP;
        let name = format!("{}{layers}", part.kind.name());
        bar(sheet, y, (&name, &format!("{:.1} %", share * 100.0)), share, false);
    }
    let Some(times) = times else { return };
    for (timed, what) in
        times.reading.iter().map(|it| (it, "read")).chain([(&times.writing, "written")])
    {
        let y = sheet.height + 8;
        let millis = timed.secs_a_token() * 1000.0;
        let words = format!("Time of a token that is {what}, as measured: {millis:.3} ms");
        sheet.text((MARGIN, y), SMALL, MUTED, &words);
        for (row, part) in timed.parts.iter().enumerate() {
            let millis = part.secs * 1000.0 / timed.tokens.max(1) as f64;
            let number = format!("{:.1} %, {millis:.3} ms", part.share * 100.0);
            let name = match part.kind {
                Kind::Other => "sums and norms",
                kind => kind.name(),
            };
            bar(sheet, y + 26 + pixels(row) * STEP, (name, &number), part.share, true);
        }
    }
}

const STEP: i32 = 26;

fn bar(sheet: &mut Sheet, y: i32, (name, number): (&str, &str), share: f64, is_time: bool) {
    let ink = if is_time { WARM } else { COOL };
    let room = WIDTH - 2 * MARGIN;
    sheet.rect((MARGIN, y), (room, STEP - 3), mixed(ink, 0.08));
    let width = (f64::from(room) * share).round() as i32;
    sheet.rect((MARGIN, y), (width, STEP - 3), mixed(ink, 0.35));
    sheet.text((MARGIN + 6, y + 4), SMALL, INK, name);
    let x = WIDTH - MARGIN - font::width(number, SMALL) - 6;
    sheet.text((x, y + 4), SMALL, INK, number);
}

/// A row a tensor.
pub(super) fn rows(
    machine: &Machine,
    before: usize,
    times: Option<&PassTimes>,
) -> Vec<Vec<String>> {
    let mut names = header(&["part", "first_layer", "layers", "tensor", "shape", "count", "types"]);
    names.extend(header(&["part_parameters", "part_bytes", "part_multiplications"]));
    names.push(format!("part_share_after_{before}_tokens"));
    if times.is_some() {
        names.extend(header(&["part_secs_a_token_read", "part_secs_a_token_written"]));
    }
    let mut rows = vec![names];
    for part in &machine.parts {
        let secs = |timed: &Timed| Some(timed.secs_of(part)? / timed.tokens.max(1) as f64);
        let measured = times.map(|times| {
            let read = times.reading.as_ref().and_then(secs);
            [maybe(read), maybe(secs(&times.writing))]
        });
        for tensor in &part.tensors {
            let sides: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
            let mut row = vec![
                part.kind.name().to_owned(),
                maybe(part.layers.map(|(first, _)| first)),
                maybe(part.layers.map(|(_, count)| count)),
                cell(&tensor.name),
                sides.join("x"),
                tensor.count.to_string(),
                tensor.types.join(" "),
                part.parameters.to_string(),
                part.bytes.to_string(),
                part.multiplications.to_string(),
                machine.share(part, before).to_string(),
            ];
            row.extend(measured.iter().flatten().cloned());
            rows.push(row);
        }
    }
    rows
}
