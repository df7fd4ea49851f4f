//! `tuning-fork explore meaning`

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::rows;
use super::rows::{Content, InputArgs, Row};
use super::table;
use super::table::Table;
use super::vectors::{Pooling, has_own_way, refuse_layer_of_encoder};
use crate::cli::load::ModelArgs;
use crate::cli::out;
use crate::cli::progress::Bar;
use crate::encoder::Encoder;
use crate::explore::meaning;
use crate::explore::meaning::{MeaningView, Pooled};
use crate::explore::subject::Subject;
use crate::explore::word_map;
use crate::explore::word_map::AxisView;
use crate::hub::resolve;

#[derive(Debug, Args)]
pub struct MeaningArgs {
    // A model, of which a layer's hidden states are taken, or a sentence encoder.
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    input: InputArgs,

    /// The layer: 0 is the embedding, n what the n-th layer gives; without it, the last, after the
    /// final norm
    #[arg(long)]
    layer: Option<usize>,

    /// How the vectors of a text's tokens become one; an encoder has a way of its own
    #[arg(long, value_enum)]
    pooling: Option<Pooling>,

    /// Put before each text for an encoder; without it, the encoder's own default prompt
    #[arg(long)]
    prefix: Option<String>,

    /// An anchor at the one end of an axis; may be given several times
    #[arg(long, value_name = "TEXT", requires = "to")]
    from: Vec<String>,

    /// An anchor at its other end: every text then has a place between the means of both groups, -1 to 1, with
    /// an interval over anchors that are drawn anew
    #[arg(long, value_name = "TEXT", requires = "from")]
    to: Vec<String>,

    /// One JSON object for all rows: vectors, map, cosines, neighbours
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    items: Vec<String>,

    /// None of an encoder.
    layer: Option<usize>,
    pooling: Option<Pooled>,
    #[serde(flatten)]
    view: &'a MeaningView,
    #[serde(skip_serializing_if = "Option::is_none")]
    axis: Option<&'a AxisView>,
}

pub fn run(args: &MeaningArgs) -> anyhow::Result<()> {
    let rows = args.input.read()?;
    let bar = Bar::new();
    let path = resolve::resolve_model(&args.model.model).ok();
    let is_layer_asked = args.layer.is_some() || args.pooling.is_some();
    let path = path.filter(|path| has_own_way(path, &args.model, is_layer_asked));
    let (layer, pooling, mut vectors) = if let Some(path) = path {
        refuse_layer_of_encoder(&args.model, args.layer, args.pooling)?;
        let text = |row: &Row| match &row.content {
            Content::Text(text) => Ok(text.clone()),
            Content::Ids(_) => bail!("{}: an encoder reads \"text\", not \"ids\"", row.place),
        };
        let mut texts = rows.iter().map(text).collect::<anyhow::Result<Vec<String>>>()?;
        texts.extend(args.from.iter().chain(&args.to).cloned());
        let encoder = Encoder::load(&path)?;
        let prompt =
            args.prefix.as_deref().or_else(|| encoder.default_prompt()).unwrap_or_default();
        (None, None, meaning::vectors_of_encoder(&encoder, prompt, &texts, &bar)?)
    } else {
        if args.prefix.is_some() {
            bail!("--prefix is for encoders: write it into the texts");
        }
        let (model, adapter) = args.model.load()?;
        let subject = Subject::new(&model, adapter.as_ref());
        let mut ids = rows::ids_of(&rows, subject)?;
        for anchor in args.from.iter().chain(&args.to) {
            ids.push(subject.encode(anchor)?);
        }
        let layer = args.layer.unwrap_or_else(|| model.config().layer_count());
        let pooled = args.pooling.map(Pooled::from).unwrap_or_default();
        let vectors = meaning::vectors_of_layer(subject, &ids, layer, pooled, &bar)?;
        (Some(layer), Some(pooled), vectors)
    };
    bar.clear();
    let axis = word_map::axis(&vectors, rows.len(), &args.from, &args.to);
    if axis.is_none() && !args.from.is_empty() {
        bail!("the anchors of both ends have the same mean: no axis lies between them");
    }
    vectors.truncate(rows.len());
    let view = meaning::meaning(vectors);
    let item = |row: &Row| match &row.content {
        Content::Text(text) => text.clone(),
        Content::Ids(ids) => format!("{ids:?}"),
    };
    let items: Vec<String> = rows.iter().map(item).collect();
    if args.json {
        return out::json(&Line { items, layer, pooling, view: &view, axis: axis.as_ref() });
    }
    let mut table = Table::new(["item", "1", "2", "nearest", "cosine"]);
    for (at, item) in items.iter().enumerate() {
        let along = |component: usize| view.coordinates[at].get(component).copied();
        let nearest = view.nearest[at].first();
        table.push(vec![
            item.chars().take(40).collect(),
            table::number(along(0), 3),
            table::number(along(1), 3),
            nearest.map(|near| items[near.item].chars().take(40).collect()).unwrap_or_default(),
            table::number(nearest.map(|near| near.cosine), 4),
        ]);
    }
    table.print()?;
    if let Some(axis) = &axis {
        let mut table = Table::new(["item", "axis", "from", "to"]);
        for (item, along) in items.iter().zip(&axis.along) {
            table.push(vec![
                item.chars().take(40).collect(),
                table::number(Some(along.position), 3),
                table::number(along.interval.map(|(from, _)| from), 3),
                table::number(along.interval.map(|(_, to)| to), 3),
            ]);
        }
        table.print()?;
        out::line(&format!(
            "-1 is the mean of {}, 1 that of {}; intervals: 95 %, {} draws of the anchors",
            axis.from.join(", "),
            axis.to.join(", "),
            axis.draws
        ))?;
    }
    let share: f64 = view.variance_share.iter().take(2).sum();
    out::line(&format!("The map's two directions hold {:.1} % of the variance", 100.0 * share))
}
