//! Where models lie on this machine: Python's cache, and this program's own folders.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::hub::error::Error;

/// The folders that models are looked for and kept in. None of them has to exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubPaths {
    /// Python's cache: `~/.cache/huggingface/hub`.
    pub cache: PathBuf,

    /// Where `hf auth login` puts the token.
    pub token_file: PathBuf,

    /// The token that was typed into this program, for this account alone, where no keyring
    /// keeps it.
    pub own_token: PathBuf,

    /// The same of a proxy's address with its password.
    pub own_proxy: PathBuf,

    /// The same of the keys of servers that other models answer at.
    pub own_server_keys: PathBuf,

    /// Which of these the system's keyring keeps; nothing secret.
    pub in_keyring: PathBuf,

    /// This program's own models (what `pip` brought).
    pub models: PathBuf,

    /// Files on their way here, and the queues of them. Nothing in it is a model.
    pub downloads: PathBuf,

    /// What can be computed again.
    pub cached: PathBuf,

    /// A lock for each file on its way, held by whoever writes it. Empty files.
    pub locks: PathBuf,
}

impl HubPaths {
    /// From `HF_HUB_CACHE`, `HF_HOME`, `HF_TOKEN_PATH` and the platform's folders, as
    /// `huggingface_hub` reads them.
    pub fn from_env() -> Result<Self, Error> {
        let home = directories::BaseDirs::new().ok_or(Error::NoHome)?;
        let ours = directories::ProjectDirs::from("", "", "tuning-fork").ok_or(Error::NoHome)?;
        Ok(Self::from_lookup(
            |name| std::env::var_os(name).filter(|value| !value.is_empty()),
            home.home_dir(),
            ours.data_dir(),
        ))
    }

    /// Everything below one folder, for tests.
    pub fn under(folder: &Path) -> Self {
        Self::from_lookup(|_| None, folder, &folder.join("tuning-fork"))
    }

    fn from_lookup(var: impl Fn(&str) -> Option<OsString>, home: &Path, own_data: &Path) -> Self {
        let folder = |name: &str| var(name).map(|value| expand_home(PathBuf::from(value), home));
        let hf_home = folder("HF_HOME").unwrap_or_else(|| {
            folder("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache")).join("huggingface")
        });
        let cache = folder("HF_HUB_CACHE").or_else(|| folder("HUGGINGFACE_HUB_CACHE"));
        Self {
            cache: cache.unwrap_or_else(|| hf_home.join("hub")),
            token_file: folder("HF_TOKEN_PATH").unwrap_or_else(|| hf_home.join("token")),
            own_token: own_data.join("token"),
            own_proxy: own_data.join("proxy"),
            own_server_keys: own_data.join("server-keys"),
            in_keyring: own_data.join("in-keyring.json"),
            models: own_data.join("models"),
            downloads: own_data.join("downloads"),
            cached: own_data.join("cache"),
            locks: own_data.join("locks"),
        }
    }
}

/// `~/models` is meant to be in the home folder; Python expands it, so must we.
fn expand_home(path: PathBuf, home: &Path) -> PathBuf {
    match path.strip_prefix("~") {
        Ok(rest) => home.join(rest),
        Err(_) => path,
    }
}

#[cfg(test)]
mod tests {
    use crate::hub::paths::*;

    fn cache_with(vars: &[(&str, &str)]) -> PathBuf {
        let var = |name: &str| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        HubPaths::from_lookup(var, Path::new("/home/ada"), Path::new("/data")).cache
    }

    #[test]
    fn the_cache_is_where_python_looks_for_it() {
        let default = Path::new("/home/ada/.cache/huggingface/hub");
        assert_eq!(cache_with(&[]), default);
        assert_eq!(cache_with(&[("HF_HOME", "/hf")]), Path::new("/hf/hub"));
        assert_eq!(cache_with(&[("HF_HOME", "~/hf")]), Path::new("/home/ada/hf/hub"));
        assert_eq!(cache_with(&[("XDG_CACHE_HOME", "/c")]), Path::new("/c/huggingface/hub"));
        let both = [("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/fast/hub")];
        assert_eq!(cache_with(&both), Path::new("/fast/hub"));
    }
}
