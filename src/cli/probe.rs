//! `tuning-fork probe`: what a server with OpenAI's interface can.

use std::time::Duration;

use clap::Args;

use super::out;
use super::remote::KeyArgs;
use crate::remote::client::{Client, base_of};
use crate::remote::probe::probe;

#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// Its address, such as `localhost:8000` or `https://host/v1`
    address: String,

    /// Which of its models; without it, the first that it lists
    #[arg(long)]
    model: Option<String>,

    /// The API key that it wants. Other programs can see the arguments of a command, but not what
    /// --key-env names
    #[arg(long, conflicts_with = "key_env")]
    key: Option<String>,

    #[command(flatten)]
    kept: KeyArgs,

    /// How long it may take to answer one request, at most
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    most_seconds: u64,

    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ProbeArgs) -> anyhow::Result<()> {
    let time = Duration::from_secs(args.most_seconds);
    let key = match &args.key {
        Some(key) => Some(key.clone()),
        None => args.kept.key(&base_of(&args.address)?)?,
    };
    let client = Client::new(&args.address, key.as_deref(), time)?;
    let found = probe(&client, args.model.as_deref())?;
    if args.json {
        return out::json(&found);
    }
    out::line(&format!("{} at {}", found.model, found.address))?;
    for ability in &found.abilities {
        let word = if ability.has { "yes" } else { "no " };
        out::line(&format!("{word}  {:<34} {}", ability.name, ability.detail))?;
    }
    for lie in &found.lies {
        out::line(&format!("!    {lie}"))?;
    }
    out::line(found.verdict())
}
