//! A recording: what the scenes of a lecture showed, with what they were asked. On a machine without
//! the model the lecture is shown from it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::FileError;
use super::played::Played;
use super::scene::{Lecture, Scene, View};
use crate::files;

/// What `format` says in a recording that this version writes.
const FORMAT: u32 = 1;

/// The scenes of a lecture with their results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    pub format: u32,

    /// `tuning-fork 0.1.0`.
    pub program: String,
    pub title: String,
    pub scenes: Vec<Recorded>,
}

/// A scene's inputs and results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// As the lecture names it.
    pub model: Option<String>,
    pub adapter: Option<String>,

    /// SHA-256 of the weights that the results are from.
    #[serde(default)]
    pub sha256: String,

    /// The view with its text and settings.
    pub asked: View,
    pub played: Played,
}

impl Recording {
    pub fn new(title: &str) -> Self {
        let program = concat!("tuning-fork ", env!("CARGO_PKG_VERSION")).to_owned();
        Self { format: FORMAT, program, title: title.to_owned(), scenes: Vec::new() }
    }

    /// Adds what a scene showed.
    pub fn push(&mut self, lecture: &Lecture, scene: &Scene, sha256: &str, played: Played) {
        self.scenes.push(Recorded {
            model: scene.model_in(lecture).map(str::to_owned),
            adapter: scene.adapter.clone(),
            sha256: sha256.to_owned(),
            asked: scene.view.clone(),
            played,
        });
    }

    /// What a scene showed, where it was recorded with the same model, text and settings.
    pub fn find(&self, lecture: &Lecture, scene: &Scene) -> Option<&Recorded> {
        let model = scene.model_in(lecture);
        self.scenes.iter().find(|recorded| {
            recorded.model.as_deref() == model
                && recorded.adapter == scene.adapter
                && recorded.asked == scene.view
        })
    }

    /// Whether the whole lecture can be shown from it.
    pub fn covers(&self, lecture: &Lecture) -> bool {
        lecture
            .scenes
            .iter()
            .all(|scene| scene.model_in(lecture).is_none() || self.find(lecture, scene).is_some())
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        let found: Self = serde_json::from_str(text).map_err(|err| err.to_string())?;
        if found.format > FORMAT {
            return Err(format!(
                "it is of format {}, and this version reads {FORMAT}: get a newer version",
                found.format
            ));
        }
        Ok(found)
    }

    pub fn read(path: &Path) -> Result<Self, FileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| FileError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|what| FileError::Recording { path: path.to_owned(), what })
    }

    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let text = serde_json::to_string(self).expect("a recording is texts and numbers");
        files::write_atomic(path, text.as_bytes())
            .map_err(|source| FileError::Write { path: path.to_owned(), source })
    }
}

/// Where a lecture's recording lies: beside its file, `first-steps.recording.json`.
pub fn path_beside(lecture: &Path) -> PathBuf {
    lecture.with_extension("recording.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::tokens::{Piece, TokenView};
    use crate::lecture::file::parse;

    fn lecture() -> Lecture {
        parse("[[scene]]\nview = \"tokens\"\ntext = \"Hi\"\n[[scene]]\nview = \"words\"\n").unwrap()
    }

    fn tokens() -> Played {
        let bytes = Some(b"Hi".to_vec());
        let piece =
            Piece { id: 7, token: "Hi".into(), bytes, special: false, characters: Some(0..2) };
        Played::Tokens(TokenView { pieces: vec![piece], text: None })
    }

    #[test]
    fn a_recording_shows_what_was_shown() {
        let lecture = lecture();
        let mut recording = Recording::new("One");
        assert!(!recording.covers(&lecture));
        recording.push(&lecture, &lecture.scenes[0], "abc", tokens());
        assert!(recording.covers(&lecture), "words need no recording");
        let folder = tempfile::tempdir().unwrap();
        let path = path_beside(&folder.path().join("one.toml"));
        assert_eq!(path.file_name().unwrap(), "one.recording.json");
        recording.write(&path).unwrap();
        let again = Recording::read(&path).unwrap();
        assert_eq!(again, recording);
        assert_eq!(again.find(&lecture, &lecture.scenes[0]).unwrap().played, tokens());
    }

    #[test]
    fn a_scene_that_was_changed_since_is_not_shown_from_it() {
        let mut lecture = lecture();
        let mut recording = Recording::new("One");
        recording.push(&lecture, &lecture.scenes[0], "abc", tokens());
        lecture.scenes[0].title = "Another title".to_owned();
        assert!(recording.covers(&lecture), "a title changes nothing");
        lecture.model = "another".to_owned();
        assert!(!recording.covers(&lecture));
        lecture.model = "starter".to_owned();
        lecture.scenes[0].view = View::Tokens { text: "Hi!".into(), chat: false, ids: false };
        assert!(!recording.covers(&lecture));
    }

    #[test]
    fn what_is_no_recording_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.recording.json");
        files::write_atomic(&path, b"{}").unwrap();
        let said = Recording::read(&path).unwrap_err().to_string();
        assert!(said.contains("is not a recording of this program"), "{said}");
    }
}
