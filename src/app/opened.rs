//! What a file or a folder is that was given to the program: by double click, on the command line, or
//! dropped onto the window.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::hub::resolve;
use crate::study::folder;

/// What it is, with the path that is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Or an adapter: whoever opens it tells.
    Model(PathBuf),
    Project(PathBuf),
    Lecture(PathBuf),

    /// A study's own folder.
    Study(PathBuf),

    /// A study for a colleague, or codes that come back.
    Package(PathBuf),

    /// Of Evaluate.
    Task(PathBuf),

    /// Of Train.
    RunFile(PathBuf),
}

/// What a path is opened as.
type Opening = fn(PathBuf) -> Opened;

/// The files that make a folder what it is.
const IN_FOLDERS: [(&str, Opening); 4] = [
    ("project.toml", Opened::Project),
    (folder::STUDY, Opened::Study),
    ("adapter_config.json", Opened::Model),
    ("config.json", Opened::Model),
];

/// A part that only a task file has.
const TASKS: [&str; 7] = ["code", "exam", "judge", "extract", "write", "survey", "ask"];

/// What is at `path`, by what is in it. `None`: it is not there, or of a kind that could be many
/// things (a table: prompts, training data, texts to code).
pub fn kind_of(path: &Path) -> Option<Opened> {
    if path.is_dir() {
        let kind = IN_FOLDERS.iter().find(|(name, _)| path.join(name).is_file());
        return kind.map(|(_, kind)| kind(path.to_owned()));
    }
    // A file that stands for its folder.
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if let Some((_, kind)) = IN_FOLDERS.iter().find(|(own, _)| *own == name)
        && let Some(folder) = path.parent()
    {
        return path.is_file().then(|| kind(folder.to_owned()));
    }
    let mut head = [0; 64];
    let length = File::open(path).and_then(|mut file| file.read(&mut head)).ok()?;
    let head = &head[..length];
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if head.starts_with(b"GGUF") || resolve::is_adapter(path) {
        return Some(Opened::Model(path.to_owned()));
    }
    match ending.as_str() {
        "safetensors" => path.parent().map(|folder| Opened::Model(folder.to_owned())),
        "jsonl" => head.starts_with(br#"{"package":"#).then(|| Opened::Package(path.to_owned())),
        "toml" => kind_of_toml(path),
        _ => None,
    }
}

fn kind_of_toml(path: &Path) -> Option<Opened> {
    let text = std::fs::read_to_string(path).ok()?;
    let Ok(table) = text.parse::<toml::Table>() else {
        // A slip in it: whoever reads it says the line. By the first word that tells.
        let is_lecture = text.lines().any(|line| line.trim() == "[[scene]]");
        return is_lecture.then(|| Opened::Lecture(path.to_owned()));
    };
    if table.get("scene").is_some_and(toml::Value::is_array) {
        return Some(Opened::Lecture(path.to_owned()));
    }
    if TASKS.iter().any(|key| table.get(*key).is_some_and(toml::Value::is_table)) {
        return Some(Opened::Task(path.to_owned()));
    }
    let is_run = ["objective", "learning_rate", "max_steps", "lora"];
    is_run.iter().any(|key| table.contains_key(*key)).then(|| Opened::RunFile(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    #[test]
    fn a_file_is_told_by_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &[u8]| {
            let path = folder.path().join(name);
            files::write_atomic(&path, text).unwrap();
            path
        };
        let model = file("model.gguf", b"GGUF\x03\0\0\0");
        assert_eq!(kind_of(&model), Some(Opened::Model(model.clone())));
        let lecture = file("monday.toml", b"title = \"Monday\"\n[[scene]]\nview = \"text\"\n");
        assert_eq!(kind_of(&lecture), Some(Opened::Lecture(lecture.clone())));
        let slip = file("slip.lecture.toml", b"title = Monday\n[[scene]]\n");
        assert_eq!(kind_of(&slip), Some(Opened::Lecture(slip.clone())));
        let package = file("tone.coding.jsonl", br#"{"package":{"form":1}}"#);
        assert_eq!(kind_of(&package), Some(Opened::Package(package.clone())));
        let project = file("my/project.toml", b"name = \"my\"");
        let my = folder.path().join("my");
        assert_eq!(kind_of(&project), Some(Opened::Project(my.clone())));
        assert_eq!(kind_of(&my), Some(Opened::Project(my)));
        assert_eq!(kind_of(&file("prompts.jsonl", b"{\"prompt\":\"a\"}")), None);
        assert_eq!(kind_of(&file("notes.txt", b"GG")), None);
        assert_eq!(kind_of(&folder.path().join("nowhere.gguf")), None);
    }

    #[test]
    fn every_sample_file_is_told() {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data");
        for (name, kind) in [
            ("lectures/how-a-language-model-writes.toml", Opened::Lecture as fn(PathBuf) -> Opened),
            ("evaluate/abstracts.toml", Opened::Task),
            ("evaluate/articles.toml", Opened::Task),
            ("evaluate/exam.toml", Opened::Task),
            ("evaluate/judge.toml", Opened::Task),
            ("evaluate/questions.toml", Opened::Task),
            ("evaluate/summaries.toml", Opened::Task),
            ("evaluate/survey.toml", Opened::Task),
            ("media_bias.toml", Opened::RunFile),
            ("rewards/length.toml", Opened::RunFile),
        ] {
            let path = samples.join(name);
            assert_eq!(kind_of(&path), Some(kind(path.clone())), "{name}");
        }
    }
}
