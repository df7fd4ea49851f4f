//! The one door to the disk for what a person made: whole files or none, lines that are flushed
//! before the next one is asked for, and JSON Lines whose errors name the line.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use flush::Flush;

pub mod flush;
pub mod folders;
pub mod meant;

/// Why a JSON Lines file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JsonlError {
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    /// `column` is the byte in the line at which the parser gave up, from 1.
    #[error("line {line}, column {column} of {} is not what it should be: {problem}", path.display())]
    Row { path: PathBuf, line: usize, column: usize, problem: String, nearby: Vec<String> },
}

/// One row of a JSON Lines file, with the number of its line, from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<T> {
    pub line: usize,
    pub value: T,
}

/// Writes `bytes` to a temporary file beside `path`, flushes it to the disk and renames it: after
/// a crash the old file or the new one is there, never half of one. Makes the folder if need be.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_for(path, bytes, Readers::Everyone)
}

/// [`write_atomic`], but nobody else on this computer may read the file, not even for a moment.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_for(path, bytes, Readers::ThisAccount)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    Everyone,
    ThisAccount,
}

fn write_for(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    folders::make(folder)?;
    let write = || {
        let mut file = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        keep(file, path, readers)
    };
    write().map_err(in_words)
}

/// [`write_atomic`] of what need not be in memory as a whole: `work` writes it piece by piece.
pub fn write_in_pieces(
    path: &Path,
    work: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    folders::make(folder)?;
    let write = || {
        let file = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder)?;
        let mut buffered = io::BufWriter::new(file);
        work(&mut buffered)?;
        let file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
        keep(file, path, Readers::Everyone)
    };
    write().map_err(in_words)
}

/// What a person can mend is said without numbers of the system and names of temporary files.
fn in_words(error: io::Error) -> io::Error {
    let words = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full",
        io::ErrorKind::ReadOnlyFilesystem => "the disk can only be read",
        io::ErrorKind::PermissionDenied => "this account may not write there",
        _ => return error,
    };
    io::Error::new(error.kind(), words)
}

/// Flushes a file that is written to the disk, and gives it its name.
fn keep(file: tempfile::NamedTempFile, path: &Path, readers: Readers) -> io::Result<()> {
    file.as_file().sync_all()?;
    if readers == Readers::Everyone {
        // A temporary file is private; what it becomes is a document like any other.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
    }
    file.persist(path)?;
    Ok(())
}

/// The error of whoever wrote, with the place that it was to be written to.
pub fn not_written(path: &Path, err: &io::Error) -> io::Error {
    io::Error::new(err.kind(), format!("{} could not be written: {err}", path.display()))
}

/// Whether files can be made in `folder`, tried out: 64 KiB are written, flushed and removed
/// again. The error is that of a read-only or a full disk.
pub fn check_writable(folder: &Path) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder)?;
    file.write_all(&vec![0; 1 << 16])?;
    file.as_file().sync_all()
}

/// The text of a file; of one that is not there, nothing.
pub fn read_if_there(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Deletes a file; one that is not there is deleted already.
pub fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Appends `line` and a line feed, and flushes them to the disk before it returns.
///
/// A last line without a line feed (a crash in the middle of a write) is closed first, so that it
/// spoils one row and not two. Where the disk is full, the file is left as it was: whoever keeps the line writes
/// it once more, and a half of it, or the first of several lines in `line`, would stand there twice.
pub fn append_line(path: &Path, line: &str) -> io::Result<()> {
    append_line_for(path, line, &Flush::AtOnce)
}

/// [`append_line`], flushed when `flush` says.
pub fn append_line_for(path: &Path, line: &str, flush: &Flush) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        folders::make(folder)?;
    }
    let opened = OpenOptions::new().read(true).append(true).create(true).open(path);
    let mut file = opened.map_err(in_words)?;
    let mut text = String::with_capacity(line.len() + 2);
    let before = file.seek(SeekFrom::End(0))?;
    if before > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            text.push('\n');
        }
    }
    text.push_str(line);
    text.push('\n');
    // One write: a kill leaves the line or a prefix of it.
    let written = file.write_all(text.as_bytes()).and_then(|()| match flush {
        Flush::AtOnce => file.sync_data(),
        Flush::Beside(unflushed) => {
            unflushed.add(path);
            Ok(())
        }
    });
    if written.is_err() {
        // Where that fails as well, what is torn is closed by the next line.
        file.set_len(before).ok();
    }
    written.map_err(in_words)
}

