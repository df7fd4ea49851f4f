//! One file, whole and verified or not at all: stop, resume, retry.
//!
//! What came so far lies in the downloads folder under the name of the content's hash, with a
//! small JSON file beside it that says what it is. Only a file whose hash is right leaves it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::files;
use crate::hub::error::Error;
use crate::hub::protocol::client::{Client, FileStream, is_tick};
use crate::hub::protocol::content_hash::ContentHasher;
use crate::hub::protocol::repository::{RemoteFile, Revision};
use crate::jobs;
use crate::jobs::Progress;

/// Bytes that are read, hashed and written at a time: large enough to be fast, small enough that
/// a kill loses little.
const CHUNK: usize = 256 << 10;

/// Bytes are reported this often, not at every chunk: somebody has to read it all.
const REPORT_EVERY: Duration = Duration::from_millis(50);

/// How patient a download is.
#[derive(Clone, Debug)]
pub struct Patience {
    /// Failures in a row without a byte in between before it gives up.
    pub tries: u32,

    /// Waited after the first failure; doubles with each one after it, less up to a half by
    /// chance.
    pub first_pause: Duration,

    /// Never waited longer than this on our own account.
    pub longest_pause: Duration,

    /// A server that asks for more than this is not waited for here.
    pub longest_asked: Duration,

    /// A connection that brings nothing for so long is given up.
    pub stall: Duration,

    /// Chance: without it, a thousand programs that a server turned away come back as one.
    pub seed: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 4,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            longest_asked: Duration::from_mins(2),
            stall: Duration::from_secs(20),
            seed: 0,
        }
    }
}

impl Patience {
    /// How long to wait after the `failures`-th failure in a row (from 1) of `what`; `None`: the
    /// server asks for more than anybody would sit through.
    pub fn pause(&self, what: &str, failures: u32, asked: Option<Duration>) -> Option<Duration> {
        let asked = asked.unwrap_or_default();
        if asked > self.longest_asked {
            return None;
        }
        let doubled = self.first_pause.saturating_mul(1 << failures.saturating_sub(1).min(16));
        let ours = doubled.min(self.longest_pause);
        let chance = mix(what.bytes().fold(self.seed ^ u64::from(failures), |hash, byte| {
            mix(hash ^ u64::from(byte)) // any spread will do
        }));
        let less = (chance >> 11) as f64 / (1_u64 << 53) as f64 / 2.0;
        Some(ours.mul_f64(1.0 - less).max(asked))
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea, Flood 2014).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// What a file on its way says.
#[derive(Clone, Debug, PartialEq)]
pub enum FileEvent {
    /// So many bytes of it are on this disk.
    Bytes(u64),

    /// Another program is fetching this file: it is waited for, and its result used.
    Elsewhere,

    /// The connection or the server failed: tried again after so many seconds.
    Retrying { reason: String, secs: f64 },

    /// The hash is being checked.
    Verifying,
}

/// What is known about a partial download, beside it on the disk.
#[derive(Serialize, Deserialize)]
struct Sidecar {
    repo: String,
    commit: String,
    path: String,
    size: u64,

    /// The sending host's entity tag, for `If-Range`.
    etag: Option<String>,
}

/// A file to fetch.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub revision: Revision<'a>,
    pub file: &'a RemoteFile,
}

/// How many bytes of `file` are in `downloads` already.
pub fn bytes_kept(downloads: &Path, file: &RemoteFile) -> u64 {
    let part = part_path(downloads, file);
    std::fs::metadata(part).map_or(0, |meta| meta.len().min(file.size))
}

/// Deletes what came of `file`. The caller holds its lock.
pub fn discard(downloads: &Path, file: &RemoteFile) {
    let part = part_path(downloads, file);
    for path in [part.with_extension("json"), part] {
        std::fs::remove_file(path).ok(); // not there, or a few bytes stay behind
    }
}

