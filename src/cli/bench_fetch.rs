//! `tuning-fork bench fetch`: how fast a file comes, is hashed and lies in the cache, from a
//! server in this process.

use std::cell::Cell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::out;
use super::peak::{peak_memory, print_peak};
use crate::hub::fetch::queue::{
    FileChoice, ItemState, Order, Queue, QueueCommand, QueueEvent, QueueOptions, Until,
};
use crate::hub::paths::HubPaths;
use crate::hub::protocol::client::Client;
use crate::hub::protocol::content_hash::{ContentHash, ContentHasher};
use crate::hub::protocol::options::{ClientOptions, ProxyChoice};
use crate::jobs::{Cancelled, Job, Progress};

const REPO: &str = "bench/model";
const FILE: &str = "model.safetensors";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Sent again and again.
const PATTERN_BYTES: usize = 1 << 20;

#[derive(Debug, Args)]
pub struct FetchArgs {
    /// The size of the file, in MB
    #[arg(long, default_value_t = 2000)]
    megabytes: u64,

    /// Download to this folder, which is made and deleted; default: the temporary one
    #[arg(long)]
    folder: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &FetchArgs) -> anyhow::Result<()> {
    let folder = match &args.folder {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            tempfile::tempdir_in(folder)
        }
        None => tempfile::tempdir(),
    };
    let folder = folder.context("no temporary folder could be made")?;
    let size = args.megabytes * 1_000_000;
    let pattern: Vec<u8> =
        (0..PATTERN_BYTES as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut hasher = ContentHasher::new(&ContentHash::Sha256(String::new()), size);
    let started = Instant::now();
    let mut left = size;
    while left > 0 {
        let count = left.min(PATTERN_BYTES as u64);
        hasher.update(&pattern[..count as usize]);
        left -= count;
    }
    let hash_rate = size as f64 / 1e6 / started.elapsed().as_secs_f64();
    let listener = TcpListener::bind("127.0.0.1:0").context("no port could be opened")?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let hub = Hub { size, sha256: hasher.digits(), pattern };
    let _server: Job<(), (), std::io::Error> =
        Job::spawn("bench-hub", Arc::new(|_| {}), move |_| hub.serve(&listener))?;

    let client = Client::new(ClientOptions {
        endpoint,
        proxy: ProxyChoice::None,
        ..ClientOptions::default()
    })?;
    let options = QueueOptions::new(HubPaths::under(folder.path()), client);
    let queue = Queue::in_memory();
    let named = FileChoice::Named(vec![FILE.to_owned()]);
    queue.send(QueueCommand::Add(Order { files: named, ..Order::model(REPO) }));
    let watch = Watch { started: Instant::now(), arrived: Cell::new(None) };
    queue.serve(&options, Until::Idle, &watch)?;
    let total = watch.started.elapsed();
    if let Some(ItemState::Failed(failure)) = queue.items().pop().map(|item| item.state) {
        anyhow::bail!("{}", failure.reason);
    }
    let arrived = watch.arrived.get().unwrap_or(total);
    let rate = |time: Duration| size as f64 / 1e6 / time.as_secs_f64();
    let peak = peak_memory();
    if args.json {
        return out::json(&json!({
            "bytes": size,
            "arrived_mb_per_sec": rate(arrived),
            "total_mb_per_sec": rate(total),
            "hash_alone_mb_per_sec": hash_rate,
            "peak_memory_bytes": peak,
        }));
    }
    out::line(&format!("received and hashed {:>8.0} MB/s", rate(arrived)))?;
    out::line(&format!("flushed, in place   {:>8.0} MB/s over all", rate(total)))?;
    out::line(&format!("SHA-256 alone       {hash_rate:>8.0} MB/s"))?;
    print_peak(peak)
}

/// When the last byte was hashed: what follows is the disk's own time.
struct Watch {
    started: Instant,
    arrived: Cell<Option<Duration>>,
}

impl Progress<QueueEvent> for Watch {
    fn emit(&self, event: QueueEvent) {
        let QueueEvent::Changed(items) = event else { return };
        let has_arrived = items.iter().any(|item| item.fraction() == Some(1.0));
        if has_arrived && self.arrived.get().is_none() {
            self.arrived.set(Some(self.started.elapsed()));
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

/// One file, as the Hub would serve it.
struct Hub {
    size: u64,
    sha256: String,
    pattern: Vec<u8>,
}

impl Hub {
    /// Until the process ends.
    fn serve(&self, listener: &TcpListener) -> std::io::Result<()> {
        for stream in listener.incoming() {
            // A client that goes away is no concern of the next one.
            if let Err(error) = self.answer(&stream?) {
                log::debug!("the client went away: {error}");
            }
        }
        Ok(())
    }

    fn answer(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream).lines();
        let first = lines.next().unwrap_or(Ok(String::new()))?;
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let Self { size, sha256, pattern } = self;
        let path = first.split(' ').nth(1).unwrap_or_default();
        let body = if path.contains("/revision/") {
            json!({ "sha": COMMIT }).to_string()
        } else if path.contains("/tree/") {
            let listing = json!([{
                "type": "file",
                "path": FILE,
                "size": size,
                "oid": "0".repeat(40),
                "lfs": { "oid": sha256, "size": size, "pointerSize": 134 },
            }]);
            listing.to_string()
        } else {
            let headers = format!(
                "HTTP/1.1 200 OK\r\netag: \"{sha256}\"\r\nx-repo-commit: {COMMIT}\r\n\
                 content-length: {size}\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(headers.as_bytes())?;
            let mut left = *size;
            while left > 0 {
                let count = left.min(pattern.len() as u64);
                stream.write_all(&pattern[..count as usize])?;
                left -= count;
            }
            return Ok(());
        };
        let length = body.len();
        let text = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measurement_fetches_what_it_serves() {
        let folder = tempfile::tempdir().unwrap();
        let args = FetchArgs { megabytes: 3, folder: Some(folder.path().to_owned()), json: true };
        run(&args).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it cleans up");
    }
}
