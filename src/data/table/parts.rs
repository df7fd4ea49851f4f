//! A table in several files: the parts of a data set, as `datasets` (`train-00000-of-00003.parquet`) and
//! others (`part-0.jsonl`, `part-1.jsonl`) write them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What the tables of a folder are to each other.
pub(super) enum Kin {
    /// Parts of one table, in their order.
    Parts(Vec<PathBuf>),

    /// They say that they are parts, and one or more are not there.
    Incomplete(String),

    /// Parts of several tables: the name of each, with its parts.
    Several(BTreeMap<String, usize>),
    Strangers,
}

/// `tables`: at least two, in the folder or in folders of it.
pub(super) fn kin(folder: &Path, tables: &[PathBuf]) -> Kin {
    let mut by_name: BTreeMap<String, Vec<(Vec<u64>, PathBuf)>> = BTreeMap::new();
    for path in tables {
        let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy();
        let (name, numbers) = without_numbers(&name);
        by_name.entry(name).or_default().push((numbers, path.clone()));
    }
    if by_name.len() > 1 {
        let are_parts = by_name.keys().all(|name| name.contains('#'))
            && by_name.values().any(|parts| parts.len() > 1);
        let named = by_name.into_iter().map(|(name, parts)| (stem(&name), parts.len()));
        return if are_parts { Kin::Several(named.collect()) } else { Kin::Strangers };
    }
    let Some((name, mut parts)) = by_name.into_iter().next() else { return Kin::Strangers };
    if !name.contains('#') {
        return Kin::Strangers;
    }
    parts.sort();
    if name.contains("#-of-#")
        && let Some(problem) = missing(folder, &name, &parts)
    {
        return Kin::Incomplete(problem);
    }
    Kin::Parts(parts.into_iter().map(|(_, path)| path).collect())
}

/// What a file says of itself whose name ends in `-00001-of-00003`.
pub(super) fn one_of(path: &Path) -> Option<(u64, u64)> {
    let (name, numbers) = without_numbers(&path.file_name()?.to_string_lossy());
    let [.., at, of] = numbers.as_slice() else { return None };
    (name.contains("-#-of-#") && *of > 1 && at < of).then_some((*at, *of))
}

/// `train-#-of-#.parquet` and its numbers.
fn without_numbers(name: &str) -> (String, Vec<u64>) {
    let (mut words, mut numbers) = (String::new(), Vec::new());
    let mut rest = name;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let digits = &rest[start..];
        let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
        words.push_str(&rest[..start]);
        words.push('#');
        numbers.push(digits[..end].parse().unwrap_or(u64::MAX));
        rest = &digits[end..];
    }
    words.push_str(rest);
    (words, numbers)
}

/// `train` of `data/train-#-of-#.parquet`.
fn stem(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name);
    let stem = name.split('#').next().unwrap_or_default().trim_end_matches(['-', '_', '.', ' ']);
    if stem.is_empty() { name.to_owned() } else { stem.to_owned() }
}

/// Which parts are not there. The last two numbers of a name count them.
fn missing(folder: &Path, name: &str, parts: &[(Vec<u64>, PathBuf)]) -> Option<String> {
    const SHOWN: usize = 3;

    let last_two = |numbers: &[u64]| match numbers {
        [.., at, of] => Some((*at, *of)),
        _ => None,
    };
    let there: Vec<(u64, u64)> =
        parts.iter().filter_map(|(numbers, _)| last_two(numbers)).collect();
    let counts: BTreeSet<u64> = there.iter().map(|(_, of)| *of).collect();
    if counts.len() != 1 {
        return Some("its files are parts of tables of different lengths".to_owned());
    }
    let count = *counts.first()?;
    let at: BTreeSet<u64> = there.iter().map(|(at, _)| *at).collect();
    if count > 1_000_000 || at.len() as u64 == count {
        return None;
    }
    let absent: Vec<u64> = (0..count).filter(|wanted| !at.contains(wanted)).collect();
    let shown = absent.iter().take(SHOWN).map(|at| format!("{at:05}-of-{count:05}"));
    let mut shown = shown.collect::<Vec<_>>().join(", ");
    if absent.len() > SHOWN {
        shown.push_str(&format!(" and {} more", absent.len() - SHOWN));
    }
    let place = folder.file_name().unwrap_or_default().to_string_lossy();
    Some(format!(
        "{} of the {count} parts of the table “{}” are not in “{place}”: {shown}. Fetch them, or choose \
         one file to read that alone",
        absent.len(),
        stem(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Kin {
        let folder = Path::new("set");
        let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
        kin(folder, &paths)
    }

    #[test]
    fn parts_of_one_table_are_known_by_their_names() {
        let Kin::Parts(parts) = of(&["part-10.jsonl", "part-9.jsonl", "part-2.jsonl"]) else {
            panic!("they are parts")
        };
        let order: Vec<String> = parts.iter().map(|path| path.display().to_string()).collect();
        assert_eq!(order, ["set/part-2.jsonl", "set/part-9.jsonl", "set/part-10.jsonl"]);
        let shards = ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"];
        assert!(matches!(of(&shards), Kin::Parts(parts) if parts.len() == 2));
        assert!(matches!(of(&["a.csv", "b.csv"]), Kin::Strangers));
        assert!(matches!(of(&["a1.csv", "a2.json"]), Kin::Strangers), "two forms");
        let Kin::Several(tables) =
            of(&["test-00000-of-00001.parquet", "train-0-of-2.csv", "train-1-of-2.csv"])
        else {
            panic!("they are parts of two")
        };
        assert_eq!(
            tables.into_iter().collect::<Vec<_>>(),
            [("test".into(), 1), ("train".into(), 2)]
        );
    }

    #[test]
    fn a_part_that_is_not_there_is_named() {
        let Kin::Incomplete(problem) =
            of(&["train-00000-of-00004.parquet", "train-00002-of-00004.parquet"])
        else {
            panic!("two are missing")
        };
        assert!(problem.contains("00001-of-00004, 00003-of-00004"), "{problem}");
        assert_eq!(one_of(Path::new("x/train-00001-of-00004.parquet")), Some((1, 4)));
        assert_eq!(one_of(Path::new("x/train-00000-of-00001.parquet")), None);
        assert_eq!(one_of(Path::new("x/part-3.jsonl")), None);
    }
}
