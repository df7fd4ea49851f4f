//! `tuning-fork stability`: whether a model follows a codebook, and whether its answers stay when only
//! the form of the question changes.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::evaluate::Asked;
use super::load::Precision;
use super::out;
use super::progress::Bar;
use super::remote::KeyArgs;
use crate::evaluate::asking::prepared::Prepared;
use crate::evaluate::results::folder::Folder;
use crate::evaluate::results::reproduce::task_of;
use crate::evaluate::stability::testing::{self, Settings, Testing};
use crate::evaluate::stability::{STABILITY, Stability};
use crate::evaluate::task::Task;
use crate::jobs::{Cancelled, Progress, Quiet};

#[derive(Debug, Args)]
pub struct StabilityArgs {
    /// A task with a codebook, or the folder of an evaluation: what is found is kept there, and its
    /// report shows it
    task: PathBuf,

    /// With how many rows of the table, drawn with the task's seed
    #[arg(long, default_value_t = Settings::default().rows)]
    rows: usize,

    /// The share of answers that has to be right for a test to pass
    #[arg(long, default_value_t = Settings::default().needed)]
    needed: f64,

    /// A text file with other wordings of the codebook's instruction, a line each
    #[arg(long, value_name = "PATH")]
    instructions: Option<PathBuf>,

    /// Another model than the task names
    #[arg(long)]
    model: Option<String>,

    /// Another adapter than the task names
    #[arg(long)]
    adapter: Option<String>,

    /// Keep the weights as the file stores them, widen them to f32, or round them; without it, as an
    /// evaluation had them
    #[arg(long, value_enum)]
    weights: Option<Precision>,

    /// All numbers as JSON
    #[arg(long)]
    json: bool,
}

const AT_SERVER: &str = "the tests ask a loaded model: name one with --model, a model on a server \
                         cannot be tested yet";

pub fn run(args: &StabilityArgs) -> anyhow::Result<()> {
    anyhow::ensure!(args.rows > 0, "--rows is 0: the tests need rows");
    anyhow::ensure!(
        (0.0..=1.0).contains(&args.needed),
        "--needed is {}: a share is from 0 to 1",
        args.needed
    );
    let is_folder = args.task.is_dir();
    let (mut task, weights) = if is_folder {
        let (evaluation, _) = Folder::read(&args.task)?;
        anyhow::ensure!(evaluation.model.server.is_none(), AT_SERVER);
        (task_of(&args.task, &evaluation), Precision::of_words(&evaluation.weights)?)
    } else {
        (Task::read(&args.task)?, Precision::AsStored)
    };
    if let Some(model) = &args.model {
        task.model.clone_from(model);
    }
    if let Some(adapter) = &args.adapter {
        task.adapter = Some(adapter.clone());
    }
    anyhow::ensure!(task.server().is_none(), AT_SERVER);
    let settings = Settings {
        rows: args.rows,
        needed: args.needed,
        instructions: args.instructions.as_deref().map(lines).transpose()?.unwrap_or_default(),
    };
    let prepared = Prepared::read(&task, &Quiet)?;
    let weights = args.weights.unwrap_or(weights);
    let asked = Asked::open(&task, weights, &KeyArgs::default())?;
    let (respondent, identity) = asked.here().context(AT_SERVER)?;
    let bar = Shown(Bar::new());
    let found = testing::run((respondent, identity), &prepared, &settings, &bar);
    bar.0.clear();
    let found = found?;
    if is_folder {
        found.save(&args.task)?;
        out::note(&format!("Kept in {}", args.task.join(STABILITY).display()));
    }
    if args.json { out::json(&found) } else { say(&found) }
}

fn lines(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} could not be read", path.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    anyhow::ensure!(!lines.is_empty(), "{} has no line with words", path.display());
    Ok(lines)
}

fn say(found: &Stability) -> anyhow::Result<()> {
    for outcome in &found.outcomes {
        let verdict = match outcome.passes() {
            Some(true) => "passes",
            Some(false) => "fails",
            None => "no number",
        };
        let number = match (outcome.value, outcome.low, outcome.high) {
            (Some(value), Some(low), Some(high)) => {
                format!("{value:.3} ({low:.3} to {high:.3}), {:.2} is needed", outcome.needed)
            }
            (Some(value), ..) => format!("{value:.3}, {:.2} is needed", outcome.needed),
            (None, ..) => outcome.reason.clone().unwrap_or_default(),
        };
        out::line(&format!("{verdict:9} {:20} {number}", outcome.test.name()))?;
        out::line(&format!(
            "          {}: {} answers",
            outcome.test.words(found.several),
            outcome.asked
        ))?;
    }
    Ok(())
}

struct Shown(Bar);

impl Progress<Testing> for Shown {
    fn emit(&self, event: Testing) {
        self.0.count(event.test, event.done as u64, event.total as u64);
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}
