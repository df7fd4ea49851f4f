//! The repository that is looked at: what is known of it so far, and what of it is to be fetched.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::fit::{Disk, Inference, Training, Verdict};
use super::runs::{self, Runs};
use crate::encoder;
use crate::hub::browse::details::DetailEvent;
use crate::hub::browse::search::Found;
use crate::hub::fetch::choose;
use crate::hub::fetch::choose::Choices;
use crate::hub::fetch::queue::{Help, Order};
use crate::hub::protocol::repository::RepoKind;
use crate::hub::protocol::repository::{RemoteFile, RepoListing};
use crate::llm::card::Purpose;
use crate::llm::config::Config;
use crate::state::models::Memory;

/// Contexts that the memory can be reckoned for, in tokens.
pub const CONTEXTS: [usize; 4] = [2048, 8192, 32_768, 131_072];

/// What is looked at.
#[derive(Clone, Debug)]
pub struct DetailView {
    pub kind: RepoKind,
    pub id: String,
    pub row: Option<Found>,
    pub listing: Option<RepoListing>,
    pub choices: Choices,

    /// Its configuration, or why it cannot be run.
    pub config: Option<Result<Config, String>>,

    /// Markdown, or why there is none.
    pub card: Option<Result<String, String>>,
    pub asking: bool,

    /// Why the Hub could not tell, outermost cause first, and what would help.
    pub failure: Option<(Vec<String>, Help)>,
    pub pick: Pick,
    pub tab: DetailTab,

    /// Tokens that the memory is reckoned for.
    pub context: usize,

    /// What a LoRA run takes at the usual settings, once the configuration is known.
    pub training: Option<Training>,

    /// It turns texts into vectors, or reads one text and writes another: it is not loaded into the
    /// Playground.
    pub is_encoder: bool,
    here: BTreeSet<String>,
    disk_free: Option<u64>,
    snapshot: PathBuf,
}

/// What of it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DetailTab {
    #[default]
    Files,
    Card,
}

/// What is to be fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pick {
    #[default]
    Nothing,

    /// The transformers folder.
    Folder,

    /// One GGUF file, by its place among the variants.
    Variant(usize),

    /// Files of a dataset, by their places.
    Data(BTreeSet<usize>),
}

/// Whether a search's row is of an encoder or of an encoder-decoder.
fn is_other(row: &Found) -> bool {
    runs::is_encoder(row) || runs::is_pair(row)
}

impl DetailView {
    /// `row`: what the search said of it already.
    pub fn new(kind: RepoKind, id: String, row: Option<Found>) -> Self {
        let is_encoder = row.as_ref().is_some_and(is_other);
        Self {
            kind,
            id,
            row,
            listing: None,
            choices: Choices::default(),
            config: None,
            card: None,
            asking: true,
            failure: None,
            pick: Pick::Nothing,
            context: CONTEXTS[0],
            tab: DetailTab::default(),
            training: None,
            is_encoder,
            here: BTreeSet::new(),
            disk_free: None,
            snapshot: PathBuf::new(),
        }
    }

    pub fn on_event(&mut self, event: DetailEvent, memory: Memory) {
        match event {
            DetailEvent::Row(row) => {
                self.id.clone_from(&row.id);
                self.is_encoder |= is_other(&row);
                self.row = Some(*row);
            }
            DetailEvent::Files { listing, snapshot, here, disk_free } => {
                self.choices = choose::choices(self.kind, &listing);
                self.here = here.into_iter().collect();
                self.disk_free = disk_free;
                self.snapshot = snapshot;
                self.listing = Some(listing);
                self.pick = self.usual_pick(memory);
            }
            // A configuration of another kind, with nothing in it for a decoder.
            DetailEvent::Config(config) if encoder::purpose(&config).is_some() => {
                self.is_encoder = true;
            }
            DetailEvent::Config(config) => {
                let config = runs::by_config(&config);
                self.training = config.as_ref().ok().map(Training::of);
                self.config = Some(config);
            }
            DetailEvent::Card(card) => self.card = Some(card),
        }
    }

