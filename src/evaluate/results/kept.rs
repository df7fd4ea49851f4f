//! What a project keeps: its evaluations, each with how far it is, and its codebooks.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::evaluation::Evaluation;
use super::folder::{EVALUATION, RESULTS, TABLE};
use crate::data::codebook::Codebook;
use crate::evaluate::task::Task;
use crate::files;

/// An evaluation of the project.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub folder: PathBuf,
    pub evaluation: Evaluation,

    /// Rows that have an answer, or a reason why they have none.
    pub done: usize,
}

impl Kept {
    pub fn is_finished(&self) -> bool {
        self.done >= self.evaluation.rows
    }
}

/// The evaluations that can be read, the newest first, and the folders that cannot, with the reason.
#[derive(Clone, Debug, Default)]
pub struct KeptList {
    pub evaluations: Vec<Kept>,
    pub unreadable: Vec<(PathBuf, String)>,
}

/// A form as it was left: a task and a codebook, neither of which has to be complete.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, serde::Serialize)]
#[serde(default)]
pub struct Draft {
    pub task: Task,
    pub codebook: Codebook,
}

pub fn evaluations_dir(project: &Path) -> PathBuf {
    project.join("evaluations")
}

pub fn codebooks_dir(project: &Path) -> PathBuf {
    project.join("codebooks")
}

