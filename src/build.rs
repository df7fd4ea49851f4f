//! The build script: which commit the program is made of, and on Windows its icon.

use std::env;
use std::io;
use std::io::Write as _;
use std::process::Command;

fn main() -> io::Result<()> {
    say("rerun-if-env-changed=TUNING_FORK_COMMIT")?;
    say("rerun-if-changed=src/build.rs")?;
    // Whoever builds from an archive has no git, and says the commit.
    let given = env::var("TUNING_FORK_COMMIT").ok().filter(|commit| !commit.is_empty());
    // While one works on the program it is not asked for: each commit would compile the crate anew.
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_release && given.is_none() {
        say("rerun-if-changed=src")?;
        say("rerun-if-changed=Cargo.lock")?;
        if let Some(head) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
            say(&format!("rerun-if-changed={head}"))?;
        }
    }
    let commit = given.or_else(|| if is_release { commit() } else { None });
    let commit = commit.unwrap_or_default();
    say(&format!("rustc-env=TUNING_FORK_COMMIT={commit}"))?;
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let whole = if commit.is_empty() { version } else { format!("{version} ({commit})") };
    say(&format!("rustc-env=TUNING_FORK_VERSION={whole}"))?;
    icon()
}

/// `1a2b3c4d5`, or `1a2b3c4d5-changed` where the sources are not those of the commit.
fn commit() -> Option<String> {
    let commit = git(&["rev-parse", "--short=9", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changes.is_empty() { commit } else { format!("{commit}-changed") })
}

/// `None`: there is no git, or this is no clone.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// A line to cargo.
fn say(what: &str) -> io::Result<()> {
    writeln!(io::stdout(), "cargo:{what}")
}

#[cfg(windows)]
fn icon() -> io::Result<()> {
    let mut resource = winresource::WindowsResource::new();
    resource.set_icon("assets/packaging/icons/tuning-fork.ico");
    resource.set("ProductName", "Tuning Fork");
    resource.set("FileDescription", "Tuning Fork");
    resource.compile()
}

#[cfg(not(windows))]
#[expect(clippy::unnecessary_wraps, reason = "the other one may fail")]
fn icon() -> io::Result<()> {
    Ok(())
}
