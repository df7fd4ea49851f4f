//! `tuning-fork explore cross-attention`

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::read_write;
use super::rows::InputArgs;
use super::table;
use super::table::Table;
use crate::cli::load::ModelArgs;
use crate::cli::out;
use crate::cli::tensor_file::TensorFile;
use crate::explore::read_write::{CrossView, Piece, Source, cross_attention};
use crate::jobs::Quiet;
use crate::seq2seq::WriteRequest;

#[derive(Debug, Args)]
pub struct CrossAttentionArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    input: InputArgs,

    /// The answer that is looked at; without it, the model's own greedy one
    #[arg(long, value_name = "TEXT")]
    answer: Option<String>,

    /// Of the model's own answer
    #[arg(long, default_value_t = 40)]
    max_new_tokens: usize,

    /// Only this layer of the decoder, counted from 0
    #[arg(long)]
    layer: Option<usize>,

    /// Only this head, counted from 0; without it, all in the JSON, and their mean in the table
    #[arg(long)]
    head: Option<usize>,

    /// Write the weights as safetensors: `cross_attention.LAYER` of shape (heads, tokens of the answer,
    /// tokens that were read); of several rows, `ROW.cross_attention.LAYER`, counted from 0
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// One JSON object a row: the weights of each head, a row a token of the answer
    #[arg(long)]
    json: bool,
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
    let rows = args.input.read()?;
    let model = read_write::load(&args.model)?;
    if let Some(head) = args.head.filter(|head| *head >= model.heads()) {
        bail!("there is no head {head}: each layer has {}, counted from 0", model.heads());
    }
    let layers = args.layer.map_or_else(|| 0..model.layers()[1], |layer| layer..layer + 1);
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
    if let Some(path) = &args.out {
        write(path, &found)?;
    }
    for (source, views) in &found {
        let Some(first) = views.first() else { continue };
        if args.json {
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

fn write(path: &std::path::Path, found: &[(Source, Vec<CrossView>)]) -> anyhow::Result<()> {
    let name = |row: usize, layer: usize| match found.len() {
        1 => format!("cross_attention.{layer}"),
        _ => format!("{row}.cross_attention.{layer}"),
    };
    let all = || {
        let rows = found.iter().enumerate();
        rows.flat_map(|(row, (_, views))| views.iter().map(move |view| (row, view)))
    };
    let tensors: Vec<(String, Vec<usize>)> = all()
        .map(|(row, view)| {
            let shape = vec![view.heads, view.answer.len(), view.source.len()];
            (name(row, view.layer), shape)
        })
        .collect();
    let mut file = TensorFile::create(path, &tensors)?;
    for (_, view) in all() {
        file.append(&view.weights)?;
    }
    file.finish()?;
    Ok(())
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
