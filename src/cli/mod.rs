//! The same engine without a window: `tuning-fork fetch`, `generate`, `train` and the others.
//!
//! Results go to stdout (with `--json` for machines), everything else to stderr.

mod annotate;
mod bench;
mod bench_annotate;
mod bench_fetch;
mod bench_memory;
mod bench_pass;
mod bench_views;
mod bundle;
mod cache;
mod classify;
mod columns;
mod configurations;
mod embed;
mod evaluate;
mod explore;
mod export;
mod fetch;
mod fill;
mod fill_words;
mod generate;
mod guesser;
mod import_run;
mod lecture;
mod load;
mod logits;
mod lr_find;
mod methods;
mod models;
mod out;
mod peak;
mod probe;
mod progress;
mod prompt;
mod remote;
mod report;
mod reproduce;
mod reproduce_run;
mod reproduce_study;
mod room;
mod rounds;
mod rows;
mod run_on;
mod score;
mod score_pair;
mod score_rows;
mod serve;
mod shell;
mod stability;
mod stats;
mod sweep;
mod tensor_file;
mod train;
mod train_screen;
mod train_texts;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use log::LevelFilter;

use crate::files::meant::meant;
use crate::logging;
use crate::logging::Logging;
use crate::program;

const EXIT_STATUS: &str = "Exit status:
  0    done
  1    failed, and stderr says why
  2    wrong arguments, or no screen to open a window on
  130  stopped with Ctrl+C (128 and the number of the signal)

Environment:
  NO_COLOR=1          no colours; there are none outside a terminal anyway
  RUST_LOG=debug      what is logged, as env_logger reads it; --log goes before it
  HF_HOME, HF_TOKEN, HF_HUB_CACHE, HF_ENDPOINT   as huggingface_hub reads them";

/// Ask a language model, say which answer is better, train on that, see what changed.
///
/// Without a command, opens the window.
#[derive(Debug, Parser)]
#[command(name = "tuning-fork", version = program::VERSION_WITH_COMMIT, after_help = EXIT_STATUS)]
pub struct Args {
    /// What to open in the window: a project folder, a model (GGUF file or transformers folder), an
    /// adapter, a lecture, a coding package, a task file or a run file
    #[arg(value_name = "FILE OR FOLDER")]
    pub open: Option<PathBuf>,

    /// What is logged, beginning with the least: off, error, warn, info, debug, trace
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Log")]
    pub log: Option<LevelFilter>,

    /// Write the log into this file instead of stderr (the window's: log.txt beside its settings)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Log")]
    pub log_file: Option<PathBuf>,

    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What works without a window.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Get a model: the starter model, or one from the Hugging Face Hub
    Fetch(fetch::FetchArgs),

    /// What was fetched: list it, hash it again, delete it
    Cache(cache::CacheArgs),

    /// List the models on this disk
    Models(models::ModelsArgs),

    /// Answer a prompt
    Generate(generate::GenerateArgs),

    /// Use the prompts of a project: list them, fill them, run chains and keep what they did
    Prompt(prompt::PromptArgs),

    /// Give the log-probability of every token of given texts
    Score(score::ScoreArgs),

    /// Turn texts into vectors with a sentence encoder
    Embed(embed::EmbedArgs),

    /// Guess masked words with a masked language model
    Fill(fill::FillArgs),

    /// Give texts labels with a classifier
    Classify(classify::ClassifyArgs),

    /// Write the hidden states and logits of given token ids
    Logits(logits::LogitsArgs),

    /// Let a model answer about every row of a table: codes, exams, which answer is better
    Evaluate(evaluate::EvaluateArgs),

    /// Say how far the answers of an evaluation can be trusted
    Report(report::ReportArgs),

    /// Do an evaluation, a training run or the numbers of a study again and say what differs
    Reproduce(reproduce::ReproduceArgs),

    /// Test whether a model follows a codebook, and whether its answers stay when only the form of the
    /// question changes
    Stability(stability::StabilityArgs),

    /// Show every configuration that was tried with a table, and freeze one of them
    Configurations(configurations::ConfigurationsArgs),

    /// Let people code texts: make studies, merge coders, say how far they agree
    Annotate(annotate::AnnotateArgs),

    /// Compute agreement, accuracy, scores of texts and other statistics of given cases
    Stats(stats::StatsArgs),

    /// Look inside a model: tokens, surprise, attention and more, as numbers
    Explore(explore::ExploreArgs),

    /// Check a lecture's file, or record what its scenes show
    Lecture(lecture::LectureArgs),

