//! Which files of a repository are worth fetching: the weights once, in a format that is read
//! here, and of several GGUF files one. What is left out is said with its reason.

use super::needed;
use super::needed::{has_ending, is_data};
use crate::hub::protocol::repository::{RemoteFile, RepoKind, RepoListing};

/// The ways to have a repository.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices {
    /// Every file that a transformers folder needs, weights last. Empty: there is none.
    pub folder: Vec<RemoteFile>,

    /// The GGUF files, smallest first.
    pub variants: Vec<Variant>,

    /// The files of a dataset that hold rows.
    pub data: Vec<RemoteFile>,
    pub left_out: Vec<(RemoteFile, LeftOut)>,
}

/// One GGUF file: the same weights, stored in its own way.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// `Q4_K_M`; the file's name where that does not tell.
    pub name: String,
    pub file: RemoteFile,

    /// Whether it is read here, or why not.
    pub obstacle: Option<String>,
}

/// Why a file is not fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOut {
    /// Python's pickle: opening one can run any program that its author put in.
    Pickle,

    /// The same weights for other programs: ONNX, TensorFlow, Flax, Core ML, …
    OtherFormat,

    /// The same weights once more, as the authors trained them.
    Copy,

    /// Part of a model that sees pictures or hears.
    OtherPart,

    /// Texts, pictures, code.
    NotNeeded,
}

impl LeftOut {
    /// In one plain sentence.
    pub fn why(self) -> &'static str {
        match self {
            Self::Pickle => {
                "A pickle file: opening one can run any program that its author put inside, so \
                 pickles are never loaded here"
            }
            Self::OtherFormat => "The same weights in a format for other programs",
            Self::Copy => "The same weights a second time",
            Self::OtherPart => "For pictures or sound, which this program does not read",
            Self::NotNeeded => "Not needed to run the model",
        }
    }
}

/// Sorts the files of a listing.
pub fn choices(kind: RepoKind, listing: &RepoListing) -> Choices {
    if kind == RepoKind::Dataset {
        let (data, other): (Vec<_>, Vec<_>) =
            listing.files.iter().cloned().partition(|file| is_data(&file.path));
        let left_out = other.into_iter().map(|file| (file, LeftOut::NotNeeded)).collect();
        return Choices { data, left_out, ..Choices::default() };
    }
    // A repository without safetensors, or without a configuration, is no transformers folder.
    let folder = needed::files_needed(listing).unwrap_or_default();
    let mut variants = Vec::new();
    let mut left_out = Vec::new();
    for file in &listing.files {
        if has_ending(&file.path, "gguf") && !is_other_part(&file.path) {
            variants.push(variant(file));
        } else if !folder.contains(file) {
            left_out.push((file.clone(), reason(&file.path)));
        }
    }
    variants.sort_by(|a, b| (a.file.size, &a.file.path).cmp(&(b.file.size, &b.file.path)));
    left_out.sort_by(|(a, why_a), (b, why_b)| (why_a, &a.path).cmp(&(why_b, &b.path)));
    Choices { folder, variants, data: Vec::new(), left_out }
}

impl Choices {
    /// The variant to take where nobody says otherwise: the usual one of 4 bits, or the best one
    /// that `most_bytes` has room for, or the smallest that is read here.
    pub fn usual_variant(&self, most_bytes: u64) -> Option<usize> {
        const ORDER: [&str; 13] = [
            "Q4_K_M", "Q4_0", "Q4_K_S", "Q4_1", "Q5_K_M", "Q5_0", "Q5_K_S", "Q8_0", "Q6_K",
            "Q3_K_M", "BF16", "F16", "F32",
        ];
        let usable = || self.variants.iter().enumerate().filter(|(_, v)| v.obstacle.is_none());
        let rank = |name: &str| ORDER.iter().position(|known| *known == name);
        let fitting = usable().filter(|(_, variant)| variant.file.size <= most_bytes);
        let best = fitting.min_by_key(|(_, variant)| rank(&variant.name).unwrap_or(ORDER.len()));
        best.or_else(|| usable().next()).map(|(index, _)| index)
    }

    /// Bytes of all files of the transformers folder.
    pub fn folder_bytes(&self) -> u64 {
        self.folder.iter().map(|file| file.size).sum()
    }

    /// Whether the weights are there as pickles and in no other way.
    pub fn is_only_pickle(&self) -> bool {
        let has_pickle = self.left_out.iter().any(|(_, why)| *why == LeftOut::Pickle);
        self.folder.is_empty() && self.variants.is_empty() && has_pickle
    }
}

