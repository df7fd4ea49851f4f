//! `tuning-fork explore constructs`

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::table;
use super::table::Table;
use super::vectors::{Found, VectorsArgs, short};
use crate::cli::out;
use crate::cli::progress::Bar;
use crate::data::table as data_table;
use crate::explore::vectors::constructs::{ConstructView, Items, Predicted, constructs, predicted};
use crate::explore::vectors::error::Error;
use crate::files;

#[derive(Debug, Args)]
pub struct ConstructsArgs {
    #[command(flatten)]
    vectors: VectorsArgs,

    /// The column that says which construct an item is to measure
    #[arg(long, value_name = "COLUMN", default_value = "construct")]
    construct: String,

    /// The column that says how an item is called in the table of answers; without it, "item"
    #[arg(long, value_name = "COLUMN", default_value = "item")]
    item: String,

    /// A table of people's answers, a column an item: its correlations are compared with the cosines
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,

    /// Write the pairs of items with their cosine and correlation
    #[arg(long, value_name = "FILE.csv", requires = "answers")]
    out: Option<PathBuf>,

    /// One JSON object for all
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    items: &'a [String],
    #[serde(flatten)]
    view: &'a ConstructView,
    predicted: Option<&'a Predicted>,
}

pub fn run(args: &ConstructsArgs) -> anyhow::Result<()> {
    let texts = args.vectors.read()?;
    let owned = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect::<Vec<String>>();
    let of = owned(texts.column(&args.construct)?);
    let names = match (&args.answers, texts.column(&args.item)) {
        (_, Ok(names)) => owned(names),
        (None, Err(_)) => texts.texts.clone(),
        (Some(_), Err(error)) => return Err(error.into()),
    };
    let answers = args.answers.as_ref().map(|path| read_answers(path, &names, &args.item));
    let answers = answers.transpose()?;
    let Found { texts, vectors, .. } = args.vectors.with_vectors(texts, None)?;
    let items = Items { names: &names, constructs: &of, column: &args.construct };
    let view = constructs(&vectors, &items)?;
    let compared = answers.map(|answers| predicted(&vectors, &answers));
    if let (Some(path), Some(compared)) = (&args.out, &compared) {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["item", "other", "cosine", "correlation"])?;
        for pair in &compared.pairs {
            let correlation = pair.correlation.map(|value| value.to_string()).unwrap_or_default();
            let cosine = pair.cosine.to_string();
            csv.write_record([&names[pair.one], &names[pair.other], &cosine, &correlation])?;
        }
        files::write_atomic(path, &csv.into_inner()?)?;
        out::note(&format!("The pairs are in {}", path.display()));
    }
    if args.json {
        return out::json(&Line { items: &names, view: &view, predicted: compared.as_ref() });
    }
    let mut table = Table::new(["construct", "items", "nearest to their own"]);
    for (number, construct) in view.constructs.iter().enumerate() {
        let own = view.items.iter().filter(|place| place.own == number);
        let right = own.clone().filter(|place| place.nearest == number).count();
        table.push(vec![construct.clone(), own.count().to_string(), right.to_string()]);
    }
    table.print()?;
    out::line(&format!(
        "Mean cosine of two items: {:.4} within a construct, {:.4} between constructs",
        view.within, view.between
    ))?;
    out::line(&format!("{:.1} % of items are nearest to their own construct", 100.0 * view.right))?;
    for place in view.items.iter().filter(|place| place.own != place.nearest) {
        let [own, nearest] = [place.own, place.nearest].map(|at| view.constructs[at].as_str());
        let text = short(&texts.texts[place.item]);
        out::line(&format!("Nearer to {nearest} than to its own, {own}: {text}"))?;
    }
    out::line("Items of one construct that say nearly the same:")?;
    let mut table = Table::new(["cosine", "item", "other"]);
    for pair in &view.alike {
        let text = |at: usize| short(&texts.texts[at]);
        table.push(vec![table::number(Some(pair.cosine), 4), text(pair.one), text(pair.other)]);
    }
    table.print()?;
    if let Some(Predicted { r, low, high, r_absolute, pairs, .. }) = &compared {
        let number = |value: &Option<f64>| table::number(*value, 4);
        out::line(&format!(
            "Cosines and correlations of answers over {} pairs: r {} (95 % interval {} to {}), with \
             absolute correlations {}",
            pairs.len(),
            number(r),
            number(low),
            number(high),
            number(r_absolute)
        ))?;
    }
    Ok(())
}

/// What people answered to each item.
fn read_answers(
    path: &std::path::Path,
    names: &[String],
    column: &str,
) -> anyhow::Result<Vec<Vec<Option<f64>>>> {
    let bar = Bar::new();
    let table = data_table::rows(path, &bar);
    bar.clear();
    let table = table?;
    let is_there = |name: &&String| table.report.columns.contains(name);
    let missing: Vec<&String> = names.iter().filter(|name| !is_there(name)).collect();
    if let Some(example) = missing.first() {
        return Err(Error::NoAnswers {
            missing: missing.len(),
            count: names.len(),
            example: (*example).clone(),
            column: column.to_owned(),
        }
        .into());
    }
    let answer = |row: &data_table::Row, name: &String| match row.get(name)? {
        serde_json::Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    };
    let of = |name: &String| table.rows.iter().map(|row| answer(row, name)).collect();
    Ok(names.iter().map(of).collect())
}
