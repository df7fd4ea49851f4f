//! `tuning-fork explore constructs`

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::table;
use super::table::Table;
use super::vectors::{Found, VectorsArgs, short};
use crate::cli::out;
use crate::cli::progress::Bar;
use crate::explore::vectors::answers::read_answers;
use crate::explore::vectors::constructs::{ConstructView, Items, Predicted, constructs, predicted};
use crate::explore::vectors::shorter::{Shortened, shortened};
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

    /// Make the questionnaire shorter: so many items of each construct stay, and those go that say nearly
    /// the same as another
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,

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
    shortened: Option<&'a Shortened>,
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
    let bar = Bar::new();
    let read = |path: &PathBuf| read_answers(path, &names, &args.item, &bar);
    let answers = args.answers.as_ref().map(read).transpose()?;
    bar.clear();
    let Found { texts, vectors, .. } = args.vectors.with_vectors(texts, None)?;
    let items = Items { names: &names, constructs: &of, column: &args.construct };
    let view = constructs(&vectors, &items)?;
    let compared = answers.as_ref().map(|answers| predicted(&vectors, answers));
    let own: Vec<usize> = view.items.iter().map(|place| place.own).collect();
    let shorter =
        args.keep.map(|keep| shortened(&vectors, &own, keep as usize, answers.as_deref()));
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
        let (predicted, shortened) = (compared.as_ref(), shorter.as_ref());
        return out::json(&Line { items: &names, view: &view, predicted, shortened });
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
    if let Some(shorter) = &shorter {
        show_shorter(shorter, &view, &texts.texts)?;
    }
    Ok(())
}

fn show_shorter(shorter: &Shortened, view: &ConstructView, texts: &[String]) -> anyhow::Result<()> {
    out::line("Items that go, and the item that says nearly the same and stays longer:")?;
    let mut table = Table::new(["cosine", "goes", "like"]);
    for dropped in &shorter.dropped {
        let text = |at: usize| short(&texts[at]);
        let cosine = table::number(Some(dropped.cosine), 4);
        table.push(vec![cosine, text(dropped.item), text(dropped.like)]);
    }
    table.print()?;
    let mut table = Table::new([
        "construct",
        "items",
        "kept",
        "people",
        "alpha",
        "alpha short",
        "r with whole",
    ]);
    for scale in &shorter.scales {
        let answers = scale.answers;
        let number = |value: Option<f64>| table::number(value, 4);
        table.push(vec![
            view.constructs[scale.construct].clone(),
            scale.items.to_string(),
            scale.kept.to_string(),
            answers.map(|answers| answers.people.to_string()).unwrap_or_default(),
            number(answers.and_then(|answers| answers.alpha)),
            number(answers.and_then(|answers| answers.alpha_short)),
            number(answers.and_then(|answers| answers.r)),
        ]);
    }
    table.print()
}
