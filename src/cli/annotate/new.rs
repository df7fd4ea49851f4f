//! `tuning-fork annotate new`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use super::shared::{file_name, now};
use crate::cli::out;
use crate::data::codebook::Class;
use crate::data::joined;
use crate::data::table;
use crate::evaluate::results::kept;
use crate::jobs::Quiet;
use crate::study::draw::Sampling;
use crate::study::folder::Folder;
use crate::study::forms::{codebook, said, tables};
use crate::study::item::Columns;
use crate::study::make::{Plans, make, make_of};
use crate::study::pairs::{self, alike_words};
use crate::study::plan::Order;
use crate::study::variable::{FIRST, SECOND, Variables};
use crate::words::counted;

#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command")]
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The folder of the study, which must not be there yet
    folder: PathBuf,

    /// The table of texts
    #[arg(long, required_unless_present = "pairs")]
    table: Option<PathBuf>,

    /// The column of the texts
    #[arg(long, required_unless_present = "pairs")]
    text: Option<String>,

    /// Instead of texts: prompts with two answers or more, in any form that "Answers from a file" reads,
    /// or a folder with a file of answers for each model
    #[arg(long, value_name = "FILE", conflicts_with_all = ["table", "text", "coders", "uncertain"])]
    pairs: Option<PathBuf>,

    /// Of pairs: one of the two answers has to be better
    #[arg(long, requires = "pairs")]
    no_ties: bool,

    /// Of pairs: those first that a model hardly tells apart, by these two columns with its
    /// log-probabilities of the first and of the second answer
    #[arg(
        long,
        value_name = "COLUMNS",
        value_delimiter = ',',
        requires_all = ["pairs", "sample"],
        conflicts_with = "stratify"
    )]
    closest: Vec<String>,

    /// The column of the ids; without it, items are called after their row
    #[arg(long, default_value = "")]
    id: String,

    /// The codebook: TOML, JSON, CSV or Markdown; of pairs it may be missing
    #[arg(long, required_unless_present = "pairs")]
    codebook: Option<PathBuf>,

    /// A file with the guideline that coders read
    #[arg(long)]
    guideline: Option<PathBuf>,

    /// What the study is called; without it, as the codebook is
    #[arg(long)]
    name: Option<String>,

    /// Decides the sample and the order
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// The share of items that each coder sees a second time, 0 to 0.5
    #[arg(long, default_value_t = 0.0)]
    again: f64,

    /// The same random order for all coders
    #[arg(long, conflicts_with = "as_given")]
    same_order: bool,

    /// The order of the table
    #[arg(long)]
    as_given: bool,

    /// So many items, drawn at random
    #[arg(long, value_name = "COUNT")]
    sample: Option<usize>,

    /// Spread the sample over the values of this column
    #[arg(long, value_name = "COLUMN", requires = "sample")]
    stratify: Option<String>,

    /// As many items of each value, and not in proportion
    #[arg(long, requires = "stratify")]
    equal: bool,

    /// The least certain items first, by these columns of probabilities
    #[arg(
        long,
        value_name = "COLUMNS",
        value_delimiter = ',',
        requires = "sample",
        conflicts_with = "stratify"
    )]
    uncertain: Vec<String>,

    /// The share of the sample that is drawn at random from the items that are more certain
    #[arg(long, default_value_t = 0.3)]
    random_share: f64,

    /// The column that says `training` or `check` of some rows
    #[arg(long, default_value = "")]
    role: String,

    /// The right codes of these rows: `variable=column`
    #[arg(long, value_name = "VARIABLE=COLUMN")]
    expected: Vec<String>,

    /// The column that says why they are right, shown after a training item
    #[arg(long, default_value = "")]
    feedback: String,

    /// Columns that coders must not see
    #[arg(long, value_delimiter = ',')]
    leave_out: Vec<String>,

    /// Columns that hold codes of the first variable already, a coder each
    #[arg(long, value_delimiter = ',')]
    coders: Vec<String>,

    /// Remind coders of a break after so many minutes
    #[arg(long, value_name = "MINUTES")]
    break_after: Option<u32>,

    /// A sitting ends after so many items
    #[arg(long, value_name = "ITEMS")]
    stop_after: Option<u32>,

    /// A sitting ends after so many minutes
    #[arg(long, value_name = "MINUTES")]
    stop_after_minutes: Option<u32>,

    /// Say as JSON what was made
    #[arg(long)]
    json: bool,
}

