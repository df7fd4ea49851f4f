//! The numbers of a view as CSV: in full, as `tuning-fork explore` writes them with `--json`.

use super::cells::{cell, header, maybe};
use super::exported::Exported;
use super::items;
use super::machine;
use super::maps;
use super::mask;
use super::models;
use super::pair_set;
use super::token_sides;
use super::words;
use crate::explore::attention::AttentionView;
use crate::explore::leave_one_out::LeaveOneOutView;
use crate::explore::lens::LensView;
use crate::explore::next_token::NextComparison;
use crate::explore::surprise::SurpriseView;
use crate::explore::tokens::TokenView;

/// Candidates that get columns of their own.
const TOP: usize = 10;

/// A table with a header.
pub fn csv(exported: &Exported) -> Vec<u8> {
    let rows = match exported {
        Exported::Tokens(view) => tokens(view),
        Exported::Tokenizers { sides, part } => token_sides::rows(sides, *part),
        Exported::Surprise { view, is_hidden } => surprise(view, is_hidden.as_deref()),
        Exported::Filled(figure) => mask::filled_rows(figure),
        Exported::Fit(fitted) => mask::fit_rows(fitted),
        Exported::Attention { view, ids, tokens, head } => attention(view, ids, tokens, *head),
        Exported::Lens(view) => lens(view),
        Exported::LeaveOneOut(view) => leave_one_out(view),
        Exported::Pair { view, .. } => pair(view),
        Exported::PairSet(results) => pair_set::rows(results),
        Exported::Compare { view, .. } => models::rows(view),
        Exported::Machine { machine, before, times } => {
            machine::rows(machine, *before, times.as_ref())
        }
        Exported::Words(view) => words::rows(view),
        Exported::Map(figure) => return maps::map_csv(figure),
        Exported::Clusters { mapped, groups } => return maps::clusters_csv(mapped, groups),
        Exported::Probe(probed) => return maps::probe_csv(probed),
        Exported::Items { mapped, found } => return items::items_csv(mapped, found),
    };
    let mut text = String::new();
    for row in rows {
        text.push_str(&row.join(","));
        text.push('\n');
    }
    text.into_bytes()
}

fn tokens(view: &TokenView) -> Vec<Vec<String>> {
    let rows = view.pieces.iter().enumerate().map(|(at, piece)| {
        let bytes = piece.bytes.iter().flatten().map(|byte| format!("{byte:02X}"));
        let bytes = bytes.collect::<Vec<_>>().join(" ");
        let special = piece.special.to_string();
        vec![at.to_string(), piece.id.to_string(), cell(&piece.token), bytes, special]
    });
    let names = header(&["position", "id", "token", "bytes", "special"]);
    std::iter::once(names).chain(rows).collect()
}

fn surprise(view: &SurpriseView, is_hidden: Option<&[bool]>) -> Vec<Vec<String>> {
    let mut names = header(&["position", "id", "token", "logprob", "surprisal", "entropy"]);
    if is_hidden.is_some() {
        names.push("hidden".to_owned());
    }
    let top = view.top.iter().map(Vec::len).max().unwrap_or(0).min(TOP);
    for place in 1..=top {
        names.extend([format!("top_{place}_token"), format!("top_{place}_logprob")]);
    }
    let rows = (0..view.ids.len()).map(|at| {
        let mut row = vec![
            at.to_string(),
            view.ids[at].to_string(),
            cell(&view.tokens[at]),
            maybe(view.logprobs[at]),
            maybe(view.surprisal[at]),
            view.entropy[at].to_string(),
        ];
        row.extend(is_hidden.map(|hidden| hidden[at].to_string()));
        for place in 0..top {
            let candidate = view.top[at].get(place);
            row.push(candidate.map(|it| cell(&it.token)).unwrap_or_default());
            row.push(maybe(candidate.map(|it| it.logprob)));
        }
        row
    });
    let rows: Vec<_> = rows.collect();
    std::iter::once(names).chain(rows).collect()
}

fn attention(
    view: &AttentionView,
    ids: &[u32],
    tokens: &[String],
    head: usize,
) -> Vec<Vec<String>> {
    let names =
        ["layer", "head", "from", "from_id", "from_token", "to", "to_id", "to_token", "weight"];
    let mut rows = vec![header(&names)];
    for (from, weights) in view.head(head).chunks_exact(view.time.max(1)).enumerate() {
        for (to, weight) in weights[..=from].iter().enumerate() {
            rows.push(vec![
                view.layer.to_string(),
                head.to_string(),
                from.to_string(),
                ids[from].to_string(),
                cell(&tokens[from]),
                to.to_string(),
                ids[to].to_string(),
                cell(&tokens[to]),
                weight.to_string(),
            ]);
        }
    }
    rows
}

fn lens(view: &LensView) -> Vec<Vec<String>> {
    let mut names =
        header(&["layer", "position", "after_token", "entropy", "place", "id", "token"]);
    names.extend(header(&["logprob", "probability"]));
    let mut rows = vec![names];
    for (layer, positions) in view.top.iter().enumerate() {
        for (at, candidates) in positions.iter().enumerate() {
            let position = view.positions.start + at;
            for (place, candidate) in candidates.iter().enumerate() {
                rows.push(vec![
                    layer.to_string(),
                    position.to_string(),
                    cell(&view.tokens[position]),
                    view.entropy[layer][at].to_string(),
                    (place + 1).to_string(),
                    candidate.id.to_string(),
                    cell(&candidate.token),
                    candidate.logprob.to_string(),
                    candidate.probability.to_string(),
                ]);
            }
        }
    }
    rows
}

fn leave_one_out(view: &LeaveOneOutView) -> Vec<Vec<String>> {
    let mut rows =
        vec![header(&["from", "to", "part", "logprob_without", "logprob", "difference"])];
    rows.extend(view.parts.iter().map(|part| {
        vec![
            part.tokens.start.to_string(),
            part.tokens.end.to_string(),
            cell(&view.tokens[part.tokens.clone()].concat()),
            maybe(part.logprob),
            view.logprob.to_string(),
            maybe(part.difference),
        ]
    }));
    rows
}

fn pair(view: &NextComparison) -> Vec<Vec<String>> {
    let mut rows = vec![header(&["id", "token", "logprob_a", "logprob_b", "difference"])];
    rows.extend(view.candidates.iter().map(|pair| {
        vec![
            pair.id.to_string(),
            cell(&pair.token),
            pair.logprob_a.to_string(),
            pair.logprob_b.to_string(),
            pair.difference.to_string(),
        ]
    }));
    rows
}
