//! What a person means by the name of a model or of an adapter: a path, an id in the Hub's cache, a
//! name in the models folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::cache::disk;
use super::cache::folder::RepoFolder;
use super::cache::local::{LocalModel, Place, near_matches, scan_in};
use super::cache::model_names::{
    ADAPTER_CONFIG, adapter_base, file_name, has_ending, header_says, is_beside_a_model,
    is_gguf_name, part_number,
};
use super::cache::whole::check;
use super::error::Error;
use super::paths::HubPaths;
use super::protocol::names::{check_repo_id, is_safe_name};
use super::starter;

/// A model, and the adapter that came with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    pub model: PathBuf,
    pub adapter: Option<PathBuf>,
}

/// The path behind a model argument.
///
/// It is a GGUF file, a transformers folder, the id of a model in the
/// cache (`owner/name`, `owner/name@revision`, also with a file or folder of it,
/// `owner/name/file.gguf`), the name of one in the models folder, or `starter`.
pub fn resolve_model(name: &str) -> Result<PathBuf, Error> {
    resolve_in(&HubPaths::from_env()?, name)
}

/// [`resolve_model`] in given folders.
pub fn resolve_in(paths: &HubPaths, name: &str) -> Result<PathBuf, Error> {
    if name == "starter" {
        let found = starter::on_disk(paths);
        return found.ok_or_else(|| no_such_model(paths, name));
    }
    if let Some(path) = place(paths, name) {
        return resolve_path(&path, name);
    }
    let models = scan_in(paths, &[]).models;
    let is_meant = |model: &&LocalModel| {
        let in_repo = match &model.place {
            Place::HubCache { repo, .. } => format!("{repo}/{}", file_name(&model.path)),
            Place::Own | Place::Opened => file_name(&model.path),
        };
        model.name == name || in_repo == name
    };
    let found = models.iter().find(is_meant);
    found.map(|model| model.path.clone()).ok_or_else(|| no_such_model(paths, name))
}

/// As [`resolve_model`], and where the name is that of an adapter, its base with it.
///
/// As
/// transformers: a folder that holds both is that model with that adapter; one that holds an adapter
/// alone opens the model that the adapter names.
pub fn resolve_with_adapter(name: &str) -> Result<Resolved, Error> {
    resolve_with_adapter_in(&HubPaths::from_env()?, name)
}

/// [`resolve_with_adapter`] in given folders.
pub fn resolve_with_adapter_in(paths: &HubPaths, name: &str) -> Result<Resolved, Error> {
    let folder = place(paths, name).filter(|path| path.join(ADAPTER_CONFIG).is_file());
    let Some(folder) = folder.filter(|_| name != "starter") else {
        return Ok(Resolved { model: resolve_in(paths, name)?, adapter: None });
    };
    if folder.join("config.json").is_file() {
        let model = resolve_path(&folder, name)?;
        return Ok(Resolved { model, adapter: Some(folder) });
    }
    let no_base = |base: Option<String>| Error::NoBase { name: name.to_owned(), base };
    let Some(base) = adapter_base(&folder) else { return Err(no_base(None)) };
    let model = base_in(paths, &folder, &base);
    Ok(Resolved { model: model.map_err(|_not_here| no_base(Some(base)))?, adapter: Some(folder) })
}

/// The path behind an adapter argument: a PEFT folder, a GGUF file, or the id of an adapter in the
/// cache (`owner/name`, `owner/name@revision`, also with a folder or file of it).
pub fn resolve_adapter(name: &str) -> Result<PathBuf, Error> {
    resolve_adapter_in(&HubPaths::from_env()?, name)
}

/// [`resolve_adapter`] in given folders.
pub fn resolve_adapter_in(paths: &HubPaths, name: &str) -> Result<PathBuf, Error> {
    let place = place(paths, name);
    let path = place.ok_or_else(|| Error::NoSuchAdapter { name: name.to_owned() })?;
    let ggufs = ggufs_instead(&path);
    if ggufs.len() > 1 {
        let choices = ggufs.iter().map(|file| file_name(file)).collect();
        return Err(Error::Ambiguous { name: name.to_owned(), choices });
    }
    Ok(ggufs.into_iter().next().unwrap_or(path)) // whoever reads it says what it lacks
}

/// The adapter at a path that a person has picked: a folder may stand for the one GGUF file in it.
pub fn adapter_at(path: &Path) -> PathBuf {
    match ggufs_instead(path).as_slice() {
        [single] => single.clone(),
        _ => path.to_owned(),
    }
}