pub fn run(args: &NewArgs) -> anyhow::Result<()> {
    let mut codebook = match &args.codebook {
        Some(path) => read_codebook(path)?,
        None => Variables::of_pairs(),
    };
    if let Some(path) = &args.guideline {
        codebook.guideline = std::fs::read_to_string(path)
            .with_context(|| format!("{} could not be read", path.display()))?;
    }
    if let (true, Some(better)) = (args.no_ties, codebook.better()) {
        codebook.variables[better].classes = sides_alone();
    }
    let mut expected = BTreeMap::new();
    for pair in &args.expected {
        let Some((variable, column)) = pair.split_once('=') else {
            bail!("--expected {pair}: the form is variable=column");
        };
        expected.insert(variable.to_owned(), column.to_owned());
    }
    let sampling = sampling(args, &codebook)?;
    let left_out = args.leave_out.iter().chain(&args.coders).cloned().collect();
    let plans = Plans {
        name: args.name.clone().unwrap_or_else(|| codebook.name.clone()),
        columns: Columns {
            id: args.id.clone(),
            text: args.text.clone().unwrap_or_default(),
            role: args.role.clone(),
            expected,
            feedback: args.feedback.clone(),
            left_out,
        },
        codebook,
        sampling,
        seed: args.seed,
        order: match (args.same_order, args.as_given) {
            (true, _) => Order::SameForAll,
            (_, true) => Order::AsGiven,
            _ => Order::Random,
        },
        again: args.again,
        break_after: args.break_after,
        stop_after_items: args.stop_after,
        stop_after_minutes: args.stop_after_minutes,
        ..Plans::default()
    };
    let folder = match (&args.pairs, &args.table) {
        (Some(path), _) => of_pairs(args, path, plans)?,
        (None, Some(path)) => of_table(args, path, plans)?,
        (None, None) => bail!("name a table of texts (--table) or a file of pairs (--pairs)"),
    };
    if args.json {
        return out::json(&json!({
            "folder": folder.path,
            "hash": folder.hash(),
            "items": folder.items.len(),
            "population": folder.study.population,
            "coders": folder.logs.iter().map(|log| &log.coder).collect::<Vec<_>>(),
        }));
    }
    out::line(&format!(
        "{} of {} in {}",
        counted(folder.items.len(), "item", "items"),
        folder.study.population,
        folder.path.display()
    ))
}

fn sampling(args: &NewArgs, codebook: &Variables) -> anyhow::Result<Sampling> {
    Ok(match args.sample {
        None => Sampling::All,
        Some(count) if !args.uncertain.is_empty() => Sampling::Uncertain {
            columns: args.uncertain.clone(),
            each: codebook.first_has_several_labels(),
            count,
            random_share: args.random_share,
        },
        Some(count) if !args.closest.is_empty() => {
            let Ok(columns) = <[String; 2]>::try_from(args.closest.clone()) else {
                bail!("--closest {}: two columns are expected", args.closest.join(","));
            };
            Sampling::Closest { columns, count, random_share: args.random_share }
        }
        Some(count) => match &args.stratify {
            Some(column) => {
                Sampling::Stratified { column: column.clone(), count, equal: args.equal }
            }
            None => Sampling::Random { count },
        },
    })
}

/// The labels where neither a tie nor two bad answers are possible.
fn sides_alone() -> Vec<Class> {
    [FIRST, SECOND].map(|label| Class { label: label.to_owned(), ..Class::default() }).to_vec()
}

/// Says which of the named columns is not there.
fn check_columns(args: &NewArgs, plans: &Plans, columns: &[String]) -> anyhow::Result<()> {
    let Columns { id, text, role, feedback, expected, .. } = &plans.columns;
    let named = [id, text, role, feedback].into_iter().filter(|name| !name.is_empty());
    let named = named.chain(&args.leave_out).chain(&args.coders).chain(expected.values());
    for name in named.chain(&plans.sampling.columns()) {
        if !columns.contains(name) {
            bail!("the table has no column “{name}”; it has {}", columns.join(", "));
        }
    }
    Ok(())
}

fn of_table(args: &NewArgs, path: &Path, plans: Plans) -> anyhow::Result<Folder> {
    let table = table::rows(path, &Quiet)?;
    check_columns(args, &plans, &table.report.columns)?;
    let sha256 = table::folder::sha256(path)
        .with_context(|| format!("{} could not be read", path.display()))?;
    let rows = table.rows.clone();
    let plans = Plans { evaluation: kept::of_results(path), ..plans };
    let mut folder = make(&args.folder, plans, rows, (&file_name(path), &sha256), &now()?)?;
    if !args.coders.is_empty() {
        let said = tables::of_columns(&table.rows, &folder, &args.id, &args.coders);
        said::take_in(&mut folder, &said)?;
    }
    Ok(folder)
}

fn of_pairs(args: &NewArgs, path: &Path, plans: Plans) -> anyhow::Result<Folder> {
    let read = joined::candidate_rows(path, &Quiet)?;
    if !path.is_dir() {
        check_columns(args, &plans, &read.report.columns)?;
    }
    let kept = plans.sampling.columns();
    let found = pairs::of_candidates(read.items, &plans.columns, &plans.codebook, &kept)
        .map_err(anyhow::Error::msg)?;
    if found.alike > 0 {
        out::note(&alike_words(found.alike));
    }
    let sha256 = table::folder::sha256(path)
        .with_context(|| format!("{} could not be read", path.display()))?;
    let source = (file_name(path), sha256);
    let mut folder = make_of(&args.folder, plans, found.items, (&source.0, &source.1), &now()?)?;
    folder.set_origins(&found.origins)?;
    Ok(folder)
}

/// A codebook of any form; tables are read as all tables are.
pub fn read_codebook(path: &std::path::Path) -> anyhow::Result<Variables> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if !matches!(ending.as_str(), "toml" | "json" | "md" | "markdown") {
        let table = table::rows(path, &Quiet)?;
        let mut read = codebook::of_rows(&table.rows).map_err(anyhow::Error::msg)?;
        read.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        return Ok(read);
    }
    codebook::read(path).map_err(anyhow::Error::msg)
}
