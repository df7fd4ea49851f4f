//! The prompts that there are: those that are ready-made, and the files of the project's `prompts`.

use std::path::{Path, PathBuf};

use super::check::check;
use super::error::{PromptError, listed};
use super::material::Material;
use crate::errors::one_line;
use crate::files;
use crate::files::meant::meant;

/// The folder of a project that its prompts are in.
pub const FOLDER: &str = "prompts";

/// What the program carries.
const READY: [(&str, &str); 6] = [
    ("label-a-text", include_str!("ready/label-a-text.toml")),
    ("summarise", include_str!("ready/summarise.toml")),
    ("rewrite-for-readers", include_str!("ready/rewrite-for-readers.toml")),
    ("chain-of-thought", include_str!("ready/chain-of-thought.toml")),
    ("program-aided", include_str!("ready/program-aided.toml")),
    ("react", include_str!("ready/react.toml")),
];

/// A prompt of the library.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its file's name without the ending.
    pub name: String,

    /// `None`: it is ready-made.
    pub path: Option<PathBuf>,

    /// Or why it cannot be used, in a sentence.
    pub material: Result<Material, String>,
}

impl Entry {
    pub fn title(&self) -> &str {
        match &self.material {
            Ok(material) if !material.title.is_empty() => &material.title,
            _ => &self.name,
        }
    }

    /// Whether its name, title or texts have all words of a query.
    pub fn fits(&self, query: &str) -> bool {
        if query.trim().is_empty() {
            return true;
        }
        let mut all = format!("{} {}", self.name, self.title());
        if let Ok(material) = &self.material {
            for text in [&material.about, &material.source, &material.prompt] {
                all.push(' ');
                all.push_str(text);
            }
        }
        let all = all.to_lowercase();
        query.split_whitespace().all(|word| all.contains(&word.to_lowercase()))
    }
}

/// The project's own, by name, then the ready-made ones whose names it does not use.
pub fn list(project: Option<&Path>) -> Vec<Entry> {
    let folder = project.map(|project| project.join(FOLDER));
    let files = folder.iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten());
    let mut paths: Vec<PathBuf> = files.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml") && path.is_file());
    paths.sort();
    let mut entries: Vec<Entry> = paths.iter().map(|path| of_file(path)).collect();
    for (name, text) in READY {
        if entries.iter().all(|entry| entry.name != name) {
            let material = Material::from_toml(text).map_err(|err| one_line(&err));
            entries.push(Entry { name: name.to_owned(), path: None, material });
        }
    }
    entries
}

fn of_file(path: &Path) -> Entry {
    let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into());
    let material = read(path).map_err(|err| one_line(&err));
    Entry { name, path: Some(path.to_owned()), material }
}

pub fn read(path: &Path) -> Result<Material, PromptError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| PromptError::Read { path: path.to_owned(), source })?;
    Material::from_toml(&text)
}

/// One by its name, or by the path of its file.
pub fn find(project: Option<&Path>, name: &str) -> Result<Entry, PromptError> {
    let path = Path::new(name);
    if path.extension().is_some_and(|ending| ending == "toml") && path.is_file() {
        return Ok(of_file(path));
    }
    let mut entries = list(project);
    if let Some(at) = entries.iter().position(|entry| entry.name == name) {
        return Ok(entries.swap_remove(at));
    }
    let known = || entries.iter().map(|entry| entry.name.as_str());
    Err(PromptError::NoSuchPrompt {
        name: name.to_owned(),
        meant: meant(name, known()).map(str::to_owned),
        known: listed(known()),
    })
}

/// Writes a prompt into the project. One that contradicts itself is refused, and a name that is taken.
pub fn save(project: &Path, title: &str, material: &Material) -> Result<PathBuf, PromptError> {
    check(material)?;
    let name = file_name(title);
    let path = project.join(FOLDER).join(format!("{name}.toml"));
    if path.exists() {
        return Err(PromptError::NameTaken { name });
    }
    files::write_atomic(&path, material.to_toml().as_bytes())
        .map_err(|source| PromptError::Write { path: path.clone(), source })?;
    Ok(path)
}

/// `Tone of a headline` as the name of a file: `tone-of-a-headline`.
pub fn file_name(title: &str) -> String {
    let mut name = String::new();
    for letter in title.trim().chars() {
        if letter.is_alphanumeric() {
            name.extend(letter.to_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name: String = name.trim_end_matches('-').chars().take(60).collect();
    if name.is_empty() { "prompt".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ready_made_prompt_can_be_used() {
        for entry in list(None) {
            let material = entry.material.unwrap_or_else(|why| panic!("{}: {why}", entry.name));
            assert!(!material.title.is_empty() && !material.about.is_empty(), "{}", entry.name);
            for name in material.asked_for() {
                assert!(material.variables.contains_key(&name), "{}: {name}", entry.name);
            }
        }
    }

    #[test]
    fn a_prompt_is_saved_found_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let project = Some(folder.path());
        let material = Material { prompt: "Hello {who}".to_owned(), ..Material::default() };
        let path = save(folder.path(), "Tone: of a headline?", &material).unwrap();
        assert!(path.ends_with("prompts/tone-of-a-headline.toml"));
        let found = find(project, "tone-of-a-headline").unwrap();
        assert_eq!(found.material.as_ref().unwrap().prompt, "Hello {who}");
        assert!(found.fits("HELLO tone") && !found.fits("other"));
        let again = save(folder.path(), "tone of a headline", &material).unwrap_err();
        assert!(again.to_string().contains("there is a prompt \"tone-of-a-headline\""));
        let misspelt = find(project, "tone-of-a-headlin").unwrap_err().to_string();
        assert!(misspelt.contains("did you mean \"tone-of-a-headline\"?"), "{misspelt}");
    }

    #[test]
    fn a_damaged_file_is_listed_with_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        files::write_atomic(&folder.path().join("prompts/a.toml"), b"prompt = ").unwrap();
        let entries = list(Some(folder.path()));
        assert!(
            entries[0].material.as_ref().unwrap_err().starts_with("line 1"),
            "{:?}",
            entries[0]
        );
        assert_eq!(entries.len(), READY.len() + 1);
    }
}
