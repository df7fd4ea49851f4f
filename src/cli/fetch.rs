//! `tuning-fork fetch`: get a model or a data set.

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::out;
use super::progress::Bar;
use crate::hub::connect;
use crate::hub::fetch::queue::{
    Failure, FileChoice, Help, Item, ItemState, Order, Queue, QueueCommand, QueueOptions, Until,
};
use crate::hub::paths::HubPaths;
use crate::hub::protocol::repository::RepoKind;
use crate::hub::starter;

/// How often an absent network is waited for, at a terminal: two minutes in all.
const NETWORK_ROUNDS: u32 = 4;

#[derive(Debug, Args)]
pub struct FetchArgs {
    /// `starter`, or an id on the Hugging Face Hub (owner/name), also of a branch, tag or commit
    /// (owner/name@revision)
    model: String,

    /// Only files that fit this pattern (`*.gguf`); may be given several times
    #[arg(long, value_name = "PATTERN")]
    files: Vec<String>,

    /// It is a data set, not a model
    #[arg(long)]
    dataset: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &FetchArgs) -> anyhow::Result<()> {
    let bar = Bar::new();
    if args.model == "starter" {
        let fetched = starter::fetch_starter(&bar)?;
        bar.clear();
        if args.json {
            let (path, source) = (fetched.path, fetched.source);
            return out::json(&json!({ "model": args.model, "path": path, "source": source }));
        }
        out::note(&format!("Ready ({})", fetched.source));
        return out::line(&fetched.path.display().to_string());
    }
    let item = fetch(order(args), &bar);
    bar.clear();
    let item = item?;
    let folder = match item.state {
        ItemState::Done { folder } => folder,
        ItemState::Failed(failure) => return Err(explain(&failure)),
        state => anyhow::bail!("the download ended unfinished: {state:?}"),
    };
    if args.json {
        let file = |file: &crate::hub::fetch::queue::ItemFile| json!({ "path": file.remote.path, "bytes": file.remote.size });
        let files: Vec<_> = item.files.iter().map(file).collect();
        return out::json(&json!({
            "model": item.order.repo,
            "commit": item.commit,
            "path": folder,
            "source": "the Hugging Face Hub",
            "files": files,
        }));
    }
    out::note("Ready (the Hugging Face Hub)");
    out::line(&folder.display().to_string())
}

fn order(args: &FetchArgs) -> Order {
    let (repo, revision) = args.model.split_once('@').unwrap_or((&args.model, "main"));
    let files = if args.files.is_empty() {
        FileChoice::Needed
    } else {
        FileChoice::Matching(args.files.clone())
    };
    Order {
        kind: RepoKind::of(args.dataset),
        repo: repo.to_owned(),
        revision: revision.to_owned(),
        files,
    }
}

fn fetch(order: Order, bar: &Bar) -> anyhow::Result<Item> {
    let paths = HubPaths::from_env()?;
    let client = connect::client(&paths);
    let options =
        QueueOptions { network_rounds: NETWORK_ROUNDS, ..QueueOptions::new(paths, client) };
    // Not the window's queue: what is asked for here ends with this command.
    let queue = Queue::in_memory();
    queue.send(QueueCommand::Add(order));
    queue.serve(&options, Until::Idle, bar)?;
    queue.items().pop().context("the order is gone from the queue")
}

/// What happened, and what to do.
fn explain(failure: &Failure) -> anyhow::Error {
    let advice = match &failure.help {
        Help::Access { page, has_token: true } => {
            format!(
                "Accept its conditions at {page} with the account of your token, then try again"
            )
        }
        Help::Access { page, has_token: false } => format!(
            "Accept its conditions at {page}, set HF_TOKEN to a token of that account \
             (or run `hf auth login`), then try again"
        ),
        Help::Room { folder, needed, .. } => {
            format!("Free {} on the disk of {}", out::bytes(*needed), folder.display())
        }
        Help::GoOnline => "Unset HF_HUB_OFFLINE to go online".to_owned(),
        Help::TryAgain => "What came is kept: the same command resumes the download".to_owned(),
        Help::None => return anyhow::anyhow!("{}", failure.reason),
    };
    anyhow::anyhow!("{}. {advice}", failure.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_may_name_a_revision() {
        let of = |model: &str, files: &[&str]| {
            order(&FetchArgs {
                model: model.to_owned(),
                files: files.iter().map(|file| (*file).to_owned()).collect(),
                dataset: false,
                json: false,
            })
        };
        assert_eq!(of("ada/small", &[]), Order::model("ada/small"));
        let order = of("ada/small@v1.0", &["*.gguf"]);
        assert_eq!((order.repo.as_str(), order.revision.as_str()), ("ada/small", "v1.0"));
        assert_eq!(order.files, FileChoice::Matching(vec!["*.gguf".to_owned()]));
    }
}
