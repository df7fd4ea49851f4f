//! Models in several GGUF files, as llama.cpp's `llama-gguf-split` writes them: `name-00001-of-00003.gguf`
//! has the metadata, and each has a part of the tensors.

use std::path::{Path, PathBuf};

/// More than any model has.
const MOST_PARTS: u64 = 10_000;

/// What stands before the number in the name of a part, and of how many parts it is by that name.
fn named(path: &Path) -> Option<(String, usize, usize)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".gguf")?;
    let (front, count) = name.rsplit_once("-of-")?;
    let (front, number) = front.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(number) || !is_number(count) {
        return None;
    }
    Some((front.to_owned(), number.parse().ok()?, count.parse().ok()?))
}

fn path_of(first: &Path, front: &str, number: usize, count: usize) -> PathBuf {
    first.with_file_name(format!("{front}-{number:05}-of-{count:05}.gguf"))
}

/// All files of the model that a path is of, by their names: the path alone where it is a model's only
/// file, or where one is missing.
pub(crate) fn all(path: &Path) -> Vec<PathBuf> {
    let Some((front, _, count)) = named(path).filter(|(_, _, count)| *count as u64 <= MOST_PARTS)
    else {
        return vec![path.to_owned()];
    };
    let all: Vec<PathBuf> =
        (1..=count).map(|number| path_of(path, &front, number, count)).collect();
    let is_whole = !all.is_empty() && all.iter().all(|path| path.is_file());
    if is_whole { all } else { vec![path.to_owned()] }
}

/// The files after the first one, which is to be at `path`. `own`: which it says that it is, from 0 on.
/// Fails with what is wrong, in words.
pub(super) fn others(path: &Path, own: u64, count: u64) -> Result<Vec<PathBuf>, String> {
    if count > MOST_PARTS {
        return Err(format!("it says that there are {count}, more than any model has"));
    }
    let Some((front, _, of)) = named(path).filter(|(_, _, of)| *of as u64 == count) else {
        return Err(format!(
            "there are {count}, and they are found by their names, which have to end in \
             -{:05}-of-{count:05}.gguf and so on, as where they come from",
            own + 1
        ));
    };
    if own != 0 {
        let first = path_of(path, &front, 1, of);
        let first = first.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Err(format!("it is part {} of {count}; open the first, {first}", own + 1));
    }
    let others: Vec<PathBuf> = (2..=of).map(|number| path_of(path, &front, number, of)).collect();
    let missing = others.iter().filter(|path| !path.is_file());
    let missing = missing.filter_map(|path| path.file_name()).map(|name| name.to_string_lossy());
    let missing: Vec<_> = missing.collect();
    if missing.is_empty() {
        return Ok(others);
    }
    let shown = missing[..missing.len().min(3)].join(", ");
    let more = match missing.len().saturating_sub(3) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(format!(
        "of {count}, these are not beside it: {shown}{more}; fetch them into the same folder"
    ))
}

/// What is wrong with a file that is to be the part of this number, from 0 on. `no`: which it says that
/// it is.
pub(super) fn problem_of(part: usize, no: Option<u64>) -> Option<String> {
    if no == Some(part as u64) {
        return None;
    }
    let found = no.map_or_else(|| "none".to_owned(), |no| format!("part {}", no + 1));
    Some(format!("its name says that it is part {}, and its header that it is {found}", part + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_by_their_names() {
        let of = |name: &str| named(Path::new(name));
        assert_eq!(of("a/m-q4-00002-of-00003.gguf"), Some(("m-q4".to_owned(), 2, 3)));
        assert_eq!(of("m.gguf"), None);
        assert_eq!(of("m-2-of-3.gguf"), None);
        let folder = tempfile::tempdir().unwrap();
        let path = |number: usize| path_of(&folder.path().join("x"), "m", number, 2);
        for number in 1..=2 {
            assert_eq!(all(&path(1)), [path(1)], "one of them is missing");
            crate::files::write_atomic(&path(number), b"").unwrap();
        }
        assert_eq!(all(&path(1)), [path(1), path(2)]);
        assert_eq!(all(Path::new("m.gguf")), [PathBuf::from("m.gguf")]);
    }
}
