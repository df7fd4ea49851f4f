//! Texts of a table as vectors, for the views that are made of those.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, ValueEnum};

use crate::cli::load::ModelArgs;
use crate::cli::out;
use crate::cli::progress::Bar;
use crate::encoder::{Encoder, is_encoder_model, makes_vectors};
use crate::explore::meaning::Pooled;
use crate::explore::subject::Subject;
use crate::explore::vectors::matrix::Vectors;
use crate::explore::vectors::source::Source;
use crate::explore::vectors::texts::{Texts, read_texts};
use crate::hub::paths::HubPaths;
use crate::hub::resolve;
use crate::words::counted;

#[derive(Debug, Args)]
pub struct VectorsArgs {
    // A model, of which a layer's hidden states are taken, or a sentence encoder.
    #[command(flatten)]
    pub model: ModelArgs,

    /// A table (JSON Lines, CSV, Parquet, Excel, …)
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,

    /// The column that holds the texts; without it, "text", or the only one
    #[arg(long)]
    pub column: Option<String>,

    /// The layer of a model that writes: 0 is the embedding, n what the n-th layer gives; without
    /// it, the last, after the final norm
    #[arg(long)]
    layer: Option<usize>,

    /// How the vectors of a text's tokens become one; an encoder has a way of its own
    #[arg(long, value_enum)]
    pooling: Option<Pooling>,

    /// Put before each text for an encoder; without it, the encoder's own default prompt
    #[arg(long)]
    prefix: Option<String>,

    /// Neither use vectors that were computed before nor keep those that are computed now
    #[arg(long)]
    no_cache: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Pooling {
    Mean,
    Last,
    First,
}

impl From<Pooling> for Pooled {
    fn from(pooling: Pooling) -> Self {
        match pooling {
            Pooling::Mean => Self::Mean,
            Pooling::Last => Self::Last,
            Pooling::First => Self::First,
        }
    }
}

/// An encoder has no layers to choose from, and makes one vector of a text's tokens in its own way.
pub fn refuse_layer_of_encoder(
    model: &ModelArgs,
    layer: Option<usize>,
    pooling: Option<Pooling>,
) -> anyhow::Result<()> {
    if layer.is_some() || pooling.is_some() || model.adapter.is_some() {
        bail!(
            "{} is an encoder, which has its own way from tokens to one vector: leave out --layer, \
             --pooling and --adapter",
            model.model
        );
    }
    Ok(())
}

/// Whether a model makes vectors in a way of its own: an encoder; or a decoder whose files say how, unless one of
/// its layers is asked for.
pub fn has_own_way(path: &Path, model: &ModelArgs, is_layer_asked: bool) -> bool {
    let is_plain = !is_layer_asked && model.adapter.is_none();
    is_encoder_model(path) || (is_plain && makes_vectors(path))
}

/// Texts with their vectors, and the vector of a sentence where one was given.
pub struct Found {
    pub texts: Texts,
    pub vectors: Vectors,
    pub query: Option<Vec<f32>>,
}

impl VectorsArgs {
    pub fn read(&self) -> anyhow::Result<Texts> {
        let bar = Bar::new();
        let texts = read_texts(&self.input, self.column.as_deref(), &bar);
        bar.clear();
        let texts = texts?;
        if texts.empty > 0 {
            let rows = counted(texts.empty, "row has no text and is", "rows have no text and are");
            out::note(&format!("{rows} left out"));
        }
        Ok(texts)
    }

    /// The texts' vectors; `query`: a sentence that is compared with them.
    pub fn with_vectors(&self, texts: Texts, query: Option<&str>) -> anyhow::Result<Found> {
        let bar = Bar::new();
        let kept_in = HubPaths::from_env().ok().map(|paths| paths.cached);
        let kept_in = kept_in.filter(|_| !self.no_cache);
        let of = |source: &Source<'_>| -> anyhow::Result<(Vectors, Option<Vec<f32>>)> {
            let vectors = source.vectors(&texts.texts, kept_in.as_deref(), &bar)?;
            let query = query.map(|query| source.vector(query, &bar)).transpose()?;
            Ok((vectors, query))
        };
        let path = resolve::resolve_model(&self.model.model).ok();
        let is_layer_asked = self.layer.is_some() || self.pooling.is_some();
        let path = path.filter(|path| has_own_way(path, &self.model, is_layer_asked));
        let found = if let Some(folder) = path {
            refuse_layer_of_encoder(&self.model, self.layer, self.pooling)?;
            let encoder = Encoder::load(&folder)?;
            let prompt = self.prefix.as_deref().or_else(|| encoder.default_prompt());
            let prompt = prompt.unwrap_or_default();
            of(&Source::Encoder { encoder: &encoder, folder: &folder, prompt })
        } else {
            if self.prefix.is_some() {
                bail!("--prefix is for encoders: write it into the texts");
            }
            let (model, adapter) = self.model.load()?;
            let layer = self.layer.unwrap_or_else(|| model.config().layer_count());
            let subject = Subject::new(&model, adapter.as_ref());
            let pooled = self.pooling.map(Pooled::from).unwrap_or_default();
            of(&Source::Layer { subject, layer, pooled })
        };
        bar.clear();
        let (vectors, query) = found?;
        Ok(Found { texts, vectors, query })
    }
}

/// The beginning of a text, on one line.
pub fn short(text: &str) -> String {
    const SHOWN: usize = 60;
    let line = text.split_whitespace().collect::<Vec<&str>>().join(" ");
    let cut = if line.chars().count() > SHOWN { "…" } else { "" };
    format!("{}{cut}", line.chars().take(SHOWN).collect::<String>())
}
