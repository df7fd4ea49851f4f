//! `tuning-fork explore attention`

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::rows;
use super::table;
use super::table::Table;
use super::weights::WeightsArgs;
use crate::cli::out;
use crate::cli::progress::Bar;
use crate::explore::attention;
use crate::explore::attention::{AttentionView, HeadScores};
use crate::explore::error::Error;
use crate::explore::subject::Subject;

#[derive(Debug, Args)]
pub struct AttentionArgs {
    #[command(flatten)]
    weights: WeightsArgs,
}

#[derive(Serialize)]
struct Line<'a> {
    ids: &'a [u32],
    tokens: Vec<String>,
    layers: Vec<Layer>,

    /// Layers that carry a state from token to token instead.
    without_attention: &'a [usize],
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<&'a PathBuf>,
}

#[derive(Serialize)]
struct Layer {
    layer: usize,
    heads: Vec<HeadScores>,
}

pub fn run(AttentionArgs { weights: args }: &AttentionArgs) -> anyhow::Result<()> {
    let rows = args.input.read()?;
    let (model, adapter) = args.model.load()?;
    let subject = Subject::new(&model, adapter.as_ref());
    let ids = rows::ids_of(&rows, subject)?;
    let some = attention::layers_with_attention(subject);
    let layers = args.layer.map_or_else(|| some.clone(), |layer| vec![layer]);
    if layers.is_empty() {
        bail!(Error::NoAttention);
    }
    let without: Vec<usize> =
        (0..model.config().layer_count()).filter(|layer| !some.contains(layer)).collect();
    if args.layer.is_none() && !without.is_empty() {
        let list: Vec<String> = without.iter().map(usize::to_string).collect();
        out::note(&format!(
            "Layers that carry a state from token to token have no attention, and are left out: {}",
            list.join(", ")
        ));
    }
    let heads = model.config().heads;
    let shapes: Vec<_> = ids.iter().map(|ids| [heads, ids.len(), ids.len()]).collect();
    let mut file = args.file("attention", &shapes, &layers)?;
    let bar = Bar::new();
    for ids in &ids {
        let mut found = Vec::new();
        let mut on_layer = |view: AttentionView| -> anyhow::Result<()> {
            if let Some(file) = &mut file {
                file.append(&view.weights)?;
            }
            found.push(Layer { layer: view.layer, heads: view.scores });
            Ok(())
        };
        attention::attention_of(subject, ids, &layers, &bar, &mut on_layer)?;
        bar.clear();
        let tokens = subject.token_texts(ids);
        let without_attention = without.as_slice();
        let line = Line { ids, tokens, layers: found, without_attention, out: args.out.as_ref() };
        if args.json { out::json(&line)? } else { show(&line)? }
    }
    if let Some(file) = file {
        file.finish()?;
    }
    Ok(())
}

fn show(line: &Line<'_>) -> anyhow::Result<()> {
    let mut table = Table::new(["layer", "head", "token before", "same token", "first token"]);
    for Layer { layer, heads } in &line.layers {
        for (head, HeadScores { previous, same, first }) in heads.iter().enumerate() {
            let numbers = [previous, same, first].map(|value| table::number(*value, 3));
            let row = [layer.to_string(), head.to_string()].into_iter().chain(numbers);
            table.push(row.collect());
        }
    }
    table.print()
}
