//! What the name and the first bytes of a file say about the model that it belongs to.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What PEFT calls an adapter's settings.
pub(crate) const ADAPTER_CONFIG: &str = "adapter_config.json";

/// `name-00002-of-00003.gguf` is part 2.
pub(crate) fn part_number(path: &Path) -> Option<u32> {
    let stem = stem(path);
    let (front, count) = stem.rsplit_once("-of-")?;
    let number = front.get(front.len().checked_sub(5)?..)?;
    (count.len() == 5 && front.as_bytes().get(front.len() - 6) == Some(&b'-'))
        .then(|| number.parse().ok())?
}

/// All parts of a GGUF file: itself, or its siblings of the same name and count.
pub(crate) fn parts_of(path: &Path) -> Vec<PathBuf> {
    let stem = stem(path);
    if part_number(path).is_none() {
        return vec![path.to_owned()];
    }
    let Some((front, count)) = stem.rsplit_once("-of-") else { return vec![path.to_owned()] };
    let front = &front[..front.len() - 5];
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let total: u32 = count.parse().unwrap_or(1).min(1000);
    (1..=total)
        .map(|number| folder.join(format!("{front}{number:05}-of-{count}.gguf")))
        .filter(|part| part.exists())
        .collect()
}

pub(crate) fn is_gguf_name(path: &Path) -> bool {
    has_ending(path, "gguf")
}

/// Whether a GGUF file belongs to a model that lies in another one: the part that looks at pictures, by
/// the name that llama.cpp's users give it or by what its header says, or an adapter.
pub(crate) fn is_beside_a_model(path: &Path) -> bool {
    file_name(path).to_lowercase().contains("mmproj")
        || header_says(path, "general.type", "mmproj")
        || header_says(path, "general.type", "adapter")
        || header_says(path, "general.architecture", "clip")
}

/// Whether a GGUF file begins with a header that has `value` under `key`. Strings stand in it as they
/// are, and what a file is stands among the first.
pub(crate) fn header_says(path: &Path, key: &str, value: &str) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(1 << 12).read_to_end(&mut start));
    let mut wanted = key.as_bytes().to_vec();
    wanted.extend(8_u32.to_le_bytes()); // a string
    wanted.extend((value.len() as u64).to_le_bytes());
    wanted.extend(value.as_bytes());
    read.is_ok()
        && start.starts_with(b"GGUF")
        && start.windows(wanted.len()).any(|part| part == wanted)
}

/// The model that a PEFT folder names as its base.
pub(crate) fn adapter_base(folder: &Path) -> Option<String> {
    let text = std::fs::read(folder.join(ADAPTER_CONFIG)).ok()?; // it is no adapter
    let json: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let base = json["base_model_name_or_path"].as_str()?;
    (!base.is_empty()).then(|| base.to_owned())
}

pub(crate) fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

pub(crate) fn file_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| path.display().to_string())
}
