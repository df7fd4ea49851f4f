//! What sentence-transformers' files say: how a text is cut, and how its tokens become one vector.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::after::{self, After};
use super::error::Error;
use super::gguf;
use super::messages::Messages;
use super::model::TokenizerSettings;
use super::module_file::{read_json, setting, settings_path};
use super::pooling::{Pooling, Poolings};
use super::word_table;
use crate::llm;
use crate::llm::files::gguf::GgufFile;

/// Everything but the network, the weights and the tokens.
pub(super) struct SentenceConfig {
    /// Where the network lies: the folder itself, or one inside it.
    pub network: PathBuf,
    pub pooling: Poolings,

    /// What is done with a text's vector, in this order.
    pub after: Vec<After>,

    /// Tokens of a text that are read. `None`: as many as the network reads.
    pub most_tokens: Option<usize>,

    /// What is put before a text, if a person names nothing else.
    pub default_prompt: Option<String>,

    /// What sentence-transformers' `encode_query` and `encode_document` put before a text.
    pub question_prompt: Option<String>,
    pub text_prompt: Option<String>,

    /// Whether a prompt's tokens take part in the vector.
    pub includes_prompt: bool,

    /// Whether texts are made lower case before the tokenizer sees them.
    pub lowers_case: bool,

    /// Whether there is no network: words have vectors, and a text's is their mean.
    pub is_table: bool,

    /// Whether a decoder reads a text as a message, and a prompt as the one before it.
    pub messages: Option<Messages>,
}

impl SentenceConfig {
    /// `folder`: one, or the path of a GGUF file.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        if gguf::is_gguf(folder) {
            return Ok(Self {
                network: folder.to_owned(),
                pooling: Poolings::one(pooling_of_gguf(folder)?),
                after: Vec::new(),
                most_tokens: None,
                default_prompt: None,
                question_prompt: None,
                text_prompt: None,
                includes_prompt: true,
                lowers_case: false,
                is_table: false,
                messages: None,
            });
        }
        let Modules { network, pooling, mut after, includes_prompt, is_table } = modules(folder)?;
        after.extend(kept(folder)?.map(After::First));
        // Where there is no network, nothing is said of one.
        let (most_tokens, lowers_case) = if is_table { (None, false) } else { cut(&network)? };
        let default_prompt = default_prompt(folder)?;
        let named = |names: &[&str]| named_prompt(folder, names, default_prompt.as_deref());
        let question_prompt = named(&["query"])?;
        let text_prompt = named(&["document", "passage", "corpus"])?;
        let messages = if is_table { None } else { Messages::read(&network)? };
        Ok(Self {
            network,
            pooling,
            after,
            most_tokens,
            default_prompt,
            question_prompt,
            text_prompt,
            includes_prompt,
            lowers_case,
            is_table,
            messages,
        })
    }
}

/// What llama.cpp's converter keeps of the modules; without it, the mean, as of a folder.
fn pooling_of_gguf(path: &Path) -> Result<Pooling, Error> {
    let file = GgufFile::open(path).map_err(llm::Error::from)?;
    match file.of_architecture("pooling_type") {
        None | Some(0 | 1) => Ok(Pooling::Mean),
        Some(2) => Ok(Pooling::Cls),
        Some(3) => Ok(Pooling::Last),
        Some(other) => {
            let expected = "computed here is 0 or 1 (mean), 2 (cls) or 3 (last)";
            Err(setting(path, "pooling_type", &json!(other), expected))
        }
    }
}

/// Whether a folder of sentence-transformers has vectors of words alone.
pub(super) fn is_table(folder: &Path) -> bool {
    folder.join(MODULES).is_file() && modules(folder).is_ok_and(|modules| modules.is_table)
}

/// Where the network lies, and what follows it.
struct Modules {
    network: PathBuf,
    pooling: Poolings,
    after: Vec<After>,
    includes_prompt: bool,
    is_table: bool,
}

