//! `tuning-fork embed`: texts as vectors.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::out;
use super::progress::Bar;
use crate::encoder::{Embedding, Encoder, EncoderCard, cosine};
use crate::files;
use crate::hub::resolve;

#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// A sentence encoder: its folder, or a Hub id that is in the cache
    model: String,

    /// A text; may be given several times
    #[arg(long = "text", value_name = "TEXT")]
    texts: Vec<String>,

    /// Texts from a file: .jsonl (strings or {"text"}), or a text a line
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,

    /// Put before each text, as some encoders want it (`query: `, `passage: `); without it, the
    /// encoder's own default prompt if it has one
    #[arg(long)]
    prefix: Option<String>,
}

/// A line of the output.
#[derive(Serialize)]
struct Row<'a> {
    text: &'a str,
    tokens: usize,
    vector: &'a [f32],
}

/// A row of the input.
#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Row { text: String },
}

pub fn run(args: &EmbedArgs) -> anyhow::Result<()> {
    // The texts first: a mistake in them should not cost the time of loading an encoder.
    let texts = texts(args)?;
    if texts.is_empty() {
        bail!("there is no text: give one with --text, or a file of them with --file");
    }
    let path = resolve::resolve_model(&args.model)?;
    let encoder = Encoder::load(&path)?;
    let EncoderCard { width, most_tokens, pooling, is_normalized } = encoder.card();
    let length = if is_normalized { ", of length 1" } else { "" };
    out::note(&format!("Vectors of {width} values{length}: {} of a text", pooling.words()));
    let prefix = match (&args.prefix, encoder.default_prompt()) {
        (Some(prefix), _) => prefix.as_str(),
        (None, Some(prompt)) => {
            out::note(&format!(
                "The encoder's default prompt, {prompt:?}, is put before each text, as \
                 sentence-transformers does; --prefix \"\" leaves it out"
            ));
            prompt
        }
        (None, None) => "",
    };
    let bar = Bar::new();
    let embeddings = encoder.embed_after(prefix, &texts, &bar);
    bar.clear();
    let embeddings = embeddings?;
    for (text, Embedding { values, token_count, .. }) in texts.iter().zip(&embeddings) {
        out::json(&Row { text, tokens: *token_count, vector: values })?;
    }
    let cut = embeddings.iter().filter(|embedding| embedding.is_cut).count();
    if cut > 0 {
        out::note(&format!("{cut} texts were cut: {most_tokens} tokens of a text are read"));
    }
    if let [a, b] = embeddings.as_slice() {
        out::note(&format!("Cosine similarity: {:.6}", cosine(&a.values, &b.values)));
    }
    Ok(())
}

fn texts(args: &EmbedArgs) -> anyhow::Result<Vec<String>> {
    let mut texts = args.texts.clone();
    let Some(path) = &args.file else { return Ok(texts) };
    let is_jsonl = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("jsonl"));
    if is_jsonl {
        let rows = files::read_jsonl::<Input>(path)?;
        texts.extend(rows.into_iter().map(|row| match row.value {
            Input::Text(text) | Input::Row { text } => text,
        }));
    } else {
        let read = std::fs::read_to_string(path);
        let read = read.with_context(|| format!("{} could not be read", path.display()))?;
        let lines = read.trim_start_matches('\u{feff}').lines().map(str::trim);
        texts.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_from_arguments_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str, text: &str| {
            let path = folder.path().join(name);
            files::write_atomic(&path, text.as_bytes()).unwrap();
            let (model, prefix) = (String::new(), None);
            let texts_given = vec!["given".to_owned()];
            texts(&EmbedArgs { model, texts: texts_given, file: Some(path), prefix })
        };
        let lines = of("a.jsonl", "\"one\"\n{\"text\":\"two\",\"id\":7}\n").unwrap();
        assert_eq!(lines, ["given", "one", "two"]);
        assert_eq!(of("a.txt", "one \n\n two").unwrap(), ["given", "one", "two"]);
        let said = of("b.jsonl", "{\"words\":\"one\"}").unwrap_err().to_string();
        assert!(said.contains("line 1"), "{said}");
    }
}