/// Whether a path is that of an adapter: a PEFT folder, or a GGUF file that says so.
pub fn is_adapter(path: &Path) -> bool {
    path.join(ADAPTER_CONFIG).is_file() || header_says(path, "general.type", "adapter")
}

/// The GGUF files in a folder that is no PEFT folder.
fn ggufs_instead(path: &Path) -> Vec<PathBuf> {
    if path.is_file() || path.join(ADAPTER_CONFIG).exists() {
        return Vec::new();
    }
    disk::files_below(path).into_iter().filter(|file| is_gguf_name(file)).collect()
}

/// An adapter's base: as it is named, at the version that the adapter names where that is here, else
/// beside the adapter.
fn base_in(paths: &HubPaths, folder: &Path, base: &str) -> Result<PathBuf, Error> {
    let text = std::fs::read(folder.join(ADAPTER_CONFIG)).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let versioned = json["revision"].as_str().map(|revision| format!("{base}@{revision}"));
    if let Some(found) = versioned.and_then(|name| resolve_in(paths, &name).ok()) {
        return Ok(found);
    }
    resolve_in(paths, base).or_else(|err| {
        let beside = folder.join(base);
        let inside_parent = folder.parent().map(|parent| parent.join(base));
        let found = [Some(beside), inside_parent].into_iter().flatten().find(|path| path.exists());
        found.map_or(Err(err), |path| resolve_path(&path, base))
    })
}

/// What lies behind a name: the path itself, or a snapshot in the cache, or something in one.
fn place(paths: &HubPaths, name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.exists() {
        return Some(path.to_owned());
    }
    let (named, revision) = match name.split_once('@') {
        Some((named, revision)) => (named, Some(revision)),
        None => (name, None),
    };
    let mut parts = named.splitn(3, '/');
    let repo = format!("{}/{}", parts.next()?, parts.next()?);
    check_repo_id(&repo).ok()?;
    let inner = parts.next();
    let folder = RepoFolder::new(&paths.cache, &repo);
    let commits = folder.commits();
    let Some(revision) = revision else {
        let main = folder.main_commit().filter(|commit| commits.contains(commit));
        let commit = main.or_else(|| commits.last().cloned())?;
        return inside(&folder.snapshot(&commit), inner);
    };
    // A revision may have slashes, and so may what follows it.
    let ends = revision.match_indices('/').map(|(at, _)| at).rev();
    [revision.len()].into_iter().chain(ends).find_map(|end| {
        let (revision, rest) = revision.split_at(end);
        let commit = folder.commit_of(revision).or_else(|| {
            let begun: Vec<&String> =
                commits.iter().filter(|commit| commit.starts_with(revision)).collect();
            match begun.as_slice() {
                [one] if revision.len() >= 7 => Some((*one).clone()),
                _ => None,
            }
        })?;
        let snapshot = folder.snapshot(&commit);
        inside(&snapshot, inner.or_else(|| rest.strip_prefix('/')).filter(|rest| !rest.is_empty()))
    })
}

/// Something in a snapshot, or the snapshot itself.
fn inside(snapshot: &Path, inner: Option<&str>) -> Option<PathBuf> {
    let path = match inner {
        None => snapshot.to_owned(),
        Some(inner) if is_safe_name(inner) => snapshot.join(inner),
        Some(_) => return None,
    };
    path.exists().then_some(path)
}

/// A folder without `config.json` stands for the one GGUF file in it that is a model.
fn resolve_path(path: &Path, name: &str) -> Result<PathBuf, Error> {
    let is_local = Path::new(name).exists();
    let incomplete = |reason: String| {
        if is_local {
            Error::BrokenModel { path: PathBuf::from(name), reason }
        } else {
            Error::Incomplete { name: name.to_owned(), reason }
        }
    };
    if !path.is_dir() {
        check(path).map_err(incomplete)?;
        return Ok(path.to_owned());
    }
    let files = disk::files_below(path);
    let mut ggufs: Vec<&PathBuf> = files
        .iter()
        .filter(|file| is_gguf_name(file) && part_number(file).is_none_or(|part| part == 1))
        .collect();
    let all = ggufs.len();
    ggufs.retain(|file| !is_beside_a_model(file));
    let has_safetensors = files.iter().any(|file| has_ending(file, "safetensors"));
    match ggufs.as_slice() {
        [single] if !has_safetensors => {
            check(single).map_err(incomplete)?;
            Ok((*single).clone())
        }
        [_, _, ..] if !has_safetensors => Err(Error::Ambiguous {
            name: name.to_owned(),
            choices: ggufs.iter().map(|file| file_name(file)).collect(),
        }),
        [] if all > 0 && !has_safetensors => Err(incomplete(
            "its GGUF files are an adapter or the part of a model that looks at pictures (mmproj), \
             and not the model itself"
                .to_owned(),
        )),
        _ => {
            check(path).map_err(incomplete)?;
            Ok(path.to_owned())
        }
    }
}

