//! `tuning-fork rounds`: preference learning in rounds. Without `--prompts` it shows the rounds that a run is in; with
//! them the run's model answers, its answers are compared, and the next run is written down.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Deserialize as _;
use serde_json::json;
use toml::{Table, Value};

use super::columns::columns;
use super::load;
use super::out;
use super::progress::Bar;
use crate::eval::drift::{DriftSettings, Moved};
use crate::jobs::{self, Cancelled, Progress, Quiet};
use crate::llm::card::ModelSource;
use crate::llm::{LoadOptions, Model};
use crate::rounds::chain::{InRow, row_of};
use crate::rounds::drift::measure_row;
use crate::rounds::judge::By;
use crate::rounds::make::{Models, Request, RoundEvent, check, make, with_verdicts};
use crate::rounds::record::{
    Against, AnswerSettings, NEXT_RUN_FILE, RoundRecord, RowDrift, new_dir, rounds_dir,
};
use crate::train::config::metric::Metric;
use crate::train::config::rewards::Reward;

#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command")]
#[derive(Debug, Args)]
pub struct RoundsArgs {
    /// The folder of a run that has learned from pairs of answers
    run: PathBuf,

    /// New prompts: the run's model answers each twice. Those that an earlier round has used are left out
    #[arg(long, value_name = "FILE")]
    prompts: Option<PathBuf>,

    /// Compare the answers by rewards: the tables [[rewards]] of a TOML file, such as a run file of GRPO
    #[arg(long, value_name = "FILE", requires = "prompts", conflicts_with = "judge")]
    rewards: Option<PathBuf>,

    /// Compare the answers by asking the model without its adapter, in both orders
    #[arg(long, requires = "prompts")]
    judge: bool,

    /// What makes an answer better, said to the judge
    #[arg(long, value_name = "TEXT", requires = "judge", default_value = "")]
    criterion: String,

    /// Take what people said of the round in --out: the `pairs.jsonl` of the project in which its answers were
    /// compared in Annotate
    #[arg(long, value_name = "FILE", requires = "out", conflicts_with = "prompts")]
    verdicts: Option<PathBuf>,

    /// The folder of the round; without it, a new one under rounds/ in the current folder
    #[arg(long)]
    out: Option<PathBuf>,

    /// At most so many prompts, from the beginning of the file
    #[arg(long, value_name = "COUNT", default_value_t = 0, hide_default_value = true)]
    most: usize,

    /// Below 1 the answers are more alike, above 1 less
    #[arg(long, default_value_t = AnswerSettings::default().temperature)]
    temperature: f64,

    #[arg(long, default_value_t = AnswerSettings::default().top_p)]
    top_p: f64,

    #[arg(long, default_value_t = AnswerSettings::default().max_new_tokens)]
    max_new_tokens: usize,

    #[arg(long, default_value_t = AnswerSettings::default().seed)]
    seed: u64,

    /// Measure how far the policy of every run of the row has moved, where that is not known yet: the KL divergence to
    /// what the first run was held to and to the round before, on held-out prompts (--max-new-tokens, --seed, --most)
    #[arg(long, conflicts_with_all = ["prompts", "verdicts"])]
    kl: bool,

