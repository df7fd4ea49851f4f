//! What is on the disk: Python's cache, our own models folder, and what the person opened.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::disk;
use super::folder;
use super::folder::RepoFolder;
use crate::files;
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

/// What PEFT calls an adapter's settings.
pub(crate) const ADAPTER_CONFIG: &str = "adapter_config.json";

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

/// Whether a GGUF file or a transformers folder is whole as far as names and headers tell, and
/// its size in bytes. The error is a reason, to be shown after its name.
pub fn check(path: &Path) -> Result<u64, String> {
    if path.is_dir() { check_folder(path) } else { check_gguf(path) }
}

fn check_gguf(path: &Path) -> Result<u64, String> {
    let mut magic = [0; 4];
    let mut file = File::open(path).map_err(|error| format!("it cannot be opened ({error})"))?;
    match file.read_exact(&mut magic) {
        Ok(()) if &magic == b"GGUF" => Ok(parts_of(path).iter().map(|p| disk::file_size(p)).sum()),
        Ok(()) if magic == LFS[..4] => {
            Err("it is a pointer of Git LFS, not the model: fetch it with git lfs pull".to_owned())
        }
        Ok(()) if has_ending(path, "safetensors") => {
            Err("it holds weights alone; name the folder that it lies in".to_owned())
        }
        Ok(()) if has_ending(path, "json") => {
            Err("it describes a model or a tokenizer; name the folder that it lies in".to_owned())
        }
        Ok(()) => Err("it is not a GGUF file".to_owned()),
        Err(_too_short) => Err("it is empty".to_owned()),
    }
}

fn check_folder(path: &Path) -> Result<u64, String> {
    let config = std::fs::read(path.join("config.json"));
    let config = match config {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(match adapter_base(path) {
                Some(base) => format!("it is an adapter (PEFT) for the model {base}"),
                None => {
                    "it has no config.json, which transformers writes beside the weights".to_owned()
                }
            });
        }
        config => config.map_err(|error| format!("config.json cannot be read ({error})"))?,
    };
    let config: serde_json::Value =
        serde_json::from_slice(&config).map_err(|err| damaged("config.json", &config, &err))?;
    if !config.is_object() {
        return Err("config.json is damaged: it is no object".to_owned());
    }
    let weights = weight_files(path, &config)?;
    for file in &weights {
        check_safetensors(file)?;
    }
    let all = disk::files_below(path);
    Ok(all.iter().filter(|file| file.is_file()).map(|file| disk::file_size(file)).sum())
}

/// The safetensors files that transformers reads of a folder: what `config.json` names, else
/// `model.safetensors`, else its index's shards. As `llm::files` chooses them.
fn weight_files(path: &Path, config: &serde_json::Value) -> Result<Vec<PathBuf>, String> {
    const INDEX: &str = "model.safetensors.index.json";
    let named = config["transformers_weights"].as_str();
    let single = named.unwrap_or("model.safetensors");
    let (single, index) = if single.ends_with(".index.json") {
        (None, path.join(single))
    } else {
        (Some(path.join(single)), path.join(INDEX))
    };
    if let Some(single) = single.filter(|single| single.exists() || named.is_some()) {
        return Ok(vec![single]);
    }
    if let Ok(bytes) = std::fs::read(&index) {
        let index: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|err| damaged(&file_name(&index), &bytes, &err))?;
        let map = index["weight_map"].as_object();
        let names: BTreeSet<&str> =
            map.into_iter().flat_map(|map| map.values()).filter_map(|name| name.as_str()).collect();
        if let Some(missing) = names.iter().find(|name| !path.join(name).exists()) {
            return Err(format!("{missing} is missing"));
        }
        return Ok(names.iter().map(|name| path.join(name)).collect());
    }
    let Ok(entries) = std::fs::read_dir(path) else { return Err("it cannot be read".to_owned()) };
    let names: BTreeSet<String> =
        entries.filter_map(Result::ok).map(|entry| file_name(&entry.path())).collect();
    let is_pickle = |name: &&String| name.starts_with("pytorch_model") && name.contains(".bin");
    if let Some(pickle) = names.iter().find(is_pickle) {
        return Err(format!(
            "its weights are {pickle}, a pickle, which can run code and is not loaded; convert it in \
             Python: AutoModelForCausalLM.from_pretrained(\"…\").save_pretrained(\"…\") writes \
             model.safetensors"
        ));
    }
    match names.iter().find(|name| name.ends_with(".safetensors")) {
        Some(other) => Err(format!(
            "it has no model.safetensors; where {other} is the whole model, rename it to that"
        )),
        None => Err("it holds no safetensors file".to_owned()),
    }
}

/// What a file begins with that stands for another one, which was not fetched.
const LFS: &[u8] = b"version https://git-lfs";

