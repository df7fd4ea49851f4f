//! `tuning-fork completions` and `tuning-fork man`: what a package puts beside the program.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args as ClapArgs, CommandFactory as _};
use clap_complete::Shell;

use super::{Args, out};
use crate::files;

#[derive(Debug, ClapArgs)]
pub struct CompletionsArgs {
    /// The shell that completes the commands
    shell: Shell,
}

#[derive(Debug, ClapArgs)]
pub struct ManArgs {
    /// The folder that gets a page for the program and one for each command
    folder: PathBuf,
}

pub fn completions(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "tuning-fork", &mut script);
    out::line(String::from_utf8(script).context("a script is text")?.trim_end())
}

pub fn man(args: &ManArgs) -> anyhow::Result<()> {
    let mut program = Args::command();
    program.build();
    let commands = program.get_subcommands().filter(|command| command.get_name() != "help");
    let pages: Vec<&clap::Command> = std::iter::once(&program).chain(commands).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_says_what_it_does() {
        let folder = tempfile::tempdir().unwrap();
        man(&ManArgs { folder: folder.path().to_owned() }).unwrap();
        let page = std::fs::read_to_string(folder.path().join("tuning-fork-evaluate.1")).unwrap();
        assert!(page.contains("Let a model answer about every row of a table"), "{page}");
        let whole = std::fs::read_to_string(folder.path().join("tuning-fork.1")).unwrap();
        assert!(whole.contains("Exit status: 0 done"), "{whole}");
    }
}
