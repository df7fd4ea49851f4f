//! `tuning-fork explore probe`

use std::path::PathBuf;

use clap::Args;

use super::table;
use super::table::Table;
use super::vectors::{Found, VectorsArgs};
use crate::cli::out;
use crate::cli::progress::Bar;
use crate::explore::vectors::probe::{
    Estimate, LabelProbe, NumberProbe, ProbeSettings, Probed, probe_labels, probe_numbers,
};
use crate::files;

#[derive(Debug, Args)]
pub struct ProbeArgs {
    #[command(flatten)]
    vectors: VectorsArgs,

    /// The column that is predicted
    #[arg(long, value_name = "COLUMN")]
    target: String,

    /// The column holds numbers: ridge regression in place of logistic regression
    #[arg(long)]
    numbers: bool,

    /// Parts of the rows, each of which is predicted by a model that was trained on the others
    #[arg(long, default_value_t = ProbeSettings::default().folds)]
    folds: usize,

    /// Labels: the inverse strength of regularisation (scikit-learn's C)
    #[arg(long, default_value_t = ProbeSettings::default().c)]
    c: f64,

    /// Numbers: the strength of regularisation (scikit-learn's alpha)
    #[arg(long, default_value_t = ProbeSettings::default().alpha)]
    alpha: f64,

    /// The random seed that shuffles rows into folds
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Folds in the order of the rows, as scikit-learn's `StratifiedKFold` and `KFold` make them
    #[arg(long)]
    in_order: bool,

    /// Write the table with one more column, the prediction
    #[arg(long, value_name = "FILE.csv")]
    out: Option<PathBuf>,

    /// One JSON object for all
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ProbeArgs) -> anyhow::Result<()> {
    let texts = args.vectors.read()?;
    // A column that is not there should not cost the time that vectors take.
    texts.column(&args.target)?;
    let Found { texts, vectors, .. } = args.vectors.with_vectors(texts, None)?;
    let values = texts.column(&args.target)?;
    let settings = ProbeSettings {
        folds: args.folds,
        c: args.c,
        alpha: args.alpha,
        seed: (!args.in_order).then_some(args.seed),
    };
    let bar = Bar::new();
    let found = if args.numbers {
        probe_numbers(&vectors, &args.target, &values, settings, &bar).map(Probed::Numbers)
    } else {
        probe_labels(&vectors, &args.target, &values, settings, &bar).map(Probed::Labels)
    };
    bar.clear();
    let found = found?;
    if let Some(path) = &args.out {
        let predicted: Vec<String> = match &found {
            Probed::Labels(probe) => {
                let name = |label: &Option<usize>| label.map(|own| probe.labels[own].label.clone());
                probe.predicted.iter().map(|label| name(label).unwrap_or_default()).collect()
            }
            Probed::Numbers(probe) => {
                let number = |value: &Option<f64>| value.map(|value| value.to_string());
                probe.predicted.iter().map(|value| number(value).unwrap_or_default()).collect()
            }
        };
        let places: Vec<usize> = (0..predicted.len()).collect();
        files::write_atomic(path, &texts.csv(&places, &[("predicted", predicted)]))?;
        out::note(&format!("The predictions are in {}", path.display()));
    }
    if args.json {
        return out::json(&found);
    }
    match &found {
        Probed::Labels(probe) => show_labels(probe),
        Probed::Numbers(probe) => show_numbers(probe),
    }
}

fn with_interval(Estimate { value, low, high }: Estimate) -> String {
    let value = table::number(value, 4);
    match (low, high) {
        (Some(low), Some(high)) => format!("{value} (95 % interval {low:.4} to {high:.4})"),
        _ => value,
    }
}

fn show_labels(probe: &LabelProbe) -> anyhow::Result<()> {
    for (label, rows) in &probe.left_out {
        out::note(&format!(
            "The label {label:?} has {rows} texts, fewer than the {} folds, and is left out",
            probe.folds
        ));
    }
    out::line(&format!("Accuracy {}", with_interval(probe.accuracy)))?;
    out::line(&format!("Macro F1 {}", with_interval(probe.macro_f1)))?;
    out::line(&format!("Always the commonest label: accuracy {:.4}", probe.commonest))?;
    let mut scores = Table::new(["label", "texts", "precision", "recall", "F1"]);
    for label in &probe.labels {
        let mut cells = vec![label.label.clone(), label.rows.to_string()];
        let numbers = [label.precision, label.recall, label.f1];
        cells.extend(numbers.map(|number| table::number(Some(number), 3)));
        scores.push(cells);
    }
    scores.print()?;
    out::line("Rows: the label; columns: the prediction")?;
    let names = probe.labels.iter().map(|label| label.label.clone());
    let mut matrix = Table::of(std::iter::once(String::new()).chain(names).collect());
    for (label, row) in probe.labels.iter().zip(&probe.confusion) {
        let cells = row.iter().map(ToString::to_string);
        matrix.push(std::iter::once(label.label.clone()).chain(cells).collect());
    }
    matrix.print()
}

fn show_numbers(probe: &NumberProbe) -> anyhow::Result<()> {
    out::line(&format!("r  {}", with_interval(probe.r)))?;
    out::line(&format!("R2 {}", with_interval(probe.r_squared)))?;
    out::line(&format!("Root mean squared error {:.4}", probe.error))
}
