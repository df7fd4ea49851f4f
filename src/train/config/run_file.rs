//! `RUN.toml`: a training run as a file, which the panel saves and `tuning-fork train` runs.

use std::io;
use std::path::{Path, PathBuf};

use super::learning::Method;
use super::metric::Metric;
use super::objective::Objective;
use super::other_keys;
use super::settings::TrainConfig;
use crate::files;

/// Why a run file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RunFileError {
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("line {line} of {}: {problem}", path.display())]
    Line { path: PathBuf, line: usize, problem: String },

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Reads a run file. Relative paths in it are taken from its own folder where something is there,
/// and from the current folder otherwise.
pub fn read(path: &Path) -> Result<TrainConfig, RunFileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| RunFileError::Read { path: path.to_owned(), source })?;
    let mut config = parse(&text).map_err(|(line, problem)| RunFileError::Line {
        path: path.to_owned(),
        line,
        problem,
    })?;
    config.data = files::beside(path, &config.data);
    config = config.with_mix_at(|data| files::beside(path, data));
    config.adapter = config.adapter.as_deref().map(|adapter| files::beside(path, adapter));
    config.model = files::named_beside(path, &config.model);
    Ok(config)
}

/// Writes a run file that [`read`] understands and TRL's users recognise.
pub fn write(path: &Path, config: &TrainConfig) -> Result<(), RunFileError> {
    files::write_atomic(path, text(config).as_bytes())
        .map_err(|source| RunFileError::Write { path: path.to_owned(), source })
}

/// What stands in it.
pub fn text(config: &TrainConfig) -> String {
    let mut text =
        toml::to_string(config).expect("a configuration has only names, numbers and lists");
    if config.objective.samples() && config.policy.is_default() {
        // Of RLOO another number is the usual one.
        let count = config.policy.num_generations;
        text.push_str(&format!("\n[policy]\nnum_generations = {count}\n"));
    }
    text
}

/// The configuration, or the line (from 1) and what is wrong with it.
pub fn parse(text: &str) -> Result<TrainConfig, (usize, String)> {
    let mut config: TrainConfig = toml::from_str(text).map_err(|err| {
        let (line, problem) = files::mistake_in_toml(text, &err);
        // In a table of its own a name means something else.
        let is_of_the_run = text[..err.span().map_or(0, |span| span.start.min(text.len()))]
            .lines()
            .all(|line| !line.trim_start().starts_with('['));
        let known = other_keys::unknown_in(err.message()).filter(|_| is_of_the_run);
        let known = known.and_then(other_keys::said_of);
        (line, known.unwrap_or(problem))
    })?;
    let written: toml::Table =
        toml::from_str(text).map_err(|err| files::mistake_in_toml(text, &err))?;
    if !written.contains_key("learning_rate") {
        config.learning_rate = config.objective.facts().learning_rate;
    }
    if !written.contains_key("method") && config.objective == Objective::Pretrain {
        config.method = Method::Full;
    }
    if !written.contains_key("loss_type") {
        config.loss_type = config.objective.usual_loss();
    }
    if config.objective.samples() {
        // TRL's defaults of these two trainers are others than those of its preference trainers.
        let is_rloo = config.objective == Objective::Rloo;
        if !written.contains_key("beta") {
            config.beta = if is_rloo { 0.05 } else { 0.0 };
        }
        if !written.contains_key("metric_for_best_model") {
            // Their loss stays near zero whether the run goes well or not.
            config.metric_for_best_model = Metric::Reward.evaluated();
        }
        let policy = written.get("policy").and_then(toml::Value::as_table);
        if is_rloo && !policy.is_some_and(|policy| policy.contains_key("num_generations")) {
            config.policy.num_generations = 2;
        }
    }
    if config.objective.reads_texts() {
        // transformers' Trainer trains with the model's own dropout, TRL's preference trainers do not.
        config.disable_dropout &= written.contains_key("disable_dropout");
        let names_layers = written
            .get("lora")
            .and_then(toml::Value::as_table)
            .is_some_and(|lora| lora.contains_key("target_modules"));
        if !names_layers {
            config.lora.target_modules.clear();
        }
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use crate::train::config::SchedulerType;
    use crate::train::config::objective::Objective;
    use crate::train::config::run_file::*;

    #[test]
    fn a_run_file_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("RUN.toml");
        for objective in Objective::ALL {
            let mut config = TrainConfig::suggested(objective);
            config.model = "starter".to_owned();
            config.data = PathBuf::from("elsewhere.jsonl");
            config.lr_scheduler_type = SchedulerType::ConstantWithWarmup;
            write(&path, &config).unwrap();
            assert_eq!(read(&path).unwrap(), config);
        }
    }

    #[test]
    fn absent_keys_take_the_defaults_of_their_objective() {
        let dpo = parse("model = 'm'\ndata = 'd'\nloss_type = 'ipo'\n[lora]\nr = 4").unwrap();
        assert_eq!((dpo.learning_rate, dpo.lora.r), (1e-6, 4));
        assert_eq!(dpo.loss_type, ["ipo"]); // one name does not need a list
        assert_eq!(parse("objective = 'sft'").unwrap().learning_rate, 2e-5);
        assert_eq!(parse("objective = 'kto'").unwrap().loss_type, ["kto"]);
        assert_eq!(parse("max_steps = -1").unwrap().max_steps, None); // as TRL writes it
    }

    #[test]
    fn a_wrong_key_is_named_with_its_line() {
        for (text, line, words) in [
            ("model = 'm'\nlearning_rat = 1\n", 2, "learning_rat"),
            ("[lora]\nrank = 4\n", 2, "rank"),
            ("beta = 0.1\nlogging_steps = 1\n", 2, "no `logging_steps`: every step is written"),
            ("warmup_ratio = 0.1\n", 1, "warmup_steps below 1 is a share"),
            ("beta = 'much'\n", 1, "beta"),
            ("max_steps = -2\n", 1, "as many as the epochs take"),
            ("objective = 'ppo'\n", 1, "ppo"),
            ("model = 'm\n", 1, "model"),
        ] {
            let (found, problem) = parse(text).unwrap_err();
            assert_eq!(found, line, "{problem}");
            assert!(problem.contains(words), "{problem}");
        }
    }

    #[test]
    fn data_beside_the_run_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("pairs.jsonl");
        files::write_atomic(&data, b"").unwrap();
        let path = folder.path().join("RUN.toml");
        files::write_atomic(&path, b"data = 'pairs.jsonl'\nmodel = 'starter'").unwrap();
        let config = read(&path).unwrap();
        assert_eq!((config.data, config.model.as_str()), (data, "starter"));
    }
}