    /// Ask the phones of an audience: a page on the local network, counts, results as files
    Room(room::RoomArgs),

    /// Serve a model to other programs: OpenAI's interface, with exact log-probabilities
    Serve(serve::ServeArgs),

    /// Find out what a server with OpenAI's interface can, and whether its log-probabilities hold
    Probe(probe::ProbeArgs),

    /// Train a model, or an adapter for one, as a run file says
    Train(train::TrainArgs),

    /// Train the same rows with several methods in turn, and compare what each took and learned
    CompareMethods(methods::MethodsArgs),

    /// Train a small grid of settings or several seeds, in a queue that survives a restart, with one table
    Sweep(sweep::SweepArgs),

    /// Go on from a run with answers of its own model (iterative DPO), and show the rounds in a row
    Rounds(rounds::RoundsArgs),

    /// Find a learning rate for a run: a few steps at growing rates, on weights that are thrown away
    LrFind(lr_find::LrFindArgs),

    /// Export a run as a folder that TRL, LLaMA-Factory, Axolotl or Hugging Face Jobs can run
    Bundle(bundle::BundleArgs),

    /// Start such a folder here or on a host, and follow it
    RunOn(run_on::RunOnArgs),

    /// Import the results of such a run as a run of the project
    ImportRun(import_run::ImportRunArgs),

    /// Make an adapter into a merged model, or into a file for llama.cpp
    Export(export::ExportArgs),

    /// Measure how fast this machine is
    Bench(bench::BenchArgs),

    /// Print the script that completes commands in a shell
    Completions(shell::CompletionsArgs),

    /// Write man pages
    Man(shell::ManArgs),
}

impl Args {
    /// The arguments of this process. Ends it where they make no sense, with 2.
    pub fn of_process() -> Self {
        let args = Self::parse();
        match args.contradiction() {
            Some(message) => Self::command().error(ErrorKind::ArgumentConflict, message).exit(),
            None => args,
        }
    }

    fn contradiction(&self) -> Option<String> {
        let open = self.open.as_ref()?;
        if self.command.is_some() {
            return Some(format!(
                "{} comes before a command: only the window opens files. Put what the command is to \
                 read after it, and see `tuning-fork COMMAND --help`",
                open.display()
            ));
        }
        if open.exists() {
            return None;
        }
        let word = open.to_str().unwrap_or_default();
        let is_word = !word.contains(['/', '\\', '.']);
        let commands = Self::command();
        let names = commands.get_subcommands().map(|command| command.get_name());
        let meant = meant(word, names);
        match meant.filter(|_| is_word) {
            Some(meant) => Some(format!(
                "there is no command and no file {word}: is `tuning-fork {meant}` meant? (For a new \
                 project of that name: tuning-fork ./{word})"
            )),
            // A folder that is not there becomes a project; a file that is not there is a slip.
            None => open.extension().map(|_| {
                format!(
                    "there is no file {word}: look at its name and at the folder that it is in \
                     ({})",
                    std::env::current_dir().unwrap_or_default().display()
                )
            }),
        }
    }

    /// Where the log goes.
    pub fn logging(&self) -> Logging {
        let mut logging = Logging { level: self.log, file: self.log_file.clone() };
        if self.command.is_none() && logging.file.is_none() {
            logging.file = logging::window_file();
            if let Some(file) = &logging.file {
                logging::put_aside(file);
            }
            // Enough to tell what happened before a fault.
            if std::env::var_os("RUST_LOG").is_none() {
                logging.level = logging.level.or(Some(LevelFilter::Info));
            }
        }
        logging
    }
}

impl Command {
    /// Whether texts are made into ids on all threads at once, which would wait for each other
    /// wherever they take memory from one place.
    pub fn reads_many_rows(&self) -> bool {
        matches!(
            self,
            Self::Train(_)
                | Self::CompareMethods(_)
                | Self::Sweep(_)
                | Self::LrFind(_)
                | Self::ImportRun(_)
        )
    }
}

