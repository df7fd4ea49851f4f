//! What is sent to a colleague and comes back: one file with a study's items, codebook, guideline and
//! order, and with the codes that were made.
//!
//! JSON Lines: what it is, items, suggestions, then each coder's log as it lies on the disk.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::design::{FORM, Study, StudyError};
use super::folder::{self, Folder, Suggestion};
use super::item::Item;
use super::log::{self, CoderLog, Use};
use crate::files;
use crate::words;

/// How the file of a study for a colleague ends.
pub const ENDING: &str = "coding.jsonl";

/// A file that was read.
#[derive(Clone, Debug, Default)]
pub struct Package {
    pub study: Study,

    /// With their texts in a file for a colleague; in one that comes back, only their digests.
    pub items: Vec<Item>,
    digests: BTreeMap<String, String>,
    pub suggestions: Vec<Suggestion>,
    pub logs: Vec<(String, Vec<u8>)>,
}

/// What a merge has done with one coder's codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Merged {
    pub coder: String,

    /// Verdicts, undos and redos that were not here yet: a line of the log each.
    pub added: usize,

    /// Verdicts that count now.
    pub verdicts: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Package {
        form: u32,
        hash: String,
        study: Box<Study>,
    },
    Item(Item),

    /// Of an item whose text stays at home: id, and the first digits of its SHA-256.
    Digest(String, String),
    Suggestion(Suggestion),

    /// So many lines of the log of this coder follow.
    Log {
        coder: String,
        lines: usize,
    },
}

/// A file for a colleague: everything that is needed to code, and no codes.
pub fn for_colleague(folder: &Folder) -> Vec<u8> {
    let mut bytes = Vec::new();
    push(&mut bytes, &head(folder));
    for item in &folder.items {
        push(&mut bytes, &Line::Item(item.clone()));
    }
    let mut places: Vec<&usize> = folder.suggestions.keys().collect();
    places.sort_unstable();
    for place in places {
        let item = folder.items[*place].id.clone();
        let values = folder.suggestions[place].clone();
        push(&mut bytes, &Line::Suggestion(Suggestion { item, values }));
    }
    bytes
}

/// A file that brings codes back: of these coders, or of all. The texts stay at home.
pub fn with_codes(folder: &Folder, coders: &[String]) -> Result<Vec<u8>, StudyError> {
    let mut bytes = Vec::new();
    push(&mut bytes, &head(folder));
    for item in &folder.items {
        push(&mut bytes, &Line::Digest(item.id.clone(), digest(item)));
    }
    if let Some(coder) = coders.iter().find(|coder| folder.coder(coder).is_none()) {
        let names: Vec<&str> = folder.logs.iter().map(|log| log.coder.as_str()).collect();
        return Err(StudyError::Foreign(format!(
            "the study has no coder “{coder}”; it has {}",
            if names.is_empty() { "none yet".to_owned() } else { names.join(", ") }
        )));
    }
    let wanted = |log: &&CoderLog| coders.is_empty() || coders.contains(&log.coder);
    for log in folder.logs.iter().filter(wanted) {
        let path = log.path();
        let lines = log::bytes(path)
            .map_err(|source| StudyError::Read { path: path.to_owned(), source })?;
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        push(&mut bytes, &Line::Log { coder: log.coder.clone(), lines: count });
        bytes.extend(&lines[..whole(&lines)]);
    }
    Ok(bytes)
}

