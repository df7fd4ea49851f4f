//! What the files of a folder say of its tokenizer, in the order in which transformers asks them:
//! `tokenizer_config.json`, then `special_tokens_map.json` and `added_tokens.json` where the first
//! has no `added_tokens_decoder`, then `tokenizer.json`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::added::{NAMES, Named, NamedTokens, Spelled};
use super::class_choice;
use super::classes::Class;
use super::folder_files::{FolderError, read_object};
use super::model_file::TokenizerFile;

/// What the folder's files say, before a tokenizer is made of it.
pub(super) struct Told {
    pub folder: PathBuf,
    pub class: Class,

    /// `config.json`.
    pub config: Map<String, Value>,

    /// `tokenizer_config.json`, without what does not count.
    pub settings: Map<String, Value>,
    pub named: NamedTokens,

    /// Names that the class gives a token, or none, and those that the files do.
    pub names_of_class: Vec<String>,
    pub names_of_files: Vec<String>,

    /// Further special tokens. `None`: nothing is said of any.
    pub extra: Option<Vec<Spelled>>,

    /// Those under the older name, `additional_special_tokens`: they count where nothing is said
    /// under the new one.
    pub older_extra: Option<Vec<Spelled>>,

    /// Added tokens with their ids, the later before the earlier of the same id.
    pub added: Vec<(u64, Spelled)>,
}

