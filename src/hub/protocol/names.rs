//! Which names may become paths and addresses: ids of repositories, and files in a listing.

use std::collections::{BTreeMap, BTreeSet};

use crate::hub::error::Error;
use crate::hub::protocol::repository::RemoteFile;

/// Whether a listed name stays inside the folder that it is put in, on every system.
pub fn is_safe_name(path: &str) -> bool {
    const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
    let is_safe_part = |part: &str| {
        let stem = part.split('.').next().unwrap_or(part).to_ascii_lowercase();
        let numbered = (stem.starts_with("com") || stem.starts_with("lpt"))
            && stem.len() == 4
            && stem.ends_with(|c: char| c.is_ascii_digit());
        !part.is_empty()
            && part.len() <= 255
            && !part.chars().all(|c| c == '.')
            && !part.ends_with([' ', '.'])
            && !part.contains(['\\', ':', '*', '?', '"', '<', '>', '|'])
            && !part.chars().any(char::is_control)
            && !DEVICES.contains(&stem.as_str())
            && !numbered
    };
    path.len() <= 1024 && path.split('/').all(is_safe_part)
}

/// Fails if two of the files could not lie beside each other: the same name, names that differ
/// only by case (one file on Windows and macOS), or a file where another needs a folder.
pub fn check_no_clash(files: &[RemoteFile]) -> Result<(), Error> {
    let mut by_folded_name: BTreeMap<String, &str> = BTreeMap::new();
    let mut folders: BTreeSet<String> = BTreeSet::new();
    for file in files {
        let folded = file.path.to_lowercase();
        for (at, _) in folded.match_indices('/') {
            folders.insert(folded[..at].to_owned());
        }
        if let Some(other) = by_folded_name.insert(folded, &file.path) {
            return Err(Error::Clash { a: other.to_owned(), b: file.path.clone() });
        }
    }
    match by_folded_name.iter().find(|(folded, _)| folders.contains(*folded)) {
        Some((_, name)) => {
            Err(Error::Clash { a: (*name).to_owned(), b: format!("a folder {name}/") })
        }
        None => Ok(()),
    }
}

/// Whether `pattern` fits `path`: `*` is any text (slashes too, as Python's client has it), `?`
/// any one character.
pub fn fits_pattern(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), path.chars().collect());
    let (mut at_pattern, mut at_path) = (0, 0);
    // Where the last star was, and how far the text had come: the place to try again from.
    let mut star: Option<(usize, usize)> = None;
    while at_path < path.len() {
        match pattern.get(at_pattern) {
            Some('*') => {
                star = Some((at_pattern, at_path));
                at_pattern += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == path[at_path] => {
                at_pattern += 1;
                at_path += 1;
            }
            _ => match &mut star {
                Some((star_at, from)) => {
                    *from += 1;
                    (at_pattern, at_path) = (*star_at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|c| *c == '*')
}

/// `name` or `owner/name`, of the characters that the Hub allows.
pub fn check_repo_id(id: &str) -> Result<(), Error> {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.len() <= 96
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && !part.starts_with(['-', '.'])
            && !part.ends_with(['-', '.'])
    };
    let well_formed = id.split('/').count() <= 2
        && id.split('/').all(is_part)
        && !id.contains("--")
        && !id.contains("..");
    if well_formed { Ok(()) } else { Err(Error::BadId { id: id.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use crate::hub::protocol::content_hash::ContentHash;
    use crate::hub::protocol::names::*;

    #[test]
    fn a_pattern_fits_as_a_shell_would_have_it() {
        let cases = [
            ("*.gguf", "small.Q4_0.gguf", true),
            ("*.gguf", "small.gguf.bak", false),
            ("*Q4*", "a/b-Q4_K_M.gguf", true),
            ("data/*.parquet", "data/train/0.parquet", true),
            ("model-0000?-of-*", "model-00001-of-00002.safetensors", true),
            ("config.json", "sub/config.json", false),
            ("*", "", true),
            ("?", "", false),
            ("a*b*c", "a-bb-bc-c", true),
            ("a*b*c", "a-bb-b", false),
        ];
        for (pattern, path, fits) in cases {
            assert_eq!(fits_pattern(pattern, path), fits, "{pattern} {path}");
        }
    }

    #[test]
    fn files_that_cannot_lie_beside_each_other_are_refused() {
        let clash = |paths: &[&str]| {
            let file = |path: &&str| RemoteFile {
                path: (*path).to_owned(),
                size: 1,
                hash: ContentHash::GitBlob("0".repeat(40)),
            };
            check_no_clash(&paths.iter().map(file).collect::<Vec<_>>()).is_err()
        };
        assert!(!clash(&["a", "b/a", "b/c"]));
        assert!(clash(&["config.json", "config.json"]));
        assert!(clash(&["model.safetensors", "Model.safetensors"]));
        assert!(clash(&["data", "data/train.csv"]));
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in ["config.json", "onnx/model.onnx", "a b.txt", ".gitattributes", "com.json"] {
            assert!(is_safe_name(name), "{name}");
        }
        let unsafe_names = [
            "",
            "..",
            "../x",
            "a/../x",
            "/etc/passwd",
            "a//b",
            "C:/x",
            "a\\b",
            "NUL",
            "nul.txt",
            "lpt1",
            "a/con",
            "a\nb",
            "a.",
            "a ",
        ];
        for name in unsafe_names {
            assert!(!is_safe_name(name), "{name}");
        }
    }

    #[test]
    fn ids_that_are_none_are_refused_before_anything_is_asked() {
        for id in ["gpt2", "HuggingFaceTB/SmolLM2-135M-Instruct", "a/b.c_d"] {
            assert!(check_repo_id(id).is_ok(), "{id}");
        }
        for id in ["", "a/b/c", "../b", "a/", "a b/c", "-a/b", "a--b/c", "a/b?x=1"] {
            assert!(check_repo_id(id).is_err(), "{id}");
        }
    }
}
