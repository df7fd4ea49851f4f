//! Whether a model on this disk is whole, as far as names and headers tell.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::disk;
use super::model_names::{adapter_base, file_name, has_ending, parts_of};
use crate::files;

/// Whether a GGUF file or a transformers folder is whole as far as names and headers tell, and
/// its size in bytes. The error is a reason, to be shown after its name.
pub fn check(path: &Path) -> Result<u64, String> {
    if path.is_dir() { check_folder(path) } else { check_gguf(path) }
}

fn check_gguf(path: &Path) -> Result<u64, String> {
    let mut magic = [0; 4];
    let mut file = File::open(path).map_err(|error| format!("it cannot be opened ({error})"))?;
    match file.read_exact(&mut magic) {
        Ok(()) if &magic == b"GGUF" => Ok(parts_of(path).iter().map(|p| disk::file_size(p)).sum()),
        Ok(()) if magic == LFS[..4] => {
            Err("it is a pointer of Git LFS, not the model: fetch it with git lfs pull".to_owned())
        }
        Ok(()) if has_ending(path, "safetensors") => {
            Err("it holds weights alone; name the folder that it lies in".to_owned())
        }
        Ok(()) if has_ending(path, "json") => {
            Err("it describes a model or a tokenizer; name the folder that it lies in".to_owned())
        }
        Ok(()) if magic.trim_ascii_start().starts_with(b"<") => Err(
            "it is a web page, not the model: perhaps a page to log in, saved in its place. Fetch it again"
                .to_owned(),
        ),
        Ok(()) => Err("it is not a GGUF file".to_owned()),
        Err(_too_short) => Err("it is empty".to_owned()),
    }
}

fn check_folder(path: &Path) -> Result<u64, String> {
    let config = std::fs::read(path.join("config.json"));
    let config = match config {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(inner) = module_of(path, ".Transformer")
                && inner.join("config.json").is_file()
            {
                return check_folder(&inner);
            }
            // A table of words' vectors has nothing else to say.
            if let Some(table) = module_of(path, ".StaticEmbedding") {
                check_safetensors(&table.join("model.safetensors"))?;
                return Ok(size_of(path));
            }
            return Err(match adapter_base(path) {
                Some(base) => format!("it is an adapter (PEFT) for the model {base}"),
                None => {
                    "it has no config.json, which transformers writes beside the weights".to_owned()
                }
            });
        }
        config => config.map_err(|error| format!("config.json cannot be read ({error})"))?,
    };
    let config =
        files::json_of_python(&config).map_err(|err| damaged("config.json", &config, &err))?;
    if !config.is_object() {
        return Err("config.json is damaged: it is no object".to_owned());
    }
    let weights = weight_files(path, &config)?;
    for file in &weights {
        check_safetensors(file)?;
    }
    Ok(size_of(path))
}

fn size_of(folder: &Path) -> u64 {
    let all = disk::files_below(folder);
    all.iter().filter(|file| file.is_file()).map(|file| disk::file_size(file)).sum()
}

/// Where a folder of sentence-transformers keeps a module of this class: older ones `0_Transformer`, or the folder
/// itself.
fn module_of(path: &Path, class: &str) -> Option<PathBuf> {
    let modules = std::fs::read(path.join("modules.json")).ok()?;
    let modules: serde_json::Value = serde_json::from_slice(&modules).ok()?;
    let is_one = |module: &&serde_json::Value| {
        module["type"].as_str().is_some_and(|kind| kind.ends_with(class))
    };
    let place = modules.as_array()?.iter().find(is_one)?["path"].as_str()?;
    if place.is_empty() || place == "." {
        return Some(path.to_owned());
    }
    (!place.contains(['/', '\\', '.'])).then(|| path.join(place))
}

