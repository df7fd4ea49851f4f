//! A project: a folder that a person can copy, zip and put under version control.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files;
use crate::files::folders::InUse;

/// What `project.toml` says. Keys that this version does not know are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProjectSettings {
    /// What people call it; at first the folder's name.
    pub name: String,

    /// RFC 3339 in UTC.
    #[serde(default)]
    pub created_at: String,

    /// The program that made the folder: `tuning-fork 0.1.0`.
    #[serde(default)]
    pub program: String,
    #[serde(flatten)]
    pub more: toml::Table,
}

/// Why a folder is not open as a project.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error("{} is a file; a project is a folder", path.display())]
    NotAFolder { path: PathBuf },

    #[error("the project folder {} could not be made", path.display())]
    Create { path: PathBuf, source: io::Error },

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} is not what it should be", path.display())]
    Settings { path: PathBuf, source: toml::de::Error },
}

/// Whether what a person makes can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    Writable,

    /// Nothing can be kept. The reason is a sentence to show before work starts.
    ReadOnly {
        reason: String,
    },
}

/// An open project.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    pub folder: PathBuf,
    pub settings: ProjectSettings,
    pub access: Access,

    /// One that is moved while it is open is not begun anew at its old place.
    in_use: InUse,
}

impl Project {
    /// Opens the project in `folder` (or the one that the `project.toml` there describes) and
    /// makes it if it is not there yet. `now` is written into a new one (RFC 3339, UTC).
    ///
    /// A folder that cannot be written to opens all the same: see [`Self::access`].
    pub fn open_or_create(folder: &Path, now: &str) -> Result<Self, ProjectError> {
        let folder = match folder.file_name() {
            Some(name) if name == "project.toml" => folder.parent().unwrap_or(folder),
            _ => folder,
        };
        if folder.exists() && !folder.is_dir() {
            return Err(ProjectError::NotAFolder { path: folder.to_owned() });
        }
        std::fs::create_dir_all(folder)
            .map_err(|source| ProjectError::Create { path: folder.to_owned(), source })?;
        let access = access(folder);
        let path = folder.join("project.toml");
        let settings = match std::fs::read_to_string(&path) {
            Ok(text) => {
                toml::from_str(&text).map_err(|source| ProjectError::Settings { path, source })?
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                let settings = new_settings(folder, now);
                if access == Access::Writable {
                    let text = toml::to_string(&settings).expect("strings are valid TOML");
                    files::write_atomic(&path, text.as_bytes()).map_err(|source| {
                        ProjectError::Create { path: folder.to_owned(), source }
                    })?;
                }
                settings
            }
            Err(source) => return Err(ProjectError::Read { path, source }),
        };
        if access == Access::Writable {
            for part in ["prompts", "datasets", "runs"] {
                let path = folder.join(part);
                std::fs::create_dir_all(&path)
                    .map_err(|source| ProjectError::Create { path, source })?;
            }
        }
        let in_use = InUse::new(folder);
        Ok(Self { folder: folder.to_owned(), settings, access, in_use })
    }

    /// The log of verdicts.
    pub fn pairs_path(&self) -> PathBuf {
        self.folder.join("pairs.jsonl")
    }

    /// Prompt files that belong to the project.
    pub fn prompts_dir(&self) -> PathBuf {
        self.folder.join("prompts")
    }

    /// Data to train on: what was exported and imported.
    pub fn datasets_dir(&self) -> PathBuf {
        self.folder.join("datasets")
    }

    /// A folder for each training run.
    pub fn runs_dir(&self) -> PathBuf {
        self.folder.join("runs")
    }
}

/// Where the first project lives: `Tuning Fork` in the documents folder. `None`: this account has
/// no home.
pub fn default_folder() -> Option<PathBuf> {
    let dirs = directories::UserDirs::new()?;
    // Without xdg-user-dirs there is no documents folder to ask for, but there is one to expect.
    let documents =
        dirs.document_dir().map_or_else(|| dirs.home_dir().join("Documents"), Path::to_owned);
    Some(documents.join("Tuning Fork"))
}