/// Fetches a file into `downloads` and returns where the verified file lies. The caller moves it
/// away, and sees to it that nobody else fetches the same content meanwhile.
pub fn fetch(
    client: &Client,
    request: Request<'_>,
    downloads: &Path,
    patience: &Patience,
    progress: &dyn Progress<FileEvent>,
) -> Result<PathBuf, Error> {
    let file = request.file;
    let mut partial = Partial::open(downloads, request, progress)?;
    let mut failures = 0;
    let mut furthest = partial.done;
    let mut resumed = false;
    let mut began_anew = false;
    loop {
        progress.emit(FileEvent::Bytes(partial.done));
        resumed |= partial.done > 0;
        let error = match attempt(client, request, &mut partial, patience, progress) {
            Ok(()) => {
                progress.emit(FileEvent::Bytes(partial.done));
                progress.emit(FileEvent::Verifying);
                match partial.finish(file) {
                    // One of the parts that it was put together from may have been damaged: once
                    // more, from zero.
                    Err(Error::WrongHash { .. }) if resumed && !began_anew => {
                        began_anew = true;
                        furthest = 0;
                        partial = Partial::open(downloads, request, progress)?;
                        continue;
                    }
                    finished => return finished,
                }
            }
            Err(error) if error.is_transient() => error,
            Err(error) => return Err(error),
        };
        // Only a file that grows counts: a server that cuts and refuses ranges sends bytes for ever.
        failures = if partial.done > furthest { 1 } else { failures + 1 };
        furthest = furthest.max(partial.done);
        retry_after(&error, file, failures, patience, progress)?.ok_or(error)?;
    }
}

/// Waits as long as `patience` has it, and says so. `None`: it is time to give up.
fn retry_after(
    error: &Error,
    file: &RemoteFile,
    failures: u32,
    patience: &Patience,
    progress: &dyn Progress<FileEvent>,
) -> Result<Option<()>, Error> {
    let pause = patience.pause(file.hash.digits(), failures, error.retry_after());
    let Some(pause) = pause.filter(|_| failures < patience.tries) else { return Ok(None) };
    let reason = crate::errors::one_line(error);
    log::info!("{}: trying again: {reason}", file.path);
    progress.emit(FileEvent::Retrying { reason, secs: pause.as_secs_f64() });
    jobs::pause(progress, pause)?;
    Ok(Some(()))
}

/// One connection's worth of bytes.
fn attempt(
    client: &Client,
    request: Request<'_>,
    partial: &mut Partial,
    patience: &Patience,
    progress: &dyn Progress<FileEvent>,
) -> Result<(), Error> {
    progress.check()?;
    let file = request.file;
    if partial.done == file.size {
        return Ok(());
    }
    let etag = partial.sidecar.etag.clone();
    let range = (partial.done > 0).then_some((partial.done, etag.as_deref()));
    let mut stream = client.open(request.revision, &file.path, range)?;
    check_identity(&stream, request)?;
    match stream.status {
        206 => {
            let fits = stream.range.is_some_and(|(first, total)| {
                first == partial.done && total.is_none_or(|total| total == file.size)
            });
            let same_version = match (&stream.body_etag, &etag) {
                (Some(now), Some(then)) => now == then,
                _ => true, // the hash will tell
            };
            if !fits || !same_version {
                partial.restart()?;
                return Err(cut(&stream.host, file, 0, "the range is not the one asked for"));
            }
        }
        416 => {
            partial.restart()?;
            return Err(cut(&stream.host, file, 0, "the range was refused"));
        }
        _ => partial.restart()?, // the server sends the whole file
    }
    // A range may be shorter than the one asked for: the rest is asked for then.
    if let Some(length) = stream.length
        && (partial.done.saturating_add(length) > file.size
            || stream.status != 206 && partial.done + length != file.size)
    {
        if stream.is_html {
            return Err(Error::NotTheHub { host: stream.host, got: "a web page".to_owned() });
        }
        let got = partial.done.saturating_add(length);
        return Err(Error::WrongSize { file: file.path.clone(), expected: file.size, got });
    }
    partial.remember_etag(stream.body_etag.take())?;

    let mut buffer = vec![0; CHUNK];
    let mut last_byte = Instant::now();
    let mut last_report = last_byte;
    loop {
        progress.check()?;
        match stream.body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                if partial.done + count as u64 > file.size {
                    let got = partial.done + count as u64;
                    partial.restart()?;
                    let file = file.path.clone();
                    return Err(Error::WrongSize { file, expected: request.file.size, got });
                }
                partial.append(&buffer[..count])?;
                last_byte = Instant::now();
                if last_byte.duration_since(last_report) >= REPORT_EVERY {
                    progress.emit(FileEvent::Bytes(partial.done));
                    last_report = last_byte;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_tick(&error) => {
                if last_byte.elapsed() > patience.stall {
                    let secs = patience.stall.as_secs();
                    let reason = format!("nothing came for {secs} seconds");
                    return Err(cut(&stream.host, file, partial.done, &reason));
                }
            }
            Err(source) => {
                return Err(Error::Cut {
                    host: stream.host,
                    file: file.path.clone(),
                    done: partial.done,
                    total: file.size,
                    source,
                });
            }
        }
    }
    if partial.done == file.size {
        Ok(())
    } else {
        Err(cut(&stream.host, file, partial.done, "the server closed it"))
    }
}