/// The name of the evaluation's folder whose results a table is. Empty: it is another table.
pub fn of_results(table: &Path) -> String {
    let folder = table.parent().filter(|folder| folder.join(EVALUATION).is_file());
    let is_results = table.file_name().is_some_and(|name| name == TABLE);
    let name = folder.filter(|_| is_results).and_then(Path::file_name).unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The folders of the evaluations that lie in a folder.
pub fn folders(evaluations: &Path) -> Vec<PathBuf> {
    // Without the folder there is none yet.
    let Ok(entries) = std::fs::read_dir(evaluations) else { return Vec::new() };
    let folders = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    folders.filter(|folder| folder.join(EVALUATION).is_file()).collect()
}

/// Reads what `evaluations/` holds.
pub fn list(project: &Path) -> KeptList {
    let mut found = KeptList::default();
    for folder in folders(&evaluations_dir(project)) {
        match read(&folder) {
            Ok(kept) => found.evaluations.push(kept),
            Err(reason) => found.unreadable.push((folder, reason)),
        }
    }
    let key = |kept: &Kept| (kept.evaluation.started.clone(), kept.folder.clone());
    found.evaluations.sort_by_key(|kept| std::cmp::Reverse(key(kept)));
    found.unreadable.sort();
    found
}

fn read(folder: &Path) -> Result<Kept, String> {
    let text = std::fs::read_to_string(folder.join(EVALUATION)).map_err(|err| err.to_string())?;
    let evaluation: Evaluation =
        serde_json::from_str(&text).map_err(|err| files::without_position(&err))?;
    // The table is written once all rows are answered: nothing has to be counted then.
    if folder.join(TABLE).is_file() {
        return Ok(Kept { folder: folder.to_owned(), done: evaluation.rows, evaluation });
    }
    let results = files::read_if_there(&folder.join(RESULTS)).map_err(|err| err.to_string())?;
    let results = results.unwrap_or_default();
    Ok(Kept { folder: folder.to_owned(), evaluation, done: answered_rows(&results) })
}

/// How many rows a `results.jsonl` has. A line that a crash cut off does not count.
fn answered_rows(results: &str) -> usize {
    #[derive(Deserialize)]
    struct Numbered {
        row: u64,
    }
    let rows = results.lines().filter_map(|line| serde_json::from_str::<Numbered>(line).ok());
    rows.map(|numbered| numbered.row).collect::<BTreeSet<_>>().len()
}

/// The folder of a new evaluation: `2026-11-28-1015-tone`.
pub fn new_folder(project: &Path, name: &str, minute: &str) -> PathBuf {
    let folder = evaluations_dir(project);
    free(&format!("{minute}-{}", file_name(name)), |name| !folder.join(name).exists(), &folder, "")
}

/// Writes a codebook into the project and says where. One that lies there under its name with
/// something else in it stays, and the new one gets a number.
pub fn save_codebook(project: &Path, codebook: &Codebook) -> io::Result<PathBuf> {
    let folder = codebooks_dir(project);
    let text = codebook.to_toml();
    let is_free = |name: &str| match std::fs::read_to_string(folder.join(name)) {
        Ok(there) => there == text,
        Err(err) => err.kind() == io::ErrorKind::NotFound,
    };
    let path = free(&file_name(&codebook.name), is_free, &folder, ".toml");
    if !path.exists() {
        files::write_atomic(&path, text.as_bytes())?;
    }
    Ok(path)
}

/// The form as it was left.
pub fn read_draft(project: &Path) -> Option<Draft> {
    serde_json::from_slice(&std::fs::read(draft_path(project)).ok()?).ok()
}

pub fn save_draft(project: &Path, draft: &Draft) -> io::Result<()> {
    let text = serde_json::to_string_pretty(draft).expect("texts and numbers are valid JSON");
    files::write_atomic(&draft_path(project), text.as_bytes())
}

/// Keeps what the form was beside what it is going to be. `None`: there was none.
pub fn set_draft_aside(project: &Path) -> io::Result<Option<PathBuf>> {
    let Some(text) = files::read_if_there(&draft_path(project))? else { return Ok(None) };
    let folder = evaluations_dir(project);
    let is_free = |name: &str| !folder.join(name).exists();
    let path = free("draft-earlier", is_free, &folder, ".json");
    files::write_atomic(&path, text.as_bytes())?;
    Ok(Some(path))
}

fn draft_path(project: &Path) -> PathBuf {
    evaluations_dir(project).join("draft.json")
}

/// `name`, `name-2` and so on, whichever is free first.
fn free(name: &str, is_free: impl Fn(&str) -> bool, folder: &Path, ending: &str) -> PathBuf {
    let numbered = (2..).map(|number| format!("{name}-{number}{ending}"));
    let mut names = std::iter::once(format!("{name}{ending}")).chain(numbered);
    folder.join(names.find(|name| is_free(name)).expect("there are more numbers than files"))
}

/// A name that every file system takes: `Tone of voice` becomes `tone-of-voice`.
fn file_name(name: &str) -> String {
    let kept = name.to_lowercase();
    let kept = kept.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' });
    let kept: String = kept.take(60).collect();
    let parts: Vec<&str> = kept.split('-').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "codebook".to_owned() } else { parts.join("-") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::codebook::Class;

    fn codebook(definition: &str) -> Codebook {
        let class = |label: &str| Class {
            label: label.to_owned(),
            definition: definition.to_owned(),
            ..Class::default()
        };
        Codebook {
            name: "Tone: of voice?".to_owned(),
            instruction: "Say the tone.".to_owned(),
            classes: vec![class("good"), class("bad")],
            ..Codebook::default()
        }
    }

    #[test]
    fn a_codebook_is_never_written_over_another() {
        let project = tempfile::tempdir().unwrap();
        let first = save_codebook(project.path(), &codebook("praises")).unwrap();
        assert!(first.ends_with("codebooks/tone-of-voice.toml"), "{first:?}");
        assert_eq!(save_codebook(project.path(), &codebook("praises")).unwrap(), first);
        let second = save_codebook(project.path(), &codebook("blames")).unwrap();
        assert!(second.ends_with("codebooks/tone-of-voice-2.toml"), "{second:?}");
        assert_eq!(Codebook::read(&first).unwrap(), codebook("praises"));
        assert_eq!(Codebook::read(&second).unwrap(), codebook("blames"));
    }

    #[test]
    fn a_row_that_a_crash_cut_off_does_not_count() {
        assert_eq!(answered_rows("{\"row\":1}\n{\"row\":2}\n{\"row\":2}\n{\"row\":3,\"ans"), 2);
    }

    #[test]
    fn a_folder_that_is_no_evaluation_is_named_with_the_reason() {
        let project = tempfile::tempdir().unwrap();
        let folder = evaluations_dir(project.path()).join("odd");
        files::write_atomic(&folder.join(EVALUATION), b"{}").unwrap();
        let found = list(project.path());
        assert!(found.evaluations.is_empty());
        assert_eq!(found.unreadable[0].0, folder);
    }

    #[test]
    fn a_draft_comes_back_as_it_was_left() {
        let project = tempfile::tempdir().unwrap();
        assert_eq!(read_draft(project.path()), None);
        let draft = Draft { codebook: codebook("praises"), ..Draft::default() };
        save_draft(project.path(), &draft).unwrap();
        assert_eq!(read_draft(project.path()), Some(draft));
    }
}
