//! What is on the disk: Python's cache, our own models folder, and what the person opened.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::disk;
use super::folder;
use super::folder::RepoFolder;
use super::model_names::{
    file_name, has_ending, is_beside_a_model, is_gguf_name, part_number, parts_of, stem,
};
use super::whole::check;
use crate::files::meant::letters_apart;
use crate::hub::error::Error;
use crate::hub::paths::HubPaths;

/// A model on this disk that could be loaded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalModel {
    /// `HuggingFaceTB/SmolLM2-135M-Instruct`, or the file's name without its ending.
    pub name: String,

    /// A GGUF file, or a transformers folder.
    pub path: PathBuf,
    pub place: Place,
    pub file_bytes: u64,
}

/// Where a model on the disk belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The Hugging Face cache, shared with Python.
    HubCache { repo: String, commit: String },

    /// This program's own models folder (what `pip` brought).
    Own,

    /// Somewhere else: the person opened it.
    Opened,
}

/// Something that looks like a model and cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broken {
    pub name: String,
    pub path: PathBuf,

    /// `model-00002-of-00002.safetensors is missing`.
    pub reason: String,
}

/// Everything found by [`scan_in`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Sorted by name.
    pub models: Vec<LocalModel>,
    pub broken: Vec<Broken>,
}

/// The models on this disk, sorted by name. `opened`: files and folders that the person opened.
/// What is broken or half there is left out; [`scan_in`] says why.
pub fn scan(opened: &[PathBuf]) -> Vec<LocalModel> {
    match HubPaths::from_env() {
        Ok(paths) => scan_in(&paths, opened).models,
        Err(error) => {
            log::warn!("only opened models are listed: {error}");
            let mut scan = Scan::default();
            add_opened(&mut scan, opened);
            scan.models
        }
    }
}

/// [`scan`] of given folders.
pub fn scan_in(paths: &HubPaths, opened: &[PathBuf]) -> Scan {
    let mut scan = Scan::default();
    for repo in folder::repos(&paths.cache) {
        let folder = RepoFolder::new(&paths.cache, &repo);
        for commit in folder.commits() {
            add_snapshot(&mut scan, &folder, &repo, &commit);
        }
    }
    for path in disk::files_below(&paths.models) {
        if is_gguf_name(&path) && !is_beside_a_model(&path) {
            add(&mut scan, stem(&path), path, Place::Own);
        }
    }
    for name in disk::folders_in(&paths.models) {
        let path = paths.models.join(&name);
        if path.join("config.json").exists() {
            add(&mut scan, name, path, Place::Own);
        }
    }
    add_opened(&mut scan, opened);
    scan.models.sort();
    scan.broken.sort();
    scan
}

fn add_snapshot(scan: &mut Scan, folder: &RepoFolder, repo: &str, commit: &str) {
    let path = folder.snapshot(commit);
    let place = || Place::HubCache { repo: repo.to_owned(), commit: commit.to_owned() };
    let files = disk::files_below(&path);
    for gguf in files.iter().filter(|file| is_gguf_name(file) && !is_beside_a_model(file)) {
        // Of a model in parts, the first stands for all.
        if part_number(gguf).is_none_or(|number| number == 1) {
            add(scan, stem(gguf), gguf.clone(), place());
        }
    }
    // A data set's or a tokenizer's entry has no weights and is nothing to complain about.
    let has_weights = files.iter().any(|file| has_ending(file, "safetensors"))
        || path.join("model.safetensors.index.json").symlink_metadata().is_ok();
    if path.join("config.json").exists() && has_weights {
        add(scan, repo.to_owned(), path, place());
    }
}

fn add_opened(scan: &mut Scan, opened: &[PathBuf]) {
    let known: BTreeSet<PathBuf> = scan.models.iter().filter_map(|m| real(&m.path)).collect();
    for path in opened {
        if real(path).is_none_or(|real| !known.contains(&real)) {
            let name = if path.is_dir() { file_name(path) } else { stem(path) };
            add(scan, name, path.clone(), Place::Opened);
        }
    }
}