/// The Hub says what it is about to send: a web page or another version is noticed before its
/// first byte is kept.
fn check_identity(stream: &FileStream, request: Request<'_>) -> Result<(), Error> {
    let file = request.file;
    let changed = || Error::Changed { file: file.path.clone() };
    if stream.commit.as_ref().is_some_and(|commit| commit != request.revision.commit) {
        return Err(changed());
    }
    match &stream.hub_etag {
        Some(etag) if etag == file.hash.digits() => Ok(()),
        // Mirrors send tags of their own; only one that is a hash can contradict.
        Some(etag) if etag.len() == file.hash.digits().len() && is_hex(etag) => Err(changed()),
        _ if stream.is_html && !is_page(&file.path) => {
            Err(Error::NotTheHub { host: stream.host.clone(), got: "a web page".to_owned() })
        }
        _ => Ok(()),
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_page(path: &str) -> bool {
    let ending = Path::new(path).extension();
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case("html"))
}

fn cut(host: &str, file: &RemoteFile, done: u64, reason: &str) -> Error {
    Error::Cut {
        host: host.to_owned(),
        file: file.path.clone(),
        done,
        total: file.size,
        source: io::Error::new(io::ErrorKind::UnexpectedEof, reason.to_owned()),
    }
}

fn part_path(downloads: &Path, file: &RemoteFile) -> PathBuf {
    downloads.join(format!("{}.part", file.hash.digits()))
}

/// A file on its way. Its hash grows with it.
struct Partial {
    path: PathBuf,
    sidecar_path: PathBuf,
    sidecar: Sidecar,
    file: File,
    hasher: ContentHasher,
    fresh_hasher: Box<dyn Fn() -> ContentHasher>,

    /// Bytes on the disk.
    done: u64,
}

impl Partial {
    /// Takes up what an earlier download left, or begins.
    fn open(
        downloads: &Path,
        request: Request<'_>,
        progress: &dyn Progress<FileEvent>,
    ) -> Result<Self, Error> {
        let Request { revision: Revision { repo, commit, .. }, file } = request;
        let path = part_path(downloads, file);
        let sidecar_path = path.with_extension("json");
        let at = |source| Error::Write { path: path.clone(), source };
        std::fs::create_dir_all(downloads).map_err(at)?;
        // Without its sidecar a partial file is of unknown origin; the hash still decides.
        let known: Option<Sidecar> =
            std::fs::read(&sidecar_path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let etag = known.filter(|known| known.size == file.size).and_then(|known| known.etag);
        let mut handle = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(at)?;
        let (hash, size) = (file.hash.clone(), file.size);
        let fresh_hasher = Box::new(move || ContentHasher::new(&hash, size));
        let mut hasher = fresh_hasher();
        let mut done = handle.metadata().map_err(at)?.len();
        if done > file.size {
            handle.set_len(0).map_err(at)?;
            done = 0;
        }
        if done > 0 {
            let mut buffer = vec![0; CHUNK];
            let mut left = done;
            while left > 0 {
                progress.check()?;
                let count = handle.read(&mut buffer).map_err(at)?;
                if count == 0 {
                    break;
                }
                hasher.update(&buffer[..count]);
                left = left.saturating_sub(count as u64);
            }
        }
        handle.seek(SeekFrom::Start(done)).map_err(at)?;
        let sidecar = Sidecar {
            repo: repo.to_owned(),
            commit: commit.to_owned(),
            path: file.path.clone(),
            size: file.size,
            etag,
        };
        Ok(Self { path, sidecar_path, sidecar, file: handle, hasher, fresh_hasher, done })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|source| self.at(source))?;
        self.hasher.update(bytes);
        self.done += bytes.len() as u64;
        Ok(())
    }

    /// Throws away what came.
    fn restart(&mut self) -> Result<(), Error> {
        if self.done == 0 {
            return Ok(());
        }
        self.file.set_len(0).map_err(|source| self.at(source))?;
        self.file.seek(SeekFrom::Start(0)).map_err(|source| self.at(source))?;
        self.hasher = (self.fresh_hasher)();
        self.done = 0;
        self.sidecar.etag = None;
        Ok(())
    }

    fn remember_etag(&mut self, etag: Option<String>) -> Result<(), Error> {
        if self.done > 0 && etag == self.sidecar.etag {
            return Ok(());
        }
        if etag.is_some() {
            self.sidecar.etag = etag;
        }
        let json = serde_json::to_vec(&self.sidecar).expect("a sidecar has only text and numbers");
        let path = &self.sidecar_path;
        files::write_atomic(path, &json)
            .map_err(|source| Error::Write { path: path.clone(), source })
    }

    /// Checks the hash. A wrong file is deleted, a right one is on the disk for good.
    fn finish(self, file: &RemoteFile) -> Result<PathBuf, Error> {
        let got = self.hasher.digits();
        std::fs::remove_file(&self.sidecar_path).ok(); // at worst a few bytes are left behind
        if got != file.hash.digits() {
            drop(self.file);
            std::fs::remove_file(&self.path)
                .map_err(|source| Error::Write { path: self.path.clone(), source })?;
            let expected = file.hash.digits().to_owned();
            return Err(Error::WrongHash { file: file.path.clone(), expected, got });
        }
        self.file.sync_all().map_err(|source| Error::Write { path: self.path.clone(), source })?;
        Ok(self.path)
    }

    fn at(&self, source: io::Error) -> Error {
        Error::Write { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_differ_by_chance() {
        let patience = Patience::default();
        let secs = |failures| patience.pause("a", failures, None).unwrap().as_secs_f64();
        for failures in 1..30 {
            let whole = (0.5 * 2_f64.powf(f64::from(failures) - 1.0)).min(30.0);
            assert!((whole / 2.0..=whole).contains(&secs(failures)), "{failures}");
        }
        assert_eq!(secs(3), secs(3), "the same seed, the same pause");
        let other = Patience { seed: 1, ..Patience::default() };
        assert_ne!(patience.pause("a", 3, None), other.pause("a", 3, None));
        assert_ne!(patience.pause("a", 3, None), patience.pause("b", 3, None));
        let asked = Some(Duration::from_secs(90));
        assert_eq!(patience.pause("a", 1, asked), asked, "the server's wish comes first");
        assert_eq!(patience.pause("a", 1, Some(Duration::from_hours(1))), None);
    }
}