/// Keeps `tail` in `<path>.damaged` and cuts the file back to `whole`, in this order.
pub fn move_aside(path: &Path, whole: &[u8], tail: &[u8]) -> io::Result<PathBuf> {
    let mut damaged = path.as_os_str().to_owned();
    damaged.push(".damaged");
    let damaged = PathBuf::from(damaged);
    append_line(&damaged, &String::from_utf8_lossy(tail))?;
    write_atomic(path, whole)?;
    Ok(damaged)
}

/// [`append_line`] with `value` as JSON.
pub fn append_json<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    append_line(path, &serde_json::to_string(value)?)
}

/// Every row of a JSON Lines file; blank lines are skipped. The first bad row is an error, and
/// nothing is returned halfway.
pub fn read_jsonl<T: DeserializeOwned>(path: &Path) -> Result<Vec<Row<T>>, JsonlError> {
    let read_error = |source| JsonlError::Read { path: path.to_owned(), source };
    let lines: Vec<String> = BufReader::new(File::open(path).map_err(read_error)?)
        .lines()
        .collect::<Result<_, _>>()
        .map_err(read_error)?;
    let mut rows = Vec::with_capacity(lines.len());
    for (index, text) in lines.iter().enumerate() {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(text) {
            Ok(value) => rows.push(Row { line: index + 1, value }),
            Err(err) => {
                return Err(JsonlError::Row {
                    path: path.to_owned(),
                    line: index + 1,
                    column: err.column().max(1),
                    problem: without_position(&err),
                    nearby: nearby_lines(&lines, index),
                });
            }
        }
    }
    Ok(rows)
}

/// The rows before and after line `index` (from 0), numbered and shortened, for an error message.
pub fn nearby_lines(lines: &[String], index: usize) -> Vec<String> {
    let range = index.saturating_sub(1)..(index + 2).min(lines.len());
    range
        .map(|at| {
            let text: String = lines[at].chars().take(120).collect();
            let cut = if lines[at].chars().count() > 120 { "…" } else { "" };
            format!("{}: {text}{cut}", at + 1)
        })
        .collect()
}

/// What a JSON parser found wrong, without the position that it puts at the end of its message.
pub fn without_position(err: &serde_json::Error) -> String {
    let text = err.to_string();
    text.rsplit_once(" at line ").map_or_else(|| text.clone(), |(problem, _)| problem.to_owned())
}

/// A file of JSON that Python wrote: its `Infinity`, `-Infinity` and `NaN`, which JSON does not have, are
/// read as transformers writes them since its version 5, as `{"__float__": "Infinity"}`.
pub fn json_of_python(text: &[u8]) -> Result<serde_json::Value, serde_json::Error> {
    match serde_json::from_slice(text) {
        Ok(value) => Ok(value),
        Err(err) => match with_floats_as_objects(text) {
            Some(text) => serde_json::from_slice(&text),
            None => Err(err),
        },
    }
}

/// `None`: there is none of these numbers.
fn with_floats_as_objects(text: &[u8]) -> Option<Vec<u8>> {
    const NUMBERS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

    let mut out = Vec::with_capacity(text.len() + 64);
    let (mut at, mut is_text, mut found) = (0, false, false);
    while let Some(&byte) = text.get(at) {
        let number = NUMBERS.iter().find(|number| text[at..].starts_with(number.as_bytes()));
        if let Some(number) = number.filter(|_| !is_text) {
            out.extend_from_slice(format!("{{\"__float__\":\"{number}\"}}").as_bytes());
            (at, found) = (at + number.len(), true);
            continue;
        }
        let is_escape = is_text && byte == b'\\';
        is_text ^= byte == b'"';
        let end = text.len().min(at + 1 + usize::from(is_escape));
        out.extend_from_slice(&text[at..end]);
        at = end;
    }
    found.then_some(out)
}

