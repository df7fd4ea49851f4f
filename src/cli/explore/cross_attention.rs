//! `tuning-fork explore cross-attention`

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::read_write;
use super::table;
use super::table::Table;
use super::weights::WeightsArgs;
use crate::cli::out;
use crate::explore::read_write::{CrossView, Piece, Source, cross_attention};
use crate::jobs::Quiet;
use crate::seq2seq::WriteRequest;

#[derive(Debug, Args)]
pub struct CrossAttentionArgs {
    #[command(flatten)]
    weights: WeightsArgs,

    /// The answer that is looked at; without it, the model's own greedy one
    #[arg(long, value_name = "TEXT")]
    answer: Option<String>,

    /// Of the model's own answer
    #[arg(long, default_value_t = 40)]
    max_new_tokens: usize,

    /// Only this head, counted from 0; without it, all in the JSON, and their mean in the table
    #[arg(long)]
    head: Option<usize>,
}

#[derive(Serialize)]
struct Line<'a> {
    source: &'a Source,
    answer: &'a [Piece],
    layers: Vec<Layer>,
}

#[derive(Serialize)]
struct Layer {
    layer: usize,
    heads: Vec<Head>,
}

#[derive(Serialize)]
struct Head {
    head: usize,
    weights: Vec<Vec<f32>>,
}

pub fn run(args: &CrossAttentionArgs) -> anyhow::Result<()> {
    let rows = args.weights.input.read()?;
    let model = read_write::load(&args.weights.model)?;
    if let Some(head) = args.head.filter(|head| *head >= model.heads()) {
        bail!("there is no head {head}: each layer has {}, counted from 0", model.heads());
    }
    let layers = args.weights.layer.map_or_else(|| 0..model.layers()[1], |layer| layer..layer + 1);
    let mut found = Vec::new();
    for source in read_write::sources(&model, &rows)? {
        let ids = if let Some(text) = &args.answer {
            model.encode(text)?.0
        } else {
            let sampling = read_write::greedy();
            let max_new_tokens = args.max_new_tokens;
            let request = WriteRequest { sampling, max_new_tokens, seed: 0 };
            model.write(&source.ids(), &request, &Quiet)?.ids
        };
        if ids.is_empty() {
            bail!("the model's answer is empty: there is no token that looks at anything");
        }
        let views = cross_attention(&model, &source, &ids, layers.clone())?;
        found.push((source, views));
    }
    write(&args.weights, &found)?;
    for (source, views) in &found {
        let Some(first) = views.first() else { continue };
        if args.weights.json {
            let layers = views.iter().map(|view| layer(view, args.head)).collect();
            out::json(&Line { source, answer: &first.answer, layers })?;
        } else {
            show(views, args.head)?;
        }
    }
    Ok(())
}

fn layer(view: &CrossView, head: Option<usize>) -> Layer {
    let heads = head.map_or(0..view.heads, |head| head..head + 1);
    let row = |row: &[f32]| row.to_vec();
    let heads = heads.map(|head| {
        let map = view.map(Some(head));
        Head { head, weights: map.chunks(view.source.len()).map(row).collect() }
    });
    Layer { layer: view.layer, heads: heads.collect() }
}

fn write(args: &WeightsArgs, found: &[(Source, Vec<CrossView>)]) -> anyhow::Result<()> {
    let rows = || found.iter().filter_map(|(_, views)| views.first());
    let shape = |view: &CrossView| [view.heads, view.answer.len(), view.source.len()];
    let shapes: Vec<_> = rows().map(shape).collect();
    let views = found.first().map(|(_, views)| views.as_slice()).unwrap_or_default();
    let layers: Vec<usize> = views.iter().map(|view| view.layer).collect();
    let Some(mut file) = args.file("cross_attention", &shapes, &layers)? else { return Ok(()) };
    for view in found.iter().flat_map(|(_, views)| views) {
        file.append(&view.weights)?;
    }
    file.finish()
}

/// What each token of the answer looked at most.
fn show(views: &[CrossView], head: Option<usize>) -> anyhow::Result<()> {
    const SHOWN: usize = 3;
    let mut table = Table::new(["layer", "token", "looks at"]);
    for view in views {
        let map = view.map(head);
        for (piece, row) in view.answer.iter().zip(map.chunks(view.source.len())) {
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by(|one, other| row[*other].total_cmp(&row[*one]));
            let seen = order.iter().take(SHOWN).map(|at| {
                let token = table::token(&view.source[*at].token);
                format!("{token} {:.1} %", 100.0 * row[*at])
            });
            let seen: Vec<String> = seen.collect();
            table.push(vec![view.layer.to_string(), table::token(&piece.token), seen.join(", ")]);
        }
    }
    table.print()
}