/// How many bytes of a log are whole lines.
fn whole(lines: &[u8]) -> usize {
    lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

fn head(folder: &Folder) -> Line {
    let study = Box::new(folder.study.clone());
    Line::Package { form: FORM, hash: folder.hash().to_owned(), study }
}

fn push(bytes: &mut Vec<u8>, line: &Line) {
    serde_json::to_writer(&mut *bytes, line).expect("texts and numbers are valid JSON");
    bytes.push(b'\n');
}

fn digest(item: &Item) -> String {
    let bytes = serde_json::to_vec(item).expect("texts and numbers are valid JSON");
    files::sha256_of_bytes(&bytes)[..16].to_owned()
}

/// Reads a file of either sort.
pub fn read(path: &Path) -> Result<Package, StudyError> {
    let bytes =
        std::fs::read(path).map_err(|source| StudyError::Read { path: path.to_owned(), source })?;
    let wrong =
        |line: usize, problem: String| StudyError::Line { path: path.to_owned(), line, problem };
    let mut package = Package::default();
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate();
    let mut hash = None;
    while let Some((index, line)) = lines.next() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let parsed: Line = match serde_json::from_slice(line) {
            Ok(line) => line,
            Err(_) if hash.is_none() => {
                return Err(wrong(
                    index + 1,
                    "this is no coding package: one begins with a line {\"package\": …}, as \
                     “Export” writes it"
                        .to_owned(),
                ));
            }
            Err(err) => return Err(wrong(index + 1, files::without_position(&err))),
        };
        match parsed {
            Line::Package { form, .. } if form > FORM => {
                let said = "it was made by a later version of Tuning Fork; open it with that";
                return Err(wrong(index + 1, said.to_owned()));
            }
            Line::Package { hash: said, study, .. } => {
                if study.hash() != said {
                    let said = "the study in this package was changed after it was exported";
                    return Err(wrong(index + 1, format!("{said}: ask for it again")));
                }
                hash = Some(said);
                package.study = *study;
            }
            Line::Item(item) => {
                package.digests.insert(item.id.clone(), digest(&item));
                package.items.push(item);
            }
            Line::Digest(id, digest) => _ = package.digests.insert(id, digest),
            Line::Suggestion(suggestion) => package.suggestions.push(suggestion),
            Line::Log { coder, lines: count } => {
                let mut log = Vec::new();
                for number in 0..count {
                    let Some((_, line)) = lines.next() else {
                        return Err(wrong(
                            index + 1,
                            format!(
                                "the file ends after {number} of {count} lines of {coder}: it was \
                                 cut off. Ask for it again"
                            ),
                        ));
                    };
                    log.extend(line);
                }
                package.logs.push((coder, log));
            }
        }
    }
    if hash.is_none() {
        return Err(wrong(1, "the file is empty".to_owned()));
    }
    if package.digests.len() != package.study.items {
        return Err(wrong(
            1,
            format!(
                "it has {} of the study's {} items: it was cut off. Ask for it again",
                package.digests.len(),
                package.study.items
            ),
        ));
    }
    Ok(package)
}

/// Makes a study of a package from a colleague, to be coded here.
pub fn unpack(package: Package, path: &Path) -> Result<Folder, StudyError> {
    let Package { study, items, suggestions, .. } = package;
    if items.len() != study.items {
        return Err(StudyError::Foreign(
            "this file brings codes back and has no texts: merge it into the study that it is from"
                .to_owned(),
        ));
    }
    if files::sha256_of_bytes(&folder::items_bytes(&items)) != study.items_sha256 {
        return Err(StudyError::Foreign(
            "the texts in this package were changed after it was exported: ask for it again"
                .to_owned(),
        ));
    }
    let mut made = folder::create(path, study, &items)?;
    if !suggestions.is_empty() {
        made.set_suggestions(suggestions)?;
    }
    Ok(made)
}

