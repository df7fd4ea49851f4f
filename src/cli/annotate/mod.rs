//! `tuning-fork annotate`: studies in which people code texts, without a window.

mod arena;
mod export;
mod import;
mod new;
mod numbers;
mod pairs;
pub(super) mod shared;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct AnnotateArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a study of a table of texts and a codebook
    New(Box<new::NewArgs>),

    /// Write codes, the codebook, or a package for a colleague
    Export(export::ExportArgs),

    /// Take codes of a file in, or make a study of a colleague's package
    Import(import::ImportArgs),

    /// Take in what colleagues have sent back
    Merge(import::MergeArgs),

    /// Say how far the coders agree
    Agreement(numbers::AgreementArgs),

    /// Write a project's verdicts on pairs for other programs
    Pairs(pairs::PairsArgs),

    /// Rate models from comparisons in pairs
    Arena(arena::ArenaArgs),
}

pub fn run(args: &AnnotateArgs) -> anyhow::Result<()> {
    match &args.command {
        Command::New(args) => new::run(args),
        Command::Export(args) => export::run(args),
        Command::Import(args) => import::run(args),
        Command::Merge(args) => import::merge(args),
        Command::Agreement(args) => numbers::run(args),
        Command::Pairs(args) => pairs::run(args),
        Command::Arena(args) => arena::run(args),
    }
}
