//! `tuning-fork cache`: what was fetched, whoever fetched it.

use std::time::SystemTime;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::out;
use super::progress::Bar;
use crate::errors::one_line;
use crate::hub::cache::keep;
use crate::hub::cache::keep::{CachedRevision, Verified};
use crate::hub::connect;
use crate::hub::paths::HubPaths;
use crate::hub::protocol::client::Client;
use crate::hub::protocol::repository::RepoKind;

#[derive(Debug, Args)]
pub struct CacheArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every version of every model and data set, with its size and its last use
    List(ListArgs),

    /// Hash every file again
    Verify(VerifyArgs),

    /// Delete a version
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Ask the Hub which branches have moved
    #[arg(long)]
    updates: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// Only this repository (owner/name)
    repo: Option<String>,

    /// It is a data set, not a model
    #[arg(long)]
    dataset: bool,

    /// Delete what is damaged, so that the next fetch brings it again
    #[arg(long)]
    remove_damaged: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct DeleteArgs {
    /// owner/name, or owner/name@revision
    repo: String,

    /// It is a data set, not a model
    #[arg(long)]
    dataset: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &CacheArgs) -> anyhow::Result<()> {
    let paths = HubPaths::from_env()?;
    match &args.what {
        What::List(args) => list(args, &paths),
        What::Verify(args) => verify(args, &paths),
        What::Delete(args) => delete(args, &paths),
    }
}

fn list(args: &ListArgs, paths: &HubPaths) -> anyhow::Result<()> {
    let revisions = keep::list(paths);
    let client = args.updates.then(|| connect::client(paths));
    let mut rows = Vec::new();
    for revision in &revisions {
        let update = client.as_ref().and_then(|client| update_of(client, paths, revision));
        if args.json {
            rows.push(as_json(revision, update.as_ref()));
            continue;
        }
        let CachedRevision { kind, repo, commit, branches, file_count, bytes, frees, .. } =
            revision;
        let what = if *kind == RepoKind::Dataset { " (data set)" } else { "" };
        let branches =
            if branches.is_empty() { String::new() } else { format!(", {}", branches.join(", ")) };
        out::line(&format!(
            "{repo}{what}\n    {commit}{branches}\n    {file_count} files, {}; deleting it frees {}{}",
            out::bytes(*bytes),
            out::bytes(*frees),
            days_ago(revision.last_used).map_or(String::new(), |ago| format!("; last used {ago}"))
        ))?;
        match update {
            Some(Ok(there)) => out::line(&format!("    a newer version is on the Hub: {there}"))?,
            Some(Err(reason)) => out::note(&format!("{repo}: {reason}")),
            None => {}
        }
    }
    if args.json {
        return out::json(&json!({ "cache": paths.cache, "revisions": rows }));
    }
    if revisions.is_empty() {
        out::note(&format!("Nothing is in {}", paths.cache.display()));
    }
    Ok(())
}

/// The commit that a branch of a version has moved to, or why that is not known.
fn update_of(
    client: &Client,
    paths: &HubPaths,
    revision: &CachedRevision,
) -> Option<Result<String, String>> {
    let branch = revision.branches.first()?;
    match keep::update_of(client, paths, revision.kind, &revision.repo, branch) {
        Ok(update) => update.map(|update| Ok(update.there)),
        Err(error) => Some(Err(one_line(&error))),
    }
}

fn as_json(revision: &CachedRevision, update: Option<&Result<String, String>>) -> Value {
    let CachedRevision {
        kind,
        repo,
        commit,
        branches,
        file_count,
        bytes,
        frees,
        last_used,
        folder,
    } = revision;
    let last_used = last_used
        .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
        .map(|since| since.as_secs());
    json!({
        "kind": kind,
        "repo": repo,
        "commit": commit,
        "branches": branches,
        "files": file_count,
        "bytes": bytes,
        "frees_bytes": frees,
        "last_used_unix_secs": last_used,
        "path": folder,
        "newer_commit": update.and_then(|update| update.as_ref().ok()),
    })
}

fn days_ago(time: Option<SystemTime>) -> Option<String> {
    let days = time?.elapsed().ok()?.as_secs() / 86_400;
    Some(match days {
        0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        _ => format!("{days} days ago"),
    })
}

fn verify(args: &VerifyArgs, paths: &HubPaths) -> anyhow::Result<()> {
    let bar = Bar::new();
    let only = args.repo.as_deref().map(|repo| (RepoKind::of(args.dataset), repo));
    let report = keep::verify(paths, only, &bar);
    bar.clear();
    let Verified { file_count, bytes, damaged, unknown_count } = report?;
    if args.remove_damaged {
        for damaged in &damaged {
            keep::remove_damaged(paths, damaged)?;
        }
    }
    if args.json {
        let damaged: Vec<Value> = damaged
            .iter()
            .map(|damaged| {
                json!({
                    "kind": damaged.kind,
                    "repo": damaged.repo,
                    "path": damaged.path,
                    "files": damaged.files,
                    "hash": damaged.found,
                    "removed": args.remove_damaged,
                })
            })
            .collect();
        out::json(&json!({
            "files": file_count, "bytes": bytes, "unknown": unknown_count, "damaged": damaged
        }))?;
        return verdict(damaged.len());
    }
    out::line(&format!("{file_count} files, {}: {} damaged", out::bytes(bytes), damaged.len()))?;
    for damaged in &damaged {
        let missing = if damaged.found.is_none() { " (missing)" } else { "" };
        out::line(&format!("    {}: {}{missing}", damaged.repo, damaged.name()))?;
    }
    if unknown_count > 0 {
        out::note(&format!(
            "{unknown_count} more could not be checked: no hash of them is known here"
        ));
    }
    if !damaged.is_empty() {
        out::note(if args.remove_damaged {
            "They are deleted: fetch these again"
        } else {
            "With --remove-damaged they are deleted, and the next fetch brings them again"
        });
    }
    verdict(damaged.len())
}

/// Whoever runs this in a script asks the exit status.
fn verdict(damaged: usize) -> anyhow::Result<()> {
    match damaged {
        0 => Ok(()),
        1 => anyhow::bail!("1 file is damaged"),
        count => anyhow::bail!("{count} files are damaged"),
    }
}

fn delete(args: &DeleteArgs, paths: &HubPaths) -> anyhow::Result<()> {
    let (repo, revision) = args.repo.split_once('@').unwrap_or((&args.repo, "main"));
    let freed = keep::delete(paths, RepoKind::of(args.dataset), repo, revision)?;
    if args.json {
        return out::json(&json!({ "repo": repo, "revision": revision, "freed_bytes": freed }));
    }
    out::line(&format!("Deleted {repo}: {} are free again", out::bytes(freed)))
}