    /// Weights of which two thirds of the memory have room leave some for the context.
    fn usual_pick(&self, memory: Memory) -> Pick {
        /// A dataset's files are all picked up to here, in bytes.
        const MOST_DATA: u64 = 500_000_000;

        if self.kind == RepoKind::Dataset {
            let mut room = MOST_DATA;
            let files = self.choices.data.iter().enumerate();
            let fitting = files.filter(|(index, file)| {
                let fits = file.size <= room || *index == 0;
                room = room.saturating_sub(file.size);
                fits
            });
            return Pick::Data(fitting.map(|(index, _)| index).collect());
        }
        if !self.choices.folder.is_empty() {
            return Pick::Folder;
        }
        let most = if memory.total == 0 { u64::MAX } else { memory.total / 3 * 2 };
        self.choices.usual_variant(most).map_or(Pick::Nothing, Pick::Variant)
    }

    /// The files that are picked.
    pub fn picked(&self) -> Vec<&RemoteFile> {
        let Choices { folder, variants, data, .. } = &self.choices;
        match &self.pick {
            Pick::Nothing => Vec::new(),
            Pick::Folder => folder.iter().collect(),
            Pick::Variant(index) => variants.get(*index).map(|v| &v.file).into_iter().collect(),
            Pick::Data(picked) => picked.iter().filter_map(|index| data.get(*index)).collect(),
        }
    }

    pub fn disk(&self) -> Disk {
        let (mut needed, mut here) = (0_u64, 0_u64);
        for file in self.picked() {
            let sum = if self.is_here(file) { &mut here } else { &mut needed };
            *sum = sum.saturating_add(file.size);
        }
        Disk { needed, here, free: self.disk_free }
    }

    pub fn is_here(&self, file: &RemoteFile) -> bool {
        self.here.contains(&file.path)
    }

    /// Where a file lies, if it is on this disk.
    pub fn file_here(&self, file: &RemoteFile) -> Option<PathBuf> {
        self.is_here(file).then(|| self.snapshot.join(&file.path))
    }

    /// Whether all that is picked is on this disk.
    pub fn has_all(&self) -> bool {
        let picked = self.picked();
        !picked.is_empty() && picked.iter().all(|file| self.is_here(file))
    }

    /// Where the picked weights lie, once all of them are here: a folder or a GGUF file.
    pub fn path_here(&self) -> Option<PathBuf> {
        if !self.has_all() {
            return None;
        }
        match &self.pick {
            Pick::Folder => Some(self.snapshot.clone()),
            Pick::Variant(index) => {
                let variant = self.choices.variants.get(*index)?;
                Some(self.snapshot.join(&variant.file.path))
            }
            Pick::Nothing | Pick::Data(_) => None,
        }
    }

    /// What answering with the picked weights takes.
    pub fn inference(&self) -> Option<Inference> {
        let is_weights = |file: &&&RemoteFile| {
            let ending = Path::new(&file.path).extension().unwrap_or_default();
            ending.eq_ignore_ascii_case("safetensors") || ending.eq_ignore_ascii_case("gguf")
        };
        let picked = self.picked();
        let weights = picked.iter().filter(is_weights).map(|file| file.size);
        let weights = weights.fold(0_u64, u64::saturating_add);
        let config = self.config.as_ref().and_then(|config| config.as_ref().ok());
        let tokens = |config: &Config| self.context.min(config.context_length) as u64;
        let cache = config.map(|config| {
            config.cache_bytes_per_token(self.precision()).saturating_mul(tokens(config))
        });
        (weights > 0).then_some(Inference { weights, cache })
    }

    /// How the picked weights are stored. A transformers folder is never packed.
    fn precision(&self) -> &str {
        let Pick::Variant(index) = self.pick else { return "F32" };
        self.choices.variants.get(index).map_or("", |variant| &variant.name)
    }