/// Carries out a command. 0: done, 1: failed, and stderr says why. `process_start`: as early as
/// `main` could tell.
pub fn run(command: &Command, process_start: Instant) -> ExitCode {
    let result = match command {
        Command::Fetch(args) => fetch::run(args),
        Command::Cache(args) => cache::run(args),
        Command::Models(args) => models::run(args),
        Command::Generate(args) => generate::run(args),
        Command::Prompt(args) => prompt::run(args),
        Command::Score(args) => score::run(args),
        Command::Embed(args) => embed::run(args),
        Command::Fill(args) => fill::run(args),
        Command::Classify(args) => classify::run(args),
        Command::Logits(args) => logits::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Report(args) => report::run(args),
        Command::Reproduce(args) => reproduce::run(args),
        Command::Stability(args) => stability::run(args),
        Command::Configurations(args) => configurations::run(args),
        Command::Annotate(args) => annotate::run(args),
        Command::Stats(args) => stats::run(args),
        Command::Explore(args) => explore::run(args),
        Command::Lecture(args) => lecture::run(args),
        Command::Room(args) => room::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Probe(args) => probe::run(args),
        Command::Train(args) => train::run(args),
        Command::CompareMethods(args) => methods::run(args),
        Command::Sweep(args) => sweep::run(args),
        Command::Rounds(args) => rounds::run(args),
        Command::LrFind(args) => lr_find::run(args),
        Command::Bundle(args) => bundle::run(args),
        Command::RunOn(args) => run_on::run(args),
        Command::ImportRun(args) => import_run::run(args),
        Command::Export(args) => export::run(args),
        Command::Completions(args) => shell::completions(args, Args::command()),
        Command::Man(args) => shell::man(args, Args::command()),
        Command::Bench(args) => bench::run(args, process_start),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output has seen enough.
        Err(error) if out::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            out::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// The log could not be begun: says so, and that the rest goes on.
pub fn explain_no_log(reason: &dyn std::error::Error) {
    out::note(&format!(
        "No log is written: {reason}. Name a file that can be written with --log-file"
    ));
}

/// What to do, where the reason says what is missing.
fn window_hint(reason: &str) -> &'static str {
    let is_about = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if is_about(&["glutin", "OpenGL", "EGL", "GLX", "glow"]) {
        if cfg!(target_os = "linux") {
            return " It needs OpenGL 2.1 or newer. Without a graphics driver, Mesa's software renderer \
                    (llvmpipe) draws it: on Debian and Ubuntu `sudo apt install libgl1-mesa-dri \
                    libegl1`, and LIBGL_ALWAYS_SOFTWARE=1 chooses it.";
        }
        return " It needs OpenGL 2.1 or newer: install the driver of the graphics card.";
    }
    if cfg!(target_os = "linux") && is_about(&["shared libraries", "xlib", "xkbcommon"]) {
        return " On Debian and Ubuntu `sudo apt install libx11-6 libx11-xcb1 libxcursor1 libxi6 \
                libxkbcommon-x11-0 libgl1 libegl1` brings what it needs; the .deb does so by itself.";
    }
    if cfg!(target_os = "linux") && is_about(&["DISPLAY", "display", "compositor"]) {
        return " There is no screen here: over ssh, use `ssh -X`.";
    }
    ""
}

/// Without the place in winit's source at which it failed, and without the settings that glutin
/// asked for: neither tells a person anything.
fn plain_reason(reason: &str) -> &str {
    let place = reason.split_once("os error at ").and_then(|(_, rest)| rest.split_once(": "));
    let reason = place.map_or(reason, |(_, error)| error);
    let reason = reason.split_once(": ConfigTemplate {").map_or(reason, |(before, _)| before);
    reason.trim_end_matches('.')
}

/// There is nothing to open a window on: says so, and what works all the same.
pub fn explain_no_window(reason: &dyn std::error::Error) {
    let commands = Args::command();
    let commands: Vec<&str> =
        commands.get_subcommands().map(|command| command.get_name()).collect();
    let reason = reason.to_string();
    let reason = plain_reason(&reason);
    let hint = window_hint(reason);
    out::note(&format!(
        "No window could be opened: {reason}.{hint} Without one, these work: tuning-fork {} (see \
         tuning-fork --help)",
        commands.join(" | ")
    ));
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_folder_alone_opens_the_window() {
        let args = Args::try_parse_from(["tuning-fork", "my project"]).unwrap();
        assert_eq!(args.open.unwrap(), PathBuf::from("my project"));
        assert!(args.command.is_none());
        assert!(Args::try_parse_from(["tuning-fork"]).unwrap().command.is_none());
    }

    #[test]
    fn a_window_that_cannot_open_says_what_to_install() {
        assert!(
            window_hint("found no glutin configs matching the template").contains("OpenGL 2.1")
        );
        if cfg!(target_os = "linux") {
            let said = window_hint("neither WAYLAND_DISPLAY nor DISPLAY is set");
            assert!(said.contains("no screen"), "{said}");
            let reason = "winit EventLoopError: os error at /a/mod.rs:788: Failed to load one of \
                          xlib's shared libraries";
            let reason = plain_reason(reason);
            assert_eq!(reason, "Failed to load one of xlib's shared libraries");
            assert!(window_hint(reason).contains("libxcursor1"));
        }
        let reason = "Found no glutin configs: ConfigTemplate { alpha_size: 8 }. Error: not found.";
        assert_eq!(plain_reason(reason), "Found no glutin configs");
        assert_eq!(plain_reason("no OpenGL"), "no OpenGL");
        assert_eq!(window_hint("something else"), "");
    }

    #[test]
    fn the_log_is_asked_for_before_a_command_and_after_it() {
        for line in [
            "tuning-fork --log debug --log-file l.txt train RUN.toml",
            "tuning-fork train RUN.toml --log debug --log-file l.txt",
        ] {
            let args = Args::try_parse_from(line.split(' ')).unwrap();
            assert!(matches!(args.command, Some(Command::Train(_))), "{line}");
            let logging = args.logging();
            assert_eq!(logging.level, Some(LevelFilter::Debug), "{line}");
            assert_eq!(logging.file, Some(PathBuf::from("l.txt")), "{line}");
        }
        assert!(Args::try_parse_from(["tuning-fork", "--log", "loud"]).is_err());
    }

    #[test]
    fn a_slip_is_no_new_project() {
        let said = |line: &str| {
            Args::try_parse_from(line.split(' ')).unwrap().contradiction().unwrap_or_default()
        };
        assert!(said("tuning-fork generate2").contains("is `tuning-fork generate` meant?"));
        assert!(said("tuning-fork nowhere/model.gguf").contains("there is no file"));
        assert!(said("tuning-fork folder train RUN.toml").contains("comes before a command"));
        assert_eq!(said("tuning-fork my-new-project"), "");
        assert_eq!(said("tuning-fork ./generate2"), "");
    }

    #[test]
    fn every_command_of_the_readme_is_understood() {
        let lines = [
            "tuning-fork fetch starter",
            "tuning-fork fetch ada/small@v1 --files *.gguf --files *.json --json",
            "tuning-fork fetch ada/pairs --dataset",
            "tuning-fork cache list --updates --json",
            "tuning-fork cache verify ada/small --remove-damaged",
            "tuning-fork cache delete ada/small@main",
            "tuning-fork bench fetch --megabytes 100",
            "tuning-fork models --json",
            "tuning-fork generate --model starter --chat Hello --system Short. --temperature 0.2",
            "tuning-fork generate --prompt Once --greedy --max-new-tokens 5 --adapter runs/1/adapter",
            "tuning-fork prompt list --project p --json",
            "tuning-fork prompt show label-a-text --set text=Rain --examples 4 --model m",
            "tuning-fork prompt run mine --set text=Rain --chain chain-of-thought --model m --json",
            "tuning-fork prompt run react --set question=Why? --texts texts --preset greedy",
            "tuning-fork score --model m --input a.jsonl --output b.jsonl --logits l.safetensors",
            "tuning-fork score --input a.csv --columns prompt=question,completion=answer",
            "tuning-fork embed ada/encoder --text one --text two",
            "tuning-fork embed ada/encoder --file texts.txt --prefix query:",
            "tuning-fork embed ada/encoder --text one --pooling max --normalize true",
            "tuning-fork fill --model m --text [MASK] --top 5 --json",
            "tuning-fork fill --model m --text Once --likelihood",
            "tuning-fork fill --model m --text Once --likelihood --other Twice",
            "tuning-fork fill --model m --text Once --hide Once --beside starter --json",
            "tuning-fork fill --model m --text Once --random 5 --seed 3",
            "tuning-fork classify --model m --text one --text-pair two",
            "tuning-fork classify --model m --input a.csv --columns text=answer --output b.jsonl",
            "tuning-fork logits --model m --input rows.jsonl --output out.safetensors",
            "tuning-fork evaluate TASK.toml --rows 5 --resume",
            "tuning-fork report evaluations/abstracts --methods",
            "tuning-fork report evaluations/one --against evaluations/other --out report.docx",
            "tuning-fork report evaluations/abstracts --table labels.xlsx",
            "tuning-fork evaluate TASK.toml --table answers.parquet",
            "tuning-fork reproduce evaluations/abstracts/evaluation.json --model other",
            "tuning-fork reproduce runs/first --json",
            "tuning-fork reproduce studies/tone/agreement.json",
            "tuning-fork stability evaluations/abstracts --rows 20 --needed 0.9 --json",
            "tuning-fork configurations --freeze evaluations/abstracts --json",
            "tuning-fork completions bash",
            "tuning-fork man man/man1",
            "tuning-fork annotate new studies/a --table t.csv --text abstract --codebook c.toml",
            "tuning-fork annotate new s --table t.csv --text a --codebook c.md --sample 9 --stratify y",
            "tuning-fork annotate export studies/a --as label-studio --out tasks.json --json",
            "tuning-fork annotate import studies/a codes.csv --coder Ada",
            "tuning-fork annotate merge studies/a ben.coding.jsonl eve.coding.jsonl",
            "tuning-fork annotate agreement studies/a --disagreements --json",
            "tuning-fork stats rouge --input cases.json",
            "tuning-fork explore tokens --model m --model other --text Once",
            "tuning-fork explore surprise --model m --input rows.jsonl --top 5 --json",
            "tuning-fork explore compare --model m --with m --with-weights q4_0 --text Once",
            "tuning-fork explore compare --model m --text Once --other-text Twice --json",
            "tuning-fork explore lens --model m --text Once --last 16 --follow 42 --json",
            "tuning-fork explore attention --model m --text Once --layer 3 --out a.safetensors",
            "tuning-fork explore meaning --model m --input items.jsonl --layer 8 --pooling last",
            "tuning-fork explore map --model m --input t.csv --column text --method umap --out map.csv",
            "tuning-fork explore map --model m --input t.csv --nearest query --json",
            "tuning-fork explore clusters --model m --input t.csv --clusters 12 --against tone",
            "tuning-fork explore clusters --model m --input t.csv --hdbscan 15 --reduce 5 --json",
            "tuning-fork explore probe --model m --input t.csv --target tone --folds 10 --c 0.5",
            "tuning-fork explore probe --model m --input t.csv --target age --numbers",
            "tuning-fork explore constructs --model m --input i.csv --construct trait --answers a.csv",
            "tuning-fork explore tree --model m --text Once --branches 3 --depth 4 --greedy 20",
            "tuning-fork room questions.toml --address 192.168.1.20 --port 8080 --each 60 --json",
            "tuning-fork room studies/a --variable tone --each 60",
            "tuning-fork room --addresses",
            "tuning-fork probe http://localhost:8000/v1 --model m --json",
            "tuning-fork serve --model m --adapter a --host 127.0.0.1 --port 8321 --json",
            "tuning-fork train RUN.toml --out runs/1 --json",
            "tuning-fork train RUN.toml --dry-run --columns prompt=question,chosen=better",
            "tuning-fork sweep SWEEP.toml --out sweeps/1 --resume --json",
            "tuning-fork sweep SWEEP.toml --dry-run",
            "tuning-fork lr-find RUN.toml --min 1e-6 --max 0.1 --steps 60 --out rates.csv --json",
            "tuning-fork bundle RUN.toml --for trl --preset zero2 --gpus 8 --out bundle --json",
            "tuning-fork bundle RUN.toml --base o/m@1a --set bf16=false --out bundle",
            "tuning-fork run-on local bundle --python venv/bin/python --json",
            "tuning-fork run-on ada@cluster bundle --folder work/run --follow",
            "tuning-fork import-run bundle --out runs/1 --json",
            "tuning-fork import-run out --bundle bundle --no-recompute",
            "tuning-fork export --adapter runs/1 --as merged --out merged",
            "tuning-fork export --model m --adapter a --as gguf-adapter --out a.gguf",
            "tuning-fork bench generate --model starter",
            "tuning-fork bench train --model starter --data pairs.jsonl",
        ];
        for line in lines {
            let args = Args::try_parse_from(line.split(' '));
            assert!(args.is_ok_and(|args| args.command.is_some()), "{line}");
        }
    }

    #[test]
    fn every_command_has_a_page_that_says_what_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let words = ["tuning-fork", "man", folder.path().to_str().unwrap()];
        let args = Args::try_parse_from(words).unwrap();
        let code = run(&args.command.unwrap(), Instant::now());
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
        let page = std::fs::read_to_string(folder.path().join("tuning-fork-evaluate.1")).unwrap();
        assert!(page.contains("Let a model answer about every row of a table"), "{page}");
        let whole = std::fs::read_to_string(folder.path().join("tuning-fork.1")).unwrap();
        assert!(whole.contains("Exit status:"), "{whole}");
    }
}