/// A file that is shorter than its own header says was cut off.
fn check_safetensors(path: &Path) -> Result<(), String> {
    let name = file_name(path);
    let damaged = || {
        let mut start = Vec::new();
        let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut start));
        if read.is_ok() && start.starts_with(LFS) {
            format!("{name} is a pointer of Git LFS, not the weights: fetch them with git lfs pull")
        } else {
            format!("{name} is not a safetensors file")
        }
    };
    let unreadable = |err: io::Error| format!("{name} is not a safetensors file: {err}");
    let mut file = File::open(path).map_err(|err| format!("{name} is missing: {err}"))?;
    let size = disk::file_size(path);
    let mut length = [0; 8];
    if size < length.len() as u64 {
        return Err(format!("{name} is cut off: it has {size} bytes"));
    }
    file.read_exact(&mut length).map_err(unreadable)?;
    let length = u64::from_le_bytes(length);
    if length > 100_000_000 || length + 8 > size {
        return Err(damaged());
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(unreadable)?;
    let header: serde_json::Value =
        serde_json::from_slice(&header).map_err(|err| format!("{}: {err}", damaged()))?;
    let tensors = header.as_object().ok_or_else(damaged)?;
    let ends = tensors.values().filter_map(|tensor| tensor["data_offsets"][1].as_u64());
    let expected = 8 + length + ends.max().unwrap_or(0);
    if size < expected {
        return Err(format!("{name} is cut off: {size} of {expected} bytes"));
    }
    Ok(())
}

/// Up to three of `names` that `name` could have been meant for, nearest first.
pub fn near_matches<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = name.to_lowercase();
    let last_part = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
    let mut scored: Vec<(usize, &str)> = names
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            if lower.contains(&wanted) || wanted.contains(&lower) {
                return Some((0, candidate));
            }
            let whole = strsim::levenshtein(&wanted, &lower);
            let distance = whole.min(strsim::levenshtein(&last_part(&wanted), &last_part(&lower)));
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

/// `name-00002-of-00003.gguf` is part 2.
pub(crate) fn part_number(path: &Path) -> Option<u32> {
    let stem = stem(path);
    let (front, count) = stem.rsplit_once("-of-")?;
    let number = front.get(front.len().checked_sub(5)?..)?;
    (count.len() == 5 && front.as_bytes().get(front.len() - 6) == Some(&b'-'))
        .then(|| number.parse().ok())?
}

/// All parts of a GGUF file: itself, or its siblings of the same name and count.
fn parts_of(path: &Path) -> Vec<PathBuf> {
    let stem = stem(path);
    if part_number(path).is_none() {
        return vec![path.to_owned()];
    }
    let Some((front, count)) = stem.rsplit_once("-of-") else { return vec![path.to_owned()] };
    let front = &front[..front.len() - 5];
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let total: u32 = count.parse().unwrap_or(1).min(1000);
    (1..=total)
        .map(|number| folder.join(format!("{front}{number:05}-of-{count}.gguf")))
        .filter(|part| part.exists())
        .collect()
}

pub(crate) fn is_gguf_name(path: &Path) -> bool {
    has_ending(path, "gguf")
}

/// Whether a GGUF file belongs to a model that lies in another one: the part that looks at pictures, by
/// the name that llama.cpp's users give it or by what its header says, or an adapter.
pub(crate) fn is_beside_a_model(path: &Path) -> bool {
    file_name(path).to_lowercase().contains("mmproj")
        || header_says(path, "general.type", "mmproj")
        || header_says(path, "general.type", "adapter")
        || header_says(path, "general.architecture", "clip")
}

/// Whether a GGUF file begins with a header that has `value` under `key`. Strings stand in it as they
/// are, and what a file is stands among the first.
pub(crate) fn header_says(path: &Path, key: &str, value: &str) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(1 << 12).read_to_end(&mut start));
    let mut wanted = key.as_bytes().to_vec();
    wanted.extend(8_u32.to_le_bytes()); // a string
    wanted.extend((value.len() as u64).to_le_bytes());
    wanted.extend(value.as_bytes());
    read.is_ok()
        && start.starts_with(b"GGUF")
        && start.windows(wanted.len()).any(|part| part == wanted)
}

/// The model that a PEFT folder names as its base.
pub(crate) fn adapter_base(folder: &Path) -> Option<String> {
    let text = std::fs::read(folder.join(ADAPTER_CONFIG)).ok()?; // it is no adapter
    let json: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let base = json["base_model_name_or_path"].as_str()?;
    (!base.is_empty()).then(|| base.to_owned())
}

pub(crate) fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// What is wrong with a file that should be JSON.
fn damaged(name: &str, text: &[u8], err: &serde_json::Error) -> String {
    format!("{name} is damaged: {}", files::mistake_in_json(text, err))
}

pub(crate) fn file_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| path.display().to_string())
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
        assert_eq!(reasons[1], "ada/half: model-00002-of-00002.safetensors is missing");
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