impl Told {
    pub fn read(
        folder: &Path,
        file: Option<&TokenizerFile>,
        is_byte_level: bool,
    ) -> Result<Self, FolderError> {
        let config = read_object(&folder.join("config.json"))?.unwrap_or_default();
        let settings = read_object(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
        let settings = Value::Object(settings);
        let config = Value::Object(config);
        let class = class_choice::choose(&config, &settings, is_byte_level);
        let Value::Object(config) = config else { unreachable!("it was made an object") };
        let Value::Object(mut settings) = settings else { unreachable!("it was made an object") };
        if file.is_some() {
            // The file says itself what is put around a text.
            settings.remove("add_bos_token");
            settings.remove("add_eos_token");
        }
        let mut told = Self {
            folder: folder.to_owned(),
            class,
            config,
            settings,
            named: NamedTokens::new(),
            names_of_class: Vec::new(),
            names_of_files: Vec::new(),
            extra: None,
            older_extra: None,
            added: Vec::new(),
        };
        for named in class.defaults() {
            told.names_of_class.push(named.name.clone());
            told.named.set(named);
        }
        told.read_settings();
        if told.settings.contains_key("added_tokens_decoder") {
            told.read_decoder();
        } else {
            told.read_special_tokens_map()?;
            told.read_added_tokens(file)?;
        }
        let mask = told.named.iter().find(|(name, _)| *name == "mask_token");
        if let Some((_, Spelled::Text(mask))) = mask {
            let mask = class.mask(mask);
            told.named.set(mask);
        }
        told.take_flags();
        Ok(told)
    }

    pub fn name(&mut self, named: Named) {
        self.names_of_files.push(named.name.clone());
        self.named.set(named);
    }

    pub fn is_told(&self, name: &str) -> bool {
        self.names_of_class.iter().chain(&self.names_of_files).any(|known| known == name)
    }

    /// Special tokens that `tokenizer_config.json` names or lists.
    fn read_settings(&mut self) {
        for key in NAMES {
            match self.settings.get(key) {
                None => {}
                Some(Value::Null) => self.name(Named::none(key)),
                Some(value) => {
                    if let Some(token) = Spelled::read(value) {
                        self.name(Named { name: key.to_owned(), token: Some(token) });
                    }
                }
            }
        }
        let own = self
            .settings
            .iter()
            .filter(|(key, _)| key.ends_with("_token") && !NAMES.contains(&key.as_str()));
        let own: Vec<Named> = own
            .filter_map(|(key, value)| {
                Some(Named { name: key.clone(), token: Some(Spelled::read(value)?) })
            })
            .collect();
        for named in own {
            self.name(named);
        }
        let is_something = |value: &&Value| match value {
            Value::Array(list) => !list.is_empty(),
            Value::Object(object) => !object.is_empty(),
            _ => false,
        };
        let extra = self.settings.get("extra_special_tokens");
        let older = self.settings.get("additional_special_tokens");
        let list = [extra, older].into_iter().flatten().find(is_something).or(extra).or(older);
        match list.cloned() {
            Some(Value::Array(list)) => {
                self.extra = Some(list.iter().filter_map(Spelled::read).collect());
            }
            Some(Value::Object(object)) => {
                self.name_all(&object);
                let older = self.settings.get("additional_special_tokens");
                let older = older.and_then(Value::as_array);
                let tokens = |list: &Vec<Value>| list.iter().filter_map(Spelled::read).collect();
                self.older_extra = older.map(tokens);
            }
            _ => {}
        }
    }

    fn name_all(&mut self, object: &Map<String, Value>) {
        for (key, value) in object {
            self.name(Named { name: key.clone(), token: Spelled::read(value) });
        }
    }

    /// `added_tokens_decoder`: tokens by id.
    fn read_decoder(&mut self) {
        let Some(Value::Object(all)) = self.settings.get("added_tokens_decoder") else { return };
        let token = |(id, token): (&String, &Value)| {
            Some((id.parse().ok()?, Spelled::read(token).filter(|_| token.is_object())?))
        };
        self.added = all.iter().filter_map(token).collect();
    }

    fn read_special_tokens_map(&mut self) -> Result<(), FolderError> {
        let path = self.folder.join("special_tokens_map.json");
        let Some(map) = read_object(&path)? else { return Ok(()) };
        // Names of the tokenizer's own count as `tokenizer_config.json` and lists of them have them.
        let listed = |object: &Map<String, Value>| -> Vec<String> {
            let extra = object.get("extra_special_tokens").and_then(Value::as_object);
            extra.into_iter().flat_map(Map::keys).cloned().collect()
        };
        let (in_settings, in_map) = (listed(&self.settings), listed(&map));
        let is_settled = |settings: &Map<String, Value>, key: &String| {
            !NAMES.contains(&key.as_str())
                && (settings.get(key).is_some_and(Value::is_string)
                    || in_settings.contains(key)
                    || in_map.contains(key))
        };
        for (key, value) in map {
            match (key.as_str(), value) {
                ("extra_special_tokens", Value::Array(list)) => {
                    let extra = self.extra.get_or_insert_default();
                    for token in list.iter().filter_map(Spelled::read).map(Spelled::made_special) {
                        if !extra.contains(&token) {
                            extra.push(token);
                        }
                    }
                }
                ("extra_special_tokens", Value::Object(object)) => self.name_all(&object),
                ("additional_special_tokens", Value::Array(list)) => {
                    let list = list.iter().filter_map(Spelled::read).map(Spelled::made_special);
                    self.older_extra = Some(list.collect());
                }
                (_, value) if key.ends_with("_token") && !is_settled(&self.settings, &key) => {
                    let token = Spelled::read(&value).map(Spelled::made_special);
                    self.name(Named { name: key, token });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// `added_tokens.json`, then those of `tokenizer.json`.
    fn read_added_tokens(&mut self, file: Option<&TokenizerFile>) -> Result<(), FolderError> {
        let all = read_object(&self.folder.join("added_tokens.json"))?.unwrap_or_default();
        let extra = self.extra.iter().flatten().map(Spelled::content);
        let special: Vec<&str> =
            NAMES.iter().filter_map(|name| self.given(name)).chain(extra).collect();
        let mut added = Vec::new();
        for (content, id) in &all {
            let Some(id) = id.as_u64() else { continue };
            let is_special = special.contains(&content.as_str());
            let flags = [Some(false), Some(false), Some(false), Some(!is_special)];
            let content = content.clone();
            added.push((id, Spelled::Flags { content, special: is_special, flags }));
        }
        for token in file.iter().flat_map(|file| &file.added_tokens) {
            if let (Some(id), Some(spelled)) = (token["id"].as_u64(), Spelled::read(token)) {
                added.retain(|(known, _)| *known != id);
                added.push((id, spelled));
            }
        }
        self.added = added;
        Ok(())
    }

    /// A special token that a file names: not one that only the class knows.
    fn given(&self, name: &str) -> Option<&str> {
        let is_given = self.names_of_files.iter().any(|known| known == name);
        self.named.get(name).filter(|_| is_given)
    }

    /// Named tokens have the flags of the added tokens that they are.
    fn take_flags(&mut self) {
        for name in NAMES {
            let given = self.given(name);
            let known = self.added.iter().rev().find(|(_, token)| Some(token.content()) == given);
            if let Some((_, token)) = known {
                self.named.set(Named { name: name.to_owned(), token: Some(token.clone()) });
            }
        }
    }
}
