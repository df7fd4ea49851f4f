//! Which files of a listing an order takes: what this program needs, named ones, or those that fit a
//! pattern. Weights come last, so that a half-fetched model is never taken for a whole one.

use std::path::Path;

use super::order::FileChoice;
use crate::hub::cache::local;
use crate::hub::error::Error;
use crate::hub::protocol::names::{check_no_clash, fits_pattern};
use crate::hub::protocol::repository::{RemoteFile, RepoKind, RepoListing};

/// What a transformers folder consists of beside its weights.
pub(super) const SMALL_FILES: [&str; 14] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
];

/// What makes a network a sentence encoder, as sentence-transformers keeps it.
const ENCODER_FILES: [&str; 4] = [
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
];

/// What transformers asks for beside these. Python's cache remembers which of them a commit does
/// not have, so that it need not ask.
pub(super) const OPTIONAL_FILES: [&str; 2] = ["adapter_config.json", INDEX];

const INDEX: &str = "model.safetensors.index.json";

/// The files to fetch of a listing, weights last: safetensors only, in one piece or in shards,
/// without the copies in other formats.
pub fn files_needed(listing: &RepoListing) -> Result<Vec<RemoteFile>, Error> {
    let named = |name: &str| listing.files.iter().find(|file| file.path == name).cloned();
    let small = SMALL_FILES.iter().chain(&ENCODER_FILES);
    let mut files: Vec<RemoteFile> = small.filter_map(|name| named(name)).collect();
    let has_config = files.iter().any(|file| file.path == "config.json");
    let shards = || -> Vec<RemoteFile> {
        let is_shard = |file: &&RemoteFile| {
            file.path.starts_with("model-0") && file.path.ends_with(".safetensors")
        };
        listing.files.iter().filter(is_shard).cloned().collect()
    };
    let weights = match named("model.safetensors") {
        Some(single) => vec![single],
        None if named(INDEX).is_some() => {
            files.extend(named(INDEX));
            shards()
        }
        None => Vec::new(),
    };
    if weights.is_empty() || !has_config {
        return Err(Error::NoWeights { repo: listing.repo.clone() });
    }
    files.extend(weights);
    Ok(files)
}

/// The files of a data set that this program reads.
pub fn data_files(listing: &RepoListing) -> Result<Vec<RemoteFile>, Error> {
    let is_data = |file: &&RemoteFile| is_data(&file.path);
    let files: Vec<RemoteFile> = listing.files.iter().filter(is_data).cloned().collect();
    if files.is_empty() {
        return Err(Error::NoData { repo: listing.repo.clone() });
    }
    Ok(files)
}

/// The files of a listing that were asked for, weights last.
pub fn choose(listing: &RepoListing, choice: &FileChoice) -> Result<Vec<RemoteFile>, Error> {
    let repo = || listing.repo.clone();
    let mut files = match (choice, listing.kind) {
        (FileChoice::Needed, RepoKind::Model) => files_needed(listing)?,
        (FileChoice::Needed, RepoKind::Dataset) => data_files(listing)?,
        (FileChoice::Named(names), _) => {
            let find = |name: &String| {
                let found = listing.files.iter().find(|file| file.path == *name);
                found.cloned().ok_or_else(|| {
                    let known = listing.files.iter().map(|file| file.path.as_str());
                    let near = local::near_matches(name, known);
                    Error::NoSuchFile { repo: repo(), name: name.clone(), near }
                })
            };
            names.iter().map(find).collect::<Result<_, _>>()?
        }
        (FileChoice::Matching(patterns), _) => {
            let fits = |file: &&RemoteFile| patterns.iter().any(|p| fits_pattern(p, &file.path));
            let files: Vec<RemoteFile> = listing.files.iter().filter(fits).cloned().collect();
            if files.is_empty() {
                return Err(Error::NothingFits { repo: repo(), patterns: patterns.join(", ") });
            }
            files
        }
    };
    check_no_clash(&files)?;
    files.sort_by_key(|file| is_weights(&file.path)); // stable: nothing else changes its place
    Ok(files)
}

fn is_weights(path: &str) -> bool {
    let ending = Path::new(path).extension().unwrap_or_default().to_string_lossy();
    ["safetensors", "gguf", "bin", "pt", "pth", "onnx"].contains(&ending.to_lowercase().as_str())
}

/// Whether a file of a data set holds rows: not what describes them, and nothing hidden.
pub(super) fn is_data(path: &str) -> bool {
    const ENDINGS: [&str; 6] = ["jsonl", "json", "csv", "tsv", "parquet", "ndjson"];
    const ABOUT: [&str; 4] =
        ["dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"];
    let name = path.rsplit('/').next().unwrap_or(path);
    ENDINGS.iter().any(|end| has_ending(path, end))
        && !ABOUT.contains(&name)
        && !path.split('/').any(|part| part.starts_with('.'))
}

pub(super) fn has_ending(path: &str, ending: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::protocol::content_hash::ContentHash;

    fn listing(paths: &[&str]) -> RepoListing {
        let file = |path: &&str| RemoteFile {
            path: (*path).to_owned(),
            size: 1,
            hash: ContentHash::GitBlob("0".repeat(40)),
        };
        let files = paths.iter().map(file).collect();
        RepoListing {
            kind: RepoKind::Model,
            repo: "ada/small".to_owned(),
            commit: "1".repeat(40),
            files,
        }
    }

    fn needed(paths: &[&str]) -> Vec<String> {
        let files = files_needed(&listing(paths)).unwrap();
        files.into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn weights_come_once_and_last() {
        let paths = [
            "README.md",
            "config.json",
            "model.safetensors",
            "onnx/model.onnx",
            "pytorch_model.bin",
            "tokenizer.json",
        ];
        assert_eq!(needed(&paths), ["config.json", "tokenizer.json", "model.safetensors"]);
    }

    #[test]
    fn an_encoder_comes_with_how_its_tokens_become_a_vector() {
        let paths = [
            "1_Pooling/config.json",
            "config.json",
            "model.safetensors",
            "modules.json",
            "onnx/model.onnx",
            "pytorch_model.bin",
            "sentence_bert_config.json",
            "tokenizer.json",
        ];
        let expected = [paths[1], paths[7], paths[3], paths[6], paths[0], paths[2]];
        assert_eq!(needed(&paths), expected);
    }

    #[test]
    fn all_shards_come_with_their_index() {
        let shards = [
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
        ];
        assert_eq!(needed(&shards), [shards[0], shards[3], shards[1], shards[2]]);
    }

    #[test]
    fn a_model_of_pickles_alone_is_refused() {
        let listing = listing(&["config.json", "pytorch_model.bin"]);
        assert!(matches!(files_needed(&listing), Err(Error::NoWeights { .. })));
    }
}