fn add(scan: &mut Scan, name: String, path: PathBuf, place: Place) {
    match check(&path) {
        Ok(file_bytes) => scan.models.push(LocalModel { name, path, place, file_bytes }),
        Err(reason) => scan.broken.push(Broken { name, path, reason }),
    }
}

/// Up to three of `names` that `name` could have been meant for, nearest first.
pub fn near_matches<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = name.to_lowercase();
    let mut scored: Vec<(usize, &str)> = names
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            if lower.contains(&wanted) || wanted.contains(&lower) {
                return Some((0, candidate));
            }
            // The owner may be another one.
            let last = wanted.rsplit('/').next().unwrap_or(&wanted);
            let distance = letters_apart(&wanted, &lower).min(letters_apart(last, &lower));
            (distance * 3 <= wanted.chars().count()).then_some((distance, candidate))
        })
        .collect();
    scored.sort_unstable();
    scored.into_iter().take(3).map(|(_, candidate)| candidate.to_owned()).collect()
}

/// Deletes a model from the cache or from our own folder; returns the bytes that became free.
/// What the person merely opened is theirs and stays.
pub fn remove(path: &Path) -> Result<u64, Error> {
    remove_in(&HubPaths::from_env()?, path)
}

/// [`remove`] in given folders.
pub fn remove_in(paths: &HubPaths, path: &Path) -> Result<u64, Error> {
    let at = |source| Error::Write { path: path.to_owned(), source };
    let not_ours = || Error::NotOurs { path: path.to_owned() };
    match home_of(paths, path).ok_or_else(not_ours)? {
        Home::Snapshot { folder, commit } => folder.delete_snapshot(&commit).map_err(at),
        Home::Own => {
            let doomed = if path.is_dir() { disk::files_below(path) } else { parts_of(path) };
            let freed = doomed.iter().map(|file| disk::file_size(file)).sum();
            if path.is_dir() {
                std::fs::remove_dir_all(path).map_err(at)?;
            } else {
                for part in doomed {
                    std::fs::remove_file(part).map_err(at)?;
                }
            }
            Ok(freed)
        }
    }
}

/// What [`remove`] would free, in bytes; `None` where it would refuse.
pub fn would_free(path: &Path) -> Option<u64> {
    let paths = HubPaths::from_env().ok()?; // no home: nothing of ours
    Some(match home_of(&paths, path)? {
        Home::Snapshot { folder, commit } => folder.would_free(&commit),
        Home::Own if path.is_dir() => {
            disk::files_below(path).iter().map(|file| disk::file_size(file)).sum()
        }
        Home::Own => parts_of(path).iter().map(|file| disk::file_size(file)).sum(),
    })
}

/// What a path may be deleted as.
enum Home {
    Snapshot { folder: RepoFolder, commit: String },
    Own,
}

fn home_of(paths: &HubPaths, path: &Path) -> Option<Home> {
    let has_dots = path.components().any(|part| part == std::path::Component::ParentDir);
    if has_dots {
        return None;
    }
    if let Ok(inside) = path.strip_prefix(&paths.cache) {
        let mut parts = inside.iter().map(|part| part.to_string_lossy().into_owned());
        let repo = parts.next()?.strip_prefix("models--")?.replacen("--", "/", 1);
        let commit = (parts.next()? == "snapshots").then(|| parts.next()).flatten()?;
        return Some(Home::Snapshot { folder: RepoFolder::new(&paths.cache, &repo), commit });
    }
    let inside = path.strip_prefix(&paths.models).ok()?; // elsewhere: not ours
    (inside.components().count() > 0).then_some(Home::Own)
}