    /// Do not compare with the answers of the model that the run began with: a third less work
    #[arg(long, requires = "prompts")]
    no_win_rate: bool,

    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &RoundsArgs) -> anyhow::Result<()> {
    if let Some(verdicts) = &args.verdicts {
        let folder =
            args.out.as_deref().context("--verdicts needs --out, the folder of the round")?;
        return said(args, folder, &with_verdicts(folder, verdicts)?);
    }
    let Some(prompts) = &args.prompts else { return show(args) };
    let run = check(&args.run)?;
    let rewards = args.rewards.as_deref().map(rewards).transpose()?;
    let by = match (&rewards, args.judge) {
        (Some(rewards), _) => By::Rewards(rewards),
        (None, true) => By::Model { criterion: &args.criterion },
        (None, false) => By::Nobody,
    };
    let source = ModelSource::at(&load::find_model(&run.config.model)?);
    let models = Models::load(&source, &run)?;
    let project = Path::new(".");
    let folder = args.out.clone().unwrap_or_else(|| new_dir(project, &run.id));
    let settings = AnswerSettings {
        temperature: args.temperature,
        top_p: args.top_p,
        max_new_tokens: args.max_new_tokens,
        seed: args.seed,
        most: args.most,
    };
    let rounds = rounds_dir(project);
    let request = Request {
        run_dir: &args.run,
        rounds: Some(&rounds),
        folder: &folder,
        prompts,
        settings,
        by,
        against: !args.no_win_rate,
    };
    jobs::give_way();
    let screen = Screen(Bar::new());
    let made = make(&models, &request, &screen);
    screen.0.clear();
    said(args, &folder, &made?)
}

/// What a round came to, and what to do next.
fn said(args: &RoundsArgs, folder: &Path, record: &RoundRecord) -> anyhow::Result<()> {
    if args.json {
        return out::json(&json!({ "folder": folder, "round": record }));
    }
    for sentence in record.sentences() {
        out::line(&sentence)?;
    }
    if record.judged_by.is_some() {
        let file = folder.join(NEXT_RUN_FILE);
        out::note(&format!(
            "round {} learns with: tuning-fork train {} --out runs/round-{}",
            record.number,
            file.display(),
            record.number
        ));
    } else {
        out::note(&format!(
            "compare them in the window (Annotate, answers from a file), then: tuning-fork rounds {} --out {} \
             --verdicts pairs.jsonl",
            args.run.display(),
            folder.display()
        ));
    }
    Ok(())
}

/// The rounds in a row.
fn show(args: &RoundsArgs) -> anyhow::Result<()> {
    let rounds = args.out.clone().unwrap_or_else(|| rounds_dir(Path::new(".")));
    let mut row = row_of(&args.run, Some(&rounds))?;
    if args.kl && row.iter().any(InRow::lacks_drift) {
        measure(args, &row)?;
        row = row_of(&args.run, Some(&rounds))?;
    }
    if args.json {
        return out::json(&json!({ "rounds": row.iter().map(InRow::json).collect::<Vec<_>>() }));
    }
    let number = |value: Option<f64>| value.map_or_else(dash, |value| format!("{value:.4}"));
    let heads = [
        "round",
        "run",
        "pairs",
        "held-out accuracy",
        "margin",
        "loss",
        "win rate",
        "words",
        "KL to the first",
        "KL to the one before",
    ];
    let moved = |one: &InRow, of: fn(&RowDrift) -> Option<&Moved>| {
        let drift = one.drift.as_ref();
        drift.and_then(|drift| Some(drift.number(of(drift)?))).unwrap_or_else(dash)
    };
    let mut rows = vec![heads.map(str::to_owned)];
    for one in &row {
        let record = &one.run.record;
        let answered = one.answered_in.as_ref().map(|(_, round)| round.mean_words);
        rows.push([
            one.number.to_string(),
            one.name().to_owned(),
            (record.train_rows + record.held_out_rows).to_string(),
            number(one.held_out(Metric::RewardsAccuracies)),
            number(one.held_out(Metric::RewardsMargins)),
            number(one.held_out(Metric::Loss)),
            one.against().and_then(Against::words).unwrap_or_else(dash),
            answered.map_or_else(dash, |words| format!("{words:.1}")),
            moved(one, RowDrift::to_first),
            moved(one, RowDrift::to_before),
        ]);
    }
    columns(&rows).iter().try_for_each(|line| out::line(line))?;
    out::note(
        "win rate: its answers against those of the round before, ties half, with a 95 % interval",
    );
    match row.iter().rev().find_map(|one| one.drift.as_ref()) {
        Some(drift) => out::note(&format!(
            "KL, a token, with a 95 % interval over prompts: {}; of the last run {}",
            drift.drift.estimator,
            drift.on_what()
        )),
        None => out::note("KL: not measured yet (--kl)"),
    }
    Ok(())
}