impl Variant {
    /// What storing weights like this costs, in a few plain words.
    pub fn quality(&self) -> &'static str {
        match self.name.as_str() {
            "F32" | "BF16" | "F16" => "as trained, large",
            "Q8_0" => "as good as the original",
            "Q6_K" => "hardly to be told from the original",
            "Q5_0" | "Q5_1" | "Q5_K_S" | "Q5_K_M" => "very close to the original",
            "Q4_K_M" => "the usual choice: small, and little is lost",
            "Q4_0" | "Q4_1" | "Q4_K_S" | "IQ4_NL" | "IQ4_XS" => {
                "small, a little coarser than Q4_K_M"
            }
            "MXFP4" | "MXFP4_MOE" => "small; gpt-oss was trained so",
            "TQ1_0" | "TQ2_0" => "three values a weight: only for models that were trained so",
            "Q3_K_S" | "Q3_K_M" | "Q3_K_L" => "noticeably coarser",
            "Q2_K" | "Q2_K_S" | "Q2_K_L" => "much coarser: only where nothing else fits",
            _ => "",
        }
    }
}

fn variant(file: &RemoteFile) -> Variant {
    let file_name = file.path.rsplit('/').next().unwrap_or(&file.path);
    let stem = file_name.get(..file_name.len() - ".gguf".len()).unwrap_or(file_name);
    let in_parts = is_part(stem);
    let stem = if in_parts { &stem[..stem.len() - "-00001-of-00002".len()] } else { stem };
    let name = storage_type(stem);
    let obstacle = match &name {
        _ if in_parts => Some(
            "It comes in several parts, which are not fetched together here: fetch them into one folder \
             (hf download) and open the first"
                .to_owned(),
        ),
        Some(name) if !is_computed(name) => {
            Some(format!("Its weights are stored as {name}, which this program does not compute"))
        }
        _ => None,
    };
    let name = name.unwrap_or_else(|| stem.to_owned());
    let name =
        if in_parts { format!("{name} ({})", &file_name[..file_name.len() - 5]) } else { name };
    Variant { name, file: file.clone(), obstacle }
}

/// `model.Q4_K_M` and `model-q4_k_m` are `Q4_K_M`.
fn storage_type(stem: &str) -> Option<String> {
    let upper = stem.to_ascii_uppercase();
    let mut tokens = upper.split(['-', '.', ' ']);
    let is_type = |token: &&str| {
        let plain = ["F32", "F16", "BF16", "FP16", "FP32"].contains(token);
        let starts = ["Q", "IQ", "TQ", "PQ", "MXFP", "NVFP"].iter().any(|start| {
            token.strip_prefix(start).is_some_and(|rest| {
                rest.starts_with(|c: char| c.is_ascii_digit())
                    && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            })
        });
        plain
            || (starts && (token.contains('_') || token.starts_with('M') || token.starts_with('N')))
    };
    let found = tokens.rfind(is_type)?;
    Some(match found {
        "FP16" => "F16".to_owned(),
        "FP32" => "F32".to_owned(),
        other => other.to_owned(),
    })
}

/// Mixtures such as `Q4_K_M` are made of the types that are computed here; the others are not.
fn is_computed(name: &str) -> bool {
    matches!(name, "F32" | "F16" | "BF16")
        || ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"].iter().any(|start| name.starts_with(start))
        || ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL", "IQ4_XS"].contains(&name)
        || ["MXFP4", "MXFP4_MOE", "TQ1_0", "TQ2_0"].contains(&name)
}

/// `model-00001-of-00002`
fn is_part(stem: &str) -> bool {
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((front, count)) = stem.rsplit_once("-of-") else { return false };
    front.rsplit_once('-').is_some_and(|(_, number)| digits(number)) && digits(count)
}

fn reason(path: &str) -> LeftOut {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or(&lower);
    let ends = |endings: &[&str]| endings.iter().any(|ending| has_ending(&lower, ending));
    if ends(&["bin", "pt", "pth", "pkl", "pickle", "ckpt", "joblib"]) {
        LeftOut::Pickle
    } else if is_other_part(&lower) {
        LeftOut::OtherPart
    } else if ends(&[
        "onnx",
        "onnx_data",
        "h5",
        "msgpack",
        "tflite",
        "mlmodel",
        "mlpackage",
        "xml",
        "llamafile",
        "npz",
        "pb",
        "engine",
        "task",
        "litertlm",
    ]) || lower.split('/').any(|part| {
        ["onnx", "openvino", "coreml", "tf", "flax"].contains(&part) || part.ends_with(".mlpackage")
    }) {
        LeftOut::OtherFormat
    } else if ends(&["safetensors"])
        || name.starts_with("consolidated")
        || lower.starts_with("original/")
    {
        LeftOut::Copy
    } else {
        LeftOut::NotNeeded
    }
}

