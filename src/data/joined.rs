//! Answers of several models in a file each, put together by their prompts, to be compared blind.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::data::forms::candidates::{Candidate, Candidates, MOST_ANSWERS, one_answer};
use crate::data::import::{self, Imported};
use crate::data::table::{self, ImportError, Note, Reading, Report, Row};
use crate::jobs::Progress;

/// What tables are called, packed or not.
const ENDINGS: [&str; 9] =
    [".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".parquet", ".xlsx", ".xls", ".ods"];

/// Prompts with their answers, each with its row: of a file, or of a folder with a file for each model,
/// whose prompts have no row of their own.
///
/// # Errors
/// Those of [`import::candidate_rows`] and of [`candidates`].
pub fn candidate_rows(
    path: &Path,
    progress: &dyn Progress<Reading>,
) -> Result<Imported<(Candidates, Option<Row>)>, ImportError> {
    if path.is_dir() {
        let Imported { items, report } = candidates(path, progress)?;
        let items = items.into_iter().map(|candidates| (candidates, None)).collect();
        return Ok(Imported { items, report });
    }
    let Imported { items, report } = import::candidate_rows(path, progress)?;
    let items = items.into_iter().map(|(candidates, row)| (candidates, Some(row))).collect();
    Ok(Imported { items, report })
}

/// Reads every table of a folder: the answers of one model, which is called as the file, unless its
/// rows name a model.
///
/// Prompts are the same where their words are; one that only one file answers is left out, and the
/// report says how many were.
///
/// # Errors
/// A folder with fewer than two tables, or with more than are compared; a row without a prompt and an
/// answer; a prompt that a file answers twice; files that share no prompt.
pub fn candidates(
    folder: &Path,
    progress: &dyn Progress<Reading>,
) -> Result<Imported<Candidates>, ImportError> {
    let files = tables(folder)?;
    let refuse = |problem: String| ImportError::Unrecognised { path: folder.to_owned(), problem };
    if !(2..=MOST_ANSWERS).contains(&files.len()) {
        return Err(refuse(format!(
            "a folder is expected with a table of answers for each model, 2 to {MOST_ANSWERS} of them; \
             found: {}",
            files.len()
        )));
    }
    let mut all: Vec<Candidates> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut of_first: Option<Report> = None;
    for file in &files {
        let name = name_of(file);
        let mut seen = HashSet::new();
        let report = table::read(file, progress, &mut |report, row| {
            let (prompt, answer) =
                one_answer(&row.fields).map_err(|what| report.error(row.place, None, what))?;
            let words = prompt.words().trim().to_owned();
            if !seen.insert(words.clone()) {
                let problem = "an earlier row of this file has the same prompt, and it cannot be said which \
                               of the two answers is meant";
                return Err(report.error(row.place, None, problem.to_owned()));
            }
            let model = Some(answer.model.unwrap_or_else(|| name.clone()));
            let answer = Candidate { text: answer.text, model };
            let place = *places.entry(words).or_insert(all.len());
            match all.get_mut(place) {
                Some(known) => known.answers.push(answer),
                None => all.push(Candidates { prompt, answers: vec![answer] }),
            }
            Ok(())
        })?;
        of_first.get_or_insert(report);
    }
    let found = all.len();
    all.retain(|of| of.answers.len() >= 2);
    let Some(mut report) = of_first.filter(|_| !all.is_empty()) else {
        return Err(refuse(format!(
            "none of the {found} prompts stands in two of the files. They are compared by their words, \
             letter for letter"
        )));
    };
    folder.clone_into(&mut report.path);
    report.rows = all.len() as u64;
    let note = |what: String| Note { what, column: None, places: Vec::new(), count: 1 };
    let alone = found - all.len();
    if alone > 0 {
        report.notes.push(note(format!(
            "{alone} of {found} prompts stand in one file only, and were left out"
        )));
    }
    let in_some = all.iter().filter(|of| of.answers.len() < files.len()).count();
    if in_some > 0 {
        report.notes.push(note(format!(
            "{in_some} of {} prompts are not answered in every file: the answers that are there are compared",
            all.len()
        )));
    }
    Ok(Imported { items: all, report })
}

/// `smollm2.jsonl.gz` is the model `smollm2`.
fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let lower = name.to_lowercase();
    let end = ENDINGS.iter().find_map(|ending| lower.find(ending));
    name.get(..end.unwrap_or(name.len())).unwrap_or(&name).to_owned()
}