    /// The largest variant that this machine has memory for, where the picked one is too large.
    pub fn smaller(&self, memory: Memory) -> Option<usize> {
        let inference = self.inference()?;
        if inference.verdict(memory) != Verdict::TooLarge {
            return None;
        }
        let cache = inference.cache.unwrap_or(0);
        let fits = |size: u64| {
            let verdict = Verdict::of_memory(memory, size.saturating_add(cache));
            !matches!(verdict, Verdict::TooLarge | Verdict::Unknown)
        };
        let variants = self.choices.variants.iter().enumerate();
        let mut usable = variants.filter(|(_, variant)| variant.obstacle.is_none());
        usable.rfind(|(_, variant)| fits(variant.file.size)).map(|(index, _)| index)
    }

    /// Whether it can be run, as far as is known by now.
    pub fn runs(&self) -> Runs {
        if self.kind == RepoKind::Dataset {
            return Runs::Yes;
        }
        let by_row = match &self.row {
            row if self.is_encoder && self.pick == Pick::Folder => {
                let is_pair = row.as_ref().is_some_and(runs::is_pair);
                return Runs::For(if is_pair {
                    Purpose::SequenceToSequence
                } else {
                    Purpose::Encode
                });
            }
            Some(row) => runs::by_row(row),
            None => Runs::Unknown,
        };
        if by_row.obstacle().is_some() {
            return by_row;
        }
        if let (Some(Err(reason)), Pick::Folder) = (&self.config, &self.pick) {
            return Runs::No(reason.clone());
        }
        match &self.pick {
            Pick::Variant(index) => {
                let variant = self.choices.variants.get(*index);
                match variant.and_then(|variant| variant.obstacle.clone()) {
                    Some(obstacle) => Runs::No(obstacle),
                    None => by_row,
                }
            }
            Pick::Nothing if self.listing.is_some() => Runs::No(self.nothing_to_fetch()),
            _ if by_row == Runs::Unknown && matches!(self.config, Some(Ok(_))) => Runs::Yes,
            _ => by_row,
        }
    }

    fn nothing_to_fetch(&self) -> String {
        let has = |name: &str| {
            self.listing.iter().flat_map(|listing| &listing.files).any(|file| file.path == name)
        };
        if has("adapter_config.json") {
            "It is an adapter, not a model: its base model has to be fetched first".to_owned()
        } else if self.choices.is_only_pickle() {
            format!(
                "Its weights are there as pickle files alone. {}",
                choose::LeftOut::Pickle.why()
            )
        } else if has("model_index.json") {
            "It makes pictures or sound, not text".to_owned()
        } else {
            "It holds no weights that this program reads (safetensors with a config.json, or GGUF)"
                .to_owned()
        }
    }

