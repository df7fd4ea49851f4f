//! `tuning-fork explore pairs`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::table;
use super::table::Table;
use crate::cli::load::ModelArgs;
use crate::cli::out;
use crate::cli::progress::Bar;
use crate::explore::pair_set;
use crate::explore::pair_set::{Estimate, PairSet, PairSetView};
use crate::explore::subject::Subject;
use crate::files;

#[derive(Debug, Args)]
pub struct PairsArgs {
    /// The list: a TOML file with `templates`, `pairs` (`"man / woman"`) and `answers`
    set: PathBuf,

    #[command(flatten)]
    model: ModelArgs,

    /// Also write the result as JSON, to be compared with another model's
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// One JSON object, with every row
    #[arg(long)]
    json: bool,
}

pub fn run(args: &PairsArgs) -> anyhow::Result<()> {
    let set = PairSet::read(&args.set)?;
    let words = set.check().with_context(|| args.set.display().to_string())?;
    let (model, adapter) = args.model.load()?;
    let bar = Bar::new();
    let found = pair_set::run(Subject::new(&model, adapter.as_ref()), (&set, &words), &bar)?;
    bar.clear();
    if let Some(path) = &args.out {
        let text = serde_json::to_string_pretty(&found)?;
        files::write_atomic(path, text.as_bytes())
            .with_context(|| format!("{} could not be written", path.display()))?;
    }
    if args.json { out::json(&found) } else { show(&found) }
}

fn show(found: &PairSetView) -> anyhow::Result<()> {
    let mut rows =
        Table::new(["A", "B", "template", "total variation", "KL(A‖B)", "likelier in A"]);
    let words = found.set.check()?;
    for row in &found.rows {
        let [a, b] = words[row.pair];
        let first = row.candidates.first().map(|pair| table::token(&pair.token));
        rows.push(vec![
            a.to_owned(),
            b.to_owned(),
            found.set.templates[row.template].clone(),
            table::number(Some(row.divergence.total_variation), 4),
            table::number(Some(row.divergence.kl_ab), 4),
            first.unwrap_or_default(),
        ]);
    }
    rows.print()?;
    if !found.answers.is_empty() {
        let mut answers = Table::new(["answer", "p after A", "p after B", "log A - log B", "95 %"]);
        for answer in &found.answers {
            answers.push(vec![
                table::token(&answer.answer),
                format!("{:.6}", answer.probability_a),
                format!("{:.6}", answer.probability_b),
                table::number(Some(answer.difference.mean), 3),
                interval(&answer.difference),
            ]);
        }
        answers.print()?;
    }
    out::line(&format!(
        "{} prompts of {}: total variation {:.4} ({}), KL(A‖B) {:.4} nats ({})",
        2 * found.rows.len(),
        found.model,
        found.total_variation.mean,
        interval(&found.total_variation),
        found.kl_ab.mean,
        interval(&found.kl_ab)
    ))
}

/// `0.12 to 0.34`.
fn interval(estimate: &Estimate) -> String {
    match estimate.interval {
        Some([low, high]) => format!("{low:.3} to {high:.3}"),
        None => "no interval: one template with one pair".to_owned(),
    }
}