fn is_other_part(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    name.contains("mmproj") || name.contains("imatrix")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::protocol::content_hash::ContentHash;

    fn listing(files: &[(&str, u64)]) -> RepoListing {
        let file = |(path, size): &(&str, u64)| RemoteFile {
            path: (*path).to_owned(),
            size: *size,
            hash: ContentHash::GitBlob("0".repeat(40)),
        };
        let files = files.iter().map(file).collect();
        let kind = RepoKind::Model;
        RepoListing { kind, repo: "ada/small".to_owned(), commit: "1".repeat(40), files }
    }

    #[test]
    fn weights_are_fetched_once_and_never_as_pickles() {
        let listing = listing(&[
            (".gitattributes", 1),
            ("README.md", 1),
            ("config.json", 1),
            ("consolidated.safetensors", 9),
            ("model.safetensors", 9),
            ("onnx/model.onnx", 9),
            ("original/consolidated.00.pth", 9),
            ("pytorch_model.bin", 9),
            ("tf_model.h5", 9),
            ("tokenizer.json", 2),
        ]);
        let choices = choices(RepoKind::Model, &listing);
        let fetched: Vec<&str> = choices.folder.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(fetched, ["config.json", "tokenizer.json", "model.safetensors"]);
        assert_eq!(choices.folder_bytes(), 12);
        let why = |path: &str| choices.left_out.iter().find(|(f, _)| f.path == path).unwrap().1;
        assert_eq!(why("pytorch_model.bin"), LeftOut::Pickle);
        assert_eq!(why("original/consolidated.00.pth"), LeftOut::Pickle);
        assert_eq!(why("consolidated.safetensors"), LeftOut::Copy);
        assert_eq!(why("onnx/model.onnx"), LeftOut::OtherFormat);
        assert_eq!(why("tf_model.h5"), LeftOut::OtherFormat);
        assert_eq!(why("README.md"), LeftOut::NotNeeded);
    }

    #[test]
    fn a_repository_of_pickles_says_so() {
        let choices =
            choices(RepoKind::Model, &listing(&[("config.json", 1), ("pytorch_model.bin", 9)]));
        assert!(choices.is_only_pickle());
        assert_eq!(choices.usual_variant(u64::MAX), None);
    }

    #[test]
    fn of_many_gguf_files_the_usual_one_that_fits_is_taken() {
        let listing = listing(&[
            ("m-IQ3_XXS.gguf", 300),
            ("m-Q2_K.gguf", 350),
            ("m-Q4_0.gguf", 440),
            ("m-Q4_K_M.gguf", 460),
            ("m-Q8_0.gguf", 900),
            ("m-f16-00001-of-00002.gguf", 1700),
            ("mmproj-m-f16.gguf", 90),
        ]);
        let choices = choices(RepoKind::Model, &listing);
        let names: Vec<&str> = choices.variants.iter().map(|v| v.name.as_str()).collect();
        assert_eq!(
            names,
            ["IQ3_XXS", "Q2_K", "Q4_0", "Q4_K_M", "Q8_0", "F16 (m-f16-00001-of-00002)"]
        );
        let usual = |most: u64| names[choices.usual_variant(most).unwrap()];
        assert_eq!(usual(u64::MAX), "Q4_K_M");
        assert_eq!(usual(450), "Q4_0");
        assert_eq!(usual(400), "Q2_K");
        assert_eq!(usual(10), "Q2_K", "nothing fits: the smallest that can be run");
        let obstacle = |index: usize| choices.variants[index].obstacle.as_deref().unwrap_or("");
        assert!(obstacle(0).contains("IQ3_XXS"));
        assert!(obstacle(5).contains("several parts"));
        assert_eq!(choices.left_out[0].1, LeftOut::OtherPart);
    }

    #[test]
    fn a_file_name_tells_how_its_weights_are_stored() {
        let cases = [
            ("SmolLM2-135M-Instruct.Q4_1", Some("Q4_1")),
            ("qwen2.5-0.5b-instruct-q4_k_m", Some("Q4_K_M")),
            ("gemma-3-270m-it-F16", Some("F16")),
            ("gpt-oss-20b-MXFP4", Some("MXFP4")),
            ("model-fp16", Some("F16")),
            ("Qwen3-8B", None),
            ("ggml-model", None),
        ];
        for (stem, expected) in cases {
            assert_eq!(storage_type(stem).as_deref(), expected, "{stem}");
        }
    }

    #[test]
    fn of_a_dataset_the_rows_are_fetched() {
        let listing = listing(&[
            ("README.md", 1),
            ("data/train.jsonl", 5),
            ("data/test.csv", 5),
            ("data/test.tsv", 5),
            ("dataset_dict.json", 1),
            (".cache/rows.jsonl", 1),
            ("data/train-00000-of-00001.parquet", 5),
            ("load.py", 1),
        ]);
        let choices = choices(RepoKind::Dataset, &listing);
        assert_eq!(choices.data.len(), 4);
        assert_eq!(choices.left_out.len(), 4);
        assert_eq!(needed::data_files(&listing).unwrap(), choices.data);
    }
}
