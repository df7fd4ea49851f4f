//! A list of minimal pairs as a figure and as a table.

use super::cells::{cell, header, maybe};
use super::drawing::{COOL, GREY, INK, MUTED, SMALL, WIDTH, mixed, pixels, visible};
use super::font;
use super::sheet::{MARGIN, Sheet};
use crate::explore::pair_set::{Estimate, PairSetView};

/// A row an answer, a mark a model: how much likelier it is after the first word of a pair.
pub(super) fn pair_set(sheet: &mut Sheet, top: i32, results: &[PairSetView]) {
    let mut y = top;
    for view in results {
        let words = format!(
            "{}: {} prompts, total variation {:.1} %, KL {:.3} nats",
            view.model,
            2 * view.rows.len(),
            100.0 * view.total_variation.mean,
            view.kl_ab.mean
        );
        sheet.text((MARGIN, y), SMALL, INK, &words);
        y += 20;
    }
    let bits = |nats: f64| nats / std::f64::consts::LN_2;
    let reach = |estimate: &Estimate| {
        let [low, high] = estimate.interval.unwrap_or([estimate.mean; 2]);
        bits(low).abs().max(bits(high).abs())
    };
    let all = results.iter().flat_map(|view| &view.answers);
    let most = all.map(|answer| reach(&answer.difference)).fold(0.1, f64::max);
    sheet.text(
        (MARGIN, y),
        SMALL,
        MUTED,
        "Bits by which an answer is likelier after the first word of a pair",
    );
    y += 26;
    let (left, step) = (MARGIN + 220, 22);
    let middle = left + (WIDTH - MARGIN - left) / 2;
    let at =
        |nats: f64| middle + (f64::from(middle - left - 60) * bits(nats) / most).round() as i32;
    let begin = y;
    let answers = results.first().map(|view| view.answers.as_slice()).unwrap_or_default();
    for (row, answer) in answers.iter().enumerate() {
        sheet.text((MARGIN, y), SMALL, INK, &visible(&answer.answer));
        for view in results {
            let Some(answer) = view.answers.get(row) else { continue };
            let Estimate { mean, interval } = answer.difference;
            if let Some([low, high]) = interval {
                sheet.rect((at(low), y + 6), ((at(high) - at(low)).max(1), 3), mixed(COOL, 0.5));
            }
            sheet.rect((at(mean) - 3, y + 2), (7, 11), COOL);
            let words = format!("{:+.2}", bits(mean));
            let place = at(interval.map_or(mean, |[_, high]| high.max(mean))) + 8;
            sheet.text((place, y), SMALL, INK, &words);
            if results.len() > 1 {
                let name = font::shortened(&view.model, SMALL, 110);
                sheet.text((MARGIN + 100, y), SMALL, MUTED, &name);
            }
            y += step;
        }
    }
    if !answers.is_empty() {
        sheet.rect((middle, begin - 4), (1, pixels((y - begin).max(0) as usize) + 4), GREY);
    }
}

/// A row a template with a pair and an answer; without answers, a template with a pair.
pub(super) fn rows(results: &[PairSetView]) -> Vec<Vec<String>> {
    let mut names = header(&["model", "adapter", "template", "a", "b", "total_variation", "kl_ab"]);
    names.extend(header(&["answer", "logprob_a", "logprob_b"]));
    let mut rows = vec![names];
    for view in results {
        let words = view.set.check().unwrap_or_default();
        for row in &view.rows {
            let [a, b] = words.get(row.pair).copied().unwrap_or_default();
            let begin = vec![
                cell(&view.model),
                maybe(view.adapter.as_deref().map(cell)),
                cell(&view.set.templates[row.template]),
                cell(a),
                cell(b),
                row.divergence.total_variation.to_string(),
                row.divergence.kl_ab.to_string(),
            ];
            if row.answers.is_empty() {
                let empty = vec![String::new(); 3];
                rows.push([begin.clone(), empty].concat());
            }
            for (answer, [a, b]) in view.set.answers.iter().zip(&row.answers) {
                let more = vec![cell(answer), a.to_string(), b.to_string()];
                rows.push([begin.clone(), more].concat());
            }
        }
    }
    rows
}
