//! `tuning-fork serve`: a model as a server with OpenAI's interface.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use super::guesser::GuesserArgs;
use super::load::{CacheArgs, ModelArgs};
use super::out;
use crate::encoder::{Encoder, folder_purpose, is_encoder_model};
use crate::hub::resolve;
use crate::jobs::{Cancelled, Progress};
use crate::llm::card::Purpose;
use crate::seq2seq::is_pair_model;
use crate::serve::key::Key;
use crate::serve::served::Served;
use crate::serve::server::{Done, ServeEvent, Settings, serve};
use crate::web::listen::Place;
use crate::words::counted;

#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    cache: CacheArgs,

    #[command(flatten)]
    guesser: GuesserArgs,

    /// The address to listen at: 127.0.0.1 is for programs of this computer alone, 0.0.0.0 for
    /// everybody who can reach it
    #[arg(long, value_name = "IP", default_value = "127.0.0.1", value_parser = address)]
    host: IpAddr,

    /// The port; without it, the first free one of 8321, 8322, 8323
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// The key that requests have to carry; without it, none on this computer, and a random one
    /// elsewhere
    #[arg(long)]
    key: Option<String>,

    /// How many requests may wait while another one is computed
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    queue: u32,

    /// How long the answer to one request may be computed, at most
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, value_parser = clap::value_parser!(u64).range(1..))]
    most_seconds: u64,

    /// A line of JSON for each thing that happens
    #[arg(long)]
    json: bool,
}

fn address(text: &str) -> Result<IpAddr, String> {
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_why| {
        "an address such as 127.0.0.1 is expected, not a name (`tuning-fork room --addresses` lists \
         those of this computer)"
            .to_owned()
    })
}

pub fn run(args: &ServeArgs) -> anyhow::Result<()> {
    // The key first: a mistake in it should not cost the time of loading a model.
    let is_open = !args.host.is_loopback();
    let key = match &args.key {
        Some(word) => Some(Key::parse(word).context("--key cannot be used")?),
        None => is_open.then(Key::random),
    };
    let served = Arc::new(load(&args.model, args.cache, &args.guesser)?);
    let settings = Settings {
        place: Place { ip: args.host, port: args.port },
        key,
        most_waiting: args.queue as usize,
        most_time: Duration::from_secs(args.most_seconds),
        ..Settings::default()
    };
    let screen =
        Screen { args, served: &served, key: settings.key.as_ref(), broken: RefCell::default() };
    serve(&served, &settings, &screen).context("the model cannot be served")?;
    match screen.broken.into_inner() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn load(args: &ModelArgs, cache: CacheArgs, guesser: &GuesserArgs) -> anyhow::Result<Served> {
    let folder = resolve::resolve_model(&args.model).ok();
    if let Some(folder) = folder {
        if is_pair_model(&folder) {
            bail!(
                "{} reads one text and writes another, and is not served yet: `tuning-fork generate` \
                 answers with it",
                args.model
            );
        }
        if is_encoder_model(&folder) {
            if folder_purpose(&folder) == Some(Purpose::Classify) {
                bail!(
                    "{} gives texts labels, and is not served yet: `tuning-fork classify` uses it",
                    args.model
                );
            }
            if args.adapter.is_some() {
                bail!("{} is an encoder, and --adapter is for a model that writes", args.model);
            }
            if guesser.is_on() {
                bail!(
                    "{} is an encoder, and --draft and --lookup are for a model that writes",
                    args.model
                );
            }
            let encoder = Encoder::load(&folder)?;
            let name = folder
                .file_name()
                .map_or_else(|| args.model.clone(), |name| name.to_string_lossy().into_owned());
            return Ok(Served::encoder(encoder, name, Some(args.model.clone())));
        }
    }
    let (model, adapter) = args.load_for_answers(cache)?;
    let guesser = guesser.kept(&model)?;
    let name = Some(args.model.clone());
    let served = Served::decoder(Arc::new(model), adapter.map(Arc::new), name);
    Ok(served.with_guesser(guesser))
}

/// Says what happens. Stops once nobody reads it.
struct Screen<'a> {
    args: &'a ServeArgs,
    served: &'a Served,
    key: Option<&'a Key>,
    broken: RefCell<Option<anyhow::Error>>,
}

impl Screen<'_> {
    fn say(&self, event: &ServeEvent) -> anyhow::Result<()> {
        if self.args.json {
            return self.say_json(event);
        }
        match event {
            ServeEvent::Opened { address } => {
                out::line(&format!("Serving {} at {address}", self.served.names().join(", ")))?;
                if let Some(key) = self.key {
                    out::line(&format!("Key: {}", key.as_str()))?;
                }
                if !self.args.host.is_loopback() {
                    out::note(
                        "warning: what is sent is not encrypted: whoever is in between can read it, \
                         and the key. Use this in a network that you trust, or through SSH",
                    );
                }
                out::note("Control-C ends it");
            }
            ServeEvent::Begun { .. } => {}
            ServeEvent::Done(Done { path, status, usage, took, .. }) => {
                let tokens = counted(usage.prompt, "token", "tokens");
                let secs = took.as_secs_f64();
                let rest = format!("{tokens} read, {} written, {secs:.2} s", usage.answer);
                let rest = match status {
                    200 => rest,
                    499 => "the client has left".to_owned(),
                    500.. => "not answered".to_owned(),
                    _ => "refused".to_owned(),
                };
                out::line(&format!("{status} {path}: {rest}"))?;
            }
            ServeEvent::Refused { path, status } => {
                out::line(&format!("{status} {path}: refused"))?;
            }
        }
        Ok(())
    }

    fn say_json(&self, event: &ServeEvent) -> anyhow::Result<()> {
        out::json(&match event {
            ServeEvent::Opened { address } => json!({
                "event": "opened",
                "address": address,
                "models": self.served.names(),
                "key": self.key.map(Key::as_str),
            }),
            ServeEvent::Begun { number } => json!({"event": "begun", "request": number}),
            ServeEvent::Done(Done { number, path, status, usage, waited, took }) => json!({
                "event": "done",
                "request": number,
                "path": path,
                "status": status,
                "prompt_tokens": usage.prompt,
                "completion_tokens": usage.answer,
                "waited_secs": waited.as_secs_f64(),
                "secs": took.as_secs_f64(),
            }),
            ServeEvent::Refused { path, status } => {
                json!({"event": "refused", "path": path, "status": status})
            }
        })
    }
}

impl Progress<ServeEvent> for Screen<'_> {
    fn emit(&self, event: ServeEvent) {
        if let Err(error) = self.say(&event) {
            self.broken.borrow_mut().get_or_insert(error);
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        if self.broken.borrow().is_some() { Err(Cancelled) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_number_or_this_computer() {
        assert_eq!(address("localhost").unwrap(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert!(address("0.0.0.0").is_ok() && address("::1").is_ok());
        assert!(address("example.org").unwrap_err().contains("127.0.0.1"));
    }
}
