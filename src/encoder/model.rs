//! An encoder's folder in memory: its body, the heads that its file has, its tokenizer.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::Error;
use super::families_pairs;
use super::family::{FAMILIES, describe};
use super::gguf;
use super::heads::{MaskedHead, SequenceHead};
use super::labels::Labels;
use super::network::{Hidden, Network, Tokens};
use super::nomic;
use super::promise::{Promise, promise};
use super::store::Store;
use crate::files;
use crate::jobs;
use crate::llm;
use crate::llm::Tokenizer;
use crate::llm::config::config_keys::Keys;
use crate::llm::files::gguf::GgufFile;

/// A loaded encoder.
pub struct EncoderModel {
    pub(super) folder: PathBuf,
    pub(super) network: Network,
    pub(super) masked: Option<MaskedHead>,
    pub(super) sequence: Option<(SequenceHead, Labels)>,
    pub(super) tokenizer: Option<Tokenizer>,
    promise: Promise,
    has_kinds: bool,
    longest: Option<usize>,
}

/// What a head gives for a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Scores {
    /// (tokens, vocabulary)
    Words(Vec<f32>),

    /// One for each label.
    Labels(Vec<f32>),

    /// The file has no head.
    Nothing,
}

/// Whether a `config.json` is that of an encoder that is computed here, alone or as half of an
/// encoder-decoder.
pub fn is_encoder(config: &Value) -> bool {
    if families_pairs::is_half(config) {
        return true;
    }
    let kind = config.get("model_type").and_then(Value::as_str);
    kind.is_some_and(|kind| FAMILIES.contains(&kind))
}

/// Whether a folder or a GGUF file is one, by its `config.json` or its header.
pub fn is_encoder_model(path: &Path) -> bool {
    config_at(path).is_ok_and(|config| is_encoder(&config))
}

/// `config.json` of a folder, or what the header of a GGUF file says.
pub(crate) fn config_at(path: &Path) -> Result<Value, Error> {
    if !gguf::is_gguf(path) {
        return read_config(path);
    }
    let file = GgufFile::open(path).map_err(llm::Error::from)?;
    if !gguf::is_known(&file) {
        let problem = format!("GGUF files of encoders are {}", gguf::ARCHITECTURES.join(", "));
        return Err(Error::NotAnEncoder { path: path.to_owned(), problem });
    }
    Ok(gguf::config(&file)?)
}

/// What [`config_at`] reads: where a wrong setting stands.
pub(crate) fn config_path(path: &Path) -> PathBuf {
    if gguf::is_gguf(path) { path.to_owned() } else { path.join("config.json") }
}

/// The tokenizer of a folder or of a GGUF file.
pub(crate) fn tokenizer_of(path: &Path) -> Result<Tokenizer, Error> {
    if !gguf::is_gguf(path) {
        return Ok(Tokenizer::from_folder(path)?);
    }
    let file = GgufFile::open(path).map_err(llm::Error::from)?;
    Ok(Tokenizer::from_gguf(&file)?)
}

/// `config.json` of a folder.
pub(crate) fn read_config(folder: &Path) -> Result<Value, Error> {
    if gguf::is_gguf(folder) {
        return Err(Error::NotAnEncoder {
            path: folder.to_owned(),
            problem: "it is a GGUF file, and this needs a folder as transformers saves it: config.json and \
                      model.safetensors"
                .to_owned(),
        });
    }
    let path = folder.join("config.json");
    let text = std::fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
    files::json_of_python(&text).map_err(|error| Error::NotAnEncoder {
        problem: files::mistake_in_json(&text, &error),
        path,
    })
}