/// Takes the codes of a file in. All of them or, with the reason in words, none. `named`: the coder
/// gets this name here, where the file has one coder.
pub fn merge(
    folder: &mut Folder,
    package: &Package,
    named: Option<&str>,
) -> Result<Vec<Merged>, StudyError> {
    if package.study.hash() != folder.hash() {
        return Err(StudyError::Foreign(format!(
            "the file does not belong to this study: {}",
            differences(folder, package).join("; ")
        )));
    }
    if package.logs.is_empty() {
        return Err(StudyError::Foreign(
            "the file has no codes yet: it is the package that was sent to a colleague".to_owned(),
        ));
    }
    if named.is_some() && package.logs.len() > 1 {
        return Err(StudyError::Foreign(format!(
            "the file has the codes of {} coders, and one name cannot stand for all of them",
            package.logs.len()
        )));
    }
    for log in &mut folder.logs {
        log.write_unsaved()?;
    }
    let mut taken: Vec<(PathBuf, Vec<u8>, usize)> = Vec::new();
    let mut done = Vec::new();
    for (coder, lines) in &package.logs {
        let name = named.unwrap_or(coder).trim();
        let lines = match named {
            Some(_) => renamed(lines, name, folder.hash()),
            None => lines.clone(),
        };
        let (path, here) = match folder.coder(name) {
            None => (folder.log_path(name), Vec::new()),
            Some(log) => {
                let path = log.path().to_owned();
                let here = log::bytes(&path)
                    .map_err(|source| StudyError::Read { path: path.clone(), source })?;
                (path, here)
            }
        };
        if here.starts_with(&lines) {
            done.push((name.to_owned(), 0)); // they are here already
            continue;
        }
        if !lines.starts_with(&here) {
            return Err(StudyError::Foreign(format!(
                "{name} has other codes here than in the file. Where these are two people, merge \
                 the file under another name"
            )));
        }
        let count = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
        // The first line of a log says whose it is.
        let said = |bytes: &[u8]| count(bytes).saturating_sub(1);
        let added = said(&lines) - said(&here);
        taken.push((path, lines, added));
        done.push((name.to_owned(), added));
    }
    // Read before anything is written: what cannot be read is not taken.
    let trial = tempfile::tempdir().map_err(|source| write_error(&folder.path, source))?;
    for (number, (path, lines, _)) in taken.iter().enumerate() {
        let place = trial.path().join(format!("{number}.jsonl"));
        files::write_atomic(&place, lines).map_err(|source| write_error(&place, source))?;
        let (_, found) = CoderLog::open(&place, folder.known(), folder.hash(), Use::Read)?;
        if let Some(first) = found.first() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            return Err(StudyError::Foreign(format!(
                "the codes for {name} cannot be read: {first}"
            )));
        }
    }
    for (path, lines, _) in &taken {
        files::write_atomic(path, lines).map_err(|source| write_error(path, source))?;
    }
    folder.read_again()?;
    let merged = done.into_iter().map(|(coder, added)| {
        let verdicts = folder.coder(&coder).map_or(0, |log| log.counting().count());
        Merged { coder, added, verdicts }
    });
    Ok(merged.collect())
}

fn write_error(path: &Path, source: io::Error) -> StudyError {
    StudyError::Write { path: path.to_owned(), source }
}

/// A log under another coder's name.
fn renamed(lines: &[u8], name: &str, hash: &str) -> Vec<u8> {
    let rest = lines.iter().position(|byte| *byte == b'\n').map_or(&[][..], |at| &lines[at + 1..]);
    let mut bytes = CoderLog::header_of(name, hash).into_bytes();
    bytes.push(b'\n');
    bytes.extend(rest);
    bytes
}

