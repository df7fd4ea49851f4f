//! `tuning-fork embed`: texts as vectors.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use super::out;
use super::progress::Bar;
use super::rows::{self, TableArgs};
use crate::data::forms::value::{given, kind_of};
use crate::encoder;
use crate::encoder::{Embedding, Encoder, EncoderCard, cosine};
use crate::hub::resolve;

#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// A sentence encoder: its folder, or a Hub id that is in the cache
    model: String,

    /// An adapter of PEFT to lay over the encoder: its folder, or a Hub id in the cache
    #[arg(long)]
    adapter: Option<String>,

    /// A text; may be given several times
    #[arg(long = "text", value_name = "TEXT")]
    texts: Vec<String>,

    /// Texts from a file: a table (JSON Lines, CSV, Parquet, Excel, …) with a column "text" or with
    /// one column alone, or a text a line
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,

    #[command(flatten)]
    table: TableArgs,

    /// Put before each text, as some encoders want it (`query: `, `passage: `); without it, the
    /// encoder's own default prompt if it has one
    #[arg(long)]
    prefix: Option<String>,

    /// How the vectors of a text's tokens become one; without it, as the folder says
    #[arg(long, value_enum)]
    pooling: Option<Pooling>,

    /// Make each vector one unit long, or leave it as it is; without it, as the folder says
    #[arg(long, value_name = "true|false")]
    normalize: Option<bool>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Pooling {
    Mean,
    Cls,
    Last,
    Max,
}

impl From<Pooling> for encoder::Pooling {
    fn from(pooling: Pooling) -> Self {
        match pooling {
            Pooling::Mean => Self::Mean,
            Pooling::Cls => Self::Cls,
            Pooling::Last => Self::Last,
            Pooling::Max => Self::Max,
        }
    }
}

/// Where a command's texts come from.
pub struct TextsArgs<'a> {
    pub texts: &'a [String],
    pub file: Option<&'a Path>,
    pub table: &'a TableArgs,
}

/// A line of the output.
#[derive(Serialize)]
struct Row<'a> {
    text: &'a str,
    tokens: usize,
    vector: &'a [f32],
}

pub fn run(args: &EmbedArgs) -> anyhow::Result<()> {
    // The texts first: a mistake in them should not cost the time of loading an encoder.
    let EmbedArgs { texts, file, table, .. } = args;
    let texts = texts_of(&TextsArgs { texts, file: file.as_deref(), table })?;
    if texts.is_empty() {
        bail!("there is no text: give one with --text, or a file of them with --file");
    }
    let path = resolve::resolve_model(&args.model)?;
    let adapter = args.adapter.as_deref().map(resolve::resolve_adapter).transpose()?;
    let mut encoder = Encoder::load_with(&path, adapter.as_deref())?;
    if let Some(sentence) = encoder.missing_head() {
        out::note(&format!("warning: {}: {sentence}", path.display()));
    }
    if let Some(pooling) = args.pooling {
        encoder = encoder.pooled(pooling.into());
    }
    if let Some(is_normalized) = args.normalize {
        encoder = encoder.normalized(is_normalized);
    }
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
    if let Some(most) = most_tokens.filter(|_| cut > 0) {
        out::note(&format!("{cut} texts were cut: {most} tokens of a text are read"));
    }
    if let [a, b] = embeddings.as_slice() {
        out::note(&format!("Cosine similarity: {:.6}", cosine(&a.values, &b.values)));
    }
    Ok(())
}

/// All texts that a command was given.
pub fn texts_of(args: &TextsArgs<'_>) -> anyhow::Result<Vec<String>> {
    let mut texts = args.texts.to_vec();
    let Some(path) = args.file else { return Ok(texts) };
    let rows::Read { report, rows, columns } = rows::read(path, args.table)?;
    let column = match report.columns.as_slice() {
        [only] if columns.get("text").is_none() => only.as_str(),
        _ => "text",
    };
    for (place, row) in rows {
        let problem = match given(&row, column) {
            Some(Value::String(text)) => {
                texts.push(text.clone());
                continue;
            }
            Some(Value::Number(number)) => {
                texts.push(number.to_string());
                continue;
            }
            Some(other) => format!("\"{column}\" must be text, and it is {}", kind_of(other)),
            None if report
                .columns
                .iter()
                .any(|known| columns.get("text").unwrap_or(column) == known) =>
            {
                format!("its \"{column}\" is empty")
            }
            None => {
                let all = report.columns.iter().map(|name| format!("\"{name}\""));
                format!(
                    "it has no column \"text\"; it has {}. Say which one is meant: --columns text=NAME",
                    all.collect::<Vec<String>>().join(", ")
                )
            }
        };
        let (key, problem) = columns.explain(Some(column), problem);
        return Err(report.error(place, key.as_deref(), problem).into());
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    fn read(name: &str, text: &str, columns: &str) -> anyhow::Result<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        files::write_atomic(&path, text.as_bytes()).unwrap();
        let columns = if columns.is_empty() { Vec::new() } else { vec![columns.to_owned()] };
        texts_of(&TextsArgs {
            texts: &["given".to_owned()],
            file: Some(&path),
            table: &TableArgs { columns },
        })
    }

    #[test]
    fn texts_come_from_arguments_and_from_tables_of_every_format() {
        for (name, text, columns) in [
            ("a.jsonl", "\"one\"\n{\"text\":\"two\",\"id\":7}\n", ""),
            ("a.txt", "one \n\n two", ""),
            ("a.csv", "id,text\n1,one\n2,two\n", ""),
            ("a.csv", "abstract\none\ntwo\n", ""),
            ("a.csv", "id,abstract\n1,one\n2,two\n", "text=abstract"),
        ] {
            let found = read(name, text, columns).unwrap_or_else(|err| panic!("{text}: {err:#}"));
            assert_eq!(found, ["given", "one", "two"], "{text}");
        }
    }

    #[test]
    fn a_row_without_a_text_is_named_with_its_place() {
        let said = |name: &str, text: &str| read(name, text, "").unwrap_err().to_string();
        let words = said("b.jsonl", "{\"words\":\"one\",\"id\":1}");
        assert!(words.starts_with("line 1, column 1 of "), "{words}");
        assert!(words.contains("it has no column \"text\"; it has \"words\", \"id\""), "{words}");
        let number = said("b.jsonl", "{\"text\":\"a\"}\n{\"text\":[\"b\"]}");
        assert!(number.starts_with("line 2, "), "{number}");
        assert!(number.ends_with("\"text\" must be text, and it is a list"), "{number}");
        let empty = said("b.csv", "id,text\n1,one\n2,\n");
        assert!(empty.starts_with("line 3, column 2 of "), "{empty}");
        assert!(empty.ends_with("its \"text\" is empty"), "{empty}");
    }
}