impl EncoderModel {
    /// Loads a folder with its tokenizer.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        Self::load_with(folder, None)
    }

    /// The same as an adapter of PEFT makes it, where there is one.
    pub fn load_with(folder: &Path, adapter: Option<&Path>) -> Result<Self, Error> {
        let tokenizer = tokenizer_of(folder)?;
        let mut model = Self::open(folder, adapter)?;
        model.check_tokenizer(&tokenizer)?;
        model.tokenizer = Some(tokenizer);
        Ok(model)
    }

    /// Loads a folder whose texts come as token ids.
    pub fn load_without_tokenizer(folder: &Path) -> Result<Self, Error> {
        Self::open(folder, None)
    }

    /// The same, with an adapter in its weights where there is one.
    pub fn open(folder: &Path, adapter: Option<&Path>) -> Result<Self, Error> {
        let (config, path) = (config_at(folder)?, config_path(folder));
        let keys = Keys::new(&config, &path);
        let is_half = families_pairs::is_pair(&config) || families_pairs::is_half(&config);
        if !is_encoder(&config) && !is_half {
            let expected = format!("encoders that are computed here are {}", FAMILIES.join(", "));
            return Err(keys.refuse("model_type", expected).into());
        }
        let family = if is_half { families_pairs::as_encoder(&keys)? } else { describe(&keys)? };
        let is_tied = keys.flag("tie_word_embeddings", true)?;
        let place = |source| Error::Weights { folder: folder.to_owned(), source };
        let store = Store::open(folder).map_err(place)?;
        let mut family = family;
        if keys.text("model_type") == Some("nomic_bert") {
            nomic::find_names(&mut family.body, &store);
        }
        let mut store = store.with_prefix(family.body.prefixes, &family.body.probe());
        let mut promise = promise(&config);
        if let Some(adapter) = adapter {
            store = store.with_adapter(adapter)?;
            if store.is_replaced(&format!("{}.weight", family.sequence.out)) {
                promise = Promise::SequenceHead;
            }
        }
        if is_half {
            families_pairs::find_words(&mut family.body, &store);
        }
        let network = Network::load(family.body, &store).map_err(place)?;
        // Classes with other heads may have tensors of the same names.
        family.masked.retain(|names| match promise {
            Promise::Nothing | Promise::MaskedHead => true,
            Promise::SequenceHead | Promise::Other(_) => names.is_whole(family.sequence, &store),
        });
        let masked = MaskedHead::load(&family.masked, &network, &store, is_tied).map_err(place)?;
        if let Some(adapter) = adapter.filter(|_| masked.is_some() && is_tied)
            && store.is_replaced(&store.body(network.description.words))
        {
            let problem = "it changes the vectors of words, which the head that guesses words shares, and that is \
                           not computed; merge it in PEFT (merge_and_unload) and open the merged folder";
            return Err(llm::Error::adapter(adapter, problem).into());
        }
        let head = match promise {
            Promise::Other(_) => None,
            _ => SequenceHead::load(family.sequence, &network, &store).map_err(place)?,
        };
        let sequence = head.map(|head| {
            let labels = Labels::read(&keys, head.label_count())?;
            Ok::<_, Error>((head, labels))
        });
        let settings = TokenizerSettings::of(folder);
        let longest = [network.description.longest, settings.longest];
        Ok(Self {
            folder: folder.to_owned(),
            masked,
            sequence: sequence.transpose()?,
            tokenizer: None,
            promise,
            has_kinds: settings.tells_kinds(family.has_kinds, network.description.kinds),
            longest: longest.into_iter().flatten().min(),
            network,
        })
    }

    /// A tokenizer of another model has other ids than the network.
    fn check_tokenizer(&self, tokenizer: &Tokenizer) -> Result<(), Error> {
        let known = self.network.description.vocabulary;
        let largest = tokenizer.vocab_size();
        // Some files name tokens that the network never learned, such as a mask: they count only
        // where a text has them.
        if largest > known + 64 {
            return Err(Error::Token { id: largest as u32 - 1, known });
        }
        Ok(())
    }

    pub fn tokenizer(&self) -> Result<&Tokenizer, Error> {
        self.tokenizer.as_ref().ok_or_else(|| Error::NotAnEncoder {
            path: self.folder.clone(),
            problem: "it was loaded without its tokenizer".to_owned(),
        })
    }

    /// Values of a hidden state.
    pub fn width(&self) -> usize {
        self.network.width()
    }

    pub fn layer_count(&self) -> usize {
        self.network.layer_count()
    }

    pub fn vocabulary(&self) -> usize {
        self.network.description.vocabulary
    }

    /// The most tokens that the network has positions for.
    pub(crate) fn positions(&self) -> Option<usize> {
        self.network.description.longest
    }

    /// The most tokens of a text that are read.
    pub fn longest(&self) -> Option<usize> {
        self.longest
    }

    pub fn can_fill(&self) -> bool {
        self.masked.is_some()
    }

    /// Fails where the files have no head that guesses masked words.
    pub fn check_masked_head(&self) -> Result<(), Error> {
        self.masked_head().map(|_| ())
    }

    pub fn labels(&self) -> Option<&Labels> {
        self.sequence.as_ref().map(|(_, labels)| labels)
    }

    /// What the configuration promises and the file lacks, in a sentence.
    pub fn missing_head(&self) -> Option<String> {
        let what = match self.promise {
            Promise::MaskedHead if self.masked.is_none() => "guesses masked words (ForMaskedLM)",
            Promise::SequenceHead if self.sequence.is_none() => {
                "gives labels (ForSequenceClassification)"
            }
            _ => return None,
        };
        Some(format!(
            "its config.json promises a head that {what}, and its weights have none: transformers \
             would start one with random numbers; vectors can be computed all the same"
        ))
    }

    /// The ids of a text or of a pair of texts, cut to what the network reads; which part each token
    /// is of, where the network tells; and whether something was cut off.
    pub(crate) fn encode(
        &self,
        text: &str,
        second: Option<&str>,
        most: Option<usize>,
    ) -> Result<Encoded, Error> {
        let most = [most, self.longest].into_iter().flatten().min();
        self.encode_up_to(text, second, most)
    }

    /// As [`Self::encode`], cut to so many tokens whatever else is said.
    pub(crate) fn encode_up_to(
        &self,
        text: &str,
        second: Option<&str>,
        most: Option<usize>,
    ) -> Result<Encoded, Error> {
        let (ids, kinds, is_cut) = self.tokenizer()?.encode_pair(text, second, most)?;
        if ids.is_empty() {
            return Err(Error::NoTokens);
        }
        Ok(Encoded { ids, kinds: self.has_kinds.then_some(kinds), is_cut })
    }

    /// The last hidden states of several texts.
    pub(crate) fn run(&self, texts: &[Tokens<'_>]) -> Result<Hidden, Error> {
        self.network.run(texts)
    }

    /// Hidden states of one text, (tokens, width): those that enter each layer, and the last. With the
    /// scores of the head that the configuration names, else of the one that the file has.
    pub fn look(
        &self,
        text: Tokens<'_>,
        on_states: &mut (dyn FnMut(usize, &[f32]) + Send),
    ) -> Result<Scores, Error> {
        let mut index = 0;
        let hidden = self.network.watch(&[text], &mut |states| {
            on_states(index, states);
            index += 1;
            ControlFlow::Continue(())
        })?;
        let Some(Hidden { states, spans }) = hidden else { return Ok(Scores::Nothing) };
        let wants_labels = self.promise != Promise::MaskedHead || self.masked.is_none();
        match (&self.sequence, &self.masked) {
            (Some((head, _)), _) if wants_labels => {
                Ok(Scores::Labels(head.run(&states, &spans, &[text.visible])?))
            }
            (_, Some(head)) if self.promise != Promise::SequenceHead => {
                Ok(Scores::Words(jobs::in_pool(|| head.run(&states))?))
            }
            _ => Ok(Scores::Nothing),
        }
    }

    /// The scores of every word of the vocabulary at some positions of a text.
    pub(crate) fn guess(
        &self,
        ids: &[u32],
        kinds: Option<&[u32]>,
        positions: &[usize],
    ) -> Result<Vec<f32>, Error> {
        let head = self.masked_head()?;
        let text = Tokens { kinds, ..Tokens::plain(ids) };
        let Hidden { states, .. } = self.network.run(&[text])?;
        let width = self.width();
        let rows = positions.iter().flat_map(|at| &states[at * width..(at + 1) * width]);
        let rows: Vec<f32> = rows.copied().collect();
        Ok(jobs::in_pool(|| head.run(&rows))?)
    }

    pub(super) fn masked_head(&self) -> Result<&MaskedHead, Error> {
        self.masked.as_ref().ok_or_else(|| Error::NoHead {
            folder: self.folder.clone(),
            wanted: "guesses masked words",
            found: self.missing_head().unwrap_or_else(|| self.what_it_has()),
        })
    }

    pub(super) fn sequence_head(&self) -> Result<&(SequenceHead, Labels), Error> {
        self.sequence.as_ref().ok_or_else(|| Error::NoHead {
            folder: self.folder.clone(),
            wanted: "gives labels",
            found: self.missing_head().unwrap_or_else(|| self.what_it_has()),
        })
    }

    fn what_it_has(&self) -> String {
        if let Promise::Other(does) = self.promise {
            return format!(
                "its head {does}, which is not computed here; `tuning-fork embed` computes its vectors"
            );
        }
        match (&self.masked, &self.sequence) {
            (_, Some(_)) => "its weights are those of a classifier; `tuning-fork classify` uses it",
            (Some(_), _) => "its head guesses masked words; `tuning-fork fill` uses it",
            _ => "its weights have none; `tuning-fork embed` computes its vectors",
        }
        .to_owned()
    }
}

