//! The model that a person means by a name, on this disk.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::cache::disk;
use super::cache::folder::RepoFolder;
use super::cache::local::{
    LocalModel, Place, check, file_name, has_ending, is_gguf_name, near_matches, part_number,
    scan_in,
};
use super::error::Error;
use super::paths::HubPaths;
use super::protocol::names::check_repo_id;
use super::starter;

/// The path behind a model argument: a GGUF file, a transformers folder, the id of a model in the
/// cache (also `owner/name/file.gguf`), the name of one in the models folder, or `starter`.
pub fn resolve_model(name: &str) -> Result<PathBuf, Error> {
    resolve_in(&HubPaths::from_env()?, name)
}

/// [`resolve_model`] in given folders.
pub fn resolve_in(paths: &HubPaths, name: &str) -> Result<PathBuf, Error> {
    if name == "starter" {
        let found = starter::on_disk(paths);
        return found.ok_or_else(|| no_such_model(paths, name));
    }
    let path = Path::new(name);
    if path.exists() {
        return resolve_path(path, name);
    }
    if check_repo_id(name).is_ok() {
        let folder = RepoFolder::new(&paths.cache, name);
        let commits = folder.commits();
        let main = folder.main_commit().filter(|commit| commits.contains(commit));
        if let Some(commit) = main.or_else(|| commits.last().cloned()) {
            return resolve_path(&folder.snapshot(&commit), name);
        }
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

/// A folder without `config.json` stands for the one GGUF file in it.
fn resolve_path(path: &Path, name: &str) -> Result<PathBuf, Error> {
    let incomplete = |reason: String| Error::Incomplete { name: name.to_owned(), reason };
    if !path.is_dir() {
        check(path).map_err(incomplete)?;
        return Ok(path.to_owned());
    }
    let files = disk::files_below(path);
    let ggufs: Vec<&PathBuf> = files
        .iter()
        .filter(|file| is_gguf_name(file) && part_number(file).is_none_or(|part| part == 1))
        .collect();
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
        _ => {
            check(path).map_err(incomplete)?;
            Ok(path.to_owned())
        }
    }
}

fn no_such_model(paths: &HubPaths, name: &str) -> Error {
    let models = scan_in(paths, &[]).models;
    let names: BTreeSet<&str> = models.iter().map(|model| model.name.as_str()).collect();
    let near = near_matches(name, names.into_iter());
    Error::NoSuchModel { name: name.to_owned(), near }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::write_atomic;
    use crate::hub::cache::local::tests::{safetensors, snapshot};

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
}
