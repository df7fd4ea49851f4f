//! `tuning-fork completions` and `tuning-fork man`: what a package puts beside the program.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;

use super::out;
use crate::files;

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell that completes the commands
    shell: Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder that gets a page for the program and one for each command
    folder: PathBuf,
}

/// `program`: all commands.
pub fn completions(args: &CompletionsArgs, mut program: Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "tuning-fork", &mut script);
    out::line(String::from_utf8(script).context("a script is text")?.trim_end())
}

pub fn man(args: &ManArgs, mut program: Command) -> anyhow::Result<()> {
    program.build();
    let commands = program.get_subcommands().filter(|command| command.get_name() != "help");
    let pages: Vec<&Command> = std::iter::once(&program).chain(commands).collect();
    for command in &pages {
        // Of a command with the program's: `tuning-fork-train`.
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let path = args.folder.join(format!("{name}.1"));
        let mut page = Vec::new();
        clap_mangen::Man::new((*command).clone()).render(&mut page)?;
        files::write_atomic(&path, &page)
            .with_context(|| format!("{} could not be written", path.display()))?;
    }
    out::line(&format!("{} pages in {}", pages.len(), args.folder.display()))
}