/// The safetensors files that transformers reads of a folder: what `config.json` names, else
/// `model.safetensors`, else its index's shards. As `llm::files` chooses them.
fn weight_files(path: &Path, config: &serde_json::Value) -> Result<Vec<PathBuf>, String> {
    const INDEX: &str = "model.safetensors.index.json";
    let named = config["transformers_weights"].as_str();
    let single = named.unwrap_or("model.safetensors");
    let (single, index) = if single.ends_with(".index.json") {
        (None, path.join(single))
    } else {
        (Some(path.join(single)), path.join(INDEX))
    };
    if let Some(single) = single.filter(|single| single.exists() || named.is_some()) {
        return Ok(vec![single]);
    }
    if let Ok(bytes) = std::fs::read(&index) {
        let index: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|err| damaged(&file_name(&index), &bytes, &err))?;
        let map = index["weight_map"].as_object();
        let names: BTreeSet<&str> =
            map.into_iter().flat_map(|map| map.values()).filter_map(|name| name.as_str()).collect();
        let missing: Vec<&str> =
            names.iter().copied().filter(|name| !path.join(name).exists()).collect();
        match missing.as_slice() {
            [] => {}
            [one] => return Err(format!("{one} is missing: fetch it into the same folder")),
            [first, ..] => {
                let (count, all) = (missing.len(), names.len());
                return Err(format!(
                    "{count} of its {all} files of weights are missing, {first} and others: fetch them \
                     into the same folder"
                ));
            }
        }
        return Ok(names.iter().map(|name| path.join(name)).collect());
    }
    let Ok(entries) = std::fs::read_dir(path) else { return Err("it cannot be read".to_owned()) };
    let names: BTreeSet<String> =
        entries.filter_map(Result::ok).map(|entry| file_name(&entry.path())).collect();
    let is_pickle = |name: &&String| name.starts_with("pytorch_model") && name.contains(".bin");
    if let Some(pickle) = names.iter().find(is_pickle) {
        return Err(format!(
            "its weights are {pickle}, a pickle, which can run code and is not loaded; convert it in \
             Python: AutoModelForCausalLM.from_pretrained(\"…\").save_pretrained(\"…\") writes \
             model.safetensors"
        ));
    }
    if let Some(part) = names.iter().find(|name| is_part(name)) {
        return Err(format!(
            "its weights are in several files, such as {part}, and model.safetensors.index.json, which \
             says what is in which, is not there: fetch it into the same folder"
        ));
    }
    match names.iter().find(|name| name.ends_with(".safetensors")) {
        Some(other) => Err(format!(
            "it has no model.safetensors; where {other} is the whole model, rename it to that"
        )),
        None => Err("it holds no safetensors file".to_owned()),
    }
}

/// `model-00001-of-00002.safetensors`
fn is_part(name: &str) -> bool {
    let Some(name) = name.strip_suffix(".safetensors") else { return false };
    let count = name.rsplit_once("-of-").map(|(_, count)| count);
    count.is_some_and(|count| {
        count != "00001" && count.len() == 5 && count.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// What a file begins with that stands for another one, which was not fetched.
const LFS: &[u8] = b"version https://git-lfs";

/// A file that is shorter than its own header says was cut off.
fn check_safetensors(path: &Path) -> Result<(), String> {
    let name = file_name(path);
    let damaged = || {
        let mut start = Vec::new();
        let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut start));
        if read.is_ok() && start.starts_with(LFS) {
            format!("{name} is a pointer of Git LFS, not the weights: fetch them with git lfs pull")
        } else if start.trim_ascii_start().starts_with(b"<") {
            format!(
                "{name} is a web page, not the weights: perhaps a page to log in, saved in their place. \
                 Fetch it again"
            )
        } else if start.starts_with(b"{") {
            format!(
                "{name} is what a server answered in place of the weights ({}): perhaps the model asks \
                 to agree to its licence first. Fetch it again",
                String::from_utf8_lossy(&start).trim_end()
            )
        } else {
            format!("{name} is not a safetensors file")
        }
    };
    let unreadable = |err: io::Error| format!("{name} is not a safetensors file: {err}");
    let mut file = File::open(path).map_err(|err| format!("{name} is missing: {err}"))?;
    let size = disk::file_size(path);
    let mut length = [0; 8];
    if size < length.len() as u64 {
        return Err(format!("{name} is cut off: it has {size} bytes"));
    }
    file.read_exact(&mut length).map_err(unreadable)?;
    let length = u64::from_le_bytes(length);
    if length > 100_000_000 || length + 8 > size {
        return Err(damaged());
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(unreadable)?;
    let header: serde_json::Value =
        serde_json::from_slice(&header).map_err(|err| format!("{}: {err}", damaged()))?;
    let tensors = header.as_object().ok_or_else(damaged)?;
    let ends = tensors.values().filter_map(|tensor| tensor["data_offsets"][1].as_u64());
    let expected = 8 + length + ends.max().unwrap_or(0);
    if size < expected {
        return Err(format!("{name} is cut off: {size} of {expected} bytes"));
    }
    Ok(())
}

/// What is wrong with a file that should be JSON.
fn damaged(name: &str, text: &[u8], err: &serde_json::Error) -> String {
    format!("{name} is damaged: {}", files::mistake_in_json(text, err))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As sentence-transformers saves such a model: the table in a folder of its own, and no config.json.
    #[test]
    fn a_table_of_words_needs_no_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            files::write_atomic(&folder.path().join(name), bytes).unwrap();
        };
        let module = json!([{"type": "sentence_transformers.models.StaticEmbedding", "path": "0_StaticEmbedding"}]);
        write("modules.json", module.to_string().as_bytes());
        std::fs::create_dir(folder.path().join("0_StaticEmbedding")).unwrap();
        let said = check(folder.path()).unwrap_err();
        assert!(said.contains("model.safetensors is missing"), "{said}");
        write("0_StaticEmbedding/model.safetensors", b"\x02\0\0\0\0\0\0\0{}");
        assert_eq!(check(folder.path()).unwrap(), 10 + module.to_string().len() as u64);
        let other = json!([{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]);
        write("modules.json", other.to_string().as_bytes());
        assert!(check(folder.path()).unwrap_err().contains("it has no config.json"));
    }
}