    /// What to ask the queue for. `None`: nothing is picked.
    pub fn order(&self) -> Option<Order> {
        let paths: Vec<String> = self.picked().iter().map(|file| file.path.clone()).collect();
        let order = match self.kind {
            RepoKind::Model => Order::model(&self.id),
            RepoKind::Dataset => Order::dataset(&self.id),
        };
        match self.pick {
            _ if paths.is_empty() => None,
            Pick::Folder => Some(order), // what a model needs is known to the queue
            _ => Some(order.with_files(paths)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::hub::protocol::content_hash::ContentHash;

    const MEMORY: Memory = Memory { total: 16_000_000_000, available: 8_000_000_000 };

    fn view(kind: RepoKind, files: &[(&str, u64)]) -> DetailView {
        let file = |(index, (path, size)): (usize, &(&str, u64))| RemoteFile {
            path: (*path).to_owned(),
            size: *size,
            hash: ContentHash::GitBlob(format!("{index:040}")),
        };
        let files = files.iter().enumerate().map(file).collect();
        let repo = "ada/small".to_owned();
        let listing = RepoListing { kind, repo: repo.clone(), commit: "1".repeat(40), files };
        let here = vec![listing.files[0].path.clone()];
        let snapshot = PathBuf::from("snapshot");
        let mut view = DetailView::new(kind, repo, None);
        view.on_event(
            DetailEvent::Files { listing, snapshot, here, disk_free: Some(10_000_000_000) },
            MEMORY,
        );
        view
    }

    #[test]
    fn a_folder_is_picked_whole_and_counted_without_what_is_here() {
        let mut view = view(
            RepoKind::Model,
            &[("config.json", 700), ("model.safetensors", 4_000_000_000), ("x.bin", 9)],
        );
        assert_eq!(view.pick, Pick::Folder);
        let expected = Disk { needed: 4_000_000_000, here: 700, free: Some(10_000_000_000) };
        assert_eq!(view.disk(), expected);
        assert_eq!(view.inference().unwrap().cache, None);
        view.on_event(DetailEvent::Config(json!({"model_type": "llama"})), MEMORY);
        // 32 layers of keys and values, 4096 wide, in f32.
        let cache = 2048 * 32 * 2 * 4096 * 4;
        assert_eq!(view.inference().unwrap().cache, Some(cache));
        assert_eq!(view.order(), Some(Order::model("ada/small")));
        assert_eq!(view.runs(), Runs::Yes);
        // The weights alone take 4 bytes each: 6.7 billion of them.
        assert!(view.training.unwrap().memory > 26_000_000_000);
    }

    #[test]
    fn an_encoder_is_fetched_and_says_what_it_is() {
        let mut view = view(RepoKind::Model, &[("config.json", 700), ("model.safetensors", 9)]);
        view.on_event(DetailEvent::Config(json!({"model_type": "bert"})), MEMORY);
        assert!(view.is_encoder && view.order().is_some());
        assert_eq!(view.runs(), Runs::For(Purpose::Encode));
        assert_eq!(view.training, None);
    }

    #[test]
    fn a_file_that_is_too_large_leads_to_one_that_is_not() {
        let mut view = view(
            RepoKind::Model,
            &[
                ("a-Q2_K.gguf", 5_000_000_000),
                ("a-Q4_K_M.gguf", 9_000_000_000),
                ("a-Q8_0.gguf", 20_000_000_000),
            ],
        );
        assert_eq!(view.pick, Pick::Variant(1));
        assert_eq!(view.smaller(MEMORY), None);
        view.pick = Pick::Variant(2);
        assert_eq!(view.smaller(MEMORY), Some(1));
        let order = view.order().unwrap();
        assert_eq!(order, Order::model("ada/small").with_files(vec!["a-Q8_0.gguf".to_owned()]));
    }

    #[test]
    fn what_holds_no_model_says_what_it_holds() {
        let reason = |files: &[(&str, u64)]| {
            view(RepoKind::Model, files).runs().obstacle().unwrap().to_owned()
        };
        assert!(reason(&[("adapter_config.json", 1)]).contains("adapter"));
        assert!(reason(&[("config.json", 1), ("pytorch_model.bin", 1)]).contains("pickle"));
        assert!(reason(&[("model_index.json", 1)]).contains("pictures"));
        assert!(reason(&[("README.md", 1)]).contains("no weights"));
    }

    #[test]
    fn a_configuration_that_is_not_computed_is_said_before_the_download() {
        let mut view = view(RepoKind::Model, &[("config.json", 700), ("model.safetensors", 1_000)]);
        view.on_event(DetailEvent::Config(json!({"model_type": "mamba2"})), MEMORY);
        assert!(view.runs().obstacle().unwrap().contains("mamba2"));
    }

    #[test]
    fn of_a_large_dataset_not_everything_is_picked_by_itself() {
        let view = view(
            RepoKind::Dataset,
            &[("a.jsonl", 400_000_000), ("b.jsonl", 50_000_000), ("c.parquet", 300_000_000)],
        );
        assert_eq!(view.pick, Pick::Data(BTreeSet::from([0, 1])));
    }
}