/// What is wrong with a file that should be JSON, in words for whoever can only fetch it again or
/// correct it by hand.
pub fn mistake_in_json(text: &[u8], err: &serde_json::Error) -> String {
    let (line, column) = (err.line(), err.column());
    let start = text.trim_ascii_start();
    if start.is_empty() {
        return "it is empty".to_owned();
    }
    if start.starts_with(b"<") {
        return "it is a web page, not JSON: perhaps a page to log in, saved in the file's place. \
                Fetch it again"
            .to_owned();
    }
    if start.starts_with(b"version https://git-lfs") {
        return "it is a pointer of Git LFS, not the file: fetch it with git lfs pull".to_owned();
    }
    match err.classify() {
        serde_json::error::Category::Eof => {
            format!("it ends in the middle, on line {line}: it was cut off. Fetch it again")
        }
        serde_json::error::Category::Syntax => {
            let what = match without_position(err).as_str() {
                "trailing comma" => "a comma stands before a } or ] with nothing behind it",
                "key must be a string" => "a name stands without quotation marks",
                "trailing characters" => "something stands behind the end",
                _ => "it is not JSON from here on",
            };
            format!("line {line}, column {column}: {what}")
        }
        serde_json::error::Category::Data | serde_json::error::Category::Io => err.to_string(),
    }
}

/// The line (from 1) at which a parser of TOML stopped, and what is wrong there, with what stands in it.
pub fn mistake_in_toml(text: &str, err: &toml::de::Error) -> (usize, String) {
    let start = err.span().map_or(0, |span| span.start.min(text.len()));
    let line = text[..start].matches('\n').count() + 1;
    let written = text.lines().nth(line - 1).unwrap_or("").trim();
    let message = nearest_of_many(&err.message().trim().replace('\n', ", "));
    (line, if written.is_empty() { message } else { format!("`{written}`: {message}") })
}

/// serde names everything that may stand in the place of a name that it does not know: of many, those are kept
/// that are most like it.
fn nearest_of_many(message: &str) -> String {
    const FEW: usize = 12;
    const NEAREST: usize = 3;
    let listed = message.split_once(", expected one of ");
    let Some((said, unknown, names)) = listed.and_then(|(said, names)| {
        let names: Vec<&str> = names.split(", ").map(|name| name.trim_matches('`')).collect();
        (names.len() > FEW).then_some((said, said.split('`').nth(1)?, names))
    }) else {
        return message.to_owned();
    };
    let likeness = |name: &str| strsim::jaro_winkler(name, unknown);
    let mut near = names.clone();
    near.sort_by(|one, other| likeness(other).total_cmp(&likeness(one)));
    let near: Vec<String> = near.iter().take(NEAREST).map(|name| format!("`{name}`")).collect();
    format!("{said}; of the {} that are known, {} are most like it", names.len(), near.join(", "))
}

/// For serde: whether a file leaves out a count because there is nothing to count.
pub fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A path that stands in a file: taken from that file's folder where something is there, and from the
/// current folder otherwise.
pub fn beside(file: &Path, name: &Path) -> PathBuf {
    let beside = file.parent().unwrap_or_else(|| Path::new("")).join(name);
    if !name.as_os_str().is_empty() && beside.exists() { beside } else { name.to_owned() }
}

/// [`beside`] of something that may be a path, or another name.
pub fn named_beside(file: &Path, name: &str) -> String {
    beside(file, Path::new(name)).to_string_lossy().into_owned()
}

/// A file that this process alone holds. The system lets go of it when the process ends, however
/// it ends: unlike a process id in a file, a lock cannot be stale.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "holding it is its use")] File);

/// Takes hold of `path` (made if need be). `None`: somebody else has it.
pub fn lock(path: &Path) -> io::Result<Option<Lock>> {
    if let Some(folder) = path.parent() {
        folders::make(folder)?;
    }
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    // Whoever asks [`is_locked`] holds it for a moment: only who still has it afterwards has it.
    for _ in 0..10_000 {
        match file.try_lock() {
            Ok(()) => return Ok(Some(Lock(file))),
            Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            Err(TryLockError::Error(err)) => return Err(err),
        }
    }
    Ok(None)
}

/// Whether somebody holds `path` now.
pub fn is_locked(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// The SHA-256 of a file as 64 hexadecimal digits. `on_chunk` hears how many bytes each chunk had
/// and may fail to stop.
pub fn sha256_of_file(
    path: &Path,
    mut on_chunk: impl FnMut(u64) -> io::Result<()>,
) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..count]);
        on_chunk(count as u64)?;
    }
}

/// The SHA-256 of bytes as 64 hexadecimal digits.
pub fn sha256_of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

#[cfg(test)]
mod tests;