fn modules(folder: &Path) -> Result<Modules, Error> {
    let path = folder.join(MODULES);
    let mut found = Modules {
        network: folder.to_owned(),
        pooling: Poolings::one(Pooling::Mean),
        after: Vec::new(),
        includes_prompt: true,
        is_table: false,
    };
    if !path.is_file() {
        return Ok(found);
    }
    for module in read_json(&path)?.as_array().map(Vec::as_slice).unwrap_or_default() {
        let kind = module["type"].as_str().unwrap_or_default();
        let kind = kind.rsplit('.').next().unwrap_or_default();
        let place = module["path"].as_str();
        let inside = place.map_or_else(|| folder.to_owned(), |place| folder.join(place));
        match kind {
            // Older folders keep it in a folder of its own, 0_Transformer.
            "Transformer" => found.network = inside,
            word_table::KIND => (found.network, found.is_table) = (inside, true),
            "Pooling" => {
                let path = folder.join(place.unwrap_or("1_Pooling")).join("config.json");
                found.pooling = pooling(&path)?;
                let included = read_json(&path)?.get("include_prompt").and_then(Value::as_bool);
                found.includes_prompt = included != Some(false);
            }
            _ => {
                let Some(step) = after::read(kind, &inside)? else {
                    let known = after::KINDS.join(", ");
                    let expected =
                        format!("computed here are Transformer, StaticEmbedding, Pooling, {known}");
                    return Err(setting(&path, "type", &module["type"], &expected));
                };
                found.after.push(step);
            }
        }
    }
    Ok(found)
}

pub(super) const MODULES: &str = "modules.json";

/// The files of the modules after the network: what they hold changes vectors.
pub(super) fn module_files(folder: &Path) -> Vec<PathBuf> {
    let json = read_json(&folder.join(MODULES)).unwrap_or_default();
    let places = json.as_array().into_iter().flatten().filter_map(|module| module["path"].as_str());
    let places = places.filter(|place| !place.is_empty());
    places
        .flat_map(|place| {
            ["config.json", "model.safetensors"].map(|name| folder.join(place).join(name))
        })
        .filter(|path| path.is_file())
        .collect()
}

/// Older files have a switch for each mode, newer ones a name or a list of names. The vectors of
/// several modes stand one after the other: in the order of the list, of the switches in a fixed one.
fn pooling(path: &Path) -> Result<Poolings, Error> {
    const SWITCHES: [&str; 6] = [
        "cls_token",
        "max_tokens",
        "mean_tokens",
        "mean_sqrt_len_tokens",
        "weightedmean_tokens",
        "lasttoken",
    ];

    let config = read_json(path)?;
    let on: Vec<&str> = match config.get("pooling_mode") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => {
            let is_on = |key: &str| config.get(key).and_then(Value::as_bool) == Some(true);
            let known = SWITCHES.into_iter().filter(|mode| is_on(&format!("pooling_mode_{mode}")));
            let mut on: Vec<&str> = known.collect();
            let switches = config.as_object().into_iter().flatten().map(|(key, _)| key);
            let others = switches.filter(|key| is_on(key));
            let others = others.filter_map(|key| key.strip_prefix("pooling_mode_"));
            on.extend(others.filter(|mode| !SWITCHES.contains(mode)));
            on
        }
    };
    let mode = |name: &&str| match *name {
        "mean" | "mean_tokens" => Some(Pooling::Mean),
        "cls" | "cls_token" => Some(Pooling::Cls),
        "max" | "max_tokens" => Some(Pooling::Max),
        "lasttoken" => Some(Pooling::Last),
        "mean_sqrt_len_tokens" => Some(Pooling::MeanSqrtLen),
        "weightedmean" | "weightedmean_tokens" => Some(Pooling::WeightedMean),
        _ => None,
    };
    let modes: Option<Vec<Pooling>> = on.iter().map(mode).collect();
    match modes.map(Poolings::of) {
        Some(Some(poolings)) => Ok(poolings),
        Some(None) => Ok(Poolings::one(Pooling::Mean)),
        None => {
            let expected = "computed here are mean, cls, max, lasttoken, mean_sqrt_len_tokens and \
                            weightedmean";
            Err(setting(path, "pooling_mode", &json!(on), expected))
        }
    }
}

/// What sentence-transformers says of the whole folder, and where; without that file, nothing.
fn own_settings(folder: &Path) -> Result<(PathBuf, Value), Error> {
    let path = folder.join("config_sentence_transformers.json");
    let config = if path.is_file() { read_json(&path)? } else { Value::Null };
    Ok((path, config))
}