fn real(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok() // gone: it is shown as broken
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::files::write_atomic;

    const COMMIT: &str = "1111111111111111111111111111111111111111";

    pub fn safetensors(data_bytes: usize) -> Vec<u8> {
        let header = format!(
            "{{\"w\":{{\"dtype\":\"U8\",\"shape\":[{data_bytes}],\"data_offsets\":[0,{data_bytes}]}}}}"
        );
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        file.resize(file.len() + data_bytes, 7);
        file
    }

    pub fn snapshot(paths: &HubPaths, repo: &str, files: &[(&str, &[u8])]) -> PathBuf {
        let folder = RepoFolder::new(&paths.cache, repo);
        for (name, bytes) in files {
            let digits = crate::files::sha256_of_bytes(bytes);
            write_atomic(&folder.blob(&digits), bytes).unwrap();
            folder.publish(COMMIT, name, &digits).unwrap();
        }
        folder.set_ref("main", COMMIT).unwrap();
        folder.snapshot(COMMIT)
    }

    #[test]
    fn whole_models_are_listed_and_broken_ones_say_why() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let whole = safetensors(100);
        let cut = &whole[..whole.len() - 10];
        snapshot(&paths, "ada/whole", &[("config.json", b"{}"), ("model.safetensors", &whole)]);
        snapshot(&paths, "ada/cut", &[("config.json", b"{}"), ("model.safetensors", cut)]);
        snapshot(&paths, "ada/tokenizer-only", &[("config.json", b"{}")]);
        let index = br#"{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"#;
        let sharded: [(&str, &[u8]); 3] = [
            ("config.json", b"{}"),
            ("model.safetensors.index.json", index),
            ("model-00001-of-00002.safetensors", &whole),
        ];
        snapshot(&paths, "ada/half", &sharded);
        write_atomic(&paths.models.join("own.Q4_1.gguf"), b"GGUF....").unwrap();
        write_atomic(&home.path().join("opened.gguf"), b"not one").unwrap();

        let scan = scan_in(&paths, &[home.path().join("opened.gguf")]);
        let names: Vec<&str> = scan.models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["ada/whole", "own.Q4_1"]);
        assert_eq!(scan.models[0].file_bytes, whole.len() as u64 + 2);
        let reasons: Vec<String> = scan
            .broken
            .iter()
            .map(|broken| format!("{}: {}", broken.name, broken.reason))
            .collect();
        let size = whole.len();
        assert_eq!(
            reasons[0],
            format!("ada/cut: model.safetensors is cut off: {} of {size} bytes", size - 10)
        );
        assert!(
            reasons[1].starts_with("ada/half: model-00002-of-00002.safetensors is missing: fetch"),
            "{}",
            reasons[1]
        );
        assert_eq!(reasons[2], "opened: it is not a GGUF file");
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_that_contains_itself_is_read_once() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        write_atomic(&paths.models.join("a.gguf"), b"GGUF").unwrap();
        std::os::unix::fs::symlink(&paths.models, paths.models.join("again")).unwrap();
        assert_eq!(scan_in(&paths, &[]).models.len(), 1);
    }

    #[test]
    fn what_was_merely_opened_is_never_deleted() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let theirs = home.path().join("mine.gguf");
        write_atomic(&theirs, b"GGUF").unwrap();
        assert!(matches!(remove_in(&paths, &theirs), Err(Error::NotOurs { .. })));
        let sly = paths.models.join("..").join("..").join("mine.gguf");
        assert!(matches!(remove_in(&paths, &sly), Err(Error::NotOurs { .. })));
        assert!(matches!(remove_in(&paths, &paths.models), Err(Error::NotOurs { .. })));
        assert!(theirs.exists());
        let own = paths.models.join("own.gguf");
        write_atomic(&own, b"GGUF1234").unwrap();
        assert_eq!(remove_in(&paths, &own).unwrap(), 8);
        assert!(!own.exists());
    }

    #[test]
    fn a_model_in_parts_is_one_model() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let parts: [(&str, &[u8]); 2] =
            [("m-00001-of-00002.gguf", b"GGUF1"), ("m-00002-of-00002.gguf", b"GGUF22")];
        snapshot(&paths, "ada/parts", &parts);
        let scan = scan_in(&paths, &[]);
        assert_eq!(scan.models.len(), 1);
        assert_eq!(scan.models[0].file_bytes, 11);
    }
}
