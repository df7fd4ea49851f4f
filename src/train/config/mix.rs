//! Further files that a run learns from beside `data`, each with its share of the rows: neutral text or the
//! rows of an earlier task against forgetting. Which rows that are: see `rows::mix`.

use std::path::{Path, PathBuf};

pub use super::mix_source::MixSource;
use super::objective::Objective;
use super::settings::TrainConfig;
use crate::data::forms::mapping::Mapping;

/// More is a data set that is better put together by hand.
pub const MOST_SOURCES: usize = 16;

/// What `data` keeps of the rows at least: less is a mistake in the shares.
const LEAST_OF_DATA: f64 = 0.01;

/// A file of a run: `data` is the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Source<'a> {
    pub path: &'a Path,
    pub columns: &'a Mapping,
    pub share: f64,
}

impl TrainConfig {
    /// What `data` has of the rows.
    pub fn share_of_data(&self) -> f64 {
        1.0 - self.mix.iter().map(|source| source.share).sum::<f64>()
    }

    /// The files of the run, with `data` where its own rows lie.
    pub fn sources<'a>(&'a self, data: &'a Path) -> Vec<Source<'a>> {
        let own = Source { path: data, columns: &self.columns, share: self.share_of_data() };
        let more = self.mix.iter().map(|source| {
            let MixSource { data, share, name: _, columns } = source;
            Source { path: data, columns, share: *share }
        });
        std::iter::once(own).chain(more).collect()
    }

    /// What its files are called, `data` first: by their names, with a number where two are the same.
    pub fn source_names(&self) -> Vec<String> {
        let own = (self.data_name.as_str(), self.data.as_path());
        let more = self.mix.iter().map(|source| (source.name.as_str(), source.data.as_path()));
        let mut names: Vec<String> = Vec::new();
        for (name, path) in std::iter::once(own).chain(more) {
            let name = if name.is_empty() { stem(path) } else { name.to_owned() };
            let numbered = (2..).map(|number| format!("{name}-{number}"));
            let mut free = std::iter::once(name.clone()).chain(numbered);
            names.extend(free.find(|name| !names.contains(name)));
        }
        names
    }

    /// The same run with other paths of its files, `data` aside.
    #[must_use]
    pub fn with_mix_at(mut self, path: impl Fn(&Path) -> PathBuf) -> Self {
        for source in &mut self.mix {
            source.data = path(&source.data);
        }
        self
    }

    /// What is wrong with the mix.
    pub(super) fn mix_problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.mix.is_empty() {
            return found;
        }
        let name = self.objective.facts().name;
        if self.objective == Objective::Pretrain {
            found.push(format!(
                "must be left out: {name} reads one text. Put the texts into one file"
            ));
        } else if self.objective.reads_texts() {
            found.push(format!(
                "must be left out: {name} reads one table of texts. Put the rows into one file"
            ));
        }
        if self.mix.len() > MOST_SOURCES {
            let count = self.mix.len();
            found.push(format!("has {count} files, and {MOST_SOURCES} are the most"));
        }
        for source in &self.mix {
            let file = source.data.display();
            if source.data.as_os_str().is_empty() {
                found.push("has an entry without a file: give its `data`".to_owned());
            } else if !(0.001..1.0).contains(&source.share) {
                found.push(format!(
                    "has {file} with a share of {}: it must be between 0.001 and 1, as 0.1 for one row in ten",
                    source.share
                ));
            }
            if let Some(problem) = source.columns.problem() {
                found.push(format!("has columns of {file} that cannot be used: {problem}"));
            }
        }
        let left = self.share_of_data();
        if found.is_empty() && left < LEAST_OF_DATA {
            found.push(format!(
                "has shares that add up to {:.3}, and `data` has the rest, which must be at least \
                 {LEAST_OF_DATA}: make them smaller",
                1.0 - left
            ));
        }
        found
    }
}

fn stem(path: &Path) -> String {
    // `rows.jsonl.gz` is `rows`.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or("data");
    stem.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(mix: &[(&str, f64)]) -> TrainConfig {
        let mix = mix.iter().map(|(path, share)| MixSource::of(PathBuf::from(path), *share));
        TrainConfig {
            objective: Objective::Sft,
            model: "starter".to_owned(),
            data: PathBuf::from("in/instructions.jsonl"),
            mix: mix.collect(),
            ..TrainConfig::suggested(Objective::Sft)
        }
    }

    #[test]
    fn data_has_what_the_others_leave_and_two_files_of_one_name_get_numbers() {
        let config = mixed(&[("a/neutral.jsonl", 0.1), ("b/neutral.csv.gz", 0.15), (".x", 0.05)]);
        assert!((config.share_of_data() - 0.7).abs() < 1e-12);
        let expected = ["instructions", "neutral", "neutral-2", "x"];
        assert_eq!(config.source_names(), expected);
        assert_eq!(config.problems(), []);
    }

    #[test]
    fn every_mistake_in_a_mix_is_named() {
        for (mix, words) in [
            (&[("n.jsonl", 0.0)][..], "a share of 0:"),
            (&[("n.jsonl", f64::NAN)], "a share of NaN:"),
            (&[("n.jsonl", 0.6), ("m.jsonl", 0.4)], "add up to 1.000"),
            (&[("", 0.1)], "without a file"),
        ] {
            let problems = mixed(mix).problems();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].field, "mix");
            assert!(problems[0].message.contains(words), "{}", problems[0].message);
        }
        let of_texts = TrainConfig {
            mix: vec![MixSource::of(PathBuf::from("n.jsonl"), 0.1)],
            model: "starter".to_owned(),
            data: PathBuf::from("d"),
            ..TrainConfig::suggested(Objective::Classify)
        };
        assert!(of_texts.problems()[0].message.contains("one table of texts"));
    }
}
