//! `tuning-fork annotate pairs`: a project's verdicts on pairs for other programs.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use crate::cli::out;
use crate::data::export;
use crate::data::pair_forms::{self, PairForm};
use crate::data::record::Form;
use crate::data::store::PairStore;

#[derive(Debug, Args)]
pub struct PairsArgs {
    /// A project's folder, or its pairs.jsonl
    project: PathBuf,

    /// trl, trl-plain, label-studio, llm-comparator, argilla, potato, alpaca
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
    let path =
        if args.project.is_dir() { args.project.join("pairs.jsonl") } else { args.project.clone() };
    if !path.exists() {
        bail!("{} is not there: a project keeps its verdicts in it", path.display());
    }
    let (store, recovered) = PairStore::open(&path)?;
    recovered.sentences().iter().for_each(|sentence| out::note(sentence));
    let records = store.records();
    let count = match args.form.as_str() {
        "trl" => export::export(records, Form::Conversational, &args.out)?.counts.pairs(),
        "trl-plain" => export::export(records, Form::Standard, &args.out)?.counts.pairs(),
        name => {
            let Some(form) = PairForm::named(name) else {
                let known: Vec<&str> = PairForm::ALL.into_iter().map(PairForm::name).collect();
                bail!("there is no form {name:?}. Known: trl, trl-plain, {}", known.join(", "));
            };
            pair_forms::write(records, form, &args.out)
                .with_context(|| format!("{} could not be written", args.out.display()))?
        }
    };
    if args.json {
        return out::json(&json!({"form": args.form, "written": count, "verdicts": records.len()}));
    }
    out::line(&format!("{count} of {} verdicts written to {}", records.len(), args.out.display()))
}