fn measure(args: &RoundsArgs, row: &[InRow]) -> anyhow::Result<()> {
    let Some(last) = row.last() else { return Ok(()) };
    let source = ModelSource::at(&load::find_model(&last.run.config.model)?);
    let model = Model::load(&source, &LoadOptions::default(), &Quiet)
        .with_context(|| format!("{} could not be loaded", last.run.config.model))?;
    let settings = DriftSettings::default();
    let prompts = if args.most == 0 { settings.prompts } else { args.most };
    let (max_new_tokens, seed) = (args.max_new_tokens, args.seed);
    jobs::give_way();
    let screen = Screen(Bar::new());
    let settings = DriftSettings { prompts, max_new_tokens, seed, ..settings };
    let measured = measure_row(&model, row, settings, &screen);
    screen.0.clear();
    measured?;
    Ok(())
}

fn dash() -> String {
    "–".to_owned()
}

/// The tables `[[rewards]]` of a TOML file.
fn rewards(path: &Path) -> anyhow::Result<Vec<Reward>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} could not be read", path.display()))?;
    let table: Table =
        toml::from_str(&text).with_context(|| format!("{} is no TOML", path.display()))?;
    let Some(Value::Array(list)) = table.get("rewards") else {
        bail!("{} has no [[rewards]]: write one, as in rule = \"length\"", path.display());
    };
    let read = |value: &Value| Reward::deserialize(value.clone());
    let rewards = list.iter().map(read).collect::<Result<Vec<_>, _>>();
    let rewards = rewards.with_context(|| format!("[[rewards]] of {}", path.display()))?;
    for reward in &rewards {
        if let Some(problem) = reward.problem() {
            bail!("[[rewards]] of {}: {}: {problem}", path.display(), reward.title());
        }
    }
    Ok(rewards)
}

/// What is done, on the bar.
struct Screen(Bar);

impl Progress<RoundEvent> for Screen {
    fn emit(&self, RoundEvent { what, done, total }: RoundEvent) {
        self.0.count(what.words(), done as u64, total as u64);
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RoundsArgs,
    }

    #[test]
    fn who_compares_is_one_of_three_and_verdicts_need_their_round() {
        let read = |line: &str| Line::try_parse_from(line.split(' '));
        for line in [
            "rounds runs/1",
            "rounds runs/1 --prompts p.jsonl --most 40 --temperature 1.2 --json",
            "rounds runs/1 --prompts p.jsonl --rewards r.toml --no-win-rate --out rounds/2",
            "rounds runs/1 --prompts p.jsonl --judge --criterion short",
            "rounds runs/1 --out rounds/2 --verdicts pairs.jsonl",
            "rounds runs/1 --kl --most 20 --max-new-tokens 32",
        ] {
            assert!(read(line).is_ok(), "{line}");
        }
        for line in [
            "rounds runs/1 --rewards r.toml",
            "rounds runs/1 --prompts p.jsonl --judge --rewards r.toml",
            "rounds runs/1 --verdicts pairs.jsonl",
            "rounds runs/1 --kl --prompts p.jsonl",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn rewards_are_read_from_any_file_that_has_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.toml");
        let write = |text: &str| crate::files::write_atomic(&path, text.as_bytes()).unwrap();
        write("model = \"m\"\n[[rewards]]\nrule = \"length\"\ntarget = 20\n");
        assert_eq!(rewards(&path).unwrap()[0].title(), "length");
        for (text, words) in [
            ("model = \"m\"\n", "has no [[rewards]]"),
            ("[[rewards]]\nrule = \"shorter\"\n", "[[rewards]] of"),
            ("[[rewards]]\nrule = \"length\"\nper = 0\n", "per must be a number other than 0"),
            ("[[rewards]\n", "is no TOML"),
        ] {
            write(text);
            let said = format!("{:#}", rewards(&path).unwrap_err());
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
