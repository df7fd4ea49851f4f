//! What makes vectors of texts: a sentence encoder, or a layer of a decoder.

use std::path::Path;
use std::time::UNIX_EPOCH;

use super::cached::Cache;
use super::error::Error as VectorsError;
use super::matrix::Vectors;
use super::worked::{Stage, Worked};
use crate::encoder::{Encoder, EncoderCard};
use crate::explore::error::Error;
use crate::explore::meaning::{Pooled, vectors_of_encoder, vectors_of_layer};
use crate::explore::subject::{Looked, Subject};
use crate::jobs::{Cancelled, Progress};
use crate::llm::card::ModelSource;
use crate::memory::free_memory;

/// A model as vectors are made by it.
pub enum Source<'a> {
    Encoder {
        encoder: &'a Encoder,
        folder: &'a Path,

        /// Before each text.
        prompt: &'a str,
    },

    /// A layer's hidden states, pooled.
    Layer { subject: Subject<'a>, layer: usize, pooled: Pooled },
}

impl Source<'_> {
    /// Values of a vector.
    pub fn width(&self) -> usize {
        match self {
            Self::Encoder { encoder, .. } => encoder.card().width,
            Self::Layer { subject, .. } => subject.model.config().width,
        }
    }

    /// Everything that a vector depends on but its text. `None`: vectors are not kept, because an
    /// adapter has no name that stays.
    pub fn way(&self) -> Option<String> {
        match self {
            Self::Encoder { encoder, folder, prompt } => {
                let EncoderCard { most_tokens, pooling, is_normalized, .. } = encoder.card();
                let files = stamp(folder);
                Some(format!("{files} {most_tokens:?} {pooling:?} {is_normalized} {prompt:?}"))
            }
            Self::Layer { subject, layer, pooled } => {
                if subject.adapter.is_some() {
                    return None;
                }
                let path = match &subject.model.card().source {
                    ModelSource::Folder(path) | ModelSource::Gguf(path) => path,
                };
                let precision = &subject.model.card().facts.precision;
                Some(format!("{} {precision} layer {layer} {pooled:?}", stamp(path)))
            }
        }
    }

    /// The vectors of texts, kept in a folder by model and text where there is one. Slow: reports
    /// texts, and looks for Stop at each.
    pub fn vectors(
        &self,
        texts: &[String],
        kept_in: Option<&Path>,
        progress: &dyn Progress<Worked>,
    ) -> Result<Vectors, Error> {
        let needed = (texts.len() * self.width() * 4 * 3) as u64;
        if let Some(free) = free_memory().filter(|free| needed > *free) {
            let (count, width) = (texts.len(), self.width());
            let (needed_mb, free_mb) = (needed >> 20, free >> 20);
            return Err(VectorsError::Memory { count, width, needed_mb, free_mb }.into());
        }
        let way = self.way();
        let cache = Cache::new(kept_in.filter(|_| way.is_some()), &way.unwrap_or_default());
        let total = texts.len();
        let mut done = 0;
        cache.vectors(texts, &mut |texts| {
            let counted = Texts { progress, done, total };
            let vectors = match self {
                Self::Encoder { encoder, prompt, .. } => {
                    vectors_of_encoder(encoder, prompt, texts, &counted)?
                }
                Self::Layer { subject, layer, pooled } => {
                    let ids = texts.iter().map(|text| subject.encode(text));
                    let ids = ids.collect::<Result<Vec<_>, Error>>()?;
                    vectors_of_layer(*subject, &ids, *layer, *pooled, &counted)?
                }
            };
            done += texts.len();
            Ok(vectors)
        })
    }

    /// The vector of one text, as it is compared with others.
    pub fn vector(&self, text: &str, progress: &dyn Progress<Worked>) -> Result<Vec<f32>, Error> {
        let texts = [text.to_owned()];
        Ok(self.vectors(&texts, None, progress)?.row(0).to_vec())
    }
}

/// A model's files by name, size and time: other weights under the same path are another model.
pub fn stamp(path: &Path) -> String {
    let mut files: Vec<String> = Vec::new();
    let mut add = |path: &Path| {
        let Ok(about) = std::fs::metadata(path) else { return };
        let time = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let seconds = time.map_or(0, |time| time.as_secs());
        files.push(format!("{} {} {seconds}", path.display(), about.len()));
    };
    if path.is_dir() {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            add(&entry.path());
        }
    } else {
        add(path);
    }
    files.sort();
    files.join("\n")
}

struct Texts<'a> {
    progress: &'a dyn Progress<Worked>,
    done: usize,
    total: usize,
}

impl Progress<Looked> for Texts<'_> {
    fn emit(&self, Looked { done, .. }: Looked) {
        let done = self.done + done;
        self.progress.emit(Worked { stage: Stage::Embedding, done, total: self.total });
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.progress.check()
    }

    fn rest(&self) {
        self.progress.rest();
    }
}