fn no_such_model(paths: &HubPaths, name: &str) -> Error {
    if looks_like_a_path(name) {
        return Error::NoSuchPath { path: PathBuf::from(name) };
    }
    let models = scan_in(paths, &[]).models;
    let names: BTreeSet<&str> = models.iter().map(|model| model.name.as_str()).collect();
    let near = near_matches(name, names.into_iter());
    Error::NoSuchModel { name: name.to_owned(), near }
}

/// Whether a name can only be meant for a file or folder.
fn looks_like_a_path(name: &str) -> bool {
    let path = Path::new(name);
    path.is_absolute()
        || name.starts_with(['.', '~'])
        || name.contains('\\')
        || name.ends_with('/')
        || (name.matches('/').count() != 1 && name.contains('/') && !name.contains('@'))
        || has_ending(path, "safetensors")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::write_atomic;
    use crate::hub::cache::local::tests::{safetensors, snapshot};

    const COMMIT: &str = "1111111111111111111111111111111111111111";

    #[test]
    fn a_model_is_found_by_path_by_id_and_by_name() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let whole = safetensors(8);
        let files: [(&str, &[u8]); 2] = [("config.json", b"{}"), ("model.safetensors", &whole)];
        let folder = snapshot(&paths, "ada/whole", &files);
        let gguf = snapshot(&paths, "ada/quantised", &[("small.Q4_0.gguf", b"GGUF")]);
        let own = paths.models.join("own.gguf");
        write_atomic(&own, b"GGUF").unwrap();
        assert_eq!(resolve_in(&paths, "ada/whole").unwrap(), folder);
        assert_eq!(resolve_in(&paths, &folder.display().to_string()).unwrap(), folder);
        let gguf = gguf.join("small.Q4_0.gguf");
        assert_eq!(resolve_in(&paths, "ada/quantised").unwrap(), gguf);
        assert_eq!(resolve_in(&paths, "ada/quantised/small.Q4_0.gguf").unwrap(), gguf);
        assert_eq!(resolve_in(&paths, "own").unwrap(), own);
        let typo = resolve_in(&paths, "ada/whle").unwrap_err();
        let said = r#"there is no model "ada/whle" on this disk; did you mean ada/whole?"#;
        assert_eq!(typo.to_string(), said);
    }

    #[test]
    fn several_files_of_one_name_have_to_be_told_apart() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        snapshot(&paths, "ada/both", &[("a.gguf", b"GGUF"), ("b.gguf", b"GGUF1")]);
        let error = resolve_in(&paths, "ada/both").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""ada/both" holds several models: name one of a.gguf, b.gguf"#
        );
    }

    const OTHER: &str = "2222222222222222222222222222222222222222";

    #[test]
    fn a_revision_and_a_file_of_it_are_found() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let gguf = snapshot(&paths, "ada/two", &[("deep/a.gguf", b"GGUF"), ("b.gguf", b"GGUF1")]);
        let folder = RepoFolder::new(&paths.cache, "ada/two");
        let digits = crate::files::sha256_of_bytes(b"GGUF22");
        write_atomic(&folder.blob(&digits), b"GGUF22").unwrap();
        folder.publish(OTHER, "a.gguf", &digits).unwrap();
        folder.set_ref("v1.0", OTHER).unwrap();
        folder.set_ref("refs/pr/1", OTHER).unwrap();
        let tagged = folder.snapshot(OTHER).join("a.gguf");
        for (name, expected) in [
            ("ada/two@v1.0", &tagged),
            ("ada/two@v1.0/a.gguf", &tagged),
            ("ada/two/a.gguf@v1.0", &tagged),
            ("ada/two@refs/pr/1", &tagged),
            ("ada/two@22222222", &tagged), // a commit by its beginning
            ("ada/two/deep/a.gguf", &gguf.join("deep/a.gguf")),
            ("ada/two/b.gguf", &gguf.join("b.gguf")),
            ("ada/two@main/b.gguf", &gguf.join("b.gguf")),
        ] {
            assert_eq!(&resolve_in(&paths, name).unwrap(), expected, "{name}");
        }
        assert!(resolve_in(&paths, "ada/two@v2.0").is_err());
        assert!(resolve_in(&paths, "ada/two/../two/b.gguf").is_err());
        assert_eq!(folder.commits(), [COMMIT, OTHER]);
    }

    #[test]
    fn a_vision_projector_or_an_adapter_beside_a_gguf_file_is_not_the_model() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let mut adapter = b"GGUF\x03\0\0\0................\x0c\0\0\0\0\0\0\0general.type".to_vec();
        adapter.extend(8_u32.to_le_bytes());
        adapter.extend(7_u64.to_le_bytes());
        adapter.extend(b"adapter");
        let files: [(&str, &[u8]); 3] =
            [("mmproj-F16.gguf", b"GGUF1"), ("m.gguf", b"GGUF"), ("lora.gguf", &adapter)];
        let folder = snapshot(&paths, "ada/pictures", &files);
        assert_eq!(resolve_in(&paths, "ada/pictures").unwrap(), folder.join("m.gguf"));
        let listed: Vec<PathBuf> =
            scan_in(&paths, &[]).models.into_iter().map(|model| model.path).collect();
        assert_eq!(listed, [folder.join("m.gguf")]);
        snapshot(&paths, "ada/half", &files[..1]);
        let error = resolve_in(&paths, "ada/half").unwrap_err().to_string();
        assert!(error.contains("mmproj"), "{error}");
        let found = resolve_adapter_in(&paths, "ada/pictures/lora.gguf").unwrap();
        assert_eq!(found, folder.join("lora.gguf"));
    }

    #[test]
    fn an_adapters_name_opens_its_base_with_it() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        let whole = safetensors(8);
        let files: [(&str, &[u8]); 2] = [("config.json", b"{}"), ("model.safetensors", &whole)];
        let base = snapshot(&paths, "ada/whole", &files);
        let config = br#"{"peft_type":"LORA","base_model_name_or_path":"ada/whole"}"#;
        let adapter = snapshot(&paths, "ada/tuned", &[("adapter_config.json", config)]);
        let both = Resolved { model: base, adapter: Some(adapter.clone()) };
        assert_eq!(resolve_with_adapter_in(&paths, "ada/tuned").unwrap(), both);
        assert_eq!(resolve_adapter_in(&paths, "ada/tuned").unwrap(), adapter);
        let alone = resolve_in(&paths, "ada/tuned").unwrap_err().to_string();
        assert!(alone.contains("adapter (PEFT) for the model ada/whole"), "{alone}");
        let files: [(&str, &[u8]); 3] =
            [files[0], files[1], ("adapter_config.json", br#"{"base_model_name_or_path":"x/y"}"#)];
        let embedded = snapshot(&paths, "ada/both", &files);
        let both = Resolved { model: embedded.clone(), adapter: Some(embedded) };
        assert_eq!(resolve_with_adapter_in(&paths, "ada/both").unwrap(), both);
        let lost = br#"{"base_model_name_or_path":"ada/lost"}"#;
        snapshot(&paths, "ada/orphan", &[("adapter_config.json", lost)]);
        let error = resolve_with_adapter_in(&paths, "ada/orphan").unwrap_err().to_string();
        assert!(error.contains("ada/lost, which is not on this disk"), "{error}");
    }

    #[test]
    fn a_path_that_leads_nowhere_is_said_to_be_one() {
        let home = tempfile::tempdir().unwrap();
        let paths = HubPaths::under(home.path());
        for name in ["./model", "/no/such/folder", "models/deep/a", "a/b/c.gguf"] {
            let error = resolve_in(&paths, name).unwrap_err().to_string();
            assert!(error.starts_with("there is no file or folder"), "{error}");
        }
        let folder = home.path().join("half");
        write_atomic(&folder.join("config.json"), b"{}").unwrap();
        write_atomic(&folder.join("pytorch_model.bin"), b"P").unwrap();
        let error = resolve_in(&paths, &folder.display().to_string()).unwrap_err().to_string();
        assert!(error.contains("cannot be loaded") && error.contains("a pickle"), "{error}");
    }
}
