//! Sampling settings under a name: three that are ready, and those of the project in `presets.toml`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{PromptError, listed};
use crate::files;
use crate::llm::generate::sampling::{ChainOrder, SamplingParams};

/// The file of a project that holds its presets.
pub const FILE: &str = "presets.toml";

/// Settings under a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preset {
    pub name: String,
    #[serde(flatten)]
    pub sampling: SamplingParams,
}

#[derive(Default, Serialize, Deserialize)]
struct Written {
    #[serde(default, rename = "preset")]
    presets: Vec<Preset>,
}

/// Everything off: what the others are made of.
const PLAIN: SamplingParams = SamplingParams {
    greedy: false,
    temperature: 1.0,
    top_k: 0,
    top_p: 1.0,
    min_p: 0.0,
    typical_p: 1.0,
    repetition_penalty: 1.0,
    no_repeat_ngram_size: 0,
    order: ChainOrder::Transformers,
};

/// Those that are always there, with what they are, in a sentence.
pub fn ready() -> [(Preset, &'static str); 3] {
    let preset = |name: &str, sampling| Preset { name: name.to_owned(), sampling };
    [
        (
            preset("greedy", SamplingParams { greedy: true, ..PLAIN }),
            "The likeliest token each time, without a penalty: what transformers does by itself \
             (do_sample=False)",
        ),
        (
            // `GenerationConfig._get_default_generation_params` of transformers 5.23.
            preset("transformers", SamplingParams { top_k: 50, ..PLAIN }),
            "transformers' defaults with do_sample=True: temperature 1, top-k 50",
        ),
        (
            // `common_params_sampling` in llama.cpp's common.h.
            preset(
                "llama.cpp",
                SamplingParams {
                    temperature: 0.8,
                    top_k: 40,
                    top_p: 0.95,
                    min_p: 0.05,
                    order: ChainOrder::LlamaCpp,
                    ..PLAIN
                },
            ),
            "llama.cpp's defaults, in its order: top-k 40, top-p 0.95, min-p 0.05, temperature 0.8",
        ),
    ]
}

fn path(project: &Path) -> PathBuf {
    project.join(FILE)
}

/// The project's own, in the order of the file.
pub fn read(project: &Path) -> Result<Vec<Preset>, PromptError> {
    let path = path(project);
    let text = files::read_if_there(&path).map_err(|source| PromptError::Read { path, source })?;
    let text = text.unwrap_or_default();
    let written: Written = toml::from_str(&text).map_err(|err| {
        let (line, what) = files::mistake_in_toml(&text, &err);
        PromptError::Toml { line, what: format!("{FILE}: {what}") }
    })?;
    Ok(written.presets)
}

/// One by its name, of the project or ready-made.
pub fn find(name: &str, own: &[Preset]) -> Result<SamplingParams, PromptError> {
    let ready = ready().map(|(preset, _)| preset);
    let found = own.iter().chain(&ready).find(|preset| preset.name == name);
    found.map(|preset| preset.sampling.clone()).ok_or_else(|| {
        let known = listed(ready.iter().chain(own).map(|preset| preset.name.as_str()));
        PromptError::NoPreset { name: name.to_owned(), known }
    })
}

/// Adds one to the project's file. A name that is taken is refused.
pub fn add(project: &Path, preset: Preset) -> Result<Vec<Preset>, PromptError> {
    let mut presets = read(project)?;
    let is_taken = ready().iter().any(|(ready, _)| ready.name == preset.name)
        || presets.iter().any(|known| known.name == preset.name);
    if is_taken {
        return Err(PromptError::PresetTaken { name: preset.name });
    }
    presets.push(preset);
    write(project, presets)
}

/// Takes one out of the project's file.
pub fn remove(project: &Path, name: &str) -> Result<Vec<Preset>, PromptError> {
    let mut presets = read(project)?;
    presets.retain(|preset| preset.name != name);
    write(project, presets)
}

fn write(project: &Path, presets: Vec<Preset>) -> Result<Vec<Preset>, PromptError> {
    let path = path(project);
    let written = Written { presets };
    let text = toml::to_string(&written).expect("names and numbers are valid TOML");
    files::write_atomic(&path, text.as_bytes())
        .map_err(|source| PromptError::Write { path, source })?;
    Ok(written.presets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_comes_back_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let mine = SamplingParams { temperature: 0.3, ..SamplingParams::default() };
        let preset = Preset { name: "For the class".to_owned(), sampling: mine.clone() };
        add(folder.path(), preset.clone()).unwrap();
        let own = read(folder.path()).unwrap();
        assert_eq!(find("For the class", &own).unwrap(), mine);
        let again = add(folder.path(), preset).unwrap_err().to_string();
        assert!(again.contains("already"), "{again}");
        assert!(remove(folder.path(), "For the class").unwrap().is_empty());
    }

    /// transformers 5.23's `GenerationConfig._get_default_generation_params()`: temperature 1.0,
    /// `top_k` 50, `top_p` 1.0, `typical_p` 1.0, `repetition_penalty` 1.0. llama.cpp's common.h: temp
    /// 0.80, `top_k` 40, `top_p` 0.95, `min_p` 0.05, `penalty_repeat` 1.00.
    #[test]
    fn the_ready_made_ones_are_the_libraries_defaults() {
        let transformers = find("transformers", &[]).unwrap();
        assert_eq!(
            (transformers.temperature, transformers.top_k, transformers.top_p),
            (1.0, 50, 1.0)
        );
        assert_eq!((transformers.typical_p, transformers.repetition_penalty), (1.0, 1.0));
        let llama = find("llama.cpp", &[]).unwrap();
        assert_eq!(
            (llama.temperature, llama.top_k, llama.top_p, llama.min_p),
            (0.8, 40, 0.95, 0.05)
        );
        assert_eq!((llama.repetition_penalty, llama.order), (1.0, ChainOrder::LlamaCpp));
        assert!(find("greedy", &[]).unwrap().is_greedy());
        let unknown = find("hot", &[]).unwrap_err().to_string();
        assert!(unknown.contains("\"greedy\", \"transformers\", \"llama.cpp\""), "{unknown}");
    }
}
