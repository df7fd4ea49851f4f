//! `tuning-fork annotate export`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::shared::{beside, file_name, open};
use crate::cli::out;
use crate::files;
use crate::study::forms::export::{Export, files_of, lost};
use crate::study::log::Use;
use crate::study::package;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum As {
    /// One file for a colleague: items, codebook, guideline, order
    Package,

    /// One file that brings codes back
    Codes,

    /// CSV, a row a code
    Long,

    /// CSV, a row an item and a column a coder
    Wide,

    /// JSON Lines, a line a verdict
    Jsonl,

    /// Label Studio's tasks with annotations, and its labelling config
    LabelStudio,

    /// Label Studio's flat form
    LabelStudioMin,

    /// Argilla's records
    Argilla,
    /// Potato's annotated instances
    Potato,

    /// REFI-QDA for MAXQDA, `NVivo`, ATLAS.ti
    Qdpx,

    /// Of pairs: TRL's preference pairs, one an item: settled, or what most say
    Trl,

    /// The codebook alone
    CodebookJson,
    CodebookCsv,
    CodebookMarkdown,

    /// The codebook for `CodeBook` Studio; what its form has no place for is said
    CodebookStudio,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The folder of the study
    folder: PathBuf,

    /// What is written
    #[arg(long = "as", value_enum)]
    form: As,

    /// Where to
    #[arg(long)]
    out: PathBuf,

    /// Of `codes`: only these coders
    #[arg(long)]
    coder: Vec<String>,

    /// Say as JSON what was written
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let folder = open(&args.folder, Use::Read)?;
    if !args.coder.is_empty() && args.form != As::Codes {
        bail!("--coder is for --as codes: the other forms hold all coders");
    }
    let written: Vec<(PathBuf, Vec<u8>)> = match args.form {
        As::Package => vec![(args.out.clone(), package::for_colleague(&folder))],
        As::Codes => vec![(args.out.clone(), package::with_codes(&folder, &args.coder)?)],
        form => {
            let form = match form {
                As::Long => Export::Long,
                As::Wide => Export::Wide,
                As::Jsonl => Export::JsonLines,
                As::LabelStudio => Export::LabelStudio,
                As::LabelStudioMin => Export::LabelStudioMin,
                As::Argilla => Export::Argilla,
                As::Potato => Export::Potato,
                As::Qdpx => Export::Qdpx,
                As::Trl => Export::Trl,
                As::CodebookJson => Export::CodebookJson,
                As::CodebookCsv => Export::CodebookCsv,
                As::CodebookStudio => Export::CodebookStudio,
                As::CodebookMarkdown | As::Package | As::Codes => Export::CodebookMarkdown,
            };
            let files = files_of(&folder, form, &file_name(&args.out))?;
            lost(&folder, form).iter().for_each(|sentence| out::note(sentence));
            let place = |ending: Option<&str>| match ending {
                None => args.out.clone(),
                Some(ending) => beside(&args.out, ending),
            };
            files.into_iter().map(|(ending, bytes)| (place(ending), bytes)).collect()
        }
    };
    for (path, bytes) in &written {
        files::write_atomic(path, bytes)
            .with_context(|| format!("{} could not be written", path.display()))?;
    }
    let paths: Vec<&Path> = written.iter().map(|(path, _)| path.as_path()).collect();
    if args.json {
        return out::json(&json!({ "files": paths }));
    }
    paths.iter().try_for_each(|path| out::line(&path.display().to_string()))
}
