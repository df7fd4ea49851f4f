//! Conversations as files of the project: `chats/<id>.json`, with every version of every answer.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::PromptError;
use super::material::Manner;
use super::record::write_json;
use crate::files;
use crate::llm::generate::AdapterMode;

/// The folder of a project that its conversations are in.
pub const FOLDER: &str = "chats";

/// A conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chat {
    /// Its file's name without the ending.
    #[serde(skip)]
    pub id: String,

    /// RFC 3339 in UTC.
    pub started_at: String,
    pub changed_at: String,
    pub system: String,
    pub turns: Vec<Turn>,
}

/// A question with its answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Turn {
    /// Which of the versions the conversation continues from.
    pub shown: usize,
    pub versions: Vec<Version>,
}

/// One way in which a turn went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Version {
    pub question: String,

    /// What the next question follows.
    pub answer: String,

    /// Which of `said` that is.
    #[serde(skip_serializing_if = "crate::files::is_zero")]
    pub followed: usize,

    /// Every answer to it, without and with an adapter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<Said>,

    /// The model and the settings, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,

    /// What followed this version, where another one is shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<Turn>,
}

/// An answer as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub text: String,
    pub seed: u64,
    pub adapter: AdapterMode,
}

/// How a version came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    pub model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    pub settings: Manner,
}

/// Where a conversation is kept.
pub fn path(project: &Path, id: &str) -> PathBuf {
    project.join(FOLDER).join(format!("{id}.json"))
}

/// All conversations of a project, the latest last, and what is wrong with files that are none.
pub fn list(project: &Path) -> (Vec<Chat>, Vec<String>) {
    let entries = std::fs::read_dir(project.join(FOLDER)).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let (mut chats, mut problems) = (Vec::new(), Vec::new());
    for path in paths.filter(|path| path.extension().is_some_and(|ending| ending == "json")) {
        let Some(id) = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()) else {
            continue;
        };
        let read = std::fs::read(&path).map_err(|err| err.to_string());
        let read = read.and_then(|bytes| {
            serde_json::from_slice::<Chat>(&bytes).map_err(|err| files::without_position(&err))
        });
        match read {
            Ok(chat) if chat.turns.iter().all(is_whole) => chats.push(Chat { id, ..chat }),
            Ok(_) => problems.push(format!("{id}.json has a turn without a version")),
            Err(problem) => problems.push(format!("{id}.json: {problem}")),
        }
    }
    chats.sort_by(|one, other| (&one.changed_at, &one.id).cmp(&(&other.changed_at, &other.id)));
    (chats, problems)
}

fn is_whole(turn: &Turn) -> bool {
    turn.shown < turn.versions.len()
        && turn.versions.iter().all(|version| version.later.iter().all(is_whole))
}

/// Writes a conversation whole.
pub fn write(project: &Path, chat: &Chat) -> Result<(), PromptError> {
    write_json(&path(project, &chat.id), chat)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(question: &str, answer: &str) -> Version {
        Version { question: question.to_owned(), answer: answer.to_owned(), ..Version::default() }
    }

    #[test]
    fn a_conversation_comes_back_with_all_its_versions() {
        let folder = tempfile::tempdir().unwrap();
        let later = vec![Turn { shown: 0, versions: vec![version("And then?", "Rain.")] }];
        let first = Version { later, ..version("Weather?", "Sun.") };
        let turn = Turn { shown: 1, versions: vec![first, version("Weather?", "Clouds.")] };
        let chat = Chat {
            id: "2026-11-29-1".to_owned(),
            changed_at: "2026-11-29".to_owned(),
            turns: vec![turn],
            ..Chat::default()
        };
        write(folder.path(), &chat).unwrap();
        let damaged = folder.path().join(FOLDER).join("b.json");
        files::write_atomic(&damaged, b"{\"turns\": [{}]}").unwrap();
        let (chats, problems) = list(folder.path());
        assert_eq!(chats, [chat]);
        assert_eq!(problems, ["b.json has a turn without a version"]);
    }
}