/// A text as ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    pub ids: Vec<u32>,
    pub kinds: Option<Vec<u32>>,
    pub is_cut: bool,
}

impl Encoded {
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens { kinds: self.kinds.as_deref(), ..Tokens::plain(&self.ids) }
    }
}

/// What `tokenizer_config.json` says of the texts that a network reads.
pub(super) struct TokenizerSettings {
    /// `model_max_length`, which transformers cuts at; a number of 30 digits stands for none.
    pub longest: Option<usize>,

    /// Whether `token_type_ids` is among its `model_input_names`. `None`: it has none.
    names_kinds: Option<bool>,
}

impl TokenizerSettings {
    pub fn of(folder: &Path) -> Self {
        let text = std::fs::read(folder.join("tokenizer_config.json")).ok();
        let config = text.and_then(|text| files::json_of_python(&text).ok());
        let of = |key: &str| config.as_ref()?.get(key);
        let longest = of("model_max_length").and_then(Value::as_f64);
        let longest = longest.filter(|most| (2.0..1e9).contains(most));
        let names = of("model_input_names").and_then(Value::as_array);
        let is_named = |names: &Vec<Value>| names.iter().any(|name| name == "token_type_ids");
        Self { longest: longest.map(|most| most as usize), names_kinds: names.map(is_named) }
    }

    /// Whether a network that knows so many kinds of tokens is told which part of a pair each is of: as the
    /// file says, or else as is usual for its family.
    pub fn tells_kinds(&self, usual: bool, kinds: Option<(&str, usize)>) -> bool {
        self.names_kinds.unwrap_or(usual) && kinds.is_some_and(|(_, count)| count > 1)
    }
}