/// Why a file is of another study, in words.
fn differences(folder: &Folder, package: &Package) -> Vec<String> {
    let mut found = folder.study.differences(&package.study);
    if package.digests.is_empty() || folder.study.items_sha256 == package.study.items_sha256 {
        return found;
    }
    let mut changed = Vec::new();
    let mut missing = Vec::new();
    for item in &folder.items {
        match package.digests.get(&item.id) {
            None => missing.push(item.id.as_str()),
            Some(theirs) if *theirs != digest(item) => changed.push(item.id.as_str()),
            Some(_) => {}
        }
    }
    let others: Vec<&str> = package
        .digests
        .keys()
        .filter(|id| folder.item_named(id).is_none())
        .map(String::as_str)
        .collect();
    for (ids, one, many, what) in [
        (changed, "item has", "items have", "another text there"),
        (missing, "item is", "items are", "only here"),
        (others, "item is", "items are", "only there"),
    ] {
        if !ids.is_empty() {
            let few = ids.iter().take(5).copied().collect::<Vec<_>>().join(", ");
            let more = if ids.len() > 5 { " and others" } else { "" };
            found.push(format!("{} {what} ({few}{more})", words::counted(ids.len(), one, many)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::folder::tests::{code, made};

    /// Writes `bytes` beside the study and reads them.
    fn sent(folder: &Folder, bytes: &[u8]) -> Result<Package, StudyError> {
        let path = folder.path.join("sent.jsonl");
        files::write_atomic(&path, bytes).unwrap();
        read(&path)
    }

    #[test]
    fn a_package_goes_to_a_colleague_and_comes_back_as_a_second_coder() {
        let (parent, mut home) = made(4);
        code(&mut home, "Ada", &["good", "bad"]);
        let package = sent(&home, &for_colleague(&home)).unwrap();
        assert!(package.logs.is_empty()); // no colleague sees what Ada said
        let mut away = unpack(package, &parent.path().join("away")).unwrap();
        assert_eq!(away.hash(), home.hash());
        assert_eq!(away.plan("Ben"), home.plan("Ben"));
        code(&mut away, "Ben", &["good", "neither", "bad"]);
        let back = with_codes(&away, &[]).unwrap();
        assert!(!String::from_utf8_lossy(&back).contains("This is text"));
        let merged = merge(&mut home, &sent(&away, &back).unwrap(), None).unwrap();
        assert_eq!(merged, [Merged { coder: "Ben".to_owned(), added: 3, verdicts: 3 }]);
        // Once more changes nothing; later codes are added.
        let again = merge(&mut home, &sent(&away, &back).unwrap(), None).unwrap();
        assert_eq!(again[0].added, 0);
        code(&mut away, "Ben", &["", "", "", "bad"]);
        let later = sent(&away, &with_codes(&away, &["Ben".to_owned()]).unwrap()).unwrap();
        assert_eq!(merge(&mut home, &later, None).unwrap()[0].verdicts, 4);
        assert_eq!(home.coder("Ada").unwrap().counting().count(), 2);
        assert_eq!(home.coder("Ben").unwrap().history(), away.coder("Ben").unwrap().history());
    }

    #[test]
    fn what_does_not_belong_is_refused_with_the_difference_and_nothing_is_taken() {
        let (_parent, mut home) = made(3);
        let back = |folder: &Folder| sent(folder, &with_codes(folder, &[]).unwrap()).unwrap();
        let other = tempfile::tempdir().unwrap();
        let changed = |name: &str, change: &dyn Fn(&mut Study, &mut Vec<Item>)| {
            let mut study = home.study.clone();
            let mut items = home.items.clone();
            change(&mut study, &mut items);
            let mut folder = folder::create(&other.path().join(name), study, &items).unwrap();
            code(&mut folder, "Ben", &["good"]);
            back(&folder)
        };
        let cases = [
            (
                changed("text", &|_, items| items[1].text.push('!')),
                "1 item has another text there (i2)",
            ),
            (changed("fewer", &|_, items| _ = items.pop()), "1 item is only here (i3)"),
            (
                changed("label", &|study, _| {
                    study.codebook.variables[0].classes[0].label = "fine".to_owned();
                }),
                "the label “good” of “tone” is missing there",
            ),
            (changed("seed", &|study, _| study.seed = 99), "the seed is 7 here and 99 there"),
        ];
        for (package, words) in cases {
            let said = merge(&mut home, &package, None).unwrap_err().to_string();
            assert!(said.contains(words), "{said}");
            assert!(home.logs.is_empty());
        }
    }

    #[test]
    fn two_people_of_one_name_are_kept_apart() {
        let (parent, mut home) = made(3);
        let package = sent(&home, &for_colleague(&home)).unwrap();
        let mut away = unpack(package, &parent.path().join("away")).unwrap();
        code(&mut home, "coder 1", &["good"]);
        code(&mut away, "coder 1", &["bad"]);
        let back = sent(&away, &with_codes(&away, &[]).unwrap()).unwrap();
        let said = merge(&mut home, &back, None).unwrap_err().to_string();
        assert!(said.contains("merge the file under another name"), "{said}");
        merge(&mut home, &back, Some("coder 2")).unwrap();
        let names: Vec<&str> = home.logs.iter().map(|log| log.coder.as_str()).collect();
        assert_eq!(names, ["coder 1", "coder 2"]);
    }

    #[test]
    fn a_damaged_file_says_what_is_wrong() {
        let (parent, mut home) = made(3);
        code(&mut home, "Ada", &["good", "bad", "bad"]);
        let whole = with_codes(&home, &[]).unwrap();
        let cut = sent(&home, &whole[..whole.len() - 200]).unwrap_err().to_string();
        assert!(cut.contains("it was cut off"), "{cut}");
        let no = sent(&home, b"id,text\n1,a\n").unwrap_err().to_string();
        assert!(no.contains("this is no coding package"), "{no}");
        let text = String::from_utf8(for_colleague(&home)).unwrap();
        let other = sent(&home, text.replace("text number 2", "text 2").as_bytes()).unwrap();
        let said = unpack(other, &parent.path().join("x")).unwrap_err().to_string();
        assert!(said.contains("were changed after it was exported"), "{said}");
        let back = sent(&home, &whole).unwrap();
        let said = unpack(back, &parent.path().join("y")).unwrap_err().to_string();
        assert!(said.contains("merge it into the study"), "{said}");
        let said = with_codes(&home, &["Eve".to_owned()]).unwrap_err().to_string();
        assert!(said.contains("no coder “Eve”; it has Ada"), "{said}");
    }
}
