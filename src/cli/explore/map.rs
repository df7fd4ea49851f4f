//! `tuning-fork explore map`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::table;
use super::table::Table;
use super::vectors::{Found, VectorsArgs, short};
use crate::cli::out;
use crate::cli::progress::Bar;
use crate::explore::vectors::layout;
use crate::explore::vectors::layout::Map;
use crate::explore::vectors::neighbours::{Near, nearest_to};
use crate::files;

#[derive(Debug, Args)]
pub struct MapArgs {
    #[command(flatten)]
    vectors: VectorsArgs,

    /// How the vectors are laid out in two dimensions
    #[arg(long, value_enum, default_value_t = Method::Pca)]
    method: Method,

    /// UMAP's random numbers: the same seed gives the same map
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// A sentence: the rows that are nearest to it in meaning are listed too
    #[arg(long, value_name = "SENTENCE")]
    nearest: Option<String>,

    /// How many rows --nearest lists
    #[arg(long, default_value_t = 10)]
    top: usize,

    /// Write the table with two more columns, x and y
    #[arg(long, value_name = "FILE.csv")]
    out: Option<PathBuf>,

    /// One JSON object for all rows
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Method {
    Pca,
    Umap,
}

#[derive(Serialize)]
struct Line<'a> {
    method: layout::Method,
    seed: u64,
    texts: &'a [String],

    /// Of each text, its row or line in the file.
    rows: &'a [u64],
    points: &'a [[f32; 2]],

    /// The share of the variance that each direction holds; of PCA.
    variance_share: &'a [f64],
    nearest: Option<Vec<Near>>,
}

pub fn run(args: &MapArgs) -> anyhow::Result<()> {
    let texts = args.vectors.read()?;
    let Found { texts, vectors, query } =
        args.vectors.with_vectors(texts, args.nearest.as_deref())?;
    let method = match args.method {
        Method::Pca => layout::Method::Pca,
        Method::Umap => layout::Method::Umap,
    };
    let bar = Bar::new();
    let map = layout::map(&vectors, method, args.seed, &bar);
    bar.clear();
    let map = map?;
    let nearest = query.map(|query| nearest_to(&vectors.unit(), &query, args.top, None));
    let Map { points, shares, .. } = &map;
    if let Some(path) = &args.out {
        let places: Vec<usize> = (0..points.len()).collect();
        files::write_atomic(path, &texts.csv(&places, &map.columns()))?;
        out::note(&format!("The map is in {}", path.display()));
    }
    if args.json {
        return out::json(&Line {
            method,
            seed: args.seed,
            texts: &texts.texts,
            rows: &texts.places,
            points,
            variance_share: shares,
            nearest,
        });
    }
    if args.nearest.is_none() && args.out.is_none() {
        let mut table = Table::new(["row", "x", "y", "text"]);
        for (at, [x, y]) in points.iter().enumerate() {
            table.push(vec![
                texts.places[at].to_string(),
                table::number(Some(f64::from(*x)), 3),
                table::number(Some(f64::from(*y)), 3),
                short(&texts.texts[at]),
            ]);
        }
        table.print()?;
    }
    if let Some(nearest) = nearest {
        let mut table = Table::new(["row", "cosine", "text"]);
        for Near { item, cosine } in nearest {
            table.push(vec![
                texts.places[item].to_string(),
                table::number(Some(cosine), 4),
                short(&texts.texts[item]),
            ]);
        }
        table.print()?;
    }
    if !shares.is_empty() {
        let share: f64 = shares.iter().sum();
        out::note(&format!("The map's two directions hold {:.1} % of the variance", 100.0 * share));
    }
    Ok(())
}