/// The tables of a folder, by name.
fn tables(folder: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let unread = |source| ImportError::Read { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
        if !name.starts_with('.')
            && ENDINGS.iter().any(|ending| name.ends_with(ending))
            && path.is_file()
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::write_atomic;
    use crate::jobs::Quiet;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            write_atomic(&folder.path().join(name), text.as_bytes()).unwrap();
        }
        folder
    }

    fn read(files: &[(&str, &str)]) -> Result<Imported<Candidates>, String> {
        candidates(folder(files).path(), &Quiet).map_err(|err| err.to_string())
    }

    #[test]
    fn answers_are_joined_by_their_prompts_whatever_the_order_and_the_format() {
        let one = "{\"prompt\": \"p\", \"response\": \"x\"}\n{\"prompt\": \"q\", \"response\": \"y\"}\n\
                   {\"prompt\": \"only here\", \"response\": \"z\"}\n";
        let other = "question,answer\nq,yy\np,xx\n";
        let chat = "[{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}, \
                    {\"role\": \"assistant\", \"content\": \"yyy\"}], \"model\": \"third\"}]";
        let files = [("a.jsonl", one), ("b.csv", other), ("c.json", chat), ("notes.txt", "no")];
        let read = read(&files).unwrap();
        let said: Vec<(String, Vec<(&str, &str)>)> = read
            .items
            .iter()
            .map(|of| {
                let answers = of.answers.iter();
                let answers =
                    answers.map(|a| (a.model.as_deref().unwrap_or_default(), a.text.as_str()));
                (of.prompt.words(), answers.collect())
            })
            .collect();
        assert_eq!(said[0], ("p".to_owned(), vec![("a", "x"), ("b", "xx")]));
        assert_eq!(said[1], ("q".to_owned(), vec![("a", "y"), ("b", "yy"), ("third", "yyy")]));
        assert_eq!(said.len(), 2);
        let notes: Vec<String> = read.report.sentences().collect();
        assert_eq!(notes[0], "1 of 3 prompts stand in one file only, and were left out");
        assert!(notes[1].starts_with("1 of 2 prompts are not answered in every file"), "{notes:?}");
    }

    #[test]
    fn what_cannot_be_joined_says_why() {
        let row = |prompt: &str| format!("{{\"prompt\": \"{prompt}\", \"completion\": \"x\"}}\n");
        let said = read(&[("a.jsonl", &row("p"))]).unwrap_err();
        assert!(said.ends_with("2 to 6 of them; found: 1"), "{said}");
        let said = read(&[("a.jsonl", &row("p")), ("b.jsonl", &row("q"))]).unwrap_err();
        assert!(said.contains("none of the 2 prompts stands in two of the files"), "{said}");
        let twice = row("p").repeat(2);
        let said = read(&[("a.jsonl", &twice), ("b.jsonl", &row("p"))]).unwrap_err();
        assert!(said.contains("line 2") && said.contains("the same prompt"), "{said}");
        let empty = "{\"prompt\": \"p\", \"completion\": \" \"}\n";
        let said = read(&[("a.jsonl", &row("p")), ("b.jsonl", empty)]).unwrap_err();
        assert!(said.ends_with("the answer is empty"), "{said}");
        let none = "{\"id\": 1}\n";
        let said = read(&[("a.jsonl", &row("p")), ("b.jsonl", none)]).unwrap_err();
        assert!(said.contains("no prompt with an answer"), "{said}");
    }
}