/// sentence-transformers' `default_prompt_name`: which of the named prompts stands before a text.
pub(super) fn default_prompt(folder: &Path) -> Result<Option<String>, Error> {
    let (path, config) = own_settings(folder)?;
    let Some(name) = config.get("default_prompt_name").filter(|name| !name.is_null()) else {
        return Ok(None);
    };
    let prompts = config.get("prompts").and_then(Value::as_object);
    let prompt = name.as_str().and_then(|name| prompts?.get(name)?.as_str());
    if let Some(prompt) = prompt {
        Ok((!prompt.is_empty()).then(|| prompt.to_owned()))
    } else {
        let names: Vec<&str> =
            prompts.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let expected = format!("one of its prompts was expected: {}", names.join(", "));
        Err(setting(&path, "default_prompt_name", name, &expected))
    }
}

/// sentence-transformers' `truncate_dim`.
fn kept(folder: &Path) -> Result<Option<usize>, Error> {
    let (path, config) = own_settings(folder)?;
    let Some(told) = config.get("truncate_dim").filter(|told| !told.is_null()) else {
        return Ok(None);
    };
    let size = told.as_u64().filter(|size| *size > 0);
    let expected = "a whole number of at least 1 was expected";
    size.map(|size| Some(size as usize))
        .ok_or_else(|| setting(&path, "truncate_dim", told, expected))
}

/// The first of these prompts that the folder has; without any, what stands before every text.
fn named_prompt(
    folder: &Path,
    names: &[&str],
    default: Option<&str>,
) -> Result<Option<String>, Error> {
    let (_, config) = own_settings(folder)?;
    let found = names.iter().find_map(|name| config["prompts"].get(name)?.as_str());
    Ok(found.or(default).filter(|prompt| !prompt.is_empty()).map(str::to_owned))
}

