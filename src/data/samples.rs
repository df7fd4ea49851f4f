//! The sample data, carried in the program, so that the first minute needs no file and no network.

use std::io;
use std::path::{Path, PathBuf};

use crate::data::codebook::Codebook;
use crate::data::import;
use crate::data::pair::{PreferencePair, Text};
use crate::data::table::{self, Row};
use crate::files;

/// `sample_data/prompts.jsonl`, as it is in the repository.
pub const PROMPTS_JSONL: &str = include_str!("../../sample_data/prompts.jsonl");

/// `sample_data/pairs.jsonl`, as it is in the repository.
pub const PAIRS_JSONL: &str = include_str!("../../sample_data/pairs.jsonl");

/// `sample_data/neutral.txt`, as it is in the repository.
const NEUTRAL_TXT: &str = include_str!("../../sample_data/neutral.txt");

/// `sample_data/texts/stories.txt`, as it is in the repository: a text to pretrain a small model on.
pub const STORIES_TXT: &str = include_str!("../../sample_data/texts/stories.txt");
/// `sample_data/headlines.jsonl`, as it is in the repository: 200 invented headlines, each biased or
/// neutral, with its topic.
pub const HEADLINES_JSONL: &str = include_str!("../../sample_data/headlines.jsonl");

/// A task of `sample_data/evaluate`, with the files that it names.
const ABSTRACTS: [(&str, &str); 3] = [
    ("abstracts.csv", include_str!("../../sample_data/evaluate/abstracts.csv")),
    ("contribution.toml", include_str!("../../sample_data/evaluate/contribution.toml")),
    ("abstracts.toml", include_str!("../../sample_data/evaluate/abstracts.toml")),
];

const SURVEY: [(&str, &str); 4] = [
    ("survey.csv", include_str!("../../sample_data/evaluate/survey.csv")),
    ("survey_personas.csv", include_str!("../../sample_data/evaluate/survey_personas.csv")),
    ("survey_marginals.csv", include_str!("../../sample_data/evaluate/survey_marginals.csv")),
    ("survey.toml", include_str!("../../sample_data/evaluate/survey.toml")),
];

/// Puts the task of the 60 sample abstracts into a folder, unless it is there, and says where it is.
/// A file that somebody changed stays as it is.
pub fn put_abstracts(folder: &Path) -> io::Result<PathBuf> {
    put(folder, &ABSTRACTS)?;
    Ok(folder.join("abstracts.toml"))
}

/// The same of the 20 items of the sample survey.
pub fn put_survey(folder: &Path) -> io::Result<PathBuf> {
    put(folder, &SURVEY)?;
    Ok(folder.join("survey.toml"))
}

fn put(folder: &Path, sample: &[(&str, &str)]) -> io::Result<()> {
    for (name, text) in sample {
        let path = folder.join(name);
        if !path.exists() {
            files::write_atomic(&path, text.as_bytes())?;
        }
    }
    Ok(())
}

/// The 60 sample abstracts as rows, with the codes of three people, and the codebook.
pub fn abstracts() -> (Vec<Row>, Codebook) {
    let [(name, csv), (_, codebook), _] = ABSTRACTS;
    let mut rows = Vec::new();
    table::read_text(Path::new(name), csv, &mut |_, row| {
        rows.push(row);
        Ok(())
    })
    .expect("a test reads the sample abstracts");
    let codebook = toml::from_str(codebook).expect("a test reads the sample codebook");
    (rows, codebook)
}

/// Paragraphs on everyday things, which have nothing to do with the pairs.
pub fn neutral() -> impl Iterator<Item = &'static str> {
    NEUTRAL_TXT.split("\n\n").map(str::trim).filter(|text| !text.is_empty())
}

/// 40 questions about scientometrics, open science and reproducibility.
pub fn prompts() -> Vec<Text> {
    import::prompts_from_jsonl(Path::new("sample_data/prompts.jsonl"), PROMPTS_JSONL)
        .expect("a test reads the sample prompts")
}

/// 60 pairs: the chosen answer is short, supported and hedged where it must be.
pub fn pairs() -> Vec<PreferencePair> {
    import::pairs_from_jsonl(Path::new("sample_data/pairs.jsonl"), PAIRS_JSONL)
        .expect("a test reads the sample pairs")
}

/// How many headlines there are.
pub fn headline_count() -> usize {
    HEADLINES_JSONL.lines().count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::data::check;

    #[test]
    fn the_samples_are_whole_and_distinct() {
        let prompts: BTreeSet<String> = prompts().iter().map(Text::words).collect();
        assert_eq!(prompts.len(), 40);
        let pairs = pairs();
        assert_eq!(check::problems(&pairs), []);
        let asked: BTreeSet<String> = pairs.iter().map(|pair| pair.prompt.words()).collect();
        assert_eq!((pairs.len(), asked.len()), (60, 60));
        assert_eq!(neutral().count(), 8);
        assert_eq!(headline_count(), 200);
        let biased = HEADLINES_JSONL.matches("\"biased\"").count();
        assert_eq!((biased, HEADLINES_JSONL.matches("\"neutral\"").count()), (100, 100));
    }

    #[test]
    fn length_alone_does_not_tell_chosen_from_rejected() {
        let word_count = |text: &Text| text.words().split_whitespace().count();
        let mut longer_count = 0;
        for pair in pairs() {
            let counts = [&pair.chosen, &pair.rejected].map(word_count);
            assert!(counts.iter().all(|count| (12..=75).contains(count)), "{counts:?}: {pair:?}");
            longer_count += usize::from(counts[1] > counts[0]);
        }
        assert!((36..=42).contains(&longer_count), "{longer_count} of 60 rejected are longer");
    }
}