/// Tries out whether the folder can be written to. Cheap enough to ask before each longer work.
pub fn access(folder: &Path) -> Access {
    let Err(err) = files::check_writable(folder) else { return Access::Writable };
    let folder = folder.display();
    let reason = match err.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("The disk of {folder} is full: verdicts and runs cannot be saved there")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("{folder} is read-only: verdicts and runs cannot be saved there")
        }
        _ => format!("{folder} cannot be written to ({err}): verdicts and runs cannot be saved"),
    };
    Access::ReadOnly { reason }
}

fn new_settings(folder: &Path, now: &str) -> ProjectSettings {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    ProjectSettings {
        name: name.unwrap_or_else(|| "Project".to_owned()),
        created_at: now.to_owned(),
        program: concat!("tuning-fork ", env!("CARGO_PKG_VERSION")).to_owned(),
        more: toml::Table::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-21T20:31:05.123Z";

    #[test]
    fn a_new_project_is_a_folder_with_its_parts() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("my study");
        let project = Project::open_or_create(&folder, NOW).unwrap();
        assert_eq!(
            (project.settings.name.as_str(), &project.access),
            ("my study", &Access::Writable)
        );
        for part in ["project.toml", "prompts", "datasets", "runs"] {
            assert!(folder.join(part).exists(), "{part}");
        }
        let later = Project::open_or_create(&folder, "2027-01-01T00:00:00.000Z").unwrap();
        assert_eq!(later, project);
        // The file itself can be opened, too.
        assert_eq!(Project::open_or_create(&folder.join("project.toml"), NOW).unwrap(), project);
    }

    #[test]
    fn nothing_is_written_at_the_old_place_of_a_project_that_was_moved_while_it_is_open() {
        let parent = tempfile::tempdir().unwrap();
        let (folder, away) = (parent.path().join("project"), parent.path().join("away"));
        let project = Project::open_or_create(&folder, NOW).unwrap();
        std::fs::rename(&folder, &away).unwrap();
        files::write_atomic(&project.datasets_dir().join("a.csv"), b"a").unwrap_err();
        assert!(!folder.exists());
        // Whoever opens that place means it.
        drop(project);
        Project::open_or_create(&folder, NOW).unwrap();
        assert!(folder.join("project.toml").exists());
    }

    #[test]
    fn settings_that_cannot_be_read_are_an_error_and_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("project.toml");
        files::write_atomic(&path, b"name = ").unwrap();
        let err = Project::open_or_create(folder.path(), NOW).unwrap_err();
        assert!(matches!(err, ProjectError::Settings { .. }), "{err}");
        assert_eq!(std::fs::read(&path).unwrap(), b"name = ");
    }

    #[test]
    fn keys_of_a_later_version_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("project.toml");
        files::write_atomic(&path, b"name = \"a\"\ncolour = \"green\"\n").unwrap();
        let project = Project::open_or_create(folder.path(), NOW).unwrap();
        assert_eq!(project.settings.more["colour"].as_str(), Some("green"));
    }

    #[test]
    fn a_file_is_not_a_project() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        files::write_atomic(&path, b"").unwrap();
        let err = Project::open_or_create(&path, NOW).unwrap_err();
        assert!(matches!(err, ProjectError::NotAFolder { .. }), "{err}");
    }

    #[test]
    fn what_cannot_be_written_to_is_said_before_work_starts() {
        // A folder that is not there: fails for root too, whom permissions do not stop.
        let parent = tempfile::tempdir().unwrap();
        let Access::ReadOnly { reason } = access(&parent.path().join("gone")) else {
            panic!("nothing can be written to a folder that is not there");
        };
        assert!(reason.contains("cannot be written to"), "{reason}");
    }
}
