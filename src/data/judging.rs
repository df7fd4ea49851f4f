//! How pairs are judged in a project: the guideline, whether the strength is asked for, the criteria.
//! `judging.toml` of the project.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files;

pub const FILE: &str = "judging.toml";

/// More criteria than this are not answered with care.
pub const MOST_CRITERIA: usize = 5;

/// The most points that a criterion can give: each is one key.
pub const MOST_POINTS: u8 = 9;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Judging {
    /// What the person is told to look for; part of every verdict.
    pub guideline: String,

    /// Whether it is asked how much better the better answer is.
    pub asks_strength: bool,

    /// Asked beside the verdict.
    #[serde(rename = "criterion", skip_serializing_if = "Vec::is_empty")]
    pub criteria: Vec<Criterion>,
}

/// Something that both answers are judged by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    pub name: String,

    /// Each answer gets 1 to so many points. Without it: which of the two is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<u8>,
}

impl Judging {
    /// What is wrong with it, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.criteria.len() > MOST_CRITERIA {
            return Some(format!(
                "there are {} criteria; at most {MOST_CRITERIA} can be asked",
                self.criteria.len()
            ));
        }
        for (at, criterion) in self.criteria.iter().enumerate() {
            let name = criterion.name.trim();
            if name.is_empty() {
                return Some(format!("criterion {} has no name", at + 1));
            }
            if self.criteria[..at].iter().any(|other| other.name.trim() == name) {
                return Some(format!("two criteria are called “{name}”"));
            }
            if criterion.points.is_some_and(|points| !(2..=MOST_POINTS).contains(&points)) {
                return Some(format!(
                    "“{name}” gives {} points; 2 to {MOST_POINTS} are possible",
                    criterion.points.unwrap_or_default()
                ));
            }
        }
        None
    }

    /// Reads the file of a project. `Ok(None)`: there is none yet.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let Some(text) = files::read_if_there(path)? else { return Ok(None) };
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let judging: Self = toml::from_str(&text).map_err(|err| {
            let (line, what) = files::mistake_in_toml(&text, &err);
            invalid(format!("line {line}: {what}"))
        })?;
        match judging.problem() {
            Some(problem) => Err(invalid(problem)),
            None => Ok(Some(judging)),
        }
    }

    pub fn write(&self, path: &Path) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        files::write_atomic(path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_mistakes_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(Judging::read(&path).unwrap(), None);
        let criterion = |name: &str, points| Criterion { name: name.to_owned(), points };
        let judging = Judging {
            guideline: "Brief is better".to_owned(),
            asks_strength: true,
            criteria: vec![criterion("correct", None), criterion("polite", Some(5))],
        };
        judging.write(&path).unwrap();
        assert_eq!(Judging::read(&path).unwrap(), Some(judging.clone()));
        for (changed, said) in [
            (criterion("correct", None), "two criteria are called “correct”"),
            (criterion(" ", None), "criterion 2 has no name"),
            (criterion("a", Some(1)), "“a” gives 1 points; 2 to 9 are possible"),
        ] {
            let mut wrong = judging.clone();
            wrong.criteria[1] = changed;
            wrong.write(&path).unwrap();
            assert_eq!(Judging::read(&path).unwrap_err().to_string(), said);
        }
    }
}
