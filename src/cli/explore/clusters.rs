//! `tuning-fork explore clusters`

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::table::Table;
use super::vectors::{Found, VectorsArgs, short};
use crate::cli::out;
use crate::cli::progress::Bar;
use crate::explore::vectors::groups;
use crate::explore::vectors::groups::{Against, Groups, Method, REDUCED_TO, against};
use crate::explore::vectors::hdbscan::HdbscanSettings;
use crate::explore::vectors::kmeans::KmeansSettings;
use crate::files;
use crate::words::counted;

#[derive(Debug, Args)]
pub struct ClustersArgs {
    #[command(flatten)]
    vectors: VectorsArgs,

    /// The number of clusters that k-means finds
    #[arg(long, value_name = "NUMBER", default_value_t = 8, conflicts_with = "hdbscan")]
    clusters: usize,

    /// k-means: how often it starts anew from other first centres; the best result is kept
    #[arg(long, default_value_t = 10)]
    starts: usize,

    /// HDBSCAN in place of k-means: it finds the number of clusters itself, each of at least so many
    /// texts
    #[arg(long, value_name = "TEXTS")]
    hdbscan: Option<usize>,

    /// HDBSCAN: how many texts around one count for its density; without it, as many as --hdbscan
    #[arg(long, value_name = "TEXTS", requires = "hdbscan")]
    min_samples: Option<usize>,

    /// HDBSCAN: UMAP reduces the vectors to so many dimensions first; 0 leaves them as they are
    #[arg(long, value_name = "DIMENSIONS", default_value_t = REDUCED_TO)]
    reduce: usize,

    /// Random numbers: the same seed gives the same clusters
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// A column of known labels that the clusters are compared with
    #[arg(long, value_name = "COLUMN")]
    against: Option<String>,

    /// Write the table with two more columns, the cluster and its name
    #[arg(long, value_name = "FILE.csv")]
    out: Option<PathBuf>,

    /// One JSON object for all
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    found: &'a Groups,

    /// Of each text, its row or line in the file.
    rows: &'a [u64],
    against: Option<Against>,
}

pub fn run(args: &ClustersArgs) -> anyhow::Result<()> {
    let texts = args.vectors.read()?;
    let known = args.against.as_deref().map(|column| texts.labels(column)).transpose()?;
    let Found { texts, vectors, .. } = args.vectors.with_vectors(texts, None)?;
    let method = match args.hdbscan {
        None => Method::Kmeans(KmeansSettings {
            clusters: args.clusters,
            starts: args.starts,
            seed: args.seed,
        }),
        Some(least) => Method::Hdbscan {
            settings: HdbscanSettings { least, samples: args.min_samples },
            reduced_to: (args.reduce > 0).then_some(args.reduce),
            seed: args.seed,
        },
    };
    let bar = Bar::new();
    let found = groups::groups(&vectors, &texts.as_strs(), method, &bar);
    bar.clear();
    let found = found?;
    let compared = known.as_ref().and_then(|(_, known)| against(&found, known));
    if let Some(path) = &args.out {
        let places: Vec<usize> = (0..found.labels.len()).collect();
        files::write_atomic(path, &texts.csv(&places, &found.columns()))?;
        out::note(&format!("The clusters are in {}", path.display()));
    }
    if args.json {
        return out::json(&Line { found: &found, rows: &texts.places, against: compared });
    }
    let mut table = Table::new(["cluster", "texts", "words", "nearest to the centre"]);
    for (number, group) in found.groups.iter().enumerate() {
        let words: Vec<&str> = group.words.iter().take(6).map(|word| word.word.as_str()).collect();
        let example = group.examples.first().map(|at| short(&texts.texts[*at]));
        table.push(vec![
            (number + 1).to_string(),
            group.size.to_string(),
            words.join(", "),
            example.unwrap_or_default(),
        ]);
    }
    table.print()?;
    if found.outside > 0 {
        out::line(&counted(found.outside, "text is in no cluster", "texts are in no cluster"))?;
    }
    if let (Some(compared), Some(column)) = (compared, &args.against) {
        out::line(&format!(
            "Against \"{column}\" ({}): V-measure {:.4} (homogeneity {:.4}, completeness {:.4}), \
             adjusted Rand index {:.4}",
            counted(compared.texts, "text", "texts"),
            compared.v_measure,
            compared.homogeneity,
            compared.completeness,
            compared.adjusted_rand
        ))?;
    }
    Ok(())
}