/// Where sentence-transformers cuts texts, and whether it makes them lower case.
/// How many tokens of a text the settings of a network let it read, else those of its tokenizer; and
/// whether texts are lower-cased.
pub(super) fn cut(folder: &Path) -> Result<(Option<usize>, bool), Error> {
    let of_tokenizer = || TokenizerSettings::of(folder).longest;
    let Some(path) = settings_path(folder) else { return Ok((of_tokenizer(), false)) };
    let config = read_json(&path)?;
    let most = config.get("max_seq_length").and_then(Value::as_u64);
    let lowers = config.get("do_lower_case").and_then(Value::as_bool) == Some(true);
    // Two tokens begin and end a text.
    Ok((most.map(|most| (most as usize).max(2)).or_else(of_tokenizer), lowers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    fn folder(files: &[(&str, Value)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in files {
            let text = value.to_string();
            files::write_atomic(&folder.path().join(name), text.as_bytes()).unwrap();
        }
        folder
    }

    fn read(files: &[(&str, Value)]) -> Result<SentenceConfig, Error> {
        SentenceConfig::read(folder(files).path())
    }

    fn refused(files: &[(&str, Value)]) -> String {
        read(files).err().expect("it is refused").to_string()
    }

    #[test]
    fn sentence_transformers_files_are_honoured() {
        let plain = read(&[]).unwrap();
        assert_eq!((plain.pooling, plain.after.len()), (Poolings::one(Pooling::Mean), 0));
        assert_eq!(plain.most_tokens, None);
        let modules = json!([
            {"type": "sentence_transformers.models.Transformer", "path": ""},
            {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
            {"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"},
        ]);
        let switches = json!({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false});
        for (pooling, expected) in [
            (switches, Pooling::Cls),
            (json!({"pooling_mode": "mean"}), Pooling::Mean),
            (json!({"pooling_mode": "cls"}), Pooling::Cls),
            (json!({"pooling_mode_max_tokens": true}), Pooling::Max),
            (json!({"pooling_mode_lasttoken": true}), Pooling::Last),
        ] {
            let found = read(&[
                ("modules.json", modules.clone()),
                ("1_Pooling/config.json", pooling),
                ("sentence_bert_config.json", json!({"max_seq_length": 256})),
            ])
            .unwrap();
            assert_eq!(found.pooling, Poolings::one(expected));
            assert!(matches!(found.after[..], [After::Normalize]));
            assert_eq!(found.most_tokens, Some(256));
        }
    }

    #[test]
    fn what_is_not_computed_is_refused_with_its_place() {
        let bow = json!([{"type": "sentence_transformers.models.WordWeights", "path": "2_W"}]);
        let said = refused(&[("modules.json", bow)]);
        assert!(said.contains("WordWeights") && said.contains("Dense"), "{said}");
        let modules = json!([{"type": "a.Pooling", "path": "1_Pooling"}]);
        let other = json!({"pooling_mode": ["max", "median"]});
        let files = [("modules.json", modules), ("1_Pooling/config.json", other)];
        assert!(refused(&files).contains("median"));
    }

    #[test]
    fn several_poolings_stand_one_after_the_other() {
        let modules = json!([{"type": "a.Pooling", "path": "1_Pooling"}]);
        let of = |pooling: Value| {
            let files = [("modules.json", modules.clone()), ("1_Pooling/config.json", pooling)];
            read(&files).unwrap().pooling
        };
        let both = |modes: [Pooling; 2]| Poolings::of(modes.to_vec()).unwrap();
        // Switches have the order of sentence-transformers, whatever that of the file; lists their own.
        let switches = json!({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true});
        assert_eq!(of(switches), both([Pooling::Cls, Pooling::Mean]));
        let list = json!({"pooling_mode": ["mean", "cls"]});
        assert_eq!(of(list), both([Pooling::Mean, Pooling::Cls]));
        let weighted = json!({"pooling_mode_weightedmean_tokens": true});
        assert_eq!(of(weighted), Poolings::one(Pooling::WeightedMean));
    }

    #[test]
    fn older_folders_keep_the_network_in_a_folder_and_its_settings_under_other_names() {
        let modules = json!([
            {"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"},
        ]);
        let read = folder(&[
            ("modules.json", modules),
            ("0_Transformer/sentence_roberta_config.json", json!({"max_seq_length": 77})),
        ]);
        let config = SentenceConfig::read(read.path()).unwrap();
        assert_eq!(config.network, read.path().join("0_Transformer"));
        assert_eq!(config.most_tokens, Some(77));
    }

    #[test]
    fn the_first_values_of_a_vector_are_kept_where_the_folder_says_so() {
        let of = |told: Value| {
            read(&[("config_sentence_transformers.json", json!({ "truncate_dim": told }))])
        };
        assert!(matches!(of(json!(8)).unwrap().after[..], [After::First(8)]));
        assert!(of(Value::Null).unwrap().after.is_empty());
        assert!(of(json!(0)).err().unwrap().to_string().contains("truncate_dim"));
    }

    #[test]
    fn the_default_prompt_is_the_one_that_is_named() {
        let prompt = |config: Value| {
            let folder = folder(&[("config_sentence_transformers.json", config)]);
            default_prompt(folder.path())
        };
        let prompts = json!({"query": "query: ", "document": ""});
        let named = |name: Value| json!({"prompts": prompts, "default_prompt_name": name});
        // sentence-transformers' encode(text) puts it before the text
        assert_eq!(prompt(named(json!("query"))).unwrap().as_deref(), Some("query: "));
        assert_eq!(prompt(named(json!("document"))).unwrap(), None);
        assert_eq!(prompt(named(Value::Null)).unwrap(), None);
        assert_eq!(prompt(json!({})).unwrap(), None);
        assert!(prompt(named(json!("passage"))).is_err());
    }

    #[test]
    fn a_question_and_a_text_have_prompts_of_their_own_or_the_default_one() {
        let config = |config: Value| {
            let read = read(&[("config_sentence_transformers.json", config)]).unwrap();
            (read.question_prompt, read.text_prompt)
        };
        let own = |prompt: &str| Some(prompt.to_owned());
        let both = json!({"query": "query: ", "passage": "passage: ", "other": "x"});
        assert_eq!(config(json!({"prompts": both})), (own("query: "), own("passage: ")));
        // sentence-transformers' encode_document looks for "document" first
        let empty = json!({"query": "q: ", "document": "", "passage": "p: "});
        let config_of = json!({"prompts": empty, "default_prompt_name": "query"});
        assert_eq!(config(config_of), (own("q: "), None));
        let other = json!({"prompts": {"other": "o: "}, "default_prompt_name": "other"});
        assert_eq!(config(other), (own("o: "), own("o: ")));
        assert_eq!(config(json!({})), (None, None));
    }
}
