//! `tuning-fork annotate agreement`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::shared::open;
use crate::cli::out;
use crate::study::agreement::agreement;
use crate::study::agreement_words::markdown;
use crate::study::disagreement;
use crate::study::log::Use;

#[derive(Debug, Args)]
pub struct AgreementArgs {
    /// The folder of the study
    folder: PathBuf,

    /// Also list the items about which coders disagree
    #[arg(long)]
    disagreements: bool,

    /// Of the resamples that the intervals are from
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// All numbers as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &AgreementArgs) -> anyhow::Result<()> {
    let folder = open(&args.folder, Use::Read)?;
    let found = agreement(&folder, args.seed);
    let differing = if args.disagreements { disagreement::all(&folder) } else { Vec::new() };
    if args.json {
        let list: Vec<_> = differing
            .iter()
            .map(|one| {
                json!({
                    "item": folder.items[one.item].id,
                    "variable": folder.study.codebook.variables[one.variable].name,
                    "codes": one.codes.iter().map(|(coder, value, reason)| {
                        json!({"coder": coder, "value": value, "reason": reason})
                    }).collect::<Vec<_>>(),
                    "settled": one.settled.as_ref().map(|(value, reason)| {
                        json!({"value": value, "reason": reason})
                    }),
                })
            })
            .collect();
        let mut value = json!(found);
        if args.disagreements {
            value["disagreements"] = json!(list);
        }
        return out::json(&value);
    }
    out::line(markdown(&found).trim_end())?;
    for one in &differing {
        let codes: Vec<String> = one
            .codes
            .iter()
            .map(|(coder, value, _)| format!("{coder}: {}", value.shown()))
            .collect();
        let settled = match &one.settled {
            Some((value, _)) => format!(" → {}", value.shown()),
            None => String::new(),
        };
        let name = &folder.study.codebook.variables[one.variable].name;
        out::line(&format!(
            "{} · {name} · {}{settled}",
            folder.items[one.item].id,
            codes.join(" · ")
        ))?;
    }
    Ok(())
}
