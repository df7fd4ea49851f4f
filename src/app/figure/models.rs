//! Two models on one text, as a figure and as a table.

use super::cells::{cell, header, maybe};
use super::drawing::{GREEN, INK, MOST, MUTED, SMALL, WARM, flow, mixed, pair, visible};
use super::sheet::{MARGIN, Sheet};
use crate::explore::compare::TextComparison;
use crate::explore::compare_words::WordComparison;
use crate::explore::two_models::{Found, ModelSide, TwoModels};
use crate::words;

/// What each of them takes, the text with its differences, and what both expect after it.
pub(super) fn two_models(sheet: &mut Sheet, top: i32, names: &[String; 2], view: &TwoModels) {
    let mut y = top;
    for (side, name) in [&view.a, &view.b].into_iter().zip(names) {
        sheet.text((MARGIN, y), SMALL, INK, &format!("{name}: {}", side_words(side)));
        y += 20;
    }
    sheet.text((MARGIN, y), SMALL, MUTED, &summary(view, names));
    y += 30;
    let difference = |words: &str, nats: Option<f64>| {
        let bits = nats.map(|nats| nats / std::f64::consts::LN_2);
        let caption = bits.map(|bits| format!("{bits:+.1}")).unwrap_or_default();
        let bits = bits.unwrap_or(0.0);
        let ink = if bits < 0.0 { WARM } else { GREEN };
        (visible(words), caption, mixed(ink, bits.abs() / 3.0 * MOST))
    };
    match &view.found {
        Found::Tokens { text, next } => {
            let chips = text.tokens.iter().zip(&text.difference);
            let chips: Vec<_> = chips.map(|(token, nats)| difference(token, *nats)).collect();
            flow(sheet, y, &chips);
            if let Some(next) = next.last() {
                let y = sheet.height + 10;
                sheet.text((MARGIN, y), SMALL, MUTED, "What comes next after the text");
                pair(sheet, y + 26, names, next);
            }
        }
        Found::Words(found) => {
            let chips = found.words.iter();
            let chips: Vec<_> = chips.map(|word| difference(&word.word, word.difference)).collect();
            flow(sheet, y, &chips);
        }
    }
}

/// `SmolLM2-135M, Q4_1, 98 MB on the disk, 98 MB in memory, reads 120 tokens a second, writes 30`.
fn side_words(side: &ModelSide) -> String {
    let mut parts = vec![
        side.name.clone(),
        side.weights.clone(),
        format!("{} on the disk", words::bytes(side.disk_bytes)),
        format!("{} in memory", words::bytes(side.memory_bytes)),
    ];
    parts.extend(side.reads_a_second.map(|rate| format!("reads {rate:.0} tokens a second")));
    parts.extend(side.writes_a_second.map(|rate| format!("writes {rate:.0}")));
    parts.join(", ")
}

fn summary(view: &TwoModels, [a, b]: &[String; 2]) -> String {
    let perplexity =
        |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| format!("{value:.2}"));
    match &view.found {
        Found::Tokens { text, .. } => {
            let found = &text.summary;
            format!(
                "Mean KL({a}‖{b}) {:.4} nats; the same likeliest token {:.1} %, of the ten likeliest \
                 {:.1} %; perplexity {} and {}",
                found.mean_kl_ab,
                100.0 * found.top_1_agreement,
                100.0 * found.top_10_agreement,
                perplexity(found.perplexity_a),
                perplexity(found.perplexity_b)
            )
        }
        Found::Words(found) => format!(
            "Compared by words: the vocabularies differ. Perplexity of a word {} and {}",
            perplexity(found.summary.perplexity_a),
            perplexity(found.summary.perplexity_b)
        ),
    }
}

/// A row a token, or a word.
pub(super) fn rows(view: &TwoModels) -> Vec<Vec<String>> {
    match &view.found {
        Found::Tokens { text, .. } => tokens(text),
        Found::Words(found) => by_words(found),
    }
}

fn tokens(view: &TextComparison) -> Vec<Vec<String>> {
    let mut names = header(&["position", "id", "token", "logprob_a", "logprob_b", "difference"]);
    names.extend(header(&["next_kl_ab", "next_kl_ba", "next_total_variation"]));
    names.extend(header(&["next_same_top_1", "next_top_10_overlap"]));
    let rows = (0..view.ids.len()).map(|at| {
        let next = &view.next[at];
        vec![
            at.to_string(),
            view.ids[at].to_string(),
            cell(&view.tokens[at]),
            maybe(view.logprobs_a[at]),
            maybe(view.logprobs_b[at]),
            maybe(view.difference[at]),
            next.kl_ab.to_string(),
            next.kl_ba.to_string(),
            next.total_variation.to_string(),
            next.same_top_1.to_string(),
            next.top_10_overlap.to_string(),
        ]
    });
    std::iter::once(names).chain(rows).collect()
}

fn by_words(view: &WordComparison) -> Vec<Vec<String>> {
    let mut names = header(&["first_character", "word", "tokens_a", "tokens_b"]);
    names.extend(header(&["logprob_a", "logprob_b", "difference"]));
    let rows = view.words.iter().map(|word| {
        vec![
            word.characters.start.to_string(),
            cell(&word.word),
            word.tokens_a.to_string(),
            word.tokens_b.to_string(),
            maybe(word.logprob_a),
            maybe(word.logprob_b),
            maybe(word.difference),
        ]
    });
    std::iter::once(names).chain(rows).collect()
}
