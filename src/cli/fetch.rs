//! `tuning-fork fetch`: get a model.

use clap::Args;
use serde_json::json;

use super::out;
use super::progress::Bar;
use crate::hub::client::Client;
use crate::hub::download::Patience;
use crate::hub::paths::HubPaths;
use crate::hub::{repo, starter};

#[derive(Debug, Args)]
pub struct FetchArgs {
    /// `starter`, or a model id on the Hugging Face Hub (owner/name)
    model: String,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &FetchArgs) -> anyhow::Result<()> {
    let bar = Bar::new();
    let (path, source) = if args.model == "starter" {
        let fetched = starter::fetch_starter(&bar)?;
        (fetched.path, fetched.source)
    } else {
        let paths = HubPaths::from_env()?;
        let client = Client::from_env(&paths);
        let path = repo::fetch(&client, &paths, &args.model, &Patience::default(), &bar)?;
        (path, "the Hugging Face Hub".to_owned())
    };
    bar.clear();
    if args.json {
        return out::json(&json!({ "model": args.model, "path": path, "source": source }));
    }
    out::note(&format!("Ready ({source})"));
    out::line(&path.display().to_string())
}
