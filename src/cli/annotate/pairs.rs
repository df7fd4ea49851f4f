//! `tuning-fork annotate pairs`: a project's verdicts on pairs for other programs.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use super::shared::open;
use crate::cli::out;
use crate::data::export;
use crate::data::pair_forms::{self, PairForm};
use crate::data::record::{Form, VerdictRecord};
use crate::data::store::PairStore;
use crate::study::folder::STUDY;
use crate::study::forms::pairs;
use crate::study::log::Use;

#[derive(Debug, Args)]
pub struct PairsArgs {
    /// A project's folder, its pairs.jsonl, or the folder of a study of pairs
    project: PathBuf,

    /// trl, trl-plain, trl-unpaired, sft, csv, label-studio, llm-comparator, argilla, potato, alpaca
    #[arg(long = "as", value_name = "FORM", default_value = "trl")]
    form: String,

    /// Where it is written
    #[arg(long)]
    out: PathBuf,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &PairsArgs) -> anyhow::Result<()> {
    if args.project.join(STUDY).is_file() {
        return of_study(args);
    }
    let path =
        if args.project.is_dir() { args.project.join("pairs.jsonl") } else { args.project.clone() };
    if !path.exists() {
        bail!("{} is not there: a project keeps its verdicts in it", path.display());
    }
    let (store, recovered) = PairStore::open(&path)?;
    recovered.sentences().iter().for_each(|sentence| out::note(sentence));
    let records = store.records().read()?;
    let count = written(args, &records, &records)?;
    tell(args, count, records.len())
}

/// A study's: of forms to train on one verdict a pair, of the others every coder's.
fn of_study(args: &PairsArgs) -> anyhow::Result<()> {
    let folder = open(&args.project, Use::Read)?;
    anyhow::ensure!(
        folder.is_of_pairs(),
        "{} is a study of texts: “annotate export” writes its codes",
        args.project.display()
    );
    let (all, agreed) = (pairs::all(&folder), pairs::agreed(&folder));
    let count = written(args, &all, &agreed)?;
    tell(args, count, all.len())
}

/// `agreed`: for forms that are trained on.
fn written(
    args: &PairsArgs,
    records: &[VerdictRecord],
    agreed: &[VerdictRecord],
) -> anyhow::Result<usize> {
    Ok(match args.form.as_str() {
        "trl" => export::export(agreed, Form::Conversational, &args.out)?.counts.pairs(),
        "trl-plain" => export::export(agreed, Form::Standard, &args.out)?.counts.pairs(),
        name => {
            let Some(form) = PairForm::named(name) else {
                let known: Vec<&str> = PairForm::ALL.into_iter().map(PairForm::name).collect();
                bail!("there is no form {name:?}. Known: trl, trl-plain, {}", known.join(", "));
            };
            let records = if form.is_for_training() { agreed } else { records };
            pair_forms::write(records, form, &args.out)
                .with_context(|| format!("{} could not be written", args.out.display()))?
        }
    })
}

fn tell(args: &PairsArgs, count: usize, verdicts: usize) -> anyhow::Result<()> {
    if args.json {
        return out::json(&json!({"form": args.form, "written": count, "verdicts": verdicts}));
    }
    out::line(&format!("{count} of {verdicts} verdicts written to {}", args.out.display()))
}
